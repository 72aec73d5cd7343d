//! Packs the shipped provider documents, and the digests that are made of them here, so that the program need not parse
//! what it ships: each is compressed by itself, so that only those that are read are unpacked. Also tells programs apart
//! that read documents differently.

#![expect(clippy::disallowed_methods, reason = "what Cargo tells a build script is in its environment")]
#![expect(clippy::unnecessary_debug_formatting, reason = "a literal of Rust is wanted")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::ZlibEncoder;

#[path = "src/error.rs"]
#[allow(dead_code, unreachable_pub, reason = "the program uses the rest")]
mod error;

/// What of the program's room `provider` turns a document into a digest.
#[path = "src/provider"]
#[allow(dead_code, unreachable_pub, clippy::struct_field_names, reason = "the program uses and exports the rest")]
mod provider {
    mod auth;
    mod call;
    pub mod document;
    mod idempotency;
    mod item_path;
    pub mod kept;
    mod keys;
    pub mod load;
    mod model;
    mod pagination;
    mod paging_inference;
    mod parameters;
    mod pushdown;
    mod response;
    mod schema;
    mod secrets;
    mod upload;
    mod url_template;
    mod waiting;
    mod yaml;

    pub use idempotency::IdempotencyKey;
    pub use upload::UploadStep;
}

/// Files by their path below `providers/`.
type Files = BTreeMap<String, Vec<u8>>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=providers");
    println!("cargo::rerun-if-changed=src/provider");
    println!("cargo::rerun-if-changed=src/error.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let home = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rustc-env=SKYQL_PROVIDER_CODE={:016x}", hash_of(&home)?);
    let documents = documents(&home.join("providers"))?;
    let mut digests = Files::new();
    for file in documents.keys().filter(|path| path.ends_with("/provider.yaml")) {
        // What has no digest is parsed when it is used, and says then what is wrong with it.
        if let Err(error) = add_digests(&documents, file, &mut digests) {
            println!("cargo::warning=no digests of {file}: {error}");
        }
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    pack(&documents, &out, "shipped")?;
    pack(&digests, &out, "digests")
}

/// Writes the files packed, and `<name>.rs`, an expression that holds their paths and contents.
fn pack(files: &Files, out: &Path, name: &str) -> Result<(), Box<dyn Error>> {
    let mut index = String::from("&[\n");
    for (number, (path, content)) in files.iter().enumerate() {
        let packed = out.join(format!("{name}{number}.z"));
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content)?;
        fs::write(&packed, encoder.finish()?)?;
        writeln!(index, "({path:?}, include_bytes!({packed:?})),")?;
    }
    index.push_str("]\n");
    fs::write(out.join(format!("{name}.rs")), index)?;
    Ok(())
}

/// The digest of a provider under the path of its `provider.yaml`, and those of its services under that path, a colon and
/// their name.
fn add_digests(documents: &Files, file: &str, digests: &mut Files) -> Result<(), Box<dyn Error>> {
    let parse = |path: &str| -> Result<_, Box<dyn Error>> {
        let text = documents.get(path).ok_or_else(|| format!("`{path}` is not there"))?;
        Ok(provider::document::Document::parse(text, path)?)
    };
    let document = parse(file)?;
    let directory = file.split('/').next().unwrap_or_default();
    let provider = provider::load::load_provider(&document, directory)?;
    for service in provider.services.values() {
        let made = provider::load::load_service(&provider, &document, service, &parse(&service.path)?)?;
        digests.insert(format!("{file}:{}", service.name), provider::kept::KeptService::write(&made)?);
    }
    digests.insert(file.to_owned(), serde_json::to_vec(&provider)?);
    Ok(())
}

/// `<provider>/<version>/provider.yaml` and `<provider>/<version>/services/*`; overlays are for the next import and
/// not part of the program.
fn documents(root: &Path) -> Result<Files, Box<dyn Error>> {
    let mut found = Files::new();
    for version in sorted(root)?.iter().map(|provider| sorted(provider)).collect::<Result<Vec<_>, _>>()?.concat() {
        let services = sorted(&version.join("services"))?;
        for path in services.into_iter().chain([version.join("provider.yaml")]).filter(|path| path.is_file()) {
            let name: Vec<_> = path.strip_prefix(root)?.iter().map(|part| part.to_string_lossy()).collect();
            found.insert(name.join("/"), fs::read(&path)?);
        }
    }
    Ok(found)
}

fn sorted(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    paths.sort_unstable();
    Ok(paths)
}

/// A hash of the sources that decide what a document means.
fn hash_of(home: &Path) -> Result<u64, Box<dyn Error>> {
    let mut hasher = DefaultHasher::new();
    let mut directories = vec![home.join("src/provider")];
    hasher.write(&fs::read(home.join("src/error.rs"))?);
    while let Some(directory) = directories.pop() {
        for path in sorted(&directory)? {
            if path.is_dir() {
                directories.push(path);
            } else {
                hasher.write(&fs::read(path)?);
            }
        }
    }
    Ok(hasher.finish())
}
