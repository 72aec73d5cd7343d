//! The state file: there and back, shared, damaged.

use std::fs;
use std::time::Duration;

use http::{HeaderMap, Method as HttpMethod};
use serde_json::{Value, json};

use super::ask;
use super::shipped::services;
use super::writes::Api;
use crate::error::ErrorKind;
use crate::sandbox::testing::StillClock;
use crate::sandbox::{Sandbox, SandboxOptions};

fn options(path: &std::path::Path) -> SandboxOptions {
    SandboxOptions { seed: 1, state: Some(path.to_owned()), ..SandboxOptions::default() }
}

#[tokio::test]
async fn what_was_written_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let linode = Api::with("linode", options(&path));
    assert!(!path.exists(), "reading writes nothing");
    let made = linode.call("POST", "/images", &json!({"disk_id": 1, "label": "kept"})).await.json;
    let upload = linode.call("POST", "/images/upload", &json!({"label": "later", "region": "us-east"})).await.json;
    linode.call("PUT", "/images/linode%2Fdebian12", &json!({"label": "renamed"})).await;
    linode.call("DELETE", "/images/linode%2Fdebian11", &json!(null)).await;
    let luna = Api::with("lunanode", options(&path));
    luna.call("POST", "/image/delete/", &json!({"image_id": "14113"})).await;
    let before = (linode.list("/images", "data").await, luna.list("/image/list/", "images").await);
    drop((linode, luna));

    let (linode, luna) = (Api::with("linode", options(&path)), Api::with("lunanode", options(&path)));
    assert_eq!((linode.list("/images", "data").await, luna.list("/image/list/", "images").await), before);
    let next = linode.call("POST", "/images", &json!({"disk_id": 2})).await.json;
    assert_ne!(next["id"], made["id"]);
    linode.clock.advance(Duration::from_secs(3));
    let settled = linode.call("GET", "/images/private%2F321", &json!(null)).await.json;
    assert_eq!((&settled["label"], &settled["status"]), (&json!("kept"), &json!("available")), "the wait goes on");
    let url = upload["upload_to"].as_str().unwrap();
    assert_eq!(ask(&linode.sandbox, HttpMethod::PUT, url, HeaderMap::new(), "bytes").await.status, 200);
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["state.json"], "nothing is left beside it");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.len() < 20_000, "only what differs is written: {}", text.len());
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_an_error_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let open = |seed: u64| {
        let options = SandboxOptions { seed, ..options(&path) };
        Sandbox::new(&services("linode"), options, StillClock::new()).map(|_| ())
    };
    for text in ["", "{", "[]", "{\"skyql_sandbox\": 2, \"providers\": {}}", "{\"skyql_sandbox\": 1}", "\u{0}"] {
        fs::write(&path, text).unwrap();
        let error = open(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("state.json") && error.hint_text().is_some(), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::remove_file(&path).unwrap();
    let api = Api::with("linode", options(&path));
    api.call("POST", "/images", &json!({"disk_id": 1})).await;
    assert!(open(1).is_ok());
    assert!(open(2).unwrap_err().message().ends_with("was made with seed 1"));

    let mut whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    whole["providers"]["linode"]["tables"]["images.images"]["rows"][0]["number"] = json!(u64::MAX);
    fs::write(&path, whole.to_string()).unwrap();
    let api = Api::with("linode", options(&path));
    assert_eq!(api.call("POST", "/images", &json!({"disk_id": 1})).await.status, 200, "no number is too large");
}

#[tokio::test]
async fn a_write_that_cannot_be_kept_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let api = Api::with("linode", options(&directory.path().join("none").join("state.json")));
    let got = api.call("POST", "/images", &json!({"disk_id": 1})).await;
    assert_eq!(got.status, 500);
    assert!(got.json.to_string().contains("state file"), "{}", got.json);
}
