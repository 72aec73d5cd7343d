//! The body of a call's request: JSON, a form, a form of parts, a text, or the bytes of files.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::{Map, Value};

use super::multipart;
use super::request::insert_header;
use crate::bind::literal_text;
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::http::{Body, BodySource, HeaderMap};
use crate::provider::{Auth, BodyMedia, Call, LocalFile, Location, Method, RequestBody, TokenPlace};

/// A part of a body.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// Read when it is sent.
    File(LocalFile),
}

/// What the request of `call` carries; its type goes into `headers`. Where an upload has a second step, its file is no
/// part of the first.
///
/// # Errors
/// `InvalidArgument` for a value that the body's form cannot hold, `MissingParameter` for a body that is needed and not
/// given.
pub(super) fn pieces(
    method: &Method,
    call: &Call,
    extra: &[(TokenPlace, Value)],
    headers: &mut HeaderMap,
) -> Result<Vec<Piece>> {
    let sent_here = if method.upload.is_some() { &[][..] } else { &call.files[..] };
    let Some(request) = &method.request else {
        if sent_here.is_empty() && call.content.is_none() {
            return Ok(Vec::new());
        }
        return Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` takes no body", method.name)));
    };
    if let Some(content) = &call.content {
        insert_header(headers, "content-type", &request.content_type)?;
        return Ok(vec![Piece::Bytes(whole(method, request, content)?)]);
    }
    if let [file] = sent_here
        && file.field.is_none()
    {
        insert_header(headers, "content-type", &request.content_type)?;
        return Ok(vec![Piece::File(file.clone())]);
    }
    let fields = fields(method, call, request, extra);
    if fields.is_empty() && sent_here.is_empty() && !request.required && request.base.is_none() {
        return Ok(Vec::new());
    }
    // A signature that wraps the body works on its JSON text, whatever the form it travels in.
    let wrapped = matches!(&method.auth, Auth::Hmac(hmac) if hmac.place.iter().any(|p| p.location == Location::Body));
    let bytes = match request.media {
        BodyMedia::Form if !wrapped => {
            insert_header(headers, "content-type", "application/x-www-form-urlencoded")?;
            no_nulls(&fields)?;
            let pairs: BTreeMap<&str, String> = fields.iter().map(|(k, v)| (k.as_str(), literal_text(v))).collect();
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into()
        }
        BodyMedia::Json | BodyMedia::Form => {
            let media =
                if request.content_type.is_empty() || wrapped { "application/json" } else { &request.content_type };
            insert_header(headers, "content-type", media)?;
            json(&Value::Object(fields))?
        }
        BodyMedia::Multipart => {
            no_nulls(&fields)?;
            let (boundary, parts) = multipart::parts(&fields, sent_here);
            insert_header(headers, "content-type", &format!("multipart/form-data; boundary={boundary}"))?;
            return Ok(parts);
        }
        BodyMedia::Bytes | BodyMedia::Xml => {
            let message = format!("`{}` needs a body of type `{}`", method.name, request.content_type);
            return Err(Error::new(ErrorKind::MissingParameter, message)
                .hint("with EXEC, `FROM 'file'` sends a file, and `@@text = '…'` a text"));
        }
    };
    Ok(vec![Piece::Bytes(bytes)])
}

/// The body as it is sent.
pub(super) fn body_of(mut pieces: Vec<Piece>) -> Body {
    match pieces.as_mut_slice() {
        [] => Body::empty(),
        [Piece::Bytes(bytes)] => Body::Whole(std::mem::take(bytes)),
        _ => Body::Streamed(Arc::new(Assembled(pieces))),
    }
}

/// The body for people: what a file holds is not shown.
pub(super) fn text_of(pieces: &[Piece]) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Piece::File(file) => file.to_string(),
    };
    pieces.iter().map(text).collect()
}

fn fields(method: &Method, call: &Call, request: &RequestBody, extra: &[(TokenPlace, Value)]) -> Map<String, Value> {
    let mut fields = match &request.base {
        Some(Value::Object(base)) => base.clone(),
        _ => Map::new(),
    };
    for parameter in method.parameters.iter().filter(|p| p.location == Location::Body) {
        if let Some(value) = call.body.get(&parameter.name) {
            let value = if parameter.text_only && (value.is_object() || value.is_array()) {
                Value::String(value.to_string())
            } else {
                value.clone()
            };
            fields.insert(parameter.wire.clone(), value);
        }
    }
    for (name, value) in &call.body {
        if !method.parameters.iter().any(|p| p.location == Location::Body && &p.name == name) {
            fields.insert(name.clone(), value.clone());
        }
    }
    for (place, value) in extra.iter().filter(|(place, _)| place.location == Location::Body) {
        fields.insert(place.key.clone(), value.clone());
    }
    fields
}

/// A body that is one value.
fn whole(method: &Method, request: &RequestBody, content: &Value) -> Result<Bytes> {
    match (request.media, content) {
        (BodyMedia::Json, value) => json(value),
        (BodyMedia::Bytes | BodyMedia::Xml, Value::String(text)) => Ok(text.clone().into()),
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("`{}` takes a body of type `{}`, which has fields", method.name, request.content_type),
        )),
    }
}

fn json(value: &Value) -> Result<Bytes> {
    let text = serde_json::to_vec(value);
    text.map(Bytes::from)
        .map_err(|error| Error::new(ErrorKind::Internal, "the request body could not be written").caused_by(error))
}

fn no_nulls(fields: &Map<String, Value>) -> Result<()> {
    match fields.iter().find(|(_, value)| value.is_null()) {
        Some((name, _)) => Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` cannot be NULL"))
            .hint("a form has no null; leave it out")),
        None => Ok(()),
    }
}

/// Pieces one after the other.
#[derive(Debug)]
struct Assembled(Vec<Piece>);

#[async_trait]
impl BodySource for Assembled {
    fn length(&self) -> u64 {
        let length = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::File(file) => file.bytes,
        };
        self.0.iter().map(length).sum()
    }

    async fn open(&self) -> Result<BoxStream<'static, Result<Bytes>>> {
        let mut opened: Vec<BoxStream<'static, Result<Bytes>>> = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            opened.push(match piece {
                Piece::Bytes(bytes) => stream::iter([Ok(bytes.clone())]).boxed(),
                Piece::File(file) => files::read(file).await?,
            });
        }
        Ok(stream::iter(opened).flatten().boxed())
    }
}
