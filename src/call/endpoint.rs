//! Where a provider's API is, and which credential its calls get.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::bind::literal_text;
use crate::config::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{
    AuthScheme, Authorizer, BasicCredential, Grant, HmacSigning, KeyLocation, PlaceLocation, PlacedKey, PlacedValue,
    Secret, SignatureEncoding, SignatureHash, Url, is_loopback, origin, origin_of_text,
};
use crate::provider::{self, Auth, BasicVariables, ClientCredentials, Location, Method};

/// What a user may say about where providers are and how to reach them.
#[derive(Debug, Clone, Default)]
pub struct EndpointOptions {
    /// Per provider, the URL in place of the document's servers.
    pub base_urls: BTreeMap<String, String>,
    /// Per provider, origins to which a document on disk may send the credential.
    pub allowed_origins: BTreeMap<String, Vec<String>>,
    /// Per provider, the variables to read in place of those the documents name.
    pub variables: BTreeMap<String, BTreeMap<String, String>>,
}

/// Resolves servers and credentials.
#[derive(Debug, Clone)]
pub struct Endpoints {
    env: Env,
    /// Whether calls get no credential, as nothing is sent.
    unsigned: bool,
    base_urls: BTreeMap<String, Url>,
    allowed_origins: BTreeMap<String, Vec<String>>,
    variables: BTreeMap<String, BTreeMap<String, String>>,
}

impl Endpoints {
    /// Endpoints with the user's options; credentials are read from `env` when a call needs them.
    ///
    /// # Errors
    /// `InvalidArgument` for a base URL that is not one, or that is plain HTTP to a host that is not loopback.
    pub fn new(env: Env, options: EndpointOptions) -> Result<Self> {
        let mut base_urls = BTreeMap::new();
        for (provider, text) in options.base_urls {
            base_urls.insert(provider.to_lowercase(), parse_base_url(&provider, &text)?);
        }
        let lower = |map: BTreeMap<String, Vec<String>>| map.into_iter().map(|(k, v)| (k.to_lowercase(), v)).collect();
        Ok(Self {
            env,
            unsigned: false,
            base_urls,
            allowed_origins: lower(options.allowed_origins),
            variables: options.variables.into_iter().map(|(k, v)| (k.to_lowercase(), v)).collect(),
        })
    }

    /// The same for requests that are built and not sent: they need no credential and nothing of the environment.
    #[must_use]
    pub fn unsigned(&self) -> Self {
        Self { unsigned: true, ..self.clone() }
    }

    /// The server's URL for one call: the document's with its variables filled in, and the one actually used, which
    /// differs under a base URL.
    ///
    /// # Errors
    /// `Provider` when the document's server is missing or not absolute, `InvalidArgument` for a variable's value that
    /// cannot stand in a URL.
    pub(super) fn server(
        &self,
        provider: &str,
        method: &Method,
        arguments: &BTreeMap<String, Value>,
    ) -> Result<Server> {
        let mut text = method.server.clone();
        // The same with what came from the environment left out.
        let mut shown = text.clone();
        let host_end = text.find("://").map_or(0, |at| at + 3);
        for parameter in method.parameters.iter().filter(|p| p.location == Location::Server) {
            let placeholder = format!("{{{}}}", parameter.wire);
            let Some(at) = text.find(&placeholder) else { continue };
            let value = self.server_variable(provider, parameter, arguments)?;
            let in_host = !text[host_end.min(at)..at].contains('/');
            let allowed = |c: char| {
                c.is_ascii_alphanumeric() || "-._".contains(c) || in_host && ":[]".contains(c) || !in_host && c == '/'
            };
            let scheme = at == 0;
            let is_default = parameter.default.as_ref().is_some_and(|default| literal_text(default) == value);
            // What came from the environment stays there.
            let given = is_default || arguments.contains_key(&parameter.name);
            if value.is_empty()
                || !value.chars().all(allowed)
                || value.split('/').any(|part| part == "." || part == "..")
                || scheme && value.contains('/')
            {
                let what = if given { format!("`{value}`") } else { "what the environment gives".to_owned() };
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("`{}` cannot be {what}: it is a part of the API's address", parameter.name),
                ));
            }
            text = text.replace(&placeholder, &value);
            if given {
                shown = shown.replace(&placeholder, &value);
            }
        }
        let declared = Url::parse(&text).map_err(|_| {
            Error::new(ErrorKind::Provider, format!("the server of `{}` is not an absolute URL", method.name))
                .with("server", if method.server.is_empty() { "(none)".to_owned() } else { method.server.clone() })
                .hint(format!("give one with `--base-url {provider}=https://…`"))
        });
        match self.base_urls.get(&provider.to_lowercase()) {
            None => {
                let declared = declared?;
                let authority =
                    shown.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
                let hidden = authority.contains('{').then(|| authority.to_owned());
                Ok(Server { used: declared.clone(), declared: Some(declared), hidden })
            }
            Some(base) => {
                let declared = declared.ok();
                let mut used = base.clone();
                if base.path() == "/"
                    && let Some(declared) = &declared
                {
                    used.set_path(declared.path());
                }
                Ok(Server { used, declared, hidden: None })
            }
        }
    }

    fn server_variable(
        &self,
        provider: &str,
        parameter: &provider::Parameter,
        arguments: &BTreeMap<String, Value>,
    ) -> Result<String> {
        if let Some(value) = arguments.get(&parameter.name) {
            return Ok(literal_text(value));
        }
        if let Some(variable) = &parameter.env
            && let Some((value, _)) = self.variable(provider, variable)
        {
            return Ok(value);
        }
        if self.unsigned && parameter.env.is_some() {
            return Ok(parameter.default.as_ref().map_or_else(|| "unsigned".to_owned(), literal_text));
        }
        parameter.default.as_ref().map(literal_text).ok_or_else(|| {
            let error = Error::new(ErrorKind::MissingParameter, format!("`{}` has no value", parameter.name));
            match &parameter.env {
                Some(variable) => {
                    error.hint(format!("set the environment variable `{variable}`, or give `{} = …`", parameter.name))
                }
                None => error.hint(format!("give `{} = …` in WHERE", parameter.name)),
            }
        })
    }

    /// The value of the variable that the document calls `name`, and the variable it was really read from.
    fn variable(&self, provider: &str, name: &str) -> Option<(String, String)> {
        let actual = self.variable_name(provider, name);
        self.env.get(&actual).map(|value| (value, actual))
    }

    /// The variable that the user wants read where the document says `name`.
    fn variable_name(&self, provider: &str, name: &str) -> String {
        let names = self.variables.get(&provider.to_lowercase());
        names.and_then(|names| names.get(name)).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn required(&self, provider: &str, name: &str) -> Result<Secret> {
        if let Some((value, actual)) = self.variable(provider, name) {
            return Ok(Secret::new(actual, value));
        }
        let actual = self.variable_name(provider, name);
        Err(Error::new(ErrorKind::Auth, format!("`{provider}` needs a credential, but `{actual}` is not set"))
            .hint(format!("`export {actual}=…`, or try the sandbox with `--sandbox`")))
    }

    /// The authorizer of a method's calls; `None` when they need none (or can do without, and there is none).
    ///
    /// `restricted` lists the origins that a provider document on disk may use when it takes the place of a shipped one. It
    /// may use no others, whatever the call's own credential is: a document has more ways to put a value of the environment
    /// into a request.
    ///
    /// # Errors
    /// `Auth` when a variable is not set, and for a server that is not allowed; `Unsupported` when the document asks for a
    /// kind of auth that is not there.
    pub(super) fn authorizer(
        &self,
        provider: &str,
        auth: &Auth,
        server: &Server,
        restricted: Option<&[String]>,
    ) -> Result<Option<Arc<Authorizer>>> {
        if self.unsigned {
            return Ok(None);
        }
        self.check_place(provider, auth, server, restricted)?;
        let scheme = match auth {
            Auth::None => return Ok(None),
            Auth::Bearer { variable, prefix, optional } => match self.required(provider, variable) {
                Ok(token) => AuthScheme::Bearer { prefix: prefix.clone(), token },
                Err(_) if *optional => return Ok(None),
                Err(error) => return Err(error),
            },
            Auth::Basic { variables, prefix } => {
                let credential = match variables {
                    BasicVariables::Pair { user, password } => BasicCredential::Pair {
                        user: self.required(provider, user)?,
                        password: self.required(provider, password)?,
                    },
                    BasicVariables::Encoded { variable } => {
                        BasicCredential::Encoded(self.required(provider, variable)?)
                    }
                };
                AuthScheme::Basic { prefix: prefix.clone(), credential }
            }
            Auth::ApiKey { keys } => {
                let placed = keys.iter().map(|key| {
                    Ok(PlacedKey {
                        location: match key.location {
                            Location::Query => KeyLocation::Query,
                            _ => KeyLocation::Header,
                        },
                        name: key.name.clone(),
                        prefix: key.prefix.clone(),
                        key: self.required(provider, &key.variable)?,
                    })
                });
                AuthScheme::Keys(placed.collect::<Result<_>>()?)
            }
            Auth::Hmac(hmac) => AuthScheme::Hmac(Box::new(HmacSigning {
                id: self.required(provider, &hmac.id_variable)?,
                key: self.required(provider, &hmac.key_variable)?,
                hash: match hmac.hash {
                    provider::HmacHash::Sha256 => SignatureHash::Sha256,
                    provider::HmacHash::Sha512 => SignatureHash::Sha512,
                },
                encoding: match hmac.encoding {
                    provider::SignatureEncoding::Hex => SignatureEncoding::Hex,
                    provider::SignatureEncoding::Base64 => SignatureEncoding::Base64,
                },
                message: hmac.message.clone(),
                envelope: hmac.envelope.clone(),
                place: hmac
                    .place
                    .iter()
                    .map(|placed| PlacedValue {
                        location: match placed.location {
                            Location::Query => PlaceLocation::Query,
                            Location::Body => PlaceLocation::Body,
                            _ => PlaceLocation::Header,
                        },
                        name: placed.name.clone(),
                        value: placed.value.clone(),
                    })
                    .collect(),
            })),
            Auth::ClientCredentials(client) => {
                AuthScheme::Grant(Box::new(self.grant(provider, client, server, restricted)?))
            }
            Auth::Unsupported { kind } => {
                return Err(Error::new(ErrorKind::Unsupported, format!("auth of type `{kind}` is not supported"))
                    .with("provider", provider));
            }
        };
        let origins = self.allowed(provider, server, restricted);
        Ok(Some(Arc::new(Authorizer::new(scheme, origins)?)))
    }
}

impl Endpoints {
    /// Refuses a server to which the calls of a document that takes a shipped one's place may not go.
    ///
    /// # Errors
    /// `Auth`, with the origins that are allowed.
    pub(super) fn check_place(
        &self,
        provider: &str,
        auth: &Auth,
        server: &Server,
        restricted: Option<&[String]>,
    ) -> Result<()> {
        let origins = self.allowed(provider, server, restricted);
        if restricted.is_none() || origins.contains(&origin(&server.used)) {
            return Ok(());
        }
        Err(not_allowed(provider, auth, server, &origins))
    }

    /// The origins that calls may go to with a credential.
    fn allowed(&self, provider: &str, server: &Server, restricted: Option<&[String]>) -> Vec<String> {
        let mut origins: Vec<String> = match restricted {
            Some(origins) => origins.to_vec(),
            None => server.declared.iter().map(origin).collect(),
        };
        if self.base_urls.contains_key(&provider.to_lowercase()) {
            origins.push(origin(&server.used));
        }
        let more = self.allowed_origins.get(&provider.to_lowercase()).into_iter().flatten();
        origins.extend(more.filter_map(|text| origin_of_text(text)));
        origins
    }

    /// Where a client gets its tokens. On an API of this machine, such as a sandbox, that is the same path there.
    fn grant(
        &self,
        provider: &str,
        client: &ClientCredentials,
        server: &Server,
        restricted: Option<&[String]>,
    ) -> Result<Grant> {
        let text = self.filled(provider, &client.token_url)?;
        let template = without_user(&client.token_url);
        let mut url = Url::parse(&text).map_err(|_| {
            Error::new(ErrorKind::Provider, format!("the token URL of `{provider}` is not an absolute URL"))
                .with("token_url", template.clone())
        })?;
        let mut shown = template.clone();
        if let Some(base) = self.base_urls.get(&provider.to_lowercase()).filter(|base| is_loopback(base)) {
            let mut mapped = base.clone();
            mapped.set_path(url.path());
            mapped.set_query(url.query());
            let path =
                template.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
            shown = format!("{}/{path}", origin(&mapped));
            url = mapped;
        }
        let place = origin(&url);
        if let Some(origins) = restricted.filter(|_| place != origin(&server.used)) {
            let allowed = self.allowed_origins.get(&provider.to_lowercase()).into_iter().flatten();
            let allowed = allowed.filter_map(|text| origin_of_text(text));
            if !origins.iter().cloned().chain(allowed).any(|origin| origin == place) {
                return Err(Error::new(
                    ErrorKind::Auth,
                    format!(
                        "the credential of `{provider}` may not go to `{place}`, which this document says gives tokens"
                    ),
                )
                .hint(format!("{TAKES_PLACE}, and `--allow-origin {provider}={place}` would allow it")));
            }
        }
        Ok(Grant {
            id: self.required(provider, &client.id_variable)?,
            secret: self.required(provider, &client.secret_variable)?,
            url,
            shown,
            scope: client.scopes.join(" "),
        })
    }

    /// A text with `{{ .__env__NAME }}` filled in, as the public registry writes variables of the environment.
    fn filled(&self, provider: &str, text: &str) -> Result<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, (name, after))) =
            rest.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
        {
            let name = name.trim().trim_start_matches(".__env__");
            filled.push_str(before);
            filled.push_str(self.required(provider, name)?.expose());
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// Why a document may not use any server it likes.
const TAKES_PLACE: &str = "this document takes the shipped one's place";

/// The error of a server to which calls of such a document may not go.
fn not_allowed(provider: &str, auth: &Auth, server: &Server, allowed: &[String]) -> Error {
    let named: Vec<String> = auth.variables().iter().map(|name| format!("`{name}`")).collect();
    let what = if named.is_empty() {
        format!("a call of `{provider}`")
    } else {
        format!("the credential in {}", named.join(", "))
    };
    let (place, example) = match &server.hidden {
        Some(authority) => (authority.clone(), "https://…".to_owned()),
        None => (origin(&server.used), origin(&server.used)),
    };
    let allowed: Vec<String> = allowed.iter().map(|origin| format!("`{origin}`")).collect();
    let may = if allowed.is_empty() {
        "it may go nowhere".to_owned()
    } else {
        format!("it may go to {}", allowed.join(", "))
    };
    Error::new(ErrorKind::Auth, format!("{what} may not go to `{place}`"))
        .hint(format!("{may}; {TAKES_PLACE}, and `--allow-origin {provider}={example}` would let it go there"))
}

/// A server's URL as the document gives it, and as it is used.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// What requests go to.
    pub(super) used: Url,
    /// What the document says; absent when it says nothing usable and a base URL takes its place.
    pub(super) declared: Option<Url>,
    /// The host as the document writes it, where a value of the environment stands in it: that is not shown.
    pub(super) hidden: Option<String>,
}

impl Server {
    /// Maps a link of an answer onto where requests go, refusing every other origin. Query parameters with the names of
    /// `secret` are left out: the credential is added when the request is sent, and is shown nowhere before.
    pub(super) fn follow(&self, current: &Url, link: &str, secret: &[&str]) -> Result<Url> {
        let refused = |why: String| {
            Error::new(ErrorKind::Api, format!("the API's link to the next page was not followed: {why}"))
                .hint("no request went there; the provider document or the API must be fixed")
        };
        let mut url = current.join(link).map_err(|_| refused("it is not a URL".to_owned()))?;
        if let Some(declared) = &self.declared
            && url.origin() == declared.origin()
            && declared.origin() != self.used.origin()
        {
            let mut mapped = self.used.clone();
            let path = if self.used.path() == declared.path() {
                url.path().to_owned()
            } else {
                // The base URL replaced the document's path: replace it in the link as well.
                let rest = url.path().strip_prefix(declared.path().trim_end_matches('/')).unwrap_or(url.path());
                format!("{}{rest}", self.used.path().trim_end_matches('/'))
            };
            mapped.set_path(&path);
            mapped.set_query(url.query());
            url = mapped;
        }
        if url.origin() != self.used.origin() {
            return Err(refused(format!("it leads to another origin, `{}`", url.origin().ascii_serialization())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it holds a user name".to_owned()));
        }
        url.set_fragment(None);
        let is_secret = |name: &str| secret.contains(&name);
        if url.query_pairs().any(|(name, _)| is_secret(&name)) {
            let kept = url.query_pairs().into_owned().filter(|(name, _)| !is_secret(name));
            let kept: Vec<(String, String)> = kept.collect();
            url.query_pairs_mut().clear().extend_pairs(&kept);
            if kept.is_empty() {
                url.set_query(None);
            }
        }
        Ok(url)
    }
}

/// The text of a URL without what stands before an `@`, which may be a password.
pub(super) fn without_user(text: &str) -> String {
    text.split_once("://").map_or_else(
        || text.to_owned(),
        |(scheme, rest)| format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
    )
}

fn parse_base_url(provider: &str, text: &str) -> Result<Url> {
    // What stands behind a `?` or `#` may be a secret as well.
    let text_shown = without_user(text.split(['?', '#']).next().unwrap_or_default());
    let wrong = |why: &str| {
        Error::new(ErrorKind::InvalidArgument, format!("`{text_shown}` cannot be the base URL of `{provider}`: {why}"))
            .hint("give an origin or a URL, such as `https://api.example.com` or `http://127.0.0.1:4011`")
    };
    let url = Url::parse(text).map_err(|_| wrong("it is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("it is not an http or https URL"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("it must not hold a query, a fragment or a user name"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(wrong("plain HTTP is for this machine only"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(used: &str, declared: &str) -> Server {
        Server { used: Url::parse(used).unwrap(), declared: Some(Url::parse(declared).unwrap()), hidden: None }
    }

    #[test]
    fn links_stay_on_the_origin() {
        let at = server("https://api.example.com/v2", "https://api.example.com/v2");
        let current = Url::parse("https://api.example.com/v2/items?page=1").unwrap();
        assert_eq!(
            at.follow(&current, "/v2/items?page=2", &[]).unwrap().as_str(),
            "https://api.example.com/v2/items?page=2"
        );
        for bad in [
            "https://evil.example/v2/items?page=2",
            "http://api.example.com/v2/items",
            "//evil.example/",
            "https://api.example.com:8443/",
        ] {
            assert_eq!(at.follow(&current, bad, &[]).unwrap_err().kind(), ErrorKind::Api, "{bad}");
        }
    }

    #[test]
    fn a_link_keeps_no_credential() {
        let at = server("https://api.example.com/v2", "https://api.example.com/v2");
        let current = Url::parse("https://api.example.com/v2/items").unwrap();
        for (link, followed) in [
            ("/v2/items?key=hush&cursor=a%20b", "https://api.example.com/v2/items?cursor=a+b"),
            ("/v2/items?key=hush", "https://api.example.com/v2/items"),
            ("/v2/items?cursor=a%20b", "https://api.example.com/v2/items?cursor=a%20b"),
        ] {
            assert_eq!(at.follow(&current, link, &["key"]).unwrap().as_str(), followed);
        }
    }

    #[test]
    fn links_to_the_documents_origin_are_mapped_under_a_base_url() {
        let at = server("http://127.0.0.1:4011/v2", "https://api.example.com/v2");
        let current = Url::parse("http://127.0.0.1:4011/v2/items").unwrap();
        let next = at.follow(&current, "https://api.example.com/v2/items?page=2", &[]).unwrap();
        assert_eq!(next.as_str(), "http://127.0.0.1:4011/v2/items?page=2");
        let moved = server("http://127.0.0.1:4011/mock", "https://api.example.com/v2");
        let next = moved.follow(&current, "https://api.example.com/v2/items?page=2", &[]).unwrap();
        assert_eq!(next.as_str(), "http://127.0.0.1:4011/mock/items?page=2");
    }

    #[test]
    fn base_urls_are_checked() {
        for bad in ["nonsense", "ftp://x", "http://example.com", "https://u@example.com", "https://example.com?x=1"] {
            assert_eq!(parse_base_url("p", bad).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
        for telling in ["http://127.0.0.1:1/?t=hush", "https://me:hush@example.com", "https://a.example/#hush"] {
            let error = parse_base_url("p", telling).unwrap_err();
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
        assert!(parse_base_url("p", "http://127.0.0.1:4011").is_ok());
        assert!(parse_base_url("p", "https://example.com/v4").is_ok());
    }
}
