//! Arguments as typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::output::Format;

const EXAMPLES: &str = "\
Examples:
  Try it without an account:
    skyql --sandbox -c \"SELECT id, label, size FROM linode.images.images LIMIT 5\"

  Ask the real API (LINODE_TOKEN gives it your token):
    skyql -c \"SELECT id, label FROM linode.images.images WHERE is_public = true\"

  Find out what there is:
    skyql -c 'SHOW PROVIDERS; SHOW SERVICES IN linode; DESCRIBE linode.images.images'

  Run a script and keep the rows:
    skyql -o csv --outfile images.csv script.sql

  Run a template, after a look at what is wrong with it:
    skyql check --var region=us-east script.sql
    skyql --var region=us-east script.sql

  Ask any API that has an OpenAPI document, or keep it as a provider:
    skyql --openapi ./openapi.yaml -c 'SHOW SERVICES IN api'
    skyql provider import ./openapi.yaml --name acme

  Serve an imitation of an API to any HTTP client:
    skyql sandbox --provider linode --port 4011

Exit code: 0 if all is well, 1 for a failed statement, 2 for wrong usage.";

/// SQL over REST APIs
///
/// Statements come from `-c`, from files, or from stdin when it is not a terminal; without any of these there is a
/// prompt. Rows go to stdout, everything else to stderr.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(name = "skyql", version, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Typed {
    /// Run the statements of these files, in the order given; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Run the statements of this file, as FILE does
    #[arg(short = 'f', long = "file", value_name = "FILE", action = ArgAction::Append)]
    pub(super) named_files: Vec<PathBuf>,

    /// Run these statements
    #[arg(short = 'c', long = "command", value_name = "SQL", action = ArgAction::Append, allow_hyphen_values = true)]
    pub(super) commands: Vec<String>,

    /// How rows are written
    #[arg(short, long, value_name = "FORMAT", default_value = "table", value_parser = format_parser())]
    pub(super) output: Format,

    /// Write rows to this file in place of stdout
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) outfile: Option<PathBuf>,

    /// Leave out the names of the columns
    #[arg(long)]
    pub(super) no_header: bool,

    /// Answer from an imitation of the APIs, made from their documents
    #[arg(long)]
    pub(super) sandbox: bool,

    /// Send writes of more than one object, and deletes, without asking
    #[arg(short, long, conflicts_with = "dry_run")]
    pub(super) yes: bool,

    /// Plan every statement and send nothing that changes: EXPLAIN of queries, requests of writes
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Refuse every statement that changes something
    #[arg(long)]
    pub(super) read_only: bool,

    /// Let files that `INTO` names take the place of those that are there
    #[arg(long)]
    pub(super) force: bool,

    /// Write every call and its answer into this file, without secrets
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(super) record: Option<PathBuf>,

    /// Answer every call from this file, which `--record` wrote; nothing is sent
    #[arg(long, value_name = "FILE", conflicts_with = "sandbox")]
    pub(super) replay: Option<PathBuf>,

    /// Use the API that an OpenAPI document describes, without importing it: its name in SQL is `api`
    #[arg(long, value_name = "[NAME=]FILE|URL")]
    pub(super) openapi: Vec<String>,

    /// Set a setting, such as `max_calls=100`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) settings: Vec<(String, String)>,

    /// Keep what is typed at the prompt in this file; nothing is kept if it is empty (`--history=`)
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(super) history: Option<PathBuf>,

    #[command(flatten)]
    pub(super) shared: Shared,

    #[command(subcommand)]
    pub(super) subcommand: Option<Subcommands>,

    /// For each of `commands`, of `files` and of `named_files`: where it stood in the command line
    #[arg(skip)]
    pub(super) order: Vec<usize>,
}

/// What every way to start takes.
#[derive(Debug, Clone, Args)]
pub(super) struct Shared {
    /// A directory of provider documents; goes before `SKYQL_PROVIDERS`, the user's and the built-in ones
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) providers: Vec<PathBuf>,

    /// Where a provider's API is, such as `linode=http://127.0.0.1:4011`
    #[arg(long, value_name = "PROVIDER=URL", global = true, value_parser = pair)]
    pub(super) base_url: Vec<(String, String)>,

    /// Let a document on disk send its provider's credential to this origin too
    #[arg(long, value_name = "PROVIDER=ORIGIN", global = true, value_parser = pair)]
    pub(super) allow_origin: Vec<(String, String)>,

    /// Which rows the sandbox makes up
    #[arg(long, value_name = "N", global = true)]
    pub(super) seed: Option<u64>,

    /// Keep what is written to the sandbox in this file, for the next run
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) state: Option<PathBuf>,

    /// A name of templates in the statements, `{{ NAME }}`, and its text
    #[arg(long = "var", value_name = "NAME=VALUE", global = true, value_parser = pair)]
    pub(super) vars: Vec<(String, String)>,

    /// Names of templates from a JSON, YAML or TOML file
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) data: Vec<PathBuf>,

    /// Take every text of statements for a template
    #[arg(long, global = true)]
    pub(super) template: bool,

    /// The configuration file, in place of the user's
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,

    /// Leave out footers and notes; warnings and errors stay
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,

    /// Show each request
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(super) verbose: bool,

    /// When to use colour; `auto` obeys `NO_COLOR`
    #[arg(long, value_name = "WHEN", global = true, value_enum, default_value_t)]
    pub(super) color: When,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Subcommands {
    /// Find what is wrong with scripts: every name and parameter is looked up, and no call is made
    Check {
        /// The scripts; `-` is stdin, as is none
        #[arg(value_name = "FILE")]
        scripts: Vec<PathBuf>,
    },

    /// Serve imitations of the APIs on loopback, for any HTTP client
    Sandbox {
        /// The provider to imitate; all of them when not given
        #[arg(long, value_name = "NAME")]
        provider: Option<String>,

        /// The port to listen on; 0 takes a free one
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },

    /// Import and check provider documents, and make pages of them
    #[command(subcommand)]
    Provider(ProviderCommands),
}

#[derive(Debug, Subcommand)]
pub(super) enum ProviderCommands {
    /// Make a provider of an OpenAPI document
    ///
    /// Rows say what became of each operation, and how sure that is; notes say what could not be decided. What you
    /// decide goes into the overlay files that are written beside the documents: a later import keeps them.
    Import {
        /// An OpenAPI 3.0, 3.1 or Swagger 2.0 document: a file, a URL, or `-` for stdin
        #[arg(value_name = "FILE|URL")]
        source: String,

        /// The provider's name in SQL
        #[arg(long, value_name = "NAME")]
        name: String,

        /// The directory to write the provider's directory to, in place of the user's own
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,

        /// Where the API is, in place of what the document says
        #[arg(long, value_name = "URL")]
        server: Option<String>,

        /// Leave out the document's descriptions
        #[arg(long)]
        no_descriptions: bool,

        /// Replace a provider of that name without asking; its overlays stay
        #[arg(long)]
        force: bool,

        /// Write nothing, and say how far the result agrees with the provider of that name in this directory
        #[arg(long, value_name = "DIR")]
        compare: Option<PathBuf>,

        /// How rows are written
        #[arg(short, long, value_name = "FORMAT", value_parser = format_parser())]
        output: Option<Format>,
    },

    /// Make pages about a provider: static HTML, searchable, one page per resource
    Docs {
        /// The name of a provider, or the directory of one
        #[arg(value_name = "NAME|DIR")]
        provider: String,

        /// The directory to write the pages to; open its index.html
        #[arg(long, value_name = "DIR")]
        out: PathBuf,

        /// Write into a directory that is not empty without asking; what is there and is no page of ours stays
        #[arg(long)]
        force: bool,
    },

    /// Check provider documents; the exit code is 1 if there are problems
    Lint {
        /// A directory, or the name of a provider; all there are when not given
        #[arg(value_name = "DIR|NAME")]
        what: Option<String>,

        /// How rows are written
        #[arg(short, long, value_name = "FORMAT", value_parser = format_parser())]
        output: Option<Format>,
    },
}

/// Reads the arguments, the first of which is the program's name.
///
/// # Errors
/// Wrong usage, or a wish for help or the version: clap's error says which, and prints itself.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Typed, clap::Error> {
    let matches = Typed::command().try_get_matches_from(arguments)?;
    let mut typed = Typed::from_arg_matches(&matches)?;
    for name in ["commands", "files", "named_files"] {
        typed.order.extend(matches.indices_of(name).into_iter().flatten());
    }
    Ok(typed)
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::NAMES).try_map(|name| name.parse::<Format>())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is written `NAME=VALUE`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Typed::command().debug_assert();
    }
}
