//! `json_group_array` and `json_group_object`.
//!
//! Each is planned as `array_agg` over the JSON of its values, and a function that puts the pieces together: DISTINCT,
//! ORDER BY, FILTER and windows are then those of `array_agg`.

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::{Result, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::document::{Node, parse, unquote};
use super::make::functions as making;
use super::read::member;
use crate::functions::aggregate::{Aggregate, Plan};
use crate::functions::scalar::{Arguments, Output, Scalar, texts};

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    registry.register_udaf(Aggregate::new("json_group_array", 1..=1).udaf())?;
    registry.register_udaf(Aggregate::new("json_group_object", 2..=2).udaf())?;
    Ok(())
}

/// How `json_group_array` and `json_group_object` are planned; none for other names.
pub(in crate::functions) fn plan(name: &str, args: &[Expr]) -> Result<Option<Plan>> {
    let call = |function: Scalar, args: Vec<Expr>| {
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(function)), args))
    };
    let (piece, finish): (Expr, fn(Expr) -> Expr) = match (name, args) {
        ("json_group_array", [value]) => {
            let Some(quote) = making().into_iter().find(|function| function.name == "json_quote") else {
                return plan_err!("there is no `json_quote`");
            };
            (call(quote, vec![value.clone()]), |list| finished(joined_array(), list))
        }
        ("json_group_object", [name, value]) => {
            (call(member_piece(), vec![name.clone(), value.clone()]), |list| finished(joined_object(), list))
        }
        _ => return Ok(None),
    };
    Ok(Some(Plan { function: array_agg_udaf(), args: vec![piece], finish: Box::new(finish) }))
}

fn finished(function: Scalar, list: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(function)), vec![list]))
}

fn member_piece() -> Scalar {
    Scalar::new(
        "json_member",
        2..=2,
        |_| Output::Text,
        |arguments| {
            let [name, value] = arguments.columns.as_slice() else { return texts(0, |_| Ok(None)) };
            texts(arguments.rows, |row| member(name, value, row, "json_group_object").map(Some))
        },
    )
}

fn joined_array() -> Scalar {
    Scalar::new("json_array_of", 1..=1, |_| Output::Json, |arguments| joined(arguments, '[', ']'))
}

fn joined_object() -> Scalar {
    Scalar::new("json_object_of", 1..=1, |_| Output::Json, |arguments| joined(arguments, '{', '}'))
}

/// The pieces of a list, each of which is JSON already, between brackets.
fn joined(arguments: &Arguments, open: char, close: char) -> Result<ArrayRef> {
    texts(arguments.rows, |row| {
        let list = arguments.columns[0].text(row);
        let pieces = match list.as_deref().map(|list| parse(list, "array_agg")).transpose()? {
            Some(Node::Array(pieces)) => pieces,
            _ => Vec::new(),
        };
        let pieces: Vec<String> = pieces
            .iter()
            .map(|piece| match piece {
                Node::Scalar(text) => unquote(text),
                other => other.json(),
            })
            .collect();
        Ok(Some(format!("{open}{}{close}", pieces.join(","))))
    })
}
