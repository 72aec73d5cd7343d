//! One statement's text → [`Statement`].

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::DIALECT;
use super::comparing::as_equalities;
use super::copy::{self, Copy};
use super::define::{self, Define};
use super::heading::head;
use super::hint::no_hints;
use super::metadata::{self, List, Template};
use super::params::{Param, no_placeholders, substitute};
use super::prepare::{self, Prepared};
use super::split::{lower_first, tokenize};
use super::write::{Write, is_write, parse_write};
use crate::error::{Error, ErrorKind, Position, Result};

/// How deeply expressions and subqueries may nest.
const DEEPEST: usize = 100;

/// Operators side by side, `a = 1 OR a = 2 OR …`, on a stack like the program's own, which holds many more.
const LONGEST_CHAIN: usize = 10_000;

/// The same on any other stack: that of a thread has 2 MB, and so have those that plan and read a statement, whatever this
/// one has. In an unoptimised build 200 were still good there, and 250 were not.
const LONGEST_CHAIN_ON_SMALL_STACK: usize = 100;

/// What is left of a stack like the program's own.
const LARGE_STACK: usize = 16 << 20;

/// How many operators may stand side by side here.
fn longest_chain() -> usize {
    match stacker::remaining_stack() {
        Some(left) if left >= LARGE_STACK => LONGEST_CHAIN,
        _ => LONGEST_CHAIN_ON_SMALL_STACK,
    }
}

/// A statement, told apart by what answers it.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// A query that `DataFusion` plans.
    Query(Box<ast::Statement>),
    /// A statement that changes something in an API: INSERT, UPDATE, REPLACE, DELETE, EXEC.
    Write(Box<Write>),
    /// `PLAN write`: its requests, shown and stored, not sent.
    Plan(Box<Write>),
    /// `EXPLAIN write`: its requests, shown only.
    ExplainWrite(Box<Write>),
    /// `APPLY 'hash'`: sends what `PLAN` stored.
    Apply(String),
    /// `RESUME 'statement'`: does what an unfinished statement did not.
    Resume(String),
    /// `FORGET 'statement'`: nobody wants an unfinished statement to go on.
    Forget(String),
    /// `BEGIN`: writes are queued from here on.
    Begin,
    /// `COMMIT`: what is queued is sent.
    Commit,
    /// `ROLLBACK`: what is queued is dropped.
    Rollback,
    /// SHOW of something.
    Show(Show),
    /// SHOW of what the documents and the session hold: a query over the tables of metadata.
    List(List),
    /// `SHOW INSERT INTO t` and its like: a write to fill in.
    Template(Template),
    /// CREATE, DROP and REFRESH of the user's own views and tables.
    Define(Define),
    /// `PREPARE name AS statement`
    Prepare {
        /// What it is called.
        name: String,
        /// The statement, which takes values.
        statement: Box<Prepared>,
    },
    /// `EXECUTE name (value, …)`
    Execute {
        /// The prepared statement.
        name: String,
        /// Its values.
        values: Vec<Param>,
    },
    /// `DEALLOCATE name`; all of them without one.
    Deallocate(Option<String>),
    /// `COPY … TO 'file'`.
    Copy(Box<Copy>),
    /// `USE provider[.service]`; nothing for `USE DEFAULT`.
    Use(Vec<String>),
    /// DESCRIBE of something.
    Describe(Describe),
    /// `EXPLAIN query`.
    Explain {
        /// Whether the query is run and measured.
        analyze: bool,
        /// The query.
        query: Box<ast::Statement>,
    },
    /// `SET name = value`.
    Set {
        /// The setting.
        name: String,
        /// Its new value.
        value: String,
    },
    /// `RESET name`, `RESET ALL`.
    Reset(Option<String>),
}

/// What SHOW shows beside lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Show {
    /// `SHOW JOURNAL [LIMIT n]`: the writes of this user, newest first.
    Journal {
        /// How many calls at most.
        limit: Option<u64>,
    },
    /// `SHOW name`
    Setting(String),
}

/// What DESCRIBE describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Describe {
    /// `DESCRIBE [EXTENDED] p.s.r`
    Resource {
        /// Whether the longer list is wanted.
        extended: bool,
        /// Provider, service and resource, or the end of that name.
        name: Vec<String>,
    },
    /// `DESCRIBE METHOD [EXTENDED] p.s.r.m`
    Method {
        /// Whether the longer list is wanted.
        extended: bool,
        /// Provider, service, resource and method, or the end of that name.
        name: Vec<String>,
    },
}

/// Reads one statement.
///
/// # Errors
/// `Syntax` with its place; `Unsupported` when it is a statement that SkyQL does not have; `MissingParameter` for a
/// placeholder, which only PREPARE may have.
pub fn parse(text: &str) -> Result<Statement> {
    let tokens = tokenize(text)?;
    if Words::new(&tokens).word().as_deref() != Some("PREPARE") {
        no_placeholders(&tokens)?;
    }
    parse_tokens(text, &tokens)
}

/// Reads one statement with values for its placeholders `$1`, `$2` …
///
/// # Errors
/// As [`parse`]; `MissingParameter` and `InvalidArgument` where placeholders and values do not meet.
pub fn parse_with(text: &str, params: &[Param]) -> Result<Statement> {
    parse_tokens(text, &substitute(&tokenize(text)?, params)?)
}

/// Reads one statement from its tokens; `text` is what they stand in.
pub(super) fn parse_tokens(text: &str, tokens: &[TokenWithSpan]) -> Result<Statement> {
    let mut statement = told_apart(text, tokens)?;
    head(text, tokens, &mut statement);
    Ok(statement)
}

fn told_apart(text: &str, tokens: &[TokenWithSpan]) -> Result<Statement> {
    let mut words = Words::new(tokens);
    let first = words.word();
    match first.as_deref() {
        Some("SHOW") => match metadata::show(tokens)? {
            Some(statement) => Ok(statement),
            None => show(&mut words, tokens),
        },
        Some("DESCRIBE" | "DESC") => metadata::describe(&mut words),
        Some("USE") => metadata::use_name(&mut words),
        Some("EXPLAIN") => {
            let mut ahead = words.clone();
            match ahead.word() {
                Some(word) if is_write(&word) => {
                    parse_write(&without_first_word(tokens)).map(|write| Statement::ExplainWrite(Box::new(write)))
                }
                Some(word) if word == "ANALYZE" && ahead.word().is_some_and(|word| is_write(&word)) => {
                    Err(Error::new(ErrorKind::Unsupported, "EXPLAIN ANALYZE would send the write")
                        .hint("`EXPLAIN` shows its requests and sends nothing"))
                }
                _ => explain(tokens),
            }
        }
        Some(word @ ("CREATE" | "DROP" | "REFRESH")) => define::define(word, &mut words, tokens),
        Some("COPY") => copy::copy(&mut words),
        Some("PREPARE") => prepare::prepare(text, &mut words, tokens),
        Some("EXECUTE") if prepare::is_execute(&words) => prepare::execute(&mut words, tokens),
        Some("DEALLOCATE") => prepare::deallocate(&mut words),
        Some("SET") => set(&mut words, tokens),
        Some("RESET") => {
            let name = words.name(1, "a setting, or ALL")?;
            let all = name.first().is_some_and(|name| name.eq_ignore_ascii_case("all"));
            words.end()?;
            Ok(Statement::Reset(if all { None } else { name.into_iter().next() }))
        }
        Some("PLAN") => match words.word() {
            Some(word) if is_write(&word) => {
                parse_write(&without_first_word(tokens)).map(|write| Statement::Plan(Box::new(write)))
            }
            _ => Err(words
                .wrong("PLAN needs a write: INSERT, UPDATE, REPLACE, DELETE or EXEC")
                .hint("`EXPLAIN` shows what a query does")),
        },
        Some("APPLY") => {
            no_hints(tokens, "APPLY")?;
            words.quoted("APPLY needs a plan's hash in quotes", "`PLAN …` shows it").map(Statement::Apply)
        }
        Some("RESUME") => {
            no_hints(tokens, "RESUME")?;
            words.quoted("RESUME needs a statement's id in quotes", "`SHOW JOURNAL` lists them").map(Statement::Resume)
        }
        Some("FORGET") => {
            no_hints(tokens, "FORGET")?;
            words.quoted("FORGET needs a statement's id in quotes", "`SHOW JOURNAL` lists them").map(Statement::Forget)
        }
        Some("BEGIN") => transaction(&mut words, Statement::Begin),
        Some("START") => match words.word().as_deref() {
            Some("TRANSACTION") => transaction(&mut words, Statement::Begin),
            _ => Err(words.wrong("START needs TRANSACTION").hint("`BEGIN` is shorter")),
        },
        Some("COMMIT" | "END") => transaction(&mut words, Statement::Commit),
        Some("ROLLBACK" | "ABORT") => transaction(&mut words, Statement::Rollback),
        Some(word) if is_write(word) => parse_write(tokens).map(|write| Statement::Write(Box::new(write))),
        word => planned(tokens.to_vec(), word),
    }
}

/// Reads one query.
///
/// # Errors
/// As [`parse`]; `Syntax` for any other statement.
pub fn parse_query(text: &str) -> Result<ast::Query> {
    match parse(text)? {
        Statement::Query(statement) => match *statement {
            ast::Statement::Query(query) => Ok(*query),
            _ => Err(Error::new(ErrorKind::Syntax, "this is not a query")),
        },
        _ => Err(Error::new(ErrorKind::Syntax, "this is not a query")),
    }
}

/// Reads what may stand between SELECT and FROM.
///
/// # Errors
/// As [`parse_query`].
pub fn parse_items(text: &str) -> Result<Vec<ast::SelectItem>> {
    match *parse_query(&format!("SELECT {text}"))?.body {
        ast::SetExpr::Select(select) => Ok(select.projection),
        _ => Err(Error::new(ErrorKind::Syntax, "these are not the items of a SELECT")),
    }
}

/// The statement behind PLAN or EXPLAIN, with the hints before it. The tokens keep their places.
fn without_first_word(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut rest = tokens.to_vec();
    if let Some(first) = rest.iter().position(|token| matches!(token.token, Token::Word(_))) {
        rest.remove(first);
    }
    rest
}

/// The rest of BEGIN, COMMIT or ROLLBACK: at most a word that says nothing.
fn transaction(words: &mut Words<'_>, statement: Statement) -> Result<Statement> {
    let mut ahead = words.clone();
    if matches!(ahead.word().as_deref(), Some("TRANSACTION" | "WORK")) {
        *words = ahead;
    }
    words.end()?;
    Ok(statement)
}

/// A query; other statements of the general parser have no meaning here.
fn planned(tokens: Vec<TokenWithSpan>, word: Option<&str>) -> Result<Statement> {
    let at = tokens.iter().find(|token| matches!(token.token, Token::Word(_))).map(place);
    let statement = general(tokens)?;
    match statement {
        ast::Statement::Query(_) => Ok(Statement::Query(Box::new(statement))),
        _ => {
            let error = Error::new(
                ErrorKind::Unsupported,
                format!("{} is not supported", word.unwrap_or("this statement")),
            )
            .hint(
                "SELECT, WITH, VALUES, CREATE VIEW, CREATE TABLE AS, DROP, REFRESH, COPY, PREPARE, EXECUTE, USE, INSERT, UPDATE, REPLACE, DELETE, EXEC, PLAN, APPLY, RESUME, FORGET, BEGIN, COMMIT, ROLLBACK, SHOW, DESCRIBE, EXPLAIN, SET and RESET are",
            );
            Err(match at {
                Some(at) => error.at(at),
                None => error,
            })
        }
    }
}

/// Refuses chains of operators that would be too deep a tree to walk: `a = 1 OR a = 2 OR …` leans to one side, and each
/// operator is a level of it.
fn check_chain(tokens: &[TokenWithSpan]) -> Result<()> {
    let is_link = |token: &&TokenWithSpan| match &token.token {
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Word(word) => {
            matches!(word.keyword, Keyword::AND | Keyword::OR | Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT)
        }
        _ => false,
    };
    let longest = longest_chain();
    // Per parenthesis, as what stands between two commas.
    let mut lengths = vec![0_usize];
    for token in tokens {
        match &token.token {
            Token::LParen => lengths.push(0),
            Token::RParen => {
                lengths.pop();
            }
            Token::Comma => {
                lengths.pop();
                lengths.push(0);
            }
            _ if is_link(&token) => {
                let length = lengths.pop().unwrap_or_default() + 1;
                if length > longest {
                    let message = format!("more than {longest} operators stand side by side");
                    return Err(Error::new(ErrorKind::Syntax, message).at(place(token)).hint(
                        "`IN (…)` says many `OR`s of one column, `VALUES` many rows, and a file more than both",
                    ));
                }
                lengths.push(length);
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn general(tokens: Vec<TokenWithSpan>) -> Result<ast::Statement> {
    check_chain(&tokens)?;
    let end = tokens
        .iter()
        .rev()
        .find(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .map(|token| Position { line: token.span.end.line.max(1), column: token.span.end.column.max(1) });
    let mut parser = Parser::new(&DIALECT).with_recursion_limit(DEEPEST).with_tokens_with_locations(tokens);
    let mut statement = parser.parse_statement().map_err(|error| {
        let error = syntax(&error);
        // The parser gives no place where the text ends too early.
        match end {
            Some(end) if error.position().is_none() => error.at(end),
            _ => error,
        }
    })?;
    while parser.consume_token(&Token::SemiColon) {}
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(
            Error::new(ErrorKind::Syntax, format!("the statement should end before `{}`", rest.token)).at(place(&rest))
        );
    }
    as_equalities(&mut statement);
    Ok(statement)
}

fn explain(tokens: &[TokenWithSpan]) -> Result<Statement> {
    match general(tokens.to_vec())? {
        ast::Statement::Explain { analyze, statement, .. } => match *statement {
            ast::Statement::Query(_) => Ok(Statement::Explain { analyze, query: statement }),
            _ => Err(Error::new(ErrorKind::Unsupported, "EXPLAIN explains queries and writes only")
                .hint("no request was sent")),
        },
        ast::Statement::ExplainTable { table_name, .. } => {
            Ok(Statement::Describe(Describe::Resource { extended: false, name: parts(&table_name) }))
        }
        _ => Err(Error::new(ErrorKind::Syntax, "EXPLAIN needs a query")),
    }
}

fn show(words: &mut Words<'_>, tokens: &[TokenWithSpan]) -> Result<Statement> {
    let show = match words.word().as_deref() {
        Some("JOURNAL") => Show::Journal { limit: words.limit()? },
        Some(other) => Show::Setting(other.to_lowercase()),
        None => {
            let at = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_))).map(place);
            let error = Error::new(ErrorKind::Syntax, "SHOW needs to know what")
                .hint("PROVIDERS, SERVICES IN p, RESOURCES IN p.s, METHODS IN p.s.r, FUNCTIONS, TABLES, WARNINGS, ALL or a setting");
            return Err(match at {
                Some(at) => error.at(at),
                None => error,
            });
        }
    };
    words.end()?;
    Ok(Statement::Show(show))
}

fn set(words: &mut Words<'_>, tokens: &[TokenWithSpan]) -> Result<Statement> {
    let name = words.name(0, "a setting")?.join(".");
    let sign = words.next();
    match sign {
        Some(token) if token.token == Token::Eq => {}
        Some(TokenWithSpan { token: Token::Word(word), .. }) if word.keyword == Keyword::TO => {}
        other => {
            let error = Error::new(ErrorKind::Syntax, "SET needs `=` and a value").hint(format!("`SET {name} = …`"));
            return Err(match other.or_else(|| tokens.last()) {
                Some(token) => error.at(place(token)),
                None => error,
            });
        }
    }
    let mut value = String::new();
    while let Some(token) = words.next() {
        match &token.token {
            Token::SemiColon => break,
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => value.push_str(text),
            other => value.push_str(&other.to_string()),
        }
    }
    if value.is_empty() {
        return Err(Error::new(ErrorKind::Syntax, "SET needs a value").hint(format!("`SET {name} = …`")));
    }
    Ok(Statement::Set { name, value })
}

/// The tokens that count, one by one.
#[derive(Clone)]
pub(super) struct Words<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<&'a TokenWithSpan>>,
    last: Option<&'a TokenWithSpan>,
}

impl<'a> Words<'a> {
    pub(super) fn new(tokens: &'a [TokenWithSpan]) -> Self {
        let counting: Vec<&TokenWithSpan> =
            tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)).collect();
        Self { tokens: counting.into_iter().peekable(), last: None }
    }

    pub(super) fn next(&mut self) -> Option<&'a TokenWithSpan> {
        let token = self.tokens.next();
        self.last = token.or(self.last);
        token
    }

    /// The next word in capitals.
    pub(super) fn word(&mut self) -> Option<String> {
        match self.tokens.peek().map(|token| &token.token) {
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                let word = word.value.to_uppercase();
                self.next();
                Some(word)
            }
            _ => None,
        }
    }

    /// A dotted name with at most `count` parts (any number when 0): `USE` may have said the first ones.
    pub(super) fn name(&mut self, count: usize, usage: &str) -> Result<Vec<String>> {
        let mut name = Vec::new();
        loop {
            match self.next().map(|token| &token.token) {
                Some(Token::Word(word)) => name.push(word.value.clone()),
                _ => return Err(self.wrong(&format!("a name is missing: {usage}"))),
            }
            match self.tokens.peek().map(|token| &token.token) {
                Some(Token::Period) => {
                    self.next();
                }
                _ => break,
            }
        }
        if count > 0 && name.len() > count {
            let said = name.join(".");
            return Err(self.wrong(&format!("`{said}` has {} parts, not {count}: {usage}", name.len())));
        }
        Ok(name)
    }

    /// What is left, with the places it has in the text.
    pub(super) fn rest(&mut self) -> Vec<TokenWithSpan> {
        let mut rest = Vec::new();
        while let Some(token) = self.next() {
            rest.push(token.clone());
        }
        rest
    }

    /// Whether the next word is this one; then it is taken.
    pub(super) fn takes(&mut self, wanted: &str) -> bool {
        let mut ahead = self.clone();
        let found = ahead.word().as_deref() == Some(wanted);
        if found {
            *self = ahead;
        }
        found
    }

    /// The next token, left in its place.
    pub(super) fn peek(&mut self) -> Option<&'a Token> {
        self.tokens.peek().map(|token| &token.token)
    }

    pub(super) fn like(&mut self) -> Result<Option<String>> {
        let mut ahead = self.clone();
        if ahead.word().as_deref() != Some("LIKE") {
            return Ok(None);
        }
        *self = ahead;
        match self.next().map(|token| &token.token) {
            Some(Token::SingleQuotedString(text)) => Ok(Some(text.clone())),
            _ => Err(self.wrong("LIKE needs a pattern in quotes")),
        }
    }

    fn limit(&mut self) -> Result<Option<u64>> {
        let mut ahead = self.clone();
        if ahead.word().as_deref() != Some("LIMIT") {
            return Ok(None);
        }
        *self = ahead;
        match self.next().map(|token| &token.token) {
            Some(Token::Number(text, _)) => {
                text.parse().map(Some).map_err(|_| self.wrong("LIMIT needs a whole number"))
            }
            _ => Err(self.wrong("LIMIT needs a whole number")),
        }
    }

    /// One text in quotes, and the end.
    pub(super) fn quoted(&mut self, message: &str, hint: &str) -> Result<String> {
        let text = match self.next().map(|token| &token.token) {
            Some(Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) => text.clone(),
            _ => return Err(self.wrong(message).hint(hint)),
        };
        self.end()?;
        Ok(text)
    }

    pub(super) fn end(&mut self) -> Result<()> {
        match self.next() {
            None => Ok(()),
            Some(token) if token.token == Token::SemiColon => Ok(()),
            Some(token) => {
                Err(Error::new(ErrorKind::Syntax, format!("the statement should end before `{}`", token.token))
                    .at(place(token)))
            }
        }
    }

    pub(super) fn wrong(&self, message: &str) -> Error {
        let error = Error::new(ErrorKind::Syntax, message);
        match self.last {
            Some(token) => error.at(place(token)),
            None => error,
        }
    }
}

pub(super) fn place(token: &TokenWithSpan) -> Position {
    Position { line: token.span.start.line.max(1), column: token.span.start.column.max(1) }
}

fn parts(name: &ast::ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.clone()).collect()
}

fn in_our_words(message: &str) -> String {
    lower_first(message)
        .replace("expected: ", "expected ")
        .replace(", found: EOF", ", found the end")
        .replace(", found: ", ", found ")
}

/// sqlparser says the place inside its message: `… at Line: 1, Column: 8`.
pub(super) fn syntax(error: &ParserError) -> Error {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => return Error::new(ErrorKind::Syntax, "the statement nests too deeply"),
    };
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return Error::new(ErrorKind::Syntax, in_our_words(text));
    };
    let position = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Position { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    let message = in_our_words(message);
    let error = Error::new(ErrorKind::Syntax, message);
    match position {
        Some(position) => error.at(position),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn name(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn our_own_statements() {
        let cases = [
            ("SHOW max_calls", Statement::Show(Show::Setting("max_calls".into()))),
            (
                "DESC EXTENDED a.b.c",
                Statement::Describe(Describe::Resource { extended: true, name: name(&["a", "b", "c"]) }),
            ),
            (
                "DESCRIBE METHOD a.b.c.\"d e\"",
                Statement::Describe(Describe::Method { extended: false, name: name(&["a", "b", "c", "d e"]) }),
            ),
            ("SET max_wait = '60s'", Statement::Set { name: "max_wait".into(), value: "60s".into() }),
            ("set max_calls to 5;", Statement::Set { name: "max_calls".into(), value: "5".into() }),
            ("RESET ALL", Statement::Reset(None)),
            ("APPLY 'a1b2'", Statement::Apply("a1b2".into())),
            ("resume 'w1';", Statement::Resume("w1".into())),
            ("forget '20261129-a';", Statement::Forget("20261129-a".into())),
            ("SHOW JOURNAL LIMIT 5", Statement::Show(Show::Journal { limit: Some(5) })),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn writes_are_told_from_their_plans() {
        let text = "DELETE FROM a.b.c WHERE y = 1";
        assert!(matches!(parse(text).unwrap(), Statement::Write(_)));
        assert!(matches!(parse(&format!("PLAN {text}")).unwrap(), Statement::Plan(_)));
        assert!(matches!(parse(&format!("EXPLAIN {text};")).unwrap(), Statement::ExplainWrite(_)));
        for wrong in [
            "EXPLAIN ANALYZE DELETE FROM a.b.c WHERE y = 1",
            "PLAN SELECT 1",
            "APPLY",
            "RESUME x",
            "FORGET",
            "FORGET x",
            "PLAN",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hints_may_stand_anywhere_in_a_write() {
        let awaits = |text: &str| match parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")) {
            Statement::Write(write) | Statement::Plan(write) | Statement::ExplainWrite(write) => write.awaits(),
            other => panic!("{other:?}"),
        };
        for text in [
            "/*+ AWAIT */ INSERT INTO a.b.c (x) VALUES (1)",
            "INSERT /*+ AWAIT */ INTO a.b.c (x) VALUES (1)",
            "INSERT INTO /*+AWAIT*/ a.b.c (x) SELECT 1 RETURNING x",
            "insert into a.b.c (x) values (1) returning x /*+ await */;",
            "UPDATE /*+ NOSTATUS, AWAIT */ a.b.c SET x = 1 WHERE y = 1",
            "REPLACE /*+ AWAIT */ a.b.c SET x = 1 WHERE y = 1",
            "DELETE /*+ AWAIT */ FROM a.b.c WHERE y = 1",
            "EXEC /*+ AWAIT */ a.b.c.d @x = 1",
            "EXEC a.b.c.d @x = 1 /*+ AWAIT */, @y = 2",
            "PLAN /*+ AWAIT */ DELETE FROM a.b.c WHERE y = 1",
            "/*+ AWAIT */ EXPLAIN DELETE FROM a.b.c WHERE y = 1",
        ] {
            assert!(awaits(text), "{text}");
        }
        for text in [
            "INSERT INTO a.b.c (x) VALUES ('/*+ AWAIT */')",
            "INSERT /* AWAIT */ INTO a.b.c (x) VALUES (1) -- + AWAIT",
            "DELETE /*+ SHOWRESULTS */ FROM a.b.c WHERE y = 1",
        ] {
            assert!(!awaits(text), "{text}");
        }
        let error = parse("DELETE FROM a.b.c\n /*+ AWIAT */ WHERE y = 1").unwrap_err();
        assert_eq!((error.kind(), error.position()), (ErrorKind::Syntax, Some(Position { line: 2, column: 2 })));
        assert!(error.hint_text().unwrap().contains("`AWAIT`"), "{error:?}");
        assert_eq!(parse("/*+ AWAIT */ APPLY 'a1b2'").unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(parse("RESUME /*+ AWAIT */ 'a1b2'").unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn queries_go_to_the_general_parser() {
        for text in
            ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a;", "VALUES (1), (2)", "(SELECT 1) UNION SELECT 2"]
        {
            assert!(matches!(parse(text).unwrap(), Statement::Query(_)), "{text}");
        }
        assert!(matches!(parse("EXPLAIN ANALYZE SELECT 1").unwrap(), Statement::Explain { analyze: true, .. }));
    }

    #[test]
    fn syntax_errors_know_their_place() {
        let error = parse("SELECT 1 FROM a WHERE").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax);
        assert!(error.position().is_some(), "{error}");
        let error = parse("SELECT 1\nFRM a, b").unwrap_err();
        assert_eq!(error.position(), Some(Position { line: 2, column: 5 }), "{error}");
        let error = parse("SELECT 1 SELECT 2 x y").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax);
        let error = parse("SHOW RESOURCES IN linode.images.images").unwrap_err();
        assert!(error.message().contains("SHOW RESOURCES IN provider.service"), "{error}");
        let error = parse("DESCRIBE a.b.c d").unwrap_err();
        assert_eq!(error.position(), Some(Position { line: 1, column: 16 }));
    }
}
