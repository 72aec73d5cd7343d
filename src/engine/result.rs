//! What a statement gives: rows as they come, and the report.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use tracing::Span;

use super::caught::caught_poll;
use super::limits;
use super::spans::record_end;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::output::PASSAGE;
use crate::report::{QueryReport, Report};
use crate::scan::from_datafusion;
use crate::sql::shown_heading;

/// A running statement: a stream of record batches, and its report.
///
/// Dropping it cancels the statement and every call under way.
pub struct QueryResult {
    schema: SchemaRef,
    report: Report,
    clock: SharedClock,
    message: Option<String>,
    note: Option<String>,
    rows: BoxStream<'static, Result<RecordBatch>>,
    /// The same answer for programs, where text for people is not the best form.
    program_form: Option<RecordBatch>,
    ended: Option<QueryReport>,
    span: Span,
}

impl std::fmt::Debug for QueryResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryResult")
            .field("schema", &self.schema)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl QueryResult {
    fn of(
        schema: SchemaRef,
        rows: BoxStream<'static, Result<RecordBatch>>,
        report: Report,
        clock: SharedClock,
    ) -> Self {
        Self {
            schema,
            report,
            clock,
            message: None,
            note: None,
            rows,
            program_form: None,
            ended: None,
            span: Span::none(),
        }
    }

    pub(super) fn rows(rows: SendableRecordBatchStream, report: Report, clock: SharedClock) -> Self {
        let schema = shown(&rows.schema());
        let headed = Arc::clone(&schema);
        let rows = rows
            .map(move |batch| {
                let batch = batch.map_err(|error| from_datafusion(&error))?;
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                RecordBatch::try_new_with_options(Arc::clone(&headed), batch.columns().to_vec(), &options)
                    .map_err(|error| Error::new(ErrorKind::Internal, "rows are not of their schema").caused_by(error))
            })
            .boxed();
        Self::of(schema, rows, report, clock)
    }

    /// The rows as far as the user's budgets go: then an error that says how far it got, by the calls of `report`.
    pub(super) fn within(mut self, settings: &Settings, report: &Report) -> Self {
        let rows = std::mem::replace(&mut self.rows, stream::empty().boxed());
        self.rows = limits::within(rows, settings, report.clone(), Arc::clone(&self.clock));
        self
    }

    /// Reads its rows inside this span, which says at the end what came of them.
    pub(super) fn spanned(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    pub(super) fn batch(batch: RecordBatch, report: Report, clock: SharedClock) -> Self {
        let schema = batch.schema();
        let rows = stream::iter([Ok(batch)]).boxed();
        Self::of(schema, rows, report, clock)
    }

    /// Text rows under these headings.
    pub(super) fn table(
        headings: &[&str],
        rows: Vec<Vec<Option<String>>>,
        report: Report,
        clock: SharedClock,
    ) -> Result<Self> {
        let fields = headings.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        Self::texts(fields, rows, report, clock)
    }

    /// One text with lines of its own, which people want as it is.
    pub(super) fn passage(heading: &str, text: String, report: Report, clock: SharedClock) -> Result<Self> {
        let field = Field::new(heading, DataType::Utf8, true);
        let field = field.with_metadata([(PASSAGE.to_owned(), String::new())].into());
        Self::texts(vec![field], vec![vec![Some(text)]], report, clock)
    }

    fn texts(fields: Vec<Field>, rows: Vec<Vec<Option<String>>>, report: Report, clock: SharedClock) -> Result<Self> {
        let mut columns: Vec<Vec<Option<String>>> = vec![Vec::with_capacity(rows.len()); fields.len()];
        for row in rows {
            let mut cells = row.into_iter();
            for column in &mut columns {
                column.push(cells.next().flatten());
            }
        }
        let arrays = columns.into_iter().map(|column| Arc::new(StringArray::from(column)) as _).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| Error::new(ErrorKind::Internal, "a list could not be made").caused_by(error))?;
        Ok(Self::batch(batch, report, clock))
    }

    pub(super) fn command(message: &str, report: Report, clock: SharedClock) -> Self {
        let mut said = Self::of(Arc::new(Schema::empty()), stream::empty().boxed(), report, clock);
        said.message = Some(message.to_owned());
        said
    }

    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// What happened so far; after the last batch, what happened in all.
    pub fn report(&self) -> QueryReport {
        self.ended.clone().unwrap_or_else(|| self.report.snapshot(self.clock.now()))
    }

    /// What a statement without rows says, such as `SET`.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// A word on the rows, for people, such as what to do with a plan.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Gives the answer in the form that programs read, where it has one of its own: EXPLAIN's, as JSON columns. Before
    /// the first row only.
    pub fn prefer_program_form(&mut self) {
        if let Some(batch) = self.program_form.take() {
            self.schema = batch.schema();
            self.rows = stream::iter([Ok(batch)]).boxed();
        }
    }

    pub(super) fn with_program_form(mut self, batch: RecordBatch) -> Self {
        self.program_form = Some(batch);
        self
    }

    pub(super) fn with_note(mut self, note: String) -> Self {
        self.note = Some(note);
        self
    }

    /// These rows, and then this error.
    pub(super) fn with_failure(mut self, error: Error) -> Self {
        let rows = std::mem::replace(&mut self.rows, stream::empty().boxed());
        self.rows = rows.chain(stream::iter([Err(error)])).boxed();
        self
    }

    /// Reads everything.
    ///
    /// # Errors
    /// The statement's own.
    pub async fn read_all(&mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

/// The columns under the headings that are shown: two may have the same.
fn shown(schema: &SchemaRef) -> SchemaRef {
    if schema.fields().iter().all(|field| shown_heading(field.name()) == field.name()) {
        return Arc::clone(schema);
    }
    let fields: Vec<Field> =
        schema.fields().iter().map(|field| field.as_ref().clone().with_name(shown_heading(field.name()))).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

impl Stream for QueryResult {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let span = this.span.clone();
        let _inside = span.enter();
        let polled = caught_poll(|| this.rows.poll_next_unpin(cx));
        match &polled {
            Poll::Ready(Some(Ok(batch))) => this.report.add_rows(batch.num_rows() as u64, this.clock.now()),
            Poll::Ready(Some(Err(_)) | None) if this.ended.is_none() => {
                // Operators say their last word when they are let go.
                this.rows = stream::empty().boxed();
                this.ended = Some(this.report.snapshot(this.clock.now()));
            }
            _ => {}
        }
        if let Poll::Ready(Some(Err(error))) = &polled {
            span.record("error", error.kind().name());
        }
        polled
    }
}

impl Drop for QueryResult {
    /// Whether it was read to its end or not: its calls are over.
    fn drop(&mut self) {
        let span = self.span.clone();
        let _inside = span.enter();
        self.rows = stream::empty().boxed();
        record_end(&span, &self.report());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[tokio::test]
    async fn a_panic_in_the_rows_is_the_last_that_comes_of_them() {
        let rows = stream::poll_fn(|_| -> Poll<Option<Result<RecordBatch>>> { panic!("hush") }).boxed();
        let report = Report::new(SystemClock.now());
        let mut result = QueryResult::of(Arc::new(Schema::empty()), rows, report, Arc::new(SystemClock));
        assert_eq!(result.next().await.unwrap().unwrap_err().kind(), ErrorKind::Internal);
        assert!(result.next().await.is_none());
    }
}
