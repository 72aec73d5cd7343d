//! Swagger 2.0 → OpenAPI 3.0.
//!
//! *Owns*: the differences between the two, as far as calls and rows need them.
//! *Does not own*: anything that both have in the same form.

use indexmap::IndexMap;

use crate::provider::Node;

/// The document in the form of OpenAPI 3; one that has it already stays as it is.
pub(super) fn upgraded(mut root: Node) -> Node {
    if root.get("swagger").is_none() {
        return root;
    }
    rename_references(&mut root);
    let servers = servers(&root);
    let consumes = texts(root.get("consumes"));
    let produces = texts(root.get("produces"));
    let shared = root.get("parameters").cloned().unwrap_or_else(empty);
    let mut new = IndexMap::new();
    let mut components = IndexMap::new();
    new.insert("openapi".to_owned(), text("3.0.3"));
    let Node::Map(old) = root else { return root };
    for (key, value) in old {
        match key.as_str() {
            "swagger" | "host" | "basePath" | "schemes" | "consumes" | "produces" => {}
            "definitions" => {
                components.insert("schemas".to_owned(), value);
            }
            "parameters" => {
                let plain =
                    value.entries().filter(|(_, p)| !is_body(p)).map(|(name, p)| (name.to_owned(), parameter(p)));
                components.insert("parameters".to_owned(), Node::Map(plain.collect()));
            }
            "responses" => {
                let responses = value.entries().map(|(name, r)| (name.to_owned(), response(r, &produces)));
                components.insert("responses".to_owned(), Node::Map(responses.collect()));
            }
            "securityDefinitions" => {
                let schemes = value.entries().map(|(name, s)| (name.to_owned(), security_scheme(s)));
                components.insert("securitySchemes".to_owned(), Node::Map(schemes.collect()));
            }
            "paths" => {
                let context = Context { consumes: &consumes, produces: &produces, shared: &shared };
                let paths = value.entries().map(|(path, item)| (path.to_owned(), path_item(item, &context)));
                new.insert("servers".to_owned(), servers.clone());
                new.insert(key, Node::Map(paths.collect()));
            }
            _ => {
                new.insert(key, value);
            }
        }
    }
    new.insert("components".to_owned(), Node::Map(components));
    Node::Map(new)
}

struct Context<'n> {
    consumes: &'n [String],
    produces: &'n [String],
    /// The document's own parameters, some of which are bodies.
    shared: &'n Node,
}

fn empty() -> Node {
    Node::Map(IndexMap::new())
}

fn text(value: &str) -> Node {
    Node::Text(value.to_owned())
}

fn texts(node: Option<&Node>) -> Vec<String> {
    node.map_or(&[][..], Node::items).iter().filter_map(Node::text).map(str::to_owned).collect()
}

fn one(key: &str, value: Node) -> Node {
    Node::Map(IndexMap::from([(key.to_owned(), value)]))
}

fn servers(root: &Node) -> Node {
    let base = root.text_of("basePath").unwrap_or_default().trim_end_matches('/');
    let schemes = texts(root.get("schemes"));
    let scheme = if schemes.is_empty() || schemes.iter().any(|s| s == "https") { "https" } else { "http" };
    let url = match root.text_of("host") {
        Some(host) => format!("{scheme}://{host}{base}"),
        None => format!("/{}", base.trim_start_matches('/')),
    };
    Node::List(vec![one("url", Node::Text(url))])
}

fn path_item(item: &Node, context: &Context<'_>) -> Node {
    let of_path = item.get("parameters").map_or(&[][..], Node::items);
    let entries = item.entries().map(|(key, value)| {
        let new = match key {
            "get" | "put" | "post" | "delete" | "options" | "head" | "patch" => operation(value, of_path, context),
            "parameters" => Node::List(of_path.iter().filter(|p| !is_body(context.real(p))).map(parameter).collect()),
            _ => value.clone(),
        };
        (key.to_owned(), new)
    });
    Node::Map(entries.collect())
}

impl Context<'_> {
    /// A parameter itself, where a reference stands for one of the document's own.
    fn real<'n>(&'n self, parameter: &'n Node) -> &'n Node {
        let name = parameter.text_of("$ref").and_then(|reference| reference.strip_prefix("#/components/parameters/"));
        name.and_then(|name| self.shared.get(name)).unwrap_or(parameter)
    }
}

fn is_body(parameter: &Node) -> bool {
    matches!(parameter.text_of("in"), Some("body" | "formData"))
}

fn operation(node: &Node, of_path: &[Node], context: &Context<'_>) -> Node {
    let own = node.get("parameters").map_or(&[][..], Node::items);
    let consumes = Some(texts(node.get("consumes"))).filter(|list| !list.is_empty());
    let consumes = consumes.as_deref().unwrap_or(context.consumes);
    let produces = Some(texts(node.get("produces"))).filter(|list| !list.is_empty());
    let produces = produces.as_deref().unwrap_or(context.produces);
    let mut new = IndexMap::new();
    for (key, value) in node.entries() {
        let value = match key {
            "consumes" | "produces" | "schemes" => continue,
            "parameters" => Node::List(own.iter().filter(|p| !is_body(context.real(p))).map(parameter).collect()),
            "responses" => {
                Node::Map(value.entries().map(|(status, r)| (status.to_owned(), response(r, produces))).collect())
            }
            _ => value.clone(),
        };
        new.insert(key.to_owned(), value);
    }
    let bodies: Vec<&Node> = of_path.iter().chain(own).map(|p| context.real(p)).filter(|p| is_body(p)).collect();
    if let Some(body) = request_body(&bodies, consumes) {
        new.insert("requestBody".to_owned(), body);
    }
    Node::Map(new)
}

fn request_body(bodies: &[&Node], consumes: &[String]) -> Option<Node> {
    let required = Node::Bool(bodies.iter().any(|body| body.says("required")));
    let whole = bodies.iter().find(|body| body.text_of("in") == Some("body"));
    let (media, schema) = if let Some(body) = whole {
        let media = consumes.first().map_or("application/json", String::as_str);
        (media.to_owned(), body.get("schema").cloned().unwrap_or_else(empty))
    } else if bodies.is_empty() {
        return None;
    } else {
        let has_file = bodies.iter().any(|field| field.text_of("type") == Some("file"));
        let usual = if has_file { "multipart/form-data" } else { "application/x-www-form-urlencoded" };
        let media = consumes.iter().find(|media| media.contains("form")).map_or(usual, String::as_str);
        let fields = bodies.iter().filter_map(|field| Some((field.text_of("name")?.to_owned(), field_schema(field))));
        let needed = bodies.iter().filter(|field| field.says("required"));
        let needed = needed.filter_map(|field| field.text_of("name").map(text)).collect();
        let schema = IndexMap::from([
            ("type".to_owned(), text("object")),
            ("required".to_owned(), Node::List(needed)),
            ("properties".to_owned(), Node::Map(fields.collect())),
        ]);
        (media.to_owned(), Node::Map(schema))
    };
    let content = one("content", one(&media, one("schema", schema)));
    let Node::Map(mut body) = content else { return None };
    body.insert("required".to_owned(), required);
    Some(Node::Map(body))
}

/// Keys of a parameter that OpenAPI 3 has in its `schema`.
const SCHEMA_KEYS: [&str; 16] = [
    "type",
    "format",
    "items",
    "default",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "multipleOf",
    "exclusiveMinimum",
    "exclusiveMaximum",
];

fn field_schema(field: &Node) -> Node {
    let keys = field.entries().filter(|(key, _)| SCHEMA_KEYS.contains(key) || *key == "description");
    let as_schema = keys.map(|(key, value)| match (key, value.text()) {
        ("type", Some("file")) => (key.to_owned(), text("string")),
        _ => (key.to_owned(), value.clone()),
    });
    let mut schema: IndexMap<String, Node> = as_schema.collect();
    if field.text_of("type") == Some("file") {
        schema.insert("format".to_owned(), text("binary"));
    }
    Node::Map(schema)
}

fn parameter(node: &Node) -> Node {
    if node.get("$ref").is_some() || node.get("schema").is_some() {
        return node.clone();
    }
    let (schema, rest): (Vec<_>, Vec<_>) = node.entries().partition(|(key, _)| SCHEMA_KEYS.contains(key));
    let own = |entries: Vec<(&str, &Node)>| -> IndexMap<String, Node> {
        entries.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
    };
    let mut new = own(rest);
    // Swagger's arrays are separated by commas unless they say otherwise; OpenAPI 3's are repeated.
    let format = new.shift_remove("collectionFormat");
    if node.text_of("type") == Some("array") && matches!(node.text_of("in"), Some("query")) {
        let (style, explode) = match format.as_ref().and_then(Node::text) {
            Some("multi") => ("form", true),
            Some("ssv") => ("spaceDelimited", false),
            Some("pipes") => ("pipeDelimited", false),
            _ => ("form", false),
        };
        new.insert("style".to_owned(), text(style));
        new.insert("explode".to_owned(), Node::Bool(explode));
    }
    new.insert("schema".to_owned(), Node::Map(own(schema)));
    Node::Map(new)
}

fn response(node: &Node, produces: &[String]) -> Node {
    if node.get("$ref").is_some() {
        return node.clone();
    }
    let mut new: IndexMap<String, Node> = IndexMap::new();
    for (key, value) in node.entries() {
        match key {
            "schema" => {
                let file = value.text_of("type") == Some("file");
                let usual = if file { "application/octet-stream" } else { "application/json" };
                let media = produces.first().map_or(usual, String::as_str);
                new.insert("content".to_owned(), one(media, one("schema", value.clone())));
            }
            "examples" => {}
            _ => {
                new.insert(key.to_owned(), value.clone());
            }
        }
    }
    Node::Map(new)
}

fn security_scheme(node: &Node) -> Node {
    let mut new: IndexMap<String, Node> = node.entries().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    match node.text_of("type") {
        Some("basic") => {
            new.insert("type".to_owned(), text("http"));
            new.insert("scheme".to_owned(), text("basic"));
        }
        Some("oauth2") => {
            let flow = match node.text_of("flow") {
                Some("application") => "clientCredentials",
                Some("accessCode") => "authorizationCode",
                Some("password") => "password",
                _ => "implicit",
            };
            new.insert("flows".to_owned(), one(flow, node.clone()));
        }
        _ => {}
    }
    Node::Map(new)
}

/// `#/definitions/Pet` → `#/components/schemas/Pet`.
fn rename_references(node: &mut Node) {
    match node {
        Node::Map(map) => {
            if let Some(Node::Text(reference)) = map.get_mut("$ref") {
                for (old, new) in [("definitions", "schemas"), ("parameters", "parameters"), ("responses", "responses")]
                {
                    if let Some(rest) = reference.strip_prefix(&format!("#/{old}/")) {
                        *reference = format!("#/components/{new}/{rest}");
                        break;
                    }
                }
            }
            map.values_mut().for_each(rename_references);
        }
        Node::List(items) => items.iter_mut().for_each(rename_references),
        _ => {}
    }
}
