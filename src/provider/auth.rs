//! How calls are authenticated, as documents say it.
//!
//! *Owns*: `config.auth` → [`Auth`].
//! *Does not own*: credentials, signing (`http`).
//! *Invariants*: names of variables, never values; what this version cannot do is [`Auth::Unsupported`], which fails
//! only when a call is made.

use std::collections::BTreeMap;

use super::document::{Document, Node};
use super::model::{
    ApiKey, Auth, BasicVariables, ClientCredentials, HmacAuth, HmacHash, Location, Placed, SignatureEncoding,
};
use super::parameters::location;
use crate::error::Result;

/// Reads an `auth` configuration; `None` is no credential.
///
/// # Errors
/// `Provider` when an `hmac` description is not complete.
pub(super) fn auth(document: &Document, node: Option<&Node>) -> Result<Auth> {
    let Some(node) = node.filter(|node| node.is_map()) else { return Ok(Auth::None) };
    let text = |key: &str| node.text_of(key).filter(|text| !text.is_empty());
    let kind = text("type").unwrap_or_default();
    let unsupported = |why: &str| Auth::Unsupported { kind: format!("{kind}{why}") };
    let no_variable = || unsupported(" without `credentialsenvvar`");
    let prefix = |default: &str| text("valuePrefix").unwrap_or(default).to_owned();
    Ok(match kind {
        "" | "none" | "null_auth" => Auth::None,
        "bearer" => text("credentialsenvvar").map_or_else(no_variable, |variable| Auth::Bearer {
            variable: variable.to_owned(),
            prefix: prefix("Bearer "),
            optional: node.says("optional"),
        }),
        "api_key" if text("name").is_none() => {
            text("credentialsenvvar").map_or_else(no_variable, |variable| {
                let key = ApiKey {
                    location: Location::Header,
                    name: "Authorization".to_owned(),
                    // What the format sends when a document gives no prefix.
                    prefix: prefix("api_key "),
                    variable: variable.to_owned(),
                };
                Auth::ApiKey { keys: vec![key] }
            })
        }
        "basic" => basic_variables(node)
            .map_or_else(no_variable, |variables| Auth::Basic { variables, prefix: prefix("Basic ") }),
        "custom" | "api_key" => match custom_keys(node) {
            Some(keys) => Auth::ApiKey { keys },
            None => unsupported(" without `name`, `location` and `credentialsenvvar`"),
        },
        "hmac" => Auth::Hmac(Box::new(hmac(document, node)?)),
        "oauth2" => client_credentials(node).unwrap_or_else(|| unsupported(" other than client credentials")),
        _ => unsupported(""),
    })
}

/// The registry's form of `oauth2`; of its grants, only client credentials need no person.
fn client_credentials(node: &Node) -> Option<Auth> {
    let grant = node.text_of("grant_type").unwrap_or("client_credentials");
    let scopes = node.get("scopes").map_or(&[][..], Node::items);
    let client = ClientCredentials {
        id_variable: node.text_of("client_id_env_var")?.to_owned(),
        secret_variable: node.text_of("client_secret_env_var")?.to_owned(),
        token_url: node.text_of("token_url").filter(|url| !url.is_empty())?.to_owned(),
        scopes: scopes.iter().filter_map(Node::text).map(str::to_owned).collect(),
    };
    (grant == "client_credentials").then(|| Auth::ClientCredentials(Box::new(client)))
}

fn basic_variables(node: &Node) -> Option<BasicVariables> {
    for (user, password) in [("username_var", "password_var"), ("api_key_var", "api_secret_var")] {
        if let (Some(user), Some(password)) = (node.text_of(user), node.text_of(password)) {
            return Some(BasicVariables::Pair { user: user.to_owned(), password: password.to_owned() });
        }
    }
    node.text_of("credentialsenvvar").map(|variable| BasicVariables::Encoded { variable: variable.to_owned() })
}

/// The keys of a chain of `successor`s.
fn custom_keys(node: &Node) -> Option<Vec<ApiKey>> {
    let mut keys = Vec::new();
    let mut next = Some(node);
    while let Some(node) = next {
        let place = node.text_of("location").map_or(Some(Location::Header), location)?;
        if !matches!(place, Location::Header | Location::Query) {
            return None;
        }
        keys.push(ApiKey {
            location: place,
            name: node.text_of("name")?.to_owned(),
            prefix: node.text_of("valuePrefix").unwrap_or_default().to_owned(),
            variable: node.text_of("credentialsenvvar")?.to_owned(),
        });
        next = node.get("successor").filter(|successor| successor.is_map());
    }
    Some(keys)
}

fn hmac(document: &Document, node: &Node) -> Result<HmacAuth> {
    let error = |what: String| document.error(what, &["config", "auth"]);
    let need = |key: &str| {
        node.text_of(key).map(str::to_owned).ok_or_else(|| error(format!("`auth.type: hmac` needs `{key}`")))
    };
    let hash = match node.text_of("hash").unwrap_or("sha256") {
        "sha256" => HmacHash::Sha256,
        "sha512" => HmacHash::Sha512,
        other => {
            return Err(error(format!("the hash `{other}` is not known")).hint("the hashes are `sha256` and `sha512`"));
        }
    };
    let encoding = match node.text_of("encoding").unwrap_or("hex") {
        "hex" => SignatureEncoding::Hex,
        "base64" => SignatureEncoding::Base64,
        other => {
            return Err(
                error(format!("the encoding `{other}` is not known")).hint("the encodings are `hex` and `base64`")
            );
        }
    };
    let envelope: BTreeMap<String, String> = node
        .get("envelope")
        .into_iter()
        .flat_map(Node::entries)
        .filter_map(|(name, value)| Some((name.to_owned(), value.scalar_text()?.into_owned())))
        .collect();
    let placed = |item: &Node| {
        Some(Placed {
            location: location(item.text_of("in")?)
                .filter(|place| matches!(place, Location::Header | Location::Query | Location::Body))?,
            name: item.text_of("name")?.to_owned(),
            value: item.text_of("value")?.to_owned(),
        })
    };
    let items = node.get("place").map_or(&[][..], Node::items);
    let place: Option<Vec<Placed>> = items.iter().map(placed).collect();
    let place = place
        .filter(|place| !place.is_empty())
        .ok_or_else(|| error("`auth.place` needs a list of `{in: header | query | body, name, value}`".to_owned()))?;
    Ok(HmacAuth {
        id_variable: need("idenvvar")?,
        key_variable: need("credentialsenvvar")?,
        hash,
        encoding,
        message: need("message")?,
        envelope,
        place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Auth> {
        let document = Document::parse(format!("auth: {text}").as_bytes(), "provider.yaml").unwrap();
        auth(&document, document.root.get("auth"))
    }

    fn key(location: Location, name: &str, prefix: &str, variable: &str) -> ApiKey {
        ApiKey { location, name: name.to_owned(), prefix: prefix.to_owned(), variable: variable.to_owned() }
    }

    #[test]
    fn kinds() {
        let bearer = |prefix: &str, optional: bool| Auth::Bearer {
            variable: "T".to_owned(),
            prefix: prefix.to_owned(),
            optional,
        };
        let pair = || BasicVariables::Pair { user: "U".to_owned(), password: "P".to_owned() };
        for (text, expected) in [
            ("~", Auth::None),
            ("{type: null_auth}", Auth::None),
            ("{type: none}", Auth::None),
            ("{type: bearer, credentialsenvvar: T}", bearer("Bearer ", false)),
            ("{type: bearer, credentialsenvvar: T, valuePrefix: 'T ', optional: true}", bearer("T ", true)),
            (
                "{type: api_key, credentialsenvvar: T, valuePrefix: 'SSWS '}",
                Auth::ApiKey { keys: vec![key(Location::Header, "Authorization", "SSWS ", "T")] },
            ),
            (
                "{type: basic, username_var: U, password_var: P}",
                Auth::Basic { variables: pair(), prefix: "Basic ".to_owned() },
            ),
            (
                "{type: basic, credentialsenvvar: T}",
                Auth::Basic {
                    variables: BasicVariables::Encoded { variable: "T".to_owned() },
                    prefix: "Basic ".to_owned(),
                },
            ),
            (
                "{type: custom, location: header, name: A, credentialsenvvar: T, successor: {type: custom, location: query, name: B, credentialsenvvar: T2}}",
                Auth::ApiKey { keys: vec![key(Location::Header, "A", "", "T"), key(Location::Query, "B", "", "T2")] },
            ),
            (
                "{type: oauth2, grant_type: client_credentials, client_id_env_var: I, client_secret_env_var: S, token_url: 'https://t.test/token', scopes: [read, write]}",
                Auth::ClientCredentials(Box::new(ClientCredentials {
                    id_variable: "I".to_owned(),
                    secret_variable: "S".to_owned(),
                    token_url: "https://t.test/token".to_owned(),
                    scopes: vec!["read".to_owned(), "write".to_owned()],
                })),
            ),
            (
                "{type: oauth2, grant_type: authorization_code}",
                Auth::Unsupported { kind: "oauth2 other than client credentials".to_owned() },
            ),
            ("{type: aws_signing_v4}", Auth::Unsupported { kind: "aws_signing_v4".to_owned() }),
            (
                "{type: bearer, credentialsfilepath: /x}",
                Auth::Unsupported { kind: "bearer without `credentialsenvvar`".to_owned() },
            ),
        ] {
            assert_eq!(of(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn hmac_is_data() {
        let text = "{type: hmac, idenvvar: I, credentialsenvvar: K, hash: sha512, encoding: hex, message: '{path}|{body}|{timestamp}', \
                    envelope: {api_id: '{id}', api_partialkey: '{key:0:64}'}, place: [{in: body, name: req, value: '{body}'}, {in: body, name: signature, value: '{signature}'}]}";
        let Auth::Hmac(hmac) = of(text).unwrap() else { panic!("not hmac") };
        assert_eq!(
            (hmac.hash, hmac.encoding, hmac.message.as_str()),
            (HmacHash::Sha512, SignatureEncoding::Hex, "{path}|{body}|{timestamp}")
        );
        assert_eq!(hmac.envelope["api_partialkey"], "{key:0:64}");
        assert_eq!(
            hmac.place[1],
            Placed { location: Location::Body, name: "signature".to_owned(), value: "{signature}".to_owned() }
        );
        for broken in [
            text.replace("sha512", "md5"),
            text.replace("hex", "rot13"),
            text.replace("idenvvar: I,", ""),
            text.replace("in: body", "in: path"),
        ] {
            assert!(of(&broken).is_err(), "{broken}");
        }
    }
}
