//! Files of columns for programs: Arrow IPC, with all types as they are, and Parquet.

use std::error::Error as StdError;
use std::io::{Error as IoError, ErrorKind as IoErrorKind, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use futures::{Stream, StreamExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, ErrorKind, Result};
use crate::output::{Format, Options, Written, not_broken};

/// Writes all rows of `stream` as such a file, each batch as soon as it is there; Parquet's are gathered to groups of rows.
/// A file whose answer broke off has no footer, and readers refuse it.
///
/// # Errors
/// The stream's own; `InvalidArgument` for a terminal, which cannot show it; `Internal` when `out` cannot be written to,
/// or when a batch is not of `schema`.
pub(super) async fn write_file(
    mut stream: impl Stream<Item = Result<RecordBatch>> + Unpin,
    schema: &Schema,
    options: &Options,
    out: &mut (dyn Write + Send),
) -> Result<Written> {
    if options.width.is_some() {
        let name = if options.format == Format::Parquet { "parquet" } else { "arrow" };
        return Err(Error::new(ErrorKind::InvalidArgument, format!("a terminal cannot show the format `{name}`"))
            .hint("`--outfile FILE` writes it to a file"));
    }
    let mut written = Written::default();
    // What comes before the first row is written with it: a statement that fails at once writes nothing.
    let mut first = stream.next().await.transpose()?;
    let mut file = match ColumnFile::begin(options.format, schema, out) {
        Ok(file) => file,
        Err(error) => return broken(written, error),
    };
    while let Some(batch) = first.take() {
        if batch.num_rows() > 0 {
            if let Err(error) = file.write(&batch) {
                return broken(written, error);
            }
            written.rows += batch.num_rows() as u64;
        }
        first = stream.next().await.transpose()?;
    }
    match file.finish() {
        Ok(()) => Ok(written),
        Err(error) => broken(written, error),
    }
}

enum ColumnFile<'a> {
    Arrow(Box<FileWriter<&'a mut (dyn Write + Send)>>),
    Parquet(Box<ArrowWriter<&'a mut (dyn Write + Send)>>),
}

impl<'a> ColumnFile<'a> {
    fn begin(format: Format, schema: &Schema, out: &'a mut (dyn Write + Send)) -> Result<Self, IoError> {
        if format != Format::Parquet {
            return FileWriter::try_new(out, schema).map(|file| Self::Arrow(Box::new(file))).map_err(of_arrow);
        }
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = ArrowWriter::try_new(out, Arc::new(schema.clone()), Some(properties))
            .map_err(|error| of_parquet(&error))?;
        Ok(Self::Parquet(Box::new(file)))
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), IoError> {
        match self {
            Self::Arrow(file) => file.write(batch).and_then(|()| file.flush()).map_err(of_arrow),
            Self::Parquet(file) => file.write(batch).map_err(|error| of_parquet(&error)),
        }
    }

    fn finish(self) -> Result<(), IoError> {
        match self {
            Self::Arrow(mut file) => file.finish().and_then(|()| file.flush()).map_err(of_arrow),
            Self::Parquet(file) => file.into_inner().map_err(|error| of_parquet(&error))?.flush(),
        }
    }
}

fn of_arrow(error: ArrowError) -> IoError {
    match error {
        ArrowError::IoError(_, error) => error,
        other => IoError::new(IoErrorKind::InvalidData, other.to_string()),
    }
}

fn of_parquet(error: &ParquetError) -> IoError {
    let said = error.to_string();
    // What the file under it said is inside.
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<IoError>() {
            return IoError::new(io.kind(), said);
        }
        cause = inner.source();
    }
    IoError::new(IoErrorKind::InvalidData, said)
}

/// A reader that went away, or the error.
fn broken(written: Written, error: IoError) -> Result<Written> {
    not_broken(Err(error)).map(|_| Written { broken_pipe: true, ..written })
}
