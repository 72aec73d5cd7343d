//! The operator of [`JsonTable`]: each row of the input with the rows of its document, as they come.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    ReplaceChildrenOptions,
};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use futures::stream::{self, StreamExt};

use super::document::parse;
use super::expand::{Depth, Row, rows};
use super::path::Paths;
use super::table::{Gives, JsonTable};
use crate::functions::column::Column;

/// Rows of one batch that comes out, about: documents are not divided.
const PIECE_ROWS: usize = 8192;

/// Plans JSON tables.
#[derive(Debug, Default)]
pub struct JsonTablePlanner;

// Its future is written out: async_trait's would hold whole plans, and to prove
// such a future `Send` takes the compiler seconds for each.
impl ExtensionPlanner for JsonTablePlanner {
    fn plan_extension<'life0, 'life1, 'life2, 'life3, 'life4, 'life5, 'life6, 'life7, 'f>(
        &'life0 self,
        planner: &'life1 dyn PhysicalPlanner,
        node: &'life2 dyn UserDefinedLogicalNode,
        logical_inputs: &'life3 [&'life4 LogicalPlan],
        physical_inputs: &'life5 [Arc<dyn ExecutionPlan>],
        session: &'life6 dyn Session,
        planning: &'life7 PhysicalPlanningContext,
    ) -> BoxFuture<'f, Result<Option<Arc<dyn ExecutionPlan>>>>
    where
        'life0: 'f,
        'life1: 'f,
        'life2: 'f,
        'life3: 'f,
        'life4: 'f,
        'life5: 'f,
        'life6: 'f,
        'life7: 'f,
    {
        ready(planned(planner, node, logical_inputs, physical_inputs, session, planning)).boxed()
    }
}

fn planned(
    planner: &dyn PhysicalPlanner,
    node: &dyn UserDefinedLogicalNode,
    logical_inputs: &[&LogicalPlan],
    physical_inputs: &[Arc<dyn ExecutionPlan>],
    session: &dyn Session,
    planning: &PhysicalPlanningContext,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(table) = node.as_any().downcast_ref::<JsonTable>() else { return Ok(None) };
    let (Some(logical), Some(input)) = (logical_inputs.first(), physical_inputs.first()) else {
        return internal_err!("a JSON table needs an input");
    };
    let over_input = |expr| planner.create_physical_expr(expr, logical.schema(), session, planning);
    let on = match &table.on {
        Some(on) => {
            // The optimiser has not seen it.
            let context = SimplifyContext::builder()
                .with_schema(Arc::clone(&table.pairs))
                .with_query_execution_start_time(session.execution_props().query_execution_start_time)
                .build();
            let simplifier = ExprSimplifier::new(context);
            let on = simplifier.simplify(simplifier.coerce(on.clone(), &table.pairs)?)?;
            Some(planner.create_physical_expr(&on, &table.pairs, session, planning)?)
        }
        None => None,
    };
    let parts = Parts {
        document: over_input(&table.document)?,
        path: table.path.as_ref().map(over_input).transpose()?,
        depth: table.depth,
        gives: table.gives.clone(),
        on,
        pairs: Arc::new(table.pairs.as_arrow().clone()),
        schema: Arc::new(table.schema.as_arrow().clone()),
    };
    Ok(Some(Arc::new(JsonTableExec::new(Arc::clone(input), Arc::new(parts)))))
}

/// What there is to do with each row.
#[derive(Debug)]
struct Parts {
    document: Arc<dyn PhysicalExpr>,
    path: Option<Arc<dyn PhysicalExpr>>,
    depth: Depth,
    gives: Gives,
    on: Option<Arc<dyn PhysicalExpr>>,
    /// The input's columns, then the table's.
    pairs: SchemaRef,
    schema: SchemaRef,
}

#[derive(Debug)]
struct JsonTableExec {
    input: Arc<dyn ExecutionPlan>,
    parts: Arc<Parts>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl JsonTableExec {
    fn new(input: Arc<dyn ExecutionPlan>, parts: Arc<Parts>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&parts.schema)),
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self { input, parts, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for JsonTableExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonTableExec: {}({}){}", self.parts.function(), self.parts.document, self.parts.gives)
    }
}

impl ExecutionPlan for JsonTableExec {
    fn name(&self) -> &'static str {
        "JsonTableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expr in std::iter::once(&self.parts.document).chain(&self.parts.path).chain(&self.parts.on) {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.as_slice() {
            [input] => Ok(Arc::new(Self::new(Arc::clone(input), Arc::clone(&self.parts)))),
            _ => internal_err!("a JSON table needs one input"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let start = Expanding { parts: Arc::clone(&self.parts), input, batch: None, baseline };
        let pieces = stream::try_unfold(start, |mut expanding| async move {
            let piece = expanding.next().await?;
            Ok(piece.map(|piece| (piece, expanding)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.parts.schema), pieces)))
    }
}

struct Expanding {
    parts: Arc<Parts>,
    input: SendableRecordBatchStream,
    /// The batch at hand, its documents, and the first row of it that is still to do.
    batch: Option<(RecordBatch, Documents, usize)>,
    baseline: BaselineMetrics,
}

/// The documents and paths of a batch.
struct Documents {
    texts: Column,
    places: Option<Column>,
    paths: Paths,
}

impl Expanding {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let (batch, mut documents, from) = match self.batch.take() {
                Some(rest) => rest,
                None => match self.input.next().await {
                    Some(batch) => {
                        let batch = batch?;
                        let documents = self.parts.documents(&batch)?;
                        (batch, documents, 0)
                    }
                    None => return Ok(None),
                },
            };
            let (piece, next) = self.parts.piece(&batch, &mut documents, from)?;
            if next < batch.num_rows() {
                self.batch = Some((batch, documents, next));
            }
            if piece.num_rows() > 0 {
                self.baseline.record_output(piece.num_rows());
                return Ok(Some(piece));
            }
        }
    }
}

impl Parts {
    fn function(&self) -> &'static str {
        match self.depth {
            Depth::Children => "json_each",
            Depth::All => "json_tree",
        }
    }

    fn documents(&self, batch: &RecordBatch) -> Result<Documents> {
        let column = |expr: &Arc<dyn PhysicalExpr>| {
            let array = expr.evaluate(batch)?.into_array(batch.num_rows())?;
            Column::new(&array, expr.return_field(batch.schema_ref())?.as_ref())
        };
        let places = self.path.as_ref().map(column).transpose()?;
        Ok(Documents { texts: column(&self.document)?, places, paths: Paths::default() })
    }

    /// The rows of some documents from row `from` on, and the row to go on with.
    fn piece(&self, batch: &RecordBatch, documents: &mut Documents, from: usize) -> Result<(RecordBatch, usize)> {
        let mut built = Builders::default();
        // For each row that comes out: its row of the input, and its row in `built`.
        let mut outer = Vec::new();
        let mut inner = Vec::new();
        let mut row = from;
        while row < batch.num_rows() && inner.len() < PIECE_ROWS {
            let here = u32_of(row)?;
            for item in documents.rows(row, self.depth, self.function())? {
                outer.push(here);
                inner.push(u32_of(built.count)?);
                built.push(&item);
            }
            row += 1;
        }
        let nothing = u32_of(built.count)?;
        if self.gives == Gives::PairsAndRest {
            built.push_nothing();
        }
        let columns = built.finish();
        let passes = match &self.on {
            Some(on) => {
                let pairs = self.joined(batch, &columns, &outer, &inner)?;
                on.evaluate(&pairs)?.into_array(pairs.num_rows())?.as_boolean().clone()
            }
            None => BooleanArray::from(vec![true; outer.len()]),
        };
        if let Gives::Found(_) = self.gives {
            let found = found(&outer, &passes, from, row)?;
            let rows = batch.slice(from, row - from);
            let arrays = rows.columns().iter().cloned().chain([Arc::new(found) as ArrayRef]).collect();
            return Ok((RecordBatch::try_new(Arc::clone(&self.schema), arrays)?, row));
        }
        if self.on.is_some() {
            let keep: Vec<usize> = (0..passes.len()).filter(|at| passes.is_valid(*at) && passes.value(*at)).collect();
            outer = keep.iter().map(|at| outer[*at]).collect();
            inner = keep.iter().map(|at| inner[*at]).collect();
        }
        if self.gives == Gives::PairsAndRest {
            (outer, inner) = with_missing(&outer, &inner, u32_of(from)?..u32_of(row)?, nothing);
        }
        Ok((self.joined(batch, &columns, &outer, &inner)?, row))
    }

    fn joined(&self, batch: &RecordBatch, columns: &[ArrayRef], outer: &[u32], inner: &[u32]) -> Result<RecordBatch> {
        let (left, right) = (UInt32Array::from(outer.to_vec()), UInt32Array::from(inner.to_vec()));
        let mut arrays = Vec::with_capacity(self.pairs.fields().len());
        for column in batch.columns() {
            arrays.push(take(column, &left, None)?);
        }
        for column in columns {
            arrays.push(take(column, &right, None)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(outer.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.pairs), arrays, &options)?)
    }
}

/// For each row of the input whether the condition holds for any of its pairs; NULL where it holds for none and is NULL for
/// one, as SQL's OR has it.
fn found(outer: &[u32], passes: &BooleanArray, from: usize, to: usize) -> Result<BooleanArray> {
    let mut found = vec![Some(false); to - from];
    for (at, row) in outer.iter().enumerate() {
        let Some(known) = usize::try_from(*row).ok().and_then(|row| found.get_mut(row - from)) else {
            return internal_err!("a pair is of no row");
        };
        match (passes.is_valid(at), passes.value(at)) {
            (true, true) => *known = Some(true),
            (true, false) => {}
            (false, _) if *known == Some(true) => {}
            (false, _) => *known = None,
        }
    }
    Ok(BooleanArray::from(found))
}

/// The pairs, and a pair with nothing for each row of the input that has none; in the input's order.
fn with_missing(outer: &[u32], inner: &[u32], rows: std::ops::Range<u32>, nothing: u32) -> (Vec<u32>, Vec<u32>) {
    let mut all = (Vec::with_capacity(outer.len()), Vec::with_capacity(outer.len()));
    let mut pairs = outer.iter().zip(inner).peekable();
    for row in rows {
        let before = all.0.len();
        while let Some((outer, inner)) = pairs.next_if(|(outer, _)| **outer == row) {
            all.0.push(*outer);
            all.1.push(*inner);
        }
        if all.0.len() == before {
            all.0.push(row);
            all.1.push(nothing);
        }
    }
    all
}

fn u32_of(row: usize) -> Result<u32> {
    match u32::try_from(row) {
        Ok(row) => Ok(row),
        Err(_) => internal_err!("a batch has too many rows"),
    }
}

impl Documents {
    fn rows(&mut self, row: usize, depth: Depth, function: &str) -> Result<Vec<Row>> {
        let Some(text) = self.texts.text(row) else { return Ok(Vec::new()) };
        let path = match &self.places {
            Some(places) => match places.text(row) {
                Some(path) => Some(path),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let node = parse(&text, function)?;
        let steps = self.paths.steps(path.as_deref().unwrap_or("$"))?;
        Ok(rows(&node, steps, depth))
    }
}

/// The columns of the table, in the order of [`super::COLUMNS`].
#[derive(Default)]
struct Builders {
    key: StringBuilder,
    value: StringBuilder,
    kind: StringBuilder,
    atom: StringBuilder,
    id: Int64Builder,
    parent: Int64Builder,
    fullkey: StringBuilder,
    path: StringBuilder,
    count: usize,
}

impl Builders {
    fn push(&mut self, row: &Row) {
        self.key.append_option(row.key.as_deref());
        self.value.append_option(row.value.as_deref());
        self.kind.append_value(row.kind);
        self.atom.append_option(row.atom.as_deref());
        self.id.append_value(row.id);
        self.parent.append_option(row.parent);
        self.fullkey.append_value(&row.fullkey);
        self.path.append_value(&row.path);
        self.count += 1;
    }

    fn push_nothing(&mut self) {
        for text in [&mut self.key, &mut self.value, &mut self.kind, &mut self.atom, &mut self.fullkey, &mut self.path]
        {
            text.append_null();
        }
        self.id.append_null();
        self.parent.append_null();
        self.count += 1;
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.key.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.atom.finish()),
            Arc::new(self.id.finish()),
            Arc::new(self.parent.finish()),
            Arc::new(self.fullkey.finish()),
            Arc::new(self.path.finish()),
        ]
    }
}
