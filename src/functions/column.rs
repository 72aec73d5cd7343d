//! A column of any Arrow type, read as the few kinds of values that these functions tell apart.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, StringBuilder, UInt64Array,
    UnionArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, UInt64Type};
use arrow::json::writer::{EncoderOptions, make_encoder};
use datafusion::common::{Result, exec_err};

use super::json::quote;

/// Arrow's canonical extension type for text that is JSON.
const EXTENSION_NAME: &str = "ARROW:extension:name";
const JSON: &str = "arrow.json";

/// A field of JSON text.
pub(super) fn json_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true).with_metadata([(EXTENSION_NAME.to_owned(), JSON.to_owned())].into())
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    /// A decimal number, digit by digit.
    Decimal(&'a str),
    Text(&'a str),
    /// Text that should be JSON.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// The value as text; none for NULL.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Unsigned(number) => Cow::Owned(number.to_string()),
            Self::Float(number) => Cow::Owned(float_text(number)),
            Self::Decimal(text) | Self::Text(text) | Self::Json(text) => Cow::Borrowed(text),
        })
    }
}

/// The shortest digits that read back as the same number.
pub(super) fn float_text(number: f64) -> String {
    format!("{number:?}")
}

/// A column, by the kind of its values.
#[derive(Debug)]
pub(super) enum Column {
    Null,
    Boolean(BooleanArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Float(Float64Array),
    Decimal(StringArray),
    Text(StringArray),
    Json(StringArray),
    Union(UnionArray, Vec<(i8, Column)>),
}

impl Column {
    pub(super) fn new(array: &ArrayRef, field: &Field) -> Result<Self> {
        let as_type = |wanted: &DataType| {
            // What does not fit is an error, not NULL.
            cast_with_options(array, wanted, &CastOptions { safe: false, ..CastOptions::default() })
        };
        let text = || as_type(&DataType::Utf8).map(|array| array.as_string::<i32>().clone());
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            other if other.is_integer() => {
                Self::Integer(as_type(&DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            other if other.is_floating() => {
                Self::Float(as_type(&DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            other if other.is_numeric() => Self::Decimal(text()?),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let is_json = field.metadata().get(EXTENSION_NAME).is_some_and(|name| name == JSON);
                if is_json { Self::Json(text()?) } else { Self::Text(text()?) }
            }
            DataType::Dictionary(_, values) => Self::new(&as_type(values)?, field)?,
            DataType::RunEndEncoded(_, values) => Self::new(&as_type(values.data_type())?, field)?,
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::Struct(_)
            | DataType::Map(..) => Self::Json(encoded(array, field)?),
            DataType::Union(fields, _) => {
                let union = array.as_union().clone();
                let children = fields.iter().map(|(id, field)| Ok((id, Self::new(union.child(id), field)?)));
                let children = children.collect::<Result<_>>()?;
                Self::Union(union, children)
            }
            // Binary that is text, and points in time as ISO 8601.
            _ => Self::Text(text()?),
        })
    }

    pub(super) fn value(&self, row: usize) -> Value<'_> {
        match self {
            Self::Boolean(array) if array.is_valid(row) => Value::Boolean(array.value(row)),
            Self::Integer(array) if array.is_valid(row) => Value::Integer(array.value(row)),
            Self::Unsigned(array) if array.is_valid(row) => Value::Unsigned(array.value(row)),
            Self::Float(array) if array.is_valid(row) => Value::Float(array.value(row)),
            Self::Decimal(array) if array.is_valid(row) => Value::Decimal(array.value(row)),
            Self::Text(array) if array.is_valid(row) => Value::Text(array.value(row)),
            Self::Json(array) if array.is_valid(row) => Value::Json(array.value(row)),
            Self::Union(array, children) => {
                let id = array.type_id(row);
                let child = children.iter().find(|(known, _)| *known == id);
                child.map_or(Value::Null, |(_, column)| column.value(array.value_offset(row)))
            }
            _ => Value::Null,
        }
    }

    /// The value as text; none for NULL.
    pub(super) fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        self.value(row).text()
    }

    /// The value as JSON text: what is JSON as it stands, other text in quotes; `null` for NULL.
    pub(super) fn json(&self, row: usize) -> Result<Cow<'_, str>> {
        Ok(match self.value(row) {
            Value::Null => Cow::Borrowed("null"),
            Value::Text(text) => Cow::Owned(quote(text)),
            Value::Json(text) => super::json::nested(text),
            Value::Float(number) if !number.is_finite() => {
                return exec_err!("JSON has no number for {number}");
            }
            other => other.text().unwrap_or(Cow::Borrowed("null")),
        })
    }
}

/// Lists, structs and maps as JSON text.
fn encoded(array: &ArrayRef, field: &Field) -> Result<StringArray> {
    let field: FieldRef = Arc::new(field.clone());
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, array.as_ref(), &options)?;
    let mut built = StringBuilder::new();
    let mut bytes = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            built.append_null();
            continue;
        }
        bytes.clear();
        encoder.encode(row, &mut bytes);
        match std::str::from_utf8(&bytes) {
            Ok(text) => built.append_value(text),
            Err(_) => return exec_err!("a nested value is not text"),
        }
    }
    Ok(built.finish())
}
