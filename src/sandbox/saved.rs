//! The state file: what calls made of the rows, as JSON, one section per provider.
//!
//! Only what differs from the seed's rows is written. Several sandboxes of one process share a file; two processes do
//! not: the later write wins.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind as IoErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::change::{Changed, Changes, Upload, Waiting};
use super::state::{Row, Rows, State};
use crate::error::{Error, ErrorKind, Result};

/// The form of the file; another number is another form.
const FORM: u32 = 1;

/// Held while the file is read, changed and written.
static SAVING: Mutex<()> = Mutex::new(());

#[derive(Debug, Serialize, Deserialize)]
struct Whole {
    skyql_sandbox: u32,
    providers: BTreeMap<String, Section>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Section {
    /// The seed of the rows that this differs from.
    seed: u64,
    tables: BTreeMap<String, Differing>,
    waiting: Vec<Waiting>,
    uploads: BTreeMap<String, Upload>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Differing {
    /// The number of the next new row.
    next: u64,
    /// Numbers of the seed's rows that are gone.
    removed: BTreeSet<u64>,
    /// New rows and changed ones.
    rows: Vec<Row>,
}

/// Where a provider's state is kept.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    provider: String,
}

impl StateFile {
    pub(super) fn new(path: PathBuf, provider: &str) -> Self {
        Self { path, provider: provider.to_owned() }
    }

    /// Reads what the file holds for the provider; a file that is not there holds nothing.
    ///
    /// # Errors
    /// `InvalidArgument` for a file that cannot be read, is no state file, or belongs to another seed.
    pub(super) fn load(&self, state: &State) -> Result<()> {
        let mut whole = read(&self.path)?;
        let Some(section) = whole.providers.remove(&self.provider) else { return Ok(()) };
        if section.seed != state.seed() {
            let message =
                format!("the sandbox's state in `{}` was made with seed {}", self.path.display(), section.seed);
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .with("provider", self.provider.clone())
                .hint(format!("use seed {} as before, or another file", section.seed)));
        }
        let mut changes = Changes { waiting: section.waiting, uploads: section.uploads, ..Changes::default() };
        // A resource that the document no longer has takes its rows along.
        for (name, differing) in section.tables {
            if state.table(&name).is_some() {
                changes.tables.insert(name.clone(), merged(state, &name, differing));
            }
        }
        *state.held() = changes;
        Ok(())
    }

    /// Writes the state as it is now, beside what other providers have there.
    ///
    /// # Errors
    /// As [`StateFile::load`], and when the file cannot be written; it is then as it was before.
    pub(super) fn save(&self, state: &State) -> Result<()> {
        // The state is looked at behind the lock, so that the last one to write has the latest.
        let _alone = SAVING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole = read(&self.path)?;
        whole.providers.insert(self.provider.clone(), section(state));
        let failed = |error: std::io::Error| {
            Error::new(
                ErrorKind::InvalidArgument,
                format!("the sandbox's state cannot be kept in `{}`", self.path.display()),
            )
            .caused_by(error)
            .hint("choose a file in a directory that exists and can be written to")
        };
        let text = serde_json::to_vec(&whole).map_err(|error| failed(error.into()))?;
        let mut beside = self.path.clone().into_os_string();
        beside.push(format!(".{}.tmp", std::process::id()));
        write_privately(Path::new(&beside), &text).and_then(|()| fs::rename(&beside, &self.path)).map_err(|error| {
            let _ = fs::remove_file(&beside);
            failed(error)
        })
    }
}

/// Rows may hold passwords that were sent.
fn write_privately(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    // Before it takes the old one's name: a power cut leaves the one or the other.
    file.sync_all()
}

fn read(path: &Path) -> Result<Whole> {
    let wrong = |why: &str| {
        Error::new(ErrorKind::InvalidArgument, format!("the sandbox's state file `{}` {why}", path.display()))
            .hint("name another file, or move this one away to begin anew")
    };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == IoErrorKind::NotFound => {
            return Ok(Whole { skyql_sandbox: FORM, providers: BTreeMap::new() });
        }
        Err(error) => return Err(wrong("cannot be read").caused_by(error)),
    };
    let whole: Whole =
        serde_json::from_slice(&text).map_err(|error| wrong("is damaged or something else").caused_by(error))?;
    if whole.skyql_sandbox != FORM {
        return Err(wrong("is of another version of SkyQL"));
    }
    Ok(whole)
}

fn section(state: &State) -> Section {
    let (changed, waiting, uploads) = {
        let held = state.held();
        let tables: Vec<(String, Rows, u64)> =
            held.tables.iter().map(|(name, changed)| (name.clone(), Arc::clone(&changed.rows), changed.next)).collect();
        (tables, held.waiting.clone(), held.uploads.clone())
    };
    let mut tables = BTreeMap::new();
    for (name, rows, next) in changed {
        let seeded = state.seeded_rows(&name);
        let before: BTreeMap<u64, &Arc<Row>> = seeded.iter().map(|row| (row.number, row)).collect();
        let mut removed: BTreeSet<u64> = before.keys().copied().collect();
        let mut differing = Vec::new();
        for row in rows.iter() {
            removed.remove(&row.number);
            let is_as_before = before.get(&row.number).is_some_and(|known| Arc::ptr_eq(known, row) || *known == row);
            if !is_as_before {
                differing.push(row.as_ref().clone());
            }
        }
        tables.insert(name, Differing { next, removed, rows: differing });
    }
    Section { seed: state.seed(), tables, waiting, uploads }
}

fn merged(state: &State, name: &str, differing: Differing) -> Changed {
    let Differing { next, removed, rows } = differing;
    let seeded = state.seeded_rows(name);
    let mut all: BTreeMap<u64, Arc<Row>> = seeded.iter().map(|row| (row.number, Arc::clone(row))).collect();
    all.retain(|number, _| !removed.contains(number));
    all.extend(rows.into_iter().map(|row| (row.number, Arc::new(row))));
    let beyond = all.last_key_value().map_or(0, |(number, _)| number.saturating_add(1));
    Changed { next: next.max(beyond), rows: Arc::new(all.into_values().collect()) }
}
