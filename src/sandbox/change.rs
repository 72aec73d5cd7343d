//! What calls make of the rows: new rows, changed ones, removed ones, and what changes by itself after a while.
//!
//! The changed rows of a table are a shared vector behind one lock: readers take the vector as it is and keep it, and a
//! change replaces it (`Arc::make_mut`), so that a list never sees half a change.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::recipe::ColumnRecipe;
use super::rows::{self, Parent, Said};
use super::state::{Row, Rows, State, Table};

/// Everything that differs from what the seed makes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) tables: BTreeMap<String, Changed>,
    /// What rows become, the earliest first among those of one time.
    pub(super) waiting: Vec<Waiting>,
    /// Uploads by their token.
    pub(super) uploads: BTreeMap<String, Upload>,
}

/// The rows of a table that calls have changed, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) rows: Rows,
    /// The number of the next new row: none is given twice.
    pub(super) next: u64,
}

/// A value that a row gets by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) table: String,
    pub(super) number: u64,
    pub(super) column: String,
    pub(super) value: Value,
    /// When, in milliseconds since 1970.
    pub(super) due: u64,
}

/// A place that takes the bytes of a row, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) table: String,
    pub(super) number: u64,
    /// The method that opened it: its hint says what the row becomes.
    pub(super) method: String,
    pub(super) done: bool,
}

/// A row to be made.
pub(super) struct Draft<'a> {
    /// Columns whose values are settled.
    pub(super) given: Map<String, Value>,
    pub(super) makers: &'a BTreeMap<String, ColumnRecipe>,
    /// The fields of the request's body.
    pub(super) body: &'a Map<String, Value>,
    /// The number of the object it belongs to.
    pub(super) parent: Option<u64>,
    /// What it becomes.
    pub(super) becoming: Option<Becomes>,
}

/// Values that a row gets by itself, at one time.
pub(super) struct Becomes {
    pub(super) values: Map<String, Value>,
    pub(super) due: SystemTime,
}

/// Why a row cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Another row has its identity.
    Taken,
    /// It is not there (any more).
    Gone,
}

impl State {
    pub(super) fn changed_rows(&self, name: &str) -> Option<Rows> {
        self.held().tables.get(name).map(|changed| Arc::clone(&changed.rows))
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows of the resources that making a row of this table asks for.
    pub(super) fn others(&self, table: &Table) -> BTreeMap<String, Vec<Arc<Row>>> {
        table.needs().map(|name| (name.to_owned(), self.rows(name).as_ref().clone())).collect()
    }

    /// Makes a row and keeps it.
    pub(super) fn create(&self, table: &Table, draft: &Draft<'_>) -> Result<Arc<Row>, Failure> {
        let others = self.others(table);
        let ground = self.ground(table, &others);
        let parents = table.direct_parent(&self.tables).and_then(|name| others.get(name)).map(Vec::as_slice);
        let parent = match draft.parent {
            Some(number) => {
                let row = parents.unwrap_or_default().iter().find(|row| row.number == number).ok_or(Failure::Gone)?;
                Some(Parent { row, parameters: table.parameters_of_parent(row, &others) })
            }
            None => None,
        };
        let said = Said { given: &draft.given, makers: draft.makers, body: draft.body, uploaded: 0 };
        let seeded = self.seeded_rows(&table.name);
        let mut held = self.held();
        let changed = held.table(table, seeded);
        let number = changed.next;
        let is_taken = |row: &Row| changed.rows.iter().any(|known| same_identity(table, known, row));
        let row = rows::make_one(&ground, number, parent.as_ref(), &said, is_taken).ok_or(Failure::Taken)?;
        let row = Arc::new(row);
        changed.next = changed.next.saturating_add(1);
        Arc::make_mut(&mut changed.rows).push(Arc::clone(&row));
        if let Some(becomes) = &draft.becoming {
            held.wait(table, number, becomes);
        }
        Ok(row)
    }

    /// Lets a row get values by itself.
    pub(super) fn wait(&self, table: &Table, number: u64, becomes: &Becomes) {
        self.held().wait(table, number, becomes);
    }

    /// Sets values of a row.
    pub(super) fn set(&self, table: &Table, number: u64, values: Map<String, Value>) -> Result<Arc<Row>, Failure> {
        let seeded = self.seeded_rows(&table.name);
        let mut held = self.held();
        let changed = held.table(table, seeded);
        let at = changed.position(number).ok_or(Failure::Gone)?;
        let mut row = changed.rows.get(at).map(|row| row.as_ref().clone()).ok_or(Failure::Gone)?;
        row.values.extend(values);
        let is_same = |known: &Arc<Row>| known.number != number && same_identity(table, known, &row);
        if table
            .identity
            .iter()
            .any(|name| changed.rows.get(at).is_some_and(|old| old.values.get(name) != row.values.get(name)))
            && changed.rows.iter().any(is_same)
        {
            return Err(Failure::Taken);
        }
        let row = Arc::new(row);
        if let Some(place) = Arc::make_mut(&mut changed.rows).get_mut(at) {
            *place = Arc::clone(&row);
        }
        Ok(row)
    }

    /// Removes a row and everything that belongs to it; false when it is gone already.
    pub(super) fn remove(&self, table: &Table, row: &Row) -> bool {
        let seeded = self.seeded_rows(&table.name);
        {
            let mut held = self.held();
            let changed = held.table(table, seeded);
            let Some(at) = changed.position(row.number) else { return false };
            Arc::make_mut(&mut changed.rows).remove(at);
        }
        for (child, row) in self.children(table, row) {
            self.remove(child, &row);
        }
        true
    }

    /// The rows that belong to a row, each with its table.
    pub(super) fn children(&self, table: &Table, row: &Row) -> Vec<(&Table, Arc<Row>)> {
        let mut found = Vec::new();
        for child in self.tables.values().filter(|child| child.name != table.name) {
            let ways = || child.parents.iter().filter(|(_, of)| of.resource == table.name);
            if ways().next().is_none() {
                continue;
            }
            let belongs = |one: &Row| {
                ways().all(|(parameter, of)| {
                    let value = row.values.get(&of.column);
                    value.is_some() && one.parents.get(parameter) == value
                })
            };
            let rows = self.rows(&child.name);
            found.extend(rows.iter().filter(|one| belongs(one)).map(|one| (child, Arc::clone(one))));
        }
        found
    }

    /// Lets everything happen that is due.
    pub(super) fn settle(&self, now: SystemTime) {
        let now = millis(now);
        let mut held = self.held();
        if held.waiting.iter().all(|waiting| waiting.due > now) {
            return;
        }
        let (mut due, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut held.waiting).into_iter().partition(|waiting| waiting.due <= now);
        held.waiting = left;
        due.sort_by_key(|waiting| waiting.due);
        for Waiting { table, number, column, value, .. } in due {
            let Some(changed) = held.tables.get_mut(&table) else { continue };
            let Some(at) = changed.position(number) else { continue };
            if let Some(row) = Arc::make_mut(&mut changed.rows).get_mut(at) {
                Arc::make_mut(row).values.insert(column, value);
            }
        }
    }
}

impl Changes {
    fn wait(&mut self, table: &Table, number: u64, becomes: &Becomes) {
        let due = millis(becomes.due);
        self.waiting.extend(becomes.values.iter().map(|(column, value)| Waiting {
            table: table.name.clone(),
            number,
            column: column.clone(),
            value: value.clone(),
            due,
        }));
    }

    /// The changed rows of a table, which begin as the seed makes them.
    fn table(&mut self, table: &Table, seeded: Rows) -> &mut Changed {
        self.tables.entry(table.name.clone()).or_insert_with(|| Changed { next: seeded.len() as u64, rows: seeded })
    }
}

impl Changed {
    fn position(&self, number: u64) -> Option<usize> {
        self.rows.binary_search_by_key(&number, |row| row.number).ok()
    }
}

fn same_identity(table: &Table, one: &Row, other: &Row) -> bool {
    !table.identity.is_empty() && table.identity.iter().all(|name| one.values.get(name) == other.values.get(name))
}

pub(super) fn millis(time: SystemTime) -> u64 {
    millis_of(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
