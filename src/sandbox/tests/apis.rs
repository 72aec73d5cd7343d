//! APIs described by hand.

use std::sync::Arc;

use serde_json::json;

use crate::provider::{
    Auth, BodyMedia, Column, Effect, ErrorPaths, ItemShape, Location, Method, PageKind, Pagination, Parameter,
    RequestBody, Resource, Service, SuccessRule, Total, ValueType,
};
use crate::sandbox::testing::{column, in_query, keys, luna_hmac, method, page_size, parameter, resource, service};

/// Images (public ones for everybody), domains and their records, in the manner of Linode.
pub(super) fn linode() -> Vec<Arc<Service>> {
    let shape = |method: Method| {
        let version = Parameter {
            values: vec![json!("v4"), json!("v4beta")],
            default: Some(json!("v4")),
            ..parameter("apiVersion", Location::Server, ValueType::Text)
        };
        let mut method =
            Method { server: "https://api.example.com/{apiVersion}".into(), auth: bearer(false), ..method };
        method.error.message = Some("$.errors[*].reason".into());
        method.parameters.push(version);
        method
    };
    let list = |path: &str, columns: &[Column]| {
        let mut method = shape(method(path));
        method.response.item_path = "$.data".into();
        method.response.columns = columns.to_vec();
        let total = Some(Total::Both { rows: "$.results".into(), pages: "$.pages".into() });
        let kind = PageKind::Page { parameter: in_query("page"), first: 1 };
        method.pagination = Pagination {
            kind,
            size: Some(page_size("page_size", 25, Some(500), Some(100))),
            total,
            declared: true,
            exact: false,
            total_is_guessed: false,
            incomplete: None,
        };
        method.parameters.extend([
            parameter("page", Location::Query, ValueType::Integer),
            parameter("page_size", Location::Query, ValueType::Integer),
        ]);
        method
    };
    let get = |path: &str, columns: &[Column]| {
        let mut method = Method { name: "get".into(), ..shape(method(path)) };
        method.response.items = ItemShape::Object;
        method.response.columns = columns.to_vec();
        method
    };
    let images = [
        column("id", ValueType::Text),
        column("label", ValueType::Text),
        column("is_public", ValueType::Boolean),
        column("size", ValueType::Integer),
    ];
    let delete = Method {
        name: "delete".into(),
        http_method: "DELETE".into(),
        effect: Effect::Delete,
        ..get("/images/{imageId}", &[])
    };
    let mut image_methods = [list("/images", &images), get("/images/{imageId}", &images), delete];
    image_methods[0].auth = bearer(true);
    image_methods[1].auth = bearer(true);
    let vendor =
        Parameter { values: vec![json!("x"), json!("y")], ..parameter("kind", Location::Query, ValueType::Text) };
    image_methods[0].parameters.extend([parameter("is_public", Location::Query, ValueType::Boolean), vendor]);
    let images = Resource {
        keys: Some(keys(&[("imageId", "id")])),
        sandbox: Some(json!({
            "rows": 240,
            "fixed": [{"id": "linode/debian12", "is_public": true}],
            "columns": {"id": {"template": "linode/{label:slug}"}, "is_public": {"chance": 0.8}},
            "anonymous": {"is_public": true},
        })),
        ..resource("images", "images", image_methods)
    };
    let domain = [column("id", ValueType::Integer), column("domain", ValueType::Text)];
    let domains = Resource {
        keys: Some(keys(&[("domainId", "id")])),
        sandbox: Some(json!({"rows": 30})),
        ..resource("domains", "domains", [list("/domains", &domain), get("/domains/{domainId}", &domain)])
    };
    let record = [column("id", ValueType::Integer), column("target", ValueType::Text)];
    let records = Resource {
        keys: Some(keys(&[("domainId", "domainId"), ("recordId", "id")])),
        sandbox: Some(json!({
            "rows": 7,
            "parent": {"domainId": "domains.domains.id"},
            "columns": {"target": {"template": "mail.{parent:domain}"}},
        })),
        ..resource(
            "domains",
            "records",
            [list("/domains/{domainId}/records", &record), get("/domains/{domainId}/records/{recordId}", &record)],
        )
    };
    vec![Arc::new(service("images", [images])), Arc::new(service("domains", [domains, records]))]
}

pub(super) fn bearer(optional: bool) -> Auth {
    Auth::Bearer { variable: "LINODE_TOKEN".into(), prefix: "Bearer ".into(), optional }
}

/// Images in the manner of LunaNode: signed forms, errors inside a 200.
pub(super) fn lunanode() -> Vec<Arc<Service>> {
    let signed = |name: &str, path: &str| Method {
        name: name.into(),
        http_method: "POST".into(),
        server: "https://dynamic.lunanode.com/api".into(),
        auth: Auth::Hmac(Box::new(luna_hmac())),
        success: Some(SuccessRule { path: "$.success".into(), equals: json!("yes") }),
        error: ErrorPaths { message: Some("$.error".into()), code: None },
        request: Some(RequestBody {
            media: BodyMedia::Json,
            content_type: "application/json".into(),
            required: false,
            base: None,
            prefixed: false,
            open: false,
            ty: None,
            files: Vec::new(),
            secret: false,
        }),
        ..method(path)
    };
    let columns = ["image_id", "name", "region"].map(|name| column(name, ValueType::Text));
    let mut list = signed("list", "/image/list/");
    list.response.item_path = "$.images".into();
    list.response.columns = columns.to_vec();
    list.parameters = vec![parameter("region", Location::Body, ValueType::Text)];
    let identified = |name: &str| {
        let mut method = signed(name, &format!("/image/{name}/"));
        method.parameters =
            vec![Parameter { required: true, ..parameter("image_id", Location::Body, ValueType::Text) }];
        method
    };
    let mut details = identified("details");
    details.response.item_path = "$.details".into();
    details.response.items = ItemShape::Object;
    details.response.columns = [columns[1].clone(), columns[2].clone(), column("size", ValueType::Text)].to_vec();
    let mut retrieve = identified("retrieve");
    retrieve.response.items = ItemShape::Binary;
    let images = Resource {
        keys: Some(keys(&[("image_id", "image_id")])),
        sandbox: Some(json!({"rows": 20, "columns": {
            "image_id": {"template": "1411{n}"},
            "region": {"choices": ["toronto", "montreal"]},
            "size": {"range": [300_000_000, 900_000_000]},
        }})),
        ..resource("images", "images", [list, details, retrieve])
    };
    vec![Arc::new(service("images", [images]))]
}

/// One list with a paging of its own.
pub(super) fn paged(rows: u64, pagination: Pagination) -> Vec<Arc<Service>> {
    let mut list = Method { pagination, ..method("/things") };
    list.response.item_path = "$.things".into();
    list.response.columns = vec![column("id", ValueType::Integer), column("name", ValueType::Text)];
    let things = Resource { sandbox: Some(json!({"rows": rows})), ..resource("s", "things", [list]) };
    vec![Arc::new(service("s", [things]))]
}
