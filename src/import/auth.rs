//! `securitySchemes` → how calls are authenticated.
//!
//! *Owns*: which scheme is taken, and what the variables are called that hold its credential.
//! *Does not own*: credentials, and sending them (`http`).
//! *Invariants*: variables are called after the provider's name, which its user chose; what cannot be sent is said.

use indexmap::IndexMap;

use super::report::{Finding, Level};
use crate::provider::Node;

/// The `auth` of a provider, and what to say about it.
pub(super) fn auth(root: &Node, provider: &str) -> (Node, Vec<Finding>) {
    let schemes = root.at(&["components", "securitySchemes"]);
    let wanted = required_schemes(root);
    let Some(schemes) = schemes.filter(|schemes| schemes.entries().next().is_some()) else {
        let finding =
            Finding::new(Level::Likely, "auth", "the document names no credential: calls are sent without one");
        return (kind("null_auth", []), vec![finding]);
    };
    // The alternatives of `security`, in the document's order; else each scheme by itself.
    let alternatives: Vec<Vec<&str>> =
        if wanted.is_empty() { schemes.entries().map(|(name, _)| vec![name]).collect() } else { wanted };
    let said = !root.get("security").map_or(&[][..], Node::items).is_empty();
    let mut best: Option<(u8, Node, String)> = None;
    let mut passed_over = Vec::new();
    for names in &alternatives {
        let known: Vec<(&str, &Node)> = names.iter().filter_map(|name| Some((*name, schemes.get(name)?))).collect();
        match combined(root, &known, provider) {
            Some((rank, node, what)) => {
                if best.as_ref().is_none_or(|(known, ..)| rank < *known) {
                    best = Some((rank, node, what));
                }
            }
            None => passed_over.push(names.join(" + ")),
        }
    }
    let mut findings = Vec::new();
    let node = match best {
        Some((_, node, what)) => {
            let level = if said || alternatives.len() == 1 { Level::Sure } else { Level::Likely };
            findings.push(Finding::new(level, "auth", what));
            node
        }
        None => {
            findings.push(Finding::new(
                Level::Undecided,
                "auth",
                format!(
                    "none of its schemes can be used ({}): calls are sent without a credential",
                    passed_over.join(", ")
                ),
            ));
            kind("null_auth", [])
        }
    };
    (node, findings)
}

/// The schemes of `security`: of the document, else of its operations.
fn required_schemes(root: &Node) -> Vec<Vec<&str>> {
    fn read(node: Option<&Node>) -> Vec<Vec<&str>> {
        let alternatives = node.map_or(&[][..], Node::items).iter();
        alternatives
            .map(|one| one.entries().map(|(name, _)| name).collect())
            .filter(|names: &Vec<&str>| !names.is_empty())
            .collect()
    }
    let own = read(root.get("security"));
    if !own.is_empty() {
        return own;
    }
    let mut found: Vec<Vec<&str>> = Vec::new();
    for (_, item) in root.get("paths").into_iter().flat_map(Node::entries) {
        for (_, operation) in item.entries() {
            for names in read(operation.get("security")) {
                if !found.contains(&names) {
                    found.push(names);
                }
            }
        }
    }
    found
}

fn kind<const N: usize>(name: &str, keys: [(&str, String); N]) -> Node {
    let mut map = IndexMap::from([("type".to_owned(), Node::Text(name.to_owned()))]);
    map.extend(keys.into_iter().map(|(key, value)| (key.to_owned(), Node::Text(value))));
    Node::Map(map)
}

/// One scheme, or several keys that are sent together. The rank says which alternative is taken: smaller is better.
fn combined(root: &Node, schemes: &[(&str, &Node)], provider: &str) -> Option<(u8, Node, String)> {
    let variable = |what: &str| format!("{}_{what}", provider.to_ascii_uppercase());
    match schemes {
        [(name, scheme)] if scheme.text_of("type") != Some("apiKey") => {
            client_credentials(root, name, scheme, &variable).or_else(|| single(scheme, &variable))
        }
        [] => None,
        keys if keys.iter().all(|(_, scheme)| scheme.text_of("type") == Some("apiKey")) => {
            let many = keys.len() > 1;
            let mut chain: Option<Node> = None;
            let mut variables = Vec::new();
            for (name, scheme) in keys.iter().rev() {
                let what = if many { super::words::snake(name).to_ascii_uppercase() } else { "API_KEY".to_owned() };
                let (key, variable) = (scheme.text_of("name")?, variable(&what));
                let (location, key, prefix) = match scheme.text_of("in")? {
                    "query" => ("query", key.to_owned(), None),
                    "header" => ("header", key.to_owned(), None),
                    // A cookie is a header of that form (RFC 6265 §4.2.1).
                    "cookie" => ("header", "Cookie".to_owned(), Some(format!("{key}="))),
                    _ => return None,
                };
                let Node::Map(mut map) = kind(
                    "custom",
                    [("location", location.to_owned()), ("name", key), ("credentialsenvvar", variable.clone())],
                ) else {
                    return None;
                };
                if let Some(prefix) = prefix {
                    map.insert("valuePrefix".to_owned(), Node::Text(prefix));
                }
                if let Some(next) = chain.take() {
                    map.insert("successor".to_owned(), next);
                }
                chain = Some(Node::Map(map));
                variables.insert(0, format!("`{variable}`"));
            }
            let place = keys.iter().filter_map(|(_, scheme)| {
                Some(format!("`{}` in the {}", scheme.text_of("name")?, scheme.text_of("in")?))
            });
            let place: Vec<String> = place.collect();
            Some((2, chain?, format!("{}: set {}", place.join(" and "), variables.join(" and "))))
        }
        _ => None,
    }
}

/// OAuth 2 by client credentials: the only flow that needs no person.
fn client_credentials(
    root: &Node,
    name: &str,
    scheme: &Node,
    variable: &dyn Fn(&str) -> String,
) -> Option<(u8, Node, String)> {
    let flow = scheme.at(&["flows", "clientCredentials"]).filter(|_| scheme.text_of("type") == Some("oauth2"))?;
    let server = root.get("servers").and_then(|servers| servers.items().first()).and_then(|one| one.text_of("url"));
    let written = flow.text_of("tokenUrl").filter(|url| !url.is_empty())?;
    // A relative one is meant from the API's own address.
    let url = if written.contains("://") { written.to_owned() } else { super::bundle::resolve(server?, written)? };
    let url = url::Url::parse(&url).ok().filter(url::Url::has_host)?.to_string();
    let (id, secret) = (variable("CLIENT_ID"), variable("CLIENT_SECRET"));
    let said = format!("OAuth 2 by client credentials: set `{id}` and `{secret}`; tokens come from `{url}`");
    let mut map = IndexMap::from([("type".to_owned(), Node::Text("oauth2".to_owned()))]);
    for (key, value) in [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id_env_var", id),
        ("client_secret_env_var", secret),
        ("token_url", url),
    ] {
        map.insert(key.to_owned(), Node::Text(value));
    }
    let scopes = scopes(root, name);
    if !scopes.is_empty() {
        map.insert("scopes".to_owned(), Node::List(scopes.into_iter().map(Node::Text).collect()));
    }
    Some((3, Node::Map(map), said))
}

/// The scopes that `security` asks of a scheme: of the document and of all its operations, each once.
fn scopes(root: &Node, scheme: &str) -> Vec<String> {
    let items = root.get("paths").into_iter().flat_map(Node::entries).flat_map(|(_, item)| item.entries());
    let all = root.get("security").into_iter().chain(items.filter_map(|(_, operation)| operation.get("security")));
    let mut scopes: Vec<String> = Vec::new();
    for scope in all.flat_map(Node::items).filter_map(|one| one.get(scheme)).flat_map(Node::items) {
        let Some(scope) = scope.text() else { continue };
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

fn single(scheme: &Node, variable: &dyn Fn(&str) -> String) -> Option<(u8, Node, String)> {
    let token = variable("TOKEN");
    let bearer = || kind("bearer", [("credentialsenvvar", token.clone())]);
    let word = scheme.text_of("scheme").unwrap_or_default().to_ascii_lowercase();
    match (scheme.text_of("type")?, word.as_str()) {
        ("http", "bearer") => Some((0, bearer(), format!("a bearer token: set `{token}`"))),
        ("http", "basic") => {
            let (user, password) = (variable("USERNAME"), variable("PASSWORD"));
            let said = format!("a user name and a password: set `{user}` and `{password}`");
            Some((1, kind("basic", [("username_var", user), ("password_var", password)]), said))
        }
        ("oauth2" | "openIdConnect", _) => {
            let said = format!("OAuth 2 by a flow that asks a person: get an access token yourself and set `{token}`");
            Some((3, bearer(), said))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Document;

    fn of(schemes: &str, security: &str) -> (String, Level, String) {
        let text = format!("security: {security}\ncomponents: {{securitySchemes: {schemes}}}\n");
        let document = Document::parse(text.as_bytes(), "a.yaml").unwrap();
        let (node, findings) = auth(&document.root, "acme");
        (node.to_json().to_string(), findings[0].level, findings[0].what.clone())
    }

    #[test]
    fn schemes_become_credentials() {
        for (schemes, security, expected, says) in [
            (
                "{a: {type: http, scheme: Bearer}}",
                "[{a: []}]",
                r#"{"credentialsenvvar":"ACME_TOKEN","type":"bearer"}"#,
                "`ACME_TOKEN`",
            ),
            (
                "{a: {type: http, scheme: basic}}",
                "[]",
                r#"{"password_var":"ACME_PASSWORD","type":"basic","username_var":"ACME_USERNAME"}"#,
                "`ACME_USERNAME`",
            ),
            (
                "{a: {type: apiKey, in: header, name: X-Key}}",
                "[{a: []}]",
                r#"{"credentialsenvvar":"ACME_API_KEY","location":"header","name":"X-Key","type":"custom"}"#,
                "`X-Key` in the header",
            ),
            (
                "{a: {type: apiKey, in: cookie, name: sid}}",
                "[{a: []}]",
                r#"{"credentialsenvvar":"ACME_API_KEY","location":"header","name":"Cookie","type":"custom","valuePrefix":"sid="}"#,
                "`sid` in the cookie",
            ),
            (
                "{a: {type: oauth2, flows: {clientCredentials: {tokenUrl: 'https://x/t'}}}}",
                "[{a: []}]",
                r#"{"client_id_env_var":"ACME_CLIENT_ID","client_secret_env_var":"ACME_CLIENT_SECRET","grant_type":"client_credentials","token_url":"https://x/t","type":"oauth2"}"#,
                "`ACME_CLIENT_ID` and `ACME_CLIENT_SECRET`; tokens come from `https://x/t`",
            ),
            (
                "{a: {type: oauth2, flows: {clientCredentials: {tokenUrl: 'https://x/t', scopes: {read: r, write: w}}}}}",
                "[{a: [read]}]",
                r#"{"client_id_env_var":"ACME_CLIENT_ID","client_secret_env_var":"ACME_CLIENT_SECRET","grant_type":"client_credentials","scopes":["read"],"token_url":"https://x/t","type":"oauth2"}"#,
                "`ACME_CLIENT_ID`",
            ),
            (
                "{a: {type: oauth2, flows: {authorizationCode: {tokenUrl: 'https://x/t'}}}}",
                "[{a: []}]",
                r#"{"credentialsenvvar":"ACME_TOKEN","type":"bearer"}"#,
                "get an access token yourself",
            ),
            ("{a: {type: mutualTLS}}", "[{a: []}]", r#"{"type":"null_auth"}"#, "none of its schemes"),
            ("{}", "[]", r#"{"type":"null_auth"}"#, "names no credential"),
        ] {
            let (node, _, what) = of(schemes, security);
            assert_eq!(node, expected, "{schemes}");
            assert!(what.contains(says), "{what}");
        }
    }

    #[test]
    fn two_keys_are_sent_together_and_the_better_alternative_is_taken() {
        let two = "{key: {type: apiKey, in: header, name: K}, app: {type: apiKey, in: header, name: A}, b: {type: http, scheme: bearer}}";
        let (node, level, what) = of(two, "[{key: [], app: []}]");
        assert!(node.contains("ACME_KEY") && node.contains("ACME_APP") && node.contains("successor"), "{node}");
        assert_eq!(level, Level::Sure);
        assert!(what.contains("`ACME_KEY` and `ACME_APP`"), "{what}");
        let (node, ..) = of(two, "[{key: [], app: []}, {b: []}]");
        assert!(node.contains("bearer"), "{node}");
    }
}
