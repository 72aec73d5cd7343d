//! A box for people: it fits the terminal, or turns into one record per row where it cannot.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;
use crate::output::Options;
use crate::output::cell::{is_number, readers};
use crate::output::expanded::Records;
use crate::output::shown::{BOLD, Shown, Side, put_padded, row_of};
use crate::output::text::{display_width, visible, wrap};
use crate::output::widths::{Wish, fit};

/// The first rows decide the layout of the whole table, so that it can be written while the rest still arrives.
const ROWS_MEASURED: usize = 1_000;

/// Rows as a table.
pub(super) struct Table {
    schema: SchemaRef,
    names: Vec<String>,
    numbers: Vec<bool>,
    options: Options,
    waiting: Vec<Vec<Shown>>,
    layout: Option<Layout>,
    rows: u64,
}

enum Layout {
    Grid(Grid),
    Records(Records),
}

struct Grid {
    widths: Vec<usize>,
    /// Whether a rule stands between rows: where values are broken over lines, a row's end is else not seen.
    ruled: bool,
}

impl Table {
    pub(super) fn new(schema: &Schema, options: &Options) -> Self {
        Self {
            schema: SchemaRef::new(schema.clone()),
            names: schema.fields().iter().map(|field| visible(field.name()).into_owned()).collect(),
            numbers: schema.fields().iter().map(|field| is_number(field.data_type())).collect(),
            options: options.clone(),
            waiting: Vec::new(),
            layout: None,
            rows: 0,
        }
    }

    pub(super) fn rows(&mut self, batch: &RecordBatch, out: &mut String) -> Result<()> {
        let readers = readers(&self.schema, batch)?;
        for row in 0..batch.num_rows() {
            let row = row_of(&readers, row, &self.options.null);
            match &mut self.layout {
                Some(layout) => layout.put(&row, &self.numbers, self.rows, self.options.color, out),
                None => self.waiting.push(row),
            }
            self.rows += 1;
        }
        if self.layout.is_none() && self.waiting.len() >= ROWS_MEASURED {
            self.settle(out);
        }
        Ok(())
    }

    pub(super) fn end(mut self, out: &mut String) {
        if self.layout.is_none() {
            self.settle(out);
        }
        match &self.layout {
            Some(Layout::Grid(grid)) if self.rows > 0 || self.options.header => {
                put_rule(&grid.widths, ["└", "─", "┴", "┘"], out);
            }
            Some(Layout::Records(records)) => records.end(out),
            _ => {}
        }
    }

    /// Decides the layout by what has come so far, and writes it.
    fn settle(&mut self, out: &mut String) {
        let waiting = std::mem::take(&mut self.waiting);
        let mut layout = self.choose(&waiting);
        if let Layout::Grid(Grid { widths, .. }) = &layout
            && (self.options.header || !waiting.is_empty())
        {
            put_rule(widths, ["┌", "─", "┬", "┐"], out);
            if self.options.header {
                let names: Vec<Shown> =
                    self.names.iter().map(|name| Shown { text: name.clone(), null: false }).collect();
                put_row(widths, &names, &self.numbers, BOLD, self.options.color, out);
                put_rule(widths, ["├", "─", "┼", "┤"], out);
            }
        }
        for (before, row) in (0..).zip(&waiting) {
            layout.put(row, &self.numbers, before, self.options.color, out);
        }
        self.layout = Some(layout);
    }

    fn choose(&self, rows: &[Vec<Shown>]) -> Layout {
        let mut wishes: Vec<Wish> = (self.names.iter().zip(&self.numbers))
            .map(|(name, number)| Wish {
                name: if self.options.header { display_width(name) } else { 0 },
                values: 0,
                number: *number,
            })
            .collect();
        for row in rows {
            for (wish, shown) in wishes.iter_mut().zip(row) {
                wish.values = wish.values.max(display_width(&shown.text));
            }
        }
        match fit(&wishes, self.options.width.map(usize::from)) {
            Some(widths) => {
                let ruled = widths.iter().zip(&wishes).any(|(width, wish)| *width < wish.values);
                Layout::Grid(Grid { widths, ruled })
            }
            None => Layout::Records(Records::new(self.names.clone(), &self.options)),
        }
    }
}

impl Layout {
    /// Writes a row, with `before` others above it.
    fn put(&mut self, row: &[Shown], numbers: &[bool], before: u64, color: bool, out: &mut String) {
        match self {
            Self::Grid(Grid { widths, ruled }) => {
                if *ruled && before > 0 {
                    put_rule(widths, ["├", "╌", "┼", "┤"], out);
                }
                put_row(widths, row, numbers, "", color, out);
            }
            Self::Records(records) => records.put(row, out),
        }
    }
}

fn put_row(widths: &[usize], row: &[Shown], numbers: &[bool], style: &str, color: bool, out: &mut String) {
    let columns: Vec<Vec<&str>> =
        row.iter().zip(widths).map(|(shown, width)| wrap(&shown.text, (*width).max(1))).collect();
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        for (index, (lines, width)) in columns.iter().zip(widths).enumerate() {
            out.push_str("│ ");
            let style = if row[index].null { row[index].style() } else { style };
            let side = if numbers[index] { Side::Right } else { Side::Left };
            put_padded(lines.get(line).copied().unwrap_or(""), *width, side, style, color, out);
            out.push(' ');
        }
        out.push_str("│\n");
    }
}

/// A line across the table out of: left end, line, crossing, right end.
fn put_rule(widths: &[usize], [left, line, crossing, right]: [&str; 4], out: &mut String) {
    if widths.is_empty() {
        return;
    }
    out.push_str(left);
    for (index, width) in widths.iter().enumerate() {
        if index > 0 {
            out.push_str(crossing);
        }
        out.push_str(&line.repeat(width + 2));
    }
    out.push_str(right);
    out.push('\n');
}
