//! The way through an answer's envelope, to its items and to the values that are captured.
//!
//! *Invariants*: it goes in steps, and a step for which the bytes at hand do not suffice is taken again from its start
//! when there are more; what one step did is done again by the next attempt, or is done at its end; the depth of open
//! places is bounded, whatever the answer holds.

use arrow::array::{RecordBatch, RecordBatchOptions};

use crate::error::{Error, ErrorKind, Result};

use super::builder::{ColumnBuilder, sort};
use super::decode::{ItemsFound, Misfit, PART, Page, Rows};
use super::layout::{EnvelopeNode, Layout, Shape};
use super::reader::{Mark, Read, Reader, Stop, Token};
use super::record::{Guess, plain};
use super::text::shorten;

/// How many places may be open at once; what nests deeper in a value that nobody wants is read as a whole.
const MAX_OPEN: usize = 127;

/// A batch of a long answer is made of about so many bytes of it.
const CUT: u64 = PART as u64;

/// What is known of an answer between two parts of it.
#[derive(Debug)]
pub(super) struct State {
    /// The places that are open, the innermost last.
    open: Vec<Place>,
    begun: bool,
    /// Where the answer's value begins.
    start: Mark,
    /// The order in which earlier items had their keys, by node: objects of a list repeat it.
    pub(super) guesses: Vec<Vec<Guess>>,
    pub(super) builders: Vec<ColumnBuilder>,
    batches: Vec<RecordBatch>,
    /// How many bytes of the answer came before the text that is read now.
    gone: u64,
    /// The batch ends with the item that ends behind this byte of the answer.
    cut: u64,
    /// Rows in the builders.
    pub(super) batch_rows: usize,
    pub(super) rows: u64,
    captures: Vec<Option<serde_json::Value>>,
    pub(super) misfits: Vec<Option<Misfit>>,
    pub(super) held: Vec<bool>,
    found: ItemsFound,
    /// Whether a value that holds no items stood at the items path.
    unusable: bool,
    pub(super) scratch: String,
}

/// A place of the envelope whose value is being read.
#[derive(Debug, Clone)]
struct Place {
    /// Which one; none where nobody wants anything of it.
    node: Option<usize>,
    start: Mark,
    inside: Inside,
    /// Whether nothing of it was read yet.
    first: bool,
    items_seen: bool,
}

/// What the value of a [`Place`] is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Elements that are items.
    List,
    /// Members that are items.
    Map,
    Members,
    Elements,
}

impl Inside {
    fn is_items(self) -> bool {
        matches!(self, Self::List | Self::Map)
    }
}

impl State {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            open: Vec::new(),
            begun: false,
            start: Mark::default(),
            guesses: layout.item.iter().map(|_| Vec::new()).collect(),
            builders: Vec::new(),
            batches: Vec::new(),
            gone: 0,
            cut: CUT,
            batch_rows: 0,
            rows: 0,
            captures: vec![None; layout.captures.len()],
            misfits: vec![None; layout.columns.len()],
            held: vec![false; layout.columns.len()],
            found: ItemsFound::Absent,
            unusable: false,
            scratch: String::new(),
        }
    }

    /// Whether an item that ends at `end` is the last of its batch. Batches depend on the answer alone, and not on the
    /// pieces in which it came: what joins make of them is the same each time.
    #[inline]
    pub(super) fn passes_cut(&mut self, end: Mark) -> bool {
        let end = self.gone + end.0 as u64;
        let passes = end >= self.cut;
        if passes {
            self.cut = (end / CUT + 1) * CUT;
        }
        passes
    }

    /// Makes a batch of the rows in the builders.
    pub(super) fn flush(&mut self, layout: &Layout) -> Result<()> {
        if self.batch_rows == 0 {
            return Ok(());
        }
        let arrays = self.builders.iter_mut().map(ColumnBuilder::finish).collect();
        // Said outright, because a batch without columns has rows too.
        let options = RecordBatchOptions::new().with_row_count(Some(self.batch_rows));
        let batch = RecordBatch::try_new_with_options(layout.schema(), arrays, &options)
            .map_err(|error| Error::new(ErrorKind::Internal, "the rows do not fit their schema").caused_by(error))?;
        self.batches.push(batch);
        self.batch_rows = 0;
        Ok(())
    }

    pub(super) fn has_rows(&self) -> bool {
        !self.batches.is_empty()
    }

    pub(super) fn take(&mut self) -> Rows {
        let batches = std::mem::take(&mut self.batches);
        let misfits = self.misfits.iter_mut().filter_map(Option::take).collect();
        let held = self.held.clone();
        Rows { rows: batches.iter().map(|batch| batch.num_rows() as u64).sum(), batches, misfits, held }
    }

    pub(super) fn into_page(mut self) -> Page {
        let Rows { batches, rows, misfits, held } = self.take();
        Page { batches, rows, captures: self.captures, misfits, held, items: self.found }
    }

    /// The first byte that may still be needed of what was read up to `at`.
    pub(super) fn needed_from(&self, layout: &Layout, at: Mark) -> Mark {
        let may_be_row = self.begun && self.is_row_perhaps(layout);
        let whole = may_be_row.then_some(self.start);
        let again = |place: &Place| {
            let node = &layout.envelope[place.node?];
            (!node.captures.is_empty() || place.inside.is_items() && node.has_children()).then_some(place.start)
        };
        self.open.iter().filter_map(again).chain(whole).min().map_or(at, |first| first.min(at))
    }

    /// Says that the text begins later by so many bytes.
    pub(super) fn moved_by(&mut self, bytes: Mark) {
        self.gone += bytes.0 as u64;
        for mark in self.open.iter_mut().map(|place| &mut place.start).chain([&mut self.start]) {
            // What was not needed is not looked at again either.
            mark.0 = mark.0.saturating_sub(bytes.0);
        }
    }

    /// What was captured so far.
    pub(super) fn captures(&self) -> &[Option<serde_json::Value>] {
        &self.captures
    }

    /// What is known of the envelope while its items are read; none at other places, and where something is wanted that
    /// holds the items or is a part of them.
    pub(super) fn beside_items(&self, layout: &Layout) -> Option<Self> {
        let at_items = self.open.last().is_some_and(|place| place.inside.is_items());
        let ends_here = !layout.items.has_wildcard() && self.needed_from(layout, Mark(usize::MAX)) == Mark(usize::MAX);
        (at_items && ends_here).then(|| Self {
            open: self.open.clone(),
            begun: true,
            captures: self.captures.clone(),
            found: self.found,
            ..Self::new(layout)
        })
    }

    /// How many places hold the innermost one.
    pub(super) fn depth(&self) -> Option<usize> {
        self.open.len().checked_sub(1)
    }

    /// Whether the answer itself may be the row, by what is known of it.
    fn is_row_perhaps(&self, layout: &Layout) -> bool {
        let absent = self.found == ItemsFound::Absent && !self.unusable;
        absent && layout.shape == Shape::Object && !layout.items.is_root()
    }
}

/// A walk over the bytes at hand.
pub(super) struct Walk<'a, 's> {
    pub(super) reader: Reader<'a>,
    pub(super) layout: &'s Layout,
    pub(super) state: &'s mut State,
    /// The values of the row being read, by column.
    pub(super) slots: Vec<Token<'a>>,
    /// How far all is done.
    done: Mark,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(reader: Reader<'a>, layout: &'s Layout, state: &'s mut State) -> Self {
        let (slots, done) = (vec![Token::Absent; layout.columns.len()], reader.mark());
        Self { reader, layout, state, slots, done }
    }

    /// Reads on, to the end of the answer or of what is whole of it; gives the place where that is.
    pub(super) fn run(&mut self) -> Result<Mark> {
        match self.steps() {
            Ok(()) => Ok(self.reader.mark()),
            Err(Stop::Starved) => Ok(self.done),
            Err(Stop::Refused(error)) => Err(error),
        }
    }

    /// Reads the envelope up to the first item; gives the place of that, if there is one within reach.
    pub(super) fn enter_items(&mut self) -> Option<Mark> {
        self.enter_answer().ok()?;
        while let Some(inside) = self.inside() {
            if inside.is_items() {
                return Some(self.reader.mark());
            }
            self.step(inside).ok()?;
        }
        None
    }

    fn steps(&mut self) -> Read<()> {
        if !self.state.begun {
            self.enter_answer()?;
        }
        while let Some(inside) = self.inside() {
            self.step(inside)?;
        }
        self.reader.end()?;
        if self.state.is_row_perhaps(self.layout) {
            self.reader.rewind(self.state.start);
            self.whole_answer()?;
        }
        Ok(())
    }

    fn enter_answer(&mut self) -> Read<()> {
        self.reader.begin()?;
        self.state.start = self.reader.mark();
        let root = self.begin(Some(0))?;
        self.state.open.extend(root);
        self.state.begun = true;
        self.done = self.reader.mark();
        Ok(())
    }

    /// What the innermost place is made of; none where none is open any more.
    fn inside(&self) -> Option<Inside> {
        self.state.open.last().map(|place| place.inside)
    }

    /// Reads on inside the innermost place.
    fn step(&mut self, inside: Inside) -> Read<()> {
        match inside {
            Inside::List => self.list()?,
            Inside::Map => self.map()?,
            Inside::Members => self.member()?,
            Inside::Elements => self.element()?,
        }
        self.done = self.reader.mark();
        Ok(())
    }

    /// Whether nothing of the innermost place was read yet.
    fn is_first(&self) -> bool {
        self.state.open.last().is_some_and(|place| place.first)
    }

    /// Something of the innermost place was read.
    fn advance(&mut self) {
        if let Some(place) = self.state.open.last_mut() {
            place.first = false;
        }
    }

    /// Begins the value of a node, which is read to its end or opened.
    fn begin(&mut self, node: Option<usize>) -> Read<Option<Place>> {
        self.reader.peek();
        let start = self.reader.mark();
        match node {
            None => self.pass_over(start),
            Some(index) if self.layout.envelope[index].items => self.items(index, start),
            Some(index) => self.below(index, start),
        }
    }

    fn enter(&mut self, node: Option<usize>, start: Mark, inside: Inside) -> Place {
        self.reader.open();
        Place { node, start, inside, first: true, items_seen: false }
    }

    /// Passes over a value that nobody wants, which need not be at hand as a whole.
    fn pass_over(&mut self, start: Mark) -> Read<Option<Place>> {
        match self.reader.skip() {
            Err(Stop::Starved) if self.state.open.len() < MAX_OPEN => {}
            skipped => return skipped.map(|()| None),
        }
        self.reader.rewind(start);
        match self.reader.peek() {
            Some(b'{') => Ok(Some(self.enter(None, start, Inside::Members))),
            Some(b'[') => Ok(Some(self.enter(None, start, Inside::Elements))),
            _ => Err(Stop::Starved),
        }
    }

    /// Begins the value at `start`, of which the places below a node are wanted.
    fn below(&mut self, index: usize, start: Mark) -> Read<Option<Place>> {
        let node = &self.layout.envelope[index];
        match self.reader.peek() {
            Some(b'{') if node.has_children() => return Ok(Some(self.enter(Some(index), start, Inside::Members))),
            Some(b'[') if node.every.is_some() => return Ok(Some(self.enter(Some(index), start, Inside::Elements))),
            _ => {}
        }
        if node.captures.is_empty() {
            return self.pass_over(start);
        }
        self.reader.skip()?;
        self.capture(node, start)?;
        Ok(None)
    }

    /// Reads a member of an object of the envelope.
    fn member(&mut self) -> Read<()> {
        let layout = self.layout;
        let mut first = self.is_first();
        if !self.reader.next_member(&mut first)? {
            return self.close();
        }
        let at = self.reader.mark();
        let (key, _) = self.reader.key()?;
        self.reader.colon()?;
        let Some(place) = self.state.open.last() else { return Ok(()) };
        let mut items_seen = place.items_seen;
        let mut child = None;
        if let Some(index) = place.node {
            let node = &layout.envelope[index];
            let any_member = node.every.is_some_and(|every| layout.envelope[every].leads_to_items);
            let named = plain(key).and_then(|name| node.names.get(name.as_ref()).copied());
            if let Some(child) = named {
                let named = &layout.envelope[child];
                // Rows of the first one may have been given out already, so the last cannot replace it.
                if named.leads_to_items && !any_member && std::mem::replace(&mut items_seen, true) {
                    let key = shorten(key.inner, 40);
                    return Err(self.reader.refuse(at, format!("the answer has `{key}` twice in one object")).into());
                }
                // The last of equal keys counts, so what an earlier one held does not.
                for capture in &named.single_captures {
                    self.state.captures[*capture] = None;
                }
            }
            child = named.or(node.every);
        }
        let opened = self.begin(child)?;
        if let Some(place) = self.state.open.last_mut() {
            (place.first, place.items_seen) = (false, items_seen);
        }
        self.state.open.extend(opened);
        Ok(())
    }

    /// Reads an element of an array of the envelope.
    fn element(&mut self) -> Read<()> {
        let mut first = self.is_first();
        if !self.reader.next_element(&mut first)? {
            return self.close();
        }
        let node = self.state.open.last().and_then(|place| place.node);
        let opened = self.begin(node.and_then(|index| self.layout.envelope[index].every))?;
        self.advance();
        self.state.open.extend(opened);
        Ok(())
    }

    /// Reads the items of an array.
    fn list(&mut self) -> Read<()> {
        let mut first = self.is_first();
        while self.reader.next_element(&mut first)? {
            self.item(None)?;
            self.advance();
            self.done = self.reader.mark();
        }
        self.close()
    }

    /// Reads the items of a map.
    fn map(&mut self) -> Read<()> {
        let mut first = self.is_first();
        while self.reader.next_member(&mut first)? {
            let (key, _) = self.reader.key()?;
            self.reader.colon()?;
            self.item(Some(key))?;
            self.advance();
            self.done = self.reader.mark();
        }
        self.close()
    }

    /// Leaves the innermost place, whose end was read.
    fn close(&mut self) -> Read<()> {
        let Some(place) = self.state.open.pop() else { return Ok(()) };
        let Some(index) = place.node else { return Ok(()) };
        if place.inside.is_items() {
            let again = self.after_items(index, place.start)?;
            self.state.open.extend(again);
            return Ok(());
        }
        let node = &self.layout.envelope[index];
        // A wildcard over nothing is an empty list; over something, what is below decides.
        let every = node.every.map(|every| &self.layout.envelope[every]).filter(|every| every.leads_to_items);
        if every.is_some_and(|every| place.first || every.items) {
            self.note(ItemsFound::List);
        }
        self.capture(node, place.start)
    }

    /// Keeps the value from `start` to here for the captures that end here.
    fn capture(&mut self, node: &EnvelopeNode, start: Mark) -> Read<()> {
        if node.captures.is_empty() {
            return Ok(());
        }
        let raw = self.reader.since(start);
        let value: serde_json::Value = serde_json::from_str(raw).map_err(|error| {
            self.reader.refuse(start, "a value of the answer that is needed cannot be read".to_owned()).caused_by(error)
        })?;
        for index in &node.captures {
            let slot = &mut self.state.captures[*index];
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
        self.state.found = self.state.found.max(found);
    }

    /// Begins what stands at the items path.
    fn items(&mut self, index: usize, start: Mark) -> Read<Option<Place>> {
        let node = &self.layout.envelope[index];
        let one = if node.repeated { ItemsFound::List } else { ItemsFound::Object };
        match self.reader.peek() {
            Some(b'[') => {
                self.note(ItemsFound::List);
                return Ok(Some(self.enter(Some(index), start, Inside::List)));
            }
            Some(b'{') if self.layout.shape == Shape::Map => {
                self.note(ItemsFound::List);
                return Ok(Some(self.enter(Some(index), start, Inside::Map)));
            }
            Some(b'n') if !self.layout.items.ends_in_wildcard() => {
                self.reader.skip()?;
                self.note(ItemsFound::Null);
            }
            first if first == Some(b'{') || node.repeated || self.layout.shape == Shape::Scalar => {
                self.item(None)?;
                self.note(one);
            }
            _ => {
                let token = self.reader.value()?;
                self.state.unusable = true;
                if self.layout.strict {
                    let message = format!("the answer has {} where its items should be", sort(token));
                    let items = self.layout.items.to_string();
                    return Err(self.reader.refuse(start, message).with("items", items).into());
                }
            }
        }
        self.after_items(index, start)
    }

    /// Reads what stands at the items path once more for what is wanted of it besides.
    fn after_items(&mut self, index: usize, start: Mark) -> Read<Option<Place>> {
        let node = &self.layout.envelope[index];
        if node.has_children() {
            self.reader.rewind(start);
            return self.below(index, start);
        }
        self.capture(node, start)?;
        Ok(None)
    }

    /// Reads the answer itself as the row, if it has one of the row's keys.
    fn whole_answer(&mut self) -> Read<()> {
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
            self.item(None)?;
            self.note(ItemsFound::Object);
        }
        Ok(())
    }
}
