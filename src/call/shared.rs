//! The same call once: readers of one statement that ask the same thing share one answer.
//!
//! Bounded: an answer is kept only while another reader of the plan may still ask for it, and while all that are kept
//! take no more than [`MOST_BYTES`]. What does not fit is asked for again. Answers that are still on their way are
//! shared in any case.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::answer;
use super::arrive::{Arrived, Heads, arrive, most_held};
use super::kept::Owner;
use super::read::ReadContext;
use super::shape::ReadPlan;
use crate::error::Result;
use crate::http::{Answer, Outgoing, origin};
use crate::provider::{Effect, Method, SuccessRule};
use crate::rows::ItemPath;

/// Bodies kept for further readers of a statement, in all.
const MOST_BYTES: usize = 64 << 20;
/// A longer answer is held for nobody, but decoded while it arrives: several are on their way at once.
const LONGEST: usize = 8 << 20;

/// What makes two requests the same: everything that is sent, and the credential that is added.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct AnswerKey {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
    credential: String,
}

impl AnswerKey {
    /// None for a request whose body is not at hand.
    fn of(outgoing: &Outgoing) -> Option<Self> {
        let request = &outgoing.request;
        let body = request.body.whole()?.clone();
        let mut headers: Vec<(String, Vec<u8>)> =
            request.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        headers.sort_unstable();
        Some(Self {
            method: request.method.to_string(),
            url: request.url.to_string(),
            headers,
            body,
            credential: outgoing.authorizer.as_ref().map(|a| a.fingerprint().to_owned()).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
impl AnswerKey {
    /// The key of a request without a body.
    pub(super) fn named(url: &str) -> Self {
        let (method, credential) = ("GET".to_owned(), String::new());
        Self { method, url: url.to_owned(), headers: Vec::new(), body: Bytes::new(), credential }
    }
}

impl fmt::Debug for AnswerKey {
    /// Nothing of it: values of a URL may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerKey").finish_non_exhaustive()
    }
}

/// Of what time an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dated {
    /// When the list was asked for that it belongs to.
    pub(super) since: Instant,
    /// Whether it was kept from before.
    pub(super) kept: bool,
}

/// The answers that readers of one statement share.
#[derive(Debug, Default)]
pub struct SharedAnswers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many operators of the plan call a method of a table.
    readers: HashMap<(String, String), u32>,
    places: HashMap<AnswerKey, Place>,
    bytes: usize,
}

#[derive(Debug)]
struct Place {
    /// None of an answer that is too long to be held for others.
    answer: Arc<OnceCell<Option<(Answer, Dated)>>>,
    /// How many readers have not had it yet.
    left: u32,
    /// The length of the body, once it is counted.
    bytes: Option<usize>,
}

impl SharedAnswers {
    /// Says that `times` operators of the statement's plan call `method` of `table`.
    pub fn expect(&self, table: &str, method: &str, times: u32) {
        let mut state = self.state();
        let known = state.readers.entry((table.to_owned(), method.to_owned())).or_default();
        *known = known.saturating_add(times);
    }

    /// How many operators of the statement's plan call `method` of `table`.
    pub fn readers(&self, table: &str, method: &str) -> u32 {
        self.state().readers.get(&(table.to_owned(), method.to_owned())).copied().unwrap_or(0)
    }

    fn place(&self, key: &AnswerKey, readers: u32) -> Arc<OnceCell<Option<(Answer, Dated)>>> {
        let mut state = self.state();
        let new = || Place { answer: Arc::default(), left: readers, bytes: None };
        Arc::clone(&state.places.entry(key.clone()).or_insert_with(new).answer)
    }

    /// One reader has the answer: it is kept for the others while there is room.
    fn taken(&self, key: &AnswerKey, size: usize) {
        let mut state = self.state();
        let room = state.bytes + size <= MOST_BYTES;
        let Some(place) = state.places.get_mut(key) else { return };
        place.left = place.left.saturating_sub(1);
        let counted = place.bytes;
        if place.left == 0 || counted.is_none() && !room {
            state.bytes -= counted.unwrap_or(0);
            state.places.remove(key);
        } else if counted.is_none() {
            place.bytes = Some(size);
            state.bytes += size;
        }
    }

    fn forget(&self, key: &AnswerKey) {
        let mut state = self.state();
        if let Some(place) = state.places.remove(key) {
            state.bytes -= place.bytes.unwrap_or(0);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a read, unless another reader of the statement did or does, or an answer is kept that is young enough: of a list
/// of which the first page is there, `list`, one that belongs to it.
pub(super) async fn answer_once(
    context: &ReadContext,
    plan: &ReadPlan,
    outgoing: &Outgoing,
    list: Option<Dated>,
    heads: Heads<'_>,
) -> Result<(Arrived, Dated)> {
    let readers = context.shared.readers(&plan.table, &plan.method.name);
    let keeps = !context.settings.cache.is_zero();
    let alone = async || {
        let dated = dated(context, list);
        arrive(context, plan, outgoing, most_held(plan), heads).await.map(|arrived| (arrived, dated))
    };
    if plan.method.effect != Effect::Read || readers < 2 && !keeps {
        return alone().await;
    }
    let Some(key) = AnswerKey::of(outgoing) else {
        return alone().await;
    };
    if readers < 2 {
        return kept_or_sent(context, plan, outgoing, &key, list, heads).await;
    }
    let place = context.shared.place(&key, readers);
    let mut first = false;
    let mut long = None;
    // A reader that leaves while it asks is succeeded by the next one that waits.
    let answer = place
        .get_or_try_init(|| {
            first = true;
            let (long, key) = (&mut long, &key);
            async move {
                Ok(match kept_or_sent(context, plan, outgoing, key, list, heads).await? {
                    (Arrived::Whole(answer), dated) => Some((answer, dated)),
                    (Arrived::Long(answer), dated) => {
                        *long = Some((answer, dated));
                        None
                    }
                })
            }
        })
        .await;
    match answer {
        Ok(Some((answer, dated))) => {
            if !first {
                context.report.add_shared();
            }
            context.shared.taken(&key, answer.body.len());
            Ok((Arrived::Whole(answer.clone()), *dated))
        }
        Ok(None) => {
            context.shared.taken(&key, 0);
            match long {
                Some((answer, dated)) => Ok((Arrived::Long(answer), dated)),
                None => alone().await,
            }
        }
        Err(error) => {
            context.shared.forget(&key);
            Err(error)
        }
    }
}

/// Of what time an answer is that is about to be asked for.
fn dated(context: &ReadContext, list: Option<Dated>) -> Dated {
    Dated { since: list.map_or_else(|| context.kept.now(), |list| list.since), kept: false }
}

async fn kept_or_sent(
    context: &ReadContext,
    plan: &ReadPlan,
    outgoing: &Outgoing,
    key: &AnswerKey,
    list: Option<Dated>,
    heads: Heads<'_>,
) -> Result<(Arrived, Dated)> {
    let oldest = context.settings.cache;
    let dated = dated(context, list);
    let sent = || arrive(context, plan, outgoing, LONGEST, heads);
    // How old an answer is depends on the hour, and a record must not.
    if oldest.is_zero() || context.client.tape().is_some() {
        return Ok((sent().await?, dated));
    }
    if let Some((answer, since)) = context.kept.find(key, oldest, list.map(|list| list.since)) {
        context.report.add_cached(context.kept.now().saturating_duration_since(since));
        return Ok((Arrived::Whole(answer), Dated { since, kept: true }));
    }
    let owner = Owner { provider: plan.provider.clone(), origin: origin(&outgoing.request.url) };
    let before = context.kept.writes(&owner);
    let arrived = sent().await?;
    // A new page behind a kept one is of another time than the list.
    let belongs = list.is_none_or(|list| !list.kept);
    if let Arrived::Whole(answer) = &arrived
        && belongs
        && is_good(&plan.method, answer)
    {
        context.kept.keep(key, &owner, dated.since, before, answer);
    }
    Ok((arrived, dated))
}

/// Whether an answer is worth keeping: a success, also by the document's own rule, JSON to its end, and without a text where
/// errors stand.
fn is_good(method: &Method, answer: &Answer) -> bool {
    let body = &answer.body;
    let says_so = |rule: &SuccessRule| {
        let value: Option<Value> = serde_json::from_slice(body).ok();
        let said = value.as_ref().zip(ItemPath::parse(&rule.path).ok()).map(|(value, path)| path.select(value));
        said.is_some_and(|said| said.first().is_none_or(|said| **said == rule.equals))
    };
    let tells_error = || {
        let value: Option<Value> = serde_json::from_slice(body).ok();
        value.is_some_and(|value| answer::declared_error(method, &value).is_some())
    };
    answer.status.is_success()
        && (body.is_empty() || serde_json::from_slice::<IgnoredAny>(body).is_ok())
        && method.success.as_ref().is_none_or(says_so)
        && !(method.error.message.is_some() && tells_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(url: &str) -> AnswerKey {
        let (method, url) = ("GET".to_owned(), url.to_owned());
        AnswerKey { method, url, headers: Vec::new(), body: Bytes::new(), credential: String::new() }
    }

    #[test]
    fn answers_stay_until_every_reader_had_them_or_there_is_no_room() {
        let shared = SharedAnswers::default();
        let first = shared.place(&key("a"), 3);
        assert!(Arc::ptr_eq(&first, &shared.place(&key("a"), 3)));
        shared.taken(&key("a"), 10);
        shared.taken(&key("a"), 10);
        assert_eq!(shared.state().bytes, 10);
        shared.taken(&key("a"), 10);
        assert_eq!(shared.state().bytes, 0);
        assert_eq!(shared.state().places.len(), 0);
        assert!(!Arc::ptr_eq(&first, &shared.place(&key("a"), 3)));

        shared.place(&key("b"), 2);
        shared.taken(&key("b"), MOST_BYTES);
        shared.place(&key("c"), 2);
        shared.taken(&key("c"), 1);
        let state = shared.state();
        assert_eq!(state.bytes, MOST_BYTES);
        assert!(state.places.contains_key(&key("b")) && !state.places.contains_key(&key("c")));
    }
}
