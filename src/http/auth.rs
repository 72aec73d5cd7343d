//! Credentials: how each kind is put into a request, and where it may go.
//!
//! A credential is bound to the origins its owner allows and is added last. It is never part of a message: errors
//! name the variable it came from.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::grant::Grant;
use super::origin::{is_private, origin, origin_of_text};
use super::signing::{HmacSigning, Signer, base64, hex};
use super::{HeaderName, HeaderValue, Request, Url};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result, without};

/// How many of the tokens that were got are known, and kept out of messages.
const TOKENS_KEPT: usize = 2;

/// A secret and the variable it came from, which messages name.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The variable's name.
    pub source: String,
    /// The secret itself.
    pub value: SecretString,
}

impl Secret {
    /// A secret from `source`.
    pub fn new(source: impl Into<String>, value: impl Into<String>) -> Self {
        Self { source: source.into(), value: SecretString::from(value.into()) }
    }

    pub(crate) fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

/// How requests are authenticated.
#[derive(Debug, Clone)]
pub enum AuthScheme {
    /// `Authorization: {prefix}{token}`.
    Bearer {
        /// What stands before the token, its blank included.
        prefix: String,
        /// The token.
        token: Secret,
    },
    /// `Authorization: {prefix}{base64}` (RFC 7617).
    Basic {
        /// What stands before the value, its blank included.
        prefix: String,
        /// The user and the password.
        credential: BasicCredential,
    },
    /// Keys in headers or in the query string.
    Keys(Vec<PlacedKey>),
    /// A keyed hash over parts of the request.
    Hmac(Box<HmacSigning>),
    /// `Authorization: Bearer {token}`, where the token is asked for first (RFC 6749 §4.4).
    Grant(Box<Grant>),
}

/// A user and a password.
#[derive(Debug, Clone)]
pub enum BasicCredential {
    /// In the clear; encoded when sent.
    Pair {
        /// The user: no colon.
        user: Secret,
        /// The password.
        password: Secret,
    },
    /// Already the base64 text of `user:password`.
    Encoded(Secret),
}

/// A key and where it goes.
#[derive(Debug, Clone)]
pub struct PlacedKey {
    /// Header or query string.
    pub location: KeyLocation,
    /// The header's or parameter's name.
    pub name: String,
    /// What stands before the key.
    pub prefix: String,
    /// The key.
    pub key: Secret,
}

/// Where a key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLocation {
    /// Into a header.
    Header,
    /// Into the query string.
    Query,
}

/// What signing needs to know besides the request.
#[derive(Debug, Clone, Copy)]
pub struct SignTarget<'a> {
    /// The operation's path as the API's signing rules mean it: `{path}` of a template.
    pub path: &'a str,
}

/// A credential, ready to be added to requests for the origins it is allowed at.
#[derive(Clone)]
pub struct Authorizer {
    means: Means,
    sources: Vec<String>,
    fingerprint: String,
    allowed_origins: Vec<String>,
}

#[derive(Clone)]
enum Means {
    Header {
        name: HeaderName,
        prefix: String,
        value: BasicOrToken,
    },
    Keys(Vec<(KeyPlace, PlacedKey)>),
    Hmac(Box<Signer>),
    /// The tokens are there once [`super::Client`] has got them, the one in use last; clones share them.
    Grant {
        grant: Arc<Grant>,
        tokens: Arc<Mutex<Vec<SecretString>>>,
    },
}

#[derive(Clone)]
enum BasicOrToken {
    Token(Secret),
    Basic(BasicCredential),
}

#[derive(Clone)]
enum KeyPlace {
    Header(HeaderName),
    Query,
}

impl Authorizer {
    /// Checks a scheme and binds it to origins, given as origins or as URLs whose origin is meant.
    ///
    /// # Errors
    /// `Auth` when a credential cannot be sent as the scheme says: a line break in a token, a colon in a user name, a
    /// key shorter than the slice that a template takes. `Provider` when a header's name or a template is wrong.
    pub fn new(scheme: AuthScheme, allowed_origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        let secrets: Vec<&Secret> = match &scheme {
            AuthScheme::Bearer { token, .. } => vec![token],
            AuthScheme::Basic { credential: BasicCredential::Pair { user, password }, .. } => {
                vec![user, password]
            }
            AuthScheme::Basic { credential: BasicCredential::Encoded(value), .. } => vec![value],
            AuthScheme::Keys(keys) => keys.iter().map(|key| &key.key).collect(),
            AuthScheme::Hmac(hmac) => vec![&hmac.id, &hmac.key],
            AuthScheme::Grant(grant) => vec![&grant.id, &grant.secret],
        };
        let fingerprint = fingerprint(&secrets);
        let sources = secrets.iter().map(|secret| secret.source.clone()).collect();
        let authorization = http::header::AUTHORIZATION;
        let means = match scheme {
            AuthScheme::Bearer { prefix, token } => {
                Means::Header { name: authorization, prefix, value: BasicOrToken::Token(token) }
            }
            AuthScheme::Basic { prefix, credential } => {
                if let BasicCredential::Pair { user, .. } = &credential
                    && user.expose().contains(':')
                {
                    let message = format!(
                        "the user name in `{}` holds a colon, which basic authentication cannot send",
                        user.source
                    );
                    return Err(Error::new(ErrorKind::Auth, message));
                }
                Means::Header { name: authorization, prefix, value: BasicOrToken::Basic(credential) }
            }
            AuthScheme::Keys(keys) => Means::Keys(keys.into_iter().map(place_key).collect::<Result<_>>()?),
            AuthScheme::Hmac(hmac) => Means::Hmac(Box::new(Signer::new(*hmac)?)),
            AuthScheme::Grant(grant) => {
                grant.check()?;
                Means::Grant { grant: Arc::from(grant), tokens: Arc::default() }
            }
        };
        let allowed_origins = allowed_origins.into_iter().filter_map(|text| origin_of_text(text.as_ref())).collect();
        let authorizer = Self { means, sources, fingerprint, allowed_origins };
        authorizer.headers()?;
        Ok(authorizer)
    }

    /// What is asked for a token, where the credential itself is not what is sent.
    pub(super) fn grant(&self) -> Option<&Arc<Grant>> {
        match &self.means {
            Means::Grant { grant, .. } => Some(grant),
            _ => None,
        }
    }

    /// The token that requests carry from now on.
    pub(super) fn set_token(&self, new: SecretString) {
        if let Means::Grant { tokens, .. } = &self.means {
            let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.retain(|known| known.expose_secret() != new.expose_secret());
            tokens.push(new);
            // Answers to the one before may still come, and repeat it.
            let over = tokens.len().saturating_sub(TOKENS_KEPT);
            tokens.drain(..over);
        }
    }

    /// Sixteen hexadecimal digits that tell credentials apart without giving them away.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The variables the credential came from.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// The origins the credential may go to.
    pub fn allowed_origins(&self) -> &[String] {
        &self.allowed_origins
    }

    /// Whether the credential may go there.
    ///
    /// # Errors
    /// `Auth` for an origin that is not allowed, and where the way there is neither TLS nor inside this machine.
    pub fn check(&self, url: &Url) -> Result<()> {
        let wanted = origin(url);
        let named = self.sources.iter().map(|source| format!("`{source}`")).collect::<Vec<_>>().join(", ");
        if !is_private(url) {
            let message = format!("the credential in {named} is sent over TLS only, not to `{wanted}`");
            return Err(Error::new(ErrorKind::Auth, message).hint("use an `https://` URL"));
        }
        if url.origin().is_tuple() && self.allowed_origins.contains(&wanted) {
            return Ok(());
        }
        let allowed: Vec<String> = self.allowed_origins.iter().map(|origin| format!("`{origin}`")).collect();
        let hint = if allowed.is_empty() {
            "it may go nowhere".to_owned()
        } else {
            format!("it may go to {}", allowed.join(", "))
        };
        Err(Error::new(ErrorKind::Auth, format!("the credential in {named} may not go to `{wanted}`")).hint(hint))
    }

    /// The request with the credential in it, signed for now.
    ///
    /// # Errors
    /// `Auth` as [`Authorizer::check`]; `InvalidArgument` when the body cannot be signed (an envelope around what is
    /// not a JSON object).
    pub fn sign(&self, mut request: Request, target: &SignTarget<'_>, clock: &dyn Clock) -> Result<Request> {
        self.check(&request.url)?;
        let mut cookies: Vec<u8> = Vec::new();
        for (name, value) in self.headers()? {
            // Several cookies are one header (RFC 6265 §5.4).
            if name == http::header::COOKIE {
                let separator: &[u8] = if cookies.is_empty() { b"" } else { b"; " };
                cookies.extend_from_slice(&[separator, value.as_bytes()].concat());
                continue;
            }
            request.headers.insert(name, value);
        }
        if !cookies.is_empty() {
            let text = String::from_utf8_lossy(&cookies);
            let source = self.sources.first().map_or("", String::as_str);
            request.headers.insert(http::header::COOKIE, secret_header(&text, source)?);
        }
        match &self.means {
            Means::Header { .. } | Means::Grant { .. } => {}
            Means::Keys(keys) => {
                for (_, key) in keys.iter().filter(|(place, _)| matches!(place, KeyPlace::Query)) {
                    set_query(&mut request.url, &key.name, &format!("{}{}", key.prefix, key.key.expose()));
                }
            }
            Means::Hmac(signer) => signer.sign(&mut request, target.path, clock.utc())?,
        }
        Ok(request)
    }

    /// The names under which the credential goes into the query string.
    pub fn query_names(&self) -> Vec<&str> {
        match &self.means {
            Means::Keys(keys) => {
                let in_query = keys.iter().filter(|(place, _)| matches!(place, KeyPlace::Query));
                in_query.map(|(_, key)| key.name.as_str()).collect()
            }
            Means::Hmac(signer) => signer.query_names(),
            Means::Header { .. } | Means::Grant { .. } => Vec::new(),
        }
    }

    /// A text of the API's with the credential's secrets taken out, as some APIs repeat what they were sent.
    pub fn conceal(&self, text: &str) -> String {
        let taken_out = |text: String, secret: &str| concealed(&text, secret);
        match &self.means {
            Means::Header { value: BasicOrToken::Token(token), .. } => concealed(text, token.expose()),
            Means::Header { value: BasicOrToken::Basic(BasicCredential::Pair { user, password }), .. } => {
                // As it is sent it is no less a secret.
                let sent = base64(format!("{}:{}", user.expose(), password.expose()).as_bytes());
                concealed(&concealed(text, &sent), password.expose())
            }
            Means::Header { value: BasicOrToken::Basic(BasicCredential::Encoded(value)), .. } => {
                concealed(text, value.expose())
            }
            Means::Keys(keys) => keys.iter().map(|(_, key)| key.key.expose()).fold(text.to_owned(), taken_out),
            Means::Hmac(signer) => signer.secrets().into_iter().fold(text.to_owned(), taken_out),
            Means::Grant { grant, tokens } => {
                let tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
                tokens.iter().map(SecretString::expose_secret).fold(grant.conceal(text), taken_out)
            }
        }
    }

    /// The headers that hold a credential as it is.
    fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>> {
        match &self.means {
            Means::Header { name, prefix, value } => {
                let (text, source) = match value {
                    BasicOrToken::Token(token) => (token.expose().to_owned(), &token.source),
                    BasicOrToken::Basic(BasicCredential::Encoded(value)) => (value.expose().to_owned(), &value.source),
                    BasicOrToken::Basic(BasicCredential::Pair { user, password }) => {
                        (base64(format!("{}:{}", user.expose(), password.expose()).as_bytes()), &user.source)
                    }
                };
                Ok(vec![(name.clone(), secret_header(&format!("{prefix}{text}"), source)?)])
            }
            Means::Keys(keys) => keys
                .iter()
                .filter_map(|(place, key)| match place {
                    KeyPlace::Header(name) => Some((name, key)),
                    KeyPlace::Query => None,
                })
                .map(|(name, key)| {
                    let value = secret_header(&format!("{}{}", key.prefix, key.key.expose()), &key.key.source)?;
                    Ok((name.clone(), value))
                })
                .collect(),
            Means::Hmac(_) => Ok(Vec::new()),
            Means::Grant { grant, tokens } => {
                let tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(token) = tokens.last() else { return Ok(Vec::new()) };
                let value = secret_header(&format!("Bearer {}", token.expose_secret()), &grant.secret.source)?;
                Ok(vec![(http::header::AUTHORIZATION, value)])
            }
        }
    }
}

/// A text without a secret.
pub(super) fn concealed(text: &str, secret: &str) -> String {
    without(text, secret, "…")
}

impl fmt::Debug for Authorizer {
    /// Variables and origins; no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer")
            .field("sources", &self.sources)
            .field("fingerprint", &self.fingerprint)
            .field("allowed_origins", &self.allowed_origins)
            .finish_non_exhaustive()
    }
}

fn place_key(key: PlacedKey) -> Result<(KeyPlace, PlacedKey)> {
    let place = match key.location {
        KeyLocation::Header => KeyPlace::Header(header_name(&key.name)?),
        KeyLocation::Query => KeyPlace::Query,
    };
    Ok((place, key))
}

pub(crate) fn header_name(name: &str) -> Result<HeaderName> {
    name.parse().map_err(|error: http::header::InvalidHeaderName| {
        Error::new(ErrorKind::Provider, format!("the credential's header cannot be called `{name}`")).caused_by(error)
    })
}

/// A header value that is kept out of `Debug` output and of HTTP/2 header tables.
pub(crate) fn secret_header(text: &str, source: &str) -> Result<HeaderValue> {
    // `HeaderValue` takes bytes above ASCII, which servers read in different ways (RFC 9110 §5.5).
    match HeaderValue::from_str(text) {
        Ok(mut value) if text.is_ascii() => {
            value.set_sensitive(true);
            Ok(value)
        }
        _ => Err(Error::new(ErrorKind::Auth, format!("the value of `{source}` cannot be sent in a header"))
            .hint("it holds a line break or another character that is not plain ASCII: set it again")),
    }
}

/// Puts one pair into the query string, in place of pairs of the same name.
pub(crate) fn set_query(url: &mut Url, name: &str, value: &str) {
    if url.query_pairs().any(|(known, _)| known == name) {
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(known, _)| known != name)
            .map(|(k, v)| (k.into_owned(), v.into_owned()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(kept);
    }
    url.query_pairs_mut().append_pair(name, value);
}

/// The tag keeps these hashes apart from any other SHA-256 of the same secret; lengths keep `ab`+`c` from `a`+`bc`.
fn fingerprint(secrets: &[&Secret]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"skyql credential fingerprint 1\0");
    for secret in secrets {
        let bytes = secret.expose().as_bytes();
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    }
    hex(hash.finalize().as_slice())[..16].to_owned()
}

#[cfg(test)]
mod tests;
