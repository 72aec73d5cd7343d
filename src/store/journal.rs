//! The journal of one statement: what will be done, what is about to be done, what came of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::append::AppendFile;
use super::digest::sha256_hex;
use super::directory::{JOURNAL_SUFFIX, StateDirectory};
use super::file::{private, sync_directory, write_error};
use super::json;
use super::lock::try_hold;
use super::plan::WritePlan;
use super::record::StatementRecord;
use super::saved::{FORMAT, exact_text};
use super::secret::check_concealed;
use super::time::{text, time_stamp};
use crate::error::{Error, ErrorKind, Result};

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeState {
    /// It was done.
    Done,
    /// It was not done.
    Failed,
    /// It was sent, and nothing says whether it was done.
    Unknown,
    /// It was not sent, and need not be.
    Skipped,
    /// It was announced, and not sent after all.
    Unsent,
}

/// What became of a call, and what its answer said; without a secret: see [`Outcome::without_secrets_of`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What became of it.
    pub state: OutcomeState,
    /// The answer's HTTP status.
    pub status: Option<u16>,
    /// The API's id of the request.
    pub request_id: Option<String>,
    /// Ids of what was made.
    pub ids: BTreeMap<String, Value>,
    /// What went wrong.
    pub message: Option<String>,
}

/// Where a call of a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallState {
    /// It was not sent.
    NotStarted,
    /// It may have been sent, and nothing says whether it was done.
    Unknown,
    /// It was done.
    Done,
    /// It was not done.
    Failed,
    /// It was not sent, and need not be.
    Skipped,
}

impl From<OutcomeState> for CallState {
    fn from(state: OutcomeState) -> Self {
        match state {
            OutcomeState::Done => Self::Done,
            OutcomeState::Failed => Self::Failed,
            OutcomeState::Unknown => Self::Unknown,
            OutcomeState::Skipped => Self::Skipped,
            OutcomeState::Unsent => Self::NotStarted,
        }
    }
}

/// One line of a journal.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Line<P> {
    Begin {
        format: u32,
        statement: String,
        #[serde(with = "text")]
        at: SystemTime,
        plan: P,
    },
    Intent {
        call: usize,
        #[serde(with = "text")]
        at: SystemTime,
    },
    Outcome {
        call: usize,
        #[serde(with = "text")]
        at: SystemTime,
        #[serde(flatten)]
        outcome: Outcome,
    },
    End {
        #[serde(with = "text")]
        at: SystemTime,
        summary: String,
    },
}

/// The journal of a statement that runs, locked until it is dropped.
///
/// Calls go by their place in the plan, from 0. All functions may be called from several threads at once, and return
/// when their line is on the disk.
#[derive(Debug)]
pub struct Journal {
    statement: String,
    file: AppendFile,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    calls: Vec<CallState>,
    /// Calls that this process has announced, and whose outcome it has not given.
    under_way: Vec<bool>,
    ended: bool,
}

impl Journal {
    /// Begins the journal of a statement with its whole plan; when this returns, the plan is on the disk.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the file, when it cannot be written: then no call may go out. `Internal` when a secret
    /// of the plan is not hidden.
    pub fn begin(state: &StateDirectory, plan: &WritePlan, now: SystemTime) -> Result<Self> {
        check_concealed(plan)?;
        let (statement, path, file) = create(state, &plan.id(), now).map_err(|error| after(NO_CALL, &error))?;
        let begun = || {
            let line = Line::Begin { format: FORMAT, statement: statement.clone(), at: now, plan };
            let plan_of = |line| if let Line::Begin { plan, .. } = line { Some(plan) } else { None };
            let text = exact_text(&line, plan, plan_of)?;
            let file = AppendFile::new(path.clone(), file, 0);
            file.append(&text)?;
            sync_directory(&state.journals_path())?;
            Ok(file)
        };
        match begun() {
            Ok(file) => {
                let calls = vec![CallState::NotStarted; plan.calls.len()];
                Ok(Self { statement, file, progress: Mutex::new(Progress::new(calls)) })
            }
            Err(error) => {
                let _ = std::fs::remove_file(&path);
                Err(after(NO_CALL, &error))
            }
        }
    }

    /// Goes on with the journal of a statement that stopped.
    pub(super) fn reopened(record: &StatementRecord, file: AppendFile) -> Self {
        let calls = record.calls.iter().map(super::record::CallRecord::state).collect();
        Self { statement: record.statement.clone(), file, progress: Mutex::new(Progress::new(calls)) }
    }

    /// The statement's id.
    pub fn statement(&self) -> &str {
        &self.statement
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Announces a call: it may go out when this has returned, and not before.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the file, when it cannot be written: then the call may not go out. `Internal` for a
    /// call that is not in the plan, is done, or is under way.
    pub fn intent(&self, call: usize, now: SystemTime) -> Result<()> {
        let before = {
            let mut progress = self.progress();
            let state = progress.state(call)?;
            if state == CallState::Done || progress.under_way[call] {
                let message = format!("call {call} was about to be sent twice");
                return Err(Error::new(ErrorKind::Internal, message).with("statement", self.statement.clone()));
            }
            progress.under_way[call] = true;
            progress.calls[call] = CallState::Unknown;
            state
        };
        self.append(&Line::Intent { call, at: now }, "the call does not go out").inspect_err(|_| {
            let mut progress = self.progress();
            progress.under_way[call] = false;
            progress.calls[call] = before;
        })
    }

    /// Notes what became of a call.
    ///
    /// A call may fail or be skipped without having been announced; it is done or unknown only after it was.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the file, when it cannot be written: then the call counts as unknown, and no further
    /// call should go out. `Internal` for a call that is not in the plan, is done, or was not announced.
    pub fn outcome(&self, call: usize, outcome: Outcome, now: SystemTime) -> Result<()> {
        let after_call = CallState::from(outcome.state);
        {
            let mut progress = self.progress();
            let state = progress.state(call)?;
            let announced = state == CallState::Unknown;
            let possible = announced || matches!(after_call, CallState::Failed | CallState::Skipped);
            if state == CallState::Done || !possible {
                let message = format!("call {call} cannot have this outcome: it is done, or was not announced");
                return Err(Error::new(ErrorKind::Internal, message).with("statement", self.statement.clone()));
            }
            progress.under_way[call] = false;
        }
        self.append(&Line::Outcome { call, at: now, outcome }, "no further call should go out")?;
        self.progress().calls[call] = after_call;
        Ok(())
    }

    /// Ends the journal: nothing is left to be done, or nobody wants it done.
    ///
    /// A statement that stops half-way and may be resumed is not ended.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the file, when it cannot be written. `Internal` when it has ended.
    pub fn end(&self, now: SystemTime, summary: &str) -> Result<()> {
        {
            let mut progress = self.progress();
            progress.check_open()?;
            progress.ended = true;
        }
        self.append(&Line::End { at: now, summary: summary.to_owned() }, "the statement counts as unfinished")
            .inspect_err(|_| self.progress().ended = false)
    }

    fn append(&self, line: &Line<()>, consequence: &str) -> Result<()> {
        let text = json::to_text(line).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()));
        text.and_then(|text| self.file.append(&text)).map_err(|error| after(consequence, &error))
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn new(calls: Vec<CallState>) -> Self {
        Self { under_way: vec![false; calls.len()], calls, ended: false }
    }

    fn check_open(&self) -> Result<()> {
        let error = || Error::new(ErrorKind::Internal, "the journal has ended");
        if self.ended { Err(error()) } else { Ok(()) }
    }

    fn state(&self, call: usize) -> Result<CallState> {
        self.check_open()?;
        let unknown = || Error::new(ErrorKind::Internal, format!("the plan has no call {call}"));
        self.calls.get(call).copied().ok_or_else(unknown)
    }
}

const NO_CALL: &str = "no call goes out";

/// The error, with what follows from it in front.
fn after(consequence: &str, error: &Error) -> Error {
    let start = Error::new(error.kind(), format!("{consequence}: {}", error.message()));
    let with_context = error.context().iter().fold(start, |made, (key, value)| made.with(key, value.clone()));
    match error.hint_text() {
        Some(hint) => with_context.hint(hint),
        None => with_context,
    }
}

/// A new, empty, locked file, and the statement's id.
fn create(state: &StateDirectory, plan: &str, now: SystemTime) -> Result<(String, PathBuf, File)> {
    let _gate = state.enter_gate()?;
    let mut attempt = 0_u64;
    loop {
        // Four digits that differ between processes, and between statements of one millisecond.
        let mut tail = sha256_hex(format!("{plan} {} {attempt} {now:?}", std::process::id()).as_bytes());
        tail.truncate(4);
        let statement = format!("{}-{plan}-{tail}", time_stamp(now));
        let path = state.journals_path().join(format!("{statement}{JOURNAL_SUFFIX}"));
        match private().read(true).write(true).create_new(true).open(&path) {
            Ok(file) if try_hold(&file, &path)? => return Ok((statement, path, file)),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(write_error(&path, &error)),
        }
        attempt += 1;
    }
}
