//! Facts about the session: settings, the last report, the journal, the user's own views and tables.

use std::sync::Arc;

use super::cells::{Cell, Row, count, maybe, text};
use super::definitions::{Definition, definitions};
use crate::engine::journal::{blocking, journal_rows};
use crate::engine::own;
use crate::engine::planner::{OwnColumn, Planner};
use crate::error::Result;
use crate::provider::Registry;
use crate::report::{Report, Verdict};
use crate::sql::OwnKind;

/// What the tables of facts are made from.
#[derive(Debug)]
pub(super) struct SessionFacts {
    pub(super) planner: Arc<Planner>,
    own: Vec<own::Listed>,
    own_columns: Vec<OwnColumn>,
}

impl SessionFacts {
    /// Gathers what the rows of a table need beside documents.
    ///
    /// # Errors
    /// `InvalidArgument` when the data directory cannot be read.
    pub(super) async fn gather(planner: Arc<Planner>, definition: &Definition) -> Result<Self> {
        let (mut own, mut own_columns) = (Vec::new(), Vec::new());
        if definition.about_own {
            let objects = Arc::clone(&planner.own);
            own = blocking(move || objects.list()).await?;
        }
        if definition.schema == super::INFORMATION_SCHEMA && definition.name == "columns" {
            own_columns = planner.own_columns().await?;
        }
        Ok(Self { planner, own, own_columns })
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.planner.engine.core().registry
    }

    /// The report of the statement that asks, for warnings.
    pub(super) fn report(&self) -> &Report {
        &self.planner.report
    }
}

pub(super) fn settings(facts: &SessionFacts) -> Vec<Row> {
    let listed = facts.planner.settings.list().into_iter();
    listed.map(|(name, value, meaning)| vec![text(name), text(value), text(meaning)]).collect()
}

pub(super) fn warnings(facts: &SessionFacts) -> Vec<Row> {
    let seen = &facts.planner.last;
    let row = |level: &str, code: &str, subject: Cell, n: u64, message: &str| {
        vec![text(level), text(code), subject, count(n), text(message)]
    };
    let mut rows: Vec<Row> =
        seen.warnings.iter().map(|w| row("warning", w.code, text(&w.subject), w.count, &w.message)).collect();
    if seen.not_found > 0 {
        let message = "keys for which the API has no object gave no row";
        rows.push(row("note", "not_found", Cell::Null, seen.not_found, message));
    }
    for part in seen.parts.iter().filter(|part| part.verdict == Verdict::Truncated) {
        let subject = if part.part.is_empty() { part.table.clone() } else { format!("{}: {}", part.table, part.part) };
        rows.push(row("note", "truncated", text(subject), 1, &part.reason));
    }
    rows
}

pub(super) fn last_report(facts: &SessionFacts) -> Vec<Row> {
    let seen = &facts.planner.last;
    vec![vec![
        text(seen.verdict().name()),
        count(seen.rows),
        count(seen.calls),
        count(seen.retries),
        count(seen.bytes),
        count(seen.misfits),
        count(seen.not_found),
        count(seen.part_count),
        count(seen.warnings.len()),
        count(seen.waited.as_millis()),
        seen.first_row.map_or(Cell::Null, |first| count(first.as_millis())),
        count(seen.elapsed.as_millis()),
    ]]
}

pub(super) fn journal(facts: &SessionFacts) -> Result<Vec<Row>> {
    let Some(dir) = facts.planner.engine.writes().state_dir() else { return Ok(Vec::new()) };
    let rows = journal_rows(dir, usize::MAX, facts.report())?;
    Ok(rows.into_iter().map(|row| row.into_iter().map(maybe).collect()).collect())
}

pub(super) fn own_objects(facts: &SessionFacts) -> Vec<Row> {
    let rows = facts.own.iter().map(|object| {
        vec![
            text(&object.name),
            text(object.kind.name()),
            Cell::Bool(object.temporary),
            maybe(object.taken.as_deref()),
            maybe(object.verdict.as_deref()),
            maybe(object.sql.as_deref()),
            maybe(object.error.as_deref()),
        ]
    });
    rows.collect()
}

const SCHEMAS: [&str; 3] = [own::SCHEMA, super::SKYQL, super::INFORMATION_SCHEMA];

pub(super) fn standard_schemata(_: &SessionFacts) -> Vec<Row> {
    SCHEMAS.iter().map(|schema| vec![text(own::CATALOG), text(*schema)]).collect()
}

pub(super) fn standard_tables(facts: &SessionFacts) -> Vec<Row> {
    let row = |schema: &str, name: &str, kind: &str| vec![text(own::CATALOG), text(schema), text(name), text(kind)];
    let own = facts.own.iter().map(|object| {
        let kind = if object.kind == OwnKind::View { "VIEW" } else { "BASE TABLE" };
        row(own::SCHEMA, &object.name, kind)
    });
    own.chain(definitions().iter().map(|known| row(known.schema, known.name, "SYSTEM VIEW"))).collect()
}

pub(super) fn standard_views(facts: &SessionFacts) -> Vec<Row> {
    let views = facts.own.iter().filter(|object| object.kind == OwnKind::View);
    views
        .map(|view| vec![text(own::CATALOG), text(own::SCHEMA), text(&view.name), maybe(view.sql.as_deref())])
        .collect()
}

pub(super) fn standard_columns(facts: &SessionFacts) -> Vec<Row> {
    let row = |schema: &str, table: &str, column: &str, at: usize, kind: &str| {
        vec![
            text(own::CATALOG),
            text(schema),
            text(table),
            text(column),
            count(at),
            Cell::Null,
            text("YES"),
            text(kind),
        ]
    };
    let own = facts.own_columns.iter();
    let own = own.map(|column| row(own::SCHEMA, &column.table, &column.name, column.position, &column.sql_type));
    let ours = definitions().iter().flat_map(|known| {
        let columns = known.columns.iter().enumerate();
        columns.map(move |(at, (name, kind))| row(known.schema, known.name, name, at + 1, kind.sql_name()))
    });
    own.chain(ours).collect()
}
