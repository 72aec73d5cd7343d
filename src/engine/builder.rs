//! Putting an engine together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sandboxes::Sandboxes;
use super::writing::{JournalChoice, WriteOptions};
use super::{Engine, SandboxOptions};
use crate::call::{EndpointOptions, Endpoints, KeptAnswers, Lengths};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{ConfigFile, Env, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Client, Closed, Ledger, LiveOptions, LiveTransport, Tape, Transport};
use crate::provider::{DirectorySource, DocumentSource, EmbeddedSource, Registry};
use crate::scan::ScanCore;
use crate::store::{DataDirectory, DigestDirectory};

/// What an [`Engine`] is made of. Everything has a default; nothing is read from the environment unless [`Env::process`] is
/// given.
#[derive(Debug, Default)]
pub struct EngineBuilder {
    env: Option<Env>,
    config: Option<ConfigFile>,
    settings: Option<Settings>,
    documents: Vec<Arc<dyn DocumentSource>>,
    providers: Vec<PathBuf>,
    base_urls: BTreeMap<String, String>,
    allowed_origins: BTreeMap<String, Vec<String>>,
    transport: Option<Arc<dyn Transport>>,
    clock: Option<SharedClock>,
    sandbox: Option<SandboxOptions>,
    tape: Option<TapeChoice>,
    writes: WriteOptions,
    data: Option<PathBuf>,
    local_files: bool,
    digests: Option<PathBuf>,
}

/// What is done with a record of calls.
#[derive(Debug)]
enum TapeChoice {
    Record(PathBuf),
    Replay(PathBuf),
}

impl EngineBuilder {
    /// Where credentials and server variables are read from; none by default.
    #[must_use]
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// The configuration file's content.
    #[must_use]
    pub fn config_file(mut self, config: ConfigFile) -> Self {
        self.config = Some(config);
        self
    }

    /// The settings that sessions begin with, in place of the configuration file's.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// A directory of provider documents; the first given wins, and all win over shipped ones.
    #[must_use]
    pub fn providers_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.providers.push(dir.into());
        self
    }

    /// Provider documents from anywhere, such as [memory](crate::provider::MemorySource); the first given wins, and all
    /// win over directories.
    #[must_use]
    pub fn documents(mut self, source: Arc<dyn DocumentSource>) -> Self {
        self.documents.push(source);
        self
    }

    /// Where a provider's API is, in place of its documents' servers. An origin alone keeps the documents' path.
    #[must_use]
    pub fn base_url(mut self, provider: &str, url: &str) -> Self {
        self.base_urls.insert(provider.to_lowercase(), url.to_owned());
        self
    }

    /// Lets a provider document on disk send the shipped provider's credential to this origin.
    #[must_use]
    pub fn allow_origin(mut self, provider: &str, origin: &str) -> Self {
        self.allowed_origins.entry(provider.to_lowercase()).or_default().push(origin.to_owned());
        self
    }

    /// What sends requests; the live client by default.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Time; the machine's own by default.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Answers every provider from its sandbox, over HTTP on loopback. Needs a Tokio runtime when built.
    #[must_use]
    pub fn sandbox(mut self, options: SandboxOptions) -> Self {
        self.sandbox = Some(options);
        self
    }

    /// Writes every call and its answer into this file, as JSON lines without secrets; a file that is there is replaced.
    #[must_use]
    pub fn record(mut self, file: impl Into<PathBuf>) -> Self {
        self.tape = Some(TapeChoice::Record(file.into()));
        self
    }

    /// Answers every call from this file, which [`EngineBuilder::record`] wrote: nothing is sent and no credential is
    /// read. A call that is not in it is an error that names it. No sandbox is served.
    #[must_use]
    pub fn replay(mut self, file: impl Into<PathBuf>) -> Self {
        self.tape = Some(TapeChoice::Replay(file.into()));
        self
    }

    /// The directory for the journal of writes and for stored plans; made when the first write needs it.
    ///
    /// Without one, and without [`EngineBuilder::no_journal`], statements that change something are refused.
    #[must_use]
    pub fn state_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.writes.journal = JournalChoice::In(dir.into());
        self
    }

    /// The directory for views and tables that outlive their session; made when the first is kept. Without one they are
    /// the session's own, in memory.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data = Some(dir.into());
        self
    }

    /// Lets statements read this machine's files as tables (`FROM 'file.csv'`) and write them (`COPY … TO 'file.csv'`).
    #[must_use]
    pub fn local_files(mut self) -> Self {
        self.local_files = true;
        self
    }

    /// The directory for what was read of provider documents, so that it need not be read again; made when needed, and
    /// of no harm when it is lost. None by default.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.digests = Some(dir.into());
        self
    }

    /// Lets writes run without a journal: after a failure nothing but the API itself knows what was done, and there are
    /// no stored plans.
    #[must_use]
    pub fn no_journal(mut self) -> Self {
        self.writes.journal = JournalChoice::Off;
        self
    }

    /// Refuses every statement whose method changes something, before any call.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.writes.read_only = true;
        self
    }

    /// Puts the engine together.
    ///
    /// # Errors
    /// `InvalidArgument` for a base URL, setting, directory or record that cannot be used; `NameNotFound` for a base URL or an
    /// allowed origin of a provider that is not there; `Network` when the HTTP client cannot be set up.
    pub fn build(mut self) -> Result<Engine> {
        let tape = match self.tape.take() {
            Some(TapeChoice::Record(path)) => Some(Arc::new(Tape::record(&path)?)),
            Some(TapeChoice::Replay(path)) => Some(Arc::new(Tape::replay(&path)?)),
            None => None,
        };
        let replaying = tape.as_ref().is_some_and(|tape| tape.is_replay());
        if replaying {
            self.sandbox = None;
            self.transport = Some(Arc::new(Closed::new("a replay sends no request")));
        }
        let config = self.config.unwrap_or_default();
        let settings = match self.settings {
            Some(settings) => settings,
            None => config.settings()?,
        };
        // What an API bears is known to all engines of the process that live by the same clock.
        let ledger = if self.clock.is_some() { Arc::default() } else { Ledger::of_process() };
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let mut sources: Vec<Arc<dyn DocumentSource>> = self.documents;
        for dir in self.providers.into_iter().chain(config.providers_dirs.clone()) {
            check_dir(&dir)?;
            sources.push(Arc::new(DirectorySource::new(dir)));
        }
        let mut registry = Registry::new(sources, Some(Arc::new(EmbeddedSource::shipped())));
        if let Some(dir) = self.digests {
            registry = registry.with_digests(Arc::new(DigestDirectory::new(dir)));
        }
        let registry = Arc::new(registry);

        let mut base_urls = BTreeMap::new();
        let mut allowed_origins: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut variables = BTreeMap::new();
        for (name, provider) in config.provider {
            // The sandbox goes before the file, which may name the real API.
            if let Some(url) = provider.base_url.filter(|_| self.sandbox.is_none()) {
                base_urls.insert(known_provider(&registry, &name, "base_url")?, url);
            }
            if !provider.allow_origin.is_empty() {
                allowed_origins.insert(known_provider(&registry, &name, "allow_origin")?, provider.allow_origin);
            }
            variables.insert(name.to_lowercase(), provider.env);
        }
        for (name, url) in self.base_urls {
            base_urls.insert(known_provider(&registry, &name, "base URL")?, url);
        }
        for (name, origins) in self.allowed_origins {
            allowed_origins.entry(known_provider(&registry, &name, "allowed origin")?).or_default().extend(origins);
        }
        let mut env = self.env.unwrap_or_default();
        let sandboxes = Sandboxes::new(Arc::clone(&clock), self.sandbox.clone().unwrap_or_default());
        if self.sandbox.is_some() {
            for (provider, url) in sandboxes.serve(&registry, None, 0)? {
                base_urls.entry(provider.to_lowercase()).or_insert(url);
            }
            // The sandbox has credentials of its own: the user's are not used, nor is another variable read.
            variables.clear();
            env = sandboxes.credentials(env);
        }
        let transport = match self.transport {
            Some(transport) => transport,
            None => Arc::new(LiveTransport::new(LiveOptions::default())?),
        };
        let endpoints = Endpoints::new(env, EndpointOptions { base_urls, allowed_origins, variables })?;
        let endpoints = Arc::new(if replaying { endpoints.unsigned() } else { endpoints });
        let client = Client::new(transport, ledger, Arc::clone(&clock));
        let client = tape.into_iter().fold(client, Client::with_tape);
        let kept = Arc::new(KeptAnswers::new(Arc::clone(&clock)));
        let lengths = Arc::new(Lengths::default());
        let core = Arc::new(ScanCore { registry, client, endpoints, clock, settings, kept, lengths });
        let data = self.data.map(DataDirectory::new);
        Ok(Engine {
            core,
            sandboxes: Arc::new(sandboxes),
            writes: Arc::new(self.writes),
            data,
            local_files: self.local_files,
        })
    }
}

/// The name in small letters of a provider that a setting is for. For a name that is mistyped the setting would be lost, and
/// requests would go where they were not meant to.
fn known_provider(registry: &Registry, name: &str, setting: &'static str) -> Result<String> {
    let spelled = registry.spelled_provider(name).map_err(|error| error.with("setting", setting))?;
    Ok(spelled.to_lowercase())
}

fn check_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` is not a directory of provider documents", dir.display()))
        .hint("it should hold `<provider>/<version>/provider.yaml`"))
}
