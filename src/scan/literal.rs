//! Literals take the type of the API column they are compared with, before `DataFusion` coerces types.
//!
//! `private = 'true'`, `image_id = '5'` and `size IN ('1', '2')` are how scripts of this ecosystem write values.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

/// See the module's text.
#[derive(Debug, Default)]
pub struct LiteralCoercion;

impl AnalyzerRule for LiteralCoercion {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let schema = match &node {
                LogicalPlan::TableScan(scan) => {
                    DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?
                }
                other => merge_schema(&other.inputs()),
            };
            node.map_expressions(|expr| expr.transform_up(|expr| Ok(coerce(expr, &schema))))
        })
        .map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "skyql_literal_coercion"
    }
}

fn coerce(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => {
            // Text compares with numbers by value; only equality may become a comparison of texts.
            let fits = |target: &Target| *target != Target::Text || matches!(op, Operator::Eq | Operator::NotEq);
            let (left, right) = match (target(&left, schema).filter(fits), target(&right, schema).filter(fits)) {
                (Some(kind), None) => match typed(&right, kind) {
                    Some(right) => (left, Box::new(right)),
                    None => return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
                },
                (None, Some(kind)) => match typed(&left, kind) {
                    Some(left) => (Box::new(left), right),
                    None => return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
                },
                _ => return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            };
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let Some(kind) = target(&expr, schema) else {
                return Transformed::no(Expr::InList(InList { expr, list, negated }));
            };
            let list = list.into_iter().map(|item| typed(&item, kind).unwrap_or(item)).collect();
            Transformed::yes(Expr::InList(InList { expr, list, negated }))
        }
        other => Transformed::no(other),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Boolean,
    Integer,
    Number,
    Text,
}

/// The type of an API column.
fn target(expr: &Expr, schema: &DFSchema) -> Option<Target> {
    let Expr::Column(column) = expr else { return None };
    let field = schema.field_from_column(column).ok()?;
    match field.metadata().get(crate::rows::KIND_KEY)?.as_str() {
        "boolean" => Some(Target::Boolean),
        "integer" => Some(Target::Integer),
        "number" => Some(Target::Number),
        "text" | "any" => Some(Target::Text),
        _ => None,
    }
}

/// A literal in the type of the column, where its value is one.
fn typed(expr: &Expr, target: Target) -> Option<Expr> {
    let Expr::Literal(scalar, metadata) = expr else { return None };
    let scalar = match (target, scalar) {
        (Target::Text, ScalarValue::Boolean(Some(b))) => ScalarValue::Utf8(Some(b.to_string())),
        (Target::Text, ScalarValue::Int64(Some(n))) => ScalarValue::Utf8(Some(n.to_string())),
        (Target::Text, _) => return None,
        (target, ScalarValue::Utf8(Some(s)) | ScalarValue::Utf8View(Some(s)) | ScalarValue::LargeUtf8(Some(s))) => {
            let text = s.trim();
            match target {
                Target::Boolean if text.eq_ignore_ascii_case("true") => ScalarValue::Boolean(Some(true)),
                Target::Boolean if text.eq_ignore_ascii_case("false") => ScalarValue::Boolean(Some(false)),
                Target::Integer => ScalarValue::Int64(Some(text.parse().ok()?)),
                Target::Number => ScalarValue::Float64(Some(text.parse().ok()?)),
                Target::Boolean | Target::Text => return None,
            }
        }
        _ => return None,
    };
    Some(Expr::Literal(scalar, metadata.clone()))
}
