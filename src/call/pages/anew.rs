//! Lists that are kept from before, and those of which a page is missing: they are read anew.
//!
//! *Invariants*: pages of two times are no list, and no row is given twice: where all rows will be read, nobody gets those
//! of a kept list before its last page is there; where the reader may stop early, those that it has are left out of the list
//! that is read anew, and what it has that this does not hold is said.

use std::collections::HashMap;
use std::time::Duration;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use super::Pager;
use super::keys::rows_of;
use crate::call::kept::Keeping;
use crate::error::{Error, ErrorKind, Result};
use crate::rows::Rows;

/// What came of a list that is kept.
#[derive(Debug, Default)]
pub(super) struct FromKept {
    /// Rows that nobody has yet.
    held: Vec<RecordBatch>,
    /// What is to be said of them and of their answers.
    untold: Vec<(Rows, Option<Duration>)>,
    /// How often a row was given, by what it holds, that the list read anew has not given again.
    given: HashMap<u64, u64>,
}

impl Pager {
    /// What is wrong where rows were given that the list does not hold any more.
    pub(super) fn gone(&self) -> Option<String> {
        let gone: u64 = self.from_kept.given.values().sum();
        let is_said = self.anew && gone > 0;
        is_said.then(|| format!("{gone} of the rows came from a kept answer, and the list does not hold them any more"))
    }

    /// Keeps an answer that has proved to be good.
    pub(super) fn keep(&self, keeping: Option<Keeping>) {
        if let Some(keeping) = keeping {
            keeping.keep(&self.context.kept);
        }
    }

    /// Whether the list is kept from before.
    fn is_kept(&self) -> bool {
        self.dated.is_some_and(|list| list.kept)
    }

    /// Says what there is to say of rows and of the kept answer that they are of, or holds it back with them.
    pub(super) fn tell_or_hold(&mut self, rows: Rows, age: Option<Duration>) {
        if self.is_kept() && self.eager {
            self.from_kept.untold.push((rows, age));
            return;
        }
        self.tell_aged(&rows, age);
    }

    fn tell_aged(&self, rows: &Rows, age: Option<Duration>) {
        self.tell(rows);
        if let Some(age) = age {
            self.context.report.add_cached(age);
        }
    }

    /// Holds rows back, or leaves those out that were given.
    pub(super) fn pass(&mut self, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        let is_kept = self.is_kept();
        let kept = &mut self.from_kept;
        if is_kept {
            if self.eager {
                kept.held.extend(batches);
                return Ok(Vec::new());
            }
            for row in batches.iter().flat_map(rows_of) {
                *kept.given.entry(row).or_default() += 1;
            }
            return Ok(batches);
        }
        if kept.given.is_empty() {
            return Ok(batches);
        }
        let mut is_new = |row: u64| match kept.given.get_mut(&row) {
            Some(times) if *times > 0 => {
                *times -= 1;
                false
            }
            _ => true,
        };
        let left = batches.iter().map(|batch| {
            let mask: BooleanArray = rows_of(batch).map(|row| Some(is_new(row))).collect();
            filter_record_batch(batch, &mask)
        });
        let left: std::result::Result<Vec<_>, _> = left.collect();
        let left =
            left.map_err(|error| Error::new(ErrorKind::Internal, "rows could not be told apart").caused_by(error))?;
        Ok(left.into_iter().filter(|batch| batch.num_rows() > 0).collect())
    }

    /// The rows that were held back, once nothing can be missing.
    pub(super) fn release(&mut self) -> Option<Vec<RecordBatch>> {
        for (rows, age) in std::mem::take(&mut self.from_kept.untold) {
            self.tell_aged(&rows, age);
        }
        let held = std::mem::take(&mut self.from_kept.held);
        (!held.is_empty()).then_some(held)
    }

    /// Reads a list from its beginning that is not kept whole.
    pub(super) fn start_anew(&mut self) {
        self.retreat();
        self.leaps = self.plan.skip > 0;
        (self.current, self.ahead, self.leap) = (None, None, None);
        self.from_kept.held.clear();
        self.from_kept.untold.clear();
        self.anew = true;
    }
}
