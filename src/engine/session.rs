//! One user's conversation with the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::optimizer::Analyzer;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as DfStatement;
use sqlparser::ast;

use super::Engine;
use super::explain::explain;
use super::resolve::{resolve, unknown_table};
use super::result::QueryResult;
use super::show;
use super::transaction::Transaction;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::functions::{self, JsonTableRelations, JsonTables};
use crate::http::Secret;
use crate::provider::Registry;
use crate::report::{ProgressListener, Report};
use crate::scan::{CatalogList, LiteralCoercion, SkyQueryPlanner, StatementContext, from_datafusion};
use crate::sql::{self, Statement};

/// The catalogue and schema of a session's own views and tables.
const OWN_CATALOG: &str = "local";
const OWN_SCHEMA: &str = "main";

/// Settings, views and the last report of one user.
#[derive(Debug)]
pub struct Session {
    engine: Engine,
    settings: Settings,
    own: Arc<MemoryCatalogProviderList>,
    last: Option<Report>,
    pub(super) transaction: Option<Transaction>,
    /// Secrets that APPLY and RESUME ask for again, by label.
    pub(super) supplied: BTreeMap<String, Secret>,
    listener: Option<ProgressListener>,
}

impl Session {
    pub(super) fn new(engine: Engine) -> Self {
        let own = Arc::new(MemoryCatalogProviderList::new());
        let catalog = Arc::new(MemoryCatalogProvider::new());
        // A fresh in-memory catalogue takes any schema.
        let _ = catalog.register_schema(OWN_SCHEMA, Arc::new(MemorySchemaProvider::new()));
        own.register_catalog(OWN_CATALOG.to_owned(), catalog);
        let settings = engine.settings().clone();
        Self { engine, settings, own, last: None, transaction: None, supplied: BTreeMap::new(), listener: None }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings, to change.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Who is told of what takes its time, in statements to come.
    pub fn on_progress(&mut self, listener: ProgressListener) {
        self.listener = Some(listener);
    }

    /// Runs exactly one statement. Rows come as the result is read.
    ///
    /// # Errors
    /// Every kind: what is wrong with the statement, its names or parameters is found here; what goes wrong while calls
    /// are made comes with the rows.
    pub async fn sql(&mut self, text: &str) -> Result<QueryResult> {
        let statement = parse_one(text)?;
        self.run(statement).await
    }

    async fn run(&mut self, statement: Statement) -> Result<QueryResult> {
        let clock = Arc::clone(&self.engine.core().clock);
        let report = Report::new(clock.now());
        match statement {
            Statement::Query(query) => {
                self.last = Some(report.clone());
                self.query(*query, report).await
            }
            Statement::Explain { analyze, query } => {
                let context = self.context(&report)?;
                let plan = self.plan(&context, *query).await?;
                explain(&context, plan, analyze, report, clock).await
            }
            Statement::Show(sql::Show::Journal { limit }) => self.journal(limit, report).await,
            Statement::Show(what) => {
                show::show(&self.engine, what, &self.settings, self.last.as_ref(), report, clock).await
            }
            Statement::Describe(what) => show::describe(&self.engine, what, report, clock).await,
            Statement::Set { name, value } => {
                self.settings.set(&name, &value)?;
                Ok(QueryResult::command("SET", report, clock))
            }
            Statement::Reset(name) => {
                let first = self.engine.settings();
                match name {
                    None => self.settings = first.clone(),
                    Some(name) => {
                        let lower = name.to_lowercase();
                        let value =
                            first.list().into_iter().find(|(known, _, _)| *known == lower).map(|(_, value, _)| value);
                        self.settings.set(&lower, value.as_deref().unwrap_or_default())?;
                    }
                }
                Ok(QueryResult::command("RESET", report, clock))
            }
            Statement::Begin => self.begin_transaction(report),
            Statement::Rollback => self.rollback(report),
            Statement::Commit => {
                let pending = self.prepare_commit(report).await?;
                pending.check_confirmed(&self.settings)?;
                self.apply(pending).await
            }
            Statement::Write(write) if self.in_transaction() => self.queue(*write, report).await,
            Statement::Write(write) => {
                let pending = self.prepare(*write, report).await?;
                pending.check_confirmed(&self.settings)?;
                self.apply(pending).await
            }
            Statement::Plan(write) => {
                let pending = self.prepare(*write, report).await?;
                self.store_plan(pending).await
            }
            Statement::ExplainWrite(write) => {
                let pending = self.prepare(*write, report).await?;
                self.show_plan(&pending)
            }
            Statement::Apply(id) => {
                let pending = self.prepare_stored(&id, report).await?;
                self.apply(pending).await
            }
            Statement::Resume(id) => {
                let pending = self.prepare_resume(&id, report).await?;
                self.apply(pending).await
            }
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn clock(&self) -> SharedClock {
        Arc::clone(&self.engine.core().clock)
    }

    pub(super) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.engine.core().registry)
    }

    pub(super) fn own_catalogs(&self) -> Vec<String> {
        self.own.catalog_names()
    }

    /// The session's own catalogues, to add to.
    pub(super) fn own_copy(&self) -> MemoryCatalogProviderList {
        let copy = MemoryCatalogProviderList::new();
        for name in self.own.catalog_names() {
            if let Some(catalog) = self.own.catalog(&name) {
                copy.register_catalog(name, catalog);
            }
        }
        copy
    }

    pub(super) fn tell_progress(&self, report: &Report) {
        if let Some(listener) = &self.listener {
            report.listen(listener.clone());
        }
    }

    /// What `SHOW WARNINGS` tells of.
    pub(super) fn remember(&mut self, report: &Report) {
        self.last = Some(report.clone());
    }

    async fn query(&mut self, query: ast::Statement, report: Report) -> Result<QueryResult> {
        let clock = Arc::clone(&self.engine.core().clock);
        let context = self.context(&report)?;
        let plan = self.plan(&context, query).await?;
        // Rows are only read this way: changes to an API never pass through the query engine's own hooks.
        SQLOptions::new().with_allow_dml(false).verify_plan(&plan).map_err(|error| from_datafusion(&error))?;
        let is_definition = matches!(plan, datafusion::logical_expr::LogicalPlan::Ddl(_));
        let frame = context.execute_logical_plan(plan).await.map_err(|error| from_datafusion(&error))?;
        if is_definition {
            return Ok(QueryResult::command("OK", report, clock));
        }
        let rows = frame.execute_stream().await.map_err(|error| from_datafusion(&error))?;
        Ok(QueryResult::rows(rows, report, clock))
    }

    pub(super) async fn plan(
        &self,
        context: &SessionContext,
        query: ast::Statement,
    ) -> Result<datafusion::logical_expr::LogicalPlan> {
        let registry = Arc::clone(&self.engine.core().registry);
        let own = self.own.catalog_names();
        let query = tokio::task::spawn_blocking(move || {
            let mut query = query;
            resolve(&registry, &own, &mut query).map(|()| query)
        })
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "resolving names ended unexpectedly").caused_by(error))??;
        let state = context.state();
        state.statement_to_plan(DfStatement::Statement(Box::new(query))).await.map_err(|error| {
            let error = from_datafusion(&error);
            self.explain_unknown_table(error)
        })
    }

    /// The planner says only that a table is not there.
    fn explain_unknown_table(&self, error: Error) -> Error {
        let Some(rest) = error.message().strip_prefix("table '").and_then(|rest| rest.strip_suffix("' not found"))
        else {
            return error;
        };
        let name = rest.strip_prefix(&format!("{OWN_CATALOG}.{OWN_SCHEMA}.")).unwrap_or(rest);
        let better = unknown_table(&self.engine.core().registry, name);
        match error.position() {
            Some(position) => better.at(position),
            None => better,
        }
    }

    /// A planner for one statement.
    pub(super) fn context(&self, report: &Report) -> Result<SessionContext> {
        self.context_over(report, Arc::clone(&self.own))
    }

    /// A planner for one statement, with these catalogues beside the providers.
    pub(super) fn context_over(&self, report: &Report, own: Arc<MemoryCatalogProviderList>) -> Result<SessionContext> {
        let core = Arc::clone(self.engine.core());
        let statement = Arc::new(StatementContext::new(report.clone(), self.settings.clone()));
        let catalogs = Arc::new(CatalogList::new(core, self.settings.clone(), own));
        let mut state = session_state(session_config().with_extension(statement), catalogs);
        functions::register(&mut state).map_err(|error| from_datafusion(&error))?;
        Ok(SessionContext::new_with_state(state))
    }
}

/// Reads exactly one statement.
pub(super) fn parse_one(text: &str) -> Result<Statement> {
    // Editors on Windows put a byte order mark first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let pieces = sql::split(text)?;
    let [piece] = pieces.as_slice() else {
        let said = if pieces.is_empty() { "there is no statement" } else { "there is more than one statement" };
        return Err(
            Error::new(ErrorKind::Syntax, said).hint("give exactly one, or split the text with `skyql::sql::split`")
        );
    };
    sql::parse(&piece.in_place())
}

fn session_state(config: SessionConfig, catalogs: Arc<CatalogList>) -> SessionState {
    let mut rules = Analyzer::new().rules;
    // Before types are coerced: afterwards a literal's own spelling is gone.
    rules.insert(0, Arc::new(LiteralCoercion));
    rules.insert(0, Arc::new(JsonTables));
    SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_catalog_list(catalogs)
        .with_analyzer_rules(rules)
        .with_query_planner(Arc::new(SkyQueryPlanner))
        .with_relation_planners(vec![Arc::new(JsonTableRelations)])
        .build()
}

fn session_config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(OWN_CATALOG, OWN_SCHEMA)
        .with_create_default_catalog_and_schema(false)
        // One partition keeps the API's order; calls, not cores, are what queries wait for.
        .with_target_partitions(1);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.optimizer.enable_round_robin_repartition = false;
    options.execution.collect_statistics = false;
    config
}
