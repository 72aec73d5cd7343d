//! A statement → its calls, all of them, before any is sent.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use sqlparser::ast;

use super::wait::{Wait, check_can_wait};
use super::{change, exec, insert};
use crate::bind::{Predicate, Table, literal_text};
use crate::call::{Endpoints, ReadContext, ShownRequest, destination, show_request, token_needed};
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::provider::{Call, Effect, Method, Registry, Resource, secrets_of};
use crate::report::{Report, Verdict};
use crate::sql::{Verb, Write};
use crate::store::{Look, PlanPart, PlannedCall, Target, WritePlan, sha256_hex};
use crate::threads::off_thread;

/// Rows that a query gave, to its end.
#[derive(Debug, Clone, Default)]
pub struct SourceRows {
    /// The columns' names.
    pub names: Vec<String>,
    /// The rows; objects and arrays stand as JSON text, as SQL has them.
    pub rows: Vec<Vec<Value>>,
}

/// What runs queries: the rows of a write come from it.
pub trait RowSource: Send + Sync {
    /// Runs a query to its end. What happens is told to the statement's report.
    ///
    /// # Errors
    /// As running the query by itself.
    fn rows(&self, query: ast::Query) -> BoxFuture<'_, Result<SourceRows>>;

    /// The conjuncts that `selection` comes to on `table` after planning; `None` when it is more than predicates on that
    /// table.
    ///
    /// # Errors
    /// As planning a query, where it cannot be planned over that table alone.
    fn conjuncts<'a>(
        &'a self,
        table: Arc<Table>,
        alias: &'a str,
        selection: ast::Expr,
    ) -> BoxFuture<'a, Result<Option<Vec<Predicate>>>>;

    /// The columns of its one table that a query reads; of what its subqueries name, only what means that table.
    ///
    /// # Errors
    /// As planning the query.
    fn columns_read(&self, query: ast::Query) -> BoxFuture<'_, Result<Vec<String>>>;

    /// How long these functions give the same: the one that does so for the shortest time decides.
    ///
    /// # Errors
    /// `Internal`.
    fn lasting(&self, functions: &[String]) -> Result<Lasting>;
}

/// How long a function gives the same for the same arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasting {
    /// It gives another value each time: `uuid()`.
    Never,
    /// As long as a statement runs: `now()`.
    Statement,
    /// Always.
    Always,
}

/// What planning needs.
pub struct PlanContext<'a> {
    /// The provider documents.
    pub registry: Arc<Registry>,
    /// Where providers are.
    pub endpoints: &'a Endpoints,
    /// The session's settings.
    pub settings: &'a Settings,
    /// The statement's report.
    pub report: &'a Report,
    /// Time, for the report.
    pub clock: &'a SharedClock,
    /// What runs queries.
    pub source: &'a dyn RowSource,
    /// Whether calls that change something are refused.
    pub read_only: bool,
}

/// A write, ready to be sent: one statement, or the statements of a transaction.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What will be sent, and what it was planned from.
    pub plan: WritePlan,
    /// What the documents say of each of the plan's parts.
    pub parts: Vec<Part>,
}

/// What the documents say of one statement.
#[derive(Debug, Clone)]
pub struct Part {
    /// The verb.
    pub verb: Verb,
    /// The method of all its calls.
    pub method: Arc<Method>,
    /// The resource.
    pub resource: Arc<Resource>,
    /// What is wanted back.
    pub returning: Option<Vec<ast::SelectItem>>,
    /// Origins to which the credential may go, where a document on disk takes the place of a shipped one.
    pub restricted: Option<Vec<String>>,
    /// How what its calls start is waited for, where it is.
    pub wait: Option<Arc<Wait>>,
}

impl Part {
    /// Whether anything is changed: an EXEC may call a method that only reads.
    pub fn changes(&self) -> bool {
        self.verb != Verb::Exec || self.method.effect != Effect::Read
    }

    /// Whether objects are removed.
    pub fn deletes(&self) -> bool {
        self.verb == Verb::Delete || self.method.effect == Effect::Delete
    }

    /// Whether its calls should say which object they are about: what is removed, and what is changed where there are
    /// several. An account's settings are one thing, without a key.
    fn is_of_objects(&self) -> bool {
        let has_keys = self.resource.keys.as_ref().is_some_and(|keys| keys.declared);
        self.deletes() || (has_keys && matches!(self.verb, Verb::Update | Verb::Replace))
    }
}

impl Planned {
    /// One statement's calls.
    pub(super) fn statement(part: Part, table: String, calls: Vec<PlannedCall>, look: Option<Look>) -> Self {
        let text = |items: &Vec<ast::SelectItem>| items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let verb = part.verb.name().to_owned();
        let returning = part.returning.as_ref().map(text);
        let planned = PlanPart { verb: verb.clone(), calls: calls.len(), look, returning, awaits: false };
        let plan = WritePlan { verb, table, parts: vec![planned], calls, targets: Vec::new() };
        Self { plan, parts: vec![part] }
    }

    /// The calls of several statements, one after the other: a transaction.
    pub fn transaction(statements: Vec<Self>) -> Self {
        let mut tables: Vec<String> = Vec::new();
        let mut plan = WritePlan {
            verb: COMMIT.to_owned(),
            table: String::new(),
            parts: Vec::new(),
            calls: Vec::new(),
            targets: Vec::new(),
        };
        let mut parts = Vec::new();
        for statement in statements {
            plan.parts.extend(statement.plan.parts);
            plan.calls.extend(statement.plan.calls);
            parts.extend(statement.parts);
            for target in statement.plan.targets {
                if !plan.targets.contains(&target) {
                    plan.targets.push(target);
                }
            }
            if !tables.contains(&statement.plan.table) {
                tables.push(statement.plan.table);
            }
        }
        plan.table = tables.join(", ");
        Self { plan, parts }
    }

    /// Whether anything is changed.
    pub fn changes(&self) -> bool {
        self.parts.iter().any(Part::changes)
    }

    /// Whether objects are removed.
    pub fn deletes(&self) -> bool {
        self.parts.iter().any(Part::deletes)
    }

    /// Whether anything is waited for.
    pub fn waits(&self) -> bool {
        self.parts.iter().any(|part| part.wait.is_some())
    }

    /// The parts, each with the numbers of its calls, from 0.
    pub fn ranges(&self) -> impl Iterator<Item = (Range<usize>, &Part)> {
        let counts = self.plan.parts.iter().map(|part| part.calls);
        let ends = counts.scan(0, |end, calls| {
            let start = *end;
            *end += calls;
            Some(start..*end)
        });
        ends.zip(&self.parts)
    }

    /// The part that a call, counted from 0, belongs to.
    pub fn part_of(&self, call: usize) -> Option<&Part> {
        self.ranges().find(|(range, _)| range.contains(&call)).map(|(_, part)| part)
    }

    /// Calls that remove or change something and do not say which one object: nobody knows how many they are about.
    pub fn sweeps(&self) -> bool {
        self.ranges().any(|(range, part)| {
            let calls = self.plan.calls.get(range).unwrap_or_default();
            part.is_of_objects() && calls.iter().any(|step| !names_one(part, step))
        })
    }

    /// How many calls it takes at least to send those for which `wanted` says so: what is waited for needs another one
    /// per call, and so does a file that goes where the answer says.
    fn calls_needed(&self, wanted: impl Fn(usize) -> bool) -> u64 {
        let needed = |(range, part): (Range<usize>, &Part)| {
            let steps = self.plan.calls.get(range.clone()).unwrap_or_default();
            let steps = range.zip(steps).filter(|(at, _)| wanted(*at));
            let calls = steps.map(|(_, step)| {
                let uploads = part.method.upload.is_some() && !step.call.files.is_empty();
                1 + u64::from(part.wait.is_some()) + u64::from(uploads)
            });
            calls.sum::<u64>()
        };
        self.ranges().map(needed).fold(0, u64::saturating_add)
    }
}

/// Refuses a write that could not be sent to its end: half of it is worse than none.
///
/// # Errors
/// `Budget`, when the calls for which `wanted` says so are more than `max_calls` leaves.
pub fn check_budget(
    settings: &Settings,
    report: &Report,
    planned: &Planned,
    wanted: impl Fn(usize) -> bool,
) -> Result<()> {
    check_needed(planned.calls_needed(wanted), "", settings, report)
}

/// As [`check_budget`], just before the first call is sent: tokens that must be asked for first are calls, too.
///
/// # Errors
/// As there.
pub fn check_budget_with_tokens(
    context: &ReadContext,
    planned: &Planned,
    wanted: impl Fn(usize) -> bool + Copy,
) -> Result<()> {
    let token_of = |(range, part): (Range<usize>, &Part)| {
        let step = planned.plan.calls.get(range.into_iter().find(|at| wanted(*at))?)?;
        token_needed(context, &part.method, &step.call, part.restricted.as_deref())
    };
    let tokens = planned.ranges().filter_map(token_of).collect::<BTreeSet<_>>().len() as u64;
    let of_them = match tokens {
        0 => "",
        1 => ", one of them for a token",
        _ => ", some of them for tokens",
    };
    check_needed(planned.calls_needed(wanted).saturating_add(tokens), of_them, &context.settings, &context.report)
}

fn check_needed(needed: u64, of_them: &str, settings: &Settings, report: &Report) -> Result<()> {
    let most = settings.max_calls.saturating_sub(report.calls());
    if needed <= most {
        return Ok(());
    }
    let said = format!("the statement needs {needed} more calls{of_them}, and `max_calls` leaves {most}");
    let hint = format!("nothing was sent; `SET max_calls = {}` allows it", report.calls() + needed);
    Err(Error::new(ErrorKind::Budget, said).hint(hint))
}

/// Whether a call is about one object: it gives all that the resource's keys name, or its path ends in a parameter.
/// A parent's parameter alone (`DELETE /domains/{domainId}/records`) names all that the parent holds.
fn names_one(part: &Part, step: &PlannedCall) -> bool {
    let declared = part.resource.keys.as_ref().filter(|keys| keys.declared && !keys.columns.is_empty());
    let is_one = |value: Option<&Value>| value.is_some_and(|value| !value.is_null() && !value.is_array());
    if declared.is_some_and(|keys| keys.columns.keys().all(|name| is_one(step.identity.get(name)))) {
        return true;
    }
    part.method.last_in_path().is_some_and(|last| is_one(step.call.arguments.get(&last.name)))
}

/// The verb of a plan of several statements.
pub(super) const COMMIT: &str = "COMMIT";

/// Plans a write: sends what reading its rows needs, and nothing that changes anything.
///
/// # Errors
/// Everything that can be wrong with the statement; `Partial` when the rows it is about are not known to be all or a
/// value among them did not fit.
pub async fn plan(context: &PlanContext<'_>, write: Write) -> Result<Planned> {
    if context.read_only && !matches!(write, Write::Exec(_)) {
        return Err(only_reads(write.verb()));
    }
    let awaits = write.awaits();
    if awaits {
        check_can_wait(context, &write).await?;
    }
    let mut planned = match write {
        Write::Insert(statement) => insert::plan(context, statement).await?,
        Write::Change(statement) => change::plan(context, statement).await?,
        Write::Exec(statement) => exec::plan(context, statement).await?,
    };
    check_allowed(context, &planned)?;
    if let (Some(part), Some(planned_part)) = (planned.parts.first_mut(), planned.plan.parts.first_mut()) {
        part.wait = Wait::of(context, part, planned.plan.calls.first(), awaits).await?.map(Arc::new);
        // A stored plan waits as well.
        planned_part.awaits = part.wait.is_some();
    }
    give_keys(&mut planned)?;
    let calls = planned.plan.calls.len() as u64;
    check_budget(context.settings, context.report, &planned, |_| true)?;
    // Every request is built once: what cannot be sent is found before the first one is.
    let Some(Part { method, restricted, .. }) = planned.parts.first() else { return Ok(planned) };
    let restricted = restricted.as_deref();
    for (at, step) in planned.plan.calls.iter_mut().enumerate() {
        let shown = show_request(context.endpoints, method, &step.call).map_err(|error| of_row(error, at, calls))?;
        (step.request, step.digest) = (request_line(&shown), request_digest(&shown));
        let goes = destination(context.endpoints, method, &step.call, restricted)?;
        let target = Target { provider: step.call.provider.clone(), origin: goes.origin, credential: goes.credential };
        if !planned.plan.targets.contains(&target) {
            planned.plan.targets.push(target);
        }
    }
    Ok(planned)
}

/// Gives each call whose API knows calls by a key one of its own, where the statement gave it none.
///
/// # Errors
/// `InvalidArgument` when two calls have the same: the API would do the first one only, and answer as if it had done both.
fn give_keys(planned: &mut Planned) -> Result<()> {
    let Planned { plan, parts } = planned;
    let Some(method) = parts.first().map(|part| &part.method) else { return Ok(()) };
    let Some(key) = &method.idempotency_key else { return Ok(()) };
    let mut seen = HashSet::new();
    for step in &mut plan.calls {
        if key.of(&step.call).is_none() {
            key.give(&mut step.call, uuid::Uuid::new_v4().to_string());
        }
        step.idempotency_key = key.of(&step.call).map(literal_text);
        if let Some(given) = &step.idempotency_key
            && !seen.insert(given.clone())
        {
            let message = format!("two calls have the `{}` `{given}`", key.parameter);
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .hint("the API would do the first of them only; leave it out, and each call gets its own"));
        }
    }
    Ok(())
}

/// A request's method and URL, and what becomes of a file.
pub(super) fn request_line(shown: &ShownRequest) -> String {
    let line = format!("{} {}", shown.method, shown.url);
    shown.then.as_ref().map_or_else(|| line.clone(), |then| format!("{line}, {then}"))
}

/// What a plan holds of a request, to know it again: all of it, as it is shown.
pub(super) fn request_digest(shown: &ShownRequest) -> String {
    let ShownRequest { method, url, headers, body, then } = shown;
    // As JSON, so that no part can run into the next.
    sha256_hex(serde_json::json!([method, url, headers, body, then]).to_string().as_bytes())
}

/// Refuses what changes something where that is not allowed.
///
/// # Errors
/// `Unsupported`.
pub(super) fn check_allowed(context: &PlanContext<'_>, planned: &Planned) -> Result<()> {
    match planned.parts.iter().find(|part| part.changes()) {
        Some(part) if context.read_only => Err(only_reads(part.verb)),
        _ => Ok(()),
    }
}

fn only_reads(verb: Verb) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{} changes something, and this session only reads", verb.name()))
        .hint("nothing was sent; leave out `--read-only`")
}

/// A call of a plan, without its request's text.
pub(super) fn planned_call(
    method: &Method,
    call: Call,
    identity: BTreeMap<String, Value>,
    before: Option<BTreeMap<String, Value>>,
) -> PlannedCall {
    let secrets = secrets_of(method, &call);
    PlannedCall {
        call,
        effect: method.effect,
        request: String::new(),
        digest: String::new(),
        identity,
        before,
        secrets,
        idempotency_key: None,
    }
}

/// Says which row an error is about, where there are several.
pub(super) fn of_row(error: Error, at: usize, rows: u64) -> Error {
    if rows > 1 { error.with("row", (at + 1).to_string()) } else { error }
}

/// A resource by its name as written.
pub(super) struct Found {
    pub(super) provider: String,
    pub(super) service: String,
    pub(super) resource: Arc<Resource>,
    pub(super) restricted: Option<Vec<String>>,
}

impl Found {
    pub(super) fn id(&self) -> String {
        format!("{}.{}.{}", self.provider, self.service, self.resource.name)
    }

    pub(super) fn call(&self, method: &Method) -> Call {
        Call {
            provider: self.provider.clone(),
            service: self.service.clone(),
            resource: self.resource.name.clone(),
            method: method.name.clone(),
            ..Call::default()
        }
    }
}

/// Finds the resource that the first three parts of `name` mean.
pub(super) async fn find(context: &PlanContext<'_>, name: &[ast::Ident]) -> Result<Found> {
    let registry = Arc::clone(&context.registry);
    let parts: Vec<String> = name.iter().take(3).map(|ident| ident.value.clone()).collect();
    let place = name.first().map(|ident| ident.span.start);
    let found = off_thread("reading documents", move || {
        let part = |at: usize| parts.get(at).map_or("", String::as_str);
        let (provider, service) = registry.spelled(part(0), part(1))?;
        let resource = registry.resource(&provider, &service, part(2))?;
        let restricted = registry.is_shadowing(&provider);
        Ok(Found { provider, service, resource, restricted })
    })
    .await?;
    found.map_err(|error: Error| match place.filter(|place| place.line > 0) {
        Some(place) => error.at(Position { line: place.line, column: place.column }),
        None => error,
    })
}

/// The method of a verb, with what `fits` makes of it: of those that fit, the one with the most required parameters, and
/// of equals the document's first.
///
/// # Errors
/// The only candidate's own error, or one that lists why each does not fit.
pub(super) fn choose<T>(
    id: &str,
    verb: Verb,
    methods: &[Arc<Method>],
    fits: impl Fn(&Arc<Method>) -> Result<T>,
) -> Result<(Arc<Method>, T)> {
    let mut best: Option<(Arc<Method>, T)> = None;
    let mut errors: Vec<Error> = Vec::new();
    for method in methods {
        match method.check_callable(id).and_then(|()| fits(method)) {
            Ok(fit) => {
                let needs = |method: &Method| method.needs().count();
                if best.as_ref().is_none_or(|(known, _)| needs(method) > needs(known)) {
                    best = Some((Arc::clone(method), fit));
                }
            }
            Err(error) => errors.push(error),
        }
    }
    match (best, errors.as_slice()) {
        (Some(best), _) => Ok(best),
        (None, []) => Err(Error::new(ErrorKind::Unsupported, format!("`{id}` has no method for {}", verb.name()))
            .hint(format!("`SHOW METHODS IN {id}` lists what it can do"))),
        (None, [only]) => Err(only.clone()),
        (None, several) => {
            let said: Vec<&str> = several.iter().map(Error::message).collect();
            Err(Error::new(ErrorKind::MissingParameter, format!("no method fits this {} of `{id}`", verb.name()))
                .hint(said.join("; ")))
        }
    }
}

/// Refuses rows that may not be all, or not what the API holds.
///
/// # Errors
/// `Partial` with the reason.
pub(super) fn check_whole(context: &PlanContext<'_>, rows: &[Vec<Value>]) -> Result<()> {
    let seen = context.report.snapshot(context.clock.now());
    let refuse = |why: String| -> Result<()> {
        Err(Error::new(ErrorKind::Partial, format!("nothing was written: {why}"))
            .hint("a write needs rows that are known to be all, and whole"))
    };
    // What the user's own LIMIT left out was not asked for.
    if seen.verdict() > Verdict::Truncated {
        let part = seen.parts.iter().find(|part| part.verdict == seen.verdict());
        let subject = part.map_or(String::new(), |part| format!(" ({}: {})", part.table, part.reason));
        return refuse(format!("the rows it is about are {}{subject}", seen.verdict()));
    }
    // Values that stand for others: NULL for what did not fit or was not answered, a field for a parameter of its name.
    let doubtful = seen
        .warnings
        .iter()
        .find(|warning| matches!(warning.code, "absent" | "shadowed" | "skipped" | "misfit" | "more"));
    if let Some(warning) = doubtful {
        let refused = refuse(format!("of `{}` it reads rows, and {}", warning.subject, warning.message));
        let is_absent = warning.code == "absent";
        return refused.map_err(|error| {
            if is_absent { error.hint("name one object by its key: its details hold more") } else { error }
        });
    }
    if seen.misfits > 0 {
        return refuse(format!("{} of the values it reads did not fit their columns", seen.misfits));
    }
    // Where no row is chosen, nothing is written.
    let unheld = if rows.is_empty() { None } else { context.report.tested_unheld() };
    unheld.map_or(Ok(()), |(table, field)| Err(unheld_field(&table, &field)))
}

/// The error of a write to rows that were chosen, or changed, by a field that none of them holds.
pub(super) fn unheld_field(table: &str, field: &str) -> Error {
    let message = format!(
        "nothing was written: it reads `{field}`, and no row that `{table}` answered says anything of it, be it `null`"
    );
    Error::new(ErrorKind::Partial, message)
        .hint("an API that leaves a field out may mean NULL, or may not tell it: look with SELECT, and name the objects by their key")
}
