//! Statements that change something: the very requests they send, what they refuse, their plans and their journal.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod answers;
mod bodies;
mod connections;
mod crash;
#[cfg(target_os = "linux")]
mod disk;
mod guards;
mod looks;
mod named;
mod once;
mod own_values;
mod plans;
mod refusals;
mod scope;
mod subqueries;
mod transactions;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use skyql::{Engine, Env, ErrorKind};
use tempfile::TempDir;

use crate::support::query::{Db, NULL};
use crate::support::server::{Gate, Reply, Seen, Server};
use crate::support::shipped::{builder, db};

/// An engine with a journal.
fn journaled(server: &Server, dir: &TempDir) -> Db {
    Db::of(builder(server).state_dir(dir.path())).set("confirm", "never")
}

/// A volume or image of Linode, in a list of all.
fn list(items: &[Value]) -> Reply {
    Reply::json(200, json!({"data": items, "page": 1, "pages": 1, "results": items.len()}))
}

fn image(id: &str, label: &str) -> Value {
    json!({
        "id": id, "label": label, "created": "2020-01-01T00:00:00", "is_public": false, "size": 2500, "status": "available"
    })
}

fn sent(server: &Server) -> Vec<(String, String)> {
    let line = |seen: &Seen| {
        (format!("{} {}", seen.method, seen.path_and_query()), String::from_utf8(seen.body.clone()).unwrap())
    };
    server.requests().iter().map(line).collect()
}

fn pair(request: &str, body: &str) -> (String, String) {
    (request.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn insert_select_of_literals_is_one_post_with_json_where_the_schema_wants_it() {
    let server = Server::start(|_| Reply::json(202, json!({"image": {"id": 7, "name": "nightly"}}))).await;
    let answer = db(&server)
        .rows(
            "INSERT INTO digitalocean.compute.images (data__name, data__url, data__region, data__tags) \
             SELECT 'nightly', 'http://example.com/d.qcow2', 'nyc3', '[\"base\",\"prod\"]' RETURNING image, id, NAME AS n",
        )
        .await;
    assert_eq!(
        sent(&server),
        [pair(
            "POST /v2/images",
            r#"{"name":"nightly","region":"nyc3","tags":["base","prod"],"url":"http://example.com/d.qcow2"}"#
        )]
    );
    let seen = &server.requests()[0];
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("authorization"), Some("Bearer do-token"));
    assert_eq!(answer.columns, ["image", "id", "n"]);
    assert_eq!(answer.rows, [[r#"{"id":7,"name":"nightly"}"#, "7", "nightly"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_one_call_each_and_returning_keeps_their_order() {
    let server = Server::start(|seen| {
        let body = seen.json();
        Reply::json(
            200,
            json!({"id": format!("private/{}", body["disk_id"]), "status": "creating", "label": body["label"]}),
        )
    })
    .await;
    let answer = db(&server)
        .rows(
            "INSERT INTO linode.images.images (disk_id, label) VALUES (123, 'gold'), (124, NULL) RETURNING id, status",
        )
        .await;
    let mut requests = sent(&server);
    requests.sort();
    assert_eq!(
        requests,
        [
            pair("POST /v4/images", r#"{"disk_id":123,"label":"gold"}"#),
            pair("POST /v4/images", r#"{"disk_id":124,"label":null}"#)
        ]
    );
    assert_eq!(answer.rows, [["private/123", "creating"], ["private/124", "creating"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_is_a_put_of_what_is_named() {
    let server = Server::start(|_| Reply::json(200, json!({"image": {"id": 62_137_902}}))).await;
    db(&server)
        .rows(
            "REPLACE digitalocean.compute.images SET data__name = 'x', data__distribution = 'Ubuntu' \
             WHERE image_id = '62137902' RETURNING image",
        )
        .await;
    assert_eq!(sent(&server), [pair("PUT /v2/images/62137902", r#"{"distribution":"Ubuntu","name":"x"}"#)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn update_takes_a_partial_put_by_the_key_and_looks_at_nothing() {
    let server = Server::start(|_| Reply::json(200, image("private/15", "gold-2"))).await;
    db(&server).rows("UPDATE linode.images.images SET label = 'gold-2' WHERE id = 'private/15'").await;
    assert_eq!(sent(&server), [pair("PUT /v4/images/private%2F15", r#"{"label":"gold-2"}"#)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_of_named_objects_is_one_call_each() {
    let server = Server::start(|_| Reply::empty(204)).await;
    let answer =
        db(&server).rows("DELETE FROM digitalocean.compute.images WHERE image_id IN (1, 2, 3, 2) RETURNING id").await;
    let mut requests: Vec<String> = sent(&server).into_iter().map(|(request, _)| request).collect();
    requests.sort();
    assert_eq!(requests, ["DELETE /v2/images/1", "DELETE /v2/images/2", "DELETE /v2/images/3"]);
    assert_eq!(answer.rows, [[NULL], [NULL], [NULL]]);
    assert_eq!(answer.warned(), ["absent"]);
    let error =
        db(&server).error("DELETE FROM digitalocean.compute.images WHERE image_id = 4 RETURNING nosuch(1)").await;
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::NameNotFound, 3), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_by_a_predicate_looks_first_and_writes_by_the_key() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => list(&[image("private/1", "tmp-a"), image("private/2", "gold"), image("private/3", "tmp-b")]),
        _ => Reply::json(200, json!({})),
    })
    .await;
    db(&server)
        .rows("DELETE FROM linode.images.images WHERE label LIKE 'tmp-%' AND created < now() - interval '30 days'")
        .await;
    let mut requests: Vec<String> = sent(&server).into_iter().map(|(request, _)| request).collect();
    requests.sort();
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert_eq!(requests[..2], ["DELETE /v4/images/private%2F1", "DELETE /v4/images/private%2F3"]);
    assert!(requests[2].starts_with("GET /v4/images?"), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_predicate_on_a_column_that_is_also_set_is_about_the_rows() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => list(&[image("private/1", "a"), image("private/2", "b")]),
        _ => Reply::json(200, json!({})),
    })
    .await;
    let mut db = db(&server);
    db.rows("UPDATE linode.images.images SET label = upper(label) || '!' WHERE label = 'b'").await;
    let writes: Vec<_> = sent(&server).into_iter().filter(|(request, _)| request.starts_with("PUT")).collect();
    assert_eq!(writes, [pair("PUT /v4/images/private%2F2", r#"{"label":"B!"}"#)]);
    let error = db.error("UPDATE linode.images.images SET imageId = 'x' WHERE id = 'private/1'").await;
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_api_become_objects_of_another() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => list(&[
            json!({"id": 1, "label": "one", "size": 10, "region": "us-east", "status": "active"}),
            json!({"id": 2, "label": "two", "size": 20, "region": "eu-west", "status": "active"}),
        ]),
        _ => Reply::json(201, json!({"volume": {"id": "v1"}})),
    })
    .await;
    db(&server)
        .rows(
            "INSERT INTO digitalocean.compute.volumes (name, region, size_gigabytes) \
             SELECT label, 'nyc3', size FROM linode.volumes.volumes WHERE region = 'us-east'",
        )
        .await;
    let writes: Vec<_> = sent(&server).into_iter().filter(|(request, _)| request.starts_with("POST")).collect();
    assert_eq!(writes, [pair("POST /v2/volumes", r#"{"name":"one","region":"nyc3","size_gigabytes":10}"#)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_is_one_call() {
    let server =
        Server::start(|_| Reply::json(200, json!({"image": {"id": "private/15"}, "upload_to": "https://up"}))).await;
    let mut db = db(&server);
    db.rows(
        "EXEC linode.images.images.post_replicate_image @imageId = 'private/15', @@json = '{\"regions\": [\"us-mia\", \"us-east\"]}'",
    )
    .await;
    let answer =
        db.rows("EXEC linode.images.images.upload @label = 'x', @region = 'us-east' RETURNING upload_to").await;
    assert_eq!(
        sent(&server),
        [
            pair("POST /v4/images/private%2F15/regions", r#"{"regions":["us-mia","us-east"]}"#),
            pair("POST /v4/images/upload", r#"{"label":"x","region":"us-east"}"#)
        ]
    );
    assert_eq!(answer.rows, [["https://up"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_envelope_carries_the_body() {
    let server = Server::start(|_| Reply::json(200, json!({"success": "yes"}))).await;
    db(&server).rows("DELETE FROM lunanode.images.images WHERE image_id = '141119'").await;
    let seen = &server.requests()[0];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/api/image/delete/"));
    let envelope: Value = serde_json::from_str(&seen.form_value("req").unwrap()).unwrap();
    assert_eq!(envelope["image_id"], "141119");
    assert_eq!(seen.form_value("signature").unwrap().len(), 128);
    let refusing = Server::start(|_| Reply::json(200, json!({"success": "no", "error": "no such image"}))).await;
    let error = db(&refusing).error("DELETE FROM lunanode.images.images WHERE image_id = '1'").await;
    assert!(error.message().contains("no such image"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_found_before_any_call() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let mut db = db(&server);
    let missing = db.error("INSERT INTO digitalocean.compute.volumes (description) VALUES ('x')").await;
    assert_eq!(missing.kind(), ErrorKind::MissingParameter);
    assert!(missing.message().contains("`name`") && missing.message().contains("`size_gigabytes`"), "{missing}");
    let unknown = db.error("INSERT INTO linode.images.images (disk_id, lable) VALUES (1, 'x')").await;
    assert_eq!(unknown.kind(), ErrorKind::NameNotFound);
    assert!(unknown.hint_text().unwrap().contains("`label`"), "{unknown:?}");
    let wrong = db.error("INSERT INTO linode.images.images (disk_id) VALUES (1), ('many')").await;
    assert_eq!((wrong.kind(), wrong.context_value("row")), (ErrorKind::InvalidArgument, Some("2")));
    let whole = db.error("UPDATE digitalocean.compute.images SET name = 'x' WHERE image_id = 1").await;
    assert_eq!(whole.kind(), ErrorKind::Unsupported);
    assert!(whole.hint_text().unwrap().contains("REPLACE"), "{whole:?}");
    let all = db.error("DELETE FROM linode.images.images").await;
    assert!(all.hint_text().unwrap().contains("WHERE true"), "{all:?}");
    let dots = db.error("DELETE FROM linode.images.images WHERE id IN ('private/1', '..')").await;
    assert_eq!(dots.kind(), ErrorKind::InvalidArgument);
    assert!(sent(&server).is_empty(), "{:?}", sent(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_whole_refuses_the_write() {
    // One row less than the total says.
    let moved = Server::start(|seen| match seen.method.as_str() {
        "GET" => Reply::json(200, json!({"data": [image("private/1", "tmp")], "page": 1, "pages": 1, "results": 2})),
        _ => Reply::json(200, json!({})),
    })
    .await;
    let error = db(&moved).error("DELETE FROM linode.images.images WHERE label = 'tmp'").await;
    assert_eq!(error.kind(), ErrorKind::Partial, "{error}");
    // A value that does not fit its column.
    let misfit = Server::start(|seen| match seen.method.as_str() {
        "GET" => list(&[json!({"id": 1, "label": "one", "size": "large", "region": "us-east"})]),
        _ => Reply::json(200, json!({})),
    })
    .await;
    let error = db(&misfit)
        .error(
            "INSERT INTO digitalocean.compute.volumes (name, region, size_gigabytes) \
             SELECT label, 'nyc3', size FROM linode.volumes.volumes",
        )
        .await;
    assert_eq!(error.kind(), ErrorKind::Partial, "{error}");
    for server in [moved, misfit] {
        assert!(server.requests().iter().all(|seen| seen.method == "GET"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_object_needs_a_word_and_read_only_a_reading_method() {
    let server = Server::start(|_| Reply::json(200, json!({"success": "yes", "image_id": "9"}))).await;
    let mut careful = Db::of(builder(&server).no_journal());
    let error = careful.error("DELETE FROM digitalocean.compute.images WHERE image_id IN (1, 2)").await;
    assert!(error.hint_text().unwrap().contains("--yes"), "{error:?}");
    let mut reading = Db::of(builder(&server).no_journal().read_only());
    let error = reading.error("EXEC linode.images.images.delete @imageId = 'private/1'").await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let mut unwritten = Db::of(builder(&server));
    let error = unwritten.error("DELETE FROM digitalocean.compute.images WHERE image_id = 1").await;
    assert!(error.hint_text().unwrap().contains("state_dir"), "{error:?}");
    assert!(server.requests().is_empty());
    // A POST that the document calls a read.
    reading.rows("EXEC lunanode.images.images.details @image_id = '9'").await;
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_sends_nothing_and_is_applied_once_as_it_was_shown() {
    let label = Arc::new(std::sync::Mutex::new("tmp-a".to_owned()));
    let known = Arc::clone(&label);
    let server = Server::start(move |seen| match seen.method.as_str() {
        "GET" => list(&[image("private/1", &known.lock().unwrap()), image("private/2", "gold")]),
        _ => Reply::json(200, json!({})),
    })
    .await;
    let dir = TempDir::new().unwrap();
    let mut db = journaled(&server, &dir);
    let text = "PLAN UPDATE linode.images.images SET description = 'old' WHERE label LIKE 'tmp-%'";
    let mut result = db.start(text).await.unwrap();
    let note = result.note().unwrap().to_owned();
    let rows = crate::support::query::texts(&result.read_all().await.unwrap()[0]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0][0], "1");
    assert_eq!(rows[0][1], format!("PUT {}/v4/images/private%2F1", server.url()));
    assert_eq!(rows[0][2], r#"{"description":"old"}"#);
    assert!(!rows[0][4].contains("linode-token"), "{rows:?}");
    assert!(server.requests().iter().all(|seen| seen.method == "GET"));
    let id = note.split('\'').nth(1).unwrap().to_owned();

    // What the predicate reads has changed: refused, and said.
    "tmp-b".clone_into(&mut label.lock().unwrap());
    let error = db.error(&format!("APPLY '{id}'")).await;
    assert!(error.message().contains("`label` was \"tmp-a\" and is \"tmp-b\""), "{error}");
    assert!(server.requests().iter().all(|seen| seen.method == "GET"));

    "tmp-a".clone_into(&mut label.lock().unwrap());
    db.rows(&format!("APPLY '{id}'")).await;
    let writes: Vec<_> = sent(&server).into_iter().filter(|(request, _)| request.starts_with("PUT")).collect();
    assert_eq!(writes, [pair("PUT /v4/images/private%2F1", r#"{"description":"old"}"#)]);
    let again = db.error(&format!("APPLY '{id}'")).await;
    assert!(again.message().contains("was applied"), "{again}");

    let other = Env::empty().with("LINODE_TOKEN", "another");
    let mut stranger = Db::of(Engine::builder().env(other).base_url("linode", &server.url()).state_dir(dir.path()));
    let mut result = db.start("PLAN DELETE FROM linode.images.images WHERE id = 'private/2'").await.unwrap();
    let id = result.note().unwrap().split('\'').nth(1).unwrap().to_owned();
    result.read_all().await.unwrap();
    let error = stranger.error(&format!("APPLY '{id}'")).await;
    assert!(error.message().contains("another credential"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stopped_half_way_is_resumed_and_the_unknown_is_named() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    // The second breaks off when the third is there, which is refused when the second is.
    let (second, third) = (Gate::new(), Gate::new());
    let server = Server::start(move |seen| {
        if seen.json()["label"] == "v3" && counted.fetch_add(1, Ordering::SeqCst) == 0 {
            third.open();
            return Reply::json(422, json!({"errors": [{"reason": "label is bad"}]})).gated(&second);
        }
        if seen.json()["label"] == "v2" {
            second.open();
            return Reply::drop_connection().gated(&third);
        }
        Reply::json(200, json!({"id": 1}))
    })
    .await;
    let dir = TempDir::new().unwrap();
    let mut db = journaled(&server, &dir);
    let values: Vec<String> = (1..=20).map(|n| format!("('v{n}', 'us-east', 10)")).collect();
    let text = format!("INSERT INTO linode.volumes.volumes (label, region, size) VALUES {}", values.join(", "));
    let error = db.error(&text).await;
    let hint = error.hint_text().unwrap();
    let id = hint.split('\'').nth(1).unwrap().to_owned();
    assert!(error.context_value("unknown").unwrap().starts_with("call 2: POST"), "{error}");
    assert!(error.context_value("calls").unwrap().contains("untouched"), "{error}");

    let journal = db.rows("SHOW JOURNAL").await;
    assert_eq!(journal.rows.len(), 20);
    let states: Vec<&str> = journal.column(7);
    assert_eq!(states[1], "unknown");
    let again = db.error(&format!("RESUME '{id}'")).await;
    assert!(again.context_value("unknown").unwrap().starts_with("call 2: POST"), "{again}");
    let labels = |n: usize| {
        let wanted = format!("v{n}");
        server.requests().iter().filter(|seen| seen.json()["label"] == wanted.as_str()).count()
    };
    // The unknown one was sent once, the refused one twice, and every other exactly once.
    for n in (1..=20).filter(|n| *n != 3) {
        assert_eq!(labels(n), 1, "v{n}");
    }
    assert_eq!(labels(3), 2);
    let journal = db.rows("SHOW JOURNAL").await;
    let done = journal.column(7).iter().filter(|state| **state == "done").count();
    assert_eq!(done, 19);
    let text = std::fs::read_dir(dir.path().join("journal")).unwrap();
    for file in text {
        assert!(!std::fs::read_to_string(file.unwrap().path()).unwrap().contains("linode-token"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_stop_or_do_not_and_what_is_gone_may_be_accepted() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v2/images/2" => Reply::json(404, json!({"id": "not_found", "message": "no such image"})),
        _ => Reply::empty(204),
    })
    .await;
    let text = "DELETE FROM digitalocean.compute.images WHERE image_id IN (1, 2, 3, 4, 5, 6, 7, 8)";
    let error = db(&server).set("on_row_error", "continue").error(text).await;
    assert_eq!(error.context_value("calls"), Some("7 done (calls 1, 3-8), 1 failed (call 2), 0 unknown, 0 untouched"));
    assert!(error.hint_text().unwrap().contains("on_missing"), "{error:?}");
    let mut accepting = db(&server).set("on_missing", "ignore");
    let result = accepting.start(text).await.unwrap();
    assert_eq!(result.message(), Some("DELETE: 8 calls done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn four_writes_travel_side_by_side() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::start(move |_| Reply::empty(204).gated(&held)).await;
    let mut db = db(&server);
    let values: Vec<String> = (1..=8).map(|n| n.to_string()).collect();
    let text = format!("DELETE FROM digitalocean.compute.images WHERE image_id IN ({})", values.join(", "));
    let running = tokio::spawn(async move { db.rows(&text).await.rows.len() });
    gate.arrivals(4).await;
    assert_eq!(server.max_in_flight(), 4);
    gate.open();
    running.await.unwrap();
    assert_eq!(server.requests().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_and_an_empty_source_says_so() {
    let server = Server::start(|_| list(&[])).await;
    let mut db = db(&server);
    let answer =
        db.rows("EXPLAIN INSERT INTO linode.images.images (disk_id, label) VALUES (1, 'it''s </script> 🦀')").await;
    assert_eq!(answer.columns, ["n", "request", "body", "changes", "headers"]);
    assert_eq!(answer.rows[0][2], r#"{"disk_id":1,"label":"it's </script> 🦀"}"#);
    assert!(server.requests().is_empty());
    let result = db.start("DELETE FROM linode.images.images WHERE label = 'none'").await.unwrap();
    assert_eq!(result.message(), Some("DELETE: nothing to do, 0 calls"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_is_changed_and_answers_accordingly() {
    let engine = Engine::builder().sandbox(skyql::SandboxOptions::default()).no_journal();
    let mut db = Db::of(engine).set("confirm", "never");
    let made = db
        .rows("INSERT INTO linode.volumes.volumes (label, region, size) VALUES ('mine', 'us-east', 20), ('too', 'us-east', 30) RETURNING id, label")
        .await;
    assert_eq!(made.column(1), ["mine", "too"]);
    let (mine, too) = (made.rows[0][0].clone(), made.rows[1][0].clone());
    db.rows(&format!("UPDATE linode.volumes.volumes SET label = label || '-2' WHERE id IN ({mine}, {too})")).await;
    let text = format!("SELECT label, size FROM linode.volumes.volumes WHERE id IN ({mine}, {too}) ORDER BY size");
    assert_eq!(db.rows(&text).await.rows, [["mine-2", "20"], ["too-2", "30"]]);
    db.rows("DELETE FROM linode.volumes.volumes WHERE label LIKE 'mine%'").await;
    assert_eq!(db.rows(&text).await.rows, [["too-2", "30"]]);
    let error = db.error(&format!("DELETE FROM linode.volumes.volumes WHERE id = {mine}")).await;
    assert_eq!(error.kind(), ErrorKind::Api, "{error}");
}

/// The program itself, over a server of ours.
async fn program(server: &Server, state: &TempDir, arguments: &[&str]) -> (bool, String, String) {
    program_as("csv", server, state, arguments).await
}

/// The same, with its rows in another format.
async fn program_as(format: &str, server: &Server, state: &TempDir, arguments: &[&str]) -> (bool, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_skyql"));
    command
        .env_clear()
        .env("LINODE_TOKEN", "linode-token")
        .env("HOME", state.path())
        .env("XDG_STATE_HOME", state.path())
        .args(["--base-url", &format!("linode={}", server.url()), "-o", format])
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_shows_refuses_sends_and_reminds() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v4/images/private%2F3" => Reply::drop_connection(),
        _ => Reply::json(200, json!({})),
    })
    .await;
    let state = TempDir::new().unwrap();
    let two = "DELETE FROM linode.images.images WHERE id IN ('private/1', 'private/2')";
    let (good, rows, said) = program(&server, &state, &["--dry-run", "-c", two]).await;
    assert!(good, "{said}");
    assert_eq!(rows.lines().count(), 3, "{rows}");
    let (good, _, said) = program(&server, &state, &["-c", two]).await;
    assert!(!good && said.contains("--yes"), "{said}");
    let (good, _, said) = program(&server, &state, &["--read-only", "--yes", "-c", two]).await;
    assert!(!good && said.contains("read-only"), "{said}");
    assert!(server.requests().is_empty());
    let (good, _, said) = program(&server, &state, &["--yes", "-c", two]).await;
    assert!(good && said.contains("DELETE: 2 calls done"), "{said}");
    assert_eq!(server.requests().len(), 2);

    let cut = "DELETE FROM linode.images.images WHERE id = 'private/3'";
    let (good, _, said) = program(&server, &state, &["-c", cut]).await;
    assert!(!good && said.contains("RESUME"), "{said}");
    let (good, _, said) = program(&server, &state, &["-c", "SELECT 1"]).await;
    assert!(good && said.contains("unfinished: DELETE of linode.images.images"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_was_cut_off_repeats_nothing_and_leaves_nothing_out() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::start(move |seen| {
        let reply = Reply::json(200, json!({"id": 1}));
        // Not the ninth that comes: calls of one statement may overtake each other.
        let number: usize = seen.json()["label"].as_str().unwrap()[1..].parse().unwrap();
        if number <= 8 { reply } else { reply.gated(&held) }
    })
    .await;
    let dir = TempDir::new().unwrap();
    let values: Vec<String> = (1..=20).map(|n| format!("('v{n}', 'us-east', 10)")).collect();
    let text = format!("INSERT INTO linode.volumes.volumes (label, region, size) VALUES {}", values.join(", "));
    let mut first = journaled(&server, &dir);
    let running = tokio::spawn(async move { first.run(&text).await.map(|_| ()) });
    server.received(12).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    gate.open();

    let mut next = journaled(&server, &dir);
    let id = next.rows("SHOW JOURNAL LIMIT 1").await.rows[0][1].clone();
    let error = next.error(&format!("RESUME '{id}'")).await;
    assert_eq!(error.context_value("unknown").unwrap().matches("POST").count(), 4, "{error}");
    assert_eq!(
        error.context_value("calls"),
        Some("16 done (calls 1-8, 13-20), 0 failed, 4 unknown (calls 9-12), 0 untouched")
    );
    let mut labels: Vec<String> = server.requests().iter().map(|seen| seen.json()["label"].to_string()).collect();
    assert_eq!(labels.len(), 20);
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_forgotten_is_not_named_again_and_keeps_its_lines() {
    let server = Server::start(|seen| {
        if seen.json()["label"] == "v2" { Reply::drop_connection() } else { Reply::json(200, json!({"id": 1})) }
    })
    .await;
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("skyql");
    let mut db = Db::of(builder(&server).state_dir(&state)).set("confirm", "never");
    assert_eq!(db.error("FORGET 'abcd'").await.kind(), ErrorKind::NameNotFound);
    let values: Vec<String> = (1..=9).map(|n| format!("('v{n}', 'us-east', 10)")).collect();
    let text = format!("INSERT INTO linode.volumes.volumes (label, region, size) VALUES {}", values.join(", "));
    let error = db.error(&text).await;
    let id = error.hint_text().unwrap().split('\'').nth(1).unwrap().to_owned();
    let (sent, before) = (server.requests().len(), db.rows("SHOW JOURNAL").await.rows);

    let wrong = db.error(&format!("FORGET '{}zz'", &id[..id.len() - 2])).await;
    assert_eq!(wrong.kind(), ErrorKind::NameNotFound);
    assert!(wrong.hint_text().unwrap().contains(&id), "{wrong:?}");
    assert_eq!(db.error("FORGET").await.kind(), ErrorKind::Syntax);
    db.start("BEGIN").await.unwrap();
    assert_eq!(db.error(&format!("FORGET '{id}'")).await.kind(), ErrorKind::Unsupported);
    db.start("ROLLBACK").await.unwrap();
    let looked = program(&server, &dir, &["--dry-run", "-c", &format!("FORGET '{id}'")]).await;
    assert!(looked.0 && looked.2.contains("would close: INSERT of linode.volumes.volumes"), "{looked:?}");

    let named = program(&server, &dir, &["-c", "SELECT 1"]).await.2;
    assert!(named.contains(&format!("`FORGET '{id}'`")), "{named}");
    let lines = || std::fs::read_to_string(journal_of(&dir, &id)).unwrap();
    let known = lines();
    let said = db.start(&format!("FORGET '{id}'")).await.unwrap();
    assert!(said.message().unwrap().contains("1 unknown"), "{said:?}");
    assert!(lines().starts_with(&known) && lines().lines().count() == known.lines().count() + 1);
    let after = db.rows("SHOW JOURNAL").await.rows;
    let without_end = |rows: &[Vec<String>]| -> Vec<Vec<String>> {
        rows.iter()
            .map(|row| row.iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, cell)| cell.clone()).collect())
            .collect()
    };
    assert_eq!(without_end(&after), without_end(&before));
    assert!(after.iter().all(|row| row[2] == "yes"));
    assert!(!program(&server, &dir, &["-c", "SELECT 1"]).await.2.contains("unfinished"));
    for text in [format!("RESUME '{id}'"), format!("FORGET '{id}'")] {
        assert!(db.error(&text).await.message().ends_with("has ended"));
    }
    assert_eq!(server.requests().len(), sent, "nothing is sent by any of this");
}

/// Where the journal of a statement is.
fn journal_of(dir: &TempDir, id: &str) -> std::path::PathBuf {
    let files = std::fs::read_dir(dir.path().join("skyql").join("journal")).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    paths.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(id)).unwrap()
}
