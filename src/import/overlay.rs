//! What people decide about an imported API, kept apart from what is generated.
//!
//! *Owns*: reading overlay files, where they put operations, how they are merged.
//! *Does not own*: what the keys of a provider document mean, what no longer fits (`fit`).
//! *Invariants*: an overlay changes nothing but the documents it is written for; an import never changes an overlay.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use indexmap::IndexMap;

use super::api::{Api, operation_key};
use super::decide::Verb;
use super::report::Finding;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Document, Node};

/// The name of the overlay that is merged over `provider.yaml`.
pub(super) const PROVIDER: &str = "provider";

/// Keys that are for the import and not for the document.
const OWN_KEYS: [&str; 4] = ["operations", "x-skyql-paths", "x-skyql-whole", "describe"];

/// In a map of an overlay: the map takes the place of the generated one and is not merged with it.
const REPLACE: &str = "x-skyql-replace";

/// All overlays of a provider.
#[derive(Debug, Default)]
pub(super) struct Overlays {
    by_service: BTreeMap<String, Document>,
    placings: HashMap<String, Placing>,
    /// Path prefix → service.
    paths: Vec<(String, String)>,
}

/// Where a person put an operation.
#[derive(Debug, Clone, Default)]
pub(super) struct Placing {
    pub(super) service: String,
    pub(super) resource: Option<String>,
    pub(super) method: Option<String>,
    pub(super) aliases: Vec<String>,
    pub(super) verb: Option<Verb>,
    /// It is left out.
    pub(super) skip: bool,
}

impl Overlays {
    /// Reads overlay files: service → text.
    ///
    /// # Errors
    /// `Provider` with file and line for a text that is no overlay.
    pub(super) fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let mut overlays = Self::default();
        for (service, bytes) in files {
            let label = label(service);
            // A template is all comments.
            let only_comments = String::from_utf8_lossy(bytes).lines().all(|line| {
                let line = line.trim();
                line.is_empty() || line.starts_with('#')
            });
            if only_comments {
                continue;
            }
            let document = Document::parse(bytes, &label)?;
            for (key, said) in document.root.get("operations").into_iter().flat_map(Node::entries) {
                let placing = placing(&document, service, key, said)?;
                let Some((verb, path)) = key.trim().split_once(' ') else {
                    return Err(document
                        .error(format!("`{key}` is no operation"), &["operations", key])
                        .hint("operations are written `GET /parcels/{id}`"));
                };
                if overlays.placings.insert(operation_key(verb, path.trim()), placing).is_some() {
                    return Err(document.error(format!("`{key}` is in two overlays"), &["operations", key]));
                }
            }
            for path in document.root.get("x-skyql-paths").map_or(&[][..], Node::items) {
                let Some(path) = path.text() else {
                    return Err(document.error("a path is no text", &["x-skyql-paths"]));
                };
                overlays.paths.push((path.trim_end_matches('/').to_owned(), service.clone()));
            }
            overlays.by_service.insert(service.clone(), document);
        }
        overlays.paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Ok(overlays)
    }

    pub(super) fn placing(&self, key: &str) -> Option<&Placing> {
        self.placings.get(key)
    }

    /// The service whose overlay names the longest beginning of a path.
    pub(super) fn service_of_path(&self, path: &str) -> Option<String> {
        let holds =
            |prefix: &str| path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        self.paths.iter().find(|(prefix, _)| holds(prefix)).map(|(_, service)| service.clone())
    }

    /// Overlays of services, or operations, that the document no longer has.
    pub(super) fn unused(&self, api: &Api, services: &BTreeSet<String>) -> Vec<Finding> {
        let known: BTreeSet<String> = api.operations.iter().map(super::api::Operation::key).collect();
        let mut lost: Vec<(&String, &String)> = self
            .placings
            .iter()
            .filter(|(key, _)| !known.contains(*key))
            .map(|(key, placing)| (&placing.service, key))
            .collect();
        lost.sort();
        let lost = lost
            .into_iter()
            .map(|(service, key)| Finding::problem(label(service), format!("the document has no operation `{key}`")));
        let services = self
            .by_service
            .keys()
            .filter(|service| *service != PROVIDER && !services.contains(*service))
            .map(|service| Finding::problem(label(service), "the document has no such service"));
        lost.chain(services).collect()
    }

    /// Texts for names that no column or parameter has any more; `described` has the names that were met, by service.
    pub(super) fn undescribed(&self, described: &BTreeMap<String, BTreeSet<String>>) -> Vec<Finding> {
        let met = |overlay: &str, name: &str| {
            described.iter().any(|(service, names)| (overlay == service || overlay == PROVIDER) && names.contains(name))
        };
        let mut findings = Vec::new();
        for (overlay, document) in &self.by_service {
            for (name, _) in document.root.get("describe").into_iter().flat_map(Node::entries) {
                if !met(overlay, name) {
                    let what = format!("`describe` names `{name}`, which the document does not have");
                    findings.push(Finding::problem(label(overlay), what));
                }
            }
        }
        findings
    }

    /// What short texts stand for names: the service's own, then the provider's.
    pub(super) fn descriptions(&self, service: &str) -> HashMap<String, String> {
        let mut all = HashMap::new();
        for name in [PROVIDER, service] {
            let said = self.by_service.get(name).and_then(|document| document.root.get("describe"));
            for (key, text) in said.into_iter().flat_map(Node::entries) {
                if let Some(text) = text.text() {
                    all.insert(key.to_owned(), text.to_owned());
                }
            }
        }
        all
    }

    /// What the overlay of a service, or [`PROVIDER`], says of its document.
    pub(super) fn patch(&self, service: &str) -> Option<Node> {
        let document = self.by_service.get(service)?;
        let said = document.root.entries().filter(|(key, _)| !OWN_KEYS.contains(key));
        let patch = Node::Map(said.map(|(key, value)| (key.to_owned(), value.clone())).collect());
        Some(if document.root.says("x-skyql-whole") { replacing(patch) } else { patch })
    }
}

/// What to call the overlay of a service.
pub(super) fn label(service: &str) -> String {
    format!("overlay/{service}.yaml")
}

/// An overlay whose path items, components and resources take the place of the generated ones, unless one says
/// `x-skyql-replace: false`: what was written by hand stays as it is.
fn replacing(mut patch: Node) -> Node {
    fn mark(node: &mut Node) {
        if let Node::Map(entries) = node {
            for entry in entries.values_mut() {
                if let Node::Map(entry) = entry {
                    entry.entry(REPLACE.to_owned()).or_insert(Node::Bool(true));
                }
            }
        }
    }
    if let Node::Map(map) = &mut patch {
        if let Some(paths) = map.get_mut("paths") {
            mark(paths);
        }
        if let Some(Node::Map(sections)) = map.get_mut("components") {
            for section in sections.values_mut() {
                mark(section);
            }
        }
    }
    patch
}

fn placing(document: &Document, service: &str, key: &str, said: &Node) -> Result<Placing> {
    if said.text() == Some("skip") {
        return Ok(Placing { service: service.to_owned(), skip: true, ..Placing::default() });
    }
    let place = ["operations", key];
    if !said.is_map() && *said != Node::Null {
        return Err(document
            .error(format!("`{key}` should be a map or `skip`"), &place)
            .hint("the keys are `resource`, `method`, `aliases` and `verb`"));
    }
    for (word, _) in said.entries() {
        if !["resource", "method", "aliases", "verb", "skip"].contains(&word) {
            return Err(document
                .error(format!("`{word}` is not known here"), &["operations", key, word])
                .hint("the keys are `resource`, `method`, `aliases`, `verb` and `skip`"));
        }
    }
    let verb = match said.text_of("verb") {
        None => None,
        Some(word) => Some(Verb::of_key(word).ok_or_else(|| {
            document
                .error(format!("the verb `{word}` is not known"), &["operations", key, "verb"])
                .hint("the verbs are `select`, `insert`, `update`, `replace`, `delete` and `exec`")
        })?),
    };
    let text = |key: &str| said.text_of(key).map(str::to_owned);
    Ok(Placing {
        service: service.to_owned(),
        resource: text("resource"),
        method: text("method"),
        aliases: said
            .get("aliases")
            .map_or(&[][..], Node::items)
            .iter()
            .filter_map(Node::text)
            .map(str::to_owned)
            .collect(),
        verb,
        skip: said.says("skip"),
    })
}

/// JSON merge patch (RFC 7396): maps are merged, `null` removes, everything else replaces; a map that says
/// [`REPLACE`] replaces too.
pub(super) fn merge(target: &mut Node, patch: &Node) {
    let Node::Map(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch.get(REPLACE).and_then(Node::bool) == Some(true) {
        // As it is written: a null in there is one.
        let own = patch.iter().filter(|(key, _)| *key != REPLACE);
        *target = Node::Map(own.map(|(key, value)| (key.clone(), value.clone())).collect());
        return;
    }
    if !target.is_map() {
        *target = Node::Map(IndexMap::new());
    }
    let Node::Map(target) = target else { return };
    for (key, value) in patch {
        match value {
            _ if key == REPLACE => {} // said to us, and not to the document
            Node::Null => {
                target.shift_remove(key);
            }
            value => merge(target.entry(key.clone()).or_insert(Node::Null), value),
        }
    }
}

/// The value at a path of keys.
pub(super) fn at_mut<'n>(node: &'n mut Node, place: &[&str]) -> Option<&'n mut Node> {
    place.iter().try_fold(node, |node, key| match node {
        Node::Map(map) => map.get_mut(*key),
        _ => None,
    })
}

/// The text that an import puts where an overlay can be written.
pub(super) fn template(provider: &str, service: &str) -> String {
    if service == PROVIDER {
        return format!(
            "# What you decide about the provider `{provider}`. An import reads this file and never changes it.\n\
             # Everything but `describe` is merged over `provider.yaml`; `null` removes a key.\n\
             #\n\
             # title: {provider}\n\
             # describe:                 # short texts for columns and parameters of these names, in all services\n\
             #   created_at: When it was made\n\
             # config:\n\
             #   rateLimit: {{requests: 100, per: minute}}\n"
        );
    }
    format!(
        "# What you decide about the service `{service}` of `{provider}`. An import reads this file and never changes it:\n\
         # edit it, then import the document again.\n\
         #\n\
         # operations:               # which operation is what: resource, method, aliases, verb\n\
         #   GET /parcels/{{id}}: {{resource: parcels, verb: select}}\n\
         #   POST /internal: skip\n\
         # x-skyql-paths: [/parcels] # operations below these paths belong to this service\n\
         # describe:                 # short texts for columns and parameters of these names\n\
         #   created_at: When it was made\n\
         #\n\
         # Everything else is merged over services/{service}.yaml; `null` removes a key, and a map with\n\
         # `x-skyql-replace: true` takes the place of the generated one:\n\
         #\n\
         # components:\n\
         #   x-stackQL-resources:\n\
         #     parcels:\n\
         #       keys: {{id: id}}\n\
         #       config:\n\
         #         pagination: {{kind: none}}\n"
    )
}

/// Refuses a name that cannot be a provider's.
///
/// # Errors
/// `InvalidArgument`.
pub fn check_name(name: &str) -> Result<()> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if starts_well && plain && name.len() <= 63 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` cannot be the name of a provider"))
        .hint("names are small letters, digits and underscores, and begin with a letter: `acme`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(target: &str, patch: &str) -> String {
        let mut target = Document::parse(target.as_bytes(), "a.yaml").unwrap().root;
        merge(&mut target, &Document::parse(patch.as_bytes(), "b.yaml").unwrap().root);
        target.to_json().to_string()
    }

    #[test]
    fn overlays_are_merge_patches() {
        for (target, patch, expected) in [
            ("{a: 1, b: {c: 2, d: 3}}", "{b: {c: 4}}", r#"{"a":1,"b":{"c":4,"d":3}}"#),
            ("{a: 1, b: 2}", "{a: null}", r#"{"b":2}"#),
            ("{a: [1, 2]}", "{a: [3]}", r#"{"a":[3]}"#),
            ("{a: {b: 1, c: 2}}", "{a: {x-skyql-replace: true, d: null}}", r#"{"a":{"d":null}}"#),
            ("{a: 1}", "{a: {b: {c: 1}}}", r#"{"a":{"b":{"c":1}}}"#),
            ("{a: {b: 1}}", "{}", r#"{"a":{"b":1}}"#),
        ] {
            assert_eq!(merged(target, patch), expected, "{patch}");
        }
    }

    #[test]
    fn what_is_written_whole_replaces() {
        let text = "x-skyql-whole: true\npaths: {/a: {get: {x: 1}}}\ncomponents: {schemas: {A: {b: 1}, C: {x-skyql-replace: false, d: 1}}}\n";
        let files = BTreeMap::from([("s".to_owned(), text.as_bytes().to_vec())]);
        let mut target = Document::parse(
            b"paths: {/a: {post: {}}, /b: {}}\ncomponents: {schemas: {A: {z: 1}, C: {z: 1}}}\n",
            "g.yaml",
        )
        .unwrap()
        .root;
        merge(&mut target, &Overlays::read(&files).unwrap().patch("s").unwrap());
        assert_eq!(
            target.to_json(),
            serde_json::json!({"paths": {"/a": {"get": {"x": 1}}, "/b": {}}, "components": {"schemas": {"A": {"b": 1}, "C": {"z": 1, "d": 1}}}})
        );
    }

    #[test]
    fn wrong_overlays_are_errors_that_say_where() {
        for (text, message) in [
            ("operations: {GET: {}}", "`GET` is no operation"),
            ("operations:\n  GET /a: {verb: choose}\n", "the verb `choose` is not known"),
            ("operations:\n  GET /a: {resorce: x}\n", "`resorce` is not known here"),
            ("operations:\n  GET /a: 3\n", "should be a map or `skip`"),
            ("x-skyql-paths: [1]", "a path is no text"),
        ] {
            let files = BTreeMap::from([("shop".to_owned(), text.as_bytes().to_vec())]);
            let error = Overlays::read(&files).unwrap_err();
            assert!(error.message().contains(message), "{text}: {error}");
            assert_eq!(error.context_value("file"), Some("overlay/shop.yaml"));
        }
        let twice = BTreeMap::from([
            ("a".to_owned(), b"operations: {GET /x/{id}: {}}".to_vec()),
            ("b".to_owned(), b"operations: {'GET /x/{other}': {}}".to_vec()),
        ]);
        assert!(Overlays::read(&twice).is_err());
    }

    #[test]
    fn templates_say_nothing() {
        for service in ["shop", PROVIDER] {
            let files = BTreeMap::from([(service.to_owned(), template("acme", service).into_bytes())]);
            assert!(Overlays::read(&files).unwrap().by_service.is_empty());
        }
    }

    #[test]
    fn names_of_providers() {
        for name in ["acme", "acme_2", "_1"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "Acme", "a.b", "a b", "1a", "a/../b", "é"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
