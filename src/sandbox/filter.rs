//! Which rows a request means.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::page::page_parameter;
use super::recipe::Filter;
use super::refusal::Refusal;
use super::rows::{fit_field, text_of};
use super::state::{Row, State, Table};
use crate::error::fold_name;
use crate::provider::{Effect, Location, Method, PageKind, Parameter, TokenPlace};

/// One condition on rows.
#[derive(Debug, PartialEq)]
pub(super) enum Condition<'a> {
    /// The object that a row belongs to.
    Parent { parameter: &'a str, values: Vec<Value> },
    /// The value of a column.
    Column { column: &'a str, path: &'a [String], not: bool, contains: bool, values: Vec<Value> },
    /// The values of several columns; an array is a choice.
    All(&'a Map<String, Value>),
    /// No row: the value has no meaning.
    Never,
}

/// The conditions of a request.
#[derive(Debug, Default)]
pub(super) struct Conditions<'a> {
    pub(super) all: Vec<Condition<'a>>,
    /// Whether one of them names a row, or an object that rows belong to.
    pub(super) identifies: bool,
    /// Whether one of them names a row.
    pub(super) names_row: bool,
    /// What rows are called in this request: the values of columns, where any value has rows.
    pub(super) called: Map<String, Value>,
}

impl Conditions<'_> {
    fn call(&mut self, table: &Table, column: &str, values: Vec<Value>) {
        let column = table.columns.iter().find(|known| known.name == column);
        if let (Some(column), Some(value)) = (column, values.into_iter().next()) {
            self.called.insert(column.name.clone(), fit_field(value, column, None));
        }
    }

    /// A row as it is called in this request.
    pub(super) fn dress(&self, row: &Row) -> Row {
        let mut row = row.clone();
        row.values.extend(self.called.clone());
        row
    }
}

/// Reads the conditions of a request.
///
/// # Errors
/// 404 when the request leads through an object that does not exist.
pub(super) fn conditions<'a>(
    state: &State,
    table: &'a Table,
    method: &'a Method,
    arguments: &Arguments,
) -> Result<Conditions<'a>, Refusal> {
    let mut conditions = Conditions::default();
    for parameter in method.parameters.iter().filter(|parameter| parameter.location != Location::Server) {
        let values = arguments.of(parameter);
        let is_key = table.resource.keys.as_ref().is_some_and(|keys| keys.columns.contains_key(&parameter.name));
        // A field named like a parameter is another thing: of which VPC, and with which other one.
        let is_twin = parameter.location == Location::Body
            && method.parameters.iter().any(|other| other.location != Location::Body && other.name == parameter.name);
        let names_row = is_key && parameter.required && !is_twin;
        // What a write is told to make of a row says nothing about which row is meant.
        let is_content = method.effect != Effect::Read && parameter.location == Location::Body && !names_row;
        if values.is_empty()
            || is_paging(method, parameter)
            || is_content && (is_twin || !table.is_parent(&parameter.name))
        {
            continue;
        }
        if table.is_parent(&parameter.name) {
            let parent = table.parents.get(&parameter.name).and_then(|of| state.table(&of.resource));
            if parent.is_some_and(Table::has_any) {
                conditions.identifies = true;
                continue;
            }
            let is_wanted = |value: &Value| values.iter().any(|wanted| same(value, wanted));
            if state.parent_exists(table, &parameter.name, is_wanted) == Some(false) {
                return Err(Refusal::not_found());
            }
            conditions.identifies = true;
            conditions.all.push(Condition::Parent { parameter: &parameter.name, values });
        } else if let Some(filter) =
            table.recipe.filters.get(&parameter.name).or_else(|| table.recipe.filters.get(&parameter.wire))
        {
            conditions.all.extend(declared(filter, values));
        } else if parameter.location == Location::Path || names_row {
            if let Some(column) = table.column_named(method, parameter) {
                conditions.identifies = true;
                conditions.names_row = true;
                if table.has_any() {
                    conditions.call(table, column, values);
                } else {
                    conditions.all.push(equals(column, values));
                }
            } else if method.effect == Effect::Read
                && let Some(column) =
                    table.columns.iter().find(|column| fold_name(&column.name) == fold_name(&parameter.name))
            {
                // A place that no resource is the list of.
                conditions.call(table, &column.name, values);
            }
        } else if parameter.location != Location::Header && parameter.column != Some(false) {
            let column =
                table.columns.iter().find(|column| column.name == parameter.name || column.name == parameter.wire);
            conditions.all.extend(column.map(|column| equals(&column.name, values)));
        }
    }
    Ok(conditions)
}

/// Whether a row passes all conditions.
pub(super) fn passes(row: &Row, conditions: &[Condition<'_>]) -> bool {
    conditions.iter().all(|condition| match condition {
        Condition::Parent { parameter, values } => {
            row.parents.get(*parameter).is_some_and(|value| values.iter().any(|wanted| same(value, wanted)))
        }
        Condition::Column { column, path, not, contains, values } => {
            let mut value = row.values.get(*column).unwrap_or(&Value::Null);
            for key in *path {
                value = value.get(key).unwrap_or(&Value::Null);
            }
            let passes = |wanted| if *contains { holds(value, wanted) } else { same(value, wanted) };
            values.iter().any(passes) != *not
        }
        Condition::All(columns) => has(row, columns),
        Condition::Never => false,
    })
}

/// Whether a row has these values; an array is a choice.
pub(super) fn has(row: &Row, columns: &Map<String, Value>) -> bool {
    columns.iter().all(|(column, wanted)| {
        let value = row.values.get(column).unwrap_or(&Value::Null);
        match wanted {
            Value::Array(choices) => choices.iter().any(|wanted| same(value, wanted)),
            wanted => same(value, wanted),
        }
    })
}

fn equals(column: &str, values: Vec<Value>) -> Condition<'_> {
    Condition::Column { column, path: &[], not: false, contains: false, values }
}

fn declared(filter: &Filter, values: Vec<Value>) -> Option<Condition<'_>> {
    match filter {
        Filter::Ignored => None,
        Filter::Column { column, not, contains, path } => {
            Some(Condition::Column { column, path, not: *not, contains: *contains, values })
        }
        Filter::Map(map) => {
            Some(values.first().and_then(|value| map.get(&text_of(value))).map_or(Condition::Never, Condition::All))
        }
    }
}

fn is_paging(method: &Method, parameter: &Parameter) -> bool {
    let is = |place: &TokenPlace| place.is_at(parameter.location, &parameter.wire);
    let pagination = &method.pagination;
    let by_kind = match &pagination.kind {
        PageKind::Page { parameter, .. } | PageKind::Offset { parameter } | PageKind::Cursor { parameter, .. } => {
            is(parameter)
        }
        PageKind::NextUrl { .. } | PageKind::LinkHeader => page_parameter(method) == parameter.wire,
        PageKind::Single | PageKind::Unknown => false,
    };
    by_kind || pagination.size.as_ref().is_some_and(|size| is(&size.parameter))
}

/// Whether two values are the same when one of them travelled as text.
pub(super) fn same(value: &Value, wanted: &Value) -> bool {
    if value.is_null() || wanted.is_null() {
        return value.is_null() && wanted.is_null();
    }
    let (value_text, wanted_text) = (plain(value), plain(wanted));
    if value_text == wanted_text {
        return true;
    }
    // Two whole numbers differ if their digits do: as floating-point numbers large ones would not.
    let is_whole = |text: &str| text.parse::<i64>().is_ok();
    match value.as_f64() {
        Some(number) if !(is_whole(&value_text) && is_whole(&wanted_text)) => {
            wanted_text.parse::<f64>().is_ok_and(|wanted| wanted.total_cmp(&number).is_eq())
        }
        _ => false,
    }
}

fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(text_of(other)),
    }
}

fn holds(value: &Value, wanted: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| same(value, wanted)),
        Value::String(text) => text.contains(plain(wanted).as_ref()),
        other => same(other, wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_compared_as_they_travel() {
        for (value, wanted, equal) in [
            (json!(5), json!("5"), true),
            (json!(5), json!("5.0"), true),
            (json!("5"), json!("5.0"), false),
            (json!(9_007_199_254_740_993_i64), json!("9007199254740993"), true),
            (json!(9_007_199_254_740_993_i64), json!("9007199254740992"), false),
            (json!(true), json!("true"), true),
            (json!(null), json!("null"), false),
            (json!(null), json!(null), true),
            (json!(""), json!(""), true),
        ] {
            assert_eq!(same(&value, &wanted), equal, "{value} {wanted}");
        }
        assert!(holds(&json!(["a", "b"]), &json!("b")));
        assert!(!holds(&json!(["ab"]), &json!("b")));
        assert!(holds(&json!("abc"), &json!("b")));
    }
}
