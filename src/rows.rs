//! Bytes → records → Arrow.
//!
//! *Owns*: item paths, the Arrow schema of a table's columns, decoding and coercion of values.
//! *Does not own*: fetching, paging, SQL.
//! *Invariants*: only the columns asked for are decoded, straight from the bytes; a value that does not fit its column
//! is counted, never silently changed; an answer that is not JSON from its first byte to its last is refused.

mod builder;
mod coerce;
mod decode;
mod field;
mod layout;
mod outline;
mod path;
mod reader;
mod record;
mod select;
#[cfg(test)]
mod tests;
mod text;
mod walk;

pub use decode::{Decoder, ItemsFound, Misfit, Page, Rows, decode};
pub use field::{KIND_KEY, Kind, field, json_text};
pub use layout::{Layout, Shape, Wanted};
pub use outline::outline;
pub use path::{ItemPath, PathStep};
pub use reader::NotJson;
