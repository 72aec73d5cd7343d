//! Statements that change something in an API.
//!
//! sqlparser reads INSERT, UPDATE and DELETE; `REPLACE t SET …` is read as an UPDATE of another verb, and EXEC, PLAN,
//! APPLY and RESUME are our own.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlparser::ast;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::DIALECT;
use super::parse::{place, syntax};
use crate::error::{Error, ErrorKind, Position, Result};

/// A write, as it was written.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a statement holds one of them, in a box")]
pub enum Write {
    /// `INSERT INTO t (columns) source [RETURNING …]`
    Insert(Insert),
    /// `UPDATE t SET … [WHERE …] [RETURNING …]`, `REPLACE t SET …`, `DELETE FROM t [WHERE …] [RETURNING …]`
    Change(Change),
    /// `EXEC p.s.r.m @a = …, @@json = '…' [INTO 'file'] [FROM 'file'] [RETURNING …]`
    Exec(Exec),
}

impl Write {
    /// What it does to rows.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Insert(_) => Verb::Insert,
            Self::Change(change) => change.verb,
            Self::Exec(_) => Verb::Exec,
        }
    }
}

/// What a write does to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// INSERT
    Insert,
    /// UPDATE
    Update,
    /// REPLACE
    Replace,
    /// DELETE
    Delete,
    /// EXEC
    Exec,
}

impl Verb {
    /// The verb in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Replace => "REPLACE",
            Self::Delete => "DELETE",
            Self::Exec => "EXEC",
        }
    }
}

/// An INSERT.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// Provider, service, resource.
    pub table: Vec<ast::Ident>,
    /// The columns, in order.
    pub columns: Vec<ast::Ident>,
    /// VALUES or SELECT.
    pub source: Box<ast::Query>,
    /// What is wanted back.
    pub returning: Option<Vec<ast::SelectItem>>,
}

/// An UPDATE, REPLACE or DELETE.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub verb: Verb,
    /// Provider, service, resource.
    pub table: Vec<ast::Ident>,
    /// The table's alias.
    pub alias: Option<ast::Ident>,
    /// SET's columns and values; none for DELETE.
    pub assignments: Vec<(ast::Ident, ast::Expr)>,
    /// WHERE.
    pub selection: Option<ast::Expr>,
    /// What is wanted back.
    pub returning: Option<Vec<ast::SelectItem>>,
}

/// An EXEC.
#[derive(Debug, Clone, PartialEq)]
pub struct Exec {
    /// Provider, service, resource, method.
    pub method: Vec<ast::Ident>,
    /// `@name = value`, in order of the names.
    pub arguments: BTreeMap<String, Value>,
    /// `@@json = '…'`: the body.
    pub body: Option<Value>,
    /// INTO 'file': where a binary answer goes.
    pub into: Option<String>,
    /// FROM 'file': what a binary body holds.
    pub from: Option<String>,
    /// What is wanted back.
    pub returning: Option<Vec<ast::SelectItem>>,
}

/// Reads a write; `tokens` begin with its first word.
///
/// # Errors
/// `Syntax` with its place; `Unsupported` for clauses that no API call can honour.
pub(super) fn parse_write(tokens: &[TokenWithSpan]) -> Result<Write> {
    match first_word(tokens).as_deref() {
        Some("EXEC" | "EXECUTE") => exec(tokens).map(Write::Exec),
        Some("REPLACE") => replace(tokens),
        _ => general(tokens, None),
    }
}

/// Whether a statement is a write, by its first word.
pub(super) fn is_write(word: &str) -> bool {
    matches!(word, "INSERT" | "UPDATE" | "REPLACE" | "DELETE" | "EXEC" | "EXECUTE")
}

fn first_word(tokens: &[TokenWithSpan]) -> Option<String> {
    tokens.iter().find_map(|token| match &token.token {
        Token::Word(word) => Some(word.value.to_uppercase()),
        _ => None,
    })
}

/// `REPLACE t SET …` has the shape of an UPDATE.
fn replace(tokens: &[TokenWithSpan]) -> Result<Write> {
    let mut tokens = tokens.to_vec();
    let words: Vec<usize> = (0..tokens.len()).filter(|at| matches!(tokens[*at].token, Token::Word(_))).collect();
    if let Some(second) = words.get(1)
        && matches!(&tokens[*second].token, Token::Word(word) if word.value.eq_ignore_ascii_case("into"))
    {
        return Err(Error::new(ErrorKind::Syntax, "REPLACE takes a table and SET, not INTO")
            .at(place(&tokens[*second]))
            .hint("`REPLACE provider.service.resource SET column = value WHERE …`"));
    }
    if let Some(first) = words.first()
        && let Token::Word(word) = &mut tokens[*first].token
    {
        *word = Word { value: "UPDATE".to_owned(), quote_style: None, keyword: sqlparser::keywords::Keyword::UPDATE };
    }
    general(&tokens, Some(Verb::Replace))
}

fn general(tokens: &[TokenWithSpan], verb: Option<Verb>) -> Result<Write> {
    match super::parse::general(tokens.to_vec())? {
        ast::Statement::Insert(insert) => from_insert(insert),
        ast::Statement::Update(update) => from_update(update, verb.unwrap_or(Verb::Update)),
        ast::Statement::Delete(delete) => from_delete(delete),
        _ => Err(Error::new(ErrorKind::Syntax, "this is not a write")),
    }
}

fn refuse(clause: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{clause} cannot be done by API calls"))
}

fn idents(name: &ast::ObjectName) -> Result<Vec<ast::Ident>> {
    let idents: Vec<ast::Ident> = name.0.iter().filter_map(|part| part.as_ident()).cloned().collect();
    if idents.len() == 3 && idents.len() == name.0.len() {
        return Ok(idents);
    }
    let error = Error::new(ErrorKind::NameNotFound, format!("`{name}` is not a table"))
        .hint("a table is `provider.service.resource`");
    Err(match idents.first().filter(|ident| ident.span.start.line > 0) {
        Some(ident) => error.at(Position { line: ident.span.start.line, column: ident.span.start.column }),
        None => error,
    })
}

fn column(name: &ast::ObjectName) -> Result<ast::Ident> {
    match name.0.last().and_then(|part| part.as_ident()) {
        Some(ident) => Ok(ident.clone()),
        None => Err(Error::new(ErrorKind::Syntax, format!("`{name}` is not a column"))),
    }
}

fn from_insert(insert: ast::Insert) -> Result<Write> {
    if insert.on.is_some() || insert.or.is_some() || insert.ignore {
        return Err(refuse("ON CONFLICT, OR and IGNORE"));
    }
    if insert.overwrite {
        return Err(refuse("OVERWRITE"));
    }
    let ast::TableObject::TableName(name) = &insert.table else {
        return Err(Error::new(ErrorKind::Syntax, "INSERT INTO needs a table"));
    };
    if insert.columns.is_empty() {
        return Err(Error::new(ErrorKind::Syntax, "INSERT needs its columns in parentheses").hint(format!(
            "`INSERT INTO {name} (column, …) VALUES …`; `DESCRIBE METHOD` of the insert method lists them"
        )));
    }
    let Some(source) = insert.source else {
        return Err(Error::new(ErrorKind::Syntax, "INSERT needs VALUES or SELECT"));
    };
    Ok(Write::Insert(Insert {
        table: idents(name)?,
        columns: insert.columns.iter().map(column).collect::<Result<_>>()?,
        source,
        returning: insert.returning,
    }))
}

fn from_update(update: ast::Update, verb: Verb) -> Result<Write> {
    if update.from.is_some() || !update.table.joins.is_empty() {
        return Err(refuse("FROM and joins in an UPDATE").hint("use `WHERE key IN (SELECT …)`"));
    }
    if !update.order_by.is_empty() || update.limit.is_some() {
        return Err(refuse("ORDER BY and LIMIT in an UPDATE").hint("use `WHERE key IN (SELECT … LIMIT n)`"));
    }
    let ast::TableFactor::Table { name, alias, .. } = &update.table.relation else {
        return Err(Error::new(ErrorKind::Syntax, format!("{} needs a table", verb.name())));
    };
    let mut assignments = Vec::new();
    for assignment in update.assignments {
        match assignment.target {
            ast::AssignmentTarget::ColumnName(name) => assignments.push((column(&name)?, assignment.value)),
            ast::AssignmentTarget::Tuple(_) => return Err(refuse("SET of several columns at once")),
        }
    }
    Ok(Write::Change(Change {
        verb,
        table: idents(name)?,
        alias: alias.as_ref().map(|alias| alias.name.clone()),
        assignments,
        selection: update.selection,
        returning: update.returning,
    }))
}

fn from_delete(delete: ast::Delete) -> Result<Write> {
    if delete.using.is_some() || !delete.tables.is_empty() {
        return Err(refuse("USING in a DELETE").hint("use `WHERE key IN (SELECT …)`"));
    }
    if !delete.order_by.is_empty() || delete.limit.is_some() {
        return Err(refuse("ORDER BY and LIMIT in a DELETE").hint("use `WHERE key IN (SELECT … LIMIT n)`"));
    }
    let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) = &delete.from;
    let [ast::TableWithJoins { relation: ast::TableFactor::Table { name, alias, .. }, joins }] = from.as_slice() else {
        return Err(Error::new(ErrorKind::Syntax, "DELETE FROM needs one table"));
    };
    if !joins.is_empty() {
        return Err(refuse("joins in a DELETE"));
    }
    Ok(Write::Change(Change {
        verb: Verb::Delete,
        table: idents(name)?,
        alias: alias.as_ref().map(|alias| alias.name.clone()),
        assignments: Vec::new(),
        selection: delete.selection,
        returning: delete.returning,
    }))
}

/// `EXEC p.s.r.m @a = 'x', @@json = '{…}' INTO 'file' FROM 'file' RETURNING …`. Commas between arguments may be left out.
fn exec(tokens: &[TokenWithSpan]) -> Result<Exec> {
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens.to_vec());
    parser.next_token();
    let name = parser.parse_object_name(false).map_err(|error| syntax(&error))?;
    let method: Vec<ast::Ident> = name.0.iter().filter_map(|part| part.as_ident()).cloned().collect();
    if method.len() != 4 {
        return Err(Error::new(ErrorKind::Syntax, format!("`{name}` is not a method"))
            .hint("a method is `provider.service.resource.method`"));
    }
    let mut exec = Exec { method, arguments: BTreeMap::new(), body: None, into: None, from: None, returning: None };
    loop {
        let token = parser.next_token();
        match &token.token {
            Token::EOF | Token::SemiColon => return Ok(exec),
            Token::Comma => {}
            Token::Word(word) if word.value.eq_ignore_ascii_case("into") => {
                exec.into = Some(parser.parse_literal_string().map_err(|error| syntax(&error))?);
            }
            Token::Word(word) if word.value.eq_ignore_ascii_case("from") => {
                exec.from = Some(parser.parse_literal_string().map_err(|error| syntax(&error))?);
            }
            Token::Word(word) if word.value.eq_ignore_ascii_case("returning") => {
                let items = parser.parse_comma_separated(Parser::parse_select_item).map_err(|error| syntax(&error))?;
                exec.returning = Some(items);
            }
            Token::Word(word) if word.value.eq_ignore_ascii_case("@@json") => {
                expect_equals(&mut parser)?;
                let text = parser.parse_literal_string().map_err(|error| syntax(&error))?;
                let body: Value = serde_json::from_str(&text).map_err(|error| {
                    Error::new(ErrorKind::InvalidArgument, format!("`@@json` is not JSON: {error}")).at(place(&token))
                })?;
                exec.body = Some(body);
            }
            Token::Word(word) if word.value.starts_with('@') && word.value.len() > 1 => {
                expect_equals(&mut parser)?;
                let value = literal(&mut parser)?;
                let name = word.value.trim_start_matches('@').to_owned();
                if exec.arguments.insert(name.clone(), value).is_some() {
                    return Err(
                        Error::new(ErrorKind::InvalidArgument, format!("`@{name}` is given twice")).at(place(&token))
                    );
                }
            }
            other => {
                return Err(Error::new(ErrorKind::Syntax, format!("`{other}` does not belong in EXEC"))
                    .at(place(&token))
                    .hint("arguments are `@name = value`, a body is `@@json = '{…}'`"));
            }
        }
    }
}

fn expect_equals(parser: &mut Parser<'_>) -> Result<()> {
    let token = parser.next_token();
    if token.token == Token::Eq {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Syntax, format!("expected `=`, found `{}`", token.token)).at(place(&token)))
}

fn literal(parser: &mut Parser<'_>) -> Result<Value> {
    let negative = parser.consume_token(&Token::Minus);
    let token = parser.next_token();
    let wrong = || {
        Error::new(ErrorKind::Syntax, format!("expected a value, found `{}`", token.token))
            .at(place(&token))
            .hint("a value is a text in quotes, a number, true, false or null")
    };
    match &token.token {
        Token::Number(text, _) => {
            let text = if negative { format!("-{text}") } else { text.clone() };
            serde_json::from_str(&text).map_err(|_| wrong())
        }
        _ if negative => Err(wrong()),
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => Ok(Value::from(text.as_str())),
        Token::DollarQuotedString(text) => Ok(Value::from(text.value.as_str())),
        Token::Word(word) => match word.value.to_lowercase().as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// The dotted name of a write's table or method, for messages.
pub(crate) fn dotted(name: &[ast::Ident]) -> String {
    name.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::split::tokenize;
    use super::*;

    fn read(text: &str) -> Write {
        let tokens = tokenize(text).unwrap();
        let counting: Vec<TokenWithSpan> = tokens;
        parse_write(&counting).unwrap()
    }

    #[test]
    fn statements_as_scripts_write_them() {
        let Write::Insert(insert) = read(
            "INSERT INTO digitalocean.compute.images (data__name, data__tags) SELECT 'nightly', '[\"base\"]' RETURNING image",
        ) else {
            panic!("an insert")
        };
        assert_eq!(insert.columns.len(), 2);
        assert_eq!(insert.returning.unwrap().len(), 1);

        let Write::Change(change) = read(
            "REPLACE digitalocean.compute.images SET data__name = 'x', data__distribution = 'Ubuntu' WHERE image_id = '6' RETURNING image",
        ) else {
            panic!("a change")
        };
        assert_eq!((change.verb, change.assignments.len()), (Verb::Replace, 2));
        assert!(change.selection.is_some());

        let Write::Change(change) =
            read("DELETE FROM linode.images.images WHERE label LIKE 'tmp-%' AND created < now()")
        else {
            panic!("a change")
        };
        assert_eq!(change.verb, Verb::Delete);
    }

    #[test]
    fn exec_takes_arguments_body_and_files() {
        let Write::Exec(exec) = read(
            "EXEC linode.images.images.post_replicate_image @imageId = 'private/15', @n = -2 @@json = '{\"regions\": [\"us-mia\"]}' RETURNING id;",
        ) else {
            panic!("an exec")
        };
        assert_eq!(exec.arguments["imageId"], json!("private/15"));
        assert_eq!(exec.arguments["n"], json!(-2));
        assert_eq!(exec.body, Some(json!({"regions": ["us-mia"]})));
        let Write::Exec(exec) = read("EXEC a.b.c.d @image_id = '1' INTO 'debian.qcow2'") else { panic!("an exec") };
        assert_eq!(exec.into.as_deref(), Some("debian.qcow2"));
        let Write::Exec(exec) = read("exec a.b.c.d @label = 'x' FROM 'disk.img.gz'") else { panic!("an exec") };
        assert_eq!(exec.from.as_deref(), Some("disk.img.gz"));
    }

    #[test]
    fn what_calls_cannot_do_is_refused() {
        for text in [
            "INSERT INTO a.b.c VALUES (1)",
            "REPLACE INTO a.b.c (x) VALUES (1)",
            "DELETE FROM a.b.c USING d WHERE x = 1",
            "UPDATE a.b.c SET (x, y) = (1, 2)",
            "DELETE FROM images WHERE id = 1",
            "EXEC a.b.c @x = 1",
            "EXEC a.b.c.d @x 1",
            "EXEC a.b.c.d @@json = '{'",
            "EXEC a.b.c.d @x = 1 @x = 2",
        ] {
            let tokens = tokenize(text).unwrap();
            assert!(parse_write(&tokens).is_err(), "{text}");
        }
    }
}
