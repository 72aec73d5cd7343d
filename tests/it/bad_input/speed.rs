//! APIs that lie about how much there is, and that ask for time.

use super::*;
use crate::support::query::Db;

fn db(server: &Server) -> Db {
    Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)))
}

/// 250 widgets, of which the API says that there are so many.
async fn liar(said: usize) -> Server {
    Server::start(move |seen| {
        let page = seen.query_value("page").map_or(1, |page| page.parse::<usize>().unwrap());
        let all = widgets(250);
        let items: Vec<_> = all.into_iter().skip((page - 1) * 100).take(100).collect();
        Reply::json(200, json!({"items": items, "total": said}))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_is_wrong_is_never_a_complete_answer() {
    for (said, rows, calls) in [(1000, 250, 4..=11), (260, 250, 3..=4), (240, 250, 3..=3), (101, 200, 2..=2)] {
        let server = liar(said).await;
        let answer = db(&server).rows("SELECT id FROM acme.shop.widgets").await;
        assert_eq!((answer.rows.len(), answer.verdict()), (rows, "moved"), "{said}");
        assert!(calls.contains(&server.requests().len()), "{said}: {}", server.requests().len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_close_after_each_answer_are_opened_again() {
    let api = paged(widgets(450), 20, 100, true);
    let server = Server::start(move |seen| api(seen).header("connection", "close")).await;
    let answer = db(&server).rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!((answer.rows.len(), answer.verdict(), answer.report.calls), (450, "complete", 5));
    assert!((5..=7).contains(&server.connections()), "{}", server.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_waited_for_as_they_ask() {
    for header in [None, Some("Tue, 14 Nov 2023 22:00:00 GMT"), Some("2"), Some("soon")] {
        let calls = AtomicU64::new(0);
        let api = paged(widgets(30), 20, 100, true);
        let server = Server::start(move |seen| match calls.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => match header {
                Some(header) => Reply::json(429, json!({"error": "slow"})).header("Retry-After", header),
                None => Reply::json(429, json!({"error": "slow"})),
            },
            _ => api(seen),
        })
        .await;
        let answer = db(&server).rows("SELECT id FROM acme.shop.widgets").await;
        assert_eq!((answer.rows.len(), answer.report.calls, answer.report.retries), (30, 3, 2), "{header:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_is_waited_only_where_that_is_allowed() {
    let calls = AtomicU64::new(0);
    let api = paged(widgets(30), 20, 100, true);
    let server = Server::start(move |seen| match calls.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Reply::json(429, json!({"error": "slow"})).header("Retry-After", "3600"),
        _ => api(seen),
    })
    .await;
    let mut db = db(&server);
    let error = db.error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(server.requests().len(), 1);
    let mut db = db.set("max_wait", "2h");
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(answer.rows.len(), 30);
    assert!(answer.report.waited >= Duration::from_hours(1), "{:?}", answer.report.waited);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_under_way_lets_go_of_its_calls_at_once() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(100), 20, 100, true);
    let server =
        Server::start(move |seen| if seen.path.ends_with("/parts") { api(seen).gated(&held) } else { api(seen) }).await;
    let mut db = db(&server);
    let sql = "SELECT p.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id";
    let mut result = db.start(sql).await.unwrap();
    let reading = tokio::spawn(async move { result.read_all().await.map(|_| ()) });
    gate.arrivals(8).await;
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    server.idle().await;
}
