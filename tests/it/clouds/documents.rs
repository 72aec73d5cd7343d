//! What the documents of the shipped providers say, beyond what lint asks of any document.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use skyql::provider::{Location, Method, PageKind, Pagination, Resource};
use skyql::reference::doing;

use super::cloud::{Place, SHIPPED, places, services};
use super::identity::lists;

/// All resources of all shipped providers, by `provider.service.resource`.
fn everything() -> BTreeMap<String, Place> {
    let all = SHIPPED.iter().flat_map(|provider| {
        let places = places(&services(provider));
        places.into_iter().map(move |place| (format!("{provider}.{}.{}", place.service, place.resource.name), place))
    });
    all.collect()
}

/// `provider.service.resource.method` of all methods of which something is true.
fn methods_that(is: impl Fn(&Resource, &Method) -> bool) -> BTreeSet<String> {
    let all = everything();
    let methods = all.iter().flat_map(|(id, place)| place.resource.methods.values().map(move |m| (id, place, m)));
    let found = methods.filter(|(_, place, method)| is(&place.resource, method));
    found.map(|(id, _, method)| format!("{id}.{}", method.name)).collect()
}

fn none() -> BTreeSet<String> {
    BTreeSet::new()
}

/// The names of a line of `names.txt`, each with its verb: `SELECT get list; EXEC send`.
fn names_by_verb(said: &str) -> impl Iterator<Item = (&str, &str)> {
    said.split("; ").flat_map(|group| {
        let (verb, names) = group.split_once(' ').unwrap();
        names.split(' ').map(move |name| (name, verb))
    })
}

#[test]
fn no_name_that_scripts_use_is_lost_and_none_serves_another_verb() {
    let all = everything();
    let (mut resources, mut wrong) = (0, Vec::new());
    for line in include_str!("names.txt").lines().filter(|line| !line.starts_with('#')) {
        let (id, said) = line.split_once(": ").unwrap();
        resources += 1;
        let category = id.strip_prefix("lunanode/");
        for (name, verb) in names_by_verb(said) {
            let served = match category {
                Some(category) => all.values().find_map(|place| {
                    let path = format!("/{category}/{name}/");
                    let method = place.resource.methods.values().find(|method| method.path == path)?;
                    Some(place.resource.verb_of(&method.name))
                }),
                None => all.get(id).and_then(|place| {
                    let method = place.resource.method(name)?;
                    Some(place.resource.verb_of(&method.name))
                }),
            };
            if served != Some(verb) {
                wrong.push(format!("{id}.{name}: {} and not {verb}", served.unwrap_or("lost")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(resources, 257 + 142 + 16);
}

/// Where the answers of a list state how many rows there are, pages are fetched side by side and the end is proved.
#[test]
fn every_list_in_pages_knows_its_size_and_its_end() {
    let in_pages = |method: &Method| lists(method) && matches!(method.pagination.kind, PageKind::Page { .. });
    let count = methods_that(|resource, method| resource.verbs.select.contains(&method.name) && in_pages(method)).len();
    assert!(count > 150, "{count}");
    let lacking = |lacks: fn(&Pagination) -> bool| {
        methods_that(|resource, method| {
            resource.verbs.select.contains(&method.name) && in_pages(method) && lacks(&method.pagination)
        })
    };
    assert_eq!(lacking(|paging| paging.total.is_none() || paging.size.is_none()), none());
    let mut unlimited = lacking(|paging| paging.size.as_ref().is_some_and(|size| size.max.is_none()));
    // Of these the API does not say how long a page can be: its own length is left alone.
    unlimited.retain(|id| {
        !id.starts_with("digitalocean.genai.") && !id.starts_with("digitalocean.databases.vector_databases.")
    });
    assert_eq!(unlimited, none());
    let unknown = methods_that(|resource, method| {
        resource.verbs.select.contains(&method.name) && lists(method) && method.pagination.kind == PageKind::Unknown
    });
    let explained =
        ["digitalocean.security.scan_finding_affected_resources.security_list_scan_finding_affected_resources"];
    assert_eq!(unknown, explained.map(str::to_owned).into());
}

/// Without declared keys a row can be read by them and not changed.
#[test]
fn every_object_that_can_be_changed_has_an_identity() {
    let of_one = |method: &Method| method.path.ends_with('}');
    let without = methods_that(|resource, method| {
        let verb = resource.verb_of(&method.name);
        matches!(verb, "UPDATE" | "REPLACE" | "DELETE")
            && of_one(method)
            && !resource.keys.as_ref().is_some_and(|keys| keys.declared)
            && !resource.verbs.select.is_empty()
    });
    let explained = [
        // It is read by its knowledge base, and removed by an id of its own.
        "digitalocean.genai.scheduled_indexing.genai_delete_scheduled_indexing",
        // Rows hold everything but their ids.
        "digitalocean.monitoring.sinks.monitoring_delete_sink",
    ];
    assert_eq!(without, explained.map(str::to_owned).into());
}

/// `list`, `get`, `create`, `update` and `delete` are names of the only method, or of the plainest, of their kind.
#[test]
fn plain_words_are_names_of_methods() {
    let wanted = |verb: &str, of_one: bool| match verb {
        "SELECT" if of_one => Some("get"),
        "SELECT" => Some("list"),
        "INSERT" => Some("create"),
        "UPDATE" | "REPLACE" => Some("update"),
        "DELETE" => Some("delete"),
        _ => None,
    };
    let unnamed = methods_that(|resource, method| {
        let Some(word) = wanted(resource.verb_of(&method.name), method.path.ends_with('}')) else { return false };
        // LunaNode's own words are plain: `rename`, `fetch`.
        resource.method(word).is_none() && method.parameters.iter().any(|p| p.location == Location::Path)
    });
    assert_eq!(unnamed, none());
}

/// All of it is in the binary.
#[test]
fn documents_are_small() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("providers");
    let mut packed = 0;
    for provider in SHIPPED {
        let dir = root.join(provider).join("v1.0.0");
        let services = std::fs::read_dir(dir.join("services")).unwrap().map(|entry| entry.unwrap().path());
        for path in services.chain([dir.join("provider.yaml")]) {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&std::fs::read(path).unwrap()).unwrap();
            packed += encoder.finish().unwrap().len();
        }
    }
    assert!((100_000..1_500_000).contains(&packed), "{packed}");
}

#[test]
fn limits_of_requests_are_known() {
    let unlimited = methods_that(|resource, method| {
        !resource.id.starts_with("lunanode.") && method.rate_limit.as_ref().is_none_or(|limit| limit.requests.is_none())
    });
    assert_eq!(unlimited, none());
}

/// One method says one thing: two with the same text in one resource tell nobody which to take.
#[test]
fn every_method_says_what_it_does() {
    let mut said: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (id, place) in everything() {
        for method in place.resource.methods.values() {
            let text = doing(&place.resource, method);
            assert!(!text.is_empty(), "{id}.{} says nothing", method.name);
            assert!(text.chars().count() <= 80 && !text.ends_with('.'), "{id}.{}: {text}", method.name);
            said.entry((id.clone(), text)).or_default().push(method.name.clone());
        }
    }
    let twice: Vec<_> = said.into_iter().filter(|(_, methods)| methods.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}
