//! Our tables in a `DataFusion` session of the caller's own.

use std::sync::Arc;

use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion::execution::session_state::SessionStateBuilder;

use super::Engine;
use super::session::add_rules;
use crate::error::Result;
use crate::functions::{self, JsonTableRelations};
use crate::scan::{CatalogList, SkyOptions, SkyQueryPlanner, from_datafusion};

/// Puts the tables of `engine` into a `DataFusion` session: its providers as catalogues beside those that are there, the
/// planner that makes calls of joins, the functions, and the settings of calls as `skyql.…`.
///
/// Plain `ctx.sql("SELECT …")` works then, joins that bind parameters included. It is `DataFusion`'s SQL, with its own
/// rules for names: one with capital letters stands in double quotes, and a table takes no arguments. Writes, SHOW and
/// the like are [`Session`](super::Session)'s alone. All operators of one plan share one report and one budget:
/// [`report_of`](crate::scan::report_of) gives the report, and its warnings are `tracing` events under `skyql::report`.
///
/// A query planner that was set before is replaced.
///
/// ```
/// use datafusion::execution::session_state::SessionStateBuilder;
/// use datafusion::prelude::SessionContext;
/// use skyql::{Engine, SandboxOptions};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::builder().sandbox(SandboxOptions::default()).build()?;
/// let builder = SessionStateBuilder::new().with_default_features();
/// let ctx = SessionContext::new_with_state(skyql::install(builder, &engine)?.build());
/// let rows = ctx.sql("SELECT id, label FROM linode.images.images LIMIT 3").await?.collect().await?;
/// assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 3);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Internal` when a function cannot be registered.
pub fn install(mut builder: SessionStateBuilder, engine: &Engine) -> Result<SessionStateBuilder> {
    let core = engine.core();
    let before: Arc<dyn CatalogProviderList> =
        builder.catalog_list().take().unwrap_or_else(|| Arc::new(MemoryCatalogProviderList::new()));
    let catalogs = CatalogList::new(Arc::clone(core), core.settings.clone(), before);
    let mut analyzer = builder.analyzer().take().unwrap_or_default();
    add_rules(&mut analyzer.rules);
    builder.relation_planners().get_or_insert_default().push(Arc::new(JsonTableRelations));
    let mut config = builder.config().take().unwrap_or_default();
    config.options_mut().extensions.insert(SkyOptions::new(core.settings.clone()));
    let mut state = builder
        .with_config(config)
        .with_catalog_list(Arc::new(catalogs))
        .with_analyzer_rules(analyzer.rules)
        .with_query_planner(Arc::new(SkyQueryPlanner))
        .build();
    functions::register(&mut state).map_err(|error| from_datafusion(&error))?;
    Ok(SessionStateBuilder::new_from_existing(state))
}
