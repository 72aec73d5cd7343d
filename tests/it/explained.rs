//! EXPLAIN, and counts that the API gives.

use serde_json::{Value, json};
use skyql::Engine;

use crate::support::documents::{
    EXACT_TOTAL, Paging, STATED_TOTAL, acme_dir, paged, provider_dir, widgets, widgets_service,
};
use crate::support::query::Db;
use crate::support::server::{Gate, Reply, Server};

fn db(server: &Server, total: &str) -> Db {
    Db::new(acme_dir(&server.url(), &(Paging::Page.document() + total)))
}

async fn shop(count: u32) -> Server {
    Server::start(paged(widgets(count), 20, 100, true)).await
}

async fn explain(db: &mut Db, sql: &str) -> Vec<String> {
    let answer = db.rows(&format!("EXPLAIN {sql}")).await;
    answer.column(0).iter().map(|line| line.trim().to_owned()).collect()
}

fn line<'l>(lines: &'l [String], start: &str) -> Vec<&'l str> {
    lines.iter().filter_map(|line| line.strip_prefix(start)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_one_call_where_the_total_is_exact() {
    let server = shop(250).await;
    let mut exact = db(&server, EXACT_TOTAL);
    for (sql, count) in [
        ("SELECT count(*) FROM acme.shop.widgets", 250),
        ("SELECT count(1) FROM acme.shop.widgets w", 250),
        ("SELECT count(*) + 1 FROM acme.shop.widgets", 251),
        ("SELECT n FROM (SELECT count(*) AS n FROM acme.shop.widgets) c", 250),
        // A parameter says all that is asked.
        ("SELECT count(*) FROM acme.shop.widgets WHERE color = 'red'", 83),
    ] {
        let from = server.requests().len();
        let answer = exact.rows(sql).await;
        assert_eq!(answer.ids(), [count], "{sql}");
        assert_eq!(server.requests().len() - from, 1, "{sql}");
        assert_eq!(server.requests()[from].query_value("per_page").as_deref(), Some("1"), "{sql}");
        assert_eq!(answer.verdict(), "complete", "{sql}");
    }
    let answer = exact.rows("SELECT count(*) FROM acme.shop.widgets WHERE color IN ('red', 'green')").await;
    assert_eq!((answer.ids(), answer.report.calls), (vec![167], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_total_does_not_say_is_counted() {
    let server = shop(250).await;
    for (total, sql, count, calls) in [
        (STATED_TOTAL, "SELECT count(*) FROM acme.shop.widgets", 250, 3),
        (EXACT_TOTAL, "SELECT count(*) FROM acme.shop.widgets WHERE ok", 125, 3),
        (EXACT_TOTAL, "SELECT count(size) FROM acme.shop.widgets", 200, 3),
        (EXACT_TOTAL, "SELECT count(DISTINCT ok) FROM acme.shop.widgets", 2, 3),
        (EXACT_TOTAL, "SELECT count(*) FROM (SELECT id FROM acme.shop.widgets LIMIT 7) w", 7, 1),
        (EXACT_TOTAL, "SELECT count(*) FROM acme.shop.widgets WHERE page = 3", 20, 1),
        (EXACT_TOTAL, "SELECT count(*) FROM acme.shop.widgets WHERE id = 7", 1, 1),
        (EXACT_TOTAL, "SELECT count(*) FROM acme.shop.widgets GROUP BY ok ORDER BY 1 LIMIT 1", 125, 3),
    ] {
        let from = server.requests().len();
        assert_eq!(db(&server, total).rows(sql).await.ids(), [count], "{sql}");
        assert_eq!(server.requests().len() - from, calls, "{sql}");
    }
    // An answer without its total has its rows read after all.
    let silent = Server::start(paged(widgets(30), 20, 20, false)).await;
    let answer = db(&silent, EXACT_TOTAL).rows("SELECT count(*) FROM acme.shop.widgets").await;
    assert_eq!((answer.ids(), answer.verdict()), (vec![30], "complete"));
    let refusing = Server::start(|_| Reply::json(403, json!({"error": "no"}))).await;
    db(&refusing, EXACT_TOTAL).error("SELECT count(*) FROM acme.shop.widgets").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_to_come_are_told_as_bounds_and_by_what_is_remembered() {
    let server = shop(250).await;
    let mut db = db(&server, STATED_TOTAL);
    let list = "SELECT id FROM acme.shop.widgets";
    let join = "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id";
    for (sql, calls) in [
        (list, vec!["1 or more"]),
        ("SELECT id FROM acme.shop.widgets WHERE ok", vec!["1 or more"]),
        ("SELECT id FROM acme.shop.widgets LIMIT 5", vec!["1 or more, likely 1"]),
        ("SELECT id FROM acme.shop.widgets LIMIT 120", vec!["1 or more, likely 2"]),
        ("SELECT id FROM acme.shop.widgets WHERE id IN (1, 2) LIMIT 1", vec!["1 to 2, likely 2"]),
        ("SELECT id FROM acme.shop.widgets WHERE id IN (1, 2)", vec!["2"]),
        ("SELECT id FROM acme.shop.widgets WHERE page = 2", vec!["1"]),
        ("SELECT id FROM acme.shop.parts WHERE widget_id = 1", vec!["1"]),
        (join, vec!["0 or more", "1 or more"]),
        ("SELECT id FROM acme.shop.widgets WHERE id = 1 AND id = 2", vec![]),
    ] {
        let lines = explain(&mut db, sql).await;
        let told: Vec<&str> = line(&lines, "calls: ").into_iter().filter(|said| !said.starts_with("none")).collect();
        assert_eq!(told, calls, "{sql}\n{lines:#?}");
    }
    assert!(server.requests().is_empty());
    db.rows(list).await;
    for (sql, calls) in [
        (list, vec!["1 or more, likely 3"]),
        ("SELECT id FROM acme.shop.widgets LIMIT 120", vec!["1 or more, likely 2"]),
        // A list may be longer by now.
        ("SELECT id FROM acme.shop.widgets WHERE name = 'none' LIMIT 3", vec!["1 or more, likely 3"]),
        (join, vec!["0 or more, likely 250", "1 or more, likely 3"]),
    ] {
        let lines = explain(&mut db, sql).await;
        assert_eq!(line(&lines, "calls: "), calls, "{sql}\n{lines:#?}");
    }
    let lines = explain(&mut db, join).await;
    assert_eq!(line(&lines, "calls in all: "), ["1 or more, likely 253; equal calls are made once"]);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_hold_whatever_the_pages_of_the_api_are() {
    // Pages of ten, however many rows are asked for.
    let server = Server::start(paged(widgets(200), 10, 10, true)).await;
    for (sql, told, sent) in [
        ("SELECT id FROM acme.shop.widgets LIMIT 50", "1 or more, likely 1", 5),
        ("SELECT id FROM acme.shop.widgets LIMIT 5 OFFSET 90", "1 or more, likely 2", 2),
        ("SELECT id FROM acme.shop.widgets ORDER BY id LIMIT 5", "1 or more", 20),
    ] {
        let mut db = db(&server, EXACT_TOTAL);
        let lines = explain(&mut db, sql).await;
        assert_eq!(line(&lines, "calls: "), [told], "{sql}");
        assert_eq!(db.rows(sql).await.report.calls, sent, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_count_once() {
    let server = shop(250).await;
    let union = "SELECT id FROM acme.shop.widgets WHERE id = 3 UNION ALL SELECT id FROM acme.shop.widgets WHERE id = 3";
    let twice = "WITH w AS (SELECT * FROM acme.shop.widgets WHERE id IN (1, 2, 3)) \
                 SELECT (SELECT count(*) FROM w), (SELECT max(name) FROM w)";
    let other = "SELECT id FROM acme.shop.widgets WHERE id IN (1, 2) UNION ALL \
                 SELECT id FROM acme.shop.widgets WHERE id IN (2, 3)";
    let lists = "SELECT id FROM acme.shop.widgets WHERE ok UNION ALL SELECT id FROM acme.shop.widgets WHERE NOT ok";
    for (sql, min, max, sent) in [
        (union, 1, Some(1), 1),
        (twice, 3, Some(3), 3),
        (other, 3, Some(3), 3),
        (lists, 1, None, 3),
        (
            "SELECT * FROM (SELECT id FROM acme.shop.widgets LIMIT 3) UNION ALL \
          SELECT * FROM (SELECT id FROM acme.shop.widgets LIMIT 3)",
            1,
            None,
            1,
        ),
    ] {
        let mut db = db(&server, STATED_TOTAL);
        let mut result = db.start(&format!("EXPLAIN {sql}")).await.unwrap();
        result.prefer_program_form();
        let row = crate::support::query::texts(&result.read_all().await.unwrap()[0]).remove(0);
        let calls: Value = serde_json::from_str(&row[0]).unwrap();
        assert_eq!((&calls["min"], &calls["max"]), (&json!(min), &json!(max)), "{sql}");
        assert_eq!(db.rows(sql).await.report.calls, sent, "{sql}");
    }
    let lines = explain(&mut db(&server, STATED_TOTAL), union).await;
    assert_eq!(line(&lines, "calls in all: "), ["1; equal calls are made once"]);
    assert_eq!(line(&lines, "calls: "), ["1", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn predicates_keys_and_the_list_beside_them_are_told() {
    let server = shop(5).await;
    let mut db = db(&server, EXACT_TOTAL);
    let sql = "SELECT w.id FROM acme.shop.parts p JOIN acme.shop.widgets w ON w.id = p.id \
               WHERE p.widget_id = 2 AND w.name LIKE 'w%'";
    let lines = explain(&mut db, sql).await;
    assert_eq!(
        line(&lines, "requests: "),
        ["one per distinct `widget_id` of the other table, or all by `list` if that is fewer"]
    );
    assert_eq!(line(&lines, "reaches the API: "), ["widget_id = 2"]);
    assert_eq!(line(&lines, "checked on the rows: ").len(), 1);
    let lines = explain(&mut db, "SELECT count(*) FROM acme.shop.widgets").await;
    assert_eq!(line(&lines, "calls: "), ["1 or more, likely 1"], "{lines:#?}");
    // The very request: the smallest page tells the total.
    assert_eq!(line(&lines, "request: "), [format!("GET {}/widgets?per_page=1", server.url())]);
    assert!(lines.iter().any(|line| line.starts_with("CountExec: acme.shop.widgets")), "{lines:#?}");
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn analyze_measures_what_happened() {
    let server = shop(250).await;
    let mut db = db(&server, STATED_TOTAL);
    let sql = "ANALYZE SELECT a.id FROM acme.shop.widgets a JOIN acme.shop.widgets b ON a.name = b.name";
    let lines = explain(&mut db, sql).await;
    assert_eq!(line(&lines, "rows: "), ["250"], "{lines:#?}");
    assert_eq!(line(&lines, "calls: ").last(), Some(&"3, of which 0 sent again"));
    assert_eq!(line(&lines, "spared: "), ["3 by answers of equal calls"]);
    assert_eq!(line(&lines, "verdict: "), ["complete"]);
    let at_once: u64 = line(&lines, "at once: ")[0].trim_end_matches(" at most").parse().unwrap();
    assert!((1..=3).contains(&at_once));
    assert_eq!(line(&lines, "first row: ").len(), 1);
    assert!(lines.iter().any(|line| line.contains("output_rows=250")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_limit_says_how_long_it_takes_and_analyze_how_long_it_took() {
    let refused = std::sync::atomic::AtomicBool::new(false);
    let api = paged(widgets(250), 20, 100, true);
    let server = Server::start(move |seen| {
        if refused.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return api(seen);
        }
        Reply::json(429, json!({"error": "later"})).header("retry-after", "7")
    })
    .await;
    let text = widgets_service(&server.url(), &(Paging::Page.document() + STATED_TOTAL), "$.items")
        .replace("            pagination:", "            rateLimit: {requests: 2, per: 10s}\n            pagination:");
    let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
    let lines = explain(&mut db, "ANALYZE SELECT id FROM acme.shop.widgets").await;
    assert_eq!(line(&lines, "calls: ").last(), Some(&"4, of which 1 sent again"), "{lines:#?}");
    let waited: u64 = line(&lines, "waited on limits: ")[0].trim_end_matches(" ms").parse().unwrap();
    assert!(waited >= 7000, "{waited}");
    let bytes: u64 = line(&lines, "bytes: ")[0].parse().unwrap();
    assert!(bytes > 250 * 50, "{bytes}");
    // How long the list is, is known now.
    let lines = explain(&mut db, "SELECT id FROM acme.shop.widgets").await;
    let limit = line(&lines, "limit: ");
    assert_eq!(limit, ["2 requests in 10 s: 10 s or more"], "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_an_object() {
    let server = shop(250).await;
    let documents = acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL));
    let engine = Engine::builder().providers_dir(documents.path()).build().unwrap();
    let mut result = engine
        .session()
        .sql("EXPLAIN ANALYZE SELECT id FROM acme.shop.widgets WHERE color = 'red' AND ok")
        .await
        .unwrap();
    result.prefer_program_form();
    let names: Vec<String> = result.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["calls", "tables", "plan", "happened", "refused"]);
    let batches = result.read_all().await.unwrap();
    let cells = &crate::support::query::texts(&batches[0])[0];
    assert_eq!(cells[4], crate::support::query::NULL);
    let parsed: Vec<Value> = cells[..4].iter().map(|cell| serde_json::from_str(cell).unwrap()).collect();
    assert_eq!(parsed[0], json!({"min": 1, "likely": null, "max": null}));
    let table = &parsed[1][0];
    assert_eq!(table["table"], "acme.shop.widgets");
    assert_eq!(table["template"], format!("GET {}/widgets", server.url()));
    let fates: Vec<&str> =
        table["predicates"].as_array().unwrap().iter().map(|p| p["fate"].as_str().unwrap()).collect();
    assert_eq!(fates, ["sent", "checked"]);
    assert!(table["predicates"][1]["why"].as_str().unwrap().contains("`ok` is not a parameter"));
    assert_eq!(parsed[3]["calls"], 1);
    assert_eq!(parsed[3]["verdict"], "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_its_own_answer_contradicts_is_not_believed() {
    let nowhere: fn(usize) -> Value = |_| json!({"total": 7});
    let too_few: fn(usize) -> Value = |_| json!({"total": 10, "items": widgets(25)});
    let no_rows: fn(usize) -> Value = |_| json!({"total": 10, "items": []});
    for (body, count, verdict) in [(nowhere, 0, "unproved"), (too_few, 25, "moved"), (no_rows, 0, "moved")] {
        let server = Server::start(move |_| Reply::json(200, body(0))).await;
        let answer = db(&server, EXACT_TOTAL).rows("SELECT count(*) FROM acme.shop.widgets").await;
        assert_eq!((answer.ids(), answer.verdict()), (vec![count], verdict), "{}", body(0));
        assert_eq!(server.requests().len(), 2, "a look at the total, and one at the rows");
    }
    // Totals that are no numbers of rows together.
    let server = Server::start(|seen| {
        let items = if seen.query_value("page").is_none() { widgets(2) } else { Vec::new() };
        Reply::json(200, json!({"total": u64::MAX, "items": items}))
    })
    .await;
    let sql = "SELECT count(*) FROM acme.shop.widgets WHERE color IN ('red', 'green')";
    let answer = db(&server, EXACT_TOTAL).rows(sql).await;
    assert_eq!((answer.ids(), answer.verdict()), (vec![4], "moved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_totals_are_asked_for_a_few_at_a_time() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(30), 20, 100, true);
    let server = Server::start(move |seen| api(seen).gated(&held)).await;
    let documents = acme_dir(&server.url(), &(Paging::Page.document() + EXACT_TOTAL));
    let engine = Engine::builder().providers_dir(documents.path()).build().unwrap();
    let mut session = engine.session();
    let watch = session.watch();
    let colors: Vec<String> = (0..300).map(|n| format!("'c{n}'")).collect();
    let sql = format!("SELECT count(*) FROM acme.shop.widgets WHERE color IN ('red', {})", colors.join(", "));
    let counting = tokio::spawn(async move {
        let mut result = session.sql(&sql).await.unwrap();
        let counted = result.read_all().await.unwrap();
        crate::support::query::texts(&counted[0])
    });
    gate.arrivals(8).await;
    // Whoever asks for more does so before this is over.
    for _ in 0..2000 {
        tokio::task::yield_now().await;
        let progress = watch.progress().unwrap();
        assert!(progress.in_flight + progress.waiting <= 16, "{progress:?}");
    }
    gate.open();
    assert_eq!(counting.await.unwrap(), [["10"]]);
    // A total of no rows is one that rows are looked for.
    assert_eq!(server.requests().len(), 301);
}
