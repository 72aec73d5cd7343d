//! What is asked to find out that a write's effect is there, and what the answers mean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::answers::item_of;
use super::plan::{Part, PlanContext, find};
use crate::bind::{coerce, literal_text};
use crate::call::{is_known_by, is_same};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{
    Call, Column, Effect, Gone, ItemShape, Keys, Location, Method, PageKind, Pagination, Parameter, Poll, Resource,
    ResponseShape, Style, ValueFrom, ValueType, Waiting,
};
use crate::rows::ItemPath;
use crate::sql::{Verb, Write};
use crate::store::PlannedCall;
use crate::threads::off_thread;

/// How the calls of a plan are waited for.
#[derive(Debug, Clone)]
pub struct Wait {
    /// What is asked.
    pub(super) poll: Arc<Method>,
    /// Where values of its parameters come from.
    with: BTreeMap<String, From>,
    /// The state in an answer.
    status: Option<ItemPath>,
    ready: Vec<Value>,
    failed: Vec<Value>,
    /// The reason in an answer.
    message: Option<ItemPath>,
    /// What it means that the API has no such object.
    pub(super) gone: Gone,
    /// The resource of what is asked.
    resource: String,
    /// The keys of the call's own resource, where that is also asked.
    keys: Option<Keys>,
    /// Whether the polled item can stand where the item of the call's answer stands.
    same_item: bool,
    /// Parameters of the question that identify one object, and the fields of its answer that hold them as well.
    identity: Vec<(Parameter, Column)>,
    /// How long until it is asked for the first time, and again.
    pub(super) interval: Duration,
    /// How long it is asked.
    pub(super) timeout: Duration,
}

/// Where a value comes from.
#[derive(Debug, Clone)]
enum From {
    Answer(ItemPath),
    Call(String),
}

/// What an answer says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is what was waited for.
    Ready,
    /// It is not yet.
    Pending,
    /// It never will be.
    Failed,
}

/// Refuses AWAIT where no method could be waited for, before anything is read.
///
/// # Errors
/// `Unsupported`, and as finding the resource.
pub(super) async fn check_can_wait(context: &PlanContext<'_>, write: &Write) -> Result<()> {
    let (name, verb) = match write {
        Write::Insert(insert) => (&insert.table, Verb::Insert),
        Write::Change(change) => (&change.table, change.verb),
        // Its one method is known without reading anything.
        Write::Exec(_) => return Ok(()),
    };
    let found = find(context, name).await?;
    let verbs = &found.resource.verbs;
    let names: Vec<&String> = match verb {
        Verb::Insert => verbs.insert.iter().collect(),
        Verb::Delete => verbs.delete.iter().collect(),
        Verb::Replace => verbs.replace.iter().collect(),
        Verb::Update | Verb::Exec => verbs.update.iter().chain(&verbs.replace).collect(),
    };
    let mut methods = names.iter().filter_map(|name| found.resource.methods.get(*name));
    match methods.clone().next() {
        Some(first) if methods.all(|method| method.waiting.is_none()) => Err(nothing_to_wait_for(first)),
        _ => Ok(()),
    }
}

fn nothing_to_wait_for(method: &Method) -> Error {
    let message = if method.effect == Effect::Read {
        format!("`{}` only reads: there is nothing to wait for", method.name)
    } else {
        format!("the provider document does not say how `{}` is waited for", method.name)
    };
    Error::new(ErrorKind::Unsupported, message)
        .hint("nothing was sent; leave out `/*+ AWAIT */`, or describe it with the key `async`: see docs/providers.md")
}

impl Wait {
    /// How a statement's calls are waited for: `wanted` by a hint, which must not do nothing, else by the session.
    ///
    /// # Errors
    /// `Unsupported` when a hint asks for it and the document does not say how.
    pub(super) async fn of(
        context: &PlanContext<'_>,
        part: &Part,
        first: Option<&PlannedCall>,
        wanted: bool,
    ) -> Result<Option<Self>> {
        if !wanted && !context.settings.awaits {
            return Ok(None);
        }
        let method = &part.method;
        let rule = match method.waiting.clone().filter(|_| method.effect != Effect::Read) {
            Some(rule) => rule,
            None if wanted => return Err(nothing_to_wait_for(method)),
            None => return Ok(None),
        };
        let own = &part.resource;
        let (poll, resource, identity) = match &rule.poll {
            Poll::Path(path) => (Arc::new(get(method, path)), own.name.clone(), Vec::new()),
            Poll::Method { resource, method: name } => {
                let asked = match (resource, first) {
                    (Some(resource), Some(step)) => sibling(context, &step.call, resource).await?,
                    _ => Arc::clone(own),
                };
                let Some(poll) = asked.method(name) else {
                    return Err(Error::new(ErrorKind::Provider, format!("`{}` has no method `{name}`", asked.id)));
                };
                (Arc::clone(poll), asked.name.clone(), identity(&asked, poll))
            }
        };
        let is_own = !matches!(&rule.poll, Poll::Method { resource: Some(other), .. } if *other != own.name);
        let columns = &method.response.columns;
        let same_item = !columns.is_empty()
            && columns.iter().all(|column| poll.response.columns.iter().any(|known| known.name == column.name));
        let Waiting { with, status, ready, failed, message, gone, interval, timeout, .. } = rule;
        // What is wrong with a path is better found before the calls than after them.
        let parse = |path: Option<String>| path.map(|path| ItemPath::parse(&path)).transpose();
        let with = with.into_iter().map(|(name, from)| {
            Ok((
                name,
                match from {
                    ValueFrom::Answer(path) => From::Answer(ItemPath::parse(&path)?),
                    ValueFrom::Call(name) => From::Call(name),
                },
            ))
        });
        Ok(Some(Self {
            with: with.collect::<Result<_>>()?,
            status: parse(status)?,
            ready,
            failed,
            message: parse(message)?,
            gone,
            interval: context.settings.await_interval.unwrap_or(interval),
            timeout: context.settings.await_timeout.unwrap_or(timeout),
            keys: own.keys.clone().filter(|keys| is_own && keys.declared),
            poll,
            resource,
            same_item,
            identity,
        }))
    }

    /// What will be done, for people: ``asks `get_image` every 5 s until `$.status` is `available`, for 30 min at most``.
    pub fn text(&self) -> String {
        let quoted = |values: &[Value]| {
            values.iter().map(|value| format!("`{}`", literal_text(value))).collect::<Vec<_>>().join(" or ")
        };
        let mut until = Vec::new();
        if let Some(status) = &self.status
            && !self.ready.is_empty()
        {
            until.push(format!("`{status}` is {}", quoted(&self.ready)));
        }
        if self.gone == Gone::Ready {
            until.push("it is gone".to_owned());
        }
        format!(
            "asks `{}` every {} until {}, for {} at most",
            self.poll.name,
            period(self.interval),
            until.join(" or "),
            period(self.timeout)
        )
    }

    /// The call that asks for what `call` started, and the object's name for people.
    ///
    /// # Errors
    /// `Decode` when the call's answer does not hold what identifies it.
    pub(super) fn question(&self, method: &Method, call: &Call, answer: &Value) -> Result<(Call, String)> {
        let mut question = Call {
            resource: self.resource.clone(),
            method: self.poll.name.clone(),
            provider: call.provider.clone(),
            service: call.service.clone(),
            ..Call::default()
        };
        let mut names = Vec::new();
        for parameter in &self.poll.parameters {
            let said = self.with.get(&parameter.name).or_else(|| self.with.get(&parameter.wire));
            let is_server = parameter.location == Location::Server;
            if said.is_none() && !parameter.required && !is_server {
                continue;
            }
            let value = match said {
                // Where the API is, no answer says: the credential goes there.
                Some(From::Answer(_)) | None if is_server => given(method, call, &parameter.name),
                Some(From::Answer(path)) => path.select(answer).into_iter().find(|value| !value.is_null()).cloned(),
                Some(From::Call(name)) => given(method, call, name),
                None => self.key(method, answer, &parameter.name).or_else(|| given(method, call, &parameter.name)),
            };
            let value = match value {
                Some(value) => coerce(parameter, &value)?,
                None if parameter.default.is_some() || parameter.env.is_some() || !parameter.required => continue,
                None => {
                    let held = match said {
                        Some(From::Answer(path)) => format!("the answer does not hold `{path}`"),
                        _ => format!("the answer does not say which `{}`", parameter.name),
                    };
                    return Err(Error::new(ErrorKind::Decode, format!("{held}, so it cannot be waited for")));
                }
            };
            if !is_server && !parameter.secret {
                names.push(literal_text(&value));
            }
            let into = if parameter.location == Location::Body { &mut question.body } else { &mut question.arguments };
            into.insert(parameter.name.clone(), value);
        }
        Ok((question, format!("{} {}", one_of(&self.resource), names.join(", ")).trim_end().to_owned()))
    }

    /// The value of the column that identifies the row in the call's answer.
    fn key(&self, method: &Method, answer: &Value, parameter: &str) -> Option<Value> {
        let column = self.keys.as_ref()?.columns.get(parameter)?;
        method.response.columns.iter().find(|known| known.name == *column)?;
        item_of(method, answer)?.get(column).filter(|value| !value.is_null()).cloned()
    }

    /// Refuses an answer about another object than was asked about.
    ///
    /// # Errors
    /// `Api`, which names both.
    pub(super) fn check_same(&self, question: &Call, answer: &Value) -> Result<()> {
        let Some(item) = item_of(&self.poll, answer) else { return Ok(()) };
        for (parameter, column) in &self.identity {
            let (Some(wanted), Some(found)) = (question.arguments.get(&parameter.name), column.value_in(item)) else {
                continue;
            };
            let goes_by = |fields| is_known_by(wanted, fields);
            if !is_same(wanted, found) && !item.as_object().is_some_and(goes_by) {
                let (name, wanted, found) = (&column.name, literal_text(wanted), literal_text(found));
                let message = format!("asked about `{name}` = `{wanted}`, the API answered about `{found}`");
                return Err(Error::new(ErrorKind::Api, message).with("method", self.poll.name.clone()));
            }
        }
        Ok(())
    }

    /// What an answer says, and the state that it names.
    pub(super) fn read(&self, answer: &Value) -> (Seen, Option<String>) {
        let Some(path) = &self.status else { return (Seen::Pending, Some("there".to_owned())) };
        let states: Vec<&Value> = path.select(answer).into_iter().filter(|value| !value.is_null()).collect();
        let mut said: Vec<String> = Vec::new();
        for state in &states {
            let state = literal_text(state);
            if !said.contains(&state) {
                said.push(state);
            }
        }
        let seen = if states.iter().any(|state| self.failed.contains(state)) {
            Seen::Failed
        } else if !states.is_empty() && states.iter().all(|state| self.ready.contains(state)) {
            Seen::Ready
        } else {
            Seen::Pending
        };
        (seen, (!said.is_empty()).then(|| said.join(", ")))
    }

    /// Why it failed, where an answer says that.
    pub(super) fn reason(&self, answer: &Value) -> Option<String> {
        let reasons: Vec<String> = self.message.as_ref()?.select(answer).into_iter().map(literal_text).collect();
        Some(reasons.join("; ")).filter(|reason| !reason.trim().is_empty())
    }

    /// The call's answer with the polled item in the place of its own, where both are of one kind.
    pub(super) fn put_into(&self, method: &Method, answer: &mut Value, polled: &Value) {
        if self.same_item
            && let Some(item) = item_of(&self.poll, polled)
            && let Ok(path) = ItemPath::parse(&method.response.item_path)
            && let Some(place) = path.only_mut(answer)
            && place.is_object()
        {
            *place = item.clone();
        }
    }
}

/// What identifies the one object that a method gives, by the keys that the document declares.
fn identity(asked: &Resource, poll: &Method) -> Vec<(Parameter, Column)> {
    let keys = asked.keys.as_ref().filter(|keys| keys.declared && poll.response.items == ItemShape::Object);
    // What follows the key in a path is something of the object, and its fields are its own.
    let ends_in = |name: &str| poll.path.trim_end_matches('/').ends_with(&format!("{{{name}}}"));
    let Some(keys) = keys.filter(|keys| keys.columns.keys().any(|name| ends_in(name))) else { return Vec::new() };
    let both = |(name, column): (&String, &String)| {
        let parameter = poll.parameters.iter().find(|p| p.name == *name && p.location == Location::Path)?;
        let column = poll.response.columns.iter().find(|known| known.name == *column)?;
        Some((parameter.clone(), column.clone()))
    };
    keys.columns.iter().filter_map(both).collect()
}

/// The value of a parameter or field of a call.
fn given(method: &Method, call: &Call, name: &str) -> Option<Value> {
    let parameter = method.parameter(name)?;
    let from = if parameter.location == Location::Body { &call.body } else { &call.arguments };
    from.get(&parameter.name).filter(|value| !value.is_null()).cloned()
}

/// A resource of the same service.
async fn sibling(context: &PlanContext<'_>, call: &Call, resource: &str) -> Result<Arc<Resource>> {
    let registry = Arc::clone(&context.registry);
    let (provider, service, resource) = (call.provider.clone(), call.service.clone(), resource.to_owned());
    off_thread("reading documents", move || registry.resource(&provider, &service, &resource)).await?
}

/// A GET of a path on the server of `method`.
fn get(method: &Method, path: &str) -> Method {
    let in_path = Poll::names(path).map(|name| Parameter {
        name: name.to_owned(),
        wire: name.to_owned(),
        location: Location::Path,
        required: true,
        ty: ValueType::Any,
        style: Style::Simple,
        explode: false,
        default: None,
        values: Vec::new(),
        minimum: None,
        maximum: None,
        description: String::new(),
        column: None,
        env: None,
        secret: method.parameter(name).is_some_and(|parameter| parameter.secret),
        text_only: false,
    });
    let of_server = method.parameters.iter().filter(|parameter| parameter.location == Location::Server).cloned();
    Method {
        name: format!("GET {path}"),
        http_method: "GET".to_owned(),
        path: path.to_owned(),
        query: Vec::new(),
        parameters: in_path.chain(of_server).collect(),
        request: None,
        response: ResponseShape {
            media_type: "application/json".to_owned(),
            item_path: "$".to_owned(),
            items: ItemShape::Object,
            columns: Vec::new(),
            success_status: None,
            may_be_empty: false,
        },
        pagination: Pagination { kind: PageKind::Single, declared: true, ..Pagination::unknown() },
        effect: Effect::Read,
        idempotency_key: None,
        upload: None,
        waiting: None,
        ..method.clone()
    }
}

/// `images` → `image`.
fn one_of(resource: &str) -> String {
    let cut = |end: &str, other: &str| resource.strip_suffix(end).map(|stem| format!("{stem}{other}"));
    let is_plural = !resource.ends_with("ss");
    let found = ["ies", "sses", "xes", "ches", "s"]
        .iter()
        .zip(["y", "ss", "x", "ch", ""])
        .filter(|_| is_plural)
        .find_map(|(end, other)| cut(end, other));
    found.filter(|one| !one.is_empty()).unwrap_or_else(|| resource.to_owned())
}

/// `90 s`, `30 min`, `250 ms`.
pub(super) fn period(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    match () {
        () if seconds == 0 => format!("{millis} ms"),
        () if seconds >= 120 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        () => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_is_called_by_one_name() {
        for (many, one) in [
            ("images", "image"),
            ("image_actions", "image_action"),
            ("policies", "policy"),
            ("boxes", "box"),
            ("addresses", "address"),
            ("ingress", "ingress"),
            ("data", "data"),
            ("s", "s"),
        ] {
            assert_eq!(one_of(many), one);
        }
    }

    #[test]
    fn periods_are_short() {
        for (millis, said) in
            [(250, "250 ms"), (5_000, "5 s"), (90_000, "90 s"), (120_000, "2 min"), (121_000, "121 s")]
        {
            assert_eq!(period(Duration::from_millis(millis)), said);
        }
    }
}
