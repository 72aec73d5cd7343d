//! Documents that are wrong, odd or large.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::skyql;
use crate::support::server::{Reply, Seen, Server};

/// Imports a text; the exit code, the rows and what was said.
fn import(text: &str) -> (Option<i32>, Value, String) {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("p");
    let done = skyql(home.path())
        .args(["provider", "import", "-", "--name", "acme", "--out", out.to_str().unwrap(), "-o", "json"])
        .write_stdin(text.as_bytes().to_vec())
        .output()
        .unwrap();
    let rows = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
    (done.status.code(), rows, String::from_utf8(done.stderr).unwrap())
}

/// A document with these paths and schemas.
fn document(paths: &str, schemas: &str) -> String {
    format!(
        "openapi: 3.1.0\ninfo: {{title: t, version: '1'}}\nservers: [{{url: 'https://a.test'}}]\npaths: {paths}\ncomponents: {{schemas: {schemas}}}\n"
    )
}

fn list_of(schema: &str) -> String {
    format!(
        "{{'200': {{description: d, content: {{application/json: {{schema: {{type: array, items: {schema}}}}}}}}}}}"
    )
}

#[test]
fn what_is_no_openapi_document_is_refused_with_a_reason() {
    for (text, says) in [
        ("<!DOCTYPE html><html></html>", "this is a web page"),
        ("", "does not parse"),
        ("just words", "not a map"),
        ("a: [1, 2", "does not parse"),
        ("name: acme\nproviderServices: {}\n", "a provider's own document"),
        ("info: {}\n", "neither `openapi` nor `swagger`"),
        ("swagger: '1.2'\npaths: {}\n", "Swagger `1.2` is not read"),
        ("openapi: 4.0.0\npaths: {}\n", "OpenAPI `4.0.0` is not read"),
        ("openapi: 3.0.0\ninfo: {}\n", "has no operations"),
        ("openapi: 3.0.0\npaths: {}\n", "has no operations"),
        ("openapi: 3.0.0\npaths: [1]\n", "has no operations"),
    ] {
        let (code, _, said) = import(text);
        assert_eq!(code, Some(1), "{text}: {said}");
        let either = said.contains(says) || (says == "does not parse" && said.contains("not a map"));
        assert!(either, "{text}: {said}");
    }
}

#[test]
fn names_that_sql_does_not_expect() {
    let schema = "{type: object, properties: {select: {type: string}, a.b: {type: integer}, 'two words': {type: string}, '🎈': {type: string}, description: {type: string}, example: {type: integer}}}";
    let text = document(
        &format!("{{/things: {{get: {{operationId: 'list things!', responses: {}}}}}}}", list_of(schema)),
        "{}",
    );
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    std::fs::write(&file, text).unwrap();
    let done = skyql(home.path())
        .args(["--openapi", file.to_str().unwrap(), "-q", "-o", "json", "-c", "DESCRIBE api.things.things"])
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    for column in ["select", "a.b", "two words", "🎈", "description", "example"] {
        assert!(said.contains(&format!("\"{column}\"")), "{column}: {said} {}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn ids_that_are_absent_or_stand_twice_and_parameters_that_are_not_declared() {
    let one = list_of("{type: object, properties: {id: {type: string}}}");
    let paths = format!(
        "{{/a: {{get: {{operationId: same, responses: {one}}}, post: {{operationId: same, responses: {{}}}}}}, '/a/{{x}}/{{y}}': {{get: {{responses: {one}}}}}, /b: {{get: {{responses: {one}}}}}}}"
    );
    let (code, rows, said) = import(&document(&paths, "{}"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 operationIds stand more than once, such as `same`"), "{said}");
    let mut methods: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{}.{}", row["resource"], row["method"]).replace('"', ""))
        .collect();
    methods.sort();
    methods.dedup();
    assert_eq!(methods.len(), 4, "{methods:?}");
}

#[test]
fn two_parameters_of_one_name_in_different_places() {
    let one = list_of("{type: object, properties: {id: {type: string}}}");
    let paths = format!(
        "{{'/a/{{id}}/parts': {{get: {{operationId: parts, parameters: [{{name: id, in: path, required: true, schema: {{type: string}}}}, {{name: id, in: query, schema: {{type: string}}}}], responses: {one}}}}}}}"
    );
    let (code, rows, said) = import(&document(&paths, "{}"));
    assert_eq!((code, rows.as_array().unwrap().len()), (Some(0), 1), "{said}");
}

#[test]
fn a_path_without_a_letter_has_a_name_all_the_same() {
    let one = list_of("{type: object, properties: {id: {type: string}}}");
    let paths = format!("{{/🎈: {{get: {{operationId: '🎈', tags: ['🎈'], responses: {one}}}}}}}");
    let (code, rows, said) = import(&document(&paths, "{}"));
    assert_eq!(code, Some(0), "{said}");
    let line = &rows[0];
    assert_eq!((&line["service"], &line["resource"], &line["method"]), (&json!("api"), &json!("root"), &json!("list")));
}

#[test]
fn cycles_and_references_that_lead_nowhere() {
    let schemas = "{Tree: {type: object, properties: {id: {type: string}, up: {$ref: '#/components/schemas/Tree'}, lost: {$ref: '#/components/schemas/None'}}}, Loop: {$ref: '#/components/schemas/Loop'}}";
    let paths = format!(
        "{{/trees: {{get: {{operationId: trees, parameters: [{{$ref: '#/components/parameters/None'}}], responses: {}}}}}, /loops: {{get: {{operationId: loops, responses: {}}}}}}}",
        list_of("{$ref: '#/components/schemas/Tree'}"),
        list_of("{$ref: '#/components/schemas/Loop'}"),
    );
    let (code, rows, said) = import(&document(&paths, schemas));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("`#/components/schemas/None` is referred to and not in the document"), "{said}");
    assert!(said.contains("`#/components/parameters/None`"), "{said}");
    assert_eq!(rows.as_array().unwrap().len(), 2);
}

#[test]
fn a_server_that_is_missing_or_relative() {
    let one = list_of("{type: object, properties: {id: {type: string}}}");
    for servers in ["", "servers: [{url: /v1}]\n", "servers: []\n"] {
        let text = format!("openapi: 3.0.0\n{servers}paths: {{/a: {{get: {{operationId: a, responses: {one}}}}}}}\n");
        let (code, _, said) = import(&text);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("does not say where the API is") && said.contains("--server URL"), "{said}");
    }
}

#[test]
fn a_file_that_is_referred_to_and_not_there() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    std::fs::write(
        &file,
        document(
            &format!("{{/a: {{get: {{operationId: a, responses: {}}}}}}}", list_of("{$ref: 'none.yaml#/A'}")),
            "{}",
        ),
    )
    .unwrap();
    let done = skyql(home.path())
        .args(["provider", "import", file.to_str().unwrap(), "--name", "acme", "-o", "json"])
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    assert!(said.contains("none.yaml#/A` is referred to and cannot be found: there is no file"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_another_origin_is_not_asked_for() {
    let elsewhere = Server::start(|_: &Seen| Reply::text(200, "application/yaml", "A: {type: object}")).await;
    let list = list_of(&format!("{{$ref: '{}/a.yaml#/A'}}", elsewhere.url()));
    let text = document(&format!("{{/a: {{get: {{operationId: a, responses: {list}}}}}}}"), "{}");
    let server = Server::start(move |_: &Seen| Reply::text(200, "application/yaml", text.clone())).await;
    let home = tempfile::tempdir().unwrap();
    let done = skyql(home.path())
        .args(["provider", "import", &format!("{}/openapi.yaml", server.url()), "--name", "acme", "-o", "json"])
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    assert_eq!(said.matches("a.yaml#/A").count(), 1, "said once: {said}");
    assert!(said.contains("neither beside the document nor on its origin"), "{said}");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_name_that_cannot_be_a_providers_and_one_that_is_shipped() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    let one = list_of("{type: object, properties: {id: {type: string}}}");
    std::fs::write(&file, document(&format!("{{/a: {{get: {{operationId: a, responses: {one}}}}}}}"), "{}")).unwrap();
    for (name, says) in
        [("../x", "cannot be the name of a provider"), ("A B", "cannot be the name"), ("linode", "that skyql ships")]
    {
        let done =
            skyql(home.path()).args(["provider", "import", file.to_str().unwrap(), "--name", name]).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn ten_megabytes_and_thousands_of_enum_values() {
    let values: Vec<String> = (0..5_000).map(|n| format!("v{n}")).collect();
    let mut paths = serde_json::Map::new();
    let long = "words ".repeat(400);
    for n in 0..2_000 {
        let mut path = String::new();
        let _infallible = write!(path, "/group{}/things{n}", n % 20);
        paths.insert(path, json!({"get": {"operationId": format!("list_things{n}"), "description": long, "x-samples": [long, long],
            "responses": {"200": {"description": "d", "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/T"}}}}}}}}));
    }
    let text = json!({"openapi": "3.0.0", "info": {}, "servers": [{"url": "https://a.test"}], "paths": paths,
        "components": {"schemas": {"T": {"type": "object", "properties": {"kind": {"type": "string", "enum": values}}}}}});
    let text = text.to_string();
    assert!(text.len() > 10_000_000);
    let (code, rows, said) = import(&text);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(rows.as_array().unwrap().len(), 2_000);
}
