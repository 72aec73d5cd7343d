//! The state directory: its layout, its key, and lists of what is in it.

use std::path::{Path, PathBuf};

use super::digest::DigestKey;
use super::file::{create_directory, damaged, read_error, write_whole};
use super::lock::{Gate, enter_gate};
use super::name::is_plain;
use super::saved::StoredPlan;
use crate::error::{Error, Result};

const PLANS: &str = "plans";
const JOURNALS: &str = "journal";
pub(super) const PLAN_SUFFIX: &str = ".json";
pub(super) const JOURNAL_SUFFIX: &str = ".jsonl";

/// The directory of our own files; one per user, shared by all processes.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    path: PathBuf,
}

/// What was found, newest first, and what could not be read: one damaged file does not hide the others.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// What was found, newest first.
    pub items: Vec<T>,
    /// One error per file that could not be read; it names the file.
    pub unreadable: Vec<Error>,
}

/// A statement's journal, by its name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The statement's id.
    pub statement: String,
    /// The plan's id.
    pub plan: String,
    /// The file.
    pub path: PathBuf,
}

impl StateDirectory {
    /// Opens the directory, and makes it, readable by its owner only, when it is not there.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the file, when it cannot be made: no permission, a file in its place, a full disk. A
    /// directory that is there and cannot be written in opens; what then wants to write fails.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        for directory in [path.clone(), path.join(PLANS), path.join(JOURNALS)] {
            create_directory(&directory)?;
        }
        Ok(Self { path })
    }

    /// Opens the directory if something was ever stored in it, and makes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_existing(path: impl Into<PathBuf>) -> Result<Option<Self>> {
        let path = path.into();
        if path.join(PLANS).is_dir() || path.join(JOURNALS).is_dir() { Self::open(path).map(Some) } else { Ok(None) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key of this user's digests, made at the first call.
    ///
    /// # Errors
    /// `InvalidArgument` when its file can be neither read nor made; `Decode` when it is damaged.
    pub fn digest_key(&self) -> Result<DigestKey> {
        let path = self.path.join("digest-key");
        let _gate = self.enter_gate()?;
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                keep_private(&path)?;
                DigestKey::from_hex(&text).ok_or_else(|| damaged(&path, "it is not 64 hex digits"))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = DigestKey::generate();
                write_whole(&path, format!("{}\n", key.to_hex()).as_bytes())?;
                Ok(key)
            }
            Err(error) => Err(read_error(&path, &error)),
        }
    }

    /// All stored plans, newest first.
    ///
    /// # Errors
    /// `InvalidArgument` when the directory cannot be read.
    pub fn plans(&self) -> Result<Listing<StoredPlan>> {
        let mut listing = Listing { items: Vec::new(), unreadable: Vec::new() };
        for id in self.plan_ids()? {
            match self.read_plan(&id) {
                Ok(plan) => listing.items.push(plan),
                Err(error) => listing.unreadable.push(error),
            }
        }
        listing.items.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(listing)
    }

    /// All journals, newest first; none is opened.
    ///
    /// # Errors
    /// `InvalidArgument` when the directory cannot be read.
    pub fn journals(&self) -> Result<Vec<JournalEntry>> {
        let mut entries: Vec<JournalEntry> = names_in(&self.journals_path(), JOURNAL_SUFFIX)?
            .into_iter()
            .filter_map(|statement| {
                let plan = plan_of_statement(&statement)?.to_owned();
                let path = self.journals_path().join(format!("{statement}{JOURNAL_SUFFIX}"));
                Some(JournalEntry { statement, plan, path })
            })
            .collect();
        entries.sort_by(|a, b| b.statement.cmp(&a.statement));
        Ok(entries)
    }

    pub(super) fn plan_ids(&self) -> Result<Vec<String>> {
        names_in(&self.plans_path(), PLAN_SUFFIX)
    }

    pub(super) fn plans_path(&self) -> PathBuf {
        self.path.join(PLANS)
    }

    pub(super) fn journals_path(&self) -> PathBuf {
        self.path.join(JOURNALS)
    }

    pub(super) fn enter_gate(&self) -> Result<Gate> {
        enter_gate(&self.path.join("lock"))
    }
}

/// The plan's id within a statement's: `<time>-<plan>-<4>`.
pub(super) fn plan_of_statement(statement: &str) -> Option<&str> {
    let mut parts = statement.split('-');
    let (_time, plan, _tail) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(plan)
}

/// The names of our files, without their suffix, sorted; what is not named as we name is not ours.
fn names_in(path: &Path, suffix: &str) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(path).map_err(|error| read_error(path, &error))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| read_error(path, &error))?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(suffix));
        names.extend(stem.filter(|stem| is_plain(stem)).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Takes the key's file from others who can read it: a copy of the directory may have opened it.
fn keep_private(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let mut permissions = std::fs::metadata(path).map_err(|error| read_error(path, &error))?.permissions();
        if permissions.mode() & 0o077 != 0 {
            permissions.set_mode(0o600);
            std::fs::set_permissions(path, permissions).map_err(|error| super::file::write_error(path, &error))?;
        }
    }
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorKind;
    use crate::store::testing::state;

    #[test]
    fn the_key_is_made_once_and_kept() {
        let (_temporary, state) = state();
        let digest = state.digest_key().unwrap().digest("a", &json!(1));
        assert_eq!(state.digest_key().unwrap().digest("a", &json!(1)), digest);
        let again = StateDirectory::open(state.path()).unwrap();
        assert_eq!(again.digest_key().unwrap().digest("a", &json!(1)), digest);
        std::fs::write(state.path().join("digest-key"), "abc").unwrap();
        let error = state.digest_key().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.context_value("file").unwrap().ends_with("digest-key"));
    }

    #[test]
    fn many_threads_get_one_key() {
        let (_temporary, state) = state();
        let digests: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| state.digest_key().unwrap().digest("a", &json!(1)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(digests.iter().all(|digest| *digest == digests[0]));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read() {
        use std::os::unix::fs::PermissionsExt;

        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("deep/skyql");
        let state = StateDirectory::open(&path).unwrap();
        state.digest_key().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(PLANS)), 0o700);
        assert_eq!(mode(&path.join(JOURNALS)), 0o700);
        assert_eq!(mode(&path.join("digest-key")), 0o600);
        std::fs::set_permissions(path.join("digest-key"), PermissionsExt::from_mode(0o644)).unwrap();
        state.digest_key().unwrap();
        assert_eq!(mode(&path.join("digest-key")), 0o600);
    }

    #[test]
    fn a_file_in_its_place_is_an_error() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("state");
        std::fs::write(&path, "x").unwrap();
        for wanted in [path.clone(), path.join("deeper")] {
            let error = StateDirectory::open(&wanted).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().starts_with("a file is where"), "{error:?}");
            assert!(error.context_value("file").unwrap().starts_with(path.to_str().unwrap()));
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_of_someone_else_is_an_error() {
        use std::os::unix::fs::PermissionsExt;

        let temporary = tempfile::tempdir().unwrap();
        let closed = temporary.path().join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o500)).unwrap();
        if std::fs::write(closed.join("probe"), "").is_ok() {
            return; // The superuser may write everywhere.
        }
        let error = StateDirectory::open(closed.join("state")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(error.hint_text(), Some("the state directory must be yours to write in"));
        let state = StateDirectory::open(temporary.path().join("state")).unwrap();
        std::fs::set_permissions(state.plans_path(), PermissionsExt::from_mode(0o500)).unwrap();
        std::fs::set_permissions(state.journals_path(), PermissionsExt::from_mode(0o500)).unwrap();
        let plan = crate::store::testing::plan_with(1);
        let now = crate::store::testing::at(1);
        assert!(state.save_plan(&plan, now).unwrap_err().context_value("file").unwrap().contains(PLANS));
        let error = crate::store::Journal::begin(&state, &plan, now).unwrap_err();
        assert!(error.message().contains("no call goes out"), "{error:?}");
        assert!(state.plans().unwrap().items.is_empty());
    }

    #[test]
    fn looking_makes_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("state");
        assert!(StateDirectory::open_existing(&path).unwrap().is_none());
        assert!(!path.exists());
        StateDirectory::open(&path).unwrap();
        assert!(StateDirectory::open_existing(&path).unwrap().is_some());
    }

    #[test]
    fn files_of_others_are_not_listed() {
        let (_temporary, state) = state();
        for name in ["README.md", "A.json", ".x.json.1-1.tmp", "a.b.json"] {
            std::fs::write(state.plans_path().join(name), "x").unwrap();
        }
        for name in ["x.jsonl", "a-b.jsonl", "a-b-c-d.jsonl"] {
            std::fs::write(state.journals_path().join(name), "x").unwrap();
        }
        assert!(state.plans().unwrap().items.is_empty());
        assert!(state.plans().unwrap().unreadable.is_empty());
        assert!(state.journals().unwrap().is_empty());
    }
}
