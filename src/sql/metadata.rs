//! Statements about what there is: SHOW of lists and templates, DESCRIBE, USE.
//!
//! Names may be shorter than they are: `USE` says the beginning, and the session puts it in front.

use sqlparser::ast;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::DIALECT;
use super::parse::{Describe, Statement, Words, place, syntax};
use super::write::Verb;
use crate::error::{Error, ErrorKind, Result};

/// `SHOW [EXTENDED] things [IN name] [LIKE 'pattern' | WHERE condition]`.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// Things of what kind.
    pub what: Listed,
    /// Whether the longer list is wanted.
    pub extended: bool,
    /// What follows IN; empty without it.
    pub name: Vec<String>,
    /// The pattern after LIKE, which names are compared with, without regard to case.
    pub like: Option<String>,
    /// The condition after WHERE, over the columns that are shown.
    pub filter: Option<Box<ast::Expr>>,
}

/// What a [`List`] lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// `SHOW PROVIDERS`
    Providers,
    /// `SHOW SERVICES IN p`
    Services,
    /// `SHOW RESOURCES IN p.s`
    Resources,
    /// `SHOW METHODS IN p.s.r`
    Methods,
    /// `SHOW FUNCTIONS`
    Functions,
    /// `SHOW SETTINGS`, `SHOW ALL`
    Settings,
    /// `SHOW TABLES`: the user's own views and tables.
    Tables,
    /// `SHOW VIEWS`: the user's own views.
    Views,
    /// `SHOW WARNINGS`: what the last statement's report warns of.
    Warnings,
}

impl Listed {
    /// How many parts the name after IN has, and what to write.
    pub fn place(self) -> Option<(usize, &'static str)> {
        match self {
            Self::Services => Some((1, "SHOW SERVICES IN provider")),
            Self::Resources => Some((2, "SHOW RESOURCES IN provider.service")),
            Self::Methods => Some((3, "SHOW METHODS IN provider.service.resource")),
            _ => None,
        }
    }
}

/// `SHOW INSERT INTO t`, `SHOW UPDATE t`, `SHOW REPLACE t`, `SHOW DELETE FROM t`, `SHOW EXEC t.method`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What the template does.
    pub verb: Verb,
    /// Provider, service and resource (for EXEC also the method), or the end of that name.
    pub name: Vec<String>,
    /// The columns it is to have; all where there are none.
    pub columns: Vec<String>,
    /// Whether it is to have only what the method requires (`/*+ REQUIRED */`).
    pub required_only: bool,
}

/// Reads `SHOW` of a list or a template; `None` for what else SHOW shows.
///
/// # Errors
/// `Syntax` with its place.
pub(super) fn show(tokens: &[TokenWithSpan]) -> Result<Option<Statement>> {
    let mut words = Words::new(tokens);
    words.word();
    let extended = words.takes("EXTENDED");
    let Some(first) = words.word() else { return Ok(None) };
    let what = match first.as_str() {
        "PROVIDERS" => Listed::Providers,
        "SERVICES" => Listed::Services,
        "RESOURCES" => Listed::Resources,
        "METHODS" => Listed::Methods,
        "FUNCTIONS" => Listed::Functions,
        "SETTINGS" | "ALL" => Listed::Settings,
        "TABLES" => Listed::Tables,
        "VIEWS" => Listed::Views,
        "WARNINGS" => Listed::Warnings,
        "INSERT" | "UPDATE" | "REPLACE" | "DELETE" | "EXEC" if !extended => {
            return template(&first, words, asks_for_required(tokens))
                .map(|template| Some(Statement::Template(template)));
        }
        _ if extended => {
            return Err(words.wrong("SHOW EXTENDED lists PROVIDERS, SERVICES, RESOURCES, METHODS, FUNCTIONS or TABLES"));
        }
        _ => return Ok(None),
    };
    let name = match what.place() {
        Some((parts, usage)) if words.takes("IN") || words.takes("FROM") => words.name(parts, usage)?,
        _ => Vec::new(),
    };
    let like = words.like()?;
    let filter = if words.takes("WHERE") { Some(Box::new(condition(&mut words)?)) } else { None };
    words.end()?;
    Ok(Some(Statement::List(List { what, extended, name, like, filter })))
}

/// Everything up to the end, as one condition.
fn condition(words: &mut Words<'_>) -> Result<ast::Expr> {
    if words.peek().is_none() {
        return Err(words.wrong("WHERE needs a condition"));
    }
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(words.rest());
    let condition = parser.parse_expr().map_err(|error| syntax(&error))?;
    while parser.consume_token(&Token::SemiColon) {}
    let rest = parser.peek_token();
    if rest.token == Token::EOF {
        return Ok(condition);
    }
    Err(Error::new(ErrorKind::Syntax, format!("the statement should end before `{}`", rest.token)).at(place(&rest)))
}

fn asks_for_required(tokens: &[TokenWithSpan]) -> bool {
    tokens.iter().any(|token| match &token.token {
        Token::Whitespace(Whitespace::MultiLineComment(text)) => {
            text.strip_prefix('+').is_some_and(|hint| hint.trim().eq_ignore_ascii_case("required"))
        }
        _ => false,
    })
}

fn template(verb: &str, mut words: Words<'_>, required_only: bool) -> Result<Template> {
    let (verb, parts, usage) = match verb {
        "INSERT" => (Verb::Insert, 3, "SHOW INSERT INTO provider.service.resource"),
        "UPDATE" => (Verb::Update, 3, "SHOW UPDATE provider.service.resource"),
        "REPLACE" => (Verb::Replace, 3, "SHOW REPLACE provider.service.resource"),
        "DELETE" => (Verb::Delete, 3, "SHOW DELETE FROM provider.service.resource"),
        _ => (Verb::Exec, 4, "SHOW EXEC provider.service.resource.method"),
    };
    match verb {
        Verb::Insert if !words.takes("INTO") => return Err(words.wrong(&format!("INTO is missing: {usage}"))),
        Verb::Delete if !words.takes("FROM") => return Err(words.wrong(&format!("FROM is missing: {usage}"))),
        _ => {}
    }
    let name = words.name(parts, usage)?;
    let mut columns = Vec::new();
    if words.peek() == Some(&Token::LParen) {
        words.next();
        loop {
            columns.extend(words.name(1, usage)?);
            match words.next().map(|token| &token.token) {
                Some(Token::Comma) => {}
                Some(Token::RParen) => break,
                _ => return Err(words.wrong("the columns need `)`")),
            }
        }
    }
    words.end()?;
    Ok(Template { verb, name, columns, required_only })
}

/// Reads what follows `DESCRIBE`: `[METHOD] [EXTENDED] name`, the two words in any order.
///
/// # Errors
/// `Syntax` with its place.
pub(super) fn describe(words: &mut Words<'_>) -> Result<Statement> {
    // A table may be called `method`, and then stands alone or with a dot after it.
    let is_word = |words: &Words<'_>, wanted: &str| {
        let mut ahead = words.clone();
        ahead.takes(wanted) && !matches!(ahead.peek(), None | Some(Token::Period | Token::SemiColon))
    };
    let (mut method, mut extended) = (false, false);
    loop {
        if !extended && is_word(words, "EXTENDED") {
            extended = true;
        } else if !method && is_word(words, "METHOD") {
            method = true;
        } else {
            break;
        }
        words.next();
    }
    let describe = if method {
        Describe::Method { extended, name: words.name(4, "DESCRIBE METHOD provider.service.resource.method")? }
    } else {
        Describe::Resource { extended, name: words.name(3, "DESCRIBE provider.service.resource")? }
    };
    words.end()?;
    Ok(Statement::Describe(describe))
}

/// Reads what follows `USE`: `provider[.service]`, or `DEFAULT`.
///
/// # Errors
/// `Syntax` with its place.
pub(super) fn use_name(words: &mut Words<'_>) -> Result<Statement> {
    if words.peek().is_none_or(|token| *token == Token::SemiColon) {
        return Err(words.wrong("USE needs a name").hint("`USE provider`, `USE provider.service`, or `USE DEFAULT`"));
    }
    let mut ahead = words.clone();
    if ahead.takes("DEFAULT") && matches!(ahead.peek(), None | Some(Token::SemiColon)) {
        *words = ahead;
        words.end()?;
        return Ok(Statement::Use(Vec::new()));
    }
    let name = words.name(2, "USE provider[.service]")?;
    words.end()?;
    Ok(Statement::Use(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    fn list(text: &str) -> List {
        match parse(text).unwrap() {
            Statement::List(list) => list,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn names(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn lists_have_a_place_and_a_pattern_or_a_condition() {
        let plain = list("show providers;");
        assert_eq!((plain.what, plain.extended, plain.like, plain.filter), (Listed::Providers, false, None, None));
        let list_of = list("SHOW EXTENDED METHODS FROM linode.images.images LIKE 'get%'");
        assert_eq!((list_of.what, list_of.extended), (Listed::Methods, true));
        assert_eq!((list_of.name, list_of.like.as_deref()), (names(&["linode", "images", "images"]), Some("get%")));
        let filtered = list("SHOW RESOURCES IN linode.images WHERE name = 'images' AND id LIKE 'l%';");
        assert_eq!(filtered.filter.unwrap().to_string(), "name = 'images' AND id LIKE 'l%'");
        assert_eq!(list("SHOW SERVICES").name, [""; 0]);
        assert_eq!(list("SHOW ALL").what, Listed::Settings);
    }

    #[test]
    fn templates_name_a_write() {
        let template = |text: &str| match parse(text).unwrap() {
            Statement::Template(template) => template,
            other => panic!("{text}: {other:?}"),
        };
        let insert = template("SHOW INSERT /*+ REQUIRED */ INTO a.b.c (x, \"y z\")");
        assert_eq!((insert.verb, insert.required_only), (Verb::Insert, true));
        assert_eq!((insert.name, insert.columns), (names(&["a", "b", "c"]), names(&["x", "y z"])));
        assert_eq!(template("SHOW DELETE FROM c").verb, Verb::Delete);
        assert_eq!(template("show exec a.b.c.d").name.len(), 4);
    }

    #[test]
    fn describe_takes_its_words_in_any_order() {
        let extended = |name: &[&str]| Statement::Describe(Describe::Method { extended: true, name: names(name) });
        assert_eq!(parse("DESCRIBE EXTENDED METHOD a.b.c.d").unwrap(), extended(&["a", "b", "c", "d"]));
        assert_eq!(parse("DESC METHOD EXTENDED d").unwrap(), extended(&["d"]));
        let plain = |name: &[&str]| Statement::Describe(Describe::Resource { extended: false, name: names(name) });
        assert_eq!(parse("DESCRIBE method").unwrap(), plain(&["method"]));
        assert_eq!(parse("DESCRIBE extended.x").unwrap(), plain(&["extended", "x"]));
    }

    #[test]
    fn use_takes_two_parts_at_most() {
        assert_eq!(parse("USE linode.images;").unwrap(), Statement::Use(names(&["linode", "images"])));
        assert_eq!(parse("use default").unwrap(), Statement::Use(Vec::new()));
        for wrong in ["USE", "USE a.b.c", "USE a b", "USE DEFAULT x"] {
            assert_eq!(parse(wrong).unwrap_err().kind(), ErrorKind::Syntax, "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (text, column) in [
            ("SHOW RESOURCES IN a.b WHERE", 23),
            ("SHOW RESOURCES IN a.b WHERE x = 1 y", 35),
            ("SHOW PROVIDERS LIKE x", 21),
            ("SHOW INSERT a.b.c", 6),
            ("SHOW EXTENDED max_calls", 15),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.position().map(|at| at.column), Some(column), "{text}: {error}");
        }
    }
}
