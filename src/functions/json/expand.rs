//! A document as rows: what `json_each` and `json_tree` give, without any table around it.

use super::document::{Node, unquote};
use super::path::{Step, is_named, position};

/// Which rows a document gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub(super) enum Depth {
    /// `json_each`: the elements or members of one value.
    Children,
    /// `json_tree`: a value and everything below it.
    All,
}

/// One row. Its columns are `SQLite`'s (<https://sqlite.org/json1.html#the_json_each_and_json_tree_table_valued_functions>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) kind: &'static str,
    pub(super) atom: Option<String>,
    pub(super) id: i64,
    pub(super) parent: Option<i64>,
    pub(super) fullkey: String,
    pub(super) path: String,
}

/// A value and where it stands.
struct Here<'n, 'a> {
    node: &'n Node<'a>,
    key: Option<String>,
    id: i64,
    fullkey: String,
    path: String,
}

/// The rows of a document, from the value on that `steps` lead to.
pub(super) fn rows(root: &Node<'_>, steps: &[Step], depth: Depth) -> Vec<Row> {
    let start = Here { node: root, key: None, id: 0, fullkey: "$".to_owned(), path: "$".to_owned() };
    let Some(here) = steps.iter().try_fold(start, |here, step| down(&here, step)) else { return Vec::new() };
    let mut rows = Vec::new();
    match (depth, here.node) {
        (Depth::Children, Node::Array(_) | Node::Object(_)) => {
            for child in children(&here) {
                rows.push(row(&child, None));
            }
        }
        (Depth::Children, Node::Scalar(_)) => rows.push(row(&here, None)),
        (Depth::All, _) => all(&here, None, &mut rows),
    }
    rows
}

fn all(here: &Here<'_, '_>, parent: Option<i64>, rows: &mut Vec<Row>) {
    rows.push(row(here, parent));
    for child in children(here) {
        all(&child, Some(here.id), rows);
    }
}

fn row(here: &Here<'_, '_>, parent: Option<i64>) -> Row {
    let value = here.node.sql();
    Row {
        key: here.key.clone(),
        atom: if matches!(here.node, Node::Scalar(_)) { value.clone() } else { None },
        value,
        kind: here.node.kind(),
        id: here.id,
        parent,
        fullkey: here.fullkey.clone(),
        path: here.path.clone(),
    }
}

/// How many numbers a value takes: one for itself and one for each name and value in it. They are what `id` counts.
fn size(node: &Node<'_>) -> i64 {
    1 + match node {
        Node::Scalar(_) => 0,
        Node::Array(items) => items.iter().map(size).sum(),
        Node::Object(members) => members.iter().map(|(_, value)| 1 + size(value)).sum(),
    }
}

fn children<'n, 'a>(here: &Here<'n, 'a>) -> Vec<Here<'n, 'a>> {
    let mut next = here.id + 1;
    match here.node {
        Node::Scalar(_) => Vec::new(),
        Node::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, node)| {
                let id = next;
                next += size(node);
                Here {
                    node,
                    key: Some(at.to_string()),
                    id,
                    fullkey: format!("{}[{at}]", here.fullkey),
                    path: here.fullkey.clone(),
                }
            })
            .collect(),
        Node::Object(members) => members
            .iter()
            .map(|(name, node)| {
                // The name has a number, too.
                let id = next + 1;
                next = id + size(node);
                let name = unquote(name);
                let fullkey = format!("{}.{}", here.fullkey, spelt(&name));
                Here { node, key: Some(name), id, fullkey, path: here.fullkey.clone() }
            })
            .collect(),
    }
}

fn down<'n, 'a>(here: &Here<'n, 'a>, step: &Step) -> Option<Here<'n, 'a>> {
    let at = match (step, here.node) {
        (Step::Member(wanted), Node::Object(members)) => members.iter().position(|(name, _)| is_named(name, wanted))?,
        (step, Node::Array(items)) => position(step, items.len())?,
        _ => return None,
    };
    children(here).into_iter().nth(at)
}

/// A name as a path has it: in quotes unless it is a plain word.
fn spelt(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    if plain { name.to_owned() } else { format!("\"{name}\"") }
}

#[cfg(test)]
mod tests {
    use super::super::document::document;
    use super::super::path::parse_path;
    use super::*;

    fn lines(text: &str, path: &str, depth: Depth) -> Vec<String> {
        let node = document(text).unwrap();
        let or = |text: Option<String>| text.unwrap_or("NULL".to_owned());
        rows(&node, &parse_path(path).unwrap(), depth)
            .into_iter()
            .map(|row| {
                let parent = or(row.parent.map(|id| id.to_string()));
                let (key, value, atom) = (or(row.key), or(row.value), or(row.atom));
                format!("{key}|{value}|{}|{atom}|{}|{parent}|{}|{}", row.kind, row.id, row.fullkey, row.path)
            })
            .collect()
    }

    /// The lines are what `sqlite3` 3.40 prints, except for `true`, which is 1 there.
    #[test]
    fn each_gives_the_members_of_one_value() {
        let text = r#"{"a":1,"b c":[1,2,{"d":null}],"e.f":"x","g":true,"1a":2.50,"_u":3,"é":4,"":5}"#;
        assert_eq!(
            lines(text, "$", Depth::Children),
            [
                "a|1|integer|1|2|NULL|$.a|$",
                "b c|[1,2,{\"d\":null}]|array|NULL|4|NULL|$.\"b c\"|$",
                "e.f|x|text|x|11|NULL|$.\"e.f\"|$",
                "g|true|true|true|13|NULL|$.g|$",
                "1a|2.50|real|2.50|15|NULL|$.\"1a\"|$",
                "_u|3|integer|3|17|NULL|$.\"_u\"|$",
                "é|4|integer|4|19|NULL|$.\"é\"|$",
                "|5|integer|5|21|NULL|$.\"\"|$",
            ]
        );
        assert_eq!(
            lines(r#"{"a":{"b":[10,20]}}"#, "$.a.b", Depth::Children),
            ["0|10|integer|10|5|NULL|$.a.b[0]|$.a.b", "1|20|integer|20|6|NULL|$.a.b[1]|$.a.b",]
        );
        assert_eq!(lines("5", "$", Depth::Children), ["NULL|5|integer|5|0|NULL|$|$"]);
        assert!(lines("[]", "$", Depth::Children).is_empty());
        assert!(lines("[1]", "$.a", Depth::Children).is_empty());
        assert_eq!(
            lines("[12345678901234567890123, 9007199254740993]", "$[0]", Depth::Children),
            ["0|12345678901234567890123|integer|12345678901234567890123|1|NULL|$[0]|$"]
        );
    }

    #[test]
    fn tree_gives_a_value_and_all_below_it() {
        assert_eq!(
            lines(r#"{"a":1,"b c":[1,2,{"d":null}],"g":"x"}"#, "$", Depth::All),
            [
                "NULL|{\"a\":1,\"b c\":[1,2,{\"d\":null}],\"g\":\"x\"}|object|NULL|0|NULL|$|$",
                "a|1|integer|1|2|0|$.a|$",
                "b c|[1,2,{\"d\":null}]|array|NULL|4|0|$.\"b c\"|$",
                "0|1|integer|1|5|4|$.\"b c\"[0]|$.\"b c\"",
                "1|2|integer|2|6|4|$.\"b c\"[1]|$.\"b c\"",
                "2|{\"d\":null}|object|NULL|7|4|$.\"b c\"[2]|$.\"b c\"",
                "d|NULL|null|NULL|9|7|$.\"b c\"[2].d|$.\"b c\"[2]",
                "g|x|text|x|11|0|$.g|$",
            ]
        );
        assert_eq!(
            lines(r#"{"a":{"b":[10,20]}}"#, "$.a.b", Depth::All),
            [
                "b|[10,20]|array|NULL|4|NULL|$.a.b|$.a",
                "0|10|integer|10|5|4|$.a.b[0]|$.a.b",
                "1|20|integer|20|6|4|$.a.b[1]|$.a.b",
            ]
        );
        assert_eq!(lines("[]", "$", Depth::All), ["NULL|[]|array|NULL|0|NULL|$|$"]);
    }
}
