//! `IN (SELECT …)` where its opposite matters: inside OR, CASE, `IS NULL` and the like.
//!
//! `k NOT IN (SELECT …)` is neither true nor false where `k` is NULL, or the subquery gives a NULL and no match. By itself in
//! WHERE, `DataFusion` plans it so. Further inside it makes a column of matches, in which NULL is no match: `k NOT IN` is then
//! true for NULL. The comparisons that SQL defines it by, `<> ALL` and `= ANY`, are planned with all three answers.

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::{InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

/// See the module's text.
#[derive(Debug, Default)]
pub struct NotIn;

impl AnalyzerRule for NotIn {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Filter(_) | LogicalPlan::Join(_) => node.map_expressions(|expr| condition(expr, true)),
            _ => Ok(Transformed::no(node)),
        })
        .map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "skyql_not_in"
    }
}

/// A condition that rows must pass, or such a part of one; `alone` where it is not inside an OR.
fn condition(expr: Expr, alone: bool) -> Result<Transformed<Expr>> {
    match expr {
        // Whether a match is missing or unknown is the same to who asks for one.
        Expr::InSubquery(ref found) if alone || !found.negated => Ok(Transformed::no(expr)),
        Expr::Not(inner) if alone && matches!(*inner, Expr::InSubquery(_)) => Ok(Transformed::no(Expr::Not(inner))),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let alone = alone && op == Operator::And;
            let (left, right) = (condition(*left, alone)?, condition(*right, alone)?);
            let changed = left.transformed || right.transformed;
            let both = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
            Ok(Transformed::new_transformed(Expr::BinaryExpr(both), changed))
        }
        other => other.transform_up(|expr| Ok(compared(expr))),
    }
}

fn compared(expr: Expr) -> Transformed<Expr> {
    let Expr::InSubquery(InSubquery { expr, subquery, negated }) = expr else { return Transformed::no(expr) };
    let (op, quantifier) =
        if negated { (Operator::NotEq, SetQuantifier::All) } else { (Operator::Eq, SetQuantifier::Any) };
    Transformed::yes(Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }))
}
