//! What calls are called in a record: the Call, the page, and what is asked of the page.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::endpoint::Server;
use super::read::ReadContext;
use super::request;
use crate::error::Result;
use crate::http::{Authorizer, Label, Request, Scrubber, Url};
use crate::provider::{Call, Location, Method, PageKind, TokenPlace, TokenSource, tells_secret_field};

/// One request of a call.
pub(super) struct Asked<'a> {
    pub(super) call: &'a Call,
    /// From 1.
    pub(super) page: u64,
    /// The paging values in it.
    pub(super) values: &'a [(TokenPlace, Value)],
    /// The link that it follows.
    pub(super) link: Option<&'a Url>,
    pub(super) server: &'a Server,
}

impl ReadContext {
    /// Where a call goes: under a replay where it went when it was recorded, as links of its answers lead there.
    pub(super) fn server(&self, provider: &str, method: &Method, call: &Call) -> Result<Server> {
        let server = self.endpoints.server(provider, method, &call.arguments)?;
        let Some(tape) = self.client.tape().filter(|tape| tape.is_replay()) else { return Ok(server) };
        let facts = tape.facts(&key_of(method, call, &scrubber(method, call)));
        let url = |name: &str| facts?.get(name)?.as_str().and_then(|text| Url::parse(text).ok());
        Ok(match url("server") {
            Some(used) => Server { used, declared: url("declared"), hidden: None },
            None => server,
        })
    }

    /// Whether what a call does with a file is left undone, as a replay sends nothing; a record that is written lacks it,
    /// and the report says so.
    pub(super) fn is_beyond_record(&self, method: &Method, said: &str) -> bool {
        let Some(tape) = self.client.tape() else { return false };
        self.report.warn("record", method.name.as_str(), format!("`{}`: {said}", method.name));
        tape.is_replay()
    }

    /// The label of one request, where a record is kept.
    pub(super) fn label(
        &self,
        method: &Method,
        asked: &Asked<'_>,
        request: &Request,
        authorizer: Option<&Arc<Authorizer>>,
    ) -> Option<Arc<Label>> {
        self.client.tape()?;
        let Asked { call, page, values, link, server } = asked;
        let scrubber = scrubber(method, call).with_authorizer(authorizer.cloned());
        let mut paging: Map<String, Value> = values
            .iter()
            .map(|(place, value)| (place.key.clone(), Value::from(scrubber.text(&crate::bind::literal_text(value)))))
            .collect();
        if let Some(link) = link {
            let query = link.query().map_or(String::new(), |query| format!("?{query}"));
            paging.insert("link".to_owned(), Value::from(scrubber.text(&format!("{}{query}", link.path()))));
        }
        let name = format!("{}.{}.{} by `{}`", call.provider, call.service, call.resource, call.method);
        let name = if *page > 1 { format!("{name}, page {page}") } else { name };
        let mut facts = json!({ "server": server.used.as_str() });
        if let Some(declared) = server.declared.as_ref().filter(|declared| **declared != server.used) {
            facts["declared"] = Value::from(declared.as_str());
        }
        Some(Arc::new(Label {
            call: key_of(method, call, &scrubber),
            part: json!({ "page": page, "paging": paging }),
            facts,
            name,
            request: scrubber.text(&shown(method, asked, request, &scrubber)),
            scrubber,
        }))
    }
}

/// The Call without its secrets, and without the key that is made anew for each. What files it sends is known by their
/// names, lengths and digests, wherever they are.
fn key_of(method: &Method, call: &Call, scrubber: &Scrubber) -> Value {
    let mut call = call.clone();
    if let Some(key) = &method.idempotency_key {
        key.take(&mut call);
    }
    for file in &mut call.files {
        file.path = file.name().to_owned();
    }
    let mut key = serde_json::to_value(&call).unwrap_or_default();
    for part in ["arguments", "body", "content"] {
        if let Some(values) = key.get_mut(part) {
            scrubber.value(values);
        }
    }
    key
}

/// What is secret in a call of a method and its answers.
fn scrubber(method: &Method, call: &Call) -> Scrubber {
    let parameters = method.parameters.iter().filter(|parameter| parameter.secret);
    let columns = method.response.columns.iter().filter(|column| column.secret);
    let names = parameters.clone().flat_map(|parameter| [parameter.name.clone(), parameter.wire.clone()]);
    // Whoever has the URL of an upload may use it.
    let upload = method.upload.iter().map(|step| last_member(&step.url).to_owned());
    let names = names.chain(columns.map(|column| column.name.clone())).chain(upload);
    let mut scrubber = Scrubber::new(names).with_telling(tells_secret_field);
    for parameter in parameters {
        let given = if parameter.location == Location::Body { &call.body } else { &call.arguments };
        if let Some(text) = given.get(&parameter.name).and_then(Value::as_str) {
            scrubber = scrubber.with_text(text);
        }
    }
    match &method.pagination.kind {
        PageKind::Cursor { from: TokenSource::Header(name), .. } => scrubber.with_header(name),
        PageKind::Cursor { from: TokenSource::Body(path), .. } | PageKind::NextUrl { path } => {
            scrubber.with_plain(last_member(path))
        }
        _ => scrubber,
    }
}

/// The last name in a path.
fn last_member(path: &str) -> &str {
    path.rsplit(['.', '[', ']', '\'', '"']).find(|part| !part.is_empty()).unwrap_or(path)
}

/// The request for people.
fn shown(method: &Method, asked: &Asked<'_>, request: &Request, scrubber: &Scrubber) -> String {
    if asked.link.is_some() {
        return format!("{} {}", request.method, request.url);
    }
    let mut call = asked.call.clone();
    let hidden = call.arguments.iter_mut().chain(&mut call.body).filter(|(name, _)| scrubber.is_secret(name));
    hidden.for_each(|(_, value)| *value = Value::from("***"));
    let built = request::build(method, &call, asked.server, asked.values, request.timeout);
    // A value that three stars cannot stand for: the path alone is no secret's place.
    let url = built.map_or_else(|_| request::shown_url(&request.url), |request| request.url.to_string());
    format!("{} {url}", request.method)
}
