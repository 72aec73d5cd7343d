//! Documents whose names and texts are anything.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use skyql::sql;
use tempfile::TempDir;

use super::{Pages, all, examples, files_in, index, text};
use crate::support::documents::provider_dir;

/// One resource per name; each has a list, a detail, an INSERT, an UPDATE, a DELETE and an action.
const NAMES: [&str; 9] = ["Parcels", "parcels", "index", "</script><b>x", "a.b", "two words", "🚀", "../../up", "NUL"];

const EVIL: &str = "</td><script>alert(1)</script> \"'&amp; {{ 7 * 7 }} {% raw %}";

fn service() -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let mut resources = String::new();
    for name in NAMES {
        let key = name.replace('~', "~0").replace('/', "~1");
        let methods =
            [("list", "get"), ("get", "one/get"), ("add", "post"), ("change", "one/patch"), ("drop", "one/delete")];
        let mut text = format!(
            "    {}:\n      name: {0}\n      description: {}\n      keys: {{id: id}}\n      methods:\n",
            quoted(name),
            quoted(EVIL)
        );
        for (method, operation) in methods {
            let path = operation.replace("one/", "~1{id}/");
            let path = if path.starts_with('~') { path } else { format!("/{path}") };
            writeln!(text, "        {method}:\n          operation: {{$ref: '#/paths/~1things{path}'}}\n          response: {{mediaType: application/json, openAPIDocKey: '200'}}").unwrap();
        }
        text.push_str("        \"act </b>\":\n          operation: {$ref: '#/paths/~1things~1{id}~1act/post'}\n          response: {mediaType: application/json, openAPIDocKey: '200'}\n");
        text.push_str("      sqlVerbs:\n");
        for (verb, methods) in
            [("select", &["list", "get"][..]), ("insert", &["add"]), ("update", &["change"]), ("delete", &["drop"])]
        {
            writeln!(text, "        {verb}:").unwrap();
            for method in methods {
                let pointer = format!("#/components/x-stackQL-resources/{key}/methods/{method}");
                writeln!(text, "          - {{$ref: {}}}", quoted(&pointer)).unwrap();
            }
        }
        resources.push_str(&text);
    }
    SERVICE.replace("EVIL", &quoted(EVIL)).replace("RESOURCES\n", &resources)
}

const SERVICE: &str = r#"
openapi: 3.0.3
info: {title: Things, version: v1}
servers: [{url: 'https://things.example'}]
paths:
  /things:
    get:
      operationId: list_things
      parameters:
        - {name: "a{{b", in: query, description: EVIL, schema: {type: string, enum: ["</code>", "it's", "{{ x }}"]}}
        - {name: size, in: query, schema: {type: integer, minimum: 1, maximum: 500, default: 20}}
      responses: {'200': {description: Things, content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/thing'}}}}}}
    post:
      operationId: add_thing
      description: EVIL
      requestBody: {required: true, content: {application/json: {schema: {type: object, required: [select, "a.b"], properties: {select: {type: string, description: EVIL}, "a.b": {type: integer}, "a b": {type: boolean}, "🚀": {type: array, items: {type: string}}}}}}}
      responses: {'200': {description: Made, content: {application/json: {schema: {$ref: '#/components/schemas/thing'}}}}}
  /things/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      operationId: get_thing
      responses: {'200': {description: One, content: {application/json: {schema: {$ref: '#/components/schemas/thing'}}}}}
    patch:
      operationId: change_thing
      requestBody: {content: {application/json: {schema: {type: object, properties: {id: {type: string}, select: {type: string}}}}}}
      responses: {'200': {description: Changed, content: {application/json: {schema: {$ref: '#/components/schemas/thing'}}}}}
    delete:
      operationId: drop_thing
      responses: {'200': {description: Gone}}
  /things/{id}/act:
    post:
      operationId: act
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {'200': {description: Done, content: {application/json: {schema: {type: object, properties: {ok: {type: boolean}}}}}}}
components:
  schemas:
    thing:
      type: object
      properties:
        id: {type: string}
        select: {type: string, description: EVIL, enum: [a, "<i>"]}
        "a.b": {type: integer}
        "</table>": {type: string}
        "a b": {type: boolean}
        "🚀": {type: array, items: {type: string}}
  x-stackQL-resources:
RESOURCES
"#;

fn skyql(home: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_skyql"))
        .env_clear()
        .env("HOME", home)
        .current_dir(home)
        .args(arguments)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn documents() -> TempDir {
    provider_dir(
        "acme",
        "v1",
        &[("shop", &service()), ("broken", "no: [yaml"), ("assets", &service())],
        "type: null_auth",
    )
}

#[test]
fn any_name_has_a_page_and_no_text_is_markup() {
    let documents = documents();
    let home = TempDir::new().unwrap();
    let arguments = ["provider", "docs", "acme", "--out", "site", "--providers", documents.path().to_str().unwrap()];
    let (ok, said) = skyql(home.path(), &arguments);
    // One service cannot be read: the others are there, and nobody takes it for all.
    assert!(!ok && said.contains("acme: 3 services and 18 resources") && said.contains("broken"), "{said}");
    let site = home.path().join("site");
    let files = files_in(&site);
    for path in files.keys() {
        let safe = path.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-./".contains(c));
        assert!(safe && !path.contains(".."), "{path}");
    }

    let pages = Pages::of(&files);
    pages.check_links();
    pages.check_shape();
    let entries = index(&files);
    assert_eq!(entries.len(), 18);
    let rocket = entries.iter().find(|entry| entry["id"] == "shop.🚀").unwrap();
    let page = &pages.page(rocket["href"].as_str().unwrap());
    assert_eq!(text(all(page, "h1")[0]), "🚀");
    assert_eq!(text(all(page, "p[class=lead]")[0]), EVIL);
    let columns = text(all(page, "section[aria-labelledby=columns]")[0]);
    assert!(columns.contains("</table>") && columns.contains("<i>"), "{columns}");
    let unreadable = pages.pages().into_values().find(|page| text(all(page, "h1")[0]) == "broken").unwrap();
    assert!(text(all(&unreadable, "p[class=bad]")[0]).contains("cannot be read"));

    for (path, page) in &pages.pages() {
        let made = examples(page);
        for example in &made {
            sql::parse(example).unwrap_or_else(|error| panic!("{path}: {error}\n{example}"));
        }
        if *path == rocket["href"].as_str().unwrap() {
            let insert = made.iter().find(|example| example.starts_with("INSERT")).unwrap();
            assert!(insert.starts_with("INSERT INTO acme.shop.\"🚀\" (data__select, \"data__a.b\")"), "{insert}");
            // A key says which object is meant, and cannot be SET, though the body has a field of its name.
            let update = made.iter().find(|example| example.starts_with("UPDATE")).unwrap();
            assert!(
                update.contains("SET\n  data__select = 'x'") && update.contains("WHERE\n  \"id\" = 'x'"),
                "{update}"
            );
            assert!(!update.contains("data__id"), "{update}");
            assert!(made.iter().any(|example| example.starts_with("EXEC acme.shop.\"🚀\".\"act </b>\"")), "{made:?}");
        }
    }
}

#[test]
fn the_same_documents_give_the_same_bytes_and_what_is_there_stays() {
    let documents = documents();
    let home = TempDir::new().unwrap();
    let run = |out: &str, force: bool| {
        let mut arguments =
            vec!["provider", "docs", "acme", "--out", out, "--providers", documents.path().to_str().unwrap()];
        arguments.extend(force.then_some("--force"));
        skyql(home.path(), &arguments).1
    };
    run("one", false);
    run("two", false);
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    assert_eq!(files_in(&one), files_in(&two));

    fs::write(two.join("mine.txt"), "mine").unwrap();
    fs::write(two.join("index.html"), "mine").unwrap();
    let said = run("two", false);
    assert!(said.contains("`two` is not empty") && said.contains("--force"), "{said}");
    assert_eq!(fs::read(two.join("index.html")).unwrap(), b"mine");
    run("two", true);
    assert_eq!(fs::read(two.join("mine.txt")).unwrap(), b"mine");
    let mut there = files_in(&two);
    there.remove("mine.txt");
    assert_eq!(there, files_in(&one));

    fs::write(home.path().join("file"), "x").unwrap();
    assert!(run("file", true).contains("`file` is not a directory"));
    let (ok, said) = skyql(home.path(), &["provider", "docs", "linnode", "--out", "three"]);
    assert!(!ok && said.contains("`linnode`") && !home.path().join("three").exists(), "{said}");
}
