//! A plan as rows: shown, and stored for APPLY.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::Value;

use super::Session;
use super::journal::blocking;
use super::pending::{Origin, PendingWrite};
use super::result::QueryResult;
use super::writing::JournalChoice;
use crate::call::show_request;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::keeps_secret;
use crate::store::{PlannedCall, StateDirectory, conceal, time_text};

/// What is shown in the place of a secret.
const HIDDEN: &str = "***";

/// Who wants a plan stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// `PLAN`: it can be applied, also where the very same plan was applied before.
    Anew,
    /// A dry run: a plan that was applied stays so.
    Shown,
}

impl Session {
    /// The plan of a write as rows (`n`, `request`, `body`, `changes`, `headers`, and `waits` where it
    /// waits), stored where there is a state
    /// directory: the note says its name. Nothing is sent. Of `APPLY` and `RESUME`, whose plan is stored, the calls that
    /// they would send are only shown. The very same plan again can be applied once more.
    ///
    /// # Errors
    /// `InvalidArgument` when the plan cannot be stored.
    pub async fn store_plan(&mut self, pending: PendingWrite) -> Result<QueryResult> {
        self.keep_plan(pending, Wanted::Anew).await
    }

    /// As [`Session::store_plan`], but a plan that was applied is only shown, and the note says so.
    pub(super) async fn show_and_store(&mut self, pending: PendingWrite) -> Result<QueryResult> {
        self.keep_plan(pending, Wanted::Shown).await
    }

    async fn keep_plan(&mut self, pending: PendingWrite, wanted: Wanted) -> Result<QueryResult> {
        let shown = self.show_plan(&pending)?;
        match &pending.origin {
            Origin::Statement => {}
            // What is stored now is sent by its name, not by a second COMMIT.
            Origin::Transaction(committed) => {
                self.check_committed(committed)?;
                self.transaction = None;
            }
            Origin::Stored(id) => return Ok(shown.with_note(format!("nothing was sent; `APPLY '{id}'` sends this"))),
            Origin::Stopped(stopped) => {
                let id = stopped.running.statement();
                return Ok(shown.with_note(format!("nothing was sent; `RESUME '{id}'` sends this")));
            }
        }
        let JournalChoice::In(dir) = self.engine().writes().journal.clone() else {
            return Ok(shown.with_note("the plan is not stored: there is no state directory".to_owned()));
        };
        if pending.objects() == 0 {
            return Ok(shown.with_note("there is nothing to do".to_owned()));
        }
        let (plan, now) = (pending.planned.plan, self.clock().utc());
        let count = plan.calls.len();
        let (id, applied) = blocking(move || {
            let state = StateDirectory::open(dir)?;
            let plan = conceal(plan, &state.digest_key()?);
            let id = state.save_plan(&plan, now)?;
            if wanted == Wanted::Anew {
                state.renew_plan(&id)?;
            }
            let applied = state.load_plan(&id)?.applied;
            Ok((id, applied))
        })
        .await?;
        if let Some(time) = applied.filter(|_| wanted == Wanted::Shown) {
            let when = time_text(time);
            let note = format!("nothing was sent; the same plan, `{id}`, was applied at {when}: `PLAN` makes it anew");
            return Ok(shown.with_note(note));
        }
        let requests = if count == 1 { "1 request".to_owned() } else { format!("{count} requests") };
        Ok(shown.with_note(format!("nothing was sent; `APPLY '{id}'` sends {requests}")))
    }

    /// The requests of a write as rows.
    pub(super) fn show_plan(&mut self, pending: &PendingWrite) -> Result<QueryResult> {
        self.remember(&pending.report);
        let calls = &pending.planned.plan.calls;
        let mut columns: [Vec<Option<String>>; 4] = Default::default();
        let sent: Vec<usize> = (0..calls.len()).filter(|at| pending.origin.sends(*at)).collect();
        for (at, call) in sent.iter().filter_map(|at| Some((*at, calls.get(*at)?))) {
            let Some(part) = pending.planned.part_of(at) else { continue };
            let shown = show_request(&self.engine().core().endpoints, &part.method, &call.call)?;
            let headers: Vec<String> = shown.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let row = [
                Some(call.request.clone()),
                (!shown.body.is_empty()).then_some(shown.body),
                changes(call),
                (!headers.is_empty()).then(|| headers.join("; ")),
            ];
            for (column, cell) in columns.iter_mut().zip(row) {
                column.push(cell);
            }
        }
        let numbers = Int64Array::from_iter_values(
            (1_i64..).zip(0..calls.len()).filter(|(_, at)| sent.binary_search(at).is_ok()).map(|(n, _)| n),
        );
        let mut fields = vec![Field::new("n", DataType::Int64, false)];
        let mut arrays: Vec<arrow::array::ArrayRef> = vec![Arc::new(numbers)];
        for (name, column) in ["request", "body", "changes", "headers"].into_iter().zip(columns) {
            fields.push(Field::new(name, DataType::Utf8, true));
            arrays.push(Arc::new(StringArray::from(column)));
        }
        if pending.planned.waits() {
            let waits = |at: &usize| pending.planned.part_of(*at)?.wait.as_ref().map(|wait| wait.text());
            fields.push(Field::new("waits", DataType::Utf8, true));
            arrays.push(Arc::new(sent.iter().map(waits).collect::<StringArray>()));
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| Error::new(ErrorKind::Internal, "the plan could not be shown").caused_by(error))?;
        Ok(QueryResult::batch(batch, pending.report.clone(), self.clock()))
    }
}

/// A value that was read, for people.
fn shown(name: &str, value: &Value) -> String {
    if keeps_secret(name, value) { HIDDEN.to_owned() } else { value.to_string() }
}

/// `label: "gold" → "gold-2"`, with the old value where it was read.
pub(super) fn changes(call: &PlannedCall) -> Option<String> {
    let before = call.before.as_ref()?;
    let said: Vec<String> = call
        .call
        .body
        .iter()
        .filter(|(name, _)| !call.identity.contains_key(*name))
        .map(|(name, new)| {
            let is_secret = call.secrets.contains(name);
            let new = if is_secret { HIDDEN.to_owned() } else { new.to_string() };
            match before.get(name).filter(|_| !is_secret) {
                Some(old) => format!("{name}: {} → {new}", shown(name, old)),
                None => format!("{name}: → {new}"),
            }
        })
        .collect();
    let shown = if said.is_empty() {
        before.iter().map(|(name, value)| format!("{name}: {}", shown(name, value))).collect::<Vec<_>>()
    } else {
        said
    };
    (!shown.is_empty()).then(|| shown.join(", "))
}
