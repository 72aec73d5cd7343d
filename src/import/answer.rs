//! What an operation answers, and where its rows are.
//!
//! *Owns*: the place of the rows in answers whose document does not name it, also of single objects in an envelope.
//! *Does not own*: choosing the response and the media type, and types of schemas (`provider`).
//! *Invariants*: rows are looked for only below names that an envelope may have.

use crate::error::fold_name;
use crate::provider::{
    Node, Schema, Schemas, ValueType, choose_media, choose_response, has_fields, is_envelope_word, is_json,
};

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The response's key: `200`.
    pub(super) status: Option<String>,
    pub(super) media: Option<String>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON that rows can be read from.
    Rows(Rows),
    /// Something else than JSON.
    Bytes,
    /// Nothing that the document describes.
    Nothing,
}

/// Where rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    /// JSONPath; `$` is the whole answer.
    pub(super) path: String,
    /// Whether several rows may stand there.
    pub(super) many: bool,
    /// Whether the schema leaves no other choice.
    pub(super) sure: bool,
    /// The names of a row's fields.
    pub(super) columns: Vec<String>,
}

/// The answer of an operation; `is_item`: its path ends in a parameter.
pub(super) fn answer(schemas: &Schemas<'_>, operation: &Node, is_item: bool) -> Answer {
    let Some((status, response)) = choose_response(operation, None) else {
        return Answer { status: None, media: None, kind: Kind::Nothing };
    };
    let status = Some(status.to_owned());
    let content = schemas.document.follow(response).and_then(|response| choose_media(response, None));
    let Some((media, said)) = content else { return Answer { status, media: None, kind: Kind::Nothing } };
    let whole = said.get("schema").map(Schema::of);
    let is_rows =
        is_json(media) || media == "*/*" || whole.as_ref().is_some_and(|whole| has_fields(schemas, whole, media));
    let kind = match whole {
        _ if !is_rows => Kind::Bytes,
        Some(whole) => Kind::Rows(rows(schemas, &whole, is_item)),
        None => Kind::Nothing,
    };
    Answer { status, media: Some(media.to_owned()), kind }
}

/// Fields of an envelope beside those that every reader of documents knows.
const MORE_ENVELOPE: [&str; 16] = [
    "object",
    "url",
    "success",
    "ok",
    "status",
    "code",
    "message",
    "messages",
    "errors",
    "error",
    "warnings",
    "result_info",
    "took",
    "timestamp",
    "isfirst",
    "islast",
];

/// Words that a thing itself may have as well: alone they do not make an envelope of the answer of one thing.
const ALSO_OF_THINGS: [&str; 8] = ["object", "url", "status", "code", "message", "timestamp", "kind", "first"];

fn is_envelope(name: &str) -> bool {
    let folded = fold_name(name);
    is_envelope_word(&folded) || MORE_ENVELOPE.iter().any(|word| fold_name(word) == folded)
}

fn rows(schemas: &Schemas<'_>, whole: &Schema<'_>, is_item: bool) -> Rows {
    let here = |path: String, schema: &Schema<'_>, sure: bool| {
        let is_list = schemas.value_type(schema) == Some(ValueType::Array);
        let row = if is_list { schemas.items(schema) } else { schema.clone() };
        let columns = schemas.object(&row).properties.keys().map(|name| (*name).to_owned()).collect();
        Rows { path, many: is_list, sure, columns }
    };
    let key_path = |key: &str| crate::provider::join_path("$", key);
    if matches!(schemas.value_type(whole), Some(ty) if ty != ValueType::Object && ty != ValueType::Any) {
        return here("$".to_owned(), whole, true);
    }
    let object = schemas.object(whole);
    let ty = |schema: &Schema<'_>| schemas.value_type(schema);
    let is_nested = |schema: &Schema<'_>| !matches!(ty(schema), Some(t) if !t.is_json());
    let of_objects = |schema: &Schema<'_>| {
        ty(schema) == Some(ValueType::Array) && ty(&schemas.items(schema)) == Some(ValueType::Object)
    };
    let own: Vec<(&str, &Schema<'_>)> =
        object.properties.iter().filter(|(name, _)| !is_envelope(name)).map(|(n, s)| (*n, s)).collect();
    let may_be_a_thing =
        is_item && object.properties.keys().any(|name| ALSO_OF_THINGS.contains(&fold_name(name).as_str()));
    if may_be_a_thing {
        return here("$".to_owned(), whole, own.len() > 1);
    }
    match own.as_slice() {
        // Nothing but words of an envelope: the list among them.
        [] => {
            let lists: Vec<_> =
                object.properties.iter().filter(|(_, schema)| ty(schema) == Some(ValueType::Array)).collect();
            let is_about = |name: &str| matches!(name, "links" | "errors" | "warnings" | "messages");
            let real: Vec<_> =
                lists.iter().filter(|(name, _)| !is_about(name) || object.properties.len() == 1).collect();
            match real.as_slice() {
                [(name, schema)] if !is_item => here(key_path(name), schema, true),
                _ => here("$".to_owned(), whole, true),
            }
        }
        [(name, schema)] if is_nested(schema) && ty(schema).is_some() => {
            // One more envelope inside: `{"result": {"items": […], "total": 3}}`.
            let inner = schemas.object(schema);
            let lists: Vec<_> = inner.properties.iter().filter(|(_, s)| of_objects(s)).collect();
            let rest_is_envelope =
                inner.properties.keys().filter(|n| lists.iter().all(|(l, _)| l != n)).all(|n| is_envelope(n));
            if let ([(list, rows)], true, false, true) =
                (lists.as_slice(), inner.properties.len() > 1, is_item, rest_is_envelope)
            {
                return here(crate::provider::join_path(&key_path(name), list), rows, false);
            }
            here(key_path(name), schema, true)
        }
        _ => {
            // A list of objects and nothing else that could be rows, in the answer of something that lists.
            let nested: Vec<_> = own.iter().filter(|(_, schema)| is_nested(schema)).collect();
            let lists: Vec<_> = nested.iter().filter(|(_, schema)| of_objects(schema)).collect();
            let paged = object.properties.keys().any(|name| {
                matches!(
                    fold_name(name).as_str(),
                    "pages" | "links" | "meta" | "total" | "next" | "nextpagetoken" | "nextcursor" | "hasmore"
                )
            });
            match lists.as_slice() {
                [(name, schema)] if !is_item && (paged || *name == "items") => here(key_path(name), schema, false),
                _ => here("$".to_owned(), whole, own.len() > 1 || !is_item),
            }
        }
    }
}
