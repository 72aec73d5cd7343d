//! What a method answers: which response of the document, which media type, where the rows are, what they hold.
//!
//! *Owns*: choosing the response, the item path (declared, implicit or inferred), the shape and the columns.
//! *Does not own*: paging (`pagination`), decoding (`rows`).
//! *Invariants*: an item path is inferred only from an object whose other fields all belong to an envelope.

use super::document::Node;
use super::item_path::{Step, join, json_path, steps};
use super::model::{Column, ItemShape, ResponseShape, ValueType};
use super::schema::{Additional, ObjectSchema, Schema, Schemas};

/// The answer of a method, with what paging needs to know beyond its shape.
pub(super) struct Response<'d> {
    pub(super) shape: ResponseShape,
    /// Whether one answer may hold several rows.
    pub(super) many: bool,
    /// The schema of the whole answer.
    pub(super) whole: Schema<'d>,
    /// Whether the document declares a `Link` header for it.
    pub(super) has_link_header: bool,
}

/// What the method says about its answer, and how it is used.
pub(super) struct Asked<'d> {
    /// The method's `response` key.
    pub(super) declared: Option<&'d Node>,
    /// The operation.
    pub(super) operation: &'d Node,
    /// Whether it serves SELECT.
    pub(super) selects: bool,
    /// Whether its path ends in a parameter.
    pub(super) is_detail: bool,
}

/// Works out the answer of a method.
pub(super) fn response<'d>(schemas: &Schemas<'d>, asked: &Asked<'d>) -> Response<'d> {
    let declared =
        |key: &str| asked.declared.and_then(|declared| declared.get(key)).filter(|node| **node != Node::Null);
    let key = declared("openAPIDocKey").and_then(Node::scalar_text);
    let chosen = choose_response(asked.operation, key.as_deref());
    let found = chosen.and_then(|(_, node)| schemas.document.follow(node));
    let named = chosen.map(|(name, _)| name).or(key.as_deref()).and_then(|name| name.parse().ok());
    let success_status = named.filter(|status| (200..300).contains(status));
    let has_link_header = found
        .and_then(|response| response.get("headers"))
        .is_some_and(|headers| headers.entries().any(|(name, _)| name.eq_ignore_ascii_case("link")));
    let wanted_media = declared("mediaType").and_then(Node::text);
    let content = found.and_then(|response| choose_media(response, wanted_media));
    // A transform makes another document of the answer, which `objectKey` and `schema_override` then describe. It is
    // not applied, so the answer's own schema is what holds; only the commonest ones can be undone.
    let object_key = declared("objectKey").and_then(Node::text);
    let transform = declared("transform");
    let undone = transform.and_then(|transform| undone(transform.text_of("body")?, object_key));
    let transformed = transform.is_some() && undone.is_none();
    let overriding = declared("schema_override").filter(|_| !transformed);
    let whole =
        overriding.or_else(|| content.and_then(|(_, media)| media.get("schema"))).map(Schema::of).unwrap_or_default();
    let (whole, object_key) = match &undone {
        Some(Undone::Wrapped(key)) => {
            let inner = schemas.object(&whole).properties.get(key.as_str()).cloned();
            (inner.unwrap_or_default(), object_key.and_then(|path| below(path, key)))
        }
        // Of the answer itself no schema is known.
        Some(Undone::Named(_)) => (Schema::default(), None),
        None => (whole, object_key.map(json_path)),
    };
    let media_type = content.map(|(name, _)| name).or(wanted_media).unwrap_or_default().to_owned();
    let may_be_empty = asked.operation.get("responses").is_some_and(|all| all.entries().any(|(name, _)| name == "204"));

    let bare = |items: ItemShape| ResponseShape {
        media_type: media_type.clone(),
        item_path: "$".to_owned(),
        items,
        columns: Vec::new(),
        success_status,
        may_be_empty,
    };
    let says_nothing = content.is_none() && overriding.is_none() && declared("objectKey").is_none();
    let (shape, many) = if says_nothing && (found.is_some() || key.as_deref() == Some("204")) {
        (bare(ItemShape::Empty), false)
    } else if !media_type.is_empty() && !is_structured(&media_type) && !has_fields(schemas, &whole, &media_type) {
        (bare(ItemShape::Binary), false)
    } else if let Some(Undone::Named(name)) = undone {
        let value = Column { source: Some(Vec::new()), ..column(&name, ValueType::Any, "One value of the list") };
        (ResponseShape { columns: vec![value], ..bare(ItemShape::Scalar) }, true)
    } else {
        let place = place_rows(schemas, &whole, object_key.as_deref(), transformed, asked);
        let (items, columns) = describe(schemas, &place, asked.selects);
        (ResponseShape { item_path: place.path, columns, ..bare(items) }, place.many)
    };
    Response { shape, many, whole, has_link_header }
}

/// What a transform does, where that can be undone.
#[derive(Debug, PartialEq, Eq)]
enum Undone {
    /// It puts the whole answer under this key: most of the transforms of Okta's documents, whose lists are bare arrays.
    Wrapped(String),
    /// It makes of each value of a bare array an object with this one field.
    Named(String),
}

/// What a template does, where that is one of the two forms that can be undone: white space does not count.
fn undone(template: &str, object_key: Option<&str>) -> Option<Undone> {
    let squeezed: String = template.split_whitespace().collect();
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let rest = squeezed.strip_prefix(r#"{{-$wrapped:=printf"{\""#)?;
    let (key, rest) = rest.split_once(r#"\":%s}".-}}"#)?;
    if rest == "{{-$wrapped-}}" {
        return is_key(key).then(|| Undone::Wrapped(key.to_owned()));
    }
    let rest = rest.strip_prefix("{{-$parsed:=jsonMapFromString$wrapped-}}{{-$items:=index$parsed\"")?;
    let (list, field) = rest
        .strip_prefix(key)?
        .strip_prefix("\"-}}{\"")?
        .split_once(r#"":[{{-range$i,$v:=$items-}}{{-if$i-}},{{-end-}}{""#)?;
    let field = field.strip_suffix(r#"":"{{-$v-}}"}{{-end-}}]}"#)?;
    let is_rows = object_key.is_some_and(|path| json_path(path) == join("$", list));
    (is_key(key) && is_key(field) && is_rows).then(|| Undone::Named(field.to_owned()))
}

/// What is left of the path to the rows when the answer is not put under `key`; `None` when that is all of it.
fn below(path: &str, key: &str) -> Option<String> {
    let path = json_path(path);
    let rest = path.strip_prefix(&join("$", key))?;
    (!rest.is_empty()).then(|| format!("${rest}"))
}

/// The response the method names, else the lowest success; `default` only when it is the sole one, because it mostly
/// describes errors.
pub(crate) fn choose_response<'d>(operation: &'d Node, key: Option<&str>) -> Option<(&'d str, &'d Node)> {
    let responses = operation.get("responses")?;
    if let Some(found) = key.and_then(|key| responses.entries().find(|(name, _)| name.eq_ignore_ascii_case(key))) {
        return Some(found);
    }
    let is_success = |name: &str| name.starts_with('2') && name.len() == 3;
    let numeric = responses.entries().filter(|(name, _)| is_success(name) && name.parse::<u16>().is_ok());
    if key.is_none()
        && let Some(found) = numeric.min_by_key(|(name, _)| (*name).to_owned())
    {
        return Some(found);
    }
    let range = || responses.entries().find(|(name, _)| is_success(name) && name[1..].eq_ignore_ascii_case("xx"));
    if key.is_none_or(|key| key.starts_with('2'))
        && let Some(found) = range()
    {
        return Some(found);
    }
    let mut all = responses.entries();
    match (all.next(), all.next()) {
        (Some(found @ ("default", _)), None) => Some(found),
        _ => None,
    }
}

/// The media type of a response's or request body's `content`, and what is said of it: the wanted one, else the first JSON, XML, bytes
/// or other.
pub(crate) fn choose_media<'d>(body: &'d Node, wanted: Option<&str>) -> Option<(&'d str, &'d Node)> {
    let content = body.get("content")?;
    let wanted = wanted.map(essence);
    if let Some(found) = content.entries().find(|(name, _)| Some(essence(name)) == wanted) {
        return Some(found);
    }
    let rank = |name: &str| {
        let name = essence(name);
        if is_json(&name) {
            0
        } else if name == "*/*" {
            1
        } else if name.ends_with("xml") {
            2
        } else if name == "application/octet-stream" {
            3
        } else {
            4
        }
    };
    content.entries().min_by_key(|(name, _)| rank(name))
}

/// A media type without its parameters, in lower case (RFC 9110 §8.3.1).
pub(crate) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a media type is JSON (RFC 6839 for the suffix).
pub(crate) fn is_json(media_type: &str) -> bool {
    let bare = essence(media_type);
    let json_lines = bare.contains("ndjson") || bare.contains("jsonl") || bare.contains("json-seq");
    bare.contains("json") && !json_lines
}

/// Whether a media type is XML (RFC 7303).
pub(crate) fn is_xml(media_type: &str) -> bool {
    let bare = essence(media_type);
    bare.ends_with("/xml") || bare.ends_with("+xml")
}

/// JSON, XML, or anything at all: what has fields. Everything else is bytes, but for what [`has_fields`] by its schema.
fn is_structured(media_type: &str) -> bool {
    let bare = essence(media_type);
    is_json(&bare) || bare == "*/*" || bare == "application/*" || is_xml(&bare)
}

/// Whether a media type of an API's own (`application/vnd.github.object`) is JSON by its schema. Other forms are described by
/// schemas as well.
pub(crate) fn has_fields<'d>(schemas: &Schemas<'d>, whole: &Schema<'d>, media_type: &str) -> bool {
    const OTHER_FORMS: [&str; 17] = [
        "octet-stream",
        "protobuf",
        "yaml",
        "cbor",
        "msgpack",
        "avro",
        "zip",
        "tar",
        "pdf",
        "csv",
        "form-urlencoded",
        "toml",
        "bson",
        "parquet",
        "thrift",
        "json",
        "xml",
    ];
    let bare = essence(media_type);
    let is_other = !bare.starts_with("application/") || OTHER_FORMS.iter().any(|form| bare.contains(form));
    let is_binary = schemas.facet(whole, "format").and_then(Node::text) == Some("binary");
    !is_other && !is_binary && matches!(schemas.value_type(whole), Some(ValueType::Object | ValueType::Array))
}

/// Where the rows are.
struct Place<'d> {
    path: String,
    /// The schema of one row.
    row: Schema<'d>,
    /// Whether several rows may stand there.
    many: bool,
    /// Whether the rows are the values of a map.
    keyed: bool,
}

fn place_rows<'d>(
    schemas: &Schemas<'d>,
    whole: &Schema<'d>,
    object_key: Option<&str>,
    transformed: bool,
    asked: &Asked<'d>,
) -> Place<'d> {
    if let Some(path) = object_key {
        if let Some(place) = walk(schemas, whole, path) {
            return place;
        }
        if !transformed {
            // The document names a key that its own schema lacks. The key stays, because the answer may have it; the
            // columns are those of the rows that the schema does have.
            let mut place = implicit(schemas, whole, asked, true);
            if whole.is_empty() {
                place.many = !asked.is_detail;
            }
            path.clone_into(&mut place.path);
            return place;
        }
    }
    implicit(schemas, whole, asked, asked.selects && !asked.is_detail)
}

/// The rows where no key is named: the property `items`, the list inside an envelope, else the whole answer.
fn implicit<'d>(schemas: &Schemas<'d>, whole: &Schema<'d>, asked: &Asked<'d>, infer: bool) -> Place<'d> {
    let object = schemas.object(whole);
    let is_list = |schema: &Schema<'d>| schemas.value_type(schema) == Some(ValueType::Array);
    let key = match object.properties.get("items") {
        Some(items) if is_list(items) && (asked.selects || infer) => Some("items"),
        _ if infer => envelope_list(schemas, &object),
        _ => None,
    };
    key.and_then(|key| walk(schemas, whole, &join("$", key)))
        .or_else(|| walk(schemas, whole, "$"))
        .unwrap_or_else(|| Place { path: "$".to_owned(), row: whole.clone(), many: false, keyed: false })
}

/// Names of fields that say something about a list and not about one thing.
const ENVELOPE_WORDS: [&str; 42] = [
    "links",
    "link",
    "meta",
    "metadata",
    "page",
    "pages",
    "results",
    "next",
    "prev",
    "previous",
    "first",
    "last",
    "total",
    "count",
    "totalcount",
    "totalresults",
    "totalpages",
    "totalitems",
    "totalsize",
    "perpage",
    "pagesize",
    "limit",
    "offset",
    "hasmore",
    "more",
    "nextpagetoken",
    "nexttoken",
    "nextcursor",
    "prevcursor",
    "cursor",
    "nextlink",
    "odatanextlink",
    "odatacontext",
    "odatacount",
    "pagination",
    "paging",
    "kind",
    "apiversion",
    "self",
    "requestid",
    "incompleteresults",
    "pageinfo",
];

/// Whether a folded name is one of an envelope's.
pub(crate) fn is_envelope_word(folded: &str) -> bool {
    ENVELOPE_WORDS.contains(&folded)
}

/// The one list of objects in an object whose other fields all belong to an envelope.
fn envelope_list<'d>(schemas: &Schemas<'d>, object: &ObjectSchema<'d>) -> Option<&'d str> {
    let is_rows = |name: &str, schema: &Schema<'d>| {
        !matches!(name, "links" | "errors" | "warnings" | "messages")
            && schemas.value_type(schema) == Some(ValueType::Array)
            && schemas.value_type(&schemas.items(schema)) == Some(ValueType::Object)
    };
    let mut lists = object.properties.iter().filter(|(name, schema)| is_rows(name, schema)).map(|(name, _)| *name);
    let list = lists.next()?;
    let is_word = |name: &&str| is_envelope_word(&crate::error::fold_name(name));
    let rest_is_envelope = object.properties.keys().filter(|name| **name != list).all(is_word);
    (lists.next().is_none() && rest_is_envelope).then_some(list)
}

/// Follows a path through a schema; `None` when the schema does not have it.
fn walk<'d>(schemas: &Schemas<'d>, whole: &Schema<'d>, path: &str) -> Option<Place<'d>> {
    let mut schema = whole.clone();
    let mut many = false;
    for step in steps(path)? {
        schema = match step {
            Step::Key(key) => schemas.object(&schema).properties.get(key.as_str())?.clone(),
            Step::Each => {
                many = true;
                let items = schemas.items(&schema);
                if items.is_empty() { additional(schemas.object(&schema))? } else { items }
            }
        };
    }
    if schema.is_empty() {
        return None;
    }
    let path = path.to_owned();
    match schemas.value_type(&schema) {
        Some(ValueType::Array) => Some(Place { path, row: schemas.items(&schema), many: true, keyed: false }),
        Some(ValueType::Object) | None => {
            let object = schemas.object(&schema);
            let values = if object.properties.is_empty() { additional(object) } else { None };
            match values.filter(|values| schemas.value_type(values) == Some(ValueType::Object)) {
                Some(row) => Some(Place { path, row, many: true, keyed: true }),
                None => Some(Place { path, row: schema, many, keyed: false }),
            }
        }
        Some(_) => Some(Place { path, row: schema, many, keyed: false }),
    }
}

fn additional(object: ObjectSchema<'_>) -> Option<Schema<'_>> {
    match object.additional {
        Additional::Of(schema) => Some(schema),
        _ => None,
    }
}

/// The shape and columns of the rows at a place.
fn describe(schemas: &Schemas<'_>, place: &Place<'_>, selects: bool) -> (ItemShape, Vec<Column>) {
    let object = schemas.object(&place.row);
    let columns = schemas.columns(&object);
    let ty = schemas.value_type(&place.row);
    if place.keyed {
        let has_key = columns.iter().any(|column| column.name == "key");
        let key = (!has_key).then(|| column("key", ValueType::Text, "The name under which the row stands"));
        return (ItemShape::Map, key.into_iter().chain(columns).collect());
    }
    let is_object = matches!(ty, Some(ValueType::Object) | None) || !columns.is_empty();
    if is_object && (!columns.is_empty() || !selects) {
        return (if place.many { ItemShape::List } else { ItemShape::Object }, columns);
    }
    // Values without fields, and objects of which no field is known: without the column `value` SQL could not see them.
    (ItemShape::Scalar, vec![Column { name: "value".to_owned(), ..schemas.column("value", &place.row) }])
}

fn column(name: &str, ty: ValueType, description: &str) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        format: None,
        description: description.to_owned(),
        values: Vec::new(),
        secret: false,
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::document::Document;

    const SCHEMAS: &str = "components:\n  schemas:\n    Image: {type: object, properties: {id: {type: string}, size: {type: integer}, token: {type: string, writeOnly: true}}}\n\
        \x20   Images: {type: array, items: {$ref: '#/components/schemas/Image'}}\n";

    /// Shape, path, columns, many.
    fn of(responses: &str, declared: &str, selects: bool, is_detail: bool) -> (ItemShape, String, String, bool) {
        let text = format!("{SCHEMAS}responses: {responses}\ndeclared: {declared}\n");
        let document = Document::parse(text.as_bytes(), "r.yaml").unwrap();
        let schemas = Schemas::new(&document);
        let asked = Asked { declared: document.root.get("declared"), operation: &document.root, selects, is_detail };
        let found = response(&schemas, &asked);
        let columns: Vec<&str> = found.shape.columns.iter().map(|column| column.name.as_str()).collect();
        (found.shape.items, found.shape.item_path, columns.join(","), found.many)
    }

    #[test]
    fn the_status_of_a_success_is_the_chosen_responses() {
        for (responses, declared, expected) in [
            ("{'202': {}, default: {}}", "{}", Some(202)),
            ("{'200': {}, '201': {}}", "{openAPIDocKey: '201'}", Some(201)),
            ("{}", "{openAPIDocKey: '204'}", Some(204)),
            ("{2XX: {}}", "{}", None),
            ("{default: {}}", "{}", None),
            ("{'400': {}}", "{openAPIDocKey: '400'}", None),
        ] {
            let text = format!("responses: {responses}\ndeclared: {declared}\n");
            let document = Document::parse(text.as_bytes(), "r.yaml").unwrap();
            let asked = Asked {
                declared: document.root.get("declared"),
                operation: &document.root,
                selects: false,
                is_detail: false,
            };
            assert_eq!(response(&Schemas::new(&document), &asked).shape.success_status, expected, "{text}");
        }
    }

    fn json(schema: &str) -> String {
        format!(
            "{{'200': {{content: {{application/json: {{schema: {schema}}}}}}}, default: {{content: {{application/json: {{schema: {{properties: {{errors: {{}}}}}}}}}}}}}}"
        )
    }

    #[test]
    fn rows_are_found() {
        use ItemShape::{List, Map, Object, Scalar};
        const IMAGE: &str = "{$ref: '#/components/schemas/Image'}";
        const IMAGES: &str = "{$ref: '#/components/schemas/Images'}";
        const NAMING: &str = r#"{{- $wrapped := printf "{\"items\":%s}" . -}} {{- $parsed := jsonMapFromString $wrapped -}} {{- $items := index $parsed "items" -}} {"users":[{{- range $i, $v := $items -}}{{- if $i -}},{{- end -}}{"user":"{{- $v -}}"}{{- end -}}]}"#;
        let envelope =
            format!("{{properties: {{data: {IMAGES}, page: {{type: integer}}, pages: {{}}, results: {{}}}}}}");
        let composed = format!(
            "{{allOf: [{{properties: {{images: {IMAGES}}}}}, {{properties: {{links: {{properties: {{pages: {{}}}}}}}}}}]}}"
        );
        let not_envelope = format!("{{properties: {{name: {{type: string}}, images: {IMAGES}}}}}");
        for (schema, key, selects, is_detail, expected) in [
            (IMAGES, "{}", true, false, (List, "$", "id,size", true)),
            (IMAGE, "{}", true, true, (Object, "$", "id,size", false)),
            // The seed's `getImage`: a key that the schema lacks.
            (IMAGE, "{objectKey: $.data}", true, true, (Object, "$.data", "id,size", false)),
            (&envelope, "{objectKey: $.data}", true, false, (List, "$.data", "id,size", true)),
            (&envelope, "{objectKey: data}", true, false, (List, "$.data", "id,size", true)),
            (&envelope, "{objectKey: $.rows}", true, false, (List, "$.rows", "id,size", true)),
            (&envelope, "{}", true, false, (List, "$.data", "id,size", true)),
            (&envelope, "{}", true, true, (Object, "$", "data,page,pages,results", false)),
            (&envelope, "{}", false, false, (Object, "$", "data,page,pages,results", false)),
            (&composed, "{}", true, false, (List, "$.images", "id,size", true)),
            (&not_envelope, "{}", true, false, (Object, "$", "name,images", false)),
            (
                &format!("{{properties: {{name: {{}}, items: {IMAGES}}}}}"),
                "{}",
                true,
                false,
                (List, "$.items", "id,size", true),
            ),
            (&format!("{{additionalProperties: {IMAGE}}}"), "{}", true, false, (Map, "$", "key,id,size", true)),
            (
                &format!("{{properties: {{zones: {{additionalProperties: {{properties: {{images: {IMAGES}}}}}}}}}}}"),
                "{objectKey: '$.zones[*].images'}",
                true,
                false,
                (List, "$.zones[*].images", "id,size", true),
            ),
            ("{type: array, items: {type: string}}", "{}", true, false, (Scalar, "$", "value", true)),
            ("{type: array}", "{}", true, false, (Scalar, "$", "value", true)),
            ("{type: object}", "{}", true, false, (Scalar, "$", "value", false)),
            ("{type: object}", "{}", false, false, (Object, "$", "", false)),
            ("{type: integer}", "{}", true, false, (Scalar, "$", "value", false)),
            (
                IMAGE,
                "{transform: {type: t}, objectKey: $.wrapped, schema_override: {type: integer}}",
                true,
                true,
                (Object, "$", "id,size", false),
            ),
            (
                &format!("{{properties: {{users: {IMAGES}}}}}"),
                r#"{objectKey: $.users, transform: {body: '{{- $wrapped := printf "{\"users\":%s}" . -}} {{- $wrapped -}}'}}"#,
                true,
                false,
                (List, "$", "id,size", true),
            ),
            (
                "{type: integer}",
                "{schema_override: {$ref: '#/components/schemas/Images'}}",
                true,
                false,
                (List, "$", "id,size", true),
            ),
            (IMAGES, "{objectKey: /Envelope/Item}", true, false, (List, "$", "id,size", true)),
            (
                &format!("{{properties: {{users: {IMAGES}}}}}"),
                &format!("{{objectKey: $.users, transform: {{body: '{NAMING}'}}}}"),
                true,
                false,
                (Scalar, "$", "user", true),
            ),
            // Its rows are not where it puts them.
            (
                &format!("{{properties: {{users: {IMAGES}}}}}"),
                &format!("{{objectKey: $.other, transform: {{body: '{NAMING}'}}}}"),
                true,
                false,
                (List, "$.users", "id,size", true),
            ),
        ] {
            let found = of(&json(schema), key, selects, is_detail);
            let found = (found.0, found.1.as_str(), found.2.as_str(), found.3);
            assert_eq!(found, expected, "{schema} {key}");
        }
    }

    #[test]
    fn responses_and_media_types_are_chosen() {
        use ItemShape::{Binary, Empty, Object};
        let one = "{content: {application/json: {schema: {properties: {a: {}}}}}}";
        let two = "{content: {application/json: {schema: {properties: {b: {}}}}}}";
        for (responses, declared, expected) in [
            (format!("{{'201': {two}, '200': {one}}}"), "{}", (Object, "a")),
            (format!("{{200: {one}}}"), "{openAPIDocKey: 200}", (Object, "a")),
            (format!("{{'200': {one}, '201': {two}}}"), "{openAPIDocKey: '201'}", (Object, "b")),
            (format!("{{2XX: {one}, 4XX: {two}}}"), "{openAPIDocKey: 2XX}", (Object, "a")),
            (format!("{{2XX: {one}, 4XX: {two}}}"), "{openAPIDocKey: '200'}", (Object, "a")),
            (format!("{{default: {one}}}"), "{openAPIDocKey: '200'}", (Object, "a")),
            (format!("{{default: {one}, '404': {two}}}"), "{openAPIDocKey: '200'}", (Object, "")),
            (format!("{{default: {one}, '404': {two}}}"), "{openAPIDocKey: default}", (Object, "a")),
            ("{'204': {description: gone}}".to_owned(), "{openAPIDocKey: '204', mediaType: application/json}", (Empty, "")),
            ("{'200': {content: {image/png: {schema: {type: string}}}}}".to_owned(), "{}", (Binary, "")),
            ("{'200': {content: {application/octet-stream: {}}}}".to_owned(), "{}", (Binary, "")),
            ("{'200': {content: {application/vnd.x.object: {schema: {properties: {e: {}}}}}}}".to_owned(), "{}", (Object, "e")),
            ("{'200': {content: {application/vnd.x.patch: {schema: {type: string}}}}}".to_owned(), "{}", (Binary, "")),
            ("{'200': {content: {application/vnd.x: {schema: {type: object, format: binary}}}}}".to_owned(), "{}", (Binary, "")),
            ("{'200': {content: {application/vnd.x.protobuf: {schema: {properties: {e: {}}}}}}}".to_owned(), "{}", (Binary, "")),
            ("{'200': {content: {text/event-stream: {schema: {properties: {e: {}}}}}}}".to_owned(), "{}", (Binary, "")),
            ("{'200': {content: {application/x-ndjson: {schema: {type: array}}}}}".to_owned(), "{}", (Binary, "")),
            (
                "{'200': {content: {text/csv: {}, application/vnd.x+json; charset=utf-8: {schema: {properties: {c: {}}}}}}}".to_owned(),
                "{mediaType: application/json}",
                (Object, "c"),
            ),
            ("{'200': {content: {text/xml: {schema: {properties: {d: {}}}}}}}".to_owned(), "{mediaType: application/xml}", (Object, "d")),
        ] {
            let found = of(&responses, declared, false, false);
            assert_eq!((found.0, found.2.as_str()), expected, "{responses} {declared}");
        }
    }
}
