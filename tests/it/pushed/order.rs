//! `ORDER BY … LIMIT`: what is asked of the API, and what becomes of an API that does something else.

use std::sync::atomic::{AtomicBool, Ordering as Atomic};

use serde_json::{Value, json};

use super::api::{Lie, Manner, api};
use crate::support::documents::widgets;
use crate::support::query::{Answer, Db};
use crate::support::server::{Reply, Seen, Server};

/// Rows whose sizes are all different, and in no order.
pub(super) fn rows(count: u64) -> Vec<Value> {
    const COLORS: [&str; 3] = ["red", "green", "blue"];
    (1..=count)
        .map(|id| {
            json!({
                "id": id, "name": format!("w{:03}", (id * 53) % 1009), "size": (id * 37) % 1009, "ok": id % 3 == 0,
                "created": format!("2024-01-{:02}T{:02}:00:00", 1 + (id * 7) % 28, (id * 5) % 24),
                "extra": {"color": COLORS[usize::try_from(id % 3).unwrap()]},
            })
        })
        .collect()
}

/// What a request says of the order.
pub(super) fn order_of(seen: &Seen) -> Option<String> {
    let filter = seen.header("x-filter").map(|text| serde_json::from_str::<Value>(text).unwrap());
    let x_filter = filter.filter(|filter| !filter["+order_by"].is_null());
    let x_filter = x_filter.map(|f| format!("{} {}", f["+order_by"].as_str().unwrap(), f["+order"].as_str().unwrap()));
    x_filter.or_else(|| seen.query_value("$orderby")).or_else(|| seen.query_value("sort"))
}

/// Runs a query and gives its answer with the requests that it took; the rows are those of a program that tells nothing.
pub(super) async fn run(server: &Server, manner: Manner, sql: &str) -> (Answer, Vec<Seen>) {
    let from = server.requests().len();
    let answer = manner.db(server, manner.pushdown()).rows(sql).await;
    let seen = server.requests()[from..].to_vec();
    let untold = manner.db(server, "").rows(sql).await;
    assert_eq!(answer.rows, untold.rows, "{sql}");
    (answer, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rows_of_a_long_list_are_one_small_page() {
    for (manner, sql, order, size) in [
        (Manner::XFilter, "SELECT id FROM acme.shop.widgets ORDER BY size DESC LIMIT 5", "size desc", "100"),
        (Manner::XFilter, "SELECT id FROM acme.shop.widgets ORDER BY size LIMIT 50", "size asc", "100"),
        (Manner::XFilter, "SELECT id FROM acme.shop.widgets ORDER BY size LIMIT 2 OFFSET 3", "size asc", "100"),
        (
            Manner::XFilter,
            "SELECT w.n FROM (SELECT name n, id + 1 i, size s FROM acme.shop.widgets) w ORDER BY s LIMIT 1",
            "size asc",
            "100",
        ),
        (Manner::OData, "SELECT id FROM acme.shop.widgets ORDER BY size DESC NULLS LAST LIMIT 5", "size desc", "100"),
        (
            Manner::OData,
            "SELECT id FROM acme.shop.widgets ORDER BY ok NULLS FIRST, id DESC NULLS LAST LIMIT 5",
            "ok asc,id desc",
            "100",
        ),
        (Manner::OData, "SELECT id FROM acme.shop.widgets ORDER BY name NULLS FIRST LIMIT 1", "name asc", "100"),
        (Manner::Plain, "SELECT id FROM acme.shop.widgets ORDER BY size DESC NULLS LAST LIMIT 5", "-size", "100"),
        (Manner::Plain, "SELECT id FROM acme.shop.widgets ORDER BY size LIMIT 5", "size", "100"),
    ] {
        let server = Server::start(api(manner, rows(900), Lie::Nothing)).await;
        let (answer, seen) = run(&server, manner, sql).await;
        assert_eq!((seen.len(), answer.verdict(), answer.warned().len()), (1, "truncated", 0), "{sql}");
        assert_eq!(order_of(&seen[0]).as_deref(), Some(order), "{sql}");
        let asked = seen[0].query_value("per_page").or_else(|| seen[0].query_value("$top"));
        assert_eq!(asked.as_deref(), Some(size), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_another_order_there_is_sorted_here() {
    for (manner, order, why) in [
        (Manner::XFilter, "name", "is text"),
        (Manner::XFilter, "lower(name)", "that of an expression"),
        (Manner::XFilter, "size NULLS FIRST", "the API puts NULL last, the query NULLS FIRST"),
        (Manner::XFilter, "extra", "does not say that the API orders by `extra`"),
        (Manner::OData, "size DESC", "`NULLS LAST` or `size IS NOT NULL` would let it"),
        (Manner::OData, "tags NULLS FIRST", "may hold values that have no order"),
        (Manner::Plain, "ok", "does not say that the API orders by `ok`"),
    ] {
        let server = Server::start(api(manner, rows(150), Lie::Nothing)).await;
        let sql = format!("SELECT id FROM acme.shop.widgets ORDER BY {order}, id LIMIT 5");
        let (answer, seen) = run(&server, manner, &sql).await;
        assert!(seen.iter().all(|seen| order_of(seen).is_none()), "{sql}");
        assert_eq!(answer.verdict(), "complete", "{sql}");
        let lines = explain(&mut manner.db(&server, manner.pushdown()), &sql).await;
        let said = lines.iter().find(|line| line.starts_with("order: all rows are read and sorted here")).unwrap();
        assert!(said.contains(why), "{said}");
    }
    // An order of all rows, of groups or of a join is nothing for one list.
    let server = Server::start(api(Manner::XFilter, rows(150), Lie::Nothing)).await;
    for sql in [
        "SELECT id FROM acme.shop.widgets ORDER BY id",
        "SELECT ok, count(*) FROM acme.shop.widgets GROUP BY ok ORDER BY ok LIMIT 1",
        "SELECT DISTINCT ok FROM acme.shop.widgets ORDER BY ok LIMIT 1",
        "SELECT a.id FROM acme.shop.widgets a CROSS JOIN acme.shop.widgets b ORDER BY a.id, b.id LIMIT 1",
        "SELECT id FROM acme.shop.widgets WHERE page = 2 ORDER BY size LIMIT 1",
    ] {
        let (_, seen) = run(&server, Manner::XFilter, sql).await;
        assert!(seen.iter().all(|seen| order_of(seen).is_none()), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_several_calls_go_with_an_order() {
    let server = Server::start(api(Manner::XFilter, rows(900), Lie::Nothing)).await;
    let (_, seen) =
        run(&server, Manner::XFilter, "SELECT id FROM acme.shop.widgets WHERE ok ORDER BY size LIMIT 5").await;
    let filter: Value = serde_json::from_str(seen[0].header("x-filter").unwrap()).unwrap();
    assert_eq!(filter, json!({"ok": true, "+order_by": "size", "+order": "asc"}));
    assert_eq!(seen.len(), 1);
    // A condition that only we know: reading goes on until enough rows passed.
    let sql = "SELECT id FROM acme.shop.widgets WHERE lower(name) LIKE '%7' ORDER BY size DESC LIMIT 15";
    let (_, seen) = run(&server, Manner::XFilter, sql).await;
    assert!((2..5).contains(&seen.len()), "{}", seen.len());
    // Each call gives its first rows.
    let sql = "SELECT id FROM acme.shop.widgets WHERE color IN ('red', 'blue') ORDER BY size DESC LIMIT 5";
    let (_, seen) = run(&server, Manner::XFilter, sql).await;
    assert_eq!(seen.iter().filter(|seen| order_of(seen).is_some()).count(), 2);
    assert_eq!(seen.len(), 2);
    // Only the beginning of an order can be told: rows that are alike in it all come.
    let sql = "SELECT id FROM acme.shop.widgets ORDER BY size DESC, id LIMIT 3";
    let (_, seen) = run(&server, Manner::XFilter, sql).await;
    assert_eq!(order_of(&seen[0]).as_deref(), Some("size desc"));
    assert!(seen.len() < 9, "{}", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_orders_otherwise_is_read_whole() {
    for (manner, lie, sql, calls) in [
        (Manner::XFilter, Lie::Unordered, "SELECT id FROM acme.shop.widgets ORDER BY size DESC LIMIT 1", 4),
        (Manner::XFilter, Lie::AsTexts, "SELECT id FROM acme.shop.widgets ORDER BY size LIMIT 5", 4),
        (Manner::OData, Lie::Unordered, "SELECT id FROM acme.shop.widgets ORDER BY name NULLS FIRST LIMIT 5", 4),
        (Manner::Plain, Lie::AsTexts, "SELECT id FROM acme.shop.widgets ORDER BY id LIMIT 5", 4),
    ] {
        let server = Server::start(api(manner, rows(300), lie)).await;
        let (answer, seen) = run(&server, manner, sql).await;
        assert_eq!((answer.warned(), answer.verdict()), (vec!["unordered"], "complete"), "{sql}");
        assert_eq!(seen.len(), calls, "{sql}");
        assert!(order_of(&seen[0]).is_some() && seen[1..].iter().all(|seen| order_of(seen).is_none()), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_in_several_writings_and_rows_that_come_twice_are_not_trusted() {
    // As texts `…00.5Z` comes before `…00Z`, as times behind it.
    let mut mixed = rows(60);
    for (at, row) in mixed.iter_mut().enumerate() {
        row["created"] = json!(format!("2024-01-01T00:{at:02}:00{}", if at % 7 == 6 { ".5Z" } else { "Z" }));
    }
    let server = Server::start(api(Manner::XFilter, mixed, Lie::Nothing)).await;
    let (answer, _) = run(&server, Manner::XFilter, "SELECT id FROM acme.shop.widgets ORDER BY created LIMIT 5").await;
    assert_eq!(answer.warned(), ["unordered"]);
    let server = Server::start(api(Manner::XFilter, rows(300), Lie::Nothing)).await;
    let sql = "SELECT id FROM acme.shop.widgets ORDER BY created, id LIMIT 5";
    let (answer, seen) = run(&server, Manner::XFilter, sql).await;
    assert!(answer.warned().is_empty() && seen.len() == 1);
    // A list without a stable order gives a row on two pages, and another one on none.
    let stable = api(Manner::XFilter, rows(300), Lie::Nothing);
    let server = Server::start(move |seen| {
        let mut seen = seen.clone();
        if order_of(&seen).is_some() {
            seen.query = seen.query.map(|query| query.replace("page=2", "page=1"));
        }
        stable(&seen)
    })
    .await;
    let (answer, seen) =
        run(&server, Manner::XFilter, "SELECT id FROM acme.shop.widgets ORDER BY size LIMIT 150").await;
    assert_eq!((answer.rows.len(), answer.verdict(), answer.warned()), (150, "complete", vec!["unordered"]));
    assert_eq!(seen.len(), 5);
}

pub(super) async fn explain(db: &mut Db, sql: &str) -> Vec<String> {
    let answer = db.rows(&format!("EXPLAIN {sql}")).await;
    answer.column(0).iter().map(|line| line.trim().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_what_is_told() {
    let server = Server::start(api(Manner::OData, rows(10), Lie::Nothing)).await;
    let mut db = Manner::OData.db(&server, Manner::OData.pushdown());
    let lines = explain(&mut db, "SELECT name FROM acme.shop.widgets ORDER BY id DESC NULLS LAST LIMIT 5").await;
    let said = "order: $orderby: id desc; reading ends after the first 5 rows, if they come in this order and differ enough to show it";
    assert!(lines.iter().any(|line| line == said), "{lines:#?}");
    assert!(lines.iter().any(|line| line == "fields: $select: id,name"), "{lines:#?}");
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_fields_that_are_read_are_asked_for() {
    for (manner, key, lie) in [
        (Manner::OData, "$select", Lie::Nothing),
        (Manner::Plain, "fields", Lie::Nothing),
        (Manner::Plain, "fields", Lie::AllFields),
    ] {
        let server = Server::start(api(manner, widgets(50), lie)).await;
        for (sql, fields) in [
            ("SELECT name FROM acme.shop.widgets", Some("name,id")),
            (
                "SELECT id FROM acme.shop.widgets WHERE lower(name) LIKE '%1' AND extra ->> 'color' = 'red'",
                Some("id,name,extra"),
            ),
            ("SELECT count(*) FROM acme.shop.widgets", Some("id")),
            ("SELECT * FROM acme.shop.widgets", None),
            // Readers of the same answers ask for the same.
            ("SELECT a.id FROM acme.shop.widgets a JOIN acme.shop.widgets b ON a.name = b.name", None),
        ] {
            let (_, seen) = run(&server, manner, sql).await;
            assert_eq!(seen[0].query_value(key).as_deref(), fields, "{sql}");
        }
        let (_, seen) = run(&server, manner, "SELECT name FROM acme.shop.widgets WHERE id = 7").await;
        assert_eq!(seen[0].path_and_query(), "/widgets/7");
    }
    // Fields that the document does not name cannot be asked for.
    let server = Server::start(|_: &Seen| Reply::json(200, json!({"items": []}))).await;
    let some = "{select: {paramName: fields, delimiter: ' ', supportedColumns: [id, name, extra]}}";
    for (columns, fields) in [("name, extra", Some("name extra id")), ("name, size", None)] {
        Manner::Plain.db(&server, some).rows(&format!("SELECT {columns} FROM acme.shop.widgets")).await;
        assert_eq!(server.requests().last().unwrap().query_value("fields").as_deref(), fields, "{columns}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_moved_while_its_first_rows_were_read_is_read_again() {
    // A row goes after the first answer: what was behind it is on page 1 now, and on no page that is asked for.
    let before = api(Manner::XFilter, rows(300), Lie::Nothing);
    let after = api(Manner::XFilter, rows(300).split_off(1), Lie::Nothing);
    let first = AtomicBool::new(true);
    let server =
        Server::start(move |seen| if first.swap(false, Atomic::Relaxed) { before(seen) } else { after(seen) }).await;
    let sql = "SELECT id FROM acme.shop.widgets ORDER BY size LIMIT 150";
    let (answer, seen) = run(&server, Manner::XFilter, sql).await;
    assert_eq!((answer.rows.len(), answer.verdict(), answer.warned()), (150, "complete", vec!["unordered"]));
    let said = "no list in order: the API's total went from 300 to 299 during the scan, so all rows were read";
    assert!(answer.warnings()[0].ends_with(said), "{:?}", answer.warnings());
    assert!(order_of(&seen[0]).is_some() && seen.last().is_some_and(|seen| order_of(seen).is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_all_alike_show_no_order() {
    // What would come first is behind a page of rows that are in any order.
    let mut alike = rows(300);
    for (at, row) in alike.iter_mut().enumerate() {
        row["size"] = json!(if at < 100 { 20 } else { 20 + at });
    }
    for (manner, order, lie, alike_at_first, calls) in [
        (Manner::XFilter, "ORDER BY size DESC", Lie::Unordered, true, 4),
        (Manner::Plain, "ORDER BY size DESC NULLS LAST", Lie::Unordered, true, 4),
        // They may well be in order: nothing is wrong with the API.
        (Manner::XFilter, "ORDER BY size", Lie::Nothing, true, 4),
        (Manner::XFilter, "ORDER BY size DESC", Lie::Nothing, false, 1),
        // With another key behind it they are not alike.
        (Manner::OData, "WHERE size IS NOT NULL AND id IS NOT NULL ORDER BY size, id", Lie::Nothing, false, 1),
    ] {
        let server = Server::start(api(manner, alike.clone(), lie)).await;
        let sql = format!("SELECT size FROM acme.shop.widgets {order} LIMIT 5");
        let (answer, seen) = run(&server, manner, &sql).await;
        let verdict = if alike_at_first { "complete" } else { "truncated" };
        assert_eq!((answer.verdict(), answer.warned().len(), seen.len()), (verdict, 0, calls), "{manner:?} {order}");
        assert!(order_of(&seen[0]).is_some() && seen[1..].iter().all(|seen| order_of(seen).is_none()), "{order}");
    }
    // A list that ends before it shows an order was read whole.
    let server = Server::start(api(Manner::XFilter, alike[..60].to_vec(), Lie::Unordered)).await;
    let (answer, seen) =
        run(&server, Manner::XFilter, "SELECT size FROM acme.shop.widgets ORDER BY size DESC LIMIT 5").await;
    assert_eq!((answer.verdict(), seen.len()), ("complete", 1));
}
