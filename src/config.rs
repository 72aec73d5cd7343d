//! Settings and where each came from.
//!
//! *Owns*: the settings of a session, the configuration file, the environment.
//! *Does not own*: command-line arguments (`cli`) or what a setting does.
//! *Invariants*: precedence is flag, environment, file, default; [`Env`] is the only reader of the
//! process environment, and the library reads it only when asked to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result, did_you_mean};

/// Environment variables: the process's own, or a fixed set for tests and embedding programs.
#[derive(Clone, Default)]
pub struct Env {
    inherit: bool,
    set: BTreeMap<String, String>,
}

impl Env {
    /// No variables at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The variables of this process, read when asked for.
    pub fn process() -> Self {
        Self { inherit: true, set: BTreeMap::new() }
    }

    /// This environment with one more variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.insert(name.into(), value.into());
        self
    }

    /// The value of `name`; an empty value counts as not set.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn get(&self, name: &str) -> Option<String> {
        let value = match self.set.get(name) {
            Some(value) => Some(value.clone()),
            None if self.inherit => std::env::var(name).ok(),
            None => None,
        };
        value.filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Env {
    /// Names only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("inherit", &self.inherit).field("set", &self.set.keys()).finish()
    }
}

/// What to do when a part of an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPartial {
    /// The statement fails and names the part.
    Fail,
    /// The statement goes on and warns.
    Warn,
}

/// What to do with a value that does not fit its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaMode {
    /// It becomes NULL and is counted.
    Lenient,
    /// The statement fails.
    Strict,
}

/// How `date-time` columns are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    /// Text, as the API wrote it.
    Text,
    /// Arrow `Timestamp(µs, UTC)`.
    Typed,
}

/// What a write does when one of its calls fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRowError {
    /// No new call is started; those under way finish.
    Stop,
    /// The other calls are sent.
    Continue,
}

/// What a DELETE does when the object is gone already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissing {
    /// It is a failure of that call.
    Fail,
    /// It is as good as done.
    Ignore,
}

/// What becomes of a file that stands where a new one is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExisting {
    /// It stays, and the statement fails.
    Fail,
    /// The new one takes its place once it is whole.
    Replace,
}

/// When a write is asked about before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// A DELETE, and more than one object.
    Auto,
    /// Every write.
    Always,
    /// None.
    Never,
}

/// What a script does when one of its statements fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// No further statement runs.
    Stop,
    /// The next statements run; the script has failed all the same.
    Continue,
}

/// The settings of a session, changed by `SET name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `on_partial`: fail or warn.
    pub on_partial: OnPartial,
    /// `max_calls`: a statement stops before it sends more requests than this.
    pub max_calls: u64,
    /// `schema`: lenient or strict.
    pub schema: SchemaMode,
    /// `timestamps`: text or typed.
    pub timestamps: Timestamps,
    /// `max_wait`: the longest single wait an API may ask for.
    pub max_wait: Duration,
    /// `timeout`: how long one request may take without a byte arriving.
    pub timeout: Duration,
    /// `retries`: how often one request is sent again.
    pub retries: u32,
    /// `on_row_error`: stop or continue.
    pub on_row_error: OnRowError,
    /// `on_missing`: fail or ignore.
    pub on_missing: OnMissing,
    /// `confirm`: auto, always or never.
    pub confirm: Confirm,
    /// `await`: writes wait for what they start, where the document says how.
    pub awaits: bool,
    /// `await_interval`: how often it is asked, in place of what the document says.
    pub await_interval: Option<Duration>,
    /// `await_timeout`: how long it is waited for, in place of what the document says.
    pub await_timeout: Option<Duration>,
    /// `on_existing`: fail or replace.
    pub on_existing: OnExisting,
    /// `cache`: answers no older than this are used again across statements; zero keeps none.
    pub cache: Duration,
    /// `max_rows`: a statement stops before it gives more rows than this.
    pub max_rows: Option<u64>,
    /// `max_seconds`: a statement stops after so many seconds.
    pub max_seconds: Option<u64>,
    /// `on_error`: stop or continue.
    pub on_error: OnError,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            on_partial: OnPartial::Fail,
            max_calls: 10_000,
            schema: SchemaMode::Lenient,
            timestamps: Timestamps::Text,
            max_wait: Duration::from_mins(1),
            timeout: Duration::from_mins(1),
            retries: 4,
            on_row_error: OnRowError::Stop,
            on_missing: OnMissing::Fail,
            confirm: Confirm::Auto,
            awaits: false,
            await_interval: None,
            await_timeout: None,
            on_existing: OnExisting::Fail,
            cache: Duration::ZERO,
            max_rows: None,
            max_seconds: None,
            on_error: OnError::Stop,
        }
    }
}

/// Name, current value as text, and meaning of each setting.
const SETTINGS: &[(&str, &str)] = &[
    ("on_partial", "`fail` or `warn` when a part of an answer cannot be read"),
    ("max_calls", "a statement stops before it sends more requests than this"),
    ("schema", "`lenient` or `strict`: what happens to a value that does not fit its column"),
    ("timestamps", "`text` or `typed`: how date-time columns are given"),
    ("max_wait", "the longest wait an API may ask for, such as `60s`"),
    ("timeout", "how long a request may take without an answer, such as `60s`"),
    ("retries", "how often a request is sent again after a passing failure"),
    ("on_row_error", "`stop` or `continue` when a call of a write fails"),
    ("on_missing", "`fail` or `ignore` when what a DELETE names is gone already"),
    ("confirm", "`auto`, `always` or `never`: which writes are asked about first"),
    ("await", "`true` or `false`: whether writes wait for what they start"),
    ("await_interval", "how often that is asked, such as `10s`; `auto` as the provider's document says"),
    ("await_timeout", "how long it is waited for, such as `10m`; `auto` as the provider's document says"),
    ("on_existing", "`fail` or `replace`: what becomes of a file that is there when `INTO` names it"),
    ("cache", "how old an answer may be that is used again, such as `5m`; `off` asks anew"),
    ("max_rows", "a statement stops before it gives more rows than this; `none` for no limit"),
    ("max_seconds", "a query stops after so many seconds; `none` for no limit"),
    ("on_error", "`stop` or `continue` when a statement of a script fails"),
];

impl Settings {
    /// Changes one setting.
    ///
    /// # Errors
    /// `NameNotFound` for an unknown name, `InvalidArgument` for a value it cannot take.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let name = name.to_lowercase();
        let wrong = |takes: &str| {
            Error::new(ErrorKind::InvalidArgument, format!("setting `{name}` cannot be `{value}`"))
                .hint(format!("it takes {takes}"))
        };
        let word = value.trim().to_lowercase();
        match name.as_str() {
            "on_partial" => {
                self.on_partial = match word.as_str() {
                    "fail" => OnPartial::Fail,
                    "warn" => OnPartial::Warn,
                    _ => return Err(wrong("`fail` or `warn`")),
                }
            }
            "max_calls" => self.max_calls = word.parse().map_err(|_| wrong("a whole number"))?,
            "schema" => {
                self.schema = match word.as_str() {
                    "lenient" => SchemaMode::Lenient,
                    "strict" => SchemaMode::Strict,
                    _ => return Err(wrong("`lenient` or `strict`")),
                }
            }
            "timestamps" => {
                self.timestamps = match word.as_str() {
                    "text" => Timestamps::Text,
                    "typed" => Timestamps::Typed,
                    _ => return Err(wrong("`text` or `typed`")),
                }
            }
            "max_wait" => self.max_wait = parse_duration(&word).ok_or_else(|| wrong("a duration such as `60s`"))?,
            "timeout" => self.timeout = parse_duration(&word).ok_or_else(|| wrong("a duration such as `60s`"))?,
            "retries" => self.retries = word.parse().map_err(|_| wrong("a whole number"))?,
            "on_row_error" => {
                self.on_row_error = match word.as_str() {
                    "stop" => OnRowError::Stop,
                    "continue" => OnRowError::Continue,
                    _ => return Err(wrong("`stop` or `continue`")),
                }
            }
            "on_missing" => {
                self.on_missing = match word.as_str() {
                    "fail" => OnMissing::Fail,
                    "ignore" => OnMissing::Ignore,
                    _ => return Err(wrong("`fail` or `ignore`")),
                }
            }
            "confirm" => {
                self.confirm = match word.as_str() {
                    "auto" => Confirm::Auto,
                    "always" => Confirm::Always,
                    "never" => Confirm::Never,
                    _ => return Err(wrong("`auto`, `always` or `never`")),
                }
            }
            "await" => {
                self.awaits = match word.as_str() {
                    "true" | "on" => true,
                    "false" | "off" => false,
                    _ => return Err(wrong("`true` or `false`")),
                }
            }
            "await_interval" | "await_timeout" => {
                let value = match word.as_str() {
                    "auto" => None,
                    word => match parse_duration(word).filter(|duration| !duration.is_zero()) {
                        Some(duration) => Some(duration),
                        None => return Err(wrong("a duration such as `60s`, or `auto`")),
                    },
                };
                let into = if name == "await_interval" { &mut self.await_interval } else { &mut self.await_timeout };
                *into = value;
            }
            "on_existing" => {
                self.on_existing = match word.as_str() {
                    "fail" => OnExisting::Fail,
                    "replace" => OnExisting::Replace,
                    _ => return Err(wrong("`fail` or `replace`")),
                }
            }
            "cache" => {
                let off = matches!(word.as_str(), "off" | "none" | "false");
                let age = if off { Some(Duration::ZERO) } else { parse_duration(&word) };
                self.cache = age.ok_or_else(|| wrong("a duration such as `5m`, or `off`"))?;
            }
            "max_rows" => self.max_rows = parse_limit(&word).map_err(|()| wrong("a whole number, or `none`"))?,
            "max_seconds" => self.max_seconds = parse_limit(&word).map_err(|()| wrong("a whole number, or `none`"))?,
            "on_error" => {
                self.on_error = match word.as_str() {
                    "stop" => OnError::Stop,
                    "continue" => OnError::Continue,
                    _ => return Err(wrong("`stop` or `continue`")),
                }
            }
            _ => {
                let error = Error::new(ErrorKind::NameNotFound, format!("there is no setting `{name}`"));
                let names = SETTINGS.iter().map(|(name, _)| *name);
                return Err(
                    error.hint(did_you_mean(&name, names).unwrap_or_else(|| "`SHOW ALL` lists them".to_owned()))
                );
            }
        }
        Ok(())
    }

    /// Every setting as name, value and meaning.
    pub fn list(&self) -> Vec<(&'static str, String, &'static str)> {
        SETTINGS.iter().map(|(name, meaning)| (*name, self.value(name), *meaning)).collect()
    }

    fn value(&self, name: &str) -> String {
        match name {
            "on_partial" => format!("{:?}", self.on_partial).to_lowercase(),
            "max_calls" => self.max_calls.to_string(),
            "schema" => format!("{:?}", self.schema).to_lowercase(),
            "timestamps" => format!("{:?}", self.timestamps).to_lowercase(),
            "max_wait" => show_duration(self.max_wait),
            "timeout" => show_duration(self.timeout),
            "retries" => self.retries.to_string(),
            "on_row_error" => format!("{:?}", self.on_row_error).to_lowercase(),
            "on_missing" => format!("{:?}", self.on_missing).to_lowercase(),
            "confirm" => format!("{:?}", self.confirm).to_lowercase(),
            "await" => self.awaits.to_string(),
            "await_interval" => self.await_interval.map_or_else(|| "auto".to_owned(), show_duration),
            "await_timeout" => self.await_timeout.map_or_else(|| "auto".to_owned(), show_duration),
            "on_existing" => format!("{:?}", self.on_existing).to_lowercase(),
            "cache" if self.cache.is_zero() => "off".to_owned(),
            "cache" => show_duration(self.cache),
            "max_rows" => self.max_rows.map_or_else(|| "none".to_owned(), |n| n.to_string()),
            "max_seconds" => self.max_seconds.map_or_else(|| "none".to_owned(), |n| n.to_string()),
            "on_error" => format!("{:?}", self.on_error).to_lowercase(),
            _ => String::new(),
        }
    }
}

/// `250ms`, `5s`, `2m`, `1h`, or a number of seconds.
fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number = u64::from_str(number).ok()?;
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// A whole number, or `none`.
fn parse_limit(text: &str) -> Result<Option<u64>, ()> {
    if matches!(text, "none" | "off") { Ok(None) } else { text.parse().map(Some).map_err(|_| ()) }
}

fn show_duration(d: Duration) -> String {
    if d.subsec_millis() == 0 { format!("{}s", d.as_secs()) } else { format!("{}ms", d.as_millis()) }
}

/// The configuration file, `config.toml` in the user's configuration directory.
///
/// ```toml
/// providers_dirs = ["~/my-providers"]   # `~` is your home directory
///
/// [settings]
/// max_calls = 500
///
/// [provider.linode]
/// base_url = "http://127.0.0.1:4011"
/// env = { LINODE_TOKEN = "WORK_LINODE_TOKEN" }   # read another variable in its place
/// allow_origin = ["https://api.example.com"]
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// Further directories of provider documents.
    pub providers_dirs: Vec<PathBuf>,
    /// Where the prompt keeps what is typed; nowhere if it is empty.
    pub history: Option<PathBuf>,
    /// Settings by name.
    pub settings: BTreeMap<String, toml::Value>,
    /// Per provider: where it is and which variables hold its credentials.
    pub provider: BTreeMap<String, ProviderConfig>,
}

/// One provider's part of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderConfig {
    /// Where its API is, in place of the documents' servers: an origin keeps the document's path, a URL with a
    /// path replaces it.
    pub base_url: Option<String>,
    /// Names of the environment variables to read in place of those that the documents name.
    pub env: BTreeMap<String, String>,
    /// Origins to which a document on disk may send this provider's credential.
    pub allow_origin: Vec<String>,
}

impl ConfigFile {
    /// Reads `path`; a file that does not exist is an empty configuration.
    ///
    /// # Errors
    /// `InvalidArgument` with the file's name and place when it cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Error::new(ErrorKind::InvalidArgument, "the configuration file cannot be read")
                    .with("file", path.display().to_string())
                    .with("reason", error.to_string()));
            }
        };
        let mut file: Self = toml::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, format!("the configuration file is wrong: {}", error.message()))
                .with("file", path.display().to_string())
        })?;
        for dir in file.providers_dirs.iter_mut().chain(&mut file.history) {
            if let (Ok(rest), Some(base)) = (dir.strip_prefix("~"), directories::BaseDirs::new()) {
                *dir = base.home_dir().join(rest);
            }
        }
        Ok(file)
    }

    /// The settings it gives, on top of the defaults.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::default();
        for (name, value) in &self.settings {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            settings.set(name, &text)?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_as_set() {
        let mut settings = Settings::default();
        settings.set("ON_PARTIAL", "Warn").unwrap();
        settings.set("max_wait", "2m").unwrap();
        settings.set("max_calls", "12").unwrap();
        assert_eq!(settings.on_partial, OnPartial::Warn);
        let listed = settings.list();
        assert!(listed.iter().any(|(name, value, _)| *name == "max_wait" && value == "120s"));
        assert!(listed.iter().any(|(name, value, _)| *name == "max_calls" && value == "12"));
    }

    #[test]
    fn unknown_setting_suggests_the_nearest() {
        let error = Settings::default().set("max_call", "1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameNotFound);
        assert!(error.hint_text().is_some_and(|hint| hint.starts_with("did you mean `max_calls`")), "{error:?}");
        let error = Settings::default().set("schema", "loose").unwrap_err();
        assert_eq!(error.hint_text(), Some("it takes `lenient` or `strict`"));
    }

    #[test]
    fn env_debug_hides_values() {
        let env = Env::empty().with("TOKEN", "hush");
        assert_eq!(env.get("TOKEN").as_deref(), Some("hush"));
        assert!(!format!("{env:?}").contains("hush"));
        assert_eq!(env.get("HOME"), None);
    }
}
