//! Literals take the type of the API column they are compared with, before `DataFusion` coerces types.
//!
//! `private = 'true'`, `image_id = '5'` and `size IN ('1', '2')` are how scripts of this ecosystem write values.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use super::border::to_datafusion;
use crate::error::{Error, ErrorKind, Position};
use crate::functions::JSON_VALUE;

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
            node.map_expressions(|expr| expr.transform_up(|expr| coerce(expr, &schema)))
        })
        .map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "skyql_literal_coercion"
    }
}

fn coerce(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => {
            // Text compares with numbers by value; only equality may become a comparison of texts.
            let fits = |target: &Target| *target != Target::Text || matches!(op, Operator::Eq | Operator::NotEq);
            let (left, right) = match (target(&left, schema).filter(fits), target(&right, schema).filter(fits)) {
                (Some(kind), None) => {
                    let right = typed(*right, kind, &left)?;
                    (left, Box::new(right))
                }
                (None, Some(kind)) => {
                    let left = typed(*left, kind, &right)?;
                    (Box::new(left), right)
                }
                _ => (left, right),
            };
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let list = match target(&expr, schema) {
                Some(kind) => list.into_iter().map(|item| typed(item, kind, &expr)).collect::<Result<_>>()?,
                None => list,
            };
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        other => Ok(Transformed::no(other)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Boolean,
    Integer,
    Number,
    Text,
}

/// The type of an API column, or of a value from a document.
fn target(expr: &Expr, schema: &DFSchema) -> Option<Target> {
    let Expr::Column(column) = expr else { return None };
    let field = schema.field_from_column(column).ok()?;
    if field.metadata().contains_key(JSON_VALUE) {
        return Some(Target::Text);
    }
    match field.metadata().get(crate::rows::KIND_KEY)?.as_str() {
        "boolean" => Some(Target::Boolean),
        "integer" => Some(Target::Integer),
        "number" => Some(Target::Number),
        "text" | "any" => Some(Target::Text),
        _ => None,
    }
}

/// A literal in the type of the column; an error where it cannot be a value of that type.
fn typed(expr: Expr, target: Target, column: &Expr) -> Result<Expr> {
    let Expr::Literal(scalar, metadata) = &expr else { return Ok(expr) };
    let scalar = match (target, scalar) {
        (Target::Text, ScalarValue::Boolean(Some(b))) => ScalarValue::Utf8(Some(b.to_string())),
        (Target::Text, ScalarValue::Int64(Some(n))) => ScalarValue::Utf8(Some(n.to_string())),
        (
            Target::Boolean | Target::Integer | Target::Number,
            ScalarValue::Utf8(Some(s)) | ScalarValue::Utf8View(Some(s)) | ScalarValue::LargeUtf8(Some(s)),
        ) => {
            let text = s.trim();
            let value = match target {
                Target::Boolean if text.eq_ignore_ascii_case("true") => Some(ScalarValue::Boolean(Some(true))),
                Target::Boolean if text.eq_ignore_ascii_case("false") => Some(ScalarValue::Boolean(Some(false))),
                Target::Integer => text.parse().ok().map(|n| ScalarValue::Int64(Some(n))),
                _ => None,
            };
            // `size > '2.5'` is a comparison of numbers.
            let number = || (target != Target::Boolean).then(|| text.parse().ok()).flatten();
            match value.or_else(|| number().map(|n| ScalarValue::Float64(Some(n)))) {
                Some(value) => value,
                None => return Err(misfit(column, target, s)),
            }
        }
        _ => return Ok(expr),
    };
    Ok(Expr::Literal(scalar, metadata.clone()))
}

fn misfit(column: &Expr, target: Target, text: &str) -> DataFusionError {
    let (name, position) = match column {
        Expr::Column(column) => (column.name.as_str(), column.spans.first()),
        _ => ("the column", None),
    };
    let takes = match target {
        Target::Boolean => "`true` or `false`",
        Target::Integer => "a whole number",
        Target::Number | Target::Text => "a number",
    };
    let error = Error::new(ErrorKind::InvalidArgument, format!("`{name}` takes {takes}, not `{text}`"));
    to_datafusion(match position.filter(|span| span.start.line > 0) {
        Some(span) => error.at(Position { line: span.start.line, column: span.start.column }),
        None => error,
    })
}
