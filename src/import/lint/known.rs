//! The keys that are read of provider documents, beside OpenAPI's own: reading passes over what it does not know, so that
//! a slip of the pen would do nothing and go unseen.
//!
//! *Owns*: which keys there are at each place, and what kind of value each takes.
//! *Does not own*: what they mean (`provider`), the words of `sandbox`.

use super::{Found, Keys, each_object, written_resources};
use crate::error::did_you_mean;
use crate::provider::{Document, Node};

/// What a key takes.
enum Kind {
    Any,
    Text,
    /// A text, a number or a truth value.
    Plain,
    Flag,
    Count,
    List,
    Texts,
    Word(&'static [&'static str]),
    Map(&'static [(&'static str, Kind)]),
    /// A map whose keys are names.
    Names(&'static Kind),
    /// A truth value or one word, or else a map.
    Unless(&'static [&'static str], &'static [(&'static str, Kind)]),
}

use Kind::{Any, Count, Flag, List, Map, Names, Plain, Text, Texts, Unless, Word};

const LOCATION: Kind = Word(&["query", "header", "body", "path", "cookie", "request"]);

const AUTH: &[(&str, Kind)] = &[
    ("type", Text),
    ("credentialsenvvar", Text),
    ("credentialsfilepath", Text),
    ("valuePrefix", Text),
    ("optional", Flag),
    ("username_var", Text),
    ("password_var", Text),
    ("api_key_var", Text),
    ("api_secret_var", Text),
    ("keyIDenvvar", Text),
    ("keyID", Text),
    ("location", LOCATION),
    ("name", Text),
    ("successor", Any),
    ("scopes", Texts),
    ("grant_type", Text),
    ("client_id_env_var", Text),
    ("client_secret_env_var", Text),
    ("token_url", Text),
    ("auth_style", Any),
    ("values", Any),
    ("subject", Text),
    ("idenvvar", Text),
    ("hash", Word(&["sha256", "sha512"])),
    ("encoding", Word(&["hex", "base64"])),
    ("message", Text),
    ("envelope", Names(&Plain)),
    ("place", List),
];

const TOKEN: &[(&str, Kind)] = &[("key", Text), ("location", LOCATION), ("algorithm", Text), ("args", Any)];

const PAGINATION: &[(&str, Kind)] = &[
    ("kind", Word(&["page", "offset", "cursor", "next_url", "link_header", "none"])),
    ("page", Map(&[("key", Text), ("location", LOCATION), ("first", Count)])),
    ("offset", Map(&[("key", Text), ("location", LOCATION)])),
    (
        "cursor",
        Map(&[
            ("key", Text),
            ("location", LOCATION),
            ("from", Map(&[("path", Text), ("header", Text)])),
            ("more", Text),
        ]),
    ),
    ("next", Map(&[("path", Text)])),
    ("pageSize", Map(&[("key", Text), ("location", LOCATION), ("min", Count), ("max", Count), ("default", Count)])),
    ("total", Map(&[("rows", Text), ("pages", Text), ("exact", Flag)])),
    ("requestToken", Map(TOKEN)),
    ("responseToken", Map(TOKEN)),
    ("responseTerminator", Map(TOKEN)),
    ("algorithm", Text),
];

const PUSHDOWN: &[(&str, Kind)] = &[
    ("dialect", Text),
    (
        "filter",
        Map(&[
            ("dialect", Text),
            ("syntax", Text),
            ("paramName", Text),
            ("location", LOCATION),
            ("supportedColumns", Texts),
            ("supportedOperators", Texts),
        ]),
    ),
    (
        "orderBy",
        Map(&[
            ("dialect", Text),
            ("syntax", Text),
            ("paramName", Text),
            ("location", LOCATION),
            ("supportedColumns", Texts),
            ("ascending", Text),
            ("descending", Text),
            ("field", Text),
            (
                "direction",
                Map(&[("paramName", Text), ("location", LOCATION), ("ascending", Plain), ("descending", Plain)]),
            ),
            ("nulls", Word(&["none", "first", "last", "smallest", "largest"])),
            ("collation", Word(&["binary"])),
        ]),
    ),
    (
        "select",
        Map(&[
            ("dialect", Text),
            ("paramName", Text),
            ("location", LOCATION),
            ("delimiter", Text),
            ("supportedColumns", Texts),
        ]),
    ),
    ("top", Map(&[("dialect", Text), ("paramName", Text), ("location", LOCATION), ("maxValue", Count)])),
    ("skip", Map(&[("dialect", Text), ("paramName", Text), ("location", LOCATION), ("maxValue", Count)])),
    (
        "count",
        Map(&[
            ("dialect", Text),
            ("paramName", Text),
            ("location", LOCATION),
            ("paramValue", Plain),
            ("responseKey", Text),
        ]),
    ),
];

const ASYNC: &[(&str, Kind)] = &[
    ("poll", Text),
    ("with", Names(&Text)),
    ("status", Text),
    ("ready", Any),
    ("failed", Any),
    ("message", Text),
    ("gone", Word(&["ready", "failed", "pending"])),
    ("interval", Plain),
    ("timeout", Plain),
];

const EFFECT: Kind = Word(&["read", "write", "delete"]);
const UPLOAD: Kind = Map(&[("url", Text), ("method", Text), ("contentType", Text), ("headers", Names(&Plain))]);
const ALGORITHM: Kind = Map(&[("algorithm", Text)]);

const CONFIG: &[(&str, Kind)] = &[
    ("auth", Map(AUTH)),
    ("pagination", Map(PAGINATION)),
    ("queryParamPushdown", Map(PUSHDOWN)),
    ("requestTranslate", ALGORITHM),
    ("requestBodyTranslate", ALGORITHM),
    ("success", Map(&[("path", Text), ("equals", Any)])),
    ("error", Map(&[("message", Text), ("code", Text)])),
    ("async", Unless(&["none"], ASYNC)),
    ("idempotencyKey", Unless(&[], &[("name", Text), ("location", LOCATION), ("lifetime", Plain)])),
    (
        "rateLimit",
        Map(&[
            ("requests", Count),
            ("per", Plain),
            ("concurrency", Count),
            ("headers", Map(&[("remaining", Text), ("reset", Text)])),
        ]),
    ),
    ("partial", Flag),
    // What a method or a resource may say here too.
    ("aliases", Texts),
    ("effect", EFFECT),
    ("upload", UPLOAD),
    ("keys", Names(&Text)),
    ("describe", Names(&Plain)),
    ("sandbox", Names(&Any)),
    // Other programs'.
    ("views", Any),
    ("externalTables", Any),
    ("sqlExternalTables", Any),
    ("variations", Any),
    ("snapshot", Any),
];

const PARAMETER: &[(&str, Kind)] = &[
    ("name", Text),
    ("in", LOCATION),
    ("location", LOCATION),
    ("required", Flag),
    ("default", Any),
    ("description", Plain),
    ("column", Flag),
    ("secret", Flag),
    ("schema", Any),
];

const METHOD: &[(&str, Kind)] = &[
    ("operation", Map(&[("$ref", Text), ("operationId", Text)])),
    ("path", Text),
    ("apiMethod", Text),
    ("inline", Any),
    ("id", Plain),
    ("name", Plain),
    ("title", Plain),
    ("description", Plain),
    ("servers", List),
    ("serviceName", Any),
    (
        "request",
        Map(&[
            ("mediaType", Text),
            ("base", Any),
            ("required", Texts),
            ("default", Any),
            ("nativeMediaType", Any),
            ("schema_override", Any),
            ("transform", Any),
            ("xmlDeclaration", Any),
            ("xmlRootAnnotation", Any),
            ("xmlTransform", Any),
        ]),
    ),
    (
        "response",
        Map(&[
            ("mediaType", Text),
            ("openAPIDocKey", Plain),
            ("objectKey", Text),
            ("overrideMediaType", Text),
            ("schema_override", Any),
            ("asyncOverrideMediaType", Any),
            ("async_schema_override", Any),
            ("transform", Any),
            ("projection_map", Any),
        ]),
    ),
    ("parameters", Names(&Map(PARAMETER))),
    ("config", Map(CONFIG)),
    ("aliases", Texts),
    ("effect", EFFECT),
    ("partial", Flag),
    ("upload", UPLOAD),
];

const RESOURCE: &[(&str, Kind)] = &[
    ("id", Plain),
    ("name", Plain),
    ("title", Plain),
    ("description", Plain),
    ("methods", Names(&Map(METHOD))),
    (
        "sqlVerbs",
        Map(&[
            ("select", List),
            ("insert", List),
            ("update", List),
            ("replace", List),
            ("delete", List),
            ("exec", List),
        ]),
    ),
    ("config", Map(CONFIG)),
    ("keys", Names(&Text)),
    ("describe", Names(&Plain)),
    ("sandbox", Names(&Any)),
    ("baseUrl", Any),
    ("selectItemsKey", Any),
    ("serviceDoc", Any),
];

const SERVICE: &[(&str, Kind)] = &[
    ("id", Plain),
    ("name", Plain),
    ("title", Plain),
    ("version", Plain),
    ("description", Plain),
    ("preferred", Flag),
    ("service", Map(&[("$ref", Text)])),
    ("resources", Any),
    ("config", Map(CONFIG)),
];

const PROVIDER: &[(&str, Kind)] = &[
    ("openapi", Plain),
    ("id", Plain),
    ("name", Plain),
    ("version", Plain),
    ("title", Plain),
    ("description", Plain),
    ("providerServices", Names(&Map(SERVICE))),
    ("config", Map(CONFIG)),
    ("protocolType", Any),
    ("delete_on_query", Any),
    ("responseKeys", Any),
    ("persist_id_col", Any),
];

/// Keys of ours inside OpenAPI.
const INSIDE: &[(&str, Kind)] = &[
    ("x-skyql-column", Flag),
    ("x-skyql-secret", Flag),
    ("x-skyql-lint", Names(&Any)),
    ("x-skyql-imported", Any),
    ("x-stackQL-alias", Text),
    ("x-stackQL-stringOnly", Flag),
    ("x-stackQL-envVar", Text),
    ("x-stackQL-config", Any),
    ("x-stackQL-resources", Any),
    // What the registry's own tools leave behind.
    ("x-stackQL-resource", Any),
    ("x-stackQL-method", Any),
    ("x-stackQL-verb", Any),
];

/// Checks a `provider.yaml`.
pub(super) fn provider(document: &Document, place: &str, found: &mut Found) {
    report(place, check(&document.root, &Map(PROVIDER), ""), found);
    inside(&document.root, place, found);
}

/// Checks the document of a service.
pub(super) fn service(document: &Document, place: &str, found: &mut Found) {
    if let Some(config) = document.root.get("x-stackQL-config") {
        report(place, check(config, &Map(CONFIG), "x-stackQL-config"), found);
    }
    for (name, node) in written_resources(document) {
        let resource = format!("{place}.{name}");
        let Node::Map(entries) = node else { continue };
        // The methods are places of their own.
        let rest = entries.iter().filter(|(key, _)| *key != "methods").map(|(k, v)| (k.clone(), v.clone()));
        report(&resource, check(&Node::Map(rest.collect()), &Map(RESOURCE), ""), found);
        for (method, node) in node.get("methods").into_iter().flat_map(Node::entries) {
            report(&format!("{resource}.{method}"), check(node, &Map(METHOD), ""), found);
        }
    }
    inside(&document.root, place, found);
}

fn report(place: &str, problems: Vec<String>, found: &mut Found) {
    for problem in problems {
        found.add(place, "known-keys", problem);
    }
}

fn inside(root: &Node, place: &str, found: &mut Found) {
    let mut problems = Vec::new();
    each_object(root, Keys::Format, &mut Vec::new(), &mut |path, node| {
        for (key, value) in node.entries() {
            let at = || path.iter().chain([&key]).copied().collect::<Vec<_>>().join(".");
            match INSIDE.iter().find(|(known, _)| *known == key) {
                Some((_, kind)) => problems.extend(check(value, kind, &at())),
                None if key.starts_with("x-skyql-") => problems.push(unknown(key, &at(), INSIDE)),
                // A registry may have others of its own.
                None if is_near_the_registrys(key) => problems.push(unknown(key, &at(), INSIDE)),
                None => {}
            }
        }
    });
    report(place, problems, found);
}

/// Whether it looks like one of the registry's keys that is read; the registry may have others.
fn is_near_the_registrys(key: &str) -> bool {
    let own = |key: &'static str| key.strip_prefix("x-stackQL-");
    key.strip_prefix("x-stackQL-")
        .is_some_and(|rest| did_you_mean(rest, INSIDE.iter().filter_map(|(known, _)| own(known))).is_some())
}

fn hint(key: &str, known: &'static [(&'static str, Kind)]) -> Option<String> {
    did_you_mean(key, known.iter().map(|(known, _)| *known))
}

fn unknown(key: &str, path: &str, known: &'static [(&'static str, Kind)]) -> String {
    let hint = hint(key, known).map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("`{path}` is not known{hint}")
}

/// What is wrong with a value and what is below it.
fn check(node: &Node, kind: &Kind, path: &str) -> Vec<String> {
    // Nothing is said.
    if *node == Node::Null {
        return Vec::new();
    }
    let is_text = |node: &Node| node.text().is_some();
    let wrong = |wanted: &str| {
        let shown: String = node.to_json().to_string().chars().take(60).collect();
        vec![format!("`{path}` should be {wanted} and is `{shown}`")]
    };
    let fits = |fits: bool, wanted: &str| if fits { Vec::new() } else { wrong(wanted) };
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match kind {
        Any => Vec::new(),
        Text => fits(is_text(node), "a text"),
        Plain => fits(node.scalar_text().is_some(), "a text"),
        Flag => fits(node.bool().is_some(), "`true` or `false`"),
        Count => fits(node.u64().is_some(), "a whole number"),
        List => fits(matches!(node, Node::List(_)), "a list"),
        Texts => fits(matches!(node, Node::List(items) if items.iter().all(is_text)), "a list of texts"),
        Word(words) => {
            let is_known = node.text().is_some_and(|word| words.contains(&word));
            fits(is_known, &format!("`{}`", words.join("` or `")))
        }
        Names(kind) => match node {
            Node::Map(map) => map.iter().flat_map(|(key, value)| check(value, kind, &below(key))).collect(),
            _ => wrong("a map"),
        },
        Unless(words, known) => match node {
            Node::Map(_) => check(node, &Map(known), path),
            _ => {
                let is_known = node.bool().is_some() || node.text().is_some_and(|word| words.contains(&word));
                fits(is_known, "a map, or say that there is none")
            }
        },
        Map(known) => match node {
            Node::Map(map) => {
                let problems =
                    map.iter().filter(|(key, _)| !key.starts_with("x-")).flat_map(|(key, value)| {
                        match known.iter().find(|(known, _)| known == key) {
                            Some((_, kind)) => check(value, kind, &below(key)),
                            None => vec![unknown(key, &below(key), known)],
                        }
                    });
                problems.collect()
            }
            _ => wrong("a map"),
        },
    }
}
