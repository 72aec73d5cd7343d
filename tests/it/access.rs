//! The way to a table's rows: a list once, or one call per key, whichever is fewer calls.

use serde_json::{Value, json};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, list_api, paged, widgets};
use crate::support::query::{Db, NULL, next_texts, texts};
use crate::support::server::{Gate, Seen, Server};

fn db(server: &Server) -> Db {
    Db::new(acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL)))
}

async fn shop(count: u32) -> Server {
    Server::start(paged(widgets(count), 20, 100, true)).await
}

/// How many lists and how many single widgets were asked for since request number `from`.
fn asked(server: &Server, from: usize) -> (usize, usize) {
    let paths = &server.paths()[from..];
    let lists = paths.iter().filter(|path| *path == "/widgets").count();
    (lists, paths.len() - lists)
}

fn values(keys: impl IntoIterator<Item = u32>) -> String {
    keys.into_iter().map(|key| format!("({key})")).collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_or_two_are_asked_for_and_the_list_is_left_alone() {
    let server = shop(1000).await;
    let mut db = db(&server);
    for sql in [
        "SELECT w.id FROM (VALUES (700), (3)) k(n) JOIN acme.shop.widgets w ON w.id = k.n ORDER BY 1",
        "SELECT w.id FROM acme.shop.widgets w JOIN (VALUES (700), (3)) k(n) ON w.id = k.n ORDER BY 1",
        "SELECT w.id FROM acme.shop.widgets w, (VALUES (700), (3)) k(n) WHERE w.id = k.n ORDER BY 1",
        "SELECT id FROM acme.shop.widgets WHERE id IN (SELECT n FROM (VALUES (700), (3), (700)) k(n)) ORDER BY 1",
        "SELECT w.id FROM (VALUES ('700'), ('3')) k(n) JOIN acme.shop.widgets w ON w.id = CAST(k.n AS BIGINT) ORDER BY 1",
    ] {
        let from = server.requests().len();
        let answer = db.rows(sql).await;
        assert_eq!(answer.ids(), [3, 700], "{sql}");
        assert_eq!(asked(&server, from), (0, 2), "{sql}");
        assert_eq!(answer.verdict(), "complete", "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_of_a_short_list_are_one_scan() {
    let server = shop(250).await;
    let keys = values((51..=250).rev());
    let sql =
        format!("SELECT w.id, w.name FROM (VALUES {keys}) k(n) JOIN acme.shop.widgets w ON w.id = k.n ORDER BY 1");
    let answer = db(&server).rows(&sql).await;
    assert_eq!(answer.ids(), (51..=250).collect::<Vec<_>>());
    assert_eq!(answer.column(1)[199], "widget-0250");
    // Three pages: the first says that two more are fewer than the 100 keys it did not hold.
    assert_eq!(asked(&server, 0), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_keys_of_a_long_list_cost_one_look_at_it_at_most() {
    let server = shop(2000).await;
    let mut db = db(&server);
    let sql =
        "SELECT w.id FROM (VALUES (5), (700), (1900), (1300)) k(n) JOIN acme.shop.widgets w ON w.id = k.n ORDER BY 1";
    assert_eq!(db.rows(sql).await.ids(), [5, 700, 1300, 1900]);
    // The first page tells of twenty, and holds one of the keys.
    assert_eq!(asked(&server, 0), (1, 3));
    let from = server.requests().len();
    assert_eq!(db.rows(sql).await.ids(), [5, 700, 1300, 1900]);
    // How long the list is, is remembered.
    assert_eq!(asked(&server, from), (0, 4));
    let from = server.requests().len();
    let sql = format!("SELECT count(*) FROM (VALUES {}) k(n) JOIN acme.shop.widgets w ON w.id = k.n", values(1..=40));
    assert_eq!(db.rows(&sql).await.ids(), [40]);
    // Twenty pages are fewer than forty keys, but the first page has them all.
    assert_eq!(asked(&server, from), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_total_the_list_is_read_while_it_may_spare_calls() {
    let server = Server::start(list_api(Paging::Cursor, widgets(2000), 20, 100, false)).await;
    let mut db = Db::new(acme_dir(&server.url(), &Paging::Cursor.document()));
    let sql = format!(
        "SELECT w.id FROM (VALUES {}) k(n) JOIN acme.shop.widgets w ON w.id = k.n ORDER BY 1",
        values([50, 150, 1901, 1902, 1903, 1904])
    );
    assert_eq!(db.rows(&sql).await.ids(), [50, 150, 1901, 1902, 1903, 1904]);
    // Four pages were read while they were fewer than the keys still looked for.
    let (lists, gets) = asked(&server, 0);
    assert!((4..=5).contains(&lists) && gets == 4, "{lists} {gets}");
    let server = Server::start(list_api(Paging::Cursor, widgets(150), 20, 100, false)).await;
    let mut db = Db::new(acme_dir(&server.url(), &Paging::Cursor.document()));
    let sql = sql.replace("1901", "51").replace("1902", "151");
    assert_eq!(db.rows(&sql).await.ids(), [50, 51, 150]);
    assert_eq!(asked(&server, 0), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_give_the_same_rows() {
    let keys = "(VALUES (7, 'a'), (NULL, 'b'), (3, 'c'), (999, 'd'), (7, 'e'), (NULL, 'f')) AS k(n, tag)";
    let expected = [["c", "3"], ["a", "7"], ["e", "7"]];
    let left: Vec<[&str; 2]> = vec![["b", NULL], ["d", NULL], ["f", NULL]];
    // A short list is listed, a long one is not.
    for (count, listed) in [(20, true), (5000, false)] {
        let server = shop(count).await;
        let mut db = db(&server);
        let sql = format!("SELECT k.tag, w.id FROM {keys} JOIN acme.shop.widgets w ON w.id = k.n ORDER BY 2, 1");
        let answer = db.rows(&sql).await;
        let mut whole = expected.to_vec();
        if count >= 999 {
            whole.push(["d", "999"]);
        }
        assert_eq!(answer.rows, whole);
        let from = server.requests().len();
        let sql = format!("SELECT k.tag, w.id FROM {keys} LEFT JOIN acme.shop.widgets w ON w.id = k.n ORDER BY 2, 1");
        let answer = db.rows(&sql).await;
        let nulls = left.iter().filter(|row| count < 999 || row[0] != "d").copied();
        assert_eq!(answer.rows, whole.iter().copied().chain(nulls).collect::<Vec<_>>());
        assert_eq!(asked(&server, from), if listed { (1, 0) } else { (0, 3) }, "{count}");
        let sql = format!(
            "SELECT k.tag, w.id FROM {keys} LEFT JOIN acme.shop.widgets w ON w.id = k.n AND w.ok AND k.tag <> 'e' \
             ORDER BY 1"
        );
        let answer = db.rows(&sql).await;
        let found: Vec<_> = answer.rows.iter().filter(|row| row[1] != NULL).map(|row| row[0].clone()).collect();
        assert_eq!(found, if count >= 999 { vec!["a", "c", "d"] } else { vec!["a", "c"] });
        assert_eq!(answer.rows.len(), 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_table_gives_the_keys_of_the_other_through_declared_keys() {
    // Parts of one widget, each with the id of a widget: three keys of a list of 50 pages.
    let server = Server::start(|seen| match seen.path.as_str() {
        "/widgets/1/parts" => {
            let parts: Vec<Value> = [40, 4000, 2000, 40].iter().map(|id| json!({"id": id, "label": "x"})).collect();
            crate::support::server::Reply::json(200, json!({"items": parts}))
        }
        _ => paged(widgets(5000), 20, 100, true)(seen),
    })
    .await;
    let mut db = db(&server);
    db.rows("SELECT id FROM acme.shop.widgets LIMIT 100").await;
    let from = server.requests().len();
    let sql = "SELECT w.id, w.name FROM acme.shop.parts p JOIN acme.shop.widgets w ON w.id = p.id \
               WHERE p.widget_id = 1 ORDER BY 1";
    let answer = db.rows(sql).await;
    assert_eq!(answer.ids(), [40, 40, 2000, 4000]);
    assert_eq!(server.paths()[from], "/widgets/1/parts");
    assert_eq!(asked(&server, from + 1), (1, 2));
    // And on to the parts of those, a chain of three.
    let sql = "SELECT w.id, q.id FROM acme.shop.parts p JOIN acme.shop.widgets w ON w.id = p.id \
               JOIN acme.shop.parts q ON q.widget_id = w.id WHERE p.widget_id = 1 AND w.id > 100 ORDER BY 1, 2";
    assert_eq!(db.rows(sql).await.rows, [["2000", "20001"], ["2000", "20002"], ["4000", "40001"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_list_can_answer_is_listed() {
    let server = shop(300).await;
    let mut db = db(&server);
    for sql in [
        // A parameter that only the list takes.
        "SELECT w.id FROM (VALUES (1)) k(n) JOIN acme.shop.widgets w ON w.id = k.n WHERE w.color = 'green'",
        // No key.
        "SELECT w.id FROM (VALUES ('widget-0001')) k(n) JOIN acme.shop.widgets w ON w.name = k.n",
        // No equality.
        "SELECT w.id FROM (VALUES (2)) k(n) JOIN acme.shop.widgets w ON w.id < k.n",
    ] {
        let from = server.requests().len();
        assert_eq!(db.rows(sql).await.ids(), [1], "{sql}");
        assert_eq!(asked(&server, from).1, 0, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_in_a_path_are_no_rows() {
    let server = shop(3000).await;
    let mut db = db(&server);
    let sql = "SELECT k.n, w.id FROM (VALUES ('2'), (''), ('x'), ('..')) k(n) \
               LEFT JOIN acme.shop.widgets w ON CAST(w.id AS VARCHAR) = k.n ORDER BY 1";
    let answer = db.rows(sql).await;
    assert_eq!(answer.rows, [["", NULL], ["..", NULL], ["2", "2"], ["x", NULL]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_asks_for_no_more_keys_than_it_needs() {
    let server = shop(3000).await;
    let sql = "SELECT w.id FROM generate_series(1, 500) k(n) JOIN acme.shop.widgets w ON w.id = k.n LIMIT 2";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows.len(), 2);
    assert!(server.requests().len() <= 4, "{:?}", server.paths());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_a_list_of_unknown_end_does_not_hold_are_asked_for() {
    // The document says nothing of pages, and the API gives the first twenty.
    let all = widgets(60);
    let server = Server::start(move |seen| {
        let id = seen.path.strip_prefix("/widgets/").and_then(|id| id.parse::<usize>().ok());
        match id {
            Some(id) => crate::support::server::Reply::json(200, all[id - 1].clone()),
            None => crate::support::server::Reply::json(200, json!({"items": all[..20]})),
        }
    })
    .await;
    let mut db = Db::new(acme_dir(&server.url(), ""));
    let keys = values((1..=50).rev());
    for join in ["JOIN", "LEFT JOIN"] {
        let from = server.requests().len();
        let sql = format!("SELECT w.id FROM (VALUES {keys}) k(n) {join} acme.shop.widgets w ON w.id = k.n ORDER BY 1");
        assert_eq!(db.rows(&sql).await.ids(), (1..=50).collect::<Vec<_>>());
        assert_eq!(asked(&server, from), (1, 30), "{join}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_keys_of_a_long_list_are_asked_for_while_further_ones_are_on_their_way() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(5000), 20, 100, true);
    let second = |seen: &Seen| seen.path == "/widgets/2/parts";
    let server = Server::start(move |seen| if second(seen) { api(seen).gated(&held) } else { api(seen) }).await;
    let mut db = db(&server);
    // Fifty pages.
    assert_eq!(db.rows("SELECT count(*) FROM acme.shop.widgets").await.ids(), [5000]);
    let from = server.requests().len();
    let sql =
        "SELECT w.id FROM acme.shop.parts p JOIN acme.shop.widgets w ON w.id = p.id WHERE p.widget_id IN (1, 2, 4)";
    let mut result = db.start(sql).await.unwrap();
    assert_eq!(next_texts(&mut result).await, [["11"]]);
    gate.open();
    let rest = result.read_all().await.unwrap();
    assert_eq!(rest.iter().flat_map(texts).collect::<Vec<_>>(), [["21"], ["22"], ["41"]]);
    let parts = server.paths()[from..].iter().filter(|path| path.ends_with("/parts")).count();
    assert_eq!((parts, asked(&server, from)), (3, (0, 3 + 4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_turn_out_to_be_many_cost_an_eighth_of_the_list_besides_at_most() {
    let server = shop(3000).await;
    let mut db = db(&server);
    // Thirty pages, of which an eighth is three.
    assert_eq!(db.rows("SELECT count(*) FROM acme.shop.widgets").await.ids(), [3000]);
    let from = server.requests().len();
    let widgets: Vec<String> = (1..=290).map(|id| id.to_string()).collect();
    let sql = format!(
        "SELECT w.id FROM acme.shop.parts p JOIN acme.shop.widgets w ON w.id = p.id WHERE p.widget_id IN ({})",
        widgets.join(", ")
    );
    let answer = db.rows(&sql).await;
    let expected: Vec<u64> = (1..=290).flat_map(|id| (1..=id % 3).map(move |part| id * 10 + part)).collect();
    assert_eq!(answer.ids(), expected);
    assert_eq!(answer.verdict(), "complete");
    let parts = server.paths()[from..].iter().filter(|path| path.ends_with("/parts")).count();
    let (lists, all) = asked(&server, from);
    assert_eq!((parts, lists, all - parts), (290, 30, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_come_few_by_few_are_asked_for_side_by_side() {
    let gate = Gate::new();
    let held = gate.clone();
    let api = paged(widgets(50_000), 20, 100, true);
    let single =
        |seen: &Seen| seen.path.strip_prefix("/widgets/").is_some_and(|id| id.parse::<u32>().is_ok_and(|id| id > 100));
    let server = Server::start(move |seen| if single(seen) { api(seen).gated(&held) } else { api(seen) }).await;
    let mut db = db(&server);
    assert_eq!(db.rows("SELECT count(*) FROM acme.shop.widgets").await.ids(), [50_000]);
    // Every batch of the other side holds one key or two.
    let widgets: Vec<String> = (1..=40).map(|id| id.to_string()).collect();
    let sql = format!(
        "SELECT w.id FROM acme.shop.parts p JOIN acme.shop.widgets w ON w.id = p.id WHERE p.widget_id IN ({})",
        widgets.join(", ")
    );
    let reading = tokio::spawn(async move { db.rows(&sql).await });
    gate.arrivals(4).await;
    gate.open();
    let answer = reading.await.unwrap();
    let expected: Vec<u64> = (1..=40).flat_map(|id| (1..=id % 3).map(move |part| id * 10 + part)).collect();
    assert_eq!(answer.ids(), expected);
}
