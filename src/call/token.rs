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

/// What an answer's flag says of further rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    Yes,
    No,
    /// Nothing.
    Unsaid,
    /// Something that is neither yes nor no.
    Unread,
}

/// Reads a flag: some APIs write it as a text or a number.
pub(super) fn says_more(flag: Option<&Value>) -> More {
    match flag {
        None | Some(Value::Null) => More::Unsaid,
        Some(Value::Bool(true)) => More::Yes,
        Some(Value::Bool(false)) => More::No,
        Some(Value::Number(number)) => {
            if number.as_f64() == Some(0.0) {
                More::No
            } else {
                More::Yes
            }
        }
        Some(Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "" => More::Unsaid,
            "true" | "yes" | "y" | "1" => More::Yes,
            "false" | "no" | "n" | "0" => More::No,
            _ => More::Unread,
        },
        Some(Value::Array(_) | Value::Object(_)) => More::Unread,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    #[test]
    fn flags_of_all_forms() {
        for (flag, said) in [
            (json!(true), More::Yes),
            (json!("True"), More::Yes),
            (json!("1"), More::Yes),
            (json!(1), More::Yes),
            (json!(12), More::Yes),
            (json!(false), More::No),
            (json!("false"), More::No),
            (json!(0), More::No),
            (json!(0.0), More::No),
            (json!(null), More::Unsaid),
            (json!(""), More::Unsaid),
            (json!("perhaps"), More::Unread),
            (json!({"more": true}), More::Unread),
        ] {
            assert_eq!(says_more(Some(&flag)), said, "{flag}");
        }
        assert_eq!(says_more(None), More::Unsaid);
    }
}
