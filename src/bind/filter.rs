//! Conditions on fields, written as an API takes them in one expression.
//!
//! What is written is never narrower than the condition, under any reading of text an API may have (it may compare
//! without regard to case): every row is checked again when it has come.

use std::cmp::Reverse;
use std::fmt::Write as _;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::table::Table;
use crate::provider::{FilterDialect, FilterPushdown, Location, Method, ValueType};

/// What is told takes no more bytes of a request than about this: servers refuse a head of 8 kB, some of less.
const MOST_BYTES: usize = 4 << 10;
/// Formats of texts that are texts for an API as well. Others have a type of their own in `OData`.
const PLAIN_FORMATS: [&str; 8] = ["email", "hostname", "ipv4", "ipv6", "password", "string", "uri", "url"];

/// A condition on fields of a row. Columns are indexes into `Table::columns`.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The field and a literal.
    Compare {
        /// The column.
        column: usize,
        /// How.
        comparison: Comparison,
        /// The literal.
        value: Value,
    },
    /// The text holds this one, case and all.
    Contains {
        /// The column.
        column: usize,
        /// The text.
        text: String,
    },
    /// All hold; those that cannot be said are left out.
    All(Vec<Option<Condition>>),
    /// At least one holds.
    Any(Vec<Option<Condition>>),
}

/// How a field is compared with a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The same comparison with its sides changed.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    fn word(self, dialect: FilterDialect) -> &'static str {
        match (dialect, self) {
            (FilterDialect::XFilter, Self::Equal) => "+eq",
            (FilterDialect::XFilter, Self::Less) => "+lt",
            (FilterDialect::XFilter, Self::LessOrEqual) => "+lte",
            (FilterDialect::XFilter, Self::Greater) => "+gt",
            (FilterDialect::XFilter, Self::GreaterOrEqual) => "+gte",
            (FilterDialect::OData, Self::Equal) => "eq",
            (FilterDialect::OData, Self::Less) => "lt",
            (FilterDialect::OData, Self::LessOrEqual) => "le",
            (FilterDialect::OData, Self::Greater) => "gt",
            (FilterDialect::OData, Self::GreaterOrEqual) => "ge",
        }
    }
}

/// What an API is told, as its dialect has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A JSON object.
    Json(Map<String, Value>),
    /// Text.
    Text(String),
}

impl Expression {
    /// Both in one place; none when that cannot be.
    #[must_use]
    pub fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Json(mut here), Self::Json(there)) => {
                here.extend(there);
                Some(Self::Json(here))
            }
            _ => None,
        }
    }

    /// As it is sent.
    pub fn text(&self) -> String {
        match self {
            Self::Json(object) => header_safe(&Value::Object(object.clone()).to_string()),
            Self::Text(text) => text.clone(),
        }
    }
}

/// What part a condition has in what the API is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// It is told.
    Told,
    /// It cannot be said.
    Unsaid,
    /// Saying it would take more room than a request has.
    TooLong,
}

/// The expression for all of these conditions as far as the API can be told them, and the share of each; the longest are
/// left out first where there is no room for all.
pub fn written(
    table: &Table,
    method: &Method,
    pushdown: &FilterPushdown,
    conditions: &[Option<Condition>],
) -> (Option<Expression>, Vec<Share>) {
    /// Bytes that a part takes beside its own: ` and ` and two brackets, encoded.
    const BETWEEN: usize = 16;
    let writer = Writer { table, method, pushdown };
    let mut parts: Vec<Option<Expression>> = Vec::new();
    let mut lengths: Vec<usize> = Vec::new();
    for condition in conditions {
        let part = condition.as_ref().and_then(|condition| writer.write(condition));
        let part = part.map(|part| (part.text(), part)).filter(|(text, _)| writer.can_stand(text));
        lengths.push(part.as_ref().map_or(0, |(text, _)| writer.length(text) + BETWEEN));
        parts.push(part.map(|(_, part)| part));
    }
    let mut shares: Vec<Share> =
        parts.iter().map(|part| if part.is_some() { Share::Told } else { Share::Unsaid }).collect();
    let mut left: usize = lengths.iter().sum();
    let mut longest_first: Vec<usize> = (0..parts.len()).collect();
    longest_first.sort_by_key(|at| Reverse(lengths[*at]));
    for at in longest_first {
        if left <= MOST_BYTES {
            break;
        }
        left -= lengths[at];
        parts[at] = None;
        shares[at] = Share::TooLong;
    }
    if !writer.has(writer.junction("and")) {
        // One of them narrows what comes as well.
        let first = parts.iter().position(Option::is_some);
        for at in (0..parts.len()).filter(|at| Some(*at) != first) {
            if parts[at].take().is_some() {
                shares[at] = Share::Unsaid;
            }
        }
    }
    (writer.joined(parts.into_iter().flatten().collect(), "and"), shares)
}

struct Writer<'a> {
    table: &'a Table,
    method: &'a Method,
    pushdown: &'a FilterPushdown,
}

impl Writer<'_> {
    fn write(&self, condition: &Condition) -> Option<Expression> {
        match condition {
            Condition::Compare { column, comparison, value } => {
                let name = self.field(*column)?;
                if !comparable(self.table.columns[*column].ty, *comparison, value) {
                    return None;
                }
                let word = comparison.word(self.pushdown.dialect);
                if !self.has(word) {
                    return None;
                }
                Some(match self.pushdown.dialect {
                    FilterDialect::XFilter if *comparison == Comparison::Equal => json_object(name, value.clone()),
                    FilterDialect::XFilter => json_object(name, json!({word: value})),
                    FilterDialect::OData => {
                        let literal = odata_literal(value, self.format(*column))?;
                        Expression::Text(format!("{name} {word} {literal}"))
                    }
                })
            }
            Condition::Contains { column, text } => {
                let name = self.field(*column).filter(|_| self.table.columns[*column].ty == ValueType::Text)?;
                let word = if self.pushdown.dialect == FilterDialect::XFilter { "+contains" } else { "contains" };
                if !self.has(word) {
                    return None;
                }
                Some(match self.pushdown.dialect {
                    FilterDialect::XFilter => json_object(name, json!({word: text})),
                    FilterDialect::OData => {
                        let literal = Some(quoted(text)).filter(|_| is_plain(self.format(*column)))?;
                        Expression::Text(format!("contains({name},{literal})"))
                    }
                })
            }
            Condition::All(all) => {
                self.joined(all.iter().flatten().filter_map(|part| self.write(part)).collect(), "and")
            }
            // A branch that cannot be said may hold of any row.
            Condition::Any(any) => {
                let branches: Option<Vec<Expression>> = any.iter().map(|part| self.write(part.as_ref()?)).collect();
                self.joined(branches?, "or")
            }
        }
    }

    /// All of them, or at least one; without a word for it, what is surely no narrower.
    fn joined(&self, mut parts: Vec<Expression>, word: &str) -> Option<Expression> {
        if parts.len() < 2 {
            return parts.pop();
        }
        let junction = self.junction(word);
        if !self.has(junction) {
            return parts.into_iter().next().filter(|_| word == "and");
        }
        Some(match self.pushdown.dialect {
            FilterDialect::XFilter => {
                let object =
                    |part| if let Expression::Json(object) = part { Some(Value::Object(object)) } else { None };
                json_object(junction, Value::Array(parts.into_iter().filter_map(object).collect()))
            }
            FilterDialect::OData => {
                let parts: Vec<String> = parts.iter().map(|part| format!("({})", part.text())).collect();
                Expression::Text(parts.join(&format!(" {junction} ")))
            }
        })
    }

    /// The dialect's own word for `and` and `or`.
    fn junction<'w>(&self, word: &'w str) -> &'w str {
        match (self.pushdown.dialect, word) {
            (FilterDialect::OData, word) => word,
            (FilterDialect::XFilter, "and") => "+and",
            (FilterDialect::XFilter, _) => "+or",
        }
    }

    fn has(&self, word: &str) -> bool {
        self.pushdown.operators.as_ref().is_none_or(|known| known.iter().any(|operator| operator == word))
    }

    /// The field's name on the wire, where the API filters by it.
    fn field(&self, column: usize) -> Option<&str> {
        let known = &self.table.columns[column];
        let named = self.pushdown.columns.as_ref().is_none_or(|columns| columns.contains(&known.name));
        known.on_wire().filter(|_| named)
    }

    /// OpenAPI's `format` of a field.
    fn format(&self, column: usize) -> Option<&str> {
        let name = &self.table.columns[column].name;
        self.method.response.columns.iter().find(|known| &known.name == name)?.format.as_deref()
    }

    fn in_header(&self) -> bool {
        self.pushdown.place.location == Location::Header
    }

    /// Whether a text can be sent where it goes: a header holds what is visible in ASCII.
    fn can_stand(&self, text: &str) -> bool {
        !self.in_header() || text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    }

    /// How many bytes a text takes where it goes: in a query, others than letters and digits take three.
    fn length(&self, text: &str) -> usize {
        let encoded = text.bytes().filter(|byte| !self.in_header() && !byte.is_ascii_alphanumeric()).count();
        text.len() + 2 * encoded
    }
}

fn json_object(key: &str, value: Value) -> Expression {
    Expression::Json(Map::from_iter([(key.to_owned(), value)]))
}

/// Whether an API that compares values of this type finds at least what SQL finds. The order of texts is everybody's own;
/// fractions may be rounded.
fn comparable(ty: ValueType, comparison: Comparison, value: &Value) -> bool {
    match (ty, value) {
        (ValueType::Text, Value::String(_)) | (ValueType::Boolean, Value::Bool(_)) => comparison == Comparison::Equal,
        (ValueType::Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

/// A literal for a field of this format; none where the field's type has no such literal, or nobody knows.
fn odata_literal(value: &Value, format: Option<&str>) -> Option<String> {
    match value {
        Value::String(text) if is_plain(format) => Some(quoted(text)),
        Value::String(text) => {
            let is_known = match format {
                Some("date") => text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
                Some("uuid") => is_uuid(text),
                _ => false,
            };
            is_known.then(|| text.clone())
        }
        other => Some(other.to_string()),
    }
}

/// Whether a text of this format is one for the API, too.
fn is_plain(format: Option<&str>) -> bool {
    format.is_none_or(|format| PLAIN_FORMATS.contains(&format))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn is_uuid(text: &str) -> bool {
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(is_digits)
}

/// JSON in visible ASCII: a header holds nothing else.
fn header_safe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            safe.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _infallible = write!(safe, "\\u{unit:04x}");
            }
        }
    }
    safe
}
