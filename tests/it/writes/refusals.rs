//! What must not be sent, or not be taken for done.

use serde_json::{Value, json};
use skyql::{Env, ErrorKind};
use tempfile::TempDir;

use super::{db, journaled, pair, sent};
use crate::support::documents::provider_dir;
use crate::support::query::Db;
use crate::support::server::{Reply, Seen, Server};

const HOSTS: &str = "\
openapi: 3.0.3
info: {title: Acme, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /hosts:
    get:
      responses:
        '200':
          description: hosts
          content: {application/json: {schema: {type: object, properties: {items: {type: array, items: {
            type: object, properties: {id: {type: integer}, label: {type: string}}}}}}}}
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {label: {type: string}}}}}}
      responses: {'200': {description: made, content: {application/json: {schema: {$ref: '#/components/schemas/host'}}}}}
    delete:
      responses: {'204': {description: all gone}}
  /hosts/{host_id}:
    parameters: [{name: host_id, in: path, required: true, schema: {type: integer}}]
    get:
      responses: {'200': {description: a host, content: {application/json: {schema: {$ref: '#/components/schemas/host'}}}}}
    patch:
      requestBody: {content: {application/json: {schema: {
        type: object, additionalProperties: true, properties: {reason: {type: string}}}}}}
      responses: {'200': {description: changed, content: {application/json: {schema: {$ref: '#/components/schemas/host'}}}}}
components:
  schemas:
    host:
      type: object
      properties: {id: {type: integer}, label: {type: string}, notes: {type: string}}
  x-stackQL-resources:
    hosts:
      id: acme.shop.hosts
      name: hosts
      title: Hosts
      keys: {host_id: id}
      methods:
        list:
          operation: {$ref: '#/paths/~1hosts/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.items}
          config: {pagination: {kind: none}}
        get:
          operation: {$ref: '#/paths/~1hosts~1{host_id}/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
        create:
          operation: {$ref: '#/paths/~1hosts/post'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
        change:
          operation: {$ref: '#/paths/~1hosts~1{host_id}/patch'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
      sqlVerbs:
        select:
          - {$ref: '#/components/x-stackQL-resources/hosts/methods/list'}
          - {$ref: '#/components/x-stackQL-resources/hosts/methods/get'}
        insert:
          - {$ref: '#/components/x-stackQL-resources/hosts/methods/create'}
        update:
          - {$ref: '#/components/x-stackQL-resources/hosts/methods/change'}
    sweeps:
      id: acme.shop.sweeps
      name: sweeps
      title: Sweeps
      methods:
        purge:
          operation: {$ref: '#/paths/~1hosts/delete'}
          response: {mediaType: application/json, openAPIDocKey: '204'}
      sqlVerbs:
        select:
          - {$ref: '#/components/x-stackQL-resources/sweeps/methods/purge'}
        delete:
          - {$ref: '#/components/x-stackQL-resources/sweeps/methods/purge'}
";

async fn hosts(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Server, Db) {
    let server = Server::start(handler).await;
    let dir = provider_dir("acme", "v1", &[("shop", &HOSTS.replace("SERVER", &server.url()))], "type: null_auth");
    let db = Db::with(dir, |builder| builder.env(Env::empty()).no_journal());
    (server, db.set("confirm", "never"))
}

fn two_hosts(seen: &Seen) -> Reply {
    match seen.method.as_str() {
        "GET" => Reply::json(200, json!({"items": [{"id": 1, "label": "a"}, {"id": 2, "label": "b"}]})),
        _ => Reply::json(200, json!({"id": 1})),
    }
}

fn changes(server: &Server) -> usize {
    server.requests().iter().filter(|seen| seen.method != "GET").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_is_never_sent_as_a_new_value() {
    let (server, mut db) = hosts(two_hosts).await;
    // `anything` is a field that the document does not name, `reason` one that it does.
    let text = "UPDATE acme.shop.hosts SET anything = 'x' WHERE host_id = 1 AND reason = 'broken'";
    db.error(text).await;
    assert_eq!(changes(&server), 0, "{:?}", server.paths());
    db.rows("UPDATE acme.shop.hosts SET anything = 'x' WHERE host_id = 1").await;
    let seen = server.requests().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.json()), ("PATCH", json!({"anything": "x"})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_lacks_what_it_reads_refuses_the_write() {
    let (server, mut db) = hosts(two_hosts).await;
    // The list does not answer with `notes`; the detail would.
    let error = db.error("INSERT INTO acme.shop.hosts (label) SELECT notes FROM acme.shop.hosts").await;
    assert_eq!(error.kind(), ErrorKind::Partial, "{error}");
    let error = db.error("UPDATE acme.shop.hosts SET label = 'x' WHERE notes IS NULL").await;
    assert_eq!(error.kind(), ErrorKind::Partial, "{error}");
    assert_eq!(changes(&server), 0, "{:?}", server.paths());
}

#[tokio::test(flavor = "multi_thread")]
async fn select_calls_nothing_that_changes_something() {
    let (server, mut db) = hosts(|_| Reply::empty(204)).await;
    let error = db.error("SELECT * FROM acme.shop.sweeps").await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(server.requests().is_empty());
    // It names no object: nobody knows how many go.
    let mut careful = db.set("confirm", "auto");
    let error = careful.error("DELETE FROM acme.shop.sweeps WHERE true").await;
    assert!(server.requests().is_empty(), "{error}");
    let error = careful.error("EXEC acme.shop.sweeps.purge").await;
    assert!(error.message().contains("unknown number") && server.requests().is_empty(), "{error}");
    careful.set("confirm", "never").rows("EXEC acme.shop.sweeps.purge").await;
    assert_eq!(server.paths(), ["/hosts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_do_not_say_whether_it_was_done_are_unknown() {
    type Answer = fn() -> Reply;
    let cases: [(&str, Answer, bool); 9] = [
        ("502", || Reply::empty(502), true),
        ("500", || Reply::empty(500), true),
        ("503", || Reply::empty(503), true),
        ("408", || Reply::empty(408), true),
        ("302", || Reply::empty(302).header("location", "http://127.0.0.1:9/"), true),
        ("cut", || Reply::json(200, json!({"id": 1, "label": "abcdefgh"})).truncated(5), true),
        ("400", || Reply::json(400, json!({"error": "no"})), false),
        ("409", || Reply::json(409, json!({"error": "busy"})), false),
        ("422", || Reply::json(422, json!({"errors": [{"field": "label", "reason": "too long"}]})), false),
    ];
    for (name, reply, unknown) in cases {
        let (server, mut db) = hosts(move |_| reply()).await;
        let error = db.error("INSERT INTO acme.shop.hosts (label) VALUES ('x')").await;
        assert_eq!(error.context_value("unknown").is_some(), unknown, "{name}: {error}");
        assert_eq!(server.requests().len(), 1, "{name}: what was sent is not sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_apply_and_resume_stores_nothing() {
    let server = Server::start(|seen| match seen.json()["label"].as_str() {
        Some("bad") => Reply::json(400, json!({"errors": [{"reason": "bad"}]})),
        _ => Reply::json(200, json!({"id": 1})),
    })
    .await;
    let dir = TempDir::new().unwrap();
    let mut db = journaled(&server, &dir);
    let values =
        |label: &str| format!("INSERT INTO linode.volumes.volumes (label, size) VALUES ('{label}', 10), ('x', 10)");
    let plan = db.start(&format!("PLAN {}", values("fine"))).await.unwrap().note().unwrap().to_owned();
    let error = db.error(&format!("{}, ('y', 10), ('z', 10), ('w', 10), ('v', 10)", values("bad"))).await;
    let statement = error.hint_text().unwrap().split('\'').nth(1).unwrap().to_owned();
    let files = || -> Value {
        let names = |folder: &str| {
            let entries = std::fs::read_dir(dir.path().join(folder)).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        };
        json!([names("plans"), names("journal")])
    };
    let (before, sent) = (files(), server.requests().len());
    let engine = super::builder(&server).state_dir(dir.path()).build().unwrap();
    let mut session = engine.session();
    for text in [format!("APPLY '{}'", plan.split('\'').nth(1).unwrap()), format!("RESUME '{statement}'")] {
        let pending = session.plan_write(&text).await.unwrap().unwrap();
        let shown = session.store_plan(pending).await.unwrap();
        assert!(shown.note().unwrap().starts_with("nothing was sent"), "{text}");
    }
    assert_eq!((files(), server.requests().len()), (before, sent));
    // What was looked at can still be applied.
    assert_eq!(db.rows(&format!("APPLY '{}'", plan.split('\'').nth(1).unwrap())).await.rows.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_no_list() {
    let server = Server::start(|_| Reply::json(200, json!({"id": "private/1"}))).await;
    let mut db = db(&server);
    let values = |tags: &str| format!("INSERT INTO linode.images.images (disk_id, tags) VALUES (1, '{tags}')");
    let error = db.error(&values(r#"{"a": 1}"#)).await;
    assert!(error.message().contains("`tags` takes a JSON array"), "{error}");
    assert!(sent(&server).is_empty());
    db.rows(&values("one")).await;
    assert_eq!(sent(&server), [pair("POST /v4/images", r#"{"disk_id":1,"tags":["one"]}"#)]);
}
