//! A pull reader over the bytes of one JSON answer, or over the part of it that has arrived.
//!
//! Our own rather than serde's, because most of an answer is skipped and a skipped value must cost as little as a
//! search for its end. What is skipped is still checked in full against RFC 8259's grammar: structure, strings with
//! their escapes, numbers, literals, UTF-8. Not checked there: that `\u` escapes pair up, and that numbers fit a type.

use std::fmt;

use crate::error::{Error, ErrorKind, Position, Result};

use super::text::{plain_run_end, shorten};

/// How deep a value may nest, as in `serde_json`; deeper answers are refused.
const MAX_DEPTH: u32 = 127;

/// How much of an answer that is not JSON is kept for its error, in characters: more than any credential has that an API may
/// repeat there.
const BEGINNING: usize = 4096;

/// How much of it is shown.
const BEGINNING_ROOM: usize = 40;

/// The source of the error of an answer that is not JSON, and nothing else that is known.
#[derive(Clone, PartialEq, Eq)]
pub struct NotJson {
    /// Longer than it is shown: what must not be shown is taken out of it first.
    beginning: String,
}

impl NotJson {
    /// What it begins with; `conceal` takes out of that what must not be shown.
    pub fn hint(&self, conceal: impl Fn(&str) -> String) -> String {
        format!("it begins with `{}`", shorten(&conceal(&self.beginning), BEGINNING_ROOM))
    }
}

impl fmt::Debug for NotJson {
    /// Without the beginning.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotJson").finish_non_exhaustive()
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not JSON")
    }
}

impl std::error::Error for NotJson {}

/// Where a [`Reader`] stands, to come back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Mark(pub(super) usize);

/// The inside of a JSON string, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted<'a> {
    /// Between the quotes.
    pub(super) inner: &'a str,
    /// Whether there is an escape in it.
    pub(super) escaped: bool,
}

/// One JSON value, read but not interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// There is no value.
    Absent,
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number as it was written.
    Number(&'a str),
    /// A string.
    Text(Quoted<'a>),
    /// An object or array as it was written.
    Nested {
        /// From the first bracket to the last.
        raw: &'a str,
        /// Whether there may be whitespace between its tokens.
        spaced: bool,
    },
    /// A value, as it was written, where an object was needed to find the wanted one in.
    NotAnObject(&'a str),
}

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The bytes at hand end here, and more are to come.
    Starved,
    /// It is not what it should be.
    Refused(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// What was read, or why it was not.
pub(super) type Read<T> = Result<T, Stop>;

/// Reads JSON from a slice.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Whether more is to come behind the text.
    more: bool,
    /// Where in the answer the text begins.
    origin: Position,
    /// Set whenever whitespace is passed.
    spaced: bool,
}

impl<'a> Reader<'a> {
    /// A reader of a text that begins at `origin` of an answer, where `at` is the first byte that was not read yet.
    pub(super) fn new(text: &'a str, at: Mark, origin: Position, more: bool) -> Self {
        Self { text, bytes: text.as_bytes(), at: at.0, more, origin, spaced: false }
    }

    /// Goes to the start of an answer, and refuses early, and in plainer words, what is not JSON at all.
    ///
    /// A byte order mark is passed over, as RFC 8259 §8.1 allows.
    pub(super) fn begin(&mut self) -> Read<()> {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        let first = self.peek();
        if matches!(first, Some(b'{' | b'[')) {
            return Ok(());
        }
        // A lone value, perhaps: whether it is one shows at its end.
        if self.more && matches!(first, None | Some(b'"' | b'-' | b'0'..=b'9' | b'n' | b't' | b'f')) {
            return Err(Stop::Starved);
        }
        let start = self.mark();
        if first.is_some() && self.skip().and_then(|()| self.end()).is_ok() {
            self.rewind(start);
            return Ok(());
        }
        let rest = self.text.get(start.0..).unwrap_or_default();
        let head = rest.get(..).map(|rest| rest.chars().take(200).collect::<String>().to_ascii_lowercase());
        let head = head.unwrap_or_default();
        let error = Error::new(ErrorKind::Decode, "the answer is not JSON");
        let error = if first.is_none() {
            Error::new(ErrorKind::Decode, "the answer is empty, not JSON")
        } else if head.starts_with("<!doctype html") || head.contains("<html") {
            error.hint("it is an HTML page: check the address, and that nothing stands in front of the API")
        } else if head.starts_with('<') {
            error.hint("it is XML")
        } else {
            error.caused_by(NotJson { beginning: rest.chars().take(BEGINNING).collect() })
        };
        Err(error.into())
    }

    /// The next byte that is not whitespace, which is where the reader then stands.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.pass_whitespace(),
        }
    }

    fn pass_whitespace(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.spaced = true;
            self.at += 1;
        }
        None
    }

    /// Where the reader stands; after [`Self::peek`], the start of a value.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.at)
    }

    /// Goes back to `mark`.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.at = mark.0;
    }

    /// The text between `mark` and where the reader stands.
    pub(super) fn since(&self, mark: Mark) -> &'a str {
        self.text.get(mark.0..self.at).unwrap_or_default()
    }

    /// How many bytes are left.
    pub(super) fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Passes over the opening bracket that [`Self::peek`] found.
    #[inline]
    pub(super) fn open(&mut self) {
        self.at += 1;
    }

    /// Whether another member follows; then the reader stands at its key. `first` begins as `true`.
    #[inline]
    pub(super) fn next_member(&mut self, first: &mut bool) -> Read<bool> {
        let was_first = std::mem::replace(first, false);
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(false);
            }
            Some(b'"') if was_first => return Ok(true),
            Some(b',') if !was_first => self.at += 1,
            _ => {
                return Err(self.unexpected(if was_first { "a key or `}`" } else { "`,` or `}`" }, "an object"));
            }
        }
        match self.peek() {
            Some(b'"') => Ok(true),
            _ => Err(self.unexpected("a key", "an object")),
        }
    }

    /// Whether another element follows; then the reader stands before it. `first` begins as `true`.
    #[inline]
    pub(super) fn next_element(&mut self, first: &mut bool) -> Read<bool> {
        let was_first = std::mem::replace(first, false);
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !was_first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if was_first => Ok(true),
            _ => Err(self.unexpected("`,` or `]`", "an array")),
        }
    }

    /// Passes over the key that the reader stands at if it is this one, given as sent, with its closing quote.
    #[inline]
    pub(super) fn take_key(&mut self, with_closing_quote: &str) -> bool {
        let start = self.at + 1;
        let end = start + with_closing_quote.len();
        let same = self.bytes.get(start..end) == Some(with_closing_quote.as_bytes());
        if same {
            self.at = end;
        }
        same
    }

    /// Reads the string that the reader stands at; also gives its inside with the closing quote.
    pub(super) fn key(&mut self) -> Read<(Quoted<'a>, &'a str)> {
        let start = self.at + 1;
        let quoted = self.string()?;
        Ok((quoted, self.text.get(start..self.at).unwrap_or_default()))
    }

    /// Passes over the colon after a key.
    #[inline]
    pub(super) fn colon(&mut self) -> Read<()> {
        match self.peek() {
            Some(b':') => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.unexpected("`:`", "an object")),
        }
    }

    /// Reads one value.
    #[inline]
    pub(super) fn value(&mut self) -> Read<Token<'a>> {
        match self.peek() {
            Some(b'"') => self.string().map(Token::Text),
            Some(b'{' | b'[') => {
                let start = self.mark();
                self.spaced = false;
                self.skip_nested()?;
                Ok(Token::Nested { raw: self.since(start), spaced: self.spaced })
            }
            _ => {
                let start = self.at;
                let first = self.peek();
                self.scalar()?;
                Ok(match first {
                    Some(b'n') => Token::Null,
                    Some(b't') => Token::Boolean(true),
                    Some(b'f') => Token::Boolean(false),
                    _ => Token::Number(self.text.get(start..self.at).unwrap_or_default()),
                })
            }
        }
    }

    /// Passes over one value.
    #[inline]
    pub(super) fn skip(&mut self) -> Read<()> {
        match self.peek() {
            Some(b'"') => self.skip_string().map(drop),
            Some(b'{' | b'[') => self.skip_nested(),
            _ => self.scalar(),
        }
    }

    /// The object or array from `mark` to where the reader stands.
    pub(super) fn nested_since(&self, mark: Mark) -> Token<'a> {
        Token::Nested { raw: self.since(mark), spaced: true }
    }

    /// Refuses anything but whitespace after the root value.
    pub(super) fn end(&mut self) -> Read<()> {
        match self.peek() {
            None if self.more => Err(Stop::Starved),
            None => Ok(()),
            Some(_) => Err(self.broken(self.at, "something follows its end")),
        }
    }

    #[inline]
    fn string(&mut self) -> Read<Quoted<'a>> {
        let start = self.at + 1;
        let escaped = self.skip_string()?;
        Ok(Quoted { inner: self.text.get(start..self.at - 1).unwrap_or_default(), escaped })
    }

    /// Passes over the string whose opening quote the reader stands at; says whether it has an escape.
    #[inline]
    fn skip_string(&mut self) -> Read<bool> {
        let mut escaped = false;
        let mut at = self.at + 1;
        loop {
            at = plain_run_end(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(at)?;
                }
                Some(_) => return Err(self.broken(at, "a control character inside a string")),
                None => return Err(self.cut_off("a string")),
            }
        }
    }

    /// The index after the escape at `at`.
    fn escape(&self, at: usize) -> Read<usize> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => match self.bytes.get(at + 2..at + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
                Some(_) => Err(self.broken(at, "an escape that JSON does not have")),
                None => Err(self.cut_off("a string")),
            },
            Some(_) => Err(self.broken(at, "an escape that JSON does not have")),
            None => Err(self.cut_off("a string")),
        }
    }

    /// Passes over `null`, `true`, `false` or a number.
    #[inline]
    fn scalar(&mut self) -> Read<()> {
        let literal: &[u8] = match self.bytes.get(self.at) {
            Some(b'-' | b'0'..=b'9') => return self.number(),
            Some(b'n') => b"null",
            Some(b't') => b"true",
            Some(b'f') => b"false",
            _ => return Err(self.unexpected("a value", "a value")),
        };
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(literal) {
            self.at += literal.len();
            return Ok(());
        }
        if literal.starts_with(rest) {
            return Err(self.cut_off("a value"));
        }
        Err(self.broken(self.at, "a word that JSON does not have"))
    }

    /// Passes over a number: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
    #[inline]
    fn number(&mut self) -> Read<()> {
        match number_end(self.bytes, self.at) {
            // Further digits may be on their way.
            Ok(end) if end == self.bytes.len() && self.more => Err(Stop::Starved),
            Ok(end) => {
                self.at = end;
                Ok(())
            }
            Err(at) if at >= self.bytes.len() => Err(self.cut_off("a number")),
            Err(at) => Err(self.broken(at, "a number that JSON does not have")),
        }
    }

    /// Passes over the object or array whose bracket the reader stands at, without recursion.
    fn skip_nested(&mut self) -> Read<()> {
        // One bit per open bracket, the innermost lowest: 1 for an object.
        let mut objects: u128 = 0;
        let mut depth = 0_u32;
        loop {
            // Before a value.
            match self.peek() {
                Some(b'"') => {
                    self.skip_string()?;
                }
                Some(open @ (b'{' | b'[')) => {
                    let is_object = open == b'{';
                    self.at += 1;
                    let close = if is_object { b'}' } else { b']' };
                    if self.peek() == Some(close) {
                        self.at += 1;
                    } else {
                        depth += 1;
                        if depth > MAX_DEPTH {
                            return Err(self.broken(self.at - 1, "more than 127 levels of nesting"));
                        }
                        objects = objects << 1 | u128::from(is_object);
                        if is_object {
                            self.skip_key("a key or `}`")?;
                        }
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            // After a value.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if in_object {
                            self.skip_key("a key")?;
                        }
                        break;
                    }
                    Some(b'}') if in_object => {}
                    Some(b']') if !in_object => {}
                    _ if in_object => return Err(self.unexpected("`,` or `}`", "an object")),
                    _ => return Err(self.unexpected("`,` or `]`", "an array")),
                }
                self.at += 1;
                objects >>= 1;
                depth -= 1;
            }
        }
    }

    #[inline]
    fn skip_key(&mut self, expected: &str) -> Read<()> {
        match self.peek() {
            Some(b'"') => self.skip_string()?,
            _ => return Err(self.unexpected(expected, "an object")),
        };
        self.colon()
    }

    #[cold]
    fn unexpected(&self, expected: &str, inside: &str) -> Stop {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => self.cut_off(inside),
            Some(found) => {
                let found = if found.is_control() { found.escape_default().to_string() } else { found.to_string() };
                self.broken(self.at, &format!("expected {expected}, found `{found}`"))
            }
        }
    }

    #[cold]
    fn cut_off(&self, inside: &str) -> Stop {
        if self.more {
            return Stop::Starved;
        }
        let message = format!("the answer ends in the middle of {inside}");
        let error = self.located(self.bytes.len(), message);
        error.hint("the connection may have been cut, or the API wrote too little").into()
    }

    #[cold]
    fn broken(&self, at: usize, what: &str) -> Stop {
        self.located(at, format!("the answer is not valid JSON: {what}")).into()
    }

    #[cold]
    fn located(&self, at: usize, message: String) -> Error {
        located(Error::new(ErrorKind::Decode, message), self.bytes, at, self.origin)
    }

    /// An error about the value at `mark`.
    #[cold]
    pub(super) fn refuse(&self, mark: Mark, message: String) -> Error {
        self.located(mark.0, message)
    }
}

/// The index after the JSON number at `at`, or where it stops being one.
#[inline]
pub(super) fn number_end(bytes: &[u8], at: usize) -> Result<usize, usize> {
    let digits = |mut at: usize| {
        let start = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at == start { Err(at) } else { Ok(at) }
    };
    let mut at = if bytes.get(at) == Some(&b'-') { at + 1 } else { at };
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(at)?;
    }
    Ok(at)
}

/// An error about the byte `at` of what begins at `origin` of an answer.
#[cold]
pub(super) fn located(error: Error, bytes: &[u8], at: usize, origin: Position) -> Error {
    let position = end_of(bytes.get(..at).unwrap_or(bytes), origin);
    error.with("line", position.line.to_string()).with("column", position.column.to_string())
}

/// Where in an answer these bytes end that begin at `origin`: line and column, from 1, the column in bytes.
pub(super) fn end_of(bytes: &[u8], origin: Position) -> Position {
    // Counted in bytes, a few at a time, which the compiler makes wide: every byte of a long answer passes here.
    let lines_of = |few: &[u8]| few.iter().fold(0_u8, |lines, byte| lines + u8::from(*byte == b'\n'));
    let lines: u64 = bytes.chunks(255).map(|few| u64::from(lines_of(few))).sum();
    let last_line = match lines {
        0 => bytes.len(),
        _ => bytes.iter().rev().take_while(|byte| **byte != b'\n').count(),
    };
    Position { line: lines + 1, column: last_line as u64 + 1 }.within(origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Position = Position { line: 1, column: 1 };

    fn read(body: &str) -> Result<()> {
        let mut reader = Reader::new(body, Mark::default(), START, false);
        let read = reader.begin().and_then(|()| reader.skip()).and_then(|()| reader.end());
        read.map_err(|stop| match stop {
            Stop::Refused(error) => error,
            Stop::Starved => panic!("nothing more is to come of `{body}`"),
        })
    }

    #[test]
    fn what_is_not_json_is_said_so() {
        for (body, message, hint) in [
            ("", "empty", ""),
            (" \n", "empty", ""),
            ("<html><body>", "not JSON", "HTML"),
            ("\n<!DOCTYPE html>", "not JSON", "HTML"),
            ("<?xml version='1.0'?><a/>", "not JSON", "XML"),
            ("not found", "not JSON", "`not found`"),
            ("nulls", "not JSON", "`nulls`"),
            (
                "404 page\tnot found, and a long text that goes on",
                "not JSON",
                "`404 page not found, and a long text tha…`",
            ),
            ("NaN", "not JSON", "`NaN`"),
        ] {
            let error = read(body).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
            assert!(error.message().contains(message), "{body}: {error:?}");
            let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<NotJson>());
            let begins = source.map(|foreign| foreign.hint(str::to_owned)).unwrap_or_default();
            assert!((error.hint_text().unwrap_or_default().to_owned() + &begins).contains(hint), "{body}: {error:?}");
        }
        // What must not be shown is taken out of the whole text, and not of what would be shown of it.
        let secret = "0123456789".repeat(9);
        let error = read(&format!("the key is {secret}, no?")).unwrap_err();
        let foreign = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<NotJson>()).unwrap();
        assert_eq!(foreign.hint(|text| text.replace(&secret, "…")), "it begins with `the key is …, no?`");
        assert!(!format!("{error} {error:?} {foreign:?}").contains("0123"));
    }

    #[test]
    fn faults_are_located() {
        for (body, message, line, column) in [
            ("{\"a\":1", "middle of an object", 1, 7),
            ("{\"a\":", "middle of a value", 1, 6),
            ("{\"a", "middle of a string", 1, 4),
            ("{\"a\\u12", "middle of a string", 1, 8),
            ("{\"a\":\"x\\", "middle of a string", 1, 9),
            ("[1,\n2", "middle of an array", 2, 2),
            ("[1,\n-", "middle of a number", 2, 2),
            ("[1.", "middle of a number", 1, 4),
            ("[tru", "middle of a value", 1, 5),
            ("{", "middle of an object", 1, 2),
            ("[{},", "middle of a value", 1, 5),
            ("{\"a\":1,}", "expected a key, found `}`", 1, 8),
            ("{,}", "expected a key or `}`, found `,`", 1, 2),
            ("{\"a\" 1}", "expected `:`, found `1`", 1, 6),
            ("[1 2]", "expected `,` or `]`, found `2`", 1, 4),
            ("{\"a\":1]", "expected `,` or `}`, found `]`", 1, 7),
            ("[1,]", "expected a value, found `]`", 1, 4),
            ("[NaN]", "expected a value, found `N`", 1, 2),
            ("[nil]", "a word that JSON does not have", 1, 2),
            ("[01]", "expected `,` or `]`, found `1`", 1, 3),
            ("[+1]", "expected a value, found `+`", 1, 2),
            ("[1.x]", "a number that JSON does not have", 1, 4),
            ("[\n \"a\nb\"]", "a control character inside a string", 2, 4),
            ("[\"\\x\"]", "an escape that JSON does not have", 1, 3),
            ("[\"\\u12g4\"]", "an escape that JSON does not have", 1, 3),
            ("{} x", "something follows its end", 1, 4),
            ("{}{}", "something follows its end", 1, 3),
        ] {
            let error = read(body).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
            assert!(error.message().contains(message), "{body}: {error}");
            assert_eq!(error.context_value("line"), Some(line.to_string().as_str()), "{body}: {error}");
            assert_eq!(error.context_value("column"), Some(column.to_string().as_str()), "{body}: {error}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(127)).is_ok());
        assert!(read(&nested(129)).unwrap_err().message().contains("nesting"));
        assert!(read(&"[{\"a\":".repeat(1_000_000)).unwrap_err().message().contains("nesting"));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert!(read("\u{feff} {}").is_ok());
        assert!(read("\u{feff}").is_err());
    }

    #[test]
    fn whitespace_inside_a_value_is_noticed() {
        for (body, spaced) in
            [("[1,{\"a b\":2}]", false), ("  [1]  ", false), ("[1, 2]", true), ("{\"a\":[1,{}\n]}", true)]
        {
            let mut reader = Reader::new(body, Mark::default(), START, false);
            reader.peek();
            let token = reader.value().unwrap();
            assert_eq!(token, Token::Nested { raw: body.trim(), spaced }, "{body}");
        }
    }

    /// Mostly JSON, often broken in one place.
    fn nearly_json() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("{".to_owned()),
            Just("}".to_owned()),
            Just("[".to_owned()),
            Just("]".to_owned()),
            Just(",".to_owned()),
            Just(":".to_owned()),
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?[0-9]{0,2}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
            "\"([a-zé \\x00\\n]|\\\\[nu\"/x]|\\\\u00e9){0,4}\"",
            "[ \n\t\r\x0b]{1,2}",
        ];
        proptest::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn accepts_exactly_what_serde_json_skips(text in nearly_json()) {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            prop_assert_eq!(read(&text).is_ok(), theirs.is_ok(), "{}: {:?} {:?}", text, read(&text), theirs);
        }

        #[test]
        fn a_broken_document_is_never_accepted_and_never_panics(
            document in "\\{\"a\":\\[(1|\"x\\\\n\"|null|\\{\"b\":\\{\\}\\}),-2\\.5e3\\],\"c\":\"é\"\\}",
            at in 0_usize..40,
            byte in any::<u8>(),
        ) {
            let is_read = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|text| read(text).is_ok());
            let mut bytes = document.clone().into_bytes();
            let cut = bytes.get(..at.min(bytes.len() - 1)).unwrap().to_vec();
            prop_assert!(!is_read(&cut));
            let index = at % bytes.len();
            bytes[index] = byte;
            let theirs = serde_json::from_slice::<serde_json::Value>(&bytes);
            prop_assert_eq!(is_read(&bytes), theirs.is_ok());
        }
    }
}
