//! What whoever types at a session wants to know of it: the names that no document gives, and what a text would do.

use std::future::Future;
use std::sync::Arc;

use super::Session;
use super::journal::blocking;
use super::metadata::definitions;
use crate::error::Result;
use crate::report::Report;
use crate::sql::{self, Statement};

impl Session {
    /// The user's own views and tables, and the columns of each, as they are when the future is polled. Of what cannot be
    /// read there is the name.
    pub(crate) fn own_relations(&self) -> impl Future<Output = Result<Vec<OwnRelation>>> + Send + 'static {
        let planner = self.planner(&Report::new(self.clock().now()));
        async move {
            let own = Arc::clone(&planner.own);
            let names = blocking(move || own.names()).await?;
            let columns = planner.own_columns().await?;
            let of = |table: &str| {
                let its = columns.iter().filter(|column| column.table == table);
                its.map(|column| column.name.clone()).collect()
            };
            Ok(names.into_iter().map(|name| OwnRelation { columns: of(&name), name }).collect())
        }
    }

    /// Whether a text holds a statement that changes something in an API, as far as it can be read.
    pub(crate) fn would_change(&self, text: &str) -> bool {
        let Ok(pieces) = sql::split(text) else { return false };
        let statements = pieces.iter().filter_map(|piece| self.meant(sql::parse(&piece.text).ok()?).ok());
        statements.into_iter().any(|meant| {
            use Statement::{Apply, Commit, Resume, Write};
            matches!(meant.statement, Write(_) | Commit | Apply(_) | Resume(_))
        })
    }

    /// Whether a statement does more than show something. One that cannot be read may.
    pub(crate) fn does_something(&self, text: &str) -> bool {
        use Statement::{
            Begin, Deallocate, Describe, Explain, ExplainWrite, List, Prepare, Query, Reset, Rollback, Set, Show,
            Template, Use,
        };
        let meant = sql::parse(text).ok().and_then(|statement| self.meant(statement).ok());
        let shows = |statement: &Statement| {
            matches!(
                statement,
                Query(_)
                    | ExplainWrite(_)
                    | Show(_)
                    | List(_)
                    | Template(_)
                    | Describe(_)
                    | Explain { .. }
                    | Use(_)
                    | Set { .. }
                    | Reset(_)
                    | Prepare { .. }
                    | Deallocate(_)
                    | Begin
                    | Rollback
            )
        };
        !meant.is_some_and(|meant| shows(&meant.statement))
    }

    /// The texts of the prepared statements that a text runs.
    pub(crate) fn executed_texts(&self, text: &str) -> Vec<String> {
        let Ok(pieces) = sql::split(text) else { return Vec::new() };
        let names = pieces.iter().filter_map(|piece| match sql::parse(&piece.text).ok()? {
            Statement::Execute { name, .. } => Some(name.to_lowercase()),
            _ => None,
        });
        names.filter_map(|name| Some(self.prepared.get(&name)?.text().to_owned())).collect()
    }

    /// What `USE` puts before names.
    pub(crate) fn used(&self) -> &[String] {
        self.current()
    }
}

/// A view or table of the user's own.
#[derive(Debug, Clone)]
pub(crate) struct OwnRelation {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
}

/// The tables of metadata: schema, name, columns.
pub(crate) fn metadata_tables() -> impl Iterator<Item = (&'static str, &'static str, Vec<&'static str>)> {
    definitions().iter().map(|known| (known.schema, known.name, known.column_names().collect()))
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[tokio::test]
    async fn writes_are_told_from_reads() {
        let mut session = Engine::builder().build().unwrap().session();
        session.sql("PREPARE away AS DELETE FROM a.b.c WHERE d = $1").await.unwrap();
        for (text, changes) in [
            ("SELECT 1; DELETE FROM a.b.c WHERE d = 1;", true),
            ("RESUME 'x';", true),
            ("COMMIT", true),
            ("EXECUTE away (1)", true),
            ("EXECUTE unknown (1)", false),
            ("SELECT 1; PLAN DELETE FROM a.b.c WHERE d = 1;", false),
            ("SELECT '", false),
        ] {
            assert_eq!(session.would_change(text), changes, "{text}");
        }
    }
}
