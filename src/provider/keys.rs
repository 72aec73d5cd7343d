//! The identity of one row: which parameters of the detail method name it, and which columns hold their values.
//!
//! *Owns*: reading `keys`, inferring them from a list method and its detail method.
//! *Does not own*: what is done with them (`bind`).
//! *Invariants*: inferred keys name columns that both the list and the detail answer have, and no rows are left out in silence
//! for what they hold in those of a parent.

use std::sync::Arc;

use indexmap::IndexMap;

use super::document::{Document, Node};
use super::model::{ItemShape, Keys, Location, Method, Parameter, ValueType};
use crate::error::{Result, fold_name};

/// Reads `keys: {parameter: column}`.
///
/// # Errors
/// `Provider` when a value is not a column's name.
pub(super) fn declared_keys(document: &Document, node: &Node, resource: &str) -> Result<Keys> {
    let mut columns = IndexMap::new();
    for (parameter, column) in node.entries() {
        let Some(column) = column.text() else {
            let place = ["components", "x-stackQL-resources", resource, "keys", parameter];
            return Err(document.error(format!("the key `{parameter}` names no column"), &place));
        };
        columns.insert(parameter.to_owned(), column.to_owned());
    }
    Ok(Keys { columns, declared: true })
}

/// The keys of the first list method that has a detail method one path parameter below it.
pub(super) fn infer_keys(selects: &[Arc<Method>]) -> Option<Keys> {
    let lists = selects.iter().filter(|method| method.response.items == ItemShape::List);
    lists.into_iter().find_map(|list| {
        let below = |method: &&Arc<Method>| {
            method.response.items == ItemShape::Object && method.server == list.server && method.query == list.query
        };
        selects.iter().filter(below).find_map(|detail| keys_of(list, detail))
    })
}

/// Keys of rows below others, where [`infer_keys`] finds none: what the list needs as well is held by the parameter's own
/// column, which every row carries.
pub(crate) fn infer_nested_keys(selects: &[Arc<Method>]) -> Option<Keys> {
    let lists = selects.iter().filter(|method| method.response.items == ItemShape::List);
    lists.into_iter().find_map(|list| {
        let details = selects.iter().filter(|method| method.response.items == ItemShape::Object);
        details.into_iter().find_map(|detail| keys_below(list, detail, Parents::MayBeTheirOwn))
    })
}

/// Where the values of the parameters are that a list and its detail method both need.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parents {
    /// In a column of the rows.
    AreColumns,
    /// There, or in the parameter's own column.
    MayBeTheirOwn,
}

fn keys_of(list: &Method, detail: &Method) -> Option<Keys> {
    keys_below(list, detail, Parents::AreColumns)
}

fn keys_below(list: &Method, detail: &Method, parents: Parents) -> Option<Keys> {
    let path = list_path(list);
    let identity = detail.path.trim_end_matches('/').strip_prefix(path)?.strip_prefix("/{")?.strip_suffix('}')?;
    if identity.contains('/') {
        return None;
    }
    let needs_more = detail.needs().any(|p| !matches!(p.location, Location::Path | Location::Server));
    if needs_more {
        return None;
    }
    let segment = path.rsplit('/').find(|segment| !segment.is_empty() && !segment.starts_with('{'))?;
    let path_parameters = detail.parameters.iter().filter(|p| p.location == Location::Path);
    let mut columns = IndexMap::new();
    for parameter in path_parameters {
        let column = if parameter.wire == identity {
            identity_column(parameter, segment, list, detail)?
        } else {
            // What the list needs as well: only a column of the very name is sure.
            let own = (parents == Parents::MayBeTheirOwn).then(|| parameter.name.clone());
            column_named(&fold_name(&parameter.name), parameter, list, detail).or(own)?
        };
        columns.insert(parameter.name.clone(), column);
    }
    Some(Keys { columns, declared: false })
}

/// The path below which single objects have theirs: `/parcels` of `GET /parcels/`, and of `POST /parcels/filter`.
fn list_path(list: &Method) -> &str {
    let path = list.path.trim_end_matches('/');
    let found = path.rsplit_once('/').filter(|(_, last)| list.http_method == "POST" && is_search_word(last));
    found.map_or(path, |(front, _)| front)
}

/// Last segments of paths to which a POST only looks for rows: `/parcels/filter`.
const SEARCH_WORDS: [&str; 7] = ["search", "filter", "query", "find", "list", "lookup", "paginate"];

/// Whether a segment of a path says that rows are looked for.
pub(crate) fn is_search_word(segment: &str) -> bool {
    SEARCH_WORDS.contains(&segment.trim_start_matches('_').to_ascii_lowercase().as_str())
}

/// The column that the last path parameter means: `id`, the column whose name follows the singular of the path's
/// segment (`/images/{imageId}` → `id`), or the column of the very name.
fn identity_column(parameter: &Parameter, segment: &str, list: &Method, detail: &Method) -> Option<String> {
    let folded = fold_name(&parameter.wire);
    let exact = |wanted: &str| column_named(wanted, parameter, list, detail);
    if folded == "id" {
        return exact("id");
    }
    let segment = fold_name(segment);
    let by_singular = singulars(&segment)
        .into_iter()
        .find_map(|singular| folded.strip_prefix(singular.as_str()).filter(|rest| !rest.is_empty()).and_then(exact));
    // `/projects/{project_identifier}`: what identifies a row is its `id`.
    let is_identifier = folded.ends_with("identifier");
    by_singular.or_else(|| exact(&folded)).or_else(|| if is_identifier { exact("id") } else { None })
}

/// Whether a parameter of the path is called after what stands before it there (`/users/{userId}/…`), and so is not called
/// after the rows below.
pub(crate) fn is_called_after_parent(method: &Method, parameter: &Parameter) -> bool {
    let placed = format!("{{{}}}", parameter.wire);
    let Some((before, _)) = method.path.split_once(&placed) else { return false };
    let segment = before.rsplit('/').find(|segment| !segment.is_empty() && !segment.starts_with('{'));
    let folded = fold_name(&parameter.wire);
    let is_start = |singular: &String| !singular.is_empty() && folded.starts_with(singular.as_str());
    segment.is_some_and(|segment| singulars(&fold_name(segment)).iter().any(is_start))
}

fn singulars(segment: &str) -> Vec<String> {
    let mut found = vec![segment.to_owned()];
    for (plural, singular) in [("ies", "y"), ("es", ""), ("s", "")] {
        if let Some(stem) = segment.strip_suffix(plural) {
            found.push(format!("{stem}{singular}"));
        }
    }
    found
}

/// The column whose folded name is `folded` in both answers, if it can hold the parameter's values.
fn column_named(folded: &str, parameter: &Parameter, list: &Method, detail: &Method) -> Option<String> {
    let find = |method: &Method| {
        let mut found = method.response.columns.iter().filter(|column| fold_name(&column.name) == folded);
        let first = found.next().map(|column| (column.name.clone(), column.ty));
        if found.next().is_some() { None } else { first }
    };
    let (name, ty) = find(list)?;
    let (detail_name, _) = find(detail)?;
    let is_identifier =
        |ty: ValueType| matches!(ty, ValueType::Integer | ValueType::Number | ValueType::Text | ValueType::Any);
    // A number cannot take text; text takes anything.
    let fits =
        is_identifier(ty) && is_identifier(parameter.ty) && (parameter.ty == ValueType::Text || ty != ValueType::Text);
    (name == detail_name && fits).then_some(name)
}

#[cfg(test)]
mod tests {
    use crate::provider::document::Document;
    use crate::provider::load::{load_provider, load_service};

    /// The keys inferred for a list and a detail method at these paths, whose rows have these columns.
    fn inferred(list: &str, detail: &str, parameters: &str, columns: &str) -> Option<String> {
        let provider_document =
            Document::parse(b"name: p\nproviderServices: {s: {service: {$ref: p/v1/s.yaml}}}\n", "provider.yaml")
                .unwrap();
        let provider = load_provider(&provider_document, "p").unwrap();
        let answer =
            |schema: &str| format!("responses: {{'200': {{content: {{application/json: {{schema: {schema}}}}}}}}}");
        let pointer = |path: &str| path.replace('/', "~1");
        let text = format!(
            "servers: [{{url: 'https://p.test'}}]\npaths:\n  '{list}': {{get: {{{}}}}}\n  '{detail}': {{get: {{parameters: [{parameters}], {}}}}}\n\
             components:\n  x-stackQL-resources:\n    r:\n      methods:\n        list: {{operation: {{$ref: '#/paths/{}/get'}}}}\n\
             \x20       get: {{operation: {{$ref: '#/paths/{}/get'}}}}\n      sqlVerbs: {{select: [{{$ref: '#/x/get'}}, {{$ref: '#/x/list'}}]}}\n",
            answer(&format!("{{type: array, items: {{properties: {{{columns}}}}}}}")),
            answer(&format!("{{properties: {{{columns}}}}}")),
            pointer(list),
            pointer(detail),
        );
        let document = Document::parse(text.as_bytes(), "s.yaml").unwrap();
        let service = load_service(&provider, &provider_document, &provider.services["s"], &document).unwrap();
        let keys = service.resources["r"].keys.clone()?;
        assert!(!keys.declared);
        let pairs: Vec<String> =
            keys.columns.iter().map(|(parameter, column)| format!("{parameter}={column}")).collect();
        Some(pairs.join(","))
    }

    #[test]
    fn keys_are_inferred_where_sure() {
        let id = "id: {type: integer}, name: {type: string}";
        let integer = |name: &str| format!("{{name: {name}, in: path, schema: {{type: integer}}}}");
        for (list, detail, parameters, columns, expected) in [
            ("/images", "/images/{imageId}", "", id, Some("imageId=id")),
            ("/images", "/images/{id}", "", id, Some("id=id")),
            ("/policies", "/policies/{policy_id}", "", id, Some("policy_id=id")),
            ("/v2/domains", "/v2/domains/{domain_name}", "", id, Some("domain_name=name")),
            ("/users", "/users/{name}", "", id, Some("name=name")),
            ("/users", "/users/{login}", "", id, None),
            ("/users/", "/users/{userId}/", "", id, Some("userId=id")),
            ("/users/", "/users/{userId}", "", id, Some("userId=id")),
            ("/users", "/users/{user_identifier}", "", id, Some("user_identifier=id")),
            ("/users", "/users/{name}", &integer("name"), id, None),
            ("/users", "/users/{userId}", &integer("userId"), id, Some("userId=id")),
            ("/users", "/users/{userId}", "", "id: {type: object}", None),
            ("/users", "/users/{userId}/keys", "", id, None),
            ("/users", "/users/{userId}", "{name: q, in: query, required: true}", id, None),
            ("/domains/{domainId}/records", "/domains/{domainId}/records/{recordId}", "", id, None),
            (
                "/domains/{domain_id}/records",
                "/domains/{domain_id}/records/{recordId}",
                "",
                "id: {type: integer}, domainId: {type: integer}",
                Some("domain_id=domainId,recordId=id"),
            ),
        ] {
            assert_eq!(inferred(list, detail, parameters, columns).as_deref(), expected, "{detail}");
        }
    }
}
