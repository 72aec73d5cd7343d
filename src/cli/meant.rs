//! Arguments as meant: what is typed, in the surroundings in which it is typed.

use std::path::PathBuf;

use crate::cli::Surroundings;
use crate::cli::args::{ProviderCommands, Subcommands, Typed, When};
use crate::cli::provider::{Docs, Doing, Import};
use crate::error::{Error, ErrorKind, Result};
use crate::output;

/// What the program is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) action: Action,
    pub(super) engine: EngineChoices,
    pub(super) output: output::Options,
    /// Where rows go, if not to stdout.
    pub(super) outfile: Option<PathBuf>,
    pub(super) notes: Notes,
    pub(super) color_messages: bool,
    /// Whether stderr is a terminal that shows how far a statement is.
    pub(super) progress: bool,
    pub(super) writes: Writes,
    pub(super) templates: Templates,
    /// Where what is typed is kept, where somebody said so; nowhere, where it is empty.
    pub(super) history: Option<PathBuf>,
}

/// What templates in the statements are rendered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Templates {
    pub(super) vars: Vec<(String, String)>,
    pub(super) data: Vec<PathBuf>,
    /// Every text is one.
    pub(super) always: bool,
}

/// What is done with statements that change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    /// They are sent; the user is asked where that is the rule.
    Ask,
    /// They are sent; nobody is there to be asked, so what would have to be is refused.
    Send,
    /// They are shown.
    Show,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Run statements, in this order.
    Run(Vec<Source>),
    /// Find what is wrong with statements.
    Check(Vec<Source>),
    /// Ask for statements.
    Prompt,
    /// Serve the sandbox.
    Sandbox { provider: Option<String>, port: u16 },
    /// Import or check provider documents, or make pages of them.
    Provider(Doing),
}

/// Where statements come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// `-c`.
    Argument(String),
    File(PathBuf),
    Stdin,
}

impl Source {
    fn of_file(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path) }
    }
}

/// How much is said beside the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notes {
    /// Warnings and errors only.
    Quiet,
    /// A footer per statement too.
    Normal,
    /// Each request too.
    Verbose,
}

/// What the engine is built from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EngineChoices {
    pub(super) config: Option<ConfigPath>,
    /// Those that take precedence come first.
    pub(super) providers_dirs: Vec<PathBuf>,
    /// The user's own, after all others; often there is none.
    pub(super) usual_providers_dir: Option<PathBuf>,
    pub(super) base_urls: Vec<(String, String)>,
    pub(super) allow_origins: Vec<(String, String)>,
    pub(super) settings: Vec<(String, String)>,
    /// The sandbox's seed, if calls go there.
    pub(super) sandbox: Option<u64>,
    /// Where the sandbox keeps what is written to it.
    pub(super) sandbox_state: Option<PathBuf>,
    /// Where the journal of writes and plans are kept.
    pub(super) state_dir: Option<PathBuf>,
    pub(super) data_dir: Option<PathBuf>,
    /// Where what was read of provider documents is kept.
    pub(super) cache_dir: Option<PathBuf>,
    pub(super) read_only: bool,
    /// OpenAPI documents to use as they are: provider name, source.
    pub(super) openapi: Vec<(String, String)>,
    /// Where calls are recorded, or answered from.
    pub(super) record: Option<PathBuf>,
    pub(super) replay: Option<PathBuf>,
}

/// The configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ConfigPath {
    /// Named by the user: it must be there.
    Named(PathBuf),
    /// The usual place, where often none is.
    Usual(PathBuf),
}

/// The rows that the documentation shows.
const USUAL_SEED: u64 = 1;

impl Meant {
    /// # Errors
    /// `InvalidArgument` for arguments that make no sense together.
    pub(super) fn of(typed: Typed, here: &Surroundings) -> Result<Self> {
        let shared = typed.shared.clone();
        let color = |is_terminal: bool| match shared.color {
            When::Always => true,
            When::Never => false,
            // https://no-color.org: any value that is not empty; a dumb terminal shows the codes.
            When::Auto => {
                is_terminal && here.env.get("NO_COLOR").is_none() && here.env.get("TERM").as_deref() != Some("dumb")
            }
        };
        let rows_on_terminal = here.stdout_is_terminal && typed.outfile.is_none();
        let output = output::Options {
            format: own_format(&typed).unwrap_or(typed.output),
            header: !typed.no_header,
            width: here.width.filter(|_| rows_on_terminal),
            color: color(rows_on_terminal),
            ..output::Options::default()
        };
        let notes = match (shared.quiet, shared.verbose) {
            (true, _) => Notes::Quiet,
            (false, false) => Notes::Normal,
            (false, true) => Notes::Verbose,
        };
        let engine = engine_choices(&typed, here);
        let color_messages = color(here.stderr_is_terminal);
        let outfile = typed.outfile.clone();
        let progress =
            here.stderr_is_terminal && notes != Notes::Quiet && here.env.get("TERM").as_deref() != Some("dumb");
        let seeded = shared.seed.is_some();
        let dry_run = typed.dry_run;
        let templates = Templates { vars: shared.vars.clone(), data: shared.data.clone(), always: shared.template };
        let history = typed.history.clone().or_else(|| here.env.get("SKYQL_HISTORY").map(PathBuf::from));
        let action = action(typed, here)?;
        let sandbox = match action {
            Action::Sandbox { .. } => Some(shared.seed.unwrap_or(USUAL_SEED)),
            Action::Run(_) | Action::Check(_) | Action::Prompt | Action::Provider(_) => engine.sandbox,
        };
        if seeded && sandbox.is_none() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "`--seed` says which rows the sandbox makes up, but no sandbox is asked for",
            )
            .hint("add `--sandbox`"));
        }
        if engine.sandbox_state.is_some() && sandbox.is_none() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "`--state` says where the sandbox keeps what is written to it, but no sandbox is asked for",
            )
            .hint("add `--sandbox`"));
        }
        let writes = match (dry_run, here.stdin_is_terminal && here.stderr_is_terminal) {
            (true, _) => Writes::Show,
            (false, true) => Writes::Ask,
            (false, false) => Writes::Send,
        };
        let engine = EngineChoices { sandbox, ..engine };
        Ok(Self { action, engine, output, outfile, notes, color_messages, progress, writes, templates, history })
    }
}

fn engine_choices(typed: &Typed, here: &Surroundings) -> EngineChoices {
    let shared = &typed.shared;
    let named = shared.config.clone().or_else(|| here.env.get("SKYQL_CONFIG").map(PathBuf::from));
    let config = named.map(ConfigPath::Named).or_else(|| here.config_file.clone().map(ConfigPath::Usual));
    let from_env = here.env.get("SKYQL_PROVIDERS").unwrap_or_default();
    let mut providers_dirs = shared.providers.clone();
    providers_dirs.extend(std::env::split_paths(&from_env).filter(|dir| !dir.as_os_str().is_empty()));
    let mut settings = typed.settings.clone();
    if typed.yes {
        settings.push(("confirm".to_owned(), "never".to_owned()));
    }
    if typed.force {
        settings.push(("on_existing".to_owned(), "replace".to_owned()));
    }
    let apart = |dir: &PathBuf| match (typed.sandbox, &typed.replay) {
        (true, _) => dir.join("sandbox"),
        (false, Some(_)) => dir.join("replay"),
        (false, None) => dir.clone(),
    };
    EngineChoices {
        config,
        providers_dirs,
        usual_providers_dir: here.providers_dir.clone(),
        base_urls: shared.base_url.clone(),
        allow_origins: shared.allow_origin.clone(),
        settings,
        sandbox: typed.sandbox.then(|| shared.seed.unwrap_or(USUAL_SEED)),
        sandbox_state: shared.state.clone(),
        // What was done in a sandbox, or again from a record, is nothing to be reminded of among real writes.
        state_dir: here.state_dir.as_ref().map(apart),
        // Nor are its rows to be taken for real ones later.
        data_dir: here.data_dir.as_ref().map(apart),
        cache_dir: here.cache_dir.clone(),
        record: typed.record.clone(),
        replay: typed.replay.clone(),
        read_only: typed.read_only,
        openapi: typed.openapi.iter().map(|text| named_document(text)).collect(),
    }
}

/// `acme=./openapi.yaml`; a document without a name is `api`: a name out of the document could be one whose credential
/// is set for something else.
fn named_document(text: &str) -> (String, String) {
    let named = text.split_once('=').filter(|(name, source)| {
        let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        plain && !name.is_empty() && !source.is_empty()
    });
    named.map_or_else(|| ("api".to_owned(), text.to_owned()), |(name, source)| (name.to_owned(), source.to_owned()))
}

/// The format that a subcommand was given of its own.
fn own_format(typed: &Typed) -> Option<output::Format> {
    match &typed.subcommand {
        Some(Subcommands::Provider(
            ProviderCommands::Import { output, .. } | ProviderCommands::Lint { output, .. },
        )) => *output,
        _ => None,
    }
}

fn doing(command: ProviderCommands) -> Doing {
    match command {
        ProviderCommands::Import { source, name, out, server, no_descriptions, force, compare, output: _ } => {
            Doing::Import(Import { source, name, out, server, without_texts: no_descriptions, force, compare })
        }
        ProviderCommands::Lint { what, output: _ } => Doing::Lint(what),
        ProviderCommands::Docs { provider, out, force } => Doing::Docs(Docs { provider, out, force }),
    }
}

fn action(typed: Typed, here: &Surroundings) -> Result<Action> {
    let commands = typed.commands.into_iter().map(Source::Argument);
    let files = typed.files.into_iter().chain(typed.named_files).map(Source::of_file);
    let mut sources: Vec<(usize, Source)> = typed.order.into_iter().zip(commands.chain(files)).collect();
    sources.sort_by_key(|(place, _)| *place);
    let sources: Vec<Source> = sources.into_iter().map(|(_, source)| source).collect();
    match typed.subcommand {
        Some(Subcommands::Sandbox { .. }) if !sources.is_empty() => Err(Error::new(
            ErrorKind::InvalidArgument,
            "`skyql sandbox` serves until it is stopped and runs no statements",
        )
        .hint("to run statements against the sandbox: `skyql --sandbox -c SQL`")),
        Some(Subcommands::Sandbox { provider, port }) => Ok(Action::Sandbox { provider, port }),
        Some(Subcommands::Provider(_)) if !sources.is_empty() => {
            Err(Error::new(ErrorKind::InvalidArgument, "`skyql provider` runs no statements"))
        }
        Some(Subcommands::Provider(command)) => Ok(Action::Provider(doing(command))),
        Some(Subcommands::Check { .. }) if !sources.is_empty() => {
            Err(Error::new(ErrorKind::InvalidArgument, "`skyql check` runs no statements")
                .hint("name the scripts behind it: `skyql check FILE …`"))
        }
        Some(Subcommands::Check { scripts }) if scripts.is_empty() => Ok(Action::Check(vec![Source::Stdin])),
        Some(Subcommands::Check { scripts }) => Ok(Action::Check(scripts.into_iter().map(Source::of_file).collect())),
        None if !sources.is_empty() => Ok(Action::Run(sources)),
        None if here.stdin_is_terminal => Ok(Action::Prompt),
        None => Ok(Action::Run(vec![Source::Stdin])),
    }
}
