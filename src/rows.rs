//! Bytes → records → Arrow.
//!
//! *Owns*: item paths, the Arrow schema of a table's columns, decoding and coercion of values.
//! *Does not own*: fetching, paging, SQL.
//! *Invariants*: only the columns asked for are decoded, straight from the bytes; a value that does not fit its column
//! is counted, never silently changed.
