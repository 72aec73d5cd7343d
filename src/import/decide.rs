//! Operations → services, resources, methods and verbs.
//!
//! *Owns*: which operations make one table, which verb each serves, what methods are called.
//! *Does not own*: what tables are called (`naming`), where rows are (`answer`), writing it down (`write`).
//! *Invariants*: what a person said in an overlay wins; names are unique where SQL needs them to be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::answer::{Answer, Kind};
use super::api::{Api, Operation};
use super::naming::{self, Collection, Tags};
use super::overlay::{Overlays, Placing};
use super::words::{singular_name, snake};
use crate::error::fold_name;
use crate::provider::is_search_word;

/// A SQL verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Select,
    Insert,
    Update,
    Replace,
    Delete,
    Exec,
}

impl Verb {
    pub(super) const LISTED: [Self; 5] = [Self::Select, Self::Insert, Self::Update, Self::Replace, Self::Delete];

    /// The key in `sqlVerbs`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Exec => "exec",
        }
    }

    pub(super) fn of_key(key: &str) -> Option<Self> {
        Self::LISTED.into_iter().chain([Self::Exec]).find(|verb| verb.key() == key)
    }
}

/// What becomes of one operation.
#[derive(Debug, Clone)]
pub(super) struct Decision {
    /// The operation's index.
    pub(super) operation: usize,
    pub(super) service: String,
    pub(super) resource: String,
    pub(super) method: String,
    pub(super) aliases: Vec<String>,
    pub(super) verb: Verb,
    /// Whether verb and place are more than a guess by names.
    pub(super) sure: bool,
}

/// Decides on every operation that is not left out.
pub(super) fn decide(api: &Api, answers: &[Answer], overlays: &Overlays) -> Vec<Decision> {
    let operations = &api.operations;
    let tables = tables(operations, answers);
    let placings: Vec<Option<&Placing>> =
        operations.iter().map(|operation| overlays.placing(&operation.key())).collect();
    let twins = deprecated_twins(operations);
    let mut verbs = Vec::with_capacity(operations.len());
    let shapes: BTreeSet<(&str, &str)> = operations.iter().map(|o| (o.verb, o.shape.as_str())).collect();
    for (index, (operation, answer)) in operations.iter().zip(answers).enumerate() {
        let said = placings.get(index).copied().flatten().and_then(|placing| placing.verb);
        let guessed =
            if twins.contains(&index) { (Verb::Exec, true) } else { verb(operation, answer, &tables, &shapes) };
        verbs.push(said.map_or(guessed, |verb| (verb, true)));
    }
    let homes: Vec<String> = operations
        .iter()
        .zip(answers)
        .zip(&verbs)
        .map(|((operation, answer), (verb, _))| home(operation, answer, *verb, &tables))
        .collect();
    let services = services(operations, &homes, overlays, &placings);
    let names = names(operations, answers, &verbs, &homes, &services);
    let mut decisions = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let placing = placings.get(index).copied().flatten();
        if placing.is_some_and(|placing| placing.skip) {
            continue;
        }
        let (Some((verb, sure)), Some(home), Some(service)) = (verbs.get(index), homes.get(index), services.get(index))
        else {
            continue;
        };
        let found = names.get(&(service.clone(), home.clone())).cloned().unwrap_or_default();
        let resource = placing.and_then(|placing| placing.resource.clone()).unwrap_or(found);
        let method = operation.id.as_deref().map(snake).filter(|name| !name.is_empty());
        decisions.push(Decision {
            operation: index,
            service: service.clone(),
            resource,
            method: placing.and_then(|placing| placing.method.clone()).or(method).unwrap_or_default(),
            aliases: placing.map(|placing| placing.aliases.clone()).unwrap_or_default(),
            verb: *verb,
            sure: *sure,
        });
    }
    name_methods(operations, &mut decisions);
    decisions
}

/// The collections that can be read: the shapes, without parameters at the end, of the operations that give rows.
fn tables(operations: &[Operation], answers: &[Answer]) -> BTreeSet<String> {
    let reading = operations.iter().zip(answers).filter(|(operation, answer)| gives_rows(operation, answer));
    reading.map(|(operation, answer)| own_collection(operation, answer).to_owned()).collect()
}

fn gives_rows(operation: &Operation, answer: &Answer) -> bool {
    matches!(answer.kind, Kind::Rows(_)) && (operation.verb == "get" || searches(operation, answer))
}

/// A POST that only looks: its path or name says so, and its answer is a list.
fn searches(operation: &Operation, answer: &Answer) -> bool {
    let many = matches!(&answer.kind, Kind::Rows(rows) if rows.many);
    let by_path = operation.statics().last().is_some_and(|last| is_search_word(last));
    let id = snake(operation.id.as_deref().unwrap_or_default());
    let by_name = id.split('_').any(|word| matches!(word, "search" | "filter" | "list"));
    operation.verb == "post" && many && (by_path || by_name) && !operation.is_item()
}

/// A shape without the parameters at its end.
fn collection(shape: &str) -> &str {
    let mut shape = shape;
    while let Some(front) = shape.strip_suffix("/{}") {
        shape = front;
    }
    shape
}

/// The collection that an operation's own path ends in. What `POST /parcels/filter` finds are parcels.
fn own_collection<'o>(operation: &'o Operation, answer: &Answer) -> &'o str {
    let own = collection(&operation.shape);
    let found = own.rsplit_once('/').filter(|(_, last)| is_search_word(last) && searches(operation, answer));
    found.map(|(front, _)| collection(front)).filter(|front| !super::api::statics(front).is_empty()).unwrap_or(own)
}

/// The verb of an operation, and whether its shape leaves no doubt.
fn verb(
    operation: &Operation,
    answer: &Answer,
    tables: &BTreeSet<String>,
    shapes: &BTreeSet<(&str, &str)>,
) -> (Verb, bool) {
    let shape = operation.shape.as_str();
    let is_table = tables.contains(collection(shape));
    let reads_here = tables.contains(shape) || shapes.contains(&("get", shape));
    let is_item = operation.is_item();
    let id = snake(operation.id.as_deref().unwrap_or_default());
    let says = |word: &str| id.split('_').any(|part| part == word);
    // What can be made and removed one by one is a table, also where it cannot be read.
    let item = format!("{}/{{}}", collection(shape));
    let is_made_and_removed =
        shapes.contains(&("post", collection(shape))) && shapes.contains(&("delete", item.as_str()));
    match operation.verb {
        "get" if matches!(answer.kind, Kind::Rows(_)) => (Verb::Select, true),
        "get" => (Verb::Exec, matches!(answer.kind, Kind::Bytes)),
        _ if searches(operation, answer) => (Verb::Select, false),
        // Things that are done are made by POST, too, but nobody inserts them.
        "post" if shape.rsplit('/').next().is_some_and(|last| snake(last) == "actions") => (Verb::Exec, true),
        "post" if !is_item && is_table => (Verb::Insert, true),
        "post" if is_item && reads_here && !shapes.contains(&("put", shape)) && !shapes.contains(&("patch", shape)) => {
            (Verb::Update, false)
        }
        "post" if !is_item && is_made_and_removed && says("create") => (Verb::Insert, false),
        "put" if is_table && (is_item || reads_here) => (Verb::Replace, true),
        "put" if is_item && is_made_and_removed && says("update") => (Verb::Replace, false),
        "patch" => (Verb::Update, is_table),
        "delete" if is_table && (is_item || reads_here) => (Verb::Delete, true),
        "delete" if is_item && says("delete") => (Verb::Delete, false),
        _ => (Verb::Exec, !is_item),
    }
}

/// Operations that are deprecated because another one of nearly the same path took their place.
fn deprecated_twins(operations: &[Operation]) -> BTreeSet<usize> {
    let alike = |operation: &Operation| {
        let parts: Vec<String> = operation.shape.split('/').map(|part| singular_name(&fold_name(part))).collect();
        (operation.verb, parts)
    };
    let current: BTreeSet<_> = operations.iter().filter(|o| !o.deprecated).map(alike).collect();
    let old = operations.iter().enumerate().filter(|(_, o)| o.deprecated && current.contains(&alike(o)));
    old.map(|(index, _)| index).collect()
}

/// The collection that an operation belongs to: its own where that is a table or nothing above it is.
fn home(operation: &Operation, answer: &Answer, verb: Verb, tables: &BTreeSet<String>) -> String {
    let own = own_collection(operation, answer);
    // A part that is changed by a path of its own (`PATCH /parcels/{id}/label`) is one of the whole; what is made or
    // removed by one is a thing of its own.
    let of_its_own = matches!(verb, Verb::Insert | Verb::Replace | Verb::Delete);
    if tables.contains(own) || of_its_own {
        return own.to_owned();
    }
    let mut shape = own;
    while let Some((front, _)) = shape.rsplit_once('/') {
        shape = collection(front);
        if tables.contains(shape) {
            return shape.to_owned();
        }
    }
    own.to_owned()
}

/// The service of each operation: what a person said, else the first segment that tells operations apart.
fn services(
    operations: &[Operation],
    homes: &[String],
    overlays: &Overlays,
    placings: &[Option<&Placing>],
) -> Vec<String> {
    // A segment that all begin with tells nothing.
    let all: Vec<Vec<&str>> = operations.iter().map(Operation::statics).collect();
    let common = (0..).take_while(|depth| {
        let first = all.first().and_then(|segments| segments.get(*depth));
        first.is_some() && all.iter().all(|segments| segments.get(*depth) == first && segments.len() > depth + 1)
    });
    let skip = common.count();
    let mut found = Vec::with_capacity(operations.len());
    for (index, operation) in operations.iter().enumerate() {
        let said = placings.get(index).copied().flatten().map(|placing| placing.service.clone());
        let by_path = || overlays.service_of_path(&operation.path);
        let guessed = || {
            let of_home = homes.get(index).map(|home| super::api::statics(home)).unwrap_or_default();
            let segments = if of_home.len() > skip { of_home } else { operation.statics() };
            let name = snake(segments.get(skip).copied().unwrap_or_default());
            if name.is_empty() { "api".to_owned() } else { name }
        };
        found.push(said.or_else(by_path).unwrap_or_else(guessed));
    }
    found
}

/// The name of each collection within its service.
fn names(
    operations: &[Operation],
    answers: &[Answer],
    verbs: &[(Verb, bool)],
    homes: &[String],
    services: &[String],
) -> HashMap<(String, String), String> {
    let mut tags: Tags = BTreeMap::new();
    let mut collections: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (index, operation) in operations.iter().enumerate() {
        let (Some((verb, _)), Some(home), Some(service)) = (verbs.get(index), homes.get(index), services.get(index))
        else {
            continue;
        };
        collections.entry((service.clone(), home.clone())).or_default().push(index);
        if *verb != Verb::Exec {
            for tag in &operation.tags {
                tags.entry((service.clone(), tag.clone())).or_default().insert(home.clone());
            }
        }
    }
    let columns = |indices: &[usize]| -> BTreeSet<String> {
        let rows = indices.iter().filter_map(|index| match &answers.get(*index)?.kind {
            Kind::Rows(rows) if verbs.get(*index).is_some_and(|(verb, _)| *verb == Verb::Select) => Some(&rows.columns),
            _ => None,
        });
        rows.flatten().cloned().collect()
    };
    let mut names: HashMap<(String, String), String> = HashMap::new();
    // Name → the shape that has it first, by service; shorter paths first, so that `/firewalls` is `firewalls`.
    let mut taken: HashMap<(String, String), Vec<usize>> = HashMap::new();
    let mut ordered: Vec<_> = collections.iter().collect();
    ordered.sort_by_key(|((service, shape), _)| (service.clone(), shape.matches('/').count(), shape.clone()));
    for ((service, shape), indices) in ordered {
        let of: Vec<(bool, &Operation)> = indices
            .iter()
            .filter_map(|index| Some((verbs.get(*index)?.0 != Verb::Exec, operations.get(*index)?)))
            .collect();
        let row_key = indices.iter().find_map(|index| match &answers.get(*index)?.kind {
            Kind::Rows(rows) if rows.many && !operations.get(*index)?.is_item() => rows.path.strip_prefix("$."),
            _ => None,
        });
        let row_key = row_key.filter(|key| !key.contains('.'));
        let plain = naming::name(&Collection { shape, service, operations: of, row_key }, &tags);
        let own = columns(indices);
        let mut candidates = vec![plain.clone()];
        candidates.extend(naming::qualified(&plain, shape));
        candidates.extend((2..).take(500).map(|number| format!("{plain}_{number}")));
        let free = candidates.into_iter().find(|name| {
            let Some(others) = taken.get(&(service.clone(), name.clone())) else { return true };
            // Two lists of the same rows, as `/ips` and `/vpcs/{}/ips` are, make one table.
            let theirs = columns(others);
            own.is_empty() || theirs.is_empty() || own == theirs
        });
        let name = free.unwrap_or(plain);
        taken.entry((service.clone(), name.clone())).or_default().extend(indices);
        names.insert((service.clone(), shape.clone()), name);
    }
    names
}

/// Gives every method a name that no other of its resource has, and further names.
fn name_methods(operations: &[Operation], decisions: &mut [Decision]) {
    let mut by_resource: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (index, decision) in decisions.iter().enumerate() {
        by_resource.entry((decision.service.clone(), decision.resource.clone())).or_default().push(index);
    }
    for indices in by_resource.values() {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for index in indices {
            let Some(decision) = decisions.get_mut(*index) else { continue };
            let Some(operation) = operations.get(decision.operation) else { continue };
            let crud = plain_word(decision.verb, operation);
            let first = if decision.method.is_empty() { crud.clone() } else { decision.method.clone() };
            let by_path = format!("{}_{}", operation.verb, snake(&operation.shape.replace("{}", "by")));
            let mut candidates = if operation.is_twice { vec![by_path.clone()] } else { vec![first.clone(), by_path] };
            candidates.extend((2..200).map(|number| format!("{first}_{number}")));
            let free = candidates.into_iter().find(|name| !taken.contains(&fold_name(name)));
            decision.method = free.unwrap_or(first);
            taken.insert(fold_name(&decision.method));
        }
        // What a person wrote goes before the plain word of any other method.
        for index in indices {
            let Some(decision) = decisions.get_mut(*index) else { continue };
            decision.aliases.retain(|name| !name.is_empty() && taken.insert(fold_name(name)));
        }
        for index in indices {
            let Some(decision) = decisions.get_mut(*index) else { continue };
            let Some(operation) = operations.get(decision.operation) else { continue };
            let crud = plain_word(decision.verb, operation);
            if !crud.is_empty() && taken.insert(fold_name(&crud)) {
                decision.aliases.push(crud);
            }
        }
    }
}

/// `list`, `get`, `create`, …: what people expect a method to be called.
fn plain_word(verb: Verb, operation: &Operation) -> String {
    let word = match verb {
        Verb::Select if operation.is_item() => "get",
        Verb::Select => "list",
        Verb::Insert => "create",
        Verb::Update | Verb::Replace => "update",
        Verb::Delete => "delete",
        Verb::Exec => return operation.statics().last().map(|segment| snake(segment)).unwrap_or_default(),
    };
    word.to_owned()
}
