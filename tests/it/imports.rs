//! Importing OpenAPI documents and asking the API behind them.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

mod asked;
mod bad_input;
mod credentials;
mod lint;
mod searches;
mod servers;
mod texts;

use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::support::server::{Reply, Seen, Server};

/// The program in surroundings of its own.
pub(crate) fn skyql(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skyql"));
    command
        .env_clear()
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join("data"))
        .env("XDG_STATE_HOME", home.join("state"));
    command.env("XDG_CONFIG_HOME", home.join("config"));
    command
}

/// A shop in OpenAPI 3.0: an envelope with page numbers, a wrapped detail, an action, a search by POST with paging in
/// its body, schemas in another file.
const SHOP: &str = r"
openapi: 3.0.3
info: {title: The Shop, version: '2.1'}
servers: [{url: SERVER/v1}]
security: [{key: []}]
paths:
  /parcels:
    get:
      operationId: listParcels
      tags: [Parcels]
      parameters:
        - {name: page, in: query, schema: {type: integer, default: 1}}
        - {name: per_page, in: query, schema: {type: integer, maximum: 2, default: 2}}
        - {name: state, in: query, schema: {type: string}}
      responses:
        '200':
          description: One page.
          content:
            application/json:
              schema:
                type: object
                properties:
                  parcels: {type: array, items: {$ref: 'schemas.yaml#/Parcel'}}
                  meta: {type: object, properties: {total: {type: integer}}}
    post:
      operationId: createParcel
      tags: [Parcels]
      requestBody:
        required: true
        content: {application/json: {schema: {type: object, required: [state], properties: {state: {type: string}, weight: {type: number}}}}}
      responses: {'201': {description: Made, content: {application/json: {schema: {type: object, properties: {parcel: {$ref: 'schemas.yaml#/Parcel'}}}}}}}
  /parcels/{parcel_id}:
    parameters: [{name: parcel_id, in: path, required: true, schema: {type: integer}}]
    get:
      operationId: getParcel
      tags: [Parcels]
      responses: {'200': {description: One, content: {application/json: {schema: {type: object, properties: {parcel: {$ref: 'schemas.yaml#/Parcel'}}}}}}}
    patch:
      operationId: changeParcel
      tags: [Parcels]
      requestBody: {content: {application/json: {schema: {type: object, properties: {state: {type: string}}}}}}
      responses: {'200': {description: Changed, content: {application/json: {schema: {$ref: 'schemas.yaml#/Parcel'}}}}}
    delete:
      operationId: deleteParcel
      tags: [Parcels]
      responses: {'204': {description: Gone}}
  /parcels/{parcel_id}/send:
    post:
      operationId: sendParcel
      tags: [Parcels]
      parameters: [{name: parcel_id, in: path, required: true, schema: {type: integer}}]
      responses: {'202': {description: On its way}}
  /vans/search:
    post:
      operationId: searchVans
      requestBody:
        content:
          application/json:
            schema: {type: object, properties: {plate: {type: string}, offset: {type: integer}, limit: {type: integer, maximum: 2}}}
      responses:
        '200':
          description: Some
          content:
            application/json:
              schema: {type: object, properties: {items: {type: array, items: {type: object, properties: {plate: {type: string}}}}, total: {type: integer}}}
components:
  securitySchemes: {key: {type: apiKey, in: header, name: X-Key}}
";

const SCHEMAS: &str = r"
Parcel:
  allOf:
    - {type: object, properties: {id: {type: integer, readOnly: true}, state: {$ref: '#/State'}}}
    - {type: object, properties: {weight: {type: number, nullable: true}}}
State: {type: string, enum: [packed, sent]}
";

/// The API that the shop's document describes, with five parcels.
fn api(seen: &Seen) -> Reply {
    let parcel =
        |id: u64| json!({"id": id, "state": if id.is_multiple_of(2) { "sent" } else { "packed" }, "weight": id});
    let number = |name: &str, usual: u64| seen.query_value(name).map_or(usual, |text| text.parse().unwrap());
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/v1/parcels") => {
            let (page, size) = (number("page", 1), number("per_page", 2).min(2));
            let rows: Vec<Value> = ((page - 1) * size + 1..=(page * size).min(5)).map(parcel).collect();
            Reply::json(200, json!({"parcels": rows, "meta": {"total": 5}}))
        }
        ("GET", "/v1/parcels/4") => Reply::json(200, json!({"parcel": parcel(4)})),
        ("POST", "/v1/vans/search") => {
            let body = seen.json();
            let from = body["offset"].as_u64().unwrap_or(0);
            let plates: Vec<Value> = (from..(from + 2).min(3)).map(|n| json!({"plate": format!("P{n}")})).collect();
            Reply::json(200, json!({"items": plates, "total": 3}))
        }
        _ => Reply::json(404, json!({"message": "no such thing"})),
    }
}

fn files(home: &Path, server: &str) -> std::path::PathBuf {
    let path = home.join("openapi.yaml");
    std::fs::write(&path, SHOP.replace("SERVER", server)).unwrap();
    std::fs::write(home.join("schemas.yaml"), SCHEMAS).unwrap();
    path
}

fn rows(output: &[u8]) -> Value {
    serde_json::from_slice(output).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_becomes_a_provider_that_answers() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(api).await;
    let document = files(home.path(), &server.url());
    let out = home.path().join("data/skyql/providers");
    let done = skyql(home.path())
        .args(["provider", "import", document.to_str().unwrap(), "--name", "acme", "-o", "json"])
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    assert!(said.contains("`ACME_API_KEY`"), "{said}");
    assert!(said.contains("2 services, 2 resources, 7 methods"), "{said}");
    let lines = rows(&done.stdout);
    let line = |method: &str| lines.as_array().unwrap().iter().find(|line| line["method"] == method).unwrap().clone();
    let list = line("list_parcels");
    assert_eq!(
        (&list["verb"], &list["rows"], &list["keys"]),
        (&json!("SELECT"), &json!("$.parcels"), &json!("parcel_id=id"))
    );
    assert_eq!(list["pages"], "page ?page from 1, size ?per_page up to 2, total $.meta.total");
    assert_eq!((&line("get_parcel")["rows"], &line("change_parcel")["verb"]), (&json!("$.parcel"), &json!("UPDATE")));
    assert_eq!((&line("send_parcel")["verb"], &line("send_parcel")["resource"]), (&json!("EXEC"), &json!("parcels")));
    assert_eq!((&line("search_vans")["verb"], &line("search_vans")["certainty"]), (&json!("SELECT"), &json!("likely")));
    assert!(out.join("acme/v1.0.0/overlay/parcels.yaml").is_file());

    let ask = |sql: &str| {
        let done =
            skyql(home.path()).env("ACME_API_KEY", "k-1").args(["-q", "-o", "json", "-c", sql]).output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        rows(&done.stdout)
    };
    assert_eq!(
        ask("SELECT id FROM acme.parcels.parcels WHERE state <> 'lost' ORDER BY id DESC LIMIT 2"),
        json!([{"id": 5}, {"id": 4}])
    );
    assert_eq!(ask("SELECT weight FROM acme.parcels.parcels WHERE id = 4"), json!([{"weight": 4.0}]));
    assert_eq!(ask("SELECT count(*) AS n FROM acme.vans.vans"), json!([{"n": 3}]));
    let seen = server.requests();
    assert!(seen.iter().all(|seen| seen.header("x-key") == Some("k-1")));
    assert!(seen.iter().any(|seen| seen.path == "/v1/parcels/4"), "the detail method is used for one row");
}

#[test]
fn overlays_survive_the_next_import() {
    let home = tempfile::tempdir().unwrap();
    let document = files(home.path(), "https://shop.test");
    let import = |extra: &[&str]| {
        let mut command = skyql(home.path());
        command.args(["provider", "import", document.to_str().unwrap(), "--name", "acme", "-o", "json"]).args(extra);
        command.output().unwrap()
    };
    assert!(import(&[]).status.success());
    let overlay = home.path().join("data/skyql/providers/acme/v1.0.0/overlay/parcels.yaml");
    let text = "operations:\n  PATCH /parcels/{id}: {aliases: [list]}\n  POST /parcels/{id}/send: {resource: sendings, method: send, verb: insert}\n  DELETE /parcels/{id}: skip\n\
        describe: {weight: Weight in kg, colour: Its colour}\n\
        components:\n  x-stackQL-resources:\n    parcels:\n      description: What is sent\n      describe: {state: Whether it has left}\n";
    std::fs::write(&overlay, text).unwrap();

    let refused = import(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`--force` writes it all the same"));

    let again = import(&["--force"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(std::fs::read_to_string(&overlay).unwrap(), text);
    let lines = rows(&again.stdout);
    let lines = lines.as_array().unwrap();
    assert!(lines.iter().all(|line| line["verb"] != "DELETE"));
    let send = lines.iter().find(|line| line["method"] == "send").unwrap();
    assert_eq!((&send["resource"], &send["verb"]), (&json!("sendings"), &json!("INSERT")));
    let document = std::fs::read_to_string(overlay.with_file_name("../services/parcels.yaml")).unwrap();
    // A name that a person gave is not taken by the method that it would usually belong to.
    assert!(document.contains("aliases: [list, update]"), "{document}");
    assert!(document.contains("description: What is sent"), "{document}");
    let notes = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        notes.contains("overlay/parcels.yaml: `describe` names `colour`, which the document does not have"),
        "{notes}"
    );
    assert!(!notes.contains("`weight`"), "{notes}");

    let described = skyql(home.path())
        .args([
            "-o",
            "json",
            "-c",
            "SELECT name, description FROM skyql.columns WHERE provider = 'acme' AND resource = 'parcels'",
        ])
        .output()
        .unwrap();
    assert_eq!(
        rows(&described.stdout),
        json!([
            {"name": "id", "description": null},
            {"name": "state", "description": "Whether it has left"},
            {"name": "weight", "description": "Weight in kg"},
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_statement_needs_no_import() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(|seen: &Seen| match seen.path.as_str() {
        "/docs/openapi.yaml" => Reply::text(200, "application/yaml", SHOP.replace("SERVER", "")),
        "/docs/schemas.yaml" => Reply::text(200, "application/yaml", SCHEMAS),
        _ => api(seen),
    })
    .await;
    let url = format!("{}/docs/openapi.yaml", server.url());
    for (openapi, name) in [(url.clone(), "api"), (format!("acme={url}"), "acme")] {
        let sql = format!("SELECT count(*) AS n FROM {name}.parcels.parcels");
        let done = skyql(home.path())
            .env(format!("{}_API_KEY", name.to_uppercase()), "k")
            .args(["--openapi", &openapi, "-q", "-o", "json", "-c", &sql])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(rows(&done.stdout), json!([{"n": 5}]));
    }
    assert!(!home.path().join("data").exists(), "nothing is written");
}

#[test]
fn swagger_is_read_from_stdin() {
    let home = tempfile::tempdir().unwrap();
    let document = json!({
        "swagger": "2.0", "info": {"title": "Old", "version": "1"}, "host": "old.test", "basePath": "/api", "schemes": ["https"],
        "securityDefinitions": {"login": {"type": "basic"}}, "security": [{"login": []}],
        "paths": {"/things": {
            "get": {"operationId": "things.list", "parameters": [
                {"name": "tags", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"}],
                "responses": {"200": {"description": "all", "schema": {"type": "array", "items": {"$ref": "#/definitions/Thing"}}}}},
            "post": {"operationId": "things.add", "parameters": [{"name": "body", "in": "body", "required": true, "schema": {"$ref": "#/definitions/Thing"}}],
                "responses": {"200": {"description": "it", "schema": {"$ref": "#/definitions/Thing"}}}}}},
        "definitions": {"Thing": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "size": {"type": ["integer", "null"]}}}}
    });
    let out = home.path().join("p");
    let done = skyql(home.path())
        .args(["provider", "import", "-", "--name", "old", "--out", out.to_str().unwrap(), "-o", "json"])
        .write_stdin(document.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    assert!(said.contains("`https://old.test/api`") && said.contains("`OLD_USERNAME` and `OLD_PASSWORD`"), "{said}");
    assert!(said.contains("nothing says how the pages of `things.things.things_list`"), "{said}");
    assert!(said.contains("skyql --providers"), "{said}");
    let described = skyql(home.path())
        .args([
            "--providers",
            out.to_str().unwrap(),
            "-q",
            "-o",
            "json",
            "-c",
            "DESCRIBE METHOD old.things.things.things_add",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(described.stdout).unwrap();
    assert!(text.contains("\"name\"") && text.contains("body"), "{text}");
}
