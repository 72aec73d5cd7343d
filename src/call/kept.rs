//! Answers kept across statements, where `SET cache` asks for it.
//!
//! By everything that was sent and the credential; bounded in bytes, the least recently used go first. A call that may
//! have changed something empties it for its provider and for whatever else is at the same origin, also of answers that
//! were asked for before it ended. The pages of a list are kept as of one time, that of the first page, and are used again
//! with that first page only.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::shared::AnswerKey;
use crate::clock::SharedClock;
use crate::http::Answer;

/// Bodies kept, in all.
const MOST_BYTES: usize = 64 << 20;
/// What an answer without a body takes, about.
const OVERHEAD: usize = 1024;

/// The answers that a process keeps.
pub struct KeptAnswers {
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: HashMap<Arc<AnswerKey>, Kept>,
    /// By when they were used last.
    by_use: BTreeMap<u64, Arc<AnswerKey>>,
    uses: u64,
    bytes: usize,
    /// Calls that may have changed something, by provider and by origin.
    writes: HashMap<String, u64>,
}

/// Whose an answer is: what makes it old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) provider: String,
    pub(super) origin: String,
}

struct Kept {
    answer: Answer,
    owner: Owner,
    /// When the list was asked for that it belongs to.
    since: Instant,
    used: u64,
}

impl fmt::Debug for KeptAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptAnswers").field("bytes", &self.state().bytes).finish_non_exhaustive()
    }
}

impl KeptAnswers {
    /// Nothing yet.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// The time by which answers are dated.
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Forgets all answers of a provider or of an origin, and those that are on their way.
    fn forget(&self, place: &str) {
        let mut state = self.state();
        *state.writes.entry(place.to_owned()).or_default() += 1;
        let gone: Vec<Arc<AnswerKey>> = state
            .answers
            .iter()
            .filter(|(_, kept)| kept.owner.provider == place || kept.owner.origin == place)
            .map(|(key, _)| Arc::clone(key))
            .collect();
        for key in gone {
            state.remove(&key);
        }
    }

    /// The answer and since when it is kept: one no older than `oldest`, or, of a list of which the first page is there
    /// already, one that belongs to it.
    pub(super) fn find(&self, key: &AnswerKey, oldest: Duration, list: Option<Instant>) -> Option<(Answer, Instant)> {
        let now = self.clock.now();
        let mut state = self.state();
        state.uses += 1;
        let used = state.uses;
        let kept = state.answers.get_mut(key)?;
        let since = kept.since;
        let usable = match list {
            Some(list) => since == list,
            None => now.saturating_duration_since(since) <= oldest,
        };
        if !usable {
            return None;
        }
        let answer = kept.answer.clone();
        let before = std::mem::replace(&mut kept.used, used);
        if let Some(key) = state.by_use.remove(&before) {
            state.by_use.insert(used, key);
        }
        Some((answer, since))
    }

    /// Tells writes apart that make an owner's answers old: see [`KeptAnswers::keep`].
    pub(super) fn writes(&self, owner: &Owner) -> u64 {
        self.state().writes(owner)
    }

    /// Keeps an answer of a list that was asked for at `since`, unless there was a write since `writes` were counted,
    /// before the answer was asked for.
    pub(super) fn keep(&self, key: &AnswerKey, owner: &Owner, since: Instant, writes: u64, answer: &Answer) {
        let size = size(answer);
        let mut state = self.state();
        if size > MOST_BYTES || state.writes(owner) != writes {
            return;
        }
        state.remove(key);
        while state.bytes + size > MOST_BYTES {
            let Some((_, oldest)) = state.by_use.pop_first() else { break };
            state.remove(&oldest);
        }
        state.uses += 1;
        let (used, key) = (state.uses, Arc::new(key.clone()));
        state.bytes += size;
        state.by_use.insert(used, Arc::clone(&key));
        state.answers.insert(key, Kept { answer: answer.clone(), owner: owner.clone(), since, used });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn writes(&self, owner: &Owner) -> u64 {
        let of = |place: &str| self.writes.get(place).copied().unwrap_or(0);
        of(&owner.provider) + of(&owner.origin)
    }

    fn remove(&mut self, key: &AnswerKey) {
        if let Some(gone) = self.answers.remove(key) {
            self.by_use.remove(&gone.used);
            self.bytes -= size(&gone.answer);
        }
    }
}

fn size(answer: &Answer) -> usize {
    answer.body.len() + OVERHEAD
}

/// An answer that is kept once its reader knows that it is good.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) key: AnswerKey,
    pub(super) owner: Owner,
    /// See [`KeptAnswers::keep`].
    pub(super) since: Instant,
    pub(super) writes: u64,
    pub(super) answer: Answer,
}

impl Keeping {
    pub(super) fn keep(self, kept: &KeptAnswers) {
        kept.keep(&self.key, &self.owner, self.since, self.writes, &self.answer);
    }
}

/// Empties what a place has when it goes: after a call that may have changed something, however it ended.
#[derive(Debug)]
pub(super) struct Changing<'a> {
    pub(super) kept: &'a KeptAnswers,
    /// A provider's name, or an origin.
    pub(super) place: String,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.kept.forget(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn it_is_bounded_in_bytes_and_the_least_recently_used_goes_first() {
        let kept = KeptAnswers::new(Arc::new(SystemClock));
        let owner = Owner { provider: "a".into(), origin: "https://a.test".into() };
        let key = |n: usize| AnswerKey::named(&format!("https://a.test/{n}"));
        let keep = |n: usize, length: usize| {
            let body = Bytes::from(vec![b'x'; length]);
            let answer = Answer {
                status: StatusCode::OK,
                headers: http::HeaderMap::new(),
                body,
                attempts: 1,
                latency: Duration::ZERO,
                in_doubt: false,
            };
            kept.keep(&key(n), &owner, kept.now(), 0, &answer);
        };
        let is_there = |n: usize| kept.find(&key(n), Duration::from_hours(1), None).is_some();
        for n in 0..6 {
            keep(n, 10 << 20);
        }
        // One that was used lately stays; what is longer than all together is not kept.
        assert!(is_there(0));
        keep(6, 10 << 20);
        keep(7, MOST_BYTES + 1);
        let there: Vec<usize> = (0..8).filter(|n| is_there(*n)).collect();
        assert_eq!(there, [0, 2, 3, 4, 5, 6]);
        assert!(kept.state().bytes <= MOST_BYTES);
        keep(0, 1);
        assert!(kept.state().bytes < 51 << 20, "the same again takes its place");
    }
}
