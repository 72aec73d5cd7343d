//! What documents of the public registry say in ways of their own: done, undone, or refused before anything is sent.

use futures::stream;
use serde_json::{Value, json};
use skyql::ErrorKind;
use skyql::output::{Format, Options, write_stream};

use crate::support::documents::provider_dir;
use crate::support::query::{Db, NULL};
use crate::support::server::{Reply, Seen, Server};

/// Documents of one service, each of whose resources says something in another way.
const SERVICE: &str = r#"
openapi: 3.0.3
info: {title: Forms, version: v1}
servers: [{url: SERVER}]
paths:
  /search:
    get:
      parameters:
        - {name: q, in: query, required: true, schema: {type: string}}
        - {name: page, in: query, schema: {type: integer}}
        - {name: per_page, in: query, schema: {type: integer, maximum: 2}}
      responses:
        '200':
          headers: {link: {schema: {type: string}}}
          content: {application/json: {schema: {type: object, properties: {total_count: {type: integer}, incomplete_results: {type: boolean}, items: {type: array, items: {$ref: '#/components/schemas/Thing'}}}}}}
  /things:
    get: {responses: {'200': {content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Thing'}}}}}}}
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {name: {type: string}}}}}}
      responses: {'201': {content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}}
  /maybe:
    get: {responses: {'200': {content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Thing'}}}}}, '204': {description: none}}}
  /tree/{path}:
    get:
      parameters: [{name: path, in: path, required: true, schema: {type: string}}]
      responses: {'200': {content: {application/vnd.acme.object: {schema: {$ref: '#/components/schemas/Tree'}}}}}
  /tree/{path}/archive:
    get:
      parameters: [{name: path, in: path, required: true, schema: {type: string}}]
      responses: {'200': {content: {application/zip: {schema: {type: string, format: binary}}}}}
  /volumes:
    get: {responses: {'200': {content: {text/xml: {schema: {type: object, properties: {size: {type: integer}}}}}}}}
  /volumes/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {'200': {content: {application/json: {schema: {type: object, properties: {id: {type: string}, size: {type: integer}}}}}}}
  /graphql?resource=threads:
    post:
      x-stackQL-graphQL: {url: 'SERVER/graphql', httpVerb: POST, query: 'query { threads(owner: "{{ .owner }}") { id } }', responseSelection: {jsonPath: '$.data.threads[*]'}}
      parameters: [{name: owner, in: query, required: true, schema: {type: string}}]
      responses: {'200': {content: {application/json: {schema: {type: object, properties: {data: {type: object, properties: {threads: {type: array, items: {$ref: '#/components/schemas/Thing'}}}}}}}}}}
  /interfaces:
    get: {responses: {'200': {content: {application/json: {schema: {type: array, items: {type: object, properties: {id: {type: integer}, public: {}, routes: {type: array}, note: {type: string}}}}}}}}}
  /interfaces/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {'200': {content: {application/json: {schema: {type: object, properties: {id: {type: integer}, public: {type: object}, routes: {}, note: {type: object}}}}}}}
  /versions:
    get: {responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Versions'}}}}}}
components:
  schemas:
    Thing: {type: object, properties: {id: {type: integer}, name: {type: string}}}
    Tree: {type: object, properties: {type: {type: string}, entries: {type: array, items: {type: object}}}}
    Versions: {type: object, properties: {versions: {type: array, items: {type: object, properties: {version: {type: string}}}}}}
  x-stackQL-resources:
    searches:
      id: acme.forms.searches
      name: searches
      methods:
        search: {operation: {$ref: '#/paths/~1search/get'}, response: {openAPIDocKey: '200', objectKey: $.items}}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/searches/methods/search'}]}
    things:
      id: acme.forms.things
      name: things
      methods:
        list: {operation: {$ref: '#/paths/~1things/get'}, response: {openAPIDocKey: '200'}, config: {pagination: {kind: none}}}
        add: {operation: {$ref: '#/paths/~1things/post'}, response: {openAPIDocKey: '201'}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/things/methods/list'}]
        insert: [{$ref: '#/components/x-stackQL-resources/things/methods/add'}]
    maybe:
      id: acme.forms.maybe
      name: maybe
      methods:
        list: {operation: {$ref: '#/paths/~1maybe/get'}, response: {openAPIDocKey: '200'}, config: {pagination: {kind: none}}}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/maybe/methods/list'}]}
    trees:
      id: acme.forms.trees
      name: trees
      methods:
        get: {operation: {$ref: '#/paths/~1tree~1{path}/get'}, response: {mediaType: application/vnd.acme.object, openAPIDocKey: '200'}}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/trees/methods/get'}]}
    archives:
      id: acme.forms.archives
      name: archives
      methods:
        fetch: {operation: {$ref: '#/paths/~1tree~1{path}~1archive/get'}, response: {openAPIDocKey: '200'}}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/archives/methods/fetch'}]}
    volumes:
      id: acme.forms.volumes
      name: volumes
      methods:
        list: {operation: {$ref: '#/paths/~1volumes/get'}, response: {mediaType: text/xml, openAPIDocKey: '200'}}
        get: {operation: {$ref: '#/paths/~1volumes~1{id}/get'}, response: {openAPIDocKey: '200'}}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/volumes/methods/list'}, {$ref: '#/components/x-stackQL-resources/volumes/methods/get'}]}
    threads:
      id: acme.forms.threads
      name: threads
      methods:
        list: {operation: {$ref: '#/paths/~1graphql?resource=threads/post'}, response: {openAPIDocKey: '200', objectKey: '$.data.threads'}}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/threads/methods/list'}]}
    interfaces:
      id: acme.forms.interfaces
      name: interfaces
      methods:
        get: {operation: {$ref: '#/paths/~1interfaces~1{id}/get'}, response: {openAPIDocKey: '200'}}
        list: {operation: {$ref: '#/paths/~1interfaces/get'}, response: {openAPIDocKey: '200'}, config: {pagination: {kind: none}}}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/interfaces/methods/get'}, {$ref: '#/components/x-stackQL-resources/interfaces/methods/list'}]}
    versions:
      id: acme.forms.versions
      name: versions
      methods:
        list:
          operation: {$ref: '#/paths/~1versions/get'}
          config: {pagination: {kind: none}}
          response:
            openAPIDocKey: '200'
            mediaType: application/json
            objectKey: $.versions
            overrideMediaType: application/json
            schema_override: {$ref: '#/components/schemas/Versions'}
            transform:
              type: golang_template_text_v0.3.0
              body: |
                {{- $wrapped := printf "{\"items\":%s}" . -}}
                {{- $parsed := jsonMapFromString $wrapped -}}
                {{- $items := index $parsed "items" -}}
                {"versions":[{{- range $i, $v := $items -}}{{- if $i -}},{{- end -}}{"version":"{{- $v -}}"}{{- end -}}]}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/versions/methods/list'}]}
    vw_sizes:
      id: acme.forms.vw_sizes
      name: vw_sizes
      config: {views: {select: {predicate: 'sqlDialect == "sqlite3"', ddl: 'SELECT id FROM acme.forms.things'}}}
      methods: {}
      sqlVerbs: {select: []}
"#;

async fn forms(api: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Server, Db) {
    let server = Server::start(api).await;
    let service = SERVICE.replace("SERVER", &server.url());
    let documents = provider_dir("acme", "v1", &[("forms", &service)], "type: null_auth");
    (server, Db::new(documents).set("confirm", "never"))
}

async fn saying(body: Value) -> (Server, Db) {
    forms(move |_| Reply::json(200, body.clone())).await
}

fn things(ids: impl IntoIterator<Item = u32>) -> Vec<Value> {
    ids.into_iter().map(|id| json!({"id": id, "name": format!("n{id}")})).collect()
}

fn reasons(report: &skyql::QueryReport) -> Vec<&str> {
    report.parts.iter().map(|part| part.reason.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_does_not_give_all_that_it_finds_is_not_complete() {
    const SEARCH: &str = "SELECT id, name FROM acme.forms.searches WHERE q = 'x'";
    let found = |total: u32, incomplete: bool, ids: std::ops::RangeInclusive<u32>| json!({"total_count": total, "incomplete_results": incomplete, "items": things(ids)});
    let flagged = "the API says at `$.incomplete_results` that it does not give all that it found";
    for (body, verdict, said) in [
        (found(1, false, 1..=1), "complete", vec![]),
        (found(40, true, 1..=1), "unproved", vec![flagged]),
        (found(1, true, 1..=1), "unproved", vec![flagged]),
        (
            found(40, false, 1..=1),
            "unproved",
            vec!["the API's total is 40, but 1 rows came: it does not give all that it finds"],
        ),
    ] {
        let (server, mut db) = saying(body.clone()).await;
        let answer = db.rows(SEARCH).await;
        assert_eq!((answer.rows.len(), answer.verdict()), (1, verdict), "{body}");
        assert_eq!(reasons(&answer.report), said, "{body}");
        assert_eq!(server.paths(), ["/search"], "{body}");
    }

    // Asked for by EXEC, too.
    let (_server, mut db) = saying(found(1, true, 1..=1)).await;
    let answer = db.rows("EXEC acme.forms.searches.search @q = 'x'").await;
    assert_eq!((answer.rows.len(), answer.warnings()), (1, vec![flagged]));

    // Full pages, and links that end before the total.
    let (server, mut db) = forms(move |seen| {
        let page: u32 = seen.query_value("page").map_or(1, |page| page.parse().unwrap());
        let reply = Reply::json(200, found(5000, false, page * 2 - 1..=page * 2));
        let next = format!("<{}>; rel=\"next\"", format_args!("/search?q=x&per_page=2&page={}", page + 1));
        if page < 3 { reply.header("Link", &next) } else { reply }
    })
    .await;
    let answer = db.rows("SELECT count(*) FROM acme.forms.searches WHERE q = 'x'").await;
    assert_eq!((answer.rows, answer.report.verdict().name()), (vec![vec!["6".to_owned()]], "unproved"));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_trusts_a_search_that_does_not_give_all() {
    let (server, mut db) = saying(json!({"total_count": 40, "incomplete_results": true, "items": things(1..=1)})).await;
    let sql = "INSERT INTO acme.forms.things (data__name) SELECT name FROM acme.forms.searches WHERE q = 'x'";
    let error = db.error(sql).await;
    assert_eq!(error.kind(), ErrorKind::Partial, "{error}");
    assert!(error.to_string().contains("incomplete_results"), "{error}");
    let methods: Vec<String> = server.requests().iter().map(|seen| seen.method.clone()).collect();
    assert_eq!(methods, ["GET"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_of_a_type_of_the_apis_own_is_read_as_rows() {
    let (server, mut db) = forms(|_| {
        Reply::text(200, "application/vnd.acme.object+json; charset=utf-8", r#"{"type":"dir","entries":[{"n":1}]}"#)
    })
    .await;
    let answer = db.rows("SELECT * FROM acme.forms.trees WHERE path = 'src'").await;
    assert_eq!(answer.columns, ["type", "entries", "path"]);
    assert_eq!(answer.rows, [["dir", r#"[{"n":1}]"#, "src"]]);
    assert_eq!(answer.verdict(), "complete");
    let requests = server.requests();
    assert_eq!(
        (requests[0].path.as_str(), requests[0].header("accept")),
        ("/tree/src", Some("application/vnd.acme.object"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rows_is_refused_before_the_call() {
    let (server, mut db) = saying(json!({"looks": "like a row"})).await;
    for (sql, message, hint) in [
        (
            "SELECT * FROM acme.forms.archives WHERE path = 'src'",
            "`fetch` of `acme.forms.archives` answers with bytes (`application/zip`), which cannot be read as rows",
            "nothing was sent; `EXEC acme.forms.archives.fetch … INTO 'file'` writes the answer into a file",
        ),
        (
            "SELECT * FROM acme.forms.volumes",
            "`list` of `acme.forms.volumes` answers with XML (`text/xml`), which cannot be read as rows",
            "nothing was sent; `EXEC acme.forms.volumes.list … INTO 'file'` writes the answer into a file",
        ),
        (
            "SELECT * FROM acme.forms.threads WHERE owner = 'o'",
            "`list` of `acme.forms.threads` asks the API by GraphQL, which is not supported",
            "nothing was sent; `SHOW RESOURCES IN acme.forms` lists what else there is",
        ),
        (
            "SELECT * FROM acme.forms.threads",
            "`list` of `acme.forms.threads` asks the API by GraphQL, which is not supported",
            "nothing was sent; `SHOW RESOURCES IN acme.forms` lists what else there is",
        ),
        (
            "EXEC acme.forms.threads.list @owner = 'o'",
            "`list` of `acme.forms.threads` asks the API by GraphQL, which is not supported",
            "nothing was sent; `SHOW RESOURCES IN acme.forms` lists what else there is",
        ),
        (
            "SELECT * FROM acme.forms.vw_sizes",
            "`acme.forms.vw_sizes` is a view in SQL of StackQL's own, which is not run here",
            "`SHOW RESOURCES IN acme.forms` lists what else there is",
        ),
    ] {
        let error = db.error(sql).await;
        assert_eq!(
            (error.kind(), error.message(), error.hint_text()),
            (ErrorKind::Unsupported, message, Some(hint)),
            "{sql}"
        );
    }
    assert_eq!(server.paths(), Vec::<String>::new());
    // The method whose answers are rows is not refused for the one beside it.
    let (server, mut db) = saying(json!({"id": "v1", "size": 5})).await;
    let answer = db.rows("SELECT size FROM acme.forms.volumes WHERE id = 'v1'").await;
    assert_eq!((answer.rows, server.paths()), (vec![vec!["5".to_owned()]], vec!["/volumes/v1".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_not_supported_say_so_where_they_are_listed() {
    let (_server, mut db) = saying(json!([])).await;
    let answer = db.rows("SHOW EXTENDED METHODS IN acme.forms.threads").await;
    assert!(format!("{:?}", answer.rows).contains("Not supported (GraphQL)."), "{:?}", answer.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_that_names_the_values_of_a_list_is_undone() {
    let (server, mut db) = saying(json!(["7.1", "*", {"a": 1}])).await;
    let answer = db.rows("SELECT version FROM acme.forms.versions").await;
    assert_eq!(answer.rows, [["7.1"], ["*"], [r#"{"a":1}"#]]);
    assert_eq!((answer.verdict(), answer.report.misfits), ("complete", 0));
    let answer = db.rows("SELECT * FROM acme.forms.versions WHERE version = '7.1'").await;
    assert_eq!((answer.columns, answer.rows), (vec!["version".to_owned()], vec![vec!["7.1".to_owned()]]));
    assert_eq!(server.paths(), ["/versions", "/versions"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_content_is_an_empty_list_only_where_the_document_says_so() {
    let (server, mut db) = forms(|_| Reply::empty(204)).await;
    let answer = db.rows("SELECT id FROM acme.forms.maybe").await;
    assert_eq!((answer.rows.len(), answer.verdict()), (0, "complete"));
    let answer = db.rows("SELECT id FROM acme.forms.things").await;
    assert_eq!((answer.rows.len(), answer.verdict()), (0, "unproved"));
    assert_eq!(reasons(&answer.report), ["the answer (204) holds nothing, and the document lists no such answer"]);
    assert_eq!(server.paths(), ["/maybe", "/things"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_in_a_list_is_a_row_of_nulls_and_counted() {
    let (server, mut db) = saying(json!([{"id": 1, "name": "x"}, null, {"id": 3}])).await;
    let answer = db.rows("SELECT id, name FROM acme.forms.things").await;
    assert_eq!(answer.rows, [["1", "x"], [NULL, NULL], ["3", NULL]]);
    assert_eq!((answer.verdict(), answer.report.misfits), ("complete", 1));
    assert!(answer.warnings().join("\n").contains("null is not an object"), "{:?}", answer.warnings());
    assert_eq!(db.rows("SELECT count(*) FROM acme.forms.things").await.rows, [["3"]]);
    assert_eq!(server.paths(), ["/things", "/things"]);
    // A value among values is one that is not there.
    let (_server, mut db) = saying(json!(["a", null])).await;
    let answer = db.rows("SELECT version FROM acme.forms.versions").await;
    assert_eq!((answer.rows, answer.report.misfits), (vec![vec!["a".to_owned()], vec![NULL.to_owned()]], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_method_calls_nested_is_json_where_another_says_nothing() {
    let (_server, mut db) = saying(json!({"id": 2, "public": {"ip": ["::1"]}, "routes": [1], "note": "n"})).await;
    let mut result = db.start("SELECT public, routes, note FROM acme.forms.interfaces WHERE id = 2").await.unwrap();
    let batches = result.read_all().await.unwrap();
    let mut written = Vec::new();
    let (schema, options) = (batches[0].schema(), Options { format: Format::Jsonl, ..Options::default() });
    let _ = write_stream(stream::iter(batches.into_iter().map(Ok)), &schema, &options, &mut written).await.unwrap();
    let row: Value = serde_json::from_slice(&written).unwrap();
    // What one of them calls a text stays one.
    assert_eq!(row, json!({"public": {"ip": ["::1"]}, "routes": [1], "note": "n"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_sandbox_is_read_again() {
    // The same documents say what the imitation answers and how it is read.
    let service = SERVICE.replace("SERVER", "https://acme.example");
    let documents = provider_dir("acme", "v1", &[("forms", &service)], "type: null_auth");
    let mut db = Db::with(documents, |builder| builder.sandbox(skyql::SandboxOptions::default()));
    for sql in [
        "SELECT version FROM acme.forms.versions",
        "SELECT id FROM acme.forms.searches WHERE q = 'x'",
        "SELECT id FROM acme.forms.maybe",
        "SELECT type FROM acme.forms.trees WHERE path = 'src'",
    ] {
        let answer = db.rows(sql).await;
        assert!(!answer.rows.is_empty() && answer.rows.iter().all(|row| row[0] != NULL), "{sql}: {:?}", answer.rows);
        assert_eq!(answer.verdict(), "complete", "{sql}: {:?}", answer.report);
    }
}
