//! Waiting for what a plan's calls started, all side by side.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

use super::apply::CallResult;
use super::plan::{Part, Planned};
use super::wait::{Seen, Wait, period};
use crate::call::{Answered, ReadContext, send_call};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Call, Gone};
use crate::report::Awaited;
use crate::store::without_secrets;

/// Objects that an error names one by one.
const NAMED: usize = 20;

/// An object that is waited for.
struct Object<'a> {
    /// The number of its call in the plan, from 0.
    at: usize,
    part: &'a Part,
    wait: &'a Wait,
    /// For people: `image private/15`.
    name: String,
    question: Call,
}

/// How the waiting for an object ended.
enum Ended {
    Ready,
    Failed {
        reason: Option<String>,
    },
    /// The last failure to ask, where the last question got no answer.
    TimedOut {
        asked: Option<Error>,
    },
    /// It could not be asked.
    Broken(Error),
}

/// What is known of an object in the end.
struct Known {
    ended: Ended,
    state: Option<String>,
    /// The last answer.
    answer: Option<Value>,
    waited: Duration,
}

/// Waits for what those `calls` started that were done now, and puts the last answers in the place of theirs where both are
/// of one kind. What is missing in the end is the error: the calls themselves are done, and none is sent again.
///
/// Dropping the future ends the waiting and the requests under way.
pub async fn wait_for(
    context: &ReadContext,
    clock: &SharedClock,
    planned: &Planned,
    calls: Range<usize>,
    results: &mut [CallResult],
) -> Option<Error> {
    if !planned.waits() {
        return None;
    }
    let mut objects = Vec::new();
    let mut known: Vec<(usize, String, Known)> = Vec::new();
    let steps = results.iter().zip(&planned.plan.calls).enumerate();
    for (at, (result, step)) in steps.filter(|(at, _)| calls.contains(at)) {
        let CallResult::Done(Answered { value, .. }) = result else { continue };
        let Some((part, wait)) = planned.part_of(at).and_then(|part| Some((part, part.wait.as_deref()?))) else {
            continue;
        };
        match wait.question(&part.method, &step.call, value) {
            Ok((question, name)) => objects.push(Object { at, part, wait, name, question }),
            Err(error) => {
                let broken = Known { ended: Ended::Broken(error), state: None, answer: None, waited: Duration::ZERO };
                known.push((at, format!("call {}", at + 1), broken));
            }
        }
    }
    let all = objects.len();
    let left = AtomicUsize::new(all);
    let over = Over(context);
    let waiter = Waiter { context, clock, left: &left, all };
    let ends = join_all(objects.iter().map(|object| waiter.until_ready(object))).await;
    drop(over);
    for (object, end) in objects.into_iter().zip(ends) {
        if let (Some(CallResult::Done(answered)), Some(answer)) = (results.get_mut(object.at), &end.answer) {
            object.wait.put_into(&object.part.method, &mut answered.value, answer);
        }
        known.push((object.at, object.name, end));
    }
    known.sort_by_key(|(at, _, _)| *at);
    let steps = || planned.plan.calls.get(calls.clone()).unwrap_or_default();
    failure(&known).map(|error| steps().iter().fold(error, without_secrets))
}

/// Notes that the waiting is over, also when it is cancelled.
struct Over<'a>(&'a ReadContext);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.report.end_await();
    }
}

struct Waiter<'a> {
    context: &'a ReadContext,
    clock: &'a SharedClock,
    left: &'a AtomicUsize,
    all: usize,
}

impl Waiter<'_> {
    async fn until_ready(&self, object: &Object<'_>) -> Known {
        let wait = object.wait;
        let began = self.clock.now();
        let waited = || self.clock.now().saturating_duration_since(began);
        let (mut state, mut answer) = (None, None);
        self.tell(object, None, Duration::ZERO);
        let ended = loop {
            let rest = wait.timeout.saturating_sub(waited());
            self.clock.sleep(wait.interval.min(rest)).await;
            let asked = match self.ask(object).await {
                Ok(Answered { missing: Some(_), .. }) => {
                    let there = if wait.gone == Gone::Pending { "not there yet" } else { "gone" };
                    state = Some(there.to_owned());
                    match wait.gone {
                        Gone::Ready => break Ended::Ready,
                        Gone::Failed => break Ended::Failed { reason: None },
                        Gone::Pending => None,
                    }
                }
                Ok(answered) => {
                    if let Err(error) = wait.check_same(&object.question, &answered.value) {
                        break Ended::Broken(error.reworded(|text| answered.conceal(text)));
                    }
                    let (seen, said) = wait.read(&answered.value);
                    state = said.map(|said| answered.conceal(&said));
                    let reason = wait.reason(&answered.value).map(|reason| answered.conceal(&reason));
                    answer = Some(answered.value);
                    match seen {
                        Seen::Ready => break Ended::Ready,
                        Seen::Failed => break Ended::Failed { reason },
                        Seen::Pending => None,
                    }
                }
                Err(error) if passes(&error) => Some(error),
                Err(error) => break Ended::Broken(error),
            };
            if waited() >= wait.timeout {
                break Ended::TimedOut { asked };
            }
            self.tell(object, state.as_deref(), waited());
        };
        self.left.fetch_sub(1, Ordering::SeqCst);
        Known { ended, state, answer, waited: waited() }
    }

    /// A question is a read: it is repeated as one, and counted as one.
    async fn ask(&self, object: &Object<'_>) -> Result<Answered> {
        let restricted = object.part.restricted.as_deref();
        send_call(self.context, &object.wait.poll, &object.question, restricted).await
    }

    fn tell(&self, object: &Object<'_>, state: Option<&str>, waited: Duration) {
        let awaited = Awaited {
            object: object.name.clone(),
            state: state.map(str::to_owned),
            waited,
            left: self.left.load(Ordering::SeqCst),
            all: self.all,
        };
        self.context.report.await_object(awaited, self.clock.now());
    }
}

/// Whether a question that failed may be answered the next time: an API that is down for a minute ends no wait of half
/// an hour.
fn passes(error: &Error) -> bool {
    let status = error.context_value("status").and_then(|status| status.parse::<u16>().ok());
    match error.kind() {
        ErrorKind::Network | ErrorKind::RateLimited => true,
        ErrorKind::Api => status.is_some_and(|status| status >= 500 || status == 408),
        _ => false,
    }
}

/// The error of a waiting that did not end well: the first object's, with the states of all that are not ready.
fn failure(known: &[(usize, String, Known)]) -> Option<Error> {
    let is_ready = |known: &Known| matches!(known.ended, Ended::Ready);
    let (_, name, first) = known.iter().find(|(_, _, known)| !is_ready(known))?;
    let state = |known: &Known| known.state.as_ref().map_or_else(|| "unknown".to_owned(), |state| format!("`{state}`"));
    let error = match &first.ended {
        Ended::Ready => return None,
        Ended::Failed { reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            Error::new(ErrorKind::Api, format!("{name} failed, its state is {}{reason}", state(first)))
                .hint("the write itself was done, and the API could not finish what it started")
        }
        Ended::TimedOut { asked } => {
            let waited = period(Duration::from_secs(first.waited.as_secs().max(1)));
            let error = Error::new(ErrorKind::Partial, format!("{name} was not ready after {waited}, its state is {}", state(first)))
                .hint("the write itself was done, and what it started may still come to its end; `SET await_timeout = '…'` waits longer");
            match asked {
                Some(asked) => error.with("last answer", asked.message().to_owned()),
                None => error,
            }
        }
        Ended::Broken(error) => {
            let own = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
            error
                .clone()
                .with("waiting for", name.clone())
                .with("its state", state(first))
                .hint(format!("the write itself was done, only the waiting for it ended{own}"))
        }
    };
    let error = error.with("write", "done");
    if known.len() == 1 {
        return Some(error);
    }
    let line = |(at, name, known): &(usize, String, Known)| {
        let word = match &known.ended {
            Ended::Ready => return None,
            Ended::Failed { .. } => "failed",
            Ended::TimedOut { .. } => "not ready",
            Ended::Broken(_) => "not asked to the end",
        };
        Some(format!("call {}, {name}: {word}, {}", at + 1, state(known)))
    };
    let lines: Vec<String> = known.iter().filter_map(line).collect();
    let mut said: Vec<String> = lines.iter().take(NAMED).cloned().collect();
    if lines.len() > NAMED {
        said.push(format!("and {} more", lines.len() - NAMED));
    }
    let ready = known.len() - lines.len();
    Some(error.with("ready", format!("{ready} of {}", known.len())).with("not ready", said.join("; ")))
}
