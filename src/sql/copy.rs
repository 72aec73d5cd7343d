//! `COPY … TO 'file'`.

use sqlparser::ast;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::{Statement, Words, general};
use crate::error::{Error, ErrorKind, Result};

/// `COPY (query) TO 'file' [(options)]`, `COPY table TO 'file' [(options)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// What is copied.
    pub query: Box<ast::Query>,
    /// Where to.
    pub file: String,
    /// `FORMAT name`; otherwise the file's ending tells.
    pub format: Option<String>,
    /// `OVERWRITE`: whether a file that is there is replaced.
    pub overwrite: bool,
    /// `HEADER`: whether CSV begins with the columns' names.
    pub header: bool,
}

const USAGE: &str = "`COPY (SELECT …) TO 'file.parquet' (OVERWRITE true)`";

/// Reads what follows `COPY`.
///
/// # Errors
/// `Syntax` with its place; `Unsupported` for `COPY … FROM`.
pub(super) fn copy(words: &mut Words<'_>) -> Result<Statement> {
    let query = if words.peek() == Some(&Token::LParen) {
        words.next();
        query(in_parentheses(words)?)?
    } else {
        let name = words.name(0, USAGE)?;
        let quoted: Vec<String> = name.iter().map(|part| ast::Ident::with_quote('"', part).to_string()).collect();
        query(super::split::tokenize(&format!("SELECT * FROM {}", quoted.join(".")))?)?
    };
    if words.takes("FROM") {
        return Err(Error::new(ErrorKind::Unsupported, "COPY writes files and reads none")
            .hint("a file is read as a table: `SELECT * FROM 'file.csv'`"));
    }
    if !words.takes("TO") {
        return Err(words.wrong("COPY needs TO and a file").hint(USAGE));
    }
    let file = match words.next().map(|token| &token.token) {
        Some(Token::SingleQuotedString(file)) if !file.is_empty() => file.clone(),
        _ => return Err(words.wrong("COPY needs a file's name in quotes").hint(USAGE)),
    };
    let mut copy = Copy { query, file, format: None, overwrite: false, header: true };
    let with = words.takes("WITH");
    if words.peek() == Some(&Token::LParen) {
        words.next();
        options(words, &mut copy)?;
    } else if with {
        return Err(words.wrong("WITH needs options in parentheses").hint(USAGE));
    }
    words.end()?;
    Ok(Statement::Copy(Box::new(copy)))
}

/// `(name value, name, …)`, after the opening parenthesis.
fn options(words: &mut Words<'_>, copy: &mut Copy) -> Result<()> {
    loop {
        let name = words.word().ok_or_else(|| words.wrong("an option is FORMAT, OVERWRITE or HEADER"))?;
        let value = match words.peek() {
            Some(Token::Comma | Token::RParen) | None => None,
            Some(_) => words.next().map(|token| match &token.token {
                Token::SingleQuotedString(text) => text.to_lowercase(),
                other => other.to_string().to_lowercase(),
            }),
        };
        let truth = || match value.as_deref() {
            None | Some("true" | "on" | "1") => Ok(true),
            Some("false" | "off" | "0") => Ok(false),
            Some(_) => Err(words.wrong(&format!("{name} takes `true` or `false`"))),
        };
        match name.as_str() {
            "OVERWRITE" => copy.overwrite = truth()?,
            "HEADER" => copy.header = truth()?,
            "FORMAT" => copy.format = Some(value.ok_or_else(|| words.wrong("FORMAT needs a name"))?),
            _ => {
                return Err(words
                    .wrong(&format!("COPY has no option `{name}`"))
                    .hint("they are FORMAT, OVERWRITE and HEADER"));
            }
        }
        match words.next().map(|token| &token.token) {
            Some(Token::Comma) => {}
            Some(Token::RParen) => return Ok(()),
            _ => return Err(words.wrong("the options need `)`")),
        }
    }
}

/// The tokens up to the parenthesis that closes the one before.
fn in_parentheses(words: &mut Words<'_>) -> Result<Vec<TokenWithSpan>> {
    let mut depth = 0_usize;
    let mut inside = Vec::new();
    while let Some(token) = words.next() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return Ok(inside),
            Token::RParen => depth -= 1,
            _ => {}
        }
        inside.push(token.clone());
    }
    Err(words.wrong("the query needs `)`").hint(USAGE))
}

fn query(tokens: Vec<TokenWithSpan>) -> Result<Box<ast::Query>> {
    match general(tokens)? {
        ast::Statement::Query(query) => Ok(query),
        _ => Err(Error::new(ErrorKind::Syntax, "COPY copies the rows of a query").hint(USAGE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    #[test]
    fn copies_have_a_query_a_file_and_options() {
        let copy = |text: &str| match parse(text).unwrap() {
            Statement::Copy(copy) => *copy,
            other => panic!("{text}: {other:?}"),
        };
        let plain = copy("COPY (SELECT a, (1 + 2) FROM t WHERE x IN (1)) TO 'x y.csv';");
        assert_eq!(plain.query.to_string(), "SELECT a, (1 + 2) AS \"(1 + 2)\" FROM t WHERE x IN (1)");
        assert_eq!((plain.file.as_str(), plain.format, plain.overwrite, plain.header), ("x y.csv", None, false, true));
        let with = copy("copy linode.images.images to 'x' WITH (FORMAT 'CSV', overwrite, HEADER false)");
        assert_eq!(with.query.to_string(), "SELECT * FROM \"linode\".\"images\".\"images\"");
        assert_eq!((with.format.as_deref(), with.overwrite, with.header), (Some("csv"), true, false));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, kind) in [
            ("COPY (SELECT 1 TO 'x'", ErrorKind::Syntax),
            ("COPY (SELECT 1) TO x", ErrorKind::Syntax),
            ("COPY (SELECT 1) TO 'x' (SPEED 9)", ErrorKind::Syntax),
            ("COPY (SELECT 1) TO 'x' (OVERWRITE maybe)", ErrorKind::Syntax),
            ("COPY t FROM 'x'", ErrorKind::Unsupported),
            ("COPY (DELETE FROM t) TO 'x'", ErrorKind::Syntax),
            ("COPY", ErrorKind::Syntax),
        ] {
            assert_eq!(parse(text).unwrap_err().kind(), kind, "{text}");
        }
    }
}
