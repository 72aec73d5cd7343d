//! The first rows in an order that the API is told.
//!
//! The API's word is not taken for it: rows are looked at as they come, and a call of which they are not in order, come
//! twice, moved meanwhile or are too much alike to show an order, is made again without the order and read to its end.
//! Whoever sorts above gets either the first rows of each call or all of them, so that its answer is the same.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::row::{OwnedRow, Row, RowConverter, SortField};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;

use super::exec::{Rows, constant_rows, rows_of};
use super::spec::ScanSpec;
use super::table::{ScanCore, StatementContext};
use crate::bind::{SortKey, ToldOrder};
use crate::call::{BoundCall, Pace, ReadContext, ReadPlan, Stopping, Wants, read_calls};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::ValueType;
use crate::report::{Part, Verdict};

/// Rows of which the order is looked at, at least: a few could be in order by accident.
const EVIDENCE: usize = 20;
/// Times that the next row is behind the one before and not its like, at least: rows that are all alike are in any order.
const STEPS: usize = 4;
/// Rows that are asked for, at least: they come in the same call, and numbers that are compared as texts show among them.
const LOOKED_AT: usize = 100;
/// Calls made side by side.
const AT_ONCE: usize = 16;

/// The first rows of a scan in an order.
#[derive(Debug)]
pub(super) struct First {
    /// The scan that tells the order.
    pub(super) spec: ScanSpec,
    /// How many rows are wanted.
    pub(super) count: usize,
    /// What the API is told, from the first key of the ORDER BY on.
    keys: Vec<SortKey>,
    /// Whether that is all of the ORDER BY.
    whole: bool,
}

impl First {
    /// The first `count` rows of `spec` in the order of `keys`, which are `whole` unless the ORDER BY goes on with what is
    /// no column.
    ///
    /// # Errors
    /// Why the API is not told, for people.
    pub(super) fn new(spec: &ScanSpec, keys: &[SortKey], whole: bool, count: usize) -> Result<Self, String> {
        if keys.is_empty() {
            return Err("the order is that of an expression".to_owned());
        }
        let spec = spec.in_order(keys)?;
        let told = spec.order().map_or(0, |order| order.keys);
        if !could_show(&spec, &keys[..told]) {
            return Err("it has too few values to show an order".to_owned());
        }
        Ok(Self { count, keys: keys[..told].to_vec(), whole: whole && told == keys.len(), spec })
    }

    /// What is wanted of the rows of each call.
    pub(super) fn wants(&self, wants: Wants) -> Wants {
        // Where only the beginning of the ORDER BY is told, all rows with the last value that counts must come.
        let limit = self.whole.then(|| self.count.max(LOOKED_AT) as u64);
        Wants { limit, stopping: Stopping::OnTrial, ..wants }
    }

    /// What the API is told, for people.
    pub(super) fn text(&self) -> String {
        let told = |order: &ToldOrder| {
            let parts = order.values.iter().map(|(place, expression)| format!("{}: {}", place.key, expression.text()));
            parts.collect::<Vec<_>>().join(", ")
        };
        let order = self.spec.order().map(told).unwrap_or_default();
        let rows = if self.count == 1 { "row".to_owned() } else { format!("{} rows", self.count) };
        let until = if self.whole { "" } else { " and those that begin alike" };
        format!(
            "{order}; reading ends after the first {rows}{until}, if they come in this order and differ enough to show it"
        )
    }

    fn order(&self) -> Result<Order> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for key in &self.keys {
            let answered = self.spec.answer_position(key.column);
            let Some((answered, shown)) = answered.zip(self.spec.output_position(key.column)) else {
                return Err(Error::new(ErrorKind::Internal, "a column of the order does not come out"));
            };
            let data_type = self.spec.schema.field(shown).data_type().clone();
            let is_time = self.spec.table.columns[key.column].ty == ValueType::Timestamp;
            columns.push(KeyColumn {
                answered,
                shown,
                has_null: !self.spec.has_no_null(key.column),
                is_time_text: is_time && data_type == DataType::Utf8,
                writing: None,
            });
            let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
            fields.push(SortField::new_with_options(data_type, options));
        }
        Ok(Order {
            rows: RowConverter::new(fields).map_err(internal)?,
            columns,
            wanted: self.count,
            whole: self.whole,
            seen: 0,
            steps: 0,
            passed: 0,
            last: None,
            edge: None,
        })
    }
}

/// Whether rows may differ often enough in these columns: those of flags alone never do, and would be read in vain.
fn could_show(spec: &ScanSpec, keys: &[SortKey]) -> bool {
    let values = |key: &SortKey| match spec.table.columns[key.column].ty {
        ValueType::Boolean => Some(if spec.has_no_null(key.column) { 2 } else { 3 }),
        _ => None,
    };
    let all: Option<usize> = keys.iter().map(values).product();
    all.is_none_or(|all| all > STEPS)
}

fn internal(error: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "rows could not be compared").caused_by(error)
}

/// The rows of a scan that a sort above needs for the first of them.
pub(super) fn first_rows(
    core: &Arc<ScanCore>,
    spec: &Arc<ScanSpec>,
    first: &Arc<First>,
    statement: &Arc<StatementContext>,
) -> Result<Rows> {
    let told = first.spec.calls(&[], 0)?;
    if told.is_empty() {
        return Ok(constant_rows(core, spec, statement, 0, None)?.boxed());
    }
    let plan = Arc::new(first.spec.read_plan(first.wants(first.spec.wants(statement)))?);
    let reader = Arc::new(Reader {
        core: Arc::clone(core),
        spec: Arc::clone(spec),
        first: Arc::clone(first),
        statement: Arc::clone(statement),
        context: core.read_context(statement),
        plan,
    });
    let calls = told.into_iter().zip(spec.calls(&[], 0)?);
    let each = stream::iter(calls).map(move |(told, plain)| Arc::clone(&reader).call(told, plain));
    Ok(each.buffered(AT_ONCE).try_flatten().boxed())
}

/// A call, and the values that are bound in it.
type Valued = (BoundCall, Vec<Value>);

struct Reader {
    core: Arc<ScanCore>,
    spec: Arc<ScanSpec>,
    first: Arc<First>,
    statement: Arc<StatementContext>,
    context: Arc<ReadContext>,
    plan: Arc<ReadPlan>,
}

impl Reader {
    /// The first rows of one call, or all of them.
    async fn call(self: Arc<Self>, told: Valued, plain: Valued) -> Result<Rows> {
        let method = &self.spec.binding.method.name;
        let reason = match self.in_order(told).await? {
            Trial::First(rows) => return Ok(stream::iter(rows.into_iter().map(Ok)).boxed()),
            Trial::Alike => None,
            Trial::Unordered => Some(format!("the answers of `{method}` are not in the order that was asked for")),
            Trial::Moved(reason) => Some(format!("the answers of `{method}` are no list in order: {reason}")),
        };
        // Rows that are alike are nothing that is wrong with an API.
        if let Some(reason) = reason {
            let message = format!("{reason}, so all rows were read");
            self.statement.report.warn("unordered", self.spec.table.id(), message);
        }
        let wants = self.spec.wants(&self.statement);
        Ok(rows_of(&self.core, &self.spec, &self.statement, vec![plain], wants, Pace::Eager)?.boxed())
    }

    /// The first rows of one call, if they are in order.
    async fn in_order(&self, (call, values): Valued) -> Result<Trial> {
        let report = &self.statement.report;
        let part = Part {
            table: self.spec.table.id(),
            part: call.label.clone(),
            verdict: Verdict::Truncated,
            reason: "the query needs no more rows".to_owned(),
        };
        let call = BoundCall { tag: 0, ..call };
        let calls = stream::iter([Ok(call)]);
        let mut batches = read_calls(Arc::clone(&self.context), Arc::clone(&self.plan), calls, Pace::OnDemand).boxed();
        let (mut order, mut kept) = (self.first.order()?, Vec::new());
        while let Some(batch) = batches.next().await {
            let batch = match batch {
                // What is read on trial says so where a row comes twice, or the list moved.
                Err(error) if error.kind() == ErrorKind::Partial => {
                    return Ok(Trial::Moved(error.message().to_owned()));
                }
                other => other?,
            };
            let Some(rows) = batch.rows else { break };
            if !order.goes_on(&rows)? {
                return Ok(Trial::Unordered);
            }
            let rows = self.first.spec.finish(&rows, &values, report)?;
            order.take(&rows)?;
            kept.push(rows);
            if order.has_enough() {
                report.add_part(part);
                return Ok(Trial::First(kept));
            }
        }
        // Either that was all of the list, or all that was asked for.
        let ended = self.plan.limit.is_none_or(|limit| (order.seen as u64) < limit);
        Ok(if ended || order.shows() { Trial::First(kept) } else { Trial::Alike })
    }
}

/// What came of a call that tells an order.
enum Trial {
    /// Rows in that order, as many as are needed.
    First(Vec<RecordBatch>),
    /// As many rows as show an order, if they were not alike.
    Alike,
    Unordered,
    /// Why the rows are not those of one list.
    Moved(String),
}

/// A column that rows are in order of.
struct KeyColumn {
    /// Where it is in an answer.
    answered: usize,
    /// Where it is among the columns that come out.
    shown: usize,
    /// Whether rows without a value may pass.
    has_null: bool,
    /// Whether it holds times as text: only in one writing is the order of the texts that of the times.
    is_time_text: bool,
    /// How its first time is written.
    writing: Option<String>,
}

/// The order of rows that come one batch after another.
struct Order {
    rows: RowConverter,
    columns: Vec<KeyColumn>,
    wanted: usize,
    /// Whether rows that compare as equal are so for the whole ORDER BY.
    whole: bool,
    /// Rows that came.
    seen: usize,
    /// Of them, those that are no like of the one before.
    steps: usize,
    /// Rows that passed.
    passed: usize,
    last: Option<OwnedRow>,
    /// The last row that is wanted.
    edge: Option<OwnedRow>,
}

impl Order {
    /// Whether the rows of a further answer are in order, and behind those before.
    fn goes_on(&mut self, answer: &RecordBatch) -> Result<bool> {
        for column in self.columns.iter_mut().filter(|column| column.is_time_text) {
            let texts = answer.column(column.answered).as_string::<i32>();
            for text in texts.iter().flatten().map(writing_of) {
                if *column.writing.get_or_insert_with(|| text.clone()) != text {
                    return Ok(false);
                }
            }
        }
        let columns: Vec<ArrayRef> = self.columns.iter().map(|key| Arc::clone(answer.column(key.answered))).collect();
        let rows = self.rows.convert_columns(&columns).map_err(internal)?;
        self.seen += answer.num_rows();
        let mut last: Option<Row<'_>> = None;
        for (at, row) in rows.iter().enumerate() {
            // Where the API puts rows that do not pass is its own affair.
            if self.columns.iter().zip(&columns).any(|(key, values)| !key.has_null && values.is_null(at)) {
                continue;
            }
            let before = last.or_else(|| self.last.as_ref().map(OwnedRow::row));
            match before.map(|before| before.cmp(&row)) {
                Some(Ordering::Greater) => return Ok(false),
                Some(Ordering::Less) => self.steps += 1,
                Some(Ordering::Equal) | None => {}
            }
            last = Some(row);
        }
        if let Some(last) = last {
            self.last = Some(last.owned());
        }
        Ok(true)
    }

    /// Counts rows that passed.
    fn take(&mut self, passed: &RecordBatch) -> Result<()> {
        let before = self.passed;
        self.passed += passed.num_rows();
        if before < self.wanted && self.wanted <= self.passed {
            let columns = self.columns.iter().map(|key| passed.column(key.shown).slice(self.wanted - 1 - before, 1));
            let edge = self.rows.convert_columns(&columns.collect::<Vec<_>>()).map_err(internal)?;
            self.edge = Some(edge.row(0).owned());
        }
        Ok(())
    }

    /// Whether the rows so far would hardly be in order by accident.
    fn shows(&self) -> bool {
        self.seen >= EVIDENCE && self.steps >= STEPS
    }

    /// Whether no further row can be among those that are wanted.
    fn has_enough(&self) -> bool {
        let Some(edge) = &self.edge else { return false };
        let beyond = || self.last.as_ref().is_some_and(|last| last.row() > edge.row());
        self.shows() && (self.whole || beyond())
    }
}

/// How a time is written: digits are all the same, the zone is what it is.
fn writing_of(text: &str) -> String {
    let zone = text.char_indices().skip(11).find(|(_, c)| matches!(c, '+' | '-' | 'Z' | 'z'));
    let (time, zone) = text.split_at(zone.map_or(text.len(), |(at, _)| at));
    let digits: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    format!("{digits}{zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_one_writing_compare_as_texts() {
        for (a, b, same) in [
            ("2024-01-02T03:04:05", "2025-12-31T23:59:59", true),
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.1Z", false),
            ("2024-01-02T03:04:05+01:00", "2024-01-02T03:04:06+01:00", true),
            ("2024-01-02T03:04:05+01:00", "2024-01-02T03:04:05+02:00", false),
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05", false),
            ("2024-01-02", "2024-12-31", true),
        ] {
            assert_eq!(writing_of(a) == writing_of(b), same, "{a} {b}");
        }
    }
}
