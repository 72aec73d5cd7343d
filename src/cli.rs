//! The `skyql` program: arguments, scripts, the shell.
//!
//! *Owns*: arguments as typed and as meant, what runs in which order, messages, exit codes.
//! *Does not own*: what statements do (`engine`) or how rows look (`output`).
//! *Invariants*: data goes to stdout (or `--outfile`) and everything else to stderr; the exit code is 0 only if all is
//! well, 1 for a failed statement, 2 for wrong usage; a reader that went away ends the program quietly; a text from an
//! API never acts on the terminal.

use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use directories::{BaseDirs, ProjectDirs};
use terminal_size::{Width, terminal_size_of};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::config::Env;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};

mod args;
mod ask;
mod fetch;
mod meant;
mod message;
mod outfile;
mod pager;
mod progress;
mod provider;
mod requests;
mod run;
mod screen;
mod script;
mod secret;
mod shell;
mod source;
mod start;
mod stop;

use meant::{Action, Meant, Notes};
use message::Messages;
use outfile::Outfile;
use run::{Ended, Runner};
use screen::{ProgressLine, Screen};
use script::Unrendered;
use stop::{Stop, Stops};

/// Bytes of stack of the thread that runs statements.
const STACK: usize = 256 << 20;

/// Runs the program with the arguments, the environment and the terminal of this process.
pub fn main() -> ExitCode {
    // Trees of expressions are walked by recursion, and may be thousands of levels deep. Only what is used is taken.
    let run = || run_with(std::env::args_os(), &Surroundings::of_this_process());
    let started = std::thread::Builder::new().name("skyql".to_owned()).stack_size(STACK).spawn(run);
    let ended = match started.map(std::thread::JoinHandle::join) {
        Ok(Ok(ended)) => ended,
        // It has said so on stderr.
        Ok(Err(_panicked)) => return ExitCode::from(101),
        Err(_no_thread) => run(),
    };
    match ended {
        Ended::Well | Ended::ReaderLeft => ExitCode::SUCCESS,
        Ended::Failed | Ended::FoundProblems => ExitCode::from(1),
        Ended::WrongUsage => ExitCode::from(2),
        Ended::Interrupted(stop) => ExitCode::from(stop.exit_code()),
    }
}

/// What the arguments' meaning depends on beside the arguments.
#[derive(Debug, Clone, Default)]
struct Surroundings {
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    /// The width of the terminal that stdout is.
    width: Option<u16>,
    env: Env,
    /// What `~` means.
    home: Option<PathBuf>,
    /// The user's own files, where the platform says where they are.
    config_file: Option<PathBuf>,
    providers_dir: Option<PathBuf>,
    history_file: Option<PathBuf>,
    /// Where the journal of writes and stored plans are kept.
    state_dir: Option<PathBuf>,
    /// Where views and tables are kept.
    data_dir: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
}

impl Surroundings {
    fn of_this_process() -> Self {
        let dirs = ProjectDirs::from("", "", "skyql");
        let dirs = dirs.as_ref();
        let state_dir = dirs.map(|dirs| dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned());
        Self {
            stdin_is_terminal: stdin().is_terminal(),
            stdout_is_terminal: stdout().is_terminal(),
            stderr_is_terminal: stderr().is_terminal(),
            width: stdout().is_terminal().then(terminal_width),
            env: Env::process(),
            home: BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()),
            config_file: dirs.map(|dirs| dirs.config_dir().join("config.toml")),
            providers_dir: dirs.map(|dirs| dirs.data_dir().join("providers")),
            history_file: state_dir.as_ref().map(|dir| dir.join("history")),
            state_dir,
            data_dir: dirs.map(|dirs| dirs.data_dir().to_owned()),
            cache_dir: dirs.map(|dirs| dirs.cache_dir().join("digests")),
        }
    }
}

/// A terminal that does not tell its width, as some in containers, is taken to be as wide as terminals once were.
fn terminal_width() -> u16 {
    terminal_size_of(stdout()).map(|(Width(width), _)| width).filter(|width| *width > 0).unwrap_or(80)
}

fn run_with(arguments: impl IntoIterator<Item = OsString>, here: &Surroundings) -> Ended {
    let typed = match args::parse(arguments) {
        Ok(typed) => typed,
        Err(error) => {
            // Help and version are "errors" of clap too: they go to stdout and are no failure.
            let shown = error.print();
            return match (error.use_stderr(), shown) {
                (true, _) => Ended::WrongUsage,
                (false, _) => Ended::Well,
            };
        }
    };
    let plain = Messages::new(Box::new(stderr()), false, Notes::Normal);
    match Meant::of(typed, here) {
        Ok(meant) => run_meant(meant, here),
        Err(error) => wrong_usage(plain, &error),
    }
}

fn run_meant(meant: Meant, here: &Surroundings) -> Ended {
    let ready = match ready(&meant, here) {
        Ok(ready) => ready,
        Err(error) => {
            let messages = Messages::new(Box::new(stderr()), meant.color_messages, meant.notes);
            return wrong_usage(messages, &error);
        }
    };
    let Ready { runtime, engine, texts, out, outfile, history } = ready;
    let is_shell = meant.action == Action::Prompt;
    let on_terminal = is_shell && here.stdout_is_terminal && meant.outfile.is_none();
    let progress = match (meant.progress, meant.color_messages) {
        (false, _) => ProgressLine::Off,
        (true, true) => ProgressLine::Dimmed,
        (true, false) => ProgressLine::Plain,
    };
    let screen = Screen::new((!on_terminal).then_some(out), progress);
    let mut messages = Messages::new(Box::new(screen.messages()), meant.color_messages, meant.notes);
    if meant.notes == Notes::Verbose {
        requests::show(meant.color_messages, screen.requests());
    }
    let out = Box::new(screen.rows());
    let ended = match &meant.action {
        Action::Provider(doing) => {
            let place = provider::Place {
                dirs: &meant.engine.all_dirs(),
                own: here.providers_dir.as_deref(),
                can_ask: here.stdin_is_terminal && here.stderr_is_terminal,
                verbose: meant.notes == Notes::Verbose,
            };
            runtime.block_on(provider::run(doing, &place, &meant.output, out, messages))
        }
        Action::Sandbox { provider, port } => {
            runtime.block_on(run::serve(&engine, provider.as_deref(), *port, out, messages))
        }
        Action::Check(_) => {
            let scripts = script::render(&texts, &mut messages);
            runtime.block_on(run::check(&engine.session(), &scripts, messages))
        }
        Action::Run(_) => match script::render(&texts, &mut messages).all() {
            None => Ended::Failed,
            Some(scripts) => {
                messages.unfinished(&engine);
                let mut runner =
                    Runner::new(engine.session(), out, meant.output, messages, meant.writes).with_env(&here.env);
                let (watch, asking) = (runner.session().watch(), runner.asking());
                let interrupt = interrupt(&runtime);
                let ended = runtime.block_on(async {
                    let running = progress::shown(runner.scripts(&scripts), &watch, &asking, &screen);
                    tokio::select! {
                        ended = running => ended,
                        Ok(stop) = interrupt => Ended::Interrupted(stop),
                    }
                });
                if let Ended::Interrupted(stop) = ended {
                    runner.messages().interrupted(stop, &engine);
                }
                ended
            }
        },
        Action::Prompt => {
            messages.unfinished(&engine);
            let choices = shell::Choices {
                env: here.env.clone(),
                home: here.home.clone(),
                history,
                output: meant.output.clone(),
                color: meant.color_messages,
                sandbox: meant.engine.sandbox.is_some(),
                templates: texts,
            };
            let runner = Runner::new(engine.session(), out, meant.output, messages, meant.writes).with_env(&here.env);
            shell::run(&runtime, &engine, runner, screen.clone(), choices)
        }
    };
    screen.finish();
    // With it goes the last hold on the file of the rows.
    drop(screen);
    // Calls in flight are of no more use; waiting for a connection to close would only keep the user.
    runtime.shutdown_background();
    match (ended, outfile) {
        (Ended::Well | Ended::ReaderLeft | Ended::FoundProblems, Some(outfile)) => match outfile.keep() {
            Ok(()) => ended,
            Err(error) => {
                Messages::new(Box::new(stderr()), meant.color_messages, meant.notes).error(&error, None);
                Ended::Failed
            }
        },
        (ended, _) => ended,
    }
}

/// Told when the program is to stop: what runs is dropped, and what that leaves is said. Told again it ends, whatever it
/// is busy with.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "who presses twice waits for nothing")]
fn interrupt(runtime: &Runtime) -> oneshot::Receiver<Stop> {
    let (press, pressed) = oneshot::channel();
    let _inside = runtime.enter();
    if let Ok(mut stops) = Stops::listen() {
        runtime.spawn(async move {
            let Some(stop) = stops.next().await else { return };
            if press.send(stop).is_err() {
                return;
            }
            let grace = async {
                match stop.grace() {
                    Some(grace) => tokio::time::sleep(grace).await,
                    None => std::future::pending().await,
                }
                Some(stop)
            };
            if let Some(last) = tokio::select! { again = stops.next() => again, over = grace => over } {
                std::process::exit(last.exit_code().into());
            }
        });
    }
    pressed
}

/// All that must be there before the first statement runs.
struct Ready {
    runtime: Runtime,
    engine: Engine,
    texts: Unrendered,
    out: Box<dyn Write + Send>,
    /// The file behind `out`, which has its name only when all is well.
    outfile: Option<Outfile>,
    /// Where what is typed is kept, if it is.
    history: Option<PathBuf>,
}

fn ready(meant: &Meant, here: &Surroundings) -> Result<Ready> {
    let config = start::config_file(&meant.engine)?;
    let history = meant.history.clone().or_else(|| config.history.clone()).or_else(|| here.history_file.clone());
    let builder = start::builder(&meant.engine, config, &here.env)?;
    let texts = Unrendered::read(&meant.action, &meant.templates, &here.env)?;
    let runtime = Builder::new_multi_thread().thread_stack_size(STACK / 8).enable_all().build().map_err(|error| {
        Error::new(ErrorKind::Internal, "the program cannot start its threads").with("reason", error.to_string())
    })?;
    // Inside the runtime, as a sandbox starts tasks.
    let engine = runtime.block_on(async { start::with_documents(builder, &meant.engine.openapi).await?.build() })?;
    let (out, outfile) = start::output(meant.outfile.as_deref())?;
    let history = history.filter(|path| !path.as_os_str().is_empty());
    Ok(Ready { runtime, engine, texts, out, outfile, history })
}

fn wrong_usage(mut messages: Messages, error: &Error) -> Ended {
    messages.error(error, None);
    Ended::WrongUsage
}

#[cfg(test)]
mod tests;
