//! The SQL of `tests/slt`, over the sandboxes' tables.
//!
//! *Owns*: running the files. *Invariants*: expected values follow from each other or from rows that the provider
//! documents fix, so that a file holds on every machine and proves more than that nothing has changed.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use skyql::{Engine, Error, SandboxOptions, Session};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

/// A session as the runner sees it.
struct Db(Session);

#[async_trait]
impl AsyncDB for Db {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let mut result = self.0.sql(sql).await?;
        let width = result.schema().fields().len();
        let batches = result.read_all().await?;
        if result.message().is_some() {
            return Ok(DBOutput::StatementComplete(0));
        }
        let rows = batches.iter().flat_map(texts).collect();
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; width], rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "skyql"
    }
}

/// Each row's values as text; a text without characters is `(empty)`.
fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    let cell = |column: &ArrayFormatter<'_>, row| {
        let text = column.value(row).to_string();
        if text.is_empty() { "(empty)".to_owned() } else { text }
    };
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| cell(column, row)).collect()).collect()
}

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort_unstable();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_hold() {
    let engine = Engine::builder().sandbox(SandboxOptions { seed: 1, ..SandboxOptions::default() }).build().unwrap();
    let files = files();
    assert!(!files.is_empty());
    let mut failures = Vec::new();
    for file in files {
        // Record by record, so that one run tells all that is wrong.
        let mut runner = Runner::new(|| async { Ok(Db(engine.session())) });
        for record in sqllogictest::parse_file(&file).unwrap() {
            if let Err(error) = runner.run_async(record).await {
                failures.push(format!("{}", error.display(false)));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
