//! Literals → values of a parameter's type.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Parameter, ValueType};

/// `value` as the parameter's type: `'5'` is 5 for an integer, `'true'` is true for a boolean, 5 is `"5"` for text; text
/// that is JSON becomes JSON where the type is an object or array.
///
/// # Errors
/// `InvalidArgument` that names the parameter, what it takes and what it got.
pub fn coerce(parameter: &Parameter, value: &Value) -> Result<Value> {
    let wrong = || {
        let shown = if parameter.secret { "the value given".to_owned() } else { format!("`{}`", literal_text(value)) };
        Error::new(
            ErrorKind::InvalidArgument,
            format!("`{}` takes {}, not {shown}", parameter.name, takes(parameter.ty)),
        )
    };
    let coerced = match (parameter.ty, value) {
        (_, Value::Null) => Value::Null,
        (ValueType::Integer, Value::Number(n)) => match n.as_f64() {
            _ if n.is_i64() || n.is_u64() => value.clone(),
            Some(f) if f.fract() == 0.0 && f.abs() < 9.0e15 => {
                #[expect(clippy::cast_possible_truncation, reason = "whole and within i64 as just checked")]
                let whole = f as i64;
                Value::from(whole)
            }
            _ => return Err(wrong()),
        },
        (ValueType::Integer, Value::String(s)) => {
            let text = s.trim();
            match (text.parse::<i64>(), text.parse::<u64>()) {
                (Ok(n), _) => Value::from(n),
                (_, Ok(n)) => Value::from(n),
                _ => return Err(wrong()),
            }
        }
        (ValueType::Number, Value::String(s)) => {
            let text = s.trim();
            if let Ok(n) = text.parse::<i64>() {
                Value::from(n)
            } else {
                let parsed = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
                Value::Number(parsed.ok_or_else(wrong)?)
            }
        }
        (ValueType::Boolean, Value::String(s)) => match s.trim().to_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(wrong()),
        },
        (ValueType::Number, Value::Number(_))
        | (ValueType::Boolean, Value::Bool(_))
        | (ValueType::Text | ValueType::Timestamp, Value::String(_))
        | (ValueType::Array, Value::Array(_))
        | (ValueType::Object, Value::Object(_)) => value.clone(),
        (ValueType::Text | ValueType::Timestamp, other) => Value::String(literal_text(other)),
        (ValueType::Array, Value::String(s)) => match serde_json::from_str::<Value>(s) {
            Ok(array @ Value::Array(_)) => array,
            Ok(Value::Object(_)) => return Err(wrong()),
            // One bare value is a list of one.
            _ => Value::Array(vec![value.clone()]),
        },
        (ValueType::Array, other) => Value::Array(vec![other.clone()]),
        (ValueType::Object, Value::String(s)) => match serde_json::from_str::<Value>(s) {
            Ok(object @ Value::Object(_)) => object,
            _ => return Err(wrong()),
        },
        (ValueType::Any, Value::String(s)) => match serde_json::from_str::<Value>(s) {
            Ok(json @ (Value::Object(_) | Value::Array(_))) => json,
            _ => value.clone(),
        },
        (ValueType::Any, other) => other.clone(),
        _ => return Err(wrong()),
    };
    Ok(coerced)
}

/// A value as the text of a URL or a message: strings bare, everything else as JSON.
pub fn literal_text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

fn takes(ty: ValueType) -> &'static str {
    match ty {
        ValueType::Text | ValueType::Timestamp => "text",
        ValueType::Integer => "a whole number",
        ValueType::Number => "a number",
        ValueType::Boolean => "`true` or `false`",
        ValueType::Object => "a JSON object",
        ValueType::Array => "a JSON array",
        ValueType::Any => "any value",
    }
}
