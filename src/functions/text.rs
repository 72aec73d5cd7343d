//! Patterns, and the small functions that scripts for `SQLite` call: `regexp_substr`, `regexp_replace`, `iif`, `typeof`.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, exec_datafusion_err, internal_err, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::scalar::ScalarValue;
use regex::Regex;
use sqlparser::ast::BinaryOperator;

use super::column::Value;
use super::scalar::{Arguments, Output, Scalar, texts};

/// Registers what is more than a function over columns.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    registry
        .register_udf(Arc::new(ScalarUDF::from(Iif { signature: Signature::user_defined(Volatility::Immutable) })))?;
    registry.register_function_rewrite(Arc::new(ReplacesAll))?;
    registry.register_expr_planner(Arc::new(Truths))
}

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("regexp_substr", 2..=2, |_| Output::Text, first_match),
        Scalar::new("typeof", 1..=1, |_| Output::Text, type_names),
    ]
}

/// The part of the text that the pattern matches first; NULL where it matches nothing.
fn first_match(arguments: &Arguments) -> Result<ArrayRef> {
    let [text, pattern] = arguments.columns.as_slice() else { return texts(0, |_| Ok(None)) };
    let mut known: Option<(String, Regex)> = None;
    texts(arguments.rows, |row| {
        let (Some(text), Some(pattern)) = (text.text(row), pattern.text(row)) else { return Ok(None) };
        if known.as_ref().is_none_or(|(source, _)| *source != pattern) {
            let compiled = Regex::new(&pattern)
                .map_err(|error| exec_datafusion_err!("`regexp_substr` got a pattern that cannot be read: {error}"))?;
            known = Some((pattern.into_owned(), compiled));
        }
        let found = known.as_ref().and_then(|(_, pattern)| pattern.find(&text));
        Ok(found.map(|found| found.as_str().to_owned()))
    })
}

/// `null`, `integer`, `real`, `text` or `blob`, and `boolean`, which `SQLite` does not have.
fn type_names(arguments: &Arguments) -> Result<ArrayRef> {
    let binary = matches!(
        arguments.fields.first().map(|field| field.data_type()),
        Some(DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
    );
    let value = &arguments.columns[0];
    texts(arguments.rows, |row| {
        let name = match value.value(row) {
            Value::Null => "null",
            Value::Boolean(_) => "boolean",
            Value::Integer(_) | Value::Unsigned(_) => "integer",
            Value::Float(_) | Value::Decimal(_) => "real",
            Value::Text(_) if binary => "blob",
            Value::Text(_) | Value::Json(_) => "text",
        };
        Ok(Some(name.to_owned()))
    })
}

/// `iif(condition, value, …, otherwise)`: CASE as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Iif {
    signature: Signature,
}

impl ScalarUDFImpl for Iif {
    fn name(&self) -> &'static str {
        "iif"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.len() < 2 {
            return plan_err!("`iif` is called as `iif(condition, value, otherwise)`");
        }
        let is_condition = |at: usize| at.is_multiple_of(2) && at + 1 < types.len();
        let values: Vec<DataType> =
            types.iter().enumerate().filter(|(at, _)| !is_condition(*at)).map(|(_, ty)| ty.clone()).collect();
        let Some(value) = type_union_resolution(&values) else {
            return plan_err!("the values of `iif` have no type in common: {values:?}");
        };
        Ok((0..types.len()).map(|at| if is_condition(at) { DataType::Boolean } else { value.clone() }).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.get(1) {
            Some(value) => Ok(value.clone()),
            None => plan_err!("`iif` is called as `iif(condition, value, otherwise)`"),
        }
    }

    fn short_circuits(&self) -> bool {
        true
    }

    fn simplify(&self, args: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let mut args = args.into_iter();
        let mut case = Case { expr: None, when_then_expr: Vec::new(), else_expr: None };
        while let Some(when) = args.next() {
            match args.next() {
                Some(then) => case.when_then_expr.push((Box::new(when), Box::new(then))),
                None => case.else_expr = Some(Box::new(when)),
            }
        }
        Ok(ExprSimplifyResult::Simplified(Expr::Case(case)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("`iif` should have become CASE")
    }
}

/// `regexp_replace` without flags replaces every match, as it does where `SQLite` has it; with flags it is as in
/// `PostgreSQL`, and `g` says so.
#[derive(Debug)]
struct ReplacesAll;

impl FunctionRewrite for ReplacesAll {
    fn name(&self) -> &'static str {
        "skyql_regexp_replace"
    }

    fn rewrite(&self, expr: Expr, _schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        match expr {
            Expr::ScalarFunction(mut call) if call.func.name() == "regexp_replace" && call.args.len() == 3 => {
                call.args.push(lit("g"));
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// Functions that are 1 or 0 where scripts for `SQLite` come from, and true or false here.
const TRUTHS: [&str; 3] = ["json_equal", "json_valid", "regexp_like"];

/// `json_valid(x) = 1`, as such scripts say it.
#[derive(Debug)]
struct Truths;

impl ExprPlanner for Truths {
    fn plan_binary_op(&self, expr: RawBinaryExpr, _schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_truth = |expr: &Expr| matches!(expr, Expr::ScalarFunction(call) if TRUTHS.contains(&call.func.name()));
        let number = |expr: &Expr| match expr {
            Expr::Literal(ScalarValue::Int64(Some(number @ (0 | 1))), _) => Some(*number == 1),
            _ => None,
        };
        let equal = match expr.op {
            BinaryOperator::Eq => true,
            BinaryOperator::NotEq => false,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (truth, wanted) = match (number(&expr.left), number(&expr.right)) {
            (None, Some(wanted)) if is_truth(&expr.left) => (expr.left, wanted),
            (Some(wanted), None) if is_truth(&expr.right) => (expr.right, wanted),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(if wanted == equal { truth } else { !truth }))
    }
}
