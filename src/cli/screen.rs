//! The terminal, shared by rows, messages and the progress line: nobody writes into what another shows.
//!
//! *Owns*: where rows go (terminal, pager, file), erasing the progress line, waiting for the pager.
//! *Does not own*: how rows look, what is said.
//! *Invariants*: rows are held back only until they fill the screen or end; what is said comes after the rows that came
//! before it, and after the pager.

use std::io::{Error as IoError, ErrorKind as IoErrorKind, Result as IoResult, Write};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use terminal_size::{Height, Width, terminal_size};

use crate::cli::outfile::{self, Outfile};
use crate::cli::pager::Pager;
use crate::error::Result;
use crate::output::display_width;

/// A terminal that does not tell its size, as some in containers.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// Lines of a screen that rows leave free: the footer and the prompt.
const LINES_LEFT: usize = 3;

/// The terminal, as everybody who writes to it holds it.
#[derive(Clone)]
pub(super) struct Screen(Arc<Mutex<State>>);

struct State {
    rows: RowsTo,
    /// The command that shows long output, if one is to.
    pager: Option<Pager>,
    paging: Option<Child>,
    /// Rows that may still fit the screen.
    held: Vec<u8>,
    lines: usize,
    progress: ProgressLine,
    progress_shown: bool,
    /// What was said while the pager had the screen.
    late: Vec<u8>,
    /// Whether the pager was left before it had all rows.
    left: bool,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProgressLine {
    /// Not at all: there is no terminal, or nobody wants it.
    Off,
    Plain,
    Dimmed,
}

enum RowsTo {
    /// Stdout, which is a terminal.
    Terminal,
    /// Stdout, which is none, or a file named for the whole run.
    Stream(Box<dyn Write + Send>),
    /// A file that `\o` named.
    File(NamedFile, Box<RowsTo>),
}

/// A file that has its name once all is in it.
struct NamedFile {
    to: Box<dyn Write + Send>,
    outfile: Option<Outfile>,
}

/// Where rows are written.
pub(super) struct RowsWriter(Screen);

/// Where messages are written.
#[derive(Clone)]
pub(super) struct MessageWriter(Screen);

/// Where notes on single requests are written, which may come at any time.
#[derive(Clone)]
pub(super) struct RequestWriter(Screen);

/// Columns and lines of the terminal.
pub(super) fn size() -> (u16, u16) {
    match terminal_size() {
        Some((Width(columns), Height(lines))) if columns > 0 && lines > 0 => (columns, lines),
        _ => USUAL_SIZE,
    }
}

impl Screen {
    /// A screen whose rows go to `stream`, or to the terminal that stdout is.
    pub(super) fn new(stream: Option<Box<dyn Write + Send>>, progress: ProgressLine) -> Self {
        let rows = stream.map_or(RowsTo::Terminal, RowsTo::Stream);
        Self(Arc::new(Mutex::new(State {
            rows,
            pager: None,
            paging: None,
            held: Vec::new(),
            lines: 0,
            progress,
            progress_shown: false,
            late: Vec::new(),
            left: false,
        })))
    }

    pub(super) fn rows(&self) -> RowsWriter {
        RowsWriter(self.clone())
    }

    pub(super) fn messages(&self) -> MessageWriter {
        MessageWriter(self.clone())
    }

    pub(super) fn requests(&self) -> RequestWriter {
        RequestWriter(self.clone())
    }

    pub(super) fn set_pager(&self, pager: Option<Pager>) {
        self.state().pager = pager;
    }

    /// Whether rows are shown on the terminal.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self.state().rows, RowsTo::Terminal)
    }

    /// Writes rows to a file from now on, or to where they went before. The file before has its name now.
    ///
    /// # Errors
    /// As [`outfile::open`] and [`Outfile::keep`].
    pub(super) fn write_to(&self, file: Option<&Path>) -> Result<()> {
        let opened = file.map(outfile::open).transpose()?;
        let mut state = self.state();
        let before = match std::mem::replace(&mut state.rows, RowsTo::Terminal) {
            RowsTo::File(before, below) => {
                state.rows = *below;
                Some(before)
            }
            rows => {
                state.rows = rows;
                None
            }
        };
        if let Some((to, outfile)) = opened {
            let below = std::mem::replace(&mut state.rows, RowsTo::Terminal);
            state.rows = RowsTo::File(NamedFile { to, outfile }, Box::new(below));
        }
        drop(state);
        before.map_or(Ok(()), NamedFile::keep)
    }

    /// Whether the pager has the terminal.
    pub(super) fn is_paging(&self) -> bool {
        self.state().paging.is_some()
    }

    /// Shows how far a statement is, in place of what was shown before.
    pub(super) fn progress(&self, line: &str) {
        let mut state = self.state();
        if state.paging.is_some() {
            return;
        }
        let (on, off) = match state.progress {
            ProgressLine::Off => return,
            ProgressLine::Plain => ("", ""),
            ProgressLine::Dimmed => ("\u{1b}[2m", "\u{1b}[0m"),
        };
        let (columns, _) = size();
        let line = cut(line, usize::from(columns).saturating_sub(1));
        let _lost = write!(std::io::stderr(), "\r\u{1b}[2K{on}{line}{off}");
        let _lost = std::io::stderr().flush();
        state.progress_shown = true;
    }

    /// Shows what is held back, ends the pager's input and waits for it; forgets what a statement left. Says whether
    /// the pager was left before it had all rows.
    pub(super) fn finish(&self) -> bool {
        let mut state = self.state();
        let _lost = state.end_rows();
        std::mem::take(&mut state.left)
    }

    /// Drops rows that are not shown yet.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.held.clear();
        let _lost = state.end_rows();
        state.left = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The start of a line that is no wider than `width`.
fn cut(line: &str, width: usize) -> String {
    let mut shown = String::new();
    for c in line.chars() {
        shown.push(c);
        if display_width(&shown) > width {
            shown.pop();
            break;
        }
    }
    shown
}

impl State {
    fn erase_progress(&mut self) {
        if std::mem::take(&mut self.progress_shown) {
            let _lost = std::io::stderr().write_all(b"\r\x1b[2K");
            let _lost = std::io::stderr().flush();
        }
    }

    fn take_rows(&mut self, bytes: &[u8]) -> IoResult<()> {
        match &mut self.rows {
            RowsTo::Stream(to) => {
                // It may be the same terminal all the same: `skyql | cat`.
                let shown = std::mem::take(&mut self.progress_shown);
                if shown {
                    std::io::stderr().write_all(b"\r\x1b[2K")?;
                }
                return to.write_all(bytes);
            }
            RowsTo::File(file, _) => return file.to.write_all(bytes),
            RowsTo::Terminal => {}
        }
        if let Some(child) = &mut self.paging {
            return to_pager(child, bytes, &mut self.left);
        }
        if self.pager.is_none() {
            self.erase_progress();
            return std::io::stdout().write_all(bytes);
        }
        self.held.extend_from_slice(bytes);
        let (columns, lines) = size();
        self.lines += lines_of(bytes, usize::from(columns));
        if self.lines + LINES_LEFT > usize::from(lines) {
            self.page()?;
        }
        Ok(())
    }

    /// Hands what is held to the pager; without one that works, to the terminal.
    fn page(&mut self) -> IoResult<()> {
        self.erase_progress();
        let held = std::mem::take(&mut self.held);
        match self.pager.as_ref().and_then(|pager| pager.start().ok()) {
            Some(mut child) => {
                let written = to_pager(&mut child, &held, &mut self.left);
                self.paging = Some(child);
                written
            }
            None => {
                self.pager = None;
                std::io::stdout().write_all(&held)
            }
        }
    }

    fn flush_rows(&mut self) -> IoResult<()> {
        match &mut self.rows {
            RowsTo::Stream(to) => to.flush(),
            RowsTo::File(file, _) => file.to.flush(),
            RowsTo::Terminal => match &mut self.paging {
                Some(child) => to_pager(child, &[], &mut self.left),
                None => std::io::stdout().flush(),
            },
        }
    }

    /// All rows of a statement are there, as far as they come.
    fn end_rows(&mut self) -> IoResult<()> {
        self.erase_progress();
        let held = std::mem::take(&mut self.held);
        self.lines = 0;
        if let Some(mut child) = self.paging.take() {
            // Closes its input: now it knows the end.
            drop(child.stdin.take());
            let _status = child.wait();
            let late = std::mem::take(&mut self.late);
            std::io::stderr().write_all(&late)?;
            return Ok(());
        }
        if !held.is_empty() {
            std::io::stdout().write_all(&held)?;
            std::io::stdout().flush()?;
        }
        Ok(())
    }
}

impl NamedFile {
    fn keep(mut self) -> Result<()> {
        self.to.flush().map_err(|error| {
            crate::error::Error::new(crate::error::ErrorKind::Internal, "the rows cannot be written to their file")
                .with("reason", error.to_string())
                .caused_by(error)
        })?;
        self.outfile.map_or(Ok(()), Outfile::keep)
    }
}

fn to_pager(child: &mut Child, bytes: &[u8], left: &mut bool) -> IoResult<()> {
    let Some(input) = child.stdin.as_mut() else { return Err(IoError::from(IoErrorKind::BrokenPipe)) };
    let written = input.write_all(bytes).and_then(|()| input.flush());
    if written.as_ref().is_err_and(|error| error.kind() == IoErrorKind::BrokenPipe) {
        *left = true;
    }
    written
}

/// Lines that text takes on a terminal, where long ones wrap.
fn lines_of(bytes: &[u8], columns: usize) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let breaks = text.matches('\n').count();
    let wrapped: usize =
        text.lines().map(|line| plain_width(line).saturating_sub(1).checked_div(columns).unwrap_or(0)).sum();
    breaks + wrapped
}

/// The width of a line without its colours.
fn plain_width(line: &str) -> usize {
    let mut width = 0;
    for (at, part) in line.split("\u{1b}[").enumerate() {
        let text = if at == 0 { part } else { part.split_once('m').map_or("", |(_, text)| text) };
        width += display_width(text);
    }
    width
}

impl Write for RowsWriter {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.0.state().take_rows(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        self.0.state().flush_rows()
    }
}

impl Write for MessageWriter {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let mut state = self.0.state();
        let _lost = state.end_rows();
        std::io::stderr().write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        std::io::stderr().flush()
    }
}

impl Write for RequestWriter {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let mut state = self.0.state();
        if state.paging.is_some() {
            state.late.extend_from_slice(bytes);
        } else {
            state.erase_progress();
            std::io::stderr().write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        std::io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_a_terminal_wraps_them() {
        for (text, columns, lines) in [
            ("a\nb\n", 80, 2),
            ("aaaaaaaaaa\n", 10, 1),
            ("aaaaaaaaaaa\n", 10, 2),
            ("日本日本日本\n", 10, 2),
            ("\u{1b}[1maaaaaaaaaa\u{1b}[0m\n", 10, 1),
            ("", 80, 0),
        ] {
            assert_eq!(lines_of(text.as_bytes(), columns), lines, "{text:?}");
        }
    }

    #[test]
    fn a_progress_line_is_no_wider_than_the_terminal() {
        assert_eq!(cut("3 of 12 pages", 6), "3 of 1");
        assert_eq!(cut("日本語", 5), "日本");
        assert_eq!(cut("short", 80), "short");
    }

    #[test]
    fn rows_go_to_a_file_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        let screen = Screen::new(Some(Box::new(std::io::sink())), ProgressLine::Off);
        assert!(screen.write_to(Some(&dir.path().join("no/such"))).is_err());
        screen.write_to(Some(&first)).unwrap();
        screen.rows().write_all(b"one\n").unwrap();
        screen.write_to(Some(&second)).unwrap();
        screen.rows().write_all(b"two\n").unwrap();
        screen.write_to(None).unwrap();
        screen.rows().write_all(b"three\n").unwrap();
        assert!(screen.write_to(Some(dir.path())).is_err());
        assert_eq!(std::fs::read_to_string(first).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(second).unwrap(), "two\n");
    }
}
