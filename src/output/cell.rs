//! One value of any Arrow type as text: the one place that knows the types.

use std::fmt::{Display, Write};

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Field,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};

use crate::error::{Error, ErrorKind, Result};
use crate::output::{nested, temporal};

/// What a value is, beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// No value; there is no text.
    Null,
    /// A number or boolean, whose text is JSON as it stands.
    Literal,
    /// A number that JSON cannot say: NaN and the infinities.
    NotJson,
    /// Text that JSON puts in quotes.
    Text,
    /// JSON as it stands.
    Json,
    /// Text of a JSON column: JSON, if it parses.
    JsonText,
}

/// Appends the text of the value in a row and says what it is.
pub(super) type Reader = Box<dyn Fn(usize, &mut String) -> Shape>;

/// Whether values of this type read best to the right: numbers.
pub(super) fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_number(values),
        DataType::RunEndEncoded(_, values) => is_number(values.data_type()),
        other => other.is_numeric(),
    }
}

/// One reader per column of a batch.
pub(super) fn readers(schema: &Schema, batch: &RecordBatch) -> Result<Vec<Reader>> {
    if schema.fields().len() != batch.num_columns() {
        let message =
            format!("a batch has {} columns where its schema has {}", batch.num_columns(), schema.fields().len());
        return Err(Error::new(ErrorKind::Internal, message));
    }
    schema.fields().iter().zip(batch.columns()).map(|(field, array)| reader(field, array)).collect()
}

/// The reader of a column, by the type of the array at hand.
pub(super) fn reader(field: &Field, array: &ArrayRef) -> Result<Reader> {
    Ok(match array.data_type() {
        DataType::Null => Box::new(|_, _| Shape::Null),
        DataType::Boolean => {
            let array = array.as_boolean().clone();
            some(array.clone(), move |row, out| {
                out.push_str(if array.value(row) { "true" } else { "false" });
                Shape::Literal
            })
        }
        DataType::Int8 => integer::<Int8Type>(array),
        DataType::Int16 => integer::<Int16Type>(array),
        DataType::Int32 => integer::<Int32Type>(array),
        DataType::Int64 => integer::<Int64Type>(array),
        DataType::UInt8 => integer::<UInt8Type>(array),
        DataType::UInt16 => integer::<UInt16Type>(array),
        DataType::UInt32 => integer::<UInt32Type>(array),
        DataType::UInt64 => integer::<UInt64Type>(array),
        DataType::Float16 => {
            let array = array.as_primitive::<Float16Type>().clone();
            some(array.clone(), move |row, out| float(array.value(row).to_f32(), out))
        }
        DataType::Float32 => {
            let array = array.as_primitive::<Float32Type>().clone();
            some(array.clone(), move |row, out| float(array.value(row), out))
        }
        DataType::Float64 => {
            let array = array.as_primitive::<Float64Type>().clone();
            some(array.clone(), move |row, out| float(array.value(row), out))
        }
        DataType::Decimal32(..) => decimal::<Decimal32Type>(array),
        DataType::Decimal64(..) => decimal::<Decimal64Type>(array),
        DataType::Decimal128(..) => decimal::<Decimal128Type>(array),
        DataType::Decimal256(..) => decimal::<Decimal256Type>(array),
        DataType::Utf8 => {
            let array = array.as_string::<i32>().clone();
            let shape = text_shape(field);
            some(array.clone(), move |row, out| text(array.value(row), shape, out))
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>().clone();
            let shape = text_shape(field);
            some(array.clone(), move |row, out| text(array.value(row), shape, out))
        }
        DataType::Utf8View => {
            let array = array.as_string_view().clone();
            let shape = text_shape(field);
            some(array.clone(), move |row, out| text(array.value(row), shape, out))
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>().clone();
            some(array.clone(), move |row, out| hex(array.value(row), out))
        }
        DataType::LargeBinary => {
            let array = array.as_binary::<i64>().clone();
            some(array.clone(), move |row, out| hex(array.value(row), out))
        }
        DataType::BinaryView => {
            let array = array.as_binary_view().clone();
            some(array.clone(), move |row, out| hex(array.value(row), out))
        }
        DataType::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary().clone();
            some(array.clone(), move |row, out| hex(array.value(row), out))
        }
        DataType::Timestamp(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_) => temporal::reader(array),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Union(..)
        | DataType::Dictionary(..)
        | DataType::RunEndEncoded(..) => nested::reader(field, array)?,
    })
}

/// A reader that answers NULL where `array` has no value.
pub(super) fn some(array: impl Array + 'static, read: impl Fn(usize, &mut String) -> Shape + 'static) -> Reader {
    if array.null_count() == 0 {
        return Box::new(read);
    }
    Box::new(move |row, out| if array.is_null(row) { Shape::Null } else { read(row, out) })
}

fn integer<T: ArrowPrimitiveType>(array: &ArrayRef) -> Reader
where
    T::Native: Display,
{
    let array: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    some(array.clone(), move |row, out| {
        let _infallible = write!(out, "{}", array.value(row));
        Shape::Literal
    })
}

/// All digits of the number that is stored. Arrow's own text drops those beyond the declared precision, which a sum
/// can pass.
fn decimal<T: DecimalType>(array: &ArrayRef) -> Reader
where
    T::Native: Display,
{
    let array: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    let scale = array.scale();
    some(array.clone(), move |row, out| {
        let stored = array.value(row).to_string();
        let (sign, digits) = stored.strip_prefix('-').map_or(("", stored.as_str()), |digits| ("-", digits));
        out.push_str(sign);
        let after_point = usize::try_from(scale).unwrap_or(0);
        if after_point == 0 {
            out.push_str(digits);
            let zeros = if digits == "0" { 0 } else { usize::from(scale.unsigned_abs()) };
            out.extend(std::iter::repeat_n('0', zeros));
        } else {
            let padded = format!("{digits:0>width$}", width = after_point + 1);
            let (whole, rest) = padded.split_at(padded.len() - after_point);
            out.push_str(whole);
            out.push('.');
            out.push_str(rest);
        }
        Shape::Literal
    })
}

/// The shortest digits that read back as the same number, as `Debug` of a float gives them: `0.1`, `1e300`.
fn float(value: impl Into<f64> + std::fmt::Debug + Copy, out: &mut String) -> Shape {
    let _infallible = write!(out, "{value:?}");
    if value.into().is_finite() { Shape::Literal } else { Shape::NotJson }
}

fn text(value: &str, shape: Shape, out: &mut String) -> Shape {
    out.push_str(value);
    shape
}

fn hex(value: &[u8], out: &mut String) -> Shape {
    out.reserve(value.len() * 2);
    for byte in value {
        let _infallible = write!(out, "{byte:02x}");
    }
    Shape::Text
}

/// Arrow's canonical extension type `arrow.json` marks text that is JSON.
fn text_shape(field: &Field) -> Shape {
    let name = field.metadata().get("ARROW:extension:name").map(String::as_str);
    if name == Some("arrow.json") { Shape::JsonText } else { Shape::Text }
}
