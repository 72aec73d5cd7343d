//! A document as a tree: YAML or JSON text → [`Node`], and what its references point at.
//!
//! *Owns*: the tree, `$ref` resolution within a document, finding the line of a key.
//! *Does not own*: YAML's syntax (`yaml`), what any key means, and where documents are read from.
//! *Invariants*: nesting is bounded, so no walk of a tree can overflow the stack; a chain of references that does not
//! end resolves to nothing.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::yaml;
use crate::error::{Error, ErrorKind, Result};

/// Levels of maps and lists that a document may nest. Real ones stay below 50.
pub(super) const MAX_DEPTH: usize = 120;
/// References followed one after another before a chain counts as endless.
const MAX_HOPS: usize = 64;

/// One value of a document. Maps keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(IndexMap<String, Node>),
}

impl Node {
    /// The value of a key; `None` also when this is not a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// A key and its value.
    pub(crate) fn entry(&self, key: &str) -> Option<(&str, &Self)> {
        match self {
            Self::Map(map) => map.get_key_value(key).map(|(key, value)| (key.as_str(), value)),
            _ => None,
        }
    }

    /// The value at a path of keys.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a key's string.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The text of any scalar, as it would be written: documents write versions and status codes with and without quotes.
    pub(crate) fn scalar_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(value) => Some(Cow::Owned(value.to_string())),
            _ => None,
        }
    }

    /// A truth value, also when written as a string.
    pub(crate) fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) if text == "true" => Some(true),
            Self::Text(text) if text == "false" => Some(false),
            _ => None,
        }
    }

    /// Whether a key says `true`.
    pub(crate) fn says(&self, key: &str) -> bool {
        self.get(key).and_then(Self::bool) == Some(true)
    }

    /// A whole number that is not negative, also when written as a string or as `1.0`.
    pub(crate) fn u64(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.trim().parse().ok(),
            Self::Number(number) => number.as_u64().or_else(|| whole_number(number.as_f64()?)),
            _ => None,
        }
    }

    /// A number, also when written as a string.
    pub(crate) fn f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The items of a list; empty for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Keys and values of a map; empty for anything else.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let map = match self {
            Self::Map(map) => Some(map),
            _ => None,
        };
        map.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether this is a map.
    pub(crate) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_))
    }

    /// The same value as JSON.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()),
        }
    }
}

/// The whole number that a float is, if it is one and not negative.
pub(super) fn whole_number(value: f64) -> Option<u64> {
    // Not beyond 2^53: what is larger there is no whole number that anybody wrote.
    let whole = value >= 0.0 && value.fract() == 0.0 && value <= 9_007_199_254_740_992.0;
    if whole { format!("{value:.0}").parse().ok() } else { None }
}

/// A parsed document, and enough of its text to say where something stands in it.
pub(crate) struct Document {
    /// The tree.
    pub(crate) root: Node,
    /// What to call it in messages.
    label: String,
    text: String,
}

impl Document {
    /// Reads YAML or JSON; `label` names it in messages.
    ///
    /// # Errors
    /// `Provider` with file, line and column when the text is not a document.
    pub(crate) fn parse(bytes: &[u8], label: &str) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
            Error::new(ErrorKind::Provider, "the document is not UTF-8 text")
                .with("file", label)
                .with("line", line.to_string())
                .caused_by(error)
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = parse_text(text, label)?;
        if !root.is_map() {
            return Err(Error::new(ErrorKind::Provider, "the document is not a map of keys").with("file", label));
        }
        Ok(Self { root, label: label.to_owned(), text: text.to_owned() })
    }

    /// A tree that was made and not read.
    pub(crate) fn of(root: Node, label: &str) -> Self {
        Self { root, label: label.to_owned(), text: String::new() }
    }

    /// What a reference such as `#/components/schemas/Image/properties/id` points at, in this document. A file name
    /// before the `#` must be this document's own.
    pub(crate) fn resolve(&self, reference: &str) -> Option<&Node> {
        self.resolve_within(reference, MAX_HOPS)
    }

    fn resolve_within(&self, reference: &str, hops: usize) -> Option<&Node> {
        let (file, pointer) = reference.split_once('#')?;
        if !file.is_empty() && !same_file(file, &self.label) {
            return None;
        }
        let mut node = &self.root;
        for raw in pointer.split('/').skip(1) {
            node = self.follow_within(node, hops.checked_sub(1)?)?;
            node = step(node, raw)?;
        }
        Some(node)
    }

    /// The node itself, or what its `$ref` points at, however many references stand in between. Keys beside a `$ref`
    /// do not count (JSON Reference; 205,600 places of the public registry have such keys).
    pub(crate) fn follow<'d>(&'d self, node: &'d Node) -> Option<&'d Node> {
        self.follow_within(node, MAX_HOPS)
    }

    fn follow_within<'d>(&'d self, mut node: &'d Node, hops: usize) -> Option<&'d Node> {
        for left in (0..=hops).rev() {
            let Some(reference) = node.text_of("$ref") else { return Some(node) };
            node = self.resolve_within(reference, left)?;
        }
        None
    }

    /// An error about the key at `path`, with file and line.
    pub(crate) fn error(&self, message: impl Into<String>, path: &[&str]) -> Error {
        let mut error = Error::new(ErrorKind::Provider, message).with("file", &self.label);
        if let Some(line) = self.line_of(path) {
            error = error.with("line", line.to_string());
        }
        if path.is_empty() { error } else { error.with("key", path.join(".")) }
    }

    /// The line, from 1, of the deepest key of `path` that can be found. Block style is found; flow style only as far
    /// as a line holds one key.
    fn line_of(&self, path: &[&str]) -> Option<usize> {
        let lines: Vec<&str> = self.text.lines().collect();
        let (mut next, mut parent_indent, mut found) = (0, None, None);
        for key in path {
            let Some((index, indent)) = find_key(&lines, next, parent_indent, key) else { break };
            found = Some(index + 1);
            next = index + 1;
            parent_indent = Some(indent);
        }
        found
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("label", &self.label).finish_non_exhaustive()
    }
}

/// The line and indentation of `key` within the block that is indented deeper than `parent_indent`.
fn find_key(lines: &[&str], from: usize, parent_indent: Option<usize>, key: &str) -> Option<(usize, usize)> {
    for (index, line) in lines.iter().enumerate().skip(from) {
        let body = line.trim_start();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        let indent = line.len() - body.len();
        if parent_indent.is_some_and(|parent| indent <= parent) {
            return None;
        }
        if is_key(body, key) {
            return Some((index, indent));
        }
    }
    None
}

fn is_key(body: &str, key: &str) -> bool {
    let body = body.strip_prefix("- ").unwrap_or(body);
    let rest = ["", "'", "\""].iter().find_map(|quote| {
        body.strip_prefix(quote).and_then(|b| b.strip_prefix(key)).and_then(|b| b.strip_prefix(quote))
    });
    rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
}

/// Whether the file part of a reference names the document called `label`.
fn same_file(file: &str, label: &str) -> bool {
    let name = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    name(file) == name(label)
}

/// One step of a JSON pointer (RFC 6901), whose escapes may themselves be percent-encoded.
fn step<'d>(node: &'d Node, raw: &str) -> Option<&'d Node> {
    let plain = unescape(raw);
    if let Some(found) = child(node, &plain) {
        return Some(found);
    }
    let decoded = percent_decode_str(raw).decode_utf8().ok()?;
    child(node, &unescape(&decoded))
}

fn child<'d>(node: &'d Node, key: &str) -> Option<&'d Node> {
    match node {
        Node::Map(map) => map.get(key),
        Node::List(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

fn unescape(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') {
        Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(segment)
    }
}

fn parse_text(text: &str, label: &str) -> Result<Node> {
    // JSON is YAML, but its own parser is five times as fast and takes any spacing.
    let is_json = text.trim_start().starts_with('{');
    if is_json {
        let mut json = serde_json::Deserializer::from_str(text);
        match (NodeSeed { depth: 0 }).deserialize(&mut json).and_then(|node| json.end().map(|()| node)) {
            Ok(node) => return Ok(node),
            Err(error) if label.to_ascii_lowercase().ends_with(".json") => {
                return Err(syntax_error(label, error.line(), error.column(), &error.to_string()));
            }
            Err(_) => {} // a YAML flow map
        }
    }
    yaml::parse(text).map_err(|error| syntax_error(label, error.line, error.column, &error.message))
}

fn syntax_error(label: &str, line: usize, column: usize, what: &str) -> Error {
    // Parsers may end their messages with the place, which the context says.
    let what = what.lines().next().unwrap_or_default();
    let what = what.split(" at line ").next().unwrap_or(what);
    Error::new(ErrorKind::Provider, format!("the document does not parse: {what}"))
        .with("file", label)
        .with("line", line.to_string())
        .with("column", column.to_string())
}

/// Reads one node of JSON at `depth`, so that nesting is bounded whatever the parser allows.
#[derive(Clone, Copy)]
struct NodeSeed {
    depth: usize,
}

impl NodeSeed {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format!("more than {MAX_DEPTH} levels of nesting")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Number::from_f64(value).map_or_else(|| Node::Text(value.to_string()), Node::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let seed = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(seed)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let seed = self.deeper()?;
        let mut map = IndexMap::new();
        while let Some(key) = access.next_key::<String>()? {
            map.insert(key, access.next_value_seed(seed)?);
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text.as_bytes(), "p/v1/services/shop.yaml").unwrap()
    }

    #[test]
    fn values_that_real_documents_hold() {
        let cases = [
            ("a: 18446744073709552000", "{\"a\":1.8446744073709552e+19}"),
            ("a: 18446744073709551615", "{\"a\":18446744073709551615}"),
            ("a: -5", "{\"a\":-5}"),
            ("a: !!js/undefined ''", "{\"a\":\"\"}"),
            ("a: !!js/undefined\nb: 1", "{\"a\":null,\"b\":1}"),
            ("a: !custom\n  b: 1", "{\"a\":{\"b\":1}}"),
            ("a: no\r\nb: on\r\nc: true\r\n", "{\"a\":\"no\",\"b\":\"on\",\"c\":true}"),
            ("a: |\r\n  one\r\n  two\r\n", "{\"a\":\"one\\ntwo\\n\"}"),
            ("200:\n  a: ~\n2XX: []", "{\"200\":{\"a\":null},\"2XX\":[]}"),
            ("x: &x\n  b: 1\ny: *x\nz: [*x, *x]", "{\"x\":{\"b\":1},\"y\":{\"b\":1},\"z\":[{\"b\":1},{\"b\":1}]}"),
            (
                "a: .nan\nb: 2020-01-01\nc: 1.0.0\nd: 0x",
                "{\"a\":\".nan\",\"b\":\"2020-01-01\",\"c\":\"1.0.0\",\"d\":\"0x\"}",
            ),
            ("{\"a\": [1, null, \"x\"]}", "{\"a\":[1,null,\"x\"]}"),
            ("{a: [1, b]}", "{\"a\":[1,\"b\"]}"),
            ("\u{feff}a: 1", "{\"a\":1}"),
        ];
        for (text, expected) in cases {
            assert_eq!(document(text).root.to_json().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn thousands_of_aliases_pass_and_a_bomb_does_not() {
        let mut many = String::from("list: &list [{name: a}, {name: b}, {name: c}]\nuses:\n");
        for _ in 0..9000 {
            many.push_str("  - *list\n");
        }
        assert_eq!(document(&many).root.get("uses").unwrap().items().len(), 9000);
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let previous = format!("*a{}, ", level - 1).repeat(10);
            let _ = writeln!(bomb, "a{level}: &a{level} [{}]", previous.trim_end_matches(", "));
        }
        assert!(Document::parse(bomb.as_bytes(), "bomb.yaml").is_err());
    }

    #[test]
    fn deep_and_cyclic_documents_are_errors_and_not_crashes() {
        let flow = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
        let nested = |levels: usize| {
            let lines: Vec<String> = (0..levels).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
            lines.concat()
        };
        let block = nested(5000);
        let json = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        for text in [flow, block, json] {
            let error = Document::parse(text.as_bytes(), "deep.yaml").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Provider);
        }
        assert!(Document::parse(b"a: &a\n  b: *a\n", "loop.yaml").is_err());
        assert!(Document::parse(nested(100).as_bytes(), "fits.yaml").is_ok());
    }

    #[test]
    fn syntax_errors_say_where() {
        let error =
            Document::parse(b"openapi: 3.0.0\npaths:\n  /a: {\n  get: [\n", "x/v1/services/a.yaml").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Provider);
        assert_eq!(error.context_value("file"), Some("x/v1/services/a.yaml"));
        let line: usize = error.context_value("line").unwrap().parse().unwrap();
        assert!((3..=5).contains(&line), "{error}");
        assert!(error.context_value("column").is_some());
        assert!(!error.message().contains('\n') && !error.message().contains(" at line "), "{error}");
        let error = Document::parse(b"a: 1\nb: 2\na: 3\n", "twice.yaml").unwrap_err();
        assert_eq!(error.context_value("line"), Some("3"), "{error}");
        let error = Document::parse(b"{\"a\": 1,\n}", "a.json").unwrap_err();
        assert_eq!(error.context_value("line"), Some("2"), "{error}");
        let error = Document::parse(b"a: 1\nb: \xff\n", "latin.yaml").unwrap_err();
        assert_eq!(error.context_value("line"), Some("2"), "{error}");
        assert!(Document::parse(b"- a\n", "list.yaml").is_err());
        assert!(Document::parse(b"", "empty.yaml").is_err());
    }

    #[test]
    fn references_anywhere() {
        let document = document(
            "paths:\n  /a/{b}:\n    get: {operationId: read}\n  '/x~y%z': {get: {operationId: odd}}\n\
             components:\n  schemas:\n    A: {properties: {id: {type: integer}}}\n    B: {$ref: '#/components/schemas/A'}\n\
             \x20   L: [{type: string}]\n    C: {$ref: '#/components/schemas/D'}\n    D: {$ref: '#/components/schemas/C'}\n\
             \x20   E: {$ref: '#/components/schemas/E/properties/x'}\n",
        );
        let found = |reference: &str| document.resolve(reference).map(|node| node.to_json().to_string());
        for (reference, expected) in [
            ("#/paths/~1a~1{b}/get/operationId", Some("\"read\"")),
            ("#/paths/~1a~1%7Bb%7D/get/operationId", Some("\"read\"")),
            ("#/paths/~1x~0y%z/get/operationId", Some("\"odd\"")),
            ("#/components/schemas/A/properties/id", Some("{\"type\":\"integer\"}")),
            ("#/components/schemas/B/properties/id", Some("{\"type\":\"integer\"}")),
            ("shop.yaml#/components/schemas/A/properties/id/type", Some("\"integer\"")),
            ("../services/shop.yaml#/components/schemas/A/properties/id/type", Some("\"integer\"")),
            ("#/components/schemas/L/0/type", Some("\"string\"")),
            ("other.yaml#/components/schemas/A", None),
            ("#/components/schemas/Z", None),
            ("#/components/schemas/E/properties/x", None),
            ("components", None),
        ] {
            assert_eq!(found(reference).as_deref(), expected, "{reference}");
        }
        let schemas = document.root.at(&["components", "schemas"]).unwrap();
        assert!(document.follow(schemas.get("C").unwrap()).is_none());
        assert!(document.follow(schemas.get("B").unwrap()).unwrap().get("properties").is_some());
    }

    #[test]
    fn errors_about_keys_name_the_line() {
        let document = document("a:\n  b: 1\nc:\n  # b: no\n  'b':\n    d: 2\n");
        for (path, line, key) in [
            (&["c", "b", "d"][..], Some("6"), "c.b.d"),
            (&["c", "b"], Some("5"), "c.b"),
            (&["a", "b", "zz"], Some("2"), "a.b.zz"),
            (&["nope"], None, "nope"),
        ] {
            let error = document.error("bad", path);
            assert_eq!(error.context_value("line"), line, "{path:?}");
            assert_eq!(error.context_value("key"), Some(key));
            assert_eq!(error.context_value("file"), Some("p/v1/services/shop.yaml"));
        }
    }
}
