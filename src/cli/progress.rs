//! How far a file is, on one line of a terminal that is written over.

use std::fmt::Write;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};

use crate::cli::message::Messages;
use crate::cli::requests::size;
use crate::clock::Clock;
use crate::output::display_width;
use crate::report::{Direction, Report, Transfer};

/// How often the line is written.
const TICK: Duration = Duration::from_millis(200);

/// Does the work, and shows how far the file is that it moves. What is short shows nothing.
pub(super) async fn watch<T>(
    messages: &mut Messages,
    report: &Report,
    clock: &dyn Clock,
    work: impl Future<Output = T>,
) -> T {
    let Some(width) = messages.terminal() else { return work.await };
    let mut work = pin!(work);
    let began = clock.now();
    let mut shown = false;
    loop {
        match select(work.as_mut(), clock.sleep(TICK)).await {
            Either::Left((done, _)) => {
                if shown {
                    messages.over("");
                }
                return done;
            }
            Either::Right(_) => {
                if let Some(transfer) = report.transfer() {
                    messages.over(&line(&transfer, clock.now().saturating_duration_since(began), width));
                    shown = true;
                }
            }
        }
    }
}

/// `debian.qcow2 ↓  45% ━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌ 1.2 GB of 2.6 GB, 12.3 MB/s, 1 min 53 s left`, as much of it as fits.
fn line(transfer: &Transfer, elapsed: Duration, width: u16) -> String {
    const BAR: u64 = 20;
    let Transfer { file, direction, bytes, total } = transfer;
    let arrow = match direction {
        Direction::Download => '↓',
        Direction::Upload => '↑',
    };
    let mut line = format!("{file} {arrow} ");
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
    if let Some(rate) = (u128::from(*bytes) * 1000).checked_div(milliseconds).filter(|rate| *rate > 0) {
        let _infallible = write!(line, ", {}/s", size(u64::try_from(rate).unwrap_or(u64::MAX)));
        if let Some(total) = total {
            let _infallible = write!(line, ", {} left", time(u128::from(total - bytes) / rate));
        }
    }
    // The last column makes some terminals begin a new line.
    let most = usize::from(width.saturating_sub(1));
    while display_width(&line) > most {
        line.pop();
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
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::cli::meant::Notes;
    use crate::http::testing::{ManualClock, settle};

    fn download(bytes: u64, total: Option<u64>) -> Transfer {
        Transfer { file: "a.img".into(), direction: Direction::Download, bytes, total }
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let after = |seconds| Duration::from_secs(seconds);
        assert_eq!(
            line(&download(50_000_000, Some(200_000_000)), after(10), 200),
            "a.img ↓  25% ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 50.0 MB of 200.0 MB, 5.0 MB/s, 30 s left"
        );
        let upload = Transfer { direction: Direction::Upload, ..download(0, Some(7)) };
        assert_eq!(line(&upload, after(0), 200), "a.img ↑   0% ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 0 B of 7 B");
        assert_eq!(line(&download(5_000, None), after(1), 200), "a.img ↓ 5.0 kB, 5.0 kB/s");
        // More came than was said: the part is not known.
        assert_eq!(line(&download(9, Some(7)), after(0), 200), "a.img ↓ 9 B");
        assert!(line(&download(u64::MAX, Some(u64::MAX)), after(1), 200).contains("100%"));
        assert_eq!(line(&download(5_000, None), after(1), 10), "a.img ↓ 5");
        for (seconds, said) in [(59, "59 s"), (113, "1 min 53 s"), (7_260, "2 h 1 min")] {
            assert_eq!(time(seconds), said);
        }
    }

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_line_is_shown_on_a_terminal_only_and_taken_away() {
        for (terminal, shows) in [(Some(80), true), (None, false)] {
            let screen = Screen::default();
            let mut messages = Messages::new(Box::new(screen.clone()), false, Notes::Normal);
            if let Some(width) = terminal {
                messages = messages.on_terminal(width);
            }
            let clock = ManualClock::moved_by_sleep();
            let report = Report::new(clock.now());
            let moved = report.clone();
            let work = async move {
                let count = moved.begin_transfer("a\u{1b}.img", Direction::Upload, Some(10));
                count.add(5);
                settle().await;
                7
            };
            assert_eq!(watch(&mut messages, &report, &*clock, work).await, 7);
            let said = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
            assert_eq!((said.contains("a\\x1b.img ↑  50%"), said.ends_with("\r\u{1b}[K")), (shows, shows), "{said:?}");
        }
    }
}
