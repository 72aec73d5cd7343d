//! Bytes → Arrow: a list of 2,000 images in an envelope, four of its fourteen columns and all of them, minified and
//! pretty-printed, at hand and as they arrive. Throughput is in bytes of JSON. Beside it, what a JSON tree of the same bytes
//! costs.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use skyql::rows::{Decoder, ItemPath, Kind, Layout, Shape, Wanted, decode, field};

const ROWS: u64 = 2000;

/// The length of the chunks in which an answer arrives.
const CHUNK: usize = 32 * 1024;

/// The columns, in the order in which the items have their keys.
const COLUMNS: [(&str, Kind); 14] = [
    ("id", Kind::Integer),
    ("name", Kind::Text),
    ("distribution", Kind::Text),
    ("slug", Kind::Text),
    ("public", Kind::Boolean),
    ("regions", Kind::Json),
    ("created_at", Kind::Timestamp),
    ("min_disk_size", Kind::Integer),
    ("type", Kind::Text),
    ("size_gigabytes", Kind::Number),
    ("description", Kind::Text),
    ("tags", Kind::Json),
    ("status", Kind::Text),
    ("error_message", Kind::Text),
];

/// Item `number`, written by hand: a JSON tree would sort its keys.
fn item(number: u64, out: &mut String, pretty: bool) {
    let regions: Vec<&str> = ["nyc1", "sfo1", "nyc2", "ams2", "sgp1", "lon1", "nyc3", "ams3", "fra1", "tor1"]
        .into_iter()
        .skip(usize::try_from(number % 7).unwrap_or_default())
        .collect();
    let day = number % 28 + 1;
    let values: [Value; 14] = [
        json!(7_555_620 + number * 17),
        json!(format!("nifty-image-{number} x64")),
        json!(["Ubuntu", "Debian", "Fedora", "Rocky Linux"][usize::try_from(number % 4).unwrap_or_default()]),
        if number.is_multiple_of(3) { Value::Null } else { json!(format!("nifty-{number}-x64")) },
        json!(number.is_multiple_of(2)),
        json!(regions),
        json!(format!("2024-05-{day:02}T22:05:46Z")),
        json!(20 + number % 60),
        json!(if number.is_multiple_of(5) { "snapshot" } else { "base" }),
        json!(Value::from(serde_json::Number::from_f64(
            2.0 + f64::from(u32::try_from(number % 100).unwrap_or_default()) / 8.0
        ))),
        json!(format!("A \"nifty\" image\nof {number} parts, kept for as long as it is needed")),
        json!(["base-image", "prod"]),
        json!("available"),
        json!(""),
    ];
    out.push('{');
    for (index, ((name, _), value)) in COLUMNS.iter().zip(values).enumerate() {
        let value = if pretty { serde_json::to_string_pretty(&value).unwrap_or_default() } else { value.to_string() };
        out.push_str(if index > 0 { "," } else { "" });
        if pretty {
            let value = value.replace('\n', "\n      ");
            out.extend(["\n      \"", name, "\": ", &value]);
        } else {
            out.extend(["\"", name, "\":", &value]);
        }
    }
    out.push_str(if pretty { "\n    }" } else { "}" });
}

fn body(pretty: bool) -> String {
    let mut out = String::from(if pretty { "{\n  \"images\": [" } else { "{\"images\":[" });
    for number in 0..ROWS {
        out.push_str(if number > 0 { "," } else { "" });
        out.push_str(if pretty { "\n    " } else { "" });
        item(number, &mut out, pretty);
    }
    out.push_str(if pretty {
        "\n  ],\n  \"links\": {\n    \"pages\": {\n      \"next\": \"https://api.example.com/v2/images?page=2\"\n    }\n  },\n  \"meta\": {\n    \"total\": 90210\n  }\n}\n"
    } else {
        r#"],"links":{"pages":{"next":"https://api.example.com/v2/images?page=2"}},"meta":{"total":90210}}"#
    });
    out
}

fn layout(names: &[&str]) -> Result<Layout, Box<dyn std::error::Error>> {
    let columns = COLUMNS
        .iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name))
        .map(|(name, kind)| Wanted {
            field: field(name, *kind, false),
            kind: *kind,
            source: vec![(*name).to_owned()],
            secret: false,
        })
        .collect();
    let captures = vec![ItemPath::parse("$.links.pages.next")?, ItemPath::parse("$.meta.total")?];
    Ok(Layout::new(ItemPath::parse("$.images")?, Shape::List, columns)?.with_captures(captures))
}

/// Decodes an answer that comes in chunks; gives the number of its rows.
fn as_it_arrives(body: &[u8], layout: &Arc<Layout>) -> skyql::Result<u64> {
    let mut decoder = Decoder::new(Arc::clone(layout));
    let mut rows = 0;
    for chunk in body.chunks(CHUNK) {
        if decoder.push(chunk)? {
            decoder.read_on()?;
            rows += black_box(decoder.take()).rows;
        }
    }
    Ok(rows + black_box(decoder.finish()?).rows)
}

fn bytes_to_arrow(criterion: &mut Criterion) {
    let (Ok(four), Ok(all)) = (layout(&["id", "name", "slug", "created_at"]), layout(&[])) else {
        return;
    };
    let mut group = criterion.benchmark_group("decode");
    for (form, pretty) in [("minified", false), ("pretty", true)] {
        let body = body(pretty);
        group.throughput(Throughput::Bytes(body.len() as u64));
        for (columns, layout) in [("4 of 14 columns", &four), ("14 columns", &all)] {
            // A benchmark of an answer that is refused would look fast.
            assert!(decode(body.as_bytes(), layout).is_ok_and(|page| page.rows == ROWS && page.misfits.is_empty()));
            group.bench_function(format!("{columns}, {form}"), |bencher| {
                bencher.iter(|| decode(black_box(body.as_bytes()), layout));
            });
            let layout = Arc::new(layout.clone());
            assert!(as_it_arrives(body.as_bytes(), &layout).is_ok_and(|rows| rows == ROWS));
            group.bench_function(format!("{columns}, {form}, as it arrives"), |bencher| {
                bencher.iter(|| as_it_arrives(black_box(body.as_bytes()), &layout));
            });
        }
        group.bench_function(format!("a JSON tree, {form}"), |bencher| {
            bencher.iter(|| serde_json::from_slice::<Value>(black_box(body.as_bytes())));
        });
    }
    group.finish();
}

criterion_group!(benches, bytes_to_arrow);
criterion_main!(benches);
