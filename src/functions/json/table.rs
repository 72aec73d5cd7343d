//! `json_each` and `json_tree` as tables over a column of the row: `FROM t, json_each(t.tags) AS e`.
//!
//! `DataFusion` plans a lateral relation as a join with a subquery and cannot run it. Here the relation is a node of its own
//! ([`JsonTableRelations`]), and the join with it becomes that node over the join's other side ([`JsonTables`]). Its columns
//! have names that nothing else has, under a projection that gives them theirs, so that predicates on a column `id` or
//! `type` of the other side still reach the API.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, Result, TableReference, internal_err, plan_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    EmptyRelation, Expr, Extension, Join, LogicalPlan, LogicalPlanBuilder, Projection, UserDefinedLogicalNodeCore,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;
use sqlparser::ast::{FunctionArg, FunctionArgExpr, Ident, ObjectName, TableAlias, TableAliasColumnDef, TableFactor};

use super::expand::Depth;
use super::search;
use crate::error::{Error, ErrorKind};

/// The columns of `json_each` and `json_tree`.
pub const COLUMNS: [&str; 8] = ["key", "value", "type", "atom", "id", "parent", "fullkey", "path"];

/// What these tables are called.
pub const NAMES: [&str; 2] = ["json_each", "json_tree"];

/// Whether a relation of this name is one of these tables.
pub fn is_json_table(name: &str) -> bool {
    depth_of(name).is_some()
}

fn depth_of(name: &str) -> Option<Depth> {
    if name.eq_ignore_ascii_case("json_each") {
        Some(Depth::Children)
    } else if name.eq_ignore_ascii_case("json_tree") {
        Some(Depth::All)
    } else {
        None
    }
}

/// What marks a column of values from documents, whose type is text and whose meaning may be a number.
pub const JSON_VALUE: &str = "skyql.json_value";

fn field(name: &str, column: &str) -> Field {
    match column {
        "id" | "parent" => Field::new(name, DataType::Int64, true),
        "key" | "value" | "atom" => {
            Field::new(name, DataType::Utf8, true).with_metadata([(JSON_VALUE.to_owned(), String::new())].into())
        }
        _ => Field::new(name, DataType::Utf8, true),
    }
}

/// The rows of one input, each with the rows of a document that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct JsonTable {
    pub(super) input: LogicalPlan,
    pub(super) document: Expr,
    pub(super) path: Option<Expr>,
    pub(super) depth: Depth,
    pub(super) gives: Gives,
    /// What a pair of rows must pass besides: a left join cannot leave it to a filter.
    pub(super) on: Option<Expr>,
    /// The names of the document's columns.
    names: Vec<String>,
    /// The columns of a pair of rows, which the condition is over.
    pub(super) pairs: DFSchemaRef,
    pub(super) schema: DFSchemaRef,
}

/// What becomes of the pairs of a row and the rows of its document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Gives {
    /// They come out.
    Pairs,
    /// They come out, and a row without any with NULLs.
    PairsAndRest,
    /// The row comes out once, and in a column of this name whether the condition holds for any of them.
    Found(String),
}

impl JsonTable {
    /// The node over an input, with names that nothing else in the statement has.
    pub(super) fn over(&self, input: LogicalPlan, number: &mut usize, gives: Gives) -> Result<Self> {
        let names: Vec<String> = COLUMNS.iter().map(|column| format!("__json_{number}_{column}")).collect();
        *number += 1;
        let here = |expr: &Expr| local(expr.clone(), input.schema());
        let (document, path) = (here(&self.document)?, self.path.as_ref().map(here).transpose()?);
        Self::new(input, document, path, self.depth, names, gives)
    }

    fn new(
        input: LogicalPlan,
        document: Expr,
        path: Option<Expr>,
        depth: Depth,
        names: Vec<String>,
        gives: Gives,
    ) -> Result<Self> {
        let below = input.schema();
        let with = |own: Vec<Field>| {
            let own = own.into_iter().map(|field| (None, Arc::new(field)));
            let all = below.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).chain(own);
            DFSchema::new_with_metadata(all.collect(), below.metadata().clone()).map(Arc::new)
        };
        let columns = names.iter().zip(COLUMNS).map(|(name, column)| field(name, column));
        let pairs = with(columns.collect())?;
        let schema = match &gives {
            Gives::Pairs | Gives::PairsAndRest => Arc::clone(&pairs),
            Gives::Found(name) => with(vec![Field::new(name, DataType::Boolean, true)])?,
        };
        Ok(Self { input, document, path, depth, gives, on: None, names, pairs, schema })
    }

    /// Whether its document or path is a column of this relation, around it.
    pub(super) fn expressions_refer_to(&self, around: &DFSchema) -> bool {
        let refers =
            |part: &Expr| Ok(matches!(part, Expr::OuterReferenceColumn(_, column) if around.has_column(column)));
        self.expressions().iter().any(|expr| expr.exists(refers).unwrap_or(false))
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn function(&self) -> &'static str {
        match self.depth {
            Depth::Children => "json_each",
            Depth::All => "json_tree",
        }
    }

    pub(super) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    pub(super) fn of(plan: &LogicalPlan) -> Option<&Self> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
            // `AS e(k, v)`
            LogicalPlan::Projection(projection) if renames_only(projection) => Self::of(&projection.input),
            _ => None,
        }
    }
}

fn renames_only(projection: &Projection) -> bool {
    let columns = projection.input.schema().columns();
    let is_column = |(expr, column): (&Expr, Column)| match expr {
        Expr::Alias(Alias { expr, .. }) => **expr == Expr::Column(column),
        other => *other == Expr::Column(column),
    };
    projection.expr.len() == columns.len() && projection.expr.iter().zip(columns).all(is_column)
}

impl fmt::Display for Gives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pairs => "",
            Self::PairsAndRest => ", rows without any kept",
            Self::Found(_) => ", whether one is found",
        })
    }
}

impl PartialOrd for JsonTable {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.names.partial_cmp(&other.names).filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for JsonTable {
    fn name(&self) -> &'static str {
        "JsonTable"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// Those over the input. The condition is over this node's own columns, which the optimiser does not expect here.
    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(self.document.clone()).chain(self.path.clone()).collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        match &self.gives {
            Gives::Pairs | Gives::PairsAndRest => self.names.iter().cloned().collect(),
            Gives::Found(name) => HashSet::from([name.clone()]),
        }
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonTable: {}({}){}", self.function(), self.document, self.gives)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let ([input], [document, path @ ..]) = (inputs.as_slice(), exprs.as_slice()) else {
            return internal_err!("a JSON table needs an input and a document");
        };
        let (document, path) = (document.clone(), path.first().cloned());
        let node = Self::new(input.clone(), document, path, self.depth, self.names.clone(), self.gives.clone())?;
        Ok(Self { on: self.on.clone(), ..node })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let below = self.input.schema();
        let mut needed: Vec<usize> = output_columns.iter().copied().filter(|at| *at < below.fields().len()).collect();
        let on = self.on.iter().flat_map(Expr::column_refs);
        needed.extend(on.filter_map(|column| below.maybe_index_of_column(column)));
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

/// Plans `json_each(…)` and `json_tree(…)` in FROM. To refer to other relations of the FROM they must be LATERAL functions,
/// which SkyQL's sessions make of them.
#[derive(Debug, Default)]
pub struct JsonTableRelations;

impl RelationPlanner for JsonTableRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (name, args, alias) = match &relation {
            TableFactor::Function { name, args, alias, .. } => (name, args, alias),
            TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
            _ => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        let Some((name, depth)) = named(name) else { return Ok(RelationPlanning::Original(Box::new(relation))) };
        let mut exprs = Vec::new();
        for arg in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else {
                return plan_err!("`{name}` is called as `{name}(json [, path])`");
            };
            exprs.push(context.sql_to_expr(expr.clone(), &DFSchema::empty())?);
        }
        let (document, path) = match exprs.as_slice() {
            [document] => (document.clone(), None),
            [document, path] => (document.clone(), Some(path.clone())),
            _ => return plan_err!("`{name}` is called as `{name}(json [, path])`"),
        };
        let one_row = EmptyRelation { produce_one_row: true, schema: Arc::new(DFSchema::empty()) };
        let names = COLUMNS.iter().map(|&column| column.to_owned()).collect();
        let plan = JsonTable::new(LogicalPlan::EmptyRelation(one_row), document, path, depth, names, Gives::Pairs)?;
        let plan = plan.into_plan();
        let mut alias = alias.clone().unwrap_or_else(|| TableAlias {
            explicit: true,
            name: Ident::with_quote('"', name),
            columns: Vec::new(),
            at: None,
        });
        // `AS e(k, v)` names the first columns; the planner wants all or none.
        if !alias.columns.is_empty() {
            let rest = COLUMNS.iter().skip(alias.columns.len());
            alias.columns.extend(rest.map(|column| TableAliasColumnDef::from_name(*column)));
        }
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, Some(alias)))))
    }
}

fn named(name: &ObjectName) -> Option<(String, Depth)> {
    match name.0.as_slice() {
        [part] => {
            let name = part.as_ident()?.value.to_lowercase();
            depth_of(&name).map(|depth| (name, depth))
        }
        _ => None,
    }
}

/// Makes one node of each join with a JSON table over the other side. To be run before types are coerced.
#[derive(Debug, Default)]
pub struct JsonTables;

impl AnalyzerRule for JsonTables {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let mut number = 0;
        let plan = plan
            .transform_up_with_subqueries(|node| {
                let rewritten = match &node {
                    LogicalPlan::Join(join) => over_the_other_side(join, &mut number)?,
                    other => search::in_place_of_subqueries(other, &mut number)?,
                };
                Ok(match rewritten {
                    Some(plan) => Transformed::yes(plan),
                    None => Transformed::no(node),
                })
            })?
            .data;
        plan.apply_with_subqueries(|node| {
            if let Some(table) = JsonTable::of(node)
                && table.expressions().iter().any(Expr::contains_outer)
            {
                return Err(correlated(table.function()));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(plan)
    }

    fn name(&self) -> &'static str {
        "skyql_json_tables"
    }
}

fn correlated(function: &str) -> DataFusionError {
    let message = format!("`{function}` in a subquery cannot read a column of the query around it");
    DataFusionError::External(Box::new(
        Error::new(ErrorKind::Unsupported, message)
            .hint(format!("EXISTS and IN can; else put it beside the table: `FROM t, {function}(t.column) AS e`")),
    ))
}

fn over_the_other_side(join: &Join, number: &mut usize) -> Result<Option<LogicalPlan>> {
    let (alias, lateral) = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(alias) => (Some(&alias.alias), alias.input.as_ref()),
        other => (None, other),
    };
    let LogicalPlan::Subquery(lateral) = lateral else { return Ok(None) };
    let Some(table) = JsonTable::of(&lateral.subquery) else { return Ok(None) };
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return plan_err!("`{}` is joined by JOIN or LEFT JOIN, not by {} JOIN", table.function(), join.join_type);
    }
    let left = join.left.as_ref();
    let gives = if join.join_type == JoinType::Left { Gives::PairsAndRest } else { Gives::Pairs };
    let mut node = table.over(left.clone(), number, gives)?;
    let names = node.names.clone();

    // The other side's columns as they are, and ours under the names that the statement knows.
    let spelt: Vec<(Option<&TableReference>, &str)> =
        join.right.schema().iter().map(|(_, field)| (alias, field.name().as_str())).collect();
    let ours = names
        .iter()
        .zip(&spelt)
        .map(|(name, (alias, column))| Expr::Column(Column::from_name(name)).alias_qualified(alias.cloned(), *column));
    let columns: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).chain(ours).collect();
    let pairs = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let always = Expr::Literal(ScalarValue::Boolean(Some(true)), None);
    let condition = conjunction(pairs.chain(join.filter.clone()).filter(|condition| *condition != always));
    if join.join_type == JoinType::Left {
        let internal = |expr: Expr| {
            let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
            let at = join.right.schema().maybe_index_of_column(column);
            Ok(match at.and_then(|at| names.get(at)).filter(|_| !left.schema().has_column(column)) {
                Some(name) => Transformed::yes(Expr::Column(Column::from_name(name))),
                None => Transformed::no(expr),
            })
        };
        node.on = condition.map(|condition| condition.transform_up(internal).map(|done| done.data)).transpose()?;
        return LogicalPlanBuilder::from(node.into_plan()).project(columns)?.build().map(Some);
    }
    let builder = LogicalPlanBuilder::from(node.into_plan()).project(columns)?;
    match condition {
        Some(condition) => builder.filter(condition)?.build().map(Some),
        None => builder.build().map(Some),
    }
}

/// An expression over an outer relation, where that relation is the input. What refers further out stays as it is.
pub(super) fn local(expr: Expr, input: &DFSchema) -> Result<Expr> {
    let done = expr.transform_up(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, column) if input.has_column(&column) => {
                Transformed::yes(Expr::Column(column))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(done.data)
}
