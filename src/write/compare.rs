//! Whether what a plan was made from is still so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::change::look_rows;
use super::plan::{Part, PlanContext, Planned, check_whole};
use crate::bind::literal_text;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::keeps_secret;
use crate::sql::parse_query;
use crate::store::{DigestKey, Look, PlannedCall};

/// How many differences a message names.
const SHOWN: usize = 5;

type Row = BTreeMap<String, Value>;

/// Looks again at the rows of a plan's calls for which `wanted` says so. What was planned without looking has nothing that
/// could have changed; what a part of its own calls has done already is no change. A plan that was stored holds digests in the
/// place of secrets, made with `key`.
///
/// # Errors
/// `InvalidArgument` that says which rows are new, gone or different; `Partial` when the rows are not known to be all.
pub async fn check_unchanged(
    context: &PlanContext<'_>,
    planned: &Planned,
    key: Option<&DigestKey>,
    wanted: impl Fn(usize) -> bool,
) -> Result<()> {
    for ((calls, part), planned_part) in planned.ranges().zip(&planned.plan.parts) {
        let Some(look) = &planned_part.look else { continue };
        let all = planned.plan.calls.get(calls.clone()).unwrap_or_default();
        let left: Vec<&PlannedCall> =
            all.iter().zip(calls).filter(|(_, at)| wanted(*at)).map(|(call, _)| call).collect();
        if !left.is_empty() {
            let only = (left.len() < all.len()).then(|| identities(part, look, &left));
            check_look(context, look, key, only.as_ref()).await?;
        }
    }
    Ok(())
}

/// What the look's keys are in these calls.
fn identities(part: &Part, look: &Look, calls: &[&PlannedCall]) -> BTreeSet<Vec<String>> {
    let keys = part.resource.keys.as_ref();
    // What a query named is called as the parameter is.
    let parameter = |column: &String| {
        let mut keys = keys.into_iter().flat_map(|keys| &keys.columns);
        keys.find(|(_, known)| *known == column).map_or_else(|| column.clone(), |(name, _)| name.clone())
    };
    let value = |call: &PlannedCall, column: &String| Some(literal_text(call.identity.get(&parameter(column))?));
    calls.iter().map(|call| look.keys.iter().filter_map(|column| value(call, column)).collect()).collect()
}

async fn check_look(
    context: &PlanContext<'_>,
    look: &Look,
    key: Option<&DigestKey>,
    only: Option<&BTreeSet<Vec<String>>>,
) -> Result<()> {
    let rows = context.source.rows(parse_query(&look.select)?).await?;
    check_whole(context, &rows.rows)?;
    let keys: Vec<&str> = look.keys.iter().map(String::as_str).collect();
    let is_meant = |row: &Row| {
        only.is_none_or(|only| {
            only.contains(&keys.iter().filter_map(|key| row.get(*key).map(literal_text)).collect::<Vec<_>>())
        })
    };
    let now: Vec<Row> = look_rows(&rows.names, rows.rows).into_iter().filter(is_meant).collect();
    let then: Vec<Row> = look.rows.iter().filter(|row| is_meant(row)).cloned().collect();
    let changes = differences(&keys, &then, &now, key);
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

fn differences(keys: &[&str], then: &[Row], now: &[Row], key: Option<&DigestKey>) -> Vec<String> {
    let is_same =
        |column: &str, old: &Value, new: &Value| old == new || key.is_some_and(|key| key.digest(column, new) == *old);
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
            Some(new) => {
                let differs = |(column, value): &(&String, &Value)| {
                    new.get(*column).is_none_or(|new| !is_same(column, value, new))
                };
                let columns: Vec<String> =
                    row.iter().filter(differs).map(|(column, value)| change(column, value, new.get(column))).collect();
                if !columns.is_empty() {
                    said.push(format!("{name}: {}", columns.join(", ")));
                }
            }
        }
    }
    said.extend(now.keys().filter(|id| !then.contains_key(*id)).map(|id| format!("{} is new", id.join(", "))));
    said
}

/// How a column differs; what is a secret is not told.
fn change(column: &str, old: &Value, new: Option<&Value>) -> String {
    if keeps_secret(column, old) || new.is_some_and(|new| keeps_secret(column, new)) {
        return format!("`{column}` is another");
    }
    format!("`{column}` was {old} and is {}", new.map_or("nothing".to_owned(), Value::to_string))
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
        assert_eq!(differences(&["id"], &then, &[row(3, "c"), row(2, "b"), row(1, "a")], None), Vec::<String>::new());
        let now = [row(1, "a"), row(2, "x"), row(4, "d")];
        assert_eq!(
            differences(&["id"], &then, &now, None),
            ["id = 2: `label` was \"b\" and is \"x\"", "id = 3 is gone or no longer meant", "id = 4 is new"]
        );
    }
}
