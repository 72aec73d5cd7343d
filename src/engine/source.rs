//! What a write asks of the query engine: rows of its source, predicates of its WHERE, RETURNING.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider,
};
use datafusion::logical_expr::Volatility;
use datafusion::sql::parser::Statement as DfStatement;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use sqlparser::ast;

use super::Session;
use super::limits;
use super::resolve::{TargetColumns, resolve_over};
use super::result::QueryResult;
use super::yielding;
use crate::bind::{Predicate, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;
use crate::scan::{WriteTarget, columns_read, conjuncts, from_datafusion};
use crate::threads::off_thread;
use crate::write::{Lasting, RowSource, SourceRows};

/// A catalogue beside the session's own, for one table of one statement.
const SCRATCH: &str = "skyql_write";
const SCRATCH_SCHEMA: &str = "main";
const SCRATCH_TABLE: &str = "target";

/// A session as the source of a statement's rows.
pub(super) struct SessionRows<'a> {
    pub(super) session: &'a Session,
    pub(super) report: Report,
}

impl RowSource for SessionRows<'_> {
    fn rows(&self, query: ast::Query) -> BoxFuture<'_, Result<SourceRows>> {
        self.read(query).boxed()
    }

    fn conjuncts<'a>(
        &'a self,
        table: Arc<Table>,
        alias: &'a str,
        selection: ast::Expr,
    ) -> BoxFuture<'a, Result<Option<Vec<Predicate>>>> {
        self.planned_conjuncts(table, alias, selection).boxed()
    }

    fn columns_read(&self, query: ast::Query) -> BoxFuture<'_, Result<Vec<String>>> {
        let read = async move {
            let planner = self.session.fresh_planner(&self.report);
            let plan = planner.plan(&planner.context()?, ast::Statement::Query(Box::new(query))).await?;
            columns_read(&plan).map_err(|error| from_datafusion(&error))
        };
        read.boxed()
    }

    fn lasting(&self, functions: &[String]) -> Result<Lasting> {
        let state = self.session.context(&self.report)?.state();
        let lasting = |name: &String| match state.scalar_functions().get(&name.to_lowercase())?.signature().volatility {
            Volatility::Volatile => Some(Lasting::Never),
            Volatility::Stable => Some(Lasting::Statement),
            Volatility::Immutable => None,
        };
        Ok(functions.iter().filter_map(lasting).min().unwrap_or(Lasting::Always))
    }
}

impl SessionRows<'_> {
    async fn read(&self, query: ast::Query) -> Result<SourceRows> {
        let planner = self.session.fresh_planner(&self.report);
        let context = planner.context()?;
        let plan = planner.plan(&context, ast::Statement::Query(Box::new(query))).await?;
        let names = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut batches = limits::run(&context, plan).await?;
        let mut rows = Vec::new();
        while let Some(batch) = batches.next().await {
            push_rows(&batch.map_err(|error| from_datafusion(&error))?, &mut rows)?;
        }
        // Operators say their last word when they are let go.
        drop(batches);
        Ok(SourceRows { names, rows })
    }

    async fn planned_conjuncts(
        &self,
        table: Arc<Table>,
        alias: &str,
        selection: ast::Expr,
    ) -> Result<Option<Vec<Predicate>>> {
        let target = WriteTarget::new(&table, self.session.settings().timestamps);
        let query = scratch_query(vec![ast::SelectItem::UnnamedExpr(one())], alias, Some(selection))?;
        let columns = table.columns.iter().map(|column| column.name.clone()).collect();
        let planned = async {
            let own = Self::scratch(Arc::new(target))?;
            let context = self.session.planner(&self.report).context_over(&own)?;
            let plan = self.plan_scratch(&context, query, columns, alias).await?;
            context.state().optimize(&plan).map_err(|error| from_datafusion(&error))
        };
        Ok(conjuncts(&table, &planned.await?))
    }

    /// `SELECT items` over the answers of a write, which its table's alias names.
    pub(super) async fn returning(
        &self,
        items: Vec<ast::SelectItem>,
        alias: &str,
        answers: RecordBatch,
    ) -> Result<QueryResult> {
        let columns = answers.schema().fields().iter().map(|field| field.name().clone()).collect();
        let table =
            MemTable::try_new(answers.schema(), vec![vec![answers]]).map_err(|error| from_datafusion(&error))?;
        // Reading the answers makes no call: whatever happened is in the statement's own report.
        let context = self.session.planner(&self.report).context_over(&Self::scratch(Arc::new(table))?)?;
        let query = scratch_query(items, alias, None)?;
        let plan = self.plan_scratch(&context, query, columns, alias).await?;
        let frame = context.execute_logical_plan(plan).await.map_err(|error| from_datafusion(&error))?;
        let rows = yielding::run(frame).await?;
        Ok(QueryResult::rows(rows, self.report.clone(), self.session.clock()))
    }

    async fn plan_scratch(
        &self,
        context: &datafusion::prelude::SessionContext,
        query: ast::Statement,
        columns: Vec<String>,
        alias: &str,
    ) -> Result<datafusion::logical_expr::LogicalPlan> {
        let registry = self.session.registry();
        let planner = self.session.planner(&self.report);
        let target = TargetColumns { relation: alias.to_owned(), columns };
        let query = off_thread("resolving names", move || {
            let mut query = query;
            let scope = planner.scope(vec![SCRATCH.to_owned()]);
            resolve_over(&registry, &scope, &target, &mut query).map(|()| query)
        })
        .await??;
        let statement = DfStatement::Statement(Box::new(query));
        context.state().statement_to_plan(statement).await.map_err(|error| from_datafusion(&error))
    }

    /// A catalogue that holds `table`.
    fn scratch(table: Arc<dyn datafusion::catalog::TableProvider>) -> Result<MemoryCatalogProviderList> {
        let all = MemoryCatalogProviderList::new();
        let schema = MemorySchemaProvider::new();
        schema.register_table(SCRATCH_TABLE.to_owned(), table).map_err(|error| from_datafusion(&error))?;
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCRATCH_SCHEMA, Arc::new(schema)).map_err(|error| from_datafusion(&error))?;
        all.register_catalog(SCRATCH.to_owned(), Arc::new(catalog));
        Ok(all)
    }
}

fn one() -> ast::Expr {
    ast::Expr::value(ast::Value::Number("1".to_owned(), false))
}

/// `SELECT items FROM the scratch table AS alias [WHERE selection]`.
fn scratch_query(items: Vec<ast::SelectItem>, alias: &str, selection: Option<ast::Expr>) -> Result<ast::Statement> {
    let alias = ast::Ident::with_quote('"', alias);
    let text = format!("SELECT 1 FROM {SCRATCH}.{SCRATCH_SCHEMA}.{SCRATCH_TABLE} AS {alias}");
    let crate::sql::Statement::Query(mut statement) = crate::sql::parse(&text)? else {
        return Err(Error::new(ErrorKind::Internal, "the query over a write's table is none"));
    };
    if let ast::Statement::Query(query) = statement.as_mut()
        && let ast::SetExpr::Select(select) = query.body.as_mut()
    {
        select.projection = items;
        select.selection = selection;
    }
    Ok(*statement)
}

/// Rows as JSON values: what SQL has no JSON type for stands as text.
fn push_rows(batch: &RecordBatch, into: &mut Vec<Vec<Value>>) -> Result<()> {
    let columns: Vec<Vec<Value>> =
        batch.columns().iter().map(|column| column_values(column.as_ref())).collect::<Result<_>>()?;
    for row in 0..batch.num_rows() {
        into.push(columns.iter().map(|column| column[row].clone()).collect());
    }
    Ok(())
}

fn column_values(column: &dyn Array) -> Result<Vec<Value>> {
    let wrong = |error: arrow::error::ArrowError| {
        Error::new(ErrorKind::InvalidArgument, "a value of the source cannot be sent").caused_by(error)
    };
    let cast = |to: &DataType| arrow::compute::cast(column, to).map_err(wrong);
    let value_at = |at: usize, value: &dyn Fn(usize) -> Value| if column.is_null(at) { Value::Null } else { value(at) };
    let all = |value: &dyn Fn(usize) -> Value| (0..column.len()).map(|at| value_at(at, value)).collect();
    Ok(match column.data_type() {
        DataType::Null => vec![Value::Null; column.len()],
        DataType::Boolean => {
            let typed = column.as_boolean();
            all(&|at| Value::Bool(typed.value(at)))
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let cast = cast(&DataType::Int64)?;
            let typed = cast.as_primitive::<Int64Type>();
            all(&|at| Value::from(typed.value(at)))
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            let cast = cast(&DataType::UInt64)?;
            let typed = cast.as_primitive::<UInt64Type>();
            all(&|at| Value::from(typed.value(at)))
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let cast = cast(&DataType::Float64)?;
            let typed = cast.as_primitive::<Float64Type>();
            if (0..typed.len()).any(|at| typed.is_valid(at) && !typed.value(at).is_finite()) {
                return Err(Error::new(ErrorKind::InvalidArgument, "a number of the source is infinite or none"));
            }
            all(&|at| Value::from(typed.value(at)))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let cast = cast(&DataType::Utf8)?;
            let typed = cast.as_string::<i32>();
            all(&|at| Value::from(typed.value(at)))
        }
        kind if kind.is_nested() => nested_values(column)?,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let texts = texts(column)?;
            all(&|at| serde_json::from_str(&texts[at]).unwrap_or_else(|_| Value::from(texts[at].as_str())))
        }
        // A point in time that names no zone is one in UTC, here as in `datetime`: an API that reads it elsewhere would not know.
        DataType::Timestamp(_, None) => {
            let texts = texts(column)?;
            all(&|at| Value::from(format!("{}Z", texts[at])))
        }
        _ => {
            let texts = texts(column)?;
            all(&|at| Value::from(texts[at].as_str()))
        }
    })
}

fn texts(column: &dyn Array) -> Result<Vec<String>> {
    (0..column.len())
        .map(|at| arrow::util::display::array_value_to_string(column, at))
        .collect::<Result<_, _>>()
        .map_err(|error| Error::new(ErrorKind::InvalidArgument, "a value of the source is no text").caused_by(error))
}

/// Lists and structs as JSON.
fn nested_values(column: &dyn Array) -> Result<Vec<Value>> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::InvalidArgument, format!("a nested value of the source cannot be sent: {error}"))
    };
    let field = arrow::datatypes::Field::new("v", column.data_type().clone(), true);
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![column.slice(0, column.len())]).map_err(|error| wrong(&error))?;
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    writer.write(&batch).and_then(|()| writer.finish()).map_err(|error| wrong(&error))?;
    let rows: Vec<Value> = serde_json::from_slice(&writer.into_inner()).map_err(|error| wrong(&error))?;
    Ok(rows.into_iter().map(|row| row.get("v").cloned().unwrap_or(Value::Null)).collect())
}
