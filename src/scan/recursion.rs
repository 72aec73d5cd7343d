//! Recursive queries whose two terms say different things about the same column.
//!
//! A column of an API says in its field's metadata what it holds; a literal or an expression says nothing. The result has
//! the fields of the first term, and `DataFusion`, which makes the types of the second alike, refuses other metadata there.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, RecursiveQuery};

/// The query with the second term's fields said like those of the first; none where they are.
pub(super) fn with_alike_terms(query: &RecursiveQuery) -> Result<Option<LogicalPlan>> {
    let (wanted, given) = (query.static_term.schema(), query.recursive_term.schema());
    let is_alike = |at: usize| wanted.field(at).metadata() == given.field(at).metadata();
    if (0..wanted.fields().len()).all(is_alike) {
        return Ok(None);
    }
    let columns = given.columns().into_iter().enumerate().map(|(at, column)| {
        let name = format!("__term_{at}");
        let column = Expr::Column(column);
        if is_alike(at) {
            return column.alias(name);
        }
        let field = given.field(at).as_ref().clone().with_metadata(wanted.field(at).metadata().clone());
        Expr::Cast(Cast::new_from_field(Box::new(column), Arc::new(field))).alias(name)
    });
    let term = LogicalPlanBuilder::from(query.recursive_term.as_ref().clone()).project(columns)?.build()?;
    let (name, first) = (query.name.clone(), Arc::clone(&query.static_term));
    RecursiveQuery::try_new(name, first, Arc::new(term), query.is_distinct).map(LogicalPlan::RecursiveQuery).map(Some)
}
