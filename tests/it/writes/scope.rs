//! A write reaches what its WHERE means, where its WHERE says, and nothing beside.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use skyql::engine::Found;
use skyql::{Env, ErrorKind};
use tempfile::TempDir;

use super::{builder, image, journaled, list, program, sent};
use crate::support::documents::provider_dir;
use crate::support::query::Db;
use crate::support::server::{Gate, Reply, Seen, Server};

const FLEET: &str = "\
openapi: 3.0.3
info: {title: Fleet, version: v1}
servers:
  - url: 'http://{site}:PORT'
    variables: {site: {default: localhost}}
paths:
  /hosts:
    get:
      parameters: [{name: project, in: query, schema: {type: string}}]
      responses:
        '200':
          description: hosts
          content: {application/json: {schema: {type: array, items: {type: object, properties: {id: {type: integer}, label: {type: string}}}}}}
    post:
      parameters: [{name: project, in: query, required: true, schema: {type: string}}]
      requestBody: {content: {application/json: {schema: {type: object, properties: {label: {type: string}}}}}}
      responses: {'204': {description: made}}
    delete:
      parameters: [{name: host_id, in: query, required: true, schema: {type: integer}}]
      responses: {'204': {description: gone}}
    patch:
      requestBody: {content: {application/json: {schema: {type: object, properties: {label: {type: string}}}}}}
      responses: {'204': {description: changed}}
  /hosts/{host_id}:
    parameters:
      - {name: host_id, in: path, required: true, schema: {type: integer}}
      - {name: project, in: query, schema: {type: string}}
    delete:
      responses: {'204': {description: gone}}
  /many/{ids}:
    parameters: [{name: ids, in: path, required: true, schema: {type: array, items: {type: integer}}}]
    delete:
      responses: {'204': {description: gone}}
  /search:
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {label: {type: string}}}}}}
      responses: {'200': {description: hosts, content: {application/json: {schema: {type: array, items: {type: object, properties: {id: {type: integer}, label: {type: string}}}}}}}}
components:
  x-stackQL-resources:
    hosts:
      id: fleet.shop.hosts
      name: hosts
      keys: {host_id: id}
      methods:
        list:
          operation: {$ref: '#/paths/~1hosts/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
          config: {pagination: {kind: none}}
        create: {operation: {$ref: '#/paths/~1hosts/post'}, response: {openAPIDocKey: '204'}}
        change: {operation: {$ref: '#/paths/~1hosts/patch'}, response: {openAPIDocKey: '204'}}
        remove: {operation: {$ref: '#/paths/~1hosts/delete'}, response: {openAPIDocKey: '204'}}
        delete: {operation: {$ref: '#/paths/~1hosts~1{host_id}/delete'}, response: {openAPIDocKey: '204'}}
        many: {operation: {$ref: '#/paths/~1many~1{ids}/delete'}, response: {openAPIDocKey: '204'}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/hosts/methods/list'}]
        insert: [{$ref: '#/components/x-stackQL-resources/hosts/methods/create'}]
        update: [{$ref: '#/components/x-stackQL-resources/hosts/methods/change'}]
        delete: [{$ref: '#/components/x-stackQL-resources/hosts/methods/delete'}]
    finds:
      id: fleet.shop.finds
      name: finds
      methods:
        find:
          operation: {$ref: '#/paths/~1search/post'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
          config: {pagination: {kind: none}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/finds/methods/find'}]
        insert: [{$ref: '#/components/x-stackQL-resources/finds/methods/find'}]
";

async fn fleet(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Server, Db) {
    let server = Server::start(handler).await;
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    let dir = provider_dir("fleet", "v1", &[("shop", &FLEET.replace("PORT", &port))], "type: null_auth");
    (server, Db::with(dir, |builder| builder.env(Env::empty()).no_journal()))
}

fn two(seen: &Seen) -> Reply {
    if seen.method == "GET" {
        Reply::json(200, json!([{"id": 1, "label": "a"}, {"id": 2, "label": "b"}]))
    } else {
        Reply::empty(204)
    }
}

fn lines(server: &Server) -> Vec<String> {
    server.requests().iter().map(|seen| format!("{} {}", seen.method, seen.path_and_query())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_look_went_the_change_goes() {
    let (server, mut db) = fleet(two).await;
    db.rows("DELETE FROM fleet.shop.hosts WHERE project = 'staging' AND label = 'a'").await;
    assert_eq!(lines(&server), ["GET /hosts?project=staging", "DELETE /hosts/1?project=staging"]);
    db.rows("DELETE FROM fleet.shop.hosts WHERE site = '127.0.0.1' AND label = 'b'").await;
    let hosts: Vec<_> = server.requests()[2..].iter().map(|seen| seen.header("host").unwrap().to_owned()).collect();
    assert!(hosts.iter().all(|host| host.starts_with("127.0.0.1:")) && hosts.len() == 2, "{hosts:?}");

    let before = server.requests().len();
    for text in [
        "DELETE FROM fleet.shop.hosts WHERE project IN ('staging', 'live') AND label = 'a'",
        "DELETE FROM fleet.shop.hosts WHERE (project = 'staging' OR project = 'live') AND label = 'a'",
        "DELETE FROM fleet.shop.hosts WHERE (project = 'staging' OR label = 'b') AND label LIKE '%'",
    ] {
        let error = db.error(text).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}: {error}");
        assert!(error.message().contains("`project`"), "{error}");
    }
    assert_eq!(server.requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_goes_to_no_host_that_a_row_names() {
    let (server, mut db) = fleet(two).await;
    for text in [
        "INSERT INTO fleet.shop.hosts (site, project, label) SELECT label, 'p', label FROM fleet.shop.hosts",
        "INSERT INTO fleet.shop.hosts (site, project, label) SELECT 'x' || label, 'p', label FROM fleet.shop.hosts",
        "INSERT INTO fleet.shop.hosts (site, id, label) SELECT * FROM fleet.shop.hosts",
        "INSERT INTO fleet.shop.hosts (site, project, label) VALUES ((SELECT label FROM fleet.shop.hosts LIMIT 1), 'p', 'x')",
        "INSERT INTO fleet.shop.hosts (site, project) SELECT '127.0.0.1', 'p' UNION SELECT label, 'p' FROM fleet.shop.hosts",
    ] {
        let error = db.error(text).await;
        let known = matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::NameNotFound);
        assert!(known, "{text}: {error}");
        assert!(error.message().contains("`site`") || error.message().contains("`id`"), "{text}: {error}");
    }
    for set in ["site = label", "site = '127.0.0.1'"] {
        let error = db.error(&format!("UPDATE fleet.shop.hosts SET {set} WHERE id = 1")).await;
        assert!(error.message().contains("`site` says which object it is"), "{set}: {error}");
    }
    assert_eq!(lines(&server), Vec::<String>::new());

    // A host that the statement itself says is the user's own choice.
    db.rows("INSERT INTO fleet.shop.hosts (site, project, label) SELECT '127.0.0.1', 'p', label FROM fleet.shop.hosts WHERE id = 1").await;
    db.rows("INSERT INTO fleet.shop.hosts (site, project, label) VALUES ('127.0.' || '0.1', 'p', 'x')").await;
    let posts: Vec<_> = server.requests().into_iter().filter(|seen| seen.method == "POST").collect();
    assert_eq!(posts.len(), 2);
    assert!(posts.iter().all(|seen| seen.header("host").unwrap().starts_with("127.0.0.1:")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_a_host_and_a_list_of_hosts_hold_for_writes() {
    let server = Server::start(two).await;
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    let document = FLEET
        .replace("PORT", &port)
        .replace("{default: localhost}", "{default: localhost, enum: [localhost, '127.0.0.1']}")
        .replace("keys: {host_id: id}", "keys: {host_id: id, site: label}");
    let dir = provider_dir("fleet", "v1", &[("shop", &document)], "type: null_auth");
    let mut db = Db::with(dir, |builder| builder.env(Env::empty()).no_journal());
    let text = "INSERT INTO fleet.shop.hosts (site, project, label) VALUES ('evil.example', 'p', 'x')";
    let error = db.error(text).await;
    assert_eq!(error.message(), "`site` cannot be `evil.example`");
    assert_eq!(lines(&server), Vec::<String>::new());
    // The column of the key holds `a`, which is no host of the API's.
    db.rows("DELETE FROM fleet.shop.hosts WHERE label LIKE 'a%' AND id < 2").await;
    assert_eq!(lines(&server).last().map(String::as_str), Some("DELETE /hosts/1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_for_what_is_needed_is_not_everything() {
    let (server, mut db) = fleet(two).await;
    for text in [
        "EXEC fleet.shop.hosts.remove @host_id = NULL",
        "EXEC fleet.shop.hosts.many @ids = '[]'",
        "INSERT INTO fleet.shop.hosts (project, label) VALUES (NULL, 'x')",
    ] {
        let error = db.error(text).await;
        assert!(matches!(error.kind(), ErrorKind::MissingParameter | ErrorKind::InvalidArgument), "{text}: {error}");
    }
    assert_eq!(lines(&server), Vec::<String>::new());
    let error = db
        .error("INSERT INTO fleet.shop.hosts (project, label) SELECT NULLIF(label, 'a'), label FROM fleet.shop.hosts")
        .await;
    assert_eq!(error.kind(), ErrorKind::MissingParameter, "{error}");
    assert_eq!(lines(&server), ["GET /hosts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_one_object_is_not_one() {
    let (server, mut db) = fleet(two).await;
    for text in ["EXEC fleet.shop.hosts.many @ids = '[1, 2, 3]'", "UPDATE fleet.shop.hosts SET label = 'x' WHERE true"]
    {
        let error = db.error(text).await;
        assert!(!lines(&server).iter().any(|line| !line.starts_with("GET")), "{text}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_is_also_listed_to_insert_is_sent_once_and_reads_nothing() {
    let (server, db) = fleet(|_| Reply::json(502, json!({"message": "down"}))).await;
    let mut db = db.set("confirm", "never");
    let error = db.error("INSERT INTO fleet.shop.finds (label) VALUES ('x')").await;
    assert_eq!((error.context_value("state"), server.requests().len()), (Some("unknown"), 1), "{error}");
    assert_eq!(db.error("SELECT * FROM fleet.shop.finds").await.kind(), ErrorKind::Unsupported);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_literals_is_not_dropped() {
    let (server, mut db) = fleet(two).await;
    for text in ["SELECT TOP 0 'live', 'x'", "SELECT 'live', 'x' LIMIT 0", "SELECT 'live', 'x' WHERE false"] {
        let _refused_or_none = db.start(&format!("INSERT INTO fleet.shop.hosts (project, label) {text}")).await;
        assert_eq!(lines(&server), Vec::<String>::new(), "{text}");
    }
    db.rows("INSERT INTO fleet.shop.hosts (project, label) SELECT 'live', 'x'").await;
    assert_eq!(lines(&server), ["POST /hosts?project=live"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_looks_at_what_is_left_once_more() {
    let items: Arc<Mutex<Vec<Value>>> = Arc::new(Mutex::new(vec![
        image("private/1", "tmp-a"),
        image("private/2", "tmp-b"),
        image("private/3", "tmp-c"),
    ]));
    let held = Arc::clone(&items);
    let server = Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", _) => list(&held.lock().unwrap()),
        (_, "/v4/images/private%2F2") => Reply::json(400, json!({"errors": [{"reason": "in use"}]})),
        _ => {
            held.lock().unwrap().retain(|item| !seen.path.ends_with(&item["id"].as_str().unwrap().replace('/', "%2F")));
            Reply::json(200, json!({}))
        }
    })
    .await;
    let state = TempDir::new().unwrap();
    let mut db = journaled(&server, &state).set("on_row_error", "continue");
    let error = db.error("DELETE FROM linode.images.images WHERE label LIKE 'tmp-%'").await;
    let id = error.hint_text().unwrap().split('\'').nth(1).unwrap().to_owned();
    // The others are gone, which is what was wanted; the one that is left is sent again.
    let sends = || sent(&server).iter().filter(|(line, _)| line == "DELETE /v4/images/private%2F2").count();
    db.error(&format!("RESUME '{id}'")).await;
    assert_eq!(sends(), 2);
    items.lock().unwrap()[0]["label"] = json!("precious");
    let error = db.error(&format!("RESUME '{id}'")).await;
    assert!(error.message().contains("rows have changed"), "{error}");
    assert_eq!(sends(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_out_to_be_not_done_is_looked_at_once_more() {
    let items = Arc::new(Mutex::new(vec![image("private/1", "tmp-a"), image("private/2", "tmp-b")]));
    let (held, gate) = (Arc::clone(&items), Gate::new());
    let server = Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", _) => list(&held.lock().unwrap()),
        // Not before the other is there, which would not be sent after it.
        (_, "/v4/images/private%2F2") => Reply::json(502, json!({})).gated(&gate),
        _ => {
            gate.open();
            held.lock().unwrap().retain(|item| item["id"] != "private/1");
            Reply::json(200, json!({}))
        }
    })
    .await;
    let state = TempDir::new().unwrap();
    let mut session = builder(&server).state_dir(state.path()).build().unwrap().session();
    session.settings_mut().set("confirm", "never").unwrap();
    let error = session.sql("DELETE FROM linode.images.images WHERE label LIKE 'tmp-%'").await.unwrap_err();
    let resume = format!("RESUME '{}'", error.hint_text().unwrap().split('\'').nth(1).unwrap());
    let sends = || sent(&server).iter().filter(|(line, _)| line == "DELETE /v4/images/private%2F2").count();
    assert_eq!((error.context_value("state"), sends()), (Some("unknown"), 1), "{error}");
    let label = |label: &str| items.lock().unwrap()[0]["label"] = json!(label);

    label("precious");
    let mut pending = session.plan_write(&resume).await.unwrap().unwrap();
    pending.settle(1, Found::NotDone);
    let error = session.apply(pending).await.unwrap_err();
    assert!(error.message().contains("rows have changed"), "{error}");
    label("tmp-b");
    // The look takes the one call that is left.
    session.sql("SET max_calls = 1").await.unwrap();
    let mut pending = session.plan_write(&resume).await.unwrap().unwrap();
    pending.settle(1, Found::NotDone);
    assert_eq!(session.apply(pending).await.unwrap_err().kind(), ErrorKind::Budget);
    assert_eq!(sends(), 1);
    session.sql("RESET max_calls").await.unwrap();
    let mut pending = session.plan_write(&resume).await.unwrap().unwrap();
    pending.settle(1, Found::NotDone);
    session.apply(pending).await.unwrap_err();
    assert_eq!(sends(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_could_not_come_to_its_end_does_not_begin() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let state = TempDir::new().unwrap();
    let mut db = journaled(&server, &state);
    let delete = "DELETE FROM linode.images.images WHERE id IN ('private/1', 'private/2', 'private/3')";
    let plan = db.start(&format!("PLAN {delete}")).await.unwrap();
    let apply = format!("APPLY '{}'", plan.note().unwrap().split('\'').nth(1).unwrap());
    drop(plan);
    db.rows("SET max_calls = 2").await;
    let error = db.error(&apply).await;
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Budget, 0), "{error}");
    db.rows("SET max_calls = 3").await;
    db.rows(&apply).await;
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_goes_on_after_an_error_does_not_commit_the_rest() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let state = TempDir::new().unwrap();
    for wrong in ["DELET FROM linode.images.images", "APPLY 'nosuch'", "SELECT nothing FROM linode.images.images"] {
        let script = format!(
            "SET on_error = 'continue'; BEGIN; DELETE FROM linode.images.images WHERE id = 'private/1'; {wrong}; COMMIT;"
        );
        let (good, _, said) = program(&server, &state, &["--yes", "-c", &script]).await;
        assert!(!good && said.contains("a statement of this transaction failed"), "{said}");
        assert!(server.requests().is_empty(), "{wrong}");
    }
    // With a journal of its own it is whole.
    let mut db = Db::of(builder(&server).no_journal()).set("confirm", "never");
    for text in ["BEGIN", "DELETE FROM linode.images.images WHERE id = 'private/1'", "COMMIT"] {
        db.rows(text).await;
    }
    assert_eq!(server.requests().len(), 1);
}

/// An API that is told a time without a zone may take it for its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_sent_with_its_zone() {
    let (server, mut db) = fleet(two).await;
    let time = "CAST('2026-01-02 03:04:05' AS TIMESTAMP)";
    db.rows(&format!("INSERT INTO fleet.shop.hosts (project, label) SELECT 'live', {time}")).await;
    assert_eq!(server.requests()[0].json(), json!({"label": "2026-01-02T03:04:05Z"}));
}
