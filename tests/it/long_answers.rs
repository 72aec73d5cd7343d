//! Answers that are longer than what is held of them: their rows come while they are still on their way.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use skyql::http::{HeaderMap, Request, Response, StatusCode, Transport};
use skyql::{ErrorKind, Verdict};
use tempfile::TempDir;

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, provider_dir, widgets_service};
use crate::support::query::{Db, next_texts};
use crate::support::server::{Gate, Piece, Reply, Seen, Server};

const KIB: usize = 1024;

/// One widget of about a kilobyte, most of which no query asks for.
fn widget(id: usize) -> String {
    format!("{{\"id\": {id}, \"filler\": \"{}\", \"name\": \"widget-{id}\"}}", "x".repeat(KIB - 50))
}

/// Widgets `from` to `to`, with commas between them and after the last.
fn some(from: usize, to: usize) -> Vec<u8> {
    (from..=to).map(|id| widget(id) + ",").collect::<String>().into_bytes()
}

/// A page with the widgets `from` to `to`: `head` stands before the items, `tail` behind them.
fn page(head: &str, from: usize, to: usize, tail: &str) -> String {
    let items: Vec<String> = (from..=to).map(widget).collect();
    format!("{{{head}\"items\": [{}]{tail}}}", items.join(","))
}

fn json_text(body: impl Into<Vec<u8>>) -> Reply {
    Reply::text(200, "application/json", body)
}

fn db_of(server: &Server, paging: &str) -> Db {
    Db::new(acme_dir(&server.url(), paging))
}

fn one_page(server: &Server) -> Db {
    db_of(server, "kind: none")
}

const ALL: &str = "SELECT id, name FROM acme.shop.widgets";

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_while_the_rest_is_withheld() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::start(move |_| {
        let tail = some(601, 1199);
        let pieces = [
            Piece::Data(b"{\"items\": [".to_vec()),
            Piece::Data(some(1, 600)),
            Piece::Hold(held.clone()),
            Piece::Data(tail),
            Piece::Data(format!("{}]}}", widget(1200)).into_bytes()),
        ];
        Reply::pieces(200, "application/json", pieces)
    })
    .await;
    let mut db = one_page(&server);
    let mut result = db.start(ALL).await.unwrap();
    let first = next_texts(&mut result).await;
    assert_eq!(first[0], ["1", "widget-1"]);
    assert!((200..600).contains(&first.len()), "{}", first.len());
    gate.open();
    let rest = result.read_all().await.unwrap();
    let rows = first.len() + rest.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>();
    assert_eq!((rows, result.report().verdict(), result.report().calls), (1200, Verdict::Complete, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_ends_a_page_that_is_on_its_way() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::start(move |_| {
        let start = [b"{\"items\": [".to_vec(), some(1, 600)].concat();
        let rest = [some(601, 700), b"null]}".to_vec()].concat();
        Reply::pieces(200, "application/json", [Piece::Data(start), Piece::Hold(held.clone()), Piece::Data(rest)])
    })
    .await;
    for (sql, rows) in [
        ("SELECT id FROM acme.shop.widgets LIMIT 5", 5),
        ("SELECT id FROM acme.shop.widgets WHERE name LIKE '%00' LIMIT 2", 2),
    ] {
        let answer = one_page(&server).rows(sql).await;
        assert_eq!((answer.rows.len(), answer.verdict()), (rows, "truncated"), "{sql}");
        // The gate never opens: the client has gone.
        server.idle().await;
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_no_json_fails_after_the_rows_before_it() {
    let whole = page("", 1, 800, "");
    for (body, said) in [
        (whole[..whole.len() - 3].to_owned(), "the answer ends in the middle of"),
        (format!("{whole} x"), "the answer is not valid JSON: something follows its end"),
        (page("", 1, 800, ", \"total\": 1,"), "the answer is not valid JSON: expected a key, found `}`"),
        (page("", 1, 800, ", \"items\": []"), "the answer has `items` twice in one object"),
    ] {
        let server = Server::start(move |_| json_text(body.clone())).await;
        let mut db = one_page(&server);
        let mut result = db.start(ALL).await.unwrap();
        let mut rows = 0;
        let error = loop {
            match result.next().await {
                Some(Ok(batch)) => rows += batch.num_rows(),
                Some(Err(error)) => break error,
                None => panic!("{said}: it was taken for whole"),
            }
        };
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(error.message().contains(said), "{said}: {error}");
        assert_eq!(error.context_value("status"), Some("200"));
        assert_eq!(error.context_value("line"), Some("1"));
        assert!((200..800).contains(&rows), "{said}: {rows}");
        assert_eq!(result.report().verdict(), Verdict::Failed);
        assert_eq!(server.requests().len(), 1, "what was an answer is not asked for again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_asked_for_again_only_where_no_row_was_given() {
    let long = page("", 1, 800, "");
    // One item that is longer than what is held of an answer before it is decoded.
    let item = format!("{{\"items\": [{{\"filler\": \"{}\", \"id\": 7}}]}}", "x".repeat(900 * KIB));
    for (body, cut, rows) in [(long.clone(), 100 * KIB, Some(800)), (item, 600 * KIB, Some(1)), (long, 600 * KIB, None)]
    {
        let first = AtomicUsize::new(0);
        let server = Server::start(move |_| {
            let reply = json_text(body.clone());
            if first.fetch_add(1, Ordering::SeqCst) == 0 { reply.truncated(cut) } else { reply }
        })
        .await;
        let mut db = one_page(&server);
        if let Some(rows) = rows {
            let answer = db.rows(ALL).await;
            assert_eq!((answer.rows.len(), answer.verdict()), (rows, "complete"), "{cut}");
            assert_eq!((answer.report.calls, answer.report.retries), (2, 1), "{cut}");
        } else {
            let error = db.error(ALL).await;
            assert_eq!(error.kind(), ErrorKind::Network, "{error}");
            assert_eq!(error.context_value("method"), Some("list"));
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_failures_are_warned_of_the_rows_before_one_stay() {
    let whole = page("", 1, 800, "");
    let server = Server::start(move |_| json_text(&whole[..whole.len() - 3])).await;
    let answer = one_page(&server).set("on_partial", "warn").rows(ALL).await;
    assert_eq!(answer.verdict(), "failed");
    assert!((200..800).contains(&answer.rows.len()), "{}", answer.rows.len());
}

/// The number of the page that a request asks for, by any way of paging.
fn number(seen: &Seen) -> usize {
    seen.query_value("page").or_else(|| seen.query_value("cursor")).map_or(1, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leads_on_may_stand_before_and_behind_the_items() {
    for paging in [Paging::Page, Paging::Cursor, Paging::NextUrl] {
        for before in [true, false] {
            let server = Server::start(move |seen| {
                let n = number(seen);
                let next = n + 1;
                let url = format!("http://{}/widgets?page={next}", seen.header("host").unwrap());
                let (token, link) =
                    if n < 3 { (json!(next.to_string()), json!(url)) } else { (Value::Null, Value::Null) };
                let said = format!("\"total\": 1500, \"next_cursor\": {token}, \"links\": {{\"next\": {link}}}");
                let (from, to) = (n * 500 - 499, n * 500);
                json_text(if before {
                    page(&format!("{said}, "), from, to, "")
                } else {
                    page("", from, to, &format!(", {said}"))
                })
            })
            .await;
            let answer = db_of(&server, &(paging.document() + STATED_TOTAL)).rows(ALL).await;
            let what = format!("{paging:?}, before {before}");
            assert_eq!(answer.ids(), (1..=1500).collect::<Vec<_>>(), "{what}");
            assert_eq!((answer.verdict(), answer.report.calls), ("complete", 3), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_twice_and_pages_that_repeat_are_noticed() {
    let paging = Paging::Page.document();
    // The second page begins with the last rows of the first.
    let server = Server::start(|seen| {
        json_text(match number(seen) {
            1 => page("", 1, 500, ", \"total\": 1000"),
            _ => page("", 401, 900, ", \"total\": 1000"),
        })
    })
    .await;
    let answer = db_of(&server, &(paging.clone() + STATED_TOTAL)).rows(ALL).await;
    assert_eq!((answer.rows.len(), answer.verdict()), (1000, "moved"));
    assert!(answer.warnings()[0].contains("100 rows came twice"), "{:?}", answer.warnings());
    // A page number that the API does not follow, with keys and without.
    for keys in ["      keys: {widget_id: id}\n", ""] {
        let server = Server::start(|_| json_text(page("", 1, 500, ""))).await;
        let text = widgets_service(&server.url(), &paging, "$.items").replace("      keys: {widget_id: id}\n", keys);
        let error = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth")).error(ALL).await;
        assert!(error.message().contains("gives the same rows for every page"), "{error}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_answers_come_part_by_part_too() {
    let server = Server::start(|_| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(page("", 1, 5000, "").as_bytes()).unwrap();
        json_text(packed.finish().unwrap()).header("content-encoding", "gzip")
    })
    .await;
    let answer = one_page(&server).rows(ALL).await;
    assert_eq!((answer.rows.len(), answer.verdict()), (5000, "complete"));
    assert!(answer.report.bytes > 5000 * 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_inside_a_long_200_is_an_error() {
    for (head, tail) in [("\"success\": \"no\", ", ""), ("", ", \"success\": \"no\"")] {
        let server = Server::start(move |_| json_text(page(head, 1, 2000, tail))).await;
        let text = widgets_service(&server.url(), "kind: none", "$.items").replace(
            "            pagination:",
            "            success: {path: $.success, equals: 'yes'}\n            pagination:",
        );
        assert!(text.contains("success:"), "{text}");
        let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
        let error = db.error(ALL).await;
        assert_eq!(error.kind(), ErrorKind::Api, "{error}");
        assert!(error.message().starts_with("the API refused the call"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_one_statement_share_a_long_answer_and_records_hold_it() {
    let server = Server::start(|_| json_text(page("", 1, 800, ""))).await;
    let both = "SELECT a.id FROM acme.shop.widgets a JOIN acme.shop.widgets b ON a.name = b.name";
    let answer = one_page(&server).rows(both).await;
    assert_eq!((answer.rows.len(), answer.report.calls, answer.report.shared), (800, 1, 1));
    let mut db = one_page(&server).set("cache", "5m");
    for calls in [1, 0] {
        let answer = db.rows(ALL).await;
        assert_eq!((answer.rows.len(), answer.report.calls), (800, calls));
    }
    let dir = TempDir::new().unwrap();
    let tape = dir.path().join("long.jsonl");
    let documents = || acme_dir(&server.url(), "kind: none");
    let recorded = Db::with(documents(), |builder| builder.record(&tape)).rows(ALL).await;
    let before = server.requests().len();
    let replayed = Db::with(documents(), |builder| builder.replay(&tape)).rows(ALL).await;
    assert_eq!((&replayed.rows, server.requests().len()), (&recorded.rows, before));
}

/// Answers every request with one page, made as it is read: of 500 MB, or, of red widgets, of 30 MB.
#[derive(Debug, Default)]
struct Endless {
    /// Bytes made of the long ones.
    made: Arc<AtomicUsize>,
}

/// Rows that are made at once.
const AT_ONCE: usize = 100;

#[async_trait]
impl Transport for Endless {
    async fn send(&self, request: Request) -> skyql::Result<Response> {
        let short = request.url.query().is_some_and(|query| query.contains("red"));
        let rows = if short { 30_000 } else { 500_000 };
        let made = Arc::clone(&self.made);
        let items = (0..rows / AT_ONCE).map(move |part| {
            let items = some(part * AT_ONCE + 1, (part + 1) * AT_ONCE);
            if !short {
                made.fetch_add(items.len(), Ordering::SeqCst);
            }
            Ok(Bytes::from(items))
        });
        let start = stream::iter([Ok(Bytes::from_static(b"{\"items\": ["))]);
        let end = stream::iter([Ok(Bytes::from_static(b"null]}"))]);
        let body = start.chain(stream::iter(items)).chain(end).boxed();
        Ok(Response { status: StatusCode::OK, headers: HeaderMap::new(), body })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_before_the_rows_leads_on_while_these_are_on_their_way() {
    for (paging, next) in
        [(Paging::Cursor, "\"next_cursor\": \"more\""), (Paging::NextUrl, "\"links\": {\"next\": \"?page=2\"}")]
    {
        let gate = Gate::new();
        let held = gate.clone();
        let server = Server::start(move |seen| {
            if seen.query_value("cursor").is_some() || seen.query_value("page").is_some() {
                return json_text(format!("{{\"items\": [{}]}}", widget(1200)));
            }
            let pieces = [
                Piece::Data(format!("{{{next}, \"items\": [").into_bytes()),
                Piece::Data(some(1, 600)),
                Piece::Hold(held.clone()),
                Piece::Data(format!("{}]}}", widget(601)).into_bytes()),
            ];
            Reply::pieces(200, "application/json", pieces)
        })
        .await;
        let mut db = db_of(&server, &paging.document());
        let all = tokio::spawn(async move { db.rows(ALL).await });
        server.received(2).await;
        gate.open();
        let answer = all.await.unwrap();
        assert_eq!((answer.rows.len(), answer.verdict()), (602, "complete"), "{paging:?}");
        assert_eq!(server.requests().len(), 2, "{paging:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_not_read_far_ahead_of_its_reader() {
    let endless = Endless::default();
    let made = Arc::clone(&endless.made);
    let documents = acme_dir("http://127.0.0.1:1", "kind: none");
    let mut db = Db::with(documents, |builder| builder.transport(Arc::new(endless)));
    let mut slow = db.start(ALL).await.unwrap();
    assert!(!next_texts(&mut slow).await.is_empty());
    // Meanwhile another statement reads thirty megabytes to their end.
    let quick = db.rows("SELECT count(*) FROM acme.shop.widgets WHERE color = 'red' AND name <> ''").await;
    assert_eq!(quick.rows, [["30000"]]);
    let ahead = made.load(Ordering::SeqCst);
    assert!(ahead < 20 << 20, "{ahead} bytes were read for nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_a_paused_answer_waits_for_get_its_place() {
    // One request at once, and a page that is longer than what is read ahead: the join's own requests come between.
    let server = Server::start(|seen| {
        if seen.path == "/widgets" {
            let rows = (0..200).map(|part| Piece::Data(some(part * 100 + 1, part * 100 + 100)));
            let start = Piece::Data(b"{\"items\": [".to_vec());
            let end = Piece::Data(b"null]}".to_vec());
            return Reply::pieces(200, "application/json", std::iter::once(start).chain(rows).chain([end]));
        }
        let id = seen.path.split('/').nth(2).unwrap_or_default().to_owned();
        Reply::json(200, json!({"items": [{"id": id.parse::<u64>().unwrap(), "label": "part"}]}))
    })
    .await;
    let text = widgets_service(&server.url(), "kind: none", "$.items")
        .replace("            pagination:", "            rateLimit: {concurrency: 1}\n            pagination:");
    let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth")).set("max_calls", "30000");
    let sql = "SELECT p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id WHERE w.id % 100 = 0";
    let answer = db.rows(sql).await;
    assert_eq!((answer.rows.len(), answer.verdict()), (200, "complete"));
    assert_eq!(server.requests().len(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_cannot_hold_rows_are_not_read_to_their_end() {
    for (status, media, said) in [
        (200, "application/octet-stream", "the API answered with `application/octet-stream` where JSON was expected"),
        (200, "text/html", "the API answered with `text/html` where JSON was expected"),
        (500, "application/json", "the API answered 500: Internal Server Error"),
        (404, "text/plain", "the API has no such object: 404 Not Found"),
    ] {
        let server =
            Server::start(move |_| Reply::stream(status, media, std::iter::repeat_with(|| vec![b'x'; 64 * KIB]))).await;
        let error = one_page(&server).set("retries", "0").error(ALL).await;
        assert_eq!(error.message(), said);
        // Nobody reads the rest of it.
        server.idle().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_others_may_want_are_long_ones_too() {
    for (setting, value, sql) in [("cache", "5m", ALL.to_owned()), ("cache", "off", format!("{ALL} UNION ALL {ALL}"))] {
        let gate = Gate::new();
        let held = gate.clone();
        let server = Server::start(move |_| {
            let start = [b"{\"items\": [".to_vec(), some(1, 9000)].concat();
            let rest = format!("{}]}}", widget(9001)).into_bytes();
            Reply::pieces(200, "application/json", [Piece::Data(start), Piece::Hold(held.clone()), Piece::Data(rest)])
        })
        .await;
        let mut db = one_page(&server).set(setting, value);
        let mut result = db.start(&sql).await.unwrap();
        // Nine megabytes came, and the end is withheld.
        assert!(!next_texts(&mut result).await.is_empty());
        gate.open();
        result.read_all().await.unwrap();
        assert_eq!(result.report().verdict(), Verdict::Complete);
    }
}
