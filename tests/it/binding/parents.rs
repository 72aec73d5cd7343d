//! Rows below others: a parent's value in the path, and what rows say of it, if anything.

use super::*;

const GRANTS: &str = "\
openapi: 3.0.3
info: {title: People, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /users:
    get:
      responses: {'200': {description: users, content: {application/json: {schema: {
        type: array, items: {type: object, properties: {id: {type: string}}}}}}}}
  /users/{userId}/grants:
    parameters: [{name: userId, in: path, required: true, schema: {type: string}}]
    get:
      responses: {'200': {description: grants, content: {application/json: {schema: {
        type: array, items: {$ref: '#/components/schemas/grant'}}}}}}
  /users/{userId}/grants/{grantId}:
    parameters:
      - {name: userId, in: path, required: true, schema: {type: string}}
      - {name: grantId, in: path, required: true, schema: {type: string}}
    get:
      responses: {'200': {description: one, content: {application/json: {schema: {$ref: '#/components/schemas/grant'}}}}}
  /zones/{zone_id}/hosts:
    parameters: [{name: zone_id, in: path, required: true, schema: {type: integer}}]
    get:
      responses: {'200': {description: hosts, content: {application/json: {schema: {
        type: array, items: {$ref: '#/components/schemas/host'}}}}}}
  /zones/{zone_id}/hosts/{host_id}:
    parameters:
      - {name: zone_id, in: path, required: true, schema: {type: integer}}
      - {name: host_id, in: path, required: true, schema: {type: integer}}
    get:
      responses: {'200': {description: one, content: {application/json: {schema: {$ref: '#/components/schemas/host'}}}}}
components:
  schemas:
    grant: {type: object, properties: {id: {type: string}, source: {type: string}, userId: {type: string}}}
    host: {type: object, properties: {id: {type: integer}, zoneId: {type: integer}}}
  x-stackQL-resources:
    users:
      id: acme.people.users
      name: users
      methods:
        list:
          operation: {$ref: '#/paths/~1users/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
          config: {pagination: {kind: none}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/users/methods/list'}]
    grants:
      id: acme.people.grants
      name: grants
      KEYS
      methods:
        list:
          operation: {$ref: '#/paths/~1users~1{userId}~1grants/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
          config: {pagination: {kind: none}}
        get:
          operation: {$ref: '#/paths/~1users~1{userId}~1grants~1{grantId}/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
      sqlVerbs:
        select:
          - {$ref: '#/components/x-stackQL-resources/grants/methods/get'}
          - {$ref: '#/components/x-stackQL-resources/grants/methods/list'}
    hosts:
      id: acme.people.hosts
      name: hosts
      methods:
        list:
          operation: {$ref: '#/paths/~1zones~1{zone_id}~1hosts/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
          config: {pagination: {kind: none}}
        get:
          operation: {$ref: '#/paths/~1zones~1{zone_id}~1hosts~1{host_id}/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
      sqlVerbs:
        select:
          - {$ref: '#/components/x-stackQL-resources/hosts/methods/get'}
          - {$ref: '#/components/x-stackQL-resources/hosts/methods/list'}
";

/// Two users, whose grants need not say whose they are, and hosts that do not all say where they are.
fn people(seen: &Seen) -> Reply {
    let of = |user: &str| json!([{"id": format!("{user}-a"), "source": "ADMIN"}, {"id": format!("{user}-b"), "userId": user}]);
    let body = match seen.path.as_str() {
        "/users" => json!([{"id": "u1"}, {"id": "u2"}]),
        "/users/u1/grants" => of("u1"),
        "/users/u2/grants" => of("u2"),
        // The one who asks, by another name than rows have.
        "/users/me/grants" => of("00u1"),
        "/users/me/grants/g1" => json!({"id": "g1", "userId": "00u1"}),
        "/users/u1/grants/g1" => json!({"id": "g1"}),
        "/zones/5/hosts" => json!([{"id": 1, "zoneId": 5}, {"id": 2}]),
        path => panic!("{path}"),
    };
    Reply::json(200, body)
}

async fn server() -> Server {
    Server::start(people).await
}

fn db(server: &Server, keys: &str) -> Db {
    let service = GRANTS.replace("SERVER", &server.url()).replace("KEYS", keys);
    Db::new(provider_dir("acme", "v1", &[("people", &service)], "type: null_auth"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guessed_key_leaves_out_no_row_that_does_not_name_its_parent() {
    let server = server().await;
    let mut db = db(&server, "");
    let answer = db.rows("SELECT count(*) FROM acme.people.grants WHERE userId = 'u1'").await;
    assert_eq!((answer.rows, answer.report.warnings.len()), (vec![vec!["2".to_owned()]], 0));
    let answer = db.rows("SELECT id FROM acme.people.grants WHERE userId = 'u1' AND source = 'ADMIN'").await;
    assert_eq!((answer.rows.concat(), answer.report.warnings.len()), (vec!["u1-a".to_owned()], 0));
    // Rows that are read for it say so themselves, or it is said that they do not.
    let answer = db.rows("SELECT id, userId FROM acme.people.grants WHERE userId = 'u1'").await;
    assert_eq!(answer.rows, [["u1-a", NULL], ["u1-b", "u1"]]);
    assert_eq!(answer.warned(), ["shadowed"]);
    assert!(
        answer.warnings()[0].ends_with("some rows hold no value in the field of that name"),
        "{:?}",
        answer.warnings()
    );
    // Another form of the name.
    let answer = db.rows("SELECT id FROM acme.people.grants WHERE userId = 'me'").await;
    assert_eq!(answer.rows, [["00u1-a"], ["00u1-b"]]);
    assert_eq!(answer.warned(), ["shadowed"]);
    assert!(answer.warnings()[0].ends_with("hold another value in the field of that name"), "{:?}", answer.warnings());
    let answer = db.rows("SELECT id FROM acme.people.grants WHERE userId = 'me' AND grantId = 'g1'").await;
    assert_eq!((answer.warned(), answer.rows.concat()), (vec!["shadowed"], vec!["g1".to_owned()]));
    let answer = db.rows("SELECT id FROM acme.people.grants WHERE userId = 'u1' AND id = 'g1'").await;
    assert_eq!((answer.report.warnings.len(), answer.rows), (0, vec![vec!["g1".to_owned()]]));
    let expected = [
        "/users/u1/grants",
        "/users/u1/grants",
        "/users/u1/grants",
        "/users/me/grants",
        "/users/me/grants/g1",
        "/users/u1/grants/g1",
    ];
    assert_eq!(server.paths(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_join_belong_to_the_parent_that_was_asked() {
    let expected = [["u1", "u1-a"], ["u1", "u1-b"], ["u2", "u2-a"], ["u2", "u2-b"]];
    for (from, rows) in [
        ("acme.people.users u JOIN acme.people.grants g ON g.userId = u.id", expected.as_slice()),
        ("acme.people.users u LEFT JOIN acme.people.grants g ON g.userId = u.id", &expected),
        (
            "acme.people.users u, acme.people.grants g WHERE g.userId = u.id AND g.source = 'ADMIN'",
            &[expected[0], expected[2]],
        ),
        ("acme.people.users u JOIN acme.people.grants g ON g.userId = u.id AND g.id LIKE '%1-a'", &[expected[0]]),
    ] {
        let server = server().await;
        let answer = db(&server, "").rows(&format!("SELECT u.id, g.id FROM {from} ORDER BY 1, 2")).await;
        assert_eq!(answer.rows, rows, "{from}");
        let mut paths = server.paths();
        paths.sort();
        assert_eq!(paths, ["/users", "/users/u1/grants", "/users/u2/grants"], "{from}");
    }
    for (sql, rows) in [
        (
            "SELECT id FROM acme.people.users u WHERE EXISTS (SELECT 1 FROM acme.people.grants g WHERE g.userId = u.id)",
            2,
        ),
        (
            "SELECT id FROM acme.people.users u WHERE NOT EXISTS (SELECT 1 FROM acme.people.grants g WHERE g.userId = u.id)",
            0,
        ),
        ("SELECT id FROM acme.people.grants WHERE userId IN (SELECT id FROM acme.people.users)", 4),
    ] {
        let server = server().await;
        assert_eq!(db(&server, "").rows(sql).await.rows.len(), rows, "{sql}");
        assert_eq!(server.requests().len(), 3, "{sql}");
    }
    // Groups are told apart by what rows hold: rather no answer than a wrong one.
    let server = server().await;
    let sql = "SELECT (SELECT count(*) FROM acme.people.grants g WHERE g.userId = u.id) FROM acme.people.users u";
    assert_eq!(db(&server, "").error(sql).await.kind(), ErrorKind::MissingParameter);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_document_states_is_compared() {
    let server = server().await;
    let answer = db(&server, "keys: {userId: userId, grantId: id}")
        .rows("SELECT id FROM acme.people.grants WHERE userId = 'u1'")
        .await;
    assert_eq!(answer.rows, [["u1-b"]]);
    assert_eq!(server.paths(), ["/users/u1/grants"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_guessed_parents_field_are_missed_aloud() {
    let server = server().await;
    let mut db = db(&server, "");
    let answer = db.rows("SELECT id FROM acme.people.hosts WHERE zoneId = 5").await;
    assert_eq!(answer.rows, [["1"]]);
    assert_eq!(answer.warned(), ["shadowed"]);
    assert!(answer.warnings()[0].contains("`zone_id = …` gives them all"), "{:?}", answer.warnings());
    let answer = db.rows("SELECT id FROM acme.people.hosts WHERE zone_id = 5").await;
    assert_eq!((answer.rows.len(), answer.report.warnings.len()), (2, 0));
    let answer = db.rows("SELECT h.id FROM (VALUES (5)) z(n) JOIN acme.people.hosts h ON h.zoneId = z.n").await;
    assert_eq!((answer.rows.concat(), answer.warned()), (vec!["1".to_owned()], vec!["shadowed"]));
    assert_eq!(server.paths(), ["/zones/5/hosts"; 3]);
}
