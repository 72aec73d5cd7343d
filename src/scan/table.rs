//! A provider table as a `TableProvider`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use serde_json::Value;

use super::border::to_datafusion;
use super::exec::CallExec;
use super::foreign::SkyOptions;
use super::predicate::never_holds;
use super::spec::{ScanParts, ScanSpec, table_schema};
use crate::bind::Table;
use crate::call::{Endpoints, KeptAnswers, Lengths, ReadContext, SharedAnswers};
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::error::{Result, fold_name};
use crate::http::{CallBudget, Client};
use crate::provider::Registry;
use crate::report::Report;

/// What all tables of an engine share.
#[derive(Debug, Clone)]
pub struct ScanCore {
    /// The provider documents.
    pub registry: Arc<Registry>,
    /// What sends requests.
    pub client: Client,
    /// Where providers are, and their credentials.
    pub endpoints: Arc<Endpoints>,
    /// Time.
    pub clock: SharedClock,
    /// The settings of sessions that bring none of their own.
    pub settings: Settings,
    /// Answers kept across statements.
    pub kept: Arc<KeptAnswers>,
    /// How long lists were when they were read last.
    pub lengths: Arc<Lengths>,
}

/// What the operators of one statement share; it travels in the session configuration.
#[derive(Debug)]
pub struct StatementContext {
    /// The statement's report.
    pub report: Report,
    /// The session's settings.
    pub settings: Settings,
    /// Answers that its operators share.
    pub shared: Arc<SharedAnswers>,
}

impl StatementContext {
    /// The context of one statement.
    pub fn new(report: Report, settings: Settings) -> Self {
        Self { report, settings, shared: Arc::default() }
    }
}

impl ScanCore {
    /// What the calls of a statement share.
    pub fn read_context(&self, statement: &StatementContext) -> Arc<ReadContext> {
        Arc::new(ReadContext {
            client: self.client.clone(),
            endpoints: Arc::clone(&self.endpoints),
            report: statement.report.clone(),
            settings: statement.settings.clone(),
            budget: CallBudget { max_calls: statement.settings.max_calls },
            shared: Arc::clone(&statement.shared),
            kept: Arc::clone(&self.kept),
            lengths: Arc::clone(&self.lengths),
        })
    }

    /// The context of a statement that came without one: in somebody else's session.
    pub(super) fn statement(&self, config: &datafusion::prelude::SessionConfig) -> Arc<StatementContext> {
        config.get_extension::<StatementContext>().unwrap_or_else(|| {
            let settings = SkyOptions::of(config).unwrap_or(&self.settings).clone();
            Arc::new(StatementContext::new(Report::new(self.clock.now()), settings))
        })
    }
}

/// A provider's resource as a table.
#[derive(Debug)]
pub struct RestTable {
    core: Arc<ScanCore>,
    table: Arc<Table>,
    arguments: BTreeMap<String, Value>,
    settings: Settings,
    schema: SchemaRef,
    /// Parameters that are NULL in the rows where nothing is bound to them.
    unbound_as_null: Vec<usize>,
}

impl RestTable {
    /// The table of a resource, with parameters given as arguments.
    ///
    /// # Errors
    /// As [`Table::new`].
    pub fn new(core: Arc<ScanCore>, table: Arc<Table>, arguments: BTreeMap<String, Value>, settings: Settings) -> Self {
        let schema = Arc::new(table_schema(&table, settings.timestamps));
        Self { core, table, arguments, settings, schema, unbound_as_null: Vec::new() }
    }

    /// The same with parameters, by index, that may be selected without a value.
    pub(super) fn with_unbound_as_null(&self, columns: Vec<usize>) -> Self {
        Self {
            core: Arc::clone(&self.core),
            table: Arc::clone(&self.table),
            arguments: self.arguments.clone(),
            settings: self.settings.clone(),
            schema: Arc::clone(&self.schema),
            unbound_as_null: columns,
        }
    }

    /// The table as SQL sees it.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    pub(super) fn core(&self) -> &Arc<ScanCore> {
        &self.core
    }

    /// Whether a parameter of that name was given as an argument of the table.
    pub(super) fn is_argument(&self, name: &str) -> bool {
        self.arguments.keys().any(|given| fold_name(given) == fold_name(name))
    }

    /// Binds a scan of this table.
    ///
    /// # Errors
    /// As [`crate::bind::bind`].
    pub(super) fn spec(&self, filters: &[Expr], projection: &[usize], outer: &[usize]) -> Result<ScanSpec> {
        ScanSpec::new(ScanParts {
            table: Arc::clone(&self.table),
            arguments: &self.arguments,
            filters,
            projection,
            outer,
            unbound_as_null: &self.unbound_as_null,
            settings: self.settings.clone(),
            restricted: self.core.registry.is_shadowing(&self.table.provider),
        })
    }
}

impl RestTable {
    fn plan(
        &self,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        if filters.iter().any(never_holds) {
            let schema = self.schema.project(projection)?;
            return Ok(Arc::new(EmptyExec::new(Arc::new(schema))));
        }
        let spec = self.spec(filters, projection, &[]).map_err(to_datafusion)?;
        Ok(Arc::new(CallExec::from_constants(Arc::clone(&self.core), Arc::new(spec), limit)))
    }
}

// Its future is written out: async_trait's would hold expressions, and to prove such a future `Send` takes the compiler
// seconds for each.
impl TableProvider for RestTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'life0, 'life1, 'life2, 'life3, 'f>(
        &'life0 self,
        _state: &'life1 dyn Session,
        projection: Option<&'life2 Vec<usize>>,
        filters: &'life3 [Expr],
        limit: Option<usize>,
    ) -> BoxFuture<'f, DfResult<Arc<dyn ExecutionPlan>>>
    where
        'life0: 'f,
        'life1: 'f,
        'life2: 'f,
        'life3: 'f,
    {
        ready(self.plan(projection, filters, limit)).boxed()
    }

    /// Every predicate is taken: what the API does not answer is checked in the operator, page by page.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(|expr| pushdown_of(expr)).collect())
    }
}

/// Whether a predicate is ours to check.
pub(super) fn pushdown_of(expr: &Expr) -> TableProviderFilterPushDown {
    if has_subquery(expr) { TableProviderFilterPushDown::Unsupported } else { TableProviderFilterPushDown::Exact }
}

/// A scalar subquery's value is known only while the plan runs.
fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::OuterReferenceColumn(..)
        ))
    })
    .unwrap_or(true)
}
