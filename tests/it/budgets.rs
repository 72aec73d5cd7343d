//! `max_calls`: what is known to be too much is refused before the first call, and what is not is not.

use serde_json::json;
use skyql::{Env, ErrorKind};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, provider_dir, widgets, widgets_service};
use crate::support::query::{Db, texts};
use crate::support::server::{Reply, Server};

fn db(server: &Server) -> Db {
    Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)))
}

async fn shop() -> Server {
    Server::start(paged(widgets(30), 20, 100, true)).await
}

const SIX: &str = "SELECT id FROM acme.shop.widgets WHERE id IN (1, 2, 3) UNION ALL \
                   SELECT id FROM acme.shop.widgets WHERE id IN (4, 5, 6)";

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_all_tables_that_are_surely_read_are_known_together() {
    let server = shop().await;
    for (sql, most, needed) in [
        ("SELECT id FROM acme.shop.widgets WHERE id IN (1, 2, 3)", 2, "3 calls"),
        ("SELECT id FROM acme.shop.widgets", 0, "1 call"),
        (SIX, 5, "6 calls"),
        ("SELECT count(*) FROM acme.shop.widgets WHERE id IN (1, 2, 3) LIMIT 1", 2, "3 calls"),
        ("SELECT id FROM acme.shop.widgets WHERE id IN (1, 2, 3) ORDER BY name LIMIT 1", 2, "3 calls"),
        // Two of the five are the same.
        (
            "SELECT id FROM acme.shop.widgets WHERE id IN (1, 2, 3) UNION ALL \
             SELECT id FROM acme.shop.widgets WHERE id IN (3, 2)",
            2,
            "3 calls",
        ),
        (
            "SELECT (SELECT max(name) FROM acme.shop.widgets WHERE id IN (1, 2)), \
             (SELECT max(name) FROM acme.shop.widgets WHERE id IN (3, 4))",
            3,
            "4 calls",
        ),
    ] {
        let error = db(&server).set("max_calls", &most.to_string()).error(sql).await;
        assert_eq!(error.kind(), ErrorKind::Budget, "{sql}");
        let said = format!("the statement needs {needed} or more, and `max_calls` is {most}");
        assert_eq!(error.message(), said, "{sql}");
        let enough = needed.split(' ').next().unwrap();
        assert_eq!(error.hint_text(), Some(format!("`SET max_calls = {enough}` allows as many").as_str()), "{sql}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_need_not_be_made_are_no_reason_to_refuse() {
    for (sql, most, rows, calls) in [
        ("SELECT id FROM acme.shop.widgets WHERE id IN (1, 2, 3) LIMIT 1", 2, 1, 1),
        ("SELECT * FROM (SELECT id FROM acme.shop.widgets WHERE id IN (1, 2, 3)) w WHERE id > 0 LIMIT 1", 2, 1, 1),
        // Equal calls are one.
        (
            "WITH w AS (SELECT * FROM acme.shop.widgets WHERE id IN (1, 2, 3)) \
             SELECT (SELECT count(*) FROM w), (SELECT max(name) FROM w)",
            3,
            1,
            3,
        ),
        (
            "SELECT id FROM acme.shop.widgets WHERE id = 3 UNION ALL SELECT id FROM acme.shop.widgets WHERE id = 3",
            1,
            2,
            1,
        ),
    ] {
        let server = shop().await;
        let answer = db(&server).set("max_calls", &most.to_string()).rows(sql).await;
        assert_eq!(
            (answer.rows.len(), answer.report.calls, server.requests().len()),
            (rows, calls, usize::try_from(calls).unwrap()),
            "{sql}"
        );
    }
    // Answers that are kept need no call.
    let server = shop().await;
    let mut db = db(&server).set("cache", "1h");
    db.rows(SIX).await;
    let mut db = db.set("max_calls", "0");
    assert_eq!(db.rows(SIX).await.rows.len(), 6);
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_what_the_budget_would_refuse() {
    let server = shop().await;
    let mut db = db(&server).set("max_calls", "5");
    let refused = "refused before the first call: the statement needs 6 calls or more, and `max_calls` is 5";
    let lines = db.rows(&format!("EXPLAIN {SIX}")).await;
    assert!(lines.column(0).contains(&refused), "{lines:#?}");
    assert!(lines.column(0).contains(&"calls in all: 6; equal calls are made once"), "{lines:#?}");
    let mut result = db.start(&format!("EXPLAIN {SIX}")).await.unwrap();
    result.prefer_program_form();
    let at = result.schema().index_of("refused").unwrap();
    let cells = texts(&result.read_all().await.unwrap()[0]).remove(0);
    assert_eq!(cells[at], "\"the statement needs 6 calls or more, and `max_calls` is 5\"");
    let error = db.error(&format!("EXPLAIN ANALYZE {SIX}")).await;
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert!(server.requests().is_empty());
    let mut db = db.set("max_calls", "6");
    let lines = db.rows(&format!("EXPLAIN {SIX}")).await;
    assert!(!lines.column(0).iter().any(|line| line.starts_with("refused")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_tokens_are_calls() {
    let tokens = Server::start(|_| Reply::json(200, json!({"access_token": "t"}))).await;
    let api = Server::start(paged(widgets(3), 20, 100, true)).await;
    let auth = format!(
        "type: oauth2\ngrant_type: client_credentials\nclient_id_env_var: ACME_ID\nclient_secret_env_var: ACME_KEY\n\
         token_url: '{}/token'",
        tokens.url()
    );
    let service = widgets_service(&api.url(), &(Paging::Page.document() + STATED_TOTAL), "$.items");
    let open = || {
        let env = Env::empty().with("ACME_ID", "me").with("ACME_KEY", "hush");
        Db::with(provider_dir("acme", "v1", &[("shop", &service)], &auth), |builder| builder.env(env))
    };
    let sql = "SELECT id FROM acme.shop.widgets";
    let mut db = open();
    assert_eq!(db.rows(sql).await.report.calls, 2);
    assert_eq!(db.rows(sql).await.report.calls, 1, "there is one already");
    assert_eq!((tokens.requests().len(), api.requests().len()), (1, 2));
    let mut db = open().set("max_calls", "1");
    let error = db.error(sql).await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Budget, "stopped after 1 call"));
    assert_eq!((tokens.requests().len(), api.requests().len()), (2, 2));
    assert_eq!(db.rows(sql).await.report.calls, 1);
}
