//! A tree → YAML text that people can read and edit.
//!
//! *Invariants*: what is written reads back as the same tree.

use std::fmt::Write as _;

use crate::provider::Node;

/// Characters that a list or map may take to stand on one line.
const ONE_LINE: usize = 110;

/// The text of a document.
pub(super) fn emit(node: &Node) -> String {
    let mut text = String::new();
    match node {
        Node::Map(map) if !map.is_empty() => block(node, 0, &mut text),
        Node::List(items) if !items.is_empty() => block(node, 0, &mut text),
        _ => {
            text.push_str(&inline(node));
            text.push('\n');
        }
    }
    text
}

/// Writes the entries of a map or list that is not empty, each on lines of its own.
fn block(node: &Node, indent: usize, text: &mut String) {
    let pad = " ".repeat(indent);
    match node {
        Node::Map(map) => {
            for (key, value) in map {
                text.push_str(&pad);
                text.push_str(&scalar(key));
                text.push(':');
                after_key(value, indent + 2, text);
            }
        }
        Node::List(items) => {
            for item in items {
                let _infallible = write!(text, "{pad}-");
                match one_line(item, indent) {
                    Some(line) => {
                        let _infallible = writeln!(text, " {line}");
                    }
                    None => {
                        // The first entry stands beside the dash.
                        let mut inner = String::new();
                        block(item, indent + 2, &mut inner);
                        text.push(' ');
                        text.push_str(inner.trim_start_matches(' '));
                    }
                }
            }
        }
        _ => {}
    }
}

fn after_key(value: &Node, indent: usize, text: &mut String) {
    match one_line(value, indent) {
        Some(line) => {
            let _infallible = writeln!(text, " {line}");
        }
        None => {
            text.push('\n');
            block(value, indent, text);
        }
    }
}

/// The value on one line, where it is short or cannot be broken.
fn one_line(value: &Node, indent: usize) -> Option<String> {
    let breaks = match value {
        Node::Map(map) => !map.is_empty(),
        Node::List(items) => !items.is_empty(),
        _ => false,
    };
    if breaks && !may_be_short(value, &mut 24) {
        return None;
    }
    let line = inline(value);
    (!breaks || line.chars().count() + indent <= ONE_LINE).then_some(line)
}

/// Whether a value has few enough parts to be worth trying.
fn may_be_short(value: &Node, left: &mut usize) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return false };
    *left = fewer;
    match value {
        Node::Map(map) => map.values().all(|value| may_be_short(value, left)),
        Node::List(items) => items.iter().all(|item| may_be_short(item, left)),
        _ => true,
    }
}

fn inline(value: &Node) -> String {
    match value {
        Node::Null => "null".to_owned(),
        Node::Bool(value) => value.to_string(),
        Node::Number(number) => number.to_string(),
        Node::Text(text) => scalar(text),
        Node::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Node::Map(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", scalar(key), inline(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A text, quoted where it would be read as something else.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

fn is_plain(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/' | '$'));
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '$' | '-' | ' ' | '+' | '(' | ')' | ';');
    // Words that one version of YAML or another takes for something else.
    let lower = text.to_ascii_lowercase();
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&lower.as_str());
    starts_well && !reserved && text.chars().all(plain) && !text.ends_with(' ') && text != "$"
}

/// Single quotes where nothing needs an escape, else JSON's form.
fn quoted(text: &str) -> String {
    let simple = text
        .chars()
        .all(|c| !c.is_control() && !matches!(c, '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}'));
    if simple && !text.contains('\'') {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _infallible = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Document;
    use proptest::prelude::*;

    fn read(text: &str) -> Node {
        Document::parse(format!("root:\n{}", indented(text)).as_bytes(), "x.yaml")
            .unwrap()
            .root
            .get("root")
            .unwrap()
            .clone()
    }

    fn indented(text: &str) -> String {
        text.lines().fold(String::new(), |text, line| text + "  " + line + "\n")
    }

    fn nodes() -> impl Strategy<Value = Node> {
        let words = prop_oneof![
            Just("select".to_owned()),
            Just("a.b".to_owned()),
            Just("200".to_owned()),
            Just("- x".to_owned()),
            Just("no".to_owned()),
            Just("a: b".to_owned()),
            Just("it's".to_owned()),
            Just("#x".to_owned()),
            Just("line\nline".to_owned()),
            Just("🎈 ".to_owned()),
            Just(String::new()),
            "\\PC{0,12}",
            "[a-z ,\\[\\]{}:#&*!|>'\"%@`-]{0,8}",
        ];
        let leaf = prop_oneof![
            Just(Node::Null),
            any::<bool>().prop_map(Node::Bool),
            any::<i64>().prop_map(|n| Node::Number(n.into())),
            words.clone().prop_map(Node::Text),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Node::List),
                prop::collection::vec((words.clone(), inner), 0..5)
                    .prop_map(|entries| { Node::Map(entries.into_iter().filter(|(key, _)| key != "<<").collect()) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(node in nodes()) {
            let text = emit(&node);
            prop_assert_eq!(read(&text), node, "{}", text);
        }
    }

    #[test]
    fn short_things_stand_on_one_line() {
        let document =
            Document::parse(b"a: {type: string, enum: [x, 'no', '1']}\nb: [{a: 1}]\n'200': {}\n", "x.yaml").unwrap();
        assert_eq!(emit(&document.root), "a: {type: string, enum: [x, 'no', '1']}\nb: [{a: 1}]\n'200': {}\n");
    }
}
