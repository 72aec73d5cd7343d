//! A provider's documents → pages for people, searchable without a network.
//!
//! *Owns*: which pages there are, their names, what stands on them, how they look.
//! *Does not own*: the facts and statements (`reference`), writing files (`cli`).
//! *Invariants*: the same documents give the same bytes; what a document says is text, never markup; names of pages are of
//! `a-z 0-9 _ - .`, are no two the same, also where case does not count, and lead nowhere else; a page asks nobody for anything.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::provider::{Provider, Registry, Service};
use crate::reference::verbs;

mod names;
mod render;
mod resource;

use names::Names;
use render::Renderer;
use resource::ResourceFacts;

/// The pages of a provider.
#[derive(Debug, Default)]
pub struct Site {
    /// Path → bytes: `index.html`, `images/images.html`, `assets/site.css`. Paths have forward slashes and lower case.
    pub files: BTreeMap<String, Vec<u8>>,
    /// How many services it tells of.
    pub services: usize,
    /// How many resources have a page.
    pub resources: usize,
    /// What is not there, and why: services whose documents cannot be read.
    pub unreadable: Vec<Error>,
}

const INDEX: &str = "index.html";
const ASSETS: &str = "assets";

/// What stands at the head of each page.
#[derive(Debug, Serialize)]
struct Head<'a> {
    /// From the page to the site's first: nothing or `../`.
    root: &'static str,
    provider: &'a str,
    title: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct ProviderPage<'a> {
    head: Head<'a>,
    description: &'a str,
    variables: Vec<&'a str>,
    services: Vec<ServiceLine<'a>>,
    resources: usize,
}

/// A service in the list of services.
#[derive(Debug, Serialize)]
struct ServiceLine<'a> {
    name: &'a str,
    title: &'a str,
    description: &'a str,
    href: String,
    resources: usize,
    /// Why there are none.
    error: Option<String>,
}

#[derive(Serialize)]
struct ServicePage<'a> {
    head: Head<'a>,
    service: &'a str,
    title: &'a str,
    description: &'a str,
    resources: Vec<ResourceLine<'a>>,
    error: Option<String>,
}

/// A resource in the list of resources.
#[derive(Debug, Serialize)]
struct ResourceLine<'a> {
    name: &'a str,
    description: &'a str,
    href: String,
    verbs: Vec<&'static str>,
}

#[derive(Serialize)]
struct ResourcePage<'a> {
    head: Head<'a>,
    service: &'a str,
    resource: &'a ResourceFacts<'a>,
}

/// What the search knows of a resource.
#[derive(Serialize)]
struct Entry<'a> {
    id: String,
    href: String,
    about: &'a str,
    verbs: String,
    methods: Vec<&'a str>,
    columns: Vec<&'a str>,
}

/// The pages of a provider: its index, one page per service, one per resource, and what they look like.
///
/// # Errors
/// `NameNotFound` and `Provider` when there is no such provider, or it cannot be read. A service that cannot be read is a
/// page that says so, and is among [`Site::unreadable`].
pub fn site(registry: &Registry, name: &str) -> Result<Site> {
    let provider = registry.provider(name)?;
    let renderer = Renderer::new()?;
    let mut site = Site::default();
    let mut entries = Vec::new();
    let mut lines = Vec::new();
    let mut dirs = Names::without(&[ASSETS, "index"]);
    let mut services: Vec<_> = provider.services.values().collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in services {
        let dir = dirs.claim(&entry.name);
        let read = registry.service(&provider.name, &entry.name);
        let error = read.as_ref().err().map(ToString::to_string);
        let resources = match read {
            Ok(service) => resource_pages(&provider, &service, &dir, &renderer, &mut site, &mut entries)?,
            Err(error) => {
                site.unreadable.push(error);
                Vec::new()
            }
        };
        let title = if entry.title == entry.name { "" } else { &entry.title };
        let page = ServicePage {
            head: head(&provider, "../"),
            service: &entry.name,
            title,
            description: &entry.description,
            resources: resources.iter().map(Listed::line).collect(),
            error: error.clone(),
        };
        site.files.insert(format!("{dir}/{INDEX}"), renderer.page("service.html", &page)?);
        let href = format!("{dir}/{INDEX}");
        let resources = resources.len();
        lines.push(ServiceLine { name: &entry.name, title, description: &entry.description, href, resources, error });
    }
    site.services = lines.len();
    site.resources = lines.iter().map(|line| line.resources).sum();
    let page = ProviderPage {
        head: head(&provider, ""),
        description: &provider.description,
        variables: provider.auth.variables(),
        services: lines,
        resources: site.resources,
    };
    site.files.insert(INDEX.to_owned(), renderer.page("provider.html", &page)?);
    site.files.insert(format!("{ASSETS}/index.js"), render::script("skyqlIndex", &entries)?);
    for (name, text) in render::STYLE_AND_SCRIPT {
        site.files.insert(format!("{ASSETS}/{name}"), text.as_bytes().to_vec());
    }
    Ok(site)
}

fn head<'a>(provider: &'a Provider, root: &'static str) -> Head<'a> {
    let title = if provider.title.is_empty() { &provider.name } else { &provider.title };
    Head { root, provider: &provider.name, title, version: &provider.version }
}

/// A resource that has its page.
struct Listed {
    name: String,
    description: String,
    file: String,
    verbs: Vec<&'static str>,
}

impl Listed {
    fn line(&self) -> ResourceLine<'_> {
        let (name, description) = (self.name.as_str(), self.description.as_str());
        ResourceLine { name, description, href: self.file.clone(), verbs: self.verbs.clone() }
    }
}

fn resource_pages(
    provider: &Provider,
    service: &Service,
    dir: &str,
    renderer: &Renderer,
    site: &mut Site,
    entries: &mut Vec<serde_json::Value>,
) -> Result<Vec<Listed>> {
    let mut resources: Vec<_> = service.resources.values().collect();
    resources.sort_by(|a, b| a.name.cmp(&b.name));
    let mut names = Names::without(&["index"]);
    let mut listed = Vec::with_capacity(resources.len());
    for resource in resources {
        let file = format!("{}.html", names.claim(&resource.name));
        let facts = ResourceFacts::of(provider, service, resource);
        let page = ResourcePage { head: head(provider, "../"), service: &service.name, resource: &facts };
        let path = format!("{dir}/{file}");
        site.files.insert(path.clone(), renderer.page("resource.html", &page)?);
        let entry = Entry {
            id: format!("{}.{}", service.name, resource.name),
            href: path,
            about: &resource.description,
            verbs: verbs(resource).join(" "),
            methods: resource.methods.values().map(|method| method.name.as_str()).collect(),
            columns: facts.columns.iter().map(|column| column.name).collect(),
        };
        entries.push(render::json(&entry)?);
        let (name, description) = (resource.name.clone(), resource.description.clone());
        listed.push(Listed { name, description, file, verbs: verbs(resource) });
    }
    Ok(listed)
}
