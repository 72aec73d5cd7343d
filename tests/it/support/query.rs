//! Running SQL against a test's own provider documents.
//!
//! *Owns*: an engine over a directory of documents, a clock that never waits, rows as text.
//! *Does not own*: servers, documents, assertions.
//! *Invariants*: no environment but what a test gives; nothing sleeps.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use futures::StreamExt;
use skyql::clock::{Clock, SystemClock};
use skyql::{Engine, EngineBuilder, Error, QueryReport, QueryResult, Session};
use tempfile::TempDir;

/// How NULL stands among the rows of an [`Answer`].
pub(crate) const NULL: &str = "∅";

/// A clock on which a sleep takes no time, but moves the hands.
#[derive(Debug, Default)]
pub(crate) struct ImpatientClock {
    slept: Mutex<Duration>,
}

impl ImpatientClock {
    /// Moves the hands.
    pub(crate) fn advance(&self, duration: Duration) {
        *self.slept.lock().unwrap() += duration;
    }
}

#[async_trait]
impl Clock for ImpatientClock {
    fn now(&self) -> Instant {
        SystemClock.now() + *self.slept.lock().unwrap()
    }

    fn utc(&self) -> SystemTime {
        SystemClock.utc() + *self.slept.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.slept.lock().unwrap() += duration;
        tokio::task::yield_now().await;
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// An engine over one directory of provider documents, and a session.
pub(crate) struct Db {
    session: Session,
    _documents: Option<TempDir>,
}

impl Db {
    /// No environment, an [`ImpatientClock`].
    pub(crate) fn new(documents: TempDir) -> Self {
        Self::with(documents, |builder| builder)
    }

    /// As [`Db::new`], with what `more` says of the engine.
    pub(crate) fn with(documents: TempDir, more: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        let builder = Engine::builder().providers_dir(documents.path());
        Self { _documents: Some(documents), ..Self::of(more(builder)) }
    }

    /// An engine of any making, on an [`ImpatientClock`].
    pub(crate) fn of(builder: EngineBuilder) -> Self {
        let engine = builder.clock(std::sync::Arc::new(ImpatientClock::default())).build().unwrap();
        Self { session: engine.session(), _documents: None }
    }

    /// A session of an engine that there is.
    pub(crate) fn over(engine: &Engine) -> Self {
        Self { session: engine.session(), _documents: None }
    }

    /// `SET {setting}`, for the statements to come.
    #[must_use]
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.session.settings_mut().set(name, value).unwrap();
        self
    }

    /// Begins a statement.
    pub(crate) async fn start(&mut self, sql: &str) -> Result<QueryResult, Error> {
        self.session.sql(sql).await
    }

    /// Runs a statement to its end, which must be good.
    pub(crate) async fn rows(&mut self, sql: &str) -> Answer {
        match self.run(sql).await {
            Ok(answer) => answer,
            Err(error) => panic!("{sql}\n{error}\n{error:?}"),
        }
    }

    /// Runs a statement to its end, which must be an error.
    pub(crate) async fn error(&mut self, sql: &str) -> Error {
        match self.run(sql).await {
            Ok(answer) => panic!("{sql}\nno error but {} rows: {:?}", answer.rows.len(), answer.rows),
            Err(error) => error,
        }
    }

    /// Runs a statement to its end.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<Answer, Error> {
        let mut result = self.session.sql(sql).await?;
        let batches = result.read_all().await?;
        let schema = result.schema();
        Ok(Answer {
            columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
            types: schema.fields().iter().map(|field| field.data_type().to_string()).collect(),
            rows: batches.iter().flat_map(texts).collect(),
            report: result.report(),
        })
    }
}

/// The rows of a batch as text.
pub(crate) fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null(NULL);
    let columns: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()).collect()
}

/// The rows of the next batch of a running statement as text; none at its end.
pub(crate) async fn next_texts(result: &mut QueryResult) -> Vec<Vec<String>> {
    match result.next().await {
        Some(batch) => texts(&batch.unwrap()),
        None => Vec::new(),
    }
}

/// What a statement gave.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The columns' names.
    pub(crate) columns: Vec<String>,
    /// The columns' Arrow types.
    pub(crate) types: Vec<String>,
    /// The rows, each value as text.
    pub(crate) rows: Vec<Vec<String>>,
    /// What happened.
    pub(crate) report: QueryReport,
}

impl Answer {
    /// The values of one column.
    pub(crate) fn column(&self, index: usize) -> Vec<&str> {
        self.rows.iter().map(|row| row[index].as_str()).collect()
    }

    /// The first column as numbers.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.column(0).into_iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The verdict as a word.
    pub(crate) fn verdict(&self) -> &'static str {
        self.report.verdict().name()
    }

    /// The codes of the warnings, in order.
    pub(crate) fn warned(&self) -> Vec<&'static str> {
        self.report.warnings.iter().map(|warning| warning.code).collect()
    }

    /// The messages of the warnings, in order.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.report.warnings.iter().map(|warning| warning.message.as_str()).collect()
    }
}
