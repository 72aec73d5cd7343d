//! Predicates → bindings → the method and the list of Calls.
//!
//! *Owns*: a resource seen as a table (its columns and what they mean), the binding tuples of a WHERE clause, the choice
//! of the method, literal coercion to parameter types, what an API is told of conditions and orders in its own words.
//! *Does not own*: SQL expressions (the caller translates them to [`Predicate`]), requests, rows.
//! *Invariants*: pure: no I/O, no clock; the only place that decides which value goes to which parameter, for reads and
//! for writes; a predicate that reaches the API is never wider than what was asked.

mod choose;
mod coerce;
mod direct;
mod filter;
mod order;
mod table;
mod tuples;

pub(crate) use choose::compared_with_field;
pub use choose::{Binding, BoundColumn, ConjunctFate, Supplied, bind, forms_host, placed_value};
pub use coerce::{coerce, literal_text};
pub use direct::{Direct, bind_direct, means_object};
pub use filter::{Comparison, Condition, Expression, Share, written};
pub use order::{Nulls, SortKey, ToldOrder, told_order};
pub use table::{ColumnRole, Table, TableColumn};
pub use tuples::Predicate;
