//! Statements that are named once and run with values: PREPARE, EXECUTE, DEALLOCATE.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::hint::no_hints;
use super::params::{Param, substitute};
use super::parse::{Statement, Words, parse_tokens};
use crate::error::{Error, ErrorKind, Result};

/// A statement with placeholders `$1`, `$2` …, which take values among its tokens: no value can become anything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// What the tokens stand in.
    text: String,
    tokens: Vec<TokenWithSpan>,
    count: usize,
}

impl Prepared {
    /// The text that it was read from.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The statement with these values.
    ///
    /// # Errors
    /// `InvalidArgument` when there are more or fewer values than placeholders; as [`parse`](super::parse).
    pub fn with(&self, values: &[Param]) -> Result<Statement> {
        if values.len() != self.count {
            let (wanted, given) = (counted(self.count), values.len());
            return Err(Error::new(ErrorKind::InvalidArgument, format!("the statement takes {wanted}, not {given}"))
                .hint("`EXECUTE name (value, …)` gives one for each of `$1`, `$2` and so on"));
        }
        parse_tokens(&self.text, &substitute(&self.tokens, values)?)
    }
}

fn counted(n: usize) -> String {
    format!("{n} {}", if n == 1 { "value" } else { "values" })
}

/// Reads what follows `PREPARE`: `name AS statement`.
///
/// # Errors
/// `Syntax` with its place, also of the statement.
pub(super) fn prepare(text: &str, words: &mut Words<'_>, tokens: &[TokenWithSpan]) -> Result<Statement> {
    const USAGE: &str = "PREPARE name AS statement";
    let name = one_name(words, USAGE)?;
    if words.peek() == Some(&Token::LParen) {
        return Err(words.wrong("the types of placeholders are not declared").hint(format!("`{USAGE}`")));
    }
    if !words.takes("AS") {
        return Err(words.wrong(&format!("AS is missing: {USAGE}")));
    }
    if words.peek().is_none_or(|token| *token == Token::SemiColon) {
        return Err(words.wrong(&format!("a statement is missing: {USAGE}")));
    }
    // Behind PREPARE, the name and AS; hints of the statement are among the blanks.
    let counting = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let behind = tokens.iter().enumerate().filter(|(_, token)| counting(token)).nth(2).map_or(0, |(at, _)| at + 1);
    let (before, tokens) = tokens.split_at(behind);
    no_hints(before, "PREPARE")?;
    let tokens = tokens.to_vec();
    let placeholders = tokens.iter().filter_map(|token| match &token.token {
        Token::Placeholder(text) => Some(text.strip_prefix('$').and_then(|number| number.parse::<usize>().ok())),
        _ => None,
    });
    // A placeholder that is no number is refused where the values take their places.
    let count = placeholders.map(|number| number.unwrap_or(1)).max().unwrap_or(0);
    if count > MOST {
        return Err(words.wrong(&format!("a statement takes at most {MOST} values")));
    }
    let prepared = Prepared { text: text.to_owned(), tokens, count };
    // Some places take text only, others numbers only: if no value fits, the statement is wrong whatever it is given.
    let tries = [Param::Null, Param::Int(1), Param::Text("{}".to_owned())];
    let mut first_error = None;
    for value in tries {
        match prepared.with(&vec![value; count]) {
            Ok(Statement::Prepare { .. } | Statement::Execute { .. } | Statement::Deallocate(_)) => {
                return Err(Error::new(ErrorKind::Unsupported, "PREPARE takes a statement that does something"));
            }
            Ok(_) => return Ok(Statement::Prepare { name, statement: Box::new(prepared) }),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| words.wrong(USAGE)))
}

/// The most placeholders of a statement.
const MOST: usize = 1_000;

/// Whether what follows `EXECUTE` is a prepared statement's name: one word, then nothing or values. Otherwise it is EXEC.
pub(super) fn is_execute(words: &Words<'_>) -> bool {
    let mut ahead = words.clone();
    matches!(ahead.next().map(|token| &token.token), Some(Token::Word(_)))
        && matches!(ahead.peek(), None | Some(Token::LParen | Token::SemiColon))
}

/// Reads what follows `EXECUTE`: `name`, `name (value, …)`.
///
/// # Errors
/// `Syntax` with its place.
pub(super) fn execute(words: &mut Words<'_>, tokens: &[TokenWithSpan]) -> Result<Statement> {
    no_hints(tokens, "EXECUTE")?;
    let name = one_name(words, "EXECUTE name (value, …)")?;
    let mut values = Vec::new();
    if words.peek() == Some(&Token::LParen) {
        words.next();
        while words.peek() != Some(&Token::RParen) {
            values.push(value(words)?);
            if words.peek() != Some(&Token::RParen) && words.next().map(|token| &token.token) != Some(&Token::Comma) {
                return Err(words.wrong("the values need `,` between them and `)` at the end"));
            }
        }
        words.next();
    }
    words.end()?;
    Ok(Statement::Execute { name, values })
}

fn value(words: &mut Words<'_>) -> Result<Param> {
    let wrong = |words: &Words<'_>| words.wrong("a value is a number, a text in quotes, TRUE, FALSE or NULL");
    let token = words.next().map(|token| &token.token);
    Ok(match token {
        Some(Token::SingleQuotedString(text)) => Param::Text(text.clone()),
        Some(Token::Number(text, _)) => number(text).ok_or_else(|| wrong(words))?,
        Some(Token::Minus) => match words.next().map(|token| &token.token) {
            Some(Token::Number(text, _)) => number(&format!("-{text}")).ok_or_else(|| wrong(words))?,
            _ => return Err(wrong(words)),
        },
        Some(Token::Word(word)) if word.quote_style.is_none() => match word.value.to_uppercase().as_str() {
            "NULL" => Param::Null,
            "TRUE" => Param::Bool(true),
            "FALSE" => Param::Bool(false),
            _ => return Err(wrong(words)),
        },
        _ => return Err(wrong(words)),
    })
}

fn number(text: &str) -> Option<Param> {
    let int = text.parse().ok().map(Param::Int);
    int.or_else(|| text.parse().ok().map(Param::UInt))
        .or_else(|| text.parse().ok().filter(|float: &f64| float.is_finite()).map(Param::Float))
}

/// Reads what follows `DEALLOCATE`: `[PREPARE] name`, `[PREPARE] ALL`.
///
/// # Errors
/// `Syntax` with its place.
pub(super) fn deallocate(words: &mut Words<'_>) -> Result<Statement> {
    words.takes("PREPARE");
    let name = one_name(words, "DEALLOCATE name")?;
    words.end()?;
    Ok(Statement::Deallocate((!name.eq_ignore_ascii_case("all")).then_some(name)))
}

fn one_name(words: &mut Words<'_>, usage: &str) -> Result<String> {
    Ok(words.name(1, usage)?.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    #[test]
    fn a_statement_takes_its_values_as_tokens() {
        let Statement::Prepare { name, statement } =
            parse("PREPARE q AS SELECT a FROM t WHERE b = $2 AND c = $1;").unwrap()
        else {
            panic!("a PREPARE");
        };
        assert_eq!(name, "q");
        let with = |values: &[Param]| match statement.with(values) {
            Ok(Statement::Query(query)) => query.to_string(),
            other => panic!("{other:?}"),
        };
        let nasty = Param::Text("x' OR 1 = 1; --".to_owned());
        assert_eq!(with(&[Param::Int(5), nasty]), "SELECT a FROM t WHERE b = 'x'' OR 1 = 1; --' AND c = 5");
        let error = statement.with(&[Param::Null]).unwrap_err();
        assert_eq!(error.message(), "the statement takes 2 values, not 1");
    }

    #[test]
    fn hints_stay_with_the_statement_that_is_prepared() {
        let prepared = |text: &str| match parse(text) {
            Ok(Statement::Prepare { statement, .. }) => *statement,
            other => panic!("{text}: {other:?}"),
        };
        let statement = prepared("PREPARE q AS /*+ AWAIT */ DELETE FROM a.b.c WHERE x = $1");
        assert!(matches!(statement.with(&[Param::Int(1)]), Ok(Statement::Write(write)) if write.awaits()));
        for text in ["/*+ AWAIT */ PREPARE q AS DELETE FROM a.b.c WHERE x = 1", "EXECUTE q (1) /*+ AWAIT */"] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Unsupported, "{text}");
        }
    }

    #[test]
    fn execute_is_told_from_exec() {
        let wanted =
            vec![Param::Int(-1), Param::Text("it's".to_owned()), Param::Bool(true), Param::Null, Param::Float(1.5)];
        let text = "EXECUTE q (-1, 'it''s', true, NULL, 1.5);";
        assert_eq!(parse(text).unwrap(), Statement::Execute { name: "q".to_owned(), values: wanted });
        assert_eq!(parse("EXECUTE q").unwrap(), Statement::Execute { name: "q".to_owned(), values: Vec::new() });
        assert!(matches!(parse("EXECUTE a.b.c.d @x = 1").unwrap(), Statement::Write(_)));
        assert_eq!(parse("DEALLOCATE PREPARE q").unwrap(), Statement::Deallocate(Some("q".to_owned())));
        assert_eq!(parse("deallocate all;").unwrap(), Statement::Deallocate(None));
    }

    #[test]
    fn what_is_wrong_is_found_when_it_is_prepared() {
        for text in [
            "PREPARE q",
            "PREPARE q AS",
            "PREPARE q (int) AS SELECT $1",
            "PREPARE q AS SELECT (",
            "PREPARE q AS PREPARE r AS SELECT 1",
            "PREPARE q AS SELECT $0",
            "PREPARE q AS SELECT $99999999",
            "EXECUTE q (1",
            "EXECUTE q (now())",
            "DEALLOCATE",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in [
            "PREPARE q AS SHOW PROVIDERS LIKE $1",
            "PREPARE q AS SELECT 1 LIMIT $1",
            "PREPARE q AS EXEC a.b.c.d @@json = $1",
        ] {
            parse(text).unwrap();
        }
    }
}
