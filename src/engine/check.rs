//! What is wrong with a script, without a call.
//!
//! The statements are planned in order, in a session of its own whose engine can send nothing and whose definitions are
//! on trial: they and settings count for what follows, and nothing is kept. Rows that only an API could give are taken to
//! be none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::Statement as DfStatement;
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlparser::ast;

use super::names::complete_write;
use super::prepared::Meant;
use super::resolve::resolve;
use super::session::at_its_subject;
use super::source::SessionRows;
use super::writing::{WriteOptions, check_returning};
use super::{Engine, Session};
use crate::bind::{Predicate, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Client, Closed, Ledger};
use crate::report::Report;
use crate::scan::{CallExec, ScanCore, all_from_datafusion, from_datafusion};
use crate::sql::{self, Define, OwnKind, Piece, Statement, Write};
use crate::threads::off_thread;
use crate::write::{Lasting, RowSource, SourceRows};

/// What a check found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// How many statements the text holds.
    pub statements: usize,
    /// What is wrong, in the order of the statements; each has its place in the text.
    pub problems: Vec<Error>,
}

impl Session {
    /// Finds what is wrong with the statements of `text`: each is parsed, its names and parameters are looked up in the
    /// provider documents, and it is planned. Views, tables and settings of the statements before it count. No call is
    /// made, no credential is needed, and the session stays as it is.
    ///
    /// What only an API knows is not found: whether an object is there, whether a credential is good.
    pub async fn check(&self, text: &str) -> Checked {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // Where a quote does not close, what is before it can be checked all the same.
        let (pieces, open) = sql::split_as_far(text);
        let mut problems = Vec::new();
        let mut session = self.fork(closed(self.engine()));
        let mut undefined: Vec<String> = Vec::new();
        for piece in &pieces {
            let found = session.problems_of(piece).await;
            // What follows from a definition that is wrong is no problem of its own.
            let found = found.into_iter().filter(|error| !undefined.iter().any(|name| is_about(error, name)));
            let before = problems.len();
            problems.extend(found.map(|error| error.placed(piece.start)));
            if problems.len() > before {
                undefined.extend(sql::parse(&piece.text).ok().and_then(|statement| defined_name(&statement)));
            }
        }
        if let Some(open) = open {
            problems.push(open);
        } else if let Some(last) = pieces.last().filter(|_| session.in_transaction()) {
            let error = Error::new(ErrorKind::Partial, "the statements end inside a transaction");
            problems.push(error.at(last.start).hint("end with COMMIT or ROLLBACK"));
        }
        Checked { statements: pieces.len(), problems }
    }

    async fn problems_of(&mut self, piece: &Piece) -> Vec<Error> {
        match sql::parse(&piece.text).and_then(|statement| self.meant(statement)) {
            Ok(Meant { statement, places }) => {
                let is_query = matches!(statement, Statement::Query(_) | Statement::Explain { .. });
                let found = self.problems_in(statement).await.into_iter().map(|error| places.told(error));
                found.map(|error| if is_query { at_its_subject(error, &piece.text) } else { error }).collect()
            }
            Err(error) => vec![error],
        }
    }

    async fn problems_in(&mut self, statement: Statement) -> Vec<Error> {
        match statement {
            Statement::Query(query) | Statement::Explain { query, .. } => self.check_query(*query, Depth::Calls).await,
            Statement::Copy(copy) => {
                let mut problems: Vec<Error> = self.check_copy(&copy).err().into_iter().collect();
                problems.extend(self.check_query(ast::Statement::Query(copy.query), Depth::Calls).await);
                problems
            }
            Statement::Define(Define::Create(create)) => {
                // The parameters of a view may come from the queries over it.
                let depth = if create.kind == OwnKind::View { Depth::Names } else { Depth::Calls };
                let problems = self.check_query(ast::Statement::Query(create.query.clone()), depth).await;
                if !problems.is_empty() {
                    return problems;
                }
                Box::pin(self.run(Statement::Define(Define::Create(create)))).await.err().into_iter().collect()
            }
            Statement::Write(write) | Statement::Plan(write) | Statement::ExplainWrite(write) => {
                self.check_write(*write).await.err().into_iter().collect()
            }
            Statement::Commit if self.in_transaction() => {
                self.transaction = None;
                Vec::new()
            }
            // They are about what is stored on this machine, not about documents.
            Statement::Apply(_)
            | Statement::Resume(_)
            | Statement::Forget(_)
            | Statement::Show(sql::Show::Journal { .. }) => Vec::new(),
            other => Box::pin(self.run(other)).await.err().into_iter().collect(),
        }
    }

    async fn check_query(&self, query: ast::Statement, depth: Depth) -> Vec<Error> {
        let report = Report::new(self.clock().now());
        let planner = self.planner(&report);
        let (registry, names) = (self.registry(), planner.clone());
        let resolved = off_thread("resolving names", move || {
            let mut query = query;
            resolve(&registry, &names.scope(Vec::new()), &mut query).map(|()| query)
        });
        let query = match resolved.await {
            Ok(Ok(query)) => query,
            Ok(Err(problems)) => return problems,
            Err(error) => return vec![error],
        };
        let context = match planner.context() {
            Ok(context) => context,
            Err(error) => return vec![error],
        };
        let state = context.state();
        let plan = match state.statement_to_plan(DfStatement::Statement(Box::new(query))).await {
            Ok(plan) => plan,
            Err(error) => {
                let mut problems = Vec::new();
                for error in all_from_datafusion(&error) {
                    problems.push(planner.explain_unknown_table(error).await);
                }
                return problems;
            }
        };
        let calls = async {
            SQLOptions::new().with_allow_dml(false).with_allow_ddl(false).verify_plan(&plan)?;
            if depth == Depth::Calls {
                state.create_physical_plan(&plan).await?;
            }
            Ok::<(), DataFusionError>(())
        };
        match calls.await {
            Ok(()) => Vec::new(),
            Err(error) => all_from_datafusion(&error),
        }
    }

    async fn check_write(&self, write: Write) -> Result<()> {
        let mut write = write;
        complete_write(self.current(), &mut write)?;
        let report = Report::new(self.clock().now());
        let rows = SessionRows { session: self, report: report.clone() };
        let source = NoRows { rows: &rows, asked: AtomicBool::new(false) };
        let clock = self.clock();
        match crate::write::plan(&self.plan_context(&source, &report, &clock), write).await {
            Ok(planned) => check_returning(&rows, &planned).await,
            // Without the rows that it wanted nothing can be said of what is made of them.
            Err(error)
                if source.asked.load(Ordering::SeqCst)
                    && matches!(error.kind(), ErrorKind::Internal | ErrorKind::Partial) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// How far a query is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Up to its names and types.
    Names,
    /// Up to the calls that it makes.
    Calls,
}

/// An engine over the same documents that can send nothing.
fn closed(engine: &Engine) -> Engine {
    let core = engine.core();
    let transport = Arc::new(Closed::new("a check makes no call"));
    let client = Client::new(transport, Arc::new(Ledger::new()), Arc::clone(&core.clock));
    let endpoints = Arc::new(core.endpoints.unsigned());
    let writes = WriteOptions::of_check(engine.writes());
    Engine {
        core: Arc::new(ScanCore { client, endpoints, ..ScanCore::clone(core) }),
        writes: Arc::new(writes),
        ..engine.clone()
    }
}

/// Gives the rows that no API is needed for.
struct NoRows<'a> {
    rows: &'a SessionRows<'a>,
    /// Whether rows of an API were asked for.
    asked: AtomicBool,
}

impl NoRows<'_> {
    async fn columns_or_rows(&self, query: ast::Query) -> Result<SourceRows> {
        let planner = self.rows.session.fresh_planner(&self.rows.report);
        let context = planner.context()?;
        let plan = planner.plan(&context, ast::Statement::Query(Box::new(query.clone()))).await?;
        let names = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let physical = context.state().create_physical_plan(&plan).await.map_err(|error| from_datafusion(&error))?;
        if !calls(&physical) {
            return self.rows.rows(query).await;
        }
        self.asked.store(true, Ordering::SeqCst);
        Ok(SourceRows { names, rows: Vec::new() })
    }
}

impl RowSource for NoRows<'_> {
    fn rows(&self, query: ast::Query) -> BoxFuture<'_, Result<SourceRows>> {
        self.columns_or_rows(query).boxed()
    }

    fn conjuncts<'a>(
        &'a self,
        table: Arc<Table>,
        alias: &'a str,
        selection: ast::Expr,
    ) -> BoxFuture<'a, Result<Option<Vec<Predicate>>>> {
        self.rows.conjuncts(table, alias, selection)
    }

    fn columns_read(&self, query: ast::Query) -> BoxFuture<'_, Result<Vec<String>>> {
        self.rows.columns_read(query)
    }

    fn lasting(&self, functions: &[String]) -> Result<Lasting> {
        self.rows.lasting(functions)
    }
}

/// Whether a plan makes calls.
fn calls(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<CallExec>().is_some() || plan.children().into_iter().any(calls)
}

fn defined_name(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Define(Define::Create(create)) => Some(create.name.clone()),
        _ => None,
    }
}

fn is_about(error: &Error, name: &str) -> bool {
    error.kind() == ErrorKind::NameNotFound
        && error.message().eq_ignore_ascii_case(&format!("there is no table `{name}`"))
}
