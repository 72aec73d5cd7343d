//! Whether what a plan was made from is still so.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::look_rows;
use super::plan::{PlanContext, Planned, check_whole};
use crate::bind::literal_text;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::parse_query;
use crate::store::Look;

/// How many differences a message names.
const SHOWN: usize = 5;

type Row = BTreeMap<String, Value>;

/// Looks at the rows of a plan again. What was planned without looking has nothing that could have changed.
///
/// # Errors
/// `InvalidArgument` that says which rows are new, gone or different; `Partial` when the rows are not known to be all.
pub async fn check_unchanged(context: &PlanContext<'_>, planned: &Planned) -> Result<()> {
    for look in planned.plan.looks() {
        check_look(context, look).await?;
    }
    Ok(())
}

async fn check_look(context: &PlanContext<'_>, look: &Look) -> Result<()> {
    let rows = context.source.rows(parse_query(&look.select)?).await?;
    check_whole(context)?;
    let now = look_rows(&rows.names, rows.rows);
    let keys: Vec<&str> = look.keys.iter().map(String::as_str).collect();
    let changes = differences(&keys, &look.rows, &now);
    if changes.is_empty() {
        return Ok(());
    }
    let more = changes.len().saturating_sub(SHOWN);
    let mut said = changes.into_iter().take(SHOWN).collect::<Vec<_>>().join("; ");
    if more > 0 {
        said = format!("{said}; and {more} more");
    }
    Err(Error::new(ErrorKind::InvalidArgument, format!("the rows have changed since the plan was made: {said}"))
        .hint("nothing was sent; make a new plan"))
}

fn differences(keys: &[&str], then: &[Row], now: &[Row]) -> Vec<String> {
    let identity = |row: &Row| -> Vec<String> {
        keys.iter().filter_map(|key| row.get(*key).map(|value| format!("{key} = {}", literal_text(value)))).collect()
    };
    let by_identity =
        |rows: &[Row]| -> BTreeMap<Vec<String>, Row> { rows.iter().map(|row| (identity(row), row.clone())).collect() };
    let (then, now) = (by_identity(then), by_identity(now));
    let mut said = Vec::new();
    for (id, row) in &then {
        let name = id.join(", ");
        match now.get(id) {
            None => said.push(format!("{name} is gone or no longer meant")),
            Some(new) if new == row => {}
            Some(new) => {
                let columns =
                    row.iter().filter(|(column, value)| new.get(*column) != Some(value)).map(|(column, value)| {
                        let new = new.get(column).map_or("nothing".to_owned(), Value::to_string);
                        format!("`{column}` was {value} and is {new}")
                    });
                said.push(format!("{name}: {}", columns.collect::<Vec<_>>().join(", ")));
            }
        }
    }
    said.extend(now.keys().filter(|id| !then.contains_key(*id)).map(|id| format!("{} is new", id.join(", "))));
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(id: u64, label: &str) -> Row {
        BTreeMap::from([("id".to_owned(), json!(id)), ("label".to_owned(), json!(label))])
    }

    #[test]
    fn what_changed_is_named() {
        let then = [row(1, "a"), row(2, "b"), row(3, "c")];
        assert_eq!(differences(&["id"], &then, &[row(3, "c"), row(2, "b"), row(1, "a")]), Vec::<String>::new());
        let now = [row(1, "a"), row(2, "x"), row(4, "d")];
        assert_eq!(
            differences(&["id"], &then, &now),
            ["id = 2: `label` was \"b\" and is \"x\"", "id = 3 is gone or no longer meant", "id = 4 is new"]
        );
    }
}
