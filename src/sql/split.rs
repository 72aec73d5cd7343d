//! A script → its statements.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError};

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
    match split_as_far(text) {
        (pieces, None) => Ok(pieces),
        (_, Some(error)) => Err(error),
    }
}

/// The statements of a script up to what is not closed, and the error of [`split`].
pub(crate) fn split_as_far(text: &str) -> (Vec<Piece>, Option<Error>) {
    let mut pieces = Vec::new();
    let mut windows = Windows::new(text);
    loop {
        let window = match windows.next() {
            Ok(Some(window)) => window,
            Ok(None) => return (pieces, None),
            Err(error) => return (pieces, Some(error)),
        };
        let mut open: Option<Place> = None;
        // A hint before the first word belongs to the statement.
        let mut hinted: Option<Place> = None;
        let mut place = window.start;
        for token in &window.tokens {
            match &token.token {
                Token::SemiColon => {
                    hinted = None;
                    if let Some(start) = open.take() {
                        place = place.forward(text, window.absolute(token.span.start));
                        pieces.push(piece(text, start, place.byte));
                    }
                }
                _ if open.is_some() => {}
                whitespace if hint(whitespace).is_some() => {
                    place = place.forward(text, window.absolute(token.span.start));
                    hinted.get_or_insert(place);
                }
                Token::Whitespace(_) | Token::EOF => {}
                _ => {
                    place = place.forward(text, window.absolute(token.span.start));
                    open = Some(hinted.take().unwrap_or(place));
                }
            }
        }
        if let Some(start) = open {
            pieces.push(piece(text, start, text.len()));
        }
    }
}

/// Whether `{{` or `{%` stands outside strings, quoted names and comments. What follows an open string does not count.
pub(super) fn has_template_marks(text: &str) -> bool {
    if !(text.contains("{{") || text.contains("{%")) {
        return false;
    }
    let marked = |tokens: &[TokenWithSpan]| {
        tokens.windows(2).any(|pair| {
            pair[0].token == Token::LBrace
                && matches!(pair[1].token, Token::LBrace | Token::Mod)
                && pair[0].span.end == pair[1].span.start
        })
    };
    let mut windows = Windows::new(text);
    loop {
        match windows.next() {
            Ok(Some(window)) if marked(&window.tokens) => return true,
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return marked(&tokens_before_an_error(&text[windows.place.byte..]).0),
        }
    }
}

/// Whether a prompt's text is a whole statement: it ends with `;` outside strings and comments.
pub fn is_complete(text: &str) -> bool {
    let Ok(tokens) = tokenize(text) else { return false };
    let last = tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    last.is_some_and(|token| token.token == Token::SemiColon)
}

fn piece(text: &str, start: Place, end: usize) -> Piece {
    Piece {
        text: text[start.byte..end.max(start.byte)].trim_end().to_owned(),
        start: Position { line: start.line, column: start.column },
    }
}

pub(super) fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>> {
    match tokens_before_an_error(text) {
        (tokens, None) => Ok(tokens),
        (_, Some(error)) => Err(error),
    }
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

/// A place in a text.
#[derive(Debug, Clone, Copy)]
struct Place {
    byte: usize,
    line: u64,
    column: u64,
}

impl Place {
    const START: Self = Self { byte: 0, line: 1, column: 1 };

    /// The place `at`, which is not before this one: the tokenizer counts lines and characters.
    fn forward(self, text: &str, at: Location) -> Self {
        let mut place = self;
        for letter in text[self.byte..].chars() {
            if (place.line, place.column) >= (at.line, at.column) {
                break;
            }
            place.byte += letter.len_utf8();
            (place.line, place.column) =
                if letter == '\n' { (place.line + 1, 1) } else { (place.line, place.column + 1) };
        }
        place
    }
}

/// A script's tokens, as many statements at a time as fit a window: tokens are thirty times as long as their text.
struct Windows<'a> {
    text: &'a str,
    /// What is read.
    place: Place,
    /// In bytes; it grows where one statement does not fit.
    width: usize,
    /// What is wrong behind what is read.
    broken: Option<Error>,
}

/// The tokens of whole statements.
struct Window {
    tokens: Vec<TokenWithSpan>,
    start: Place,
}

impl Window {
    /// A place in the window as one of the text.
    fn absolute(&self, at: Location) -> Location {
        let column = if at.line <= 1 { at.column + self.start.column - 1 } else { at.column };
        Location { line: at.line.max(1) + self.start.line - 1, column }
    }
}

impl<'a> Windows<'a> {
    const WIDTH: usize = 1 << 18;

    fn new(text: &'a str) -> Self {
        Self { text, place: Place::START, width: Self::WIDTH, broken: None }
    }

    fn next(&mut self) -> Result<Option<Window>> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let start = self.place;
        while start.byte < self.text.len() {
            let end = self.text.floor_char_boundary(start.byte.saturating_add(self.width));
            let (mut tokens, error) = tokens_before_an_error(&self.text[start.byte..end]);
            if end == self.text.len() {
                let Some(error) = error else {
                    self.place.byte = end;
                    return Ok(Some(Window { tokens, start }));
                };
                self.broken = Some(error.moved(Position { line: start.line, column: start.column }));
            } else {
                // The last two tokens may go on behind the window.
                tokens.truncate(tokens.len().saturating_sub(2));
            }
            let Some(last) = tokens.iter().rposition(|token| token.token == Token::SemiColon) else {
                if let Some(error) = &self.broken {
                    return Err(error.clone());
                }
                self.width = self.width.saturating_mul(2);
                continue;
            };
            tokens.truncate(last + 1);
            let behind = tokens[last].span.end;
            let window = Window { tokens, start };
            self.place = start.forward(self.text, window.absolute(behind));
            return Ok(Some(window));
        }
        Ok(None)
    }
}

fn tokens_before_an_error(text: &str) -> (Vec<TokenWithSpan>, Option<Error>) {
    let mut tokens = Vec::new();
    let read = Tokenizer::new(&DIALECT, text).tokenize_with_location_into_buf(&mut tokens);
    let error = read.err().map(|error| wrong_token(&error, tokens.last()));
    (tokens, error)
}

/// What is not closed is told where it opens: behind the last whole token. The tokenizer tells some of it where the text
/// ends.
fn wrong_token(error: &TokenizerError, last: Option<&TokenWithSpan>) -> Error {
    let open = last.map_or(Location { line: 1, column: 1 }, |token| token.span.end);
    let (at, message, hint) = match error.message.as_str() {
        message if message.contains("multi-line comment") => {
            (open, "the comment is not closed".to_owned(), "it ends with `*/`, once for each `/*`")
        }
        message if message.starts_with("Unterminated dollar") => {
            (open, lower_first(message), "it ends as it begins: `$$ … $$`, `$a$ … $a$`")
        }
        message if message.starts_with("Unterminated") => {
            (open, lower_first(message), "a quote inside a text is written twice: `'it''s'`")
        }
        message => (error.location, lower_first(message), "texts stand in `'…'`, names that need it in `\"…\"`"),
    };
    let place = Position { line: at.line.max(1), column: at.column.max(1) };
    Error::new(ErrorKind::Syntax, message).at(place).hint(hint)
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
    fn what_is_not_closed_is_told_where_it_opens() {
        for (text, line, column) in [
            ("SELECT 1;\n SELECT $$abc\n;", 2, 9),
            ("SELECT $a$ b $b$", 1, 8),
            ("SELECT 1 /* a /* b */\n", 1, 10),
            ("/* a", 1, 1),
            ("SELECT \"a\n", 1, 8),
            ("SELECT 'a", 1, 8),
            ("SELECT E'a\\'", 1, 8),
            ("SELECT 1 + `a", 1, 12),
        ] {
            let error = split(text).unwrap_err();
            assert_eq!(error.position(), Some(Position { line, column }), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_script_that_is_longer_than_a_window_is_split_as_a_short_one() {
        let statements =
            ["SELECT 'a;b' AS ü", "-- c;\nSELECT /* ; */ 1", "SELECT E'\\';' || $$;$$", "  \r\n SELECT \"x;y\"", ""];
        let mut script = String::new();
        let mut wanted = Vec::new();
        for (index, text) in statements.iter().cycle().take(40_000).enumerate() {
            script.push_str(text);
            script.push(';');
            if index % 3 == 0 {
                script.push('\n');
            }
            let text = text.trim().trim_start_matches("-- c;\n");
            wanted.extend((!text.is_empty()).then_some(text));
        }
        script.extend(["SELECT '", &"long;".repeat(200_000), "'; SELECT 2"]);
        let pieces = split(&script).unwrap();
        assert!(pieces.iter().map(|piece| piece.text.as_str()).zip(&wanted).all(|(a, b)| a == *b));
        assert_eq!(pieces.len(), wanted.len() + 2);
        for piece in pieces.iter().step_by(997).chain(&pieces[pieces.len() - 2..]) {
            assert!(script[piece.start.byte_in(&script)..].starts_with(&piece.text), "{:?}", piece.start);
        }
        script.push_str(";\n SELECT 'open");
        let error = split(&script).unwrap_err();
        assert_eq!(error.position().map(|at| at.byte_in(&script)), Some(script.len() - "'open".len()));
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
