//! `skyql provider …`: importing and checking provider documents, and pages about them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use futures::stream;

use crate::cli::fetch;
use crate::cli::message::Messages;
use crate::cli::run::Ended;
use crate::error::{Error, ErrorKind, Result};
use crate::import::{self, Comparison, Imported, MethodLine, Options};
use crate::output::{self, not_broken, write_stream};
use crate::provider::{DirectorySource, DocumentSource, EmbeddedSource, Registry};
use crate::sandbox;

mod docs;

pub(super) use docs::Docs;

/// What `skyql provider` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    Import(Import),
    /// Check a directory, a provider by its name, or all there are.
    Lint(Option<String>),
    /// Write pages about a provider.
    Docs(Docs),
}

/// How a document is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// A file, a URL, or `-`.
    pub(super) source: String,
    pub(super) name: String,
    /// The directory of provider directories.
    pub(super) out: Option<PathBuf>,
    pub(super) server: Option<String>,
    pub(super) without_texts: bool,
    pub(super) force: bool,
    /// Say how far the import agrees with the provider of that name there, and write nothing.
    pub(super) compare: Option<PathBuf>,
}

/// Where providers are, and who can be asked.
pub(super) struct Place<'a> {
    /// Directories of provider directories, in order.
    pub(super) dirs: &'a [PathBuf],
    /// The user's own, which an import writes to.
    pub(super) own: Option<&'a Path>,
    pub(super) can_ask: bool,
    pub(super) verbose: bool,
}

/// Does it; rows go to `out`, the rest to `messages`.
pub(super) async fn run(
    doing: &Doing,
    place: &Place<'_>,
    options: &output::Options,
    mut out: Box<dyn Write + Send>,
    mut messages: Messages,
) -> Ended {
    let done = match doing {
        Doing::Import(import) => run_import(import, place, options, &mut *out, &mut messages).await,
        Doing::Lint(what) => run_lint(what.as_deref(), place, options, &mut *out, &mut messages).await,
        Doing::Docs(docs) => docs::run(docs, place, &mut messages),
    };
    match done {
        Ok(ended) => ended,
        Err(error) => {
            messages.error(&error, None);
            Ended::Failed
        }
    }
}

async fn run_import(
    import: &Import,
    place: &Place<'_>,
    options: &output::Options,
    out: &mut (dyn Write + Send),
    messages: &mut Messages,
) -> Result<Ended> {
    import::check_name(&import.name)?;
    let base = import.out.clone().or_else(|| place.own.map(Path::to_path_buf)).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, "this machine has no usual directory for providers")
            .hint("give one with `--out DIR`")
    })?;
    let bundle = fetch::bundle(&import.source).await?;
    let asked = Options {
        name: import.name.clone(),
        server: import.server.clone(),
        descriptions: if import.without_texts { import::Descriptions::Drop } else { import::Descriptions::Keep },
        overlays: overlays(&base.join(&import.name).join(import::VERSION).join("overlay"))?,
    };
    let made = import::import(bundle, &asked)?;
    if let Some(dir) = &import.compare {
        let theirs = Arc::new(DirectorySource::new(dir.clone()));
        let comparison = import::compare(&import.name, Arc::new(made.source()), &import.name, theirs)?;
        return write_comparison(&comparison, place.verbose, options, out, messages).await;
    }
    if !may_write(import, &base, place, messages)? {
        return Err(Error::new(ErrorKind::Cancelled, "nothing was written"));
    }
    write_provider(&base, &import.name, &made)?;
    let mut resources: Vec<(&str, &str)> =
        made.methods.iter().map(|m| (m.service.as_str(), m.resource.as_str())).collect();
    resources.dedup();
    let mut services: Vec<&str> = resources.iter().map(|(service, _)| *service).collect();
    services.dedup();
    let ended = write_rows(method_rows(&made.methods)?, options, out).await?;
    for finding in &made.findings {
        messages.note(&format!("{}: {} ({})", finding.about, finding.what, finding.level));
    }
    let dir = base.join(&import.name);
    messages.note(&format!(
        "{}: {} services, {} resources, {} methods, written to {}",
        import.name,
        services.len(),
        resources.len(),
        made.methods.len(),
        dir.display()
    ));
    messages.note(&format!(
        "edit {} and import again to change what was decided",
        dir.join(import::VERSION).join("overlay").display()
    ));
    if place.own != Some(base.as_path()) && !place.dirs.contains(&base) {
        messages.note(&format!("to use it: `skyql --providers {}`", base.display()));
    }
    Ok(ended)
}

/// The overlays that are there: service → text.
fn overlays(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    if !dir.is_dir() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(dir).map_err(|error| unwritable(dir, error))? {
        let path = entry.map_err(|error| unwritable(dir, error))?.path();
        let name = path.file_stem().and_then(std::ffi::OsStr::to_str);
        if let (Some(name), Some("yaml")) = (name, path.extension().and_then(std::ffi::OsStr::to_str)) {
            found.insert(name.to_owned(), std::fs::read(&path).map_err(|error| unwritable(&path, error))?);
        }
    }
    Ok(found)
}

/// Whether the provider may be written where it is to be: a new one may; else the user says so.
fn may_write(import: &Import, base: &Path, place: &Place<'_>, messages: &mut Messages) -> Result<bool> {
    let dir = base.join(&import.name);
    let shipped = Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped())));
    let there = if dir.exists() {
        format!(
            "there is a provider `{}` in {}; what is generated is replaced, overlays stay",
            import.name,
            base.display()
        )
    } else if shipped.provider_names().contains(&import.name) {
        format!("`{}` is the name of a provider that skyql ships: this one would take its place", import.name)
    } else {
        return Ok(true);
    };
    if import.force { Ok(true) } else { confirmed(&there, place, messages) }
}

/// Whether the user wants it, knowing what is there.
///
/// # Errors
/// `InvalidArgument` when nobody can be asked.
fn confirmed(there: &str, place: &Place<'_>, messages: &mut Messages) -> Result<bool> {
    if !place.can_ask {
        return Err(Error::new(ErrorKind::InvalidArgument, there).hint("`--force` writes it all the same"));
    }
    messages.note(&format!("{there}. Write it? [y/N]"));
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Error::new(ErrorKind::Internal, "no answer can be read").caused_by(error))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Writes what is generated, and overlays where there are none. The services of an earlier import go.
fn write_provider(base: &Path, name: &str, made: &Imported) -> Result<()> {
    let version = base.join(name).join(import::VERSION);
    let (services, fresh) = (version.join("services"), version.join("services.new"));
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).map_err(|error| unwritable(&fresh, error))?;
    }
    std::fs::create_dir_all(&fresh).map_err(|error| unwritable(&fresh, error))?;
    let in_services = format!("{name}/{}/services/", import::VERSION);
    for (path, bytes) in &made.files {
        if let Some(file) = path.strip_prefix(&in_services) {
            write_file(&fresh.join(file), bytes)?;
        }
    }
    for (path, bytes) in &made.templates {
        let path = base.join(path);
        if !path.exists() {
            write_file(&path, bytes)?;
        }
    }
    if services.exists() {
        std::fs::remove_dir_all(&services).map_err(|error| unwritable(&services, error))?;
    }
    std::fs::rename(&fresh, &services).map_err(|error| unwritable(&services, error))?;
    for (path, bytes) in made.files.iter().filter(|(path, _)| !path.starts_with(&in_services)) {
        write_file(&base.join(path), bytes)?;
    }
    Ok(())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| unwritable(parent, error))?;
    }
    std::fs::write(path, bytes).map_err(|error| unwritable(path, error))
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("`{}` cannot be read or written", path.display()))
        .with("reason", error.to_string())
        .caused_by(error)
}

async fn run_lint(
    what: Option<&str>,
    place: &Place<'_>,
    options: &output::Options,
    out: &mut (dyn Write + Send),
    messages: &mut Messages,
) -> Result<Ended> {
    let mut providers = 0;
    let mut problems = Vec::new();
    for (name, source) in found_providers(what, place)? {
        problems.extend(import::lint(&name, &source)?);
        problems.extend(wrong_hints(&name, &source)?);
        providers += 1;
    }
    let column = |pick: fn(&import::Problem) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(problems.iter().map(pick)))
    };
    let rows = batch([
        ("place", column(|problem| &problem.place)),
        ("rule", column(|problem| problem.rule)),
        ("message", column(|problem| &problem.message)),
    ])?;
    let ended = write_rows(rows, options, out).await?;
    let plural = if providers == 1 { "provider" } else { "providers" };
    if problems.is_empty() {
        messages.note(&format!("{providers} {plural}, no problems"));
        return Ok(ended);
    }
    let found = if problems.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.len()) };
    messages.note(&format!("{providers} {plural}, {found}"));
    Ok(Ended::FoundProblems)
}

/// What is wrong with a provider's hints for the sandbox. Services that cannot be read are reported as such.
fn wrong_hints(name: &str, source: &Arc<dyn DocumentSource>) -> Result<Vec<import::Problem>> {
    let registry = Registry::new(vec![Arc::clone(source)], None);
    let provider = registry.provider(name)?;
    let services: Vec<_> =
        provider.services.keys().filter_map(|service| registry.service(name, service).ok()).collect();
    let problem = |(place, key, why): (String, String, String)| import::Problem {
        place: format!("{}.{place}", provider.name),
        rule: "sandbox",
        message: format!("`{key}`: {why}"),
    };
    Ok(sandbox::wrong_hints(&services).into_iter().map(problem).collect())
}

/// The providers that are meant, and where their documents are.
fn found_providers(what: Option<&str>, place: &Place<'_>) -> Result<Vec<(String, Arc<dyn DocumentSource>)>> {
    let shipped: Arc<dyn DocumentSource> = Arc::new(EmbeddedSource::shipped());
    let directory = |dir: &Path| -> Arc<dyn DocumentSource> { Arc::new(DirectorySource::new(dir.to_path_buf())) };
    let named = |source: &Arc<dyn DocumentSource>| -> Vec<(String, Arc<dyn DocumentSource>)> {
        let registry = Registry::new(vec![Arc::clone(source)], None);
        registry.provider_names().into_iter().map(|name| (name, Arc::clone(source))).collect()
    };
    if let Some(dir) = what.map(Path::new).filter(|dir| dir.is_dir()) {
        let found = named(&directory(dir));
        if found.is_empty() {
            return Err(Error::new(
                ErrorKind::NameNotFound,
                format!("`{}` holds no provider documents", dir.display()),
            )
            .hint("it should hold `<provider>/<version>/provider.yaml`, or be the directory of one provider"));
        }
        return Ok(found);
    }
    let sources = place.dirs.iter().filter(|dir| dir.is_dir()).map(|dir| directory(dir)).chain([shipped]);
    let all: Vec<_> = sources.flat_map(|source| named(&source)).collect();
    let Some(name) = what else { return Ok(all) };
    match all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some(found) => Ok(vec![found]),
        None => Err(Error::new(ErrorKind::NameNotFound, format!("`{name}` is neither a provider nor a directory"))),
    }
}

async fn write_comparison(
    comparison: &Comparison,
    verbose: bool,
    options: &output::Options,
    out: &mut (dyn Write + Send),
    messages: &mut Messages,
) -> Result<Ended> {
    let of = |pick: fn(&import::Agreement) -> usize| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(comparison.agreements.iter().map(|agreement| pick(agreement) as u64)))
    };
    let whats: ArrayRef =
        Arc::new(StringArray::from_iter_values(comparison.agreements.iter().map(|agreement| agreement.what)));
    let percents: ArrayRef = Arc::new(Float64Array::from_iter_values(
        comparison.agreements.iter().map(|agreement| (agreement.percent() * 10.0).round() / 10.0),
    ));
    let rows = batch([
        ("question", whats),
        ("percent", percents),
        ("agree", of(|agreement| agreement.agree)),
        ("of", of(|agreement| agreement.of)),
        ("explained", of(|agreement| agreement.explained)),
    ])?;
    let ended = write_rows(rows, options, out).await?;
    if verbose {
        for difference in &comparison.differences {
            let reason = difference.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            messages.note(&format!(
                "{}: {}: {} and not {}{reason}",
                difference.what, difference.operation, difference.ours, difference.theirs
            ));
        }
    }
    for unreadable in &comparison.unreadable {
        messages.note(&format!("left out: {unreadable}"));
    }
    messages.note(&format!(
        "{} operations are only in the document, {} only in the provider it is compared with",
        comparison.only_ours.len(),
        comparison.only_theirs.len()
    ));
    Ok(ended)
}

fn method_rows(methods: &[MethodLine]) -> Result<RecordBatch> {
    let column = |pick: fn(&MethodLine) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(methods.iter().map(pick)))
    };
    let levels: ArrayRef = Arc::new(StringArray::from_iter_values(methods.iter().map(|line| line.level.to_string())));
    batch([
        ("service", column(|line| &line.service)),
        ("resource", column(|line| &line.resource)),
        ("verb", column(|line| line.verb)),
        ("method", column(|line| &line.method)),
        ("operation", column(|line| &line.operation)),
        ("rows", column(|line| &line.rows)),
        ("pages", column(|line| &line.pages)),
        ("keys", column(|line| &line.keys)),
        ("certainty", levels),
    ])
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch> {
    RecordBatch::try_from_iter(columns)
        .map_err(|error| Error::new(ErrorKind::Internal, "the rows cannot be put together").caused_by(error))
}

async fn write_rows(rows: RecordBatch, options: &output::Options, out: &mut (dyn Write + Send)) -> Result<Ended> {
    let schema = rows.schema();
    let written = write_stream(stream::iter([Ok(rows)]), &schema, options, out).await?;
    let reader_left = written.broken_pipe || !not_broken(out.flush())?;
    Ok(if reader_left { Ended::ReaderLeft } else { Ended::Well })
}
