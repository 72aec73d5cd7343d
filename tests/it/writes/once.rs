//! Writes that the API knows by a key: sent again where nobody knows what became of them, and done once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use skyql::clock::Clock;
use skyql::{Engine, Env, ErrorKind};
use tempfile::TempDir;

use crate::support::documents::provider_dir;
use crate::support::query::{Db, ImpatientClock, next_texts};
use crate::support::server::{Reply, Seen, Server};

const SERVICE: &str = "\
openapi: 3.0.3
info: {title: Acme, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /orders:
    get:
      responses: {'200': {description: all, content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Order'}}}}}}
    post:
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
      responses: {'201': {description: made, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}}
components:
  schemas:
    Order: {type: object, properties: {id: {type: integer, readOnly: true}, name: {type: string}}}
  x-stackQL-resources:
    orders:
      id: acme.shop.orders
      name: orders
      keys: {id: id}
      config: {pagination: {kind: none}}
      methods:
        list: {operation: {$ref: '#/paths/~1orders/get'}, response: {openAPIDocKey: '200'}}
        create:
          operation: {$ref: '#/paths/~1orders/post'}
          response: {openAPIDocKey: '201'}
          config: {idempotencyKey: KEY}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/orders/methods/list'}]
        insert: [{$ref: '#/components/x-stackQL-resources/orders/methods/create'}]
";

const HEADER: &str = "{name: Idempotency-Key, lifetime: 24h}";

fn documents(server: &str, key: &str) -> TempDir {
    let service = SERVICE.replace("SERVER", server).replace("KEY", key);
    provider_dir("acme", "v1", &[("shop", &service)], "type: null_auth")
}

fn db(documents: &TempDir, state: &TempDir) -> Db {
    let builder = Engine::builder().env(Env::empty()).providers_dir(documents.path()).state_dir(state.path());
    Db::of(builder).set("confirm", "never")
}

/// An API that knows requests by their key, and loses the answers for which `loses` says so, by their number from 1.
async fn api(loses: impl Fn(usize) -> bool + Send + Sync + 'static) -> (Server, Arc<Mutex<BTreeMap<String, Value>>>) {
    let made = Arc::new(Mutex::new(BTreeMap::<String, Value>::new()));
    let known = Arc::clone(&made);
    let count = Mutex::new(0);
    let server = Server::start(move |seen| {
        let mut known = known.lock().unwrap();
        let mut count = count.lock().unwrap();
        *count += 1;
        let next = known.len() + 1;
        let order = known.entry(key_of(seen)).or_insert_with(|| json!({"id": next, "name": seen.json()["name"]}));
        if loses(*count) { Reply::json(503, json!({"message": "busy"})) } else { Reply::json(201, order.clone()) }
    })
    .await;
    (server, made)
}

fn key_of(seen: &Seen) -> String {
    seen.header("idempotency-key").unwrap().to_owned()
}

fn keys(server: &Server) -> BTreeSet<String> {
    server.requests().iter().map(key_of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_answer_is_lost_is_sent_again_with_its_key() {
    let (server, made) = api(|number| number == 2).await;
    let (documents, state) = (documents(&server.url(), HEADER), TempDir::new().unwrap());
    let mut db = db(&documents, &state);
    let answer = db.rows("INSERT INTO acme.shop.orders (name) VALUES ('a'), ('b'), ('c') RETURNING name").await;
    assert_eq!(answer.rows, [["a"], ["b"], ["c"]]);
    assert_eq!((server.requests().len(), made.lock().unwrap().len(), keys(&server).len()), (4, 3, 3));
    // What reads has no key, and another statement has keys of its own.
    db.rows("INSERT INTO acme.shop.orders (name) VALUES ('a')").await;
    assert_eq!(keys(&server).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_the_key_and_applying_sends_it() {
    let (server, _) = api(|_| false).await;
    let (documents, state) = (documents(&server.url(), HEADER), TempDir::new().unwrap());
    let mut db = db(&documents, &state);
    let mut planned = db.start("PLAN INSERT INTO acme.shop.orders (name) VALUES ('a')").await.unwrap();
    let shown = next_texts(&mut planned).await;
    let note = planned.note().unwrap().to_owned();
    let id = note.split('\'').nth(1).unwrap();
    assert!(server.requests().is_empty());
    db.rows(&format!("APPLY '{id}'")).await;
    let key = keys(&server).pop_first().unwrap();
    let shown = format!("{shown:?}");
    assert!(key.len() == 36 && shown.contains(&key), "{key} {shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_ones_own_is_sent_and_two_calls_cannot_share_it() {
    let (server, _) = api(|_| false).await;
    let (documents, state) = (documents(&server.url(), HEADER), TempDir::new().unwrap());
    let mut db = db(&documents, &state);
    db.rows("INSERT INTO acme.shop.orders (name, \"Idempotency-Key\") VALUES ('a', 'mine')").await;
    assert_eq!(keys(&server).pop_first().as_deref(), Some("mine"));
    let error =
        db.error("INSERT INTO acme.shop.orders (name, \"Idempotency-Key\") VALUES ('a', 'k'), ('b', 'k')").await;
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::InvalidArgument, 1), "{error}");
    assert!(error.message().contains("two calls have the `Idempotency-Key` `k`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_a_field_of_the_body() {
    let server = Server::start(|_| Reply::json(201, json!({"id": 1}))).await;
    let (documents, state) = (documents(&server.url(), "{name: request_id, location: body}"), TempDir::new().unwrap());
    db(&documents, &state).rows("INSERT INTO acme.shop.orders (name) VALUES ('a')").await;
    let body = server.requests()[0].json();
    assert_eq!((body["name"].as_str(), body["request_id"].as_str().map(str::len)), (Some("a"), Some(36)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_unknown_is_resumed_while_the_api_knows_its_key() {
    for (key, later, again) in [
        (HEADER, Duration::ZERO, true),
        (HEADER, Duration::from_hours(25), false),
        ("{name: Idempotency-Key}", Duration::ZERO, false),
    ] {
        // All five attempts of the second call.
        let (server, made) = api(|number| number > 1 && number <= 6).await;
        let (documents, state) = (documents(&server.url(), key), TempDir::new().unwrap());
        let error = db(&documents, &state).error("INSERT INTO acme.shop.orders (name) VALUES ('a'), ('b')").await;
        let calls = error.context_value("calls").unwrap();
        assert!(calls.contains("1 unknown"), "{error}");
        let statement = error.hint_text().unwrap().split('\'').nth(1).unwrap().to_owned();

        let clock = Arc::new(ImpatientClock::default());
        clock.sleep(later).await;
        let builder = Engine::builder().env(Env::empty()).providers_dir(documents.path()).state_dir(state.path());
        let mut db = Db::over(&builder.clock(clock).build().unwrap()).set("confirm", "never");
        let resumed = db.run(&format!("RESUME '{statement}'")).await;
        assert_eq!(resumed.is_ok(), again, "{resumed:?}");
        assert_eq!((made.lock().unwrap().len(), server.requests().len()), (2, if again { 7 } else { 6 }));
        assert_eq!(keys(&server).len(), 2);
        if let Ok(answer) = resumed {
            assert_eq!(answer.warned(), ["repeated"]);
        }
    }
}
