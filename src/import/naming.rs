//! What a table of an API is called.
//!
//! *Owns*: the name of a collection, from its tag, its operationIds and its path.
//! *Does not own*: which operations belong together (`decide`).

use std::collections::{BTreeMap, BTreeSet};

use super::api::Operation;
use super::words::{plural_name, singular_name, snake, without_prefix};

/// Words that say what an operation does and not to what.
const DOING: [&str; 56] = [
    "list",
    "get",
    "create",
    "update",
    "delete",
    "patch",
    "put",
    "post",
    "add",
    "remove",
    "destroy",
    "run",
    "attach",
    "detach",
    "retrieve",
    "fetch",
    "read",
    "enable",
    "disable",
    "cancel",
    "assign",
    "unassign",
    "set",
    "install",
    "purge",
    "regenerate",
    "move",
    "start",
    "stop",
    "validate",
    "reset",
    "promote",
    "accept",
    "decline",
    "upgrade",
    "import",
    "clone",
    "replace",
    "show",
    "search",
    "find",
    "view",
    "edit",
    "modify",
    "insert",
    "query",
    "describe",
    "allocate",
    "order",
    "share",
    "revoke",
    "activate",
    "download",
    "submit",
    "send",
    "all",
];

/// One collection: the operations that are about the same rows.
pub(super) struct Collection<'a> {
    /// Its path's shape.
    pub(super) shape: &'a str,
    pub(super) service: &'a str,
    /// Its operations: whether each serves a verb, and the operation.
    pub(super) operations: Vec<(bool, &'a Operation)>,
    /// The key under which its list has the rows.
    pub(super) row_key: Option<&'a str>,
}

/// For each service, the tags and the collections whose rows they name.
pub(super) type Tags = BTreeMap<(String, String), BTreeSet<String>>;

/// The name of a collection.
pub(super) fn name(collection: &Collection<'_>, tags: &Tags) -> String {
    let statics = super::api::statics(collection.shape);
    // A segment of signs alone has no name in SQL.
    let segment =
        statics.last().map(|last| snake(last)).filter(|name| !name.is_empty()).unwrap_or_else(|| "root".to_owned());
    let serving: Vec<&Operation> = {
        let serving: Vec<&Operation> =
            collection.operations.iter().filter(|(serves, _)| *serves).map(|(_, o)| *o).collect();
        if serving.is_empty() { collection.operations.iter().map(|(_, o)| *o).collect() } else { serving }
    };
    let found = by_tag(collection, tags, &serving, &segment)
        .or_else(|| by_operation(&serving, collection.row_key, &segment))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| segment.clone());
    // The path may say more: `clients` at `/oauth-clients`, `zone` at `/zone-file`.
    let starts = |name: &str| segment.starts_with(&format!("{name}_"));
    let says_more = (segment.ends_with(&format!("_{found}")) || starts(&found) || starts(&singular_name(&found)))
        && segment.matches('_').count() == found.matches('_').count() + 1;
    let raw = if says_more { segment.clone() } else { found };
    let bare = without_prefix(&raw, collection.service).unwrap_or(raw);
    let whole = spelt_out(&bare);
    let has_items = serving.iter().any(|o| o.is_item());
    let path_is_plural = plural_name(&whole).rsplit('_').next() == segment.rsplit('_').next();
    // Numbers and doings (`ipv6`, `scheduled_indexing`) have no plural.
    let has_plural = !whole.ends_with("ing") && !whole.ends_with(|c: char| c.is_ascii_digit());
    if has_plural && (has_items || path_is_plural) { plural_name(&whole) } else { whole }
}

/// Names that are short for a word, written out.
fn spelt_out(name: &str) -> String {
    let whole = match name {
        "ip" => "ip_address",
        "ips" => "ip_addresses",
        "ipv4" | "ipv4s" => "ipv4_addresses",
        "ipv6" | "ipv6s" => "ipv6_addresses",
        "stat" | "stats" => "statistics",
        "configs" => "configurations",
        "auths" => "authorizations",
        "orgs" => "organizations",
        "repos" => "repositories",
        other => other,
    };
    whole.to_owned()
}

/// The tag, when no other collection of the service has it.
fn by_tag(collection: &Collection<'_>, tags: &Tags, serving: &[&Operation], segment: &str) -> Option<String> {
    let tag = serving.iter().find_map(|operation| operation.tags.first())?;
    let sharing = tags.get(&(collection.service.to_owned(), tag.clone()))?;
    let name = snake(tag);
    let words = name.split('_').count();
    // A part of something else has the tag of the whole: `/parcels/{id}/label` is not `parcels`.
    let is_nested = collection.shape.trim_end_matches("/{}").contains("{}");
    let about_this = shares_word(&name, segment) || (!is_nested && by_operation(serving, None, segment).is_none());
    (sharing.len() == 1 && words <= 4 && !name.is_empty() && about_this).then_some(name)
}

fn shares_word(name: &str, segment: &str) -> bool {
    let words: Vec<String> = name.split('_').map(singular_name).collect();
    segment.split('_').any(|part| words.contains(&singular_name(part)))
}

/// What an operationId says that it does something to: `kubernetes_list_nodePools` → `node_pools`.
fn by_operation(serving: &[&Operation], row_key: Option<&str>, segment: &str) -> Option<String> {
    let list = serving.iter().find(|o| o.verb == "get" && !o.is_item());
    let best = list.or_else(|| serving.iter().find(|o| o.verb == "get")).or_else(|| serving.first())?;
    let id = snake(best.id.as_deref()?);
    let words: Vec<&str> = id.split('_').collect();
    let at = words.iter().position(|word| DOING.contains(word))?;
    let after = words.get(at..).unwrap_or_default();
    let after = after.get(after.iter().take_while(|word| DOING.contains(word)).count()..).unwrap_or_default();
    let end =
        after.iter().position(|word| matches!(*word, "by" | "for" | "from" | "of" | "all")).unwrap_or(after.len());
    let noun = after.get(..end).unwrap_or_default();
    if !noun.is_empty() {
        return Some(noun.join("_"));
    }
    // `addons_list` says no more than where it is; the answer may: `{"resources": […]}`.
    let telling = row_key.map(snake).filter(|key| {
        !matches!(key.as_str(), "data" | "items" | "results" | "result" | "rows" | "values" | "value" | "")
    });
    let front = words.get(..at).filter(|front| !front.is_empty()).map(|front| front.join("_"));
    // `dropletActions_list` says more than `{"actions": […]}`.
    let front_says_more = front.as_deref().is_some_and(|front| {
        let ends_alike = telling.as_deref().is_some_and(|key| front.ends_with(key.trim_end_matches('s')));
        front.contains('_') && (front == segment || ends_alike)
    });
    if front_says_more { front } else { telling.or(front) }
}

/// `node_pools` within `/clusters/{}/node_pools` → `cluster_node_pools`.
pub(super) fn qualified(name: &str, shape: &str) -> Option<String> {
    let statics = super::api::statics(shape);
    let parent = statics.len().checked_sub(2).and_then(|at| statics.get(at))?;
    let parent = singular_name(&snake(parent));
    (!name.starts_with(&format!("{parent}_"))).then(|| format!("{parent}_{name}"))
}
