//! Connections that a server closes in the moment in which the next request leaves.

use serde_json::{Value, json};
use skyql::{Engine, EngineBuilder, Env};

use super::{db, image};
use crate::support::closing::{Closes, Closing};
use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, widgets};
use crate::support::query::Db;
use crate::support::server::{Reply, Server};

/// An INSERT of forty rows.
fn insert() -> String {
    let values: Vec<String> = (1..=40).map(|n| format!("({n}, 'l{n}')")).collect();
    format!("INSERT INTO linode.images.images (disk_id, label) VALUES {}", values.join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_write_has_a_connection_of_its_own_and_reads_share_one() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "POST" => Reply::json(200, image("private/1", "a")),
        _ => Reply::json(200, json!({"data": [], "page": 1, "pages": 1, "results": 0})),
    })
    .await;
    let mut db = db(&server);
    db.rows(&insert()).await;
    assert_eq!((server.requests().len(), server.connections()), (40, 40));
    for _ in 0..10 {
        db.rows("SELECT id FROM linode.images.images").await;
    }
    assert!(server.connections() <= 42, "{}", server.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_is_lost_to_a_server_that_closes_each_connection_after_its_answer() {
    let server = Closing::start(Closes::AfterTheFirst, |_, body| {
        let body: Value = serde_json::from_str(body).unwrap();
        json!({"id": format!("private/{}", body["disk_id"])})
    })
    .await;
    let env = Env::empty().with("LINODE_TOKEN", "linode-token");
    let builder = Engine::builder().env(env).base_url("linode", &server.url()).no_journal();
    let mut db = Db::of(builder).set("confirm", "never");
    let answer = db.rows(&format!("{} RETURNING id", insert())).await;
    let wanted: Vec<String> = (1..=40).map(|n| format!("private/{n}")).collect();
    assert_eq!(answer.column(0), wanted);
    assert_eq!((server.seen().len(), answer.report.retries), (40, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_used_connection_lost_is_repeated_over_a_new_one() {
    let rows = widgets(200);
    let server = Closing::start(Closes::AtTheSecond, move |target, _| {
        let query = url::form_urlencoded::parse(target.split_once('?').unwrap().1.as_bytes());
        let page: usize =
            query.into_iter().find(|(name, _)| name == "page").map_or(1, |(_, page)| page.parse().unwrap());
        json!({"items": rows[(page - 1) * 10..page * 10], "total": rows.len()})
    })
    .await;
    let documents = acme_dir(&server.url(), &format!("{}{STATED_TOTAL}", Paging::Page.document()));
    // One repeat is enough: the first request of a connection is always answered.
    let mut db = Db::with(documents, EngineBuilder::no_journal).set("retries", "1");
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.ids(), (1..=200).collect::<Vec<_>>());
    let lost = server.seen().iter().filter(|target| target.ends_with("lost")).count() as u64;
    assert!(lost > 0 && answer.report.retries == lost, "{lost} of {:?}", server.seen());
}
