//! Text → Statement.
//!
//! *Owns*: the dialect, templates, splitting scripts into statements, our own statements (SHOW, DESCRIBE, USE, SET, EXPLAIN, EXEC, PLAN, APPLY, RESUME, FORGET, PREPARE, EXECUTE), positions
//! of syntax errors, values for placeholders, headings of expressions.
//! *Does not own*: what names mean (`engine`), queries' planning (`scan` and `DataFusion`).
//! *Invariants*: knows sqlparser only, and minijinja in `template`; what we recognise by leading words never reaches the general parser, which would
//! give some of it another meaning.

mod comparing;
mod copy;
mod define;
mod dialect;
mod heading;
mod hint;
mod metadata;
mod params;
mod parse;
mod prepare;
mod split;
pub mod template;
mod walk;
mod write;

pub use copy::Copy;
pub use define::{Create, Define, OwnKind};
pub(crate) use heading::shown_heading;
pub use metadata::{List, Listed, Template};
pub use params::Param;
pub use parse::{Describe, Show, Statement, parse, parse_items, parse_query, parse_with};
pub use prepare::Prepared;
pub(crate) use split::split_as_far;
pub use split::{Piece, is_complete, split};
pub(crate) use walk::{each_expr, walk_mut};
pub(crate) use write::number;
pub use write::{Change, Exec, FromFile, Insert, Verb, Write};

use dialect::SkyDialect;

/// The dialect of everything we read.
pub(crate) const DIALECT: SkyDialect = SkyDialect;
