//! A Call → one HTTP request.
//!
//! Styles follow OpenAPI 3 "Parameter Object" (`style`, `explode`); percent-encoding follows RFC 3986: everything but
//! unreserved characters is encoded in values.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::body::{body_of, pieces};
use super::endpoint::{Endpoints, Server};
use super::shape::ReadPlan;
use super::shared::AnswerKey;
use crate::bind::literal_text;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{HeaderMap, HeaderName, HeaderValue, Request, Url};
use crate::provider::{Call, Effect, Location, Method, Parameter, Style, TokenPlace, WHOLE_BODY, secrets_of};

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "***";

/// Everything but RFC 3986's unreserved characters.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Builds the request of `call`, with `extra` paging values in their places.
///
/// # Errors
/// `InvalidArgument` for a value that cannot stand where it goes, `MissingParameter` for a path parameter without one,
/// `Provider` when the document's own URL is not one.
pub(super) fn build(
    method: &Method,
    call: &Call,
    server: &Server,
    extra: &[(TokenPlace, Value)],
    timeout: Duration,
) -> Result<Request> {
    check_required(method, call)?;
    // What an API is told in its own words is no parameter of the document.
    let told = method.pushdown.told_in_call().into_iter().filter_map(|place| {
        let declared = method.parameters.iter().any(|parameter| parameter.name == place.key);
        let text = call.arguments.get(&place.key).filter(|_| !declared)?;
        Some((place.clone(), text.clone()))
    });
    let extra: Vec<(TokenPlace, Value)> = extra.iter().cloned().chain(told).collect();
    let extra = extra.as_slice();
    let path = fill_path(method, call)?;
    let mut url = server.used.clone();
    let whole = format!("{}{path}", server.used.path().trim_end_matches('/'));
    url.set_path(&whole);
    if url.path() != whole {
        // The URL standard resolves dot segments and re-encodes; a value that makes it do so would change the shape.
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the path of `{}` would change its shape", method.name),
        )
        .with("template", method.path.clone()));
    }
    let query = query_text(method, call, extra);
    url.set_query((!query.is_empty()).then_some(query.as_str()));

    let mut headers = HeaderMap::new();
    let accept = if method.response.media_type.is_empty() { "application/json" } else { &method.response.media_type };
    insert_header(&mut headers, "accept", accept)?;
    let mut cookies = Vec::new();
    for (parameter, value) in values(method, call, Location::Header) {
        insert_header(&mut headers, &parameter.wire, &simple(&value, parameter.explode, &|text| text.to_owned()))?;
    }
    for (parameter, value) in values(method, call, Location::Cookie) {
        cookies.push(format!("{}={}", parameter.wire, encode(&literal_text(&value))));
    }
    if !cookies.is_empty() {
        insert_header(&mut headers, "cookie", &cookies.join("; "))?;
    }
    for (place, value) in extra.iter().filter(|(place, _)| place.location == Location::Header) {
        insert_header(&mut headers, &place.key, &literal_text(value))?;
    }
    let body = body_of(pieces(method, call, extra, &mut headers)?);
    let http_method = crate::http::Method::from_bytes(method.http_method.to_ascii_uppercase().as_bytes())
        .map_err(|_| Error::new(ErrorKind::Provider, format!("`{}` is not an HTTP method", method.http_method)))?;
    Ok(Request { method: http_method, url, headers, body, timeout })
}

/// Refuses a call whose values would change the shape of its path, before calls beside it are sent.
///
/// # Errors
/// As building the request.
pub fn check_path(method: &Method, call: &Call) -> Result<()> {
    fill_path(method, call).map(drop)
}

/// The call with three stars in the place of each secret.
pub(super) fn hidden(method: &Method, call: &Call) -> Call {
    let mut shown = call.clone();
    for name in secrets_of(method, call) {
        if name == WHOLE_BODY {
            shown.content = Some(Value::from(HIDDEN));
        }
        for value in [shown.arguments.get_mut(&name), shown.body.get_mut(&name)].into_iter().flatten() {
            *value = Value::from(HIDDEN);
        }
    }
    shown
}

/// The first request of a read as it will be sent, `GET https://host/path?query`, for people: values of secret parameters
/// are hidden.
///
/// # Errors
/// As sending it, but for the credential, which is not looked at.
pub fn describe_request(endpoints: &Endpoints, plan: &ReadPlan, call: &Call) -> Result<String> {
    let method = &plan.method;
    let shown = hidden(method, call);
    let server = endpoints.server(&plan.provider, method, &call.arguments)?;
    // What will not be sent is not shown either: the document may have put anything of the environment into it.
    endpoints.check_place(&plan.provider, &method.auth, &server, plan.restricted.as_deref())?;
    let request = build(method, &shown, &server, &plan.first_values(call, plan.skip > 0), Duration::ZERO)?;
    Ok(format!("{} {}", request.method, request.url))
}

/// What tells the first request of a read from others of the same provider; none where it is not known, or where equal
/// ones are not made once.
pub fn first_request(endpoints: &Endpoints, plan: &ReadPlan, call: &Call) -> Option<AnswerKey> {
    let method = &plan.method;
    let server = endpoints.server(&plan.provider, method, &call.arguments).ok()?;
    let request = build(method, call, &server, &plan.first_values(call, plan.skip > 0), Duration::ZERO).ok()?;
    AnswerKey::new(&request, plan.provider.clone()).filter(|_| method.effect == Effect::Read)
}

/// Refuses a call that gives nothing for what the API needs: left out, it would mean more than was said.
fn check_required(method: &Method, call: &Call) -> Result<()> {
    let needs =
        method.parameters.iter().filter(|p| p.required && !matches!(p.location, Location::Body | Location::Server));
    let is_null = |parameter: &&Parameter| {
        call.arguments.get(&parameter.name).is_some_and(Value::is_null) && parameter.default.is_none()
    };
    match needs.into_iter().find(is_null) {
        Some(parameter) => Err(Error::new(
            ErrorKind::MissingParameter,
            format!("`{}` needs `{}`, which is NULL here", method.name, parameter.name),
        )),
        None => Ok(()),
    }
}

/// The parameters of one location with their values: given ones, and defaults that must be sent.
fn values<'a>(
    method: &'a Method,
    call: &'a Call,
    location: Location,
) -> impl Iterator<Item = (&'a Parameter, Value)> + 'a {
    method.parameters.iter().filter(move |p| p.location == location).filter_map(move |parameter| {
        let given = call.arguments.get(&parameter.name).filter(|value| !value.is_null());
        given.or_else(|| parameter.sent_by_default()).map(|value| match value {
            Value::Object(_) | Value::Array(_) if parameter.text_only => (parameter, Value::String(value.to_string())),
            value => (parameter, value.clone()),
        })
    })
}

fn fill_path(method: &Method, call: &Call) -> Result<String> {
    let mut path = method.path.clone();
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    let mut filled = String::with_capacity(path.len() + 16);
    let mut rest = path.as_str();
    while let Some(open) = rest.find('{') {
        let Some(length) = rest[open..].find('}') else { break };
        let wire = &rest[open + 1..open + length];
        filled.push_str(&rest[..open]);
        let parameter = method.parameters.iter().find(|p| p.location == Location::Path && p.wire == wire);
        let value = values(method, call, Location::Path).find(|(p, _)| p.wire == wire).map(|(_, value)| value);
        let (Some(parameter), Some(value)) = (parameter, value) else {
            return Err(Error::new(ErrorKind::MissingParameter, format!("`{}` needs `{wire}`", method.name)));
        };
        let text = match parameter.style {
            Style::Label => format!(".{}", simple(&value, false, &encode)),
            Style::Matrix => format!(";{}={}", parameter.wire, simple(&value, false, &encode)),
            _ => simple(&value, parameter.explode, &encode),
        };
        let plain = literal_text(&value);
        // An empty list is no text either.
        if text.is_empty() || plain.is_empty() || plain == "." || plain == ".." {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("`{}` cannot be `{plain}`: it would change the path of the request", parameter.name),
            )
            .with("method", method.name.clone()));
        }
        filled.push_str(&text);
        rest = &rest[open + length + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

fn query_text(method: &Method, call: &Call, extra: &[(TokenPlace, Value)]) -> String {
    let mut pairs: Vec<String> =
        method.query.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    let paged = |wire: &str| extra.iter().any(|(place, _)| place.location == Location::Query && place.key == wire);
    for (parameter, value) in values(method, call, Location::Query) {
        if paged(&parameter.wire) {
            continue;
        }
        let key = encode_key(&parameter.wire);
        match (&value, parameter.style) {
            (Value::Object(members), Style::DeepObject) => {
                pairs.extend(members.iter().map(|(k, v)| format!("{key}[{}]={}", encode(k), encode(&literal_text(v)))));
            }
            (Value::Object(members), _) if parameter.explode => {
                pairs.extend(members.iter().map(|(k, v)| format!("{}={}", encode(k), encode(&literal_text(v)))));
            }
            (Value::Array(items), _) if parameter.explode => {
                pairs.extend(items.iter().map(|item| format!("{key}={}", encode(&literal_text(item)))));
            }
            (Value::Array(items), style) => {
                let separator = match style {
                    Style::SpaceDelimited => "%20",
                    Style::PipeDelimited => "%7C",
                    _ => ",",
                };
                let items: Vec<String> = items.iter().map(|item| encode(&literal_text(item))).collect();
                pairs.push(format!("{key}={}", items.join(separator)));
            }
            _ => pairs.push(format!("{key}={}", simple(&value, false, &encode))),
        }
    }
    for (place, value) in extra.iter().filter(|(place, _)| place.location == Location::Query) {
        pairs.push(format!("{}={}", encode_key(&place.key), encode(&literal_text(value))));
    }
    pairs.join("&")
}

/// OpenAPI `simple`: `a,b` for arrays, `k,v` (or `k=v` exploded) for objects.
fn simple(value: &Value, explode: bool, encode: &dyn Fn(&str) -> String) -> String {
    match value {
        Value::Array(items) => items.iter().map(|item| encode(&literal_text(item))).collect::<Vec<_>>().join(","),
        Value::Object(members) => {
            let between = if explode { "=" } else { "," };
            let parts = members.iter().map(|(k, v)| format!("{}{between}{}", encode(k), encode(&literal_text(v))));
            parts.collect::<Vec<_>>().join(",")
        }
        other => encode(&literal_text(other)),
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, VALUE).to_string()
}

/// Keys keep the brackets and dollar signs that real APIs have in theirs (`include[]`, `$filter`).
fn encode_key(text: &str) -> String {
    const KEY: &AsciiSet = &VALUE.remove(b'[').remove(b']').remove(b'$').remove(b':');
    utf8_percent_encode(text, KEY).to_string()
}

pub(super) fn insert_header(headers: &mut HeaderMap, name: &str, value: &str) -> Result<()> {
    let wrong = || Error::new(ErrorKind::InvalidArgument, format!("the value of `{name}` cannot stand in a header"));
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    headers.insert(name, HeaderValue::from_str(value).map_err(|_| wrong())?);
    Ok(())
}

/// The URL of a request without its query string: what a message may show.
pub(super) fn shown_url(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
