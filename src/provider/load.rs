//! Documents → digest: `provider.yaml` → [`Provider`], a service document → [`Service`].
//!
//! *Owns*: `providerServices`, `x-stackQL-resources`, which level of configuration counts, putting methods together.
//! *Does not own*: where documents come from (`registry`, `source`), and what each part of a method means (the files
//! beside this one).
//! *Invariants*: unknown keys are ignored; what is known and wrong is an error with file, line and key.

use std::sync::Arc;

use indexmap::IndexMap;

use super::auth::auth;
use super::document::{Document, Node};
use super::idempotency::idempotency_key;
use super::item_path::json_path;
use super::keys::{declared_keys, infer_keys};
use super::model::{
    Auth, Effect, ErrorPaths, Method, Provider, RateLimit, Resource, Service, ServiceEntry, SuccessRule, Verbs,
};
use super::pagination::{Configured, Facts, pagination};
use super::parameters::{Sources, inputs};
use super::pushdown::pushdown;
use super::response::{Asked, response};
use super::schema::{Schemas, one_line};
use super::upload::upload;
use super::url_template::first_server;
use super::waiting;
use crate::error::{Error, Result};

/// Reads a `provider.yaml`; `directory` is the provider's own, for documents that give no name.
///
/// # Errors
/// `Provider` when a service names no document or the authentication is not complete.
pub(crate) fn load_provider(document: &Document, directory: &str) -> Result<Provider> {
    let root = &document.root;
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::scalar_text).map(std::borrow::Cow::into_owned);
    let name = text(root, "name").or_else(|| text(root, "id")).unwrap_or_else(|| directory.to_owned());
    let mut services = IndexMap::new();
    for (key, said) in root.get("providerServices").into_iter().flat_map(Node::entries) {
        let Some(path) = said.at(&["service", "$ref"]).and_then(Node::text) else {
            return Err(document.error("the service names no document", &["providerServices", key, "service"]));
        };
        let entry = ServiceEntry {
            id: text(said, "id").unwrap_or_else(|| key.to_owned()),
            name: text(said, "name").unwrap_or_else(|| key.to_owned()),
            title: text(said, "title").unwrap_or_default(),
            version: text(said, "version").unwrap_or_default(),
            description: one_line(said.get("description")),
            path: path.to_owned(),
        };
        if let Some(first) = services.insert(entry.name.clone(), entry) {
            return Err(twice(document, "services", &first.name, &["providerServices", key, "name"]));
        }
    }
    Ok(Provider {
        title: text(root, "title").unwrap_or_else(|| name.clone()),
        version: text(root, "version").unwrap_or_default(),
        description: one_line(root.get("description")),
        services,
        auth: auth(document, root.at(&["config", "auth"]))?,
        name,
    })
}

/// Reads one service: `provider_document` is the `provider.yaml` that `provider` was read from.
///
/// # Errors
/// `Provider` when a method's operation, a parameter or a body cannot be resolved, or when our own keys are wrong.
pub(crate) fn load_service(
    provider: &Provider,
    provider_document: &Document,
    entry: &ServiceEntry,
    document: &Document,
) -> Result<Service> {
    let in_provider =
        provider_document.root.get("providerServices").into_iter().flat_map(Node::entries).find(|(key, said)| {
            said.get("name").and_then(Node::scalar_text).map_or(*key == entry.name, |name| name == entry.name)
        });
    let loader = Loader {
        provider,
        document,
        provider_document,
        schemas: Schemas::new(document),
        service_config: in_provider.and_then(|(_, said)| said.get("config")),
    };
    let mut resources = IndexMap::new();
    let written = document.root.at(&["components", "x-stackQL-resources"]);
    for (key, node) in written.into_iter().flat_map(Node::entries) {
        let Some(node) = document.follow(node) else {
            return Err(document.error("the resource cannot be resolved", &["components", "x-stackQL-resources", key]));
        };
        let resource = loader.resource(entry, key, node)?;
        if let Some(first) = resources.insert(resource.name.clone(), resource) {
            let place = ["components", "x-stackQL-resources", key, "name"];
            return Err(twice(document, "resources", &first.name, &place));
        }
    }
    waiting::check(document, &mut resources)?;
    let resources = resources.into_iter().map(|(name, resource)| (name, Arc::new(resource))).collect();
    Ok(Service { provider: provider.name.clone(), name: entry.name.clone(), resources })
}

/// Of two things of one name only the last could ever be asked for.
fn twice(document: &Document, what: &str, name: &str, place: &[&str]) -> Error {
    document
        .error(format!("two {what} are called `{name}`"), place)
        .hint("what has no `name` is called as its key; take one out, or give it another name")
}

struct Loader<'d> {
    provider: &'d Provider,
    document: &'d Document,
    provider_document: &'d Document,
    schemas: Schemas<'d>,
    /// The configuration of the service in `provider.yaml`.
    service_config: Option<&'d Node>,
}

/// The configurations that hold for one method, the nearest first.
struct Levels<'d>([(Option<&'d Node>, &'d Document); 5]);

impl<'d> Levels<'d> {
    /// The first level that has the key gives it whole: levels are not merged.
    fn configured(&self, key: &str) -> Option<Configured<'d>> {
        self.0.iter().enumerate().find_map(|(level, (node, document))| {
            let node = node.and_then(|node| node.get(key)).filter(|node| **node != Node::Null)?;
            Some(Configured { node, document, at_method: level == 0 })
        })
    }

    fn get(&self, key: &str) -> Option<&'d Node> {
        self.configured(key).map(|found| found.node)
    }

    /// Whether the key's value is the one of the provider itself.
    fn is_providers(&self, key: &str) -> bool {
        let at_provider = self.0.last().and_then(|(node, _)| node.and_then(|node| node.get(key)));
        self.get(key).zip(at_provider).is_some_and(|(found, provider)| std::ptr::eq(found, provider))
    }
}

/// A key that may stand directly under a method or resource, or in its `config`.
fn own<'d>(node: &'d Node, key: &str) -> Option<&'d Node> {
    node.get(key).or_else(|| node.at(&["config", key])).filter(|found| **found != Node::Null)
}

/// Puts the texts of a resource's `describe` in place of those that its methods' columns and parameters have from their
/// schemas, which may serve other resources too. What a method says of its own parameters is nearer; so is what the document
/// says of a parameter that is another thing than the column of its name.
fn describe(texts: Option<&Node>, said_by_method: &Node, method: &mut Method) {
    let Some(texts) = texts else { return };
    let text_of = |name: &str| texts.get(name).map(|text| one_line(Some(text)));
    for parameter in &mut method.parameters {
        let nearer = said_by_method.at(&["parameters", &parameter.wire, "description"]);
        let is_another = parameter.column == Some(false) && !parameter.description.is_empty();
        if let (Some(text), None, false) = (text_of(&parameter.name), nearer, is_another) {
            parameter.description = text;
        }
    }
    for column in &mut method.response.columns {
        if let Some(text) = text_of(&column.name) {
            column.description = text;
        }
    }
}

impl<'d> Loader<'d> {
    fn resource(&self, entry: &ServiceEntry, key: &str, node: &'d Node) -> Result<Resource> {
        let text = |wanted: &str| node.get(wanted).and_then(Node::scalar_text).map(std::borrow::Cow::into_owned);
        let name = text("name").unwrap_or_else(|| key.to_owned());
        let mut verbs = self.verbs(key, node)?;
        let mut methods = IndexMap::new();
        for (method_key, method) in node.get("methods").into_iter().flat_map(Node::entries) {
            if let Some(mut loaded) = self.method(key, node, method_key, method, &verbs)? {
                describe(own(node, "describe"), method, &mut loaded);
                let method = loaded;
                methods.insert(method_key.to_owned(), Arc::new(method));
            }
        }
        // What leaves alone the fields that it is not given changes what it is given: an UPDATE.
        for name in &verbs.replace {
            if methods.get(name).is_some_and(|method| method.partial) && !verbs.update.contains(name) {
                verbs.update.push(name.clone());
            }
        }
        let selects: Vec<Arc<Method>> = verbs.select.iter().filter_map(|name| methods.get(name).cloned()).collect();
        let keys = match own(node, "keys") {
            Some(keys) => Some(declared_keys(self.document, keys, key)?),
            None => infer_keys(&selects),
        };
        Ok(Resource {
            id: text("id").unwrap_or_else(|| format!("{}.{}.{name}", self.provider.name, entry.name)),
            title: text("title").unwrap_or_else(|| name.clone()),
            description: one_line(node.get("description")),
            name,
            methods,
            verbs,
            keys,
            sandbox: own(node, "sandbox").map(Node::to_json),
            view: node.at(&["config", "views"]).is_some_and(|views| *views != Node::Null),
        })
    }

    /// Which methods serve which verb. Entries are references into the same resource.
    fn verbs(&self, resource: &str, node: &Node) -> Result<Verbs> {
        let mut verbs = Verbs::default();
        for (verb, list) in [
            ("select", &mut verbs.select),
            ("insert", &mut verbs.insert),
            ("update", &mut verbs.update),
            ("replace", &mut verbs.replace),
            ("delete", &mut verbs.delete),
        ] {
            for entry in node.at(&["sqlVerbs", verb]).map_or(&[][..], Node::items) {
                let reference = entry.text_of("$ref").or_else(|| entry.text()).unwrap_or_default();
                let name = reference.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
                if node.get("methods").and_then(|methods| methods.get(&name)).is_none() {
                    let place = ["components", "x-stackQL-resources", resource, "sqlVerbs", verb];
                    return Err(self.document.error(format!("`{reference}` is not a method of this resource"), &place));
                }
                list.push(name);
            }
        }
        Ok(verbs)
    }

    /// One method; `None` for those that call no API (`inline` commands).
    fn method(
        &self,
        resource_key: &str,
        resource: &'d Node,
        name: &str,
        node: &'d Node,
        verbs: &Verbs,
    ) -> Result<Option<Method>> {
        let place = ["components", "x-stackQL-resources", resource_key, "methods", name];
        let Some(operation) = self.operation(node, &place)? else { return Ok(None) };
        let levels = Levels([
            (node.get("config"), self.document),
            (resource.get("config"), self.document),
            (self.document.root.get("x-stackQL-config"), self.document),
            (self.service_config, self.provider_document),
            (self.provider_document.root.get("config"), self.provider_document),
        ]);
        let algorithm = |key: &str| levels.get(key).and_then(|config| config.text_of("algorithm"));
        let server = first_server([
            operation.node.get("servers"),
            operation.path_item.get("servers"),
            node.get("servers"),
            self.document.root.get("servers"),
        ]);
        let mut inputs = inputs(
            &self.schemas,
            &Sources {
                path: operation.path,
                verb: operation.verb,
                path_item: operation.path_item,
                operation: operation.node,
                method: node,
                server,
                drop_double_underscore: algorithm("requestTranslate") == Some("drop_double_underscore_params"),
                // This key counts at the method only.
                naive: node
                    .at(&["config", "requestBodyTranslate", "algorithm"])
                    .and_then(Node::text)
                    .is_some_and(|algorithm| algorithm == "naive" || algorithm.starts_with("naive_")),
            },
        )?;
        let http_method = operation.verb.to_ascii_uppercase();
        let selects = verbs.select.iter().any(|select| select == name);
        let effect = self.effect(node, name, verbs, &http_method, &place)?;
        // What stands above methods means those that create: HTTP says of the others that they may be repeated, and APIs
        // that know keys do not look for them there.
        let idempotency_key = levels
            .configured("idempotencyKey")
            .filter(|found| effect != Effect::Read && (found.at_method || http_method == "POST"))
            .filter(|found| found.node.bool() != Some(false))
            .map(|found| idempotency_key(&found, &mut inputs.parameters, inputs.request.as_ref(), &place))
            .transpose()?;
        let response = response(
            &self.schemas,
            &Asked {
                declared: node.get("response"),
                operation: operation.node,
                selects,
                is_detail: inputs.path.ends_with('}'),
            },
        );
        let facts = Facts {
            schemas: &self.schemas,
            provider: &self.provider.name,
            response: &response,
            parameters: &inputs.parameters,
            place: &place,
            reads: effect == Effect::Read,
        };
        let pagination = pagination(&facts, levels.configured("pagination"), levels.configured("queryParamPushdown"))?;
        let pushdown = levels
            .configured("queryParamPushdown")
            .map(|found| pushdown(found, &response.shape, &pagination, &place))
            .transpose()?
            .unwrap_or_default();
        let aliases = own(node, "aliases").map_or(&[][..], Node::items);
        let described = |key: &str| one_line(operation.node.get(key));
        let said = [one_line(node.get("description")), described("summary"), described("description")];
        let said = said.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let graphql = operation.node.get("x-stackQL-graphQL").is_some();
        Ok(Some(Method {
            name: name.to_owned(),
            aliases: aliases.iter().filter_map(Node::text).map(str::to_owned).collect(),
            operation_id: operation.node.text_of("operationId").map(str::to_owned),
            description: if graphql { format!("Not supported (GraphQL). {said}").trim_end().to_owned() } else { said },
            http_method,
            server: inputs.server,
            path: inputs.path,
            query: inputs.query,
            parameters: inputs.parameters,
            request: inputs.request,
            response: response.shape,
            pagination,
            effect,
            partial: own(node, "partial").or_else(|| levels.get("partial")).and_then(Node::bool) == Some(true),
            auth: self.auth(&levels)?,
            rate_limit: levels.configured("rateLimit").map(|found| rate_limit(found, &place)).transpose()?,
            success: levels.configured("success").map(|found| success(found, &place)).transpose()?,
            error: levels.get("error").map(error_paths).unwrap_or_default(),
            waiting: match levels.configured("async") {
                Some(found) => waiting::waiting(found, effect, &place)?,
                None => None,
            },
            idempotency_key,
            upload: own(node, "upload").map(|said| upload(self.document, said, &place)).transpose()?,
            pushdown,
            graphql,
        }))
    }

    fn auth(&self, levels: &Levels<'d>) -> Result<Auth> {
        match levels.configured("auth") {
            None => Ok(Auth::None),
            Some(_) if levels.is_providers("auth") => Ok(self.provider.auth.clone()),
            Some(found) => auth(found.document, Some(found.node)),
        }
    }

    fn effect(&self, node: &Node, name: &str, verbs: &Verbs, http_method: &str, place: &[&str]) -> Result<Effect> {
        if let Some(said) = own(node, "effect").and_then(Node::text) {
            return match said {
                "read" => Ok(Effect::Read),
                "write" => Ok(Effect::Write),
                "delete" => Ok(Effect::Delete),
                other => Err(self
                    .document
                    .error(format!("the effect `{other}` is not known"), place)
                    .hint("the effects are `read`, `write` and `delete`")),
            };
        }
        let serves = |list: &[String]| list.iter().any(|method| method == name);
        // A POST may be a way to ask; what HTTP itself calls a change is one, whatever SQL verb it is listed under, and so is
        // what is listed under a verb that changes something as well.
        let asks = matches!(http_method, "GET" | "HEAD" | "OPTIONS" | "POST");
        Ok(if serves(&verbs.delete) {
            Effect::Delete
        } else if serves(&verbs.insert) || serves(&verbs.update) || serves(&verbs.replace) {
            Effect::Write
        } else if serves(&verbs.select) && asks {
            Effect::Read
        } else {
            match http_method {
                "GET" | "HEAD" | "OPTIONS" => Effect::Read,
                "DELETE" => Effect::Delete,
                _ => Effect::Write,
            }
        })
    }

    fn operation(&self, node: &'d Node, place: &[&str]) -> Result<Option<Operation<'d>>> {
        let (path, verb) = if let Some(reference) = node.at(&["operation", "$ref"]).and_then(Node::text) {
            let missing = || self.document.error(format!("the operation `{reference}` is not in the document"), place);
            // The path's key itself is needed, and not only what it holds.
            let pointer = reference.split_once('#').map_or("", |(_, pointer)| pointer);
            let (parent, verb) = pointer.rsplit_once('/').ok_or_else(missing)?;
            let key = parent.strip_prefix("/paths/").ok_or_else(missing)?;
            if self.document.resolve(reference).is_none() {
                return Err(missing());
            }
            let key = self.path_key(key).ok_or_else(missing)?;
            (key, verb)
        } else if let (Some(path), Some(verb)) = (node.text_of("path"), node.text_of("apiMethod")) {
            (path, verb) // the form before `operation`
        } else if node.get("inline").is_some() {
            return Ok(None);
        } else {
            return Err(self.document.error("the method names no operation", place));
        };
        let paths = self.document.root.get("paths");
        let found = paths.and_then(|paths| {
            let (path, item) = paths.entry(path)?;
            let path_item = self.document.follow(item)?;
            let (verb, node) = path_item.entries().find(|(key, _)| key.eq_ignore_ascii_case(verb))?;
            Some(Operation { path, verb, path_item, node: self.document.follow(node)? })
        });
        match found {
            Some(found) => Ok(Some(found)),
            None => Err(self.document.error(format!("the operation `{verb} {path}` is not in the document"), place)),
        }
    }

    /// The key in `paths` that a pointer's segment means, whatever its escapes.
    fn path_key(&self, segment: &str) -> Option<&'d str> {
        let paths = self.document.root.get("paths")?;
        let unescape = |text: &str| text.replace("~1", "/").replace("~0", "~");
        let decoded = || unescape(&percent_encoding::percent_decode_str(segment).decode_utf8_lossy());
        paths.entry(&unescape(segment)).or_else(|| paths.entry(&decoded())).map(|(key, _)| key)
    }
}

struct Operation<'d> {
    path: &'d str,
    verb: &'d str,
    path_item: &'d Node,
    node: &'d Node,
}

fn success(found: Configured<'_>, place: &[&str]) -> Result<SuccessRule> {
    match (found.node.text_of("path"), found.node.get("equals")) {
        (Some(path), Some(equals)) => Ok(SuccessRule { path: json_path(path), equals: equals.to_json() }),
        _ => Err(found.error("`success` needs a `path` and `equals`", "success", place)),
    }
}

fn rate_limit(found: Configured<'_>, place: &[&str]) -> Result<RateLimit> {
    let node = found.node;
    let per_seconds = match node.get("per") {
        None => None,
        Some(per) => Some(seconds(per).ok_or_else(|| {
            found
                .error("`rateLimit.per` is not a period", "rateLimit", place)
                .hint("write `second`, `minute`, `hour`, `day`, or a number with `s`, `m`, `h` or `d`: `90s`")
        })?),
    };
    let header = |key: &str| node.at(&["headers", key]).and_then(Node::text).map(str::to_owned);
    Ok(RateLimit {
        requests: node.get("requests").and_then(Node::u64),
        per_seconds,
        concurrency: node.get("concurrency").and_then(Node::u64),
        remaining_header: header("remaining"),
        reset_header: header("reset"),
    })
}

fn error_paths(node: &Node) -> ErrorPaths {
    let path = |key: &str| node.text_of(key).map(json_path);
    ErrorPaths { message: path("message"), code: path("code") }
}

/// A period in seconds: `1m`, `60s`, `hour`, or a number of seconds; nothing where it is none, or longer than a century.
pub(super) fn seconds(node: &Node) -> Option<f64> {
    const LONGEST: f64 = 100.0 * 366.0 * 86_400.0;
    let text = node.scalar_text()?;
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let count = if count.is_empty() { 1.0 } else { count.parse::<f64>().ok()? };
    let unit = match unit.trim() {
        "ms" => 0.001,
        "" if digits > 0 => 1.0,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    };
    Some(count * unit).filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST)
}

#[cfg(test)]
mod tests;
