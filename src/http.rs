//! Sending requests: transport, retry, limits, authentication.
//!
//! *Owns*: the [`Transport`] trait and its live client, auth and signing, retry and back-off, the ledger of limits, records of calls.
//! *Does not own*: what a request means: it knows no provider, page or row.
//! *Invariants*: a credential is added last, goes only to the origins its owner allows, over TLS unless the host is
//! loopback, and is never part of a message; redirects are not followed on their own.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::error::Result;

mod auth;
mod body;
mod client;
mod closed;
mod grant;
mod ledger;
mod live;
mod origin;
mod retry;
mod scrub;
mod signing;
mod tape;
#[cfg(test)]
pub(crate) mod testing;

pub use auth::{AuthScheme, Authorizer, BasicCredential, KeyLocation, PlacedKey, Secret, SignTarget};
pub use body::{Body, BodySource};
pub(crate) use client::Arriving;
pub use client::{Answer, CallBudget, Client, Opened, Outgoing, Repeat};
pub use closed::Closed;
pub use grant::Grant;
pub use ledger::{Ledger, LedgerKey, Outcome, Permit, Published, Rate};
pub use live::{LiveOptions, LiveTransport};
pub use origin::{is_loopback, origin, origin_of_text};
pub(crate) use retry::{asked_pause, passes};
pub use scrub::Scrubber;
pub use signing::{HmacSigning, PlaceLocation, PlacedValue, SignatureEncoding, SignatureHash};
pub use tape::{Label, Tape};

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
pub use url::Url;

/// A request as it goes over the wire.
#[derive(Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The whole URL.
    pub url: Url,
    /// Headers, without those that the transport adds (`Host`, `User-Agent`, `Accept-Encoding`).
    pub headers: HeaderMap,
    /// The body; empty when there is none.
    pub body: Body,
    /// How long no byte may travel either way.
    pub timeout: Duration,
}

impl fmt::Debug for Request {
    /// Method and URL without its query string: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.url.origin().ascii_serialization(), self.url.path())
    }
}

/// An answer whose body is still arriving.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Something that answers requests: the live client, the sandbox, or what a test or an embedding program supplies.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends one request, once, and returns the answer as soon as its headers are there. Redirects are answers.
    ///
    /// # Errors
    /// `Network` when there is no answer; `retryable` where the request certainly did not reach the API
    /// (name resolution, refused connection, TLS set-up). `InvalidArgument`, `NameNotFound`, `Auth` and `Unsupported`, before the
    /// first byte alone, when it cannot be sent at all: a file that is gone.
    async fn send(&self, request: Request) -> Result<Response>;

    /// As [`Transport::send`], over a connection that no request went over before, or over HTTP/2: a server that closes a
    /// connection after an answer cannot lose this request without a word. What is not safe to send twice goes this way,
    /// and what is sent again because a connection broke.
    ///
    /// Unless a transport says otherwise, this is [`Transport::send`].
    ///
    /// # Errors
    /// As [`Transport::send`].
    async fn send_fresh(&self, request: Request) -> Result<Response> {
        self.send(request).await
    }
}
