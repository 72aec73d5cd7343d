//! What tells one row of a list from another.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};

/// The keys that came so far, or the first of them.
#[derive(Debug)]
pub(super) struct SeenKeys {
    keys: HashSet<u64>,
    most: usize,
    /// Whether a key came that is not remembered.
    full: bool,
}

impl SeenKeys {
    /// None yet, and no more than `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { keys: HashSet::new(), most, full: false }
    }

    /// Takes rows in, and says how many of them came before.
    pub(super) fn take_in(&mut self, batches: &[RecordBatch], columns: &[usize]) -> u64 {
        if columns.is_empty() {
            return 0;
        }
        let mut twice = 0;
        for key in batches.iter().flat_map(|batch| keys_of(batch, columns)).flatten() {
            if self.keys.len() < self.most {
                twice += u64::from(!self.keys.insert(key));
            } else if self.keys.contains(&key) {
                twice += 1;
            } else {
                self.full = true;
            }
        }
        twice
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.keys.contains(&key)
    }

    /// Whether a row that comes twice would be noticed.
    pub(super) fn knows_all(&self) -> bool {
        !self.full
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.full = false;
    }
}

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

/// Hashes of a batch's rows, over all of its columns.
pub(super) fn rows_of(batch: &RecordBatch) -> impl Iterator<Item = u64> + '_ {
    (0..batch.num_rows()).map(move |row| {
        let mut hasher = DefaultHasher::new();
        for column in batch.columns() {
            column.is_null(row).hash(&mut hasher);
            if !column.is_null(row) {
                hash_cell(column.as_ref(), row, &mut hasher);
            }
        }
        hasher.finish()
    })
}

fn hash_cell(column: &dyn Array, row: usize, hasher: &mut DefaultHasher) {
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).hash(hasher),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).hash(hasher),
        _ => arrow::util::display::array_value_to_string(column, row).unwrap_or_default().hash(hasher),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(keys: &[i64]) -> RecordBatch {
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(keys.to_vec())) as ArrayRef)]).unwrap()
    }

    #[test]
    fn rows_that_come_twice_are_counted_and_what_is_not_remembered_is_known() {
        let mut seen = SeenKeys::new(3);
        assert_eq!(seen.take_in(&[batch(&[1, 2]), batch(&[2, 3])], &[0]), 1);
        assert!(seen.knows_all());
        assert_eq!(seen.take_in(&[batch(&[1, 3])], &[0]), 2, "nothing new needs no room");
        assert!(seen.knows_all());
        assert_eq!(seen.take_in(&[batch(&[4, 4, 1])], &[0]), 1, "those that are remembered are still compared");
        assert!(!seen.knows_all());
        seen.clear();
        assert!(seen.knows_all() && !seen.contains(1));
    }
}
