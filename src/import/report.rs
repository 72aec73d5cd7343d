//! What an import decided, and how sure it is.

use std::fmt;

/// How sure a decision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The document says so.
    Sure,
    /// The names suggest it.
    Likely,
    /// Nothing says it; it was left open.
    Undecided,
    /// Something of the document cannot be used as it is.
    Problem,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sure => "sure",
            Self::Likely => "likely",
            Self::Undecided => "undecided",
            Self::Problem => "problem",
        })
    }
}

/// One thing that is worth saying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How sure it is.
    pub level: Level,
    /// What it is about: `auth`, `server`, `acme.shop.parcels`.
    pub about: String,
    /// What was decided, or not.
    pub what: String,
}

impl Finding {
    pub(super) fn new(level: Level, about: impl Into<String>, what: impl Into<String>) -> Self {
        Self { level, about: about.into(), what: what.into() }
    }

    pub(super) fn problem(about: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Level::Problem, about, what)
    }
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodLine {
    /// The service it was put in.
    pub service: String,
    /// The resource.
    pub resource: String,
    /// Its name.
    pub method: String,
    /// `SELECT`, `INSERT`, …, `EXEC`.
    pub verb: &'static str,
    /// `GET /parcels/{id}`.
    pub operation: String,
    /// Where its rows are; empty where it has none.
    pub rows: String,
    /// How its pages follow one another; empty where one answer is all by nature.
    pub pages: String,
    /// The resource's identity: `parcel_id=id`.
    pub keys: String,
    /// How sure the verb and the place of the rows are, and that the paging is known.
    pub level: Level,
}
