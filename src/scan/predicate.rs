//! `DataFusion` expressions → [`Predicate`].

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, Operator};
use serde_json::Value;

use crate::bind::{ColumnRole, Predicate, Table, TableColumn};
use crate::provider::ValueType;

/// What an expression says about the columns of `table`, as far as binding is concerned.
pub(super) fn translate(table: &Table, expr: &Expr) -> Predicate {
    match expr {
        Expr::Alias(alias) => translate(table, &alias.expr),
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::And => Predicate::And(vec![translate(table, &binary.left), translate(table, &binary.right)]),
            Operator::Or => {
                let mut any = Vec::new();
                flatten_or(table, expr, &mut any);
                Predicate::Or(any)
            }
            Operator::Eq => {
                let pair = match (column_of(table, &binary.left), literal_of(&binary.right)) {
                    (Some(column), Some(value)) => Some((column, value)),
                    _ => column_of(table, &binary.right).zip(literal_of(&binary.left)),
                };
                match pair {
                    Some((column, value)) => {
                        checked(table, expr, [&binary.left, &binary.right], Predicate::Equals { column, value })
                    }
                    None => other(table, expr),
                }
            }
            _ => other(table, expr),
        },
        Expr::InList(list) if !list.negated => {
            // A NULL in the list matches nothing.
            let counting = list.list.iter().filter(|item| !is_null(item));
            let values: Option<Vec<Value>> = counting.map(literal_of).collect();
            match (column_of(table, &list.expr), values) {
                (Some(column), Some(values)) if !values.is_empty() => {
                    checked(table, expr, [&list.expr], Predicate::In { column, values })
                }
                _ => other(table, expr),
            }
        }
        Expr::IsTrue(inner) => match column_of(table, inner) {
            Some(column) => Predicate::Equals { column, value: Value::Bool(true) },
            None => other(table, expr),
        },
        Expr::IsFalse(inner) | Expr::Not(inner) => match inner.as_ref() {
            Expr::Column(_) | Expr::Cast(_) => match column_of(table, inner) {
                Some(column) => Predicate::Equals { column, value: Value::Bool(false) },
                None => other(table, expr),
            },
            _ => other(table, expr),
        },
        Expr::Column(_) => match column_of(table, expr) {
            Some(column) => Predicate::Equals { column, value: Value::Bool(true) },
            None => other(table, expr),
        },
        _ => other(table, expr),
    }
}

/// A predicate on a column under a cast binds, but says something else than equality with the value that is sent: the rows
/// are checked as well.
fn checked<'a>(
    table: &Table,
    expr: &Expr,
    sides: impl IntoIterator<Item = &'a Box<Expr>>,
    predicate: Predicate,
) -> Predicate {
    let cast = |side: &Expr| matches!(side, Expr::Cast(_) | Expr::TryCast(_)) && column_of(table, side).is_some();
    if sides.into_iter().any(|side| cast(side)) {
        Predicate::And(vec![predicate, other(table, expr)])
    } else {
        predicate
    }
}

/// Whether a predicate lets no row pass, whatever the row holds: what the optimiser makes of predicates that contradict each
/// other, and of comparisons with NULL.
pub(super) fn never_holds(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Boolean(passes), _) => !passes.unwrap_or_default(),
        Expr::Literal(ScalarValue::Null, _) => true,
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::And => never_holds(&binary.left) || never_holds(&binary.right),
            Operator::Or => never_holds(&binary.left) && never_holds(&binary.right),
            _ => false,
        },
        Expr::InList(list) => !list.negated && list.list.iter().all(is_null),
        _ => false,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(scalar, _) if scalar.is_null())
}

/// The column that an expression is, under casts after which an equality still means one value of it.
pub(super) fn column_of(table: &Table, expr: &Expr) -> Option<usize> {
    let under = |inner: &Expr, target: &DataType| {
        let at = column_of(table, inner)?;
        keeps_value(&table.columns[at], target).then_some(at)
    };
    match expr {
        Expr::Column(column) => table.columns.iter().position(|known| known.name == column.name),
        Expr::Cast(cast) => under(&cast.expr, cast.field.data_type()),
        Expr::TryCast(cast) => under(&cast.expr, cast.field.data_type()),
        Expr::Alias(alias) => column_of(table, &alias.expr),
        _ => None,
    }
}

/// Whether an equality of a column's values after a cast means one value of it. A parameter's column holds what was bound. A
/// field is another matter: `CAST(id AS INT) = 1` is true of `01` as well.
pub(super) fn keeps_value(column: &TableColumn, target: &DataType) -> bool {
    let is_bound = column.role == ColumnRole::Parameter || column.role.shadows();
    is_bound || target.is_string() || column.ty == ValueType::Integer && target.is_numeric()
}

fn flatten_or(table: &Table, expr: &Expr, into: &mut Vec<Predicate>) {
    match expr {
        Expr::BinaryExpr(binary) if binary.op == Operator::Or => {
            flatten_or(table, &binary.left, into);
            flatten_or(table, &binary.right, into);
        }
        // `k IN (2, NULL)` has become `k = 2 OR NULL`.
        _ if never_holds(expr) => {}
        _ => into.push(translate(table, expr)),
    }
}

fn literal_of(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Literal(scalar, _) => scalar_value(scalar),
        Expr::Cast(cast) => literal_of(&cast.expr),
        Expr::TryCast(cast) => literal_of(&cast.expr),
        Expr::Alias(alias) => literal_of(&alias.expr),
        Expr::Negative(inner) => match literal_of(inner)? {
            Value::Number(n) => match (n.as_i64(), n.as_f64()) {
                (Some(n), _) => Some(Value::from(-n)),
                (None, Some(f)) => Some(Value::from(-f)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// A literal as a JSON value; NULL and types without a JSON form are none.
pub(super) fn scalar_value(scalar: &ScalarValue) -> Option<Value> {
    match scalar {
        ScalarValue::Utf8(Some(s)) | ScalarValue::Utf8View(Some(s)) | ScalarValue::LargeUtf8(Some(s)) => {
            Some(Value::from(s.as_str()))
        }
        ScalarValue::Boolean(Some(b)) => Some(Value::Bool(*b)),
        ScalarValue::Int8(Some(n)) => Some(Value::from(*n)),
        ScalarValue::Int16(Some(n)) => Some(Value::from(*n)),
        ScalarValue::Int32(Some(n)) => Some(Value::from(*n)),
        ScalarValue::Int64(Some(n)) => Some(Value::from(*n)),
        ScalarValue::UInt8(Some(n)) => Some(Value::from(*n)),
        ScalarValue::UInt16(Some(n)) => Some(Value::from(*n)),
        ScalarValue::UInt32(Some(n)) => Some(Value::from(*n)),
        ScalarValue::UInt64(Some(n)) => Some(Value::from(*n)),
        ScalarValue::Float32(Some(n)) => finite(f64::from(*n)),
        ScalarValue::Float64(Some(n)) => finite(*n),
        ScalarValue::Dictionary(_, inner) => scalar_value(inner),
        ScalarValue::Decimal128(Some(_), ..) | ScalarValue::Decimal256(Some(_), ..) | ScalarValue::Date32(Some(_)) => {
            Some(Value::from(scalar.to_string()))
        }
        ScalarValue::TimestampSecond(Some(_), _)
        | ScalarValue::TimestampMillisecond(Some(_), _)
        | ScalarValue::TimestampMicrosecond(Some(_), _)
        | ScalarValue::TimestampNanosecond(Some(_), _) => {
            let text = scalar.to_array_of_size(1).ok()?;
            arrow::util::display::array_value_to_string(&text, 0).ok().map(Value::from)
        }
        _ => None,
    }
}

/// JSON has no NaN and no infinity.
fn finite(n: f64) -> Option<Value> {
    serde_json::Number::from_f64(n).map(Value::Number)
}

fn other(table: &Table, expr: &Expr) -> Predicate {
    let place = |column: &Column| table.columns.iter().position(|known| known.name == column.name);
    let mut columns = BTreeSet::new();
    let mut compared = BTreeSet::new();
    let _ = expr.apply(|part| {
        if let Expr::Column(column) = part {
            columns.extend(place(column));
        }
        compared.extend(compared_sides(part).into_iter().filter_map(bare).filter_map(place));
        Ok(TreeNodeRecursion::Continue)
    });
    Predicate::Other { columns: columns.into_iter().collect(), compared: compared.into_iter().collect() }
}

/// What is compared with something anywhere in an expression.
pub(super) fn all_compared(expr: &Expr) -> Vec<&Expr> {
    let mut sides = Vec::new();
    let _ = expr.apply(|part| {
        sides.extend(compared_sides(part));
        Ok(TreeNodeRecursion::Continue)
    });
    sides
}

/// What a comparison compares with something; nothing of what is no comparison.
fn compared_sides(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryExpr(binary) if binary.op.supports_propagation() => {
            vec![&binary.left, &binary.right]
        }
        Expr::Like(like) | Expr::SimilarTo(like) => vec![&like.expr],
        Expr::Between(between) => vec![&between.expr],
        Expr::InList(list) => vec![&list.expr],
        _ => Vec::new(),
    }
}

/// The column that an expression is, under casts.
fn bare(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) => bare(&cast.expr),
        Expr::TryCast(cast) => bare(&cast.expr),
        Expr::Alias(alias) => bare(&alias.expr),
        _ => None,
    }
}
