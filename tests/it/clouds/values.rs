//! Values that a document allows.

use serde_json::{Map, Value, json};
use skyql::provider::{BodyMedia, Location, Method, Parameter, ValueType};

/// A value for a parameter; another `salt` gives another one where the document leaves a choice.
pub(super) fn sample(parameter: &Parameter, salt: usize) -> Value {
    let choices: Vec<&Value> = parameter.values.iter().filter(|value| !value.is_null()).collect();
    if !choices.is_empty() {
        let chosen = choices[salt % choices.len()].clone();
        return if parameter.ty == ValueType::Array { json!([chosen]) } else { chosen };
    }
    match parameter.ty {
        ValueType::Boolean => json!(salt.is_multiple_of(2)),
        ValueType::Integer => json!(whole(parameter, salt)),
        ValueType::Number => json!(0.5 + f64::from(u16::try_from(salt % 1000).unwrap())),
        ValueType::Timestamp => json!(format!("2026-02-{:02}T03:04:05Z", salt % 28 + 1)),
        ValueType::Array => json!([]),
        ValueType::Object => json!({}),
        ValueType::Text | ValueType::Any => json!(format!("{}-{salt}", parameter.name.replace('_', "-"))),
    }
}

/// A whole number within the limits.
#[expect(clippy::cast_possible_truncation, reason = "limits of documents are far from those of the types")]
fn whole(parameter: &Parameter, salt: usize) -> i64 {
    let least = parameter.minimum.map_or(1, |least| least.ceil() as i64);
    let most = parameter.maximum.map_or(i64::MAX, |most| most.floor() as i64);
    let wanted = least.saturating_add(i64::try_from(salt).unwrap() % 1000);
    wanted.min(most)
}

/// The fields of the body that a call cannot do without.
pub(super) fn needed_fields(method: &Method) -> impl Iterator<Item = &Parameter> {
    let is_file =
        |parameter: &Parameter| method.request.as_ref().is_some_and(|request| request.files.contains(&parameter.name));
    method.needs().filter(move |parameter| parameter.location == Location::Body && !is_file(parameter))
}

/// A body that holds what is needed, as `@@json` takes it; none where the method takes none, or bytes.
pub(super) fn body(method: &Method, salt: usize) -> Option<Value> {
    let request = method.request.as_ref()?;
    match (request.media, request.ty) {
        (BodyMedia::Bytes | BodyMedia::Xml, _) => None,
        (_, Some(ValueType::Array)) => Some(json!([])),
        (_, Some(ValueType::Text)) => Some(json!("text")),
        _ => {
            let fields = needed_fields(method).map(|field| (field.wire.clone(), sample(field, salt)));
            Some(Value::Object(fields.collect::<Map<String, Value>>()))
        }
    }
}
