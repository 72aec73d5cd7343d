//! `multipart/form-data` (RFC 7578): fields, then files.

use std::fmt::Write;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::body::Piece;
use crate::bind::literal_text;
use crate::provider::LocalFile;
use crate::store::sha256_hex;

/// The parts of a form, and the boundary between them.
///
/// The boundary is a hash of what is in between: the same call is always the same bytes, and no field can hold it.
pub(super) fn parts(fields: &Map<String, Value>, files: &[LocalFile]) -> (String, Vec<Piece>) {
    let fields: Vec<(String, String)> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    let mut told = String::new();
    for (head, value) in &fields {
        let _infallible = write!(told, "{}:{head}{}:{value}", head.len(), value.len());
    }
    for file in files {
        let _infallible = write!(told, "{file} {:?}", file.field);
    }
    let boundary = format!("skyql-{}", &sha256_hex(told.as_bytes())[..32]);

    let mut pieces = Vec::new();
    let mut text = String::new();
    for (head, value) in &fields {
        let _infallible = write!(text, "--{boundary}\r\n{head}\r\n\r\n{value}\r\n");
    }
    for file in files {
        let (name, file_name) = (quoted(file.field.as_deref().unwrap_or("file")), quoted(file.name()));
        let _infallible = write!(
            text,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        pieces.push(Piece::Bytes(Bytes::from(std::mem::take(&mut text))));
        pieces.push(Piece::File(file.clone()));
        text.push_str("\r\n");
    }
    let _infallible = write!(text, "--{boundary}--\r\n");
    pieces.push(Piece::Bytes(Bytes::from(text)));
    (boundary, pieces)
}

/// The head and the value of each part that a field becomes. OpenAPI 3 "Special Considerations for multipart Content":
/// plain values are text, others JSON; a list of plain values is a part each.
fn field(name: &str, value: &Value) -> Vec<(String, String)> {
    let disposition = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    match value {
        Value::Array(items) if items.iter().all(is_plain) => {
            items.iter().map(|item| (disposition.clone(), literal_text(item))).collect()
        }
        value if is_plain(value) => vec![(disposition, literal_text(value))],
        value => vec![(format!("{disposition}\r\nContent-Type: application/json"), value.to_string())],
    }
}

/// A name as browsers write it (HTML standard, "multipart form data").
fn quoted(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::body::text_of;
    use serde_json::json;

    fn fields(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn fields_come_first_and_files_are_streamed() {
        let file =
            LocalFile { path: "/a/b \"c\".img".into(), bytes: 5, sha256: "ff".into(), field: Some("data".into()) };
        let given = fields(json!({"n": 5, "label": "it's\n", "tags": ["a", "b"], "x": {"y": [1]}, "e": []}));
        let (boundary, pieces) = parts(&given, std::slice::from_ref(&file));
        assert_eq!(
            text_of(&pieces).replace(&boundary, "B"),
            "--B\r\nContent-Disposition: form-data; name=\"label\"\r\n\r\nit's\n\r\n\
             --B\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n5\r\n\
             --B\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\na\r\n\
             --B\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\nb\r\n\
             --B\r\nContent-Disposition: form-data; name=\"x\"\r\nContent-Type: application/json\r\n\r\n{\"y\":[1]}\r\n\
             --B\r\nContent-Disposition: form-data; name=\"data\"; filename=\"b %22c%22.img\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n<b \"c\".img: 5 bytes, sha256 ff>\r\n--B--\r\n"
        );
        assert_eq!(parts(&given, std::slice::from_ref(&file)).0, boundary, "the same call is the same bytes");
        let other = LocalFile { sha256: "fe".into(), ..file };
        assert_ne!(parts(&given, &[other]).0, boundary);
        assert_ne!(parts(&fields(json!({"n": 6})), &[]).0, parts(&fields(json!({"n": 5})), &[]).0);
    }

    #[test]
    fn a_form_without_a_file_is_whole() {
        let (boundary, pieces) = parts(&fields(json!({"a\"\r\nb": true})), &[]);
        assert_eq!(pieces.len(), 1);
        let text = text_of(&pieces);
        assert!(
            text.contains("name=\"a%22%0D%0Ab\"\r\n\r\ntrue\r\n") && text.ends_with(&format!("--{boundary}--\r\n"))
        );
    }
}
