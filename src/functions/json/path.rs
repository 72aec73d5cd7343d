//! Paths into a document, as `SQLite` writes them (<https://sqlite.org/json1.html#path_arguments>): `$`, `.name`,
//! `."name"`, `[n]`, `[#-n]`, and `[#]` for the place after the last element.

use std::borrow::Cow;

use datafusion::common::{Result, exec_err};

use super::document::{Node, quote, unquote};

/// One step down.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Member(String),
    Element(usize),
    FromEnd(usize),
}

/// A path as it was read last: in most queries all rows have the same.
#[derive(Debug, Default)]
pub(super) struct Paths {
    known: Option<(String, Vec<Step>)>,
}

impl Paths {
    /// The steps of a path.
    ///
    /// # Errors
    /// When it is not a path.
    pub(super) fn steps(&mut self, path: &str) -> Result<&[Step]> {
        if self.known.as_ref().is_none_or(|(text, _)| text != path) {
            self.known = Some((path.to_owned(), parse_path(path)?));
        }
        Ok(self.known.as_ref().map_or(&[], |(_, steps)| steps))
    }
}

/// The steps of a path.
pub(super) fn parse_path(path: &str) -> Result<Vec<Step>> {
    let wrong = || exec_err!("`{path}` is not a JSON path: write it as `$.name[0]`");
    let Some(mut rest) = path.strip_prefix('$') else { return wrong() };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(".\"") {
            let Some(end) = after.find('"') else { return wrong() };
            steps.push(Step::Member(after[..end].to_owned()));
            rest = &after[end + 1..];
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return wrong();
            }
            steps.push(Step::Member(after[..end].to_owned()));
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix('[') {
            let Some(end) = after.find(']') else { return wrong() };
            let inside = &after[..end];
            let step = match inside.strip_prefix('#') {
                Some("") => Ok(Step::FromEnd(0)),
                Some(back) => back.strip_prefix('-').unwrap_or_default().parse().map(Step::FromEnd),
                None => inside.parse().map(Step::Element),
            };
            let Ok(step) = step else { return wrong() };
            steps.push(step);
            rest = &after[end + 1..];
        } else {
            return wrong();
        }
    }
    Ok(steps)
}

/// Where an element stands in an array of this length.
pub(super) fn position(step: &Step, length: usize) -> Option<usize> {
    match step {
        Step::Member(_) => None,
        Step::Element(at) => Some(*at),
        Step::FromEnd(back) => length.checked_sub(*back),
    }
}

/// Whether a member's name, a JSON string, is this text.
pub(super) fn is_named(name: &str, wanted: &str) -> bool {
    if name.contains('\\') { unquote(name) == wanted } else { name.get(1..name.len() - 1) == Some(wanted) }
}

/// The value that a path leads to; the first of members with the same name.
pub(super) fn follow<'n, 'a>(node: &'n Node<'a>, steps: &[Step]) -> Option<&'n Node<'a>> {
    steps.iter().try_fold(node, |here, step| match (step, here) {
        (Step::Member(wanted), Node::Object(members)) => {
            members.iter().find(|(name, _)| is_named(name, wanted)).map(|(_, value)| value)
        }
        (step, Node::Array(items)) => items.get(position(step, items.len())?),
        _ => None,
    })
}

/// What [`place`] may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// Add what is not there.
    Insert,
    /// Change what is there.
    Replace,
    /// Both.
    Set,
}

/// Puts a value where a path leads. Nothing happens where there is no such place.
pub(super) fn place<'a>(node: &mut Node<'a>, steps: &[Step], value: Node<'a>, edit: Edit) {
    let Some((step, rest)) = steps.split_first() else {
        if edit != Edit::Insert {
            *node = value;
        }
        return;
    };
    match (step, node) {
        (Step::Member(wanted), Node::Object(members)) => {
            if let Some((_, there)) = members.iter_mut().find(|(name, _)| is_named(name, wanted)) {
                place(there, rest, value, edit);
            } else if edit != Edit::Replace
                && let Some(made) = make(rest, value)
            {
                members.push((Cow::Owned(quote(wanted)), made));
            }
        }
        (step, Node::Array(items)) => {
            let Some(at) = position(step, items.len()) else { return };
            if let Some(there) = items.get_mut(at) {
                place(there, rest, value, edit);
            } else if edit != Edit::Replace
                && at == items.len()
                && let Some(made) = make(rest, value)
            {
                items.push(made);
            }
        }
        _ => {}
    }
}

/// A value in new containers, as the steps to it want them.
fn make<'a>(steps: &[Step], value: Node<'a>) -> Option<Node<'a>> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    let made = make(rest, value)?;
    match step {
        Step::Member(name) => Some(Node::Object(vec![(Cow::Owned(quote(name)), made)])),
        Step::Element(0) | Step::FromEnd(0) => Some(Node::Array(vec![made])),
        Step::Element(_) | Step::FromEnd(_) => None,
    }
}

/// Takes out what a path of at least one step leads to.
pub(super) fn remove(node: &mut Node<'_>, steps: &[Step]) {
    let Some((step, rest)) = steps.split_first() else { return };
    match (step, node) {
        (Step::Member(wanted), Node::Object(members)) => {
            let Some(at) = members.iter().position(|(name, _)| is_named(name, wanted)) else { return };
            if rest.is_empty() {
                members.remove(at);
            } else {
                remove(&mut members[at].1, rest);
            }
        }
        (step, Node::Array(items)) => {
            let Some(at) = position(step, items.len()).filter(|at| *at < items.len()) else { return };
            if rest.is_empty() {
                items.remove(at);
            } else {
                remove(&mut items[at], rest);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::document;
    use super::*;

    const DOCUMENT: &str = r#"{"a": {"b c": [1, 2, {"d": "x"}]}, "n": null, "é\"": 7}"#;

    #[test]
    fn paths_lead_to_values() {
        let value = document(DOCUMENT).unwrap();
        let at = |path: &str| follow(&value, &parse_path(path).unwrap()).map(Node::json);
        for (path, wanted) in [
            ("$.a.\"b c\"[2].d", Some("\"x\"")),
            ("$.a.b c[0]", Some("1")),
            ("$.a.\"b c\"[#-1].d", Some("\"x\"")),
            ("$.a.none", None),
            ("$.a.\"b c\"[3]", None),
            ("$.a.\"b c\"[#]", None),
            ("$.a.\"b c\"[#-4]", None),
            ("$.n", Some("null")),
            ("$.a[0]", None),
            ("$.é\"", Some("7")),
        ] {
            assert_eq!(at(path).as_deref(), wanted, "{path}");
        }
        assert_eq!(at("$"), Some(value.json()));
        for bad in ["a.b", "$.", "$[x]", "$..a", "$x", "", "$[1", "$.\"a", "$[#1]", "$[#-x]", "$[-1]"] {
            assert!(parse_path(bad).is_err(), "{bad}");
        }
    }

    /// The wanted documents are `sqlite3`'s (3.40).
    #[test]
    fn edits_are_those_of_sqlite() {
        let edited = |text: &str, path: &str, value: &str, edit: Edit| {
            let mut node = document(text).unwrap();
            place(&mut node, &parse_path(path).unwrap(), document(value).unwrap(), edit);
            node.json()
        };
        for (text, path, edit, wanted) in [
            (r#"{"a":1}"#, "$.b.c", Edit::Set, r#"{"a":1,"b":{"c":9}}"#),
            (r#"{"a":1}"#, "$.a", Edit::Set, r#"{"a":9}"#),
            (r#"{"a":1}"#, "$.a", Edit::Insert, r#"{"a":1}"#),
            (r#"{"a":1}"#, "$.b", Edit::Replace, r#"{"a":1}"#),
            (r#"{"a":1}"#, "$.a.b", Edit::Set, r#"{"a":1}"#),
            ("[1]", "$[#]", Edit::Insert, "[1,9]"),
            ("[1]", "$[1]", Edit::Set, "[1,9]"),
            ("[1]", "$[2]", Edit::Set, "[1]"),
            ("[1,2]", "$[#-1]", Edit::Replace, "[1,9]"),
            ("[1]", "$", Edit::Set, "9"),
            ("[]", "$[0].x[0]", Edit::Insert, r#"[{"x":[9]}]"#),
        ] {
            assert_eq!(edited(text, path, "9", edit), wanted, "{text} {path}");
        }
        let mut node = document("[1,{\"a\":2,\"b\":3}]").unwrap();
        remove(&mut node, &parse_path("$[1].a").unwrap());
        remove(&mut node, &parse_path("$[7]").unwrap());
        assert_eq!(node.json(), "[1,{\"b\":3}]");
    }
}
