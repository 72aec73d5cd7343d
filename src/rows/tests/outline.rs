//! What stands beside the items, without these.

use std::fmt::Write as _;

use serde_json::json;

use super::*;

fn at(items: &str, captures: &[&str]) -> Layout {
    layout(items, Shape::List, vec![wanted("id", Kind::Integer)]).with_captures(paths(captures))
}

/// So many items, with everything in them that an end of the list could be mistaken for.
fn items(count: usize) -> String {
    let item = |id: usize| format!(r#"{{"id":{id},"name":"a \" ] }} \\","next":"no","in":[[],{{"x":[1]}}]}}"#);
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

#[test]
fn what_stands_before_and_behind_the_items_is_found() {
    let layout = at("$.data.items", &["$.next", "$.data.meta.next", "$.data.total"]);
    for count in [0, 1, 500] {
        let items = items(count);
        for (body, expected) in [
            (format!(r#"{{"next":"a","data":{{"items":[{items}]}}}}"#), [json!("a"), json!(null), json!(null)]),
            (format!(r#"{{"data":{{"items":[{items}]}},"next":"a"}}"#), [json!("a"), json!(null), json!(null)]),
            (
                format!("{{\"data\" : {{\"total\":7,\"items\":\n[{items} ] , \"meta\":{{\"next\":\"\\\"]\"}} }} }}\n"),
                [json!(null), json!("\"]"), json!(7)],
            ),
            (
                format!(r#"{{"data":{{"items":[{items}],"other":[1,[2]],"total":7}},"next":{{"a":[{{}}]}}}}"#),
                [json!({"a": [{}]}), json!(null), json!(7)],
            ),
            // The last of equal keys counts.
            (
                format!(r#"{{"next":"a","data":{{"items":[{items}]}},"next":"b"}}"#),
                [json!("b"), json!(null), json!(null)],
            ),
        ] {
            let found = outline(body.as_bytes(), &layout).unwrap();
            let found = found.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>();
            assert_eq!(found, expected, "{count} items in {}", &body[..body.len().min(200)]);
        }
    }
}

#[test]
fn where_the_items_would_have_to_be_read_nothing_is_found() {
    let long = "x".repeat(5000);
    for (items_at, captures, body) in [
        // The list itself, and something in it.
        ("$", "$.next", r#"[{"id":1}]"#.to_owned()),
        ("$.items", "$.items", r#"{"items":[{"id":1}]}"#.to_owned()),
        ("$.items", "$.items[*].next", r#"{"items":[{"id":1,"next":"a"}]}"#.to_owned()),
        ("$.data.items", "$.data", r#"{"data":{"items":[{"id":1}]},"next":"a"}"#.to_owned()),
        // Several lists.
        ("$.*.items", "$.next", r#"{"a":{"items":[]},"b":{"items":[]},"next":"a"}"#.to_owned()),
        // No list.
        ("$.items", "$.next", r#"{"items":null,"next":"a"}"#.to_owned()),
        ("$.items", "$.next", r#"{"next":"a"}"#.to_owned()),
        // Far away.
        ("$.items", "$.next", format!(r#"{{"long":"{long}","items":[],"next":"a"}}"#)),
        ("$.items", "$.next", format!(r#"{{"items":[1,2],"next":"a","long":"{long}"}}"#)),
        // No JSON.
        ("$.items", "$.next", r#"{"items":[1,2],"next":"a""#.to_owned()),
        ("$.items", "$.next", r#"{"items":[1,2],"next":"#.to_owned()),
        ("$.items", "$.next", r#"{"items":[1,2],"next":"a"}}"#.to_owned()),
        ("$.items", "$.next", "<html>".to_owned()),
        ("$.items", "$.next", String::new()),
    ] {
        let found = outline(body.as_bytes(), &at(items_at, &[captures]));
        assert_eq!(found.filter(|found| found.iter().any(Option::is_some)), None, "{items_at} {captures} {body}");
    }
}

proptest! {
    #[test]
    fn an_outline_is_what_decoding_finds(
        members in proptest::collection::vec(("[a-f]", any_json()), 0..6),
        before in 0_usize..6,
        count in prop_oneof![0_usize..4, 60..200_usize],
        cut in 0_usize..20_000,
    ) {
        let mut body = String::from("{");
        let mut separator = "";
        let before = before.min(members.len());
        for (place, part) in [&members[..before], &members[before..]].into_iter().enumerate() {
            if place == 1 {
                write!(body, "{separator}\"items\":[{}]", items(count)).unwrap();
                separator = ",";
            }
            for (name, value) in part {
                write!(body, "{separator}\"{name}\":{value}").unwrap();
                separator = ",";
            }
        }
        body.push('}');
        let layout = at("$.items", &["$.a", "$.b", "$.c.a"]);
        let whole = super::super::decode(body.as_bytes(), &layout).unwrap();
        let close = body.len() < 4096;
        let found = outline(body.as_bytes(), &layout);
        prop_assert!(found.is_some() || !close, "{}", body);
        if let Some(found) = found {
            prop_assert_eq!(&found, &whole.captures, "{}", body);
        }
        let mut decoder = Decoder::new(Arc::new(layout));
        let (first, rest) = body.as_bytes().split_at(cut.min(body.len()));
        decoder.push(first).unwrap();
        decoder.read_on().unwrap();
        decoder.push(rest).unwrap();
        if let Some(found) = decoder.outline() {
            prop_assert_eq!(&found, &whole.captures, "{} at {}", body, cut);
        }
        prop_assert_eq!(&decoder.finish().unwrap().captures, &whole.captures);
    }
}
