//! Who may ask: credentials of the sandbox's own, checked as the document says they are sent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Sha256, Sha512};
use url::form_urlencoded;

use super::Incoming;
use super::arguments::query_pairs;
use super::base64;
use super::body::object;
use super::chance::{Chance, Part};
use super::refusal::Refusal;
use crate::provider::{
    Auth, BasicVariables, ClientCredentials, HmacAuth, HmacHash, Location, Method, Placed, Service, SignatureEncoding,
};

/// How far a nonce may lie from the sandbox's clock, in seconds.
const NONCE_WINDOW: u64 = 300;
/// The lengths of the two halves of a signing credential: those that `LunaNode`'s clients insist on.
const ID_LENGTH: usize = 16;
const KEY_LENGTH: usize = 128;

/// The values of the variables that the document names.
pub(super) struct Credentials(BTreeMap<String, SecretString>);

/// Who asks.
#[derive(Debug, PartialEq)]
pub(super) enum Caller {
    /// Somebody without a credential, where that is allowed.
    Anonymous,
    Known,
    /// Somebody who signed this body.
    Signed(Map<String, Value>),
}

impl Credentials {
    /// One value per variable; `given` takes the place of those made here.
    pub(super) fn new(services: &[Arc<Service>], given: &BTreeMap<String, SecretString>) -> Self {
        let methods = services
            .iter()
            .flat_map(|service| service.resources.values())
            .flat_map(|resource| resource.methods.values());
        let mut values = BTreeMap::new();
        for auth in methods.map(|method| &method.auth) {
            for variable in auth.variables() {
                if !values.contains_key(variable) {
                    let value = given.get(variable).cloned().unwrap_or_else(|| made(auth, variable));
                    values.insert(variable.to_owned(), value);
                }
            }
        }
        Self(values)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose_secret()))
    }

    fn value(&self, variable: &str) -> &str {
        self.0.get(variable).map(ExposeSecret::expose_secret).unwrap_or_default()
    }
}

impl fmt::Debug for Credentials {
    /// Names; no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A value that can be told from a real one at sight. It does not depend on the seed: scripts may name it.
fn made(auth: &Auth, variable: &str) -> SecretString {
    let mut chance = Chance::new(&[Part::Text("credential"), Part::Text(variable)]);
    let value = match auth {
        Auth::Hmac(hmac) if hmac.id_variable == variable => chance.hex(ID_LENGTH).to_uppercase(),
        Auth::Hmac(_) => chance.hex(KEY_LENGTH),
        Auth::Basic { variables: BasicVariables::Encoded { .. }, .. } => {
            base64::encode(format!("sandbox:{}", plain(variable)).as_bytes())
        }
        _ => plain(variable),
    };
    SecretString::from(value)
}

/// `LINODE_TOKEN` → `sandbox-linode-token`
fn plain(variable: &str) -> String {
    format!("sandbox-{}", variable.to_ascii_lowercase().replace('_', "-"))
}

/// Checks a request against the way its operation is authenticated. `path` is the operation's, as it was sent.
///
/// # Errors
/// 401 when the credential is missing or wrong.
pub(super) fn admit(
    method: &Method,
    credentials: &Credentials,
    incoming: &Incoming,
    path: &str,
    now: SystemTime,
) -> Result<Caller, Refusal> {
    let header = |name: &str| incoming.headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = header(AUTHORIZATION.as_str());
    let authorized = |wanted: String| match authorization {
        Some(sent) if alike(sent.as_bytes(), wanted.as_bytes()) => Ok(Caller::Known),
        Some(_) => Err(unauthorized("Invalid token")),
        None => Err(unauthorized("Authentication is required")),
    };
    match &method.auth {
        Auth::None | Auth::Unsupported { .. } => Ok(Caller::Known),
        Auth::Bearer { optional: true, .. } if authorization.is_none() => Ok(Caller::Anonymous),
        Auth::Bearer { variable, prefix, .. } => authorized(format!("{prefix}{}", credentials.value(variable))),
        Auth::Basic { variables, prefix } => authorized(match variables {
            BasicVariables::Encoded { variable } => {
                format!("{prefix}{}", credentials.value(variable))
            }
            BasicVariables::Pair { user, password } => {
                let pair = format!("{}:{}", credentials.value(user), credentials.value(password));
                format!("{prefix}{}", base64::encode(pair.as_bytes()))
            }
        }),
        Auth::ApiKey { keys } => {
            let query = query_pairs(incoming.url.query());
            for key in keys {
                let wanted = format!("{}{}", key.prefix, credentials.value(&key.variable));
                let sent = match key.location {
                    Location::Query => {
                        query.iter().find(|(name, _)| *name == key.name).map(|(_, value)| value.as_str())
                    }
                    _ => header(&key.name),
                };
                match sent {
                    Some(sent) if alike(sent.as_bytes(), wanted.as_bytes()) => {}
                    Some(_) => return Err(unauthorized("Invalid key")),
                    None => return Err(unauthorized("Authentication is required")),
                }
            }
            Ok(Caller::Known)
        }
        Auth::Hmac(hmac) => signed(hmac, credentials, incoming, path, now),
        Auth::ClientCredentials(client) => authorized(format!("Bearer {}", given_token(client))),
    }
}

/// The token that a client is given: one for each, told from a real one at sight.
fn given_token(client: &ClientCredentials) -> String {
    plain(&client.id_variable).replace("client-id", "token")
}

/// The answer to a request for a token (RFC 6749 §4.4); `None` for any other request.
pub(super) fn token(auths: &[Auth], credentials: &Credentials, incoming: &Incoming) -> Option<Result<Value, Refusal>> {
    let fields: BTreeMap<String, String> = form_urlencoded::parse(&incoming.body).into_owned().collect();
    if incoming.method != http::Method::POST || fields.get("grant_type")? != "client_credentials" {
        return None;
    }
    let clients = auths.iter().filter_map(|auth| match auth {
        Auth::ClientCredentials(client) => Some(client),
        _ => None,
    });
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let header = incoming.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    for client in clients {
        let (id, secret) = (credentials.value(&client.id_variable), credentials.value(&client.secret_variable));
        let basic = format!("Basic {}", base64::encode(format!("{}:{}", encoded(id), encoded(secret)).as_bytes()));
        let by_header = header.is_some_and(|sent| alike(sent.as_bytes(), basic.as_bytes()));
        let is =
            |name: &str, wanted: &str| fields.get(name).is_some_and(|sent| alike(sent.as_bytes(), wanted.as_bytes()));
        if by_header || is("client_id", id) && is("client_secret", secret) {
            let answer =
                serde_json::json!({"access_token": given_token(client), "token_type": "Bearer", "expires_in": 3600});
            return Some(Ok(answer));
        }
    }
    Some(Err(unauthorized("invalid_client")))
}

fn unauthorized(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, message)
}

/// What templates of a signature are filled with.
struct Parts<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a str,
    timestamp: &'a str,
    id: &'a str,
    key: &'a str,
    signature: &'a str,
}

/// Recomputes the signature over what was sent. One message for everything that can be wrong, as the API has it.
fn signed(
    hmac: &HmacAuth,
    credentials: &Credentials,
    incoming: &Incoming,
    path: &str,
    now: SystemTime,
) -> Result<Caller, Refusal> {
    let failure = || unauthorized("authentication failure: the nonce, the id or the key is wrong");
    let sent = Sent::new(incoming);
    let of_template = |wanted: &str| hmac.place.iter().find(|placed| placed.value == wanted);
    let timestamp = match of_template("{timestamp}") {
        Some(placed) => sent.value(placed).ok_or_else(failure)?,
        None => String::new(),
    };
    if hmac.message.contains("{timestamp}") || !timestamp.is_empty() {
        let nonce: u64 = timestamp.parse().map_err(|_| failure())?;
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if nonce.abs_diff(now) > NONCE_WINDOW {
            return Err(failure());
        }
    }
    let body = match of_template("{body}") {
        Some(placed) => sent.value(placed).ok_or_else(failure)?,
        None => String::from_utf8(incoming.body.to_vec()).map_err(|_| failure())?,
    };
    let mut parts = Parts {
        method: incoming.method.as_str(),
        path,
        body: &body,
        timestamp: &timestamp,
        id: credentials.value(&hmac.id_variable),
        key: credentials.value(&hmac.key_variable),
        signature: "",
    };
    let signature = signature(hmac, &parts).ok_or_else(failure)?;
    parts.signature = &signature;
    for placed in &hmac.place {
        let wanted = rendered(&placed.value, &parts).ok_or_else(failure)?;
        let is_right = sent.value(placed).is_some_and(|sent| alike(sent.as_bytes(), wanted.as_bytes()));
        if !is_right {
            return Err(failure());
        }
    }
    let mut fields = if body.is_empty() { Map::new() } else { object(body.as_bytes()).unwrap_or_default() };
    for (name, template) in &hmac.envelope {
        let wanted = rendered(template, &parts).ok_or_else(failure)?;
        let is_right = fields
            .remove(name)
            .is_some_and(|sent| sent.as_str().is_some_and(|sent| alike(sent.as_bytes(), wanted.as_bytes())));
        if !is_right {
            return Err(failure());
        }
    }
    Ok(Caller::Signed(fields))
}

/// The values of a request by place.
struct Sent<'a> {
    incoming: &'a Incoming,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
}

impl<'a> Sent<'a> {
    fn new(incoming: &'a Incoming) -> Self {
        let form = form_urlencoded::parse(&incoming.body).into_owned().collect();
        Self { incoming, query: query_pairs(incoming.url.query()), form }
    }

    fn value(&self, placed: &Placed) -> Option<String> {
        let find = |pairs: &[(String, String)]| {
            pairs.iter().find(|(name, _)| *name == placed.name).map(|(_, value)| value.clone())
        };
        match placed.location {
            Location::Header => self.incoming.headers.get(&placed.name)?.to_str().ok().map(str::to_owned),
            Location::Body => find(&self.form),
            _ => find(&self.query),
        }
    }
}

fn signature(hmac: &HmacAuth, parts: &Parts<'_>) -> Option<String> {
    let message = rendered(&hmac.message, parts)?;
    let bytes = match hmac.hash {
        HmacHash::Sha256 => {
            let mut mac = Hmac::<Sha256>::new_from_slice(parts.key.as_bytes()).ok()?;
            mac.update(message.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        HmacHash::Sha512 => {
            let mut mac = Hmac::<Sha512>::new_from_slice(parts.key.as_bytes()).ok()?;
            mac.update(message.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
    };
    Some(match hmac.encoding {
        SignatureEncoding::Base64 => base64::encode(&bytes),
        SignatureEncoding::Hex => {
            let digit = |value: u8| char::from_digit(u32::from(value), 16);
            bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(digit).collect()
        }
    })
}

/// A template with its words filled in, in one pass: what is filled in may hold braces. `None` for a word that is not
/// known.
fn rendered(template: &str, parts: &Parts<'_>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (word, behind) = after.split_once('}')?;
        match word {
            "method" => out.push_str(parts.method),
            "path" => out.push_str(parts.path),
            "body" => out.push_str(parts.body),
            "timestamp" => out.push_str(parts.timestamp),
            "id" => out.push_str(parts.id),
            "key" => out.push_str(parts.key),
            "signature" => out.push_str(parts.signature),
            slice => {
                let (start, end) = slice.strip_prefix("key:")?.split_once(':')?;
                let (start, end): (usize, usize) = (start.parse().ok()?, end.parse().ok()?);
                out.extend(parts.key.chars().skip(start).take(end.checked_sub(start)?));
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}

/// Compares in a time that does not depend on where the texts differ.
fn alike(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use url::Url;

    use super::super::testing::{luna_hmac, method};
    use super::*;
    use crate::provider::ApiKey;

    /// An independent computation: Python's hmac and openssl agree on this signature.
    const REQ: &str = r#"{"region":"toronto","api_id":"ABCDEFGH12345678","api_partialkey":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}"#;
    const SIGNATURE: &str = "ac4c1657f2855250730e5e4c571d8b05b031519245f1b6949117469e90ec0dca26d67291ce5fe3a0237dc4ad48e0b5e4c4d56649965a1fdd6e37e74bd4b695b3";

    fn credentials(pairs: &[(&str, &str)]) -> Credentials {
        Credentials(pairs.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect())
    }

    fn incoming(url: &str, headers: &[(&str, &str)], body: &str) -> Incoming {
        let url = Url::parse(url).unwrap();
        Incoming {
            method: http::Method::POST,
            path: url.path().to_owned(),
            url,
            headers: headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
            body: Bytes::from(body.to_owned()),
        }
    }

    #[test]
    fn the_signature_of_the_vector_is_accepted_and_nothing_near_it() {
        let key = "0123456789abcdef".repeat(8);
        let known = credentials(&[("LUNANODE_API_ID", "ABCDEFGH12345678"), ("LUNANODE_API_KEY", &key)]);
        let operation = Method { auth: Auth::Hmac(Box::new(luna_hmac())), ..method("/image/list/") };
        let ask = |req: &str, signature: &str, nonce: &str, path: &str, at: u64| {
            let body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("handler", "image/list/"), ("req", req), ("signature", signature), ("nonce", nonce)])
                .finish();
            let incoming = incoming("http://localhost/api/image/list/", &[], &body);
            admit(&operation, &known, &incoming, path, UNIX_EPOCH + Duration::from_secs(at))
        };
        let right = |at| ask(REQ, SIGNATURE, "1700000000", "image/list/", at);
        let Ok(Caller::Signed(fields)) = right(1_700_000_000) else { panic!("the vector is right") };
        assert_eq!(Value::Object(fields), serde_json::json!({"region": "toronto"}));
        assert!(right(1_700_000_300).is_ok() && right(1_699_999_700).is_ok());
        for at in [1_700_000_301, 1_699_999_699] {
            assert!(right(at).is_err(), "a nonce too old or too new");
        }
        let at = 1_700_000_000;
        assert!(ask(&REQ.replace("toronto", "roubaix"), SIGNATURE, "1700000000", "image/list/", at).is_err());
        assert!(ask(REQ, SIGNATURE, "1700000001", "image/list/", at).is_err());
        assert!(ask(REQ, SIGNATURE, "soon", "image/list/", at).is_err());
        assert!(ask(REQ, SIGNATURE, "1700000000", "image/delete/", at).is_err());
        assert!(ask(REQ, &SIGNATURE.to_uppercase(), "1700000000", "image/list/", at).is_err());
        assert!(ask(REQ, "", "", "image/list/", at).is_err());
        let refusal = ask("", "", "1700000000", "image/list/", at).unwrap_err();
        assert!(refusal.message().starts_with("authentication failure"));
    }

    #[test]
    fn a_right_signature_with_a_wrong_id_or_partial_key_is_refused() {
        let key = "0123456789abcdef".repeat(8);
        let known = credentials(&[("LUNANODE_API_ID", "ABCDEFGH12345678"), ("LUNANODE_API_KEY", &key)]);
        let hmac = luna_hmac();
        let operation = Method { auth: Auth::Hmac(Box::new(hmac.clone())), ..method("/image/list/") };
        for req in [
            REQ.replace("ABCDEFGH", "HGFEDCBA"),
            REQ.replace("\"0123456789abcdef", "\"fedcba9876543210"),
            r#"{"region":"toronto"}"#.to_owned(),
            "[]".to_owned(),
            "not json".to_owned(),
        ] {
            let parts = Parts {
                method: "POST",
                path: "image/list/",
                body: &req,
                timestamp: "1700000000",
                id: "",
                key: &key,
                signature: "",
            };
            let signature = signature(&hmac, &parts).unwrap();
            let body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("req", req.as_str()), ("signature", &signature), ("nonce", "1700000000")])
                .finish();
            let incoming = incoming("http://localhost/", &[], &body);
            let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            assert!(admit(&operation, &known, &incoming, "image/list/", now).is_err(), "{req}");
        }
    }

    #[test]
    fn tokens_passwords_and_keys_must_be_exactly_right() {
        let known = credentials(&[("T", "secret"), ("U", "Aladdin"), ("P", "open sesame"), ("A", "one"), ("B", "two")]);
        let bearer = |optional| Auth::Bearer { variable: "T".into(), prefix: "Bearer ".into(), optional };
        let basic = Auth::Basic {
            variables: BasicVariables::Pair { user: "U".into(), password: "P".into() },
            prefix: "Basic ".into(),
        };
        let key = |location, name: &str, variable: &str| ApiKey {
            location,
            name: name.into(),
            prefix: String::new(),
            variable: variable.into(),
        };
        let keys = Auth::ApiKey { keys: vec![key(Location::Header, "X-Key", "A"), key(Location::Query, "app", "B")] };
        let url = "http://localhost/x?app=two";
        // The basic value is the example of RFC 7617 §2.
        for (auth, url, headers, wanted) in [
            (bearer(false), url, vec![("authorization", "Bearer secret")], Ok(Caller::Known)),
            (bearer(false), url, vec![("authorization", "Bearer secre")], Err(401)),
            (bearer(false), url, vec![], Err(401)),
            (bearer(true), url, vec![], Ok(Caller::Anonymous)),
            (bearer(true), url, vec![("authorization", "Bearer x")], Err(401)),
            (basic.clone(), url, vec![("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")], Ok(Caller::Known)),
            (basic, url, vec![("authorization", "Basic QWxhZGRpbg==")], Err(401)),
            (keys.clone(), url, vec![("x-key", "one")], Ok(Caller::Known)),
            (keys.clone(), "http://localhost/x", vec![("x-key", "one")], Err(401)),
            (keys, url, vec![("x-key", "two")], Err(401)),
            (Auth::None, url, vec![], Ok(Caller::Known)),
        ] {
            let operation = Method { auth, ..method("/x") };
            let got = admit(&operation, &known, &incoming(url, &headers, ""), "x", UNIX_EPOCH);
            assert_eq!(got.map_err(|refusal| refusal.status.as_u16()), wanted, "{headers:?}");
        }
    }

    #[test]
    fn credentials_are_made_in_the_right_length_and_never_shown() {
        let hmac = Auth::Hmac(Box::new(luna_hmac()));
        assert_eq!(made(&hmac, "LUNANODE_API_ID").expose_secret().len(), 16);
        assert_eq!(made(&hmac, "LUNANODE_API_KEY").expose_secret().len(), 128);
        assert_eq!(plain("LINODE_TOKEN"), "sandbox-linode-token");
        assert_eq!(format!("{:?}", credentials(&[("T", "secret")])), r#"{"T"}"#);
    }
}
