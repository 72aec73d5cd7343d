//! What is wrong, or not said, in provider documents.
//!
//! *Owns*: the rules, their names, and which exceptions a document may make.
//! *Does not own*: reading documents (`provider`).
//! *Invariants*: every place that breaks a rule is reported once; an exception has a reason, or is none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::summary::may_have_pages;
use crate::error::{Result, did_you_mean, fold_name};
use crate::provider::{
    Auth, BodyMedia, Document, DocumentSource, ItemShape, Location, Method, Node, PageKind, Parameter, Provider,
    Registry, Resource, Service, ValueType,
};

mod known;

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// `acme.shop.parcels.list`.
    pub place: String,
    /// The rule's name.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
}

/// The rules and what they ask for.
pub const RULES: [(&str, &str); 12] = [
    ("loads", "the service's document can be read"),
    ("references", "every `$ref` leads somewhere, and `describe` names columns and parameters that are there"),
    (
        "request",
        "every method can be called: it has a server, a credential that can be sent and a body that can be written",
    ),
    ("pagination", "every list says how its pages follow one another, or that one answer is all (`kind: none`)"),
    ("keys", "every resource whose rows have an identity declares `keys`, with parameters and columns that exist"),
    ("names", "no two services, resources, methods, parameters or columns have names that SQL cannot tell apart"),
    ("columns", "every column has a type"),
    ("same-name", "a parameter named like a column says whether it means the same (`x-skyql-column`)"),
    ("examples", "examples of answers hold rows where the document says, with values of the columns' types"),
    ("known-keys", "keys that skyql reads have names that it knows and values that it understands"),
    ("sandbox", "hints for the sandbox name resources, columns, parameters and methods that are there"),
    ("exceptions", "an exception is from a rule that there is, gives a reason, and is needed"),
];

/// Checks one provider of a source; nothing is found in a good one.
///
/// # Errors
/// `NameNotFound` when the source has no such provider; `Provider` when its `provider.yaml` cannot be read.
pub fn lint(name: &str, source: &Arc<dyn DocumentSource>) -> Result<Vec<Problem>> {
    let registry = Registry::new(vec![Arc::clone(source)], None);
    let provider = registry.provider(name)?;
    let name = provider.name.clone();
    let mut found = Found::default();
    known::provider(registry.provider_document(&name)?, &name, &mut found);
    for twin in collisions(provider.services.keys().map(String::as_str), fold_name) {
        found.add(&name, "names", format!("the services {twin} differ in case and separators only"));
    }
    for entry in provider.services.values() {
        let place = format!("{name}.{}", entry.name);
        match registry.service(&name, &entry.name) {
            Ok(service) => {
                let document = read(source, &entry.path)?;
                exceptions(&document, &place, &mut found);
                references(&document, &place, &mut found);
                known::service(&document, &place, &mut found);
                resources(
                    &service.resources.values().map(Arc::clone).collect::<Vec<_>>(),
                    &place,
                    &document,
                    &mut found,
                );
                hosts(&registry, &provider, &service, &place, &mut found);
                found.unneeded(&place);
            }
            Err(error) => found.add(&place, "loads", error.to_string()),
        }
    }
    let mut problems = found.problems;
    problems.sort();
    problems.dedup();
    Ok(problems)
}

fn read(source: &Arc<dyn DocumentSource>, path: &str) -> Result<Document> {
    let bytes = source.read(path).or_else(|error| {
        // A directory of another name or version: the registry found it beside its `provider.yaml`.
        let below = path.splitn(3, '/').nth(2).unwrap_or(path);
        let files = source.provider_files()?;
        let own = files.first().and_then(|file| file.rsplit_once('/')).map_or("", |(directory, _)| directory);
        source.read(&format!("{own}/{below}")).map_err(|_| error)
    })?;
    Document::parse(&bytes, &source.display_path(path))
}

#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    /// Resource or `resource.method` → the exceptions that the document makes.
    exceptions: HashMap<String, Vec<Exception>>,
}

struct Exception {
    rule: String,
    is_needed: bool,
}

impl Found {
    fn add(&mut self, place: &str, rule: &'static str, message: impl Into<String>) {
        let local = place.splitn(3, '.').nth(2).unwrap_or_default();
        let resource = local.split('.').next().unwrap_or_default();
        for key in [local, resource] {
            let mut excepted = self.exceptions.get_mut(key).into_iter().flatten();
            if let Some(exception) = excepted.find(|exception| exception.rule == rule) {
                exception.is_needed = true;
                return;
            }
        }
        self.problems.push(Problem { place: place.to_owned(), rule, message: message.into() });
    }

    /// Ends a service: exceptions that nothing needs hide what comes later.
    fn unneeded(&mut self, service: &str) {
        for (local, exceptions) in std::mem::take(&mut self.exceptions) {
            for exception in exceptions.iter().filter(|exception| !exception.is_needed) {
                let message = format!("nothing here breaks `{}`: the exception is not needed", exception.rule);
                self.add(&format!("{service}.{local}"), "exceptions", message);
            }
        }
    }
}

/// `x-skyql-lint: {rule: reason}` of resources and methods.
fn exceptions(document: &Document, service: &str, found: &mut Found) {
    let mut all: HashMap<String, Vec<Exception>> = HashMap::new();
    let mut read = |place: String, node: &Node, found: &mut Found| {
        for (rule, reason) in node.get("x-skyql-lint").into_iter().flat_map(Node::entries) {
            let mut wrong = |message: String| found.add(&format!("{service}.{place}"), "exceptions", message);
            let rules = RULES.iter().map(|(name, _)| *name);
            if !rules.clone().any(|name| name == rule) {
                let hint = did_you_mean(rule, rules).map(|hint| format!("; {hint}")).unwrap_or_default();
                wrong(format!("there is no rule `{rule}`{hint}"));
            } else if reason.text().is_none_or(|reason| reason.trim().is_empty()) {
                wrong(format!("the exception from `{rule}` gives no reason"));
            } else {
                let exception = Exception { rule: rule.to_owned(), is_needed: false };
                all.entry(place.clone()).or_default().push(exception);
            }
        }
    };
    for (resource, node) in written_resources(document) {
        read(resource.to_owned(), node, found);
        for (method, node) in node.get("methods").into_iter().flat_map(Node::entries) {
            read(format!("{resource}.{method}"), node, found);
        }
    }
    found.exceptions = all;
}

/// The resources of a document by their names, which may be others than their keys.
fn written_resources(document: &Document) -> impl Iterator<Item = (&str, &Node)> {
    let written = document.root.at(&["components", "x-stackQL-resources"]).into_iter().flat_map(Node::entries);
    written.filter_map(|(key, node)| {
        let node = document.follow(node)?;
        Some((node.text_of("name").unwrap_or(key), node))
    })
}

fn written_resource<'d>(document: &'d Document, name: &str) -> Option<&'d Node> {
    written_resources(document).find(|(known, _)| *known == name).map(|(_, node)| node)
}

/// What the keys of a map are.
#[derive(Clone, Copy)]
enum Keys {
    /// The format's.
    Format,
    /// Names that somebody gave.
    Given,
}

/// What stands below a key of the format; nothing for data, in which a `$ref` is none.
fn below(key: &str, value: &Node) -> Option<Keys> {
    match key {
        "default" | "enum" | "const" | "example" | "value" | "mapping" | "sandbox" | "describe" | "base" | "equals" => {
            None
        }
        "examples" if !value.is_map() => None,
        key if key.starts_with("x-skyql-") => None,
        "paths"
        | "properties"
        | "patternProperties"
        | "definitions"
        | "$defs"
        | "dependentSchemas"
        | "schemas"
        | "responses"
        | "parameters"
        | "requestBodies"
        | "headers"
        | "content"
        | "encoding"
        | "examples"
        | "links"
        | "callbacks"
        | "variables"
        | "securitySchemes"
        | "pathItems"
        | "methods"
        | "x-stackQL-resources" => Some(Keys::Given),
        _ => Some(Keys::Format),
    }
}

/// Calls `visit` with every map whose keys are the format's, and with the path to it.
fn each_object<'n>(node: &'n Node, keys: Keys, path: &mut Vec<&'n str>, visit: &mut impl FnMut(&[&'n str], &'n Node)) {
    match node {
        Node::Map(map) => {
            if matches!(keys, Keys::Format) {
                visit(path, node);
            }
            for (key, value) in map {
                let below = if matches!(keys, Keys::Format) { below(key, value) } else { Some(Keys::Format) };
                if let Some(below) = below {
                    path.push(key);
                    each_object(value, below, path, visit);
                    path.pop();
                }
            }
        }
        Node::List(items) => items.iter().for_each(|item| each_object(item, Keys::Format, path, visit)),
        _ => {}
    }
}

fn references(document: &Document, place: &str, found: &mut Found) {
    let mut all = BTreeSet::new();
    each_object(&document.root, Keys::Format, &mut Vec::new(), &mut |_, node| all.extend(node.text_of("$ref")));
    for reference in all {
        if document.resolve(reference).and_then(|node| document.follow(node)).is_none() {
            found.add(place, "references", format!("`{reference}` is not in the document"));
        }
    }
}

fn resources(resources: &[Arc<Resource>], service: &str, document: &Document, found: &mut Found) {
    for twin in collisions(resources.iter().map(|resource| resource.name.as_str()), fold_name) {
        found.add(service, "names", format!("the resources {twin} differ in case and separators only"));
    }
    for resource in resources {
        let place = format!("{service}.{}", resource.name);
        let names = resource
            .methods
            .values()
            .flat_map(|m| std::iter::once(m.name.as_str()).chain(m.aliases.iter().map(String::as_str)));
        for twin in collisions(names, fold_name) {
            found.add(
                &place,
                "names",
                format!("the methods {twin} differ in case and separators only, or stand twice"),
            );
        }
        let selects = || resource.methods_of(&resource.verbs.select);
        let columns: BTreeSet<&str> =
            selects().flat_map(|method| &method.response.columns).map(|column| column.name.as_str()).collect();
        for twin in collisions(columns.into_iter(), str::to_lowercase) {
            found.add(&place, "names", format!("the columns {twin} differ in case only"));
        }
        keys(resource, &place, found);
        texts(resource, document, &place, found);
        for method in resource.methods.values() {
            let place = format!("{place}.{}", method.name);
            request(method, &place, found);
            if resource.verb_of(&method.name) == "SELECT" {
                select(resource, method, &place, found);
                examples(document, resource, method, &place, found);
            }
        }
    }
}

/// `describe`: a text for what is no longer there was meant for something.
fn texts(resource: &Resource, document: &Document, place: &str, found: &mut Found) {
    let said = written_resource(document, &resource.name).and_then(|resource| resource.get("describe"));
    for (name, _) in said.into_iter().flat_map(Node::entries) {
        let known = resource.methods.values().any(|method| {
            method.parameter(name).is_some() || method.response.columns.iter().any(|column| column.name == name)
        });
        if !known {
            found.add(
                place,
                "references",
                format!("`describe` names `{name}`, which no column or parameter is called"),
            );
        }
    }
}

/// Names that fold to the same, in backticks.
fn collisions<'n>(names: impl Iterator<Item = &'n str>, fold: fn(&str) -> String) -> Vec<String> {
    let mut by_fold: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        by_fold.entry(fold(name)).or_default().push(name);
    }
    let twins = by_fold.into_values().filter(|names| names.len() > 1);
    twins.map(|names| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")).collect()
}

fn request(method: &Method, place: &str, found: &mut Found) {
    if method.server.is_empty() {
        found.add(place, "request", "no server: neither the operation nor the document says where the API is");
    }
    if let Auth::Unsupported { kind } = &method.auth {
        found.add(place, "request", format!("the credential `{kind}` cannot be sent"));
    }
    if let Some(body) = &method.request
        && matches!(body.media, BodyMedia::Form | BodyMedia::Multipart)
        && let Some(ty) = body.ty.filter(|ty| !matches!(ty, ValueType::Object | ValueType::Any))
    {
        found.add(
            place,
            "request",
            format!("the body is a form, which has fields and cannot be of type {}", ty.name()),
        );
    }
    // A field may be called like a parameter: it is then `data__…`.
    for is_field in [false, true] {
        let names = method.parameters.iter().filter(|p| (p.location == Location::Body) == is_field);
        for twin in collisions(names.map(|parameter| parameter.name.as_str()), fold_name) {
            found.add(place, "names", format!("the parameters {twin} differ in case and separators only"));
        }
    }
    for parameter in &method.parameters {
        let nested = matches!(parameter.ty, ValueType::Object);
        if parameter.required && nested && matches!(parameter.location, Location::Path | Location::Header) {
            found.add(
                place,
                "request",
                format!("the {} parameter `{}` is an object", parameter.location, parameter.name),
            );
        }
    }
}

/// A host that only the user can name takes a credential of its own: one that methods of another host take as well would
/// go to whatever is named.
fn hosts(registry: &Registry, provider: &Provider, service: &Service, place: &str, found: &mut Found) {
    let host = |method: &Method| {
        let rest = method.server.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default().to_owned()
    };
    let is_named_by_user = |method: &Method, host: &str| {
        let variable = host.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let is_free = |parameter: &Parameter| parameter.default.is_none() && parameter.values.is_empty();
        let of_server = || method.parameters.iter().filter(|parameter| parameter.location == Location::Server);
        variable.is_some_and(|name| of_server().any(|parameter| parameter.wire == name && is_free(parameter)))
    };
    let services = || provider.services.values().filter_map(|entry| registry.service(&provider.name, &entry.name).ok());
    for resource in service.resources.values() {
        for method in resource.methods.values() {
            let own = host(method);
            if method.auth.variables().is_empty() || !is_named_by_user(method, &own) {
                continue;
            }
            let shares = |other: &Arc<Method>| other.auth == method.auth && host(other) != own;
            let is_shared =
                services().any(|service| service.resources.values().any(|r| r.methods.values().any(shares)));
            if is_shared {
                found.add(
                    &format!("{place}.{}.{}", resource.name, method.name),
                    "request",
                    format!("the host `{own}` is anything, and gets the credential of other hosts: it needs an `auth` of its own"),
                );
            }
        }
    }
}

fn select(resource: &Resource, method: &Method, place: &str, found: &mut Found) {
    if may_have_pages(method) && (method.pagination.kind == PageKind::Unknown || method.pagination.is_guess()) {
        found.add(
            place,
            "pagination",
            "nothing says how the pages follow one another, so that no scan is ever complete",
        );
    }
    for column in &method.response.columns {
        if column.ty == ValueType::Any && column.source.is_none() {
            found.add(place, "columns", format!("the column `{}` has no type", column.name));
        }
        let keyed = |parameter: &str| {
            resource.keys.as_ref().and_then(|keys| keys.columns.get(parameter)).is_some_and(|key| *key == column.name)
        };
        let unsaid = method.parameters.iter().find(|p| {
            p.column.is_none()
                && p.location != Location::Body
                && p.name.eq_ignore_ascii_case(&column.name)
                && !keyed(&p.name)
        });
        if let Some(parameter) = unsaid {
            found.add(
                place,
                "same-name",
                format!(
                    "the {} parameter `{}` is named like a column and does not say whether it means it",
                    parameter.location, parameter.name
                ),
            );
        }
    }
}

fn keys(resource: &Resource, place: &str, found: &mut Found) {
    let selects: Vec<&Arc<Method>> = resource.methods_of(&resource.verbs.select).collect();
    let is_detail = |method: &&&Arc<Method>| method.path.ends_with('}') && method.response.items == ItemShape::Object;
    let detail = selects.iter().find(is_detail);
    let lists = selects.iter().any(|method| !method.path.ends_with('}') && method.response.items == ItemShape::List);
    match resource.keys.as_ref().filter(|keys| keys.declared) {
        None if detail.is_some() && lists => found.add(
            place,
            "keys",
            "one row can be found by its parameters, but `keys` does not say which columns hold them",
        ),
        None => {}
        Some(keys) => {
            for (parameter, column) in &keys.columns {
                let known = resource.methods.values().any(|method| method.parameter(parameter).is_some());
                if !known {
                    found.add(place, "keys", format!("`keys` names the parameter `{parameter}`, which no method has"));
                }
                let of_rows = selects.iter().any(|method| method.response.columns.iter().any(|c| c.name == *column));
                let of_parameters = selects.iter().any(|method| method.parameters.iter().any(|p| p.name == *column));
                if !of_rows && !of_parameters {
                    found.add(place, "keys", format!("`keys` names the column `{column}`, which no row has"));
                }
            }
            let Some(detail) = detail else { return };
            for parameter in detail.parameters.iter().filter(|p| p.location == Location::Path) {
                if !keys.columns.contains_key(&parameter.name) {
                    found.add(
                        place,
                        "keys",
                        format!("`keys` lacks `{}`, which `{}` needs", parameter.name, detail.name),
                    );
                }
            }
        }
    }
}

/// Examples of the answer of a method, where its document has some.
fn examples(document: &Document, resource: &Resource, method: &Method, place: &str, found: &mut Found) {
    let written = written_resource(document, &resource.name);
    let Some(operation) = written
        .and_then(|resource| resource.at(&["methods", &method.name, "operation", "$ref"]))
        .and_then(Node::text)
        .and_then(|reference| document.resolve(reference))
    else {
        return;
    };
    let status = method.response.success_status.map(|status| status.to_string()).unwrap_or_default();
    let response = operation.at(&["responses", &status]).and_then(|response| document.follow(response));
    let Some(media) = response.and_then(|response| response.at(&["content", &method.response.media_type])) else {
        return;
    };
    let several = media
        .get("examples")
        .into_iter()
        .flat_map(Node::entries)
        .filter_map(|(_, example)| document.follow(example)?.get("value"));
    for example in media.get("example").into_iter().chain(several) {
        let json = example.to_json();
        let mut rows = vec![&json];
        let keys: Vec<&str> = method.response.item_path.split('.').skip(1).collect();
        for key in keys {
            rows = rows.into_iter().filter_map(|row| row.get(key)).collect();
        }
        if rows.is_empty() {
            found.add(place, "examples", format!("an example has nothing at `{}`", method.response.item_path));
            continue;
        }
        let rows =
            rows.into_iter().flat_map(|row| row.as_array().map_or_else(|| vec![row], |items| items.iter().collect()));
        for row in rows.filter(|row| row.is_object()) {
            for column in &method.response.columns {
                if let Some(value) = row.get(&column.name)
                    && !fits(value, column.ty)
                {
                    found.add(
                        place,
                        "examples",
                        format!(
                            "an example has `{value}` in the column `{}`, which is {}",
                            column.name,
                            column.ty.name()
                        ),
                    );
                }
            }
        }
    }
}

/// Whether a JSON value is one of a type, or can be read as one.
fn fits(value: &serde_json::Value, ty: ValueType) -> bool {
    use serde_json::Value;
    match (ty, value) {
        (_, Value::Null)
        | (ValueType::Any, _)
        | (ValueType::Number, Value::Number(_))
        | (ValueType::Boolean, Value::Bool(_)) => true,
        (ValueType::Text | ValueType::Timestamp, value) => !value.is_object() && !value.is_array(),
        (ValueType::Integer, Value::Number(number)) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        (ValueType::Integer | ValueType::Number, Value::String(text)) => text.parse::<f64>().is_ok(),
        (ValueType::Object, value) => value.is_object(),
        (ValueType::Array, value) => value.is_array(),
        _ => false,
    }
}
