//! Answers as files, and files as tables.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::documents::{paged, widgets};
use crate::support::query::{Db, NULL};
use crate::support::server::{Reply, Server};

use super::shop;

fn session(documents: &Path) -> Db {
    Db::of(skyql::Engine::builder().providers_dir(documents).local_files())
}

fn names(dir: &TempDir) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_gives_back_the_rows() {
    let server = Server::start(paged(widgets(30), 20, 20, true)).await;
    let (documents, dir) = (shop(&server.url()), TempDir::new().unwrap());
    let mut db = session(documents.path());
    let query = "SELECT id, name, size, ok, tags, extra, name || ' \"ü\", \n' AS odd FROM acme.shop.widgets";
    let wanted = db.rows(query).await;
    for ending in ["csv", "json", "jsonl", "arrow", "parquet"] {
        let file = format!("{}/w.{ending}", dir.path().display());
        db.rows(&format!("COPY ({query}) TO '{file}'")).await;
        let asked = server.requests().len();
        let back = db.rows(&format!("SELECT * FROM '{file}'")).await;
        assert_eq!(back.columns, wanted.columns, "{ending}");
        assert_eq!(back.types, wanted.types, "{ending}");
        assert_eq!(back.rows, wanted.rows, "{ending}");
        let some =
            db.rows(&format!("SELECT w.name, id FROM '{file}' WHERE extra ->> 'color' = 'red' ORDER BY id DESC")).await;
        assert_eq!(some.rows[0], ["widget-0030", "30"], "{ending}");
        assert_eq!(db.rows(&format!("SELECT count(*) FROM '{file}' AS w WHERE w.size IS NULL")).await.ids(), [6]);
        assert_eq!(server.requests().len(), asked, "a file asks nobody");
    }
    assert_eq!(names(&dir), ["w.arrow", "w.csv", "w.json", "w.jsonl", "w.parquet"]);
    let text = fs::read_to_string(dir.path().join("w.csv")).unwrap();
    assert!(text.starts_with("id,name,size,ok,tags,extra,odd\n1,widget-0001,1.5,true,"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_join_with_the_api_and_give_it_keys() {
    let server = Server::start(paged(widgets(9), 20, 100, true)).await;
    let (documents, dir) = (shop(&server.url()), TempDir::new().unwrap());
    let keys = dir.path().join("keys.csv");
    fs::write(&keys, "widget,note\n2,two\n5,five\n2,again\n").unwrap();
    let mut db = session(documents.path());
    let joined = format!(
        "SELECT keys.note, p.id FROM '{}' JOIN acme.shop.parts p ON p.widget_id = keys.widget ORDER BY p.id, keys.note",
        keys.display()
    );
    assert_eq!(
        db.rows(&joined).await.rows,
        [["again", "21"], ["two", "21"], ["again", "22"], ["two", "22"], ["five", "51"], ["five", "52"]]
    );
    let mut paths: Vec<String> = server.requests().iter().map(|seen| seen.path.clone()).collect();
    paths.sort();
    assert_eq!(paths, ["/widgets/2/parts", "/widgets/5/parts"], "one call per distinct key");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_leaves_nothing() {
    let server = Server::start(|seen| {
        if seen.query_value("page").as_deref() == Some("2") {
            return Reply::json(500, serde_json::json!({"error": "no"}));
        }
        paged(widgets(30), 20, 20, true)(seen)
    })
    .await;
    let (documents, dir) = (shop(&server.url()), TempDir::new().unwrap());
    let copy = |name: &str, more: &str| {
        format!("COPY (SELECT id FROM acme.shop.widgets) TO '{}/{name}'{more}", dir.path().display())
    };
    let mut db = session(documents.path()).set("retries", "0");
    for name in ["w.csv", "w.json", "w.arrow", "w.parquet"] {
        db.error(&copy(name, "")).await;
        assert_eq!(names(&dir), [""; 0], "{name}");
    }
    let mut db = session(documents.path()).set("retries", "0").set("on_partial", "warn");
    assert_eq!(db.error(&copy("w.csv", "")).await.kind(), skyql::ErrorKind::Partial);
    assert_eq!(names(&dir), [""; 0]);
    fs::write(dir.path().join("w.csv"), "old").unwrap();
    db.error(&copy("w.csv", " (OVERWRITE true)")).await;
    assert_eq!(fs::read(dir.path().join("w.csv")).unwrap(), b"old");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_stays_unless_it_may_go() {
    let (documents, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut db = session(documents.path());
    let file = dir.path().join("x.data");
    let at = |more: &str| format!("COPY (VALUES (1, NULL), (2, 'b')) TO '{}' {more}", file.display());
    let error = db.error(&at("")).await;
    assert!(error.message().contains("does not tell its format"), "{error:?}");
    db.rows(&at("(FORMAT csv, HEADER false)")).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "1,\n2,b\n");
    let error = db.error(&at("(FORMAT json)")).await;
    assert_eq!(error.hint_text(), Some("`(OVERWRITE true)` at the end replaces it"));
    db.rows(&at("(FORMAT json, OVERWRITE)")).await;
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "[\n{\"column1\":1,\"column2\":null},\n{\"column1\":2,\"column2\":\"b\"}\n]\n"
    );
    assert_eq!(names(&dir), ["x.data"]);
    // A table of one's own is copied by its name.
    db.rows("CREATE TABLE t AS SELECT 7 AS n").await;
    db.rows(&format!("COPY t TO '{}/t.jsonl'", dir.path().display())).await;
    assert_eq!(fs::read_to_string(dir.path().join("t.jsonl")).unwrap(), "{\"n\":7}\n");
    let twice = format!("COPY (SELECT 1 AS a, 2 AS \"a\") TO '{}/a.csv'", dir.path().display());
    assert!(db.run(&twice).await.is_err());
    assert_eq!(names(&dir), ["t.jsonl", "x.data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_say_what_is_wrong() {
    let dir = TempDir::new().unwrap();
    let mut db = session(dir.path());
    for (name, text, kind) in [
        ("a.csv", "a,b\n1\n", skyql::ErrorKind::Decode),
        ("a.json", "{", skyql::ErrorKind::Decode),
        ("b.json", "[]", skyql::ErrorKind::Decode),
        ("a.jsonl", "{\"a\": 1}\nx", skyql::ErrorKind::Decode),
        ("a.arrow", "not arrow", skyql::ErrorKind::Decode),
        ("a.parquet", "not parquet", skyql::ErrorKind::Decode),
        ("a.txt", "x", skyql::ErrorKind::InvalidArgument),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
        let error = db.error(&format!("SELECT * FROM '{}/{name}'", dir.path().display())).await;
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        assert!(error.context_value("file").is_some_and(|file| file.ends_with(name)), "{name}: {error:?}");
    }
    let error = db.error(&format!("SELECT * FROM '{}/a.cvs.csv'", dir.path().display())).await;
    assert_eq!((error.kind(), error.hint_text()), (skyql::ErrorKind::NameNotFound, Some("did you mean `a.csv`?")));
    fs::write(dir.path().join("empty.csv"), "a,b\n").unwrap();
    let empty = db.rows(&format!("SELECT b, a FROM '{}/empty.csv'", dir.path().display())).await;
    assert_eq!((empty.columns, empty.rows.len()), (vec!["b".to_owned(), "a".to_owned()], 0));
    fs::write(dir.path().join("gaps.csv"), "a,b\n1,\n,x\n").unwrap();
    let gaps = db.rows(&format!("SELECT a, b FROM '{}/gaps.csv'", dir.path().display())).await;
    assert_eq!(gaps.rows, [["1", NULL], [NULL, "x"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_leave_touches_no_file() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a.csv"), "a\n1\n").unwrap();
    let mut db = Db::of(skyql::Engine::builder());
    for sql in [
        format!("SELECT * FROM '{}/a.csv'", dir.path().display()),
        format!("COPY (SELECT 1) TO '{}/b.csv'", dir.path().display()),
    ] {
        assert_eq!(db.error(&sql).await.kind(), skyql::ErrorKind::Unsupported, "{sql}");
    }
    assert_eq!(names(&dir), ["a.csv"]);
}
