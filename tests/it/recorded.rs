//! Answers of the real Linode API, read through the shipped `linode` provider: nothing of them is lost.
//!
//! The recordings are not part of the project: where they are absent, these tests say so and pass.

#![expect(clippy::print_stdout, reason = "says why nothing was tested")]
#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use skyql::{Engine, Env};

use crate::support::query::{Answer, Db, NULL};
use crate::support::server::{Reply, Seen, Server};

/// The good GET exchanges of these recordings, as URL and body.
fn exchanges(files: &[&str]) -> Option<Vec<(url::Url, Value)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/linode-recorded");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let recorded: Vec<Value> = serde_json::from_str(&text).unwrap();
        for exchange in recorded {
            if exchange["method"] != "GET" || exchange["status"] != 200 {
                continue;
            }
            let body = match &exchange["response_body"] {
                Value::String(text) => serde_json::from_str(text).unwrap(),
                other => other.clone(),
            };
            all.push((url::Url::parse(exchange["url"].as_str().unwrap()).unwrap(), body));
        }
    }
    Some(all)
}

fn answered(exchanges: &[(url::Url, Value)], seen: &Seen) -> Reply {
    let page = seen.query_value("page").unwrap_or_else(|| "1".to_owned());
    let found = exchanges.iter().find(|(url, _)| {
        let recorded = url.query_pairs().find(|(name, _)| name == "page").map(|(_, value)| value.into_owned());
        url.path() == seen.path && recorded.is_none_or(|recorded| recorded == page)
    });
    match found {
        Some((_, body)) => Reply::json(200, body.clone()),
        None => Reply::json(404, serde_json::json!({"errors": [{"reason": "Not found"}]})),
    }
}

fn db(server: &Server) -> Db {
    let env = Env::empty().with("LINODE_TOKEN", "test-token");
    Db::of(Engine::builder().env(env).base_url("linode", &server.url()))
}

/// Every field of every item is a value of its row; the fields that the table lacks are given back.
fn lost(items: &[Value], answer: &Answer) -> BTreeSet<String> {
    assert_eq!(items.len(), answer.rows.len());
    let mut missing = BTreeSet::new();
    for (item, row) in items.iter().zip(&answer.rows) {
        for (name, value) in item.as_object().unwrap() {
            let Some(at) = answer.columns.iter().position(|column| column == name) else {
                missing.insert(name.clone());
                continue;
            };
            let text = &row[at];
            let same = match value {
                Value::Null => text == NULL,
                Value::String(wanted) => text == wanted,
                Value::Array(_) | Value::Object(_) => serde_json::from_str::<Value>(text).unwrap() == *value,
                Value::Bool(wanted) => *text == wanted.to_string(),
                Value::Number(wanted) => text.parse::<f64>().ok() == wanted.as_f64(),
            };
            assert!(same, "`{name}`: {value} became {text}");
        }
    }
    missing
}

/// Reads `sql` from the recordings and compares it with the items of the answer that serves it.
async fn check(files: &[&str], path: &str, sql: &str, not_in_schema: &[&str]) {
    let Some(exchanges) = exchanges(files) else { return };
    let body = exchanges.iter().find(|(url, _)| url.path() == path).map(|(_, body)| body.clone()).unwrap();
    let items = body.get("data").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![body]);
    assert!(!items.is_empty());
    let server = Server::start(move |seen| answered(&exchanges, seen)).await;
    let answer = db(&server).rows(sql).await;
    let missing = lost(&items, &answer);
    assert_eq!(missing.iter().map(String::as_str).collect::<Vec<_>>(), not_in_schema, "{sql}");
    assert_eq!(answer.verdict(), "complete", "{:?}", answer.report.warnings);
    assert_eq!(answer.report.misfits, 0);
    assert_eq!(server.paths(), [path]);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_read_without_loss() {
    let sql = "SELECT * FROM linode.images.images WHERE apiVersion = 'v4beta'";
    for file in ["TestImages_List.json", "ExampleListImages_all.json"] {
        check(&[file], "/v4beta/images", sql, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_image_is_read_without_loss() {
    let sql = "SELECT * FROM linode.images.images WHERE apiVersion = 'v4beta' AND id = 'linode/ubuntu22.04'";
    check(&["TestImage_GetFound.json"], "/v4beta/images/linode%2Fubuntu22.04", sql, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_are_read_without_loss() {
    let sql = "SELECT * FROM linode.domains.domains WHERE apiVersion = 'v4beta'";
    check(&["TestDomains_List.json"], "/v4beta/domains", sql, &[]).await;
    let sql = "SELECT * FROM linode.domains.domains WHERE apiVersion = 'v4beta' AND id = 3041961";
    check(&["TestDomain_Get.json"], "/v4beta/domains/3041961", sql, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_read_without_loss() {
    for (file, domain) in
        [("TestDomainRecords_List.json", "3153530"), ("TestDomainRecords_ListMultiplePages.json", "3153531")]
    {
        let sql = format!("SELECT * FROM linode.domains.records WHERE apiVersion = 'v4beta' AND domainId = {domain}");
        check(&[file], &format!("/v4beta/domains/{domain}/records"), &sql, &[]).await;
    }
    let sql =
        "SELECT * FROM linode.domains.records WHERE apiVersion = 'v4beta' AND domainId = 3153532 AND id = 36666868";
    check(&["TestDomainRecord_Get.json"], "/v4beta/domains/3153532/records/36666868", sql, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_is_no_row() {
    let Some(exchanges) = exchanges(&["TestImage_GetMissing.json"]) else { return };
    let server = Server::start(move |seen| answered(&exchanges, seen)).await;
    let answer = db(&server).rows("SELECT * FROM linode.images.images WHERE id = 'does-not-exist'").await;
    assert!(answer.rows.is_empty());
    assert_eq!((answer.report.not_found, answer.verdict()), (1, "complete"));
    assert_eq!(server.paths(), ["/v4/images/does-not-exist"]);
}
