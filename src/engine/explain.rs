//! EXPLAIN: per table the method, the request, the calls expected and what reaches the API, then the plan.
//!
//! People get lines of text, programs one object: `calls`, `tables`, `plan`, after ANALYZE `happened`, and why a run would be
//! `refused`.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use serde_json::{Value, json};

use super::result::QueryResult;
use super::yielding::yielding;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::report::{QueryReport, Report};
use crate::rows::{self, Kind};
use crate::scan::{StatementContext, calls_in_all, explained_scans, from_datafusion, over_budget};

/// One text column, `plan`: a block per table, then the operators; with `analyze` the query is run, and what happened
/// follows.
pub(super) async fn explain(
    context: &SessionContext,
    plan: LogicalPlan,
    analyze: bool,
    settings: &Settings,
    report: Report,
    clock: SharedClock,
) -> Result<QueryResult> {
    let state = context.state();
    let physical = state.create_physical_plan(&plan).await.map_err(|error| from_datafusion(&error))?;
    let statement = context.copied_config().get_extension::<StatementContext>();
    let statement =
        statement.unwrap_or_else(|| Arc::new(StatementContext::new(report.clone(), Settings::clone(settings))));
    let scans = explained_scans(&physical, &statement);
    let calls = calls_in_all(&scans);
    let refused = over_budget("the statement", calls.min, &statement);
    if let (true, Some(error)) = (analyze, &refused) {
        return Err(error.clone());
    }
    let refused = refused.map(|error| error.message().to_owned());

    let physical = if analyze { yielding(physical).map_err(|error| from_datafusion(&error))? } else { physical };
    let happened = if analyze { Some(run(context, &physical, settings, &report, &clock).await?) } else { None };
    let operators = match &happened {
        Some(_) => DisplayableExecutionPlan::with_metrics(physical.as_ref()).indent(false).to_string(),
        None => DisplayableExecutionPlan::new(physical.as_ref()).indent(false).to_string(),
    };
    let operators: Vec<String> = operators.lines().map(str::to_owned).collect();

    let mut lines = Vec::new();
    for scan in &scans {
        lines.push(scan.table.clone());
        lines.extend(scan.lines().into_iter().map(|line| format!("  {line}")));
    }
    if scans.len() > 1 {
        lines.push(format!("calls in all: {}; equal calls are made once", calls.text()));
    }
    lines.extend(refused.iter().map(|why| format!("refused before the first call: {why}")));
    lines.push("plan".to_owned());
    lines.extend(operators.iter().map(|line| format!("  {line}")));
    if let Some(happened) = &happened {
        lines.push("what happened".to_owned());
        lines.extend(happened.lines().into_iter().map(|line| format!("  {line}")));
    }
    let rows = lines.into_iter().map(|line| vec![Some(line)]).collect();
    let parts = [
        ("calls", json!(calls)),
        ("tables", json!(scans)),
        ("plan", json!(operators)),
        ("happened", happened.map_or(Value::Null, |happened| happened.json())),
        ("refused", json!(refused)),
    ];
    Ok(QueryResult::table(&["plan"], rows, report, clock)?.with_program_form(object(&parts)?))
}

/// One row of JSON columns.
fn object(parts: &[(&str, Value)]) -> Result<RecordBatch> {
    let fields: Vec<_> = parts.iter().map(|(name, _)| rows::field(name, Kind::Json, false)).collect();
    let column = |value: &Value| -> ArrayRef {
        let text = (!value.is_null()).then(|| value.to_string());
        Arc::new(StringArray::from(vec![text]))
    };
    let columns = parts.iter().map(|(_, value)| column(value)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Error::new(ErrorKind::Internal, "the plan could not be shown").caused_by(error))
}

/// A query that was run for its measures.
struct Happened {
    rows: usize,
    first_row: Option<u128>,
    seen: QueryReport,
}

async fn run(
    context: &SessionContext,
    physical: &Arc<dyn ExecutionPlan>,
    settings: &Settings,
    report: &Report,
    clock: &SharedClock,
) -> Result<Happened> {
    let rows = execute_stream(Arc::clone(physical), context.task_ctx()).map_err(|error| from_datafusion(&error))?;
    // A report of its own: these rows are not the ones that are given.
    let (unread, clock) = (Report::new(clock.now()), Arc::clone(clock));
    let mut rows = QueryResult::rows(rows, unread, Arc::clone(&clock)).within(settings, report);
    let (mut count, mut first_row) = (0, None);
    while let Some(batch) = rows.next().await {
        count += batch?.num_rows();
        if count > 0 && first_row.is_none() {
            first_row = Some(report.snapshot(clock.now()).elapsed.as_millis());
        }
    }
    // Operators say their last word when they are let go.
    drop(rows);
    Ok(Happened { rows: count, first_row, seen: report.snapshot(clock.now()) })
}

impl Happened {
    fn lines(&self) -> Vec<String> {
        let seen = &self.seen;
        let mut lines = vec![
            format!("rows: {}", self.rows),
            format!("calls: {}, of which {} sent again", seen.calls, seen.retries),
        ];
        if seen.shared > 0 {
            lines.push(format!("spared: {} by answers of equal calls", seen.shared));
        }
        if let Some(age) = seen.cached_age {
            lines.push(format!("kept answers: {}, up to {} s old", seen.cached, age.as_secs()));
        }
        lines.push(format!("at once: {} at most", seen.most_at_once));
        lines.push(format!("bytes: {}", seen.bytes));
        lines.push(format!("waited on limits: {} ms", seen.waited.as_millis()));
        if let Some(first) = self.first_row {
            lines.push(format!("first row: {first} ms"));
        }
        lines.push(format!("time: {} ms", seen.elapsed.as_millis()));
        lines.push(format!("verdict: {}", seen.verdict()));
        lines
    }

    fn json(&self) -> Value {
        let seen = &self.seen;
        let milliseconds = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        json!({
            "rows": self.rows,
            "calls": seen.calls,
            "retries": seen.retries,
            "shared": seen.shared,
            "cached": seen.cached,
            "at_once": seen.most_at_once,
            "bytes": seen.bytes,
            "waited_ms": milliseconds(seen.waited),
            "first_row_ms": self.first_row.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            "elapsed_ms": milliseconds(seen.elapsed),
            "verdict": seen.verdict().name(),
        })
    }
}
