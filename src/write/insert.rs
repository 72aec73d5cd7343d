//! INSERT: one call per row.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlparser::ast;

use super::fill::{check_required, identifiers, place};
use super::plan::{Part, PlanContext, Planned, check_whole, choose, find, of_row, planned_call};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Method;
use crate::sql::{Insert, Verb, parse_query};

pub(super) async fn plan(context: &PlanContext<'_>, statement: Insert) -> Result<Planned> {
    let found = find(context, &statement.table).await?;
    let id = found.id();
    let names: Vec<&str> = statement.columns.iter().map(|column| column.value.as_str()).collect();
    let methods: Vec<_> = found.resource.methods_of(&found.resource.verbs.insert).cloned().collect();
    let (method, ()) = choose(&id, Verb::Insert, &methods, |method| fits(method, &names))?;
    let placement = place(&method, &names)?;
    placement.check_hosts(&method, |at| is_said(&statement.source, at))?;

    let rows = match literal_rows(&statement.source) {
        Some(rows) => rows,
        None => {
            let rows = context.source.rows(*statement.source).await?.rows;
            check_whole(context, &rows)?;
            rows
        }
    };
    let count = rows.len() as u64;
    let mut steps = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        if row.len() != names.len() {
            let error = Error::new(
                ErrorKind::InvalidArgument,
                format!("{} columns are named, and there are {} values", names.len(), row.len()),
            );
            return Err(of_row(error, at, count));
        }
        let mut call = found.call(&method);
        placement.fill(&mut call, row).map_err(|error| of_row(error, at, count))?;
        steps.push(planned_call(&method, call, BTreeMap::new(), None));
    }
    let part = Part {
        verb: Verb::Insert,
        method,
        resource: found.resource,
        returning: statement.returning,
        restricted: found.restricted,
        wait: None,
    };
    Ok(Planned::statement(part, id, steps, None))
}

fn fits(method: &Method, names: &[&str]) -> Result<()> {
    let placement = place(method, names)?;
    check_required(method, |parameter| placement.gives(parameter))
}

/// Whether the statement itself gives the value of a column in every row: its expressions read nothing.
fn is_said(query: &ast::Query, at: usize) -> bool {
    let reads_nothing = |expr: &ast::Expr| identifiers(expr).is_empty();
    match query.body.as_ref() {
        ast::SetExpr::Values(values) => values.rows.iter().all(|row| row.get(at).is_none_or(reads_nothing)),
        ast::SetExpr::Select(select) => {
            // Behind a wildcard nobody knows which item a column is.
            let items: Option<Vec<&ast::Expr>> = select
                .projection
                .iter()
                .map(|item| match item {
                    ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => Some(expr),
                    _ => None,
                })
                .collect();
            items.is_some_and(|items| items.get(at).is_none_or(|expr| reads_nothing(expr)))
        }
        _ => false,
    }
}

/// The rows of VALUES that hold literals only: their spelling is kept, whatever the other rows hold. Anything beside them is
/// for the engine to evaluate.
fn literal_rows(query: &ast::Query) -> Option<Vec<Vec<Value>>> {
    let mut bare = parse_query("SELECT 1").ok()?;
    match query.body.as_ref() {
        ast::SetExpr::Values(values) => {
            bare.body.clone_from(&query.body);
            let rows = || values.rows.iter().map(|row| row.iter().map(super::fill::literal).collect()).collect();
            (bare == *query).then(rows)?
        }
        // `SELECT 'nightly', 5` without a table.
        ast::SetExpr::Select(select) => {
            if let ast::SetExpr::Select(bare) = bare.body.as_mut() {
                bare.projection.clone_from(&select.projection);
            }
            let items = select.projection.iter().map(|item| match item {
                ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => {
                    super::fill::literal(expr)
                }
                _ => None,
            });
            if bare == *query { items.collect::<Option<Vec<Value>>>().map(|row| vec![row]) } else { None }
        }
        _ => None,
    }
}
