//! `json_each` and `json_tree` over columns of API tables.

use serde_json::json;
use skyql::ErrorKind;

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, widgets};
use crate::support::query::{Db, NULL};
use crate::support::server::Server;

fn db(server: &Server) -> Db {
    Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)))
}

async fn shop(count: u32) -> Server {
    Server::start(paged(widgets(count), 20, 100, true)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_write_it_gives_a_row_per_element() {
    for sql in [
        "SELECT t.id, e.value FROM acme.shop.widgets AS t, json_each(t.tags) AS e",
        "SELECT t.id, e.value FROM acme.shop.widgets t, JSON_EACH(t.tags) e",
        "SELECT t.id, value FROM acme.shop.widgets t, json_each(tags)",
        "SELECT T.ID, E.Value FROM acme.shop.widgets t, json_each(t.TAGS) e",
        "SELECT widgets.id, json_each.value FROM acme.shop.widgets, json_each(widgets.tags)",
        "SELECT t.id, e.value FROM acme.shop.widgets t CROSS JOIN json_each(t.tags) e",
        "SELECT t.id, e.value FROM acme.shop.widgets t JOIN json_each(t.tags) e ON true",
        "SELECT t.id, e.value FROM acme.shop.widgets t LEFT JOIN json_each(t.tags) e ON true",
        "SELECT t.id, e.value FROM acme.shop.widgets t, LATERAL json_each(t.tags) e",
        "SELECT t.id, e.v FROM acme.shop.widgets t, json_each(t.tags) AS e(k, v)",
        "SELECT t.id, e.value FROM (SELECT * FROM acme.shop.widgets) t, json_each(t.tags) e",
        "WITH w AS (SELECT id, tags FROM acme.shop.widgets) SELECT w.id, e.value FROM w, json_each(w.tags) e",
        "SELECT t.id, e.value FROM acme.shop.widgets t, json_each(json_object('x', t.tags), '$.x') e",
        "SELECT t.id, e.value FROM acme.shop.widgets t, json_tree(t.tags) e WHERE e.atom IS NOT NULL",
    ] {
        let server = shop(3).await;
        let answer = db(&server).rows(sql).await;
        let wanted = [["1", "t1"], ["1", "all"], ["2", "t2"], ["2", "all"], ["3", "t3"], ["3", "all"]];
        assert_eq!(answer.rows, wanted, "{sql}");
        assert_eq!(answer.verdict(), "complete", "{sql}");
        assert_eq!(server.requests().len(), 1, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_columns_are_there() {
    let server = shop(1).await;
    let mut db = db(&server);
    let answer = db.rows("SELECT e.* FROM acme.shop.widgets t, json_each(t.tags) e").await;
    assert_eq!(answer.columns, ["key", "value", "type", "atom", "id", "parent", "fullkey", "path"]);
    assert_eq!(
        answer.rows,
        [["0", "t1", "text", "t1", "1", NULL, "$[0]", "$"], ["1", "all", "text", "all", "2", NULL, "$[1]", "$"]]
    );
    let answer = db.rows("SELECT * FROM acme.shop.widgets t, json_each(t.tags) e LIMIT 1").await;
    let (own, table) = answer.columns.split_at(answer.columns.len() - 8);
    assert_eq!(own, ["id", "name", "size", "ok", "created", "tags", "extra"]);
    assert_eq!(table[0], "key");
    let answer = db.rows("SELECT key, value FROM acme.shop.widgets t, json_tree(t.extra) ORDER BY fullkey").await;
    assert_eq!(
        answer.rows,
        [
            [NULL, "{\"color\":\"green\",\"owner\":{\"name\":\"zoë\"}}"],
            ["color", "green"],
            ["owner", "{\"name\":\"zoë\"}"],
            ["name", "zoë"],
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_the_table_still_reach_the_api() {
    let server = shop(40).await;
    let mut db = db(&server);
    // `id` is a column of both: the key of the API's is what is meant by `t.id`.
    let sql = "SELECT e.value FROM acme.shop.widgets t, json_each(t.tags) e WHERE t.id = 7 AND e.id = 1";
    assert_eq!(db.rows(sql).await.rows, [["t3"]]);
    assert_eq!(server.paths(), ["/widgets/7"]);
    let sql = "SELECT count(*) FROM acme.shop.widgets t, json_each(t.tags) e WHERE color = 'red' AND e.value = 'all'";
    assert_eq!(db.rows(sql).await.rows, [["13"]]);
    assert_eq!(server.requests()[1].query_value("color").as_deref(), Some("red"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_columns_that_are_used_are_read() {
    let mut rows = widgets(2);
    rows[0]["size"] = json!("not a number");
    let server = Server::start(paged(rows, 20, 100, true)).await;
    let answer = db(&server).rows("SELECT e.value FROM acme.shop.widgets t, json_each(t.tags) e").await;
    assert_eq!(answer.rows.len(), 4);
    assert!(answer.warned().is_empty(), "a column that nobody asked for was read: {:?}", answer.warnings());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_stops_the_pages() {
    let server = shop(1000).await;
    let answer = db(&server).rows("SELECT e.value FROM acme.shop.widgets t, json_each(t.tags) e LIMIT 3").await;
    assert_eq!(answer.rows.len(), 3);
    assert!(server.requests().len() < 10, "{} requests", server.requests().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_left_join_keeps_rows_without_elements() {
    let mut rows = widgets(5);
    rows[0]["tags"] = json!([]);
    rows[1]["tags"] = json!(null);
    rows[2]["tags"] = json!(["x", 5, null]);
    let server = Server::start(paged(rows, 20, 100, true)).await;
    let mut db = db(&server);
    let from = "FROM acme.shop.widgets t LEFT JOIN json_each(t.tags) e";
    let answer = db.rows(&format!("SELECT t.id, e.key, e.value {from} ON true WHERE t.id <= 3")).await;
    assert_eq!(answer.rows, [["1", NULL, NULL], ["2", NULL, NULL], ["3", "0", "x"], ["3", "1", "5"], ["3", "2", NULL]]);
    let answer = db.rows(&format!("SELECT t.id, e.value {from} ON e.value = 'all' OR e.value = '5'")).await;
    assert_eq!(answer.rows, [["1", NULL], ["2", NULL], ["3", "5"], ["4", "all"], ["5", "all"]]);
    let answer = db.rows(&format!("SELECT t.id {from} ON iif(e.value = 'x', date('now') < 'a', false)")).await;
    assert_eq!(answer.ids(), [1, 2, 3, 4, 5]);
    let answer = db.rows(&format!("SELECT t.id, e.value {from} ON t.id = 4")).await;
    assert_eq!(answer.rows, [["1", NULL], ["2", NULL], ["3", NULL], ["4", "t0"], ["4", "all"], ["5", NULL]]);
    // A value of JSON equals a number that is written alike; another that is no number is no error.
    let answer = db.rows(&format!("SELECT t.id {from} ON true WHERE e.value = 5 OR e.key IN (7, 8)")).await;
    assert_eq!(answer.ids(), [3]);
    let answer = db.rows(&format!("SELECT t.id {from} ON true WHERE e.key IS NULL")).await;
    assert_eq!(answer.rows, [["1"], ["2"]]);
    let answer = db.rows(&format!("SELECT count(*), count(e.value) {from} ON true")).await;
    assert_eq!(answer.rows, [["9", "6"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_tables_and_aggregates_over_them() {
    let server = shop(30).await;
    let mut db = db(&server);
    let sql = "SELECT e.value, count(*) AS n FROM acme.shop.widgets t, json_each(t.tags) e \
               GROUP BY e.value HAVING count(*) < 30 ORDER BY n DESC, e.value";
    assert_eq!(db.rows(sql).await.rows, [["t1", "8"], ["t2", "8"], ["t0", "7"], ["t3", "7"]]);
    let sql = "SELECT m.key, o.key, o.value FROM acme.shop.widgets t, json_each(t.extra) m, json_each(m.value) o \
               WHERE m.type = 'object' AND t.id = 2";
    assert_eq!(db.rows(sql).await.rows, [["owner", "name", "zoë"]]);
    let sql = "SELECT count(*) FROM acme.shop.widgets t, json_each(t.tags) a, json_each(t.tags) b WHERE t.id <= 5";
    assert_eq!(db.rows(sql).await.rows, [["20"]]);
    // What is taken out of a document and put together again is the document.
    let sql = "SELECT count(*) FROM acme.shop.widgets t JOIN (SELECT w.id, json_group_array(e.value) AS tags \
               FROM acme.shop.widgets w, json_each(w.tags) e GROUP BY w.id) x ON x.id = t.id \
               WHERE json_equal(x.tags, t.tags)";
    assert_eq!(db.rows(sql).await.rows, [["30"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn elements_give_other_tables_their_parameters() {
    let server = shop(6).await;
    let sql = "SELECT e.value, p.id FROM json_each('[2, 5]') e JOIN acme.shop.parts p ON p.widget_id = e.value \
               ORDER BY 1, 2";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows, [["2", "21"], ["2", "22"], ["5", "51"], ["5", "52"]]);
    let sql = "SELECT t.id, e.key, p.id FROM acme.shop.widgets t, json_each(t.tags) e, acme.shop.parts p \
               WHERE p.widget_id = t.id AND t.id = 4 AND e.key = 0";
    assert_eq!(db(&server).rows(sql).await.rows, [["4", "0", "41"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_by_their_elements() {
    let mut rows = widgets(6);
    rows[3]["tags"] = json!(["t0", null]);
    rows[4]["tags"] = json!([]);
    rows[5]["tags"] = json!(null);
    let server = Server::start(paged(rows, 20, 100, true)).await;
    let mut db = db(&server);
    // Widget 4 has t0 and null, 5 has none, 6 has no list.
    for (condition, ids) in [
        ("EXISTS (SELECT 1 FROM json_each(t.tags) WHERE value = 't1')", &[1][..]),
        ("EXISTS (SELECT * FROM json_each(t.tags))", &[1, 2, 3, 4]),
        ("NOT EXISTS (SELECT 1 FROM json_each(t.tags) e WHERE e.value = 'all')", &[4, 5, 6]),
        ("'t2' IN (SELECT value FROM json_each(t.tags))", &[2]),
        ("'all' IN (SELECT e.value FROM json_each(tags) AS e WHERE e.key > 0)", &[1, 2, 3]),
        // As IN has it: nobody knows whether NULL is `t9`.
        ("'t9' NOT IN (SELECT value FROM json_each(t.tags))", &[1, 2, 3, 5, 6]),
        ("('t9' IN (SELECT value FROM json_each(t.tags))) IS NULL", &[4]),
        ("'t' || t.id IN (SELECT value FROM json_each(t.tags)) OR id = 6", &[1, 2, 3, 6]),
        ("EXISTS (SELECT 1 FROM json_each(t.tags) e WHERE e.value = 't' || t.id) AND t.id > 1", &[2, 3]),
        ("EXISTS (SELECT 1 FROM json_tree(t.extra, '$.owner') WHERE value = 'zoë') AND id < 3", &[1, 2]),
        ("'t1' IN (SELECT value FROM json_each(t.tags)) AND 'all' IN (SELECT value FROM json_each(t.tags))", &[1]),
        ("id IN (SELECT value FROM json_each('[2, 3]'))", &[2, 3]),
    ] {
        let sql = format!("SELECT id FROM acme.shop.widgets t WHERE {condition}");
        assert_eq!(db.rows(&sql).await.ids(), ids, "{sql}");
    }
    let sql = "SELECT id, EXISTS (SELECT 1 FROM json_each(t.tags) WHERE value = 'all') AS tagged FROM \
               acme.shop.widgets t WHERE id = 3 OR id = 4 ORDER BY id";
    assert_eq!(db.rows(sql).await.rows, [["3", "true"], ["4", "false"]]);
    let before = server.requests().len();
    let sql = "SELECT id FROM acme.shop.widgets t WHERE id = 2 AND 't2' IN (SELECT value FROM json_each(t.tags))";
    assert_eq!(db.rows(sql).await.ids(), [2]);
    assert_eq!(server.paths()[before..], ["/widgets/2"], "the key reaches the API, and nothing is read twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_keep_it() {
    let server = shop(2).await;
    let mut db = db(&server);
    let _ = db.rows("CREATE VIEW v AS SELECT t.id, e.value FROM acme.shop.widgets t, json_each(t.tags) e").await;
    assert_eq!(db.rows("SELECT a.value FROM v a JOIN v b ON a.value = b.value AND a.id < b.id").await.rows, [["all"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said() {
    let server = shop(2).await;
    let mut db = db(&server);
    for (sql, kind, said) in [
        ("SELECT e.value FROM acme.shop.widgets t, json_each(t.name) e", ErrorKind::InvalidArgument, "not JSON"),
        ("SELECT * FROM json_each('[1]', 'x')", ErrorKind::InvalidArgument, "`x` is not a JSON path"),
        ("SELECT * FROM json_each()", ErrorKind::InvalidArgument, "json_each(json [, path])"),
        ("SELECT * FROM json_each('[1]', '$', 3)", ErrorKind::InvalidArgument, "json_each(json [, path])"),
        ("SELECT e.nope FROM acme.shop.widgets t, json_each(t.tags) e", ErrorKind::NameNotFound, "nope"),
        (
            "SELECT (SELECT max(value) FROM json_each(t.tags)) FROM acme.shop.widgets t",
            ErrorKind::Unsupported,
            "`json_each` in a subquery",
        ),
    ] {
        let error = db.error(sql).await;
        assert!(error.message().contains(said), "{sql}\n{error:?}");
        assert_eq!(error.kind(), kind, "{sql}\n{error:?}");
        assert!(!format!("{error:?}").contains("widget-0001"), "a value of the API is in the error: {error:?}");
    }
}
