use std::time::Duration;

use super::*;
use crate::error::ErrorKind;
use crate::provider::model::*;

const PROVIDER: &str = "name: shop\nversion: v1.2.0\ntitle: Shop\ndescription: Sells things\nproviderServices:\n  orders:\n    id: orders:v1\n\
    \x20   name: orders\n    service: {$ref: shop/v1/services/orders.yaml}\n    config: {rateLimit: {requests: 10, per: 1m}, error: {message: $.why}}\n\
    config:\n  auth: {type: bearer, credentialsenvvar: SHOP_TOKEN}\n  error: {message: $.message, code: $.code}\n";

/// A document with `/orders` (GET, POST) and `/orders/{order_id}` (GET, PUT, DELETE).
const PATHS: &str = "servers: [{url: 'https://api.shop.test/v1'}]\npaths:\n  /orders:\n    get: {operationId: listOrders, summary: List orders, parameters: [{name: limit, in: query, schema: {type: integer}}], responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Orders'}}}}}}\n\
    \x20   post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}, responses: {'201': {}}}\n\
    \x20 '/orders/{order_id}':\n    parameters: [{name: order_id, in: path, required: true, schema: {type: integer}}]\n\
    \x20   get: {responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}}}\n\
    \x20   put: {servers: [{url: 'https://write.shop.test/v1'}], responses: {'200': {}}}\n    delete: {responses: {'204': {}}}\n\
    \x20 '/orders/{order_id}/actions?__type=ship': {post: {responses: {'200': {}}}}\n";
const SCHEMAS: &str = "  schemas:\n    Order: {type: object, properties: {id: {type: integer}, note: {type: string, x-skyql-secret: true}}}\n    Orders: {type: array, items: {$ref: '#/components/schemas/Order'}}\n";

fn service(resources: &str, root: &str) -> Result<Service> {
    service_of(PROVIDER, resources, root)
}

fn service_of(provider: &str, resources: &str, root: &str) -> Result<Service> {
    let provider_document = Document::parse(provider.as_bytes(), "shop/v1/provider.yaml").unwrap();
    let provider = load_provider(&provider_document, "shop")?;
    let text = format!("{PATHS}components:\n{SCHEMAS}  x-stackQL-resources:\n{resources}{root}");
    let document = Document::parse(text.as_bytes(), "shop/v1/services/orders.yaml").unwrap();
    load_service(&provider, &provider_document, &provider.services["orders"], &document)
}

/// One resource `orders` with one method `m`.
fn method(operation: &str, keys: &str, resource: &str, root: &str) -> Result<Arc<Method>> {
    let text = format!(
        "    orders:\n      methods:\n        m:\n          operation: {{$ref: '{operation}'}}\n{keys}{resource}"
    );
    service(&text, root).map(|service| Arc::clone(&service.resources["orders"].methods["m"]))
}

const LIST: &str = "#/paths/~1orders/get";

#[test]
fn provider_documents() {
    let document = Document::parse(PROVIDER.as_bytes(), "provider.yaml").unwrap();
    let provider = load_provider(&document, "dir").unwrap();
    assert_eq!(
        (provider.name.as_str(), provider.version.as_str(), provider.title.as_str()),
        ("shop", "v1.2.0", "Shop")
    );
    assert_eq!(provider.services["orders"].path, "shop/v1/services/orders.yaml");
    assert_eq!(provider.auth.variables(), ["SHOP_TOKEN"]);
    let bare = Document::parse(
        b"version: 1.5\nproviderServices: {a: {service: {$ref: x}, description: !!js/undefined ''}}\n",
        "p",
    )
    .unwrap();
    let provider = load_provider(&bare, "dir").unwrap();
    assert_eq!((provider.name.as_str(), provider.version.as_str(), &provider.auth), ("dir", "1.5", &Auth::None));
    let broken = Document::parse(b"providerServices:\n  a:\n    service: {}\n", "p").unwrap();
    let error = load_provider(&broken, "dir").unwrap_err();
    assert_eq!((error.kind(), error.context_value("line")), (ErrorKind::Provider, Some("3")));
}

#[test]
fn a_whole_resource() {
    let service = service(
        "    orders:\n      id: shop.orders.orders\n      name: orders\n      title: Orders\n      description: All orders\n      sandbox: {rows: 30}\n      methods:\n\
         \x20       list: {operation: {$ref: '#/paths/~1orders/get'}, aliases: [getOrders, list_orders], response: {mediaType: application/json, openAPIDocKey: '200'}}\n\
         \x20       get: {operation: {$ref: '#/paths/~1orders~1{order_id}/get'}}\n\
         \x20       create: {operation: {$ref: '#/paths/~1orders/post'}, config: {requestBodyTranslate: {algorithm: naive}}}\n\
         \x20       update: {operation: {$ref: '#/paths/~1orders~1%7Border_id%7D/put'}, partial: true}\n\
         \x20       delete: {operation: {$ref: 'orders.yaml#/paths/~1orders~1{order_id}/delete'}}\n\
         \x20       ship: {operation: {$ref: '#/paths/~1orders~1{order_id}~1actions?__type=ship/post'}, config: {effect: read, requestTranslate: {algorithm: drop_double_underscore_params}}}\n\
         \x20       local: {inline: [echo, hi]}\n\
         \x20     sqlVerbs:\n        select: [{$ref: '#/components/x-stackQL-resources/orders/methods/get'}, {$ref: '#/components/x-stackQL-resources/orders/methods/list'}]\n\
         \x20       insert: [{$ref: '#/components/x-stackQL-resources/orders/methods/create'}]\n        update: [{$ref: '#/components/x-stackQL-resources/orders/methods/update'}]\n\
         \x20       delete: [{$ref: '#/components/x-stackQL-resources/orders/methods/delete'}]\n",
        "",
    )
    .unwrap();
    let orders = &service.resources["orders"];
    assert_eq!(
        (orders.id.as_str(), orders.title.as_str(), orders.description.as_str()),
        ("shop.orders.orders", "Orders", "All orders")
    );
    assert_eq!(orders.sandbox, Some(serde_json::json!({"rows": 30})));
    assert_eq!(orders.verbs.select, ["get", "list"]);
    let found: Vec<String> = orders
        .methods
        .values()
        .map(|m| format!("{} {} {} {:?} {:?}", m.name, m.http_method, m.url_template(), m.effect, m.response.items))
        .collect();
    assert_eq!(
        found,
        [
            "list GET https://api.shop.test/v1/orders Read List",
            "get GET https://api.shop.test/v1/orders/{order_id} Read Object",
            "create POST https://api.shop.test/v1/orders Write Empty",
            "update PUT https://write.shop.test/v1/orders/{order_id} Write Empty",
            "delete DELETE https://api.shop.test/v1/orders/{order_id} Delete Empty",
            "ship POST https://api.shop.test/v1/orders/{order_id}/actions Read Empty",
        ]
    );
    assert_eq!(orders.method("getOrders").unwrap().name, "list");
    let list = &orders.methods["list"];
    assert_eq!((list.operation_id.as_deref(), list.description.as_str()), (Some("listOrders"), "List orders"));
    assert!(list.response.columns[1].secret && orders.methods["update"].partial);
    assert!(!orders.methods["create"].request.as_ref().unwrap().prefixed);
    assert!(orders.methods["ship"].query.is_empty());
    let keys = orders.keys.as_ref().unwrap();
    assert_eq!((keys.columns["order_id"].as_str(), keys.declared), ("id", false));
}

#[test]
fn the_nearest_level_gives_a_key_whole() {
    let by_level = |method_level: &str, resource: &str, root: &str| {
        let keys = if method_level.is_empty() {
            String::new()
        } else {
            format!("          config: {{error: {method_level}}}\n")
        };
        let resource =
            if resource.is_empty() { String::new() } else { format!("      config: {{error: {resource}}}\n") };
        let root = if root.is_empty() { String::new() } else { format!("x-stackQL-config: {{error: {root}}}\n") };
        let error = method(LIST, &keys, &resource, &root).unwrap().error.clone();
        (error.message, error.code)
    };
    let path = |text: &str| Some(format!("$.{text}"));
    assert_eq!(by_level("{message: m}", "{message: r, code: c}", "{message: s}"), (path("m"), None));
    assert_eq!(by_level("", "{message: r, code: c}", "{message: s}"), (path("r"), path("c")));
    assert_eq!(by_level("", "", "{code: s}"), (None, path("s")));
    // The service's entry in `provider.yaml` comes before the provider itself.
    assert_eq!(by_level("", "", ""), (path("why"), None));
    assert!(method(LIST, "", "", "x-stackQL-config: {partial: true}\n").unwrap().partial);
    assert!(!method(LIST, "          partial: false\n", "", "x-stackQL-config: {partial: true}\n").unwrap().partial);
    // Then a PUT is for UPDATE too.
    let put = |partial: &str| {
        let text = format!(
            "    orders:\n      methods:\n        put: {{operation: {{$ref: '#/paths/~1orders~1{{order_id}}/put'}}{partial}}}\n\
             \x20     sqlVerbs: {{replace: [{{$ref: '#/components/x-stackQL-resources/orders/methods/put'}}]}}\n"
        );
        let orders = Arc::clone(&service(&text, "x-stackQL-config: {partial: true}\n").unwrap().resources["orders"]);
        (orders.verbs.update.clone(), orders.verb_of("put"))
    };
    assert_eq!(put(""), (vec!["put".to_owned()], "UPDATE"));
    assert_eq!(put(", partial: false"), (Vec::new(), "REPLACE"));
    // The body's spelling counts at the method only.
    let text = "x-stackQL-config: {requestBodyTranslate: {algorithm: naive}}\n";
    assert!(method("#/paths/~1orders/post", "", "", text).unwrap().request.as_ref().unwrap().prefixed);
}

#[test]
fn rules_and_limits() {
    let with = |config: &str| method(LIST, &format!("          config: {config}\n"), "", "");
    let found = with("{success: {path: success, equals: 'yes'}, rateLimit: {requests: 5000, per: hour, concurrency: 8, headers: {remaining: X-Left, reset: X-Reset}}, auth: {type: null_auth}}").unwrap();
    assert_eq!(found.success, Some(SuccessRule { path: "$.success".to_owned(), equals: "yes".into() }));
    let limit = found.rate_limit.clone().unwrap();
    assert_eq!((limit.requests, limit.per_seconds, limit.concurrency), (Some(5000), Some(3600.0), Some(8)));
    assert_eq!((limit.remaining_header.as_deref(), limit.reset_header.as_deref()), (Some("X-Left"), Some("X-Reset")));
    assert_eq!(found.auth, Auth::None);
    let inherited = with("{}").unwrap();
    assert_eq!(inherited.rate_limit.as_ref().unwrap().per_seconds, Some(60.0));
    assert_eq!(inherited.auth.variables(), ["SHOP_TOKEN"]);
    for (text, expected) in [
        ("1m", Some(60.0)),
        ("60s", Some(60.0)),
        ("90", Some(90.0)),
        ("500ms", Some(0.5)),
        ("day", Some(86_400.0)),
        ("soon", None),
        ("0s", None),
        ("1000000000000000000000000d", None),
    ] {
        assert_eq!(seconds(&Node::Text(text.to_owned())), expected, "{text}");
    }
    for broken in [
        "{rateLimit: {per: soon}}",
        "{success: {path: a}}",
        "{effect: maybe}",
        "{auth: {type: hmac}}",
        "{pagination: {kind: scroll}}",
    ] {
        let error = with(broken).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Provider, "{broken}");
        assert!(error.context_value("file").is_some(), "{error}");
    }
}

#[test]
fn keys_that_make_calls_safe_to_send_twice() {
    const CREATE: &str = "#/paths/~1orders/post";
    const CHANGE: &str = "#/paths/~1orders~1{order_id}/put";
    let own = |operation: &str, said: &str| {
        method(operation, &format!("          config: {{idempotencyKey: {said}}}\n"), "", "")
    };
    let found = own(CREATE, "{name: Idempotency-Key, lifetime: 24h}").unwrap();
    let key = found.idempotency_key.clone().unwrap();
    assert_eq!((key.location, key.lifetime), (Location::Header, Some(Duration::from_hours(24))));
    let carries = found.parameters.iter().find(|p| p.name == key.parameter).unwrap();
    assert_eq!((carries.wire.as_str(), carries.required, carries.ty), ("Idempotency-Key", false, ValueType::Text));
    // A field that the document names is taken as it is.
    let found = own(CREATE, "{name: note, location: body}").unwrap();
    let notes = found.parameters.iter().filter(|p| p.name == "note").count();
    assert_eq!((notes, found.idempotency_key.clone().unwrap().lifetime), (1, None));
    assert!(own(CHANGE, "{name: K, location: query}").unwrap().idempotency_key.is_some(), "it says so itself");
    assert!(own(LIST, "{name: K}").unwrap().idempotency_key.is_none(), "a read needs none");

    let above = "x-stackQL-config: {idempotencyKey: {name: K}}\n";
    assert!(method(CREATE, "", "", above).unwrap().idempotency_key.is_some());
    assert!(method(CHANGE, "", "", above).unwrap().idempotency_key.is_none(), "only what creates is meant from above");
    let opted_out = method(CREATE, "          config: {idempotencyKey: false}\n", "", above).unwrap();
    assert!(opted_out.idempotency_key.is_none());
    for (operation, broken) in [
        (CREATE, "{location: header}"),
        (CREATE, "{name: K, location: path}"),
        (CREATE, "{name: K, location: nowhere}"),
        (CREATE, "{name: K, lifetime: soon}"),
        (CHANGE, "{name: K, location: body}"),
    ] {
        let error = own(operation, broken).unwrap_err();
        assert!(error.context_value("line").is_some(), "{broken}: {error}");
    }
}

#[test]
fn keys_and_unknown_keys() {
    let text = |keys: &str| {
        format!(
            "    orders:\n{keys}      x-anything: {{a: 1}}\n      methods:\n        list: {{operation: {{$ref: '{LIST}'}}, async: {{}}, upload: {{url: $.to, more: 1}}}}\n"
        )
    };
    for keys in ["      keys: {order_id: id, shop: shop_id}\n", "      config: {keys: {order_id: id, shop: shop_id}}\n"]
    {
        let service = service(&text(keys), "").unwrap();
        let found = service.resources["orders"].keys.clone().unwrap();
        let pairs: Vec<(&str, &str)> = found.columns.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
        assert_eq!((pairs, found.declared), (vec![("order_id", "id"), ("shop", "shop_id")], true));
    }
    let error = service(&text("      keys: {order_id: [id]}\n"), "").unwrap_err();
    assert_eq!(error.context_value("line"), Some("18"), "{error}");
}

#[test]
fn a_resource_describes_its_own_columns_and_parameters() {
    let text = |describe: &str| {
        format!(
            "    orders:\n{describe}      methods:\n        list: {{operation: {{$ref: '{LIST}'}}, response: {{openAPIDocKey: '200'}}}}\n\
             \x20       near: {{operation: {{$ref: '{LIST}'}}, parameters: {{limit: {{description: Of this method}}}}}}\n\
             \x20       create: {{operation: {{$ref: '#/paths/~1orders/post'}}}}\n"
        )
    };
    for describe in
        ["      describe: {id: Its number, limit: Rows}\n", "      config: {describe: {id: Its number, limit: Rows}}\n"]
    {
        let service = service(&text(describe), "").unwrap();
        let orders = &service.resources["orders"];
        let of_limit = |method: &str| orders.methods[method].parameter("limit").unwrap().description.as_str();
        assert_eq!((of_limit("list"), of_limit("near")), ("Rows", "Of this method"));
        assert_eq!(orders.methods["create"].parameter("id").unwrap().description, "Its number");
        let columns: Vec<&str> =
            orders.methods["list"].response.columns.iter().map(|column| column.description.as_str()).collect();
        assert_eq!(columns, ["Its number", ""]);
    }
}

#[test]
fn what_cannot_be_found_is_named_with_its_line() {
    for (operation, verbs, message) in [
        ("{$ref: '#/paths/~1nothing/get'}", "[]", "the operation `#/paths/~1nothing/get` is not in the document"),
        ("{$ref: '#/components/schemas/Order'}", "[]", "is not in the document"),
        ("{$ref: 'other.yaml#/paths/~1orders/get'}", "[]", "is not in the document"),
        ("{}", "[]", "the method names no operation"),
        (
            "{$ref: '#/paths/~1orders/get'}",
            "[{$ref: '#/components/x-stackQL-resources/orders/methods/lost'}]",
            "is not a method of this resource",
        ),
    ] {
        let text = format!(
            "    orders:\n      methods:\n        m:\n          operation: {operation}\n      sqlVerbs: {{select: {verbs}}}\n"
        );
        let error = service(&text, "").unwrap_err();
        assert!(error.kind() == ErrorKind::Provider && error.message().contains(message), "{operation}: {error}");
        assert_eq!(error.context_value("file"), Some("shop/v1/services/orders.yaml"));
        assert!(error.context_value("line").is_some(), "{error}");
        assert!(error.context_value("key").unwrap().starts_with("components.x-stackQL-resources.orders."), "{error}");
    }
}

#[test]
fn two_of_one_name_are_an_error_and_none_is_lost_in_silence() {
    let error = service("    orders:\n      methods: {}\n    others:\n      name: orders\n      methods: {}\n", "")
        .unwrap_err();
    assert_eq!(error.message(), "two resources are called `orders`");
    assert!(error.context_value("line").is_some());
    let text = "name: shop\nproviderServices:\n  orders: {service: {$ref: a.yaml}}\n  others:\n    name: orders\n    service: {$ref: b.yaml}\n";
    let error = load_provider(&Document::parse(text.as_bytes(), "p.yaml").unwrap(), "shop").unwrap_err();
    assert_eq!(error.message(), "two services are called `orders`");
    assert_eq!(error.context_value("line"), Some("5"));
}

#[test]
fn servers_by_level() {
    let server = |servers: &str| {
        let keys = format!("          servers: {servers}\n");
        method(LIST, &keys, "", "").unwrap().server.clone()
    };
    assert_eq!(server("[]"), "https://api.shop.test/v1");
    assert_eq!(server("[{url: 'https://eu.shop.test/'}, {url: 'https://us.shop.test'}]"), "https://eu.shop.test");
    assert_eq!(server("[{url: /v2}]"), "");
    let put =
        method("#/paths/~1orders~1{order_id}/put", "          servers: [{url: 'https://m.test'}]\n", "", "").unwrap();
    assert_eq!(put.server, "https://write.shop.test/v1");
}
