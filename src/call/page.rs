//! One page: its request, its rows as they arrive, and what its answer says of the list.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use super::answer::{self, Verdict};
use super::arrive::{self, Arrived, LongAnswer, Source};
use super::endpoint::Server;
use super::found::{self, Found};
use super::kept::Keeping;
use super::read::{BoundCall, ReadContext};
use super::request;
use super::send::{locate, outgoing};
use super::shape::ReadPlan;
use super::shared::{Age, Dated, Obtained, answer_once};
use super::tape::Asked;
use crate::error::{Error, ErrorKind, Result, fault};
use crate::http::{Answer, Authorizer, HeaderMap, Outgoing, Url};
use crate::provider::{Method, PageKind, SuccessRule, TokenPlace, TokenSource};
use crate::rows::{self, ItemsFound, Page, Rows};

/// How much of a page is read ahead of its reader, in KiB of its body: enough that an API is rarely kept waiting by a slow
/// reader, which some do not bear.
const READ_AHEAD: u32 = 8 * 1024;

/// What asks for a page: paging values, or a whole URL.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ask {
    Values(Vec<(TokenPlace, Value)>),
    Url(Url),
}

/// A page to ask for.
#[derive(Debug)]
pub(super) struct PageRequest {
    pub(super) context: Arc<ReadContext>,
    pub(super) plan: Arc<ReadPlan>,
    pub(super) call: Arc<BoundCall>,
    pub(super) server: Server,
    pub(super) authorizer: Option<Arc<Authorizer>>,
    pub(super) number: u64,
    pub(super) ask: Ask,
    /// Of what time it must be.
    pub(super) age: Age,
}

/// A page at its end.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What it held, and of its rows those that were not given as they arrived.
    pub(super) page: Page,
    pub(super) headers: HeaderMap,
    pub(super) url: Url,
    pub(super) not_found: Option<Error>,
    /// Why what it held is not known to be what was asked for.
    pub(super) doubt: Option<String>,
    /// Tells one answer from another, for lists of which nothing else does.
    pub(super) fingerprint: Option<u64>,
    /// Bytes of the body.
    pub(super) size: usize,
    /// Of what time it is.
    pub(super) dated: Dated,
    /// How old it is, where it was kept from before.
    pub(super) age: Option<Duration>,
    /// Keeps it: there only where it is good by itself.
    pub(super) keeping: Option<Keeping>,
}

/// A page on its way, which ends when its owner goes.
#[derive(Debug)]
pub(super) struct PageTask {
    task: JoinHandle<Result<Option<Fetched>>>,
    pieces: UnboundedReceiver<Sent>,
}

/// What comes of a page.
#[derive(Debug)]
pub(super) enum Coming {
    /// What may say where the next one is: its rows follow.
    Head(Head),
    /// Rows of a long one.
    Rows(Rows),
    /// Its end, or why there is none.
    End(Result<Box<Fetched>>),
    /// The list is kept from before and this page of it is not: it was not asked for.
    Missing,
}

/// What an answer says besides its rows, and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) headers: HeaderMap,
    pub(super) url: Url,
    /// Values of its envelope, as far as they are known.
    pub(super) captures: Vec<Option<Value>>,
    /// Of what time the answer is, once that is known.
    pub(super) dated: Option<Dated>,
}

impl Head {
    /// A value of the envelope.
    pub(super) fn captured(&self, at: Option<usize>) -> Option<&Value> {
        at.and_then(|at| self.captures.get(at)).and_then(Option::as_ref)
    }
}

/// What a page sends before its end.
#[derive(Debug)]
enum Sent {
    Head(Box<Head>),
    Rows(Piece),
}

/// Rows of a page, and the room that they take until somebody has them.
#[derive(Debug)]
struct Piece {
    rows: Rows,
    _room: OwnedSemaphorePermit,
}

/// Where the rows of a long page go.
struct Outlet {
    pieces: UnboundedSender<Sent>,
    room: Arc<Semaphore>,
}

impl PageTask {
    /// Asks for a page; it is read ahead of its reader as far as is good.
    pub(super) fn start(request: PageRequest) -> Self {
        let (sender, pieces) = unbounded_channel();
        let outlet = Outlet { pieces: sender, room: Arc::new(Semaphore::new(READ_AHEAD as usize)) };
        // A task of its own, inside the statement's span all the same.
        let task = tokio::spawn(async move { request.fetch(&outlet).await }.instrument(Span::current()));
        Self { task, pieces }
    }

    /// The page's next rows, or its end, after which there is nothing more.
    pub(super) async fn next(&mut self) -> Coming {
        match self.pieces.recv().await {
            Some(Sent::Rows(piece)) => return Coming::Rows(piece.rows),
            Some(Sent::Head(head)) => return Coming::Head(*head),
            None => {}
        }
        let ended = (&mut self.task).await.unwrap_or_else(|error| {
            Err(if error.is_cancelled() {
                Error::new(ErrorKind::Cancelled, "the call was cancelled")
            } else {
                fault("a call ended unexpectedly")
            })
        });
        ended.transpose().map_or(Coming::Missing, |ended| Coming::End(ended.map(Box::new)))
    }
}

impl Drop for PageTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What leads from a page to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeadsOn {
    Number,
    Header,
    Body,
}

impl Outlet {
    /// Says what is known of the next page. Where nobody waits for it, the page's end says it again.
    fn say(&self, head: Head) {
        let _ = self.pieces.send(Sent::Head(Box::new(head)));
    }

    /// Gives rows away that took so many bytes; waits while their reader is far behind.
    async fn give(&self, rows: Rows, bytes: usize, source: &mut Source) -> Result<()> {
        let size = u32::try_from(bytes / 1024 + 1).unwrap_or(READ_AHEAD).min(READ_AHEAD);
        let room = if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(size) {
            room
        } else {
            // Whom the reader waits for may need the place of this request.
            source.make_room();
            let room = Arc::clone(&self.room).acquire_many_owned(size).await;
            room.map_err(|error| Error::new(ErrorKind::Internal, "there is no room for rows").caused_by(error))?
        };
        let piece = Piece { rows, _room: room };
        self.pieces
            .send(Sent::Rows(piece))
            .map_err(|_| Error::new(ErrorKind::Cancelled, "nobody reads the rows any more"))
    }
}

impl PageRequest {
    /// Sends the request and decodes its answer; none where the page is missing from a kept list.
    async fn fetch(&self, outlet: &Outlet) -> Result<Option<Fetched>> {
        let Self { context, plan, call, server, .. } = self;
        let method = &plan.method;
        let (values, link) = match &self.ask {
            Ask::Values(values) => (values.as_slice(), None),
            Ask::Url(url) => (&[][..], Some(url)),
        };
        let mut request = request::build(method, &call.call, server, values, context.settings.timeout)?;
        if let Some(link) = link {
            request.url = link.clone();
        }
        let asked = Asked { call: &call.call, page: self.number, values, link, server };
        let outgoing = outgoing(context, method, &asked, request, self.authorizer.clone());
        let url = &outgoing.request.url;
        let heads = |headers: &HeaderMap| {
            if self.leads_on() == LeadsOn::Header {
                outlet.say(Head { headers: headers.clone(), url: url.clone(), captures: Vec::new(), dated: None });
            }
        };
        let obtained = answer_once(context, plan, &outgoing, self.age, &heads).await?;
        let Some(Obtained { arrived, dated, age, keeping }) = obtained else { return Ok(None) };
        let mut size = 0;
        let (mut page, fingerprint, answer, not_found) = match arrived {
            Arrived::Whole(answer) => match answer::judge(method, &outgoing, &answer)? {
                Verdict::NotFound(error) => (nothing(), None, answer, Some(error)),
                Verdict::Empty => (nothing(), None, answer, None),
                Verdict::Good => {
                    self.say_place(outlet, url, dated, || rows::outline(&answer.body, &plan.layout)).await;
                    let page = arrive::decode(&plan.layout, &answer.body).await;
                    let page = page.map_err(|error| self.undecodable(error, &outgoing, &answer))?;
                    let fingerprint = self.compares_answers().then(|| arrive::fingerprint(&answer.body));
                    size = answer.body.len();
                    (page, fingerprint, answer, None)
                }
            },
            Arrived::Long(long) => {
                let (page, fingerprint, answer);
                (page, fingerprint, size, answer) = self.decode_long(*long, dated, &outgoing, outlet).await?;
                (page, self.compares_answers().then_some(fingerprint), answer, None)
            }
        };
        if let (Some(rule), Some(at)) = (&method.success, plan.captures.success) {
            let said = page.captures.get(at).and_then(Option::as_ref);
            if said.is_some_and(|value| value != &rule.equals) {
                return Err(answer::refused(method, &outgoing.request, &answer, outgoing.authorizer.as_deref()));
            }
        }
        let authorizer = outgoing.authorizer.as_deref();
        let found = match not_found {
            None => found::look(plan, &call.call, &answer, self.number, &mut page, authorizer),
            Some(_) => Found::Wanted,
        };
        let doubt = match found {
            Found::Wanted => None,
            Found::Unproved(reason) => Some(reason),
            Found::Refused => return Err(answer::refused(method, &outgoing.request, &answer, authorizer)),
        };
        // What is empty, or not there, may be the end of a list, and nothing else that is worth keeping.
        let is_good = doubt.is_none() && (size > 0 || self.number > 1);
        let keeping = keeping.filter(|_| is_good && !tells_error(method, &answer));
        let Answer { headers, .. } = answer;
        let url = outgoing.request.url;
        Ok(Some(Fetched { page, headers, url, not_found, doubt, fingerprint, size, dated, age, keeping }))
    }

    /// Gives the rows of a long answer away as they are decoded, to its end.
    async fn decode_long(
        &self,
        long: LongAnswer,
        dated: Dated,
        outgoing: &Outgoing,
        outlet: &Outlet,
    ) -> Result<(Page, u64, usize, Answer)> {
        let LongAnswer { about, mut source, decoding } = long;
        let undecodable = |error| self.undecodable(error, outgoing, &about);
        let broke = |error: Error| {
            let error = error.with("status", about.status.as_u16().to_string());
            locate(error, &self.plan.method, &outgoing.request)
        };
        let mut decoding = decoding.map_err(undecodable)?;
        let url = &outgoing.request.url;
        // It may stand before the items.
        self.say_place(outlet, url, dated, || Some(decoding.captures().to_vec())).await;
        loop {
            if let Some((rows, bytes)) = decoding.take() {
                outlet.give(rows, bytes, &mut source).await?;
            }
            let Some(bytes) = source.next().await.map_err(broke)? else { break };
            decoding = decoding.take_in(&bytes).await.map_err(undecodable)?;
        }
        self.say_place(outlet, url, dated, || decoding.outline()).await;
        let (page, fingerprint, size) = decoding.finish().await.map_err(undecodable)?;
        Ok((page, fingerprint, size, about))
    }

    /// Says what an envelope tells of the next page before the rows of this one are decoded, and lets the request for it go.
    async fn say_place(
        &self,
        outlet: &Outlet,
        url: &Url,
        dated: Dated,
        outline: impl FnOnce() -> Option<Vec<Option<Value>>>,
    ) {
        let Some(captures) = (self.leads_on() == LeadsOn::Body).then(outline).flatten() else { return };
        let head = Head { headers: HeaderMap::new(), url: url.clone(), captures, dated: Some(dated) };
        let refused = |rule: &SuccessRule| head.captured(self.plan.captures.success).is_some_and(|v| v != &rule.equals);
        if head.captured(self.plan.captures.token).is_some() && !self.plan.method.success.as_ref().is_some_and(refused)
        {
            outlet.say(head);
            // Decoding waits for nothing, so whoever takes this in would come after it.
            tokio::task::yield_now().await;
        }
    }

    /// Where the place of the next page is known from.
    fn leads_on(&self) -> LeadsOn {
        match &self.plan.method.pagination.kind {
            PageKind::LinkHeader | PageKind::Cursor { from: TokenSource::Header(_), .. } => LeadsOn::Header,
            PageKind::NextUrl { .. } | PageKind::Cursor { from: TokenSource::Body(_), .. } => LeadsOn::Body,
            _ => LeadsOn::Number,
        }
    }

    /// Whether nothing but the answers themselves tells whether pages repeat.
    fn compares_answers(&self) -> bool {
        let numbered = matches!(self.plan.method.pagination.kind, PageKind::Page { .. } | PageKind::Offset { .. });
        numbered && self.plan.keys.is_empty()
    }

    fn undecodable(&self, error: Error, outgoing: &Outgoing, answer: &Answer) -> Error {
        let media = answer::media_type(&answer.headers);
        let error = answer::describe(error, &self.plan.method, &outgoing.request, answer);
        if media.is_empty() || media.contains("json") { error } else { error.with("media type", media) }
    }
}

/// Whether a text stands where errors do, whatever stands beside it.
fn tells_error(method: &Method, answer: &Answer) -> bool {
    let tells = |value: Value| answer::declared_error(method, &value).is_some();
    answer.status.is_success()
        && method.error.message.is_some()
        && serde_json::from_slice(&answer.body).is_ok_and(tells)
}

fn nothing() -> Page {
    let (batches, captures, misfits, held) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    Page { batches, rows: 0, captures, misfits, held, items: ItemsFound::Absent }
}
