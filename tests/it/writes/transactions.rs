//! BEGIN … COMMIT: what is queued, when it goes out, and what is left out of it.

use std::sync::Arc;

use serde_json::json;
use skyql::{Engine, ErrorKind};
use tempfile::TempDir;

use super::{builder, db, image, journaled, list, pair, program, sent};
use crate::support::query::Db;
use crate::support::server::{Gate, Reply, Server};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_before_commit_and_then_all_of_it_in_order() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => list(&[image("private/1", "tmp-a")]),
        _ => Reply::json(200, json!({})),
    })
    .await;
    let mut db = db(&server);
    db.rows("BEGIN TRANSACTION").await;
    let queued = db.start("INSERT INTO linode.images.images (disk_id) VALUES (1), (2)").await.unwrap();
    assert_eq!(queued.message(), Some("INSERT: 2 calls queued"));
    db.rows("UPDATE linode.images.images SET label = 'x' WHERE id = 'private/9'").await;
    db.rows("DELETE FROM linode.images.images WHERE label LIKE 'tmp-%'").await;
    assert_eq!(db.rows("SELECT label FROM linode.images.images").await.rows, [["tmp-a"]]);
    assert!(server.requests().iter().all(|seen| seen.method == "GET"));
    let done = db.start("COMMIT").await.unwrap();
    assert_eq!(done.message(), Some("COMMIT: 4 calls done"));
    let mut writes: Vec<_> = sent(&server).into_iter().filter(|(request, _)| !request.starts_with("GET")).collect();
    writes[..2].sort();
    assert_eq!(
        writes,
        [
            pair("POST /v4/images", r#"{"disk_id":1}"#),
            pair("POST /v4/images", r#"{"disk_id":2}"#),
            pair("PUT /v4/images/private%2F9", r#"{"label":"x"}"#),
            pair("DELETE /v4/images/private%2F1", ""),
        ]
    );
    assert_eq!(db.error("COMMIT").await.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_waits_for_the_one_before_it() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::start(move |seen| {
        let reply = Reply::json(200, json!({}));
        if seen.method == "POST" { reply.gated(&held) } else { reply }
    })
    .await;
    let mut db = db(&server);
    db.rows("BEGIN").await;
    db.rows("INSERT INTO linode.images.images (disk_id) VALUES (1), (2)").await;
    db.rows("DELETE FROM linode.images.images WHERE id = 'private/1'").await;
    let running = tokio::spawn(async move { db.rows("COMMIT").await.rows.len() });
    gate.arrivals(2).await;
    assert_eq!(server.max_in_flight(), 2);
    assert!(server.requests().iter().all(|seen| seen.method == "POST"));
    gate.open();
    running.await.unwrap();
    assert_eq!(server.requests()[2].method, "DELETE");
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_drops_and_what_cannot_be_queued_spoils_the_transaction() {
    let server = Server::start(|_| Reply::json(200, json!({"success": "yes", "image_id": "9"}))).await;
    let mut db = db(&server);
    assert_eq!(db.error("ROLLBACK").await.kind(), ErrorKind::InvalidArgument);
    db.rows("BEGIN").await;
    assert_eq!(db.error("BEGIN").await.kind(), ErrorKind::Unsupported);
    db.rows("DELETE FROM linode.images.images WHERE id = 'private/1'").await;
    let dropped = db.start("ROLLBACK").await.unwrap();
    assert_eq!(dropped.message(), Some("ROLLBACK: 1 write dropped, nothing was sent"));

    db.rows("START TRANSACTION").await;
    db.rows("DELETE FROM linode.images.images WHERE id = 'private/1'").await;
    let error = db.error("INSERT INTO linode.images.images (disk_id) VALUES (1) RETURNING id").await;
    assert!(error.message().contains("before COMMIT"), "{error}");
    let error = db.error("COMMIT").await;
    assert!(error.hint_text().unwrap().contains("ROLLBACK"), "{error:?}");
    db.rows("ABORT").await;
    assert!(server.requests().is_empty());

    db.rows("BEGIN").await;
    // What only reads is answered at once.
    assert_eq!(db.rows("EXEC lunanode.images.images.details @image_id = '9'").await.rows.len(), 1);
    assert_eq!(db.start("END").await.unwrap().message(), Some("COMMIT: nothing to do, 0 calls"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn commit_needs_a_word_and_looks_at_its_rows_once_more() {
    let label = Arc::new(std::sync::Mutex::new("tmp-a".to_owned()));
    let known = Arc::clone(&label);
    let server = Server::start(move |seen| match seen.method.as_str() {
        "GET" => list(&[image("private/1", &known.lock().unwrap())]),
        _ => Reply::json(200, json!({})),
    })
    .await;
    let mut careful = Db::of(builder(&server).no_journal());
    careful.rows("BEGIN").await;
    careful.rows("INSERT INTO linode.images.images (disk_id) VALUES (1)").await;
    careful.rows("INSERT INTO linode.images.images (disk_id) VALUES (2)").await;
    let error = careful.error("COMMIT").await;
    assert!(error.hint_text().unwrap().contains("--yes"), "{error:?}");
    careful.rows("SET confirm = 'never'").await;
    careful.rows("DELETE FROM linode.images.images WHERE label = 'tmp-a'").await;
    "tmp-b".clone_into(&mut label.lock().unwrap());
    let error = careful.error("COMMIT").await;
    assert!(error.message().contains("changed") || error.message().contains("no longer"), "{error}");
    assert!(server.requests().iter().all(|seen| seen.method == "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stopped_is_resumed_as_one_and_a_shown_one_is_applied() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v4/images/private%2F2" if seen.json()["label"] == "b" => {
            Reply::json(400, json!({"errors": [{"reason": "busy"}]}))
        }
        _ => Reply::json(200, json!({})),
    })
    .await;
    let dir = TempDir::new().unwrap();
    let mut db = journaled(&server, &dir);
    for text in [
        "BEGIN",
        "UPDATE linode.images.images SET label = 'a' WHERE id = 'private/1'",
        "UPDATE linode.images.images SET label = 'b' WHERE id = 'private/2'",
        "DELETE FROM linode.images.images WHERE id = 'private/1'",
    ] {
        db.rows(text).await;
    }
    let error = db.error("COMMIT").await;
    assert_eq!(
        error.context_value("calls"),
        Some("1 done (call 1), 1 failed (call 2), 0 unknown, 1 untouched (call 3)")
    );
    let id = error.hint_text().unwrap().split('\'').nth(1).unwrap().to_owned();
    assert_eq!(db.rows("SHOW JOURNAL").await.column(3), ["COMMIT", "COMMIT", "COMMIT"]);
    db.error(&format!("RESUME '{id}'")).await;
    let lines: Vec<String> = sent(&server).into_iter().map(|(request, _)| request).collect();
    assert_eq!(
        lines,
        ["PUT /v4/images/private%2F1", "PUT /v4/images/private%2F2", "PUT /v4/images/private%2F2"],
        "the third is not sent while the second fails"
    );

    let engine = builder(&server).state_dir(dir.path()).build().unwrap();
    let mut session = engine.session();
    session.sql("BEGIN").await.unwrap();
    for id in [5, 6] {
        session.sql(&format!("DELETE FROM linode.images.images WHERE id = 'private/{id}'")).await.unwrap();
    }
    let pending = session.plan_write("COMMIT").await.unwrap().unwrap();
    assert_eq!(pending.summary(), "COMMIT of 2 objects of linode.images.images");
    let plan = session.store_plan(pending).await.unwrap();
    let id = plan.note().unwrap().split('\'').nth(1).unwrap().to_owned();
    assert!(!session.in_transaction());
    assert_eq!(server.requests().len(), 3);
    session.sql(&format!("APPLY '{id}'")).await.unwrap();
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_goes_out_with_the_engine_that_planned_it() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let (one, two): (Engine, Engine) =
        (builder(&server).no_journal().build().unwrap(), builder(&server).no_journal().build().unwrap());
    let text = "DELETE FROM linode.images.images WHERE id = 'private/1'";
    let pending = one.session().plan_write(text).await.unwrap().unwrap();
    let error = two.session().apply(pending).await.unwrap_err();
    assert!(error.message().contains("another engine"), "{error}");
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_ends_inside_a_transaction_has_failed() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let state = TempDir::new().unwrap();
    let script = "BEGIN; DELETE FROM linode.images.images WHERE id = 'private/1';";
    let (good, _, said) = program(&server, &state, &["-c", script]).await;
    assert!(!good && said.contains("COMMIT"), "{said}");
    assert!(server.requests().is_empty());
    let (good, rows, said) = program(&server, &state, &["--dry-run", "-c", script, "-c", "COMMIT"]).await;
    assert!(good && rows.contains("DELETE http"), "{rows}{said}");
    assert!(server.requests().is_empty());
}
