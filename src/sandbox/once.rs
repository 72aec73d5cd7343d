//! Requests that are known by a key: the second of a key gets the first one's answer, and nothing is done for it.

use std::sync::{Mutex, PoisonError};

use indexmap::IndexMap;

use super::answer::Answer;
use super::arguments::Arguments;
use super::refusal::Refusal;
use crate::provider::{Method, Parameter};

/// How many keys are remembered.
const REMEMBERED: usize = 10_000;

/// The answers that were given to keys, oldest first.
#[derive(Default)]
pub(super) struct Once(Mutex<IndexMap<(String, String, String), Answer>>);

impl Once {
    /// Does it, unless a request to `path` with the same key was answered before. What is refused may be asked for again.
    ///
    /// # Errors
    /// As doing it.
    pub(super) fn run(
        &self,
        method: &Method,
        path: &str,
        arguments: &Arguments,
        act: impl FnOnce() -> Result<Answer, Refusal>,
    ) -> Result<Answer, Refusal> {
        let given = method.idempotency_key.as_ref().and_then(|key| {
            let is_meant = |p: &&Parameter| p.name == key.parameter && p.location == key.location;
            let parameter = method.parameters.iter().find(is_meant)?;
            arguments.at(parameter.location, &parameter.wire).first().map(ToString::to_string)
        });
        let Some(given) = given else { return act() };
        // Held while it is done: of two at once the second waits for the first one's answer.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (method.http_method.clone(), path.to_owned(), given);
        if let Some(answer) = known.get(&name) {
            return Ok(answer.clone());
        }
        let answer = act()?;
        if known.len() == REMEMBERED {
            known.shift_remove_index(0);
        }
        known.insert(name, answer.clone());
        Ok(answer)
    }
}
