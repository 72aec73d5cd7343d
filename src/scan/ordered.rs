//! Orders in which an expression stands twice.
//!
//! `first_value(b ORDER BY a, a)`, which `DISTINCT ON … ORDER BY a, a` becomes, ends `DataFusion` 55 with a failed assertion: it makes
//! a sort of the order, in which an expression stands once, and counts both. The second place of an expression orders nothing.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, SortExpr};

/// The aggregation with each expression once in each order; none where that is so.
pub(super) fn with_orders_once(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    if !aggregate.aggr_expr.iter().any(orders_twice) {
        return Ok(None);
    }
    let names = NamePreserver::new_for_projection();
    let once = |expr: &Expr| {
        let name = names.save(expr);
        let once = expr.clone().transform_up(|part| Ok(Transformed::yes(ordered_once(part))))?;
        Ok(name.restore(once.data))
    };
    let aggr_expr = aggregate.aggr_expr.iter().map(once).collect::<Result<_>>()?;
    Aggregate::try_new(aggregate.input.clone(), aggregate.group_expr.clone(), aggr_expr)
        .map(|aggregate| Some(LogicalPlan::Aggregate(aggregate)))
}

fn orders_twice(expr: &Expr) -> bool {
    let twice = |order: &[SortExpr]| (1..order.len()).any(|at| is_there(&order[..at], &order[at]));
    expr.exists(|part| Ok(matches!(part, Expr::AggregateFunction(function) if twice(&function.params.order_by))))
        .unwrap_or_default()
}

fn ordered_once(expr: Expr) -> Expr {
    let Expr::AggregateFunction(mut function) = expr else { return expr };
    let mut once: Vec<SortExpr> = Vec::with_capacity(function.params.order_by.len());
    for sort in function.params.order_by {
        if !is_there(&once, &sort) {
            once.push(sort);
        }
    }
    function.params.order_by = once;
    Expr::AggregateFunction(function)
}

/// Whether an order holds the expression, whichever way around.
fn is_there(order: &[SortExpr], sort: &SortExpr) -> bool {
    order.iter().any(|known| known.expr == sort.expr)
}
