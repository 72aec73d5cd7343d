//! Documents of the public registry, unmodified: they load, and lists are read to the end.
//!
//! The documents are not part of the project: where they are absent, these tests say so and pass.

#![expect(clippy::print_stdout, reason = "says why nothing was tested")]
#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use skyql::provider::{DirectorySource, Registry};
use skyql::{Engine, Env};

use crate::support::query::{Answer, Db};
use crate::support::server::{Reply, Seen, Server};

const ROWS: u64 = 450;

fn folder(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

fn number(seen: &Seen, name: &str, default: u64) -> u64 {
    seen.query_value(name).map_or(default, |text| text.parse().unwrap())
}

/// The page that was asked for, its rows, and whether there is another.
fn page(seen: &Seen, size: &str, default: u64, cap: u64) -> (u64, u64, Vec<Value>, bool) {
    let (page, size) = (number(seen, "page", 1), number(seen, size, default).min(cap));
    let first = (page - 1) * size;
    let last = (first + size).min(ROWS);
    let rows = (first..last).map(|n| json!({"id": n + 1, "label": format!("l{n}"), "name": format!("n{n}")})).collect();
    (page, size, rows, last < ROWS)
}

/// `GET /v2/images` as DigitalOcean documents it: `links.pages.next` and `meta.total`, 20 rows if nothing is said.
fn digitalocean(seen: &Seen) -> Reply {
    if seen.path != "/v2/images" {
        return Reply::json(404, json!({"id": "not_found", "message": "The resource was not found."}));
    }
    let (page, size, images, more) = page(seen, "per_page", 20, 200);
    let next = format!("https://api.digitalocean.com/v2/images?page={}&per_page={size}", page + 1);
    let pages = if more { json!({"next": next}) } else { json!({}) };
    Reply::json(200, json!({"images": images, "links": {"pages": pages}, "meta": {"total": ROWS}}))
}

/// `GET /v4/images` as Linode documents it: `page`, `pages` and `results`, 100 rows if nothing is said.
fn linode(seen: &Seen) -> Reply {
    if seen.path != "/v4/images" {
        return Reply::json(404, json!({"errors": [{"reason": "Not found"}]}));
    }
    let (page, size, mut images, _) = page(seen, "page_size", 100, 500);
    for image in &mut images {
        image["id"] = json!(format!("linode/{}", image["id"]));
    }
    Reply::json(200, json!({"data": images, "page": page, "pages": ROWS.div_ceil(size), "results": ROWS}))
}

async fn all_images(documents: &str, provider: &str, sql: &str) -> Option<(Answer, Vec<Seen>)> {
    let folder = folder(documents)?;
    let server = Server::start(if provider == "linode" { linode } else { digitalocean }).await;
    let env = Env::empty().with("LINODE_TOKEN", "t").with("DIGITALOCEAN_TOKEN", "t");
    let builder = Engine::builder().env(env).providers_dir(folder).base_url(provider, &server.url());
    let answer = Db::of(builder).rows(sql).await;
    Some((answer, server.requests()))
}

/// Every row once, proved by the total.
fn check((answer, requests): (Answer, Vec<Seen>)) {
    assert_eq!(answer.rows.len() as u64, ROWS);
    let ids: std::collections::HashSet<&str> = answer.column(0).into_iter().collect();
    assert_eq!(ids.len() as u64, ROWS);
    assert_eq!(answer.verdict(), "complete", "{:?}", answer.report.warnings);
    assert_eq!(answer.warned(), Vec::<&str>::new());
    assert!((1..=5).contains(&requests.len()), "{} calls", requests.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn digitalocean_images_of_2025_are_read_to_the_end() {
    let sql = "SELECT id, name FROM digitalocean.compute.images";
    if let Some(read) = all_images("stackql-providers-seed", "digitalocean", sql).await {
        check(read);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn digitalocean_images_of_2026_are_read_to_the_end() {
    let sql = "SELECT id, name FROM digitalocean.compute.images";
    if let Some(read) = all_images("stackql-providers", "digitalocean", sql).await {
        check(read);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn linode_images_of_2023_are_read_to_the_end() {
    let sql = "SELECT id, label FROM linode.images.images";
    if let Some(read) = all_images("stackql-providers-seed", "linode", sql).await {
        check(read);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn linode_images_of_2026_are_read_to_the_end() {
    let sql = "SELECT id, label FROM linode.images.images";
    if let Some(read) = all_images("stackql-providers", "linode", sql).await {
        check(read);
    }
}

#[test]
fn every_service_of_every_provider_loads() {
    for name in ["stackql-providers", "stackql-providers-seed"] {
        let Some(folder) = folder(name) else { return };
        let registry = Registry::new(vec![Arc::new(DirectorySource::new(folder))], None);
        let providers = registry.provider_names();
        assert!(!providers.is_empty());
        for provider in providers {
            let services = registry.provider(&provider).unwrap().services.clone();
            for service in services.keys() {
                // One document of the registry was published without its service file.
                if (provider.as_str(), service.as_str()) == ("k8s", "core_v1") {
                    continue;
                }
                if let Err(error) = registry.service(&provider, service) {
                    panic!("{name}: {provider}.{service}: {error:?}");
                }
            }
        }
    }
}
