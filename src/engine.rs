//! The engine and its sessions.
//!
//! *Owns*: putting the rooms together, dispatching and checking statements, SHOW and DESCRIBE, results, our tables in
//! other programs' sessions.
//! *Does not own*: terminals, files, arguments (`cli`).
//! *Invariants*: no global state, no printing, no exit; the environment is read only through the `Env` it was given.

mod builder;
mod caught;
mod check;
mod define;
mod dry_run;
mod explain;
mod files;
mod install;
mod journal;
mod limits;
mod metadata;
mod names;
mod own;
mod pending;
mod plan_rows;
mod planner;
mod prepared;
mod resolve;
mod result;
mod sandboxes;
mod session;
mod source;
mod spans;
mod transaction;
mod typing;
mod watch;
mod writing;
mod yielding;

pub use crate::sandbox::SandboxOptions;
pub use crate::store::SecretField;
pub use builder::EngineBuilder;
pub use check::Checked;
pub use install::install;
pub use pending::{Found, PendingWrite};
pub use result::QueryResult;
pub use session::Session;
pub(crate) use typing::{OwnRelation, metadata_tables};
pub use watch::Watch;

use std::sync::Arc;

use crate::config::Settings;
use crate::error::Result;
use crate::provider::Registry;
use crate::scan::ScanCore;
use crate::store::DataDirectory;

/// Answers SQL over REST APIs. Cheap to clone; clones share connections, limits and documents.
///
/// ```no_run
/// # async fn example() -> skyql::Result<()> {
/// use futures::StreamExt;
/// use skyql::{Engine, Env};
///
/// // With the user's own credentials and accounts; the crate's tour uses the sandbox.
/// let engine = Engine::builder().env(Env::process()).build()?;
/// let mut session = engine.session();
/// let mut result = session.sql("SELECT id, label FROM linode.images.images LIMIT 5").await?;
/// while let Some(batch) = result.next().await {
///     println!("{} rows", batch?.num_rows());
/// }
/// println!("{}", result.report().footer());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Engine {
    core: Arc<ScanCore>,
    sandboxes: Arc<sandboxes::Sandboxes>,
    writes: Arc<writing::WriteOptions>,
    /// Where views and tables are kept.
    data: Option<DataDirectory>,
    /// Whether statements may read and write files.
    local_files: bool,
}

impl Engine {
    /// An engine with the shipped providers, the live transport and no environment.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// A session with the engine's settings.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Finds what is wrong with the statements of a script, as [`Session::check`] does for a new session.
    pub async fn check(&self, text: &str) -> Checked {
        self.session().check(text).await
    }

    /// Serves the sandbox of one provider, or of all, on loopback until the engine is dropped.
    ///
    /// Returns each provider's name and URL. `port` 0 lets the system choose; another is used for the first provider.
    ///
    /// # Errors
    /// `NameNotFound` for an unknown provider, `Network` when the port is taken. Needs a Tokio runtime.
    pub fn serve_sandbox(&self, provider: Option<&str>, port: u16) -> Result<Vec<(String, String)>> {
        self.sandboxes.serve(&self.core.registry, provider, port)
    }

    /// The provider documents.
    pub fn registry(&self) -> &Registry {
        &self.core.registry
    }

    /// The settings that new sessions begin with.
    pub fn settings(&self) -> &Settings {
        &self.core.settings
    }

    pub(crate) fn writes(&self) -> &writing::WriteOptions {
        &self.writes
    }

    pub(crate) fn data(&self) -> Option<&DataDirectory> {
        self.data.as_ref()
    }

    pub(crate) fn local_files(&self) -> bool {
        self.local_files
    }

    pub(crate) fn core(&self) -> &Arc<ScanCore> {
        &self.core
    }
}
