//! Answers into rows, whole or as they arrive.
//!
//! *Owns*: what an answer was found to hold, and the part of a long one that is at hand. *Does not own*: the way through
//! its envelope (`walk`), its items (`record`), JSON's grammar (`reader`).
//! *Invariants*: one walk serves both; what arrives is kept only until it has been read.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::error::{Error, ErrorKind, Position, Result};

use super::layout::Layout;
use super::outline;
use super::reader::{Mark, Reader, end_of, located};
use super::text::shorten;
use super::walk::{State, Walk};

/// A long answer is decoded in parts of at least so many bytes: short enough to come soon and to stay in the processor's
/// cache, long enough that beginning anew costs nothing.
pub(super) const PART: usize = 256 * 1024;

/// The longest example of a value that does not fit, in characters.
const EXAMPLE_ROOM: usize = 60;

/// Where an answer begins.
pub(super) const START: Position = Position { line: 1, column: 1 };

/// What one answer held.
#[derive(Debug)]
pub struct Page {
    /// The rows, in the answer's order, in batches of the layout's schema and size; none if there are no rows.
    pub batches: Vec<RecordBatch>,
    /// How many rows that are.
    pub rows: u64,
    /// The value at each captured path; `None` where the answer has none.
    pub captures: Vec<Option<serde_json::Value>>,
    /// The columns with values that did not fit, by column.
    pub misfits: Vec<Misfit>,
    /// As in [`Rows`].
    pub held: Vec<bool>,
    /// What stood where the items were expected.
    pub items: ItemsFound,
}

/// Rows of an answer of which more may come.
#[derive(Debug, Default)]
pub struct Rows {
    /// As in [`Page`].
    pub batches: Vec<RecordBatch>,
    /// How many rows that are.
    pub rows: u64,
    /// The columns with values among these rows that did not fit, by column.
    pub misfits: Vec<Misfit>,
    /// Of each column, whether one of these rows said anything of it, were it `null`.
    pub held: Vec<bool>,
}

/// Values of one column that did not fit, and became NULL. As an error's source, the one that was refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Which of the layout's columns.
    pub column: usize,
    /// How many values.
    pub count: u64,
    /// The beginning of the first of them, longer than it is shown: what must not be shown is taken out of it first. Of a
    /// secret column, what sort of value it is.
    pub(super) value: String,
    /// What it is not.
    pub(super) reason: &'static str,
}

impl Misfit {
    /// The first value and what it is not, at most 60 characters; `conceal` takes out of it what must not be shown.
    pub fn example(&self, conceal: impl Fn(&str) -> String) -> String {
        let room = EXAMPLE_ROOM.saturating_sub(" is not ".len() + self.reason.len());
        format!("{} is not {}", shorten(&conceal(&self.value), room), self.reason)
    }
}

impl fmt::Debug for Misfit {
    /// Without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Misfit").field("column", &self.column).field("count", &self.count).finish_non_exhaustive()
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value is not {}", self.reason)
    }
}

impl std::error::Error for Misfit {}

/// What stood at the items path; where a wildcard matches several places, the last variant that one of them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemsFound {
    /// Nothing, or a value that holds no items (a string, say). A wildcard that matched only places without the
    /// rest of the path counts so too.
    Absent,
    /// `null`.
    Null,
    /// One item.
    Object,
    /// An array or a map of items; an empty one too.
    List,
}

/// Decodes an answer's rows, columns and captured values in one pass over its bytes.
///
/// The whole answer is checked to be JSON, wanted or not. Where an object repeats a key, the last one counts (in a
/// map of items, both are rows). An element that is no object where columns come out of objects, `null` too, is a row of
/// NULLs, and counted as a misfit of the first such column; but for `null` in a map, whose key is known. In a list of
/// values `null` is a NULL.
///
/// # Errors
/// [`ErrorKind::Decode`] if the body is not JSON (with line and column), is larger than 2 GiB, nests deeper than 127
/// levels, names the items twice in one object, or, in strict mode, has a value that does not fit its column (with the
/// column and the row, from 1).
pub fn decode(body: &[u8], layout: &Layout) -> Result<Page> {
    check_length(body.len())?;
    let text = std::str::from_utf8(body).map_err(|error| not_text(body, error.valid_up_to(), START))?;
    let mut state = State::new(layout);
    Walk::new(Reader::new(text, Mark::default(), START, false), layout, &mut state).run()?;
    state.flush(layout)?;
    Ok(state.into_page())
}

/// Decodes an answer as it arrives: the same rows and values as [`decode`] gives for all of its bytes, whatever the
/// pieces in which they come.
///
/// Besides the rows that nobody has taken yet it holds the part that was not read to its end, which is at least one
/// item; where the layout wants a value that the items are a part of, or where an answer without items may be a row
/// itself, all from there on. So what an answer holds may be given out before it turns out to be no JSON in the end.
#[derive(Debug)]
pub struct Decoder {
    layout: Arc<Layout>,
    state: State,
    /// What is at hand and may be needed.
    text: String,
    /// The first bytes of a character whose others have not come.
    split: Vec<u8>,
    /// The first byte of the text that was not read.
    at: Mark,
    /// Where in the answer the text begins.
    origin: Position,
    /// The length from which on the text is worth reading.
    enough: usize,
}

impl Decoder {
    /// Nothing has come yet.
    pub fn new(layout: Arc<Layout>) -> Self {
        let state = State::new(&layout);
        let (text, split) = (String::new(), Vec::new());
        Self { layout, state, text, split, at: Mark::default(), origin: START, enough: PART }
    }

    /// Takes the answer's next bytes; says whether there are enough of them to [read on](Self::read_on).
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if they are not UTF-8.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<bool> {
        while !self.split.is_empty() {
            let Some((first, rest)) = bytes.split_first() else { return Ok(false) };
            self.split.push(*first);
            bytes = rest;
            match std::str::from_utf8(&self.split) {
                Ok(character) => {
                    self.text.push_str(character);
                    self.split.clear();
                }
                Err(error) if error.error_len().is_some() => return Err(self.no_text()),
                Err(_) => {}
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(error) => {
                let (text, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or_default();
                self.text.push_str(std::str::from_utf8(text).unwrap_or_default());
                if error.error_len().is_some() {
                    return Err(self.no_text());
                }
                self.split.extend_from_slice(rest);
            }
        }
        Ok(self.text.len() >= self.enough)
    }

    /// How many bytes reading on would read.
    pub fn at_hand(&self) -> usize {
        self.text.len().saturating_sub(self.at.0)
    }

    /// Decodes what is whole of what has come.
    ///
    /// # Errors
    /// As [`decode`], where what has come shows it. An answer may be of any length, but not one item of it.
    pub fn read_on(&mut self) -> Result<()> {
        self.read(true)
    }

    /// The rows that nobody has taken yet.
    pub fn take(&mut self) -> Rows {
        self.state.take()
    }

    /// Whether there are rows to take.
    pub fn has_rows(&self) -> bool {
        self.state.has_rows()
    }

    /// The value at each captured path, as far as it was read.
    pub fn captures(&self) -> &[Option<serde_json::Value>] {
        self.state.captures()
    }

    /// Where the answer is at its end and its last items are at hand: the value at each captured path, as far as
    /// [`outline`](super::outline()) finds it.
    pub fn outline(&self) -> Option<Vec<Option<serde_json::Value>>> {
        outline::behind(&self.state, self.text.as_bytes().get(self.at.0..)?, &self.layout)
    }

    /// Decodes the rest, when the answer is at its end: what it held, and of its rows those that nobody has taken.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn finish(mut self) -> Result<Page> {
        if !self.split.is_empty() {
            return Err(self.no_text());
        }
        self.read(false)?;
        Ok(self.state.into_page())
    }

    fn read(&mut self, more: bool) -> Result<()> {
        check_length(self.text.len())?;
        let reader = Reader::new(&self.text, self.at, self.origin, more);
        let mut walk = Walk::new(reader, &self.layout, &mut self.state);
        self.at = walk.run()?;
        if !more {
            self.state.flush(&self.layout)?;
        }
        let gone = self.state.needed_from(&self.layout, self.at);
        self.state.moved_by(gone);
        self.origin = end_of(self.text.as_bytes().get(..gone.0).unwrap_or_default(), self.origin);
        self.at = Mark(self.at.0 - gone.0);
        self.text.drain(..gone.0);
        // What begins here is longer than what has come of it. Twice as much each time, so that even an item of any
        // length is read only a few times.
        self.enough = self.text.len() + PART.max(self.at_hand());
        Ok(())
    }

    fn no_text(&self) -> Error {
        not_text(self.text.as_bytes(), self.text.len(), self.origin)
    }
}

/// Arrow's Utf8 arrays count bytes in 32 bits; no column can hold more than the text it comes from.
fn check_length(length: usize) -> Result<()> {
    if i32::try_from(length).is_ok() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Decode, "the answer, or one item of it, is larger than 2 GiB")
        .hint("ask for smaller pages"))
}

fn not_text(bytes: &[u8], at: usize, origin: Position) -> Error {
    let error = Error::new(ErrorKind::Decode, "the answer is not JSON: it is not UTF-8 text");
    located(error, bytes, at, origin)
}
