//! Prepared statements of a session, and the statement that EXECUTE means.

use super::Session;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::sql::{Param, Prepared, Statement};

/// What a text asks for.
pub(super) struct Meant {
    /// The statement as it was typed, or the prepared one with its values.
    pub(super) statement: Statement,
    pub(super) places: Places,
}

/// The text in which the places of a statement's errors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// The one that was typed.
    Typed,
    /// That of a PREPARE, which is gone.
    Prepared,
}

impl Places {
    /// The error with a place only where the reader can find it.
    pub(super) fn told(self, error: Error) -> Error {
        match self {
            Self::Typed => error,
            Self::Prepared => error.without_place(),
        }
    }
}

impl Session {
    /// Finds the statement that `EXECUTE` runs; any other is meant as it is.
    ///
    /// # Errors
    /// `NameNotFound` for a name that was not prepared; as [`Prepared::with`].
    pub(super) fn meant(&self, statement: Statement) -> Result<Meant> {
        let Statement::Execute { name, values } = statement else {
            return Ok(Meant { statement, places: Places::Typed });
        };
        let statement = self.executed(&name, &values).map_err(Error::without_place)?;
        Ok(Meant { statement, places: Places::Prepared })
    }

    fn executed(&self, name: &str, values: &[Param]) -> Result<Statement> {
        self.prepared.get(&name.to_lowercase()).ok_or_else(|| self.not_prepared(name))?.with(values)
    }

    /// Keeps a statement under a name, in place of the one that has it.
    pub(super) fn keep_prepared(&mut self, name: &str, statement: Prepared) {
        self.prepared.insert(name.to_lowercase(), statement);
    }

    /// Forgets one prepared statement, or all.
    ///
    /// # Errors
    /// `NameNotFound` for a name that was not prepared.
    pub(super) fn deallocate(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            None => self.prepared.clear(),
            Some(name) => {
                if self.prepared.remove(&name.to_lowercase()).is_none() {
                    return Err(self.not_prepared(name));
                }
            }
        }
        Ok(())
    }

    fn not_prepared(&self, name: &str) -> Error {
        let error = Error::new(ErrorKind::NameNotFound, format!("there is no prepared statement `{name}`"));
        let known = self.prepared.keys().map(String::as_str);
        error.hint(did_you_mean(name, known).unwrap_or_else(|| format!("`PREPARE {name} AS …` makes one")))
    }
}
