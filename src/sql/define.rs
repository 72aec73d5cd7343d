//! Statements about the user's own views and tables: CREATE, DROP, REFRESH.

use sqlparser::ast::{self, ObjectType};
use sqlparser::tokenizer::TokenWithSpan;

use super::parse::{Statement, Words, general};
use crate::error::{Error, ErrorKind, Result};

/// A change of the user's own views and tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Define {
    /// `CREATE [OR REPLACE] [TEMPORARY] VIEW v AS query`, and the two that keep rows.
    Create(Create),
    /// `DROP VIEW|TABLE|MATERIALIZED VIEW [IF EXISTS] v, …`
    Drop {
        /// What they are.
        kind: OwnKind,
        /// Their names.
        names: Vec<String>,
        /// Whether one that is not there is no error.
        if_exists: bool,
    },
    /// `REFRESH MATERIALIZED VIEW v`
    Refresh(String),
}

/// What a name of the user's own stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnKind {
    /// A query that is run each time.
    View,
    /// The rows of a query, as they were once.
    Table,
    /// The same, with the query, so that it can be run again.
    Materialized,
}

impl OwnKind {
    /// What to call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Table => "table",
            Self::Materialized => "materialized view",
        }
    }
}

/// A CREATE.
#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    /// What it makes.
    pub kind: OwnKind,
    /// Its name.
    pub name: String,
    /// OR REPLACE
    pub replace: bool,
    /// IF NOT EXISTS
    pub if_not_exists: bool,
    /// TEMPORARY: for this session only.
    pub temporary: bool,
    /// The columns' names, where they are given.
    pub columns: Vec<ast::Ident>,
    /// The query.
    pub query: Box<ast::Query>,
}

/// Reads a statement that begins with CREATE, DROP or REFRESH.
///
/// # Errors
/// `Syntax` with its place; `Unsupported` for other things that SQL can create.
pub(super) fn define(first: &str, words: &mut Words<'_>, tokens: &[TokenWithSpan]) -> Result<Statement> {
    if first == "REFRESH" {
        if !(words.takes("MATERIALIZED") && words.takes("VIEW")) {
            return Err(words.wrong("REFRESH needs MATERIALIZED VIEW and a name"));
        }
        let name = words.name(3, "REFRESH MATERIALIZED VIEW name")?;
        words.end()?;
        return Ok(Statement::Define(Define::Refresh(own_name(&name)?)));
    }
    let define = match general(tokens.to_vec())? {
        ast::Statement::CreateView(view) => create_view(view)?,
        ast::Statement::CreateTable(table) => create_table(table)?,
        ast::Statement::Drop { object_type, if_exists, names, .. } => {
            let kind = match object_type {
                ObjectType::View => OwnKind::View,
                ObjectType::Table => OwnKind::Table,
                ObjectType::MaterializedView => OwnKind::Materialized,
                other => return Err(unsupported(&format!("DROP {other}"))),
            };
            let names = names.iter().map(|name| own_name(&parts(name)?)).collect::<Result<_>>()?;
            Define::Drop { kind, names, if_exists }
        }
        _ => return Err(unsupported(first)),
    };
    Ok(Statement::Define(define))
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what} of this kind is not supported"))
        .hint("views, materialized views, and tables made by CREATE TABLE … AS are")
}

fn create_view(view: ast::CreateView) -> Result<Define> {
    if view.secure || view.or_alter || view.to.is_some() || view.params.is_some() || !view.cluster_by.is_empty() {
        return Err(unsupported("CREATE VIEW with options"));
    }
    Ok(Define::Create(Create {
        kind: if view.materialized { OwnKind::Materialized } else { OwnKind::View },
        name: own_name(&parts(&view.name)?)?,
        replace: view.or_replace,
        if_not_exists: view.if_not_exists,
        temporary: view.temporary,
        columns: view.columns.into_iter().map(|column| column.name).collect(),
        query: view.query,
    }))
}

fn create_table(table: ast::CreateTable) -> Result<Define> {
    let name = own_name(&parts(&table.name)?)?;
    if table.external || !table.columns.is_empty() || !table.constraints.is_empty() {
        return Err(Error::new(ErrorKind::Unsupported, "a table of your own is made from a query")
            .hint(format!("`CREATE TABLE {name} AS SELECT …`")));
    }
    let Some(query) = table.query else {
        return Err(Error::new(ErrorKind::Syntax, "CREATE TABLE needs AS and a query")
            .hint(format!("`CREATE TABLE {name} AS SELECT …`")));
    };
    Ok(Define::Create(Create {
        kind: OwnKind::Table,
        name,
        replace: table.or_replace,
        if_not_exists: table.if_not_exists,
        temporary: table.temporary,
        columns: Vec::new(),
        query,
    }))
}

fn parts(name: &ast::ObjectName) -> Result<Vec<String>> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(|part| part.value.clone()).collect();
    if parts.len() == name.0.len() { Ok(parts) } else { Err(unsupported("a name")) }
}

/// A name of the user's own: one word, or with `main` or `local.main` before it.
fn own_name(parts: &[String]) -> Result<String> {
    let is = |part: &String, word: &str| part.eq_ignore_ascii_case(word);
    let name = match parts {
        [name] => name,
        [schema, name] if is(schema, "main") => name,
        [catalog, schema, name] if is(catalog, "local") && is(schema, "main") => name,
        _ => {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("`{}` cannot be the name of a view or table of your own", parts.join(".")),
            )
            .hint("such a name is one word"));
        }
    };
    Ok(name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    fn create(text: &str) -> Create {
        match parse(text).unwrap() {
            Statement::Define(Define::Create(create)) => create,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn views_and_tables_are_made_from_queries() {
        let view = create("CREATE OR REPLACE VIEW v (a, b) AS SELECT 1, 2;");
        assert_eq!((view.kind, view.name.as_str(), view.replace, view.columns.len()), (OwnKind::View, "v", true, 2));
        let kept = create("CREATE MATERIALIZED VIEW local.main.m AS SELECT 1");
        assert_eq!((kept.kind, kept.name.as_str()), (OwnKind::Materialized, "m"));
        let table = create("CREATE TEMPORARY TABLE IF NOT EXISTS t AS SELECT 1");
        assert!(table.kind == OwnKind::Table && table.temporary && table.if_not_exists);
        assert!(create("CREATE TEMP VIEW v AS SELECT 1").temporary);
    }

    #[test]
    fn they_go_and_are_made_anew() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (text, wanted) in [
            ("DROP VIEW v", Define::Drop { kind: OwnKind::View, names: names(&["v"]), if_exists: false }),
            (
                "DROP TABLE IF EXISTS a, main.b;",
                Define::Drop { kind: OwnKind::Table, names: names(&["a", "b"]), if_exists: true },
            ),
            (
                "DROP MATERIALIZED VIEW m",
                Define::Drop { kind: OwnKind::Materialized, names: names(&["m"]), if_exists: false },
            ),
            ("REFRESH MATERIALIZED VIEW m;", Define::Refresh("m".to_owned())),
        ] {
            assert_eq!(parse(text).unwrap(), Statement::Define(wanted), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_made_says_what_can() {
        for (text, kind) in [
            ("CREATE TABLE t (a int)", ErrorKind::Unsupported),
            ("CREATE TABLE t", ErrorKind::Syntax),
            ("CREATE SCHEMA s", ErrorKind::Unsupported),
            ("DROP SCHEMA s", ErrorKind::Unsupported),
            ("CREATE VIEW linode.images.v AS SELECT 1", ErrorKind::InvalidArgument),
            ("REFRESH VIEW v", ErrorKind::Syntax),
            ("CREATE VIEW v AS", ErrorKind::Syntax),
        ] {
            assert_eq!(parse(text).unwrap_err().kind(), kind, "{text}");
        }
    }
}
