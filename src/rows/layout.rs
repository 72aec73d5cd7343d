//! What is wanted of an answer, prepared once and used for every page.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::error::{Error, ErrorKind, Result};

use super::field::Kind;
use super::path::{ItemPath, PathStep};

/// How many rows a batch has at most, unless said otherwise.
const DEFAULT_BATCH_ROWS: usize = 8192;

/// How deep a column's source may lie inside its item.
const MAX_SOURCE: usize = 32;

/// What stands at the items path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// An array of objects; a single object there is one row.
    List,
    /// One object, which is the row. Where the path is absent, the whole answer is the row, if it has at least one of
    /// the row's keys. The elements of an array there are rows.
    Object,
    /// An object whose members' values are the rows; a column named `key` holds the members' names.
    Map,
    /// An array of values, or one value; a column named `value` holds them.
    Scalar,
}

/// A column that is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name and Arrow type, as [`field`](super::field()) makes it.
    pub field: Field,
    /// What its values are.
    pub kind: Kind,
    /// The keys that lead to it from its item, usually one; none: the item itself.
    pub source: Vec<String>,
    /// Whether its values must not be shown: messages then say only what type was found.
    pub secret: bool,
}

/// Where rows stand in an answer, and which columns and other values are wanted of it.
///
/// Prepared once; [`decode`](super::decode()) uses it for any number of pages, from any number of threads.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(super) shape: Shape,
    pub(super) items: ItemPath,
    pub(super) columns: Vec<Wanted>,
    pub(super) schema: SchemaRef,
    pub(super) captures: Vec<ItemPath>,
    pub(super) strict: bool,
    pub(super) batch_rows: usize,
    pub(super) row_keys: Vec<String>,
    /// The way from the root to the items and captures; the root is the first node.
    pub(super) envelope: Vec<EnvelopeNode>,
    /// The way from an item to its columns; the item is the first node.
    pub(super) item: Vec<ItemNode>,
    /// Columns that hold the item itself.
    pub(super) whole: Vec<usize>,
    /// Columns that hold the name under which a [`Shape::Map`] keeps the item.
    pub(super) keys: Vec<usize>,
    /// UTC, as the timestamp parser wants it.
    pub(super) utc: Tz,
}

/// A place in the envelope. All paths are merged, so that one node says everything about its place.
#[derive(Debug, Clone, Default)]
pub(super) struct EnvelopeNode {
    /// Members with a meaning of their own.
    pub(super) names: HashMap<String, usize>,
    /// Every other member, and every element.
    pub(super) every: Option<usize>,
    /// Whether the items stand here.
    pub(super) items: bool,
    /// Whether the items stand here or below.
    pub(super) leads_to_items: bool,
    /// Whether a wildcard of the items path lies between the root and here.
    pub(super) repeated: bool,
    /// The captures that end here.
    pub(super) captures: Vec<usize>,
    /// The captures without a wildcard that end here or below.
    pub(super) single_captures: Vec<usize>,
}

impl EnvelopeNode {
    pub(super) fn has_children(&self) -> bool {
        self.every.is_some() || !self.names.is_empty()
    }
}

/// A place inside an item.
#[derive(Debug, Clone, Default)]
pub(super) struct ItemNode {
    pub(super) keys: HashMap<String, usize>,
    /// The columns that hold the value here.
    pub(super) columns: Vec<usize>,
    /// The columns that hold a value below.
    pub(super) below: Vec<usize>,
}

impl Layout {
    /// A layout that takes `columns` from the items of `shape` at `items`; lenient, in batches of 8,192 rows.
    ///
    /// In [`Shape::Map`] a column named `key`, and in [`Shape::Scalar`] one named `value`, is filled whatever its
    /// source.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if a column's Arrow type cannot hold its kind; [`ErrorKind::Provider`] if its source is
    /// longer than 32 keys.
    pub fn new(items: ItemPath, shape: Shape, columns: Vec<Wanted>) -> Result<Self> {
        let mut item = vec![ItemNode::default()];
        let mut whole = Vec::new();
        let mut keys = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            check(column)?;
            let name = column.field.name();
            if shape == Shape::Map && name == "key" {
                keys.push(index);
            } else if column.source.is_empty() || shape == Shape::Scalar && name == "value" {
                whole.push(index);
            } else {
                add_source(&mut item, &column.source, index);
            }
        }
        let fields: Vec<Field> = columns.iter().map(|column| column.field.clone().with_nullable(true)).collect();
        let row_keys = columns.iter().filter_map(|column| column.source.first().cloned()).collect();
        let envelope = merge_paths(&items, &[]);
        let utc = "+00:00".parse().map_err(|error: ArrowError| {
            Error::new(ErrorKind::Internal, "the time zone UTC is not known to Arrow").caused_by(error)
        })?;
        Ok(Self {
            shape,
            items,
            columns,
            schema: Arc::new(Schema::new(fields)),
            captures: Vec::new(),
            strict: false,
            batch_rows: DEFAULT_BATCH_ROWS,
            row_keys,
            envelope,
            item,
            whole,
            keys,
            utc,
        })
    }

    /// Also keeps the values at these paths: page tokens, totals, error messages.
    ///
    /// A path with a wildcard gives an array of all it matches.
    #[must_use]
    pub fn with_captures(mut self, captures: Vec<ItemPath>) -> Self {
        self.envelope = merge_paths(&self.items, &captures);
        self.captures = captures;
        self
    }

    /// Makes a value that does not fit its column an error.
    #[must_use]
    pub fn with_strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Sets how many rows a batch has at most (at least one).
    #[must_use]
    pub fn with_batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// Sets the keys of which a whole answer must have one to be the row itself ([`Shape::Object`], path absent).
    ///
    /// Without this, they are the wanted columns' own. Say here all that the table has, so that the number of rows
    /// does not depend on the columns a query names.
    #[must_use]
    pub fn with_row_keys(mut self, keys: Vec<String>) -> Self {
        self.row_keys = keys;
        self
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The columns, in the order of the schema.
    pub fn columns(&self) -> &[Wanted] {
        &self.columns
    }

    /// Where the items stand.
    pub fn items(&self) -> &ItemPath {
        &self.items
    }

    /// The paths that are captured, in the order of a page's captures.
    pub fn captures(&self) -> &[ItemPath] {
        &self.captures
    }
}

fn check(column: &Wanted) -> Result<()> {
    let name = column.field.name();
    let data_type: &DataType = column.field.data_type();
    if !column.kind.fits(data_type) {
        return Err(Error::new(ErrorKind::Internal, format!("a column of {} cannot be {data_type}", column.kind))
            .with("column", name));
    }
    if column.source.len() > MAX_SOURCE {
        return Err(Error::new(ErrorKind::Provider, "a column lies more than 32 keys deep").with("column", name));
    }
    Ok(())
}

fn add_source(nodes: &mut Vec<ItemNode>, source: &[String], column: usize) {
    let mut at = 0;
    for key in source {
        nodes[at].below.push(column);
        at = if let Some(next) = nodes[at].keys.get(key) {
            *next
        } else {
            let next = nodes.len();
            nodes.push(ItemNode::default());
            nodes[at].keys.insert(key.clone(), next);
            next
        };
    }
    nodes[at].columns.push(column);
}

/// A path that has been followed to before its step `at`; the first path is the items'.
#[derive(Clone, Copy)]
struct Followed {
    path: usize,
    at: usize,
    repeated: bool,
}

fn merge_paths(items: &ItemPath, captures: &[ItemPath]) -> Vec<EnvelopeNode> {
    let paths: Vec<&ItemPath> = std::iter::once(items).chain(captures).collect();
    let start: Vec<Followed> = (0..paths.len()).map(|path| Followed { path, at: 0, repeated: false }).collect();
    let mut nodes = Vec::new();
    add_place(&mut nodes, &paths, &start);
    nodes
}

/// Adds the node of the place that all of `followed` have reached, and of all places below it. Gives its index.
fn add_place(nodes: &mut Vec<EnvelopeNode>, paths: &[&ItemPath], followed: &[Followed]) -> usize {
    let index = nodes.len();
    nodes.push(EnvelopeNode::default());
    let mut node = EnvelopeNode::default();
    let mut names: Vec<&String> = Vec::new();
    for Followed { path, at, repeated } in followed {
        let next = paths[*path].steps().get(*at);
        match (*path, next) {
            (0, None) => node.items = true,
            (_, None) => node.captures.push(path - 1),
            (_, Some(PathStep::Name(name))) if !names.contains(&name) => names.push(name),
            _ => {}
        }
        if *path == 0 {
            node.leads_to_items = true;
            node.repeated = *repeated;
        } else if !paths[*path].has_wildcard() {
            node.single_captures.push(path - 1);
        }
    }
    let reached = |name: Option<&String>| -> Vec<Followed> {
        followed
            .iter()
            .filter_map(|one| {
                let through = match paths[one.path].steps().get(one.at)? {
                    PathStep::Every => true,
                    PathStep::Name(step) => name == Some(step),
                };
                let repeated = one.repeated || paths[one.path].steps().get(one.at) == Some(&PathStep::Every);
                through.then_some(Followed { at: one.at + 1, repeated, ..*one })
            })
            .collect()
    };
    for name in names {
        let child = add_place(nodes, paths, &reached(Some(name)));
        node.names.insert(name.clone(), child);
    }
    let others = reached(None);
    if !others.is_empty() {
        node.every = Some(add_place(nodes, paths, &others));
    }
    nodes[index] = node;
    index
}
