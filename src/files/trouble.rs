//! What is wrong with a file, for people.

use std::io::ErrorKind as Io;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::threads::off_thread;

/// Runs what waits for the disk off the async threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    off_thread("work on a file", work).await
}

/// `NameNotFound` or `InvalidArgument`: the file cannot be read, and why.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    match error.kind() {
        Io::NotFound | Io::NotADirectory => Error::new(ErrorKind::NameNotFound, format!("there is no file `{shown}`")),
        Io::PermissionDenied => Error::new(ErrorKind::InvalidArgument, format!("`{shown}` may not be read")),
        _ => Error::new(ErrorKind::InvalidArgument, format!("`{shown}` cannot be read"))
            .with("reason", error.to_string()),
    }
}

/// `InvalidArgument`: the file cannot be written, and why.
pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    let wrong = |message: String| Error::new(ErrorKind::InvalidArgument, message);
    match error.kind() {
        Io::StorageFull | Io::QuotaExceeded => wrong(format!("the disk is full: `{shown}` cannot be written")),
        Io::FileTooLarge => wrong(format!("`{shown}` grows larger than a file may be here")),
        Io::PermissionDenied | Io::ReadOnlyFilesystem => wrong(format!("`{shown}` may not be written")),
        Io::NotFound | Io::NotADirectory => wrong(format!("`{shown}` cannot be written: its directory is not there")),
        _ => wrong(format!("`{shown}` cannot be written")).with("reason", error.to_string()),
    }
}
