//! What documents may say of waiting, and what they may not.

use serde_json::json;

use super::*;
use crate::error::Error;
use crate::provider::Service;
use crate::provider::load::{load_provider, load_service};

const DOCUMENT: &str = r"
openapi: 3.0.3
servers: [{url: https://a.example}]
paths:
  /things:
    post: {responses: {'200': {description: '', content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}}}
  /things/{thing_id}:
    get: {parameters: [{name: thing_id, in: path, required: true, schema: {type: string}}], responses: {'200': {description: '', content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}}}
    delete: {parameters: [{name: thing_id, in: path, required: true, schema: {type: string}}], responses: {'204': {description: ''}}}
components:
  schemas:
    Thing: {type: object, properties: {id: {type: string}, state: {type: string}}}
  x-stackQL-resources:
    things:
      id: a.b.things
      name: things
      keys: {thing_id: id}
      config: {RESOURCE}
      methods:
        get: {operation: {$ref: '#/paths/~1things~1{thing_id}/get'}, response: {openAPIDocKey: '200'}}
        add: {config: {METHOD}, operation: {$ref: '#/paths/~1things/post'}, response: {openAPIDocKey: '200'}}
        remove: {config: {DELETE}, operation: {$ref: '#/paths/~1things~1{thing_id}/delete'}, response: {openAPIDocKey: '204'}}
      sqlVerbs:
        select: [{$ref: '#/components/x-stackQL-resources/things/methods/get'}]
        insert: [{$ref: '#/components/x-stackQL-resources/things/methods/add'}]
        delete: [{$ref: '#/components/x-stackQL-resources/things/methods/remove'}]
";

fn load(resource: &str, method: &str, delete: &str) -> Result<Service> {
    let provider = Document::parse(
        b"id: a\nproviderServices: {b: {id: b, name: b, service: {$ref: a/v1/services/b.yaml}}}\n",
        "provider.yaml",
    )?;
    let text = DOCUMENT.replace("RESOURCE", resource).replace("METHOD", method).replace("DELETE", delete);
    let document = Document::parse(text.as_bytes(), "b.yaml")?;
    let digest = load_provider(&provider, "a")?;
    load_service(&digest, &provider, &digest.services["b"], &document)
}

fn of(service: &Service, method: &str) -> Option<Waiting> {
    service.resources["things"].methods[method].waiting.clone()
}

fn refused(method: &str) -> Error {
    load("", method, "").unwrap_err()
}

#[test]
fn all_that_can_be_said_is_read() {
    let service = load(
        "",
        "async: {poll: get, with: {thing_id: $.id}, status: $.state, ready: [up, true], failed: bad, message: why, interval: 2s, timeout: 1m}",
        "async: {poll: things.get, gone: ready}",
    )
    .unwrap();
    let add = of(&service, "add").unwrap();
    assert_eq!(add.poll, Poll::Method { resource: None, method: "get".into() });
    assert_eq!(add.with["thing_id"], ValueFrom::Answer("$.id".into()));
    assert_eq!((add.status.as_deref(), add.message.as_deref()), (Some("$.state"), Some("$.why")));
    assert_eq!((add.ready, add.failed), (vec![json!("up"), json!(true)], vec![json!("bad")]));
    assert_eq!((add.interval, add.timeout), (Duration::from_secs(2), Duration::from_mins(1)));
    let remove = of(&service, "remove").unwrap();
    assert_eq!((remove.gone, remove.status, remove.interval), (Gone::Ready, None, INTERVAL));
    assert_eq!(remove.poll, Poll::Method { resource: Some("things".into()), method: "get".into() });
}

#[test]
fn above_the_method_it_holds_for_what_writes_and_can_be_asked() {
    let all = "async: {poll: get, status: $.state, ready: up}";
    let service = load(all, "", "").unwrap();
    assert!(of(&service, "add").unwrap().inherited);
    assert_eq!((of(&service, "get"), of(&service, "remove")), (None, None));
    assert_eq!(of(&load(all, "async: none", "").unwrap(), "add"), None);
    assert_eq!(of(&load(all, "async: false", "").unwrap(), "add"), None);
    // It cannot be followed from here, and so it is not about this method.
    assert_eq!(of(&load("async: {poll: nosuch, status: $.state, ready: up}", "", "").unwrap(), "add"), None);
}

#[test]
fn what_cannot_be_followed_is_refused_with_its_place() {
    for (entry, said) in [
        ("async: {status: $.state, ready: up}", "needs `poll`"),
        ("async: {poll: get, status: $.state}", "needs `status` and `ready`"),
        ("async: {poll: get, ready: up}", "needs `status` and `ready`"),
        ("async: {poll: get, status: $.state, ready: up, interval: soon}", "`async.interval` is not a period"),
        ("async: {poll: get, status: $.state, ready: up, timeout: 0s}", "`async.timeout` is not a period"),
        ("async: {poll: get, status: $.state, ready: up, gone: maybe}", "`async.gone` cannot be `maybe`"),
        ("async: {poll: get, status: $.state, redy: up}", "takes no `redy`"),
        ("async: {poll: nosuch, status: $.state, ready: up}", "no method `nosuch`"),
        ("async: {poll: other.get, status: $.state, ready: up}", "no method `get`"),
        ("async: {poll: remove, status: $.state, ready: up}", "does not read"),
        ("async: {poll: get, with: {thing_id: nosuch}, status: $.state, ready: up}", "no parameter `nosuch`"),
        ("async: {poll: get, with: {other: $.id}, status: $.state, ready: up}", "no parameter `other`"),
        ("async: {poll: get, with: {thing_id: 7}, status: $.state, ready: up}", "`async.with.thing_id` is no text"),
        ("async: {poll: '/x/{number}', status: $.state, ready: up}", "nothing gives `number` a value"),
        ("async: {poll: '/x/{number}', with: {numbr: $.id, number: $.id}, status: $.s, ready: up}", "has no `{numbr}`"),
    ] {
        let error = refused(entry);
        assert!(error.message().contains(said), "{entry}: {error:?}");
        assert!(format!("{error:?}").contains("b.yaml"), "{error:?}");
    }
    let error = refused("async: {poll: get, status: $.state, redy: up}");
    assert!(error.hint_text().unwrap().contains("`ready`"), "{error:?}");
}
