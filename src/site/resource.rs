//! What stands on the page of a resource.

use serde::Serialize;

use super::names::Names;
use crate::bind::literal_text;
use crate::provider::{
    Effect, ItemShape, Location, Method, PageKind, Parameter, Provider, RateLimit, Resource, Service,
};
use crate::reference::{self, Extent, Part, Statement};
use crate::sql::Verb;

#[derive(Debug, Serialize)]
pub(super) struct ResourceFacts<'a> {
    name: &'a str,
    /// As SQL takes it.
    id: String,
    description: &'a str,
    verbs: Vec<&'static str>,
    key: Vec<&'a str>,
    pub(super) columns: Vec<ColumnFacts<'a>>,
    methods: Vec<MethodFacts<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ColumnFacts<'a> {
    pub(super) name: &'a str,
    ty: &'static str,
    format: Option<&'a str>,
    description: &'a str,
    values: Vec<String>,
    is_key: bool,
    /// Of a resource that can be written: whether this cannot.
    read_only: bool,
    secret: bool,
    /// The methods that give it, if not all that rows come from do.
    methods: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct MethodFacts<'a> {
    name: &'a str,
    /// Its place on the page.
    anchor: String,
    verb: &'static str,
    description: String,
    aliases: &'a [String],
    http_method: &'a str,
    url: String,
    effect: &'static str,
    /// Further facts: what, and what of it.
    facts: Vec<(&'static str, String)>,
    parameters: Vec<InputFacts<'a>>,
    fields: Vec<InputFacts<'a>>,
    /// Names only, for the overview.
    required: Vec<String>,
    optional: Vec<String>,
    answers: &'static str,
    /// The columns of the answer, where they are not those of the resource.
    returns: Vec<ColumnFacts<'a>>,
    example: Example,
    /// With all that the method takes, if that is more.
    full: Option<Example>,
}

#[derive(Debug, Serialize)]
struct InputFacts<'a> {
    name: String,
    ty: &'static str,
    place: String,
    required: bool,
    default: Option<String>,
    limits: Option<String>,
    values: Vec<String>,
    description: &'a str,
    secret: bool,
    env: Option<&'a str>,
}

/// A statement, piece by piece.
#[derive(Debug, Serialize)]
struct Example {
    parts: Vec<Piece>,
    /// Whether it waits for values.
    is_open: bool,
}

#[derive(Debug, Serialize)]
struct Piece {
    kind: &'static str,
    text: String,
    variable: String,
    ty: &'static str,
}

impl<'a> ResourceFacts<'a> {
    pub(super) fn of(provider: &Provider, service: &Service, resource: &'a Resource) -> Self {
        let id = reference::resource_id(&provider.name, &service.name, &resource.name);
        let key = resource.keys.iter().flat_map(|keys| keys.columns.values().map(String::as_str));
        let selects = resource.methods_of(&resource.verbs.select).count();
        let verbs = &resource.verbs;
        let is_written = [&verbs.insert, &verbs.update, &verbs.replace].iter().any(|methods| !methods.is_empty());
        let columns = reference::fields(resource).into_iter().map(|field| ColumnFacts {
            is_key: field.is_key,
            read_only: field.read_only && is_written,
            methods: if field.methods.len() == selects { Vec::new() } else { field.methods },
            ..ColumnFacts::of(field.column)
        });
        let mut anchors = Names::default();
        let methods = reference::by_verb(resource)
            .into_iter()
            .map(|method| MethodFacts::of(&id, resource, method, &anchors.claim(&method.name)));
        Self {
            name: &resource.name,
            description: &resource.description,
            verbs: reference::verbs(resource),
            key: key.collect(),
            columns: columns.collect(),
            methods: methods.collect(),
            id: id.clone(),
        }
    }
}

impl<'a> ColumnFacts<'a> {
    fn of(column: &'a crate::provider::Column) -> Self {
        Self {
            name: &column.name,
            ty: column.ty.name(),
            format: column.format.as_deref(),
            description: &column.description,
            values: column.values.iter().map(literal_text).collect(),
            is_key: false,
            read_only: false,
            secret: column.secret,
            methods: Vec::new(),
        }
    }
}

impl<'a> MethodFacts<'a> {
    fn of(id: &str, resource: &Resource, method: &'a Method, anchor: &str) -> Self {
        let verb = resource.verb_of(&method.name);
        let (fields, parameters): (Vec<&Parameter>, Vec<&Parameter>) =
            reference::inputs(method).into_iter().partition(|input| input.location == Location::Body);
        let all = || parameters.iter().chain(&fields);
        let names = |needed: bool| {
            let inputs = all().filter(|input| reference::is_needed(input) == needed);
            inputs.map(|input| name(method, verb, input)).collect()
        };
        let example = |extent| Example::of(&statement(id, resource, method, verb, extent));
        let (short, full) = (example(Extent::Required), example(Extent::All));
        let returns = if verb == "SELECT" { &[][..] } else { &method.response.columns };
        Self {
            name: &method.name,
            anchor: format!("method-{anchor}"),
            verb,
            description: reference::doing(resource, method),
            aliases: &method.aliases,
            http_method: &method.http_method,
            url: method.url_template(),
            effect: match method.effect {
                Effect::Read => "reads",
                Effect::Write => "changes",
                Effect::Delete => "removes",
            },
            facts: facts(method),
            required: names(true),
            optional: names(false),
            parameters: parameters.iter().map(|input| InputFacts::of(method, verb, input)).collect(),
            fields: fields.iter().map(|input| InputFacts::of(method, verb, input)).collect(),
            answers: reference::shape(method.response.items),
            returns: returns.iter().map(ColumnFacts::of).collect(),
            full: (full.parts.len() != short.parts.len()).then_some(full),
            example: short,
        }
    }
}

/// The statement that a method is for.
fn statement(id: &str, resource: &Resource, method: &Method, verb: &str, extent: Extent) -> Statement {
    let verb = match verb {
        "SELECT" => return reference::select(id, resource, method, extent),
        "INSERT" => Verb::Insert,
        "UPDATE" => Verb::Update,
        "REPLACE" => Verb::Replace,
        "DELETE" => Verb::Delete,
        _ => Verb::Exec,
    };
    reference::statement(id, resource, method, verb, reference::inputs_of(resource, method, verb, extent))
}

/// How a statement of the verb spells an input: a table's columns have no prefix.
fn name(method: &Method, verb: &str, input: &Parameter) -> String {
    if verb == "SELECT" { input.name.clone() } else { reference::input_name(method, input) }
}

fn facts(method: &Method) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if matches!(method.response.items, ItemShape::List | ItemShape::Map | ItemShape::Scalar)
        && method.effect == Effect::Read
    {
        facts.push(("Pages", pages(&method.pagination.kind).to_owned()));
    }
    if let Some(request) = &method.request {
        let further = if request.open { ", also with fields that are not listed" } else { "" };
        facts.push(("Body", format!("{}{further}", request.content_type)));
    }
    if method.waiting.is_some() {
        facts.push(("Waiting", "with the hint AWAIT, until what it starts has come to its end".to_owned()));
    }
    if method.upload.is_some() {
        facts.push(("File", "FROM 'file' sends it to the place that the answer names".to_owned()));
    }
    if method.response.items == ItemShape::Binary {
        facts.push(("File", "INTO 'file' keeps what is answered".to_owned()));
    }
    facts.extend(method.rate_limit.as_ref().and_then(rate).map(|rate| ("Limit", rate)));
    facts
}

fn pages(kind: &PageKind) -> &'static str {
    match kind {
        PageKind::Single => "none: one answer is everything",
        PageKind::Unknown => "not known: nothing says that one answer is everything",
        PageKind::Page { .. } => "by number",
        PageKind::Offset { .. } => "by offset",
        PageKind::Cursor { .. } => "by a token from the page before",
        PageKind::NextUrl { .. } => "by the next page's address in the answer",
        PageKind::LinkHeader => "by the header Link",
    }
}

fn rate(limit: &RateLimit) -> Option<String> {
    let per = match limit.per_seconds? {
        1.0 => "a second".to_owned(),
        60.0 => "a minute".to_owned(),
        3600.0 => "an hour".to_owned(),
        86400.0 => "a day".to_owned(),
        seconds => format!("in {seconds} seconds"),
    };
    Some(format!("{} requests {per}", limit.requests?))
}

impl<'a> InputFacts<'a> {
    fn of(method: &Method, verb: &str, input: &'a Parameter) -> Self {
        Self {
            name: name(method, verb, input),
            ty: input.ty.name(),
            place: input.location.to_string(),
            required: reference::is_needed(input),
            default: reference::shown_default(input),
            limits: reference::limits(input),
            values: input.values.iter().map(literal_text).collect(),
            description: &input.description,
            secret: input.secret,
            env: input.env.as_deref(),
        }
    }
}

impl Example {
    fn of(statement: &Statement) -> Self {
        let piece = |kind, text: &str, variable: &str, ty| {
            let (text, variable) = (text.to_owned(), variable.to_owned());
            Piece { kind, text, variable, ty }
        };
        let parts = statement.parts.iter().map(|part| match part {
            Part::Sql(text) => piece("sql", text, "", ""),
            Part::Value { variable, ty } => piece("value", &part.template(), variable, ty.name()),
            Part::Note(_) => piece("note", &part.template(), "", ""),
        });
        let is_open = statement.parts.iter().any(|part| matches!(part, Part::Value { .. }));
        Self { parts: parts.collect(), is_open }
    }
}
