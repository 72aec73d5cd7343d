//! Answers → one batch, a row per call, for RETURNING.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{Field, Schema};
use serde_json::Value;
use sqlparser::ast;

use crate::call::column_kind;
use crate::error::{Error, ErrorKind, Result, fold_name};
use crate::provider::Method;
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

/// One row per answer: the columns of the method's items, then the fields at the top of the answers that are not among
/// them. An absent value is NULL. Objects and arrays are JSON text.
///
/// # Errors
/// `Internal` when the batch cannot be put together.
pub fn answers_batch(method: &Method, answers: &[Value]) -> Result<RecordBatch> {
    let mut fields: Vec<Field> = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    let items: Vec<Option<&Value>> = answers.iter().map(|answer| item_of(method, answer)).collect();
    for column in &method.response.columns {
        let source = column.source.clone().unwrap_or_else(|| vec![column.name.clone()]);
        let values: Vec<Option<&Value>> = items
            .iter()
            .map(|item| source.iter().try_fold((*item)?, |value, key| value.get(key)).filter(|value| !value.is_null()))
            .collect();
        let kind = column_kind(column.ty);
        let kind = if fits(kind, &values) { kind } else { Kind::Any };
        fields.push(field(&column.name, kind, false));
        arrays.push(array(kind, &values));
    }
    let mut tops: Vec<&str> = Vec::new();
    for name in answers.iter().filter_map(Value::as_object).flat_map(|object| object.keys()) {
        if !tops.contains(&name.as_str()) && !fields.iter().any(|field| field.name() == name) {
            tops.push(name);
        }
    }
    for name in tops {
        let values: Vec<Option<&Value>> =
            answers.iter().map(|answer| answer.get(name).filter(|value| !value.is_null())).collect();
        let kind = [Kind::Boolean, Kind::Integer, Kind::Number].into_iter().find(|kind| fits(*kind, &values));
        let kind = kind.filter(|_| values.iter().any(Option::is_some)).unwrap_or(Kind::Any);
        fields.push(field(name, kind, false));
        arrays.push(array(kind, &values));
    }
    put_together(fields, arrays, answers.len())
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

fn array(kind: Kind, values: &[Option<&Value>]) -> ArrayRef {
    match kind {
        Kind::Integer => Arc::new(values.iter().map(|value| value.and_then(Value::as_i64)).collect::<Int64Array>()),
        Kind::Number => Arc::new(values.iter().map(|value| value.and_then(Value::as_f64)).collect::<Float64Array>()),
        Kind::Boolean => Arc::new(values.iter().map(|value| value.and_then(Value::as_bool)).collect::<BooleanArray>()),
        Kind::Text | Kind::Timestamp | Kind::Json | Kind::Any => {
            Arc::new(values.iter().map(|value| value.map(crate::bind::literal_text)).collect::<StringArray>())
        }
    }
}
