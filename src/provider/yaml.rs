//! YAML text → [`Node`].
//!
//! *Owns*: which YAML crate is used, and how its events become a tree.
//! *Does not own*: what is in the tree.
//! *Invariants*: no recursion, so nesting cannot overflow the stack; nesting and what aliases add are bounded.
//!
//! The tree is built from the parser's events and not through serde: real documents need what serde's data model
//! lacks (integers beyond u64, unknown tags, keys such as `200`), and a document nested 100 levels deep takes more than
//! 2 MB of stack through it.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};
use indexmap::IndexMap;
use indexmap::map::Entry;
use serde_json::Number;

use super::document::{MAX_DEPTH, Node};

/// Nodes that aliases may add. The public registry's largest file adds about 70,000; a document made to exhaust
/// memory by nested aliases needs far more.
const MAX_ALIASED_NODES: usize = 2_000_000;

/// Why and where a text is not YAML; line and column count from 1.
#[derive(Debug)]
pub(super) struct YamlError {
    pub(super) message: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl YamlError {
    fn at(span: &Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), line: span.start.line(), column: span.start.col() + 1 }
    }
}

/// Reads one YAML 1.2 document.
///
/// # Errors
/// A syntax error, a key that is no scalar or stands twice, too much nesting, or too much added by aliases.
pub(super) fn parse(text: &str) -> Result<Node, YamlError> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    // OpenAPI path keys with long query strings pass YAML's limit of 1,024 characters.
    options.simple_key_max_lookahead = 16 * 1024;
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| YamlError {
            message: error.info(),
            line: error.marker().line(),
            column: error.marker().col() + 1,
        })?;
        builder.take(event, &span)?;
    }
    Ok(builder.root.unwrap_or(Node::Null))
}

/// A node, and what copying it costs.
struct Measured {
    node: Node,
    nodes: usize,
    height: usize,
}

impl Measured {
    fn leaf(node: Node) -> Self {
        Self { node, nodes: 1, height: 0 }
    }
}

/// An open list or map.
struct Frame {
    anchor: usize,
    nodes: usize,
    height: usize,
    open: Open,
}

enum Open {
    List(Vec<Node>),
    Map { map: IndexMap<String, Node>, key: Option<String>, merged: Vec<Node> },
}

#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize, usize)>,
    aliased: usize,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(Frame { open: Open::Map { key: key @ None, .. }, .. }) = self.frames.last_mut() {
                    *key = Some(text.clone().into_owned());
                    if anchor != 0 {
                        self.anchors.insert(anchor, (Node::Text(text.into_owned()), 1, 0));
                    }
                    return Ok(());
                }
                let node = scalar(&text, style, tag.as_deref());
                self.put(Measured::leaf(node), anchor, span)
            }
            Event::SequenceStart(_, anchor, _) => self.open(anchor, Open::List(Vec::new()), span),
            Event::MappingStart(_, anchor, _) => {
                self.open(anchor, Open::Map { map: IndexMap::new(), key: None, merged: Vec::new() }, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(YamlError::at(span, "a second document begins here"))
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, open: Open, span: &Span) -> Result<(), YamlError> {
        if let Some(Frame { open: Open::Map { key: None, .. }, .. }) = self.frames.last() {
            return Err(YamlError::at(span, "a key is a list or a map"));
        }
        if self.frames.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.frames.push(Frame { anchor, nodes: 1, height: 0, open });
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), YamlError> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let node = match frame.open {
            Open::List(items) => Node::List(items),
            Open::Map { mut map, merged, .. } => {
                for (key, value) in merged.into_iter().flat_map(merge_sources) {
                    map.entry(key).or_insert(value);
                }
                Node::Map(map)
            }
        };
        self.put(Measured { node, nodes: frame.nodes, height: frame.height + 1 }, frame.anchor, span)
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<(), YamlError> {
        // An anchor is known once its node has ended, so that a document cannot hold itself.
        let Some((node, nodes, height)) = self.anchors.get(&id) else {
            return Err(YamlError::at(span, "an alias stands inside its own anchor"));
        };
        let (nodes, height) = (*nodes, *height);
        self.aliased += nodes;
        if self.aliased > MAX_ALIASED_NODES {
            return Err(YamlError::at(span, format!("aliases add more than {MAX_ALIASED_NODES} values")));
        }
        if self.frames.len() + height > MAX_DEPTH {
            return Err(too_deep(span));
        }
        let node = node.clone();
        if let Some(Frame { open: Open::Map { key: key @ None, .. }, .. }) = self.frames.last_mut() {
            let Some(text) = node.scalar_text() else {
                return Err(YamlError::at(span, "a key is a list or a map"));
            };
            *key = Some(text.into_owned());
            return Ok(());
        }
        self.put(Measured { node, nodes, height }, 0, span)
    }

    fn put(&mut self, value: Measured, anchor: usize, span: &Span) -> Result<(), YamlError> {
        if anchor != 0 {
            self.anchors.insert(anchor, (value.node.clone(), value.nodes, value.height));
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(value.node);
            return Ok(());
        };
        frame.nodes += value.nodes;
        frame.height = frame.height.max(value.height);
        match &mut frame.open {
            Open::List(items) => items.push(value.node),
            Open::Map { map, key, merged } => {
                let key = key.take().unwrap_or_default();
                if key == "<<" {
                    merged.push(value.node);
                    return Ok(());
                }
                match map.entry(key) {
                    Entry::Occupied(entry) => {
                        return Err(YamlError::at(span, format!("the key `{}` stands twice", entry.key())));
                    }
                    Entry::Vacant(entry) => entry.insert(value.node),
                };
            }
        }
        Ok(())
    }
}

fn too_deep(span: &Span) -> YamlError {
    YamlError::at(span, format!("more than {MAX_DEPTH} levels of nesting"))
}

/// What a merge key (`<<`) brings: the entries of a map, or of each map of a list.
fn merge_sources(node: Node) -> Vec<(String, Node)> {
    match node {
        Node::Map(map) => map.into_iter().collect(),
        Node::List(items) => items.into_iter().flat_map(merge_sources).collect(),
        _ => Vec::new(),
    }
}

/// The YAML 1.2 core schema; a tag that is not of that schema leaves the value as it is written.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Node {
    match tag.and_then(Tag::core_suffix) {
        Some("str" | "binary" | "timestamp") => Node::Text(text.to_owned()),
        Some("int" | "float" | "bool" | "null") => plain_scalar(text),
        _ if style == ScalarStyle::Plain => plain_scalar(text),
        _ => Node::Text(text.to_owned()),
    }
}

fn plain_scalar(text: &str) -> Node {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Node::Null,
        "true" | "True" | "TRUE" => Node::Bool(true),
        "false" | "False" | "FALSE" => Node::Bool(false),
        _ => number(text).map_or_else(|| Node::Text(text.to_owned()), Node::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return u64::from_str_radix(digits, radix).ok().map(Number::from);
        }
    }
    let well_formed = unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'));
    if !well_formed {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(value) = text.parse::<u64>() {
        return Some(value.into());
    }
    if let Ok(value) = text.parse::<i64>() {
        return Some(value.into());
    }
    // Also integers beyond u64, which generators write for limits (`18446744073709552000`).
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_follow_the_core_schema() {
        for (text, expected) in [
            ("12", "12"),
            ("+12", "12"),
            ("-12", "-12"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("18446744073709552000", "1.8446744073709552e+19"),
            ("1.2.3", "\"1.2.3\""),
            ("1-2", "\"1-2\""),
            ("2020-01-01", "\"2020-01-01\""),
            (".", "\".\""),
            ("..", "\"..\""),
            ("e5", "\"e5\""),
            ("0x", "\"0x\""),
            ("no", "\"no\""),
            ("~", "null"),
            ("!!str 12", "\"12\""),
            ("!!int '12'", "12"),
            ("!!js/undefined ''", "\"\""),
            ("'12'", "\"12\""),
            (".inf", "\".inf\""),
        ] {
            let node = parse(&format!("a: {text}")).unwrap();
            assert_eq!(node.get("a").unwrap().to_json().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn merge_keys_yield_to_own_keys() {
        let node = parse("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz:\n  c: 4\n  <<: [*x, {c: 5, d: 6}]\n").unwrap();
        assert_eq!(node.get("y").unwrap().to_json(), serde_json::json!({"a": 1, "b": 3}));
        assert_eq!(node.get("z").unwrap().to_json(), serde_json::json!({"a": 1, "b": 2, "c": 4, "d": 6}));
    }

    #[test]
    fn keys_and_documents() {
        let node = parse("k: &k name\n*k : 1\n200: 2\ntrue: 3\n").unwrap();
        assert_eq!(node.to_json(), serde_json::json!({"k": "name", "name": 1, "200": 2, "true": 3}));
        for (text, message) in [
            ("a: 1\nb: 2\na: 3\n", "`a` stands twice"),
            ("[a]: 1\n", "a key is a list or a map"),
            ("{a: 1}: 1\n", "a key is a list or a map"),
            ("a: 1\n---\nb: 2\n", "a second document"),
            ("a: &a\n  b: *a\n", "inside its own anchor"),
            ("a: *b\n", ""),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(message) && error.line > 0, "{text}: {error:?}");
        }
        let long = format!("{}: 1\n", "k".repeat(4000));
        assert!(parse(&long).is_ok());
    }
}
