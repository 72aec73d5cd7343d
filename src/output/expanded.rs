//! Each row as a list of names and values: what a table turns into where it cannot fit, and a format of its own.

use std::fmt::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;
use crate::output::Options;
use crate::output::cell::readers;
use crate::output::shown::{BOLD, Shown, Side, put_padded, put_styled, row_of};
use crate::output::text::{display_width, visible, wrap};

/// Rows as records, written as they come.
pub(super) struct Expanded {
    schema: SchemaRef,
    null: String,
    records: Records,
}

impl Expanded {
    pub(super) fn new(schema: &Schema, options: &Options) -> Self {
        let names = schema.fields().iter().map(|field| visible(field.name()).into_owned()).collect();
        Self {
            schema: SchemaRef::new(schema.clone()),
            null: options.null.clone(),
            records: Records::new(names, options),
        }
    }

    pub(super) fn rows(&mut self, batch: &RecordBatch, out: &mut String) -> Result<()> {
        let readers = readers(&self.schema, batch)?;
        for row in 0..batch.num_rows() {
            self.records.put(&row_of(&readers, row, &self.null), out);
        }
        Ok(())
    }

    pub(super) fn end(self, out: &mut String) {
        self.records.end(out);
    }
}

/// How records are laid out.
pub(super) struct Records {
    names: Vec<String>,
    /// The width of the names.
    name: usize,
    /// The width that values must fit, on a terminal.
    value: Option<usize>,
    header: bool,
    color: bool,
    rows: u64,
}

impl Records {
    /// Records under these names, which are safe to show.
    pub(super) fn new(names: Vec<String>, options: &Options) -> Self {
        let longest = names.iter().map(|name| display_width(name)).max().unwrap_or(0);
        let width = options.width.map(usize::from);
        let name = width.map_or(longest, |width| longest.min(width.saturating_sub(3) / 2)).max(1);
        let value = width.map(|width| width.saturating_sub(name + 3).max(1));
        Self { names, name, value, header: options.header, color: options.color, rows: 0 }
    }

    pub(super) fn put(&mut self, row: &[Shown], out: &mut String) {
        self.rows += 1;
        let title = format!("─[ {} ]", self.rows);
        let width = self.value.map_or(self.name + 20, |value| self.name + 3 + value);
        let _infallible = writeln!(out, "{title}{}", "─".repeat(width.saturating_sub(display_width(&title))));
        for (label, shown) in self.names.iter().zip(row) {
            let labels = wrap(label, self.name);
            let values = self.value.map_or_else(|| vec![shown.text.as_str()], |value| wrap(&shown.text, value));
            for line in 0..labels.len().max(values.len()) {
                let label = labels.get(line).copied().unwrap_or("");
                put_padded(label, self.name, Side::Left, BOLD, self.color, out);
                out.push_str(" │ ");
                put_styled(values.get(line).copied().unwrap_or(""), shown.style(), self.color, out);
                out.push('\n');
            }
        }
    }

    /// Without a row, the names alone.
    pub(super) fn end(&self, out: &mut String) {
        if self.rows > 0 || !self.header {
            return;
        }
        for line in self.names.iter().flat_map(|label| wrap(label, self.name)) {
            put_padded(line, self.name, Side::Left, BOLD, self.color, out);
            out.push_str(" │\n");
        }
    }
}
