//! The border between our errors and `DataFusion`'s.

use std::sync::Arc;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::error::{Error, ErrorKind, Position, did_you_mean};
use crate::functions::is_json_table;

/// Our error as `DataFusion` carries it.
pub fn to_datafusion(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// `DataFusion`'s error as ours: our own comes back as it went in, others get a kind and a plain message.
pub fn from_datafusion(error: &DataFusionError) -> Error {
    if let Some(own) = find_own(error) {
        return own;
    }
    let error = match error {
        DataFusionError::Collection(all) => match all.first() {
            Some(first) => return from_datafusion(first),
            None => error,
        },
        other => other,
    };
    let position = error.diagnostic().and_then(|diagnostic| diagnostic.span).and_then(|span| {
        (span.start.line > 0).then_some(Position { line: span.start.line, column: span.start.column })
    });
    let root = error.find_root();
    let ours = match root {
        DataFusionError::Plan(text) | DataFusionError::Internal(text) if text.contains(NO_SIGNATURE) => {
            no_signature(text)
        }
        DataFusionError::Plan(text) if text.starts_with(NO_FUNCTION) => no_function(text),
        DataFusionError::Plan(text) if text.starts_with(NO_TABLE_FUNCTION) => no_table_function(text),
        DataFusionError::SchemaError(schema, _) => from_schema_error(schema),
        DataFusionError::SQL(parse, _) => Error::new(ErrorKind::Syntax, plain(&parse.to_string())),
        DataFusionError::Plan(text) => Error::new(plan_kind(text), plain(text)),
        DataFusionError::NotImplemented(text) => Error::new(ErrorKind::Unsupported, plain(text)),
        DataFusionError::Execution(text) => Error::new(ErrorKind::InvalidArgument, plain(text)),
        DataFusionError::ResourcesExhausted(text) => Error::new(ErrorKind::Budget, plain(text)),
        DataFusionError::ArrowError(arrow, _) => Error::new(ErrorKind::InvalidArgument, plain(&arrow.to_string())),
        DataFusionError::Internal(text) => Error::new(ErrorKind::Internal, plain(text)),
        other => Error::new(ErrorKind::Internal, plain(&other.strip_backtrace())),
    };
    match position {
        Some(position) if ours.position().is_none() => ours.at(position),
        _ => ours,
    }
}

/// All that `DataFusion` found wrong at once.
pub fn all_from_datafusion(error: &DataFusionError) -> Vec<Error> {
    match error {
        DataFusionError::Collection(all) if !all.is_empty() => all.iter().flat_map(all_from_datafusion).collect(),
        DataFusionError::Context(_, inner) if matches!(**inner, DataFusionError::Collection(_)) => {
            all_from_datafusion(inner)
        }
        other => vec![from_datafusion(other)],
    }
}

fn find_own(error: &DataFusionError) -> Option<Error> {
    match error {
        DataFusionError::External(inner) => inner
            .downcast_ref::<Error>()
            .cloned()
            .or_else(|| inner.downcast_ref::<DataFusionError>().and_then(find_own))
            .or_else(|| inner.downcast_ref::<Arc<DataFusionError>>().and_then(|inner| find_own(inner))),
        DataFusionError::Shared(inner) => find_own(inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => find_own(inner),
        DataFusionError::Collection(all) => all.iter().find_map(find_own),
        DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
            arrow::error::ArrowError::ExternalError(inner) => inner
                .downcast_ref::<Error>()
                .cloned()
                .or_else(|| inner.downcast_ref::<DataFusionError>().and_then(find_own)),
            _ => None,
        },
        _ => None,
    }
}

const NO_SIGNATURE: &str = "No function matches the given name and argument types '";
const NO_TABLE_FUNCTION: &str = "table function '";
const NO_FUNCTION: &str = "Invalid function '";

/// A function that does not take its arguments: `DataFusion` lists each attempt and calls it a fault of its own.
fn no_signature(text: &str) -> Error {
    let rest = text.split_once(NO_SIGNATURE).map_or(text, |(_, rest)| rest);
    let call = rest.split('\'').next().unwrap_or(rest);
    let error = Error::new(ErrorKind::InvalidArgument, format!("no function matches `{call}`"));
    let Some((_, candidates)) = rest.split_once("Candidate functions:") else { return error };
    let known: Vec<String> = candidates.lines().map(str::trim).filter(|line| !line.is_empty()).map(quote).collect();
    if known.is_empty() { error } else { error.hint(format!("there is {}; CAST converts", known.join(", "))) }
}

fn no_function(text: &str) -> Error {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    let name = quoted.next().unwrap_or_default();
    let error = Error::new(ErrorKind::NameNotFound, format!("there is no function `{name}`"));
    if is_json_table(name) {
        return error.hint(format!("it is a table: `FROM t, {name}(t.column) AS e`"));
    }
    match did_you_mean(name, quoted) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn no_table_function(text: &str) -> Error {
    let name = text.split('\'').nth(1).unwrap_or_default();
    let error = Error::new(ErrorKind::NameNotFound, format!("there is no table function `{name}`"));
    match did_you_mean(name, ["json_each", "json_tree", "generate_series", "range"]) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn quote(name: &str) -> String {
    format!("`{name}`")
}

fn from_schema_error(schema: &SchemaError) -> Error {
    match schema {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let names: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
            let error = Error::new(ErrorKind::NameNotFound, format!("there is no column `{}`", field.flat_name()));
            match did_you_mean(&field.name, names.iter().copied()) {
                Some(hint) => error.hint(hint),
                None if names.is_empty() => error,
                None => {
                    let some: Vec<String> = names.iter().take(20).map(|name| format!("`{name}`")).collect();
                    error.hint(format!("the columns are {}", some.join(", ")))
                }
            }
        }
        SchemaError::AmbiguousReference { field } => {
            Error::new(ErrorKind::NameNotFound, format!("column `{}` is in more than one table", field.flat_name()))
                .hint("say which with `table.column`")
        }
        other => Error::new(ErrorKind::InvalidArgument, plain(&other.to_string())),
    }
}

fn plan_kind(text: &str) -> ErrorKind {
    if text.contains("not found") || text.starts_with("Invalid function") {
        ErrorKind::NameNotFound
    } else {
        ErrorKind::InvalidArgument
    }
}

/// A message in our wording: one line, first letter small, no closing full stop.
fn plain(text: &str) -> String {
    let text = text.strip_prefix("Error during planning: ").unwrap_or(text);
    let text = text.strip_prefix("sql parser error: ").unwrap_or(text);
    let text = text.strip_prefix("ParserError(\"").and_then(|t| t.strip_suffix("\")")).unwrap_or(text);
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    let mut letters = line.chars();
    match (letters.next(), line.chars().nth(1)) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => line.to_owned(),
    }
}
