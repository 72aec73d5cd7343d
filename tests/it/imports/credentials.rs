//! Credentials of imported documents: tokens that are asked for, keys in cookies.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::skyql;
use crate::support::server::{Reply, Seen, Server};

const SECRET: &str = "s3cr3t/&=";

/// An API with a list and this credential.
fn document(schemes: &str, security: &str) -> String {
    format!(
        "openapi: 3.0.3\ninfo: {{title: t, version: '1'}}\nservers: [{{url: SERVER}}]\nsecurity: {security}\n\
         paths:\n  /parcels:\n    get:\n      operationId: listParcels\n      responses:\n        '200':\n          description: d\n\
         \x20         content: {{application/json: {{schema: {{type: array, items: {{type: object, properties: {{id: {{type: integer}}}}}}}}}}}}\n\
         components: {{securitySchemes: {schemes}}}\n"
    )
}

fn by_client(token_url: &str) -> String {
    let flow = format!("{{tokenUrl: '{token_url}', scopes: {{read: r, write: w}}}}");
    document(&format!("{{o: {{type: oauth2, flows: {{clientCredentials: {flow}}}}}}}"), "[{o: [read]}]")
}

/// What `SELECT count(*)` gives in one run of these statements, and what was said.
fn ask(server: &Server, text: &str, statements: &str, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    std::fs::write(&file, text.replace("SERVER", &server.url())).unwrap();
    let done = skyql(home.path())
        .envs(variables.iter().copied())
        .args(["--openapi", &format!("acme={}", file.display()), "-v", "-o", "jsonl", "-c", statements])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

const CLIENT: [(&str, &str); 2] = [("ACME_CLIENT_ID", "me"), ("ACME_CLIENT_SECRET", SECRET)];
const TWICE: &str = "SELECT count(*) AS n FROM acme.parcels.parcels; SELECT id FROM acme.parcels.parcels";

fn form(seen: &Seen) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&seen.body).into_owned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_once_and_in_no_output() {
    let tokens = Server::start(|_: &Seen| {
        Reply::json(200, json!({"access_token": "t0k3n-1", "token_type": "Bearer", "expires_in": 3600}))
    })
    .await;
    let api = Server::start(|seen: &Seen| match seen.header("authorization") {
        Some("Bearer t0k3n-1") => Reply::json(200, json!([{"id": 1}])),
        other => Reply::json(403, json!({"message": format!("{other:?} is not known")})),
    })
    .await;
    let text = by_client(&format!("{}/oauth/token", tokens.url()));
    let (code, out, said) = ask(&api, &text, TWICE, &CLIENT);
    assert_eq!((code, out.as_str()), (Some(0), "{\"n\":1}\n{\"id\":1}\n"), "{said}");
    let asked = tokens.requests();
    assert_eq!(asked.len(), 1, "one token serves both statements");
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("POST", "/oauth/token"));
    // RFC 6749 §2.3.1: id and secret are encoded as in a form first.
    assert_eq!(asked[0].header("authorization"), Some("Basic bWU6czNjcjN0JTJGJTI2JTNE"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(form(&asked[0]), [pair("grant_type", "client_credentials"), pair("scope", "read")]);
    assert!(api.requests().iter().all(|seen| seen.header("authorization") == Some("Bearer t0k3n-1")));
    for secret in ["t0k3n", SECRET, "s3cr3t", "czNjcjN0"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(said.contains(&format!("POST {}/oauth/token 200", tokens.url())), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_over_is_asked_for_anew() {
    // The first is refused by the API although it should last; the second lasts no time at all.
    let count = AtomicUsize::new(0);
    let tokens = Server::start(move |_: &Seen| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let lasts = if number == 1 { json!(3600) } else { json!("0") };
        Reply::json(200, json!({"access_token": format!("t{number}"), "expires_in": lasts}))
    })
    .await;
    let api = Server::start(|seen: &Seen| match seen.header("authorization") {
        Some("Bearer t1") => Reply::json(401, json!({"message": "expired"})),
        _ => Reply::json(200, json!([{"id": 1}])),
    })
    .await;
    let (code, _, said) = ask(&api, &by_client(&format!("{}/token", tokens.url())), TWICE, &CLIENT);
    assert_eq!(code, Some(0), "{said}");
    let sent: Vec<_> = api.requests().iter().map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    assert_eq!(sent, [bearer("t1"), bearer("t2"), bearer("t3")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_the_secret_in_the_body_gets_it_there() {
    let tokens = Server::start(|seen: &Seen| {
        let fields = form(seen);
        let has = |name: &str, value: &str| fields.iter().any(|(n, v)| n == name && v == value);
        if seen.header("authorization").is_none() && has("client_id", "me") && has("client_secret", SECRET) {
            return Reply::json(200, json!({"access_token": "t"}));
        }
        Reply::json(401, json!({"error": "invalid_client"}))
    })
    .await;
    let api = Server::start(|_: &Seen| Reply::json(200, json!([{"id": 1}]))).await;
    let (code, _, said) = ask(&api, &by_client(&format!("{}/token", tokens.url())), TWICE, &CLIENT);
    assert_eq!((code, tokens.requests().len()), (Some(0), 2), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_an_error_that_says_what_to_set() {
    let elsewhere = Server::start(|_: &Seen| Reply::json(200, json!({"access_token": "stolen"}))).await;
    let away = format!("{}/token", elsewhere.url());
    let tokens = Server::start(move |seen: &Seen| match seen.path.as_str() {
        "/moved" => Reply::json(307, Value::Null).header("location", &away),
        "/empty" => Reply::json(200, json!({"ok": true})),
        // Some servers repeat what they were sent.
        _ => Reply::json(400, json!({"error": "invalid_client", "error_description": format!("bad secret {SECRET}")})),
    })
    .await;
    let api = Server::start(|_: &Seen| Reply::json(200, json!([]))).await;
    let at = |path: &str| by_client(&format!("{}{path}", tokens.url()));
    for (text, variables, says) in [
        (at("/token"), &CLIENT[..], "no token was given: bad secret …"),
        (at("/token"), &CLIENT[..], "`ACME_CLIENT_ID` and `ACME_CLIENT_SECRET` are those of a client"),
        (at("/moved"), &CLIENT[..], "no token was given"),
        (at("/empty"), &CLIENT[..], "holds no `access_token`"),
        (at("/token"), &CLIENT[..1], "`ACME_CLIENT_SECRET` is not set"),
        (by_client("http://tokens.acme.test/token"), &CLIENT[..], "over TLS only"),
    ] {
        let (code, _, said) = ask(&api, &text, "SELECT * FROM acme.parcels.parcels", variables);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(says) && !said.contains("s3cr3t"), "{says}: {said}");
    }
    assert_eq!((api.requests().len(), elsewhere.requests().len()), (0, 0), "nothing is sent without, or elsewhere");
}

#[test]
fn a_sandbox_gives_tokens_too() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    std::fs::write(&file, by_client("https://login.acme.test/token").replace("SERVER", "https://api.acme.test"))
        .unwrap();
    let done = skyql(home.path())
        .args(["--openapi", file.to_str().unwrap(), "--sandbox", "-q", "-o", "jsonl"])
        .args(["-c", "SELECT count(*) > 0 AS some FROM api.parcels.parcels"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "{\"some\":true}\n", "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_cookies_are_one_header() {
    let api = Server::start(|_: &Seen| Reply::json(200, json!([{"id": 1}]))).await;
    let two = "{sid: {type: apiKey, in: cookie, name: sid}, csrf: {type: apiKey, in: cookie, name: csrf}}";
    let one = document("{sid: {type: apiKey, in: cookie, name: sid}}", "[{sid: []}]");
    for (text, variables, expected) in [
        (one, &[("ACME_API_KEY", "abc")][..], "sid=abc"),
        (document(two, "[{sid: [], csrf: []}]"), &[("ACME_SID", "abc"), ("ACME_CSRF", "def")][..], "sid=abc; csrf=def"),
    ] {
        let (code, _, said) = ask(&api, &text, "SELECT * FROM acme.parcels.parcels", variables);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(api.requests().last().unwrap().header("cookie"), Some(expected));
        assert!(!said.contains("abc"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_query_is_sent_there_and_in_no_output() {
    let api = Server::start(|_: &Seen| Reply::json(200, json!([{"id": 1}]))).await;
    let text = document("{key: {type: apiKey, in: query, name: access key}}", "[{key: []}]");
    let (code, out, said) = ask(&api, &text, "SELECT * FROM acme.parcels.parcels", &[("ACME_API_KEY", SECRET)]);
    assert_eq!((code, out.as_str()), (Some(0), "{\"id\":1}\n"), "{said}");
    let seen = api.requests();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].query_value("access key").as_deref(), Some(SECRET));
    assert_eq!(seen[0].header("authorization"), None);
    assert!(!said.contains("s3cr3t"), "{said}");
}
