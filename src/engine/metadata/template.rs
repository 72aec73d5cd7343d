//! Writes to fill in: SHOW INSERT INTO and its like.

use crate::error::{Error, ErrorKind, Result};
use crate::provider::Registry;
use crate::reference::{Extent, chosen_inputs, inputs_of, method, resource_id, statement};
use crate::sql::{Template, Verb};

/// The name of a method, all four parts as the documents spell them.
///
/// # Errors
/// `NameNotFound` with the nearest names.
pub(super) fn method_name(registry: &Registry, name: &[String]) -> Result<Vec<String>> {
    let [provider, service, resource, wanted] = name else {
        return Err(Error::new(ErrorKind::Internal, "a method's name has four parts"));
    };
    let (provider, service) = registry.spelled(provider, service)?;
    let resource = registry.resource(&provider, &service, resource)?;
    let id = format!("{provider}.{service}.{}", resource.name);
    let method = method(&id, &resource, wanted)?;
    Ok(vec![provider, service, resource.name.clone(), method.name.clone()])
}

/// The text of a template.
///
/// # Errors
/// `NameNotFound` with the nearest names; `Unsupported` when the resource has no method for the verb.
pub(super) fn template(registry: &Registry, name: &[String], wanted: &Template) -> Result<String> {
    let part = |at: usize| name.get(at).map_or("", String::as_str);
    let (provider, service) = registry.spelled(part(0), part(1))?;
    let resource = registry.resource(&provider, &service, part(2))?;
    let id = resource_id(&provider, &service, &resource.name);
    let verbs = &resource.verbs;
    let names = match wanted.verb {
        Verb::Insert => &verbs.insert,
        Verb::Update => &verbs.update,
        Verb::Replace => &verbs.replace,
        Verb::Delete => &verbs.delete,
        Verb::Exec => std::slice::from_ref(&method(&id, &resource, part(3))?.name),
    };
    let Some(method) = resource.methods_of(names).next() else {
        return Err(Error::new(ErrorKind::Unsupported, format!("`{id}` has no method for {}", wanted.verb.name()))
            .hint(format!("`SHOW METHODS IN {id}` lists what it can do")));
    };
    let inputs = if wanted.columns.is_empty() {
        inputs_of(&resource, method, wanted.verb, if wanted.required_only { Extent::Required } else { Extent::All })
    } else {
        chosen_inputs(&id, method, &wanted.columns)?
    };
    Ok(statement(&id, &resource, method, wanted.verb, inputs).template())
}
