//! Decisions → provider documents.
//!
//! *Owns*: what of a document a service needs, and the form in which provider documents say what was decided.
//! *Does not own*: the decisions.
//! *Invariants*: what is written has no reference that leads nowhere; names of properties are never taken for keys of
//! OpenAPI.

use std::collections::{BTreeSet, HashMap};

use indexmap::IndexMap;

use super::answer::{Answer, Kind};
use super::api::{Api, Operation};
use super::decide::{Decision, Verb};
use super::report::Finding;
use super::words::title;
use crate::error::fold_name;
use crate::provider::Node;

/// What is kept of the texts of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Descriptions {
    /// The first paragraph of each.
    #[default]
    Keep,
    /// None: the structure only.
    Drop,
}

/// What a service's document is made from.
pub(super) struct Making<'a> {
    pub(super) provider: &'a str,
    pub(super) version: &'a str,
    pub(super) service: &'a str,
    pub(super) api: &'a Api,
    pub(super) answers: &'a [Answer],
    /// The service's own decisions.
    pub(super) decisions: Vec<&'a Decision>,
    pub(super) descriptions: Descriptions,
    /// Short texts by name.
    pub(super) glossary: HashMap<String, String>,
}

/// A service's document.
pub(super) struct Made {
    pub(super) document: Node,
    /// What could not be kept.
    pub(super) lost: Vec<Finding>,
    /// The names of the glossary that the service has.
    pub(super) described: BTreeSet<String>,
}

/// Makes a service's document.
pub(super) fn service_document(making: &Making<'_>) -> Made {
    let root = &making.api.root;
    let mut copier = Copier {
        root,
        descriptions: making.descriptions,
        glossary: &making.glossary,
        sections: IndexMap::new(),
        queue: Vec::new(),
        parts: HashMap::new(),
        dangling: BTreeSet::new(),
        described: BTreeSet::new(),
    };
    let mut paths: IndexMap<String, Node> = IndexMap::new();
    for decision in &making.decisions {
        let Some(operation) = making.api.operations.get(decision.operation) else { continue };
        let Some(item) = making.api.path_item(operation) else { continue };
        let entry = paths.entry(operation.path.clone()).or_insert_with(|| {
            let shared = item.entries().filter(|(key, _)| matches!(*key, "parameters" | "servers"));
            let kept = shared.filter_map(|(key, value)| Some((key.to_owned(), copier.copy(value, Place::Object)?)));
            let mut kept: IndexMap<String, Node> = kept.collect();
            fit_parameters(&mut kept, &operation.path);
            Node::Map(kept)
        });
        if let (Node::Map(entry), Some(node)) = (entry, making.api.node(operation)) {
            entry.insert(operation.verb.to_owned(), copier.operation(node, operation));
        }
    }
    copier.finish();
    let title = format!("{} {}", making.provider, making.service);
    let mut document = IndexMap::new();
    let version = root.text_of("openapi").unwrap_or("3.0.3");
    document.insert("openapi".to_owned(), text(version));
    document.insert("info".to_owned(), map([("title", text(&title)), ("version", text(making.version))]));
    let servers = root.get("servers").and_then(|servers| copier.copy(servers, Place::Object));
    document.insert("servers".to_owned(), servers.unwrap_or(Node::List(Vec::new())));
    document.insert("paths".to_owned(), Node::Map(paths));
    let mut components: IndexMap<String, Node> =
        copier.sections.into_iter().map(|(section, entries)| (section, Node::Map(entries))).collect();
    components.sort_keys();
    components.insert("x-stackQL-resources".to_owned(), resources(making));
    document.insert("components".to_owned(), Node::Map(components));
    // What other documents do not have was said where they were joined.
    let parts = format!("#/components/{}/", super::bundle::PARTS);
    let lost = copier.dangling.into_iter().filter(|reference| !reference.starts_with(&parts)).map(|reference| {
        Finding::problem(
            format!("{}.{}", making.provider, making.service),
            format!("`{reference}` is referred to and not in the document: what needs it is taken to be anything"),
        )
    });
    Made { document: Node::Map(document), lost: lost.collect(), described: copier.described }
}

/// The resources of a service.
fn resources(making: &Making<'_>) -> Node {
    let mut resources: IndexMap<String, Vec<&Decision>> = IndexMap::new();
    for decision in &making.decisions {
        resources.entry(decision.resource.clone()).or_default().push(decision);
    }
    resources.sort_keys();
    let built = resources.into_iter().map(|(name, decisions)| {
        let node = resource(making, &name, &decisions);
        (name, node)
    });
    Node::Map(built.collect())
}

fn resource(making: &Making<'_>, name: &str, decisions: &[&Decision]) -> Node {
    let methods = decisions.iter().map(|decision| (decision.method.clone(), method(making, decision)));
    let mut verbs: IndexMap<String, Node> = IndexMap::new();
    for verb in Verb::LISTED {
        let mut serving: Vec<&&Decision> = decisions.iter().filter(|decision| decision.verb == verb).collect();
        let parameters = |decision: &Decision| {
            making.api.operations.get(decision.operation).map_or(0, |operation| operation.shape.matches("{}").count())
        };
        // The more is given, the nearer the method.
        serving.sort_by_key(|decision| std::cmp::Reverse(parameters(decision)));
        let references = serving.iter().map(|decision| {
            let key = decision.method.replace('~', "~0").replace('/', "~1");
            map([("$ref", Node::Text(format!("#/components/x-stackQL-resources/{name}/methods/{key}")))])
        });
        verbs.insert(verb.key().to_owned(), Node::List(references.collect()));
    }
    map([
        ("id", Node::Text(format!("{}.{}.{name}", making.provider, making.service))),
        ("name", text(name)),
        ("title", Node::Text(title(name))),
        ("methods", Node::Map(methods.collect())),
        ("sqlVerbs", Node::Map(verbs)),
    ])
}

fn method(making: &Making<'_>, decision: &Decision) -> Node {
    let mut method: IndexMap<String, Node> = IndexMap::new();
    let Some(operation) = making.api.operations.get(decision.operation) else { return Node::Map(method) };
    if !decision.aliases.is_empty() {
        method.insert("aliases".to_owned(), Node::List(decision.aliases.iter().map(|alias| text(alias)).collect()));
    }
    let pointer = operation.path.replace('~', "~0").replace('/', "~1");
    method.insert("operation".to_owned(), map([("$ref", Node::Text(format!("#/paths/{pointer}/{}", operation.verb)))]));
    let mut config: IndexMap<String, Node> = IndexMap::new();
    if making.api.node(operation).is_some_and(|node| node.get("requestBody").is_some()) {
        config.insert("requestBodyTranslate".to_owned(), map([("algorithm", text("naive"))]));
    }
    if let Some(name) = idempotency_header(making.api, operation) {
        config.insert("idempotencyKey".to_owned(), map([("name", text(name)), ("location", text("header"))]));
    }
    if !config.is_empty() {
        method.insert("config".to_owned(), Node::Map(config));
    }
    if let Some(answer) = making.answers.get(decision.operation) {
        let mut response: IndexMap<String, Node> = IndexMap::new();
        if let Some(media) = &answer.media {
            response.insert("mediaType".to_owned(), text(media));
        }
        if let Some(status) = &answer.status {
            response.insert("openAPIDocKey".to_owned(), text(status));
        }
        // What a write answers is what `RETURNING` gives.
        if let Kind::Rows(rows) = &answer.kind
            && rows.path != "$"
            && (decision.verb == Verb::Select || (!rows.many && decision.verb != Verb::Exec))
        {
            response.insert("objectKey".to_owned(), text(&rows.path));
        }
        if !response.is_empty() {
            method.insert("response".to_owned(), Node::Map(response));
        }
    }
    Node::Map(method)
}

/// The header by which the API knows a POST again. Its name has that meaning alone (IETF draft "The Idempotency-Key HTTP
/// Header Field", §2).
fn idempotency_header<'a>(api: &'a Api, operation: &Operation) -> Option<&'a str> {
    let holders =
        [api.path_item(operation), api.node(operation)].into_iter().flatten().filter(|_| operation.verb == "post");
    let written = holders.flat_map(|holder| holder.get("parameters").map_or(&[][..], Node::items));
    let mut headers = written.map(|node| api.follow(node)).filter(|node| node.text_of("in") == Some("header"));
    headers.find_map(|node| {
        let is_key = |name: &&str| matches!(fold_name(name).as_str(), "idempotencykey" | "xidempotencykey");
        node.text_of("name").filter(is_key)
    })
}

/// The provider's own document.
pub(super) fn provider_document(api: &Api, provider: &str, version: &str, services: &[String], auth: Node) -> Node {
    let entries = services.iter().map(|service| {
        let reference = map([("$ref", Node::Text(format!("{provider}/{version}/services/{service}.yaml")))]);
        let entry = map([
            ("id", Node::Text(format!("{service}:{version}"))),
            ("name", text(service)),
            ("preferred", Node::Bool(true)),
            ("title", Node::Text(title(service))),
            ("version", text(version)),
            ("description", text("")),
            ("service", reference),
        ]);
        (service.clone(), entry)
    });
    let info = api.root.get("info");
    let of =
        |key: &str| info.and_then(|info| info.get(key)).and_then(Node::scalar_text).map(std::borrow::Cow::into_owned);
    let mut document = IndexMap::from([
        ("id".to_owned(), text(provider)),
        ("name".to_owned(), text(provider)),
        ("version".to_owned(), text(version)),
        ("title".to_owned(), Node::Text(of("title").unwrap_or_else(|| title(provider)))),
    ]);
    if let Some(version) = of("version") {
        document.insert("x-skyql-imported".to_owned(), map([("version", Node::Text(version))]));
    }
    document.insert("providerServices".to_owned(), Node::Map(entries.collect()));
    document.insert("config".to_owned(), map([("auth", auth)]));
    Node::Map(document)
}

fn text(value: &str) -> Node {
    Node::Text(value.to_owned())
}

pub(super) fn map<const N: usize>(entries: [(&str, Node); N]) -> Node {
    Node::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Where a value stands: what its keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Its keys are OpenAPI's.
    Object,
    /// Its keys are names that the API gave.
    Names,
    /// Its keys are names that the glossary may know: of properties, of a server's variables.
    Described,
    /// It is data.
    Literal,
}

/// Copies parts of a document, with all they refer to.
struct Copier<'a> {
    root: &'a Node,
    descriptions: Descriptions,
    glossary: &'a HashMap<String, String>,
    /// Section → name → what stands there.
    sections: IndexMap<String, IndexMap<String, Node>>,
    queue: Vec<(String, String)>,
    /// Pointers outside the sections → the schema that holds what they mean.
    parts: HashMap<String, String>,
    dangling: BTreeSet<String>,
    described: BTreeSet<String>,
}

impl Copier<'_> {
    fn operation(&mut self, node: &Node, operation: &Operation) -> Node {
        let mut kept: IndexMap<String, Node> = IndexMap::new();
        for (key, value) in node.entries() {
            let value = match key {
                "operationId" => Some(value.clone()),
                "summary" | "description" => self.described(value),
                "deprecated" if node.says("deprecated") => Some(value.clone()),
                "parameters" | "requestBody" | "servers" => self.copy(value, Place::Object),
                "responses" => Some(self.responses(value)),
                _ => None,
            };
            if let Some(value) = value {
                kept.insert(key.to_owned(), value);
            }
        }
        fit_parameters(&mut kept, &operation.path);
        Node::Map(kept)
    }

    /// Successes only: what errors look like is the same for all, and nothing reads it here.
    fn responses(&mut self, node: &Node) -> Node {
        let is_success = |status: &str| status.starts_with('2');
        let any = node.entries().any(|(status, _)| is_success(status));
        let kept = node.entries().filter(|(status, _)| if any { is_success(status) } else { *status == "default" });
        let kept: Vec<(String, Node)> = kept.map(|(status, value)| (status.to_owned(), value.clone())).collect();
        let kept = kept.into_iter().filter_map(|(status, value)| Some((status, self.copy(&value, Place::Object)?)));
        Node::Map(kept.collect())
    }

    fn described(&self, value: &Node) -> Option<Node> {
        let text = value.text().filter(|_| self.descriptions == Descriptions::Keep)?;
        let paragraph = text.trim().split("\n\n").next().unwrap_or_default();
        let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        (!line.is_empty()).then_some(Node::Text(line))
    }

    /// A copy; `None` for a reference that leads nowhere.
    fn copy(&mut self, node: &Node, place: Place) -> Option<Node> {
        match node {
            Node::Map(entries) if place == Place::Literal => Some(Node::Map(entries.clone())),
            Node::Map(entries) => {
                if let (Some(reference), true) = (entries.get("$ref").and_then(Node::text), place == Place::Object) {
                    let reference = self.reference(reference)?;
                    let mut kept = IndexMap::from([("$ref".to_owned(), Node::Text(reference))]);
                    if let Some(text) = entries.get("description").and_then(|text| self.described(text)) {
                        kept.insert("description".to_owned(), text);
                    }
                    return Some(Node::Map(kept));
                }
                let mut kept = IndexMap::with_capacity(entries.len());
                for (key, value) in entries {
                    let copied = match place {
                        Place::Object => self.value(key, value),
                        _ => Some(self.copy(value, Place::Object).unwrap_or_else(|| Node::Map(IndexMap::new()))),
                    };
                    let Some(mut copied) = copied else { continue };
                    if place == Place::Described {
                        self.describe(key, &mut copied);
                    }
                    kept.insert(key.clone(), copied);
                }
                if place == Place::Object
                    && let (Some(name), Some(_)) = (node.text_of("name"), node.text_of("in"))
                {
                    let mut parameter = Node::Map(kept);
                    self.describe(name, &mut parameter);
                    return Some(parameter);
                }
                Some(Node::Map(kept))
            }
            Node::List(items) if place == Place::Literal => Some(Node::List(items.clone())),
            Node::List(items) => {
                Some(Node::List(items.iter().filter_map(|item| self.copy(item, Place::Object)).collect()))
            }
            scalar => Some(scalar.clone()),
        }
    }

    /// A value below one of OpenAPI's own keys; `None` for what is not needed.
    fn value(&mut self, key: &str, value: &Node) -> Option<Node> {
        match key {
            "example" | "examples" | "externalDocs" | "callbacks" | "links" | "tags" | "security" | "xml"
            | "$schema" | "title" => None,
            "description" | "summary" => self.described(value),
            "properties" | "variables" => self.copy(value, Place::Described),
            "patternProperties" | "definitions" | "$defs" | "dependentSchemas" | "schemas" | "headers" | "content"
            | "encoding" => self.copy(value, Place::Names),
            "parameters" | "responses" | "requestBodies" if value.is_map() => self.copy(value, Place::Names),
            "default" | "enum" | "const" | "required" | "mapping" => Some(value.clone()),
            key if key.starts_with("x-skyql-") || key.starts_with("x-stackQL-") => Some(value.clone()),
            key if key.starts_with("x-") => None,
            _ => self.copy(value, Place::Object),
        }
    }

    fn describe(&mut self, name: &str, node: &mut Node) {
        if let (Some(text), Node::Map(map)) = (self.glossary.get(name), node) {
            self.described.insert(name.to_owned());
            map.entry("description".to_owned()).or_insert_with(|| Node::Text(text.clone()));
        }
    }

    /// The reference as the new document has it; what it means is copied too.
    fn reference(&mut self, reference: &str) -> Option<String> {
        let pointer = reference.strip_prefix('#').unwrap_or(reference);
        let decode = |raw: &str| {
            let decoded = percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned();
            decoded.replace("~1", "/").replace("~0", "~")
        };
        let steps: Vec<String> = pointer.split('/').skip(1).map(decode).collect();
        let mut found = Some(self.root);
        for step in &steps {
            found = found.and_then(|node| match node {
                Node::List(items) => items.get(step.parse::<usize>().ok()?),
                node => node.get(step),
            });
        }
        if let [first, section, name, ..] = steps.as_slice()
            && first == "components"
            && (found.is_some() || self.root.at(&["components", section, name]).is_some())
        {
            let known = self.sections.get(section).is_some_and(|entries| entries.contains_key(name));
            if !known {
                self.sections.entry(section.clone()).or_default().insert(name.clone(), Node::Null);
                self.queue.push((section.clone(), name.clone()));
            }
            return Some(reference.to_owned());
        }
        let Some(found) = found else {
            self.dangling.insert(reference.to_owned());
            return None;
        };
        if let Some(name) = self.parts.get(pointer) {
            return Some(format!("#/components/schemas/{name}"));
        }
        let name = format!("part_{}", self.parts.len() + 1);
        self.parts.insert(pointer.to_owned(), name.clone());
        let found = found.clone();
        let copied = self.copy(&found, Place::Object).unwrap_or_else(|| Node::Map(IndexMap::new()));
        self.sections.entry("schemas".to_owned()).or_default().insert(name.clone(), copied);
        Some(format!("#/components/schemas/{name}"))
    }

    /// Copies what was referred to, and what that refers to.
    fn finish(&mut self) {
        while let Some((section, name)) = self.queue.pop() {
            let found = self.root.at(&["components", &section, &name]).cloned();
            let copied = found.and_then(|node| self.copy(&node, Place::Object));
            let copied = copied.unwrap_or_else(|| Node::Map(IndexMap::new()));
            self.sections.entry(section).or_default().insert(name, copied);
        }
        for entries in self.sections.values_mut() {
            entries.sort_keys();
        }
    }
}

/// Leaves out path parameters that the path does not have: those of a variable that became the server's.
fn fit_parameters(holder: &mut IndexMap<String, Node>, path: &str) {
    if let Some(Node::List(parameters)) = holder.get_mut("parameters") {
        let stays = |parameter: &Node| {
            parameter.text_of("in") != Some("path")
                || parameter.text_of("name").is_none_or(|name| path.contains(&format!("{{{name}}}")))
        };
        parameters.retain(stays);
        if parameters.is_empty() {
            holder.shift_remove("parameters");
        }
    }
}
