//! What a column holds, and the Arrow field that says so.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

/// The metadata key under which a field keeps its [`Kind`]'s name.
pub const KIND_KEY: &str = "skyql.type";

/// Arrow's metadata key for extension types, and the canonical name of JSON text
/// (Arrow columnar format, "Canonical Extension Types").
const EXTENSION_KEY: &str = "ARROW:extension:name";
const JSON_EXTENSION: &str = "arrow.json";

/// What a column's values are, and so what fits it.
///
/// A string whose text is a JSON number fits `Integer` and `Number`: many APIs quote their numbers. `null` and an
/// absent member are NULL in every kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text. A number or a boolean becomes its exact JSON text; an object or array does not fit.
    Text,
    /// A point in time. As text: what the API wrote, like [`Kind::Text`]. Typed: RFC 3339, also with a space for the
    /// `T`, without a zone (UTC) or a date alone, or whole Unix seconds; parts of a microsecond are cut off.
    Timestamp,
    /// A 64-bit integer. `5.0` is 5; `5.5` and what needs more than 64 bits do not fit.
    Integer,
    /// A 64-bit float. Digits beyond its precision are rounded, as JSON readers do.
    Number,
    /// True or false; the strings `true` and `false` too.
    Boolean,
    /// Any JSON value, as JSON text without insignificant whitespace; digits and escapes stay as they were sent.
    Json,
    /// Any JSON value: a string as its text, anything else as JSON text.
    Any,
}

impl Kind {
    /// The kind as a lower-case word, as it stands in a field's metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Timestamp => "timestamp",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Json => "json",
            Self::Any => "any",
        }
    }

    /// The kind that a field's metadata names, if any.
    pub fn of(field: &Field) -> Option<Self> {
        let name = field.metadata().get(KIND_KEY)?;
        [Self::Text, Self::Timestamp, Self::Integer, Self::Number, Self::Boolean, Self::Json, Self::Any]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// Whether values of this kind can be decoded into `data_type`.
    pub(super) fn fits(self, data_type: &DataType) -> bool {
        match self {
            Self::Text | Self::Json | Self::Any => *data_type == DataType::Utf8,
            Self::Timestamp => *data_type == DataType::Utf8 || *data_type == typed_timestamp(),
            Self::Integer => *data_type == DataType::Int64,
            Self::Number => *data_type == DataType::Float64,
            Self::Boolean => *data_type == DataType::Boolean,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The Arrow field of a column: nullable, with its kind in the metadata under [`KIND_KEY`].
///
/// `Text`, `Json`, `Any` → `Utf8` (`Json` is marked `arrow.json`); `Integer` → `Int64`; `Number` → `Float64`;
/// `Boolean` → `Boolean`; `Timestamp` → `Utf8`, or with `typed_timestamps` `Timestamp(Microsecond, "UTC")`.
pub fn field(name: &str, kind: Kind, typed_timestamps: bool) -> Field {
    let data_type = match kind {
        Kind::Timestamp if typed_timestamps => typed_timestamp(),
        Kind::Text | Kind::Timestamp | Kind::Json | Kind::Any => DataType::Utf8,
        Kind::Integer => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Boolean => DataType::Boolean,
    };
    let mut metadata = HashMap::from([(KIND_KEY.to_owned(), kind.name().to_owned())]);
    if kind == Kind::Json {
        metadata.insert(EXTENSION_KEY.to_owned(), JSON_EXTENSION.to_owned());
    }
    Field::new(name, data_type, true).with_metadata(metadata)
}

/// A JSON value as text without whitespace; a string keeps its quotes.
pub fn json_text(value: &serde_json::Value) -> String {
    value.to_string()
}

fn typed_timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_says_what_it_holds() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (kind, plain, typed) in [
            (Kind::Text, DataType::Utf8, DataType::Utf8),
            (Kind::Timestamp, DataType::Utf8, micros),
            (Kind::Integer, DataType::Int64, DataType::Int64),
            (Kind::Number, DataType::Float64, DataType::Float64),
            (Kind::Boolean, DataType::Boolean, DataType::Boolean),
            (Kind::Json, DataType::Utf8, DataType::Utf8),
            (Kind::Any, DataType::Utf8, DataType::Utf8),
        ] {
            for (typed_timestamps, expected) in [(false, plain), (true, typed)] {
                let field = field("x", kind, typed_timestamps);
                assert_eq!(field.data_type(), &expected);
                assert!(field.is_nullable() && kind.fits(&expected));
                assert_eq!(Kind::of(&field), Some(kind));
                assert_eq!(field.metadata()["skyql.type"], kind.to_string());
                let extension = field.metadata().get("ARROW:extension:name").map(String::as_str);
                assert_eq!(extension, (kind == Kind::Json).then_some("arrow.json"));
            }
        }
        assert_eq!(Kind::of(&Field::new("x", DataType::Utf8, true)), None);
        assert!(!Kind::Integer.fits(&DataType::Utf8) && !Kind::Text.fits(&DataType::Int64));
    }

    #[test]
    fn json_text_is_compact() {
        assert_eq!(json_text(&serde_json::json!({"a": [1, "x", null]})), r#"{"a":[1,"x",null]}"#);
        assert_eq!(json_text(&serde_json::json!("x")), "\"x\"");
    }
}
