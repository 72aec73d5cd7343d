//! A write between its plan and its sending: what it is about, and whether it is confirmed.

use std::sync::Arc;

use super::journal::Running;
use super::plan_rows::changes;
use super::transaction::Committed;
use crate::config::{Confirm, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;
use crate::scan::ScanCore;
use crate::store::{CallState, WritePlan};
use crate::write::Planned;

/// A write that is planned, and of which nothing is sent yet: [`Session::apply`](super::Session::apply) sends it.
#[derive(Debug)]
pub struct PendingWrite {
    pub(super) planned: Planned,
    pub(super) report: Report,
    pub(super) origin: Origin,
    /// What it was planned by: nothing else sends it.
    pub(super) core: Arc<ScanCore>,
}

/// What became of a call, as somebody found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The API did it: it is not sent again.
    Done,
    /// The API did not do it: it is sent.
    NotDone,
}

/// Where a pending write comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// The statement itself.
    Statement,
    /// `COMMIT`, of the session's transaction as it was then.
    Transaction(Committed),
    /// `APPLY`, of a stored plan.
    Stored(String),
    /// `RESUME`, of a statement that stopped.
    Stopped(Box<Stopped>),
}

/// A statement that stopped half-way, taken over.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) running: Running,
    /// Where its calls stand.
    pub(super) states: Vec<CallState>,
    /// Calls that were unknown, and that somebody found out to be not done: their rows were not looked at with
    /// those of the others.
    pub(super) settled: Vec<usize>,
}

impl Origin {
    /// Whether a call, counted from 0, is still to be sent.
    pub(super) fn sends(&self, call: usize) -> bool {
        match self {
            Self::Stopped(stopped) => to_be_sent(&stopped.states, call),
            Self::Statement | Self::Transaction(_) | Self::Stored(_) => true,
        }
    }
}

/// Whether a call of a statement that stopped is still to be sent; of one that begins, every call is.
pub(super) fn to_be_sent(states: &[CallState], call: usize) -> bool {
    matches!(states.get(call), None | Some(CallState::NotStarted | CallState::Failed))
}

impl PendingWrite {
    /// What happens while it is sent, such as how far a file is; it goes on counting.
    pub fn report(&self) -> Report {
        self.report.clone()
    }

    /// The verb in capitals; `COMMIT` for a transaction.
    pub fn verb(&self) -> &str {
        &self.planned.plan.verb
    }

    /// The plan: every call, and what it was planned from. It may hold secrets.
    pub fn plan(&self) -> &WritePlan {
        &self.planned.plan
    }

    /// How many calls it makes, each about one object.
    pub fn objects(&self) -> usize {
        self.planned.plan.calls.len()
    }

    /// `DELETE of 3 objects of linode.images.images`.
    pub fn summary(&self) -> String {
        if self.planned.sweeps() {
            return format!("{} of an unknown number of objects of {}", self.verb(), self.planned.plan.table);
        }
        let count = self.objects();
        let noun = if count == 1 { "object" } else { "objects" };
        let waits = if self.planned.waits() { ", and the waiting for what it starts" } else { "" };
        format!("{} of {count} {noun} of {}{waits}", self.verb(), self.planned.plan.table)
    }

    /// One line per call, at most `most`: its request and what it changes.
    pub fn lines(&self, most: usize) -> Vec<String> {
        let calls = &self.planned.plan.calls;
        let mut lines: Vec<String> = calls
            .iter()
            .take(most)
            .map(|call| match changes(call) {
                Some(changes) => format!("{}: {changes}", call.request),
                None => call.request.clone(),
            })
            .collect();
        if calls.len() > most {
            lines.push(format!("and {} more", calls.len() - most));
        }
        lines
    }

    /// The calls of a statement that stopped of which nobody knows whether the API did them: each one's number in the
    /// plan, from 0, and its request.
    pub fn unknown(&self) -> Vec<(usize, String)> {
        let Origin::Stopped(stopped) = &self.origin else { return Vec::new() };
        let calls = stopped.states.iter().zip(&self.planned.plan.calls).enumerate();
        let unknown = calls.filter(|(_, (state, _))| **state == CallState::Unknown);
        unknown.map(|(at, (_, call))| (at, call.request.clone())).collect()
    }

    /// Says of an unknown call what somebody found out by looking at the API; a call that is not unknown stays as it is.
    pub fn settle(&mut self, call: usize, found: Found) {
        let Origin::Stopped(stopped) = &mut self.origin else { return };
        if let Some(state) = stopped.states.get_mut(call).filter(|state| **state == CallState::Unknown) {
            *state = match found {
                Found::Done => CallState::Skipped,
                Found::NotDone => {
                    stopped.settled.push(call);
                    CallState::NotStarted
                }
            };
        }
    }

    /// Whether somebody who can be asked should be: a DELETE or more than one object, unless `confirm` says otherwise.
    /// Who says `APPLY` or `RESUME` has seen the plan.
    pub fn asks(&self, confirm: Confirm) -> bool {
        let explicit = matches!(self.origin, Origin::Stored(_) | Origin::Stopped(..));
        match confirm {
            _ if !self.planned.changes() || self.objects() == 0 => false,
            Confirm::Never => false,
            Confirm::Always => true,
            Confirm::Auto => !explicit && (self.planned.deletes() || self.is_bulk()),
        }
    }

    /// Whether it is about more than one object, or nobody knows about how many.
    fn is_bulk(&self) -> bool {
        self.objects() > 1 || self.planned.sweeps()
    }

    /// Refuses what needs a word that nobody was there to give.
    ///
    /// # Errors
    /// `Unsupported`, before any call that changes something: more than one object or an unknown number (any, with `confirm = 'always'`).
    pub fn check_confirmed(&self, settings: &Settings) -> Result<()> {
        let refused = self.asks(settings.confirm) && (self.is_bulk() || settings.confirm == Confirm::Always);
        if !refused {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, format!("the {} is not confirmed", self.summary()))
            .with("first", self.planned.plan.calls.first().map_or("", |call| call.request.as_str()))
            .hint("nothing was sent; `--yes` or `SET confirm = 'never'` sends it, `PLAN` shows all of it first"))
    }
}
