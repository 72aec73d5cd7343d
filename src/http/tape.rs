//! Calls and their answers in a file: written while they are made, read in place of making them.
//!
//! One JSON object per line. What names a call is its caller's business; here it is a value that is compared. Secrets are
//! taken out before a line is written, and out of what is looked for in the same way.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::Answer;
use super::scrub::Scrubber;
use super::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use crate::error::{Error, ErrorKind, Result};
use crate::threads::off_thread;

/// The first line's key, and the version of what follows.
const FORMAT: (&str, u64) = ("skyql_record", 1);

/// A file of calls and their answers.
#[derive(Debug)]
pub struct Tape {
    path: PathBuf,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    Record(Arc<Mutex<File>>),
    Replay {
        left: Mutex<BTreeMap<String, VecDeque<Line>>>,
        held: BTreeMap<String, usize>,
        facts: BTreeMap<String, Value>,
    },
}

/// What a call is known by on a tape, and what must not stand there.
#[derive(Debug, Clone)]
pub struct Label {
    /// What names the call.
    pub call: Value,
    /// What names one request of it: both are compared.
    pub part: Value,
    /// Facts about where the call went.
    pub facts: Value,
    /// For messages: `linode.images.images` by `get_images`, page 2.
    pub name: String,
    /// The request for people, without secrets.
    pub request: String,
    /// Finds secrets.
    pub scrubber: Scrubber,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    call: Value,
    #[serde(default)]
    part: Value,
    #[serde(default)]
    facts: Value,
    #[serde(default)]
    request: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<RecordedAnswer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<RecordedError>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordedAnswer {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// A body that is no text, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    attempts: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordedError {
    kind: String,
    message: String,
    #[serde(default)]
    context: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Tape {
    /// A tape that is written; a file that is there is replaced.
    ///
    /// # Errors
    /// `InvalidArgument` when it cannot be created.
    pub fn record(path: &Path) -> Result<Self> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let wrong = |error: std::io::Error| {
            Error::new(ErrorKind::InvalidArgument, format!("the record `{}` cannot be written", path.display()))
                .with("reason", error.to_string())
        };
        let mut file = options.open(path).map_err(wrong)?;
        let first = json!({ FORMAT.0: FORMAT.1, "version": env!("CARGO_PKG_VERSION") });
        writeln!(file, "{first}").map_err(wrong)?;
        Ok(Self { path: path.to_owned(), mode: Mode::Record(Arc::new(Mutex::new(file))) })
    }

    /// A tape that answers.
    ///
    /// # Errors
    /// `NameNotFound` when it cannot be read, `InvalidArgument`, with the line, when it is no record.
    pub fn replay(path: &Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| {
            Error::new(ErrorKind::NameNotFound, format!("the record `{}` cannot be read", path.display()))
                .with("reason", error.to_string())
        };
        let wrong = |line: usize, why: &str| {
            Error::new(ErrorKind::InvalidArgument, format!("`{}` is no record: {why}", path.display()))
                .with("line", line.to_string())
                .hint("`--record FILE` writes one")
        };
        let mut left: BTreeMap<String, VecDeque<Line>> = BTreeMap::new();
        let mut facts = BTreeMap::new();
        let mut lines = BufReader::new(File::open(path).map_err(unreadable)?).lines();
        let first = lines.next().transpose().map_err(|error| wrong(1, &error.to_string()))?.unwrap_or_default();
        let first: Value = serde_json::from_str(&first).map_err(|_| wrong(1, "its first line is not JSON"))?;
        match first.get(FORMAT.0).and_then(Value::as_u64) {
            Some(version) if version == FORMAT.1 => {}
            Some(version) => return Err(wrong(1, &format!("version {version} is not known here"))),
            None => return Err(wrong(1, &format!("its first line has no `{}`", FORMAT.0))),
        }
        for (number, text) in (2..).zip(lines) {
            let text = text.map_err(|error| wrong(number, &error.to_string()))?;
            if text.trim().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&text).map_err(|error| wrong(number, &error.to_string()))?;
            if line.answer.is_some() == line.error.is_some() {
                return Err(wrong(number, "a line needs an answer or an error"));
            }
            facts.entry(canonical(&line.call)).or_insert_with(|| line.facts.clone());
            left.entry(key(&line.call, &line.part)).or_default().push_back(line);
        }
        let held = left.iter().map(|(key, lines)| (key.clone(), lines.len())).collect();
        Ok(Self { path: path.to_owned(), mode: Mode::Replay { left: Mutex::new(left), held, facts } })
    }

    /// Whether answers come from the tape.
    pub fn is_replay(&self) -> bool {
        matches!(self.mode, Mode::Replay { .. })
    }

    /// What the record says of where a call went.
    pub fn facts(&self, call: &Value) -> Option<&Value> {
        match &self.mode {
            Mode::Replay { facts, .. } => facts.get(&canonical(call)),
            Mode::Record(_) => None,
        }
    }

    /// The next answer that the record holds for a call; each is given once, in the order in which they came.
    ///
    /// # Errors
    /// The call's own, where it had one; `NameNotFound` for a call that is not in the record.
    pub(super) fn answer(&self, label: &Label) -> Result<Answer> {
        let Mode::Replay { left, held, .. } = &self.mode else {
            return Err(Error::new(ErrorKind::Internal, "a record that is written was asked for an answer"));
        };
        let key = key(&label.call, &label.part);
        let line = {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            left.get_mut(&key).and_then(VecDeque::pop_front)
        };
        let Some(line) = line else {
            let file = self.path.display();
            let message = match held.get(&key) {
                None => format!("`{file}` holds no answer to {}", label.name),
                Some(1) => format!("`{file}` holds one answer to {}, and it is given", label.name),
                Some(count) => format!("`{file}` holds {count} answers to {}, and they are given", label.name),
            };
            return Err(Error::new(ErrorKind::NameNotFound, message)
                .with("call", label.request.clone())
                .hint("run the same statements and settings as when it was recorded"));
        };
        match (line.answer, line.error) {
            (Some(answer), _) => answer.into_answer(),
            (None, Some(error)) => Err(error.into_error()),
            (None, None) => Err(Error::new(ErrorKind::Internal, "a line of a record is empty")),
        }
    }

    /// Notes what became of a call; where it does not belong into a record, nothing.
    ///
    /// # Errors
    /// `InvalidArgument` when the line cannot be written.
    pub(super) async fn note(&self, label: &Label, result: &Result<Answer>) -> Result<()> {
        let Mode::Record(file) = &self.mode else { return Ok(()) };
        let (answer, error) = match result {
            Ok(answer) => (Some(RecordedAnswer::of(answer, &label.scrubber)), None),
            // Budgets, credentials and cancellations are this side's: a replay has its own.
            Err(error) if matches!(error.kind(), ErrorKind::Network | ErrorKind::RateLimited | ErrorKind::Api) => {
                (None, Some(RecordedError::of(error, &label.scrubber)))
            }
            Err(_) => return Ok(()),
        };
        let Label { call, part, facts, request, .. } = label.clone();
        let line = Line { call, part, facts, request, answer, error };
        let wrong = |reason: String| {
            let message = format!("the record `{}` lacks {}", self.path.display(), label.name);
            Error::new(ErrorKind::InvalidArgument, message).with("reason", reason)
        };
        let mut text = serde_json::to_string(&line).map_err(|error| wrong(error.to_string()))?;
        text.push('\n');
        let file = Arc::clone(file);
        let write = move || file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
        off_thread("writing the record", write)
            .await
            .map_err(|error| wrong(error.to_string()))?
            .map_err(|error| wrong(error.to_string()))
    }
}

impl RecordedAnswer {
    fn of(answer: &Answer, scrubber: &Scrubber) -> Self {
        let headers = answer.headers.iter().filter(|(name, _)| scrubber.keeps_header(name.as_str()));
        let headers =
            headers.map(|(name, value)| (name.to_string(), scrubber.text(&String::from_utf8_lossy(value.as_bytes()))));
        let (body, bytes) = match std::str::from_utf8(&answer.body) {
            Ok(text) => (Some(scrubber.body(text)), None),
            Err(_) => (None, Some(to_hex(&answer.body))),
        };
        Self { status: answer.status.as_u16(), headers: headers.collect(), body, bytes, attempts: answer.attempts }
    }

    fn into_answer(self) -> Result<Answer> {
        let wrong = |what: &str| Error::new(ErrorKind::InvalidArgument, format!("the record holds a wrong {what}"));
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("header"))?;
            headers.append(name, HeaderValue::from_str(&value).map_err(|_| wrong("header"))?);
        }
        let body = match (self.body, self.bytes) {
            (Some(text), _) => Bytes::from(text),
            (None, Some(digits)) => Bytes::from(from_hex(&digits).ok_or_else(|| wrong("body"))?),
            (None, None) => Bytes::new(),
        };
        let status = StatusCode::from_u16(self.status).map_err(|_| wrong("status"))?;
        Ok(Answer { status, headers, body, attempts: self.attempts, latency: Duration::ZERO, in_doubt: false })
    }
}

/// The facts that errors of sending carry; others are added again on the way out.
const FACTS: [&str; 5] = ["status", "attempts", "state", "reason", "host"];

impl RecordedError {
    fn of(error: &Error, scrubber: &Scrubber) -> Self {
        let context = error.context().iter().filter(|(key, _)| FACTS.contains(key));
        Self {
            kind: error.kind().name().to_owned(),
            message: scrubber.text(error.message()),
            context: context.map(|(key, value)| ((*key).to_owned(), scrubber.text(value))).collect(),
            hint: error.hint_text().map(|hint| scrubber.text(hint)),
        }
    }

    fn into_error(self) -> Error {
        let kind = [ErrorKind::Network, ErrorKind::RateLimited].into_iter().find(|kind| kind.name() == self.kind);
        let mut error = Error::new(kind.unwrap_or(ErrorKind::Api), self.message);
        for (key, value) in self.context {
            if let Some(key) = FACTS.into_iter().find(|known| *known == key) {
                error = error.with(key, value);
            }
        }
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

fn key(call: &Value, part: &Value) -> String {
    format!("{} {}", canonical(call), canonical(part))
}

/// The same text for the same value, whatever the order of its members.
fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let members: BTreeMap<&String, Value> = members.iter().map(|(k, v)| (k, sorted(v))).collect();
                Value::Object(members.into_iter().map(|(k, v)| (k.clone(), v)).collect::<Map<_, _>>())
            }
            Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    sorted(value).to_string()
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(value(*pair.first()?)? * 16 + value(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests;
