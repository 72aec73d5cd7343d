//! Batches → table, expanded, csv, json, json lines, text, Markdown, HTML, Arrow, Parquet.
//!
//! *Owns*: how values and rows look, in each format; what is safe to show on a terminal.
//! *Does not own*: where the bytes go, when a table is asked for, messages and footers (`cli`).
//! *Invariants*: rows are written as they come; no value is cut or lost, and no Arrow type or value panics; what is
//! shown on a terminal never moves its cursor nor changes its state; an answer that broke off does not look whole.

use std::io::{ErrorKind as IoErrorKind, Result as IoResult, Write};
use std::str::FromStr;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use futures::{Stream, StreamExt};

use crate::error::{Error, ErrorKind, Result, did_you_mean};
use markup::{Markup, MarkupTable};
use passage::Passage;

mod binary;
mod cell;
mod csv;
mod expanded;
mod json;
mod markup;
mod nested;
mod passage;
mod shown;
mod tabbed;
mod table;
mod temporal;
mod text;
mod widths;

pub(crate) use passage::PASSAGE;
pub use text::{display_width, visible};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A box that fits the terminal, for people.
    #[default]
    Table,
    /// A list of names and values for each row.
    Expanded,
    /// RFC 4180 with LF line ends: NULL is empty, the empty string is `""`.
    Csv,
    /// One array of objects, one row per line.
    Json,
    /// One object per line.
    Jsonl,
    /// One row per line, with tabs between values; NULL is `\N`.
    Text,
    /// A table of GitHub Flavored Markdown.
    Markdown,
    /// A `<table>`.
    Html,
    /// An Arrow IPC file.
    Arrow,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// The names that [`FromStr`] knows, in the order in which they are offered.
    pub const NAMES: [&'static str; 10] =
        ["table", "expanded", "csv", "json", "jsonl", "text", "markdown", "html", "arrow", "parquet"];

    /// Whether the rows of several statements can stand in one file.
    pub fn holds_several(self) -> bool {
        !self.is_binary()
    }

    /// Whether it is a file for programs, and no text.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }

    /// The name, as [`FromStr`] knows it.
    pub fn name(self) -> &'static str {
        let is_own = |name: &&str| name.parse::<Self>().is_ok_and(|format| format == self);
        Self::NAMES.into_iter().find(is_own).unwrap_or_default()
    }
}

impl FromStr for Format {
    type Err = Error;

    /// # Errors
    /// `InvalidArgument` for a name that is not in [`Format::NAMES`].
    fn from_str(name: &str) -> Result<Self> {
        match name.to_lowercase().as_str() {
            "table" => Ok(Self::Table),
            "expanded" => Ok(Self::Expanded),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            "text" => Ok(Self::Text),
            "markdown" | "md" => Ok(Self::Markdown),
            "html" => Ok(Self::Html),
            "arrow" => Ok(Self::Arrow),
            "parquet" => Ok(Self::Parquet),
            _ => Err(Error::new(ErrorKind::InvalidArgument, format!("there is no output format `{name}`")).hint(
                did_you_mean(name, Self::NAMES).unwrap_or_else(|| format!("it is one of {}", Self::NAMES.join(", "))),
            )),
        }
    }
}

/// What a writer needs to know beside the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The format.
    pub format: Format,
    /// Whether the names of the columns are written (table, csv, text, Markdown and HTML; alone where expanded has no row).
    pub header: bool,
    /// The width of the terminal that shows the rows, which a table must fit; `None` where no terminal shows them.
    pub width: Option<u16>,
    /// Whether a table may use colour.
    pub color: bool,
    /// How a table shows NULL.
    pub null: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { format: Format::Table, header: true, width: None, color: false, null: "NULL".to_owned() }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows handed to the writer, whole.
    pub rows: u64,
    /// Whether the reader went away (`| head`), after which nothing more was read from the stream.
    pub broken_pipe: bool,
}

/// Rows that are turned into bytes at once: bounds the buffer for a batch of any size.
const ROWS_AT_ONCE: usize = 1_000;

/// Writes all rows of `stream`, each batch as soon as it is there, and flushes after each. (A table waits for its
/// first 1,000 rows or for the end, because they decide how wide its columns are.)
///
/// A reader that went away is not an error; see [`Written::broken_pipe`].
///
/// # Errors
/// The stream's own error: what was written before it stays, and nothing after it, so a JSON array is left open and a
/// table without its last line. `Internal` when `out` cannot be written to, or when a batch is not of `schema`.
pub async fn write_stream(
    mut stream: impl Stream<Item = Result<RecordBatch>> + Unpin,
    schema: &Schema,
    options: &Options,
    out: &mut (dyn Write + Send),
) -> Result<Written> {
    let Some(mut encoder) = Encoder::new(schema, options) else {
        return binary::write_file(stream, schema, options, out).await;
    };
    let mut bytes = String::new();
    let mut written = Written::default();
    while let Some(batch) = stream.next().await {
        // An answer that ends here must not look whole, hence no closing: a program that reads the JSON array sees
        // that it is cut off even when nobody looks at the exit code.
        let batch = batch?;
        let mut from = 0;
        while from < batch.num_rows() {
            let length = ROWS_AT_ONCE.min(batch.num_rows() - from);
            encoder.rows(&batch.slice(from, length), &mut bytes)?;
            from += length;
            if !put(out, &mut bytes)? {
                return Ok(Written { broken_pipe: true, ..written });
            }
            written.rows += length as u64;
        }
    }
    encoder.end(&mut bytes);
    written.broken_pipe = !put(out, &mut bytes)?;
    Ok(written)
}

/// Writes and flushes what is in `bytes`; `false` when the reader went away.
fn put(out: &mut (dyn Write + Send), bytes: &mut String) -> Result<bool> {
    if bytes.is_empty() {
        return Ok(true);
    }
    let result = out.write_all(bytes.as_bytes()).and_then(|()| out.flush());
    bytes.clear();
    not_broken(result)
}

/// Whether a write reached its reader; a broken pipe is an answer, not an error.
///
/// # Errors
/// `Internal` for any other failure.
pub fn not_broken(result: IoResult<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == IoErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::new(ErrorKind::Internal, "the output cannot be written")
            .with("reason", error.to_string())
            .hint("check that the disk has room and that the file may be written")
            .caused_by(error)),
    }
}

/// A statement's rows in one format. What comes before the first row is written with it, so that a statement that
/// fails before its first row writes nothing.
enum Encoder {
    Table(table::Table),
    Expanded(expanded::Expanded),
    Csv(csv::Csv),
    Json(json::Json),
    Tabbed(tabbed::Tabbed),
    Markup(MarkupTable),
    Passage(Passage),
}

impl Encoder {
    /// None for a format that is not text.
    fn new(schema: &Schema, options: &Options) -> Option<Self> {
        if matches!(options.format, Format::Table | Format::Expanded)
            && let Some(passage) = Passage::of(schema)
        {
            return Some(Self::Passage(passage));
        }
        Some(match options.format {
            Format::Table => Self::Table(table::Table::new(schema, options)),
            Format::Expanded => Self::Expanded(expanded::Expanded::new(schema, options)),
            Format::Csv => Self::Csv(csv::Csv::new(schema, options)),
            Format::Json => Self::Json(json::Json::array(schema)),
            Format::Jsonl => Self::Json(json::Json::lines(schema)),
            Format::Text => Self::Tabbed(tabbed::Tabbed::new(schema, options)),
            Format::Markdown => Self::Markup(MarkupTable::new(Markup::Markdown, schema, options)),
            Format::Html => Self::Markup(MarkupTable::new(Markup::Html, schema, options)),
            Format::Arrow | Format::Parquet => return None,
        })
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut String) -> Result<()> {
        match self {
            Self::Table(table) => table.rows(batch, out),
            Self::Expanded(expanded) => expanded.rows(batch, out),
            Self::Csv(csv) => csv.rows(batch, out),
            Self::Json(json) => json.rows(batch, out),
            Self::Tabbed(tabbed) => tabbed.rows(batch, out),
            Self::Markup(table) => table.rows(batch, out),
            Self::Passage(passage) => passage.rows(batch, out),
        }
    }

    fn end(self, out: &mut String) {
        match self {
            Self::Table(table) => table.end(out),
            Self::Expanded(expanded) => expanded.end(out),
            Self::Csv(csv) => csv.end(out),
            Self::Json(json) => json.end(out),
            Self::Tabbed(tabbed) => tabbed.end(out),
            Self::Markup(table) => table.end(out),
            Self::Passage(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
