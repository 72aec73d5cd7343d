//! A script → its statements.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::DIALECT;
use super::hint::hint;
use crate::error::{Error, ErrorKind, Position, Result};

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its text, without the closing `;`.
    pub text: String,
    /// Where its text begins in the script.
    pub start: Position,
}

impl Piece {
    /// The statement where it stands in the script, with blanks for what is before it: positions in it are the script's.
    pub(crate) fn in_place(&self) -> String {
        let blanks =
            |blank: &str, place: u64| blank.repeat(usize::try_from(place.saturating_sub(1)).unwrap_or_default());
        format!("{}{}{}", blanks("\n", self.start.line), blanks(" ", self.start.column), self.text)
    }
}

/// Splits a script at its top-level `;`; comments and strings are respected, empty statements dropped.
///
/// # Errors
/// `Syntax`, with its place, when a string or comment is not closed.
pub fn split(text: &str) -> Result<Vec<Piece>> {
    let tokens = tokenize(text)?;
    let offsets = LineOffsets::new(text);
    let mut pieces = Vec::new();
    let mut open: Option<Location> = None;
    // A hint before the first word belongs to the statement.
    let mut hinted: Option<Location> = None;
    for token in &tokens {
        match &token.token {
            Token::SemiColon => {
                hinted = None;
                if let Some(start) = open.take() {
                    pieces.push(piece(text, &offsets, start, offsets.byte(token.span.start)));
                }
            }
            whitespace if hint(whitespace).is_some() => {
                hinted.get_or_insert(token.span.start);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => {
                open.get_or_insert(hinted.take().unwrap_or(token.span.start));
            }
        }
    }
    if let Some(start) = open {
        pieces.push(piece(text, &offsets, start, text.len()));
    }
    Ok(pieces)
}

/// Whether a prompt's text is a whole statement: it ends with `;` outside strings and comments.
pub fn is_complete(text: &str) -> bool {
    let Ok(tokens) = tokenize(text) else { return false };
    let last = tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    last.is_some_and(|token| token.token == Token::SemiColon)
}

fn piece(text: &str, offsets: &LineOffsets<'_>, start: Location, end: usize) -> Piece {
    let from = offsets.byte(start);
    Piece {
        text: text[from..end.max(from)].trim_end().to_owned(),
        start: Position { line: start.line, column: start.column },
    }
}

pub(super) fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>> {
    Tokenizer::new(&DIALECT, text).tokenize_with_location().map_err(|error| {
        let at = Position { line: error.location.line.max(1), column: error.location.column.max(1) };
        Error::new(ErrorKind::Syntax, lower_first(&error.message)).at(at)
    })
}

pub(super) fn lower_first(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Where each line begins, in bytes: the tokenizer counts lines and characters.
pub(super) struct LineOffsets<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> LineOffsets<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut lines = vec![0];
        lines.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        Self { text, lines }
    }

    pub(super) fn byte(&self, at: Location) -> usize {
        let line = usize::try_from(at.line.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(start) = self.lines.get(line).copied() else { return self.text.len() };
        let column = usize::try_from(at.column.saturating_sub(1)).unwrap_or(usize::MAX);
        self.text[start..].char_indices().nth(column).map_or(self.text.len(), |(offset, _)| start + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<String> {
        split(script).unwrap().into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn semicolons_inside_strings_and_comments_do_not_split() {
        assert_eq!(
            texts("SELECT ';'; SELECT 1 -- ; \n; /* ; */ SELECT $$a;b$$;;"),
            ["SELECT ';'", "SELECT 1 -- ;", "SELECT $$a;b$$"]
        );
        assert_eq!(texts("-- nothing\n ; ;"), Vec::<String>::new());
        assert_eq!(texts("SELECT \"a;b\" FROM `c;d`"), ["SELECT \"a;b\" FROM `c;d`"]);
    }

    #[test]
    fn a_hint_belongs_to_the_statement_that_follows() {
        assert_eq!(
            texts(
                "-- c\n/*+ AWAIT */ -- d\n DELETE x; /*+ AWAIT */ ; /* e */ DELETE /*+ AWAIT */ y; DELETE z /*+ AWAIT */"
            ),
            ["/*+ AWAIT */ -- d\n DELETE x", "DELETE /*+ AWAIT */ y", "DELETE z /*+ AWAIT */"]
        );
        assert_eq!(texts("DELETE x; /*+ AWAIT */"), ["DELETE x"]);
    }

    #[test]
    fn pieces_know_where_they_begin() {
        let pieces = split("SELECT 1;\n  -- note\n  SELECT 'ä', 2;").unwrap();
        assert_eq!(pieces[1].start, Position { line: 3, column: 3 });
        assert_eq!(pieces[1].text, "SELECT 'ä', 2");
    }

    #[test]
    fn an_open_string_is_an_error_with_its_place() {
        let error = split("SELECT 1;\nSELECT 'abc").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax);
        assert_eq!(error.position(), Some(Position { line: 2, column: 8 }));
    }

    #[test]
    fn completeness_for_the_prompt() {
        assert!(is_complete("SELECT 1;"));
        assert!(is_complete("SELECT 1; -- done"));
        assert!(!is_complete("SELECT 1"));
        assert!(!is_complete("SELECT ';"));
        assert!(!is_complete(""));
    }
}
