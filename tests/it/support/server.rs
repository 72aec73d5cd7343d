//! A scriptable HTTP server on loopback that records what it is asked.
//!
//! *Owns*: listening, recording, answering as told, and misbehaving as told.
//! *Does not own*: any API: see [`super::documents`].
//! *Invariants*: a request is recorded, whole, before it is answered; waiting is on gates and counts, never on time;
//! dropping the [`Server`] closes every connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::iter::Peekable;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// A running server.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
}

impl Server {
    /// Listens on a free port of 127.0.0.1 and answers every request as `handler` says.
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let accepting = tokio::spawn(accept(listener, Arc::new(handler), Arc::clone(&state)));
        Self { address, state, accepting: accepting.abort_handle() }
    }

    /// Answers the n-th request with the n-th reply, and with a 500 when there is none left.
    pub(crate) async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::start(move |_| {
            let next = replies.lock().unwrap().pop_front();
            next.unwrap_or_else(|| Reply::text(500, "text/plain", "the script has no further reply"))
        })
        .await
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in the order of their arrival.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.seen.borrow().clone()
    }

    /// The raw paths of all requests so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.state.seen.borrow().iter().map(|seen| seen.path.clone()).collect()
    }

    /// Waits until at least `count` requests have arrived, answered or not.
    pub(crate) async fn received(&self, count: usize) {
        self.state.seen.subscribe().wait_for(|seen| seen.len() >= count).await.unwrap();
    }

    /// Waits until no request is being answered: all are answered, or the client has gone.
    pub(crate) async fn idle(&self) {
        self.state.meter.subscribe().wait_for(|meter| meter.now == 0).await.unwrap();
    }

    /// The largest number of requests that were being answered at the same time.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.state.meter.borrow().max
    }

    /// The number of connections accepted so far. A pooling client may open one more than it needs when it asks again
    /// before its connection is back in the pool, so assert a bound rather than a number.
    pub(crate) fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }
}

impl Drop for Server {
    /// The accepting task owns the connections' tasks, so they end with it.
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A port of 127.0.0.1 that refuses connections for as long as this lives.
pub(crate) struct RefusingPort {
    // Bound but not listening: nobody else can be given the port meanwhile.
    socket: TcpSocket,
}

impl RefusingPort {
    /// Takes a free port.
    pub(crate) fn take() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { socket }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.socket.local_addr().unwrap())
    }
}

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `GET`, `POST`, …
    pub(crate) method: String,
    /// The path, still encoded.
    pub(crate) path: String,
    /// What follows the `?`, still encoded.
    pub(crate) query: Option<String>,
    /// All headers in order; names are lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The whole body.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// The request's target, still encoded.
    pub(crate) fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The first value of a query parameter, decoded.
    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        self.query_values(name).into_iter().next()
    }

    /// All values of a query parameter, decoded, in order.
    pub(crate) fn query_values(&self, name: &str) -> Vec<String> {
        pairs(self.query.as_deref().unwrap_or_default().as_bytes(), name)
    }

    /// The first value of a header; the name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The first value of a field of a form body, decoded.
    pub(crate) fn form_value(&self, name: &str) -> Option<String> {
        pairs(&self.body, name).into_iter().next()
    }
}

/// What the server does with a request.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    content: Content,
    gates: Vec<Gate>,
}

impl Reply {
    /// A JSON answer.
    #[expect(clippy::needless_pass_by_value, reason = "callers write `json!` in place")]
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// An answer of any type: text or bytes.
    pub(crate) fn text(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = Bytes::from(body.into());
        Self::new(status, Content::Whole { body, holds: Vec::new(), cut_at: None }).header("content-type", content_type)
    }

    /// An answer with neither body nor content type.
    pub(crate) fn empty(status: u16) -> Self {
        Self::new(status, Content::Whole { body: Bytes::new(), holds: Vec::new(), cut_at: None })
    }

    /// A chunked answer, made as the client reads it; only a few chunks are ever in memory.
    pub(crate) fn stream<I>(status: u16, content_type: &str, chunks: I) -> Self
    where
        I: IntoIterator<Item = Vec<u8>>,
        I::IntoIter: Send + 'static,
    {
        Self::pieces(status, content_type, chunks.into_iter().map(Piece::Data))
    }

    /// A chunked answer that may pause at gates or break off.
    pub(crate) fn pieces<I>(status: u16, content_type: &str, pieces: I) -> Self
    where
        I: IntoIterator<Item = Piece>,
        I::IntoIter: Send + 'static,
    {
        Self::new(status, Content::Pieces(Box::new(pieces.into_iter()))).header("content-type", content_type)
    }

    /// No answer, ever; the connection stays open.
    pub(crate) fn hang() -> Self {
        Self::new(0, Content::Never)
    }

    /// No answer; the connection is closed.
    pub(crate) fn drop_connection() -> Self {
        Self::new(0, Content::Disconnect)
    }

    /// Adds a header.
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    /// Adds a header of any bytes.
    pub(crate) fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Withholds everything, status included, until the gate opens.
    pub(crate) fn gated(mut self, gate: &Gate) -> Self {
        self.gates.push(gate.clone());
        self
    }

    /// Sends status, headers and the first `sent` bytes of the body; the rest waits at the gate. Several may follow
    /// one another, in rising order.
    pub(crate) fn gated_after(mut self, sent: usize, gate: &Gate) -> Self {
        match &mut self.content {
            Content::Whole { body, holds, .. } if sent <= body.len() => {
                holds.push((sent, gate.clone()));
            }
            _ => panic!("only a whole body of at least {sent} bytes can wait after {sent} bytes"),
        }
        self
    }

    /// Declares the body's whole length, sends the first `sent` bytes and closes the connection.
    pub(crate) fn truncated(mut self, sent: usize) -> Self {
        match &mut self.content {
            Content::Whole { body, cut_at, .. } if sent < body.len() => *cut_at = Some(sent),
            _ => {
                panic!("only a whole body of more than {sent} bytes can be cut after {sent} bytes")
            }
        }
        self
    }

    fn new(status: u16, content: Content) -> Self {
        Self { status, headers: Vec::new(), content, gates: Vec::new() }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).field("headers", &self.headers).finish_non_exhaustive()
    }
}

/// A step of a body.
pub(crate) enum Piece {
    /// Bytes to send.
    Data(Vec<u8>),
    /// Nothing more until the gate opens.
    Hold(Gate),
    /// The connection is closed, the body unfinished.
    CutOff,
}

/// Where answers wait until the test lets them go. Clones are the same gate; once open it stays open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    state: Arc<watch::Sender<GateState>>,
}

impl Gate {
    /// A closed gate.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Lets everybody through, now and later.
    pub(crate) fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until the gate is open.
    pub(crate) async fn wait(&self) {
        self.state.send_modify(|state| state.arrivals += 1);
        self.state.subscribe().wait_for(|state| state.open).await.unwrap();
    }

    /// Waits until something has come to the gate.
    pub(crate) async fn arrived(&self) {
        self.arrivals(1).await;
    }

    /// Waits until `count` waiters have come to the gate, those that gave up included.
    pub(crate) async fn arrivals(&self, count: usize) {
        self.state.subscribe().wait_for(|state| state.arrivals >= count).await.unwrap();
    }
}

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    arrivals: usize,
}

type Pieces = Box<dyn Iterator<Item = Piece> + Send>;
type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

enum Content {
    Whole { body: Bytes, holds: Vec<(usize, Gate)>, cut_at: Option<usize> },
    Pieces(Pieces),
    Never,
    Disconnect,
}

#[derive(Default)]
struct State {
    seen: watch::Sender<Vec<Seen>>,
    meter: watch::Sender<Meter>,
    connections: watch::Sender<usize>,
}

#[derive(Default)]
struct Meter {
    now: usize,
    max: usize,
}

/// Counts a request as in flight until it is dropped.
struct InFlight(Arc<State>);

impl InFlight {
    fn enter(state: &Arc<State>) -> Self {
        state.meter.send_modify(|meter| {
            meter.now += 1;
            meter.max = meter.max.max(meter.now);
        });
        Self(Arc::clone(state))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.meter.send_modify(|meter| meter.now -= 1);
    }
}

async fn accept<H>(listener: TcpListener, handler: Arc<H>, state: Arc<State>)
where
    H: Fn(&Seen) -> Reply + Send + Sync + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        state.connections.send_modify(|count| *count += 1);
        let (handler, state) = (Arc::clone(&handler), Arc::clone(&state));
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, &*handler, &state));
            // An error here is the client leaving, or the reply's own misbehaviour.
            let _ = hyper::server::conn::http1::Builder::new()
                .auto_date_header(false)
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

/// An error makes hyper close the connection without an answer.
async fn answer(
    request: Request<Incoming>,
    handler: &(impl Fn(&Seen) -> Reply + Send + Sync),
    state: &Arc<State>,
) -> io::Result<Response<ReplyBody>> {
    let (head, body) = request.into_parts();
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec(),
    };
    let in_flight = InFlight::enter(state);
    state.seen.send_modify(|all| all.push(seen.clone()));
    let reply = handler(&seen);
    for gate in &reply.gates {
        gate.wait().await;
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value.as_slice());
    }
    let pieces: Pieces = match reply.content {
        Content::Never => std::future::pending::<Pieces>().await,
        Content::Disconnect => return Err(broken_off()),
        Content::Pieces(pieces) => pieces,
        Content::Whole { body, .. } if body.is_empty() => {
            return Ok(response.body(Empty::new().map_err(impossible).boxed_unsync()).unwrap());
        }
        Content::Whole { body, holds, cut_at } => {
            response = response.header(CONTENT_LENGTH, body.len());
            Box::new(cut(&body, holds, cut_at).into_iter())
        }
    };
    Ok(response.body(body_of(pieces, in_flight)).unwrap())
}

/// The steps of a whole body that waits or ends early.
fn cut(body: &Bytes, holds: Vec<(usize, Gate)>, cut_at: Option<usize>) -> Vec<Piece> {
    let end = cut_at.unwrap_or(body.len());
    let (mut pieces, mut sent) = (Vec::new(), 0);
    for (at, gate) in holds.into_iter().filter(|(at, _)| *at <= end) {
        pieces.push(Piece::Data(body[sent..at].to_vec()));
        pieces.push(Piece::Hold(gate));
        sent = at;
    }
    pieces.push(Piece::Data(body[sent..end].to_vec()));
    pieces.extend(cut_at.map(|_| Piece::CutOff));
    pieces
}

/// A request leaves the meter before its last bytes go out: a client that has read the whole answer and asks again is
/// never counted twice.
fn body_of(pieces: Pieces, in_flight: InFlight) -> ReplyBody {
    struct Left {
        pieces: Peekable<Pieces>,
        in_flight: Option<InFlight>,
    }
    let left = Left { pieces: pieces.peekable(), in_flight: Some(in_flight) };
    let frames = stream::unfold(Some(left), |left| async move {
        let mut left = left?;
        loop {
            match left.pieces.next()? {
                Piece::Hold(gate) => gate.wait().await,
                Piece::CutOff => {
                    // hyper flushes what it has only when the body is not ready.
                    tokio::task::yield_now().await;
                    return Some((Err(broken_off()), None));
                }
                Piece::Data(data) => {
                    if left.pieces.peek().is_none() {
                        left.in_flight = None;
                    }
                    return Some((Ok(Frame::data(Bytes::from(data))), Some(left)));
                }
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

fn broken_off() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionAborted)
}

fn impossible(never: Infallible) -> io::Error {
    match never {}
}

fn pairs(encoded: &[u8], name: &str) -> Vec<String> {
    url::form_urlencoded::parse(encoded).filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

/// A client that is not the one under test. It goes over plain HTTP, and must be told whose cryptography to use all the
/// same.
pub(crate) fn http_client() -> reqwest::Client {
    let _there_already = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture;

    use futures::future::join_all;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_is_recorded_as_it_came() {
        let server = Server::start(|_| Reply::json(201, json!({"a": [1]})).header("X-Id", "7")).await;
        let url = server.url() + "/v4/linode%2Fdebian?q=a%20b&q=c+d&e=";
        let response = http_client().post(url).header("X-Token", "t").body("name=x%26y&n=1").send().await.unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["x-id"], "7");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.text().await.unwrap(), r#"{"a":[1]}"#);
        http_client().get(server.url()).body("[2]").send().await.unwrap();

        let seen = server.requests();
        assert_eq!(seen[0].method, "POST");
        assert_eq!(seen[0].path_and_query(), "/v4/linode%2Fdebian?q=a%20b&q=c+d&e=");
        assert_eq!(seen[0].query_values("q"), ["a b", "c d"]);
        assert_eq!(seen[0].query_value("e").as_deref(), Some(""));
        assert_eq!(seen[0].query_value("Q"), None);
        assert_eq!(seen[0].header("x-TOKEN"), Some("t"));
        assert_eq!(seen[0].header("authorization"), None);
        assert_eq!(seen[0].form_value("name").as_deref(), Some("x&y"));
        assert_eq!(seen[1].json(), json!([2]));
        assert_eq!(server.paths(), ["/v4/linode%2Fdebian", "/"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_script_is_answered_in_order_on_one_connection() {
        let server = Server::script([Reply::empty(429).header("Retry-After", "1"), Reply::empty(204)]).await;
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let (next, last) =
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        socket.write_all([next, next, last].concat().as_bytes()).await.unwrap();
        let mut answers = String::new();
        socket.read_to_string(&mut answers).await.unwrap();
        let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(statuses, ["429", "204", "500"]);
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_gate_withholds_the_answer_and_the_meter_counts_who_waits() {
        let (first, rest) = (Gate::new(), Gate::new());
        let gates = (first.clone(), rest.clone());
        let server =
            Server::start(move |seen| Reply::empty(204).gated(if seen.path == "/first" { &gates.0 } else { &gates.1 }))
                .await;
        let client = http_client();
        let get = |path: &str| tokio::spawn(client.get(server.url() + path).send());
        let early = get("/first");
        first.arrived().await;
        let late = [get("/a"), get("/b")];
        rest.arrivals(2).await;
        assert!(!early.is_finished());
        first.open();
        assert_eq!(early.await.unwrap().unwrap().status(), 204);
        assert!(late.iter().all(|request| !request.is_finished()));
        rest.open();
        for request in late {
            assert_eq!(request.await.unwrap().unwrap().status(), 204);
        }
        server.received(3).await;
        server.idle().await;
        assert_eq!(server.max_in_flight(), 3);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn requests_one_after_another_are_never_counted_as_two() {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/large" => Reply::text(200, "text/plain", vec![b'x'; 3_000_000]),
            "/stream" => Reply::stream(200, "text/plain", (0..50).map(|_| vec![b'x'; 10_000])),
            _ => Reply::json(200, json!({})),
        })
        .await;
        let client = http_client();
        for _ in 0..30 {
            for path in ["/large", "/stream", "/small"] {
                client.get(server.url() + path).send().await.unwrap().bytes().await.unwrap();
            }
        }
        assert_eq!(server.max_in_flight(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_waits_where_it_is_told_to() {
        let (empty, half) = (Gate::new(), Gate::new());
        let gates = (empty.clone(), half.clone());
        let server = Server::start(move |_| {
            Reply::text(200, "text/plain", "abcdef").gated_after(0, &gates.0).gated_after(3, &gates.1)
        })
        .await;
        let mut response = http_client().get(server.url()).send().await.unwrap();
        assert_eq!(response.content_length(), Some(6));
        empty.arrived().await;
        empty.open();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "abc");
        half.arrived().await;
        half.open();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "def");
        assert_eq!(response.chunk().await.unwrap(), None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_truncated_body_ends_early_and_says_so() {
        for sent in [0, 4, 200_000] {
            let server =
                Server::start(move |_| Reply::text(200, "text/plain", vec![b'x'; 200_001]).truncated(sent)).await;
            let mut response = http_client().get(server.url()).send().await.unwrap();
            assert_eq!(response.content_length(), Some(200_001));
            let mut read = 0;
            let error = loop {
                match response.chunk().await {
                    Ok(chunk) => read += chunk.expect("the end must be an error").len(),
                    Err(error) => break error,
                }
            };
            assert_eq!(read, sent);
            assert!(error.is_body() || error.is_decode(), "{error:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_streamed_body_may_pause_and_break_off() {
        let gate = Gate::new();
        let held = gate.clone();
        let server = Server::start(move |_| {
            let pieces =
                [Piece::Data(b"ab".to_vec()), Piece::Hold(held.clone()), Piece::Data(b"c".to_vec()), Piece::CutOff];
            Reply::pieces(200, "text/plain", pieces)
        })
        .await;
        let mut response = http_client().get(server.url()).send().await.unwrap();
        assert_eq!(response.content_length(), None);
        assert_eq!(response.chunk().await.unwrap().unwrap(), "ab");
        gate.open();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "c");
        response.chunk().await.unwrap_err();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_large_streamed_body_is_made_as_it_is_read() {
        let made = Arc::new(watch::Sender::new(0_usize));
        let counter = Arc::clone(&made);
        let server = Server::start(move |_| {
            let counter = Arc::clone(&counter);
            let chunks = (0..1600).map(move |_| {
                counter.send_modify(|made| *made += 1);
                vec![b' '; 65_536]
            });
            Reply::stream(200, "text/plain", chunks)
        })
        .await;
        let mut response = http_client().get(server.url()).send().await.unwrap();
        let mut read = response.chunk().await.unwrap().unwrap().len();
        assert!(*made.borrow() < 800, "{} chunks were made for the first one read", *made.borrow());
        while let Some(chunk) = response.chunk().await.unwrap() {
            read += chunk.len();
        }
        assert_eq!(read, 1600 * 65_536);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_dropped_or_refused_connection_is_an_error_and_dropping_the_server_ends_a_hang() {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/hang" => Reply::hang(),
            _ => Reply::drop_connection(),
        })
        .await;
        assert!(http_client().get(server.url() + "/drop").send().await.unwrap_err().is_request());
        let refusing = RefusingPort::take();
        assert!(http_client().get(refusing.url()).send().await.unwrap_err().is_connect());

        let hanging = tokio::spawn(http_client().get(server.url() + "/hang").send());
        server.received(2).await;
        let url = server.url();
        drop(server);
        hanging.await.unwrap().unwrap_err();
        http_client().get(url).send().await.unwrap_err();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_goes_away_is_noticed() {
        let server = Server::start(|_| Reply::hang()).await;
        let waiting = join_all((0..3).map(|_| http_client().get(server.url()).send().into_future()));
        let waiting = tokio::spawn(waiting);
        server.received(3).await;
        assert_eq!(server.max_in_flight(), 3);
        waiting.abort();
        server.idle().await;
    }
}
