//! Overlays over documents that no longer have all that the overlays speak of.
//!
//! *Owns*: which parts of an overlay are left out so that the rest can be used.
//! *Does not own*: merging (`overlay`), what the keys of a provider document mean (`provider`).
//! *Invariants*: what the document still has can be used; what is left out is reported, and stays in the overlay.

use indexmap::IndexMap;

use super::overlay::{at_mut, merge};
use super::report::Finding;
use crate::error::{Error, Result};
use crate::provider::{Document, Node};

const RESOURCES: [&str; 2] = ["components", "x-stackQL-resources"];

/// A service's document with an overlay over it; `load` is what reads it in the end.
pub(super) fn laid_over(
    generated: &Node,
    mut overlay: Node,
    label: &str,
    load: impl Fn(&Node) -> Result<()>,
) -> (Node, Vec<Finding>) {
    let mut left_out = Vec::new();
    loop {
        let mut document = generated.clone();
        merge(&mut document, &overlay);
        let (document, lost) = without_lost(document, label);
        let culprit = load(&document).err().and_then(|error| Some((part_of(&error, &overlay)?, error)));
        let Some((part, error)) = culprit else {
            left_out.extend(lost);
            return (document, left_out);
        };
        let path: Vec<&str> = RESOURCES.into_iter().chain(part.iter().map(String::as_str)).collect();
        remove(&mut overlay, &path);
        let name: Vec<&str> = part.iter().map(String::as_str).filter(|step| *step != "methods").collect();
        let what = format!("what is said of `{}` is left out: {}", name.join("."), error.message());
        left_out.push(Finding::problem(label, what));
    }
}

/// A `provider.yaml` without services that have no document.
pub(super) fn without_lost_services(provider: &mut Node, label: &str) -> Vec<Finding> {
    let Some(Node::Map(services)) = at_mut(provider, &["providerServices"]) else { return Vec::new() };
    let lost = taken_out(services, |_, service| service.at(&["service", "$ref"]).is_none());
    lost.into_iter().map(|name| gone(label, &format!("no service `{name}`"))).collect()
}

fn gone(label: &str, what: &str) -> Finding {
    Finding::problem(label, format!("the document has {what}: what is said of it is left out"))
}

/// Takes out methods whose operation is gone, verbs of such methods, and resources that no method is left of.
fn without_lost(document: Node, label: &str) -> (Node, Vec<Finding>) {
    let mut document = Document::of(document, label);
    let resources = document.root.at(&RESOURCES).into_iter().flat_map(Node::entries);
    let lost: Vec<(String, Vec<String>)> = resources
        .filter(|(_, resource)| resource.is_map() && resource.get("$ref").is_none())
        .map(|(name, resource)| {
            let methods = resource.get("methods").into_iter().flat_map(Node::entries);
            let lost = methods.filter(|(_, method)| !has_operation(&document, method));
            (name.to_owned(), lost.map(|(method, _)| method.to_owned()).collect())
        })
        .collect();
    let mut found = Vec::new();
    let Some(Node::Map(resources)) = at_mut(&mut document.root, &RESOURCES) else { return (document.root, found) };
    for (name, lost) in lost {
        let Some(resource) = resources.get_mut(&name) else { continue };
        if let Some(Node::Map(methods)) = at_mut(resource, &["methods"]) {
            taken_out(methods, |method, _| lost.iter().any(|lost| lost == method));
        }
        let methods: Vec<String> =
            resource.get("methods").into_iter().flat_map(Node::entries).map(|(method, _)| method.to_owned()).collect();
        if methods.is_empty() {
            resources.shift_remove(&name);
            found.push(gone(label, &format!("no resource `{name}`")));
            continue;
        }
        found.extend(lost.iter().map(|method| gone(label, &format!("no operation for the method `{name}.{method}`"))));
        for verb in ["select", "insert", "update", "replace", "delete"] {
            let Some(Node::List(references)) = at_mut(resource, &["sqlVerbs", verb]) else { continue };
            references.retain(|reference| {
                let method = method_of(reference);
                let is_there = methods.contains(&method);
                if !is_there && !lost.contains(&method) {
                    found.push(gone(label, &format!("no method `{name}.{method}` for `sqlVerbs.{verb}`")));
                }
                is_there
            });
        }
    }
    (document.root, found)
}

/// The method that an entry of `sqlVerbs` names.
fn method_of(reference: &Node) -> String {
    let text = reference.text_of("$ref").or_else(|| reference.text()).unwrap_or_default();
    text.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~")
}

fn has_operation(document: &Document, method: &Node) -> bool {
    match method.at(&["operation", "$ref"]).and_then(Node::text) {
        Some(reference) => document.resolve(reference).is_some(),
        None => method.get("path").is_some() || method.get("inline").is_some(),
    }
}

/// The resource, or the method of one, that an error is about, if the overlay says something of it.
fn part_of(error: &Error, overlay: &Node) -> Option<Vec<String>> {
    let prefix = format!("{}.", RESOURCES.join("."));
    let key = error.context_value("key")?.strip_prefix(&prefix)?.to_owned();
    // Names may hold dots themselves.
    let behind = |key: &str, name: &str| {
        let rest = key.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| rest.trim_start_matches('.').to_owned())
    };
    let mut resources = overlay.at(&RESOURCES).into_iter().flat_map(Node::entries);
    let (name, resource, rest) =
        resources.find_map(|(name, node)| behind(&key, name).map(|rest| (name, node, rest)))?;
    let methods = resource.get("methods").into_iter().flat_map(Node::entries);
    let rest = behind(&rest, "methods").unwrap_or_default();
    let mut methods = methods.filter(|(method, _)| behind(&rest, method).is_some());
    let place = vec![name.to_owned()];
    Some(match methods.next() {
        Some((method, _)) => place.into_iter().chain(["methods".to_owned(), method.to_owned()]).collect(),
        None => place,
    })
}

fn remove(node: &mut Node, path: &[&str]) {
    if let Some((last, above)) = path.split_last()
        && let Some(Node::Map(map)) = at_mut(node, above)
    {
        map.shift_remove(*last);
    }
}

/// Takes entries out of a map; their keys.
fn taken_out(map: &mut IndexMap<String, Node>, is_lost: impl Fn(&str, &Node) -> bool) -> Vec<String> {
    let lost: Vec<String> = map.iter().filter(|(key, node)| is_lost(key, node)).map(|(key, _)| key.clone()).collect();
    for key in &lost {
        map.shift_remove(key);
    }
    lost
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use crate::import::{Bundle, Imported, Options, import};
    use crate::provider::Registry;

    const DOCUMENT: &str = "openapi: 3.0.0
servers: [{url: 'https://a.test'}]
x-parts:
  id: &id [{name: id, in: path, required: true, schema: {type: string}}]
  row: &row {type: object, properties: {id: {type: string}, state: {type: string}}}
  one: &one {'200': {content: {application/json: {schema: *row}}}}
  list: &list {'200': {content: {application/json: {schema: {type: array, items: *row}}}}}
paths:
  /parcels:
    get: {operationId: listParcels, responses: *list}
    post: {operationId: makeParcel, responses: *one}
  /parcels/{id}:
    get: {operationId: getParcel, parameters: *id, responses: *one}
    delete: {operationId: dropParcel, parameters: *id, responses: {'204': {}}}
  /parcels/{id}/tracks:
    get: {operationId: listTracks, parameters: *id, responses: *list}
  /vans:
    get: {operationId: listVans, responses: *list}
";

    /// What people say of the whole document.
    const SHOP: &str = "components:
  x-stackQL-resources:
    parcels:
      description: What is sent
      keys: {id: id}
      methods:
        drop_parcel: {description: Throws it away, aliases: [remove]}
        make_parcel: {description: Packs it, config: {async: {poll: get_parcel, status: $.state, ready: packed}}}
        list_parcels: {description: Lists them}
      sqlVerbs: {delete: [{$ref: '#/components/x-stackQL-resources/parcels/methods/drop_parcel'}], replace: []}
    tracks:
      description: Where it is
      methods: {list_tracks: {config: {pagination: {kind: none}}}}
";
    const PROVIDER: &str = "title: Acme\nproviderServices: {parcels: {title: Parcels}, vans: {title: Vans}}\n";

    fn imported(document: &str) -> Imported {
        let files = [("parcels", SHOP), ("provider", PROVIDER)];
        let overlays = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into();
        let options = Options { name: "acme".to_owned(), overlays, ..Options::default() };
        import(Bundle::new("api.yaml", document.as_bytes()).unwrap(), &options).unwrap()
    }

    /// The methods that are left, and what is said of what is not.
    fn left(document: &str) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
        let imported = imported(document);
        let registry = Registry::new(vec![Arc::new(imported.source())], None);
        let provider = registry.provider("acme").unwrap();
        let mut methods = BTreeMap::new();
        for service in provider.services.keys() {
            for resource in registry.service("acme", service).unwrap().resources.values() {
                let names = resource.methods.keys().cloned().collect();
                methods.insert(format!("{service}.{}", resource.name), names);
            }
        }
        let problems = imported.findings.into_iter().filter(|finding| finding.about.starts_with("overlay/"));
        (methods, problems.map(|finding| format!("{}: {}", finding.about, finding.what)).collect())
    }

    /// The document without the lines that hold a text, and what is below them.
    fn without(texts: &[&str]) -> String {
        let mut kept = String::new();
        let mut skipped: Option<usize> = None;
        for line in DOCUMENT.lines() {
            let indent = line.len() - line.trim_start().len();
            if skipped.is_some_and(|above| indent > above) {
                continue;
            }
            skipped = texts.iter().any(|text| line.trim_start().starts_with(text)).then_some(indent);
            if skipped.is_none() {
                kept += line;
                kept.push('\n');
            }
        }
        kept
    }

    fn names(methods: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        methods.iter().map(|(resource, names)| ((*resource).to_owned(), owned(names))).collect()
    }

    #[test]
    fn what_a_newer_document_lost_leaves_the_rest_usable() {
        let all: &[&str] = &["list_parcels", "make_parcel", "get_parcel", "drop_parcel"];
        let (tracks, vans): (&[&str], &[&str]) = (&["list_tracks"], &["list_vans"]);
        let whole = names(&[("parcels.parcels", all), ("parcels.tracks", tracks), ("vans.vans", vans)]);
        assert_eq!(left(DOCUMENT), (whole, Vec::new()));

        let (methods, problems) = left(&without(&["delete:"]));
        assert_eq!(methods, names(&[("parcels.parcels", &all[..3]), ("parcels.tracks", tracks), ("vans.vans", vans)]));
        assert_eq!(
            problems,
            [
                "overlay/parcels.yaml: the document has no operation for the method `parcels.drop_parcel`: what is said of it is left out"
            ]
        );

        let (methods, problems) = left(&without(&["/parcels/{id}/tracks:", "/vans:"]));
        assert_eq!(methods, names(&[("parcels.parcels", all)]));
        assert_eq!(
            problems,
            [
                "overlay/provider.yaml: the document has no service `vans`: what is said of it is left out",
                "overlay/parcels.yaml: the document has no resource `tracks`: what is said of it is left out",
            ]
        );

        // What is waited for is asked of a method that is gone.
        let (methods, problems) = left(&without(&["/parcels/{id}:"]));
        assert_eq!(methods["parcels.parcels"], all[..2]);
        assert!(
            problems.iter().any(|what| what.contains("`parcels.make_parcel`") && what.contains("`get_parcel`")),
            "{problems:?}"
        );
    }

    #[test]
    fn what_still_fits_is_said_all_the_same() {
        let files = imported(&without(&["delete:"])).files;
        let text = String::from_utf8_lossy(&files["acme/v1.0.0/services/parcels.yaml"]).into_owned();
        for said in ["What is sent", "Packs it", "Lists them", "Where it is"] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains("drop_parcel"), "{text}");
    }
}
