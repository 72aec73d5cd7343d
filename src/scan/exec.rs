//! The operator that makes calls: from constants, or one set of calls per distinct key of another input (a bind join).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DfResult, ScalarValue, internal_err};
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

use super::border::{from_datafusion, to_datafusion};
use super::predicate::scalar_value;
use super::spec::ScanSpec;
use super::table::{ScanCore, StatementContext};
use crate::call::{BoundCall, Pace, read_calls};
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Part, Verdict};

/// Rows of answers kept for keys that come again, per join.
const MEMO_ROWS: usize = 200_000;

/// How rows of the other input meet their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub(super) enum BindJoinType {
    /// Rows without an answer disappear.
    Inner,
    /// Rows without an answer stay, with NULLs.
    Left,
}

/// The other input of a bind join.
#[derive(Debug, Clone)]
pub(super) struct Outer {
    pub(super) input: Arc<dyn ExecutionPlan>,
    /// The values for the binding's `Outer` columns, in that order.
    pub(super) keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) join_type: BindJoinType,
}

/// Makes calls and gives their rows; with another input, joined to its rows (its columns first).
#[derive(Debug)]
pub struct CallExec {
    core: Arc<ScanCore>,
    spec: Arc<ScanSpec>,
    outer: Option<Outer>,
    fetch: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl CallExec {
    /// Calls made from the scan's own constants.
    pub(super) fn from_constants(core: Arc<ScanCore>, spec: Arc<ScanSpec>, fetch: Option<usize>) -> Self {
        let schema = Arc::clone(&spec.schema);
        Self::assemble(core, spec, None, fetch, schema)
    }

    /// Calls made for the rows of another input. `schema` is the input's columns, then the scan's.
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
        Self { core, spec, outer, fetch, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }

    /// The scan that this operator makes calls for.
    pub fn spec(&self) -> &Arc<ScanSpec> {
        &self.spec
    }
}

impl DisplayAs for CallExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.outer.is_some() { "BindJoinExec" } else { "CallExec" };
        write!(f, "{name}: {}", self.spec.one_line())?;
        if let Some(fetch) = self.fetch {
            write!(f, ", limit={fetch}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for CallExec {
    fn name(&self) -> &'static str {
        if self.outer.is_some() { "BindJoinExec" } else { "CallExec" }
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
        for key in self.outer.iter().flat_map(|outer| &outer.keys) {
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
                let outer = Outer { input, keys: outer.keys.clone(), join_type: outer.join_type };
                let schema = self.schema();
                Ok(Arc::new(Self::assemble(
                    Arc::clone(&self.core),
                    Arc::clone(&self.spec),
                    Some(outer),
                    self.fetch,
                    schema,
                )))
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
        let schema = self.schema();
        Some(Arc::new(Self::assemble(
            Arc::clone(&self.core),
            Arc::clone(&self.spec),
            self.outer.clone(),
            fetch,
            schema,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("a scan has one partition, not {partition}");
        }
        let statement = self.core.statement(context.session_config());
        let schema = self.schema();
        let rows = match &self.outer {
            None => constant_rows(&self.core, &self.spec, &statement, self.fetch).map_err(to_datafusion)?.boxed(),
            Some(outer) => {
                let input = outer.input.execute(0, context)?;
                let pace = pace(self.fetch);
                joined_rows(&self.core, &self.spec, &statement, outer, input, Arc::clone(&schema), pace)
                    .map_err(to_datafusion)?
            }
        };
        let limited = limit(rows, self.fetch);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let counted = limited.map(move |batch| {
            let batch = batch.inspect_err(|error| statement.remember(error)).map_err(to_datafusion);
            if let Ok(batch) = &batch {
                baseline.record_output(batch.num_rows());
            }
            batch
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, counted)))
    }
}

type Rows = BoxStream<'static, Result<RecordBatch>>;

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

/// A reader with a limit may stop before all calls are made.
fn pace(fetch: Option<usize>) -> Pace {
    if fetch.is_some() { Pace::OnDemand } else { Pace::Eager }
}

/// The rows of the calls that the scan's own constants ask for.
fn constant_rows(
    core: &Arc<ScanCore>,
    spec: &Arc<ScanSpec>,
    statement: &Arc<StatementContext>,
    fetch: Option<usize>,
) -> Result<impl Stream<Item = Result<RecordBatch>> + Send + 'static> {
    let calls = spec.calls(&[], 0)?;
    if calls.is_empty() {
        let part =
            Part { table: spec.table.id(), part: String::new(), verdict: Verdict::Complete, reason: String::new() };
        statement.report.add_part(part);
    }
    let values: Vec<Vec<Value>> = calls.iter().map(|(_, values)| values.clone()).collect();
    let bound: Vec<Result<BoundCall>> =
        calls.into_iter().enumerate().map(|(tag, (call, _))| Ok(BoundCall { tag, ..call })).collect();
    let plan = Arc::new(spec.read_plan(fetch.map(|n| n as u64))?);
    let batches = read_calls(core.read_context(statement), plan, stream::iter(bound), pace(fetch));
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

/// One distinct key of the other input.
#[derive(Debug, Clone, Eq)]
struct Key {
    values: Vec<Value>,
    text: String,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// A batch of the other input, with its rows grouped by key.
struct Grouped {
    batch: RecordBatch,
    /// Distinct keys in order of first appearance, each with its rows.
    groups: Vec<(Key, Vec<u32>)>,
    /// Rows whose key holds a NULL: they match nothing.
    unmatched: Vec<u32>,
}

/// What a bind join's stream holds on to.
struct Joining {
    core: Arc<ScanCore>,
    spec: Arc<ScanSpec>,
    statement: Arc<StatementContext>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    join_type: BindJoinType,
    schema: SchemaRef,
    input: SendableRecordBatchStream,
    memo: HashMap<String, Arc<Vec<RecordBatch>>>,
    memo_rows: usize,
    pace: Pace,
    ready: VecDeque<RecordBatch>,
    /// The answers of the groups that had to be asked for, in order.
    answers: Option<Answers>,
    done: bool,
}

struct Answers {
    grouped: Grouped,
    /// Bound values per call, by tag: calls of one group follow each other.
    calls: Vec<(usize, Vec<Value>)>,
    stream: BoxStream<'static, Result<crate::call::CallBatch>>,
    /// Rows so far of the group being read, while they may still be worth keeping.
    kept: Vec<RecordBatch>,
    kept_rows: usize,
    /// Whether the group being read gave any row.
    matched: Vec<bool>,
}

fn joined_rows(
    core: &Arc<ScanCore>,
    spec: &Arc<ScanSpec>,
    statement: &Arc<StatementContext>,
    outer: &Outer,
    input: SendableRecordBatchStream,
    schema: SchemaRef,
    pace: Pace,
) -> Result<Rows> {
    let joining = Joining {
        core: Arc::clone(core),
        spec: Arc::clone(spec),
        statement: Arc::clone(statement),
        keys: outer.keys.clone(),
        join_type: outer.join_type,
        schema,
        input,
        memo: HashMap::new(),
        memo_rows: 0,
        pace,
        ready: VecDeque::new(),
        answers: None,
        done: false,
    };
    // Fails before the first row when the plan cannot be made.
    spec.read_plan(None)?;
    Ok(stream::try_unfold(joining, |mut joining| async move {
        let batch = joining.next().await?;
        Ok(batch.map(|batch| (batch, joining)))
    })
    .boxed())
}

impl Joining {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.answers.is_some() {
                self.advance().await?;
                continue;
            }
            if self.done {
                return Ok(None);
            }
            match self.input.next().await {
                None => self.done = true,
                Some(Err(error)) => return Err(from_datafusion(&error)),
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => self.begin(batch)?,
            }
        }
    }

    /// Starts the calls for the keys of one batch that are not known yet.
    fn begin(&mut self, batch: RecordBatch) -> Result<()> {
        let grouped = self.group(batch)?;
        if self.join_type == BindJoinType::Left && !grouped.unmatched.is_empty() {
            let batch = self.widen(&grouped.batch, &grouped.unmatched, None)?;
            self.ready.push_back(batch);
        }
        let mut calls = Vec::new();
        let mut bound = Vec::new();
        for (index, (key, rows)) in grouped.groups.iter().enumerate() {
            if let Some(known) = self.memo.get(&key.text).cloned() {
                self.emit_known(&grouped.batch, rows, &known)?;
                continue;
            }
            for (call, values) in self.spec.calls(&key.values, 0)? {
                bound.push(Ok(BoundCall { tag: calls.len(), ..call }));
                calls.push((index, values));
            }
        }
        if calls.is_empty() {
            return Ok(());
        }
        let plan = Arc::new(self.spec.read_plan(None)?);
        let context = self.core.read_context(&self.statement);
        let stream = read_calls(context, plan, stream::iter(bound), self.pace).boxed();
        let matched = vec![false; grouped.groups.len()];
        self.answers = Some(Answers { grouped, calls, stream, kept: Vec::new(), kept_rows: 0, matched });
        Ok(())
    }

    /// Takes one batch of answers and joins it to the rows of its key.
    async fn advance(&mut self) -> Result<()> {
        let Some(answers) = &mut self.answers else { return Ok(()) };
        let Some(next) = answers.stream.next().await else {
            self.answers = None;
            return Ok(());
        };
        let next = next?;
        let Some((group, values)) = answers.calls.get(next.tag).cloned() else {
            return Err(Error::new(ErrorKind::Internal, "a batch came without its call"));
        };
        match next.rows {
            Some(rows) => {
                let finished = self.spec.finish(&rows, &values, &self.statement.report)?;
                if finished.num_rows() == 0 {
                    return Ok(());
                }
                let Some(answers) = &mut self.answers else { return Ok(()) };
                answers.matched[group] = true;
                answers.kept_rows += finished.num_rows();
                if self.memo_rows + answers.kept_rows <= MEMO_ROWS {
                    answers.kept.push(finished.clone());
                }
                let batch = answers.grouped.batch.clone();
                let members = answers.grouped.groups[group].1.clone();
                self.ready.push_back(self.combine(&batch, &members, &finished)?);
            }
            None => {
                // The last call of a group closes it.
                let last_of_group = answers.calls.get(next.tag + 1).is_none_or(|(following, _)| *following != group);
                if last_of_group {
                    let kept = std::mem::take(&mut answers.kept);
                    let kept_rows = std::mem::take(&mut answers.kept_rows);
                    let (key, members) = answers.grouped.groups[group].clone();
                    let matched = answers.matched[group];
                    let batch = answers.grouped.batch.clone();
                    if self.memo_rows + kept_rows <= MEMO_ROWS {
                        self.memo_rows += kept_rows.max(1);
                        self.memo.insert(key.text, Arc::new(kept));
                    }
                    if self.join_type == BindJoinType::Left && !matched {
                        let widened = self.widen(&batch, &members, None)?;
                        self.ready.push_back(widened);
                    }
                }
            }
        }
        Ok(())
    }

    fn emit_known(&mut self, batch: &RecordBatch, members: &[u32], known: &[RecordBatch]) -> Result<()> {
        for rows in known {
            let joined = self.combine(batch, members, rows)?;
            self.ready.push_back(joined);
        }
        if known.is_empty() && self.join_type == BindJoinType::Left {
            let widened = self.widen(batch, members, None)?;
            self.ready.push_back(widened);
        }
        Ok(())
    }

    /// Every member row with every answer row.
    fn combine(&self, batch: &RecordBatch, members: &[u32], answers: &RecordBatch) -> Result<RecordBatch> {
        let count = u32::try_from(answers.num_rows()).unwrap_or(u32::MAX);
        let left: Vec<u32> = members.iter().flat_map(|row| std::iter::repeat_n(*row, count as usize)).collect();
        if members.len() == 1 {
            return self.widen(batch, &left, Some(answers.clone()));
        }
        let right: UInt32Array = members.iter().flat_map(|_| 0..count).collect();
        let repeated = take_record_batch(answers, &right).map_err(arrow_error)?;
        self.widen(batch, &left, Some(repeated))
    }

    /// Rows of the other input, with their answers or NULLs beside them.
    fn widen(&self, batch: &RecordBatch, rows: &[u32], answers: Option<RecordBatch>) -> Result<RecordBatch> {
        let taken = take_record_batch(batch, &UInt32Array::from(rows.to_vec())).map_err(arrow_error)?;
        let mut columns: Vec<ArrayRef> = taken.columns().to_vec();
        match answers {
            Some(answers) => columns.extend(answers.columns().iter().cloned()),
            None => columns
                .extend(self.spec.schema.fields().iter().map(|field| new_null_array(field.data_type(), rows.len()))),
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(arrow_error)
    }

    fn group(&self, batch: RecordBatch) -> Result<Grouped> {
        let rows = batch.num_rows();
        let arrays: Vec<ArrayRef> = self
            .keys
            .iter()
            .map(|key| key.evaluate(&batch).and_then(|value| value.into_array(rows)))
            .collect::<DfResult<_>>()
            .map_err(|error| from_datafusion(&error))?;
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut groups: Vec<(Key, Vec<u32>)> = Vec::new();
        let mut unmatched = Vec::new();
        for row in 0..rows {
            let number = u32::try_from(row).map_err(|_| Error::new(ErrorKind::Internal, "a batch is too long"))?;
            let Some(key) = key_of(&arrays, row)? else {
                unmatched.push(number);
                continue;
            };
            match places.get(&key) {
                Some(at) => groups[*at].1.push(number),
                None => {
                    places.insert(key.clone(), groups.len());
                    groups.push((key, vec![number]));
                }
            }
        }
        Ok(Grouped { batch, groups, unmatched })
    }
}

fn key_of(arrays: &[ArrayRef], row: usize) -> Result<Option<Key>> {
    let mut values = Vec::with_capacity(arrays.len());
    for array in arrays {
        if array.is_null(row) {
            return Ok(None);
        }
        let scalar = ScalarValue::try_from_array(array, row).map_err(|error| from_datafusion(&error))?;
        match scalar_value(&scalar) {
            Some(value) => values.push(value),
            None => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("a value of type `{}` cannot be given to an API", array.data_type()),
                ));
            }
        }
    }
    let text = values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\u{1f}");
    Ok(Some(Key { values, text }))
}

fn arrow_error(error: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "rows could not be joined").caused_by(error)
}
