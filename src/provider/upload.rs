//! `upload`: the second step of an upload, to a URL that the first one's answer names.

use serde::{Deserialize, Serialize};

use super::document::{Document, Node};
use super::item_path::json_path;
use crate::error::Result;

/// A request that sends a file to a URL that an answer names, without a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadStep {
    /// JSONPath of the URL.
    pub url: String,
    /// `PUT` or `POST`.
    pub http_method: String,
    /// What is sent along; names are lower case.
    pub headers: Vec<(String, String)>,
}

/// What a raw file is, where nobody says.
const BYTES: &str = "application/octet-stream";

/// Reads a method's `upload`.
///
/// # Errors
/// `Provider` when it does not say where the URL is, or names a header or method that cannot be one.
pub(super) fn upload(document: &Document, node: &Node, place: &[&str]) -> Result<UploadStep> {
    let wrong = |key: &'static str, why: &str| {
        let place: Vec<&str> = place.iter().copied().chain(["upload", key]).collect();
        document.error(why, &place)
    };
    let Some(url) = node.get("url").and_then(Node::text).filter(|path| !path.is_empty()) else {
        return Err(wrong("url", "the upload does not say where its URL is").hint("`url: $.upload_to`, for example"));
    };
    let http_method = node.text_of("method").unwrap_or("PUT").to_ascii_uppercase();
    if !matches!(http_method.as_str(), "PUT" | "POST") {
        return Err(wrong("method", "a file is sent by PUT or POST"));
    }
    let content_type = node.text_of("contentType").unwrap_or(BYTES).to_owned();
    let mut headers = vec![("content-type".to_owned(), content_type)];
    for (name, value) in node.get("headers").into_iter().flat_map(Node::entries) {
        let name = name.to_ascii_lowercase();
        // The host that takes bytes is not the API: what opens the API must not go there.
        if matches!(name.as_str(), "authorization" | "cookie" | "proxy-authorization") {
            return Err(wrong("headers", "an upload carries no credential"));
        }
        let Some(value) = value.scalar_text() else { return Err(wrong("headers", "a header is a text")) };
        headers.retain(|(known, _)| *known != name);
        headers.push((name, value.into_owned()));
    }
    Ok(UploadStep { url: json_path(url), http_method, headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<UploadStep> {
        let document = Document::parse(text.as_bytes(), "u.yaml").unwrap();
        upload(&document, &document.root, &["methods", "m"])
    }

    #[test]
    fn what_is_not_said_is_a_put_of_bytes() {
        let step = of("url: $.upload_to").unwrap();
        assert_eq!((step.url.as_str(), step.http_method.as_str()), ("$.upload_to", "PUT"));
        assert_eq!(step.headers, [("content-type".to_owned(), BYTES.to_owned())]);
        let said =
            of("{url: put_to, method: post, contentType: image/png, headers: {X-Kind: 7, Content-Type: a/b}}").unwrap();
        assert_eq!((said.url.as_str(), said.http_method.as_str()), ("$.put_to", "POST"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(said.headers, [pair("x-kind", "7"), pair("content-type", "a/b")]);
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for text in [
            "{}",
            "url: ''",
            "{url: $.x, method: DELETE}",
            "{url: $.x, headers: {Authorization: 'Bearer x'}}",
            "{url: $.x, headers: {a: {b: c}}}",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
