//! The calls of a whole plan, as far as they are known before the first of them.
//!
//! An operator counts where it is surely read, and all of its calls where all of its rows are: not behind a LIMIT, and not on
//! the side of a join that nobody reads where the other one is empty. Equal requests are made once, and count once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::InputOrderMode;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::sorts::sort::SortExec;

use super::exec::CallExec;
use super::explained::{Expected, ExplainedScan};
use super::table::StatementContext;
use crate::error::{Error, ErrorKind, Result};

/// How an operator is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// To its end.
    Whole,
    /// Surely, but perhaps not to its end.
    Begun,
    /// Perhaps.
    Perhaps,
}

impl Reading {
    /// The same up to a limit, if there is one.
    pub(super) fn until(self, fetch: Option<usize>) -> Self {
        match (self, fetch) {
            (_, Some(0)) => Self::Perhaps,
            (Self::Whole, Some(_)) => Self::Begun,
            (other, _) => other,
        }
    }

    /// How what is read is read by whoever needs all of it before its first row.
    fn to_the_end(self) -> Self {
        if self == Self::Perhaps { self } else { Self::Whole }
    }

    /// How one of several inputs is read, all of which are read side by side, or one after the other.
    fn of_several(self) -> Self {
        if self == Self::Whole { self } else { Self::Perhaps }
    }
}

/// The scans of a plan, as EXPLAIN tells of them.
pub fn explained_scans(plan: &Arc<dyn ExecutionPlan>, statement: &StatementContext) -> Vec<ExplainedScan> {
    let mut scans = Vec::new();
    walk(plan, Reading::Whole, &mut |scan, reading| scans.push(scan.explained(statement, reading)));
    scans
}

/// The calls of scans together.
pub fn calls_in_all(scans: &[ExplainedScan]) -> Expected {
    let mut known: HashMap<_, Expected> = HashMap::new();
    let mut others = Vec::new();
    for (key, calls) in scans.iter().flat_map(|scan| &scan.asks) {
        let Some(key) = key else {
            others.push(*calls);
            continue;
        };
        match known.entry(key) {
            Entry::Occupied(mut known) => *known.get_mut() = known.get().or(*calls),
            Entry::Vacant(new) => drop(new.insert(*calls)),
        }
    }
    Expected::sum(known.into_values().chain(others))
}

/// Refuses a plan that surely needs more calls than its statement has left, before the first of them.
///
/// # Errors
/// `Budget`.
pub fn check_calls(plan: &Arc<dyn ExecutionPlan>, statement: &StatementContext) -> Result<()> {
    // What is known is not much of what most statements may do.
    let mut sets = 0_u64;
    walk(plan, Reading::Whole, &mut |scan, _| sets = sets.saturating_add(scan.sets()));
    if over_budget("the statement", sets, statement).is_none() {
        return Ok(());
    }
    let calls = calls_in_all(&explained_scans(plan, statement));
    over_budget("the statement", calls.min, statement).map_or(Ok(()), Err)
}

/// The error of what needs more calls than its statement has left; none where it does not.
pub fn over_budget(what: &str, calls: u64, statement: &StatementContext) -> Option<Error> {
    let (most, made) = (statement.settings.max_calls, statement.report.calls());
    let enough = made.saturating_add(calls);
    if enough <= most {
        return None;
    }
    let noun = if calls == 1 { "call" } else { "calls" };
    let after = if made == 0 { String::new() } else { format!(" after {made}") };
    let said = format!("{what} needs {calls} {noun} or more{after}, and `max_calls` is {most}");
    Some(Error::new(ErrorKind::Budget, said).hint(format!("`SET max_calls = {enough}` allows as many")))
}

fn walk(plan: &Arc<dyn ExecutionPlan>, reading: Reading, visit: &mut dyn FnMut(&CallExec, Reading)) {
    if let Some(scan) = plan.downcast_ref::<CallExec>() {
        visit(scan, reading);
    }
    let reading = reading.until(plan.fetch());
    for (at, child) in plan.children().into_iter().enumerate() {
        let reading = match plan.name() {
            _ if plan.downcast_ref::<SortExec>().is_some() => reading.to_the_end(),
            "AggregateExec" if plan.fetch().is_none() && takes_all(plan) => reading.to_the_end(),
            // The left side is there before the first row of the right one is asked for.
            "HashJoinExec" | "NestedLoopJoinExec" | "CrossJoinExec" if at == 0 => reading.to_the_end(),
            // Behind its first input are those of which it takes one value each.
            "ScalarSubqueryExec" | "RecursiveQueryExec" if at == 0 => reading,
            "ScalarSubqueryExec" => reading.to_the_end(),
            "UnionExec" | "InterleaveExec" => reading.of_several(),
            _ if plan.children().len() == 1 => reading,
            _ => Reading::Perhaps,
        };
        walk(child, reading, visit);
    }
}

/// Whether an aggregate gives nothing before it has all of its input.
fn takes_all(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<AggregateExec>()
        .is_some_and(|aggregate| *aggregate.input_order_mode() == InputOrderMode::Linear)
}
