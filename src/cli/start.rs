//! From the choices to an engine and a place for the rows.

use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::fetch;
use crate::cli::meant::{ConfigPath, EngineChoices};
use crate::cli::outfile::{self, Outfile};
use crate::config::{ConfigFile, Env};
use crate::engine::{Engine, EngineBuilder, SandboxOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::import;

impl EngineChoices {
    /// The directories of provider directories, in the order in which they count.
    pub(super) fn all_dirs(&self) -> Vec<PathBuf> {
        self.providers_dirs.iter().chain(&self.usual_providers_dir).cloned().collect()
    }
}

/// The configuration file, named or usual.
///
/// # Errors
/// Of reading it; `NameNotFound` for a named one that is not there.
pub(super) fn config_file(choices: &EngineChoices) -> Result<ConfigFile> {
    match &choices.config {
        Some(ConfigPath::Named(path)) if !path.exists() => {
            Err(Error::new(ErrorKind::NameNotFound, format!("there is no configuration file `{}`", path.display()))
                .hint("`--config` and `SKYQL_CONFIG` name one"))
        }
        Some(ConfigPath::Named(path) | ConfigPath::Usual(path)) => ConfigFile::read(path),
        None => Ok(ConfigFile::default()),
    }
}

/// The engine that is asked for, not yet built.
///
/// # Errors
/// Of the configuration file's settings and of [`Settings::set`](crate::config::Settings::set); `NameNotFound` for a
/// directory that is not there.
pub(super) fn builder(choices: &EngineChoices, file: ConfigFile, env: &Env) -> Result<EngineBuilder> {
    let mut settings = file.settings()?;
    for (name, value) in &choices.settings {
        settings.set(name, value)?;
    }
    let mut builder = Engine::builder().env(env.clone()).config_file(file).settings(settings);
    for dir in &choices.providers_dirs {
        if !dir.is_dir() {
            return Err(Error::new(ErrorKind::NameNotFound, format!("there is no directory `{}`", dir.display()))
                .hint("`--providers` and `SKYQL_PROVIDERS` name directories of provider documents"));
        }
        builder = builder.providers_dir(dir.clone());
    }
    if let Some(dir) = choices.usual_providers_dir.as_ref().filter(|dir| dir.is_dir()) {
        builder = builder.providers_dir(dir.clone());
    }
    for (provider, url) in &choices.base_urls {
        builder = builder.base_url(provider, url);
    }
    for (provider, origin) in &choices.allow_origins {
        builder = builder.allow_origin(provider, origin);
    }
    if let Some(seed) = choices.sandbox {
        let state = choices.sandbox_state.clone();
        builder = builder.sandbox(SandboxOptions { seed, state, ..SandboxOptions::default() });
    }
    if let Some(file) = &choices.record {
        builder = builder.record(file.clone());
    }
    if let Some(file) = &choices.replay {
        builder = builder.replay(file.clone());
    }
    if let Some(dir) = &choices.state_dir {
        builder = builder.state_dir(dir.clone());
    }
    builder = builder.local_files();
    if let Some(dir) = &choices.data_dir {
        builder = builder.data_dir(dir.clone());
    }
    if let Some(dir) = &choices.cache_dir {
        builder = builder.cache_dir(dir.clone());
    }
    if choices.read_only {
        builder = builder.read_only();
    }
    Ok(builder)
}

/// The builder with OpenAPI documents as providers.
///
/// # Errors
/// Of getting the documents and of [`import::import`].
pub(super) async fn with_documents(
    mut builder: EngineBuilder,
    documents: &[(String, String)],
) -> Result<EngineBuilder> {
    for (name, source) in documents {
        let bundle = fetch::bundle(source).await?;
        let options = import::Options { name: name.clone(), ..import::Options::default() };
        builder = builder.documents(Arc::new(import::import(bundle, &options)?.source()));
    }
    Ok(builder)
}

/// Where rows go: `outfile`, or stdout.
///
/// # Errors
/// As [`outfile::open`].
pub(super) fn output(outfile: Option<&Path>) -> Result<(Box<dyn Write + Send>, Option<Outfile>)> {
    match outfile {
        Some(path) => outfile::open(path),
        None => Ok((Box::new(BufWriter::new(stdout())), None)),
    }
}
