//! One `tracing` span per statement: what it was, and at its end what came of it.
//!
//! The spans of its calls (`skyql::http`) are inside it. Its text is not told: it may hold a secret.

use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::report::QueryReport;
use crate::sql::Statement;

/// The span of a statement, not yet entered.
pub(super) fn statement_span(statement: &Statement) -> Span {
    span(match statement {
        Statement::Query(_) => "query",
        Statement::Write(_) => "write",
        Statement::Plan(_) | Statement::ExplainWrite(_) => "plan",
        Statement::Apply(_) => "apply",
        Statement::Resume(_) => "resume",
        Statement::Forget(_) => "forget",
        Statement::Begin => "begin",
        Statement::Commit => "commit",
        Statement::Rollback => "rollback",
        Statement::Show(_) | Statement::List(_) | Statement::Template(_) => "show",
        Statement::Define(_) => "define",
        Statement::Prepare { .. } => "prepare",
        Statement::Execute { .. } => "execute",
        Statement::Deallocate(_) => "deallocate",
        Statement::Copy(_) => "copy",
        Statement::Use(_) => "use",
        Statement::Describe(_) => "describe",
        Statement::Explain { .. } => "explain",
        Statement::Set { .. } => "set",
        Statement::Reset(_) => "reset",
    })
}

/// The span of a statement of this kind.
pub(super) fn span(kind: &'static str) -> Span {
    info_span!(
        target: "skyql::statement",
        "statement",
        kind,
        rows = Empty,
        calls = Empty,
        bytes = Empty,
        milliseconds = Empty,
        verdict = Empty,
        error = Empty,
    )
}

/// Says in the span what came of the statement.
pub(super) fn record_end(span: &Span, report: &QueryReport) {
    if span.is_disabled() {
        return;
    }
    span.record("rows", report.rows);
    span.record("calls", report.calls);
    span.record("bytes", report.bytes);
    span.record("milliseconds", u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX));
    span.record("verdict", tracing::field::display(report.verdict()));
}
