//! What happened while a statement ran, and whether its answer is whole.
//!
//! *Owns*: counters, the verdict of each part, warnings. *Does not own*: how they are shown.
//! *Invariants*: nothing is left out silently: every truncation, failed page, value that did not fit
//! and skipped key is counted here; the worst part's verdict is the statement's.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

mod fields;
mod progress;
mod transfer;

pub use progress::{Awaited, Progress, Waits};
pub use transfer::{Direction, Transfer, TransferCount};

use fields::Fields;
use transfer::Watched;

/// Whether a part of an answer is whole; later variants are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The API said that this was the end, and its own total agrees.
    Complete,
    /// The user's own limit ended it (`LIMIT`, `page = 2`).
    Truncated,
    /// Nothing says whether there is more.
    Unproved,
    /// The total changed, or a key came twice: rows were added or removed during the scan.
    Moved,
    /// A part could not be read.
    Failed,
}

impl Verdict {
    /// The verdict as one lower-case word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Truncated => "truncated",
            Self::Unproved => "unproved",
            Self::Moved => "moved",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One part of a statement's answer: a table, for one set of bound parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `provider.service.resource`.
    pub table: String,
    /// Which part: `page 3`, `image_id = 5`; empty for the whole table.
    pub part: String,
    /// Whether it is whole.
    pub verdict: Verdict,
    /// Why, where the verdict is not `complete`.
    pub reason: String,
}

/// Something the user should know about an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A short word for programs: `misfit`, `unproved`, `moved`, `failed`, `cancelled`, `shadowed`, `not_found`, `absent`,
    /// `unordered`, `unchecked`.
    pub code: &'static str,
    /// What it is about: a table, a column, a page.
    pub subject: String,
    /// What happened, lower case, no full stop.
    pub message: String,
    /// How often; the first occurrence gives the message.
    pub count: u64,
}

/// A finished (or running) statement's report.
#[derive(Debug, Clone, Default)]
pub struct QueryReport {
    /// Rows given to the user.
    pub rows: u64,
    /// Requests sent, retries included.
    pub calls: u64,
    /// Requests sent again after a failure.
    pub retries: u64,
    /// The most requests that were on their way at the same time.
    pub most_at_once: u64,
    /// Bytes of response bodies read, after decompression.
    pub bytes: u64,
    /// Values that did not fit their column and became NULL.
    pub misfits: u64,
    /// Keys for which the API said that there is no such object.
    pub not_found: u64,
    /// Answers that an equal call of the same statement had brought already.
    pub shared: u64,
    /// Answers kept from earlier statements.
    pub cached: u64,
    /// The age of the oldest of them.
    pub cached_age: Option<Duration>,
    /// Time spent waiting because of limits and back-off, summed over calls.
    pub waited: Duration,
    /// Time from the start to the snapshot or the end.
    pub elapsed: Duration,
    /// Time from the start to the first row.
    pub first_row: Option<Duration>,
    /// Parts whose verdict is not `complete`, the first hundred.
    pub parts: Vec<Part>,
    /// Number of parts read, whatever their verdict.
    pub part_count: u64,
    /// Everything the user should know.
    pub warnings: Vec<Warning>,
    /// The file that travels, or that travelled last.
    pub transfer: Option<Transfer>,
    worst: Option<Verdict>,
}

impl QueryReport {
    /// The worst verdict of all parts; `Complete` when there are none.
    pub fn verdict(&self) -> Verdict {
        self.worst.unwrap_or(Verdict::Complete)
    }

    /// One line for people: `5 rows · 1 call · 34 ms`, longer when there is more to say.
    pub fn footer(&self) -> String {
        let mut said = vec![count(self.rows, "row")];
        if self.calls > 0 {
            said.push(count(self.calls, "call"));
        }
        if self.retries > 0 {
            said.push(count_plural(self.retries, "retry", "retries"));
        }
        if self.cached > 0 {
            let age = self.cached_age.unwrap_or_default();
            said.push(format!("{} kept, up to {} old", count(self.cached, "answer"), duration(age)));
        }
        said.push(duration(self.elapsed));
        if self.not_found > 0 {
            said.push(format!("{} not found", self.not_found));
        }
        if self.misfits > 0 {
            said.push(format!("{} did not fit", count(self.misfits, "value")));
        }
        if self.is_cancelled() {
            said.push("CANCELLED".to_owned());
        } else if self.verdict() > Verdict::Truncated {
            said.push(self.verdict().name().to_uppercase());
        }
        if !self.warnings.is_empty() {
            said.push(format!("{} (SHOW WARNINGS)", count(self.warnings.len() as u64, "warning")));
        }
        said.join(" · ")
    }
}

/// `1 row`, `12,345 rows`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    count_plural(n, noun, &format!("{noun}s"))
}

fn count_plural(n: u64, one: &str, many: &str) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {}", if n == 1 { one } else { many })
}

fn duration(d: Duration) -> String {
    let ms = d.as_millis();
    if ms < 1000 {
        format!("{ms} ms")
    } else if ms < 60_000 {
        format!("{:.1} s", d.as_secs_f64())
    } else {
        format!("{} min {} s", ms / 60_000, (ms % 60_000) / 1000)
    }
}

/// The recorder that every room writes to while a statement runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Report(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Tells the statement apart from others of the process.
    statement: u64,
    started: Instant,
    rows: AtomicU64,
    calls: AtomicU64,
    retries: AtomicU64,
    at_once: AtomicU64,
    most_at_once: AtomicU64,
    bytes: AtomicU64,
    misfits: AtomicU64,
    not_found: AtomicU64,
    spared: AtomicU64,
    cached: AtomicU64,
    cached_age_micros: AtomicU64,
    waited_micros: AtomicU64,
    first_row_micros: AtomicU64,
    progress: progress::Counters,
    listed: Mutex<Listed>,
}

#[derive(Debug, Default)]
struct Listed {
    parts: Vec<Part>,
    part_count: u64,
    warnings: Vec<Warning>,
    transfer: Option<Watched>,
    awaited: Option<(Awaited, Instant)>,
    fields: Vec<Fields>,
    worst: Option<Verdict>,
}

/// A request on its way.
#[derive(Debug)]
pub struct UnderWay(Report);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.at_once.fetch_sub(1, Ordering::Relaxed);
    }
}

const PARTS_KEPT: usize = 100;
const WARNINGS_KEPT: usize = 200;

impl Report {
    /// An empty report of a statement that starts at `now`.
    pub fn new(now: Instant) -> Self {
        static STATEMENTS: AtomicU64 = AtomicU64::new(0);
        Self(Arc::new(Shared {
            statement: STATEMENTS.fetch_add(1, Ordering::Relaxed),
            started: now,
            rows: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            at_once: AtomicU64::new(0),
            most_at_once: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            misfits: AtomicU64::new(0),
            not_found: AtomicU64::new(0),
            spared: AtomicU64::new(0),
            cached: AtomicU64::new(0),
            cached_age_micros: AtomicU64::new(0),
            waited_micros: AtomicU64::new(0),
            first_row_micros: AtomicU64::new(0),
            progress: progress::Counters::default(),
            listed: Mutex::new(Listed::default()),
        }))
    }

    /// Tells the statement apart from others that run.
    pub(crate) fn statement(&self) -> u64 {
        self.0.statement
    }

    /// Counts rows given to the user.
    pub fn add_rows(&self, n: u64, now: Instant) {
        if n > 0 && self.0.rows.fetch_add(n, Ordering::Relaxed) == 0 {
            let micros = now.saturating_duration_since(self.0.started).as_micros();
            self.0.first_row_micros.store(u64::try_from(micros).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
        }
    }

    /// Counts one request as it goes out, unless `most` went out already; says whether it may go.
    #[must_use]
    pub(crate) fn add_call_within(&self, most: u64) -> bool {
        let one_more = |calls: u64| (calls < most).then(|| calls + 1);
        self.0.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Counts one request as on its way until what is given is dropped.
    pub fn under_way(&self) -> UnderWay {
        let now = self.0.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.most_at_once.fetch_max(now, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// How many requests went out so far.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Counts one request that is sent again.
    pub fn add_retry(&self) {
        self.0.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of a response body.
    pub fn add_bytes(&self, n: u64) {
        self.0.bytes.fetch_add(n, Ordering::Relaxed);
    }

    /// Tells of a file that begins to travel; what counts its bytes is given.
    pub fn begin_transfer(&self, file: &str, direction: Direction, total: Option<u64>) -> TransferCount {
        let watched = Watched::new(file, direction, total);
        let count = watched.count();
        self.listed().transfer = Some(watched);
        count
    }

    /// The file that travels, or that travelled last.
    pub fn transfer(&self) -> Option<Transfer> {
        self.listed().transfer.as_ref().map(Watched::now)
    }

    /// Counts time spent waiting on a limit or a back-off.
    pub fn add_wait(&self, waited: Duration) {
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.0.waited_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts `n` values of `table.column` that did not fit and became NULL; `example` says one of them.
    pub fn add_misfits(&self, table: &str, column: &str, n: u64, example: &str) {
        self.0.misfits.fetch_add(n, Ordering::Relaxed);
        self.warn_times("misfit", format!("{table}.{column}"), format!("{example}; NULL stands in its place"), n);
    }

    /// Counts a key for which the API has no object.
    pub fn add_not_found(&self) {
        self.0.not_found.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer that an equal call of the same statement had brought already.
    pub fn add_shared(&self) {
        self.0.spared.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer of that age, kept from an earlier statement.
    pub fn add_cached(&self, age: Duration) {
        self.0.cached.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        self.0.cached_age_micros.fetch_max(micros, Ordering::Relaxed);
    }

    /// Records one part's verdict, with a warning where it is worse than `truncated`.
    pub fn add_part(&self, part: Part) {
        if part.verdict > Verdict::Truncated {
            let subject =
                if part.part.is_empty() { part.table.clone() } else { format!("{}: {}", part.table, part.part) };
            self.warn_times(part.verdict.name(), subject, part.reason.clone(), 1);
        }
        let mut listed = self.listed();
        listed.part_count += 1;
        listed.worst = Some(listed.worst.map_or(part.verdict, |worst| worst.max(part.verdict)));
        if part.verdict != Verdict::Complete && listed.parts.len() < PARTS_KEPT {
            listed.parts.push(part);
        }
    }

    /// Records a warning; the same code and subject are counted, not repeated.
    pub fn warn(&self, code: &'static str, subject: impl Into<String>, message: impl Into<String>) {
        self.warn_times(code, subject.into(), message.into(), 1);
    }

    fn warn_times(&self, code: &'static str, subject: String, message: String, times: u64) {
        let mut listed = self.listed();
        // That a statement was given up is no warning among others.
        let keeps = |code: &str| code == progress::CANCELLED;
        if let Some(known) = listed.warnings.iter_mut().find(|w| w.code == code && w.subject == subject) {
            known.count += times;
        } else if listed.warnings.len() < WARNINGS_KEPT || keeps(code) {
            listed.warnings.push(Warning { code, subject, message, count: times });
        } else if let Some(last) = listed.warnings.iter_mut().rfind(|w| !keeps(w.code)) {
            last.code = "more";
            "further warnings".clone_into(&mut last.subject);
            "not listed one by one".clone_into(&mut last.message);
            last.count += times;
        }
    }

    /// What is known now.
    pub fn snapshot(&self, now: Instant) -> QueryReport {
        let shared = &self.0;
        let first = shared.first_row_micros.load(Ordering::Relaxed);
        let cached = shared.cached.load(Ordering::Relaxed);
        let cached_age = Duration::from_micros(shared.cached_age_micros.load(Ordering::Relaxed));
        let listed = self.listed();
        QueryReport {
            rows: shared.rows.load(Ordering::Relaxed),
            calls: shared.calls.load(Ordering::Relaxed),
            retries: shared.retries.load(Ordering::Relaxed),
            most_at_once: shared.most_at_once.load(Ordering::Relaxed),
            bytes: shared.bytes.load(Ordering::Relaxed),
            misfits: shared.misfits.load(Ordering::Relaxed),
            not_found: shared.not_found.load(Ordering::Relaxed),
            shared: shared.spared.load(Ordering::Relaxed),
            cached,
            cached_age: (cached > 0).then_some(cached_age),
            waited: Duration::from_micros(shared.waited_micros.load(Ordering::Relaxed)),
            elapsed: now.saturating_duration_since(shared.started),
            first_row: (first > 0).then(|| Duration::from_micros(first)),
            parts: listed.parts.clone(),
            part_count: listed.part_count,
            warnings: listed.warnings.clone(),
            transfer: listed.transfer.as_ref().map(Watched::now),
            worst: listed.worst,
        }
    }

    fn counters(&self) -> &progress::Counters {
        &self.0.progress
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.0.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    fn part(verdict: Verdict) -> Part {
        Part { table: "a.b.c".into(), part: String::new(), verdict, reason: "because".into() }
    }

    #[test]
    fn worst_part_is_the_statements_verdict() {
        let now = SystemClock.now();
        let report = Report::new(now);
        assert_eq!(report.snapshot(now).verdict(), Verdict::Complete);
        report.add_part(part(Verdict::Unproved));
        report.add_part(part(Verdict::Complete));
        let seen = report.snapshot(now);
        assert_eq!(seen.verdict(), Verdict::Unproved);
        assert_eq!(seen.part_count, 2);
        assert_eq!(seen.warnings.len(), 1);
    }

    #[test]
    fn footer_is_short_when_all_is_well() {
        let report = QueryReport { rows: 5, calls: 1, elapsed: Duration::from_millis(34), ..QueryReport::default() };
        assert_eq!(report.footer(), "5 rows · 1 call · 34 ms");
        let report = QueryReport { rows: 12_345, retries: 1, misfits: 2, worst: Some(Verdict::Moved), ..report };
        assert_eq!(report.footer(), "12,345 rows · 1 call · 1 retry · 34 ms · 2 values did not fit · MOVED");
    }
}
