//! What is said beside the data: errors with their place in the SQL, warnings, footers, notes.

use std::fmt::Write as _;
use std::io::Write;

use crate::cli::meant::Notes;
use crate::cli::stop::Stop;
use crate::engine::{Engine, PendingWrite};
use crate::error::{Error, ErrorKind, Position};
use crate::output::{display_width, visible};
use crate::report::{QueryReport, Warning};

/// After this many warnings of one statement, only their number is given.
const WARNINGS_SHOWN: usize = 5;

/// Of a longer line, only the surroundings of the place are shown; in characters.
const LINE_SHOWN: usize = 100;

/// Where messages go. A message that cannot be written is lost: there is nowhere left to say so.
pub(super) struct Messages {
    to: Box<dyn Write + Send>,
    color: bool,
    notes: Notes,
}

/// The text in which an error's position counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// What the text is called: a file, `-c`, `stdin`.
    pub(super) name: &'a str,
    /// The whole text.
    pub(super) text: &'a str,
    /// Where in it the statement begins.
    pub(super) start: Position,
}

impl<'a> Place<'a> {
    /// A place in a text that is one statement, or that could not be split into statements.
    pub(super) fn whole(name: &'a str, text: &'a str) -> Self {
        Self { name, text, start: Position { line: 1, column: 1 } }
    }

    /// A statement's position as one of the whole text.
    fn absolute(&self, position: Position) -> Position {
        position.within(self.start)
    }
}

impl Messages {
    pub(super) fn new(to: Box<dyn Write + Send>, color: bool, notes: Notes) -> Self {
        Self { to, color, notes }
    }

    pub(super) fn error(&mut self, error: &Error, place: Option<Place<'_>>) {
        let text = error_text(error, place, self.color);
        self.put(&text);
    }

    /// The warnings of a statement, in every mode: an answer that is not whole must say so.
    pub(super) fn warnings<'w>(&mut self, warnings: impl IntoIterator<Item = &'w Warning>) {
        let text = warnings_text(warnings, self.color);
        self.put(&text);
    }

    /// The line below a statement's rows.
    pub(super) fn footer(&mut self, report: &QueryReport) {
        let footer = format!("({})", visible(&report.footer()));
        self.note(&footer);
    }

    /// Something that is nice to know; not said in quiet mode.
    pub(super) fn note(&mut self, text: &str) {
        if self.notes != Notes::Quiet {
            let line = format!("{}\n", styled(&visible(text), DIM, self.color));
            self.put(&line);
        }
    }

    /// Says which writes stopped half-way, so that nobody takes them for done.
    pub(super) fn unfinished(&mut self, engine: &Engine) {
        const SHOWN: usize = 3;
        let found = match engine.stopped_writes() {
            Ok(found) => found,
            Err(error) => return self.error(&error, None),
        };
        for (id, left) in found.items.iter().take(SHOWN) {
            self.note(&format!("unfinished: {left}; `RESUME '{id}'` goes on, `FORGET '{id}'` leaves it so"));
        }
        for error in found.unreadable.iter().take(SHOWN) {
            self.note(&format!("a journal cannot be read: {error}"));
        }
        if found.items.len() > SHOWN {
            self.note(&format!("and {} more: `SHOW JOURNAL`", found.items.len() - SHOWN));
        }
    }

    /// Says that Ctrl-C ended the program, and what that leaves undone.
    pub(super) fn interrupted(&mut self, stop: Stop, engine: &Engine) {
        self.error(&Error::new(ErrorKind::Cancelled, format!("cancelled by {}", stop.name())), None);
        self.unfinished(engine);
    }

    /// Shows a write about which the user is asked, in every mode.
    pub(super) fn ask(&mut self, write: &PendingWrite) {
        const SHOWN: usize = 10;
        let mut text = format!("{}\n", visible(&write.summary()));
        for line in write.lines(SHOWN) {
            let _infallible = writeln!(text, "  {}", visible(&line));
        }
        self.put(&text);
    }

    /// Shows a call that was sent and not answered, and about which the user is asked.
    pub(super) fn ask_what_became(&mut self, call: usize, request: &str) {
        let text = format!("call {} was sent and not answered: {}\n", call + 1, visible(request));
        self.put(&text);
    }

    /// Leaves the line on which the terminal echoed `^C`.
    pub(super) fn new_line(&mut self) {
        self.put("\n");
    }

    fn put(&mut self, text: &str) {
        let _nowhere_to_say = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
    }
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const CYAN: &str = "1;36";
const BLUE: &str = "1;34";
const DIM: &str = "2";

fn styled(text: &str, style: &str, color: bool) -> String {
    if color { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn error_text(error: &Error, place: Option<Place<'_>>, color: bool) -> String {
    let mut said = format!("{}: {}\n", styled("error", RED, color), indented(error.message()));
    for (key, value) in error.context() {
        let _infallible = writeln!(said, "  {key}: {}", indented(value));
    }
    if let (Some(place), Some(position)) = (place, error.position()) {
        put_place(place, position, color, &mut said);
    }
    if let Some(hint) = error.hint_text() {
        let _infallible = writeln!(said, "\n{}: {}", styled("hint", CYAN, color), indented(hint));
    }
    said
}

/// A text of several lines stands to the right of its label.
fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(visible).collect();
    lines.join("\n    ")
}

fn put_place(place: Place<'_>, position: Position, color: bool, said: &mut String) {
    let Position { line, column } = place.absolute(position);
    let _infallible = writeln!(said, "{} {}:{line}:{column}", styled("  -->", BLUE, color), visible(place.name));
    let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let Some(text) = place.text.lines().nth(index) else { return };
    let column = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let (text, before) = excerpt(text, column);
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let bar = styled("|", BLUE, color);
    let caret = styled("^", RED, color);
    let _infallible = write!(
        said,
        " {margin} {bar}\n {} {bar} {text}\n {margin} {bar} {}{caret}\n",
        styled(&number, BLUE, color),
        " ".repeat(before)
    );
}

/// The part of a line around a column, and how wide what stands before the column is.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let length = line.chars().count();
    // The end of a statement is the place after its last character.
    let column = column.min(length);
    let (from, to) = if length <= LINE_SHOWN {
        (0, length)
    } else {
        (column.saturating_sub(LINE_SHOWN / 2), column + LINE_SHOWN / 2)
    };
    let part = |from: usize, to: usize| {
        let part: String = line.chars().skip(from).take(to.saturating_sub(from)).collect();
        visible(&part.replace('\t', "    ")).into_owned()
    };
    let open = if from > 0 { "… " } else { "" };
    let close = if to < length { " …" } else { "" };
    let before = format!("{open}{}", part(from, column));
    let width = display_width(&before);
    (format!("{before}{}{close}", part(column, to)), width)
}

fn warnings_text<'w>(warnings: impl IntoIterator<Item = &'w Warning>, color: bool) -> String {
    let label = styled("warning", YELLOW, color);
    let mut said = String::new();
    let mut more = 0;
    for (index, warning) in warnings.into_iter().enumerate() {
        if index >= WARNINGS_SHOWN {
            more += 1;
            continue;
        }
        let subject =
            if warning.subject.is_empty() { String::new() } else { format!("{}: ", visible(&warning.subject)) };
        let times = if warning.count > 1 { format!(" ({} times)", warning.count) } else { String::new() };
        let _infallible = writeln!(said, "{label}: {subject}{}{times}", indented(&warning.message));
    }
    if more > 0 {
        let _infallible = writeln!(said, "{label}: {more} more; `SHOW WARNINGS` lists them all");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn at(line: u64, column: u64) -> Position {
        Position { line, column }
    }

    #[test]
    fn an_error_shows_what_where_and_what_next() {
        let error = Error::new(ErrorKind::NameNotFound, "there is no resource `image`")
            .with("service", "linode.images")
            .at(at(1, 10))
            .hint("did you mean `images`?");
        let text = "SELECT 1;\n-- more\n  SELECT\n\tlabel FROM linode.images.image";
        let place = Place { name: "a.sql", text, start: at(4, 8) };
        assert_eq!(
            error_text(&error, Some(place), false),
            "error: there is no resource `image`\n  service: linode.images\n  --> a.sql:4:17\n   |\n 4 |     label FROM linode.images.image\n   |                    ^\n\nhint: did you mean `images`?\n"
        );
        assert_eq!(error_text(&Error::new(ErrorKind::Api, "no"), Some(place), false), "error: no\n");
        assert_eq!(
            error_text(&error, None, true).lines().next(),
            Some("\u{1b}[1;31merror\u{1b}[0m: there is no resource `image`")
        );
    }

    #[test]
    fn positions_count_from_the_statement() {
        let place = Place { name: "f", text: "", start: at(3, 5) };
        assert_eq!(place.absolute(at(1, 1)), at(3, 5));
        assert_eq!(place.absolute(at(1, 4)), at(3, 8));
        assert_eq!(place.absolute(at(2, 4)), at(4, 4));
        assert_eq!(Place::whole("f", "").absolute(at(7, 9)), at(7, 9));
    }

    #[test]
    fn the_caret_stands_below_its_character() {
        let long = format!("SELECT {} FROM x", "a, ".repeat(200));
        for (line, column) in [
            ("SELECT x", 7),
            ("SELECT '日本' x", 12),
            ("\tSELECT x", 8),
            ("x", 0),
            ("x", 40),
            (long.as_str(), 300),
            ("", 0),
        ] {
            let (shown, before) = excerpt(line, column);
            assert!(display_width(&shown) <= LINE_SHOWN + 4, "{shown}");
            let mut width = 0;
            let below = shown.chars().find(|c| {
                let found = width == before;
                width += display_width(&c.to_string());
                found
            });
            assert_eq!(below, line.chars().nth(column), "{line:?} at {column}");
        }
    }

    #[test]
    fn a_position_past_the_text_still_has_its_numbers() {
        let error = Error::new(ErrorKind::Syntax, "the statement ends too early").at(at(9, 9));
        assert_eq!(
            error_text(&error, Some(Place::whole("-c", "SELECT")), false),
            "error: the statement ends too early\n  --> -c:9:9\n"
        );
    }

    #[test]
    fn text_of_an_api_does_not_act_on_the_terminal() {
        let evil = "\u{1b}[2J\u{202e}";
        let error = Error::new(ErrorKind::Api, format!("first {evil}\nsecond")).with("reason", evil).hint(evil);
        let warning = Warning { code: "misfit", subject: evil.into(), message: evil.into(), count: 1 };
        for said in [error_text(&error, Some(Place::whole(evil, evil)), false), warnings_text([&warning], false)] {
            assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
        }
        assert!(error_text(&error, None, false).starts_with("error: first \\x1b[2J\\u{202e}\n    second\n"));
    }

    #[test]
    fn only_the_first_warnings_are_spelt_out() {
        let warning = |n: u64| Warning {
            code: "misfit",
            subject: format!("t.c{n}"),
            message: "it does not fit".into(),
            count: n,
        };
        let all: Vec<Warning> = (1..=8).map(warning).collect();
        let said = warnings_text(&all, false);
        let said: Vec<&str> = said.lines().collect();
        assert_eq!(said.len(), 6);
        assert_eq!(said[..2], ["warning: t.c1: it does not fit", "warning: t.c2: it does not fit (2 times)"]);
        assert_eq!(said[5], "warning: 3 more; `SHOW WARNINGS` lists them all");
    }
}
