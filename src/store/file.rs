//! Files that are whole and on the disk, and errors that say which file and why.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as Io, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// Distinguishes temporary files of one process.
static TEMPORARY_FILES: AtomicU64 = AtomicU64::new(0);

/// Writes a file whole: a reader, or a power cut, finds the old content or the new.
///
/// # Errors
/// As [`write_error`].
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    write_whole_with(path, |file| file.write_all(content))
}

/// [`write_whole`], of what `content` writes.
///
/// # Errors
/// As [`write_error`], also when `content` fails.
pub(super) fn write_whole_with(path: &Path, content: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let (temporary, mut file) = create_temporary(path)?;
    let written = content(&mut file).and_then(|()| file.sync_all());
    drop(file);
    let renamed = written.and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = renamed {
        // It is of no use; that it cannot be removed would hide why.
        let _ = std::fs::remove_file(&temporary);
        return Err(write_error(path, &error));
    }
    sync_directory(parent_of(path))
}

/// Makes a file that nobody has made before; false when somebody has, also at this moment in another process.
///
/// # Errors
/// As [`write_error`]; then the file is not there.
pub(super) fn create_once(path: &Path, content: &[u8]) -> Result<bool> {
    let mut file = match private().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == Io::AlreadyExists => return Ok(false),
        Err(error) => return Err(write_error(path, &error)),
    };
    let written = file.write_all(content).and_then(|()| file.sync_all()).map_err(|error| write_error(path, &error));
    let durable = written.and_then(|()| sync_directory(parent_of(path)));
    if let Err(error) = durable {
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(true)
}

/// Makes the names in a directory durable.
///
/// # Errors
/// As [`write_error`].
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    // Windows cannot open a directory as a file, and keeps names durable by itself.
    if cfg!(unix) {
        File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| write_error(path, &error))?;
    }
    Ok(())
}

/// Options for files that only their owner can read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates a directory that only its owner can enter, and those above it that are missing.
///
/// # Errors
/// As [`write_error`]; `InvalidArgument` when something else is there.
pub(super) fn create_directory(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => {
            return Err(Error::new(ErrorKind::InvalidArgument, "a file is where the state directory should be")
                .with("file", path.display().to_string())
                .hint("move the file away, or choose another state directory"));
        }
        Err(_) => {}
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made: Vec<&Path> = path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    builder.create(path).map_err(|error| write_error(path, &error))?;
    // What is in them is on the disk only when their own names are.
    made.into_iter().try_for_each(|made| sync_directory(parent_of(made)))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `InvalidArgument`: the file, why it cannot be written, and what helps.
pub(super) fn write_error(path: &Path, error: &std::io::Error) -> Error {
    let (message, hint) = match error.kind() {
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => {
            ("the disk is full: the file cannot be written", "free some space on the disk of the state directory")
        }
        Io::PermissionDenied | Io::ReadOnlyFilesystem => {
            ("the file cannot be written", "the state directory must be yours to write in")
        }
        Io::NotADirectory | Io::AlreadyExists => {
            ("a file is where a directory should be", "move the file away, or choose another state directory")
        }
        Io::Unsupported => {
            ("the file system of the state directory lacks what is needed", "choose a state directory on a local disk")
        }
        _ => ("the file cannot be written", "see whether the state directory is there and in order"),
    };
    Error::new(ErrorKind::InvalidArgument, message)
        .with("file", path.display().to_string())
        .with("reason", error.to_string())
        .hint(hint)
}

/// `InvalidArgument`: the file, and why it cannot be read.
pub(super) fn read_error(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, "the file cannot be read")
        .with("file", path.display().to_string())
        .with("reason", error.to_string())
}

/// `Decode`: the file, and what is wrong in it.
pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::Decode, "the file is damaged")
        .with("file", path.display().to_string())
        .with("reason", reason)
        .hint("it is left as it is; move it away to go on without it")
}

fn create_temporary(path: &Path) -> Result<(PathBuf, File)> {
    let name = path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    loop {
        let number = TEMPORARY_FILES.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!(".{name}.{}-{number}.tmp", std::process::id()));
        match private().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            // Left behind by a process that had our number before us.
            Err(error) if error.kind() == Io::AlreadyExists => {}
            Err(error) => return Err(write_error(&temporary, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        let error = write_whole(&directory.path().join("none/a.json"), b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        // A directory stands in the way of the rename: the temporary file goes.
        std::fs::create_dir(directory.path().join("b.json")).unwrap();
        assert!(write_whole(&directory.path().join("b.json"), b"x").is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_is_created_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("once");
        assert!(create_once(&path, b"one").unwrap());
        assert!(!create_once(&path, b"two").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn errors_say_which_file_and_what_helps() {
        for (kind, message) in [
            (Io::StorageFull, "the disk is full: the file cannot be written"),
            (Io::QuotaExceeded, "the disk is full: the file cannot be written"),
            (Io::PermissionDenied, "the file cannot be written"),
            (Io::NotADirectory, "a file is where a directory should be"),
            (Io::Other, "the file cannot be written"),
        ] {
            let error = write_error(Path::new("/state/plans/x.json"), &kind.into());
            assert_eq!(error.message(), message);
            assert_eq!(error.context_value("file"), Some("/state/plans/x.json"));
            assert!(error.hint_text().is_some());
        }
    }
}
