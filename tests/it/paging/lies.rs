//! Lists whose totals, pages and rows contradict each other, and how many of them travel at once.

use super::*;

/// The document of a list of which nothing tells one row from another.
fn keyless_db(server: &Server, pagination: &str) -> Db {
    let text = widgets_service_with(&server.url(), &["page", "offset", "per_page"], pagination, "$.items");
    let text =
        text.replace("      keys: {widget_id: id}\n", "").replacen("id: {type: integer}", "code: {type: integer}", 1);
    Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"))
}

const PAGES_STATED: &str = "total: {pages: $.pages}\n";
const BOTH_STATED: &str = "total: {rows: $.total, pages: $.pages}\n";

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_repeat_under_a_stated_end_are_no_complete_list() {
    let items: Vec<Value> = (0..100).map(|n| json!({"name": format!("n{n}")})).collect();
    for (paging, total, said, rows, reason) in [
        (Paging::Page, STATED_TOTAL, json!({"total": 300}), 300, "page 2 holds the rows of page 1"),
        (Paging::Offset, STATED_TOTAL, json!({"total": 300}), 300, "page 2 holds the rows of page 1"),
        (Paging::Page, PAGES_STATED, json!({"pages": 3}), 300, "page 2 holds the rows of page 1"),
        // Reading ends long before the end that is stated.
        (
            Paging::Page,
            STATED_TOTAL,
            json!({"total": 90_000}),
            400,
            "the API's total is 90000, but pages 2 to 4 held nothing new",
        ),
        (
            Paging::Page,
            PAGES_STATED,
            json!({"pages": 900}),
            400,
            "the API says that there are 900 pages, but pages 2 to 4 held nothing new",
        ),
    ] {
        let mut body = said.clone();
        body["items"] = json!(items);
        let server = Server::start(move |_| Reply::json(200, body.clone())).await;
        let answer = keyless_db(&server, &(paging.document() + total)).rows("SELECT name FROM acme.shop.widgets").await;
        assert_eq!((answer.rows.len(), answer.verdict()), (rows, "moved"), "{paging:?} {said}");
        assert_eq!(answer.warnings(), [reason], "{paging:?} {said}");
        server.idle().await;
        let calls = server.requests().len();
        assert!((rows / 100..=20).contains(&calls), "{paging:?} {said}: {calls}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_few_fields_may_look_alike() {
    // Rows of which only the state is asked for are alike, and none of them is missing.
    let server = Server::start(|seen| {
        let page = page_of(seen);
        let row = |n: usize| match seen.query_value("fields") {
            Some(_) => json!({"ok": true}),
            None => json!({"ok": true, "name": format!("{page} {n}")}),
        };
        Reply::json(200, json!({"total": 120, "items": (0..20).map(row).collect::<Vec<_>>()}))
    })
    .await;
    let pagination = Paging::Page.document() + STATED_TOTAL;
    let text = widgets_service_with(&server.url(), &["page", "per_page"], &pagination, "$.items")
        .replace("      keys: {widget_id: id}\n", "")
        .replacen("id: {type: integer}", "code: {type: integer}", 1)
        .replacen(
            "          config:\n",
            "          config:\n            queryParamPushdown: {select: {paramName: fields}}\n",
            1,
        );
    let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
    let answer = db.rows("SELECT ok FROM acme.shop.widgets").await;
    assert!(server.requests()[0].query_value("fields").is_some(), "{:?}", server.requests()[0]);
    assert_eq!((answer.rows.len(), answer.verdict(), server.requests().len()), (120, "unproved", 6));
    assert_eq!(answer.warnings(), ["page 2 looks like page 1, and nothing tells their rows apart"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_far_behind_the_last_row_does_not_use_up_the_calls() {
    for (first, later, rows, reason) in [
        (1_000_000, 1_000_000, 100, "the API's total is 1000000, but pages 2 to 4 held nothing new"),
        // Later answers know better.
        (1_000_000, 100, 100, "the API's total went from 1000000 to 100 during the scan"),
    ] {
        let server = Server::start(move |seen| {
            let page = page_of(seen);
            let items = if page == 1 { widgets(100) } else { Vec::new() };
            Reply::json(200, json!({"total": if page == 1 { first } else { later }, "items": items}))
        })
        .await;
        let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
        let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
        assert_eq!((answer.ids(), answer.verdict()), (ids(rows), "moved"), "{first} {later}");
        assert_eq!(answer.warnings(), [reason]);
        server.idle().await;
        assert!(server.requests().len() <= 16, "{first} {later}: {}", server.requests().len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_pages_without_rows_do_not_hide_those_behind_them() {
    let server = Server::start(|seen| {
        let page = page_of(seen);
        let items = match page {
            1 => widgets(20),
            4 => widgets(40).split_off(20),
            _ => Vec::new(),
        };
        Reply::json(200, json!({"total": 80, "items": items}))
    })
    .await;
    let answer = Db::new(acme_dir(&server.url(), &page_and_total())).rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!((answer.ids(), answer.verdict()), (ids(40), "moved"));
    assert_eq!(answer.warnings(), ["the API's total is 80, but 40 rows came"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_total_and_a_number_of_pages_disagree_the_pages_are_looked_at() {
    let declared = Paging::Page.document() + BOTH_STATED;
    // What is called a total is the length of the page.
    let server = Server::start(|seen| {
        let items: Vec<Value> = widgets(250).into_iter().skip((page_of(seen) - 1) * 100).take(100).collect();
        Reply::json(200, json!({"total": items.len(), "pages": 3, "items": items}))
    })
    .await;
    let answer = Db::new(acme_dir(&server.url(), &declared)).rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!((answer.ids(), answer.verdict()), (ids(250), "moved"));
    assert_eq!(sorted_pages(&server), [1, 2, 3]);
    // The number of pages is that of smaller pages: an empty one settles it.
    let server = Server::start(|seen| {
        let items: Vec<Value> = widgets(140).into_iter().skip((page_of(seen) - 1) * 100).take(100).collect();
        Reply::json(200, json!({"total": 140, "pages": 7, "items": items}))
    })
    .await;
    let answer = Db::new(acme_dir(&server.url(), &declared)).rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!((answer.ids(), answer.verdict()), (ids(140), "complete"));
    assert_eq!(sorted_pages(&server), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_asks_for_as_many_pages_as_its_host_bears() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(1000), 20, 20, true);
    let server = Server::start(move |seen| if page_of(seen) > 20 { api(seen).gated(&held) } else { api(seen) }).await;
    let documents = acme_dir(&server.url(), &page_and_total());
    let engine = skyql::Engine::builder().providers_dir(documents.path()).build().unwrap();
    let mut session = engine.session();
    let watch = session.watch();
    let reading = tokio::spawn(async move {
        let mut result = session.sql("SELECT id FROM acme.shop.widgets").await.unwrap();
        let batches = result.read_all().await.unwrap();
        batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>()
    });
    gate.arrivals(8).await;
    // Those that the host does not bear yet wait for their turn.
    while watch.progress().is_none_or(|progress| progress.in_flight + progress.waiting <= 16) {
        tokio::task::yield_now().await;
    }
    assert!(server.requests().len() <= 20 + 64);
    gate.open();
    assert_eq!(reading.await.unwrap(), 1000);
    assert_eq!(sorted_pages(&server), (1..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_rows_are_wanted_the_second_page_is_asked_for_before_the_reader_comes_back() {
    for paging in [Paging::Cursor, Paging::NextUrl, Paging::LinkHeader] {
        let server = Server::start(list_api(paging, widgets(100), 20, 20, false)).await;
        let mut db = Db::new(acme_dir(&server.url(), &paging.document()));
        let mut all = db.start("SELECT id FROM acme.shop.widgets").await.unwrap();
        assert_eq!(next_texts(&mut all).await.len(), 20);
        server.received(2).await;
        drop(all);
        server.idle().await;
        let before = server.requests().len();
        let mut some = db.start("SELECT id FROM acme.shop.widgets WHERE name <> '' LIMIT 20").await.unwrap();
        assert_eq!(next_texts(&mut some).await.len(), 20);
        assert!(next_texts(&mut some).await.is_empty());
        server.idle().await;
        assert_eq!(server.requests().len() - before, 1, "{paging:?}: a LIMIT needs no second page");
    }
}

/// A number called `total` that no document calls one, of which every page states its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_only_its_name_makes_one_is_not_believed_at_the_end_of_a_full_page() {
    // What is said of a page, and how many rows and calls there are then.
    for (count, states_page, clamps, rows, calls, verdict) in [
        (35, true, false, 35, 5, "complete"),
        (10, true, false, 10, 2, "complete"),
        // A page that is not full is the last one.
        (7, true, false, 7, 1, "complete"),
        // A total that says more than a page holds is one.
        (35, false, false, 35, 4, "complete"),
        // An API that gives its last page again has no other.
        (10, true, true, 10, 2, "complete"),
    ] {
        let server = Server::start(move |seen| {
            let all = widgets(count);
            let last = all.len().div_ceil(10).max(1);
            let page = if clamps { page_of(seen).min(last) } else { page_of(seen) };
            let here: Vec<&Value> = all.iter().skip((page - 1) * 10).take(10).collect();
            let total = if states_page { here.len() } else { all.len() };
            Reply::json(200, json!({"total": total, "items": here}))
        })
        .await;
        let text = widgets_service_with(
            &server.url(),
            &["page", "per_page"],
            "kind: page\npage: {key: page, location: query, first: 1}\npageSize: {key: per_page, max: 10, default: 10}\n",
            "$.items",
        );
        let text = text.replacen("properties: {items:", "properties: {total: {type: integer}, items:", 1);
        let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
        let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
        let what = format!("{count} rows, of a page {states_page}, clamps {clamps}");
        assert_eq!(answer.ids(), ids(rows), "{what}");
        assert_eq!((answer.verdict(), server.requests().len()), (verdict, calls), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_behind_the_end_that_is_refused_leaves_the_list_unproved() {
    let server = Server::start(|seen| match page_of(seen) {
        1 => Reply::json(200, json!({"total": 20, "items": widgets(20)})),
        _ => Reply::json(400, json!({"error": "no such page"})),
    })
    .await;
    let mut db = telling_db(&server, &["page", "per_page"], "total: {type: integer}");
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!((answer.ids(), answer.verdict()), (ids(20), "unproved"));
}
