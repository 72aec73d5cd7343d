//! The API that is asked, and its provider document.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;

/// Rows of a page, unless the path says otherwise.
pub(crate) const PAGE: usize = 500;

/// How the API behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Behaviour {
    /// How long it thinks before each answer.
    pub(crate) latency: Duration,
    /// Rows of its lists.
    pub(crate) rows: usize,
    /// More requests in any second are answered 429.
    pub(crate) per_second: Option<usize>,
    /// Every so many requests one is answered 500.
    pub(crate) fault_every: Option<u64>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A running API; it ends when this is dropped.
pub(crate) struct Api {
    address: SocketAddr,
    state: Arc<State>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct State {
    behaviour: Behaviour,
    calls: AtomicU64,
    refused: AtomicU64,
    went: Mutex<VecDeque<Instant>>,
}

impl Api {
    pub(crate) fn start(behaviour: Behaviour) -> Result<Self, Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        let (calls, refused, went) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::default());
        let state = Arc::new(State { behaviour, calls, refused, went });
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
                    // An error is the client leaving.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        Ok(Self { address, state, runtime: Some(runtime) })
    }

    /// Requests so far, and how many of them were refused.
    pub(crate) fn seen(&self) -> (u64, u64) {
        (self.state.calls.load(Ordering::Relaxed), self.state.refused.load(Ordering::Relaxed))
    }

    /// The provider `bench` with the service `api`.
    pub(crate) fn documents(&self) -> Result<TempDir, Box<dyn Error>> {
        let dir = TempDir::new()?;
        let root = dir.path().join("bench/v1");
        std::fs::create_dir_all(root.join("services"))?;
        std::fs::write(root.join("provider.yaml"), PROVIDER)?;
        std::fs::write(root.join("services/api.yaml"), document(&format!("http://{}", self.address)))?;
        Ok(dir)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, Infallible> {
    let call = state.calls.fetch_add(1, Ordering::Relaxed) + 1;
    if !state.has_room() {
        state.refused.fetch_add(1, Ordering::Relaxed);
        return Ok(reply(429, String::from(r#"{"error":"slow down"}"#), None));
    }
    if !state.behaviour.latency.is_zero() {
        tokio::time::sleep(state.behaviour.latency).await;
    }
    if state.behaviour.fault_every.is_some_and(|every| call.is_multiple_of(every)) {
        return Ok(reply(500, String::from(r#"{"error":"try again"}"#), None));
    }
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let number = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).and_then(|(_, value)| value.parse::<usize>().ok())
    };
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    Ok(match segments.as_slice() {
        ["things", id] => match id.parse() {
            Ok(id) if (1..=state.behaviour.rows).contains(&id) => reply(200, thing(id), None),
            _ => reply(404, String::from(r#"{"error":"no such thing"}"#), None),
        },
        ["things", id, "children"] => reply(200, few(id, 5), None),
        ["children", id, "children"] => reply(200, few(id, 4), None),
        ["whole"] => whole(state.behaviour.rows),
        ["links"] => reply(200, links(state.behaviour.rows), None),
        ["regions", _, "things"] | ["things" | "cursor" | "next" | "linked"] => {
            let size = number("size").unwrap_or(PAGE).min(PAGE);
            let page = number("page").or_else(|| number("cursor")).unwrap_or(1);
            let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
            list(&path, host, page, size, state.behaviour.rows)
        }
        _ => reply(404, String::from(r#"{"error":"no such path"}"#), None),
    })
}

impl State {
    fn has_room(&self) -> bool {
        let Some(most) = self.behaviour.per_second else { return true };
        let now = Instant::now();
        let mut went = self.went.lock().unwrap_or_else(PoisonError::into_inner);
        while went.front().is_some_and(|then| now.duration_since(*then) >= Duration::from_secs(1)) {
            went.pop_front();
        }
        let room = went.len() < most;
        if room {
            went.push_back(now);
        }
        room
    }
}

fn list(path: &str, host: &str, page: usize, size: usize, rows: usize) -> Response<Body> {
    let from = (page - 1) * size;
    let to = (from + size).min(rows);
    let mut body = String::with_capacity(size * 110);
    body.push_str(r#"{"items":["#);
    for id in from + 1..=to {
        if id > from + 1 {
            body.push(',');
        }
        write_thing(&mut body, id);
    }
    let next = (to < rows).then_some(page + 1);
    let url = next.map(|next| format!("http://{host}{path}?page={next}&size={size}"));
    let token = next.map_or_else(|| "null".to_owned(), |next| format!("\"{next}\""));
    let link = url.as_ref().map_or_else(|| "null".to_owned(), |url| format!("\"{url}\""));
    let _ = write!(body, r#"],"total":{rows},"cursor":{token},"next":{link}}}"#);
    reply(200, body, url.filter(|_| path == "/linked"))
}

fn thing(id: usize) -> String {
    let mut text = String::new();
    write_thing(&mut text, id);
    text
}

fn write_thing(out: &mut String, id: usize) {
    let size = id.wrapping_mul(7919) % 100_003;
    let _ = write!(
        out,
        r#"{{"id":{id},"label":"thing-{id:07}","vendor":"v{}","size":{size},"ok":{}}}"#,
        id % 17,
        id.is_multiple_of(2)
    );
}

/// So many objects below another one.
fn few(parent: &str, count: usize) -> String {
    let parent: usize = parent.parse().unwrap_or(0);
    let items: Vec<String> = (1..=count).map(|n| format!(r#"{{"id":{},"label":"c"}}"#, parent * 10 + n)).collect();
    format!(r#"{{"items":[{}]}}"#, items.join(","))
}

/// A thousand rows that name a hundred things, evenly spread over all.
fn links(rows: usize) -> String {
    let thing = |n: usize| 1 + n % 100 * (rows / 100);
    let items: Vec<String> = (0..1000).map(|n| format!(r#"{{"id":{n},"thing_id":{}}}"#, thing(n))).collect();
    format!(r#"{{"items":[{}]}}"#, items.join(","))
}

fn reply(status: u16, body: String, link: Option<String>) -> Response<Body> {
    let mut builder = Response::builder().status(status).header("content-type", "application/json");
    if let Some(link) = link {
        builder = builder.header("link", format!("<{link}>; rel=\"next\""));
    }
    builder.body(Full::new(Bytes::from(body)).boxed_unsync()).unwrap_or_default()
}

/// All rows in one answer, made as it is read.
fn whole(rows: usize) -> Response<Body> {
    const AT_ONCE: usize = 1000;
    let parts = (0..rows.div_ceil(AT_ONCE)).map(move |part| {
        let mut text = String::with_capacity(AT_ONCE * 80);
        text.push_str(if part == 0 { r#"{"items":["# } else { "" });
        for id in part * AT_ONCE + 1..=rows.min((part + 1) * AT_ONCE) {
            text.push_str(if id > 1 { "," } else { "" });
            write_thing(&mut text, id);
        }
        text.push_str(if (part + 1) * AT_ONCE >= rows { "]}" } else { "" });
        Ok(Frame::data(Bytes::from(text)))
    });
    let mut response = Response::new(StreamBody::new(stream::iter(parts)).boxed_unsync());
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    response
}

const PROVIDER: &str = "\
id: bench
name: bench
version: v1
providerServices:
  api: {id: 'api:v1', name: api, version: v1, service: {$ref: bench/v1/services/api.yaml}}
config: {auth: {type: null_auth}}
";

/// The service document: one resource per way of paging, and those that joins go through.
fn document(server: &str) -> String {
    let thing = "{id: {type: integer}, label: {type: string}, vendor: {type: string}, size: {type: integer}, \
                 ok: {type: boolean}}";
    let child = "{id: {type: integer}, label: {type: string}}";
    let total = "total: {rows: $.total, exact: true}";
    let size = |most: usize| format!("pageSize: {{key: size, min: 1, max: {most}, default: {most}}}");
    let paged = |most: usize| format!("{{kind: page, page: {{key: page, first: 1}}, {}, {total}}}", size(most));
    let cursor = format!("{{kind: cursor, cursor: {{key: cursor, from: {{path: $.cursor}}}}, {}}}", size(PAGE));
    let next = format!("{{kind: next_url, next: {{path: $.next}}, {}}}", size(PAGE));
    let link = format!("{{kind: link_header, {}}}", size(PAGE));
    let none = "{kind: none}".to_owned();
    let mut paths = String::new();
    let mut resources = String::new();
    for (name, path, parameter, pagination, columns) in [
        ("by_page", "/things", "", paged(PAGE), thing),
        ("mid_pages", "/things", "", paged(200), thing),
        ("small_pages", "/things", "", paged(100), thing),
        ("by_cursor", "/cursor", "", cursor, thing),
        ("by_next_url", "/next", "", next, thing),
        ("by_link", "/linked", "", link, thing),
        ("regional", "/regions/{region_id}/things", "region_id", paged(PAGE), thing),
        ("whole", "/whole", "", none.clone(), thing),
        ("links", "/links", "", none.clone(), "{id: {type: integer}, thing_id: {type: integer}}"),
        ("children", "/things/{parent_id}/children", "parent_id", none.clone(), child),
        ("grandchildren", "/children/{child_id}/children", "child_id", none, child),
    ] {
        let ty = if parameter == "region_id" { "string" } else { "integer" };
        let parameters = match parameter {
            "" => String::new(),
            name => format!("{{name: {name}, in: path, required: true, schema: {{type: {ty}}}}}"),
        };
        let key = path.replace('/', "~1");
        if !paths.contains(&format!("  {path}:\n")) {
            let _ = write!(
                paths,
                "  {path}:\n    get:\n      operationId: list_{name}\n      parameters: [{parameters}]\n      responses: \
                 {{'200': {{description: rows, content: {{application/json: {{schema: {{type: object, properties: \
                 {{items: {{type: array, items: {{type: object, properties: {columns}}}}}}}}}}}}}}}}}\n"
            );
        }
        let detail = if name == "by_page" {
            "        get:\n          operation: {$ref: '#/paths/~1things~1{thing}/get'}\n          response: \
             {mediaType: application/json, openAPIDocKey: '200'}\n"
        } else {
            ""
        };
        let (keys, also) = if name == "by_page" {
            ("      keys: {thing: id}\n", ", {$ref: '#/components/x-stackQL-resources/by_page/methods/get'}")
        } else {
            ("", "")
        };
        let _ = write!(
            resources,
            "    {name}:\n      id: bench.api.{name}\n      name: {name}\n{keys}      methods:\n        list:\n          \
             operation: {{$ref: '#/paths/{key}/get'}}\n          response: {{mediaType: application/json, openAPIDocKey: \
             '200', objectKey: $.items}}\n          config: {{pagination: {pagination}}}\n{detail}      sqlVerbs:\n        \
             select: [{{$ref: '#/components/x-stackQL-resources/{name}/methods/list'}}{also}]\n"
        );
    }
    let _ = write!(
        paths,
        "  /things/{{thing}}:\n    get:\n      operationId: get_thing\n      parameters: [{{name: thing, in: path, required: \
         true, schema: {{type: integer}}}}]\n      responses: {{'200': {{description: one, content: {{application/json: \
         {{schema: {{type: object, properties: {thing}}}}}}}}}}}\n"
    );
    format!(
        "openapi: 3.0.3\ninfo: {{title: bench, version: v1}}\nservers: [{{url: '{server}'}}]\npaths:\n{paths}components:\n  \
         x-stackQL-resources:\n{resources}"
    )
}
