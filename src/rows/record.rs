//! Items into rows: the values that columns want of an item, and the builders they go into.
//!
//! *Invariants*: a row's values are first collected, then appended, so that every column gets exactly one value per
//! row; recursion is bounded by the layout, never by the answer.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};

use super::builder::{ColumnBuilder, json, sort};
use super::decode::Misfit;
use super::reader::{Mark, Quoted, Read, Token};
use super::text::unescape;
use super::walk::Walk;

/// How much of a value that does not fit is kept, in bytes: more than is shown, so that no secret in it is cut in two.
const VALUE_ROOM: usize = 4096;

/// How many keys of an object's order are remembered, and how far ahead a key is looked for.
const MAX_GUESSES: usize = 512;
const LOOK_AHEAD: usize = 4;

/// A key that a place's object had, and what it leads to.
#[derive(Debug)]
pub(super) struct Guess {
    /// As sent, with its closing quote.
    raw: Box<str>,
    child: Option<usize>,
}

impl<'a> Walk<'a, '_> {
    /// Reads one item into a row; `key` is its name in a map.
    pub(super) fn item(&mut self, key: Option<Quoted<'a>>) -> Read<()> {
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
            self.fill(&layout.whole, token);
            // Of a map's member the key says something.
            let is_named_null = token == Token::Null && key.is_some();
            if !is_object && layout.whole.is_empty() && !is_named_null {
                let column = layout.item[0].below.iter().min();
                let raw = self.reader.since(start);
                match column {
                    Some(column) => self.slots[*column] = Token::NotAnObject(raw),
                    None if layout.strict && layout.keys.is_empty() => {
                        let message = format!("an item is {}, not an object", sort(token));
                        return Err(self.reader.refuse(start, message).into());
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
    fn members(&mut self, node: usize) -> Read<()> {
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
    fn child(&mut self, node: usize, order: &mut usize) -> Read<Option<usize>> {
        let guesses = &mut self.state.guesses[node];
        let ahead = guesses.iter().enumerate().skip(*order).take(LOOK_AHEAD);
        for (index, guess) in ahead {
            if self.reader.take_key(&guess.raw) {
                *order = index + 1;
                return Ok(guess.child);
            }
        }
        let (key, raw) = self.reader.key()?;
        let child = plain(key).and_then(|name| self.layout.item[node].keys.get(name.as_ref()).copied());
        if guesses.len() < MAX_GUESSES {
            guesses.insert((*order).min(guesses.len()), Guess { raw: raw.into(), child });
            *order += 1;
        }
        Ok(child)
    }

    /// Reads a value of which something is wanted into the slots of its columns.
    #[inline]
    fn wanted(&mut self, index: usize) -> Read<()> {
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

    /// Appends the slots to the builders, and empties them. The item began at `start`.
    fn append_row(&mut self, start: Mark) -> Read<()> {
        let (layout, state) = (self.layout, &mut *self.state);
        if state.batch_rows == 0 {
            // Later items will be about as long as this one.
            let rows = self.reader.remaining() / self.reader.since(start).len().max(1) + 1;
            let rows = rows.min(layout.batch_rows);
            state.builders = layout.columns.iter().map(|column| ColumnBuilder::new(column, rows)).collect();
        }
        state.rows += 1;
        let columns = state.builders.iter_mut().zip(&mut self.slots).zip(&mut state.held);
        for (index, ((builder, slot), held)) in columns.enumerate() {
            let token = std::mem::replace(slot, Token::Absent);
            *held |= !matches!(token, Token::Absent);
            if let Err(reason) = builder.append(token, layout.utc, &mut state.scratch) {
                let column = &layout.columns[index];
                let misfit = state.misfits[index].get_or_insert_with(|| Misfit {
                    column: index,
                    count: 0,
                    value: value_of(token, column.secret, &mut state.scratch),
                    reason,
                });
                misfit.count += 1;
                if layout.strict {
                    let name = column.field.name();
                    return Err(Error::new(ErrorKind::Decode, "a value does not fit its column")
                        .caused_by(misfit.clone())
                        .with("column", name)
                        .with("row", state.rows.to_string())
                        .hint("`SET schema = 'lenient'` makes such values NULL and counts them")
                        .into());
                }
            }
        }
        state.batch_rows += 1;
        if state.batch_rows == layout.batch_rows || state.passes_cut(self.reader.mark()) {
            state.flush(layout)?;
        }
        Ok(())
    }
}

/// What a key means; nothing if it holds half of a surrogate pair, which no wanted name does.
pub(super) fn plain(key: Quoted<'_>) -> Option<Cow<'_, str>> {
    if !key.escaped {
        return Some(Cow::Borrowed(key.inner));
    }
    let mut name = String::new();
    unescape(key.inner, &mut name).then_some(Cow::Owned(name))
}

/// The beginning of a value, or what sort of value it is.
fn value_of(token: Token<'_>, secret: bool, scratch: &mut String) -> String {
    let value = if secret { sort(token) } else { json(token, scratch) };
    value[..value.floor_char_boundary(VALUE_ROOM)].to_owned()
}
