//! `--verbose`: a line on stderr for each request, `GET https://… 200 1.2 kB 34 ms`.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::output::visible;

/// Shows requests from now on.
pub(super) fn show(color: bool, to: impl std::io::Write + Clone + Send + Sync + 'static) {
    let lines = fmt::layer()
        .with_ansi(color)
        .with_writer(move || to.clone())
        .event_format(RequestLine)
        .with_filter(Targets::new().with_target("skyql::http", LevelFilter::DEBUG));
    // It fails where a subscriber is set already, as in a test that calls in twice: that one stays.
    let _stays = tracing_subscriber::registry().with(lines).try_init();
}

struct RequestLine;

impl<S, N> FormatEvent<S, N> for RequestLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let line = said.line();
        if writer.has_ansi_escapes() {
            writeln!(writer, "\u{1b}[2m{line}\u{1b}[0m")
        } else {
            writeln!(writer, "{line}")
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    method: String,
    url: String,
    status: Option<u64>,
    bytes: Option<u64>,
    milliseconds: Option<u64>,
    attempt: Option<u64>,
    note: String,
}

impl Said {
    fn line(&self) -> String {
        let mut line = format!("{} {}", self.method, self.url).trim().to_owned();
        if let Some(status) = self.status {
            let _infallible = write!(line, " {status}");
        }
        if let Some(bytes) = self.bytes {
            let _infallible = write!(line, " {}", size(bytes));
        }
        if let Some(milliseconds) = self.milliseconds {
            let _infallible = write!(line, " {milliseconds} ms");
        }
        if let Some(attempt) = self.attempt.filter(|attempt| *attempt > 1) {
            let _infallible = write!(line, " attempt {attempt}");
        }
        if !self.note.is_empty() {
            let _infallible = write!(line, " {}", self.note);
        }
        visible(line.trim_start()).into_owned()
    }

    fn text(&mut self, name: &str, value: String) {
        match name {
            "method" => self.method = value,
            "url" => self.url = value,
            "note" | "message" => self.note = value,
            _ => {}
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "status" => self.status = Some(value),
            "bytes" => self.bytes = Some(value),
            "milliseconds" => self.milliseconds = Some(value),
            "attempt" => self.attempt = Some(value),
            _ => {}
        }
    }
}

/// `987 B`, `1.2 kB`, `34.5 MB`: powers of a thousand, as SI has them.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes / 100;
    for unit in ["kB", "MB", "GB"] {
        if tenths < 10_000 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        tenths /= 1_000;
    }
    format!("{}.{} TB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_line_per_request() {
        let kept = Kept::default();
        let to = kept.clone();
        let lines = fmt::layer().with_ansi(false).with_writer(move || to.clone()).event_format(RequestLine);
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            let url = "https://api.example.com/v4/images?page=2";
            tracing::info!(target: "skyql::http", method = %"GET", url = %url, status = Some(200_u16), bytes = Some(1_234_u64), milliseconds = 34_u64, attempt = 1_u32, note = "");
            tracing::info!(target: "skyql::http", method = %"GET", url = %"http://a/\u{1b}[2J", status = None::<u16>, milliseconds = 5_u64, attempt = 2_u32, note = "connection refused");
        });
        let kept = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = kept.lines().collect();
        assert_eq!(
            lines,
            [
                "GET https://api.example.com/v4/images?page=2 200 1.2 kB 34 ms",
                "GET http://a/\\x1b[2J 5 ms attempt 2 connection refused"
            ]
        );
    }

    #[test]
    fn sizes_have_three_digits_or_so() {
        for (bytes, said) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_250, "1.2 kB"),
            (999_999, "999.9 kB"),
            (34_500_000, "34.5 MB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}
