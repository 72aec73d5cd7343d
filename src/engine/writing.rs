//! Writes in a session: planned, shown, confirmed, sent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::Value;
use sqlparser::ast;

use super::Session;
use super::journal::{JournalRecorder, Running, blocking};
use super::result::QueryResult;
use super::source::SessionRows;
use crate::config::Confirm;
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;
use crate::sql::{Statement, Verb, Write};
use crate::store::{CallState, StateDirectory, WritePlan, conceal, resume, reveal};
use crate::write::{
    self, CallResult, PlanContext, Planned, Recorder, Summary, answers_batch, check_unchanged, failure, restore,
    unanswered, with_nulls,
};

/// Where writes are noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum JournalChoice {
    /// Nobody said: writes are refused.
    #[default]
    NotChosen,
    /// Nowhere, as the program that uses the library wants it.
    Off,
    /// In this directory.
    In(PathBuf),
}

/// What an engine's writes may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WriteOptions {
    pub(super) journal: JournalChoice,
    pub(super) read_only: bool,
    /// Whether calls that change something are sent: to the sandbox always, to real APIs where the program asks for it.
    pub(super) sending: bool,
}

/// A write that is planned, and of which nothing is sent yet: [`Session::apply`] sends it.
#[derive(Debug)]
pub struct PendingWrite {
    planned: Planned,
    report: Report,
    origin: Origin,
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
enum Origin {
    /// The statement itself.
    Statement,
    /// `APPLY`, of a stored plan.
    Stored(String),
    /// `RESUME`, of a statement that stopped.
    Stopped(Box<Running>, Vec<CallState>),
}

impl Origin {
    /// Whether a call, counted from 0, is still to be sent.
    fn sends(&self, call: usize) -> bool {
        match self {
            Self::Stopped(_, states) => to_be_sent(states, call),
            Self::Statement | Self::Stored(_) => true,
        }
    }
}

fn to_be_sent(states: &[CallState], call: usize) -> bool {
    matches!(states.get(call), None | Some(CallState::NotStarted | CallState::Failed))
}

impl PendingWrite {
    /// The verb in capitals.
    pub fn verb(&self) -> &'static str {
        self.planned.verb.name()
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
        let count = self.objects();
        let noun = if count == 1 { "object" } else { "objects" };
        format!("{} of {count} {noun} of {}", self.verb(), self.planned.plan.table)
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
        let Origin::Stopped(_, states) = &self.origin else { return Vec::new() };
        let calls = states.iter().zip(&self.planned.plan.calls).enumerate();
        let unknown = calls.filter(|(_, (state, _))| **state == CallState::Unknown);
        unknown.map(|(at, (_, call))| (at, call.request.clone())).collect()
    }

    /// Says of an unknown call what somebody found out by looking at the API; a call that is not unknown stays as it is.
    pub fn settle(&mut self, call: usize, found: Found) {
        let Origin::Stopped(_, states) = &mut self.origin else { return };
        if let Some(state) = states.get_mut(call).filter(|state| **state == CallState::Unknown) {
            *state = match found {
                Found::Done => CallState::Skipped,
                Found::NotDone => CallState::NotStarted,
            };
        }
    }

    /// Whether somebody who can be asked should be: a DELETE or more than one object, unless `confirm` says otherwise.
    pub fn asks(&self, confirm: Confirm) -> bool {
        let explicit = !matches!(self.origin, Origin::Statement);
        match confirm {
            _ if !self.planned.changes() || self.objects() == 0 => false,
            Confirm::Never => false,
            Confirm::Always => true,
            Confirm::Auto => !explicit && (self.planned.deletes() || self.objects() > 1),
        }
    }

    /// Refuses what needs a word that nobody was there to give.
    ///
    /// # Errors
    /// `Unsupported`, before any call that changes something: more than one object (any, with `confirm = 'always'`).
    pub fn check_confirmed(&self, settings: &crate::config::Settings) -> Result<()> {
        let refused = self.asks(settings.confirm) && (self.objects() > 1 || settings.confirm == Confirm::Always);
        if !refused {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, format!("the {} is not confirmed", self.summary()))
            .with("first", self.planned.plan.calls.first().map_or("", |call| call.request.as_str()))
            .hint("nothing was sent; `--yes` or `SET confirm = 'never'` sends it, `PLAN` shows all of it first"))
    }
}

impl Session {
    /// Plans a statement that changes something, without sending it; `None` for any other statement. What it needs to
    /// read is read.
    ///
    /// [`Session::sql`] refuses writes of more than one object unless `confirm` is `never`; a program that asks its
    /// user, or wants to see the plan, uses this and [`Session::apply`].
    ///
    /// # Errors
    /// As [`Session::sql`].
    pub async fn plan_write(&mut self, text: &str) -> Result<Option<PendingWrite>> {
        let report = Report::new(self.clock().now());
        match super::session::parse_one(text)? {
            Statement::Write(write) => self.prepare(*write, report).await.map(Some),
            Statement::Apply(id) => self.prepare_stored(&id, report).await.map(Some),
            Statement::Resume(id) => self.prepare_resume(&id, report).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The plan of a write as rows (`n`, `request`, `body`, `changes`, `headers`), stored where there is a state
    /// directory: the note says its name. Nothing is sent. Of `APPLY` and `RESUME`, whose plan is stored, the calls that
    /// they would send are only shown.
    ///
    /// # Errors
    /// `InvalidArgument` when the plan cannot be stored.
    pub async fn store_plan(&mut self, pending: PendingWrite) -> Result<QueryResult> {
        let shown = self.show_plan(&pending)?;
        match &pending.origin {
            Origin::Statement => {}
            Origin::Stored(id) => return Ok(shown.with_note(format!("nothing was sent; `APPLY '{id}'` sends this"))),
            Origin::Stopped(running, _) => {
                let id = running.statement();
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
        let id = blocking(move || {
            let state = StateDirectory::open(dir)?;
            let plan = conceal(plan, &state.digest_key()?);
            let id = state.save_plan(&plan, now)?;
            state.renew_plan(&id).map(|()| id)
        })
        .await?;
        let requests = if count == 1 { "1 request".to_owned() } else { format!("{count} requests") };
        Ok(shown.with_note(format!("nothing was sent; `APPLY '{id}'` sends {requests}")))
    }

    /// The requests of a write as rows.
    pub(super) fn show_plan(&mut self, pending: &PendingWrite) -> Result<QueryResult> {
        self.remember(&pending.report);
        let calls = &pending.planned.plan.calls;
        let mut columns: [Vec<Option<String>>; 4] = Default::default();
        let sent: Vec<usize> = (0..calls.len()).filter(|at| pending.origin.sends(*at)).collect();
        for call in sent.iter().filter_map(|at| calls.get(*at)) {
            let shown =
                crate::call::show_request(&self.engine().core().endpoints, &pending.planned.method, &call.call)?;
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
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| Error::new(ErrorKind::Internal, "the plan could not be shown").caused_by(error))?;
        Ok(QueryResult::batch(batch, pending.report.clone(), self.clock()))
    }

    /// Plans a write.
    pub(super) async fn prepare(&mut self, write: Write, report: Report) -> Result<PendingWrite> {
        self.remember(&report);
        let rows = SessionRows { session: self, report: report.clone() };
        let clock = self.clock();
        let planned = write::plan(&self.plan_context(&rows, &report, &clock), write).await?;
        if planned.changes() && self.engine().writes().journal == JournalChoice::NotChosen {
            return Err(no_journal_chosen());
        }
        if let Some(items) = &planned.returning {
            // What is wrong with it is better found before the calls than after them. Fields that the document does not
            // name are not known yet.
            let nothing = answers_batch(&planned.method, &[])?;
            if unanswered(items, &nothing).is_empty() {
                rows.returning(items.clone(), &planned.resource.name, nothing).await?;
            }
        }
        Ok(PendingWrite { planned, report, origin: Origin::Statement })
    }

    /// Finds a stored plan again, and looks at its rows again.
    pub(super) async fn prepare_stored(&mut self, id: &str, report: Report) -> Result<PendingWrite> {
        self.remember(&report);
        let (dir, wanted) = (self.state_path()?, id.to_owned());
        let (id, plan) = blocking(move || {
            let state = StateDirectory::open(dir)?;
            let stored = state.load_plan(&wanted)?;
            if stored.applied.is_some() {
                // Says when.
                state.mark_applied(&stored.id, std::time::SystemTime::UNIX_EPOCH)?;
            }
            let plan = reveal(stored.plan, &BTreeMap::new(), &state.digest_key()?)?;
            Ok((stored.id, plan))
        })
        .await?;
        let rows = SessionRows { session: self, report: report.clone() };
        let clock = self.clock();
        let context = self.plan_context(&rows, &report, &clock);
        let planned = restore(&context, plan).await?;
        check_unchanged(&context, &planned).await?;
        Ok(PendingWrite { planned, report, origin: Origin::Stored(id) })
    }

    /// Takes over a statement that stopped.
    pub(super) async fn prepare_resume(&mut self, id: &str, report: Report) -> Result<PendingWrite> {
        self.remember(&report);
        let (dir, wanted) = (self.state_path()?, id.to_owned());
        let (journal, record, plan) = blocking(move || {
            let state = StateDirectory::open(dir)?;
            let (journal, record) = resume(&state, &wanted)?;
            let plan = reveal(record.plan.clone(), &BTreeMap::new(), &state.digest_key()?)?;
            Ok((journal, record, plan))
        })
        .await?;
        let rows = SessionRows { session: self, report: report.clone() };
        let clock = self.clock();
        let planned = restore(&self.plan_context(&rows, &report, &clock), plan).await?;
        let states = record.calls.iter().map(crate::store::CallRecord::state).collect();
        Ok(PendingWrite { planned, report, origin: Origin::Stopped(Box::new(Running::of(journal)), states) })
    }

    fn plan_context<'a>(
        &'a self,
        rows: &'a SessionRows<'a>,
        report: &'a Report,
        clock: &'a crate::clock::SharedClock,
    ) -> PlanContext<'a> {
        PlanContext {
            registry: self.registry(),
            endpoints: &self.engine().core().endpoints,
            settings: self.settings(),
            report,
            clock,
            source: rows,
            read_only: self.engine().writes().read_only,
        }
    }

    pub(super) fn state_path(&self) -> Result<PathBuf> {
        match &self.engine().writes().journal {
            JournalChoice::In(dir) => Ok(dir.clone()),
            JournalChoice::Off | JournalChoice::NotChosen => Err(Error::new(
                ErrorKind::Unsupported,
                "there is no state directory, so there are no plans and no journal",
            )
            .hint("`EngineBuilder::state_dir` gives one")),
        }
    }

    /// Sends a planned write, and gives what its RETURNING asks for; without one, the result's message says what was
    /// done.
    ///
    /// # Errors
    /// The first call's that failed, with the count of all calls in `calls`. With RETURNING, the rows of the calls that
    /// were done come first, and the error after them. The journal's, before any call.
    pub async fn apply(&mut self, pending: PendingWrite) -> Result<QueryResult> {
        let PendingWrite { planned, report, origin } = pending;
        self.remember(&report);
        if planned.changes() && !self.engine().writes().sending {
            let message = format!("{} of a real API is not released yet", planned.verb.name());
            return Err(Error::new(ErrorKind::Unsupported, message)
                .hint("nothing was sent; it works with `--sandbox`, and `PLAN` shows what would be sent"));
        }
        if planned.plan.calls.is_empty() {
            let message = format!("{}: nothing to do, 0 calls", planned.verb.name());
            return Ok(QueryResult::command(&message, report, self.clock()));
        }
        let (running, states) = self.begin(&planned, origin).await?;
        if let Some(running) = &running {
            running.skip(&states, self.clock().utc()).await?;
        }
        let planned = Arc::new(planned);
        let context = {
            let statement = crate::scan::StatementContext::new(report.clone(), self.settings().clone());
            self.engine().core().read_context(&statement)
        };
        let recorder = running.as_ref().map(|running| JournalRecorder {
            running: running.clone(),
            planned: Arc::clone(&planned),
            clock: self.clock(),
        });
        let wanted = |at: usize| to_be_sent(&states, at);
        let recorder = recorder.as_ref().map(|recorder| recorder as &dyn Recorder);
        let mut results = write::apply(&context, &planned, recorder, wanted).await;
        for (result, state) in results.iter_mut().zip(&states) {
            match state {
                CallState::Done | CallState::Skipped => *result = CallResult::DoneBefore,
                CallState::Unknown => *result = CallResult::Unknown(unknown_before()),
                CallState::NotStarted | CallState::Failed => {}
            }
        }
        let summary = Summary::of(&results);
        let mut unfinished = None;
        if let Some(running) = &running {
            if summary.unknown.is_empty() && summary.untouched.is_empty() {
                running.end(summary.text(), self.clock().utc()).await?;
            } else {
                unfinished = Some(running.statement());
            }
        }
        let error = failure(&results, unfinished.as_deref()).map(|error| named_unknowns(error, &planned, &results));
        self.answer(&planned, &results, error, report).await
    }

    /// The journal of a write, its plan on the disk; none where none is wanted or nothing is changed.
    async fn begin(&self, planned: &Planned, origin: Origin) -> Result<(Option<Running>, Vec<CallState>)> {
        let stored = match origin {
            Origin::Stopped(running, states) => return Ok((Some(*running), states)),
            Origin::Stored(id) => Some(id),
            Origin::Statement => None,
        };
        if !planned.changes() {
            return Ok((None, Vec::new()));
        }
        let dir = match &self.engine().writes().journal {
            JournalChoice::In(dir) => dir.clone(),
            JournalChoice::Off => return Ok((None, Vec::new())),
            JournalChoice::NotChosen => return Err(no_journal_chosen()),
        };
        let (plan, now) = (planned.plan.clone(), self.clock().utc());
        let running = blocking(move || {
            let state = StateDirectory::open(dir)?;
            let plan = conceal(plan, &state.digest_key()?);
            if let Some(id) = stored {
                state.mark_applied(&id, now)?;
            }
            crate::store::Journal::begin(&state, &plan, now).map(Running::of)
        })
        .await?;
        Ok((Some(running), Vec::new()))
    }

    async fn answer(
        &self,
        planned: &Planned,
        results: &[CallResult],
        error: Option<Error>,
        report: Report,
    ) -> Result<QueryResult> {
        let answers: Vec<Value> = results
            .iter()
            .filter_map(|result| match result {
                CallResult::Done(answered) => Some(answered.value.clone()),
                CallResult::Gone => Some(Value::Null),
                _ => None,
            })
            .collect();
        let wanted = match (&planned.returning, planned.verb) {
            (Some(items), _) => Some(items.clone()),
            (None, Verb::Exec) if !answers.iter().all(Value::is_null) => Some(item_columns(planned)?),
            (None, _) => None,
        };
        let Some(items) = wanted.filter(|_| !answers.is_empty()) else {
            return match error {
                Some(error) => Err(error),
                None => {
                    let done = results.len();
                    let noun = if done == 1 { "call" } else { "calls" };
                    let message = format!("{}: {done} {noun} done", planned.verb.name());
                    Ok(QueryResult::command(&message, report, self.clock()))
                }
            };
        };
        let batch = answers_batch(&planned.method, &answers)?;
        let absent = unanswered(&items, &batch);
        for name in &absent {
            let message = format!("no answer of `{}` holds it; NULL stands in its place", planned.method.name);
            report.warn("absent", format!("{}.{name}", planned.plan.table), message);
        }
        let batch = with_nulls(&batch, &absent)?;
        let rows = SessionRows { session: self, report };
        let returned = rows.returning(items, &planned.resource.name, batch).await;
        match (returned, error) {
            (Ok(result), None) => Ok(result),
            (Ok(result), Some(error)) => Ok(result.with_failure(error)),
            (Err(_), Some(error)) => Err(error),
            (Err(error), None) => Err(error.with("calls", Summary::of(results).text())),
        }
    }
}

/// What EXEC gives without RETURNING: the columns that its method answers with.
fn item_columns(planned: &Planned) -> Result<Vec<ast::SelectItem>> {
    let columns = &planned.method.response.columns;
    if columns.is_empty() {
        return match *crate::sql::parse_query("SELECT *")?.body {
            ast::SetExpr::Select(select) => Ok(select.projection),
            _ => Ok(Vec::new()),
        };
    }
    let item = |name: &str| ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(ast::Ident::with_quote('"', name)));
    Ok(columns.iter().filter(|column| !column.secret).map(|column| item(&column.name)).collect())
}

/// `label: "gold" → "gold-2"`, with the old value where it was read.
fn changes(call: &crate::store::PlannedCall) -> Option<String> {
    let before = call.before.as_ref()?;
    let said: Vec<String> = call
        .call
        .body
        .iter()
        .filter(|(name, _)| !call.identity.contains_key(*name))
        .map(|(name, new)| {
            let new = if call.secrets.contains(name) { "***".to_owned() } else { new.to_string() };
            match before.get(name) {
                Some(old) => format!("{name}: {old} → {new}"),
                None => format!("{name}: → {new}"),
            }
        })
        .collect();
    let shown = if said.is_empty() {
        before.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    } else {
        said
    };
    (!shown.is_empty()).then(|| shown.join(", "))
}

fn no_journal_chosen() -> Error {
    Error::new(ErrorKind::Unsupported, "a write is noted in a journal, and the engine has no place for one")
        .hint("nothing was sent; give `EngineBuilder::state_dir` a directory, or say `no_journal`")
}

fn unknown_before() -> Error {
    Error::new(ErrorKind::Partial, "nobody knows whether the API did this call: it was sent before and not answered")
        .with("state", "unknown")
}

/// Names each call that is unknown.
fn named_unknowns(error: Error, planned: &Planned, results: &[CallResult]) -> Error {
    let unknown = results.iter().zip(&planned.plan.calls).enumerate();
    let unknown = unknown.filter(|(_, (result, _))| matches!(result, CallResult::Unknown(_)));
    let said: Vec<String> = unknown.map(|(at, (_, call))| format!("call {}: {}", at + 1, call.request)).collect();
    if said.is_empty() { error } else { error.with("unknown", said.join("; ")) }
}
