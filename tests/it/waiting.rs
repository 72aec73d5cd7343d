//! Waiting for what a write starts: the very questions that are asked, and every way in which the waiting ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod ends;
mod sandbox;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use serde_json::{Value, json};
use skyql::ErrorKind;
use skyql::clock::{Clock, SharedClock};
use skyql::engine::Watch;
use skyql::report::Awaited;
use tempfile::TempDir;

use crate::support::documents::provider_dir;
use crate::support::query::{Db, NULL, texts};
use crate::support::server::{Gate, Reply, Seen, Server};
use crate::support::shipped::{builder, db};

const INSERT: &str = "INSERT /*+ AWAIT */ INTO linode.images.images (disk_id, label) VALUES (123, 'gold')";

fn image(status: &str) -> Reply {
    Reply::json(200, json!({"id": "private/15", "label": "gold", "status": status}))
}

fn asked(server: &Server) -> Vec<String> {
    server.requests().iter().map(|seen| format!("{} {}", seen.method, seen.path_and_query())).collect()
}

/// A server that answers a write with the first reply, and each question with the next one; the last one stays.
async fn answering(write: impl Fn() -> Reply + Send + Sync + 'static, polls: &[(u16, Value)]) -> Server {
    let (polls, next) = (polls.to_vec(), AtomicUsize::new(0));
    Server::start(move |seen| {
        if seen.method != "GET" {
            return write();
        }
        let (status, body) = &polls[next.fetch_add(1, Ordering::SeqCst).min(polls.len() - 1)];
        Reply::json(*status, body.clone())
    })
    .await
}

fn state(status: &str) -> (u16, Value) {
    (200, json!({"id": "private/15", "label": "gold", "status": status}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_asked_about_until_it_is_ready_and_returning_gives_the_end() {
    let server = answering(|| image("creating"), &[state("creating"), state("creating"), state("available")]).await;
    let answer = db(&server).rows(&format!("{INSERT} RETURNING id, status")).await;
    let question = "GET /v4/images/private%2F15";
    assert_eq!(asked(&server), ["POST /v4/images", question, question, question]);
    assert!(server.requests().iter().all(|seen| seen.header("authorization") == Some("Bearer linode-token")));
    assert_eq!(answer.rows, [["private/15", "available"]]);
    assert_eq!((answer.report.calls, answer.report.retries), (4, 0));

    let server = answering(|| image("creating"), &[state("available")]).await;
    let mut db = db(&server);
    let result = db.start(INSERT).await.unwrap();
    assert_eq!(result.message(), Some("INSERT: 1 call done and waited for"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_word_nothing_is_waited_for() {
    let server = answering(|| image("creating"), &[state("available")]).await;
    let plain = INSERT.replace(" /*+ AWAIT */", "");
    let answer = db(&server).rows(&format!("{plain} RETURNING status")).await;
    assert_eq!((answer.rows, asked(&server).len()), (vec![vec!["creating".to_owned()]], 1));
    // The session's word holds for every write that can be waited for, and is no error for one that cannot.
    let mut db = db(&server).set("await", "true");
    assert_eq!(db.rows(&format!("{plain} RETURNING status")).await.rows, [["available"]]);
    db.rows("UPDATE linode.images.images SET label = 'x' WHERE id = 'private/15'").await;
    assert_eq!(asked(&server)[1..], ["POST /v4/images", "GET /v4/images/private%2F15", "PUT /v4/images/private%2F15"]);
    db.rows("SET await = false").await;
    db.rows(&plain).await;
    assert_eq!(asked(&server).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_where_nothing_can_be_waited_for_is_refused_before_anything_is_sent() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let mut db = db(&server);
    for text in [
        "INSERT /*+ AWAIT */ INTO digitalocean.compute.volumes (name, region, size_gigabytes) VALUES ('a', 'nyc3', 5)",
        "UPDATE /*+ AWAIT */ linode.images.images SET label = 'x' WHERE label LIKE 'tmp-%'",
        "EXEC /*+ AWAIT */ linode.volumes.volumes.post_detach_volume @volumeId = 7",
        "EXEC /*+ AWAIT */ linode.images.images.get @imageId = 'private/15'",
        "EXEC /*+ AWAIT */ digitalocean.compute.volumes.volumes_delete_by_name @name = 'a', @region = 'nyc3'",
        "PLAN /*+ AWAIT */ UPDATE linode.images.images SET label = 'x' WHERE id = 'private/15'",
    ] {
        let error = db.error(text).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}: {error}");
        assert!(error.hint_text().unwrap().contains("nothing was sent"), "{error:?}");
    }
    assert!(db.error("SET await = 'maybe'").await.hint_text().unwrap().contains("`true` or `false`"));
    assert!(db.error("SET await_timeout = '0s'").await.hint_text().unwrap().contains("`auto`"));
    assert_eq!(asked(&server), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_asked_about_by_its_own_number() {
    let action = |status: &str| json!({"action": {"id": 36_805_527, "status": status, "type": "transfer"}});
    let server = answering(
        move || Reply::json(201, action("in-progress")),
        &[(200, action("in-progress")), (200, action("completed"))],
    )
    .await;
    let mut db = db(&server);
    let answer = db
        .rows("EXEC /*+ AWAIT */ digitalocean.compute.image_actions.image_actions_post @image_id = 7, @type = 'transfer', @region = 'nyc3' RETURNING id, status, action")
        .await;
    let question = "GET /v2/images/7/actions/36805527";
    assert_eq!(asked(&server), ["POST /v2/images/7/actions", question, question]);
    assert_eq!(server.requests()[0].json(), json!({"type": "transfer", "region": "nyc3"}));
    assert_eq!(answer.column(1), ["completed"]);
    assert!(answer.column(2)[0].contains("completed"), "{answer:?}");
    let inserted = "INSERT /*+ AWAIT */ INTO digitalocean.compute.volume_actions (volume_id, type, droplet_id) \
        VALUES ('506f78a4-e098-11e5-ad9f-000f53306ae1', 'attach', 9) RETURNING status";
    assert_eq!(db.rows(inserted).await.rows, [["completed"]]);
    assert_eq!(
        asked(&server)[3..],
        [
            "POST /v2/volumes/506f78a4-e098-11e5-ad9f-000f53306ae1/actions",
            "GET /v2/volumes/506f78a4-e098-11e5-ad9f-000f53306ae1/actions/36805527"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_is_ready_when_its_object_is_gone() {
    let gone = (404, json!({"id": "not_found", "message": "no such image"}));
    let there = (200, json!({"image": {"id": 1}}));
    let server = answering(|| Reply::empty(204), &[there.clone(), there, gone]).await;
    let answer =
        db(&server).rows("DELETE /*+ AWAIT */ FROM digitalocean.compute.images WHERE image_id = 1 RETURNING id").await;
    let question = "GET /v2/images/1";
    assert_eq!(asked(&server), ["DELETE /v2/images/1", question, question, question]);
    assert_eq!(answer.rows, [[NULL]]);
    // What was gone before is not waited for.
    let server = answering(
        || Reply::json(404, json!({"id": "not_found", "message": "no such image"})),
        &[(500, json!({"message": "nobody asks"}))],
    )
    .await;
    let mut ignoring = db(&server).set("on_missing", "ignore");
    ignoring.rows("DELETE /*+ AWAIT */ FROM digitalocean.compute.images WHERE image_id = 1").await;
    assert_eq!(asked(&server).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_states_are_ready_when_all_are_and_a_new_object_is_asked_about_not_its_original() {
    let regions = |one: &str, two: &str| json!({"id": "private/15", "status": "available", "regions": [{"region": "a", "status": one}, {"region": "b", "status": two}]});
    let server = answering(
        move || Reply::json(200, regions("pending", "pending")),
        &[(200, regions("available", "replicating")), (200, regions("available", "available"))],
    )
    .await;
    db(&server)
        .rows("EXEC /*+ AWAIT */ linode.images.images.replicate @imageId = 'private/15', @regions = '[\"a\", \"b\"]'")
        .await;
    assert_eq!(asked(&server).len(), 3);

    let server = Server::start(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", "/v4beta/volumes/1/clone") => Reply::json(200, json!({"id": 2, "status": "creating"})),
        ("GET", "/v4beta/volumes/2") => Reply::json(200, json!({"id": 2, "label": "b", "status": "active"})),
        _ => Reply::json(404, json!({"errors": [{"reason": "Not found"}]})),
    })
    .await;
    let answer = db(&server)
        .rows("EXEC /*+ AWAIT */ linode.volumes.volumes.clone @volumeId = 1, @label = 'b', @apiVersion = 'v4beta' RETURNING id, status")
        .await;
    assert_eq!(answer.rows, [["2", "active"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_kind_stays_what_it_was() {
    let upload = json!({"upload_to": "https://up", "image": {"id": "private/15", "status": "pending_upload"}});
    let server =
        answering(move || Reply::json(200, upload.clone()), &[state("pending_upload"), state("available")]).await;
    let answer = db(&server)
        .rows("EXEC /*+ AWAIT */ linode.images.images.upload @label = 'x', @region = 'us-east' RETURNING upload_to, image ->> 'status'")
        .await;
    assert_eq!(asked(&server)[1..], ["GET /v4/images/private%2F15", "GET /v4/images/private%2F15"]);
    assert_eq!(answer.rows, [["https://up", "pending_upload"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_signed_like_any_other_call() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/image/fetch/" => Reply::json(200, json!({"success": "yes", "image_id": "141131"})),
        _ => Reply::json(200, json!({"success": "yes", "details": {"name": "n", "status": "active"}})),
    })
    .await;
    db(&server)
        .rows("INSERT /*+ AWAIT */ INTO lunanode.images.images (region, name, location, format) VALUES ('toronto', 'n', 'http://x', 'iso')")
        .await;
    let seen = &server.requests()[1];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/api/image/details/"));
    let envelope: Value = serde_json::from_str(&seen.form_value("req").unwrap()).unwrap();
    assert_eq!(envelope["image_id"], "141131");
    assert_eq!(seen.form_value("signature").unwrap().len(), 128);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_waited_for_side_by_side() {
    let both = Gate::new();
    let held = both.clone();
    let server = Server::start(move |seen| match seen.method.as_str() {
        "POST" => Reply::json(200, json!({"id": format!("private/{}", seen.json()["disk_id"]), "status": "creating"})),
        _ => {
            let id = format!("private/{}", seen.path.rsplit("%2F").next().unwrap());
            Reply::json(200, json!({"id": id, "status": "available"})).gated(&held)
        }
    })
    .await;
    let mut db = db(&server);
    let waiting = db.rows("INSERT /*+ AWAIT */ INTO linode.images.images (disk_id) VALUES (1), (2), (3)");
    let opening = async {
        both.arrivals(3).await;
        both.open();
    };
    tokio::join!(waiting, opening);
    let mut questions = asked(&server).split_off(3);
    questions.sort();
    assert_eq!(questions, ["GET /v4/images/private%2F1", "GET /v4/images/private%2F2", "GET /v4/images/private%2F3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_say_that_they_wait_and_applying_one_waits() {
    let server = answering(|| image("creating"), &[state("available")]).await;
    let dir = TempDir::new().unwrap();
    let mut db = Db::of(builder(&server).state_dir(dir.path())).set("await_interval", "2s");
    let explained = db.rows(&format!("EXPLAIN {INSERT}")).await;
    assert_eq!(explained.columns.last().unwrap(), "waits");
    assert_eq!(
        explained.column(explained.columns.len() - 1),
        ["asks `get_image` every 2 s until `$.status` is `available`, for 30 min at most"]
    );
    let plain = INSERT.replace(" /*+ AWAIT */", "");
    assert_eq!(db.rows(&format!("EXPLAIN {plain}")).await.columns.last().unwrap(), "headers");
    let mut result = db.start(&format!("PLAN {INSERT}")).await.unwrap();
    let id = result.note().unwrap().split('\'').nth(1).unwrap().to_owned();
    assert!(texts(&result.read_all().await.unwrap()[0])[0].last().unwrap().starts_with("asks `get_image`"));
    assert_eq!(asked(&server), Vec::<String>::new());
    let applied = db.start(&format!("APPLY '{id}'")).await.unwrap();
    assert_eq!(applied.message(), Some("INSERT: 1 call done and waited for"));
    assert_eq!(asked(&server), ["POST /v4/images", "GET /v4/images/private%2F15"]);
}

/// Notes, before each sleep, what a session says that it waits for.
#[derive(Debug, Default)]
struct NotingClock {
    inner: crate::support::query::ImpatientClock,
    watch: OnceLock<Watch>,
    noted: Mutex<Vec<String>>,
}

#[async_trait]
impl Clock for NotingClock {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn utc(&self) -> SystemTime {
        self.inner.utc()
    }

    async fn sleep(&self, duration: Duration) {
        if let Some(Awaited { object, state, waited, left, all }) =
            self.watch.get().and_then(Watch::progress).and_then(|progress| progress.awaited)
        {
            self.noted.lock().unwrap().push(format!("{object} {state:?} {} {left}/{all}", waited.as_secs()));
        }
        self.inner.sleep(duration).await;
    }

    fn chance(&self) -> f64 {
        self.inner.chance()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_sees_each_question_and_the_end() {
    let server = answering(|| image("creating"), &[state("creating"), state("available")]).await;
    let clock = Arc::new(NotingClock::default());
    let engine = builder(&server).no_journal().clock(Arc::clone(&clock) as SharedClock).build().unwrap();
    let mut session = engine.session();
    clock.watch.set(session.watch()).unwrap();
    session.sql(INSERT).await.unwrap();
    assert_eq!(
        *clock.noted.lock().unwrap(),
        ["image private/15 None 0 1/1", "image private/15 Some(\"creating\") 5 1/1"]
    );
    assert_eq!(session.watch().progress().unwrap().awaited, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_can_be_asked_where_no_method_can() {
    let service = |server: &str| {
        format!(
            r"
openapi: 3.0.3
servers: [{{url: '{server}/v1'}}]
x-stackQL-config:
  async: {{poll: '/jobs/{{job}}', with: {{job: $.job.id}}, status: $.done, ready: true, failed: broken, gone: pending, interval: 1s}}
paths:
  /things:
    post:
      requestBody: {{content: {{application/json: {{schema: {{type: object, properties: {{name: {{type: string}}}}}}}}}}}}
      responses: {{'202': {{description: '', content: {{application/json: {{schema: {{type: object, properties: {{job: {{type: object}}}}}}}}}}}}}}
components:
  x-stackQL-resources:
    things:
      id: acme.shop.things
      name: things
      methods:
        add: {{operation: {{$ref: '#/paths/~1things/post'}}, response: {{openAPIDocKey: '202'}}}}
      sqlVerbs:
        insert: [{{$ref: '#/components/x-stackQL-resources/things/methods/add'}}]
"
        )
    };
    let server = answering(
        || Reply::json(202, json!({"job": {"id": "a/b"}})),
        &[(404, json!({"message": "not yet"})), (200, json!({"done": false})), (200, json!({"done": true}))],
    )
    .await;
    let documents = provider_dir("acme", "v1", &[("shop", &service(&server.url()))], "type: null_auth");
    let mut db = Db::with(documents, skyql::EngineBuilder::no_journal).set("confirm", "never");
    let answer = db.rows("INSERT /*+ AWAIT */ INTO acme.shop.things (name) VALUES ('x') RETURNING job").await;
    assert_eq!(asked(&server), ["POST /v1/things", "GET /v1/jobs/a%2Fb", "GET /v1/jobs/a%2Fb", "GET /v1/jobs/a%2Fb"]);
    assert_eq!(answer.rows, [[r#"{"id":"a/b"}"#]]);
}

/// Everything under a directory, as text.
fn files_of(dir: &std::path::Path) -> String {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            if path.is_dir() {
                files_of(&path)
            } else {
                String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
            }
        })
        .collect()
}

fn is_question(seen: &Seen) -> bool {
    seen.method == "GET"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_a_transaction_starts_when_what_the_one_before_started_is_there() {
    let server = answering(|| image("creating"), &[state("creating"), state("available")]).await;
    let dir = TempDir::new().unwrap();
    let mut db = Db::of(builder(&server).state_dir(dir.path())).set("confirm", "never");
    let both = [INSERT, "UPDATE linode.images.images SET label = 'x' WHERE id = 'private/15'"];
    for text in ["BEGIN", both[0], both[1]] {
        db.rows(text).await;
    }
    let done = db.start("COMMIT").await.unwrap();
    assert_eq!(done.message(), Some("COMMIT: 2 calls done; 1 waited for"));
    let question = "GET /v4/images/private%2F15";
    assert_eq!(asked(&server), ["POST /v4/images", question, question, "PUT /v4/images/private%2F15"]);

    // It does not become ready: the other statement is left for RESUME, which waits for nothing that was done before.
    let server = answering(|| image("creating"), &[state("creating")]).await;
    let mut db = Db::of(builder(&server).state_dir(dir.path())).set("confirm", "never").set("await_timeout", "12s");
    for text in ["BEGIN", both[0], both[1]] {
        db.rows(text).await;
    }
    let error = db.error("COMMIT").await;
    assert!(error.message().contains("was not ready after"), "{error}");
    assert_eq!(error.context_value("calls"), Some("1 done (call 1), 0 failed, 0 unknown, 1 untouched (call 2)"));
    let before = asked(&server).len();
    let id = error.hint_text().unwrap().split("RESUME '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let done = db.start(&format!("RESUME '{id}'")).await.unwrap();
    assert_eq!(done.message(), Some("COMMIT: 2 calls done, 1 of them before"));
    assert_eq!(asked(&server)[before..], ["PUT /v4/images/private%2F15"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_sent_once_and_asked_about_without_it() {
    let store = Server::start(|_| Reply::empty(200)).await;
    let place = format!("{}/put", store.url());
    let server = Server::start(move |seen| match seen.method.as_str() {
        "POST" => {
            Reply::json(200, json!({"image": {"id": "private/15", "status": "pending_upload"}, "upload_to": place}))
        }
        _ => image("available"),
    })
    .await;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("disk.img.gz");
    std::fs::write(&path, b"abc").unwrap();
    let text = format!(
        "EXEC /*+ AWAIT */ linode.images.images.upload @label = 'x', @region = 'us-east' FROM '{}'",
        path.display()
    );
    db(&server).rows(&text).await;
    assert_eq!(asked(&server), ["POST /v4/images/upload", "GET /v4/images/private%2F15"]);
    assert!(server.requests()[1].body.is_empty());
    assert_eq!((asked(&store), store.requests()[0].body.clone()), (vec!["PUT /put".to_owned()], b"abc".to_vec()));
}
