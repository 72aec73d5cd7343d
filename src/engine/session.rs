//! One user's conversation with the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use datafusion::prelude::{SessionConfig, SessionContext};
use sqlparser::ast;
use tracing::Instrument;

use super::Engine;
use super::caught::caught;
use super::explain::explain;
use super::journal::blocking;
use super::limits;
use super::metadata;
use super::names::used_name;
use super::own::{self, Own};
use super::planner::Planner;
use super::prepared::Meant;
use super::result::QueryResult;
use super::spans::statement_span;
use super::transaction::Transaction;
use super::watch::Watch;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::functions::{JsonTableRelations, JsonTables};
use crate::http::Secret;
use crate::provider::Registry;
use crate::report::Report;
use crate::scan::{CatalogList, LiteralCoercion, NotIn, SkyQueryPlanner};
use crate::sql::{self, Param, Prepared, Statement};

/// Settings, views and the last report of one user.
#[derive(Debug)]
pub struct Session {
    engine: Engine,
    settings: Settings,
    own: Arc<Own>,
    /// What dry runs defined, since the last statement that was none.
    trial: Option<Arc<Own>>,
    /// What `USE` puts before names.
    current: Vec<String>,
    /// Prepared statements, by their names in small letters.
    pub(super) prepared: BTreeMap<String, Prepared>,
    last: Option<Report>,
    pub(super) transaction: Option<Transaction>,
    /// Secrets that APPLY and RESUME ask for again, by label.
    pub(super) supplied: BTreeMap<String, Secret>,
    pub(super) watch: Watch,
}

impl Session {
    pub(super) fn new(engine: Engine) -> Self {
        let settings = engine.settings().clone();
        let own = Arc::new(Own::new(engine.data().cloned()));
        let watch = Watch::new(Arc::clone(&engine.core().clock));
        Self {
            engine,
            settings,
            own,
            trial: None,
            current: Vec::new(),
            prepared: BTreeMap::new(),
            last: None,
            transaction: None,
            supplied: BTreeMap::new(),
            watch,
        }
    }

    /// A session of another engine that begins with what this one has: what is defined there stays there.
    pub(super) fn fork(&self, engine: Engine) -> Self {
        let mut fork = Self::new(engine);
        fork.settings = self.settings.clone();
        fork.own = Arc::new(self.own.on_trial());
        fork.current.clone_from(&self.current);
        fork.prepared.clone_from(&self.prepared);
        fork
    }

    /// The session with its views and tables on trial, for a dry run: what one defines counts for the next.
    pub(super) fn on_trial(&mut self) -> OnTrial<'_> {
        let trial = self.trial.get_or_insert_with(|| Arc::new(self.own.on_trial()));
        let own = std::mem::replace(&mut self.own, Arc::clone(trial));
        OnTrial { session: self, own }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings, to change.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Runs exactly one statement. Rows come as the result is read.
    ///
    /// # Errors
    /// Every kind: what is wrong with the statement, its names or parameters is found here; what goes wrong while calls
    /// are made comes with the rows.
    pub async fn sql(&mut self, text: &str) -> Result<QueryResult> {
        self.sql_with(text, &[]).await
    }

    /// Runs exactly one statement with values for its placeholders `$1`, `$2` …, which may stand wherever a value may.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> skyql::Result<()> {
    /// # let engine = skyql::Engine::builder().sandbox(skyql::SandboxOptions::default()).build()?;
    /// # let mut session = engine.session();
    /// let wanted = skyql::params!["Debian 12", true];
    /// let sql = "SELECT id FROM linode.images.images WHERE label = $1 AND is_public = $2";
    /// let batches = session.sql_with(sql, &wanted).await?.read_all().await?;
    /// assert!(batches.iter().all(|batch| batch.num_columns() == 1));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Session::sql`]; `MissingParameter` for a placeholder without a value, `InvalidArgument` for a value without a
    /// placeholder.
    pub async fn sql_with(&mut self, text: &str, params: &[Param]) -> Result<QueryResult> {
        let statement =
            parse_one_with(
                text,
                |text| {
                    if params.is_empty() { sql::parse(text) } else { sql::parse_with(text, params) }
                },
            );
        self.trial = None;
        let is_query = matches!(statement, Ok(Statement::Query(_) | Statement::Explain { .. }));
        let meant = statement.and_then(|statement| self.meant(statement));
        let Meant { statement, places } = self.or_spoiled(meant)?;
        let is_part = is_part(&statement);
        let span = statement_span(&statement);
        // On the heap: the future of a statement stays small.
        let result = caught(Box::pin(self.run(statement)).instrument(span.clone())).await;
        let result = result.map_err(|error| places.told(error));
        let result = result.map_err(|error| if is_query { at_its_subject(error, text) } else { error });
        match if is_part { self.or_spoiled(result) } else { result } {
            Ok(result) => Ok(result.spanned(span)),
            Err(error) => {
                span.record("error", error.kind().name());
                Err(error)
            }
        }
    }

    pub(super) async fn run(&mut self, statement: Statement) -> Result<QueryResult> {
        let clock = Arc::clone(&self.engine.core().clock);
        let report = Report::new(clock.now());
        self.watch.begin(&report);
        match statement {
            Statement::Query(query) => {
                // Made before the report is remembered: a query may ask for the one before.
                let planner = self.planner(&report);
                self.remember(&report);
                Box::pin(self.read(&planner, *query)).await
            }
            Statement::Explain { analyze, query } => {
                let context = self.context(&report)?;
                let plan = self.plan(&context, *query, &report).await?;
                explain(&context, plan, analyze, &self.settings, report, clock).await
            }
            Statement::Show(sql::Show::Journal { limit }) => self.journal(limit, report).await,
            Statement::Show(sql::Show::Setting(name)) => metadata::setting(self, &name, report),
            // On the heap: the future of a statement stays small.
            Statement::List(list) => Box::pin(self.list(list, report)).await,
            Statement::Template(wanted) => Box::pin(self.template(wanted, report)).await,
            Statement::Describe(what) => Box::pin(self.describe(what, report)).await,
            Statement::Define(define) => Box::pin(self.define(define, report)).await,
            Statement::Prepare { name, statement } => {
                self.keep_prepared(&name, *statement);
                Ok(QueryResult::command("PREPARE", report, clock))
            }
            Statement::Execute { .. } => {
                Err(Error::new(ErrorKind::Internal, "EXECUTE reached a place where only what it means has one"))
            }
            Statement::Deallocate(name) => {
                self.deallocate(name.as_deref())?;
                Ok(QueryResult::command("DEALLOCATE", report, clock))
            }
            Statement::Copy(copy) => Box::pin(self.copy(*copy, report)).await,
            Statement::Use(name) => Box::pin(self.use_name(name, report)).await,
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
                self.send(pending).await
            }
            Statement::Write(write) if self.in_transaction() => self.queue(*write, report).await,
            Statement::Write(write) => {
                let pending = self.prepare(*write, report).await?;
                pending.check_confirmed(&self.settings)?;
                self.send(pending).await
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
                pending.check_confirmed(&self.settings)?;
                self.send(pending).await
            }
            Statement::Resume(id) => {
                let pending = self.prepare_resume(&id, report).await?;
                pending.check_confirmed(&self.settings)?;
                self.send(pending).await
            }
            Statement::Forget(id) => self.forget(&id, report).await,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn clock(&self) -> SharedClock {
        Arc::clone(&self.engine.core().clock)
    }

    pub(super) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.engine.core().registry)
    }

    /// What `SHOW WARNINGS` tells of.
    pub(super) fn remember(&mut self, report: &Report) {
        self.watch.begin(report);
        self.last = Some(report.clone());
    }

    /// Runs a query.
    pub(super) async fn read(&self, planner: &Planner, query: ast::Statement) -> Result<QueryResult> {
        let context = planner.context()?;
        let plan = planner.plan(&context, query).await?;
        let rows = limits::run(&context, plan).await?;
        let report = planner.report.clone();
        Ok(QueryResult::rows(rows, report.clone(), self.clock()).within(&planner.settings, &report))
    }

    pub(super) async fn plan(
        &self,
        context: &SessionContext,
        query: ast::Statement,
        report: &Report,
    ) -> Result<datafusion::logical_expr::LogicalPlan> {
        self.planner(report).plan(context, query).await
    }

    /// What planning a statement needs of the session.
    pub(super) fn planner(&self, report: &Report) -> Planner {
        let clock = self.clock();
        let last = self.last.as_ref().map(|last| last.snapshot(clock.now())).unwrap_or_default();
        let (own, current) = (Arc::clone(&self.own), self.current.clone());
        Planner::new(self.engine.clone(), self.settings.clone(), report.clone(), last, own, current)
    }

    /// The same for the rows that a write is about: kept answers are no ground for a change.
    pub(super) fn fresh_planner(&self, report: &Report) -> Planner {
        let mut planner = self.planner(report);
        planner.settings.cache = std::time::Duration::ZERO;
        planner
    }

    /// What `USE` says before names.
    pub(super) fn current(&self) -> &[String] {
        &self.current
    }

    /// A context for one statement.
    pub(super) fn context(&self, report: &Report) -> Result<SessionContext> {
        self.planner(report).context()
    }

    /// Answers `USE`: a provider, or a service of the one in use.
    async fn use_name(&mut self, name: Vec<String>, report: Report) -> Result<QueryResult> {
        let (registry, current) = (self.registry(), self.current.clone());
        self.current = blocking(move || used_name(&registry, &current, &name)).await?;
        let said =
            if self.current.is_empty() { "USE DEFAULT".to_owned() } else { format!("USE {}", self.current.join(".")) };
        Ok(QueryResult::command(&said, report, self.clock()))
    }
}

/// A session whose views and tables are on trial until this is let go, in whatever way.
pub(super) struct OnTrial<'a> {
    pub(super) session: &'a mut Session,
    own: Arc<Own>,
}

impl Drop for OnTrial<'_> {
    fn drop(&mut self) {
        self.session.own = Arc::clone(&self.own);
    }
}

/// The error with the place of what it is about, where it has none: the first thing that its message quotes, if that
/// stands in the text once.
pub(super) fn at_its_subject(error: Error, text: &str) -> Error {
    if error.position().is_some() {
        return error;
    }
    let Some(quoted) = error.message().split('`').nth(1) else { return error };
    let subject = quoted.split('(').next().filter(|name| !name.is_empty()).unwrap_or(quoted);
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let is_whole = |at: usize| {
        let (before, behind) = (text[..at].chars().next_back(), text[at + subject.len()..].chars().next());
        !(is_word(subject.chars().next()) && is_word(before) || is_word(subject.chars().next_back()) && is_word(behind))
    };
    let mut found = text.match_indices(subject).map(|(at, _)| at).filter(|at| is_whole(*at));
    match (found.next(), found.next()) {
        (Some(at), None) => error.at(Position::of_byte(text, at)),
        _ => error,
    }
}

/// Whether a statement is a part of the transaction in which it stands: what ends one may be said again.
pub(super) fn is_part(statement: &Statement) -> bool {
    !matches!(statement, Statement::Begin | Statement::Commit | Statement::Rollback)
}

/// Reads exactly one statement.
pub(super) fn parse_one(text: &str) -> Result<Statement> {
    parse_one_with(text, sql::parse)
}

fn parse_one_with(text: &str, parse: impl FnOnce(&str) -> Result<Statement>) -> Result<Statement> {
    // Editors on Windows put a byte order mark first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let pieces = sql::split(text)?;
    let [piece] = pieces.as_slice() else {
        let said = if pieces.is_empty() { "there is no statement" } else { "there is more than one statement" };
        return Err(
            Error::new(ErrorKind::Syntax, said).hint("give exactly one, or split the text with `skyql::sql::split`")
        );
    };
    parse(&piece.in_place())
}

/// Puts our rules before others: once types are coerced, a literal's own spelling is gone.
pub(super) fn add_rules(rules: &mut Vec<Arc<dyn AnalyzerRule + Send + Sync>>) {
    let ours: [Arc<dyn AnalyzerRule + Send + Sync>; 3] =
        [Arc::new(JsonTables), Arc::new(LiteralCoercion), Arc::new(NotIn)];
    rules.splice(0..0, ours);
}

pub(super) fn session_state(config: SessionConfig, catalogs: Arc<CatalogList>) -> SessionState {
    let mut rules = Analyzer::new().rules;
    add_rules(&mut rules);
    SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_catalog_list(catalogs)
        .with_analyzer_rules(rules)
        .with_query_planner(Arc::new(SkyQueryPlanner))
        .with_relation_planners(vec![Arc::new(JsonTableRelations)])
        .build()
}

pub(super) fn session_config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(own::CATALOG, own::SCHEMA)
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
