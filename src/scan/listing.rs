//! A table that a bind join may list, in place of one call per key: whichever is fewer calls, decided when the keys of
//! the other side are known.
//!
//! How long the list is, an earlier read may have told; else its first page does. Where nothing tells, pages are read as
//! long as they are fewer than the keys they spare, so that at most twice the calls are made that were needed. Where the
//! list is long and the keys so far are few, these are asked for while further ones are on their way: an eighth more calls
//! at most, for rows that come early.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::Value;

use super::border::from_datafusion;
use super::predicate::scalar_value;
use super::spec::{ScanSpec, key_text};
use super::table::{ScanCore, StatementContext};
use crate::call::{BoundCall, CallBatch, Pace, ReadContext, ReadPlan, known_length, read_calls};
use crate::error::{Error, ErrorKind, Result};

/// So few keys are asked for one by one without a look at the list.
const FEW: u64 = 2;
/// Keys are asked for before all are known where the list takes so many times their calls.
const BESIDE: u64 = 8;

/// Where a row of the list is: its batch, and its place in there.
pub(super) type Place = (usize, usize);

/// A list that is read as far as it spares calls.
pub(super) struct Listing {
    spec: Arc<ScanSpec>,
    keyed: Arc<ScanSpec>,
    /// The keys among the columns that come out.
    key_columns: Vec<usize>,
    context: Arc<ReadContext>,
    plan: Arc<ReadPlan>,
    calls: Vec<(BoundCall, Vec<Value>)>,
    rows: Option<BoxStream<'static, Result<CallBatch>>>,
    batches: Vec<RecordBatch>,
    places: HashMap<String, Vec<Place>>,
    /// How many calls all of it takes, where that is known.
    length: Option<u64>,
    /// Answers that were read.
    read: u64,
    /// Keys that were asked for one by one.
    asked: u64,
    /// It was decided to read it to its end.
    chosen: bool,
    ended: bool,
}

impl Listing {
    /// `spec` lists what `keyed` gets one by one.
    pub(super) fn new(
        core: &ScanCore,
        statement: &StatementContext,
        spec: &Arc<ScanSpec>,
        keyed: &Arc<ScanSpec>,
    ) -> Result<Self> {
        let key_columns = keyed.outer_columns().filter_map(|bound| spec.output_position(bound.column)).collect();
        let calls = spec.calls(&[], 0)?;
        let calls: Vec<_> = calls.into_iter().enumerate().map(|(tag, (c, v))| (BoundCall { tag, ..c }, v)).collect();
        let listing = Self {
            spec: Arc::clone(spec),
            keyed: Arc::clone(keyed),
            key_columns,
            context: core.read_context(statement),
            plan: Arc::new(spec.read_plan(spec.wants(statement))?),
            calls,
            rows: None,
            batches: Vec::new(),
            places: HashMap::new(),
            length: None,
            read: 0,
            asked: 0,
            chosen: false,
            ended: false,
        };
        Ok(Self { length: listing.known_length(), ..listing })
    }

    /// Every key has its answer: what was not read on is not missing.
    pub(super) fn satisfied(&self) {
        self.plan.satisfy();
    }

    /// Whether it was decided to read it to its end.
    pub(super) fn is_chosen(&self) -> bool {
        self.chosen || self.ended
    }

    /// Whether it was read to its end, and that is known to be all: then what it does not hold is not there.
    pub(super) fn is_whole(&self) -> bool {
        self.ended && !self.plan.is_doubted()
    }

    /// Where the rows of a key are.
    pub(super) fn places(&self, key: &str) -> Option<&[Place]> {
        self.places.get(key).map(Vec::as_slice)
    }

    /// The batches that places mean.
    pub(super) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// Whether further keys of the other side hardly change what is done for `keys`: the list is fewer calls already, or
    /// calls for these are few beside it. Looks at the list where nothing tells of its length.
    pub(super) async fn is_settled<'a, K: Iterator<Item = &'a str>>(
        &mut self,
        keys: impl Fn() -> K,
        most: Option<u64>,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<bool> {
        loop {
            let wanted = self.wanted(keys(), most, &is_known);
            if self.ended || self.chosen || wanted == 0 {
                return Ok(true);
            }
            let spared = wanted + self.asked;
            match self.length {
                Some(length) => {
                    let left = length.saturating_sub(self.read);
                    // A join that would need more calls than there may be is refused before the first of them.
                    let room = self.context.settings.max_calls.saturating_sub(self.context.report.calls());
                    return Ok(left < spared || spared.saturating_mul(BESIDE) <= left.min(room));
                }
                None if self.read == 0 && spared > FEW => self.read_on().await?,
                None => return Ok(false),
            }
        }
    }

    /// Reads on where that spares calls. `keys` are those of the other side, of which no more than `most` need an answer;
    /// `is_known` tells which were answered before. What is not found then is to be asked for by its key.
    pub(super) async fn consult<'a, K: Iterator<Item = &'a str>>(
        &mut self,
        keys: impl Fn() -> K,
        most: Option<u64>,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<()> {
        loop {
            let wanted = self.wanted(keys(), most, &is_known);
            if self.ended || wanted == 0 {
                return Ok(());
            }
            let spared = wanted + self.asked;
            self.chosen |= self.length.is_some_and(|length| length.saturating_sub(self.read) < spared);
            let worth =
                self.chosen || self.length.is_none() && if self.read == 0 { spared > FEW } else { self.read < spared };
            if !worth {
                self.asked += wanted;
                return Ok(());
            }
            self.read_on().await?;
        }
    }

    /// How many calls it takes to ask for those keys that neither the list nor an answer before holds.
    fn wanted<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
        most: Option<u64>,
        is_known: impl Fn(&str) -> bool,
    ) -> u64 {
        let unfound = keys.filter(|key| !self.places.contains_key(*key) && !is_known(key)).count() as u64;
        most.map_or(unfound, |most| unfound.min(most)).saturating_mul(self.keyed.binding.tuples.len() as u64)
    }

    /// How many calls all of the list takes, where that is known.
    fn known_length(&self) -> Option<u64> {
        self.calls
            .iter()
            .try_fold(0_u64, |sum, (call, _)| Some(sum + known_length(&self.context, &self.plan, &call.call)?.calls))
    }

    async fn read_on(&mut self) -> Result<()> {
        let rows = self.rows.get_or_insert_with(|| {
            let calls: Vec<Result<BoundCall>> = self.calls.iter().map(|(call, _)| Ok(call.clone())).collect();
            let (context, plan) = (Arc::clone(&self.context), Arc::clone(&self.plan));
            read_calls(context, plan, stream::iter(calls), Pace::OnDemand).boxed()
        });
        let Some(answer) = rows.next().await else {
            self.ended = true;
            self.rows = None;
            return Ok(());
        };
        let answer = answer?;
        let Some(rows) = answer.rows else { return Ok(()) };
        self.read += 1;
        // What others read meanwhile must not decide.
        if self.read == 1 && self.length.is_none() {
            self.length = self.known_length();
        }
        let lost = || Error::new(ErrorKind::Internal, "a batch came without its call");
        let (_, values) = self.calls.get(answer.tag).ok_or_else(lost)?;
        let finished = self.spec.finish(&rows, values, &self.context.report)?;
        let batch = self.batches.len();
        for row in 0..finished.num_rows() {
            if let Some(key) = self.key(&finished, row)? {
                self.places.entry(key).or_default().push((batch, row));
            }
        }
        self.batches.push(finished);
        Ok(())
    }

    /// The key of a row; a row without one matches nothing.
    fn key(&self, rows: &RecordBatch, row: usize) -> Result<Option<String>> {
        let mut values = Vec::with_capacity(self.key_columns.len());
        for column in &self.key_columns {
            let cell = ScalarValue::try_from_array(rows.column(*column), row);
            match scalar_value(&cell.map_err(|error| from_datafusion(&error))?) {
                None | Some(Value::Null) => return Ok(None),
                Some(value) => values.push(value),
            }
        }
        Ok(self.keyed.outer_values(&values).ok().map(|values| key_text(&values)))
    }
}
