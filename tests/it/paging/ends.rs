//! How scans end, and what ends them early.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fails_once_is_asked_for_again() {
    let number = AtomicUsize::new(0);
    let api = paged(widgets(40), 20, 20, true);
    let server = Server::start(move |seen| {
        let n = number.fetch_add(1, Ordering::Relaxed);
        if n == 1 { Reply::json(503, json!({"error": "busy"})) } else { api(seen) }
    })
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(40));
    assert_eq!(answer.verdict(), "complete");
    assert_eq!((answer.report.calls, answer.report.retries), (3, 1));
    assert_eq!(pages(&server), [1, 2, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_calls_stops_a_scan() {
    for (paging, total) in [(Paging::Page, true), (Paging::Page, false), (Paging::Cursor, true)] {
        let server = Server::start(list_api(paging, widgets(1000), 20, 20, total)).await;
        let declared = paging.document() + if total { STATED_TOTAL } else { "" };
        let mut db = Db::new(acme_dir(&server.url(), &declared)).set("max_calls", "3");
        let error = db.error("SELECT id FROM acme.shop.widgets").await;
        assert_eq!(error.kind(), ErrorKind::Budget);
        assert_eq!(error.message(), "stopped after 3 calls");
        server.idle().await;
        assert!(server.requests().len() <= 3, "{paging:?}: {:?}", pages(&server));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn max_calls_is_no_partial_failure_to_be_warned_of() {
    let server = Server::start(paged(widgets(1000), 20, 20, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total())).set("max_calls", "3").set("on_partial", "warn");
    assert_eq!(db.error("SELECT id FROM acme.shop.widgets").await.kind(), ErrorKind::Budget);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_complete() {
    for paging in Paging::ALL {
        for total in [true, false] {
            let server = Server::start(list_api(paging, Vec::new(), 20, 20, total)).await;
            let declared = paging.document() + if total { STATED_TOTAL } else { "" };
            let mut db = Db::new(acme_dir(&server.url(), &declared));
            let answer = db.rows("SELECT id, name FROM acme.shop.widgets").await;
            assert_eq!(answer.columns, ["id", "name"]);
            assert!(answer.rows.is_empty());
            assert_eq!(answer.verdict(), "complete", "{paging:?}, total {total}");
            assert_eq!(server.requests().len(), 1, "{paging:?}, total {total}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_more_rows_were_promised_by_is_moved() {
    let server = Server::start(|_| Reply::json(200, json!({"total": 4, "items": widgets(3)}))).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let error_or = db.run("SELECT id FROM acme.shop.widgets").await;
    // Page 2 gives the same three rows again: never four distinct ones.
    let answer = error_or.unwrap();
    assert_eq!(answer.verdict(), "moved");
    assert_eq!(pages(&server), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_result_stops_the_requests() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(1000), 20, 20, true);
    let server = Server::start(move |seen| if page_of(seen) > 1 { api(seen).gated(&held) } else { api(seen) }).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let mut result = db.start("SELECT id FROM acme.shop.widgets").await.unwrap();
    assert_eq!(next_texts(&mut result).await.len(), 20);
    // The reader comes back for more, and leaves.
    let mut waiting = Box::pin(async { next_texts(&mut result).await });
    tokio::select! {
        rows = &mut waiting => panic!("page 2 is withheld, but {} rows came", rows.len()),
        () = gate.arrived() => {}
    }
    drop(waiting);
    drop(result);
    server.idle().await;
    gate.open();
    let answer = db.rows("SELECT id FROM acme.shop.widgets WHERE color = 'red' LIMIT 1").await;
    assert_eq!(answer.rows.len(), 1);
    // What was on its way may still arrive; nothing of later pages goes out.
    let pages = sorted_pages(&server);
    assert!(pages.iter().filter(|page| **page > 3).count() == 0, "{pages:?}");
    let own = server.requests().iter().filter(|seen| seen.query_value("color").is_some()).count();
    assert_eq!(own, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_link_to_another_host_is_not_followed() {
    let other = Server::start(|_| Reply::json(200, json!({"items": []}))).await;
    let link = format!("{}/widgets?page=2", other.url());
    let body = json!({"items": widgets(2), "links": {"next": link}});
    let server = Server::start(move |_| Reply::json(200, body.clone())).await;
    let mut db = Db::new(acme_dir(&server.url(), &Paging::NextUrl.document()));
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(
        error.message(),
        format!("the API's link to the next page was not followed: it leads to another origin, `{}`", other.url())
    );
    assert_eq!(server.requests().len(), 1);
    assert!(other.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_come_shorter_than_the_first_are_read_to_the_total() {
    // An API that drops what the caller may not see from its pages, but not from their numbering.
    let sizes = [20_usize, 12, 20, 8];
    let server = Server::start(move |seen| {
        let page = page_of(seen);
        let start: usize = sizes.iter().take(page - 1).sum();
        let take = sizes.get(page - 1).copied().unwrap_or_default();
        let rows: Vec<Value> = widgets(60).into_iter().skip(start).take(take).collect();
        Reply::json(200, json!({"total": 60, "items": rows}))
    })
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(60));
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(sorted_pages(&server), [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn count_of_a_whole_table_reads_every_page() {
    let server = Server::start(paged(widgets(95), 20, 20, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT count(*) FROM acme.shop.widgets").await;
    assert_eq!(answer.rows, [["95"]]);
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(sorted_pages(&server), [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn union_all_reads_both_sides() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let api = paged(widgets(9), 20, 20, true);
    let server = Server::start(move |seen| {
        counter.fetch_add(1, Ordering::Relaxed);
        api(seen)
    })
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let sql = "SELECT id FROM acme.shop.widgets WHERE color = 'red' \
               UNION ALL SELECT id FROM acme.shop.widgets WHERE color = 'blue'";
    let answer = db.rows(sql).await;
    let mut ids = answer.ids();
    ids.sort_unstable();
    assert_eq!(ids, [2, 3, 5, 6, 8, 9]);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(answer.verdict(), "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_without_keys_that_never_end_are_told_by_their_answers() {
    for key in ["page", "offset"] {
        let server = Server::start(|_| Reply::json(200, json!({"items": [{"name": "a"}, {"name": "b"}]}))).await;
        let declared = format!("kind: {key}\n{key}: {{key: {key}, location: query}}\n");
        let text = widgets_service_with(&server.url(), &[key], &declared, "$.items")
            .replace("      keys: {widget_id: id}\n", "");
        let text = text.replacen("id: {type: integer}", "code: {type: integer}", 1);
        let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
        let error = db.error("SELECT name FROM acme.shop.widgets").await;
        assert_eq!(error.message(), "the API gives the same rows for every page, so reading them would never end");
        assert_eq!(server.requests().len(), 3, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_removed_midway_are_moved_where_the_total_tells() {
    let server = Server::start(|seen| {
        let rows = widgets(40);
        // Row 1 goes after page 1 was read: row 21 moves to page 1 and is never seen.
        let (skip, total) = if page_of(seen) == 1 { (0, 40) } else { (21, 39) };
        Reply::json(200, json!({"total": total, "items": rows.iter().skip(skip).take(20).collect::<Vec<_>>()}))
    })
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.rows.len(), 39);
    assert_eq!(answer.verdict(), "moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_pages_is_a_total_too() {
    let server = Server::start(|seen| {
        let rows = widgets(45);
        let start = (page_of(seen) - 1) * 20;
        Reply::json(200, json!({"pages": 3, "items": rows.iter().skip(start).take(20).collect::<Vec<_>>()}))
    })
    .await;
    let declared = Paging::Page.document() + "total: {pages: $.pages}\n";
    let mut db = Db::new(acme_dir(&server.url(), &declared));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(45));
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(sorted_pages(&server), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_page_number_of_zero_is_followed_by_one() {
    let server = Server::start(|seen| {
        let page: usize = seen.query_value("page").map_or(0, |page| page.parse().unwrap());
        let rows = widgets(45);
        Reply::json(200, json!({"total": 45, "items": rows.iter().skip(page * 20).take(20).collect::<Vec<_>>()}))
    })
    .await;
    let declared = page_and_total().replace("first: 1", "first: 0");
    let mut db = Db::new(acme_dir(&server.url(), &declared));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(45));
    let mut sent: Vec<_> = server.requests().iter().map(|seen| seen.query_value("page")).collect();
    sent.sort();
    assert_eq!(sent, [None, Some("1".to_owned()), Some("2".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_may_be_a_number_and_a_flag_may_end_it() {
    let server = Server::start(|seen| {
        let start: usize = seen.query_value("cursor").map_or(0, |text| text.parse().unwrap());
        let rows = widgets(25);
        let body = json!({
            "items": rows.iter().skip(start).take(10).collect::<Vec<_>>(),
            "next_cursor": start + 10,
            "more": start + 10 < 25,
        });
        Reply::json(200, body)
    })
    .await;
    let declared = "kind: cursor\ncursor: {key: cursor, location: query, from: {path: $.next_cursor}, more: $.more}\n";
    let mut db = Db::new(acme_dir(&server.url(), declared));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(25));
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn order_by_limit_reads_everything() {
    let server = Server::start(paged(widgets(45), 20, 20, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets ORDER BY id DESC LIMIT 2").await;
    assert_eq!(answer.ids(), [45, 44]);
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(sorted_pages(&server), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_first_page_under_warn_is_no_rows_and_failed() {
    let server = Server::start(|_| Reply::json(500, json!({"error": "boom"}))).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total())).set("on_partial", "warn").set("retries", "1");
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert!(answer.rows.is_empty());
    assert_eq!(answer.verdict(), "failed");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_parameters_may_be_arguments_of_the_table() {
    let server = Server::start(paged(widgets(1000), 20, 100, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets(page => 3, per_page => 2)").await;
    assert_eq!(answer.ids(), [5, 6]);
    assert_eq!(answer.verdict(), "truncated");
    let answer = db.rows("SELECT count(id) FROM acme.shop.widgets(per_page => 100)").await;
    assert_eq!(answer.rows, [["1000"]]);
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(server.requests().len(), 1 + 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_or_a_cursor_of_the_users_own_is_one_call() {
    for (paging, predicate, first) in
        [(Paging::Offset, "\"offset\" = 30", 31), (Paging::Cursor, "cursor = 'after-40'", 41)]
    {
        let name = if paging == Paging::Offset { "offset" } else { "cursor" };
        let server = Server::start(list_api(paging, widgets(100), 20, 20, true)).await;
        let text = widgets_service_with(&server.url(), &[name, "per_page"], &paging.document(), "$.items");
        let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
        let answer = db.rows(&format!("SELECT id FROM acme.shop.widgets WHERE {predicate}")).await;
        assert_eq!(answer.ids(), (first..first + 20).collect::<Vec<_>>());
        assert_eq!(answer.verdict(), "truncated");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_zero_makes_no_call() {
    let server = Server::start(paged(widgets(10), 20, 100, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets LIMIT 0").await;
    assert!(answer.rows.is_empty());
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_the_whole_list_fits_in_is_complete() {
    for paging in Paging::ALL {
        let server = Server::start(list_api(paging, widgets(7), 20, 20, true)).await;
        let mut db = Db::new(acme_dir(&server.url(), &(paging.document() + STATED_TOTAL)));
        let answer = db.rows("SELECT id FROM acme.shop.widgets LIMIT 50").await;
        assert_eq!(answer.ids(), ids(7));
        assert_eq!(answer.verdict(), "complete", "{paging:?}");
        assert_eq!(server.requests().len(), 1, "{paging:?}");
    }
}

const SEARCH: &str = "\
openapi: 3.0.3
info: {title: Search, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /search:
    post:
      operationId: search
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties:
                term: {type: string}
                token: {type: string}
                size: {type: integer}
      responses:
        '200':
          description: found
          content:
            application/json:
              schema:
                type: object
                properties:
                  next: {type: string}
                  hits: {type: array, items: {type: object, properties: {id: {type: integer}, name: {type: string}}}}
components:
  x-stackQL-resources:
    hits:
      id: acme.search.hits
      name: hits
      methods:
        search:
          operation: {$ref: '#/paths/~1search/post'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.hits}
          config:
            pagination:
              kind: cursor
              cursor: {key: token, location: body, from: {path: $.next}}
              pageSize: {key: size, location: body, max: 10}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/hits/methods/search'}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_posted_pages_in_its_body_and_is_repeated_like_any_read() {
    let number = AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        if number.fetch_add(1, Ordering::Relaxed) == 1 {
            return Reply::json(503, json!({"error": "busy"}));
        }
        let body = seen.json();
        let start: usize = body["token"].as_str().map_or(0, |text| text.parse().unwrap());
        let rows = widgets(25);
        let next = (start + 10 < 25).then(|| (start + 10).to_string());
        Reply::json(200, json!({"hits": rows.iter().skip(start).take(10).collect::<Vec<_>>(), "next": next}))
    })
    .await;
    let text = SEARCH.replace("SERVER", &server.url());
    let mut db = Db::new(provider_dir("acme", "v1", &[("search", &text)], "type: null_auth"));
    let answer = db.rows("SELECT id FROM acme.search.hits WHERE term = 'x'").await;
    assert_eq!(answer.ids(), ids(25));
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(answer.report.retries, 1);
    let bodies: Vec<Value> = server.requests().iter().map(Seen::json).collect();
    assert_eq!(
        bodies,
        [
            json!({"term": "x", "size": 10}),
            json!({"term": "x", "size": 10, "token": "10"}),
            json!({"term": "x", "size": 10, "token": "10"}),
            json!({"term": "x", "size": 10, "token": "20"}),
        ]
    );
    assert!(server.requests().iter().all(|seen| seen.method == "POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_over_many_calls_stop_with_the_limit() {
    let server = Server::start(paged(widgets(300), 20, 20, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let sql = "SELECT id FROM acme.shop.widgets WHERE color IN ('red', 'blue', 'green') AND name <> 'x' LIMIT 1";
    let answer = db.rows(sql).await;
    assert_eq!(answer.ids(), [3]);
    server.idle().await;
    assert_eq!(
        server.requests().len(),
        1,
        "{:?}",
        server.requests().iter().map(Seen::path_and_query).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_of_more_without_a_place_is_no_end() {
    let server = Server::start(|_| Reply::json(200, json!({"items": widgets(2), "has_more": true}))).await;
    let paging = "kind: cursor\ncursor: {key: cursor, location: query, from: {path: $.next}, more: $.has_more}\n";
    let text = widgets_service_with(&server.url(), &["cursor"], paging, "$.items");
    let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(2));
    assert_eq!(answer.verdict(), "unproved");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_without_a_total_go_on_where_the_rows_end() {
    // Every page but the first comes shorter than asked for.
    let server = Server::start(|seen| {
        let skip: usize = seen.query_value("offset").map_or(0, |offset| offset.parse().unwrap());
        let length = if skip == 0 { 4 } else { 2 };
        let rows: Vec<Value> = widgets(9).into_iter().skip(skip).take(length).collect();
        Reply::json(200, json!({"items": rows}))
    })
    .await;
    let paging = "kind: offset\noffset: {key: offset, location: query}\n";
    let text = widgets_service_with(&server.url(), &["offset"], paging, "$.items");
    let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(9));
    assert_eq!(answer.verdict(), "complete");
    let offsets: Vec<Option<String>> = server.requests().iter().map(|seen| seen.query_value("offset")).collect();
    let wanted = [None, Some("4"), Some("6"), Some("8"), Some("9")];
    assert_eq!(offsets, wanted.map(|offset| offset.map(str::to_owned)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leads_on_and_is_no_place_to_go_is_unproved() {
    // A link that is wrapped in an object, or a token that is one: there is more, and nobody can ask for it.
    for (paging, body) in [
        (Paging::NextUrl, json!({"items": widgets(2), "links": {"next": {"href": "/widgets?page=2"}}})),
        (Paging::NextUrl, json!({"items": widgets(2), "links": {"next": 7}})),
        (Paging::Cursor, json!({"items": widgets(2), "next_cursor": {"token": "b"}})),
    ] {
        let said = body.clone();
        let server = Server::start(move |_| Reply::json(200, said.clone())).await;
        let mut db = Db::new(acme_dir(&server.url(), &paging.document()));
        let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
        assert_eq!((answer.rows.len(), answer.verdict()), (2, "unproved"), "{body}");
        assert!(answer.warnings()[0].contains("leads nowhere"), "{:?}", answer.warnings());
    }
}
