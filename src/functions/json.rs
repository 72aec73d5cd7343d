//! JSON in SQL, with `SQLite`'s names and rules (<https://sqlite.org/json1.html>).
//!
//! A value that is text in SQL and JSON by its field's metadata (`arrow.json`: an API's objects and arrays, and what these
//! functions make) is put into other JSON as it stands; other text becomes a JSON string. Numbers keep their digits. Text
//! that should be JSON and is not is an error. Unlike in `SQLite` `true` and `false` stay words where they become values
//! of SQL: a column has one type here.

mod aggregate;
mod document;
mod equal;
mod exec;
mod expand;
mod make;
mod path;
mod read;
mod search;
mod table;

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;

pub(super) use aggregate::plan as plan_aggregate;
pub(super) use document::quote;
pub use exec::JsonTablePlanner;
pub use table::{COLUMNS, JSON_VALUE, JsonTableRelations, JsonTables, NAMES, is_json_table};

/// Registers the functions and operators.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in read::functions().into_iter().chain(make::functions()) {
        registry.register_udf(function.udf())?;
    }
    aggregate::register(registry)?;
    // Before the library's planner, whose arrows know no paths and lose digits.
    registry.register_expr_planner(Arc::new(read::Arrows))
}

/// Text that is said to be JSON, to be put into other JSON: a string where it is not. (A field that an API declares as
/// `any` may hold both.)
pub(super) fn nested(text: &str) -> Cow<'_, str> {
    match document::document(text) {
        Ok(node) => Cow::Owned(node.json()),
        Err(_) => Cow::Owned(quote(text)),
    }
}
