//! What a resource offers, as people read about it.
//!
//! *Owns*: the order of methods, fields and inputs, how a method spells its inputs, statements to fill in.
//! *Does not own*: what documents mean (`provider`), how facts are shown (`engine`, `site`).
//! *Invariants*: whoever shows such a fact takes it from here; a statement to fill in is no SQL until it is filled in, and
//! what a document says cannot make it anything else.

use std::sync::Arc;

use serde_json::Value;

use crate::bind::literal_text;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::provider::{Column, ItemShape, Location, Method, Parameter, Resource};

mod doing;
mod statement;

pub use doing::doing;
pub use statement::{Extent, Part, Statement, chosen_inputs, inputs_of, select, statement};

/// A field of a resource's rows.
#[derive(Debug)]
pub struct Field<'a> {
    /// What its first method says of it.
    pub column: &'a Column,
    /// The SELECT methods that give it.
    pub methods: Vec<&'a str>,
    /// Whether it is part of a row's identity.
    pub is_key: bool,
    /// Whether no write takes it.
    pub read_only: bool,
}

/// What a resource can do: verbs in capitals.
pub fn verbs(resource: &Resource) -> Vec<&'static str> {
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
    can
}

/// The methods in the order of their verbs, those of one verb by name.
pub fn by_verb(resource: &Resource) -> Vec<&Arc<Method>> {
    const VERBS: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "EXEC"];
    let rank = |method: &Method| VERBS.iter().position(|verb| *verb == resource.verb_of(&method.name));
    let mut methods: Vec<&Arc<Method>> = resource.methods.values().collect();
    methods.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
    methods
}

/// A method by its name or alias; `id` is its resource's.
///
/// # Errors
/// `NameNotFound` with the nearest names.
pub fn method<'a>(id: &str, resource: &'a Resource, wanted: &str) -> Result<&'a Arc<Method>> {
    resource.method(wanted).ok_or_else(|| {
        let error = Error::new(ErrorKind::NameNotFound, format!("`{id}` has no method `{wanted}`"));
        let known = resource.methods.values().flat_map(|m| std::iter::once(&m.name).chain(&m.aliases));
        error.hint(
            did_you_mean(wanted, known.map(String::as_str))
                .unwrap_or_else(|| format!("`SHOW METHODS IN {id}` lists them")),
        )
    })
}

/// The fields of a resource's rows, what a row is called first.
pub fn fields(resource: &Resource) -> Vec<Field<'_>> {
    let verbs = &resource.verbs;
    let writes = verbs.insert.iter().chain(&verbs.update).chain(&verbs.replace);
    let writes: Vec<&Arc<Method>> = writes.filter_map(|name| resource.methods.get(name)).collect();
    let is_written = |name: &str| {
        let takes = |method: &Method| method.parameters.iter().any(|p| p.location == Location::Body && p.name == name);
        writes.iter().any(|method| takes(method))
    };
    let is_key =
        |name: &str| resource.keys.as_ref().is_some_and(|keys| keys.columns.values().any(|column| column == name));
    let mut fields: Vec<Field<'_>> = Vec::new();
    for method in resource.methods_of(&verbs.select) {
        for column in &method.response.columns {
            match fields.iter_mut().find(|known| known.column.name == column.name) {
                Some(known) => known.methods.push(&method.name),
                None => fields.push(Field {
                    column,
                    methods: vec![&method.name],
                    is_key: is_key(&column.name),
                    read_only: !is_written(&column.name),
                }),
            }
        }
    }
    let first = |name: &str| ["id", "name", "description"].iter().position(|first| *first == name).unwrap_or(3);
    fields.sort_by_key(|field| first(&field.column.name));
    fields
}

/// What a method can be told, what it must be told first.
pub fn inputs(method: &Method) -> Vec<&Parameter> {
    let mut inputs: Vec<&Parameter> = method.parameters.iter().collect();
    inputs.sort_by_key(|parameter| !is_needed(parameter));
    inputs
}

/// A parameter's name as SQL has it: as the document spells it, and a field of the body so that it is not taken for a
/// parameter of its name.
pub fn input_name(method: &Method, parameter: &Parameter) -> String {
    let prefixed = || method.request.as_ref().is_some_and(|request| request.prefixed);
    let has_twin = || method.parameters.iter().any(|p| p.location != Location::Body && p.name == parameter.name);
    if parameter.location == Location::Body && (prefixed() || has_twin()) {
        format!("data__{}", parameter.name)
    } else {
        parameter.name.clone()
    }
}

/// Whether a call must be given the parameter.
pub fn is_needed(parameter: &Parameter) -> bool {
    parameter.required && parameter.default.is_none() && parameter.env.is_none()
}

/// The default, if it may be shown.
pub fn shown_default(parameter: &Parameter) -> Option<String> {
    parameter.default.as_ref().filter(|_| !parameter.secret).map(literal_text)
}

/// The limits of a number: `1..500`, `1..`, `..500`.
pub fn limits(parameter: &Parameter) -> Option<String> {
    let shown = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
    let (low, high) = (parameter.minimum, parameter.maximum);
    (low.is_some() || high.is_some()).then(|| format!("{}..{}", shown(low), shown(high)))
}

/// The values of an enumeration, with commas between them.
pub fn listed(values: &[Value]) -> String {
    values.iter().map(literal_text).collect::<Vec<_>>().join(", ")
}

/// What a method answers, in words.
pub fn shape(items: ItemShape) -> &'static str {
    match items {
        ItemShape::List => "row of a list",
        ItemShape::Object => "object",
        ItemShape::Map => "row of a map",
        ItemShape::Scalar => "value",
        ItemShape::Binary => "bytes",
        ItemShape::Empty => "nothing",
    }
}

/// A name as SQL takes it: in quotes where it must be.
pub fn identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let keyword = sqlparser::keywords::ALL_KEYWORDS.binary_search(&name.to_uppercase().as_str()).is_ok();
    if plain && !keyword { name.to_owned() } else { sqlparser::ast::Ident::with_quote('"', name).to_string() }
}

/// The name of a resource as SQL takes it.
pub fn resource_id(provider: &str, service: &str, resource: &str) -> String {
    [provider, service, resource].map(identifier).join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, wanted) in [
            ("label", "label"),
            ("data__x", "data__x"),
            ("from", "\"from\""),
            ("a-b", "\"a-b\""),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(identifier(name), wanted);
        }
    }
}
