//! The tables of an engine in a `DataFusion` session of somebody else's.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};
use skyql::{Engine, ErrorKind, Verdict};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, widgets};
use crate::support::query::texts;
use crate::support::server::Server;

/// A session as other programs have it: several partitions, a table of its own, and our tables beside it.
async fn foreign(rows: u32) -> (SessionContext, Server) {
    let server = Server::start(paged(widgets(rows), 10, 10, true)).await;
    let dir = acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL));
    let engine = Engine::builder().providers_dir(dir.path()).build().unwrap();
    // Documents are read when they are asked for.
    engine.registry().service("acme", "shop").unwrap();
    let config = SessionConfig::new().with_target_partitions(4).with_information_schema(true);
    let builder = SessionStateBuilder::new().with_config(config).with_default_features();
    let ctx = SessionContext::new_with_state(skyql::install(builder, &engine).unwrap().build());
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![2, 3, 2, 4]));
    let notes: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
    ctx.register_batch("mine", RecordBatch::try_from_iter([("id", ids), ("note", notes)]).unwrap()).unwrap();
    (ctx, server)
}

async fn rows(ctx: &SessionContext, sql: &str) -> Vec<Vec<String>> {
    let frame = ctx.sql(sql).await.unwrap_or_else(|error| panic!("{sql}\n{error}"));
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{sql}\n{error}"));
    batches.iter().flat_map(texts).collect()
}

async fn error(ctx: &SessionContext, sql: &str) -> skyql::Error {
    let failed = match ctx.sql(sql).await {
        Ok(frame) => frame.collect().await.map(|rows| panic!("{sql}\n{rows:?}")).unwrap_err(),
        Err(error) => error,
    };
    skyql::scan::from_datafusion(&failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_queries_read_our_tables_beside_their_own() {
    let (ctx, server) = foreign(25).await;
    assert_eq!(rows(&ctx, "SELECT count(*), max(id) FROM acme.shop.widgets").await, [["25", "25"]]);
    assert_eq!(rows(&ctx, "SELECT note FROM mine WHERE id = 3").await, [["b"]]);
    let sent = server.requests().len();
    assert_eq!(rows(&ctx, "SELECT id FROM acme.shop.widgets WHERE id = '7'").await, [["7"]]);
    assert_eq!(server.requests()[sent].path, "/widgets/7");
    assert_eq!(rows(&ctx, "SELECT id FROM acme.shop.widgets ORDER BY id DESC LIMIT 2").await, [["25"], ["24"]]);
    let joined = "SELECT m.note, w.name FROM mine m JOIN acme.shop.widgets w ON w.id = m.id ORDER BY m.note";
    assert_eq!(rows(&ctx, joined).await.len(), 4);
    assert_eq!(rows(&ctx, "SELECT json_get_str('{\"a\": \"b\"}', 'a')").await, [["b"]]);
    assert!(!rows(&ctx, "SELECT * FROM acme.shop.widgets LIMIT 3").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_and_subqueries_bind_parameters() {
    let (ctx, server) = foreign(25).await;
    for sql in [
        "SELECT m.note, p.* FROM mine m JOIN acme.shop.parts p ON p.widget_id = m.id",
        "SELECT p.* FROM acme.shop.parts p, mine m WHERE p.widget_id = m.id",
    ] {
        let before = server.requests().len();
        let wanted = rows(&ctx, "SELECT * FROM acme.shop.parts WHERE widget_id = 2").await.len();
        let before_join = server.requests().len();
        assert_eq!(before_join - before, 1);
        let given = rows(&ctx, sql).await;
        assert!(given.len() > wanted, "{given:?}");
        let mut asked: Vec<String> = server.requests()[before_join..].iter().map(|seen| seen.path.clone()).collect();
        asked.sort();
        assert_eq!(asked, ["/widgets/2/parts", "/widgets/3/parts", "/widgets/4/parts"], "{sql}");
    }
    let semi = "SELECT count(*) FROM acme.shop.parts WHERE widget_id IN (SELECT id FROM mine WHERE note = 'b')";
    let before = server.requests().len();
    rows(&ctx, semi).await;
    assert_eq!(server.requests().len(), before + 1);
    // A parameter that nothing binds is an error, also where a join could only compare it with NULL.
    let error = error(&ctx, "SELECT m.id FROM mine m JOIN acme.shop.widgets w ON upper(w.color) = m.note").await;
    assert!(error.message().contains("`color`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_of_a_plan_share_a_report_and_a_budget() {
    let (ctx, server) = foreign(25).await;
    let sql = "SELECT id FROM acme.shop.widgets UNION ALL SELECT id FROM acme.shop.widgets";
    let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let batches = collect(Arc::clone(&plan), ctx.task_ctx()).await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 50);
    let report = skyql::scan::report_of(&plan).unwrap();
    assert_eq!((report.calls, report.verdict(), server.requests().len()), (6, Verdict::Complete, 6));
    let none = ctx.sql("SELECT 1").await.unwrap().create_physical_plan().await.unwrap();
    assert!(skyql::scan::report_of(&none).is_none());

    rows(&ctx, "SET skyql.max_calls = 4").await;
    let failed = error(&ctx, sql).await;
    assert_eq!(failed.kind(), ErrorKind::Budget, "{failed}");
    let shown = rows(&ctx, "SELECT value FROM information_schema.df_settings WHERE name = 'skyql.max_calls'").await;
    assert_eq!(shown, [["4"]]);
    for (sql, kind) in [
        ("SET skyql.max_call = 4", ErrorKind::NameNotFound),
        ("SET skyql.timestamps = 'typed'", ErrorKind::Unsupported),
    ] {
        assert_eq!(error(&ctx, sql).await.kind(), kind, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_writes_are_what_they_are() {
    let (ctx, server) = foreign(3).await;
    let failed = error(&ctx, "SELECT * FROM acme.shop.parts").await;
    assert_eq!(failed.kind(), ErrorKind::MissingParameter, "{failed}");
    for sql in ["DELETE FROM acme.shop.widgets", "INSERT INTO acme.shop.widgets (id) VALUES (1)"] {
        let failed = error(&ctx, sql).await;
        assert_ne!(failed.kind(), ErrorKind::Internal, "{failed:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_found_all_its_keys_is_complete_however_much_of_the_list_is_read() {
    for (sql, count, calls) in [
        ("SELECT a.id, b.name FROM acme.shop.widgets a JOIN acme.shop.widgets b ON b.id = a.id", 25, 6),
        // The first page holds all three keys.
        ("SELECT m.note, w.name FROM mine m JOIN acme.shop.widgets w ON w.id = m.id", 4, 1),
    ] {
        let (ctx, server) = foreign(25).await;
        let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let batches = collect(Arc::clone(&plan), ctx.task_ctx()).await.unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), count, "{sql}");
        let report = skyql::scan::report_of(&plan).unwrap();
        assert_eq!((report.verdict(), report.warnings.len()), (Verdict::Complete, 0), "{sql}: {:?}", report.warnings);
        assert_eq!(server.requests().len(), calls, "{sql}");
    }
}
