//! A server of HTTP/1.1 on loopback that closes its connections without saying so beforehand.
//!
//! *Owns*: listening, the first request of each connection, its end. *Does not own*: any assertion.
//! *Invariants*: no connection is answered twice; dropping the [`Closing`] closes every one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// When a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closes {
    /// As soon as its first request is answered.
    AfterTheFirst,
    /// When its second request is there.
    AtTheSecond,
}

/// A running server.
pub(crate) struct Closing {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl Closing {
    /// Answers the target and body of each connection's first request with JSON.
    pub(crate) async fn start(closes: Closes, handler: impl Fn(&str, &str) -> Value + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, handler) = (listener.local_addr().unwrap(), Arc::new(handler));
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (handler, noted) = (Arc::clone(&handler), Arc::clone(&noted));
                connections.spawn(async move {
                    let Some((target, body)) = request(&mut stream).await else { return };
                    let answer = handler(&target, &body).to_string();
                    noted.lock().unwrap().push(target);
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
                    let sent = stream.write_all(format!("{head}: {}\r\n\r\n{answer}", answer.len()).as_bytes()).await;
                    if sent.is_ok()
                        && closes == Closes::AtTheSecond
                        && let Some((target, _)) = request(&mut stream).await
                    {
                        noted.lock().unwrap().push(format!("{target}, lost"));
                    }
                });
            }
        });
        Self { address, seen, accepting: accepting.abort_handle() }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The targets of all requests that came; those that were not answered are called lost.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The target and the body of the next request; none where the client is gone.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.split(' ').nth(1)?.to_owned(), body.to_owned()));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(more) if more > 0 => read.extend_from_slice(&buffer[..more]),
            _ => return None,
        }
    }
}
