//! RFC 4180 with LF line ends.

use std::borrow::Cow;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;
use crate::output::Options;
use crate::output::cell::{Shape, readers};
use crate::output::text::visible;

/// Rows as comma-separated values. NULL is an empty field and the empty string is `""`, as in `PostgreSQL`'s COPY, so
/// that they can be told apart.
pub(super) struct Csv {
    schema: SchemaRef,
    header: bool,
    /// Whether a terminal shows it, on which no value may act: there, control characters are written out.
    shown: bool,
}

impl Csv {
    pub(super) fn new(schema: &Schema, options: &Options) -> Self {
        Self { schema: SchemaRef::new(schema.clone()), header: options.header, shown: options.width.is_some() }
    }

    pub(super) fn rows(&mut self, batch: &RecordBatch, out: &mut String) -> Result<()> {
        self.put_header(out);
        let readers = readers(&self.schema, batch)?;
        for row in 0..batch.num_rows() {
            for (index, read) in readers.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                let start = out.len();
                if read(row, out) != Shape::Null {
                    self.finish_from(start, out);
                }
            }
            out.push('\n');
        }
        Ok(())
    }

    pub(super) fn end(mut self, out: &mut String) {
        self.put_header(out);
    }

    fn put_header(&mut self, out: &mut String) {
        if !std::mem::take(&mut self.header) {
            return;
        }
        for (index, field) in self.schema.fields().iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let start = out.len();
            out.push_str(field.name());
            self.finish_from(start, out);
        }
        out.push('\n');
    }

    /// Makes a field of what stands in `out` from `start` on.
    fn finish_from(&self, start: usize, out: &mut String) {
        if self.shown
            && let Cow::Owned(text) = visible(&out[start..])
        {
            out.truncate(start);
            out.push_str(&text);
        }
        quote_from(start, out);
    }
}

/// Quotes the field that stands in `out` from `start` on, where it must be.
fn quote_from(start: usize, out: &mut String) {
    let field = &out[start..];
    if !field.is_empty() && !field.contains([',', '"', '\n', '\r']) {
        return;
    }
    let field = out.split_off(start);
    out.push('"');
    out.push_str(&field.replace('"', "\"\""));
    out.push('"');
}
