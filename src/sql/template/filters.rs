//! Filters that quote a value for the place where it stands, and how a value looks without one.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State};

/// Adds `sql`, `ident` and `json`.
pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("sql", |value: &Value| literal(value));
    environment.add_filter("ident", |value: &Value| names(value));
    environment.add_filter("json", |value: &Value| json_text(value).map(|text| quoted(&text)));
}

/// A value without a filter: texts as they are, lists and objects as JSON, nothing as `null`.
pub(super) fn format(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Map | ValueKind::Seq => out.write_str(&json_text(value)?).map_err(Error::from),
        ValueKind::None => out.write_str("null").map_err(Error::from),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// A SQL literal; a list is its items in parentheses, for `IN`.
fn literal(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => "NULL".to_owned(),
        ValueKind::Bool => if value.is_true() { "TRUE" } else { "FALSE" }.to_owned(),
        ValueKind::Number => {
            let text = value.to_string();
            if text.ends_with("nan") || text.ends_with("inf") {
                return Err(Error::new(ErrorKind::InvalidOperation, "SQL has no literal for a number that is none"));
            }
            text
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.map(|item| literal(&item)).collect::<Result<Vec<_>, _>>()?;
            if items.is_empty() {
                return Err(Error::new(ErrorKind::InvalidOperation, "an empty list has no SQL literal"));
            }
            format!("({})", items.join(", "))
        }
        ValueKind::Map => quoted(&json_text(value)?),
        _ => quoted(&value.to_string()),
    })
}

/// A quoted name; a list is its names with commas between.
fn names(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let names = value.try_iter()?.map(|item| names(&item)).collect::<Result<Vec<_>, _>>()?;
            Ok(names.join(", "))
        }
        ValueKind::String if value.as_str().is_some_and(|name| !name.is_empty()) => {
            Ok(format!("\"{}\"", value.to_string().replace('"', "\"\"")))
        }
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("a name must be a text, not {kind}"))),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn json_text(value: &Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, "the value cannot be JSON").with_source(error))
}
