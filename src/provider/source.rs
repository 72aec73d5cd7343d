//! Where provider documents lie: a directory on disk, or inside the program.
//!
//! *Owns*: listing providers, choosing the newest version, reading files.
//! *Does not own*: what is in a document, and which source wins (`registry`).
//! *Invariants*: nothing outside the source's own directory is read.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use flate2::read::ZlibDecoder;

use crate::error::{Error, ErrorKind, Result};

/// The documents in the repository's `providers/`, in the layout of a source: path, and content packed by `build.rs`.
static SHIPPED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Their digests, made and packed by `build.rs`: a provider's under the path of its `provider.yaml`, a service's under
/// that path, a colon and the service's name.
static SHIPPED_DIGESTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/digests.rs"));

const PROVIDER_FILE: &str = "provider.yaml";

/// Somewhere provider documents can be read from. Paths are relative, with forward slashes, and begin with the
/// provider's directory: `linode/v1.0.0/services/images.yaml`.
pub trait DocumentSource: fmt::Debug + Send + Sync {
    /// What to call it in messages.
    fn label(&self) -> String;

    /// The `provider.yaml` of each provider, of its newest version where there are several.
    ///
    /// # Errors
    /// `NameNotFound` when the source is not there, `Provider` when it cannot be listed.
    fn provider_files(&self) -> Result<Vec<String>>;

    /// The content of a file.
    ///
    /// # Errors
    /// `NameNotFound` when there is no such file, `Provider` when it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>>;

    /// What to call a file of it in messages.
    fn display_path(&self, path: &str) -> String;

    /// The digest of a `provider.yaml`, or of the service of that name in it, where the source has one that was made of
    /// exactly its documents by exactly this code: then they need not be read.
    fn digest(&self, provider_file: &str, service: Option<&str>) -> Option<Vec<u8>> {
        let _ = (provider_file, service);
        None
    }
}

/// Documents in a directory: one that holds `<provider>/<version>/provider.yaml`, one that holds `src/<provider>/…`
/// (a checkout of the public registry), a provider's own directory, or one version of it.
#[derive(Debug, Clone)]
pub struct DirectorySource {
    path: PathBuf,
    layout: OnceLock<Result<Layout>>,
}

#[derive(Debug, Clone)]
struct Layout {
    /// The directory that holds the provider directories.
    base: PathBuf,
    /// The `provider.yaml` of each provider; only one when the path is a provider's own.
    files: Vec<String>,
}

impl DirectorySource {
    /// The documents under `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path, layout: OnceLock::new() }
    }

    fn layout(&self) -> Result<&Layout> {
        self.layout.get_or_init(|| self.find_layout()).as_ref().map_err(Clone::clone)
    }

    fn find_layout(&self) -> Result<Layout> {
        if !self.path.is_dir() {
            return Err(Error::new(
                ErrorKind::NameNotFound,
                format!("the provider directory `{}` is not there", self.path.display()),
            ));
        }
        // So that `.` and `linode/..` have names.
        let path = self.path.canonicalize().map_err(|error| unreadable(&self.path, error))?;
        let parent_of = |path: &Path| path.parent().map(Path::to_path_buf);
        if path.join(PROVIDER_FILE).is_file() {
            let base = parent_of(&path).and_then(|parent| parent_of(&parent));
            let relative = |base: &PathBuf| relative_path(base, &path.join(PROVIDER_FILE));
            if let Some((base, file)) = base.and_then(|base| relative(&base).map(|file| (base, file))) {
                return Ok(Layout { base, files: vec![file] });
            }
        }
        if let Some(version) = newest_version(&path)? {
            let base = parent_of(&path);
            let file = base.as_ref().and_then(|base| relative_path(base, &version));
            if let Some((base, file)) = base.zip(file) {
                return Ok(Layout { base, files: vec![file] });
            }
        }
        let base = if path.join("src").is_dir() { path.join("src") } else { path };
        let mut files = Vec::new();
        for provider in directories(&base)? {
            files.extend(newest_version(&provider)?.and_then(|file| relative_path(&base, &file)));
        }
        Ok(Layout { base, files })
    }
}

impl DocumentSource for DirectorySource {
    fn label(&self) -> String {
        self.path.display().to_string()
    }

    fn provider_files(&self) -> Result<Vec<String>> {
        self.layout().map(|layout| layout.files.clone())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let relative = Path::new(path);
        let inside = !path.is_empty() && relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(Error::new(ErrorKind::Provider, format!("`{path}` leads out of the provider directory")));
        }
        let base = &self.layout()?.base;
        let full = base.join(relative);
        let full = if full.is_file() { full } else { in_other_case(&full).ok_or_else(|| self.missing(path))? };
        // A link must not lead out either.
        let real = full.canonicalize().map_err(|error| unreadable(&full, error))?;
        if !real.starts_with(base) {
            return Err(Error::new(ErrorKind::Provider, format!("`{path}` leads out of the provider directory")));
        }
        std::fs::read(&real).map_err(|error| unreadable(&full, error))
    }

    fn display_path(&self, path: &str) -> String {
        self.layout().map_or_else(|_| path.to_owned(), |layout| layout.base.join(path).display().to_string())
    }
}

impl DirectorySource {
    fn missing(&self, path: &str) -> Error {
        Error::new(ErrorKind::NameNotFound, format!("the document `{path}` is not there"))
            .with("providers", self.label())
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Provider, "the provider documents cannot be read")
        .with("file", path.display().to_string())
        .caused_by(error)
}

fn relative_path(base: &Path, file: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = file.strip_prefix(base).ok()?.iter().map(std::ffi::OsStr::to_str).collect();
    parts.map(|parts| parts.join("/"))
}

/// The directories inside one, sorted.
fn directories(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, error))?;
    let mut found: Vec<PathBuf> =
        entries.filter_map(std::result::Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

/// The `provider.yaml` of the newest version in a provider's directory.
fn newest_version(provider: &Path) -> Result<Option<PathBuf>> {
    let files = directories(provider)?.into_iter().map(|version| version.join(PROVIDER_FILE));
    let version = |file: &Path| {
        let name = file.parent().and_then(Path::file_name).and_then(std::ffi::OsStr::to_str);
        Version::parse(name.unwrap_or_default())
    };
    Ok(files.filter(|file| file.is_file()).max_by_key(|file| version(file)))
}

/// The one file whose name differs in case only. A registry made on a file system without case needs it.
fn in_other_case(path: &Path) -> Option<PathBuf> {
    let wanted = path.file_name()?.to_str()?.to_lowercase();
    let entries = std::fs::read_dir(path.parent()?).ok()?;
    let mut found = entries.filter_map(std::result::Result::ok).filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.to_lowercase() == wanted) && entry.path().is_file()
    });
    let first = found.next()?;
    if found.next().is_some() { None } else { Some(first.path()) }
}

/// A version as registries write them: `v1.10.0`, `v24.01.00123`, `2.0.0-beta`. Releases come after pre-releases of the
/// same number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    numbers: Vec<u64>,
    is_release: bool,
    text: String,
}

impl Version {
    fn parse(text: &str) -> Self {
        let bare = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (core, suffix) = bare.split_once(['-', '+']).unwrap_or((bare, ""));
        let mut numbers: Vec<u64> = core.split('.').map_while(|part| part.parse().ok()).collect();
        while numbers.last() == Some(&0) {
            numbers.pop(); // `v1` and `v1.0.0` are one
        }
        Self { numbers, is_release: suffix.is_empty(), text: text.to_owned() }
    }
}

/// Documents inside the program.
#[derive(Clone, Copy)]
pub struct EmbeddedSource {
    files: &'static [(&'static str, &'static [u8])],
    digests: &'static [(&'static str, &'static [u8])],
}

impl EmbeddedSource {
    /// The providers this version ships.
    pub fn shipped() -> Self {
        Self { files: SHIPPED, digests: SHIPPED_DIGESTS }
    }

    /// The same documents without their digests, so that they are parsed.
    #[cfg(test)]
    pub(super) fn documents(self) -> MemorySource {
        let files = self.files.iter().map(|(path, packed)| ((*path).to_owned(), unpack(packed).unwrap()));
        MemorySource::new("shipped", files.collect())
    }
}

fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl fmt::Debug for EmbeddedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedSource")
    }
}

impl DocumentSource for EmbeddedSource {
    fn label(&self) -> String {
        "shipped with skyql".to_owned()
    }

    fn provider_files(&self) -> Result<Vec<String>> {
        let mut newest: BTreeMap<&str, (Version, String)> = BTreeMap::new();
        for (path, _) in self.files {
            let [provider, version, file] = path.split('/').collect::<Vec<_>>()[..] else { continue };
            if file != PROVIDER_FILE {
                continue;
            }
            let found = (Version::parse(version), (*path).to_owned());
            if newest.get(provider).is_none_or(|known| known.0 < found.0) {
                newest.insert(provider, found);
            }
        }
        Ok(newest.into_values().map(|(_, path)| path).collect())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let Some((_, packed)) = self.files.iter().find(|(name, _)| *name == path) else {
            return Err(Error::new(ErrorKind::NameNotFound, format!("the document `{path}` is not shipped")));
        };
        unpack(packed).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("the document `{path}` cannot be unpacked")).caused_by(error)
        })
    }

    fn display_path(&self, path: &str) -> String {
        format!("shipped:{path}")
    }

    fn digest(&self, provider_file: &str, service: Option<&str>) -> Option<Vec<u8>> {
        let wanted = service.map_or_else(|| provider_file.to_owned(), |service| format!("{provider_file}:{service}"));
        let (_, packed) = self.digests.iter().find(|(name, _)| *name == wanted)?;
        unpack(packed).ok()
    }
}

/// Documents in memory: what an import made, or a program supplies.
#[derive(Clone)]
pub struct MemorySource {
    label: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl MemorySource {
    /// The documents `files`, by their paths; `label` names the source in messages.
    pub fn new(label: &str, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { label: label.to_owned(), files }
    }

    /// The documents by their paths.
    pub fn into_files(self) -> BTreeMap<String, Vec<u8>> {
        self.files
    }
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySource").field("label", &self.label).finish_non_exhaustive()
    }
}

impl DocumentSource for MemorySource {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn provider_files(&self) -> Result<Vec<String>> {
        Ok(self.files.keys().filter(|path| path.ends_with(&format!("/{PROVIDER_FILE}"))).cloned().collect())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| {
            Error::new(ErrorKind::NameNotFound, format!("the document `{path}` is not there"))
                .with("providers", self.label.clone())
        })
    }

    fn display_path(&self, path: &str) -> String {
        format!("{}:{path}", self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let full = root.join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
    }

    fn files(path: PathBuf) -> Vec<String> {
        DirectorySource::new(path).provider_files().unwrap()
    }

    #[test]
    fn layouts() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        write(root, "flat/shop/v1.2.0/provider.yaml", "name: shop");
        write(root, "flat/shop/v1.10.0/provider.yaml", "name: shop");
        write(root, "flat/shop/v1.11.0/notes.txt", "");
        write(root, "flat/bank/v2/provider.yaml", "name: bank");
        write(root, "flat/empty/readme.md", "");
        write(root, "checkout/src/shop/v00.00.00000/provider.yaml", "name: shop");
        for (path, expected) in [
            ("flat", &["bank/v2/provider.yaml", "shop/v1.10.0/provider.yaml"][..]),
            ("checkout", &["shop/v00.00.00000/provider.yaml"]),
            ("flat/shop", &["shop/v1.10.0/provider.yaml"]),
            ("flat/shop/v1.2.0", &["shop/v1.2.0/provider.yaml"]),
            ("flat/empty", &[]),
        ] {
            assert_eq!(files(root.join(path)), expected, "{path}");
        }
        let source = DirectorySource::new(root.join("flat/shop"));
        assert_eq!(source.read("shop/v1.2.0/provider.yaml").unwrap(), b"name: shop");
        let error = DirectorySource::new(root.join("none")).provider_files().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameNotFound);
    }

    #[test]
    fn nothing_outside_is_read() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        write(root, "secret.yaml", "x: 1");
        write(root, "p/shop/v1/provider.yaml", "name: shop");
        write(root, "p/shop/v1/services/Org.yaml", "a: 1");
        let source = DirectorySource::new(root.join("p"));
        for path in ["../secret.yaml", "shop/../../secret.yaml", "/etc/hostname", "", "shop/./v1/../../../secret.yaml"]
        {
            let error = source.read(path).unwrap_err();
            assert!(error.message().contains("leads out"), "{path}: {error}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("secret.yaml"), root.join("p/shop/v1/link.yaml")).unwrap();
            assert!(source.read("shop/v1/link.yaml").unwrap_err().message().contains("leads out"));
        }
        assert_eq!(source.read("shop/v1/services/org.yaml").unwrap(), b"a: 1");
        let error = source.read("shop/v1/services/none.yaml").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameNotFound);
    }

    #[test]
    fn versions_compare_by_number() {
        let mut versions = ["v1.10.0", "v1.9.0", "2.0.0-beta", "v2", "v24.01.00123", "v00.00.00000", "v1.9.0-rc1"];
        versions.sort_by_key(|text| Version::parse(text));
        assert_eq!(versions, ["v00.00.00000", "v1.9.0-rc1", "v1.9.0", "v1.10.0", "2.0.0-beta", "v2", "v24.01.00123"]);
    }

    #[test]
    fn shipped_documents_are_there() {
        let source = EmbeddedSource::shipped();
        for file in source.provider_files().unwrap() {
            assert!(!source.read(&file).unwrap().is_empty(), "{file}");
        }
        assert_eq!(source.read("none/v1/provider.yaml").unwrap_err().kind(), ErrorKind::NameNotFound);
        let packed: usize = SHIPPED.iter().chain(SHIPPED_DIGESTS).map(|(_, bytes)| bytes.len()).sum();
        assert!(packed < 1_500_000, "documents and digests take {packed} bytes of the program");
        assert!(SHIPPED.iter().all(|(path, _)| !path.contains("overlay")));
    }
}
