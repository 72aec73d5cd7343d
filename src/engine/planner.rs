//! Planning one statement: the names it may use, and what a view means when it is read.
//!
//! *Owns*: the query engine's context of a statement, its catalogues. *Does not own*: what names in a statement mean
//! (`resolve`), what the user's own names stand for (`own`).
//! *Invariants*: a view is planned anew each time it is read, with the settings and the report of the statement that
//! reads it; its own names do not depend on `USE`.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::common::DataFusionError;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as DfStatement;
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlparser::ast;

use super::Engine;
use super::files::{self, Files};
use super::journal::blocking;
use super::metadata::{FactSchema, INFORMATION_SCHEMA, SKYQL};
use super::names::{NameScope, unknown_table};
use super::own::{self, Object, Own};
use super::resolve::{first, resolve};
use super::session::{session_config, session_state};
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::functions;
use crate::report::{QueryReport, Report};
use crate::scan::{CatalogList, StatementContext, from_datafusion, to_datafusion};
use crate::sql;
use crate::threads::off_thread;

/// How many views may stand behind one another.
const DEEPEST: usize = 12;

/// What planning a statement needs of its session: a copy, so that a view can be planned while its reader is.
#[derive(Debug, Clone)]
pub(super) struct Planner {
    pub(super) engine: Engine,
    pub(super) settings: Settings,
    pub(super) report: Report,
    /// The report of the statement before.
    pub(super) last: QueryReport,
    pub(super) own: Arc<Own>,
    /// What `USE` said.
    pub(super) current: Vec<String>,
    /// The views that are being planned, each read by the one before it.
    within: Vec<String>,
    /// The view that is being made, which must not read itself.
    making: Option<String>,
}

/// A column of a view or table of the user's own.
#[derive(Debug)]
pub(super) struct OwnColumn {
    pub(super) table: String,
    pub(super) name: String,
    /// From 1.
    pub(super) position: usize,
    pub(super) sql_type: String,
}

impl Planner {
    pub(super) fn new(
        engine: Engine,
        settings: Settings,
        report: Report,
        last: QueryReport,
        own: Arc<Own>,
        current: Vec<String>,
    ) -> Self {
        Self { engine, settings, report, last, own, current, within: Vec::new(), making: None }
    }

    /// The same, for a text whose names are whole.
    pub(super) fn without_use(&self) -> Self {
        Self { current: Vec::new(), ..self.clone() }
    }

    /// The same, for the query of a view that is being made.
    pub(super) fn making(&self, name: &str) -> Self {
        Self { making: Some(name.to_owned()), ..self.clone() }
    }

    /// A context for one statement.
    pub(super) fn context(&self) -> Result<SessionContext> {
        self.context_over(&MemoryCatalogProviderList::new())
    }

    /// A context for one statement, with these catalogues beside the providers and the session's own.
    pub(super) fn context_over(&self, more: &MemoryCatalogProviderList) -> Result<SessionContext> {
        let all = MemoryCatalogProviderList::new();
        for name in more.catalog_names() {
            if let Some(catalog) = more.catalog(&name) {
                all.register_catalog(name, catalog);
            }
        }
        all.register_catalog(own::CATALOG.to_owned(), Arc::new(LocalCatalog(self.clone())));
        let core = Arc::clone(self.engine.core());
        let statement = Arc::new(StatementContext::new(self.report.clone(), self.settings.clone()));
        let catalogs = Arc::new(CatalogList::new(core, self.settings.clone(), Arc::new(all)));
        let config = session_config().with_extension(statement).with_extension(Arc::new(self.clone()));
        let mut state = session_state(config, catalogs);
        functions::register(&mut state).map_err(|error| from_datafusion(&error))?;
        Ok(SessionContext::new_with_state(state))
    }

    /// What the names of a statement may mean. A data directory that cannot be read is warned of, and has none.
    pub(super) fn scope(&self, more: Vec<String>) -> NameScope {
        let mut catalogs = more;
        catalogs.push(own::CATALOG.to_owned());
        let own = self.own.names().unwrap_or_else(|error| {
            self.report.warn("broken", "data directory", error.to_string());
            self.own.temporary_names()
        });
        NameScope { catalogs, own, current: self.current.clone() }
    }

    /// Resolves and plans a query.
    ///
    /// # Errors
    /// Of [`resolve`], and of planning.
    pub(super) async fn plan(&self, context: &SessionContext, query: ast::Statement) -> Result<LogicalPlan> {
        let registry = Arc::clone(&self.engine.core().registry);
        let planner = self.clone();
        let query = off_thread("resolving names", move || {
            let mut query = query;
            resolve(&registry, &planner.scope(Vec::new()), &mut query).map(|()| query).map_err(first)
        })
        .await??;
        let state = context.state();
        match state.statement_to_plan(DfStatement::Statement(Box::new(query))).await {
            Ok(plan) => Ok(plan),
            Err(error) => Err(self.explain_unknown_table(from_datafusion(&error)).await),
        }
    }

    /// The planner says only that a table is not there.
    pub(super) async fn explain_unknown_table(&self, error: Error) -> Error {
        let Some(rest) = error.message().strip_prefix("table '").and_then(|rest| rest.strip_suffix("' not found"))
        else {
            return error;
        };
        let name = rest.strip_prefix(&format!("{}.{}.", own::CATALOG, own::SCHEMA)).unwrap_or(rest).to_owned();
        let planner = self.clone();
        let better = blocking(move || {
            let names = planner.own.names().unwrap_or_default();
            Ok(unknown_table(&planner.engine.core().registry, &names, &name))
        })
        .await;
        match (better, error.position()) {
            (Ok(better), Some(position)) => better.at(position),
            (Ok(better), None) => better,
            (Err(failed), _) => failed,
        }
    }

    /// What a view's query gives; its names are whole.
    ///
    /// # Errors
    /// Of the query; the places in it are not the statement's and are left out.
    pub(super) async fn plan_view(&self, name: &str, sql: &str) -> Result<LogicalPlan> {
        if self.within.len() >= DEEPEST || self.within.iter().any(|outer| outer == name) {
            return Err(reads_itself(name));
        }
        let mut planner = Self { current: Vec::new(), ..self.clone() };
        planner.within.push(name.to_owned());
        let plan = async {
            let query = ast::Statement::Query(Box::new(sql::parse_query(sql)?));
            planner.plan(&planner.context()?, query).await
        };
        plan.await.map_err(|error| error.without_place().with("view", name))
    }

    /// The columns of all views and tables of the user's own; what cannot be planned or read is warned of.
    ///
    /// # Errors
    /// `InvalidArgument` when the data directory cannot be read.
    pub(super) async fn own_columns(&self) -> Result<Vec<OwnColumn>> {
        let own = Arc::clone(&self.own);
        let names = blocking(move || own.names()).await?;
        let mut columns = Vec::new();
        for name in names {
            match self.own_schema(&name).await {
                Ok(schema) => columns.extend(schema.fields().iter().enumerate().map(|(at, field)| OwnColumn {
                    table: name.clone(),
                    name: field.name().clone(),
                    position: at + 1,
                    sql_type: sql_type(field.data_type()),
                })),
                Err(error) => self.report.warn("broken", &name, error.to_string()),
            }
        }
        Ok(columns)
    }

    async fn own_schema(&self, name: &str) -> Result<SchemaRef> {
        let (own, wanted) = (Arc::clone(&self.own), name.to_owned());
        if let Some(schema) = blocking(move || own.rows_schema(&wanted)).await? {
            return Ok(schema);
        }
        let (own, wanted) = (Arc::clone(&self.own), name.to_owned());
        match blocking(move || own.find(&wanted)).await? {
            Some(Object::View(sql)) => Ok(Arc::clone(self.plan_view(name, &sql).await?.schema().inner())),
            Some(Object::Rows(snapshot)) => Ok(Arc::clone(&snapshot.schema)),
            None => Err(Error::new(ErrorKind::NameNotFound, format!("there is no table `{name}`"))),
        }
    }
}

fn reads_itself(name: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the view `{name}` reads itself, or nests too deeply"))
        .hint("`SHOW VIEWS` shows what each one reads")
}

fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

/// The catalogue of what no provider gives.
#[derive(Debug)]
struct LocalCatalog(Planner);

impl CatalogProvider for LocalCatalog {
    fn schema_names(&self) -> Vec<String> {
        [own::SCHEMA, SKYQL, INFORMATION_SCHEMA].map(str::to_owned).into()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            own::SCHEMA => Some(Arc::new(OwnSchema(self.0.clone()))),
            files::SCHEMA => Some(Arc::new(Files { allowed: self.0.engine.local_files() })),
            SKYQL => Some(Arc::new(FactSchema(SKYQL))),
            INFORMATION_SCHEMA => Some(Arc::new(FactSchema(INFORMATION_SCHEMA))),
            _ => None,
        }
    }
}

/// The user's own views and tables.
#[derive(Debug)]
struct OwnSchema(Planner);

// Its future is written out: see `scan::table`.
impl SchemaProvider for OwnSchema {
    fn table_names(&self) -> Vec<String> {
        self.0.own.names().unwrap_or_default().into_iter().collect()
    }

    fn table<'life0, 'life1, 'f>(
        &'life0 self,
        name: &'life1 str,
    ) -> BoxFuture<'f, Result<Option<Arc<dyn TableProvider>>, DataFusionError>>
    where
        'life0: 'f,
        'life1: 'f,
    {
        self.found(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.own.names().is_ok_and(|names: BTreeSet<String>| names.contains(name))
    }
}

impl OwnSchema {
    fn found<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Arc<dyn TableProvider>>, DataFusionError>> {
        let found = async move {
            if self.0.making.as_deref() == Some(name) {
                return Err(to_datafusion(reads_itself(name)));
            }
            let (own, wanted) = (Arc::clone(&self.0.own), name.to_owned());
            let found = blocking(move || own.find(&wanted)).await.map_err(to_datafusion)?;
            let table: Option<Arc<dyn TableProvider>> = match found {
                None => None,
                Some(Object::Rows(snapshot)) => {
                    let rows = vec![snapshot.batches.clone()];
                    Some(Arc::new(MemTable::try_new(Arc::clone(&snapshot.schema), rows)?))
                }
                Some(Object::View(sql)) => {
                    let plan = self.0.plan_view(name, &sql).await.map_err(to_datafusion)?;
                    Some(Arc::new(ViewTable::new(plan, Some(sql))))
                }
            };
            Ok(table)
        };
        found.boxed()
    }
}
