//! Packs the shipped provider documents: each is compressed by itself, so that only those that are read are unpacked.
//! Also tells programs apart that read documents differently.

#![expect(clippy::disallowed_methods, reason = "what Cargo tells a build script is in its environment")]
#![expect(clippy::unnecessary_debug_formatting, reason = "a literal of Rust is wanted")]

use std::error::Error;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::ZlibEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=providers");
    println!("cargo::rerun-if-changed=src/provider");
    println!("cargo::rerun-if-changed=build.rs");
    let home = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rustc-env=SKYQL_PROVIDER_CODE={:016x}", hash_of(&home.join("src/provider"))?);
    let root = home.join("providers");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut index = String::from("&[\n");
    for (number, path) in documents(&root)?.iter().enumerate() {
        let name: Vec<_> = path.strip_prefix(&root)?.iter().map(|part| part.to_string_lossy()).collect();
        let packed = out.join(format!("{number}.z"));
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&fs::read(path)?)?;
        fs::write(&packed, encoder.finish()?)?;
        writeln!(index, "({:?}, include_bytes!({:?})),", name.join("/"), packed)?;
    }
    index.push_str("]\n");
    fs::write(out.join("shipped.rs"), index)?;
    Ok(())
}

/// `<provider>/<version>/provider.yaml` and `<provider>/<version>/services/*`; overlays are for the next import and
/// not part of the program.
fn documents(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for provider in sorted(root)? {
        for version in sorted(&provider)? {
            found.push(version.join("provider.yaml"));
            found.extend(sorted(&version.join("services"))?);
        }
    }
    found.retain(|path| path.is_file());
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

/// A hash of all files below a directory.
fn hash_of(directory: &Path) -> Result<u64, Box<dyn Error>> {
    let mut hasher = DefaultHasher::new();
    for path in sorted(directory)? {
        if path.is_dir() {
            hasher.write_u64(hash_of(&path)?);
        } else {
            hasher.write(&fs::read(path)?);
        }
    }
    Ok(hasher.finish())
}
