//! Bad input: what the user reads, and that no request goes where it should not.
//!
//! *Owns*: one test per way in which a statement, an answer, a document or a set-up can be wrong.
//! *Invariants*: a message is asserted whole, as kind, text, place and hint; waits pass on a clock of the tests' own.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

mod answers;
mod objects;
mod speed;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use serde_json::json;
use skyql::clock::{Clock, SystemClock};
use skyql::engine::EngineBuilder;
use skyql::{Engine, Env, Error, ErrorKind, QueryReport, Session};
use tempfile::TempDir;

use crate::support::documents::{
    Paging, STATED_TOTAL, acme_dir, list_api, paged, provider_dir, widgets, widgets_service,
};
use crate::support::server::{Gate, Piece, RefusingPort, Reply, Seen, Server};

/// A clock on which waiting takes no time.
#[derive(Debug, Default)]
struct Leaping {
    waited_ms: AtomicU64,
}

impl Leaping {
    fn waited(&self) -> Duration {
        Duration::from_millis(self.waited_ms.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Clock for Leaping {
    fn now(&self) -> Instant {
        SystemClock.now() + self.waited()
    }

    fn utc(&self) -> SystemTime {
        SystemClock.utc() + self.waited()
    }

    async fn sleep(&self, duration: Duration) {
        let ms = u64::try_from(duration.as_millis()).unwrap();
        self.waited_ms.fetch_add(ms, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

fn builder() -> EngineBuilder {
    Engine::builder().clock(Arc::new(Leaping::default()))
}

/// A session over the widgets' shop at `url`. The directory is needed for as long as documents are read.
fn shop(url: &str, pagination: &str) -> (Session, TempDir) {
    let dir = acme_dir(url, pagination);
    (builder().providers_dir(dir.path()).build().unwrap().session(), dir)
}

/// The usual shop: numbered pages, and a total.
fn usual() -> String {
    Paging::Page.document() + STATED_TOTAL
}

/// Runs a statement to its end.
async fn run(session: &mut Session, sql: &str) -> Result<(usize, QueryReport), Error> {
    let mut result = session.sql(sql).await?;
    let rows = result.read_all().await?.iter().map(RecordBatch::num_rows).sum();
    Ok((rows, result.report()))
}

/// The error of a statement that must fail.
async fn fails(session: &mut Session, sql: &str) -> Error {
    match run(session, sql).await {
        Ok((rows, _)) => panic!("{sql}: {rows} rows instead of an error"),
        Err(error) => error,
    }
}

/// An error as one text: kind, message, context, place, hint.
fn told(error: &Error) -> String {
    let mut text = format!("{}: {error}", error.kind().name());
    if let Some(place) = error.position() {
        write!(text, " at {}:{}", place.line, place.column).unwrap();
    }
    if let Some(hint) = error.hint_text() {
        write!(text, " | {hint}").unwrap();
    }
    text
}

/// [`told`], with the server's address as `SERVER` or `HOST`.
fn told_of(error: &Error, url: &str) -> String {
    told(error).replace(url, "SERVER").replace(url.split("//").nth(1).unwrap(), "HOST")
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_suggest_the_nearest_and_send_nothing() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    for (sql, wanted) in [
        ("SELECT 1 FROM acm.shop.widgets", "name_not_found: no provider `acm` at 1:15 | did you mean `acme`?"),
        (
            "SELECT 1 FROM acme.shp.widgets",
            "name_not_found: `acme` has no service `shp` at 1:15 | did you mean `shop`?",
        ),
        (
            "SELECT 1 FROM acme.shop.widget",
            "name_not_found: `acme.shop` has no resource `widget` at 1:15 | did you mean `widgets`?",
        ),
        (
            "SELECT 1 FROM acme.shop.xyz",
            "name_not_found: `acme.shop` has no resource `xyz` at 1:15 | it has `widgets`, `parts`",
        ),
        (
            "SELECT id, nam FROM acme.shop.widgets",
            "name_not_found: there is no column `nam` at 1:12 | did you mean `name`?",
        ),
        (
            "SELECT id FROM acme.shop.widgets\nWHERE siez > 1",
            "name_not_found: there is no column `siez` at 2:7 | did you mean `size`?",
        ),
        (
            "SELECT w.sise FROM acme.shop.widgets AS w",
            "name_not_found: there is no column `w.sise` at 1:8 | did you mean `size`?",
        ),
        (
            "SELECT id FROM acme.shop.widgets(colour => 'red')",
            "name_not_found: `acme.shop.widgets` has no parameter `colour` at 1:16 | did you mean `color`?",
        ),
        (
            "DESCRIBE METHOD acme.shop.widgets.lst",
            "name_not_found: `acme.shop.widgets` has no method `lst` | did you mean `list`?",
        ),
        ("SET max_call = 3", "name_not_found: there is no setting `max_call` | did you mean `max_calls`, `max_wait`?"),
        (
            "SELECT 1 FROM acme.shop",
            "name_not_found: `acme.shop` is not a table at 1:15 | name it `acme.shop.resource`; `SHOW RESOURCES IN acme.shop` lists them",
        ),
        (
            "SELECT lenght(name) FROM acme.shop.widgets",
            "name_not_found: there is no function `lenght` at 1:8 | did you mean `length`?",
        ),
    ] {
        assert_eq!(told(&fails(&mut session, sql).await), wanted, "{sql}");
    }
    assert_eq!(server.paths(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn syntax_errors_know_their_place_and_send_nothing() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    for (sql, wanted) in [
        ("SELECT id FRM acme.shop.widgets", "syntax: the statement should end before `acme` at 1:15"),
        ("SELECT id\nFROM acme.shop.widgets\nWHERE = 1", "syntax: expected an expression, found = at 3:7"),
        ("SELECT id FROM acme.shop.widgets WHERE", "syntax: expected an expression, found the end at 1:39"),
        ("SELECT (id FROM acme.shop.widgets", "syntax: expected ), found FROM at 1:12"),
        (
            "SELECT 'id FROM acme.shop.widgets",
            "syntax: unterminated string literal at 1:8 | a quote inside a text is written twice: `'it''s'`",
        ),
        (
            "SHOW SERVICES",
            "syntax: IN is missing: SHOW SERVICES IN provider | `USE provider.service` lets names leave out their beginning",
        ),
        (
            "SELECT 1; SELECT 2",
            "syntax: there is more than one statement | give exactly one, or split the text with `skyql::sql::split`",
        ),
    ] {
        assert_eq!(told(&fails(&mut session, sql).await), wanted, "{sql}");
    }
    assert_eq!(server.paths(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_the_wrong_type_are_told_plainly() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    let error = fails(&mut session, "SELECT sum(name) FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(!error.message().to_lowercase().contains("internal error"), "{error}");
    assert!(!error.message().contains("filing a bug"), "{error}");
    assert_eq!(error.message(), "no function matches `sum(text)`");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("`sum(integer)`")), "{error:?}");
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets WHERE page = 'many'").await;
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.message().contains("page") && error.message().contains("many"), "{error}");
    assert_eq!(server.paths(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_parameters_are_listed_per_method_and_send_nothing() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    for (sql, wanted) in [
        (
            "SELECT * FROM acme.shop.parts",
            "missing_parameter: `acme.shop.parts` cannot be read without parameters at 1:15 | `list` needs `widget_id` (integer); give parameters as `name = value` in WHERE, or by `=` in a join, IN or EXISTS",
        ),
        (
            "SELECT * FROM acme.shop.parts WHERE label = 'x'",
            "missing_parameter: no method of `acme.shop.parts` can be called with these predicates at 1:15 | `list` needs `widget_id` (integer); give parameters as `name = value` in WHERE, or by `=` in a join, IN or EXISTS",
        ),
    ] {
        assert_eq!(told(&fails(&mut session, sql).await), wanted, "{sql}");
    }
    // A parameter that is no column can be given, not compared.
    for sql in [
        "SELECT id FROM acme.shop.parts WHERE widget_id > 5",
        "SELECT id FROM acme.shop.widgets WHERE color LIKE 'r%'",
        "SELECT id FROM acme.shop.widgets WHERE color = 'red' OR size > 3",
        "SELECT id, color FROM acme.shop.widgets",
    ] {
        let error = fails(&mut session, sql).await;
        assert!(matches!(error.kind(), ErrorKind::MissingParameter | ErrorKind::InvalidArgument), "{sql}: {error:?}");
        let name = if sql.contains("color") { "`color`" } else { "`widget_id`" };
        assert!(told(&error).contains(name), "{sql}: {error:?}");
    }
    assert_eq!(server.paths(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_token_names_its_variable_and_sends_nothing() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let service = widgets_service(&server.url(), &usual(), "$.items");
    let auth = "type: bearer\ncredentialsenvvar: ACME_TOKEN";
    let dir = provider_dir("acme", "v1", &[("shop", &service)], auth);
    for env in [Env::empty(), Env::empty().with("ACME_TOKEN", ""), Env::empty().with("OTHER", "hush-other")] {
        let mut session = builder().env(env).providers_dir(dir.path()).build().unwrap().session();
        let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
        assert_eq!(
            told(&error),
            "auth: `acme` needs a credential, but `ACME_TOKEN` is not set | `export ACME_TOKEN=…`, or try the sandbox with `--sandbox`"
        );
    }
    assert_eq!(server.paths(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_token_names_its_variable_and_is_not_sent_twice() {
    for (status, body, wanted) in [
        (
            401,
            json!({"errors": [{"reason": "Invalid Token"}]}),
            "auth: the API did not accept the credential: Invalid Token (method: list, request: GET SERVER/widgets, status: 401) | check `ACME_TOKEN`",
        ),
        (
            403,
            json!({"message": "You are not authorized."}),
            "auth: the API forbids this: You are not authorized (method: list, request: GET SERVER/widgets, status: 403) | the credential lacks a permission or a scope",
        ),
    ] {
        let server = Server::start(move |_| Reply::json(status, body.clone())).await;
        let service = widgets_service(&server.url(), &usual(), "$.items");
        let dir = provider_dir("acme", "v1", &[("shop", &service)], "type: bearer\ncredentialsenvvar: ACME_TOKEN");
        let env = Env::empty().with("ACME_TOKEN", "hush-token");
        let mut session = builder().env(env).providers_dir(dir.path()).build().unwrap().session();
        let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
        assert_eq!(told_of(&error, &server.url()), wanted);
        let seen = server.requests();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].header("authorization"), Some("Bearer hush-token"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_host_is_named() {
    let refusing = RefusingPort::take();
    let (mut session, _dir) = shop(&refusing.url(), &usual());
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!(
        told_of(&error, &refusing.url()),
        "network: connection refused (host: HOST, attempts: 5, method: list, request: GET SERVER/widgets) | nothing listens there, or a firewall forbids it"
    );
    run(&mut session, "SET retries = 0").await.unwrap();
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.context_value("attempts"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_in_a_time_out() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::start(move |seen| match seen.query_value("color").as_deref() {
        Some("half") => Reply::json(200, json!({"items": widgets(2), "total": 2})).gated_after(20, &held),
        _ => Reply::hang(),
    })
    .await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    run(&mut session, "SET timeout = '50ms'").await.unwrap();
    run(&mut session, "SET retries = 0").await.unwrap();
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!(
        told_of(&error, &server.url()),
        "network: timed out waiting for the answer (host: HOST, waited: 0.05 s, method: list, request: GET SERVER/widgets) | `SET timeout` gives it longer"
    );
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets WHERE color = 'half'").await;
    assert_eq!(
        told_of(&error, &server.url()),
        "network: timed out in the middle of the answer (host: HOST, waited: 0.05 s, status: 200, method: list, request: GET SERVER/widgets) | `SET timeout` gives it longer"
    );
    assert_eq!(server.paths(), ["/widgets"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_at_a_plain_port_fails_and_sends_no_request() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let secure = server.url().replace("http:", "https:");
    let service = widgets_service(&secure, &usual(), "$.items");
    let dir = provider_dir("acme", "v1", &[("shop", &service)], "type: bearer\ncredentialsenvvar: ACME_TOKEN");
    let env = Env::empty().with("ACME_TOKEN", "hush-token");
    let mut session = builder().env(env).providers_dir(dir.path()).build().unwrap().session();
    run(&mut session, "SET retries = 0").await.unwrap();
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(error.message(), "TLS failure: no secure connection could be set up");
    assert!(error.context_value("tls").is_some_and(|reason| !reason.is_empty()), "{error}");
    assert_eq!(server.paths(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_what_they_should_be() {
    let rows = json!({"items": widgets(3), "total": 3}).to_string();
    let whole = rows.clone();
    let server = Server::start(move |seen| match seen.query_value("color").as_deref() {
        Some("html") => Reply::text(200, "text/html; charset=utf-8", "<!doctype html><title>Sign in</title>"),
        Some("image") => Reply::text(200, "image/png", b"\x89PNG\r\n".to_vec()),
        Some("plain") => Reply::text(200, "text/plain", whole.clone()),
        Some("truncated") => Reply::text(200, "application/json", whole[..whole.len() - 30].to_owned()),
        Some("prose") => Reply::text(200, "application/json", "all is well"),
        Some("cut") => Reply::text(200, "application/json", whole.clone()).truncated(40),
        Some("scalar") => Reply::json(200, json!(17)),
        Some("nowhere") => Reply::json(200, json!({"data": []})),
        Some("empty") => Reply::empty(200),
        _ => Reply::json(500, json!({"error": "no such case"})),
    })
    .await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    run(&mut session, "SET retries = 0").await.unwrap();
    let at = "method: list, request: GET SERVER/widgets";
    for (color, wanted) in [
        (
            "html",
            format!(
                "decode: the API answered with `text/html` where JSON was expected ({at}, status: 200) | is the base URL right? a proxy or a login page may have answered"
            ),
        ),
        (
            "image",
            format!(
                "decode: the API answered with `image/png` where JSON was expected ({at}, status: 200) | is the base URL right? a proxy or a login page may have answered"
            ),
        ),
        (
            "cut",
            format!("network: the connection was closed in the middle of the answer (host: HOST, status: 200, {at})"),
        ),
    ] {
        let error = fails(&mut session, &format!("SELECT id FROM acme.shop.widgets WHERE color = '{color}'")).await;
        assert_eq!(told_of(&error, &server.url()), wanted, "{color}");
    }
    for color in ["truncated", "prose"] {
        let error = fails(&mut session, &format!("SELECT id FROM acme.shop.widgets WHERE color = '{color}'")).await;
        assert_eq!(error.kind(), ErrorKind::Decode, "{color}: {error:?}");
        assert_eq!(error.context_value("method"), Some("list"), "{color}: {error:?}");
        assert!(error.context_value("request").is_some_and(|url| url.ends_with("/widgets")), "{color}: {error:?}");
    }
    // JSON by another name is still JSON.
    let (rows, _) = run(&mut session, "SELECT id FROM acme.shop.widgets WHERE color = 'plain'").await.unwrap();
    assert_eq!(rows, 3);
    // What holds no rows is no proof that there are none.
    for color in ["scalar", "nowhere", "empty"] {
        let sql = format!("SELECT id FROM acme.shop.widgets WHERE color = '{color}'");
        let (rows, report) = run(&mut session, &sql).await.unwrap();
        assert_eq!((rows, report.verdict()), (0, skyql::Verdict::Unproved), "{color}: {report:?}");
        assert_eq!(report.warnings.len(), 1, "{color}: {report:?}");
    }
    assert_eq!(server.requests().len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_answer_is_asked_for_again() {
    let whole = json!({"items": widgets(3), "total": 3}).to_string();
    let server = Server::script([
        Reply::text(200, "application/json", whole.clone()).truncated(40),
        Reply::drop_connection(),
        Reply::json(503, json!({"error": "busy"})),
        Reply::text(200, "application/json", whole),
    ])
    .await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    let (rows, report) = run(&mut session, "SELECT id FROM acme.shop.widgets").await.unwrap();
    assert_eq!((rows, report.calls, report.retries), (3, 4, 3));
    assert_eq!(report.verdict(), skyql::Verdict::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_inside_a_200_is_an_error() {
    let server = Server::start(|seen| {
        let parameters: serde_json::Value =
            serde_json::from_str(&seen.form_value("req").unwrap_or_default()).unwrap_or_default();
        Reply::json(
            200,
            match parameters["image_id"].as_str() {
                None => json!({"success": "no", "error": "Authentication failure: bad signature"}),
                Some(_) => json!({"success": "no", "error": "Image is &quot;busy&quot;."}),
            },
        )
    })
    .await;
    let env = Env::empty().with("LUNANODE_API_ID", "hushidhushidhush").with("LUNANODE_API_KEY", "hush-key".repeat(16));
    let mut session = builder().env(env).base_url("lunanode", &server.url()).build().unwrap().session();
    let error = fails(&mut session, "SELECT name FROM lunanode.images.images").await;
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
    assert_eq!(error.message(), "the API refused the call: Authentication failure: bad signature");
    assert_eq!(error.hint_text(), Some("check `LUNANODE_API_ID` and `LUNANODE_API_KEY`"));
    let error = fails(&mut session, "SELECT size FROM lunanode.images.images WHERE image_id = '7'").await;
    assert_eq!(error.kind(), ErrorKind::Api, "{error:?}");
    assert_eq!(error.message(), "the API refused the call: Image is \"busy\"");
    assert_eq!(error.context_value("status"), Some("200"));
    // It was an answer, so it is not asked for again.
    assert_eq!(server.requests().len(), 2, "{:?}", server.paths());
}
