//! Packs the shipped provider documents: each is compressed by itself, so that only those that are read are unpacked.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::ZlibEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=providers");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("providers");
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
