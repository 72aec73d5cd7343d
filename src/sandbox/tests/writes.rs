//! Writes against the shipped documents.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method as HttpMethod};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{Got, ask, signed_form};
use crate::error::ErrorKind;
use crate::provider::{Auth, Effect, ItemShape, Location, Method, Parameter, Resource, Service, ValueType};
use crate::sandbox::testing::{StillClock, at};
use crate::sandbox::tests::shipped::services;
use crate::sandbox::{Faults, Sandbox, SandboxOptions, rows};

/// A provider's sandbox and who asks it.
pub(super) struct Api {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) clock: Arc<StillClock>,
    base: &'static str,
}

impl Api {
    pub(super) fn new(provider: &str) -> Self {
        Self::with(provider, SandboxOptions { seed: 1, ..SandboxOptions::default() })
    }

    pub(super) fn with(provider: &str, options: SandboxOptions) -> Self {
        let clock = StillClock::new();
        let sandbox = Sandbox::new(&services(provider), options, clock.clone()).unwrap();
        let base = match provider {
            "linode" => "https://api.linode.com/v4",
            "digitalocean" => "https://api.digitalocean.com/v2",
            _ => "https://dynamic.lunanode.com/api",
        };
        Self { sandbox: Arc::new(sandbox), clock, base }
    }

    /// A call as a client of the API makes it: with a token and JSON, or signed.
    pub(super) async fn call(&self, method: &str, path: &str, body: &Value) -> Got {
        let method = HttpMethod::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.base);
        let credentials = self.sandbox.credentials();
        if credentials.contains_key("LUNANODE_API_KEY") {
            let form = signed_form(&credentials, path.trim_start_matches('/'), body, self.now());
            return ask(&self.sandbox, method, &url, HeaderMap::new(), &form).await;
        }
        // An agent of DigitalOcean's has a key of its own.
        let token = credentials.get("DIGITALOCEAN_TOKEN").or_else(|| credentials.values().next());
        let token = format!("Bearer {}", token.unwrap());
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&token).unwrap())]);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let text = if body.is_null() { String::new() } else { body.to_string() };
        ask(&self.sandbox, method, &url, headers, &text).await
    }

    fn now(&self) -> u64 {
        use crate::clock::Clock;
        self.clock.utc().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    }

    /// All rows under a key of the answer.
    pub(super) async fn list(&self, path: &str, key: &str) -> Vec<Value> {
        let (method, body) =
            if key == "images" && path.ends_with("list/") { ("POST", json!({})) } else { ("GET", json!(null)) };
        let mut all: Vec<Value> = Vec::new();
        for page in 1.. {
            let path = if method == "POST" { path.to_owned() } else { format!("{path}?page={page}") };
            let got = self.call(method, &path, &body).await;
            let rows = got.json[key].as_array().cloned().unwrap_or_default();
            all.extend(rows.clone());
            if method == "POST" || rows.is_empty() || got.json["pages"] == json!(page) {
                break;
            }
        }
        all
    }
}

fn encoded(value: &Value) -> String {
    utf8_percent_encode(&rows::text_of(value), NON_ALPHANUMERIC).to_string()
}

/// A value that the document allows.
fn valid(field: &Parameter) -> Value {
    match field.values.first() {
        Some(first) => first.clone(),
        None => match field.ty {
            ValueType::Integer => json!(field.minimum.map_or(7, |minimum| if minimum > 7.0 { 25 } else { 7 })),
            ValueType::Number => json!(1.5),
            ValueType::Boolean => json!(true),
            ValueType::Array => json!(["abc"]),
            ValueType::Object => json!({}),
            _ => json!("made-here"),
        },
    }
}

/// The whole of a list, and the values of one of its rows.
async fn rows_of(api: &Api, service: &Service, resource: &Resource) -> Vec<(Value, Map<String, Value>)> {
    let (parents, parameter) = match resource.name.as_str() {
        "records" => (api.list("/domains", "data").await, "domainId"),
        "image_actions" => (api.list("/images", "images").await, "image_id"),
        "volume_actions" => (api.list("/volumes", "volumes").await, "volume_id"),
        _ => (vec![Value::Null], ""),
    };
    // A few are enough where there are many.
    let few = if resource.name.ends_with("_actions") { 5 } else { parents.len() };
    let mut all = Vec::new();
    for parent in parents.into_iter().take(few) {
        let (path, key) = match (service.provider.as_str(), resource.name.as_str()) {
            ("linode", "records") => (format!("/domains/{}/records", parent["id"]), "data"),
            ("linode", name) => (format!("/{name}"), "data"),
            ("digitalocean", name) if name.ends_with("_actions") => {
                (format!("/{}s/{}/actions", name.trim_end_matches("_actions"), rows::text_of(&parent["id"])), "actions")
            }
            ("digitalocean", name) => (format!("/{name}"), name),
            _ => ("/image/list/".to_owned(), "images"),
        };
        let mut path_values = Map::new();
        path_values.insert(parameter.to_owned(), parent["id"].clone());
        for row in api.list(&path, key).await {
            all.push((row, path_values.clone()));
        }
    }
    all
}

/// Resources whose hints say what everything is.
const TRIED: [&str; 9] = [
    "linode.images.images",
    "linode.volumes.volumes",
    "linode.domains.domains",
    "linode.domains.records",
    "digitalocean.compute.images",
    "digitalocean.compute.image_actions",
    "digitalocean.compute.volumes",
    "digitalocean.compute.volume_actions",
    "lunanode.images.images",
];

/// Every method that writes, each on a sandbox of its own, with every field of its body, and again with the required
/// ones alone.
#[tokio::test]
async fn every_write_of_the_shipped_documents_works_and_is_read_back() {
    let mut tried = 0;
    for provider in ["linode", "digitalocean", "lunanode"] {
        for service in services(provider) {
            let tried_ones = service.resources.values().filter(|resource| TRIED.contains(&resource.id.as_str()));
            for resource in tried_ones {
                // An action is a row of its own, wherever it is called.
                let is_action =
                    |method: &Method| !resource.name.ends_with("_actions") && method.path.ends_with("/actions");
                let writes =
                    resource.methods.values().filter(|method| method.effect != Effect::Read && !is_action(method));
                for method in writes {
                    for all in [true, false] {
                        try_write(&service, resource, method, all).await;
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried >= 50, "{tried}");
}

async fn try_write(service: &Service, resource: &Resource, method: &Method, all: bool) {
    let api = Api::new(&service.provider);
    let before = rows_of(&api, service, resource).await;
    let (row, parents) = before.get(3).unwrap().clone();
    let keys = resource.keys.as_ref().unwrap();
    let mut path = method.path.trim_start_matches("/v2").to_owned();
    let (mut body, mut query) = (Map::new(), Vec::new());
    for parameter in &method.parameters {
        let of_row = keys.columns.get(&parameter.name).map(|column| {
            parents.get(&parameter.name).filter(|value| !value.is_null()).unwrap_or(&row[column.as_str()]).clone()
        });
        match parameter.location {
            Location::Path => path = path.replace(&format!("{{{}}}", parameter.wire), &encoded(&of_row.unwrap())),
            Location::Query if parameter.name == "region" => {
                query.push(format!("region={}", encoded(&row["region"]["slug"])));
            }
            Location::Query => query.push(format!("{}={}", parameter.wire, encoded(&row[parameter.name.as_str()]))),
            Location::Body if all || parameter.required => {
                body.insert(parameter.wire.clone(), of_row.unwrap_or_else(|| valid(parameter)));
            }
            _ => {}
        }
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let body = if method.request.is_some() { Value::Object(body) } else { Value::Null };
    let got = api.call(&method.http_method, &path, &body).await;
    let place = format!("{} {} {path} {body} → {} {}", resource.id, method.name, got.status, got.json);
    assert_eq!(Some(got.status), method.response.success_status, "{place}");
    assert!(method.success.is_none() || got.json["success"] == json!("yes"), "{place}");
    let after = rows_of(&api, service, resource).await;
    let verb = resource.verb_of(&method.name);
    let id = keys.columns.values().last().unwrap().as_str();
    let answered = match &got.json {
        json if !at(json, "/image/id").is_null() => json["image"].clone(),
        json if !at(json, "/action/id").is_null() => json["action"].clone(),
        json if !at(json, "/volume/id").is_null() => json["volume"].clone(),
        json => json.clone(),
    };
    let same = |one: &Value| after.iter().find(|(row, _)| row[id] == one[id]).map(|(row, _)| row.clone());
    let makes_one = verb == "INSERT"
        || ["replicate", "post_upload_image"].contains(&method.name.as_str())
        || method.name.contains("clone")
        || method.name.contains("import");
    let removes = method.effect == Effect::Delete;
    let expected = before.len() + usize::from(makes_one) - usize::from(removes);
    assert_eq!(after.len(), expected, "{place}");
    if removes {
        assert_eq!(same(&row), None, "{place}");
        let again = api.call(&method.http_method, &path, &body).await;
        assert!(again.status == 404 || again.json["success"] == json!("no"), "{place}");
        return;
    }
    if makes_one {
        let made = same(&answered).expect(&place);
        assert!(before.iter().all(|(row, _)| row[id] != made[id]), "{place}");
    }
    if method.response.items == ItemShape::Object && !answered[id].is_null() && answered.get("success").is_none() {
        let made = same(&answered).expect(&place);
        assert_eq!(made, answered, "{place}");
        for (name, value) in body.as_object().into_iter().flatten() {
            if let Some(read) = made.get(name).filter(|read| !read.is_object() && !read.is_array()) {
                assert_eq!(read, value, "{place}: {name}");
            }
        }
    }
    if !makes_one && !matches!(method.auth, Auth::Hmac(_)) && !got.json.as_object().unwrap().is_empty() {
        assert_eq!(answered[id], row[id], "{place}");
    }
}

#[tokio::test]
async fn a_linode_image_lives_and_dies() {
    let api = Api::new("linode");
    let public = api.call("GET", "/images", &json!(null)).await.json["results"].as_u64().unwrap();
    let made = api.call("POST", "/images", &json!({"disk_id": 123, "label": "gold", "tags": ["base"]})).await;
    assert_eq!(made.status, 200, "{}", made.json);
    let image = made.json;
    assert_eq!(
        (&image["id"], &image["label"], &image["status"]),
        (&json!("private/321"), &json!("gold"), &json!("creating"))
    );
    assert_eq!((&image["created"], &image["updated"]), (&json!("2023-11-14T22:13:20"), &json!("2023-11-14T22:13:20")));
    assert_eq!(
        (&image["tags"], &image["is_public"], &image["description"]),
        (&json!(["base"]), &json!(false), &json!(null))
    );
    assert_eq!(api.call("GET", "/images", &json!(null)).await.json["results"], json!(public + 1));
    assert_eq!(api.call("GET", "/images/private%2F321", &json!(null)).await.json, image);

    api.clock.advance(Duration::from_millis(2999));
    assert_eq!(api.call("GET", "/images/private%2F321", &json!(null)).await.json["status"], json!("creating"));
    api.clock.advance(Duration::from_millis(1));
    assert_eq!(api.call("GET", "/images/private%2F321", &json!(null)).await.json["status"], json!("available"));

    let changed = api.call("PUT", "/images/private%2F321", &json!({"description": "a text"})).await.json;
    assert_eq!((&changed["label"], &changed["description"]), (&json!("gold"), &json!("a text")));
    assert_eq!(
        (&changed["created"], &changed["updated"]),
        (&json!("2023-11-14T22:13:20"), &json!("2023-11-14T22:13:23"))
    );
    let regions =
        api.call("POST", "/images/private%2F321/regions", &json!({"regions": ["us-mia", "us-east"]})).await.json;
    assert_eq!(at(&regions, "/regions/1"), &json!({"region": "us-east", "status": "replicating"}));
    api.clock.advance(Duration::from_secs(3));
    let image = api.call("GET", "/images/private%2F321", &json!(null)).await.json;
    assert_eq!(at(&image, "/regions/1"), &json!({"region": "us-east", "status": "available"}));

    let gone = api.call("DELETE", "/images/private%2F321", &json!(null)).await;
    assert_eq!((gone.status, gone.json), (200, json!({})));
    for (method, body) in [("GET", json!(null)), ("DELETE", json!(null)), ("PUT", json!({"label": "x"}))] {
        assert_eq!(api.call(method, "/images/private%2F321", &body).await.status, 404, "{method}");
    }
    let next = api.call("POST", "/images", &json!({"disk_id": 1})).await.json;
    assert_eq!(next["id"], json!("private/322"), "an id is not given twice");
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused_field_by_field() {
    let linode = Api::new("linode");
    let field = |name: &str, why: &str| json!({"reason": format!("{name} {why}"), "field": name});
    for (method, path, body, status, errors) in [
        ("POST", "/images", json!({}), 400, vec![field("disk_id", "is required")]),
        ("POST", "/images", json!(null), 400, vec![field("disk_id", "is required")]),
        ("POST", "/images", json!({"disk_id": null}), 400, vec![field("disk_id", "is required")]),
        ("POST", "/images", json!({"disk_id": "123"}), 400, vec![field("disk_id", "must be a whole number")]),
        ("POST", "/images", json!({"disk_id": 1, "lable": "x"}), 400, vec![field("lable", "is not a known field")]),
        ("POST", "/images", json!({"disk_id": 1, "status": "available"}), 400, vec![field("status", "is read-only")]),
        ("POST", "/images", json!({"disk_id": 1, "tags": "a"}), 400, vec![field("tags", "must be an array")]),
        ("PUT", "/images/linode%2Fdebian12", json!({"id": "x"}), 400, vec![field("id", "is read-only")]),
        ("POST", "/images/upload", json!({}), 400, vec![field("label", "is required"), field("region", "is required")]),
        ("POST", "/volumes", json!({"label": "v", "size": 9}), 400, vec![field("size", "must be at least 10")]),
        (
            "POST",
            "/volumes",
            json!({"label": "v", "encryption": "on"}),
            400,
            vec![field("encryption", "must be one of enabled, disabled")],
        ),
        ("POST", "/images", json!([1]), 400, vec![json!({"reason": "The body is not a JSON object"})]),
        ("POST", "/domains/1/records", json!({"type": "A"}), 404, vec![json!({"reason": "Not found"})]),
        ("POST", "/images/private%2F0/regions", json!({"regions": ["x"]}), 404, vec![json!({"reason": "Not found"})]),
    ] {
        let got = linode.call(method, path, &body).await;
        assert_eq!((got.status, got.json), (status, json!({"errors": errors})), "{method} {path} {body}");
    }
    let ocean = Api::new("digitalocean");
    let got = ocean.call("POST", "/images", &json!({"tags": 5})).await;
    let message = "tags must be an array; name is required; url is required; region is required";
    assert_eq!((got.status, got.json), (422, json!({"id": "unprocessable_entity", "message": message})));
    assert_eq!(ocean.call("DELETE", "/volumes?name=none&region=nyc3", &json!(null)).await.status, 404);
    assert_eq!(ocean.call("DELETE", "/volumes?name=none", &json!(null)).await.status, 422);
    let luna = Api::new("lunanode");
    let got = luna.call("POST", "/image/fetch/", &json!({"region": "mars", "x": "1"})).await;
    let error = "x is not a known field; region must be one of toronto, montreal, roubaix; name is required; location is required; format is required";
    assert_eq!((got.status, got.json), (200, json!({"success": "no", "error": error})));

    let anybody =
        ask(&linode.sandbox, HttpMethod::POST, "https://x.example/v4/images", HeaderMap::new(), "{\"disk_id\": 1}")
            .await;
    assert_eq!(anybody.status, 401);
    let token = HeaderValue::from_str(&format!("Bearer {}", linode.sandbox.credentials()["LINODE_TOKEN"])).unwrap();
    let headers =
        HeaderMap::from_iter([(AUTHORIZATION, token), (CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
    assert_eq!(
        ask(&linode.sandbox, HttpMethod::POST, "https://x.example/v4/images", headers, "{\"disk_id\": 1}").await.status,
        415
    );
    assert_eq!(linode.call("GET", "/images", &json!(null)).await.json["results"], json!(320), "nothing was made");
}

#[tokio::test]
async fn digitalocean_creates_with_its_own_statuses_and_replaces_whole() {
    let api = Api::new("digitalocean");
    let body =
        json!({"name": "nightly", "url": "http://example.com/d.qcow2", "region": "nyc3", "tags": ["base", "prod"]});
    let made = api.call("POST", "/images", &body).await;
    let image = &made.json["image"];
    assert_eq!((made.status, &image["status"], &image["regions"]), (202, &json!("NEW"), &json!(["nyc3"])));
    assert_eq!((&image["type"], &image["created_at"]), (&json!("custom"), &json!("2023-11-14T22:13:20Z")));
    assert!(image["id"].is_i64() && image.get("url").is_none());
    let path = format!("/images/{}", image["id"]);
    api.clock.advance(Duration::from_secs(3));
    assert_eq!(at(&api.call("GET", &path, &json!(null)).await.json, "/image/status"), &json!("available"));
    let tagged = api.call("GET", "/images?tag_name=prod&private=true&per_page=200", &json!(null)).await.json;
    assert!(tagged["images"].as_array().unwrap().iter().any(|row| row["id"] == image["id"]));
    let described = api.call("PUT", &path, &json!({"name": "x", "description": "text"})).await.json;
    assert_eq!(at(&described, "/image/description"), &json!("text"));
    let replaced = api.call("PUT", &path, &json!({"name": "x", "distribution": "Ubuntu"})).await.json;
    assert_eq!(at(&replaced, "/image/description"), &json!(""), "what a PUT does not name falls back");
    assert_eq!(
        (at(&replaced, "/image/tags"), at(&replaced, "/image/distribution")),
        (&json!(["base", "prod"]), &json!("Ubuntu"))
    );
    assert_eq!(api.call("DELETE", &path, &json!(null)).await.status, 204);

    let volume = json!({"name": "data-1", "region": "nyc3", "size_gigabytes": 10});
    let made = api.call("POST", "/volumes", &volume).await;
    assert_eq!((made.status, at(&made.json, "/volume/region/name")), (201, &json!("New York 3")));
    let elsewhere =
        api.call("POST", "/volumes", &json!({"name": "data-1", "region": "syd1", "size_gigabytes": 10})).await;
    assert_eq!(at(&elsewhere.json, "/volume/region"), &json!({"slug": "syd1"}));
    assert_eq!(api.call("DELETE", "/volumes?name=data-1&region=nyc3", &json!(null)).await.status, 204);
    let left = api.call("GET", "/volumes?name=data-1", &json!(null)).await.json;
    assert_eq!(left["volumes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_domain_takes_its_records_along() {
    let api = Api::new("linode");
    let domain = api
        .call("POST", "/domains", &json!({"domain": "new.example", "type": "master", "soa_email": "a@b.example"}))
        .await
        .json;
    let records = format!("/domains/{}/records", domain["id"]);
    assert_eq!(api.call("GET", &records, &json!(null)).await.json["results"], json!(0), "a new domain is empty");
    let made = api.call("POST", &records, &json!({"type": "A", "name": "www", "target": "192.0.2.1"})).await.json;
    assert_eq!(api.call("GET", &format!("{records}/{}", made["id"]), &json!(null)).await.json, made);
    assert_eq!(made["ttl_sec"], json!(0));
    let copy =
        api.call("POST", &format!("/domains/{}/clone", domain["id"]), &json!({"domain": "copy.example"})).await.json;
    assert_eq!((&copy["domain"], &copy["soa_email"]), (&json!("copy.example"), &json!("a@b.example")));
    assert_ne!(copy["id"], domain["id"]);
    let copied = api.call("GET", &format!("/domains/{}/records", copy["id"]), &json!(null)).await.json["data"].clone();
    assert_eq!((copied.as_array().unwrap().len(), at(&copied, "/0/target")), (1, &made["target"]));
    assert_ne!(at(&copied, "/0/id"), &made["id"]);
    assert_eq!(api.call("DELETE", &format!("/domains/{}", domain["id"]), &json!(null)).await.status, 200);
    assert_eq!(api.call("GET", &records, &json!(null)).await.status, 404);
    assert_eq!(
        api.call("GET", &format!("/domains/{}/records", copy["id"]), &json!(null)).await.json["results"],
        json!(1)
    );
}

#[tokio::test]
async fn actions_do_what_the_hint_says() {
    let api = Api::new("linode");
    let volume = api.call("POST", "/volumes", &json!({"label": "v-1", "region": "us-mia"})).await.json;
    assert_eq!((&volume["size"], &volume["linode_id"], &volume["tags"]), (&json!(20), &json!(null), &json!([])));
    let path = format!("/volumes/{}", volume["id"]);
    let attached = api.call("POST", &format!("{path}/attach"), &json!({"linode_id": 77})).await.json;
    assert_eq!(
        (&attached["linode_id"], &attached["linode_label"], &attached["io_ready"]),
        (&json!(77), &json!("linode77"), &json!(false))
    );
    let resized = api.call("POST", &format!("{path}/resize"), &json!({"size": 50})).await.json;
    assert_eq!((&resized["size"], &resized["status"]), (&json!(50), &json!("resizing")));
    api.clock.advance(Duration::from_secs(3));
    let after = api.call("GET", &path, &json!(null)).await.json;
    assert_eq!((&after["size"], &after["status"], &after["io_ready"]), (&json!(50), &json!("active"), &json!(true)));
    let copy = api.call("POST", &format!("{path}/clone"), &json!({"label": "v-2"})).await.json;
    assert_eq!((&copy["size"], &copy["region"], &copy["linode_id"]), (&json!(50), &json!("us-mia"), &json!(null)));
    assert_eq!(api.call("POST", &format!("{path}/detach"), &json!(null)).await.json, json!({}));
    let read = api.call("GET", &path, &json!(null)).await.json;
    assert_eq!((&read["linode_id"], &read["label"]), (&json!(null), &json!("v-1")));
}

#[tokio::test]
async fn signed_writes_are_done() {
    let api = Api::new("lunanode");
    let fetched = api
        .call(
            "POST",
            "/image/fetch/",
            &json!({"region": "toronto", "name": "n", "location": "http://x.example/i", "format": "qcow2"}),
        )
        .await
        .json;
    assert_eq!(fetched, json!({"image_id": "141131", "success": "yes"}));
    let details =
        async |id: &Value| api.call("POST", "/image/details/", &json!({"image_id": id})).await.json["details"].clone();
    let one = details(&fetched["image_id"]).await;
    assert_eq!((&one["name"], &one["status"], &one["disk_format"]), (&json!("n"), &json!("saving"), &json!("qcow2")));
    assert_eq!(one["time_created"], json!("2023-11-14T22:13:20.000000"));
    api.clock.advance(Duration::from_secs(3));
    assert_eq!(details(&fetched["image_id"]).await["status"], json!("active"));
    let renamed = api.call("POST", "/image/rename/", &json!({"image_id": "141131", "name": "m"})).await.json;
    assert_eq!(renamed, json!({"success": "yes"}));
    let copy = api.call("POST", "/image/replicate/", &json!({"image_id": "141131", "region": "roubaix"})).await.json;
    assert_eq!(copy, json!({"image_id": "141132", "success": "yes"}));
    let two = details(&copy["image_id"]).await;
    assert_eq!((&two["name"], &two["region"]), (&json!("m"), &json!("roubaix")));
    assert_eq!(details(&fetched["image_id"]).await["region"], json!("toronto"));
    assert_eq!(api.call("POST", "/image/retrieve/", &json!({"image_id": "141132"})).await.bytes.len(), 4096);
    assert_eq!(
        api.call("POST", "/image/delete/", &json!({"image_id": "141131"})).await.json,
        json!({"success": "yes"})
    );
    for action in ["details", "delete", "retrieve"] {
        let got = api.call("POST", &format!("/image/{action}/"), &json!({"image_id": "141131"})).await;
        assert_eq!((got.status, got.json), (200, json!({"success": "no", "error": "Not found"})), "{action}");
    }
    let url = "https://dynamic.lunanode.com/api/image/delete/";
    let unsigned = ask(&api.sandbox, HttpMethod::POST, url, HeaderMap::new(), "image_id=141132").await.json;
    assert!(unsigned["error"].as_str().unwrap().starts_with("authentication failure"));
    assert_ne!(details(&json!("141132")).await, Value::Null);
}

#[tokio::test]
async fn an_upload_takes_bytes_once_and_no_credential() {
    let api = Api::new("linode");
    let made = api.call("POST", "/images/upload", &json!({"label": "x", "region": "us-east"})).await.json;
    let image = made["image"].clone();
    assert_eq!((&image["label"], &image["status"], &image["size"]), (&json!("x"), &json!("pending_upload"), &json!(0)));
    assert_eq!(at(&image, "/regions/0/region"), &json!("us-east"));
    let url = made["upload_to"].as_str().unwrap();
    assert!(url.starts_with("https://api.linode.com/sandbox-uploads/"), "{url}");
    api.clock.advance(Duration::from_mins(1));
    let path = format!("/images/{}", encoded(&image["id"]));
    assert_eq!(api.call("GET", &path, &json!(null)).await.json["status"], json!("pending_upload"));
    let put = async |url: &str, headers: HeaderMap, body: &str| {
        ask(&api.sandbox, HttpMethod::PUT, url, headers, body).await.status
    };
    let leaked = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer x"))]);
    assert_eq!(put(url, leaked, "bytes").await, 400);
    assert_eq!(put(url, HeaderMap::new(), "").await, 400);
    assert_eq!(put(&format!("{url}0"), HeaderMap::new(), "bytes").await, 404);
    assert_eq!(ask(&api.sandbox, HttpMethod::POST, url, HeaderMap::new(), "bytes").await.headers["allow"], "PUT");
    assert_eq!(api.call("GET", &path, &json!(null)).await.json["status"], json!("pending_upload"));
    assert_eq!(put(url, HeaderMap::new(), &"x".repeat(2_000_001)).await, 200);
    let uploaded = api.call("GET", &path, &json!(null)).await.json;
    assert_eq!((&uploaded["status"], &uploaded["size"]), (&json!("available"), &json!(3)));
    assert_eq!(put(url, HeaderMap::new(), "bytes").await, 409);
    let other = api.call("POST", "/images/upload", &json!({"label": "y", "region": "us-east"})).await.json;
    api.call("DELETE", &format!("/images/{}", encoded(&other["image"]["id"])), &json!(null)).await;
    assert_eq!(put(other["upload_to"].as_str().unwrap(), HeaderMap::new(), "bytes").await, 404);
}

#[tokio::test]
async fn the_answer_to_every_nth_write_is_lost_but_the_write_is_done() {
    let faults = Faults { drop_after_write: Some(2), ..Faults::default() };
    let api = Api::with("linode", SandboxOptions { faults, ..SandboxOptions::default() });
    let token = HeaderValue::from_str(&format!("Bearer {}", api.sandbox.credentials()["LINODE_TOKEN"])).unwrap();
    let post = async |body: &'static str| {
        use crate::http::Transport;
        let request = crate::http::Request {
            method: HttpMethod::POST,
            url: "https://api.linode.com/v4/images".parse().unwrap(),
            headers: HeaderMap::from_iter([(AUTHORIZATION, token.clone())]),
            body: body.into(),
            timeout: Duration::from_secs(1),
        };
        api.sandbox.send(request).await.map(|response| response.status.as_u16())
    };
    assert_eq!(post(r#"{"disk_id": 1}"#).await.unwrap(), 200);
    assert_eq!(post("{}").await.unwrap(), 400, "a refused write does not count");
    let lost = post(r#"{"disk_id": 2, "label": "lost"}"#).await.unwrap_err();
    assert_eq!((lost.kind(), lost.message(), lost.is_retryable()), (ErrorKind::Network, "connection closed", false));
    assert_eq!(post(r#"{"disk_id": 3}"#).await.unwrap(), 200);
    let images = api.list("/images", "data").await;
    assert_eq!((images.len(), images.iter().filter(|image| image["label"] == json!("lost")).count()), (323, 1));
}

#[tokio::test]
async fn a_request_with_a_known_key_is_answered_as_before_and_not_done_again() {
    let api = Api { base: "https://inference.do-ai.run", ..Api::new("digitalocean") };
    let batches = async || {
        let (mut count, mut after) = (0, String::new());
        loop {
            let page = api.call("GET", &format!("/v1/batches?limit=100{after}"), &json!(null)).await.json;
            count += page["data"].as_array().unwrap().len();
            if page["has_more"] == json!(false) {
                return count;
            }
            after = format!("&after={}", encoded(&page["last_id"]));
        }
    };
    let before = batches().await;
    let post = async |key: &str| {
        let body = json!({"file_id": "f1", "request_id": key, "provider": "openai", "completion_window": "24h"});
        api.call("POST", "/v1/batches", &body).await
    };
    let (first, again, other) = (post("k1").await, post("k1").await, post("k2").await);
    assert!(first.status < 300, "{}", first.json);
    assert_eq!((first.status, &first.json), (again.status, &again.json));
    assert_ne!(first.json, other.json);
    assert_eq!(batches().await, before + 2);
}

#[tokio::test]
async fn the_same_requests_give_the_same_answers_whatever_was_read() {
    let play = async |seed: u64, reads: bool| {
        let api = Api::with("linode", SandboxOptions { seed, ..SandboxOptions::default() });
        let mut answers = Vec::new();
        if reads {
            api.list("/volumes", "data").await;
        }
        let domain = api.list("/domains", "data").await[2]["id"].clone();
        answers.push(api.call("DELETE", &format!("/domains/{domain}"), &json!(null)).await.json);
        if reads {
            api.list("/images", "data").await;
        }
        for body in [json!({"disk_id": 1}), json!({"disk_id": 1, "label": "x"})] {
            answers.push(api.call("POST", "/images", &body).await.json);
        }
        answers.push(api.call("POST", "/images/upload", &json!({"label": "x", "region": "r"})).await.json);
        let other = api.list("/domains", "data").await[5]["id"].clone();
        answers.push(json!(api.list(&format!("/domains/{other}/records"), "data").await));
        answers
    };
    assert_eq!(play(1, false).await, play(1, true).await);
    assert_ne!(play(1, false).await, play(2, false).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn creates_side_by_side_get_ids_of_their_own() {
    let api = Arc::new(Api::new("linode"));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let api = Arc::clone(&api);
        tasks.spawn(async move {
            let label = format!("v-{number}");
            api.call("POST", "/volumes", &json!({"label": label})).await.json["id"].as_u64().unwrap()
        });
    }
    let made: std::collections::BTreeSet<u64> = tasks.join_all().await.into_iter().collect();
    assert_eq!(made.len(), 100);
    assert_eq!(api.list("/volumes", "data").await.len(), 160);
}
