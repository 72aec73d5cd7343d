//! EXEC … INTO 'file'.

use serde_json::json;
use skyql::ErrorKind;
use tempfile::TempDir;

use super::{at, depot, line, names, only};
use crate::support::server::{Piece, Reply, Server};

/// SHA-256 of `abc`: FIPS 180-2, appendix B.1.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn bytes(body: &str) -> Reply {
    Reply::text(200, "application/octet-stream", body)
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_become_a_file_and_the_row_says_which() {
    let server = Server::start(|_| bytes("abc")).await;
    let dir = TempDir::new().unwrap();
    let path = at(&dir, "a.img");
    let answer = depot(&server).rows(&format!("EXEC depot.store.blobs.fetch @id = 'x/1' INTO '{path}'")).await;
    assert_eq!(answer.columns, ["bytes", "file", "sha256"]);
    assert_eq!(answer.rows, [["3", &path, ABC]]);
    assert_eq!((std::fs::read(&path).unwrap(), names(dir.path())), (b"abc".to_vec(), vec!["a.img".to_owned()]));
    let seen = only(&server);
    assert_eq!(line(&seen), "GET /api/blobs/x%2F1");
    assert_eq!(seen.header("authorization"), Some("Bearer the-token"));
    assert_eq!(seen.header("accept"), Some("application/octet-stream"));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    let transfer = answer.report.transfer.unwrap();
    assert_eq!((transfer.file.as_str(), transfer.bytes, transfer.total), ("a.img", 3, Some(3)));

    let text =
        format!("EXEC depot.store.blobs.fetch @id = '2' INTO '{}' RETURNING bytes * 2 AS twice", at(&dir, "b.img"));
    assert_eq!(depot(&server).rows(&text).await.rows, [["6"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_leaves_nothing() {
    let long = "x".repeat(100_000);
    let dir = TempDir::new().unwrap();
    let path = at(&dir, "a.img");
    let whole = long.clone();
    let cut = Server::start(move |_| bytes(&whole).truncated(60_000)).await;
    let chunks = || vec![Piece::Data(vec![7; 50_000]), Piece::CutOff];
    let torn = Server::start(move |_| Reply::pieces(200, "application/octet-stream", chunks())).await;
    for server in [&cut, &torn] {
        let error = depot(server).error(&format!("EXEC depot.store.blobs.fetch @id = '1' INTO '{path}'")).await;
        assert_eq!(error.kind(), ErrorKind::Network, "{error}");
        assert_eq!(error.context_value("method"), Some("fetch"), "{error}");
        assert_eq!((names(dir.path()), server.requests().len()), (vec![], 1), "nothing is repeated");
    }
    // A file that may be replaced is not, until the new one is whole.
    std::fs::write(&path, "old").unwrap();
    let mut db = depot(&cut).set("on_existing", "replace");
    db.error(&format!("EXEC depot.store.blobs.fetch @id = '1' INTO '{path}'")).await;
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    // A POST that changes something was done, whatever became of its answer.
    let error = depot(&cut).error(&format!("EXEC depot.store.blobs.pack @id = '1' INTO '{}'", at(&dir, "p.zip"))).await;
    assert_eq!(error.context_value("state"), Some("unknown"), "{error}");
    assert_eq!(names(dir.path()), ["a.img"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_found_before_anything_is_sent() {
    let server = Server::start(|_| bytes("abc")).await;
    let dir = TempDir::new().unwrap();
    let path = at(&dir, "a.img");
    std::fs::write(&path, "old").unwrap();
    let mut db = depot(&server);
    let fetch = |path: &str| format!("EXEC depot.store.blobs.fetch @id = '1' INTO '{path}'");
    for (text, kind, said) in [
        (fetch(&path), ErrorKind::InvalidArgument, "is there already"),
        (fetch(&at(&dir, "none/a.img")), ErrorKind::InvalidArgument, "there is no directory"),
        (fetch(&at(&dir, "")), ErrorKind::InvalidArgument, "directory"),
        (fetch(""), ErrorKind::InvalidArgument, "empty"),
        ("EXEC depot.store.blobs.fetch @id = '1'".to_owned(), ErrorKind::MissingParameter, "need a file"),
        (format!("EXEC depot.store.blobs.info INTO '{}'", at(&dir, "i")), ErrorKind::InvalidArgument, "with JSON"),
        (format!("EXEC depot.store.blobs.list INTO '{}'", at(&dir, "i")), ErrorKind::InvalidArgument, "with nothing"),
    ] {
        let error = db.error(&text).await;
        assert!(error.kind() == kind && error.message().contains(said), "{text}: {error}");
    }
    let error = db.error("EXEC depot.store.blobs.fetch @id = '1'").await;
    assert!(error.hint_text().unwrap().contains("INTO 'file'"), "{error:?}");
    assert!(server.requests().is_empty() && std::fs::read(&path).unwrap() == b"old");

    db.rows("SET on_existing = 'replace'").await;
    db.rows(&fetch(&path)).await;
    assert_eq!((std::fs::read(&path).unwrap(), names(dir.path()).len()), (b"abc".to_vec(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_the_file_says_why_and_leaves_nothing() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/blobs/gone" => Reply::json(404, serde_json::json!({"error": "no such blob"})),
        "/api/blobs/mine" => Reply::json(401, serde_json::json!({"message": "who? not the-token"})),
        "/api/blobs/json" => Reply::json(200, serde_json::json!({"message": "not ready, the-token"})),
        "/api/blobs/html" => Reply::text(200, "text/html", "<h1>Log in</h1>"),
        _ => Reply::empty(204),
    })
    .await;
    let dir = TempDir::new().unwrap();
    for (id, kind, said) in [
        ("gone", ErrorKind::Api, "no such blob"),
        ("mine", ErrorKind::Auth, "who? not …"),
        ("json", ErrorKind::Decode, "not ready, …"),
        ("html", ErrorKind::Decode, "`text/html`"),
        ("none", ErrorKind::Decode, "with nothing"),
    ] {
        let text = format!("EXEC depot.store.blobs.fetch @id = '{id}' INTO '{}'", at(&dir, "x"));
        let error = depot(&server).error(&text).await;
        assert!(error.kind() == kind && error.to_string().contains(said), "{id}: {error}");
        assert!(!format!("{error:?}").contains("the-token"), "{error:?}");
    }
    assert!(names(dir.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_may_be_sent_elsewhere_and_the_credential_stays() {
    let store = Server::start(|_| bytes("abc")).await;
    let elsewhere = format!("{}/object?signature=s3cret", store.url());
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/api/blobs/far" => Reply::empty(307).header("location", "http://example.com/x"),
        "/api/blobs/named" => Reply::empty(302).header("location", "http://me@127.0.0.1/x"),
        "/api/blobs/round" => Reply::empty(302).header("location", "/api/blobs/round"),
        path if path.ends_with("/pack") => Reply::empty(307).header("location", &elsewhere),
        _ => Reply::empty(302).header("location", &elsewhere),
    })
    .await;
    let dir = TempDir::new().unwrap();
    let path = at(&dir, "a.img");
    depot(&server).rows(&format!("EXEC depot.store.blobs.fetch @id = '1' INTO '{path}'")).await;
    assert_eq!(std::fs::read(&path).unwrap(), b"abc");
    let seen = only(&store);
    assert_eq!(line(&seen), "GET /object?signature=s3cret");
    assert!(
        seen.header("authorization").is_none() && !seen.headers.iter().any(|(_, value)| value.contains("the-token"))
    );
    for (text, said) in [
        ("fetch @id = 'far'", "not an `https://` URL"),
        ("fetch @id = 'named'", "holds a user name"),
        ("fetch @id = 'round'", "more than 5 times"),
        // The request itself, with its body, goes nowhere else.
        ("pack @id = '1'", "not followed"),
    ] {
        let text = format!("EXEC depot.store.blobs.{text} INTO '{}'", at(&dir, "b.img"));
        let error = depot(&server).error(&text).await;
        assert!(error.message().contains(said) && !error.to_string().contains("s3cret"), "{error}");
    }
    assert_eq!((store.requests().len(), names(dir.path()).len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_leads_elsewhere_is_unknown_whatever_is_found_there() {
    let store = Server::start(|_| Reply::json(404, json!({"message": "no such object"}))).await;
    let elsewhere = format!("{}/object", store.url());
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/api/blobs/far/pack" => Reply::empty(303).header("location", "http://example.com/x"),
        "/api/blobs/round/pack" | "/api/blobs/round" => Reply::empty(302).header("location", "/api/blobs/round"),
        _ => Reply::empty(303).header("location", &elsewhere),
    })
    .await;
    let dir = TempDir::new().unwrap();
    for (id, said) in [("1", "no such object"), ("far", "not an `https://` URL"), ("round", "more than 5 times")] {
        let text = format!("EXEC depot.store.blobs.pack @id = '{id}' INTO '{}'", at(&dir, "b.zip"));
        let error = depot(&server).error(&text).await;
        assert_eq!(error.context_value("state"), Some("unknown"), "{error}");
        assert!(error.message().contains(said), "{error}");
    }
    // What only reads is not done, and that is known.
    let error = depot(&server).error(&format!("EXEC depot.store.blobs.fetch @id = '1' INTO '{}'", at(&dir, "a"))).await;
    assert_eq!(error.context_value("state"), None, "{error}");
    assert!(names(dir.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_file_is_not_the_file() {
    let part = |range: Option<&'static str>| {
        let reply = Reply::text(206, "application/octet-stream", "abc");
        range.map_or_else(
            || Reply::text(206, "application/octet-stream", "abc"),
            |range| reply.header("content-range", range),
        )
    };
    let dir = TempDir::new().unwrap();
    let path = at(&dir, "a.img");
    for range in [Some("bytes 0-2/10"), Some("bytes 3-5/6"), Some("bytes 0-2/*"), Some("pages 1"), None] {
        let server = Server::start(move |_| part(range)).await;
        for method in ["fetch", "pack"] {
            let error = depot(&server).error(&format!("EXEC depot.store.blobs.{method} @id = '1' INTO '{path}'")).await;
            assert_eq!(error.kind(), ErrorKind::Network, "{range:?}: {error}");
            assert!(error.message().contains("a part of the file"), "{range:?}: {error}");
            assert_eq!(error.context_value("content-range"), range, "{error}");
            assert_eq!(error.context_value("state"), (method == "pack").then_some("unknown"), "{error}");
        }
        assert_eq!(names(dir.path()), Vec::<String>::new(), "{range:?}");
    }
    let server = Server::start(move |_| part(Some("bytes 0-2/3"))).await;
    let answer = depot(&server).rows(&format!("EXEC depot.store.blobs.fetch @id = '1' INTO '{path}'")).await;
    assert_eq!(answer.rows[0][2], ABC, "a part that is all there is");
}
