//! Whole answers through [`decode`]: every rule of a layout, tables first, then properties, then real answers.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};

use self::arriving::in_pieces;
use super::*;

mod arriving;
mod outline;

/// Decodes an answer whole, and as it arrives in pieces of some lengths, which must give the same.
fn decode(body: &[u8], layout: &Layout) -> Result<Page> {
    let whole = super::decode(body, layout);
    for step in [1, 7, 64, body.len().max(1)] {
        if body.len() / step > 3000 {
            continue;
        }
        match (&whole, &in_pieces(body, step, layout)) {
            (Ok(whole), Ok(pieced)) => {
                assert_eq!(show(pieced), show(whole), "in pieces of {step}");
                assert_eq!((&pieced.captures, pieced.items), (&whole.captures, whole.items), "in pieces of {step}");
                assert_eq!(misfits(pieced), misfits(whole), "in pieces of {step}");
            }
            // Not to be text is noticed first where all of it is there.
            (Err(whole), Err(_)) if whole.message().contains("UTF-8") => {}
            // Where it is cut off in what nobody wants, the place may be named more nearly in pieces.
            (Err(whole), Err(pieced)) if whole.message().contains("ends in the middle of") => {
                assert!(pieced.message().contains("ends in the middle of"), "in pieces of {step}: {pieced}");
            }
            (Err(whole), Err(pieced)) => assert_eq!(pieced.to_string(), whole.to_string(), "in pieces of {step}"),
            (whole, pieced) => panic!("in pieces of {step}: {pieced:?}, but whole: {whole:?}"),
        }
    }
    whole
}

fn wanted(name: &str, kind: Kind) -> Wanted {
    from(name, kind, &[name])
}

fn from(name: &str, kind: Kind, source: &[&str]) -> Wanted {
    let source = source.iter().map(|key| (*key).to_owned()).collect();
    Wanted { field: field(name, kind, false), kind, source, secret: false }
}

fn layout(items: &str, shape: Shape, columns: Vec<Wanted>) -> Layout {
    Layout::new(ItemPath::parse(items).unwrap(), shape, columns).unwrap()
}

fn paths(texts: &[&str]) -> Vec<ItemPath> {
    texts.iter().map(|text| ItemPath::parse(text).unwrap()).collect()
}

/// One line per row, values between bars, NULL as `-`.
fn show(page: &Page) -> String {
    let options = FormatOptions::new().with_null("-");
    let mut lines = Vec::new();
    for batch in &page.batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|array| ArrayFormatter::try_new(array, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    assert_eq!(page.rows, lines.len() as u64);
    lines.join("\n")
}

fn misfits(page: &Page) -> Vec<(usize, u64, &'static str)> {
    let example = |misfit: &Misfit| &*misfit.example(str::to_owned).leak();
    page.misfits.iter().map(|misfit| (misfit.column, misfit.count, example(misfit))).collect()
}

fn refused(body: &str, layout: &Layout) -> Error {
    let error = decode(body.as_bytes(), layout).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    error
}

#[test]
fn a_layout_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Layout>();
    shared::<ItemPath>();
}

#[test]
fn items_are_found_where_the_path_says() {
    use ItemsFound::{Absent, List, Null, Object};
    let id = || vec![wanted("id", Kind::Integer)];
    for (items, shape, body, rows, found) in [
        // Lists.
        ("$.data", Shape::List, r#"{"page":1,"data":[{"id":1},{"id":2}],"z":0}"#, "1\n2", List),
        ("data", Shape::List, r#"{"data":[]}"#, "", List),
        ("$", Shape::List, r#"[{"id":1},{"id":2}]"#, "1\n2", List),
        ("$", Shape::List, "[]", "", List),
        ("$.a.b", Shape::List, r#"{"a":{"x":[],"b":[{"id":1}]}}"#, "1", List),
        ("$['a.b']", Shape::List, r#"{"a":{"b":[]},"a.b":[{"id":1}]}"#, "1", List),
        ("$.é", Shape::List, r#"{"\u00e9":[{"\u0069d":1}]}"#, "1", List),
        ("$.data", Shape::List, r#"{"data":{"id":7}}"#, "7", Object),
        ("$.data", Shape::List, r#"{"data":null}"#, "", Null),
        ("$.data", Shape::List, r#"{"other":[{"id":1}]}"#, "", Absent),
        ("$.data", Shape::List, r#"{"id":1}"#, "", Absent),
        ("$.data", Shape::List, "[]", "", Absent),
        ("$.data", Shape::List, "null", "", Absent),
        ("$.data", Shape::List, r#"{"data":false}"#, "", Absent),
        ("$.data", Shape::List, r#"{"data":""}"#, "", Absent),
        ("$", Shape::List, "null", "", Null),
        ("$.a.b", Shape::List, r#"{"a":null}"#, "", Absent),
        // Objects.
        ("$.image", Shape::Object, r#"{"image":{"id":1}}"#, "1", Object),
        ("$.image", Shape::Object, r#"{"image":{}}"#, "-", Object),
        ("$.image", Shape::Object, r#"{"image":[{"id":1},{"id":2}]}"#, "1\n2", List),
        ("$.image", Shape::Object, r#"{"image":null,"id":1}"#, "", Null),
        ("$.image", Shape::Object, r#"{"id":1,"image":"x"}"#, "", Absent),
        ("$.data", Shape::Object, r#"{"x":0,"id":1}"#, "1", Object),
        ("$.data", Shape::Object, r#"{"id":null}"#, "-", Object),
        ("$.data", Shape::Object, r#"{"errors":[{"id":1}]}"#, "", Absent),
        ("$.data", Shape::Object, r#"[{"id":1}]"#, "", Absent),
        ("$", Shape::Object, r#"{"id":1}"#, "1", Object),
        ("$", Shape::Object, r#"{"errors":[]}"#, "-", Object),
        // Wildcards concatenate.
        ("$.a[*].b", Shape::List, r#"{"a":[{"b":[{"id":1}]},{"b":[{"id":2},{"id":3}]}]}"#, "1\n2\n3", List),
        ("$.a[*].b[*]", Shape::List, r#"{"a":[{"b":[{"id":1}]},{"c":0},{"b":[{"id":2}]}]}"#, "1\n2", List),
        ("$.items.*.x[*]", Shape::List, r#"{"items":{"e":{"x":[{"id":1}]},"w":{"x":[{"id":2}]}}}"#, "1\n2", List),
        ("$.items.*.x[*]", Shape::List, r#"{"items":{"e":{"warning":{}},"w":{"x":[]}}}"#, "", List),
        ("$.items.*.x[*]", Shape::List, r#"{"items":{}}"#, "", List),
        ("$.items.*.x[*]", Shape::List, r#"{"items":{"e":{"y":[]}}}"#, "", Absent),
        ("$.items.*.x[*]", Shape::List, r#"{"kind":"x"}"#, "", Absent),
        ("$.items.*.x", Shape::List, r#"{"items":{"e":{"x":null}}}"#, "", Null),
        ("$.data[*]", Shape::List, r#"{"data":[{"id":1},{"id":2}]}"#, "1\n2", List),
        ("$.data[*]", Shape::List, r#"{"data":[]}"#, "", List),
        ("$.data[*]", Shape::List, r#"{"data":null}"#, "", Absent),
        ("$[*]", Shape::List, r#"[{"id":1}]"#, "1", List),
        ("$[*].x", Shape::Object, r#"[{"x":{"id":1}},{"x":{"id":2}}]"#, "1\n2", List),
        // Maps.
        ("$.m", Shape::Map, r#"{"m":{"a":{"id":1},"b":{"id":2}}}"#, "1\n2", List),
        ("$.m", Shape::Map, r#"{"m":{}}"#, "", List),
        ("$.m", Shape::Map, r#"{"m":[{"id":1}]}"#, "1", List),
        ("$.m", Shape::Map, r#"{"m":null}"#, "", Null),
        ("$", Shape::Map, r#"{"a":{"id":1}}"#, "1", List),
    ] {
        let page = decode(body.as_bytes(), &layout(items, shape, id())).unwrap();
        assert_eq!((show(&page).as_str(), page.items), (rows, found), "{items} {shape:?} in {body}");
        assert!(page.misfits.is_empty(), "{body}");
        // The number of rows does not depend on what is wanted of them.
        let none = layout(items, shape, vec![]).with_row_keys(vec!["id".to_owned()]);
        let count = decode(body.as_bytes(), &none).unwrap();
        assert_eq!((count.rows, count.items), (page.rows, found), "{items} {shape:?} in {body}");
        assert_eq!(count.batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, page.rows);
    }
}

#[test]
fn a_map_gives_its_keys_and_a_scalar_list_its_values() {
    let columns = vec![wanted("id", Kind::Integer), wanted("key", Kind::Text)];
    let page =
        decode(br#"{"m":{"a":{"id":1,"key":"inner"},"b\n":{"key":2},"c":null}}"#, &layout("$.m", Shape::Map, columns));
    assert_eq!(show(&page.unwrap()), "1|a\n-|b\n\n-|c");

    let only_key = layout("$.m", Shape::Map, vec![wanted("key", Kind::Text)]);
    assert_eq!(show(&decode(br#"{"m":{"a":1,"b":[]}}"#, &only_key).unwrap()), "a\nb");

    let values = layout("$.tags", Shape::Scalar, vec![wanted("value", Kind::Text)]);
    let page = decode(br#"{"tags":["a",null,1,true,{"x":1}]}"#, &values).unwrap();
    assert_eq!(show(&page), "a\n-\n1\ntrue\n-");
    assert_eq!(misfits(&page), [(0, 1, "{\"x\":1} is not text")]);
    let page = decode(br#"{"tags":"one"}"#, &values).unwrap();
    assert_eq!((show(&page).as_str(), page.items), ("one", ItemsFound::Object));

    let numbers = layout("$", Shape::Scalar, vec![from("value", Kind::Integer, &[])]);
    assert_eq!(show(&decode(b"[1,\"2\", 3.0]", &numbers).unwrap()), "1\n2\n3");
    assert_eq!(show(&decode(b" 42 ", &numbers).unwrap()), "42");
}

#[test]
fn items_that_are_no_objects_are_rows_of_nulls_and_counted() {
    let columns = vec![wanted("id", Kind::Integer), wanted("name", Kind::Text)];
    let list = layout("$", Shape::List, columns.clone());
    let page = decode(br#"[{"id":1,"name":"a"},"x", [1, 2],null,5]"#, &list).unwrap();
    assert_eq!(show(&page), "1|a\n-|-\n-|-\n-|-\n-|-");
    assert_eq!(misfits(&page), [(0, 4, "\"x\" is not an object")]);
    // `null` is one of them wherever elements are rows, and in a map a member without fields.
    for (items, shape, body, rows, told) in [
        ("$.d", Shape::List, r#"{"d":[null,{"id":1,"name":"a"}]}"#, "-|-\n1|a", 1),
        ("$.d[*]", Shape::List, r#"{"d":[null,{"id":1,"name":"a"}]}"#, "-|-\n1|a", 1),
        ("$.d[*].e", Shape::List, r#"{"d":[{"e":null},{"e":[null]},null]}"#, "-|-", 1),
        ("$.d", Shape::Object, r#"{"d":[null]}"#, "-|-", 1),
        ("$.d", Shape::Map, r#"{"d":{"k":null}}"#, "-|-", 0),
    ] {
        let page = decode(body.as_bytes(), &layout(items, shape, columns.clone())).unwrap();
        assert_eq!((show(&page).as_str(), page.items), (rows, ItemsFound::List), "{body}");
        let expected = if told > 0 { vec![(0, told, "null is not an object")] } else { vec![] };
        assert_eq!(misfits(&page), expected, "{body}");
        // The number of rows does not depend on what is wanted of them.
        assert_eq!(decode(body.as_bytes(), &layout(items, shape, vec![])).unwrap().rows, page.rows, "{body}");
    }
    let mut secret = columns.clone();
    secret[0].secret = true;
    assert_eq!(
        misfits(&decode(b"[null]", &layout("$", Shape::List, secret)).unwrap()),
        [(0, 1, "null is not an object")]
    );
    let error = refused("[null]", &layout("$", Shape::List, columns.clone()).with_strict(true));
    assert_eq!((error.context_value("column"), error.context_value("row")), (Some("id"), Some("1")));
    let error = refused("[null]", &layout("$", Shape::List, vec![]).with_strict(true));
    assert!(error.message().contains("an item is null, not an object"), "{error}");
    let error = refused(r#"[{"id":1},true]"#, &layout("$", Shape::List, columns).with_strict(true));
    assert_eq!((error.context_value("column"), error.context_value("row")), (Some("id"), Some("2")));
    let error = refused("[1]", &layout("$", Shape::List, vec![]).with_strict(true));
    assert!(error.message().contains("an item is a number"), "{error}");
    let error = refused(r#"{"data":""}"#, &layout("$.data", Shape::List, vec![]).with_strict(true));
    assert!(error.message().contains("a string where its items should be"), "{error}");
}

#[test]
fn values_fit_their_column_or_are_counted() {
    use Kind::{Any, Boolean, Integer, Json, Number, Text, Timestamp};
    for (kind, body, value, example) in [
        (Text, r#""a\n\u00e9\ud83d\ude00""#, "a\né😀", ""),
        (Text, r#""""#, "", ""),
        (Text, "12345678901234567890.10", "12345678901234567890.10", ""),
        (Text, "true", "true", ""),
        (Text, "false", "false", ""),
        (Text, "null", "-", ""),
        (Text, r#"{ "a" : 1 }"#, "-", r#"{"a":1} is not text"#),
        (Text, "[]", "-", "[] is not text"),
        (Text, r#""\ud800""#, "-", r#""\ud800" is not text: half of a surrogate pair"#),
        (Integer, "5", "5", ""),
        (Integer, "-0", "0", ""),
        (Integer, "5.0", "5", ""),
        (Integer, "1e3", "1000", ""),
        (Integer, "9223372036854775807", "9223372036854775807", ""),
        (Integer, "9223372036854775808", "-", "9223372036854775808 is not a 64-bit integer"),
        (Integer, "5.5", "-", "5.5 is not a 64-bit integer"),
        (Integer, r#""141119""#, "141119", ""),
        (Integer, r#""\u0031""#, "1", ""),
        (Integer, r#""007""#, "-", r#""007" is not an integer"#),
        (Integer, r#""""#, "-", r#""" is not an integer"#),
        (Integer, r#"" 5""#, "-", r#"" 5" is not an integer"#),
        (Integer, r#""abc""#, "-", r#""abc" is not an integer"#),
        (Integer, "true", "-", "true is not an integer"),
        (Integer, "[1, 2]", "-", "[1,2] is not an integer"),
        (Number, "1.5", "1.5", ""),
        (Number, "5", "5.0", ""),
        (Number, r#""-2.5e1""#, "-25.0", ""),
        (Number, r#""1.5x""#, "-", r#""1.5x" is not a number"#),
        (Number, r#""inf""#, "-", r#""inf" is not a number"#),
        (Number, "1e999", "-", "1e999 is not a 64-bit float"),
        (Number, "{}", "-", "{} is not a number"),
        (Boolean, "true", "true", ""),
        (Boolean, "false", "false", ""),
        (Boolean, r#""true""#, "true", ""),
        (Boolean, r#""false""#, "false", ""),
        (Boolean, r#""yes""#, "-", r#""yes" is not a boolean"#),
        (Boolean, "1", "-", "1 is not a boolean"),
        (Timestamp, r#""2020-09-08T13:42:29Z""#, "2020-09-08T13:42:29Z", ""),
        (Timestamp, r#""whenever""#, "whenever", ""),
        (Timestamp, "1599572549", "1599572549", ""),
        (
            Json,
            "{ \"a\\n\" : [ 1.10 , 12345678901234567890123 ,\t\"x  y\" ]\n}",
            "{\"a\\n\":[1.10,12345678901234567890123,\"x  y\"]}",
            "",
        ),
        (Json, "[]", "[]", ""),
        (Json, r#""a\u00e9""#, r#""a\u00e9""#, ""),
        (Json, "1.50", "1.50", ""),
        (Json, "true", "true", ""),
        (Json, "null", "-", ""),
        (Any, r#""a\u00e9""#, "aé", ""),
        (Any, "1.50", "1.50", ""),
        (Any, "false", "false", ""),
        (Any, "[ 1, {} ]", "[1,{}]", ""),
        (Any, r#""\udc00""#, "-", r#""\udc00" is not text: half of a surrogate pair"#),
        (
            Integer,
            r#""a text that is so long that it cannot be shown in a message""#,
            "-",
            "\"a text that is so long that it cannot be… is not an integer",
        ),
    ] {
        assert!(example.chars().count() <= 60, "{example}");
        let columns = || vec![wanted("first", Text), wanted("x", kind)];
        let body = format!(r#"{{"items":[{{"x": {body} }},{{"x":null}},{{"first":1}}, {{"x":{body}}}]}}"#);
        let page = decode(body.as_bytes(), &layout("$.items", Shape::List, columns())).unwrap();
        assert_eq!(show(&page), format!("-|{value}\n-|-\n1|-\n-|{value}"), "{kind}: {body}");
        let expected = if example.is_empty() { vec![] } else { vec![(1, 2, example)] };
        assert_eq!(misfits(&page), expected, "{kind}: {body}");

        let strict = layout("$.items", Shape::List, columns()).with_strict(true);
        if example.is_empty() {
            assert_eq!(show(&decode(body.as_bytes(), &strict).unwrap()), show(&page));
            continue;
        }
        let error = refused(&body, &strict);
        assert_eq!((error.context_value("column"), error.context_value("row")), (Some("x"), Some("1")));
        // What is refused is said by whoever knows what must not be shown.
        assert_eq!(error.message(), "a value does not fit its column");
        let misfit = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Misfit>()).unwrap();
        assert_eq!(misfit.example(str::to_owned), example);
        // What is taken out of a value is taken out of all of it, and not of what the message has room for.
        let concealed = misfit.example(|value| value.replace("cannot be shown in", "…"));
        assert!(!concealed.contains("cannot"), "{concealed}");

        let mut secret = columns();
        secret[1].secret = true;
        let page = decode(body.as_bytes(), &layout("$.items", Shape::List, secret)).unwrap();
        let shown = page.misfits[0].example(str::to_owned);
        let sorts = ["a string", "a number", "a boolean", "an object", "an array"];
        assert!(sorts.iter().any(|sort| shown.starts_with(&format!("{sort} is not "))), "{shown}");
    }
}

#[test]
fn typed_timestamps_are_microseconds_in_utc() {
    let column = Wanted { field: field("at", Kind::Timestamp, true), ..wanted("at", Kind::Timestamp) };
    let typed = layout("$", Shape::List, vec![column]);
    let page = decode(
        br#"[{"at":"2020-09-08T15:42:29.5+02:00"},{"at":"2020-09-08 13:42:29"},{"at":1599572549},{"at":"2018-01-02"},
            {"at":"soon"},{"at":1.5},{"at":{}},{"at":null}]"#,
        &typed,
    )
    .unwrap();
    assert_eq!(
        show(&page),
        "2020-09-08T13:42:29.500Z\n2020-09-08T13:42:29Z\n2020-09-08T13:42:29Z\n2018-01-02T00:00:00Z\n-\n-\n-\n-"
    );
    assert_eq!(misfits(&page), [(0, 3, "\"soon\" is not a timestamp")]);
}

#[test]
fn columns_come_from_below_and_from_the_item_itself() {
    let columns = vec![
        from("next", Kind::Text, &["links", "next"]),
        from("links", Kind::Json, &["links"]),
        from("again", Kind::Any, &["links", "next"]),
        from("deep", Kind::Integer, &["links", "a", "b"]),
        from("item", Kind::Json, &[]),
    ];
    let list = layout("$", Shape::List, columns);
    let page =
        decode(br#"[{"links":{"next":"x","a":{"b":1}}},{ "links" : null },{},{"links":{"a":null}}]"#, &list).unwrap();
    assert_eq!(
        show(&page),
        "x|{\"next\":\"x\",\"a\":{\"b\":1}}|x|1|{\"links\":{\"next\":\"x\",\"a\":{\"b\":1}}}\n\
         -|-|-|-|{\"links\":null}\n-|-|-|-|{}\n-|{\"a\":null}|-|-|{\"links\":{\"a\":null}}"
    );
    assert!(page.misfits.is_empty());
    let page = decode(br#"[{"links":[ 1 ]}]"#, &list).unwrap();
    assert_eq!(show(&page), "-|[1]|-|-|{\"links\":[1]}");
    assert_eq!(
        misfits(&page),
        [(0, 1, "[1] is not an object"), (2, 1, "[1] is not an object"), (3, 1, "[1] is not an object")]
    );
}

#[test]
fn of_equal_keys_the_last_one_counts() {
    let columns = || vec![wanted("id", Kind::Integer), from("b", Kind::Integer, &["a", "b"])];
    let list = layout("$.data", Shape::List, columns()).with_captures(paths(&["$.total", "$.meta.next"]));
    let page = decode(
        br#"{"total":1,"meta":{"next":1},"meta":{},"total":2,"data":[{"id":"x","id":1,"a":{"b":1},"a":{},"id":2}]}"#,
        &list,
    )
    .unwrap();
    assert_eq!(show(&page), "2|-");
    assert!(page.misfits.is_empty());
    assert_eq!(page.captures, [Some(json!(2)), None]);
    let error = refused(r#"{"data":[],"data":[{"id":1}]}"#, &list);
    assert!(error.message().contains("`data` twice"), "{error}");
}

#[test]
fn captures_lie_anywhere() {
    let capture = |items: &str, shape: Shape, captures: &[&str], body: &str| {
        let layout = layout(items, shape, vec![wanted("id", Kind::Integer)]).with_captures(paths(captures));
        let page = decode(body.as_bytes(), &layout).unwrap();
        (show(&page), page.captures)
    };
    let body = r#"{"a":{"x":1,"data":[{"id":1}],"next":"t"},"total":12,"n":null,"error":[{"m":"p"},{"m":"q"}]}"#;
    assert_eq!(
        capture("$.a.data", Shape::List, &["$.total", "$.a.next", "$.a.x", "$.n", "$.gone", "$.total.x"], body),
        ("1".to_owned(), vec![Some(json!(12)), Some(json!("t")), Some(json!(1)), Some(Value::Null), None, None])
    );
    assert_eq!(
        capture("$.a.data", Shape::List, &["$.a", "$.error[*].m", "$.a.data[*].id", "$.a.data", "$.a.data[*].x"], body),
        (
            "1".to_owned(),
            vec![
                Some(json!({"x": 1, "data": [{"id": 1}], "next": "t"})),
                Some(json!(["p", "q"])),
                Some(json!([1])),
                Some(json!([{"id": 1}])),
                None
            ]
        )
    );
    assert_eq!(
        capture("$", Shape::Object, &["$", "$.links.next"], r#"{"links":{"next":"u"},"id":3}"#),
        ("3".to_owned(), vec![Some(json!({"links": {"next": "u"}, "id": 3})), Some(json!("u"))])
    );
    assert_eq!(
        capture("$.image", Shape::Object, &["$.success"], r#"{"success":"no","id":3}"#),
        ("3".to_owned(), vec![Some(json!("no"))])
    );
    // A wildcard of the items and a name of a capture at one place.
    assert_eq!(
        capture(
            "$.m.*.x",
            Shape::List,
            &["$.m.count", "$.m.a.next"],
            r#"{"m":{"count":2,"a":{"x":[{"id":1}],"next":9},"b":{"x":[{"id":2}]}}}"#
        ),
        ("1\n2".to_owned(), vec![Some(json!(2)), Some(json!(9))])
    );
    let deep = format!(r#"{{"t":{}1{}}}"#, "[".repeat(140), "]".repeat(140));
    refused(&deep, &layout("$.data", Shape::List, vec![]).with_captures(paths(&["$.t"])));
}

#[test]
fn faults_in_what_is_not_wanted_are_found_too() {
    let one = layout("$.data", Shape::List, vec![wanted("id", Kind::Integer)]);
    for body in [
        r#"{"data":[{"id":1,"x":{"a":[}}]}"#,
        r#"{"data":[{"id":1,"x":01}]}"#,
        r#"{"data":[{"id":1,"x":"\q"}]}"#,
        r#"{"data":[{"id":1}],"z":nul}"#,
        r#"{"data":[{"id":1}]}}"#,
        r#"{"data":[{"id":1}]"#,
        r#"{"data":[{"id":1"#,
        r#"{"data":[{"id":1,}]}"#,
        r#"{"data":[{"id":1}{"id":2}]}"#,
        r#"{"data":[{"id" 1}]}"#,
        r#"{"data":[{id:1}]}"#,
        r#"{"data":[{"id":1},]}"#,
        r#"{"data":[,{"id":1}]}"#,
        r#"{"data":[{,"id":1}]}"#,
        r#"{,"data":[]}"#,
        r#"{"data":[{"id":NaN}]}"#,
    ] {
        refused(body, &one);
        refused(body, &layout("$.data", Shape::List, vec![]));
        refused(body, &layout("$.other", Shape::Object, vec![wanted("id", Kind::Integer)]));
    }
    let deep = |depth: usize| format!(r#"{{"data":[{{"id":1,"x":{}{}}}]}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(decode(deep(100).as_bytes(), &one).unwrap().rows, 1);
    refused(&deep(200_000), &one);
}

#[test]
fn batches_are_cut_at_their_size() {
    let items: Vec<Value> = (0..25).map(|id| json!({"id": id, "t": "x".repeat(id)})).collect();
    let body = json!({ "items": items }).to_string();
    let columns = vec![wanted("id", Kind::Integer), wanted("t", Kind::Text)];
    let list = layout("$.items", Shape::List, columns).with_batch_rows(10);
    let page = decode(body.as_bytes(), &list).unwrap();
    assert_eq!(page.batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [10, 10, 5]);
    assert!(page.batches.iter().all(|batch| batch.schema() == list.schema()));
    let ids: Vec<String> = show(&page).lines().map(|line| line.split('|').next().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..25).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(decode(body.as_bytes(), &list.with_batch_rows(0)).unwrap().batches.len(), 25);
}

#[test]
fn a_layout_refuses_what_cannot_be() {
    let wrong = Wanted { field: field("x", Kind::Text, false), ..wanted("x", Kind::Integer) };
    assert_eq!(Layout::new(ItemPath::root(), Shape::List, vec![wrong]).unwrap_err().kind(), ErrorKind::Internal);
    let deep = Wanted { source: vec!["a".to_owned(); 33], ..wanted("x", Kind::Text) };
    assert_eq!(Layout::new(ItemPath::root(), Shape::List, vec![deep]).unwrap_err().kind(), ErrorKind::Provider);
}

/// The kinds of the random rows' columns, in order.
const KINDS: [Kind; 6] = [Kind::Text, Kind::Integer, Kind::Number, Kind::Boolean, Kind::Json, Kind::Any];
const NAMES: [&str; 6] = ["text", "integer", "nümber", "boo\"lean", "json", "any"];

fn columns_of(indices: &[usize]) -> Vec<Wanted> {
    indices.iter().map(|index| wanted(NAMES[*index], KINDS[*index])).collect()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_row() -> impl Strategy<Value = Vec<Option<Value>>> {
    let cell = |index: usize| -> BoxedStrategy<Value> {
        match KINDS[index] {
            Kind::Integer => any::<i64>().prop_map(Value::from).boxed(),
            Kind::Number => any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::from).boxed(),
            Kind::Boolean => any::<bool>().prop_map(Value::from).boxed(),
            Kind::Json | Kind::Any => any_json().boxed(),
            Kind::Text | Kind::Timestamp => any::<String>().prop_map(Value::from).boxed(),
        }
    };
    (0..KINDS.len()).map(|index| proptest::option::of(cell(index)).boxed()).collect::<Vec<_>>()
}

/// Writes a value with the whitespace that `spaces` gives, in turn.
fn write_spaced(value: &Value, spaces: &mut impl Iterator<Item = &'static str>, out: &mut String) {
    let mut space = |out: &mut String| out.push_str(spaces.next().unwrap_or_default());
    space(out);
    match value {
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_spaced(element, spaces, out);
            }
            out.push_str(spaces.next().unwrap_or_default());
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                out.push_str(spaces.next().unwrap_or_default());
                write!(out, "{}", Value::from(key.as_str())).unwrap();
                out.push_str(spaces.next().unwrap_or_default());
                out.push(':');
                write_spaced(member, spaces, out);
            }
            out.push_str(spaces.next().unwrap_or_default());
            out.push('}');
        }
        scalar => write!(out, "{scalar}").unwrap(),
    }
    out.push_str(spaces.next().unwrap_or_default());
}

fn one_batch(page: &Page, layout: &Layout) -> RecordBatch {
    concat_batches(&layout.schema(), &page.batches).unwrap()
}

/// What a cell shows, by the rules of its kind.
fn expected(index: usize, cell: Option<&Value>) -> Option<String> {
    match cell? {
        Value::Null => None,
        value if KINDS[index] == Kind::Json => Some(json_text(value)),
        Value::String(text) => Some(text.clone()),
        value => Some(json_text(value)),
    }
}

proptest! {
    #[test]
    fn rows_survive_their_json(
        rows in proptest::collection::vec(any_row(), 0..12),
        extras in proptest::collection::vec(any_json(), 1..5),
        order in Just((0..NAMES.len()).collect::<Vec<_>>()).prop_shuffle(),
        spaces in proptest::collection::vec(prop_oneof![Just(""), Just(" "), Just("\n\t"), Just("\r\n        ")], 1..20),
        projection in proptest::sample::subsequence((0..NAMES.len()).collect::<Vec<_>>(), 4),
        batch_rows in 1_usize..6,
    ) {
        let mut spaces = spaces.into_iter().cycle();
        let mut body = String::from("{\"before\":");
        write_spaced(&extras[0], &mut spaces, &mut body);
        body.push_str(",\"items\":[");
        for (number, row) in rows.iter().enumerate() {
            body.push_str(if number > 0 { "," } else { "" });
            body.push('{');
            let mut members = Vec::new();
            // Each row leaves some extras out, and begins its keys elsewhere.
            for place in 0..order.len() {
                let column = order[(place + number / 3) % order.len()];
                if let Some(cell) = &row[column] {
                    members.push((NAMES[column].to_owned(), cell));
                }
                if (number + place) % 3 != 0 {
                    members.push((format!("extra{place}"), &extras[place % extras.len()]));
                }
            }
            for (place, (name, value)) in members.into_iter().enumerate() {
                body.push_str(if place > 0 { "," } else { "" });
                body.push_str(spaces.next().unwrap());
                write!(body, "{}", Value::from(name)).unwrap();
                body.push_str(spaces.next().unwrap());
                body.push(':');
                write_spaced(value, &mut spaces, &mut body);
            }
            body.push('}');
        }
        body.push_str("],\"after\":");
        write_spaced(&extras[extras.len() - 1], &mut spaces, &mut body);
        body.push('}');

        let all: Vec<usize> = (0..NAMES.len()).collect();
        let full = layout("$.items", Shape::List, columns_of(&all))
            .with_batch_rows(batch_rows)
            .with_captures(paths(&["$.before", "$.after"]));
        let page = decode(body.as_bytes(), &full).unwrap();
        prop_assert!(page.misfits.is_empty(), "{:?}", page.misfits);
        prop_assert_eq!(page.items, ItemsFound::List);
        prop_assert_eq!(page.captures[0].as_ref(), Some(&extras[0]));
        prop_assert_eq!(page.captures[1].as_ref(), extras.last());
        let batch = one_batch(&page, &full);
        prop_assert_eq!(batch.num_rows(), rows.len());
        let options = FormatOptions::new();
        for (column, array) in batch.columns().iter().enumerate() {
            let shown = ArrayFormatter::try_new(array, &options).unwrap();
            for (number, row) in rows.iter().enumerate() {
                let actual = array.is_valid(number).then(|| shown.value(number).to_string());
                match (KINDS[column], &row[column]) {
                    (Kind::Number, Some(cell)) => {
                        let actual: f64 = actual.unwrap().parse().unwrap();
                        // Bits, because a float is the same or it is not.
                        prop_assert_eq!(actual.to_bits(), cell.as_f64().unwrap().to_bits());
                    }
                    (_, cell) => prop_assert_eq!(actual, expected(column, cell.as_ref())),
                }
            }
        }

        let some = layout("$.items", Shape::List, columns_of(&projection));
        let projected = one_batch(&decode(body.as_bytes(), &some).unwrap(), &some);
        prop_assert_eq!(projected, batch.project(&projection).unwrap());
    }

    #[test]
    fn no_bytes_panic(
        items in "(\\$(\\.[ab]|\\[\\*\\]){0,3})",
        body in "([\\[\\]{},:]|\"a\"|\"b\"|1|null| |\"a\":[\\[{]?|\"b\":[\\[{]?){0,24}",
        shape in prop_oneof![Just(Shape::List), Just(Shape::Object), Just(Shape::Map), Just(Shape::Scalar)],
    ) {
        let columns = vec![wanted("a", Kind::Text), from("x", Kind::Json, &["a", "b"]), from("value", Kind::Any, &[])];
        let layout = layout(&items, shape, columns).with_captures(paths(&["$.a", "$.b[*].a"]));
        let ours = decode(body.as_bytes(), &layout);
        let valid = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
        if ours.is_ok() {
            prop_assert!(valid);
        } else if valid {
            let twice = ours.unwrap_err();
            prop_assert!(twice.message().contains("twice"), "{}: {}", body, twice);
        }
    }
}

/// Recorded answers of a real API, where this checkout has them beside it.
#[test]
fn every_field_of_every_recorded_item_arrives() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures/linode-recorded");
    let Ok(files) = std::fs::read_dir(directory) else {
        println!("skipped: no recorded answers in {directory}");
        return;
    };
    let mut fields = 0;
    for file in files {
        let path = file.unwrap().path();
        let recorded: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for exchange in recorded.as_array().unwrap() {
            let body = &exchange["response_body"];
            let (items, shape) = if body["data"].is_array() { ("$.data", Shape::List) } else { ("$", Shape::Object) };
            let expected: Vec<&Value> = match body["data"].as_array() {
                Some(list) => list.iter().collect(),
                None if body.is_object() => vec![body],
                None => continue,
            };
            for pretty in [false, true] {
                fields += check_recorded(body, &expected, items, shape, pretty);
            }
        }
    }
    assert!(fields > 1000, "only {fields} fields were compared");
}

fn check_recorded(body: &Value, expected: &[&Value], items: &str, shape: Shape, pretty: bool) -> usize {
    let kind_of = |value: &Value| match value {
        Value::Null => None,
        Value::Bool(_) => Some(Kind::Boolean),
        Value::Number(number) if number.is_i64() => Some(Kind::Integer),
        Value::Number(_) => Some(Kind::Number),
        Value::String(_) => Some(Kind::Text),
        Value::Array(_) | Value::Object(_) => Some(Kind::Json),
    };
    let mut kinds: Vec<(String, Kind)> = Vec::new();
    for (name, value) in expected.iter().filter_map(|item| item.as_object()).flatten() {
        let Some(kind) = kind_of(value) else { continue };
        match kinds.iter_mut().find(|(known, _)| known == name) {
            None => kinds.push((name.clone(), kind)),
            Some((_, known)) if *known == Kind::Integer && kind == Kind::Number => *known = kind,
            Some(_) => {}
        }
    }
    let columns = kinds.iter().map(|(name, kind)| wanted(name, *kind)).collect();
    let layout = layout(items, shape, columns).with_captures(paths(&["$.page", "$.results"]));
    let text = if pretty { serde_json::to_string_pretty(body).unwrap() } else { body.to_string() };
    let page = decode(text.as_bytes(), &layout).unwrap();
    assert_eq!(page.rows, expected.len() as u64);
    assert!(page.misfits.is_empty(), "{:?}", page.misfits);
    assert_eq!(page.captures, [body.get("page").cloned(), body.get("results").cloned()]);
    if expected.is_empty() {
        return 0;
    }
    let batch = one_batch(&page, &layout);
    let options = FormatOptions::new();
    let mut compared = 0;
    for (array, (name, kind)) in batch.columns().iter().zip(&kinds) {
        let shown = ArrayFormatter::try_new(array, &options).unwrap();
        for (row, item) in expected.iter().enumerate() {
            let actual = array.is_valid(row).then(|| shown.value(row).to_string());
            match item.get(name) {
                None | Some(Value::Null) => assert_eq!(actual, None, "{name}"),
                Some(Value::String(text)) => assert_eq!(actual.as_ref(), Some(text), "{name}"),
                Some(value) if *kind == Kind::Number => {
                    assert_eq!(actual.unwrap().parse::<f64>().ok(), value.as_f64(), "{name}");
                }
                Some(value) => assert_eq!(actual, Some(json_text(value)), "{name}"),
            }
            compared += 1;
        }
    }
    compared
}
