//! `count(*)` from the total of one answer, where the document says that it is exact.
//!
//! Only where nothing is left to be checked on the rows. An API that does not state its total this time, or gives an answer
//! that contradicts it, has its rows read and counted.

use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::exec::constant_rows;
use super::spec::ScanSpec;
use super::table::{ScanCore, StatementContext};
use crate::bind::ConjunctFate;
use crate::call::{Wants, stated_total};
use crate::error::{Error, ErrorKind, Result};

/// Calls made side by side.
const AT_ONCE: usize = 16;

/// Whether an aggregate is the number of all rows of its input.
pub(super) fn counts_rows(aggregate: &Aggregate) -> bool {
    let [expr] = aggregate.aggr_expr.as_slice() else { return false };
    aggregate.group_expr.is_empty() && is_count(expr)
}

fn is_count(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_count(&alias.expr),
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            func.name() == "count"
                && !params.distinct
                && params.filter.is_none()
                && params.order_by.is_empty()
                && params.args.iter().all(|arg| matches!(arg, Expr::Literal(value, _) if !value.is_null()))
        }
        _ => false,
    }
}

/// Whether the totals that the API states are the number of the scan's rows.
pub(super) fn total_tells(spec: &ScanSpec) -> bool {
    let pagination = &spec.binding.method.pagination;
    let sent = spec.conjuncts.iter().all(|(_, fate)| *fate == ConjunctFate::Sent);
    let whole = |plan: crate::call::ReadPlan| {
        spec.calls(&[], 0).is_ok_and(|calls| !calls.iter().any(|(bound, _)| plan.is_own_page(&bound.call)))
    };
    pagination.exact
        && pagination.total.as_ref().is_some_and(|total| total.rows_path().is_some())
        && sent
        && !spec.checks_rows()
        && spec.read_plan(Wants::default()).is_ok_and(whole)
}

/// The smallest page there is: only its total is wanted.
pub(super) fn count_wants(wants: Wants) -> Wants {
    Wants { limit: Some(1), total: true, ..wants }
}

/// One row: the number of rows that the scan's constants ask for.
pub(super) fn counted_rows(
    core: &Arc<ScanCore>,
    spec: &Arc<ScanSpec>,
    statement: &Arc<StatementContext>,
    schema: &SchemaRef,
) -> BoxStream<'static, Result<RecordBatch>> {
    let parts = (Arc::clone(core), Arc::clone(spec), Arc::clone(statement), Arc::clone(schema));
    stream::once(async move {
        let (core, spec, statement, schema) = parts;
        let count = count(&core, &spec, &statement).await?;
        let count = i64::try_from(count).map_err(|_| Error::new(ErrorKind::Api, "the API's total is no total"))?;
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![count])) as Arc<dyn Array>])
            .map_err(|error| Error::new(ErrorKind::Internal, "a count could not be given").caused_by(error))
    })
    .boxed()
}

async fn count(core: &Arc<ScanCore>, spec: &Arc<ScanSpec>, statement: &Arc<StatementContext>) -> Result<u64> {
    let plan = Arc::new(spec.read_plan(count_wants(spec.wants(statement)))?);
    let context = core.read_context(statement);
    let calls = spec.calls(&[], 0)?;
    let totals = calls.into_iter().map(|(bound, _)| stated_total(Arc::clone(&context), Arc::clone(&plan), bound));
    let mut totals = stream::iter(totals).buffered(AT_ONCE);
    let mut sum = Some(0_u64);
    while let (Some(so_far), Some(total)) = (sum, totals.try_next().await?) {
        sum = total.and_then(|total| so_far.checked_add(total));
    }
    drop(totals);
    if let Some(sum) = sum {
        return Ok(sum);
    }
    let mut rows = constant_rows(core, spec, statement, 0, None)?.boxed();
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        count += batch?.num_rows() as u64;
    }
    Ok(count)
}
