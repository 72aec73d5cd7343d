//! Request bodies: their fields, by media type, and whether they are what the document says.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::Incoming;
use super::refusal::{Fault, Refusal};
use super::rows::text_of;
use crate::provider::{BodyMedia, Location, Method, Parameter, ValueType};

/// The fields of a body.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) fields: Map<String, Value>,
    /// Whether values keep their JSON types. Forms, and APIs that sign a form, write everything as text.
    pub(super) typed: bool,
}

impl Body {
    /// What a signature wrapped.
    pub(super) fn signed(fields: Map<String, Value>) -> Self {
        Self { fields, typed: false }
    }

    /// Reads the body of a request by its media type.
    ///
    /// # Errors
    /// 400 when the text is not what the media type says, 415 when that is not the operation's.
    pub(super) fn read(method: &Method, incoming: &Incoming) -> Result<Self, Refusal> {
        let Some(request) = method.request.as_ref().filter(|_| !incoming.body.is_empty()) else {
            return Ok(Self::default());
        };
        let sent = incoming.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let untyped = |fields| Self { fields, typed: false };
        if sent.starts_with("application/x-www-form-urlencoded") {
            return Ok(untyped(form(&incoming.body)));
        }
        match request.media {
            BodyMedia::Form => Ok(untyped(form(&incoming.body))),
            BodyMedia::Json if !sent.is_empty() && !sent.contains("json") => {
                Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON"))
            }
            // A body that is no object has no fields to look at.
            BodyMedia::Json if request.ty == Some(ValueType::Array) => {
                serde_json::from_slice::<Vec<Value>>(&incoming.body)
                    .map(|_| Self::default())
                    .map_err(|_| Refusal::bad_request("The body is not a JSON array"))
            }
            BodyMedia::Json => Ok(Self { fields: object(&incoming.body)?, typed: true }),
            BodyMedia::Multipart => multipart(sent, &incoming.body)
                .map(untyped)
                .ok_or_else(|| Refusal::bad_request("The body is not multipart/form-data")),
            BodyMedia::Bytes | BodyMedia::Xml => Ok(Self::default()),
        }
    }

    /// What is wrong with the fields of a write: unknown ones, and values of another type.
    pub(super) fn faults(&self, method: &Method, read_only: impl Fn(&str) -> bool) -> Vec<Fault> {
        let Some(request) = &method.request else { return Vec::new() };
        let known =
            |name: &str| method.parameters.iter().find(|known| known.location == Location::Body && known.wire == name);
        let mut faults = Vec::new();
        for (name, value) in &self.fields {
            match known(name) {
                Some(parameter) if self.typed => {
                    faults.extend(wrong_type(parameter, value).map(|expected| Fault::of(name, expected)));
                }
                Some(_) => {}
                None if read_only(name) => faults.push(Fault::of(name, "is read-only")),
                None if request.open => {}
                None => faults.push(Fault::of(name, "is not a known field")),
            }
        }
        faults
    }
}

/// What a JSON value should have been. Null is taken for "not said", which only a required field minds.
fn wrong_type(parameter: &Parameter, value: &Value) -> Option<&'static str> {
    let wants_text = parameter.text_only || matches!(parameter.ty, ValueType::Text | ValueType::Timestamp);
    let is_whole = |value: &Value| value.is_i64() || value.is_u64();
    let expected = match parameter.ty {
        _ if value.is_null() => return None,
        _ if wants_text => (value.is_string(), "must be a string"),
        ValueType::Integer => (is_whole(value), "must be a whole number"),
        ValueType::Number => (value.is_number(), "must be a number"),
        ValueType::Boolean => (value.is_boolean(), "must be true or false"),
        ValueType::Array => (value.is_array(), "must be an array"),
        ValueType::Object => (value.is_object(), "must be an object"),
        _ => return None,
    };
    (!expected.0).then_some(expected.1)
}

/// What is wrong with one value of a parameter that travels as text or as a scalar.
pub(super) fn wrong_value(parameter: &Parameter, value: &Value) -> Option<Fault> {
    let name = &parameter.wire;
    let fault = |reason: String| Some(Fault::of(name, &reason));
    let text = text_of(value);
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let is_whole = || text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    match parameter.ty {
        ValueType::Integer if !is_whole() => return fault("must be a whole number".to_owned()),
        ValueType::Number if number.is_none() => return fault("must be a number".to_owned()),
        ValueType::Boolean if text.parse::<bool>().is_err() => return fault("must be true or false".to_owned()),
        _ => {}
    }
    if !parameter.values.is_empty() && !parameter.values.iter().any(|known| text_of(known) == text) {
        let known: Vec<String> = parameter.values.iter().map(text_of).collect();
        return fault(format!("must be one of {}", known.join(", ")));
    }
    if !matches!(parameter.ty, ValueType::Integer | ValueType::Number) {
        return None;
    }
    let below = parameter.minimum.filter(|minimum| number.is_some_and(|number| number < *minimum));
    let above = parameter.maximum.filter(|maximum| number.is_some_and(|number| number > *maximum));
    match (below, above) {
        (Some(minimum), _) => fault(format!("must be at least {minimum}")),
        (None, Some(maximum)) => fault(format!("must be at most {maximum}")),
        (None, None) => None,
    }
}

fn form(body: &[u8]) -> Map<String, Value> {
    form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect()
}

/// The JSON object a text holds.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::bad_request("The body is not a JSON object"))
}

/// The parts of a form (RFC 7578) by name; what is no text is read as far as it is. `None` when it is no such form.
fn multipart(content_type: &str, body: &[u8]) -> Option<Map<String, Value>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"'))
    })?;
    // RFC 2046 §5.1.1: a delimiter is a line of its own; the first one may open the body.
    let delimiter = format!("\r\n--{boundary}");
    let body = [b"\r\n", body].concat();
    let mut fields = Map::new();
    let mut rest = behind(&body, delimiter.as_bytes())?;
    while !rest.starts_with(b"--") {
        let part = behind(rest, b"\r\n")?;
        let end = position(part, delimiter.as_bytes())?;
        let (name, value) = part_of(part.get(..end)?)?;
        fields.insert(name, value);
        rest = behind(part, delimiter.as_bytes())?;
    }
    Some(fields)
}

/// The name and the value of one part.
fn part_of(part: &[u8]) -> Option<(String, Value)> {
    let value = behind(part, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(part.get(..part.len() - value.len())?).into_owned();
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let name = disposition.split(';').find_map(|word| word.trim().strip_prefix("name="))?;
    Some((name.trim_matches('"').to_owned(), Value::String(String::from_utf8_lossy(value).into_owned())))
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn behind<'a>(text: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    text.get(position(text, wanted)? + wanted.len()..)
}

#[cfg(test)]
mod tests {
    use super::super::testing::parameter;
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_of_a_form_are_read_by_name() {
        let body = "--x y\r\nContent-Disposition: form-data; name=\"label\"\r\n\r\ngold\r\n--x y\r\n\
            content-disposition: form-data; name=\"file\"; filename=\"a.img\"\r\nContent-Type: application/octet-stream\r\n\r\n\
            1\r\n\r\n--2\r\n--x y--\r\n";
        let read = |content_type: &str, body: &str| multipart(content_type, body.as_bytes()).map(Value::Object);
        let wanted = json!({"label": "gold", "file": "1\r\n\r\n--2"});
        assert_eq!(read("multipart/form-data; boundary=\"x y\"", body), Some(wanted));
        assert_eq!(read("Multipart/Form-Data; charset=utf-8; Boundary=b", "--b--"), Some(json!({})));
        for (content_type, body) in [
            ("multipart/form-data", "--b--"),
            ("text/plain; boundary=b", "--b--"),
            ("multipart/form-data; boundary=b", ""),
            ("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1"),
            ("multipart/form-data; boundary=b", "--b\r\n\r\n1\r\n--b--"),
        ] {
            assert_eq!(read(content_type, body), None, "{content_type} {body}");
        }
    }

    #[test]
    fn json_values_have_the_types_of_the_document() {
        for (ty, right, wrong) in [
            (ValueType::Text, json!("5"), json!(5)),
            (ValueType::Integer, json!(5), json!("5")),
            (ValueType::Integer, json!(u64::MAX), json!(5.5)),
            (ValueType::Number, json!(5), json!("5")),
            (ValueType::Boolean, json!(true), json!("true")),
            (ValueType::Array, json!([]), json!("[]")),
            (ValueType::Object, json!({}), json!([])),
        ] {
            let field = parameter("x", Location::Body, ty);
            assert_eq!(wrong_type(&field, &right), None, "{right}");
            assert!(wrong_type(&field, &wrong).is_some(), "{wrong}");
            assert_eq!(wrong_type(&field, &Value::Null), None);
        }
        let as_text = Parameter { text_only: true, ..parameter("x", Location::Body, ValueType::Object) };
        assert!(wrong_type(&as_text, &json!({})).is_some() && wrong_type(&as_text, &json!("{}")).is_none());
    }
}
