//! Answers in the API's shapes: items at their paths, envelopes, errors.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::chance::{Chance, Part};
use super::refusal::{Fault, Refusal};
use super::rows::text_of;
use super::state::Row;
use crate::provider::{Column, ErrorPaths, ItemShape, Method, ResponseShape, SuccessRule};

/// The length of a binary answer, in bytes.
const BINARY_LENGTH: usize = 4096;

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { status, headers, body: Bytes::from(body.to_string()) }
    }

    pub(super) fn bytes(body: Vec<u8>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))]);
        Self { status: StatusCode::OK, headers, body: Bytes::from(body) }
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(super) fn with(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// The bytes of an object: always the same ones.
pub(super) fn binary(seed: u64, table: &str, row: Option<&Row>) -> Answer {
    let which = row.map(|row| Value::Object(row.values.clone()).to_string()).unwrap_or_default();
    let parts = [Part::Number(seed), Part::Text(table), Part::Text(&which)];
    Answer::bytes(Chance::new(&parts).bytes(BINARY_LENGTH))
}

/// How an API says that something went wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct ErrorForm {
    paths: ErrorPaths,
    success: Option<SuccessRule>,
}

impl ErrorForm {
    pub(super) fn of(method: &Method) -> Self {
        Self { paths: method.error.clone(), success: method.success.clone() }
    }

    /// Whether the document says anything about errors.
    pub(super) fn is_known(&self) -> bool {
        self.paths.message.is_some() || self.success.is_some()
    }

    /// An answer of the operation: an API that has a flag for success says no with a 200.
    pub(super) fn answer(&self, refusal: &Refusal) -> Answer {
        let status = if self.success.is_some() { StatusCode::OK } else { refusal.status };
        Answer::json(status, &self.body(refusal))
    }

    /// An answer of the server before any operation: the status is the refusal's in every API.
    pub(super) fn answer_of_server(&self, refusal: &Refusal) -> Answer {
        Answer::json(refusal.status, &self.body(refusal))
    }

    fn body(&self, refusal: &Refusal) -> Value {
        let mut body = Value::Object(Map::new());
        if let Some(success) = &self.success {
            let no = match &success.equals {
                Value::Bool(yes) => Value::Bool(!yes),
                Value::Number(_) => Value::from(-1),
                _ => Value::from("no"),
            };
            put(&mut body, &success.path, no);
        }
        if let Some(code) = &self.paths.code {
            put(&mut body, code, Value::from(refusal.code()));
        }
        let path = self.paths.message.as_deref().unwrap_or("$.message");
        let steps = steps(path).unwrap_or_default();
        match steps.iter().rposition(|step| *step == Step::Each) {
            // One error per fault, beside whose text the field stands, as Linode has it.
            Some(at) if at + 1 < steps.len() => {
                let (list, text) = (&steps[..at], &steps[at + 1..]);
                let one = |fault: &Fault| {
                    let mut error = wrapped(text, Value::from(fault.reason.as_str()));
                    if let Some(field) = &fault.field {
                        put(&mut error, "$.field", Value::from(field.as_str()));
                    }
                    error
                };
                set(&mut body, list, refusal.faults.iter().map(one).collect());
            }
            _ => put(&mut body, path, Value::from(refusal.message())),
        }
        body
    }
}

/// The answer with these rows, and what the page states.
pub(super) fn rows(method: &Method, rows: &[&Row], stated: Vec<(String, Value)>) -> Value {
    let shape = &method.response;
    let mut body = match steps(&shape.item_path) {
        Some(steps) => items(shape, rows, &steps),
        None => items(shape, rows, &[]),
    };
    if body.is_object() {
        if let Some(success) = &method.success {
            put(&mut body, &success.path, success.equals.clone());
        }
        for (path, value) in stated {
            put(&mut body, &path, value);
        }
    }
    body
}

fn items(shape: &ResponseShape, rows: &[&Row], steps: &[Step]) -> Value {
    let each = steps.iter().position(|step| *step == Step::Each);
    let (before, behind) = each.map_or((steps, &[][..]), |at| (&steps[..at], &steps[at + 1..]));
    match shape.items {
        ItemShape::List | ItemShape::Scalar => {
            let all = rows.iter().map(|row| wrapped(behind, item(shape, row))).collect();
            wrapped(before, all)
        }
        ItemShape::Map => {
            let all: Map<String, Value> =
                rows.iter().map(|row| (key(row), wrapped(behind, item(shape, row)))).collect();
            wrapped(before, Value::Object(all))
        }
        ItemShape::Object | ItemShape::Binary | ItemShape::Empty => {
            wrapped(steps, rows.first().map_or_else(|| Value::Object(Map::new()), |row| item(shape, row)))
        }
    }
}

/// One row as an object of these columns.
pub(super) fn object<'a>(columns: impl IntoIterator<Item = &'a Column>, row: &Row) -> Value {
    let mut object = Value::Object(Map::new());
    for column in columns {
        let Some(value) = row.values.get(&column.name) else { continue };
        match &column.source {
            None => set(&mut object, &[Step::Key(column.name.clone())], value.clone()),
            Some(path) => set(&mut object, &path.iter().cloned().map(Step::Key).collect::<Vec<_>>(), value.clone()),
        }
    }
    object
}

fn item(shape: &ResponseShape, row: &Row) -> Value {
    if shape.items == ItemShape::Scalar {
        let column = shape.columns.first().map_or("value", |column| column.name.as_str());
        return row.values.get(column).cloned().unwrap_or(Value::Null);
    }
    // The key of a map stands beside the row, not in it.
    let is_key = |column: &Column| shape.items == ItemShape::Map && column.name == "key";
    object(shape.columns.iter().filter(|column| !is_key(column)), row)
}

/// The key of a row in an object whose values are the rows.
fn key(row: &Row) -> String {
    ["key", "id", "name"].into_iter().find_map(|name| row.values.get(name)).map(text_of).unwrap_or_default()
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    /// `[*]` or `.*`: each element.
    Each,
    /// `[0]`: when writing, the first element.
    Index,
}

/// The steps of a JSONPath; `None` when it is more than a path of keys, indices and wildcards.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (word, behind) = inside.split_once(']')?;
            let quoted = |quote| word.strip_prefix(quote).and_then(|word| word.strip_suffix(quote));
            steps.push(match word {
                "*" => Step::Each,
                _ => match quoted('\'').or_else(|| quoted('"')) {
                    Some(key) => Step::Key(key.to_owned()),
                    None => word.parse::<u64>().ok().map(|_| Step::Index)?,
                },
            });
            rest = behind;
            continue;
        }
        let name = rest.strip_prefix('.').unwrap_or(rest);
        let end = name.find(['.', '[']).unwrap_or(name.len());
        match &name[..end] {
            "" | "?" | "@" => return None,
            "*" => steps.push(Step::Each),
            key => steps.push(Step::Key(key.to_owned())),
        }
        rest = &name[end..];
    }
    Some(steps)
}

/// Puts a value at a path, as far as the path can be written to.
fn put(root: &mut Value, path: &str, value: Value) {
    if let Some(steps) = steps(path).filter(|steps| !steps.is_empty()) {
        set(root, &steps, value);
    }
}

fn set(root: &mut Value, steps: &[Step], value: Value) {
    let Some((step, rest)) = steps.split_first() else {
        *root = value;
        return;
    };
    match step {
        Step::Key(key) => {
            if !root.is_object() {
                *root = Value::Object(Map::new());
            }
            if let Value::Object(fields) = root {
                set(fields.entry(key.clone()).or_insert(Value::Null), rest, value);
            }
        }
        Step::Each | Step::Index => {
            if !root.is_array() {
                *root = Value::Array(vec![Value::Null]);
            }
            if let Value::Array(values) = root {
                if values.is_empty() {
                    values.push(Value::Null);
                }
                set(&mut values[0], rest, value);
            }
        }
    }
}

fn wrapped(steps: &[Step], value: Value) -> Value {
    let mut root = Value::Null;
    set(&mut root, steps, value);
    root
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::{column, method};
    use super::*;
    use crate::provider::ValueType;
    use serde_json::json;

    fn row(values: &Value) -> Row {
        Row { number: 0, values: values.as_object().cloned().unwrap(), parents: BTreeMap::default() }
    }

    #[test]
    fn items_stand_at_their_path() {
        let rows_of = |path: &str, items: ItemShape| {
            let mut method = method("/x");
            method.response.item_path = path.to_owned();
            method.response.items = items;
            method.response.columns = vec![column("id", ValueType::Integer), column("key", ValueType::Text)];
            method.response.columns[1].source = Some(vec!["meta".to_owned(), "key".to_owned()]);
            let (one, two) = (row(&json!({"id": 1, "key": "a"})), row(&json!({"id": 2, "key": "b"})));
            rows(&method, &[&one, &two], vec![("$.meta.total".to_owned(), json!(2))])
        };
        let (one, two) = (json!({"id": 1, "meta": {"key": "a"}}), json!({"id": 2, "meta": {"key": "b"}}));
        for (path, items, wanted) in [
            ("$.data", ItemShape::List, json!({"data": [one, two], "meta": {"total": 2}})),
            ("$.data[*]", ItemShape::List, json!({"data": [one, two], "meta": {"total": 2}})),
            ("$['a'].b[*].c", ItemShape::List, json!({"a": {"b": [{"c": one}, {"c": two}]}, "meta": {"total": 2}})),
            ("$", ItemShape::List, json!([one, two])),
            ("$[*]", ItemShape::List, json!([one, two])),
            ("$.checks", ItemShape::Map, json!({"checks": {"a": {"id": 1}, "b": {"id": 2}}, "meta": {"total": 2}})),
            ("$.checks.*", ItemShape::Map, json!({"checks": {"a": {"id": 1}, "b": {"id": 2}}, "meta": {"total": 2}})),
            ("$.image", ItemShape::Object, json!({"image": one, "meta": {"total": 2}})),
            ("$.image[0]", ItemShape::Object, json!({"image": [one], "meta": {"total": 2}})),
            ("$.ids", ItemShape::Scalar, json!({"ids": [1, 2], "meta": {"total": 2}})),
            ("$..x", ItemShape::List, json!([one, two])),
        ] {
            assert_eq!(rows_of(path, items), wanted, "{path}");
        }
    }

    #[test]
    fn errors_have_the_apis_shape() {
        let form = |message: Option<&str>, code: Option<&str>, equals: Option<Value>| ErrorForm {
            paths: ErrorPaths { message: message.map(str::to_owned), code: code.map(str::to_owned) },
            success: equals.map(|equals| SuccessRule { path: "$.success".to_owned(), equals }),
        };
        let missing = Refusal::not_found();
        for (form, status, wanted) in [
            (form(Some("$.errors[*].reason"), None, None), 404, json!({"errors": [{"reason": "Not found"}]})),
            (form(Some("$.message"), Some("$.id"), None), 404, json!({"id": "not_found", "message": "Not found"})),
            (form(Some("$.error"), None, Some(json!("yes"))), 200, json!({"success": "no", "error": "Not found"})),
            (form(None, None, Some(json!(true))), 200, json!({"success": false, "message": "Not found"})),
            (form(None, None, None), 404, json!({"message": "Not found"})),
        ] {
            let answer = form.answer(&missing);
            assert_eq!(answer.status.as_u16(), status);
            assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), wanted);
            assert_eq!(form.answer_of_server(&missing).status, StatusCode::NOT_FOUND);
        }
        let faults = ["label", "region"].map(|field| Fault::of(field, "is required")).to_vec();
        let two = Refusal::invalid(StatusCode::UNPROCESSABLE_ENTITY, faults);
        for (form, wanted) in [
            (
                form(Some("$.errors[*].reason"), None, None),
                json!({"errors": [{"reason": "label is required", "field": "label"}, {"reason": "region is required", "field": "region"}]}),
            ),
            (
                form(Some("$.message"), Some("$.id"), None),
                json!({"id": "unprocessable_entity", "message": "label is required; region is required"}),
            ),
            (form(Some("$.errors[*]"), None, None), json!({"errors": ["label is required; region is required"]})),
        ] {
            assert_eq!(form.body(&two), wanted);
        }
    }
}
