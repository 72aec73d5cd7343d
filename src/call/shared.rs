//! The same call once: readers of one statement that ask the same thing share one answer.
//!
//! Bounded: an answer is kept only while another reader of the plan may still ask for it, and while all that are kept
//! take no more than [`MOST_BYTES`]. What does not fit is asked for again. Answers that are still on their way are
//! shared in any case.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::arrive::{Arrived, Heads, arrive, most_held};
use super::kept::{Keeping, Owner};
use super::read::ReadContext;
use super::shape::ReadPlan;
use crate::error::Result;
use crate::http::{Answer, Outgoing, Request, origin};
use crate::provider::Effect;

/// Bodies kept for further readers of a statement, in all.
const MOST_BYTES: usize = 64 << 20;
/// A longer answer is held for nobody, but decoded while it arrives: several are on their way at once.
const LONGEST: usize = 8 << 20;

/// What makes two requests the same: everything that is sent, and the credential that is added.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AnswerKey {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
    credential: String,
}

impl AnswerKey {
    /// None for a request whose body is not at hand.
    fn of(outgoing: &Outgoing) -> Option<Self> {
        let credential = outgoing.authorizer.as_ref().map(|a| a.fingerprint().to_owned()).unwrap_or_default();
        Self::new(&outgoing.request, credential)
    }

    /// The same of a request that is not sent, with what stands for its credential.
    pub(super) fn new(request: &Request, credential: String) -> Option<Self> {
        let body = request.body.whole()?.clone();
        let mut headers: Vec<(String, Vec<u8>)> =
            request.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        headers.sort_unstable();
        Some(Self { method: request.method.to_string(), url: request.url.to_string(), headers, body, credential })
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

/// An answer that is on its way, or there.
type Shared = Arc<OnceCell<Option<(Answer, Dated)>>>;

#[derive(Debug)]
struct Place {
    /// None of an answer that is too long to be held for others.
    answer: Shared,
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

    fn place(&self, key: &AnswerKey, readers: u32) -> Shared {
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

    /// Forgets an answer, or only `this` one where another has come into its place already.
    fn forget(&self, key: &AnswerKey, this: Option<&Shared>) {
        let mut state = self.state();
        let is_there = |place: &Place| this.is_none_or(|this| Arc::ptr_eq(&place.answer, this));
        if state.places.get(key).is_some_and(is_there)
            && let Some(place) = state.places.remove(key)
        {
            state.bytes -= place.bytes.unwrap_or(0);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which answer will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// One that is no older than the settings allow.
    Allowed,
    /// One that is asked for now.
    New,
    /// One that belongs to a list of which the first page is there.
    Of(Dated),
}

impl Age {
    /// Whether an answer will do that another reader has.
    fn takes(self, dated: Dated) -> bool {
        match self {
            Self::Allowed => true,
            Self::New => !dated.kept,
            Self::Of(list) => dated.since == list.since || !dated.kept,
        }
    }
}

/// An answer, as its reader gets it.
#[derive(Debug)]
pub(super) struct Obtained {
    pub(super) arrived: Arrived,
    pub(super) dated: Dated,
    /// How old it is, where it was kept from before.
    pub(super) age: Option<Duration>,
    /// Keeps it for statements to come.
    pub(super) keeping: Option<Keeping>,
}

/// Sends a read, unless another reader of the statement did or does, or an answer is kept that will do. None where the list
/// that it belongs to is kept, and it is not: nothing is sent then, as pages of two times are no list.
pub(super) async fn answer_once(
    context: &ReadContext,
    plan: &ReadPlan,
    outgoing: &Outgoing,
    age: Age,
    heads: Heads<'_>,
) -> Result<Option<Obtained>> {
    let readers = context.shared.readers(&plan.table, &plan.method.name);
    let keeps = !context.settings.cache.is_zero();
    let alone = async || {
        let dated = dated(context, age);
        let arrived = arrive(context, plan, outgoing, most_held(plan), heads).await?;
        Ok(Some(Obtained { arrived, dated, age: None, keeping: None }))
    };
    if plan.method.effect != Effect::Read || readers < 2 && !keeps {
        return alone().await;
    }
    let Some(key) = AnswerKey::of(outgoing) else {
        return alone().await;
    };
    if let Age::Of(list) = age
        && list.kept
    {
        return Ok(find(context, &key, Some(list.since)));
    }
    if readers < 2 {
        return kept_or_sent(context, plan, outgoing, &key, age, heads).await.map(Some);
    }
    loop {
        let place = context.shared.place(&key, readers);
        let mut own = None;
        // A reader that leaves while it asks is succeeded by the next one that waits.
        let answer = place
            .get_or_try_init(|| {
                let (own, key) = (&mut own, &key);
                async move {
                    let obtained = kept_or_sent(context, plan, outgoing, key, age, heads).await?;
                    let for_others = match &obtained.arrived {
                        Arrived::Whole(answer) => Some((answer.clone(), obtained.dated)),
                        Arrived::Long(_) => None,
                    };
                    *own = Some(obtained);
                    Ok(for_others)
                }
            })
            .await;
        let size = |answer: &Option<(Answer, Dated)>| answer.as_ref().map_or(0, |(answer, _)| answer.body.len());
        match answer {
            Err(error) => {
                context.shared.forget(&key, None);
                return Err(error);
            }
            Ok(answer) if own.is_some() => {
                context.shared.taken(&key, size(answer));
                return Ok(own);
            }
            Ok(None) => {
                context.shared.taken(&key, 0);
                return alone().await;
            }
            Ok(Some((answer, dated))) if age.takes(*dated) => {
                context.report.add_shared();
                context.shared.taken(&key, answer.body.len());
                let arrived = Arrived::Whole(answer.clone());
                return Ok(Some(Obtained { arrived, dated: *dated, age: None, keeping: None }));
            }
            // Of another time than this reader's list.
            Ok(Some(_)) => context.shared.forget(&key, Some(&place)),
        }
    }
}

/// Of what time an answer is that is about to be asked for.
fn dated(context: &ReadContext, age: Age) -> Dated {
    let since = if let Age::Of(list) = age { list.since } else { context.kept.now() };
    Dated { since, kept: false }
}

/// An answer that is kept: of the list that was asked for at `list`, or one that is young enough.
fn find(context: &ReadContext, key: &AnswerKey, list: Option<Instant>) -> Option<Obtained> {
    let (answer, since) = context.kept.find(key, context.settings.cache, list)?;
    let age = Some(context.kept.now().saturating_duration_since(since));
    Some(Obtained { arrived: Arrived::Whole(answer), dated: Dated { since, kept: true }, age, keeping: None })
}

async fn kept_or_sent(
    context: &ReadContext,
    plan: &ReadPlan,
    outgoing: &Outgoing,
    key: &AnswerKey,
    age: Age,
    heads: Heads<'_>,
) -> Result<Obtained> {
    let dated = dated(context, age);
    let sent = || arrive(context, plan, outgoing, LONGEST, heads);
    // How old an answer is depends on the hour, and a record must not.
    if context.settings.cache.is_zero() || context.client.tape().is_some() {
        return Ok(Obtained { arrived: sent().await?, dated, age: None, keeping: None });
    }
    let found = match age {
        Age::Allowed => find(context, key, None),
        Age::New => None,
        Age::Of(list) => find(context, key, Some(list.since)),
    };
    if let Some(found) = found {
        return Ok(found);
    }
    let owner = Owner { provider: plan.provider.clone(), origin: origin(&outgoing.request.url) };
    let writes = context.kept.writes(&owner);
    let arrived = sent().await?;
    let keeping = match &arrived {
        Arrived::Whole(answer) => {
            Some(Keeping { key: key.clone(), owner, since: dated.since, writes, answer: answer.clone() })
        }
        Arrived::Long(_) => None,
    };
    Ok(Obtained { arrived, dated, age: None, keeping })
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
