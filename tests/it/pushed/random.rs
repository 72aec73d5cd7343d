//! Random queries: the answer is the same whether the API is told of them or not, and whether it does what it is told.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::api::{Lie, Manner, api};
use super::{Dice, NAMES, predicate};
use crate::support::server::{Seen, Server};

const COLUMNS: [&str; 5] = ["id", "size", "ok", "name", "created"];

fn rows(dice: &mut Dice, count: usize) -> Vec<Value> {
    let mut ids: Vec<usize> = (1..=count).collect();
    for at in (1..count).rev() {
        ids.swap(at, dice.roll(at + 1));
    }
    ids.into_iter()
        .map(|id| {
            let name = NAMES.get(dice.roll(NAMES.len() + 1)).map_or(Value::Null, |name| json!(name));
            let ok = [json!(true), json!(false), Value::Null][dice.roll(3)].clone();
            let size = if dice.roll(8) == 0 { Value::Null } else { json!(dice.roll(300)) };
            let created = format!("2024-{:02}-{:02}T0{}:00:00", dice.roll(12) + 1, dice.roll(28) + 1, dice.roll(9));
            json!({"id": id, "name": name, "ok": ok, "size": size, "created": created, "tags": ["a"], "extra": {}})
        })
        .collect()
}

struct Query {
    sql: String,
    /// Positions of the ORDER BY among the columns.
    keys: Vec<usize>,
    /// Whether no two rows are alike in them.
    unique: bool,
}

fn query(dice: &mut Dice) -> Query {
    let mut sql = "SELECT id, size, ok, name, created FROM acme.shop.widgets".to_owned();
    if dice.roll(3) == 0 {
        write!(sql, " WHERE {}", predicate(dice, 1)).unwrap();
    } else if dice.roll(4) == 1 {
        sql += " WHERE size > 100";
    } else if dice.roll(4) == 2 {
        sql += " WHERE size IS NOT NULL";
    }
    let mut keys = Vec::new();
    let mut unique = true;
    if dice.roll(3) > 0 {
        keys = (0..=dice.roll(2)).map(|_| dice.roll(COLUMNS.len())).collect();
        if dice.roll(2) == 0 {
            keys.push(0);
        }
        unique = keys.contains(&0);
        let part = |at: &usize| {
            let direction = ["", " ASC", " DESC"][dice.roll(3)];
            let nulls = ["", "", " NULLS FIRST", " NULLS LAST"][dice.roll(4)];
            format!("{}{direction}{nulls}", COLUMNS[*at])
        };
        let parts: Vec<String> = keys.iter().map(part).collect();
        write!(sql, " ORDER BY {}", parts.join(", ")).unwrap();
    }
    if dice.roll(5) > 0 {
        write!(sql, " LIMIT {}", [1, 3, 7, 30][dice.roll(4)]).unwrap();
    }
    if dice.roll(2) == 0 {
        write!(sql, " OFFSET {}", [1, 19, 45, 70, 150, 310][dice.roll(6)]).unwrap();
    }
    Query { sql, keys, unique }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_queries_give_the_same_rows_whatever_the_api_is_told() {
    let mut dice = Dice(11);
    let (mut ordered, mut narrowed, mut fewer) = (0, 0, 0);
    for manner in Manner::ALL {
        let lies =
            [Lie::Nothing, Lie::Nothing, Lie::Unordered, Lie::AsTexts, Lie::NotSkipped, Lie::Capped(7), Lie::AllFields];
        for lie in lies {
            if lie == Lie::NotSkipped && manner != Manner::OData {
                // Pages by number cannot be read at all then.
                continue;
            }
            let count = [0, 15, 120, 340][dice.roll(4)];
            let all = rows(&mut dice, count);
            let every: HashSet<String> = all.iter().map(|row| row["id"].to_string()).collect();
            let server = Server::start(api(manner, all, lie)).await;
            let (mut pushing, mut plain) = (manner.db(&server, manner.pushdown()), manner.db(&server, ""));
            for _ in 0..25 {
                let Query { sql, keys, unique } = query(&mut dice);
                let from = server.requests().len();
                let told = pushing.rows(&sql).await;
                let between = server.requests().len();
                let untold = plain.rows(&sql).await;
                let context = format!("{manner:?} {lie:?} of {count}: {sql}");
                if unique {
                    assert_eq!(told.rows, untold.rows, "{context}");
                } else {
                    // Which of the rows that are alike come, and in what order, is nobody's promise.
                    let key = |row: &Vec<String>| keys.iter().map(|at| row[*at].clone()).collect::<Vec<_>>();
                    let order = |rows: &[Vec<String>]| rows.iter().map(key).collect::<Vec<_>>();
                    assert_eq!(order(&told.rows), order(&untold.rows), "{context}");
                    let ids: HashSet<String> = told.rows.iter().map(|row| row[0].clone()).collect();
                    assert!(ids.len() == told.rows.len() && ids.is_subset(&every), "{context}");
                }
                assert!(matches!(told.verdict(), "complete" | "truncated"), "{context}: {}", told.verdict());
                let asked = &server.requests()[from..between];
                let says = |seen: &Seen, what: &str| seen.path_and_query().contains(what);
                let sorted = |seen: &&Seen| {
                    says(seen, "orderby=")
                        || says(seen, "sort=")
                        || seen.header("x-filter").is_some_and(|f| f.contains("+order_by"))
                };
                ordered += usize::from(asked.iter().any(|seen| sorted(&seen)));
                narrowed += usize::from(asked.iter().any(|seen| says(seen, "select=") || says(seen, "fields=")));
                let calls = told.report.calls.cmp(&untold.report.calls);
                fewer += usize::from(calls == Ordering::Less);
                if lie == Lie::Nothing {
                    // The look at the first page, and a page that is not leapt to after all.
                    assert!(told.report.calls <= untold.report.calls + 1, "{context}");
                    assert!(!told.warned().contains(&"unordered"), "{context}");
                }
            }
        }
    }
    assert!(ordered > 60 && narrowed > 60 && fewer > 25, "{ordered} {narrowed} {fewer}");
}
