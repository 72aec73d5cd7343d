//! A document → the operations of an API.
//!
//! *Owns*: which operations there are, their paths taken apart, where the API is.
//! *Does not own*: what they become (`decide`).

use std::collections::BTreeSet;

use indexmap::IndexMap;
use url::Url;

use super::bundle::resolve;
use super::report::{Finding, Level};
use super::swagger::upgraded;
use crate::provider::Node;

/// HTTP methods that can be called.
const VERBS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// An API as its document has it.
pub(super) struct Api {
    /// The document, in the form of OpenAPI 3, with absolute servers.
    pub(super) root: Node,
    pub(super) operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// Its path, as the document writes it.
    pub(super) path: String,
    /// `get`, …
    pub(super) verb: &'static str,
    /// The path with `{}` for each parameter, and nothing of a query string.
    pub(super) shape: String,
    /// Its operationId, without what says the path and the verb once more.
    pub(super) id: Option<String>,
    /// Whether another operation has the same operationId.
    pub(super) is_twice: bool,
    pub(super) tags: Vec<String>,
    pub(super) deprecated: bool,
}

impl Operation {
    /// `GET /parcels/{id}`.
    pub(super) fn label(&self) -> String {
        format!("{} {}", self.verb.to_ascii_uppercase(), self.path)
    }

    /// The same for any names of the parameters.
    pub(super) fn key(&self) -> String {
        operation_key(self.verb, &self.path)
    }

    /// Whether the path ends in a parameter.
    pub(super) fn is_item(&self) -> bool {
        self.shape.ends_with("/{}")
    }

    /// The names that the operation goes by, apart from parameters and versions, in order.
    pub(super) fn statics(&self) -> Vec<&str> {
        statics(&self.shape)
    }
}

impl Api {
    /// The path item of an operation.
    pub(super) fn path_item(&self, operation: &Operation) -> Option<&Node> {
        let item = self.root.get("paths")?.get(&operation.path)?;
        Some(follow(&self.root, item))
    }

    /// An operation's own node.
    pub(super) fn node(&self, operation: &Operation) -> Option<&Node> {
        let item = self.path_item(operation)?;
        item.entries().find(|(key, _)| key.eq_ignore_ascii_case(operation.verb)).map(|(_, node)| node)
    }

    /// What a node refers to, or the node.
    pub(super) fn follow<'n>(&'n self, node: &'n Node) -> &'n Node {
        follow(&self.root, node)
    }
}

/// `GET /parcels/{}`: what an overlay and a registry may write with other names in the braces.
pub(super) fn operation_key(verb: &str, path: &str) -> String {
    format!("{} {}", verb.to_ascii_uppercase(), shape_of(path))
}

/// A path with `{}` for each parameter, without a query string.
pub(super) fn shape_of(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    let mut depth = 0_usize;
    for c in path.chars() {
        match c {
            '{' => {
                if depth == 0 {
                    shape.push_str("{}");
                }
                depth += 1;
            }
            '}' => depth = depth.saturating_sub(1),
            '?' | '#' if depth == 0 => break,
            c if depth == 0 => shape.push(c),
            _ => {}
        }
    }
    if shape.len() > 1 { shape.trim_end_matches('/').to_owned() } else { shape }
}

/// The segments of a shape that are no parameters, without a version or the word `api` in front.
pub(super) fn statics(shape: &str) -> Vec<&str> {
    let mut all: Vec<&str> = shape.split('/').filter(|part| !part.is_empty()).collect();
    let leading = all.iter().take_while(|part| is_preamble(part)).count();
    if leading < all.len() {
        all.drain(..leading);
    }
    all.retain(|part| *part != "{}");
    all
}

fn is_preamble(part: &str) -> bool {
    let version = part.strip_prefix(['v', 'V']).is_some_and(|rest| {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        digits.len() < rest.len() && (digits.is_empty() || digits.starts_with("beta") || digits.starts_with("alpha"))
    });
    version || matches!(part, "api" | "rest" | "apis")
}

/// Reads the operations of a document that came from `address`; `server` takes the place of its own.
pub(super) fn read(root: Node, address: &str, server: Option<&str>, findings: &mut Vec<Finding>) -> Api {
    let mut root = upgraded(root);
    settle_servers(&mut root, address, server, findings);
    lift_leading_variable(&mut root);
    let twice = repeated_ids(&root, findings);
    let mut operations = Vec::new();
    for (path, item) in root.get("paths").into_iter().flat_map(Node::entries) {
        let item = follow(&root, item);
        for verb in VERBS {
            let Some(node) = item.entries().find(|(key, _)| key.eq_ignore_ascii_case(verb)).map(|(_, node)| node)
            else {
                continue;
            };
            let id = node.text_of("operationId").filter(|id| !id.is_empty());
            operations.push(Operation {
                path: path.to_owned(),
                verb,
                shape: shape_of(path),
                id: id.map(|id| own_id(id, path, verb).to_owned()),
                is_twice: id.is_some_and(|id| twice.contains(id)),
                tags: node
                    .get("tags")
                    .map_or(&[][..], Node::items)
                    .iter()
                    .filter_map(Node::text)
                    .map(str::to_owned)
                    .collect(),
                deprecated: node.says("deprecated"),
            });
        }
    }
    Api { root, operations }
}

/// The operationIds that stand more than once.
fn repeated_ids(root: &Node, findings: &mut Vec<Finding>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for (_, item) in root.get("paths").into_iter().flat_map(Node::entries) {
        for (key, operation) in follow(root, item).entries() {
            let id = operation.text_of("operationId").filter(|id| !id.is_empty());
            if let Some(id) = id.filter(|_| VERBS.iter().any(|verb| key.eq_ignore_ascii_case(verb)))
                && !seen.insert(id)
            {
                twice.insert(id.to_owned());
            }
        }
    }
    if let Some(first) = twice.first() {
        findings.push(Finding::problem(
            "document",
            format!(
                "{} operationIds stand more than once, such as `{first}`: those methods are named by their paths",
                twice.len()
            ),
        ));
    }
    twice
}

/// What an operationId says beside its path and verb: `FastAPI` makes `read_parcel_parcels__id__get` of the function
/// `read_parcel` that serves `GET /parcels/{id}`.
fn own_id<'i>(id: &'i str, path: &str, verb: &str) -> &'i str {
    let Some(front) = id.strip_suffix(verb).and_then(|front| front.strip_suffix('_')) else { return id };
    let plain: String = path.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let own = front.strip_suffix(plain.as_str());
    own.filter(|own| !own.is_empty()).unwrap_or(id)
}

/// A node itself, where a reference stands for it.
fn follow<'n>(root: &'n Node, node: &'n Node) -> &'n Node {
    let mut node = node;
    for _ in 0..16 {
        let Some(pointer) = node.text_of("$ref").and_then(|reference| reference.strip_prefix('#')) else { return node };
        let found =
            pointer.split('/').skip(1).try_fold(root, |node, key| node.get(&key.replace("~1", "/").replace("~0", "~")));
        match found {
            Some(found) => node = found,
            None => return node,
        }
    }
    node
}

/// Makes the servers absolute.
fn settle_servers(root: &mut Node, address: &str, server: Option<&str>, findings: &mut Vec<Finding>) {
    let written = root.get("servers").map_or(&[][..], Node::items).to_vec();
    let mut servers: Vec<Node> = Vec::new();
    if let Some(url) = server {
        servers.push(Node::Map(IndexMap::from([("url".to_owned(), Node::Text(url.trim_end_matches('/').to_owned()))])));
        findings.push(Finding::new(Level::Sure, "server", format!("`{url}`, as you say")));
    } else {
        for entry in written {
            let Some(url) = entry.text_of("url") else { continue };
            let absolute = if url.contains("://") { Some(url.to_owned()) } else { relative_to(address, url) };
            if let (Some(url), Node::Map(mut entry)) = (absolute, entry.clone()) {
                entry.insert("url".to_owned(), Node::Text(url));
                servers.push(Node::Map(entry));
            }
        }
        if servers.is_empty()
            && let Some(url) = relative_to(address, "/")
        {
            servers.push(Node::Map(IndexMap::from([("url".to_owned(), Node::Text(url))])));
        }
        match servers.first().and_then(|server| server.text_of("url")) {
            Some(url) => {
                let more = if servers.len() > 1 { format!(", the first of {}", servers.len()) } else { String::new() };
                findings.push(Finding::new(Level::Sure, "server", format!("`{url}`{more}")));
            }
            None => findings.push(Finding::new(
                Level::Undecided,
                "server",
                "the document does not say where the API is: import again with `--server URL`, or give `--base-url` with each call",
            )),
        }
    }
    if let Node::Map(map) = root {
        map.insert("servers".to_owned(), Node::List(servers));
    }
}

/// A relative server is meant from the document's own URL.
fn relative_to(address: &str, url: &str) -> Option<String> {
    let base = Url::parse(address).ok().filter(Url::has_host)?;
    let found = resolve(base.as_str(), if url.is_empty() { "/" } else { url })?;
    Some(found.trim_end_matches('/').to_owned())
}

/// A variable that every path begins with (`/{apiVersion}/images`) is one of the server.
fn lift_leading_variable(root: &mut Node) {
    let Some(paths) = root.get("paths").filter(|paths| paths.is_map()) else { return };
    let names: BTreeSet<Option<&str>> = paths.entries().map(|(path, _)| leading_variable(path)).collect();
    let Some(name) = names.first().copied().flatten().filter(|_| names.len() == 1).map(str::to_owned) else { return };
    if paths.entries().count() < 2 {
        return;
    }
    // What each operation takes for it; the value that most of them take is the usual one.
    let mut taken: IndexMap<String, usize> = IndexMap::new();
    let mut lifted = IndexMap::new();
    for (path, item) in paths.entries() {
        let item = follow(root, item).clone();
        let shared = values_of(root, &item, &name);
        let mut item = item;
        if let Node::Map(map) = &mut item {
            let operations = map.iter_mut().filter(|(key, _)| VERBS.contains(&key.as_str()));
            for (_, operation) in operations {
                let own = values_of(root, operation, &name);
                let values = if own.is_empty() { shared.clone() } else { own };
                for value in &values {
                    *taken.entry(value.clone()).or_default() += 1;
                }
                if let Node::Map(operation) = operation {
                    operation
                        .insert("x-skyql-leading".to_owned(), Node::List(values.into_iter().map(Node::Text).collect()));
                }
            }
        }
        let rest = path.strip_prefix(&format!("/{{{name}}}")).unwrap_or(path);
        lifted.insert(if rest.is_empty() { "/".to_owned() } else { rest.to_owned() }, item);
    }
    let most = taken.values().copied().max().unwrap_or_default();
    let usual = taken.iter().find(|(_, count)| **count == most).map(|(value, _)| value.clone());
    let values: Vec<String> = taken.keys().cloned().collect();
    let first = root.get("servers").and_then(|servers| servers.items().first());
    let Some(base) = first.and_then(|server| server.text_of("url")).map(str::to_owned) else { return };
    for item in lifted.values_mut() {
        let Node::Map(map) = item else { continue };
        for operation in map.values_mut() {
            let Node::Map(operation) = operation else { continue };
            let Some(Node::List(own)) = operation.shift_remove("x-skyql-leading") else { continue };
            let own: Vec<String> = own.iter().filter_map(Node::text).map(str::to_owned).collect();
            // An operation of another version than the usual one has its own server.
            if let (Some(first), Some(usual)) = (own.first(), &usual)
                && !own.contains(usual)
            {
                operation.insert("servers".to_owned(), Node::List(vec![server(&base, &name, Some(first), &own)]));
            }
        }
    }
    let whole = server(&base, &name, usual.as_ref(), &values);
    if let Node::Map(map) = root {
        map.insert("servers".to_owned(), Node::List(vec![whole]));
        map.insert("paths".to_owned(), Node::Map(lifted));
    }
}

fn leading_variable(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("/{")?;
    let (name, rest) = inside.split_once('}')?;
    (rest.is_empty() || rest.starts_with('/')).then_some(name)
}

/// The values that a holder's path parameter of that name may take.
fn values_of(root: &Node, holder: &Node, name: &str) -> Vec<String> {
    let parameters = holder.get("parameters").map_or(&[][..], Node::items).iter().map(|node| follow(root, node));
    let found = parameters.into_iter().find(|p| p.text_of("name") == Some(name) && p.text_of("in") == Some("path"));
    let Some(schema) = found.map(|p| p.get("schema").unwrap_or(p)) else { return Vec::new() };
    let values = schema.get("enum").map_or(&[][..], Node::items).iter().chain(schema.get("default"));
    let mut texts: Vec<String> = values.filter_map(Node::scalar_text).map(std::borrow::Cow::into_owned).collect();
    let mut seen = std::collections::HashSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

fn server(base: &str, name: &str, default: Option<&String>, values: &[String]) -> Node {
    let mut variable = IndexMap::new();
    if let Some(default) = default {
        variable.insert("default".to_owned(), Node::Text(default.clone()));
    }
    if !values.is_empty() {
        variable.insert("enum".to_owned(), Node::List(values.iter().cloned().map(Node::Text).collect()));
    }
    let variables = IndexMap::from([(name.to_owned(), Node::Map(variable))]);
    Node::Map(IndexMap::from([
        ("url".to_owned(), Node::Text(format!("{base}/{{{name}}}"))),
        ("variables".to_owned(), Node::Map(variables)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operation_id_says_beside_its_path() {
        for (id, path, verb, expected) in [
            ("read_parcel_parcels__id__get", "/parcels/{id}", "get", "read_parcel"),
            ("create_parcel_parcels__post", "/parcels/", "post", "create_parcel"),
            ("read_parcels_parcels_filter_post", "/parcels/filter", "post", "read_parcels"),
            ("read_v1_work_pools_v1_work_pools_get", "/v1/work-pools", "get", "read_v1_work_pools"),
            ("parcels_get", "/parcels", "get", "parcels_get"),
            ("_parcels_get", "/parcels", "get", "_parcels_get"),
            ("list_parcels", "/parcels", "get", "list_parcels"),
            ("parcels_list_get", "/parcels/list", "post", "parcels_list_get"),
        ] {
            assert_eq!(own_id(id, path, verb), expected, "{id}");
        }
    }
}
