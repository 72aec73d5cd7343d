//! What comes of the answers to writes and EXEC: as many rows as they list, and a word where they do not say enough.

use serde_json::json;
use skyql::ErrorKind;
use tempfile::TempDir;

use super::{db, image, journaled, list, sent};
use crate::support::documents::provider_dir;
use crate::support::query::{Db, NULL};
use crate::support::server::{Reply, Server};

#[tokio::test(flavor = "multi_thread")]
async fn exec_of_a_list_gives_every_row_of_its_answer() {
    let images = [image("private/1", "a"), image("private/2", "b"), image("private/3", "c")];
    let server = Server::start(move |_| list(&images)).await;
    let mut db = db(&server);
    for text in ["EXEC linode.images.images._getImages RETURNING id, label", "EXEC linode.images.images.get_images"] {
        let answer = db.rows(text).await;
        assert_eq!(answer.column(0), ["private/1", "private/2", "private/3"], "{text}");
        assert_eq!(answer.column(1), ["a", "b", "c"], "{text}");
        assert_eq!(answer.warned(), Vec::<&str>::new());
    }
    // Each row would hold the whole list again.
    let answer = db.rows("EXEC linode.images.images.get_images RETURNING *").await;
    assert_eq!(answer.rows.len(), 3);
    assert!(!answer.columns.contains(&"data".to_owned()) && answer.columns.contains(&"results".to_owned()));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_of_an_empty_list_gives_no_row() {
    let server = Server::start(|_| list(&[])).await;
    assert!(db(&server).rows("EXEC linode.images.images.get_images RETURNING id").await.rows.is_empty());
}

const LABELS: &str = "\
openapi: 3.0.3
info: {title: Labels, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /issues/{issue}/labels:
    parameters: [{name: issue, in: path, required: true, schema: {type: integer}}]
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {labels: {type: array, items: {type: string}}}}}}}
      responses: {'200': {description: all labels, content: {application/json: {schema: {type: object, properties: {
        labels: {type: array, items: {type: object, properties: {id: {type: integer}, name: {type: string}}}}, total: {type: integer}}}}}}}
components:
  x-stackQL-resources:
    labels:
      id: acme.shop.labels
      name: labels
      methods:
        add:
          operation: {$ref: '#/paths/~1issues~1{issue}~1labels/post'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.labels}
      sqlVerbs:
        insert: [{$ref: '#/components/x-stackQL-resources/labels/methods/add'}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_answers_with_a_list_gives_as_many_rows_as_it_holds() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/issues/1/labels" => Reply::json(200, json!({"labels": [], "total": 0})),
        "/issues/2/labels" => Reply::json(200, json!({"labels": [{"id": 5, "name": "x"}, {"id": 6}], "total": 2})),
        _ => Reply::empty(204),
    })
    .await;
    let documents =
        provider_dir("acme", "v1", &[("shop", &LABELS.replace("SERVER", &server.url()))], "type: null_auth");
    let mut db = Db::with(documents, skyql::EngineBuilder::no_journal).set("confirm", "never");
    for (text, rows) in [
        ("INSERT INTO acme.shop.labels (issue, labels) VALUES (1, '[\"x\"]') RETURNING id, name", vec![]),
        ("INSERT INTO acme.shop.labels (issue, labels) VALUES (1, '[\"x\"]') RETURNING *", vec![]),
        ("EXEC acme.shop.labels.add @issue = 1, @labels = '[\"x\"]'", vec![]),
        (
            "INSERT INTO acme.shop.labels (issue, labels) SELECT n, '[\"x\"]' FROM (VALUES (1), (2)) v(n) RETURNING id, name",
            vec![["5", "x"], ["6", NULL]],
        ),
        // What was done without a word is a row.
        ("INSERT INTO acme.shop.labels (issue, labels) VALUES (3, '[\"x\"]') RETURNING id, name", vec![[NULL, NULL]]),
    ] {
        let answer = db.rows(text).await;
        assert_eq!(answer.rows, rows, "{text}");
        assert!(!answer.columns.contains(&"labels".to_owned()), "{text}: {:?}", answer.columns);
        let absent = answer.warned().contains(&"absent");
        assert_eq!(absent, text.contains("(3,"), "{text}: {:?}", answer.warnings());
    }
    let mut paths = server.paths();
    paths.sort();
    assert_eq!(paths, [1, 1, 1, 1, 2, 3].map(|issue| format!("/issues/{issue}/labels")));
    let body = br#"{"labels":["x"]}"#;
    assert!(server.requests().iter().all(|seen| seen.method == "POST" && seen.body == body));
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_of_one_page_says_that_there_is_more() {
    let page = json!({"data": [image("private/1", "a")], "page": 1, "pages": 9, "results": 9});
    let server = Server::start(move |_| Reply::json(200, page.clone())).await;
    let answer = db(&server).rows("EXEC linode.images.images.get_images @page = 1 RETURNING id").await;
    assert_eq!(answer.rows, [["private/1"]]);
    assert_eq!(answer.warned(), ["unproved"]);
    assert!(answer.warnings()[0].contains("1 of 9 rows"), "{:?}", answer.warnings());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_breaks_off_is_unknown() {
    let server = Server::start(|_| Reply::text(200, "application/json", r#"{"id": "private/9", "lab"#)).await;
    let dir = TempDir::new().unwrap();
    let mut db = journaled(&server, &dir);
    let text = "INSERT INTO linode.images.images (disk_id, label) VALUES (1, 'a') RETURNING id";
    let error = db.error(text).await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Decode, "the answer ends too early"));
    assert_eq!(error.context_value("calls"), Some("0 done, 0 failed, 1 unknown (call 1), 0 untouched"));
    assert_eq!(db.rows("SHOW JOURNAL").await.column(7), ["unknown"]);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_any_column_is_warned_of() {
    let server = Server::start(|_| Reply::json(202, json!({"queued": true}))).await;
    let text = "INSERT INTO linode.images.images (disk_id, label) VALUES (1, 'a') RETURNING id, queued";
    let answer = db(&server).rows(text).await;
    assert_eq!(answer.rows, [[NULL, "true"]]);
    assert_eq!(answer.warned(), ["absent"]);
}

/// The one call of `text` against an API that answers so: its message and state, and what the journal says of it.
async fn told(text: &str, reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Option<String>, String) {
    let server = Server::start(move |_| reply()).await;
    let dir = TempDir::new().unwrap();
    let mut db = journaled(&server, &dir);
    let error = match db.start(text).await {
        Ok(mut result) => result.read_all().await.err(),
        Err(error) => Some(error),
    };
    assert_eq!(server.requests().len(), 1, "{text}");
    let state = error.as_ref().map(|error| error.context_value("state"));
    assert!(matches!(state, None | Some(Some("unknown"))), "{error:?}");
    let noted = db.rows("SHOW JOURNAL").await.column(7)[0].to_owned();
    (error.map(|error| error.message().to_owned()), noted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_that_says_something_else_leaves_open_whether_it_was_done() {
    const INSERT: &str = "INSERT INTO linode.images.images (disk_id, label) VALUES (1, 'a')";
    const DELETE: &str = "DELETE FROM linode.images.images WHERE id = 'private/1'";
    const DROPLET: &str = "DELETE FROM digitalocean.compute.images WHERE image_id = 1";
    const RENAME: &str = "REPLACE digitalocean.compute.ssh_keys SET name = 'x' WHERE ssh_key_identifier = '5'";
    let json = "application/json";
    for (text, media, body, said) in [
        (INSERT, json, r#"{"errors":[{"reason":"nope"}]}"#, "the API answered 200 with an error: nope"),
        (
            INSERT,
            json,
            r#"{"errors":[{"reason":"nope","field":"label"}]}"#,
            "the API answered 200 with an error: label: nope",
        ),
        (INSERT, json, "<html>login", "the answer is the text `<html>login`, and no JSON"),
        (
            INSERT,
            "text/plain",
            "Service temporarily unavailable",
            "the answer is the text `Service temporarily unavailable`, and no JSON",
        ),
        (INSERT, json, "[]", "the answer is a list, where the document says an object"),
        (INSERT, json, "null", "the answer is `null`, where the document says an object"),
        (INSERT, json, "\"linode-token\"", "the answer is the text `…`, where the document says an object"),
        // Of what it answers to this, the document names no field.
        (DELETE, json, r#"{"errors":[{"reason":"nope"}]}"#, "the API answered 200 with an error: nope"),
        (DELETE, "text/plain", "down", "the answer is the text `down`, and no JSON"),
        (DROPLET, "text/plain", "<html>login", "the answer is the text `<html>login`"),
        (
            DROPLET,
            json,
            r#"{"id":"server_error","message":"boom"}"#,
            "the API answered 200 with an error: boom (server_error)",
        ),
        (
            RENAME,
            json,
            r#"{"id":"not_found","message":"gone"}"#,
            "the API answered 200 with an error: gone (not_found)",
        ),
    ] {
        let found = told(text, move || Reply::text(200, media, body)).await;
        assert_eq!(found, (Some(said.to_owned()), "unknown".to_owned()), "{text} {body}");
    }
    for (text, media, body) in [
        (INSERT, json, ""),
        (INSERT, json, "{}"),
        // One object in a list is the object all the same.
        (INSERT, json, r#"[{"id":"private/1","label":"a"}]"#),
        (INSERT, json, r#"{"id":"private/1","errors":[{"reason":"a note of what it was"}]}"#),
        (DELETE, json, "{}"),
        (DELETE, json, "[]"),
        (DELETE, json, "null"),
        (DROPLET, json, r#"{"message":"it is on its way"}"#),
        (DROPLET, "text/plain", "OK"),
        (RENAME, json, r#"{"ssh_key":{"id":5,"name":"x"},"message":"renamed"}"#),
    ] {
        let found = told(text, move || Reply::text(200, media, body)).await;
        assert_eq!(found, (None, "done".to_owned()), "{text} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_document_describes_is_an_error_where_it_looks_like_nothing_else() {
    // The document says where no error has its words.
    for (body, said) in [
        (json!({"error": {"message": "no room"}}), Some("no room")),
        (json!({"errors": {"label": ["is taken"]}}), Some("label: is taken")),
        (json!({"error": "no room"}), Some("no room")),
        (json!({"success": false, "message": "no room"}), Some("no room")),
        (json!({"ok": false}), Some("it gives no reason")),
        (json!({"size": 3, "error": "was there before"}), None),
        (json!({"message": "queued"}), None),
        (json!({"success": true}), None),
    ] {
        let answer = body.clone();
        let mut acme = super::looks::acme(&[], move |_| Reply::json(200, answer.clone())).await;
        let text = "INSERT INTO acme.shop.tickets (label) VALUES ('a')";
        match said {
            Some(said) => {
                let error = acme.error(text).await;
                assert_eq!(error.message(), format!("the API answered 200 with an error: {said}"), "{body}");
                assert_eq!(error.context_value("state"), Some("unknown"), "{body}");
            }
            None => acme.good(text).await,
        }
    }
    // Where answers hold secrets, no text of them is shown.
    let mut acme = super::looks::acme(&[], |_| Reply::text(200, "text/plain", "hush-1")).await;
    let error = acme.error("INSERT INTO acme.shop.tickets (label) VALUES ('a')").await;
    assert_eq!(error.message(), "the answer is a text, and no JSON");
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_of_a_reading_method_takes_an_error_for_no_row() {
    const IMAGE: &str = "EXEC linode.images.images.get_image @image_id = 'private/1'";
    for (body, kind, said) in [
        (json!({"errors": [{"reason": "nope"}]}), ErrorKind::Api, "the API answered 200 with an error: nope"),
        (json!("down"), ErrorKind::Decode, "the answer is the text `down`, where the document says an object"),
    ] {
        let server = Server::start(move |_| Reply::json(200, body.clone())).await;
        let error = db(&server).error(IMAGE).await;
        assert_eq!((error.kind(), error.message()), (kind, said));
        assert_eq!((error.context_value("state"), server.requests().len()), (None, 1));
    }
    // A note beside the object is none, and where the document says nothing of errors, a field of that name is a value.
    let noted = json!({"id": "private/1", "label": "a", "errors": [{"reason": "a note"}]});
    let server = Server::start(move |_| Reply::json(200, noted.clone())).await;
    assert_eq!(db(&server).rows(&format!("{IMAGE} RETURNING id")).await.rows, [["private/1"]]);
    let mut acme = super::looks::acme(&[], |_| Reply::json(200, json!({"error": "it broke at 5"}))).await;
    acme.good("EXEC acme.shop.tickets.get @id = 'a'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_is_an_answer_where_the_document_says_so() {
    for (media, said) in [
        ("application/xml; charset=utf-8", None),
        ("text/html", Some("the API answered with `text/html` where `application/xml` was expected")),
        ("text/plain", Some("the answer is the text `<done/>`")),
    ] {
        let mut acme = super::looks::acme(&[], move |_| Reply::text(200, media, "<done/>")).await;
        let text = "EXEC acme.shop.tickets.stamp @id = 'a'";
        match said {
            None => acme.good(text).await,
            Some(said) => assert_eq!(acme.error(text).await.message(), said),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_after_one_that_was_answered_with_an_error_are_not_sent() {
    let server = Server::start(|seen| match seen.json()["label"].as_str() {
        Some("l3") => Reply::json(200, json!({"errors": [{"reason": "nope"}]})),
        Some(label) => Reply::json(200, image(&format!("private/{label}"), label)),
        None => Reply::empty(400),
    })
    .await;
    let values: Vec<String> = (1..=40).map(|n| format!("({n}, 'l{n}')")).collect();
    let text = format!("INSERT INTO linode.images.images (disk_id, label) VALUES {}", values.join(", "));
    let error = db(&server).error(&text).await;
    assert!(error.context_value("calls").unwrap().contains("1 unknown (call 3)"), "{error}");
    assert!(server.requests().len() < 40, "{}", server.requests().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_place_of_an_id_is_in_no_journal() {
    let server = Server::start(|_| Reply::json(200, image("linode-token", "a"))).await;
    let dir = TempDir::new().unwrap();
    let mut db = journaled(&server, &dir);
    db.rows("INSERT INTO linode.images.images (disk_id, label) VALUES (1, 'a')").await;
    assert_eq!(db.rows("SHOW JOURNAL").await.column(9), [r#"{"imageId":"…"}"#]);
    for entry in std::fs::read_dir(dir.path().join("journal")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("linode-token"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_failed_is_named_with_its_reason() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v2/images/2" => Reply::json(409, json!({"id": "conflict", "message": "in use"})),
        "/v2/images/3" => Reply::json(422, json!({"id": "unprocessable_entity", "message": "not yours"})),
        _ => Reply::empty(204),
    })
    .await;
    let mut db = db(&server).set("on_row_error", "continue");
    let error = db.error("DELETE FROM digitalocean.compute.images WHERE image_id IN (1, 2, 3, 4)").await;
    assert!(error.message().contains("in use"), "{error}");
    let failed = error.context_value("failed").unwrap();
    assert!(failed.contains("call 2: DELETE ") && failed.contains("in use"), "{failed}");
    assert!(failed.contains("call 3: DELETE ") && failed.contains("not yours"), "{failed}");
    let one = db.error("DELETE FROM digitalocean.compute.images WHERE image_id IN (1, 2)").await;
    assert_eq!(one.context_value("failed"), None, "{one}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_the_id_of_a_request_is_hidden() {
    let server = Server::start(|_| {
        Reply::json(400, json!({"errors": [{"reason": "no"}]})).header("x-request-id", "for-linode-token-7")
    })
    .await;
    let dir = TempDir::new().unwrap();
    let mut db = journaled(&server, &dir);
    let error = db.error("DELETE FROM linode.images.images WHERE id = 'private/1'").await;
    assert_eq!(error.context_value("request id"), Some("for-***-7"));
    for entry in std::fs::read_dir(dir.path().join("journal")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.contains("for-***-7") && !text.contains("linode-token"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_says_where_it_leads() {
    let server = Server::start(|_| Reply::empty(307).header("location", "/v4/elsewhere?key=abc")).await;
    let error = db(&server).error("DELETE FROM linode.images.images WHERE id = 'private/1'").await;
    let wanted = format!("the API redirects to `{}/v4/elsewhere`, which is not followed", server.url());
    assert_eq!(error.message(), wanted);
    assert_eq!(error.context_value("state"), Some("unknown"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_the_field_is_not_given_to_the_parameter_of_its_name() {
    let images: Vec<_> = (1..=3).map(|id| json!({"id": id, "name": "n", "type": "base"})).collect();
    let server =
        Server::start(move |_| Reply::json(200, json!({"images": images, "meta": {"total": 3}, "links": {}}))).await;
    let mut db = db(&server);
    // An API that leaves out a value it does not know would give all images, and all would be deleted.
    for text in [
        "DELETE FROM digitalocean.compute.images WHERE type = 'snapshot'",
        "SELECT id FROM digitalocean.compute.images WHERE type IN ('distribution', 'snapshot')",
    ] {
        let error = db.error(text).await;
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.message().contains("`type` cannot be `snapshot`"), "{error}");
        let hint = error.hint_text().unwrap();
        assert!(hint.contains("`application`, `distribution`") && hint.contains("lower(type)"), "{hint}");
    }
    assert!(sent(&server).is_empty());
    let text = "DELETE FROM digitalocean.compute.images WHERE lower(type) = 'snapshot'";
    assert_eq!(db.start(text).await.unwrap().message(), Some("DELETE: nothing to do, 0 calls"));
    let answer = db.rows("SELECT id FROM digitalocean.compute.images WHERE type = 'distribution'").await;
    assert_eq!(answer.rows.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_than_was_asked_for_is_not_written() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v2/images" => {
            Reply::json(200, json!({"images": [{"id": 3, "name": "n"}], "meta": {"total": 1}, "links": {}}))
        }
        // It has but one image, whatever it is asked for.
        "/v2/images/3" | "/v2/images/1" => Reply::json(200, json!({"image": {"id": 1, "name": "n"}})),
        path => panic!("{path}"),
    })
    .await;
    let mut db = db(&server);
    for selection in
        ["image_id = 3 AND name = 'n'", "image_id IN (SELECT id FROM digitalocean.compute.images WHERE name = 'n')"]
    {
        let error = db.error(&format!("DELETE FROM digitalocean.compute.images WHERE {selection}")).await;
        assert_eq!(error.kind(), ErrorKind::Partial, "{error}");
        assert!(error.message().contains("asked for `image_id` = `3`"), "{error}");
    }
    // Whether there is an image 3 was not said.
    let error = db.error("DELETE FROM digitalocean.compute.images WHERE id = 3 AND name = 'n'").await;
    assert!(error.message().contains("asked for `image_id` = `3`"), "{error}");
    assert!(server.requests().iter().all(|seen| seen.method == "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_asked_for_by_its_parameter_is_written() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => Reply::json(200, json!({"image": {"id": 3, "name": "n"}})),
        _ => Reply::empty(204),
    })
    .await;
    db(&server).rows("DELETE FROM digitalocean.compute.images WHERE image_id = '3' AND name = 'n'").await;
    assert_eq!(server.paths(), ["/v2/images/3", "/v2/images/3"]);
    assert_eq!(server.requests()[1].method, "DELETE");
}
