//! Digests of service documents in the user's cache directory, one file each, named by what it was made from.
//!
//! A file begins with the hash of the rest: what does not fit it is as good as not there, and is written anew. Files
//! appear whole, so that several processes may write at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::digest::{hex, sha256_hex};
use super::file::{create_directory, write_whole};
use crate::provider::DigestStore;

/// The directory is kept below this many bytes; the oldest files go first.
const MOST_BYTES: u64 = 256 << 20;

/// A directory of digests; made when the first is kept.
#[derive(Debug, Clone)]
pub struct DigestDirectory {
    path: PathBuf,
}

impl DigestDirectory {
    /// The directory at `path`, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn file(&self, parts: &[&[u8]]) -> PathBuf {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        self.path.join(format!("{}.digest", hex(&hash.finalize())))
    }
}

impl DigestStore for DigestDirectory {
    fn load(&self, parts: &[&[u8]]) -> Option<Vec<u8>> {
        let mut content = fs::read(self.file(parts)).ok()?;
        let end = content.iter().position(|byte| *byte == b'\n')?;
        let body = content.split_off(end + 1);
        (content.get(..end)? == sha256_hex(&body).as_bytes()).then_some(body)
    }

    fn save(&self, parts: &[&[u8]], digest: &[u8]) {
        // A cache that cannot be written is a slow start, which is no reason to fail.
        if create_directory(&self.path).is_err() {
            return;
        }
        let mut content = sha256_hex(digest).into_bytes();
        content.push(b'\n');
        content.extend_from_slice(digest);
        if write_whole(&self.file(parts), &content).is_ok() {
            prune(&self.path, MOST_BYTES);
        }
    }
}

/// Removes the oldest files until the rest are no more than `most` bytes.
fn prune(directory: &Path, most: u64) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let known = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((known.modified().ok()?, known.len(), entry.path()))
        })
        .collect();
    let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
    files.sort_unstable();
    for (_, length, path) in files {
        if total <= most {
            return;
        }
        if fs::remove_file(path).is_ok() {
            total -= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_or_of_other_parts_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = DigestDirectory::new(directory.path().join("made/when/needed"));
        assert_eq!(store.load(&[b"a"]), None);
        store.save(&[b"a", b"b"], b"digest");
        assert_eq!(store.load(&[b"a", b"b"]).as_deref(), Some(&b"digest"[..]));
        assert_eq!(store.load(&[b"ab"]), None);
        assert_eq!(store.load(&[b"ab", b""]), None);
        let file = store.file(&[b"a", b"b"]);
        for damage in [&b""[..], b"digest", b"00\ndigest", b"\n", b"\xff\xff\xff"] {
            fs::write(&file, damage).unwrap();
            assert_eq!(store.load(&[b"a", b"b"]), None, "{damage:?}");
        }
        store.save(&[b"a", b"b"], b"again");
        assert_eq!(store.load(&[b"a", b"b"]).as_deref(), Some(&b"again"[..]));
    }

    #[test]
    fn the_oldest_go_first_and_a_place_that_cannot_be_written_is_no_failure() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, age: u64| {
            let path = directory.path().join(name);
            fs::write(&path, [0; 10]).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - age);
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        };
        write("new", 1);
        write("old", 3);
        write("middle", 2);
        prune(directory.path(), 20);
        assert!(!directory.path().join("old").exists());
        assert!(directory.path().join("middle").exists() && directory.path().join("new").exists());
        let store = DigestDirectory::new(directory.path().join("new/below-a-file"));
        store.save(&[b"a"], b"digest");
        assert_eq!(store.load(&[b"a"]), None);
    }

    #[test]
    fn several_may_write_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let digest = vec![b'x'; 200_000];
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let store = DigestDirectory::new(directory.path());
                    for _ in 0..10 {
                        store.save(&[b"a"], &digest);
                        assert_eq!(store.load(&[b"a"]).as_ref(), Some(&digest));
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
