//! WHERE with subqueries: a name in one is of its own tables, unless it means the table that is written.

use serde_json::json;
use skyql::{Env, ErrorKind};

use super::{pair, sent};
use crate::support::documents::provider_dir;
use crate::support::query::Db;
use crate::support::server::{Reply, Seen, Server};

const CLUB: &str = "\
openapi: 3.0.3
info: {title: Club, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /orgs:
    get:
      responses: {'200': {description: orgs, content: {application/json: {schema: {type: array, items: {type: object, properties: {
        id: {type: string}, tier: {type: integer}}}}}}}}
  /orgs/{org_id}:
    parameters: [{name: org_id, in: path, required: true, schema: {type: string}}]
    get:
      responses: {'200': {description: one, content: {application/json: {schema: {$ref: '#/components/schemas/org'}}}}}
    patch:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/org'}}}}
      responses: {'204': {description: changed}}
    delete:
      responses: {'204': {description: gone}}
  /orgs/{org_id}/members:
    parameters: [{name: org_id, in: path, required: true, schema: {type: string}}]
    get:
      responses: {'200': {description: members, content: {application/json: {schema: {type: array, items: {type: object, properties: {
        id: {type: integer}, age: {type: integer}, token: {type: string}}}}}}}}
components:
  schemas:
    org:
      type: object
      properties: {id: {type: string}, tier: {type: integer}, notes: {type: string}}
  x-stackQL-resources:
    orgs:
      id: club.shop.orgs
      name: orgs
      keys: {org_id: id}
      methods:
        list:
          operation: {$ref: '#/paths/~1orgs/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
          config: {pagination: {kind: none}}
        get: {operation: {$ref: '#/paths/~1orgs~1{org_id}/get'}, response: {mediaType: application/json, openAPIDocKey: '200'}}
        change: {operation: {$ref: '#/paths/~1orgs~1{org_id}/patch'}, response: {openAPIDocKey: '204'}}
        delete: {operation: {$ref: '#/paths/~1orgs~1{org_id}/delete'}, response: {openAPIDocKey: '204'}}
      sqlVerbs:
        select:
          - {$ref: '#/components/x-stackQL-resources/orgs/methods/list'}
          - {$ref: '#/components/x-stackQL-resources/orgs/methods/get'}
        update: [{$ref: '#/components/x-stackQL-resources/orgs/methods/change'}]
        delete: [{$ref: '#/components/x-stackQL-resources/orgs/methods/delete'}]
    members:
      id: club.shop.members
      name: members
      keys: {org_id: org_id, member_id: id}
      methods:
        list:
          operation: {$ref: '#/paths/~1orgs~1{org_id}~1members/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
          config: {pagination: {kind: none}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/members/methods/list'}]
";

/// Two members of `a`, none of `b`, one of `c`.
fn club(seen: &Seen) -> Reply {
    let member = |id: u32, age: u32| json!({"id": id, "age": age, "token": "hush"});
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/orgs") => {
            Reply::json(200, json!([{"id": "a", "tier": 1}, {"id": "b", "tier": 2}, {"id": "c", "tier": 3}]))
        }
        ("GET", "/orgs/a/members") => Reply::json(200, json!([member(1, 30), member(2, 2)])),
        ("GET", "/orgs/b/members") => Reply::json(200, json!([])),
        ("GET", "/orgs/c/members") => Reply::json(200, json!([member(3, 3)])),
        ("GET", path) => {
            let id = path.trim_start_matches("/orgs/");
            Reply::json(200, json!({"id": id, "tier": 1, "notes": format!("of {id}")}))
        }
        _ => Reply::empty(204),
    }
}

async fn server() -> (Server, Db) {
    let server = Server::start(club).await;
    let dir = provider_dir("club", "v1", &[("shop", &CLUB.replace("SERVER", &server.url()))], "type: null_auth");
    let db = Db::with(dir, |builder| builder.env(Env::empty()).no_journal()).set("confirm", "never");
    (server, db)
}

const LOOK: [&str; 4] = ["GET /orgs", "GET /orgs/a/members", "GET /orgs/b/members", "GET /orgs/c/members"];

#[tokio::test(flavor = "multi_thread")]
async fn names_of_a_subquery_s_own_tables_are_not_the_target_s() {
    for (text, looked, changed) in [
        (
            "DELETE FROM club.shop.orgs o WHERE o.id IN (SELECT m.org_id FROM club.shop.members m WHERE m.org_id = 'c') OR o.tier = 1",
            &["GET /orgs", "GET /orgs/c/members"][..],
            &[("DELETE /orgs/a", ""), ("DELETE /orgs/c", "")][..],
        ),
        (
            "UPDATE club.shop.orgs o SET tier = tier + 1 WHERE 2 = (SELECT count(*) FROM club.shop.members m WHERE m.org_id = o.id)",
            &LOOK,
            &[("PATCH /orgs/a", r#"{"tier":2}"#)],
        ),
        // Names without a table are the subquery's own first.
        (
            "UPDATE club.shop.orgs SET tier = 9 WHERE id = (SELECT max(org_id) FROM club.shop.members WHERE org_id = orgs.id)",
            &["GET /orgs", "GET /orgs/a", LOOK[1], LOOK[2], "GET /orgs/c", LOOK[3]],
            &[("PATCH /orgs/a", r#"{"tier":9}"#), ("PATCH /orgs/c", r#"{"tier":9}"#)],
        ),
        (
            "UPDATE club.shop.orgs SET tier = (SELECT count(*) FROM club.shop.members m WHERE m.org_id = orgs.id) WHERE tier < 9",
            &LOOK,
            &[
                ("PATCH /orgs/a", r#"{"tier":2}"#),
                ("PATCH /orgs/b", r#"{"tier":0}"#),
                ("PATCH /orgs/c", r#"{"tier":1}"#),
            ],
        ),
        (
            "DELETE FROM club.shop.orgs WHERE tier > 1 AND 'of a' IN (SELECT o.notes FROM club.shop.orgs o WHERE o.id = 'a')",
            &["GET /orgs", "GET /orgs/a"],
            &[("DELETE /orgs/b", ""), ("DELETE /orgs/c", "")],
        ),
        // The alias of a subquery hides the one around it.
        (
            "DELETE FROM club.shop.orgs o WHERE o.tier = 3 AND EXISTS (SELECT 1 FROM club.shop.orgs o WHERE o.id = 'a' AND o.notes = 'of a')",
            &["GET /orgs", "GET /orgs/a"],
            &[("DELETE /orgs/c", "")],
        ),
    ] {
        let (server, mut db) = server().await;
        db.rows(text).await;
        let (mut gets, mut changes): (Vec<_>, Vec<_>) =
            sent(&server).into_iter().partition(|(request, _)| request.starts_with("GET"));
        gets.sort();
        gets.dedup();
        changes.sort();
        assert_eq!(gets, looked.iter().map(|request| pair(request, "")).collect::<Vec<_>>(), "{text}");
        assert_eq!(changes, changed.iter().map(|(request, body)| pair(request, body)).collect::<Vec<_>>(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subquery_that_reads_the_target_reads_it() {
    // What it reads is shown, and compared when the plan is applied.
    for text in [
        "PLAN DELETE FROM club.shop.orgs o WHERE EXISTS (SELECT 1 FROM club.shop.members m WHERE m.org_id = o.id AND m.age > o.tier)",
        "PLAN DELETE FROM club.shop.orgs WHERE EXISTS (SELECT 1 FROM club.shop.members WHERE org_id = orgs.id AND age > tier)",
    ] {
        let server = Server::start(club).await;
        let dir = provider_dir("club", "v1", &[("shop", &CLUB.replace("SERVER", &server.url()))], "type: null_auth");
        let state = tempfile::TempDir::new().unwrap();
        let mut db = Db::with(dir, |builder| builder.env(Env::empty()).state_dir(state.path()));
        let plan = db.rows(text).await;
        assert_eq!(plan.column(3), ["tier: 1"], "{text}");
    }
    let (server, mut db) = server().await;
    for (text, kind, said) in [
        // No row of the list holds it, and what it holds decides.
        (
            "DELETE FROM club.shop.orgs o WHERE EXISTS (SELECT 1 FROM club.shop.members m WHERE m.org_id = o.id AND o.notes IS NULL)",
            ErrorKind::Partial,
            "do not hold `notes`",
        ),
        (
            "DELETE FROM club.shop.orgs o WHERE EXISTS (SELECT 1 FROM club.shop.members m WHERE m.org_id = o.org_id)",
            ErrorKind::InvalidArgument,
            "`org_id`",
        ),
        // A look is stored with the plan, whoever's the secret is that it asks for.
        (
            "DELETE FROM club.shop.orgs o WHERE o.id IN (SELECT m.org_id FROM club.shop.members m WHERE m.org_id = 'a' AND m.token = 'hush')",
            ErrorKind::Unsupported,
            "cannot read a secret",
        ),
    ] {
        let error = db.error(text).await;
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(error.message().contains(said), "{text}: {error}");
    }
    assert!(sent(&server).iter().all(|(request, _)| request.starts_with("GET")));
}
