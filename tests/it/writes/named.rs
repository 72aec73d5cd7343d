//! Writes whose WHERE names the object by the method's own parameters, in documents that declare no keys.

use std::fmt::Write as _;

use serde_json::json;
use skyql::{Env, ErrorKind};

use super::{pair, sent};
use crate::support::documents::provider_dir;
use crate::support::query::Db;
use crate::support::server::{Reply, Server};

const VAULT: &str = "\
openapi: 3.0.3
info: {title: Vault, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /orgs/{org}/variables:
    get:
      parameters: [{name: org, in: path, required: true, schema: {type: string}}]
      responses: {'200': {description: all, content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/variable'}}}}}}
  /orgs/{org}/variables/{name}:
    parameters:
      - {name: org, in: path, required: true, schema: {type: string}}
      - {name: name, in: path, required: true, schema: {type: string}}
    delete: {responses: {'204': {description: gone}}}
    patch:
      requestBody: {content: {application/json: {schema: {type: object, properties: {name: {type: string}, value: {type: string}}}}}}
      responses: {'204': {description: changed}}
  /repos/{owner}/{repo}:
    parameters:
      - {name: owner, in: path, required: true, schema: {type: string}}
      - {name: repo, in: path, required: true, schema: {type: string}}
    get: {responses: {'200': {description: one, content: {application/json: {schema: {$ref: '#/components/schemas/repo'}}}}}}
    delete: {responses: {'204': {description: gone}}}
  /boxes/{name}/keys:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    get:
      responses: {'200': {description: all, content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/key'}}}}}}
    delete: {responses: {'204': {description: all of them are gone}}}
  /boxes/{name}/locks/{number}:
    parameters:
      - {name: name, in: path, required: true, schema: {type: string}}
      - {name: number, in: path, required: true, schema: {type: integer}}
    get: {responses: {'200': {description: one, content: {application/json: {schema: {$ref: '#/components/schemas/key'}}}}}}
    delete: {responses: {'204': {description: gone}}}
  /boxes/{box_id}/lids/{number}:
    parameters:
      - {name: box_id, in: path, required: true, schema: {type: string}}
      - {name: number, in: path, required: true, schema: {type: integer}}
    get:
      responses: {'200': {description: one, content: {application/json: {schema: {type: object, properties: {box_id: {type: string}, size: {type: integer}}}}}}}
    delete: {responses: {'204': {description: gone}}}
  /account:
    get: {responses: {'200': {description: the one, content: {application/json: {schema: {type: object, properties: {email: {type: string}}}}}}}}
    patch:
      requestBody: {content: {application/json: {schema: {type: object, properties: {email: {type: string}}}}}}
      responses: {'204': {description: changed}}
  /plan:
    servers: [{url: 'SERVER/{site}', variables: {site: {default: your-account}}}]
    get: {responses: {'200': {description: the one, content: {application/json: {schema: {type: object, properties: {site: {type: string}, size: {type: integer}}}}}}}}
    patch:
      requestBody: {content: {application/json: {schema: {type: object, properties: {size: {type: integer}}}}}}
      responses: {'204': {description: changed}}
  /seat:
    get:
      parameters: [{name: number, in: query, required: true, schema: {type: integer}}]
      responses: {'200': {description: one, content: {application/json: {schema: {type: object, properties: {size: {type: integer}}}}}}}
    delete:
      parameters: [{name: number, in: query, schema: {type: integer}}]
      responses: {'204': {description: gone}}
  /notices:
    get: {responses: {'200': {description: all, content: {application/json: {schema: {type: array, items: {type: object, properties: {text: {type: string}}}}}}}}}
    delete: {responses: {'204': {description: gone}}}
components:
  schemas:
    variable: {type: object, properties: {name: {type: string}, value: {type: string}}}
    repo: {type: object, properties: {name: {type: string}, owner: {type: object}, private: {type: boolean}}}
    key: {type: object, properties: {id: {type: integer}, name: {type: string}}}
  x-stackQL-resources:
RESOURCES";

/// The resources by name, each with the verbs of its methods and their operations.
const RESOURCES: [(&str, &[(&str, &str)]); 9] = [
    (
        "variables",
        &[
            ("select", "~1orgs~1{org}~1variables/get"),
            ("delete", "~1orgs~1{org}~1variables~1{name}/delete"),
            ("update", "~1orgs~1{org}~1variables~1{name}/patch"),
        ],
    ),
    ("repos", &[("select", "~1repos~1{owner}~1{repo}/get"), ("delete", "~1repos~1{owner}~1{repo}/delete")]),
    ("keys", &[("select", "~1boxes~1{name}~1keys/get"), ("delete", "~1boxes~1{name}~1keys/delete")]),
    (
        "locks",
        &[("select", "~1boxes~1{name}~1locks~1{number}/get"), ("delete", "~1boxes~1{name}~1locks~1{number}/delete")],
    ),
    (
        "lids",
        &[("select", "~1boxes~1{box_id}~1lids~1{number}/get"), ("delete", "~1boxes~1{box_id}~1lids~1{number}/delete")],
    ),
    ("account", &[("select", "~1account/get"), ("update", "~1account/patch")]),
    ("plan", &[("select", "~1plan/get"), ("update", "~1plan/patch")]),
    ("seat", &[("select", "~1seat/get"), ("delete", "~1seat/delete")]),
    ("notices", &[("select", "~1notices/get"), ("delete", "~1notices/delete")]),
];

fn service(url: &str) -> String {
    let mut text = String::new();
    for (name, methods) in RESOURCES {
        writeln!(text, "    {name}:\n      id: acme.vault.{name}\n      name: {name}\n      methods:").unwrap();
        for (verb, operation) in methods {
            let status = if *verb == "select" { "200" } else { "204" };
            let operation = format!("operation: {{$ref: '#/paths/{operation}'}}");
            writeln!(text, "        {verb}: {{{operation}, response: {{openAPIDocKey: '{status}'}}}}").unwrap();
        }
        writeln!(text, "      config: {{pagination: {{kind: none}}}}\n      sqlVerbs:").unwrap();
        for (verb, _) in methods {
            let method = format!("#/components/x-stackQL-resources/{name}/methods/{verb}");
            writeln!(text, "        {verb}: [{{$ref: '{method}'}}]").unwrap();
        }
    }
    VAULT.replace("SERVER", url).replace("RESOURCES", &text)
}

async fn vault() -> (Server, Db) {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/orgs/o/variables" => Reply::json(200, json!([{"name": "A"}, {"name": "B"}, {"name": "A"}])),
        _ => Reply::empty(204),
    })
    .await;
    let documents = provider_dir("acme", "v1", &[("vault", &service(&server.url()))], "type: null_auth");
    let db = Db::with(documents, |builder| builder.env(Env::empty()).no_journal()).set("confirm", "never");
    (server, db)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_select_cannot_read_and_what_set_moves_is_not_written() {
    for text in [
        // There are as many as numbers: SELECT needs one.
        "DELETE FROM acme.vault.seat WHERE true",
        "UPDATE acme.vault.variables SET org = 'p', value = 'x' WHERE org = 'o' AND name = 'A'",
        "UPDATE acme.vault.variables SET org = 'p', value = 'x' \
         WHERE org = 'o' AND name IN (SELECT v FROM (VALUES ('A'), ('B')) t(v))",
    ] {
        let (server, mut db) = vault().await;
        let error = db.error(text).await;
        assert_eq!(sent(&server), [], "{text}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parameter_in_which_the_path_ends_names_the_object_whatever_fields_are_called() {
    for (text, requests) in [
        ("DELETE FROM acme.vault.variables WHERE org = 'o' AND name = 'A'", vec![("DELETE /orgs/o/variables/A", "")]),
        (
            "DELETE FROM acme.vault.variables WHERE org = 'o' AND name IN ('A', 'B')",
            vec![("DELETE /orgs/o/variables/A", ""), ("DELETE /orgs/o/variables/B", "")],
        ),
        (
            "UPDATE acme.vault.variables SET value = 'x' WHERE org = 'o' AND name = 'A'",
            vec![("PATCH /orgs/o/variables/A", r#"{"value":"x"}"#)],
        ),
        (
            "UPDATE acme.vault.variables SET data__name = 'C' WHERE org = 'o' AND name = 'A'",
            vec![("PATCH /orgs/o/variables/A", r#"{"name":"C"}"#)],
        ),
        // A field that is an object is no owner's name.
        ("DELETE FROM acme.vault.repos WHERE owner = 'o' AND repo = 'r'", vec![("DELETE /repos/o/r", "")]),
        // The box's own id, as its place in the path says.
        ("DELETE FROM acme.vault.lids WHERE box_id = 'b' AND number = 3", vec![("DELETE /boxes/b/lids/3", "")]),
        // A server that every call has to name.
        ("UPDATE acme.vault.plan SET size = 2 WHERE site = 's'", vec![("PATCH /s/plan", r#"{"size":2}"#)]),
        // What a query gives, below what is said.
        (
            "DELETE FROM acme.vault.variables WHERE org = 'o' AND name IN (SELECT name FROM acme.vault.variables WHERE org = 'o')",
            vec![("GET /orgs/o/variables", ""), ("DELETE /orgs/o/variables/A", ""), ("DELETE /orgs/o/variables/B", "")],
        ),
    ] {
        let (server, mut db) = vault().await;
        db.rows(text).await;
        let mut seen = sent(&server);
        seen[usize::from(text.contains("SELECT"))..].sort();
        assert_eq!(seen, requests.into_iter().map(|(line, body)| pair(line, body)).collect::<Vec<_>>(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_may_be_the_rows_own_or_a_parents_is_not_written_by() {
    for (text, method, exec) in [
        (
            "DELETE FROM acme.vault.keys WHERE name = 'a'",
            "(DELETE /boxes/{name}/keys)",
            "EXEC acme.vault.keys.delete @name = …`",
        ),
        (
            "DELETE FROM acme.vault.locks WHERE name = 'a' AND number = 7",
            "(DELETE /boxes/{name}/locks/{number})",
            "EXEC acme.vault.locks.delete @name = …, @number = …`",
        ),
    ] {
        let (server, mut db) = vault().await;
        let error = db.error(text).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.message().starts_with("`name` is a field of") && error.message().contains(method), "{error}");
        assert!(error.hint_text().unwrap().contains(exec), "{error:?}");
        assert_eq!(server.requests().len(), 0, "{text}");
    }
    for text in [
        // All keys of boxes that are called like keys.
        "DELETE FROM acme.vault.keys WHERE name IN (SELECT 'a')",
        "DELETE FROM acme.vault.locks WHERE name = 'a' AND number IN (SELECT 7)",
        // No call says all of this, and one that says less is no way out.
        "DELETE FROM acme.vault.keys WHERE name = 'a' AND id = 3",
        "DELETE FROM acme.vault.repos WHERE owner = 'o' AND repo = 'r' AND private",
        "DELETE FROM acme.vault.variables WHERE org = 'o' AND name = 'A' AND value = 'x'",
        "DELETE FROM acme.vault.variables WHERE org <> 'x' AND name IN (SELECT 'A')",
    ] {
        let (server, mut db) = vault().await;
        let error = db.error(text).await;
        assert!(!error.hint_text().unwrap_or_default().contains("EXEC"), "{text}: {error:?}");
        assert_eq!(server.requests().len(), 0, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_values_of_where_is_said() {
    let (server, mut db) = vault().await;
    for (number, said) in [("'x1'", "not `x1`"), ("2.5", "not `2.5`")] {
        let error = db.error(&format!("DELETE FROM acme.vault.lids WHERE box_id = 'b' AND number = {number}")).await;
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(
            error.message().starts_with("`number` takes a whole number") && error.message().ends_with(said),
            "{error}"
        );
    }
    let error = db.error("DELETE FROM acme.vault.lids WHERE box_id = 'b'").await;
    assert_eq!(error.kind(), ErrorKind::MissingParameter, "{error}");
    assert!(error.hint_text().unwrap().starts_with("`delete` needs `number` (integer);"), "{error:?}");
    let error = db.error("DELETE FROM acme.vault.lids WHERE box_id = 'b' AND nummer = 3").await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::NameNotFound, "there is no column `nummer`"));
    // Of fields alone, it is that rows are not known by their keys.
    let error = db.error("DELETE FROM acme.vault.lids WHERE size = 3").await;
    assert!(error.message().ends_with("which column holds the value for `box_id` and `number` of `delete`"), "{error}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_true_is_the_one_object_at_an_address_or_refused() {
    let (server, mut db) = vault().await;
    db.rows("UPDATE acme.vault.account SET email = 'a@b.test' WHERE true").await;
    assert_eq!(sent(&server), [pair("PATCH /account", r#"{"email":"a@b.test"}"#)]);
    for text in [
        "UPDATE acme.vault.account SET email = 'a@b.test' WHERE email = 'x'",
        "DELETE FROM acme.vault.notices WHERE true",
    ] {
        let error = db.error(text).await;
        assert!(error.message().contains("in its path"), "{text}: {error}");
        assert!(error.hint_text().unwrap().contains("`EXEC acme.vault."), "{text}: {error:?}");
    }
    assert_eq!(server.requests().len(), 1);
}
