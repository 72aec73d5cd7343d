//! Leaping over pages that hold no row that is wanted: `OFFSET`.
//!
//! The first answer tells how long pages really are, and how many rows there are. The page that holds the first wanted row
//! is asked for next, or the last one where the list ends before. If that answer is not what the leap expects (rows of the
//! first page again, or another number of rows than the total leaves for it), the API does not page as the document says:
//! the list is read from its beginning after all, in pages of their usual size.
//!
//! And looking behind the end: where only its name says that a number is the total, it may be the rows of one page.

use std::collections::VecDeque;

use super::keys::keys_of;
use super::{Ask, Fetched, Pager, Stage};
use crate::provider::PageKind;
use crate::rows::Rows;

/// A leap whose landing has not come yet.
#[derive(Debug)]
pub(super) struct Leap {
    aim: Aim,
    /// What tells the first answer from others.
    fingerprint: Option<u64>,
    /// Rows that came of the landing: nobody gets them before all of it is known.
    held: Vec<Rows>,
}

/// Why a page is looked at before its rows are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// It holds the first row that is wanted.
    Offset,
    /// It is behind the last one.
    BehindTheEnd,
}

impl Leap {
    pub(super) fn is_behind_the_end(&self) -> bool {
        self.aim == Aim::BehindTheEnd
    }

    pub(super) fn hold(&mut self, rows: Rows) {
        self.held.push(rows);
    }
}

impl Pager {
    /// Leaps, if that saves a page. `rows` is the length of the first page.
    pub(super) fn leap(&mut self, rows: u64, fingerprint: Option<u64>) {
        let Some(total) = self.total_rows.filter(|_| rows > 0) else {
            // Nothing would prove where a leap landed. Pages that fit the landing may be too small for reading all: where
            // no row of this one is wanted yet, it is as if it had not been read.
            let usual = self.plan.first_values(&self.call.call, false);
            let gave_nothing = rows <= self.plan.skip;
            if gave_nothing && !matches!(self.stage, Stage::Done) && usual != self.first_values() {
                self.retreat();
            }
            return;
        };
        let target = self.plan.skip.min(total.saturating_sub(1));
        if target <= rows {
            return;
        }
        let (landing, start, left_out) = match &self.stage {
            Stage::Numbered { last, per_page, .. } => {
                let (page, last, per_page) = (target / per_page + 1, *last, *per_page);
                if page <= 2 {
                    return;
                }
                let landing = Stage::Numbered { next: page, last, per_page, in_flight: VecDeque::new(), window: 2 };
                (landing, (page - 1) * per_page, page - 2)
            }
            Stage::Chained { .. } => {
                let Some(values) = self.plan.leap_values(&self.call.call, target) else { return };
                (Stage::Chained { ask: Ask::Values(values), number: 2, prefetched: None }, target, 0)
            }
            Stage::First | Stage::Done => return,
        };
        self.stage = landing;
        self.leap = Some(Leap { aim: Aim::Offset, fingerprint, held: Vec::new() });
        (self.rows, self.left_out) = (start, left_out);
    }

    /// The answer of a landing with all of its rows; none where it is not the one that the leap expects.
    pub(super) fn landed(&mut self, leap: Leap, fetched: Fetched) -> Option<Fetched> {
        let fetched = with_rows(fetched, leap.held);
        let page = &fetched.page;
        let keys = &self.plan.keys;
        let known = |key: Option<u64>| key.is_none_or(|key| self.seen_keys.contains(key));
        let again = !keys.is_empty() && page.batches.iter().flat_map(|batch| keys_of(batch, keys)).any(known);
        if again || leap.fingerprint.is_some() && leap.fingerprint == fetched.fingerprint {
            return None;
        }
        let left = self.total_rows?.checked_sub(self.rows)?;
        let expected = match &self.stage {
            Stage::Numbered { per_page, .. } => page.rows == left.min(*per_page),
            _ => page.rows <= left && page.rows > 0,
        };
        expected.then_some(fetched)
    }

    /// Looks at the page behind the end, where the total may be no more than the length of this page: where it is just that,
    /// the page is a full one, and the document does not call it a total. `fingerprint` is the page's.
    pub(super) fn look_behind(&mut self, rows: u64, fingerprint: Option<u64>) {
        let is_doubtful = self.plan.method.pagination.total_is_guessed
            && rows > 0
            && self.total_rows == Some(rows)
            && self.total_pages.is_none()
            && self.plan.is_full_page(&self.call.call, rows);
        let is_numbered = matches!(self.plan.method.pagination.kind, PageKind::Page { .. } | PageKind::Offset { .. });
        if is_doubtful && is_numbered && !self.own_page && matches!(self.stage, Stage::Done) {
            let in_flight = VecDeque::new();
            self.stage = Stage::Numbered { next: 2, last: Some(2), per_page: rows, in_flight, window: 1 };
            self.leap = Some(Leap { aim: Aim::BehindTheEnd, fingerprint, held: Vec::new() });
        }
    }

    /// The page behind the end, if it holds rows: then the total is none, and all pages are read. An API that gives the first
    /// page again has no other.
    pub(super) fn found_behind(&mut self, leap: Leap, fetched: Fetched) -> Option<Fetched> {
        self.stage = Stage::Done;
        let fetched = with_rows(fetched, leap.held);
        let keys = &self.plan.keys;
        let known = |key: Option<u64>| key.is_some_and(|key| self.seen_keys.contains(key));
        let all_known = || fetched.page.batches.iter().flat_map(|batch| keys_of(batch, keys)).all(known);
        let again = if keys.is_empty() { leap.fingerprint == fetched.fingerprint } else { all_known() };
        if fetched.not_found.is_some() || fetched.page.rows == 0 || again {
            return None;
        }
        self.total_rows = None;
        let in_flight = VecDeque::new();
        self.stage = Stage::Numbered { next: 3, last: None, per_page: self.rows, in_flight, window: 1 };
        Some(fetched)
    }

    /// Reads the list from its beginning, without leaps.
    pub(super) fn retreat(&mut self) {
        self.stage = Stage::First;
        self.leaps = false;
        (self.rows, self.left_out) = (0, 0);
        (self.total_rows, self.total_pages, self.moved) = (None, None, None);
        self.unproved = self.plan.doubt();
        self.seen_tokens.clear();
        self.seen_keys.clear();
        (self.duplicates, self.stale_pages, self.last_fingerprint) = (0, 0, None);
        self.dated = None;
    }
}

/// A page with the rows that came before its end.
fn with_rows(mut fetched: Fetched, held: Vec<Rows>) -> Fetched {
    let page = &mut fetched.page;
    for rows in held.into_iter().rev() {
        page.rows += rows.rows;
        page.batches.splice(0..0, rows.batches);
        page.misfits.extend(rows.misfits);
        page.held.iter_mut().zip(rows.held).for_each(|(held, before)| *held |= before);
    }
    fetched
}
