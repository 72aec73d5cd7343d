//! A file that is there whole, or not at all.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// Distinguishes the unfinished files of one process.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// A file beside its place, which it takes when it is whole; dropped before, it is gone.
#[derive(Debug)]
pub(super) struct WholeFile {
    place: PathBuf,
    unfinished: PathBuf,
    overwrite: bool,
}

impl WholeFile {
    /// Begins a file; what is at its place stays until it is whole.
    ///
    /// # Errors
    /// `InvalidArgument` when something is there that may not be replaced, or when nothing can be written there.
    pub(super) fn begin(place: &Path, overwrite: bool) -> Result<(Self, File)> {
        if place.is_dir() {
            return Err(cannot(place, "a directory is there"));
        }
        if !overwrite && place.exists() {
            return Err(taken(place));
        }
        let Some(name) = place.file_name() else { return Err(cannot(place, "it names no file")) };
        loop {
            let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{number}.part", std::process::id()));
            let unfinished = place.with_file_name(hidden);
            match OpenOptions::new().write(true).create_new(true).open(&unfinished) {
                Ok(file) => return Ok((Self { place: place.to_owned(), unfinished, overwrite }, file)),
                // Left behind by a process that had our number before us.
                Err(error) if error.kind() == Io::AlreadyExists => {}
                Err(error) => return Err(cannot(place, &error.to_string())),
            }
        }
    }

    /// Puts the file, which is written, in its place.
    ///
    /// # Errors
    /// `InvalidArgument` when somebody else has put something there meanwhile, or when it cannot be put there.
    pub(super) fn finish(self, file: &File) -> Result<()> {
        file.sync_all().map_err(|error| cannot(&self.place, &error.to_string()))?;
        if self.overwrite {
            return std::fs::rename(&self.unfinished, &self.place)
                .map_err(|error| cannot(&self.place, &error.to_string()));
        }
        // A link is made only where nothing is; not every file system has links.
        match std::fs::hard_link(&self.unfinished, &self.place) {
            Ok(()) => Ok(()),
            Err(_) if self.place.exists() => Err(taken(&self.place)),
            Err(_) => {
                std::fs::rename(&self.unfinished, &self.place).map_err(|error| cannot(&self.place, &error.to_string()))
            }
        }
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // Gone already when it took its place by its name.
        let _ = std::fs::remove_file(&self.unfinished);
    }
}

fn taken(place: &Path) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the file `{}` is there already", place.display()))
        .hint("`(OVERWRITE true)` at the end replaces it")
}

pub(super) fn cannot(place: &Path, reason: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the file `{}` cannot be written", place.display()))
        .with("reason", reason)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn it_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x.csv");
        let names = || std::fs::read_dir(dir.path()).unwrap().count();
        let (begun, mut file) = WholeFile::begin(&place, false).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!place.exists());
        drop(begun);
        assert_eq!(names(), 0);
        let (begun, mut file) = WholeFile::begin(&place, false).unwrap();
        file.write_all(b"one").unwrap();
        begun.finish(&file).unwrap();
        assert_eq!((std::fs::read(&place).unwrap(), names()), (b"one".to_vec(), 1));
        assert_eq!(WholeFile::begin(&place, false).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let (begun, mut file) = WholeFile::begin(&place, true).unwrap();
        file.write_all(b"two").unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), b"one");
        begun.finish(&file).unwrap();
        assert_eq!((std::fs::read(&place).unwrap(), names()), (b"two".to_vec(), 1));
    }

    #[test]
    fn what_came_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x.csv");
        let (begun, file) = WholeFile::begin(&place, false).unwrap();
        std::fs::write(&place, "theirs").unwrap();
        assert!(begun.finish(&file).unwrap_err().message().contains("is there already"));
        assert_eq!(std::fs::read(&place).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        for wrong in [dir.path().to_owned(), dir.path().join("none/x.csv"), PathBuf::from("/")] {
            assert_eq!(WholeFile::begin(&wrong, true).unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong:?}");
        }
    }
}
