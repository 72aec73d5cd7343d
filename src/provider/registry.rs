//! What there is: the providers of all sources, their services, their resources.
//!
//! *Owns*: which source supplies a provider, loading each document at most once, names and their nearest.
//! *Does not own*: reading files (`source`), what documents mean (`load`).
//! *Invariants*: a document is parsed only when something of it is asked for, and once; a failure is remembered and
//! concerns nothing else. Everything blocks: call it off the async threads.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::digests::{DigestStore, load_digest, save_digest};
use super::document::{Document, Node};
use super::kept::KeptService;
use super::load::{load_provider, load_service};
use super::model::{Location, Method, Provider, Resource, Service, ServiceEntry};
use super::source::DocumentSource;
use crate::error::{Error, ErrorKind, Result, did_you_mean, fold_name};

/// The providers of several sources.
pub struct Registry {
    sources: Vec<Arc<dyn DocumentSource>>,
    /// The index of the source that is shipped, which is the last.
    shipped: Option<usize>,
    listing: OnceLock<Listing>,
    digests: Option<Arc<dyn DigestStore>>,
}

struct Listing {
    candidates: Vec<Candidate>,
    failures: Vec<Error>,
}

/// One `provider.yaml`, read when needed.
struct Candidate {
    source: usize,
    path: String,
    /// The provider's directory.
    directory: String,
    name: OnceLock<String>,
    loaded: OnceLock<Result<Loaded>>,
    origins: OnceLock<Vec<String>>,
}

struct Loaded {
    provider: Arc<Provider>,
    /// The text of its document, on which its services depend.
    text: OnceLock<Result<Vec<u8>>>,
    /// Parsed when a service is, whose document says the rest.
    document: OnceLock<Result<Document>>,
    services: HashMap<String, Known>,
}

/// What is known of a service.
#[derive(Default)]
struct Known {
    /// Its digest, where there is one.
    kept: OnceLock<Option<KeptService>>,
    /// The resources that were read of it one by one.
    resources: Mutex<HashMap<String, Arc<Resource>>>,
    whole: OnceLock<Result<Arc<Service>>>,
}

impl Known {
    /// One resource of the digest.
    fn resource(&self, kept: &KeptService, name: &str) -> Option<Arc<Resource>> {
        let mut read = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(name) {
            return Some(Arc::clone(known));
        }
        let resource = Arc::new(kept.resource(name)?);
        read.insert(name.to_owned(), Arc::clone(&resource));
        Some(resource)
    }
}

impl Loaded {
    fn new(provider: Provider) -> Self {
        let services = provider.services.keys().map(|name| (name.clone(), Known::default())).collect();
        Self { provider: Arc::new(provider), text: OnceLock::new(), document: OnceLock::new(), services }
    }

    fn text(&self, source: &dyn DocumentSource, candidate: &Candidate) -> Result<&[u8]> {
        self.text.get_or_init(|| source.read(&candidate.path)).as_deref().map_err(Clone::clone)
    }

    fn document(&self, source: &dyn DocumentSource, candidate: &Candidate) -> Result<&Document> {
        let parse = || Document::parse(self.text(source, candidate)?, &source.display_path(&candidate.path));
        self.document.get_or_init(parse).as_ref().map_err(Clone::clone)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl Registry {
    /// The providers of `sources`, the earlier of which win, and of `shipped`, which yields to them all.
    pub fn new(sources: Vec<Arc<dyn DocumentSource>>, shipped: Option<Arc<dyn DocumentSource>>) -> Self {
        let at = shipped.is_some().then_some(sources.len());
        let sources = sources.into_iter().chain(shipped).collect();
        Self { sources, shipped: at, listing: OnceLock::new(), digests: None }
    }

    /// Keeps the digests of services in `store`, and takes them from there where the documents are the same.
    #[must_use]
    pub fn with_digests(self, store: Arc<dyn DigestStore>) -> Self {
        Self { digests: Some(store), ..self }
    }

    /// The names of all providers, sorted. A source that cannot be listed has none.
    pub fn provider_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for candidate in &self.listing().candidates {
            let name = self.name(candidate);
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        names
    }

    /// The name of a provider as it is spelled, by its name in SQL or by its directory's. Its document is not parsed.
    ///
    /// # Errors
    /// `NameNotFound` with the nearest names.
    pub fn spelled_provider(&self, name: &str) -> Result<String> {
        self.candidate(name).map(|found| self.name(found).to_owned())
    }

    /// A provider by its name in SQL, or by its directory's.
    ///
    /// # Errors
    /// `NameNotFound` with the nearest names; `Provider` when its `provider.yaml` cannot be used.
    pub fn provider(&self, name: &str) -> Result<Arc<Provider>> {
        self.loaded(name).map(|(_, loaded)| Arc::clone(&loaded.provider))
    }

    /// The document that a provider was read from.
    ///
    /// # Errors
    /// As [`Registry::provider`].
    pub(crate) fn provider_document(&self, name: &str) -> Result<&Document> {
        let (candidate, loaded) = self.loaded(name)?;
        loaded.document(self.source(candidate)?, candidate)
    }

    /// A service, with all its resources. The first call parses the document, others wait for it.
    ///
    /// # Errors
    /// `NameNotFound` with the nearest names, or when the document is not there; `Provider` when it cannot be used.
    pub fn service(&self, provider: &str, service: &str) -> Result<Arc<Service>> {
        let (candidate, loaded) = self.loaded(provider)?;
        self.load_service(candidate, loaded, service_entry(loaded, service)?)
    }

    /// The names of a provider and of a service of it, as they are spelled. The service's document is not read.
    ///
    /// # Errors
    /// `NameNotFound` with the nearest names.
    pub fn spelled(&self, provider: &str, service: &str) -> Result<(String, String)> {
        let (_, loaded) = self.loaded(provider)?;
        Ok((loaded.provider.name.clone(), service_entry(loaded, service)?.name.clone()))
    }

    /// A resource. Where the service's digest is kept, the others are not read.
    ///
    /// # Errors
    /// As [`Registry::service`].
    pub fn resource(&self, provider: &str, service: &str, resource: &str) -> Result<Arc<Resource>> {
        fn named<'n>(id: &str, names: impl Iterator<Item = &'n str> + Clone, wanted: &str) -> Result<&'n str> {
            match_name(names.clone(), wanted).ok_or_else(|| unknown("resource", id, wanted, names))
        }
        let (candidate, loaded) = self.loaded(provider)?;
        let entry = service_entry(loaded, service)?;
        let id = format!("{}.{}", loaded.provider.name, entry.name);
        let known = known(loaded, entry)?;
        if known.whole.get().is_none()
            && let Some(kept) = self.kept(candidate, loaded, entry, known)
            && let Some(found) = known.resource(kept, named(&id, kept.names(), resource)?)
        {
            return Ok(found);
        }
        let service = self.load_service(candidate, loaded, entry)?;
        let name = named(&id, service.resources.keys().map(String::as_str), resource)?;
        let found = service.resources.get(name).map(Arc::clone);
        found.ok_or_else(|| Error::new(ErrorKind::Internal, "a resource is known and not there"))
    }

    /// When a source other than the shipped one supplies a provider that is shipped as well: the origins
    /// (`https://host` or `https://host:port`) of the shipped one's servers, to which its calls may go. `None` when nothing
    /// shipped is replaced. SQL finds a document by the name that it gives itself and by its directory's, so by both it
    /// takes a place.
    pub fn is_shadowing(&self, provider: &str) -> Option<Vec<String>> {
        let shipped = self.shipped?;
        let (of_shipped, of_others): (Vec<&Candidate>, Vec<&Candidate>) =
            self.listing().candidates.iter().partition(|candidate| candidate.source == shipped);
        // Where several call themselves so, none of them hides what another one replaces.
        let mut meant = of_others.into_iter().filter(|found| self.is_called(found, provider));
        let replaced = meant.find_map(|found| {
            let is_replaced = |owner: &&&Candidate| {
                self.is_called(owner, &found.directory) || self.is_called(owner, self.name(found))
            };
            of_shipped.iter().find(is_replaced)
        })?;
        Some(replaced.origins.get_or_init(|| self.origins(replaced)).clone())
    }

    fn is_called(&self, candidate: &Candidate, name: &str) -> bool {
        self.name(candidate).eq_ignore_ascii_case(name) || candidate.directory.eq_ignore_ascii_case(name)
    }

    /// What to call the source that supplies a provider; `None` for an unknown provider.
    pub fn source_label(&self, provider: &str) -> Option<String> {
        let found = self.candidate(provider).ok()?;
        self.sources.get(found.source).map(|source| source.label())
    }

    fn listing(&self) -> &Listing {
        self.listing.get_or_init(|| {
            let mut listing = Listing { candidates: Vec::new(), failures: Vec::new() };
            for (index, source) in self.sources.iter().enumerate() {
                match source.provider_files() {
                    Ok(files) => listing.candidates.extend(files.into_iter().map(|path| Candidate {
                        source: index,
                        directory: path.split('/').next().unwrap_or_default().to_owned(),
                        path,
                        name: OnceLock::new(),
                        loaded: OnceLock::new(),
                        origins: OnceLock::new(),
                    })),
                    Err(error) => listing.failures.push(error),
                }
            }
            listing
        })
    }

    /// The name a `provider.yaml` gives, without parsing all of it where one line tells.
    fn name<'a>(&self, candidate: &'a Candidate) -> &'a str {
        candidate.name.get_or_init(|| {
            let read = || self.sources.get(candidate.source)?.read(&candidate.path).ok();
            let name = read().and_then(|bytes| {
                let text = String::from_utf8_lossy(&bytes);
                name_line(&text).or_else(|| {
                    let document = Document::parse(&bytes, &candidate.path).ok()?;
                    document.root.get("name").and_then(Node::scalar_text).map(std::borrow::Cow::into_owned)
                })
            });
            name.filter(|name| !name.is_empty()).unwrap_or_else(|| candidate.directory.clone())
        })
    }

    /// The provider of that name in one source: by its own name, else by its directory's.
    fn in_source(&self, source: usize, name: &str) -> Option<&Candidate> {
        let all = || self.listing().candidates.iter().filter(|candidate| candidate.source == source);
        all()
            .find(|candidate| self.name(candidate).eq_ignore_ascii_case(name))
            .or_else(|| all().find(|candidate| candidate.directory.eq_ignore_ascii_case(name)))
    }

    fn candidate(&self, name: &str) -> Result<&Candidate> {
        if let Some(found) = (0..self.sources.len()).find_map(|source| self.in_source(source, name)) {
            return Ok(found);
        }
        let names = self.provider_names();
        let listing = self.listing();
        if let Some(real) = match_name(names.iter().map(String::as_str), name)
            && let Some(found) = listing.candidates.iter().find(|candidate| self.name(candidate) == real)
        {
            return Ok(found);
        }
        if let Some(failure) = listing.failures.first() {
            return Err(failure.clone().with("provider", name));
        }
        let error = Error::new(ErrorKind::NameNotFound, format!("no provider `{name}`"));
        let hint = did_you_mean(name, names.iter().map(String::as_str));
        Err(match hint {
            Some(hint) => error.hint(hint),
            None if names.is_empty() => error.hint("no provider documents were found"),
            None => error.hint(format!("the providers are {}", quoted(&names))),
        })
    }

    fn loaded(&self, name: &str) -> Result<(&Candidate, &Loaded)> {
        let candidate = self.candidate(name)?;
        Ok((candidate, self.load(candidate)?))
    }

    fn load<'a>(&self, candidate: &'a Candidate) -> Result<&'a Loaded> {
        let load = || {
            let source = self.source(candidate)?;
            let read = |digest: Vec<u8>| serde_json::from_slice::<Provider>(&digest).ok();
            if let Some(provider) = source.digest(&candidate.path, None).and_then(read) {
                return Ok(Loaded::new(provider));
            }
            let text = source.read(&candidate.path)?;
            let parts = [candidate.directory.as_bytes(), text.as_slice()];
            let loaded = match self.digests.as_deref().and_then(|store| load_digest(store, &parts)).and_then(read) {
                Some(provider) => Loaded::new(provider),
                None => {
                    let document = Document::parse(&text, &source.display_path(&candidate.path))?;
                    let provider = load_provider(&document, &candidate.directory)?;
                    if let Some(store) = self.digests.as_deref() {
                        save_digest(store, &parts, serde_json::to_vec(&provider));
                    }
                    Loaded { document: OnceLock::from(Ok(document)), ..Loaded::new(provider) }
                }
            };
            Ok(Loaded { text: OnceLock::from(Ok(text)), ..loaded })
        };
        candidate.loaded.get_or_init(load).as_ref().map_err(Clone::clone)
    }

    fn source(&self, candidate: &Candidate) -> Result<&dyn DocumentSource> {
        let found = self.sources.get(candidate.source).map(Arc::as_ref);
        found.ok_or_else(|| Error::new(ErrorKind::Internal, "a provider's source is not known"))
    }

    /// The digest of a service, where there is one of exactly its documents.
    fn kept<'a>(
        &self,
        candidate: &Candidate,
        loaded: &Loaded,
        entry: &ServiceEntry,
        known: &'a Known,
    ) -> Option<&'a KeptService> {
        let find = || {
            let source = self.source(candidate).ok()?;
            if let Some(made) = source.digest(&candidate.path, Some(&entry.name)) {
                return KeptService::read(made);
            }
            let store = self.digests.as_deref()?;
            let (_, bytes) = read_service(source, candidate, &entry.path).ok()?;
            let names = digest_names(loaded, entry);
            let parts = [names.as_bytes(), loaded.text(source, candidate).ok()?, bytes.as_slice()];
            KeptService::read(load_digest(store, &parts)?)
        };
        known.kept.get_or_init(find).as_ref()
    }

    fn load_service(&self, candidate: &Candidate, loaded: &Loaded, entry: &ServiceEntry) -> Result<Arc<Service>> {
        let known = known(loaded, entry)?;
        let load = || {
            if let Some(service) = self.kept(candidate, loaded, entry, known).and_then(KeptService::service) {
                return Ok(Arc::new(service));
            }
            let source = self.source(candidate)?;
            let (path, bytes) = read_service(source, candidate, &entry.path)?;
            let document = Document::parse(&bytes, &source.display_path(&path))?;
            let service = load_service(&loaded.provider, loaded.document(source, candidate)?, entry, &document)?;
            if let Some(store) = self.digests.as_deref() {
                let names = digest_names(loaded, entry);
                let parts = [names.as_bytes(), loaded.text(source, candidate)?, bytes.as_slice()];
                save_digest(store, &parts, KeptService::write(&service));
            }
            Ok(Arc::new(service))
        };
        let load =
            || load().map_err(|error: Error| error.with("service", format!("{}.{}", loaded.provider.name, entry.name)));
        known.whole.get_or_init(load).clone()
    }

    /// The origins of all servers of a provider; services that cannot be loaded have none.
    fn origins(&self, candidate: &Candidate) -> Vec<String> {
        let Ok(loaded) = self.load(candidate) else { return Vec::new() };
        let services =
            loaded.provider.services.values().filter_map(|entry| self.load_service(candidate, loaded, entry).ok());
        let mut origins: Vec<String> = services
            .flat_map(|service| service.resources.values().cloned().collect::<Vec<_>>())
            .flat_map(|resource| {
                resource.methods.values().flat_map(|method| server_origins(method)).collect::<Vec<_>>()
            })
            .collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }
}

/// What a service's digest depends on beside its documents.
fn digest_names(loaded: &Loaded, entry: &ServiceEntry) -> String {
    format!("{}\n{}", loaded.provider.name, entry.name)
}

fn known<'l>(loaded: &'l Loaded, entry: &ServiceEntry) -> Result<&'l Known> {
    let found = loaded.services.get(&entry.name);
    found.ok_or_else(|| Error::new(ErrorKind::Internal, "a service is not among those of its provider"))
}

fn service_entry<'l>(loaded: &'l Loaded, service: &str) -> Result<&'l ServiceEntry> {
    let provider = &loaded.provider;
    let names = || provider.services.keys().map(String::as_str);
    let found = match_name(names(), service).and_then(|name| provider.services.get(name));
    found.ok_or_else(|| unknown("service", &provider.name, service, names()))
}

/// The value of a top-level `name:` line.
fn name_line(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("name:"))?.trim();
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    (plain && !value.is_empty()).then(|| value.to_owned())
}

/// A service's document: `$ref` is relative to the directory that holds the provider's; in a copy under another name
/// or version it is beside its `provider.yaml`.
fn read_service(source: &dyn DocumentSource, candidate: &Candidate, reference: &str) -> Result<(String, Vec<u8>)> {
    let own = candidate.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let reference = reference.split('#').next().unwrap_or_default();
    let reference = reference.strip_prefix("./").unwrap_or(reference);
    let below = reference.splitn(3, '/').nth(2);
    let others = below.into_iter().chain(std::iter::once(reference)).map(|path| format!("{own}/{path}"));
    let mut first_error = None;
    for path in std::iter::once(reference.to_owned()).chain(others) {
        match source.read(&path) {
            Ok(bytes) => return Ok((path, bytes)),
            Err(error) if error.kind() == ErrorKind::NameNotFound => first_error = first_error.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    let error = first_error.unwrap_or_else(|| Error::new(ErrorKind::Provider, "the service names no document"));
    Err(error.hint("the provider lists this service, but its document is missing from the provider's directory"))
}

/// The name among `names` that `wanted` means: itself, else without regard to case, else without regard to
/// separators as well, where that is unambiguous.
fn match_name<'a>(names: impl Iterator<Item = &'a str> + Clone, wanted: &str) -> Option<&'a str> {
    fn sole<'a>(mut found: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let first = found.next()?;
        if found.next().is_some() { None } else { Some(first) }
    }
    let folded = fold_name(wanted);
    names
        .clone()
        .find(|name| *name == wanted)
        .or_else(|| sole(names.clone().filter(|name| name.eq_ignore_ascii_case(wanted))))
        .or_else(|| sole(names.filter(|name| !folded.is_empty() && fold_name(name) == folded)))
}

fn unknown<'a>(what: &str, parent: &str, name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Error {
    let error = Error::new(ErrorKind::NameNotFound, format!("`{parent}` has no {what} `{name}`"));
    if let Some(hint) = did_you_mean(name, names.clone()) {
        return error.hint(hint);
    }
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.is_empty() { error } else { error.hint(format!("it has {}", quoted(&names))) }
}

/// At most twelve names, in backticks.
fn quoted(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(12).map(|name| format!("`{name}`")).collect();
    let rest = names.len().saturating_sub(12);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// The origins that a method's server can have: its host's variables stand for each value the document lists, or for
/// their default. A host that only the user can name is none of the document's.
fn server_origins(method: &Method) -> Vec<String> {
    let authority_end = method.server.find("://").map_or(0, |start| start + 3);
    let end = method.server[authority_end..].find('/').map_or(method.server.len(), |length| authority_end + length);
    let mut urls = vec![method.server[..end].to_owned()];
    for variable in method.parameters.iter().filter(|p| p.location == Location::Server) {
        let brace = format!("{{{}}}", variable.wire);
        let values = if variable.values.is_empty() { variable.default.as_slice() } else { &variable.values };
        if urls.iter().any(|url| url.contains(&brace)) && urls.len() * values.len().max(1) <= 256 {
            let texts = || values.iter().filter_map(serde_json::Value::as_str);
            urls =
                urls.iter().flat_map(|url| texts().map(|text| url.replace(&brace, text)).collect::<Vec<_>>()).collect();
        }
    }
    let origin = |url: &String| {
        let url = url::Url::parse(url).ok().filter(|_| !url.contains('{'))?;
        matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
    };
    urls.iter().filter_map(origin).collect()
}

#[cfg(test)]
mod tests;
