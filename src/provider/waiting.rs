//! How what a call starts is waited for, as documents say it.
//!
//! *Owns*: `config.async` → [`Waiting`], and whether what it names is there.
//! *Does not own*: asking, sleeping, giving up (`write`).
//! *Invariants*: of a [`Waiting`] that a method carries, the method that is asked exists, only reads, and every value that
//! it needs has a place to come from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::{Document, Node};
use super::item_path::{json_path, steps};
use super::load::seconds;
use super::model::{Effect, ItemShape, Method, Resource};
use super::pagination::Configured;
use crate::error::{Result, did_you_mean};

const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_mins(30);

const KEYS: [&str; 9] = ["poll", "with", "status", "ready", "failed", "message", "gone", "interval", "timeout"];

/// How it is found out that what a call started has come to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// What is asked.
    pub poll: Poll,
    /// Where values of its parameters come from. One that is not here takes the value that the resource's keys have in
    /// the call's answer, else the call's own parameter of its name.
    pub with: BTreeMap<String, ValueFrom>,
    /// JSONPath of the state, or the states, in its answer; without one, only whether the object is there counts.
    pub status: Option<String>,
    /// States that are an end: all that `status` finds must be among them.
    pub ready: Vec<Value>,
    /// States that say that it failed.
    pub failed: Vec<Value>,
    /// JSONPath of the reason in the answer.
    pub message: Option<String>,
    /// What it means that the API has no such object.
    pub gone: Gone,
    /// How long until it is asked for the first time, and again.
    pub interval: Duration,
    /// How long it is asked.
    pub timeout: Duration,
    /// Whether it stands above the method: then it holds for methods to which it can apply.
    pub inherited: bool,
}

/// What is asked while waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Poll {
    /// A method of the same service.
    Method {
        /// Its resource, where that is not the call's own.
        resource: Option<String>,
        /// Its name.
        method: String,
    },
    /// A GET of this path on the call's own server: `/actions/{action_id}`.
    Path(String),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueFrom {
    /// A JSONPath in the call's answer.
    Answer(String),
    /// A parameter or body field of the call.
    Call(String),
}

/// What it means that the API has no such object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gone {
    /// That is what was waited for: it is removed.
    Ready,
    /// It failed.
    Failed,
    /// It is not there yet.
    Pending,
}

impl Poll {
    /// The names in the braces of a path.
    pub fn names(path: &str) -> impl Iterator<Item = &str> {
        path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
    }
}

/// Reads `async`; `None` where there is nothing to wait for. `method` is the path of the method it was read for.
///
/// # Errors
/// `Provider` for a key that is not known, and for what cannot be understood.
pub(super) fn waiting(found: Configured<'_>, effect: Effect, method: &[&str]) -> Result<Option<Waiting>> {
    let node = found.node;
    let says_none = node.bool() == Some(false) || node.text() == Some("none");
    // What is above the method speaks of what methods make and change: that a removed object is gone needs saying.
    let is_meant = found.at_method || effect == Effect::Write;
    if says_none || !is_meant {
        return Ok(None);
    }
    let wrong = |message: String| found.error(message, "async", method);
    if let Some((unknown, _)) = node.entries().find(|(key, _)| !KEYS.contains(key)) {
        let hint = did_you_mean(unknown, KEYS).unwrap_or_else(|| format!("it takes `{}`", KEYS.join("`, `")));
        return Err(wrong(format!("`async` takes no `{unknown}`")).hint(hint));
    }
    let poll = match node.text_of("poll").filter(|poll| !poll.is_empty()) {
        Some(path) if path.starts_with('/') => Poll::Path(path.to_owned()),
        Some(name) => match name.split_once('.') {
            Some((resource, method)) => Poll::Method { resource: Some(resource.to_owned()), method: method.to_owned() },
            None => Poll::Method { resource: None, method: name.to_owned() },
        },
        None => {
            return Err(wrong("`async` needs `poll`".to_owned())
                .hint("a method of the resource, `resource.method` of the service, or a path that begins with `/`"));
        }
    };
    let mut with = BTreeMap::new();
    for (name, from) in node.get("with").into_iter().flat_map(Node::entries) {
        let Some(from) = from.text() else {
            return Err(wrong(format!("`async.with.{name}` is no text"))
                .hint("a path into the answer, such as `$.action.id`, or a parameter of the call"));
        };
        let from = match from.strip_prefix('$') {
            Some(_) if steps(&json_path(from)).is_none() => {
                return Err(wrong(format!("`async.with.{name}` is not a path")).hint("such as `$.action.id`"));
            }
            Some(_) => ValueFrom::Answer(json_path(from)),
            None => ValueFrom::Call(from.to_owned()),
        };
        with.insert(name.to_owned(), from);
    }
    let gone = match node.text_of("gone") {
        None | Some("failed") => Gone::Failed,
        Some("ready") => Gone::Ready,
        Some("pending") => Gone::Pending,
        Some(other) => {
            return Err(wrong(format!("`async.gone` cannot be `{other}`")).hint("it is `ready`, `failed` or `pending`"));
        }
    };
    let path = |key: &str| match node.text_of(key).map(json_path) {
        Some(path) if steps(&path).is_none() => {
            Err(wrong(format!("`async.{key}` is not a path")).hint("a path into the answer, such as `$.image.status`"))
        }
        path => Ok(path),
    };
    let (status, ready) = (path("status")?, values(node.get("ready")));
    if gone != Gone::Ready && (status.is_none() || ready.is_empty()) {
        return Err(wrong("`async` needs `status` and `ready`, or `gone: ready`".to_owned()));
    }
    let period = |key: &str, otherwise: Duration| match node.get(key) {
        None => Ok(otherwise),
        Some(said) => seconds(said).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| {
            wrong(format!("`async.{key}` is not a period")).hint("a number with `s`, `m` or `h`, such as `10s`")
        }),
    };
    Ok(Some(Waiting {
        poll,
        with,
        status,
        ready,
        failed: values(node.get("failed")),
        message: path("message")?,
        gone,
        interval: period("interval", INTERVAL)?,
        timeout: period("timeout", TIMEOUT)?,
        inherited: !found.at_method,
    }))
}

/// One value or several.
fn values(node: Option<&Node>) -> Vec<Value> {
    match node {
        None | Some(Node::Null) => Vec::new(),
        Some(Node::List(items)) => items.iter().map(Node::to_json).collect(),
        Some(one) => vec![one.to_json()],
    }
}

/// Holds every `async` of a service against the methods that there are. One above a method that cannot apply to it is
/// taken away.
///
/// # Errors
/// `Provider` for one at a method that cannot be followed.
pub(super) fn check(document: &Document, resources: &mut IndexMap<String, Resource>) -> Result<()> {
    let mut dropped: Vec<(String, String)> = Vec::new();
    for resource in resources.values() {
        for method in resource.methods.values() {
            let Some(waiting) = &method.waiting else { continue };
            let Err(problem) = followed(resources, resource, method, waiting) else { continue };
            if !waiting.inherited {
                let place =
                    ["components", "x-stackQL-resources", &resource.name, "methods", &method.name, "config", "async"];
                return Err(document.error(format!("`async` of `{}`: {problem}", method.name), &place));
            }
            dropped.push((resource.name.clone(), method.name.clone()));
        }
    }
    for (resource, method) in dropped {
        if let Some(method) = resources.get_mut(&resource).and_then(|resource| resource.methods.get_mut(&method)) {
            Arc::make_mut(method).waiting = None;
        }
    }
    Ok(())
}

/// Whether an `async` can be followed; what is wrong with it otherwise.
fn followed(
    resources: &IndexMap<String, Resource>,
    resource: &Resource,
    method: &Method,
    waiting: &Waiting,
) -> Result<(), String> {
    for (name, from) in &waiting.with {
        if let ValueFrom::Call(from) = from
            && method.parameter(from).is_none()
        {
            return Err(format!("`{}` has no parameter `{from}` for `{name}`", method.name));
        }
    }
    let keys = resource.keys.as_ref().filter(|keys| keys.declared);
    let is_known = |name: &str, same_resource: bool| {
        let column = keys.filter(|_| same_resource).and_then(|keys| keys.columns.get(name));
        waiting.with.contains_key(name)
            || column.is_some_and(|column| method.response.columns.iter().any(|known| known.name == *column))
            || method.parameter(name).is_some()
    };
    let missing = |name: &str| Err(format!("nothing gives `{name}` a value; `with` can"));
    match &waiting.poll {
        Poll::Path(path) => {
            if let Some(name) = waiting.with.keys().find(|name| !Poll::names(path).any(|known| known == **name)) {
                return Err(format!("`{path}` has no `{{{name}}}`"));
            }
            Poll::names(path).find(|name| !is_known(name, true)).map_or(Ok(()), missing)
        }
        Poll::Method { resource: other, method: name } => {
            let asked = match other {
                None => Some(resource),
                Some(other) => resources.get(other),
            };
            let Some(poll) = asked.and_then(|asked| asked.method(name)) else {
                return Err(format!("there is no method `{name}` to ask"));
            };
            if poll.effect != Effect::Read || poll.response.items == ItemShape::Binary {
                return Err(format!("`{name}` cannot be asked: it does not read"));
            }
            if let Some(name) = waiting.with.keys().find(|name| poll.parameter(name).is_none()) {
                return Err(format!("`{}` has no parameter `{name}`", poll.name));
            }
            let mut needs = poll.needs().map(|parameter| parameter.name.as_str());
            needs.find(|name| !is_known(name, other.is_none())).map_or(Ok(()), missing)
        }
    }
}

#[cfg(test)]
mod tests;
