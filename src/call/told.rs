//! Whether a success is one that answers a call: what its method answers, and not an error or somebody else's page.
//!
//! *Invariants*: where the document's `success` rule speaks, it alone counts; an answer that holds a field of its method's
//! own is the API's; a success without a body says that it was done. What the document says nothing of makes a change
//! doubtful, and no read an error.

use serde_json::Value;

use super::answer::{self, message};
use super::send::Said;
use crate::error::{Error, ErrorKind, tidy};
use crate::http::{Answer, Authorizer};
use crate::provider::{Column, Effect, ItemShape, Method, essence, is_json, tells_secret_field};
use crate::rows::ItemPath;

/// How much of an answer that is none is shown, in characters.
const SHOWN: usize = 60;

/// Where APIs put errors, and hardly anything else, that no document describes.
const USUAL: [&str; 8] = [
    "$.error.message",
    "$.errors[*].message",
    "$.errors[*].reason",
    "$.errors[*].detail",
    "$.error_description",
    "$.error",
    "$.errors[*]",
    "$.errors[*][*]",
];

/// What is `false` beside an error, in answers that no document describes.
const FLAGS: [&str; 2] = ["success", "ok"];

/// Why an answer does not say that its call was done; `None` where it does.
pub(super) fn doubt(method: &Method, answer: &Answer, said: &Said, authorizer: Option<&Authorizer>) -> Option<Error> {
    if method.success.is_some() {
        return None;
    }
    let value = match said {
        Said::Text(text) if expects_json(method, answer) => {
            let message = format!("the answer is {}, and no JSON", quoted(method, text, authorizer));
            return Some(Error::new(ErrorKind::Decode, message));
        }
        // Somebody else's page, unless the document says such answers.
        Said::Text(text) if text.trim_start().starts_with('<') && !is_declared(method, answer) => {
            let message = format!("the answer is {}", quoted(method, text, authorizer));
            return Some(Error::new(ErrorKind::Decode, message));
        }
        Said::Text(_) => return None,
        Said::Json(value) => value,
    };
    let is_list = value.as_array().is_some_and(|items| {
        method.response.items == ItemShape::List || !items.is_empty() && holds_field(method, &items[0])
    });
    if expects_object(method) && !value.is_object() && !is_list {
        let what = match value {
            Value::String(text) => quoted(method, text, authorizer),
            Value::Array(_) => "a list".to_owned(),
            other => format!("`{other}`"),
        };
        return Some(Error::new(ErrorKind::Decode, format!("the answer is {what}, where the document says an object")));
    }
    if holds_error(method, value) && !holds_field(method, value) {
        let text = message(method, &answer.body, authorizer).unwrap_or_else(|| "it gives no reason".to_owned());
        let status = answer.status.as_u16();
        return Some(Error::new(ErrorKind::Api, format!("the API answered {status} with an error: {text}")));
    }
    None
}

/// The beginning of a text that an API answered, unless its answers hold secrets.
fn quoted(method: &Method, text: &str, authorizer: Option<&Authorizer>) -> String {
    if method.response.columns.iter().any(|column| column.secret || tells_secret_field(&column.name)) {
        return "a text".to_owned();
    }
    let text = tidy(&authorizer.map_or_else(|| text.to_owned(), |authorizer| authorizer.conceal(text)));
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("the text `{}…`", &text[..end]),
        None => format!("the text `{text}`"),
    }
}

/// Whether an answer that is no JSON is none of the API's.
fn expects_json(method: &Method, answer: &Answer) -> bool {
    let shape = &method.response;
    let claimed = is_json(&answer::media_type(&answer.headers));
    if shape.items == ItemShape::Empty || shape.is_open() { claimed } else { shape.is_json() }
}

/// Whether an answer is of the media type that the document says.
fn is_declared(method: &Method, answer: &Answer) -> bool {
    answer::media_type(&answer.headers) == essence(&method.response.media_type)
}

/// Whether the document names fields of the answer. Where it names none, `null` and `[]` say as little as `{}`.
fn expects_object(method: &Method) -> bool {
    let shape = &method.response;
    let is_inside = shape.item_path != "$";
    shape.is_json()
        && !shape.columns.is_empty()
        && (is_inside || matches!(shape.items, ItemShape::Object | ItemShape::Map))
}

/// Whether there is text where errors have theirs. Where no field of a good answer is known, all that the document says of
/// an error must be there.
fn holds_error(method: &Method, value: &Value) -> bool {
    let holds = |path: &str| {
        let found = ItemPath::parse(path);
        found
            .is_ok_and(|path| path.select(value).into_iter().any(|value| value.as_str().is_some_and(|s| !s.is_empty())))
    };
    let Some(declared) = &method.error.message else {
        if method.effect == Effect::Read {
            return false;
        }
        return USUAL.into_iter().any(holds) || FLAGS.iter().any(|flag| value.get(flag) == Some(&Value::Bool(false)));
    };
    let is_known = !method.response.columns.is_empty();
    holds(declared) && (is_known || method.error.code.as_deref().is_none_or(holds))
}

/// Whether the answer has a field that its method's answers have, other than one where errors have their code.
fn holds_field(method: &Method, value: &Value) -> bool {
    let shape = &method.response;
    let Ok(path) = ItemPath::parse(&shape.item_path) else { return true };
    let code = method.error.code.as_deref().and_then(|code| code.strip_prefix("$."));
    let is_code = |column: &Column| shape.item_path == "$" && code == Some(column.name.as_str());
    let is_own = |item: &Value| shape.columns.iter().any(|column| !is_code(column) && column.value_in(item).is_some());
    path.select(value).into_iter().any(|found| match (found, shape.items) {
        (Value::Array(items), _) => items.is_empty() || items.iter().any(is_own),
        (Value::Object(items), ItemShape::Map) => items.is_empty() || items.values().any(is_own),
        (Value::Null | Value::Object(_), ItemShape::Scalar) => false,
        (_, ItemShape::Scalar) => true,
        (item, _) => is_own(item),
    })
}
