//! A disk that is full: what cannot be noted is not sent.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{journaled, program};
use crate::support::server::{Reply, Server};

const INSERT: &str = "INSERT INTO linode.volumes.volumes (label, region, size) VALUES ('v1', 'us-east', 10), \
    ('v2', 'us-east', 10), ('v3', 'us-east', 10), ('v4', 'us-east', 10), ('v5', 'us-east', 10), ('v6', 'us-east', 10), \
    ('v7', 'us-east', 10), ('v8', 'us-east', 10), ('v9', 'us-east', 10), ('v10', 'us-east', 10), ('v11', 'us-east', 10), \
    ('v12', 'us-east', 10), ('v13', 'us-east', 10), ('v14', 'us-east', 10), ('v15', 'us-east', 10), ('v16', 'us-east', 10)";

/// The lines of the only journal.
fn journal(state: &Path) -> Vec<Value> {
    let mut files = std::fs::read_dir(state.join("journal")).unwrap();
    let text = std::fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap();
    assert!(text.ends_with('\n'), "what did not fit is taken back: {text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs the INSERT where a file cannot grow beyond so many blocks of 512 bytes, as on a disk that is full.
async fn insert_within(blocks: usize, server: &Server, state: &TempDir) -> String {
    let mut command = Command::new("/bin/sh");
    command
        .env_clear()
        .env("LINODE_TOKEN", "linode-token")
        .env("HOME", state.path())
        .env("XDG_STATE_HOME", state.path())
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_skyql")])
        .args(["--base-url", &format!("linode={}", server.url()), "--yes", "-c", INSERT]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_goes_out_that_could_not_be_noted() {
    let server = Server::start(|_| Reply::json(200, json!({"id": 1}))).await;
    // The plan itself does not fit.
    let state = TempDir::new().unwrap();
    let said = insert_within(1, &server, &state).await;
    assert!(said.contains("no call goes out: the disk is full"), "{said}");
    assert!(server.requests().is_empty());
    let left = std::fs::read_dir(state.path().join("skyql/journal")).unwrap().count();
    assert_eq!(left, 0, "what nothing was sent of is no statement that stopped");

    // The plan fits, and not all of what is noted of its calls.
    let whole = TempDir::new().unwrap();
    journaled(&server, &whole).rows(INSERT).await;
    assert_eq!(server.requests().len(), 16);
    let plan = journal(whole.path())[0].to_string().len();
    let state = TempDir::new().unwrap();
    let said = insert_within(plan / 512 + 2, &server, &state).await;
    let sent = server.requests().len() - 16;
    assert!(said.contains("the disk is full") && sent < 16, "{sent}: {said}");
    let noted = |kind: &str| journal(&state.path().join("skyql")).iter().filter(|line| line["kind"] == kind).count();
    let announced = noted("intent");
    assert!(announced >= sent, "each call was announced first");
    // One that was announced when another could not be is not sent any more.
    let unsent = announced - sent;
    assert!(noted("outcome") <= sent && noted("end") == 0);

    // The rest is sent when there is room again; of what could not be noted nobody knows.
    let unknown = announced - noted("outcome");
    assert!(unknown > 0 || !said.contains("not noted: call"), "{said}");
    let id = said.split("RESUME '").nth(1).unwrap().split('\'').next().unwrap();
    let (good, _, resumed) = program(&server, &state, &["--yes", "-c", &format!("RESUME '{id}'")]).await;
    assert_eq!(good, unknown == 0, "{resumed}");
    let mut labels: Vec<String> = server.requests()[16..].iter().map(|seen| seen.json()["label"].to_string()).collect();
    assert_eq!(labels.len(), 16 - unsent);
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), 16 - unsent, "each was sent once");
}
