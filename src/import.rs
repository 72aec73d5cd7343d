//! Any OpenAPI document → provider documents; checking provider documents.
//!
//! *Owns*: reading OpenAPI 3.0, 3.1 and Swagger 2.0 (several files too), deciding what each operation becomes, overlays,
//! writing provider documents, comparing them with others, lint.
//! *Does not own*: getting documents and writing files (`cli`), what provider documents mean (`provider`).
//! *Invariants*: sure or silent: what a document does not say is reported as undecided; the same input gives the same
//! documents; what a person wrote in an overlay is never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Document, MemorySource, Node, Registry, Schemas};

mod answer;
mod api;
mod auth;
mod bundle;
mod compare;
mod decide;
mod emit;
mod fit;
mod lint;
mod naming;
mod overlay;
mod report;
mod summary;
mod swagger;
#[cfg(test)]
mod tests;
mod words;
mod write;

pub use bundle::Bundle;
pub use compare::{Agreement, Comparison, Difference, compare};
pub use lint::{Problem, RULES, lint};
pub use overlay::check_name;
pub use report::{Finding, Level, MethodLine};
pub(crate) use words::{singular_name, snake, title};
pub use write::Descriptions;

/// The version that an imported provider has: a constant, so that the next import finds the overlays of this one.
pub const VERSION: &str = "v1.0.0";

/// How to import.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The provider's name in SQL.
    pub name: String,
    /// Where the API is, in place of what the document says.
    pub server: Option<String>,
    /// What is kept of the document's texts.
    pub descriptions: Descriptions,
    /// What people decided: service, or `provider` → the text of its overlay.
    pub overlays: BTreeMap<String, Vec<u8>>,
}

/// What an import made.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// Path → text: `acme/v1.0.0/provider.yaml`, `acme/v1.0.0/services/shop.yaml`. An import replaces them.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Path → text of overlays to be edited, where there are none yet.
    pub templates: BTreeMap<String, Vec<u8>>,
    /// What became of each operation.
    pub methods: Vec<MethodLine>,
    /// What is worth saying beside that.
    pub findings: Vec<Finding>,
}

impl Imported {
    /// The provider, to be used without writing it anywhere.
    pub fn source(&self) -> MemorySource {
        MemorySource::new("imported", self.files.clone())
    }
}

/// Makes provider documents of an OpenAPI document.
///
/// # Errors
/// `InvalidArgument` for a name that cannot be a provider's; `Provider` for a document without operations, and for an
/// overlay that cannot be read.
pub fn import(bundle: Bundle, options: &Options) -> Result<Imported> {
    let name = options.name.as_str();
    check_name(name)?;
    let overlays = overlay::Overlays::read(&options.overlays)?;
    let address = bundle.address().to_owned();
    let (root, mut findings) = bundle.join();
    let api = api::read(root, &address, options.server.as_deref(), &mut findings);
    if api.operations.is_empty() {
        return Err(Error::new(
            ErrorKind::Provider,
            "the document has no operations: its `paths` are empty or missing",
        )
        .with("file", address));
    }
    let document = Document::of(api.root.clone(), &address);
    let schemas = Schemas::new(&document);
    let answers: Vec<answer::Answer> = api
        .operations
        .iter()
        .map(|operation| answer::answer(&schemas, api.node(operation).unwrap_or(&Node::Null), operation.is_item()))
        .collect();
    let decisions = decide::decide(&api, &answers, &overlays);
    let services: BTreeSet<String> = decisions.iter().map(|decision| decision.service.clone()).collect();
    findings.extend(overlays.unused(&api, &services));

    let (auth, said) = auth::auth(&api.root, name);
    findings.extend(said);
    let services: Vec<String> = services.into_iter().collect();
    let mut provider = write::provider_document(&api, name, VERSION, &services, auth);
    if let Some(patch) = overlays.patch(overlay::PROVIDER) {
        overlay::merge(&mut provider, &patch);
        findings.extend(fit::without_lost_services(&mut provider, &overlay::label(overlay::PROVIDER)));
    }
    let mut documents: BTreeMap<String, Node> = BTreeMap::new();
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for service in &services {
        let making = write::Making {
            provider: name,
            version: VERSION,
            service,
            api: &api,
            answers: &answers,
            decisions: decisions.iter().filter(|decision| decision.service == *service).collect(),
            descriptions: options.descriptions,
            glossary: overlays.descriptions(service),
        };
        let made = write::service_document(&making);
        findings.extend(made.lost);
        described.insert(service.clone(), made.described);
        documents.insert(service.clone(), made.document);
    }
    findings.extend(overlays.undescribed(&described));
    // What the generated documents say decides the keys; the overlays have the last word on them too.
    let digest = Registry::new(vec![Arc::new(source(name, &provider, &documents))], None);
    for (service, document) in &mut documents {
        if let Ok(loaded) = digest.service(name, service) {
            summary::add_keys(document, &loaded);
            summary::put_proved_first(document, &loaded);
        }
        if let Some(patch) = overlays.patch(service) {
            let load = |document: &Node| loaded(name, &provider, service, document);
            let (whole, left_out) = fit::laid_over(document, patch, &overlay::label(service), load);
            *document = whole;
            findings.extend(left_out);
        }
    }
    let files = source(name, &provider, &documents);
    let digest = Registry::new(vec![Arc::new(files.clone())], None);
    let mut methods = Vec::new();
    for service in documents.keys() {
        match digest.service(name, service) {
            Ok(loaded) => methods.extend(summary::methods(&loaded, &decisions, &api, &answers)),
            Err(error) => findings.push(Finding::problem(format!("{name}.{service}"), error.to_string())),
        }
    }
    findings.extend(summary::open_questions(&methods));
    let templates = services.iter().map(String::as_str).chain([overlay::PROVIDER]).map(|service| {
        (format!("{name}/{VERSION}/overlay/{service}.yaml"), overlay::template(name, service).into_bytes())
    });
    Ok(Imported { templates: templates.collect(), files: files.into_files(), methods, findings })
}

/// Whether a service can be read as it would be written.
fn loaded(name: &str, provider: &Node, service: &str, document: &Node) -> Result<()> {
    let alone = BTreeMap::from([(service.to_owned(), document.clone())]);
    Registry::new(vec![Arc::new(source(name, provider, &alone))], None).service(name, service).map(|_| ())
}

/// The documents as they will be written.
fn source(name: &str, provider: &Node, services: &BTreeMap<String, Node>) -> MemorySource {
    let mut files = BTreeMap::new();
    files.insert(format!("{name}/{VERSION}/provider.yaml"), emit::emit(provider).into_bytes());
    for (service, document) in services {
        files.insert(format!("{name}/{VERSION}/services/{service}.yaml"), emit::emit(document).into_bytes());
    }
    MemorySource::new("imported", files)
}
