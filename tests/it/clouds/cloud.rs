//! A provider's sandbox, an engine that calls it, and a client that asks it without the engine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use futures::{StreamExt, stream};
use serde_json::Value;
use skyql::clock::SharedClock;
use skyql::provider::{EmbeddedSource, Location, Method, PageKind, Registry, Resource, Service};
use skyql::sandbox::{Sandbox, Serving, serve};
use skyql::{Engine, Env, Error, SandboxOptions};

use crate::support::query::{Db, ImpatientClock};
use crate::support::server::http_client;

/// The providers in the binary.
pub(super) const SHIPPED: [&str; 3] = ["linode", "digitalocean", "lunanode"];

/// How many statements run at the same time.
const AT_ONCE: usize = 8;

/// A resource and where it is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) service: String,
    pub(super) resource: Arc<Resource>,
}

/// Values of a method's parameters, by their names in SQL.
pub(super) type Values = BTreeMap<String, Value>;

/// One provider.
pub(super) struct Cloud {
    pub(super) provider: &'static str,
    pub(super) places: Vec<Place>,
    pub(super) engine: Engine,
    pub(super) sandbox: Arc<Sandbox>,
    serving: Serving,
    http: reqwest::Client,
    /// What raw requests carry.
    token: Option<String>,
    clock: SharedClock,
}

/// Every service of a provider in the binary.
pub(super) fn services(provider: &str) -> Vec<Arc<Service>> {
    // Read once for all tests.
    static REGISTRY: LazyLock<Registry> =
        LazyLock::new(|| Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped()))));
    let known = REGISTRY.provider(provider).unwrap();
    known.services.keys().map(|name| REGISTRY.service(provider, name).unwrap()).collect()
}

/// Every resource of a provider.
pub(super) fn places(services: &[Arc<Service>]) -> Vec<Place> {
    let of = |service: &Arc<Service>| {
        let name = service.name.clone();
        let place = move |resource: &Arc<Resource>| Place { service: name.clone(), resource: Arc::clone(resource) };
        service.resources.values().map(place).collect::<Vec<_>>()
    };
    services.iter().flat_map(of).collect()
}

impl Cloud {
    pub(super) fn start(provider: &'static str) -> Self {
        let clock: SharedClock = Arc::new(ImpatientClock::default());
        let services = services(provider);
        let options = SandboxOptions { seed: 1, ..SandboxOptions::default() };
        let sandbox = Arc::new(Sandbox::new(&services, options, Arc::clone(&clock)).unwrap());
        let serving = serve(Arc::clone(&sandbox), 0).unwrap();
        let places = places(&services);
        let credentials = sandbox.credentials();
        let mut env = credentials.iter().fold(Env::empty(), |env, (name, value)| env.with(name, value.clone()));
        let methods = places.iter().flat_map(|place| place.resource.methods.values());
        for variable in methods.flat_map(|method| &method.parameters).filter_map(|parameter| parameter.env.as_ref()) {
            env = env.with(variable, "cloud.example");
        }
        let builder =
            Engine::builder().env(env).base_url(provider, &serving.origin()).no_journal().clock(Arc::clone(&clock));
        let only = || credentials.values().next().filter(|_| credentials.len() == 1);
        // An agent of DigitalOcean's has a key of its own.
        let token = credentials.get("DIGITALOCEAN_TOKEN").or_else(only).cloned();
        Self { provider, places, engine: builder.build().unwrap(), sandbox, serving, http: http_client(), token, clock }
    }

    /// A session for a few statements.
    pub(super) fn db(&self) -> Db {
        Db::over(&self.engine).set("confirm", "never")
    }

    /// `provider.service.resource`
    pub(super) fn id(&self, place: &Place) -> String {
        format!("{}.{}.{}", self.provider, place.service, place.resource.name)
    }

    /// The path of a call on the wire, written without the engine.
    pub(super) fn path(method: &Method, values: &Values) -> String {
        let (_, behind) = method.server.split_once("://").unwrap();
        let base = behind.split_once('/').map_or("", |(_, path)| path).trim_end_matches('/');
        let mut path = if base.is_empty() { method.path.clone() } else { format!("/{base}{}", method.path) };
        for parameter in &method.parameters {
            let given = values.get(&parameter.name).or(parameter.default.as_ref()).map(text);
            if let (Location::Path | Location::Server, Some(text)) = (parameter.location, given) {
                path = path.replace(&format!("{{{}}}", parameter.wire), &encoded(&text));
            }
        }
        path
    }

    /// What the sandbox answers to a GET, asked without the engine: the page of that number, where there are pages.
    pub(super) async fn raw(&self, method: &Method, values: &Values, page: u64) -> (u16, Value) {
        if self.token.is_none() {
            return self.raw_signed(method, values).await;
        }
        let mut url = format!("{}{}", self.serving.origin(), Self::path(method, values));
        if let PageKind::Page { parameter, .. } = &method.pagination.kind {
            write!(url, "?{}={page}", parameter.key).unwrap();
        }
        let asked = self.http.get(url).bearer_auth(self.token.as_ref().unwrap());
        let answer = asked.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// As `raw`, of an API of signed forms, which answers 200 whatever it means.
    async fn raw_signed(&self, method: &Method, values: &Values) -> (u16, Value) {
        use hmac::{Hmac, KeyInit, Mac};
        let of = |part: &str| self.sandbox.credentials().into_iter().find(|(name, _)| name.ends_with(part)).unwrap().1;
        let (id, key) = (of("_ID"), of("_KEY"));
        let mut fields: serde_json::Map<String, Value> = values
            .iter()
            .filter_map(|(name, value)| Some((method.parameter(name)?.wire.clone(), value.clone())))
            .collect();
        fields.insert("api_id".to_owned(), id.into());
        fields.insert("api_partialkey".to_owned(), key[..64].into());
        let request = Value::Object(fields).to_string();
        let nonce = self.clock.utc().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
        let mut mac = Hmac::<sha2::Sha512>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(format!("{}|{request}|{nonce}", method.path.trim_start_matches('/')).as_bytes());
        let signature = mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        let url = format!("{}{}", self.serving.origin(), Self::path(method, values));
        let form = [("req", request), ("signature", signature), ("nonce", nonce)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let asked = self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer: Value = serde_json::from_str(&asked.send().await.unwrap().text().await.unwrap()).unwrap();
        (if answer["success"] == "yes" { 200 } else { 404 }, answer)
    }

    /// Whether the sandbox was asked this lately.
    pub(super) fn was_asked(&self, http_method: &str, path: &str) -> bool {
        let is_it = |seen: &str| seen.split('?').next() == Some(path);
        self.sandbox.requests().iter().rev().any(|seen| seen.method == http_method && is_it(&seen.path_and_query))
    }
}

/// Does the same for many, some at a time; what is wrong comes back in the order of `items`.
pub(super) async fn each<T, F: Future<Output = Result<(), String>>>(
    items: impl IntoIterator<Item = T>,
    of: impl Fn(T) -> F,
) -> Vec<String> {
    let results: Vec<Result<(), String>> = stream::iter(items.into_iter().map(of)).buffered(AT_ONCE).collect().await;
    results.into_iter().filter_map(Result::err).collect()
}

/// The text of a plain value, JSON of any other.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value as SQL has it.
pub(super) fn sql(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        other => format!("'{}'", text(other).replace('\'', "''")),
    }
}

/// A name as SQL has it, whatever it holds.
pub(super) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// RFC 3986: everything but what is unreserved.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().fold(String::new(), |mut path, byte| {
        if plain(&byte) {
            path.push(char::from(byte));
        } else {
            write!(path, "%{byte:02X}").unwrap();
        }
        path
    })
}

/// An EXEC of a method of the resource called `id`.
pub(super) fn statement(id: &str, method: &Method, values: &Values, mut body: Option<Value>) -> String {
    let mut statement = format!("EXEC {id}.{}", name(&method.name));
    for (key, value) in values {
        let parameter = method.parameters.iter().find(|parameter| parameter.name == *key).unwrap();
        match &mut body {
            Some(Value::Object(fields)) if parameter.location == Location::Body => {
                fields.insert(parameter.wire.clone(), value.clone());
            }
            _ => write!(statement, " @{} = {}", name(key), sql(value)).unwrap(),
        }
    }
    if let Some(body) = body {
        write!(statement, " @@json = {}", sql(&Value::from(body.to_string()))).unwrap();
    }
    statement
}

/// An error in one line.
pub(super) fn line(error: &Error) -> String {
    format!("{error:?}").split_whitespace().collect::<Vec<_>>().join(" ")
}
