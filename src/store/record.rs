//! Journals read back: what a statement did, which ones stopped half-way, and how to go on.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::append::AppendFile;
use super::directory::{JournalEntry, Listing, StateDirectory, plan_of_statement};
use super::file::{damaged, private, read_error, write_error};
use super::journal::{CallState, Journal, Line, Outcome};
use super::json;
use super::lock::{hold_soon, try_hold};
use super::name::find;
use super::plan::{WritePlan, id_of_value};
use super::saved::{FORMAT, newer_format};
use crate::error::{Error, ErrorKind, Result};

/// An `end` line fits into this much of a file's end, unless its summary is uncommonly long.
const LAST_BYTES: u64 = 4096;

/// A statement, as its journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementRecord {
    /// The statement's id.
    pub statement: String,
    /// Its plan, with secrets hidden.
    pub plan: WritePlan,
    /// When it began.
    pub at: SystemTime,
    /// Its calls, in the plan's order.
    pub calls: Vec<CallRecord>,
    /// Whether it came to its end, so that nothing is left to be done.
    pub ended: bool,
    /// What its end said.
    pub summary: Option<String>,
    /// How many bytes of a last line were ignored because its writing was cut short.
    pub torn: u64,
    /// The file.
    pub path: PathBuf,
}

/// One call of a statement, as the journal tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallRecord {
    /// When it was first announced.
    pub first_intent: Option<SystemTime>,
    /// When it was last announced.
    pub intent: Option<SystemTime>,
    /// What became of it since.
    pub outcome: Option<Outcome>,
    /// When that was known.
    pub finished: Option<SystemTime>,
}

impl StatementRecord {
    /// The calls in a state, counted from 0.
    pub fn calls_in(&self, state: CallState) -> Vec<usize> {
        self.calls.iter().enumerate().filter(|(_, call)| call.state() == state).map(|(index, _)| index).collect()
    }
}

impl CallRecord {
    /// Where the call stands.
    pub fn state(&self) -> CallState {
        match (&self.outcome, self.intent) {
            (Some(outcome), _) => outcome.state.into(),
            (None, Some(_)) => CallState::Unknown,
            (None, None) => CallState::NotStarted,
        }
    }
}

/// Reads a journal; a last line that a power cut tore is ignored, and counted in [`StatementRecord::torn`].
///
/// # Errors
/// `InvalidArgument` when the file cannot be read; `Decode`, naming file and line, when it is damaged; `Partial` when
/// not even its first line is whole: its statement sent nothing.
pub fn read_journal(path: &Path) -> Result<StatementRecord> {
    let bytes = std::fs::read(path).map_err(|error| read_error(path, &error))?;
    parse(path, &bytes)?.map(|(record, _)| record).ok_or_else(|| never_began(path))
}

/// The statements that stopped half-way: they did not end, and no living process runs them. Newest first.
///
/// # Errors
/// `InvalidArgument` when the directory cannot be read or locked; a single file's failure is in the listing.
pub fn unfinished(state: &StateDirectory) -> Result<Listing<StatementRecord>> {
    let entries = state.journals()?;
    let mut listing = Listing { items: Vec::new(), unreadable: Vec::new() };
    if entries.is_empty() {
        return Ok(listing);
    }
    let _gate = state.enter_gate()?;
    for entry in entries {
        match read_if_stopped(&entry) {
            Ok(Some(record)) => listing.items.push(record),
            Ok(None) => {}
            Err(error) => listing.unreadable.push(error),
        }
    }
    Ok(listing)
}

/// Takes a statement over that stopped half-way: its journal, open and locked, and what it tells.
///
/// `statement` is its id or the beginning of it, at least four characters.
///
/// # Errors
/// `NameNotFound`, with near ones, when there is none; `InvalidArgument` when another process runs it, when it has
/// ended, when more than one begins so, or when the file cannot be opened; `Decode` and `Partial` as [`read_journal`].
pub fn resume(state: &StateDirectory, statement: &str) -> Result<(Journal, StatementRecord)> {
    let entries = state.journals()?;
    let names: Vec<String> = entries.iter().map(|entry| entry.statement.clone()).collect();
    let name = find("statement", statement, &names)?;
    let refused = |why: &str| Error::new(ErrorKind::InvalidArgument, format!("the statement `{name}` {why}"));
    let entry = entries.iter().find(|entry| entry.statement == name).ok_or_else(|| refused("is gone"))?;
    let (file, bytes) = {
        let _gate = state.enter_gate()?;
        let opened = private().read(true).write(true).open(&entry.path);
        let mut file = opened.map_err(|error| write_error(&entry.path, &error))?;
        if !hold_soon(&file, &entry.path)? {
            return Err(refused("is being run by another process").hint("wait for that process, or stop it"));
        }
        let bytes = read_whole(&mut file, &entry.path)?;
        (file, bytes)
    };
    let (record, whole) = parse(&entry.path, &bytes)?.ok_or_else(|| never_began(&entry.path))?;
    if record.ended {
        return Err(refused("has ended").hint("there is nothing left of it to do"));
    }
    // What comes next must not be glued to the rest of a torn line.
    file.set_len(whole).map_err(|error| write_error(&entry.path, &error))?;
    let journal = Journal::reopened(&record, AppendFile::new(entry.path.clone(), file, whole));
    Ok((journal, record))
}

impl StateDirectory {
    /// What the journal of a statement tells, whoever holds it. `statement` is its id or the beginning of it.
    ///
    /// # Errors
    /// `NameNotFound`, with near ones, when there is none; as [`read_journal`].
    pub fn load_statement(&self, statement: &str) -> Result<StatementRecord> {
        let entries = self.journals()?;
        let names: Vec<String> = entries.iter().map(|entry| entry.statement.clone()).collect();
        let name = find("statement", statement, &names)?;
        let entry = entries.iter().find(|entry| entry.statement == name);
        read_journal(&entry.ok_or_else(|| never_began(Path::new(&name)))?.path)
    }
}

/// The record of a journal that nobody holds and that has not ended; the caller is inside the gate.
fn read_if_stopped(entry: &JournalEntry) -> Result<Option<StatementRecord>> {
    let opened = private().read(true).write(true).open(&entry.path);
    let mut file = opened.map_err(|error| read_error(&entry.path, &error))?;
    if !try_hold(&file, &entry.path)? || ends_with_end(&mut file).map_err(|error| read_error(&entry.path, &error))? {
        return Ok(None);
    }
    let bytes = read_whole(&mut file, &entry.path)?;
    // Without a whole first line nothing was sent, and there is nothing to go on with.
    let record = parse(&entry.path, &bytes)?.map(|(record, _)| record);
    Ok(record.filter(|record| !record.ended))
}

/// Whether the last line, when it is near enough, is the end: most journals are told by this alone.
fn ends_with_end(file: &mut File) -> std::io::Result<bool> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let Some(whole) = bytes.strip_suffix(b"\n") else { return Ok(false) };
    let last = whole.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(matches!(serde_json::from_slice::<Line<IgnoredAny>>(last), Ok(Line::End { .. })))
}

fn read_whole(file: &mut File, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes));
    read.map_err(|error| read_error(path, &error))?;
    Ok(bytes)
}

/// The record, and how many bytes its whole lines have; nothing when not even the first line is whole.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Option<(StatementRecord, u64)>> {
    // A line counts when its last byte, the line feed, was written: only then did its writer go on.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let mut record: Option<StatementRecord> = None;
    for (index, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let wrong = |reason: &str| damaged(path, format!("line {}: {reason}", index + 1));
        let line: Line<Value> = json::from_text(line).map_err(|error| wrong(&error.to_string()))?;
        match &mut record {
            None => record = Some(begun(path, line, (bytes.len() - whole) as u64)?),
            Some(record) if record.ended => return Err(wrong("something comes after the end")),
            Some(record) => add(record, line).map_err(wrong)?,
        }
    }
    Ok(record.map(|record| (record, whole as u64)))
}

fn begun(path: &Path, line: Line<Value>, torn: u64) -> Result<StatementRecord> {
    let Line::Begin { format, statement, at, plan } = line else {
        return Err(damaged(path, "line 1: it is not the beginning of a statement"));
    };
    if format != FORMAT {
        return Err(newer_format(format).with("file", path.display().to_string()));
    }
    if id_of_value(&plan).ok().as_deref() != plan_of_statement(&statement) {
        return Err(damaged(path, "line 1: the plan does not have the id that the statement says"));
    }
    let plan: WritePlan = serde_json::from_value(plan).map_err(|error| damaged(path, format!("line 1: {error}")))?;
    let calls = vec![CallRecord::default(); plan.calls.len()];
    Ok(StatementRecord { statement, plan, at, calls, ended: false, summary: None, torn, path: path.to_owned() })
}

fn add(record: &mut StatementRecord, line: Line<Value>) -> Result<(), &'static str> {
    const NO_SUCH_CALL: &str = "the plan has no such call";
    match line {
        Line::Begin { .. } => return Err("a statement begins a second time"),
        Line::Intent { call, at } => {
            let record = record.calls.get_mut(call).ok_or(NO_SUCH_CALL)?;
            let first_intent = record.first_intent.or(Some(at));
            *record = CallRecord { first_intent, intent: Some(at), outcome: None, finished: None };
        }
        Line::Outcome { call, at, outcome } => {
            let record = record.calls.get_mut(call).ok_or(NO_SUCH_CALL)?;
            (record.outcome, record.finished) = (Some(outcome), Some(at));
        }
        Line::End { summary, .. } => {
            record.ended = true;
            record.summary = Some(summary);
        }
    }
    Ok(())
}

fn never_began(path: &Path) -> Error {
    Error::new(ErrorKind::Partial, "the statement stopped before it began: nothing was sent")
        .with("file", path.display().to_string())
}
