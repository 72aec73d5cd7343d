//! `LIMIT … OFFSET`: pages before the first row that is wanted are not read, where that can be trusted.

use serde_json::{Value, json};

use super::api::{Lie, Manner, api};
use crate::support::documents::{EXACT_TOTAL, Paging, STATED_TOTAL, acme_dir, list_api, widgets};
use crate::support::query::Db;
use crate::support::server::{Reply, Server};

fn ids(from: u64, count: u64) -> Vec<u64> {
    (from..from + count).collect()
}

async fn run(server: &Server, db: &mut Db, sql: &str) -> (Vec<u64>, &'static str, Vec<String>) {
    let from = server.requests().len();
    let answer = db.rows(sql).await;
    let requests = server.requests();
    let places = requests[from..].iter().map(|seen| {
        let value = |name: &str| seen.query_value(name).unwrap_or_default();
        let place = [value("page"), value("offset"), value("$skip")].concat();
        let size = [value("per_page"), value("$top")].concat();
        format!("{place}/{size}")
    });
    // Pages that travel side by side come in any order.
    let mut places: Vec<String> = places.collect();
    places[1..].sort_unstable();
    (answer.ids(), answer.verdict(), places)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_before_an_offset_are_leapt_over() {
    for (manner, sql, from, count, places) in [
        (Manner::XFilter, "LIMIT 5 OFFSET 10000", 10_001, 5, &["/5", "2001/5"][..]),
        (Manner::XFilter, "LIMIT 5 OFFSET 10003", 10_004, 5, &["/6", "1668/6"]),
        (Manner::XFilter, "LIMIT 5 OFFSET 12", 13, 5, &["/17"]),
        (Manner::XFilter, "LIMIT 5 OFFSET 11998", 11_999, 2, &["/7", "1715/7"]),
        (Manner::XFilter, "LIMIT 5 OFFSET 12000", 1, 0, &["/5", "2400/5"]),
        (Manner::XFilter, "LIMIT 150 OFFSET 11000", 11_001, 150, &["/100", "111/100", "112/100"]),
        (Manner::XFilter, "OFFSET 11850", 11_851, 150, &["/100", "119/100", "120/100"]),
        (Manner::Plain, "LIMIT 5 OFFSET 10000", 10_001, 5, &["/5", "10000/5"]),
        (Manner::OData, "LIMIT 5 OFFSET 10000", 10_001, 5, &["/", "10000/5"]),
        (Manner::OData, "LIMIT 5 OFFSET 10", 11, 5, &["/"]),
        (Manner::OData, "LIMIT 5 OFFSET 20000", 1, 0, &["/", "11999/"]),
        (Manner::OData, "OFFSET 11870", 11_871, 130, &["/", "11870/", "11870/"]),
    ] {
        let server = Server::start(api(manner, widgets(12_000), Lie::Nothing)).await;
        let mut db = manner.db(&server, manner.pushdown());
        let (found, verdict, seen) = run(&server, &mut db, &format!("SELECT id FROM acme.shop.widgets {sql}")).await;
        assert_eq!(found, ids(from, count), "{manner:?} {sql}");
        assert_eq!(seen, places, "{manner:?} {sql}");
        assert!(matches!(verdict, "complete" | "truncated"), "{manner:?} {sql}: {verdict}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_the_rows_leap_and_what_counts_rows_here_does_not() {
    let server = Server::start(api(Manner::XFilter, widgets(1000), Lie::Nothing)).await;
    let mut db = Manner::XFilter.db(&server, Manner::XFilter.pushdown());
    for (sql, from, calls) in [
        ("SELECT id + 1 - 1 FROM (SELECT * FROM acme.shop.widgets) w LIMIT 5 OFFSET 900", 901, 2),
        ("SELECT id FROM (SELECT id FROM acme.shop.widgets LIMIT 950) w LIMIT 5 OFFSET 900", 901, 2),
        ("SELECT id FROM acme.shop.widgets WHERE lower(name) > 'a' LIMIT 5 OFFSET 900", 901, 10),
        ("SELECT id FROM acme.shop.widgets WHERE id > 0 LIMIT 5 OFFSET 900", 901, 10),
        ("SELECT id FROM acme.shop.widgets WHERE page = 1 LIMIT 5 OFFSET 10", 11, 1),
    ] {
        let (found, _, seen) = run(&server, &mut db, sql).await;
        assert_eq!((found, seen.len()), (ids(from, 5), calls), "{sql}");
    }
    let sql = "SELECT id FROM acme.shop.widgets WHERE color IN ('red', 'green') LIMIT 2 OFFSET 600";
    let (found, _, seen) = run(&server, &mut db, sql).await;
    assert_eq!(found, Manner::XFilter.db(&server, "").rows(sql).await.ids());
    assert!(found.len() == 2 && seen.len() > 3);
    for (sql, said) in [
        ("LIMIT 5 OFFSET 900", "offset: after a look at the first page, pages before row 901 are left out by `page`"),
        (
            "WHERE ok LIMIT 5 OFFSET 900",
            "offset: 900 rows are read and left out: conditions are checked on the rows, so that only they can be counted",
        ),
    ] {
        let lines = db.rows(&format!("EXPLAIN SELECT id FROM acme.shop.widgets {sql}")).await;
        assert!(lines.column(0).into_iter().any(|line| line.trim() == said), "{:#?}", lines.rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_cap_their_pages_or_skip_nothing_give_the_right_rows() {
    let query = |limit: &str| format!("SELECT id FROM acme.shop.widgets {limit}");
    for manner in Manner::ALL {
        let server = Server::start(api(manner, widgets(1000), Lie::Capped(7))).await;
        let mut db = manner.db(&server, manner.pushdown());
        let (found, _, seen) = run(&server, &mut db, &query("LIMIT 50 OFFSET 803")).await;
        assert_eq!(found, ids(804, 50), "{manner:?}");
        assert!(seen.len() <= 10, "{manner:?} {seen:?}");
    }
    // The links lead through all pages, whatever is said beside them.
    let server = Server::start(api(Manner::OData, widgets(300), Lie::NotSkipped)).await;
    let mut db = Manner::OData.db(&server, Manner::OData.pushdown());
    let (found, verdict, _) = run(&server, &mut db, &query("LIMIT 5 OFFSET 281")).await;
    assert_eq!((found, verdict), (ids(282, 5), "truncated"));
    // A number that leads nowhere is no page: as without the leap.
    let server = Server::start(api(Manner::Plain, widgets(1000), Lie::NotSkipped)).await;
    let answer = Manner::Plain.db(&server, Manner::Plain.pushdown()).run(&query("LIMIT 5 OFFSET 300")).await;
    assert!(answer.is_err() || answer.unwrap().verdict() == "moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_hold_what_its_total_promises_is_no_landing() {
    // Pages of five places of which some are hidden: page 31 does not begin with row 151.
    let hidden = |id: u64| id.is_multiple_of(3);
    let visible: Vec<Value> = widgets(300).into_iter().filter(|row| !hidden(row["id"].as_u64().unwrap())).collect();
    let total = visible.len();
    let server = Server::start(move |seen| {
        let number = |name: &str, usual: u64| seen.query_value(name).map_or(usual, |text| text.parse().unwrap());
        let (page, size) = (number("page", 1), number("per_page", 20).min(100));
        let places = (page - 1) * size + 1..=page * size;
        let rows: Vec<&Value> = visible.iter().filter(|row| places.contains(&row["id"].as_u64().unwrap())).collect();
        Reply::json(200, json!({"items": rows, "total": total}))
    })
    .await;
    let mut db = Db::new(acme_dir(&server.url(), &(Paging::Page.document() + EXACT_TOTAL)));
    let expected: Vec<u64> = (1..=300).filter(|id| !hidden(*id)).skip(150).take(4).collect();
    let (found, _, _) = run(&server, &mut db, "SELECT id FROM acme.shop.widgets LIMIT 4 OFFSET 150").await;
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_total_proves_nothing_is_read_from_its_first_row() {
    for (paging, total, stated, calls) in [
        (Paging::Offset, "", false, 9),
        (Paging::Page, "", false, 9),
        (Paging::Cursor, "", false, 9),
        (Paging::LinkHeader, "", false, 9),
        (Paging::Page, STATED_TOTAL, true, 9),
        // The look at a small first page was in vain.
        (Paging::Page, EXACT_TOTAL, false, 10),
    ] {
        let server = Server::start(list_api(paging, widgets(900), 20, 100, stated)).await;
        let mut db = Db::new(acme_dir(&server.url(), &(paging.document() + total)));
        let (found, _, seen) = run(&server, &mut db, "SELECT id FROM acme.shop.widgets LIMIT 5 OFFSET 800").await;
        assert_eq!((found, seen.len()), (ids(801, 5), calls), "{paging:?} {total}");
        let (found, _, _) = run(&server, &mut db, "SELECT id FROM acme.shop.widgets LIMIT 5 OFFSET 898").await;
        assert_eq!(found, ids(899, 2), "{paging:?}");
        let (found, _, _) = run(&server, &mut db, "SELECT id FROM acme.shop.widgets LIMIT 5 OFFSET 2000").await;
        assert_eq!(found, ids(1, 0), "{paging:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_page_that_holds_wanted_rows_is_not_read_again() {
    // The page size is not followed, and the total is not there this time.
    let server = Server::start(|seen| {
        let page = seen.query_value("page").map_or(1, |page| page.parse::<usize>().unwrap());
        let rows = widgets(250);
        Reply::json(200, json!({"items": rows.iter().skip((page - 1) * 100).take(100).collect::<Vec<_>>()}))
    })
    .await;
    let declared = (Paging::Page.document() + EXACT_TOTAL).replace("max: 100, ", "");
    let mut db = Db::new(acme_dir(&server.url(), &declared));
    let (found, verdict, seen) = run(&server, &mut db, "SELECT id FROM acme.shop.widgets LIMIT 5 OFFSET 98").await;
    assert_eq!((found, verdict), (ids(99, 5), "truncated"));
    assert_eq!(seen, ["/7", "2/7"]);
}
