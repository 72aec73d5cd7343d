//! The shipped documents: their hints can be used, and what they promise is there.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method as HttpMethod};
use serde_json::{Value, json};

use super::{Got, ask, ids, seeded, signed_form};
use crate::provider::{EmbeddedSource, Registry, Service};
use crate::sandbox::Sandbox;
use crate::sandbox::testing::at;

/// Every service of a shipped provider.
pub(super) fn services(provider: &str) -> Vec<Arc<Service>> {
    static REGISTRY: LazyLock<Registry> =
        LazyLock::new(|| Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped()))));
    let registry = &*REGISTRY;
    let names: Vec<String> = registry.provider(provider).unwrap().services.keys().cloned().collect();
    names.iter().map(|name| registry.service(provider, name).unwrap()).collect()
}

fn shipped(provider: &str) -> Sandbox {
    seeded(&services(provider), 1)
}

#[test]
fn every_shipped_provider_has_a_sandbox() {
    let registry = Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped())));
    let names = registry.provider_names();
    assert!(!names.is_empty());
    for name in names {
        shipped(&name);
    }
}

async fn get(sandbox: &Sandbox, variable: &str, url: &str) -> Got {
    let token = format!("Bearer {}", sandbox.credentials()[variable]);
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&token).unwrap())]);
    ask(sandbox, HttpMethod::GET, url, headers, "").await
}

#[tokio::test]
async fn linode_has_images_for_everybody_and_records_of_domains() {
    let sandbox = shipped("linode");
    let linode = async |path: &str| get(&sandbox, "LINODE_TOKEN", &format!("https://api.linode.com/v4{path}")).await;
    let all = linode("/images?page_size=500").await.json;
    assert!(all["results"].as_u64().unwrap() >= 200 && all["pages"] == json!(1));
    let identities: BTreeSet<String> = ids(&all["data"]).into_iter().collect();
    assert_eq!(json!(identities.len()), all["results"]);
    let public = ask(&sandbox, HttpMethod::GET, "https://api.linode.com/v4/images", HeaderMap::new(), "").await.json;
    assert!(public["results"].as_u64() < all["results"].as_u64() && public["results"].as_u64().unwrap() > 0);
    let image = linode("/images/linode%2Fdebian12").await.json;
    assert_eq!((&image["label"], &image["vendor"]), (&json!("Debian 12"), &json!("Debian")));
    assert_eq!(linode("/images/linode%2Fnone").await.json, json!({"errors": [{"reason": "Not found"}]}));
    let domain = linode("/domains").await.json["data"][0].clone();
    let path = format!("/domains/{}/records", domain["id"]);
    let records = linode(&path).await.json;
    let record = at(&records, "/data/3").clone();
    assert_eq!(linode(&format!("{path}/{}", record["id"])).await.json, record);
    assert!(linode("/volumes").await.json["results"].as_u64().unwrap() > 0);
    assert_eq!(
        ask(&sandbox, HttpMethod::GET, "https://api.linode.com/v4/volumes", HeaderMap::new(), "").await.status,
        401
    );
}

#[tokio::test]
async fn digitalocean_links_its_pages_and_filters() {
    let sandbox = shipped("digitalocean");
    let ocean = async |url: &str| get(&sandbox, "DIGITALOCEAN_TOKEN", url).await;
    let (mut url, mut all, mut total) =
        ("https://api.digitalocean.com/v2/images?per_page=60".to_owned(), Vec::new(), 0);
    loop {
        let got = ocean(&url).await;
        assert_eq!(got.status, 200);
        all.extend(ids(&got.json["images"]));
        total = got.json.pointer("/meta/total").and_then(Value::as_u64).unwrap_or(total);
        match got.json.pointer("/links/pages/next").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!((all.len() as u64, all.iter().collect::<BTreeSet<_>>().len() as u64), (total, total));
    let image = ocean(&format!("https://api.digitalocean.com/v2/images/{}", all[7])).await.json;
    assert_eq!(ids(&json!([image["image"]])), [all[7].clone()]);
    let missing = ocean("https://api.digitalocean.com/v2/images/1").await;
    assert_eq!((missing.status, &missing.json["id"]), (404, &json!("not_found")));
    let private = ocean("https://api.digitalocean.com/v2/images?private=true&per_page=200").await.json;
    let rows = private["images"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["public"] == json!(false)));
    let volumes = ocean("https://api.digitalocean.com/v2/volumes?region=nyc1").await.json;
    let rows = volumes["volumes"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| at(row, "/region/slug") == &json!("nyc1")));
}

#[tokio::test]
async fn lunanode_takes_signed_forms() {
    let sandbox = shipped("lunanode");
    let post = async |action: &str, fields: Value| {
        let path = format!("image/{action}/");
        let body = signed_form(&sandbox.credentials(), &path, &fields, 1_700_000_000);
        ask(&sandbox, HttpMethod::POST, &format!("https://dynamic.lunanode.com/api/{path}"), HeaderMap::new(), &body)
            .await
    };
    let images = post("list", json!({"region": "toronto"})).await.json["images"].as_array().unwrap().clone();
    assert!(!images.is_empty() && images.iter().all(|image| image["region"] == json!("toronto")));
    let details = post("details", json!({"image_id": images[0]["image_id"]})).await.json;
    assert_eq!((&details["success"], at(&details, "/details/name")), (&json!("yes"), &images[0]["name"]));
    assert!(at(&details, "/details/size").is_string(), "sizes are decimal strings");
    let bytes = post("retrieve", json!({"image_id": images[0]["image_id"]})).await.bytes;
    assert_eq!(bytes.len(), 4096);
    assert_eq!(post("details", json!({"image_id": "0"})).await.json["success"], json!("no"));
}
