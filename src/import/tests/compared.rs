//! How an import is compared with what people made: each kind of agreement, and of difference.

use std::fmt::Write as _;

use super::*;
use crate::provider::DocumentSource;

/// One GET: its service, path and resource, the SQL verb, and what its method, its response and its answer say.
struct Get {
    at: [&'static str; 3],
    verb: &'static str,
    method: &'static str,
    response: &'static str,
    answer: &'static str,
}

const ROW: &str = "{type: object, properties: {id: {type: string}, name: {type: string}}}";
const LIST: &str = "{type: object, properties: {total: {type: integer}, next: {type: string}, things: {type: array, items: {type: object, properties: {id: {type: string}, name: {type: string}}}}}}";
const BY_PAGE: &str =
    "config: {pagination: {kind: page, page: {key: page}, pageSize: {key: size}, total: {rows: $.total}}}";
const BY_URL: &str = "config: {pagination: {kind: next_url, next: {path: $.next}}}";
const BY_OFFSET: &str = "config: {pagination: {kind: offset, offset: {key: from}}}";
const ONE_ANSWER: &str = "config: {pagination: {kind: none}}";
const THINGS: &str = "objectKey: $.things";

const fn list(at: [&'static str; 3], method: &'static str) -> Get {
    Get { at, verb: "select", method, response: THINGS, answer: LIST }
}

const fn row(at: [&'static str; 3], response: &'static str) -> Get {
    Get { at, verb: "select", method: "", response, answer: ROW }
}

fn provider(operations: &[Get]) -> Arc<dyn DocumentSource> {
    let mut services: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for (number, get) in operations.iter().enumerate() {
        let [service, path, resource] = get.at;
        let (paths, resources) = services.entry(service).or_default();
        let parameters = "[{name: page, in: query, schema: {type: integer}}, {name: size, in: query, schema: {type: integer}}, {name: from, in: query, schema: {type: integer}}]";
        let answer = get.answer;
        let _ = writeln!(
            paths,
            "  {path}:\n    get: {{parameters: {parameters}, responses: {{'200': {{content: {{application/json: {{schema: {answer}}}}}}}}}}}"
        );
        let key = format!("{resource}_{number}");
        let more = |said: &str| if said.is_empty() { String::new() } else { format!(", {said}") };
        let (response, method) = (more(get.response), more(get.method));
        let _ = writeln!(
            resources,
            "    {key}:\n      name: {resource}\n      methods:\n        m{number}: {{operation: {{$ref: '#/paths/{}/get'}}, response: {{mediaType: application/json, openAPIDocKey: '200'{response}}}{method}}}",
            path.replace('/', "~1"),
        );
        if get.verb != "exec" {
            let _ = writeln!(
                resources,
                "      sqlVerbs: {{{}: [{{$ref: '#/components/x-stackQL-resources/{key}/methods/m{number}'}}]}}",
                get.verb
            );
        }
    }
    let mut text = "name: acme\nproviderServices:\n".to_owned();
    let mut files = BTreeMap::new();
    for (service, (paths, resources)) in services {
        let _ = writeln!(text, "  {service}: {{service: {{$ref: acme/v1/services/{service}.yaml}}}}");
        let document = format!(
            "openapi: 3.0.0\nservers: [{{url: 'https://a.test'}}]\npaths:\n{paths}components:\n  x-stackQL-resources:\n{resources}"
        );
        files.insert(format!("acme/v1/services/{service}.yaml"), document.into_bytes());
    }
    text += "  broken: {service: {$ref: acme/v1/services/broken.yaml}}\n";
    files.insert("acme/v1/provider.yaml".to_owned(), text.into_bytes());
    Arc::new(MemorySource::new("toy", files))
}

/// What is said of one question: `agree/of explained`, and each difference with its reason.
fn said(found: &Comparison, what: &str) -> (String, Vec<String>) {
    let figures = found.agreements.iter().find(|agreement| agreement.what == what).unwrap();
    let differences = found.differences.iter().filter(|difference| difference.what == what);
    let line = |d: &Difference| {
        format!("{}: {} and not {} ({})", d.operation, d.ours, d.theirs, d.reason.unwrap_or("unexplained"))
    };
    (format!("{}/{} {}", figures.agree, figures.of, figures.explained), differences.map(line).collect())
}

#[test]
fn verbs_and_services_are_compared_by_operation() {
    let ours = [
        row(["shop", "/a", "things"], ""),
        Get { verb: "exec", ..row(["shop", "/b", "others"], "") },
        row(["shop", "/mine", "mine"], ""),
    ];
    let theirs =
        [row(["store", "/a", "things"], ""), row(["shop", "/b", "others"], ""), row(["shop", "/theirs", "theirs"], "")];
    let found = compare("acme", provider(&ours), "acme", provider(&theirs)).unwrap();
    assert_eq!(
        said(&found, "verbs"),
        ("1/2 0".to_owned(), vec!["GET /b: EXEC and not SELECT (unexplained)".to_owned()])
    );
    assert_eq!(
        said(&found, "services"),
        ("1/2 0".to_owned(), vec!["GET /a: shop and not store (unexplained)".to_owned()])
    );
    assert_eq!(
        (&found.only_ours[..], &found.only_theirs[..]),
        (&["GET /mine".to_owned()][..], &["GET /theirs".to_owned()][..])
    );
    assert_eq!(found.unreadable.len(), 2, "{:?}", found.unreadable);
    let half = found.agreements.iter().find(|agreement| agreement.what == "verbs").unwrap();
    assert!((half.percent() - 50.0).abs() < f64::EPSILON);
}

#[test]
fn paths_of_rows_may_differ_for_a_reason() {
    let ours = [
        list(["shop", "/same", "a"], ONE_ANSWER),
        list(["shop", "/envelope", "b"], ONE_ANSWER),
        row(["shop", "/absent", "c"], ""),
        row(["shop", "/field", "d"], ""),
        Get { response: "objectKey: $.total", ..list(["shop", "/other", "e"], ONE_ANSWER) },
        Get { verb: "exec", ..row(["shop", "/exec", "f"], "") },
    ];
    let theirs = [
        list(["shop", "/same", "a"], ONE_ANSWER),
        Get { response: "objectKey: $", ..list(["shop", "/envelope", "b"], ONE_ANSWER) },
        row(["shop", "/absent", "c"], "objectKey: $.data"),
        row(["shop", "/field", "d"], "objectKey: $.name"),
        list(["shop", "/other", "e"], ONE_ANSWER),
        row(["shop", "/exec", "f"], ""),
    ];
    let found = compare("acme", provider(&ours), "acme", provider(&theirs)).unwrap();
    let (figures, differences) = said(&found, "row paths");
    assert_eq!(
        differences,
        [
            "GET /absent: $ and not $.data (theirs names a key that the answer does not have)",
            "GET /envelope: $.things and not $ (theirs returns the envelope as the row)",
            "GET /field: $ and not $.name (theirs names one field of the object as the row)",
            "GET /other: $.total and not $.things (unexplained)",
        ]
    );
    assert_eq!(figures, "4/5 3");
}

#[test]
fn pages_may_be_followed_in_another_way() {
    let ours = [
        list(["shop", "/numbers", "a"], BY_PAGE),
        list(["shop", "/offset", "b"], BY_OFFSET),
        list(["shop", "/same", "c"], BY_URL),
        list(["shop", "/silent", "d"], BY_PAGE),
        Get { answer: "{type: array, items: {type: string}}", response: "", ..list(["shop", "/unknown", "e"], "") },
        // One object has no pages.
        row(["shop", "/one", "f"], ""),
    ];
    let theirs = [
        list(["shop", "/numbers", "a"], BY_URL),
        list(["shop", "/offset", "b"], BY_URL),
        list(["shop", "/same", "c"], BY_URL),
        list(["shop", "/silent", "d"], ONE_ANSWER),
        Get {
            answer: "{type: array, items: {type: string}}",
            response: "",
            ..list(["shop", "/unknown", "e"], BY_PAGE)
        },
        row(["shop", "/one", "f"], ""),
    ];
    let found = compare("acme", provider(&ours), "acme", provider(&theirs)).unwrap();
    let (figures, differences) = said(&found, "pagination");
    let reasons: Vec<&str> =
        differences.iter().map(|line| &line[line.find(" (").unwrap() + 2..line.len() - 1]).collect();
    assert_eq!(
        reasons,
        [
            "the same pages by their numbers, with a total",
            "unexplained",
            "theirs says nothing of the pages that the answer has",
            "marked unknown",
        ],
        "{differences:?}"
    );
    assert_eq!(figures, "4/5 3");
}

#[test]
fn names_of_resources_may_begin_with_the_services() {
    let ours = [
        row(["droplets", "/a", "backups"], ""),
        row(["droplets", "/b", "disks"], ""),
        row(["droplets", "/c", "kernels"], ""),
    ];
    let theirs = [
        row(["compute", "/a", "droplet_backups"], ""),
        row(["compute", "/b", "disks"], ""),
        row(["compute", "/c", "cores"], ""),
    ];
    let found = compare("acme", provider(&ours), "acme", provider(&theirs)).unwrap();
    assert_eq!(
        said(&found, "resource names"),
        (
            "2/3 1".to_owned(),
            vec![
                "GET /a: backups and not droplet_backups (the same with the service's name in front)".to_owned(),
                "GET /c: kernels and not cores (unexplained)".to_owned(),
            ]
        )
    );
}
