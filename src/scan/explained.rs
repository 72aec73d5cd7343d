//! What EXPLAIN says of a scan: the method, the calls expected, what becomes of each predicate, the time that the API's
//! limit implies.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use serde::Serialize;

use super::count::count_wants;
use super::exec::CallExec;
use super::foreseen::Reading;
use super::spec::ScanSpec;
use super::table::{ScanCore, StatementContext};
use super::wanted::Wanted;
use crate::bind::{ConjunctFate, literal_text};
use crate::call::{AnswerKey, ReadPlan, Wants, describe_request, first_request, known_length};
use crate::provider::{ItemShape, Method, PageKind};

/// How many calls, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// No fewer.
    pub min: u64,
    /// As many as pages of the usual length take, and the lists had that were read before; absent where nothing tells.
    pub likely: Option<u64>,
    /// No more, but for retries; absent where nothing tells.
    pub max: Option<u64>,
}

/// A predicate, and whether the API gets it.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedPredicate {
    /// As SQL; the values of secret columns stay hidden.
    pub text: String,
    /// `sent`, `sent and checked` or `checked`.
    pub fate: &'static str,
    /// Why the API does not get it.
    pub why: Option<String>,
}

/// A limit that the API's document publishes, and what it means for the calls expected.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedLimit {
    /// Requests allowed per period.
    pub requests: u64,
    /// The period.
    pub per_seconds: f64,
    /// How long the calls that are likely take at least.
    pub seconds: Option<f64>,
}

/// A scan, as EXPLAIN tells of it.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedScan {
    /// `provider.service.resource`.
    pub table: String,
    /// The method.
    pub method: String,
    /// `GET https://host/path/{parameter}`.
    pub template: String,
    /// The first request, where constants make it.
    pub request: Option<String>,
    /// Sets of constants: each is a call, or the first of its pages.
    pub sets: Option<u64>,
    /// Calls.
    pub calls: Expected,
    /// The same one by one, with what tells the request from others, where that is known.
    #[serde(skip)]
    pub(super) asks: Vec<(Option<AnswerKey>, Expected)>,
    /// What the API is told of conditions on fields, in its own words.
    pub filter: Option<String>,
    /// What becomes of an ORDER BY with a LIMIT: what the API is told of it, or why it is not.
    pub order: Option<String>,
    /// What becomes of an OFFSET.
    pub offset: Option<String>,
    /// The fields that the API is asked for, where they are not all.
    pub fields: Option<String>,
    /// Conjuncts of the WHERE clause on the table.
    pub predicates: Vec<ExplainedPredicate>,
    /// Parameters that the rows of another table give, one call per distinct key.
    pub join_keys: Vec<String>,
    /// The method that lists the table in place of calls per key, where that is fewer calls.
    pub listed_by: Option<String>,
    /// How pages follow one another.
    pub pages: String,
    /// The API's published limit.
    pub limit: Option<ExplainedLimit>,
}

impl ExplainedScan {
    /// Lines for people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("method: {} ({})", self.method, self.template)];
        match (self.sets, &self.request) {
            (Some(0), _) => lines.push("calls: none, the predicates contradict each other".to_owned()),
            (Some(1), Some(request)) => lines.push(format!("request: {request}")),
            (Some(n), Some(request)) => lines.push(format!("requests: {n}, the first {request}")),
            (Some(n), None) => lines.push(format!("requests: {n}")),
            (None, _) => {
                let keys = self.join_keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" and ");
                let listed = self.listed_by.as_ref().map(|method| format!(", or all by `{method}` if that is fewer"));
                lines.push(format!(
                    "requests: one per distinct {keys} of the other table{}",
                    listed.unwrap_or_default()
                ));
            }
        }
        let told =
            [("filter", &self.filter), ("order", &self.order), ("offset", &self.offset), ("fields", &self.fields)];
        lines.extend(told.iter().filter_map(|(what, said)| Some(format!("{what}: {}", said.as_ref()?))));
        for predicate in &self.predicates {
            let text = &predicate.text;
            lines.push(match (predicate.fate, &predicate.why) {
                ("sent", _) => format!("reaches the API: {text}"),
                ("checked", Some(why)) => format!("checked on the rows: {text} ({why})"),
                _ => format!("reaches the API and is checked on the rows: {text}"),
            });
        }
        lines.push(format!("pages: {}", self.pages));
        if self.sets != Some(0) {
            lines.push(format!("calls: {}", self.calls.text()));
        }
        if let Some(limit) = &self.limit {
            let seconds = limit.seconds.filter(|seconds| *seconds > 0.0);
            let implied = seconds.map(|seconds| format!(": {seconds} s or more")).unwrap_or_default();
            lines.push(format!("limit: {} requests in {} s{implied}", limit.requests, limit.per_seconds));
        }
        lines
    }
}

impl Expected {
    /// None at all.
    const NONE: Self = Self { min: 0, likely: Some(0), max: Some(0) };

    /// All together.
    pub(super) fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::NONE, Self::and)
    }

    /// What is expected of a request that two make, which is sent once.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        let both = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a.max(b));
        Self { min: self.min.max(other.min), likely: both(self.likely, other.likely), max: both(self.max, other.max) }
    }

    /// `3`, `1 to 20, likely 3`, `1 or more`.
    pub fn text(self) -> String {
        let bounds = match self.max {
            Some(max) if max == self.min => return max.to_string(),
            Some(max) => format!("{} to {max}", self.min),
            None => format!("{} or more", self.min),
        };
        match self.likely {
            Some(likely) => format!("{bounds}, likely {likely}"),
            None => bounds,
        }
    }

    /// Both.
    #[must_use]
    fn and(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a.saturating_add(b));
        Self {
            min: self.min.saturating_add(other.min),
            likely: sum(self.likely, other.likely),
            max: sum(self.max, other.max),
        }
    }
}

/// What is asked of an operator.
pub(super) struct Asked<'a> {
    /// The input that gives its keys, and the scan that lists the same rows.
    pub(super) other: Option<(&'a Arc<dyn ExecutionPlan>, Option<&'a ScanSpec>)>,
    /// No more rows than this.
    pub(super) fetch: Option<usize>,
    /// Which rows.
    pub(super) wanted: &'a Wanted,
    /// Whether only their number.
    pub(super) counts: bool,
    /// How it is read.
    pub(super) reading: Reading,
}

/// What there is to say of an operator.
pub(super) fn explained(
    core: &ScanCore,
    statement: &StatementContext,
    spec: &ScanSpec,
    asked: &Asked<'_>,
) -> ExplainedScan {
    let Asked { other, wanted, .. } = *asked;
    let spec = wanted.spec().unwrap_or(spec);
    let method = &spec.binding.method;
    let wants = spec.wants(statement);
    let wants = if asked.counts { count_wants(wants) } else { wanted.wants(asked.fetch, wants) };
    let plan = spec.read_plan(wants).ok();
    let example = || spec.calls(&[], 0).ok()?.into_iter().next();
    let request = match other {
        None => example().zip(plan.as_ref()),
        Some(_) => None,
    };
    let asks = match other {
        None => {
            let expected = constant_calls(core, statement, spec, plan.as_ref(), asked);
            let bound = spec.calls(&[], 0).unwrap_or_default();
            let mut keys = bound.iter().map(|(bound, _)| first_request(&core.endpoints, plan.as_ref()?, &bound.call));
            expected.into_iter().map(|calls| (keys.next().flatten(), calls)).collect()
        }
        Some((input, list)) => {
            let per_key = spec.binding.tuples.len() as u64;
            let by_key = expected_rows(core, statement, input).map(|rows| rows.saturating_mul(per_key));
            let all =
                Asked { other: None, fetch: None, wanted: &Wanted::All, counts: false, reading: Reading::Perhaps };
            let listed = list.and_then(|list| Expected::sum(constant_calls(core, statement, list, None, &all)).likely);
            let likely = by_key.map(|n| listed.map_or(n, |listed| n.min(listed)));
            vec![(None, Expected { min: 0, likely, max: None })]
        }
    };
    let calls = Expected::sum(asks.iter().map(|(_, calls)| *calls));
    let predicates = spec.conjuncts.iter().map(|(text, fate)| {
        let (fate, why) = match fate {
            ConjunctFate::Sent => ("sent", None),
            ConjunctFate::SentAndChecked => ("sent and checked", None),
            ConjunctFate::Checked(why) => ("checked", Some(why.clone())),
        };
        ExplainedPredicate { text: text.clone(), fate, why }
    });
    ExplainedScan {
        table: spec.table.id(),
        method: method.name.clone(),
        template: format!("{} {}", method.http_method.to_uppercase(), method.url_template()),
        request: request.and_then(|((bound, _), plan)| describe_request(&core.endpoints, plan, &bound.call).ok()),
        sets: other.is_none().then_some(spec.binding.tuples.len() as u64),
        calls,
        asks,
        filter: spec.filter(),
        order: wanted.order(),
        offset: wanted.offset(method),
        fields: plan.as_ref().and_then(ReadPlan::fields).map(|(key, names)| format!("{key}: {}", literal_text(names))),
        predicates: predicates.collect(),
        join_keys: spec.outer_columns().map(|bound| bound.parameter.clone()).collect(),
        listed_by: other.and_then(|(_, list)| list).map(|list| list.binding.method.name.clone()),
        pages: pages_text(method),
        limit: limit(method, calls),
    }
}

/// The calls of each of a scan's own sets of constants. Pages may be shorter than they were asked to be, and lists longer
/// than they were: only where each set is one call, there cannot be more.
fn constant_calls(
    core: &ScanCore,
    statement: &StatementContext,
    spec: &ScanSpec,
    plan: Option<&ReadPlan>,
    asked: &Asked<'_>,
) -> Vec<Expected> {
    let Asked { fetch, wanted, reading, .. } = *asked;
    let method = &spec.binding.method;
    let sets = spec.binding.tuples.len();
    // An answer that is kept may do.
    let is_sent = statement.settings.cache.is_zero();
    let min = |at: usize| match reading.until(fetch) {
        Reading::Whole => u64::from(is_sent),
        Reading::Begun => u64::from(is_sent && at == 0),
        Reading::Perhaps => 0,
    };
    let each = |likely: &dyn Fn(usize) -> Option<u64>, max| {
        (0..sets).map(|at| Expected { min: min(at), likely: likely(at), max }).collect::<Vec<_>>()
    };
    if asked.counts {
        return each(&|_| Some(1), None);
    }
    let single = matches!(method.pagination.kind, PageKind::Single | PageKind::Unknown)
        || method.response.items == ItemShape::Object;
    let Ok(calls) = spec.calls(&[], 0) else { return each(&|_| None, None) };
    let whole = spec.read_plan(Wants::default()).ok();
    let is_own = |plan: &ReadPlan| calls.iter().all(|(bound, _)| plan.is_own_page(&bound.call));
    if single || whole.as_ref().is_some_and(is_own) {
        return each(&|_| Some(1), Some(1));
    }
    let context = core.read_context(statement);
    let known = |at: usize| {
        let (bound, _) = calls.get(at)?;
        Some(known_length(&context, whole.as_ref()?, &bound.call)?.calls)
    };
    // So many rows fit into so many pages, where pages are as long as they are asked to be.
    let size = plan.and_then(ReadPlan::asked_page_size);
    let pages = |rows: u64, size: u64| rows.div_ceil(size.max(1)).max(1);
    let limit = plan.and_then(|plan| plan.limit);
    let limited = limit.zip(size).map(|(rows, size)| pages(rows, size));
    match wanted {
        // Where rows do not come in the order that was asked for, all are read.
        Wanted::First(_) => each(&|at| limited.map(|pages| known(at).map_or(pages, |known| known.min(pages))), None),
        // A look at the first page, then those that are wanted.
        _ if wanted.behind() > 0 && size.is_some() => each(&|_| limited.map(|pages| pages + 1), None),
        _ => match limited.filter(|_| sets == 1) {
            Some(pages) => each(&|at| Some(known(at).map_or(pages, |known| known.min(pages))), None),
            None => each(&known, None),
        },
    }
}

/// The rows that an input likely has, where lists that were read before tell.
fn expected_rows(core: &ScanCore, statement: &StatementContext, plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    /// Operators that leave the number of rows as it is.
    const SAME_ROWS: [&str; 5] =
        ["ProjectionExec", "CooperativeExec", "CoalesceBatchesExec", "CoalescePartitionsExec", "SortExec"];
    if let Some(scan) = plan.downcast_ref::<CallExec>() {
        return scan.expected_rows(core, statement);
    }
    match plan.children().as_slice() {
        [child] if SAME_ROWS.contains(&plan.name()) => expected_rows(core, statement, child),
        _ => None,
    }
}

/// The rows of a scan's own constants, where lists that were read before tell.
pub(super) fn constant_rows(core: &ScanCore, statement: &StatementContext, spec: &ScanSpec) -> Option<u64> {
    let plan = spec.read_plan(Wants::default()).ok()?;
    let context = core.read_context(statement);
    let calls = spec.calls(&[], 0).ok()?;
    calls.iter().try_fold(0_u64, |sum, (bound, _)| Some(sum + known_length(&context, &plan, &bound.call)?.rows?))
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn limit(method: &Method, calls: Expected) -> Option<ExplainedLimit> {
    let limit = method.rate_limit.as_ref()?;
    let (requests, per_seconds) = (limit.requests.filter(|n| *n > 0)?, limit.per_seconds?);
    let periods = |n: u64| (n.saturating_sub(1) / requests) as f64 * per_seconds;
    Some(ExplainedLimit { requests, per_seconds, seconds: calls.likely.or(calls.max).map(periods) })
}

fn pages_text(method: &Method) -> String {
    let pagination = &method.pagination;
    let total = match (&pagination.total, pagination.exact) {
        (Some(_), true) => ", the answer states its exact total",
        (Some(_), false) => ", the answer states its total",
        (None, _) => "",
    };
    let size = pagination.size.as_ref().and_then(|size| size.max);
    let size = size.map(|max| format!(", up to {max} rows each")).unwrap_or_default();
    let how = if pagination.declared { "" } else { " (inferred)" };
    match &pagination.kind {
        PageKind::Single => "one answer is everything".to_owned(),
        PageKind::Unknown => format!("not declared, one call{total}"),
        kind => format!("{}{how}{total}{size}", kind.name()),
    }
}
