//! The live client: requests over real connections.
//!
//! One pooled client for the network, one without proxies for this machine. What `reqwest` reports is turned into
//! errors that say which step failed, and whether the request can have reached the API.

use std::collections::HashSet;
use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream;
use http::Version;
use http::header::CONTENT_LENGTH;
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::BuilderVerifierExt;

use super::origin::{host, is_loopback, is_private};
use super::{Body, HeaderValue, Request, Response, Transport, Url};
use crate::clock::{SharedClock, SystemClock};
use crate::error::{Error, ErrorKind, Result};

/// Bytes that an HTTP/2 server may send unread on one connection, over all answers (RFC 9113 §6.9).
const CONNECTION_WINDOW: u32 = 1 << 30;

/// How the live client connects.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// How long name resolution, connection and TLS set-up may take together.
    pub connect_timeout: Duration,
    /// The `User-Agent`.
    pub user_agent: String,
    /// Measures silence on a connection.
    pub clock: SharedClock,
}

impl Default for LiveOptions {
    /// Ten seconds, `skyql/<version>`, the machine's clock.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            user_agent: concat!("skyql/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// A [`Transport`] over HTTP/1.1 and HTTP/2 with TLS, gzip, pooled connections and the system's proxies.
///
/// A connection of HTTP/1.1 that was used is not used again by [`Transport::send_fresh`]: a server may close it in the very
/// moment in which the next request leaves, and then nobody knows what became of that.
///
/// Plain HTTP goes to this machine only, and never through a proxy. Redirects are answers. A request that an HTTP/2
/// server refused unprocessed (RFC 9113 §8.7) may be sent again below; nothing else is.
#[derive(Debug)]
pub struct LiveTransport {
    agent: HeaderValue,
    connect_timeout: Duration,
    clock: SharedClock,
    // Made when first needed: reading the system's certificates takes longer than a local answer.
    tls: OnceLock<ClientConfig>,
    network: Clients,
    loopback: Clients,
    /// Hosts that answered over HTTP/2.
    multiplexing: Mutex<HashSet<String>>,
}

/// The ways to a host.
#[derive(Debug, Default)]
struct Clients {
    /// Keeps connections for the next request.
    keeping: OnceLock<reqwest::Client>,
    /// Makes a connection for each request.
    fresh: OnceLock<reqwest::Client>,
}

/// Which connection a request goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    /// Any.
    Any,
    /// One on which no request of HTTP/1.1 went before.
    Fresh,
}

impl LiveTransport {
    /// A transport that is not connected to anything yet.
    ///
    /// # Errors
    /// `InvalidArgument` when the user agent cannot be a header.
    pub fn new(options: LiveOptions) -> Result<Self> {
        let LiveOptions { connect_timeout, user_agent, clock } = options;
        let agent = HeaderValue::from_str(&user_agent).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "the user agent holds characters a header cannot").caused_by(error)
        })?;
        let (tls, network, loopback) = (OnceLock::new(), Clients::default(), Clients::default());
        Ok(Self { agent, connect_timeout, clock, tls, network, loopback, multiplexing: Mutex::default() })
    }

    fn client(&self, url: &Url, connection: Connection) -> Result<&reqwest::Client> {
        let builder = reqwest::Client::builder()
            .user_agent(self.agent.clone())
            .connect_timeout(self.connect_timeout)
            .redirect(Policy::none())
            .referer(false)
            // A body that is read slowly must not keep the other answers of its HTTP/2 connection: each stream has a
            // window of its own, which is what bounds memory.
            .http2_initial_connection_window_size(CONNECTION_WINDOW);
        let (clients, builder) =
            if is_loopback(url) { (&self.loopback, builder.no_proxy()) } else { (&self.network, builder) };
        let (client, builder) = if connection == Connection::Fresh && !self.multiplexing().contains(&host(url)) {
            (&clients.fresh, builder.pool_max_idle_per_host(0))
        } else {
            (&clients.keeping, builder)
        };
        if let Some(client) = client.get() {
            return Ok(client);
        }
        // One for all, so that the next handshake with a host is a short one.
        let tls = match self.tls.get() {
            Some(tls) => tls,
            None => {
                let tls = tls().map_err(not_set_up)?;
                self.tls.get_or_init(|| tls)
            }
        };
        let built = builder.tls_backend_preconfigured(tls.clone()).build().map_err(not_set_up)?;
        Ok(client.get_or_init(|| built))
    }

    fn note_version(&self, host: &str, version: Version) {
        let mut multiplexing = self.multiplexing();
        if version != Version::HTTP_2 {
            multiplexing.remove(host);
        } else if !multiplexing.contains(host) {
            multiplexing.insert(host.to_owned());
        }
    }

    fn multiplexing(&self) -> MutexGuard<'_, HashSet<String>> {
        self.multiplexing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// TLS by `ring`, with the certificates that the system trusts. Set up here, not as rustls' default of the process:
/// that belongs to the program which embeds this one.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn not_set_up(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unsupported, "the HTTP client cannot be set up").caused_by(error)
}

#[async_trait]
impl Transport for LiveTransport {
    async fn send(&self, request: Request) -> Result<Response> {
        self.send_over(Connection::Any, request).await
    }

    async fn send_fresh(&self, request: Request) -> Result<Response> {
        self.send_over(Connection::Fresh, request).await
    }
}

impl LiveTransport {
    async fn send_over(&self, connection: Connection, request: Request) -> Result<Response> {
        if !is_private(&request.url) {
            return Err(refuse_plain(&request.url));
        }
        let client = self.client(&request.url, connection)?;
        let place = Place { host: host(&request.url), secure: request.url.scheme() == "https" };
        let silence = request.timeout;
        let mut built = reqwest::Request::new(request.method, request.url);
        *built.headers_mut() = request.headers;
        let leaving = Arc::new(Leaving::default());
        match request.body {
            Body::Whole(bytes) if bytes.is_empty() => {}
            Body::Whole(bytes) => *built.body_mut() = Some(bytes.into()),
            Body::Streamed(source) => {
                let (chunks, left) = (source.open().await?, Arc::clone(&leaving));
                built.headers_mut().insert(CONTENT_LENGTH, source.length().into());
                *built.body_mut() = Some(reqwest::Body::wrap_stream(chunks.inspect(move |chunk| left.note(chunk))));
            }
        }
        let answer = match leaving.until_answered(client.execute(built), silence, &self.clock).await {
            Some(answer) => {
                answer.map_err(|error| leaving.broke().unwrap_or_else(|| explain_no_answer(error, &place)))?
            }
            None => return Err(timed_out("timed out waiting for the answer", silence, &place)),
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        self.note_version(&place.host, answer.version());
        let arriving = Arriving { answer, silence, place, clock: Arc::clone(&self.clock) };
        let body = stream::unfold(Some(arriving), |arriving| async move {
            let mut arriving = arriving?;
            match arriving.chunk().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(arriving))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Response { status, headers, body: body.boxed() })
    }
}

/// A body on its way out.
#[derive(Debug, Default)]
struct Leaving {
    bytes: AtomicU64,
    broke: Mutex<Option<Error>>,
}

impl Leaving {
    fn note(&self, chunk: &Result<Bytes>) {
        match chunk {
            Ok(bytes) => drop(self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed)),
            Err(error) => *self.broke.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone()),
        }
    }

    /// Why it broke off, where that was on our side.
    fn broke(&self) -> Option<Error> {
        self.broke.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What `work` gives, or `None` when no byte has left for as long as `silence` and there is no answer.
    async fn until_answered<T>(
        &self,
        work: impl Future<Output = T> + Send,
        silence: Duration,
        clock: &SharedClock,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let before = self.bytes.load(Ordering::Relaxed);
            if let Some(done) = within(work.as_mut(), silence, clock).await {
                return Some(done);
            }
            if self.bytes.load(Ordering::Relaxed) == before {
                return None;
            }
        }
    }
}

/// Whom an error is about.
struct Place {
    host: String,
    secure: bool,
}

/// A body on its way.
struct Arriving {
    answer: reqwest::Response,
    silence: Duration,
    place: Place,
    clock: SharedClock,
}

impl Arriving {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match within(self.answer.chunk(), self.silence, &self.clock).await {
            Some(chunk) => chunk.map_err(|error| explain_broken_body(error, &self.place)),
            None => Err(timed_out("timed out in the middle of the answer", self.silence, &self.place)),
        }
    }
}

/// What `work` gives, or `None` when it takes longer than `limit`.
async fn within<T>(work: impl Future<Output = T> + Send, limit: Duration, clock: &SharedClock) -> Option<T> {
    let work = std::pin::pin!(work);
    match select(work, clock.sleep(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

fn refuse_plain(url: &Url) -> Error {
    let message = match url.scheme() {
        "http" => "plain HTTP is for this machine only".to_owned(),
        other => format!("requests cannot go over `{other}`"),
    };
    Error::new(ErrorKind::InvalidArgument, message).with("host", host(url)).hint("use an `https://` URL")
}

fn timed_out(what: &str, silence: Duration, place: &Place) -> Error {
    Error::new(ErrorKind::Network, what)
        .with("host", &place.host)
        .with("waited", format!("{} s", silence.as_secs_f64()))
        .hint("`SET timeout` gives it longer")
}

/// Why there is no answer. Connection errors come before the first byte of the request, so they are retryable.
fn explain_no_answer(error: reqwest::Error, place: &Place) -> Error {
    let network = |message: &str| Error::new(ErrorKind::Network, message).with("host", &place.host);
    let explained = if error.is_builder() {
        Error::new(ErrorKind::InvalidArgument, "the request cannot be built").with("host", &place.host)
    } else if error.is_connect() {
        explain_no_connection(&error, place).retryable()
    } else if error.is_timeout() {
        network("timed out waiting for the answer")
    } else if find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse_too_large) {
        Error::new(ErrorKind::Decode, "the answer has more headers than are read").with("host", &place.host).hint(
            "no more than 100 headers are read, and no more than 400 KB of them: whatever adds them must add fewer",
        )
    } else if find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse) {
        network("the answer is not HTTP")
            .hint("is the address right? something else than a web server, or a broken one, answers there")
    } else {
        network("the connection was closed before the answer")
    };
    explained.caused_by(error.without_url())
}

fn explain_no_connection(error: &reqwest::Error, place: &Place) -> Error {
    let network = |message: &str| Error::new(ErrorKind::Network, message).with("host", &place.host);
    if error.is_dns() {
        return network("host not found").hint("check the name and the network connection");
    }
    if error.is_timeout() {
        return network("timed out while connecting").hint("check the network connection");
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            return network("connection refused").hint("nothing listens there, or a firewall forbids it");
        }
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown) => {
            return network("the network does not reach the host").hint("check the network connection");
        }
        Some(io::ErrorKind::TimedOut) => {
            return network("timed out while connecting").hint("check the network connection");
        }
        _ => {}
    }
    let texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    if let Some(proxy) = texts.iter().find(|text| text.starts_with("tunnel error") || text.contains("SOCKS")) {
        return network("the proxy did not connect").with("proxy", proxy).hint("check the system's proxy settings");
    }
    if let Some(reason) = texts.iter().rev().find(|text| text.contains("certificate")) {
        let hint = "the server's certificate is expired, for another name, or signed by nobody this machine trusts";
        return network("TLS failure: certificate problem").with("tls", reason).hint(hint);
    }
    if place.secure {
        let failure = network("TLS failure: no secure connection could be set up");
        return match texts.last() {
            Some(reason) => failure.with("tls", reason),
            None => failure,
        };
    }
    network("the connection failed")
}

fn explain_broken_body(error: reqwest::Error, place: &Place) -> Error {
    let cut = find::<hyper::Error>(&error).is_some()
        || find::<io::Error>(&error).is_none_or(|io| io.kind() == io::ErrorKind::UnexpectedEof);
    let explained = if error.is_decode() && !cut {
        Error::new(ErrorKind::Decode, "the compressed answer cannot be unpacked").with("host", &place.host)
    } else {
        Error::new(ErrorKind::Network, "the connection was closed in the middle of the answer")
            .with("host", &place.host)
    };
    explained.caused_by(error.without_url())
}

/// An error and what it was caused by, outermost first.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        // `io::Error::source` skips the error it holds.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

/// The innermost error of one type.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).filter_map(|error| error.downcast_ref::<E>()).last()
}

#[cfg(test)]
mod tests;
