//! The data directory: the user's own views, as SQL text, and the rows of tables, each in a file of its own.
//!
//! ```text
//! <data directory>/
//!   views/<name>.sql      a view's CREATE statement
//!   tables/<name>.arrow   a table's rows
//! ```
//!
//! A name is written as it is where it has small letters, digits and `_` only; other bytes stand as `%XX`, so that names
//! that differ in case are two files everywhere.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::file::{create_directory, read_error, sync_directory, write_error, write_whole_with};
use crate::error::{Error, ErrorKind, Result};

/// The longest file name, without its ending, that every file system takes.
const LONGEST: usize = 200;

/// What a file in the data directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The text of a view.
    View,
    /// The rows of a table.
    Rows,
}

impl Kept {
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::View => ("views", ".sql"),
            Self::Rows => ("tables", ".arrow"),
        }
    }
}

/// Where a user's own views and tables are kept.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    path: PathBuf,
}

impl DataDirectory {
    /// The directory; nothing is made before something is kept.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// What is there, sorted by name.
    ///
    /// # Errors
    /// `InvalidArgument` when the directory cannot be read.
    pub fn list(&self) -> Result<Vec<(String, Kept)>> {
        let mut found = Vec::new();
        for kept in [Kept::View, Kept::Rows] {
            let (directory, ending) = kept.place();
            let directory = self.path.join(directory);
            let entries = match std::fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(read_error(&directory, &error)),
            };
            for entry in entries {
                let file = entry.map_err(|error| read_error(&directory, &error))?.file_name();
                let stem = file.to_str().and_then(|file| file.strip_suffix(ending));
                found.extend(stem.and_then(name_of).map(|name| (name, kept)));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Where a name's file is, or would be.
    ///
    /// # Errors
    /// `InvalidArgument` when the name is empty or too long for a file's.
    pub fn path_of(&self, name: &str, kept: Kept) -> Result<PathBuf> {
        let (directory, ending) = kept.place();
        let stem = stem_of(name);
        if stem.is_empty() || stem.len() > LONGEST {
            return Err(Error::new(ErrorKind::InvalidArgument, "a name of a view or table needs 1 to 200 characters")
                .with("name", name.chars().take(40).collect::<String>()));
        }
        Ok(self.path.join(directory).join(format!("{stem}{ending}")))
    }

    /// The text of a view.
    ///
    /// # Errors
    /// `InvalidArgument` when it cannot be read.
    pub fn view_text(&self, name: &str) -> Result<String> {
        let path = self.path_of(name, Kept::View)?;
        std::fs::read_to_string(&path).map_err(|error| read_error(&path, &error))
    }

    /// The file that holds the rows of a table.
    ///
    /// # Errors
    /// `InvalidArgument` when it cannot be opened.
    pub fn rows_file(&self, name: &str) -> Result<File> {
        let path = self.path_of(name, Kept::Rows)?;
        File::open(&path).map_err(|error| read_error(&path, &error))
    }

    /// Keeps something under a name, in place of what was of this kind under it: whole, or not at all.
    ///
    /// # Errors
    /// `InvalidArgument` when the file cannot be written.
    pub fn keep(
        &self,
        name: &str,
        kept: Kept,
        content: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
    ) -> Result<()> {
        let path = self.path_of(name, kept)?;
        create_directory(&self.path)?;
        create_directory(path.parent().unwrap_or(&self.path))?;
        write_whole_with(&path, |file| {
            let mut buffered = BufWriter::new(file);
            content(&mut buffered)?;
            buffered.flush()
        })
    }

    /// Lets something go.
    ///
    /// # Errors
    /// `InvalidArgument` when the file cannot be removed; one that is not there is gone.
    pub fn remove(&self, name: &str, kept: Kept) -> Result<()> {
        let path = self.path_of(name, kept)?;
        match std::fs::remove_file(&path) {
            Ok(()) => sync_directory(path.parent().unwrap_or(Path::new("."))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(write_error(&path, &error)),
        }
    }
}

fn stem_of(name: &str) -> String {
    let mut stem = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => stem.push(char::from(byte)),
            other => {
                let _infallible = write!(stem, "%{other:02X}");
            }
        }
    }
    stem
}

/// The name that [`stem_of`] wrote; nothing for a file of somebody else's.
fn name_of(stem: &str) -> Option<String> {
    let name = percent_encoding::percent_decode_str(stem).decode_utf8().ok()?.into_owned();
    (stem_of(&name) == stem && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn directory() -> (tempfile::TempDir, DataDirectory) {
        let temporary = tempfile::tempdir().unwrap();
        let data = DataDirectory::new(temporary.path().join("data"));
        (temporary, data)
    }

    #[test]
    fn what_is_kept_is_found_and_goes() {
        let (temporary, data) = directory();
        assert!(data.list().unwrap().is_empty());
        assert!(!temporary.path().join("data").exists(), "looking makes nothing");
        for (name, kept) in [("../x", Kept::View), ("Ä b", Kept::Rows), ("a", Kept::View), ("A", Kept::View)] {
            data.keep(name, kept, |file| file.write_all(b"old")).unwrap();
            data.keep(name, kept, |file| file.write_all(name.as_bytes())).unwrap();
        }
        let names: Vec<String> = data.list().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["../x", "A", "a", "Ä b"]);
        assert_eq!(data.view_text("../x").unwrap(), "../x");
        assert_eq!(io::read_to_string(data.rows_file("Ä b").unwrap()).unwrap(), "Ä b");
        data.remove("a", Kept::View).unwrap();
        data.remove("a", Kept::View).unwrap();
        assert_eq!(data.list().unwrap().len(), 3);
        std::fs::write(temporary.path().join("data/views/README.sql"), "").unwrap();
        std::fs::write(temporary.path().join("data/views/x.txt"), "").unwrap();
        assert_eq!(data.list().unwrap().len(), 3, "files of others are not ours");
    }

    #[test]
    fn what_fails_leaves_what_was() {
        let (_temporary, data) = directory();
        data.keep("v", Kept::View, |file| file.write_all(b"old")).unwrap();
        let error = data.keep("v", Kept::View, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(data.view_text("v").unwrap(), "old");
        assert_eq!(data.list().unwrap().len(), 1);
        for wrong in ["", &"x".repeat(201)] {
            assert_eq!(data.path_of(wrong, Kept::View).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "\\PC{1,20}") {
            let stem = stem_of(&name);
            prop_assert!(stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'%'));
            prop_assert_eq!(name_of(&stem), Some(name));
        }
    }
}
