//! Running a plan so that it can be stopped: what only computes gives way now and then.
//!
//! *Invariants*: rows and their order depend on the data alone, never on the clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
    execute_stream,
};
use datafusion::prelude::DataFrame;
use futures::stream::{self, BoxStream, StreamExt};

use crate::error::Result;
use crate::scan::from_datafusion;

/// Pairs of rows that a nested loop compares between two chances to stop it: some hundredths of a second.
const PAIRS: usize = 1 << 22;

/// The rows of a planned statement.
///
/// # Errors
/// Of planning it, and of beginning it.
pub(super) async fn run(frame: DataFrame) -> Result<SendableRecordBatchStream> {
    let context = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.map_err(|error| from_datafusion(&error))?;
    start(plan, context)
}

/// The rows of a plan, which can be stopped wherever many come of few: at a join, and where lists become rows. The engine's
/// own plans give way only as they read.
///
/// # Errors
/// Of beginning it.
pub(super) fn start(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
    let plan = yielding(plan).map_err(|error| from_datafusion(&error))?;
    execute_stream(plan, context).map_err(|error| from_datafusion(&error))
}

/// The plan as [`start`] runs it.
pub(super) fn yielding(plan: Arc<dyn ExecutionPlan>) -> DfResult<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let node = if node.is::<NestedLoopJoinExec>() {
            in_pieces(node)?
        } else if node.is::<HashJoinExec>() || node.is::<CrossJoinExec>() || node.is::<UnnestExec>() {
            node
        } else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(node))))
    })
    .data()
}

/// A nested loop compares all of its left rows with each batch of the right at one go: here, with so much of a batch that
/// it takes no time to speak of.
fn in_pieces(join: Arc<dyn ExecutionPlan>) -> DfResult<Arc<dyn ExecutionPlan>> {
    let children: Vec<_> = join.children().into_iter().cloned().collect();
    let Ok([left, right]) = <[_; 2]>::try_from(children) else {
        return internal_err!("a join has two inputs");
    };
    let compared = Arc::new(AtomicUsize::new(0));
    let side = |input, part| Arc::new(SideExec { input, part, left_rows: Arc::clone(&compared) }) as _;
    let children = vec![side(left, Part::Counted), side(right, Part::Pieces)];
    join.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

#[derive(Debug, Clone, Copy)]
enum Part {
    /// The left side, which is read first and whole.
    Counted,
    /// The right side.
    Pieces,
}

/// One side of a nested loop: its rows as they are, of the right in pieces.
#[derive(Debug)]
struct SideExec {
    input: Arc<dyn ExecutionPlan>,
    part: Part,
    left_rows: Arc<AtomicUsize>,
}

impl DisplayAs for SideExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for SideExec {
    fn name(&self) -> &'static str {
        match self.part {
            Part::Counted => "CountedExec",
            Part::Pieces => "PiecesExec",
        }
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => {
                Ok(Arc::new(Self { input, part: self.part, left_rows: Arc::clone(&self.left_rows) }))
            }
            _ => internal_err!("a side of a join has one input"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let left_rows = Arc::clone(&self.left_rows);
        let schema = rows.schema();
        let rows = match self.part {
            Part::Counted => {
                left_rows.store(0, Ordering::SeqCst);
                let counted = rows.inspect(move |batch| {
                    let rows = batch.as_ref().map_or(0, RecordBatch::num_rows);
                    left_rows.fetch_add(rows, Ordering::SeqCst);
                });
                counted.boxed()
            }
            Part::Pieces => pieces(rows, left_rows),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// The same rows, in batches that are short where the left side is long, with a chance to stop after each.
fn pieces(rows: SendableRecordBatchStream, left_rows: Arc<AtomicUsize>) -> BoxStream<'static, DfResult<RecordBatch>> {
    rows.flat_map(move |batch| {
        let Ok(batch) = batch else { return stream::iter([batch]).boxed() };
        let most = (PAIRS / left_rows.load(Ordering::SeqCst).max(1)).max(1);
        let starts = (0..batch.num_rows()).step_by(most);
        let cut = starts.map(move |start| Ok(batch.slice(start, most.min(batch.num_rows() - start))));
        stream::iter(cut)
            .then(|piece| async {
                tokio::task::yield_now().await;
                piece
            })
            .boxed()
    })
    .boxed()
}
