//! One call's pages, one after another or side by side, and the verdict on whether they are all.
//!
//! The window opens as the reader keeps asking: one request first, then two, four, eight at once, and from there one more
//! with each page that is read; the ledger of the host decides how many of them really travel. Without a known number of
//! pages the next request leaves when its token is known, if possible before the rows of this page are decoded. Pages that nobody
//! wants are leapt over (`leap`).

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use serde_json::Value;

use super::endpoint::Server;
use super::hidden::Hidden;
use super::lengths::Length;
use super::page::{Ask, Coming, Fetched, Head, PageRequest, PageTask};
use super::read::{BoundCall, Pace, ReadContext};
use super::shape::{ReadPlan, Stopping};
use super::shared::{Age, Dated};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Authorizer;
use crate::provider::{PageKind, TokenPlace};
use crate::report::Verdict;
use crate::rows::{Page, Rows};

mod anew;
mod keys;
mod leap;
mod onward;
mod verdict;

use anew::FromKept;
use keys::SeenKeys;
use leap::Leap;
use onward::Said;

/// The window of pages asked for at once opens fast so far, then by one page for each that is read: no more are asked for
/// in vain than were wanted.
const WIDE: usize = 8;
/// The widest window: the ledger lets no more requests go to a host at once.
const WIDEST: usize = 64;
/// Beyond [`WIDE`] pages, no more are asked for than take so many bytes.
const BYTES_AHEAD: usize = 64 << 20;
/// Keys remembered to tell a row that comes twice; beyond this only totals are compared.
const KEYS_KEPT: usize = 4_000_000;

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
    /// The page behind the current one, where that said already where it is.
    ahead: Option<(Ask, PageTask)>,
    rows: u64,
    total_rows: Option<u64>,
    total_pages: Option<u64>,
    moved: Option<String>,
    unproved: Option<String>,
    failed: bool,
    not_found: bool,
    seen_tokens: HashSet<u64>,
    seen_keys: SeenKeys,
    duplicates: u64,
    /// Of what time the first page is: that of all others.
    dated: Option<Dated>,
    /// What came of a list that is kept.
    from_kept: FromKept,
    /// Whether the list is read anew, as it was not kept whole.
    anew: bool,
    /// The bytes of the longest page.
    longest: usize,
    /// Whether all rows will be read.
    eager: bool,
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
    pub(super) fn new(context: Arc<ReadContext>, plan: Arc<ReadPlan>, call: BoundCall, pace: Pace) -> Result<Self> {
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
            ahead: None,
            rows: 0,
            total_rows: None,
            total_pages: None,
            moved: None,
            unproved,
            failed: false,
            not_found: false,
            seen_tokens: HashSet::new(),
            seen_keys: SeenKeys::new(KEYS_KEPT),
            duplicates: 0,
            dated: None,
            from_kept: FromKept::default(),
            anew: false,
            longest: 0,
            eager: pace == Pace::Eager,
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
            let is_over = self.current.is_none() && matches!(self.stage, Stage::Done) || self.has_enough();
            if is_over && let Some(held) = self.release() {
                return Ok(Some(held));
            }
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
                Coming::Head(head) => {
                    self.go_ahead(&head);
                    continue;
                }
                Coming::Rows(rows) => self.take_rows(rows),
                Coming::Missing => {
                    self.start_anew();
                    continue;
                }
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
            if let Some(reason) = self.trial_failed() {
                self.verdict_said = true;
                (self.stage, self.current) = (Stage::Done, None);
                return Err(Error::new(ErrorKind::Partial, reason));
            }
            let batches = self.pass(batches)?;
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
                Coming::Head(_) => continue,
                Coming::Rows(rows) => {
                    self.take_rows(rows);
                    continue;
                }
                Coming::End(outcome) => outcome,
                // One that is the first is in no list yet.
                Coming::Missing => return Ok(None),
            };
            let Some(current) = self.current.take() else { break };
            match outcome.and_then(|fetched| self.accept(&current, *fetched)) {
                Ok(_) if !self.is_believable() => {
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

    /// Why what was read on trial is of no use, where it is not.
    fn trial_failed(&self) -> Option<String> {
        let twice = || (self.duplicates > 0).then(|| "a row came twice".to_owned());
        if self.plan.stopping == Stopping::OnTrial { self.moved.clone().or_else(twice) } else { None }
    }

    /// Whether the answer so far does not contradict the total that it states.
    fn is_believable(&self) -> bool {
        let possible = |total: u64| self.rows <= total && (self.rows > 0 || total == 0);
        self.unproved.is_none() && self.total_rows.is_some_and(possible)
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
        let room = (BYTES_AHEAD / self.longest.max(1)).max(WIDE);
        let width = if last.is_some() { window.min(room) } else { 1 };
        while in_flight.len() < width
            && last.is_none_or(|last| next <= last)
            && needed.is_none_or(|needed| (in_flight.len() as u64) < needed)
        {
            let values = self.numbered_values(next, last.map(|_| per_page));
            in_flight.push_back((next, self.ask(next, Ask::Values(values))));
            next += 1;
        }
        let oldest = in_flight.pop_front()?;
        let window = if window < WIDE { window * 2 } else { (window + 1).min(WIDEST) };
        self.stage = Stage::Numbered { next, last, per_page, in_flight, window };
        Some(oldest)
    }

    /// Takes rows of the current page in.
    fn take_rows(&mut self, rows: Rows) -> Vec<RecordBatch> {
        if let Some(leap) = &mut self.leap {
            leap.hold(rows);
            return Vec::new();
        }
        let before = self.rows;
        self.tell(&rows);
        let duplicates = self.take_in(&rows);
        if let Some(current) = &mut self.current {
            current.rows += rows.rows;
            current.duplicates += duplicates;
        }
        self.wanted(before, rows.batches)
    }

    /// Says of rows that are given which columns held values, and which values did not fit.
    fn tell(&self, rows: &Rows) {
        if rows.rows > 0 {
            let names = self.plan.layout.columns().iter().map(|column| column.field.name().as_str());
            self.context.report.note_held(&self.plan.table, names.zip(rows.held.iter().copied()));
        }
        for misfit in &rows.misfits {
            let column = self.plan.layout.columns().get(misfit.column).map_or("", |column| column.field.name());
            let example = self.hidden().example(misfit);
            self.context.report.add_misfits(&self.plan.table, column, misfit.count, &example);
        }
    }

    /// Counts rows; says how many of them came before.
    fn take_in(&mut self, rows: &Rows) -> u64 {
        self.rows += rows.rows;
        let knew_all = self.seen_keys.knows_all();
        let twice = self.seen_keys.take_in(&rows.batches, &self.plan.keys);
        self.duplicates += twice;
        if knew_all && !self.seen_keys.knows_all() {
            let message = format!("of more than {KEYS_KEPT} rows not all are looked at for rows that come twice");
            self.context.report.warn("unchecked", self.plan.table.clone(), message);
        }
        twice
    }

    /// Takes the end of a page in: totals, keys, what comes next.
    fn accept(&mut self, current: &Current, mut fetched: Fetched) -> Result<Vec<RecordBatch>> {
        let Current { number, kind, .. } = *current;
        let first = kind == Kind::First;
        let keeping = fetched.keeping.take();
        if let Some(leap) = self.leap.take() {
            let behind_the_end = leap.is_behind_the_end();
            let landed = if behind_the_end { self.found_behind(leap, fetched) } else { self.landed(leap, fetched) };
            let Some(landed) = landed else {
                if behind_the_end {
                    self.keep(keeping);
                } else {
                    self.retreat();
                }
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
            self.keep(keeping);
            self.tell_or_hold(Rows::default(), fetched.age);
            self.stage = Stage::Done;
            return Ok(Vec::new());
        }
        let Fetched { page, headers, url, doubt, fingerprint, size, dated, age, .. } = fetched;
        self.longest = self.longest.max(size);
        self.dated.get_or_insert(dated);
        if let Some(doubt) = doubt {
            self.unproved = Some(if number > 1 { format!("page {number}: {doubt}") } else { doubt });
        }
        let Page { batches, rows, captures, misfits, held, .. } = page;
        let mut rest = Rows { batches, rows, misfits, held };
        let before = self.rows;
        let duplicates = current.duplicates + self.take_in(&rest);
        let batches = self.wanted(before, std::mem::take(&mut rest.batches));
        self.tell_or_hold(rest, age);
        let rows = current.rows + rows;
        let head = Head { headers, url, captures, dated: Some(dated) };
        let said = Said { rows, head, fingerprint };
        self.context.report.add_page();
        self.totals(&said, first);
        if first && !self.own_page {
            self.note_length(rows);
        }
        self.check_progress(number, duplicates, &said)?;
        self.next_stage(number, kind, &said)?;
        self.ahead = None;
        self.keep(keeping);
        if first && self.leaps {
            self.leap(rows, fingerprint);
        } else if first {
            self.look_behind(rows, fingerprint);
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

    fn hidden(&self) -> Hidden<'_> {
        Hidden::of(&self.plan.method, &self.call.call, self.authorizer.as_deref())
    }

    fn credential(&self) -> &str {
        self.authorizer.as_ref().map_or("", |authorizer| authorizer.fingerprint())
    }

    /// Tells how many pages there will be, of those that are wanted.
    fn expect_pages(&self) {
        let Stage::Numbered { last: Some(last), per_page, .. } = &self.stage else { return };
        let wanted = self.plan.end().map_or(u64::MAX, |end| end.div_ceil((*per_page).max(1)));
        self.context.report.expect_pages((*last).min(wanted).saturating_sub(self.left_out));
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
            age: match self.dated {
                Some(list) => Age::Of(list),
                None if self.anew => Age::New,
                None => Age::Allowed,
            },
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    First,
    Numbered,
    Chained,
}
