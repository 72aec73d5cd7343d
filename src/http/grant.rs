//! Tokens that are asked for: OAuth 2 client credentials (RFC 6749 §4.4).
//!
//! *Owns*: the request for a token, how long a token lasts, asking once where many calls need one.
//! *Invariants*: id and secret go to the token URL alone, over TLS or inside this machine, and no redirect is followed;
//! neither they nor a token is in a message.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
use crate::error::{Error, ErrorKind, Result, tidy};

/// The longest answer that is read as a token.
const MAX_ANSWER: usize = 1 << 20;

/// A token that ends so soon is not used any more: requests travel, and clocks differ.
const MARGIN: Duration = Duration::from_secs(30);

/// How long a refusal is not put to the test again.
const REFUSAL_HOLDS: Duration = Duration::from_secs(30);

/// Asks for tokens with a client's own id and secret.
#[derive(Clone)]
pub struct Grant {
    /// The client's id.
    pub id: Secret,
    /// Its secret.
    pub secret: Secret,
    /// Where tokens are given.
    pub url: Url,
    /// The same for people, without what the environment or a user name put into it.
    pub shown: String,
    /// What is asked for, separated by blanks; empty for what the server gives by itself.
    pub scope: String,
}

impl fmt::Debug for Grant {
    /// The URL as it is shown; no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("url", &self.shown).finish_non_exhaustive()
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
                let value = secret_header(&format!("Basic {}", self.pair()), &self.secret.source)?;
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

    /// Id and secret as they are sent in a header: encoded as in a form first.
    fn pair(&self) -> String {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        base64(format!("{}:{}", encoded(self.id.expose()), encoded(self.secret.expose())).as_bytes())
    }

    /// A text without the secret, and without what is sent of it.
    pub(super) fn conceal(&self, text: &str) -> String {
        concealed(&concealed(text, &self.pair()), self.secret.expose())
    }

    /// What a token server says, for a message.
    fn said(&self, text: &str) -> String {
        tidy(&self.conceal(text))
    }

    /// Asks for a token in the `known` way: else with the header that every server must take, then with the fields that
    /// some insist on. Says which way it was.
    async fn ask(&self, known: Option<Style>, asker: &Asker<'_>) -> Result<(Given, Style)> {
        let styles = known.map_or(&[Style::Header, Style::Body][..], |known| match known {
            Style::Header => &[Style::Header],
            Style::Body => &[Style::Body],
        });
        let mut refusal = Error::new(ErrorKind::Internal, "no way of asking for a token is left");
        for style in styles {
            let request = self.request(*style, asker.timeout)?;
            (asker.count)()?;
            let sent = asker.transport.send(request).await;
            let response = sent.map_err(|error| self.located(error))?;
            let status = response.status;
            tracing::info!(target: "skyql::http", method = "POST", url = %self.shown, status = status.as_u16(), attempt = 1, note = "for a token");
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
                return Ok((self.token(&bytes)?, *style));
            }
            refusal = self.refused(status, &bytes);
            if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) {
                break;
            }
        }
        Err(refusal)
    }

    fn token(&self, body: &[u8]) -> Result<Given> {
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let token = answer.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let Some(token) = token else {
            return Err(self.located(Error::new(ErrorKind::Auth, "the answer holds no `access_token`")));
        };
        let kind = answer.get("token_type").and_then(Value::as_str).unwrap_or("bearer");
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(self.located(Error::new(
                ErrorKind::Unsupported,
                format!("tokens of type `{}` cannot be sent", self.said(kind)),
            )));
        }
        let seconds = answer.get("expires_in").and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        Ok(Given { token: SecretString::from(token.to_owned()), lasts: seconds.map(Duration::from_secs) })
    }

    /// RFC 6749 §5.2: `{"error": "invalid_client", "error_description": "…"}`.
    fn refused(&self, status: StatusCode, body: &[u8]) -> Error {
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let said = ["error_description", "error"].iter().find_map(|key| answer.get(*key).and_then(Value::as_str));
        let said = said.map(|said| format!(": {}", self.said(said))).unwrap_or_default();
        let error = Error::new(ErrorKind::Auth, format!("no token was given{said}"));
        self.located(error).with("status", status.as_u16().to_string()).hint(format!(
            "see whether `{}` and `{}` are those of a client of this API",
            self.id.source, self.secret.source
        ))
    }

    fn located(&self, error: Error) -> Error {
        error.with("request", format!("POST {}", self.shown))
    }
}

/// What a server gives.
struct Given {
    token: SecretString,
    lasts: Option<Duration>,
}

/// A token, and whether the API has ever taken it. Clones share that.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: SecretString,
    /// The one before, which answers may still repeat.
    pub(super) before: Option<SecretString>,
    accepted: Arc<AtomicBool>,
}

impl Token {
    /// Notes that the API has taken it.
    pub(super) fn accept(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.text.expose_secret() == other.text.expose_secret()
    }
}

/// A token and the time from which it is not used any more.
struct Kept {
    token: Token,
    until: Option<Instant>,
}

/// One place per credential and token URL. Whoever finds it empty asks, and the others wait for that answer.
#[derive(Default)]
struct Place {
    /// How often asking has failed.
    failures: AtomicU64,
    /// Held while asking, so that calls side by side ask once.
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    /// The way that the server took last.
    style: Option<Style>,
    /// When a token was asked for last because the API refused the one before.
    replaced: Option<Instant>,
    /// Why there was none, the last time, and when that was said.
    failed: Option<(Error, Instant)>,
}

/// Who asks for a token.
pub(super) struct Asker<'a> {
    pub(super) transport: &'a dyn Transport,
    pub(super) timeout: Duration,
    /// Counts each request before it is sent.
    pub(super) count: &'a (dyn Fn() -> Result<()> + Sync),
}

impl State {
    /// The token that is there, while it lasts.
    fn good(&self, clock: &dyn Clock) -> Option<&Kept> {
        self.kept.as_ref().filter(|known| known.until.is_none_or(|until| clock.now() < until))
    }
}

/// The tokens that a client has got. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Tokens(Arc<Mutex<HashMap<String, Arc<Place>>>>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Whether there is a token that needs not be asked for.
    pub(super) fn holds(&self, grant: &Grant, fingerprint: &str, clock: &dyn Clock) -> bool {
        // Whoever asks right now will have it.
        self.place(grant, fingerprint).state.try_lock().is_ok_and(|held| held.good(clock).is_some())
    }

    fn place(&self, grant: &Grant, fingerprint: &str) -> Arc<Place> {
        let key = format!("{fingerprint} {} {}", grant.url, grant.scope);
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(key).or_default())
    }

    /// A token that is good now; `stale` is one that the API has refused, which is given again where another one would
    /// fare no better.
    ///
    /// # Errors
    /// `Auth` when none is given, `Network` when nobody answers, `Budget` when it was not asked for. What the server refuses is not asked again for a while: too
    /// many wrong passwords lock an account.
    pub(super) async fn token(
        &self,
        grant: &Grant,
        fingerprint: &str,
        stale: Option<&Token>,
        asker: &Asker<'_>,
        clock: &dyn Clock,
    ) -> Result<Token> {
        let place = self.place(grant, fingerprint);
        let failures = place.failures.load(Ordering::SeqCst);
        let mut held = place.state.lock().await;
        if let Some(known) = held.good(clock) {
            let is_stale = stale.is_some_and(|stale| stale.is(&known.token));
            // Where the API has refused two from the first, it refuses a third as well: not one more for every call.
            let replaced = held.replaced.is_some_and(|at| clock.now().saturating_duration_since(at) < REFUSAL_HOLDS);
            if !is_stale || replaced && !known.token.accepted.load(Ordering::Relaxed) {
                return Ok(known.token.clone());
            }
        }
        if let Some((error, at)) = &held.failed {
            let holds = is_refusal(error) && clock.now().saturating_duration_since(*at) < REFUSAL_HOLDS;
            // Who waited while it was asked for has its answer.
            if holds || place.failures.load(Ordering::SeqCst) != failures {
                return Err(error.clone());
            }
        }
        match grant.ask(held.style, asker).await {
            Ok((Given { token, lasts }, way)) => {
                let got = clock.now();
                let until = lasts.and_then(|lasts| got.checked_add(lasts.saturating_sub(MARGIN.min(lasts / 2))));
                let before = held.kept.take().map(|kept| kept.token.text);
                let token = Token { text: token, before, accepted: Arc::default() };
                let replaced = stale.map(|_| got).or(held.replaced);
                let kept = Some(Kept { token: token.clone(), until });
                *held = State { kept, style: Some(way), replaced, failed: None };
                Ok(token)
            }
            // Others who wait have calls left, perhaps.
            Err(error) if error.kind() == ErrorKind::Budget => Err(error),
            Err(error) => {
                if is_refusal(&error) {
                    // Whichever way it took before, it may take another one now.
                    held.style = None;
                }
                held.failed = Some((error.clone(), clock.now()));
                place.failures.fetch_add(1, Ordering::SeqCst);
                Err(error)
            }
        }
    }
}

/// Whether the server answered that it gives no token, and would do so again.
fn is_refusal(error: &Error) -> bool {
    let status = error.context_value("status").and_then(|status| status.parse().ok());
    let status = status.and_then(|status: u16| StatusCode::from_u16(status).ok());
    status.is_some_and(|status| status.is_client_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{ManualClock, Reply, Scripted, broken, settle};

    const SECOND: Duration = Duration::from_secs(1);

    fn grant() -> Grant {
        Grant {
            id: Secret::new("ID", "me"),
            secret: Secret::new("SECRET", "s/c"),
            url: Url::parse("https://t.example/in-the-environment/token").unwrap(),
            shown: "https://t.example/{{ .__env__REALM }}/token".to_owned(),
            scope: String::new(),
        }
    }

    fn gives(token: &'static str) -> Reply {
        Reply::Answer(200, Vec::new(), vec![Ok(token)])
    }

    fn refuses(status: u16) -> Reply {
        Reply::Answer(status, Vec::new(), vec![Ok(r#"{"error": "invalid_client"}"#)])
    }

    /// What asks, on a clock that stands still until it is moved.
    struct Asking {
        tokens: Tokens,
        transport: Arc<Scripted>,
        clock: Arc<ManualClock>,
    }

    impl Asking {
        fn new(replies: Vec<Reply>) -> Self {
            Self { tokens: Tokens::default(), transport: Scripted::new(replies), clock: ManualClock::moved_by_hand() }
        }

        async fn token(&self, stale: Option<&Token>) -> Result<Token> {
            let asker = Asker { transport: &*self.transport, timeout: SECOND, count: &|| Ok(()) };
            self.tokens.token(&grant(), "f", stale, &asker, &*self.clock).await
        }

        /// How often it was asked, and how often with the fields of the form.
        fn asked(&self) -> (usize, usize) {
            let sent = self.transport.sent();
            (sent.len(), sent.iter().filter(|request| !request.headers.contains_key(AUTHORIZATION)).count())
        }
    }

    #[tokio::test]
    async fn a_refusal_is_not_asked_for_again_at_once() {
        let asking = Asking::new(vec![refuses(401), refuses(400), gives(r#"{"access_token": "t"}"#)]);
        for _ in 0..5 {
            let error = asking.token(None).await.err().unwrap();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Auth, "no token was given: invalid_client"));
            assert_eq!(error.context_value("request"), Some("POST https://t.example/{{ .__env__REALM }}/token"));
        }
        assert_eq!(asking.asked(), (2, 1));
        asking.clock.advance(REFUSAL_HOLDS).await;
        assert!(asking.token(None).await.is_ok());
        assert!(!format!("{:?}", grant()).contains("in-the-environment"));
    }

    #[tokio::test]
    async fn who_waits_for_a_dead_server_has_its_answer_and_who_comes_later_asks() {
        let asking = Arc::new(Asking::new(vec![Reply::Fails(broken()), gives(r#"{"access_token": "t"}"#)]));
        // All but the first come while the first is asking.
        let key = format!("f {} ", grant().url);
        let place = Arc::clone(asking.tokens.0.lock().unwrap().entry(key).or_default());
        let held = place.state.lock().await;
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let asking = Arc::clone(&asking);
                tokio::spawn(async move { asking.token(None).await.err().map(|error| error.kind()) })
            })
            .collect();
        settle().await;
        drop(held);
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap(), Some(ErrorKind::Network));
        }
        assert_eq!(asking.asked(), (1, 0));
        assert!(asking.token(None).await.is_ok());
    }

    #[tokio::test]
    async fn the_way_that_a_server_takes_is_remembered() {
        let given = || gives(r#"{"access_token": "t", "expires_in": 60}"#);
        let asking = Asking::new(vec![refuses(401), given(), given()]);
        asking.token(None).await.unwrap();
        asking.clock.advance(60 * SECOND).await;
        asking.token(None).await.unwrap();
        assert_eq!(asking.asked(), (3, 2));
    }

    #[tokio::test]
    async fn only_a_token_that_was_good_is_replaced_again_and_again() {
        let texts = [r#"{"access_token": "1"}"#, r#"{"access_token": "2"}"#, r#"{"access_token": "3"}"#];
        let asking = Asking::new(texts.into_iter().map(gives).collect());
        let first = asking.token(None).await.unwrap();
        let second = asking.token(Some(&first)).await.unwrap();
        assert!(!second.is(&first));
        assert!(asking.token(Some(&second)).await.unwrap().is(&second), "the API has never taken one");
        assert!(asking.token(Some(&first)).await.unwrap().is(&second), "the one before is no longer given");
        second.accept();
        assert!(!asking.token(Some(&second)).await.unwrap().is(&second));
        assert_eq!(asking.asked(), (3, 0));
    }

    #[test]
    fn nothing_that_was_sent_is_repeated() {
        let grant = grant();
        let pair = grant.pair();
        let said = format!("Basic {pair} client_secret=s%2Fc s/c\nis bad");
        assert_eq!(grant.said(&said), "Basic … client_secret=… … is bad");
        assert!(grant.said(&"x".repeat(5_000)).len() <= 500);
        let refused = grant.token(br#"{"access_token": "t", "token_type": "s/c\n"}"#).err().unwrap();
        assert_eq!(refused.message(), "tokens of type `…` cannot be sent");
    }
}
