//! A scan of an API table as a join sees it: whether it can be read by itself, and with which keys.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::{DFSchemaRef, Result};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::border::to_datafusion;
use super::predicate::{keeps_value, never_holds};
use super::spec::ScanSpec;
use super::table::RestTable;
use crate::bind::{ColumnRole, compared_with_field};

/// A scan of an API table, seen through the aliases and column projections above it.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) table: Arc<dyn TableProvider>,
    pub(super) filters: Vec<Expr>,
    /// Columns of the table, by index, that the leaf gives.
    pub(super) columns: Vec<usize>,
    pub(super) schema: DFSchemaRef,
}

/// How keys of another relation read a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BoundBy {
    /// One call per key.
    Key,
    /// The same, or listed and found there.
    KeyOrList,
}

impl Leaf {
    pub(super) fn of(plan: &LogicalPlan) -> Option<Self> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let table = source_as_provider(&scan.source).ok()?;
                table.downcast_ref::<RestTable>()?;
                let all = || (0..scan.source.schema().fields().len()).collect();
                let columns = scan.projection.clone().unwrap_or_else(all);
                Some(Self { table, filters: scan.filters.clone(), columns, schema: Arc::clone(&scan.projected_schema) })
                    .filter(|_| scan.fetch.is_none())
            }
            LogicalPlan::SubqueryAlias(alias) => {
                Self::of(&alias.input).map(|leaf| Self { schema: Arc::clone(&alias.schema), ..leaf })
            }
            LogicalPlan::Projection(projection) => {
                let below = Self::of(&projection.input)?;
                let columns = projection
                    .expr
                    .iter()
                    .map(|expr| {
                        let Expr::Column(column) = without_alias(expr) else { return None };
                        let at = below.schema.maybe_index_of_column(column)?;
                        below.columns.get(at).copied()
                    })
                    .collect::<Option<Vec<usize>>>()?;
                Some(Self { columns, schema: Arc::clone(&projection.schema), ..below })
            }
            _ => None,
        }
    }

    pub(super) fn rest(&self) -> Option<&RestTable> {
        self.table.downcast_ref::<RestTable>()
    }

    fn spec(&self, outer: &[usize]) -> Option<ScanSpec> {
        self.rest()?.spec(&self.filters, &self.columns, outer).ok()
    }

    /// Whether it can be read with `outer` bound from elsewhere.
    pub(super) fn is_readable(&self, outer: &[usize]) -> bool {
        // No call is needed for no row.
        self.filters.iter().any(never_holds) || self.spec(outer).is_some()
    }

    /// How values for the columns in `outer` read it; none where they do not, or where it is as well listed.
    pub(super) fn bound_by(&self, outer: &[usize]) -> Option<BoundBy> {
        if outer.is_empty() {
            return None;
        }
        if !self.is_readable(&[]) {
            return self.is_readable(outer).then_some(BoundBy::Key);
        }
        let (list, keyed) = (self.spec(&[])?, self.spec(outer)?);
        if keyed.gets_what_is_listed_by(&list) {
            Some(BoundBy::KeyOrList)
        } else {
            keyed.gets_more_than_is_listed_by(&list).then_some(BoundBy::Key)
        }
    }

    /// The column of the table that an expression over the leaf is, under casts.
    pub(super) fn column(&self, expr: &Expr) -> Option<usize> {
        match expr {
            Expr::Column(column) => {
                let at = self.schema.maybe_index_of_column(column)?;
                self.columns.get(at).copied()
            }
            Expr::Cast(cast) => self.column(&cast.expr),
            Expr::TryCast(cast) => self.column(&cast.expr),
            Expr::Alias(alias) => self.column(&alias.expr),
            _ => None,
        }
    }

    /// The same where an equality with the expression means one value of the column, so that it can be asked for by it.
    pub(super) fn key_column(&self, expr: &Expr) -> Option<usize> {
        let under = |inner: &Expr, target: &DataType| {
            let at = self.key_column(inner)?;
            keeps_value(&self.rest()?.table().columns[at], target).then_some(at)
        };
        match expr {
            Expr::Cast(cast) => under(&cast.expr, cast.field.data_type()),
            Expr::TryCast(cast) => under(&cast.expr, cast.field.data_type()),
            Expr::Alias(alias) => self.key_column(&alias.expr),
            other => self.column(other),
        }
    }

    /// A list whose rows are compared by a name that means something else as a parameter is compared by the field, which is
    /// hardly what was meant: `=` with a literal is about the parameter. `sides` are those of comparisons.
    ///
    /// # Errors
    /// `InvalidArgument` that says so.
    pub(super) fn check_meaning<'e>(&self, sides: impl IntoIterator<Item = &'e Expr>) -> Result<()> {
        let mut columns = sides.into_iter().filter_map(|side| self.column(side)).peekable();
        if columns.peek().is_none() {
            return Ok(());
        }
        let (Some(table), Some(list)) = (self.rest(), self.spec(&[])) else { return Ok(()) };
        for column in columns {
            let known = &table.table().columns[column];
            let is_bound = list.binding.bound_column(column).is_some() || table.is_argument(&known.name);
            let takes = list.binding.method.parameters.iter().any(|parameter| parameter.name == known.name);
            if known.role == ColumnRole::Different && takes && !is_bound {
                return Err(to_datafusion(compared_with_field(table.table(), column)));
            }
        }
        Ok(())
    }
}

pub(super) fn without_alias(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => without_alias(&alias.expr),
        other => other,
    }
}
