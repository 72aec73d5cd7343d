//! SQL functions beyond `DataFusion`'s own, with `SQLite`'s names and rules.
//!
//! *Owns*: JSON (access, making, aggregates, documents as tables), dates and times, patterns, and what else scripts for
//! `SQLite` call; registering them, and what the planner needs for those that are more than functions.
//! *Does not own*: anything about providers or calls.
//! *Invariants*: pure functions of their arguments: `'now'` is the statement's start, which the planner puts in its place;
//! no digit of a number in JSON is lost; a message never holds a value.

mod aggregate;
mod column;
mod described;
mod json;
mod printf;
mod scalar;
mod text;
mod time;

pub use described::described;
pub use json::{
    COLUMNS as JSON_TABLE_COLUMNS, JSON_VALUE, JsonTablePlanner, JsonTableRelations, JsonTables,
    NAMES as JSON_TABLE_NAMES, is_json_table,
};

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;

/// Registers every function and operator.
///
/// A session that is to have `json_each` and `json_tree` needs [`JsonTableRelations`], [`JsonTables`] and
/// [`JsonTablePlanner`] too.
///
/// # Errors
/// When the registry refuses one.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in text::functions().into_iter().chain(printf::functions()).chain(time::functions()) {
        registry.register_udf(function.udf())?;
    }
    text::register(registry)?;
    aggregate::register(registry)?;
    json::register(registry)?;
    datafusion_functions_json::register_all(registry)
}
