//! Pages: which are asked for, in which order their rows come, and what the verdict says.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

mod ends;
mod lies;
mod places;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use skyql::ErrorKind;

use crate::support::documents::{
    Paging, STATED_TOTAL, acme_dir, list_api, paged, provider_dir, widgets, widgets_service_with,
};
use crate::support::query::{Db, next_texts};
use crate::support::server::{Gate, Piece, Reply, Seen, Server};

/// A page-number list that declares its total.
fn page_and_total() -> String {
    Paging::Page.document() + STATED_TOTAL
}

fn ids(count: u64) -> Vec<u64> {
    (1..=count).collect()
}

/// The document whose parameters and schema alone tell how the API pages.
fn telling_db(server: &Server, parameters: &[&str], envelope: &str) -> Db {
    let text = widgets_service_with(&server.url(), parameters, "", "$.items");
    let text = text.replacen("properties: {items:", &format!("properties: {{{envelope}, items:"), 1);
    Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"))
}

fn page_of(seen: &Seen) -> usize {
    seen.query_value("page").map_or(1, |page| page.parse().unwrap())
}

fn pages(server: &Server) -> Vec<usize> {
    server.requests().iter().map(page_of).collect()
}

fn sorted_pages(server: &Server) -> Vec<usize> {
    let mut pages = pages(server);
    pages.sort_unstable();
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn every_declared_way_of_paging_reads_all_rows_with_and_without_a_total() {
    for paging in Paging::ALL {
        for total in [true, false] {
            let server = Server::start(list_api(paging, widgets(45), 20, 20, total)).await;
            let declared = paging.document() + if total { STATED_TOTAL } else { "" };
            let mut db = Db::new(acme_dir(&server.url(), &declared));
            let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
            let what = format!("{paging:?}, total {total}");
            assert_eq!(answer.ids(), ids(45), "{what}");
            assert_eq!(answer.verdict(), "complete", "{what}");
            // The end of a list that is numbered and states no total is an empty page.
            let numbered = matches!(paging, Paging::Page | Paging::Offset);
            let calls = if numbered && !total { 4 } else { 3 };
            assert_eq!(server.requests().len(), calls, "{what}");
            assert_eq!(answer.report.calls, calls as u64, "{what}");
            // The largest page that is allowed is asked for; the server gave twenty all the same.
            assert!(server.requests().iter().all(|seen| seen.query_value("per_page").as_deref() == Some("100")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_numbers_are_inferred_where_the_answer_states_a_total() {
    let server = Server::start(paged(widgets(45), 20, 20, true)).await;
    let mut db = telling_db(&server, &["page", "per_page", "color"], "total: {type: integer}");
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(45));
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(sorted_pages(&server), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_inferred_where_the_answer_states_a_total() {
    let server = Server::start(|seen| {
        let offset: usize = seen.query_value("offset").map_or(0, |text| text.parse().unwrap());
        let rows = widgets(25);
        Reply::json(200, json!({"total": 25, "items": rows.iter().skip(offset).take(10).collect::<Vec<_>>()}))
    })
    .await;
    let mut db = telling_db(&server, &["offset", "limit"], "total: {type: integer}");
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(25));
    assert_eq!(answer.verdict(), "complete");
    let mut offsets: Vec<_> = server.requests().iter().map(|seen| seen.query_value("offset")).collect();
    offsets.sort();
    assert_eq!(offsets, [None, Some("10".to_owned()), Some("20".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_are_inferred_from_a_token_and_the_parameter_it_goes_into() {
    let server = Server::start(list_api(Paging::Cursor, widgets(45), 20, 20, false)).await;
    let mut db = telling_db(&server, &["cursor", "per_page"], "next_cursor: {type: string}");
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(45));
    assert_eq!(answer.verdict(), "complete");
    let cursors: Vec<_> = server.requests().iter().map(|seen| seen.query_value("cursor")).collect();
    assert_eq!(cursors, [None, Some("after-20".to_owned()), Some("after-40".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_url_is_inferred_where_the_schema_says_that_it_is_one() {
    let server = Server::start(|seen| {
        let page = page_of(seen);
        let rows = widgets(25);
        let next = (page < 3).then(|| format!("/widgets?page={}", page + 1));
        Reply::json(200, json!({"next": next, "items": rows.iter().skip((page - 1) * 10).take(10).collect::<Vec<_>>()}))
    })
    .await;
    let mut db = telling_db(&server, &[], "next: {type: string, format: uri}");
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(25));
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(pages(&server), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_nothing_tells_the_end_of_is_unproved() {
    let server = Server::start(paged(widgets(45), 20, 20, false)).await;
    let mut db = Db::new(acme_dir(&server.url(), ""));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(20));
    assert_eq!(answer.verdict(), "unproved");
    assert_eq!(answer.warned(), ["unproved"]);
    assert_eq!(answer.warnings(), ["`list` declares no paging, so nothing says whether there is more"]);
    assert!(answer.report.footer().contains("UNPROVED"), "{}", answer.report.footer());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_header_leads_on() {
    let server = Server::start(|seen| {
        let start: usize = seen.header("x-after").map_or(0, |text| text.parse().unwrap());
        let rows = widgets(25);
        let reply = Reply::json(200, json!({"items": rows.iter().skip(start).take(10).collect::<Vec<_>>()}));
        if start + 10 < 25 { reply.header("X-Next", &(start + 10).to_string()) } else { reply }
    })
    .await;
    let declared = "kind: cursor\ncursor: {key: X-After, location: header, from: {header: X-Next}}\n";
    let mut db = Db::new(acme_dir(&server.url(), declared));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(25));
    assert_eq!(answer.verdict(), "complete");
    let sent: Vec<_> = server.requests().iter().map(|seen| seen.header("x-after").map(str::to_owned)).collect();
    assert_eq!(sent, [None, Some("10".to_owned()), Some("20".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_changes_midway_is_moved() {
    let server = Server::start(|seen| {
        let page = page_of(seen);
        let (rows, total) = if page == 1 { (widgets(40), 40) } else { (widgets(41), 41) };
        Reply::json(
            200,
            json!({"total": total, "items": rows.iter().skip((page - 1) * 20).take(20).collect::<Vec<_>>()}),
        )
    })
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(41), "the row that was added is on a page that the first total did not know of");
    assert_eq!(answer.verdict(), "moved");
    assert_eq!(answer.warnings(), ["the API's total went from 40 to 41 during the scan"]);
    assert_eq!(sorted_pages(&server), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_twice_is_moved_even_if_the_query_does_not_read_it() {
    let server = Server::start(|seen| {
        let rows = widgets(40);
        // A row was added at the front while page 1 was being read: everything shifts by one.
        let start = if page_of(seen) == 1 { 0 } else { 19 };
        Reply::json(200, json!({"total": 40, "items": rows.iter().skip(start).take(20).collect::<Vec<_>>()}))
    })
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT name FROM acme.shop.widgets").await;
    assert_eq!(answer.columns, ["name"]);
    assert_eq!(answer.rows.len(), 40);
    assert_eq!(answer.verdict(), "moved");
    assert_eq!(answer.warnings(), ["a row came twice: rows were added or removed during the scan"]);
    assert_eq!(sorted_pages(&server), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_repeats_is_an_error_and_not_an_endless_scan() {
    for paging in [Paging::Cursor, Paging::NextUrl] {
        let server = Server::start(|_| {
            Reply::json(200, json!({"items": widgets(3), "next_cursor": "again", "links": {"next": "/widgets?page=2"}}))
        })
        .await;
        let mut db = Db::new(acme_dir(&server.url(), &paging.document()));
        let error = db.error("SELECT id FROM acme.shop.widgets").await;
        assert_eq!(error.kind(), ErrorKind::Api);
        assert_eq!(error.message(), "the API gave the same place in its list twice, so reading it would never end");
        assert_eq!(server.requests().len(), 2, "{paging:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_ignores_the_page_number_does_not_make_an_endless_scan() {
    let server = Server::start(|_| Reply::json(200, json!({"items": widgets(3)}))).await;
    let mut db = Db::new(acme_dir(&server.url(), &Paging::Page.document()));
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(error.message(), "the API gives the same rows for every page, so reading them would never end");
    assert_eq!(pages(&server), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_beyond_the_last_page_is_the_end() {
    let api = paged(widgets(40), 20, 20, false);
    let server =
        Server::start(
            move |seen| {
                if page_of(seen) > 2 { Reply::json(404, json!({"error": "no such page"})) } else { api(seen) }
            },
        )
        .await;
    let mut db = Db::new(acme_dir(&server.url(), &Paging::Page.document()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), ids(40));
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(answer.report.not_found, 0);
    assert_eq!(pages(&server), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_for_a_page_that_the_total_promises_is_an_error() {
    let api = paged(widgets(60), 20, 20, true);
    let server =
        Server::start(
            move |seen| {
                if page_of(seen) == 2 { Reply::json(404, json!({"error": "no such page"})) } else { api(seen) }
            },
        )
        .await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(error.message(), "the API has no such object: no such page");
    assert_eq!(error.context_value("part"), Some("page 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_not_there_is_an_error_and_not_an_empty_table() {
    let server = Server::start(|_| Reply::json(404, json!({"error": "no such path"}))).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.message(), "the API has no such object: no such path");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_makes_one_call_with_a_page_no_larger_than_needed() {
    let server = Server::start(paged(widgets(1000), 20, 100, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets LIMIT 5").await;
    assert_eq!(answer.ids(), ids(5));
    assert_eq!(answer.verdict(), "truncated");
    assert_eq!(answer.warned(), Vec::<&str>::new());
    server.idle().await;
    let seen = server.requests();
    assert_eq!(seen.iter().map(Seen::path_and_query).collect::<Vec<_>>(), ["/widgets?per_page=5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_page_size_of_the_document_is_honoured() {
    let server = Server::start(paged(widgets(1000), 20, 100, true)).await;
    let declared = page_and_total().replace("min: 1,", "min: 25,");
    let mut db = Db::new(acme_dir(&server.url(), &declared));
    assert_eq!(db.rows("SELECT id FROM acme.shop.widgets LIMIT 5").await.ids(), ids(5));
    assert_eq!(server.requests()[0].path_and_query(), "/widgets?per_page=25");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_more_than_a_page_stops_after_the_pages_it_needs() {
    let server = Server::start(paged(widgets(1000), 20, 100, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets LIMIT 150").await;
    assert_eq!(answer.ids(), ids(150));
    server.idle().await;
    assert_eq!(sorted_pages(&server), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_with_offset_reads_no_further_than_both() {
    let server = Server::start(paged(widgets(1000), 20, 100, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets LIMIT 5 OFFSET 10").await;
    assert_eq!(answer.ids(), [11, 12, 13, 14, 15]);
    server.idle().await;
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_under_a_filter_of_rows_goes_on_until_it_has_enough_and_then_stops() {
    for (paging, most) in [(Paging::Cursor, 5), (Paging::Page, 8)] {
        let server = Server::start(list_api(paging, widgets(1000), 20, 20, true)).await;
        let mut db = Db::new(acme_dir(&server.url(), &(paging.document() + STATED_TOTAL)));
        let answer = db.rows("SELECT id FROM acme.shop.widgets WHERE name >= 'widget-0055' LIMIT 5").await;
        assert_eq!(answer.ids(), [55, 56, 57, 58, 59]);
        assert_eq!(answer.verdict(), "truncated");
        server.idle().await;
        let calls = server.requests().len();
        assert!((3..=most).contains(&calls), "{paging:?}: {calls} calls");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_overlap_and_rows_keep_the_apis_order() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(200), 20, 20, true);
    let server = Server::start(move |seen| if page_of(seen) == 2 { api(seen).gated(&held) } else { api(seen) }).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let mut result = db.start("SELECT id FROM acme.shop.widgets").await.unwrap();
    assert_eq!(next_texts(&mut result).await.len(), 20);
    let rest = tokio::spawn(async move { (result.read_all().await.unwrap(), result.report()) });
    gate.arrived().await;
    // Page 3 is asked for while page 2 is being answered.
    server.received(3).await;
    assert!(server.max_in_flight() >= 1);
    gate.open();
    let (batches, report) = rest.await.unwrap();
    let seen: Vec<String> = batches.iter().flat_map(crate::support::query::texts).flatten().collect();
    assert_eq!(seen, (21..=200).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(report.verdict().name(), "complete");
    assert_eq!(sorted_pages(&server), (1..=10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_pages_travel_at_once() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(200), 20, 20, true);
    let server = Server::start(move |seen| if page_of(seen) > 1 { api(seen).gated(&held) } else { api(seen) }).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let reading = tokio::spawn(async move { db.rows("SELECT id FROM acme.shop.widgets").await });
    gate.arrivals(2).await;
    gate.open();
    let answer = reading.await.unwrap();
    assert_eq!(answer.ids(), ids(200));
    assert!(server.max_in_flight() > 1);
    assert_eq!(sorted_pages(&server), (1..=10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_batch_is_out_while_the_second_page_is_withheld() {
    for paging in Paging::ALL {
        let gate = Gate::new();
        let held = gate.clone();
        let api = list_api(paging, widgets(45), 20, 20, true);
        let number = AtomicUsize::new(0);
        let server = Server::start(move |seen| {
            let first = number.fetch_add(1, Ordering::Relaxed) == 0;
            if first { api(seen) } else { api(seen).gated(&held) }
        })
        .await;
        let mut db = Db::new(acme_dir(&server.url(), &(paging.document() + STATED_TOTAL)));
        let mut result = db.start("SELECT id FROM acme.shop.widgets").await.unwrap();
        let first = next_texts(&mut result).await;
        assert_eq!(first.len(), 20, "{paging:?}");
        assert_eq!(result.report().rows, 20);
        gate.open();
        let rest: usize = result.read_all().await.unwrap().iter().map(arrow::array::RecordBatch::num_rows).sum();
        assert_eq!(rest, 25, "{paging:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_users_own_is_exactly_that_page() {
    let server = Server::start(paged(widgets(1000), 20, 100, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id, page FROM acme.shop.widgets WHERE page = 2 AND per_page = 10").await;
    assert_eq!(answer.ids(), (11..=20).collect::<Vec<_>>());
    assert!(answer.column(1).iter().all(|page| *page == "2"));
    assert_eq!(answer.verdict(), "truncated");
    assert_eq!(answer.warned(), Vec::<&str>::new());
    assert_eq!(server.requests().iter().map(Seen::path_and_query).collect::<Vec<_>>(), ["/widgets?page=2&per_page=10"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_pages_of_the_users_own_are_those_pages() {
    let server = Server::start(paged(widgets(1000), 20, 100, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let answer = db.rows("SELECT id FROM acme.shop.widgets WHERE page IN (3, 1) AND per_page = '2'").await;
    let mut seen = answer.ids();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 5, 6]);
    assert_eq!(answer.verdict(), "truncated");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_size_alone_is_that_of_a_full_scan() {
    for paging in Paging::ALL {
        let server = Server::start(list_api(paging, widgets(45), 20, 100, true)).await;
        let mut db = Db::new(acme_dir(&server.url(), &(paging.document() + STATED_TOTAL)));
        let answer = db.rows("SELECT id FROM acme.shop.widgets WHERE per_page = 15").await;
        assert_eq!(answer.ids(), ids(45), "{paging:?}");
        assert_eq!(answer.verdict(), "complete", "{paging:?}");
        assert_eq!(server.requests().len(), 3, "{paging:?}");
        for seen in server.requests() {
            assert_eq!(seen.query_values("per_page"), ["15"], "{paging:?}: {}", seen.path_and_query());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_the_api_does_stays_on_every_page() {
    for paging in Paging::ALL {
        let server = Server::start(list_api(paging, widgets(90), 10, 10, true)).await;
        let mut db = Db::new(acme_dir(&server.url(), &(paging.document() + STATED_TOTAL)));
        let answer = db.rows("SELECT id FROM acme.shop.widgets WHERE color = 'red'").await;
        assert_eq!(answer.ids(), (1..=30).map(|n| n * 3).collect::<Vec<_>>(), "{paging:?}");
        assert_eq!(answer.verdict(), "complete");
        assert_eq!(server.requests().len(), 3);
        assert!(server.requests().iter().all(|seen| seen.query_values("color") == ["red"]), "{paging:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_page_in_the_middle_fails_the_statement_and_is_named() {
    let api = paged(widgets(100), 20, 20, true);
    let server = Server::start(
        move |seen| {
            if page_of(seen) == 3 { Reply::json(500, json!({"error": "boom"})) } else { api(seen) }
        },
    )
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total()));
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(error.message(), "the API answered 500: boom");
    assert_eq!(error.context_value("part"), Some("page 3"));
    server.idle().await;
    assert_eq!(pages(&server).iter().filter(|page| **page == 3).count(), 5, "sent once and repeated four times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_page_in_the_middle_is_left_out_under_warn() {
    let api = paged(widgets(100), 20, 20, true);
    let server = Server::start(
        move |seen| {
            if page_of(seen) == 3 { Reply::json(500, json!({"error": "boom"})) } else { api(seen) }
        },
    )
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &page_and_total())).set("on_partial", "warn");
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), (1..=40).chain(61..=100).collect::<Vec<_>>());
    assert_eq!(answer.verdict(), "failed");
    assert_eq!(answer.warned(), ["failed"]);
    assert_eq!(answer.report.warnings[0].subject, "acme.shop.widgets: page 3");
    assert!(answer.warnings()[0].contains("the API answered 500: boom"), "{:?}", answer.warnings());
    assert_eq!(answer.report.retries, 4);
    assert_eq!(answer.report.parts.len(), 1);
    assert!(answer.report.footer().contains("FAILED"), "{}", answer.report.footer());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_not_known_is_not_looked_for_behind_a_failed_page() {
    for paging in [Paging::Page, Paging::Offset, Paging::Cursor, Paging::NextUrl] {
        let api = list_api(paging, widgets(100), 20, 20, false);
        let number = AtomicUsize::new(0);
        let server = Server::start(move |seen| {
            if number.fetch_add(1, Ordering::Relaxed) < 2 {
                api(seen)
            } else {
                Reply::json(500, json!({"error": "boom"}))
            }
        })
        .await;
        let mut db = Db::new(acme_dir(&server.url(), &paging.document())).set("on_partial", "warn");
        let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
        assert_eq!(answer.ids(), ids(40), "{paging:?}");
        assert_eq!(answer.verdict(), "failed");
        assert_eq!(server.requests().len(), 2 + 5, "{paging:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_headers_is_followed_while_the_rows_are_on_their_way() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::start(move |seen| {
        let page: usize = seen.query_value("page").map_or(1, |page| page.parse().unwrap());
        let rows = serde_json::to_vec(&json!({"items": widgets(40)[page * 10 - 10..page * 10]})).unwrap();
        // Behind the first page no rows come before the last page was asked for.
        let body = if page == 1 { vec![Piece::Data(rows)] } else { vec![Piece::Hold(held.clone()), Piece::Data(rows)] };
        let reply = Reply::pieces(200, "application/json", body);
        let next = format!("<http://{}/widgets?page={}>; rel=\"next\"", seen.header("host").unwrap(), page + 1);
        if page < 4 { reply.header("link", &next) } else { reply }
    })
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &Paging::LinkHeader.document()));
    let all = tokio::spawn(async move { db.rows("SELECT id FROM acme.shop.widgets").await });
    server.received(3).await;
    gate.open();
    let answer = all.await.unwrap();
    assert_eq!(answer.ids(), (1..=40).collect::<Vec<_>>());
    assert_eq!((answer.verdict(), server.requests().len()), ("complete", 4));
}
