//! Other programs that are given the terminal: the pager and the editor.

use std::io::Result as IoResult;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::config::Env;

/// The command that shows long output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pager {
    command: String,
    /// Variables that it is given.
    told: Vec<(&'static str, &'static str)>,
}

/// What `less` is told where its user tells it nothing: to end when all fits the screen, to pass colours, to leave the
/// rows on the screen; and that rows are UTF-8, which it takes from the locale otherwise.
const TOLD: [(&str, &str); 2] = [("LESS", "FRX"), ("LESSCHARSET", "utf-8")];

impl Pager {
    /// What `PAGER` names, else `less` or `more`, where there is one.
    ///
    /// # Errors
    /// What `PAGER` names, when that is no program.
    pub(super) fn of(env: &Env) -> Result<Option<Self>, String> {
        let told = TOLD.into_iter().filter(|(name, _)| env.get(name).is_none()).collect();
        match env.get("PAGER") {
            Some(command) if is_there(&command, env) => Ok(Some(Self { command, told })),
            Some(command) => Err(command),
            None => {
                let found = ["less", "more"].into_iter().find(|command| is_there(command, env));
                Ok(found.map(|command| Self { command: command.to_owned(), told }))
            }
        }
    }

    /// Starts it; what it is to show goes to its input.
    pub(super) fn start(&self) -> IoResult<Child> {
        let mut shell = shell(&self.command);
        shell.envs(self.told.iter().copied()).stdin(Stdio::piped()).spawn()
    }
}

/// The command of the user's editor.
pub(super) fn editor(env: &Env) -> String {
    let usual = if cfg!(windows) { "notepad" } else { "vi" };
    env.get("VISUAL").or_else(|| env.get("EDITOR")).unwrap_or_else(|| usual.to_owned())
}

/// A command line for the platform's shell; further arguments become the command's.
pub(super) fn shell(command: &str) -> Command {
    if cfg!(windows) {
        let mut shell = Command::new("cmd");
        shell.args(["/C", command]);
        shell
    } else {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{command} \"$@\""), "sh"]);
        shell
    }
}

/// Whether the first word of a command line is a program; words that only a shell understands are taken for one.
fn is_there(command: &str, env: &Env) -> bool {
    let word = command.split_whitespace().next().unwrap_or_default();
    if word.is_empty() {
        return false;
    }
    if word.contains(['=', '"', '\'', '$', '~', '%']) {
        return true;
    }
    if word.contains('/') || cfg!(windows) && word.contains('\\') {
        return Path::new(word).is_file();
    }
    let path = env.get("PATH").unwrap_or_default();
    let names = if cfg!(windows) { vec![format!("{word}.exe"), format!("{word}.com")] } else { vec![word.to_owned()] };
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    dirs.iter().any(|dir| names.iter().any(|name| dir.join(name).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_pager_is_a_program() {
        let env = || Env::empty().with("PATH", "/nowhere:/bin:/usr/bin");
        assert_eq!(Pager::of(&env().with("PAGER", "no-such-pager -x")), Err("no-such-pager -x".to_owned()));
        let cat = Pager::of(&env().with("PAGER", "cat -v")).unwrap().unwrap();
        assert_eq!(cat, Pager { command: "cat -v".into(), told: TOLD.to_vec() });
        let own = Pager::of(&env().with("PAGER", "LESS=-S less").with("LESS", "R").with("LESSCHARSET", "latin1"))
            .unwrap()
            .unwrap();
        assert_eq!(own, Pager { command: "LESS=-S less".into(), told: Vec::new() });
        assert_eq!(Pager::of(&Env::empty()), Ok(None));
    }

    #[test]
    fn the_editor_is_the_users() {
        assert_eq!(editor(&Env::empty().with("EDITOR", "nano").with("VISUAL", "code -w")), "code -w");
        assert_eq!(editor(&Env::empty().with("EDITOR", "nano")), "nano");
    }
}
