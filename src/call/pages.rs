//! One call's pages, one after another or side by side, and the verdict on whether they are all.
//!
//! The window opens as the reader keeps asking: one request first, then two, four, eight at once; the ledger of the host
//! decides how many of them really travel. Without a known number of pages the next request leaves when its token is
//! known, before the rows of this page are given away. Pages that nobody wants are leapt over (`leap`).

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use serde_json::Value;

use super::endpoint::Server;
use super::hidden::Hidden;
use super::lengths::Length;
use super::link_header::next_of_link_header;
use super::page::{Ask, Coming, Fetched, PageRequest, PageTask};
use super::read::{BoundCall, ReadContext};
use super::shape::ReadPlan;
use super::token::leads_on;
use crate::config::OnPartial;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Authorizer, HeaderMap, Url};
use crate::provider::{ItemShape, PageKind, TokenPlace, TokenSource};
use crate::report::{Part, Verdict};
use crate::rows::{ItemsFound, Page, Rows};

mod keys;
mod leap;

use keys::keys_of;
use leap::Leap;

/// The widest window of pages asked for at once.
const WIDEST: usize = 8;
/// Keys remembered to tell a row that comes twice; beyond this only totals are compared.
const KEYS_KEPT: usize = 4_000_000;
/// Pages in a row without a new row that end a scan of which the last page is not known.
const STALE_PAGES: u32 = 2;

/// How the next pages are found.
#[derive(Debug)]
enum Stage {
    /// Nothing was asked yet.
    First,
    /// Numbered pages, up to and including the page `last` where it is known.
    Numbered { next: u64, last: Option<u64>, per_page: u64, in_flight: VecDeque<(u64, PageTask)>, window: usize },
    /// The next request is known.
    Chained { ask: Ask, number: u64, prefetched: Option<PageTask> },
    /// Nothing more is asked for, unless the page that is being read says so.
    Done,
}

/// The page whose rows are given now.
#[derive(Debug)]
struct Current {
    number: u64,
    kind: Kind,
    task: PageTask,
    /// What it gave so far.
    rows: u64,
    duplicates: u64,
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
    current: Option<Current>,
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
    /// Whether pages that nobody wants may be leapt over.
    leaps: bool,
    /// A leap whose landing has not come yet.
    leap: Option<Leap>,
    /// Pages that were leapt over.
    left_out: u64,
}

impl Pager {
    pub(super) fn new(context: Arc<ReadContext>, plan: Arc<ReadPlan>, call: BoundCall) -> Result<Self> {
        let server = context.server(&plan.provider, &plan.method, &call.call)?;
        let authorizer =
            context.endpoints.authorizer(&plan.provider, &plan.method.auth, &server, plan.restricted.as_deref())?;
        let own_page = plan.is_own_page(&call.call);
        let unproved = plan.doubt();
        let leaps = plan.skip > 0;
        context.report.add_listing();
        Ok(Self {
            context,
            plan,
            call: Arc::new(call),
            server,
            authorizer,
            stage: Stage::First,
            started: None,
            current: None,
            rows: 0,
            total_rows: None,
            total_pages: None,
            moved: None,
            unproved,
            failed: false,
            not_found: false,
            seen_tokens: HashSet::new(),
            seen_keys: HashSet::new(),
            duplicates: 0,
            stale_pages: 0,
            last_fingerprint: None,
            verdict_said: false,
            own_page,
            leaps,
            leap: None,
            left_out: 0,
        })
    }

    /// Sends the first request, so that independent calls overlap.
    pub(super) fn start(&mut self) {
        if matches!(self.stage, Stage::First) {
            self.begin();
        }
    }

    fn begin(&mut self) {
        if self.started.is_none() {
            self.started = Some(self.ask(1, Ask::Values(self.first_values())));
        }
    }

    /// The next batches; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<RecordBatch>>> {
        loop {
            if self.current.is_none() && matches!(self.stage, Stage::Done) {
                self.conclude();
                return Ok(None);
            }
            if self.has_enough() {
                self.stop();
                (self.stage, self.current) = (Stage::Done, None);
                return Ok(None);
            }
            if self.current.is_none() {
                self.current = self.next_page();
            }
            let Some(current) = &mut self.current else { continue };
            let batches = match current.task.next().await {
                Coming::Rows(rows) => self.take_rows(rows),
                Coming::End(outcome) => {
                    let Some(current) = self.current.take() else { continue };
                    match outcome.and_then(|fetched| self.accept(&current, *fetched)) {
                        Ok(batches) => batches,
                        Err(error) => {
                            self.failure(current.number, error)?;
                            continue;
                        }
                    }
                }
            };
            if self.plan.trial && self.duplicates > 0 {
                self.verdict_said = true;
                (self.stage, self.current) = (Stage::Done, None);
                return Err(Error::new(ErrorKind::Partial, "a row came twice"));
            }
            if !batches.is_empty() {
                return Ok(Some(batches));
            }
        }
    }

    /// The total that the first answer states; the verdict is then what it says.
    pub(super) async fn stated_total(mut self) -> Result<Option<u64>> {
        self.current = self.next_page();
        while let Some(current) = &mut self.current {
            let outcome = match current.task.next().await {
                Coming::Rows(rows) => {
                    self.take_rows(rows);
                    continue;
                }
                Coming::End(outcome) => outcome,
            };
            let Some(current) = self.current.take() else { break };
            match outcome.and_then(|fetched| self.accept(&current, *fetched)) {
                Ok(_) if self.total_rows.is_none() => {
                    // Whoever reads all of it has the last word.
                    self.verdict_said = true;
                    return Ok(None);
                }
                Ok(_) => self.say(Verdict::Complete, String::new()),
                // Said already: what could not be read has no rows.
                Err(error) => self.failure(1, error)?,
            }
        }
        self.stage = Stage::Done;
        Ok(Some(self.total_rows.unwrap_or(0)))
    }

    /// The page to be read now; none where the stage has no more.
    fn next_page(&mut self) -> Option<Current> {
        let (number, kind, task) = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Done => return None,
            Stage::First => {
                self.begin();
                (1, Kind::First, self.started.take()?)
            }
            Stage::Numbered { next, last, per_page, in_flight, window } => {
                let (number, task) = self.numbered(next, last, per_page, in_flight, window)?;
                (number, Kind::Numbered, task)
            }
            Stage::Chained { ask, number, prefetched } => {
                (number, Kind::Chained, prefetched.unwrap_or_else(|| self.ask(number, ask)))
            }
        };
        Some(Current { number, kind, task, rows: 0, duplicates: 0 })
    }

    /// Keeps the window of numbered pages full and takes the oldest.
    fn numbered(
        &mut self,
        mut next: u64,
        last: Option<u64>,
        per_page: u64,
        mut in_flight: VecDeque<(u64, PageTask)>,
        window: usize,
    ) -> Option<(u64, PageTask)> {
        let needed = self.plan.end().map(|end| end.saturating_sub(self.rows).div_ceil(per_page.max(1)));
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
        let oldest = in_flight.pop_front()?;
        self.stage = Stage::Numbered { next, last, per_page, in_flight, window: (window * 2).min(WIDEST) };
        Some(oldest)
    }

    /// Takes rows of the current page in.
    fn take_rows(&mut self, rows: Rows) -> Vec<RecordBatch> {
        if let Some(leap) = &mut self.leap {
            leap.hold(rows);
            return Vec::new();
        }
        let before = self.rows;
        let duplicates = self.take_in(&rows);
        if let Some(current) = &mut self.current {
            current.rows += rows.rows;
            current.duplicates += duplicates;
        }
        self.wanted(before, rows.batches)
    }

    /// Counts rows; says how many of them came before.
    fn take_in(&mut self, rows: &Rows) -> u64 {
        self.rows += rows.rows;
        for misfit in &rows.misfits {
            let column = self.plan.layout.columns().get(misfit.column).map_or("", |column| column.field.name());
            let hidden = Hidden::of(&self.plan.method, &self.call.call, self.authorizer.as_deref());
            self.context.report.add_misfits(&self.plan.table, column, misfit.count, &hidden.example(misfit));
        }
        let known_before = self.duplicates;
        self.remember_keys(&rows.batches);
        self.duplicates - known_before
    }

    /// Takes the end of a page in: totals, keys, what comes next.
    fn accept(&mut self, current: &Current, mut fetched: Fetched) -> Result<Vec<RecordBatch>> {
        let Current { number, kind, .. } = *current;
        let first = kind == Kind::First;
        if let Some(leap) = self.leap.take() {
            let Some(landed) = self.landed(leap, fetched) else {
                self.retreat();
                return Ok(Vec::new());
            };
            fetched = landed;
        }
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
        let Fetched { page, headers, url, status, fingerprint, .. } = fetched;
        let Page { batches, rows, captures, misfits, items } = page;
        let rest = Rows { batches, rows, misfits };
        let before = self.rows;
        let duplicates = current.duplicates + self.take_in(&rest);
        let rows = current.rows + rows;
        let said = Said { rows, captures, items, headers, url, status, fingerprint };
        self.context.report.add_page();
        self.totals(&said, first);
        if first && !self.own_page {
            self.note_length(rows);
        }
        self.check_progress(number, duplicates, &said)?;
        self.next_stage(number, kind, &said)?;
        let batches = self.wanted(before, rest.batches);
        if first && self.leaps {
            self.leap(rows, fingerprint);
        }
        self.expect_pages();
        Ok(batches)
    }

    /// Whether the reader needs no more rows.
    fn has_enough(&self) -> bool {
        self.plan.end().is_some_and(|end| self.rows >= end)
    }

    /// Only the rows behind those that are to be left out, when `before` rows came before these; and of them only the
    /// columns asked for: keys decoded for counting stay behind.
    fn wanted(&self, before: u64, batches: Vec<RecordBatch>) -> Vec<RecordBatch> {
        let mut unwanted = self.plan.skip.saturating_sub(before);
        let wanted = self.plan.schema.fields().len();
        let columns: Vec<usize> = (0..wanted).collect();
        let visible = |batch: RecordBatch| {
            if batch.num_columns() == wanted { batch } else { batch.project(&columns).unwrap_or(batch) }
        };
        let behind = batches.into_iter().map(|batch| {
            let here = usize::try_from(unwanted).unwrap_or(usize::MAX).min(batch.num_rows());
            unwanted -= here as u64;
            batch.slice(here, batch.num_rows() - here)
        });
        behind.filter(|batch| batch.num_rows() > 0).map(visible).collect()
    }

    fn totals(&mut self, said: &Said, first: bool) {
        let number = |at: Option<usize>| {
            said.captured(at).and_then(|value| match value {
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
        for key in batches.iter().flat_map(|batch| keys_of(batch, &self.plan.keys)).flatten() {
            if self.seen_keys.len() >= KEYS_KEPT {
                return;
            }
            if !self.seen_keys.insert(key) {
                self.duplicates += 1;
            }
        }
    }

    /// Numbered pages without a known last one end with an empty page, which never comes where the API ignores the number.
    fn check_progress(&mut self, number: u64, duplicates: u64, said: &Said) -> Result<()> {
        let rows = said.rows;
        let repeats = said.fingerprint.is_some() && said.fingerprint == self.last_fingerprint;
        self.last_fingerprint = said.fingerprint;
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
        let wanted = self.plan.end().map_or(u64::MAX, |end| end.div_ceil((*per_page).max(1)));
        self.context.report.expect_pages((*last).min(wanted).saturating_sub(self.left_out));
    }

    /// The last page's number, by the newest totals.
    fn last_page(&self) -> Option<u64> {
        match &self.stage {
            Stage::Numbered { last, .. } => *last,
            _ => None,
        }
    }

    fn next_stage(&mut self, number: u64, kind: Kind, said: &Said) -> Result<()> {
        let rows = said.rows;
        if self.own_page {
            self.say(Verdict::Truncated, "the query asks for one page".to_owned());
            self.stage = Stage::Done;
            return Ok(());
        }
        let items_missing = matches!(said.items, ItemsFound::Absent);
        if items_missing && self.plan.method.response.items == ItemShape::List && said.status != 204 {
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
                    TokenSource::Body(_) => said.captured(self.plan.captures.token).cloned(),
                    TokenSource::Header(name) => said
                        .headers
                        .get(name.as_str())
                        .and_then(|v| v.to_str().ok())
                        .map(|text| Value::from(text.to_owned())),
                };
                let flag = more.as_ref().and_then(|_| said.captured(self.plan.captures.more).cloned());
                let token = token.filter(|token| flag != Some(Value::Bool(false)) && leads_on(token));
                self.doubt(token.as_ref().filter(|token| token.is_object()));
                match token.filter(|token| !token.is_object()) {
                    None => {
                        self.stage = Stage::Done;
                        if flag == Some(Value::Bool(true)) {
                            self.unproved = Some("the API says that there is more, but not where".to_owned());
                        }
                    }
                    Some(token) => {
                        let text = crate::bind::literal_text(&token);
                        self.check_repeat(&text, number)?;
                        let mut values = self.first_values();
                        values.push((parameter.clone(), token));
                        self.chain(Ask::Values(values), number);
                    }
                }
            }
            PageKind::NextUrl { .. } => {
                let link = said.captured(self.plan.captures.token).filter(|link| leads_on(link)).cloned();
                self.doubt(link.as_ref().filter(|link| !link.is_string()));
                self.next_link(link.and_then(|link| link.as_str().map(str::to_owned)), number, said)?;
            }
            PageKind::LinkHeader => {
                let link = said
                    .headers
                    .get_all("link")
                    .iter()
                    .filter_map(|value| value.to_str().ok())
                    .find_map(next_of_link_header);
                self.next_link(link, number, said)?;
            }
        }
        Ok(())
    }

    /// Notes that an answer leads on, but not to where a request could go.
    fn doubt(&mut self, place: Option<&Value>) {
        if place.is_some() {
            self.unproved = Some("the API says that there is more, in a form that leads nowhere".to_owned());
        }
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

    fn next_link(&mut self, link: Option<String>, number: u64, said: &Said) -> Result<()> {
        match link.filter(|link| !link.is_empty()) {
            None => self.stage = Stage::Done,
            Some(link) => {
                let secret = self.authorizer.as_deref().map(Authorizer::query_names).unwrap_or_default();
                let url = self.server.follow(&said.url, &link, &secret).map_err(|error| {
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
        let prefetched = (number > 1 && !self.has_enough()).then(|| self.ask(number + 1, ask.clone()));
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

    /// What a request says of itself beside the call and its place in the list.
    fn first_values(&self) -> Vec<(TokenPlace, Value)> {
        self.plan.first_values(&self.call.call, self.leaps)
    }

    fn numbered_values(&self, page: u64, per_page: Option<u64>) -> Vec<(TokenPlace, Value)> {
        let mut values = self.first_values();
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

    fn ask(&self, number: u64, ask: Ask) -> PageTask {
        PageTask::start(PageRequest {
            context: Arc::clone(&self.context),
            plan: Arc::clone(&self.plan),
            call: Arc::clone(&self.call),
            server: self.server.clone(),
            authorizer: self.authorizer.clone(),
            number,
            ask,
        })
    }

    /// A part could not be read: fails the statement, or goes on with a warning.
    fn failure(&mut self, number: u64, error: Error) -> Result<()> {
        self.leap = None;
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
            self.plan.mark_doubted();
            self.verdict_said = true;
            return;
        }
        if self.not_found {
            self.say(Verdict::Complete, String::new());
            return;
        }
        if let Some(reason) = self.moved.take() {
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

    /// The verdict where the reader needs no more.
    fn stop(&mut self) {
        match self.moved.take() {
            Some(reason) => self.say(Verdict::Moved, reason),
            None => self.say(Verdict::Truncated, "the query needs no more rows".to_owned()),
        }
    }

    fn say(&mut self, verdict: Verdict, reason: String) {
        if self.verdict_said {
            return;
        }
        self.verdict_said = true;
        let (verdict, reason) = match self.duplicates {
            0 => (verdict, reason),
            1 => (Verdict::Moved, "a row came twice: rows were added or removed during the scan".to_owned()),
            n => (Verdict::Moved, format!("{n} rows came twice: rows were added or removed during the scan")),
        };
        if verdict != Verdict::Complete {
            self.plan.mark_doubted();
        }
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
        if !untouched && !self.failed && !self.plan.trial {
            if self.plan.is_satisfied() {
                self.conclude();
            }
            self.stop();
        }
    }
}

/// What a page says of the list, now that all of its rows are counted.
struct Said {
    rows: u64,
    captures: Vec<Option<Value>>,
    items: ItemsFound,
    headers: HeaderMap,
    url: Url,
    status: u16,
    fingerprint: Option<u64>,
}

impl Said {
    /// A value of the answer's envelope.
    fn captured(&self, at: Option<usize>) -> Option<&Value> {
        at.and_then(|at| self.captures.get(at)).and_then(Option::as_ref)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    First,
    Numbered,
    Chained,
}
