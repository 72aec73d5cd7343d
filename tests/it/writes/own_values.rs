//! Values that are others each time: every object gets its own, and a plan sends those that it showed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::looks::{Acme, acme};
use crate::support::server::{Reply, Seen};

async fn three() -> Acme {
    let cluster = |id: u32, name: &str| json!({"id": id, "name": name, "note": "old"});
    acme(&[cluster(1, "a"), cluster(2, "b"), cluster(3, "c")], |_: &Seen| Reply::empty(204)).await
}

/// The notes that were sent, in the order of the clusters.
fn notes(acme: &Acme) -> Vec<String> {
    let mut changes = acme.changes();
    changes.sort();
    let note = |body: &str| serde_json::from_str::<Value>(body).unwrap()["note"].as_str().unwrap().to_owned();
    changes.iter().map(|(_, body)| note(body)).collect()
}

fn distinct(texts: &[String]) -> usize {
    texts.iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_object_gets_a_value_of_its_own() {
    for (set, looks) in [
        ("UPDATE acme.shop.clusters SET note = uuid() WHERE name >= 'a'", 1),
        ("UPDATE acme.shop.clusters SET note = concat('x', random()::varchar) WHERE name >= 'a'", 1),
        ("UPDATE acme.shop.clusters SET note = name || random()::varchar WHERE name >= 'a'", 1),
        ("UPDATE acme.shop.clusters SET note = uuid() WHERE cluster_id IN (3, 1, 2)", 0),
        ("REPLACE acme.shop.clusters SET note = uuid() WHERE cluster_id = 1 OR cluster_id = 2 OR cluster_id = 3", 0),
    ] {
        let mut acme = three().await;
        acme.good(set).await;
        let notes = notes(&acme);
        assert_eq!((notes.len(), distinct(&notes)), (3, 3), "{set}: {notes:?}");
        assert_eq!(acme.server.requests().len(), 3 + looks, "{set}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_for_a_statement_is_the_same_for_all_its_objects() {
    for set in ["now()::varchar", "current_timestamp::varchar", "(SELECT uuid())"] {
        let mut acme = three().await;
        acme.good(&format!("UPDATE acme.shop.clusters SET note = {set} WHERE name >= 'a'")).await;
        let notes = notes(&acme);
        assert_eq!((notes.len(), distinct(&notes)), (3, 1), "{set}: {notes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_sends_the_values_that_it_showed() {
    for set in ["uuid()", "name || random()::varchar", "name || now()::varchar"] {
        let mut acme = three().await;
        let (shown, apply) = acme.plan(&format!("UPDATE acme.shop.clusters SET note = {set} WHERE name >= 'a'")).await;
        let shown: Vec<String> = shown
            .iter()
            .map(|row| serde_json::from_str::<Value>(&row[2]).unwrap()["note"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(distinct(&shown), 3, "{set}");
        acme.good(&apply).await;
        assert_eq!(notes(&acme), shown, "{set}");
    }
    // What it read of the rows is compared all the same.
    let mut acme = three().await;
    let (_, apply) = acme.plan("UPDATE acme.shop.clusters SET note = name || random()::varchar WHERE name < 'x'").await;
    acme.set(1, "name", json!("w"));
    let error = acme.error(&apply).await;
    assert!(error.message().ends_with("id = 2: `name` was \"b\" and is \"w\""), "{error}");
    assert_eq!(acme.changes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_sends_values_that_are_others_each_time() {
    let mut acme = three().await;
    acme.good("BEGIN").await;
    acme.good("UPDATE acme.shop.clusters SET note = name || uuid() WHERE name < 'c'").await;
    acme.good("COMMIT").await;
    let notes = notes(&acme);
    assert_eq!((notes.len(), distinct(&notes)), (2, 2), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_new_object_gets_a_value_of_its_own() {
    for source in ["VALUES (uuid()), (uuid())", "SELECT uuid() FROM (VALUES (1), (2)) v"] {
        let mut acme = three().await;
        acme.good(&format!("INSERT INTO acme.shop.forms (label) {source}")).await;
        let bodies: Vec<String> = acme.changes().into_iter().map(|(_, body)| body).collect();
        assert_eq!((bodies.len(), distinct(&bodies)), (2, 2), "{source}: {bodies:?}");
    }
}
