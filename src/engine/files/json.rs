//! JSON files: an array of objects, or an object per line.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::format::FileFormat;
use crate::error::{Error, ErrorKind, Result};
use crate::rows::{ItemPath, Kind, Layout, Page, Shape, Wanted, decode, field};

type Object<'a> = IndexMap<String, &'a RawValue>;

/// The rows of a JSON file, with the kinds that all their values have. Objects and lists stay JSON, as those of an API do.
///
/// # Errors
/// `Decode` when it is not JSON, or not made of objects.
pub(super) fn rows(bytes: &[u8], format: FileFormat) -> Result<Page> {
    let joined;
    let bytes = match format {
        FileFormat::Jsonl => {
            joined = one_array(bytes)?;
            &joined
        }
        _ => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
    };
    let objects: Vec<Object<'_>> = serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorKind::Decode, "the file is not an array of JSON objects").with("reason", error.to_string())
    })?;
    let mut kinds: IndexMap<&str, Option<Kind>> = IndexMap::new();
    for object in &objects {
        for (name, value) in object {
            let kind = kinds.entry(name).or_default();
            *kind = merged(*kind, kind_of(value.get()));
        }
    }
    let columns = kinds.into_iter().map(|(name, kind)| {
        let kind = kind.unwrap_or(Kind::Text);
        Wanted { field: field(name, kind, false), kind, source: vec![name.to_owned()], secret: false }
    });
    let layout = Layout::new(ItemPath::parse("$")?, Shape::List, columns.collect())?.with_strict(true);
    decode(bytes, &layout)
}

/// Lines as the elements of one array. Each must be JSON by itself.
fn one_array(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut joined = vec![b'['];
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        serde_json::from_slice::<&RawValue>(line).map_err(|error| {
            Error::new(ErrorKind::Decode, "a line of the file is not JSON")
                .with("line", (at + 1).to_string())
                .with("reason", error.to_string())
        })?;
        if joined.len() > 1 {
            joined.push(b',');
        }
        joined.extend_from_slice(line);
    }
    joined.push(b']');
    Ok(joined)
}

/// What a value is; nothing for `null`.
fn kind_of(text: &str) -> Option<Kind> {
    match text.as_bytes().first()? {
        b'n' => None,
        b't' | b'f' => Some(Kind::Boolean),
        b'"' => Some(Kind::Text),
        b'{' | b'[' => Some(Kind::Json),
        _ if text.parse::<i64>().is_ok() => Some(Kind::Integer),
        // A number that a float would change stays as it is written.
        _ if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => Some(Kind::Any),
        _ => Some(Kind::Number),
    }
}

fn merged(known: Option<Kind>, new: Option<Kind>) -> Option<Kind> {
    match (known, new) {
        (known, None) => known,
        (None, new) => new,
        (Some(a), Some(b)) if a == b => Some(a),
        (Some(Kind::Integer | Kind::Number), Some(Kind::Integer | Kind::Number)) => Some(Kind::Number),
        _ => Some(Kind::Any),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    fn types(text: &str, format: FileFormat) -> Vec<(String, DataType)> {
        let page = rows(text.as_bytes(), format).unwrap();
        let schema = page.batches[0].schema();
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    }

    #[test]
    fn a_column_is_what_all_its_values_are() {
        let text = r#"[{"a": 1, "b": 1, "c": "x", "d": null, "e": [1]}, {"a": 2.5, "b": "y", "f": true},
                       {"e": null, "g": 123456789012345678901}]"#;
        let wanted = [
            ("a", DataType::Float64),
            ("b", DataType::Utf8),
            ("c", DataType::Utf8),
            ("d", DataType::Utf8),
            ("e", DataType::Utf8),
            ("f", DataType::Boolean),
            ("g", DataType::Utf8),
        ];
        let wanted: Vec<(String, DataType)> = wanted.map(|(name, ty)| (name.to_owned(), ty)).into();
        assert_eq!(types(text, FileFormat::Json), wanted);
        let lines = "\u{feff}{\"a\": 1}\r\n\n{\"a\": 2, \"b\": false}";
        assert_eq!(types(lines, FileFormat::Jsonl).len(), 2);
        assert_eq!(rows(lines.as_bytes(), FileFormat::Jsonl).unwrap().rows, 2);
    }

    #[test]
    fn what_is_not_rows_says_where() {
        let error = rows(b"{\"a\": 1}\n{\"a\"", FileFormat::Jsonl).unwrap_err();
        assert_eq!((error.kind(), error.context_value("line")), (ErrorKind::Decode, Some("2")));
        for wrong in ["", "[1, 2]", "{\"a\": 1}", "[{]"] {
            assert_eq!(rows(wrong.as_bytes(), FileFormat::Json).unwrap_err().kind(), ErrorKind::Decode, "{wrong}");
        }
        // Two rows on one line are no two lines.
        assert!(rows(b"{\"a\": 1} {\"a\": 2}", FileFormat::Jsonl).is_err());
    }
}
