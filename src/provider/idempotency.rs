//! `idempotencyKey`: what makes a call safe to send twice.
//!
//! *Owns*: `config.idempotencyKey` → [`IdempotencyKey`], and the parameter that carries it.
//! *Does not own*: making keys (`write`), sending again (`http`).
//! *Invariants*: the parameter that is named is one of the method's, and no call needs a value for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::load::seconds;
use super::model::{Location, Parameter, RequestBody};
use super::pagination::Configured;
use super::parameters::{implicit, location};
use crate::error::Result;

/// A value of a call's own by which the API knows that it has seen the call before: then it gives its first answer again
/// and does nothing (IETF draft "The Idempotency-Key HTTP Header Field", §2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// The name of the parameter that carries it.
    pub parameter: String,
    /// Where that goes.
    pub location: Location,
    /// How long the API remembers a key, where the document says it.
    pub lifetime: Option<Duration>,
}

impl IdempotencyKey {
    /// The key that a call carries.
    pub fn of<'c>(&self, call: &'c Call) -> Option<&'c Value> {
        let values = if self.location == Location::Body { &call.body } else { &call.arguments };
        values.get(&self.parameter).filter(|value| !value.is_null())
    }

    /// Gives a call a key. What is no object of fields has no place for one: it stays without.
    pub fn give(&self, call: &mut Call, key: String) {
        if self.location != Location::Body {
            call.arguments.insert(self.parameter.clone(), Value::from(key));
        } else if call.content.is_none() {
            call.body.insert(self.parameter.clone(), Value::from(key));
        }
    }

    /// Takes the key out of a call.
    pub fn take(&self, call: &mut Call) {
        let values = if self.location == Location::Body { &mut call.body } else { &mut call.arguments };
        values.remove(&self.parameter);
    }
}

/// Reads a method's `idempotencyKey`; a parameter that the document does not name is added.
///
/// # Errors
/// `Provider` when it does not name a parameter, or one in a place where none can be.
pub(super) fn idempotency_key(
    found: &Configured<'_>,
    parameters: &mut Vec<Parameter>,
    request: Option<&RequestBody>,
    place: &[&str],
) -> Result<IdempotencyKey> {
    let wrong = |why: &str| found.error(why, "idempotencyKey", place);
    let Some(wire) = found.node.text_of("name").filter(|name| !name.is_empty()) else {
        return Err(wrong("`idempotencyKey` does not name its parameter")
            .hint("`idempotencyKey: {name: Idempotency-Key, location: header}`, for example"));
    };
    let word = found.node.text_of("location").unwrap_or("header");
    let location = match location(word) {
        Some(Location::Body) if request.is_none() => {
            return Err(wrong("the key cannot go into the body: the method takes none"));
        }
        Some(Location::Path | Location::Server) | None => {
            return Err(wrong(&format!("a key cannot go into `{word}`")).hint("`header`, `query`, `cookie` or `body`"));
        }
        Some(location) => location,
    };
    let lifetime = match found.node.get("lifetime") {
        None => None,
        Some(said) => {
            Some(seconds(said).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| {
                wrong("`idempotencyKey.lifetime` is not a period").hint("a number with `s`, `m`, `h` or `d`: `24h`")
            })?)
        }
    };
    let same = |known: &&mut Parameter| known.location == location && location.same_name(&known.wire, wire);
    let parameter = match parameters.iter_mut().find(same) {
        Some(known) => {
            known.required = false;
            known.name.clone()
        }
        None => {
            let mut new = implicit(wire, location, false);
            "What makes the call safe to send twice; made where none is given".clone_into(&mut new.description);
            parameters.push(new);
            wire.to_owned()
        }
    };
    Ok(IdempotencyKey { parameter, location, lifetime })
}
