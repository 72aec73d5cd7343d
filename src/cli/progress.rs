//! How far a running statement is, on one line of a terminal that is written over.

use std::fmt::Write;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::unconstrained;

use crate::cli::ask::Asking;
use crate::cli::requests::size;
use crate::cli::screen::Screen;
use crate::clock::{Clock, SystemClock};
use crate::engine::Watch;
use crate::output::visible;
use crate::report::{Awaited, Direction, Progress, QueryReport, Transfer, count};

/// Statements that are faster need no line.
const FIRST: Duration = Duration::from_millis(500);

/// How often the line is written.
const TICK: Duration = Duration::from_millis(200);

/// Runs statements to their end, and shows how far the one is that runs.
pub(super) async fn shown<T>(running: impl Future<Output = T>, watch: &Watch, asking: &Asking, screen: &Screen) -> T {
    let mut running = std::pin::pin!(running);
    let mut seen = None;
    loop {
        tokio::select! {
            biased;
            ended = &mut running => return ended,
            // Also while a query that only computes takes all that a task may take at a time.
            () = unconstrained(SystemClock.sleep(TICK)) => {
                if let (Some(progress), Some(report)) = (watch.progress(), watch.report())
                    && report.elapsed >= FIRST
                    && !asking.is_on()
                {
                    screen.progress(&line(&progress, &report, &mut seen, SystemClock.now()));
                }
            }
        }
    }
}

/// When a transfer was first seen, and how far it was.
type Seen = Option<(Instant, Transfer)>;

/// What is waited for, else the file that travels, else rows and calls.
fn line(progress: &Progress, report: &QueryReport, seen: &mut Seen, now: Instant) -> String {
    if let Some(awaited) = &progress.awaited {
        return waiting(awaited);
    }
    let Some(transfer) = progress.transfer.as_ref().filter(|transfer| !is_over(transfer)) else {
        return reading(progress, report);
    };
    let is_same = |(_, first): &(Instant, Transfer)| {
        first.file == transfer.file && first.direction == transfer.direction && first.bytes <= transfer.bytes
    };
    let (began, first) = match seen.take().filter(is_same) {
        Some(known) => seen.insert(known),
        None => seen.insert((now, transfer.clone())),
    };
    travelling(transfer, transfer.bytes - first.bytes, now.saturating_duration_since(*began))
}

fn is_over(transfer: &Transfer) -> bool {
    transfer.total.is_some_and(|total| transfer.bytes >= total)
}

/// `3 of 12 pages · 1,500 rows · 4 calls · 2 waiting · 1.2 s`
fn reading(progress: &Progress, report: &QueryReport) -> String {
    let mut said = Vec::new();
    match progress.pages_expected {
        Some(expected) => said.push(format!("{} of {}", progress.pages, count(expected, "page"))),
        None if progress.pages > 0 => said.push(count(progress.pages, "page")),
        None => {}
    }
    said.push(count(report.rows, "row"));
    said.push(count(report.calls, "call"));
    if progress.waiting > 0 {
        said.push(format!("{} waiting", progress.waiting));
    }
    said.push(format!("{}.{} s", report.elapsed.as_secs(), report.elapsed.subsec_millis() / 100));
    said.push("Ctrl-C cancels".to_owned());
    said.join(" · ")
}

/// `waiting for image private/15: creating (12 s)`; of several objects, the one that was asked about last.
fn waiting(awaited: &Awaited) -> String {
    let Awaited { object, state, waited, left, all } = awaited;
    let several = if *all > 1 { format!("{left} of {all}, ") } else { String::new() };
    let state = state.as_ref().map(|state| format!(": {state}")).unwrap_or_default();
    visible(&format!("waiting for {several}{object}{state} ({} s)", waited.as_secs())).into_owned()
}

/// `debian.qcow2 ↓  45% ━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌ 1.2 GB of 2.6 GB, 12.3 MB/s, 1 min 53 s left`; `moved` bytes took `elapsed`.
fn travelling(transfer: &Transfer, moved: u64, elapsed: Duration) -> String {
    const BAR: u64 = 20;
    let Transfer { file, direction, bytes, total } = transfer;
    let arrow = match direction {
        Direction::Download => '↓',
        Direction::Upload => '↑',
    };
    let mut line = format!("{} {arrow} ", visible(file));
    let total = total.filter(|total| *total > 0 && *total >= *bytes);
    if let Some(total) = total {
        let part = |of: u64| u64::try_from(u128::from(of) * u128::from(*bytes) / u128::from(total)).unwrap_or(of);
        let full = part(BAR);
        let _infallible = write!(line, "{:>3}% ", part(100));
        line.extend((0..BAR).map(|at| if at < full { '━' } else { '╌' }));
        let _infallible = write!(line, " {} of {}", size(*bytes), size(total));
    } else {
        let _infallible = write!(line, "{}", size(*bytes));
    }
    let milliseconds = elapsed.as_millis();
    if let Some(rate) = (u128::from(moved) * 1000).checked_div(milliseconds).filter(|rate| *rate > 0) {
        let _infallible = write!(line, ", {}/s", size(u64::try_from(rate).unwrap_or(u64::MAX)));
        if let Some(total) = total {
            let _infallible = write!(line, ", {} left", time(u128::from(total - bytes) / rate));
        }
    }
    line
}

fn time(seconds: u128) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    fn download(bytes: u64, total: Option<u64>) -> Transfer {
        Transfer { file: "a.img".into(), direction: Direction::Download, bytes, total }
    }

    fn awaited(object: &str, state: Option<&str>, seconds: u64, left: usize, all: usize) -> Awaited {
        let (object, state) = (object.to_owned(), state.map(str::to_owned));
        Awaited { object, state, waited: Duration::from_secs(seconds), left, all }
    }

    #[test]
    fn a_query_says_what_is_known_of_it() {
        let now = SystemClock.now();
        let report = |rows: u64, calls: u64| {
            let report = Report::new(now);
            report.add_rows(rows, now);
            for _ in 0..calls {
                assert!(report.add_call_within(u64::MAX));
            }
            report.snapshot(now + Duration::from_millis(1_234))
        };
        let progress = Report::new(now).progress(now);
        let cases = [
            (
                Progress { pages: 3, pages_expected: Some(12), in_flight: 4, waiting: 2, ..progress.clone() },
                report(1_500, 7),
                "3 of 12 pages · 1,500 rows · 7 calls · 2 waiting · 1.2 s · Ctrl-C cancels",
            ),
            (
                Progress { pages: 1, ..progress.clone() },
                report(1, 1),
                "1 page · 1 row · 1 call · 1.2 s · Ctrl-C cancels",
            ),
            (progress, report(0, 1), "0 rows · 1 call · 1.2 s · Ctrl-C cancels"),
        ];
        for (progress, report, said) in cases {
            assert_eq!(line(&progress, &report, &mut None, now), said);
        }
    }

    #[test]
    fn a_write_says_what_it_waits_for() {
        let cases = [
            (awaited("image private/15", None, 0, 1, 1), "waiting for image private/15 (0 s)"),
            (
                awaited("image private/15", Some("creating"), 12, 2, 3),
                "waiting for 2 of 3, image private/15: creating (12 s)",
            ),
            (awaited("image \u{1b}[2J", Some("日本"), 5, 1, 1), "waiting for image \\x1b[2J: 日本 (5 s)"),
        ];
        let now = SystemClock.now();
        for (awaited, said) in cases {
            let progress =
                Progress { awaited: Some(awaited), transfer: Some(download(1, None)), ..Progress::default() };
            assert_eq!(line(&progress, &QueryReport::default(), &mut None, now), said);
        }
    }

    #[test]
    fn a_file_says_how_far_how_fast_and_how_long() {
        let after = |seconds| Duration::from_secs(seconds);
        let all_of = |transfer: &Transfer, elapsed| travelling(transfer, transfer.bytes, elapsed);
        assert_eq!(
            all_of(&download(50_000_000, Some(200_000_000)), after(10)),
            "a.img ↓  25% ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 50.0 MB of 200.0 MB, 5.0 MB/s, 30 s left"
        );
        let upload = Transfer { direction: Direction::Upload, file: "a\u{1b}.img".into(), ..download(0, Some(7)) };
        assert_eq!(all_of(&upload, after(0)), "a\\x1b.img ↑   0% ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 0 B of 7 B");
        assert_eq!(all_of(&download(5_000, None), after(1)), "a.img ↓ 5.0 kB, 5.0 kB/s");
        // More came than was said: the part is not known.
        assert_eq!(all_of(&download(9, Some(7)), after(0)), "a.img ↓ 9 B");
        assert!(all_of(&download(u64::MAX, Some(u64::MAX)), after(1)).contains("100%"));
        for (seconds, said) in [(59, "59 s"), (113, "1 min 53 s"), (7_260, "2 h 1 min")] {
            assert_eq!(time(seconds), said);
        }
    }

    #[test]
    fn speed_counts_from_where_a_file_was_first_seen() {
        let (now, mut seen) = (SystemClock.now(), None);
        let mut said = |bytes, seconds| {
            let transfer = Some(download(bytes, Some(10_000)));
            let progress = Progress { transfer, ..Progress::default() };
            line(&progress, &QueryReport::default(), &mut seen, now + Duration::from_secs(seconds))
        };
        assert!(said(4_000, 0).ends_with("4.0 kB of 10.0 kB"));
        assert!(said(6_000, 2).ends_with("6.0 kB of 10.0 kB, 1.0 kB/s, 4 s left"));
        // Sent again from the beginning.
        assert!(said(1_000, 3).ends_with("1.0 kB of 10.0 kB"));
        // It is there, and the statement goes on.
        assert!(said(10_000, 4).starts_with("0 rows"));
    }
}
