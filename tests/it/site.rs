//! The pages of `provider docs`: whole, safe, and right.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

mod browser;
mod nasty;
mod shipped;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use roxmltree::{Document, Node, ParsingOptions};

/// The pages of a site. They are XML too, which is stricter than a browser: every element ends, every value is quoted.
struct Pages {
    texts: BTreeMap<String, String>,
    files: BTreeSet<String>,
}

impl Pages {
    fn of(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let html = files.iter().filter(|(path, _)| Path::new(path).extension().is_some_and(|kind| kind == "html"));
        let texts = html.map(|(path, bytes)| (path.clone(), String::from_utf8(bytes.clone()).unwrap())).collect();
        Self { texts, files: files.keys().cloned().collect() }
    }

    fn page(&self, path: &str) -> Document<'_> {
        let text = self.texts.get(path).unwrap_or_else(|| panic!("there is no page {path} in {:?}", self.files));
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"))
    }

    fn pages(&self) -> BTreeMap<&str, Document<'_>> {
        self.texts.keys().map(|path| (path.as_str(), self.page(path))).collect()
    }

    /// Every link leads to a file of the site, and to a place on it; no two places have one name.
    fn check_links(&self) {
        let pages = self.pages();
        let ids: BTreeMap<&str, Vec<&str>> = pages
            .iter()
            .map(|(path, page)| (*path, all(page, "[id]").iter().filter_map(|e| e.attribute("id")).collect()))
            .collect();
        for (path, page) in &pages {
            let here = &ids[path];
            assert_eq!(here.iter().collect::<BTreeSet<_>>().len(), here.len(), "{path}: {here:?}");
            for element in all(page, "[href]").into_iter().chain(all(page, "[src]")) {
                let link = element.attribute("href").or(element.attribute("src")).unwrap();
                if link == "data:," {
                    continue;
                }
                let (file, place) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() { (*path).to_owned() } else { resolved(path, file) };
                assert!(self.files.contains(&target), "{path} links to {link}, which is not there");
                let there = place.is_empty() || ids[target.as_str()].contains(&place);
                assert!(there, "{path} links to {link}: no such place");
            }
            for labelled in all(page, "[aria-labelledby]") {
                assert!(here.contains(&labelled.attribute("aria-labelledby").unwrap()), "{path}");
            }
        }
    }

    /// No page holds a script or markup that is not ours, and each has what a reader needs to find the way.
    fn check_shape(&self) {
        for (path, page) in self.pages() {
            let scripts: Vec<_> = all(&page, "script").iter().map(|script| script.attribute("src").unwrap()).collect();
            assert!(scripts.len() == 2 && scripts.iter().all(|src| src.contains("assets/")), "{path}: {scripts:?}");
            for one in ["h1", "main", "header", "title", "html[lang=en]", "a[class=skip]", "label[for=query]"] {
                assert_eq!(all(&page, one).len(), 1, "{path}: {one}");
            }
            for element in page.descendants().filter(Node::is_element) {
                let name = element.tag_name().name();
                assert!(!matches!(name, "img" | "iframe" | "object" | "form" | "style" | "b" | "i"), "{path}: {name}");
                assert!(!element.attributes().any(|a| a.name().starts_with("on") || a.name() == "style"), "{path}");
            }
        }
    }
}

/// The file that a link on a page leads to.
fn resolved(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => assert!(parts.pop().is_some(), "{page} links out of the site: {link}"),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The elements that are `tag`, `tag[attribute]` or `tag[attribute=value]`; the tag may be left out.
fn all<'a, 'input>(page: &'a Document<'input>, wanted: &str) -> Vec<Node<'a, 'input>> {
    let (tag, attribute) = wanted.trim_end_matches(']').split_once('[').unwrap_or((wanted, ""));
    let (name, value) = attribute.split_once('=').map_or((attribute, None), |(name, value)| (name, Some(value)));
    let fits = |node: &Node<'_, '_>| {
        let found = node.attribute(name);
        node.is_element()
            && (tag.is_empty() || node.has_tag_name(tag))
            && (name.is_empty() || (found.is_some() && (value.is_none() || value == found)))
    };
    page.descendants().filter(fits).collect()
}

fn text(element: Node<'_, '_>) -> String {
    element.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

/// All files below a directory, by their path from there.
fn files_in(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(here) = open.pop() {
        for entry in std::fs::read_dir(here).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().replace('\\', "/");
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// What the search knows.
fn index(files: &BTreeMap<String, Vec<u8>>) -> Vec<serde_json::Value> {
    let script = std::str::from_utf8(&files["assets/index.js"]).unwrap();
    let json = script.strip_prefix("const skyqlIndex = ").unwrap().trim_end().strip_suffix(';').unwrap();
    serde_json::from_str(json).unwrap()
}

/// The examples of a page as their texts, each place filled in as its type wants it.
fn examples(page: &Document<'_>) -> Vec<String> {
    let codes =
        all(page, "div[class=example]").into_iter().flat_map(|e| e.descendants().filter(|d| d.has_tag_name("code")));
    codes
        .map(|code| {
            let pieces = code.children().map(|child| match child.attribute("data-type") {
                Some(ty) => one_of(child, ty).unwrap_or_else(|| value(ty).to_owned()),
                None => text(child),
            });
            pieces.collect()
        })
        .collect()
}

/// The first of the values that the note behind a place for a value names.
fn one_of(place: Node<'_, '_>, ty: &str) -> Option<String> {
    let note = place.next_siblings().find(|next| next.attribute("class") == Some("note"))?;
    let note = text(note);
    let (_, values) = note.split_once(", one of ")?;
    let first = values.split([',', ':']).next()?.trim();
    (ty == "string").then(|| format!("'{}'", first.replace('\'', "''")))
}

/// A value of a type, as SQL has it.
fn value(ty: &str) -> &'static str {
    match ty {
        "integer" | "number" => "1",
        "boolean" => "TRUE",
        "object" => "'{}'",
        "array" => "'[]'",
        _ => "'x'",
    }
}
