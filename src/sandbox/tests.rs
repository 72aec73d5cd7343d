//! The whole sandbox, over the [`Transport`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method as HttpMethod};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use self::apis::{linode, lunanode};
use super::testing::{StillClock, at, column, method, parameter, resource, service};
use super::*;
use crate::error::ErrorKind;
use crate::provider::{Location, Resource, ValueType};

mod apis;
mod deeds;
mod pages;
mod places;
mod served;
mod shipped;
mod state_file;
mod waiting;
mod writes;

const BASE: &str = "https://api.example.com/v4";
const TOKEN: &str = "sandbox-linode-token";

fn sandbox(services: &[Arc<Service>], options: SandboxOptions) -> Sandbox {
    Sandbox::new(services, options, StillClock::new()).unwrap()
}

fn seeded(services: &[Arc<Service>], seed: u64) -> Sandbox {
    sandbox(services, SandboxOptions { seed, ..SandboxOptions::default() })
}

struct Got {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
    json: Value,
}

async fn ask(sandbox: &Sandbox, method: HttpMethod, url: &str, headers: HeaderMap, body: &str) -> Got {
    let request = Request {
        method,
        url: Url::parse(url).unwrap(),
        headers,
        body: body.to_owned().into(),
        timeout: Duration::from_secs(5),
    };
    let Response { status, headers, body } = sandbox.send(request).await.unwrap();
    let bytes = body.try_fold(Vec::new(), |all, part| async move { Ok([all, part.to_vec()].concat()) }).await.unwrap();
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Got { status: status.as_u16(), headers, bytes, json }
}

async fn get(sandbox: &Sandbox, url: &str) -> Got {
    ask(sandbox, HttpMethod::GET, url, HeaderMap::new(), "").await
}

async fn get_with_token(sandbox: &Sandbox, path: &str) -> Got {
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap())]);
    ask(sandbox, HttpMethod::GET, &format!("{BASE}{path}"), headers, "").await
}

fn ids(rows: &Value) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| rows::text_of(&row["id"])).collect()
}

#[tokio::test]
async fn a_row_is_found_by_its_id_though_that_holds_a_slash() {
    let sandbox = seeded(&linode(), 1);
    let got = get_with_token(&sandbox, "/images/linode%2Fdebian12").await;
    assert_eq!((got.status, &got.json["id"]), (200, &json!("linode/debian12")));
    let listed = get_with_token(&sandbox, "/images?page_size=500").await;
    for row in listed.json["data"].as_array().unwrap() {
        let id: String = form_urlencoded::byte_serialize(row["id"].as_str().unwrap().as_bytes()).collect();
        assert_eq!(get_with_token(&sandbox, &format!("/images/{id}")).await.json, *row);
    }
    for (path, status) in
        [("/images/linode%2Fnone", 404), ("/images/linode/debian12", 404), ("/images/", 404), ("/nothing", 404)]
    {
        let got = get_with_token(&sandbox, path).await;
        assert_eq!((got.status, got.json), (status, json!({"errors": [{"reason": "Not found"}]})), "{path}");
    }
    let beta = ask(
        &sandbox,
        HttpMethod::GET,
        "https://elsewhere.example/v4beta/images/linode%2Fdebian12",
        HeaderMap::new(),
        "",
    )
    .await;
    assert_eq!(beta.status, 200, "the origin does not matter");
    assert_eq!(
        get(&sandbox, "https://api.example.com/v5/images").await.status,
        404,
        "a version that the document does not list"
    );
}

#[tokio::test]
async fn who_has_no_token_sees_what_is_public() {
    let sandbox = seeded(&linode(), 1);
    let all = get_with_token(&sandbox, "/images").await.json;
    let public = get(&sandbox, &format!("{BASE}/images?page_size=500")).await.json;
    let visible = public["results"].as_u64().unwrap();
    assert!((150..230).contains(&visible) && all["results"] == json!(240), "{visible}");
    assert!(public["data"].as_array().unwrap().iter().all(|row| row["is_public"] == json!(true)));
    let got = get(&sandbox, &format!("{BASE}/domains")).await;
    assert_eq!(got.status, 401);
    assert!(at(&got.json, "/errors/0/reason").is_string());
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer wrong"))]);
    assert_eq!(ask(&sandbox, HttpMethod::GET, &format!("{BASE}/images"), headers, "").await.status, 401);
    assert_eq!(sandbox.credentials(), BTreeMap::from([("LINODE_TOKEN".to_owned(), TOKEN.to_owned())]));
}

#[tokio::test]
async fn other_verbs_are_refused_in_the_apis_shape() {
    let sandbox = seeded(&linode(), 1);
    let put = ask(&sandbox, HttpMethod::PUT, &format!("{BASE}/images/5"), HeaderMap::new(), "").await;
    assert_eq!((put.status, put.headers["allow"].to_str().unwrap()), (405, "DELETE, GET"));
    assert!(at(&put.json, "/errors/0/reason").is_string());
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap())]);
    let delete = ask(&sandbox, HttpMethod::DELETE, &format!("{BASE}/images/5"), headers, "").await;
    assert_eq!(delete.status, 404);
    assert!(at(&delete.json, "/errors/0/reason").is_string());
}

#[tokio::test]
async fn children_belong_to_their_parent() {
    let sandbox = seeded(&linode(), 1);
    let domains = get_with_token(&sandbox, "/domains").await.json;
    let mut all = BTreeSet::new();
    for domain in domains["data"].as_array().unwrap() {
        let path = format!("/domains/{}/records", domain["id"]);
        let records = get_with_token(&sandbox, &path).await.json;
        assert_eq!(records["results"], json!(7));
        for record in records["data"].as_array().unwrap() {
            assert_eq!(record["target"], json!(format!("mail.{}", domain["domain"].as_str().unwrap())));
            assert_eq!(get_with_token(&sandbox, &format!("{path}/{}", record["id"])).await.json, *record);
            all.insert(record["id"].as_u64().unwrap());
        }
    }
    assert_eq!(all.len(), 210);
    let (one, other) = (&domains["data"][0]["id"], &domains["data"][1]["id"]);
    let record = &get_with_token(&sandbox, &format!("/domains/{one}/records")).await.json["data"][0]["id"];
    assert_eq!(get_with_token(&sandbox, &format!("/domains/{other}/records/{record}")).await.status, 404);
    assert_eq!(get_with_token(&sandbox, "/domains/1/records").await.status, 404);
}

#[tokio::test]
async fn parents_are_found_in_the_paths_where_no_hint_names_them() {
    let mut services = linode();
    let domains = Arc::make_mut(&mut services[1]);
    let records = domains.resources.get_mut("records").unwrap();
    Arc::make_mut(records).sandbox = None;
    let sandbox = seeded(&services, 1);
    let domain = get_with_token(&sandbox, "/domains").await.json["data"][3]["id"].clone();
    let records = get_with_token(&sandbox, &format!("/domains/{domain}/records")).await;
    assert_eq!(records.json["results"], json!(rows::ROWS_PER_PARENT));
    assert_eq!(get_with_token(&sandbox, "/domains/1/records").await.status, 404);
}

#[tokio::test]
async fn parameters_filter_and_wrong_values_are_refused() {
    let sandbox = seeded(&linode(), 1);
    let public = get_with_token(&sandbox, "/images?is_public=true").await.json["results"].as_u64().unwrap();
    let private = get_with_token(&sandbox, "/images?is_public=false").await.json["results"].as_u64().unwrap();
    assert!(public > private && private > 0 && public + private == 240);
    for (query, status) in [("is_public=maybe", 400), ("kind=z", 400), ("kind=x", 200), ("unknown=1", 200)] {
        let got = get_with_token(&sandbox, &format!("/images?{query}")).await;
        assert_eq!(got.status, status, "{query}");
        assert!(status == 200 || at(&got.json, "/errors/0/reason").is_string());
    }
}

#[tokio::test]
async fn declared_filters_mean_what_the_hint_says() {
    let mut list = method("/images");
    list.response.columns = vec![
        column("id", ValueType::Integer),
        column("public", ValueType::Boolean),
        column("tags", ValueType::Array),
        column("type", ValueType::Text),
        column("region", ValueType::Object),
    ];
    list.parameters = [
        ("private", ValueType::Boolean),
        ("tag_name", ValueType::Text),
        ("type", ValueType::Text),
        ("region", ValueType::Text),
    ]
    .map(|(name, ty)| parameter(name, Location::Query, ty))
    .to_vec();
    let hint = json!({
        "rows": 300,
        "columns": {
            "public": {"chance": 0.5},
            "tags": {"some": {"of": ["base", "prod", "x"], "max": 2}},
            "type": {"choices": ["base", "snapshot", "backup"]},
            "region": {"choices": [{"slug": "nyc1"}, {"slug": "fra1"}]},
        },
        "filters": {
            "private": {"column": "public", "not": true},
            "tag_name": {"column": "tags", "contains": true},
            "type": {"map": {"distribution": {"type": "base"}, "application": {"type": ["snapshot", "backup"], "public": true}}},
            "region": {"column": "region", "path": "slug"},
        },
    });
    let images = Resource { sandbox: Some(hint), ..resource("s", "images", [list]) };
    let sandbox = seeded(&[Arc::new(service("s", [images]))], 1);
    let rows = async |query: &str| {
        get(&sandbox, &format!("https://x.example/images?{query}")).await.json.as_array().unwrap().clone()
    };
    let check = |rows: Vec<Value>, passes: fn(&Value) -> bool| {
        assert!(!rows.is_empty() && rows.len() < 300 && rows.iter().all(passes));
    };
    check(rows("private=true").await, |row| row["public"] == json!(false));
    check(rows("private=false").await, |row| row["public"] == json!(true));
    check(rows("tag_name=base").await, |row| row["tags"].as_array().unwrap().contains(&json!("base")));
    check(rows("type=distribution").await, |row| row["type"] == json!("base"));
    check(rows("type=application").await, |row| row["type"] != json!("base") && row["public"] == json!(true));
    check(rows("region=nyc1").await, |row| at(row, "/region/slug") == &json!("nyc1"));
    check(rows("region=fra1&private=true&tag_name=prod").await, |row| {
        row["public"] == json!(false) && at(row, "/region/slug") == &json!("fra1")
    });
    assert!(rows("type=other").await.is_empty());
}

#[tokio::test]
async fn a_seed_decides_the_rows_whatever_was_asked_before() {
    let rows = async |seed: u64, before: &[&str]| {
        let sandbox = seeded(&linode(), seed);
        for path in before {
            get_with_token(&sandbox, path).await;
        }
        let id = get_with_token(&sandbox, "/domains").await.json["data"][2]["id"].clone();
        let records = get_with_token(&sandbox, &format!("/domains/{id}/records")).await.json;
        (get_with_token(&sandbox, "/images?page_size=500").await.json, records)
    };
    let first = rows(1, &[]).await;
    assert_eq!(first, rows(1, &["/images?page=2", "/domains/5/records/7", "/domains"]).await);
    let other = rows(2, &[]).await;
    assert_ne!(first.0["data"], other.0["data"]);
    assert_ne!(first.1["data"], other.1["data"]);
}

/// The fields of `req`, signed as LunaNode's clients do.
fn signed_form(credentials: &BTreeMap<String, String>, path: &str, fields: &Value, nonce: u64) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let key = &credentials["LUNANODE_API_KEY"];
    let mut fields = fields.clone();
    fields["api_id"] = json!(credentials["LUNANODE_API_ID"]);
    fields["api_partialkey"] = json!(key[..64]);
    let req = fields.to_string();
    let mut mac = Hmac::<sha2::Sha512>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{path}|{req}|{nonce}").as_bytes());
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
    let signature: String =
        mac.finalize().into_bytes().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    let nonce = nonce.to_string();
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("req", &req), ("signature", &signature), ("nonce", &nonce)])
        .finish()
}

#[tokio::test]
async fn signed_forms_are_answered_and_errors_come_with_a_200() {
    let sandbox = seeded(&lunanode(), 1);
    let credentials = sandbox.credentials();
    let post = async |action: &str, fields: Value, nonce: u64| {
        let path = format!("image/{action}/");
        let body = signed_form(&credentials, &path, &fields, nonce);
        ask(&sandbox, HttpMethod::POST, &format!("https://dynamic.lunanode.com/api/{path}"), HeaderMap::new(), &body)
            .await
    };
    let now = 1_700_000_000;
    let all = post("list", json!({}), now).await;
    assert_eq!((all.status, &all.json["success"]), (200, &json!("yes")));
    assert_eq!(all.json["images"].as_array().unwrap().len(), 20);
    let toronto = post("list", json!({"region": "toronto"}), now).await.json["images"].as_array().unwrap().clone();
    assert!(!toronto.is_empty() && toronto.len() < 20 && toronto.iter().all(|row| row["region"] == json!("toronto")));
    let id = toronto[0]["image_id"].clone();
    let details = post("details", json!({"image_id": id}), now).await.json["details"].clone();
    assert_eq!(details["name"], toronto[0]["name"]);
    assert!(details["size"].is_string() && details.get("image_id").is_none());
    let bytes = post("retrieve", json!({"image_id": id}), now).await;
    assert_eq!((bytes.headers[CONTENT_TYPE].to_str().unwrap(), bytes.bytes.len()), ("application/octet-stream", 4096));
    assert_eq!(bytes.bytes, post("retrieve", json!({"image_id": id}), now).await.bytes);
    for (got, text) in [
        (post("details", json!({"image_id": "1"}), now).await, "Not found"),
        (post("details", json!({}), now).await, "image_id is required"),
        (post("list", json!({}), now + 301).await, "authentication failure"),
        (
            ask(&sandbox, HttpMethod::POST, "https://x.example/api/image/list/", HeaderMap::new(), "req={}").await,
            "authentication failure",
        ),
    ] {
        assert_eq!((got.status, &got.json["success"]), (200, &json!("no")));
        assert!(got.json["error"].as_str().unwrap().starts_with(text), "{}", got.json);
    }
    assert_eq!(get(&sandbox, "https://dynamic.lunanode.com/api/image/list/").await.status, 405);
}

#[tokio::test]
async fn the_credential_of_the_vector_can_be_given() {
    let key = "0123456789abcdef".repeat(8);
    let given = BTreeMap::from([
        ("LUNANODE_API_ID".to_owned(), SecretString::from("ABCDEFGH12345678")),
        ("LUNANODE_API_KEY".to_owned(), SecretString::from(key.as_str())),
    ]);
    let sandbox = sandbox(&lunanode(), SandboxOptions { credentials: given, ..SandboxOptions::default() });
    let req = format!(r#"{{"region":"toronto","api_id":"ABCDEFGH12345678","api_partialkey":"{}"}}"#, &key[..64]);
    let signature = "ac4c1657f2855250730e5e4c571d8b05b031519245f1b6949117469e90ec0dca26d67291ce5fe3a0237dc4ad48e0b5e4c4d56649965a1fdd6e37e74bd4b695b3";
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("req", req.as_str()), ("signature", signature), ("nonce", "1700000000")])
        .finish();
    let got = ask(&sandbox, HttpMethod::POST, "https://x.example/api/image/list/", HeaderMap::new(), &body).await.json;
    assert_eq!(got["success"], json!("yes"));
    assert!(!format!("{sandbox:?}").contains("0123"));
}

#[tokio::test]
async fn maps_scalars_single_objects_and_references() {
    let shaped = |name: &str, items: ItemShape, item_path: &str, columns: &[&str]| {
        let mut method = method(&format!("/{name}"));
        method.response.items = items;
        method.response.item_path = item_path.into();
        method.response.columns = columns.iter().map(|name| column(name, ValueType::Text)).collect();
        let rows = json!({"rows": 4, "columns": {"of": {"ref": {"resource": "s.checks", "column": "key"}}}});
        Resource { sandbox: Some(rows), ..resource("s", name, [method]) }
    };
    let account = Resource { sandbox: None, ..shaped("account", ItemShape::Object, "$.account", &["email"]) };
    let services = [Arc::new(service(
        "s",
        [
            shaped("checks", ItemShape::Map, "$.checks", &["key", "name", "of"]),
            shaped("names", ItemShape::Scalar, "$.names", &["of"]),
            account,
        ],
    ))];
    let sandbox = seeded(&services, 1);
    let checks = get(&sandbox, "https://x.example/checks").await.json["checks"].as_object().unwrap().clone();
    assert_eq!(checks.len(), 4);
    assert!(checks.values().all(|check| check["name"].is_string() && check.get("key").is_none()));
    let names = get(&sandbox, "https://x.example/names").await.json["names"].clone();
    assert!(names.as_array().unwrap().iter().all(|name| checks.contains_key(name.as_str().unwrap())));
    assert!(get(&sandbox, "https://x.example/account").await.json["account"]["email"].as_str().unwrap().contains('@'));
}

#[tokio::test]
async fn circles_of_references_end_and_do_not_depend_on_the_order() {
    let list = |name: &str, other: &str| {
        let mut method = method(&format!("/{name}"));
        method.response.columns = vec![column("id", ValueType::Integer), column("other", ValueType::Integer)];
        let hint = json!({"rows": 5, "columns": {"other": {"ref": {"resource": other, "column": "id"}}}});
        Resource { sandbox: Some(hint), ..resource("s", name, [method]) }
    };
    let services = [Arc::new(service("s", [list("a", "s.b"), list("b", "s.a"), list("c", "of_another_service.none")]))];
    let (one, two) = (seeded(&services, 1), seeded(&services, 1));
    let a = get(&one, "https://x.example/a").await.json;
    let b = get(&one, "https://x.example/b").await.json;
    assert_eq!(get(&two, "https://x.example/b").await.json, b);
    assert_eq!(get(&two, "https://x.example/a").await.json, a);
    assert_eq!(ids(&a).len(), 5);
    assert!(a.as_array().unwrap().iter().all(|row| row["other"].is_i64()));
    assert_eq!(get(&one, "https://x.example/c").await.json[0]["other"], Value::Null);
}

#[tokio::test]
async fn faults_come_when_they_are_asked_for() {
    let clock = StillClock::new();
    let faults =
        Faults { latency: Duration::from_secs(2), every_nth_429: Some(2), every_nth_500: Some(3), ..Faults::default() };
    let sandbox =
        Sandbox::new(&linode(), SandboxOptions { faults, ..SandboxOptions::default() }, clock.clone()).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let got = get_with_token(&sandbox, "/images").await;
        assert_eq!(got.headers.contains_key("retry-after"), got.status == 429);
        assert!(got.status == 200 || at(&got.json, "/errors/0/reason").is_string());
        statuses.push(got.status);
    }
    assert_eq!(statuses, [200, 429, 500, 429, 200, 429]);
    assert_eq!(*clock.slept.lock().unwrap(), [Duration::from_secs(2); 6]);
}

#[tokio::test]
async fn requests_are_remembered_up_to_a_bound() {
    let sandbox = seeded(&linode(), 1);
    for number in 0..1005 {
        get(&sandbox, &format!("{BASE}/nothing?number={number}")).await;
    }
    let seen = sandbox.requests();
    assert_eq!(seen.len(), 1000);
    assert_eq!(seen[999], Seen { method: "GET".into(), path_and_query: "/v4/nothing?number=1004".into() });
}

#[test]
fn a_hint_that_cannot_be_used_is_an_error_that_names_it() {
    let broken = Resource { sandbox: Some(json!({"rowz": 3})), ..resource("s", "r", [method("/r")]) };
    let error =
        Sandbox::new(&[Arc::new(service("s", [broken]))], SandboxOptions::default(), StillClock::new()).unwrap_err();
    assert_eq!((error.kind(), error.context_value("key")), (ErrorKind::Provider, Some("sandbox.rowz")));
}
