//! Rows of a bind join's other input, gathered by their keys.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use serde_json::Value;

use super::border::from_datafusion;
use super::predicate::scalar_value;
use super::spec::{ScanSpec, key_text};
use crate::error::{Error, ErrorKind, Result};

/// One distinct key.
pub(super) struct Key {
    /// The values for the binding's `Outer` columns.
    pub(super) values: Vec<Value>,
    /// What tells it from others.
    pub(super) text: String,
}

/// Rows that share a key, by their numbers; rows whose key holds a NULL have none.
pub(super) type Keyed = (Option<Key>, Vec<u32>);

/// Batches of the other input, which are one in the end.
#[derive(Default)]
pub(super) struct Grouped {
    batches: Vec<RecordBatch>,
    rows: usize,
    /// In order of first appearance.
    groups: Vec<Keyed>,
    places: HashMap<Option<String>, usize>,
}

impl Grouped {
    /// Takes a batch in, whose keys are what the expressions make of it.
    pub(super) fn add(&mut self, batch: RecordBatch, keys: &[Arc<dyn PhysicalExpr>], spec: &ScanSpec) -> Result<()> {
        let count = batch.num_rows();
        let arrays: Vec<ArrayRef> = keys
            .iter()
            .map(|key| key.evaluate(&batch).and_then(|value| value.into_array(count)))
            .collect::<DfResult<_>>()
            .map_err(|error| from_datafusion(&error))?;
        for row in 0..count {
            let number = u32::try_from(self.rows + row);
            let number = number.map_err(|_| Error::new(ErrorKind::Internal, "a batch is too long"))?;
            let key = key_of(spec, &arrays, row)?;
            let text = key.as_ref().map(|key| key.text.clone());
            let at = *self.places.entry(text).or_insert_with(|| {
                self.groups.push((key, Vec::new()));
                self.groups.len() - 1
            });
            self.groups[at].1.push(number);
        }
        self.rows += count;
        self.batches.push(batch);
        Ok(())
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The distinct keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().filter_map(|(key, _)| Some(key.as_ref()?.text.as_str()))
    }

    /// All rows as one batch, and which of them share a key; none where there are no rows.
    pub(super) fn finish(self) -> Result<Option<(RecordBatch, Vec<Keyed>)>> {
        let batch = match self.batches.as_slice() {
            [one] => one.clone(),
            [first, ..] => concat_batches(first.schema_ref(), &self.batches)
                .map_err(|error| Error::new(ErrorKind::Internal, "rows could not be put together").caused_by(error))?,
            [] => return Ok(None),
        };
        Ok(Some((batch, self.groups)).filter(|(batch, _)| batch.num_rows() > 0))
    }
}

fn key_of(spec: &ScanSpec, arrays: &[ArrayRef], row: usize) -> Result<Option<Key>> {
    let mut values = Vec::with_capacity(arrays.len());
    for array in arrays {
        if array.is_null(row) {
            return Ok(None);
        }
        let scalar = ScalarValue::try_from_array(array, row).map_err(|error| from_datafusion(&error))?;
        match scalar_value(&scalar) {
            Some(value) => values.push(value),
            None => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("`{scalar}` of type `{}` cannot be given to an API", array.data_type()),
                ));
            }
        }
    }
    // As the parameters take them, so that equal keys are one call however they are written.
    let text = key_text(spec.outer_values(&values).as_ref().unwrap_or(&values));
    Ok(Some(Key { values, text }))
}
