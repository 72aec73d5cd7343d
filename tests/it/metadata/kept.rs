//! Views and tables of the user's own, within a session and beyond it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::documents::{Paging, acme_dir, paged, widgets};
use crate::support::query::Db;
use crate::support::server::{Reply, Server};

use super::shop;

/// A new session, as the next start of a program makes it.
fn session(documents: &Path, data: &TempDir) -> Db {
    Db::of(skyql::Engine::builder().providers_dir(documents).data_dir(data.path()))
}

/// All files below a directory, by their name.
fn files(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(files(&path));
        } else {
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn views_outlive_their_session_and_run_with_the_readers_settings() {
    let server = Server::start(paged(widgets(30), 20, 20, true)).await;
    let (documents, data) = (shop(&server.url()), TempDir::new().unwrap());
    let mut first = session(documents.path(), &data);
    first.rows("USE acme.shop").await;
    first.rows("CREATE VIEW Big AS SELECT id, size AS \"how big\" FROM widgets WHERE size > 30 ORDER BY id").await;
    first.rows("CREATE VIEW bigger (n) AS SELECT id FROM big WHERE \"how big\" > 40").await;
    let calls = server.requests().len();
    assert_eq!(calls, 0, "making a view reads no row");

    let mut second = session(documents.path(), &data);
    assert_eq!(second.rows("SELECT id FROM big LIMIT 2").await.ids(), [21, 22]);
    assert_eq!(second.rows("SELECT b.n FROM BIGGER b").await.ids(), [27, 28, 29]);
    assert_eq!(second.rows("SELECT bigger.* FROM bigger WHERE n > 28").await.ids(), [29]);
    assert_eq!(second.rows("DESCRIBE bigger").await.rows, [["n", "bigint"]]);
    assert_eq!(second.rows("SHOW VIEWS").await.column(0), ["Big", "bigger"]);
    second.rows("SET max_calls = 1").await;
    assert_eq!(second.error("SELECT count(*) FROM big").await.kind(), skyql::ErrorKind::Budget);
    second.rows("RESET ALL").await;

    // A condition on the view's column reaches the API.
    second.rows("CREATE VIEW all_parts AS SELECT * FROM acme.shop.parts").await;
    let seen = server.requests().len();
    assert_eq!(second.rows("SELECT id FROM all_parts WHERE widget_id = 2").await.ids(), [21, 22]);
    assert_eq!(
        server.requests()[seen..].iter().map(|seen| seen.path.clone()).collect::<Vec<_>>(),
        ["/widgets/2/parts"]
    );

    second.rows("DROP VIEW big, bigger").await;
    first.rows("USE DEFAULT").await;
    assert_eq!(first.error("SELECT 1 FROM big").await.message(), "there is no table `big`");
    assert_eq!(files(data.path()), ["all_parts.sql"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_fails_only_when_it_is_used() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let (documents, data) = (shop(&server.url()), TempDir::new().unwrap());
    let mut first = session(documents.path(), &data);
    first.rows("CREATE VIEW w AS SELECT id FROM acme.shop.widgets").await;
    let empty = TempDir::new().unwrap();
    let mut second = session(empty.path(), &data);
    assert_eq!(second.rows("SHOW TABLES").await.column(0), ["w"]);
    let error = second.error("SELECT * FROM w").await;
    assert_eq!(error.kind(), skyql::ErrorKind::NameNotFound);
    assert_eq!((error.message(), error.context_value("view")), ("no provider `acme`", Some("w")));
    assert_eq!(error.position(), None, "the place is the view's, not the statement's");
    // Nor does a file that is no view break another.
    fs::write(data.path().join("views/bad.sql"), "DROP VIEW w").unwrap();
    assert_eq!(second.rows("SELECT name FROM skyql.tables WHERE error IS NULL").await.column(0), ["w"]);
    assert_eq!(second.error("SELECT * FROM bad").await.kind(), skyql::ErrorKind::Decode);
    assert!(
        second
            .rows("SELECT count(*) FROM information_schema.columns WHERE table_schema = 'main'")
            .await
            .warned()
            .contains(&"broken")
    );
    second.rows("DROP VIEW bad").await;
    assert_eq!(first.rows("SELECT count(*) FROM w").await.ids(), [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_itself_ends() {
    let data = TempDir::new().unwrap();
    let mut db = session(data.path(), &data);
    db.rows("CREATE VIEW a AS SELECT 1 AS n").await;
    db.rows("CREATE VIEW b AS SELECT n FROM a").await;
    let error = db.error("CREATE OR REPLACE VIEW a AS SELECT n FROM a").await;
    assert!(error.message().contains("reads itself"), "{error:?}");
    fs::write(data.path().join("views/a.sql"), "CREATE VIEW a AS SELECT n FROM b;").unwrap();
    let error = db.error("SELECT * FROM b").await;
    assert_eq!(error.kind(), skyql::ErrorKind::InvalidArgument);
    assert!(error.message().contains("reads itself"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_keep_rows_and_say_when() {
    let server = Server::start(paged(widgets(30), 20, 100, true)).await;
    let (documents, data) = (shop(&server.url()), TempDir::new().unwrap());
    let mut first = session(documents.path(), &data);
    first.rows("CREATE TABLE Kept AS SELECT id, name, size, ok, tags FROM acme.shop.widgets").await;
    first.rows("CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM acme.shop.widgets").await;
    first.rows("CREATE TEMPORARY TABLE t AS SELECT 1 AS n").await;
    let asked = server.requests().len();

    let mut second = session(documents.path(), &data);
    let wanted = "SELECT id, name, size, ok, tags FROM kept WHERE id IN (5, 6) ORDER BY id";
    let rows = second.rows(wanted).await;
    assert_eq!(rows.rows[0][..4], ["5", "widget-0005", crate::support::query::NULL, "true"]);
    assert_eq!(rows.types, ["Int64", "Utf8", "Float64", "Boolean", "Utf8"]);
    assert_eq!(server.requests().len(), asked, "rows that are kept ask nobody");
    let listed = second.rows("SELECT name, kind, verdict, temporary FROM skyql.tables").await;
    assert_eq!(listed.rows, [["Kept", "table", "complete", "false"], ["m", "materialized view", "complete", "false"]]);
    let taken = second.rows("SELECT taken FROM skyql.tables WHERE taken IS NULL").await;
    assert!(taken.rows.is_empty());
    assert!(second.error("SELECT * FROM t").await.message().contains("no table `t`"));

    // Kept rows are what they were until they are read anew.
    assert_eq!(second.rows("SELECT n FROM m").await.ids(), [30]);
    second.rows("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(server.requests().len(), asked + 1);
    assert_eq!(first.rows("SELECT n FROM m").await.ids(), [30]);
    let error = second.error("REFRESH MATERIALIZED VIEW kept").await;
    assert_eq!(error.message(), "`Kept` is a table");
    let error = second.error("DROP VIEW kept").await;
    assert_eq!(error.hint_text(), Some("`DROP TABLE Kept` drops it"));
    let error = second.error("CREATE TABLE Kept AS SELECT 1").await;
    assert_eq!(error.message(), "table `Kept` already exists");
    second.rows("CREATE TABLE IF NOT EXISTS Kept AS SELECT 1").await;
    second.rows("CREATE OR REPLACE TABLE Kept AS SELECT 1 AS n").await;
    assert_eq!(first.rows("SELECT * FROM kept").await.ids(), [1]);
    second.rows("DROP TABLE IF EXISTS kept, gone").await;
    let error = second.error("DROP TABLE kep").await;
    assert_eq!(error.message(), "there is no table `kep`");
    assert_eq!(files(data.path()), ["m.arrow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_is_not_kept() {
    let server = Server::start(|seen| {
        if seen.query_value("page").as_deref() == Some("2") {
            return Reply::json(500, serde_json::json!({"error": "no"}));
        }
        paged(widgets(30), 20, 20, true)(seen)
    })
    .await;
    let (documents, data) = (shop(&server.url()), TempDir::new().unwrap());
    let mut db = session(documents.path(), &data).set("retries", "0").set("on_partial", "warn");
    let error = db.error("CREATE TABLE t AS SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), skyql::ErrorKind::Partial);
    assert_eq!(files(data.path()), [""; 0]);
    // A limit of one's own is no lack.
    db.rows("CREATE TABLE t AS SELECT id FROM acme.shop.widgets LIMIT 5").await;
    assert_eq!(db.rows("SELECT verdict FROM skyql.tables").await.rows, [["truncated"]]);
    let mut strict = session(documents.path(), &data).set("retries", "0");
    strict.error("CREATE OR REPLACE TABLE t AS SELECT id FROM acme.shop.widgets").await;
    assert_eq!(db.rows("SELECT count(*) FROM t").await.ids(), [5], "what was there is there");
    fs::write(data.path().join("tables/t.arrow"), "not arrow").unwrap();
    let error = db.error("SELECT * FROM t").await;
    assert_eq!((error.kind(), error.hint_text()), (skyql::ErrorKind::Decode, Some("`DROP TABLE \"t\"` removes it")));
    db.rows("DROP TABLE t").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_data_directory_nothing_is_written() {
    let dir = acme_dir("http://127.0.0.1:1", &Paging::Page.document());
    let mut db = Db::of(skyql::Engine::builder().providers_dir(dir.path()));
    let before = files(dir.path());
    db.rows("CREATE TABLE t AS VALUES (1), (2)").await;
    db.rows("CREATE VIEW v AS SELECT column1 AS n FROM t").await;
    assert_eq!(db.rows("SELECT sum(n) FROM v").await.ids(), [3]);
    assert_eq!(db.rows("SHOW TABLES").await.rows.len(), 2);
    assert_eq!(files(dir.path()), before);
    for (sql, message) in [
        ("CREATE VIEW w AS SELECT nope FROM t", "there is no column `nope`"),
        ("CREATE TABLE w (a int)", "a table of your own is made from a query"),
        ("CREATE VIEW v AS SELECT 1", "view `v` already exists"),
        ("CREATE OR REPLACE TABLE v AS SELECT 1", "`v` is a view"),
    ] {
        assert_eq!(db.error(sql).await.message(), message, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_cannot_be_read_breaks_only_what_is_kept() {
    let data = TempDir::new().unwrap();
    fs::write(data.path().join("views"), "a file, and no directory").unwrap();
    let mut db = session(data.path(), &data);
    let answer = db.rows("SELECT 1 AS n").await;
    assert_eq!((answer.ids(), answer.warned()), (vec![1], vec!["broken"]));
    let error = db.error("CREATE VIEW v AS SELECT 1").await;
    assert_eq!(error.kind(), skyql::ErrorKind::InvalidArgument);
    db.rows("CREATE TEMPORARY TABLE t AS SELECT 2 AS n").await;
}
