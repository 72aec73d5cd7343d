//! Successes that do not hold what was asked for, and 404s that are somebody else's.

use serde_json::Value;

use super::*;
use crate::support::query::{Answer, Db};
use crate::support::shipped;

const IMAGE: &str = "SELECT id, label FROM linode.images.images WHERE id = 'private/1'";
const NO_OBJECT: &str = "the answer (200) does not hold the object, and only a 404 says that there is none";

fn image(id: &str) -> Value {
    json!({"id": id, "label": "one", "size": 5, "created": "2024-01-01T00:00:00"})
}

fn degraded() -> Value {
    json!({"errors": [{"reason": "Service degraded"}]})
}

/// Rows, how many were not found, the verdict and the warnings.
fn seen(answer: &Answer) -> (usize, u64, &'static str, String) {
    (answer.rows.len(), answer.report.not_found, answer.verdict(), answer.warnings().join("; "))
}

async fn always(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Server, Db) {
    let server = Server::start(move |_| reply()).await;
    let db = shipped::db(&server);
    (server, db)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_without_the_object_does_not_say_that_there_is_none() {
    for body in ["{}", "[]", "null", "", r#"{"unknown": 1}"#, r#"{"errors": []}"#, "7"] {
        let (server, mut db) = always(move || Reply::text(200, "application/json", body)).await;
        assert_eq!(seen(&db.rows(IMAGE).await), (0, 0, "unproved", NO_OBJECT.to_owned()), "{body}");
        assert_eq!(server.requests().len(), 1, "{body}");
    }
    let (_server, mut db) = always(|| Reply::empty(204)).await;
    assert_eq!(seen(&db.rows(IMAGE).await), (0, 0, "unproved", NO_OBJECT.replace("200", "204")));
    // Only this is no row, and proof of it.
    let (_server, mut db) = always(|| Reply::json(404, json!({"errors": [{"reason": "Not found"}]}))).await;
    assert_eq!(seen(&db.rows(IMAGE).await), (0, 1, "complete", String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_that_holds_an_error_is_one() {
    for body in [degraded(), json!({"errors": [{"reason": "Service degraded"}], "label": null, "id": null})] {
        let (server, mut db) = always(move || Reply::json(200, body.clone())).await;
        let error = db.error(IMAGE).await;
        assert_eq!(
            told_of(&error, &server.url()),
            "api: the API refused the call: Service degraded (method: get_image, request: GET SERVER/v4/images/private%2F1, status: 200)"
        );
    }
    // The code stands in a field of the object's name.
    let (_server, mut db) = always(|| Reply::json(200, json!({"id": "not_found", "message": "gone"}))).await;
    let error = db.error("SELECT id, name FROM digitalocean.compute.images WHERE image_id = 5").await;
    assert_eq!(error.message(), "the API refused the call: gone (not_found)");
    // What no document describes is quoted, and taken for no row.
    let (server, _db) = always(|| Reply::json(200, json!({"message": "boom"}))).await;
    let mut acme = Db::new(acme_dir(&server.url(), &usual()));
    let answer = acme.rows("SELECT id, name FROM acme.shop.widgets WHERE id = 1").await;
    assert_eq!(seen(&answer), (0, 0, "unproved", format!("{NO_OBJECT}; it says: boom")));
    let answer = acme.rows("SELECT name FROM acme.shop.widgets").await;
    assert_eq!(seen(&answer), (0, 0, "unproved", "the answer holds nothing at `$.items`; it says: boom".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_keys_that_is_not_answered_is_named() {
    let server = Server::start(|seen| match seen.path.rsplit("%2F").next() {
        Some("2") => Reply::json(200, json!({})),
        Some(id) => Reply::json(200, image(&format!("private/{id}"))),
        None => Reply::empty(500),
    })
    .await;
    let sql = "SELECT id FROM linode.images.images WHERE id IN ('private/1', 'private/2', 'private/3')";
    let answer = shipped::db(&server).rows(sql).await;
    assert_eq!((answer.column(0), answer.verdict()), (vec!["private/1", "private/3"], "unproved"));
    let parts: Vec<_> = answer.report.parts.iter().map(|part| (part.part.as_str(), part.reason.as_str())).collect();
    assert_eq!(parts, [("imageId = private/2", NO_OBJECT)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_than_was_asked_for_is_no_answer() {
    let (_server, mut db) = always(|| Reply::json(200, image("private/7"))).await;
    let wanted = "the API was asked for `imageId` = `private/1`, and the answer's `id` is `private/7`";
    assert_eq!(seen(&db.rows(IMAGE).await), (0, 0, "unproved", wanted.to_owned()));
    let (_server, mut db) = always(|| Reply::json(200, json!({"label": "one"}))).await;
    let wanted = "the answer does not hold `id`, which says which object it is";
    assert_eq!(seen(&db.rows(IMAGE).await), (0, 0, "unproved", wanted.to_owned()));
    // By its parameter the object is not compared with anything, and is shown.
    let by_number = "SELECT id, name FROM digitalocean.compute.images WHERE image_id = 5";
    let (_server, mut db) =
        always(|| Reply::json(200, json!({"image": {"id": 7, "name": "seven", "min_disk_size": 5}}))).await;
    let wanted = "the API was asked for `image_id` = `5`, and the answer's `id` is `7`";
    assert_eq!(seen(&db.rows(by_number).await), (1, 0, "unproved", wanted.to_owned()));
    // Nor where the reader has enough of it.
    let answer = db.rows(&format!("{by_number} LIMIT 1")).await;
    assert_eq!(seen(&answer), (1, 0, "unproved", wanted.to_owned()));

    // Forms of a key are no other key.
    for id in [json!(5), json!("5"), json!(5.0)] {
        let (_server, mut db) = always(move || Reply::json(200, json!({"image": {"id": id, "name": "five"}}))).await;
        assert_eq!(db.rows(by_number).await.verdict(), "complete");
    }
    let (_server, mut db) = always(|| Reply::json(200, image("PRIVATE/1"))).await;
    assert_eq!(seen(&db.rows(IMAGE).await), (0, 0, "complete", String::new()), "SQL tells case apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_refused_when_the_look_finds_no_object_and_no_404() {
    for (body, kind) in [
        (json!({}), ErrorKind::Partial),
        (json!([]), ErrorKind::Partial),
        (image("private/7"), ErrorKind::Partial),
        (degraded(), ErrorKind::Api),
    ] {
        let reply = body.clone();
        let server = Server::start(move |seen| {
            assert_eq!(seen.method, "GET", "nothing is written");
            Reply::json(200, reply.clone())
        })
        .await;
        let mut db = shipped::db(&server);
        for sql in [
            "UPDATE linode.images.images SET label = label || 'x' WHERE id = 'private/1'",
            "DELETE FROM linode.images.images WHERE id = 'private/1' AND size > 0",
        ] {
            let error = db.error(sql).await;
            assert_eq!(error.kind(), kind, "{body} {sql}: {error:?}");
        }
    }
    // A 404 is an answer: there is nothing to do.
    let (server, mut db) = always(|| Reply::json(404, json!({"errors": [{"reason": "Not found"}]}))).await;
    db.rows("DELETE FROM linode.images.images WHERE id = 'private/1' AND size > 0").await;
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_place_of_a_page_says_what_and_which() {
    let rows: Vec<Value> = (0..1000).map(|n| image(&format!("private/{n}"))).collect();
    let server = Server::start(move |seen| {
        let page: usize = seen.query_value("page").map_or(1, |page| page.parse().unwrap());
        let data = rows.get((page - 1) * 100..page * 100).unwrap_or_default();
        if page == 5 {
            return Reply::json(200, degraded());
        }
        Reply::json(200, json!({"data": data, "page": page, "pages": 10, "results": 1000}))
    })
    .await;
    let sql = "SELECT id FROM linode.images.images";
    let error = shipped::db(&server).error(sql).await;
    assert_eq!(error.message(), "the API refused the call: Service degraded");
    assert_eq!((error.context_value("part"), error.context_value("status")), (Some("page 5"), Some("200")));
    let answer = shipped::db(&server).set("on_partial", "warn").rows(sql).await;
    assert_eq!((answer.rows.len(), answer.verdict()), (900, "failed"));
    let part = &answer.report.parts[0];
    assert_eq!(part.part, "page 5");
    assert!(part.reason.starts_with("the API refused the call: Service degraded"), "{part:?}");

    // Where no document says what an error is, nothing proves that it is one.
    let server = Server::start(|seen| match seen.query_value("cursor").as_deref() {
        None => Reply::json(200, json!({"items": widgets(2), "next_cursor": "b"})),
        _ => Reply::json(200, json!({"message": "boom"})),
    })
    .await;
    let mut acme = Db::new(acme_dir(&server.url(), &Paging::Cursor.document()));
    let wanted = "page 2: the answer holds nothing at `$.items`; it says: boom";
    assert_eq!(seen(&acme.rows("SELECT id FROM acme.shop.widgets").await), (2, 0, "unproved", wanted.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_beside_an_error_is_no_proof_that_there_is_nothing() {
    let body = |errors: Value| json!({"data": [], "page": 1, "pages": 1, "results": 0, "errors": errors});
    let list = "SELECT id FROM linode.images.images";
    let down = body(json!([{"reason": "region down"}]));
    let (_server, mut db) = always(move || Reply::json(200, down.clone())).await;
    let said = "the answer holds nothing at `$.data`; it says: region down";
    assert_eq!(seen(&db.rows(list).await), (0, 0, "unproved", said.to_owned()));
    let (_server, mut db) = always(move || Reply::json(200, body(json!([])))).await;
    assert_eq!(seen(&db.rows(list).await), (0, 0, "complete", String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_a_success_is_not_kept() {
    let replies = [degraded(), image("private/1"), degraded()].map(|body| Reply::json(200, body));
    let server = Server::script(replies).await;
    let mut db = shipped::db(&server).set("cache", "5m");
    assert_eq!(db.error(IMAGE).await.message(), "the API refused the call: Service degraded");
    assert_eq!(db.rows(IMAGE).await.rows.len(), 1);
    assert_eq!(db.rows(IMAGE).await.rows.len(), 1, "that one is kept");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_of_somebody_else_is_no_missing_row() {
    let foreign = |body: &'static str| move || Reply::text(404, "application/json", body);
    let hint = "this is not how the API says that: is the base URL right? a proxy may have answered";
    for body in
        [r#"{"message": "no Route matched with those values"}"#, "404 page not found", "", "{}", r#"{"errors": []}"#]
    {
        let (_server, mut db) = always(foreign(body)).await;
        let error = db.error(IMAGE).await;
        assert_eq!((error.kind(), error.hint_text()), (ErrorKind::Api, Some(hint)), "{body}: {error}");
    }
    // A document that declares a text and a code expects both.
    let (_server, mut db) = always(foreign(r#"{"message": "no Route matched with those values"}"#)).await;
    let sql = "SELECT id FROM digitalocean.compute.images WHERE image_id = 5";
    assert_eq!(db.error(sql).await.message(), "the API has no such object: no Route matched with those values");
    let (_server, mut db) = always(foreign(r#"{"id": "not_found", "message": "No such image."}"#)).await;
    assert_eq!(seen(&db.rows(sql).await), (0, 1, "complete", String::new()));
    // One that declares nothing takes any JSON for its own.
    for (body, missing) in [(r#"{"oops": 1}"#, true), ("404 page not found", false), ("\"gone\"", false)] {
        let (server, _) = always(foreign(body)).await;
        let answer =
            Db::new(acme_dir(&server.url(), &usual())).run("SELECT id FROM acme.shop.widgets WHERE id = 1").await;
        assert_eq!(answer.is_ok_and(|answer| answer.report.not_found == 1), missing, "{body}");
    }
}
