//! The ledger of limits: how many requests may be on their way, and when the next one may go.
//!
//! One account per origin and credential, shared by all statements of a process. A request waits in line for its
//! permit. Five things hold it back: the adaptive window, a published limit, one that refusals tell of, a pause the API asked
//! for, and those whose turn it is before. No lock is held across an await; a waiter that is dropped leaves the line and
//! wakes who is next.

mod learnt;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::future::select;
use tokio::sync::Notify;

use self::learnt::Learnt;
use super::auth::Authorizer;
use super::origin::{host, origin};
use super::retry::{asked_too_long, asked_wait, left};
use super::{HeaderMap, StatusCode, Url};
use crate::clock::SharedClock;
use crate::error::Result;

/// Requests at once before anything is known of an API.
const START: usize = 8;

/// Requests at once that no API is asked to bear more than.
const CEILING: usize = 64;

/// Slow answers alone do not shrink the window below this: an API may simply be slow.
const LATENCY_FLOOR: usize = 4;

/// Answers that differ by less are equally fast.
const LATENCY_NOISE: Duration = Duration::from_millis(20);

/// Statements whose turns are remembered before those are forgotten that wait for none.
const STATEMENTS_KEPT: usize = 64;

/// How many windows the moving minimum of the latency looks back.
const WINDOWS_KEPT: usize = 8;

/// A limit that an API's document publishes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Requests per period.
    pub rate: Option<Rate>,
    /// Requests at once.
    pub concurrency: Option<u64>,
    /// The header that says how many requests are left; the usual names when `None`.
    pub remaining_header: Option<String>,
    /// The header that says when the period ends; the usual names when `None`.
    pub reset_header: Option<String>,
}

/// So many requests in any stretch of so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests; zero counts as one.
    pub requests: u64,
    /// The period.
    pub per: Duration,
}

/// Whose limits are meant: one credential at one origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerKey {
    origin: String,
    host: String,
    credential: String,
}

impl LedgerKey {
    /// The key for requests to `url` with that credential.
    pub fn new(url: &Url, authorizer: Option<&Authorizer>) -> Self {
        let credential = authorizer.map(|authorizer| authorizer.fingerprint().to_owned()).unwrap_or_default();
        Self { origin: origin(url), host: host(url), credential }
    }
}

/// How a request ended, as far as limits care.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// There was an answer.
    Answered {
        /// Its status.
        status: StatusCode,
        /// Its headers.
        headers: &'a HeaderMap,
        /// The time until its headers were there.
        latency: Duration,
    },
    /// There was none.
    Failed,
}

/// All accounts of a process.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Mutex<HashMap<LedgerKey, Arc<Account>>>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// The one that all of a process share who live by the system's clock.
    pub fn of_process() -> Arc<Self> {
        static OF_PROCESS: OnceLock<Arc<Ledger>> = OnceLock::new();
        Arc::clone(OF_PROCESS.get_or_init(Arc::default))
    }

    /// Waits until a request may go.
    ///
    /// `statement` tells those apart who take turns: one after the other, however many requests each has; requests of one
    /// go in the order they came. `max_wait` bounds pauses that the API asked for, not the wait in line.
    ///
    /// # Errors
    /// `RateLimited` when the API asked for a pause that lasts longer than `max_wait` from now.
    pub async fn enter(
        &self,
        key: &LedgerKey,
        published: &Published,
        max_wait: Duration,
        clock: &SharedClock,
        statement: u64,
    ) -> Result<Permit> {
        let account = self.account(key);
        let came = clock.now();
        let place = Place::take(&account, published, max_wait, statement);
        loop {
            let wake = place.wake.notified();
            let now = clock.now();
            let step = account.state().step(&place, now);
            match step {
                Step::Go { epoch, full } => {
                    return Ok(Permit {
                        account: Arc::clone(&account),
                        ceiling: ceiling(published.concurrency),
                        published: published.clone(),
                        clock: Arc::clone(clock),
                        waited: now.saturating_duration_since(came),
                        went: now,
                        epoch,
                        full,
                    });
                }
                Step::Held(wait) if wait > max_wait => return Err(asked_too_long(wait, &key.host)),
                Step::Held(wait) | Step::Paced(wait) => {
                    select(std::pin::pin!(wake), clock.sleep(wait)).await;
                }
                Step::Behind => wake.await,
            }
        }
    }

    /// How many requests the adaptive window lets on their way at once now.
    pub fn window(&self, key: &LedgerKey) -> usize {
        self.account(key).state().window.limit
    }

    fn account(&self, key: &LedgerKey) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(accounts.entry(key.clone()).or_default())
    }
}

/// Leave to have one request on its way; dropping it makes room for the next.
#[derive(Debug)]
pub struct Permit {
    account: Arc<Account>,
    published: Published,
    ceiling: usize,
    clock: SharedClock,
    waited: Duration,
    went: Instant,
    epoch: u64,
    full: bool,
}

impl Permit {
    /// How long the request waited for it.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Notes how the request ended; the room it takes is kept until the permit is dropped.
    pub fn observe(&self, outcome: &Outcome<'_>) {
        let Outcome::Answered { status, headers, latency } = *outcome else { return };
        let throttled = matches!(status.as_u16(), 429 | 503);
        let now = self.clock.now();
        let utc = self.clock.utc();
        let refused = throttled.then(|| asked_wait(headers, &self.published, utc)).flatten();
        let left = left(headers, &self.published, utc);
        let spent = left.filter(|left| left.requests < 1.0).map(|left| left.reset);
        let mut state = self.account.state();
        if let Some((requests, until)) = left.and_then(|left| Some((left.requests, now.checked_add(left.reset)?))) {
            // The newest answer knows best.
            state.left = Some((whole(requests), until));
        }
        if throttled {
            let window = state.window.limit.min(self.ceiling);
            let per_second = status == StatusCode::TOO_MANY_REQUESTS && state.learnt.refused(self.went, window, now);
            if !per_second {
                state.window.shrink(self.epoch, self.ceiling);
            }
        } else if !status.is_server_error() {
            state.window.grow(latency, self.full);
        }
        state.held_until = state.held_until.max(refused.and_then(|pause| now.checked_add(pause)));
        state.spent_until = state.spent_until.max(spent.and_then(|pause| now.checked_add(pause)));
        if refused.is_some() {
            state.wake_all();
        } else {
            state.wake_first();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.account.state();
        state.on_their_way = state.on_their_way.saturating_sub(1);
        state.wake_first();
    }
}

#[derive(Debug, Default)]
struct Account(Mutex<State>);

impl Account {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    window: Window,
    on_their_way: usize,
    /// The end of the pause that a refusal asked for.
    held_until: Option<Instant>,
    /// When a used-up limit is reset.
    spent_until: Option<Instant>,
    /// How many requests the newest answer says are left until then: so many may be on their way, and one in any case.
    left: Option<(usize, Instant)>,
    learnt: Learnt,
    /// The turn that it is.
    turn: u64,
    /// The next turn of each statement that has had one.
    turns: HashMap<u64, u64>,
    came: u64,
    lines: Vec<Line>,
}

/// When it is a request's turn: those of one statement have different turns, and within a turn it goes by who came first.
type Ticket = (u64, u64);

/// Those who wait under one published limit.
#[derive(Debug)]
struct Line {
    rate: Option<Rate>,
    ceiling: usize,
    /// When the requests of the last period went.
    went: VecDeque<Instant>,
    /// By the longest pause that they would wait for: one that waits for a reset stands in nobody's way who does not.
    waiting: BTreeMap<Duration, BTreeMap<Ticket, Arc<Notify>>>,
}

enum Step {
    Go { epoch: u64, full: bool },
    Held(Duration),
    Paced(Duration),
    Behind,
}

impl State {
    fn step(&mut self, place: &Place, now: Instant) -> Step {
        let held = time_left(self.held_until, now);
        // A limit that says it is used up may be about other operations only, so where waiting for its reset would
        // mean giving up, the API is asked instead.
        let spent = time_left(self.spent_until, now);
        if let Some(wait) = held.max(spent.filter(|wait| *wait <= place.max_wait)) {
            return Step::Held(wait);
        }
        let left = self.left.filter(|(_, until)| *until > now);
        let room = self.window.limit.min(left.map_or(CEILING, |(requests, _)| requests.max(1)));
        let on_their_way = self.on_their_way;
        let Some(line) = self.lines.get_mut(place.line) else { return Step::Behind };
        if line.first(spent) != Some(place.ticket) {
            return Step::Behind;
        }
        let learnt = self.learnt.wait(now);
        let wait = line.pace(now).max(learnt);
        if !wait.is_zero() {
            return Step::Paced(wait);
        }
        if on_their_way >= room.min(line.ceiling) {
            // The reset wakes nobody.
            return time_left(left.map(|(_, until)| until), now).map_or(Step::Behind, Step::Paced);
        }
        let overtaken = self.lines.iter_mut().any(|other| {
            other.first(spent).is_some_and(|ticket| ticket < place.ticket)
                && on_their_way < room.min(other.ceiling)
                && other.pace(now).is_zero()
        });
        if overtaken {
            return Step::Behind;
        }
        if let Some(line) = self.lines.get_mut(place.line) {
            line.leave(place.max_wait, place.ticket);
            if line.rate.is_some() {
                line.went.push_back(now);
            }
        }
        self.on_their_way += 1;
        self.turn = self.turn.max(place.ticket.0);
        self.learnt.note(now);
        self.wake_first();
        Step::Go { epoch: self.window.epoch, full: self.on_their_way >= self.window.limit }
    }

    /// Wakes the first of each line: something changed that may let one of them go.
    fn wake_first(&self) {
        let groups = self.lines.iter().flat_map(|line| line.waiting.values());
        for (_, wake) in groups.filter_map(BTreeMap::first_key_value) {
            wake.notify_one();
        }
    }

    /// The next request of a statement gets its turn.
    fn ticket(&mut self, statement: u64) -> Ticket {
        if self.turns.len() >= STATEMENTS_KEPT {
            let turn = self.turn;
            self.turns.retain(|_, next| *next > turn);
        }
        let next = self.turns.entry(statement).or_default();
        let turn = self.turn.max(*next);
        *next = turn + 1;
        self.came += 1;
        (turn, self.came)
    }

    /// Wakes everyone: a pause began, for which some may not want to wait.
    fn wake_all(&self) {
        for wake in self.lines.iter().flat_map(|line| line.waiting.values()).flat_map(BTreeMap::values) {
            wake.notify_one();
        }
    }
}

impl Line {
    /// The first of those who do not wait for a used-up limit to be reset, which is `spent` from now.
    fn first(&self, spent: Option<Duration>) -> Option<Ticket> {
        let going = self.waiting.iter().filter(|(max_wait, _)| spent.is_none_or(|wait| wait > **max_wait));
        going.filter_map(|(_, group)| group.first_key_value()).map(|(ticket, _)| *ticket).min()
    }

    fn leave(&mut self, max_wait: Duration, ticket: Ticket) {
        if let Some(group) = self.waiting.get_mut(&max_wait) {
            group.remove(&ticket);
            if group.is_empty() {
                self.waiting.remove(&max_wait);
            }
        }
    }

    /// How long until the published rate lets the next request go.
    ///
    /// The requests of the last period are counted one by one: the whole allowance may go at once, which a leaky
    /// bucket would spread out, and no stretch of a period's length ever holds more than the allowance.
    fn pace(&mut self, now: Instant) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        while self.went.front().is_some_and(|went| now.saturating_duration_since(*went) >= rate.per) {
            self.went.pop_front();
        }
        let allowance = usize::try_from(rate.requests.max(1)).unwrap_or(usize::MAX);
        match self.went.len().checked_sub(allowance).and_then(|oldest| self.went.get(oldest)) {
            Some(went) => rate.per.saturating_sub(now.saturating_duration_since(*went)),
            None => Duration::ZERO,
        }
    }
}

fn time_left(until: Option<Instant>, now: Instant) -> Option<Duration> {
    until.map(|until| until.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
}

/// A place in a line; dropping it leaves the line.
struct Place {
    account: Arc<Account>,
    line: usize,
    max_wait: Duration,
    ticket: Ticket,
    wake: Arc<Notify>,
}

impl Place {
    fn take(account: &Arc<Account>, published: &Published, max_wait: Duration, statement: u64) -> Self {
        let wake = Arc::new(Notify::new());
        let ceiling = ceiling(published.concurrency);
        let mut state = account.state();
        let ticket = state.ticket(statement);
        let known = state.lines.iter().position(|line| line.rate == published.rate && line.ceiling == ceiling);
        let line = known.unwrap_or_else(|| {
            state.lines.push(Line { rate: published.rate, ceiling, went: VecDeque::new(), waiting: BTreeMap::new() });
            state.lines.len() - 1
        });
        if let Some(line) = state.lines.get_mut(line) {
            line.waiting.entry(max_wait).or_default().insert(ticket, Arc::clone(&wake));
        }
        drop(state);
        Self { account: Arc::clone(account), line, max_wait, ticket, wake }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.account.state();
        if let Some(line) = state.lines.get_mut(self.line) {
            line.leave(self.max_wait, self.ticket);
        }
        state.wake_first();
    }
}

/// A number of requests; more than are ever let on their way are as good as all.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is brought between the two ends first")]
fn whole(requests: f64) -> usize {
    requests.clamp(0.0, 64.0) as usize
}

fn ceiling(concurrency: Option<u64>) -> usize {
    concurrency.map_or(CEILING, |most| usize::try_from(most).unwrap_or(CEILING).clamp(1, CEILING))
}

/// The adaptive window: one more after a window's worth of good answers, half after a refusal, a quarter less when
/// even the fastest answer of a window took twice as long as the fastest of the windows before.
#[derive(Debug)]
struct Window {
    limit: usize,
    answers: usize,
    /// Answers to requests that filled the window: unless half did, nothing shows that more would be borne.
    full: usize,
    fastest: Duration,
    past: VecDeque<Duration>,
    /// Counts refusals acted on: requests that left together and are refused together shrink the window once.
    epoch: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self { limit: START, answers: 0, full: 0, fastest: Duration::MAX, past: VecDeque::new(), epoch: 0 }
    }
}

impl Window {
    fn grow(&mut self, latency: Duration, full: bool) {
        self.answers += 1;
        self.full += usize::from(full);
        self.fastest = self.fastest.min(latency);
        if self.answers < self.limit {
            return;
        }
        let usual = self.past.iter().min().copied().unwrap_or(self.fastest);
        let slower = self.fastest > (usual * 2).max(usual + LATENCY_NOISE);
        if slower && self.limit > LATENCY_FLOOR {
            self.limit = (self.limit - self.limit / 4).max(LATENCY_FLOOR);
        } else if !slower && self.full * 2 >= self.answers {
            self.limit = (self.limit + 1).min(CEILING);
        }
        self.past.push_back(self.fastest);
        if self.past.len() > WINDOWS_KEPT {
            self.past.pop_front();
        }
        self.begin();
    }

    fn shrink(&mut self, epoch: u64, ceiling: usize) {
        if epoch == self.epoch {
            self.limit = (self.limit.min(ceiling) / 2).max(1);
            self.epoch += 1;
            self.begin();
        }
    }

    fn begin(&mut self) {
        (self.answers, self.full, self.fastest) = (0, 0, Duration::MAX);
    }
}

#[cfg(test)]
mod tests;
