//! What the written documents mean, as the program itself reads them.
//!
//! *Owns*: the keys of resources whose documents leave no doubt, what an import tells its user.
//! *Does not own*: reading the documents (`provider`), which is what makes the summary true.

use indexmap::IndexMap;

use super::answer::{Answer, Kind};
use super::api::Api;
use super::decide::{Decision, Verb};
use super::overlay::at_mut;
use super::report::{Finding, Level, MethodLine};
use crate::provider::{
    ItemShape, Keys, Location, Method, Node, PageKind, Pagination, Resource, Service, TokenPlace, TokenSource,
    infer_nested_keys,
};

/// Writes the keys that are sure into a service's document.
pub(super) fn add_keys(document: &mut Node, service: &Service) {
    for (name, resource) in &service.resources {
        let Some(keys) = keys(resource) else { continue };
        if let Some(Node::Map(written)) = at_mut(document, &["components", "x-stackQL-resources", name.as_str()]) {
            let columns: IndexMap<String, Node> =
                keys.columns.into_iter().map(|(parameter, column)| (parameter, Node::Text(column))).collect();
            let at = written.get_index_of("methods").unwrap_or(written.len());
            written.shift_insert(at, "keys".to_owned(), Node::Map(columns));
        }
    }
}

/// Puts lists whose end is proved before others of the same path parameters, so that they are asked where both can be.
pub(super) fn put_proved_first(document: &mut Node, service: &Service) {
    for (name, resource) in &service.resources {
        let rank = |reference: &Node| {
            let method = reference.text_of("$ref").and_then(|text| text.rsplit_once("/methods/"));
            let method = method.and_then(|(_, key)| resource.methods.get(&key.replace("~1", "/").replace("~0", "~")));
            method.map(|method| {
                let parameters = method.parameters.iter().filter(|p| p.location == Location::Path).count();
                let is_open = method.pagination.kind == PageKind::Unknown || method.pagination.is_guess();
                (std::cmp::Reverse(parameters), is_open)
            })
        };
        let place = ["components", "x-stackQL-resources", name.as_str(), "sqlVerbs", "select"];
        if let Some(Node::List(references)) = at_mut(document, &place) {
            references.sort_by_key(rank);
        }
    }
}

fn keys(resource: &Resource) -> Option<Keys> {
    let selects: Vec<_> = resource.methods_of(&resource.verbs.select).cloned().collect();
    resource.keys.clone().or_else(|| infer_nested_keys(&selects))
}

/// A line for each method of a service.
pub(super) fn methods(service: &Service, decisions: &[Decision], api: &Api, answers: &[Answer]) -> Vec<MethodLine> {
    let mut lines = Vec::new();
    for resource in service.resources.values() {
        let keys = resource.keys.as_ref().map(|keys| {
            let pairs: Vec<String> =
                keys.columns.iter().map(|(parameter, column)| format!("{parameter}={column}")).collect();
            pairs.join(", ")
        });
        for method in resource.methods.values() {
            let decision = decisions
                .iter()
                .find(|d| d.service == service.name && d.resource == resource.name && d.method == method.name);
            lines.push(line(service, resource, method, keys.clone().unwrap_or_default(), decision, api, answers));
        }
    }
    lines
}

fn line(
    service: &Service,
    resource: &Resource,
    method: &Method,
    keys: String,
    decision: Option<&Decision>,
    api: &Api,
    answers: &[Answer],
) -> MethodLine {
    let verb = resource.verb_of(&method.name);
    let selects = decision.is_some_and(|decision| decision.verb == Verb::Select) || verb == "SELECT";
    let pages = if selects && may_have_pages(method) { pages(&method.pagination) } else { String::new() };
    let rows_sure = decision
        .and_then(|decision| answers.get(decision.operation))
        .is_none_or(|answer| !matches!(&answer.kind, Kind::Rows(rows) if !rows.sure));
    let level = if pages == UNKNOWN {
        Level::Undecided
    } else if decision.is_none_or(|decision| decision.sure) && rows_sure && !method.pagination.is_guess() {
        Level::Sure
    } else {
        Level::Likely
    };
    let operation = decision.and_then(|decision| api.operations.get(decision.operation));
    MethodLine {
        service: service.name.clone(),
        resource: resource.name.clone(),
        method: method.name.clone(),
        verb,
        operation: operation
            .map_or_else(|| format!("{} {}", method.http_method, method.path), super::api::Operation::label),
        rows: if selects { method.response.item_path.clone() } else { String::new() },
        pages,
        keys,
        level,
    }
}

/// What is said of paging that nothing describes.
pub(super) const UNKNOWN: &str = "unknown";

/// What is said beside a way that only names suggest.
const GUESSED: &str = ", no total";

/// Whether an answer may hold several rows.
pub(super) fn may_have_pages(method: &Method) -> bool {
    let many = matches!(method.response.items, ItemShape::List | ItemShape::Map | ItemShape::Scalar);
    many && method.pagination.kind != PageKind::Single
}

/// How the pages of a method follow one another, for people.
fn pages(pagination: &Pagination) -> String {
    let place = |place: &TokenPlace| match place.location {
        Location::Query => format!("?{}", place.key),
        other => format!("{} ({other})", place.key),
    };
    let way = match &pagination.kind {
        PageKind::Single => "one answer".to_owned(),
        PageKind::Unknown => return UNKNOWN.to_owned(),
        PageKind::Page { parameter, first } => format!("page {} from {first}", place(parameter)),
        PageKind::Offset { parameter } => format!("offset {}", place(parameter)),
        PageKind::Cursor { from, parameter, .. } => {
            let from = match from {
                TokenSource::Body(path) => path.clone(),
                TokenSource::Header(name) => format!("header {name}"),
            };
            format!("cursor {from} to {}", place(parameter))
        }
        PageKind::NextUrl { path } => format!("next URL {path}"),
        PageKind::LinkHeader => "Link header".to_owned(),
    };
    let size = pagination.size.as_ref().map(|size| {
        let most = size.max.map(|max| format!(" up to {max}")).unwrap_or_default();
        format!(", size {}{most}", place(&size.parameter))
    });
    let total = pagination.total.as_ref().and_then(|total| total.rows_path().or_else(|| total.pages_path()));
    let total = total.map(|path| format!(", total {path}"));
    let doubt = if pagination.is_guess() { GUESSED } else { "" };
    format!("{way}{}{}{doubt}", size.unwrap_or_default(), total.unwrap_or_default())
}

/// What was left open: lists of unknown paging, tables without keys.
pub(super) fn open_questions(methods: &[MethodLine]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let paged = |is: fn(&str) -> bool| -> Vec<String> {
        let lines = methods.iter().filter(|line| is(&line.pages));
        lines.map(|line| format!("{}.{}.{}", line.service, line.resource, line.method)).collect()
    };
    let unknown = paged(|pages| pages == UNKNOWN);
    if !unknown.is_empty() {
        findings.push(Finding::new(
            Level::Undecided,
            "pagination",
            format!(
                "nothing says how the pages of {} follow one another: such a result is called unproved until an overlay says `pagination`",
                listed(&unknown)
            ),
        ));
    }
    let guessed = paged(|pages| pages.ends_with(GUESSED));
    if !guessed.is_empty() {
        findings.push(Finding::new(
            Level::Likely,
            "pagination",
            format!(
                "{} take an offset and a limit, and no answer says how many rows there are: their pages are followed to an empty one, and the result is called unproved until an overlay says `pagination`",
                listed(&guessed)
            ),
        ));
    }
    let mut without: Vec<String> = methods
        .iter()
        .filter(|line| line.keys.is_empty() && matches!(line.verb, "UPDATE" | "REPLACE" | "DELETE"))
        .map(|line| format!("{}.{}", line.service, line.resource))
        .collect();
    without.dedup();
    if !without.is_empty() {
        findings.push(Finding::new(
            Level::Undecided,
            "keys",
            format!(
                "nothing says which column identifies a row of {}: their rows are changed by naming the parameters until an overlay says `keys`",
                listed(&without)
            ),
        ));
    }
    findings
}

/// A few names, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
