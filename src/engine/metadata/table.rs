//! A table of facts as the query engine sees it, and the documents that a condition leaves to be read.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, Session, TableProvider};
use datafusion::common::{DFSchema, DataFusionError, Result as DfResult};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::{Documentation, Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};

use super::cells::{Row, batch_of, maybe, schema_of, text};
use super::definitions::{Definition, Source, definition, definitions};
use super::state::SessionFacts;
use crate::engine::journal::blocking;
use crate::engine::planner::Planner;
use crate::error::{Error, ErrorKind, Result};
use crate::functions::{JSON_TABLE_NAMES, described};
use crate::provider::Service;
use crate::scan::to_datafusion;

/// Documents read side by side.
const AT_ONCE: usize = 4;

/// One schema of facts, the same for every session: what differs travels with the statement.
#[derive(Debug)]
pub(in crate::engine) struct FactSchema(pub(in crate::engine) &'static str);

#[async_trait]
impl SchemaProvider for FactSchema {
    fn table_names(&self) -> Vec<String> {
        definitions().iter().filter(|known| known.schema == self.0).map(|known| known.name.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> DfResult<Option<Arc<dyn TableProvider>>> {
        Ok(definition(self.0, name).map(|definition| {
            let schema = schema_of(definition.columns);
            Arc::new(FactTable { definition, schema }) as Arc<dyn TableProvider>
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        definition(self.0, name).is_some()
    }
}

#[derive(Debug)]
struct FactTable {
    definition: &'static Definition,
    schema: SchemaRef,
}

// Its future is written out: see `scan::table`.
impl TableProvider for FactTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn scan<'life0, 'life1, 'life2, 'life3, 'f>(
        &'life0 self,
        state: &'life1 dyn Session,
        projection: Option<&'life2 Vec<usize>>,
        filters: &'life3 [Expr],
        _limit: Option<usize>,
    ) -> BoxFuture<'f, DfResult<Arc<dyn ExecutionPlan>>>
    where
        'life0: 'f,
        'life1: 'f,
        'life2: 'f,
        'life3: 'f,
    {
        self.read(state, projection.cloned(), filters)
    }

    /// A condition says which documents to read; the rows are compared again.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

impl FactTable {
    fn read<'a>(
        &'a self,
        state: &'a dyn Session,
        projection: Option<Vec<usize>>,
        filters: &'a [Expr],
    ) -> BoxFuture<'a, DfResult<Arc<dyn ExecutionPlan>>> {
        let read = async move {
            let planner = state.config().get_extension::<Planner>().ok_or_else(|| {
                to_datafusion(Error::new(ErrorKind::Unsupported, "this session has no tables of metadata"))
            })?;
            let facts = Arc::new(SessionFacts::gather(planner, self.definition).await.map_err(to_datafusion)?);
            let wanted = Wanted::new(self.definition.scope, filters, state)?;
            let mut rows = match &self.definition.source {
                Source::Functions => functions(state),
                _ => documents(self.definition, &facts, wanted).await.map_err(to_datafusion)?,
            };
            rows.extend(self.definition.own.into_iter().flat_map(|own| own(&facts)));
            let batch = batch_of(&self.schema, self.definition.columns, &rows).map_err(to_datafusion)?;
            let plan = MemorySourceConfig::try_new_exec(&[vec![batch]], self.schema(), projection)?;
            Ok(plan as Arc<dyn ExecutionPlan>)
        };
        read.boxed()
    }
}

/// The rows that are not the session's own views and tables.
async fn documents(definition: &'static Definition, facts: &Arc<SessionFacts>, wanted: Wanted) -> Result<Vec<Row>> {
    let known = Arc::clone(facts);
    match &definition.source {
        Source::Nothing | Source::Functions => Ok(Vec::new()),
        Source::Session(rows) => blocking(move || Ok(rows(&known))).await,
        Source::Files(rows) => blocking(move || rows(&known)).await,
        Source::Providers(row) => {
            blocking(move || {
                let names = wanted.keep_names(&[], known.registry().provider_names())?;
                let rows = names.into_iter().map(|name| {
                    let provider = known.registry().provider(&name);
                    if let Err(error) = &provider {
                        known.report().warn("broken", &name, error.to_string());
                    }
                    row(&name, &provider, &known.registry().source_label(&name).unwrap_or_default())
                });
                Ok(rows.collect())
            })
            .await
        }
        Source::Services(row) => {
            blocking(move || {
                let mut rows = Vec::new();
                for (provider, services) in known_services(&known, &wanted)? {
                    let provider = known.registry().provider(&provider)?;
                    rows.extend(
                        services.iter().filter_map(|name| provider.services.get(name)).map(|s| row(&provider, s)),
                    );
                }
                Ok(rows)
            })
            .await
        }
        Source::Resources(rows_of) => {
            let wanted = Arc::new(wanted);
            let (all, asked) = (Arc::clone(&known), Arc::clone(&wanted));
            let services = blocking(move || known_services(&all, &asked)).await?;
            let names = services
                .into_iter()
                .flat_map(|(provider, names)| names.into_iter().map(move |n| (provider.clone(), n)));
            let mut read = stream::iter(names)
                .map(|(provider, name)| {
                    let (known, wanted) = (Arc::clone(&known), Arc::clone(&wanted));
                    blocking(move || service_rows(&known, &wanted, &provider, &name, *rows_of))
                })
                .buffered(AT_ONCE);
            let mut rows = Vec::new();
            while let Some(some) = read.next().await {
                rows.extend(some?);
            }
            Ok(rows)
        }
    }
}

/// The services that no condition rules out, by provider.
fn known_services(facts: &SessionFacts, wanted: &Wanted) -> Result<Vec<(String, Vec<String>)>> {
    let mut found = Vec::new();
    for name in wanted.keep_names(&[], facts.registry().provider_names())? {
        match facts.registry().provider(&name) {
            Ok(provider) => {
                let services = wanted.keep_names(&[&name], provider.services.keys().cloned().collect())?;
                found.push((name, services));
            }
            Err(error) => facts.report().warn("broken", name, error.to_string()),
        }
    }
    Ok(found)
}

fn service_rows(
    facts: &SessionFacts,
    wanted: &Wanted,
    provider: &str,
    name: &str,
    rows_of: fn(&Service, &crate::provider::Resource, &mut Vec<Row>),
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    match facts.registry().service(provider, name) {
        Ok(service) => {
            let kept = wanted.keep_names(&[provider, name], service.resources.keys().cloned().collect())?;
            for resource in kept.iter().filter_map(|name| service.resources.get(name)) {
                rows_of(&service, resource, &mut rows);
            }
        }
        Err(error) => facts.report().warn("broken", format!("{provider}.{name}"), error.to_string()),
    }
    Ok(rows)
}

/// What the conditions say of names alone.
struct Wanted {
    /// Each condition with the number of names that it needs to be decided.
    conditions: Vec<(usize, Arc<dyn PhysicalExpr>)>,
    scope: &'static [&'static str],
}

impl Wanted {
    fn new(scope: &'static [&'static str], filters: &[Expr], state: &dyn Session) -> DfResult<Self> {
        let mut conditions = Vec::new();
        for filter in filters {
            let columns = filter.column_refs();
            let levels: Option<Vec<usize>> =
                columns.iter().map(|column| scope.iter().position(|name| *name == column.name)).collect();
            // A condition on something else is decided by the rows.
            let Some(deepest) = levels.and_then(|levels| levels.into_iter().max()) else { continue };
            let level = deepest + 1;
            let schema = DFSchema::try_from(name_schema(scope, level))?;
            // What cannot be decided yet, such as a subquery, is decided by the rows too.
            if let Ok(condition) = state.create_physical_expr(unnormalize_col(filter.clone()), &schema) {
                conditions.push((level, condition));
            }
        }
        Ok(Self { conditions, scope })
    }

    /// Those of `names` that may have rows; `parents` are the names above them.
    fn keep_names(&self, parents: &[&str], names: Vec<String>) -> Result<Vec<String>> {
        let level = parents.len() + 1;
        let mut kept = vec![true; names.len()];
        for (_, condition) in self.conditions.iter().filter(|(needs, _)| *needs == level) {
            let above =
                parents.iter().map(|parent| Arc::new(StringArray::from(vec![*parent; names.len()])) as ArrayRef);
            let last = Arc::new(StringArray::from(names.clone())) as ArrayRef;
            let asked = RecordBatch::try_new(name_schema(self.scope, level), above.chain([last]).collect())
                .map_err(DataFusionError::from)
                .and_then(|batch| condition.evaluate(&batch)?.into_array(batch.num_rows()));
            let answer = asked.map_err(|error| crate::scan::from_datafusion(&error))?;
            let Some(answer) = answer.as_boolean_opt() else { continue };
            for (at, keep) in kept.iter_mut().enumerate() {
                *keep &= answer.is_valid(at) && answer.value(at);
            }
        }
        Ok(names.into_iter().zip(kept).filter(|(_, keep)| *keep).map(|(name, _)| name).collect())
    }
}

fn name_schema(scope: &[&str], level: usize) -> SchemaRef {
    let fields: Vec<Field> = scope.iter().take(level).map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    Arc::new(Schema::new(fields))
}

/// Every function by its own name; other names follow in its syntax.
fn functions(state: &dyn Session) -> Vec<Row> {
    let about = |name: &str, documentation: Option<&Documentation>| {
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let own = described(name).map(|(usage, gives)| (usage.to_owned(), gives.to_owned()));
        let found = own.or_else(|| documentation.map(|d| (line(&d.syntax_example), line(&d.description)))).unzip();
        [maybe(found.0), maybe(found.1)]
    };
    let mut rows: Vec<(String, &str, [super::cells::Cell; 2])> = Vec::new();
    for (name, function) in state.scalar_functions() {
        rows.push((name.clone(), "scalar", about(name, function.documentation())));
    }
    for (name, function) in state.aggregate_functions() {
        rows.push((name.clone(), "aggregate", about(name, function.documentation())));
    }
    for (name, function) in state.window_functions() {
        rows.push((name.clone(), "window", about(name, function.documentation())));
    }
    if let Some(state) = state.as_any().downcast_ref::<SessionState>() {
        rows.extend(state.table_functions().keys().map(|name| (name.clone(), "table", about(name, None))));
    }
    rows.extend(JSON_TABLE_NAMES.map(|name| (name.to_owned(), "table", about(name, None))));
    rows.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(b.1)));
    rows.into_iter()
        .map(|(name, kind, [syntax, description])| vec![text(name), text(kind), syntax, description])
        .collect()
}
