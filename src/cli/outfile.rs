//! `--outfile`: a file that is there whole or not at all.
//!
//! Rows go to a file beside it, which takes its name when all statements are done. Until then, and when one fails, what had
//! the name before still has it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind as IoErrorKind, Result as IoResult, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// A file that is not yet under its name; dropped, it is gone.
#[derive(Debug)]
pub(super) struct Outfile {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    kept: bool,
}

/// Opens a file for rows. What is not a plain file, such as a pipe or `/dev/null`, is written to as it is.
///
/// # Errors
/// `InvalidArgument` when it cannot be created.
pub(super) fn open(path: &Path) -> Result<(Box<dyn Write + Send>, Option<Outfile>)> {
    let opened = match fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(IoErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() => OpenOptions::new().write(true).open(path).map(|file| (file, None)),
        // A link stays, and what it leads to is replaced.
        Ok(there) => fs::canonicalize(path).and_then(|target| {
            let outfile = Outfile::create(target)?;
            fs::set_permissions(&outfile.temporary, there.permissions())?;
            Ok((outfile.file.try_clone()?, Some(outfile)))
        }),
        Err(_) => Outfile::create(path.to_owned()).and_then(|outfile| Ok((outfile.file.try_clone()?, Some(outfile)))),
    };
    match opened {
        Ok((file, outfile)) => Ok((Box::new(BufWriter::new(file)), outfile)),
        Err(error) => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the output file `{}` cannot be created", path.display()),
        )
        .with("reason", error.to_string())
        .caused_by(error)),
    }
}

impl Outfile {
    fn create(target: PathBuf) -> IoResult<Self> {
        let Some(name) = target.file_name() else { return Err(IoErrorKind::InvalidInput.into()) };
        let mut number = 0_u32;
        loop {
            let mut beside = std::ffi::OsString::from(".");
            beside.push(name);
            beside.push(format!(".{}-{number}.part", std::process::id()));
            let temporary = target.with_file_name(beside);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => return Ok(Self { file, temporary, target, kept: false }),
                Err(error) if error.kind() == IoErrorKind::AlreadyExists && number < 100 => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the file its name, once everything is on the disk.
    ///
    /// # Errors
    /// `Internal` when it cannot.
    pub(super) fn keep(mut self) -> Result<()> {
        self.file.sync_all().and_then(|()| fs::rename(&self.temporary, &self.target)).map_err(|error| {
            let message = format!("the output file `{}` cannot be written", self.target.display());
            Error::new(ErrorKind::Internal, message).with("reason", error.to_string()).caused_by(error)
        })?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Outfile {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing is lost: these are rows of a run that failed.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_changes_hands_only_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        fs::write(&path, "before").unwrap();
        let names = || fs::read_dir(dir.path()).unwrap().count();

        let (mut out, outfile) = open(&path).unwrap();
        out.write_all(b"half").unwrap();
        drop((out, outfile));
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names()), ("before", 1));

        let (mut out, outfile) = open(&path).unwrap();
        out.write_all(b"all").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        drop(out);
        outfile.unwrap().keep().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names()), ("all", 1));

        assert!(open(dir.path()).is_err());
        assert!(open(&dir.path().join("none/rows.csv")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay_and_devices_are_written_to() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("rows.csv"), dir.path().join("link.csv"));
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&path, &link).unwrap();
        let (mut out, outfile) = open(&link).unwrap();
        out.write_all(b"after").unwrap();
        drop(out);
        outfile.unwrap().keep().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (_, outfile) = open(Path::new("/dev/null")).unwrap();
        assert!(outfile.is_none());
    }
}
