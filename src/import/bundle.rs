//! Documents that refer to one another → one document.
//!
//! *Owns*: which further documents are needed, and putting what is used of them under `components` of the first.
//! *Does not own*: getting them: whoever asks for an import has files, a network or neither.
//! *Invariants*: a document refers only to documents of its own kind (files to files, URLs to URLs of one origin); a
//! cycle ends.

use indexmap::IndexMap;
use url::Url;

use super::report::Finding;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Document, Node};

/// Where parts of other documents are put.
pub(super) const PARTS: &str = "x-skyql-parts";

/// A document and those it refers to.
#[derive(Debug)]
pub struct Bundle {
    first: String,
    documents: IndexMap<String, Node>,
    /// Documents that cannot be had, and why.
    absent: IndexMap<String, String>,
}

impl Bundle {
    /// Begins with a document; `address` is its file name or URL.
    ///
    /// # Errors
    /// `Provider` when the text is neither YAML nor JSON, or not an OpenAPI document.
    pub fn new(address: &str, bytes: &[u8]) -> Result<Self> {
        let root = read(address, bytes)?;
        if root.get("openapi").is_none() && root.get("swagger").is_none() {
            let what = if root.get("providerServices").is_some() {
                "a provider's own document"
            } else {
                "no OpenAPI document"
            };
            return Err(Error::new(
                ErrorKind::Provider,
                format!("this is {what}: it has neither `openapi` nor `swagger`"),
            )
            .with("file", address));
        }
        // Later versions of OpenAPI 3 add to it; others say the same things in other places.
        for (key, read, named) in [("openapi", "3", "OpenAPI"), ("swagger", "2", "Swagger")] {
            let version = root.get(key).and_then(Node::scalar_text).map(std::borrow::Cow::into_owned);
            if let Some(version) = version.filter(|version| version.split('.').next() != Some(read)) {
                return Err(Error::new(ErrorKind::Provider, format!("{named} `{version}` is not read"))
                    .with("file", address)
                    .hint("OpenAPI 3 and Swagger 2.0 are: converters for older documents exist"));
            }
        }
        let mut documents = IndexMap::new();
        documents.insert(address.to_owned(), root);
        Ok(Self { first: address.to_owned(), documents, absent: IndexMap::new() })
    }

    /// The addresses of documents that are referred to and not here yet.
    pub fn missing(&self) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        for (address, root) in &self.documents {
            let mut references = Vec::new();
            collect_references(root, &mut references);
            for reference in references {
                if let Some((other, _)) = elsewhere(address, reference)
                    && !self.documents.contains_key(&other)
                    && !self.absent.contains_key(&other)
                    && !missing.contains(&other)
                    && is_allowed(&self.first, &other)
                {
                    missing.push(other);
                }
            }
        }
        missing
    }

    /// Adds a document that was missing.
    ///
    /// # Errors
    /// `Provider` when the text is neither YAML nor JSON.
    pub fn add(&mut self, address: &str, bytes: &[u8]) -> Result<()> {
        let root = read(address, bytes)?;
        self.documents.insert(address.to_owned(), root);
        Ok(())
    }

    /// Says that a document cannot be had: what refers to it is left out and reported.
    pub fn cannot_have(&mut self, address: &str, why: &str) {
        self.absent.insert(address.to_owned(), why.to_owned());
    }

    /// The address of the first document.
    pub fn address(&self) -> &str {
        &self.first
    }

    /// One document that holds all that is used of the others, and what could not be found.
    pub(super) fn join(mut self) -> (Node, Vec<Finding>) {
        let mut root = self.documents.get(&self.first).cloned().unwrap_or(Node::Null);
        if self.documents.len() == 1 && self.absent.is_empty() && self.missing().is_empty() {
            let mut references = Vec::new();
            collect_references(&root, &mut references);
            if references.iter().all(|reference| reference.starts_with('#')) {
                return (root, Vec::new());
            }
        }
        let mut joining = Joining { names: IndexMap::new(), findings: Vec::new() };
        let first = std::mem::take(&mut self.first);
        joining.rewrite(&first, &first, &mut root);
        let mut parts = IndexMap::new();
        let mut next = 0;
        // Parts refer to further parts: the list grows while it is read.
        while let Some(((address, pointer), name)) = joining.names.get_index(next).map(|(k, v)| (k.clone(), v.clone()))
        {
            next += 1;
            let found = self.documents.get(&address).and_then(|root| at_pointer(root, &pointer));
            let Some(mut part) = found.cloned() else {
                let why = match self.absent.get(&address) {
                    Some(why) => format!(": {why}"),
                    None if !is_allowed(&first, &address) => {
                        ": it is neither beside the document nor on its origin; get it yourself and refer to the copy"
                            .to_owned()
                    }
                    None => String::new(),
                };
                joining.findings.push(Finding::problem(
                    "document",
                    format!("`{address}#{pointer}` is referred to and cannot be found{why}"),
                ));
                continue;
            };
            joining.rewrite(&first, &address, &mut part);
            parts.insert(name, part);
        }
        if let (Node::Map(root), false) = (&mut root, parts.is_empty()) {
            let components = root.entry("components".to_owned()).or_insert_with(|| Node::Map(IndexMap::new()));
            if let Node::Map(components) = components {
                components.insert(PARTS.to_owned(), Node::Map(parts));
            }
        }
        (root, joining.findings)
    }
}

fn read(address: &str, bytes: &[u8]) -> Result<Node> {
    let start: String = String::from_utf8_lossy(bytes.get(..512).unwrap_or(bytes)).trim_start().to_ascii_lowercase();
    if start.starts_with("<!doctype") || start.starts_with("<html") {
        return Err(Error::new(ErrorKind::Provider, "this is a web page and no OpenAPI document")
            .with("file", address)
            .hint("the page may show the document: give the address of its YAML or JSON"));
    }
    Ok(Document::parse(bytes, address)?.root)
}

struct Joining {
    /// Document and pointer → the name of the part.
    names: IndexMap<(String, String), String>,
    findings: Vec<Finding>,
}

impl Joining {
    /// Makes every reference of a node that comes from `address` one into the first document.
    fn rewrite(&mut self, first: &str, address: &str, node: &mut Node) {
        match node {
            Node::Map(map) => {
                if let Some(Node::Text(reference)) = map.get_mut("$ref") {
                    let (other, pointer) = match elsewhere(address, reference) {
                        Some(found) => found,
                        None => (address.to_owned(), reference.trim_start_matches('#').to_owned()),
                    };
                    *reference = if other == first {
                        format!("#{pointer}")
                    } else {
                        let name = self.name(other, pointer);
                        format!("#/components/{PARTS}/{name}")
                    };
                }
                for value in map.values_mut() {
                    self.rewrite(first, address, value);
                }
            }
            Node::List(items) => {
                for item in items {
                    self.rewrite(first, address, item);
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, address: String, pointer: String) -> String {
        let key = (address, pointer);
        if let Some(known) = self.names.get(&key) {
            return known.clone();
        }
        let last =
            |text: &str| text.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default().to_owned();
        let wanted = Some(last(&key.1)).filter(|name| !name.is_empty()).unwrap_or_else(|| last(&key.0));
        let wanted: String =
            wanted.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
        let taken = |name: &str| self.names.values().any(|known| known == name);
        let mut name = wanted.clone();
        let mut number = 2;
        while taken(&name) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        self.names.insert(key, name.clone());
        name
    }
}

fn collect_references<'n>(node: &'n Node, references: &mut Vec<&'n str>) {
    match node {
        Node::Map(map) => {
            references.extend(map.get("$ref").and_then(Node::text));
            for value in map.values() {
                collect_references(value, references);
            }
        }
        Node::List(items) => items.iter().for_each(|item| collect_references(item, references)),
        _ => {}
    }
}

/// The document and the pointer that a reference means, when it is in another document than `address`.
fn elsewhere(address: &str, reference: &str) -> Option<(String, String)> {
    let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
    if file.is_empty() {
        return None;
    }
    let other = resolve(address, file)?;
    (other != address).then(|| (other, pointer.to_owned()))
}

/// The address that `reference` means in a document at `address`.
pub(super) fn resolve(address: &str, reference: &str) -> Option<String> {
    if let Ok(base) = Url::parse(address)
        && base.has_host()
    {
        return base.join(reference).ok().map(Into::into);
    }
    if reference.contains("://") || reference.starts_with('/') {
        return Some(reference.to_owned());
    }
    let directory = address.rsplit_once(['/', '\\']).map(|(directory, _)| directory);
    let mut parts: Vec<&str> = directory.map(|directory| directory.split('/').collect()).unwrap_or_default();
    for part in reference.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| !last.is_empty() && *last != ".." && *last != ".") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Files may name files; a URL may name URLs of its own origin: a document must not make this machine call others.
fn is_allowed(first: &str, other: &str) -> bool {
    let url = |text: &str| Url::parse(text).ok().filter(Url::has_host);
    match (url(first), url(other)) {
        (Some(first), Some(other)) => first.origin() == other.origin(),
        (None, None) => true,
        _ => false,
    }
}

/// What a JSON pointer (RFC 6901) means in a tree.
fn at_pointer<'n>(root: &'n Node, pointer: &str) -> Option<&'n Node> {
    pointer.split('/').skip(1).try_fold(root, |node, raw| {
        let decoded = percent_encoding::percent_decode_str(raw).decode_utf8().ok()?;
        let key = decoded.replace("~1", "/").replace("~0", "~");
        match node {
            Node::List(items) => items.get(key.parse::<usize>().ok()?),
            node => node.get(&key),
        }
    })
}
