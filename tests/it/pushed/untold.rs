//! What an API is not told, because it would not be the same rows, because it cannot be sent, or because it saves nothing.

use serde_json::json;

use super::api::{Lie, Manner, api};
use super::order::{explain, order_of, rows, run};
use super::{ODATA, X_FILTER, db, edited, filtering, pushing, told};
use crate::support::documents::{Paging, STATED_TOTAL, paged, provider_dir, widgets_service_with};
use crate::support::query::Db;
use crate::support::server::{Reply, Server};

const COLOR: &str = "- {name: color, in: query, schema: {type: string}}";

/// The widgets of `acme` with other words in the service's document.
fn edited_db(server: &Server, pushdown: &str, edits: &[(&str, &str)]) -> Db {
    let paging = Paging::Page.document() + STATED_TOTAL;
    let service = widgets_service_with(&server.url(), &["page", "per_page", "color"], &paging, "$.items");
    let service = edited(&pushing(&service, pushdown), edits);
    Db::new(provider_dir("acme", "v1", &[("shop", &service)], "type: null_auth"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_the_query_gives_a_value_stays_whatever_its_case() {
    let server = Server::start(filtering(rows(150))).await;
    let own = [(COLOR, "- {name: x-filter, in: header, schema: {type: string}}")];
    let (mut pushes, mut plain) = (edited_db(&server, X_FILTER, &own), edited_db(&server, "", &own));
    let sql = r#"SELECT id FROM acme.shop.widgets WHERE "x-filter" = '{"ok":true}' AND name = 'w053'"#;
    let told = pushes.rows(sql).await;
    assert!(server.requests().iter().all(|seen| seen.header("x-filter") == Some(r#"{"ok":true}"#)));
    assert_eq!(told.rows, plain.rows(sql).await.rows);
    let lines = explain(&mut pushes, sql).await;
    assert!(!lines.iter().any(|line| line.starts_with("filter:")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("checked on the rows: \"name\" = 'w053'")), "{lines:#?}");
    // Where the query says nothing there, the API is told, under whatever name.
    let from = server.requests().len();
    pushes.rows("SELECT id FROM acme.shop.widgets WHERE name = 'w053'").await;
    assert_eq!(server.requests()[from].header("x-filter"), Some(r#"{"name":"w053"}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_document_sends_with_every_call_is_not_replaced() {
    let server = Server::start(filtering(rows(60))).await;
    let with = [(COLOR, r#"- {name: x-filter, in: header, schema: {type: string, default: '{"ok":true}'}}"#)];
    let sql = "SELECT id FROM acme.shop.widgets WHERE name LIKE 'w%' ORDER BY id";
    let told = edited_db(&server, X_FILTER, &with).rows(sql).await;
    assert_eq!(told.ids(), (1..=20).map(|n| n * 3).collect::<Vec<_>>());
    assert!(server.requests().iter().all(|seen| seen.header("x-filter") == Some(r#"{"ok":true}"#)));
    // Nor is a parameter of the same name elsewhere.
    let elsewhere = [(COLOR, "- {name: X-Filter, in: query, schema: {type: string}}")];
    let from = server.requests().len();
    let sql = r#"SELECT id FROM acme.shop.widgets WHERE "X-Filter" = 'mine' AND name LIKE 'w%'"#;
    edited_db(&server, X_FILTER, &elsewhere).rows(sql).await;
    let seen = &server.requests()[from];
    assert_eq!((seen.query_value("X-Filter").as_deref(), seen.header("x-filter")), (Some("mine"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_would_hide_what_does_not_fit_is_made_here() {
    let whole = [("size: {type: number}", "size: {type: integer}")];
    let mut all = rows(300);
    for (at, row) in all.iter_mut().enumerate() {
        row["size"] = json!(at);
    }
    all[250]["size"] = json!(u64::MAX);
    for (manner, order, is_told) in [
        // NULL here, and the last of all there.
        (Manner::OData, "size NULLS FIRST", false),
        (Manner::OData, "size NULLS FIRST, id DESC NULLS LAST", false),
        (Manner::OData, "ok NULLS FIRST, size NULLS FIRST", false),
        // Behind those that are wanted, here and there.
        (Manner::XFilter, "size", true),
        // The first of all, here and there.
        (Manner::XFilter, "size DESC", true),
    ] {
        let server = Server::start(api(manner, all.clone(), Lie::Nothing)).await;
        let sql = format!("SELECT size FROM acme.shop.widgets ORDER BY {order} LIMIT 3");
        let told = manner.edited_db(&server, manner.pushdown(), &whole).rows(&sql).await;
        let seen = server.requests();
        let untold = manner.edited_db(&server, "", &whole).rows(&sql).await;
        assert_eq!(told.rows, untold.rows, "{manner:?} {order}");
        assert_eq!(order_of(&seen[0]).is_some(), is_told, "{manner:?} {order}");
        assert_eq!(seen.len() == 1, is_told, "{manner:?} {order}");
        let is_seen = told.rows.iter().any(|row| row[0].parse::<u64>().is_err());
        assert_eq!(told.warned().contains(&"misfit"), is_seen || !is_told, "{:?}", told.warnings());
    }
    // The document's word that there is no NULL is none for values that do not fit.
    let never = "{orderBy: {dialect: x_filter, supportedColumns: [size], nulls: none}}";
    let server = Server::start(api(Manner::XFilter, all.clone(), Lie::Nothing)).await;
    for (order, is_told) in [("size NULLS FIRST", false), ("size DESC", true), ("size", true)] {
        let from = server.requests().len();
        let sql = format!("SELECT size FROM acme.shop.widgets ORDER BY {order} LIMIT 3");
        let told = Manner::XFilter.edited_db(&server, never, &whole).rows(&sql).await;
        assert_eq!(order_of(&server.requests()[from]).is_some(), is_told, "{order}");
        assert_eq!(told.rows, Manner::XFilter.edited_db(&server, "", &whole).rows(&sql).await.rows, "{order}");
    }
    // Where WHERE leaves no NULL, nothing is hidden.
    let server = Server::start(api(Manner::OData, all, Lie::Nothing)).await;
    let sql = "SELECT size FROM acme.shop.widgets WHERE size IS NOT NULL ORDER BY size NULLS FIRST LIMIT 3";
    let told = Manner::OData.edited_db(&server, Manner::OData.pushdown(), &whole).rows(sql).await;
    assert_eq!((told.column(0), server.requests().len()), (vec!["0", "1", "2"], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_flags_is_ordered_here() {
    for order in ["ok", "ok DESC", "ok, id"] {
        let server = Server::start(api(Manner::XFilter, rows(300), Lie::Nothing)).await;
        let sql = format!("SELECT ok FROM acme.shop.widgets ORDER BY {order} LIMIT 3");
        let (_, seen) = run(&server, Manner::XFilter, &sql).await;
        assert!(seen.iter().all(|seen| order_of(seen).is_none()), "{order}");
        assert_eq!(seen.len(), 3, "{order}");
        let lines = explain(&mut Manner::XFilter.db(&server, Manner::XFilter.pushdown()), &sql).await;
        assert!(lines.iter().any(|line| line.ends_with("it has too few values to show an order")), "{lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_no_request_has_room_for_are_left_to_the_rows() {
    let names: Vec<String> = (1..=1000).map(|n| format!("'a rather long name {n}'")).collect();
    let condition = format!("ok AND name IN ('w053', {}) AND id < 200", names.join(", "));
    let server =
        Server::start(|seen| match seen.path_and_query().len() + seen.header("x-filter").map_or(0, str::len) {
            0..8000 => filtering(rows(150))(seen),
            _ => Reply::json(431, json!({"message": "too large"})),
        })
        .await;
    let both = r#"{"+and":[{"ok":true},{"id":{"+lt":200}}]}"#;
    assert_eq!(told(&server, &mut db(&server, X_FILTER), &condition).await.as_deref(), Some(both));
    let text = Some("(ok eq true) and (id lt 200)");
    assert_eq!(told(&server, &mut db(&server, ODATA), &condition).await.as_deref(), text);
    let sql = format!("SELECT id FROM acme.shop.widgets WHERE {condition}");
    assert_eq!(db(&server, X_FILTER).rows(&sql).await.rows, db(&server, "").rows(&sql).await.rows);
    let lines = explain(&mut db(&server, X_FILTER), &sql).await;
    let said = lines.iter().find(|line| line.starts_with("checked on the rows: \"name\" IN")).unwrap();
    assert!(said.ends_with("(what the API would be told of it is too long for a request)"), "{said}");
    // Many that are short by themselves: as many as there is room for.
    let many: Vec<String> = (0..60).map(|n| format!("name LIKE '%{n} of {}%'", "x".repeat(90))).collect();
    let filter = told(&server, &mut db(&server, X_FILTER), &many.join(" AND ")).await.unwrap();
    assert!((2000..=4200).contains(&filter.len()), "{}", filter.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_are_no_text_for_odata_are_not_sent_as_text() {
    let server = Server::start(|seen| paged(Vec::new(), 20, 100, true)(seen)).await;
    let typed = "day: {type: string, format: date}\n        uid: {type: string, format: uuid}\n        \
                 mail: {type: string, format: email}\n        span: {type: string, format: duration}\n        \
                 data: {type: string, format: byte}\n        name: {type: string}";
    let edits = [("name: {type: string}", typed)];
    let any = "{filter: {dialect: x_filter, supportedColumns: ['*']}}";
    let (mut odata, mut x_filter) = (edited_db(&server, ODATA, &edits), edited_db(&server, any, &edits));
    let uid = "00000000-0000-4000-8000-00000000000f";
    for (condition, text, json) in [
        ("day = '2024-06-01'", Some("day eq 2024-06-01"), r#"{"day":"2024-06-01"}"#.to_owned()),
        ("day = '2024-06-31'", None, r#"{"day":"2024-06-31"}"#.to_owned()),
        ("day LIKE '2024%'", None, r#"{"day":{"+contains":"2024"}}"#.to_owned()),
        (&format!("uid = '{uid}'"), Some(&*format!("uid eq {uid}")), json!({"uid": uid}).to_string()),
        ("uid = 'x'' or 1 eq 1'", None, r#"{"uid":"x' or 1 eq 1"}"#.to_owned()),
        ("mail = 'a@b'", Some("mail eq 'a@b'"), r#"{"mail":"a@b"}"#.to_owned()),
        ("span = 'P1D'", None, r#"{"span":"P1D"}"#.to_owned()),
        ("data = 'AAAA'", None, r#"{"data":"AAAA"}"#.to_owned()),
    ] {
        assert_eq!(told(&server, &mut odata, condition).await.as_deref(), text, "{condition}");
        assert_eq!(told(&server, &mut x_filter, condition).await.as_deref(), Some(&*json), "{condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_without_a_word_for_and_or_or_gets_neither() {
    let server = Server::start(|seen| paged(Vec::new(), 20, 100, true)(seen)).await;
    let with = |dialect: &str, operators: &str| {
        let pushdown =
            format!("{{filter: {{dialect: {dialect}, supportedColumns: ['*'], supportedOperators: [{operators}]}}}}");
        db(&server, &pushdown)
    };
    let (either, both) = ("name = 'db' OR name = 'web'", "name = 'db' AND id > 5");
    let between = "id BETWEEN 3 AND 5 AND (ok OR name = 'db')";
    for (dialect, operators, condition, filter) in [
        ("odata", "eq, gt", either, None),
        ("odata", "eq, gt", both, Some("name eq 'db'")),
        ("odata", "eq, gt, or", either, Some("(name eq 'db') or (name eq 'web')")),
        ("odata", "eq, ge, le, or", between, Some("id ge 3")),
        ("x_filter", "'+eq', '+gt'", either, None),
        ("x_filter", "'+eq', '+gt'", both, Some(r#"{"name":"db"}"#)),
        ("x_filter", "'+eq', '+gt', '+and'", both, Some(r#"{"+and":[{"name":"db"},{"id":{"+gt":5}}]}"#)),
        ("x_filter", "'+eq', '+or'", either, Some(r#"{"+or":[{"name":"db"},{"name":"web"}]}"#)),
    ] {
        let mut db = with(dialect, operators);
        assert_eq!(told(&server, &mut db, condition).await.as_deref(), filter, "{dialect} {operators}: {condition}");
    }
    let lines = explain(&mut with("odata", "eq, gt"), &format!("SELECT id FROM acme.shop.widgets WHERE {both}")).await;
    assert!(lines.iter().any(|line| line.starts_with("checked on the rows: id > 5")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_no_header_holds_does_not_fail_the_statement() {
    let server = Server::start(|seen| paged(Vec::new(), 20, 100, true)(seen)).await;
    let condition = "name = 'x\u{7f}y' AND ok";
    let json = r#"{"+and":[{"name":"x\u007fy"},{"ok":true}]}"#;
    assert_eq!(told(&server, &mut db(&server, X_FILTER), condition).await.as_deref(), Some(json));
    let in_header = "{filter: {dialect: odata, location: header, paramName: X-Filter, supportedColumns: ['*']}}";
    for text in ["x\u{7f}y", "ü", "a\nb"] {
        let condition = format!("name = '{text}' AND ok");
        assert_eq!(told(&server, &mut db(&server, in_header), &condition).await.as_deref(), Some("ok eq true"));
    }
}
