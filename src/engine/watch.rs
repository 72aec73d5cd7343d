//! A look at the statement that a session runs, from outside it.

use std::sync::{Arc, Mutex, PoisonError};

use super::Session;
use crate::clock::SharedClock;
use crate::report::{Progress, QueryReport, Report};

/// A look at the newest statement of a session, also while it runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watch {
    newest: Arc<Mutex<Option<Report>>>,
    clock: SharedClock,
}

impl Watch {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { newest: Arc::default(), clock }
    }

    pub(super) fn begin(&self, report: &Report) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
    }

    /// Looks at nothing, until another statement begins.
    pub(crate) fn forget(&self) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What happened so far; `None` before the first statement.
    pub fn report(&self) -> Option<QueryReport> {
        self.newest().map(|report| report.snapshot(self.clock.now()))
    }

    /// How far it is.
    pub fn progress(&self) -> Option<Progress> {
        self.newest().map(|report| report.progress(self.clock.now()))
    }

    /// Notes in its report that it is given up, and gives the report. The statement itself ends when what runs it is
    /// dropped: do that next.
    pub fn cancel(&self) -> Option<QueryReport> {
        self.newest()?.cancel();
        self.report()
    }

    fn newest(&self) -> Option<Report> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Session {
    /// A look at its statements, from anywhere.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }
}
