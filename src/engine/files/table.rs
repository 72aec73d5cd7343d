//! A file as a table: `FROM 'people.csv'`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::FileReader;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::format::FileFormat;
use super::{csv, json};
use crate::engine::journal::blocking;
use crate::error::{Error, ErrorKind, Result};
use crate::scan::to_datafusion;

/// The schema whose tables are files, by their paths.
pub(in crate::engine) const SCHEMA: &str = "files";

/// Files by their paths; none without leave.
#[derive(Debug)]
pub(in crate::engine) struct Files {
    pub(in crate::engine) allowed: bool,
}

#[async_trait]
impl SchemaProvider for Files {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, path: &str) -> DfResult<Option<Arc<dyn TableProvider>>> {
        check_leave(self.allowed).map_err(to_datafusion)?;
        let path = PathBuf::from(path);
        blocking(move || file_table(&path)).await.map(Some).map_err(to_datafusion)
    }

    fn table_exist(&self, path: &str) -> bool {
        self.allowed && Path::new(path).is_file()
    }
}

/// # Errors
/// `Unsupported` for a session that may not use files.
pub(super) fn check_leave(allowed: bool) -> Result<()> {
    if allowed {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "this session may not read or write files")
        .hint("`EngineBuilder::local_files` gives leave"))
}

/// A file's rows. CSV and JSON are read at once, to know what their columns hold; of others only what is asked for.
fn file_table(path: &Path) -> Result<Arc<dyn TableProvider>> {
    let in_file = |error: Error| error.with("file", path.display().to_string());
    let format = FileFormat::of(path)?;
    let batches = match format {
        FileFormat::Csv => vec![csv::rows(&bytes(path)?).map_err(in_file)?],
        FileFormat::Json | FileFormat::Jsonl => json::rows(&bytes(path)?, format).map_err(in_file)?.batches,
        FileFormat::Arrow => {
            let schema = arrow_reader(path, None)?.schema();
            return Ok(Arc::new(ColumnFile { path: path.to_owned(), format, schema }));
        }
        FileFormat::Parquet => {
            let schema = Arc::clone(parquet_reader(path)?.schema());
            return Ok(Arc::new(ColumnFile { path: path.to_owned(), format, schema }));
        }
    };
    let Some(first) = batches.first() else {
        return Err(in_file(Error::new(
            ErrorKind::Decode,
            "the file holds no row, and nothing says what its columns are",
        )));
    };
    let table =
        MemTable::try_new(first.schema(), vec![batches]).map_err(|error| crate::scan::from_datafusion(&error))?;
    Ok(Arc::new(table))
}

fn open(path: &Path) -> Result<File> {
    let error = match File::open(path) {
        Ok(file) if !path.is_dir() => return Ok(file),
        Ok(_) => return Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` is a directory", path.display()))),
        Err(error) => error,
    };
    if error.kind() == std::io::ErrorKind::NotFound {
        let here = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let entries = std::fs::read_dir(here).into_iter().flatten().filter_map(std::result::Result::ok);
        let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let wanted = path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
        let told = Error::new(ErrorKind::NameNotFound, format!("there is no file `{}`", path.display()));
        return Err(match crate::error::did_you_mean(wanted, names.iter().map(String::as_str)) {
            Some(hint) => told.hint(hint),
            None => told,
        });
    }
    Err(Error::new(ErrorKind::InvalidArgument, format!("the file `{}` cannot be read", path.display()))
        .with("reason", error.to_string()))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut open(path)?, &mut bytes).map_err(|error| damaged(path, &error))?;
    Ok(bytes)
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Decode, "the file cannot be read as what its name says")
        .with("file", path.display().to_string())
        .with("reason", error.to_string())
}

fn arrow_reader(path: &Path, projection: Option<Vec<usize>>) -> Result<FileReader<BufReader<File>>> {
    FileReader::try_new(BufReader::new(open(path)?), projection).map_err(|error| damaged(path, &error))
}

fn parquet_reader(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    ParquetRecordBatchReaderBuilder::try_new(open(path)?).map_err(|error| damaged(path, &error))
}

/// A file of which single columns can be read.
#[derive(Debug)]
struct ColumnFile {
    path: PathBuf,
    format: FileFormat,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for ColumnFile {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema(),
        };
        let (path, format, columns) = (self.path.clone(), self.format, projection.cloned());
        let batches = blocking(move || read(&path, format, columns)).await.map_err(to_datafusion)?;
        // Columns come in the order of the file; the query may want another.
        let batches: Vec<RecordBatch> = batches
            .into_iter()
            .map(|batch| {
                let places = schema.fields().iter().map(|field| batch.schema().index_of(field.name()));
                batch.project(&places.collect::<std::result::Result<Vec<_>, _>>()?)?.with_schema(Arc::clone(&schema))
            })
            .collect::<std::result::Result<_, _>>()?;
        Ok(MemorySourceConfig::try_new_exec(&[batches], schema, None)?)
    }
}

fn read(path: &Path, format: FileFormat, columns: Option<Vec<usize>>) -> Result<Vec<RecordBatch>> {
    let batches: std::result::Result<Vec<RecordBatch>, _> = if format == FileFormat::Parquet {
        let mut builder = parquet_reader(path)?;
        if let Some(columns) = columns {
            let mask = ProjectionMask::roots(builder.parquet_schema(), columns);
            builder = builder.with_projection(mask);
        }
        builder.build().map_err(|error| damaged(path, &error))?.collect()
    } else {
        arrow_reader(path, columns)?.collect()
    };
    batches.map_err(|error| damaged(path, &error))
}
