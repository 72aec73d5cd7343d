//! What a statement says of itself: footer, warnings, verdicts, values that did not fit.

use serde_json::{Value, json};
use skyql::{ErrorKind, Verdict};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, widgets};
use crate::support::query::{Db, NULL};
use crate::support::server::{Reply, Server};

fn db(server: &Server) -> Db {
    Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)))
}

/// One page of these rows.
async fn rows(rows: Vec<Value>) -> Server {
    Server::start(paged(rows, 100, 100, true)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_footer_is_short_when_all_is_well() {
    let server = rows(widgets(3)).await;
    let answer = db(&server).rows("SELECT id FROM acme.shop.widgets").await;
    let footer = answer.report.footer();
    assert!(footer.starts_with("3 rows · 1 call · ") && footer.ends_with(" ms"), "{footer}");
    assert_eq!(footer.split(" · ").count(), 3, "{footer}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_counts_rows_calls_bytes_and_parts() {
    let server = Server::start(paged(widgets(45), 20, 20, true)).await;
    let mut db = db(&server);
    let mut result = db.start("SELECT id FROM acme.shop.widgets").await.unwrap();
    let batches = result.read_all().await.unwrap();
    assert_eq!(batches.len(), 3, "a page is a batch");
    let report = result.report();
    assert_eq!((report.rows, report.calls, report.retries, report.misfits, report.not_found), (45, 3, 0, 0, 0));
    assert_eq!(report.part_count, 1);
    assert!(report.parts.is_empty(), "only parts that are not complete are listed");
    assert_eq!(report.verdict(), Verdict::Complete);
    assert!(report.bytes > 45 * 50, "{}", report.bytes);
    assert!(report.first_row.unwrap() <= report.elapsed);
    assert!(report.warnings.is_empty());
    // Asked later, it says the same.
    assert_eq!(result.report().elapsed, report.elapsed);
    assert_eq!(result.message(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_part_is_listed_and_warns_of_nothing() {
    let server = Server::start(paged(widgets(45), 20, 20, true)).await;
    let answer = db(&server).rows("SELECT id FROM acme.shop.widgets LIMIT 2").await;
    assert_eq!(answer.verdict(), "truncated");
    let part = &answer.report.parts[0];
    assert_eq!((part.table.as_str(), part.part.as_str()), ("acme.shop.widgets", ""));
    assert_eq!(part.reason, "the query needs no more rows");
    assert_eq!(answer.report.footer().split(" · ").count(), 3, "{}", answer.report.footer());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_part_is_the_statements_verdict() {
    let server = Server::start(|seen| {
        let total = if seen.query_value("color").as_deref() == Some("red") { 1 } else { 2 };
        Reply::json(200, json!({"total": total, "items": widgets(1)}))
    })
    .await;
    let answer = db(&server).rows("SELECT id FROM acme.shop.widgets WHERE color IN ('red', 'blue') AND page = 1").await;
    assert_eq!(answer.verdict(), "truncated");
    assert_eq!(answer.report.part_count, 2);
    let sql = "SELECT id FROM acme.shop.widgets WHERE color = 'red' UNION ALL \
               SELECT id FROM acme.shop.parts WHERE widget_id = 1";
    let server = Server::start(|seen| {
        let total = if seen.path.ends_with("parts") { Value::Null } else { json!(1) };
        Reply::json(200, json!({"total": total, "items": widgets(1)}))
    })
    .await;
    assert_eq!(db(&server).rows(sql).await.verdict(), "complete");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_do_not_fit_are_null_and_counted() {
    let server = rows(vec![
        json!({"id": 1, "name": "fits", "size": 1.5, "ok": true}),
        json!({"id": "x2", "name": 7, "size": "large", "ok": "perhaps"}),
        json!({"id": 3.5, "name": {"a": 1}, "size": true, "ok": 2}),
    ])
    .await;
    let mut db = db(&server);
    let answer = db.rows("SELECT id, name, size, ok FROM acme.shop.widgets").await;
    assert_eq!(answer.rows[0], ["1", "fits", "1.5", "true"]);
    assert_eq!(answer.column(0), ["1", NULL, NULL]);
    assert_eq!(answer.column(2), ["1.5", NULL, NULL]);
    assert_eq!(answer.column(3), ["true", NULL, NULL]);
    let misfits: Vec<_> = answer
        .report
        .warnings
        .iter()
        .filter(|warning| warning.code == "misfit")
        .map(|warning| (warning.subject.as_str(), warning.count))
        .collect();
    assert!(misfits.contains(&("acme.shop.widgets.id", 2)), "{misfits:?}");
    assert!(misfits.contains(&("acme.shop.widgets.size", 2)), "{misfits:?}");
    assert!(misfits.contains(&("acme.shop.widgets.ok", 2)), "{misfits:?}");
    let counted: u64 = misfits.iter().map(|(_, count)| count).sum();
    assert_eq!(answer.report.misfits, counted);
    assert!(answer.report.footer().contains(&format!("{counted} values did not fit")), "{}", answer.report.footer());
    assert_eq!(answer.verdict(), "complete");
    // A column that is not read cannot fail to fit.
    let answer = db.rows("SELECT ok FROM acme.shop.widgets WHERE name = 'fits'").await;
    assert_eq!(answer.rows, [["true"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_strict_schema_a_misfit_is_an_error() {
    let server = rows(vec![json!({"id": 1, "size": "large"})]).await;
    let mut db = db(&server).set("schema", "strict");
    let error = db.error("SELECT id, size FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("size"), "{error}");
    assert!(error.to_string().contains("large"), "{error}");
    assert_eq!(db.rows("SELECT id FROM acme.shop.widgets").await.rows, [["1"]]);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn show_warnings_lists_those_of_the_last_query() {
    let server = rows(vec![json!({"id": 1, "size": "large"}), json!({"id": 1, "size": "huge"})]).await;
    let mut db = db(&server);
    assert!(db.rows("SHOW WARNINGS").await.rows.is_empty());
    db.rows("SELECT id, size FROM acme.shop.widgets").await;
    let answer = db.rows("SHOW WARNINGS").await;
    assert_eq!(answer.columns, ["level", "code", "subject", "count", "message"]);
    let short: Vec<_> = answer.rows.iter().map(|row| (row[1].as_str(), row[2].as_str(), row[3].as_str())).collect();
    assert_eq!(short, [("misfit", "acme.shop.widgets.size", "2"), ("moved", "acme.shop.widgets", "1")]);
    assert!(answer.rows.iter().all(|row| row[0] == "warning"));
    // Asking does not change the answer.
    assert_eq!(db.rows("SHOW WARNINGS").await.rows, answer.rows);
    db.rows("SELECT id FROM acme.shop.widgets WHERE id = 1 AND page = 1").await;
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn date_times_are_text_or_typed() {
    let server = rows(vec![
        json!({"id": 1, "created": "2024-02-03T04:05:06Z"}),
        json!({"id": 2, "created": "2024-02-03T04:05:06.789+02:00"}),
        json!({"id": 3, "created": "2018-01-01T00:01:01"}),
        json!({"id": 4, "created": null}),
    ])
    .await;
    let mut db = db(&server);
    let sql = "SELECT created FROM acme.shop.widgets ORDER BY id";
    let answer = db.rows(sql).await;
    assert_eq!(answer.types, ["Utf8"]);
    assert_eq!(
        answer.column(0),
        ["2024-02-03T04:05:06Z", "2024-02-03T04:05:06.789+02:00", "2018-01-01T00:01:01", NULL]
    );
    let recent = "SELECT id FROM acme.shop.widgets WHERE created >= TIMESTAMP '2024-02-03 03:00:00'";
    assert_eq!(db.rows(recent).await.ids(), [1]);
    let cast = "SELECT id FROM acme.shop.widgets WHERE CAST(created AS TIMESTAMP) < TIMESTAMP '2020-01-01'";
    assert_eq!(db.rows(cast).await.ids(), [3]);

    let mut db = db.set("timestamps", "typed");
    let answer = db.rows(sql).await;
    assert!(answer.types[0].starts_with("Timestamp(µs"), "{:?}", answer.types);
    assert_eq!(answer.column(0), ["2024-02-03T04:05:06Z", "2024-02-03T02:05:06.789Z", "2018-01-01T00:01:01Z", NULL]);
    assert_eq!(db.rows(recent).await.ids(), [1]);
    let text = "SELECT id FROM acme.shop.widgets WHERE created = '2024-02-03T04:05:06Z'";
    assert_eq!(db.rows(text).await.ids(), [1]);
    assert_eq!(answer.report.misfits, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_still_reports() {
    let server = Server::start(|_| Reply::json(400, json!({"error": "no"}))).await;
    let mut db = db(&server);
    let mut result = db.start("SELECT id FROM acme.shop.widgets").await.unwrap();
    let error = result.read_all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Api);
    let report = result.report();
    assert_eq!((report.calls, report.rows), (1, 0));
    assert_eq!(report.verdict(), Verdict::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_limit_is_reported() {
    let server = Server::script([
        Reply::json(429, json!({"error": "slow down"})).header("Retry-After", "7"),
        Reply::json(200, json!({"total": 1, "items": widgets(1)})),
    ])
    .await;
    let answer = db(&server).rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), [1]);
    assert_eq!((answer.report.calls, answer.report.retries), (2, 1));
    assert!(answer.report.waited.as_secs() >= 7, "{:?}", answer.report.waited);
    assert!(answer.report.footer().contains("1 retry"), "{}", answer.report.footer());
}
