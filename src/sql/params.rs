//! Values for `$1`, `$2` … of a statement.
//!
//! They take the placeholders' places among the statement's tokens, not in its text: no value can become anything but a
//! value.

use serde_json::Value;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::parse::place;
use crate::error::{Error, ErrorKind, Result};

/// A value for a placeholder.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// `NULL`
    Null,
    /// `TRUE` or `FALSE`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that may be larger than any `Int`.
    UInt(u64),
    /// A number that is neither infinite nor none.
    Float(f64),
    /// A text: also a date, a time, JSON.
    Text(String),
}

macro_rules! from_types {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for Param {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from_types! {
    bool => Bool,
    i8 => Int, i16 => Int, i32 => Int, i64 => Int,
    u8 => UInt, u16 => UInt, u32 => UInt, u64 => UInt,
    f32 => Float, f64 => Float,
    &str => Text, String => Text,
}

impl<T: Into<Self>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Objects and lists are given as JSON text.
impl From<Value> for Param {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::String(text) => Self::Text(text),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => Self::Int(number),
                (None, Some(number), _) => Self::UInt(number),
                (None, None, Some(number)) => Self::Float(number),
                (None, None, None) => Self::Text(number.to_string()),
            },
            nested => Self::Text(nested.to_string()),
        }
    }
}

/// Values for the placeholders of a statement: `params![5, "name", None::<i64>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        [$($crate::sql::Param::from($value)),*]
    };
}

/// The tokens with values in the places of their placeholders.
///
/// # Errors
/// `MissingParameter` for a placeholder without a value, `InvalidArgument` for a value without a placeholder or one that
/// SQL cannot write.
pub(super) fn substitute(tokens: &[TokenWithSpan], params: &[Param]) -> Result<Vec<TokenWithSpan>> {
    let mut used = vec![false; params.len()];
    let mut given = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        let Token::Placeholder(name) = &token.token else {
            given.push(token.clone());
            continue;
        };
        let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        let Some(index) = number.and_then(|number| number.checked_sub(1)) else {
            return Err(Error::new(ErrorKind::Syntax, format!("`{name}` is no placeholder"))
                .at(place(token))
                .hint("placeholders are `$1`, `$2` and so on"));
        };
        let Some(value) = params.get(index) else {
            return Err(Error::new(ErrorKind::MissingParameter, format!("`{name}` has no value"))
                .with("values", params.len().to_string())
                .at(place(token)));
        };
        used[index] = true;
        let bare = binds_loosely(&tokens[at + 1..]);
        let value = value_tokens(value, bare).map_err(|error| error.at(place(token)))?;
        given.extend(value.into_iter().map(|value| TokenWithSpan { token: value, span: token.span }));
    }
    match used.iter().position(|used| !used) {
        Some(index) => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("a value is given for `${}`, which the statement does not have", index + 1),
        )),
        None => Ok(given),
    }
}

/// # Errors
/// `MissingParameter` with its place for a placeholder, where nothing gives it a value.
pub(super) fn no_placeholders(tokens: &[TokenWithSpan]) -> Result<()> {
    let found = tokens.iter().find(|token| matches!(&token.token, Token::Placeholder(name) if name.starts_with('$')));
    match found {
        None => Ok(()),
        Some(token) => Err(Error::new(ErrorKind::MissingParameter, format!("`{}` has no value", token.token))
            .at(place(token))
            .hint("`PREPARE name AS …` keeps the statement, and `EXECUTE name (value, …)` gives the values")),
    }
}

/// Whether what follows cannot bind more tightly than a minus sign: then a number below zero needs no parentheses, which
/// not every place of a number allows.
fn binds_loosely(rest: &[TokenWithSpan]) -> bool {
    let next = rest.iter().map(|token| &token.token).find(|token| !matches!(token, Token::Whitespace(_)));
    matches!(next, None | Some(Token::EOF | Token::SemiColon | Token::Comma | Token::RParen | Token::Word(_)))
}

fn value_tokens(value: &Param, bare: bool) -> Result<Vec<Token>> {
    let number = |text: String| match text.strip_prefix('-') {
        None => vec![Token::Number(text, false)],
        Some(text) => {
            let number = vec![Token::Minus, Token::Number(text.to_owned(), false)];
            if bare { number } else { [vec![Token::LParen], number, vec![Token::RParen]].concat() }
        }
    };
    let word = |text: &str, keyword| vec![Token::Word(Word { value: text.to_owned(), quote_style: None, keyword })];
    Ok(match value {
        Param::Null => word("NULL", Keyword::NULL),
        Param::Bool(true) => word("TRUE", Keyword::TRUE),
        Param::Bool(false) => word("FALSE", Keyword::FALSE),
        Param::Int(value) => number(value.to_string()),
        Param::UInt(value) => number(value.to_string()),
        Param::Float(value) if value.is_finite() => number(format!("{value:?}")),
        Param::Float(_) => {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "a number that is infinite or none has no place in SQL",
            ));
        }
        Param::Text(text) => vec![Token::SingleQuotedString(text.clone())],
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Statement, Write, parse, parse_with};
    use super::*;

    fn shown(text: &str, params: &[Param]) -> String {
        match parse_with(text, params) {
            Ok(Statement::Query(query)) => query.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_stand_as_values_whatever_they_hold() {
        for (text, params, wanted) in [
            (
                "SELECT $1 AS a, $2 AS b, $1 AS c",
                params!["it's; DROP", 5],
                "SELECT 'it''s; DROP' AS a, 5 AS b, 'it''s; DROP' AS c",
            ),
            ("SELECT $1 + $2 AS a", params![-1, -2], "SELECT (-1) + -2 AS a"),
            ("SELECT $1::text AS a, b - $2 AS c", params![-1, -2], "SELECT (-1)::TEXT AS a, b - -2 AS c"),
            ("SELECT $1 AS a, $2 AS b", params![u64::MAX, 1e300], "SELECT 18446744073709551615 AS a, 1e300 AS b"),
            ("SELECT $1 AS a, $2 AS b", params![true, None::<i64>], "SELECT true AS a, NULL AS b"),
            (
                "SELECT $1 AS a, '$2' AS b, $2 AS c",
                params![json!({"a": [1]}), json!(0.5)],
                "SELECT '{\"a\":[1]}' AS a, '$2' AS b, 0.5 AS c",
            ),
            ("SELECT $1, 1 - $2", params!["a", -5], "SELECT 'a' AS \"$1\", 1 - -5 AS \"1 - $2\""),
            ("SELECT $1 * $2", params![-5, 2], "SELECT (-5) * 2 AS \"$1 * $2\""),
        ] {
            assert_eq!(shown(text, &params), wanted, "{text}");
        }
        let exec = parse_with("EXEC a.b.c.d @x = $1, @y = $2", &params![-5, "z"]).unwrap();
        let Statement::Write(write) = exec else { panic!("{exec:?}") };
        let Write::Exec(exec) = *write else { panic!("{write:?}") };
        assert_eq!((&exec.arguments["x"], &exec.arguments["y"]), (&json!(-5), &json!("z")));
        let set = parse_with("SET max_wait = $1", &params!["5s"]).unwrap();
        assert_eq!(set, Statement::Set { name: "max_wait".into(), value: "5s".into() });
    }

    #[test]
    fn only_prepare_may_have_placeholders_without_values() {
        for text in
            ["SELECT 1 LIMIT $1", "DELETE FROM a.b.c WHERE x = $1", "EXEC a.b.c.d @x = $1", "SHOW PROVIDERS LIKE $1"]
        {
            let error = parse(text).unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::MissingParameter, "`$1` has no value"), "{text}");
            assert_eq!(error.position().map(|at| at.column), Some(text.len() as u64 - 1), "{text}");
        }
        assert!(parse("PREPARE q AS SELECT 1 LIMIT $1").is_ok());
        assert!(parse("SELECT '$1', $$ $1 $$").is_ok());
    }

    #[test]
    fn placeholders_and_values_must_meet() {
        for (text, params, kind) in [
            ("SELECT $2", &params![1][..], ErrorKind::MissingParameter),
            ("SELECT $1", &[], ErrorKind::MissingParameter),
            ("SELECT $1", &params![1, 2], ErrorKind::InvalidArgument),
            ("SELECT 1", &params![1], ErrorKind::InvalidArgument),
            ("SELECT ?", &params![1], ErrorKind::Syntax),
            ("SELECT $0", &params![1], ErrorKind::Syntax),
            ("SELECT $name", &params![1], ErrorKind::Syntax),
            ("SELECT $1", &params![f64::NAN], ErrorKind::InvalidArgument),
        ] {
            let error = parse_with(text, params).unwrap_err();
            assert_eq!(error.kind(), kind, "{text}: {error:?}");
        }
    }
}
