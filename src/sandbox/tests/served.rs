//! Over loopback, byte by byte, and with requests that make no sense.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method as HttpMethod};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::apis::{linode, lunanode, paged};
use super::pages::pagination;
use super::{TOKEN, get_with_token, ids, seeded, signed_form};
use crate::error::ErrorKind;
use crate::provider::{PageKind, TokenSource};
use crate::sandbox::testing::in_query;
use crate::sandbox::{Incoming, serve};

/// A client that knows nothing but HTTP/1.1 with `Content-Length`.
struct Wire(TcpStream);

impl Wire {
    async fn ask(&mut self, head: &str, body: &str) -> (u16, Value) {
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.0.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn it_is_served_over_http_and_ends_when_dropped() {
    let linode = Arc::new(seeded(&linode(), 1));
    let serving = serve(Arc::clone(&linode), 0).unwrap();
    assert!(serving.addr.ip().is_loopback() && serving.origin().starts_with("http://127.0.0.1:"));
    let mut wire = Wire(TcpStream::connect(serving.addr).await.unwrap());
    let head = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}", serving.addr);
    let mut all = BTreeSet::new();
    for page in 1..=3 {
        // One connection for all requests.
        let (status, page) = wire.ask(&head(&format!("/v4/images?page={page}")), "").await;
        assert_eq!(status, 200);
        all.extend(ids(&page["data"]));
    }
    assert_eq!(all.len(), 240);
    let in_process = get_with_token(&linode, "/images/linode%2Fdebian12").await.json;
    assert_eq!(wire.ask(&head("/v4/images/linode%2Fdebian12"), "").await, (200, in_process));
    assert_eq!(wire.ask(&head("/v4/../v4/images"), "").await.0, 404, "paths are taken as they come");
    assert_eq!(wire.ask(&head("/v4/images/%2e%2e"), "").await.0, 404);
    assert_eq!(wire.ask(&format!("GET /v4/domains HTTP/1.1\r\nHost: {}", serving.addr), "").await.0, 401);
    assert_eq!(linode.requests().last().unwrap().path_and_query, "/v4/domains");
    let taken = serve(linode, serving.addr.port()).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Network);

    let addr = serving.addr;
    drop(serving);
    assert_eq!(wire.0.read(&mut [0; 16]).await.unwrap_or(0), 0, "the open connection ends");
    assert!(TcpStream::connect(addr).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn links_lead_back_to_where_the_client_asked() {
    let sandbox = Arc::new(seeded(&paged(103, pagination(PageKind::NextUrl { path: "$.next".into() })), 1));
    let serving = serve(sandbox, 0).unwrap();
    let mut wire = Wire(TcpStream::connect(serving.addr).await.unwrap());
    for (host, origin) in [
        ("localhost:99", "http://localhost:99".to_owned()),
        ("a b/c", serving.origin()),
        ("x@evil.example", serving.origin()),
    ] {
        let (_, page) = wire.ask(&format!("GET /things?limit=50 HTTP/1.1\r\nHost: {host}"), "").await;
        assert_eq!(page["next"], json!(format!("{origin}/things?limit=50&page=2")), "{host}");
    }
}

#[tokio::test]
async fn signed_forms_are_answered_over_http() {
    let sandbox = Arc::new(seeded(&lunanode(), 1));
    let body = signed_form(&sandbox.credentials(), "image/list/", &json!({"region": "montreal"}), 1_700_000_000);
    let serving = serve(sandbox, 0).unwrap();
    let mut wire = Wire(TcpStream::connect(serving.addr).await.unwrap());
    let head = format!(
        "POST /api/image/list/ HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded",
        serving.addr
    );
    let (status, page) = wire.ask(&head, &body).await;
    assert_eq!((status, &page["success"]), (200, &json!("yes")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_request_makes_it_panic(
        services in prop::sample::select(vec![0_usize, 1, 2]),
        path in r"/(v4|api|things|images|domains|image|list|%[0-9a-f]{2}|[^/?#]{0,3}|/){0,6}",
        query in r"((page|page_size|limit|after|skip|is_public|kind|[a-z%]{1,4})=[^#]{0,6}&){0,4}",
        http_method in r"GET|POST|DELETE|X",
        body in any::<Vec<u8>>(),
        form in prop::option::of(r"req=.{0,20}&signature=.{0,9}&nonce=(1700000000|.{0,5})"),
        token in prop::option::of("[ -~]{0,20}"),
    ) {
        let cursor = PageKind::Cursor { from: TokenSource::Header("\n".into()), parameter: in_query("after"), more: Some("$..x".into()) };
        let services = match services {
            0 => linode(),
            1 => lunanode(),
            _ => paged(103, pagination(cursor)),
        };
        let sandbox = seeded(&services, 1);
        let Ok(url) = Url::parse(&format!("https://x.example{path}?{query}")) else { return Ok(()) };
        let headers = token.and_then(|token| HeaderValue::from_str(&token).ok()).map(|token| (AUTHORIZATION, token)).into_iter().collect();
        let body = Bytes::from(form.map_or(body, String::into_bytes));
        let incoming = Incoming { method: HttpMethod::from_bytes(http_method.as_bytes()).unwrap(), path, url, headers, body };
        let answer = sandbox.answer(&incoming);
        prop_assert!(answer.status.as_u16() >= 200);
        prop_assert!(serde_json::from_slice::<Value>(&answer.body).is_ok());
    }
}
