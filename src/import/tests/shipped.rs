//! The shipped documents are what an import makes of the official ones and of the overlays: nothing in them is written by
//! hand, where the next import would lose it.

use std::path::{Path, PathBuf};

use super::*;

const PROVIDERS: [&str; 2] = ["digitalocean", "linode"];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What is beside the project on some machines and not part of it.
fn beside(path: &str) -> Option<PathBuf> {
    let path = here("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// The YAML files of a directory: name → text.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

fn parsed(text: &[u8], label: &str) -> Node {
    Document::parse(text, label).unwrap().root
}

/// Where two trees differ first; the order of keys does not count.
fn difference(ours: &Node, theirs: &Node, path: &str) -> Option<String> {
    match (ours, theirs) {
        _ if ours == theirs => None,
        (Node::Map(one), Node::Map(other)) => {
            let lacks = |map: &indexmap::IndexMap<String, Node>, key: &String| !map.contains_key(key);
            one.keys()
                .find(|key| lacks(other, key))
                .map(|key| format!("{path}/{key} is not made"))
                .or_else(|| other.keys().find(|key| lacks(one, key)).map(|key| format!("{path}/{key} is not shipped")))
                .or_else(|| {
                    one.iter().find_map(|(key, value)| difference(value, &other[key], &format!("{path}/{key}")))
                })
        }
        _ => Some(format!("{path} is {} and {} is made", ours.to_json(), theirs.to_json())),
    }
}

/// The documents of the registry in one: they are the newest that state the structure of Linode's API.
fn joined(directory: &Path) -> Vec<u8> {
    let mut paths = indexmap::IndexMap::new();
    let mut components = indexmap::IndexMap::new();
    let join = |into: &mut indexmap::IndexMap<String, Node>, node: &Node| {
        for (key, value) in node.entries() {
            let known = into.entry(key.to_owned()).or_insert_with(|| Node::Map(indexmap::IndexMap::new()));
            if let (Node::Map(known), Node::Map(more)) = (known, value) {
                for (key, value) in more {
                    known.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
        }
    };
    for (name, text) in files(directory) {
        let document = parsed(&text, &name);
        join(&mut paths, document.get("paths").unwrap());
        let own = document.get("components").into_iter().flat_map(Node::entries);
        let own = own.filter(|(key, _)| !key.starts_with("x-")).map(|(key, value)| (key.to_owned(), value.clone()));
        join(&mut components, &Node::Map(own.collect()));
    }
    let server = serde_json::json!({"url": "https://api.linode.com/{apiVersion}",
        "variables": {"apiVersion": {"default": "v4", "enum": ["v4", "v4beta"]}}});
    let document = serde_json::json!({"openapi": "3.0.3", "info": {"title": "Linode", "version": "4.215.0"}, "servers": [server],
        "paths": Node::Map(paths).to_json(), "components": Node::Map(components).to_json()});
    document.to_string().into_bytes()
}

/// The document that a shipped provider was made from.
fn official(provider: &str) -> Option<Bundle> {
    let (name, text) = if provider == "linode" {
        let registry = beside("stackql-providers/linode")?;
        ("linode.json", joined(&registry.join(newest(&registry)).join("services")))
    } else {
        ("digitalocean.yaml", std::fs::read(beside("specs/digitalocean.yaml")?).unwrap())
    };
    Some(Bundle::new(name, &text).unwrap())
}

fn newest(directory: &Path) -> String {
    let versions = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    versions.filter(|name| name.starts_with('v')).max().unwrap()
}

#[test]
fn shipped_documents_are_what_an_import_makes() {
    for provider in PROVIDERS {
        let Some(bundle) = official(provider) else { continue };
        let home = here("providers").join(provider).join(VERSION);
        let options = Options {
            name: provider.to_owned(),
            descriptions: Descriptions::Drop,
            overlays: files(&home.join("overlay")),
            ..Options::default()
        };
        let made = import(bundle, &options).unwrap();
        let mut wrong = Vec::new();
        let shipped = files(&home.join("services")).into_keys().map(|name| format!("services/{name}.yaml"));
        let shipped: BTreeSet<String> = shipped.chain(["provider.yaml".to_owned()]).collect();
        let prefix = format!("{provider}/{VERSION}/");
        let names = made.files.keys().map(|path| path.strip_prefix(&prefix).unwrap().to_owned());
        assert_eq!(names.collect::<BTreeSet<_>>(), shipped);
        for file in shipped {
            let ours = parsed(&std::fs::read(home.join(&file)).unwrap(), &file);
            let theirs = parsed(&made.files[&format!("{prefix}{file}")], &file);
            wrong.extend(difference(&ours, &theirs, &file));
        }
        assert!(wrong.is_empty(), "{provider}: write them out again, as docs/providers.md says:\n{}", wrong.join("\n"));
        let problems: Vec<_> = made.findings.iter().filter(|finding| finding.about.starts_with("overlay/")).collect();
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

#[test]
fn overlays_are_in_the_shipped_documents() {
    let mut checked = 0;
    for provider in PROVIDERS {
        let home = here("providers").join(provider).join(VERSION);
        let texts = files(&home.join("overlay"));
        let overlays = overlay::Overlays::read(&texts).unwrap();
        for service in texts.keys() {
            let Some(patch) = overlays.patch(service) else { continue };
            let file = if service == overlay::PROVIDER { "provider".to_owned() } else { format!("services/{service}") };
            let shipped = parsed(&std::fs::read(home.join(format!("{file}.yaml"))).unwrap(), &file);
            let mut merged = shipped.clone();
            overlay::merge(&mut merged, &patch);
            assert_eq!(difference(&shipped, &merged, &format!("{provider}/{file}")), None);
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

/// How far an import without overlays agrees with what people made by hand. docs/import.md has the figures.
#[test]
fn imports_agree_with_the_registry() {
    for provider in PROVIDERS {
        let (Some(document), Some(registry)) = (beside(&format!("specs/{provider}.yaml")), beside("stackql-providers"))
        else {
            continue;
        };
        let bundle = Bundle::new("official.yaml", &std::fs::read(document).unwrap()).unwrap();
        let made = import(bundle, &Options { name: provider.to_owned(), ..Options::default() }).unwrap();
        let theirs = Arc::new(crate::provider::DirectorySource::new(registry));
        let found = compare(provider, Arc::new(made.source()), provider, theirs).unwrap();
        assert_eq!(found.unreadable, Vec::<String>::new());
        for (what, least, compared) in
            [("verbs", 95.0, 370), ("row paths", 98.0, 170), ("pagination", 100.0, 80), ("resource names", 80.0, 370)]
        {
            let agreement = found.agreements.iter().find(|agreement| agreement.what == what).unwrap();
            assert!(agreement.of >= compared, "{provider}: {agreement:?}");
            assert!(agreement.percent() >= least, "{provider}: {:.1} % of {agreement:?}", agreement.percent());
        }
    }
}

/// Where a shipped operation serves another verb than in the registry, it is meant: `tests/it/clouds/verbs.txt` has each.
#[test]
fn other_verbs_than_the_registrys_are_meant() {
    let Some(registry) = beside("stackql-providers") else { return };
    let mut found = BTreeSet::new();
    for provider in PROVIDERS {
        let ours = Arc::new(crate::provider::EmbeddedSource::shipped());
        let theirs = Arc::new(crate::provider::DirectorySource::new(registry.clone()));
        let compared = compare(provider, ours, provider, theirs).unwrap();
        // What changes only what it is given serves both.
        let is_both = |d: &Difference| d.ours == "UPDATE" && d.theirs == "REPLACE";
        let verbs = compared.differences.into_iter().filter(|d| d.what == "verbs" && !is_both(d));
        found.extend(verbs.map(|d| format!("{provider} {}: {} and not {}", d.operation, d.ours, d.theirs)));
    }
    let text = std::fs::read_to_string(here("tests/it/clouds/verbs.txt")).unwrap();
    let meant = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned);
    assert_eq!(found, meant.collect::<BTreeSet<_>>());
}
