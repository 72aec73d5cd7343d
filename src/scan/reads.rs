//! Which columns of the table of a query are read, also by its subqueries.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The columns that the expressions of a query over one table read, by name. What a subquery reads of its own tables does not
/// count; what it reads of the table around it does. The plan is one that nothing was made of yet.
///
/// # Errors
/// None of its own.
pub fn columns_read(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut read = Vec::new();
    plan.apply(|node| {
        let inputs = node.inputs();
        let is_of_table = |column: &Column| inputs.iter().any(|input| input.schema().has_column(column));
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::Column(column) => read.push(column.name.clone()),
                    Expr::ScalarSubquery(subquery)
                    | Expr::Exists(Exists { subquery, .. })
                    | Expr::InSubquery(InSubquery { subquery, .. })
                    | Expr::SetComparison(SetComparison { subquery, .. }) => {
                        let outer = outer_columns(&subquery.subquery)?;
                        read.extend(outer.into_iter().filter(&is_of_table).map(|column| column.name));
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(read)
}

/// What a subquery, and those within it, read of the queries around each.
fn outer_columns(subquery: &LogicalPlan) -> Result<Vec<Column>> {
    let mut outer = Vec::new();
    subquery.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::OuterReferenceColumn(_, column) = part {
                    outer.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(outer)
}
