//! EXPLAIN: per table the method, the request and what reaches the API, then the plan.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use super::result::QueryResult;
use crate::clock::SharedClock;
use crate::error::Result;
use crate::report::Report;
use crate::scan::{CallExec, from_datafusion};

/// One text column, `plan`: a block per table, then the operators; with `analyze` the query is run, and what happened
/// follows.
pub(super) async fn explain(
    context: &SessionContext,
    plan: LogicalPlan,
    analyze: bool,
    report: Report,
    clock: SharedClock,
) -> Result<QueryResult> {
    let state = context.state();
    let physical = state.create_physical_plan(&plan).await.map_err(|error| from_datafusion(&error))?;
    let mut lines = Vec::new();
    describe_scans(&physical, &mut lines);
    lines.push("plan".to_owned());
    lines.extend(displayable(physical.as_ref()).indent(false).to_string().lines().map(|line| format!("  {line}")));
    if analyze {
        let mut rows = execute_stream(physical, context.task_ctx()).map_err(|error| from_datafusion(&error))?;
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            count += batch.map_err(|error| from_datafusion(&error))?.num_rows();
        }
        drop(rows);
        let seen = report.snapshot(clock.now());
        lines.push("what happened".to_owned());
        lines.push(format!("  rows: {count}"));
        lines.push(format!("  calls: {}, of which {} sent again", seen.calls, seen.retries));
        lines.push(format!("  bytes: {}", seen.bytes));
        lines.push(format!("  waited on limits: {} ms", seen.waited.as_millis()));
        lines.push(format!("  time: {} ms", seen.elapsed.as_millis()));
        lines.push(format!("  verdict: {}", seen.verdict()));
    }
    let rows = lines.into_iter().map(|line| vec![Some(line)]).collect();
    QueryResult::table(&["plan"], rows, report, clock)
}

fn describe_scans(plan: &Arc<dyn ExecutionPlan>, lines: &mut Vec<String>) {
    if let Some(scan) = plan.downcast_ref::<CallExec>() {
        lines.push(scan.spec().table.id());
        lines.extend(scan.explain().into_iter().map(|line| format!("  {line}")));
    }
    for child in plan.children() {
        describe_scans(child, lines);
    }
}
