//! What documents say that can be named: columns, parameters, fields of bodies.

use std::sync::Arc;

use super::place::{Purpose, TableName};
use super::starts_with;
use crate::bind::{ColumnRole, Table};
use crate::cli::shell::names::Names;
use crate::engine::metadata_tables;
use crate::provider::{Location, Method, Parameter, Resource, Service};

/// Whether something must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    Required,
    /// A field of the rows.
    Field,
    Optional,
}

/// The resource that a table's name means.
pub(super) fn resource(parts: &[String], names: &dyn Names) -> Option<Arc<Resource>> {
    match whole(parts, 3, names)?.as_slice() {
        [provider, service, resource] => resource_of(provider, service, resource, names),
        _ => None,
    }
}

/// The resource and the method that a method's name means.
pub(super) fn method(parts: &[String], names: &dyn Names) -> Option<(Arc<Resource>, Arc<Method>)> {
    match whole(parts, 4, names)?.as_slice() {
        [provider, service, resource, method] => {
            let resource = resource_of(provider, service, resource, names)?;
            let method = Arc::clone(resource.method(method)?);
            Some((resource, method))
        }
        _ => None,
    }
}

/// A name of so many parts, with what `USE` says before it.
fn whole(parts: &[String], wanted: usize, names: &dyn Names) -> Option<Vec<String>> {
    let missing = wanted.checked_sub(parts.len())?;
    Some([names.used().get(..missing)?, parts].concat())
}

pub(super) fn resource_of(provider: &str, service: &str, resource: &str, names: &dyn Names) -> Option<Arc<Resource>> {
    let service = service_of(provider, service, names)?;
    service.resources.values().find(|known| known.name.eq_ignore_ascii_case(resource)).map(Arc::clone)
}

/// A service that its provider lists: what is none is not looked for.
pub(super) fn service_of(provider: &str, service: &str, names: &dyn Names) -> Option<Arc<Service>> {
    let listed = names.services(provider);
    let service = listed.iter().find(|known| known.eq_ignore_ascii_case(service))?;
    names.service(provider, service)
}

/// Whether a resource can be what its place is for.
pub(super) fn serves(resource: &Resource, purpose: Purpose) -> bool {
    let verbs = &resource.verbs;
    match purpose {
        Purpose::Select => !verbs.select.is_empty(),
        Purpose::Insert => !verbs.insert.is_empty(),
        Purpose::Update => !verbs.update.is_empty(),
        Purpose::Replace => !verbs.replace.is_empty(),
        Purpose::Delete => !verbs.delete.is_empty(),
        Purpose::Exec | Purpose::Method => !resource.methods.is_empty(),
        Purpose::Parts(_) | Purpose::Own => true,
    }
}

/// The methods of a write.
fn written_by(resource: &Resource, purpose: Purpose) -> Vec<&Arc<Method>> {
    let verbs = &resource.verbs;
    match purpose {
        Purpose::Insert => resource.methods_of(&verbs.insert).collect(),
        Purpose::Update => resource.methods_of(&verbs.update).collect(),
        Purpose::Replace => resource.methods_of(&verbs.replace).collect(),
        Purpose::Delete => resource.methods_of(&verbs.delete).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn columns_of(table: &TableName, names: &dyn Names) -> Vec<(Need, String)> {
    let fields = |columns: Vec<String>| columns.into_iter().map(|name| (Need::Field, name)).collect();
    if let Some(columns) = local_columns(&table.parts, names) {
        return fields(columns);
    }
    let Some(whole) = whole(&table.parts, 3, names) else { return Vec::new() };
    let [provider, service, wanted] = whole.as_slice() else { return Vec::new() };
    let Some(resource) = resource_of(provider, service, wanted, names) else { return Vec::new() };
    let writes = written_by(&resource, table.purpose);
    let deciding =
        if writes.is_empty() { resource.methods_of(&resource.verbs.select).collect() } else { writes.clone() };
    let owned: Vec<Arc<Method>> = writes.into_iter().cloned().collect();
    let all = Table::for_writing(provider, service, Arc::clone(&resource), &owned);
    let mut listed: Vec<(Need, String)> = Vec::new();
    for column in &all.columns {
        let need = if needed_by_all(&deciding, &column.name) {
            Need::Required
        } else if column.role == ColumnRole::Parameter {
            Need::Optional
        } else {
            Need::Field
        };
        listed.push((need, column.name.clone()));
    }
    listed
}

/// The columns of a view or table of the user's own, or of a table of metadata.
fn local_columns(parts: &[String], names: &dyn Names) -> Option<Vec<String>> {
    match parts {
        [one] => {
            let own = names.own_tables().into_iter().find(|own| own.name.eq_ignore_ascii_case(one))?;
            Some(own.columns)
        }
        [schema, name] => {
            let is_meant = |(of, known, _): &(&str, &str, Vec<&str>)| {
                of.eq_ignore_ascii_case(schema) && known.eq_ignore_ascii_case(name)
            };
            let (_, _, columns) = metadata_tables().find(is_meant)?;
            Some(columns.into_iter().map(str::to_owned).collect())
        }
        _ => None,
    }
}

fn needed_by_all(methods: &[&Arc<Method>], name: &str) -> bool {
    !methods.is_empty() && methods.iter().all(|method| method.needs().any(|parameter| parameter.name == name))
}

/// The parameters of some methods that are not fields of the body.
pub(super) fn parameters(methods: &[&Arc<Method>]) -> Vec<(Need, String)> {
    listed(methods, |_, parameter| (parameter.location != Location::Body).then(|| parameter.name.clone()))
}

/// The parameters and body fields of some methods, as a statement names them: fields of the body by their own names, or
/// as `data__name` where a parameter has taken the name or `written` begins so.
pub(super) fn fields(methods: &[&Arc<Method>], written: &str) -> Vec<(Need, String)> {
    let in_full = starts_with(written.trim_start_matches('@'), "data_");
    listed(methods, |method, parameter| {
        let is_taken = |other: &Parameter| other.location != Location::Body && other.name == parameter.name;
        let in_full = parameter.location == Location::Body && (in_full || method.parameters.iter().any(is_taken));
        Some(if in_full { format!("data__{}", parameter.name) } else { parameter.name.clone() })
    })
}

/// What a write of a resource can name.
pub(super) fn writable(resource: &Resource, purpose: Purpose, written: &str) -> Vec<(Need, String)> {
    let mut found = fields(&written_by(resource, purpose), written);
    if purpose == Purpose::Update || purpose == Purpose::Replace {
        // Which object is meant stands in the WHERE.
        let keys = resource.keys.as_ref().map(|keys| &keys.columns);
        found.retain(|(_, name)| keys.is_none_or(|keys| !keys.contains_key(name)));
    }
    found
}

fn listed(methods: &[&Arc<Method>], name: impl Fn(&Method, &Parameter) -> Option<String>) -> Vec<(Need, String)> {
    let mut listed: Vec<(Need, String)> = Vec::new();
    for method in methods {
        for parameter in &method.parameters {
            let Some(name) = name(method, parameter) else { continue };
            if listed.iter().any(|(_, known)| *known == name) {
                continue;
            }
            let need = if needed_by_all(methods, &parameter.name) { Need::Required } else { Need::Optional };
            listed.push((need, name));
        }
    }
    listed
}
