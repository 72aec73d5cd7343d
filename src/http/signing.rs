//! Request signing described as data: templates, a keyed hash (RFC 2104), and where its parts go.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use indexmap::IndexMap;
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Sha256, Sha512};
use url::form_urlencoded;

use super::auth::{Secret, header_name, secret_header, set_query};
use super::{HeaderName, HeaderValue, Request};
use crate::error::{Error, ErrorKind, Result};

/// Signing with a keyed hash.
///
/// Templates hold `{method}`, `{path}`, `{body}` (after `envelope`), `{timestamp}` (Unix seconds), `{id}`, `{key}`,
/// `{key:0:64}` (a slice by characters) and, in `place` only, `{signature}`.
#[derive(Debug, Clone)]
pub struct HmacSigning {
    /// The public half.
    pub id: Secret,
    /// The key; its text's bytes are the key of the hash.
    pub key: Secret,
    /// The hash.
    pub hash: SignatureHash,
    /// How the signature is written.
    pub encoding: SignatureEncoding,
    /// The template of what is signed.
    pub message: String,
    /// Fields added to the JSON object in the body before it is signed; each value is a template.
    pub envelope: BTreeMap<String, String>,
    /// What is sent, and where.
    pub place: Vec<PlacedValue>,
}

/// The hash of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureHash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureEncoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// One value that signing puts into the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedValue {
    /// Where it goes.
    pub location: PlaceLocation,
    /// The name.
    pub name: String,
    /// A template.
    pub value: String,
}

/// Where a signed value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceLocation {
    /// Into a header.
    Header,
    /// Into the query string.
    Query,
    /// Into the body, which becomes a form of all such values.
    Body,
}

/// A signing rule whose templates are parsed.
#[derive(Clone)]
pub(crate) struct Signer {
    id: Secret,
    key: Secret,
    hash: SignatureHash,
    encoding: SignatureEncoding,
    message: Template,
    envelope: Vec<(String, Template)>,
    place: Vec<(Slot, Template)>,
}

#[derive(Clone)]
enum Slot {
    Header(HeaderName),
    Query(String),
    Body(String),
}

/// What stands in braces.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Method,
    Path,
    Body,
    Timestamp,
    Id,
    /// A slice, as a range of bytes that was checked against the key.
    Key(Range<usize>),
    Signature,
}

#[derive(Clone)]
struct Template(Vec<Piece>);

/// The values of one request.
struct Values<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a [u8],
    timestamp: &'a str,
    id: &'a str,
    key: &'a str,
    signature: &'a str,
}

impl Signer {
    pub(crate) fn new(signing: HmacSigning) -> Result<Self> {
        let HmacSigning { id, key, hash, encoding, message, envelope, place } = signing;
        let parse = |text: &str, forbidden: &[Piece]| {
            let template = Template::parse(text, &key)?;
            match template.0.iter().find(|piece| forbidden.contains(piece)) {
                Some(_) => Err(wrong_template(text, "it uses a value that is made from it")),
                None => Ok(template),
            }
        };
        let message = parse(&message, &[Piece::Signature])?;
        let envelope = envelope
            .iter()
            .map(|(name, text)| Ok((name.clone(), parse(text, &[Piece::Signature, Piece::Body])?)))
            .collect::<Result<_>>()?;
        let place = place
            .iter()
            .map(|placed| {
                let slot = match placed.location {
                    PlaceLocation::Header => Slot::Header(header_name(&placed.name)?),
                    PlaceLocation::Query => Slot::Query(placed.name.clone()),
                    PlaceLocation::Body => Slot::Body(placed.name.clone()),
                };
                Ok((slot, parse(&placed.value, &[])?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { id, key, hash, encoding, message, envelope, place })
    }

    /// The key, and behind it the parts of it that are sent.
    pub(super) fn secrets(&self) -> Vec<&str> {
        /// A shorter one gives nothing away, and is in every other word.
        const SHORTEST: usize = 8;
        let key = self.key.expose();
        let templates = self.envelope.iter().map(|(_, template)| template);
        let templates = templates.chain(self.place.iter().map(|(_, template)| template));
        let parts = templates.flat_map(|template| &template.0).filter_map(|piece| match piece {
            Piece::Key(range) => key.get(range.clone()).filter(|part| part.len() >= SHORTEST),
            _ => None,
        });
        std::iter::once(key).chain(parts).collect()
    }

    /// The names under which values go into the query string.
    pub(super) fn query_names(&self) -> Vec<&str> {
        let in_query = self.place.iter().filter_map(|(slot, _)| match slot {
            Slot::Query(name) => Some(name.as_str()),
            Slot::Header(_) | Slot::Body(_) => None,
        });
        in_query.collect()
    }

    /// Adds the envelope, signs, and puts every value in its place.
    pub(crate) fn sign(&self, request: &mut Request, path: &str, now: SystemTime) -> Result<()> {
        let timestamp = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
        let method = request.method.as_str().to_owned();
        let mut values = Values {
            method: &method,
            path,
            body: &[],
            timestamp: &timestamp,
            id: self.id.expose(),
            key: self.key.expose(),
            signature: "",
        };
        // A body that is read as it is sent can stand beside a signature, but not be a part of one.
        let at_hand = request.body.whole().cloned();
        let body = match (&at_hand, self.envelope.is_empty()) {
            (Some(bytes), true) => bytes.clone(),
            (Some(bytes), false) => self.enclose(bytes, &values)?,
            (None, _) if self.reads_body() => {
                return Err(Error::new(ErrorKind::Unsupported, "a file cannot be part of a signed request"));
            }
            (None, _) => Bytes::new(),
        };
        values.body = &body;
        let signature = self.signature(&self.message.render(&values))?;
        values.signature = &signature;

        let mut form = form_urlencoded::Serializer::new(String::new());
        let mut is_form = false;
        for (slot, template) in &self.place {
            let text = String::from_utf8(template.render(&values)).map_err(|error| {
                Error::new(ErrorKind::InvalidArgument, "a body that is not text cannot be part of a signature's fields")
                    .caused_by(error.utf8_error())
            })?;
            match slot {
                Slot::Header(name) => {
                    request.headers.insert(name.clone(), secret_header(&text, &self.id.source)?);
                }
                Slot::Query(name) => set_query(&mut request.url, name, &text),
                Slot::Body(name) => {
                    form.append_pair(name, &text);
                    is_form = true;
                }
            }
        }
        request.headers.remove(CONTENT_LENGTH);
        if is_form {
            request.body = form.finish().into();
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        } else if at_hand.is_some() {
            request.body = body.into();
            if !self.envelope.is_empty() && !request.headers.contains_key(CONTENT_TYPE) {
                request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
        }
        Ok(())
    }

    /// Whether the body is signed, enclosed, or takes another form.
    fn reads_body(&self) -> bool {
        let holds_body = |template: &Template| template.0.contains(&Piece::Body);
        !self.envelope.is_empty()
            || holds_body(&self.message)
            || self.place.iter().any(|(slot, template)| matches!(slot, Slot::Body(_)) || holds_body(template))
    }

    /// The JSON object with the envelope's fields behind its own. The fields' values stay as they were written.
    fn enclose(&self, body: &[u8], values: &Values<'_>) -> Result<Bytes> {
        let wrong = |error: serde_json::Error| {
            // The parser's own message may quote the body.
            Error::new(ErrorKind::InvalidArgument, "only a JSON object can be signed this way")
                .with("line", error.line().to_string())
                .with("column", error.column().to_string())
        };
        let mut fields: IndexMap<String, Box<RawValue>> =
            if body.is_empty() { IndexMap::new() } else { serde_json::from_slice(body).map_err(wrong)? };
        for (name, template) in &self.envelope {
            fields.shift_remove(name);
            let text = String::from_utf8_lossy(&template.render(values)).into_owned();
            fields.insert(name.clone(), to_raw_value(&text).map_err(wrong)?);
        }
        Ok(Bytes::from(serde_json::to_vec(&fields).map_err(wrong)?))
    }

    fn signature(&self, message: &[u8]) -> Result<String> {
        let key = self.key.expose().as_bytes();
        let wrong = |_| Error::new(ErrorKind::Auth, format!("`{}` cannot be the key of a signature", self.key.source));
        let bytes = match self.hash {
            SignatureHash::Sha256 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(wrong)?;
                mac.update(message);
                mac.finalize().into_bytes().to_vec()
            }
            SignatureHash::Sha512 => {
                let mut mac = Hmac::<Sha512>::new_from_slice(key).map_err(wrong)?;
                mac.update(message);
                mac.finalize().into_bytes().to_vec()
            }
        };
        Ok(match self.encoding {
            SignatureEncoding::Hex => hex(&bytes),
            SignatureEncoding::Base64 => base64(&bytes),
        })
    }
}

impl Template {
    fn parse(text: &str, key: &Secret) -> Result<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let (name, behind) = after.split_once('}').ok_or_else(|| wrong_template(text, "a brace is not closed"))?;
            pieces.push(match name {
                "method" => Piece::Method,
                "path" => Piece::Path,
                "body" => Piece::Body,
                "timestamp" => Piece::Timestamp,
                "id" => Piece::Id,
                "key" => Piece::Key(0..key.expose().len()),
                "signature" => Piece::Signature,
                other => match other.strip_prefix("key:").and_then(parse_slice) {
                    Some(characters) => Piece::Key(slice_of_key(&characters, key)?),
                    None => {
                        return Err(wrong_template(text, &format!("`{{{other}}}` is not known")));
                    }
                },
            });
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// Bytes, because a body need not be text.
    fn render(&self, values: &Values<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &self.0 {
            out.extend_from_slice(match piece {
                Piece::Text(text) => text.as_bytes(),
                Piece::Method => values.method.as_bytes(),
                Piece::Path => values.path.as_bytes(),
                Piece::Body => values.body,
                Piece::Timestamp => values.timestamp.as_bytes(),
                Piece::Id => values.id.as_bytes(),
                Piece::Key(range) => values.key.get(range.clone()).unwrap_or_default().as_bytes(),
                Piece::Signature => values.signature.as_bytes(),
            });
        }
        out
    }
}

fn wrong_template(text: &str, why: &str) -> Error {
    Error::new(ErrorKind::Provider, format!("the signing template `{text}` cannot be used: {why}")).hint(
        "templates take `{method}`, `{path}`, `{body}`, `{timestamp}`, `{id}`, `{key}`, `{key:0:64}`, `{signature}`",
    )
}

fn parse_slice(text: &str) -> Option<Range<usize>> {
    let (start, end) = text.split_once(':')?;
    let range = start.parse().ok()?..end.parse().ok()?;
    (range.start < range.end).then_some(range)
}

/// A range of characters as a range of bytes. A key without a character behind or before the slice is refused: the
/// slice would be the whole key, which must not travel.
fn slice_of_key(characters: &Range<usize>, key: &Secret) -> Result<Range<usize>> {
    let text = key.expose();
    let byte = |character: usize| text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(character);
    match (byte(characters.start), byte(characters.end)) {
        (Some(start), Some(end)) if end - start < text.len() => Ok(start..end),
        _ => Err(Error::new(ErrorKind::Auth, format!("the key in `{}` is too short", key.source))
            .hint(format!("it must have more than {} characters: check that it is whole", characters.end))),
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Base64 with padding, standard alphabet (RFC 4648 §4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let padded = [0, group[0], group.get(1).copied().unwrap_or(0), group.get(2).copied().unwrap_or(0)];
        let bits = u32::from_be_bytes(padded);
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS[(bits >> shift & 63) as usize];
            text.push(if index <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests;
