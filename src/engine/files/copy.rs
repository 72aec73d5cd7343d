//! `COPY … TO 'file'`: an answer as a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use sqlparser::ast;
use tokio::sync::mpsc;

use super::format::FileFormat;
use super::table::check_leave;
use super::whole::{WholeFile, cannot};
use crate::engine::Session;
use crate::engine::define::check_whole;
use crate::engine::journal::blocking;
use crate::engine::result::QueryResult;
use crate::error::{Error, ErrorKind, Result};
use crate::output::{self, Format, write_stream};
use crate::report::Report;
use crate::sql::Copy;

/// Batches that wait for the disk.
const WAITING: usize = 4;

impl Session {
    /// What can be said of a copy without its rows.
    ///
    /// # Errors
    /// `InvalidArgument` for a format that is not known; as the engine's leave for files.
    pub(in crate::engine) fn check_copy(&self, copy: &Copy) -> Result<()> {
        check_leave(self.engine().local_files())?;
        format_of(copy).map(drop)
    }

    /// Runs a query and writes its rows into a file, which is there only when all of them are.
    ///
    /// # Errors
    /// Of the query; `Partial` when its answer is not whole; `InvalidArgument` when the file cannot be written, or is there
    /// already and may not be replaced.
    pub(in crate::engine) async fn copy(&mut self, copy: Copy, report: Report) -> Result<QueryResult> {
        self.check_copy(&copy)?;
        let format = format_of(&copy)?;
        let place = PathBuf::from(&copy.file);
        let planner = self.planner(&report);
        self.remember(&report);
        // Before any call is made.
        let (begun, overwrite) = (place.clone(), copy.overwrite);
        let (whole, file) = blocking(move || WholeFile::begin(&begun, overwrite)).await?;
        let mut rows = self.read(&planner, ast::Statement::Query(copy.query)).await?;
        let schema = rows.schema();
        check_names(&schema, format)?;
        let (batches, arriving) = mpsc::channel(WAITING);
        let (written_to, header) = (place.clone(), copy.header);
        let writing = tokio::task::spawn_blocking(move || write(file, &written_to, format, header, &schema, arriving));
        let mut failed = None;
        while let Some(batch) = rows.next().await {
            match batch {
                Ok(batch) => {
                    // A writer that went away says why when it is asked.
                    if batches.send(batch).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        drop(batches);
        let written = writing
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, "writing the file ended unexpectedly").caused_by(error))?;
        if let Some(error) = failed {
            return Err(error);
        }
        let file = written?;
        let seen = rows.report();
        check_whole(&seen)?;
        blocking(move || whole.finish(&file)).await?;
        let noun = if seen.rows == 1 { "row" } else { "rows" };
        let said = format!("{} {noun} are in `{}`", seen.rows, place.display());
        Ok(QueryResult::command(&said, report, self.clock()))
    }
}

fn format_of(copy: &Copy) -> Result<FileFormat> {
    match &copy.format {
        Some(name) => FileFormat::named(name),
        None => FileFormat::of(Path::new(&copy.file)),
    }
}

/// What reads such a file later needs every column to have a name of its own.
fn check_names(schema: &SchemaRef, format: FileFormat) -> Result<()> {
    let fields = schema.fields();
    let twice = fields.iter().enumerate().find(|(at, field)| fields[..*at].iter().any(|f| f.name() == field.name()));
    match twice {
        // These give the second one another name.
        Some(_) if matches!(format, FileFormat::Json | FileFormat::Jsonl) => Ok(()),
        Some((_, field)) => {
            Err(Error::new(ErrorKind::InvalidArgument, format!("two columns are called `{}`", field.name()))
                .hint("give one of them another name with AS"))
        }
        None => Ok(()),
    }
}

/// Writes all batches as they come. Where none should be added any more, the file is closed in its format.
fn write(
    file: File,
    place: &Path,
    format: FileFormat,
    header: bool,
    schema: &SchemaRef,
    mut arriving: mpsc::Receiver<RecordBatch>,
) -> Result<File> {
    let failed = |error: &dyn std::fmt::Display| cannot(place, &error.to_string());
    let format = match format {
        FileFormat::Csv => Format::Csv,
        FileFormat::Json => Format::Json,
        FileFormat::Jsonl => Format::Jsonl,
        FileFormat::Arrow => Format::Arrow,
        FileFormat::Parquet => Format::Parquet,
    };
    let options = output::Options { format, header, ..output::Options::default() };
    let mut out = BufWriter::new(file);
    let rows = futures::stream::poll_fn(move |context| arriving.poll_recv(context)).map(Ok);
    futures::executor::block_on(write_stream(rows, schema, &options, &mut out))?;
    out.flush().map_err(|error| failed(&error))?;
    out.into_inner().map_err(|error| failed(error.error()))
}
