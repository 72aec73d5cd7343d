//! A plan's calls → the API, in order, a few side by side, each noted before and after.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use serde_json::Value;

use super::plan::Planned;
use super::poll::wait_for;
use crate::bind::literal_text;
use crate::call::{Answered, ReadContext, send_call};
use crate::clock::SharedClock;
use crate::config::{OnMissing, OnRowError};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Method, Poll, Resource, ValueFrom};
use crate::rows::ItemPath;
use crate::sql::Verb;
use crate::store::without_secrets;

/// Writes under way at the same time; the ledger of the host may allow fewer.
const SIDE_BY_SIDE: usize = 4;

/// What became of one call.
#[derive(Debug, Clone)]
pub enum CallResult {
    /// The API did it.
    Done(Answered),
    /// The API has no such object, and the session accepts that (`on_missing = 'ignore'`).
    Gone,
    /// The API did not do it.
    Failed(Error),
    /// It was sent, and nobody knows whether the API did it.
    Unknown(Error),
    /// The API did its first step, and the second was not done: what there is of it is no more known.
    HalfDone(Answered, Error),
    /// It was not sent.
    Untouched,
    /// It was done before, when the statement ran first.
    DoneBefore,
}

impl CallResult {
    /// Why it is not done, where an answer or the lack of one says so.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) | Self::Unknown(error) | Self::HalfDone(_, error) => Some(error),
            Self::Done(_) | Self::Gone | Self::Untouched | Self::DoneBefore => None,
        }
    }
}

/// Where it is noted what is about to be sent, and what became of it.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Notes that a call, counted from 0, is about to be sent. It is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written: the call must not be sent.
    async fn intent(&self, index: usize) -> Result<()>;

    /// Notes what became of a call.
    ///
    /// # Errors
    /// When it cannot be written.
    async fn outcome(&self, index: usize, result: &CallResult) -> Result<()>;
}

/// What became of a plan's calls.
#[derive(Debug)]
pub struct Applied {
    /// In the order of the plan.
    pub results: Vec<CallResult>,
    /// Why calls were not sent, where none of the results says so: what the statement before theirs started did not become
    /// ready, or what was done could not be noted.
    pub unready: Option<Error>,
    /// The calls of which it could not be noted what became of them, by number from 1.
    pub unnoted: Vec<usize>,
}

/// Sends the calls of `planned` for which `wanted` says so, and no statement's before all calls of the statements before it
/// are done, now or `done_before`, and what they started is there, where that is waited for. For what the last
/// statement starts the caller waits: its calls are all noted then. Dropping the future ends the calls under way: what
/// became of them is unknown.
pub async fn apply(
    context: &Arc<ReadContext>,
    clock: &SharedClock,
    planned: &Planned,
    recorder: Option<&dyn Recorder>,
    wanted: impl Fn(usize) -> bool,
    done_before: impl Fn(usize) -> bool,
) -> Applied {
    let stop = AtomicBool::new(false);
    let unnoted: Mutex<Vec<(usize, Error)>> = Mutex::default();
    let one = |index: usize| {
        let (stop, unnoted, wanted) = (&stop, &unnoted, wanted(index));
        async move {
            if !wanted || stop.load(Ordering::SeqCst) {
                return CallResult::Untouched;
            }
            if let Some(recorder) = recorder
                && let Err(error) = recorder.intent(index).await
            {
                stop.store(true, Ordering::SeqCst);
                return CallResult::Failed(error.with("state", "not sent"));
            }
            // While that was written another call may have failed.
            if stop.load(Ordering::SeqCst) {
                if let Some(recorder) = recorder
                    && let Err(error) = recorder.outcome(index, &CallResult::Untouched).await
                {
                    context.report.warn("journal", "journal", error.message().to_owned());
                }
                return CallResult::Untouched;
            }
            let result = send(context, planned, index).await;
            if result.error().is_some() && context.settings.on_row_error == OnRowError::Stop {
                stop.store(true, Ordering::SeqCst);
            }
            if let Some(recorder) = recorder
                && let Err(error) = recorder.outcome(index, &result).await
            {
                // It is done all the same; but no further call goes out that could not be noted.
                stop.store(true, Ordering::SeqCst);
                context.report.warn("journal", "journal", error.message().to_owned());
                unnoted.lock().unwrap_or_else(PoisonError::into_inner).push((index + 1, error));
            }
            result
        }
    };
    let mut results = Vec::with_capacity(planned.plan.calls.len());
    let mut unready: Option<Error> = None;
    // A statement of a transaction may be about what the one before it made.
    let mut before: Option<Range<usize>> = None;
    for (calls, _) in planned.ranges() {
        let is_done = |(at, result): (usize, &CallResult)| {
            matches!(result, CallResult::Done(_) | CallResult::Gone) || done_before(at)
        };
        if !results.iter().enumerate().all(is_done) {
            stop.store(true, Ordering::SeqCst);
        } else if let Some(before) = before.filter(|_| unready.is_none()) {
            unready = wait_for(context, clock, planned, before, &mut results).await;
            stop.fetch_or(unready.is_some(), Ordering::SeqCst);
        }
        before = Some(calls.clone());
        let mut answers = stream::iter(calls).map(one).buffered(SIDE_BY_SIDE);
        while let Some(result) = answers.next().await {
            results.push(result);
        }
    }
    let is_told = results.iter().any(|result| result.error().is_some());
    let is_left = (0..).zip(&results).any(|(at, result)| matches!(result, CallResult::Untouched) && wanted(at));
    let mut unnoted = unnoted.into_inner().unwrap_or_else(PoisonError::into_inner);
    unnoted.sort_by_key(|(call, _)| *call);
    let why = || unnoted.last().map(|(_, error)| error.clone());
    let unready = unready.or_else(|| why().filter(|_| is_left && !is_told));
    Applied { results, unready, unnoted: unnoted.into_iter().map(|(call, _)| call).collect() }
}

async fn send(context: &Arc<ReadContext>, planned: &Planned, index: usize) -> CallResult {
    let (Some(step), Some(part)) = (planned.plan.calls.get(index), planned.part_of(index)) else {
        return CallResult::Untouched;
    };
    match send_call(context, &part.method, &step.call, part.restricted.as_deref()).await {
        Ok(Answered { missing: Some(error), .. }) => {
            let error = without_secrets(error, step);
            if part.deletes() && context.settings.on_missing == OnMissing::Ignore {
                context.report.add_not_found();
                return CallResult::Gone;
            }
            CallResult::Failed(if part.verb == Verb::Delete {
                error.hint("`SET on_missing = 'ignore'` accepts that it is gone")
            } else {
                error
            })
        }
        Ok(mut answered) => match answered.unfinished.take() {
            Some(error) => {
                let error = without_secrets(naming_made(error, &ids_of(planned, index, &answered)), step);
                CallResult::HalfDone(answered, error)
            }
            None => CallResult::Done(answered),
        },
        Err(error) if error.context_value("state") == Some("unknown") => {
            CallResult::Unknown(without_secrets(error, step))
        }
        Err(error) => CallResult::Failed(without_secrets(error, step)),
    }
}

/// An error of what was begun: what there is of it.
fn naming_made(error: Error, ids: &BTreeMap<String, Value>) -> Error {
    let said: Vec<String> = ids.iter().map(|(name, value)| format!("{name} = {}", literal_text(value))).collect();
    if said.is_empty() { error } else { error.with("made", said.join(", ")) }
}

/// How many calls came to what, and which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Done now, or accepted as gone, by number from 1.
    pub done: Vec<usize>,
    /// Not done.
    pub failed: Vec<usize>,
    /// Sent, and not known.
    pub unknown: Vec<usize>,
    /// Not sent.
    pub untouched: Vec<usize>,
}

impl Summary {
    /// Counts results.
    pub fn of(results: &[CallResult]) -> Self {
        let mut summary = Self::default();
        for (at, result) in results.iter().enumerate() {
            let list = match result {
                CallResult::Done(_) | CallResult::Gone | CallResult::DoneBefore => &mut summary.done,
                CallResult::Failed(_) => &mut summary.failed,
                CallResult::Unknown(_) | CallResult::HalfDone(..) => &mut summary.unknown,
                CallResult::Untouched => &mut summary.untouched,
            };
            list.push(at + 1);
        }
        summary
    }

    /// Whether all is done.
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.unknown.is_empty() && self.untouched.is_empty()
    }

    /// `2 done (calls 1-2), 1 failed (call 3), 0 unknown, 17 untouched (calls 4-20)`.
    pub fn text(&self) -> String {
        let part = |list: &[usize], word: &str| match list {
            [] => format!("0 {word}"),
            [one] => format!("1 {word} (call {one})"),
            several => format!("{} {word} (calls {})", several.len(), ranges(several)),
        };
        [
            part(&self.done, "done"),
            part(&self.failed, "failed"),
            part(&self.unknown, "unknown"),
            part(&self.untouched, "untouched"),
        ]
        .join(", ")
    }
}

/// `calls 12-15: the journal does not say what became of them, and calls them unknown`; nothing where all are noted.
pub fn unnoted_text(calls: &[usize]) -> Option<String> {
    let which = match calls {
        [] => return None,
        [one] => format!("call {one}"),
        several => format!("calls {}", ranges(several)),
    };
    Some(format!("{which}: the journal could not be told what became of that, and calls it unknown"))
}

/// `1-3, 5, 7-8`.
fn ranges(numbers: &[usize]) -> String {
    let mut said: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match said.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => said.push((*number, *number)),
        }
    }
    let texts = said.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
    texts.collect::<Vec<_>>().join(", ")
}

/// The error of a statement that did not do all: why it was not gone on with, or the first failure; with the count of all.
pub fn failure(results: &[CallResult], unready: Option<Error>, statement: Option<&str>) -> Option<Error> {
    let summary = Summary::of(results);
    if summary.is_whole() {
        return unready;
    }
    let first = || results.iter().find_map(CallResult::error).cloned();
    let error = unready.or_else(first).unwrap_or_else(|| Error::new(ErrorKind::Partial, "not every call was sent"));
    let error =
        if results.len() > 1 || !summary.unknown.is_empty() { error.with("calls", summary.text()) } else { error };
    let hint = match statement {
        Some(id) if !summary.unknown.is_empty() && summary.failed.is_empty() && summary.untouched.is_empty() => {
            format!(
                "nobody knows whether the API acted on what is unknown: look, then `RESUME '{id}'` on a terminal, which asks \
                 what became of it, or `FORGET '{id}'`: nothing else is left to do"
            )
        }
        Some(id) if !summary.unknown.is_empty() => {
            format!("nobody knows whether the API acted on what is unknown: look, then `RESUME '{id}'` for the rest")
        }
        Some(id) => format!("`RESUME '{id}'` does what was not done"),
        None => return Some(error),
    };
    let said = error.hint_text().map_or(hint.clone(), |known| format!("{known}; {hint}"));
    Some(error.hint(said))
}

/// The identity of what a call made or changed, for the journal: the values of the resource's keys in the answer, without
/// the credential.
pub fn ids_of(planned: &Planned, index: usize, answered: &Answered) -> BTreeMap<String, Value> {
    let mut ids = planned.plan.calls.get(index).map(|call| call.identity.clone()).unwrap_or_default();
    let Some((part, keys)) = planned.part_of(index).and_then(|part| Some((part, part.resource.keys.as_ref()?))) else {
        return ids;
    };
    let item = super::answers::item_of(&part.method, &answered.value);
    for (parameter, column) in &keys.columns {
        let path = waited_by(&part.method, &part.resource, parameter);
        let waited = || path.and_then(|path| path.select(&answered.value).into_iter().next());
        match item.and_then(|item| item.get(column)).or_else(waited) {
            Some(Value::String(text)) => ids.insert(parameter.clone(), Value::String(answered.conceal(text))),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => ids.insert(parameter.clone(), value.clone()),
            _ => None,
        };
    }
    ids
}

/// Where the answer of a method holds what identifies the object that is waited for: it is the object that the call made.
fn waited_by(method: &Method, resource: &Resource, parameter: &str) -> Option<ItemPath> {
    let rule = method.waiting.as_ref()?;
    let is_own = match &rule.poll {
        Poll::Method { resource: asked, .. } => asked.as_ref().is_none_or(|asked| *asked == resource.name),
        Poll::Path(_) => false,
    };
    match rule.with.get(parameter) {
        Some(ValueFrom::Answer(path)) if is_own => ItemPath::parse(path).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_how_many_and_which() {
        let failed = || CallResult::Failed(Error::new(ErrorKind::Api, "no"));
        let results = [CallResult::Gone, CallResult::Gone, failed(), CallResult::Untouched, CallResult::Untouched];
        let text = Summary::of(&results).text();
        assert_eq!(text, "2 done (calls 1-2), 1 failed (call 3), 0 unknown, 2 untouched (calls 4-5)");
        assert_eq!(ranges(&[1, 2, 3, 5, 7, 8]), "1-3, 5, 7-8");
        assert!(failure(&results[..2], None, None).is_none());
        let error = failure(&results, None, Some("s1")).unwrap();
        assert_eq!(error.kind(), ErrorKind::Api);
        assert!(error.hint_text().unwrap().contains("RESUME 's1'"));
        let unknown = || CallResult::Unknown(Error::new(ErrorKind::Network, "gone"));
        let hint = |results: &[CallResult]| failure(results, None, Some("s1")).unwrap().hint_text().unwrap().to_owned();
        assert!(hint(&[CallResult::DoneBefore, unknown()]).contains("`FORGET 's1'`: nothing else is left"));
        assert!(hint(&[unknown(), CallResult::Untouched]).ends_with("`RESUME 's1'` for the rest"));
        assert_eq!(unnoted_text(&[]), None);
        assert!(unnoted_text(&[12, 13, 15]).unwrap().starts_with("calls 12-13, 15: "));
    }
}
