//! A file that grows by whole lines, each on the disk before the writer goes on.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::file::write_error;
use crate::error::{Error, ErrorKind, Result};

/// The one writer of a locked file. Lines that wait for the disk at the same time share one wait.
#[derive(Debug)]
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    tail: Mutex<Tail>,
    /// How many bytes are on the disk; held while waiting for it.
    durable: Mutex<u64>,
}

#[derive(Debug)]
struct Tail {
    length: u64,
    /// What is in the file is no longer known.
    broken: bool,
}

impl AppendFile {
    /// Goes on after `length` bytes, all of which are on the disk.
    pub(super) fn new(path: PathBuf, file: File, length: u64) -> Self {
        Self { path, file, tail: Mutex::new(Tail { length, broken: false }), durable: Mutex::new(length) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line, and returns when it is on the disk.
    ///
    /// # Errors
    /// As [`write_error`]. A line that did not fit is taken back; where that fails, or the disk does, nothing more is
    /// written.
    pub(super) fn append(&self, line: &str) -> Result<()> {
        let end = self.write(line)?;
        let mut durable = locked(&self.durable);
        if *durable >= end {
            return Ok(());
        }
        let written = {
            let tail = locked(&self.tail);
            self.check(&tail)?;
            tail.length
        };
        if let Err(error) = self.file.sync_data() {
            // The kernel may have dropped what it could not write: trying again proves nothing.
            locked(&self.tail).broken = true;
            return Err(write_error(&self.path, &error));
        }
        *durable = written;
        Ok(())
    }

    fn write(&self, line: &str) -> Result<u64> {
        let bytes = format!("{line}\n");
        let mut tail = locked(&self.tail);
        self.check(&tail)?;
        let mut file = &self.file;
        let written = file.seek(SeekFrom::Start(tail.length)).and_then(|_| file.write_all(bytes.as_bytes()));
        if let Err(error) = written {
            tail.broken = self.file.set_len(tail.length).is_err();
            return Err(write_error(&self.path, &error));
        }
        tail.length += bytes.len() as u64;
        Ok(tail.length)
    }

    fn check(&self, tail: &Tail) -> Result<()> {
        if !tail.broken {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidArgument, "the file could not be written before, and is not written any more")
            .with("file", self.path.display().to_string()))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::private;

    #[test]
    fn lines_of_many_threads_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines");
        let file = private().read(true).write(true).create_new(true).open(&path).unwrap();
        let append = AppendFile::new(path.clone(), file, 0);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let append = &append;
                scope.spawn(move || {
                    for line in 0..10 {
                        append.append(&format!("{thread}-{line}-{}", "x".repeat(thread * 500))).unwrap();
                        // It is there when the call returns.
                        let text = std::fs::read_to_string(append.path()).unwrap();
                        assert!(text.lines().any(|found| found.starts_with(&format!("{thread}-{line}-"))));
                    }
                });
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 80);
        for line in text.lines() {
            let thread: usize = line[..1].parse().unwrap();
            assert!(line.ends_with(&format!("-{}", "x".repeat(thread * 500))));
        }
    }

    #[test]
    fn it_goes_on_at_the_length_given() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines");
        std::fs::write(&path, "one\n").unwrap();
        let file = private().read(true).write(true).open(&path).unwrap();
        AppendFile::new(path.clone(), file, 4).append("two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let path = PathBuf::from("/dev/full");
        let file = private().write(true).open(&path).unwrap();
        let append = AppendFile::new(path, file, 0);
        let error = append.append("one").unwrap_err();
        assert_eq!(error.message(), "the disk is full: the file cannot be written");
        assert_eq!(error.context_value("file"), Some("/dev/full"));
        // A device cannot be cut back to what it was: nothing more is tried.
        let error = append.append("two").unwrap_err();
        assert!(error.message().contains("is not written any more"), "{error:?}");
    }
}
