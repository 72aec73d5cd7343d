//! The verdict of a call's pages: whether they are all, and what became of those that could not be read.

use super::{Pager, Stage};
use crate::call::shape::Stopping;
use crate::config::OnPartial;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::PageKind;
use crate::report::{Part, Verdict};

impl Pager {
    /// A part could not be read: fails the statement, or goes on with a warning.
    pub(super) fn failure(&mut self, number: u64, error: Error) -> Result<()> {
        let error = self.hidden().error(error);
        self.ahead = None;
        if self.leap.take().is_some_and(|leap| leap.is_behind_the_end()) && error.kind() == ErrorKind::Api {
            // Some APIs refuse a page behind the last one.
            self.unproved = Some(format!(
                "the total may be that of the first page alone, and the page behind it could not be read: {}",
                error.message()
            ));
            self.stage = Stage::Done;
            return Ok(());
        }
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
    pub(super) fn conclude(&mut self) {
        if self.verdict_said {
            return;
        }
        if self.failed {
            // The parts that failed have been said; the rest of this call is what it is.
            self.plan.mark_doubted();
            self.verdict_said = true;
            return;
        }
        if self.not_found || self.has_all() {
            self.say(Verdict::Complete, String::new());
            return;
        }
        if let Some(reason) = self.moved.take().or_else(|| self.gone()) {
            self.say(Verdict::Moved, reason);
        } else if let Some(reason) = self.unproved.take() {
            self.say(Verdict::Unproved, reason);
        } else if let Some(total) = self.total_rows.filter(|total| *total != self.rows && !self.plan.is_satisfied()) {
            let pagination = &self.plan.method.pagination;
            let known_paging = !matches!(pagination.kind, PageKind::Unknown | PageKind::Single);
            let reason = format!("the API's total is {total}, but {} rows came", self.rows);
            if pagination.incomplete.is_some() {
                self.say(Verdict::Unproved, format!("{reason}: it does not give all that it finds"));
            } else {
                self.say(if known_paging { Verdict::Moved } else { Verdict::Unproved }, reason);
            }
        } else {
            self.say(Verdict::Complete, String::new());
        }
    }

    /// The verdict where the reader needs no more.
    pub(super) fn stop(&mut self) {
        if self.plan.stopping == Stopping::OnTrial {
            // Its reader says what it means.
            self.verdict_said = true;
            return;
        }
        if self.has_all() {
            self.say(Verdict::Complete, String::new());
            return;
        }
        // Of one object nothing is left out: what was doubtful of it still is.
        let doubt = self.unproved.take().filter(|_| self.plan.identity);
        match (self.moved.take().or_else(|| self.gone().filter(|_| self.has_enough())), doubt) {
            (Some(reason), _) => self.say(Verdict::Moved, reason),
            (None, Some(reason)) => self.say(Verdict::Unproved, reason),
            (None, None) => self.say(Verdict::Truncated, "the query needs no more rows".to_owned()),
        }
    }

    /// Whether no further row could matter.
    fn has_all(&self) -> bool {
        self.plan.stopping == Stopping::HasAll && self.has_enough()
    }

    pub(super) fn say(&mut self, verdict: Verdict, reason: String) {
        if self.verdict_said {
            return;
        }
        self.verdict_said = true;
        let twice = match self.duplicates {
            0 => None,
            1 => Some("a row came twice: rows were added or removed during the scan".to_owned()),
            n => Some(format!("{n} rows came twice: rows were added or removed during the scan")),
        };
        let (verdict, reason) = match twice {
            None => (verdict, reason),
            Some(twice) if verdict == Verdict::Moved => (verdict, format!("{reason}, and {twice}")),
            Some(twice) => (Verdict::Moved, twice),
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
        if !untouched && !self.failed && self.plan.stopping != Stopping::OnTrial {
            if self.plan.is_satisfied() {
                self.conclude();
            }
            self.stop();
        }
    }
}
