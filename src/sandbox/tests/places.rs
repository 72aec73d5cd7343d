//! What a path says of which rows are meant, in the shipped documents.

use serde_json::json;

use super::writes::Api;
use crate::sandbox::testing::at;

#[tokio::test]
async fn what_is_removed_from_within_a_row_leaves_the_row() {
    let api = Api::new("digitalocean");
    let endpoints = api.call("GET", "/cdn/endpoints", &json!(null)).await.json;
    let path = format!("/cdn/endpoints/{}", at(&endpoints, "/endpoints/0/id").as_str().unwrap());
    assert_eq!(api.call("DELETE", &format!("{path}/cache"), &json!({"files": ["*"]})).await.status, 204);
    assert_eq!(api.call("GET", &path, &json!(null)).await.status, 200);
    assert_eq!(api.call("DELETE", &path, &json!(null)).await.status, 204);
    assert_eq!(api.call("GET", &path, &json!(null)).await.status, 404);
    assert_eq!(api.call("DELETE", &format!("{path}/cache"), &json!({"files": ["*"]})).await.status, 404);
}

#[tokio::test]
async fn a_removal_that_tells_no_rows_removes_none() {
    let api = Api::new("digitalocean");
    let total = async || at(&api.call("GET", "/kubernetes/clusters", &json!(null)).await.json, "/meta/total").clone();
    let before = total().await;
    let got = api.call("DELETE", "/kubernetes/registry", &json!({"cluster_uuids": ["a"]})).await;
    assert_eq!((got.status, total().await), (204, before));
}

#[tokio::test]
async fn a_field_named_like_the_path_is_another_thing() {
    let api = Api::new("digitalocean");
    let vpcs = api.call("GET", "/vpcs", &json!(null)).await.json;
    let path = format!("/vpcs/{}/peerings", at(&vpcs, "/vpcs/1/id").as_str().unwrap());
    let made = api.call("POST", &path, &json!({"name": "to-the-first", "vpc_id": at(&vpcs, "/vpcs/0/id")})).await;
    assert_eq!((made.status, at(&made.json, "/peering/name")), (202, &json!("to-the-first")));
    let listed = api.call("GET", &path, &json!(null)).await.json;
    let names: Vec<_> = at(&listed, "/peerings").as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert!(names.contains(&&json!("to-the-first")), "{names:?}");
    assert_eq!(api.call("POST", "/vpcs/none/peerings", &json!({"name": "n", "vpc_id": "x"})).await.status, 404);
}

#[tokio::test]
async fn a_replacement_keeps_what_a_row_is_found_by() {
    let api = Api::new("digitalocean");
    let agents = api.call("GET", "/gen-ai/agents", &json!(null)).await.json;
    let path = format!("/gen-ai/agents/{}", at(&agents, "/agents/0/uuid").as_str().unwrap());
    let changed = api.call("PUT", &path, &json!({"name": "another"})).await;
    assert_eq!((changed.status, at(&changed.json, "/agent/name")), (200, &json!("another")));
    let read = api.call("GET", &path, &json!(null)).await;
    assert_eq!((read.status, at(&read.json, "/agent/name")), (200, &json!("another")));
}

/// Nodes are listed by nothing and made by nothing: nobody can know which there are.
#[tokio::test]
async fn what_nobody_lists_or_makes_is_there_under_any_name() {
    let api = Api::new("linode");
    let clusters = api.call("GET", "/lke/clusters", &json!(null)).await.json;
    let node = format!("/lke/clusters/{}/nodes/123-abc", at(&clusters, "/data/0/id"));
    let got = api.call("GET", &node, &json!(null)).await;
    assert_eq!((got.status, &got.json["id"]), (200, &json!("123-abc")));
    assert_eq!(api.call("POST", &format!("{node}/recycle"), &json!(null)).await.status, 200);
    assert_eq!(api.call("GET", "/lke/clusters/1/nodes/123-abc", &json!(null)).await.status, 404);
}

#[tokio::test]
async fn an_empty_list_is_not_a_missing_one() {
    let api = Api::new("linode");
    let body = json!({"label": "a", "region": "us-east", "k8s_version": "1.33"});
    assert_eq!(api.call("POST", "/lke/clusters", &body).await.status, 400);
    let mut whole = body;
    whole["node_pools"] = json!([]);
    assert_eq!(api.call("POST", "/lke/clusters", &whole).await.status, 200);
}

/// `imageId` is no id of a share group.
#[tokio::test]
async fn a_parameter_on_the_way_is_not_taken_for_the_rows_own() {
    let api = Api::new("linode");
    let got = api.call("GET", "/images/linode%2Fdebian12/sharegroups", &json!(null)).await.json;
    assert!(got["results"].as_u64().unwrap() > 0, "{got}");
}
