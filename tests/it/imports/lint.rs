//! Checking provider documents.

use std::path::Path;

use serde_json::Value;

use super::skyql;

const PROVIDER: &str = "name: acme\nproviderServices: {shop: {name: shop, service: {$ref: acme/v1/services/shop.yaml}}}\nconfig: {auth: {type: AUTH}}\n";

fn lint(service: &str, auth: &str) -> (Option<i32>, Vec<String>) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("p");
    let write = |path: &Path, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(&dir.join("acme/v1/provider.yaml"), &PROVIDER.replace("AUTH", auth));
    write(&dir.join("acme/v1/services/shop.yaml"), service);
    let done = skyql(home.path()).args(["provider", "lint", dir.to_str().unwrap(), "-o", "json"]).output().unwrap();
    let rows: Value = serde_json::from_slice(&done.stdout).unwrap();
    let found = rows.as_array().unwrap().iter().map(|row| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        format!("{} {} {}", text("rule"), text("place"), text("message"))
    });
    (done.status.code(), found.collect())
}

/// A service with one list and one detail method; `with` replaces parts of it.
fn service(with: &[(&str, &str)]) -> String {
    let mut text = r"
openapi: 3.0.3
servers: [{url: 'https://a.test'}]
paths:
  /parcels:
    get:
      operationId: list
      parameters: [{name: state, in: query, x-skyql-column: true, schema: {type: string}}]
      responses: {'200': {content: {application/json: {schema: {type: object, properties: {parcels: {type: array, items: {$ref: '#/components/schemas/Parcel'}}}}}}}}
  /parcels/{id}:
    get:
      operationId: get
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Parcel'}}}}}
components:
  schemas:
    Parcel: {type: object, properties: {id: {type: integer}, state: {type: string}}}
  x-stackQL-resources:
    parcels:
      name: parcels
      keys: {id: id}
      methods:
        list:
          operation: {$ref: '#/paths/~1parcels/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.parcels}
          config: {pagination: {kind: none}}
        get:
          operation: {$ref: '#/paths/~1parcels~1{id}/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/parcels/methods/get'}, {$ref: '#/components/x-stackQL-resources/parcels/methods/list'}]}
"
    .to_owned();
    for (old, new) in with {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    text
}

#[test]
fn each_rule_finds_what_it_is_for() {
    assert_eq!(lint(&service(&[]), "null_auth"), (Some(0), Vec::new()));
    for (with, auth, rule, says) in [
        (
            &[("state: {type: string}}}", "state: {$ref: '#/components/schemas/None'}}}")][..],
            "none",
            "references",
            "`#/components/schemas/None`",
        ),
        (&[("servers: [{url: 'https://a.test'}]", "servers: []")], "none", "request", "no server"),
        (&[], "aws_signing_v4", "request", "the credential `aws_signing_v4`"),
        (
            &[(
                "      operationId: get\n",
                "      operationId: get\n      servers: [{url: 'https://{host}', variables: {host: {x-stackQL-envVar: H}}}]\n",
            )],
            "bearer, credentialsenvvar: T",
            "request",
            "the host `{host}` is anything",
        ),
        (
            &[(
                "      operationId: list\n",
                "      operationId: list\n      requestBody: {content: {application/x-www-form-urlencoded: {schema: {type: array, items: {type: string}}}}}\n",
            )],
            "none",
            "request",
            "the body is a form",
        ),
        (&[("kind: none", "total: {rows: $.n}")], "none", "pagination", "no scan is ever complete"),
        (&[("      keys: {id: id}\n", "")], "none", "keys", "`keys` does not say"),
        (&[("keys: {id: id}", "keys: {id: nr}")], "none", "keys", "the column `nr`, which no row has"),
        (
            &[("keys: {id: id}", "keys: {id: id, more: id}")],
            "none",
            "keys",
            "the parameter `more`, which no method has",
        ),
        (
            &[(
                "      keys: {id: id}\n",
                "      keys: {id: id}\n      describe: {state: How far it is, nr: Its number}\n",
            )],
            "none",
            "references",
            "`describe` names `nr`",
        ),
        (&[("state: {type: string}}}", "state: {type: string}, State: {type: string}}}")], "none", "names", "`State`"),
        (
            &[(
                "        get:\n          operation",
                "        g_et: {aliases: [LIST], operation: {$ref: '#/paths/~1parcels/get'}}\n        get:\n          operation",
            )],
            "none",
            "names",
            "differ in case and separators only",
        ),
        (&[("state: {type: string}}}", "state: {}}}")], "none", "columns", "`state` has no type"),
        (&[("x-skyql-column: true, ", "")], "none", "same-name", "query parameter `state`"),
        (
            &[(
                "schema: {$ref: '#/components/schemas/Parcel'}}}}}\ncomponents",
                "schema: {$ref: '#/components/schemas/Parcel'}, example: {id: a lot}}}}}\ncomponents",
            )],
            "none",
            "examples",
            "`\"a lot\"` in the column `id`",
        ),
        (&[("#/paths/~1parcels/get'", "#/paths/~1none/get'")], "none", "loads", "is not in the document"),
    ] {
        let (code, found) = lint(&service(with), auth);
        assert_eq!(code, Some(1), "{rule}: {found:?}");
        assert!(found.iter().any(|line| line.starts_with(rule) && line.contains(says)), "{rule} {says}: {found:?}");
    }
}

#[test]
fn an_exception_needs_a_reason() {
    let except = |reason: &str| {
        service(&[
            ("kind: none", "total: {rows: $.n}"),
            ("      name: parcels\n", &format!("      name: parcels\n      x-skyql-lint: {{pagination: {reason}}}\n")),
        ])
    };
    assert_eq!(lint(&except("the API has never more than ten"), "none").0, Some(0));
    assert_eq!(lint(&except("''"), "none").0, Some(1));
}

#[test]
fn the_problems_are_in_the_outfile_too() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("p/acme/v1");
    std::fs::create_dir_all(dir.join("services")).unwrap();
    std::fs::write(dir.join("provider.yaml"), PROVIDER.replace("AUTH", "none")).unwrap();
    std::fs::write(dir.join("services/shop.yaml"), service(&[("      keys: {id: id}\n", "")])).unwrap();
    let lint = |more: &[&str]| {
        let place = home.path().join("p");
        skyql(home.path()).args(["provider", "lint", place.to_str().unwrap(), "-o", "csv"]).args(more).output().unwrap()
    };
    let file = home.path().join("problems.csv");
    let (shown, written) = (lint(&[]), lint(&["--outfile", file.to_str().unwrap()]));
    assert_eq!((shown.status.code(), written.status.code()), (Some(1), Some(1)));
    let text = std::fs::read(&file).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("acme.shop.parcels,keys,"), "{}", String::from_utf8_lossy(&text));
    assert_eq!(text, shown.stdout);
    assert!(written.stdout.is_empty());
}

#[test]
fn shipped_providers_have_no_problems() {
    let home = tempfile::tempdir().unwrap();
    let done = skyql(home.path()).args(["provider", "lint", "-o", "csv"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stderr).contains("3 providers, no problems"));
}

#[test]
fn what_is_to_be_checked_must_be_there() {
    let home = tempfile::tempdir().unwrap();
    for what in ["nothing", home.path().to_str().unwrap()] {
        let done = skyql(home.path()).args(["provider", "lint", what]).output().unwrap();
        assert_eq!(done.status.code(), Some(1));
        assert!(!done.stderr.is_empty());
    }
}
