//! `DataFusion` expressions → [`Condition`], as far as an API could be told them.

use datafusion::logical_expr::{Expr, Operator};
use serde_json::Value;

use super::predicate::scalar_value;
use crate::bind::{Comparison, Condition, Table};

/// What an expression asks of fields; none for what no API can be told.
pub(super) fn condition(table: &Table, expr: &Expr) -> Option<Condition> {
    match expr {
        Expr::Alias(alias) => condition(table, &alias.expr),
        Expr::BinaryExpr(binary) => {
            let (left, right) = (&binary.left, &binary.right);
            let parts = || vec![condition(table, left), condition(table, right)];
            let comparison = match binary.op {
                Operator::And => return Some(Condition::All(parts())),
                Operator::Or => return Some(Condition::Any(parts())),
                Operator::Eq => Comparison::Equal,
                Operator::Lt => Comparison::Less,
                Operator::LtEq => Comparison::LessOrEqual,
                Operator::Gt => Comparison::Greater,
                Operator::GtEq => Comparison::GreaterOrEqual,
                _ => return None,
            };
            let forward = field(table, left).zip(literal(right)).map(|(column, value)| (column, comparison, value));
            let backward = || {
                let pair = field(table, right).zip(literal(left));
                pair.map(|(column, value)| (column, comparison.mirrored(), value))
            };
            let (column, comparison, value) = forward.or_else(backward)?;
            Some(Condition::Compare { column, comparison, value })
        }
        Expr::InList(list) if !list.negated => {
            let column = field(table, &list.expr)?;
            let equal =
                |item| Some(Condition::Compare { column, comparison: Comparison::Equal, value: literal(item)? });
            Some(Condition::Any(list.list.iter().map(equal).collect()))
        }
        Expr::Between(between) if !between.negated => {
            let column = field(table, &between.expr)?;
            let bound = |comparison, value| Some(Condition::Compare { column, comparison, value: literal(value)? });
            Some(Condition::All(vec![
                bound(Comparison::GreaterOrEqual, &between.low),
                bound(Comparison::LessOrEqual, &between.high),
            ]))
        }
        Expr::Like(like) if !like.negated && !like.case_insensitive && like.escape_char.is_none() => {
            let column = field(table, &like.expr)?;
            let Value::String(pattern) = literal(&like.pattern)? else { return None };
            // The longest text that every match holds.
            let text = pattern.split(['%', '_']).max_by_key(|part| part.len()).unwrap_or_default();
            let usable = !text.is_empty() && !pattern.contains('\\');
            usable.then(|| Condition::Contains { column, text: text.to_owned() })
        }
        Expr::IsTrue(inner) => flag(table, inner, true),
        Expr::IsFalse(inner) | Expr::Not(inner) => flag(table, inner, false),
        Expr::Column(_) => flag(table, expr, true),
        _ => None,
    }
}

/// The field that has a value in every row that this lets pass, where that is plain to see.
pub(super) fn needs_value(table: &Table, expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Alias(alias) => needs_value(table, &alias.expr),
        Expr::IsNotNull(inner) | Expr::IsTrue(inner) | Expr::IsFalse(inner) | Expr::Not(inner) => field(table, inner),
        Expr::Column(_) => field(table, expr),
        Expr::BinaryExpr(binary) => {
            let compares = matches!(
                binary.op,
                Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
            );
            let side = |field_side, literal_side| field(table, field_side).filter(|_| literal(literal_side).is_some());
            let found = side(&binary.left, &binary.right).or_else(|| side(&binary.right, &binary.left));
            found.filter(|_| compares)
        }
        Expr::InList(list) => field(table, &list.expr),
        Expr::Between(between) => field(table, &between.expr),
        Expr::Like(like) => field(table, &like.expr),
        _ => None,
    }
}

fn flag(table: &Table, expr: &Expr, value: bool) -> Option<Condition> {
    let column = field(table, expr)?;
    Some(Condition::Compare { column, comparison: Comparison::Equal, value: Value::Bool(value) })
}

/// The column itself: under a cast it is compared in another type.
fn field(table: &Table, expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column(column) => table.columns.iter().position(|known| known.name == column.name),
        Expr::Alias(alias) => field(table, &alias.expr),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Literal(scalar, _) => scalar_value(scalar),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}
