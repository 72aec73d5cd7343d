//! The border between our errors and `DataFusion`'s.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::{SchemaError, TableReference};
use datafusion::error::DataFusionError;

use crate::error::{self, Error, ErrorKind, Position, did_you_mean};
use crate::functions::{JSON_TABLE_NAMES, is_json_table};

mod wording;

use wording::{in_our_words, readable};

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
    let ours = known(root).unwrap_or_else(|| in_their_words(root));
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

/// In our words, where the message is a known one.
fn known(error: &DataFusionError) -> Option<Error> {
    match error {
        DataFusionError::SchemaError(schema, _) => Some(from_schema_error(schema)),
        DataFusionError::Plan(text) | DataFusionError::Internal(text) if text.contains(NO_SIGNATURE) => {
            Some(no_signature(text))
        }
        DataFusionError::Plan(text) if text.starts_with(NO_FUNCTION) => Some(no_function(text)),
        DataFusionError::Plan(text) if text.starts_with(NO_TABLE_FUNCTION) => Some(no_table_function(text)),
        DataFusionError::Plan(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Execution(text)
        | DataFusionError::Internal(text) => in_our_words(text),
        DataFusionError::ArrowError(arrow, _) => in_our_words(&arrow.to_string()),
        DataFusionError::External(inner) => in_our_words(&inner.to_string()),
        _ => None,
    }
}

/// A message that nobody foresaw, with a kind, and made readable.
fn in_their_words(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::SQL(parse, _) => Error::new(ErrorKind::Syntax, plain(&parse.to_string())),
        DataFusionError::Plan(text) => Error::new(plan_kind(text), plain(text)),
        DataFusionError::NotImplemented(text) => Error::new(ErrorKind::Unsupported, plain(text)),
        DataFusionError::Execution(text) => Error::new(ErrorKind::InvalidArgument, plain(text)),
        DataFusionError::ResourcesExhausted(text) => Error::new(ErrorKind::Budget, plain(text)),
        DataFusionError::ArrowError(arrow, _) => Error::new(ErrorKind::InvalidArgument, plain(&arrow.to_string())),
        DataFusionError::Internal(text) => fault(text),
        other => fault(&other.strip_backtrace()),
    }
}

fn fault(text: &str) -> Error {
    let text = text.split("This issue was likely caused by").next().unwrap_or(text);
    error::fault(plain(text))
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
    let call = readable(rest.split('\'').next().unwrap_or(rest));
    let error = Error::new(ErrorKind::InvalidArgument, format!("no function matches `{call}`"));
    let name = call.split('(').next().unwrap_or_default();
    let more = format!("`SHOW FUNCTIONS LIKE '{name}'` says how it is called");
    let Some((_, candidates)) = rest.split_once("Candidate functions:") else { return error.hint(more) };
    let mut known: Vec<String> = candidates
        .lines()
        .map(signature)
        // What the query engine calls arguments that it does not know of.
        .filter(|line| !line.is_empty() && !["UserDefined", "Comparable", "Any"].iter().any(|odd| line.contains(odd)))
        .map(|line| quote(&line))
        .collect();
    let mut seen = BTreeSet::new();
    known.retain(|call| seen.insert(call.clone()));
    if known.is_empty() || known.len() > MOST_SIGNATURES {
        return error.hint(more);
    }
    error.hint(format!("there is {}; CAST converts, and {more}", known.join(", ")))
}

/// More ways to call a function than anybody reads.
const MOST_SIGNATURES: usize = 6;

/// One way to call a function, with the types as people know them.
fn signature(line: &str) -> String {
    let line = readable(line);
    [
        ("Numeric(1)", "number"),
        ("Numeric", "number"),
        ("String", "text"),
        ("Decimal", "decimal"),
        ("Duration", "duration"),
        ("Interval", "interval"),
        ("Integer", "integer"),
    ]
    .into_iter()
    .fold(line, |line, (theirs, ours)| line.replace(theirs, ours))
}

fn no_function(text: &str) -> Error {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    let name = quoted.next().unwrap_or_default();
    let error = Error::new(ErrorKind::NameNotFound, format!("there is no function `{name}`"));
    if is_json_table(name) {
        return error.hint(format!("it is a table: `FROM t, {name}(t.column) AS e`"));
    }
    if WINDOW_FUNCTIONS.contains(&name) {
        return error.hint(format!("it is a window function: `{name}(…) OVER (ORDER BY …)`"));
    }
    error.hint(did_you_mean(name, quoted).unwrap_or_else(|| "`SHOW FUNCTIONS` lists them".to_owned()))
}

/// Functions that are only known with OVER.
const WINDOW_FUNCTIONS: [&str; 8] =
    ["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead"];

fn no_table_function(text: &str) -> Error {
    let name = text.split('\'').nth(1).unwrap_or_default();
    let error = Error::new(ErrorKind::NameNotFound, format!("there is no table function `{name}`"));
    let known = || JSON_TABLE_NAMES.into_iter().chain(["generate_series", "range"]);
    let all = || known().map(quote).collect::<Vec<_>>().join(", ");
    error.hint(did_you_mean(name, known()).unwrap_or_else(|| format!("there are {}", all())))
}

fn quote(name: &str) -> String {
    format!("`{name}`")
}

fn from_schema_error(schema: &SchemaError) -> Error {
    match schema {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let relations: BTreeSet<&str> =
                valid_fields.iter().filter_map(|column| Some(column.relation.as_ref()?.table())).collect();
            if let Some(wanted) = field.relation.as_ref().map(TableReference::table)
                && !relations.contains(wanted)
                && !relations.is_empty()
            {
                let known = relations.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
                let message = format!("there is no table `{wanted}` in this query");
                return Error::new(ErrorKind::NameNotFound, message).hint(format!("its tables are {known}"));
            }
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

/// A message in our wording: one line, first letter small, no closing full stop, literals and types as SQL has them.
fn plain(text: &str) -> String {
    let text = &readable(text);
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
