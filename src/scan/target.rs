//! The WHERE of a write, planned as a query's would be, for its predicates alone.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result as DfResult, ScalarValue, not_impl_err};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::predicate::translate;
use super::spec::table_schema;
use super::table::pushdown_of;
use crate::bind::{Predicate, Table};
use crate::config::Timestamps;

/// A table that takes predicates and has no rows to give.
#[derive(Debug)]
pub struct WriteTarget {
    schema: SchemaRef,
}

impl WriteTarget {
    /// The target of a write to `table`.
    pub fn new(table: &Table, timestamps: Timestamps) -> Self {
        Self { schema: Arc::new(table_schema(table, timestamps)) }
    }
}

#[async_trait]
impl TableProvider for WriteTarget {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        not_impl_err!("the target of a write is not read from")
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(|expr| pushdown_of(expr)).collect())
    }
}

/// The conjuncts on `table` in an optimised plan of `SELECT … FROM table WHERE …`; `None` when the plan does more than
/// scan it. Where nothing can pass (`id = NULL`), one of them is an OR of nothing.
pub fn conjuncts(table: &Table, plan: &LogicalPlan) -> Option<Vec<Predicate>> {
    match plan {
        LogicalPlan::Projection(node) => conjuncts(table, &node.input),
        LogicalPlan::SubqueryAlias(node) => conjuncts(table, &node.input),
        LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row => Some(vec![Predicate::Or(Vec::new())]),
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
            let conjunct = |expr| if passes_nothing(expr) { Predicate::Or(Vec::new()) } else { translate(table, expr) };
            Some(scan.filters.iter().map(conjunct).collect())
        }
        _ => None,
    }
}

/// Whether no row passes, whatever it holds: `id IN (NULL)`.
fn passes_nothing(expr: &Expr) -> bool {
    let is_null = |expr: &Expr| matches!(expr, Expr::Literal(value, _) if value.is_null());
    match expr {
        Expr::Literal(ScalarValue::Boolean(Some(passes)), _) => !passes,
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => is_null(left) || is_null(right),
        Expr::InList(list) => !list.negated && list.list.iter().all(is_null),
        other => is_null(other),
    }
}
