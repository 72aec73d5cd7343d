//! What is said of queries that cannot be planned or computed: in our words, at its place, with what to do next.

use skyql::{Engine, Error, SandboxOptions, Session};

async fn refused(session: &mut Session, sql: &str) -> Error {
    let read = match session.sql(sql).await {
        Ok(mut result) => result.read_all().await.map(|rows| panic!("{sql}: {rows:?}")),
        Err(error) => Err(error),
    };
    match read {
        Ok(()) => unreachable!(),
        Err(error) => error,
    }
}

/// Statement, message, column of the place.
const CASES: &[(&str, &str, Option<u64>)] = &[
    ("SELECT EXISTS (SELECT 1)", "EXISTS cannot stand there", None),
    ("SELECT 1 IN (SELECT 1)", "IN with a subquery cannot stand there", None),
    ("SELECT TOP 2 id FROM linode.images.images", "TOP is not known", None),
    ("SELECT * FROM linode.images.images PIVOT (count(id) FOR vendor IN ('a', 'b'))", "PIVOT is not known", None),
    ("SELECT * FROM linode.images.images UNPIVOT (v FOR n IN (id, label))", "UNPIVOT is not known", None),
    ("SELECT regexp_like('a', '(')", "a pattern cannot be read: unclosed group", None),
    ("SELECT regexp_substr('a', '(')", "`regexp_substr` got a pattern that cannot be read: unclosed group", None),
    ("SELECT CAST('abc' AS INT)", "`abc` is no integer", Some(14)),
    (
        "SELECT CAST('abc' AS TIMESTAMP)",
        "`abc` is no timestamp: timestamp must contain at least 10 characters",
        Some(14),
    ),
    ("SELECT CAST(300 AS TINYINT)", "300 is too large for the type that CAST names", None),
    ("SELECT CAST(1 AS foo)", "there is no type `foo`", Some(18)),
    ("SELECT 1/0", "a number is divided by zero", None),
    ("SELECT size / 0 FROM linode.images.images", "a number is divided by zero", None),
    ("SELECT uper('a')", "there is no function `uper`", Some(8)),
    ("SELECT lag(1)", "there is no function `lag`", Some(8)),
    ("SELECT upper(1, 2)", "no function matches `upper(integer, integer)`", Some(8)),
    ("SELECT sum(label) FROM linode.images.images", "no function matches `sum(text)`", Some(8)),
    ("SELECT coalesce()", "no function matches `coalesce()`", Some(8)),
    ("SELECT sum(sum(size)) FROM linode.images.images", "`sum(size)` stands inside another aggregate", Some(16)),
    (
        "SELECT label, count(*) FROM linode.images.images",
        "`label` is neither grouped by nor inside an aggregate",
        Some(8),
    ),
    ("SELECT 1 FROM linode.images.images WHERE count(*) > 1", "an aggregate cannot stand in WHERE", None),
    (
        "SELECT (SELECT id FROM linode.images.images)",
        "a subquery that stands for one value gave more than one row",
        None,
    ),
    ("SELECT (SELECT 1, 2)", "a subquery that stands for one value has more than one column", None),
    ("SELECT id FROM linode.images.images a, linode.images.images b", "column `id` is in more than one table", Some(8)),
    ("SELECT x.id FROM linode.images.images a", "there is no table `x` in this query", Some(8)),
    ("SELECT 1 UNION SELECT 1, 2", "the queries of UNION have different numbers of columns", Some(1)),
    ("SELECT 'a' + 1", "`+` does not take text and integer", Some(12)),
    ("SELECT 'a' AND true", "AND does not take text and boolean", None),
    ("SELECT id FROM linode.images.images WHERE label", "`label` is no condition: it is of type text", Some(43)),
    ("SELECT id FROM linode.images.images LIMIT -1", "LIMIT cannot be -1", None),
    ("SELECT id FROM linode.images.images ORDER BY 5", "ORDER BY 5 means no column: 1 are selected", None),
    ("SELECT * FROM (VALUES (1, 2), (3)) t", "a row of VALUES has 1 values, another one 2", None),
    ("SELECT date_trunc('foo', now())", "`date_trunc` knows no `foo`", None),
    ("SELECT sum(1) OVER w", "there is no window `w`", Some(20)),
    ("SELECT -'a'", "`-` takes a number or an interval", Some(8)),
    ("SELECT * FROM nofunc(1)", "there is no table function `nofunc`", Some(15)),
    ("SELECT ?", "`?` has no value", Some(8)),
    ("SELECT * FROM linode.images.images TABLESAMPLE 10", "TABLESAMPLE is not supported", None),
    ("SELECT id FROM linode.images.images FOR UPDATE", "FOR UPDATE is not supported", None),
    ("SELECT json_extract('{', '$.a')", "`json_extract` got text that is not JSON, at character 2", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_error_says_what_where_and_what_next() {
    let engine = Engine::builder().sandbox(SandboxOptions::default()).build();
    let mut session = engine.unwrap_or_else(|error| panic!("{error:?}")).session();
    let mut wrong = Vec::new();
    for (sql, message, column) in CASES {
        let error = refused(&mut session, sql).await;
        let place = error.position().map(|place| place.column);
        if (error.message(), place) != (*message, *column) || error.hint_text().is_none() {
            wrong.push(format!("{sql}\n  {:?} {place:?} {:?}", error.message(), error.hint_text()));
        }
        let said = format!("{error} {}", error.hint_text().unwrap_or_default());
        for internal in ["Utf8", "Int64", "ScalarUDF", "physical plan", "DataFusion", "External", "Signature"] {
            assert!(!said.contains(internal), "{sql}: {said}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
