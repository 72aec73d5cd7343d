//! What stands between a plan and the API: secrets in any place, documents that changed, words that were said once.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use skyql::http::Secret;
use skyql::{Engine, Env, ErrorKind};
use tempfile::TempDir;

use super::{builder, db, image, journaled, sent};
use crate::support::documents::provider_dir;
use crate::support::query::texts;
use crate::support::server::{Reply, Server};

const LEDGERS: &str = "\
openapi: 3.0.3
info: {title: Acme, version: v1}
servers: [{url: 'SERVER'}]
paths:
  /users:
    post:
      requestBody: {required: true, content: {application/json: {schema: {type: array, items: {type: object}}}}}
      responses: {'204': {description: made}}
    patch:
      parameters: [{name: X-Mode, in: header, required: true, schema: {type: string, default: MODE}}]
      requestBody: {content: {application/json: {schema: {type: object, additionalProperties: true}}}}
      responses: {'204': {description: changed}}
  /racks/{rack_id}/users:
    parameters: [{name: rack_id, in: path, required: true, schema: {type: integer}}]
    delete:
      responses: {'204': {description: all gone}}
  /racks/{rack_id}/users/{user_id}:
    parameters:
      - {name: rack_id, in: path, required: true, schema: {type: integer}}
      - {name: user_id, in: path, required: true, schema: {type: integer}}
    delete:
      responses: {'204': {description: gone}}
components:
  x-stackQL-resources:
    users:
      id: acme.shop.users
      name: users
      keys: {rack_id: rack, user_id: id}
      methods:
        create: {operation: {$ref: '#/paths/~1users/post'}, response: {openAPIDocKey: '204'}}
        change: {operation: {$ref: '#/paths/~1users/patch'}, response: {openAPIDocKey: '204'}}
        clear: {operation: {$ref: '#/paths/~1racks~1{rack_id}~1users/delete'}, response: {openAPIDocKey: '204'}}
        delete: {operation: {$ref: '#/paths/~1racks~1{rack_id}~1users~1{user_id}/delete'}, response: {openAPIDocKey: '204'}}
      sqlVerbs:
        select: []
";

fn documents(server: &Server, mode: &str) -> TempDir {
    let service = LEDGERS.replace("SERVER", &server.url()).replace("MODE", mode);
    provider_dir("acme", "v1", &[("shop", &service)], "type: null_auth")
}

fn engine(documents: &TempDir, state: &TempDir) -> Engine {
    let builder = Engine::builder().env(Env::empty()).providers_dir(documents.path()).state_dir(state.path());
    builder.build().unwrap()
}

/// The name of a plan or statement in what was said of it.
fn name_in(said: &str) -> String {
    said.split('\'').nth(1).unwrap().to_owned()
}

fn files(dir: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into()]
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_hidden_in_bodies_that_no_document_describes() {
    let server = Server::start(|_| Reply::json(400, json!({"message": "s3cr3t-0451 is too weak"}))).await;
    let (documents, state) = (documents(&server, "a"), TempDir::new().unwrap());
    for (text, label, value) in [
        (
            r#"EXEC acme.shop.users.create @@json = '[{"name": "a", "password": "s3cr3t-0451"}]'"#,
            "@@json",
            r#"[{"name": "a", "password": "s3cr3t-0451"}]"#,
        ),
        ("EXEC acme.shop.users.change @root_pass = 's3cr3t-0451', @name = 'a'", "root_pass", "s3cr3t-0451"),
        (
            r#"EXEC acme.shop.users.change @@json = '{"login": {"db_password": "s3cr3t-0451"}}'"#,
            "login",
            r#"{"db_password": "s3cr3t-0451"}"#,
        ),
    ] {
        let mut session = engine(&documents, &state).session();
        let mut plan = session.sql(&format!("PLAN {text}")).await.unwrap();
        let apply = format!("APPLY '{}'", name_in(plan.note().unwrap()));
        let shown: Vec<Vec<String>> = plan.read_all().await.unwrap().iter().flat_map(texts).collect();
        assert!(!format!("{shown:?}").contains("s3cr3t") && format!("{shown:?}").contains("***"), "{shown:?}");
        assert_eq!(session.sql(&apply).await.unwrap_err().kind(), ErrorKind::MissingParameter);
        let needed = session.secrets_needed(&apply).await.unwrap();
        assert_eq!(needed.iter().map(|field| field.label.as_str()).collect::<Vec<_>>(), [label]);
        session.supply(label, Secret::new("a test", value));
        let before = server.requests().len();
        let error = session.sql(&apply).await.unwrap_err();
        assert_eq!(error.message(), "the API answered 400: *** is too weak", "the API repeats it");
        assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
        let requests = server.requests();
        assert_eq!(requests.len(), before + 1, "{text}");
        assert!(String::from_utf8_lossy(&requests[before].body).contains("s3cr3t-0451"), "{text}");
    }
    for file in files(state.path()) {
        assert!(!file.contains("s3cr3t"), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_header_says_is_part_of_the_plan() {
    let server = Server::start(|_| Reply::empty(204)).await;
    let (before, after, state) = (documents(&server, "dry"), documents(&server, "wet"), TempDir::new().unwrap());
    let plan = engine(&before, &state).session().sql("PLAN EXEC acme.shop.users.change @name = 'a'").await.unwrap();
    let apply = format!("APPLY '{}'", name_in(plan.note().unwrap()));
    let error = engine(&after, &state).session().sql(&apply).await.unwrap_err();
    assert!(error.message().contains("document changed"), "{error}");
    assert!(error.context_value("now").unwrap().contains("other headers"), "{error}");
    assert!(server.requests().is_empty());
    engine(&before, &state).session().sql(&apply).await.unwrap();
    assert_eq!(server.requests()[0].header("x-mode"), Some("dry"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_stands_in_the_address_by_chance_does_not_spoil_the_plan() {
    let server = Server::start(|_| Reply::json(200, json!({"id": 1}))).await;
    let state = TempDir::new().unwrap();
    let mut session = builder(&server).state_dir(state.path()).build().unwrap().session();
    let text = "PLAN EXEC linode.linode.instances.post_rebuild_linode_instance \
        @linodeId = 12345, @image = 'linode/debian12', @root_pass = '12345'";
    let plan = session.sql(text).await.unwrap();
    let apply = format!("APPLY '{}'", name_in(plan.note().unwrap()));
    session.supply("root_pass", Secret::new("a test", "12345"));
    session.sql(&apply).await.unwrap();
    assert_eq!(server.requests()[0].json()["root_pass"], "12345");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parents_name_alone_is_no_object() {
    let server = Server::start(|_| Reply::empty(204)).await;
    let (documents, state) = (documents(&server, "a"), TempDir::new().unwrap());
    let mut session = engine(&documents, &state).session();
    let error = session.sql("EXEC acme.shop.users.clear @rack_id = 1").await.unwrap_err();
    assert!(error.message().contains("unknown number of objects"), "{error}");
    assert!(server.requests().is_empty());
    session.sql("EXEC acme.shop.users.delete @rack_id = 1, @user_id = 2").await.unwrap();
    assert_eq!(server.paths(), ["/racks/1/users/2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_sent_once_and_only_as_it_was_planned() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let mut session = builder(&server).no_journal().build().unwrap().session();
    let delete = |id: u8| format!("DELETE FROM linode.images.images WHERE id = 'private/{id}'");
    session.sql("BEGIN").await.unwrap();
    session.sql(&delete(1)).await.unwrap();
    let (first, second) = (session.plan_write("COMMIT").await.unwrap(), session.plan_write("COMMIT").await.unwrap());
    session.sql(&delete(2)).await.unwrap();
    let error = session.apply(first.unwrap()).await.unwrap_err();
    assert!(error.message().contains("has changed since"), "{error}");
    assert!(session.in_transaction() && server.requests().is_empty());
    let third = session.plan_write("COMMIT").await.unwrap();
    session.apply(third.unwrap()).await.unwrap();
    let error = session.apply(second.unwrap()).await.unwrap_err();
    assert!(error.message().contains("has ended since"), "{error}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_cannot_be_read_spoils_its_transaction() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let mut db = db(&server);
    db.rows("BEGIN").await;
    db.rows("DELETE FROM linode.images.images WHERE id = 'private/1'").await;
    assert_eq!(db.error("DELET FROM linode.images.images WHERE id = 'private/2'").await.kind(), ErrorKind::Syntax);
    let error = db.error("COMMIT").await;
    assert!(error.message().contains("a statement of this transaction failed"), "{error}");
    assert!(server.requests().is_empty());
    db.rows("ROLLBACK").await;
    // What only has to be confirmed can be committed afterwards.
    let mut careful = db.set("confirm", "auto");
    careful.rows("BEGIN").await;
    careful.rows("DELETE FROM linode.images.images WHERE id IN ('private/1', 'private/2')").await;
    careful.error("COMMIT").await;
    careful.rows("SET confirm = 'never'").await;
    careful.rows("COMMIT").await;
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_for_everything_holds_for_apply_and_resume_too() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let state = TempDir::new().unwrap();
    let mut db = journaled(&server, &state);
    let plan = db.start("PLAN DELETE FROM linode.images.images WHERE id = 'private/1'").await.unwrap();
    let apply = format!("APPLY '{}'", name_in(plan.note().unwrap()));
    let mut careful = db.set("confirm", "always");
    let error = careful.error(&apply).await;
    assert!(error.message().contains("not confirmed"), "{error}");
    assert!(server.requests().is_empty());
    careful.set("confirm", "auto").rows(&apply).await;
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_beside_what_was_done_can_be_resumed() {
    let busy = AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        if seen.path.ends_with("%2F2") && busy.fetch_add(1, Ordering::SeqCst) == 0 {
            return Reply::json(400, json!({"errors": [{"reason": "busy"}]}));
        }
        Reply::json(200, image("private/2", "x"))
    })
    .await;
    let state = TempDir::new().unwrap();
    let mut db = journaled(&server, &state).set("on_row_error", "continue");
    let text = "UPDATE linode.images.images SET label = 'x' WHERE id IN ('private/1', 'private/2', 'private/3')";
    let error = db.error(text).await;
    let id = name_in(error.hint_text().unwrap());
    // It has said so: nothing is unknown, and nothing was left out.
    let engine = builder(&server).state_dir(state.path()).build().unwrap();
    assert_eq!(engine.unfinished_writes().unwrap(), []);
    let done = db.start(&format!("RESUME '{id}'")).await.unwrap();
    assert_eq!(done.message(), Some("UPDATE: 3 calls done, 2 of them before"));
    let again = sent(&server).into_iter().filter(|(request, _)| request.ends_with("%2F2")).count();
    assert_eq!((again, server.requests().len()), (2, 4));

    // What the API refused as a whole is over.
    let error = db.error("UPDATE linode.volumes.volumes SET label = 'x' WHERE volumeId = 'not a number'").await;
    assert!(!error.to_string().contains("RESUME"), "{error}");
}
