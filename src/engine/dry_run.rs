//! A statement as a plan: what it would send, and nothing of it sent.

use sqlparser::ast;

use super::Session;
use super::caught::caught;
use super::explain::explain;
use super::prepared::Meant;
use super::result::QueryResult;
use super::session::{is_part, parse_one};
use crate::error::Result;
use crate::report::Report;
use crate::sql::Statement;

impl Session {
    /// Plans one statement, for a look at what a script would do. A query, also one that COPY names, gives what EXPLAIN says
    /// of it, a write the rows of PLAN. Settings, USE, PREPARE and lists are the real ones, as what follows may need them. Views and
    /// tables that are defined, without rows, and dropped are so for further dry runs alone, up to the next statement that
    /// is run; nothing is kept, and no file is written. Only what planning a write must read is read.
    ///
    /// # Errors
    /// As [`Session::sql`].
    pub async fn dry_run(&mut self, text: &str) -> Result<QueryResult> {
        let meant = parse_one(text).and_then(|statement| self.meant(statement));
        let Meant { statement, places } = self.or_spoiled(meant)?;
        let is_part = is_part(&statement);
        let on_trial = self.on_trial();
        let planned = caught(Box::pin(on_trial.session.planned_only(statement))).await;
        let planned = planned.map_err(|error| places.told(error));
        if is_part { on_trial.session.or_spoiled(planned) } else { planned }
    }

    async fn planned_only(&mut self, statement: Statement) -> Result<QueryResult> {
        let report = Report::new(self.clock().now());
        match statement {
            Statement::Query(query) | Statement::Explain { query, .. } => self.explained(*query, report).await,
            Statement::Copy(copy) => {
                self.check_copy(&copy)?;
                self.explained(ast::Statement::Query(copy.query), report).await
            }
            Statement::Write(write) if !self.in_transaction() => {
                let pending = self.prepare(*write, report).await?;
                self.show_and_store(pending).await
            }
            Statement::Commit => {
                let pending = self.prepare_commit(report).await?;
                self.show_and_store(pending).await
            }
            Statement::Apply(id) => {
                let pending = self.prepare_stored(&id, report).await?;
                self.show_and_store(pending).await
            }
            Statement::Resume(id) => {
                let pending = self.prepare_resume(&id, report).await?;
                self.show_and_store(pending).await
            }
            Statement::Forget(id) => self.would_forget(&id, report).await,
            other => Box::pin(self.run(other)).await,
        }
    }

    async fn explained(&self, query: ast::Statement, report: Report) -> Result<QueryResult> {
        let context = self.context(&report)?;
        let plan = self.plan(&context, query, &report).await?;
        explain(&context, plan, false, self.settings(), report, self.clock()).await
    }
}
