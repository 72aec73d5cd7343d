//! A [`Transport`] that answers like the API that provider documents describe.
//!
//! *Owns*: routing requests to operations, the imitated API's rows and how they are made, its pages, filters, errors
//! and credentials, and serving all that on loopback.
//! *Does not own*: making requests or reading answers: what it writes comes from the document alone, so that it is an
//! independent check of the rooms that read.
//! *Invariants*: the same seed gives the same rows on every machine, whatever was asked before; no request makes it
//! panic; it reads no clock but the one it is given; it never calls anybody.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method as HttpMethod, StatusCode};
use secrecy::SecretString;
use url::Url;

use crate::clock::SharedClock;
use crate::error::Result;
use crate::http::{Request, Response, Transport};
use crate::provider::{Effect, ItemShape, Service};

mod access;
mod answer;
mod arguments;
mod base64;
mod chance;
mod date;
mod filter;
mod page;
mod recipe;
mod refusal;
mod route;
mod rows;
mod serve;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod words;

pub use serve::{Serving, serve};

use access::{Caller, Credentials};
use answer::{Answer, ErrorForm};
use arguments::Arguments;
use chance::{Chance, Part};
use refusal::Refusal;
use route::{Captured, Found, Route, Routes};
use state::{Row, State};

/// How many requests [`Sandbox::requests`] remembers.
const REMEMBERED: usize = 1000;
/// The length of a binary answer, in bytes.
const BINARY_LENGTH: usize = 4096;

/// An imitation of one provider's API.
pub struct Sandbox {
    routes: Routes,
    state: State,
    credentials: Credentials,
    page_cap: Option<u64>,
    faults: Faults,
    clock: SharedClock,
    count: AtomicU64,
    seen: Mutex<VecDeque<Seen>>,
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
}

/// A request as the sandbox saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as it was sent, with the query string.
    pub path_and_query: String,
}

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

impl Sandbox {
    /// A sandbox for all services of one provider.
    ///
    /// # Errors
    /// `Provider` when a `sandbox` hint cannot be used; names the resource and the key.
    pub fn new(services: &[Arc<Service>], options: SandboxOptions, clock: SharedClock) -> Result<Self> {
        let SandboxOptions { seed, credentials, page_cap, faults } = options;
        let routes = Routes::new(services);
        let errors =
            routes.iter().map(|route| ErrorForm::of(&route.method)).find(ErrorForm::is_known).unwrap_or_default();
        Ok(Self {
            state: State::new(services, seed)?,
            credentials: Credentials::new(services, &credentials),
            routes,
            page_cap,
            faults,
            clock,
            count: AtomicU64::new(0),
            seen: Mutex::new(VecDeque::new()),
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

    async fn respond(&self, incoming: Incoming) -> Answer {
        self.note(&incoming);
        if !self.faults.latency.is_zero() {
            self.clock.sleep(self.faults.latency).await;
        }
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let is_turn = |every: Option<u64>| every.is_some_and(|every| every > 0 && number.is_multiple_of(every));
        if is_turn(self.faults.every_nth_429) {
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
            return self.refuse(&refusal).with([(RETRY_AFTER, HeaderValue::from_static("1"))]);
        }
        if is_turn(self.faults.every_nth_500) {
            return self.refuse(&Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"));
        }
        self.answer(&incoming)
    }

    fn note(&self, incoming: &Incoming) {
        let query = incoming.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let seen = Seen { method: incoming.method.to_string(), path_and_query: format!("{}{query}", incoming.path) };
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

    fn answer(&self, incoming: &Incoming) -> Answer {
        let query = arguments::query_pairs(incoming.url.query());
        match self.routes.find(incoming.method.as_str(), &incoming.path, &query) {
            Found::Route(route, captured) => self
                .run(route, captured, incoming)
                .unwrap_or_else(|refusal| ErrorForm::of(&route.method).answer(&refusal)),
            Found::OtherMethod(known) => {
                let answer = self.refuse(&Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"));
                answer.with(HeaderValue::from_str(&known.join(", ")).map(|value| (ALLOW, value)))
            }
            Found::Nothing => self.refuse(&Refusal::not_found()),
        }
    }

    fn run(&self, route: &Route, captured: Captured, incoming: &Incoming) -> Result<Answer, Refusal> {
        let method = &route.method;
        let caller = access::admit(method, &self.credentials, incoming, &captured.operation_path, self.clock.utc())?;
        let is_anonymous = caller == Caller::Anonymous;
        let signed = match caller {
            Caller::Signed(fields) => Some(fields),
            Caller::Anonymous | Caller::Known => None,
        };
        let arguments = Arguments::read(method, captured.values, incoming, signed)?;
        if method.effect != Effect::Read {
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "The sandbox does not change anything"));
        }
        let Some(table) = self.state.table(&route.table) else { return Err(Refusal::not_found()) };
        let conditions = filter::conditions(&self.state, table, method, &arguments)?;
        let all = self.state.rows(&table.name);
        let is_visible = |row: &Row| !is_anonymous || filter::has(row, &table.recipe.anonymous);
        let rows: Vec<&Row> = all
            .iter()
            .map(AsRef::as_ref)
            .filter(|row| is_visible(row) && filter::passes(row, &conditions.all))
            .collect();

        if state::lists(method) {
            let page = page::cut(method, &arguments, rows.len(), &incoming.url, self.page_cap)?;
            let rows = rows.get(page.start..page.end).unwrap_or_default();
            let body = answer::rows(method, rows, page.stated);
            return Ok(Answer::json(StatusCode::OK, &body).with(page.headers));
        }
        // Without a condition that names it, the object is the only one of its kind; with one it must be there.
        let row = rows.first().copied();
        let is_missing = row.is_none() && (conditions.identifies || method.response.items == ItemShape::Object);
        if is_missing {
            return Err(Refusal::not_found());
        }
        match method.response.items {
            ItemShape::Binary => {
                let which =
                    row.map(|row| serde_json::Value::Object(row.values.clone()).to_string()).unwrap_or_default();
                let parts = [Part::Number(self.state.seed()), Part::Text(&table.name), Part::Text(&which)];
                Ok(Answer::bytes(Chance::new(&parts).bytes(BINARY_LENGTH)))
            }
            ItemShape::Empty if method.success.is_none() => Ok(Answer::empty()),
            _ => Ok(Answer::json(StatusCode::OK, &answer::rows(method, row.as_slice(), Vec::new()))),
        }
    }
}

#[async_trait]
impl Transport for Sandbox {
    /// Answers by the path alone: the origin is not looked at.
    async fn send(&self, request: Request) -> Result<Response> {
        let Request { method, url, headers, body, .. } = request;
        let path = url.path().to_owned();
        let Answer { status, headers, body } = self.respond(Incoming { method, url, path, headers, body }).await;
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
