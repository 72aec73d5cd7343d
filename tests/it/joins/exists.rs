//! Tables that get their parameters from rows that are kept whatever they find: EXISTS, its opposite, and subqueries.

use super::*;
use crate::support::shipped;

fn rows_of(ids: impl IntoIterator<Item = u64>) -> Vec<Vec<String>> {
    ids.into_iter().map(|id| vec![id.to_string()]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_ask_whether_there_is_a_row_makes_one_call_per_key() {
    for (sql, expected) in [
        ("WHERE EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = w.id)", [1, 2, 4, 5, 7].as_slice()),
        ("WHERE w.id IN (SELECT p.widget_id FROM acme.shop.parts p)", &[1, 2, 4, 5, 7]),
        ("LEFT SEMI JOIN acme.shop.parts p ON p.widget_id = w.id", &[1, 2, 4, 5, 7]),
        ("WHERE EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = w.id + 0)", &[1, 2, 4, 5, 7]),
        ("WHERE NOT EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = w.id)", &[3, 6]),
        ("LEFT ANTI JOIN acme.shop.parts p ON p.widget_id = w.id", &[3, 6]),
        ("WHERE EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = w.id AND p.label LIKE 'part 2%')", &[2, 5]),
        ("WHERE EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = w.id AND p.id > w.id * 10 + 1)", &[2, 5]),
        (
            "WHERE NOT EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = w.id AND p.id > w.id * 10 + 1)",
            &[1, 3, 4, 6, 7],
        ),
        ("WHERE w.id * 10 + 2 IN (SELECT p.id FROM acme.shop.parts p WHERE p.widget_id = w.id)", &[2, 5]),
        (
            "WHERE w.id = 3 OR EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = w.id AND p.id > 40)",
            &[3, 4, 5, 7],
        ),
    ] {
        let server = shop(7).await;
        let sql = format!("SELECT w.id FROM acme.shop.widgets w {sql} ORDER BY 1");
        let answer = db(&server).rows(&sql).await;
        assert_eq!(answer.rows, rows_of(expected.iter().copied()), "{sql}");
        assert_eq!(answer.verdict(), "complete", "{sql}");
        assert_eq!(asked(&server), [1, 2, 3, 4, 5, 6, 7], "{sql}");
        assert_eq!(server.requests().len(), 8, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_of_a_subquery_is_a_key_of_a_table_that_can_be_listed_too() {
    for (value, row, expected) in [
        ("(SELECT 7)", "widget-0007", vec!["/widgets/7"]),
        ("(SELECT max(n) FROM (VALUES (4), (9)) v(n))", "widget-0009", vec!["/widgets/9"]),
        ("(SELECT id + 1 FROM acme.shop.widgets LIMIT 1)", "widget-0002", vec!["/widgets", "/widgets/2"]),
    ] {
        let server = shop(400).await;
        let sql = format!("SELECT name FROM acme.shop.widgets WHERE id = {value}");
        assert_eq!(db(&server).rows(&sql).await.rows, [[row]], "{sql}");
        assert_eq!(server.paths(), expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_another_table_has_rows_is_one_call() {
    for (condition, expected) in [
        ("EXISTS (SELECT 1 FROM acme.shop.widgets x WHERE x.id > 5)", [1, 2, 3].as_slice()),
        ("NOT EXISTS (SELECT 1 FROM acme.shop.widgets x WHERE x.id > 5)", &[]),
        ("EXISTS (SELECT 1 FROM acme.shop.widgets x WHERE x.id > 5 OFFSET 2)", &[1, 2, 3]),
        ("NOT EXISTS (SELECT 1 FROM acme.shop.widgets x WHERE x.id < 0)", &[1, 2, 3]),
        ("EXISTS (SELECT 1 FROM acme.shop.widgets x WHERE x.id < 0)", &[]),
    ] {
        let server = shop(400).await;
        let sql = format!("SELECT w.id FROM acme.shop.widgets w WHERE {condition} LIMIT 3");
        let answer = db(&server).rows(&sql).await;
        assert_eq!(answer.rows, rows_of(expected.iter().copied()), "{sql}");
        let calls = server.requests().len();
        assert!(expected.is_empty() || condition.contains("< 0") || calls <= 2, "{sql}: {calls}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_compared_as_a_number_is_not_asked_for_in_one_spelling() {
    for (sql, expected) in [
        ("SELECT name FROM digitalocean.compute.domains WHERE TRY_CAST(name AS BIGINT) = (SELECT 7) ORDER BY 1", 2),
        ("SELECT name FROM digitalocean.compute.domains WHERE name = (SELECT CAST(7 AS DOUBLE)) ORDER BY 1", 2),
        (
            "SELECT d.name FROM (VALUES (7.0), (9.0)) v(k) JOIN digitalocean.compute.domains d \
             ON CAST(d.name AS DOUBLE) = v.k ORDER BY 1",
            2,
        ),
        ("SELECT name FROM digitalocean.compute.domains WHERE name = (SELECT '7')", 1),
    ] {
        let server = Server::start(|seen| {
            let domain = |name: &str| json!({"name": name, "ttl": 1800, "zone_file": ""});
            match seen.path.as_str() {
                "/v2/domains" => {
                    let domains = ["007", "7", "8", "70"].map(domain);
                    Reply::json(200, json!({"domains": domains, "links": {}, "meta": {"total": 4}}))
                }
                "/v2/domains/7" => Reply::json(200, json!({"domain": domain("7")})),
                _ => Reply::json(404, json!({"id": "not_found", "message": "none"})),
            }
        })
        .await;
        let rows = shipped::db(&server).rows(sql).await.rows;
        let found: Vec<&str> = rows.iter().flatten().map(String::as_str).collect();
        assert_eq!(found, if expected == 2 { vec!["007", "7"] } else { vec!["7"] }, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_inside_an_exists_gets_the_keys_too() {
    let server = shop(7).await;
    let sql = "SELECT w.id FROM acme.shop.widgets w WHERE EXISTS \
               (SELECT 1 FROM acme.shop.parts p JOIN (VALUES (21), (41)) v(n) ON v.n = p.id WHERE p.widget_id = w.id) \
               ORDER BY 1";
    let answer = db(&server).rows(sql).await;
    assert_eq!((answer.rows, asked(&server)), (rows_of([2, 4]), vec![1, 2, 3, 4, 5, 6, 7]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_that_stays_comes_once_and_null_is_no_key() {
    let outer = "(VALUES (5, 'a'), (5, 'b'), (3, 'c'), (NULL, 'd'), (2, 'e'), (2, 'e')) v(k, n)";
    for (how, expected) in [("", ["a", "b", "e", "e"].as_slice()), ("NOT ", &["c", "d"])] {
        let server = shop(7).await;
        let sql = format!(
            "SELECT n FROM {outer} WHERE {how}EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = v.k) ORDER BY 1"
        );
        let answer = db(&server).rows(&sql).await;
        assert_eq!(answer.rows, expected.iter().map(|n| vec![(*n).to_owned()]).collect::<Vec<_>>(), "{sql}");
        assert_eq!(asked(&server), [2, 3, 5], "{sql}");
        // With something left to compare in each pair of rows.
        let sql = sql.replace("= v.k)", "= v.k AND p.label <> v.n)");
        let answer = db(&server).rows(&sql).await;
        assert_eq!(answer.rows, expected.iter().map(|n| vec![(*n).to_owned()]).collect::<Vec<_>>(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_ends_the_calls_of_an_exists() {
    let server = shop(90).await;
    let sql = "SELECT w.id FROM acme.shop.widgets w \
               WHERE EXISTS (SELECT 1 FROM acme.shop.parts p WHERE p.widget_id = w.id) LIMIT 2";
    assert_eq!(db(&server).rows(sql).await.rows.len(), 2);
    assert!(asked(&server).len() < 40, "{:?}", asked(&server));
}

/// A list of forty records under each of three domains, in pages as long as they are asked for.
async fn domains() -> Server {
    Server::start(|seen| {
        let number = |name: &str, default| seen.query_value(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        let rows: Vec<Value> = match seen.path.as_str() {
            "/v4/domains" => [7, 8, 9].iter().map(|id| json!({"id": id, "domain": format!("d{id}.example")})).collect(),
            "/v4/domains/8/records" => Vec::new(),
            _ => (0..40).map(|id| json!({"id": id, "name": format!("r{id}")})).collect(),
        };
        let (size, page): (usize, usize) = (number("page_size", 100), number("page", 1));
        let data: Vec<&Value> = rows.iter().skip((page - 1) * size).take(size).collect();
        let pages = rows.len().div_ceil(size).max(1);
        Reply::json(200, json!({"data": data, "page": page, "pages": pages, "results": rows.len()}))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_tells_that_there_is_one_and_the_rest_is_not_missing() {
    let server = domains().await;
    for (how, expected) in [("", rows_of([7, 9])), ("NOT ", rows_of([8]))] {
        let sql = format!(
            "SELECT id FROM linode.domains.domains d WHERE {how}EXISTS \
             (SELECT 1 FROM linode.domains.records r WHERE r.domainId = d.id) ORDER BY 1"
        );
        let answer = shipped::db(&server).rows(&sql).await;
        assert_eq!((answer.rows, answer.report.calls), (expected, 4), "{sql}");
        assert!(answer.report.warnings.is_empty(), "{sql}: {:?}", answer.report.warnings);
    }
    // The smallest page that the API knows.
    let sizes: Vec<_> = server.requests().iter().filter_map(|seen| seen.query_value("page_size")).collect();
    assert_eq!(sizes.iter().filter(|size| *size == "25").count(), 6, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subquery_may_be_the_parameter() {
    for (sql, expected, ids) in [
        (
            "SELECT id FROM acme.shop.parts WHERE widget_id = (SELECT max(id) FROM acme.shop.widgets) ORDER BY 1",
            ["51", "52"].as_slice(),
            [5].as_slice(),
        ),
        (
            "SELECT id FROM acme.shop.parts WHERE (SELECT min(id) + 1 FROM acme.shop.widgets) = widget_id AND id > 21",
            &["22"],
            &[2],
        ),
        ("SELECT id FROM acme.shop.parts WHERE widget_id = (SELECT id FROM acme.shop.widgets WHERE id < 0)", &[], &[]),
    ] {
        let server = shop(5).await;
        let answer = db(&server).rows(sql).await;
        assert_eq!(answer.rows, expected.iter().map(|id| vec![(*id).to_owned()]).collect::<Vec<_>>(), "{sql}");
        assert_eq!(asked(&server), ids, "{sql}");
    }
    let server = shop(5).await;
    let sql = "SELECT id FROM acme.shop.parts WHERE widget_id = (SELECT id FROM acme.shop.widgets)";
    let error = db(&server).error(sql).await;
    assert!(error.message().contains("more than one row"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_subqueries_over_a_table_get_its_keys_too() {
    let counts = [["1", "1"], ["2", "2"], ["3", "0"], ["4", "1"], ["5", "2"]];
    let server = shop(5).await;
    let sql = "SELECT w.id, (SELECT count(*) FROM acme.shop.parts p WHERE p.widget_id = w.id) FROM acme.shop.widgets w \
               ORDER BY 1";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.rows, counts);
    assert_eq!((asked(&server), server.requests().len()), (vec![1, 2, 3, 4, 5], 6));

    let grouped = "(SELECT widget_id, count(*) AS n FROM acme.shop.parts GROUP BY widget_id) c ON c.widget_id = w.id";
    for (join, expected) in [("JOIN", vec![0, 1, 3, 4]), ("LEFT JOIN", vec![0, 1, 2, 3, 4])] {
        let server = shop(5).await;
        let sql = format!("SELECT w.id, coalesce(c.n, 0) FROM acme.shop.widgets w {join} {grouped} ORDER BY 1");
        let answer = db(&server).rows(&sql).await;
        assert_eq!(answer.rows, expected.iter().map(|at| counts[*at]).collect::<Vec<_>>(), "{sql}");
        assert_eq!((asked(&server), answer.verdict()), (vec![1, 2, 3, 4, 5], "complete"), "{sql}");
    }

    // Two spellings of a key are one call, and no row comes twice.
    let server = shop(5).await;
    let sql = "SELECT v.k, c.n FROM (VALUES ('5'), ('05'), ('2')) v(k) LEFT JOIN \
               (SELECT widget_id, count(*) AS n FROM acme.shop.parts GROUP BY widget_id) c \
               ON CAST(c.widget_id AS VARCHAR) = v.k ORDER BY 1";
    assert_eq!(db(&server).rows(sql).await.rows, [["05", NULL], ["2", "2"], ["5", "2"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_subqueries_read_the_rows_around_them_once_each() {
    let server = shop(7).await;
    let mut db = db(&server);
    let counts = |count: usize| {
        let one = |n| format!("(SELECT count(*) FROM acme.shop.parts p WHERE p.widget_id = w.id AND p.id > {n})");
        (0..count).map(one).collect::<Vec<_>>().join(", ")
    };
    for count in [1, 2, 5] {
        let sql = format!("SELECT w.id, {} FROM acme.shop.widgets w ORDER BY 1", counts(count));
        let plan = db.rows(&format!("EXPLAIN {sql}")).await.rows.concat().join("\n");
        let scans = plan.matches("CallExec: acme.shop.widgets").count();
        assert_eq!(scans, 1 + count, "{plan}");
        let answer = db.rows(&sql).await;
        assert_eq!(answer.column(count), ["1", "2", "0", "1", "2", "0", "1"]);
    }
    assert_eq!(asked(&server), [1, 2, 3, 4, 5, 6, 7].into_iter().flat_map(|id| [id; 3]).collect::<Vec<_>>());
}

/// A NULL among the other rows decides what `NOT IN` means, and whether there are any: neither is known of the keys alone.
#[tokio::test(flavor = "multi_thread")]
async fn not_in_gives_no_keys() {
    let server = shop(5).await;
    let sql = "SELECT w.id FROM acme.shop.widgets w WHERE w.id NOT IN (SELECT p.widget_id FROM acme.shop.parts p)";
    assert_eq!(db(&server).error(sql).await.kind(), ErrorKind::MissingParameter);
    assert!(asked(&server).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_may_be_others_at_a_second_look_give_no_keys() {
    let count = |outer: &str| {
        format!("SELECT v.k, (SELECT count(*) FROM acme.shop.parts p WHERE p.widget_id = v.k) FROM {outer} ORDER BY 1")
    };
    for outer in [
        "(SELECT CAST(random() * 5 AS BIGINT) AS k) v",
        "(SELECT a.id AS k FROM acme.shop.widgets a JOIN acme.shop.widgets b ON a.name = b.name LIMIT 2) v",
    ] {
        let server = shop(5).await;
        assert_eq!(db(&server).error(&count(outer)).await.kind(), ErrorKind::MissingParameter, "{outer}");
    }
    // What an API gives comes in one order.
    let server = shop(5).await;
    let answer = db(&server).rows(&count("(SELECT id AS k FROM acme.shop.widgets LIMIT 2) v")).await;
    assert_eq!(answer.rows, [["1", "1"], ["2", "2"]]);
    assert_eq!(asked(&server), [1, 2]);
}

/// A list that says it has rows and gives none is no proof that there are none.
#[tokio::test(flavor = "multi_thread")]
async fn no_row_where_the_api_counts_some_is_not_complete() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v4/domains" => Reply::json(200, json!({"data": [{"id": 7}], "page": 1, "pages": 1, "results": 1})),
        _ => Reply::json(200, json!({"data": [], "page": 1, "pages": 1, "results": 5})),
    })
    .await;
    let sql = "SELECT id FROM linode.domains.domains d WHERE NOT EXISTS \
               (SELECT 1 FROM linode.domains.records r WHERE r.domainId = d.id)";
    assert_eq!(shipped::db(&server).rows(sql).await.verdict(), "moved");
}
