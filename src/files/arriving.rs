//! A file that is written as its bytes come, beside its place, and takes its name when it is whole.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as Io, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::leaving::{absolute, hex};
use super::trouble::{blocking, unwritable};
use crate::config::OnExisting;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::LocalFile;

/// Bytes that are gathered before they are written.
const GATHERED: usize = 1 << 20;

/// Distinguishes temporary files of one process.
static TEMPORARY_FILES: AtomicU64 = AtomicU64::new(0);

/// A file on its way. Dropped before [`ArrivingFile::finish`], it leaves nothing.
#[derive(Debug)]
pub struct ArrivingFile {
    target: PathBuf,
    temporary: PathBuf,
    existing: OnExisting,
    /// Away while it writes.
    writer: Option<Writer>,
    gathered: Vec<Bytes>,
    length: usize,
}

#[derive(Debug)]
struct Writer {
    file: File,
    hash: Sha256,
    bytes: u64,
}

/// The place that a file may take, from the root.
///
/// # Errors
/// `InvalidArgument` when a file is there that may not be replaced, when something is there that is no file, or when
/// the directory is not there.
pub async fn check_target(path: &str, existing: OnExisting) -> Result<String> {
    let path = path.to_owned();
    blocking(move || place(&path, existing).map(|_| absolute(&path))).await?
}

impl ArrivingFile {
    /// Begins a file that will be called `path`.
    ///
    /// # Errors
    /// As [`check_target`], and `InvalidArgument` when no file can be made there.
    pub async fn begin(path: &str, existing: OnExisting) -> Result<Self> {
        let path = path.to_owned();
        blocking(move || {
            let target = place(&path, existing)?;
            let (temporary, file) = create_beside(&target)?;
            let writer = Some(Writer { file, hash: Sha256::new(), bytes: 0 });
            Ok(Self { target, temporary, existing, writer, gathered: Vec::new(), length: 0 })
        })
        .await?
    }

    /// What it will be called, without its directory.
    pub fn name(&self) -> String {
        self.target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// `InvalidArgument` when they cannot be written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.length += bytes.len();
        self.gathered.push(bytes);
        if self.length < GATHERED { Ok(()) } else { self.flush().await }
    }

    /// Gives the file its name, once every byte is on the disk.
    ///
    /// # Errors
    /// `InvalidArgument` when it cannot be written, or when a file has come to be there in the meantime.
    pub async fn finish(mut self) -> Result<LocalFile> {
        self.flush().await?;
        let Some(writer) = self.writer.take() else { return Err(lost()) };
        let (temporary, target, existing) = (self.temporary.clone(), self.target.clone(), self.existing);
        blocking(move || {
            let Writer { file, hash, bytes } = writer;
            let failed = |error: std::io::Error| unwritable(&target, &error);
            file.sync_all().map_err(failed)?;
            drop(file);
            give_name(&temporary, &target, existing)?;
            if cfg!(unix) {
                // Windows cannot open a directory as a file, and keeps names durable by itself.
                File::open(directory_of(&target)).and_then(|directory| directory.sync_all()).map_err(failed)?;
            }
            let path = target.to_str().map_or_else(|| target.display().to_string(), str::to_owned);
            Ok(LocalFile { path, bytes, sha256: hex(&hash.finalize()), field: None })
        })
        .await?
    }

    async fn flush(&mut self) -> Result<()> {
        let Some(mut writer) = self.writer.take() else { return Err(lost()) };
        let (gathered, target) = (std::mem::take(&mut self.gathered), self.target.clone());
        self.length = 0;
        let written = blocking(move || {
            for bytes in gathered {
                writer.file.write_all(&bytes).map_err(|error| unwritable(&target, &error))?;
                writer.hash.update(&bytes);
                writer.bytes += bytes.len() as u64;
            }
            Ok(writer)
        })
        .await??;
        self.writer = Some(written);
        Ok(())
    }
}

impl Drop for ArrivingFile {
    fn drop(&mut self) {
        // After it has its name there is nothing of this one to remove.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Internal, "the file was written to after it broke off")
}

/// Where the file goes: behind a link, where one is there.
fn place(path: &str, existing: OnExisting) -> Result<PathBuf> {
    let refused = |message: String| Err(Error::new(ErrorKind::InvalidArgument, message));
    if path.is_empty() {
        return refused("the name of the file is empty".to_owned());
    }
    let target = std::path::absolute(path).map_err(|error| unwritable(Path::new(path), &error))?;
    if path.ends_with(std::path::is_separator) || target.file_name().is_none() {
        return refused(format!("`{path}` is the name of a directory, not of a file"));
    }
    let target = match std::fs::symlink_metadata(&target) {
        Ok(found) if found.is_symlink() => match std::fs::canonicalize(&target) {
            Ok(behind) => behind,
            Err(_) => return refused(format!("`{path}` is a link that leads nowhere")),
        },
        _ => target,
    };
    match std::fs::metadata(&target) {
        Ok(found) if found.is_dir() => refused(format!("`{path}` is a directory")),
        Ok(found) if !found.is_file() => refused(format!("`{path}` is no plain file")),
        Ok(_) if existing == OnExisting::Fail => Err(taken(&target)),
        Ok(_) => Ok(target),
        Err(_) if directory_of(&target).is_dir() => Ok(target),
        Err(_) => refused(format!("there is no directory `{}`", directory_of(&target).display())),
    }
}

fn taken(target: &Path) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("`{}` is there already", target.display()))
        .hint("it stays as it is; `--force` or `SET on_existing = 'replace'` lets it be replaced")
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file in the same directory, so that giving it its name moves no bytes.
fn create_beside(target: &Path) -> Result<(PathBuf, File)> {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // File systems take names of 255 bytes.
    let name: String = name.chars().take(50).collect();
    loop {
        let number = TEMPORARY_FILES.fetch_add(1, Ordering::Relaxed);
        let temporary = target.with_file_name(format!(".{name}.{}-{number}.part", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            // Left behind by a process that had our number before us.
            Err(error) if error.kind() == Io::AlreadyExists => {}
            Err(error) => return Err(unwritable(target, &error)),
        }
    }
}

/// A rename would take the place of whatever is there; a second name for the file cannot.
fn give_name(temporary: &Path, target: &Path, existing: OnExisting) -> Result<()> {
    if existing == OnExisting::Fail {
        match std::fs::hard_link(temporary, target) {
            Ok(()) => {
                let _ = std::fs::remove_file(temporary);
                return Ok(());
            }
            Err(error) if error.kind() == Io::AlreadyExists => return Err(taken(target)),
            // A file system without second names: look, and rename.
            Err(_) if target.exists() => return Err(taken(target)),
            Err(_) => {}
        }
    }
    std::fs::rename(temporary, target).map_err(|error| unwritable(target, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &tempfile::TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_has_its_name_when_it_is_whole_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.img");
        let path = path.to_str().unwrap();
        let mut file = ArrivingFile::begin(path, OnExisting::Fail).await.unwrap();
        file.write(Bytes::from_static(b"ab")).await.unwrap();
        file.write(vec![b'c'; GATHERED].into()).await.unwrap();
        assert!(matches!(names(&directory).as_slice(), [part] if part.contains(".part")), "{:?}", names(&directory));
        let written = file.finish().await.unwrap();
        assert_eq!((written.path.as_str(), written.bytes), (path, GATHERED as u64 + 2));
        assert_eq!(names(&directory), ["a.img"]);
        let again = super::super::look_at(path, None).await.unwrap();
        assert_eq!(again, written);

        // What breaks off leaves nothing.
        let other = directory.path().join("b.img");
        let mut file = ArrivingFile::begin(other.to_str().unwrap(), OnExisting::Fail).await.unwrap();
        file.write(vec![b'c'; GATHERED].into()).await.unwrap();
        drop(file);
        assert_eq!(names(&directory), ["a.img"]);
    }

    #[tokio::test]
    async fn a_file_that_is_there_stays_unless_it_may_be_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.img");
        let text = path.to_str().unwrap();
        std::fs::write(&path, "old").unwrap();
        let error = check_target(text, OnExisting::Fail).await.unwrap_err();
        assert!(error.message().contains("is there already") && error.hint_text().unwrap().contains("--force"));
        assert!(ArrivingFile::begin(text, OnExisting::Fail).await.is_err());
        let mut file = ArrivingFile::begin(text, OnExisting::Replace).await.unwrap();
        file.write(Bytes::from_static(b"new")).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        file.finish().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");

        // It comes to be there while the bytes are on their way.
        std::fs::remove_file(&path).unwrap();
        let file = ArrivingFile::begin(text, OnExisting::Fail).await.unwrap();
        std::fs::write(&path, "theirs").unwrap();
        assert!(file.finish().await.unwrap_err().message().contains("is there already"));
        assert_eq!((std::fs::read(&path).unwrap().as_slice(), names(&directory).len()), (&b"theirs"[..], 1));
    }

    #[tokio::test]
    async fn places_that_cannot_be_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("{}/{name}", directory.path().display());
        std::fs::write(at("file"), "x").unwrap();
        for (path, said) in [
            (String::new(), "is empty"),
            (at(""), "name of a directory"),
            (directory.path().display().to_string(), "is a directory"),
            (at("none/a.img"), "there is no directory"),
            (at("file/a.img"), "there is no directory"),
            ("/".to_owned(), "name of a directory"),
        ] {
            let error = check_target(&path, OnExisting::Replace).await.unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidArgument && error.message().contains(said), "{path}: {error}");
        }
        #[cfg(unix)]
        {
            assert!(check_target("/dev/null", OnExisting::Replace).await.is_err());
            std::os::unix::fs::symlink(at("gone"), at("nowhere")).unwrap();
            assert!(check_target(&at("nowhere"), OnExisting::Replace).await.is_err());
            // A link stays one: what it leads to is replaced.
            std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
            assert!(check_target(&at("link"), OnExisting::Fail).await.is_err());
            let mut file = ArrivingFile::begin(&at("link"), OnExisting::Replace).await.unwrap();
            file.write(Bytes::from_static(b"new")).await.unwrap();
            file.finish().await.unwrap();
            assert!(std::fs::symlink_metadata(at("link")).unwrap().is_symlink());
            assert_eq!(std::fs::read(at("file")).unwrap(), b"new");
        }
    }
}
