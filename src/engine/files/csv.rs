//! CSV files: RFC 4180, the first line with the columns' names.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{Field, Schema};
use csv::{ReaderBuilder, StringRecord};

use crate::error::{Error, ErrorKind, Result};

/// The rows of a CSV file. A column is of a type where every value, written out again, is what the file holds; otherwise it
/// is text, such as `007`. An empty field is NULL.
///
/// # Errors
/// `Decode`, with the line, when a row has another number of fields than the first, or is no text.
pub(super) fn rows(bytes: &[u8]) -> Result<RecordBatch> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().from_reader(bytes);
    let names: Vec<String> = reader.headers().map_err(|error| wrong(&error))?.iter().map(str::to_owned).collect();
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            return Err(Error::new(ErrorKind::Decode, format!("two columns of the file are called `{name}`")));
        }
    }
    let records: Vec<StringRecord> =
        reader.records().collect::<std::result::Result<_, _>>().map_err(|error| wrong(&error))?;
    let columns = names.iter().enumerate().map(|(at, name)| {
        let values = || records.iter().map(move |record| record.get(at).filter(|value| !value.is_empty()));
        let array = column(values);
        (Field::new(name, array.data_type().clone(), true), array)
    });
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.unzip();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(records.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| Error::new(ErrorKind::Decode, "the file's rows cannot be read").caused_by(error))
}

fn column<'a, I: Iterator<Item = Option<&'a str>>>(values: impl Fn() -> I) -> ArrayRef {
    let all = |fits: fn(&str) -> bool| values().flatten().all(fits) && values().flatten().next().is_some();
    if all(|value| value.parse::<i64>().is_ok_and(|number| number.to_string() == value)) {
        let mut builder = Int64Builder::new();
        values().for_each(|value| builder.append_option(value.and_then(|value| value.parse().ok())));
        Arc::new(builder.finish())
    } else if all(is_number) {
        let mut builder = Float64Builder::new();
        values().for_each(|value| builder.append_option(value.and_then(|value| value.parse().ok())));
        Arc::new(builder.finish())
    } else if all(|value| matches!(value, "true" | "false")) {
        let mut builder = BooleanBuilder::new();
        values().for_each(|value| builder.append_option(value.map(|value| value == "true")));
        Arc::new(builder.finish())
    } else {
        let mut builder = StringBuilder::new();
        values().for_each(|value| builder.append_option(value));
        Arc::new(builder.finish())
    }
}

/// Whether a float holds it without loss: `1.50` is 1.5, but neither `007` nor a number of 20 digits is one.
fn is_number(value: &str) -> bool {
    let Ok(number) = value.parse::<f64>() else { return false };
    let digits = value.strip_prefix('-').unwrap_or(value);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit()) && digits.ends_with(|c: char| c.is_ascii_digit());
    let zeros = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let count = digits.split(['e', 'E']).next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
    number.is_finite() && plain && !zeros && count <= 17
}

fn wrong(error: &csv::Error) -> Error {
    let told = Error::new(ErrorKind::Decode, "the file is not CSV").with("reason", error.to_string());
    match error.position() {
        Some(position) => told.with("line", position.line().to_string()),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn a_column_has_a_type_only_where_nothing_is_lost() {
        use DataType::{Boolean, Float64, Int64, Utf8};

        let text = "\u{feff}id,zip,size,ok,note,none\r\n1,01234,1.50,true,\"a, \"\"b\"\"\",\r\n2,99999,,false,5,\r\n";
        let batch = rows(text.as_bytes()).unwrap();
        let types: Vec<DataType> = batch.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(types, [Int64, Utf8, Float64, Boolean, Utf8, Utf8]);
        assert_eq!(batch.num_rows(), 2);
        assert_eq!(batch.column(2).null_count(), 1);
        for (text, number) in [
            ("1e5", true),
            ("-0.5", true),
            ("NaN", false),
            ("inf", false),
            ("1.", false),
            ("12345678901234567890", false),
        ] {
            assert_eq!(is_number(text), number, "{text}");
        }
    }

    #[test]
    fn what_is_not_csv_says_where() {
        let error = rows(b"a,b\n1,2\n3\n").unwrap_err();
        assert_eq!((error.kind(), error.context_value("line")), (ErrorKind::Decode, Some("3")));
        assert!(rows(b"a,a\n1,2\n").unwrap_err().message().contains("two columns"));
        assert!(rows(b"a\n\xff\xfe\n").is_err());
        assert_eq!(rows(b"a,b\n").unwrap().num_rows(), 0);
    }
}
