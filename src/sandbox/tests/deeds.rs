//! What methods do in APIs of which no hint says anything.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method as HttpMethod};
use serde_json::{Value, json};

use super::{Got, ask, get, seeded};
use crate::provider::{
    BodyMedia, Effect, ItemShape, Location, Method, Parameter, RequestBody, Resource, Service, ValueType, Verbs,
};
use crate::sandbox::Sandbox;
use crate::sandbox::testing::{column, keys, method, parameter, resource, service};

/// Tags that callers name themselves, with a list, a detail and every kind of write.
fn tags(media: BodyMedia, content_type: &str) -> Arc<Service> {
    let columns = [
        column("name", ValueType::Text),
        column("color", ValueType::Text),
        column("weight", ValueType::Integer),
        column("made", ValueType::Boolean),
    ];
    let mut list = method("/tags");
    list.response.columns = columns.to_vec();
    let reading = |name: &str, path: &str| {
        let mut one = Method { name: name.into(), ..method(path) };
        one.response.items = ItemShape::Object;
        one.response.columns = columns.to_vec();
        one
    };
    let writing = |name: &str, http_method: &str, path: &str, fields: &[&str]| {
        let mut one = Method { http_method: http_method.into(), effect: Effect::Write, ..reading(name, path) };
        let field = |name: &&str| Parameter {
            default: (*name == "weight").then(|| json!(5)),
            ..parameter(name, Location::Body, if *name == "weight" { ValueType::Integer } else { ValueType::Text })
        };
        one.parameters.extend(fields.iter().map(field));
        one.request = (!fields.is_empty()).then(|| RequestBody {
            media,
            content_type: content_type.into(),
            required: false,
            base: None,
            prefixed: false,
            open: false,
            ty: None,
            files: Vec::new(),
            secret: false,
        });
        one
    };
    let mut clear = writing("clear", "DELETE", "/tags", &[]);
    (clear.effect, clear.response.items) = (Effect::Delete, ItemShape::Empty);
    let mut ping = writing("ping", "POST", "/tags/{name}/ping", &[]);
    ping.response.columns = vec![column("ticket", ValueType::Integer), column("tag", ValueType::Object)];
    let methods = [
        list,
        reading("get", "/tags/{name}"),
        writing("add", "POST", "/tags", &["name", "color", "weight"]),
        writing("put", "PUT", "/tags/{name}", &["color", "weight"]),
        writing("patch", "PATCH", "/tags/{name}", &["name", "color"]),
        clear,
        ping,
    ];
    let verbs = Verbs { insert: vec!["put".into()], ..Verbs::default() };
    let tags = resource("s", "tags", methods);
    let select = tags.verbs.select.clone();
    let hint = json!({"rows": 3, "columns": {"name": {"template": "t{n}"}}});
    Arc::new(service(
        "s",
        [Resource {
            keys: Some(keys(&[("name", "name")])),
            sandbox: Some(hint),
            verbs: Verbs { select, ..verbs },
            ..tags
        }],
    ))
}

async fn send(sandbox: &Sandbox, method: &str, path: &str, content_type: &'static str, body: &str) -> Got {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    let method = HttpMethod::from_bytes(method.as_bytes()).unwrap();
    ask(sandbox, method, &format!("https://x.example{path}"), headers, body).await
}

#[tokio::test]
async fn verbs_paths_and_http_methods_decide() {
    let sandbox = seeded(&[tags(BodyMedia::Json, "application/json")], 1);
    let json = async |method: &str, path: &str, body: Value| {
        let got = send(&sandbox, method, path, "application/json", &body.to_string()).await;
        (got.status, got.json)
    };
    let read = async |path: &str| get(&sandbox, &format!("https://x.example{path}")).await;

    let (status, made) = json("POST", "/tags", json!({"name": "new", "color": "red"})).await;
    assert_eq!((status, &made["name"], &made["weight"]), (200, &json!("new"), &json!(5)), "a default is filled in");
    assert_eq!(read("/tags/new").await.json, made);
    let (status, refused) = json("POST", "/tags", json!({"name": "new"})).await;
    assert_eq!((status, refused), (409, json!({"message": "There is one with this name already"})));

    let (status, put) = json("PUT", "/tags/chosen", json!({"color": "blue"})).await;
    assert_eq!((status, &put["name"], &put["color"]), (200, &json!("chosen"), &json!("blue")));
    let (_, again) = json("PUT", "/tags/chosen", json!({"weight": 9})).await;
    assert_eq!((&again["color"], &again["weight"]), (&json!(null), &json!(9)), "a PUT says everything");
    let (_, patched) = json("PATCH", "/tags/chosen", json!({"color": "green"})).await;
    assert_eq!((&patched["color"], &patched["weight"]), (&json!("green"), &json!(9)));
    assert_eq!(json("PATCH", "/tags/chosen", json!({"name": "new"})).await.0, 409);
    assert_eq!(json("PATCH", "/tags/chosen", json!({"name": "renamed"})).await.0, 200);
    assert_eq!((read("/tags/chosen").await.status, read("/tags/renamed").await.status), (404, 200));
    assert_eq!(json("PATCH", "/tags/none", json!({"color": "x"})).await.0, 404);

    let before = read("/tags").await.json;
    let (status, pinged) = json("POST", "/tags/renamed/ping", Value::Null).await;
    assert_eq!((status, &pinged["tag"]["name"]), (200, &json!("renamed")), "the object itself");
    assert!(pinged["ticket"].is_i64());
    assert_eq!(json("POST", "/tags/none/ping", Value::Null).await.0, 404);
    assert_eq!(read("/tags").await.json, before, "an unknown action changes nothing");

    assert_eq!(before.as_array().unwrap().len(), 5);
    assert_eq!(json("DELETE", "/tags", Value::Null).await, (204, Value::Null));
    assert_eq!(read("/tags").await.json, json!([]));
}

#[tokio::test]
async fn forms_carry_text_that_becomes_what_the_column_is() {
    for (media, content_type, body) in [
        (BodyMedia::Form, "application/x-www-form-urlencoded", "name=new&weight=7"),
        (
            BodyMedia::Multipart,
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nnew\r\n--b\r\nContent-Disposition: form-data; name=\"weight\"\r\n\r\n7\r\n--b--\r\n",
        ),
    ] {
        let sandbox = seeded(&[tags(media, content_type)], 1);
        let made = send(&sandbox, "POST", "/tags", content_type, body).await;
        assert_eq!((made.status, &made.json["name"], &made.json["weight"]), (200, &json!("new"), &json!(7)));
        let wrong = body.replace('7', "heavy");
        assert_eq!(
            send(&sandbox, "POST", "/tags", content_type, &wrong).await.json,
            json!({"message": "weight must be a whole number"})
        );
    }
}
