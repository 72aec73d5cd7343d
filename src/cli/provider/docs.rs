//! `skyql provider docs`: pages into a directory.
//!
//! *Invariants*: nothing is written outside the directory, not through a link either; what is there already stays,
//! unless it is a page of ours under a name that is written again, or one of an earlier run that nobody has changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Place, confirmed, found_providers, unwritable, write_file};
use crate::cli::message::Messages;
use crate::cli::run::Ended;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Registry;
use crate::site;

/// What was written, as `sha256sum` writes it: the next run knows by it which pages are its own.
const WRITTEN: &str = ".skyql-docs";

/// How pages are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Docs {
    /// A provider's name, or the directory of one.
    pub(in crate::cli) provider: String,
    pub(in crate::cli) out: PathBuf,
    pub(in crate::cli) force: bool,
}

pub(super) fn run(docs: &Docs, place: &Place<'_>, messages: &mut Messages) -> Result<Ended> {
    let found = found_providers(Some(&docs.provider), place)?;
    let [(name, source)] = found.as_slice() else {
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let holds = format!("`{}` holds several providers: {}", docs.provider, names.join(", "));
        return Err(Error::new(ErrorKind::InvalidArgument, holds)
            .hint(format!("name one: `skyql provider docs NAME --providers {}`", docs.provider)));
    };
    let made = site::site(&Registry::new(vec![Arc::clone(source)], None), name)?;
    if !may_write(docs, place, messages)? {
        return Err(Error::new(ErrorKind::Cancelled, "nothing was written"));
    }
    write_pages(&docs.out, &made.files)?;
    for unreadable in &made.unreadable {
        messages.error(unreadable, None);
    }
    let plural = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
    messages.note(&format!(
        "{name}: {} and {}, open {}",
        plural(made.services, "service"),
        plural(made.resources, "resource"),
        docs.out.join("index.html").display()
    ));
    Ok(if made.unreadable.is_empty() { Ended::Well } else { Ended::Failed })
}

/// Whether pages may be written where they are to be: among nothing they may; else the user says so.
fn may_write(docs: &Docs, place: &Place<'_>, messages: &mut Messages) -> Result<bool> {
    if fs::metadata(&docs.out).is_ok_and(|found| !found.is_dir()) {
        return Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` is not a directory", docs.out.display())));
    }
    let is_empty = match fs::read_dir(&docs.out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(unwritable(&docs.out, error)),
    };
    let there =
        format!("`{}` is not empty; files of the names of pages are replaced, all others stay", docs.out.display());
    if is_empty || docs.force { Ok(true) } else { confirmed(&there, place, messages) }
}

/// Writes pages, and removes those of an earlier run that are no more.
fn write_pages(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    fs::create_dir_all(dir).map_err(|error| unwritable(dir, error))?;
    // Everything is looked at before anything is written.
    for path in files.keys().map(String::as_str).chain([WRITTEN]) {
        refuse_links(dir, path)?;
    }
    let list = dir.join(WRITTEN);
    let earlier = match fs::read_to_string(&list) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unwritable(&list, error)),
    };
    for (path, bytes) in files {
        write_file(&dir.join(path), bytes)?;
    }
    let lines: Vec<String> = files.iter().map(|(path, bytes)| format!("{}  {path}\n", digest(bytes))).collect();
    write_file(&list, lines.concat().as_bytes())?;
    for (sum, path) in earlier.lines().filter_map(|line| line.split_once("  ")) {
        if !files.contains_key(path) && is_page(path) && refuse_links(dir, path).is_ok() {
            remove_if_ours(dir, path, sum)?;
        }
    }
    Ok(())
}

/// Whether a path looks like those of pages. The list of an earlier run is a file that anybody may have changed.
fn is_page(path: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.'))
    };
    path.split('/').count() <= 2 && path.split('/').all(is_name)
}

fn remove_if_ours(dir: &Path, path: &str, sum: &str) -> Result<()> {
    let page = dir.join(path);
    if !fs::read(&page).is_ok_and(|bytes| digest(&bytes) == sum) {
        return Ok(());
    }
    fs::remove_file(&page).map_err(|error| unwritable(&page, error))?;
    if let Some(parent) = page.parent().filter(|parent| *parent != dir) {
        // It goes only if it is empty.
        let _stays = fs::remove_dir(parent);
    }
    Ok(())
}

/// # Errors
/// `InvalidArgument` when a file or directory below `dir` is a link: it may lead elsewhere.
fn refuse_links(dir: &Path, path: &str) -> Result<()> {
    let mut place = dir.to_path_buf();
    for part in path.split('/') {
        place.push(part);
        if fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink()) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("`{}` is a link, and may lead elsewhere", place.display()),
            )
            .hint("remove it, or choose another directory"));
        }
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> BTreeMap<String, Vec<u8>> {
        names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect()
    }

    #[test]
    fn only_what_was_written_before_and_is_as_it_was_goes() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside.html");
        let site = dir.path().join("site");
        write_pages(&site, &files(&["index.html", "old/old.html", "old/index.html", "edited/a.html"])).unwrap();
        fs::write(site.join("edited/a.html"), "mine").unwrap();
        fs::write(site.join("mine.html"), "mine").unwrap();
        fs::write(&outside, "x").unwrap();
        let list = fs::read_to_string(site.join(WRITTEN)).unwrap();
        fs::write(site.join(WRITTEN), format!("{list}{}  ../outside.html\n", digest(b"x"))).unwrap();

        write_pages(&site, &files(&["index.html", "new/new.html"])).unwrap();
        let there = |path: &str| site.join(path).exists();
        assert!(there("new/new.html") && there("edited/a.html") && there("mine.html") && outside.exists());
        assert!(!there("old"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (site, elsewhere) = (dir.path().join("site"), dir.path().join("elsewhere"));
        fs::create_dir_all(&site).unwrap();
        fs::create_dir_all(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, site.join("assets")).unwrap();
        let error = write_pages(&site, &files(&["a.html", "assets/site.css"])).unwrap_err();
        assert!(error.message().contains("is a link"), "{error}");
        assert!(!site.join("a.html").exists() && fs::read_dir(&elsewhere).unwrap().next().is_none());
    }
}
