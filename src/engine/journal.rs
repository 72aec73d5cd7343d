//! The journal of writes, on the async side: noted where blocking is allowed, and shown as a table.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::result::QueryResult;
use super::{Engine, Session};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;
use crate::store::{
    CallState, Journal, Listing, Outcome, OutcomeState, StateDirectory, StatementRecord, read_journal, resume,
    time_text, unfinished,
};
use crate::threads::off_thread;
use crate::write::{CallResult, Planned, Recorder, ids_of};

/// The columns of the journal as a table.
pub(super) const COLUMNS: [&str; 11] =
    ["at", "statement", "ended", "verb", "table", "call", "request", "state", "status", "ids", "message"];

/// Calls shown when `SHOW JOURNAL` says no number.
const SHOWN: u64 = 100;

/// Runs what waits for the disk off the async threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    off_thread("writing to the disk", work).await?
}

/// A journal that is open.
#[derive(Debug, Clone)]
pub(super) struct Running(Arc<Journal>);

impl Running {
    pub(super) fn of(journal: Journal) -> Self {
        Self(Arc::new(journal))
    }

    pub(super) fn statement(&self) -> String {
        self.0.statement().to_owned()
    }

    /// Notes which calls somebody says need not be sent.
    pub(super) async fn skip(&self, states: &[CallState], now: SystemTime) -> Result<()> {
        let (journal, states) = (Arc::clone(&self.0), states.to_vec());
        blocking(move || {
            for (call, _) in states.iter().enumerate().filter(|(_, state)| **state == CallState::Skipped) {
                let outcome = Outcome {
                    state: OutcomeState::Skipped,
                    status: None,
                    request_id: None,
                    ids: std::collections::BTreeMap::new(),
                    message: None,
                };
                journal.outcome(call, outcome, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Notes that nothing is left to be done.
    pub(super) async fn end(&self, summary: String, now: SystemTime) -> Result<()> {
        let journal = Arc::clone(&self.0);
        blocking(move || journal.end(now, &summary)).await
    }
}

/// Notes calls in a journal.
pub(super) struct JournalRecorder {
    pub(super) running: Running,
    pub(super) planned: Arc<Planned>,
    pub(super) clock: SharedClock,
}

#[async_trait]
impl Recorder for JournalRecorder {
    async fn intent(&self, index: usize) -> Result<()> {
        let (journal, now) = (Arc::clone(&self.running.0), self.clock.utc());
        blocking(move || journal.intent(index, now)).await
    }

    async fn outcome(&self, index: usize, result: &CallResult) -> Result<()> {
        let failed = |state: OutcomeState, error: &Error| Outcome {
            state,
            status: error.context_value("status").and_then(|status| status.parse().ok()),
            request_id: error.context_value("request id").map(str::to_owned),
            ids: self.planned.plan.calls.get(index).map(|call| call.identity.clone()).unwrap_or_default(),
            message: Some(error.message().to_owned()),
        };
        let outcome = match result {
            CallResult::Done(answered) => Outcome {
                state: OutcomeState::Done,
                status: Some(answered.status),
                request_id: answered.request_id.clone(),
                ids: ids_of(&self.planned, index, answered),
                message: None,
            },
            CallResult::Gone => Outcome {
                state: OutcomeState::Done,
                status: Some(404),
                request_id: None,
                ids: std::collections::BTreeMap::new(),
                message: Some("it was gone already".to_owned()),
            },
            CallResult::Failed(error) => failed(OutcomeState::Failed, error),
            CallResult::Unknown(error) => failed(OutcomeState::Unknown, error),
            CallResult::HalfDone(answered, error) => {
                let ids = ids_of(&self.planned, index, answered);
                Outcome { ids, ..failed(OutcomeState::Unknown, error) }
            }
            CallResult::Untouched => Outcome {
                state: OutcomeState::Unsent,
                status: None,
                request_id: None,
                ids: std::collections::BTreeMap::new(),
                message: Some("it was not sent, as another call failed".to_owned()),
            },
            CallResult::DoneBefore => return Ok(()),
        };
        let outcome = match self.planned.plan.calls.get(index) {
            Some(call) => outcome.without_secrets_of(call),
            None => outcome,
        };
        let (journal, now) = (Arc::clone(&self.running.0), self.clock.utc());
        blocking(move || journal.outcome(index, outcome, now)).await
    }
}

impl Engine {
    /// Why journals of writes cannot be read: nobody knows whether their statements stopped half-way. Reads files: call it
    /// where blocking is allowed.
    ///
    /// # Errors
    /// `InvalidArgument` when the state directory cannot be read.
    pub fn unreadable_journals(&self) -> Result<Vec<Error>> {
        Ok(self.stopped_writes()?.unreadable)
    }

    /// Statements that stopped half-way, newest first: each one's id and what is left of it. Those of which nothing is left
    /// but calls that the API refused are not told again: they said so. Nothing where there is no state directory. Reads files: call it where blocking is allowed.
    ///
    /// # Errors
    /// `InvalidArgument` when the state directory cannot be read.
    pub fn unfinished_writes(&self) -> Result<Vec<(String, String)>> {
        Ok(self.stopped_writes()?.items)
    }

    /// Both of one look at the journals: what is left of statements that stopped, and why some cannot be read.
    pub(crate) fn stopped_writes(&self) -> Result<Listing<(String, String)>> {
        let none = || Listing { items: Vec::new(), unreadable: Vec::new() };
        let Some(dir) = self.writes().state_dir() else { return Ok(none()) };
        let Some(state) = StateDirectory::open_existing(dir)? else { return Ok(none()) };
        let listing = unfinished(&state)?;
        let is_open = |record: &&StatementRecord| {
            !record.calls_in(CallState::Unknown).is_empty() || !record.calls_in(CallState::NotStarted).is_empty()
        };
        let open = listing.items.iter().filter(is_open);
        let items = open.map(|record| (record.statement.clone(), left_of(record))).collect();
        Ok(Listing { items, unreadable: listing.unreadable })
    }
}

/// `INSERT of linode.images.images: 3 done, 1 unknown, 2 not started`.
fn left_of(record: &StatementRecord) -> String {
    let count = |state| record.calls_in(state).len();
    let mut said = vec![format!("{} done", count(CallState::Done) + count(CallState::Skipped))];
    for (state, word) in
        [(CallState::Failed, "failed"), (CallState::Unknown, "unknown"), (CallState::NotStarted, "not started")]
    {
        if count(state) > 0 {
            said.push(format!("{} {word}", count(state)));
        }
    }
    format!("{} of {}: {}", record.plan.verb, record.plan.table, said.join(", "))
}

impl Session {
    /// Answers `SHOW JOURNAL`: one row per call, the newest statement first.
    pub(super) async fn journal(&mut self, limit: Option<u64>, report: Report) -> Result<QueryResult> {
        let dir = self.state_path()?;
        let most = usize::try_from(limit.unwrap_or(SHOWN)).unwrap_or(usize::MAX);
        let warned = report.clone();
        let rows = blocking(move || journal_rows(&dir, most, &warned)).await?;
        self.remember(&report);
        QueryResult::table(&COLUMNS, rows, report, self.clock())
    }
}

impl Session {
    /// Answers `FORGET`: the journal of a statement that stopped is closed, as nobody wants the rest. What it tells stays.
    pub(super) async fn forget(&mut self, id: &str, report: Report) -> Result<QueryResult> {
        let now = self.clock().utc();
        let close = move |journal: &Journal, record: &StatementRecord| {
            let left = left_of(record);
            journal.end(now, &format!("forgotten: {left}"))?;
            let kept = "what is not done stays undone, and the journal keeps it";
            Ok(format!("FORGET '{}': {left}; {kept}", record.statement))
        };
        self.with_stopped(id, report, close).await
    }

    /// What [`Session::forget`] would forget.
    pub(super) async fn would_forget(&mut self, id: &str, report: Report) -> Result<QueryResult> {
        let tell = |_: &Journal, record: &StatementRecord| {
            Ok(format!("FORGET '{}' would close: {}", record.statement, left_of(record)))
        };
        self.with_stopped(id, report, tell).await
    }

    /// Says what `told` says of a statement that stopped.
    async fn with_stopped(
        &self,
        id: &str,
        report: Report,
        told: impl FnOnce(&Journal, &StatementRecord) -> Result<String> + Send + 'static,
    ) -> Result<QueryResult> {
        self.check_no_transaction("FORGET")?;
        let (dir, wanted) = (self.state_path()?, id.to_owned());
        let said = blocking(move || {
            let (journal, record) = stopped(&dir, &wanted)?;
            told(&journal, &record)
        });
        let said = said.await?;
        Ok(QueryResult::command(&said, report, self.clock()))
    }
}

/// A statement that stopped half-way, with its journal, which nobody else can go on with meanwhile.
fn stopped(dir: &Path, wanted: &str) -> Result<(Journal, StatementRecord)> {
    let none = || Error::new(ErrorKind::NameNotFound, "nothing was written yet, so there is nothing to forget");
    resume(&StateDirectory::open_existing(dir)?.ok_or_else(none)?, wanted)
}

/// At most so many calls of the journal in a state directory, the newest statement first. A journal that cannot be read
/// is warned of.
///
/// # Errors
/// `InvalidArgument` when the state directory cannot be read.
pub(super) fn journal_rows(dir: &Path, most: usize, report: &Report) -> Result<Vec<Vec<Option<String>>>> {
    let mut rows: Vec<Vec<Option<String>>> = Vec::new();
    let Some(state) = StateDirectory::open_existing(dir)? else { return Ok(rows) };
    for entry in state.journals()? {
        if rows.len() >= most {
            break;
        }
        match read_journal(&entry.path) {
            Ok(record) => rows.extend(record_rows(&record)),
            // Its statement sent nothing.
            Err(error) if error.kind() == ErrorKind::Partial => {}
            Err(error) => report.warn("journal", entry.statement, error.message().to_owned()),
        }
    }
    rows.truncate(most);
    Ok(rows)
}

fn record_rows(record: &StatementRecord) -> Vec<Vec<Option<String>>> {
    let calls = record.calls.iter().zip(&record.plan.calls).enumerate();
    calls
        .map(|(at, (call, planned))| {
            let state = match call.state() {
                CallState::NotStarted => "not started",
                CallState::Unknown => "unknown",
                CallState::Done => "done",
                CallState::Failed => "failed",
                CallState::Skipped => "skipped",
            };
            let outcome = call.outcome.as_ref();
            let ids = outcome.map(|outcome| &outcome.ids).filter(|ids| !ids.is_empty());
            vec![
                Some(time_text(call.finished.or(call.intent).unwrap_or(record.at))),
                Some(record.statement.clone()),
                Some(if record.ended { "yes" } else { "no" }.to_owned()),
                Some(record.plan.verb.clone()),
                Some(record.plan.table.clone()),
                Some((at + 1).to_string()),
                Some(planned.request.clone()),
                Some(state.to_owned()),
                outcome.and_then(|outcome| outcome.status).map(|status| status.to_string()),
                ids.and_then(|ids| serde_json::to_string(ids).ok()),
                outcome.and_then(|outcome| outcome.message.clone()),
            ]
        })
        .collect()
}
