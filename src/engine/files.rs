//! Files on this machine as tables, and answers as files.
//!
//! *Owns*: which format a file has, reading and writing it, files that are there whole or not at all.
//! *Does not own*: how values look as text (`output`), the user's own tables (`own`).
//! *Invariants*: a session without leave reads and writes none; what is not whole leaves nothing behind; a value that a
//! file holds is never changed: where a column's values are of several kinds, it is text.

mod copy;
mod csv;
mod format;
mod json;
mod table;
mod whole;

pub(super) use table::{Files, SCHEMA};
