//! What rows are looked at for: secrets among them, what was there before, the objects that a query names.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use skyql::http::Secret;
use skyql::{Engine, Env, ErrorKind, QueryResult, Session};
use tempfile::TempDir;

use super::{pair, sent};
use crate::support::documents::provider_dir;
use crate::support::query::texts;
use crate::support::server::{Reply, Seen, Server};

const CLUSTERS: &str = "\
openapi: 3.0.3
info: {title: Acme, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /clusters:
    get:
      responses: {'200': {description: clusters, content: {application/json: {schema: {
        type: object, properties: {items: {type: array, items: {$ref: '#/components/schemas/cluster'}}}}}}}}
  /clusters/{cluster_id}:
    parameters: [{name: cluster_id, in: path, required: true, schema: {type: integer}}]
    patch:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/cluster'}}}}
      responses: {'204': {description: changed}}
    put:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/cluster'}}}}
      responses: {'204': {description: replaced}}
    delete:
      responses: {'204': {description: gone}}
  /links:
    get:
      responses: {'200': {description: links, content: {application/json: {schema: {
        type: object, properties: {items: {type: array, items: {type: object, properties: {label: {type: string}}}}}}}}}}
  /links/{link_id}:
    parameters: [{name: link_id, in: path, required: true, schema: {type: integer}}]
    delete:
      responses: {'204': {description: gone}}
  /forms:
    post:
      requestBody: {required: true, content: {application/x-www-form-urlencoded: {schema: {
        type: object, required: [label], properties: {label: {type: string}, size: {type: integer}, paid: {type: boolean}}}}}}
      responses: {'204': {description: made}}
  /tickets:
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {label: {type: string}}}}}}
      responses: {'200': {description: made, content: {application/json: {schema: {
        type: object, properties: {size: {type: integer}, token: {type: string}}}}}}}
  /tickets/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      responses: {'200': {description: one, content: {application/json: {schema: {
        type: object, properties: {size: {type: integer}}}}}}}
    post:
      responses: {'200': {description: stamped, content: {application/xml: {schema: {type: object}}}}}
components:
  schemas:
    cluster:
      type: object
      properties:
        id: {type: integer}
        name: {type: string}
        note: {type: string}
        connection: {type: object}
        data: {type: object}
        address: {type: string}
        token: {type: string}
        link: {type: integer}
  x-stackQL-resources:
    clusters:
      id: acme.shop.clusters
      name: clusters
      keys: {cluster_id: id}
      methods:
        list:
          operation: {$ref: '#/paths/~1clusters/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.items}
          config: {pagination: {kind: none}}
        change: {operation: {$ref: '#/paths/~1clusters~1{cluster_id}/patch'}, response: {openAPIDocKey: '204'}}
        swap: {operation: {$ref: '#/paths/~1clusters~1{cluster_id}/put'}, response: {openAPIDocKey: '204'}}
        delete: {operation: {$ref: '#/paths/~1clusters~1{cluster_id}/delete'}, response: {openAPIDocKey: '204'}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/clusters/methods/list'}]
        update: [{$ref: '#/components/x-stackQL-resources/clusters/methods/change'}]
        replace: [{$ref: '#/components/x-stackQL-resources/clusters/methods/swap'}]
        delete: [{$ref: '#/components/x-stackQL-resources/clusters/methods/delete'}]
    links:
      id: acme.shop.links
      name: links
      methods:
        list:
          operation: {$ref: '#/paths/~1links/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.items}
          config: {pagination: {kind: none}}
        delete: {operation: {$ref: '#/paths/~1links~1{link_id}/delete'}, response: {openAPIDocKey: '204'}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/links/methods/list'}]
        delete: [{$ref: '#/components/x-stackQL-resources/links/methods/delete'}]
    forms:
      id: acme.shop.forms
      name: forms
      methods:
        make: {operation: {$ref: '#/paths/~1forms/post'}, response: {openAPIDocKey: '204'}}
      sqlVerbs:
        select: []
        insert: [{$ref: '#/components/x-stackQL-resources/forms/methods/make'}]
    tickets:
      id: acme.shop.tickets
      name: tickets
      methods:
        make: {operation: {$ref: '#/paths/~1tickets/post'}, response: {openAPIDocKey: '200'}}
        get: {operation: {$ref: '#/paths/~1tickets~1{id}/get'}, response: {openAPIDocKey: '200'}}
        stamp: {operation: {$ref: '#/paths/~1tickets~1{id}/post'}, response: {openAPIDocKey: '200'}}
      sqlVerbs:
        select: []
        insert: [{$ref: '#/components/x-stackQL-resources/tickets/methods/make'}]
";

/// An API of clusters, and where its answers come from.
pub(super) struct Acme {
    pub(super) server: Server,
    pub(super) session: Session,
    items: Arc<Mutex<Vec<Value>>>,
    state: TempDir,
    _documents: TempDir,
}

/// The API over these clusters; what changes something is answered by `changing`.
pub(super) async fn acme(items: &[Value], changing: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Acme {
    let items = Arc::new(Mutex::new(items.to_vec()));
    let held = Arc::clone(&items);
    let server = Server::start(move |seen| match seen.method.as_str() {
        "GET" if !seen.path_and_query().starts_with("/tickets/") => {
            Reply::json(200, json!({"items": *held.lock().unwrap()}))
        }
        _ => changing(seen),
    })
    .await;
    let service = CLUSTERS.replace("SERVER", &server.url());
    let (documents, state) =
        (provider_dir("acme", "v1", &[("shop", &service)], "type: null_auth"), TempDir::new().unwrap());
    let builder = Engine::builder().env(Env::empty()).providers_dir(documents.path()).state_dir(state.path());
    let mut session = builder.build().unwrap().session();
    session.settings_mut().set("confirm", "never").unwrap();
    Acme { server, session, items, state, _documents: documents }
}

impl Acme {
    async fn run(&mut self, text: &str) -> skyql::Result<QueryResult> {
        self.session.sql(text).await
    }

    pub(super) async fn good(&mut self, text: &str) {
        let mut result = self.run(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        result.read_all().await.unwrap();
    }

    pub(super) async fn error(&mut self, text: &str) -> skyql::Error {
        self.run(text).await.err().unwrap_or_else(|| panic!("{text}: no error"))
    }

    /// Plans a write: what is shown of its calls, and the statement that applies it.
    pub(super) async fn plan(&mut self, text: &str) -> (Vec<Vec<String>>, String) {
        let mut plan = self.run(&format!("PLAN {text}")).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let apply = format!("APPLY '{}'", plan.note().unwrap().split('\'').nth(1).unwrap());
        (plan.read_all().await.unwrap().iter().flat_map(texts).collect(), apply)
    }

    pub(super) fn set(&self, row: usize, column: &str, value: Value) {
        self.items.lock().unwrap()[row][column] = value;
    }

    pub(super) fn changes(&self) -> Vec<(String, String)> {
        sent(&self.server).into_iter().filter(|(request, _)| !request.starts_with("GET")).collect()
    }

    /// The texts of all files in the state directory.
    fn files(&self) -> Vec<String> {
        super::plans::walk(self.state.path())
            .iter()
            .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
            .collect()
    }

    /// The plan that the only journal begins with.
    fn journaled_plan(&self) -> Value {
        let mut files = std::fs::read_dir(self.state.path().join("journal")).unwrap();
        let text = std::fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap();
        serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap()["plan"].clone()
    }
}

fn gone(_: &Seen) -> Reply {
    Reply::empty(204)
}

/// Clusters that hold secrets, all of which begin with `hush`.
fn telling() -> [Value; 2] {
    [
        json!({
            "id": 1, "name": "a", "note": "n", "data": {"password": "hush-2"}, "token": "hush-4", "link": null,
            "connection": {"host": "old-host", "login": {"password": "hush-1"}}, "address": "https://me:hush-3@old-host/",
        }),
        json!({"id": 2, "name": "b", "note": "o", "data": null, "token": null, "link": null, "connection": {}, "address": "x"}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_where_and_set_say_of_a_secret_is_stored_nowhere() {
    let mut acme = acme(&telling(), gone).await;
    for text in [
        "DELETE FROM acme.shop.clusters WHERE connection LIKE '%old-host%'",
        "DELETE FROM acme.shop.clusters WHERE address LIKE 'https:%'",
        "DELETE FROM acme.shop.clusters WHERE token LIKE 'hush%'",
        "UPDATE acme.shop.clusters SET note = address WHERE name = 'a'",
        "UPDATE acme.shop.clusters SET note = connection->>'host' WHERE name = 'a'",
        "UPDATE acme.shop.clusters SET token = name WHERE name = 'a'",
        "UPDATE acme.shop.clusters SET data = concat('{\"password\": \"', name, '\"}') WHERE name = 'a'",
    ] {
        for text in [text.to_owned(), format!("PLAN {text}")] {
            let error = acme.error(&text).await;
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}: {error}");
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
    }
    assert_eq!(acme.changes(), []);
    assert!(acme.files().iter().all(|file| !file.contains("hush")), "{:?}", acme.files());
    // A name alone is no secret: rows that hold none are changed.
    acme.good("DELETE FROM acme.shop.clusters WHERE connection = '{}' AND address = 'x'").await;
    assert_eq!(acme.changes(), [pair("DELETE /clusters/2", "")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_secret_is_hidden_and_compared_all_the_same() {
    let mut acme = acme(&telling(), gone).await;
    let text = "UPDATE acme.shop.clusters SET connection = '{\"host\": \"new\"}', note = 'm' WHERE name = 'a'";
    let (shown, apply) = acme.plan(text).await;
    assert_eq!(shown[0][3], r#"connection: *** → {"host":"new"}, note: "n" → "m""#);
    acme.set(0, "connection", json!({"host": "old-host", "login": {"password": "hush-5"}}));
    let error = acme.error(&apply).await;
    assert!(error.message().ends_with("id = 1: `connection` is another"), "{error}");
    acme.set(0, "connection", telling()[0]["connection"].clone());
    acme.good(&apply).await;
    assert_eq!(acme.changes(), [pair("PATCH /clusters/1", r#"{"connection":{"host":"new"},"note":"m"}"#)]);
    assert!(acme.files().iter().all(|file| !file.contains("hush")), "{:?}", acme.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_set_where_rows_were_looked_at() {
    let mut acme = acme(&telling(), gone).await;
    let text = "UPDATE acme.shop.clusters SET data = '{\"password\": \"hush-9\"}', token = 'hush-8' WHERE name = 'a'";
    let (shown, apply) = acme.plan(text).await;
    assert_eq!(shown[0][3], "data: → ***, token: → ***");
    acme.session.supply("data", Secret::new("a test", r#"{"password": "hush-9"}"#));
    acme.session.supply("token", Secret::new("a test", "hush-8"));
    acme.set(0, "data", json!({"password": "hush-6"}));
    let error = acme.error(&apply).await;
    assert!(error.message().ends_with("id = 1: `data` is another"), "{error}");
    acme.set(0, "data", telling()[0]["data"].clone());
    acme.good(&apply).await;
    assert_eq!(acme.changes(), [pair("PATCH /clusters/1", r#"{"data":{"password":"hush-9"},"token":"hush-8"}"#)]);
    assert!(acme.files().iter().all(|file| !file.contains("hush")), "{:?}", acme.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_in_the_journal() {
    for (text, before) in [
        ("UPDATE acme.shop.clusters SET note = 'm' WHERE name = 'b'", json!({"name": "b", "note": "o"})),
        ("REPLACE acme.shop.clusters SET name = 'c', note = 'm' WHERE note = 'o'", json!({"name": "b", "note": "o"})),
        (
            "DELETE FROM acme.shop.clusters WHERE name = 'b' AND connection = '{}'",
            json!({"name": "b", "connection": {}}),
        ),
    ] {
        let mut acme = acme(&telling(), gone).await;
        acme.good(text).await;
        assert_eq!(acme.journaled_plan()["calls"][0]["before"], before, "{text}");
    }
    let mut acme = acme(&telling(), gone).await;
    acme.good("DELETE FROM acme.shop.clusters WHERE cluster_id = 2").await;
    assert_eq!(acme.journaled_plan()["calls"][0]["before"], Value::Null, "nothing was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_what_was_and_what_will_be() {
    let mut acme = acme(&telling(), gone).await;
    let (shown, _) = acme.plan("UPDATE acme.shop.clusters SET note = name || '!', link = 7 WHERE name >= 'a'").await;
    assert_eq!(shown[0][3], r#"link: null → 7, note: "n" → "a!""#);
    assert_eq!(shown[1][3], r#"link: null → 7, note: "o" → "b!""#);
    let (shown, _) = acme.plan("DELETE FROM acme.shop.clusters WHERE name = 'a'").await;
    assert_eq!(shown[0][3], r#"name: "a""#, "what is removed is shown as it is");
    let (shown, _) = acme.plan("UPDATE acme.shop.clusters SET note = 'm' WHERE cluster_id = 1").await;
    assert_eq!(shown[0][3], crate::support::query::NULL, "nothing was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_true_is_every_object() {
    let mut acme = acme(&telling(), gone).await;
    acme.good("DELETE FROM acme.shop.clusters WHERE true").await;
    let mut requests = sent(&acme.server);
    requests.sort();
    let wanted = ["DELETE /clusters/1", "DELETE /clusters/2", "GET /clusters"];
    assert_eq!(requests, wanted.map(|request| pair(request, "")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_names_the_objects_of_a_resource_without_keys() {
    let link = |id: u32, link: Value| json!({"id": id, "name": format!("c{id}"), "link": link});
    let rows = [link(1, json!(3)), link(2, Value::Null), link(3, json!(5)), link(4, json!(3))];
    let mut acme = acme(&rows, gone).await;
    let text = "DELETE FROM acme.shop.links WHERE link_id IN (SELECT link FROM acme.shop.clusters WHERE name <> 'c0')";
    let (shown, apply) = acme.plan(text).await;
    assert_eq!(shown.len(), 2, "each value once, NULL never: {shown:?}");
    acme.set(1, "link", json!(7));
    let error = acme.error(&apply).await;
    assert!(error.message().ends_with("link_id = 7 is new"), "{error}");
    acme.set(1, "link", Value::Null);
    acme.good(&apply).await;
    let mut changes = acme.changes();
    changes.sort();
    assert_eq!(changes, [pair("DELETE /links/3", ""), pair("DELETE /links/5", "")]);
    assert!(acme.server.paths().iter().all(|path| path != "/links"), "no link is read");

    // Anything else is about rows, and what is missing for that is said.
    for text in [
        format!("{text} AND label = 'x'"),
        text.replace(" IN ", " NOT IN "),
        "DELETE FROM acme.shop.links WHERE label = 'x'".to_owned(),
    ] {
        let error = acme.error(&text).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}: {error}");
        let said = "does not say which column holds the value for `link_id` of `delete`";
        assert!(error.message().ends_with(said), "{error}");
        assert!(error.hint_text().unwrap().ends_with("add `keys` to the resource `links`"), "{error:?}");
    }
    // A value that does not fit its column is none.
    acme.set(0, "link", json!("many"));
    let error = acme.error(text).await;
    assert_eq!(error.kind(), ErrorKind::Partial, "{error}");
    acme.set(0, "link", json!(3));
    let nobody = text.replace("c0", "c1").replace("<>", "<");
    let result = acme.run(&nobody).await;
    assert_eq!(result.unwrap().message(), Some("DELETE: nothing to do, 0 calls"));
    assert_eq!(acme.changes().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn part_of_what_a_query_named_is_resumed() {
    let rows = [json!({"id": 1, "name": "a", "link": 3}), json!({"id": 2, "name": "b", "link": 5})];
    let failed = std::sync::atomic::AtomicBool::new(false);
    let busy = move |seen: &Seen| {
        let first = seen.path == "/links/5" && !failed.swap(true, std::sync::atomic::Ordering::SeqCst);
        if first { Reply::json(409, json!({"message": "in use"})) } else { Reply::empty(204) }
    };
    let mut acme = acme(&rows, busy).await;
    acme.good("SET on_row_error = 'continue'").await;
    let error = acme.error("DELETE FROM acme.shop.links WHERE link_id IN (SELECT link FROM acme.shop.clusters)").await;
    let resume = format!("RESUME '{}'", error.hint_text().unwrap().split('\'').nth(1).unwrap());
    // What was done may be gone; what is left must still be meant.
    acme.set(0, "link", Value::Null);
    acme.set(1, "link", json!(6));
    let error = acme.error(&resume).await;
    assert!(error.message().ends_with("link_id = 5 is gone or no longer meant"), "{error}");
    acme.set(1, "link", json!(5));
    acme.good(&resume).await;
    let paths: Vec<String> = acme.changes().into_iter().map(|(request, _)| request).collect();
    assert_eq!(paths.iter().filter(|path| *path == "DELETE /links/3").count(), 1, "{paths:?}");
    assert_eq!(paths.len(), 3, "{paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_say_nothing_of_what_where_reads_are_not_written() {
    let bare = [json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "b"})];
    let mut acme = acme(&bare, gone).await;
    for text in [
        "DELETE FROM acme.shop.clusters WHERE note IS NULL",
        "DELETE FROM acme.shop.clusters WHERE name = 'a' AND note IS DISTINCT FROM 'keep'",
        "DELETE FROM acme.shop.clusters WHERE name = 'a' OR note IN (SELECT 'x') OR note IS NULL",
        "UPDATE acme.shop.clusters SET name = coalesce(note, 'none') WHERE name = 'a'",
        "DELETE FROM acme.shop.links WHERE link_id IN (SELECT id FROM acme.shop.clusters WHERE note IS NULL)",
        "INSERT INTO acme.shop.forms (label) SELECT name FROM acme.shop.clusters WHERE note IS NULL",
    ] {
        let error = acme.error(text).await;
        assert_eq!(error.kind(), ErrorKind::Partial, "{text}: {error}");
        let said =
            "nothing was written: it reads `note`, and no row that `acme.shop.clusters` answered says anything of it";
        assert!(error.message().starts_with(said), "{text}: {error}");
    }
    assert_eq!(acme.changes(), []);
    // Where no row is meant, there is nothing to be wrong about, and a field that is only written need not be there.
    acme.good("DELETE FROM acme.shop.clusters WHERE note = 'old'").await;
    acme.good("UPDATE acme.shop.clusters SET note = 'n' WHERE name = 'a'").await;
    assert_eq!(acme.changes(), [pair("PATCH /clusters/1", r#"{"note":"n"}"#)]);
    // One row that tells it shows that the API does, and that it leaves out what is not set.
    acme.set(1, "note", json!("keep"));
    acme.good("DELETE FROM acme.shop.clusters WHERE note IS DISTINCT FROM 'keep'").await;
    acme.set(1, "note", Value::Null);
    acme.good("DELETE FROM acme.shop.clusters WHERE note IS NULL AND name = 'b'").await;
    assert_eq!(acme.changes()[1..], [pair("DELETE /clusters/1", ""), pair("DELETE /clusters/2", "")]);
}
