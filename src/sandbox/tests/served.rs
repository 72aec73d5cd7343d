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
use super::shipped::services;
use super::writes::Api;
use super::{TOKEN, get_with_token, ids, seeded, signed_form};
use crate::error::ErrorKind;
use crate::provider::{PageKind, TokenSource};
use crate::sandbox::testing::in_query;
use crate::sandbox::{Faults, Incoming, SandboxOptions, serve};

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

#[tokio::test]
async fn uploads_are_counted_as_they_come_and_may_be_larger_than_other_bodies() {
    let api = Api::new("linode");
    let serving = serve(Arc::clone(&api.sandbox), 0).unwrap();
    let token = api.sandbox.credentials()["LINODE_TOKEN"].clone();
    let mut wire = Wire(TcpStream::connect(serving.addr).await.unwrap());
    let head = |what: &str| format!("{what} HTTP/1.1\r\nHost: {}", serving.addr);
    let known =
        |what: &str| format!("{}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json", head(what));
    let open = r#"{"label": "x", "region": "us-east"}"#;
    let (status, made) = wire.ask(&known("POST /v4/images/upload"), open).await;
    assert_eq!(status, 200);
    let path = made["upload_to"].as_str().unwrap().strip_prefix(&serving.origin()).expect("the origin that was asked");
    let put = head(&format!("PUT {path}"));

    // A client that gives up half-way has uploaded nothing.
    let mut broken = TcpStream::connect(serving.addr).await.unwrap();
    broken.write_all(format!("{put}\r\nContent-Length: 100\r\n\r\nabc").as_bytes()).await.unwrap();
    drop(broken);
    let image = format!("GET /v4/images/{}", made["image"]["id"].as_str().unwrap().replace('/', "%2F"));
    assert_eq!(wire.ask(&known(&image), "").await.1["status"], json!("pending_upload"));

    assert_eq!(wire.ask(&put, &"x".repeat(20_000_000)).await.0, 200);
    let image = wire.ask(&known(&image), "").await.1;
    assert_eq!((&image["status"], &image["size"]), (&json!("available"), &json!(20)));
    let mut other = Wire(TcpStream::connect(serving.addr).await.unwrap());
    assert_eq!(other.ask(&put, "bytes").await.0, 409);
}

#[tokio::test]
async fn a_lost_answer_is_a_closed_connection() {
    let faults = Faults { drop_after_write: Some(1), ..Faults::default() };
    let api = Api::with("linode", SandboxOptions { faults, ..SandboxOptions::default() });
    let serving = serve(Arc::clone(&api.sandbox), 0).unwrap();
    let token = api.sandbox.credentials()["LINODE_TOKEN"].clone();
    let mut wire = TcpStream::connect(serving.addr).await.unwrap();
    let body = r#"{"disk_id": 1, "label": "lost"}"#;
    let request = format!(
        "POST /v4/images HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    wire.write_all(request.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    wire.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"", "not a byte of an answer");
    assert!(api.list("/images", "data").await.iter().any(|image| image["label"] == json!("lost")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_body_makes_a_write_panic(
        provider in prop::sample::select(vec!["linode", "digitalocean", "lunanode"]),
        which in any::<prop::sample::Index>(),
        id in r"private%2F[0-9]{1,3}|linode%2Fdebian12|12345|3041961|62137902|%00|[0-9a-f-]{1,36}",
        fields in prop::collection::btree_map(r"label|name|region|regions|tags|disk_id|size|linode_id|type|domain|image_id|url|size_gigabytes|location|format|status|[a-z]{1,5}", json_values(), 0..8),
        raw in prop::option::of(any::<Vec<u8>>()),
        content_type in prop::sample::select(vec!["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""]),
    ) {
        let api = Api::new(provider);
        let services = services(provider);
        let writes: Vec<_> = services
            .iter()
            .flat_map(|service| service.resources.values())
            .flat_map(|resource| resource.methods.values())
            .filter(|method| method.effect != crate::provider::Effect::Read)
            .collect();
        let method = which.get(&writes);
        let filled = |template: &str, value: &str| -> String {
            let parts = template.split('{').map(|part| part.split_once('}').map_or(part.to_owned(), |(_, rest)| format!("{value}{rest}")));
            parts.collect()
        };
        // What stands in the host is a name; only in the path may it be anything.
        let origin = method.server.trim_end_matches('/').replace("{apiVersion}", "v4");
        let url = Url::parse(&(filled(&origin, "nyc3") + &filled(&method.path, &id))).unwrap();
        let fields = Value::Object(fields.into_iter().collect());
        let credentials = api.sandbox.credentials();
        let mut headers = http::HeaderMap::new();
        let body = if provider == "lunanode" {
            let operation = method.path.trim_start_matches('/');
            signed_form(&credentials, operation, &fields, 1_700_000_000).into_bytes()
        } else {
            let token = format!("Bearer {}", credentials.values().next().unwrap());
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&token).unwrap());
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            raw.unwrap_or_else(|| fields.to_string().into_bytes())
        };
        let http_method = HttpMethod::from_bytes(method.http_method.as_bytes()).unwrap();
        let incoming = Incoming { method: http_method, path: url.path().to_owned(), url, headers, body: Bytes::from(body) };
        let done = api.sandbox.answer(&incoming);
        prop_assert!(done.answer.status.as_u16() < 500, "{}", done.answer.status);
        prop_assert!(done.answer.body.is_empty() || serde_json::from_slice::<Value>(&done.answer.body).is_ok());
    }
}

/// Any JSON, a few levels deep.
fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,9}".prop_map(Value::from),
        Just(json!("toronto")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
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
        let answer = sandbox.answer(&incoming).answer;
        prop_assert!(answer.status.as_u16() >= 200);
        prop_assert!(serde_json::from_slice::<Value>(&answer.body).is_ok());
    }
}
