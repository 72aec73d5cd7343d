//! Answers → one batch, for RETURNING: a row per call, or as many as its answer lists.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{Field, Schema};
use serde_json::Value;
use sqlparser::ast;

use crate::call::column_kind;
use crate::error::{Error, ErrorKind, Result, fold_name};
use crate::provider::{Column, Effect, ItemShape, Method, PageKind, TokenSource, Total};
use crate::rows::{ItemPath, Kind, field};

/// What stands at the item path of an answer; the first, where it is a list.
pub(super) fn item_of<'a>(method: &Method, answer: &'a Value) -> Option<&'a Value> {
    let path = ItemPath::parse(&method.response.item_path).ok()?;
    let found = path.select(answer).into_iter().next()?;
    match found {
        Value::Array(items) => items.first(),
        other => Some(other),
    }
}

/// The columns that RETURNING names and no answer is known to hold.
pub fn unanswered(items: &[ast::SelectItem], batch: &RecordBatch) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for ident in items.iter().flat_map(super::fill::identifiers) {
        let held = batch.schema_ref().fields().iter().any(|field| fold_name(field.name()) == fold_name(&ident.value));
        if !ident.value.is_empty() && !held && !names.contains(&ident.value) {
            names.push(ident.value);
        }
    }
    names
}

/// The batch with columns of NULLs beside its own: what RETURNING asks for is answered, though the API did not.
///
/// # Errors
/// `Internal` when the batch cannot be put together.
pub fn with_nulls(batch: &RecordBatch, names: &[String]) -> Result<RecordBatch> {
    let mut fields: Vec<Field> = batch.schema_ref().fields().iter().map(|field| Field::clone(field)).collect();
    let mut arrays = batch.columns().to_vec();
    for name in names {
        fields.push(field(name, Kind::Any, false));
        arrays.push(array(Kind::Any, &vec![None; batch.num_rows()]));
    }
    put_together(fields, arrays, batch.num_rows())
}

/// A row of an answer: the item, and the name under which it stands in a map.
struct Row<'a> {
    answer: &'a Value,
    item: Option<&'a Value>,
    key: Option<Value>,
}

/// The rows of an answer: as many as it lists, which may be none. What changed something and lists nothing has one: it was done.
fn rows_of<'a>(method: &Method, answer: &'a Value) -> Vec<Row<'a>> {
    let row = |item: Option<&'a Value>, key: Option<&str>| Row { answer, item, key: key.map(Value::from) };
    let path = ItemPath::parse(&method.response.item_path).ok();
    let found = path.as_ref().map(|path| path.select(answer)).unwrap_or_default();
    let is_element = path.is_some_and(|path| path.ends_in_wildcard());
    let is_map = method.response.items == ItemShape::Map;
    let mut rows: Vec<Row<'a>> = Vec::new();
    for value in found.iter().copied() {
        match value {
            Value::Array(items) => rows.extend(items.iter().map(|item| row(Some(item), None))),
            Value::Object(items) if is_map => {
                rows.extend(items.iter().map(|(key, item)| row(Some(item), Some(key))));
            }
            Value::Null if !is_element => {}
            item => rows.push(row(Some(item), None)),
        }
    }
    let lists = found.iter().any(|value| value.is_array() || is_map && value.is_object());
    if rows.is_empty() && !lists && (found.is_empty() || method.effect != Effect::Read) {
        rows.push(row(None, None));
    }
    rows
}

/// Why the rows of an answer that was asked for once may not be all there are; `None` where they are.
pub fn rows_left(method: &Method, answer: &Value) -> Option<String> {
    if !matches!(method.response.items, ItemShape::List | ItemShape::Map | ItemShape::Scalar) {
        return None;
    }
    let at = |path: &str| ItemPath::parse(path).ok()?.select(answer).into_iter().next();
    let number = |path: &str| match at(path)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    let rows = rows_of(method, answer).len() as u64;
    let paging = &method.pagination;
    if let Some(path) = paging.incomplete.as_deref().filter(|path| at(path) == Some(&Value::Bool(true))) {
        return Some(format!("the API says at `{path}` that it does not give all that it found"));
    }
    let total = paging.total.as_ref();
    if let Some(total) = total.and_then(Total::rows_path).and_then(number) {
        return (rows < total)
            .then(|| format!("the answer holds {rows} of {total} rows: EXEC makes one call, SELECT reads all pages"));
    }
    let ends = match &paging.kind {
        PageKind::Single => true,
        PageKind::Cursor { from: TokenSource::Body(path), .. } | PageKind::NextUrl { path } => {
            at(path).is_none_or(|token| matches!(token, Value::Null | Value::Bool(false)) || *token == "")
        }
        _ => total.and_then(Total::pages_path).and_then(number).is_some_and(|pages| pages <= 1),
    };
    let message = "EXEC makes one call, and its answer need not be the only page: SELECT reads all there are";
    (!ends).then(|| message.to_owned())
}

/// Whether an answer holds none of the columns that its method's answers have: an error inside a 200, or nothing.
pub fn holds_none(method: &Method, answer: &Value) -> bool {
    let columns = &method.response.columns;
    let holds = |row: &Row<'_>, column: &Column| row.value(method, column).is_some();
    let rows = rows_of(method, answer);
    !columns.is_empty() && !rows.is_empty() && !rows.iter().any(|row| columns.iter().any(|column| holds(row, column)))
}

/// The rows of answers: the columns of the method's items, then the fields at the top of the answers that are not among
/// them; of a list not the list itself. An absent value is NULL. Objects and arrays are JSON text.
///
/// # Errors
/// `Internal` when the batch cannot be put together.
pub fn answers_batch(method: &Method, answers: &[Value]) -> Result<RecordBatch> {
    let mut fields: Vec<Field> = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    let rows: Vec<Row<'_>> = answers.iter().flat_map(|answer| rows_of(method, answer)).collect();
    for column in &method.response.columns {
        let values: Vec<Option<&Value>> = rows.iter().map(|row| row.value(method, column)).collect();
        let kind = column_kind(column.ty);
        let kind = if is_readable(kind, &values) { kind } else { Kind::Any };
        fields.push(field(&column.name, kind, false));
        arrays.push(array(kind, &values));
    }
    // Each row of a list would repeat it whole.
    let is_single = |answer: &Value| rows_of(method, answer).len() == 1;
    let list = (!answers.iter().all(is_single)).then(|| list_field(method)).flatten();
    let mut tops: Vec<&str> = Vec::new();
    for name in answers.iter().filter_map(Value::as_object).flat_map(|object| object.keys()) {
        let is_list = list.as_deref() == Some(name.as_str());
        if !is_list && !tops.contains(&name.as_str()) && !fields.iter().any(|field| field.name() == name) {
            tops.push(name);
        }
    }
    for name in tops {
        let values: Vec<Option<&Value>> =
            rows.iter().map(|row| row.answer.get(name).filter(|value| !value.is_null())).collect();
        let kind =
            [Kind::Boolean, Kind::Integer, Kind::Number, Kind::Json].into_iter().find(|kind| fits(*kind, &values));
        let kind = kind.filter(|_| values.iter().any(Option::is_some)).unwrap_or(Kind::Any);
        fields.push(field(name, kind, false));
        arrays.push(array(kind, &values));
    }
    put_together(fields, arrays, rows.len())
}

impl Row<'_> {
    fn value(&self, method: &Method, column: &Column) -> Option<&Value> {
        let value = match (method.response.items, column.source.as_deref()) {
            (ItemShape::Map, _) if column.name == "key" && self.key.is_some() => self.key.as_ref(),
            (ItemShape::Scalar, _) if column.name == "value" => self.item,
            _ => column.value_in(self.item?),
        };
        value.filter(|value| !value.is_null())
    }
}

/// The field at the top of an answer in which its list stands.
fn list_field(method: &Method) -> Option<String> {
    let rest = method.response.item_path.strip_prefix("$.")?;
    rest.split(['.', '[']).next().map(str::to_owned)
}

fn put_together(fields: Vec<Field>, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| Error::new(ErrorKind::Internal, "the answers could not be put together").caused_by(error))
}

fn fits(kind: Kind, values: &[Option<&Value>]) -> bool {
    values.iter().flatten().all(|value| match kind {
        Kind::Integer => value.is_i64(),
        Kind::Number => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::Text | Kind::Timestamp => value.is_string(),
        Kind::Json => value.is_object() || value.is_array(),
        Kind::Any => true,
    })
}

/// As [`fits`], and a number may be written as a text, as it may where rows are read.
fn is_readable(kind: Kind, values: &[Option<&Value>]) -> bool {
    match kind {
        Kind::Integer => values.iter().flatten().all(|value| whole(value).is_some()),
        Kind::Number => values.iter().flatten().all(|value| number(value).is_some()),
        _ => fits(kind, values),
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn array(kind: Kind, values: &[Option<&Value>]) -> ArrayRef {
    match kind {
        Kind::Integer => Arc::new(values.iter().map(|value| value.and_then(whole)).collect::<Int64Array>()),
        Kind::Number => Arc::new(values.iter().map(|value| value.and_then(number)).collect::<Float64Array>()),
        Kind::Boolean => Arc::new(values.iter().map(|value| value.and_then(Value::as_bool)).collect::<BooleanArray>()),
        Kind::Text | Kind::Timestamp | Kind::Json | Kind::Any => {
            Arc::new(values.iter().map(|value| value.map(crate::bind::literal_text)).collect::<StringArray>())
        }
    }
}
