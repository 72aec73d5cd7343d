//! One call's pages, one after another or side by side, and the verdict on whether they are all.
//!
//! The window opens as the reader keeps asking: one request first, then two, four, eight at once; the ledger of the host
//! decides how many of them really travel. Without a known number of pages the next request leaves when its token is
//! known, before the rows of this page are given away.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use serde_json::Value;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use super::answer::{self, Verdict as AnswerVerdict};
use super::endpoint::Server;
use super::lengths::Length;
use super::link_header::next_of_link_header;
use super::read::{BoundCall, ReadContext};
use super::request;
use super::send::outgoing;
use super::shape::ReadPlan;
use super::shared::answer_once;
use super::tape::Asked;
use crate::config::OnPartial;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Authorizer, HeaderMap, Url};
use crate::provider::{ItemShape, PageKind, TokenPlace, TokenSource};
use crate::report::{Part, Verdict};
use crate::rows::{self, ItemsFound, Page};

/// The widest window of pages asked for at once.
const WIDEST: usize = 8;
/// Keys remembered to tell a row that comes twice; beyond this only totals are compared.
const KEYS_KEPT: usize = 4_000_000;
/// Pages in a row without a new row that end a scan of which the last page is not known.
const STALE_PAGES: u32 = 2;

/// A spawned task that ends when its owner goes.
#[derive(Debug)]
pub(super) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    pub(super) fn spawn(future: impl Future<Output = T> + Send + 'static) -> Self {
        // A task of its own, inside the statement's span all the same.
        Self(tokio::spawn(future.instrument(Span::current())))
    }

    async fn join(mut self) -> Result<T> {
        (&mut self.0).await.map_err(|error| {
            if error.is_cancelled() {
                Error::new(ErrorKind::Cancelled, "the call was cancelled")
            } else {
                Error::new(ErrorKind::Internal, "a call ended unexpectedly").caused_by(error)
            }
        })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One page as it came.
#[derive(Debug)]
struct Fetched {
    page: Page,
    headers: HeaderMap,
    url: Url,
    status: u16,
    not_found: Option<Error>,
    /// Tells one answer from another, for lists of which nothing else does.
    fingerprint: Option<u64>,
}

/// What asks for a page: paging values, or a whole URL.
#[derive(Debug, Clone)]
enum Ask {
    Values(Vec<(TokenPlace, Value)>),
    Url(Url),
}

type PageTask = Task<Result<Fetched>>;

/// How the next pages are found.
#[derive(Debug)]
enum Stage {
    /// Nothing was asked yet.
    First,
    /// Numbered pages, up to and including the page `last` where it is known.
    Numbered { next: u64, last: Option<u64>, per_page: u64, in_flight: VecDeque<(u64, PageTask)>, window: usize },
    /// The next request is known.
    Chained { ask: Ask, number: u64, prefetched: Option<PageTask> },
    /// All is read.
    Done,
}

/// Reads the pages of one call.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about what was seen")]
pub(super) struct Pager {
    context: Arc<ReadContext>,
    plan: Arc<ReadPlan>,
    call: Arc<BoundCall>,
    server: Server,
    authorizer: Option<Arc<Authorizer>>,
    stage: Stage,
    /// The first page, asked for before the reader came.
    started: Option<PageTask>,
    rows: u64,
    total_rows: Option<u64>,
    total_pages: Option<u64>,
    moved: Option<String>,
    unproved: Option<String>,
    failed: bool,
    not_found: bool,
    seen_tokens: HashSet<u64>,
    seen_keys: HashSet<u64>,
    duplicates: u64,
    /// Pages in a row that gave nothing new.
    stale_pages: u32,
    last_fingerprint: Option<u64>,
    verdict_said: bool,
    own_page: bool,
}

impl Pager {
    pub(super) fn new(context: Arc<ReadContext>, plan: Arc<ReadPlan>, call: BoundCall) -> Result<Self> {
        let server = context.server(&plan.provider, &plan.method, &call.call)?;
        let authorizer =
            context.endpoints.authorizer(&plan.provider, &plan.method.auth, &server, plan.restricted.as_deref())?;
        let own_page = plan.is_own_page(&call.call);
        context.report.add_listing();
        Ok(Self {
            context,
            plan,
            call: Arc::new(call),
            server,
            authorizer,
            stage: Stage::First,
            started: None,
            rows: 0,
            total_rows: None,
            total_pages: None,
            moved: None,
            unproved: None,
            failed: false,
            not_found: false,
            seen_tokens: HashSet::new(),
            seen_keys: HashSet::new(),
            duplicates: 0,
            stale_pages: 0,
            last_fingerprint: None,
            verdict_said: false,
            own_page,
        })
    }

    /// Sends the first request, so that independent calls overlap.
    pub(super) fn start(&mut self) {
        if self.started.is_none() && matches!(self.stage, Stage::First) {
            self.started = Some(self.ask(1, Ask::Values(self.plan.first_values(&self.call.call))));
        }
    }

    /// The next page's batches; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<RecordBatch>>> {
        loop {
            if matches!(self.stage, Stage::Done) {
                self.conclude();
                return Ok(None);
            }
            if self.plan.limit.is_some_and(|limit| self.rows >= limit) {
                self.say(Verdict::Truncated, "the query needs no more rows".to_owned());
                self.stage = Stage::Done;
                return Ok(None);
            }
            let stage = std::mem::replace(&mut self.stage, Stage::Done);
            let (number, outcome) = match stage {
                Stage::Done => continue,
                Stage::First => {
                    self.start();
                    let Some(task) = self.started.take() else { continue };
                    (1, Step::First(task.join().await))
                }
                Stage::Numbered { next, last, per_page, in_flight, window } => {
                    self.numbered(next, last, per_page, in_flight, window).await
                }
                Stage::Chained { ask, number, prefetched } => {
                    let task = prefetched.unwrap_or_else(|| self.ask(number, ask));
                    (number, Step::Chained(task.join().await))
                }
            };
            let (kind, fetched) = match outcome {
                Step::Over => continue,
                Step::First(fetched) => (Kind::First, fetched),
                Step::Numbered(fetched) => (Kind::Numbered, fetched),
                Step::Chained(fetched) => (Kind::Chained, fetched),
            };
            let fetched = match fetched.and_then(|inner| inner) {
                Ok(fetched) => fetched,
                Err(error) => {
                    self.failure(number, error)?;
                    continue;
                }
            };
            match self.accept(number, kind, fetched) {
                Ok(batches) if batches.is_empty() => {}
                Ok(batches) => return Ok(Some(batches)),
                Err(error) => self.failure(number, error)?,
            }
        }
    }

    /// The total that the first answer states; the verdict is then what it says.
    pub(super) async fn stated_total(mut self) -> Result<Option<u64>> {
        self.start();
        let Some(task) = self.started.take() else { return Ok(None) };
        match task.join().await.and_then(|fetched| fetched).and_then(|page| self.accept(1, Kind::First, page)) {
            Ok(_) if self.total_rows.is_none() => {
                // Whoever reads all of it has the last word.
                self.verdict_said = true;
                return Ok(None);
            }
            Ok(_) => self.say(Verdict::Complete, String::new()),
            // Said already: what could not be read has no rows.
            Err(error) => self.failure(1, error)?,
        }
        self.stage = Stage::Done;
        Ok(Some(self.total_rows.unwrap_or(0)))
    }

    /// Keeps the window of numbered pages full and takes the oldest.
    async fn numbered(
        &mut self,
        mut next: u64,
        last: Option<u64>,
        per_page: u64,
        mut in_flight: VecDeque<(u64, PageTask)>,
        window: usize,
    ) -> (u64, Step) {
        let needed = self.plan.limit.map(|limit| limit.saturating_sub(self.rows).div_ceil(per_page.max(1)));
        // Without a total the end is not known: one page at a time, so that none is asked for in vain.
        let width = if last.is_some() { window } else { 1 };
        while in_flight.len() < width
            && last.is_none_or(|last| next <= last)
            && needed.is_none_or(|needed| (in_flight.len() as u64) < needed)
        {
            let values = self.numbered_values(next, last.map(|_| per_page));
            in_flight.push_back((next, self.ask(next, Ask::Values(values))));
            next += 1;
        }
        let Some((number, task)) = in_flight.pop_front() else {
            return (next, Step::Over);
        };
        let fetched = task.join().await;
        self.stage = Stage::Numbered { next, last, per_page, in_flight, window: (window * 2).min(WIDEST) };
        (number, Step::Numbered(fetched))
    }

    /// Takes a page in: totals, keys, what comes next.
    fn accept(&mut self, number: u64, kind: Kind, fetched: Fetched) -> Result<Vec<RecordBatch>> {
        let first = kind == Kind::First;
        if let Some(error) = &fetched.not_found {
            if first && self.plan.identity {
                self.context.report.add_not_found();
                self.not_found = true;
                self.stage = Stage::Done;
                return Ok(Vec::new());
            }
            if kind != Kind::Numbered
                || self.last_page().is_some_and(|last| number <= last)
                    && self.moved.is_none()
                    && self.total_rows.is_none_or(|total| self.rows < total)
            {
                return Err(error.clone());
            }
            // A page beyond the end: some APIs answer 404 there.
            self.stage = Stage::Done;
            return Ok(Vec::new());
        }
        let rows = fetched.page.rows;
        self.rows += rows;
        self.context.report.add_page();
        for misfit in &fetched.page.misfits {
            let column = self.plan.layout.columns().get(misfit.column).map_or("", |column| column.field.name());
            self.context.report.add_misfits(&self.plan.table, column, misfit.count, &misfit.example);
        }
        self.totals(&fetched, first);
        if first && !self.own_page {
            self.note_length(rows);
        }
        let known_before = self.duplicates;
        self.remember_keys(&fetched.page.batches);
        self.check_progress(number, self.duplicates - known_before, &fetched)?;
        self.next_stage(number, kind, &fetched)?;
        self.expect_pages();
        Ok(fetched
            .page
            .batches
            .into_iter()
            .filter(|batch| batch.num_rows() > 0)
            .map(|batch| self.visible(&batch))
            .collect())
    }

    /// Only the columns asked for: keys decoded for counting stay behind.
    fn visible(&self, batch: &RecordBatch) -> RecordBatch {
        let wanted = self.plan.schema.fields().len();
        if batch.num_columns() == wanted {
            return batch.clone();
        }
        let columns: Vec<usize> = (0..wanted).collect();
        batch.project(&columns).unwrap_or_else(|_| batch.clone())
    }

    fn totals(&mut self, fetched: &Fetched, first: bool) {
        let number = |at: Option<usize>| {
            at.and_then(|at| fetched.page.captures.get(at)).and_then(Option::as_ref).and_then(|value| match value {
                Value::Number(n) => n.as_u64(),
                Value::String(s) => s.parse().ok(),
                _ => None,
            })
        };
        let rows = number(self.plan.captures.rows);
        let pages = number(self.plan.captures.pages);
        if first {
            self.total_rows = rows;
            self.total_pages = pages;
            return;
        }
        if let (Some(known), Some(now)) = (self.total_rows, rows)
            && known != now
        {
            self.moved = Some(format!("the API's total went from {known} to {now} during the scan"));
            self.total_rows = Some(now);
        }
        if let (Some(known), Some(now)) = (self.total_pages, pages)
            && known != now
        {
            self.moved.get_or_insert_with(|| format!("the number of pages went from {known} to {now} during the scan"));
            self.total_pages = Some(now);
        }
    }

    /// What the first answer says of the whole list, for estimates to come.
    fn note_length(&self, rows: u64) {
        let whole = match (self.total_rows, self.total_pages) {
            (Some(total), _) if rows > 0 => Length { rows: Some(total), calls: total.div_ceil(rows) },
            (Some(total), _) => Length { rows: Some(total), calls: 1 },
            (None, Some(pages)) => Length { rows: None, calls: pages.max(1) },
            (None, None) => return,
        };
        // Pages of a LIMIT are short: what they say of the number of calls is not about whole pages.
        if self.plan.limit.is_none() || whole.calls <= 1 {
            self.context.lengths.note(&self.call.call, self.credential(), whole);
        }
    }

    fn credential(&self) -> &str {
        self.authorizer.as_ref().map_or("", |authorizer| authorizer.fingerprint())
    }

    fn remember_keys(&mut self, batches: &[RecordBatch]) {
        if self.plan.keys.is_empty() {
            return;
        }
        for batch in batches {
            for row in 0..batch.num_rows() {
                if self.seen_keys.len() >= KEYS_KEPT {
                    return;
                }
                // A row whose key is not known may be any row.
                if self.plan.keys.iter().any(|column| batch.column(*column).is_null(row)) {
                    continue;
                }
                let mut hasher = DefaultHasher::new();
                for column in &self.plan.keys {
                    hash_cell(batch.column(*column).as_ref(), row, &mut hasher);
                }
                if !self.seen_keys.insert(hasher.finish()) {
                    self.duplicates += 1;
                }
            }
        }
    }

    /// Numbered pages without a known last one end with an empty page, which never comes where the API ignores the number.
    fn check_progress(&mut self, number: u64, duplicates: u64, fetched: &Fetched) -> Result<()> {
        let rows = fetched.page.rows;
        let repeats = fetched.fingerprint.is_some() && fetched.fingerprint == self.last_fingerprint;
        self.last_fingerprint = fetched.fingerprint;
        let stale = rows > 0 && (duplicates == rows || repeats);
        self.stale_pages = if stale { self.stale_pages + 1 } else { 0 };
        // One such page may be rows that moved back by a page's length while it was read.
        if self.stale_pages < STALE_PAGES || self.last_page().is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Api, "the API gives the same rows for every page, so reading them would never end")
            .with("method", self.plan.method.name.clone())
            .with("page", number.to_string())
            .hint("the provider document declares page numbers that the API does not follow"))
    }

    /// Tells how many pages there will be, of those that are wanted.
    fn expect_pages(&self) {
        let Stage::Numbered { last: Some(last), per_page, .. } = &self.stage else { return };
        let wanted = self.plan.limit.map_or(u64::MAX, |limit| limit.div_ceil((*per_page).max(1)));
        self.context.report.expect_pages((*last).min(wanted));
    }

    /// The last page's number, by the newest totals.
    fn last_page(&self) -> Option<u64> {
        match &self.stage {
            Stage::Numbered { last, .. } => *last,
            _ => None,
        }
    }

    fn next_stage(&mut self, number: u64, kind: Kind, fetched: &Fetched) -> Result<()> {
        let rows = fetched.page.rows;
        if self.own_page {
            self.say(Verdict::Truncated, "the query asks for one page".to_owned());
            self.stage = Stage::Done;
            return Ok(());
        }
        let items_missing = matches!(fetched.page.items, ItemsFound::Absent);
        if items_missing && self.plan.method.response.items == ItemShape::List && fetched.status != 204 {
            self.unproved = Some(format!("the answer holds nothing at `{}`", self.plan.method.response.item_path));
        }
        let method = Arc::clone(&self.plan.method);
        match &method.pagination.kind {
            PageKind::Single => self.stage = Stage::Done,
            PageKind::Unknown => {
                self.stage = Stage::Done;
                if self.total_rows.is_none() && !matches!(method.response.items, ItemShape::Object) {
                    self.unproved.get_or_insert_with(|| {
                        format!("`{}` declares no paging, so nothing says whether there is more", method.name)
                    });
                }
            }
            PageKind::Page { .. } | PageKind::Offset { .. } => self.next_numbered(kind, rows),
            PageKind::Cursor { from, parameter, more } => {
                let token = match from {
                    TokenSource::Body(_) => captured(fetched, self.plan.captures.token),
                    TokenSource::Header(name) => fetched
                        .headers
                        .get(name.as_str())
                        .and_then(|v| v.to_str().ok())
                        .map(|text| Value::from(text.to_owned())),
                };
                let flag = more.as_ref().and_then(|_| captured(fetched, self.plan.captures.more));
                match token.filter(|_| flag != Some(Value::Bool(false))).filter(is_token) {
                    None => {
                        self.stage = Stage::Done;
                        if flag == Some(Value::Bool(true)) {
                            self.unproved = Some("the API says that there is more, but not where".to_owned());
                        }
                    }
                    Some(token) => {
                        let text = crate::bind::literal_text(&token);
                        self.check_repeat(&text, number)?;
                        let mut values = self.plan.first_values(&self.call.call);
                        values.push((parameter.clone(), token));
                        self.chain(Ask::Values(values), number);
                    }
                }
            }
            PageKind::NextUrl { .. } => {
                let link =
                    captured(fetched, self.plan.captures.token).and_then(|value| value.as_str().map(str::to_owned));
                self.next_link(link, number, fetched)?;
            }
            PageKind::LinkHeader => {
                let link = fetched
                    .headers
                    .get_all("link")
                    .iter()
                    .filter_map(|value| value.to_str().ok())
                    .find_map(next_of_link_header);
                self.next_link(link, number, fetched)?;
            }
        }
        Ok(())
    }

    fn next_numbered(&mut self, kind: Kind, rows: u64) {
        let is_offset = matches!(self.plan.method.pagination.kind, PageKind::Offset { .. });
        match kind {
            Kind::First => {
                let last = match (self.total_rows, self.total_pages) {
                    // The answer's own length is what pages really hold: servers cap page sizes without saying so.
                    (Some(total), _) if rows > 0 => Some(total.div_ceil(rows)),
                    (Some(_), _) => Some(1),
                    (None, Some(pages)) => Some(pages.max(1)),
                    (None, None) => None,
                };
                if last.is_some_and(|last| last <= 1) || last.is_none() && rows == 0 {
                    self.stage = Stage::Done;
                } else {
                    self.stage =
                        Stage::Numbered { next: 2, last, per_page: rows.max(1), in_flight: VecDeque::new(), window: 2 };
                }
            }
            Kind::Numbered | Kind::Chained => {
                let (total_rows, total_pages) = (self.total_rows, self.total_pages);
                let seen = self.rows;
                if let Stage::Numbered { last, per_page, next, in_flight, .. } = &mut self.stage {
                    if let Some(known) = last {
                        let by_rows = total_rows.map(|total| total.div_ceil(*per_page));
                        let now = by_rows.or(total_pages).unwrap_or(*known);
                        *known = (*known).max(now);
                        // Pages came shorter than the first: go on while the total says that rows are missing.
                        let short = total_rows.is_some_and(|total| seen < total);
                        if in_flight.is_empty() && *next > *known && short && rows > 0 && !is_offset {
                            *known += 1;
                        }
                    } else if rows == 0 {
                        self.stage = Stage::Done;
                    }
                }
            }
        }
    }

    fn next_link(&mut self, link: Option<String>, number: u64, fetched: &Fetched) -> Result<()> {
        match link.filter(|link| !link.is_empty()) {
            None => self.stage = Stage::Done,
            Some(link) => {
                let url = self.server.follow(&fetched.url, &link).map_err(|error| {
                    error.with("method", self.plan.method.name.clone()).with("page", number.to_string())
                })?;
                self.check_repeat(url.as_str(), number)?;
                self.chain(Ask::Url(url), number);
            }
        }
        Ok(())
    }

    /// Goes on with `ask`; from the second page on its request leaves at once, unless the reader has enough.
    fn chain(&mut self, ask: Ask, number: u64) {
        let enough = self.plan.limit.is_some_and(|limit| self.rows >= limit);
        let prefetched = (number > 1 && !enough).then(|| self.ask(number + 1, ask.clone()));
        self.stage = Stage::Chained { ask, number: number + 1, prefetched };
    }

    fn check_repeat(&mut self, token: &str, number: u64) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        if self.seen_tokens.insert(hasher.finish()) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Api, "the API gave the same place in its list twice, so reading it would never end")
            .with("method", self.plan.method.name.clone())
            .with("page", number.to_string()))
    }

    fn numbered_values(&self, page: u64, per_page: Option<u64>) -> Vec<(TokenPlace, Value)> {
        let mut values = self.plan.first_values(&self.call.call);
        match &self.plan.method.pagination.kind {
            PageKind::Page { parameter, first } => values.push((parameter.clone(), Value::from(page - 1 + first))),
            PageKind::Offset { parameter } => {
                // Without a total pages come one by one, and each begins where the rows so far end.
                let skipped = per_page.map_or(self.rows, |per_page| (page - 1) * per_page);
                values.push((parameter.clone(), Value::from(skipped)));
            }
            _ => {}
        }
        values
    }

    fn ask(&self, page: u64, ask: Ask) -> PageTask {
        let context = Arc::clone(&self.context);
        let plan = Arc::clone(&self.plan);
        let call = Arc::clone(&self.call);
        let server = self.server.clone();
        let authorizer = self.authorizer.clone();
        Task::spawn(async move { fetch(&context, &plan, &call, &server, authorizer, page, ask).await })
    }

    /// A part could not be read: fails the statement, or goes on with a warning.
    fn failure(&mut self, number: u64, error: Error) -> Result<()> {
        let part = self.part(Some(number));
        let always =
            matches!(error.kind(), ErrorKind::Budget | ErrorKind::Cancelled | ErrorKind::Internal | ErrorKind::Auth);
        if self.context.settings.on_partial == OnPartial::Fail || always {
            self.verdict_said = true;
            self.context.report.add_part(Part {
                table: self.plan.table.clone(),
                part: part.clone(),
                verdict: Verdict::Failed,
                reason: error.to_string(),
            });
            self.stage = Stage::Done;
            let whole = part.is_empty() || number == 1 && self.call.label.is_empty();
            return Err(if whole { error } else { error.with("part", part) });
        }
        self.failed = true;
        self.context.report.add_part(Part {
            table: self.plan.table.clone(),
            part,
            verdict: Verdict::Failed,
            reason: error.to_string(),
        });
        // Numbered pages up to a known last one go on without the lost one; where the end is what the pages themselves
        // say, or the next link was on the lost page, nothing is known of what follows.
        if !matches!(self.stage, Stage::Numbered { last: Some(_), .. }) {
            self.stage = Stage::Done;
        }
        Ok(())
    }

    fn part(&self, number: Option<u64>) -> String {
        let page =
            number.filter(|n| *n > 1 || self.total_pages.is_some_and(|pages| pages > 1)).map(|n| format!("page {n}"));
        let label = (!self.call.label.is_empty()).then(|| self.call.label.clone());
        label.into_iter().chain(page).collect::<Vec<_>>().join(", ")
    }

    /// The verdict at the end of the pages.
    fn conclude(&mut self) {
        if self.verdict_said {
            return;
        }
        if self.failed {
            // The parts that failed have been said; the rest of this call is what it is.
            self.verdict_said = true;
            return;
        }
        if self.not_found {
            self.say(Verdict::Complete, String::new());
            return;
        }
        if self.duplicates > 0 {
            let times = if self.duplicates == 1 { "a row".to_owned() } else { format!("{} rows", self.duplicates) };
            self.say(Verdict::Moved, format!("{times} came twice: rows were added or removed during the scan"));
        } else if let Some(reason) = self.moved.take() {
            self.say(Verdict::Moved, reason);
        } else if let Some(reason) = self.unproved.take() {
            self.say(Verdict::Unproved, reason);
        } else if let Some(total) = self.total_rows.filter(|total| *total != self.rows && !self.plan.is_satisfied()) {
            let known_paging = !matches!(self.plan.method.pagination.kind, PageKind::Unknown | PageKind::Single);
            let verdict = if known_paging { Verdict::Moved } else { Verdict::Unproved };
            self.say(verdict, format!("the API's total is {total}, but {} rows came", self.rows));
        } else {
            self.say(Verdict::Complete, String::new());
        }
    }

    fn say(&mut self, verdict: Verdict, reason: String) {
        if self.verdict_said {
            return;
        }
        self.verdict_said = true;
        self.context.report.add_part(Part {
            table: self.plan.table.clone(),
            part: self.call.label.clone(),
            verdict,
            reason,
        });
    }
}

impl Drop for Pager {
    /// A reader that stops early has what it needs; what was not read is not missing.
    fn drop(&mut self) {
        let untouched = matches!(self.stage, Stage::First) && self.started.is_none();
        if !untouched && !self.failed {
            if self.plan.is_satisfied() {
                self.conclude();
            }
            self.say(Verdict::Truncated, "the query needs no more rows".to_owned());
        }
    }
}

/// A value of the answer's envelope.
fn captured(fetched: &Fetched, at: Option<usize>) -> Option<Value> {
    at.and_then(|at| fetched.page.captures.get(at)).cloned().flatten()
}

enum Step {
    First(Result<Result<Fetched>>),
    Numbered(Result<Result<Fetched>>),
    Chained(Result<Result<Fetched>>),
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    First,
    Numbered,
    Chained,
}

/// Whether a paging token leads on: APIs end their lists with null, an empty text, or an empty list.
fn is_token(token: &Value) -> bool {
    match token {
        Value::Null | Value::Object(_) | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

fn hash_cell(column: &dyn Array, row: usize, hasher: &mut DefaultHasher) {
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).hash(hasher),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).hash(hasher),
        _ => arrow::util::display::array_value_to_string(column, row).unwrap_or_default().hash(hasher),
    }
}

/// Sends one page's request and decodes its answer.
async fn fetch(
    context: &Arc<ReadContext>,
    plan: &Arc<ReadPlan>,
    call: &BoundCall,
    server: &Server,
    authorizer: Option<Arc<Authorizer>>,
    page: u64,
    ask: Ask,
) -> Result<Fetched> {
    let method = &plan.method;
    let timeout = context.settings.timeout;
    let (values, link) = match &ask {
        Ask::Values(values) => (values.as_slice(), None),
        Ask::Url(url) => (&[][..], Some(url)),
    };
    let mut request = request::build(method, &call.call, server, values, timeout)?;
    if let Some(link) = link {
        request.url = link.clone();
    }
    let asked = Asked { call: &call.call, page, values, link, server };
    let outgoing = outgoing(context, method, &asked, request, authorizer);
    let answer = answer_once(context, plan, &outgoing).await?;
    let verdict = answer::judge(method, &outgoing.request, &answer, outgoing.authorizer.as_deref())?;
    let url = outgoing.request.url.clone();
    let status = answer.status.as_u16();
    let empty =
        || Page { batches: Vec::new(), rows: 0, captures: Vec::new(), misfits: Vec::new(), items: ItemsFound::Absent };
    let fetched =
        |page, headers, not_found, fingerprint| Fetched { page, headers, url, status, not_found, fingerprint };
    match verdict {
        AnswerVerdict::NotFound(error) => Ok(fetched(empty(), answer.headers, Some(error), None)),
        AnswerVerdict::Empty => Ok(fetched(empty(), answer.headers, None, None)),
        AnswerVerdict::Good => {
            let page = decode(plan, &answer.body).await.map_err(|error| {
                let media = answer::media_type(&answer.headers);
                let error = answer::describe(error, method, &outgoing.request, &answer);
                if media.is_empty() || media.contains("json") { error } else { error.with("media type", media) }
            })?;
            if let (Some(rule), Some(at)) = (&method.success, plan.captures.success) {
                let said = page.captures.get(at).and_then(Option::as_ref);
                if said.is_some_and(|value| value != &rule.equals) {
                    return Err(answer::refused(method, &outgoing.request, &answer, outgoing.authorizer.as_deref()));
                }
            }
            let numbered = matches!(method.pagination.kind, PageKind::Page { .. } | PageKind::Offset { .. });
            let fingerprint = (numbered && plan.keys.is_empty()).then(|| fingerprint(&answer.body));
            Ok(fetched(page, answer.headers, None, fingerprint))
        }
    }
}

fn fingerprint(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

async fn decode(plan: &Arc<ReadPlan>, body: &bytes::Bytes) -> Result<Page> {
    // Longer ones are decoded off the async threads.
    if body.len() <= 256 * 1024 {
        return rows::decode(body, &plan.layout);
    }
    let (plan, body) = (Arc::clone(plan), body.clone());
    tokio::task::spawn_blocking(move || rows::decode(&body, &plan.layout))
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "decoding ended unexpectedly").caused_by(error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_end_a_list() {
        for end in [Value::Null, Value::from(""), Value::Array(vec![]), Value::Bool(false)] {
            assert!(!is_token(&end), "{end}");
        }
        assert!(is_token(&Value::from("abc")) && is_token(&Value::from(7)));
    }
}
