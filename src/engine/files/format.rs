//! Which format a file has.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result, did_you_mean};

/// A format that is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFormat {
    Csv,
    /// One array of objects.
    Json,
    /// One object per line.
    Jsonl,
    /// Arrow's file format.
    Arrow,
    Parquet,
}

const NAMES: [&str; 5] = ["csv", "json", "jsonl", "arrow", "parquet"];

impl FileFormat {
    /// # Errors
    /// `InvalidArgument` for a name that is no format's.
    pub(super) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "csv" => Self::Csv,
            "json" => Self::Json,
            "jsonl" | "ndjson" => Self::Jsonl,
            "arrow" | "feather" | "ipc" => Self::Arrow,
            "parquet" => Self::Parquet,
            _ => {
                return Err(Error::new(ErrorKind::InvalidArgument, format!("there is no file format `{name}`")).hint(
                    did_you_mean(name, NAMES)
                        .unwrap_or_else(|| "it is `csv`, `json`, `jsonl`, `arrow` or `parquet`".to_owned()),
                ));
            }
        })
    }

    /// The format that a file's ending tells.
    ///
    /// # Errors
    /// `InvalidArgument` when it tells none.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(std::ffi::OsStr::to_str).map(str::to_lowercase);
        ending.and_then(|ending| Self::named(&ending).ok()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "the file's name does not tell its format")
                .with("file", path.display().to_string())
                .hint("it ends in `.csv`, `.json`, `.jsonl`, `.arrow` or `.parquet`")
        })
    }
}
