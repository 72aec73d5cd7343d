//! Bind joins: tables whose parameters come from another table's rows.

mod checks;
mod exists;

use serde_json::{Value, json};
use skyql::ErrorKind;

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, list_api, paged, parts, widgets};
use crate::support::query::{Db, NULL, next_texts};
use crate::support::server::{Gate, Reply, Seen, Server};

fn db(server: &Server) -> Db {
    Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)))
}

async fn shop(count: u32) -> Server {
    Server::start(paged(widgets(count), 20, 100, true)).await
}

fn is_parts(path: &str) -> bool {
    path.ends_with("/parts")
}

/// The ids whose parts were asked for, in rising order.
fn asked(server: &Server) -> Vec<u64> {
    let mut ids: Vec<u64> = server
        .paths()
        .iter()
        .filter_map(|path| path.strip_prefix("/widgets/")?.strip_suffix("/parts")?.parse().ok())
        .collect();
    ids.sort_unstable();
    ids
}

/// Widget and part ids of the first `count` widgets, as text.
fn pairs(ids: impl IntoIterator<Item = u64>) -> Vec<Vec<String>> {
    ids.into_iter()
        .flat_map(|id| parts(&id.to_string()).into_iter().map(move |part| vec![id.to_string(), part["id"].to_string()]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_write_an_inner_join_makes_one_call_per_key() {
    for sql in [
        "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id",
        "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON w.id = p.widget_id",
        "SELECT w.id, p.id FROM acme.shop.parts p JOIN acme.shop.widgets w ON p.widget_id = w.id",
        "SELECT w.id, p.id FROM acme.shop.widgets w, acme.shop.parts p WHERE p.widget_id = w.id",
        "SELECT w.id, p.id FROM acme.shop.parts p, acme.shop.widgets w WHERE p.widget_id = w.id",
        "SELECT widgets.id, parts.id FROM acme.shop.widgets JOIN acme.shop.parts ON parts.widget_id = widgets.id",
        "SELECT w.id, p.id FROM acme.shop.widgets w CROSS JOIN acme.shop.parts p WHERE w.id = p.widget_id",
        "SELECT w.id, p.id FROM acme.shop.widgets w, LATERAL (SELECT id FROM acme.shop.parts WHERE widget_id = w.id) p",
        "SELECT w.id, p.id FROM (SELECT id FROM acme.shop.widgets) w JOIN \
         (SELECT id, widget_id FROM acme.shop.parts) p ON p.widget_id = w.id",
    ] {
        let server = shop(7).await;
        let answer = db(&server).rows(&format!("{sql} ORDER BY 1, 2")).await;
        assert_eq!(answer.rows, pairs(1..=7), "{sql}");
        assert_eq!(answer.verdict(), "complete", "{sql}");
        assert_eq!(asked(&server), [1, 2, 3, 4, 5, 6, 7], "{sql}");
        assert_eq!(server.requests().len(), 8, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parameter_shows_the_key_and_rows_keep_the_outer_order() {
    let server = shop(5).await;
    let sql = "SELECT p.widget_id, w.name, p.label FROM acme.shop.widgets w \
               JOIN acme.shop.parts p ON p.widget_id = w.id WHERE w.id <> 2";
    let answer = db(&server).rows(sql).await;
    assert_eq!(
        answer.rows,
        [
            ["1", "widget-0001", "part 1 of 1"],
            ["4", "widget-0004", "part 1 of 4"],
            ["5", "widget-0005", "part 1 of 5"],
            ["5", "widget-0005", "part 2 of 5"],
        ]
    );
    assert_eq!(asked(&server), [1, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_in_subquery_gives_the_keys() {
    let server = shop(7).await;
    let mut db = db(&server);
    let sql = "SELECT widget_id, id FROM acme.shop.parts \
               WHERE widget_id IN (SELECT id FROM acme.shop.widgets WHERE ok) ORDER BY 1, 2";
    let answer = db.rows(sql).await;
    assert_eq!(answer.columns, ["widget_id", "id"]);
    assert_eq!(answer.rows, pairs([1, 3, 5, 7]));
    assert_eq!(asked(&server), [1, 3, 5, 7]);
    for any in ["= ANY", "= SOME"] {
        let before = server.requests().len();
        assert_eq!(db.rows(&sql.replace(" IN ", &format!(" {any} "))).await.rows, pairs([1, 3, 5, 7]));
        assert_eq!(server.requests().len() - before, 5);
    }
    let sql = "SELECT id FROM acme.shop.parts p \
               WHERE EXISTS (SELECT 1 FROM acme.shop.widgets w WHERE w.id = p.widget_id AND w.id < 3) ORDER BY 1";
    assert_eq!(db.rows(sql).await.rows, [["11"], ["21"], ["22"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_values_a_cte_and_computed_expressions() {
    for sql in [
        "SELECT v.n, p.id FROM (VALUES (5), (2)) AS v(n) JOIN acme.shop.parts p ON p.widget_id = v.n ORDER BY 1, 2",
        "WITH k AS (SELECT 2 AS n UNION ALL SELECT 5) \
         SELECT k.n, p.id FROM k JOIN acme.shop.parts p ON p.widget_id = k.n ORDER BY 1, 2",
        "SELECT p.widget_id, p.id FROM (VALUES ('widget-2'), ('widget-5')) AS v(t) \
         JOIN acme.shop.parts p ON p.widget_id = CAST(split_part(v.t, '-', 2) AS BIGINT) ORDER BY 1, 2",
        "SELECT p.widget_id, p.id FROM (VALUES ('widget-2'), ('widget-5')) AS v(t) \
         JOIN acme.shop.parts p ON p.widget_id = split_part(v.t, '-', 2) ORDER BY 1, 2",
        "SELECT p.widget_id, p.id FROM (VALUES (1), (4)) AS v(n) \
         JOIN acme.shop.parts p ON p.widget_id = v.n + 1 ORDER BY 1, 2",
        "SELECT widget_id, id FROM acme.shop.parts WHERE widget_id IN (SELECT n FROM (VALUES (2), (5)) v(n)) \
         ORDER BY 1, 2",
    ] {
        let server = shop(7).await;
        let answer = db(&server).rows(sql).await;
        assert_eq!(answer.rows, pairs([2, 5]), "{sql}");
        assert_eq!(asked(&server), [2, 5], "{sql}");
        assert_eq!(server.requests().len(), 2, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_often_is_one_call_and_null_is_none() {
    let server = shop(7).await;
    let mut db = db(&server);
    let values = "(VALUES (2, 'a'), (NULL, 'b'), (5, 'c'), (2, 'd'), (NULL, 'e'), (2, 'f')) AS v(n, tag)";
    let sql = format!("SELECT v.tag, p.id FROM {values} JOIN acme.shop.parts p ON p.widget_id = v.n ORDER BY 1, 2");
    let answer = db.rows(&sql).await;
    assert_eq!(
        answer.rows,
        [["a", "21"], ["a", "22"], ["c", "51"], ["c", "52"], ["d", "21"], ["d", "22"], ["f", "21"], ["f", "22"]]
    );
    assert_eq!(asked(&server), [2, 5]);
    let sql =
        format!("SELECT v.tag, p.id FROM {values} LEFT JOIN acme.shop.parts p ON p.widget_id = v.n ORDER BY 1, 2");
    let answer = db.rows(&sql).await;
    let nulls: Vec<_> = answer.rows.iter().filter(|row| row[1] == NULL).map(|row| row[0].as_str()).collect();
    assert_eq!(nulls, ["b", "e"]);
    assert_eq!(answer.rows.len(), 10);
    assert_eq!(asked(&server), [2, 2, 5, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_left_join_keeps_rows_without_an_answer() {
    for sql in [
        "SELECT w.id, p.id FROM acme.shop.widgets w LEFT JOIN acme.shop.parts p ON p.widget_id = w.id ORDER BY 1, 2",
        "SELECT w.id, p.id FROM acme.shop.parts p RIGHT JOIN acme.shop.widgets w ON p.widget_id = w.id ORDER BY 1, 2",
    ] {
        let server = shop(5).await;
        let answer = db(&server).rows(sql).await;
        let wanted = [["1", "11"], ["2", "21"], ["2", "22"], ["3", NULL], ["4", "41"], ["5", "51"], ["5", "52"]];
        assert_eq!(answer.rows, wanted, "{sql}");
        assert_eq!(asked(&server), [1, 2, 3, 4, 5], "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_tables_make_a_chain() {
    for sql in [
        "SELECT a.id, p.id, b.name FROM acme.shop.widgets a JOIN acme.shop.parts p ON p.widget_id = a.id \
         JOIN acme.shop.widgets b ON b.widget_id = p.id WHERE a.id IN (1, 4) ORDER BY 1, 2",
        "SELECT a.id, p.id, b.name FROM acme.shop.widgets b, acme.shop.parts p, acme.shop.widgets a \
         WHERE a.id IN (1, 4) AND b.widget_id = p.id AND p.widget_id = a.id ORDER BY 1, 2",
    ] {
        let server = shop(45).await;
        let answer = db(&server).rows(sql).await;
        assert_eq!(answer.rows, [["1", "11", "widget-0011"], ["4", "41", "widget-0041"]], "{sql}");
        assert_eq!(asked(&server), [1, 4], "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_deep_only_the_keys_that_are_there_are_asked_for() {
    let server = shop(45).await;
    let sql = "SELECT v.n, p.id, q.id FROM (VALUES (1), (4)) v(n) JOIN acme.shop.parts p ON p.widget_id = v.n \
               JOIN acme.shop.parts q ON q.widget_id = p.id ORDER BY 1, 2, 3";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows, [["1", "11", "111"], ["1", "11", "112"], ["4", "41", "411"], ["4", "41", "412"]]);
    assert_eq!(asked(&server), [1, 4, 11, 41]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_joins_itself() {
    let server = shop(5).await;
    let mut db = db(&server);
    let sql = "SELECT a.id, b.id FROM acme.shop.widgets a JOIN acme.shop.widgets b ON a.id = b.id + 1 ORDER BY 1";
    let answer = db.rows(sql).await;
    assert_eq!(answer.rows, [["2", "1"], ["3", "2"], ["4", "3"], ["5", "4"]]);
    assert_eq!(answer.verdict(), "complete");
    let sql = "SELECT a.id, b.id FROM acme.shop.parts a JOIN acme.shop.parts b ON a.widget_id = b.widget_id \
               WHERE a.widget_id = 5 AND a.id < b.id";
    assert_eq!(db.rows(sql).await.rows, [["51", "52"]]);
    assert_eq!(asked(&server).iter().filter(|id| **id != 5).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_stops_the_calls() {
    let server = shop(100).await;
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id LIMIT 3";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows, pairs(1..=2));
    server.idle().await;
    let calls = asked(&server).len();
    assert!(calls <= 8, "{calls} calls for three rows");
    assert_eq!(answer.verdict(), "truncated");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_joined_rows_come_before_the_outer_side_ends() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = list_api(Paging::Page, widgets(40), 20, 20, true);
    let second = |seen: &Seen| seen.query_value("page").as_deref() == Some("2");
    let server = Server::start(move |seen| if second(seen) { api(seen).gated(&held) } else { api(seen) }).await;
    let mut db = db(&server);
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id";
    let mut result = db.start(sql).await.unwrap();
    let first = next_texts(&mut result).await;
    assert!(!first.is_empty());
    assert_eq!(first[0], ["1", "11"]);
    gate.open();
    let rest = result.read_all().await.unwrap();
    let rest: Vec<Vec<String>> = rest.iter().flat_map(crate::support::query::texts).collect();
    assert_eq!(first.into_iter().chain(rest).collect::<Vec<_>>(), pairs(1..=40));
    assert_eq!(asked(&server), (1..=40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_asked_for_side_by_side() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(20), 20, 20, true);
    let server = Server::start(move |seen| if is_parts(&seen.path) { api(seen).gated(&held) } else { api(seen) }).await;
    let mut db = db(&server);
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id";
    let reading = tokio::spawn(async move { db.rows(sql).await });
    gate.arrivals(8).await;
    gate.open();
    let answer = reading.await.unwrap();
    assert_eq!(answer.rows, pairs(1..=20));
    assert!(server.max_in_flight() >= 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_the_key() {
    let api = paged(widgets(5), 20, 20, true);
    let server = Server::start(move |seen| {
        if seen.path == "/widgets/4/parts" {
            Reply::json(400, json!({"error": "parts are on strike"}))
        } else {
            api(seen)
        }
    })
    .await;
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id";
    let error = db(&server).error(sql).await;
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(error.message(), "the API answered 400: parts are on strike");
    assert_eq!(error.context_value("part"), Some("widget_id = 4"));

    let answer = db(&server).set("on_partial", "warn").rows(sql).await;
    assert_eq!(answer.rows, pairs([1, 2, 3, 5]));
    assert_eq!(answer.verdict(), "failed");
    assert_eq!(answer.report.warnings[0].subject, "acme.shop.parts: widget_id = 4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_of_a_list_under_a_key_is_an_error() {
    let server = shop(5).await;
    let sql = "SELECT p.id FROM (VALUES (1), (99)) v(n) JOIN acme.shop.parts p ON p.widget_id = v.n";
    let error = db(&server).error(sql).await;
    assert_eq!(error.message(), "the API has no such object: no widget 99");
    assert_eq!(error.context_value("part"), Some("widget_id = 99"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_detail_are_looked_up_one_by_one_where_the_list_cannot_be_read() {
    let server = shop(45).await;
    let sql = "SELECT v.n, w.name FROM (VALUES (3), (99), (7)) v(n) JOIN acme.shop.widgets w ON w.widget_id = v.n \
               ORDER BY 1";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows, [["3", "widget-0003"], ["7", "widget-0007"]]);
    assert_eq!(answer.report.not_found, 1);
    let mut paths = server.paths();
    paths.sort();
    assert_eq!(paths, ["/widgets/3", "/widgets/7", "/widgets/99"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_calls_stops_a_join() {
    let server = shop(100).await;
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id";
    let error = db(&server).set("max_calls", "10").error(sql).await;
    assert_eq!(error.kind(), ErrorKind::Budget);
    // The keys of the first page are known before they are asked for.
    assert_eq!(
        error.message(),
        "the join with `acme.shop.parts` needs 100 calls or more after 1, and `max_calls` is 10"
    );
    assert_eq!(server.requests().len(), 1);
    let sql = "SELECT p.id FROM generate_series(1, 1000000) k(n) JOIN acme.shop.parts p ON p.widget_id = k.n";
    let error = db(&server).set("max_calls", "1000").error(sql).await;
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert!(error.message().ends_with("calls or more, and `max_calls` is 1000"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_nothing_gives_is_an_error() {
    let server = shop(5).await;
    let mut db = db(&server);
    for sql in [
        "SELECT id FROM acme.shop.parts",
        "SELECT w.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.id = w.id",
        "SELECT w.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id > w.id",
        "SELECT w.id FROM acme.shop.widgets w, acme.shop.parts p",
        "SELECT a.id FROM acme.shop.parts a JOIN acme.shop.parts b ON a.widget_id = b.widget_id",
    ] {
        let error = db.error(sql).await;
        assert!(matches!(error.kind(), ErrorKind::MissingParameter | ErrorKind::InvalidArgument), "{sql}: {error:?}");
        assert!(format!("{error:?}").contains("`widget_id`"), "{sql}: {error:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_and_keys_bind_together() {
    let server = shop(9).await;
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id \
               WHERE w.color = 'red' AND p.label LIKE 'part 1%' ORDER BY 1";
    // Every third widget is red, and has no parts.
    assert!(db(&server).rows(sql).await.rows.is_empty());
    assert_eq!(asked(&server), [3, 6, 9]);
    let sql = "SELECT p.widget_id, count(*) FROM acme.shop.parts p JOIN acme.shop.widgets w ON w.id = p.widget_id \
               WHERE p.widget_id IN (4, 5) GROUP BY 1 ORDER BY 1";
    assert_eq!(db(&server).rows(sql).await.rows, [["4", "1"], ["5", "2"]]);
    assert_eq!(asked(&server), [3, 4, 5, 6, 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_come_again_on_a_later_page_are_remembered() {
    let server = Server::start(|seen| {
        if is_parts(&seen.path) {
            return Reply::json(200, json!({"items": [{"id": 1, "label": "x"}]}));
        }
        let page: u64 = seen.query_value("page").map_or(1, |page| page.parse().unwrap());
        let rows: Vec<Value> = (0..10)
            .map(|n| json!({"id": page * 100 + n, "name": "n", "size": f64::from(u32::try_from(n % 2).unwrap())}))
            .collect();
        Reply::json(200, json!({"total": 30, "items": rows}))
    })
    .await;
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w \
               JOIN acme.shop.parts p ON p.widget_id = CAST(w.size AS BIGINT)";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows.len(), 30);
    assert_eq!(asked(&server), [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_after_a_limit_reads_only_the_limited_side() {
    let server = shop(100).await;
    let sql = "SELECT w.id, p.id FROM (SELECT id FROM acme.shop.widgets LIMIT 4) w \
               JOIN acme.shop.parts p ON p.widget_id = w.id";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows, pairs(1..=4));
    assert_eq!(asked(&server), [1, 2, 3, 4]);
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_inside_the_bound_side_is_not_lost() {
    let server = shop(9).await;
    let sql = "SELECT p.id FROM (SELECT id FROM acme.shop.parts WHERE widget_id IN (2, 5) LIMIT 3) p ORDER BY 1";
    assert_eq!(db(&server).rows(sql).await.rows, [["21"], ["22"], ["51"]]);
    let sql = "SELECT w.id, (SELECT count(*) FROM acme.shop.parts p WHERE p.widget_id = 5) \
               FROM acme.shop.widgets w WHERE w.id < 3 ORDER BY 1";
    assert_eq!(db(&server).rows(sql).await.rows, [["1", "2"], ["2", "2"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_left_join_with_a_further_condition_keeps_every_outer_row() {
    let server = shop(5).await;
    let mut db = db(&server);
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w \
               LEFT JOIN acme.shop.parts p ON p.widget_id = w.id AND p.label LIKE 'part 2%' ORDER BY 1, 2";
    let answer = db.rows(sql).await;
    assert_eq!(answer.rows, [["1", NULL], ["2", "22"], ["3", NULL], ["4", NULL], ["5", "52"]]);
    let sql = "SELECT w.id FROM acme.shop.widgets w LEFT JOIN acme.shop.parts p ON p.widget_id = w.id \
               WHERE p.id IS NULL ORDER BY 1";
    assert_eq!(db.rows(sql).await.rows, [["3"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_semi_join_keeps_each_row_once() {
    let server = shop(9).await;
    let sql = "SELECT p.widget_id, p.id FROM acme.shop.parts p \
               WHERE p.widget_id IN (SELECT n FROM (VALUES (5), (5), (2), (NULL)) v(n)) ORDER BY 1, 2";
    assert_eq!(db(&server).rows(sql).await.rows, pairs([2, 5]));
    assert_eq!(asked(&server), [2, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_keys_reach_an_integer_parameter_and_others_are_refused() {
    let server = shop(9).await;
    let mut db = db(&server);
    let sql = "SELECT v.n, p.id FROM (VALUES ('5'), ('2')) v(n) JOIN acme.shop.parts p ON p.widget_id = v.n ORDER BY 2";
    let answer = db.rows(sql).await;
    assert_eq!(answer.rows, [["2", "21"], ["2", "22"], ["5", "51"], ["5", "52"]]);
    let sql = "SELECT v.n, p.id FROM (VALUES ('../5')) v(n) JOIN acme.shop.parts p ON p.widget_id = v.n";
    let error = db.error(sql).await;
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(asked(&server), [2, 5]);
    assert!(server.paths().iter().all(|path| path.ends_with("/parts")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_left_join_whose_condition_names_the_outer_side_keeps_every_outer_row() {
    let server = shop(5).await;
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w \
               LEFT JOIN acme.shop.parts p ON p.widget_id = w.id AND w.ok ORDER BY 1, 2";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows, [["1", "11"], ["2", NULL], ["3", NULL], ["4", NULL], ["5", "51"], ["5", "52"]]);
    // Rows that can have no partner are not asked for.
    assert_eq!(asked(&server), [1, 3, 5]);
    let server = shop(5).await;
    let sql = "SELECT w.id FROM acme.shop.widgets w \
               WHERE NOT EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = w.id AND w.id < 3 AND p.id < 20) ORDER BY 1";
    assert_eq!(db(&server).rows(sql).await.rows, [["2"], ["3"], ["4"], ["5"]]);
    assert_eq!(asked(&server), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_can_be_got_by_key_waits_for_the_one_that_gives_it() {
    // `widgets` can be listed, and got by the ids that the third relation has; the first joins it by another column.
    for sql in [
        "SELECT w.id, v.n FROM (VALUES ('widget-0002', 'a'), ('widget-0004', 'b')) v(name, n) \
         JOIN acme.shop.widgets w ON w.name = v.name JOIN (VALUES (4), (7)) k(id) ON k.id = w.id",
        "SELECT w.id, v.n FROM (VALUES ('widget-0002', 'a'), ('widget-0004', 'b')) v(name, n) \
         JOIN ((VALUES (4), (7)) k(id) JOIN acme.shop.widgets w ON k.id = w.id) ON w.name = v.name",
        "SELECT w.*, v.*, k.* FROM (VALUES ('widget-0002', 'a'), ('widget-0004', 'b')) v(name, n) \
         JOIN acme.shop.widgets w ON w.name = v.name JOIN (VALUES (4), (7)) k(id) ON k.id = w.id",
    ] {
        let server = shop(400).await;
        let answer = db(&server).rows(sql).await;
        let row: Vec<&str> = answer.rows.iter().flatten().map(String::as_str).collect();
        assert!(row.starts_with(&["4"]) && row.contains(&"b") && answer.rows.len() == 1, "{sql}: {row:?}");
        let mut paths = server.paths();
        paths.sort_unstable();
        assert_eq!(paths, ["/widgets/4", "/widgets/7"], "{sql}");
    }
    let server = shop(30).await;
    let mut db = db(&server);
    let sql = "SELECT w.id FROM acme.shop.widgets w WHERE w.name IN (SELECT x.name FROM acme.shop.widgets x WHERE x.id < 9) \
               AND w.id IN (SELECT y.id FROM acme.shop.widgets y WHERE y.id > 5) ORDER BY 1";
    assert_eq!(db.rows(sql).await.rows, [["6"], ["7"], ["8"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn residual_conditions_of_an_inner_join_are_checked() {
    let server = shop(9).await;
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p \
               ON p.widget_id = w.id AND p.id > w.id * 10 + 1 ORDER BY 1";
    assert_eq!(db(&server).rows(sql).await.rows, [["2", "22"], ["5", "52"], ["8", "82"]]);
    let sql = "SELECT count(*), count(DISTINCT p.widget_id) FROM acme.shop.widgets w, acme.shop.parts p \
               WHERE p.widget_id = w.id AND w.id BETWEEN 4 AND 6";
    assert_eq!(db(&server).rows(sql).await.rows, [["3", "2"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_rows_of_a_key_meet_several_answers() {
    let server = shop(9).await;
    let sql = "SELECT a.n, p.id, b.n FROM (VALUES (5, 'x'), (5, 'y')) a(k, n) \
               JOIN acme.shop.parts p ON p.widget_id = a.k JOIN (VALUES (51, 'p'), (52, 'q'), (52, 'r')) b(k, n) ON b.k = p.id \
               ORDER BY 1, 2, 3";
    let answer = db(&server).rows(sql).await;
    assert_eq!(
        answer.rows,
        [["x", "51", "p"], ["x", "52", "q"], ["x", "52", "r"], ["y", "51", "p"], ["y", "52", "q"], ["y", "52", "r"]]
    );
    assert_eq!(asked(&server), [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_join_stops_its_requests() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(50), 20, 100, true);
    let server = Server::start(move |seen| if is_parts(&seen.path) { api(seen).gated(&held) } else { api(seen) }).await;
    let mut db = db(&server);
    let sql = "SELECT w.id, p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id";
    let mut result = db.start(sql).await.unwrap();
    {
        let mut waiting = Box::pin(next_texts(&mut result));
        tokio::select! {
            rows = &mut waiting => panic!("parts are withheld, but {} rows came", rows.len()),
            () = gate.arrivals(8) => {}
        }
    }
    drop(result);
    server.idle().await;
    let sent = server.requests().len();
    gate.open();
    db.rows("SELECT id FROM acme.shop.widgets LIMIT 1").await;
    assert_eq!(server.requests().len(), sent + 1);
}
