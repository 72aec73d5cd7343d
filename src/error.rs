//! One error type for the whole crate.
//!
//! *Owns*: what a failure says: its kind, what happened, where, and what to do next.
//! *Does not own*: how it is printed (`cli`) or mapped onto `DataFusion`'s errors (`scan`).
//! *Invariants*: messages are lower case, without a full stop and without a secret; literals
//! stand in backticks; `retryable` is decided where the fact is known.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The SQL text does not parse.
    Syntax,
    /// A provider, service, resource, method, column, setting or file is not known.
    NameNotFound,
    /// No method can be called with the parameters given.
    MissingParameter,
    /// A value cannot be used where it stands.
    InvalidArgument,
    /// A credential is missing or was rejected.
    Auth,
    /// The API asked us to slow down for longer than allowed.
    RateLimited,
    /// The API answered with an error.
    Api,
    /// The API could not be reached, or the connection broke.
    Network,
    /// The answer is not what its media type or schema says.
    Decode,
    /// A provider document cannot be used.
    Provider,
    /// A limit the user set would be passed.
    Budget,
    /// A part of the answer is missing.
    Partial,
    /// SkyQL does not do this.
    Unsupported,
    /// The statement was cancelled.
    Cancelled,
    /// A fault of SkyQL itself.
    Internal,
}

impl ErrorKind {
    /// The kind as a lower-case word, as programs see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::NameNotFound => "name_not_found",
            Self::MissingParameter => "missing_parameter",
            Self::InvalidArgument => "invalid_argument",
            Self::Auth => "auth",
            Self::RateLimited => "rate_limited",
            Self::Api => "api",
            Self::Network => "network",
            Self::Decode => "decode",
            Self::Provider => "provider",
            Self::Budget => "budget",
            Self::Partial => "partial",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

/// A place in SQL text: line and column, both from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
}

impl Position {
    /// The place of a byte of `text`.
    pub fn of_byte(text: &str, byte: usize) -> Self {
        let before = &text[..text.floor_char_boundary(byte)];
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        Self { line: before.matches('\n').count() as u64 + 1, column: before[line..].chars().count() as u64 + 1 }
    }

    /// The byte of `text` at this place; its end for places behind it.
    pub fn byte_in(self, text: &str) -> usize {
        let skipped = usize::try_from(self.line.saturating_sub(1)).unwrap_or(usize::MAX);
        let line = match skipped.checked_sub(1) {
            None => Some(0),
            Some(nth) => text.match_indices('\n').nth(nth).map(|(at, _)| at + 1),
        };
        let Some(line) = line else { return text.len() };
        let column = usize::try_from(self.column.saturating_sub(1)).unwrap_or(usize::MAX);
        let rest = text[line..].split('\n').next().unwrap_or_default();
        line + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    }

    /// A place of a text that begins at `start` of a larger one, as a place of the larger one.
    #[must_use]
    pub fn within(self, start: Self) -> Self {
        let line = start.line + self.line.saturating_sub(1);
        let before = if self.line <= 1 { start.column.saturating_sub(1) } else { 0 };
        Self { line, column: self.column.max(1) + before }
    }
}

/// A failure: what, where, and what to do next.
///
/// Cheap to clone, so that every reader of a shared stream sees the same error.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    position: Option<Position>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    retryable: bool,
}

impl Error {
    /// An error of `kind` that says `message` (lower case, no full stop, no secret).
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            context: Vec::new(),
            hint: None,
            position: None,
            source: None,
            retryable: false,
        }))
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Adds a fact about where it happened, such as `("method", "GET")`.
    #[must_use]
    pub fn with(self, key: &'static str, value: impl Into<String>) -> Self {
        self.edit(|inner| inner.context.push((key, value.into())))
    }

    /// Says what the user can do next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.edit(|inner| inner.hint = Some(hint.into()))
    }

    /// Says where in the SQL text it happened.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        self.edit(|inner| inner.position = Some(position))
    }

    /// The error of a text that begins at `start` of a larger one, with its place in the larger one.
    #[must_use]
    pub fn moved(self, start: Position) -> Self {
        match self.position() {
            Some(position) => self.at(position.within(start)),
            None => self,
        }
    }

    /// The same, and where the text begins for an error that has no place: that much is known.
    #[must_use]
    pub(crate) fn placed(self, start: Position) -> Self {
        if self.position().is_some() { self.moved(start) } else { self.at(start) }
    }

    /// The error without a place: it was one of another text than the reader has.
    #[must_use]
    pub(crate) fn without_place(self) -> Self {
        self.edit(|inner| inner.position = None)
    }

    /// Keeps the underlying error.
    #[must_use]
    pub fn caused_by(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit(|inner| inner.source = Some(Arc::new(source)))
    }

    /// The same error with each of its texts as `change` gives it back, but for `status` and `state`, which are words of
    /// ours. What it was caused by is left out, as that has texts of its own.
    #[must_use]
    pub(crate) fn reworded(self, change: impl Fn(&str) -> String) -> Self {
        self.edit(|inner| {
            inner.message = change(&inner.message);
            inner.hint = inner.hint.as_deref().map(&change);
            for (_, value) in inner.context.iter_mut().filter(|(key, _)| !matches!(*key, "status" | "state")) {
                *value = change(value);
            }
            inner.source = None;
        })
    }

    /// Marks the failure as one that may pass when tried again.
    #[must_use]
    pub fn retryable(self) -> Self {
        self.edit(|inner| inner.retryable = true)
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, in one line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it happened, as key and value pairs in the order they were added.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// The value of one context key.
    pub fn context_value(&self, key: &str) -> Option<&str> {
        self.0.context.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str())
    }

    /// What the user can do next.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the SQL text it happened.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    /// Whether the same call may succeed when tried again.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !self.0.context.is_empty() {
            f.write_str(" (")?;
            for (index, (key, value)) in self.0.context.iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{key}: {value}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        if let Some(hint) = &self.0.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        if let Some(source) = &self.0.source {
            write!(f, "\n  source: {source}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The names nearest to `wanted`, best first, at most three: what an error suggests.
///
/// Case and separators do not count: `getImage` is near `get_image`.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    nearest_of(wanted, &mut names.into_iter())
}

/// One for names from everywhere.
fn nearest_of<'a>(wanted: &str, names: &mut dyn Iterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = fold_name(wanted);
    let mut scored: Vec<(f64, &str)> = names
        .map(|name| {
            let folded = fold_name(name);
            let score = strsim::jaro_winkler(&plain, &folded);
            let inside = plain.len() >= 3 && (folded.contains(&plain) || plain.contains(&folded) && folded.len() >= 3);
            (if inside { score.max(0.85) } else { score }, name)
        })
        .filter(|(score, _)| *score >= 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// "did you mean `a`, `b`?", or nothing when no name is near.
pub fn did_you_mean<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    did_you_mean_one_of(&nearest(wanted, names))
}

fn did_you_mean_one_of(near: &[&str]) -> Option<String> {
    if near.is_empty() {
        return None;
    }
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    Some(format!("did you mean {}?", quoted.join(", ")))
}

/// A name without case and separators, for comparing: `get_image`, `getImage` and `get-image` fold to one.
pub fn fold_name(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What is wrong with the program itself.
pub(crate) fn fault(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, message).hint("this should not happen: please report it, with the statement")
}

/// Whether a secret is long enough to be looked for inside of words.
pub(crate) fn is_telling(secret: &str) -> bool {
    secret.chars().nth(3).is_some()
}

/// A text without a secret, wherever it stands and however it is spelled there; a short one only where it stands by itself:
/// inside a word it is there by chance.
pub(crate) fn without(text: &str, secret: &str, mask: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = find_spelled(rest, secret) {
        let (before, after) = (&rest[..found.start], &rest[found.end..]);
        let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let by_chance = !is_telling(secret)
            && (joins(before.chars().next_back().or_else(|| kept.chars().next_back())) || joins(after.chars().next()));
        kept.push_str(before);
        kept.push_str(if by_chance { &rest[found] } else { mask });
        rest = after;
    }
    kept + rest
}

/// Where a text stands in another one first: as it is, or as URLs (RFC 3986 §2.1), forms, JSON (RFC 8259 §7) and HTML write it;
/// in any case, as hosts and media types lose theirs.
fn find_spelled(text: &str, wanted: &str) -> Option<Range<usize>> {
    let first = wanted.chars().next()?;
    let begins = |at: &usize| {
        let rest = &text[*at..];
        rest.starts_with(|c: char| c.eq_ignore_ascii_case(&first)) || rest.starts_with(['%', '\\', '&', '+'])
    };
    text.char_indices().map(|(at, _)| at).filter(begins).find_map(|at| {
        // Where the text so far may end: `%` may be itself, or begin an escape.
        let mut ends = vec![at];
        for c in wanted.chars() {
            let mut next = Vec::new();
            for end in ends {
                each_spelling(c, &text[end..], |length| next.push(end + length));
            }
            next.sort_unstable();
            next.dedup();
            ends = next;
            if ends.is_empty() {
                return None;
            }
        }
        ends.last().map(|end| at..*end)
    })
}

/// The lengths of the ways in which `text` may begin with `c`.
fn each_spelling(c: char, text: &str, mut found: impl FnMut(usize)) {
    let begins = |spelled: &str| {
        text.get(..spelled.len())
            .is_some_and(|beginning| beginning.eq_ignore_ascii_case(spelled))
            .then_some(spelled.len())
    };
    if text.starts_with(|other: char| other.eq_ignore_ascii_case(&c)) {
        found(c.len_utf8());
    }
    let mut buffer = [0; 4];
    match text.as_bytes().first() {
        Some(b'%') => {
            let bytes = c.encode_utf8(&mut buffer).bytes();
            begins(&joined(bytes, |byte, out| write!(out, "%{byte:02X}"))).into_iter().for_each(found);
        }
        Some(b'+') if c == ' ' => found(1),
        Some(b'\\') => {
            let short = match c {
                '\n' => 'n',
                '\r' => 'r',
                '\t' => 't',
                '\u{8}' => 'b',
                '\u{c}' => 'f',
                other => other,
            };
            if text[1..].starts_with(short) && !c.is_alphanumeric() {
                found(1 + short.len_utf8());
            }
            let mut buffer = [0; 2];
            let units = c.encode_utf16(&mut buffer).iter();
            begins(&joined(units, |unit, out| write!(out, "\\u{unit:04x}"))).into_iter().for_each(found);
        }
        Some(b'&') => {
            let named: &[&str] = match c {
                '&' => &["&amp;"],
                '<' => &["&lt;"],
                '>' => &["&gt;"],
                '"' => &["&quot;", "&#34;", "&#x22;"],
                '\'' => &["&#39;", "&#x27;", "&apos;"],
                _ => &[],
            };
            named.iter().filter_map(|spelled| begins(spelled)).for_each(found);
        }
        _ => {}
    }
}

fn joined<T>(parts: impl Iterator<Item = T>, write: impl Fn(T, &mut String) -> fmt::Result) -> String {
    parts.fold(String::new(), |mut text, part| {
        // Writing into a text does not fail.
        let _ = write(part, &mut text);
        text
    })
}

/// What somebody else says, as a message may repeat it: one line, without control characters, HTML escapes undone, of
/// bounded length, without a closing full stop.
pub(crate) fn tidy(text: &str) -> String {
    let text = text
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    line.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_however_it_is_spelled() {
        let secret = "p /&+é\"\\%2Fz";
        for spelled in [
            secret,
            "p%20%2F%26%2B%C3%A9%22%5C%252Fz",
            "p%20%2f%26%2b%c3%a9%22%5c%252Fz",
            "p+%2F%26%2B%C3%A9%22%5C%252Fz",
            "p /&+é\\\"\\\\%2Fz",
            "p \\/\\u0026+\\u00E9\\u0022\\\\%2Fz",
            "p /&amp;+é&quot;\\%2Fz",
        ] {
            assert_eq!(without(&format!("a {spelled}, and {spelled}b"), secret, "*"), "a *, and *b", "{spelled}");
        }
        assert_eq!(without("http://hush-7.example", "Hush-7", "*"), "http://*.example");
        assert_eq!(without("ab, abc and ab", "ab", "*"), "*, abc and *", "a short one is in every other word");
        for other in ["p /&+é\"\\/z", "p /&+e", "", "%", "p%20%2F%"] {
            assert_eq!(without(other, secret, "*"), other);
        }
        assert_eq!(without("a", "", "*"), "a");
        assert_eq!(without("𝄞\\ud834\\udd1e", "𝄞", "*"), "**");
    }

    #[test]
    fn display_shows_message_and_context_but_not_hint() {
        let error = Error::new(ErrorKind::Api, "the API answered 500").with("method", "GET").hint("try again later");
        assert_eq!(error.to_string(), "the API answered 500 (method: GET)");
        assert_eq!(error.hint_text(), Some("try again later"));
    }

    #[test]
    fn places_are_bytes_and_bytes_are_places() {
        let text = "aé\r\n\nxy";
        for (byte, line, column) in [(0, 1, 1), (1, 1, 2), (3, 1, 3), (5, 2, 1), (6, 3, 1), (7, 3, 2), (8, 3, 3)] {
            let place = Position { line, column };
            assert_eq!(Position::of_byte(text, byte), place);
            assert_eq!(place.byte_in(text), byte);
        }
        assert_eq!(Position { line: 9, column: 1 }.byte_in(text), text.len());
        assert_eq!(
            Position { line: 1, column: 4 }.within(Position { line: 3, column: 5 }),
            Position { line: 3, column: 8 }
        );
        assert_eq!(
            Position { line: 2, column: 4 }.within(Position { line: 3, column: 5 }),
            Position { line: 4, column: 4 }
        );
    }

    #[test]
    fn nearest_ignores_case_and_separators() {
        assert_eq!(nearest("getimage", ["get_image", "list_images", "boot"]).first(), Some(&"get_image"));
        assert_eq!(nearest("lable", ["label", "vendor"]), ["label"]);
        assert!(nearest("zzz", ["label"]).is_empty());
    }
}
