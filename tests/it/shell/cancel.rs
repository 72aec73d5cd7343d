//! What runs long, and what ends it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;

use super::{CTRL_C, sandbox, steady};
use crate::support::documents::{STATED_TOTAL, acme_dir, paged, widgets};
use crate::support::server::{Gate, Reply, Server};
use crate::support::terminal::{Start, Terminal};

/// 60 widgets in three pages, of which those after the first wait at a gate.
async fn slow(gate: &Gate) -> (Server, tempfile::TempDir) {
    let api = paged(widgets(60), 20, 20, true);
    let gate = gate.clone();
    let server = Server::start(move |seen| {
        let reply: Reply = api(seen);
        if seen.query_value("page").is_some_and(|page| page != "1") { reply.gated(&gate) } else { reply }
    })
    .await;
    let documents =
        acme_dir(&server.url(), &format!("{}{STATED_TOTAL}", crate::support::documents::Paging::Page.document()));
    (server, documents)
}

fn shell(documents: &tempfile::TempDir) -> Terminal {
    Start::skyql(&["--providers", documents.path().to_str().unwrap()]).not_first().run()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_long_says_how_far_it_is() {
    let gate = Gate::new();
    let (_server, documents) = slow(&gate).await;
    let terminal = shell(&documents);
    terminal.prompt().typed("SELECT count(*) AS n FROM acme.shop.widgets;").keys("\r");
    terminal.shows("1 of 3 pages").shows("Ctrl-C cancels");
    gate.open();
    terminal.shows("60").prompt();
    let shown = terminal.text();
    // The line is gone.
    assert!(!shown.contains("Ctrl-C cancels") && shown.contains("(1 row · 3 calls"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_statement_and_not_the_program() {
    let gate = Gate::new();
    let (server, documents) = slow(&gate).await;
    let terminal = shell(&documents);
    terminal.prompt().typed("SELECT count(*) AS n FROM acme.shop.widgets;").keys("\r").shows("1 of 3 pages");
    server.received(3).await;
    terminal.keys(CTRL_C).shows("the statement was cancelled").prompt();
    // The calls under way are dropped, and the report says so.
    server.idle().await;
    insta::assert_snapshot!("cancelled", steady(&terminal.text()));
    let shown = terminal.line("SHOW WARNINGS;");
    assert!(shown.contains("cancelled before its end: 2 calls under way were dropped"), "{shown}");
    // The next statement is as good as ever.
    assert!(terminal.line("SELECT id FROM acme.shop.widgets LIMIT 1;").contains("(1 row · 1 call"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_watch() {
    let server = Server::start(paged(widgets(3), 20, 20, true)).await;
    let documents =
        acme_dir(&server.url(), &format!("{}{STATED_TOTAL}", crate::support::documents::Paging::Page.document()));
    let terminal = shell(&documents);
    assert!(terminal.line("\\watch").contains("there is no statement to watch yet"));
    terminal.line("SELECT max(id) AS newest FROM acme.shop.widgets;");
    terminal.typed("\\watch 0.1").keys("\r");
    server.received(3).await;
    terminal.keys(CTRL_C).prompt();
    assert!(terminal.text().contains("every 0.1 s; Ctrl-C ends it"));
    assert!(terminal.line("SELECT 1 AS one;").contains("one"));
}

#[test]
fn a_write_is_asked_about_and_ctrl_c_is_no() {
    let terminal = sandbox().run();
    let delete = "DELETE FROM linode.images.images WHERE id = 'private/1';";
    let images = "SELECT id FROM linode.images.images WHERE is_public = false LIMIT 1;";
    let id = terminal
        .line(images)
        .lines()
        .find_map(|line| Some(line.split("private/").nth(1)?.split(' ').next()?.to_owned()));
    let delete = delete.replace("private/1", &format!("private/{}", id.unwrap()));
    terminal.prompt().typed(&delete).keys("\r").shows("send? [y/N]").keys(CTRL_C).shows("nothing was sent").prompt();
    // No reader is left that would swallow what is typed next.
    assert!(terminal.line("SELECT 42 AS answer;").contains("42"));
    terminal
        .typed(&delete)
        .keys("\r")
        .until("the question again", |screen| screen.contents().matches("send? [y/N]").count() == 2);
    terminal.keys("y\r").shows("1 call").prompt();
    let shown = terminal.line("SHOW JOURNAL LIMIT 1;");
    assert!(shown.contains("done"), "{shown}");
    // What is asked again and again would be sent again and again.
    terminal.line(&delete.replace("DELETE", "EXPLAIN DELETE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn resuming_asks_about_each_call_that_is_unknown() {
    let gate = Gate::new();
    let held = gate.clone();
    let seen = Mutex::new(BTreeSet::new());
    // What is asked for the first time is lost; nobody knows whether it was done.
    let server = Server::start(move |request| {
        let is_new = seen.lock().unwrap().insert(request.json()["label"].to_string());
        if is_new { Reply::json(502, json!({})).gated(&held) } else { Reply::json(200, json!({"id": 7})) }
    })
    .await;
    let terminal =
        Start::skyql(&["--base-url", &format!("linode={}", server.url())]).env("LINODE_TOKEN", "t").not_first().run();
    let insert = "INSERT INTO linode.volumes.volumes (label, size) VALUES ('a', 1), ('b', 1), ('c', 1);";
    terminal.prompt().typed(insert).keys("\r").shows("send? [y/N]").keys("y\r");
    server.received(3).await;
    gate.open();
    terminal.prompt();
    let shown = terminal.text().replace('\n', "");
    assert!(shown.contains("0 done, 0 failed, 3 unknown"), "{shown}");
    let statement = shown.split("RESUME '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    terminal.typed(&format!("RESUME '{statement}';")).keys("\r");
    for (asked, answer) in ["y", "n", ""].into_iter().enumerate() {
        let asked = asked + 1;
        terminal.until("the question", |screen| screen.contents().matches("was it done?").count() == asked);
        terminal.keys(&format!("{answer}\r"));
    }
    terminal.prompt();
    let sent: Vec<String> = server.requests().iter().map(|seen| seen.json()["label"].to_string()).collect();
    // What was done is not sent, what was not done is, and nobody knows of the third.
    assert_eq!(sent.get(3..), Some(&["\"b\"".to_owned()][..]), "{sent:?}");
    let shown = terminal.text().replace('\n', "");
    assert!(shown.contains("2 done (calls 1-2), 0 failed, 1 unknown (call 3)"), "{shown}");
}

#[test]
fn what_only_computes_is_shown_and_ended_too() {
    let terminal = sandbox().run();
    terminal.prompt().typed("SELECT count(*) FROM generate_series(1, 30000000000);").keys("\r").shows("Ctrl-C cancels");
    terminal.keys(CTRL_C).shows("the statement was cancelled").prompt();
    terminal.typed("SET max_seconds = 1;").keys("\r").prompt();
    terminal.typed("SELECT count(*) FROM generate_series(1, 30000000000);").keys("\r").shows("stopped after 1 second");
}
