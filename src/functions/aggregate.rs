//! Aggregates that are planned as `DataFusion`'s own with something around them: `group_concat`, `total`, and those of
//! JSON.
//!
//! DISTINCT, ORDER BY, FILTER and windows are then those of the aggregate that does the work.

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_aggregate::string_agg::string_agg_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility, WindowFunctionDefinition, cast, lit,
};

use super::json;

/// A name that the planner finds, and [`Aggregates`] replaces.
#[derive(Debug)]
pub(super) struct Aggregate {
    name: &'static str,
    arity: RangeInclusive<usize>,
    signature: Signature,
}

impl Aggregate {
    pub(super) fn new(name: &'static str, arity: RangeInclusive<usize>) -> Self {
        Self { name, arity, signature: Signature::user_defined(Volatility::Immutable) }
    }

    pub(super) fn udaf(self) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::from(self))
    }
}

impl PartialEq for Aggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Aggregate {}

impl Hash for Aggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if self.arity.contains(&types.len()) {
            Ok(types.to_vec())
        } else {
            plan_err!("`{}` does not take {} arguments", self.name, types.len())
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.name == "total" { DataType::Float64 } else { DataType::Utf8 })
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("`{}` is known to SQL only", self.name)
    }
}

/// The aggregate that does the work, and what is done with its result.
pub(super) struct Plan {
    pub(super) function: Arc<AggregateUDF>,
    pub(super) args: Vec<Expr>,
    pub(super) finish: Box<dyn Fn(Expr) -> Expr>,
}

fn plan(name: &str, args: &[Expr]) -> Result<Option<Plan>> {
    let plan = match (name, args) {
        ("group_concat", [value, rest @ ..]) if rest.len() < 2 => {
            let separator = rest.first().cloned().unwrap_or_else(|| lit(","));
            if !matches!(separator, Expr::Literal(..)) {
                return plan_err!("the separator of `group_concat` must be a literal");
            }
            let args = vec![cast(value.clone(), DataType::Utf8), separator];
            Plan { function: string_agg_udaf(), args, finish: Box::new(|text| text) }
        }
        ("total", [value]) => {
            let args = vec![cast(value.clone(), DataType::Float64)];
            let finish = |sum| coalesce(vec![sum, lit(ScalarValue::Float64(Some(0.0)))]);
            Plan { function: sum_udaf(), args, finish: Box::new(finish) }
        }
        ("group_concat" | "total", _) => return plan_err!("`{name}` does not take {} arguments", args.len()),
        _ => return json::plan_aggregate(name, args),
    };
    Ok(Some(plan))
}

/// Plans the aggregates of this module.
#[derive(Debug)]
pub(super) struct Aggregates;

impl ExprPlanner for Aggregates {
    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        let Some(Plan { function, args, finish }) = plan(expr.func.name(), &expr.args)? else {
            return Ok(PlannerResult::Original(expr));
        };
        let RawAggregateExpr { distinct, filter, order_by, null_treatment, .. } = expr;
        let call = AggregateFunction::new_udf(function, args, distinct, filter, order_by, null_treatment);
        Ok(PlannerResult::Planned(finish(Expr::AggregateFunction(call))))
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let name = match &expr.func_def {
            WindowFunctionDefinition::AggregateUDF(function) => function.name(),
            WindowFunctionDefinition::WindowUDF(_) => return Ok(PlannerResult::Original(expr)),
        };
        let Some(Plan { function, args, finish }) = plan(name, &expr.args)? else {
            return Ok(PlannerResult::Original(expr));
        };
        let params = WindowFunctionParams {
            args,
            partition_by: expr.partition_by,
            order_by: expr.order_by,
            window_frame: expr.window_frame,
            filter: expr.filter,
            null_treatment: expr.null_treatment,
            distinct: expr.distinct,
        };
        let call = WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(function), params };
        Ok(PlannerResult::Planned(finish(Expr::WindowFunction(Box::new(call)))))
    }
}

/// Registers the aggregates.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    registry.register_udaf(Aggregate::new("group_concat", 1..=2).udaf())?;
    registry.register_udaf(Aggregate::new("total", 1..=1).udaf())?;
    registry.register_expr_planner(Arc::new(Aggregates))
}
