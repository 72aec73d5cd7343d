//! `EXISTS (SELECT … FROM json_each(t.tags) …)` and `x IN (SELECT … FROM json_each(t.tags) …)`: whether a document of the
//! row around has such an element.
//!
//! The subquery becomes a column of the node over the query around it. A subquery over anything but one JSON table is left
//! to others.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, LogicalPlanBuilder, Subquery, not};

use super::table::{Gives, JsonTable, local};

/// The plan with such subqueries in a filter or a list replaced; none where there is none.
pub(super) fn in_place_of_subqueries(plan: &LogicalPlan, number: &mut usize) -> Result<Option<LogicalPlan>> {
    let (exprs, input) = match plan {
        LogicalPlan::Filter(filter) => (vec![filter.predicate.clone()], filter.input.as_ref()),
        LogicalPlan::Projection(projection) => (projection.expr.clone(), projection.input.as_ref()),
        _ => return Ok(None),
    };
    let mut below = input.clone();
    let mut replaced = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let expr = expr.transform_up(|expr| {
            let Some((search, negated)) = Search::of(&expr) else { return Ok(Transformed::no(expr)) };
            if !search.table.expressions_refer_to(below.schema()) {
                return Ok(Transformed::no(expr));
            }
            let name = format!("__json_{number}_found");
            below = search.over(below.clone(), number, name.clone())?.into_plan();
            let found = Expr::Column(Column::from_name(name));
            Ok(Transformed::yes(if negated { not(found) } else { found }))
        })?;
        replaced.push((expr.transformed, expr.data));
    }
    if replaced.iter().all(|(changed, _)| !changed) {
        return Ok(None);
    }
    match plan {
        LogicalPlan::Filter(_) => {
            let columns = input.schema().columns().into_iter().map(Expr::Column);
            let predicate = conjunction(replaced.into_iter().map(|(_, expr)| expr));
            let mut builder = LogicalPlanBuilder::from(below);
            if let Some(predicate) = predicate {
                builder = builder.filter(predicate)?;
            }
            builder.project(columns)?.build().map(Some)
        }
        // A list keeps its names.
        _ => {
            let named = plan.schema().iter().zip(replaced).map(|((qualifier, field), (changed, expr))| {
                if changed { expr.alias_qualified(qualifier.cloned(), field.name()) } else { expr }
            });
            LogicalPlanBuilder::from(below).project(named)?.build().map(Some)
        }
    }
}

/// A subquery that asks whether a document has such an element.
struct Search<'a> {
    table: &'a JsonTable,
    /// The columns of the table, as the subquery knows them.
    schema: &'a DFSchema,
    /// What an element must pass, over those columns.
    condition: Option<Expr>,
    /// What is looked for, over the query around, and what of an element it is compared with.
    wanted: Option<(Expr, Expr)>,
}

impl<'a> Search<'a> {
    /// The search that an expression is, and whether it is negated.
    fn of(expr: &'a Expr) -> Option<(Self, bool)> {
        let (subquery, wanted, negated) = match expr {
            Expr::Exists(Exists { subquery, negated }) => (subquery, None, *negated),
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => (subquery, Some(expr.as_ref()), *negated),
            _ => return None,
        };
        let Selected { table, schema, conditions, value } = selected(subquery)?;
        let wanted = match (wanted, value) {
            (None, _) => None,
            (Some(wanted), Some(value)) => Some((wanted.clone(), value)),
            (Some(_), None) => return None,
        };
        let condition = conjunction(conditions).map(Expr::is_true);
        Some((Self { table, schema, condition, wanted }, negated))
    }

    fn over(&self, input: LogicalPlan, number: &mut usize, name: String) -> Result<JsonTable> {
        let around = input.schema().clone();
        let mut node = self.table.over(input, number, Gives::Found(name))?;
        let names = node.names().to_vec();
        let internal = |expr: Expr| {
            let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
            let name = self.schema.maybe_index_of_column(column).and_then(|at| names.get(at));
            Ok(match name {
                Some(name) => Transformed::yes(Expr::Column(Column::from_name(name))),
                None => Transformed::no(expr),
            })
        };
        // The element's columns first: afterwards those of the query around are columns too.
        let inside = |expr: &Expr| local(expr.clone().transform_up(internal)?.data, &around);
        let condition = self.condition.as_ref().map(inside).transpose()?;
        // NULL where an element or what is looked for is NULL, as IN has it.
        let equal = match &self.wanted {
            Some((wanted, value)) => Some(wanted.clone().eq(inside(value)?)),
            None => None,
        };
        node.on = conjunction(condition.into_iter().chain(equal));
        Ok(node)
    }
}

struct Selected<'a> {
    table: &'a JsonTable,
    schema: &'a DFSchema,
    conditions: Vec<Expr>,
    /// What the subquery gives, where it gives one column.
    value: Option<Expr>,
}

/// What a subquery over one JSON table selects.
fn selected(subquery: &Subquery) -> Option<Selected<'_>> {
    let mut plan = subquery.subquery.as_ref();
    let mut value = None;
    if let LogicalPlan::Distinct(Distinct::All(input)) = plan {
        plan = input;
    }
    if let LogicalPlan::Projection(projection) = plan {
        value = match projection.expr.as_slice() {
            [Expr::Alias(alias)] => Some(alias.expr.as_ref().clone()),
            [one] => Some(one.clone()),
            _ => None,
        };
        plan = &projection.input;
    }
    let mut conditions = Vec::new();
    while let LogicalPlan::Filter(filter) = plan {
        conditions.push(filter.predicate.clone());
        plan = &filter.input;
    }
    let schema = plan.schema().as_ref();
    let LogicalPlan::SubqueryAlias(alias) = plan else { return None };
    let below = match alias.input.as_ref() {
        LogicalPlan::Subquery(lateral) => lateral.subquery.as_ref(),
        other => other,
    };
    let has_subquery = |expr: &Expr| {
        let is_subquery =
            |part: &Expr| Ok(matches!(part, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_)));
        expr.exists(is_subquery).unwrap_or(true)
    };
    if conditions.iter().chain(&value).any(has_subquery) {
        return None;
    }
    JsonTable::of(below).map(|table| Selected { table, schema, conditions, value })
}
