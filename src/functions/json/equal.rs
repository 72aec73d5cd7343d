//! Whether two documents say the same.

use std::borrow::Cow;
use std::collections::HashMap;

use super::document::{Node, unquote};

/// Members in any order, numbers by their value, strings by their characters. Of members with one name the last
/// counts.
pub(super) fn is_equal(left: &Node<'_>, right: &Node<'_>) -> bool {
    match (left, right) {
        (Node::Array(left), Node::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_equal(left, right))
        }
        (Node::Object(left), Node::Object(right)) => {
            let (left, right) = (members(left), members(right));
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| is_equal(value, other)))
        }
        (Node::Scalar(left), Node::Scalar(right)) => left == right || scalar(left) == scalar(right),
        _ => false,
    }
}

fn members<'n, 'a>(members: &'n [(Cow<'a, str>, Node<'a>)]) -> HashMap<String, &'n Node<'a>> {
    members.iter().map(|(name, value)| (unquote(name), value)).collect()
}

/// A form that is the same for equal scalars.
fn scalar(text: &str) -> (char, String) {
    match text.chars().next() {
        Some('"') => ('s', unquote(text)),
        Some('t' | 'f' | 'n') => ('w', text.to_owned()),
        _ => ('n', number(text)),
    }
}

/// Sign, digits without zeros at the ends, and the power of ten of the last: exact for numbers of any size.
fn number(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (digits, power) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let zeros = all.len() - all.trim_end_matches('0').len();
    // A power beyond 64 bits is compared as it is written.
    match power.trim_start_matches('+').parse::<i64>() {
        Ok(power) => {
            let last = i128::from(power) - fraction.len() as i128 + zeros as i128;
            format!("{sign}{significant}e{last}")
        }
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::document;
    use super::*;

    #[test]
    fn equality_is_that_of_the_values() {
        for (left, right, equal) in [
            (r#"{"a":1,"b":[1,2]}"#, r#"{ "b" : [1, 2], "a": 1.0 }"#, true),
            ("[1,2]", "[2,1]", false),
            ("100", "1e2", true),
            ("0.10", "1E-1", true),
            ("-0", "0", true),
            ("9007199254740993", "9007199254740992", false),
            ("123456789012345678901234567890", "123456789012345678901234567890.0", true),
            (r#""é""#, r#""\u00e9""#, true),
            ("1", "\"1\"", false),
            ("null", "null", true),
            ("null", "false", false),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, false),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#, true),
            ("{}", "[]", false),
            ("1e99999999999999999999", "1e99999999999999999999", true),
        ] {
            assert_eq!(is_equal(&document(left).unwrap(), &document(right).unwrap()), equal, "{left} {right}");
        }
    }
}
