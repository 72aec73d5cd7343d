//! Values as they arrive: the bytes of bodies, keys that are NULL or named twice, and what an API says of each field.

use serde_json::json;
use skyql::ErrorKind;
use tempfile::TempDir;

use super::looks::acme;
use super::{pair, program};
use crate::support::server::{Reply, Seen, Server};

fn gone(_: &Seen) -> Reply {
    Reply::empty(204)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_encoded_as_the_web_has_it() {
    let mut acme = acme(&[], gone).await;
    let text = "INSERT INTO acme.shop.forms (label, size, paid) VALUES ('a b&c=d+é''\"</script>🦀%\n~*', '5', true)";
    acme.good(text).await;
    let wanted = "label=a+b%26c%3Dd%2B%C3%A9%27%22%3C%2Fscript%3E%F0%9F%A6%80%25%0A%7E*&paid=true&size=5";
    assert_eq!(acme.changes(), [pair("POST /forms", wanted)]);
    let seen = &acme.server.requests()[0];
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen.header("content-length"), Some(wanted.len().to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_of_any_letters_arrives_as_it_was_written() {
    let mut acme = acme(&[], gone).await;
    let long = "it's é🦀</script>".repeat((1 << 20) / 20 + 1);
    assert!(long.len() > 1 << 20);
    let text = format!(
        "UPDATE acme.shop.clusters SET name = '\"\\ \u{1}\t\n\u{2028}', note = '{}' WHERE cluster_id = 1",
        long.replace('\'', "''")
    );
    acme.good(&text).await;
    let wanted = format!("{{\"name\":\"\\\"\\\\ \\u0001\\t\\n\u{2028}\",\"note\":\"{long}\"}}");
    let changes = acme.changes();
    assert_eq!(changes[0].0, "PATCH /clusters/1");
    assert!(changes[0].1 == wanted, "{} bytes of {}", changes[0].1.len(), wanted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_null_name_nothing_and_keys_twice_name_one() {
    let row = |id: serde_json::Value, name: &str| json!({"id": id, "name": name});
    let mut acme = acme(&[row(json!(1), "a"), row(json!(null), "x")], gone).await;
    acme.good("DELETE FROM acme.shop.clusters WHERE cluster_id IN (2, NULL, 1, 2, 1)").await;
    let mut changes = acme.changes();
    changes.sort();
    assert_eq!(changes, [pair("DELETE /clusters/1", ""), pair("DELETE /clusters/2", "")]);
    for none in ["cluster_id = NULL", "cluster_id IN (NULL)"] {
        acme.good(&format!("DELETE FROM acme.shop.clusters WHERE {none}")).await;
    }
    // A row that was found and says not which object it is, is not written, and neither are the others.
    let error = acme.error("DELETE FROM acme.shop.clusters WHERE name IN ('a', 'x')").await;
    assert_eq!(error.kind(), ErrorKind::Partial, "{error}");
    assert!(error.message().contains("has no `id`"), "{error}");
    assert_eq!(acme.changes().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_api_says_of_fields_is_said_field_by_field() {
    let server = Server::start(|seen| match seen.json()["label"].as_str() {
        Some("taken") => Reply::json(409, json!({"errors": [{"field": "label", "reason": "Must be unique"}]})),
        _ => Reply::json(
            422,
            json!({"errors": [{"field": "label", "reason": "Too short"}, {"field": "size", "reason": "Must be 10 or more"}]}),
        ),
    })
    .await;
    let state = TempDir::new().unwrap();
    let insert = |values: &str| format!("INSERT INTO linode.volumes.volumes (label, region, size) VALUES {values}");
    let (good, _, said) = program(&server, &state, &["-c", &insert("('taken', 'us-east', 10)")]).await;
    assert!(!good && said.contains("the API answered 409: label: Must be unique"), "{said}");
    let both = insert("('taken', 'us-east', 10), ('x', 'us-east', 1)");
    let both = format!("SET on_row_error = 'continue'; {both}");
    let (good, _, said) = program(&server, &state, &["--yes", "-c", &both]).await;
    assert!(!good && said.contains("2 failed (calls 1-2)"), "{said}");
    for (call, reason) in [(1, "409: label: Must be unique"), (2, "422: label: Too short; size: Must be 10 or more")] {
        assert!(said.contains(&format!("call {call}: POST ")) && said.contains(reason), "{said}");
    }
    assert_eq!(server.requests().len(), 3);
}
