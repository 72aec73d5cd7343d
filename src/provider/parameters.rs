//! What a method can be told: path, query, header, cookie, server and body parameters.
//!
//! *Owns*: collecting them from path item, operation, server, request body and the method's own overrides.
//! *Does not own*: placing values (`call`), matching names (`model`).
//! *Invariants*: every variable of the path and of the server has a parameter; no two parameters outside the body
//! share a name.

use serde_json::Value;

use super::document::Node;
use super::model::{BodyMedia, Location, Parameter, RequestBody, Style, ValueType};
use super::response::{choose_media, essence, is_json};
use super::schema::{Additional, ObjectSchema, Schema, Schemas, one_line};
use super::secrets::{tells_secret, tells_secret_field};
use super::url_template::{PathKey, is_placeholder, path_key, server_url};
use crate::error::Result;

/// Where a method's parameters are written.
pub(super) struct Sources<'d> {
    /// The path's key in the document.
    pub(super) path: &'d str,
    /// The HTTP verb, as the document writes it.
    pub(super) verb: &'d str,
    pub(super) path_item: &'d Node,
    pub(super) operation: &'d Node,
    /// The method in `x-stackQL-resources`.
    pub(super) method: &'d Node,
    /// The server that counts.
    pub(super) server: Option<&'d Node>,
    /// Whether query names that begin with two underscores are left out.
    pub(super) drop_double_underscore: bool,
    /// `requestBodyTranslate.algorithm` is `naive`.
    pub(super) naive: bool,
}

/// How a method is called.
pub(super) struct Inputs {
    pub(super) server: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) request: Option<RequestBody>,
}

/// Collects how a method is called.
///
/// # Errors
/// `Provider` when a parameter or a request body cannot be resolved: calls without it would be wrong.
pub(super) fn inputs(schemas: &Schemas<'_>, sources: &Sources<'_>) -> Result<Inputs> {
    let key = path_key(sources.path, sources.drop_double_underscore);
    let mut parameters = operation_parameters(schemas, sources)?;
    override_parameters(schemas, sources.method.get("parameters"), &mut parameters);
    fit_to_path(&key, &mut parameters);
    let server = sources.server.map_or_else(String::new, |server| {
        let (url, variables) = server_url(server);
        parameters.extend(server_parameters(server, &variables));
        url
    });
    keep_names_apart(&mut parameters);
    let (request, mut fields) = request_body(schemas, sources)?;
    for (name, said) in sources.method.get("parameters").into_iter().flat_map(Node::entries) {
        // A name that is also a parameter means the parameter.
        if parameters.iter().all(|p| p.name != name && p.wire != name)
            && let Some(field) = fields.iter_mut().find(|field| field.wire == name)
        {
            apply(schemas, said, field);
        }
    }
    parameters.extend(fields);
    Ok(Inputs { server, path: key.path, query: key.constants, parameters, request })
}

/// Path-item parameters, then the operation's; of two with the same name and location the operation's counts.
fn operation_parameters(schemas: &Schemas<'_>, sources: &Sources<'_>) -> Result<Vec<Parameter>> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for (holder, is_operation) in [(sources.path_item, false), (sources.operation, true)] {
        for written in holder.get("parameters").map_or(&[][..], Node::items) {
            let Some(node) = schemas.document.follow(written) else {
                let target = written.text_of("$ref").unwrap_or_default();
                let place = ["paths", sources.path, sources.verb, "parameters"];
                let place = if is_operation { &place[..] } else { &["paths", sources.path, "parameters"] };
                return Err(schemas
                    .document
                    .error(format!("a parameter refers to `{target}`, which the document does not have"), place));
            };
            let Some(parameter) = parameter(schemas, node) else { continue };
            let location = parameter.location;
            let is_twin =
                |known: &Parameter| known.location == location && location.same_name(&known.wire, &parameter.wire);
            let twin = parameters.iter().position(is_twin);
            match twin.and_then(|index| parameters.get_mut(index)) {
                Some(known) => *known = parameter,
                None => parameters.push(parameter),
            }
        }
    }
    Ok(parameters)
}

/// One OpenAPI parameter; `None` when it does not say where it goes.
fn parameter(schemas: &Schemas<'_>, node: &Node) -> Option<Parameter> {
    let wire = node.text_of("name")?;
    let location = location(node.text_of("in")?)?;
    // The type stands in `schema`; in `content` for JSON in a query; and beside the name in Swagger 2 leftovers.
    let first_content = node.get("content").and_then(|content| content.entries().next());
    let schema =
        node.get("schema").or_else(|| first_content.and_then(|(_, media)| media.get("schema"))).unwrap_or(node);
    let schema = Schema::of(schema);
    let style = node.text_of("style").and_then(style).unwrap_or(match location {
        Location::Query | Location::Cookie | Location::Body => Style::Form,
        Location::Path | Location::Header | Location::Server => Style::Simple,
    });
    let required = (node.says("required") && !node.says("allowEmptyValue")) || node.says("x-alwaysRequired");
    let format = schemas.facet(&schema, "format").and_then(Node::text);
    let described = one_line(node.get("description"));
    Some(Parameter {
        name: node.text_of("x-stackQL-alias").unwrap_or(wire).to_owned(),
        wire: wire.to_owned(),
        location,
        required: required || location == Location::Path,
        ty: parameter_type(schemas, &schema),
        style,
        explode: node.get("explode").and_then(Node::bool).unwrap_or(style == Style::Form),
        default: default_of(schemas, &schema).or_else(|| node.get("default").and_then(value)),
        values: schemas.values(&schema),
        minimum: schemas.facet(&schema, "minimum").and_then(Node::f64),
        maximum: schemas.facet(&schema, "maximum").and_then(Node::f64),
        description: if described.is_empty() { one_line(schemas.facet(&schema, "description")) } else { described },
        column: ["x-skyql-column", "column"].iter().find_map(|key| node.get(key)).and_then(Node::bool),
        env: None,
        secret: format == Some("password")
            || schemas.says(&schema, &["secret", "x-skyql-secret"])
            || node.says("secret")
            || node.says("x-skyql-secret")
            // What stands in a path is a name.
            || (location != Location::Path
                && tells_secret(wire)
                && parameter_type(schemas, &schema) != ValueType::Boolean),
        // What `content` describes is written as that media type, whatever the style.
        text_only: node.get("schema").is_none() && first_content.is_some_and(|(media, _)| is_json(media)),
    })
}

/// Parameters are written as text on the wire, so that one which takes several scalar types takes text.
fn parameter_type(schemas: &Schemas<'_>, schema: &Schema<'_>) -> ValueType {
    match schemas.value_type(schema) {
        None | Some(ValueType::Any) => ValueType::Text,
        Some(ty) => ty,
    }
}

fn default_of(schemas: &Schemas<'_>, schema: &Schema<'_>) -> Option<Value> {
    schemas.facet(schema, "default").and_then(value)
}

fn value(node: &Node) -> Option<Value> {
    if *node == Node::Null { None } else { Some(node.to_json()) }
}

/// The location a document's word means.
pub(super) fn location(word: &str) -> Option<Location> {
    Some(match word {
        "path" => Location::Path,
        "query" => Location::Query,
        "header" => Location::Header,
        "cookie" => Location::Cookie,
        "server" => Location::Server,
        "body" => Location::Body,
        _ => return None,
    })
}

fn style(word: &str) -> Option<Style> {
    Some(match word {
        "simple" => Style::Simple,
        "label" => Style::Label,
        "matrix" => Style::Matrix,
        "form" => Style::Form,
        "spaceDelimited" => Style::SpaceDelimited,
        "pipeDelimited" => Style::PipeDelimited,
        "deepObject" => Style::DeepObject,
        _ => return None,
    })
}

/// The method's own `parameters`: what is said there replaces what the operation says; a new name with a location is
/// a new parameter.
fn override_parameters(schemas: &Schemas<'_>, overrides: Option<&Node>, parameters: &mut Vec<Parameter>) {
    for (name, said) in overrides.into_iter().flat_map(Node::entries) {
        let known = parameters.iter_mut().find(|known| known.name == name || known.wire == name);
        let Some(known) = known else {
            let place = said.text_of("in").or_else(|| said.text_of("location")).and_then(location);
            if let Some(place) = place.filter(|place| *place != Location::Body) {
                let mut new = implicit(name, place, said.says("required"));
                new.ty = said.get("schema").map_or(ValueType::Text, |node| parameter_type(schemas, &Schema::of(node)));
                apply(schemas, said, &mut new);
                parameters.push(new);
            }
            continue;
        };
        apply(schemas, said, known);
    }
}

fn apply(schemas: &Schemas<'_>, said: &Node, parameter: &mut Parameter) {
    let schema = said.get("schema").map(Schema::of);
    if let Some(required) = said.get("required").and_then(Node::bool) {
        parameter.required = required || parameter.location == Location::Path;
    }
    if let Some(alias) = said.text_of("x-stackQL-alias") {
        alias.clone_into(&mut parameter.name);
    }
    if said.get("description").is_some() {
        parameter.description = one_line(said.get("description"));
    }
    if let Some(column) = ["column", "x-skyql-column"].iter().find_map(|key| said.get(key)).and_then(Node::bool) {
        parameter.column = Some(column);
    }
    if ["secret", "x-skyql-secret"].iter().any(|key| said.says(key)) {
        parameter.secret = true;
    }
    if let Some(schema) = &schema {
        if let Some(ty) = schemas.value_type(schema) {
            parameter.ty = ty;
        }
        let values = schemas.values(schema);
        if !values.is_empty() {
            parameter.values = values;
        }
        parameter.minimum = schemas.facet(schema, "minimum").and_then(Node::f64).or(parameter.minimum);
        parameter.maximum = schemas.facet(schema, "maximum").and_then(Node::f64).or(parameter.maximum);
    }
    let default =
        schema.and_then(|schema| default_of(schemas, &schema)).or_else(|| said.get("default").and_then(value));
    if default.is_some() {
        parameter.default = default;
    }
}

/// A parameter of which the document says nothing: text.
pub(super) fn implicit(name: &str, location: Location, required: bool) -> Parameter {
    let style = if matches!(location, Location::Query | Location::Cookie) { Style::Form } else { Style::Simple };
    Parameter {
        name: name.to_owned(),
        wire: name.to_owned(),
        location,
        required,
        ty: ValueType::Text,
        style,
        explode: style == Style::Form,
        default: None,
        values: Vec::new(),
        minimum: None,
        maximum: None,
        description: String::new(),
        column: None,
        env: None,
        secret: false,
        text_only: false,
    }
}

/// Makes the parameters those of the path: one for every variable, none for variables it does not have, none for a
/// name that the path key fixes.
fn fit_to_path(key: &PathKey, parameters: &mut Vec<Parameter>) {
    for (wire, variable) in &key.query_variables {
        let known = parameters.iter_mut().find(|p| p.wire == *variable || p.wire == *wire);
        if let Some(known) = known {
            known.wire.clone_from(wire);
            known.required = true;
            if known.location != Location::Query {
                (known.location, known.style, known.explode) = (Location::Query, Style::Form, true);
            }
        } else {
            let mut new = implicit(variable, Location::Query, true);
            new.wire.clone_from(wire);
            parameters.push(new);
        }
    }
    parameters.retain(|p| p.location != Location::Query || key.constants.iter().all(|(name, _)| *name != p.wire));
    let is_path = |p: &Parameter| p.location == Location::Path;
    for variable in &key.variables {
        if parameters.iter().any(|p| is_path(p) && p.wire == *variable) {
            continue;
        }
        // Some documents spell a variable one way in the path and another way in its parameter.
        let folded = crate::error::fold_name(variable);
        let unused = |p: &Parameter| is_path(p) && !key.variables.contains(&p.wire);
        match parameters.iter_mut().find(|p| unused(p) && crate::error::fold_name(&p.wire) == folded) {
            Some(known) => known.wire.clone_from(variable),
            None => parameters.push(implicit(variable, Location::Path, true)),
        }
    }
    parameters.retain(|p| !is_path(p) || key.variables.contains(&p.wire));
}

/// The variables of a server: those of its URL are needed; others are accepted (AWS signs a `region` that the URLs of
/// its global services lack).
fn server_parameters(server: &Node, in_url: &[String]) -> Vec<Parameter> {
    let described = server.get("variables");
    let unsaid = described.into_iter().flat_map(Node::entries).map(|(name, _)| name.to_owned());
    let others: Vec<String> = unsaid.filter(|name| !in_url.contains(name)).collect();
    let build = |name: &String, required: bool| {
        let mut parameter = implicit(name, Location::Server, required);
        if let Some(said) = described.and_then(|variables| variables.get(name)) {
            let default = said.get("default").and_then(Node::scalar_text);
            parameter.default = default.filter(|text| !is_placeholder(text)).map(|text| Value::from(text.into_owned()));
            let values = said.get("enum").map_or(&[][..], Node::items).iter();
            parameter.values =
                values.filter_map(Node::scalar_text).map(|text| Value::from(text.into_owned())).collect();
            parameter.description = one_line(said.get("description"));
            parameter.env = said.text_of("x-stackQL-envVar").map(str::to_owned);
        }
        parameter
    };
    in_url.iter().map(|name| build(name, true)).chain(others.iter().map(|name| build(name, false))).collect()
}

/// Gives a parameter whose name another one has the name `<name>_<location>`: values are given by name, and must not
/// reach two places (`/proxy/{path}?path=` of Kubernetes).
fn keep_names_apart(parameters: &mut [Parameter]) {
    let rank = |location: Location| {
        [Location::Path, Location::Query, Location::Header, Location::Cookie, Location::Server]
            .iter()
            .position(|known| *known == location)
    };
    let mut order: Vec<usize> = (0..parameters.len()).collect();
    order.sort_by_key(|index| parameters.get(*index).and_then(|p| rank(p.location)));
    let mut taken = std::collections::HashSet::new();
    for index in order {
        let Some(parameter) = parameters.get_mut(index) else { continue };
        while !taken.insert(parameter.name.clone()) {
            parameter.name = format!("{}_{}", parameter.name, parameter.location);
        }
    }
}

/// The request body and its top-level fields.
fn request_body(schemas: &Schemas<'_>, sources: &Sources<'_>) -> Result<(Option<RequestBody>, Vec<Parameter>)> {
    let document = schemas.document;
    let declared = sources.method.get("request");
    let place = ["paths", sources.path, sources.verb, "requestBody"];
    let body = match sources.operation.get("requestBody") {
        Some(written) => {
            let target = written.text_of("$ref").unwrap_or_default();
            let missing = || format!("the request body refers to `{target}`, which the document does not have");
            Some(document.follow(written).ok_or_else(|| document.error(missing(), &place))?)
        }
        None => None,
    };
    let wanted = declared.and_then(|declared| declared.text_of("mediaType"));
    let base = match declared.and_then(|declared| declared.get("base")) {
        Some(Node::Text(text)) => Some(
            serde_json::from_str(text)
                .map_err(|error| document.error("the request's `base` is not JSON", &place[..3]).caused_by(error))?,
        ),
        Some(Node::Null) | None => None,
        Some(node) => Some(node.to_json()),
    };
    if body.is_none() && base.is_none() {
        return Ok((None, Vec::new()));
    }
    let media = body.and_then(|body| choose_media(body, wanted));
    let content_type = media.map(|(name, _)| name).filter(|name| !name.contains('*')).or(wanted);
    let content_type = content_type.unwrap_or("application/json").to_owned();
    let schema = media.and_then(|(_, media)| media.get("schema")).map(Schema::of).unwrap_or_default();
    let object = schemas.object(&schema);
    let also_required = declared.and_then(|declared| declared.get("required")).map_or(&[][..], Node::items);
    // A constant need not be given.
    let is_constant = |name: &str| base.as_ref().is_some_and(|base| base.get(name).is_some());
    let is_required = |name: &str| {
        (object.required.contains(name) && !is_constant(name))
            || also_required.iter().any(|also| also.text() == Some(name))
    };
    let fields: Vec<Parameter> = object
        .properties
        .iter()
        .filter(|(_, schema)| !schemas.says(schema, &["readOnly"]))
        .map(|(name, schema)| body_field(schemas, name, schema, is_required(name)))
        .collect();
    let ty = schemas.value_type(&schema);
    let media = body_media(&content_type);
    // Bytes and lists have no fields, so that none can be made up.
    let has_fields = media != BodyMedia::Bytes && matches!(ty, None | Some(ValueType::Object | ValueType::Any));
    let open = match object.additional {
        _ if !has_fields => false,
        Additional::Yes | Additional::Of(_) => true,
        Additional::No => false,
        // What says nothing takes anything by the letter; taken so, every misspelt field would be sent.
        Additional::Unsaid => object.properties.is_empty(),
    };
    let request = RequestBody {
        media,
        content_type,
        required: body.is_some_and(|body| body.says("required")) || fields.iter().any(|field| field.required),
        base,
        prefixed: !sources.naive,
        open,
        ty,
        files: file_fields(schemas, &object),
        secret: holds_secret(schemas, "", &schema, 0),
    };
    Ok((Some(request), fields))
}

/// The fields that hold files: `format: binary`, or since 3.1 a `contentMediaType` that no encoding makes text of; and
/// lists of such.
fn file_fields(schemas: &Schemas<'_>, object: &ObjectSchema<'_>) -> Vec<String> {
    let is_file = |schema: &Schema<'_>| {
        let says = |key: &str| schemas.facet(schema, key).and_then(Node::text);
        says("format") == Some("binary") || (says("contentMediaType").is_some() && says("contentEncoding").is_none())
    };
    let holds_file = |schema: &Schema<'_>| is_file(schema) || is_file(&schemas.items(schema));
    let fields = object.properties.iter().filter(|(_, schema)| holds_file(schema));
    fields.map(|(name, schema)| body_field(schemas, name, schema, false).name).collect()
}

fn body_field(schemas: &Schemas<'_>, name: &str, schema: &Schema<'_>, required: bool) -> Parameter {
    let alias = schemas.facet(schema, "x-stackQL-alias").and_then(Node::text);
    let mut field = implicit(alias.unwrap_or(name), Location::Body, required);
    name.clone_into(&mut field.wire);
    field.ty = schemas.value_type(schema).unwrap_or(ValueType::Any);
    (field.style, field.explode) = (Style::Form, true);
    field.default = default_of(schemas, schema);
    field.values = schemas.values(schema);
    field.minimum = schemas.facet(schema, "minimum").and_then(Node::f64);
    field.maximum = schemas.facet(schema, "maximum").and_then(Node::f64);
    field.description = one_line(schemas.facet(schema, "description"));
    field.column = schemas.facet(schema, "x-skyql-column").and_then(Node::bool);
    field.secret = holds_secret(schemas, name, schema, 0);
    field.text_only = schemas.says(schema, &["x-stackQL-stringOnly"]);
    field
}

/// Whether a field of a body is a secret, or an object or list that holds one: those are hidden as a whole. Documents seldom
/// say it, so names that tell count as well.
fn holds_secret<'d>(schemas: &Schemas<'d>, name: &str, schema: &Schema<'d>, depth: usize) -> bool {
    const DEEPEST: usize = 6;
    if schemas.facet(schema, "format").and_then(Node::text) == Some("password")
        || schemas.says(schema, &["secret", "x-skyql-secret"])
        || (tells_secret_field(name) && schemas.value_type(schema) != Some(ValueType::Boolean))
    {
        return true;
    }
    if depth >= DEEPEST {
        return false;
    }
    match schemas.value_type(schema) {
        Some(ValueType::Object) => {
            let object = schemas.object(schema);
            object.properties.iter().any(|(name, field)| holds_secret(schemas, name, field, depth + 1))
        }
        Some(ValueType::Array) => holds_secret(schemas, "", &schemas.items(schema), depth + 1),
        _ => false,
    }
}

fn body_media(content_type: &str) -> BodyMedia {
    match essence(content_type).as_str() {
        "application/x-www-form-urlencoded" => BodyMedia::Form,
        "multipart/form-data" => BodyMedia::Multipart,
        bare if is_json(bare) => BodyMedia::Json,
        bare if bare.ends_with("/xml") || bare.ends_with("+xml") => BodyMedia::Xml,
        _ => BodyMedia::Bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::document::Document;

    /// Builds the inputs of `/p`'s `get` in a small document.
    fn of(path: &str, text: &str) -> Result<Inputs> {
        let document = Document::parse(text.as_bytes(), "p.yaml").unwrap();
        let schemas = Schemas::new(&document);
        let (empty, root) = (Node::Null, &document.root);
        inputs(
            &schemas,
            &Sources {
                path,
                verb: "get",
                path_item: root.get("item").unwrap_or(&empty),
                operation: root.get("operation").unwrap_or(&empty),
                method: root.get("method").unwrap_or(&empty),
                server: root.get("server"),
                drop_double_underscore: false,
                naive: false,
            },
        )
    }

    fn summary(inputs: &Inputs) -> Vec<String> {
        let describe = |p: &Parameter| {
            let wire = if p.wire == p.name { String::new() } else { format!("={}", p.wire) };
            format!("{}{wire} {} {}{}", p.name, p.location, p.ty.name(), if p.required { "!" } else { "" })
        };
        inputs.parameters.iter().map(describe).collect()
    }

    #[test]
    fn operation_wins_over_path_item_and_styles_default() {
        let found = of(
            "/a/{id}",
            "item: {parameters: [{name: id, in: path, schema: {type: string}}, {name: q, in: query, schema: {type: string}}]}\n\
             operation: {parameters: [{$ref: '#/shared/q'}, {name: h, in: header, required: true, schema: {type: array, items: {type: string}}},\n\
             \x20 {name: empty, in: query, required: true, allowEmptyValue: true, schema: {oneOf: [{type: string}, {type: integer}]}},\n\
             \x20 {name: f, in: query, style: deepObject, schema: {type: object}}, {name: e, in: query, explode: false, schema: {type: array}},\n\
             \x20 {name: X-Long, in: header, x-stackQL-alias: short, schema: {type: integer, minimum: 1, maximum: 5, default: 2, enum: [1, 2]}},\n\
             \x20 {name: body-less}, {name: lost, in: path, schema: {type: string}}]}\n\
             shared: {q: {name: q, in: query, description: \"two\\nlines\", x-skyql-column: false, schema: {type: integer}}}\n",
        )
        .unwrap();
        assert_eq!(
            summary(&found),
            [
                "id path string!",
                "q query integer",
                "h header array!",
                "empty query string",
                "f query object",
                "e query array",
                "short=X-Long header integer",
            ]
        );
        let styles: Vec<_> = found.parameters.iter().map(|p| (p.style, p.explode)).collect();
        let simple = (Style::Simple, false);
        assert_eq!(
            styles,
            [
                simple,
                (Style::Form, true),
                simple,
                (Style::Form, true),
                (Style::DeepObject, false),
                (Style::Form, false),
                simple
            ]
        );
        assert_eq!((found.parameters[1].description.as_str(), found.parameters[1].column), ("two lines", Some(false)));
        let short = &found.parameters[6];
        assert_eq!((short.minimum, short.maximum, &short.default), (Some(1.0), Some(5.0), &Some(Value::from(2))));
        assert_eq!(short.values, [Value::from(1), Value::from(2)]);
    }

    #[test]
    fn paths_and_parameters_are_made_to_fit() {
        for (path, parameters, expected) in [
            ("/a/{id}", "", &["id path string!"][..]),
            (
                "/a/{group_id}",
                "{name: groupId, in: path, schema: {type: integer}}",
                &["groupId=group_id path integer!"],
            ),
            ("/a?v=1", "{name: v, in: query, required: true}, {name: w, in: query}", &["w query string"]),
            ("/a?b={bucket}", "{name: bucket, in: path, required: true}", &["bucket=b query string!"]),
            ("/a?b={bucket}", "", &["bucket=b query string!"]),
            (
                "/p/{path}",
                "{name: path, in: query}, {name: path, in: path}",
                &["path_query=path query string", "path path string!"],
            ),
        ] {
            let found = of(path, &format!("operation: {{parameters: [{parameters}]}}")).unwrap();
            assert_eq!(summary(&found), expected, "{path}");
        }
    }

    #[test]
    fn overrides_of_the_method() {
        let found = of(
            "/a",
            "operation: {parameters: [{name: type, in: query, schema: {type: string}}]}\n\
             method: {parameters: {type: {column: false, required: true, default: x, description: kind}, X-New: {in: header, schema: {type: integer}}, none: {}}}\n",
        )
        .unwrap();
        assert_eq!(summary(&found), ["type query string!", "X-New header integer"]);
        let first = &found.parameters[0];
        assert_eq!(
            (first.column, &first.default, first.description.as_str()),
            (Some(false), &Some(Value::from("x")), "kind")
        );
    }

    #[test]
    fn overrides_reach_body_fields() {
        let found = of(
            "/a",
            "operation: {parameters: [{name: q, in: query}], requestBody: {content: {application/json: {schema: {properties: {q: {}, region: {type: string}}}}}}}\n\
             method: {parameters: {region: {column: true}, q: {column: false}}}\n",
        )
        .unwrap();
        let columns: Vec<_> = found.parameters.iter().map(|p| (p.name.as_str(), p.location, p.column)).collect();
        let (query, body) = (Location::Query, Location::Body);
        assert_eq!(columns, [("q", query, Some(false)), ("q", body, None), ("region", body, Some(true))]);
    }

    #[test]
    fn server_variables() {
        let found = of(
            "/a",
            "server:\n  url: 'https://{sub:^[a-z]+$}.x.com/{version}/{free}'\n  variables:\n    sub: {default: my-org, x-stackQL-envVar: X_SUB}\n\
             \x20   version: {default: v4, enum: [v4, v4beta], description: which}\n    region: {default: us}\n",
        )
        .unwrap();
        assert_eq!(found.server, "https://{sub}.x.com/{version}/{free}");
        assert_eq!(
            summary(&found),
            ["sub server string!", "version server string!", "free server string!", "region server string"]
        );
        assert_eq!((&found.parameters[0].default, found.parameters[0].env.as_deref()), (&None, Some("X_SUB")));
        assert_eq!((&found.parameters[1].default, found.parameters[1].values.len()), (&Some(Value::from("v4")), 2));
        assert_eq!(of("/a", "server: {url: /v1}").unwrap().server, "");
        assert_eq!(of("/a", "x: 1").unwrap().server, "");
    }

    #[test]
    fn bodies() {
        let found = of(
            "/a/{name}",
            "method: {request: {mediaType: application/json, base: '{\"type\": \"convert\"}', required: [size]}}\n\
             operation:\n  requestBody: {$ref: '#/bodies/one'}\n\
             bodies:\n  one:\n    content:\n      application/json:\n        schema:\n          required: [name, id, type]\n          properties:\n\
             \x20           id: {type: integer, readOnly: true}\n            name: {type: string}\n            type: {type: string}\n            size: {type: integer}\n\
             \x20           tags: {type: array, x-stackQL-stringOnly: true}\n            root_pass: {type: string, format: password}\n            free: {}\n",
        )
        .unwrap();
        assert_eq!(
            summary(&found),
            [
                "name path string!",
                "name body string!",
                "type body string",
                "size body integer!",
                "tags body array",
                "root_pass body string",
                "free body any"
            ]
        );
        let request = found.request.unwrap();
        assert_eq!(
            (request.media, request.required, request.prefixed, request.open),
            (BodyMedia::Json, true, true, false)
        );
        assert_eq!(request.base, Some(serde_json::json!({"type": "convert"})));
        assert!(found.parameters[4].text_only && found.parameters[5].secret);
    }

    #[test]
    fn body_media_and_openness() {
        let body = |media: &str, schema: &str| {
            of("/a", &format!("operation: {{requestBody: {{content: {{'{media}': {{schema: {schema}}}}}}}}}"))
                .unwrap()
                .request
                .unwrap()
        };
        for (media, expected) in [
            ("application/json", BodyMedia::Json),
            ("application/merge-patch+json", BodyMedia::Json),
            ("application/x-www-form-urlencoded", BodyMedia::Form),
            ("multipart/form-data", BodyMedia::Multipart),
            ("text/xml", BodyMedia::Xml),
            ("application/octet-stream", BodyMedia::Bytes),
            ("*/*", BodyMedia::Json),
        ] {
            assert_eq!(body(media, "{}").media, expected, "{media}");
        }
        for (schema, expected) in [
            ("{}", true),
            ("{properties: {a: {}}}", false),
            ("{properties: {a: {}}, additionalProperties: true}", true),
            ("{properties: {a: {}}, additionalProperties: {type: string}}", true),
            ("{additionalProperties: false}", false),
        ] {
            assert_eq!(body("application/json", schema).open, expected, "{schema}");
        }
        assert!(of("/a", "operation: {}").unwrap().request.is_none());
    }

    #[test]
    fn what_cannot_be_resolved_is_an_error() {
        let error = of("/a", "operation: {parameters: [{$ref: '#/none'}]}").err().unwrap();
        assert_eq!(error.context_value("key"), Some("paths./a.get.parameters"));
        assert!(of("/a", "operation: {requestBody: {$ref: '#/none'}}").is_err());
        assert!(of("/a", "method: {request: {base: '{'}}").is_err());
    }
}
