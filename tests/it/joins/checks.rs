//! Joined rows that the calls alone do not decide.

use super::*;

/// The rows of a join of parts with made-up outer rows.
async fn joined(sql: &str) -> (Vec<Vec<String>>, Vec<u64>) {
    let server = shop(7).await;
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.verdict(), "complete", "{sql}");
    (answer.rows, asked(&server))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_constant_binds_too_is_compared() {
    let sql = "SELECT v.n, p.id FROM (VALUES (2), (4), (5)) v(n) JOIN acme.shop.parts p ON p.widget_id = v.n \
               WHERE p.widget_id IN (2, 5) ORDER BY 1, 2";
    let (rows, _) = joined(sql).await;
    assert_eq!(rows, [["2", "21"], ["2", "22"], ["5", "51"], ["5", "52"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_left_join_checks_row_by_row_what_is_left_of_its_condition() {
    let left = |condition: &str| {
        format!(
            "SELECT v.n, p.id FROM (VALUES (1), (2), (3)) v(n) \
             LEFT JOIN acme.shop.parts p ON p.widget_id = v.n AND {condition} ORDER BY 1, 2"
        )
    };
    let (rows, _) = joined(&left("p.id > 21")).await;
    assert_eq!(rows, [["1", NULL], ["2", "22"], ["3", NULL]]);
    let (rows, _) = joined(&left("p.widget_id = 2")).await;
    assert_eq!(rows, [["1", NULL], ["2", "21"], ["2", "22"], ["3", NULL]]);
    let (rows, calls) = joined(&left("p.widget_id IN (1, 2) AND p.widget_id = 5")).await;
    assert_eq!(rows, [["1", NULL], ["2", NULL], ["3", NULL]]);
    assert!(calls.is_empty());
}

/// A call cannot ask for a key that is NULL, so such a join must not be taken for one with `=`.
#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_under_which_nulls_are_equal_does_not_bind() {
    let server = shop(7).await;
    for join in ["JOIN", "LEFT JOIN"] {
        let sql = format!(
            "SELECT v.n, p.id FROM (VALUES (5), (NULL)) v(n) \
             {join} acme.shop.parts p ON p.widget_id IS NOT DISTINCT FROM v.n"
        );
        assert_eq!(db(&server).error(&sql).await.kind(), ErrorKind::MissingParameter, "{sql}");
    }
    assert!(asked(&server).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_under_a_cast_is_compared_in_that_type() {
    let sql = "SELECT v.t, p.id FROM (VALUES ('5'), ('02'), ('k1')) v(t) \
               JOIN acme.shop.parts p ON CAST(p.widget_id AS VARCHAR) = v.t ORDER BY 1, 2";
    let (rows, calls) = joined(sql).await;
    assert_eq!(rows, [["5", "51"], ["5", "52"]]);
    assert!(!calls.contains(&1), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_of_one_key_come_in_pieces() {
    let sql = "SELECT count(*), count(DISTINCT p.id) FROM generate_series(1, 20000) AS s \
               JOIN acme.shop.parts p ON p.widget_id = s.value % 1 + 5";
    let (rows, calls) = joined(sql).await;
    assert_eq!(rows, [["40000", "2"]]);
    assert_eq!(calls, [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_number_in_two_spellings_is_one_value() {
    let (rows, calls) =
        joined("SELECT id FROM acme.shop.parts WHERE widget_id = 5 AND widget_id = 5.0 ORDER BY 1").await;
    assert_eq!(rows, [["51"], ["52"]]);
    assert_eq!(calls, [5]);
}
