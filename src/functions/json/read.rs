//! Functions that look at a document: `json_extract`, `->`, `->>`, `json_type`, `json_valid`, …

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ScalarUDF};
use sqlparser::ast::BinaryOperator;

use super::document::{Node, document, parse, quote};
use super::equal::is_equal;
use super::path::{Paths, Step, follow};
use crate::functions::column::{Column, Value};
use crate::functions::scalar::{Arguments, Output, Scalar, booleans, integers, texts};

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new(
            "json_extract",
            2..=usize::MAX,
            |count| if count > 2 { Output::Json } else { Output::Text },
            extract,
        ),
        arrow(),
        long_arrow(),
        Scalar::new(
            "json_type",
            1..=2,
            |_| Output::Text,
            |arguments| {
                let mut at = Place::of(arguments, "json_type");
                texts(arguments.rows, |row| at.look(row, |node| Some(node.kind().to_owned())))
            },
        ),
        Scalar::new(
            "json_array_length",
            1..=2,
            |_| Output::Integer,
            |arguments| {
                let mut at = Place::of(arguments, "json_array_length");
                integers(arguments.rows, |row| {
                    at.look(row, |node| match node {
                        Node::Array(items) => i64::try_from(items.len()).ok(),
                        _ => Some(0),
                    })
                })
            },
        ),
        Scalar::new(
            "json_valid",
            1..=1,
            |_| Output::Boolean,
            |arguments| {
                let text = &arguments.columns[0];
                booleans(arguments.rows, |row| Ok(text.text(row).map(|text| document(&text).is_ok())))
            },
        ),
        Scalar::new(
            "json_equal",
            2..=2,
            |_| Output::Boolean,
            |arguments| {
                let [left, right] = arguments.columns.as_slice() else { return booleans(0, |_| Ok(None)) };
                booleans(arguments.rows, |row| {
                    let (Some(left), Some(right)) = (left.text(row), right.text(row)) else { return Ok(None) };
                    Ok(Some(is_equal(&parse(&left, "json_equal")?, &parse(&right, "json_equal")?)))
                })
            },
        ),
    ]
}

/// A document and the place in it that an optional second argument names.
struct Place<'a> {
    document: &'a Column,
    path: Option<&'a Column>,
    paths: Paths,
    function: &'static str,
}

impl<'a> Place<'a> {
    fn of(arguments: &'a Arguments, function: &'static str) -> Self {
        Self { document: &arguments.columns[0], path: arguments.columns.get(1), paths: Paths::default(), function }
    }

    /// What `answer` says of the value there; NULL where there is none.
    fn look<T>(&mut self, row: usize, answer: impl FnOnce(&Node<'_>) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = self.document.text(row) else { return Ok(None) };
        let node = parse(&text, self.function)?;
        let Some(path) = self.path else { return Ok(answer(&node)) };
        let Some(path) = path.text(row) else { return Ok(None) };
        Ok(follow(&node, self.paths.steps(&path)?).and_then(answer))
    }
}

fn extract(arguments: &Arguments) -> Result<ArrayRef> {
    let Some((document, paths)) = arguments.columns.split_first() else { return texts(0, |_| Ok(None)) };
    let mut known: Vec<Paths> = paths.iter().map(|_| Paths::default()).collect();
    texts(arguments.rows, |row| {
        let Some(text) = document.text(row) else { return Ok(None) };
        let node = parse(&text, "json_extract")?;
        let mut found = Vec::new();
        for (path, known) in paths.iter().zip(&mut known) {
            let Some(path) = path.text(row) else { return Ok(None) };
            found.push(follow(&node, known.steps(&path)?));
        }
        if let [one] = found.as_slice() {
            return Ok(one.and_then(Node::sql));
        }
        let items: Vec<String> = found.iter().map(|node| node.map_or("null".to_owned(), Node::json)).collect();
        Ok(Some(format!("[{}]", items.join(","))))
    })
}

/// `json -> step`: JSON.
fn arrow() -> Scalar {
    Scalar::new("->", 2..=2, |_| Output::Json, |arguments| step(arguments, "->", |node| Some(node.json())))
}

/// `json ->> step`: a value of SQL.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method holds for one lifetime only")]
fn long_arrow() -> Scalar {
    Scalar::new("->>", 2..=2, |_| Output::Text, |arguments| step(arguments, "->>", |node| node.sql()))
}

fn step(arguments: &Arguments, function: &str, answer: fn(&Node<'_>) -> Option<String>) -> Result<ArrayRef> {
    let [document, place] = arguments.columns.as_slice() else { return texts(0, |_| Ok(None)) };
    let mut paths = Paths::default();
    texts(arguments.rows, |row| {
        let Some(text) = document.text(row) else { return Ok(None) };
        let node = parse(&text, function)?;
        let found = match place.value(row) {
            Value::Null => None,
            Value::Integer(at) => follow(&node, &[element(at)]),
            other => {
                let text = other.text().unwrap_or_default();
                if text.starts_with('$') {
                    follow(&node, paths.steps(&text)?)
                } else {
                    // A name as it stands: dots and brackets belong to it.
                    follow(&node, &[Step::Member(text.into_owned())])
                }
            }
        };
        Ok(found.and_then(answer))
    })
}

fn element(at: i64) -> Step {
    let index = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
    if at < 0 { Step::FromEnd(index) } else { Step::Element(index) }
}

/// Plans `->` and `->>`.
#[derive(Debug)]
pub(super) struct Arrows;

impl ExprPlanner for Arrows {
    fn plan_binary_op(&self, expr: RawBinaryExpr, _schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = match expr.op {
            BinaryOperator::Arrow => arrow(),
            BinaryOperator::LongArrow => long_arrow(),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let call = ScalarFunction::new_udf(Arc::new(ScalarUDF::from(function)), vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}

/// A member of an object from two columns, as `"name":value`.
///
/// # Errors
/// When the name is NULL.
pub(super) fn member(name: &Column, value: &Column, row: usize, function: &str) -> Result<String> {
    let Some(name) = name.text(row) else {
        return datafusion::common::exec_err!("`{function}` got NULL for the name of a member");
    };
    Ok(format!("{}:{}", quote(&name), value.json(row)?))
}
