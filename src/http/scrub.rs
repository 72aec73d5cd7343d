//! Taking secrets out of what is kept of a call.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::auth::Authorizer;
use crate::error::{fold_name, is_telling};

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// Headers that are kept: what an answer is read by. All others may hold a secret.
const HEADERS: [&str; 9] = [
    "content-type",
    "link",
    "retry-after",
    "date",
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "x-correlation-id",
    "x-trace-id",
];

/// Parts of names that are given to secrets, folded.
const TELLING: [&str; 7] = ["password", "passwd", "secret", "privatekey", "apikey", "accesskey", "credential"];

/// Ends of such names; `next_page_token` is none of them.
const TELLING_ENDS: [&str; 6] = ["accesstoken", "authtoken", "refreshtoken", "sessiontoken", "bearertoken", "rootpass"];

/// Knows which members of an answer are secret, by their names, and which texts are secret wherever they stand.
#[derive(Debug, Clone, Default)]
pub struct Scrubber {
    names: BTreeSet<String>,
    texts: Vec<String>,
    headers: Vec<String>,
    plain: BTreeSet<String>,
    telling: Option<fn(&str) -> bool>,
    authorizer: Option<Arc<Authorizer>>,
}

impl Scrubber {
    /// Members with these names are secret, beside those whose names say so themselves.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self { names: names.into_iter().map(|name| fold_name(&name)).collect(), ..Self::default() }
    }

    /// Further names that say themselves that a member is secret.
    #[must_use]
    pub fn with_telling(self, telling: fn(&str) -> bool) -> Self {
        Self { telling: Some(telling), ..self }
    }

    /// A member that is none, whatever its name: the place in a list.
    #[must_use]
    pub fn with_plain(mut self, name: &str) -> Self {
        self.plain.insert(fold_name(name));
        self
    }

    /// A text that is secret wherever it stands. Short ones give nothing away, and are in every other word.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        if is_telling(text) {
            self.texts.push(text.to_owned());
            self.texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        }
        self
    }

    /// A header that is kept.
    #[must_use]
    pub fn with_header(mut self, name: &str) -> Self {
        self.headers.push(name.to_ascii_lowercase());
        self
    }

    /// The credential with which a call is made.
    #[must_use]
    pub fn with_authorizer(mut self, authorizer: Option<Arc<Authorizer>>) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// Whether the member of that name is a secret.
    pub fn is_secret(&self, name: &str) -> bool {
        let folded = fold_name(name);
        if self.names.contains(&folded) {
            return true;
        }
        !self.plain.contains(&folded)
            && (folded == "token"
                || self.telling.is_some_and(|tells| tells(name))
                || TELLING.iter().any(|part| folded.contains(part))
                || TELLING_ENDS.iter().any(|end| folded.ends_with(end)))
    }

    /// Whether a header of an answer is kept.
    pub fn keeps_header(&self, name: &str) -> bool {
        HEADERS.contains(&name) || self.headers.iter().any(|kept| kept == name)
    }

    /// A text without the secrets that may stand anywhere.
    pub fn text(&self, text: &str) -> String {
        let text = match &self.authorizer {
            Some(authorizer) => authorizer.conceal(text),
            None => text.to_owned(),
        };
        self.texts.iter().fold(text, |text, secret| text.replace(secret.as_str(), HIDDEN))
    }

    /// A JSON value without secrets.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if self.is_secret(name) && !member.is_null() {
                        *member = Value::from(HIDDEN);
                    } else {
                        self.value(member);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }

    /// A body without secrets. Of JSON all but the secrets stays as it was written, to the last digit and blank.
    pub fn body(&self, body: &str) -> String {
        let mut kept = String::with_capacity(body.len());
        let mut rest = body;
        while let Some(open) = rest.find('"') {
            let Some(length) = string_length(&rest[open..]) else { break };
            let (text, behind) = (&rest[open..open + length], &rest[open + length..]);
            kept.push_str(&rest[..open + length]);
            rest = behind;
            let colon = behind.len() - behind.trim_start().len();
            if !behind[colon..].starts_with(':') {
                continue;
            }
            let name: String = serde_json::from_str(text).unwrap_or_default();
            let value = &behind[colon + 1..];
            let blank = value.len() - value.trim_start().len();
            if self.is_secret(&name) {
                // One that does not end hides what follows.
                let length = value_length(&value[blank..]).unwrap_or(value.len() - blank);
                kept.push_str(&behind[..=colon]);
                kept.push_str(&value[..blank]);
                let null = value[blank..].starts_with("null");
                kept.push_str(if null { "null" } else { "\"***\"" });
                rest = &value[blank + length..];
            }
        }
        kept.push_str(rest);
        self.text(&kept)
    }
}

/// How long the JSON string at the beginning is, with its quotes.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// How long the JSON value at the beginning is.
fn value_length(text: &str) -> Option<usize> {
    match text.as_bytes().first()? {
        b'"' => string_length(text),
        b'{' | b'[' => {
            let (mut depth, mut at) = (0_usize, 0);
            while let Some(byte) = text.as_bytes().get(at) {
                match byte {
                    b'"' => {
                        at += string_length(&text[at..])?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.checked_sub(1)?,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            None
        }
        _ => Some(text.find([',', '}', ']', ' ', '\n', '\r', '\t']).unwrap_or(text.len())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_taken_out_and_nothing_else_is_touched() {
        let scrubber = Scrubber::new(["hash".to_owned()]).with_text("hunter22").with_plain("next_secret");
        for (body, kept) in [
            (r#"{"a" : 1.00, "Hash":"x\"}y" ,"b":[1e400]}"#, r#"{"a" : 1.00, "Hash":"***" ,"b":[1e400]}"#),
            (r#"{"rootPassword": {"a": ["]", 1]}, "c": 2}"#, r#"{"rootPassword": "***", "c": 2}"#),
            (
                r#"{"api_key":[1,2],"token":null,"next_page_token":"n"}"#,
                r#"{"api_key":"***","token":null,"next_page_token":"n"}"#,
            ),
            (r#"{"secret_count":5}"#, r#"{"secret_count":"***"}"#),
            (r#"{"next_secret":"n","said":"no hunter22 here"}"#, r#"{"next_secret":"n","said":"no *** here"}"#),
            (r#"["password", "x"]"#, r#"["password", "x"]"#),
            ("not JSON: \"password\": \"x\" hunter22", "not JSON: \"password\": \"***\" ***"),
            (r#"{"password":"open"#, r#"{"password":"***""#),
            (r#"{"password":12}"#, r#"{"password":"***"}"#),
            ("", ""),
        ] {
            assert_eq!(scrubber.body(body), kept);
        }
        let more =
            Scrubber::default().with_plain("page_token").with_telling(|name| name.ends_with("_token") || name == "cvv");
        assert_eq!(
            more.body(r#"{"x_token":"a","page_token":"b","cvv":123}"#),
            r#"{"x_token":"***","page_token":"b","cvv":"***"}"#
        );
        let mut value = json!({"hash": 1, "x": [{"password": "a"}, "hunter22"], "y": {"hash": null}});
        scrubber.value(&mut value);
        assert_eq!(value, json!({"hash": "***", "x": [{"password": "***"}, "***"], "y": {"hash": null}}));
    }

    #[test]
    fn only_headers_that_are_read_are_kept() {
        let scrubber = Scrubber::default().with_header("X-Next");
        for (name, kept) in [("content-type", true), ("x-next", true), ("set-cookie", false), ("authorization", false)]
        {
            assert_eq!(scrubber.keeps_header(name), kept, "{name}");
        }
    }
}
