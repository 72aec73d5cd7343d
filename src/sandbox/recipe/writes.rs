//! The part of the hint that is about writes: what new rows look like, what becomes of them, what actions do.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};

use super::{ColumnRecipe, Read, columns, each, object, text, under, wrong};

const BECOMING: [&str; 6] = ["column", "from", "to", "after", "stamp", "fails"];

/// What writes do beyond what verbs and schemas say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::sandbox) struct Writes {
    /// How columns of rows that a call creates are made; in place of the variants.
    pub(in crate::sandbox) created: BTreeMap<String, ColumnRecipe>,
    /// What a new row becomes after a while.
    pub(in crate::sandbox) becoming: Option<Becoming>,
    /// Methods that do something else than their verb says.
    pub(in crate::sandbox) actions: BTreeMap<String, Action>,
    /// The status of a refused body, where it is not 400.
    pub(in crate::sandbox) invalid: Option<StatusCode>,
}

/// A column that changes by itself.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Becoming {
    pub(in crate::sandbox) column: String,
    pub(in crate::sandbox) from: Value,
    pub(in crate::sandbox) to: Value,
    pub(in crate::sandbox) after: Duration,
    /// The column that says when that was.
    pub(in crate::sandbox) stamp: Option<String>,
    pub(in crate::sandbox) fails: Option<Fails>,
}

/// What a new row becomes when it was asked for in a certain way.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Fails {
    /// Field of the body → text in it.
    pub(in crate::sandbox) when: BTreeMap<String, String>,
    pub(in crate::sandbox) to: Value,
    /// Further columns.
    pub(in crate::sandbox) set: Map<String, Value>,
}

/// What a method does.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Action {
    pub(in crate::sandbox) does: Does,
    /// Columns that it sets.
    pub(in crate::sandbox) set: BTreeMap<String, ColumnRecipe>,
    /// Columns that the upload sets once its bytes are there, or any other action after a while.
    pub(in crate::sandbox) then: BTreeMap<String, ColumnRecipe>,
    pub(in crate::sandbox) after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Does {
    Nothing,
    Create,
    Change,
    /// A new row like the one that is named, its children too.
    Copy,
    Delete,
    /// A new row that waits for bytes.
    Upload,
}

/// Whether the key is one of these.
pub(super) fn is_key(key: &str) -> bool {
    matches!(key, "created" | "async" | "actions" | "invalid")
}

pub(super) fn read_key(writes: &mut Writes, key: &str, value: &Value) -> Read<()> {
    match key {
        "created" => writes.created = columns(value)?,
        "async" => writes.becoming = Some(becoming(value)?),
        "actions" => writes.actions = each(value, action)?,
        _ => {
            let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
            let status =
                status.and_then(|status| StatusCode::from_u16(status).ok()).filter(StatusCode::is_client_error);
            writes.invalid = Some(status.ok_or_else(|| wrong("a status from 400 to 499 is expected"))?);
        }
    }
    Ok(())
}

fn becoming(value: &Value) -> Read<Becoming> {
    let fields = object(value)?;
    if let Some(unknown) = fields.keys().find(|key| !BECOMING.contains(&key.as_str())) {
        return under(unknown, Err(wrong("the key is not known")));
    }
    let field = |key: &str| fields.get(key).ok_or_else(|| wrong(format!("`{key}` is missing")));
    Ok(Becoming {
        column: under("column", text(field("column")?))?.to_owned(),
        from: field("from")?.clone(),
        to: field("to")?.clone(),
        after: under("after", duration(field("after")?))?,
        stamp: fields.get("stamp").map(|stamp| under("stamp", text(stamp)).map(str::to_owned)).transpose()?,
        fails: fields.get("fails").map(|value| under("fails", fails(value))).transpose()?,
    })
}

fn fails(value: &Value) -> Read<Fails> {
    let (mut when, mut to, mut set) = (BTreeMap::new(), None, Map::new());
    for (key, value) in object(value)? {
        match key.as_str() {
            "when" => when = under(key, each(value, |value| text(value).map(str::to_owned)))?,
            "to" => to = Some(value.clone()),
            "set" => set.clone_from(under(key, object(value))?),
            _ => return under(key, Err(wrong("the key is not known"))),
        }
    }
    match to {
        Some(to) if !when.is_empty() => Ok(Fails { when, to, set }),
        _ => Err(wrong("`when` and `to` are missing")),
    }
}

/// A number of seconds, or `500ms`, `3s`, `2m`.
fn duration(value: &Value) -> Read<Duration> {
    let millis = match value {
        Value::Number(seconds) => seconds.as_u64().and_then(|seconds| seconds.checked_mul(1000)),
        Value::String(text) => {
            let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
            let unit = match &text[digits.len()..] {
                "ms" => Some(1),
                "s" => Some(1000),
                "m" => Some(60_000),
                _ => None,
            };
            digits.parse::<u64>().ok().zip(unit).and_then(|(count, unit)| count.checked_mul(unit))
        }
        _ => None,
    };
    // A century is beyond any wait, and far from where times overflow.
    let millis = millis.filter(|millis| *millis <= 100 * 366 * 86_400_000);
    millis.map(Duration::from_millis).ok_or_else(|| wrong("a time such as `3s` is expected"))
}

fn action(value: &Value) -> Read<Action> {
    if value.is_string() {
        let does = Map::from_iter([("does".to_owned(), value.clone())]);
        return action(&Value::Object(does));
    }
    let mut action = Action { does: Does::Change, set: BTreeMap::new(), then: BTreeMap::new(), after: None };
    for (key, value) in object(value)? {
        match key.as_str() {
            "does" => action.does = under(key, does(value))?,
            "set" => action.set = under(key, columns(value))?,
            "then" => action.then = under(key, columns(value))?,
            "after" => action.after = Some(under(key, duration(value))?),
            _ => return under(key, Err(wrong("the key is not known"))),
        }
    }
    if action.does != Does::Upload && action.then.is_empty() != action.after.is_none() {
        return Err(wrong("`then` and `after` belong together"));
    }
    Ok(action)
}

fn does(value: &Value) -> Read<Does> {
    Ok(match text(value)? {
        "nothing" => Does::Nothing,
        "create" => Does::Create,
        "change" => Does::Change,
        "copy" => Does::Copy,
        "delete" => Does::Delete,
        "upload" => Does::Upload,
        other => return Err(wrong(format!("`{other}` is not something a method does"))),
    })
}
