//! Paths and server URLs, as documents write them.
//!
//! *Owns*: braces with regular expressions, query strings and fragments inside path keys, which server counts.
//! *Does not own*: filling templates in (`call`).
//! *Invariants*: what comes out holds bare variable names in braces, and no query and no fragment.

use percent_encoding::percent_decode_str;

use super::document::Node;

/// A path key of a document, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PathKey {
    /// The path template, beginning with a slash.
    pub(super) path: String,
    /// Its variables, in order.
    pub(super) variables: Vec<String>,
    /// Pairs of its query string whose value is constant.
    pub(super) constants: Vec<(String, String)>,
    /// Pairs whose value is a variable: name on the wire, variable.
    pub(super) query_variables: Vec<(String, String)>,
}

/// Takes a path key apart. `drop_double_underscore` leaves out query names such as `__type`, which documents use to
/// tell operations of one path apart.
pub(super) fn path_key(key: &str, drop_double_underscore: bool) -> PathKey {
    // A fragment is never sent: it too only tells operations apart.
    let (key, _) = split_outside_braces(key, '#');
    let (path, query) = split_outside_braces(key, '?');
    let (mut path, variables) = template(path);
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    let mut result = PathKey { path, variables, ..PathKey::default() };
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if drop_double_underscore && name.starts_with("__") {
            continue;
        }
        let name = decode(name);
        match value.strip_prefix('{').and_then(|value| value.strip_suffix('}')) {
            Some(variable) => result.query_variables.push((name, bare_name(variable).to_owned())),
            None => result.constants.push((name, decode(value))),
        }
    }
    result
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn split_outside_braces(text: &str, at: char) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    for (index, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if c == at && depth == 0 => {
                return (&text[..index], text.get(index + c.len_utf8()..));
            }
            _ => {}
        }
    }
    (text, None)
}

/// A template with bare names in its braces, and the names. A brace may hold `name:regex`, and the regex braces of its
/// own and escaped ones.
pub(super) fn template(text: &str) -> (String, Vec<String>) {
    let mut bare = String::with_capacity(text.len());
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(length) = closing_brace(&rest[start + 1..]) else { break };
        let inside = &rest[start + 1..start + 1 + length];
        let name = bare_name(inside);
        bare.push_str(&rest[..start]);
        bare.push('{');
        bare.push_str(name);
        bare.push('}');
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        rest = &rest[start + length + 2..];
    }
    bare.push_str(rest);
    (bare, names)
}

fn bare_name(inside: &str) -> &str {
    let inside = inside.strip_prefix('+').unwrap_or(inside);
    inside.split([':', '=']).next().unwrap_or(inside).trim()
}

/// The length of what stands before the brace that closes an open one.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' if depth == 0 => return Some(index),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The server that counts: the first of the first list that is not empty (operation, path, method, document).
pub(super) fn first_server(lists: [Option<&Node>; 4]) -> Option<&Node> {
    lists.into_iter().flatten().find_map(|list| list.items().iter().find(|server| server.text_of("url").is_some()))
}

/// A server's URL as a template and its variables; empty for one that has no scheme, which cannot be called.
pub(super) fn server_url(server: &Node) -> (String, Vec<String>) {
    let (url, variables) = template(server.text_of("url").unwrap_or_default().trim());
    if !url.contains("://") {
        return (String::new(), Vec::new());
    }
    (url.trim_end_matches('/').to_owned(), variables)
}

/// Whether a server variable's default only shows what a value looks like (`my-org`): calls, and the credential with
/// them, must not go to a host of that name.
pub(super) fn is_placeholder(default: &str) -> bool {
    let lower = default.to_ascii_lowercase();
    lower.is_empty()
        || ["my-", "my_", "your", "example", "<", "dbc-abcd"].iter().any(|start| lower.starts_with(start))
        || ["orgname", "accountname", "example.com", "example.org"].iter().any(|part| lower.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::document::Document;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn path_keys() {
        for (key, drop, path, variables, constants, query_variables) in [
            ("/v2/images/{image_id}", false, "/v2/images/{image_id}", &["image_id"][..], &[][..], &[][..]),
            ("images", false, "/images", &[], &[], &[]),
            ("/a/{id}:setIamPolicy", false, "/a/{id}:setIamPolicy", &["id"], &[], &[]),
            ("/a/{id:[a-z]{2}}/b", false, "/a/{id}/b", &["id"], &[], &[]),
            ("/v1/{+name}", false, "/v1/{name}", &["name"], &[], &[]),
            ("/a?api-version=2022-12-01&x", false, "/a", &[], &[("api-version", "2022-12-01"), ("x", "")], &[]),
            ("/a?q=one%20two+three", false, "/a", &[], &[("q", "one two three")], &[]),
            ("/a?__type=reboot&b={bucket}", true, "/a", &[], &[], &[("b", "bucket")]),
            ("/a?__type=reboot", false, "/a", &[], &[("__type", "reboot")], &[]),
            ("/#Action=Run", false, "/", &[], &[], &[]),
            ("/a/{b", false, "/a/{b", &[], &[], &[]),
        ] {
            let found = path_key(key, drop);
            assert_eq!(found.path, path, "{key}");
            assert_eq!(found.variables, variables, "{key}");
            assert_eq!(found.constants, pairs(constants), "{key}");
            assert_eq!(found.query_variables, pairs(query_variables), "{key}");
        }
    }

    #[test]
    fn server_urls() {
        for (url, expected, variables) in [
            ("https://api.linode.com/{apiVersion}", "https://api.linode.com/{apiVersion}", &["apiVersion"][..]),
            (
                r"{protocol}://{addr:^(?:[^.]+|[0-9]{1,3}\.[0-9]+(?:\:[0-9]+)?)$}/",
                "{protocol}://{addr}",
                &["protocol", "addr"],
            ),
            (r"https://{v:a\}b}.x.com", "https://{v}.x.com", &["v"]),
            ("/v1", "", &[]),
            ("", "", &[]),
            ("{server}/v1", "", &[]),
        ] {
            let text = format!("url: '{}'", url.replace('\'', "''"));
            let document = Document::parse(text.as_bytes(), "s.yaml").unwrap();
            let (found, names) = server_url(&document.root);
            assert_eq!(
                (found.as_str(), names.as_slice()),
                (expected, &variables.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>()[..]),
                "{url}"
            );
        }
    }

    #[test]
    fn placeholders() {
        for (default, expected) in [
            ("my-org", true),
            ("", true),
            ("orgname-accountname", true),
            ("dbc-abcd0123-a1bc", true),
            ("v4", false),
            ("https", false),
            ("us-east-1", false),
            ("localhost", false),
            ("datadoghq.com", false),
        ] {
            assert_eq!(is_placeholder(default), expected, "{default}");
        }
    }
}
