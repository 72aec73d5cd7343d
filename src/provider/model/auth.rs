//! How calls are authenticated: names of variables, never values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Location;

/// How calls are authenticated; names of variables, never values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    /// No credential.
    None,
    /// `Authorization: Bearer TOKEN` (or another prefix).
    Bearer {
        /// The variable that holds the token.
        variable: String,
        /// What stands before the token; `"Bearer "` unless the document says otherwise.
        prefix: String,
        /// Whether calls without a token are sensible (public data).
        optional: bool,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// The variables.
        variables: BasicVariables,
        /// What stands before the value.
        prefix: String,
    },
    /// A key in a header or query parameter; several for APIs that want two.
    ApiKey {
        /// Each key.
        keys: Vec<ApiKey>,
    },
    /// A keyed hash over parts of the request.
    Hmac(Box<HmacAuth>),
    /// OAuth 2 client credentials (RFC 6749 §4.4): a token is fetched, and sent as a bearer token.
    ClientCredentials(Box<ClientCredentials>),
    /// A type this version cannot do: calls fail with a message that names it.
    Unsupported {
        /// The document's `type`.
        kind: String,
    },
}

impl Auth {
    /// The environment variables that hold its credentials, as the document names them.
    pub fn variables(&self) -> Vec<&str> {
        match self {
            Self::None | Self::Unsupported { .. } => Vec::new(),
            Self::Basic { variables: BasicVariables::Pair { user, password }, .. } => {
                vec![user, password]
            }
            Self::Bearer { variable, .. } | Self::Basic { variables: BasicVariables::Encoded { variable }, .. } => {
                vec![variable]
            }
            Self::ApiKey { keys } => keys.iter().map(|key| key.variable.as_str()).collect(),
            Self::Hmac(hmac) => vec![&hmac.id_variable, &hmac.key_variable],
            Self::ClientCredentials(client) => vec![&client.id_variable, &client.secret_variable],
        }
    }
}

/// Which variables hold a basic credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasicVariables {
    /// One for the user, one for the password.
    Pair {
        /// The user's variable.
        user: String,
        /// The password's variable.
        password: String,
    },
    /// One that holds the base64 text.
    Encoded {
        /// The variable.
        variable: String,
    },
}

/// A key in a header or in the query string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// `Header` or `Query`.
    pub location: Location,
    /// The header's or parameter's name.
    pub name: String,
    /// What stands before the key.
    pub prefix: String,
    /// The variable that holds the key.
    pub variable: String,
}

/// Where a client gets its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCredentials {
    /// The variable that holds the client's id.
    pub id_variable: String,
    /// The variable that holds its secret.
    pub secret_variable: String,
    /// The URL that gives tokens; `{{ .__env__NAME }}` in it is the value of an environment variable.
    pub token_url: String,
    /// What is asked for.
    pub scopes: Vec<String>,
}

/// Request signing, described as data. Templates hold `{method}`, `{path}` (the operation's path without the leading
/// slash), `{body}` (the body after `envelope`), `{timestamp}` (Unix seconds), `{id}`, `{key}`, `{key:0:64}` (a slice
/// by characters) and, in `place` only, `{signature}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HmacAuth {
    /// The variable that holds the public half.
    pub id_variable: String,
    /// The variable that holds the key.
    pub key_variable: String,
    /// `sha256`, `sha512` or `sha1`.
    pub hash: HmacHash,
    /// How the signature is written.
    pub encoding: SignatureEncoding,
    /// The template that is signed.
    pub message: String,
    /// Fields added to the body before it is signed; each value is a template.
    pub envelope: BTreeMap<String, String>,
    /// What is sent, and where.
    pub place: Vec<Placed>,
}

/// The hash of an HMAC (RFC 2104).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HmacHash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureEncoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// One value that signing puts into the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// `Header`, `Query`, or `Body`: then the whole body becomes a form of these fields.
    pub location: Location,
    /// The name.
    pub name: String,
    /// A template.
    pub value: String,
}
