//! Paging tokens: whether an answer leads on.

use serde_json::Value;

/// Whether a paging token leads on: APIs end their lists with null, an empty text, or an empty list or object.
pub(super) fn leads_on(token: &Value) -> bool {
    match token {
        Value::Null | Value::Bool(false) => false,
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_end_a_list() {
        for end in [
            Value::Null,
            Value::from(""),
            Value::Array(vec![]),
            Value::Bool(false),
            Value::Object(serde_json::Map::new()),
        ] {
            assert!(!leads_on(&end), "{end}");
        }
        assert!(leads_on(&Value::from("abc")) && leads_on(&Value::from(7)));
    }
}
