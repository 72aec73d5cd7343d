//! The live client against real sockets on loopback.

use super::*;
use crate::http::testing::{ManualClock, settle};
use crate::http::{Body, BodySource, HeaderMap, Method};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const SILENCE: Duration = Duration::from_mins(1);

/// A server for one connection: it reads one request, writes `answer`, and closes. The request as it came is given.
async fn serve(answer: impl Into<Vec<u8>>) -> (SocketAddr, JoinHandle<String>) {
    let (listener, address) = listen().await;
    let answer = answer.into();
    let serving = tokio::spawn(async move {
        let (mut stream, request) = accept(&listener).await;
        stream.write_all(&answer).await.unwrap();
        stream.shutdown().await.unwrap();
        request
    });
    (address, serving)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        read.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                return (stream, text);
            }
        }
        assert!(n > 0, "the request ended early: {text}");
    }
}

fn request(url: impl AsRef<str>) -> Request {
    Request {
        method: Method::GET,
        url: Url::parse(url.as_ref()).unwrap(),
        headers: HeaderMap::new(),
        body: Body::empty(),
        timeout: SILENCE,
    }
}

fn live() -> LiveTransport {
    LiveTransport::new(LiveOptions::default()).unwrap()
}

async fn read(response: Response) -> Result<Vec<u8>> {
    let mut body = response.body;
    let mut read = Vec::new();
    while let Some(chunk) = body.next().await {
        read.extend_from_slice(&chunk?);
    }
    Ok(read)
}

#[tokio::test]
async fn sends_what_it_is_given_and_names_itself() {
    let (address, serving) = serve("HTTP/1.1 201 Created\r\nx-id: 7\r\ncontent-length: 2\r\n\r\nok").await;
    let mut asked = request(format!("http://{address}/v4/images/linode%2Fdebian12?a=b%20c"));
    asked.method = Method::POST;
    asked.headers.insert("x-mine", HeaderValue::from_static("1"));
    asked.body = "{\"a\":1}".into();
    let response = live().send(asked).await.unwrap();
    assert_eq!((response.status.as_u16(), response.headers["x-id"].to_str().unwrap()), (201, "7"));
    assert_eq!(read(response).await.unwrap(), b"ok");
    let seen = serving.await.unwrap();
    assert!(seen.starts_with("POST /v4/images/linode%2Fdebian12?a=b%20c HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-mine: 1\r\n") && seen.ends_with("\r\n\r\n{\"a\":1}"), "{seen}");
    assert!(seen.contains(concat!("user-agent: skyql/", env!("CARGO_PKG_VERSION"))), "{seen}");
    assert!(seen.contains("accept-encoding: gzip"), "{seen}");
}

#[tokio::test]
async fn unpacks_gzip() {
    // `printf '{"hello":"world"}' | gzip -n`
    let packed: &[u8] = &[
        0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03, 0xab, 0x56, 0xca, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xb2, 0x52, 0x2a,
        0xcf, 0x2f, 0xca, 0x49, 0x51, 0xaa, 0x05, 0x00, 0xd1, 0x41, 0x09, 0xd8, 0x11, 0, 0, 0,
    ];
    let head = |length: usize| {
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n").into_bytes()
    };
    let (address, _) = serve([head(packed.len()), packed.to_vec()].concat()).await;
    let response = live().send(request(format!("http://{address}/"))).await.unwrap();
    assert_eq!(read(response).await.unwrap(), b"{\"hello\":\"world\"}");

    let (address, _) = serve([head(7), b"no gzip".to_vec()].concat()).await;
    let error = read(live().send(request(format!("http://{address}/"))).await.unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Decode, "the compressed answer cannot be unpacked"));

    let (address, _) = serve([head(packed.len()), packed[..20].to_vec()].concat()).await;
    let error = read(live().send(request(format!("http://{address}/"))).await.unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Network, false), "{error:?}");
}

/// Answers requests and leaves every connection open; gives for each request which connection it came over, from 1.
async fn serve_for_ever() -> (SocketAddr, Arc<Mutex<Vec<usize>>>) {
    let (listener, address) = listen().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&seen);
    tokio::spawn(async move {
        for number in 1.. {
            let (mut stream, _) = accept(&listener).await;
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                loop {
                    asked.lock().unwrap().push(number);
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                    let mut more = [0; 4096];
                    if stream.read(&mut more).await.unwrap_or_default() == 0 {
                        return;
                    }
                }
            });
        }
    });
    (address, seen)
}

#[tokio::test]
async fn a_connection_that_was_used_takes_nothing_that_may_not_be_lost() {
    let (address, seen) = serve_for_ever().await;
    let live = live();
    let asked = || request(format!("http://{address}/"));
    // The first one opens it, and it is there for the second.
    for _ in 0..2 {
        assert_eq!(read(live.send(asked()).await.unwrap()).await.unwrap(), b"ok");
        settle().await;
    }
    for _ in 0..2 {
        assert_eq!(read(live.send_fresh(asked()).await.unwrap()).await.unwrap(), b"ok");
        settle().await;
    }
    assert_eq!(read(live.send(asked()).await.unwrap()).await.unwrap(), b"ok");
    assert_eq!(*seen.lock().unwrap(), [1, 1, 2, 3, 1]);
}

#[tokio::test]
async fn a_host_of_http_2_keeps_its_connection_for_everything() {
    let live = live();
    let (https, plain) = (Url::parse("https://api.example/").unwrap(), Url::parse("https://old.example/").unwrap());
    let is_same = |url: &Url| {
        std::ptr::eq(live.client(url, Connection::Fresh).unwrap(), live.client(url, Connection::Any).unwrap())
    };
    assert!(!is_same(&https));
    live.note_version("api.example", Version::HTTP_2);
    live.note_version("old.example", Version::HTTP_11);
    assert_eq!((is_same(&https), is_same(&plain)), (true, false));
    live.note_version("api.example", Version::HTTP_11);
    assert!(!is_same(&https), "another machine behind the same name");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (address, _) = serve("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
    let response = live().send(request(format!("http://{address}/"))).await.unwrap();
    assert_eq!(
        (response.status.as_u16(), response.headers["location"].to_str().unwrap()),
        (302, "http://127.0.0.1:1/")
    );
}

#[tokio::test]
async fn a_refused_connection_may_be_repeated_and_names_the_host() {
    // Bound and not listening: nobody else gets the port meanwhile.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = live().send(request(format!("http://{address}/v4?token=t0ken"))).await.unwrap_err();
    assert_eq!((error.kind(), error.message(), error.is_retryable()), (ErrorKind::Network, "connection refused", true));
    assert_eq!(error.context_value("host"), Some(address.to_string().as_str()));
    assert!(!format!("{error:?}").contains("t0ken"), "{error:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_not_an_end() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,2",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n[1,2\r\n",
    ] {
        let (address, _) = serve(answer).await;
        let response = live().send(request(format!("http://{address}/?token=t0ken"))).await.unwrap();
        let error = read(response).await.unwrap_err();
        assert_eq!(error.message(), "the connection was closed in the middle of the answer");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Network, false));
        assert!(!format!("{error:?}").contains("t0ken"), "{error:?}");
    }
}

#[tokio::test]
async fn no_answer_and_no_http_are_told_apart_and_not_repeatable() {
    for (answer, wanted) in [
        ("", "the connection was closed before the answer"),
        ("HTTP/1.1 200 OK\r\ncontent-", "the connection was closed before the answer"),
        ("220 mail.example ESMTP\r\n", "the answer is not HTTP"),
    ] {
        let (address, _) = serve(answer).await;
        let error = live().send(request(format!("http://{address}/"))).await.unwrap_err();
        assert_eq!((error.message(), error.is_retryable()), (wanted, false), "{error:?}");
    }
}

#[tokio::test]
async fn silence_before_the_headers_and_within_the_body_is_a_time_out() {
    let manual = ManualClock::moved_by_hand();
    let clock = Arc::clone(&manual) as SharedClock;
    let live = Arc::new(LiveTransport::new(LiveOptions { clock, ..LiveOptions::default() }).unwrap());
    let (listener, address) = listen().await;
    let (speak, spoken) = oneshot::channel::<()>();
    let (arrived, came) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let (silent, _) = accept(&listener).await;
        arrived.send(()).unwrap();
        let (mut stream, _) = accept(&listener).await;
        spoken.await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n[1").await.unwrap();
        (silent, stream)
    });

    let url = format!("http://{address}/");
    let sending = tokio::spawn({
        let (live, asked) = (Arc::clone(&live), request(&url));
        async move { live.send(asked).await }
    });
    came.await.unwrap();
    manual.advance(SILENCE).await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!((error.message(), error.is_retryable()), ("timed out waiting for the answer", false));
    assert_eq!(error.context_value("waited"), Some("60 s"));

    // Every byte starts the time anew.
    let sending = tokio::spawn({
        let (live, asked) = (Arc::clone(&live), request(&url));
        async move { live.send(asked).await }
    });
    settle().await;
    manual.advance(SILENCE / 2).await;
    speak.send(()).unwrap();
    let mut body = sending.await.unwrap().unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "[1");
    manual.advance(SILENCE / 2).await;
    let reading = tokio::spawn(async move {
        let error = body.next().await.unwrap().unwrap_err();
        assert!(body.next().await.is_none(), "a broken body has ended");
        error
    });
    settle().await;
    manual.advance(SILENCE).await;
    assert_eq!(reading.await.unwrap().message(), "timed out in the middle of the answer");
    drop(serving.await.unwrap());
}

#[tokio::test]
async fn tls_failures_are_named_and_come_before_the_request() {
    let (address, serving) = serve_raw(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let error = live().send(request(format!("https://{address}/"))).await.unwrap_err();
    assert_eq!(error.message(), "TLS failure: no secure connection could be set up");
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Network, true));
    assert!(error.context_value("tls").is_some(), "{error}");
    serving.await.unwrap();
}

/// A server that answers whatever comes, TLS or not, with the same bytes.
async fn serve_raw(answer: &'static [u8]) -> (SocketAddr, JoinHandle<()>) {
    let (listener, address) = listen().await;
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        stream.write_all(answer).await.unwrap();
        let _ = stream.shutdown().await;
    });
    (address, serving)
}

#[tokio::test]
async fn nothing_goes_in_the_clear_to_another_machine() {
    for (url, message) in [
        ("http://api.example/", "plain HTTP is for this machine only"),
        ("http://10.0.0.1:8080/", "plain HTTP is for this machine only"),
        ("http://localhost.api.example/", "plain HTTP is for this machine only"),
        ("ftp://127.0.0.1/", "requests cannot go over `ftp`"),
    ] {
        let error = live().send(request(url)).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidArgument, message), "{url}");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let (listener, address) = listen().await;
    let serving = tokio::spawn(async move {
        let (mut stream, _) = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").await.unwrap();
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\ny").await.unwrap();
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    });
    let live = live();
    let first = live.send(request(format!("http://{address}/first"))).await.unwrap();
    assert_eq!(read(first).await.unwrap(), b"x");
    let second = live.send(request(format!("http://{address}/second"))).await.unwrap();
    assert_eq!(read(second).await.unwrap(), b"y");
    assert!(serving.await.unwrap().starts_with("GET /second "), "it came over the same connection");
}

#[test]
fn a_user_agent_must_be_a_header() {
    let options = LiveOptions { user_agent: "a\nb".to_owned(), ..LiveOptions::default() };
    assert_eq!(LiveTransport::new(options).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn certificate_problems_and_dead_names_are_told_from_other_failures() {
    // As rustls and its verifiers word it.
    let inner = io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate: Expired");
    let outer = io::Error::other(inner);
    let texts: Vec<String> = chain(&outer).map(ToString::to_string).collect();
    assert!(texts.iter().any(|text| text.contains("certificate")));
    assert_eq!(find::<io::Error>(&outer).map(io::Error::kind), Some(io::ErrorKind::InvalidData));
}

/// Chunks that a test hands out one by one; the source says that there are `length` bytes.
#[derive(Debug)]
struct Handed {
    length: u64,
    chunks: Mutex<Option<tokio::sync::mpsc::Receiver<Result<Bytes>>>>,
}

#[async_trait]
impl BodySource for Handed {
    fn length(&self) -> u64 {
        self.length
    }

    async fn open(&self) -> Result<stream::BoxStream<'static, Result<Bytes>>> {
        let chunks = self.chunks.lock().unwrap().take().unwrap();
        Ok(stream::unfold(chunks, |mut chunks| async move { chunks.recv().await.map(|chunk| (chunk, chunks)) }).boxed())
    }
}

fn handed(url: &str, length: u64) -> (Request, tokio::sync::mpsc::Sender<Result<Bytes>>) {
    let (hand, chunks) = tokio::sync::mpsc::channel(1);
    let source = Handed { length, chunks: Mutex::new(Some(chunks)) };
    (Request { method: Method::PUT, body: Body::Streamed(Arc::new(source)), ..request(url) }, hand)
}

#[tokio::test]
async fn a_streamed_body_says_its_length_and_its_bytes_keep_the_time_out_away() {
    let manual = ManualClock::moved_by_hand();
    let clock = Arc::clone(&manual) as SharedClock;
    let live = LiveTransport::new(LiveOptions { clock, ..LiveOptions::default() }).unwrap();
    let (address, serving) = serve("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let (asked, hand) = handed(&format!("http://{address}/up"), 6);
    let sending = tokio::spawn(async move { read(live.send(asked).await?).await });
    settle().await;
    for chunk in ["ab", "cd", "ef"] {
        manual.advance(SILENCE / 2).await;
        hand.send(Ok(Bytes::from_static(chunk.as_bytes()))).await.unwrap();
        // There is room again when it was taken; after the last one nobody wants more.
        let _taken = hand.reserve().await.map(drop);
        settle().await;
        manual.advance(SILENCE / 2).await;
    }
    drop(hand);
    let seen = serving.await.unwrap();
    assert!(seen.starts_with("PUT /up HTTP/1.1\r\n") && seen.contains("content-length: 6\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\nabcdef") && !seen.contains("transfer-encoding"), "{seen}");
    assert_eq!(sending.await.unwrap().unwrap(), b"ok");
}

#[tokio::test]
async fn a_body_that_breaks_off_on_our_side_says_why() {
    let (listener, address) = listen().await;
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        String::from_utf8(all).unwrap()
    });
    let (asked, hand) = handed(&format!("http://{address}/up"), 6);
    let sending = tokio::spawn(async move { live().send(asked).await });
    hand.send(Ok(Bytes::from_static(b"abc"))).await.unwrap();
    hand.send(Err(Error::new(ErrorKind::Network, "the file broke off"))).await.unwrap();
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!((error.message(), error.is_retryable()), ("the file broke off", false));
    assert!(!serving.await.unwrap().contains("abcdef"));
}
