//! A good answer, no such object, or an error that says what the API said.

use std::time::Duration;

use serde_json::Value;

use super::endpoint::without_user;
use super::request::shown_url;
use crate::error::{Error, ErrorKind, Result, tidy};
use crate::http::{
    Answer, Authorizer, HeaderMap, HeaderValue, Outgoing, Repeat, Request, StatusCode, Url, asked_pause, passes,
};
use crate::provider::{Auth, Method, essence};
use crate::rows::ItemPath;

/// An answer that says more says no errors: no longer one is read for them.
pub(super) const LONGEST_SAID: usize = 1_000_000;

/// What an answer is, before its body is decoded.
#[derive(Debug)]
pub(super) enum Verdict {
    /// A success with a body.
    Good,
    /// A success without a body.
    Empty,
    /// 404 with the API's own kind of body.
    NotFound(Error),
}

/// Tells a good answer from a bad one.
///
/// # Errors
/// `Auth` for 401 and 403, `RateLimited` for 429, `Api` for other bad statuses and redirects, `Decode` when a success is
/// of a media type that cannot hold rows.
pub(super) fn judge(method: &Method, outgoing: &Outgoing, answer: &Answer) -> Result<Verdict> {
    let (request, authorizer) = (&outgoing.request, outgoing.authorizer.as_deref());
    let status = answer.status.as_u16();
    if answer.status.is_success() {
        if answer.body.is_empty() || status == 204 {
            return Ok(Verdict::Empty);
        }
        if !may_hold_rows(answer.status, &answer.headers) {
            let (media, declared) = (media_type(&answer.headers), essence(&method.response.media_type));
            let wanted = if declared.ends_with("xml") { format!("`{declared}`") } else { "JSON".to_owned() };
            return Err(describe(
                Error::new(ErrorKind::Decode, format!("the API answered with `{media}` where {wanted} was expected")),
                method,
                request,
                answer,
            )
            .hint("is the base URL right? a proxy or a login page may have answered"));
        }
        return Ok(Verdict::Good);
    }
    if answer.status.is_redirection()
        && let Some(location) = answer.headers.get("location")
    {
        let target = redirected_to(&request.url, location, authorizer);
        return Err(describe(
            Error::new(ErrorKind::Api, format!("the API redirects to {target}, which is not followed")),
            method,
            request,
            answer,
        )
        .hint("set `--base-url` to where the API really is"));
    }
    let said = message(method, &answer.body, authorizer);
    let text = |fallback: &str| said.clone().unwrap_or_else(|| fallback.to_owned());
    let error = match status {
        401 => {
            let variables: Vec<String> = method.auth.variables().iter().map(|name| format!("`{name}`")).collect();
            let error = Error::new(
                ErrorKind::Auth,
                format!("the API did not accept the credential: {}", text("401 Unauthorized")),
            );
            if variables.is_empty() || matches!(method.auth, Auth::None) {
                error.hint("the provider document names no credential for this method")
            } else {
                error.hint(format!("check {}", variables.join(" and ")))
            }
        }
        403 => Error::new(ErrorKind::Auth, format!("the API forbids this: {}", text("403 Forbidden")))
            .hint("the credential lacks a permission or a scope"),
        404 => Error::new(ErrorKind::Api, format!("the API has no such object: {}", text("404 Not Found"))),
        429 => Error::new(
            ErrorKind::RateLimited,
            format!(
                "the API's rate limit was still in force after {} attempts: {}",
                answer.attempts,
                text("429 Too Many Requests")
            ),
        )
        .hint("wait and try again, or narrow the query"),
        _ => Error::new(
            ErrorKind::Api,
            format!(
                "the API answered {status}: {}",
                text(answer.status.canonical_reason().unwrap_or("no reason given"))
            ),
        ),
    };
    let error = describe(error, method, request, answer);
    match status {
        404 if is_of_api(method, &answer.body) => Ok(Verdict::NotFound(error)),
        404 => Err(error.hint("this is not how the API says that: is the base URL right? a proxy may have answered")),
        429 => Err(error),
        _ => Err(match asked_pause(&answer.headers) {
            Some(pause) if passes(answer.status) => error.hint(waiting(pause, outgoing)),
            _ => error,
        }),
    }
}

/// Where a redirect leads, for people.
fn redirected_to(from: &Url, location: &HeaderValue, authorizer: Option<&Authorizer>) -> String {
    let said = String::from_utf8_lossy(location.as_bytes());
    let concealed = authorizer.map_or_else(|| said.to_string(), |authorizer| authorizer.conceal(&said));
    match from.join(&said) {
        // A link is read with what it repeats of the credential, and shown without.
        _ if concealed != said => {
            format!("`{}`", tidy(without_user(&concealed).split(['?', '#']).next().unwrap_or_default()))
        }
        Ok(url) => format!("`{}`", shown_url(&url)),
        Err(_) => "what is not a URL".to_owned(),
    }
}

/// Whether the body of an error is of the API's own kind: JSON, with something wherever the document says that errors stand.
fn is_of_api(method: &Method, body: &[u8]) -> bool {
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let mut declared = [&method.error.message, &method.error.code].into_iter().flatten();
    value
        .is_some_and(|value| (value.is_object() || value.is_array()) && declared.all(|path| at(path, &value).is_some()))
}

/// What to do about a pause that an API asks for.
fn waiting(pause: Duration, outgoing: &Outgoing) -> String {
    let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
    let asks = format!("the API asks to wait {seconds} s");
    if pause > outgoing.max_wait && outgoing.repeat != Repeat::Unsafe {
        format!("{asks}: try again then, or `SET max_wait = '{seconds}s'` waits for it")
    } else {
        format!("{asks}: try again then")
    }
}

/// Whether an answer may hold rows, by what stands before its body.
pub(super) fn may_hold_rows(status: StatusCode, headers: &HeaderMap) -> bool {
    let media = media_type(headers);
    let foreign = media.contains("html") || media.starts_with("image/") || media.contains("octet-stream");
    status.is_success() && status != StatusCode::NO_CONTENT && !foreign
}

/// The error of a success that says it is none (`success: "no"`).
pub(super) fn refused(method: &Method, request: &Request, answer: &Answer, authorizer: Option<&Authorizer>) -> Error {
    let said = message(method, &answer.body, authorizer).unwrap_or_else(|| "it gives no reason".to_owned());
    let kind = if said.to_lowercase().contains("authentication") { ErrorKind::Auth } else { ErrorKind::Api };
    let error = describe(Error::new(kind, format!("the API refused the call: {said}")), method, request, answer);
    if kind == ErrorKind::Auth {
        let variables: Vec<String> = method.auth.variables().iter().map(|name| format!("`{name}`")).collect();
        return error.hint(format!("check {}", variables.join(" and ")));
    }
    error
}

/// Adds where it happened.
pub(super) fn describe(error: Error, method: &Method, request: &Request, answer: &Answer) -> Error {
    let mut error = error
        .with("method", method.name.clone())
        .with("request", format!("{} {}", request.method, shown_url(&request.url)))
        .with("status", answer.status.as_u16().to_string());
    if let Some(id) = request_id(&answer.headers) {
        error = error.with("request id", id);
    }
    error
}

const REQUEST_IDS: [&str; 5] = ["x-request-id", "request-id", "x-amzn-requestid", "x-correlation-id", "x-trace-id"];

/// Leaves a credential that an answer repeats out of the headers that stand in messages and in the journal.
pub(super) fn conceal_headers(headers: &mut HeaderMap, authorizer: Option<&Authorizer>) {
    let Some(authorizer) = authorizer else { return };
    for name in REQUEST_IDS.into_iter().chain(["content-type"]) {
        let Some(value) = headers.get_mut(name) else { continue };
        let concealed = value.to_str().ok().map(|text| authorizer.conceal(text)).filter(|text| text.contains('…'));
        if let Some(Ok(concealed)) = concealed.map(|text| text.replace('…', "***").parse()) {
            *value = concealed;
        }
    }
}

/// The API's own id of a request.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    REQUEST_IDS.iter().find_map(|name| headers.get(*name).and_then(|value| value.to_str().ok()).map(str::to_owned))
}

pub(super) fn media_type(headers: &HeaderMap) -> String {
    essence(headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default())
}

/// What an error answer says: at the document's own paths, else where APIs usually put it (RFC 9457 among them).
/// A credential that it repeats is left out.
pub(super) fn message(method: &Method, body: &[u8], authorizer: Option<&Authorizer>) -> Option<String> {
    if body.len() > LONGEST_SAID {
        return None;
    }
    let value: Value = serde_json::from_slice(body).ok()?;
    let declared = || declared_error(method, &value);
    let code = method.error.code.as_deref().and_then(|path| at(path, &value));
    let text = per_field(&value).or_else(declared).or_else(|| usual(&value))?;
    let text = match code {
        Some(code) if !text.contains(&code) => format!("{text} ({code})"),
        _ => text,
    };
    let text = authorizer.map_or_else(|| text.clone(), |authorizer| authorizer.conceal(&text));
    Some(tidy(&text))
}

/// What stands where the document says that errors do.
pub(super) fn declared_error(method: &Method, value: &Value) -> Option<String> {
    method.error.message.as_deref().and_then(|path| at(path, value))
}

/// What a JSON answer of a host says that no document describes.
pub(super) fn message_of(body: &[u8]) -> Option<String> {
    serde_json::from_slice(body)
        .ok()
        .as_ref()
        .and_then(|value| per_field(value).or_else(|| usual(value)))
        .map(|text| tidy(&text))
}

/// `label: must be unique; size: too small`, where an answer says which fields are wrong: as a list of objects that name
/// theirs (RFC 9457 §3, and many before it), or as an object of texts by field.
fn per_field(value: &Value) -> Option<String> {
    const MOST: usize = 20;
    let text = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Array(parts) => {
            // `"loc": ["body", "size"]`
            let parts: Vec<String> = parts
                .iter()
                .filter_map(|part| match part {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
                .collect();
            (!parts.is_empty()).then(|| parts.join("."))
        }
        _ => None,
    };
    let first = |item: &Value, names: &[&str]| names.iter().find_map(|name| item.get(name).and_then(text));
    let of_item = |item: &Value| {
        let field = first(item, &["field", "property", "param", "pointer", "loc", "path"]);
        let said = first(item, &["reason", "message", "detail", "msg", "description", "error"])?;
        Some((field, said))
    };
    let said: Vec<(Option<String>, String)> = match (value.get("errors"), value.get("detail")) {
        (Some(Value::Array(items)), _) | (None, Some(Value::Array(items))) => {
            items.iter().filter_map(of_item).collect()
        }
        (Some(Value::Object(fields)), _) => {
            let of_field = |(name, value): (&String, &Value)| {
                let said = match value {
                    Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
                    other => text(other)?,
                };
                (!said.is_empty()).then(|| (Some(name.clone()), said))
            };
            fields.iter().filter_map(of_field).collect()
        }
        _ => Vec::new(),
    };
    if said.iter().all(|(field, _)| field.is_none()) {
        return None;
    }
    let line = |(field, said): &(Option<String>, String)| match field {
        Some(field) => format!("{field}: {}", said.trim_end_matches('.')),
        None => said.trim_end_matches('.').to_owned(),
    };
    Some(said.iter().take(MOST).map(line).collect::<Vec<_>>().join("; "))
}

/// Where APIs usually put what went wrong (RFC 9457 among them).
fn usual(value: &Value) -> Option<String> {
    [
        "$.detail",
        "$.message",
        "$.error.message",
        "$.errors[*].message",
        "$.errors[*].reason",
        "$.errors[*].detail",
        "$.error_description",
        "$.title",
        "$.error",
        "$.errors[*]",
    ]
    .iter()
    .find_map(|path| at(path, value))
}

fn at(path: &str, value: &Value) -> Option<String> {
    let path = ItemPath::parse(path).ok()?;
    let found: Vec<String> = path
        .select(value)
        .into_iter()
        .filter_map(|value| match value {
            Value::String(s) if !s.is_empty() => Some(s.clone()),
            Value::Number(n) => Some(n.to_string()),
            _ => None,
        })
        .take(5)
        .collect();
    (!found.is_empty()).then(|| found.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_said_per_field() {
        for (answer, said) in [
            (
                json!({"errors": [{"field": "label", "reason": "Must be unique."}, {"field": "size", "reason": "Too small"}]}),
                "label: Must be unique; size: Too small",
            ),
            (json!({"errors": [{"reason": "no"}, {"field": "a.b", "reason": "bad"}]}), "no; a.b: bad"),
            (
                json!({"title": "Invalid", "errors": [{"pointer": "#/age", "detail": "is no number"}]}),
                "#/age: is no number",
            ),
            (json!({"detail": [{"loc": ["body", "tags", 0], "msg": "field required"}]}), "body.tags.0: field required"),
            (
                json!({"errors": {"name": ["is taken", "is too long."], "size": "is odd"}}),
                "name: is taken, is too long; size: is odd",
            ),
        ] {
            assert_eq!(per_field(&answer).as_deref(), Some(said));
        }
        for answer in
            [json!({"errors": [{"reason": "no"}]}), json!({"errors": ["no"]}), json!({"detail": "no"}), json!([])]
        {
            assert_eq!(per_field(&answer), None, "{answer}");
        }
    }
}
