//! EXEC … FROM 'file', bodies that are no object, forms of parts.

use serde_json::{Value, json};
use skyql::engine::Found;
use skyql::{Engine, Env, ErrorKind};
use tempfile::TempDir;

use super::{DEPOT, at, depot, depot_documents, line, only};
use crate::support::documents::provider_dir;
use crate::support::query::Db;
use crate::support::server::{Reply, Seen, Server};
use crate::support::shipped::builder;

fn blob(_: &Seen) -> Reply {
    Reply::json(200, json!({"id": "b1", "size": 3}))
}

fn file(dir: &TempDir, name: &str, content: &[u8]) -> String {
    let path = at(dir, name);
    std::fs::write(&path, content).unwrap();
    path
}

fn body(seen: &Seen) -> String {
    String::from_utf8(seen.body.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_the_whole_body() {
    let server = Server::start(blob).await;
    let dir = TempDir::new().unwrap();
    let content: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[n as usize % 4]).collect();
    let path = file(&dir, "a.png", &content);
    let mut db = depot(&server);
    let mut result =
        db.start(&format!("EXEC depot.store.blobs.store @id = '7', @x_kind = 'raw' FROM '{path}'")).await.unwrap();
    assert!(result.note().unwrap().starts_with("sent `a.png`: 700000 bytes, sha256 "), "{:?}", result.note());
    result.read_all().await.unwrap();
    let seen = only(&server);
    assert_eq!((line(&seen).as_str(), seen.header("content-length")), ("PUT /api/blobs/7", Some("700000")));
    assert_eq!((seen.header("content-type"), seen.header("x-kind")), (Some("image/png"), Some("raw")));
    assert!(seen.body == content && seen.header("transfer-encoding").is_none());
    let transfer = result.report().transfer.unwrap();
    assert_eq!((transfer.bytes, transfer.total), (700_000, Some(700_000)));

    // An empty file is a body all the same.
    let path = file(&dir, "empty.png", b"");
    db.rows(&format!("EXEC depot.store.blobs.store @id = '8' FROM '{path}'")).await;
    assert_eq!(server.requests()[1].header("content-length"), Some("0"));
    // So is a text.
    db.rows("EXEC depot.store.blobs.text @@text = 'it''s {not} JSON'").await;
    let seen = &server.requests()[2];
    assert_eq!((body(seen).as_str(), seen.header("content-type")), ("it's {not} JSON", Some("text/plain")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_parts_carries_fields_and_files() {
    let server = Server::start(blob).await;
    let dir = TempDir::new().unwrap();
    let (image, signature) = (file(&dir, "disk \"1\".img", b"\x00\xff--\r\n"), file(&dir, "d.sig", b"sig"));
    let answer = depot(&server)
        .rows(&format!(
            "EXEC depot.store.blobs.form @label = 'it''s', @tags = '[\"a\", \"b\"]', @meta = '{{\"k\": 1}}' \
             FROM '{image}' AS data, '{signature}' AS signature"
        ))
        .await;
    assert_eq!(answer.rows, [["b1", "3"]]);
    let seen = only(&server);
    let boundary = seen.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let mut wanted = Vec::new();
    let plain = |name: &str| format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
    wanted.extend(format!("{}\r\n\r\nit's\r\n", plain("label")).into_bytes());
    wanted.extend(format!("{}\r\nContent-Type: application/json\r\n\r\n{{\"k\":1}}\r\n", plain("meta")).into_bytes());
    wanted.extend(format!("{}\r\n\r\na\r\n{}\r\n\r\nb\r\n", plain("tags"), plain("tags")).into_bytes());
    let head = |name: &str, file: &str| {
        format!("{}; filename=\"{file}\"\r\nContent-Type: application/octet-stream\r\n\r\n", plain(name))
    };
    wanted.extend(head("data", "disk %221%22.img").into_bytes());
    wanted.extend(b"\x00\xff--\r\n\r\n");
    wanted.extend(head("signature", "d.sig").into_bytes());
    wanted.extend(format!("sig\r\n--{boundary}--\r\n").into_bytes());
    assert_eq!(String::from_utf8_lossy(&seen.body), String::from_utf8_lossy(&wanted));
    assert_eq!(seen.header("content-length"), Some(wanted.len().to_string().as_str()));

    // Fields alone need no EXEC.
    depot(&server).rows("INSERT INTO depot.store.blobs (title, n) VALUES ('x', '5') RETURNING id").await;
    let seen = &server.requests()[1];
    let boundary = seen.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let plain = |name: &str| format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
    let wanted = format!("{}\r\n\r\n5\r\n{}\r\n\r\nx\r\n--{boundary}--\r\n", plain("n"), plain("title"));
    assert_eq!((line(seen).as_str(), body(seen)), ("POST /api/notes", wanted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_body_may_be_a_list() {
    let server = Server::start(|_| Reply::empty(204)).await;
    let mut db = depot(&server);
    db.rows("EXEC depot.store.blobs.list @@json = '[{\"b\": 1, \"a\": null}, 2]'").await;
    let seen = only(&server);
    assert_eq!(
        (body(&seen).as_str(), seen.header("content-type")),
        (r#"[{"a":null,"b":1},2]"#, Some("application/json"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_body_is_refused_before_anything_is_sent() {
    let server = Server::start(blob).await;
    let dir = TempDir::new().unwrap();
    let f = file(&dir, "f", b"x");
    let mut db = depot(&server);
    for (text, kind, said) in [
        (format!("store @id = '1' FROM '{}'", at(&dir, "none")), ErrorKind::NameNotFound, "there is no file"),
        (format!("store @id = '1' FROM '{}'", dir.path().display()), ErrorKind::InvalidArgument, "is a directory"),
        ("store @id = '1'".to_owned(), ErrorKind::MissingParameter, "needs a body of type `image/png`"),
        (format!("store @id = '1' FROM '{f}', '{f}'"), ErrorKind::InvalidArgument, "takes one file"),
        (format!("store @id = '1' FROM '{f}' AS x"), ErrorKind::InvalidArgument, "no file can be its `x`"),
        (format!("store @id = '1', @@text = 'x' FROM '{f}'"), ErrorKind::InvalidArgument, "one body"),
        (format!("store @id = '1', @y = 'x' FROM '{f}'"), ErrorKind::NameNotFound, "takes no `y`"),
        ("store @id = '1', @@json = '{}'".to_owned(), ErrorKind::InvalidArgument, "of type `image/png`"),
        ("list @@json = '{}'".to_owned(), ErrorKind::InvalidArgument, "that is of type array"),
        ("list @@text = '[]'".to_owned(), ErrorKind::InvalidArgument, "that is of type array"),
        ("list @x = 1".to_owned(), ErrorKind::NameNotFound, "takes no `x`"),
        (format!("list FROM '{f}'"), ErrorKind::InvalidArgument, "no file such as"),
        ("ticket @@json = '[]'".to_owned(), ErrorKind::InvalidArgument, "that is of type object"),
        ("info @@json = '{}'".to_owned(), ErrorKind::InvalidArgument, "takes no body"),
        (format!("form @label = 'x' FROM '{f}'"), ErrorKind::InvalidArgument, "which field"),
        (format!("form @label = 'x' FROM '{f}' AS dta"), ErrorKind::NameNotFound, "takes no `dta`"),
        (format!("form FROM '{f}' AS data"), ErrorKind::MissingParameter, "`label`"),
        ("form @label = 'x'".to_owned(), ErrorKind::MissingParameter, "`data`"),
        ("form @label = 'x', @data = 'y'".to_owned(), ErrorKind::InvalidArgument, "is a file"),
        (format!("form @label = 'x' FROM '{f}' AS label"), ErrorKind::InvalidArgument, "given twice"),
        ("note @title = null".to_owned(), ErrorKind::InvalidArgument, "cannot be NULL"),
    ] {
        let error = db.error(&format!("EXEC depot.store.blobs.{text}")).await;
        assert!(error.kind() == kind && error.message().contains(said), "{text}: {error:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_steps_of_an_upload_and_the_token_goes_to_the_api_alone() {
    let store = Server::start(|_| Reply::empty(200)).await;
    let place = format!("{}/put/here?key=s3cret", store.url());
    let server = Server::start(move |_| Reply::json(200, json!({"id": "t1", "upload_to": place}))).await;
    let dir = TempDir::new().unwrap();
    let path = file(&dir, "d.img.gz", b"abc");
    let mut db = depot(&server);
    let answer = db.rows(&format!("EXEC depot.store.blobs.ticket @label = 'x' FROM '{path}' RETURNING id")).await;
    assert_eq!((answer.rows, answer.report.calls), (vec![vec!["t1".to_owned()]], 2));
    let first = only(&server);
    assert_eq!((line(&first).as_str(), body(&first).as_str()), ("POST /api/tickets", r#"{"label":"x"}"#));
    assert_eq!(first.header("authorization"), Some("Bearer the-token"));
    let second = only(&store);
    assert_eq!((line(&second).as_str(), body(&second).as_str()), ("PUT /put/here?key=s3cret", "abc"));
    assert_eq!(second.header("content-type"), Some("application/x-raw"));
    assert_eq!((second.header("content-length"), second.header("x-once")), (Some("3"), Some("yes")));
    assert!(!second.headers.iter().any(|(name, value)| name == "authorization" || value.contains("the-token")));

    // Both are known beforehand: the first is not sent where the second could not be.
    let mut db = db.set("max_calls", "1");
    let error = db.error(&format!("EXEC depot.store.blobs.ticket @label = 'x' FROM '{path}'")).await;
    assert_eq!(error.message(), "the statement needs 2 more calls, and `max_calls` leaves 1");
    assert_eq!((server.requests().len(), store.requests().len()), (1, 1));

    // Without a file it is the first step, and the answer says where the bytes go.
    let answer = db.rows("EXEC depot.store.blobs.ticket @label = 'x' RETURNING upload_to").await;
    assert_eq!((answer.rows, store.requests().len()), (vec![vec![format!("{}/put/here?key=s3cret", store.url())]], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_room_for_its_token_is_not_begun() {
    let tokens = Server::start(|_| Reply::json(200, json!({"access_token": "t"}))).await;
    let server = Server::start(|_| Reply::empty(204)).await;
    let auth = format!(
        "type: oauth2\ngrant_type: client_credentials\nclient_id_env_var: DEPOT_ID\nclient_secret_env_var: DEPOT_KEY\n\
         token_url: '{}/token'",
        tokens.url()
    );
    let documents = provider_dir("depot", "v1", &[("store", &DEPOT.replace("SERVER", &server.url()))], &auth);
    let env = Env::empty().with("DEPOT_ID", "me").with("DEPOT_KEY", "hush");
    let mut db = Db::with(documents, |builder| builder.env(env).no_journal()).set("max_calls", "1");
    let sql = "EXEC depot.store.blobs.text @@text = 'x'";
    let error = db.error(sql).await;
    assert_eq!(error.message(), "the statement needs 2 more calls, one of them for a token, and `max_calls` leaves 1");
    assert!(server.requests().is_empty() && tokens.requests().is_empty());
    let mut db = db.set("max_calls", "2");
    assert_eq!(db.rows(sql).await.report.calls, 2);
    // The token is there now.
    let mut db = db.set("max_calls", "1");
    assert_eq!(db.rows(sql).await.report.calls, 1);
    assert_eq!((server.requests().len(), tokens.requests().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_step_that_fails_says_that_the_first_is_done_and_nothing_is_sent_again() {
    let xml = "<Error><Code>Expired</Code><Message>The URL has expired.</Message></Error>";
    let store = Server::start(move |seen| match seen.path.as_str() {
        "/cut" => Reply::drop_connection(),
        _ => Reply::text(403, "application/xml", xml),
    })
    .await;
    let url = store.url();
    let server = Server::start(move |seen| {
        let place = match seen.json()["label"].as_str().unwrap() {
            "far" => json!("http://example.com/x"),
            "named" => json!("https://me:pw@example.com/x"),
            "none" => Value::Null,
            label => json!(format!("{url}/{label}?key=s3cret")),
        };
        Reply::json(200, json!({"id": "t1", "upload_to": place}))
    })
    .await;
    let dir = TempDir::new().unwrap();
    let path = file(&dir, "d.img", b"abc");
    for (label, said) in [
        ("late", "its host answered 403: The URL has expired"),
        ("cut", "closed before the answer"),
        ("far", "not an `https://` URL"),
        ("named", "holds a user name"),
        ("none", "no URL at `$.upload_to`"),
    ] {
        let text = format!("EXEC depot.store.blobs.ticket @label = '{label}' FROM '{path}'");
        let error = depot(&server).error(&text).await;
        assert!(error.message().starts_with("`ticket` was done, but `d.img` was not uploaded: "), "{error}");
        assert!(error.message().contains(said) && !format!("{error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(error.context_value("state"), Some("unknown"), "{error}");
    }
    assert_eq!((server.requests().len(), store.requests().len()), (5, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_the_file_and_holds_it_to_what_it_was() {
    let server = Server::start(blob).await;
    let (state, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = file(&dir, "a.png", b"hush-hush");
    let env = Env::empty().with("DEPOT_TOKEN", "the-token");
    let mut db = Db::with(depot_documents(&server.url()), |builder| builder.env(env).state_dir(state.path()));
    let text = format!("PLAN EXEC depot.store.blobs.store @id = '7' FROM '{path}'");
    let mut result = db.start(&text).await.unwrap();
    let id = result.note().unwrap().split('\'').nth(1).unwrap().to_owned();
    let rows = crate::support::query::texts(&result.read_all().await.unwrap()[0]);
    let shown = &rows[0][2];
    assert!(shown.starts_with("<a.png: 9 bytes, sha256 ") && !shown.contains("hush-hush"), "{shown}");
    for plan in std::fs::read_dir(state.path().join("plans")).unwrap() {
        let text = std::fs::read_to_string(plan.unwrap().path()).unwrap();
        assert!(!text.contains("hush-hush") && text.contains(&path), "{text}");
    }
    std::fs::write(&path, "hush-hash").unwrap();
    let error = db.error(&format!("APPLY '{id}'")).await;
    assert!(error.message().contains("changed since the plan was made"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(db.error(&format!("APPLY '{id}'")).await.kind(), ErrorKind::NameNotFound);
    assert!(server.requests().is_empty());
    std::fs::write(&path, "hush-hush").unwrap();
    db.rows(&format!("APPLY '{id}'")).await;
    assert_eq!(body(&server.requests()[0]), "hush-hush");
    let explained = db.rows("EXPLAIN EXEC depot.store.blobs.ticket @label = 'x'").await;
    assert!(!explained.rows[0][1].contains("then"), "{:?}", explained.rows);
    let explained = db.rows(&format!("EXPLAIN EXEC depot.store.blobs.ticket @label = 'x' FROM '{path}'")).await;
    assert!(explained.rows[0][1].contains(", then PUT <a.png: 9 bytes, sha256 "), "{:?}", explained.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_before_the_call_is_not_sent_and_not_unknown() {
    let server = Server::start(|_| Reply::drop_connection()).await;
    let (state, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = file(&dir, "a.png", b"abc");
    let documents = depot_documents(&server.url());
    let env = Env::empty().with("DEPOT_TOKEN", "the-token");
    let builder = Engine::builder().env(env).providers_dir(documents.path()).state_dir(state.path());
    let mut session = builder.build().unwrap().session();
    let text = format!("EXEC depot.store.blobs.store @id = '7' FROM '{path}'");
    let pending = session.plan_write(&text).await.unwrap().unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = session.apply(pending).await.unwrap_err();
    assert_eq!((error.kind(), error.context_value("state")), (ErrorKind::NameNotFound, None), "{error}");
    assert!(server.requests().is_empty());

    // What was found out to be not done is sent only with the file that was shown.
    std::fs::write(&path, "abc").unwrap();
    let error = session.sql(&text).await.unwrap_err();
    assert_eq!((error.context_value("state"), server.requests().len()), (Some("unknown"), 1), "{error}");
    let resume = format!("RESUME '{}'", error.hint_text().unwrap().split('\'').nth(1).unwrap());
    let mut pending = session.plan_write(&resume).await.unwrap().unwrap();
    pending.settle(0, Found::NotDone);
    std::fs::write(&path, "abd").unwrap();
    let error = session.apply(pending).await.unwrap_err();
    assert!(error.message().contains("changed since the plan was made"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_were_sent_and_not_answered_are_unknown_and_a_429_is_sent_again_whole() {
    let dropping = Server::start(|_| Reply::drop_connection()).await;
    let dir = TempDir::new().unwrap();
    let path = file(&dir, "a.png", b"abc");
    let text = format!("EXEC depot.store.blobs.store @id = '7' FROM '{path}'");
    let error = depot(&dropping).error(&text).await;
    assert_eq!((error.context_value("state"), dropping.requests().len()), (Some("unknown"), 1), "{error}");
    let busy = Server::script([Reply::empty(429).header("retry-after", "1"), blob_reply()]).await;
    let answer = depot(&busy).rows(&text).await;
    assert_eq!(busy.requests().iter().map(body).collect::<Vec<_>>(), ["abc", "abc"]);
    assert_eq!(answer.report.transfer.unwrap().bytes, 3, "each time it counts from nought");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_first_step_made_is_named_when_the_second_fails() {
    let store = Server::start(|_| Reply::empty(403)).await;
    let url = store.url();
    let made = move |_: &Seen| {
        let image = json!({"id": "private/9", "label": "x", "status": "pending_upload"});
        Reply::json(200, json!({"image": image, "upload_to": format!("{url}/put?key=s3cret")}))
    };
    let server = Server::start(made).await;
    let (state, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = file(&dir, "d.img", b"abc");
    let mut db = Db::of(builder(&server).state_dir(state.path()));
    let error =
        db.error(&format!("EXEC linode.images.images.upload @label = 'x', @region = 'us-east' FROM '{path}'")).await;
    assert!(error.message().starts_with("`post_upload_image` was done, but `d.img` was not uploaded"), "{error}");
    assert_eq!(error.context_value("made"), Some("imageId = private/9"), "{error:?}");
    assert_eq!(error.context_value("state"), Some("unknown"), "{error:?}");
    let journal = db.rows("SHOW JOURNAL").await;
    assert_eq!((journal.column(7), journal.column(9)), (vec!["unknown"], vec![r#"{"imageId":"private/9"}"#]));
    assert_eq!((server.requests().len(), store.requests().len()), (1, 1));
}

fn blob_reply() -> Reply {
    Reply::json(200, json!({"id": "b1", "size": 3}))
}
