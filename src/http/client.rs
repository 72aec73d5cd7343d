//! Sending a request to its end: permit, signature, transport, retry.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream, Fuse};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::auth::{Authorizer, SignTarget};
use super::grant::{Asker, Grant, Token, Tokens};
use super::ledger::{Ledger, LedgerKey, Outcome, Permit, Published};
use super::origin::host;
use super::retry::{asked_too_long, asked_wait, back_off, passes};
use super::tape::{Label, Tape};
use super::{HeaderMap, Request, Response, StatusCode, Transport, Url};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Report, UnderWay};

/// A body's first allocation is no larger, whatever its `Content-Length` claims.
const BODY_RESERVE: usize = 8 << 20;

/// Sends requests, whatever transport answers them. Cheap to clone.
///
/// Dropping a future of it, or a body it gave, ends the request and returns its permit.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    ledger: Arc<Ledger>,
    clock: SharedClock,
    tape: Option<Arc<Tape>>,
    tokens: Tokens,
}

/// A request and how it may be sent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The request, without a credential.
    pub request: Request,
    /// The credential; `None` when it needs none.
    pub authorizer: Option<Arc<Authorizer>>,
    /// Names of query parameters whose values are not written to the log.
    pub secret_query: Vec<String>,
    /// The path as the API's signing rules mean it.
    pub signing_path: String,
    /// Whether it may be sent again.
    pub repeat: Repeat,
    /// The API's published limit.
    pub published: Published,
    /// How often it is sent again at most.
    pub retries: u32,
    /// The longest single wait an API may ask for.
    pub max_wait: Duration,
    /// What it is called in a record of calls; without one it is in none.
    pub label: Option<Arc<Label>>,
}

/// Whether a request may be sent again when nobody knows whether the API acted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing: it is repeated after connection errors, time-outs, broken bodies, 408, 429 and 5xx.
    Safe,
    /// It is repeated only where the API certainly did not act: it was not reached, or answered 429.
    Unsafe,
    /// It changes something, and carries a key by which the API knows it again: it is repeated as what is safe, and what
    /// the last attempt says holds for all of them only where the API says that it did it, or that it will not.
    Keyed,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
    /// How often the request was sent.
    pub attempts: u32,
    /// How long the last attempt took, from sending to the end of the body.
    pub latency: Duration,
    /// Whether an attempt before the last may have been acted on, and this answer does not tell.
    pub in_doubt: bool,
}

/// An answer whose body is still arriving.
#[derive(Debug)]
pub struct Opened {
    /// The answer.
    pub response: Response,
    /// How often the request was sent.
    pub attempts: u32,
}

/// An answer of which the body is still arriving, with all that its request holds: whoever has it decides how much of the
/// body is read, and when. Dropping it ends the request.
pub(crate) struct Arriving {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Fuse<BoxStream<'static, Result<Bytes>>>,
    permit: Option<Permit>,
    _under_way: UnderWay,
    report: Report,
}

/// What was made of an answer, and how it came.
#[derive(Debug)]
pub(crate) struct Taken<T> {
    pub(crate) value: T,
    /// How often the request was sent.
    pub(crate) attempts: u32,
    /// How long the last attempt took.
    pub(crate) latency: Duration,
    in_doubt: bool,
    status: StatusCode,
    /// The length of the body, where all of it was read.
    bytes: Option<u64>,
}

/// How many requests a statement may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallBudget {
    /// The statement stops before it sends more than this.
    pub max_calls: u64,
}

impl CallBudget {
    /// Whether there is room for another request.
    fn check(self, report: &Report) -> Result<()> {
        if report.calls() < self.max_calls { Ok(()) } else { self.spent() }
    }

    /// Counts a request that is about to be sent.
    fn take(self, report: &Report) -> Result<()> {
        if report.add_call_within(self.max_calls) { Ok(()) } else { self.spent() }
    }

    fn spent(self) -> Result<()> {
        let calls = if self.max_calls == 1 { "call" } else { "calls" };
        Err(Error::new(ErrorKind::Budget, format!("stopped after {} {calls}", self.max_calls))
            .hint("`SET max_calls = …` allows more"))
    }
}

impl Client {
    /// A client over a transport; clients that share a ledger share its limits.
    pub fn new(transport: Arc<dyn Transport>, ledger: Arc<Ledger>, clock: SharedClock) -> Self {
        Self { transport, ledger, clock, tape: None, tokens: Tokens::default() }
    }

    /// The same with a record, which is written, or which answers in place of the transport.
    #[must_use]
    pub fn with_tape(self, tape: Arc<Tape>) -> Self {
        Self { tape: Some(tape), ..self }
    }

    /// The record that is written or that answers.
    pub fn tape(&self) -> Option<&Tape> {
        self.tape.as_deref()
    }

    /// Sends the request, again where that is safe and may help, and reads the whole answer.
    ///
    /// When the retries are used up, the last answer is given, whatever its status.
    ///
    /// # Errors
    /// `Network` when there is no answer, with `attempts` where it was sent more than once, and with `state: unknown`
    /// where an unsafe request may have been acted on; `RateLimited` when the API asks for a longer pause than
    /// `max_wait`; `Budget` when the statement's calls are used up; `Auth` and `InvalidArgument` when the request
    /// cannot be signed or sent there.
    pub async fn fetch(&self, outgoing: &Outgoing, report: &Report, budget: &CallBudget) -> Result<Answer> {
        let span = call_span(outgoing);
        let answered = self.fetch_inside(outgoing, report, budget).instrument(span.clone()).await;
        match &answered {
            Ok(answer) => {
                let length = answer.body.len() as u64;
                record_answer(&span, answer.status, Some(length), answer.latency, answer.attempts);
            }
            Err(error) => {
                span.record("error", error.kind().name());
            }
        }
        answered
    }

    async fn fetch_inside(&self, outgoing: &Outgoing, report: &Report, budget: &CallBudget) -> Result<Answer> {
        let Some((tape, label)) = self.tape.as_ref().zip(outgoing.label.as_deref()) else {
            return self.fetch_live(outgoing, report, budget).await;
        };
        if tape.is_replay() {
            budget.take(report)?;
            let answer = tape.answer(label)?;
            report.add_bytes(answer.body.len() as u64);
            return Ok(answer);
        }
        let answered = self.fetch_live(outgoing, report, budget).await;
        if let Err(error) = tape.note(label, &answered).await {
            report.warn("record", "record", error.to_string());
        }
        answered
    }

    async fn fetch_live(&self, outgoing: &Outgoing, report: &Report, budget: &CallBudget) -> Result<Answer> {
        let taken = self.run(outgoing, report, *budget, read_whole).await?;
        let Whole { status, headers, body } = taken.value;
        let Taken { attempts, latency, in_doubt, .. } = taken;
        Ok(Answer { status, headers, body, attempts, latency, in_doubt })
    }

    /// As [`Client::fetch`], but `take` reads of the answer what it wants, and gives the length of the body where it read
    /// all of it. An answer that breaks off before `take` is done is asked for again, where that is safe. No record has it.
    ///
    /// # Errors
    /// As [`Client::fetch`], and what `take` refuses.
    pub(crate) async fn receive<T, Taking>(
        &self,
        outgoing: &Outgoing,
        report: &Report,
        budget: &CallBudget,
        take: impl Fn(Arriving) -> Taking,
    ) -> Result<Taken<T>>
    where
        Taking: Future<Output = Result<(T, Option<u64>)>>,
    {
        let span = call_span(outgoing);
        let taken = self.run(outgoing, report, *budget, take).instrument(span.clone()).await;
        match &taken {
            Ok(taken) => record_answer(&span, taken.status, taken.bytes, taken.latency, taken.attempts),
            Err(error) => {
                span.record("error", error.kind().name());
            }
        }
        taken
    }

    /// As [`Client::fetch`], but the body streams, and nothing is repeated once the headers are there.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub async fn open(&self, outgoing: &Outgoing, report: &Report, budget: &CallBudget) -> Result<Opened> {
        let on_demand = |arriving: Arriving| std::future::ready(Ok((arriving.into_response(), None)));
        let taken = self.receive(outgoing, report, budget, on_demand).await?;
        Ok(Opened { response: taken.value, attempts: taken.attempts })
    }

    /// Sends, and says of what fails whether an attempt may have been acted on.
    async fn run<T, Taking>(
        &self,
        outgoing: &Outgoing,
        report: &Report,
        budget: CallBudget,
        take: impl Fn(Arriving) -> Taking,
    ) -> Result<Taken<T>>
    where
        Taking: Future<Output = Result<(T, Option<u64>)>>,
    {
        let mut in_doubt = false;
        let taken = self.attempts(outgoing, report, budget, take, &mut in_doubt).await;
        taken.map_err(|error| {
            // Whatever ended it: what was sent before may have been done.
            let is_new = in_doubt && error.context_value("state").is_none();
            if is_new { error.with("state", "unknown") } else { error }
        })
    }

    /// The one loop of attempts. `take` makes of an answer what the caller wants. `in_doubt` becomes true with the first
    /// attempt of a change that may have been acted on and is repeated.
    async fn attempts<T, Taking>(
        &self,
        outgoing: &Outgoing,
        report: &Report,
        budget: CallBudget,
        take: impl Fn(Arriving) -> Taking,
        in_doubt: &mut bool,
    ) -> Result<Taken<T>>
    where
        Taking: Future<Output = Result<(T, Option<u64>)>>,
    {
        let Outgoing { request, authorizer, signing_path, published, max_wait, retries, .. } = outgoing;
        if let Some(authorizer) = authorizer {
            authorizer.check(&request.url)?;
        }
        let key = LedgerKey::new(&request.url, authorizer.as_deref());
        let target = SignTarget { path: signing_path };
        let mut attempt: u32 = 1;
        // A token in the place of one that the API has refused: there is one, once.
        let mut newer: Option<Token> = None;
        let mut is_broken = false;
        loop {
            budget.check(report)?;
            let token = match &newer {
                Some(newer) => Some(newer.clone()),
                None => self.granted(outgoing, None, report, budget).await?,
            };
            let waiting = report.waits();
            let permit = self.ledger.enter(&key, published, *max_wait, &self.clock, report.statement()).await?;
            drop(waiting);
            report.add_wait(permit.waited());
            let signed = match authorizer {
                Some(authorizer) => authorizer.sign(request.clone(), &target, &*self.clock)?,
                None => request.clone(),
            };
            budget.take(report)?;
            if attempt > 1 {
                report.add_retry();
            }

            let under_way = report.under_way();
            let sent = self.clock.now();
            let elapsed = || self.clock.now().saturating_duration_since(sent);
            let answered = if is_broken || outgoing.repeat == Repeat::Unsafe {
                self.transport.send_fresh(signed).await
            } else {
                self.transport.send(signed).await
            };
            let outcome = match &answered {
                Ok(Response { status, headers, .. }) => {
                    Outcome::Answered { status: *status, headers, latency: elapsed() }
                }
                Err(_) => Outcome::Failed,
            };
            permit.observe(&outcome);

            if let (Ok(response), Some(known)) = (&answered, &token) {
                let status = response.status;
                if status.is_success() {
                    known.accept();
                } else if status == StatusCode::UNAUTHORIZED && newer.is_none() {
                    newer = self.granted(outgoing, Some(known), report, budget).await?.filter(|newer| !newer.is(known));
                    if newer.is_some() {
                        log(outgoing, Some(status), None, elapsed(), attempt, "repeated with a new token");
                        drop((answered, permit, under_way));
                        continue;
                    }
                }
            }

            let may_repeat = attempt <= *retries;
            let failure = match answered {
                Ok(response) => {
                    let status = response.status;
                    let wait = if may_repeat || status == StatusCode::TOO_MANY_REQUESTS {
                        let wait = self.wait_after_answer(outgoing, &response, attempt);
                        wait.inspect_err(|error| {
                            log(outgoing, Some(status), None, elapsed(), attempt, error.message());
                        })?
                    } else {
                        None
                    };
                    if let Some(wait) = wait.filter(|_| may_repeat) {
                        *in_doubt |= outgoing.repeat == Repeat::Keyed && !refuses(status);
                        log(outgoing, Some(status), None, elapsed(), attempt, "repeated");
                        drop((response, permit, under_way));
                        self.pause(wait, report).await;
                        attempt += 1;
                        continue;
                    }
                    let Response { status, headers, body } = response;
                    let (body, permit, report) = (body.fuse(), Some(permit), report.clone());
                    match take(Arriving { status, headers, body, permit, _under_way: under_way, report }).await {
                        Ok((value, bytes)) => {
                            let latency = elapsed();
                            log(outgoing, Some(status), bytes, latency, attempt, "");
                            let in_doubt = *in_doubt && !tells_of_all(status);
                            return Ok(Taken { value, attempts: attempt, latency, in_doubt, status, bytes });
                        }
                        Err(error) => {
                            log(outgoing, Some(status), None, elapsed(), attempt, error.message());
                            Failure { error: error.with("status", status.as_u16().to_string()), status: Some(status) }
                        }
                    }
                }
                Err(error) => {
                    drop((permit, under_way));
                    log(outgoing, None, None, elapsed(), attempt, error.message());
                    Failure { error, status: None }
                }
            };
            if !(may_repeat && failure.may_be_repeated(outgoing.repeat)) {
                return Err(failure.into_error(outgoing.repeat, attempt));
            }
            is_broken = true;
            *in_doubt |= outgoing.repeat == Repeat::Keyed && !failure.is_told();
            self.pause(back_off(attempt, self.clock.chance()).min(*max_wait), report).await;
            attempt += 1;
        }
    }

    /// Whether a credential is one that must be asked for first.
    pub(crate) fn needs_token(&self, authorizer: &Authorizer) -> bool {
        let held = |grant: &Arc<Grant>| self.tokens.holds(grant, authorizer.fingerprint(), &*self.clock);
        self.tape.as_ref().is_none_or(|tape| !tape.is_replay()) && authorizer.grant().is_some_and(|grant| !held(grant))
    }

    /// Sees to it that a credential which is asked for is there.
    async fn granted(
        &self,
        outgoing: &Outgoing,
        stale: Option<&Token>,
        report: &Report,
        budget: CallBudget,
    ) -> Result<Option<Token>> {
        let Some((authorizer, grant)) = outgoing.authorizer.as_ref().and_then(|a| Some((a, a.grant()?))) else {
            return Ok(None);
        };
        let count = || budget.take(report);
        let asker = Asker { transport: &*self.transport, timeout: outgoing.request.timeout, count: &count };
        let token = self.tokens.token(grant, authorizer.fingerprint(), stale, &asker, &*self.clock).await?;
        token.before.iter().chain([&token.text]).for_each(|text| authorizer.set_token(text.clone()));
        Ok(Some(token))
    }

    /// How long to wait before the request is sent again; `None` when the answer stands.
    fn wait_after_answer(&self, outgoing: &Outgoing, response: &Response, attempt: u32) -> Result<Option<Duration>> {
        let throttled = response.status == StatusCode::TOO_MANY_REQUESTS;
        let repeatable = match outgoing.repeat {
            Repeat::Safe | Repeat::Keyed => passes(response.status),
            Repeat::Unsafe => throttled,
        };
        if !repeatable {
            return Ok(None);
        }
        // Asked for no pause at all, every retry would be spent at once.
        let asked = asked_wait(&response.headers, &outgoing.published, self.clock.utc());
        match asked.filter(|asked| !asked.is_zero()) {
            Some(asked) if asked <= outgoing.max_wait => Ok(Some(asked)),
            Some(asked) if throttled => Err(asked_too_long(asked, &host(&outgoing.request.url))
                .with("status", response.status.as_u16().to_string())),
            Some(_) => Ok(None),
            None => Ok(Some(back_off(attempt, self.clock.chance()).min(outgoing.max_wait))),
        }
    }

    async fn pause(&self, wait: Duration, report: &Report) {
        if !wait.is_zero() {
            let _waiting = report.waits();
            let from = self.clock.now();
            self.clock.sleep(wait).await;
            report.add_wait(self.clock.now().saturating_duration_since(from));
        }
    }
}

/// An attempt without a whole answer.
struct Failure {
    error: Error,
    /// The status, where the answer broke off behind its headers.
    status: Option<StatusCode>,
}

impl Failure {
    fn may_be_repeated(&self, repeat: Repeat) -> bool {
        match repeat {
            Repeat::Safe | Repeat::Keyed => self.error.is_retryable() || self.error.kind() == ErrorKind::Network,
            Repeat::Unsafe => self.status.is_none() && self.error.is_retryable(),
        }
    }

    /// Whether it is known that the API did not act on it.
    fn is_told(&self) -> bool {
        let unsent = self.error.is_retryable()
            || matches!(
                self.error.kind(),
                ErrorKind::InvalidArgument | ErrorKind::NameNotFound | ErrorKind::Auth | ErrorKind::Unsupported
            );
        self.status.map_or(unsent, refuses)
    }

    fn into_error(self, repeat: Repeat, attempts: u32) -> Error {
        let told = self.is_told();
        let mut error = self.error;
        if attempts > 1 {
            error = error.with("attempts", attempts.to_string());
        }
        if repeat != Repeat::Safe && !told {
            error = error.with("state", "unknown");
        }
        error
    }
}

/// Whether a status says that nothing was done, even if the rest of the answer is lost. A time-out of the API's own says
/// nothing.
fn refuses(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT
}

/// Whether the answer to a request with a key holds for every time that it was sent. Done is done; a request that is
/// wrong is wrong each time. That the first one is still under way (409), that this one came too often or without leave,
/// says nothing of the first.
fn tells_of_all(status: StatusCode) -> bool {
    status.is_success() || (refuses(status) && !matches!(status.as_u16(), 401 | 403 | 409 | 425 | 429))
}

struct Whole {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

async fn read_whole(mut arriving: Arriving) -> Result<(Whole, Option<u64>)> {
    let (body, _) = arriving.read_to(usize::MAX).await?;
    let Arriving { status, headers, .. } = arriving;
    let length = body.len() as u64;
    Ok((Whole { status, headers, body }, Some(length)))
}

impl Arriving {
    /// The next bytes of the body; none after the last.
    ///
    /// # Errors
    /// `Network` when it breaks off.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let Some(chunk) = self.body.next().await.transpose()? else { return Ok(None) };
        self.report.add_bytes(chunk.len() as u64);
        Ok(Some(chunk))
    }

    /// The beginning of the body, until it is longer than `most`, and whether more may follow.
    ///
    /// # Errors
    /// `Network` when it breaks off before that.
    pub(crate) async fn read_to(&mut self, most: usize) -> Result<(Bytes, bool)> {
        let mut read = BytesMut::new();
        let mut first = Bytes::new();
        let mut more = true;
        while first.len().max(read.len()) <= most {
            let Some(chunk) = self.chunk().await? else {
                more = false;
                break;
            };
            if first.is_empty() && read.is_empty() {
                // Most answers are one chunk, which needs no copy.
                first = chunk;
                continue;
            }
            if read.is_empty() {
                let said = content_length(&self.headers).min(BODY_RESERVE).min(most);
                read.reserve(said.max(first.len() + chunk.len()));
                read.extend_from_slice(&first);
            }
            read.extend_from_slice(&chunk);
        }
        Ok((if read.is_empty() { first } else { read.freeze() }, more))
    }

    /// Lets another request go while the rest of this one's body is not being read.
    pub(crate) fn make_room(&mut self) {
        self.permit = None;
    }

    fn into_response(self) -> Response {
        let Self { status, headers, body, permit, report, .. } = self;
        let counted = stream::unfold(Some((body, permit)), move |state| {
            let report = report.clone();
            async move {
                let (mut body, permit) = state?;
                match body.next().await? {
                    Ok(chunk) => {
                        report.add_bytes(chunk.len() as u64);
                        Some((Ok(chunk), Some((body, permit))))
                    }
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        Response { status, headers, body: counted.boxed() }
    }
}

impl fmt::Debug for Arriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arriving").field("status", &self.status).finish_non_exhaustive()
    }
}

fn content_length(headers: &HeaderMap) -> usize {
    headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// One line per attempt. The request is the unsigned one, so that no credential is in its URL.
fn log(outgoing: &Outgoing, status: Option<StatusCode>, bytes: Option<u64>, took: Duration, attempt: u32, note: &str) {
    tracing::info!(
        target: "skyql::http",
        method = %outgoing.request.method,
        url = %shown(outgoing),
        status = status.map(|status| status.as_u16()),
        bytes,
        milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        attempt,
        note,
    );
}

/// The span of a call: its attempts are events inside it.
fn call_span(outgoing: &Outgoing) -> Span {
    tracing::debug_span!(
        target: "skyql::http",
        "call",
        method = %outgoing.request.method,
        url = %shown(outgoing),
        status = Empty,
        bytes = Empty,
        milliseconds = Empty,
        attempts = Empty,
        error = Empty,
    )
}

fn record_answer(span: &Span, status: StatusCode, bytes: Option<u64>, took: Duration, attempts: u32) {
    span.record("status", status.as_u16());
    if let Some(bytes) = bytes {
        span.record("bytes", bytes);
    }
    span.record("milliseconds", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    span.record("attempts", attempts);
}

/// The URL without secrets: those of the document's parameters, and those of the credential, which a link of the API's may
/// hold.
fn shown(outgoing: &Outgoing) -> Url {
    let mut url = outgoing.request.url.clone();
    // Both fail only for URLs without a host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let of_credential = outgoing.authorizer.as_deref().map(Authorizer::query_names).unwrap_or_default();
    let is_secret =
        |name: &str| outgoing.secret_query.iter().any(|secret| secret == name) || of_credential.contains(&name);
    if url.query_pairs().any(|(name, _)| is_secret(&name)) {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let shown = pairs.iter().map(|(name, value)| (name, if is_secret(name) { "***" } else { value }));
        url.query_pairs_mut().clear().extend_pairs(shown);
    }
    if let Some(authorizer) = outgoing.authorizer.as_deref() {
        // Within a URL the usual mark would be written as bytes.
        let conceal = |text: &str| authorizer.conceal(text).replace('…', "***");
        let (path, query) = (conceal(url.path()), url.query().map(conceal));
        url.set_path(&path);
        url.set_query(query.as_deref());
    }
    url
}

#[cfg(test)]
mod tests;
