//! What a method does, in one short line.
//!
//! Made of the verb, the resource's name and the path where the document says nothing: "Lists records of a domain".

use crate::import::{singular_name, snake, title};
use crate::provider::{ItemShape, Location, Method, Resource};

/// What a method does: as its document says, else as verb and path tell. Empty for a method of EXEC that the document says
/// nothing of: it may do anything.
pub fn doing(resource: &Resource, method: &Method) -> String {
    if !method.description.is_empty() {
        return method.description.clone();
    }
    let owner = owner(resource, method);
    let rows = noun(resource, owner.as_deref());
    let row = with_article(&rows);
    let is_list = matches!(method.response.items, ItemShape::List | ItemShape::Map | ItemShape::Scalar);
    let what = if is_of_one(resource, method) { &row } else { &rows };
    let does = match resource.verb_of(&method.name) {
        "SELECT" if is_list => format!("Lists {rows}"),
        "SELECT" => format!("Shows {what}"),
        "INSERT" => format!("Creates {row}"),
        "UPDATE" => format!("Changes {what}"),
        "REPLACE" => format!("Replaces {what}"),
        "DELETE" => format!("Deletes {what}"),
        _ => return String::new(),
    };
    match owner {
        Some(owner) => format!("{does} of {}", with_article(&words(&owner))),
        None => does,
    }
}

/// Whether a method is about one row of several.
fn is_of_one(resource: &Resource, method: &Method) -> bool {
    let is_key = |name: &str| resource.keys.as_ref().is_some_and(|keys| keys.columns.contains_key(name));
    let mut others = method.needs().filter(|parameter| parameter.location != Location::Path);
    method.path.ends_with('}') || others.any(|parameter| is_key(&parameter.name))
}

/// What the rows are called, without what they belong to: `volume_snapshots` of a volume are snapshots.
fn noun(resource: &Resource, owner: Option<&str>) -> String {
    let name = resource.name.trim_matches('_');
    let short = owner.and_then(|owner| name.strip_prefix(owner)?.strip_prefix('_'));
    words(short.unwrap_or(name))
}

/// The object above the rows, by the name of the path's last parameter that does not name a row itself: `domain` of
/// `/domains/{domainId}/records`.
fn owner(resource: &Resource, method: &Method) -> Option<String> {
    let mut segments: Vec<&str> = method.path.split('/').collect();
    if is_of_one(resource, method) && segments.last().is_some_and(|last| last.ends_with('}')) {
        segments.pop();
    }
    let at = segments.iter().rposition(|segment| segment.starts_with('{') && segment.ends_with('}'))?;
    let parameter = snake(segments.get(at)?);
    let endings = ["_id", "_uuid", "_slug", "_name", "_label"];
    let bare = endings.iter().find_map(|ending| parameter.strip_suffix(ending)).unwrap_or(&parameter);
    // `{id}` says nothing; the segment before it does.
    let before = || at.checked_sub(1).and_then(|at| segments.get(at)).map(|segment| singular_name(&snake(segment)));
    let owner = if matches!(bare, "id" | "uuid" | "slug" | "name" | "label") { before()? } else { bare.to_owned() };
    (owner != singular_name(&resource.name)).then_some(owner)
}

/// A name as it stands in a sentence: `ssh_keys` → `SSH keys`, `node_pools` → `node pools`.
fn words(name: &str) -> String {
    let title = title(name);
    let first_word = title.split(' ').next().unwrap_or_default();
    // A word with further capitals is a name: `VPCs`, `OpenAI`.
    if first_word.chars().skip(1).any(char::is_uppercase) {
        return title;
    }
    let mut chars = title.chars();
    chars.next().into_iter().flat_map(char::to_lowercase).chain(chars).collect()
}

/// One of them: `records` → `a record`. A noun without a plural has no article.
fn with_article(words: &str) -> String {
    let (front, last) = words.rsplit_once(' ').map_or(("", words), |(front, last)| (front, last));
    let one = singular_name(last);
    let is_many = one != last;
    let noun = if front.is_empty() { one } else { format!("{front} {one}") };
    let counts = is_many || singular_name(&format!("{last}s")) == last;
    if !counts {
        return noun;
    }
    // Capitals are read letter by letter.
    let spelt = noun.chars().take(2).all(char::is_uppercase);
    let vowels = if spelt { "AEFHILMNORSX" } else { "aeioAEIO" };
    let article = if noun.starts_with(|c: char| vowels.contains(c)) { "an" } else { "a" };
    format!("{article} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words_of_a_sentence() {
        for (name, many, one) in [
            ("ssh_keys", "SSH keys", "an SSH key"),
            ("vpcs", "VPCs", "a VPC"),
            ("node_pools", "node pools", "a node pool"),
            ("ip_addresses", "IP addresses", "an IP address"),
            ("agents", "agents", "an agent"),
            ("users", "users", "a user"),
            ("openai_keys", "OpenAI keys", "an OpenAI key"),
            ("sizes", "sizes", "a size"),
            ("domain", "domain", "a domain"),
        ] {
            assert_eq!((words(name).as_str(), with_article(&words(name)).as_str()), (many, one));
        }
    }
}
