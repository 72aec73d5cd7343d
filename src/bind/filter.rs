//! Conditions on fields, written as an API takes them in one expression.
//!
//! What is written is never narrower than the condition, under any reading of text an API may have (it may compare
//! without regard to case): every row is checked again when it has come.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::table::Table;
use crate::provider::{FilterDialect, FilterPushdown, ValueType};

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

/// The expression for all of these conditions as far as the API can be told them, and for each whether it has a part in
/// it; none when nothing can be said.
pub fn written(
    table: &Table,
    pushdown: &FilterPushdown,
    conditions: &[Option<Condition>],
) -> Option<(Expression, Vec<bool>)> {
    let writer = Writer { table, pushdown };
    let parts: Vec<Option<Written>> = conditions.iter().map(|c| writer.write(c.as_ref()?)).collect();
    let told = parts.iter().map(Option::is_some).collect();
    let whole = writer.joined(parts.into_iter().flatten().collect(), "and")?;
    let expression = match whole {
        Written::Json(Value::Object(object)) => Expression::Json(object),
        Written::Json(_) => return None,
        Written::Text(text) => Expression::Text(text),
    };
    Some((expression, told))
}

enum Written {
    Json(Value),
    Text(String),
}

struct Writer<'a> {
    table: &'a Table,
    pushdown: &'a FilterPushdown,
}

impl Writer<'_> {
    fn write(&self, condition: &Condition) -> Option<Written> {
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
                    FilterDialect::XFilter if *comparison == Comparison::Equal => Written::Json(json!({name: value})),
                    FilterDialect::XFilter => Written::Json(json!({name: {word: value}})),
                    FilterDialect::OData => Written::Text(format!("{name} {word} {}", odata_literal(value))),
                })
            }
            Condition::Contains { column, text } => {
                let name = self.field(*column).filter(|_| self.table.columns[*column].ty == ValueType::Text)?;
                let word = if self.pushdown.dialect == FilterDialect::XFilter { "+contains" } else { "contains" };
                if !self.has(word) {
                    return None;
                }
                Some(match self.pushdown.dialect {
                    FilterDialect::XFilter => Written::Json(json!({name: {word: text}})),
                    FilterDialect::OData => {
                        Written::Text(format!("contains({name},{})", odata_literal(&Value::from(text.as_str()))))
                    }
                })
            }
            Condition::All(all) => {
                self.joined(all.iter().flatten().filter_map(|part| self.write(part)).collect(), "and")
            }
            // A branch that cannot be said may hold of any row.
            Condition::Any(any) => {
                let branches: Option<Vec<Written>> = any.iter().map(|part| self.write(part.as_ref()?)).collect();
                self.joined(branches?, "or")
            }
        }
    }

    fn joined(&self, mut parts: Vec<Written>, word: &str) -> Option<Written> {
        if parts.len() < 2 {
            return parts.pop();
        }
        Some(match self.pushdown.dialect {
            FilterDialect::XFilter => {
                let parts: Vec<Value> = parts
                    .into_iter()
                    .filter_map(|part| if let Written::Json(value) = part { Some(value) } else { None })
                    .collect();
                Written::Json(Value::Object(Map::from_iter([(format!("+{word}"), Value::Array(parts))])))
            }
            FilterDialect::OData => {
                let parts: Vec<String> = parts
                    .into_iter()
                    .filter_map(|part| if let Written::Text(text) = part { Some(format!("({text})")) } else { None })
                    .collect();
                Written::Text(parts.join(&format!(" {word} ")))
            }
        })
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

fn odata_literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// JSON in ASCII: a header holds nothing else.
fn header_safe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
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
