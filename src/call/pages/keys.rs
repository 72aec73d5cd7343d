//! What tells one row of a list from another.

use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};

/// The keys of a batch's rows, by these columns; none for a row whose key is not known, which may be any row.
pub(super) fn keys_of<'b>(batch: &'b RecordBatch, columns: &'b [usize]) -> impl Iterator<Item = Option<u64>> + 'b {
    (0..batch.num_rows()).map(move |row| {
        if columns.iter().any(|column| batch.column(*column).is_null(row)) {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        for column in columns {
            hash_cell(batch.column(*column).as_ref(), row, &mut hasher);
        }
        Some(hasher.finish())
    })
}

fn hash_cell(column: &dyn Array, row: usize, hasher: &mut DefaultHasher) {
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).hash(hasher),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).hash(hasher),
        _ => arrow::util::display::array_value_to_string(column, row).unwrap_or_default().hash(hasher),
    }
}
