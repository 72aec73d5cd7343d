//! The prompt: statements are typed, over as many lines as they need, until `;`.

use std::path::Path;

use rustyline::config::Behavior;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Completer, Config, Editor, Helper, Highlighter, Hinter};
use tokio::runtime::Runtime;

use crate::cli::message::Messages;
use crate::cli::run::{Ended, Runner};
use crate::cli::source::Text;
use crate::error::{Error, ErrorKind};
use crate::sql;

const PROMPT: &str = "skyql> ";

const HELP: &str = "a statement ends with `;` and may take several lines; Ctrl-C clears the line or cancels the statement; `\\q` or Ctrl-D leaves";

/// Asks for statements and runs them until the user leaves. A statement that fails does not end it.
pub(super) fn run(runtime: &Runtime, mut runner: Runner, history: Option<&Path>) -> Ended {
    let mut editor = match editor() {
        Ok(editor) => editor,
        Err(error) => return broken_terminal(runner.messages(), &error),
    };
    if let Some(path) = history {
        // Without a history so far there is none to load.
        let _none_yet = editor.load_history(path);
    }
    let mut keeper = Keeper { path: history, complained: false };
    let version = env!("CARGO_PKG_VERSION");
    runner.messages().note(&format!("skyql {version}: end statements with `;`, leave with `\\q`"));
    loop {
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ended::Well,
            Err(error) => return broken_terminal(runner.messages(), &error),
        };
        match Typed::of(&line) {
            Typed::Nothing => {}
            Typed::Leave => return Ended::Well,
            Typed::Help => runner.messages().note(HELP),
            Typed::Unknown(command) => {
                let error = Error::new(ErrorKind::NameNotFound, format!("there is no command `{command}`")).hint(HELP);
                runner.messages().error(&error, None);
            }
            Typed::Statements => {
                keeper.keep(&mut editor, &line, runner.messages());
                let text = Text { name: "prompt".to_owned(), text: line };
                if runtime.block_on(until_interrupted(&mut runner, &text)) == Ended::ReaderLeft {
                    return Ended::ReaderLeft;
                }
            }
        }
    }
}

/// Ctrl-C drops the statement, and with it its calls in flight.
async fn until_interrupted(runner: &mut Runner, text: &Text) -> Ended {
    tokio::select! {
        ended = runner.text(text) => return ended,
        _ = tokio::signal::ctrl_c() => {}
    }
    runner.messages().new_line();
    let error = Error::new(ErrorKind::Cancelled, "the statement was cancelled");
    runner.messages().error(&error, None);
    runner.cut_off(&text.text);
    Ended::Failed
}

fn broken_terminal(messages: &mut Messages, error: &ReadlineError) -> Ended {
    let error = Error::new(ErrorKind::Internal, "the terminal cannot be read")
        .with("reason", error.to_string())
        .hint("`-c SQL` and files of statements need no terminal");
    messages.error(&error, None);
    Ended::Failed
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
enum Typed<'a> {
    Nothing,
    Leave,
    Help,
    Unknown(&'a str),
    Statements,
}

impl<'a> Typed<'a> {
    fn of(text: &'a str) -> Self {
        let word = text.trim().trim_end_matches(';').trim_end();
        match word.to_lowercase().as_str() {
            "" => Self::Nothing,
            "\\q" | "exit" | "quit" => Self::Leave,
            "\\?" | "help" => Self::Help,
            lower if lower.starts_with('\\') => Self::Unknown(word.split_whitespace().next().unwrap_or(word)),
            _ => Self::Statements,
        }
    }
}

/// Decides whether Enter ends the input or begins a new line.
#[derive(Completer, Helper, Highlighter, Hinter)]
struct Ends;

impl Validator for Ends {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

fn is_whole(text: &str) -> bool {
    Typed::of(text) != Typed::Statements || sql::is_complete(text)
}

fn editor() -> rustyline::Result<Editor<Ends, DefaultHistory>> {
    // The terminal itself, not stdout: rows may go to a file while statements are typed.
    let config = Config::builder().behavior(Behavior::PreferTerm).history_ignore_space(true).build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Ends));
    Ok(editor)
}

/// Keeps what was typed, in memory and in the user's history file. A line that begins with a space is not kept.
struct Keeper<'a> {
    path: Option<&'a Path>,
    complained: bool,
}

impl Keeper<'_> {
    fn keep(&mut self, editor: &mut Editor<Ends, DefaultHistory>, line: &str, messages: &mut Messages) {
        let kept = editor.add_history_entry(line).unwrap_or(false);
        let Some(path) = self.path.filter(|_| kept) else { return };
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = written.map_err(ReadlineError::Io).and_then(|()| editor.append_history(path));
        if let Err(error) = written
            && !std::mem::replace(&mut self.complained, true)
        {
            messages.note(&format!("the history is not kept: `{}` cannot be written ({error})", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_prompt_are_told_from_statements() {
        let cases = [
            ("", Typed::Nothing),
            (" ; ", Typed::Nothing),
            ("\\q", Typed::Leave),
            ("  EXIT;", Typed::Leave),
            ("quit", Typed::Leave),
            ("\\?", Typed::Help),
            ("\\dt images", Typed::Unknown("\\dt")),
            ("select 1", Typed::Statements),
            ("exit_code", Typed::Statements),
        ];
        for (text, typed) in cases {
            assert_eq!(Typed::of(text), typed, "{text}");
        }
    }

    #[test]
    fn enter_ends_the_input_after_a_semicolon() {
        for (text, whole) in
            [("select 1;", true), ("select 1", false), ("select ';", false), ("exit", true), ("\\x", true), ("", true)]
        {
            assert_eq!(is_whole(text), whole, "{text}");
        }
    }

    #[test]
    fn history_is_kept_unless_a_space_says_no() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state").join("history");
        let mut keeper = Keeper { path: Some(&path), complained: false };
        let mut messages = Messages::new(Box::new(std::io::sink()), false, crate::cli::meant::Notes::Normal);
        let mut editor = editor().unwrap();
        keeper.keep(&mut editor, "SELECT 1;", &mut messages);
        keeper.keep(&mut editor, " SELECT 'secret';", &mut messages);
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(kept.contains("SELECT 1;") && !kept.contains("secret"), "{kept}");
        assert!(!keeper.complained);
        let mut keeper = Keeper { path: Some(&path.join("not-a-directory")), complained: false };
        keeper.keep(&mut editor, "SELECT 2;", &mut messages);
        assert!(keeper.complained);
    }
}
