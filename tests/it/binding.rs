//! From WHERE to calls: which method is called, with which values, and what is said when none can be.

mod parents;
mod values;

use serde_json::json;
use skyql::{Env, ErrorKind};

use crate::support::documents::provider_dir;
use crate::support::query::{Db, NULL};
use crate::support::server::{Reply, Seen, Server};

const DEPOT: &str = "\
openapi: 3.0.3
info: {title: Depot, version: v1}
servers:
  - url: 'SERVER/v1'
paths:
  /things:
    get:
      operationId: list_things
      parameters:
        - {name: kind, in: query, schema: {type: string}}
        - {name: shelf, in: query, schema: {type: integer}}
        - {name: public, in: query, schema: {type: boolean}}
        - {name: tags, in: query, schema: {type: array, items: {type: string}}}
        - {name: codes, in: query, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: session, in: cookie, schema: {type: string}}
        - {name: type, in: query, column: false, schema: {type: string}}
        - {name: status, in: query, column: true, schema: {type: string}}
        - {name: zone, in: query, schema: {type: string}}
      responses:
        '200':
          description: things
          content:
            application/json:
              schema: {type: object, properties: {items: {type: array, items: {$ref: '#/components/schemas/thing'}}}}
  /boxes:
    get:
      operationId: list_boxes
      parameters:
        - {name: color, in: query, schema: {type: string}}
      responses:
        '200':
          description: boxes
          content:
            application/json:
              schema: {type: object, properties: {items: {type: array, items: {$ref: '#/components/schemas/box'}}}}
  /boxes/{box_id}:
    get:
      operationId: get_box
      parameters:
        - {name: box_id, in: path, required: true, schema: {type: string}}
      responses:
        '200':
          description: one box
          content:
            application/json:
              schema: {$ref: '#/components/schemas/box'}
  /dirs/{dir}/files/{file}:
    get:
      operationId: read_file
      parameters:
        - {name: dir, in: path, required: true, schema: {type: string}}
        - {name: file, in: path, required: true, schema: {type: string}}
        - {name: depth, in: query, schema: {type: integer}}
      responses:
        '200':
          description: what is in it
          content:
            application/json:
              schema: {type: object, properties: {items: {type: array, items: {$ref: '#/components/schemas/line'}}}}
  /shelves/{shelf}/stock:
    get:
      operationId: stock_of_shelf
      parameters:
        - {name: shelf, in: path, required: true, schema: {type: integer}}
        - {name: low, in: query, schema: {type: boolean}}
      responses:
        '200':
          description: stock
          content:
            application/json:
              schema: {type: object, properties: {items: {type: array, items: {$ref: '#/components/schemas/line'}}}}
  /stock:
    get:
      operationId: stock_by_color
      parameters:
        - {name: color, in: query, required: true, schema: {type: string}}
      responses:
        '200':
          description: stock
          content:
            application/json:
              schema: {type: object, properties: {items: {type: array, items: {$ref: '#/components/schemas/line'}}}}
components:
  schemas:
    thing:
      type: object
      properties:
        thingId: {type: integer}
        name: {type: string}
        type: {type: string}
        status: {type: string}
        zone: {type: string}
        size: {type: integer}
    box:
      type: object
      properties:
        id: {type: string}
        label: {type: string}
    line:
      type: object
      properties:
        number: {type: integer}
        text: {type: string}
  x-stackQL-resources:
    things:
      id: acme.depot.things
      name: things
      methods:
        list:
          operation: {$ref: '#/paths/~1things/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.items}
          config: {pagination: {kind: none}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/things/methods/list'}]
    boxes:
      id: acme.depot.boxes
      name: boxes
      keys: {box_id: id}
      methods:
        list:
          operation: {$ref: '#/paths/~1boxes/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.items}
          config: {pagination: {kind: none}}
        get:
          operation: {$ref: '#/paths/~1boxes~1{box_id}/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
      sqlVerbs:
        select:
          - {$ref: '#/components/x-stackQL-resources/boxes/methods/list'}
          - {$ref: '#/components/x-stackQL-resources/boxes/methods/get'}
    files:
      id: acme.depot.files
      name: files
      methods:
        read:
          operation: {$ref: '#/paths/~1dirs~1{dir}~1files~1{file}/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.items}
          config: {pagination: {kind: none}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/files/methods/read'}]
    stock:
      id: acme.depot.stock
      name: stock
      methods:
        of_shelf:
          operation: {$ref: '#/paths/~1shelves~1{shelf}~1stock/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.items}
          config: {pagination: {kind: none}}
        by_color:
          operation: {$ref: '#/paths/~1stock/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.items}
          config: {pagination: {kind: none}}
      sqlVerbs:
        select:
          - {$ref: '#/components/x-stackQL-resources/stock/methods/of_shelf'}
          - {$ref: '#/components/x-stackQL-resources/stock/methods/by_color'}
";

const ZONES: &str = "\
openapi: 3.0.3
info: {title: Zones, version: v1}
servers:
  - url: 'SERVER/{apiVersion}/{tenant}'
    variables:
      apiVersion: {default: v4, enum: [v4, v4beta]}
      tenant: {x-stackQL-envVar: DEPOT_TENANT}
paths:
  /zones:
    get:
      operationId: list_zones
      responses:
        '200':
          description: zones
          content:
            application/json:
              schema: {type: array, items: {type: object, properties: {name: {type: string}}}}
components:
  x-stackQL-resources:
    zones:
      id: acme.zones.zones
      name: zones
      methods:
        list:
          operation: {$ref: '#/paths/~1zones/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
          config: {pagination: {kind: none}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/zones/methods/list'}]
";

/// Three things whatever is asked; boxes by id, `missing` is not there; two lines of any file; one of any stock.
fn depot(seen: &Seen) -> Reply {
    let path = seen.path.strip_prefix("/v1").unwrap_or(&seen.path);
    let boxes = ["a", "b", "x/y"];
    if path == "/things" {
        return Reply::json(
            200,
            json!({"items": [
                {"thingId": 1, "name": "one", "type": "T1", "status": "new", "zone": "north", "size": 10},
                {"thingId": 2, "name": "two", "type": "T2", "status": "old", "zone": "south", "size": 20},
                {"thingId": 3, "name": "three", "type": "T1", "status": "new", "zone": null, "size": null},
            ]}),
        );
    }
    if path == "/boxes" {
        let items: Vec<_> = boxes.iter().map(|id| json!({"id": id, "label": format!("box {id}")})).collect();
        return Reply::json(200, json!({"items": items}));
    }
    if let Some(id) = path.strip_prefix("/boxes/") {
        let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned();
        return match id.as_str() {
            "missing" | "q" => Reply::json(404, json!({"error": "no such box"})),
            "gone" => Reply::text(404, "text/html", "<h1>not here</h1>"),
            // An API that finds keys without regard to case.
            _ => Reply::json(200, json!({"id": id.to_lowercase(), "label": format!("box {id}")})),
        };
    }
    if path.starts_with("/dirs/") {
        return Reply::json(200, json!({"items": [{"number": 1, "text": "first"}, {"number": 2, "text": "second"}]}));
    }
    if path.ends_with("/stock") {
        return Reply::json(200, json!({"items": [{"number": 7, "text": path}]}));
    }
    if path.ends_with("/zones") {
        return Reply::json(200, json!([{"name": seen.path}]));
    }
    Reply::json(404, json!({"error": "no such path"}))
}

async fn server() -> Server {
    Server::start(depot).await
}

fn documents(server: &Server) -> tempfile::TempDir {
    let (depot, zones) = (DEPOT.replace("SERVER", &server.url()), ZONES.replace("SERVER", &server.url()));
    provider_dir("acme", "v1", &[("depot", &depot), ("zones", &zones)], "type: null_auth")
}

fn db(server: &Server) -> Db {
    Db::new(documents(server))
}

/// The requests' targets, without the server's own path.
fn targets(server: &Server) -> Vec<String> {
    let requests = server.requests();
    requests.iter().map(|seen| seen.path_and_query().trim_start_matches("/v1").to_owned()).collect()
}

/// What each WHERE clause asks of the API.
async fn asked(cases: &[(&str, &[&str])]) {
    for (sql, wanted) in cases {
        let server = server().await;
        db(&server).rows(sql).await;
        let mut targets = targets(&server);
        targets.sort();
        assert_eq!(targets, *wanted, "{sql}");
    }
}

/// What is said of each statement, none of which may make a call.
async fn refused(cases: &[(&str, ErrorKind, &str, &str)]) {
    let server = server().await;
    let mut db = db(&server);
    for (sql, kind, message, hint) in cases {
        let error = db.error(sql).await;
        assert_eq!(
            (error.kind(), error.message(), error.hint_text().unwrap_or_default()),
            (*kind, *message, *hint),
            "{sql}"
        );
    }
    assert_eq!(targets(&server), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_match_without_regard_to_case() {
    let server = server().await;
    let mut db = db(&server);
    let answer = db.rows("SELECT THINGID, Name FROM ACME.Depot.THINGS WHERE KIND = 'a' ORDER BY thingid DESC").await;
    assert_eq!(answer.columns, ["thingId", "name"]);
    assert_eq!(answer.ids(), [3, 2, 1]);
    let answer = db.rows("SELECT t.thingid AS ThingID FROM acme.depot.things AS t WHERE T.Size = 10").await;
    assert_eq!(answer.columns, ["ThingID"]);
    assert_eq!(answer.ids(), [1]);
    assert_eq!(targets(&server), ["/things?kind=a", "/things"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_does_not_take_the_name_from_its_own_column() {
    let server = server().await;
    let mut db = db(&server);
    let answer = db.rows("SELECT NAME AS Name, thing_id AS ThingID FROM acme.depot.things WHERE THINGID > 1").await;
    assert_eq!(answer.columns, ["Name", "ThingID"]);
    assert_eq!(answer.rows, [["two", "2"], ["three", "3"]]);
    let sql = "SELECT q.THINGID, q.NAME FROM (SELECT thingid AS ThingID, upper(NAME) AS Name FROM acme.depot.things) q \
               ORDER BY thingid DESC LIMIT 1";
    let answer = db.rows(sql).await;
    assert_eq!(answer.columns, ["ThingID", "Name"]);
    assert_eq!(answer.rows, [["3", "THREE"]]);
    let answer = db.rows("SELECT STATUS AS Status, count(*) FROM acme.depot.things GROUP BY Status ORDER BY 1").await;
    assert_eq!(answer.rows, [["new", "2"], ["old", "1"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_over_using_shows_the_side_that_keeps_its_rows() {
    let server = server().await;
    let mut db = db(&server);
    let values = "(VALUES ('b', 1), ('q', 2)) AS v(id, n)";
    for (sql, rows) in [
        (
            format!("SELECT * FROM acme.depot.boxes LEFT JOIN {values} USING (id) ORDER BY 1"),
            vec![["a", "box a", NULL], ["b", "box b", "1"], ["x/y", "box x/y", NULL]],
        ),
        (
            format!("SELECT * FROM acme.depot.boxes z LEFT JOIN {values} USING (ID) ORDER BY 1"),
            vec![["a", "box a", NULL], ["b", "box b", "1"], ["x/y", "box x/y", NULL]],
        ),
        (
            format!("SELECT * FROM acme.depot.boxes a RIGHT JOIN {values} USING (id) ORDER BY 1"),
            vec![["b", "box b", "1"], ["q", NULL, "2"]],
        ),
        (
            format!("SELECT * FROM {values} LEFT JOIN acme.depot.boxes USING (id) ORDER BY 1"),
            vec![["b", "1", "box b"], ["q", "2", NULL]],
        ),
    ] {
        assert_eq!(db.rows(&sql).await.rows, rows, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equalities_and_lists_become_calls() {
    const S: &str = "SELECT thingId FROM acme.depot.things WHERE";
    let sql: Vec<String> = [
        "kind = 'a'",
        "'a' = kind",
        "kind IN ('a', 'b', 'a')",
        "kind = 'a' OR kind = 'b'",
        "kind IN ('a', 'b') AND shelf IN (1, 2)",
        "(kind = 'a' AND shelf = 1) OR (kind = 'b' AND shelf = 2)",
        "kind IN ('a', 'b') AND kind = 'a'",
        "kind = 'a & b/c?#+%'",
        "kind = ''",
        "kind = 'ü'",
        "kind = 5",
        "shelf = -1",
        "shelf BETWEEN 3 AND 3",
    ]
    .iter()
    .map(|text| format!("{S} {text}"))
    .collect();
    let wanted: Vec<Vec<&str>> = vec![
        vec!["/things?kind=a"],
        vec!["/things?kind=a"],
        vec!["/things?kind=a", "/things?kind=b"],
        vec!["/things?kind=a", "/things?kind=b"],
        vec!["/things?kind=a&shelf=1", "/things?kind=a&shelf=2", "/things?kind=b&shelf=1", "/things?kind=b&shelf=2"],
        vec!["/things?kind=a&shelf=1", "/things?kind=b&shelf=2"],
        vec!["/things?kind=a"],
        vec!["/things?kind=a%20%26%20b%2Fc%3F%23%2B%25"],
        vec!["/things?kind="],
        vec!["/things?kind=%C3%BC"],
        vec!["/things?kind=5"],
        vec!["/things?shelf=-1"],
        vec!["/things?shelf=3"],
    ];
    for (sql, wanted) in sql.iter().zip(wanted) {
        asked(&[(sql, &wanted)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn literals_take_the_parameters_type() {
    for (predicate, wanted) in [
        ("shelf = '5'", "/things?shelf=5"),
        ("shelf = 5.0", "/things?shelf=5"),
        ("shelf IN ('5', 5)", "/things?shelf=5"),
        ("shelf = CAST('5' AS INT)", "/things?shelf=5"),
        ("CAST(shelf AS VARCHAR) = '5'", "/things?shelf=5"),
        ("public = 'true'", "/things?public=true"),
        ("public = 'FALSE'", "/things?public=false"),
        ("public = true", "/things?public=true"),
        ("public", "/things?public=true"),
        ("NOT public", "/things?public=false"),
        ("public IS TRUE", "/things?public=true"),
        ("public IS FALSE", "/things?public=false"),
        ("public = false AND shelf = '7'", "/things?shelf=7&public=false"),
    ] {
        let sql = format!("SELECT thingId FROM acme.depot.things WHERE {predicate}");
        asked(&[(&sql, &[wanted])]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_parameter_is_a_column_of_the_literals_own_value() {
    let server = server().await;
    let sql = "SELECT name, kind, shelf, public FROM acme.depot.things \
               WHERE kind IN ('b', 'a') AND shelf = '5' AND public AND size = 10 ORDER BY kind";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows, [["one", "a", "5", "true"], ["one", "b", "5", "true"]]);
    assert_eq!(answer.types, ["Utf8", "Utf8", "Int64", "Boolean"]);
    assert_eq!(answer.verdict(), "complete");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn predicates_that_contradict_each_other_need_no_call() {
    let server = server().await;
    let mut db = db(&server);
    for predicate in [
        "kind = 'a' AND kind = 'b'",
        "kind IN ('a', 'b') AND kind = 'c'",
        "public AND NOT public",
        "kind = NULL",
        "shelf IN (1, 2) AND shelf = '3'",
        "false",
        "kind = 'a' AND kind = 'b' AND size = 3 AND status = 'new'",
    ] {
        let answer = db.rows(&format!("SELECT name FROM acme.depot.things WHERE {predicate}")).await;
        assert!(answer.rows.is_empty(), "{predicate}");
        assert_eq!(answer.verdict(), "complete", "{predicate}");
        assert_eq!(targets(&server), Vec::<String>::new(), "{predicate}");
    }
    for sql in [
        "SELECT number, shelf FROM acme.depot.stock WHERE shelf = 1 AND shelf = 2",
        "SELECT count(number) FROM acme.depot.stock WHERE shelf = 1 AND shelf = 2 HAVING count(number) > 0",
        "SELECT b.id FROM acme.depot.boxes b JOIN acme.depot.files f ON f.file = b.id WHERE dir = 'a' AND dir = 'b'",
    ] {
        let answer = db.rows(sql).await;
        assert!(answer.rows.is_empty(), "{sql}");
    }
    assert!(targets(&server).iter().all(|target| target == "/boxes"), "{:?}", targets(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_one_get_of_the_detail() {
    let server = server().await;
    let mut db = db(&server);
    let answer = db.rows("SELECT id, label FROM acme.depot.boxes WHERE id = 'x/y'").await;
    assert_eq!(answer.rows, [["x/y", "box x/y"]]);
    assert_eq!(answer.verdict(), "complete");
    let answer = db.rows("SELECT id FROM acme.depot.boxes WHERE box_id = 'linode/debian12'").await;
    assert_eq!(answer.rows, [["linode/debian12"]]);
    assert_eq!(targets(&server), ["/boxes/x%2Fy", "/boxes/linode%2Fdebian12"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_api_does_not_know_is_no_row_and_is_counted() {
    let server = server().await;
    let answer = db(&server).rows("SELECT id FROM acme.depot.boxes WHERE id IN ('a', 'missing', 'b')").await;
    assert_eq!(answer.rows, [["a"], ["b"]]);
    assert_eq!(answer.report.not_found, 1);
    assert_eq!(answer.verdict(), "complete");
    assert!(answer.report.footer().contains("1 not found"), "{}", answer.report.footer());
    let mut targets = targets(&server);
    targets.sort();
    assert_eq!(targets, ["/boxes/a", "/boxes/b", "/boxes/missing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_that_is_not_the_apis_own_is_an_error() {
    let server = server().await;
    let error = db(&server).error("SELECT id FROM acme.depot.boxes WHERE id = 'gone'").await;
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(error.message(), "the API has no such object: 404 Not Found");
    assert_eq!(targets(&server), ["/boxes/gone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_of_a_key_is_checked() {
    let server = server().await;
    let answer = db(&server).rows("SELECT id FROM acme.depot.boxes WHERE id = 'A'").await;
    assert!(answer.rows.is_empty(), "the API answered with another key: {:?}", answer.rows);
    assert_eq!(targets(&server), ["/boxes/A"]);
}
