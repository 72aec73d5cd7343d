//! Answers of every shape, as rows.

use serde_json::json;
use skyql::ErrorKind;

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, provider_dir, widgets, widgets_service};
use crate::support::query::{Db, NULL};
use crate::support::server::{Reply, Server};

fn db(server: &Server) -> Db {
    Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)))
}

/// A server that gives this text to every request.
async fn saying(text: &'static str) -> Server {
    Server::start(move |_| Reply::text(200, "application/json", text)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_of_the_schema_has_its_arrow_type() {
    let server = Server::start(paged(widgets(2), 20, 20, true)).await;
    let answer = db(&server).rows("SELECT * FROM acme.shop.widgets").await;
    assert_eq!(answer.columns, ["id", "name", "size", "ok", "created", "tags", "extra"]);
    assert_eq!(answer.types, ["Int64", "Utf8", "Float64", "Boolean", "Utf8", "Utf8", "Utf8"]);
    assert_eq!(
        answer.rows[0],
        [
            "1",
            "widget-0001",
            "1.5",
            "true",
            "2024-02-02T01:30:00Z",
            r#"["t1","all"]"#,
            r#"{"color":"green","owner":{"name":"zoë"}}"#
        ]
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn big_integers_keep_every_digit_or_are_counted() {
    let server = saying(
        r#"{"total":4,"items":[{"id":9007199254740993,"name":"a"},{"id":9223372036854775807,"name":"b"},
           {"id":-9223372036854775808,"name":"c"},{"id":9223372036854775808,"name":"d"}]}"#,
    )
    .await;
    let answer = db(&server).rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.column(0), ["9007199254740993", "9223372036854775807", "-9223372036854775808", NULL]);
    assert_eq!(answer.report.misfits, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_keep_their_spelling_inside_nested_values() {
    let server = saying(
        r#"{"total":1,"items":[{"id":1,"extra":{"n":12345678901234567890123,"x":1.10,"s":"\u00e9\n\"","z":null,"a":[ ]}}]}"#,
    )
    .await;
    let answer = db(&server).rows("SELECT extra FROM acme.shop.widgets").await;
    let text = &answer.rows[0][0];
    assert!(text.contains("12345678901234567890123") && text.contains("1.10"), "{text}");
    assert_eq!(answer.report.misfits, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_nested_values_can_be_read_and_compared() {
    let server = Server::start(paged(widgets(9), 20, 20, true)).await;
    let mut db = db(&server);
    let sql = "SELECT id, extra->>'color' AS color, extra->'owner'->>'name', tags->>0, \
               json_extract(extra, '$.owner.name'), json_extract(extra, '$.owner'), json_extract(extra, '$.nothing') \
               FROM acme.shop.widgets WHERE extra->>'color' = 'red' ORDER BY id";
    let answer = db.rows(sql).await;
    assert_eq!(answer.rows[0], ["3", "red", "zoë", "t3", "zoë", r#"{"name":"zoë"}"#, NULL]);
    assert_eq!(answer.ids(), [3, 6, 9]);
    let sql = "SELECT count(*) FROM acme.shop.widgets WHERE json_extract(extra, '$.color') IN ('blue', 'green')";
    assert_eq!(db.rows(sql).await.rows, [["6"]]);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn null_absent_and_unknown_fields() {
    let server = saying(
        r#"{"total":3,"items":[{"id":1,"name":null,"unknown":{"deep":[1,2]}},{"name":"two"},{"id":3,"name":""}]}"#,
    )
    .await;
    let answer = db(&server).rows("SELECT id, name FROM acme.shop.widgets").await;
    assert_eq!(answer.rows, [["1", NULL], [NULL, "two"], ["3", ""]]);
    assert_eq!(answer.report.misfits, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_a_repeated_name_counts() {
    let server = saying(r#"{"total":1,"items":[{"id":1,"name":"first","id":2,"name":"last"}]}"#).await;
    let answer = db(&server).rows("SELECT id, name FROM acme.shop.widgets").await;
    assert_eq!(answer.rows, [["2", "last"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_its_item_path_is_no_rows_and_unproved() {
    let server = saying(r#"{"message":"nothing here"}"#).await;
    let answer = db(&server).rows("SELECT id FROM acme.shop.widgets").await;
    assert!(answer.rows.is_empty());
    assert_eq!(answer.verdict(), "unproved");
    assert_eq!(answer.warnings(), ["the answer holds nothing at `$.items`; it says: nothing here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_page_without_its_item_path_is_not_the_end() {
    for paging in [Paging::Page, Paging::Cursor] {
        let server = Server::script([
            Reply::json(200, json!({"items": widgets(2), "next_cursor": "b"})),
            Reply::json(200, json!({"message": "try later"})),
        ])
        .await;
        let mut db = Db::new(acme_dir(&server.url(), &paging.document()));
        let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
        assert_eq!(answer.ids(), [1, 2]);
        assert_eq!(answer.verdict(), "unproved", "{paging:?}");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_item_path_is_absent_is_the_row_itself() {
    let text = |server: &Server| {
        widgets_service(&server.url(), "", "$.items").replacen(
            "          response: {mediaType: application/json, openAPIDocKey: '200'}\n",
            "          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.data}\n",
            1,
        )
    };
    let server = Server::start(|seen| match seen.path.as_str() {
        "/widgets/1" => Reply::json(200, json!({"id": 1, "name": "bare"})),
        "/widgets/2" => Reply::json(200, json!({"data": {"id": 2, "name": "wrapped"}})),
        _ => Reply::json(200, json!({"status": "ok"})),
    })
    .await;
    let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text(&server))], "type: null_auth"));
    let answer = db.rows("SELECT id, name FROM acme.shop.widgets WHERE id = 1").await;
    assert_eq!(answer.rows, [["1", "bare"]]);
    let answer = db.rows("SELECT name FROM acme.shop.widgets WHERE id = 3").await;
    assert!(answer.rows.is_empty());
    assert_eq!(server.paths(), ["/widgets/1", "/widgets/3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_array_and_a_deep_item_path_are_lists() {
    for (path, body) in [("$", json!(widgets(3))), ("$.data.list", json!({"data": {"list": widgets(3)}}))] {
        let reply = body.clone();
        let server = Server::start(move |_| Reply::json(200, reply.clone())).await;
        let text = widgets_service(&server.url(), "kind: none", path);
        let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
        let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
        assert_eq!(answer.ids(), [1, 2, 3], "{path}");
        assert_eq!(answer.verdict(), "complete");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_json_is_an_error_that_says_so() {
    for (content_type, body, part) in [
        ("text/html", "<html>login</html>", "`text/html` where JSON was expected"),
        ("application/json", r#"{"total":1,"items":[{"id":1}"#, ""),
        ("application/json", "", ""),
        ("text/plain", "hello", ""),
    ] {
        let server = Server::start(move |_| Reply::text(200, content_type, body)).await;
        let outcome = db(&server).run("SELECT id FROM acme.shop.widgets").await;
        if body.is_empty() {
            let answer = outcome.unwrap();
            assert!(answer.rows.is_empty());
            assert_eq!(answer.verdict(), "unproved", "an empty body proves nothing");
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}: {error:?}");
        assert!(error.to_string().contains(part), "{body}: {error}");
        assert_eq!(error.context_value("method"), Some("list"), "{body}: {error}");
        assert_eq!(server.requests().len(), 1, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_are_no_objects_are_told() {
    let server = saying(r#"{"total":3,"items":[{"id":1},null,{"id":3}]}"#).await;
    let answer = db(&server).rows("SELECT id FROM acme.shop.widgets").await;
    // Three elements, as the total says.
    assert_eq!(answer.rows, [["1"], [NULL], ["3"]]);
    assert_eq!((answer.verdict(), answer.report.misfits), ("complete", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_no_columns_counts_rows() {
    let server = Server::start(paged(widgets(45), 20, 20, true)).await;
    let mut db = db(&server);
    assert_eq!(db.rows("SELECT count(*) AS n FROM acme.shop.widgets WHERE ok").await.rows, [["23"]]);
    assert_eq!(db.rows("SELECT 1 AS one FROM acme.shop.widgets LIMIT 2").await.rows, [["1"], ["1"]]);
    assert_eq!(server.requests().len(), 4);
}
