//! The library inside another program.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::json;
use skyql::http::{HeaderMap, Request, Response, StatusCode, Transport};
use skyql::{Engine, Env, Error, ErrorKind, Verdict};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, provider_dir, widgets, widgets_service};
use crate::support::server::{Gate, Reply, Server};

/// Answers by itself, without a socket, and keeps what it was asked.
#[derive(Debug, Default)]
struct Own {
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Own {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        self.asked.lock().unwrap().push(format!("{} {}", request.method, request.url));
        let body = match request.url.host_str() {
            Some("shop.example.com") => json!({"items": widgets(3), "total": 3}).to_string(),
            _ => return Err(Error::new(ErrorKind::Network, "there is no such host here")),
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let body = stream::iter([Ok(Bytes::from(body))]).boxed();
        Ok(Response { status: StatusCode::OK, headers, body })
    }
}

/// Breaks when it is asked for anything but a list.
#[derive(Debug, Default)]
struct Fragile(Own);

#[async_trait]
impl Transport for Fragile {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        assert!(request.url.path().ends_with("/widgets") && request.method == "GET", "hush: {}", request.url);
        self.0.send(request).await
    }
}

/// Answers with pages whose last item is no JSON, each of which leads on.
#[derive(Debug, Default)]
struct Broken {
    asked: Mutex<Vec<String>>,
    /// What makes a page long enough to be decoded as it arrives.
    filling: String,
}

#[async_trait]
impl Transport for Broken {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        self.asked.lock().unwrap().push(request.url.to_string());
        let body = format!("{{\"items\": [{}{{\"id\": tru}}], \"next_cursor\": \"more\"}}", self.filling);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let body = stream::iter([Ok(Bytes::from(body))]).boxed();
        Ok(Response { status: StatusCode::OK, headers, body })
    }
}

/// On one thread, where nothing but the order of things decides: the rows cannot be decoded, and the next page was asked
/// for all the same.
#[tokio::test]
async fn the_next_page_is_asked_for_before_the_rows_of_this_one_are_decoded() {
    for filling in [String::new(), "{\"id\": 1, \"name\": \"a widget\"},".repeat(20_000)] {
        let dir = acme_dir("https://shop.example.com/v1", &Paging::Cursor.document());
        let broken = Arc::new(Broken { filling, ..Broken::default() });
        let engine = Engine::builder()
            .transport(Arc::clone(&broken) as Arc<dyn Transport>)
            .providers_dir(dir.path())
            .build()
            .unwrap();
        let mut result = engine.session().sql("SELECT id, name FROM acme.shop.widgets").await.unwrap();
        assert_eq!(result.read_all().await.unwrap_err().kind(), ErrorKind::Decode);
        let list = "https://shop.example.com/v1/widgets?per_page=100";
        assert_eq!(*broken.asked.lock().unwrap(), [list.to_owned(), format!("{list}&cursor=more")]);
    }
}

fn usual() -> String {
    Paging::Page.document() + STATED_TOTAL
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transport_of_ones_own_answers_without_a_socket() {
    let dir = acme_dir("https://shop.example.com/v1", &usual());
    let own = Arc::new(Own::default());
    let engine =
        Engine::builder().transport(Arc::clone(&own) as Arc<dyn Transport>).providers_dir(dir.path()).build().unwrap();
    let mut result = engine.session().sql("SELECT id, name FROM acme.shop.widgets WHERE color = 'red'").await.unwrap();
    assert_eq!(result.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["id", "name"]);
    let rows: usize = result.read_all().await.unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 3);
    assert_eq!(*own.asked.lock().unwrap(), ["GET https://shop.example.com/v1/widgets?color=red&per_page=100"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_transport_comes_out_as_it_went_in() {
    let dir = acme_dir("https://elsewhere.example.com", &usual());
    let own = Arc::new(Own::default());
    let settings = skyql::Settings { retries: 0, ..skyql::Settings::default() };
    let engine = Engine::builder()
        .transport(Arc::clone(&own) as Arc<dyn Transport>)
        .settings(settings)
        .providers_dir(dir.path())
        .build()
        .unwrap();
    let mut result = engine.session().sql("SELECT id FROM acme.shop.widgets").await.unwrap();
    let error = result.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Network, "there is no such host here"));
    assert_eq!(error.context_value("method"), Some("list"));
    assert!(result.next().await.is_none(), "nothing comes after an error");
    assert_eq!(own.asked.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_the_statement_and_nothing_else() {
    let dir = acme_dir("https://shop.example.com/v1", &usual());
    let fragile = Arc::new(Fragile::default());
    let transport = Arc::clone(&fragile) as Arc<dyn Transport>;
    let engine = Engine::builder().transport(transport).providers_dir(dir.path()).no_journal().build().unwrap();
    let mut session = engine.session();
    session.settings_mut().set("confirm", "never").unwrap();
    for sql in [
        "SELECT id FROM acme.shop.parts WHERE widget_id = 1",
        "SELECT count(*) FROM acme.shop.parts WHERE widget_id IN (1, 2, 3)",
        "EXEC acme.shop.parts.list @widget_id = 1",
    ] {
        let error = match session.sql(sql).await {
            Ok(mut result) => result.read_all().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Internal, "{sql}: {error}");
        assert_eq!(error.hint_text(), Some("this should not happen: please report it, with the statement"), "{sql}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
    let mut result = session.sql("SELECT id FROM acme.shop.widgets").await.unwrap();
    let rows: usize = result.read_all().await.unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 3);
    assert_eq!(fragile.0.asked.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_result_cancels_its_calls() {
    let gate = Gate::new();
    let held = gate.clone();
    let all = paged(widgets(100), 10, 10, true);
    let server = Server::start(move |seen| {
        let reply = all(seen);
        if seen.query_value("page").is_none() { reply } else { reply.gated(&held) }
    })
    .await;
    let dir = acme_dir(&server.url(), &usual());
    let engine = Engine::builder().providers_dir(dir.path()).build().unwrap();
    let mut result = engine.session().sql("SELECT id FROM acme.shop.widgets").await.unwrap();
    assert_eq!(result.next().await.unwrap().unwrap().num_rows(), 10);
    // Whoever reads on asks for the next pages.
    let reading = tokio::spawn(async move { result.next().await.map(|batch| batch.map(|batch| batch.num_rows())) });
    server.received(2).await;
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    // The server sees the client go, although no answer came.
    server.idle().await;
    gate.open();
    // The connection that a cancelled call leaves behind is of no harm to the next statement. What was on its way when the
    // reader left may still arrive, so only the second statement's own requests are counted.
    let mut again = engine.session().sql("SELECT count(*) FROM acme.shop.widgets WHERE color = 'red'").await.unwrap();
    again.read_all().await.unwrap();
    let own = server.requests().iter().filter(|seen| seen.query_value("color").is_some()).count();
    assert_eq!(own, 4, "33 of 100 widgets are red");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_never_read_calls_nobody() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let dir = acme_dir(&server.url(), &usual());
    let engine = Engine::builder().providers_dir(dir.path()).build().unwrap();
    drop(engine.session().sql("SELECT id FROM acme.shop.widgets").await.unwrap());
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_share_neither_settings_nor_views_nor_reports() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let dir = acme_dir(&server.url(), &usual());
    let engine = Engine::builder().providers_dir(dir.path()).build().unwrap();
    let (mut one, mut other) = (engine.session(), engine.session());
    one.sql("SET max_calls = 7").await.unwrap();
    one.sql("CREATE VIEW mine AS SELECT 1 AS n").await.unwrap();
    one.sql("SELECT id FROM acme.shop.widgets WHERE id = 77").await.unwrap().read_all().await.unwrap();
    assert_eq!((one.settings().max_calls, other.settings().max_calls), (7, 10_000));
    assert_eq!((engine.settings().max_calls, engine.session().settings().max_calls), (10_000, 10_000));
    let error = other.sql("SELECT * FROM mine").await.unwrap_err();
    assert_eq!(error.message(), "there is no table `mine`");
    let mut warnings = other.sql("SHOW WARNINGS").await.unwrap();
    assert_eq!(warnings.read_all().await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    // They run side by side.
    let both =
        futures::join!(one.sql("SELECT id FROM acme.shop.widgets"), other.sql("SELECT id FROM acme.shop.widgets"));
    let (mut first, mut second) = (both.0.unwrap(), both.1.unwrap());
    let read = futures::join!(first.read_all(), second.read_all());
    assert_eq!((read.0.unwrap()[0].num_rows(), read.1.unwrap()[0].num_rows()), (3, 3));
    assert_eq!((first.report().calls, second.report().calls), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_stands_still_at_the_end() {
    let server = Server::start(paged(widgets(25), 10, 10, true)).await;
    let dir = acme_dir(&server.url(), &usual());
    let engine = Engine::builder().providers_dir(dir.path()).build().unwrap();
    let mut session = engine.session();
    let mut result = session.sql("SELECT id FROM acme.shop.widgets").await.unwrap();
    let before = result.report();
    assert_eq!((before.calls, before.rows, before.first_row), (0, 0, None));
    let mut rows = 0;
    while let Some(batch) = result.next().await {
        rows += batch.unwrap().num_rows() as u64;
        assert_eq!(result.report().rows, rows);
    }
    let end = result.report();
    assert_eq!((end.rows, end.calls, end.retries, end.misfits, end.part_count), (25, 3, 0, 0, 1));
    assert_eq!(end.verdict(), Verdict::Complete);
    assert!(end.bytes > 0 && end.first_row.is_some());
    assert_eq!(result.report().elapsed, end.elapsed);
    assert!(result.next().await.is_none());
    assert!(end.footer().starts_with("25 rows · 3 calls · "), "{}", end.footer());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_read_only_where_it_is_given() {
    // Cargo sets this one for every test, so that nothing has to be changed for all threads.
    let variable = "CARGO_MANIFEST_DIR";
    let server = Server::start(|_| Reply::json(200, json!({"items": widgets(1), "total": 1}))).await;
    let service = widgets_service(&server.url(), &usual(), "$.items");
    let auth = format!("type: bearer\ncredentialsenvvar: {variable}");
    let dir = provider_dir("acme", "v1", &[("shop", &service)], &auth);
    for builder in [Engine::builder(), Engine::builder().env(Env::empty())] {
        let engine = builder.providers_dir(dir.path()).build().unwrap();
        let mut result = match engine.session().sql("SELECT id FROM acme.shop.widgets").await {
            Ok(result) => result,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Auth);
                continue;
            }
        };
        let error = result.read_all().await.unwrap_err();
        assert_eq!(error.message(), format!("`acme` needs a credential, but `{variable}` is not set"));
    }
    assert_eq!(server.connections(), 0);
    let engine = Engine::builder().env(Env::process()).providers_dir(dir.path()).build().unwrap();
    engine.session().sql("SELECT id FROM acme.shop.widgets").await.unwrap().read_all().await.unwrap();
    assert_eq!(server.requests()[0].header("authorization"), Some(concat!("Bearer ", env!("CARGO_MANIFEST_DIR"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_statement_is_run() {
    let engine = Engine::builder().build().unwrap();
    for text in ["", " ; ;", "-- nothing", "SELECT 1; SELECT 2"] {
        let error = engine.session().sql(text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax, "{text:?}");
    }
    let error = engine.session().sql("\u{feff}-- a note\n ; SELECT nosuch FROM").await.unwrap_err();
    assert_eq!(error.position().map(|place| (place.line, place.column)), Some((2, 22)), "{error:?}");
    let error = engine.session().sql("\n\n  SELECT nosuch").await.unwrap_err();
    assert_eq!(error.position().map(|place| (place.line, place.column)), Some((3, 10)), "{error:?}");
    for text in ["SELECT 1;", "\u{feff}SELECT 1", "/* one */ SELECT 1 -- done", ";SELECT 1;;"] {
        let mut result = engine.session().sql(text).await.unwrap();
        assert_eq!(result.read_all().await.unwrap()[0].num_rows(), 1, "{text:?}");
    }
}

/// Threads have 2 MB of stack unless somebody says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_chain_of_operators_ends_no_thread() {
    let server = Server::start(paged(widgets(3), 10, 10, true)).await;
    let dir = acme_dir(&server.url(), &usual());
    let engine = Engine::builder().providers_dir(dir.path()).build().unwrap();
    for (start, link) in [
        ("SELECT 1", " + 1"),
        ("SELECT 'a'", " || 'b'"),
        ("SELECT 1 AS n", " UNION ALL SELECT 2"),
        ("SELECT 1 AS n", " UNION SELECT 2"),
        ("SELECT id FROM acme.shop.widgets WHERE name = 'x'", " OR name = 'a'"),
        ("SELECT id FROM acme.shop.widgets WHERE name <> 'x'", " AND upper(name) <> 'a'"),
    ] {
        let sql = format!("{start}{}", link.repeat(100));
        let read = tokio::spawn({
            let engine = engine.clone();
            async move { engine.session().sql(&sql).await?.read_all().await.map(|_| ()) }
        });
        read.await.unwrap().unwrap_or_else(|error| panic!("{link}: {error:?}"));
        for more in [101, 5_000] {
            let error = engine.session().sql(&format!("{start}{}", link.repeat(more))).await.unwrap_err();
            assert_eq!((error.kind(), error.position().is_some()), (ErrorKind::Syntax, true), "{link}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_of_a_process_share_what_an_api_bears() {
    let server = Server::start(paged(widgets(60), 20, 20, true)).await;
    let text = widgets_service(&server.url(), &usual(), "$.items")
        .replace("            pagination:", "            rateLimit: {concurrency: 1}\n            pagination:");
    let documents = provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth");
    let rows = async || {
        let engine = Engine::builder().env(Env::empty()).providers_dir(documents.path()).build().unwrap();
        let mut result = engine.session().sql("SELECT id FROM acme.shop.widgets").await.unwrap();
        result.read_all().await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>()
    };
    assert_eq!(futures::join!(rows(), rows(), rows()), (60, 60, 60));
    assert_eq!((server.requests().len(), server.max_in_flight()), (9, 1));
}
