//! What heads the columns of an answer.

use skyql::{Engine, SandboxOptions};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, widgets};
use crate::support::query::Db;
use crate::support::server::Server;

async fn db() -> (Server, Db) {
    let server = Server::start(paged(widgets(6), 20, 100, true)).await;
    let db = Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)));
    (server, db)
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions_are_headed_by_what_was_typed() {
    let (_server, mut db) = db().await;
    for (sql, headings) in [
        ("SELECT count(*) FROM acme.shop.widgets", &["count(*)"][..]),
        ("SELECT COUNT( * ) FROM acme.shop.widgets", &["COUNT( * )"]),
        ("SELECT id*2, id  +  1, (id) FROM acme.shop.widgets", &["id*2", "id + 1", "(id)"]),
        ("SELECT t.name, T.ID, name FROM acme.shop.widgets t", &["name", "id", "name"]),
        ("SELECT 1, 'a''b', NULL, true, -1.50, 1", &["1", "'a''b'", "NULL", "true", "-1.50", "1"]),
        ("SELECT upper(NAME) u, lower(Name) FROM acme.shop.widgets", &["u", "lower(Name)"]),
        (
            "SELECT\n  id /* the key */ % 2 -- odd?\n  , extra->>'color' FROM acme.shop.widgets",
            &["id % 2", "extra->>'color'"],
        ),
        (
            "SELECT CASE WHEN id > 3 THEN 'a, b' ELSE ')' END, sum(id) OVER (ORDER BY id), CAST(id AS text), id::text \
             FROM acme.shop.widgets",
            &[
                "CASE WHEN id > 3 THEN 'a, b' ELSE ')' END",
                "sum(id) OVER (ORDER BY id)",
                "CAST(id AS text)",
                "id::text",
            ],
        ),
        (
            "SELECT id IS DISTINCT FROM 3, count(*) FILTER (WHERE ok), (SELECT max(id) FROM acme.shop.widgets) \
             FROM acme.shop.widgets GROUP BY id",
            &["id IS DISTINCT FROM 3", "count(*) FILTER (WHERE ok)", "(SELECT max(id) FROM acme.shop.widgets)"],
        ),
        ("SELECT DISTINCT id % 2 FROM acme.shop.widgets ORDER BY id % 2", &["id % 2"]),
        ("SELECT ALL max(id) FROM acme.shop.widgets", &["max(id)"]),
        ("SELECT 1+1 UNION ALL SELECT max(id) FROM acme.shop.widgets", &["1+1"]),
        ("SELECT * FROM (SELECT count(*), max(id) AS m FROM acme.shop.widgets)", &["count(*)", "m"]),
        ("WITH c AS (SELECT min(id) FROM acme.shop.widgets) SELECT *, 2*3 FROM c", &["min(id)", "2*3"]),
        ("SELECT 'ä', 'ö' || '日本' /* ü */, 3", &["'ä'", "'ö' || '日本'", "3"]),
        ("SELECT id, id, count(*), count(*) FROM acme.shop.widgets GROUP BY id", &["id", "id", "count(*)", "count(*)"]),
        ("SELECT a.id, b.id FROM acme.shop.widgets a JOIN acme.shop.widgets b ON a.id = b.id", &["id", "id"]),
        ("SELECT id AS x, name AS x FROM acme.shop.widgets", &["x", "x"]),
        (
            "SELECT *, id FROM acme.shop.widgets ORDER BY id",
            &["id", "name", "size", "ok", "created", "tags", "extra", "id"],
        ),
    ] {
        let answer = db.rows(sql).await;
        assert_eq!(answer.columns, headings, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headings_change_nothing_that_a_name_means() {
    let (_server, mut db) = db().await;
    for (sql, wanted) in [
        ("SELECT id % 2, count(*) FROM acme.shop.widgets GROUP BY id % 2 ORDER BY id % 2", "0 3|1 3"),
        ("SELECT -id FROM acme.shop.widgets ORDER BY id LIMIT 2", "-1|-2"),
        ("SELECT -id AS id FROM acme.shop.widgets ORDER BY id LIMIT 2", "-6|-5"),
        ("SELECT upper(name) FROM acme.shop.widgets WHERE id < 3 ORDER BY upper(name) DESC", "WIDGET-0002|WIDGET-0001"),
        (
            "SELECT DISTINCT upper(name) FROM acme.shop.widgets WHERE id < 3 ORDER BY upper(name) DESC",
            "WIDGET-0002|WIDGET-0001",
        ),
        ("SELECT ok, max(id) FROM acme.shop.widgets GROUP BY ok HAVING max(id) > 5 ORDER BY max(id)", "false 6"),
        ("SELECT id + 1 FROM acme.shop.widgets WHERE id = 1 UNION ALL SELECT 9 ORDER BY id + 1 DESC", "9|2"),
        ("SELECT \"count(*)\" * 2 FROM (SELECT count(*) FROM acme.shop.widgets)", "12"),
        ("WITH c AS (SELECT max(id), max(id) FROM acme.shop.widgets) SELECT * FROM c", "6 6"),
        ("WITH c(n) AS (SELECT max(id) FROM acme.shop.widgets) SELECT n FROM c", "6"),
        ("SELECT id, id FROM acme.shop.widgets ORDER BY id DESC LIMIT 1", "6 6"),
        ("SELECT name FROM acme.shop.widgets WHERE id IN (SELECT max(id) FROM acme.shop.widgets)", "widget-0006"),
        (
            "SELECT (SELECT count(*) FROM acme.shop.widgets b WHERE b.ok = a.ok) FROM acme.shop.widgets a ORDER BY a.id LIMIT 3",
            "3|3|3",
        ),
    ] {
        let rows: Vec<String> = db.rows(sql).await.rows.into_iter().map(|row| row.join(" ")).collect();
        assert_eq!(rows.join("|"), wanted, "{sql}");
    }
    // A table's columns can be named by what heads them.
    let _ = db.rows("CREATE TABLE t AS SELECT count(*), max(id), max(id) FROM acme.shop.widgets").await;
    assert_eq!(db.rows("SELECT \"count(*)\", \"max(id)\", \"max(id)_2\" FROM t").await.rows, [["6", "6", "6"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ambiguous_stays_an_error() {
    let (_server, mut db) = db().await;
    for sql in [
        "SELECT id AS x, -id AS x FROM acme.shop.widgets ORDER BY x",
        "SELECT x FROM (SELECT id AS x, -id AS x FROM acme.shop.widgets)",
    ] {
        let _ = db.error(sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn returning_is_headed_alike() {
    let sandbox = SandboxOptions { seed: 1, ..SandboxOptions::default() };
    let mut db = Db::of(Engine::builder().sandbox(sandbox).no_journal());
    let sql = "INSERT INTO linode.images.images (disk_id, label) VALUES (123, 'gold') \
               RETURNING upper( label ), label, label, 1+1, 1+1";
    let answer = db.rows(sql).await;
    assert_eq!(answer.columns, ["upper( label )", "label", "label", "1+1", "1+1"]);
    assert_eq!(answer.rows, [["GOLD", "gold", "gold", "2", "2"]]);
}
