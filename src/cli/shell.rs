//! The prompt: statements are typed, over as many lines as they need, until `;`.
//!
//! *Owns*: the line editor, completion, history, backslash commands, what Ctrl-C does.
//! *Does not own*: what statements do (`engine`), how rows look (`output`), running a text of statements (`run`).
//! *Invariants*: Ctrl-C ends a statement, never the program; what a key press shows waits for no network and for no
//! document; a secret is in no history.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use rustyline::error::ReadlineError;
use tokio::runtime::Runtime;
use tokio::task::unconstrained;

use crate::cli::pager::Pager;
use crate::cli::progress;
use crate::cli::run::{Ended, Runner};
use crate::cli::screen::Screen;
use crate::cli::script::{Script, Unrendered};
use crate::cli::source::Text;
use crate::clock::{Clock, SystemClock};
use crate::config::Env;
use crate::engine::{Engine, Watch};
use crate::error::{Error, ErrorKind};
use crate::output::Options;
use crate::report::QueryReport;
use crate::sql;

mod commands;
mod completion;
mod editor;
mod highlight;
mod history;
mod interrupts;
mod lexer;
mod look;
mod meta_command;
mod names;
mod words;

use history::{Keeper, Said};
use interrupts::Interrupts;
use look::Look;
use names::EngineNames;

const HELP: &str = "a statement ends with `;` and may take several lines; Tab completes; Ctrl-C clears the line or cancels the statement; `\\?` lists commands; `\\q` or Ctrl-D leaves";

/// What the prompt depends on beside the session.
pub(super) struct Choices {
    pub(super) env: Env,
    pub(super) home: Option<PathBuf>,
    pub(super) history: Option<PathBuf>,
    pub(super) output: Options,
    /// Whether what is typed is coloured.
    pub(super) color: bool,
    /// Whether statements go to an imitation of the APIs.
    pub(super) sandbox: bool,
    /// What templates in files of statements mean.
    pub(super) templates: Unrendered,
}

/// Asks for statements and runs them until the user leaves. A statement that fails does not end it.
pub(super) fn run(runtime: &Runtime, engine: &Engine, runner: Runner, screen: Screen, choices: Choices) -> Ended {
    let mut shell = Shell::new(runtime, engine, runner, screen, choices);
    let ended = shell.converse();
    match shell.screen.write_to(None) {
        Ok(()) => ended,
        Err(error) => {
            shell.runner.messages().error(&error, None);
            Ended::Failed
        }
    }
}

/// A conversation with the user.
struct Shell<'a> {
    runtime: &'a Runtime,
    engine: &'a Engine,
    runner: Runner,
    screen: Screen,
    watch: Watch,
    interrupts: Interrupts,
    names: Arc<EngineNames>,
    look: Look,
    choices: Choices,
    pager: Option<Pager>,
    /// The last input of statements.
    last: Option<String>,
    /// What stands in the next line from the beginning.
    next_input: String,
}

/// Whether there is another line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Leave(Ended),
}

/// How a statement at the prompt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// By itself.
    Ended(Ended),
    /// By Ctrl-C.
    Cancelled,
}

impl<'a> Shell<'a> {
    fn new(runtime: &'a Runtime, engine: &'a Engine, mut runner: Runner, screen: Screen, choices: Choices) -> Self {
        let names = EngineNames::new(engine.clone(), runtime.handle().clone(), choices.home.clone());
        names.renew(runner.session());
        Self {
            runtime,
            engine,
            watch: runner.session().watch(),
            interrupts: Interrupts::listen(runtime),
            runner,
            screen,
            names: Arc::new(names),
            look: Look::new(choices.output.clone()),
            choices,
            pager: None,
            last: None,
            next_input: String::new(),
        }
    }

    fn converse(&mut self) -> Ended {
        let mut editor = match editor::editor(self.choices.color, Arc::clone(&self.names)) {
            Ok(editor) => editor,
            Err(error) => return self.broken_terminal(&error),
        };
        let mut keeper = Keeper::new(self.choices.history.clone());
        let is_first = !keeper.load(&mut editor);
        self.greet(is_first);
        self.find_pager();
        loop {
            let typed = std::mem::take(&mut self.next_input);
            let line = match editor.readline_with_initial(self.prompt(), (&typed, "")) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return self.leave(),
                Err(error) => return self.broken_terminal(&error),
            };
            // Before it runs, as it may change both.
            let said = Said::before(&line, self.runner.session());
            let went_on = self.take(&line);
            // Afterwards, as only then its documents are read, which say what is a secret.
            if Typed::of(&line) != Typed::Nothing {
                keeper.keep(&mut editor, &line, self.engine.registry(), &said, self.runner.messages());
            }
            if let Next::Leave(ended) = went_on {
                return ended;
            }
        }
    }

    /// Says where statements go, and with a `*` that writes wait for COMMIT.
    fn prompt(&mut self) -> &'static str {
        match (self.choices.sandbox, self.runner.session().in_transaction()) {
            (false, false) => "skyql> ",
            (true, false) => "skyql sandbox> ",
            (false, true) => "skyql*> ",
            (true, true) => "skyql sandbox*> ",
        }
    }

    fn greet(&mut self, is_first: bool) {
        let version = env!("CARGO_PKG_VERSION");
        let messages = self.runner.messages();
        if !is_first {
            messages.note(&format!("skyql {version}: end statements with `;`, `\\?` lists commands, leave with `\\q`"));
            return;
        }
        messages.note(&format!("Welcome to SkyQL {version}, SQL over REST APIs. Three things to try:"));
        let example = "SELECT id, label, size FROM linode.images.images WHERE is_public = true LIMIT 5;";
        let tries: [(&str, &str); 3] = if self.choices.sandbox {
            [
                ("\\d linode.images.images", "what a table holds"),
                (example, "rows of the sandbox"),
                ("EXPLAIN DELETE FROM linode.images.images WHERE id = 'private/1';", "what a write would send"),
            ]
        } else {
            [
                ("\\d linode.images.images", "what a table holds"),
                (example, "public images, without an account"),
                ("skyql --sandbox", "leave with `\\q` and start this: every table, made up, to play with"),
            ]
        };
        for (what, why) in tries {
            messages.note(&format!("  {what}"));
            messages.note(&format!("      {why}"));
        }
        messages.note("A statement ends with `;`. Tab completes names, `\\?` lists commands, `\\q` leaves.");
    }

    fn find_pager(&mut self) {
        match Pager::of(&self.choices.env) {
            Ok(pager) => self.pager = pager,
            Err(command) => {
                self.runner
                    .messages()
                    .note(&format!("there is no program `{command}`, which `PAGER` names; rows are not paged"));
            }
        }
    }

    fn take(&mut self, line: &str) -> Next {
        self.interrupts.forget();
        match Typed::of(line) {
            Typed::Nothing => Next::GoOn,
            Typed::Leave => Next::Leave(self.leave()),
            Typed::Help => {
                self.help();
                Next::GoOn
            }
            Typed::Command(command) => match meta_command::parse(command) {
                Ok(command) => self.command(command),
                Err(error) => {
                    self.runner.messages().error(&error, None);
                    Next::GoOn
                }
            },
            Typed::Statements => {
                self.last = Some(line.to_owned());
                next(self.statements(line))
            }
        }
    }

    /// Says what is left undone.
    fn leave(&mut self) -> Ended {
        let queued = self.runner.session().queued_writes();
        if queued > 0 {
            let writes = crate::report::count(queued as u64, "write");
            self.runner.messages().note(&format!("{writes} waited for COMMIT; nothing was sent"));
        }
        Ended::Well
    }

    fn help(&mut self) {
        self.runner.messages().note(HELP);
        for line in meta_command::help() {
            self.runner.messages().note(&line);
        }
    }

    /// Runs what was typed.
    fn statements(&mut self, text: &str) -> Ran {
        let text = Text { name: "prompt".to_owned(), text: text.to_owned() };
        self.text(&text)
    }

    /// Runs a text of statements. Ctrl-C drops the one that runs, and with it its calls in flight.
    fn text(&mut self, text: &Text) -> Ran {
        self.script(&Script::plain(text.clone()))
    }

    fn script(&mut self, script: &Script) -> Ran {
        let on_terminal = self.screen.is_terminal();
        let options = self.look.options(on_terminal);
        if on_terminal {
            if options.format.is_binary() {
                let error =
                    Error::new(ErrorKind::Unsupported, format!("{} is not for a terminal", options.format.name()));
                self.runner.messages().error(&error.hint("`\\o FILE` writes rows to a file"), None);
                return Ran::Ended(Ended::Failed);
            }
            self.runner.begin();
        }
        self.runner.look(options);
        self.screen.set_pager(self.pager.clone().filter(|_| self.look.pager && on_terminal));
        let started = SystemClock.now();
        let asking = self.runner.asking();
        let (screen, watch, runner) = (&self.screen, &self.watch, &mut self.runner);
        let ran = self.runtime.block_on(interruptible(
            progress::shown(runner.script(script), watch, &asking, screen),
            screen,
            watch,
            &mut self.interrupts,
        ));
        let ran = match ran {
            Ok(ended) => {
                let left = self.screen.finish();
                if left {
                    self.runner.messages().note("the pager was left before the last row");
                }
                // A pager is only another look: nobody went away.
                Ran::Ended(if left && ended == Ended::ReaderLeft { Ended::Well } else { ended })
            }
            Err(report) => {
                self.screen.forget();
                let messages = self.runner.messages();
                // The terminal echoed `^C`.
                messages.new_line();
                messages.error(&Error::new(ErrorKind::Cancelled, "the statement was cancelled"), None);
                if let Some(report) = report {
                    messages.warnings(&report.warnings);
                    messages.footer(&report);
                }
                self.runner.cut_off(script.text());
                Ran::Cancelled
            }
        };
        if self.look.timing {
            let took = SystemClock.now().saturating_duration_since(started);
            self.runner.messages().note(&format!("Time: {:.1} ms", took.as_secs_f64() * 1000.0));
        }
        self.names.renew(self.runner.session());
        ran
    }

    fn broken_terminal(&mut self, error: &ReadlineError) -> Ended {
        let error = Error::new(ErrorKind::Internal, "the terminal cannot be read")
            .with("reason", error.to_string())
            .hint("`-c SQL` and files of statements need no terminal");
        self.runner.messages().error(&error, None);
        Ended::Failed
    }
}

/// A reader that went away ends the program, unless it was the pager, which is only another look.
fn next(ran: Ran) -> Next {
    match ran {
        Ran::Ended(Ended::ReaderLeft) => Next::Leave(Ended::ReaderLeft),
        _ => Next::GoOn,
    }
}

/// The end of a statement, or its report when Ctrl-C ends it.
async fn interruptible<T>(
    running: impl Future<Output = T>,
    screen: &Screen,
    watch: &Watch,
    interrupts: &mut Interrupts,
) -> Result<T, Option<QueryReport>> {
    let mut running = Box::pin(running);
    loop {
        tokio::select! {
            biased;
            ended = &mut running => return Ok(ended),
            // Also while a query that only computes takes all that a task may take at a time.
            () = unconstrained(interrupts.next()) => {
                // It is meant for the pager, where that has the terminal.
                if !screen.is_paging() {
                    let report = watch.cancel();
                    drop(running);
                    return Err(report);
                }
            }
        }
    }
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
enum Typed<'a> {
    Nothing,
    Leave,
    Help,
    /// Something that begins with a backslash.
    Command(&'a str),
    Statements,
}

impl<'a> Typed<'a> {
    fn of(text: &'a str) -> Self {
        let word = text.trim().trim_end_matches(';').trim_end();
        match word.to_lowercase().as_str() {
            "" => Self::Nothing,
            "exit" | "quit" => Self::Leave,
            "help" => Self::Help,
            lower if lower.starts_with('\\') => Self::Command(text.trim()),
            _ => Self::Statements,
        }
    }
}

/// Whether Enter ends the input: a statement ends with `;`, outside strings and comments.
fn is_whole(text: &str) -> bool {
    if Typed::of(text) != Typed::Statements || sql::is_complete(text) {
        return true;
    }
    // What cannot be read however it goes on is better refused than waited for.
    text.trim_end().ends_with(';') && lexer::tokens(text).iter().all(|token| token.closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_prompt_are_told_from_statements() {
        let cases = [
            ("", Typed::Nothing),
            (" ; ", Typed::Nothing),
            ("  EXIT;", Typed::Leave),
            ("quit", Typed::Leave),
            ("help;", Typed::Help),
            ("\\q", Typed::Command("\\q")),
            (" \\dt images ", Typed::Command("\\dt images")),
            ("select 1", Typed::Statements),
            ("exit_code", Typed::Statements),
        ];
        for (text, typed) in cases {
            assert_eq!(Typed::of(text), typed, "{text}");
        }
    }

    #[test]
    fn a_pager_that_was_left_is_no_reader_that_went_away() {
        assert_eq!(next(Ran::Ended(Ended::ReaderLeft)), Next::Leave(Ended::ReaderLeft));
        assert_eq!(next(Ran::Ended(Ended::Failed)), Next::GoOn);
        assert_eq!(next(Ran::Cancelled), Next::GoOn);
    }
}
