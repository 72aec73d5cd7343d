use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use futures::executor::block_on;
use futures::stream;

use super::*;

fn column(name: &str, array: impl Array + 'static) -> (Field, ArrayRef) {
    (Field::new(name, array.data_type().clone(), true), Arc::new(array))
}

fn json_column(name: &str, values: Vec<Option<&str>>) -> (Field, ArrayRef) {
    let (field, array) = column(name, StringArray::from(values));
    let mark = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.json".to_owned())]);
    (field.with_metadata(mark), array)
}

fn batch(columns: Vec<(Field, ArrayRef)>) -> RecordBatch {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn people() -> RecordBatch {
    batch(vec![
        column("id", Int64Array::from(vec![1, 9_007_199_254_740_993, -3])),
        column("name", StringArray::from(vec![Some("Ada \"A\", Countess"), Some(""), None])),
        json_column("tags", vec![Some("{ \"a\" : [1, 2],\n \"b c\": \"x y\" }"), Some("not json"), None]),
        column("score", Float64Array::from(vec![Some(0.1), Some(f64::NAN), None])),
    ])
}

fn options(format: Format) -> Options {
    Options { format, ..Options::default() }
}

/// What is written for `batches`, each handed to the stream on its own.
fn written(batches: &[RecordBatch], options: &Options) -> String {
    let mut out = Vec::new();
    let schema = batches[0].schema();
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
    let source = stream::iter(batches.iter().cloned().map(Ok));
    let result = block_on(write_stream(source, &schema, options, &mut out)).unwrap();
    assert_eq!(result, Written { rows, broken_pipe: false });
    String::from_utf8(out).unwrap()
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn format_names_read_back() {
    for name in Format::NAMES {
        assert!(name.parse::<Format>().is_ok());
    }
    assert_eq!("NDJSON".parse::<Format>().unwrap(), Format::Jsonl);
    let error = "jsn".parse::<Format>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.hint_text(), Some("did you mean `json`, `jsonl`?"));
}

#[test]
fn table_aligns_numbers_and_tells_null_from_empty() {
    assert_eq!(
        lines(&written(&[people()], &options(Format::Table))),
        [
            "┌──────────────────┬───────────────────┬──────────────────────────────────┬───────┐",
            "│               id │ name              │ tags                             │ score │",
            "├──────────────────┼───────────────────┼──────────────────────────────────┼───────┤",
            "│                1 │ Ada \"A\", Countess │ { \"a\" : [1, 2],\\n \"b c\": \"x y\" } │   0.1 │",
            "│ 9007199254740993 │                   │ not json                         │   NaN │",
            "│               -3 │ NULL              │ NULL                             │  NULL │",
            "└──────────────────┴───────────────────┴──────────────────────────────────┴───────┘",
        ]
    );
    let coloured = written(&[people()], &Options { color: true, ..options(Format::Table) });
    assert!(coloured.contains("\u{1b}[2mNULL\u{1b}[0m"));
    assert!(coloured.contains("\u{1b}[1mname\u{1b}[0m"));
}

#[test]
fn table_without_header_or_rows() {
    let table = options(Format::Table);
    let empty = people().slice(0, 0);
    assert_eq!(
        lines(&written(std::slice::from_ref(&empty), &table)),
        [
            "┌────┬──────┬──────┬───────┐",
            "│ id │ name │ tags │ score │",
            "├────┼──────┼──────┼───────┤",
            "└────┴──────┴──────┴───────┘"
        ]
    );
    let bare = Options { header: false, ..table };
    assert_eq!(written(&[empty], &bare), "");
    let one = batch(vec![column("a_long_name", Int8Array::from(vec![7]))]);
    assert_eq!(lines(&written(&[one], &bare)), ["┌───┐", "│ 7 │", "└───┘"]);
}

#[test]
fn table_fits_the_terminal_and_loses_nothing() {
    let words = "the quick brown fox jumps over the lazy dog";
    let rows = batch(vec![
        column("id", UInt64Array::from(vec![1, u64::MAX])),
        column("label", StringArray::from(vec![words, "日本語のラベルがここに"])),
        column("note", StringArray::from(vec!["x", "unbroken_and_rather_long_identifier"])),
    ]);
    let shown = written(&[rows], &Options { width: Some(56), ..options(Format::Table) });
    assert_eq!(
        lines(&shown),
        [
            "┌──────────────────────┬───────────────┬───────────────┐",
            "│                   id │ label         │ note          │",
            "├──────────────────────┼───────────────┼───────────────┤",
            "│                    1 │ the quick     │ x             │",
            "│                      │ brown fox     │               │",
            "│                      │ jumps over    │               │",
            "│                      │ the lazy dog  │               │",
            "├╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┤",
            "│ 18446744073709551615 │ 日本語のラベ  │ unbroken_and_ │",
            "│                      │ ルがここに    │ rather_long_i │",
            "│                      │               │ dentifier     │",
            "└──────────────────────┴───────────────┴───────────────┘",
        ]
    );
}

#[test]
fn a_table_too_wide_to_read_becomes_records() {
    let columns = |values: [&'static str; 2]| {
        let named = |index: usize| column(&format!("column_{index}"), StringArray::from(vec![values[0], values[1]]));
        batch((0..3).map(named).collect())
    };
    let narrow = Options { width: Some(24), ..options(Format::Table) };
    let shown = written(&[columns(["a value of some length", "b"])], &narrow);
    assert_eq!(
        lines(&shown)[..5],
        [
            "─[ 1 ]──────────────────",
            "column_0 │ a value of ",
            "         │ some length",
            "column_1 │ a value of ",
            "         │ some length"
        ]
    );
    assert_eq!(lines(&shown)[7..9], ["─[ 2 ]──────────────────", "column_0 │ b"]);
    for line in shown.lines() {
        assert!(display_width(line) <= 24, "{line}");
    }
    let empty = columns(["", ""]).slice(0, 0);
    assert_eq!(lines(&written(&[empty], &narrow)), ["column_0 │", "column_1 │", "column_2 │"]);
    for width in 0..12 {
        written(&[columns(["日本 👩‍👩‍👧", "b"])], &Options { width: Some(width), ..options(Format::Table) });
    }
}

#[test]
fn expanded_rows_are_lists_and_stream() {
    let rows = |from: i64| {
        batch(vec![
            column("n", Int64Array::from(vec![from])),
            column("longer", StringArray::from(vec![None::<&str>])),
            column("sly", StringArray::from(vec!["\u{1b}[2J"])),
        ])
    };
    let shown = written(&[rows(7), rows(8)], &options(Format::Expanded));
    let record = |title: &str, n: &str| {
        [
            format!("{title}{}", "─".repeat(26 - display_width(title))),
            format!("n      │ {n}"),
            "longer │ NULL".to_owned(),
            "sly    │ \\x1b[2J".to_owned(),
        ]
    };
    assert_eq!(lines(&shown), [record("─[ 1 ]", "7"), record("─[ 2 ]", "8")].concat());
    let narrow = Options { width: Some(14), color: true, ..options(Format::Expanded) };
    let shown = written(&[rows(7)], &narrow);
    assert!(shown.contains("\u{1b}[2mNULL\u{1b}[0m") && !shown.contains("\u{1b}[2J"), "{shown}");
    assert_eq!(written(&[rows(7).slice(0, 0)], &options(Format::Expanded)), "n      │\nlonger │\nsly    │\n");
}

#[test]
fn a_long_table_streams_with_the_widths_of_its_first_rows() {
    let first = batch(vec![column("n", StringArray::from(vec!["abc"; 1_000]))]);
    let later = batch(vec![column("n", StringArray::from(vec!["abcdefg", "x"]))]);
    let shown = written(&[first, later], &options(Format::Table));
    let shown = lines(&shown);
    assert_eq!(shown[..4], ["┌─────┐", "│ n   │", "├─────┤", "│ abc │"]);
    assert_eq!(shown[1_003..], ["│ abc │", "│ def │", "│ g   │", "│ x   │", "└─────┘"]);
    assert_eq!(shown.iter().filter(|line| line.contains("abc")).count(), 1_001);
    assert_eq!(shown.iter().filter(|line| line.contains(" n ")).count(), 1);
}

#[test]
fn nothing_that_acts_on_a_terminal_reaches_it() {
    let evil = "\u{1b}]0;title\u{7}\u{9b}2J\u{202e}abc\r\n\u{0}\u{7f}";
    let rows = batch(vec![column(evil, StringArray::from(vec![evil]))]);
    for width in [None, Some(30), Some(8)] {
        let shown = written(std::slice::from_ref(&rows), &Options { width, ..options(Format::Table) });
        assert!(!shown.chars().any(|c| c != '\n' && text::is_control(c)), "{shown:?}");
    }
    let csv = Options { width: Some(80), ..options(Format::Csv) };
    let shown = written(std::slice::from_ref(&rows), &csv);
    assert!(!shown.chars().any(|c| c != '\n' && text::is_control(c)), "{shown:?}");
    let kept = written(std::slice::from_ref(&rows), &options(Format::Csv));
    assert_eq!(kept, format!("\"{evil}\"\n\"{evil}\"\n"));
    let json = written(&[rows], &options(Format::Jsonl));
    assert!(!json.chars().any(|c| c != '\n' && text::is_control(c)), "{json:?}");
    let back: HashMap<String, String> = serde_json::from_str(&json).unwrap();
    assert_eq!(back.get(evil).map(String::as_str), Some(evil));
}

#[test]
fn csv_is_rfc_4180() {
    let rows = batch(vec![
        column("a,b", StringArray::from(vec![Some("x\ny"), Some(""), None, Some("q\"q")])),
        column("n", Int32Array::from(vec![Some(1), None, Some(3), None])),
    ]);
    let csv = options(Format::Csv);
    assert_eq!(written(std::slice::from_ref(&rows), &csv), "\"a,b\",n\n\"x\ny\",1\n\"\",\n,3\n\"q\"\"q\",\n");
    assert_eq!(written(&[rows.slice(0, 0)], &csv), "\"a,b\",n\n");
    assert_eq!(written(&[rows.slice(2, 1), rows.slice(2, 1)], &Options { header: false, ..csv }), ",3\n,3\n");
}

#[test]
fn json_keeps_nested_json_and_exact_numbers() {
    assert_eq!(
        lines(&written(&[people().slice(0, 1), people().slice(1, 2)], &options(Format::Json))),
        [
            "[",
            r#"{"id":1,"name":"Ada \"A\", Countess","tags":{"a":[1,2],"b c":"x y"},"score":0.1},"#,
            r#"{"id":9007199254740993,"name":"","tags":"not json","score":null},"#,
            r#"{"id":-3,"name":null,"tags":null,"score":null}"#,
            "]",
        ]
    );
    assert_eq!(written(&[people().slice(0, 0)], &options(Format::Json)), "[]\n");
    assert_eq!(written(&[people().slice(0, 0)], &options(Format::Jsonl)), "");
    assert_eq!(
        written(&[people().slice(2, 1)], &options(Format::Jsonl)),
        "{\"id\":-3,\"name\":null,\"tags\":null,\"score\":null}\n"
    );
}

#[test]
fn json_columns_of_any_kind_stay_on_their_line() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let cases = [
        ("5", "5"),
        ("1.10", "1.10"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("\"a \\\" b \\\\\"", "\"a \\\" b \\\\\""),
        ("\"a\\\\\" ", "\"a\\\\\""),
        (" [ 1 , \"  \" ] ", "[1,\"  \"]"),
        ("{\"a\":\"\u{202e}\"}", "{\"a\":\"\\u202e\"}"),
        ("", "\"\""),
        ("{\"a\":", "\"{\\\"a\\\":\""),
        ("NaN", "\"NaN\""),
        (deep.as_str(), deep.as_str()),
    ];
    for (value, shown) in cases {
        let rows = batch(vec![json_column("j", vec![Some(value)])]);
        assert_eq!(written(&[rows], &options(Format::Jsonl)), format!("{{\"j\":{shown}}}\n"));
    }
}

#[test]
fn json_keys_are_unique() {
    let one = || Int8Array::from(vec![1]);
    let rows = batch(vec![column("id", one()), column("id", one()), column("id_2", one()), column("id", one())]);
    assert_eq!(written(&[rows], &options(Format::Jsonl)), "{\"id\":1,\"id_3\":1,\"id_2\":1,\"id_4\":1}\n");
}

/// Value 0 of each as JSON; value 1 is NULL.
#[test]
fn every_arrow_type_has_a_value() {
    let strings = || StringArray::from(vec![Some("a"), None]);
    let json_mark = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.json".to_owned())]);
    let nulls = || Some(NullBuffer::from(vec![true, false]));
    let offsets = || OffsetBuffer::new(ScalarBuffer::from(vec![0_i32, 2, 2]));
    let item = || Arc::new(Field::new("item", DataType::Int64, true));
    let items = || Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef;
    let pair =
        Fields::from(vec![Field::new("keys", DataType::Int32, false), Field::new("values", DataType::Utf8, true)]);
    let pairs = StructArray::new(pair.clone(), vec![Arc::new(Int32Array::from(vec![7, 8])), Arc::new(strings())], None);
    let both = Fields::from(vec![
        Field::new("x", DataType::Float64, true),
        Field::new("j", DataType::Utf8, true).with_metadata(json_mark.clone()),
    ]);
    let union_fields = UnionFields::try_new(
        vec![3, 5],
        vec![Field::new("i", DataType::Int64, true), Field::new("s", DataType::Utf8, true)],
    )
    .unwrap();
    let columns: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(NullArray::new(2)), "null"),
        (Arc::new(BooleanArray::from(vec![Some(true), None])), "true"),
        (Arc::new(Int8Array::from(vec![Some(-128), None])), "-128"),
        (Arc::new(Int16Array::from(vec![Some(-300), None])), "-300"),
        (Arc::new(Int32Array::from(vec![Some(1), None])), "1"),
        (Arc::new(Int64Array::from(vec![Some(i64::MIN), None])), "-9223372036854775808"),
        (Arc::new(UInt8Array::from(vec![Some(255), None])), "255"),
        (Arc::new(UInt16Array::from(vec![Some(1), None])), "1"),
        (Arc::new(UInt32Array::from(vec![Some(1), None])), "1"),
        (Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])), "18446744073709551615"),
        (arrow::compute::cast(&Float32Array::from(vec![Some(0.5), None]), &DataType::Float16).unwrap(), "0.5"),
        (Arc::new(Float32Array::from(vec![Some(0.1), None])), "0.1"),
        (Arc::new(Float64Array::from(vec![Some(1e300), None])), "1e300"),
        (Arc::new(Float64Array::from(vec![Some(f64::NEG_INFINITY), None])), "null"),
        (Arc::new(Decimal32Array::from(vec![Some(-5), None]).with_precision_and_scale(5, 2).unwrap()), "-0.05"),
        (Arc::new(Decimal64Array::from(vec![Some(12), None]).with_precision_and_scale(5, -2).unwrap()), "1200"),
        (Arc::new(Decimal128Array::from(vec![Some(150), None]).with_precision_and_scale(9, 2).unwrap()), "1.50"),
        (
            Arc::new(Decimal256Array::from(vec![Some(i256::MAX), None]).with_precision_and_scale(76, 0).unwrap()),
            "57896044618658097711785492504343953926634992332820282019728792003956564819967",
        ),
        (Arc::new(strings()), "\"a\""),
        (Arc::new(LargeStringArray::from(vec![Some("a"), None])), "\"a\""),
        (Arc::new(StringViewArray::from(vec![Some("a"), None])), "\"a\""),
        (Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None])), "\"00ff\""),
        (Arc::new(LargeBinaryArray::from(vec![Some(&b"\x01"[..]), None])), "\"01\""),
        (Arc::new(BinaryViewArray::from(vec![Some(&b"\x01"[..]), None])), "\"01\""),
        (
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(vec![Some([9_u8, 8]), None].into_iter(), 2)
                    .unwrap(),
            ),
            "\"0908\"",
        ),
        (
            Arc::new(TimestampSecondArray::from(vec![Some(1_700_000_000), None]).with_timezone("UTC")),
            "\"2023-11-14T22:13:20Z\"",
        ),
        (
            Arc::new(
                TimestampMillisecondArray::from(vec![Some(1_700_000_000_120), None]).with_timezone("Europe/Paris"),
            ),
            "\"2023-11-14T22:13:20.120Z\"",
        ),
        (Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None])), "\"1969-12-31T23:59:59.999999\""),
        (Arc::new(TimestampNanosecondArray::from(vec![Some(1), None])), "\"1970-01-01T00:00:00.000000001\""),
        (
            Arc::new(TimestampSecondArray::from(vec![Some(i64::MAX), None])),
            "\"9223372036854775807 seconds since 1970-01-01\"",
        ),
        (Arc::new(Date32Array::from(vec![Some(19_000), None])), "\"2022-01-08\""),
        (Arc::new(Date32Array::from(vec![Some(i32::MAX), None])), "\"2147483647 days since 1970-01-01\""),
        (Arc::new(Date64Array::from(vec![Some(86_400_000), None])), "\"1970-01-02\""),
        (Arc::new(Time32SecondArray::from(vec![Some(3_661), None])), "\"01:01:01\""),
        (Arc::new(Time32MillisecondArray::from(vec![Some(-1), None])), "\"-1 milliseconds after midnight\""),
        (Arc::new(Time64MicrosecondArray::from(vec![Some(1), None])), "\"00:00:00.000001\""),
        (Arc::new(Time64NanosecondArray::from(vec![Some(1_000_000_000), None])), "\"00:00:01\""),
        (Arc::new(DurationSecondArray::from(vec![Some(i64::MIN), None])), "\"PT-9223372036854775808S\""),
        (Arc::new(DurationMillisecondArray::from(vec![Some(1_500), None])), "\"PT1.5S\""),
        (Arc::new(DurationMicrosecondArray::from(vec![Some(0), None])), "\"PT0S\""),
        (Arc::new(DurationNanosecondArray::from(vec![Some(-1), None])), "\"PT-0.000000001S\""),
        (Arc::new(IntervalYearMonthArray::from(vec![Some(14), None])), "\"P1Y2M\""),
        (Arc::new(IntervalDayTimeArray::from(vec![Some(IntervalDayTime::new(2, 250)), None])), "\"P2DT0.25S\""),
        (
            Arc::new(IntervalMonthDayNanoArray::from(vec![
                Some(IntervalMonthDayNano::new(-14, 3, 5_000_000_000)),
                None,
            ])),
            "\"P-1Y-2M3DT5S\"",
        ),
        (Arc::new(ListArray::new(item(), offsets(), items(), nulls())), "[1,null]"),
        (
            Arc::new(LargeListArray::new(
                item(),
                OffsetBuffer::new(ScalarBuffer::from(vec![0_i64, 2, 2])),
                items(),
                nulls(),
            )),
            "[1,null]",
        ),
        (Arc::new(ListViewArray::new(item(), vec![0, 0].into(), vec![2, 0].into(), items(), nulls())), "[1,null]"),
        (Arc::new(LargeListViewArray::new(item(), vec![0, 0].into(), vec![1, 0].into(), items(), nulls())), "[1]"),
        (Arc::new(FixedSizeListArray::new(item(), 1, items(), nulls())), "[1]"),
        (
            Arc::new(MapArray::new(
                Arc::new(Field::new("entries", DataType::Struct(pair), false)),
                offsets(),
                pairs,
                nulls(),
                false,
            )),
            "{\"7\":\"a\",\"8\":null}",
        ),
        (
            Arc::new(StructArray::new(
                both,
                vec![Arc::new(Float64Array::from(vec![2.0, 3.0])), Arc::new(StringArray::from(vec!["[1 ]", ""]))],
                nulls(),
            )),
            "{\"x\":2.0,\"j\":[1]}",
        ),
        (
            Arc::new(
                UnionArray::try_new(
                    union_fields.clone(),
                    vec![5_i8, 3].into(),
                    Some(vec![0_i32, 0].into()),
                    vec![Arc::new(Int64Array::from(vec![None])), Arc::new(StringArray::from(vec!["u"]))],
                )
                .unwrap(),
            ),
            "\"u\"",
        ),
        (
            Arc::new(
                UnionArray::try_new(
                    union_fields,
                    vec![3_i8, 5].into(),
                    None,
                    vec![Arc::new(Int64Array::from(vec![4, 4])), Arc::new(StringArray::from(vec![None, None::<&str>]))],
                )
                .unwrap(),
            ),
            "4",
        ),
        (Arc::new(DictionaryArray::<Int8Type>::from_iter([Some("d"), None])), "\"d\""),
        (
            Arc::new(DictionaryArray::new(
                UInt64Array::from(vec![0, 1]),
                Arc::new(Int64Array::from(vec![Some(6), None])),
            )),
            "6",
        ),
        (Arc::new(RunArray::<Int32Type>::try_new(&Int32Array::from(vec![1, 2]), &strings()).unwrap()), "\"a\""),
    ];
    for (array, shown) in columns {
        let field = Field::new("v", array.data_type().clone(), true);
        let rows = batch(vec![(field.clone(), array)]);
        let want = format!("{{\"v\":{shown}}}\n{{\"v\":null}}\n");
        assert_eq!(written(std::slice::from_ref(&rows), &options(Format::Jsonl)), want, "{field}");
        // The second row on its own is an array with an offset.
        assert_eq!(written(&[rows.slice(1, 1)], &options(Format::Jsonl)), "{\"v\":null}\n", "{field}");
        for format in [Format::Csv, Format::Table] {
            let text = written(std::slice::from_ref(&rows), &options(format));
            let shown = shown.trim_matches('"');
            assert!(shown == "null" || text.replace("\"\"", "\"").contains(shown), "{field}: {text}");
        }
    }
}

#[test]
fn a_stream_that_breaks_leaves_what_came_before_and_does_not_look_whole() {
    let broken = |format| {
        let mut out = Vec::new();
        let source =
            stream::iter([Ok(people().slice(2, 1)), Err(Error::new(ErrorKind::Network, "gone")), Ok(people())]);
        let error = block_on(write_stream(source, &people().schema(), &options(format), &mut out)).unwrap_err();
        assert_eq!(error.message(), "gone");
        String::from_utf8(out).unwrap()
    };
    let row = r#"{"id":-3,"name":null,"tags":null,"score":null}"#;
    assert_eq!(broken(Format::Json), format!("[\n{row}"));
    assert_eq!(broken(Format::Jsonl), format!("{row}\n"));
    assert_eq!(broken(Format::Csv), "id,name,tags,score\n-3,,,\n");
    assert_eq!(broken(Format::Table), "");
    // Nothing at all is written by a statement that fails before its first row.
    let mut out = Vec::new();
    let source = stream::iter([Err(Error::new(ErrorKind::Auth, "no"))]);
    assert!(block_on(write_stream(source, &people().schema(), &options(Format::Json), &mut out)).is_err());
    assert!(out.is_empty());
}

/// Counts flushes and fails after some.
struct Pipe {
    flushes: usize,
    breaks_after: usize,
    kind: io::ErrorKind,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.flushes >= self.breaks_after { Err(self.kind.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushes += 1;
        Ok(())
    }
}

#[test]
fn each_batch_is_flushed_and_a_reader_that_left_ends_the_reading() {
    let read = std::cell::Cell::new(0);
    let source = || {
        read.set(0);
        stream::iter(0..10).map(|_| {
            read.set(read.get() + 1);
            Ok(people())
        })
    };
    let schema = people().schema();
    let mut pipe = Pipe { flushes: 0, breaks_after: 3, kind: io::ErrorKind::BrokenPipe };
    let result = block_on(write_stream(source(), &schema, &options(Format::Csv), &mut pipe)).unwrap();
    assert_eq!(result, Written { rows: 9, broken_pipe: true });
    assert_eq!(read.get(), 4);
    let mut full = Pipe { flushes: 0, breaks_after: 1, kind: io::ErrorKind::StorageFull };
    let error = block_on(write_stream(source(), &schema, &options(Format::Jsonl), &mut full)).unwrap_err();
    assert_eq!(error.message(), "the output cannot be written");
}

#[test]
fn a_batch_of_another_shape_is_an_error() {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true)]);
    let mut out = Vec::new();
    let source = stream::iter([Ok(people())]);
    let error = block_on(write_stream(source, &schema, &options(Format::Csv), &mut out)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}
