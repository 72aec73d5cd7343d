//! The names that completion offers, and where they come from: documents, read on threads of their own.
//!
//! *Invariants*: nobody waits for a document longer than [`PATIENCE`]; nothing is asked of an API.

use std::collections::HashMap;
use std::future::Future;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::AsArray;
use tokio::runtime::Handle;

use crate::config::Settings;
use crate::engine::{Engine, OwnRelation, Session};
use crate::provider::{Provider, Service};

/// How long a key press waits for a document that is not read yet; the next press finds it.
const PATIENCE: Duration = Duration::from_millis(30);

/// Of a directory, no more entries are looked at.
const FILES_READ: usize = 2_000;

/// What there is to name.
pub(super) trait Names {
    fn providers(&self) -> Vec<String>;

    /// The services of a provider, in the document's order.
    fn services(&self, provider: &str) -> Vec<String>;

    fn service(&self, provider: &str, service: &str) -> Option<Arc<Service>>;

    /// The user's own tables and views.
    fn own_tables(&self) -> Vec<OwnRelation>;

    /// What `USE` puts before names.
    fn used(&self) -> Vec<String>;

    fn functions(&self) -> Vec<String>;

    fn settings(&self) -> Vec<String> {
        Settings::default().list().into_iter().map(|(name, _, _)| name.to_owned()).collect()
    }

    /// The words that a setting takes; none where it takes a number or a text.
    fn setting_values(&self, setting: &str) -> Vec<String> {
        // What it refuses says what it takes.
        let Err(error) = Settings::default().set(setting, "\u{0}") else { return Vec::new() };
        match error.hint_text() {
            Some(hint) if hint.starts_with("it takes `") && !hint.contains("such as") => {
                hint.split('`').skip(1).step_by(2).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The files whose names begin as `written` does, as they would be written; directories end with a separator.
    fn files(&self, written: &str) -> Vec<String>;
}

/// The names of an engine.
pub(super) struct EngineNames {
    documents: Documents,
    used: Mutex<Vec<String>>,
    home: Option<PathBuf>,
}

impl EngineNames {
    pub(super) fn new(engine: Engine, runtime: Handle, home: Option<PathBuf>) -> Self {
        let documents = Documents { engine, runtime, known: Arc::default() };
        documents.ask(&Key::Providers);
        documents.ask(&Key::Functions);
        Self { documents, used: Mutex::default(), home }
    }

    /// Looks again at what a statement may have changed: the user's own tables, and USE.
    pub(super) fn renew(&self, session: &Session) {
        *locked(&self.used) = session.used().to_vec();
        let own = session.own_relations();
        self.documents.put(Key::Own, async move { Some(Known::Own(Arc::new(own.await.ok()?))) });
    }

    /// Has a service read, so that it is there when it is asked for.
    pub(super) fn expect(&self, provider: &str, service: &str) {
        self.documents.ask(&Key::service(provider, service));
    }
}

impl Names for EngineNames {
    fn providers(&self) -> Vec<String> {
        match self.documents.read(&Key::Providers) {
            Some(Known::Providers(names)) => names.as_ref().clone(),
            _ => Vec::new(),
        }
    }

    fn services(&self, provider: &str) -> Vec<String> {
        match self.documents.read(&Key::Provider(provider.to_lowercase())) {
            Some(Known::Provider(provider)) => provider.services.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    fn service(&self, provider: &str, service: &str) -> Option<Arc<Service>> {
        match self.documents.read(&Key::service(provider, service))? {
            Known::Service(service) => Some(service),
            _ => None,
        }
    }

    fn own_tables(&self) -> Vec<OwnRelation> {
        match self.documents.read(&Key::Own) {
            Some(Known::Own(relations)) => relations.as_ref().clone(),
            _ => Vec::new(),
        }
    }

    fn used(&self) -> Vec<String> {
        locked(&self.used).clone()
    }

    fn functions(&self) -> Vec<String> {
        match self.documents.read(&Key::Functions) {
            Some(Known::Functions(names)) => names.as_ref().clone(),
            _ => Vec::new(),
        }
    }

    fn files(&self, written: &str) -> Vec<String> {
        files(written, self.home.as_deref())
    }
}

/// What is read of the documents, by name, and what the engine says.
struct Documents {
    engine: Engine,
    runtime: Handle,
    known: Arc<(Mutex<HashMap<Key, Known>>, Condvar)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Providers,
    Provider(String),
    Service(String, String),
    Functions,
    Own,
}

impl Key {
    fn service(provider: &str, service: &str) -> Self {
        Self::Service(provider.to_lowercase(), service.to_lowercase())
    }
}

#[derive(Clone)]
enum Known {
    /// It is being read.
    Soon,
    /// There is none, or it cannot be used; running a statement says why.
    No,
    Providers(Arc<Vec<String>>),
    Provider(Arc<Provider>),
    Service(Arc<Service>),
    Functions(Arc<Vec<String>>),
    Own(Arc<Vec<OwnRelation>>),
}

impl Documents {
    /// What is known by now, or soon.
    fn read(&self, key: &Key) -> Option<Known> {
        self.ask(key);
        let (known, changed) = &*self.known;
        let wait = |known: &mut HashMap<Key, Known>| matches!(known.get(key), Some(Known::Soon));
        let (known, _) =
            changed.wait_timeout_while(locked(known), PATIENCE, wait).unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|known| !matches!(known, Known::Soon | Known::No)).cloned()
    }

    /// Has it read, once.
    fn ask(&self, key: &Key) {
        let (known, _) = &*self.known;
        let mut held = locked(known);
        if held.contains_key(key) {
            return;
        }
        held.insert(key.clone(), Known::Soon);
        drop(held);
        let (engine, runtime, shared, key) =
            (self.engine.clone(), self.runtime.clone(), Arc::clone(&self.known), key.clone());
        // Ends with its document. Where no thread can be had, nothing is offered.
        let _none = std::thread::Builder::new().name("completion".to_owned()).spawn(move || {
            let found = load(&engine, &runtime, &key).unwrap_or(Known::No);
            let (known, changed) = &*shared;
            locked(known).insert(key, found);
            changed.notify_all();
        });
    }

    /// Has it found anew.
    fn put(&self, key: Key, found: impl Future<Output = Option<Known>> + Send + 'static) {
        let shared = Arc::clone(&self.known);
        locked(&shared.0).insert(key.clone(), Known::Soon);
        self.runtime.spawn(async move {
            let found = found.await.unwrap_or(Known::No);
            let (known, changed) = &*shared;
            locked(known).insert(key, found);
            changed.notify_all();
        });
    }
}

fn load(engine: &Engine, runtime: &Handle, key: &Key) -> Option<Known> {
    let registry = engine.registry();
    match key {
        Key::Providers => Some(Known::Providers(Arc::new(registry.provider_names()))),
        Key::Provider(name) => registry.provider(name).ok().map(Known::Provider),
        Key::Service(provider, service) => registry.service(provider, service).ok().map(Known::Service),
        Key::Functions => Some(Known::Functions(Arc::new(runtime.block_on(functions(engine))?))),
        Key::Own => None,
    }
}

/// The names of all functions, each once.
async fn functions(engine: &Engine) -> Option<Vec<String>> {
    let mut session = engine.session();
    let mut names: Vec<String> = Vec::new();
    for batch in session.sql("SHOW FUNCTIONS").await.ok()?.read_all().await.ok()? {
        let column = batch.column_by_name("name")?.as_string_opt::<i32>()?;
        names.extend(column.iter().flatten().map(str::to_owned));
    }
    names.retain(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    names.dedup();
    Some(names)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`Names::files`].
pub(super) fn files(written: &str, home: Option<&Path>) -> Vec<String> {
    let split = written.rfind(['/', MAIN_SEPARATOR]).map_or(0, |at| at + 1);
    let (shown_dir, begin) = written.split_at(split);
    let dir = match expanded(shown_dir, home) {
        dir if dir.as_os_str().is_empty() => PathBuf::from("."),
        dir => dir,
    };
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<String> = entries
        .take(FILES_READ)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            // A hidden file is wanted only by those who write its dot.
            let wanted = name.starts_with(begin) && (begin.starts_with('.') || !name.starts_with('.'));
            let is_dir = wanted && entry.path().is_dir();
            wanted.then(|| format!("{shown_dir}{name}{}", if is_dir { "/" } else { "" }))
        })
        .collect();
    files.sort_unstable();
    files
}

/// A path as the user writes it: `~` is home.
pub(super) fn expanded(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with(['/', MAIN_SEPARATOR]) => {
            home.join(rest.trim_start_matches(['/', MAIN_SEPARATOR]))
        }
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_as_they_were_begun() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["one.sql", "other.sql", ".hidden"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("more")).unwrap();
        let at = |rest: &str| format!("{}/{rest}", dir.path().display());
        assert_eq!(files(&at("o"), None), [at("one.sql"), at("other.sql")]);
        assert_eq!(files(&at(""), None), [at("more/"), at("one.sql"), at("other.sql")]);
        assert_eq!(files(&at("."), None), [at(".hidden")]);
        assert_eq!(files("~/on", Some(dir.path())), ["~/one.sql"]);
        assert_eq!(files(&at("none/x"), None), Vec::<String>::new());
    }

    fn names(runtime: &tokio::runtime::Runtime) -> EngineNames {
        EngineNames::new(Engine::builder().build().unwrap(), runtime.handle().clone(), None)
    }

    /// The first question may come too early, the last does not.
    fn asked<T>(ask: impl Fn() -> Option<T>) -> T {
        (0..1_000).find_map(|_| ask()).unwrap()
    }

    #[test]
    fn documents_are_read_meanwhile() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let names = names(&runtime);
        let service = asked(|| names.service("LINODE", "images"));
        assert!(service.resources.contains_key("images"));
        assert!(names.service("linode", "nothing").is_none());
        assert!(names.services("nobody").is_empty());
    }

    #[test]
    fn the_engine_says_what_no_document_does() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let names = names(&runtime);
        let functions = asked(|| Some(names.functions()).filter(|names| !names.is_empty()));
        assert!(["count", "json_extract", "row_number"].iter().all(|name| functions.iter().any(|known| known == name)));
        let mut session = Engine::builder().build().unwrap().session();
        for text in ["CREATE VIEW seen AS SELECT 1 AS one, 2 AS two", "USE linode"] {
            runtime.block_on(session.sql(text)).unwrap();
        }
        names.renew(&session);
        assert_eq!(names.used(), ["linode"]);
        let own = asked(|| names.own_tables().pop());
        assert_eq!((own.name.as_str(), own.columns.as_slice()), ("seen", &["one".to_owned(), "two".to_owned()][..]));
    }

    #[test]
    fn settings_say_what_they_take() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let names = names(&runtime);
        assert_eq!(names.setting_values("confirm"), ["auto", "always", "never"]);
        assert_eq!(names.setting_values("max_calls"), Vec::<String>::new());
        assert!(names.settings().contains(&"max_wait".to_owned()));
    }
}
