//! JSON: one array per statement or one object per line, and the pieces that other formats use for nested values.

use std::collections::HashSet;
use std::fmt::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use serde::de::IgnoredAny;

use crate::error::Result;
use crate::output::cell::{Reader, Shape, readers};
use crate::output::text::is_control;

/// Rows as JSON objects, their keys in the order of the columns.
pub(super) struct Json {
    schema: SchemaRef,
    names: Vec<String>,
    layout: Layout,
    rows: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Array,
    Lines,
}

impl Json {
    pub(super) fn array(schema: &Schema) -> Self {
        Self::new(schema, Layout::Array)
    }

    pub(super) fn lines(schema: &Schema) -> Self {
        Self::new(schema, Layout::Lines)
    }

    fn new(schema: &Schema, layout: Layout) -> Self {
        let names = keys(schema.fields().iter().map(|field| field.name().as_str()));
        Self { schema: SchemaRef::new(schema.clone()), names, layout, rows: 0 }
    }

    pub(super) fn rows(&mut self, batch: &RecordBatch, out: &mut String) -> Result<()> {
        let readers = readers(&self.schema, batch)?;
        for row in 0..batch.num_rows() {
            match (self.layout, self.rows) {
                (Layout::Lines, _) => {}
                (Layout::Array, 0) => out.push_str("[\n"),
                (Layout::Array, _) => out.push_str(",\n"),
            }
            object(&self.names, &readers, row, out);
            if self.layout == Layout::Lines {
                out.push('\n');
            }
            self.rows += 1;
        }
        Ok(())
    }

    pub(super) fn end(self, out: &mut String) {
        if self.layout == Layout::Array {
            out.push_str(if self.rows == 0 { "[]\n" } else { "\n]\n" });
        }
    }
}

/// Keys of an object, quoted. SQL allows two columns of one name (`SELECT a.id, b.id`), but most readers of JSON keep
/// only the last: the second becomes `id_2`.
pub(super) fn keys<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let given: HashSet<&str> = names.clone().collect();
    let mut used: HashSet<String> = HashSet::new();
    names
        .map(|name| {
            let mut key = name.to_owned();
            let mut number = 2;
            while used.contains(&key) || (key != name && given.contains(key.as_str())) {
                key = format!("{name}_{number}");
                number += 1;
            }
            used.insert(key.clone());
            let mut quoted = String::new();
            quote(&key, &mut quoted);
            quoted
        })
        .collect()
}

/// Appends one row as an object; `names` are quoted.
pub(super) fn object(names: &[String], readers: &[Reader], row: usize, out: &mut String) {
    out.push('{');
    for (index, (name, read)) in names.iter().zip(readers).enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push(':');
        value(read, row, out);
    }
    out.push('}');
}

/// Appends one value as JSON.
pub(super) fn value(read: &Reader, row: usize, out: &mut String) {
    let start = out.len();
    match read(row, out) {
        Shape::Literal | Shape::Json => {}
        Shape::Null | Shape::NotJson => {
            out.truncate(start);
            out.push_str("null");
        }
        Shape::Text => quote_from(start, out),
        Shape::JsonText => {
            if serde_json::from_str::<IgnoredAny>(&out[start..]).is_ok() {
                compact_from(start, out);
            } else {
                quote_from(start, out);
            }
        }
    }
}

/// Puts what stands in `out` from `start` on into quotes.
fn quote_from(start: usize, out: &mut String) {
    let plain = out.as_bytes()[start..].iter().all(|byte| matches!(byte, 0x20..0x7f) && !matches!(byte, b'"' | b'\\'));
    if plain {
        out.insert(start, '"');
        out.push('"');
    } else {
        let text = out.split_off(start);
        quote(&text, out);
    }
}

/// Appends `text` as a JSON string. Beyond what RFC 8259 asks for, every character that could act on a terminal is
/// escaped too: the value stays the same, and a look at the raw output is safe.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_control(c) => escape(c, out),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// All control characters lie in the basic plane, hence four digits.
fn escape(c: char, out: &mut String) {
    let _infallible = write!(out, "\\u{:04x}", u32::from(c));
}

/// Takes the white space between the tokens out of the JSON that stands in `out` from `start` on, so that a row stays
/// on one line. Numbers and strings stay as they were written.
fn compact_from(start: usize, out: &mut String) {
    let spaced = |c: char| matches!(c, ' ' | '\n' | '\r' | '\t') || is_control(c);
    if !out[start..].contains(spaced) {
        return;
    }
    let text = out.split_off(start);
    let mut in_string = false;
    let mut escaped = false;
    for c in text.chars() {
        if !in_string {
            in_string = c == '"';
            if !spaced(c) {
                out.push(c);
            }
            continue;
        }
        if is_control(c) {
            escape(c, out);
        } else {
            out.push(c);
        }
        in_string = escaped || c != '"';
        escaped = c == '\\' && !escaped;
    }
}
