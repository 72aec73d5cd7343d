//! The `sandbox` hint of a resource: how to make rows that look like the API's.
//!
//! A hint is read strictly: a word that is not known is an error, because a hint that does nothing would go unseen.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::date::{self, Stamp};
use crate::error::{Error, ErrorKind, Result};

mod names;
mod writes;

pub(super) use names::{Names, Unknown, columns as shown_columns, unknown};
pub(super) use writes::{Action, Becoming, Does, Fails, Writes};

/// The hint of one resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Recipe {
    /// How many rows; per parent object where there is one.
    pub(super) rows: Option<u64>,
    /// How columns are made.
    pub(super) columns: BTreeMap<String, ColumnRecipe>,
    /// Kinds of rows: each row is of one.
    pub(super) variants: Vec<Variant>,
    /// Values of the first rows.
    pub(super) fixed: Vec<Map<String, Value>>,
    /// Parameter → the column of another resource whose objects these rows belong to.
    pub(super) parents: BTreeMap<String, ColumnOf>,
    /// What a caller without a credential sees.
    pub(super) anonymous: Map<String, Value>,
    /// What parameters of lists mean.
    pub(super) filters: BTreeMap<String, Filter>,
    /// What writes do.
    pub(super) writes: Writes,
}

/// A column of a resource of the same provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnOf {
    /// `service.resource`.
    pub(super) resource: String,
    pub(super) column: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variant {
    pub(super) weight: f64,
    pub(super) columns: BTreeMap<String, ColumnRecipe>,
}

/// How one column is made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ColumnRecipe {
    pub(super) maker: Maker,
    /// The probability of null.
    pub(super) nullable: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Maker {
    /// From the column's type, format and name.
    Natural,
    Value(Value),
    Choices {
        values: Vec<Value>,
        weights: Vec<f64>,
    },
    /// An array of some of the values, each at most once.
    Some {
        of: Vec<Value>,
        least: u64,
        most: u64,
    },
    Template(Vec<Piece>),
    Integers {
        from: i64,
        to: i64,
    },
    Numbers {
        from: f64,
        to: f64,
    },
    Between {
        from: Stamp,
        to: Stamp,
    },
    Chance(f64),
    Sequence {
        start: i64,
        step: i64,
    },
    Ref(ColumnOf),
    Object(BTreeMap<String, ColumnRecipe>),
    /// From the body of the request that makes or changes the row.
    Body(OfBody),
    /// The length of an upload, in units of so many bytes, rounded up.
    Uploaded(u64),
}

/// A field of a request's body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OfBody {
    pub(super) field: String,
    /// Makes an object of each value, which holds it under this key…
    pub(super) key: Option<String>,
    /// … and these beside it.
    pub(super) with: Map<String, Value>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// `{n}`: the row's number, from 1.
    Number,
    /// `{hex:8}`
    Hex(usize),
    /// `{digits:7}`
    Digits(usize),
    /// `{slug}`: the label or name in lower case, `Ubuntu 22.04 LTS` → `ubuntu22.04-lts`.
    Slug,
    /// `{label}`; `{label:slug}`, `{label:dashed}` (`ubuntu-22-04-lts`), `{label:first}` (`Ubuntu`).
    Column {
        name: String,
        form: TextForm,
    },
    /// `{parent:domain}`: a column of the parent object.
    Parent(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextForm {
    Plain,
    Slug,
    Dashed,
    First,
}

/// What a parameter of a list means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    /// Nothing: all rows pass.
    Ignored,
    Column {
        column: String,
        /// Passes what is not equal.
        not: bool,
        /// Passes arrays that hold the value and texts that contain it.
        contains: bool,
        /// Keys into the column's object.
        path: Vec<String>,
    },
    /// Per value of the parameter, the columns' values; an array is a choice.
    Map(BTreeMap<String, Map<String, Value>>),
}

/// Reads the hint of the resource called `id`.
///
/// # Errors
/// `Provider` names the resource and the key that cannot be used.
pub(super) fn read(id: &str, hint: Option<&Value>) -> Result<Recipe> {
    let Some(hint) = hint else { return Ok(Recipe::default()) };
    recipe(hint).map_err(|Wrong(place, why)| unusable(id, &place, &why))
}

/// The error of a hint that cannot be used.
pub(super) fn unusable(id: &str, place: &str, why: &str) -> Error {
    let key = if place.is_empty() { "sandbox".to_owned() } else { format!("sandbox.{place}") };
    Error::new(ErrorKind::Provider, format!("the sandbox hint of `{id}` cannot be used: {why}")).with("key", key)
}

/// What is wrong, and the keys that lead there.
struct Wrong(String, String);

fn wrong(why: impl Into<String>) -> Wrong {
    Wrong(String::new(), why.into())
}

type Read<T> = Result<T, Wrong>;

fn under<T>(key: &str, read: Read<T>) -> Read<T> {
    read.map_err(|Wrong(place, why)| {
        Wrong(if place.is_empty() { key.to_owned() } else { format!("{key}.{place}") }, why)
    })
}

fn recipe(hint: &Value) -> Read<Recipe> {
    let mut recipe = Recipe::default();
    for (key, value) in object(hint)? {
        under(key, recipe_key(&mut recipe, key, value))?;
    }
    Ok(recipe)
}

fn recipe_key(recipe: &mut Recipe, key: &str, value: &Value) -> Read<()> {
    match key {
        "rows" => {
            let rows = value.as_u64().filter(|rows| *rows <= 100_000);
            recipe.rows = Some(rows.ok_or_else(|| wrong("a number up to 100000 is expected"))?);
        }
        "columns" => recipe.columns = columns(value)?,
        "variants" => recipe.variants = array(value)?.iter().map(variant).collect::<Read<_>>()?,
        "fixed" => recipe.fixed = maps(value)?,
        "parent" => recipe.parents = each(value, |value| column_of(text(value)?))?,
        "anonymous" => recipe.anonymous.clone_from(object(value)?),
        "filters" => recipe.filters = each(value, filter)?,
        key if writes::is_key(key) => writes::read_key(&mut recipe.writes, key, value)?,
        _ => return Err(wrong("the key is not known")),
    }
    Ok(())
}

fn variant(value: &Value) -> Read<Variant> {
    let mut variant = Variant { weight: 1.0, columns: BTreeMap::new() };
    for (key, value) in object(value)? {
        match key.as_str() {
            "weight" => variant.weight = under(key, number(value))?,
            "columns" => variant.columns = under(key, columns(value))?,
            _ => return under(key, Err(wrong("the key is not known"))),
        }
    }
    Ok(variant)
}

fn columns(value: &Value) -> Read<BTreeMap<String, ColumnRecipe>> {
    each(value, column)
}

fn column(value: &Value) -> Read<ColumnRecipe> {
    let fields = object(value)?;
    let nullable = fields.get("nullable").map_or(Ok(0.0), |value| match value {
        Value::Bool(yes) => Ok(if *yes { 0.2 } else { 0.0 }),
        other => under("nullable", number(other)),
    })?;
    if fields.contains_key("weights") && !fields.contains_key("choices") {
        return under("weights", Err(wrong("there are no `choices` to weigh")));
    }
    let mut maker = Maker::Natural;
    for (key, value) in fields {
        let made = match key.as_str() {
            "nullable" | "weights" => continue,
            "value" => Ok(Maker::Value(value.clone())),
            "choices" => choices(value, fields.get("weights")),
            "some" => some(value),
            "template" => text(value).and_then(template).map(Maker::Template),
            "range" => range(value),
            "between" => between(value),
            "chance" => number(value).map(Maker::Chance),
            "sequence" => sequence(value),
            "ref" => reference(value).map(Maker::Ref),
            "object" => columns(value).map(Maker::Object),
            "body" => of_body(value).map(Maker::Body),
            "uploaded" => {
                let unit = value.as_u64().filter(|unit| *unit > 0);
                unit.map(Maker::Uploaded).ok_or_else(|| wrong("a number of bytes is expected"))
            }
            _ => Err(wrong("the key is not known")),
        };
        let made = under(key, made)?;
        if maker != Maker::Natural {
            return under(key, Err(wrong("the column is made in two ways")));
        }
        maker = made;
    }
    Ok(ColumnRecipe { maker, nullable })
}

fn choices(value: &Value, weights: Option<&Value>) -> Read<Maker> {
    let values = array(value)?.clone();
    let weights = weights.map_or(Ok(Vec::new()), |weights| array(weights)?.iter().map(number).collect::<Read<_>>())?;
    if values.is_empty() {
        return Err(wrong("there is nothing to choose from"));
    }
    if weights.len() > values.len() {
        return Err(wrong("there are more weights than choices"));
    }
    Ok(Maker::Choices { values, weights })
}

fn some(value: &Value) -> Read<Maker> {
    let fields = object(value)?;
    let of = array(fields.get("of").ok_or_else(|| wrong("`of` is missing"))?)?.clone();
    let count = |key: &str, otherwise: u64| {
        fields
            .get(key)
            .map_or(Ok(otherwise), |value| value.as_u64().ok_or_else(|| wrong(format!("`{key}` is not a count"))))
    };
    let most = count("max", of.len() as u64)?.min(of.len() as u64);
    let least = count("min", 0)?.min(most);
    Ok(Maker::Some { of, least, most })
}

fn range(value: &Value) -> Read<Maker> {
    let (from, to) = pair(value)?;
    if let (Some(from), Some(to)) = (from.as_i64(), to.as_i64()) {
        return Ok(Maker::Integers { from, to });
    }
    Ok(Maker::Numbers { from: number(from)?, to: number(to)? })
}

fn between(value: &Value) -> Read<Maker> {
    let (from, to) = pair(value)?;
    let stamp = |value: &Value| {
        text(value).and_then(|text| date::parse(text).ok_or_else(|| wrong(format!("`{text}` is not a time"))))
    };
    Ok(Maker::Between { from: stamp(from)?, to: stamp(to)? })
}

fn sequence(value: &Value) -> Read<Maker> {
    let fields = object(value)?;
    let integer = |key: &str, otherwise: i64| {
        fields.get(key).map_or(Ok(otherwise), |value| {
            value.as_i64().ok_or_else(|| wrong(format!("`{key}` is not a whole number")))
        })
    };
    Ok(Maker::Sequence { start: integer("start", 1)?, step: integer("step", 1)? })
}

fn reference(value: &Value) -> Read<ColumnOf> {
    match value {
        Value::String(text) => column_of(text),
        other => {
            let fields = object(other)?;
            let field =
                |key: &str| fields.get(key).and_then(Value::as_str).ok_or_else(|| wrong(format!("`{key}` is missing")));
            Ok(ColumnOf { resource: field("resource")?.to_owned(), column: field("column")?.to_owned() })
        }
    }
}

fn of_body(value: &Value) -> Read<OfBody> {
    if let Some(field) = value.as_str() {
        return Ok(OfBody { field: field.to_owned(), key: None, with: Map::new() });
    }
    let (mut field, mut key, mut with) = (None, None, Map::new());
    for (word, value) in object(value)? {
        match word.as_str() {
            "field" => field = Some(under(word, text(value))?.to_owned()),
            "key" => key = Some(under(word, text(value))?.to_owned()),
            "with" => with.clone_from(under(word, object(value))?),
            _ => return under(word, Err(wrong("the key is not known"))),
        }
    }
    Ok(OfBody { field: field.ok_or_else(|| wrong("`field` is missing"))?, key, with })
}

/// `service.resource.column`
fn column_of(text: &str) -> Read<ColumnOf> {
    let (resource, column) = text
        .rsplit_once('.')
        .filter(|(resource, column)| resource.contains('.') && !column.is_empty())
        .ok_or_else(|| wrong(format!("`{text}` is not `service.resource.column`")))?;
    Ok(ColumnOf { resource: resource.to_owned(), column: column.to_owned() })
}

fn filter(value: &Value) -> Read<Filter> {
    if matches!(value, Value::Null | Value::Bool(false)) {
        return Ok(Filter::Ignored);
    }
    if let Some(column) = value.as_str() {
        return Ok(Filter::Column { column: column.to_owned(), not: false, contains: false, path: Vec::new() });
    }
    let fields = object(value)?;
    if let Some(map) = fields.get("map") {
        return under("map", each(map, |columns| object(columns).cloned())).map(Filter::Map);
    }
    let (mut column, mut not, mut contains, mut path) = (None, false, false, Vec::new());
    for (key, value) in fields {
        let flag = || value.as_bool().ok_or_else(|| wrong("true or false is expected"));
        match key.as_str() {
            "column" => column = Some(under(key, text(value))?.to_owned()),
            "not" => not = under(key, flag())?,
            "contains" => contains = under(key, flag())?,
            "path" => path = under(key, text(value))?.split('.').map(str::to_owned).collect(),
            _ => return under(key, Err(wrong("the key is not known"))),
        }
    }
    let column = column.ok_or_else(|| wrong("`column` is missing"))?;
    Ok(Filter::Column { column, not, contains, path })
}

/// Splits a template into its pieces.
fn template(text: &str) -> Read<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, behind) = after.split_once('}').ok_or_else(|| wrong("a brace is not closed"))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let length = |text: &str| {
            text.parse::<usize>()
                .ok()
                .filter(|length| *length <= 4096)
                .ok_or_else(|| wrong(format!("`{{{word}}}` has no length")))
        };
        let column = |name: &str, form| Piece::Column { name: name.to_owned(), form };
        pieces.push(match word.split_once(':') {
            None if word == "n" => Piece::Number,
            None if word == "slug" => Piece::Slug,
            None => column(word, TextForm::Plain),
            Some(("hex", count)) => Piece::Hex(length(count)?),
            Some(("digits", count)) => Piece::Digits(length(count)?),
            Some(("parent", name)) => Piece::Parent(name.to_owned()),
            Some((name, "slug")) => column(name, TextForm::Slug),
            Some((name, "dashed")) => column(name, TextForm::Dashed),
            Some((name, "first")) => column(name, TextForm::First),
            Some(_) => return Err(wrong(format!("`{{{word}}}` is not known"))),
        });
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

fn object(value: &Value) -> Read<&Map<String, Value>> {
    value.as_object().ok_or_else(|| wrong("an object is expected"))
}

fn array(value: &Value) -> Read<&Vec<Value>> {
    value.as_array().ok_or_else(|| wrong("a list is expected"))
}

fn maps(value: &Value) -> Read<Vec<Map<String, Value>>> {
    array(value)?.iter().map(|row| object(row).cloned()).collect()
}

fn text(value: &Value) -> Read<&str> {
    value.as_str().ok_or_else(|| wrong("a text is expected"))
}

fn number(value: &Value) -> Read<f64> {
    value.as_f64().ok_or_else(|| wrong("a number is expected"))
}

fn pair(value: &Value) -> Read<(&Value, &Value)> {
    match array(value)?.as_slice() {
        [from, to] => Ok((from, to)),
        _ => Err(wrong("two values are expected")),
    }
}

fn each<T>(value: &Value, read: impl Fn(&Value) -> Read<T>) -> Read<BTreeMap<String, T>> {
    object(value)?.iter().map(|(key, value)| Ok((key.clone(), under(key, read(value))?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_is_read() {
        let hint = json!({
            "rows": 240,
            "columns": {
                "label": {"choices": ["a", "b"], "weights": [3, 1]},
                "id": {"template": "linode/{slug}-{n}{hex:4}{label:first}"},
                "size": {"range": [1500, 8000], "nullable": 0.1},
                "price": {"range": [0.5, 2]},
                "created": {"between": ["2018-01-01T00:00:00", "2024-01-01T00:00:00"]},
                "is_public": {"chance": 0.85},
                "regions": {"value": []},
                "tags": {"some": {"of": ["x", "y"], "max": 1}},
                "x": {"sequence": {"start": 5, "step": 2}},
                "y": {"ref": {"resource": "domains.domains", "column": "id"}},
                "region": {"object": {"slug": {"value": "nyc1"}}},
                "note": {"nullable": 0.5},
            },
            "variants": [{"weight": 2, "columns": {"type": {"value": "manual"}}}],
            "fixed": [{"id": "linode/debian12"}],
            "parent": {"domainId": "domains.domains.id"},
            "anonymous": {"is_public": true},
            "filters": {
                "private": {"column": "public", "not": true},
                "tag_name": {"column": "tags", "contains": true},
                "type": {"map": {"distribution": {"type": "base"}}},
                "region": {"column": "region", "path": "slug"},
                "page_hint": false,
            },
            "created": {"region": {"body": {"field": "region", "key": "slug", "with": {"available": true}}}},
            "async": {"column": "status", "from": "creating", "to": "available", "after": "1500ms"},
            "actions": {
                "clone": "copy",
                "upload": {"does": "upload", "then": {"size": {"uploaded": 1000}, "name": {"body": "label"}}},
            },
            "invalid": 422,
        });
        let recipe = read("p.s.r", Some(&hint)).unwrap();
        assert_eq!(recipe.rows, Some(240));
        assert_eq!(
            recipe.columns["size"],
            ColumnRecipe { maker: Maker::Integers { from: 1500, to: 8000 }, nullable: 0.1 }
        );
        assert_eq!(recipe.columns["tags"].maker, Maker::Some { of: vec![json!("x"), json!("y")], least: 0, most: 1 });
        assert_eq!(recipe.parents["domainId"], ColumnOf { resource: "domains.domains".into(), column: "id".into() });
        assert_eq!(recipe.filters["page_hint"], Filter::Ignored);
        let Maker::Template(pieces) = &recipe.columns["id"].maker else { panic!("a template") };
        assert_eq!(pieces.len(), 6);
        let OfBody { field, key, with } = match &recipe.writes.created["region"].maker {
            Maker::Body(of) => of.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!((field.as_str(), key.as_deref(), with.len()), ("region", Some("slug"), 1));
        let becoming = recipe.writes.becoming.unwrap();
        assert_eq!((becoming.to, becoming.after.as_millis()), (json!("available"), 1500));
        assert_eq!(recipe.writes.actions["clone"].does, Does::Copy);
        assert_eq!(recipe.writes.actions["upload"].then["size"].maker, Maker::Uploaded(1000));
        assert_eq!(recipe.writes.invalid.map(|status| status.as_u16()), Some(422));
        assert_eq!(read("p.s.r", None).unwrap(), Recipe::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        for (hint, key) in [
            (json!([]), "sandbox"),
            (json!({"row": 3}), "sandbox.row"),
            (json!({"rows": -3}), "sandbox.rows"),
            (json!({"columns": {"id": {"tempalte": "x"}}}), "sandbox.columns.id.tempalte"),
            (json!({"columns": {"id": {"template": "{x"}}}), "sandbox.columns.id.template"),
            (json!({"columns": {"id": {"template": "{x:y}"}}}), "sandbox.columns.id.template"),
            (json!({"columns": {"id": {"choices": []}}}), "sandbox.columns.id.choices"),
            (json!({"columns": {"id": {"value": 1, "range": [1, 2]}}}), "sandbox.columns.id.value"),
            (json!({"columns": {"at": {"between": ["now", "then"]}}}), "sandbox.columns.at.between"),
            (json!({"parent": {"domainId": "domains"}}), "sandbox.parent.domainId"),
            (json!({"filters": {"x": {"path": "slug"}}}), "sandbox.filters.x"),
            (json!({"variants": [{"wait": 1}]}), "sandbox.variants.wait"),
            (json!({"created": {"id": {"body": {"key": "x"}}}}), "sandbox.created.id.body"),
            (json!({"created": {"id": {"uploaded": 0}}}), "sandbox.created.id.uploaded"),
            (json!({"async": {"column": "s", "from": 1, "to": 2}}), "sandbox.async"),
            (json!({"async": {"column": "s", "from": 1, "to": 2, "after": "3é"}}), "sandbox.async.after"),
            (json!({"async": {"column": "s", "from": 1, "to": 2, "after": "3s", "x": 1}}), "sandbox.async.x"),
            (json!({"actions": {"clone": "sing"}}), "sandbox.actions.clone.does"),
            (json!({"actions": {"clone": {"sets": {}}}}), "sandbox.actions.clone.sets"),
            (json!({"invalid": 500}), "sandbox.invalid"),
        ] {
            let error = read("p.s.r", Some(&hint)).unwrap_err();
            assert_eq!(error.context_value("key"), Some(key), "{error}");
            assert!(error.message().contains("`p.s.r`"));
        }
    }
}
