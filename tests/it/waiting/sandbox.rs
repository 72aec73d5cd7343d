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
