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
    let values: Vec<String> = (1..=ROWS).map(|n| format!("('v{n}', 'us-east', 10)")).collect();
    let text = format!("INSERT INTO linode.volumes.volumes (label, region, size) VALUES {}", values.join(", "));
    let mut child = Command::new(env!("CARGO_BIN_EXE_skyql"))
        .env_clear()
        .env("LINODE_TOKEN", "linode-token")
        .env("HOME", state.path())
        .env("XDG_STATE_HOME", state.path())
        .args(["--base-url", &format!("linode={}", server.url()), "--yes", "-c", &text])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
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
