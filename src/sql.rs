//! Text → Statement.
//!
//! *Owns*: the dialect, splitting scripts into statements, our own statements (SHOW, DESCRIBE, USE, SET, EXPLAIN, EXEC, PLAN, APPLY, RESUME), positions
//! of syntax errors, headings of expressions.
//! *Does not own*: what names mean (`engine`), queries' planning (`scan` and `DataFusion`).
//! *Invariants*: knows sqlparser only; what we recognise by leading words never reaches the general parser, which would
//! give some of it another meaning.

mod copy;
mod define;
mod dialect;
mod heading;
mod hint;
mod metadata;
mod parse;
mod split;
mod write;

pub use copy::Copy;
pub use define::{Create, Define, OwnKind};
pub(crate) use heading::shown_heading;
pub use metadata::{List, Listed, Template};
pub use parse::{Describe, Show, Statement, parse, parse_items, parse_query};
pub use split::{Piece, is_complete, split};
pub(crate) use write::number;
pub use write::{Change, Exec, FromFile, Insert, Verb, Write};

use dialect::SkyDialect;

/// The dialect of everything we read.
pub(crate) const DIALECT: SkyDialect = SkyDialect;
