//! The operator that makes calls: from constants, or one set of calls per distinct key of another input (a bind join).

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DfResult, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, InputDistributionRequirements,
    Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use serde_json::Value;

use super::border::to_datafusion;
use super::count::counted_rows;
use super::explained::{Asked, ExplainedScan, constant_rows as constant_list_rows, explained};
use super::first::first_rows;
use super::foreign::ForeignStatement;
use super::foreseen::Reading;
use super::joining::{BindJoinType, JoinParts, joined_rows};
use super::spec::ScanSpec;
use super::table::{ScanCore, StatementContext};
use super::wanted::Wanted;
use crate::call::{BoundCall, Pace, Wants, check_path, read_calls};
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Part, Verdict};

/// The other input of a bind join.
#[derive(Debug, Clone)]
pub(super) struct Outer {
    pub(super) input: Arc<dyn ExecutionPlan>,
    /// The values for the binding's `Outer` columns, in that order.
    pub(super) keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) join_type: BindJoinType,
    /// The input's columns, then the scan's.
    pub(super) pairs: SchemaRef,
    /// What a pair of rows must pass besides, over those.
    pub(super) residual: Option<Arc<dyn PhysicalExpr>>,
    /// The scan that lists the same rows, where one call per key is not the only way.
    pub(super) list: Option<Arc<ScanSpec>>,
}

/// Makes calls and gives their rows; with another input, joined to its rows (its columns first).
#[derive(Debug)]
pub struct CallExec {
    core: Arc<ScanCore>,
    spec: Arc<ScanSpec>,
    outer: Option<Outer>,
    fetch: Option<usize>,
    /// Which rows of the scan are wanted.
    wanted: Wanted,
    /// Whether it gives the number of rows in their place.
    counts: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// What the operators of a plan share in somebody else's session.
    statement: Option<Arc<ForeignStatement>>,
}

impl CallExec {
    /// Calls made from the scan's own constants.
    pub(super) fn from_constants(core: Arc<ScanCore>, spec: Arc<ScanSpec>, fetch: Option<usize>) -> Self {
        let schema = Arc::clone(&spec.schema);
        Self::assemble(core, spec, None, fetch, schema)
    }

    /// The same for some of the rows.
    pub(super) fn wanting(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    /// The number of rows of the scan's own constants, in the one column of `schema`: see [`super::count`].
    pub(super) fn counting(core: Arc<ScanCore>, spec: Arc<ScanSpec>, schema: SchemaRef) -> Self {
        Self { counts: true, ..Self::assemble(core, spec, None, None, schema) }
    }

    /// Calls made for the rows of another input. `schema` is the input's columns, then the scan's where they come out.
    pub(super) fn from_rows(core: Arc<ScanCore>, spec: Arc<ScanSpec>, outer: Outer, schema: SchemaRef) -> Self {
        Self::assemble(core, spec, Some(outer), None, schema)
    }

    fn assemble(
        core: Arc<ScanCore>,
        spec: Arc<ScanSpec>,
        outer: Option<Outer>,
        fetch: Option<usize>,
        schema: SchemaRef,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Self { core, spec, outer, fetch, wanted: Wanted::All, counts: false, properties, metrics, statement: None }
    }

    /// The same operator with another input and another limit.
    fn again(&self, outer: Option<Outer>, fetch: Option<usize>) -> Self {
        let (core, spec) = (Arc::clone(&self.core), Arc::clone(&self.spec));
        let whole = Self::assemble(core, spec, outer, fetch, self.schema());
        Self { counts: self.counts, wanted: self.wanted.clone(), statement: self.statement.clone(), ..whole }
    }

    /// The same operator as a part of a statement.
    pub(super) fn within(&self, statement: &Arc<ForeignStatement>) -> Self {
        Self { statement: Some(Arc::clone(statement)), ..self.again(self.outer.clone(), self.fetch) }
    }

    pub(super) fn core(&self) -> &Arc<ScanCore> {
        &self.core
    }

    pub(super) fn statement(&self) -> Option<&Arc<ForeignStatement>> {
        self.statement.as_ref()
    }

    /// What EXPLAIN says of it: the method, the request, the calls, what is sent, what is checked, how pages follow.
    pub(super) fn explained(&self, statement: &StatementContext, reading: Reading) -> ExplainedScan {
        let other = self.outer.as_ref().map(|outer| (&outer.input, outer.list.as_deref()));
        let asked = Asked { other, fetch: self.fetch, wanted: &self.wanted, counts: self.counts, reading };
        explained(&self.core, statement, &self.spec, &asked)
    }

    /// Its own sets of constants: each is a call, or the first of its pages.
    pub(super) fn sets(&self) -> u64 {
        if self.outer.is_none() { self.spec.binding.tuples.len() as u64 } else { 0 }
    }

    /// The rows it likely gives, where lists that were read before tell.
    pub(super) fn expected_rows(&self, core: &ScanCore, statement: &StatementContext) -> Option<u64> {
        if self.outer.is_some() || self.counts || self.spec.checks_rows() || !self.wanted.is_all() {
            return None;
        }
        let rows = constant_list_rows(core, statement, &self.spec)?;
        Some(self.fetch.map_or(rows, |fetch| rows.min(fetch as u64)))
    }

    /// The scan that this operator makes calls for.
    pub fn spec(&self) -> &Arc<ScanSpec> {
        &self.spec
    }

    /// All scans that it may make calls for: with a list in place of calls per key, if there is one.
    pub(super) fn specs(&self) -> impl Iterator<Item = &Arc<ScanSpec>> {
        std::iter::once(&self.spec).chain(self.outer.iter().filter_map(|outer| outer.list.as_ref()))
    }
}

impl DisplayAs for CallExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.spec.one_line())?;
        if let Some(list) = self.outer.as_ref().and_then(|outer| outer.list.as_ref()) {
            write!(f, ", or listed by {}", list.binding.method.name)?;
        }
        write!(f, "{}", self.wanted)?;
        if let Some(fetch) = self.fetch {
            write!(f, ", limit={fetch}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for CallExec {
    fn name(&self) -> &'static str {
        match &self.outer {
            Some(_) => "BindJoinExec",
            None if self.counts => "CountExec",
            None => "CallExec",
        }
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.outer.iter().map(|outer| &outer.input).collect()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(self.outer.iter().map(|_| Distribution::SinglePartition).collect())
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        for key in self.outer.iter().flat_map(|outer| outer.keys.iter().chain(&outer.residual)) {
            if f(key)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        match (&self.outer, children.pop()) {
            (None, None) => Ok(self),
            (Some(outer), Some(input)) if children.is_empty() => {
                Ok(Arc::new(self.again(Some(Outer { input, ..outer.clone() }), self.fetch)))
            }
            _ => internal_err!("a scan got the wrong number of inputs"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn with_fetch(&self, fetch: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        if self.counts || matches!(self.wanted, Wanted::First(_)) {
            // There is one row, or whoever sorts them takes what is wanted.
            return None;
        }
        Some(Arc::new(self.again(self.outer.clone(), fetch)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("a scan has one partition, not {partition}");
        }
        let statement = match &self.statement {
            Some(shared) => Arc::clone(shared.context()),
            None => self.core.statement(context.session_config()),
        };
        if let Some(shared) = &self.statement {
            shared.check().map_err(to_datafusion)?;
        }
        let kept = self.statement.clone();
        let schema = self.schema();
        let rows = match &self.outer {
            None if self.counts => counted_rows(&self.core, &self.spec, &statement, &schema),
            None => match &self.wanted {
                Wanted::First(first) => first_rows(&self.core, &self.spec, first, &statement),
                wanted => {
                    constant_rows(&self.core, &self.spec, &statement, wanted.behind(), self.fetch).map(StreamExt::boxed)
                }
            }
            .map_err(to_datafusion)?,
            Some(outer) => {
                let input = outer.input.execute(0, context)?;
                let parts = JoinParts {
                    core: Arc::clone(&self.core),
                    spec: Arc::clone(&self.spec),
                    statement: Arc::clone(&statement),
                    keys: outer.keys.clone(),
                    join_type: outer.join_type,
                    pairs: Arc::clone(&outer.pairs),
                    residual: outer.residual.clone(),
                    schema: Arc::clone(&schema),
                    fetch: self.fetch,
                    list: outer.list.clone(),
                };
                joined_rows(parts, input).map_err(to_datafusion)?
            }
        };
        let limited = limit(rows, self.fetch);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let counted = limited.map(move |batch| {
            // The statement says its last word when the last of its streams is let go.
            let _kept = &kept;
            let batch = batch.map_err(to_datafusion);
            if let Ok(batch) = &batch {
                baseline.record_output(batch.num_rows());
            }
            batch
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, counted)))
    }
}

/// Batches of a scan's columns.
pub(super) type Rows = BoxStream<'static, Result<RecordBatch>>;

/// A reader with a limit may stop before all calls are made.
pub(super) fn pace(fetch: Option<usize>) -> Pace {
    if fetch.is_some() { Pace::OnDemand } else { Pace::Eager }
}

/// Cuts the stream after `fetch` rows and lets go of it, so that no further call is made.
fn limit(rows: Rows, fetch: Option<usize>) -> Rows {
    let Some(fetch) = fetch else { return rows };
    stream::unfold((Some(rows), fetch), |(rows, left)| async move {
        let mut rows = rows?;
        if left == 0 {
            return None;
        }
        match rows.next().await? {
            Ok(batch) if batch.num_rows() >= left => Some((Ok(batch.slice(0, left)), (None, 0))),
            Ok(batch) => {
                let left = left - batch.num_rows();
                Some((Ok(batch), (Some(rows), left)))
            }
            Err(error) => Some((Err(error), (None, 0))),
        }
    })
    .boxed()
}

/// The rows of the calls that the scan's own constants ask for, those behind the first `skip`.
pub(super) fn constant_rows(
    core: &Arc<ScanCore>,
    spec: &Arc<ScanSpec>,
    statement: &Arc<StatementContext>,
    skip: usize,
    fetch: Option<usize>,
) -> Result<impl Stream<Item = Result<RecordBatch>> + Send + 'static> {
    let calls = spec.calls(&[], 0)?;
    for (bound, _) in &calls {
        check_path(&spec.binding.method, &bound.call)?;
    }
    if calls.is_empty() {
        let part =
            Part { table: spec.table.id(), part: String::new(), verdict: Verdict::Complete, reason: String::new() };
        statement.report.add_part(part);
    }
    let wants = Wants { limit: fetch.map(|n| n as u64), skip: skip as u64, ..spec.wants(statement) };
    rows_of(core, spec, statement, calls, wants, pace(fetch))
}

/// The rows of some of a scan's calls, one call after another.
pub(super) fn rows_of(
    core: &Arc<ScanCore>,
    spec: &Arc<ScanSpec>,
    statement: &Arc<StatementContext>,
    calls: Vec<(BoundCall, Vec<Value>)>,
    wants: Wants,
    pace: Pace,
) -> Result<impl Stream<Item = Result<RecordBatch>> + Send + 'static> {
    let values: Vec<Vec<Value>> = calls.iter().map(|(_, values)| values.clone()).collect();
    let bound: Vec<Result<BoundCall>> =
        calls.into_iter().enumerate().map(|(tag, (call, _))| Ok(BoundCall { tag, ..call })).collect();
    let plan = Arc::new(spec.read_plan(wants)?);
    let batches = read_calls(core.read_context(statement), plan, stream::iter(bound), pace);
    let (spec, report) = (Arc::clone(spec), statement.report.clone());
    Ok(batches.filter_map(move |batch| {
        let finished = match batch {
            Err(error) => Some(Err(error)),
            Ok(batch) => batch.rows.map(|rows| match values.get(batch.tag) {
                Some(values) => spec.finish(&rows, values, &report),
                None => Err(Error::new(ErrorKind::Internal, "a batch came without its call")),
            }),
        };
        futures::future::ready(finished.filter(|batch| !matches!(batch, Ok(batch) if batch.num_rows() == 0)))
    }))
}
