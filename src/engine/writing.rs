//! Writes in a session: planned, shown, confirmed, sent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use sqlparser::ast;
use tracing::Instrument;

use super::Session;
use super::caught::caught;
use super::journal::{JournalRecorder, Running, blocking};
use super::names::complete_write;
use super::pending::{Origin, PendingWrite, Stopped, to_be_sent};
use super::prepared::Meant;
use super::result::QueryResult;
use super::session::{is_part, parse_one};
use super::source::SessionRows;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Secret;
use crate::report::Report;
use crate::sql::{Statement, Verb, Write};
use crate::store::{CallState, SecretField, StateDirectory, StatementRecord, conceal, resume, reveal, secret_fields};
use crate::write::{
    self, Applied, CallResult, Part, PlanContext, Planned, Recorder, Summary, answers_batch, check_budget,
    check_budget_with_tokens, check_files, check_unchanged, failure, holds_none, restore, rows_left, unanswered,
    with_nulls,
};

/// The calls of which nobody knows what became of them, and which may be sent again: each carries a key that the API
/// still knows.
fn repeatable(planned: &Planned, record: &StatementRecord, now: SystemTime) -> Vec<usize> {
    let is_known = |at: &usize| {
        let has_key = planned.plan.calls.get(*at).is_some_and(|step| step.idempotency_key.is_some());
        let key = planned.part_of(*at).and_then(|part| part.method.idempotency_key.as_ref()).filter(|_| has_key);
        let lifetime = key.and_then(|key| key.lifetime);
        let first = record.calls.get(*at).and_then(|call| call.first_intent);
        // A clock that was set back says nothing.
        let age = first.and_then(|first| now.duration_since(first).ok());
        lifetime.zip(age).is_some_and(|(lifetime, age)| age < lifetime)
    };
    record.calls_in(CallState::Unknown).into_iter().filter(is_known).collect()
}

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
}

impl WriteOptions {
    /// Where the journal is, if there is one.
    pub(super) fn state_dir(&self) -> Option<&std::path::Path> {
        match &self.journal {
            JournalChoice::In(dir) => Some(dir),
            JournalChoice::Off | JournalChoice::NotChosen => None,
        }
    }

    /// For planning alone: nothing is noted and nothing sent.
    pub(super) fn of_check(known: &Self) -> Self {
        Self { journal: JournalChoice::Off, ..known.clone() }
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
        let meant = parse_one(text).and_then(|statement| self.meant(statement));
        let Meant { statement, places } = self.or_spoiled(meant)?;
        let is_part = is_part(&statement);
        let planned = async {
            match statement {
                // In a transaction it is queued, and COMMIT is what is planned.
                Statement::Write(_) if self.in_transaction() => Ok(None),
                Statement::Write(write) => self.prepare(*write, report).await.map(Some),
                Statement::Commit => self.prepare_commit(report).await.map(Some),
                Statement::Apply(id) => self.prepare_stored(&id, report).await.map(Some),
                Statement::Resume(id) => self.prepare_resume(&id, report).await.map(Some),
                _ => Ok(None),
            }
        };
        let pending = caught(Box::pin(planned)).await.map_err(|error| places.told(error));
        if is_part { self.or_spoiled(pending) } else { pending }
    }

    /// Plans a write.
    pub(super) async fn prepare(&mut self, write: Write, report: Report) -> Result<PendingWrite> {
        self.remember(&report);
        let mut write = write;
        complete_write(self.current(), &mut write)?;
        let rows = SessionRows { session: self, report: report.clone() };
        let clock = self.clock();
        let planned = write::plan(&self.plan_context(&rows, &report, &clock), write).await?;
        if planned.changes() && self.engine().writes().journal == JournalChoice::NotChosen {
            return Err(no_journal_chosen());
        }
        check_returning(&rows, &planned).await?;
        Ok(self.pending(planned, report, Origin::Statement))
    }

    /// Finds a stored plan again, and looks at its rows again.
    pub(super) async fn prepare_stored(&mut self, id: &str, report: Report) -> Result<PendingWrite> {
        self.remember(&report);
        self.check_no_transaction("APPLY")?;
        let (dir, wanted, supplied) = (self.state_path()?, id.to_owned(), self.supplied_values());
        let (id, plan, key) = blocking(move || {
            let state = StateDirectory::open(dir)?;
            let stored = state.load_plan(&wanted)?;
            if stored.applied.is_some() {
                // Says when.
                state.mark_applied(&stored.id, SystemTime::UNIX_EPOCH)?;
            }
            let key = state.digest_key()?;
            Ok((stored.id, reveal(stored.plan, &supplied, &key)?, key))
        })
        .await?;
        let rows = SessionRows { session: self, report: report.clone() };
        let clock = self.clock();
        let context = self.plan_context(&rows, &report, &clock);
        let planned = restore(&context, plan, &key).await?;
        check_files(&planned, |_| true).await?;
        check_unchanged(&context, &planned, Some(&key), |_| true).await?;
        check_budget(self.settings(), &report, &planned, |_| true)?;
        Ok(self.pending(planned, report, Origin::Stored(id)))
    }

    /// Takes over a statement that stopped.
    pub(super) async fn prepare_resume(&mut self, id: &str, report: Report) -> Result<PendingWrite> {
        self.remember(&report);
        self.check_no_transaction("RESUME")?;
        let (dir, wanted, supplied) = (self.state_path()?, id.to_owned(), self.supplied_values());
        let (journal, record, plan, key) = blocking(move || {
            let state = StateDirectory::open(dir)?;
            let (journal, record) = resume(&state, &wanted)?;
            let key = state.digest_key()?;
            let plan = reveal(record.plan.clone(), &supplied, &key)?;
            Ok((journal, record, plan, key))
        })
        .await?;
        let rows = SessionRows { session: self, report: report.clone() };
        let clock = self.clock();
        let context = self.plan_context(&rows, &report, &clock);
        let planned = restore(&context, plan, &key).await?;
        let mut states: Vec<CallState> = record.calls.iter().map(crate::store::CallRecord::state).collect();
        let repeated = repeatable(&planned, &record, clock.utc());
        for at in &repeated {
            if let Some(state) = states.get_mut(*at) {
                *state = CallState::NotStarted;
            }
        }
        if !repeated.is_empty() {
            let numbers: Vec<String> = repeated.iter().map(|at| (at + 1).to_string()).collect();
            let message = format!(
                "nobody knew what became of {} {}: sent again with the key that the API knows {} by",
                if repeated.len() == 1 { "call" } else { "calls" },
                numbers.join(", "),
                if repeated.len() == 1 { "it" } else { "each" },
            );
            report.warn("repeated", &planned.plan.table, message);
        }
        let left = |at: usize| to_be_sent(&states, at);
        check_files(&planned, left).await?;
        // Days may lie in between.
        check_unchanged(&context, &planned, Some(&key), left).await?;
        check_budget(self.settings(), &report, &planned, left)?;
        let stopped = Stopped { running: Running::of(journal), states, settled: Vec::new() };
        Ok(self.pending(planned, report, Origin::Stopped(Box::new(stopped))))
    }

    pub(super) fn pending(&self, planned: Planned, report: Report, origin: Origin) -> PendingWrite {
        PendingWrite { planned, report, origin, core: Arc::clone(self.engine().core()) }
    }

    /// The secret values that `APPLY` or `RESUME` needs again: a stored plan holds none. Empty for any other statement, and
    /// for what is refused when it is run. [`Session::supply`] takes them.
    ///
    /// # Errors
    /// `NameNotFound` when there is no such plan or statement.
    pub async fn secrets_needed(&self, text: &str) -> Result<Vec<SecretField>> {
        let (stored, id) = match parse_one(text).and_then(|statement| self.meant(statement)) {
            Ok(Meant { statement: Statement::Apply(id), .. }) if !self.in_transaction() => (true, id),
            Ok(Meant { statement: Statement::Resume(id), .. }) if !self.in_transaction() => (false, id),
            _ => return Ok(Vec::new()),
        };
        let dir = self.state_path()?;
        blocking(move || {
            let state = StateDirectory::open(dir)?;
            let plan = if stored { state.load_plan(&id)?.plan } else { state.load_statement(&id)?.plan };
            Ok(secret_fields(&plan))
        })
        .await
    }

    /// Keeps a secret value for `APPLY` and `RESUME` in this session, under its [`SecretField::label`].
    pub fn supply(&mut self, label: &str, value: Secret) {
        self.supplied.insert(label.to_owned(), value);
    }

    /// What was supplied, as text and as the JSON that it may spell.
    fn supplied_values(&self) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for (label, secret) in &self.supplied {
            values.insert(label.clone(), Value::from(secret.expose()));
            if let Ok(value) = serde_json::from_str::<Value>(secret.expose()) {
                values.insert(format!("{label}#json"), value);
            }
        }
        values
    }

    /// Looks again at the rows that a plan was made from.
    pub(super) async fn check_rows(&self, planned: &Planned, report: &Report) -> Result<()> {
        let rows = SessionRows { session: self, report: report.clone() };
        let clock = self.clock();
        check_unchanged(&self.plan_context(&rows, report, &clock), planned, None, |_| true).await
    }

    /// As RESUME looked at the other calls that it sends: what somebody found out to be not done is sent as well.
    async fn check_settled(&self, planned: &Planned, stopped: &Stopped, report: &Report) -> Result<()> {
        if stopped.settled.is_empty() {
            return Ok(());
        }
        let dir = self.state_path()?;
        let key = blocking(move || StateDirectory::open(dir)?.digest_key()).await?;
        let rows = SessionRows { session: self, report: report.clone() };
        let clock = self.clock();
        let is_settled = |at: usize| stopped.settled.contains(&at);
        check_files(planned, is_settled).await?;
        check_unchanged(&self.plan_context(&rows, report, &clock), planned, Some(&key), is_settled).await?;
        check_budget(self.settings(), report, planned, |at| to_be_sent(&stopped.states, at))
    }

    pub(super) fn plan_context<'a>(
        &'a self,
        rows: &'a dyn write::RowSource,
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
        let span = super::spans::span("write");
        let result = caught(Box::pin(self.send(pending)).instrument(span.clone())).await;
        if let Err(error) = &result {
            span.record("error", error.kind().name());
        }
        result.map(|result| result.spanned(span))
    }

    /// As [`Session::apply`], inside the span of the statement that the write is.
    pub(super) async fn send(&mut self, pending: PendingWrite) -> Result<QueryResult> {
        let PendingWrite { planned, report, origin, core } = pending;
        if !Arc::ptr_eq(&core, self.engine().core()) {
            return Err(Error::new(ErrorKind::InvalidArgument, "the write was planned by another engine")
                .hint("nothing was sent; plan and apply it with sessions of one engine"));
        }
        self.remember(&report);
        let commits = matches!(origin, Origin::Transaction(_));
        if let Origin::Transaction(committed) = &origin {
            self.check_committed(committed)?;
        }
        if planned.plan.calls.is_empty() {
            if commits {
                self.transaction = None;
            }
            let message = format!("{}: nothing to do, 0 calls", planned.plan.verb);
            return Ok(QueryResult::command(&message, report, self.clock()));
        }
        if let Origin::Stopped(stopped) = &origin {
            self.check_settled(&planned, stopped, &report).await?;
        }
        let context = {
            let statement = crate::scan::StatementContext::new(report.clone(), self.settings().clone());
            self.engine().core().read_context(&statement)
        };
        let before: &[CallState] = if let Origin::Stopped(stopped) = &origin { &stopped.states } else { &[] };
        check_budget_with_tokens(&context, &planned, |at| to_be_sent(before, at))?;
        let (running, states) = self.begin(&planned, origin).await?;
        if commits {
            self.transaction = None;
        }
        if let Some(running) = &running {
            running.skip(&states, self.clock().utc()).await?;
        }
        let planned = Arc::new(planned);
        let recorder = running.as_ref().map(|running| JournalRecorder {
            running: running.clone(),
            planned: Arc::clone(&planned),
            clock: self.clock(),
        });
        let wanted = |at: usize| to_be_sent(&states, at);
        let recorder = recorder.as_ref().map(|recorder| recorder as &dyn Recorder);
        let done_before = |at: usize| matches!(states.get(at), Some(CallState::Done | CallState::Skipped));
        let clock = self.clock();
        let Applied { mut results, unready, unnoted } =
            write::apply(&context, &clock, &planned, recorder, wanted, done_before).await;
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
            // What the API refused as a whole is better said anew; of what was done in part the rest can be resumed.
            let is_over = summary.unknown.is_empty()
                && summary.untouched.is_empty()
                && (summary.failed.is_empty() || summary.done.is_empty());
            if is_over {
                if let Err(error) = running.end(summary.text(), self.clock().utc()).await {
                    // All calls are through, and each one's outcome is noted.
                    report.warn("journal", "journal", error.message().to_owned());
                }
            } else {
                unfinished = Some(running.statement());
            }
        }
        let error = failure(&results, unready, unfinished.as_deref());
        let mut error = error.map(|error| named_calls(error, &planned, &results));
        if let Some(unnoted) = write::unnoted_text(&unnoted) {
            match error.take() {
                Some(known) => error = Some(known.with("not noted", unnoted)),
                None => report.warn("journal", "what is done", unnoted),
            }
        }
        if error.is_none() {
            // All is noted as done: whatever happens while waiting, no call is sent again.
            let last = planned.ranges().last().map_or(0..0, |(calls, _)| calls);
            error = write::wait_for(&context, &clock, &planned, last, &mut results).await;
        }
        let result = self.answer(&planned, &results, error, report).await?;
        Ok(match write::sent_note(&planned, &results) {
            Some(note) => result.with_note(note),
            None => result,
        })
    }

    /// The journal of a write, its plan on the disk; none where none is wanted or nothing is changed.
    async fn begin(&self, planned: &Planned, origin: Origin) -> Result<(Option<Running>, Vec<CallState>)> {
        let stored = match origin {
            Origin::Stopped(stopped) => return Ok((Some(stopped.running), stopped.states)),
            Origin::Stored(id) => Some(id),
            Origin::Statement | Origin::Transaction(_) => None,
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
            // Marked first: a plan may be lost to a crash, but never be sent twice.
            if let Some(id) = &stored {
                state.mark_applied(id, now)?;
            }
            let begun = crate::store::Journal::begin(&state, &plan, now).map(Running::of);
            if let (Err(_), Some(id)) = (&begun, &stored) {
                state.renew_plan(id)?;
            }
            begun
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
        // The statements of a transaction have no common rows.
        let only = Some(planned.parts.as_slice()).filter(|parts| parts.len() == 1).and_then(<[Part]>::first);
        let wanted = match only {
            Some(part) => match (&part.returning, part.verb) {
                (Some(items), _) => Some((part, items.clone())),
                (None, Verb::Exec) if !answers.iter().all(Value::is_null) => Some((part, item_columns(part)?)),
                (None, _) => None,
            },
            None => None,
        };
        let Some((part, items)) = wanted.filter(|_| !answers.is_empty()) else {
            return match error {
                Some(error) => Err(error),
                None => {
                    let message = format!("{}: {}", planned.plan.verb, done_text(planned, results));
                    Ok(QueryResult::command(&message, report, self.clock()))
                }
            };
        };
        if let Some(left) =
            answers.iter().filter(|_| part.verb == Verb::Exec).find_map(|answer| rows_left(&part.method, answer))
        {
            report.warn("unproved", &planned.plan.table, left);
        }
        for _ in answers.iter().filter(|answer| holds_none(&part.method, answer)) {
            let message =
                format!("an answer of `{}` has none of its columns; NULL stands in their place", part.method.name);
            report.warn("absent", &planned.plan.table, message);
        }
        let batch = answers_batch(&part.method, &answers)?;
        let absent = unanswered(&items, &batch);
        for name in &absent {
            let message = format!("no answer of `{}` holds it; NULL stands in its place", part.method.name);
            report.warn("absent", format!("{}.{name}", planned.plan.table), message);
        }
        let batch = with_nulls(&batch, &absent)?;
        let rows = SessionRows { session: self, report };
        let returned = rows.returning(items, &part.resource.name, batch).await;
        match (returned, error) {
            (Ok(result), None) => Ok(result),
            (Ok(result), Some(error)) => Ok(result.with_failure(error)),
            (Err(_), Some(error)) => Err(error),
            (Err(error), None) => Err(error.with("calls", Summary::of(results).text())),
        }
    }
}

/// Plans RETURNING over no answers: what is wrong with it is better found before the calls than after them. Fields that the
/// document does not name are not known yet.
pub(super) async fn check_returning(rows: &SessionRows<'_>, planned: &Planned) -> Result<()> {
    for Part { method, resource, returning, .. } in &planned.parts {
        let Some(items) = returning else { continue };
        let nothing = answers_batch(method, &[])?;
        if unanswered(items, &nothing).is_empty() {
            rows.returning(items.clone(), &resource.name, nothing).await?;
        }
    }
    Ok(())
}

/// What EXEC gives without RETURNING: the columns that its method answers with.
fn item_columns(part: &Part) -> Result<Vec<ast::SelectItem>> {
    let columns = &part.method.response.columns;
    if columns.is_empty() {
        return match *crate::sql::parse_query("SELECT *")?.body {
            ast::SetExpr::Select(select) => Ok(select.projection),
            _ => Ok(Vec::new()),
        };
    }
    let item = |name: &str| ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(ast::Ident::with_quote('"', name)));
    Ok(columns.iter().filter(|column| !column.secret).map(|column| item(&column.name)).collect())
}

/// `3 calls done and waited for`, `3 calls done, 2 of them before; 1 waited for`.
fn done_text(planned: &Planned, results: &[CallResult]) -> String {
    let count = results.len();
    let noun = if count == 1 { "call" } else { "calls" };
    let before = results.iter().filter(|result| matches!(result, CallResult::DoneBefore)).count();
    let is_waited = |at: usize| planned.part_of(at).is_some_and(|part| part.wait.is_some());
    let done_now = results.iter().enumerate().filter(|(_, result)| matches!(result, CallResult::Done(_)));
    let waited = done_now.filter(|(at, _)| is_waited(*at)).count();
    let before = if before == 0 { String::new() } else { format!(", {before} of them before") };
    match waited {
        0 => format!("{count} {noun} done{before}"),
        all if all == count => format!("{count} {noun} done and waited for"),
        some => format!("{count} {noun} done{before}; {some} waited for"),
    }
}

fn no_journal_chosen() -> Error {
    Error::new(ErrorKind::Unsupported, "a write is noted in a journal, and the engine has no place for one")
        .hint("nothing was sent; give `EngineBuilder::state_dir` a directory, or say `no_journal`")
}

fn unknown_before() -> Error {
    Error::new(ErrorKind::Partial, "nobody knows whether the API did this call: it was sent before and not answered")
        .with("state", "unknown")
}

/// Names each call that is unknown, and each that failed beside the one whose error it is.
fn named_calls(error: Error, planned: &Planned, results: &[CallResult]) -> Error {
    const MOST: usize = 20;
    let calls = || results.iter().zip(&planned.plan.calls).enumerate();
    let is_unknown = |result: &CallResult| matches!(result, CallResult::Unknown(_) | CallResult::HalfDone(..));
    let unknown = calls().filter(|(_, (result, _))| is_unknown(result));
    let unknown = unknown.map(|(at, (_, call))| format!("call {}: {}", at + 1, call.request));
    let failures = calls().filter_map(|(at, (result, call))| match result {
        CallResult::Failed(error) => Some(format!("call {}: {}: {}", at + 1, call.request, error.message())),
        _ => None,
    });
    let failures: Vec<String> = failures.collect();
    let mut error = error;
    // One alone is the error itself.
    if failures.len() > 1 {
        let more = failures.len().saturating_sub(MOST);
        let mut said = failures[..failures.len() - more].join("; ");
        if more > 0 {
            said = format!("{said}; and {more} more: `SHOW JOURNAL`");
        }
        error = error.with("failed", said);
    }
    let unknown: Vec<String> = unknown.collect();
    if unknown.is_empty() { error } else { error.with("unknown", unknown.join("; ")) }
}
