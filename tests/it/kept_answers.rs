//! Which answers are kept across statements, and lists that are not kept whole.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, list_api, paged, widgets};
use crate::support::query::{Answer, Db};
use crate::support::server::{Reply, Server};

const ALL: &str = "SELECT id FROM acme.shop.widgets";
/// Conditions are checked on the rows: the first page alone is read, in its usual size.
const FIRST: &str = "SELECT id FROM acme.shop.widgets WHERE name <> '' LIMIT 3";

fn keeping(server: &Server, declared: &str) -> Db {
    Db::new(acme_dir(&server.url(), declared)).set("cache", "1h").set("retries", "0")
}

/// The API of `rows`, which change while the test goes on, in pages of 20.
async fn changing(rows: &Arc<Mutex<Vec<Value>>>) -> Server {
    let rows = Arc::clone(rows);
    Server::start(move |seen| paged(rows.lock().unwrap().clone(), 20, 20, false)(seen)).await
}

fn seen(answer: &Answer) -> (usize, u64, u64, &'static str) {
    (answer.rows.len(), answer.report.calls, answer.report.cached, answer.verdict())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_what_was_asked_for_is_not_kept() {
    let one = "SELECT id FROM acme.shop.widgets WHERE id = 1";
    let empty: fn() -> Reply = || Reply::json(200, json!({}));
    let quota: fn() -> Reply = || Reply::json(200, json!({"error": {"message": "quota"}}));
    let other: fn() -> Reply = || Reply::json(200, json!({"id": 7, "name": "another"}));
    let nothing: fn() -> Reply = || Reply::empty(200);
    let no_content: fn() -> Reply = || Reply::empty(204);
    for (what, sql, bad, rows) in [
        ("a list without items", ALL, empty, 3),
        ("an error in place of a list", ALL, quota, 3),
        ("no body", ALL, nothing, 3),
        ("204 in place of a list", ALL, no_content, 3),
        ("no object", one, empty, 1),
        ("an error in place of an object", one, quota, 1),
        ("another object", one, other, 1),
        ("204 in place of an object", one, no_content, 1),
    ] {
        let calls = AtomicUsize::new(0);
        let api = paged(widgets(3), 20, 100, true);
        let server =
            Server::start(move |request| if calls.fetch_add(1, Ordering::SeqCst) == 0 { bad() } else { api(request) })
                .await;
        let mut db = keeping(&server, &(Paging::Page.document() + STATED_TOTAL));
        let first = db.rows(sql).await;
        assert_eq!((first.report.calls, first.report.cached), (1, 0), "{what}");
        assert_eq!(seen(&db.rows(sql).await), (rows, 1, 0, "complete"), "{what}");
        assert_eq!(seen(&db.rows(sql).await), (rows, 0, 1, "complete"), "{what}");
        assert_eq!(server.requests().len(), 2, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_which_a_page_is_not_kept_is_read_anew_and_kept_whole() {
    let join = "SELECT a.id FROM acme.shop.widgets a JOIN acme.shop.widgets b ON a.name = b.name";
    for paging in Paging::ALL {
        for (total, sql) in [(true, ALL), (false, ALL), (true, join), (false, join)] {
            let what = format!("{paging:?}, total {total}, {sql}");
            let server = Server::start(list_api(paging, widgets(50), 20, 20, total)).await;
            let mut db = keeping(&server, &(paging.document() + if total { STATED_TOTAL } else { "" }));
            assert_eq!(seen(&db.rows(FIRST).await), (3, 1, 0, "truncated"), "{what}");
            let whole = db.rows(sql).await;
            let pages = if total || !matches!(paging, Paging::Page | Paging::Offset) { 3 } else { 4 };
            // Nothing of what was kept was used.
            assert_eq!(seen(&whole), (50, pages, 0, "complete"), "{what}\n{:?}", whole.warnings());
            let again = db.rows(ALL).await;
            assert_eq!(seen(&again), (50, 0, pages, "complete"), "{what}\n{:?}", again.warnings());
            assert_eq!(server.requests().len() as u64, 1 + pages, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_failed_once_leaves_nothing_behind() {
    let failed = AtomicUsize::new(0);
    let api = paged(widgets(50), 20, 20, true);
    let server = Server::start(move |request| {
        let fails = request.query_value("page").as_deref() == Some("2") && failed.fetch_add(1, Ordering::SeqCst) == 0;
        if fails { Reply::json(500, json!({"error": "not now"})) } else { api(request) }
    })
    .await;
    let mut db = keeping(&server, &(Paging::Page.document() + STATED_TOTAL)).set("on_partial", "warn");
    assert_eq!(db.rows(ALL).await.verdict(), "failed");
    assert_eq!(seen(&db.rows(ALL).await), (50, 3, 0, "complete"));
    assert_eq!(seen(&db.rows(ALL).await), (50, 0, 3, "complete"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_ends_with_a_page_that_is_not_there_is_kept_to_its_end() {
    for status in [404, 204] {
        let api = paged(widgets(40), 20, 20, false);
        let server = Server::start(move |request| match (request.query_value("page").as_deref(), status) {
            (Some("3"), 204) => Reply::empty(204),
            (Some("3"), _) => Reply::json(404, json!({"error": "no such page"})),
            _ => api(request),
        })
        .await;
        let mut db = keeping(&server, &Paging::Page.document());
        assert_eq!(seen(&db.rows(ALL).await), (40, 3, 0, "complete"), "{status}");
        assert_eq!(seen(&db.rows(ALL).await), (40, 0, 3, "complete"), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_the_first_page_was_kept_is_in_the_answer() {
    let rows = Arc::new(Mutex::new(widgets(40)));
    let server = changing(&rows).await;
    let mut db = keeping(&server, &Paging::Page.document());
    db.rows(FIRST).await;
    rows.lock().unwrap().insert(0, json!({"id": 99, "name": "new"}));
    let answer = db.rows(ALL).await;
    assert_eq!(answer.ids(), std::iter::once(99).chain(1..=40).collect::<Vec<_>>());
    assert_eq!(seen(&answer), (41, 4, 0, "complete"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_may_stop_early_gets_no_row_twice() {
    let some = "SELECT id FROM acme.shop.widgets WHERE name <> '' LIMIT 30";
    let many = "SELECT id FROM acme.shop.widgets WHERE name <> '' LIMIT 1000";
    let rows = Arc::new(Mutex::new(widgets(40)));
    let server = changing(&rows).await;
    let mut db = keeping(&server, &Paging::Page.document());
    db.rows(FIRST).await;
    let answer = db.rows(some).await;
    assert_eq!(answer.ids(), (1..=30).collect::<Vec<_>>());
    // Those of the first page that were given are left out of it when it comes again.
    assert_eq!((server.requests().len(), answer.report.calls), (3, 2));

    let server = changing(&rows).await;
    let mut db = keeping(&server, &Paging::Page.document());
    db.rows(FIRST).await;
    rows.lock().unwrap().insert(0, json!({"id": 99, "name": "new"}));
    let answer = db.rows(many).await;
    let mut ids = answer.ids();
    ids.sort_unstable();
    assert_eq!((ids, answer.verdict()), ((1..=40).chain([99]).collect(), "complete"), "{:?}", answer.warnings());
    assert_eq!(seen(&db.rows(many).await), (41, 0, 4, "complete"));

    let server = changing(&rows).await;
    let mut db = keeping(&server, &Paging::Page.document());
    db.rows(FIRST).await;
    rows.lock().unwrap().retain(|row| row["id"] != 5);
    let answer = db.rows(many).await;
    assert_eq!((answer.rows.len(), answer.verdict()), (41, "moved"));
    let said = "1 of the rows came from a kept answer, and the list does not hold them any more";
    assert_eq!(answer.warnings(), [said]);
    assert_eq!(seen(&db.rows(many).await), (40, 0, 3, "complete"));
}
