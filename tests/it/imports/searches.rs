//! Lists by POST, as `FastAPI` documents have them: a filter and the paging in the body, an array as the answer, operationIds
//! that repeat the path.

use serde_json::{Value, json};

use super::{rows, skyql};
use crate::support::server::{Reply, Seen, Server};

const PARCELS: &str = r"
openapi: 3.1.0
info: {title: Parcels, version: '1'}
servers: [{url: /api}]
paths:
  /parcels/:
    post:
      operationId: create_parcel_parcels__post
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/New'}}}}
      responses: {'201': {description: Made, content: {application/json: {schema: {$ref: '#/components/schemas/Parcel'}}}}}
  /parcels/{id}:
    get:
      operationId: read_parcel_parcels__id__get
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {'200': {description: One, content: {application/json: {schema: {$ref: '#/components/schemas/Parcel'}}}}}
    delete:
      operationId: delete_parcel_parcels__id__delete
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {'204': {description: Gone}}
  /parcels/filter:
    post:
      operationId: read_parcels_parcels_filter_post
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties:
                offset: {type: integer, minimum: 0, default: 0}
                limit: {type: integer}
                parcels: {anyOf: [{type: object, properties: {state: {type: string}}}, {type: 'null'}]}
      responses: {'200': {description: Some, content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Parcel'}}}}}}
  /vans/filter:
    post:
      operationId: read_vans_vans_filter_post
      requestBody:
        content: {application/json: {schema: {type: object, properties: {offset: {type: integer}, limit: {type: integer}}}}}
      responses: {'200': {description: Some, content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Parcel'}}}}}}
  /vans/paginate:
    post:
      operationId: paginate_vans_vans_paginate_post
      requestBody:
        content: {application/json: {schema: {type: object, properties: {page: {type: integer, default: 1, minimum: 1}, limit: {type: integer}}}}}
      responses:
        '200':
          description: One page
          content:
            application/json:
              schema:
                type: object
                properties:
                  results: {type: array, items: {$ref: '#/components/schemas/Parcel'}}
                  count: {type: integer}
                  limit: {type: integer}
                  pages: {type: integer}
                  page: {type: integer}
components:
  schemas:
    New: {type: object, required: [state], properties: {state: {type: string}}}
    Parcel: {type: object, properties: {id: {type: string}, state: {anyOf: [{type: string}, {type: 'null'}]}}}
";

fn parcel(n: u64) -> Value {
    json!({"id": format!("p{n}"), "state": if n.is_multiple_of(2) { json!("sent") } else { Value::Null }})
}

fn api(seen: &Seen) -> Reply {
    // Nothing asked for is no body at all.
    let asked = if seen.body.is_empty() { json!({}) } else { seen.json() };
    let number = |name: &str, usual: u64| asked[name].as_u64().unwrap_or(usual);
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/api/openapi.yaml") => Reply::text(200, "application/yaml", PARCELS),
        ("POST", "/api/parcels/filter") => {
            let state = asked["parcels"]["state"].clone();
            let all = (0..5).map(parcel).filter(|parcel| state.is_null() || parcel["state"] == state);
            let skip = usize::try_from(number("offset", 0)).unwrap();
            let take = usize::try_from(number("limit", 200)).unwrap();
            Reply::json(200, Value::Array(all.skip(skip).take(take).collect()))
        }
        ("POST", "/api/vans/paginate") => {
            let (page, limit) = (number("page", 1), number("limit", 2));
            let rows: Vec<Value> = ((page - 1) * limit..(page * limit).min(5)).map(parcel).collect();
            let answer =
                json!({"results": rows, "count": 5, "limit": limit, "page": page, "pages": 5_u64.div_ceil(limit)});
            Reply::json(200, answer)
        }
        ("POST", "/api/parcels/") => Reply::json(201, parcel(7)),
        ("GET", "/api/parcels/p4") => Reply::json(200, parcel(4)),
        ("DELETE", "/api/parcels/p4") => Reply::json(204, Value::Null),
        _ => Reply::json(404, json!({"detail": "Not Found"})),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_by_post_are_lists_of_what_they_filter() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(api).await;
    let url = format!("{}/api/openapi.yaml", server.url());
    let import = || {
        let done = skyql(home.path())
            .args(["provider", "import", &url, "--name", "acme", "--force", "-o", "json"])
            .output()
            .unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{said}");
        (rows(&done.stdout), said)
    };
    let (lines, said) = import();
    let line = |method: &str| lines.as_array().unwrap().iter().find(|line| line["method"] == method).unwrap().clone();
    for (method, verb) in [
        ("create_parcel", "INSERT"),
        ("read_parcel", "SELECT"),
        ("read_parcels", "SELECT"),
        ("delete_parcel", "DELETE"),
    ] {
        let line = line(method);
        assert_eq!(
            (&line["resource"], &line["verb"], &line["keys"]),
            (&json!("parcels"), &json!(verb), &json!("id=id")),
            "{line}"
        );
    }
    let list = line("read_parcels");
    assert_eq!(list["pages"], "offset offset (body), size limit (body), no total");
    assert_eq!(list["certainty"], "likely");
    assert!(
        said.contains("`parcels.parcels.read_parcels`, `vans.vans.read_vans` take an offset and a limit"),
        "{said}"
    );

    let run = |sql: &str| {
        let done = skyql(home.path()).args(["-v", "-o", "json", "-c", sql]).output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    let sent = |from: usize| -> Vec<Value> { server.requests()[from..].iter().map(Seen::json).collect() };

    // Pages are followed to an empty one, and that these are all is not claimed.
    let before = server.requests().len();
    let (code, out, said) = run("SELECT id FROM acme.parcels.parcels WHERE \"limit\" = 2");
    assert_eq!((code, rows(out.as_bytes()).as_array().unwrap().len()), (Some(0), 5), "{said}");
    assert!(said.to_lowercase().contains("unproved") && said.contains("states no total"), "{said}");
    assert_eq!(
        sent(before),
        [
            json!({"limit": 2}),
            json!({"limit": 2, "offset": 2}),
            json!({"limit": 2, "offset": 4}),
            json!({"limit": 2, "offset": 5})
        ]
    );
    let (_, out, said) = run("SELECT id FROM acme.parcels.parcels WHERE parcels = '{\"state\": \"sent\"}'");
    assert_eq!(rows(out.as_bytes()), json!([{"id": "p0"}, {"id": "p2"}, {"id": "p4"}]), "{said}");
    // A row by its key is one call of the detail method.
    let before = server.requests().len();
    let (_, out, _) = run("SELECT state FROM acme.parcels.parcels WHERE id = 'p4'");
    assert_eq!(rows(out.as_bytes()), json!([{"state": "sent"}]));
    assert_eq!(server.paths()[before..], ["/api/parcels/p4"]);
    // A write does not begin with rows that may not be all.
    let (code, _, said) = run("DELETE FROM acme.parcels.parcels WHERE state = 'sent'");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.to_lowercase().contains("unproved"), "{said}");
    // One that names its object needs none.
    let (code, _, said) = run("DELETE FROM acme.parcels.parcels WHERE id = 'p4'");
    assert_eq!(code, Some(0), "{said}");
    let (_, out, _) = run("INSERT INTO acme.parcels.parcels (state) VALUES ('packed') RETURNING id");
    assert_eq!(rows(out.as_bytes()), json!([{"id": "p7"}]));

    // Of two lists, the one whose end is proved is asked.
    let before = server.requests().len();
    let (_, out, said) = run("SELECT count(*) AS n FROM acme.vans.vans");
    assert_eq!(rows(out.as_bytes()), json!([{"n": 5}]));
    assert!(!said.to_lowercase().contains("unproved"), "{said}");
    assert!(server.paths()[before..].iter().all(|path| path == "/api/vans/paginate"));

    // What a person knows of the paging makes it sure.
    let overlay = home.path().join("data/skyql/providers/acme/v1.0.0/overlay/parcels.yaml");
    std::fs::write(&overlay, "x-stackQL-config: {pagination: {kind: offset, offset: {key: offset, location: body}}}\n")
        .unwrap();
    let (lines, _) = import();
    let list = lines.as_array().unwrap().iter().find(|line| line["method"] == "read_parcels").unwrap().clone();
    assert_eq!(list["pages"], "offset offset (body), size limit (body)");
    let (code, out, said) = run("SELECT count(*) AS n FROM acme.parcels.parcels");
    assert_eq!((code, rows(out.as_bytes())), (Some(0), json!([{"n": 5}])), "{said}");
    assert!(!said.to_lowercase().contains("unproved"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_by_content_is_sent_as_json() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(|_: &Seen| Reply::json(200, json!([]))).await;
    let text = format!(
        "openapi: 3.0.0\ninfo: {{}}\nservers: [{{url: '{}'}}]\npaths:\n  /parcels:\n    get:\n      operationId: listParcels\n\
         \x20     parameters: [{{name: q, in: query, content: {{application/json: {{schema: {{type: object}}}}}}}}, \
         {{name: ids, in: query, content: {{application/json: {{schema: {{type: array, items: {{type: integer}}}}}}}}}}]\n\
         \x20     responses: {{'200': {{description: d, content: {{application/json: {{schema: {{type: array, items: {{type: object, \
         properties: {{id: {{type: integer}}}}}}}}}}}}}}}}\n",
        server.url()
    );
    let file = home.path().join("a.yaml");
    std::fs::write(&file, text).unwrap();
    let sql = "SELECT * FROM api.parcels.parcels WHERE q = '{\"kind\": \"cat\"}' AND ids = '[1, 2]'";
    let done =
        skyql(home.path()).args(["--openapi", file.to_str().unwrap(), "-q", "-o", "json", "-c", sql]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let seen = server.requests();
    let query = |name: &str| seen[0].query_value(name).unwrap();
    assert_eq!((query("q").as_str(), query("ids").as_str()), ("{\"kind\":\"cat\"}", "[1,2]"));
}
