//! Functions that make or change a document: `json`, `json_object`, `json_set`, …

use std::borrow::Cow;

use arrow::array::ArrayRef;
use datafusion::common::{Result, exec_err, plan_err};

use super::document::{Node, document, parse};
use super::path::{Edit, Paths, place, remove};
use super::read::member;
use crate::functions::scalar::{Arguments, Output, Scalar, texts};

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new(
            "json",
            1..=1,
            |_| Output::Json,
            |arguments| {
                let text = &arguments.columns[0];
                texts(arguments.rows, |row| text.text(row).map(|text| Ok(parse(&text, "json")?.json())).transpose())
            },
        ),
        Scalar::new(
            "json_quote",
            1..=1,
            |_| Output::Json,
            |arguments| {
                let value = &arguments.columns[0];
                texts(arguments.rows, |row| value.json(row).map(|json| Some(json.into_owned())))
            },
        ),
        Scalar::new(
            "json_array",
            0..=usize::MAX,
            |_| Output::Json,
            |arguments| {
                texts(arguments.rows, |row| {
                    let items = arguments.columns.iter().map(|column| column.json(row)).collect::<Result<Vec<_>>>()?;
                    Ok(Some(format!("[{}]", items.join(","))))
                })
            },
        ),
        Scalar::new("json_object", 0..=usize::MAX, |_| Output::Json, object),
        Scalar::new("json_set", 1..=usize::MAX, |_| Output::Json, |arguments| edit(arguments, "json_set", Edit::Set)),
        Scalar::new(
            "json_insert",
            1..=usize::MAX,
            |_| Output::Json,
            |arguments| edit(arguments, "json_insert", Edit::Insert),
        ),
        Scalar::new(
            "json_replace",
            1..=usize::MAX,
            |_| Output::Json,
            |arguments| edit(arguments, "json_replace", Edit::Replace),
        ),
        Scalar::new("json_remove", 1..=usize::MAX, |_| Output::Json, removed),
        Scalar::new("json_patch", 2..=2, |_| Output::Json, patched),
    ]
}

fn object(arguments: &Arguments) -> Result<ArrayRef> {
    let pairs = arguments.columns.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return plan_err!("`json_object` is called as `json_object(name, value, …)`: a name has no value");
    }
    texts(arguments.rows, |row| {
        let members = pairs.clone().map(|pair| member(&pair[0], &pair[1], row, "json_object"));
        Ok(Some(format!("{{{}}}", members.collect::<Result<Vec<_>>>()?.join(","))))
    })
}

fn edit(arguments: &Arguments, function: &str, edit: Edit) -> Result<ArrayRef> {
    let Some((text, pairs)) = arguments.columns.split_first() else { return texts(0, |_| Ok(None)) };
    let pairs = pairs.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return plan_err!("`{function}` is called as `{function}(json, path, value, …)`: a path has no value");
    }
    let mut known: Vec<Paths> = pairs.clone().map(|_| Paths::default()).collect();
    texts(arguments.rows, |row| {
        let Some(text) = text.text(row) else { return Ok(None) };
        let mut node = parse(&text, function)?;
        for (pair, known) in pairs.clone().zip(&mut known) {
            // As in SQLite, a path that is NULL leads nowhere.
            let Some(path) = pair[0].text(row) else { continue };
            place(&mut node, known.steps(&path)?, owned(&pair[1].json(row)?)?, edit);
        }
        Ok(Some(node.json()))
    })
}

fn removed(arguments: &Arguments) -> Result<ArrayRef> {
    let Some((text, paths)) = arguments.columns.split_first() else { return texts(0, |_| Ok(None)) };
    let mut known: Vec<Paths> = paths.iter().map(|_| Paths::default()).collect();
    texts(arguments.rows, |row| {
        let Some(text) = text.text(row) else { return Ok(None) };
        let mut node = parse(&text, "json_remove")?;
        for (path, known) in paths.iter().zip(&mut known) {
            let Some(path) = path.text(row) else { continue };
            let steps = known.steps(&path)?;
            if steps.is_empty() {
                return Ok(None);
            }
            remove(&mut node, steps);
        }
        Ok(Some(node.json()))
    })
}

/// RFC 7396.
fn patched(arguments: &Arguments) -> Result<ArrayRef> {
    let [text, patch] = arguments.columns.as_slice() else { return texts(0, |_| Ok(None)) };
    texts(arguments.rows, |row| {
        let (Some(text), Some(patch)) = (text.text(row), patch.text(row)) else { return Ok(None) };
        Ok(Some(merge(parse(&text, "json_patch")?, parse(&patch, "json_patch")?).json()))
    })
}

fn merge<'a>(target: Node<'a>, patch: Node<'a>) -> Node<'a> {
    let Node::Object(changes) = patch else { return patch };
    let mut members = if let Node::Object(members) = target { members } else { Vec::new() };
    for (name, change) in changes {
        let at = members.iter().position(|(known, _)| *known == name);
        match (at, change.is_null()) {
            (Some(at), true) => {
                members.remove(at);
            }
            (None, true) => {}
            (Some(at), false) => {
                let there = std::mem::replace(&mut members[at].1, Node::Array(Vec::new()));
                members[at].1 = merge(there, change);
            }
            (None, false) => members.push((name, merge(Node::Object(Vec::new()), change))),
        }
    }
    Node::Object(members)
}

/// A value in a document of its own life.
fn owned(json: &str) -> Result<Node<'static>> {
    fn own(node: Node<'_>) -> Node<'static> {
        match node {
            Node::Scalar(text) => Node::Scalar(Cow::Owned(text.into_owned())),
            Node::Array(items) => Node::Array(items.into_iter().map(own).collect()),
            Node::Object(members) => Node::Object(
                members.into_iter().map(|(name, value)| (Cow::Owned(name.into_owned()), own(value))).collect(),
            ),
        }
    }
    match document(json) {
        Ok(node) => Ok(own(node)),
        Err(_) => exec_err!("a value has no JSON"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn patches_follow_the_rfc() {
        for (text, patch, wanted) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merge(document(text).unwrap(), document(patch).unwrap()).json(), wanted, "{text} {patch}");
        }
    }
}
