//! CREATE, DROP and REFRESH of the user's own views and tables.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use sqlparser::ast::{self, Ident};

use super::Session;
use super::journal::blocking;
use super::own::{self, About, Object, Snapshot};
use super::planner::Planner;
use super::result::QueryResult;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::report::{QueryReport, Report, Verdict};
use crate::scan::from_datafusion;
use crate::sql::{self, Create, Define, OwnKind};
use crate::store::time_text;

impl Session {
    /// Runs a statement about the user's own views and tables.
    ///
    /// # Errors
    /// Of the query; `InvalidArgument` when the name is taken; `NameNotFound` when it is not there; `Partial` when the rows
    /// to keep are not all.
    pub(super) async fn define(&mut self, define: Define, report: Report) -> Result<QueryResult> {
        let planner = self.planner(&report);
        self.remember(&report);
        let said = match define {
            Define::Create(create) => self.create(&planner, create).await?,
            Define::Drop { kind, names, if_exists } => drop_all(&planner, kind, names, if_exists).await?,
            Define::Refresh(name) => self.refresh(&planner, &name).await?,
        };
        Ok(QueryResult::command(&said, report, self.clock()))
    }

    async fn create(&self, planner: &Planner, create: Create) -> Result<String> {
        let Create { kind, name, replace, if_not_exists, temporary, columns, query } = create;
        let (own, wanted) = (Arc::clone(&planner.own), name.clone());
        // Something of the session may stand before what is kept.
        let there = blocking(move || {
            if temporary { Ok(own.temporary_kind(&wanted).map(|kind| (kind, true))) } else { own.kind(&wanted) }
        });
        if let Some((known, is_temporary)) = there.await? {
            if if_not_exists {
                return Ok(format!("{} `{name}` is there already", known.name()));
            }
            if !replace {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("{} `{name}` already exists", known.name()),
                )
                .hint("CREATE OR REPLACE takes its place"));
            }
            if known != kind {
                return Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` is a {}", known.name()))
                    .hint(format!("`DROP {} {name}` first", known.name().to_uppercase())));
            }
            if is_temporary && !temporary && planner.own.keeps() {
                return Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` is temporary"))
                    .hint(format!("`DROP {} {name}` first, or say TEMPORARY", known.name().to_uppercase())));
            }
        }
        let query = with_columns(whole_names(planner, *query).await?, &name, &columns);
        let sql = query_text(&query)?;
        let object = if kind == OwnKind::View {
            // What is wrong with it is better known now.
            planner.making(&name).plan_view(&name, &sql).await?;
            Object::View(sql)
        } else {
            let statement = ast::Statement::Query(Box::new(query));
            Object::Rows(Arc::new(self.snapshot(planner, statement, sql, kind).await?))
        };
        let said = match &object {
            Object::View(_) => format!("{} `{name}` is made", kind.name()),
            Object::Rows(_) if planner.own.is_trial() => planned_said(kind, &name),
            Object::Rows(snapshot) => rows_said(kind, &name, snapshot),
        };
        let own = Arc::clone(&planner.own);
        blocking(move || own.put(&name, object, temporary)).await?;
        Ok(said)
    }

    async fn refresh(&self, planner: &Planner, name: &str) -> Result<String> {
        let (own, wanted) = (Arc::clone(&planner.own), name.to_owned());
        let (name, found, temporary) = blocking(move || {
            let names = own.names()?;
            let name = own::spelled(&names, &wanted).ok_or_else(|| missing(&names, OwnKind::Materialized, &wanted))?;
            let temporary = own.kind(name)?.is_some_and(|(_, temporary)| temporary);
            Ok((name.to_owned(), own.find(name)?, temporary))
        })
        .await?;
        let sql = match found {
            Some(Object::Rows(snapshot)) if snapshot.about.kind == OwnKind::Materialized => snapshot.about.sql.clone(),
            found => {
                let kind = if matches!(found, Some(Object::View(_))) { OwnKind::View } else { OwnKind::Table };
                return Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` is a {}", kind.name()))
                    .hint("only a materialized view is refreshed"));
            }
        };
        let query = ast::Statement::Query(Box::new(sql::parse_query(&sql)?));
        // Its names are whole, whatever USE says now.
        let planner = planner.without_use();
        let snapshot = self.snapshot(&planner, query, sql, OwnKind::Materialized).await?;
        if planner.own.is_trial() {
            // The rows that it has are as good as any.
            return Ok(planned_said(OwnKind::Materialized, &name));
        }
        let said = rows_said(OwnKind::Materialized, &name, &snapshot);
        let own = Arc::clone(&planner.own);
        blocking(move || own.put(&name, Object::Rows(Arc::new(snapshot)), temporary)).await?;
        Ok(said)
    }

    /// Reads a query to its end; on trial it is only planned.
    async fn snapshot(&self, planner: &Planner, query: ast::Statement, sql: String, kind: OwnKind) -> Result<Snapshot> {
        if planner.own.is_trial() {
            let about = About { kind, sql, taken: String::new(), verdict: Verdict::Complete.name().to_owned() };
            return Ok(Snapshot { about, schema: planned_schema(planner, query).await?, batches: Vec::new() });
        }
        let mut result = self.read(planner, query).await?;
        let batches = result.read_all().await?;
        let seen = result.report();
        check_whole(&seen)?;
        let verdict = seen.verdict().name().to_owned();
        let about = About { kind, sql, taken: time_text(self.clock().utc()), verdict };
        Ok(Snapshot { about, schema: result.schema(), batches })
    }
}

/// Refuses to keep an answer of which a part is missing, or may be.
///
/// # Errors
/// `Partial`, with the reason.
pub(super) fn check_whole(seen: &QueryReport) -> Result<()> {
    let verdict = seen.verdict();
    if !matches!(verdict, Verdict::Moved | Verdict::Failed) {
        return Ok(());
    }
    let error =
        Error::new(ErrorKind::Partial, format!("the answer is not whole, and is not kept: its verdict is {verdict}"));
    Err(match seen.parts.iter().find(|part| part.verdict == verdict) {
        Some(part) => error.with("table", &part.table).with("reason", &part.reason),
        None => error,
    })
}

/// The columns of a query, which is planned to its end.
async fn planned_schema(planner: &Planner, query: ast::Statement) -> Result<SchemaRef> {
    let context = planner.context()?;
    let plan = planner.plan(&context, query).await?;
    let physical = context.state().create_physical_plan(&plan).await.map_err(|error| from_datafusion(&error))?;
    Ok(physical.schema())
}

fn planned_said(kind: OwnKind, name: &str) -> String {
    format!("{} `{name}` is planned: its rows are not read", kind.name())
}

fn rows_said(kind: OwnKind, name: &str, snapshot: &Snapshot) -> String {
    let rows: usize = snapshot.batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
    let noun = if rows == 1 { "row" } else { "rows" };
    let mut said = format!("{} `{name}` holds {rows} {noun}", kind.name());
    if snapshot.about.verdict != Verdict::Complete.name() {
        said = format!("{said} ({})", snapshot.about.verdict);
    }
    said
}

/// The query with the whole names of tables, so that it means the same under another `USE`.
async fn whole_names(planner: &Planner, query: ast::Query) -> Result<ast::Query> {
    if planner.current.is_empty() {
        return Ok(query);
    }
    let planner = planner.clone();
    blocking(move || {
        let scope = planner.scope(Vec::new());
        Ok(super::resolve::with_whole_names(&planner.engine.core().registry, &scope, query))
    })
    .await
}

/// `SELECT * FROM (query) AS name (columns)`.
fn with_columns(query: ast::Query, name: &str, columns: &[Ident]) -> ast::Query {
    if columns.is_empty() {
        return query;
    }
    let list: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let text = format!("SELECT * FROM (SELECT 1) AS {} ({})", Ident::with_quote('"', name), list.join(", "));
    let Ok(mut outer) = sql::parse_query(&text) else { return query };
    if let ast::SetExpr::Select(select) = outer.body.as_mut()
        && let Some(from) = select.from.first_mut()
        && let ast::TableFactor::Derived { subquery, .. } = &mut from.relation
    {
        **subquery = query;
    }
    outer
}

/// The text of a query, which means the same when it is read again.
fn query_text(query: &ast::Query) -> Result<String> {
    let text = query.to_string();
    match sql::parse_query(&text) {
        Ok(again) if again == *query => Ok(text),
        _ => {
            Err(Error::new(ErrorKind::Unsupported, "this query cannot be kept: its text would not mean the same again")
                .with("text", text))
        }
    }
}

async fn drop_all(planner: &Planner, kind: OwnKind, names: Vec<String>, if_exists: bool) -> Result<String> {
    let own = Arc::clone(&planner.own);
    blocking(move || {
        let known = own.names()?;
        let mut found = Vec::new();
        for wanted in &names {
            let Some(name) = own::spelled(&known, wanted) else {
                if if_exists {
                    continue;
                }
                return Err(missing(&known, kind, wanted));
            };
            match own.kind(name)? {
                Some((known, _)) if known != kind => {
                    return Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` is a {}", known.name()))
                        .hint(format!("`DROP {} {name}` drops it", known.name().to_uppercase())));
                }
                _ => found.push(name),
            }
        }
        for name in &found {
            own.remove(name)?;
        }
        Ok(match found.as_slice() {
            [] => format!("no such {}", kind.name()),
            [one] => format!("{} `{one}` is dropped", kind.name()),
            several => format!("{} {}s are dropped", several.len(), kind.name()),
        })
    })
    .await
}

fn missing(known: &std::collections::BTreeSet<String>, kind: OwnKind, wanted: &str) -> Error {
    let error = Error::new(ErrorKind::NameNotFound, format!("there is no {} `{wanted}`", kind.name()));
    error.hint(
        did_you_mean(wanted, known.iter().map(String::as_str))
            .unwrap_or_else(|| "`SHOW TABLES` lists what is your own".to_owned()),
    )
}
