//! Joins that keep rows of one side whatever else the other has, and take their keys from there: EXISTS and IN around a table
//! that needs parameters, and subqueries and groups over one.
//!
//! Where the table itself is the other side, it is called per key and rows come as soon as it is known whether they stay.
//! Where it is further down, the distinct keys are put beside it there: rows with other keys would meet nothing above. The
//! side that gives the keys is then in the plan twice, and its equal calls are one.

use std::sync::Arc;

use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result};
use datafusion::datasource::source_as_provider;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Cast, Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Operator, TableScan, lit,
    scalar_subquery,
};

use super::join::{bind_node, covers, is_plain, keys_for};
use super::joining::BindJoinType;
use super::leaf::{BoundBy, Leaf, without_alias};
use super::predicate::all_compared;
use super::table::RestTable;

/// `EXISTS`, `IN`, `LEFT SEMI JOIN` and their opposites, whose other side is called once per key of the rows they are about.
pub(super) fn bind_exists(join: &Join) -> Result<Option<LogicalPlan>> {
    let Some((kept, other, join_type)) = kept_and_other(join) else { return Ok(None) };
    let Some(leaf) = Leaf::of(other).filter(|_| can_give_keys(join)) else { return Ok(None) };
    let mut equalities = join.on.clone();
    let keys = keys_for(&leaf, &equalities, kept.schema());
    let columns: Vec<usize> = keys.iter().map(|(column, _)| *column).collect();
    if leaf.bound_by(&columns) != Some(BoundBy::Key) {
        return Ok(None);
    }
    let mut node = bind_node(kept.as_ref().clone(), &leaf, keys, join_type, &mut equalities)?;
    node.residual = conjunction(equalities.into_iter().map(|(a, b)| a.eq(b)).chain(join.filter.clone()));
    node.spare(join.filter.as_ref())?;
    Ok(Some(node.into_plan()))
}

/// The side of a semi or anti join that comes out, and the one that is only asked.
fn kept_and_other(join: &Join) -> Option<(&Arc<LogicalPlan>, &Arc<LogicalPlan>, BindJoinType)> {
    Some(match join.join_type {
        JoinType::LeftSemi => (&join.left, &join.right, BindJoinType::Semi),
        JoinType::RightSemi => (&join.right, &join.left, BindJoinType::Semi),
        JoinType::LeftAnti => (&join.left, &join.right, BindJoinType::Anti),
        JoinType::RightAnti => (&join.right, &join.left, BindJoinType::Anti),
        _ => return None,
    })
}

/// EXISTS and NOT EXISTS around a query of its own: one row of it tells, and then the rows they are about stream on.
pub(super) fn asked_once(join: &Join) -> Result<Option<LogicalPlan>> {
    let Some((kept, other, join_type)) = kept_and_other(join) else { return Ok(None) };
    if !join.on.is_empty() || join.filter.is_some() || join.null_aware {
        return Ok(None);
    }
    // What a recursion has so far cannot be read outside of it.
    if other.exists(|node| Ok(matches!(node, LogicalPlan::TableScan(scan) if is_recursion(scan))))? {
        return Ok(None);
    }
    let rows = LogicalPlanBuilder::from(other.as_ref().clone()).limit(0, Some(1))?;
    let rows = rows.aggregate(Vec::<Expr>::new(), [count(lit(1_i64))])?.build()?;
    let condition = scalar_subquery(Arc::new(rows)).eq(lit(i64::from(join_type == BindJoinType::Semi)));
    LogicalPlanBuilder::from(kept.as_ref().clone()).filter(condition)?.build().map(Some)
}

fn is_recursion(scan: &TableScan) -> bool {
    source_as_provider(&scan.source).is_ok_and(|table| table.downcast_ref::<CteWorkTable>().is_some())
}

/// Whether rows of the other side without a key of this one mean nothing. To `NOT IN` they do: a NULL among them, and whether
/// there are any.
fn can_give_keys(join: &Join) -> bool {
    is_plain(join) && !join.null_aware
}

/// A table whose parameter is the value of a subquery: that value is the one key.
pub(super) fn bind_scalar(filter: &Filter) -> Result<Option<LogicalPlan>> {
    let Some(leaf) = Leaf::of(&filter.input) else { return Ok(None) };
    leaf.check_meaning(all_compared(&filter.predicate))?;
    let mut pairs: Vec<(Expr, Expr)> = Vec::new();
    let mut rest = Vec::new();
    for conjunct in split_conjunction(&filter.predicate) {
        match equals_subquery(&leaf, conjunct) {
            Some(pair) => pairs.push(pair),
            None => rest.push(conjunct.clone()),
        }
    }
    let columns: Vec<usize> = pairs.iter().filter_map(|(mine, _)| leaf.key_column(mine)).collect();
    let Some(by) = leaf.bound_by(&columns) else { return Ok(None) };
    let (values, mut equalities) = as_columns(&pairs);
    let giver = LogicalPlanBuilder::empty(true).project(values)?.build()?;
    let keys = keys_for(&leaf, &equalities, giver.schema());
    let mut node = bind_node(giver, &leaf, keys, BindJoinType::Inner, &mut equalities)?;
    node.or_listed = by == BoundBy::KeyOrList;
    node.residual = conjunction(equalities.into_iter().map(|(a, b)| a.eq(b)).chain(rest));
    let columns = filter.input.schema().columns().into_iter().map(Expr::Column);
    LogicalPlanBuilder::from(node.into_plan()).project(columns)?.build().map(Some)
}

/// A column of the leaf and the subquery's value that it equals.
fn equals_subquery(leaf: &Leaf, conjunct: &Expr) -> Option<(Expr, Expr)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = conjunct else { return None };
    let is_value = |side: &Expr| {
        let asks = side.exists(|part| Ok(matches!(part, Expr::ScalarSubquery(_)))).unwrap_or(false);
        asks && side.column_refs().is_empty()
    };
    let pair = |mine: &Expr, value: &Expr| {
        (leaf.key_column(mine).is_some() && is_value(value)).then(|| (mine.clone(), value.clone()))
    };
    pair(left, right).or_else(|| pair(right, left))
}

/// A join of which one side is kept, with its keys put beside a table further down on the other side.
pub(super) fn with_keys_below(join: &Join) -> Result<Option<LogicalPlan>> {
    if !can_give_keys(join) {
        return Ok(None);
    }
    let to_right = || join.on.iter().map(|(left, right)| (right.clone(), left.clone())).collect::<Vec<_>>();
    let to_left = || join.on.clone();
    let right = || {
        let pairs = to_right();
        with_keys(&join.right, &pairs, kept_rows(&join.left, &pairs))
    };
    let left = || {
        let pairs = to_left();
        with_keys(&join.left, &pairs, kept_rows(&join.right, &pairs))
    };
    let (left, right) = match join.join_type {
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (None, right()?),
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (left()?, None),
        // All relations of a tree of inner joins are looked at together.
        JoinType::Inner | JoinType::Full => (None, None),
    };
    if left.is_none() && right.is_none() {
        return Ok(None);
    }
    let side = |new: Option<LogicalPlan>, old: &Arc<LogicalPlan>| new.unwrap_or_else(|| old.as_ref().clone());
    let inputs = vec![side(left, &join.left), side(right, &join.right)];
    let plan = LogicalPlan::Join(join.clone());
    plan.with_new_exprs(plan.expressions(), inputs).map(Some)
}

/// The part of `plan` that gives the values of `pairs` already: what is only put beside its rows, as by other subqueries, adds
/// none and leaves none out. Else each subquery would read all that stand before it once more.
fn kept_rows<'p>(plan: &'p LogicalPlan, pairs: &[(Expr, Expr)]) -> &'p LogicalPlan {
    let below = match plan {
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Left | JoinType::LeftMark => &join.left,
            JoinType::Right | JoinType::RightMark => &join.right,
            _ => return plan,
        },
        LogicalPlan::Projection(projection) => {
            let needed = pairs.iter().flat_map(|(_, value)| value.column_refs());
            let passes = |column: &Column| projection.expr.contains(&Expr::Column(column.clone()));
            if !needed.into_iter().all(passes) {
                return plan;
            }
            &projection.input
        }
        _ => return plan,
    };
    if pairs.iter().all(|(_, value)| covers(value, below.schema())) { kept_rows(below, pairs) } else { plan }
}

/// `plan` with a table in it bound from the keys of `giver`; none where no table is. `pairs` are columns of the plan, each
/// with the value over `giver` that alone is wanted of it.
pub(super) fn with_keys(
    plan: &LogicalPlan,
    pairs: &[(Expr, Expr)],
    giver: &LogicalPlan,
) -> Result<Option<LogicalPlan>> {
    if pairs.is_empty() {
        return Ok(None);
    }
    if let Some(leaf) = Leaf::of(plan) {
        return beside(plan, &leaf, pairs, giver);
    }
    let input = |column: &dyn Fn(usize) -> Option<Expr>| -> Vec<(Expr, Expr)> {
        let inner = |(mine, value): &(Expr, Expr)| Some((over(mine, plan, column)?, value.clone()));
        pairs.iter().filter_map(inner).collect()
    };
    let on_path = |side: &Arc<LogicalPlan>, pairs: &[(Expr, Expr)]| with_keys(side, pairs, giver);
    let new = match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let columns = alias.input.schema().columns();
            on_path(&alias.input, &input(&|at| columns.get(at).cloned().map(Expr::Column)))?.map(|new| vec![new])
        }
        LogicalPlan::Projection(projection) => {
            let of = |at: usize| projection.expr.get(at).map(|expr| without_alias(expr).clone());
            on_path(&projection.input, &input(&of))?.map(|new| vec![new])
        }
        LogicalPlan::Aggregate(Aggregate { input: below, group_expr, .. }) => {
            let is_set = group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
            let of = |at: usize| group_expr.get(at).filter(|_| !is_set).map(|expr| without_alias(expr).clone());
            on_path(below, &input(&of))?.map(|new| vec![new])
        }
        LogicalPlan::Filter(filter) => on_path(&filter.input, pairs)?.map(|new| vec![new]),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => on_path(&sort.input, pairs)?.map(|new| vec![new]),
        LogicalPlan::Join(join) => {
            let of = |side: &Arc<LogicalPlan>| -> Vec<(Expr, Expr)> {
                pairs.iter().filter(|(mine, _)| covers(mine, side.schema())).cloned().collect()
            };
            let left = match join.join_type {
                JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                    on_path(&join.left, &of(&join.left))?
                }
                _ => None,
            };
            let right = match join.join_type {
                JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
                    if left.is_none() =>
                {
                    on_path(&join.right, &of(&join.right))?
                }
                _ => None,
            };
            match (left, right) {
                (None, None) => None,
                (left, right) => Some(vec![
                    left.unwrap_or_else(|| join.left.as_ref().clone()),
                    right.unwrap_or_else(|| join.right.as_ref().clone()),
                ]),
            }
        }
        _ => None,
    };
    new.map(|inputs| plan.with_new_exprs(plan.expressions(), inputs)).transpose()
}

/// The table with the distinct keys of `giver`.
fn beside(plan: &LogicalPlan, leaf: &Leaf, pairs: &[(Expr, Expr)], giver: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let columns: Vec<usize> = pairs.iter().filter_map(|(mine, _)| leaf.key_column(mine)).collect();
    // A name that means something else as a field would not tell one key's rows from another's.
    if pairs.iter().any(|(mine, value)| mine.is_volatile() || value.is_volatile()) {
        return Ok(None);
    }
    let tells = |column: usize| leaf.rest().is_some_and(|table| !table.table().columns[column].role.shadows());
    if leaf.bound_by(&columns) != Some(BoundBy::Key) || !columns.iter().all(|at| tells(*at)) || !is_repeatable(giver)? {
        return Ok(None);
    }
    let (values, equalities) = as_columns(pairs);
    let columns: Vec<Expr> = equalities.iter().map(|(_, key)| key.clone()).collect();
    // Grouping by all columns: the optimiser, which would turn DISTINCT into this, is done by now.
    let distinct =
        LogicalPlanBuilder::from(giver.clone()).project(values)?.aggregate(columns, Vec::<Expr>::new())?.build()?;
    let keys = keys_for(leaf, &equalities, distinct.schema());
    let mut node = bind_node(distinct, leaf, keys, BindJoinType::Inner, &mut equalities.clone())?;
    // Two spellings of a key may be one call: each row is wanted once, so what the table shows has to be the key itself.
    node.residual = conjunction(equalities.into_iter().map(|(a, b)| a.eq(b)));
    let columns = plan.schema().columns().into_iter().map(Expr::Column);
    LogicalPlanBuilder::from(node.into_plan()).project(columns)?.build().map(Some)
}

/// The values of `pairs` as columns of a relation, and the pairs over these columns.
fn as_columns(pairs: &[(Expr, Expr)]) -> (Vec<Expr>, Vec<(Expr, Expr)>) {
    let named = |(at, (mine, value)): (usize, &(Expr, Expr))| {
        let name = format!("__key_{at}");
        (value.clone().alias(&name), (mine.clone(), Expr::Column(Column::from_name(name))))
    };
    pairs.iter().enumerate().map(named).unzip()
}

/// Whether reading it twice gives the same rows, where its answers are the same. Operators that work side by side give theirs
/// in any order, of which a limit takes some.
fn is_repeatable(plan: &LogicalPlan) -> Result<bool> {
    let mut repeatable = true;
    plan.apply_with_subqueries(|node| {
        let takes_some = match node {
            LogicalPlan::Limit(_) | LogicalPlan::Window(_) => true,
            LogicalPlan::Sort(sort) => sort.fetch.is_some(),
            LogicalPlan::TableScan(scan) => {
                // What the recursion has so far is there for one reader.
                repeatable &= !is_recursion(scan);
                scan.fetch.is_some()
            }
            _ => false,
        };
        repeatable &= !takes_some || keeps_order(node);
        repeatable &= !node.expressions().iter().any(Expr::is_volatile);
        Ok(if repeatable { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(repeatable)
}

/// Whether rows always come in the same order.
fn keeps_order(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => {
            source_as_provider(&scan.source).is_ok_and(|table| table.downcast_ref::<RestTable>().is_some())
        }
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Limit(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Projection(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Filter(_) => plan.inputs().into_iter().all(keeps_order),
        _ => false,
    }
}

/// A column of `plan`, under casts, as what it is over the input.
fn over(mine: &Expr, plan: &LogicalPlan, input: &dyn Fn(usize) -> Option<Expr>) -> Option<Expr> {
    match mine {
        Expr::Column(column) => input(plan.schema().maybe_index_of_column(column)?),
        Expr::Cast(cast) => {
            let expr = Box::new(over(&cast.expr, plan, input)?);
            Some(Expr::Cast(Cast { expr, field: Arc::clone(&cast.field) }))
        }
        Expr::Alias(alias) => over(&alias.expr, plan, input),
        _ => None,
    }
}
