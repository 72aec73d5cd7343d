//! Which rows of a table a statement wants, where that is not all: the first in an order, those behind an offset, or their
//! number alone.
//!
//! Found after the optimiser, as bind joins are: a `Sort` with a limit over a scan, and a `Limit` that skips rows of one. The
//! `Sort` stays and sorts what comes, so that its answer does not depend on what the API made of the order; the scan below
//! only ends early. The skipping is the scan's alone.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchemaRef, Result as DfResult, internal_err};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{
    Aggregate, Expr, Extension, FetchType, Limit, LogicalPlan, SkipType, Sort, TableScan, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;

use super::border::to_datafusion;
use super::count::{counts_rows, total_tells};
use super::exec::CallExec;
use super::first::First;
use super::predicate::never_holds;
use super::spec::ScanSpec;
use super::table::RestTable;
use crate::bind::SortKey;
use crate::call::Wants;
use crate::provider::{Method, PageKind};

/// Which rows of a scan are wanted.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// All.
    All,
    /// Those behind the first so many.
    Behind(usize),
    /// The first in an order that the API is told.
    First(Arc<First>),
    /// All: the order is not the API's to make, and why.
    Sorted(String),
    /// All: the API cannot begin behind an offset, and why.
    Counted(usize, String),
}

impl Wanted {
    pub(super) fn is_all(&self) -> bool {
        matches!(self, Self::All | Self::Sorted(_) | Self::Counted(..))
    }

    /// Rows before the first that is wanted.
    pub(super) fn behind(&self) -> usize {
        if let Self::Behind(skip) = self { *skip } else { 0 }
    }

    /// The scan that is made, where it is not the plain one.
    pub(super) fn spec(&self) -> Option<&ScanSpec> {
        if let Self::First(first) = self { Some(&first.spec) } else { None }
    }

    /// What is wanted of the rows of each call.
    pub(super) fn wants(&self, fetch: Option<usize>, wants: Wants) -> Wants {
        match self {
            Self::First(first) => first.wants(wants),
            _ => Wants { limit: fetch.map(|n| n as u64), skip: self.behind() as u64, ..wants },
        }
    }

    /// What becomes of an ORDER BY, for people.
    pub(super) fn order(&self) -> Option<String> {
        match self {
            Self::First(first) => Some(first.text()),
            Self::Sorted(why) => Some(format!("all rows are read and sorted here: {why}")),
            _ => None,
        }
    }

    /// What becomes of an OFFSET, for people.
    pub(super) fn offset(&self, method: &Method) -> Option<String> {
        match self {
            Self::Behind(skip) => {
                let parameter = match &method.pagination.kind {
                    PageKind::Page { parameter, .. } | PageKind::Offset { parameter } => Some(parameter),
                    _ => method.pushdown.skip.as_ref(),
                };
                let by = parameter.map(|parameter| format!(" by `{}`", parameter.key)).unwrap_or_default();
                Some(format!("after a look at the first page, pages before row {} are left out{by}", skip + 1))
            }
            Self::Counted(skip, why) => Some(format!("{skip} rows are read and left out: {why}")),
            _ => None,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind(skip) => write!(f, ", offset={skip}"),
            Self::First(first) => write!(f, ", first={}", first.count),
            Self::All | Self::Sorted(_) | Self::Counted(..) => Ok(()),
        }
    }
}

/// What a statement asks of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Wish {
    /// The first `count` rows in the order of all keys; those that are columns of the table come first.
    First { keys: Vec<SortKey>, whole: bool, count: usize },
    /// Rows behind the first so many.
    Behind(usize),
    /// All rows up to the limit, for this reason.
    Counted(usize, String),
    /// How many there are, as the API states it: see [`super::count`].
    Total,
}

/// A scan of an API table of which some rows are wanted.
#[derive(Debug, Clone)]
pub(super) struct WantedRows {
    table: Arc<dyn TableProvider>,
    name: String,
    filters: Vec<Expr>,
    projection: Vec<usize>,
    fetch: Option<usize>,
    wish: Wish,
    schema: DFSchemaRef,
}

impl WantedRows {
    /// A wish for columns of a scan; none where the scan cannot be made, or nothing is wished for.
    fn of(
        scan: &TableScan,
        projection: Vec<usize>,
        wish: impl FnOnce(&ScanSpec) -> Option<Wish>,
    ) -> DfResult<Option<Self>> {
        let table = source_as_provider(&scan.source)?;
        let Some(rest) = table.downcast_ref::<RestTable>() else { return Ok(None) };
        let Ok(spec) = rest.spec(&scan.filters, &projection, &[]) else { return Ok(None) };
        let Some(wish) = wish(&spec) else { return Ok(None) };
        let fetch = match &wish {
            Wish::Behind(skip) => scan.fetch.map(|most| most.saturating_sub(*skip)),
            Wish::First { .. } | Wish::Counted(..) | Wish::Total => scan.fetch,
        };
        let name = rest.table().id();
        let (filters, schema) = (scan.filters.clone(), Arc::clone(&scan.projected_schema));
        Ok(Some(Self { table, name, filters, projection, fetch, wish, schema }))
    }

    fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The operator.
    pub(super) fn operator(&self) -> DfResult<Arc<dyn ExecutionPlan>> {
        let Some(table) = self.table.downcast_ref::<RestTable>() else {
            return internal_err!("only rows of an API table are wanted");
        };
        let spec = table.spec(&self.filters, &self.projection, &[]).map_err(to_datafusion)?;
        let core = Arc::clone(table.core());
        let wanted = match &self.wish {
            Wish::Total => {
                let schema = Arc::new(self.schema.as_arrow().clone());
                return Ok(Arc::new(CallExec::counting(core, Arc::new(spec), schema)));
            }
            Wish::Behind(skip) => Wanted::Behind(*skip),
            Wish::Counted(skip, why) => Wanted::Counted(*skip, why.clone()),
            Wish::First { keys, whole, count } => match First::new(&spec, keys, *whole, *count) {
                Ok(first) => Wanted::First(Arc::new(first)),
                Err(why) => Wanted::Sorted(why),
            },
        };
        let scan = CallExec::from_constants(core, Arc::new(spec), self.fetch);
        Ok(Arc::new(scan.wanting(wanted)))
    }

    fn identity(&self) -> impl Eq + Hash + '_ {
        (&self.name, &self.filters, &self.projection, &self.fetch, &self.wish)
    }
}

impl PartialEq for WantedRows {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for WantedRows {}

impl Hash for WantedRows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl PartialOrd for WantedRows {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.name.partial_cmp(&other.name).filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for WantedRows {
    fn name(&self) -> &'static str {
        "WantedRows"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WantedRows: {}", self.name)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, _inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        Ok(self.clone())
    }
}

/// `count(*)` of a table whose API states an exact total.
pub(super) fn total_wanted(aggregate: &Aggregate) -> DfResult<Option<LogicalPlan>> {
    let scan = scan_below(&aggregate.input).filter(|scan| scan.fetch.is_none() && counts_rows(aggregate));
    let Some(scan) = scan else { return Ok(None) };
    let node = WantedRows::of(scan, Vec::new(), |spec| total_tells(spec).then_some(Wish::Total))?;
    Ok(node.map(|node| WantedRows { schema: Arc::clone(&aggregate.schema), ..node }.into_plan()))
}

/// `ORDER BY … LIMIT` of one table.
pub(super) fn first_wanted(sort: &Sort) -> DfResult<Option<LogicalPlan>> {
    let Some(count) = sort.fetch.filter(|count| *count > 0) else { return Ok(None) };
    let Some(scan) = scan_below(&sort.input).filter(|scan| scan.fetch.is_none()) else { return Ok(None) };
    let key = |expr: &datafusion::logical_expr::SortExpr| {
        let column = table_column(&sort.input, &expr.expr)?;
        Some(SortKey { column, descending: !expr.asc, nulls_first: expr.nulls_first })
    };
    let keys: Vec<SortKey> = sort.expr.iter().map_while(key).collect();
    let whole = keys.len() == sort.expr.len();
    let Some(input) = replaced(&sort.input, scan, |_| Some(Wish::First { keys, whole, count }))? else {
        return Ok(None);
    };
    Ok(Some(LogicalPlan::Sort(Sort { input: Arc::new(input), ..sort.clone() })))
}

/// `LIMIT … OFFSET` of one table.
pub(super) fn behind_wanted(limit: &Limit) -> DfResult<Option<LogicalPlan>> {
    let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?) else {
        return Ok(None);
    };
    let Some(scan) = scan_below(&limit.input).filter(|_| skip > 0 && fetch != Some(0)) else { return Ok(None) };
    // What the optimiser made of this very limit, and of no other.
    if scan.fetch.is_some_and(|most| Some(most) != fetch.map(|fetch| fetch + skip)) {
        return Ok(None);
    }
    let mut leapt = false;
    let wish = |spec: &ScanSpec| {
        let why = spec.why_not_behind();
        leapt = why.is_none();
        Some(why.map_or(Wish::Behind(skip), |why| Wish::Counted(skip, why)))
    };
    let Some(input) = replaced(&limit.input, scan, wish)? else { return Ok(None) };
    let skip = limit.skip.clone().filter(|_| !leapt);
    Ok(Some(LogicalPlan::Limit(Limit { skip, fetch: limit.fetch.clone(), input: Arc::new(input) })))
}

/// The scan of an API table under what neither drops nor adds rows.
fn scan_below(plan: &LogicalPlan) -> Option<&TableScan> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            source_as_provider(&scan.source).ok()?.downcast_ref::<RestTable>()?;
            (!scan.filters.iter().any(never_holds)).then_some(scan)
        }
        LogicalPlan::SubqueryAlias(alias) => scan_below(&alias.input),
        LogicalPlan::Projection(projection) => scan_below(&projection.input),
        _ => None,
    }
}

/// The column of the table that an expression over `plan` is.
fn table_column(plan: &LogicalPlan, expr: &Expr) -> Option<usize> {
    let column = match expr {
        Expr::Alias(alias) => return table_column(plan, &alias.expr),
        Expr::Column(column) => column,
        _ => return None,
    };
    let at = plan.schema().maybe_index_of_column(column)?;
    match plan {
        LogicalPlan::TableScan(scan) => scan.projection.as_ref().map_or(Some(at), |columns| columns.get(at).copied()),
        LogicalPlan::SubqueryAlias(alias) => {
            table_column(&alias.input, &Expr::Column(Column::from(alias.input.schema().qualified_field(at))))
        }
        LogicalPlan::Projection(projection) => table_column(&projection.input, projection.expr.get(at)?),
        _ => None,
    }
}

/// `plan` with a wish in the place of its scan; none where the scan cannot be made, which is said elsewhere.
fn replaced(
    plan: &LogicalPlan,
    scan: &TableScan,
    wish: impl FnOnce(&ScanSpec) -> Option<Wish>,
) -> DfResult<Option<LogicalPlan>> {
    let all = || (0..scan.source.schema().fields().len()).collect();
    let Some(node) = WantedRows::of(scan, scan.projection.clone().unwrap_or_else(all), wish)? else { return Ok(None) };
    let node = node.into_plan();
    let whole = plan.clone().transform_up(|part| match part {
        LogicalPlan::TableScan(_) => Ok(Transformed::yes(node.clone())),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(Some(whole.data))
}
