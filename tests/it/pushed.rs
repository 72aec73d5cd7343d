//! What an API is told of conditions, orders, fields and offsets: the rows are those that come without it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use serde_json::{Value, json};

use crate::support::documents::{Paging, STATED_TOTAL, paged, provider_dir, widgets_service_with};
use crate::support::query::Db;
use crate::support::server::{Reply, Seen, Server};

mod api;
mod offset;
mod order;
mod random;
mod sandbox;
mod untold;

const X_FILTER: &str = "{filter: {dialect: x_filter, supportedColumns: [id, name, ok]}}";
const ODATA: &str = "{filter: {dialect: odata, supportedColumns: ['*']}}";

/// The widgets of `acme`, with a filter expression or without.
fn db(server: &Server, pushdown: &str) -> Db {
    let paging = Paging::Page.document() + STATED_TOTAL;
    let service = widgets_service_with(&server.url(), &["page", "per_page", "color"], &paging, "$.items");
    Db::new(provider_dir("acme", "v1", &[("shop", &pushing(&service, pushdown))], "type: null_auth"))
}

/// A service whose list takes what `pushdown` says, if anything.
fn pushing(service: &str, pushdown: &str) -> String {
    if pushdown.is_empty() {
        return service.to_owned();
    }
    let said = format!("          config:\n            queryParamPushdown: {pushdown}\n            pagination:\n");
    edited(service, &[("          config:\n            pagination:\n", &said)])
}

/// A document with other words in it; each must be there.
fn edited(document: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(document.to_owned(), |document, (from, to)| {
        assert!(document.contains(from), "{from}");
        document.replacen(from, to, 1)
    })
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

const NAMES: [&str; 10] = ["alpha", "Alpha", "beta", "b_ta", "100%", "it's", "say \"hi\"", "ünï", "", "a\\b"];

fn rows(dice: &mut Dice, count: usize) -> Vec<Value> {
    (1..=count)
        .map(|id| {
            let name = NAMES.get(dice.roll(NAMES.len() + 1)).map_or(Value::Null, |name| json!(name));
            let ok = [json!(true), json!(false), Value::Null][dice.roll(3)].clone();
            json!({"id": id, "name": name, "ok": ok, "size": dice.roll(5)})
        })
        .collect()
}

fn predicate(dice: &mut Dice, depth: usize) -> String {
    if depth > 0 && dice.roll(3) > 0 {
        let (a, b) = (predicate(dice, depth - 1), predicate(dice, depth - 1));
        return match dice.roll(5) {
            0 | 1 => format!("({a} AND {b})"),
            2 | 3 => format!("({a} OR {b})"),
            _ => format!("NOT ({a})"),
        };
    }
    let name = NAMES[dice.roll(NAMES.len())].replace('\'', "''");
    let (n, m) = (dice.roll(60), dice.roll(60));
    match dice.roll(14) {
        0 => format!("name = '{name}'"),
        1 => format!("name IN ('{name}', 'beta', NULL)"),
        2 => format!("name LIKE '%{}%'", name.replace(['%', '_', '\\'], "")),
        3 => "name LIKE 'a_p%'".to_owned(),
        4 => format!("id > {n}"),
        5 => format!("{n} >= id"),
        6 => format!("id BETWEEN {} AND {}", n.min(m), n.max(m)),
        7 => "ok".to_owned(),
        8 => "NOT ok".to_owned(),
        9 => format!("size <= {}", n % 5),
        10 => "name IS NULL".to_owned(),
        11 => format!("name <> '{name}'"),
        12 => format!("lower(name) = '{}'", name.to_lowercase()),
        _ => format!("name ILIKE '%{}%'", name.replace(['%', '_', '\\'], "").to_uppercase()),
    }
}

/// Whether a row passes an `X-Filter`, in an API that compares text without regard to case.
fn passes(filter: &Value, row: &Value) -> bool {
    filter.as_object().unwrap().iter().all(|(key, value)| match key.as_str() {
        "+and" => value.as_array().unwrap().iter().all(|part| passes(part, row)),
        "+or" => value.as_array().unwrap().iter().any(|part| passes(part, row)),
        field => {
            let cell = &row[field];
            let text = |value: &Value| value.as_str().map(str::to_lowercase);
            match value {
                Value::Object(operators) => operators.iter().all(|(operator, wanted)| match operator.as_str() {
                    "+contains" => text(cell).is_some_and(|cell| cell.contains(&text(wanted).unwrap())),
                    "+gt" => cell.as_u64() > wanted.as_u64(),
                    "+gte" => cell.as_u64() >= wanted.as_u64(),
                    "+lt" => cell.as_u64() < wanted.as_u64(),
                    "+lte" => cell.as_u64() <= wanted.as_u64(),
                    other => panic!("{other}"),
                }),
                Value::String(_) => text(cell) == text(value),
                other => cell == other,
            }
        }
    })
}

fn filtering(rows: Vec<Value>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| {
        let left: Vec<Value> = match seen.header("x-filter") {
            Some(filter) => {
                let filter: Value = serde_json::from_str(filter).unwrap();
                rows.iter().filter(|row| passes(&filter, row)).cloned().collect()
            }
            None => rows.clone(),
        };
        paged(left, 20, 100, true)(seen)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_conditions_give_the_same_rows_with_the_filter_and_without() {
    let mut dice = Dice(7);
    let mut filtered = 0;
    for round in 0..4 {
        let server = Server::start(filtering(rows(&mut dice, 60))).await;
        let (mut pushing, mut plain) = (db(&server, X_FILTER), db(&server, ""));
        for _ in 0..30 {
            let sql = format!(
                "SELECT id, name, ok, size FROM acme.shop.widgets WHERE {} ORDER BY id",
                predicate(&mut dice, 2)
            );
            let from = server.requests().len();
            let told = pushing.rows(&sql).await;
            filtered += server.requests()[from..].iter().filter(|seen| seen.header("x-filter").is_some()).count();
            let untold = plain.rows(&sql).await;
            assert_eq!(told.rows, untold.rows, "round {round}: {sql}");
            assert_eq!(told.verdict(), untold.verdict(), "{sql}");
        }
    }
    assert!(filtered > 40, "{filtered}");
}

async fn told(server: &Server, db: &mut Db, condition: &str) -> Option<String> {
    let from = server.requests().len();
    db.rows(&format!("SELECT id FROM acme.shop.widgets WHERE {condition}")).await;
    let seen = &server.requests()[from];
    seen.header("x-filter").map(str::to_owned).or_else(|| seen.query_value("$filter"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_dialect_is_written_as_its_api_takes_it() {
    let server = Server::start(|seen| paged(Vec::new(), 20, 100, true)(seen)).await;
    let (mut x_filter, mut odata) = (db(&server, X_FILTER), db(&server, ODATA));
    for (condition, json, text) in [
        ("name = 'it''s'", Some(r#"{"name":"it's"}"#), Some("name eq 'it''s'")),
        ("id > 5 AND ok", Some(r#"{"+and":[{"id":{"+gt":5}},{"ok":true}]}"#), Some("(id gt 5) and (ok eq true)")),
        (
            "name LIKE 'a%' OR 7 >= id",
            Some(r#"{"+or":[{"name":{"+contains":"a"}},{"id":{"+lte":7}}]}"#),
            Some("(contains(name,'a')) or (id le 7)"),
        ),
        ("name = 'ü'", Some(r#"{"name":"\u00fc"}"#), Some("name eq 'ü'")),
        // What cannot be said is left out of an AND, and takes the whole OR with it.
        ("name = 'a' AND lower(name) = 'b'", Some(r#"{"name":"a"}"#), Some("name eq 'a'")),
        ("name = 'a' OR lower(name) = 'b'", None, None),
        ("name <> 'a'", None, None),
        ("name > 'a'", None, None),
        ("name ILIKE '%a%'", None, None),
        ("size > 1.5", None, None),
        ("created = '2024-01-01T00:00:00Z'", None, None),
        // A page of one's own is one of the whole list.
        ("page = 2 AND name = 'a'", None, None),
    ] {
        assert_eq!(told(&server, &mut x_filter, condition).await.as_deref(), json, "{condition}");
        assert_eq!(told(&server, &mut odata, condition).await.as_deref(), text, "{condition}");
    }
    let mut few =
        db(&server, "{filter: {dialect: x_filter, supportedColumns: [name], supportedOperators: ['+contains']}}");
    assert_eq!(told(&server, &mut few, "name = 'a'").await, None);
    assert_eq!(
        told(&server, &mut few, "ok AND name LIKE '%a%'").await.as_deref(),
        Some(r#"{"name":{"+contains":"a"}}"#)
    );
    for unused in
        ["{filter: {dialect: odata}}", "{filter: {dialect: custom, supportedColumns: [name]}}", "{top: {paramName: x}}"]
    {
        assert_eq!(told(&server, &mut db(&server, unused), "name = 'a'").await, None, "{unused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_stays_on_every_page_and_explain_shows_it() {
    let rows: Vec<Value> = (1..=450).map(|id| json!({"id": id, "name": "x", "ok": id % 2 == 0})).collect();
    let server = Server::start(filtering(rows)).await;
    let mut db = db(&server, X_FILTER);
    let answer = db.rows("SELECT id FROM acme.shop.widgets WHERE ok").await;
    assert_eq!((answer.rows.len(), answer.verdict(), answer.report.calls), (225, "complete", 3));
    assert!(server.requests().iter().all(|seen| seen.header("x-filter") == Some(r#"{"ok":true}"#)));
    let lines = db.rows("EXPLAIN SELECT id FROM acme.shop.widgets WHERE ok AND size > 2").await;
    let lines: Vec<&str> = lines.column(0).into_iter().map(str::trim).collect();
    assert!(lines.contains(&r#"filter: X-Filter: {"ok":true}"#), "{lines:#?}");
    assert!(lines.contains(&"reaches the API and is checked on the rows: ok"), "{lines:#?}");
}
