//! Rows of facts → Arrow.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, ErrorKind, Result};

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Int(i64),
    Number(f64),
    Bool(bool),
}

/// One row, in the order of the table's columns.
pub(super) type Row = Vec<Cell>;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellKind {
    Text,
    Int,
    Number,
    Bool,
}

impl CellKind {
    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Bool => DataType::Boolean,
        }
    }

    /// Its name in `information_schema`.
    pub(super) fn sql_name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "bigint",
            Self::Number => "double precision",
            Self::Bool => "boolean",
        }
    }
}

/// Text, also the empty one.
pub(super) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// Text that is there, or NULL.
pub(super) fn some(text: &str) -> Cell {
    if text.is_empty() { Cell::Null } else { Cell::Text(text.to_owned()) }
}

/// Text or NULL.
pub(super) fn maybe(text: Option<impl Into<String>>) -> Cell {
    text.map_or(Cell::Null, |text| Cell::Text(text.into()))
}

/// A count.
pub(super) fn count(n: impl TryInto<i64>) -> Cell {
    Cell::Int(n.try_into().unwrap_or(i64::MAX))
}

pub(super) fn schema_of(columns: &[(&str, CellKind)]) -> SchemaRef {
    let fields: Vec<Field> = columns.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), true)).collect();
    Arc::new(Schema::new(fields))
}

/// # Errors
/// `Internal` when a row is not as its table says.
pub(super) fn batch_of(schema: &SchemaRef, columns: &[(&str, CellKind)], rows: &[Row]) -> Result<RecordBatch> {
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .enumerate()
        .map(|(at, (_, kind))| {
            let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null));
            match kind {
                CellKind::Text => Arc::new(
                    cells
                        .map(|cell| match cell {
                            Cell::Text(text) => Some(text.as_str()),
                            _ => None,
                        })
                        .collect::<StringArray>(),
                ) as ArrayRef,
                CellKind::Int => Arc::new(
                    cells
                        .map(|cell| match cell {
                            Cell::Int(n) => Some(*n),
                            _ => None,
                        })
                        .collect::<Int64Array>(),
                ),
                CellKind::Number => Arc::new(
                    cells
                        .map(|cell| match cell {
                            Cell::Number(n) => Some(*n),
                            _ => None,
                        })
                        .collect::<Float64Array>(),
                ),
                CellKind::Bool => Arc::new(
                    cells
                        .map(|cell| match cell {
                            Cell::Bool(b) => Some(*b),
                            _ => None,
                        })
                        .collect::<BooleanArray>(),
                ),
            }
        })
        .collect();
    RecordBatch::try_new(Arc::clone(schema), arrays)
        .map_err(|error| Error::new(ErrorKind::Internal, "a list could not be made").caused_by(error))
}
