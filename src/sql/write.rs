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
use super::hint::awaits;
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
    /// `EXEC p.s.r.m @a = …, @@json = '…' [INTO 'file'] [FROM 'file' [AS field], …] [RETURNING …]`
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

    /// What stands after RETURNING.
    pub fn returning(&self) -> Option<&[ast::SelectItem]> {
        match self {
            Self::Insert(insert) => insert.returning.as_deref(),
            Self::Change(change) => change.returning.as_deref(),
            Self::Exec(exec) => exec.returning.as_deref(),
        }
    }

    /// What is wanted back, to change.
    pub(super) fn returning_mut(&mut self) -> Option<&mut Vec<ast::SelectItem>> {
        match self {
            Self::Insert(insert) => insert.returning.as_mut(),
            Self::Change(change) => change.returning.as_mut(),
            Self::Exec(exec) => exec.returning.as_mut(),
        }
    }

    /// Whether it says that what it starts is waited for.
    pub fn awaits(&self) -> bool {
        match self {
            Self::Insert(insert) => insert.awaits,
            Self::Change(change) => change.awaits,
            Self::Exec(exec) => exec.awaits,
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
    /// `/*+ AWAIT */`: whether what it starts is waited for.
    pub awaits: bool,
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
    /// `/*+ AWAIT */`: whether what it starts is waited for.
    pub awaits: bool,
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
    /// `@@text = '…'`: the body, where it is not JSON.
    pub text: Option<String>,
    /// INTO 'file': where a binary answer goes.
    pub into: Option<String>,
    /// FROM 'file': what a binary body holds.
    pub from: Vec<FromFile>,
    /// What is wanted back.
    pub returning: Option<Vec<ast::SelectItem>>,
    /// `/*+ AWAIT */`: whether what it starts is waited for.
    pub awaits: bool,
}

/// A file whose bytes are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromFile {
    /// The path as it was written.
    pub path: String,
    /// AS field: the field of a form that holds it.
    pub field: Option<String>,
}

/// Reads a write; `tokens` begin with its first word.
///
/// # Errors
/// `Syntax` with its place; `Unsupported` for clauses that no API call can honour.
pub(super) fn parse_write(tokens: &[TokenWithSpan]) -> Result<Write> {
    let awaits = awaits(tokens)?;
    match first_word(tokens).as_deref() {
        Some("EXEC" | "EXECUTE") => exec(tokens, awaits).map(Write::Exec),
        Some("REPLACE") => replace(tokens, awaits),
        _ => general(tokens, None, awaits),
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
fn replace(tokens: &[TokenWithSpan], awaits: bool) -> Result<Write> {
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
    general(&tokens, Some(Verb::Replace), awaits)
}

fn general(tokens: &[TokenWithSpan], verb: Option<Verb>, awaits: bool) -> Result<Write> {
    match super::parse::general(tokens.to_vec())? {
        ast::Statement::Insert(insert) => from_insert(insert, awaits),
        ast::Statement::Update(update) => from_update(update, verb.unwrap_or(Verb::Update), awaits),
        ast::Statement::Delete(delete) => from_delete(delete, awaits),
        _ => Err(Error::new(ErrorKind::Syntax, "this is not a write")),
    }
}

fn refuse(clause: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{clause} cannot be done by API calls"))
}

fn idents(name: &ast::ObjectName) -> Result<Vec<ast::Ident>> {
    let idents: Vec<ast::Ident> = name.0.iter().filter_map(|part| part.as_ident()).cloned().collect();
    // `USE` may have said the first ones.
    if (1..=3).contains(&idents.len()) && idents.len() == name.0.len() {
        return Ok(idents);
    }
    let error = Error::new(ErrorKind::NameNotFound, format!("`{name}` is not a table"))
        .hint("a table is `provider.service.resource`");
    Err(match idents.first().filter(|ident| ident.span.start.line > 0) {
        Some(ident) => error.at(Position { line: ident.span.start.line, column: ident.span.start.column }),
        None => error,
    })
}

/// A column's name; what qualifies it must be the table's alias, or the end of its name.
fn column(name: &ast::ObjectName, table: &[ast::Ident], alias: Option<&ast::Ident>) -> Result<ast::Ident> {
    let parts: Vec<&ast::Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    let wrong = || Error::new(ErrorKind::Syntax, format!("`{name}` is not a column"));
    let Some((last, qualifier)) = parts.split_last().filter(|_| parts.len() == name.0.len()) else {
        return Err(wrong());
    };
    let same = |a: &ast::Ident, b: &ast::Ident| a.value.eq_ignore_ascii_case(&b.value);
    let is_alias = matches!((qualifier, alias), ([one], Some(alias)) if same(one, alias));
    let end = table.len().checked_sub(qualifier.len()).map_or(&[][..], |from| &table[from..]);
    let is_table = end.len() == qualifier.len() && qualifier.iter().zip(end).all(|(a, b)| same(a, b));
    if is_alias || is_table {
        return Ok((*last).clone());
    }
    let error = wrong().hint("a part of a field cannot be set by itself; give the whole field");
    Err(match last.span.start {
        start if start.line > 0 => error.at(Position { line: start.line, column: start.column }),
        _ => error,
    })
}

/// The name and alias of the table that is written; whatever else can stand beside a table is refused.
fn target(relation: &ast::TableFactor, verb: Verb) -> Result<(Vec<ast::Ident>, Option<ast::Ident>)> {
    let ast::TableFactor::Table {
        name,
        alias,
        args,
        with_hints,
        version,
        with_ordinality,
        partitions,
        json_path,
        sample,
        index_hints,
    } = relation
    else {
        return Err(Error::new(ErrorKind::Syntax, format!("{} needs a table", verb.name())));
    };
    let refuse = |clause: &str| Err(refuse(&format!("{clause} in {}", verb.name())));
    if args.is_some() {
        return refuse("arguments of the table").map_err(|error: Error| error.hint("they stand in WHERE"));
    }
    if !with_hints.is_empty() || !index_hints.is_empty() {
        return refuse("hints");
    }
    if version.is_some() {
        return refuse("a version of the table");
    }
    if *with_ordinality {
        return refuse("WITH ORDINALITY");
    }
    if !partitions.is_empty() {
        return refuse("PARTITION");
    }
    if json_path.is_some() {
        return refuse("a path into the table");
    }
    if sample.is_some() {
        return refuse("TABLESAMPLE");
    }
    if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty() || alias.at.is_some()) {
        return refuse("other names for the columns");
    }
    Ok((idents(name)?, alias.as_ref().map(|alias| alias.name.clone())))
}

fn from_insert(insert: ast::Insert, awaits: bool) -> Result<Write> {
    if insert.on.is_some() || insert.or.is_some() || insert.ignore {
        return Err(refuse("ON CONFLICT, OR and IGNORE"));
    }
    if insert.overwrite {
        return Err(refuse("OVERWRITE"));
    }
    if insert.output.is_some() {
        return Err(refuse("OUTPUT").hint("use RETURNING"));
    }
    if insert.partitioned.is_some() || !insert.after_columns.is_empty() {
        return Err(refuse("PARTITION in INSERT"));
    }
    if !insert.optimizer_hints.is_empty() || insert.priority.is_some() {
        return Err(refuse("hints in INSERT"));
    }
    if insert.replace_into || insert.insert_alias.is_some() || !insert.assignments.is_empty() {
        return Err(refuse("REPLACE INTO, SET and an alias of the new row in INSERT"));
    }
    if insert.settings.is_some()
        || insert.format_clause.is_some()
        || insert.multi_table_insert_type.is_some()
        || !insert.multi_table_into_clauses.is_empty()
    {
        return Err(refuse("SETTINGS, FORMAT and several tables in INSERT"));
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
    let table = idents(name)?;
    let alias = insert.table_alias.as_ref().map(|alias| &alias.alias);
    Ok(Write::Insert(Insert {
        columns: insert.columns.iter().map(|name| column(name, &table, alias)).collect::<Result<_>>()?,
        table,
        source,
        returning: insert.returning,
        awaits,
    }))
}

fn from_update(update: ast::Update, verb: Verb, awaits: bool) -> Result<Write> {
    if update.from.is_some() || !update.table.joins.is_empty() {
        return Err(refuse("FROM and joins in an UPDATE").hint("use `WHERE key IN (SELECT …)`"));
    }
    if !update.order_by.is_empty() || update.limit.is_some() {
        return Err(refuse("ORDER BY and LIMIT in an UPDATE").hint("use `WHERE key IN (SELECT … LIMIT n)`"));
    }
    if update.or.is_some() {
        return Err(refuse("OR in an UPDATE"));
    }
    if update.output.is_some() {
        return Err(refuse("OUTPUT").hint("use RETURNING"));
    }
    if !update.optimizer_hints.is_empty() {
        return Err(refuse("hints in an UPDATE"));
    }
    let (table, alias) = target(&update.table.relation, verb)?;
    let mut assignments = Vec::new();
    for assignment in update.assignments {
        match assignment.target {
            ast::AssignmentTarget::ColumnName(name) => {
                assignments.push((column(&name, &table, alias.as_ref())?, assignment.value));
            }
            ast::AssignmentTarget::Tuple(_) => return Err(refuse("SET of several columns at once")),
        }
    }
    Ok(Write::Change(Change {
        verb,
        table,
        alias,
        assignments,
        selection: update.selection,
        returning: update.returning,
        awaits,
    }))
}

fn from_delete(delete: ast::Delete, awaits: bool) -> Result<Write> {
    if delete.using.is_some() || !delete.tables.is_empty() {
        return Err(refuse("USING in a DELETE").hint("use `WHERE key IN (SELECT …)`"));
    }
    if !delete.order_by.is_empty() || delete.limit.is_some() {
        return Err(refuse("ORDER BY and LIMIT in a DELETE").hint("use `WHERE key IN (SELECT … LIMIT n)`"));
    }
    let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) = &delete.from;
    if delete.output.is_some() {
        return Err(refuse("OUTPUT").hint("use RETURNING"));
    }
    if !delete.optimizer_hints.is_empty() {
        return Err(refuse("hints in a DELETE"));
    }
    let [ast::TableWithJoins { relation, joins }] = from.as_slice() else {
        return Err(Error::new(ErrorKind::Syntax, "DELETE FROM needs one table"));
    };
    if !joins.is_empty() {
        return Err(refuse("joins in a DELETE"));
    }
    let (table, alias) = target(relation, Verb::Delete)?;
    Ok(Write::Change(Change {
        verb: Verb::Delete,
        table,
        alias,
        assignments: Vec::new(),
        selection: delete.selection,
        returning: delete.returning,
        awaits,
    }))
}

/// `EXEC p.s.r.m @a = 'x', @@json = '{…}' INTO 'file' FROM 'file' AS field RETURNING …`. Commas between arguments may be
/// left out.
fn exec(tokens: &[TokenWithSpan], awaits: bool) -> Result<Exec> {
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens.to_vec());
    parser.next_token();
    let name = parser.parse_object_name(false).map_err(|error| syntax(&error))?;
    let method: Vec<ast::Ident> = name.0.iter().filter_map(|part| part.as_ident()).cloned().collect();
    // `USE` may have said the first ones.
    if !(1..=4).contains(&method.len()) || method.len() != name.0.len() {
        return Err(Error::new(ErrorKind::Syntax, format!("`{name}` is not a method"))
            .hint("a method is `provider.service.resource.method`"));
    }
    let mut exec = Exec {
        method,
        arguments: BTreeMap::new(),
        body: None,
        text: None,
        into: None,
        from: Vec::new(),
        returning: None,
        awaits,
    };
    loop {
        let token = parser.next_token();
        match &token.token {
            Token::EOF | Token::SemiColon => return Ok(exec),
            Token::Comma => {}
            Token::Word(word) if word.value.eq_ignore_ascii_case("into") => {
                once(exec.into.is_some(), &token)?;
                exec.into = Some(quoted(&mut parser)?);
            }
            Token::Word(word) if word.value.eq_ignore_ascii_case("from") => {
                once(!exec.from.is_empty(), &token)?;
                exec.from = from_files(&mut parser)?;
            }
            Token::Word(word) if word.value.eq_ignore_ascii_case("returning") => {
                let items = parser.parse_comma_separated(Parser::parse_select_item).map_err(|error| syntax(&error))?;
                exec.returning = Some(items);
            }
            Token::Word(word) if word.value.eq_ignore_ascii_case("@@text") => {
                expect_equals(&mut parser)?;
                once(exec.text.is_some(), &token)?;
                exec.text = Some(quoted(&mut parser)?);
            }
            Token::Word(word) if word.value.eq_ignore_ascii_case("@@json") => {
                expect_equals(&mut parser)?;
                once(exec.body.is_some(), &token)?;
                let text = parser.parse_literal_string().map_err(|error| syntax(&error))?;
                let body: Value = serde_json::from_str(&text).map_err(|error| {
                    Error::new(ErrorKind::InvalidArgument, format!("`@@json` is not JSON: {error}")).at(place(&token))
                })?;
                exec.body = Some(body);
            }
            other => {
                let Some(name) = argument_name(other, &mut parser) else {
                    return Err(Error::new(ErrorKind::Syntax, format!("`{other}` does not belong in EXEC"))
                        .at(place(&token))
                        .hint("arguments are `@name = value`, a body is `@@json = '{…}'`"));
                };
                expect_equals(&mut parser)?;
                let value = literal(&mut parser)?;
                if exec.arguments.insert(name.clone(), value).is_some() {
                    return Err(
                        Error::new(ErrorKind::InvalidArgument, format!("`@{name}` is given twice")).at(place(&token))
                    );
                }
            }
        }
    }
}

/// The name of `@name` or `@"a name"`.
fn argument_name(token: &Token, parser: &mut Parser<'_>) -> Option<String> {
    let bare = match token {
        Token::AtSign => "",
        Token::Word(word) => word.value.strip_prefix('@')?,
        _ => return None,
    };
    if !bare.is_empty() {
        return Some(bare.trim_start_matches('@').to_owned());
    }
    match parser.peek_token().token {
        Token::Word(word) if word.quote_style.is_some() => {
            parser.next_token();
            Some(word.value)
        }
        _ => None,
    }
}

fn once(is_there: bool, token: &TokenWithSpan) -> Result<()> {
    if !is_there {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` is given twice", token.token)).at(place(token)))
}

/// A text in quotes: sqlparser's own reader takes a bare word for one.
fn quoted(parser: &mut Parser<'_>) -> Result<String> {
    let token = parser.next_token();
    match &token.token {
        Token::SingleQuotedString(text) => Ok(text.clone()),
        Token::DollarQuotedString(text) => Ok(text.value.clone()),
        other => {
            let message = format!("expected a text in quotes, found `{other}`");
            Err(Error::new(ErrorKind::Syntax, message).at(place(&token)))
        }
    }
}

/// `'file' [AS field]`, and after a comma the next one.
fn from_files(parser: &mut Parser<'_>) -> Result<Vec<FromFile>> {
    let mut files = Vec::new();
    loop {
        let path = quoted(parser)?;
        let is_named = parser.parse_keyword(sqlparser::keywords::Keyword::AS);
        let field =
            if is_named { Some(parser.parse_identifier().map_err(|error| syntax(&error))?.value) } else { None };
        files.push(FromFile { path, field });
        let goes_on = parser.peek_token_ref().token == Token::Comma
            && matches!(parser.peek_nth_token_ref(1).token, Token::SingleQuotedString(_));
        if !goes_on {
            return Ok(files);
        }
        parser.next_token();
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
            number(&text).ok_or_else(wrong)
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

/// The value of a number as it is written: one that JSON's reader would round stays text, an id most likely.
pub(crate) fn number(text: &str) -> Option<Value> {
    match serde_json::from_str(text).ok()? {
        Value::Number(number)
            if number.is_f64() && text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) =>
        {
            Some(Value::from(text))
        }
        value => Some(value),
    }
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
        let Write::Exec(exec) = read("EXEC a.b.c.d @\"two words\" = 1, @size = 2") else { panic!("an exec") };
        assert_eq!(exec.arguments.keys().collect::<Vec<_>>(), ["size", "two words"]);
        let Write::Exec(exec) = read("EXEC a.b.c.d @image_id = '1' INTO 'debian.qcow2'") else { panic!("an exec") };
        assert_eq!(exec.into.as_deref(), Some("debian.qcow2"));
        let Write::Exec(exec) = read("exec a.b.c.d @label = 'x' FROM 'disk.img.gz'") else { panic!("an exec") };
        assert_eq!(exec.from, [FromFile { path: "disk.img.gz".into(), field: None }]);
        let Write::Exec(exec) =
            read("EXEC a.b.c.d FROM 'a.img' AS image, 'b.sig' AS \"the signature\", @n = 1, @@text = '[' INTO 'x'")
        else {
            panic!("an exec")
        };
        let file = |path: &str, field: &str| FromFile { path: path.into(), field: Some(field.into()) };
        assert_eq!(exec.from, [file("a.img", "image"), file("b.sig", "the signature")]);
        assert_eq!(
            (&exec.arguments["n"], exec.text.as_deref(), exec.into.as_deref()),
            (&json!(1), Some("["), Some("x"))
        );
    }

    #[test]
    fn columns_may_be_qualified_by_their_table() {
        for text in [
            "UPDATE a.b.c SET y = 1 WHERE z = 1",
            "UPDATE a.b.c SET c.y = 1 WHERE z = 1",
            "UPDATE a.b.c SET a.b.c.y = 1 WHERE z = 1",
            "UPDATE a.b.c AS t SET t.y = 1 WHERE z = 1",
        ] {
            let Write::Change(change) = read(text) else { panic!("a change") };
            assert_eq!(change.assignments[0].0.value, "y", "{text}");
        }
    }

    #[test]
    fn what_calls_cannot_do_is_refused() {
        for text in [
            "INSERT INTO a.b.c VALUES (1)",
            "REPLACE INTO a.b.c (x) VALUES (1)",
            "DELETE FROM a.b.c USING d WHERE x = 1",
            "UPDATE a.b.c SET (x, y) = (1, 2)",
            "UPDATE a.b.c SET x.y = 1 WHERE z = 1",
            "UPDATE a.b.c AS t SET d.y = 1 WHERE z = 1",
            "UPDATE a.b.c AS t (p, q) SET p = 1 WHERE q = 1",
            "UPDATE a.b.c(z => 1) SET y = 1 WHERE true",
            "DELETE FROM a.b.c(z => 1) WHERE true",
            "DELETE FROM a.b.c AS t (p, q) WHERE q = 1",
            "DELETE FROM a.b.c TABLESAMPLE (10 PERCENT) WHERE true",
            "INSERT INTO a.b.c (x.y) VALUES (1)",
            "DELETE FROM a.b.c.d WHERE id = 1",
            "EXEC a.b.c.d.e @x = 1",
            "EXEC a.b.c.d @x 1",
            "EXEC a.b.c.d @@json = '{'",
            "EXEC a.b.c.d @x = 1 @x = 2",
            "EXEC a.b.c.d INTO 'x' INTO 'y'",
            "EXEC a.b.c.d INTO x",
            "EXEC a.b.c.d FROM 'x' FROM 'y'",
            "EXEC a.b.c.d @@text = 'x' @@text = 'y'",
            "EXEC a.b.c.d @@json = '1' @@json = '2'",
        ] {
            let tokens = tokenize(text).unwrap();
            assert!(parse_write(&tokens).is_err(), "{text}");
        }
    }
}
