//! One Arrow builder per column: a value goes in if it fits, else NULL and the reason why it does not.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::DataType;

use super::coerce;
use super::field::Kind;
use super::layout::Wanted;
use super::reader::{Quoted, Token};
use super::text::{compact, unescape};

/// Builds the array of one column.
#[derive(Debug)]
pub(super) enum ColumnBuilder {
    Text(StringBuilder),
    Json(StringBuilder),
    Any(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl ColumnBuilder {
    /// A builder with room for `rows` rows.
    pub(super) fn new(column: &Wanted, rows: usize) -> Self {
        // Text grows as needed: its length is not known beforehand.
        let text = || StringBuilder::with_capacity(rows, rows * 8);
        match column.kind {
            Kind::Timestamp if *column.field.data_type() != DataType::Utf8 => Self::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(column.field.data_type().clone()),
            ),
            Kind::Text | Kind::Timestamp => Self::Text(text()),
            Kind::Json => Self::Json(text()),
            Kind::Any => Self::Any(text()),
            Kind::Integer => Self::Integer(Int64Builder::with_capacity(rows)),
            Kind::Number => Self::Number(Float64Builder::with_capacity(rows)),
            Kind::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
        }
    }

    /// Appends a value; or NULL, and says what the value is not.
    #[inline]
    pub(super) fn append(&mut self, token: Token<'_>, utc: Tz, scratch: &mut String) -> Result<(), &'static str> {
        let reason = match token {
            Token::Absent | Token::Null => {
                self.append_null();
                return Ok(());
            }
            Token::NotAnObject(_) => "an object",
            _ => match self.append_value(token, utc, scratch) {
                Ok(()) => return Ok(()),
                Err(reason) => reason,
            },
        };
        self.append_null();
        Err(reason)
    }

    fn append_null(&mut self) {
        match self {
            Self::Text(values) | Self::Json(values) | Self::Any(values) => values.append_null(),
            Self::Integer(values) => values.append_null(),
            Self::Number(values) => values.append_null(),
            Self::Boolean(values) => values.append_null(),
            Self::Timestamp(values) => values.append_null(),
        }
    }

    /// Appends a value that is there; appends nothing if it does not fit.
    #[inline]
    fn append_value(&mut self, token: Token<'_>, utc: Tz, scratch: &mut String) -> Result<(), &'static str> {
        match self {
            Self::Text(values) => match token {
                Token::Text(quoted) => values.append_value(plain(quoted, scratch)?),
                Token::Number(raw) => values.append_value(raw),
                Token::Boolean(value) => values.append_value(if value { "true" } else { "false" }),
                _ => return Err("text"),
            },
            Self::Any(values) => match token {
                Token::Text(quoted) => values.append_value(plain(quoted, scratch)?),
                _ => values.append_value(json(token, scratch)),
            },
            Self::Json(values) => values.append_value(json(token, scratch)),
            Self::Integer(values) => {
                let number = number_of(token, scratch).ok_or("an integer")?;
                values.append_value(coerce::integer(number).ok_or("a 64-bit integer")?);
            }
            Self::Number(values) => {
                let number = number_of(token, scratch).ok_or("a number")?;
                values.append_value(coerce::float(number).ok_or("a 64-bit float")?);
            }
            Self::Boolean(values) => values.append_value(match token {
                Token::Boolean(value) => value,
                Token::Text(Quoted { inner: "true", .. }) => true,
                Token::Text(Quoted { inner: "false", .. }) => false,
                _ => return Err("a boolean"),
            }),
            Self::Timestamp(values) => values.append_value(
                match token {
                    Token::Text(quoted) => coerce::timestamp(plain(quoted, scratch)?, utc),
                    Token::Number(raw) => coerce::unix_seconds(raw),
                    _ => None,
                }
                .ok_or("a timestamp")?,
            ),
        }
        Ok(())
    }

    /// The array of what was appended; the builder is empty afterwards.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(values) | Self::Json(values) | Self::Any(values) => Arc::new(values.finish()),
            Self::Integer(values) => Arc::new(values.finish()),
            Self::Number(values) => Arc::new(values.finish()),
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::Timestamp(values) => Arc::new(values.finish()),
        }
    }
}

/// What a string means.
fn plain<'a>(quoted: Quoted<'a>, scratch: &'a mut String) -> Result<&'a str, &'static str> {
    if !quoted.escaped {
        return Ok(quoted.inner);
    }
    scratch.clear();
    if unescape(quoted.inner, scratch) { Ok(scratch) } else { Err("text: half of a surrogate pair") }
}

/// The text of a number, or of a string that holds one.
fn number_of<'a>(token: Token<'a>, scratch: &'a mut String) -> Option<&'a str> {
    match token {
        Token::Number(raw) => Some(raw),
        Token::Text(quoted) => plain(quoted, scratch).ok().filter(|text| coerce::is_number(text)),
        _ => None,
    }
}

/// The JSON text of a value, without insignificant whitespace.
pub(super) fn json<'a>(token: Token<'a>, scratch: &'a mut String) -> &'a str {
    match token {
        Token::Absent | Token::Null => "null",
        Token::Boolean(true) => "true",
        Token::Boolean(false) => "false",
        Token::Number(raw) | Token::Nested { raw, spaced: false } => raw,
        Token::Text(quoted) => {
            scratch.clear();
            scratch.push('"');
            scratch.push_str(quoted.inner);
            scratch.push('"');
            scratch
        }
        Token::Nested { raw, .. } | Token::NotAnObject(raw) => {
            scratch.clear();
            compact(raw, scratch);
            scratch
        }
    }
}

/// What sort of value this is, with its article.
pub(super) fn sort(token: Token<'_>) -> &'static str {
    match token {
        Token::Absent | Token::Null => "null",
        Token::Boolean(_) => "a boolean",
        Token::Number(_) => "a number",
        Token::Text(_) => "a string",
        Token::Nested { raw, .. } | Token::NotAnObject(raw) => match raw.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        },
    }
}
