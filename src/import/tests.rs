//! Small documents and what becomes of them.

use super::*;

mod compared;
mod shipped;

fn made(text: &str) -> Imported {
    let bundle = Bundle::new("api.yaml", text.as_bytes()).unwrap();
    import(bundle, &Options { name: "acme".to_owned(), ..Options::default() }).unwrap()
}

/// `service.resource.method VERB rows pages keys` of each method.
fn lines(paths: &str) -> Vec<String> {
    let text = format!("openapi: 3.0.0\nservers: [{{url: 'https://a.test'}}]\npaths: {paths}\n");
    let line = |m: MethodLine| {
        format!("{}.{}.{} {} {} [{}] {}", m.service, m.resource, m.method, m.verb, m.rows, m.pages, m.keys)
    };
    made(&text).methods.into_iter().map(|m| line(m).trim_end().to_owned()).collect()
}

fn answers(schema: &str) -> String {
    format!("responses: {{'200': {{content: {{application/json: {{schema: {schema}}}}}}}}}")
}

const THING: &str = "{type: object, properties: {id: {type: string}, name: {type: string}}}";

fn list(extra: &str) -> String {
    answers(&format!("{{type: object, properties: {{things: {{type: array, items: {THING}}}{extra}}}}}"))
}

#[test]
fn verbs_follow_from_method_and_path() {
    let (list, thing) = (list(""), answers(THING));
    let found = lines(&format!(
        "{{/things: {{get: {{operationId: listThings, {list}}}, post: {{operationId: createThing, {thing}}}}}, \
         '/things/{{id}}': {{get: {{operationId: getThing, {thing}}}, put: {{operationId: putThing, {thing}}}, delete: {{operationId: dropThing, responses: {{'204': {{}}}}}}}}, \
         '/things/{{id}}/boot': {{post: {{operationId: bootThing, responses: {{}}}}}}, \
         '/things/{{id}}/label': {{patch: {{operationId: label, {thing}}}}}, \
         '/things/{{id}}/actions': {{post: {{operationId: act, {thing}}}}}, \
         /things/report: {{get: {{operationId: report, responses: {{'200': {{content: {{text/csv: {{}}}}}}}}}}}}}}"
    ));
    assert_eq!(
        found,
        [
            "things.things.list_things SELECT $.things [unknown] id=id",
            "things.things.create_thing INSERT  [] id=id",
            "things.things.get_thing SELECT $ [] id=id",
            "things.things.put_thing REPLACE  [] id=id",
            "things.things.drop_thing DELETE  [] id=id",
            "things.things.boot_thing EXEC  [] id=id",
            "things.things.label UPDATE  [] id=id",
            "things.things.act EXEC  [] id=id",
            "things.things.report EXEC  [] id=id",
        ]
    );
}

#[test]
fn a_discriminator_is_a_column_after_an_import_too() {
    let text = "openapi: 3.0.0
servers: [{url: 'https://a.test'}]
paths:
  /pets:
    get: {operationId: listPets, responses: {'200': {content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Pet'}}}}}}}
components:
  schemas:
    Pet: {oneOf: [{$ref: '#/components/schemas/Cat'}, {$ref: '#/components/schemas/Dog'}], discriminator: {propertyName: kind, mapping: {cat: '#/components/schemas/Cat'}}}
    Cat: {type: object, properties: {lives: {type: integer}}}
    Dog: {type: object, properties: {tricks: {type: integer}}}
";
    let made = made(text);
    let registry = Registry::new(vec![Arc::new(made.source())], None);
    let service = registry.service("acme", "pets").unwrap();
    let columns = &service.resources["pets"].methods["list_pets"].response.columns;
    let shown: Vec<String> = columns.iter().map(|c| format!("{} {} {:?}", c.name, c.ty.name(), c.values)).collect();
    assert_eq!(shown, ["lives integer []", "tricks integer []", "kind string [String(\"cat\"), String(\"Dog\")]"]);
}

#[test]
fn a_header_for_keys_is_declared() {
    let text = |parameter: &str, verb: &str| {
        format!(
            "openapi: 3.0.0\nservers: [{{url: 'https://a.test'}}]\npaths: {{/things: {{get: {{operationId: listThings, {}}}, {verb}: {{operationId: makeThing, parameters: [{{$ref: '#/components/parameters/k'}}], {}}}}}}}\n\
             components: {{parameters: {{k: {{name: {parameter}, in: header, schema: {{type: string}}}}}}}}\n",
            list(""),
            answers(THING)
        )
    };
    let written = |parameter: &str, verb: &str| {
        let files = made(&text(parameter, verb)).files;
        files.iter().any(|(_, content)| String::from_utf8_lossy(content).contains("idempotencyKey"))
    };
    assert!(written("Idempotency-Key", "post") && written("x-idempotency-key", "post"));
    assert!(!written("X-Request-Id", "post"), "this one may only be for logs");
    assert!(!written("Idempotency-Key", "put"));
}

#[test]
fn rows_are_found_in_envelopes_of_lists_and_of_single_things() {
    for (schema, item, expected) in [
        (format!("{{type: array, items: {THING}}}"), false, "$"),
        (format!("{{properties: {{thing: {THING}}}}}"), true, "$.thing"),
        (
            format!(
                "{{properties: {{success: {{type: boolean}}, errors: {{type: array, items: {{}}}}, result: {THING}}}}}"
            ),
            true,
            "$.result",
        ),
        (
            format!(
                "{{properties: {{count: {{type: integer}}, next: {{type: string}}, results: {{type: array, items: {THING}}}}}}}"
            ),
            false,
            "$.results",
        ),
        (
            format!(
                "{{properties: {{object: {{type: string}}, has_more: {{type: boolean}}, data: {{type: array, items: {THING}}}}}}}"
            ),
            false,
            "$.data",
        ),
        (
            format!(
                "{{properties: {{data: {{properties: {{items: {{type: array, items: {THING}}}, total: {{type: integer}}}}}}}}}}"
            ),
            false,
            "$.data.items",
        ),
        (
            "{properties: {messages: {type: array, items: {type: object, properties: {text: {type: string}}}}}}"
                .to_owned(),
            false,
            "$.messages",
        ),
        // A thing that has a list is no envelope of it.
        ("{properties: {id: {type: string}, tags: {type: array, items: {type: object}}}}".to_owned(), true, "$"),
        ("{properties: {url: {type: string}, tags: {type: array, items: {type: object}}}}".to_owned(), true, "$"),
        (
            format!("{{properties: {{a: {{type: array, items: {THING}}}, b: {{type: array, items: {THING}}}}}}}"),
            false,
            "$",
        ),
    ] {
        let path = if item { "/x/{id}" } else { "/x" };
        let found = lines(&format!("{{'{path}': {{get: {{operationId: x, {}}}}}}}", answers(&schema)));
        let rows = found[0].split(' ').nth(2).unwrap();
        assert_eq!(rows, expected, "{schema}: {found:?}");
    }
}

#[test]
fn tables_have_the_names_that_the_document_gives_them() {
    let with = |path: &str, id: &str, tag: &str| {
        let other = format!("/zzz: {{get: {{operationId: zzz, {}}}}}", list(""));
        let found =
            lines(&format!("{{'{path}': {{get: {{operationId: '{id}', tags: [{tag}], {}}}}}, {other}}}", list("")));
        let line = found.iter().find(|line| !line.starts_with("zzz")).unwrap();
        let name = line.split(' ').next().unwrap();
        name.rsplit_once('.').unwrap().0.to_owned()
    };
    for (path, id, tag, expected) in [
        ("/v2/volumes", "volumes_list", "Block Storage", "volumes.things"),
        ("/clusters/{id}/pools", "clusters_list_nodePools", "Clusters", "clusters.node_pools"),
        ("/devices", "get-devices", "Trusted devices", "devices.trusted_devices"),
        ("/account/oauth-clients", "get-clients", "Account", "account.oauth_clients"),
        ("/networking/ips", "get-ips", "Networking", "networking.ip_addresses"),
        ("/gadgets", "", "", "gadgets.gadgets"),
    ] {
        assert_eq!(with(path, id, tag), expected, "{path}");
    }
}

#[test]
fn paging_is_known_where_both_sides_agree() {
    let with = |parameters: &str, extra: &str| {
        let found =
            lines(&format!("{{/things: {{get: {{operationId: list, parameters: [{parameters}], {}}}}}}}", list(extra)));
        found[0].split(['[', ']']).nth(1).unwrap().to_owned()
    };
    let query = |name: &str| format!("{{name: {name}, in: query, schema: {{type: integer}}}}");
    let page = query("page");
    for (parameters, extra, expected) in [
        (String::new(), "", "unknown"),
        (page.clone(), "", "unknown"),
        (
            format!("{page}, {}", query("per_page")),
            ", total: {type: integer}",
            "page ?page from 1, size ?per_page, total $.total",
        ),
        (query("cursor"), ", next_cursor: {type: string}", "cursor $.next_cursor to ?cursor"),
        (String::new(), ", next_cursor: {type: string}", "unknown"),
        (String::new(), ", next: {type: string, format: uri}", "next URL $.next"),
        (String::new(), ", next: {type: string}", "unknown"),
    ] {
        assert_eq!(with(&parameters, extra), expected, "{parameters} {extra}");
    }
}

#[test]
fn a_variable_that_every_path_begins_with_is_the_servers() {
    let thing = answers(THING);
    let version = |values: &str| {
        format!("parameters: [{{name: v, in: path, required: true, schema: {{type: string, enum: {values}}}}}]")
    };
    let text = format!(
        "openapi: 3.0.0\nservers: [{{url: 'https://a.test'}}]\npaths:\n  '/{{v}}/a': {{get: {{operationId: a, {}, {thing}}}}}\n  \
         '/{{v}}/b': {{get: {{operationId: b, {}, {thing}}}}}\n  '/{{v}}/c': {{get: {{operationId: c, {}, {thing}}}}}\n",
        version("[v4, v5]"),
        version("[v4]"),
        version("[v5]"),
    );
    let made = made(&text);
    let operations: Vec<&str> = made.methods.iter().map(|m| m.operation.as_str()).collect();
    assert_eq!(operations, ["GET /a", "GET /b", "GET /c"]);
    let document =
        |service: &str| String::from_utf8(made.files[&format!("acme/v1.0.0/services/{service}.yaml")].clone()).unwrap();
    assert!(
        document("a").contains("{url: 'https://a.test/{v}', variables: {v: {default: v4, enum: [v4, v5]}}}"),
        "{}",
        document("a")
    );
    assert!(document("c").contains("variables: {v: {default: v5, enum: [v5]}}"), "{}", document("c"));
    assert!(!document("a").contains("in: path"), "{}", document("a"));
}

#[test]
fn texts_are_kept_or_dropped_and_names_are_not() {
    let schema = "{type: object, properties: {description: {type: string, description: \"First.\\n\\nSecond.\", example: x}, title: {type: string}, example: {type: string}}}";
    let text = format!(
        "openapi: 3.0.0\nservers: [{{url: 'https://a.test'}}]\npaths: {{/a: {{get: {{operationId: a, summary: Lists, {}}}}}}}\n",
        answers(&format!("{{type: array, items: {schema}}}"))
    );
    for (descriptions, kept) in [(Descriptions::Keep, true), (Descriptions::Drop, false)] {
        let bundle = Bundle::new("api.yaml", text.as_bytes()).unwrap();
        let made = import(bundle, &Options { name: "acme".to_owned(), descriptions, ..Options::default() }).unwrap();
        let document = String::from_utf8(made.files["acme/v1.0.0/services/a.yaml"].clone()).unwrap();
        for name in ["description: {type: string", "title: {type: string}", "example: {type: string}"] {
            assert!(document.contains(name), "{document}");
        }
        assert_eq!(document.contains("First."), kept, "{document}");
        assert_eq!(document.contains("Lists"), kept, "{document}");
        assert!(!document.contains("Second"), "{document}");
    }
}

#[test]
fn the_same_input_gives_the_same_documents() {
    let text = format!(
        "openapi: 3.0.0\nservers: [{{url: 'https://a.test'}}]\npaths: {{/b: {{get: {{operationId: x, {0}}}}}, /a: {{get: {{operationId: x, {0}}}}}}}\n",
        list("")
    );
    assert_eq!(made(&text).files, made(&text).files);
}

#[test]
fn parts_of_other_documents_come_along_once_and_cycles_end() {
    let mut bundle = Bundle::new(
        "dir/api.yaml",
        b"openapi: 3.0.0\nservers: [{url: 'https://a.test'}]\npaths: {/a: {$ref: 'paths/a.yaml'}}\n",
    )
    .unwrap();
    assert_eq!(bundle.missing(), ["dir/paths/a.yaml"]);
    bundle
        .add(
            "dir/paths/a.yaml",
            b"get: {operationId: a, responses: {'200': {content: {application/json: {schema: {type: array, items: {$ref: '../s.yaml#/T'}}}}}}}\n",
        )
        .unwrap();
    assert_eq!(bundle.missing(), ["dir/s.yaml"]);
    bundle
        .add(
            "dir/s.yaml",
            b"T: {type: object, properties: {id: {type: string}, up: {$ref: '#/T'}, doc: {$ref: 'api.yaml#/none'}}}\n",
        )
        .unwrap();
    assert!(bundle.missing().is_empty());
    let made = import(bundle, &Options { name: "acme".to_owned(), ..Options::default() }).unwrap();
    let lines: Vec<_> = made.methods.iter().map(|m| (m.operation.as_str(), m.rows.as_str())).collect();
    assert_eq!(lines, [("GET /a", "$")]);
    let document = String::from_utf8(made.files["acme/v1.0.0/services/a.yaml"].clone()).unwrap();
    assert_eq!(document.matches("T:").count(), 1, "{document}");
    assert!(made.findings.iter().any(|finding| finding.what.contains("none")), "{:?}", made.findings);
}

#[test]
fn a_url_names_only_urls_of_its_own_origin() {
    let text = b"openapi: 3.0.0\npaths: {/a: {$ref: 'b.yaml'}, /c: {$ref: 'https://other.test/c.yaml'}, /d: {$ref: 'file:///etc/passwd'}}\n";
    let bundle = Bundle::new("https://a.test/docs/api.yaml", text).unwrap();
    assert_eq!(bundle.missing(), ["https://a.test/docs/b.yaml"]);
}
