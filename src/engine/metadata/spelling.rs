//! The names in the WHERE of a SHOW: those of the columns that it shows, whatever their case.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, VisitorMut};

use crate::error::{Error, ErrorKind, Position, Result, did_you_mean, fold_name};
use crate::sql::walk_mut;

/// Gives the names of a condition the spelling of the columns that are shown.
///
/// # Errors
/// `NameNotFound` with the nearest column, for a name that is none.
pub(super) fn spell(condition: &mut Expr, headings: &[&str]) -> Result<()> {
    let mut visitor = Columns { headings, error: None };
    walk_mut(condition, &mut visitor);
    visitor.error.map_or(Ok(()), Err)
}

struct Columns<'a> {
    headings: &'a [&'a str],
    error: Option<Error>,
}

impl Columns<'_> {
    fn column(&self, ident: &mut Ident) -> Result<()> {
        let exact = self.headings.iter().find(|heading| **heading == ident.value);
        let folded = || self.headings.iter().find(|heading| fold_name(heading) == fold_name(&ident.value));
        let Some(heading) = exact.or_else(folded) else {
            let error = Error::new(ErrorKind::NameNotFound, format!("SHOW has no column `{}` here", ident.value));
            let error = error.hint(did_you_mean(&ident.value, self.headings.iter().copied()).unwrap_or_else(|| {
                let names: Vec<String> = self.headings.iter().map(|heading| format!("`{heading}`")).collect();
                format!("it has {}", names.join(", "))
            }));
            let at = ident.span.start;
            return Err(if at.line > 0 { error.at(Position { line: at.line, column: at.column }) } else { error });
        };
        ident.value = (*heading).to_owned();
        ident.quote_style = Some('"');
        Ok(())
    }
}

impl VisitorMut for Columns<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && let Err(error) = self.column(ident)
        {
            self.error = Some(error);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
