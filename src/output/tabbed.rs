//! Text: a line per row, tabs between values, as `PostgreSQL`'s COPY has it.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;
use crate::output::Options;
use crate::output::cell::{Shape, readers};
use crate::output::text::visible;

/// Rows as lines of tab-separated values. Tabs, line ends and backslashes in a value are `\t`, `\n`, `\r` and `\\`, and
/// NULL is `\N`, so that every value can be read back.
pub(super) struct Tabbed {
    schema: SchemaRef,
    header: bool,
    /// Whether a terminal shows it: there other control characters are written out, too.
    shown: bool,
}

impl Tabbed {
    pub(super) fn new(schema: &Schema, options: &Options) -> Self {
        Self { schema: SchemaRef::new(schema.clone()), header: options.header, shown: options.width.is_some() }
    }

    pub(super) fn rows(&mut self, batch: &RecordBatch, out: &mut String) -> Result<()> {
        self.put_header(out);
        let readers = readers(&self.schema, batch)?;
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            for (index, read) in readers.iter().enumerate() {
                if index > 0 {
                    out.push('\t');
                }
                value.clear();
                if read(row, &mut value) == Shape::Null {
                    out.push_str("\\N");
                } else {
                    self.put(&value, out);
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
                out.push('\t');
            }
            self.put(field.name(), out);
        }
        out.push('\n');
    }

    fn put(&self, value: &str, out: &mut String) {
        let mut escaped = String::with_capacity(value.len());
        for c in value.chars() {
            match c {
                '\\' => escaped.push_str("\\\\"),
                '\t' => escaped.push_str("\\t"),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                c => escaped.push(c),
            }
        }
        if self.shown { out.push_str(&visible(&escaped)) } else { out.push_str(&escaped) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn every_value_can_be_read_back() {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let names: ArrayRef = Arc::new(StringArray::from(vec!["a\tb\nc\r\\N\u{1b}[2J", ""]));
        let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
        let written = |options: &Options| {
            let mut tabbed = Tabbed::new(batch.schema_ref(), options);
            let mut out = String::new();
            tabbed.rows(&batch, &mut out).unwrap();
            tabbed.end(&mut out);
            out
        };
        assert_eq!(written(&Options::default()), "id\tname\n1\ta\\tb\\nc\\r\\\\N\u{1b}[2J\n\\N\t\n");
        let on_terminal = Options { width: Some(20), header: false, ..Options::default() };
        assert_eq!(written(&on_terminal), "1\ta\\tb\\nc\\r\\\\N\\x1b[2J\n\\N\t\n");
    }
}
