//! What PLAN stores is what APPLY sends, whatever is written; secrets are in no file, and asked for again.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use skyql::http::Secret;
use skyql::{Engine, Env, ErrorKind};
use tempfile::TempDir;

use super::{image, journaled, list, program, program_as, sent};
use crate::support::documents::provider_dir;
use crate::support::query::texts;
use crate::support::server::{Reply, Server};

/// A text in SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Something to be written: NULL, a number, or text of any kind.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("NULL".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,24}".prop_map(|text| quoted(&text)),
        Just(quoted("[\"a\", 1, {\"b\": null}]")),
        Just(quoted("it's </script> \u{1F980}\n\t\\ \u{0}")),
    ]
}

fn any_write() -> impl Strategy<Value = String> {
    let id = "[a-z0-9 ./%?#&+é🦀-]{1,12}";
    prop_oneof![
        proptest::collection::vec((1_u32..9999, any_value()), 1..5).prop_map(|rows| {
            let rows: Vec<String> = rows.iter().map(|(disk, label)| format!("({disk}, {label})")).collect();
            format!("INSERT INTO linode.images.images (disk_id, label) VALUES {}", rows.join(", "))
        }),
        (id, any_value()).prop_map(|(id, label)| {
            format!("UPDATE linode.images.images SET label = {label} WHERE id = {}", quoted(&id))
        }),
        (1_u32..9999, any_value(), any_value()).prop_map(|(id, name, tags)| {
            format!("REPLACE digitalocean.compute.images SET name = {name}, description = {tags} WHERE image_id = {id}")
        }),
        proptest::collection::vec(1_u32..9999, 1..6).prop_map(|ids| {
            let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
            format!("DELETE FROM digitalocean.compute.images WHERE image_id IN ({})", ids.join(", "))
        }),
        (any_value(), any_value()).prop_map(|(name, tags)| {
            format!("INSERT INTO digitalocean.compute.images (data__name, data__url, data__region, data__tags) SELECT {name}, 'http://e.example/d', 'nyc3', {tags}")
        }),
        Just("UPDATE linode.volumes.volumes SET label = label || '-2' WHERE size > 10".to_owned()),
    ]
}

#[test]
fn what_plan_stores_is_what_apply_sends() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let planned = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    runner
        .run(&any_write(), |text| {
            runtime.block_on(async {
                let server = Server::start(|seen| match seen.method.as_str() {
                    "GET" => list(&[
                        json!({"id": 1, "label": "one", "size": 20, "region": "us-east", "status": "active"}),
                        json!({"id": 2, "label": "two", "size": 10, "region": "us-east", "status": "active"}),
                    ]),
                    _ => Reply::json(200, json!({})),
                })
                .await;
                let dir = TempDir::new().unwrap();
                let mut db = journaled(&server, &dir);
                let writes = || -> Vec<(String, String)> {
                    sent(&server).into_iter().filter(|(request, _)| !request.starts_with("GET")).collect()
                };
                let Ok(mut plan) = db.start(&format!("PLAN {text}")).await else {
                    assert!(writes().is_empty(), "{text}");
                    return;
                };
                let note = plan.note().unwrap().to_owned();
                let rows: Vec<Vec<String>> = plan.read_all().await.unwrap().iter().flat_map(texts).collect();
                assert!(writes().is_empty(), "{text}");
                let mut shown: Vec<(String, String)> = rows
                    .iter()
                    .map(|row| {
                        let body = if row[2] == crate::support::query::NULL { String::new() } else { row[2].clone() };
                        (row[1].replace(&server.url(), ""), body)
                    })
                    .collect();
                let id = note.split('\'').nth(1).unwrap();
                db.rows(&format!("APPLY '{id}'")).await;
                let mut gone = writes();
                shown.sort();
                gone.sort();
                assert_eq!(gone, shown, "{text}");
                planned.set(planned.get() + 1);
            });
            Ok(())
        })
        .unwrap();
    assert!(planned.get() > 30, "only {} statements could be planned", planned.get());
}

const SERVERS: &str = "\
openapi: 3.0.3
info: {title: Acme, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /servers:
    post:
      operationId: create
      requestBody:
        content:
          application/json:
            schema:
              type: object
              required: [label]
              properties:
                label: {type: string}
                root_pass: {type: string, format: password}
      responses:
        '200':
          description: made
          content: {application/json: {schema: {type: object, properties: {id: {type: integer}, label: {type: string}}}}}
components:
  x-stackQL-resources:
    servers:
      id: acme.shop.servers
      name: servers
      title: Servers
      methods:
        create:
          operation: {$ref: '#/paths/~1servers/post'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
      sqlVerbs:
        select: []
        insert:
          - {$ref: '#/components/x-stackQL-resources/servers/methods/create'}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_no_file_and_asked_for_again() {
    let server = Server::start(|_| Reply::json(200, json!({"id": 7, "label": "a"}))).await;
    let documents =
        provider_dir("acme", "v1", &[("shop", &SERVERS.replace("SERVER", &server.url()))], "type: null_auth");
    let state = TempDir::new().unwrap();
    let engine =
        Engine::builder().env(Env::empty()).providers_dir(documents.path()).state_dir(state.path()).build().unwrap();
    let mut session = engine.session();
    let text = "PLAN INSERT INTO acme.shop.servers (label, root_pass) VALUES ('a', 's3cr3t-0451') RETURNING id, label";
    let mut plan = session.sql(text).await.unwrap();
    let note = plan.note().unwrap().to_owned();
    let shown: Vec<Vec<String>> = plan.read_all().await.unwrap().iter().flat_map(texts).collect();
    assert!(!format!("{shown:?}").contains("s3cr3t") && format!("{shown:?}").contains("***"), "{shown:?}");
    let apply = format!("APPLY '{}'", note.split('\'').nth(1).unwrap());

    let needed = session.secrets_needed(&apply).await.unwrap();
    assert_eq!(needed.iter().map(|field| field.label.as_str()).collect::<Vec<_>>(), ["root_pass"]);
    let error = session.sql(&apply).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingParameter, "{error}");
    session.supply("root_pass", Secret::new("a test", "another"));
    let error = session.sql(&apply).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(server.requests().is_empty());
    session.supply("root_pass", Secret::new("a test", "s3cr3t-0451"));
    assert!(!format!("{session:?}").contains("s3cr3t"));
    let mut done = session.sql(&apply).await.unwrap();
    let rows: Vec<Vec<String>> = done.read_all().await.unwrap().iter().flat_map(texts).collect();
    assert_eq!(rows, [["7", "a"]], "what RETURNING asked for when it was planned");
    assert_eq!(server.requests()[0].body, br#"{"label":"a","root_pass":"s3cr3t-0451"}"#);
    for file in walk(state.path()) {
        assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("s3cr3t"), "{}", file.display());
    }
}

pub(super) fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_readable_by_programs() {
    let server = Server::start(|_| list(&[image("private/1", "tmp-a"), image("private/2", "gold")])).await;
    let state = TempDir::new().unwrap();
    let text = "PLAN UPDATE linode.images.images SET label = 'gold', description = 'd' WHERE label LIKE 'tmp-%'";
    let (good, out, said) = program_as("json", &server, &state, &["-c", text]).await;
    assert!(good, "{said}");
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    let call = &plan[0];
    assert_eq!((plan.as_array().unwrap().len(), &call["n"]), (1, &json!(1)));
    assert_eq!(call["request"], format!("PUT {}/v4/images/private%2F1", server.url()));
    assert_eq!(call["body"], r#"{"description":"d","label":"gold"}"#);
    assert_eq!(call["changes"], r#"description: null → "d", label: "tmp-a" → "gold""#);
    assert!(call["headers"].as_str().unwrap().contains("credential: ***"), "{call}");
    assert!(said.contains("`APPLY '"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_plan_itself_lets_a_plan_be_applied_again() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let state = TempDir::new().unwrap();
    let delete = "DELETE FROM linode.images.images WHERE id = 'private/1'";
    let plan = format!("PLAN {delete}");
    let (_, _, said) = program(&server, &state, &["-c", &plan]).await;
    let id = said.split('\'').nth(1).unwrap().to_owned();
    let apply = format!("APPLY '{id}'");
    let (good, _, said) = program(&server, &state, &["-c", &apply]).await;
    assert!(good, "{said}");
    let (good, _, said) = program(&server, &state, &["--dry-run", "-c", delete]).await;
    assert!(good && said.contains(&format!("the same plan, `{id}`, was applied at ")), "{said}");
    let (good, _, said) = program(&server, &state, &["-c", &apply]).await;
    assert!(!good && said.contains("was applied at "), "{said}");
    // The statement that it became is named.
    let statement = said.split("RESUME '").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(statement.split('-').nth(1), Some(id.as_str()), "{said}");
    assert_eq!(server.requests().len(), 1);
    let (good, _, said) = program(&server, &state, &["-c", &format!("{plan}; {apply}")]).await;
    assert!(good && server.requests().len() == 2, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_marked_and_never_began_says_so() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let state = TempDir::new().unwrap();
    let mut db = journaled(&server, &state);
    let plan = db.start("PLAN DELETE FROM linode.images.images WHERE id = 'private/1'").await.unwrap();
    let id = plan.note().unwrap().split('\'').nth(1).unwrap().to_owned();
    // What is left when the power fails between the mark and the journal.
    std::fs::write(state.path().join(format!("plans/{id}.applied")), "2026-01-02T03:04:05.000Z\n").unwrap();
    let error = db.error(&format!("APPLY '{id}'")).await;
    let said = format!("the plan `{id}` was applied at 2026-01-02T03:04:05.000Z, and no journal names it");
    assert_eq!(error.message(), said);
    assert!(error.hint_text().unwrap().contains("nothing was sent"), "{error:?}");
    assert!(server.requests().is_empty());
}
