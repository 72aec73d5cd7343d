//! Whether a success holds what was asked for.
//!
//! *Owns*: telling an object, or a list, from an answer that is neither. *Does not own*: statuses (`answer`), where a list
//! ends (`pages`).
//! *Invariants*: an answer without the object is no proof that there is none: that takes a 404; an answer that holds nothing
//! of what it should, and a text where the document says that errors stand, is an error, whatever its status.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::answer;
use super::hidden::Hidden;
use super::shape::{ReadPlan, top_level};
use crate::bind::literal_text;
use crate::error::tidy;
use crate::http::{Answer, Authorizer};
use crate::provider::{Call, ItemShape, Method};
use crate::rows::{ItemPath, ItemsFound, Page, PathStep};

/// Which of its fields says which object an answer is.
#[derive(Debug)]
pub(super) struct Identity {
    /// The parameter by which the object is asked for.
    pub(super) parameter: String,
    /// The column, and the keys that lead to it.
    pub(super) column: String,
    pub(super) source: Vec<String>,
    /// Whether rows that hold another value than was asked for are left out.
    pub(super) compared: bool,
    pub(super) secret: bool,
}

/// What an answer was found to hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// What was asked for.
    Wanted,
    /// Something else, or nothing; says what.
    Unproved(String),
    /// What the document describes as an error.
    Refused,
}

/// Looks at what was decoded of a success, the page of this `number`, and takes a row that is none out of it. The body of a
/// long answer is not at hand: it is known to be more than an error.
pub(super) fn look(
    plan: &ReadPlan,
    call: &Call,
    answer: &Answer,
    number: u64,
    page: &mut Page,
    authorizer: Option<&Authorizer>,
) -> Found {
    let method = &*plan.method;
    let shape = method.response.items;
    let one = shape == ItemShape::Object;
    let may_be_error = match (shape, page.items) {
        (ItemShape::Empty | ItemShape::Binary, _) => return Found::Wanted,
        // Elements are rows, whatever they hold.
        (_, ItemsFound::List) => page.rows == 0 && !answer.body.is_empty(),
        // Any value is a row.
        (ItemShape::Scalar | ItemShape::Map, ItemsFound::Object) => false,
        (_, ItemsFound::Object) => page.rows == 1 && !method.response.columns.is_empty(),
        (_, ItemsFound::Absent | ItemsFound::Null) => true,
    };
    if !may_be_error {
        return Found::Wanted;
    }
    let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let hidden = || Hidden::of(method, call, authorizer);
    if page.items == ItemsFound::Object {
        let Some(value) = value.as_ref() else { return Found::Wanted };
        let item = plan.layout.items().select(value).first().copied().unwrap_or(value);
        let Value::Object(fields) = item else { return Found::Wanted };
        let at_root = std::ptr::eq(item, value);
        let is_error = tells_error(plan, page, value) && !holds_value(method, fields, at_root);
        // Of few fields that were asked for, an API may leave out those without a value.
        if !is_error && (plan.fields().is_some() || holds_any(method, fields)) {
            return plan.object.as_ref().map_or(Found::Wanted, |identity| identity.compare(call, fields, hidden));
        }
        (page.rows, page.items) = (0, ItemsFound::Absent);
        page.batches.clear();
        page.misfits.clear();
    }
    let refused = value.as_ref().is_some_and(|value| tells_error(plan, page, value));
    match page.items {
        ItemsFound::Null | ItemsFound::List if !one && !refused => return Found::Wanted,
        // `null` in the place of a list is an empty one to many, whatever else they say beside it.
        ItemsFound::Null | ItemsFound::List if !one => {}
        _ if refused => return Found::Refused,
        _ => {}
    }
    let status = answer.status.as_u16();
    // No content where the document knows no such answer says nothing of the list, but that there is no more of it.
    if !one && status == 204 && (method.response.may_be_empty || number > 1) {
        return Found::Wanted;
    }
    let what = match shape {
        ItemShape::Object if plan.identity => {
            format!("the answer ({status}) does not hold the object, and only a 404 says that there is none")
        }
        ItemShape::Object => format!("the answer ({status}) does not hold the object"),
        _ if status == 204 => "the answer (204) holds nothing, and the document lists no such answer".to_owned(),
        _ => format!("the answer holds nothing at `{}`", method.response.item_path),
    };
    let said = answer::message(method, body, authorizer).map(|said| format!("; it says: {said}"));
    Found::Unproved(hidden().text(&(what + &said.unwrap_or_default())))
}

/// Whether a text stands where the document says that errors do, and nothing says that the call worked.
fn tells_error(plan: &ReadPlan, page: &Page, value: &Value) -> bool {
    let said = plan.captures.success.and_then(|at| page.captures.get(at)).and_then(Option::as_ref);
    let worked = plan.method.success.as_ref().is_some_and(|rule| said == Some(&rule.equals));
    !worked && answer::declared_error(&plan.method, value).is_some()
}

/// Whether an object has one of the fields of a row.
fn holds_any(method: &Method, fields: &Map<String, Value>) -> bool {
    method.response.columns.iter().any(|column| fields.contains_key(top_level(column)))
}

/// Whether an object holds a value in one of the fields of a row. Those in which errors stand say nothing where they stand
/// in the object itself.
fn holds_value(method: &Method, fields: &Map<String, Value>, at_root: bool) -> bool {
    let places = [&method.error.message, &method.error.code].into_iter().flatten();
    let paths: Vec<ItemPath> = places.filter_map(|path| ItemPath::parse(path).ok()).collect();
    let is_of_error = |name: &str| {
        paths.iter().any(|path| matches!(path.steps().first(), Some(PathStep::Name(first)) if first == name))
    };
    method.response.columns.iter().map(top_level).any(|name| {
        let is_told = fields.get(name).is_some_and(|value| !value.is_null());
        is_told && !(at_root && is_of_error(name))
    })
}

impl Identity {
    /// Whether an object is the one that a call asks for, as far as it says so.
    fn compare<'h>(&self, call: &Call, fields: &Map<String, Value>, hidden: impl FnOnce() -> Hidden<'h>) -> Found {
        let Some(asked) = call.arguments.get(&self.parameter).filter(|asked| !asked.is_null()) else {
            return Found::Wanted;
        };
        let mut path = self.source.iter();
        let first = path.next().and_then(|name| fields.get(name));
        let held = path.fold(first, |value, name| value?.get(name)).filter(|value| !value.is_null());
        let is_wanted = held.map_or(!self.compared, |held| is_same(asked, held) || is_known_by(asked, fields));
        if is_wanted {
            return Found::Wanted;
        }
        let (column, parameter, hidden) = (&self.column, &self.parameter, hidden());
        let reason = match held {
            None => format!("the answer does not hold `{column}`, which says which object it is"),
            Some(_) if self.secret => {
                format!("the answer's `{column}` is not the `{parameter}` that the API was asked for")
            }
            Some(held) => {
                let text = |value: &Value| tidy(&hidden.text(&literal_text(value)));
                let (asked, held) = (text(asked), text(held));
                format!("the API was asked for `{parameter}` = `{asked}`, and the answer's `{column}` is `{held}`")
            }
        };
        Found::Unproved(hidden.text(&reason))
    }
}

/// Whether two values name one object: case, encoding and the form of a number or an address do not tell objects apart.
pub(crate) fn is_same(asked: &Value, held: &Value) -> bool {
    let (asked, held) = (literal_text(asked), literal_text(held));
    let folded = |text: &str| percent_decode_str(text.trim()).decode_utf8_lossy().to_lowercase();
    if folded(&asked) == folded(&held) {
        return true;
    }
    if let (Ok(asked), Ok(held)) = (asked.parse::<i128>(), held.parse::<i128>()) {
        return asked == held;
    }
    let numbers = asked.parse::<f64>().ok().zip(held.parse::<f64>().ok());
    let addresses = asked.parse::<IpAddr>().ok().zip(held.parse::<IpAddr>().ok());
    numbers.is_some_and(|(asked, held)| asked.total_cmp(&held).is_eq())
        || addresses.is_some_and(|(asked, held)| asked == held)
}

/// Whether an object goes by a name that it was asked for by: a slug in the place of an id. Numbers are in many fields by
/// chance.
pub(crate) fn is_known_by(asked: &Value, fields: &Map<String, Value>) -> bool {
    let text = literal_text(asked);
    let is_name = |value: &Value| value.is_string() && is_same(asked, value);
    text.parse::<f64>().is_err() && fields.values().any(is_name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_of_a_key_are_one_key() {
        for (asked, held) in [
            (json!("private/1"), json!("PRIVATE/1")),
            (json!("a%2Fb"), json!("a/b")),
            (json!("5"), json!(5)),
            (json!(5), json!("5.0")),
            (json!("05"), json!(5)),
            (json!("2604:a880:0800::1"), json!("2604:A880:800:0::1")),
        ] {
            assert!(is_same(&asked, &held), "{asked} {held}");
        }
        for (asked, held) in [
            (json!("private/1"), json!("private/7")),
            (json!(5), json!(7)),
            (json!("9007199254740993"), json!(9_007_199_254_740_992_i64)),
            (json!("a"), json!(5)),
        ] {
            assert!(!is_same(&asked, &held), "{asked} {held}");
        }
        let object = json!({"id": 7, "slug": "debian-12", "size": 5});
        let fields = object.as_object().unwrap();
        assert!(is_known_by(&json!("Debian-12"), fields));
        assert!(!is_known_by(&json!(5), fields) && !is_known_by(&json!("5"), fields));
    }
}
