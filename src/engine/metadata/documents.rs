//! Facts from provider documents, as rows.

use std::sync::Arc;

use super::cells::{Cell, Row, count, maybe, some, text};
use crate::bind::Table;
use crate::error::Result;
use crate::provider::{Effect, Location, Method, Parameter, Provider, Resource, Service, ServiceEntry, ValueType};
use crate::reference::{by_verb, doing, fields, input_name, inputs, is_needed, listed, shape, shown_default, verbs};

/// A provider whose document is broken is listed all the same.
pub(super) fn provider(name: &str, known: &Result<Arc<Provider>>, source: &str) -> Row {
    match known {
        Ok(provider) => vec![
            text(&provider.name),
            some(&provider.version),
            some(&provider.title),
            some(&provider.description),
            count(provider.services.len()),
            text(source),
            Cell::Null,
        ],
        Err(error) => {
            vec![text(name), Cell::Null, Cell::Null, Cell::Null, Cell::Null, text(source), text(error.to_string())]
        }
    }
}

pub(super) fn service(provider: &Provider, entry: &ServiceEntry) -> Row {
    vec![
        text(&provider.name),
        text(&entry.name),
        text(&entry.id),
        some(&entry.title),
        some(&entry.version),
        some(&entry.description),
        some(&entry.path),
    ]
}

pub(super) fn resource(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    let keys = resource.keys.as_ref().map(|keys| keys.columns.values().cloned().collect::<Vec<_>>().join(", "));
    rows.push(vec![
        text(&service.provider),
        text(&service.name),
        text(&resource.name),
        text(&resource.id),
        some(&resource.title),
        some(&resource.description),
        text(verbs(resource).join(", ")),
        count(resource.methods.len()),
        maybe(keys),
    ]);
}

fn named(service: &Service, resource: &Resource) -> Row {
    vec![text(&service.provider), text(&service.name), text(&resource.name)]
}

pub(super) fn methods(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    rows.extend(by_verb(resource).into_iter().map(|method| {
        let effect = match method.effect {
            Effect::Read => "read",
            Effect::Write => "write",
            Effect::Delete => "delete",
        };
        let mut row = named(service, resource);
        row.extend([
            text(&method.name),
            text(resource.verb_of(&method.name)),
            text(required(method)),
            some(&doing(resource, method)),
            text(&method.http_method),
            text(&method.path),
            text(effect),
            text(method.pagination.kind.name()),
            some(&method.aliases.join(", ")),
        ]);
        row
    }));
}

/// Required parameters, then required body fields in the document's spelling.
fn required(method: &Method) -> String {
    let (mut fields, mut outside): (Vec<&Parameter>, Vec<&Parameter>) =
        method.needs().partition(|parameter| parameter.location == Location::Body);
    outside.sort_by(|a, b| a.name.cmp(&b.name));
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    let names = outside.into_iter().chain(fields).map(|parameter| input_name(method, parameter));
    names.collect::<Vec<_>>().join(", ")
}

pub(super) fn parameters(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    for method in by_verb(resource) {
        rows.extend(inputs(method).into_iter().enumerate().map(|(at, parameter)| {
            let number = |n: Option<f64>| n.map_or(Cell::Null, Cell::Number);
            let mut row = named(service, resource);
            row.extend([
                text(&method.name),
                text(resource.verb_of(&method.name)),
                count(at + 1),
                text(input_name(method, parameter)),
                text(parameter.ty.name()),
                text(parameter.location.to_string()),
                Cell::Bool(is_needed(parameter)),
                maybe(shown_default(parameter)),
                some(&listed(&parameter.values)),
                number(parameter.minimum),
                number(parameter.maximum),
                some(&parameter.description),
                maybe(parameter.env.as_deref()),
                Cell::Bool(parameter.secret),
            ]);
            row
        }));
    }
}

pub(super) fn columns(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    rows.extend(fields(resource).into_iter().enumerate().map(|(at, field)| {
        let column = field.column;
        let mut row = named(service, resource);
        row.extend([
            count(at + 1),
            text(&column.name),
            text(column.ty.name()),
            maybe(column.format.as_deref()),
            some(&column.description),
            some(&listed(&column.values)),
            Cell::Bool(field.is_key),
            Cell::Bool(field.read_only),
            Cell::Bool(column.secret),
            text(field.methods.join(", ")),
        ]);
        row
    }));
}

pub(super) fn outputs(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    for method in by_verb(resource) {
        rows.extend(method.response.columns.iter().enumerate().map(|(at, column)| {
            let mut row = named(service, resource);
            row.extend([
                text(&method.name),
                count(at + 1),
                text(&column.name),
                text(column.ty.name()),
                maybe(column.format.as_deref()),
                text(shape(method.response.items)),
                some(&column.description),
                some(&listed(&column.values)),
                Cell::Bool(column.secret),
            ]);
            row
        }));
    }
}

pub(super) fn standard_schema(provider: &Provider, entry: &ServiceEntry) -> Row {
    vec![text(&provider.name), text(&entry.name)]
}

/// Only what can be selected from is a table.
pub(super) fn standard_table(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    if !resource.verbs.select.is_empty() {
        let mut row = named(service, resource);
        row.push(text("BASE TABLE"));
        rows.push(row);
    }
}

/// The columns that `*` gives.
pub(super) fn standard_columns(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    let Ok(table) = Table::new(&service.provider, &service.name, Arc::new(resource.clone())) else { return };
    rows.extend(table.columns.iter().filter(|column| !column.hidden).enumerate().map(|(at, column)| {
        let mut row = named(service, resource);
        row.extend([text(&column.name), count(at + 1), Cell::Null, text("YES"), text(standard_type(column.ty))]);
        row
    }));
}

fn standard_type(ty: ValueType) -> &'static str {
    match ty {
        ValueType::Text | ValueType::Timestamp | ValueType::Any => "text",
        ValueType::Integer => "bigint",
        ValueType::Number => "double precision",
        ValueType::Boolean => "boolean",
        ValueType::Object | ValueType::Array => "json",
    }
}
