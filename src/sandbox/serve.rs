//! The sandbox over HTTP on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::header::HOST;
use http_body_util::{BodyExt, BodyStream, Full, Limited};
use hyper::body::Incoming as HttpBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

use super::answer::Answer;
use super::refusal::Refusal;
use super::{BODY_LIMIT, Dropped, Incoming, Sandbox, too_large, upload};
use crate::error::{Error, ErrorKind, Result};

/// How long to wait after a connection could not be accepted: the usual cause, too many open files, passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A sandbox that listens; dropping it ends the listener and every connection.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens.
    pub addr: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Serving {
    /// `http://127.0.0.1:port`
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }
}

/// Serves a sandbox on 127.0.0.1; port 0 takes a free one. Must be called within a tokio runtime.
///
/// # Errors
/// `Network` when the port cannot be had.
pub fn serve(sandbox: Arc<Sandbox>, port: u16) -> Result<Serving> {
    let refused = |error: std::io::Error| {
        Error::new(ErrorKind::Network, format!("the sandbox cannot listen on `127.0.0.1:{port}`"))
            .caused_by(error)
            .hint("choose another port, or 0 for any that is free")
    };
    // Bound at once, so that an engine can be put together without waiting.
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    let listener = TcpListener::from_std(listener).map_err(refused)?;
    let addr = listener.local_addr().map_err(refused)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, addr, sandbox));
    Ok(Serving { addr, _tasks: tasks })
}

/// Owns every connection: when this task ends, they end.
async fn accept(listener: TcpListener, addr: SocketAddr, sandbox: Arc<Sandbox>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, addr, Arc::clone(&sandbox)));
            }
            Err(_) => sandbox.clock.sleep(ACCEPT_PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, addr: SocketAddr, sandbox: Arc<Sandbox>) {
    // Small answers must not wait for the other side's acknowledgements.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let sandbox = Arc::clone(&sandbox);
        async move { respond(&sandbox, addr, request).await }
    });
    let mut http = http1::Builder::new();
    // A date would be the machine's own, not that of the sandbox's clock.
    http.auto_date_header(false);
    // A connection that breaks is the client's affair.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(
    sandbox: &Sandbox,
    addr: SocketAddr,
    request: http::Request<HttpBody>,
) -> Result<http::Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let answer = match url_of(&head, addr) {
        None => sandbox.refuse(&Refusal::bad_request("The request's target is not a URL")),
        Some(url) => match upload::token(head.uri.path()) {
            Some(token) => {
                let lengths = BodyStream::new(body)
                    .map(|frame| frame.ok().map(|frame| frame.data_ref().map_or(0, |data| data.len() as u64)));
                let head = upload::Head { method: &head.method, url: &url, headers: &head.headers };
                sandbox.take_upload(token, &head, lengths.boxed()).await?
            }
            None => match Limited::new(body, BODY_LIMIT).collect().await {
                Ok(body) => {
                    let path = head.uri.path().to_owned();
                    let (method, headers, body) = (head.method, head.headers, body.to_bytes());
                    sandbox.respond(Incoming { method, url, path, headers, body }).await?
                }
                Err(_) => sandbox.refuse(&too_large()),
            },
        },
    };
    let Answer { status, headers, body } = answer;
    let mut response = http::Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// The URL that the client asked for: links in answers lead back there.
fn url_of(head: &http::request::Parts, addr: SocketAddr) -> Option<Url> {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    // Only an authority: anything else in the header would move the path.
    let host = host
        .filter(|host| host.parse::<http::uri::Authority>().is_ok_and(|authority| !authority.as_str().contains('@')));
    let own = addr.to_string();
    [host.unwrap_or(&own), &own].into_iter().find_map(|host| Url::parse(&format!("http://{host}{target}")).ok())
}
