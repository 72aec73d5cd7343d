//! Arrow IPC files: all types as they are, for programs that read columns.

use std::io::{Error as IoError, ErrorKind as IoErrorKind, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use futures::{Stream, StreamExt};

use crate::error::{Error, ErrorKind, Result};
use crate::output::{Options, Written, not_broken};

/// Writes all rows of `stream` as an Arrow file, each batch as soon as it is there. A file whose answer broke off has no
/// footer, and readers refuse it.
///
/// # Errors
/// The stream's own; `InvalidArgument` for a terminal, which cannot show it; `Internal` when `out` cannot be written to,
/// or when a batch is not of `schema`.
pub(super) async fn write_arrow(
    mut stream: impl Stream<Item = Result<RecordBatch>> + Unpin,
    schema: &Schema,
    options: &Options,
    out: &mut (dyn Write + Send),
) -> Result<Written> {
    if options.width.is_some() {
        return Err(Error::new(ErrorKind::InvalidArgument, "a terminal cannot show the format `arrow`")
            .hint("`--outfile FILE` writes it to a file"));
    }
    let mut written = Written::default();
    // What comes before the first row is written with it: a statement that fails at once writes nothing.
    let mut first = stream.next().await.transpose()?;
    let mut file = match FileWriter::try_new(&mut *out, schema) {
        Ok(file) => file,
        Err(error) => return broken(written, error),
    };
    while let Some(batch) = first.take() {
        if batch.num_rows() > 0 {
            if let Err(error) = file.write(&batch).and_then(|()| file.flush()) {
                return broken(written, error);
            }
            written.rows += batch.num_rows() as u64;
        }
        first = stream.next().await.transpose()?;
    }
    match file.finish().and_then(|()| file.flush()) {
        Ok(()) => Ok(written),
        Err(error) => broken(written, error),
    }
}

/// A reader that went away, or the error.
fn broken(written: Written, error: ArrowError) -> Result<Written> {
    let error = match error {
        ArrowError::IoError(_, error) => error,
        other => IoError::new(IoErrorKind::InvalidData, other.to_string()),
    };
    not_broken(Err(error)).map(|_| Written { broken_pipe: true, ..written })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::ipc::reader::FileReader;
    use futures::executor::block_on;
    use futures::stream;

    use super::*;

    fn batch() -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None]));
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("日本\u{1b}"), Some("")]));
        RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
    }

    fn written(batches: Vec<Result<RecordBatch>>) -> (Result<Written>, Vec<u8>) {
        let mut bytes = Vec::new();
        let schema = batch().schema();
        let result = block_on(write_arrow(stream::iter(batches), &schema, &Options::default(), &mut bytes));
        (result, bytes)
    }

    #[test]
    fn what_is_written_reads_back() {
        let (result, bytes) = written(vec![Ok(batch()), Ok(batch())]);
        assert_eq!(result.unwrap(), Written { rows: 4, broken_pipe: false });
        let read: Vec<RecordBatch> =
            FileReader::try_new(Cursor::new(bytes), None).unwrap().map(|b| b.unwrap()).collect();
        assert_eq!(read, [batch(), batch()]);
        let (_, bytes) = written(Vec::new());
        let mut reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
        assert_eq!(reader.schema(), batch().schema());
        assert!(reader.next().is_none());
    }

    #[test]
    fn an_answer_that_broke_off_does_not_look_whole() {
        let failure = || Err(Error::new(ErrorKind::Network, "gone"));
        let (result, bytes) = written(vec![Ok(batch()), failure()]);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Network);
        assert!(!bytes.is_empty());
        assert!(FileReader::try_new(Cursor::new(bytes), None).is_err());
        let (_, bytes) = written(vec![failure()]);
        assert!(bytes.is_empty());
    }

    #[test]
    fn a_terminal_is_spared() {
        let options = Options { width: Some(80), ..Options::default() };
        let mut bytes = Vec::new();
        let schema = batch().schema();
        let result = block_on(write_arrow(stream::iter([Ok(batch())]), &schema, &options, &mut bytes));
        assert_eq!(result.unwrap_err().hint_text(), Some("`--outfile FILE` writes it to a file"));
        assert!(bytes.is_empty());
    }
}
