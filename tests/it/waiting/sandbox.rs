//! Waiting for the sandbox, whose objects change on the engine's clock.

use skyql::{Engine, SandboxOptions};

use super::*;

fn sandbox() -> Db {
    Db::of(Engine::builder().sandbox(SandboxOptions { seed: 1, ..SandboxOptions::default() }).no_journal())
        .set("confirm", "never")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_its_time_comes_to_its_end() {
    let mut db = sandbox();
    for (text, wanted) in [
        (
            "INSERT /*+ AWAIT */ INTO linode.images.images (disk_id, label) VALUES (1, 'a'), (2, 'b') RETURNING status",
            "available",
        ),
        (
            "INSERT /*+ AWAIT */ INTO linode.volumes.volumes (label, region) VALUES ('v-1', 'us-east') RETURNING status",
            "active",
        ),
        (
            "EXEC /*+ AWAIT */ linode.images.images.replicate @imageId = 'private/15', @regions = '[\"us-mia\", \"eu-west\"]' RETURNING regions -> 1 ->> 'status'",
            "available",
        ),
        (
            "INSERT /*+ AWAIT */ INTO digitalocean.compute.images (name, url, region) VALUES ('n', 'http://x.example/i.qcow2', 'nyc3') RETURNING status",
            "available",
        ),
    ] {
        let answer = db.rows(text).await;
        assert!(!answer.rows.is_empty() && answer.rows.iter().all(|row| row == &[wanted]), "{text}: {answer:?}");
    }
    let volume =
        db.rows("SELECT id FROM linode.volumes.volumes WHERE status = 'active' LIMIT 1").await.rows[0][0].clone();
    for (method, more, column) in [
        ("resize", ", @size = 5000", "status"),
        ("clone", ", @label = 'v-2'", "status"),
        ("attach", ", @linode_id = 7", "io_ready"),
    ] {
        let text = format!("EXEC {{}} linode.volumes.volumes.{method} @volumeId = {volume}{more} RETURNING {column}");
        let before = db.rows(&text.replace("{}", "")).await.rows[0][0].clone();
        let after = db.rows(&text.replace("{}", "/*+ AWAIT */").replace("v-2", "v-3").replace("5000", "6000")).await;
        assert!(matches!(before.as_str(), "resizing" | "creating" | "false"), "{method}: {before}");
        assert!(matches!(after.rows[0][0].as_str(), "active" | "true"), "{method}: {after:?}");
    }
    let fetched = db
        .rows("INSERT /*+ AWAIT */ INTO lunanode.images.images (region, name, location, format) VALUES ('toronto', 'n', 'http://x.example/i', 'qcow2') RETURNING image_id")
        .await;
    let id = &fetched.rows[0][0];
    assert_eq!(
        db.rows(&format!("SELECT status FROM lunanode.images.images WHERE image_id = '{id}'")).await.rows,
        [["active"]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_end_well_or_not() {
    let mut db = sandbox();
    let image = db.rows("SELECT id FROM digitalocean.compute.images LIMIT 1").await.rows[0][0].clone();
    let transfer = |hint: &str, region: &str| {
        format!(
            "INSERT {hint} INTO digitalocean.compute.image_actions (image_id, type, region) VALUES ({image}, 'transfer', '{region}') RETURNING id, status, region_slug, resource_id, completed_at"
        )
    };
    let begun = db.rows(&transfer("", "nyc3")).await;
    assert_eq!(begun.rows[0][1..], ["in-progress", "nyc3", image.as_str(), NULL]);
    let ended = db.rows(&transfer("/*+ AWAIT */", "nyc3")).await;
    assert_eq!(ended.rows[0][1..4], ["completed", "nyc3", image.as_str()]);
    assert_ne!(ended.rows[0][4], NULL);
    let listed = format!(
        "SELECT status FROM digitalocean.compute.image_actions WHERE image_id = {image} AND action_id = {}",
        ended.rows[0][0]
    );
    assert_eq!(db.rows(&listed).await.rows, [["completed"]]);

    let error = db.error(&transfer("/*+ AWAIT */", "sfo1")).await;
    assert_eq!((error.kind(), error.context_value("write")), (ErrorKind::Api, Some("done")));
    assert!(error.message().contains("its state is `errored`"), "{error}");
    let error = db
        .error("INSERT /*+ AWAIT */ INTO digitalocean.compute.images (name, url, region) VALUES ('n', 'http://x.example/missing.qcow2', 'nyc3')")
        .await;
    assert!(error.message().ends_with("its state is `deleted`: Nothing could be downloaded from the URL"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_is_gone() {
    let mut db = sandbox();
    let before = db.rows("SELECT count(*) FROM linode.images.images WHERE label LIKE 'tmp-%'").await;
    assert_ne!(before.rows, [["0"]]);
    let removed = db.rows("DELETE /*+ AWAIT */ FROM linode.images.images WHERE label LIKE 'tmp-%' RETURNING 1").await;
    assert_eq!(removed.rows.len().to_string(), before.rows[0][0]);
    assert_eq!(db.rows("SELECT count(*) FROM linode.images.images WHERE label LIKE 'tmp-%'").await.rows, [["0"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_and_clusters_come_up() {
    let mut db = sandbox();
    for (text, wanted) in [
        ("linode.linode.instances (region, type) VALUES ('us-east', 'g6-nanode-1') RETURNING status", "running"),
        (
            "linode.lke.clusters (label, region, k8s_version, node_pools) VALUES ('k', 'us-east', '1.33', '[]') RETURNING status",
            "ready",
        ),
        (
            "digitalocean.compute.droplets (name, size, image, region) VALUES ('d', 's-1vcpu-1gb', 'debian-12-x64', 'nyc3') RETURNING status",
            "active",
        ),
        (
            "digitalocean.databases.clusters (name, engine, num_nodes, size, region) VALUES ('a', 'pg', 1, 'db-s-1vcpu-1gb', 'nyc3') RETURNING status",
            "online",
        ),
        (
            "digitalocean.kubernetes.clusters (name, region, version, node_pools) VALUES ('k', 'nyc1', '1.33.1-do.0', '[]') RETURNING status ->> 'state'",
            "running",
        ),
    ] {
        let answer = db.rows(&format!("INSERT /*+ AWAIT */ INTO {text}")).await;
        assert_eq!(answer.rows, [[wanted]], "{text}");
    }
}

/// An action is called at what it is done to, and is a row of another table.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_machine_is_waited_for() {
    let mut db = sandbox();
    let droplet = db.rows("SELECT id FROM digitalocean.compute.droplets LIMIT 1").await.rows[0][0].clone();
    let of = format!("digitalocean.compute.droplets.{{}} @droplet_id = {droplet}");
    for call in ["reboot", "resize"].map(|method| of.replace("{}", method)) {
        let size = if call.contains(".resize ") { ", @size = 's-2vcpu-4gb'" } else { "" };
        let begun = db.rows(&format!("EXEC {call}{size} RETURNING status, type")).await.rows;
        let ended = db.rows(&format!("EXEC /*+ AWAIT */ {call}{size} RETURNING status, type, id")).await.rows;
        assert_eq!((begun[0][0].as_str(), ended[0][0].as_str()), ("in-progress", "completed"), "{call}");
        assert!(call.contains(&format!(".{} ", ended[0][1])), "{call}: {ended:?}");
        let listed = format!(
            "SELECT status FROM digitalocean.compute.droplet_actions WHERE droplet_id = {droplet} AND action_id = {}",
            ended[0][2]
        );
        assert_eq!(db.rows(&listed).await.rows, [["completed"]]);
    }
    let error = db.error(&format!("EXEC {} RETURNING id", of.replace("{}", "rename"))).await;
    assert!(error.message().contains("needs `name`"), "{error}");
}
