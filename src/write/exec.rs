//! EXEC: one call of one method.

use std::sync::Arc;

use serde_json::Value;

use super::fill::{check_required, identity_of, place};
use super::plan::{Part, PlanContext, Planned, find, planned_call};
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::provider::ItemShape;
use crate::sql::{Exec, Verb, dotted};

pub(super) async fn plan(context: &PlanContext<'_>, statement: Exec) -> Result<Planned> {
    let found = find(context, &statement.method).await?;
    let id = found.id();
    let wanted = statement.method.last().map_or("", |ident| ident.value.as_str());
    let Some(method) = found.resource.method(wanted).map(Arc::clone) else {
        let methods = found.resource.methods.values();
        let known = methods.flat_map(|m| std::iter::once(&m.name).chain(&m.aliases)).map(String::as_str);
        return Err(Error::new(ErrorKind::NameNotFound, format!("`{id}` has no method `{wanted}`"))
            .hint(did_you_mean(wanted, known).unwrap_or_else(|| format!("`SHOW METHODS IN {id}` lists them"))));
    };
    if statement.into.is_some() || method.response.items == ItemShape::Binary {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("downloads are not supported in this version: `{}`", dotted(&statement.method)),
        )
        .hint("no request was sent"));
    }
    if statement.from.is_some() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("uploads are not supported in this version: `{}`", dotted(&statement.method)),
        )
        .hint("no request was sent"));
    }
    let mut names: Vec<String> = statement.arguments.keys().cloned().collect();
    let mut values: Vec<Value> = statement.arguments.values().cloned().collect();
    match statement.body {
        None => {}
        Some(Value::Object(fields)) => {
            for (name, value) in fields {
                // A field of the body by its name on the wire; a parameter of that name is another thing.
                names.push(format!("data__{name}"));
                values.push(value);
            }
        }
        Some(_) => {
            return Err(Error::new(ErrorKind::Unsupported, "a body that is not a JSON object cannot be sent yet"));
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let placement = place(&method, &names)?;
    check_required(&method, |parameter| placement.gives(parameter))?;
    let mut call = found.call(&method);
    placement.fill(&mut call, &values)?;
    let identity = identity_of(found.resource.keys.as_ref().filter(|keys| keys.declared), &call);
    let calls = vec![planned_call(&method, call, identity, None)];
    let part = Part {
        verb: Verb::Exec,
        method,
        resource: found.resource,
        returning: statement.returning,
        restricted: found.restricted,
        wait: None,
    };
    Ok(Planned::statement(part, id, calls, None))
}
