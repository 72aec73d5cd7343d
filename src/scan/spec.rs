//! One scan: what is bound, what is decoded, what is checked, what comes out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, Scalar, new_null_array};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::{and_kleene, filter_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use serde_json::Value;

use self::told::TellsFilter;
use super::border::from_datafusion;
use super::predicate::translate;
use super::push::needs_value;
use super::table::StatementContext;
use crate::bind::{
    Binding, BoundColumn, ColumnRole, ConjunctFate, Supplied, Table, TableColumn, ToldOrder, bind, literal_text,
};
use crate::call::{BoundCall, PlanOptions, ReadPlan, Wants, column_kind};
use crate::config::{Settings, Timestamps};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Call, Location, Method};
use crate::report::Report;

mod told;

/// A scan of one table, ready to make calls: from its own constants, or with values from another table's rows.
#[derive(Debug, Clone)]
pub struct ScanSpec {
    /// The table.
    pub table: Arc<Table>,
    /// The method, and what goes to its parameters.
    pub binding: Binding,
    /// The columns that come out.
    pub schema: SchemaRef,
    /// Each conjunct as SQL text, and what becomes of it.
    pub conjuncts: Vec<(String, ConjunctFate)>,
    /// The predicate that rows must pass, over `needed`.
    row_filter: Option<Arc<dyn PhysicalExpr>>,
    /// The columns that it reads.
    tested: Vec<usize>,
    /// Columns of the table that the filter or the output reads, by index.
    needed: Vec<usize>,
    /// Positions in `needed` that come out.
    output: Vec<usize>,
    /// Columns that the answers hold, by index into the table: those that are decoded.
    decoded: Vec<usize>,
    /// Fields of `needed`.
    fields: Vec<Arc<Field>>,
    settings: Settings,
    restricted: Option<Vec<String>>,
    /// Conditions that the API is told in its own words.
    filter: Option<TellsFilter>,
    /// The order that it is told.
    order: Option<ToldOrder>,
    /// Columns that have a value in every row that passes.
    not_null: Vec<usize>,
}

/// What a scan is made of.
#[derive(Debug)]
pub(super) struct ScanParts<'a> {
    pub(super) table: Arc<Table>,
    /// Values given as arguments of the table.
    pub(super) arguments: &'a BTreeMap<String, Value>,
    /// The WHERE clause's conjuncts on this table.
    pub(super) filters: &'a [Expr],
    /// Columns that come out, by index.
    pub(super) projection: &'a [usize],
    /// Columns whose values come from another table's rows.
    pub(super) outer: &'a [usize],
    /// Parameters that are NULL where no value is bound to them.
    pub(super) unbound_as_null: &'a [usize],
    pub(super) settings: Settings,
    pub(super) restricted: Option<Vec<String>>,
}

/// The Arrow schema of a table.
pub(super) fn table_schema(table: &Table, timestamps: Timestamps) -> Schema {
    let typed = timestamps == Timestamps::Typed;
    let fields: Vec<Field> =
        table.columns.iter().map(|column| crate::rows::field(&column.name, column_kind(column.ty), typed)).collect();
    Schema::new(fields)
}

impl ScanSpec {
    /// Binds the parts together.
    ///
    /// # Errors
    /// As [`bind`]; `InvalidArgument` when a parameter without a value is selected.
    pub(super) fn new(parts: ScanParts<'_>) -> Result<Self> {
        let ScanParts { table, arguments, filters, projection, outer, unbound_as_null, settings, restricted } = parts;
        let predicates: Vec<_> = filters.iter().map(|expr| translate(&table, expr)).collect();
        let binding = bind(&table, &predicates, outer, arguments, settings.max_calls)?;

        // What the API answers exactly needs no second look.
        let checked: Vec<&Expr> = filters
            .iter()
            .zip(&binding.fates)
            .filter(|(_, fate)| !matches!(fate, ConjunctFate::Sent))
            .map(|(expr, _)| expr)
            .collect();
        let read = checked.iter().flat_map(|expr| expr.column_refs());
        let tested: Vec<usize> =
            read.filter_map(|column| table.columns.iter().position(|known| known.name == column.name)).collect();
        let mut needed: Vec<usize> = projection.iter().chain(&tested).copied().collect();
        needed.sort_unstable();
        needed.dedup();
        let answered = |column: usize| {
            binding.method.response.columns.iter().any(|known| known.name == table.columns[column].name)
        };
        for column in &needed {
            let known = &table.columns[*column];
            let has_value = binding.bound.iter().any(|bound| gives(bound, *column, known))
                || binding.fixed.contains_key(&known.name)
                || unbound_as_null.contains(column);
            if known.role == ColumnRole::Parameter && !has_value && default_of(&binding.method, &known.name).is_none() {
                return Err(unbound(&table, &known.name));
            }
        }
        let mut decoded: Vec<usize> = needed.iter().copied().filter(|column| answered(*column)).collect();
        for bound in &binding.bound {
            // Compared with what was sent: to check it, or for the warning.
            let compared = table.columns[bound.column].role != ColumnRole::Different;
            if compared && answered(bound.column) && !decoded.contains(&bound.column) {
                decoded.push(bound.column);
            }
        }
        let whole = table_schema(&table, settings.timestamps);
        let fields: Vec<Arc<Field>> = needed.iter().map(|column| Arc::clone(&whole.fields()[*column])).collect();
        let needed_schema = Arc::new(Schema::new(fields.clone()));
        let output: Vec<usize> =
            projection.iter().filter_map(|column| needed.iter().position(|at| at == column)).collect();
        let schema = Arc::new(
            needed_schema
                .project(&output)
                .map_err(|error| Error::new(ErrorKind::Internal, "a projection failed").caused_by(error))?,
        );
        let row_filter = if checked.is_empty() {
            None
        } else {
            let df_schema = DFSchema::try_from(Arc::clone(&needed_schema)).map_err(|error| from_datafusion(&error))?;
            let planning = PhysicalPlanningContext::default();
            let compiled = checked
                .iter()
                .map(|expr| {
                    let plain = datafusion::logical_expr::expr_rewriter::unnormalize_col((*expr).clone());
                    create_physical_expr(&plain, &df_schema, &ExecutionProps::new(), &planning)
                })
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| from_datafusion(&error))?;
            Some(conjunction(compiled))
        };
        let conjuncts =
            filters.iter().map(|expr| shown_text(&table, expr)).zip(binding.fates.iter().cloned()).collect();
        let not_null = filters.iter().filter_map(|expr| needs_value(&table, expr)).collect();
        let mut spec = Self {
            table,
            binding,
            schema,
            conjuncts,
            row_filter,
            tested,
            needed,
            output,
            decoded,
            fields,
            settings,
            restricted,
            filter: None,
            order: None,
            not_null,
        };
        spec.tell_filter(filters);
        Ok(spec)
    }

    /// A call of the method without arguments.
    fn call(&self) -> Call {
        Call {
            provider: self.table.provider.clone(),
            service: self.table.service.clone(),
            resource: self.table.resource.name.clone(),
            method: self.binding.method.name.clone(),
            ..Call::default()
        }
    }

    /// How the rows of each call are read. A limit counts only where every row is kept.
    pub(super) fn read_plan(&self, wants: Wants) -> Result<ReadPlan> {
        let compared: Vec<String> = self.compared().map(|bound| bound.parameter.clone()).collect();
        ReadPlan::new(
            &self.table,
            &self.binding.method,
            PlanOptions {
                columns: &self.decoded,
                wants: Wants { limit: wants.limit.filter(|_| self.keeps_every_row()), ..wants },
                settings: &self.settings,
                restricted: self.restricted.clone(),
                compared: &compared,
            },
        )
    }

    /// The bound columns whose values rows must hold to pass.
    fn compared(&self) -> impl Iterator<Item = &BoundColumn> {
        self.binding.bound.iter().filter(|bound| !bound.shadows && self.decoded.contains(&bound.column))
    }

    /// What is wanted of the rows in any case: all their fields where others read the same answers.
    pub(super) fn wants(&self, statement: &StatementContext) -> Wants {
        let readers = statement.shared.readers(&self.table.id(), &self.binding.method.name);
        Wants { whole: readers > 1 || !statement.settings.cache.is_zero(), ..Wants::default() }
    }

    /// Whether every row that comes passes.
    pub(super) fn keeps_every_row(&self) -> bool {
        self.row_filter.is_none() && self.compared().next().is_none()
    }

    /// The calls of one set of outer values: one per tuple of constants. Outer values are in the order of the binding's
    /// `Outer` entries.
    pub(super) fn calls(&self, outer: &[Value], tag: usize) -> Result<Vec<(BoundCall, Vec<Value>)>> {
        let outer = &self.outer_values(outer)?;
        self.binding
            .tuples
            .iter()
            .map(|tuple| {
                let mut values: Vec<Value> = tuple.clone();
                values.extend(outer.iter().cloned());
                let mut call = self.call();
                let mut label = Vec::new();
                for (name, value) in &self.binding.fixed {
                    self.place(&mut call, name, value.clone());
                }
                for (bound, value) in self.binding.bound.iter().zip(&values) {
                    let parameter = self.binding.method.parameters.iter().find(|p| p.name == bound.parameter);
                    if parameter.is_some_and(|parameter| !parameter.secret) {
                        label.push(format!("{} = {}", bound.parameter, literal_text(value)));
                    }
                    self.place(&mut call, &bound.parameter, value.clone());
                }
                for (place, expression) in self.told().unwrap_or_default() {
                    call.arguments.insert(place.key, Value::from(expression.text()));
                }
                let several = self.binding.tuples.len() > 1 || !outer.is_empty();
                let label = if several { label.join(", ") } else { String::new() };
                Ok((BoundCall { call, label, tag }, values))
            })
            .collect()
    }

    /// Values for the binding's `Outer` columns, as their parameters take them.
    ///
    /// # Errors
    /// `InvalidArgument` when one does not fit its parameter.
    pub(super) fn outer_values(&self, values: &[Value]) -> Result<Vec<Value>> {
        let typed = |(bound, value): (&BoundColumn, &Value)| {
            let parameter = self.binding.method.parameters.iter().find(|p| p.name == bound.parameter);
            parameter.map_or_else(|| Ok(value.clone()), |parameter| crate::bind::coerce(parameter, value))
        };
        self.outer_columns().zip(values).map(typed).collect()
    }

    /// Whether rows are checked here after they came.
    pub(super) fn checks_rows(&self) -> bool {
        self.row_filter.is_some()
    }

    /// Where a column of the table is among those that come out.
    pub(super) fn output_position(&self, column: usize) -> Option<usize> {
        self.output.iter().position(|at| self.needed.get(*at) == Some(&column))
    }

    /// Where a column of the table is in the answers, as they are decoded.
    pub(super) fn answer_position(&self, column: usize) -> Option<usize> {
        self.decoded.iter().position(|at| *at == column)
    }

    /// Whether this scan, which gets rows one by one by their keys, gives what `list` gives: the document declares the
    /// keys, both send the same constants, and both answer the same of the columns that are needed.
    pub(super) fn gets_what_is_listed_by(&self, list: &Self) -> bool {
        let declared = self.table.resource.keys.as_ref().is_some_and(|keys| keys.declared);
        declared && self.gets_rows_of(list) && self.filled() == list.filled()
    }

    /// Whether it gives those rows with columns that are needed and that the answers of `list` do not hold.
    pub(super) fn gets_more_than_is_listed_by(&self, list: &Self) -> bool {
        let (here, there) = (self.filled(), list.filled());
        self.gets_rows_of(list) && here.len() > there.len() && there.iter().all(|column| here.contains(column))
    }

    /// Whether it gets rows of `list` one by one by their keys.
    fn gets_rows_of(&self, list: &Self) -> bool {
        let Some(keys) = self.table.resource.keys.as_ref() else { return false };
        let constants = |spec: &Self| -> Vec<(usize, bool)> {
            let bound = spec.binding.bound.iter().filter(|bound| bound.supplied == Supplied::Constant);
            bound.map(|bound| (bound.column, bound.through_key)).collect()
        };
        let is_key = |bound: &BoundColumn| {
            let column = &self.table.columns[bound.column].name;
            keys.columns.get(&bound.parameter) == Some(column) && self.output_position(bound.column).is_some()
        };
        self.binding.method.name != list.binding.method.name
            && list.outer_columns().next().is_none()
            && self.outer_columns().next().is_some()
            && self.outer_columns().all(is_key)
            && constants(self) == constants(list)
            && self.binding.fields_only == list.binding.fields_only
    }

    /// The columns that are needed and that the answers hold, or the value that was bound.
    fn filled(&self) -> Vec<usize> {
        let is_bound = |column: usize| {
            let known = &self.table.columns[column];
            self.binding.bound.iter().any(|bound| gives(bound, column, known))
        };
        self.needed.iter().copied().filter(|column| self.decoded.contains(column) || is_bound(*column)).collect()
    }

    fn place(&self, call: &mut Call, name: &str, value: Value) {
        let parameter = self.binding.method.parameters.iter().find(|p| p.name == name);
        if parameter.is_some_and(|p| p.location == Location::Body) {
            call.body.insert(name.to_owned(), value);
        } else {
            call.arguments.insert(name.to_owned(), value);
        }
    }

    /// One batch of answers → the rows that pass, with the columns that come out.
    pub(super) fn finish(&self, rows: &RecordBatch, values: &[Value], report: &Report) -> Result<RecordBatch> {
        let count = rows.num_rows();
        let internal = |error: arrow::error::ArrowError| {
            Error::new(ErrorKind::Internal, "a batch could not be put together").caused_by(error)
        };
        let mut shown: Vec<ArrayRef> = Vec::with_capacity(self.needed.len());
        let mut tested: Vec<ArrayRef> = Vec::with_capacity(self.needed.len());
        for (column, field) in self.needed.iter().zip(&self.fields) {
            let known = &self.table.columns[*column];
            let bound = self.binding.bound.iter().zip(values).find(|(bound, _)| gives(bound, *column, known));
            let answered = self.decoded.iter().position(|at| at == column).map(|at| Arc::clone(rows.column(at)));
            let constant = || -> Result<ArrayRef> {
                let name = &known.name;
                let value = bound
                    .map(|(_, value)| value)
                    .or_else(|| self.binding.fixed.get(name))
                    .or_else(|| default_of(&self.binding.method, name));
                match value {
                    Some(value) => constant_array(value, field, count),
                    None => Ok(new_null_array(field.data_type(), count)),
                }
            };
            let real = match &answered {
                Some(array) => Arc::clone(array),
                None => constant()?,
            };
            let stands = match bound {
                Some((bound, _)) if bound.shadows && answered.is_some() => constant()?,
                _ => Arc::clone(&real),
            };
            shown.push(real);
            tested.push(stands);
        }
        report.note_tested(&self.table.id(), self.tested.iter().map(|at| self.table.columns[*at].name.as_str()));
        self.warn_of_absent(values, report);
        self.warn_of_fields_only(report);
        self.warn_of_unstated(report);
        self.warn_of_shadows(rows, values, report);
        let schema = Arc::new(Schema::new(self.fields.clone()));
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let shown = RecordBatch::try_new_with_options(Arc::clone(&schema), shown, &options).map_err(internal)?;
        let output = shown.project(&self.output).map_err(internal)?;
        let mut mask = self.asked_for(rows, values)?;
        if let Some(filter) = &self.row_filter {
            let tested = RecordBatch::try_new_with_options(schema, tested, &options).map_err(internal)?;
            let passed = filter
                .evaluate(&tested)
                .and_then(|value| value.into_array(count))
                .map_err(|error| from_datafusion(&error))?;
            let passed: &BooleanArray = passed.as_boolean();
            mask = Some(match mask {
                Some(mask) => and_kleene(&mask, passed).map_err(internal)?,
                None => passed.clone(),
            });
        }
        match mask {
            Some(mask) => filter_record_batch(&output, &mask).map_err(internal),
            None => Ok(output),
        }
    }

    /// The rows that hold what this very call asked for, where the answer says so. An API may compare more loosely than SQL
    /// does (`name=web` finds `web-1`): checked against the whole WHERE clause alone, a row could come from two calls.
    fn asked_for(&self, rows: &RecordBatch, values: &[Value]) -> Result<Option<BooleanArray>> {
        let internal = |error: arrow::error::ArrowError| {
            Error::new(ErrorKind::Internal, "an answer could not be compared with its call").caused_by(error)
        };
        let mut mask: Option<BooleanArray> = None;
        for (bound, value) in self.binding.bound.iter().zip(values).filter(|(bound, _)| !bound.shadows) {
            let Some(at) = self.decoded.iter().position(|column| *column == bound.column) else { continue };
            let wanted = Scalar::new(constant_array(value, rows.schema_ref().field(at), 1)?);
            let same = eq(rows.column(at), &wanted).map_err(internal)?;
            mask = Some(match mask {
                Some(mask) => and_kleene(&mask, &same).map_err(internal)?,
                None => same,
            });
        }
        Ok(mask)
    }

    /// Fields that other methods of the table answer, but not this one.
    fn warn_of_absent(&self, values: &[Value], report: &Report) {
        let bound = |column: usize| self.binding.bound.iter().zip(values).any(|(bound, _)| bound.column == column);
        let absent: Vec<String> = self
            .needed
            .iter()
            .filter(|column| !self.decoded.contains(column) && !bound(**column))
            .map(|column| &self.table.columns[*column])
            .filter(|column| column.role.is_field() && !self.binding.fixed.contains_key(&column.name))
            .map(|column| format!("`{}`", column.name))
            .collect();
        if !absent.is_empty() {
            let message = format!(
                "the answers of `{}` do not hold {}; NULL stands in their place",
                self.binding.method.name,
                absent.join(", ")
            );
            report.warn("absent", self.table.id(), message);
        }
    }

    /// A name that means something else as a parameter, where the method takes none of that name.
    fn warn_of_fields_only(&self, report: &Report) {
        for column in &self.binding.fields_only {
            let name = &self.table.columns[*column].name;
            report.warn(
                "shadowed",
                format!("{}.{name}", self.table.id()),
                format!(
                    "`{}` takes no parameter `{name}`, so the field of that name was compared",
                    self.binding.method.name
                ),
            );
        }
    }

    /// A field that was compared, though a parameter has its name and nobody says that both mean the same.
    fn warn_of_unstated(&self, report: &Report) {
        for column in &self.binding.unstated {
            let name = &self.table.columns[*column].name;
            report.warn(
                "shadowed",
                format!("{}.{name}", self.table.id()),
                format!("the field `{name}` was compared; the parameter of that name, which `=` gives a value, may mean something else"),
            );
        }
    }

    /// A name that is both parameter and field, of which the document does not say that they are the same, and a field whose
    /// value went to a parent's parameter because a guess says so.
    fn warn_of_shadows(&self, rows: &RecordBatch, values: &[Value], report: &Report) {
        for (bound, value) in self.binding.bound.iter().zip(values) {
            let is_guess = self.is_guessed_parent(bound);
            if self.table.columns[bound.column].role != ColumnRole::Unstated && !is_guess {
                continue;
            }
            let Some(at) = self.decoded.iter().position(|column| *column == bound.column) else { continue };
            let column = rows.column(at);
            let wanted = literal_text(value);
            let parameters = &self.binding.method.parameters;
            let in_path = parameters.iter().any(|p| p.name == bound.parameter && p.location == Location::Path);
            let is_other =
                |row: usize| arrow::util::display::array_value_to_string(column, row).is_ok_and(|text| text != wanted);
            let other = (0..column.len()).any(|row| column.is_valid(row) && is_other(row));
            // Rows below a path need not repeat what stands in it, where nobody reads it.
            let is_read = is_guess || !in_path || self.needed.contains(&bound.column);
            let none = is_read && column.null_count() > 0;
            if !(other || none) {
                continue;
            }
            let held = if other { "another value" } else { "no value" };
            let (name, parameter) = (&self.table.columns[bound.column].name, &bound.parameter);
            let message = if is_guess {
                format!(
                    "`{name}` was sent to the API as `{parameter}`; rows that hold another value or none in the field \
                     are left out, and `{parameter} = …` gives them all"
                )
            } else {
                format!("`{name}` was sent to the API as a parameter; some rows hold {held} in the field of that name")
            };
            report.warn("shadowed", format!("{}.{name}", self.table.id()), message);
        }
    }

    /// Whether a value goes to a parameter of a parent, by keys that no document states, and rows are compared with it.
    fn is_guessed_parent(&self, bound: &BoundColumn) -> bool {
        let is_inferred = self.table.resource.keys.as_ref().is_some_and(|keys| !keys.declared);
        let is_last = self.binding.method.last_in_path().is_some_and(|last| last.name == bound.parameter);
        bound.through_key && is_inferred && !is_last
    }

    /// The bound columns whose values come from another table, in order.
    pub(super) fn outer_columns(&self) -> impl Iterator<Item = &BoundColumn> {
        self.binding.bound.iter().filter(|bound| bound.supplied == Supplied::Outer)
    }

    /// One line for a plan.
    pub(super) fn one_line(&self) -> String {
        let mut line = format!("{}, method={}", self.table.id(), self.binding.method.name);
        let sent: Vec<String> = self
            .conjuncts
            .iter()
            .filter(|(_, fate)| !matches!(fate, ConjunctFate::Checked(_)))
            .map(|(text, _)| text.clone())
            .collect();
        let checked: Vec<String> = self
            .conjuncts
            .iter()
            .filter(|(_, fate)| !matches!(fate, ConjunctFate::Sent))
            .map(|(text, _)| text.clone())
            .collect();
        for (name, list) in [("sent", sent), ("checked", checked)] {
            if !list.is_empty() {
                let _ = write!(line, ", {name}=[{}]", list.join(", "));
            }
        }
        line
    }
}

/// Values of a key as one text; equal keys have equal texts.
pub(super) fn key_text(values: &[Value]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\u{1f}")
}

/// A predicate for people; the values of secret columns stay hidden.
fn shown_text(table: &Table, expr: &Expr) -> String {
    let names: Vec<String> = expr
        .column_refs()
        .iter()
        .filter(|column| table.columns.iter().any(|known| known.secret && known.name == column.name))
        .map(|column| column.name.clone())
        .collect();
    if names.is_empty() { sql_text(expr) } else { format!("a predicate on {}", names.join(", ")) }
}

/// An expression as a user would write it.
fn sql_text(expr: &Expr) -> String {
    let plain = datafusion::logical_expr::expr_rewriter::unnormalize_col(expr.clone());
    datafusion::sql::unparser::Unparser::default()
        .with_pretty(true)
        .expr_to_sql(&plain)
        .map_or_else(|_| plain.human_display().to_string(), |sql| sql.to_string())
}

/// Whether a column holds the value that is bound: it is the column of the condition, or the parameter that this reached
/// through the resource's keys (`nodebalancer_id = 5` → `nodeBalancerId`).
fn gives(bound: &BoundColumn, column: usize, known: &TableColumn) -> bool {
    bound.column == column || (known.role == ColumnRole::Parameter && bound.parameter == known.name)
}

fn default_of<'a>(method: &'a Method, name: &str) -> Option<&'a Value> {
    method.parameters.iter().find(|p| p.name == name && p.location == Location::Server).and_then(|p| p.default.as_ref())
}

fn unbound(table: &Table, name: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("`{name}` is a parameter of `{}`, and no value is bound to it", table.id()),
    )
    .hint(format!("give it one with `{name} = …` in WHERE, or leave it out of the query"))
}

/// A bound value as a column.
fn constant_array(value: &Value, field: &Field, count: usize) -> Result<ArrayRef> {
    let text = ScalarValue::Utf8(Some(literal_text(value)));
    let scalar = match value {
        Value::Null => ScalarValue::try_from(field.data_type()),
        Value::Bool(b) => ScalarValue::Boolean(Some(*b)).cast_to(field.data_type()),
        Value::Number(n) if n.is_i64() => ScalarValue::Int64(n.as_i64()).cast_to(field.data_type()),
        Value::Number(n) if n.is_f64() => ScalarValue::Float64(n.as_f64()).cast_to(field.data_type()),
        _ => text.cast_to(field.data_type()),
    };
    scalar.and_then(|scalar| scalar.to_array_of_size(count)).map_err(|error| from_datafusion(&error))
}
