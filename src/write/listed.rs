//! Objects that a query names: `WHERE image_id IN (SELECT …)`, where the method itself takes `image_id`. Each value is one
//! call, and no row of the objects is read.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use sqlparser::ast::{self, Ident};

use super::change::{Steps, look_rows};
use super::fill::{check_required, place};
use super::plan::{Found, PlanContext, check_whole, choose, planned_call};
use super::set::SetValues;
use crate::bind::{Predicate, Table, coerce, literal_text, means_object, placed_value};
use crate::error::{Error, ErrorKind, Result, fold_name};
use crate::provider::{Location, Method, Parameter};
use crate::sql::{Change, parse_query};
use crate::store::Look;

/// The calls of a statement whose WHERE is `parameter IN (query)`, beside nothing but `=` on other parameters; `None` for any
/// other.
///
/// # Errors
/// What is wrong with the query; `Partial` when its values are not known to be all.
pub(super) async fn plan(
    context: &PlanContext<'_>,
    found: &Found,
    statement: &Change,
    methods: &[Arc<Method>],
    names: &[&str],
    set: &SetValues,
    selection: &ast::Expr,
) -> Result<Option<Steps>> {
    let of = statement.alias.as_ref().map_or(found.resource.name.as_str(), |alias| alias.value.as_str());
    let Some(Listed { column, subquery, beside }) = listed(of, selection) else { return Ok(None) };
    let table = Arc::new(Table::for_writing(&found.provider, &found.service, Arc::clone(&found.resource), methods));
    let said = match beside {
        None => Vec::new(),
        Some(beside) => match context.source.conjuncts(Arc::clone(&table), of, beside).await {
            Ok(Some(conjuncts)) => conjuncts,
            _ => return Ok(None),
        },
    };
    let meant = |method| named(&table, method, names, column, &said);
    let methods: Vec<Arc<Method>> = methods.iter().filter(|method| meant(method).is_some()).cloned().collect();
    if methods.is_empty() {
        return Ok(None);
    }
    let (method, ()) = choose(&found.id(), statement.verb, &methods, |_| Ok(()))?;
    let Some((parameter, given)) = meant(&method) else { return Ok(None) };
    let given =
        given.into_iter().map(|(parameter, value)| Ok((parameter.name.clone(), placed_value(parameter, value)?)));
    let given: BTreeMap<String, Value> = given.collect::<Result<_>>()?;
    let query = values_of(subquery, &parameter.name)?;
    let text = query.to_string();
    let rows = context.source.rows(query).await?;
    check_whole(context, &rows.rows)?;

    let placement = place(&method, names)?;
    let Some(set) = set.of_each(context, rows.rows.len()).await? else { return Ok(None) };
    let mut steps = Vec::with_capacity(rows.rows.len());
    let mut seen: HashSet<String> = HashSet::new();
    for (row, values) in rows.rows.iter().zip(&set) {
        let Some(value) = row.first() else { continue };
        let value = coerce(parameter, value)?;
        if !seen.insert(literal_text(&value)) {
            continue;
        }
        let mut call = found.call(&method);
        placement.fill(&mut call, values)?;
        call.arguments.extend(given.clone());
        call.arguments.insert(parameter.name.clone(), value.clone());
        let identity = BTreeMap::from([(parameter.name.clone(), value)]);
        steps.push(planned_call(&method, call, identity, None));
    }
    let look = Look { select: text, keys: rows.names.clone(), rows: look_rows(&rows.names, rows.rows) };
    Ok(Some((method, steps, Some(look))))
}

/// A WHERE that lists its objects.
struct Listed<'a> {
    column: &'a Ident,
    subquery: &'a ast::Query,
    /// What else it says.
    beside: Option<ast::Expr>,
}

/// The parts of a WHERE that says of one column of the table `of` that it is among what a query gives.
fn listed<'a>(of: &str, selection: &'a ast::Expr) -> Option<Listed<'a>> {
    match selection {
        ast::Expr::Nested(inner) => listed(of, inner),
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            let (found, other) = match (listed(of, left), listed(of, right)) {
                (Some(found), None) => (found, right),
                (None, Some(found)) => (found, left),
                _ => return None,
            };
            let beside = match found.beside {
                Some(more) => {
                    ast::Expr::BinaryOp { left: Box::new(more), op: ast::BinaryOperator::And, right: other.clone() }
                }
                None => other.as_ref().clone(),
            };
            Some(Listed { beside: Some(beside), ..found })
        }
        ast::Expr::InSubquery { expr, subquery, negated: false } => {
            let column = match expr.as_ref() {
                ast::Expr::Identifier(column) => column,
                ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                    [table, column] if fold_name(&table.value) == fold_name(of) => column,
                    _ => return None,
                },
                _ => return None,
            };
            Some(Listed { column, subquery, beside: None })
        }
        _ => None,
    }
}

/// The parameter of that name in the method's path, and the others with the values that `said` gives them, where that is all
/// it says and the method needs nothing else.
fn named<'m, 's>(
    table: &Table,
    method: &'m Method,
    names: &[&str],
    column: &Ident,
    said: &'s [Predicate],
) -> Option<(&'m Parameter, Vec<(&'m Parameter, &'s Value)>)> {
    let is_meant = |parameter: &Parameter| {
        let known = table.columns.iter().find(|known| known.name == parameter.name);
        known.is_none_or(|known| means_object(method, parameter, known))
    };
    let is_named = |p: &&Parameter| p.location == Location::Path && fold_name(&p.name) == fold_name(&column.value);
    let parameter = method.parameters.iter().find(is_named).filter(|parameter| is_meant(parameter))?;
    let placement = place(method, names).ok()?;
    let mut given: Vec<(&Parameter, &Value)> = Vec::new();
    for predicate in said {
        let Predicate::Equals { column, value } = predicate else { return None };
        let name = &table.columns[*column].name;
        let other = method.parameters.iter().find(|p| &p.name == name && p.location != Location::Body)?;
        let is_new = other.name != parameter.name && given.iter().all(|(known, _)| known.name != other.name);
        let is_new = is_new && !placement.gives(other);
        given.push((Some(other).filter(|other| is_new && is_meant(other))?, value));
    }
    let is_given = |other: &Parameter| {
        std::ptr::eq(other, parameter)
            || given.iter().any(|(known, _)| std::ptr::eq(*known, other))
            || placement.gives(other)
    };
    check_required(method, is_given).is_ok().then_some((parameter, given))
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
