//! The same call once, answers kept across statements, and budgets.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use skyql::{Engine, ErrorKind};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, provider_dir, widgets, widgets_service};
use crate::support::query::{Db, ImpatientClock};
use crate::support::server::{Gate, Reply, Server};

fn db(server: &Server) -> Db {
    Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)))
}

async fn shop(count: u32) -> Server {
    Server::start(paged(widgets(count), 20, 100, true)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_calls_of_one_statement_are_one_call() {
    for (sql, calls, shared) in [
        // A self-join over three pages.
        ("SELECT a.id, b.name FROM acme.shop.widgets a JOIN acme.shop.widgets b ON a.name = b.name ORDER BY 1", 3, 3),
        (
            "WITH w AS (SELECT id, size FROM acme.shop.widgets) \
             SELECT x.id, y.size FROM w x JOIN w y ON x.id + 0 = y.id + 0 ORDER BY 1",
            3,
            3,
        ),
        (
            "SELECT id, size FROM acme.shop.widgets WHERE ok UNION ALL \
             SELECT id, size FROM acme.shop.widgets WHERE NOT ok ORDER BY 1",
            3,
            3,
        ),
        // Three readers.
        (
            "SELECT id, size FROM acme.shop.widgets WHERE id < 50 UNION ALL SELECT id, size FROM acme.shop.widgets \
             WHERE id BETWEEN 50 AND 99 UNION ALL SELECT id, size FROM acme.shop.widgets WHERE id > 99 ORDER BY 1",
            3,
            6,
        ),
    ] {
        let server = shop(250).await;
        let answer = db(&server).rows(sql).await;
        assert_eq!(answer.ids(), (1..=250).collect::<Vec<_>>(), "{sql}");
        assert_eq!(server.requests().len(), calls, "{sql}\n{:?}", server.requests());
        assert_eq!((answer.report.calls, answer.report.shared), (calls as u64, shared), "{sql}");
        assert_eq!(answer.verdict(), "complete", "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_two_joins_ask_for_are_asked_for_once() {
    let server = shop(5).await;
    let sql = "WITH p AS (SELECT w.id AS w, p.id AS part FROM acme.shop.widgets w \
               JOIN acme.shop.parts p ON p.widget_id = w.id) \
               SELECT w, part FROM p WHERE w < 4 UNION ALL SELECT w, part FROM p WHERE w >= 4 ORDER BY 2";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.column(1), ["11", "21", "22", "41", "51", "52"]);
    // One list and one call for each widget.
    assert_eq!(server.requests().len(), 6, "{:?}", server.requests());
    let sql = "SELECT a.id, b.id FROM acme.shop.parts a JOIN acme.shop.parts b ON a.id = b.id \
               WHERE a.widget_id = 2 AND b.widget_id IN (1, 2) ORDER BY 1";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows, [["21", "21"], ["22", "22"]]);
    assert_eq!(server.requests().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn different_calls_and_other_statements_share_nothing() {
    let server = shop(3).await;
    let mut db = db(&server);
    let sql = "SELECT id FROM acme.shop.widgets WHERE color = 'red' UNION ALL \
               SELECT id FROM acme.shop.widgets WHERE color = 'green' ORDER BY 1";
    assert_eq!(db.rows(sql).await.report.shared, 0);
    assert_eq!(server.requests().len(), 2);
    for _ in 0..2 {
        db.rows("SELECT id FROM acme.shop.widgets").await;
    }
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_while_it_asks_is_succeeded() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::start(move |seen| paged(widgets(30), 20, 100, true)(seen).gated(&held)).await;
    let mut db = db(&server);
    let sql = "SELECT id FROM acme.shop.widgets a UNION ALL SELECT id FROM acme.shop.widgets b";
    let result = db.start(sql).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut result = result;
        result.read_all().await
    });
    gate.arrived().await;
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    server.idle().await;
    gate.open();
    assert_eq!(db.rows(&format!("{sql} ORDER BY 1")).await.rows.len(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_a_shared_call_fails_the_statement() {
    let server = Server::start(|_| Reply::json(403, json!({"error": "no"}))).await;
    let sql = "SELECT id FROM acme.shop.widgets UNION ALL SELECT id FROM acme.shop.widgets";
    assert_eq!(db(&server).error(sql).await.kind(), ErrorKind::Auth);
    let mut db = db(&server).set("on_partial", "warn");
    let error = db.run(sql).await;
    assert!(error.is_err() || error.is_ok_and(|answer| answer.verdict() == "failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_kept_only_where_asked_and_only_so_long() {
    let server = shop(150).await;
    let clock = Arc::new(ImpatientClock::default());
    let documents = acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL));
    let shared: skyql::clock::SharedClock = Arc::clone(&clock) as _;
    let engine = Engine::builder().providers_dir(documents.path()).clock(shared).build().unwrap();
    let mut session = engine.session();
    let sql = "SELECT id FROM acme.shop.widgets";
    let run = async |session: &mut skyql::Session| {
        let mut result = session.sql(sql).await.unwrap();
        let rows: usize = result.read_all().await.unwrap().iter().map(arrow::array::RecordBatch::num_rows).sum();
        assert_eq!(rows, 150);
        result.report()
    };
    run(&mut session).await;
    session.sql("SET cache = '5m'").await.unwrap();
    // Nothing was kept before it was asked for.
    let first = run(&mut session).await;
    assert_eq!((first.calls, first.cached), (2, 0));
    skyql::clock::Clock::sleep(&*clock, Duration::from_secs(34)).await;
    let second = run(&mut session).await;
    assert_eq!((second.calls, second.cached), (0, 2));
    let age = second.cached_age.unwrap();
    assert!((Duration::from_secs(34)..Duration::from_mins(1)).contains(&age), "{age:?}");
    assert!(second.footer().contains("2 answers kept, up to 3"), "{}", second.footer());
    assert_eq!(second.verdict().name(), "complete");
    // Another session of the engine may use them too, where it wants to.
    let mut other = engine.session();
    assert_eq!(run(&mut other).await.calls, 2);
    other.sql("SET cache = '1m'").await.unwrap();
    assert_eq!(run(&mut other).await.calls, 0);
    skyql::clock::Clock::sleep(&*clock, Duration::from_mins(2)).await;
    assert_eq!(run(&mut other).await.calls, 2);
    session.sql("SET cache = 'off'").await.unwrap();
    assert_eq!(run(&mut session).await.calls, 2);
    assert_eq!(server.requests().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_answers_are_of_one_credential() {
    let server = shop(3).await;
    let service = widgets_service(&server.url(), "", "$.items");
    let auth = "type: bearer\ncredentialsenvvar: ACME_TOKEN";
    let documents = provider_dir("acme", "v1", &[("shop", &service)], auth);
    let mut sessions = Vec::new();
    for token in ["one", "two"] {
        let env = skyql::Env::empty().with("ACME_TOKEN", token);
        let engine = Engine::builder().providers_dir(documents.path()).env(env).build().unwrap();
        let mut session = engine.session();
        session.settings_mut().set("cache", "1h").unwrap();
        sessions.push(session);
    }
    for (at, calls) in [(0, 1), (1, 1), (0, 0), (1, 0)] {
        let mut result = sessions[at].sql("SELECT id FROM acme.shop.widgets").await.unwrap();
        result.read_all().await.unwrap();
        assert_eq!(result.report().calls, calls);
    }
    let tokens: Vec<_> =
        server.requests().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["Bearer one", "Bearer two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_with_credentials_of_their_own_share_no_answer() {
    let server = shop(3).await;
    let service = widgets_service(&server.url(), "", "$.items");
    let documents = |name: &str, variable: &str| {
        let auth = format!("type: bearer\ncredentialsenvvar: {variable}");
        provider_dir(name, "v1", &[("shop", &service)], &auth)
    };
    let (first, second) = (documents("acme", "ACME_TOKEN"), documents("other", "OTHER_TOKEN"));
    let env = skyql::Env::empty().with("ACME_TOKEN", "one").with("OTHER_TOKEN", "two");
    let engine = Engine::builder().providers_dir(first.path()).providers_dir(second.path()).env(env).build().unwrap();
    let mut db = Db::over(&engine).set("cache", "1h");
    for (table, calls) in [("acme", 1), ("other", 1), ("acme", 0), ("other", 0)] {
        let answer = db.rows(&format!("SELECT id FROM {table}.shop.widgets")).await;
        assert_eq!(answer.report.calls, calls, "{table}");
    }
    let both = "SELECT a.id FROM acme.shop.widgets a JOIN other.shop.widgets b ON a.name = b.name";
    assert_eq!(Db::over(&engine).rows(both).await.report.calls, 2, "within one statement neither");
    let tokens: Vec<_> =
        server.requests().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens.iter().filter(|token| *token == "Bearer two").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_answer_is_not_kept() {
    let calls = AtomicU64::new(0);
    let server = Server::start(move |seen| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::json(403, json!({"error": "not yet"})),
        1 => Reply::text(200, "text/html", "<h1>please log in</h1>"),
        _ => paged(widgets(3), 20, 100, true)(seen),
    })
    .await;
    let mut db = db(&server).set("cache", "1h");
    db.error("SELECT id FROM acme.shop.widgets").await;
    db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(db.rows("SELECT id FROM acme.shop.widgets").await.report.calls, 1);
    assert_eq!(db.rows("SELECT id FROM acme.shop.widgets").await.report.calls, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_rows_gives_as_many_and_says_so() {
    let server = shop(250).await;
    let mut db = db(&server).set("max_rows", "120");
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert_eq!(error.message(), "stopped after 120 rows");
    assert_eq!(error.context_value("rows"), Some("120"));
    let mut result = db.start("SELECT id FROM acme.shop.widgets").await.unwrap();
    let mut given = 0;
    while let Some(Ok(batch)) = futures::StreamExt::next(&mut result).await {
        given += batch.num_rows();
    }
    assert_eq!((given, result.report().rows), (120, 120));
    // Exactly as many as are allowed are a whole answer, and what is counted here is no row of the answer.
    assert_eq!(db.rows("SELECT id FROM acme.shop.widgets WHERE id <= 120").await.rows.len(), 120);
    assert_eq!(db.rows("SELECT count(*) FROM acme.shop.widgets").await.ids(), [250]);
    let mut db = db.set("max_rows", "none");
    assert_eq!(db.rows("SELECT id FROM acme.shop.widgets").await.rows.len(), 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_seconds_stops_a_query_that_waits() {
    let server = Server::start(|seen| {
        if seen.query_value("page").is_none() { paged(widgets(250), 20, 100, true)(seen) } else { Reply::hang() }
    })
    .await;
    let mut db = db(&server).set("max_seconds", "30");
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Budget, "stopped after 30 seconds"), "{error}");
    server.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn max_seconds_stops_a_query_that_only_computes() {
    let server = shop(10).await;
    let mut db = db(&server).set("max_seconds", "1");
    for text in [
        // Few rows of many pairs, many rows of few, all pairs, and lists that become rows.
        "SELECT count(*) FROM generate_series(1, 20000) a, generate_series(1, 2000) b WHERE a.value + b.value = 7",
        "SELECT count(*) FROM generate_series(1, 4000) a JOIN generate_series(1, 4000) b ON a.value % 2 = b.value % 2",
        "SELECT count(*) FROM generate_series(1, 4000) a CROSS JOIN generate_series(1, 4000) b",
        "SELECT count(*) FROM (SELECT unnest(range(value, value + 2000)) FROM generate_series(1, 5000))",
    ] {
        let error = db.error(text).await;
        assert_eq!((error.kind(), error.message()), (ErrorKind::Budget, "stopped after 1 second"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_in_pieces_gives_the_rows_of_the_join() {
    let server = shop(10).await;
    let mut db = db(&server);
    // Each of a goes with the b below its tenth, but for those above 2900.
    let join = |kind: &str| {
        format!(
            "SELECT count(*), count(a.value), sum(a.value), count(b.value), sum(b.value) FROM generate_series(1, 3000) a \
             {kind} JOIN generate_series(1, 9000) b ON a.value > b.value * 10 AND a.value <= 2900"
        )
    };
    let (mut inner, mut lonely) = ([0_u64; 3], [0_u64; 2]);
    for a in 1..=3000_u64 {
        let below = if a > 2900 { 0 } else { (a - 1) / 10 };
        inner = [inner[0] + below, inner[1] + a * below, inner[2] + below * (below + 1) / 2];
        lonely = if below == 0 { [lonely[0] + 1, lonely[1] + a] } else { lonely };
    }
    let [pairs, of_a, of_b] = inner;
    let (b_alone, sum_b_alone) = (9000 - 289, (290..=9000).sum::<u64>());
    let text = |values: [u64; 5]| values.map(|value| value.to_string()).to_vec();
    let left = text([pairs + lonely[0], pairs + lonely[0], of_a + lonely[1], pairs, of_b]);
    let right = text([pairs + b_alone, pairs, of_a, pairs + b_alone, of_b + sum_b_alone]);
    let full =
        text([pairs + lonely[0] + b_alone, pairs + lonely[0], of_a + lonely[1], pairs + b_alone, of_b + sum_b_alone]);
    assert_eq!(db.rows(&join("INNER")).await.rows, [text([pairs, pairs, of_a, pairs, of_b])]);
    assert_eq!(db.rows(&join("LEFT")).await.rows, [left]);
    assert_eq!(db.rows(&join("RIGHT")).await.rows, [right]);
    assert_eq!(db.rows(&join("FULL")).await.rows, [full]);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_calls_says_how_far_it_got() {
    let server = shop(1000).await;
    let mut db = db(&server).set("max_calls", "4");
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Budget, "stopped after 4 calls"));
    let rows: u64 = error.context_value("rows").unwrap().parse().unwrap();
    assert!((100..=400).contains(&rows), "{error}");
    assert_eq!(error.context_value("calls"), Some("4"));
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_empties_the_cache_of_its_provider_and_looks_anew() {
    let server = Server::start(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/v4/images") => {
            let image = json!({"id": "private/1", "label": "a", "created": "2020-01-01T00:00:00", "is_public": false});
            Reply::json(200, json!({"data": [image], "page": 1, "pages": 1, "results": 1}))
        }
        ("GET", _) => Reply::json(200, json!({"data": [], "page": 1, "pages": 1, "results": 0})),
        _ => Reply::json(200, json!({})),
    })
    .await;
    let env = skyql::Env::empty().with("LINODE_TOKEN", "t");
    let builder = Engine::builder().no_journal().env(env).base_url("linode", &server.url());
    let mut db = Db::of(builder).set("cache", "1h").set("confirm", "never");
    let (images, volumes) = ("SELECT id FROM linode.images.images", "SELECT id FROM linode.volumes.volumes");
    for (sql, calls) in [(images, 1), (volumes, 1), (images, 0), (volumes, 0)] {
        assert_eq!(db.rows(sql).await.report.calls, calls, "{sql}");
    }
    // The look at what a DELETE is about is never a kept answer.
    let before = server.requests().len();
    db.run("DELETE FROM linode.images.images WHERE label LIKE 'a%'").await.unwrap();
    let sent: Vec<_> = server.requests()[before..].iter().map(|seen| seen.method.clone()).collect();
    assert_eq!(sent, ["GET", "DELETE"]);
    for (sql, calls) in [(images, 1), (volumes, 1), (images, 0)] {
        assert_eq!(db.rows(sql).await.report.calls, calls, "{sql}");
    }
}

/// An engine over a list without a total, in pages of 20, on a clock that is moved by hand; `rows` says what the list holds.
fn moving(server: &Server, clock: &Arc<ImpatientClock>) -> (tempfile::TempDir, skyql::Session) {
    let documents = acme_dir(&server.url(), &Paging::Page.document());
    let shared: skyql::clock::SharedClock = Arc::clone(clock) as _;
    let engine = Engine::builder().providers_dir(documents.path()).clock(shared).build().unwrap();
    let mut session = engine.session();
    session.settings_mut().set("cache", "5m").unwrap();
    (documents, session)
}

async fn read(session: &mut skyql::Session, sql: &str) -> (Vec<String>, skyql::QueryReport) {
    let mut result = session.sql(sql).await.unwrap();
    let batches = result.read_all().await.unwrap();
    (batches.iter().flat_map(crate::support::query::texts).flatten().collect(), result.report())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_list_are_of_one_time() {
    let clock = Arc::new(ImpatientClock::default());
    let (ticking, calls) = (Arc::clone(&clock), AtomicU64::new(0));
    let server = Server::start(move |seen| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        if call == 1 {
            // Page 2 takes its time.
            ticking.advance(Duration::from_secs(30));
        }
        // Three pages of the first scan; then there is a row on top.
        let mut rows = widgets(40);
        if call > 2 {
            rows.insert(0, json!({"id": 99, "name": "new"}));
        }
        paged(rows, 20, 20, false)(seen)
    })
    .await;
    let (_documents, mut session) = moving(&server, &clock);
    let all = "SELECT id FROM acme.shop.widgets";
    let (rows, first) = read(&mut session, all).await;
    assert_eq!((rows.len(), first.calls), (40, 3));
    clock.advance(Duration::from_secs(280));
    // Page 1 is too old, and with it all that belongs to it.
    let (rows, second) = read(&mut session, all).await;
    let expected: Vec<String> = [99].into_iter().chain(1..=40).map(|id| id.to_string()).collect();
    assert_eq!((rows, second.calls, second.cached), (expected, 4, 0));
    assert_eq!(second.verdict().name(), "complete");
    // What belongs together is as old as its first page.
    clock.advance(Duration::from_secs(200));
    let (rows, third) = read(&mut session, all).await;
    assert_eq!((rows.len(), third.calls, third.cached, third.verdict().name()), (41, 0, 4, "complete"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_empties_the_cache_of_all_that_is_at_its_origin() {
    let api = paged(widgets(3), 20, 100, true);
    let server = Server::start(move |seen| match seen.method.as_str() {
        "DELETE" => Reply::json(200, json!({})),
        _ => api(seen),
    })
    .await;
    let other = Server::start(paged(widgets(3), 20, 100, true)).await;
    let documents = acme_dir(&server.url(), "kind: none");
    let elsewhere =
        provider_dir("zenith", "v1", &[("shop", &widgets_service(&other.url(), "kind: none", "$.items"))], "");
    std::fs::rename(elsewhere.path().join("zenith"), documents.path().join("zenith")).unwrap();
    let mut db = Db::with(documents, |builder| {
        let env = skyql::Env::empty().with("LINODE_TOKEN", "t");
        builder.no_journal().env(env).base_url("linode", &server.url())
    });
    db = db.set("cache", "1h").set("confirm", "never");
    let (here, there) = ("SELECT id FROM acme.shop.widgets", "SELECT id FROM zenith.shop.widgets");
    for (sql, calls) in [(here, 1), (there, 1), (here, 0), (there, 0)] {
        assert_eq!(db.rows(sql).await.report.calls, calls, "{sql}");
    }
    // Another document's write to the same API.
    db.run("DELETE FROM linode.images.images WHERE image_id = 'private/1'").await.unwrap();
    assert!(server.requests().iter().any(|seen| seen.method == "DELETE"));
    for (sql, calls) in [(here, 1), (there, 0), (here, 0)] {
        assert_eq!(db.rows(sql).await.report.calls, calls, "{sql}");
    }
}
