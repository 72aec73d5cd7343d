//! What SET gives: the same to every object, a value of its own to each, or what is made of the object's row.

use serde_json::Value;
use sqlparser::ast;

use super::fill::{functions, identifiers, literal};
use super::plan::{Lasting, PlanContext, check_whole};
use super::selected::{items, select, select_times};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Change;

/// The expressions of SET, and what they give.
pub(super) struct SetValues {
    /// In the order of the columns.
    pub(super) expressions: Vec<ast::Expr>,
    /// How long each of them gives the same, if its rows do.
    lasting: Vec<Lasting>,
    gives: Gives,
}

enum Gives {
    /// The same to every object.
    Same(Vec<Value>),
    /// `uuid()`, `random()`: they are evaluated for each object.
    OneEach,
    /// They read the object's row, or a query.
    OfRow,
}

impl SetValues {
    /// What the SET of a statement gives; nothing for DELETE.
    ///
    /// # Errors
    /// What is wrong with an expression that reads no row.
    pub(super) async fn of(context: &PlanContext<'_>, statement: &Change) -> Result<Self> {
        let expressions: Vec<ast::Expr> = statement.assignments.iter().map(|(_, value)| value.clone()).collect();
        let literals: Option<Vec<Value>> = expressions.iter().map(literal).collect();
        if let Some(values) = literals {
            let lasting = vec![Lasting::Always; expressions.len()];
            return Ok(Self { expressions, lasting, gives: Gives::Same(values) });
        }
        let lasting = |expression| context.source.lasting(&functions(expression));
        let lasting: Vec<Lasting> = expressions.iter().map(lasting).collect::<Result<_>>()?;
        if expressions.iter().any(|expression| !identifiers(expression).is_empty()) {
            return Ok(Self { expressions, lasting, gives: Gives::OfRow });
        }
        let rows = context.source.rows(select(items(&expressions), None)?).await?.rows;
        check_whole(context, &rows)?;
        let Some(values) = rows.into_iter().next() else { return Err(not_evaluated()) };
        let gives = if lasting.contains(&Lasting::Never) { Gives::OneEach } else { Gives::Same(values) };
        Ok(Self { expressions, lasting, gives })
    }

    /// Whether the values are made of the objects' rows.
    pub(super) fn is_of_rows(&self) -> bool {
        matches!(self.gives, Gives::OfRow)
    }

    /// Whether each object gets values of its own, whatever it holds.
    pub(super) fn is_one_each(&self) -> bool {
        matches!(self.gives, Gives::OneEach)
    }

    /// The values for each of `count` objects; none where they are made of the objects' rows.
    ///
    /// # Errors
    /// What goes wrong while they are evaluated.
    pub(super) async fn of_each(&self, context: &PlanContext<'_>, count: usize) -> Result<Option<Vec<Vec<Value>>>> {
        match &self.gives {
            Gives::OfRow => Ok(None),
            Gives::Same(values) => Ok(Some(vec![values.clone(); count])),
            Gives::OneEach => {
                let rows = context.source.rows(select_times(items(&self.expressions), count)?).await?.rows;
                if rows.len() == count { Ok(Some(rows)) } else { Err(not_evaluated()) }
            }
        }
    }

    /// The items that make values of rows.
    pub(super) fn computed(&self) -> Vec<ast::SelectItem> {
        if self.is_of_rows() { items(&self.expressions) } else { Vec::new() }
    }

    /// Whether an item of [`SetValues::computed`] gives the same from the same rows when it is asked again.
    pub(super) fn lasts(&self, item: usize) -> bool {
        self.lasting.get(item).is_none_or(|lasting| *lasting == Lasting::Always)
    }
}

fn not_evaluated() -> Error {
    Error::new(ErrorKind::Internal, "the values of SET could not be evaluated")
}
