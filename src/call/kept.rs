//! Answers kept across statements, where `SET cache` asks for it.
//!
//! By everything that was sent and the credential; bounded in bytes, the least recently used go first. A call that may
//! have changed something empties it for the provider, also of answers that were asked for before it ended.

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
    /// Calls that may have changed something, by provider.
    writes: HashMap<String, u64>,
}

struct Kept {
    answer: Answer,
    provider: String,
    came: Instant,
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

    /// Forgets all answers of a provider, and those that are on their way.
    pub fn forget(&self, provider: &str) {
        let mut state = self.state();
        *state.writes.entry(provider.to_owned()).or_default() += 1;
        let gone: Vec<Arc<AnswerKey>> = state
            .answers
            .iter()
            .filter(|(_, kept)| kept.provider == provider)
            .map(|(key, _)| Arc::clone(key))
            .collect();
        for key in gone {
            state.remove(&key);
        }
    }

    /// The answer and its age, where it is no older than `oldest`.
    pub(super) fn find(&self, key: &AnswerKey, oldest: Duration) -> Option<(Answer, Duration)> {
        let now = self.clock.now();
        let mut state = self.state();
        state.uses += 1;
        let used = state.uses;
        let kept = state.answers.get_mut(key)?;
        let age = now.saturating_duration_since(kept.came);
        if age > oldest {
            return None;
        }
        let answer = kept.answer.clone();
        let before = std::mem::replace(&mut kept.used, used);
        if let Some(key) = state.by_use.remove(&before) {
            state.by_use.insert(used, key);
        }
        Some((answer, age))
    }

    /// Tells writes to a provider apart: see [`KeptAnswers::keep`].
    pub(super) fn writes(&self, provider: &str) -> u64 {
        self.state().writes.get(provider).copied().unwrap_or(0)
    }

    /// Keeps an answer, unless there was a write since `writes` were counted, before it was asked for.
    pub(super) fn keep(&self, key: &AnswerKey, provider: &str, writes: u64, answer: &Answer) {
        let size = size(answer);
        let came = self.clock.now();
        let mut state = self.state();
        if size > MOST_BYTES || state.writes.get(provider).copied().unwrap_or(0) != writes {
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
        state.answers.insert(key, Kept { answer: answer.clone(), provider: provider.to_owned(), came, used });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
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

/// Empties a provider's part when it goes: after a call that may have changed something, however it ended.
#[derive(Debug)]
pub(super) struct Changing<'a> {
    pub(super) kept: &'a KeptAnswers,
    pub(super) provider: &'a str,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.kept.forget(self.provider);
    }
}
