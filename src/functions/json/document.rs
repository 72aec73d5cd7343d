//! JSON text as a tree that keeps every digit, every member and their order.
//!
//! Numbers and strings stay as they are written: no number is too large, and a document that is only looked at is not
//! copied.

use std::borrow::Cow;

use datafusion::common::{DataFusionError, Result, exec_datafusion_err};

/// As deep as a document may nest; `SQLite`'s limit.
const DEEPEST: usize = 1000;

/// A value and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::functions) enum Node<'a> {
    /// A number, string, `true`, `false` or `null`, as JSON.
    Scalar(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// Names are JSON strings, quotes and escapes included.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Reads a document.
///
/// # Errors
/// The place where it is not JSON; never a part of the text, which may hold a secret.
pub(in crate::functions) fn parse<'a>(text: &'a str, function: &str) -> Result<Node<'a>> {
    document(text).map_err(|at| malformed(text, at, function))
}

/// Reads a document; the byte where it is not JSON.
pub(super) fn document(text: &str) -> std::result::Result<Node<'_>, usize> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    reader.space();
    if reader.at < text.len() { Err(reader.at) } else { Ok(node) }
}

fn malformed(text: &str, at: usize, function: &str) -> DataFusionError {
    let character = text.get(..at).map_or(at, |before| before.chars().count()) + 1;
    exec_datafusion_err!("`{function}` got text that is not JSON, at character {character}")
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> std::result::Result<(), usize> {
        if self.take(byte) { Ok(()) } else { Err(self.at) }
    }

    fn since(&self, start: usize) -> Cow<'a, str> {
        Cow::Borrowed(&self.text[start..self.at])
    }

    fn value(&mut self, depth: usize) -> std::result::Result<Node<'a>, usize> {
        self.space();
        let start = self.at;
        if depth > DEEPEST {
            return Err(start);
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Node::Scalar),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(start),
        }
    }

    fn object(&mut self, depth: usize) -> std::result::Result<Node<'a>, usize> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(Node::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(b':')?;
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return Ok(Node::Object(members));
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> std::result::Result<Node<'a>, usize> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Node::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Node::Array(items));
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> std::result::Result<Cow<'a, str>, usize> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.since(start));
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
                            if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                                return Err(self.at);
                            }
                            self.at += 5;
                        }
                        _ => return Err(self.at),
                    }
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.at),
            }
        }
    }

    fn word(&mut self, word: &str) -> std::result::Result<Node<'a>, usize> {
        let start = self.at;
        if self.text.as_bytes()[start..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(Node::Scalar(self.since(start)))
        } else {
            Err(start)
        }
    }

    fn number(&mut self) -> std::result::Result<Node<'a>, usize> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(Node::Scalar(self.since(start)))
    }

    fn digits(&mut self) -> std::result::Result<(), usize> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(start) }
    }
}

impl Node<'_> {
    /// `SQLite`'s word for what it is.
    pub(in crate::functions) fn kind(&self) -> &'static str {
        match self {
            Node::Array(_) => "array",
            Node::Object(_) => "object",
            Node::Scalar(text) => match text.as_bytes().first() {
                Some(b'"') => "text",
                Some(b't') => "true",
                Some(b'f') => "false",
                Some(b'n') => "null",
                _ if text.contains(['.', 'e', 'E']) => "real",
                _ => "integer",
            },
        }
    }

    pub(in crate::functions) fn is_null(&self) -> bool {
        matches!(self, Node::Scalar(text) if text == "null")
    }

    /// The document without white space between its tokens.
    pub(in crate::functions) fn json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// What it is in SQL: a string's own text, NULL for null, any other value's JSON.
    pub(in crate::functions) fn sql(&self) -> Option<String> {
        match self {
            Node::Scalar(text) if text == "null" => None,
            Node::Scalar(text) if text.starts_with('"') => Some(unquote(text)),
            other => Some(other.json()),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        match self {
            Node::Scalar(text) => out.push_str(text),
            Node::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Node::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(name);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// `text` as a JSON string.
pub(in crate::functions) fn quote(text: &str) -> String {
    // A string is always JSON.
    serde_json::to_string(text).unwrap_or_default()
}

/// The text of a JSON string. Half of a surrogate pair stands for no character and becomes U+FFFD.
pub(in crate::functions) fn unquote(string: &str) -> String {
    let inner = string.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(string);
    if !inner.contains('\\') {
        return inner.to_owned();
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else { break };
        rest = &rest[c.len_utf8()..];
        match c {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let unit = take_unit(&mut rest);
                let low = rest.strip_prefix("\\u").map(|after| (take_unit(&mut &*after), after));
                let pair = match (unit, low) {
                    (0xd800..0xdc00, Some((low @ 0xdc00..0xe000, after))) => {
                        rest = after.get(4..).unwrap_or_default();
                        0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                    }
                    _ => unit,
                };
                out.push(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => out.push(other),
        }
    }
    out.push_str(rest);
    out
}

fn take_unit(rest: &mut &str) -> u32 {
    let digits = rest.get(..4).unwrap_or_default();
    *rest = rest.get(4..).unwrap_or_default();
    u32::from_str_radix(digits, 16).unwrap_or(0xfffd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_what_they_hold() {
        for (text, compact) in [
            (" { \"a\" : [ 1 , 2.50, -0e+1 ] , \"a\" : null } ", r#"{"a":[1,2.50,-0e+1],"a":null}"#),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            (r#""é\u00e9\n""#, r#""é\u00e9\n""#),
            ("[]", "[]"),
            ("{}", "{}"),
            ("true", "true"),
        ] {
            assert_eq!(document(text).unwrap().json(), compact, "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("{\"a\":1,}", 7),
            ("01", 1),
            ("1.", 2),
            ("-", 1),
            ("+1", 0),
            ("'a'", 0),
            ("\"a", 2),
            ("\"\n\"", 1),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 2),
            ("nul", 0),
            ("NaN", 0),
            ("[1] x", 4),
            ("\u{feff}1", 0),
        ] {
            assert_eq!(document(text), Err(at), "{text}");
        }
    }

    #[test]
    fn depth_has_a_limit_and_no_stack_overflows() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(document(&deep(1000)).is_ok());
        assert!(document(&deep(1002)).is_err());
        assert!(document(&"[".repeat(2_000_000)).is_err());
    }

    #[test]
    fn strings_say_their_text() {
        for (string, text) in [
            (r#""a\"b\\c\/d\n\t""#, "a\"b\\c/d\n\t"),
            (r#""\u00e9\ud83d\ude00""#, "é😀"),
            (r#""\ud83d!""#, "\u{fffd}!"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""""#, ""),
        ] {
            assert_eq!(unquote(string), text);
        }
    }

    #[test]
    fn kinds_are_those_of_sqlite() {
        for (text, kind) in [
            ("1", "integer"),
            ("-12345678901234567890123", "integer"),
            ("1.0", "real"),
            ("1e3", "real"),
            ("\"1\"", "text"),
            ("true", "true"),
            ("false", "false"),
            ("null", "null"),
            ("[1]", "array"),
            ("{}", "object"),
        ] {
            assert_eq!(document(text).unwrap().kind(), kind);
        }
    }
}
