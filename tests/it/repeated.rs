//! What an API repeats of secrets: no message, log or record shows it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use skyql::{Env, ErrorKind};
use tempfile::TempDir;

use crate::support::documents::{Paging, STATED_TOTAL, provider_dir, widgets, widgets_service};
use crate::support::program::Home;
use crate::support::query::Db;
use crate::support::server::{Reply, Seen, Server};

const TOKEN: &str = "hush/token+1";

fn shop(server: &Server, paging: Paging, auth: &str) -> TempDir {
    let pages = paging.document() + STATED_TOTAL;
    provider_dir("acme", "v1", &[("shop", &widgets_service(&server.url(), &pages, "$.items"))], auth)
}

fn db(server: &Server, auth: &str) -> Db {
    let env = Env::empty().with("ACME_KEY", TOKEN);
    Db::with(shop(server, Paging::Page, auth), |builder| builder.env(env))
}

fn spellings() -> [String; 4] {
    [TOKEN, "hush%2Ftoken%2B1", "hush%2ftoken%2b1", "hush\\/token+1"].map(str::to_owned)
}

fn assert_hidden(text: &str) {
    assert!(!spellings().iter().any(|spelled| text.contains(spelled.as_str())) && !text.contains("hush"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_fit_shows_no_credential() {
    // So that the credential would be cut where the example ends.
    for before in ["", "a text that goes on for as long as it may: "] {
        for spelled in spellings() {
            let body = format!(r#"{{"items": [{{"id": "{before}{spelled}", "name": "a"}}], "total": 1}}"#);
            let server = Server::start(move |_| Reply::text(200, "application/json", body.clone())).await;
            let mut db = db(&server, "type: bearer\ncredentialsenvvar: ACME_KEY");
            let answer = db.rows("SELECT id, name FROM acme.shop.widgets").await;
            let warned = answer.warnings().join("\n");
            assert!(warned.contains("is not an integer"), "{warned}");
            assert_hidden(&warned);
            let error = db.set("schema", "strict").error("SELECT id, name FROM acme.shop.widgets").await;
            assert!(error.message().starts_with("a value does not fit its column: \""), "{error}");
            assert!(error.message().ends_with(" is not an integer"), "{error}");
            assert_hidden(&format!("{error} {error:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_link_that_holds_the_key_shows_it_nowhere() {
    let server = Server::start(|seen: &Seen| {
        assert_eq!(seen.query_value("api_key").as_deref(), Some(TOKEN));
        match seen.query_value("cursor").as_deref() {
            None => {
                let next = format!("/widgets?cursor=2&api_key={}", spellings()[1]);
                Reply::json(200, json!({"items": widgets(2), "links": {"next": next}}))
            }
            Some("2") => Reply::json(500, json!({"message": format!("no, {TOKEN}")})),
            other => panic!("{other:?}"),
        }
    })
    .await;
    let auth = "type: custom\nlocation: query\nname: api_key\ncredentialsenvvar: ACME_KEY";
    let documents = shop(&server, Paging::NextUrl, auth);
    let home = Home::new();
    let record = home.path("calls.json");
    let mut command = home.command(&["-v", "--record", record.to_str().unwrap(), "--providers"]);
    command.arg(documents.path()).env("ACME_KEY", TOKEN);
    command.args(["-c", "SET retries = 0; SELECT id FROM acme.shop.widgets"]);
    let done = command.output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("cursor=2"), "{said}");
    assert!(said.contains("the API answered 500: no, …"), "{said}");
    assert_hidden(&said);
    for file in [record.clone(), record.with_extension("jsonl")].iter().filter(|file| file.is_file()) {
        assert_hidden(&std::fs::read_to_string(file).unwrap());
    }
    assert_eq!(server.requests().len(), 2);
}

/// Where an answer may repeat the credential beside its own message.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_shows_no_credential_wherever_it_is_repeated() {
    const LONG: &str = "Hush-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789";
    type Case = (&'static str, fn() -> Reply, &'static str);
    let cases: [Case; 7] = [
        (
            "an id",
            || Reply::json(500, json!({"message": "no"})).header("x-request-id", &format!("for-{LONG}")),
            "for-***",
        ),
        ("a text", || Reply::text(200, "application/json", format!("{LONG} is wrong")), "it begins with `… is wrong`"),
        (
            "a text behind",
            || Reply::text(200, "application/json", format!("the token is {LONG}")),
            "it begins with `the token is …`",
        ),
        ("a type", || Reply::text(200, &format!("image/{LONG}"), "x"), "answered with `image/***`"),
        (
            "a path",
            || Reply::empty(302).header("location", &format!("/v2/{LONG}/x?y={LONG}")),
            "redirects to `/v2/…/x`",
        ),
        (
            "a host",
            || Reply::empty(302).header("location", &format!("https://me:mine@{LONG}.example/x")),
            "redirects to `https://….example/x`",
        ),
        (
            "a link",
            || {
                let link = format!("https://{LONG}.example/x");
                Reply::json(200, json!({"items": widgets(1), "links": {"next": link}}))
            },
            "it leads to another origin, `https://….example`",
        ),
    ];
    for (place, reply, said) in cases {
        let server = Server::start(move |_| reply()).await;
        let documents = shop(&server, Paging::NextUrl, "type: bearer\ncredentialsenvvar: ACME_KEY");
        let env = Env::empty().with("ACME_KEY", LONG);
        let error = Db::with(documents, |builder| builder.env(env))
            .set("retries", "0")
            .error("SELECT id FROM acme.shop.widgets")
            .await;
        let text = format!("{error} {:?} {error:?}", error.hint_text());
        assert!(text.contains(said), "{place}: {text}");
        assert!(!text.to_lowercase().contains("hush") && !text.contains("0123456789-"), "{place}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_link_with_the_token_in_its_path_shows_it_nowhere() {
    let server = Server::start(|seen: &Seen| {
        if seen.path == "/widgets" {
            let next = format!("/{}/widgets?cursor=2", spellings()[1]);
            return Reply::json(200, json!({"items": widgets(2), "links": {"next": next}}));
        }
        Reply::json(500, json!({"message": "no"}))
    })
    .await;
    let documents = shop(&server, Paging::NextUrl, "type: bearer\ncredentialsenvvar: ACME_KEY");
    let home = Home::new();
    let mut command = home.command(&["-v", "--providers"]);
    command.arg(documents.path()).env("ACME_KEY", TOKEN);
    let done = command.args(["-c", "SET retries = 0; SELECT id FROM acme.shop.widgets"]).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("/***/widgets?cursor=2") && said.contains("/…/widgets"), "{said}");
    assert_hidden(&said);
    assert_eq!(server.paths()[1], format!("/{}/widgets", spellings()[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_read_gives_is_in_no_error() {
    let server = Server::start(|seen: &Seen| {
        let given = seen.query_value("passphrase").unwrap_or_else(|| seen.path.clone());
        let said =
            if given == "abc" { "abc is too short for an abcdef".to_owned() } else { format!("{given} is wrong") };
        Reply::json(400, json!({"message": said}))
    })
    .await;
    let document = widgets_service(&server.url(), &Paging::Page.document(), "$.items")
        .replace("name: color", "name: passphrase")
        .replace(
            "widget_id, in: path, required: true, schema: {type: integer}",
            "widget_id, in: path, required: true, schema: {type: string, format: password}",
        )
        .replace("widget_id", "widget_password");
    let dir = provider_dir("acme", "v1", &[("shop", &document)], "type: null_auth");
    let mut db = Db::new(dir);
    for (given, said) in [
        ("hunter22", "the API answered 400: *** is wrong"),
        ("hunter 22/é", "the API answered 400: *** is wrong"),
        ("abc", "the API answered 400: *** is too short for an abcdef"),
    ] {
        let error = db.error(&format!("SELECT id FROM acme.shop.widgets WHERE passphrase = '{given}'")).await;
        assert_eq!((error.kind(), error.message()), (ErrorKind::Api, said));
        assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
    }
    // The path of the request is shown as well.
    let error = db.error("SELECT label FROM acme.shop.parts WHERE widget_password = 'hunter22'").await;
    assert_eq!(error.context_value("request"), Some(format!("GET {}/widgets/***/parts", server.url()).as_str()));
}

const STARTED: &str = "INSERT /*+ AWAIT */ INTO linode.images.images (disk_id, label) VALUES (123, 'gold')";

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_waited_for_shows_no_credential() {
    let server = Server::start(|seen: &Seen| {
        let said = seen.header("authorization").unwrap_or_default().to_owned();
        let status = if seen.method == "GET" { said } else { "creating".to_owned() };
        Reply::json(200, json!({"id": "private/15", "label": "gold", "status": status}))
    })
    .await;
    let mut db = crate::support::shipped::db(&server).set("await_timeout", "1s").set("await_interval", "1s");
    let error = db.error(STARTED).await;
    assert_eq!(error.kind(), ErrorKind::Partial, "{error:?}");
    assert!(error.message().ends_with("its state is `Bearer …`"), "{error}");
    assert!(!format!("{error:?}").contains("linode-token"), "{error:?}");
}

const GRANT: &str = "type: oauth2\ngrant_type: client_credentials\nclient_id_env_var: ACME_ID\n\
    client_secret_env_var: ACME_KEY\ntoken_url: 'TOKENS'";

fn by_grant(api: &Server, token_url: &str) -> Db {
    let env = Env::empty().with("ACME_ID", "me").with("ACME_KEY", TOKEN).with("ACME_REALM", "realm-of-ours");
    Db::with(shop(api, Paging::Page, &GRANT.replace("TOKENS", token_url)), |builder| builder.env(env))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_takes_no_token_is_not_asked_for_one_per_call() {
    let given = AtomicUsize::new(0);
    let tokens = Server::start(move |_: &Seen| {
        let number = given.fetch_add(1, Ordering::SeqCst) + 1;
        Reply::json(200, json!({"access_token": format!("hush-t{number}")}))
    })
    .await;
    let api = Server::start(|seen: &Seen| {
        let said = seen.header("authorization").unwrap_or_default().to_owned();
        // The one before is no less a secret than this one.
        Reply::json(401, json!({"message": format!("{said} is not known, nor is hush-t1")}))
    })
    .await;
    let mut db = by_grant(&api, &format!("{}/token", tokens.url()));
    for _ in 0..5 {
        let error = db.error("SELECT id FROM acme.shop.widgets").await;
        assert_eq!(error.message(), "the API did not accept the credential: Bearer … is not known, nor is …");
    }
    assert_eq!((tokens.requests().len(), api.requests().len()), (2, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_is_shown_as_the_document_writes_it() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&heard);
    let tokens = Server::start(move |seen: &Seen| {
        kept.lock().unwrap().push(seen.path.clone());
        let sent = seen.header("authorization").map_or_else(String::new, str::to_owned);
        let form = String::from_utf8_lossy(&seen.body).into_owned();
        let long = "x".repeat(2_000);
        Reply::json(
            400,
            json!({"error": "invalid_client", "error_description": format!("{sent} {form} is bad\n{long}")}),
        )
    })
    .await;
    let api = Server::start(|_: &Seen| Reply::json(200, Value::Null)).await;
    let mut db = by_grant(&api, &format!("{}/{{{{ .__env__ACME_REALM }}}}/token", tokens.url()));
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert_eq!(
        error.context_value("request"),
        Some(format!("POST {}/{{{{ .__env__ACME_REALM }}}}/token", tokens.url()).as_str())
    );
    let said = format!("{error} {error:?}");
    assert!(error.message().chars().count() < 600 && !error.message().contains('\n'), "{said}");
    assert!(!said.contains("realm-of-ours"), "{said}");
    // `me:hush%2Ftoken%2B1` as it was sent, and as a form sends it.
    assert!(!said.contains("aHVzaCUyRn") && !said.contains("bWU6aHVzaCU"), "{said}");
    assert_hidden(&said);
    assert_eq!(*heard.lock().unwrap(), ["/realm-of-ours/token", "/realm-of-ours/token"]);
}
