//! Objects that a query names: `WHERE image_id IN (SELECT …)`, where the method itself takes `image_id`. Each value is one
//! call, and no row of the objects is read.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use sqlparser::ast::{self, Ident};

use super::change::{Steps, look_rows};
use super::fill::{check_required, place};
use super::plan::{Found, PlanContext, check_whole, choose, planned_call};
use crate::bind::{coerce, literal_text};
use crate::error::{Error, ErrorKind, Result, fold_name};
use crate::provider::{Location, Method, Parameter};
use crate::sql::{Change, parse_query};
use crate::store::Look;

/// The calls of a statement whose WHERE is nothing but `parameter IN (query)`; `None` for any other.
///
/// # Errors
/// What is wrong with the query; `Partial` when its values are not known to be all.
pub(super) async fn plan(
    context: &PlanContext<'_>,
    found: &Found,
    statement: &Change,
    methods: &[Arc<Method>],
    names: &[&str],
    values: &[Value],
    selection: &ast::Expr,
) -> Result<Option<Steps>> {
    let Some((column, subquery)) = only_in(found, statement, selection) else { return Ok(None) };
    let methods: Vec<Arc<Method>> =
        methods.iter().filter(|method| named(method, names, column).is_some()).cloned().collect();
    if methods.is_empty() {
        return Ok(None);
    }
    let (method, ()) = choose(&found.id(), statement.verb, &methods, |_| Ok(()))?;
    let Some(parameter) = named(&method, names, column) else { return Ok(None) };
    let query = values_of(subquery, &parameter.name)?;
    let text = query.to_string();
    let rows = context.source.rows(query).await?;
    check_whole(context, &rows.rows)?;

    let placement = place(&method, names)?;
    let mut steps = Vec::with_capacity(rows.rows.len());
    let mut seen: HashSet<String> = HashSet::new();
    for value in rows.rows.iter().filter_map(|row| row.first()) {
        let value = coerce(parameter, value)?;
        if !seen.insert(literal_text(&value)) {
            continue;
        }
        let mut call = found.call(&method);
        placement.fill(&mut call, values)?;
        call.arguments.insert(parameter.name.clone(), value.clone());
        let identity = BTreeMap::from([(parameter.name.clone(), value)]);
        steps.push(planned_call(&method, call, identity, None));
    }
    let look = Look { select: text, keys: rows.names.clone(), rows: look_rows(&rows.names, rows.rows) };
    Ok(Some((method, steps, Some(look))))
}

/// The column and the query, where WHERE is nothing but that the one is among what the other gives.
fn only_in<'a>(found: &Found, statement: &Change, selection: &'a ast::Expr) -> Option<(&'a Ident, &'a ast::Query)> {
    match selection {
        ast::Expr::Nested(inner) => only_in(found, statement, inner),
        ast::Expr::InSubquery { expr, subquery, negated: false } => {
            let table = statement.alias.as_ref().map_or(found.resource.name.as_str(), |alias| alias.value.as_str());
            let column = match expr.as_ref() {
                ast::Expr::Identifier(column) => column,
                ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                    [of, column] if fold_name(&of.value) == fold_name(table) => column,
                    _ => return None,
                },
                _ => return None,
            };
            Some((column, subquery))
        }
        _ => None,
    }
}

/// The parameter of that name in the method's path, where the method needs nothing else that is not given.
fn named<'a>(method: &'a Method, names: &[&str], column: &Ident) -> Option<&'a Parameter> {
    let is_named = |p: &&Parameter| p.location == Location::Path && fold_name(&p.name) == fold_name(&column.value);
    let parameter = method.parameters.iter().find(is_named)?;
    let placement = place(method, names).ok()?;
    let is_given = |other: &Parameter| std::ptr::eq(other, parameter) || placement.gives(other);
    check_required(method, is_given).is_ok().then_some(parameter)
}

/// What a query gives but NULL, under one name. NULL is among no values.
fn values_of(subquery: &ast::Query, name: &str) -> Result<ast::Query> {
    let column = Ident::with_quote('"', name);
    let text = format!("SELECT {column} FROM (SELECT 1) AS listed ({column}) WHERE {column} IS NOT NULL");
    let mut query = parse_query(&text)?;
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return Err(no_query()) };
    match select.from.first_mut().map(|table| &mut table.relation) {
        Some(ast::TableFactor::Derived { subquery: inner, .. }) => subquery.clone_into(inner),
        _ => return Err(no_query()),
    }
    Ok(query)
}

fn no_query() -> Error {
    Error::new(ErrorKind::Internal, "the values of IN could not be asked for")
}
