//! EXEC: one call of one method.

use std::sync::Arc;

use serde_json::Value;
use sqlparser::ast;

use super::apply::CallResult;
use super::fill::{Placement, check_required, identity_of, place};
use super::plan::{Found, Part, PlanContext, Planned, find, planned_call};
use crate::error::{Error, ErrorKind, Result, did_you_mean, fold_name};
use crate::files;
use crate::provider::{BodyMedia, ItemShape, Location, Method, RequestBody, ValueType, is_json};
use crate::sql::{Exec, FromFile, Verb};

pub(super) async fn plan(context: &PlanContext<'_>, statement: Exec) -> Result<Planned> {
    let found = find(context, &statement.method).await?;
    let id = found.id();
    let method = method_of(&found, &statement.method)?;
    method.check_callable(&id)?;
    let into = match &statement.into {
        Some(path) => {
            check_into(&method)?;
            Some(files::check_target(path, context.settings.on_existing).await?)
        }
        None if method.response.items == ItemShape::Binary => return Err(needs_file(&method)),
        None => None,
    };
    let fields = fields_of(&method, &statement.from)?;
    let entire = content_of(&method, &statement)?;

    let mut names: Vec<String> = statement.arguments.keys().cloned().collect();
    let mut values: Vec<Value> = statement.arguments.values().cloned().collect();
    if let Some(Value::Object(fields)) = statement.body.filter(|_| entire.is_none()) {
        for (name, value) in fields {
            // A field of the body by its name on the wire; a parameter of that name is another thing.
            names.push(format!("data__{name}"));
            values.push(value);
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let placement = place(&method, &names)?;
    let whole = entire.is_some() || method.upload.is_none() && fields.as_slice() == [None];
    check_given(&method, &placement, &fields, whole)?;
    let mut call = found.call(&method);
    placement.fill(&mut call, &values)?;
    (call.content, call.into) = (entire, into);
    for (from, field) in statement.from.iter().zip(fields) {
        call.files.push(files::look_at(&from.path, field).await?);
    }

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

fn method_of(found: &Found, name: &[ast::Ident]) -> Result<Arc<Method>> {
    let (id, wanted) = (found.id(), name.last().map_or("", |ident| ident.value.as_str()));
    if let Some(method) = found.resource.method(wanted) {
        return Ok(Arc::clone(method));
    }
    let methods = found.resource.methods.values();
    let known = methods.flat_map(|m| std::iter::once(&m.name).chain(&m.aliases)).map(String::as_str);
    Err(Error::new(ErrorKind::NameNotFound, format!("`{id}` has no method `{wanted}`"))
        .hint(did_you_mean(wanted, known).unwrap_or_else(|| format!("`SHOW METHODS IN {id}` lists them"))))
}

/// Bytes go into a file, and so does whatever is not surely JSON, which is rows.
fn check_into(method: &Method) -> Result<()> {
    let media = &method.response.media_type;
    match method.response.items {
        ItemShape::Binary => Ok(()),
        ItemShape::Empty => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("`{}` answers with nothing, so INTO has no use", method.name),
        )),
        // An own media type may be JSON or not: whoever wants its bytes has them.
        _ if !media.is_empty() && !is_json(media) && !method.response.is_open() => Ok(()),
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("`{}` answers with JSON, which INTO does not take", method.name),
        )
        .hint("leave out INTO; the program writes rows to a file with `--outfile`")),
    }
}

fn needs_file(method: &Method) -> Error {
    let message = format!("`{}` answers with bytes (`{}`), which need a file", method.name, method.response.media_type);
    Error::new(ErrorKind::MissingParameter, message).hint("nothing was sent; add `INTO 'file'`")
}

/// A body that is no object of fields.
fn content_of(method: &Method, statement: &Exec) -> Result<Option<Value>> {
    let Exec { body, text, from, .. } = statement;
    let Some(request) = &method.request else {
        if body.is_none() && text.is_none() {
            return Ok(None);
        }
        return Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` takes no body", method.name)));
    };
    let has_fields = matches!(request.media, BodyMedia::Json | BodyMedia::Form | BodyMedia::Multipart)
        && matches!(request.ty, None | Some(ValueType::Object | ValueType::Any));
    let is_file = !from.is_empty() && method.upload.is_none() && request.media != BodyMedia::Multipart;
    if [body.is_some(), text.is_some(), is_file].iter().filter(|given| **given).count() > 1 {
        return Err(Error::new(ErrorKind::InvalidArgument, "a call has one body")
            .hint("`@@json`, `@@text` and `FROM` each give a whole one"));
    }
    match (body, text) {
        (None, None) => Ok(None),
        (Some(Value::Object(_)), _) if has_fields => Ok(None),
        (Some(value), _) => whole_json(method, request, value).map(Some),
        (None, Some(text)) if matches!(request.media, BodyMedia::Bytes | BodyMedia::Xml) => {
            Ok(Some(Value::from(text.as_str())))
        }
        (None, Some(_)) => Err(wants(method, request).hint("`@@json = '…'` gives it")),
    }
}

fn whole_json(method: &Method, request: &RequestBody, value: &Value) -> Result<Value> {
    let fits = match request.ty {
        Some(ValueType::Object) => value.is_object(),
        Some(ValueType::Array) => value.is_array(),
        Some(ValueType::Text | ValueType::Timestamp) => value.is_string(),
        Some(ValueType::Integer | ValueType::Number) => value.is_number(),
        Some(ValueType::Boolean) => value.is_boolean(),
        Some(ValueType::Any) | None => true,
    };
    if request.media == BodyMedia::Json && fits {
        return Ok(value.clone());
    }
    let error = wants(method, request);
    Err(if matches!(request.media, BodyMedia::Bytes | BodyMedia::Xml) {
        error.hint("`FROM 'file'` sends a file, and `@@text = '…'` a text")
    } else {
        error
    })
}

fn wants(method: &Method, request: &RequestBody) -> Error {
    let ty =
        request.ty.filter(|_| request.media == BodyMedia::Json).map(|ty| format!(" that is of type {}", ty.name()));
    let message =
        format!("`{}` takes a body of type `{}`{}", method.name, request.content_type, ty.unwrap_or_default());
    Error::new(ErrorKind::InvalidArgument, message)
}

/// For each file the field that holds it, by its name on the wire; none where it is the whole body, or goes elsewhere.
fn fields_of(method: &Method, from: &[FromFile]) -> Result<Vec<Option<String>>> {
    let [first, rest @ ..] = from else { return Ok(Vec::new()) };
    let refuse = |message: String| Error::new(ErrorKind::InvalidArgument, message);
    let parted = method.request.as_ref().filter(|request| request.media == BodyMedia::Multipart);
    if let (Some(request), None) = (parted, &method.upload) {
        return from.iter().map(|file| part_of(method, request, file).map(Some)).collect();
    }
    if let Some(field) = from.iter().find_map(|file| file.field.as_ref()) {
        return Err(refuse(format!("`{}` takes no form of parts, so no file can be its `{field}`", method.name)));
    }
    if !rest.is_empty() {
        return Err(refuse(format!("`{}` takes one file", method.name)));
    }
    let takes_bytes =
        method.request.as_ref().is_some_and(|request| matches!(request.media, BodyMedia::Bytes | BodyMedia::Xml));
    if takes_bytes || method.upload.is_some() {
        return Ok(vec![None]);
    }
    let body = method.request.as_ref().map(|request| format!("a body of type `{}`", request.content_type));
    let body = body.unwrap_or_else(|| "no body".to_owned());
    Err(refuse(format!("`{}` takes {body}, and no file such as `{}`", method.name, first.path)))
}

/// The part of a form that a file is: the one that is named, or the only one that the document says is a file.
fn part_of(method: &Method, request: &RequestBody, file: &FromFile) -> Result<String> {
    let body = || method.parameters.iter().filter(|parameter| parameter.location == Location::Body);
    let wire =
        |name: &str| body().find(|field| field.name == name).map_or(name, |field| field.wire.as_str()).to_owned();
    match (&file.field, request.files.as_slice()) {
        (Some(name), _) => {
            let plain = name.strip_prefix("data__").unwrap_or(name);
            match body().find(|field| fold_name(&field.name) == fold_name(plain)) {
                Some(field) => Ok(field.wire.clone()),
                None if request.open => Ok(plain.to_owned()),
                None => Err(Error::new(ErrorKind::NameNotFound, format!("`{}` takes no `{plain}`", method.name)).hint(
                    did_you_mean(plain, body().map(|field| field.name.as_str())).unwrap_or_else(|| named(request)),
                )),
            }
        }
        (None, [only]) => Ok(wire(only)),
        (None, _) => {
            let message = format!("`{}` does not say which field `{}` is", method.name, file.path);
            Err(Error::new(ErrorKind::InvalidArgument, message).hint(named(request)))
        }
    }
}

fn named(request: &RequestBody) -> String {
    let fields: Vec<String> = request.files.iter().map(|name| format!("`FROM 'file' AS {name}`")).collect();
    if fields.is_empty() { "`FROM 'file' AS field` says it".to_owned() } else { fields.join(" or ") }
}

/// What a method needs must be given: a whole body is all its fields, and a file is its field.
fn check_given(method: &Method, placement: &Placement<'_>, files: &[Option<String>], whole: bool) -> Result<()> {
    let holds_file = |wire: &str| files.iter().flatten().any(|field| field == wire);
    if let Some(twice) = placement.known().find(|known| known.location == Location::Body && holds_file(&known.wire)) {
        return Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` is given twice", twice.name)));
    }
    if let Some(field) = placement.known().find(|known| whole && known.location == Location::Body) {
        let message = format!("the body is given whole, and `{}` beside it", field.name);
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    check_required(method, |parameter| {
        let by_body = parameter.location == Location::Body && (whole || holds_file(&parameter.wire));
        by_body || placement.gives(parameter)
    })
}

/// A word on the files that were sent: names, lengths and digests. Nothing where none was.
pub fn sent_note(planned: &Planned, results: &[CallResult]) -> Option<String> {
    let done = planned.plan.calls.iter().zip(results).filter(|(_, result)| matches!(result, CallResult::Done(_)));
    let files = done.flat_map(|(step, _)| &step.call.files);
    let said: Vec<String> =
        files.map(|file| format!("sent `{}`: {} bytes, sha256 {}", file.name(), file.bytes, file.sha256)).collect();
    (!said.is_empty()).then(|| said.join("; "))
}
