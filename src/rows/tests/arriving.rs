//! Answers that come piece by piece.

use std::sync::Arc;

use serde_json::json;

use super::*;

/// Decodes an answer that comes in pieces of `step` bytes, each of which is read as far as it goes.
pub(super) fn in_pieces(body: &[u8], step: usize, layout: &Layout) -> Result<Page> {
    let mut decoder = Decoder::new(Arc::new(layout.clone()));
    let (mut batches, mut rows, mut found) = (Vec::new(), 0, Vec::<Misfit>::new());
    let mut note = |misfits: Vec<Misfit>| {
        for misfit in misfits {
            match found.iter_mut().find(|known| known.column == misfit.column) {
                Some(known) => known.count += misfit.count,
                None => found.push(misfit),
            }
        }
        found.sort_by_key(|misfit| misfit.column);
        found.clone()
    };
    for piece in body.chunks(step) {
        decoder.push(piece)?;
        decoder.read_on()?;
        let taken = decoder.take();
        batches.extend(taken.batches);
        rows += taken.rows;
        note(taken.misfits);
    }
    let page = decoder.finish()?;
    batches.extend(page.batches);
    Ok(Page { batches, rows: rows + page.rows, misfits: note(page.misfits), ..page })
}

#[test]
fn an_item_that_is_cut_waits_for_its_rest() {
    let layout = layout("$.data", Shape::List, vec![wanted("id", Kind::Integer)]).with_batch_rows(1);
    let layout = Arc::new(layout);
    let mut decoder = Decoder::new(layout);
    for (piece, ids) in [
        ("{\"total\":3,\"da", ""),
        ("ta\":[{\"id\":1},{\"id\":2", "1"),
        // The number might have gone on.
        ("}", "2"),
        (",{\"name\":\"\\", ""),
        ("\"\",\"id\":3}", "3"),
        ("]", ""),
    ] {
        decoder.push(piece.as_bytes()).unwrap();
        decoder.read_on().unwrap();
        let Rows { batches, rows, .. } = decoder.take();
        let (captures, misfits, held) = (Vec::new(), Vec::new(), Vec::new());
        let page = Page { batches, rows, captures, misfits, held, items: ItemsFound::List };
        assert_eq!(show(&page), ids, "{piece}");
    }
    let error = decoder.finish().unwrap_err();
    assert!(error.message().contains("ends in the middle of an object"), "{error}");
    assert_eq!(error.context_value("column"), Some("59"));
}

#[test]
fn what_was_read_is_not_held() {
    let layout = layout("$.data", Shape::List, vec![wanted("id", Kind::Integer)]);
    let layout = Arc::new(layout.with_captures(paths(&["$.next", "$.meta.total"])));
    let item = |id: usize| format!("{{\"id\":{id},\"text\":\"{}\"}}", "x".repeat(id % 3000));
    let list = |key: &str| {
        let items = (0..4000).map(item).collect::<Vec<_>>().join(",");
        format!("\"{key}\":[{items}]")
    };
    // Rows, and beside them values that nobody wants, deep and long ones too.
    let body = format!(
        "{{\"included\":{{\"by\":{{{}}},\"with\":{{{}}}}},{},\"meta\":{{\"total\":4000,{}}},\"next\":\"p2\"}}",
        list("a"),
        list("b"),
        list("data"),
        list("more"),
    );
    let mut decoder = Decoder::new(layout);
    let (mut most, mut rows) = (0, 0);
    for piece in body.as_bytes().chunks(1 << 14) {
        if decoder.push(piece).unwrap() {
            decoder.read_on().unwrap();
        }
        most = most.max(decoder.at_hand());
        rows += decoder.take().rows;
    }
    let page = decoder.finish().unwrap();
    assert!(body.len() > 15 << 20 && most < 300_000, "{most} of {} bytes were held", body.len());
    assert_eq!((rows + page.rows, page.items), (4000, ItemsFound::List));
    assert_eq!(page.captures, [Some(json!("p2")), Some(json!(4000))]);
}

#[test]
fn batches_are_the_same_whatever_the_pieces() {
    let layout = layout("$.data", Shape::List, vec![wanted("id", Kind::Integer)]);
    let item = |id: usize| format!("{{\"id\":{id},\"text\":\"{}\"}}", "é".repeat(id % 500));
    let body = format!("{{\"data\":[{}]}}", (0..3000).map(item).collect::<Vec<_>>().join(","));
    let lengths = |page: Page| page.batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>();
    let whole = lengths(decode(body.as_bytes(), &layout).unwrap());
    assert!(whole.len() > 4, "{whole:?}");
    for step in [999, 1 << 14, 300_000, body.len()] {
        assert_eq!(lengths(in_pieces(body.as_bytes(), step, &layout).unwrap()), whole, "{step}");
    }
}

#[test]
fn one_item_of_any_length_is_read_a_few_times_only() {
    let layout = Arc::new(layout("$.data", Shape::List, vec![wanted("id", Kind::Integer)]));
    let mut decoder = Decoder::new(layout);
    let body = format!("{{\"data\":[{{\"text\":\"{}\",\"id\":1}}]}}", "x".repeat(20 << 20));
    let mut times = 0;
    for piece in body.as_bytes().chunks(1 << 14) {
        if decoder.push(piece).unwrap() {
            times += 1;
            decoder.read_on().unwrap();
        }
    }
    assert_eq!(decoder.finish().unwrap().rows, 1);
    assert!(times < 10, "{times}");
}

#[test]
fn a_fault_behind_what_is_gone_is_located_in_the_answer() {
    let layout = Arc::new(layout("$", Shape::List, vec![wanted("id", Kind::Integer)]));
    let mut decoder = Decoder::new(layout);
    let lines: Vec<String> = (0..100_000).map(|id| format!("{{\"id\": {id}}}")).collect();
    let body = format!("[{},\n  {{\"id\" 1}}]", lines.join(",\n"));
    for piece in body.as_bytes().chunks(1 << 14) {
        if decoder.push(piece).unwrap() {
            decoder.read_on().unwrap();
        }
    }
    let error = decoder.finish().unwrap_err();
    assert_eq!((error.context_value("line"), error.context_value("column")), (Some("100001"), Some("9")), "{error}");
}
