//! One pass over an answer: its envelope, its items, its rows.
//!
//! *Owns*: the walk, and what the answer was found to be. *Does not own*: JSON's grammar (`reader`), what fits a column
//! (`builder`).
//! *Invariants*: a row's values are first collected, then appended, so that every column gets exactly one value per
//! row; recursion is bounded by the layout, never by the answer.

use std::borrow::Cow;

use arrow::array::{RecordBatch, RecordBatchOptions};

use crate::error::{Error, ErrorKind, Result};

use super::builder::{ColumnBuilder, json, sort};
use super::layout::{EnvelopeNode, Layout, Shape};
use super::reader::{Mark, Quoted, Reader, Token};
use super::text::{shorten, unescape};

/// The longest example of a value that does not fit, in characters.
const EXAMPLE_ROOM: usize = 60;

/// How many keys of an object's order are remembered, and how far ahead a key is looked for.
const MAX_GUESSES: usize = 512;
const LOOK_AHEAD: usize = 4;

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
    /// What stood where the items were expected.
    pub items: ItemsFound,
}

/// Values of one column that did not fit, and became NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Which of the layout's columns.
    pub column: usize,
    /// How many values.
    pub count: u64,
    /// The first of them, and what it is not; at most 60 characters.
    pub example: String,
}

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
/// map of items, both are rows). Elements that are `null` are no rows; an element that is no object where columns come out of objects is a row of NULLs, and
/// counted as a misfit of the first such column.
///
/// # Errors
/// [`ErrorKind::Decode`] if the body is not JSON (with line and column), is larger than 2 GiB, nests deeper than 127
/// levels, names the items twice in one object, or, in strict mode, has a value that does not fit its column (with the
/// column and the row, from 1).
pub fn decode(body: &[u8], layout: &Layout) -> Result<Page> {
    let mut reader = Reader::new(body)?;
    reader.peek();
    let start = reader.mark();
    let mut decoding = Decoding {
        reader,
        layout,
        slots: vec![Token::Absent; layout.columns.len()],
        guesses: layout.item.iter().map(|_| Vec::new()).collect(),
        builders: Vec::new(),
        batches: Vec::new(),
        batch_rows: 0,
        rows: 0,
        captures: vec![None; layout.captures.len()],
        misfits: vec![None; layout.columns.len()],
        found: ItemsFound::Absent,
        unusable: false,
        scratch: String::new(),
    };
    decoding.place(0)?;
    decoding.reader.end()?;
    let absent = decoding.found == ItemsFound::Absent && !decoding.unusable;
    if absent && layout.shape == Shape::Object && !layout.items.is_root() {
        decoding.reader.rewind(start);
        decoding.whole_answer()?;
    }
    decoding.flush()?;
    Ok(Page {
        batches: decoding.batches,
        rows: decoding.rows,
        captures: decoding.captures,
        misfits: decoding.misfits.into_iter().flatten().collect(),
        items: decoding.found,
    })
}

/// A key that a place's object had, and what it leads to.
#[derive(Debug, Clone, Copy)]
struct Guess<'a> {
    /// As sent, with its closing quote.
    raw: &'a str,
    child: Option<usize>,
}

struct Decoding<'a, 'l> {
    reader: Reader<'a>,
    layout: &'l Layout,
    /// The values of the row being read, by column.
    slots: Vec<Token<'a>>,
    /// The order in which earlier items had their keys, by node: objects of a list repeat it.
    guesses: Vec<Vec<Guess<'a>>>,
    builders: Vec<ColumnBuilder>,
    batches: Vec<RecordBatch>,
    /// Rows in the builders.
    batch_rows: usize,
    rows: u64,
    captures: Vec<Option<serde_json::Value>>,
    misfits: Vec<Option<Misfit>>,
    found: ItemsFound,
    /// Whether a value that holds no items stood at the items path.
    unusable: bool,
    scratch: String,
}

impl<'a> Decoding<'a, '_> {
    // The envelope.

    /// Reads the value at a place of the envelope.
    fn place(&mut self, index: usize) -> Result<()> {
        let layout = self.layout;
        let node = &layout.envelope[index];
        self.reader.peek();
        let start = self.reader.mark();
        if node.items {
            self.items(node)?;
            if node.has_children() {
                self.reader.rewind(start);
                self.below(node)?;
            }
        } else if node.has_children() {
            self.below(node)?;
        } else {
            self.reader.skip()?;
        }
        if !node.captures.is_empty() {
            self.capture(node, start)?;
        }
        Ok(())
    }

    /// Reads the places below a place of the envelope.
    fn below(&mut self, node: &EnvelopeNode) -> Result<()> {
        let layout = self.layout;
        let every = node.every.map(|every| &layout.envelope[every]);
        let any_member = every.is_some_and(|every| every.leads_to_items);
        let mut first = true;
        let mut empty = true;
        match self.reader.peek() {
            Some(b'{') => {
                self.reader.open();
                let mut items_seen = false;
                while self.reader.next_member(&mut first)? {
                    empty = false;
                    let at = self.reader.mark();
                    let (key, _) = self.reader.key()?;
                    self.reader.colon()?;
                    let named = match plain(key) {
                        Some(name) => node.names.get(name.as_ref()).copied(),
                        None => None,
                    };
                    if let Some(child) = named {
                        let place = &layout.envelope[child];
                        // Rows of the first one may have been given out already, so the last cannot replace it.
                        if place.leads_to_items && !any_member && std::mem::replace(&mut items_seen, true) {
                            let key = shorten(key.inner, 40);
                            return Err(self.reader.refuse(at, format!("the answer has `{key}` twice in one object")));
                        }
                        // The last of equal keys counts, so what an earlier one held does not.
                        for capture in &place.single_captures {
                            self.captures[*capture] = None;
                        }
                    }
                    match named.or(node.every) {
                        Some(child) => self.place(child)?,
                        None => self.reader.skip()?,
                    }
                }
            }
            Some(b'[') => {
                let Some(child) = node.every else { return self.reader.skip() };
                self.reader.open();
                while self.reader.next_element(&mut first)? {
                    empty = false;
                    self.place(child)?;
                }
            }
            _ => return self.reader.skip(),
        }
        // A wildcard over nothing is an empty list; over something, what is below decides.
        if any_member && (empty || every.is_some_and(|every| every.items)) {
            self.note(ItemsFound::List);
        }
        Ok(())
    }

    /// Keeps the value from `start` to here for the captures that end here.
    fn capture(&mut self, node: &EnvelopeNode, start: Mark) -> Result<()> {
        let raw = self.reader.since(start);
        let value: serde_json::Value = serde_json::from_str(raw).map_err(|error| {
            self.reader.refuse(start, "a value of the answer that is needed cannot be read".to_owned()).caused_by(error)
        })?;
        for index in &node.captures {
            let slot = &mut self.captures[*index];
            if !self.layout.captures[*index].has_wildcard() {
                *slot = Some(value.clone());
            } else if let Some(serde_json::Value::Array(values)) = slot {
                values.push(value.clone());
            } else {
                *slot = Some(serde_json::Value::Array(vec![value.clone()]));
            }
        }
        Ok(())
    }

    fn note(&mut self, found: ItemsFound) {
        self.found = self.found.max(found);
    }

    // The items.

    /// Reads what stands at the items path.
    fn items(&mut self, node: &EnvelopeNode) -> Result<()> {
        let one = if node.repeated { ItemsFound::List } else { ItemsFound::Object };
        let mut first = true;
        match self.reader.peek() {
            Some(b'[') => {
                self.note(ItemsFound::List);
                self.reader.open();
                while self.reader.next_element(&mut first)? {
                    self.item(None)?;
                }
                Ok(())
            }
            Some(b'{') if self.layout.shape == Shape::Map => {
                self.note(ItemsFound::List);
                self.reader.open();
                while self.reader.next_member(&mut first)? {
                    let (key, _) = self.reader.key()?;
                    self.reader.colon()?;
                    self.item(Some(key))?;
                }
                Ok(())
            }
            Some(b'{') => {
                self.note(one);
                self.item(None)
            }
            Some(b'n') => {
                self.note(ItemsFound::Null);
                self.reader.skip()
            }
            _ if node.repeated || self.layout.shape == Shape::Scalar => {
                self.note(one);
                self.item(None)
            }
            _ => {
                let start = self.reader.mark();
                let token = self.reader.value()?;
                self.unusable = true;
                if self.layout.strict {
                    let message = format!("the answer has {} where its items should be", sort(token));
                    return Err(self.reader.refuse(start, message).with("items", self.layout.items.to_string()));
                }
                Ok(())
            }
        }
    }

    /// Reads one item into a row; `key` is its name in a map.
    fn item(&mut self, key: Option<Quoted<'a>>) -> Result<()> {
        let layout = self.layout;
        let is_object = self.reader.peek() == Some(b'{');
        let start = self.reader.mark();
        if is_object && !layout.item[0].keys.is_empty() {
            self.members(0)?;
            if !layout.whole.is_empty() {
                self.fill(&layout.whole, self.reader.nested_since(start));
            }
        } else {
            let token = self.reader.value()?;
            if token == Token::Null && key.is_none() {
                return Ok(());
            }
            self.fill(&layout.whole, token);
            if !is_object && layout.whole.is_empty() && token != Token::Null {
                let column = layout.item[0].below.iter().min();
                let raw = self.reader.since(start);
                match column {
                    Some(column) => self.slots[*column] = Token::NotAnObject(raw),
                    None if layout.strict && layout.keys.is_empty() => {
                        return Err(self.reader.refuse(start, format!("an item is {}, not an object", sort(token))));
                    }
                    None => {}
                }
            }
        }
        if let Some(key) = key {
            self.fill(&layout.keys, Token::Text(key));
        }
        self.append_row(start)
    }

    /// Reads the object that the reader stands at into the slots of the columns below a node.
    fn members(&mut self, node: usize) -> Result<()> {
        self.reader.open();
        let mut first = true;
        let mut order = 0;
        while self.reader.next_member(&mut first)? {
            let child = self.child(node, &mut order)?;
            self.reader.colon()?;
            match child {
                Some(child) => self.wanted(child)?,
                None => self.reader.skip()?,
            }
        }
        Ok(())
    }

    /// Reads a key; gives the node it leads to, if anything of it is wanted.
    ///
    /// Items of a list have their keys in the same order, give or take some, so the next key is guessed from the items
    /// before: one comparison of bytes instead of a scan and a hash.
    #[inline]
    fn child(&mut self, node: usize, order: &mut usize) -> Result<Option<usize>> {
        let guesses = &mut self.guesses[node];
        let ahead = guesses.iter().enumerate().skip(*order).take(LOOK_AHEAD);
        for (index, guess) in ahead {
            if self.reader.take_key(guess.raw) {
                *order = index + 1;
                return Ok(guess.child);
            }
        }
        let (key, raw) = self.reader.key()?;
        let child = plain(key).and_then(|name| self.layout.item[node].keys.get(name.as_ref()).copied());
        if guesses.len() < MAX_GUESSES {
            guesses.insert((*order).min(guesses.len()), Guess { raw, child });
            *order += 1;
        }
        Ok(child)
    }

    /// Reads a value of which something is wanted into the slots of its columns.
    #[inline]
    fn wanted(&mut self, index: usize) -> Result<()> {
        let layout = self.layout;
        let node = &layout.item[index];
        if node.keys.is_empty() {
            let token = self.reader.value()?;
            self.fill(&node.columns, token);
            return Ok(());
        }
        // The last of equal keys counts, so what an earlier one held does not.
        self.fill(&node.below, Token::Absent);
        let is_object = self.reader.peek() == Some(b'{');
        let start = self.reader.mark();
        if is_object {
            self.members(index)?;
            self.fill(&node.columns, self.reader.nested_since(start));
        } else {
            let token = self.reader.value()?;
            self.fill(&node.columns, token);
            if token != Token::Null {
                self.fill(&node.below, Token::NotAnObject(self.reader.since(start)));
            }
        }
        Ok(())
    }

    #[inline]
    fn fill(&mut self, columns: &[usize], token: Token<'a>) {
        for column in columns {
            self.slots[*column] = token;
        }
    }

    /// Reads the answer itself as the row, if it has one of the row's keys.
    fn whole_answer(&mut self) -> Result<()> {
        if self.reader.peek() != Some(b'{') {
            return Ok(());
        }
        let start = self.reader.mark();
        let mut is_row = false;
        let mut first = true;
        self.reader.open();
        while self.reader.next_member(&mut first)? {
            let (key, _) = self.reader.key()?;
            is_row |= plain(key).is_some_and(|name| self.layout.row_keys.iter().any(|key| *key == name));
            self.reader.colon()?;
            self.reader.skip()?;
        }
        if is_row {
            self.reader.rewind(start);
            self.note(ItemsFound::Object);
            self.item(None)?;
        }
        Ok(())
    }

    // The rows.

    /// Appends the slots to the builders, and empties them. The item began at `start`.
    fn append_row(&mut self, start: Mark) -> Result<()> {
        let layout = self.layout;
        if self.builders.len() != layout.columns.len() {
            // Later items will be about as long as this one.
            let rows = self.reader.remaining() / self.reader.since(start).len().max(1) + 1;
            let rows = rows.min(layout.batch_rows);
            self.builders = layout.columns.iter().map(|column| ColumnBuilder::new(column, rows)).collect();
        }
        self.rows += 1;
        for (index, (builder, slot)) in self.builders.iter_mut().zip(&mut self.slots).enumerate() {
            let token = std::mem::replace(slot, Token::Absent);
            if let Err(reason) = builder.append(token, layout.utc, &mut self.scratch) {
                let column = &layout.columns[index];
                let misfit = self.misfits[index].get_or_insert_with(|| Misfit {
                    column: index,
                    count: 0,
                    example: example(token, reason, column.secret, &mut self.scratch),
                });
                misfit.count += 1;
                if layout.strict {
                    let name = column.field.name();
                    let message = format!("a value does not fit its column: {}", misfit.example);
                    return Err(Error::new(ErrorKind::Decode, message)
                        .with("column", name)
                        .with("row", self.rows.to_string())
                        .hint("`SET schema = 'lenient'` makes such values NULL and counts them"));
                }
            }
        }
        self.batch_rows += 1;
        if self.batch_rows == layout.batch_rows {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes a batch of the rows in the builders.
    fn flush(&mut self) -> Result<()> {
        if self.batch_rows == 0 {
            return Ok(());
        }
        let arrays = self.builders.iter_mut().map(ColumnBuilder::finish).collect();
        // Said outright, because a batch without columns has rows too.
        let options = RecordBatchOptions::new().with_row_count(Some(self.batch_rows));
        let batch = RecordBatch::try_new_with_options(self.layout.schema(), arrays, &options)
            .map_err(|error| Error::new(ErrorKind::Internal, "the rows do not fit their schema").caused_by(error))?;
        self.batches.push(batch);
        self.batch_rows = 0;
        Ok(())
    }
}

/// What a key means; nothing if it holds half of a surrogate pair, which no wanted name does.
fn plain(key: Quoted<'_>) -> Option<Cow<'_, str>> {
    if !key.escaped {
        return Some(Cow::Borrowed(key.inner));
    }
    let mut name = String::new();
    unescape(key.inner, &mut name).then_some(Cow::Owned(name))
}

/// A value, and what it is not.
fn example(token: Token<'_>, reason: &str, secret: bool, scratch: &mut String) -> String {
    let room = EXAMPLE_ROOM.saturating_sub(" is not ".len() + reason.len());
    let value = if secret { Cow::Borrowed(sort(token)) } else { Cow::Owned(shorten(json(token, scratch), room)) };
    format!("{value} is not {reason}")
}
