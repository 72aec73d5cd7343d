//! SQL functions beyond `DataFusion`'s own.
//!
//! *Owns*: registering functions: JSON access by key (`->`, `->>`, `json_get…`) from a library, and by path
//! (`json_extract`, as `SQLite` scripts write it).
//! *Does not own*: anything about providers or calls.
//! *Invariants*: pure functions of their arguments.

mod json_extract;

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;
use std::sync::Arc;

/// Registers every function and operator.
///
/// # Errors
/// When the registry refuses one.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    datafusion_functions_json::register_all(registry)?;
    registry.register_udf(Arc::new(ScalarUDF::from(json_extract::JsonExtract::new())))?;
    Ok(())
}
