//! Writes to fill in: SHOW INSERT INTO and its like.
//!
//! Each value stands as `{{ name | sql }}`, which `--var name=value` fills in. What is not filled in is no SQL, so that a
//! template is never sent by mistake.

use std::fmt::Write as _;
use std::sync::Arc;

use super::documents::{input_name, is_needed, listed};
use crate::bind::literal_text;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::provider::{Location, Method, Parameter, Registry, Resource};
use crate::sql::{Template, Verb};

/// The longest description that stands beside a value, in characters.
const NOTE: usize = 60;

/// The name of a method, all four parts as the documents spell them.
///
/// # Errors
/// `NameNotFound` with the nearest names.
pub(super) fn method_name(registry: &Registry, name: &[String]) -> Result<Vec<String>> {
    let [provider, service, resource, wanted] = name else {
        return Err(Error::new(ErrorKind::Internal, "a method's name has four parts"));
    };
    let service = registry.service(provider, service)?;
    let resource = registry.resource(&service.provider, &service.name, resource)?;
    let method = method(&service.provider, &service.name, &resource, wanted)?;
    Ok(vec![service.provider.clone(), service.name.clone(), resource.name.clone(), method.name.clone()])
}

fn method<'a>(provider: &str, service: &str, resource: &'a Resource, wanted: &str) -> Result<&'a Arc<Method>> {
    resource.method(wanted).ok_or_else(|| {
        let id = format!("{provider}.{service}.{}", resource.name);
        let error = Error::new(ErrorKind::NameNotFound, format!("`{id}` has no method `{wanted}`"));
        let known = resource.methods.values().flat_map(|m| std::iter::once(&m.name).chain(&m.aliases));
        error.hint(
            did_you_mean(wanted, known.map(String::as_str))
                .unwrap_or_else(|| format!("`SHOW METHODS IN {id}` lists them")),
        )
    })
}

/// The text of a template.
///
/// # Errors
/// `NameNotFound` with the nearest names; `Unsupported` when the resource has no method for the verb.
pub(super) fn template(registry: &Registry, name: &[String], wanted: &Template) -> Result<String> {
    let part = |at: usize| name.get(at).map_or("", String::as_str);
    let service = registry.service(part(0), part(1))?;
    let resource = registry.resource(&service.provider, &service.name, part(2))?;
    let id = [&service.provider, &service.name, &resource.name].map(|part| identifier(part)).join(".");
    let verbs = &resource.verbs;
    let names = match wanted.verb {
        Verb::Insert => &verbs.insert,
        Verb::Update => &verbs.update,
        Verb::Replace => &verbs.replace,
        Verb::Delete => &verbs.delete,
        Verb::Exec => {
            let method = method(&service.provider, &service.name, &resource, part(3))?;
            return exec(&id, method, wanted);
        }
    };
    let Some(method) = resource.methods_of(names).next() else {
        return Err(Error::new(ErrorKind::Unsupported, format!("`{id}` has no method for {}", wanted.verb.name()))
            .hint(format!("`SHOW METHODS IN {id}` lists what it can do")));
    };
    let inputs = inputs(&id, method, wanted)?;
    let is_field = |input: &&Parameter| input.location == Location::Body;
    let (fields, places): (Vec<&Parameter>, Vec<&Parameter>) = inputs.into_iter().partition(is_field);
    let mut text = String::new();
    match wanted.verb {
        Verb::Insert => {
            let all: Vec<&Parameter> = places.into_iter().chain(fields).collect();
            let names: Vec<String> = all.iter().map(|input| identifier(&input_name(method, input))).collect();
            let _ = writeln!(text, "INSERT INTO {id} ({})\nVALUES (", names.join(", "));
            lines(&mut text, &all, ",", |input| value(&input_name(method, input)));
            text.push_str(");");
        }
        Verb::Update | Verb::Replace => {
            let word = wanted.verb.name();
            let _ = writeln!(text, "{word} {id} SET");
            let set = |input: &Parameter| {
                let name = input_name(method, input);
                format!("{} = {}", identifier(&name), value(&name))
            };
            lines(&mut text, &fields, ",", set);
            text.push_str("WHERE\n");
            lines(&mut text, &places, " AND", set);
            text.truncate(text.trim_end().len());
            text.push_str("\n;");
        }
        Verb::Delete | Verb::Exec => {
            let _ = writeln!(text, "DELETE FROM {id} WHERE");
            lines(&mut text, &places, " AND", |input| format!("{} = {}", identifier(&input.name), value(&input.name)));
            text.push(';');
        }
    }
    Ok(text)
}

/// `EXEC id.method @name = …`, with the fields of the body as `@data__name`.
fn exec(id: &str, method: &Method, wanted: &Template) -> Result<String> {
    let inputs = inputs(id, method, wanted)?;
    let mut text = format!("EXEC {id}.{}", identifier(&method.name));
    if !inputs.is_empty() {
        text.push('\n');
        lines(&mut text, &inputs, ",", |input| {
            let name = input_name(method, input);
            format!("@{} = {}", identifier(&name), value(&name))
        });
    }
    text.push(';');
    Ok(text)
}

/// What the template is to hold, what is required first.
fn inputs<'a>(id: &str, method: &'a Method, wanted: &Template) -> Result<Vec<&'a Parameter>> {
    let mut chosen: Vec<&Parameter> = Vec::new();
    for column in &wanted.columns {
        chosen.push(method.parameter(column).ok_or_else(|| {
            let error = Error::new(ErrorKind::NameNotFound, format!("`{}` of `{id}` takes no `{column}`", method.name));
            let names = method.parameters.iter().map(|parameter| parameter.name.as_str());
            match did_you_mean(column, names) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })?);
    }
    if chosen.is_empty() {
        // An optional part of the server's address is left to its default.
        let wanted =
            |input: &&Parameter| is_needed(input) || !(wanted.required_only || input.location == Location::Server);
        chosen = method.parameters.iter().filter(wanted).collect();
        chosen.sort_by_key(|input| !is_needed(input));
    }
    Ok(chosen)
}

/// One line per input: what is written for it, and a comment.
fn lines(text: &mut String, inputs: &[&Parameter], between: &str, written: impl Fn(&Parameter) -> String) {
    let last = inputs.len().saturating_sub(1);
    for (at, input) in inputs.iter().enumerate() {
        let comma = if at == last { "" } else { between };
        let _ = writeln!(text, "  {}{comma} -- {}", written(input), note(input));
    }
}

fn value(name: &str) -> String {
    let variable: String = name.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    format!("{{{{ {variable} | sql }}}}")
}

/// A name as SQL takes it: in quotes where it must be.
fn identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let keyword = sqlparser::keywords::ALL_KEYWORDS.binary_search(&name.to_uppercase().as_str()).is_ok();
    if plain && !keyword { name.to_owned() } else { sqlparser::ast::Ident::with_quote('"', name).to_string() }
}

/// `integer, required, 10..500: the size`.
fn note(input: &Parameter) -> String {
    let mut said = vec![input.ty.name().to_owned()];
    said.push(if is_needed(input) { "required" } else { "optional" }.to_owned());
    if !input.values.is_empty() {
        said.push(format!("one of {}", listed(&input.values)));
    }
    match (input.minimum, input.maximum) {
        (None, None) => {}
        (low, high) => {
            let shown = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
            said.push(format!("{}..{}", shown(low), shown(high)));
        }
    }
    if let Some(default) = input.default.as_ref().filter(|_| !input.secret) {
        said.push(format!("default {}", literal_text(default)));
    }
    let described: String = input.description.chars().take(NOTE).collect();
    let cut = if input.description.chars().count() > NOTE { "…" } else { "" };
    let colon = if described.is_empty() { "" } else { ": " };
    // A comment ends with its line.
    let note = format!("{}{colon}{described}{cut}", said.join(", "));
    note.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, wanted) in [("label", "label"), ("data__x", "data__x"), ("from", "\"from\""), ("a-b", "\"a-b\"")] {
            assert_eq!(identifier(name), wanted);
        }
        assert_eq!(value("a-b"), "{{ a_b | sql }}");
    }
}
