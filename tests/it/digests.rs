//! What the program keeps of provider documents between its runs, and what it brings with it.
//!
//! What is kept tells what was parsed: a service's document is parsed only to make what is kept of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::documents::{acme_dir, provider_dir, widgets_service};

/// What happens to a file.
type Damage = fn(&[u8]) -> Vec<u8>;

const WIDGETS: &str = "SHOW METHODS IN acme.shop.widgets";

fn command(home: &Path, documents: &[&Path], sql: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skyql"));
    command.env_clear().env("HOME", home).current_dir(home).stdin(Stdio::null());
    for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
        command.env(name, home.join(name));
    }
    for directory in documents {
        command.arg("--providers").arg(directory);
    }
    command.args(["-o", "csv", "-q", "-c", sql]);
    command
}

fn output(mut command: Command) -> String {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

fn rows(home: &Path, documents: &Path, sql: &str) -> String {
    output(command(home, &[documents], sql))
}

/// The files of the cache directory.
fn kept(home: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let Ok(entries) = fs::read_dir(home.join("XDG_CACHE_HOME/skyql/digests")) else { return BTreeMap::new() };
    entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// The services and providers of which something is kept: `acme`, `acme.shop`.
fn kept_names(home: &Path) -> Vec<String> {
    let name = |content: &Vec<u8>| {
        // A service's resources come behind it.
        let mut parts = serde_json::Deserializer::from_slice(body(content)).into_iter::<serde_json::Value>();
        let digest = parts.next().unwrap().unwrap();
        let name = digest["name"].as_str().unwrap();
        digest["provider"].as_str().map_or_else(|| name.to_owned(), |provider| format!("{provider}.{name}"))
    };
    let mut names: Vec<String> = kept(home).values().map(name).collect();
    names.sort();
    names
}

/// A file without its first line.
fn body(content: &[u8]) -> &[u8] {
    &content[content.iter().position(|byte| *byte == b'\n').unwrap() + 1..]
}

/// Puts another word of the same length into what is kept, as if it had been kept so.
fn replace_in_kept(home: &Path, word: &str, other: &str) {
    for (path, content) in kept(home) {
        let text = String::from_utf8(body(&content).to_vec()).unwrap().replace(word, other);
        let hash = Sha256::digest(&text).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        fs::write(path, format!("{hash}\n{text}")).unwrap();
    }
}

/// Starts twice: what the second start says comes from what the first kept; what is damaged is made anew, without a word.
fn is_kept_and_made_anew(documents: &Path, sql: &str, word: &str) {
    let home = TempDir::new().unwrap();
    let rows = || rows(home.path(), documents, sql);
    let first = rows();
    assert!(first.contains(word), "{first}");
    let files = kept(home.path());
    assert_eq!(files.len(), 2, "the provider's and the service's");
    assert_eq!(rows(), first);
    let other = "k".repeat(word.len());
    replace_in_kept(home.path(), word, &other);
    assert_eq!(rows(), first.replace(word, &other));
    let damages: [Damage; 4] = [
        |_| Vec::new(),
        |_| b"{}".to_vec(),
        |content| content[..content.len() / 2].to_vec(),
        |content| {
            let mut flipped = content.to_vec();
            flipped[content.len() / 2] ^= 1;
            flipped
        },
    ];
    for damage in damages {
        for (path, content) in &files {
            fs::write(path, damage(content)).unwrap();
        }
        assert_eq!(rows(), first);
        assert_eq!(kept(home.path()), files);
    }
}

/// Starts several processes at once, without anything kept.
fn several_may_begin_at_once(documents: &Path, sql: &str) {
    let home = TempDir::new().unwrap();
    let begin = || command(home.path(), &[documents], sql).stdout(Stdio::piped()).spawn().unwrap();
    let running: Vec<_> = (0..4).map(|_| begin()).collect();
    let outputs: Vec<_> = running.into_iter().map(|process| process.wait_with_output().unwrap()).collect();
    assert!(outputs.iter().all(|output| output.status.success() && output.stdout == outputs[0].stdout));
    let files = kept(home.path());
    assert_eq!(files.len(), 2);
    assert_eq!(rows(home.path(), documents, sql).into_bytes(), outputs[0].stdout);
    assert_eq!(kept(home.path()), files);
}

#[test]
fn a_service_is_kept_once_and_made_anew_when_it_is_damaged_or_changed() {
    let documents = acme_dir("http://127.0.0.1:9", "");
    is_kept_and_made_anew(documents.path(), "DESCRIBE acme.shop.widgets", "created");
    // Another document is another digest.
    let home = TempDir::new().unwrap();
    assert!(!rows(home.path(), documents.path(), WIDGETS).contains("all,"));
    let changed = widgets_service("http://127.0.0.1:9", "", "$.items").replacen("        list:\n", "        all:\n", 1);
    let changed = changed.replace("widgets/methods/list", "widgets/methods/all");
    fs::write(documents.path().join("acme/v1/services/shop.yaml"), changed).unwrap();
    assert!(rows(home.path(), documents.path(), WIDGETS).contains("all,"));
    assert_eq!(kept(home.path()).len(), 3);
}

#[test]
fn several_processes_may_begin_at_once_and_none_needs_the_directory() {
    let documents = acme_dir("http://127.0.0.1:9", "");
    several_may_begin_at_once(documents.path(), WIDGETS);
    // A file where the directory should be.
    let other = TempDir::new().unwrap();
    fs::write(other.path().join("XDG_CACHE_HOME"), "in the way").unwrap();
    assert!(rows(other.path(), documents.path(), WIDGETS).contains("list"));
}

/// The largest service documents that there are. They are not part of the project: where they are absent, this says so
/// and passes.
#[test]
fn the_largest_documents_of_the_public_registry_are_kept_as_well() {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/stackql-providers");
    if !documents.is_dir() {
        println!("skipped: {} is not there", documents.display());
        return;
    }
    is_kept_and_made_anew(&documents, "DESCRIBE linode.linode.instances", "watchdog_enabled");
    several_may_begin_at_once(&documents, "SHOW METHODS IN github.repos.repos");
}

#[test]
fn a_statement_parses_only_what_it_names() {
    let office = widgets_service("http://127.0.0.1:9", "", "$.items").replace("acme.shop.", "acme.office.");
    let shop = widgets_service("http://127.0.0.1:9", "", "$.items");
    let acme = provider_dir("acme", "v1", &[("shop", &shop), ("office", &office)], "type: null_auth");
    let other = provider_dir("other", "v1", &[("shop", &shop)], "type: null_auth");
    let kept_after = |sql: &str| {
        let home = TempDir::new().unwrap();
        output(command(home.path(), &[acme.path(), other.path()], sql));
        kept_names(home.path())
    };
    for sql in ["SELECT 1", "SET max_calls = 5; SHOW max_calls", "SHOW ALL", "SHOW METHODS IN linode.images.images"] {
        assert_eq!(kept_after(sql), [""; 0], "{sql}");
    }
    assert_eq!(kept_after("SHOW SERVICES IN acme"), ["acme"]);
    assert_eq!(kept_after("SHOW PROVIDERS"), ["acme", "other"]);
    assert_eq!(kept_after(WIDGETS), ["acme", "acme.shop"]);
    assert_eq!(kept_after("EXPLAIN SELECT * FROM acme.office.widgets"), ["acme", "acme.office"]);
}

/// The first statement on a machine, whether something can be kept or not.
#[test]
fn nothing_is_parsed_or_kept_of_shipped_documents() {
    let home = TempDir::new().unwrap();
    let sql = "SELECT provider, count(*) > 0 FROM skyql.resources GROUP BY provider ORDER BY provider";
    assert_eq!(output(command(home.path(), &[], sql)).lines().count(), 4);
    output(command(home.path(), &[], "SHOW METHODS IN digitalocean.compute.images"));
    assert_eq!(kept(home.path()), BTreeMap::new());
}
