//! A box for people: it fits the terminal, or turns into one record per row where it cannot.

use std::fmt::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;
use crate::output::Options;
use crate::output::cell::{Reader, Shape, is_number, readers};
use crate::output::text::{display_width, visible, wrap};
use crate::output::widths::{Wish, fit};

/// The first rows decide the layout of the whole table, so that it can be written while the rest still arrives.
const ROWS_MEASURED: usize = 1_000;

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// Rows as a table.
pub(super) struct Table {
    schema: SchemaRef,
    names: Vec<String>,
    numbers: Vec<bool>,
    options: Options,
    waiting: Vec<Vec<Cell>>,
    layout: Option<Layout>,
    rows: u64,
}

/// A value as it is shown.
struct Cell {
    text: String,
    null: bool,
}

#[derive(Clone)]
enum Layout {
    Grid {
        widths: Vec<usize>,
        /// Whether a rule stands between rows: where values are broken over lines, a row's end is else not seen.
        ruled: bool,
    },
    Records {
        name: usize,
        value: Option<usize>,
    },
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
            let cells = self.cells(&readers, row);
            match self.layout.clone() {
                Some(layout) => self.put_row(&layout, &cells, out),
                None => self.waiting.push(cells),
            }
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
        if let Some(Layout::Grid { widths, .. }) = &self.layout
            && (self.rows > 0 || self.options.header)
        {
            put_rule(widths, ["└", "─", "┴", "┘"], out);
        }
    }

    fn cells(&self, readers: &[Reader], row: usize) -> Vec<Cell> {
        let cell = |read: &Reader| {
            let mut text = String::new();
            if read(row, &mut text) == Shape::Null {
                return Cell { text: self.options.null.clone(), null: true };
            }
            if let std::borrow::Cow::Owned(shown) = visible(&text) {
                text = shown;
            }
            Cell { text, null: false }
        };
        readers.iter().map(cell).collect()
    }

    /// Decides the layout by what has come so far, and writes it.
    fn settle(&mut self, out: &mut String) {
        let waiting = std::mem::take(&mut self.waiting);
        let layout = self.choose(&waiting);
        self.layout = Some(layout.clone());
        if let Layout::Grid { widths, .. } = &layout
            && (self.options.header || !waiting.is_empty())
        {
            put_rule(widths, ["┌", "─", "┬", "┐"], out);
            if self.options.header {
                let names: Vec<Cell> = self.names.iter().map(|name| Cell { text: name.clone(), null: false }).collect();
                self.put_cells(widths, &names, BOLD, out);
                put_rule(widths, ["├", "─", "┼", "┤"], out);
            }
        }
        if let Layout::Records { name, .. } = &layout
            && self.options.header
            && waiting.is_empty()
        {
            for line in self.names.iter().flat_map(|label| wrap(label, *name)) {
                self.put_padded(line, *name, Side::Left, BOLD, out);
                out.push_str(" │\n");
            }
        }
        for cells in &waiting {
            self.put_row(&layout, cells, out);
        }
    }

    fn choose(&self, rows: &[Vec<Cell>]) -> Layout {
        let mut wishes: Vec<Wish> = (self.names.iter().zip(&self.numbers))
            .map(|(name, number)| Wish {
                name: if self.options.header { display_width(name) } else { 0 },
                values: 0,
                number: *number,
            })
            .collect();
        for cells in rows {
            for (wish, cell) in wishes.iter_mut().zip(cells) {
                wish.values = wish.values.max(display_width(&cell.text));
            }
        }
        let width = self.options.width.map(usize::from);
        match (fit(&wishes, width), width) {
            (Some(widths), _) => {
                let ruled = widths.iter().zip(&wishes).any(|(width, wish)| *width < wish.values);
                Layout::Grid { widths, ruled }
            }
            (None, width) => {
                let longest = self.names.iter().map(|name| display_width(name)).max().unwrap_or(0);
                let name = width.map_or(longest, |width| longest.min(width.saturating_sub(3) / 2)).max(1);
                Layout::Records { name, value: width.map(|width| width.saturating_sub(name + 3).max(1)) }
            }
        }
    }

    fn put_row(&mut self, layout: &Layout, cells: &[Cell], out: &mut String) {
        match layout {
            Layout::Grid { widths, ruled } => {
                if *ruled && self.rows > 0 {
                    put_rule(widths, ["├", "╌", "┼", "┤"], out);
                }
                self.put_cells(widths, cells, "", out);
            }
            Layout::Records { name, value } => self.put_record(*name, *value, cells, out),
        }
        self.rows += 1;
    }

    fn put_cells(&self, widths: &[usize], cells: &[Cell], style: &str, out: &mut String) {
        let columns: Vec<Vec<&str>> =
            cells.iter().zip(widths).map(|(cell, width)| wrap(&cell.text, (*width).max(1))).collect();
        let height = columns.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            for (index, (lines, width)) in columns.iter().zip(widths).enumerate() {
                out.push_str("│ ");
                let style = if cells[index].null { DIM } else { style };
                let text = lines.get(line).copied().unwrap_or("");
                self.put_padded(text, *width, if self.numbers[index] { Side::Right } else { Side::Left }, style, out);
                out.push(' ');
            }
            out.push_str("│\n");
        }
    }

    fn put_record(&self, name: usize, value: Option<usize>, cells: &[Cell], out: &mut String) {
        let title = format!("─[ {} ]", self.rows + 1);
        let width = value.map_or(name + 20, |value| name + 3 + value);
        let _infallible = writeln!(out, "{title}{}", "─".repeat(width.saturating_sub(display_width(&title))));
        for (label, cell) in self.names.iter().zip(cells) {
            let labels = wrap(label, name);
            let values = value.map_or_else(|| vec![cell.text.as_str()], |value| wrap(&cell.text, value));
            for line in 0..labels.len().max(values.len()) {
                self.put_padded(labels.get(line).copied().unwrap_or(""), name, Side::Left, BOLD, out);
                out.push_str(" │ ");
                let text = values.get(line).copied().unwrap_or("");
                self.put_styled(text, if cell.null { DIM } else { "" }, out);
                out.push('\n');
            }
        }
    }

    fn put_padded(&self, text: &str, width: usize, side: Side, style: &str, out: &mut String) {
        // The one space that `wrap` lets hang over the edge.
        let text = if display_width(text) > width { text.strip_suffix(' ').unwrap_or(text) } else { text };
        let padding = " ".repeat(width.saturating_sub(display_width(text)));
        if side == Side::Right {
            out.push_str(&padding);
        }
        self.put_styled(text, style, out);
        if side == Side::Left {
            out.push_str(&padding);
        }
    }

    fn put_styled(&self, text: &str, style: &str, out: &mut String) {
        if self.options.color && !style.is_empty() && !text.is_empty() {
            let _infallible = write!(out, "{style}{text}{RESET}");
        } else {
            out.push_str(text);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
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
