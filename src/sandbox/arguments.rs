//! What a request says, by parameter, checked against the document.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::Incoming;
use super::body::{Body, wrong_value};
use super::refusal::{Fault, Refusal};
use crate::provider::{Effect, Location, Method, Parameter, ValueType};

/// The values of one request.
#[derive(Debug)]
pub(super) struct Arguments {
    path: BTreeMap<String, String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Body,
}

impl Arguments {
    /// Reads a request. `signed` is the body when a signature already wrapped it.
    ///
    /// # Errors
    /// As [`Body::read`].
    pub(super) fn read(
        method: &Method,
        path: BTreeMap<String, String>,
        incoming: &Incoming,
        signed: Option<Map<String, Value>>,
    ) -> Result<Self, Refusal> {
        let body = match signed {
            Some(fields) => Body::signed(fields),
            None => Body::read(method, incoming)?,
        };
        Ok(Self { path, query: query_pairs(incoming.url.query()), headers: incoming.headers.clone(), body })
    }

    /// Checks everything that was read against the document, and names all that is wrong. `read_only` tells which
    /// unknown fields of a body are the API's own to write.
    ///
    /// # Errors
    /// `status`, with one fault per field.
    pub(super) fn check(
        &self,
        method: &Method,
        status: StatusCode,
        read_only: impl Fn(&str) -> bool,
    ) -> Result<(), Refusal> {
        let mut faults = if method.effect == Effect::Read { Vec::new() } else { self.body.faults(method, read_only) };
        for parameter in &method.parameters {
            let is_known = |fault: &Fault| faults.iter().any(|known| known.field == fault.field);
            let more: Vec<Fault> = self.faults(parameter).into_iter().filter(|fault| !is_known(fault)).collect();
            faults.extend(more);
        }
        if faults.is_empty() { Ok(()) } else { Err(Refusal::invalid(status, faults)) }
    }

    /// The values of a parameter: several where it is an array, none where the request does not name it.
    pub(super) fn of(&self, parameter: &Parameter) -> Vec<Value> {
        let given = self.at(parameter.location, &parameter.wire);
        if parameter.ty != ValueType::Array || parameter.text_only {
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
            Location::Body => {
                self.body.fields.get(wire).filter(|value| !value.is_null()).cloned().into_iter().collect()
            }
            Location::Cookie => Vec::new(),
        }
    }

    /// The fields of the body, whatever the document says of them.
    pub(super) fn fields(&self) -> &Map<String, Value> {
        &self.body.fields
    }

    /// What is wrong with the values of one parameter.
    fn faults(&self, parameter: &Parameter) -> Vec<Fault> {
        if !matches!(parameter.location, Location::Query | Location::Body) {
            return Vec::new();
        }
        let given = self.of(parameter);
        // An empty list is one.
        if self.at(parameter.location, &parameter.wire).is_empty() && parameter.required && parameter.default.is_none()
        {
            return vec![Fault::of(&parameter.wire, "is required")];
        }
        given.iter().find_map(|value| wrong_value(parameter, value)).into_iter().collect()
    }
}

/// Decoded names and values of a query string.
pub(super) fn query_pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}
