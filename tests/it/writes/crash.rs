//! A process that is killed between any two calls: nothing is sent twice, nothing is left out unsaid.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;

use super::program;
use crate::support::server::{Gate, Reply, Server};

const ROWS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_repeats_nothing_and_leaves_nothing_out() {
    for killed_at in 1..=ROWS {
        kill_at(killed_at).await;
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_says_what_it_leaves() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::start(move |_| Reply::json(200, json!({"id": 1})).gated(&held)).await;
    let state = TempDir::new().unwrap();
    let mut child = insert_of_rows(&server, &state).stderr(Stdio::piped()).spawn().unwrap();
    server.received(4).await;
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let (ended, said) = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
        (child.wait().unwrap(), said)
    })
    .await
    .unwrap();
    gate.open();
    assert_eq!(ended.code(), Some(130), "{said}");
    assert!(said.contains("INSERT of linode.volumes.volumes: 0 done, 4 unknown, 16 not started; `RESUME '"), "{said}");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_resumed_by_one_process_at_a_time() {
    let (first, second) = (Gate::new(), Gate::new());
    let (lost, held, arrived) = (first.clone(), second.clone(), Mutex::new(0));
    let server = Server::start(move |_| {
        let mut arrived = arrived.lock().unwrap();
        *arrived += 1;
        Reply::json(200, json!({"id": 1})).gated(if *arrived <= 4 { &lost } else { &held })
    })
    .await;
    let state = TempDir::new().unwrap();
    let mut child = insert_of_rows(&server, &state).stderr(Stdio::null()).spawn().unwrap();
    server.received(4).await;
    child.kill().unwrap();
    child.wait().unwrap();
    first.open();
    let (_, _, said) = program(&server, &state, &["-c", "SELECT 1"]).await;
    let resume = format!("RESUME '{}'", said.split('\'').nth(1).unwrap());

    let mut resuming = skyql(&server, &state, &resume).stderr(Stdio::null()).spawn().unwrap();
    server.received(8).await;
    let (good, _, said) = program(&server, &state, &["--yes", "-c", &resume]).await;
    assert!(!good && said.contains("is being run by another process"), "{said}");
    assert_eq!(server.requests().len(), 8);
    second.open();
    assert!(!resuming.wait().unwrap().success(), "four are unknown");
    let mut labels: Vec<String> = server.requests().iter().map(|seen| seen.json()["label"].to_string()).collect();
    assert_eq!(labels.len(), ROWS);
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), ROWS, "each was sent once");
}

fn insert_of_rows(server: &Server, state: &TempDir) -> Command {
    let values: Vec<String> = (1..=ROWS).map(|n| format!("('v{n}', 'us-east', 10)")).collect();
    let text = format!("INSERT INTO linode.volumes.volumes (label, region, size) VALUES {}", values.join(", "));
    skyql(server, state, &text)
}

fn skyql(server: &Server, state: &TempDir, text: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skyql"));
    command
        .env_clear()
        .env("LINODE_TOKEN", "linode-token")
        .env("HOME", state.path())
        .env("XDG_STATE_HOME", state.path())
        .args(["--base-url", &format!("linode={}", server.url()), "--yes", "-c", text])
        .stdout(Stdio::null());
    command
}

/// Kills the program when the API has got `killed_at` calls and not answered the last of them.
async fn kill_at(killed_at: usize) {
    let gate = Gate::new();
    let (held, made) = (gate.clone(), Arc::new(Mutex::new(BTreeMap::<String, usize>::new())));
    let objects = Arc::clone(&made);
    let server = Server::start(move |seen| {
        let mut made = objects.lock().unwrap();
        // The API does what it is asked, even where nobody hears its answer.
        *made.entry(seen.json()["label"].to_string()).or_default() += 1;
        let reply = Reply::json(200, json!({"id": 1}));
        if made.len() < killed_at { reply } else { reply.gated(&held) }
    })
    .await;
    let state = TempDir::new().unwrap();
    let mut child = insert_of_rows(&server, &state).stderr(Stdio::null()).spawn().unwrap();
    server.received(killed_at).await;
    child.kill().unwrap();
    child.wait().unwrap();
    gate.open();

    let (good, _, said) = program(&server, &state, &["-c", "SELECT 1"]).await;
    assert!(good && said.contains("unfinished: INSERT of linode.volumes.volumes"), "{said}");
    let id = said.split('\'').nth(1).unwrap();
    let (good, _, said) = program(&server, &state, &["--yes", "-c", &format!("RESUME '{id}'")]).await;
    let made = made.lock().unwrap();
    assert!(made.values().all(|count| *count == 1), "killed at {killed_at}: {made:?}");
    let unknown = said.matches(": POST ").count();
    assert!(!good && unknown > 0, "what was not answered is unknown: {said}");
    // An unknown one may have been made or not; everything else was.
    assert!(made.len() <= ROWS && made.len() + unknown >= ROWS, "killed at {killed_at}: {made:?} {said}");
    assert!(unknown <= 4, "{said}");
}
