//! Facts from provider documents, as rows.

use std::sync::Arc;

use super::cells::{Cell, Row, count, maybe, some, text};
use crate::bind::{Table, literal_text};
use crate::error::Result;
use crate::provider::{
    Column, Effect, ItemShape, Location, Method, Parameter, Provider, Resource, Service, ServiceEntry, ValueType,
};

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
    let verbs = &resource.verbs;
    let listed = [
        ("SELECT", &verbs.select),
        ("INSERT", &verbs.insert),
        ("UPDATE", &verbs.update),
        ("REPLACE", &verbs.replace),
        ("DELETE", &verbs.delete),
    ];
    let mut can: Vec<&str> = listed.iter().filter(|(_, methods)| !methods.is_empty()).map(|(verb, _)| *verb).collect();
    if resource.methods.keys().any(|method| resource.verb_of(method) == "EXEC") {
        can.push("EXEC");
    }
    let keys = resource.keys.as_ref().map(|keys| keys.columns.values().cloned().collect::<Vec<_>>().join(", "));
    rows.push(vec![
        text(&service.provider),
        text(&service.name),
        text(&resource.name),
        text(&resource.id),
        some(&resource.title),
        some(&resource.description),
        text(can.join(", ")),
        count(resource.methods.len()),
        maybe(keys),
    ]);
}

/// The methods in the order of their verbs, those of one verb by name.
fn by_verb(resource: &Resource) -> Vec<&Arc<Method>> {
    const VERBS: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "EXEC"];
    let rank = |method: &Method| VERBS.iter().position(|verb| *verb == resource.verb_of(&method.name));
    let mut methods: Vec<&Arc<Method>> = resource.methods.values().collect();
    methods.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
    methods
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
            some(&method.description),
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

/// A parameter's name as its document spells it in SQL.
pub(super) fn input_name(method: &Method, parameter: &Parameter) -> String {
    let prefixed = method.request.as_ref().is_some_and(|request| request.prefixed);
    if parameter.location == Location::Body && prefixed {
        format!("data__{}", parameter.name)
    } else {
        parameter.name.clone()
    }
}

/// Whether a call must be given the parameter.
pub(super) fn is_needed(parameter: &Parameter) -> bool {
    parameter.required && parameter.default.is_none() && parameter.env.is_none()
}

/// The values of an enumeration, with commas between them.
pub(super) fn listed(values: &[serde_json::Value]) -> String {
    values.iter().map(literal_text).collect::<Vec<_>>().join(", ")
}

pub(super) fn parameters(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    for method in by_verb(resource) {
        let mut inputs: Vec<&Parameter> = method.parameters.iter().collect();
        inputs.sort_by_key(|parameter| !is_needed(parameter));
        rows.extend(inputs.into_iter().enumerate().map(|(at, parameter)| {
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
                // A default of what must never be shown is no default to show.
                maybe(parameter.default.as_ref().filter(|_| !parameter.secret).map(literal_text)),
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

/// The fields of a resource's answers, what a row is called first, each with the methods that give it.
fn fields(resource: &Resource) -> Vec<(&Column, Vec<&str>)> {
    let mut fields: Vec<(&Column, Vec<&str>)> = Vec::new();
    for method in resource.methods_of(&resource.verbs.select) {
        for column in &method.response.columns {
            match fields.iter_mut().find(|(known, _)| known.name == column.name) {
                Some((_, methods)) => methods.push(&method.name),
                None => fields.push((column, vec![&method.name])),
            }
        }
    }
    let first = |name: &str| ["id", "name", "description"].iter().position(|first| *first == name).unwrap_or(3);
    fields.sort_by_key(|(column, _)| first(&column.name));
    fields
}

pub(super) fn columns(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    let verbs = &resource.verbs;
    let writes = verbs.insert.iter().chain(&verbs.update).chain(&verbs.replace);
    let writes: Vec<&Arc<Method>> = writes.filter_map(|name| resource.methods.get(name)).collect();
    let written = |name: &str| {
        let takes = |method: &Method| method.parameters.iter().any(|p| p.location == Location::Body && p.name == name);
        writes.iter().any(|method| takes(method))
    };
    let is_key =
        |name: &str| resource.keys.as_ref().is_some_and(|keys| keys.columns.values().any(|column| column == name));
    rows.extend(fields(resource).into_iter().enumerate().map(|(at, (column, methods))| {
        let mut row = named(service, resource);
        row.extend([
            count(at + 1),
            text(&column.name),
            text(column.ty.name()),
            maybe(column.format.as_deref()),
            some(&column.description),
            some(&listed(&column.values)),
            Cell::Bool(is_key(&column.name)),
            Cell::Bool(!written(&column.name)),
            Cell::Bool(column.secret),
            text(methods.join(", ")),
        ]);
        row
    }));
}

pub(super) fn outputs(service: &Service, resource: &Resource, rows: &mut Vec<Row>) {
    for method in by_verb(resource) {
        let shape = match method.response.items {
            ItemShape::List => "row of a list",
            ItemShape::Object => "object",
            ItemShape::Map => "row of a map",
            ItemShape::Scalar => "value",
            ItemShape::Binary => "bytes",
            ItemShape::Empty => "nothing",
        };
        rows.extend(method.response.columns.iter().enumerate().map(|(at, column)| {
            let mut row = named(service, resource);
            row.extend([
                text(&method.name),
                count(at + 1),
                text(&column.name),
                text(column.ty.name()),
                maybe(column.format.as_deref()),
                text(shape),
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
