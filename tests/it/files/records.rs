//! Files while a run is recorded, and when it is played again.

use serde_json::json;
use skyql::{EngineBuilder, Env, ErrorKind};
use tempfile::TempDir;

use super::{at, depot_documents, names, only};
use crate::support::query::Db;
use crate::support::server::{Reply, Server};

fn db(url: &str, more: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Db {
    let env = Env::empty().with("DEPOT_TOKEN", "the-token");
    Db::with(depot_documents(url), |builder| more(builder.env(env).no_journal()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_sent_is_known_by_its_name_and_digest() {
    let server = Server::start(|_| Reply::json(200, json!({"id": "b1", "size": 9}))).await;
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for dir in [&here, &there] {
        std::fs::write(at(dir, "a.png"), "hush-hush").unwrap();
    }
    let store = |dir: &TempDir| format!("EXEC depot.store.blobs.store @id = '7' FROM '{}'", at(dir, "a.png"));
    let form = |dir: &TempDir| format!("EXEC depot.store.blobs.form @label = 'x' FROM '{}' AS data", at(dir, "a.png"));
    let record = at(&here, "run.jsonl");
    let mut recording = db(&server.url(), |builder| builder.record(&record));
    let stored = recording.rows(&store(&here)).await;
    let formed = recording.rows(&form(&here)).await;
    assert_eq!((stored.warned(), formed.warned()), (vec![], vec![]));
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(!text.contains("hush-hush") && !text.contains("the-token"), "{text}");
    assert!(text.contains("\"a.png\"") && !text.contains(&at(&here, "a.png")), "{text}");
    let sent = server.requests().len();

    // From another directory, too.
    let mut replaying = db(&server.url(), |builder| builder.replay(&record));
    assert_eq!(replaying.rows(&form(&there)).await.rows, formed.rows);
    std::fs::write(at(&there, "a.png"), "hush-hash").unwrap();
    let error = replaying.error(&store(&there)).await;
    assert_eq!(error.kind(), ErrorKind::NameNotFound, "{error:?}");
    assert!(error.message().contains("holds no answer to depot.store.blobs by `store`"), "{error}");
    assert_eq!(replaying.rows(&store(&here)).await.rows, stored.rows);
    assert_eq!(server.requests().len(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_step_of_an_upload_is_in_no_record_and_is_left_out_of_a_replay() {
    let store = Server::start(|_| Reply::empty(200)).await;
    let place = format!("{}/put/here?key=s3cret", store.url());
    let server = Server::start(move |_| Reply::json(200, json!({"id": "t1", "upload_to": place}))).await;
    let dir = TempDir::new().unwrap();
    std::fs::write(at(&dir, "d.img"), "abc").unwrap();
    let text = format!("EXEC depot.store.blobs.ticket @label = 'x' FROM '{}' RETURNING id", at(&dir, "d.img"));
    let record = at(&dir, "run.jsonl");
    let first = db(&server.url(), |builder| builder.record(&record)).rows(&text).await;
    assert_eq!((first.warned(), first.report.calls), (vec!["record"], 2));
    assert_eq!(only(&store).body, b"abc");
    let kept = std::fs::read_to_string(&record).unwrap();
    assert!(!kept.contains("s3cret"), "{kept}");
    let again = db(&server.url(), |builder| builder.replay(&record)).rows(&text).await;
    assert_eq!((&again.rows, again.warned(), again.report.calls), (&first.rows, vec!["record"], 1));
    assert!(again.warnings()[0].contains("what became of the file that it uploads is in no record"), "{again:?}");
    assert_eq!((server.requests().len(), store.requests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_arrives_while_it_is_recorded_and_is_refused_in_a_replay() {
    let server = Server::start(|_| Reply::text(200, "application/octet-stream", "abc")).await;
    let (dir, into) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let record = at(&dir, "run.jsonl");
    let text = |name: &str| format!("EXEC depot.store.blobs.fetch @id = '1' INTO '{}'", at(&into, name));
    let first = db(&server.url(), |builder| builder.record(&record)).rows(&text("a.img")).await;
    assert_eq!((first.warned(), first.column(0)), (vec!["record"], vec!["3"]));
    assert!(!std::fs::read_to_string(&record).unwrap().contains("abc"));
    let error = db(&server.url(), |builder| builder.replay(&record)).error(&text("b.img")).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.message().contains("`fetch` writes its answer into a file, and a replay has none of it"), "{error}");
    assert_eq!((names(into.path()), server.requests().len()), (vec!["a.img".to_owned()], 1));
}
