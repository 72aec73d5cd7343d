//! `json_extract(json, '$.a.b[0]')`.
//!
//! The path is `SQLite`'s (<https://sqlite.org/json1.html#path_arguments>): `$`, `.name`, `."name"`, `[n]`, `[#-n]`. The
//! result is text: a string's own text, any other value's JSON; NULL where the path leads nowhere or the text is not JSON.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use serde_json::Value;

/// See the module's text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonExtract {
    signature: Signature,
}

impl JsonExtract {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonExtract {
    fn name(&self) -> &'static str {
        "json_extract"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [json, path] = args.args.as_slice() else { return exec_err!("json_extract takes a JSON text and a path") };
        let rows = args.number_rows;
        let texts = cast(&json.to_array(rows)?, &DataType::Utf8)?;
        let paths = cast(&path.to_array(rows)?, &DataType::Utf8)?;
        let (texts, paths) = (texts.as_string::<i32>(), paths.as_string::<i32>());
        let mut found = StringBuilder::new();
        let mut known: Option<(String, Vec<Step>)> = None;
        for row in 0..texts.len() {
            if texts.is_null(row) || paths.is_null(row) {
                found.append_null();
                continue;
            }
            let path = paths.value(row);
            if known.as_ref().is_none_or(|(text, _)| text != path) {
                known = Some((path.to_owned(), parse_path(path)?));
            }
            let steps = known.as_ref().map_or(&[][..], |(_, steps)| steps);
            let value: Option<Value> = serde_json::from_str(texts.value(row)).ok();
            match value.as_ref().and_then(|value| follow(value, steps)) {
                None | Some(Value::Null) => found.append_null(),
                Some(Value::String(text)) => found.append_value(text),
                Some(other) => found.append_value(other.to_string()),
            }
        }
        let array: ArrayRef = Arc::new(found.finish());
        Ok(ColumnarValue::Array(array))
    }
}

#[derive(Debug, PartialEq)]
enum Step {
    Member(String),
    Element(usize),
    FromEnd(usize),
}

fn follow<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |here, step| match (step, here) {
        (Step::Member(name), Value::Object(members)) => members.get(name),
        (Step::Element(at), Value::Array(items)) => items.get(*at),
        (Step::FromEnd(back), Value::Array(items)) => items.len().checked_sub(*back).and_then(|at| items.get(at)),
        _ => None,
    })
}

fn parse_path(path: &str) -> Result<Vec<Step>> {
    let wrong = || exec_err!("`{path}` is not a JSON path: write it as `$.name[0]`");
    let Some(mut rest) = path.strip_prefix('$') else { return wrong() };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(".\"") {
            let Some(end) = after.find('"') else { return wrong() };
            steps.push(Step::Member(after[..end].to_owned()));
            rest = &after[end + 1..];
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return wrong();
            }
            steps.push(Step::Member(after[..end].to_owned()));
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix('[') {
            let Some(end) = after.find(']') else { return wrong() };
            let inside = &after[..end];
            let step = match inside.strip_prefix("#-") {
                Some(back) => back.parse().map(Step::FromEnd),
                None => inside.parse().map(Step::Element),
            };
            let Ok(step) = step else { return wrong() };
            steps.push(step);
            rest = &after[end + 1..];
        } else {
            return wrong();
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let value = json!({"a": {"b c": [1, 2, {"d": "x"}]}});
        let at = |path: &str| follow(&value, &parse_path(path).unwrap()).cloned();
        assert_eq!(at("$.a.\"b c\"[2].d"), Some(json!("x")));
        assert_eq!(at("$.a.b c[0]"), Some(json!(1)));
        assert_eq!(at("$.a.\"b c\"[#-1].d"), Some(json!("x")));
        assert_eq!(at("$.a.none"), None);
        assert_eq!(at("$"), Some(value.clone()));
        for bad in ["a.b", "$.", "$[x]", "$..a", "$x"] {
            assert!(parse_path(bad).is_err(), "{bad}");
        }
    }
}
