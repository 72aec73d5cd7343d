//! How long lists are, as their answers said: what EXPLAIN expects, and what decides between a list and one call per key.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use super::read::ReadContext;
use super::shape::ReadPlan;
use crate::provider::Call;

/// Lists remembered; the memory starts anew beyond that.
const MOST: usize = 10_000;

/// What an answer said of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Rows in all, where the answer states them or the list ended.
    pub rows: Option<u64>,
    /// Calls that reading all of it takes, in the pages that were asked for.
    pub calls: u64,
}

/// The lengths of the lists that a process has read from.
#[derive(Debug, Default)]
pub struct Lengths(Mutex<HashMap<u64, Length>>);

impl Lengths {
    fn of(&self, call: &Call, credential: &str) -> Option<Length> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place(call, credential)).copied()
    }

    pub(super) fn note(&self, call: &Call, credential: &str, length: Length) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(place(call, credential), length);
    }
}

/// What is known of the list that a call of `plan` begins; nothing where its credential is missing.
pub fn known_length(context: &ReadContext, plan: &ReadPlan, call: &Call) -> Option<Length> {
    let server = context.endpoints.server(&plan.provider, &plan.method, &call.arguments).ok()?;
    let restricted = plan.restricted.as_deref();
    let authorizer = context.endpoints.authorizer(&plan.provider, &plan.method.auth, &server, restricted).ok()?;
    context.lengths.of(call, authorizer.as_ref().map_or("", |authorizer| authorizer.fingerprint()))
}

/// A collision makes a bad guess, and guesses are all this is for.
fn place(call: &Call, credential: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&call.provider, &call.service, &call.resource, &call.method, credential).hash(&mut hasher);
    for (name, value) in call.arguments.iter().chain(&call.body) {
        (name, value.to_string()).hash(&mut hasher);
    }
    hasher.finish()
}
