//! A [`Transport`] that answers like the API that provider documents describe.
//!
//! *Owns*: routing requests to operations, the imitated API's rows, how they are made and what calls make of them, its
//! pages, filters, errors and credentials, keeping its state in a file, and serving all that on loopback.
//! *Does not own*: making requests or reading answers: what it writes comes from the document alone, so that it is an
//! independent check of the rooms that read.
//! *Invariants*: the same seed and the same writes give the same rows on every machine, whatever else was asked; no
//! request makes it panic; it reads no clock but the one it is given; it never calls anybody.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};
use http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method as HttpMethod, StatusCode};
use secrecy::SecretString;
use url::Url;

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Request, Response, Transport};
use crate::provider::{Auth, Effect, ItemShape, Service};
use crate::threads::off_thread;

mod access;
mod answer;
mod arguments;
mod asked;
mod base64;
mod body;
mod chance;
mod change;
mod date;
mod expression;
mod filter;
mod once;
mod page;
mod recipe;
mod refusal;
mod route;
mod rows;
mod saved;
mod serve;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod upload;
mod words;
mod write;

pub use serve::{Serving, serve};

use access::{Caller, Credentials};
use answer::{Answer, ErrorForm};
use arguments::Arguments;
use asked::Asked;
use once::Once;
use refusal::Refusal;
use route::{Captured, Found, Route, Routes};
use saved::StateFile;
use state::{Row, State};
use write::Write;

/// The largest request body that is read, in bytes; uploads are only counted.
const BODY_LIMIT: usize = 16 << 20;

/// How many requests [`Sandbox::requests`] remembers.
const REMEMBERED: usize = 1000;

/// An imitation of one provider's API.
pub struct Sandbox {
    routes: Routes,
    state: Arc<State>,
    file: Option<Arc<StateFile>>,
    credentials: Credentials,
    /// The ways of getting a token that its documents name.
    clients: Vec<Auth>,
    page_cap: Option<u64>,
    faults: Faults,
    clock: SharedClock,
    count: AtomicU64,
    writes: AtomicU64,
    seen: Mutex<VecDeque<Seen>>,
    once: Once,
    /// For answers that no operation gives.
    errors: ErrorForm,
}

/// What can be chosen of a sandbox.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// Other seeds give other rows.
    pub seed: u64,
    /// Values of the document's credential variables, in place of the sandbox's own.
    pub credentials: BTreeMap<String, SecretString>,
    /// Lowers page sizes without a word, as some servers do.
    pub page_cap: Option<u64>,
    /// What goes wrong.
    pub faults: Faults,
    /// A file that keeps what writes have made of the rows: read at the start if it is there, and written after each
    /// write. Several providers can share it, several processes cannot.
    pub state: Option<PathBuf>,
}

/// Faults on request. The first request is number 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// How long every answer takes, on the sandbox's clock.
    pub latency: Duration,
    /// Every n-th request is answered with 429 and `Retry-After: 1`.
    pub every_nth_429: Option<u64>,
    /// Every n-th request is answered with 500.
    pub every_nth_500: Option<u64>,
    /// Every n-th write is done, but the connection ends before the answer. Refused writes do not count.
    pub drop_after_write: Option<u64>,
}

/// A request as the sandbox saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as it was sent, with the query string.
    pub path_and_query: String,
}

/// An answer, and whether anything was written for it.
struct Done {
    answer: Answer,
    wrote: bool,
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is closed on purpose")
    }
}

impl std::error::Error for Dropped {}

/// A request, from wherever it came.
struct Incoming {
    method: HttpMethod,
    /// The whole URL, for links that lead back.
    url: Url,
    /// The path as it was sent.
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What is wrong with the `sandbox` hints of one provider's services: the `service.resource`, the key, and why.
pub(crate) fn wrong_hints(services: &[Arc<Service>]) -> Vec<(String, String, String)> {
    state::wrong_hints(services)
}

impl Sandbox {
    /// A sandbox for all services of one provider.
    ///
    /// # Errors
    /// `Provider` when a `sandbox` hint cannot be used; names the resource and the key. `InvalidArgument` when the state
    /// file cannot be.
    pub fn new(services: &[Arc<Service>], options: SandboxOptions, clock: SharedClock) -> Result<Self> {
        let SandboxOptions { seed, credentials, page_cap, faults, state: file } = options;
        let routes = Routes::new(services);
        let errors =
            routes.iter().map(|route| ErrorForm::of(&route.method)).find(ErrorForm::is_known).unwrap_or_default();
        let state = State::new(services, seed)?;
        let provider = services.first().map_or("", |service| service.provider.as_str());
        let file = file.map(|path| StateFile::new(path, provider));
        if let Some(file) = &file {
            file.load(&state)?;
        }
        let mut clients: Vec<Auth> = Vec::new();
        for auth in routes.iter().map(|route| &route.method.auth) {
            if matches!(auth, Auth::ClientCredentials(_)) && !clients.contains(auth) {
                clients.push(auth.clone());
            }
        }
        Ok(Self {
            state: Arc::new(state),
            file: file.map(Arc::new),
            credentials: Credentials::new(services, &credentials),
            clients,
            routes,
            page_cap,
            faults,
            clock,
            count: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            seen: Mutex::new(VecDeque::new()),
            once: Once::default(),
            errors,
        })
    }

    /// The credentials it accepts, by the variables that the document names. They open nothing else.
    pub fn credentials(&self) -> BTreeMap<String, String> {
        self.credentials.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The last thousand requests, oldest first.
    pub fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    async fn respond(&self, incoming: Incoming) -> Result<Answer, Dropped> {
        if let Some(fault) = self.begin(&incoming.method, &incoming.path, &incoming.url).await {
            return Ok(fault);
        }
        let done = self.answer(&incoming);
        self.end(done).await
    }

    /// Notes a request, and lets it wait or fail as the options say.
    async fn begin(&self, method: &HttpMethod, path: &str, url: &Url) -> Option<Answer> {
        self.note(method, path, url);
        if !self.faults.latency.is_zero() {
            self.clock.sleep(self.faults.latency).await;
        }
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if is_turn(self.faults.every_nth_429, number) {
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
            return Some(self.refuse(&refusal).with([(RETRY_AFTER, HeaderValue::from_static("1"))]));
        }
        is_turn(self.faults.every_nth_500, number)
            .then(|| self.refuse(&Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")))
    }

    /// Keeps what was written, and then perhaps loses the answer.
    async fn end(&self, done: Done) -> Result<Answer, Dropped> {
        if !done.wrote {
            return Ok(done.answer);
        }
        if let Some(file) = &self.file {
            let (file, state) = (Arc::clone(file), Arc::clone(&self.state));
            let saved = off_thread("saving the state", move || file.save(&state)).await;
            if !matches!(saved, Ok(Ok(()))) {
                let refusal = Refusal::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The write was done, but the state file could not be written",
                );
                return Ok(self.refuse(&refusal));
            }
        }
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        if is_turn(self.faults.drop_after_write, number) { Err(Dropped) } else { Ok(done.answer) }
    }

    fn note(&self, method: &HttpMethod, path: &str, url: &Url) {
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let seen = Seen { method: method.to_string(), path_and_query: format!("{path}{query}") };
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == REMEMBERED {
            all.pop_front();
        }
        all.push_back(seen);
    }

    /// An answer that no operation gives, in the API's shape.
    fn refuse(&self, refusal: &Refusal) -> Answer {
        self.errors.answer_of_server(refusal)
    }

    fn answer(&self, incoming: &Incoming) -> Done {
        self.state.settle(self.clock.utc());
        let query = arguments::query_pairs(incoming.url.query());
        let nothing = |answer| Done { answer, wrote: false };
        if let Some(given) = access::token(&self.clients, &self.credentials, incoming) {
            return nothing(match given {
                Ok(token) => Answer::json(StatusCode::OK, &token),
                Err(refusal) => self.refuse(&refusal),
            });
        }
        match self.routes.find(incoming.method.as_str(), &incoming.path, &query) {
            Found::Route(route, captured) => match self.run(route, captured, incoming) {
                Ok(answer) => Done { answer, wrote: route.method.effect != Effect::Read },
                Err(refusal) => nothing(ErrorForm::of(&route.method).answer(&refusal)),
            },
            Found::OtherMethod(known) => {
                let answer = self.refuse(&Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"));
                nothing(answer.with(HeaderValue::from_str(&known.join(", ")).map(|value| (ALLOW, value))))
            }
            Found::Nothing => nothing(self.refuse(&Refusal::not_found())),
        }
    }

    /// Takes an upload, whose bytes are counted as they come: it may be larger than the memory. `None` among the lengths
    /// is where it broke off.
    async fn take_upload(
        &self,
        token: &str,
        head: &upload::Head<'_>,
        mut lengths: BoxStream<'_, Option<u64>>,
    ) -> Result<Answer, Dropped> {
        if let Some(fault) = self.begin(head.method, head.url.path(), head.url).await {
            return Ok(fault);
        }
        let mut so_far = upload::admit(&self.state, &self.credentials, token, head).map(|()| 0_u64);
        while let Ok(length) = &so_far {
            match lengths.next().await {
                None => break,
                Some(Some(more)) => so_far = Ok(length + more),
                Some(None) => so_far = Err(Refusal::bad_request("The upload broke off")),
            }
        }
        let now = self.clock.utc();
        self.end(self.uploaded(so_far.and_then(|length| upload::finish(&self.state, token, length, now)))).await
    }

    /// The answer to an upload.
    fn uploaded(&self, done: Result<(), Refusal>) -> Done {
        match done {
            Ok(()) => Done { answer: Answer::empty(StatusCode::OK), wrote: true },
            Err(refusal) => {
                let is_other_method = refusal.status == StatusCode::METHOD_NOT_ALLOWED;
                let allowed = is_other_method.then_some((ALLOW, HeaderValue::from_static("PUT")));
                Done { answer: self.refuse(&refusal).with(allowed), wrote: false }
            }
        }
    }

    fn run(&self, route: &Route, captured: Captured, incoming: &Incoming) -> Result<Answer, Refusal> {
        let method = &route.method;
        let now = self.clock.utc();
        let caller = access::admit(method, &self.credentials, incoming, &captured.operation_path, now)?;
        let is_anonymous = caller == Caller::Anonymous;
        if is_anonymous && method.effect != Effect::Read {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Authentication is required"));
        }
        let signed = match caller {
            Caller::Signed(fields) => Some(fields),
            Caller::Anonymous | Caller::Known => None,
        };
        let Some(table) = self.state.table(&route.table) else { return Err(Refusal::not_found()) };
        let arguments = Arguments::read(method, captured.values, incoming, signed)?;
        let invalid = table.recipe.writes.invalid.filter(|_| method.effect != Effect::Read);
        arguments.check(method, invalid.unwrap_or(StatusCode::BAD_REQUEST), |name| table.has(name))?;
        if method.effect != Effect::Read {
            let (state, url) = (self.state.as_ref(), &incoming.url);
            let write = Write { state, table, method, arguments: &arguments, url, now };
            return self.once.run(method, &incoming.path, &arguments, || write.run());
        }
        let conditions = filter::conditions(&self.state, table, method, &arguments)?;
        let all = self.state.rows(&table.name);
        let is_visible = |row: &Row| !is_anonymous || filter::has(row, &table.recipe.anonymous);
        let rows: Vec<&Row> = all
            .iter()
            .map(AsRef::as_ref)
            .filter(|row| is_visible(row) && filter::passes(row, &conditions.all))
            .collect();

        let is_called = !conditions.called.is_empty();
        let dressed: Vec<Row> = rows.iter().filter(|_| is_called).map(|row| conditions.dress(row)).collect();
        let rows = if is_called { dressed.iter().collect() } else { rows };
        if state::lists(method) {
            let asked = Asked::read(method, &arguments)?;
            let (rows, total) = asked.rows(method, rows);
            let mut page = page::cut(method, &arguments, rows.len(), &incoming.url, self.page_cap)?;
            asked.restate(method, total, &mut page.stated);
            let rows = rows.get(page.start..page.end).unwrap_or_default();
            let body = answer::rows(asked.narrowed(method).as_ref().unwrap_or(method), rows, page.stated);
            return Ok(Answer::json(StatusCode::OK, &body).with(page.headers));
        }
        // Without a condition that names it, the object is the only one of its kind; with one it must be there.
        let row = rows.first().copied();
        let is_missing = row.is_none() && (conditions.identifies || method.response.items == ItemShape::Object);
        if is_missing {
            return Err(Refusal::not_found());
        }
        match method.response.items {
            ItemShape::Binary => Ok(answer::binary(self.state.seed(), &table.name, row)),
            ItemShape::Empty if method.success.is_none() => Ok(Answer::empty(StatusCode::NO_CONTENT)),
            _ => Ok(Answer::json(StatusCode::OK, &answer::rows(method, row.as_slice(), Vec::new()))),
        }
    }
}

fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large or broke off")
}

/// Whether it is the turn of every n-th.
fn is_turn(every: Option<u64>, number: u64) -> bool {
    every.is_some_and(|every| every > 0 && number.is_multiple_of(every))
}

#[async_trait]
impl Transport for Sandbox {
    /// Answers by the path alone: the origin is not looked at.
    async fn send(&self, request: Request) -> Result<Response> {
        let Request { method, url, headers, body, .. } = request;
        let path = url.path().to_owned();
        let answer = if let Some(token) = upload::token(&path) {
            let lengths = body.open().await?.map(|chunk| chunk.ok().map(|bytes| bytes.len() as u64)).boxed();
            self.take_upload(token, &upload::Head { method: &method, url: &url, headers: &headers }, lengths).await
        } else if body.length() > BODY_LIMIT as u64 {
            Ok(self.refuse(&too_large()))
        } else {
            let body = body.read(BODY_LIMIT).await?;
            self.respond(Incoming { method, url, path, headers, body }).await
        };
        let Answer { status, headers, body } =
            answer.map_err(|Dropped| Error::new(ErrorKind::Network, "connection closed"))?;
        Ok(Response { status, headers, body: stream::once(async { Ok(body) }.boxed()).boxed() })
    }
}

impl fmt::Debug for Sandbox {
    /// Options; no credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("seed", &self.state.seed())
            .field("page_cap", &self.page_cap)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}
