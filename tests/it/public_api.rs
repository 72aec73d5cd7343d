//! What programs build on, as text: a change of it is seen in review.
//!
//! `INSTA_UPDATE=always cargo test --test it public_api` writes the snapshot anew.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Fields, ImplItem, Item, TraitItem, Type, Visibility};

/// The rooms whose public items are the library's face; of the others only these items.
const ROOMS: [&str; 5] = ["clock", "config", "engine", "error", "report"];
const OTHERS: [(&str, &[&str]); 7] = [
    ("http", &["Body", "BodySource", "Request", "Response", "Transport"]),
    ("sandbox", &["SandboxOptions"]),
    ("scan", &["SkyOptions", "from_datafusion", "report_of"]),
    ("sql", &["Param", "Piece", "Rendered", "SourceMap", "TemplateData", "is_template", "params", "render", "split"]),
    ("import", &["Bundle", "Descriptions", "Imported", "Options", "import", "lint"]),
    ("provider", &["DocumentSource", "MemorySource"]),
    ("rows", &["Kind"]),
];

#[test]
fn the_face_of_the_library() {
    let mut lines = Vec::new();
    let root = parse(&source().join("lib.rs"));
    for item in &root.items {
        if let Item::Use(item) = item
            && is_public(&item.vis)
        {
            lines.push(tidy(&item.to_token_stream().to_string()));
        }
    }
    for room in ROOMS {
        lines.extend(room_lines(room, None));
    }
    for (room, names) in OTHERS {
        let found = room_lines(room, Some(names));
        for name in names {
            let is_there = found.iter().any(|line| line.starts_with(&format!("{room}::{name}")));
            assert!(is_there, "there is no `{room}::{name}` any more");
        }
        lines.extend(found);
    }
    insta::assert_snapshot!(lines.join("\n"));
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn parse(path: &Path) -> syn::File {
    syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a room, its face first.
fn files(room: &str) -> Vec<PathBuf> {
    let mut files = vec![source().join(format!("{room}.rs"))];
    let mut dirs = vec![source().join(room)];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            match path.extension() {
                None => dirs.push(path),
                Some(_) if path.ends_with("tests.rs") || path.ends_with("testing.rs") => {}
                Some(_) => files.push(path),
            }
        }
    }
    files.sort();
    files
}

/// The public items of a room with what hangs on them, sorted by name.
fn room_lines(room: &str, only: Option<&[&str]>) -> Vec<String> {
    let parsed: Vec<syn::File> = files(room).iter().map(|path| parse(path)).collect();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in parsed.iter().flat_map(|file| &file.items) {
        if let Some((name, lines)) = public_item(item)
            && only.is_none_or(|only| only.contains(&name.as_str()))
        {
            found.entry(name).or_default().extend(lines);
        }
    }
    for item in parsed.iter().flat_map(|file| &file.items) {
        let Item::Impl(item) = item else { continue };
        let Type::Path(target) = item.self_ty.as_ref() else { continue };
        let name = target.path.segments.last().unwrap().ident.to_string();
        let Some(lines) = found.get_mut(&name) else { continue };
        if let Some((_, of, _)) = &item.trait_ {
            lines.push(format!("    impl {}", tidy(&of.to_token_stream().to_string())));
            continue;
        }
        for member in &item.items {
            match member {
                ImplItem::Fn(function) if is_public(&function.vis) => {
                    lines.push(format!("    {}", tidy(&function.sig.to_token_stream().to_string())));
                }
                ImplItem::Const(constant) if is_public(&constant.vis) => {
                    lines.push(format!(
                        "    const {}: {}",
                        constant.ident,
                        tidy(&constant.ty.to_token_stream().to_string())
                    ));
                }
                _ => {}
            }
        }
    }
    found.into_iter().flat_map(|(name, lines)| [vec![format!("{room}::{name}")], lines].concat()).collect()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// An item's name, and its fields, variants, methods.
fn public_item(item: &Item) -> Option<(String, Vec<String>)> {
    let text = |tokens: &dyn Fn() -> String| format!("    {}", tidy(&tokens()));
    let fields = |fields: &Fields| -> Vec<String> {
        let public = fields.iter().filter(|field| is_public(&field.vis));
        public
            .map(|field| {
                let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("    {name}: {}", tidy(&field.ty.to_token_stream().to_string()))
            })
            .collect()
    };
    Some(match item {
        Item::Struct(item) if is_public(&item.vis) => (item.ident.to_string(), fields(&item.fields)),
        Item::Enum(item) if is_public(&item.vis) => {
            let variants = item.variants.iter().map(|variant| {
                let mut variant = variant.clone();
                variant.attrs.clear();
                variant.fields.iter_mut().for_each(|field| field.attrs.clear());
                text(&|| variant.to_token_stream().to_string())
            });
            (item.ident.to_string(), variants.collect())
        }
        Item::Trait(item) if is_public(&item.vis) => {
            let members = item.items.iter().filter_map(|member| match member {
                TraitItem::Fn(function) => Some(text(&|| function.sig.to_token_stream().to_string())),
                _ => None,
            });
            (item.ident.to_string(), members.collect())
        }
        Item::Fn(item) if is_public(&item.vis) => {
            (item.sig.ident.to_string(), vec![text(&|| item.sig.to_token_stream().to_string())])
        }
        Item::Type(item) if is_public(&item.vis) => {
            (item.ident.to_string(), vec![text(&|| item.ty.to_token_stream().to_string())])
        }
        Item::Macro(item) if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) => {
            (item.ident.as_ref()?.to_string(), vec!["    macro".to_owned()])
        }
        _ => return None,
    })
}

/// Tokens as people write them.
fn tidy(tokens: &str) -> String {
    let mut text = tokens.split_whitespace().collect::<Vec<_>>().join(" ");
    for (from, to) in [
        (" :: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        (" ;", ";"),
        (" : ", ": "),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
        ("-&gt;", "->"),
        ("{ ", "{"),
        (" }", "}"),
        (" !", "!"),
        (":: ", "::"),
        (" ::", "::"),
        ("-> (", "->("),
        ("->(", "-> ("),
        ("' ", "'"),
        ("< ", "<"),
        (",)", ")"),
        (",>", ">"),
    ] {
        text = text.replace(from, to);
    }
    text.replace("->", " -> ").split_whitespace().collect::<Vec<_>>().join(" ")
}
