//! The queries that a write asks: expressions by themselves, and over the rows that its WHERE means.

use sqlparser::ast::{self, Ident};

use super::fill::identifiers;
use super::plan::PlanContext;
use crate::error::Result;
use crate::sql::{Change, parse_query};

/// The expressions of SET, each under a name that no column has.
pub(super) fn items(expressions: &[ast::Expr]) -> Vec<ast::SelectItem> {
    let name = |at: usize| Ident::with_quote('"', format!("set:{at}"));
    let numbered = expressions.iter().cloned().enumerate();
    numbered.map(|(at, expr)| ast::SelectItem::ExprWithAlias { expr, alias: name(at) }).collect()
}

/// `SELECT items [FROM table [AS alias] WHERE selection]`. Its parts keep their places in the statement.
pub(super) fn select(projection: Vec<ast::SelectItem>, from: Option<(&Change, &ast::Expr)>) -> Result<ast::Query> {
    let mut query = parse_query(if from.is_some() { "SELECT 1 FROM t" } else { "SELECT 1" })?;
    if let ast::SetExpr::Select(select) = query.body.as_mut() {
        select.projection = projection;
        if let Some((statement, selection)) = from {
            select.selection = Some(selection.clone());
            if let Some(ast::TableFactor::Table { name, alias, .. }) =
                select.from.first_mut().map(|table| &mut table.relation)
            {
                *name = ast::ObjectName::from(statement.table.clone());
                *alias = statement.alias.as_ref().map(|name| ast::TableAlias {
                    explicit: true,
                    name: name.clone(),
                    columns: Vec::new(),
                    at: None,
                });
            }
        }
    }
    Ok(query)
}

/// The items as many times.
pub(super) fn select_times(projection: Vec<ast::SelectItem>, times: usize) -> Result<ast::Query> {
    let mut query = parse_query(&format!("SELECT 1 FROM UNNEST(range(0, {times})) AS object"))?;
    if let ast::SetExpr::Select(select) = query.body.as_mut() {
        select.projection = projection;
    }
    Ok(query)
}

/// The columns of its table that a statement reads.
#[derive(Debug)]
pub(super) struct Reads {
    /// In WHERE.
    pub(super) selection: Vec<String>,
    /// In SET.
    pub(super) set: Vec<String>,
}

impl Reads {
    /// What a name in a subquery means, planning tells; where it cannot, every name there is taken for the table's own.
    pub(super) async fn of(
        context: &PlanContext<'_>,
        statement: &Change,
        selection: &ast::Expr,
        set: &[ast::Expr],
    ) -> Result<Self> {
        let one = ast::Expr::value(ast::Value::Number("1".to_owned(), false));
        let every = ast::Expr::value(ast::Value::Boolean(true));
        let where_alone = select(vec![ast::SelectItem::UnnamedExpr(one)], Some((statement, selection)))?;
        let set_alone = select(items(set), Some((statement, &every)))?;
        Ok(Self {
            selection: columns(context, identifiers(selection), where_alone).await,
            set: columns(context, set.iter().flat_map(identifiers).collect(), set_alone).await,
        })
    }
}

/// The columns among `named`, which are the names that stand in `query`.
async fn columns(context: &PlanContext<'_>, named: Vec<Ident>, query: ast::Query) -> Vec<String> {
    let has_subquery = named.iter().any(|ident| ident.value.is_empty());
    let known = if has_subquery { context.source.columns_read(query).await.ok() } else { None };
    known.unwrap_or_else(|| named.into_iter().map(|ident| ident.value).collect())
}
