//! `max_rows` and `max_seconds`: a query stops before it goes over, and says how far it got. `max_calls`, where it is known
//! before the first call that it is not enough.

use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use futures::future::{self, Either};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::task::unconstrained;

use super::yielding;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;
use crate::scan::{StatementContext, check_calls, from_datafusion};

type Rows = BoxStream<'static, Result<RecordBatch>>;

/// Runs a plan.
///
/// # Errors
/// `Budget`, before anything is sent, when it surely needs more calls than its statement has left.
pub(super) async fn run(context: &SessionContext, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
    // Rows are only read this way: changes to an API never pass through the query engine's own hooks.
    let only_rows = SQLOptions::new().with_allow_dml(false).with_allow_ddl(false);
    only_rows.verify_plan(&plan).map_err(|error| from_datafusion(&error))?;
    let frame = context.execute_logical_plan(plan).await.map_err(|error| from_datafusion(&error))?;
    let task = frame.task_ctx();
    let physical = frame.create_physical_plan().await.map_err(|error| from_datafusion(&error))?;
    if let Some(statement) = context.copied_config().get_extension::<StatementContext>() {
        check_calls(&physical, &statement)?;
    }
    yielding::start(physical, task.into())
}

/// The rows up to the first limit that they meet, and then an error of kind `Budget`.
pub(super) fn within(rows: Rows, settings: &Settings, report: Report, clock: SharedClock) -> Rows {
    let limits = Limits { most: settings.max_rows, seconds: settings.max_seconds, report, clock, given: 0 };
    stream::unfold(Some((rows, limits)), |state| async move {
        let (mut rows, mut limits) = state?;
        // What goes beyond is seen before it is given: exactly as many rows as are allowed are a whole answer.
        match limits.next(&mut rows).await? {
            Ok(batch) => {
                let length = batch.num_rows() as u64;
                let room = limits.most.map_or(length, |most| most.saturating_sub(limits.given));
                limits.given += length.min(room);
                if length <= room {
                    return Some((Ok(batch), Some((rows, limits))));
                }
                drop(rows);
                let said = Error::new(ErrorKind::Budget, format!("stopped after {}", counted(limits.given, "row")))
                    .hint("`SET max_rows = …` allows more, LIMIT asks for fewer");
                let error = limits.tell(said);
                if room == 0 {
                    return Some((Err(error), None));
                }
                let part = batch.slice(0, usize::try_from(room).unwrap_or(usize::MAX));
                let rest = stream::iter([Err(error)]).boxed();
                Some((Ok(part), Some((rest, Limits { most: None, ..limits }))))
            }
            Err(error) if error.kind() == ErrorKind::Budget && error.context_value("rows").is_none() => {
                Some((Err(limits.tell(error)), None))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

struct Limits {
    most: Option<u64>,
    seconds: Option<u64>,
    report: Report,
    clock: SharedClock,
    given: u64,
}

impl Limits {
    async fn next(&self, rows: &mut Rows) -> Option<Result<RecordBatch>> {
        let Some(seconds) = self.seconds else { return rows.next().await };
        let spent = self.report.snapshot(self.clock.now()).elapsed;
        let left = Duration::from_secs(seconds).saturating_sub(spent);
        // Unconstrained: a query that only computes takes all that a task may take at a time.
        match future::select(rows.next(), unconstrained(self.clock.sleep(left))).await {
            Either::Left((batch, _)) => batch,
            Either::Right(_) => {
                let said = Error::new(ErrorKind::Budget, format!("stopped after {}", counted(seconds, "second")));
                Some(Err(said.hint("`SET max_seconds = …` allows more")))
            }
        }
    }

    /// How far it got.
    fn tell(&self, error: Error) -> Error {
        error.with("rows", self.given.to_string()).with("calls", self.report.calls().to_string())
    }
}

fn counted(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
