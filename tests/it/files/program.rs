//! Files in the program itself, over the sandbox.

use std::process::Command;

use tempfile::TempDir;

use super::{at, names};

struct Ran {
    good: bool,
    rows: String,
    said: String,
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { good: output.status.success(), rows: text(output.stdout), said: text(output.stderr) }
}

/// The program in a home of its own; its state is `state.json` there.
fn program(home: &TempDir, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skyql"));
    command.env_clear().env("HOME", home.path()).env("XDG_STATE_HOME", home.path()).current_dir(home.path());
    ran(command.args(["--sandbox", "--state", "state.json", "-o", "csv"]).args(arguments))
}

#[test]
fn an_image_is_downloaded_once() {
    let home = TempDir::new().unwrap();
    let text = "EXEC lunanode.images.images.retrieve @image_id = '141119' INTO 'debian.qcow2'";
    let first = program(&home, &["-c", text]);
    assert!(first.good, "{}", first.said);
    assert!(first.rows.starts_with("bytes,file,sha256\n4096,"), "{}", first.rows);
    assert!(
        !first.said.contains('\r') && !first.said.contains('\u{1b}'),
        "no progress but on a terminal: {}",
        first.said
    );
    let content = std::fs::read(at(&home, "debian.qcow2")).unwrap();
    assert_eq!(content.len(), 4096);
    let again = program(&home, &["-c", text]);
    assert!(!again.good && again.said.contains("is there already") && again.said.contains("--force"), "{}", again.said);
    assert!(program(&home, &["--force", "-c", text]).good);
    assert_eq!(std::fs::read(at(&home, "debian.qcow2")).unwrap(), content);
    let wrong = program(&home, &["-c", &text.replace("141119", "7").replace("debian", "none")]);
    assert!(!wrong.good && wrong.said.contains("the API refused the call"), "{}", wrong.said);
    let without = program(&home, &["--read-only", "-c", "EXEC lunanode.images.images.retrieve @image_id = '141119'"]);
    assert!(!without.good && without.said.contains("add `INTO 'file'`"), "{}", without.said);
    let reading = program(&home, &["--read-only", "-c", &text.replace("debian", "two")]);
    assert!(reading.good, "it only reads: {}", reading.said);
    let left = names(home.path()).into_iter().filter(|name| name.contains(".part") || name.starts_with("none"));
    assert_eq!(left.count(), 0);
}

#[test]
fn an_image_is_uploaded_and_the_sandbox_remembers_it() {
    let home = TempDir::new().unwrap();
    std::fs::write(at(&home, "disk.img.gz"), vec![7; 2_500_000]).unwrap();
    let text = "EXEC linode.images.images.upload @label = 'mine', @region = 'us-east' FROM 'disk.img.gz'";
    let planned = program(&home, &["--dry-run", "-c", text]);
    assert!(planned.good && planned.rows.contains("then PUT <disk.img.gz: 2500000 bytes, sha256 "), "{}", planned.rows);
    let uploaded = program(&home, &["-c", text]);
    assert!(uploaded.good && uploaded.rows.contains("pending_upload"), "{}", uploaded.said);
    assert!(uploaded.said.contains("sent `disk.img.gz`: 2500000 bytes, sha256 "), "{}", uploaded.said);
    // Another run of the program: the state is in the file.
    let select = "SELECT status, size FROM linode.images.images WHERE label = 'mine'";
    let found = program(&home, &["-c", select]);
    assert_eq!(found.rows, "status,size\navailable,3\n", "{}", found.said);
    let mut other = Command::new(env!("CARGO_BIN_EXE_skyql"));
    let forgot = ran(other.env_clear().env("HOME", home.path()).args(["--sandbox", "-o", "csv", "-c", select]));
    assert_eq!(forgot.rows, "status,size\n");
    let seed = program(&home, &["--seed", "9", "-c", select]);
    assert!(!seed.good && seed.said.contains("made with seed 1"), "{}", seed.said);
    let mut real = Command::new(env!("CARGO_BIN_EXE_skyql"));
    let refused = ran(real.env_clear().env("HOME", home.path()).args(["--state", "x.json", "-c", "SELECT 1"]));
    assert!(!refused.good && refused.said.contains("add `--sandbox`"), "{}", refused.said);
    let missing = program(&home, &["-c", &text.replace("disk.img.gz", "nosuch.img")]);
    assert!(!missing.good && missing.said.contains("there is no file `nosuch.img`"), "{}", missing.said);
}

/// A limit on the size of files is a disk that is full, for whoever writes.
#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_leaves_nothing() {
    let home = TempDir::new().unwrap();
    let text = "EXEC lunanode.images.images.retrieve @image_id = '141119' INTO 'debian.qcow2'";
    let mut command = Command::new("sh");
    command.env_clear().env("HOME", home.path()).env("XDG_STATE_HOME", home.path()).current_dir(home.path());
    command.args([
        "-c",
        "trap '' XFSZ; ulimit -f 1; exec \"$0\" --sandbox -c \"$1\"",
        env!("CARGO_BIN_EXE_skyql"),
        text,
    ]);
    let full = ran(&mut command);
    assert!(!full.good && full.said.contains("larger than a file may be"), "{}", full.said);
    let left = names(home.path());
    assert!(!left.iter().any(|name| name.contains("debian")), "{left:?}");
}
