//! What there is, as tables: `skyql.*` and `information_schema.*`, and SHOW and DESCRIBE as queries over them.
//!
//! *Owns*: the tables' columns and rows, which documents a condition makes unnecessary to read, the queries that SHOW and
//! DESCRIBE stand for, the templates of SHOW INSERT and its like.
//! *Does not own*: what documents mean (`provider`), the user's own views and tables (`own`).
//! *Invariants*: a fact has one row in one table, and whoever shows it asks that table; a document is read only when no
//! condition on provider and service rules it out; one that cannot be read is a warning and breaks no other.

mod cells;
mod definitions;
mod documents;
mod show;
mod spelling;
mod state;
mod table;
mod template;

pub(super) use definitions::{Definition, INFORMATION_SCHEMA, SKYQL, definition, definitions};
pub(super) use show::setting;
pub(super) use table::FactSchema;
