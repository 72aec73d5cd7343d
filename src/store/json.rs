//! JSON text that is the same for the same value, and gives back the same value.
//!
//! Keys are sorted, whatever map `serde_json` was built with. Numbers with a fraction are written as
//! `{"$float": "0.1"}`: `serde_json` reads about one in six 17-digit numbers one bit off unless a feature is turned on,
//! and a plan must be sent as it was shown.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

const FLOAT: &str = "$float";

/// The text, in one line.
pub(super) fn to_text<T: Serialize>(value: &T) -> serde_json::Result<String> {
    serde_json::to_string(&encoded(serde_json::to_value(value)?))
}

/// The value that [`to_text`] wrote.
pub(super) fn from_text<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_value(decoded(serde_json::from_slice(text)?))
}

fn encoded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            Value::Object(Map::from_iter([(FLOAT.to_owned(), Value::String(number.to_string()))]))
        }
        Value::Array(items) => items.into_iter().map(encoded).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().map(|(key, value)| (escaped(key), encoded(value))).collect())
        }
        other => other,
    }
}

fn decoded(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(decoded).collect(),
        Value::Object(fields) => match float(&fields) {
            Some(number) => Value::Number(number),
            None => fields.into_iter().map(|(key, value)| (unescaped(key), decoded(value))).collect(),
        },
        other => other,
    }
}

fn float(fields: &Map<String, Value>) -> Option<Number> {
    let text = fields.get(FLOAT)?.as_str()?;
    Number::from_f64(text.parse().ok()?)
}

/// A key of the user's that looks like ours gets one more `$`.
fn escaped(key: String) -> String {
    if looks_like_ours(&key) { format!("${key}") } else { key }
}

fn unescaped(key: String) -> String {
    match key.strip_prefix('$') {
        Some(rest) if looks_like_ours(rest) => rest.to_owned(),
        _ => key,
    }
}

fn looks_like_ours(key: &str) -> bool {
    key.starts_with('$') && key.trim_start_matches('$') == &FLOAT[1..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::store::testing::any_json;

    #[test]
    fn keys_are_sorted_and_numbers_exact() {
        let value = json!({"b": [1, 1.0, 0.1], "a": {"d": null, "c": "x"}});
        let text = to_text(&value).unwrap();
        assert_eq!(text, r#"{"a":{"c":"x","d":null},"b":[1,{"$float":"1.0"},{"$float":"0.1"}]}"#);
        assert_eq!(from_text::<Value>(text.as_bytes()).unwrap(), value);
    }

    #[test]
    fn keys_like_ours_are_the_users() {
        for value in [json!({"$float": "1.0"}), json!({"$$float": 1.5, "$float": 2}), json!({"$": 1, "$floats": 2.5})] {
            let text = to_text(&value).unwrap();
            assert_eq!(from_text::<Value>(text.as_bytes()).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn every_float_comes_back_bit_by_bit() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let float = f64::from_bits(random.u64(..));
            if !float.is_finite() {
                continue;
            }
            let text = to_text(&json!(float)).unwrap();
            let back: Value = from_text(text.as_bytes()).unwrap();
            assert_eq!(back.as_f64().map(f64::to_bits), Some(float.to_bits()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in any_json()) {
            let text = to_text(&value).unwrap();
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(from_text::<Value>(text.as_bytes()).unwrap(), value);
        }
    }
}
