//! Bind joins: a table whose parameters come from another table's columns.
//!
//! Every surface form (JOIN … ON, comma join, `IN (SELECT …)`) reaches the planner as an equi-join, so one rewrite, done
//! after all optimiser rules, serves them all: a maximal tree of inner joins is flattened, relations that can be read
//! from constants come first, and each one that cannot, or that says more of a row when it is asked by its key, is bound from
//! columns that are already there. What is kept whatever the other side has is in `exists`.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, NullEquality, Result, TableReference, internal_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    EmptyRelation, Expr, Extension, Join, LogicalPlan, LogicalPlanBuilder, Projection, UserDefinedLogicalNode,
    UserDefinedLogicalNodeCore, when,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use super::border::to_datafusion;
use super::exec::{CallExec, Outer};
use super::exists::{asked_once, bind_exists, bind_scalar, with_keys, with_keys_below};
use super::foreign;
use super::joining::BindJoinType;
use super::leaf::{BoundBy, Leaf, without_alias};
use super::ordered::with_orders_once;
use super::predicate::{all_compared, never_holds};
use super::recursion::with_alike_terms;
use super::table::{RestTable, StatementContext};
use super::wanted::{WantedRows, behind_wanted, first_wanted, total_wanted};
use crate::bind::{BoundColumn, ColumnRole, Supplied, compared_with_field};
use crate::call::SharedAnswers;
use crate::functions::JsonTablePlanner;

/// `DataFusion`'s planner, with bind joins found first.
#[derive(Debug, Default)]
pub struct SkyQueryPlanner;

// Its future is written out: see `scan::table`.
impl QueryPlanner for SkyQueryPlanner {
    fn create_physical_plan<'life0, 'life1, 'life2, 'f>(
        &'life0 self,
        plan: &'life1 LogicalPlan,
        session: &'life2 dyn Session,
    ) -> BoxFuture<'f, Result<Arc<dyn ExecutionPlan>>>
    where
        'life0: 'f,
        'life1: 'f,
        'life2: 'f,
    {
        physical_plan(plan.clone(), session)
    }
}

fn physical_plan(plan: LogicalPlan, session: &dyn Session) -> BoxFuture<'_, Result<Arc<dyn ExecutionPlan>>> {
    let planned = async move {
        let plan = if foreign::is_foreign(session.config()) { foreign::relax(plan)? } else { plan };
        let plan = rewrite(plan)?;
        let planners: Vec<Arc<dyn ExtensionPlanner + Send + Sync>> =
            vec![Arc::new(BindJoinPlanner), Arc::new(JsonTablePlanner)];
        let physical =
            DefaultPhysicalPlanner::with_extension_planners(planners).create_physical_plan(&plan, session).await?;
        match session.config().get_extension::<StatementContext>() {
            Some(statement) => expect_readers(&physical, 1, &statement.shared),
            // Its answers are not shared: a plan of somebody else's may run again, and asks again.
            None => return foreign::share_statement(physical, session.config()),
        }
        Ok(physical)
    };
    planned.boxed()
}

/// Counts the operators that call the same method: what they ask alike is asked once.
fn expect_readers(plan: &Arc<dyn ExecutionPlan>, times: u32, shared: &SharedAnswers) {
    if let Some(scan) = plan.downcast_ref::<CallExec>() {
        for spec in scan.specs() {
            shared.expect(&spec.table.id(), &spec.binding.method.name, times);
        }
    }
    // The step of a recursive query runs any number of times.
    let times = if plan.name() == "RecursiveQueryExec" { u32::MAX } else { times };
    for child in plan.children() {
        expect_readers(child, times, shared);
    }
}

/// Plans bind joins.
#[derive(Debug, Default)]
pub struct BindJoinPlanner;

// Its future is written out: see `scan::table`.
impl ExtensionPlanner for BindJoinPlanner {
    fn plan_extension<'life0, 'life1, 'life2, 'life3, 'life4, 'life5, 'life6, 'life7, 'f>(
        &'life0 self,
        planner: &'life1 dyn PhysicalPlanner,
        node: &'life2 dyn UserDefinedLogicalNode,
        logical_inputs: &'life3 [&'life4 LogicalPlan],
        physical_inputs: &'life5 [Arc<dyn ExecutionPlan>],
        session: &'life6 dyn Session,
        planning: &'life7 PhysicalPlanningContext,
    ) -> BoxFuture<'f, Result<Option<Arc<dyn ExecutionPlan>>>>
    where
        'life0: 'f,
        'life1: 'f,
        'life2: 'f,
        'life3: 'f,
        'life4: 'f,
        'life5: 'f,
        'life6: 'f,
        'life7: 'f,
    {
        ready(planned(planner, node, logical_inputs, physical_inputs, session, planning)).boxed()
    }
}

fn planned(
    planner: &dyn PhysicalPlanner,
    node: &dyn UserDefinedLogicalNode,
    logical_inputs: &[&LogicalPlan],
    physical_inputs: &[Arc<dyn ExecutionPlan>],
    session: &dyn Session,
    planning: &PhysicalPlanningContext,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(wanted) = node.as_any().downcast_ref::<WantedRows>() {
        return wanted.operator().map(Some);
    }
    let Some(join) = node.as_any().downcast_ref::<BindJoin>() else { return Ok(None) };
    let (Some(logical), Some(input)) = (logical_inputs.first(), physical_inputs.first()) else {
        return internal_err!("a bind join needs an input");
    };
    let Some(table) = join.table.downcast_ref::<RestTable>() else {
        return internal_err!("a bind join needs an API table");
    };
    let columns: Vec<usize> = join.keys.iter().map(|(column, _)| *column).collect();
    let spec = table.spec(&join.filters, &join.projection, &columns).map_err(to_datafusion)?;
    let keys = spec
        .outer_columns()
        .map(|bound| {
            let key = join.keys.iter().find(|(column, _)| *column == bound.column);
            match key {
                Some((_, expr)) => planner.create_physical_expr(expr, logical.schema(), session, planning),
                None => internal_err!("a bound column has no key"),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(join.columns().as_arrow().clone());
    let residual = join
        .residual
        .as_ref()
        .map(|expr| planner.create_physical_expr(expr, &join.pairs, session, planning))
        .transpose()?;
    let list = join.or_listed.then(|| table.spec(&join.filters, &join.projection, &[]).map(Arc::new));
    let list = list.transpose().map_err(to_datafusion)?;
    let pairs = Arc::new(join.pairs.as_arrow().clone());
    let outer = Outer { input: Arc::clone(input), keys, join_type: join.join_type, pairs, residual, list };
    Ok(Some(Arc::new(CallExec::from_rows(Arc::clone(table.core()), Arc::new(spec), outer, schema))))
}

/// An outer input and a table that is called once per distinct key of it.
#[derive(Debug, Clone)]
pub(super) struct BindJoin {
    outer: LogicalPlan,
    table: Arc<dyn TableProvider>,
    name: String,
    filters: Vec<Expr>,
    /// Columns of the table that come out, by index.
    projection: Vec<usize>,
    /// Columns of the table that are bound, each with its value over the outer input.
    keys: Vec<(usize, Expr)>,
    join_type: BindJoinType,
    /// What a pair of rows must pass besides: checked here, the rows stream on, and a limit above is seen.
    pub(super) residual: Option<Expr>,
    /// Whether the table may be listed in place of one call per key.
    pub(super) or_listed: bool,
    /// The columns of the outer input, then those of the table.
    pairs: DFSchemaRef,
}

impl BindJoin {
    pub(super) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// Where each row of the outer input comes out whatever the table has: those that the filter leaves no partner have no
    /// key, and nothing is asked for them.
    pub(super) fn spare(&mut self, filter: Option<&Expr>) -> Result<()> {
        let is_own =
            |expr: &&Expr| covers(expr, self.outer.schema()) && !expr.column_refs().is_empty() && !expr.is_volatile();
        let own = filter.map(split_conjunction).unwrap_or_default();
        let Some(own) = conjunction(own.into_iter().filter(is_own).cloned()) else { return Ok(()) };
        for (_, key) in &mut self.keys {
            *key = when(own.clone(), key.clone()).end()?;
        }
        Ok(())
    }

    /// What comes out.
    fn columns(&self) -> &DFSchemaRef {
        if self.join_type.gives_pairs() { &self.pairs } else { self.outer.schema() }
    }

    /// Everything but the table itself, which its name stands for.
    fn identity(&self) -> impl Eq + Hash + '_ {
        let how = (self.join_type, &self.residual, self.or_listed);
        (&self.outer, &self.name, &self.filters, &self.projection, &self.keys, how)
    }
}

impl PartialEq for BindJoin {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for BindJoin {}

impl Hash for BindJoin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl PartialOrd for BindJoin {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.name.partial_cmp(&other.name).filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for BindJoin {
    fn name(&self) -> &'static str {
        "BindJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.outer]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.columns()
    }

    fn expressions(&self) -> Vec<Expr> {
        self.keys.iter().map(|(_, expr)| expr.clone()).chain(self.residual.clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(|(_, expr)| expr.to_string()).collect();
        write!(f, "BindJoin: {} by {}", self.name, keys.join(", "))
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(outer) = inputs.pop() else { return internal_err!("a bind join needs an input") };
        let mut exprs = exprs;
        let residual = if self.residual.is_some() { exprs.pop() } else { None };
        let keys = self.keys.iter().map(|(column, _)| *column).zip(exprs).collect();
        Ok(Self { outer, keys, residual, ..self.clone() })
    }
}

/// Rewrites every join tree that holds a table which constants alone cannot read, and scans of which not all is wanted.
fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_down_with_subqueries(|node| {
        let rewritten = match &node {
            LogicalPlan::Aggregate(aggregate) => match total_wanted(aggregate)? {
                None => with_orders_once(aggregate)?,
                total => total,
            },
            LogicalPlan::Sort(sort) => first_wanted(sort)?,
            LogicalPlan::Limit(limit) => behind_wanted(limit)?,
            LogicalPlan::Join(join) => bind_join(&node, join)?,
            LogicalPlan::Filter(filter) => bind_scalar(filter)?,
            LogicalPlan::RecursiveQuery(query) => with_alike_terms(query)?,
            _ => None,
        };
        Ok(match rewritten {
            Some(plan) => Transformed::new(plan, true, TreeNodeRecursion::Continue),
            None => Transformed::no(node),
        })
    })
    .map(|done| done.data)
}

/// The join with what must be bound of it.
fn bind_join(node: &LogicalPlan, join: &Join) -> Result<Option<LogicalPlan>> {
    for leaf in [&join.left, &join.right].into_iter().filter_map(|side| Leaf::of(side)).filter(|_| is_plain(join)) {
        let filter = join.filter.iter().flat_map(all_compared);
        leaf.check_meaning(join.on.iter().flat_map(|(a, b)| [a, b]).chain(filter))?;
    }
    if let Some(asked) = asked_once(join)? {
        return Ok(Some(asked));
    }
    let bound = match join.join_type {
        JoinType::Inner => bind_inner(node)?,
        JoinType::LeftSemi | JoinType::RightSemi => match bind_inner(node)? {
            None => bind_exists(join)?,
            bound => bound,
        },
        JoinType::LeftAnti | JoinType::RightAnti => bind_exists(join)?,
        JoinType::Left | JoinType::Right => bind_outer(join)?,
        JoinType::Full | JoinType::LeftMark | JoinType::RightMark => None,
    };
    match bound {
        None => with_keys_below(join),
        bound => Ok(bound),
    }
}

/// Whether NULL keys match nothing: only then are its equalities those of a WHERE clause.
pub(super) fn is_plain(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNothing
}

/// The relations and predicates of a tree of inner joins.
#[derive(Debug, Clone, Default)]
struct Tree {
    /// Whether joins below a choice of columns are part of it.
    through_projections: bool,
    relations: Vec<LogicalPlan>,
    equalities: Vec<(Expr, Expr)>,
    filters: Vec<Expr>,
}

impl Tree {
    fn of(plan: &LogicalPlan) -> Result<Self> {
        let mut tree = Self { through_projections: true, ..Self::default() };
        tree.add(plan)?;
        if tree.is_unambiguous() {
            return Ok(tree);
        }
        let mut tree = Self::default();
        tree.add(plan)?;
        Ok(tree)
    }

    fn add(&mut self, plan: &LogicalPlan) -> Result<()> {
        match plan {
            LogicalPlan::Join(join) if join.join_type == JoinType::Inner && is_plain(join) => {
                self.add(&join.left)?;
                self.add(&join.right)?;
                self.equalities.extend(join.on.iter().cloned());
                self.filters.extend(join.filter.iter().cloned());
            }
            LogicalPlan::Join(join)
                if join.join_type == JoinType::LeftSemi
                    && join.filter.is_none()
                    && !join.on.is_empty()
                    && !is_called_per_key(join, &join.left, &join.right)
                    && is_plain(join) =>
            {
                let on: Vec<(Expr, Expr)> = join.on.clone();
                self.add_semi(&join.left, &join.right, &on)?;
            }
            LogicalPlan::Join(join)
                if join.join_type == JoinType::RightSemi
                    && join.filter.is_none()
                    && !join.on.is_empty()
                    && !is_called_per_key(join, &join.right, &join.left)
                    && is_plain(join) =>
            {
                let on: Vec<(Expr, Expr)> = join.on.iter().cloned().map(|(left, right)| (right, left)).collect();
                self.add_semi(&join.right, &join.left, &on)?;
            }
            // Which columns go on is chosen above them all.
            LogicalPlan::Projection(projection) if self.through_projections && is_pruned_join(projection) => {
                self.add(&projection.input)?;
            }
            other => self.relations.push(other.clone()),
        }
        Ok(())
    }

    /// Whether each column has a name that no other has, also where one of them is without a table's.
    fn is_unambiguous(&self) -> bool {
        let mut known: HashMap<String, Vec<Option<TableReference>>> = HashMap::new();
        self.relations.iter().flat_map(|relation| relation.schema().columns()).all(
            |Column { relation, name, .. }| {
                let tables = known.entry(name).or_default();
                let is_new =
                    tables.is_empty() || relation.is_some() && !tables.contains(&None) && !tables.contains(&relation);
                tables.push(relation);
                is_new
            },
        )
    }

    /// A semi-join is an inner join with the distinct keys of the other side.
    fn add_semi(&mut self, kept: &LogicalPlan, other: &LogicalPlan, on: &[(Expr, Expr)]) -> Result<()> {
        self.add(kept)?;
        let number = self.relations.len();
        let names: Vec<String> = (0..on.len()).map(|key| format!("__bind_{number}_{key}")).collect();
        let keys = on.iter().zip(&names).map(|((_, right), name)| right.clone().alias(name));
        let columns: Vec<Expr> = names.iter().map(|name| Expr::Column(Column::from_name(name))).collect();
        // Grouping by all columns: the optimiser, which would turn DISTINCT into this, is done by now.
        let distinct =
            LogicalPlanBuilder::from(other.clone()).project(keys)?.aggregate(columns, Vec::<Expr>::new())?.build()?;
        self.relations.push(distinct);
        let equalities =
            on.iter().zip(names).map(|((left, _), name)| (left.clone(), Expr::Column(Column::from_name(name))));
        self.equalities.extend(equalities);
        Ok(())
    }
}

/// Whether a projection leaves out columns of an inner join, and does nothing else.
fn is_pruned_join(projection: &Projection) -> bool {
    let is_join =
        matches!(&*projection.input, LogicalPlan::Join(join) if join.join_type == JoinType::Inner && is_plain(join));
    is_join && projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_)))
}

/// Whether the other side of a semi-join is a table that is called once per key of the rows that are kept.
fn is_called_per_key(join: &Join, kept: &LogicalPlan, other: &LogicalPlan) -> bool {
    Leaf::of(other).is_some_and(|leaf| {
        let keys = keys_for(&leaf, &join.on, kept.schema());
        leaf.bound_by(&keys.iter().map(|(column, _)| *column).collect::<Vec<_>>()) == Some(BoundBy::Key)
    })
}

fn bind_inner(plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let mut tree = Tree::of(plan)?;
    let gave_keys = give_keys(&mut tree)?;
    let leaves: Vec<Option<Leaf>> = tree.relations.iter().map(Leaf::of).collect();
    for leaf in leaves.iter().flatten() {
        leaf.check_meaning(tree.equalities.iter().flat_map(|(a, b)| [a, b]))?;
    }
    // No row of one relation is no row at all, whatever the others need.
    let mut predicates = tree.filters.iter().chain(leaves.iter().flatten().flat_map(|leaf| &leaf.filters));
    if predicates.any(never_holds) {
        let schema = Arc::clone(plan.schema());
        return Ok(Some(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema })));
    }
    let readings = readings(&tree, &leaves);
    if !gave_keys && readings.iter().all(|reading| *reading == Reading::Alone) {
        return Ok(None);
    }
    let Some(joined) = best_order(&tree, &leaves, &readings)? else { return Ok(None) };
    // The engine's own order is as good, and what comes of this one is looked at again.
    if !gave_keys && joined.bound == 0 {
        return Ok(None);
    }
    let columns = plan.schema().columns().into_iter().map(Expr::Column);
    LogicalPlanBuilder::from(joined.plan).project(columns)?.build().map(Some)
}

/// Puts the keys of other relations beside tables further down, under groups and such; says whether there were any.
fn give_keys(tree: &mut Tree) -> Result<bool> {
    let mut gave = false;
    for at in 0..tree.relations.len() {
        if Leaf::of(&tree.relations[at]).is_some() {
            continue;
        }
        let is_giver = |plan: &LogicalPlan| Leaf::of(plan).is_none_or(|leaf| leaf.is_readable(&[]));
        for other in (0..tree.relations.len()).filter(|other| *other != at) {
            let (relation, giver) = (&tree.relations[at], &tree.relations[other]);
            let pair = |pair| sides(pair, giver.schema(), relation.schema()).map(|(here, there)| (there, here));
            let pairs: Vec<(Expr, Expr)> = tree.equalities.iter().filter_map(pair).collect();
            if is_giver(giver)
                && let Some(bound) = with_keys(relation, &pairs, giver)?
            {
                tree.relations[at] = bound;
                gave = true;
                break;
            }
        }
    }
    Ok(gave)
}

/// How a relation of a tree is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// By itself.
    Alone,
    /// By itself, or got by keys that other relations hold.
    Either,
    /// By such keys, which tell more of a row; by itself where no order gives them.
    Better,
    /// Only by keys.
    Bound,
}

fn readings(tree: &Tree, leaves: &[Option<Leaf>]) -> Vec<Reading> {
    let reading = |(at, leaf): (usize, &Option<Leaf>)| {
        let Some(leaf) = leaf else { return Reading::Alone };
        if !leaf.is_readable(&[]) {
            return Reading::Bound;
        }
        let others = tree.relations.iter().enumerate().filter(|(other, _)| *other != at);
        let mut bound = others.filter_map(|(_, other)| {
            let keys = keys_for(leaf, &tree.equalities, other.schema());
            leaf.bound_by(&keys.iter().map(|(column, _)| *column).collect::<Vec<_>>())
        });
        match bound.next() {
            None => Reading::Alone,
            Some(BoundBy::KeyOrList) => Reading::Either,
            Some(BoundBy::Key) => Reading::Better,
        }
    };
    leaves.iter().enumerate().map(reading).collect()
}

/// Relations in an order in which each can be read.
struct Ordered {
    plan: LogicalPlan,
    /// How many are bound from others.
    bound: usize,
    /// How many are read by themselves although others hold keys of them.
    listed: usize,
}

/// The order in which the most can be got by keys; none when they cannot be read in any.
fn best_order(tree: &Tree, leaves: &[Option<Leaf>], readings: &[Reading]) -> Result<Option<Ordered>> {
    let all = 0..tree.relations.len();
    let filtered = |at: &usize| leaves[*at].as_ref().is_some_and(|leaf| !leaf.filters.is_empty());
    let is = |reading: Reading| move |at: &usize| readings[*at] == reading;
    let mut alone = all.clone().filter(is(Reading::Alone));
    let first = alone.next();
    let first = first.or_else(|| all.clone().filter(|at| readings[*at] != Reading::Bound).find(filtered));
    let first = first.or_else(|| all.clone().find(is(Reading::Either)));
    let Some(first) = first.or_else(|| all.clone().find(is(Reading::Better))) else { return Ok(None) };
    let mut best = order(tree.clone(), leaves, readings, first)?;
    for first in alone {
        if best.as_ref().is_some_and(|best| best.listed == 0) {
            break;
        }
        let other = order(tree.clone(), leaves, readings, first)?;
        let listed = |ordered: &Option<Ordered>| ordered.as_ref().map_or(usize::MAX, |ordered| ordered.listed);
        if listed(&other) < listed(&best) {
            best = other;
        }
    }
    Ok(best)
}

/// Puts the relations in an order in which each can be read, `first` before all others; none when there is no such order.
/// One that gives keys goes before those that can be got by theirs.
fn order(tree: Tree, leaves: &[Option<Leaf>], readings: &[Reading], first: usize) -> Result<Option<Ordered>> {
    let Tree { relations, mut equalities, filters, .. } = tree;
    let mut left: Vec<usize> = (0..relations.len()).filter(|at| *at != first).collect();
    let mut placed = relations[first].clone();
    let (mut bound, mut listed) = (0, 0);
    while !left.is_empty() {
        let bindable = |by: BoundBy| {
            left.iter().enumerate().find_map(|(position, at)| {
                let leaf = leaves[*at].as_ref()?;
                let keys = keys_for(leaf, &equalities, placed.schema());
                let columns: Vec<usize> = keys.iter().map(|(column, _)| *column).collect();
                (leaf.bound_by(&columns) == Some(by)).then(|| (position, leaf.clone(), keys))
            })
        };
        let key = || bindable(BoundBy::Key).map(|found| (found, BoundBy::Key));
        let either = || bindable(BoundBy::KeyOrList).map(|found| (found, BoundBy::KeyOrList));
        if let Some(((position, leaf, keys), by)) = key().or_else(either) {
            left.remove(position);
            let mut node = bind_node(placed, &leaf, keys, BindJoinType::Inner, &mut equalities)?;
            node.or_listed = by == BoundBy::KeyOrList;
            node.residual = conjunction(due(&mut equalities, &node.pairs));
            placed = node.into_plan();
            bound += 1;
        } else {
            let is_connected = |at: usize| {
                equalities.iter().any(|pair| sides(pair, placed.schema(), relations[at].schema()).is_some())
            };
            // One that keys tell more of waits for them while others can go before it.
            let is_ready = |at: usize| matches!(readings[at], Reading::Alone | Reading::Either);
            let connected = |reading| left.iter().position(|at| readings[*at] == reading && is_connected(*at));
            let ready = || left.iter().position(|at| is_ready(*at));
            let any = || left.iter().position(|at| readings[*at] != Reading::Bound);
            let position = connected(Reading::Alone).or_else(|| connected(Reading::Either));
            let Some(position) = position.or_else(ready).or_else(any) else { return Ok(None) };
            let at = left.remove(position);
            listed += usize::from(readings[at] == Reading::Either);
            let right = relations[at].clone();
            let mut left_keys = Vec::new();
            let mut right_keys = Vec::new();
            equalities.retain(|pair| match sides(pair, placed.schema(), right.schema()) {
                Some((here, there)) => {
                    left_keys.push(here);
                    right_keys.push(there);
                    false
                }
                None => true,
            });
            placed = if left_keys.is_empty() {
                LogicalPlanBuilder::from(placed).cross_join(right)?.build()?
            } else {
                let builder = LogicalPlanBuilder::from(placed);
                builder.join_with_expr_keys(right, JoinType::Inner, (left_keys, right_keys), None)?.build()?
            };
        }
        for predicate in due(&mut equalities, placed.schema()) {
            placed = LogicalPlanBuilder::from(placed).filter(predicate)?.build()?;
        }
    }
    if !equalities.is_empty() {
        return Ok(None);
    }
    for predicate in filters {
        placed = LogicalPlanBuilder::from(placed).filter(predicate)?.build()?;
    }
    Ok(Some(Ordered { plan: placed, bound, listed }))
}

/// Equalities whose both sides are there now, and which no join took.
fn due(equalities: &mut Vec<(Expr, Expr)>, there: &DFSchema) -> Vec<Expr> {
    let mut due = Vec::new();
    equalities.retain(|(a, b)| {
        let here = covers(a, there) && covers(b, there);
        if here {
            due.push(a.clone().eq(b.clone()));
        }
        !here
    });
    due
}

/// `LEFT JOIN` (or its mirror image) whose right side is bound from the left.
fn bind_outer(join: &Join) -> Result<Option<LogicalPlan>> {
    let mirrored = join.join_type == JoinType::Right;
    let (kept, bound) = if mirrored { (&join.right, &join.left) } else { (&join.left, &join.right) };
    let Some(leaf) = Leaf::of(bound).filter(|_| is_plain(join)) else { return Ok(None) };
    let mut equalities = join.on.clone();
    let keys = keys_for(&leaf, &equalities, kept.schema());
    let columns: Vec<usize> = keys.iter().map(|(column, _)| *column).collect();
    let Some(by) = leaf.bound_by(&columns) else { return Ok(None) };
    let mut node = bind_node(kept.as_ref().clone(), &leaf, keys, BindJoinType::Left, &mut equalities)?;
    node.or_listed = by == BoundBy::KeyOrList;
    let rest = equalities.into_iter().map(|(a, b)| a.eq(b)).chain(join.filter.clone());
    node.residual = conjunction(rest);
    node.spare(join.filter.as_ref())?;
    let columns = join.schema.columns().into_iter().map(Expr::Column);
    LogicalPlanBuilder::from(node.into_plan()).project(columns)?.build().map(Some)
}

/// For each column of the leaf that an equality gives: its value over what is there already.
pub(super) fn keys_for(leaf: &Leaf, equalities: &[(Expr, Expr)], there: &DFSchema) -> Vec<(usize, Expr)> {
    let mut keys: HashMap<usize, Expr> = HashMap::new();
    let mut order = Vec::new();
    for (a, b) in equalities {
        for (mine, other) in [(a, b), (b, a)] {
            let Some(column) = leaf.key_column(mine) else { continue };
            if covers(other, there) && !other.column_refs().is_empty() && !keys.contains_key(&column) {
                keys.insert(column, other.clone());
                order.push(column);
            }
        }
    }
    order.into_iter().filter_map(|column| keys.remove(&column).map(|expr| (column, expr))).collect()
}

/// The node, with the equalities taken out that hold by its very construction.
pub(super) fn bind_node(
    outer: LogicalPlan,
    leaf: &Leaf,
    keys: Vec<(usize, Expr)>,
    join_type: BindJoinType,
    equalities: &mut Vec<(Expr, Expr)>,
) -> Result<BindJoin> {
    let Some(table) = leaf.rest() else { return internal_err!("a bind join needs an API table") };
    let columns: Vec<usize> = keys.iter().map(|(column, _)| *column).collect();
    let spec = table.spec(&leaf.filters, &leaf.columns, &columns).map_err(to_datafusion)?;
    // Rows would be sent to the parameter as if they were about the field.
    let differs = |bound: &&BoundColumn| {
        let role = table.table().columns[bound.column].role;
        bound.supplied == Supplied::Outer && !bound.through_key && role == ColumnRole::Different
    };
    if let Some(bound) = spec.binding.bound.iter().find(differs) {
        return Err(to_datafusion(compared_with_field(table.table(), bound.column)));
    }
    let holds = |column: usize| {
        spec.binding.bound_column(column).is_some_and(|bound| {
            let role = table.table().columns[column].role;
            // A parameter's column shows the very value that was bound; a name that means something else is only sent.
            bound.supplied == Supplied::Outer && !bound.through_key && (role == ColumnRole::Parameter || role.shadows())
        })
    };
    equalities.retain(|(a, b)| {
        [(a, b), (b, a)].into_iter().all(|(mine, other)| {
            // Under a cast the two sides are compared in another type than the one that was sent.
            let Expr::Column(_) = without_alias(mine) else { return true };
            leaf.column(mine).is_none_or(|column| {
                let used = keys.iter().any(|(known, expr)| *known == column && expr == other);
                !(used && holds(column))
            })
        })
    });
    let pairs = Arc::new(outer.schema().join(&leaf.schema)?);
    Ok(BindJoin {
        outer,
        table: Arc::clone(&leaf.table),
        name: table.table().id(),
        filters: leaf.filters.clone(),
        projection: leaf.columns.clone(),
        keys,
        join_type,
        residual: None,
        or_listed: false,
        pairs,
    })
}

pub(super) fn covers(expr: &Expr, schema: &DFSchema) -> bool {
    expr.column_refs().into_iter().all(|column| schema.has_column(column))
}

/// An equality between what is placed and a relation: its side here, its side there.
fn sides(pair: &(Expr, Expr), here: &DFSchema, there: &DFSchema) -> Option<(Expr, Expr)> {
    let (a, b) = pair;
    if covers(a, here) && covers(b, there) {
        Some((a.clone(), b.clone()))
    } else if covers(b, here) && covers(a, there) {
        Some((b.clone(), a.clone()))
    } else {
        None
    }
}
