//! Rows in every format, and back.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::csv::ReaderBuilder;
use arrow::ipc::reader::FileReader;
use futures::stream;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use skyql::output::{Format, Options, display_width, write_stream};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, widgets};
use crate::support::query::Db;
use crate::support::server::Server;

async fn written(batches: &[RecordBatch], options: &Options) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut out = Vec::new();
    let rows = stream::iter(batches.iter().cloned().map(Ok));
    let _ = write_stream(rows, &schema, options, &mut out).await.unwrap();
    out
}

fn format(format: Format) -> Options {
    Options { format, ..Options::default() }
}

async fn shop() -> (Server, Vec<RecordBatch>) {
    let server = Server::start(paged(widgets(45), 20, 20, true)).await;
    let mut db = Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)));
    let mut result = db.start("SELECT * FROM acme.shop.widgets").await.unwrap();
    let batches = result.read_all().await.unwrap();
    (server, batches)
}

fn names(batches: &[RecordBatch]) -> Vec<String> {
    batches[0].schema().fields().iter().map(|field| field.name().clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_what_the_api_said() {
    let (_server, batches) = shop().await;
    let array: Vec<Value> = serde_json::from_slice(&written(&batches, &format(Format::Json)).await).unwrap();
    assert_eq!(array, widgets(45));
    let lines = String::from_utf8(written(&batches, &format(Format::Jsonl)).await).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, widgets(45));
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_holds_the_very_batches() {
    let (_server, batches) = shop().await;
    let bytes = written(&batches, &format(Format::Arrow)).await;
    let reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
    assert_eq!(reader.schema(), batches[0].schema());
    assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), batches);
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_holds_the_same_rows() {
    let (_server, batches) = shop().await;
    let whole = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let bytes = written(&batches, &format(Format::Parquet)).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
    let read: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(arrow::compute::concat_batches(&read[0].schema(), &read).unwrap().columns(), whole.columns());
    assert_eq!(read[0].schema().fields(), whole.schema().fields());
    let terminal = Options { width: Some(80), ..format(Format::Parquet) };
    let rows = stream::iter(batches.iter().cloned().map(Ok));
    let error = write_stream(rows, &batches[0].schema(), &terminal, &mut Vec::new()).await.unwrap_err();
    assert!(error.message().contains("`parquet`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_and_text_read_back() {
    let (_server, batches) = shop().await;
    let whole = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let bytes = written(&batches, &format(Format::Csv)).await;
    let reader = ReaderBuilder::new(whole.schema()).with_header(true).with_batch_size(100).build(Cursor::new(bytes));
    let read: Vec<RecordBatch> = reader.unwrap().map(Result::unwrap).collect();
    assert_eq!(read, std::slice::from_ref(&whole));

    let text = String::from_utf8(written(&batches, &format(Format::Text)).await).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next().unwrap().split('\t').collect::<Vec<_>>(), names(&batches));
    let tags = whole.column_by_name("tags").unwrap().as_string::<i32>().clone();
    for (row, line) in lines.enumerate() {
        let values: Vec<&str> = line.split('\t').collect();
        assert_eq!(values.len(), whole.num_columns());
        assert_eq!(values[5].replace("\\\\", "\\"), tags.value(row));
        assert_eq!(values[2] == "\\N", whole.column(2).is_null(row));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_format_acts_on_a_terminal_and_tables_keep_its_width() {
    let texts = [
        "👩‍👩‍👧 family",
        "日本語のテキスト",
        "שלום עולם",
        "مرحبا بالعالم",
        "e\u{301}\u{1b}[2J\u{7}",
        "a\u{202e}b\u{9b}31m",
        "\u{0}\r\n\t",
    ];
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=7));
    let values: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let batch = RecordBatch::try_from_iter([("id", ids), ("a \u{1b}]0;x\u{7} heading", values)]).unwrap();
    for name in Format::NAMES {
        let kind: Format = name.parse().unwrap();
        if kind.is_binary() {
            continue;
        }
        for width in [20, 21, 40, 80] {
            let options = Options { width: Some(width), ..format(kind) };
            let text = String::from_utf8(written(std::slice::from_ref(&batch), &options).await).unwrap();
            let raw = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
            assert_eq!(raw, None, "{name} in {width}: {text:?}");
            assert!(!text.contains(['\u{202e}', '\u{9b}']), "{name} in {width}");
            if kind == Format::Table {
                for line in text.lines() {
                    assert!(display_width(line) <= usize::from(width), "{width}: {line}");
                }
            }
        }
    }
}
