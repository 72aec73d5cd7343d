//! Rows of another input, joined to the answers of one set of calls per distinct key: what a bind join does.
//!
//! Answers stream: a joined batch is given as soon as a page of its key is there, in pieces of bounded size. Keys that
//! come again are answered from memory while there is room, else asked for again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::{concat_batches, filter_record_batch, interleave_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_expr::PhysicalExpr;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::Value;

use super::border::from_datafusion;
use super::exec::pace;
use super::foreseen::over_budget;
use super::grouped::{Grouped, Keyed};
use super::listing::{Listing, Place};
use super::spec::ScanSpec;
use super::table::{ScanCore, StatementContext};
use crate::call::{BoundCall, CallBatch, ReadPlan, Stopping, Wants, describe_request, read_calls};
use crate::error::{Error, ErrorKind, Result};

/// Bytes of answers kept for keys that come again, per join.
const MEMO_BYTES: usize = 64 << 20;
/// What a key takes there beside its rows, about.
const KEY_BYTES: usize = 200;
/// Rows of one joined batch, about.
const PIECE_ROWS: usize = 8192;

/// How rows of the other input meet their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub(super) enum BindJoinType {
    /// Rows without an answer disappear.
    Inner,
    /// Rows without an answer stay, with NULLs.
    Left,
    /// Rows with an answer stay, each once and as it was.
    Semi,
    /// Rows without an answer stay as they were, and no others.
    Anti,
}

impl BindJoinType {
    /// Whether answers come out beside the rows of the other input.
    pub(super) fn gives_pairs(self) -> bool {
        matches!(self, Self::Inner | Self::Left)
    }

    /// Whether rows without an answer come out.
    fn keeps_unmatched(self) -> bool {
        matches!(self, Self::Left | Self::Anti)
    }
}

/// What a bind join is made of.
pub(super) struct JoinParts {
    pub(super) core: Arc<ScanCore>,
    pub(super) spec: Arc<ScanSpec>,
    pub(super) statement: Arc<StatementContext>,
    /// The values for the binding's `Outer` columns, in that order.
    pub(super) keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) join_type: BindJoinType,
    /// The input's columns, then the scan's.
    pub(super) pairs: SchemaRef,
    /// What a pair of rows must pass besides, over those.
    pub(super) residual: Option<Arc<dyn PhysicalExpr>>,
    /// What comes out.
    pub(super) schema: SchemaRef,
    /// No more joined rows than this are wanted.
    pub(super) fetch: Option<usize>,
    /// The scan that lists the same rows, where that may be fewer calls.
    pub(super) list: Option<Arc<ScanSpec>>,
}

/// The joined rows, batch by batch.
pub(super) fn joined_rows(
    parts: JoinParts,
    input: SendableRecordBatchStream,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    // Fails before the first row when the plan cannot be made.
    parts.spec.read_plan(Wants::default())?;
    let list = parts.list.as_ref().map(|list| Listing::new(&parts.core, &parts.statement, list, &parts.spec));
    let joining = Joining {
        list: list.transpose()?,
        parts,
        input,
        memo: HashMap::new(),
        memo_bytes: 0,
        ready: VecDeque::new(),
        matched: HashMap::new(),
        next_group: 0,
        least: 1,
        answers: None,
        done: false,
    };
    Ok(stream::try_unfold(joining, |mut joining| async move {
        let batch = joining.next().await?;
        Ok(batch.map(|batch| (batch, joining)))
    })
    .boxed())
}

/// Rows of one input batch that share a key.
#[derive(Debug, Clone)]
struct Group {
    /// Tells groups apart across batches.
    serial: u64,
    outer: RecordBatch,
    members: Arc<[u32]>,
}

/// Something to give, made piece by piece so that no batch grows with the product of two sides.
#[derive(Debug)]
enum Emission {
    /// Every member from `from` on, with every row of the answers.
    Pairs { group: Group, from: usize, answers: RecordBatch },
    /// Every member with the answers kept from before, one batch after another.
    Known { group: Group, answers: Arc<Vec<RecordBatch>>, next: usize },
    /// The end of a group: members without an answer, where they stay.
    End { group: Group },
    /// Rows of the other input from `from` on, each with its rows of the list.
    Listed { outer: RecordBatch, rows: Vec<(u32, Vec<Place>)>, from: usize },
}

struct Joining {
    parts: JoinParts,
    input: SendableRecordBatchStream,
    list: Option<Listing>,
    memo: HashMap<String, Arc<Vec<RecordBatch>>>,
    memo_bytes: usize,
    ready: VecDeque<Emission>,
    /// Which members of a group found an answer, where that decides what comes out.
    matched: HashMap<u64, Vec<bool>>,
    next_group: u64,
    /// So many rows are gathered before it is looked whether they settle how they are answered: twice as many each time, so
    /// that keys travel side by side.
    least: usize,
    /// The answers of the keys that had to be asked for, in order.
    answers: Option<Answers>,
    done: bool,
}

struct Answers {
    groups: Vec<(String, Group)>,
    /// Per call, by tag: its group and its bound values. Calls of one group follow each other.
    calls: Vec<(usize, Vec<Value>)>,
    stream: BoxStream<'static, Result<CallBatch>>,
    /// Rows so far of the group being read, while there is room for them.
    kept: Vec<RecordBatch>,
    kept_bytes: usize,
}

impl Joining {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(emission) = self.ready.pop_front() {
                if let Some(batch) = self.give(emission)? {
                    return Ok(Some(batch));
                }
                continue;
            }
            if self.answers.is_some() {
                self.advance().await?;
                continue;
            }
            if self.done {
                self.list.iter().for_each(Listing::satisfied);
                return Ok(None);
            }
            if let Some((batch, mut groups)) = self.gather().await? {
                self.answer_from_list(&batch, &mut groups).await?;
                self.begin(&batch, groups)?;
            }
        }
    }

    /// Rows of the other input: as they come, or, where their number decides between a list and calls per key, until that
    /// is decided or they are many.
    async fn gather(&mut self) -> Result<Option<(RecordBatch, Vec<Keyed>)>> {
        let most = self.parts.fetch.map_or(PIECE_ROWS, |fetch| fetch.clamp(1, PIECE_ROWS));
        let mut grouped = Grouped::default();
        let mut next_look = self.least;
        loop {
            match self.input.next().await {
                None => {
                    self.done = true;
                    break;
                }
                Some(Err(error)) => return Err(from_datafusion(&error)),
                Some(Ok(batch)) => grouped.add(batch, &self.parts.keys, &self.parts.spec)?,
            }
            if grouped.rows() >= most {
                break;
            }
            if grouped.rows() < next_look {
                continue;
            }
            let Some(list) = &mut self.list else { break };
            let (memo, fetch) = (&self.memo, self.parts.fetch.map(|n| n as u64));
            next_look = grouped.rows() * 2;
            if list.is_settled(|| grouped.keys(), fetch, |key| memo.contains_key(key)).await? {
                if !list.is_chosen() {
                    self.least = next_look;
                }
                break;
            }
        }
        grouped.finish()
    }

    /// Takes those groups out that the list answers, after reading on in it where that spares calls.
    async fn answer_from_list(&mut self, batch: &RecordBatch, groups: &mut Vec<Keyed>) -> Result<()> {
        let Some(list) = &mut self.list else { return Ok(()) };
        let keys = || groups.iter().filter_map(|(key, _)| Some(key.as_ref()?.text.as_str()));
        let memo = &self.memo;
        list.consult(keys, self.parts.fetch.map(|n| n as u64), |key| memo.contains_key(key)).await?;
        let mut rows = Vec::new();
        groups.retain(|(key, members)| {
            let Some(key) = key else { return true };
            let places = list.places(&key.text).or_else(|| list.is_whole().then_some(&[][..]));
            let Some(places) = places else { return true };
            rows.extend(members.iter().map(|row| (*row, places.to_vec())));
            false
        });
        // In the order of the other input.
        rows.sort_unstable_by_key(|(row, _)| *row);
        if !rows.is_empty() {
            self.ready.push_back(Emission::Listed { outer: batch.clone(), rows, from: 0 });
        }
        Ok(())
    }

    /// Starts the calls for the keys of one batch that are not known yet.
    fn begin(&mut self, batch: &RecordBatch, keyed: Vec<Keyed>) -> Result<()> {
        let mut groups = Vec::new();
        let mut calls = Vec::new();
        let mut bound = Vec::new();
        let plan = self.plan()?;
        for (key, members) in keyed {
            let group = Group { serial: self.next_group, outer: batch.clone(), members: members.into() };
            self.next_group += 1;
            if self.parts.join_type != BindJoinType::Inner {
                self.matched.insert(group.serial, vec![false; group.members.len()]);
            }
            let Some(key) = key else {
                self.ready.push_back(Emission::End { group });
                continue;
            };
            if let Some(known) = self.memo.get(&key.text).cloned() {
                self.ready.push_back(Emission::Known { group, answers: known, next: 0 });
                continue;
            }
            match self.parts.spec.calls(&key.values, 0) {
                Ok(asked) if asked.is_empty() => self.ready.push_back(Emission::End { group }),
                // An empty key cannot be asked for; the list, which could have been read, does not hold it.
                Ok(asked) if self.list.is_some() && !self.can_be_asked(&plan, &asked) => {
                    self.keep(key.text, Vec::new(), 0);
                    self.ready.push_back(Emission::End { group });
                }
                Ok(asked) => {
                    for (call, values) in asked {
                        bound.push(Ok(BoundCall { tag: calls.len(), ..call }));
                        calls.push((groups.len(), values));
                    }
                    groups.push((key.text, group));
                }
                Err(error) if error.kind() == ErrorKind::InvalidArgument => {
                    // No object can have such a key: it matches nothing, and the report says that it was not asked for,
                    // unless it could only be found in a list, which compares it like any value.
                    if self.list.is_none() {
                        let table = self.parts.spec.table.id();
                        let message = format!("a key of the join was not asked for: {}", error.message());
                        self.parts.statement.report.warn("skipped", table, message);
                    }
                    self.keep(key.text, Vec::new(), 0);
                    self.ready.push_back(Emission::End { group });
                }
                Err(error) => return Err(error),
            }
        }
        if calls.is_empty() {
            return Ok(());
        }
        let context = self.parts.core.read_context(&self.parts.statement);
        if self.parts.fetch.is_none() {
            check_budget(calls.len() as u64, &self.parts)?;
        }
        let stream = read_calls(context, plan, stream::iter(bound), pace(self.parts.fetch)).boxed();
        self.answers = Some(Answers { groups, calls, stream, kept: Vec::new(), kept_bytes: 0 });
        Ok(())
    }

    /// How the answers of one key are read. Where it is only asked whether there is a row, the first one tells.
    fn plan(&self) -> Result<Arc<ReadPlan>> {
        let wants = self.parts.spec.wants(&self.parts.statement);
        let one_tells = !self.parts.join_type.gives_pairs() && self.parts.residual.is_none() && !wants.whole;
        let wants = if one_tells { Wants { limit: Some(1), stopping: Stopping::HasAll, ..wants } } else { wants };
        self.parts.spec.read_plan(wants).map(Arc::new)
    }

    fn can_be_asked(&self, plan: &ReadPlan, calls: &[(BoundCall, Vec<Value>)]) -> bool {
        calls.iter().all(|(bound, _)| {
            let request = describe_request(&self.parts.core.endpoints, plan, &bound.call);
            !request.is_err_and(|error| error.kind() == ErrorKind::InvalidArgument)
        })
    }

    /// Takes one batch of answers in.
    async fn advance(&mut self) -> Result<()> {
        let Some(answers) = &mut self.answers else { return Ok(()) };
        let Some(next) = answers.stream.next().await else {
            self.answers = None;
            return Ok(());
        };
        let next = next?;
        let lost = || Error::new(ErrorKind::Internal, "a batch came without its call");
        let (at, values) = answers.calls.get(next.tag).ok_or_else(lost)?;
        let (text, group) = answers.groups.get(*at).ok_or_else(lost)?;
        if let Some(rows) = next.rows {
            let finished = self.parts.spec.finish(&rows, values, &self.parts.statement.report)?;
            if finished.num_rows() > 0 {
                self.ready.push_back(Emission::Pairs { group: group.clone(), from: 0, answers: finished.clone() });
                answers.kept_bytes += finished.get_array_memory_size();
                if self.memo_bytes + answers.kept_bytes <= MEMO_BYTES {
                    answers.kept.push(finished);
                }
            }
            return Ok(());
        }
        // The last call of a group closes it.
        if answers.calls.get(next.tag + 1).is_none_or(|(following, _)| following != at) {
            let kept = std::mem::take(&mut answers.kept);
            let kept_bytes = std::mem::take(&mut answers.kept_bytes);
            let (text, group) = (text.clone(), group.clone());
            self.keep(text, kept, kept_bytes);
            self.ready.push_back(Emission::End { group });
        }
        Ok(())
    }

    /// Keeps the answers of a key for rows to come, where there is room.
    fn keep(&mut self, key: String, answers: Vec<RecordBatch>, bytes: usize) {
        if self.memo_bytes + bytes <= MEMO_BYTES {
            self.memo_bytes += bytes + KEY_BYTES;
            self.memo.insert(key, Arc::new(answers));
        }
    }

    /// One batch of an emission; what is left of it goes back to the front.
    fn give(&mut self, emission: Emission) -> Result<Option<RecordBatch>> {
        match emission {
            Emission::Known { group, answers, next } => {
                match answers.get(next).cloned() {
                    Some(batch) => {
                        self.ready.push_front(Emission::Known { group: group.clone(), answers, next: next + 1 });
                        self.ready.push_front(Emission::Pairs { group, from: 0, answers: batch });
                    }
                    None => self.ready.push_front(Emission::End { group }),
                }
                Ok(None)
            }
            Emission::Pairs { group, from, answers } => {
                let count = (PIECE_ROWS / answers.num_rows().max(1)).max(1);
                let to = (from + count).min(group.members.len());
                let joined = self.pairs(&group, from, to, &answers)?;
                if to < group.members.len() {
                    self.ready.push_front(Emission::Pairs { group, from: to, answers });
                }
                Ok(joined.filter(|batch| batch.num_rows() > 0))
            }
            Emission::End { group } => {
                let matched = self.matched.remove(&group.serial).filter(|_| self.parts.join_type.keeps_unmatched());
                let Some(matched) = matched else { return Ok(None) };
                let rest: Vec<u32> =
                    group.members.iter().zip(matched).filter(|(_, found)| !found).map(|(row, _)| *row).collect();
                if rest.is_empty() {
                    return Ok(None);
                }
                self.alone(&group.outer, &rest).map(Some)
            }
            Emission::Listed { outer, rows, from } => self.listed(outer, rows, from),
        }
    }

    /// Rows of the other input with their rows of the list, up to a piece's length.
    fn listed(
        &mut self,
        outer: RecordBatch,
        mut rows: Vec<(u32, Vec<Place>)>,
        from: usize,
    ) -> Result<Option<RecordBatch>> {
        let mut places: Vec<Place> = Vec::new();
        let mut members: Vec<u32> = Vec::new();
        let mut to = from;
        while to < rows.len() && places.len() < PIECE_ROWS {
            let (row, found) = &mut rows[to];
            members.extend(std::iter::repeat_n(*row, found.len()));
            places.append(found);
            to += 1;
        }
        let whole: Vec<u32> = rows[from..to].iter().map(|(row, _)| *row).collect();
        let batches: Vec<&RecordBatch> = self.list.iter().flat_map(Listing::batches).collect();
        let mut joined = None;
        let mut matched: HashSet<u32> = HashSet::new();
        if !places.is_empty() {
            let columns = interleave_record_batch(&batches, &places).map_err(arrow_error)?.columns().to_vec();
            let pairs = self.beside(&outer, &members, columns)?;
            let mask = self.residual_mask(&pairs)?;
            let passes = |at: usize| mask.as_ref().is_none_or(|mask| mask.is_valid(at) && mask.as_boolean().value(at));
            matched.extend(members.iter().enumerate().filter(|(at, _)| passes(*at)).map(|(_, row)| *row));
            joined = match &mask {
                _ if !self.parts.join_type.gives_pairs() => None,
                Some(mask) => Some(filter_record_batch(&pairs, mask.as_boolean()).map_err(arrow_error)?),
                None => Some(pairs),
            };
        }
        let alone: Vec<u32> = match self.parts.join_type {
            BindJoinType::Inner => Vec::new(),
            BindJoinType::Semi => whole.into_iter().filter(|row| matched.contains(row)).collect(),
            BindJoinType::Left | BindJoinType::Anti => whole.into_iter().filter(|row| !matched.contains(row)).collect(),
        };
        if !alone.is_empty() {
            let alone = self.alone(&outer, &alone)?;
            joined = Some(match joined {
                Some(joined) => concat_batches(&self.parts.schema, [&joined, &alone]).map_err(arrow_error)?,
                None => alone,
            });
        }
        if to < rows.len() {
            self.ready.push_front(Emission::Listed { outer, rows, from: to });
        }
        Ok(joined.filter(|batch| batch.num_rows() > 0))
    }

    /// Which of the joined rows pass what is left of the join's condition; all, where nothing is.
    fn residual_mask(&self, joined: &RecordBatch) -> Result<Option<ArrayRef>> {
        let evaluate = |residual: &Arc<dyn PhysicalExpr>| {
            let value = residual.evaluate(joined).and_then(|value| value.into_array(joined.num_rows()));
            value.map_err(|error| from_datafusion(&error))
        };
        self.parts.residual.as_ref().map(evaluate).transpose()
    }

    /// Rows of the other input without answers: with NULLs beside them where answers would be.
    fn alone(&self, outer: &RecordBatch, rows: &[u32]) -> Result<RecordBatch> {
        if !self.parts.join_type.gives_pairs() {
            return self.beside(outer, rows, Vec::new());
        }
        let nulls = self.parts.spec.schema.fields().iter();
        let nulls = nulls.map(|field| new_null_array(field.data_type(), rows.len())).collect();
        self.beside(outer, rows, nulls)
    }

    /// Members `from..to`, each with every answer, as far as the residual predicate lets them; or those of them that stay now
    /// that they have one.
    fn pairs(&mut self, group: &Group, from: usize, to: usize, answers: &RecordBatch) -> Result<Option<RecordBatch>> {
        let count = answers.num_rows();
        let gives_pairs = self.parts.join_type.gives_pairs();
        let members = &group.members[from..to];
        let (joined, mask) = if gives_pairs || self.parts.residual.is_some() {
            let number = u32::try_from(count).map_err(|_| Error::new(ErrorKind::Internal, "a batch is too long"))?;
            let rows: Vec<u32> = members.iter().flat_map(|row| std::iter::repeat_n(*row, count)).collect();
            let columns = if members.len() == 1 {
                answers.columns().to_vec()
            } else {
                let repeated: UInt32Array = members.iter().flat_map(|_| 0..number).collect();
                take_record_batch(answers, &repeated).map_err(arrow_error)?.columns().to_vec()
            };
            let joined = self.beside(&group.outer, &rows, columns)?;
            let mask = self.residual_mask(&joined)?;
            (Some(joined), mask)
        } else {
            (None, None)
        };
        let mut found_now = Vec::new();
        if let Some(matched) = self.matched.get_mut(&group.serial) {
            for (at, found) in matched[from..to].iter_mut().enumerate() {
                let passes =
                    |row: usize| mask.as_ref().is_none_or(|mask| mask.is_valid(row) && mask.as_boolean().value(row));
                if !*found && (at * count..(at + 1) * count).any(passes) {
                    *found = true;
                    found_now.push(members[at]);
                }
            }
        }
        match (self.parts.join_type, joined, mask) {
            (BindJoinType::Semi, ..) => self.alone(&group.outer, &found_now).map(Some),
            (BindJoinType::Inner | BindJoinType::Left, Some(joined), Some(mask)) => {
                filter_record_batch(&joined, mask.as_boolean()).map_err(arrow_error).map(Some)
            }
            (BindJoinType::Inner | BindJoinType::Left, joined, _) => Ok(joined),
            (BindJoinType::Anti, ..) => Ok(None),
        }
    }

    /// Rows of the other input, with these columns beside them, if any.
    fn beside(&self, outer: &RecordBatch, rows: &[u32], columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        let schema = if columns.is_empty() { &self.parts.schema } else { &self.parts.pairs };
        let taken = take_record_batch(outer, &UInt32Array::from(rows.to_vec())).map_err(arrow_error)?;
        let mut all: Vec<ArrayRef> = taken.columns().to_vec();
        all.extend(columns);
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(schema), all, &options).map_err(arrow_error)
    }
}

/// Refuses calls that the statement has no room for before the first of them.
fn check_budget(calls: u64, parts: &JoinParts) -> Result<()> {
    let (settings, spec) = (&parts.statement.settings, &parts.spec);
    // Where answers may be there already, nobody knows.
    let all_are_made =
        settings.cache.is_zero() && parts.statement.shared.readers(&spec.table.id(), &spec.binding.method.name) < 2;
    if !all_are_made {
        return Ok(());
    }
    over_budget(&format!("the join with `{}`", spec.table.id()), calls, &parts.statement).map_or(Ok(()), Err)
}

fn arrow_error(error: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "rows could not be joined").caused_by(error)
}
