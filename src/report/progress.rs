//! How far a running statement is: what a progress line says, and what is dropped when it is cancelled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{QueryReport, Report, Transfer, Verdict, count};

/// The code of the warning that a cancelled statement's report has.
pub(super) const CANCELLED: &str = "cancelled";

#[derive(Debug, Default)]
pub(super) struct Counters {
    listings: AtomicU64,
    pages: AtomicU64,
    expected: AtomicU64,
    waiting: AtomicU64,
}

/// How far a statement is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Pages read.
    pub pages: u64,
    /// Pages there are in all, where the API said so and only one list is read.
    pub pages_expected: Option<u64>,
    /// Requests sent whose answer is not there yet.
    pub in_flight: u64,
    /// Requests that wait for a limit, or before they are sent again.
    pub waiting: u64,
    /// The file that travels, or that travelled last.
    pub transfer: Option<Transfer>,
    /// What a write started and waits for.
    pub awaited: Option<Awaited>,
}

/// A write is done, and what it started is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// What is waited for: `image private/15`; of several objects, the one that was asked about last.
    pub object: String,
    /// What the API said of it last; nothing before it was asked.
    pub state: Option<String>,
    /// How long it has been waited for.
    pub waited: Duration,
    /// How many objects are still waited for.
    pub left: usize,
    /// Of how many.
    pub all: usize,
}

/// A request that waits.
#[derive(Debug)]
pub struct Waits(Report);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.counters().waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Report {
    /// Counts a list, or an object, whose pages are about to be read.
    pub fn add_listing(&self) {
        self.counters().listings.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a page that was read.
    pub fn add_page(&self) {
        self.counters().pages.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes how many pages a list has, or how many of them are wanted.
    pub fn expect_pages(&self, pages: u64) {
        self.counters().expected.fetch_max(pages, Ordering::Relaxed);
    }

    /// Counts one request as waiting until what is given is dropped.
    #[must_use]
    pub fn waits(&self) -> Waits {
        self.counters().waiting.fetch_add(1, Ordering::Relaxed);
        Waits(self.clone())
    }

    /// Notes what is waited for `now`.
    pub fn await_object(&self, awaited: Awaited, now: Instant) {
        self.listed().awaited = Some((awaited, now));
    }

    /// Notes that the waiting is over.
    pub fn end_await(&self) {
        self.listed().awaited = None;
    }

    /// How far the statement is.
    pub fn progress(&self, now: Instant) -> Progress {
        let counters = self.counters();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (pages, expected) = (read(&counters.pages), read(&counters.expected));
        // Of several lists, those that were not asked for yet may have any number of pages.
        let known = expected > 0 && read(&counters.listings) == 1;
        Progress {
            pages,
            pages_expected: known.then_some(expected.max(pages)),
            in_flight: read(&self.0.at_once),
            waiting: read(&counters.waiting),
            transfer: self.transfer(),
            awaited: self.listed().awaited.clone().map(|(awaited, noted)| Awaited {
                waited: awaited.waited + now.saturating_duration_since(noted),
                ..awaited
            }),
        }
    }

    /// Notes that the statement is given up, and what goes with it. Call it before the statement is dropped.
    pub fn cancel(&self) {
        let awaited = self.listed().awaited.as_ref().map(|(awaited, _)| awaited.object.clone());
        let dropped = match (awaited, self.0.at_once.load(Ordering::Relaxed)) {
            (Some(object), _) => format!("the write is done, and `{object}` is no longer waited for"),
            (None, 0) => "no call was under way".to_owned(),
            (None, 1) => "1 call under way was dropped".to_owned(),
            (None, more) => format!("{} under way were dropped", count(more, "call")),
        };
        self.warn(CANCELLED, "statement", format!("cancelled before its end: {dropped}"));
        self.listed().worst = Some(Verdict::Failed);
    }
}

impl QueryReport {
    /// Whether the statement was given up before its end.
    pub fn is_cancelled(&self) -> bool {
        self.warnings.iter().any(|warning| warning.code == CANCELLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[test]
    fn progress_counts_what_is_under_way() {
        let report = Report::new(SystemClock.now());
        report.add_listing();
        let first = report.under_way();
        let second = report.under_way();
        let waits = report.waits();
        let now = SystemClock.now();
        assert_eq!(report.progress(now), Progress { in_flight: 2, waiting: 1, ..Progress::default() });
        drop((first, waits));
        report.add_page();
        report.expect_pages(12);
        let seen = report.progress(now);
        assert_eq!((seen.pages, seen.pages_expected, seen.in_flight, seen.waiting), (1, Some(12), 1, 0));
        report.add_listing();
        assert_eq!(report.progress(now).pages_expected, None);
        drop(second);
        assert_eq!(report.progress(now).in_flight, 0);
    }

    #[test]
    fn waiting_goes_on_between_two_questions() {
        let now = SystemClock.now();
        let report = Report::new(now);
        let second = Duration::from_secs(1);
        let awaited = Awaited { object: "image 5".into(), state: None, waited: second, left: 1, all: 1 };
        report.await_object(awaited, now);
        assert_eq!(report.progress(now + second).awaited.unwrap().waited, 2 * second);
        report.cancel();
        let said = &report.snapshot(now).warnings[0].message;
        assert_eq!(said, "cancelled before its end: the write is done, and `image 5` is no longer waited for");
        report.end_await();
        assert_eq!(report.progress(now).awaited, None);
    }

    #[test]
    fn a_cancelled_statement_says_so_however_much_there_was_to_warn_of() {
        let now = SystemClock.now();
        let report = Report::new(now);
        for n in 0..250 {
            report.warn("absent", format!("subject {n}"), "something");
        }
        report.cancel();
        for n in 250..300 {
            report.warn("absent", format!("subject {n}"), "something");
        }
        let seen = report.snapshot(now);
        assert!(seen.is_cancelled());
        assert_eq!(seen.footer(), "0 rows · 0 ms · CANCELLED · 201 warnings (SHOW WARNINGS)");
        assert_eq!(seen.warnings.iter().map(|warning| warning.count).sum::<u64>(), 301);
    }

    #[test]
    fn a_cancelled_statement_says_so() {
        let now = SystemClock.now();
        let report = Report::new(now);
        let _call = report.under_way();
        report.cancel();
        let seen = report.snapshot(now);
        assert!(seen.is_cancelled());
        assert_eq!(seen.verdict(), Verdict::Failed);
        assert_eq!(seen.warnings[0].message, "cancelled before its end: 1 call under way was dropped");
        assert_eq!(seen.footer(), "0 rows · 0 ms · CANCELLED · 1 warning (SHOW WARNINGS)");
    }
}
