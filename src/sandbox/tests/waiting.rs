//! What changes by itself after a while, for better or worse.

use std::time::Duration;

use serde_json::json;

use super::writes::Api;
use crate::sandbox::testing::at;

#[tokio::test]
async fn an_action_ends_after_a_while_and_some_fail() {
    let api = Api::new("digitalocean");
    let image = api.call("GET", "/images?per_page=1", &json!(null)).await.json["images"][0]["id"].clone();
    let path = format!("/images/{image}/actions");
    let mut ends = Vec::new();
    for region in ["nyc3", "sfo1"] {
        let begun = api.call("POST", &path, &json!({"type": "transfer", "region": region})).await;
        let action = at(&begun.json, "/action").clone();
        assert_eq!(
            (begun.status, &action["status"], &action["completed_at"]),
            (201, &json!("in-progress"), &json!(null))
        );
        assert_eq!((&action["region_slug"], &action["resource_id"]), (&json!(region), &image));
        ends.push(format!("{path}/{}", action["id"]));
    }
    api.clock.advance(Duration::from_secs(3));
    for (path, status) in ends.iter().zip(["completed", "errored"]) {
        let action = at(&api.call("GET", path, &json!(null)).await.json, "/action").clone();
        assert_eq!((&action["status"], &action["completed_at"]), (&json!(status), &json!("2023-11-14T22:13:23Z")));
    }
    let failing = json!({"name": "n", "url": "http://x.example/missing", "region": "nyc3"});
    let made = at(&api.call("POST", "/images", &failing).await.json, "/image").clone();
    assert_eq!((&made["status"], &made["error_message"]), (&json!("NEW"), &json!("")));
    api.clock.advance(Duration::from_secs(3));
    let failed = at(&api.call("GET", &format!("/images/{}", made["id"]), &json!(null)).await.json, "/image").clone();
    assert_eq!(failed["status"], json!("deleted"));
    assert!(failed["error_message"].as_str().unwrap().contains("URL"));
    assert_eq!(api.call("POST", "/images/7/actions", &json!({"type": "transfer"})).await.status, 404);
}
