//! Tokens that are asked for: OAuth 2 client credentials (RFC 6749 §4.4).
//!
//! *Owns*: the request for a token, how long a token lasts, asking once where many calls need one.
//! *Invariants*: id and secret go to the token URL alone, over TLS or inside this machine, and no redirect is followed;
//! neither they nor a token is in a message.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::form_urlencoded;

use super::auth::{Secret, concealed, secret_header};
use super::origin::{is_private, origin};
use super::signing::base64;
use super::{Body, HeaderMap, HeaderValue, Method, Request, StatusCode, Transport, Url};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};

/// The longest answer that is read as a token.
const MAX_ANSWER: usize = 1 << 20;

/// A token that ends so soon is not used any more: requests travel, and clocks differ.
const MARGIN: Duration = Duration::from_secs(30);

/// Asks for tokens with a client's own id and secret.
#[derive(Clone)]
pub struct Grant {
    /// The client's id.
    pub id: Secret,
    /// Its secret.
    pub secret: Secret,
    /// Where tokens are given.
    pub url: Url,
    /// What is asked for, separated by blanks; empty for what the server gives by itself.
    pub scope: String,
}

impl fmt::Debug for Grant {
    /// The URL; no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// How id and secret are sent (RFC 6749 §2.3.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Header,
    Body,
}

impl Grant {
    /// # Errors
    /// `Auth` where the way to the token URL could be listened to.
    pub(super) fn check(&self) -> Result<()> {
        if is_private(&self.url) {
            return Ok(());
        }
        let place = origin(&self.url);
        let message = format!(
            "the credential in `{}` is sent over TLS only, not to `{place}`, which gives tokens",
            self.secret.source
        );
        Err(Error::new(ErrorKind::Auth, message).hint("use a token URL that begins with `https://`"))
    }

    fn request(&self, style: Style, timeout: Duration) -> Result<Request> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.scope.is_empty() {
            form.append_pair("scope", &self.scope);
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        match style {
            Style::Header => {
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encoded(self.id.expose()), encoded(self.secret.expose()));
                let value = secret_header(&format!("Basic {}", base64(pair.as_bytes())), &self.secret.source)?;
                headers.insert(AUTHORIZATION, value);
            }
            Style::Body => {
                form.append_pair("client_id", self.id.expose());
                form.append_pair("client_secret", self.secret.expose());
            }
        }
        let body = Body::Whole(Bytes::from(form.finish()));
        Ok(Request { method: Method::POST, url: self.url.clone(), headers, body, timeout })
    }

    /// Asks for a token: with the header that every server must take, then with the fields that some insist on.
    async fn ask(&self, transport: &dyn Transport, timeout: Duration) -> Result<(SecretString, Option<Duration>)> {
        for style in [Style::Header, Style::Body] {
            let sent = transport.send(self.request(style, timeout)?).await;
            let response = sent.map_err(|error| self.located(error))?;
            let status = response.status;
            tracing::info!(target: "skyql::http", method = "POST", url = %self.url, status = status.as_u16(), attempt = 1, note = "for a token");
            let mut bytes = BytesMut::new();
            let mut body = response.body;
            while let Some(part) = body.next().await {
                bytes.extend_from_slice(&part.map_err(|error| self.located(error))?);
                if bytes.len() > MAX_ANSWER {
                    return Err(
                        self.located(Error::new(ErrorKind::Auth, "the answer that should hold a token does not end"))
                    );
                }
            }
            if status.is_success() {
                return self.token(&bytes);
            }
            let refused = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
            if !refused || style == Style::Body {
                return Err(self.refused(status, &bytes));
            }
        }
        Err(Error::new(ErrorKind::Internal, "no way of asking for a token is left"))
    }

    fn token(&self, body: &[u8]) -> Result<(SecretString, Option<Duration>)> {
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let token = answer.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let Some(token) = token else {
            return Err(self.located(Error::new(ErrorKind::Auth, "the answer holds no `access_token`")));
        };
        let kind = answer.get("token_type").and_then(Value::as_str).unwrap_or("bearer");
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(
                self.located(Error::new(ErrorKind::Unsupported, format!("tokens of type `{kind}` cannot be sent")))
            );
        }
        let seconds = answer.get("expires_in").and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        Ok((SecretString::from(token.to_owned()), seconds.map(Duration::from_secs)))
    }

    /// RFC 6749 §5.2: `{"error": "invalid_client", "error_description": "…"}`.
    fn refused(&self, status: StatusCode, body: &[u8]) -> Error {
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let said = ["error_description", "error"].iter().find_map(|key| answer.get(*key).and_then(Value::as_str));
        let said = said.map(|said| format!(": {}", concealed(said, self.secret.expose()))).unwrap_or_default();
        let error = Error::new(ErrorKind::Auth, format!("no token was given{said}"));
        self.located(error).with("status", status.as_u16().to_string()).hint(format!(
            "see whether `{}` and `{}` are those of a client of this API",
            self.id.source, self.secret.source
        ))
    }

    fn located(&self, error: Error) -> Error {
        error.with("request", format!("POST {}", self.url))
    }
}

/// A token and the time from which it is not used any more.
struct Kept {
    token: SecretString,
    until: Option<Instant>,
}

/// One place per credential and token URL. Whoever finds it empty asks, and the others wait for that answer.
type Place = Arc<tokio::sync::Mutex<Option<Kept>>>;

/// The tokens that a client has got. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Tokens(Arc<Mutex<HashMap<String, Place>>>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// A token that is good now; `stale` is one that the API has refused.
    ///
    /// # Errors
    /// `Auth` when none is given, `Network` when nobody answers.
    pub(super) async fn token(
        &self,
        grant: &Grant,
        fingerprint: &str,
        stale: Option<&SecretString>,
        transport: &dyn Transport,
        timeout: Duration,
        clock: &dyn Clock,
    ) -> Result<SecretString> {
        let key = format!("{fingerprint} {} {}", grant.url, grant.scope);
        let place = {
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(key).or_default())
        };
        // Held while asking, so that calls side by side ask once.
        let mut kept = place.lock().await;
        let is_stale = |known: &SecretString| stale.is_some_and(|stale| stale.expose_secret() == known.expose_secret());
        if let Some(known) = kept.as_ref()
            && known.until.is_none_or(|until| clock.now() < until)
            && !is_stale(&known.token)
        {
            return Ok(known.token.clone());
        }
        let (token, lasts) = grant.ask(transport, timeout).await?;
        let until = lasts.and_then(|lasts| clock.now().checked_add(lasts.saturating_sub(MARGIN.min(lasts / 2))));
        *kept = Some(Kept { token: token.clone(), until });
        Ok(token)
    }
}
