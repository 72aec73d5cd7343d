//! What a request says, by parameter, checked against the document.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::Incoming;
use super::refusal::Refusal;
use super::rows::text_of;
use crate::provider::{BodyMedia, Location, Method, Parameter, ValueType};

/// The values of one request.
#[derive(Debug)]
pub(super) struct Arguments {
    path: BTreeMap<String, String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Map<String, Value>,
}

impl Arguments {
    /// Reads a request. `signed` is the body when a signature already wrapped it.
    pub(super) fn read(
        method: &Method,
        path: BTreeMap<String, String>,
        incoming: &Incoming,
        signed: Option<Map<String, Value>>,
    ) -> Result<Self, Refusal> {
        let body = match signed {
            Some(fields) => fields,
            None => fields_of_body(method, incoming)?,
        };
        let arguments =
            Self { path, query: query_pairs(incoming.url.query()), headers: incoming.headers.clone(), body };
        for parameter in &method.parameters {
            arguments.check(parameter)?;
        }
        Ok(arguments)
    }

    /// The values of a parameter: several where it is an array, none where the request does not name it.
    pub(super) fn of(&self, parameter: &Parameter) -> Vec<Value> {
        let given = self.at(parameter.location, &parameter.wire);
        if parameter.ty != ValueType::Array {
            return given.into_iter().take(1).collect();
        }
        let split = |value: Value| match value {
            Value::String(text) => text.split(',').map(|part| Value::String(part.to_owned())).collect(),
            Value::Array(values) => values,
            other => vec![other],
        };
        given.into_iter().flat_map(split).collect()
    }

    /// The values under a name on the wire, as they were sent.
    pub(super) fn at(&self, location: Location, wire: &str) -> Vec<Value> {
        let text = |text: &str| Value::String(text.to_owned());
        match location {
            Location::Path | Location::Server => self.path.get(wire).map(|value| text(value)).into_iter().collect(),
            Location::Query => {
                self.query.iter().filter(|(name, _)| name == wire).map(|(_, value)| text(value)).collect()
            }
            Location::Header => self
                .headers
                .get_all(wire)
                .iter()
                .map(|value| text(&String::from_utf8_lossy(value.as_bytes())))
                .collect(),
            Location::Body => self.body.get(wire).filter(|value| !value.is_null()).cloned().into_iter().collect(),
            Location::Cookie => Vec::new(),
        }
    }

    fn check(&self, parameter: &Parameter) -> Result<(), Refusal> {
        if !matches!(parameter.location, Location::Query | Location::Body) {
            return Ok(());
        }
        let given = self.of(parameter);
        if given.is_empty() && parameter.required && parameter.default.is_none() {
            return Err(Refusal::bad_request(format!("{} is required", parameter.wire)));
        }
        given.iter().try_for_each(|value| check_value(parameter, value))
    }
}

fn check_value(parameter: &Parameter, value: &Value) -> Result<(), Refusal> {
    let name = &parameter.wire;
    let text = text_of(value);
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let wrong = match parameter.ty {
        ValueType::Integer if text.parse::<i64>().is_err() => Some("a whole number"),
        ValueType::Number if number.is_none() => Some("a number"),
        ValueType::Boolean if text.parse::<bool>().is_err() => Some("true or false"),
        _ => None,
    };
    if let Some(expected) = wrong {
        return Err(Refusal::bad_request(format!("{name} must be {expected}")));
    }
    if !parameter.values.is_empty() && !parameter.values.iter().any(|known| text_of(known) == text) {
        let known: Vec<String> = parameter.values.iter().map(text_of).collect();
        return Err(Refusal::bad_request(format!("{name} must be one of {}", known.join(", "))));
    }
    if matches!(parameter.ty, ValueType::Integer | ValueType::Number) {
        let Some(number) = number else { return Ok(()) };
        if let Some(minimum) = parameter.minimum.filter(|minimum| number < *minimum) {
            return Err(Refusal::bad_request(format!("{name} must be at least {minimum}")));
        }
        if let Some(maximum) = parameter.maximum.filter(|maximum| number > *maximum) {
            return Err(Refusal::bad_request(format!("{name} must be at most {maximum}")));
        }
    }
    Ok(())
}

/// Decoded names and values of a query string.
pub(super) fn query_pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

fn fields_of_body(method: &Method, incoming: &Incoming) -> Result<Map<String, Value>, Refusal> {
    if incoming.body.is_empty() {
        return Ok(Map::new());
    }
    let content_type = incoming.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let declared = method.request.as_ref().map(|request| request.media);
    let is_form = content_type.starts_with("application/x-www-form-urlencoded");
    match declared {
        Some(BodyMedia::Form) => Ok(form(&incoming.body)),
        _ if is_form => Ok(form(&incoming.body)),
        Some(BodyMedia::Json) => object(&incoming.body),
        _ => Ok(Map::new()),
    }
}

fn form(body: &[u8]) -> Map<String, Value> {
    form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect()
}

/// The JSON object a text holds.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::bad_request("The body is not a JSON object"))
}
