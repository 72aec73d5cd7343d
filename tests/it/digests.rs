//! What the program keeps of provider documents between its runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::documents::{acme_dir, widgets_service};

fn command(home: &Path, documents: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skyql"));
    command.env_clear().env("HOME", home).current_dir(home).stdin(Stdio::null());
    for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
        command.env(name, home.join(name));
    }
    command.args(["--providers", documents.to_str().unwrap(), "-o", "csv", "-q"]);
    command.args(["-c", "SHOW METHODS IN acme.shop.widgets"]);
    command
}

fn rows(home: &Path, documents: &Path) -> String {
    let ran = command(home, documents).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

fn kept(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.join("XDG_CACHE_HOME/skyql/digests")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_service_is_kept_once_and_made_anew_when_it_is_damaged_or_changed() {
    let home = TempDir::new().unwrap();
    let documents = acme_dir("http://127.0.0.1:9", "");
    let first = rows(home.path(), documents.path());
    let files = kept(home.path());
    assert_eq!(files.len(), 1);
    let content = fs::read(&files[0]).unwrap();
    assert_eq!(rows(home.path(), documents.path()), first);
    for damage in [&b""[..], b"{}", &content[..content.len() / 2]] {
        fs::write(&files[0], damage).unwrap();
        assert_eq!(rows(home.path(), documents.path()), first);
        assert_eq!(fs::read(&files[0]).unwrap(), content);
    }
    // Another document is another digest.
    let changed = widgets_service("http://127.0.0.1:9", "", "$.items").replacen("        list:\n", "        all:\n", 1);
    let changed = changed.replace("widgets/methods/list", "widgets/methods/all");
    fs::write(documents.path().join("acme/v1/services/shop.yaml"), changed).unwrap();
    assert!(rows(home.path(), documents.path()).contains("all,"));
    assert_eq!(kept(home.path()).len(), 2);
}

#[test]
fn several_processes_may_begin_at_once_and_none_needs_the_directory() {
    let home = TempDir::new().unwrap();
    let documents = acme_dir("http://127.0.0.1:9", "");
    let running: Vec<_> =
        (0..4).map(|_| command(home.path(), documents.path()).stdout(Stdio::piped()).spawn().unwrap()).collect();
    let outputs: Vec<_> = running.into_iter().map(|process| process.wait_with_output().unwrap()).collect();
    assert!(outputs.iter().all(|output| output.status.success() && output.stdout == outputs[0].stdout));
    assert_eq!(kept(home.path()).len(), 1);
    // A file where the directory should be.
    let other = TempDir::new().unwrap();
    fs::write(other.path().join("XDG_CACHE_HOME"), "in the way").unwrap();
    assert_eq!(rows(other.path(), documents.path()).into_bytes(), outputs[0].stdout);
}
