//! Comparisons that are equalities in other words: `(a, b) IN ((1, 2), (3, 4))`, `(a, b) = (1, 2)`, `a = ANY (SELECT …)`.
//!
//! `DataFusion` makes a struct of `(a, b)`, and compares structs as values: no equality of `a` is seen in it, and a NULL within
//! is like another. The standard defines a comparison of rows by its equalities, and `= ANY` by `IN`.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Array, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, UnaryOperator, VisitMut, VisitorMut,
};

use super::walk::walk_mut;

/// Writes the comparisons of a statement, or a part of one, as the equalities that they are.
pub(super) fn as_equalities(node: &mut impl VisitMut) {
    walk_mut(node, &mut Equalities);
}

struct Equalities;

impl VisitorMut for Equalities {
    type Break = ();

    // What it becomes is visited next: rows stand within rows.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(equalities) = equalities(expr) {
            *expr = equalities;
        }
        ControlFlow::Continue(())
    }
}

fn equalities(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::BinaryOp { left, op: op @ (BinaryOperator::Eq | BinaryOperator::NotEq), right } => {
            Some(negated_if(*op == BinaryOperator::NotEq, alike(&row(left)?, &row(right)?)?))
        }
        Expr::InList { expr, list, negated } => {
            let left = row(expr)?;
            // What is written once for each row is evaluated once for each.
            if list.len() > 1 && !left.iter().all(|value| is_plain(value)) {
                return None;
            }
            let rows: Vec<Expr> = list.iter().map(|right| alike(&left, &row(right)?)).collect::<Option<_>>()?;
            Some(negated_if(*negated, joined(rows, &BinaryOperator::Or)?))
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => match right.as_ref() {
            Expr::Subquery(subquery) => {
                Some(Expr::InSubquery { expr: Box::new(operand(left)), subquery: subquery.clone(), negated: false })
            }
            Expr::Array(Array { elem, .. }) if !elem.is_empty() => {
                Some(Expr::InList { expr: Box::new(operand(left)), list: elem.clone(), negated: false })
            }
            _ => None,
        },
        _ => None,
    }
}

/// The values of a row, however it is written: `(a, b)`, `((a, b))`, `ROW(a, b)`.
fn row(expr: &Expr) -> Option<Vec<&Expr>> {
    match expr {
        Expr::Tuple(values) => Some(values.iter().collect()),
        Expr::Nested(inner) => row(inner),
        Expr::Function(Function { name: ObjectName(name), args: FunctionArguments::List(list), .. }) => {
            let [ObjectNamePart::Identifier(Ident { value, quote_style: None, .. })] = name.as_slice() else {
                return None;
            };
            let value_of = |arg: &'_ FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
            if !value.eq_ignore_ascii_case("row") || !list.args.iter().all(value_of) {
                return None;
            }
            let values = list.args.iter().filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value),
                _ => None,
            });
            Some(values.collect())
        }
        _ => None,
    }
}

/// A side of a comparison, in parentheses where it would be read as more than that.
fn operand(expr: &Expr) -> Expr {
    if is_plain(expr) || matches!(expr, Expr::Function(_) | Expr::Tuple(_)) {
        expr.clone()
    } else {
        nested(expr.clone())
    }
}

/// That two rows are alike; none where they have not as many values.
fn alike(left: &[&Expr], right: &[&Expr]) -> Option<Expr> {
    if left.len() != right.len() {
        return None;
    }
    let equal = |(a, b): (&&Expr, &&Expr)| binary(operand(a), BinaryOperator::Eq, operand(b));
    joined(left.iter().zip(right).map(equal).collect(), &BinaryOperator::And)
}

/// All of them in a tree that is no deeper than it must be, in parentheses.
fn joined(mut parts: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    match parts.len() {
        0 | 1 => parts.pop(),
        several => {
            let right = joined(parts.split_off(several / 2), op)?;
            Some(nested(binary(joined(parts, op)?, op.clone(), right)))
        }
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    if negated { nested(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(nested(expr)) }) } else { expr }
}

/// Whether it is the same however often it is evaluated.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => true,
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_plain(inner),
        Expr::Tuple(parts) => parts.iter().all(is_plain),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Statement, parse};

    fn rewritten(condition: &str) -> String {
        match parse(&format!("SELECT 1 WHERE {condition}")).unwrap() {
            Statement::Query(query) => query.to_string().split_once("WHERE ").unwrap().1.to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rows_are_compared_by_their_values() {
        for (text, equalities) in [
            ("(a, b) = (1, 2)", "(a = 1 AND b = 2)"),
            ("(a, b) <> (1, 2)", "(NOT ((a = 1 AND b = 2)))"),
            ("(a, b) IN ((1, 2), (3, NULL))", "((a = 1 AND b = 2) OR (a = 3 AND b = NULL))"),
            ("(a, b) NOT IN ((1, 2))", "(NOT ((a = 1 AND b = 2)))"),
            ("(f(a), b) IN ((1, 2))", "(f(a) = 1 AND b = 2)"),
            ("((a, b), c) = ((1, 2), 3)", "((a = 1 AND b = 2) AND c = 3)"),
            ("ROW(a, b) = ((1, c OR d))", "(a = 1 AND b = (c OR d))"),
            ("(a, b) NOT IN (row(1, 2))", "(NOT ((a = 1 AND b = 2)))"),
            ("a OR b = ANY (SELECT 1)", "a OR b IN (SELECT 1 AS \"1\")"),
            ("a + b = ANY (SELECT 1)", "(a + b) IN (SELECT 1 AS \"1\")"),
            ("a = ANY (SELECT 1)", "a IN (SELECT 1 AS \"1\")"),
            ("a = SOME (ARRAY[1, 2])", "a IN (1, 2)"),
        ] {
            assert_eq!(rewritten(text), equalities, "{text}");
        }
    }

    #[test]
    fn what_is_no_equality_of_rows_stays() {
        for text in [
            "(a, b) < (1, 2)",
            "(a, b) = (1, 2, 3)",
            "(a, b) IN ((1, 2), (3))",
            "(f(a), b) IN ((1, 2), (3, 4))",
            "a <> ANY(ARRAY[1])",
        ] {
            assert_eq!(rewritten(text), text);
        }
    }
}
