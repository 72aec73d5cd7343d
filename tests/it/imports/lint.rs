//! Checking provider documents.

use serde_json::Value;

use super::skyql;

const PROVIDER: &str = "name: acme\nproviderServices: {shop: {name: shop, service: {$ref: acme/v1/services/shop.yaml}}}\nconfig: {auth: {type: AUTH}}\n";

fn lint(service: &str, auth: &str) -> (Option<i32>, Vec<String>) {
    lint_files(&[("acme/v1/provider.yaml", &PROVIDER.replace("AUTH", auth)), ("acme/v1/services/shop.yaml", service)])
}

fn lint_files(files: &[(&str, &str)]) -> (Option<i32>, Vec<String>) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("p");
    for (path, text) in files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let done = skyql(home.path()).args(["provider", "lint", dir.to_str().unwrap(), "-o", "json"]).output().unwrap();
    let rows: Value = serde_json::from_slice(&done.stdout).unwrap();
    let found = rows.as_array().unwrap().iter().map(|row| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        format!("{} {} {}", text("rule"), text("place"), text("message"))
    });
    (done.status.code(), found.collect())
}

/// A service with one list and one detail method; `with` replaces parts of it.
fn service(with: &[(&str, &str)]) -> String {
    let mut text = r"
openapi: 3.0.3
servers: [{url: 'https://a.test'}]
paths:
  /parcels:
    get:
      operationId: list
      parameters: [{name: state, in: query, x-skyql-column: true, schema: {type: string}}]
      responses: {'200': {content: {application/json: {schema: {type: object, properties: {parcels: {type: array, items: {$ref: '#/components/schemas/Parcel'}}}}}}}}
  /parcels/{id}:
    get:
      operationId: get
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Parcel'}}}}}
components:
  schemas:
    Parcel: {type: object, properties: {id: {type: integer}, state: {type: string}}}
  x-stackQL-resources:
    parcels:
      name: parcels
      keys: {id: id}
      methods:
        list:
          operation: {$ref: '#/paths/~1parcels/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.parcels}
          config: {pagination: {kind: none}}
        get:
          operation: {$ref: '#/paths/~1parcels~1{id}/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
      sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/parcels/methods/get'}, {$ref: '#/components/x-stackQL-resources/parcels/methods/list'}]}
"
    .to_owned();
    for (old, new) in with {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    text
}

#[test]
fn each_rule_finds_what_it_is_for() {
    assert_eq!(lint(&service(&[]), "null_auth"), (Some(0), Vec::new()));
    for (with, auth, rule, says) in [
        (
            &[("state: {type: string}}}", "state: {$ref: '#/components/schemas/None'}}}")][..],
            "none",
            "references",
            "`#/components/schemas/None`",
        ),
        (&[("servers: [{url: 'https://a.test'}]", "servers: []")], "none", "request", "no server"),
        (&[], "aws_signing_v4", "request", "the credential `aws_signing_v4`"),
        (
            &[(
                "      operationId: get\n",
                "      operationId: get\n      servers: [{url: 'https://{host}', variables: {host: {x-stackQL-envVar: H}}}]\n",
            )],
            "bearer, credentialsenvvar: T",
            "request",
            "the host `{host}` is anything",
        ),
        (
            &[(
                "      operationId: list\n",
                "      operationId: list\n      requestBody: {content: {application/x-www-form-urlencoded: {schema: {type: array, items: {type: string}}}}}\n",
            )],
            "none",
            "request",
            "the body is a form",
        ),
        (&[("kind: none", "total: {rows: $.n}")], "none", "pagination", "no scan is ever complete"),
        (&[("      keys: {id: id}\n", "")], "none", "keys", "`keys` does not say"),
        (&[("keys: {id: id}", "keys: {id: nr}")], "none", "keys", "the column `nr`, which no row has"),
        (
            &[("keys: {id: id}", "keys: {id: id, more: id}")],
            "none",
            "keys",
            "the parameter `more`, which no method has",
        ),
        (
            &[(
                "      keys: {id: id}\n",
                "      keys: {id: id}\n      describe: {state: How far it is, nr: Its number}\n",
            )],
            "none",
            "references",
            "`describe` names `nr`",
        ),
        (&[("state: {type: string}}}", "state: {type: string}, State: {type: string}}}")], "none", "names", "`State`"),
        (
            &[(
                "        get:\n          operation",
                "        g_et: {aliases: [LIST], operation: {$ref: '#/paths/~1parcels/get'}}\n        get:\n          operation",
            )],
            "none",
            "names",
            "differ in case and separators only",
        ),
        (&[("state: {type: string}}}", "state: {}}}")], "none", "columns", "`state` has no type"),
        (&[("x-skyql-column: true, ", "")], "none", "same-name", "query parameter `state`"),
        (
            &[(
                "schema: {$ref: '#/components/schemas/Parcel'}}}}}\ncomponents",
                "schema: {$ref: '#/components/schemas/Parcel'}, example: {id: a lot}}}}}\ncomponents",
            )],
            "none",
            "examples",
            "`\"a lot\"` in the column `id`",
        ),
        (&[("#/paths/~1parcels/get'", "#/paths/~1none/get'")], "none", "loads", "is not in the document"),
    ] {
        let (code, found) = lint(&service(with), auth);
        assert_eq!(code, Some(1), "{rule}: {found:?}");
        assert!(found.iter().any(|line| line.starts_with(rule) && line.contains(says)), "{rule} {says}: {found:?}");
    }
}

const DETAIL: &str = "schema: {$ref: '#/components/schemas/Parcel'}}}}}\ncomponents";

/// The service with examples of one parcel.
fn with_example(example: &str) -> String {
    service(&[(DETAIL, &DETAIL.replace("'}}}}}", &format!("'}}, {example}}}}}}}}}")))])
}

#[test]
fn requests_pages_keys_and_names_are_looked_at_whole() {
    let pages =
        "{name: offset, in: query, schema: {type: integer}}, {name: limit, in: query, schema: {type: integer}}, ";
    let in_depot = [
        ("  /parcels/{id}:", "  /depots/{depot}/parcels/{id}:"),
        ("~1parcels~1{id}", "~1depots~1{depot}~1parcels~1{id}"),
        ("[{name: id,", "[{name: depot, in: path, required: true, schema: {type: string}}, {name: id,"),
    ];
    for (with, rule, says) in [
        (
            &[("required: true, schema: {type: integer}", "required: true, schema: {type: object}")][..],
            "request acme.shop.parcels.get",
            "the path parameter `id` is an object",
        ),
        (
            &[("[{name: id,", "[{name: X-Why, in: header, required: true, schema: {type: object}}, {name: id,")],
            "request acme.shop.parcels.get",
            "the header parameter `X-Why` is an object",
        ),
        (
            &[
                ("[{name: state", &format!("[{pages}{{name: state")),
                ("          config: {pagination: {kind: none}}\n", ""),
            ],
            "pagination acme.shop.parcels.list",
            "no scan is ever complete",
        ),
        (&in_depot, "keys acme.shop.parcels ", "`keys` lacks `depot`, which `get` needs"),
        (
            &[
                ("      methods:\n", "      methods: &all\n"),
                ("  x-stackQL-resources:\n", "  x-stackQL-resources:\n    PARCELS: {name: par_cels, methods: {}}\n"),
            ],
            "names acme.shop ",
            "the resources `par_cels`, `parcels` differ",
        ),
        (
            &[("        list:\n", "        list:\n          aliases: [g_e_t]\n")],
            "names acme.shop.parcels ",
            "the methods `g_e_t`, `get` differ",
        ),
        (
            &[(
                "[{name: state",
                "[{name: max_size, in: query, schema: {type: integer}}, {name: maxSize, in: query, schema: {type: integer}}, {name: state",
            )],
            "names acme.shop.parcels.list",
            "the parameters `max_size`, `maxSize` differ",
        ),
        (
            &[(
                DETAIL,
                &DETAIL.replace(
                    "{$ref: '#/components/schemas/Parcel'}",
                    "{type: object, properties: {id: {type: integer}, STATE: {type: string}}}",
                ),
            )],
            "names acme.shop.parcels ",
            "the columns `STATE`, `state` differ in case only",
        ),
    ] {
        let (code, found) = lint(&service(with), "none");
        assert_eq!(code, Some(1), "{rule} {says}: {found:?}");
        assert!(found.iter().any(|line| line.starts_with(rule) && line.contains(says)), "{rule} {says}: {found:?}");
    }
    let services = "name: acme\nproviderServices: {shop: {service: {$ref: acme/v1/services/shop.yaml}}, SHOP: {service: {$ref: acme/v1/services/shop.yaml}}}\n";
    let (_, found) = lint_files(&[("acme/v1/provider.yaml", services), ("acme/v1/services/shop.yaml", &service(&[]))]);
    assert!(found.iter().any(|line| line.contains("names acme the services `shop`, `SHOP` differ")), "{found:?}");
}

#[test]
fn examples_are_decoded_wherever_they_stand() {
    for example in [
        "example: {id: 7, state: packed}",
        "example: {id: '7', state: null}",
        "examples: {one: {value: {id: 7, state: packed}}}",
        "examples: {one: {$ref: '#/components/examples/good'}}",
        // Data is no reference, whatever it looks like.
        "example: {id: 7, state: packed, $ref: '#/nothing'}",
    ] {
        let text =
            with_example(example).replace("components:\n", "components:\n  examples: {good: {value: {id: 1}}}\n");
        assert_eq!(lint(&text, "none"), (Some(0), Vec::new()), "{example}");
    }
    for (example, says) in [
        ("example: {id: 7.5}", "`7.5` in the column `id`, which is integer"),
        ("example: {id: seven}", "`\"seven\"` in the column `id`"),
        ("example: {state: {is: packed}}", "in the column `state`, which is string"),
        ("examples: {one: {value: {id: true}}}", "`true` in the column `id`"),
        ("examples: {one: {$ref: '#/components/examples/bad'}}", "`\"x\"` in the column `id`"),
    ] {
        let text = with_example(example).replace("components:\n", "components:\n  examples: {bad: {value: {id: x}}}\n");
        let (_, found) = lint(&text, "none");
        assert!(
            matches!(&found[..], [one] if one.starts_with("examples acme.shop.parcels.get") && one.contains(says)),
            "{example}: {found:?}"
        );
    }
    let list = "items: {$ref: '#/components/schemas/Parcel'}}}}";
    let (_, found) = lint(&service(&[(list, &format!("{list}, example: {{things: []}}"))]), "none");
    assert_eq!(found, ["examples acme.shop.parcels.list an example has nothing at `$.parcels`"]);
}

#[test]
fn data_holds_no_references_and_properties_of_any_name_do() {
    let data = service(&[(
        "state: {type: string}}}",
        "state: {type: string, default: {$ref: '#/nowhere'}, enum: [{$ref: '#/nowhere'}]}}}",
    )]);
    assert_eq!(lint(&data, "none"), (Some(0), Vec::new()));
    let named = service(&[("state: {type: string}}}", "state: {type: string}, default: {$ref: '#/nowhere'}}}")]);
    let (_, found) = lint(&named, "none");
    assert!(found.iter().any(|line| line.starts_with("references acme.shop `#/nowhere`")), "{found:?}");
}

#[test]
fn what_is_read_and_not_known_is_found() {
    let method = |says: &str| service(&[("        list:\n", &format!("        list:\n          {says}\n"))]);
    let resource = |says: &str| service(&[("      name: parcels\n", &format!("      name: parcels\n      {says}\n"))]);
    let parameter = |says: &str| service(&[("x-skyql-column: true", says)]);
    let config = |says: &str| service(&[("config: {pagination: {kind: none}}", &format!("config: {{{says}}}"))]);
    for (text, says) in [
        (method("effekt: read"), "parcels.list `effekt` is not known; did you mean `effect`?"),
        (method("effect: 3"), "parcels.list `effect` should be `read` or `write` or `delete` and is `3`"),
        (method("partial: maybe"), "`partial` should be `true` or `false` and is `\"maybe\"`"),
        (method("aliases: all"), "`aliases` should be a list of texts and is `\"all\"`"),
        (
            method("parameters: {state: {colum: false}}"),
            "`parameters.state.colum` is not known; did you mean `column`?",
        ),
        (resource("descripe: {state: How it is}"), "parcels `descripe` is not known"),
        (service(&[("keys: {id: id}", "keys: [id]")]), "parcels `keys` should be a map and is `[\"id\"]`"),
        (parameter("x-skyql-column: sometimes"), "x-skyql-column` should be `true` or `false`"),
        (parameter("x-skyql-colum: true"), "x-skyql-colum` is not known; did you mean `x-skyql-column`"),
        (
            parameter("x-skyql-column: true, x-stackQL-alais: at"),
            "x-stackQL-alais` is not known; did you mean `x-stackQL-alias`",
        ),
        (config("pagination: {kind: none, knd: page}"), "`config.pagination.knd` is not known; did you mean `kind`?"),
        (
            config("pagination: {kind: none}, rateLimit: {requests: many}"),
            "`config.rateLimit.requests` should be a whole number",
        ),
        (
            config("pagination: {kind: none}, error: {mesage: $.why}"),
            "`config.error.mesage` is not known; did you mean `message`?",
        ),
        (
            config("pagination: {kind: none}, queryParamPushdown: {filtre: {dialect: odata}}"),
            "`config.queryParamPushdown.filtre` is not known; did you mean `filter`?",
        ),
        (
            config("pagination: {kind: none}, pagenation: {kind: page}"),
            "`config.pagenation` is not known; did you mean `pagination`?",
        ),
    ] {
        let (code, found) = lint(&text, "none");
        assert_eq!(code, Some(1), "{says}: {found:?}");
        assert!(
            found.iter().any(|line| line.starts_with("known-keys acme.shop") && line.contains(says)),
            "{says}: {found:?}"
        );
    }
    let provider = format!("{}descripton: Parcels\n", PROVIDER.replace("AUTH", "none"));
    let (_, found) = lint_files(&[("acme/v1/provider.yaml", &provider), ("acme/v1/services/shop.yaml", &service(&[]))]);
    assert_eq!(found, ["known-keys acme `descripton` is not known; did you mean `description`?"]);
}

#[test]
fn hints_for_the_sandbox_name_what_is_there() {
    let hint = |says: &str| {
        service(&[
            ("      name: parcels\n", &format!("      name: parcels\n      sandbox: {{{says}}}\n")),
            (
                "  /parcels/{id}:\n",
                "  /parcels/{id}:\n    post: {operationId: send, requestBody: {content: {application/json: {schema: {type: object, properties: {state: {type: string}}}}}}, responses: {'204': {}}, parameters: [{name: id, in: path, required: true, schema: {type: integer}}]}\n",
            ),
            (
                "        get:\n          operation",
                "        send: {operation: {$ref: '#/paths/~1parcels~1{id}/post'}}\n        get:\n          operation",
            ),
        ])
    };
    for good in [
        "async: {column: state, from: packed, to: sent, after: 3s, fails: {when: {state: bad}, to: lost, set: {state: lost}}}",
        "columns: {street: {choices: [A, B], weights: [1, 2]}, state: {template: 'in {street:slug} {n}'}}",
        "columns: {id: {ref: shop.parcels.id}}, created: {state: {body: state}}",
        "filters: {state: {column: state}}, anonymous: {state: sent}, fixed: [{id: 1, state: sent}]",
        "actions: {send: {does: change, set: {state: {value: sent}}}}",
    ] {
        assert_eq!(lint(&hint(good), "none"), (Some(0), Vec::new()), "{good}");
    }
    for (bad, says) in [
        (
            "async: {column: stauts, from: a, to: b, after: 3s}",
            "`sandbox.async.column`: there is no column `stauts`; did you mean `state`?",
        ),
        (
            "async: {column: state, from: a, to: b, after: 3s, stamp: at}",
            "`sandbox.async.stamp`: there is no column `at`",
        ),
        (
            "async: {column: state, from: a, to: b, after: 3s, fails: {when: {stat: x}, to: c}}",
            "`sandbox.async.fails.when`: there is no field of a body `stat`; did you mean `state`?",
        ),
        (
            "async: {column: state, from: a, to: b, after: 3s, fails: {when: {state: x}, to: c, set: {why: x}}}",
            "`sandbox.async.fails.set`: there is no column `why`",
        ),
        ("columns: {stat: {value: sent}}", "`sandbox.columns.stat`: there is no column `stat`; did you mean `state`?"),
        ("columns: {state: {template: '{nope}'}}", "`sandbox.columns.state`: there is no column `nope`"),
        ("columns: {state: {template: '{parent:id}'}}", "its rows have no parent"),
        ("columns: {state: {weights: [1, 2]}}", "there are no `choices` to weigh"),
        ("columns: {state: {ref: shop.vans.plate}}", "`sandbox.columns.state`: there is no resource `shop.vans`"),
        ("columns: {state: {ref: other.vans.plate}}", "there is no resource `other.vans`"),
        ("columns: {state: {ref: shop.parcels.plate}}", "there is no column `plate` of `shop.parcels`"),
        ("created: {stat: {value: sent}}", "`sandbox.created.stat`"),
        ("created: {state: {body: stat}}", "there is no field of a body `stat`"),
        ("variants: [{weight: 1, columns: {stat: {value: sent}}}]", "`sandbox.variants.0.columns.stat`"),
        ("fixed: [{id: 1, stat: sent}]", "`sandbox.fixed.0.stat`"),
        ("anonymous: {stat: sent}, columns: {state: {value: sent}}", "`sandbox.anonymous.stat`"),
        ("actions: {sent: change}", "`sandbox.actions.sent`: there is no method `sent`; did you mean `send`?"),
        ("actions: {send: {does: change, set: {stat: {value: sent}}}}", "`sandbox.actions.send.set.stat`"),
        ("filters: {stat: {column: state}}", "`sandbox.filters.stat`: there is no parameter `stat`"),
        ("filters: {state: {column: stat}}", "`sandbox.filters.state`: there is no column `stat`"),
        ("filters: {state: {column: state, path: slug}}", "there is nothing at `slug` of the column `state`"),
        ("filters: {state: {map: {sent: {stat: [a]}}}}", "`sandbox.filters.state.map.sent`: there is no column `stat`"),
        ("parent: {depot: shop.parcels.id}", "`sandbox.parent.depot`: there is no parameter `depot`"),
        ("parent: {id: shop.vans.id}", "`sandbox.parent.id`: there is no resource `shop.vans`"),
        ("rowz: 3", "`sandbox.rowz`"),
    ] {
        let (code, found) = lint(&hint(bad), "none");
        assert_eq!(code, Some(1), "{bad}");
        assert!(
            found.iter().any(|line| line.starts_with("sandbox acme.shop.parcels ") && line.contains(says)),
            "{bad}: {found:?}"
        );
    }
}

#[test]
fn exceptions_are_looked_at_too() {
    let at_method = service(&[
        ("kind: none", "total: {rows: $.n}"),
        ("        list:\n", "        list:\n          x-skyql-lint: {pagination: never more than ten}\n"),
    ]);
    assert_eq!(lint(&at_method, "none"), (Some(0), Vec::new()));
    // A resource is known by its name, whatever its key.
    let renamed = at_method.replace("    parcels:\n", "    boxes:\n").replace("resources/parcels/", "resources/boxes/");
    assert_eq!(lint(&renamed, "none"), (Some(0), Vec::new()));
    let found = |says: &str| {
        lint(
            &service(&[("      name: parcels\n", &format!("      name: parcels\n      x-skyql-lint: {says}\n"))]),
            "none",
        )
        .1
    };
    assert_eq!(
        found("{paginaton: it is short}"),
        ["exceptions acme.shop.parcels there is no rule `paginaton`; did you mean `pagination`?"]
    );
    assert_eq!(
        found("{pagination: 3}"),
        ["exceptions acme.shop.parcels the exception from `pagination` gives no reason"]
    );
    assert_eq!(
        found("{pagination: it is short}"),
        ["exceptions acme.shop.parcels nothing here breaks `pagination`: the exception is not needed"]
    );
}

#[test]
fn documents_that_name_another_directory_are_checked() {
    let elsewhere = PROVIDER.replace("AUTH", "none").replace("acme/v1/", "other/v9/");
    let text = service(&[("      keys: {id: id}\n", "")]);
    let (code, found) = lint_files(&[("acme/v1/provider.yaml", &elsewhere), ("acme/v1/services/shop.yaml", &text)]);
    assert_eq!(code, Some(1));
    assert!(matches!(&found[..], [one] if one.starts_with("keys acme.shop.parcels")), "{found:?}");
}

#[test]
fn an_exception_needs_a_reason() {
    let except = |reason: &str| {
        service(&[
            ("kind: none", "total: {rows: $.n}"),
            ("      name: parcels\n", &format!("      name: parcels\n      x-skyql-lint: {{pagination: {reason}}}\n")),
        ])
    };
    assert_eq!(lint(&except("the API has never more than ten"), "none").0, Some(0));
    assert_eq!(lint(&except("''"), "none").0, Some(1));
}

#[test]
fn the_problems_are_in_the_outfile_too() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("p/acme/v1");
    std::fs::create_dir_all(dir.join("services")).unwrap();
    std::fs::write(dir.join("provider.yaml"), PROVIDER.replace("AUTH", "none")).unwrap();
    std::fs::write(dir.join("services/shop.yaml"), service(&[("      keys: {id: id}\n", "")])).unwrap();
    let lint = |more: &[&str]| {
        let place = home.path().join("p");
        skyql(home.path()).args(["provider", "lint", place.to_str().unwrap(), "-o", "csv"]).args(more).output().unwrap()
    };
    let file = home.path().join("problems.csv");
    let (shown, written) = (lint(&[]), lint(&["--outfile", file.to_str().unwrap()]));
    assert_eq!((shown.status.code(), written.status.code()), (Some(1), Some(1)));
    let text = std::fs::read(&file).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("acme.shop.parcels,keys,"), "{}", String::from_utf8_lossy(&text));
    assert_eq!(text, shown.stdout);
    assert!(written.stdout.is_empty());
}

#[test]
fn shipped_providers_have_no_problems() {
    let home = tempfile::tempdir().unwrap();
    let done = skyql(home.path()).args(["provider", "lint", "-o", "csv"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stderr).contains("3 providers, no problems"));
}

#[test]
fn what_is_to_be_checked_must_be_there() {
    let home = tempfile::tempdir().unwrap();
    for what in ["nothing", home.path().to_str().unwrap()] {
        let done = skyql(home.path()).args(["provider", "lint", what]).output().unwrap();
        assert_eq!(done.status.code(), Some(1));
        assert!(!done.stderr.is_empty());
    }
}
