//! Our tables in somebody else's session, where nobody prepares a statement for us.
//!
//! What the operators of one plan share (report, budget, settings) is made when the plan is. The names of the statement
//! were resolved by `DataFusion` alone, so `*` holds parameters to which nothing is bound: they are NULL in the rows
//! where nothing but the output reads them, and an error everywhere else, as they always are.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;

use super::border::to_datafusion;
use super::exec::CallExec;
use super::foreseen::check_calls;
use super::table::{RestTable, StatementContext};
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::error::{Error, ErrorKind};
use crate::report::QueryReport;

/// The settings of calls as options of a `DataFusion` session: `SET skyql.max_calls = 50`.
#[derive(Debug, Clone)]
pub struct SkyOptions(Settings);

impl SkyOptions {
    /// Options that begin with these settings.
    pub fn new(settings: Settings) -> Self {
        Self(settings)
    }

    pub(super) fn of(config: &SessionConfig) -> Option<&Settings> {
        config.options().extensions.get::<Self>().map(|options| &options.0)
    }
}

impl ConfigExtension for SkyOptions {
    const PREFIX: &'static str = "skyql";
}

impl ExtensionOptions for SkyOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let is_shape = matches!(key.to_lowercase().as_str(), "timestamps" | "schema");
        if is_shape {
            let message = format!("`{key}` shapes the tables, so it is the engine's");
            let error = Error::new(ErrorKind::Unsupported, message).hint("`EngineBuilder::settings` takes it");
            return Err(to_datafusion(error));
        }
        self.0.set(key, value).map_err(to_datafusion)
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let list = self.0.list().into_iter();
        list.map(|(name, value, description)| ConfigEntry {
            key: format!("{}.{name}", Self::PREFIX),
            value: Some(value),
            description,
        })
        .collect()
    }
}

/// Whether a session is not one of ours.
pub(super) fn is_foreign(config: &SessionConfig) -> bool {
    config.get_extension::<StatementContext>().is_none()
}

/// What the operators of one plan share; when the last of them goes, its warnings become events.
#[derive(Debug)]
pub(super) struct ForeignStatement {
    context: Arc<StatementContext>,
    clock: SharedClock,
    /// Why it has no room for its calls, where that is known before the first of them.
    refused: Option<Error>,
}

impl ForeignStatement {
    /// # Errors
    /// `Budget`, when the plan's calls are known to be too many.
    pub(super) fn check(&self) -> crate::error::Result<()> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    pub(super) fn context(&self) -> &Arc<StatementContext> {
        &self.context
    }

    fn report(&self) -> QueryReport {
        self.context.report.snapshot(self.clock.now())
    }
}

impl Drop for ForeignStatement {
    fn drop(&mut self) {
        for warning in self.report().warnings {
            tracing::warn!(
                target: "skyql::report",
                code = warning.code,
                subject = warning.subject,
                count = warning.count,
                "{}",
                warning.message
            );
        }
    }
}

/// What happened while a plan of a foreign session ran; `None` when it makes no calls.
pub fn report_of(plan: &Arc<dyn ExecutionPlan>) -> Option<QueryReport> {
    let own = plan.downcast_ref::<CallExec>().and_then(CallExec::statement);
    own.map(|statement| statement.report()).or_else(|| plan.children().into_iter().find_map(report_of))
}

/// Makes the operators of a plan one statement.
pub(super) fn share_statement(plan: Arc<dyn ExecutionPlan>, config: &SessionConfig) -> Result<Arc<dyn ExecutionPlan>> {
    let mut shared: Option<Arc<ForeignStatement>> = None;
    let whole = Arc::clone(&plan);
    plan.transform_up(|node| {
        let Some(exec) = node.downcast_ref::<CallExec>() else { return Ok(Transformed::no(node)) };
        let statement = shared.get_or_insert_with(|| {
            let core = exec.core();
            let context = core.statement(config);
            let refused = check_calls(&whole, &context).err();
            Arc::new(ForeignStatement { context, clock: Arc::clone(&core.clock), refused })
        });
        let exec = exec.within(statement);
        Ok(Transformed::yes(Arc::new(exec) as Arc<dyn ExecutionPlan>))
    })
    .map(|done| done.data)
}

/// Lets the scans give NULL for optional parameters that only the output reads.
pub(super) fn relax(plan: LogicalPlan) -> Result<LogicalPlan> {
    let Some(used) = used_names(&plan)? else { return Ok(plan) };
    plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        let Ok(provider) = source_as_provider(&scan.source) else { return Ok(Transformed::no(node)) };
        let Some(table) = provider.downcast_ref::<RestTable>() else { return Ok(Transformed::no(node)) };
        let columns = table.table().columns.iter().enumerate();
        let free = columns.filter(|(_, column)| column.hidden && !used.contains(&column.name)).map(|(at, _)| at);
        let relaxed = table.with_unbound_as_null(free.collect());
        let mut scan = scan.clone();
        scan.source = provider_as_source(Arc::new(relaxed));
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })
    .map(|done| done.data)
}

/// The names that anything but the output reads; `None` where that cannot be told.
fn used_names(plan: &LogicalPlan) -> Result<Option<HashSet<String>>> {
    let mut used = HashSet::new();
    let mut known = true;
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Values(_) => {}
            LogicalPlan::Projection(projection) => {
                let through = |expr: &&Expr| !matches!(expr, Expr::Column(_));
                for expr in projection.expr.iter().filter(through) {
                    add_names(expr, &mut used)?;
                }
            }
            LogicalPlan::TableScan(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Window(_) => {
                for expr in node.expressions() {
                    add_names(&expr, &mut used)?;
                }
            }
            _ => known = false,
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(known.then_some(used))
}

fn add_names(expr: &Expr, used: &mut HashSet<String>) -> Result<(), DataFusionError> {
    expr.apply(|part| {
        if let Expr::Column(column) | Expr::OuterReferenceColumn(_, column) = part {
            used.insert(column.name.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map(|_| ())
}
