//! One line on a terminal that says what is waited for, as long as it is.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::output::{display_width, visible};
use crate::report::{Progress, ProgressListener};

/// Back to the line's beginning, and nothing more in it.
const CLEAR: &str = "\r\u{1b}[K";

/// Shows progress on a terminal of that width.
pub(super) fn listener(to: Box<dyn Write + Send>, width: Option<u16>) -> ProgressListener {
    let (to, width) = (Mutex::new(to), usize::from(width.unwrap_or(80)));
    ProgressListener::new(move |progress| {
        let text = match progress {
            Progress::Waited => CLEAR.to_owned(),
            progress => format!("{CLEAR}{}", cut(&line(progress), width)),
        };
        let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
        let _nowhere_to_say = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    })
}

/// `waiting for image private/15: creating (12 s)`; of several objects, the one that was asked about last.
fn line(progress: &Progress) -> String {
    let Progress::Waiting { object, state, waited, left, all } = progress else { return String::new() };
    let several = if *all > 1 { format!("{left} of {all}, ") } else { String::new() };
    let state = state.as_ref().map(|state| format!(": {state}")).unwrap_or_default();
    visible(&format!("waiting for {several}{object}{state} ({} s)", waited.as_secs())).into_owned()
}

/// What fits into one line: what goes on in the next one could not be taken back.
fn cut(text: &str, width: usize) -> String {
    let mut shown = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += display_width(c.encode_utf8(&mut [0; 4]));
        if used >= width {
            break;
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::report::Report;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn waiting(object: &str, state: Option<&str>, seconds: u64, left: usize, all: usize) -> Progress {
        let (object, state) = (object.to_owned(), state.map(str::to_owned));
        Progress::Waiting { object, state, waited: Duration::from_secs(seconds), left, all }
    }

    #[test]
    fn one_line_is_written_over_and_taken_back() {
        let kept = Kept::default();
        let report = Report::new(crate::clock::Clock::now(&crate::clock::SystemClock));
        report.tell(&Progress::Waited);
        report.listen(listener(Box::new(kept.clone()), Some(40)));
        for progress in [
            waiting("image private/15", None, 0, 1, 1),
            waiting("image private/15", Some("creating"), 12, 2, 3),
            waiting("image \u{1b}[2J", Some("日本日本日本日本"), 5, 1, 1),
            Progress::Waited,
        ] {
            report.tell(&progress);
        }
        let kept = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            kept.split(CLEAR).collect::<Vec<_>>(),
            [
                "",
                "waiting for image private/15 (0 s)",
                "waiting for 2 of 3, image private/15: c",
                "waiting for image \\x1b[2J: 日本日本日本",
                ""
            ]
        );
    }
}
