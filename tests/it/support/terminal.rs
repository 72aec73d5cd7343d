//! The program in a real pseudo-terminal, and the screen that a user would see.
//!
//! *Invariants*: waiting is for something on the screen, with a deadline, never for time; the program ends with its
//! [`Terminal`].

use std::io::{Read, Write};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use tempfile::TempDir;

/// Far longer than anything takes; a test that waits so long has failed.
const DEADLINE: Duration = Duration::from_mins(5);

/// A program in a terminal, with a home of its own.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    home: TempDir,
}

struct Seen {
    parser: vt100::Parser,
    /// Whether the program has closed the terminal.
    ended: bool,
}

/// How a program is started.
pub(crate) struct Start {
    arguments: Vec<String>,
    env: Vec<(String, String)>,
    lines: u16,
    columns: u16,
    home: TempDir,
}

impl Start {
    /// `skyql` with these arguments, on 24 lines of 100 columns, without a pager.
    pub(crate) fn skyql(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            env: vec![("TERM".to_owned(), "xterm-256color".to_owned()), ("PATH".to_owned(), "/nowhere".to_owned())],
            lines: 24,
            columns: 100,
            home: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the programs of this machine: pagers and editors are shell scripts.
    pub(crate) fn with_programs(self) -> Self {
        self.env("PATH", "/usr/local/bin:/usr/bin:/bin")
    }

    pub(crate) fn size(mut self, lines: u16, columns: u16) -> Self {
        (self.lines, self.columns) = (lines, columns);
        self
    }

    /// A file in the home, which is the working directory.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// So that nobody is greeted.
    pub(crate) fn not_first(self) -> Self {
        self.file("history", "#V2\nSELECT 1;\n").env("SKYQL_HISTORY", "history")
    }

    pub(crate) fn run(self) -> Terminal {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(self.lines, self.columns)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_skyql"))
            .args(&self.arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path());
        for (name, value) in &self.env {
            command = command.env(name, value);
        }
        let child = command.spawn(pts).unwrap();
        let parser = vt100::Parser::new(self.lines, self.columns, 0);
        let seen = Arc::new((Mutex::new(Seen { parser, ended: false }), Condvar::new()));
        let pty = Arc::new(pty);
        let (reader, shared) = (Arc::clone(&pty), Arc::clone(&seen));
        std::thread::spawn(move || read_all(&reader, &shared));
        Terminal { pty, child, seen, home: self.home }
    }
}

fn read_all(mut pty: &Pty, (seen, changed): &(Mutex<Seen>, Condvar)) {
    let mut bytes = [0; 4096];
    loop {
        // A terminal whose program has gone gives an error, not an end.
        let read = pty.read(&mut bytes).unwrap_or(0);
        // A failed test has the screen; it is of no more use.
        let Ok(mut seen) = seen.lock() else { return };
        seen.parser.process(&bytes[..read]);
        seen.ended = read == 0;
        changed.notify_all();
        if read == 0 {
            return;
        }
    }
}

impl Terminal {
    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// Presses keys.
    pub(crate) fn keys(&self, keys: &str) -> &Self {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Types a line and Enter, waits for the next prompt, and gives the screen.
    #[track_caller]
    pub(crate) fn line(&self, line: &str) -> String {
        self.prompt().typed(line).keys("\r").prompt();
        self.text()
    }

    /// Types, and waits until the end of it is seen.
    #[track_caller]
    pub(crate) fn typed(&self, text: &str) -> &Self {
        let skipped = text.chars().count().saturating_sub(12);
        let end: String = text.chars().skip(skipped).collect();
        self.keys(text).until(&format!("{end:?} as typed"), |screen| {
            let (row, column) = screen.cursor_position();
            let before = screen.rows(0, column).nth(usize::from(row)).unwrap_or_default();
            before.ends_with(end.trim_end()) || before.ends_with(&end)
        })
    }

    /// Waits for a prompt behind which nothing stands.
    #[track_caller]
    pub(crate) fn prompt(&self) -> &Self {
        self.until("a prompt", is_prompt)
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> &Self {
        self.until(&format!("{text:?}"), |screen| screen.contents().contains(text))
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_there: impl Fn(&vt100::Screen) -> bool) -> &Self {
        let (seen, changed) = &*self.seen;
        let waits = |seen: &mut Seen| !is_there(seen.parser.screen()) && !seen.ended;
        let (seen, _) = changed.wait_timeout_while(seen.lock().unwrap(), DEADLINE, waits).unwrap();
        let screen = seen.parser.screen();
        assert!(is_there(screen), "no {what} on the screen:\n{}", screen.contents());
        self
    }

    /// The screen as text, without blanks at the ends.
    pub(crate) fn text(&self) -> String {
        let seen = self.seen.0.lock().unwrap();
        let lines: Vec<String> =
            seen.parser.screen().contents().lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
    }

    pub(crate) fn screen(&self) -> vt100::Screen {
        self.seen.0.lock().unwrap().parser.screen().clone()
    }

    pub(crate) fn resize(&self, lines: u16, columns: u16) -> &Self {
        self.seen.0.lock().unwrap().parser.screen_mut().set_size(lines, columns);
        self.pty.resize(Size::new(lines, columns)).unwrap();
        self
    }

    /// Waits for the end of the program and gives its exit code.
    #[track_caller]
    pub(crate) fn ends(mut self) -> Option<i32> {
        let (seen, changed) = &*self.seen;
        let (seen, _) = changed.wait_timeout_while(seen.lock().unwrap(), DEADLINE, |seen| !seen.ended).unwrap();
        assert!(seen.ended, "the program goes on:\n{}", seen.parser.screen().contents());
        drop(seen);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// Whether the cursor stands behind an empty prompt.
fn is_prompt(screen: &vt100::Screen) -> bool {
    let (row, column) = screen.cursor_position();
    let line = row_text(screen, row);
    matches!(line.trim_end(), "skyql>" | "skyql sandbox>" | "skyql*>" | "skyql sandbox*>")
        && usize::from(column) == line.trim_end().len() + 1
}

fn row_text(screen: &vt100::Screen, row: u16) -> String {
    let (_, columns) = screen.size();
    screen.rows(0, columns).nth(usize::from(row)).unwrap_or_default()
}
