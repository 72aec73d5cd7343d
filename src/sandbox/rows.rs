//! Making rows: every value from a seed of its own, so that a row never depends on what was asked before it.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::chance::{Chance, Part};
use super::date;
use super::recipe::{ColumnOf, ColumnRecipe, Maker, OfBody, Piece, Recipe, TextForm, Variant};
use super::state::Row;
use super::words;
use crate::provider::{Column, ValueType};

/// Rows without a hint.
pub(super) const ROWS: u64 = 120;
/// Rows per parent object without a hint.
pub(super) const ROWS_PER_PARENT: u64 = 5;
/// How often a row is made again because its identity is taken, before a number is added to it.
const ATTEMPTS: u64 = 16;

/// What rows of one resource are made from.
pub(super) struct Ground<'a> {
    pub(super) seed: u64,
    /// `provider.service.resource`
    pub(super) id: &'a str,
    pub(super) columns: &'a [Column],
    pub(super) recipe: &'a Recipe,
    /// The columns whose values tell rows apart.
    pub(super) identity: &'a [String],
    /// Rows of other resources, for `ref`.
    pub(super) others: &'a BTreeMap<String, Vec<std::sync::Arc<Row>>>,
}

/// What a request says of the row that it makes or changes.
pub(super) struct Said<'a> {
    /// Columns whose values are settled.
    pub(super) given: &'a Map<String, Value>,
    /// Makers that come before all others. Where there are any, no variant is chosen.
    pub(super) makers: &'a BTreeMap<String, ColumnRecipe>,
    /// The fields of its body.
    pub(super) body: &'a Map<String, Value>,
    /// The length of an upload, in bytes.
    pub(super) uploaded: u64,
}

/// An object that rows belong to.
pub(super) struct Parent<'a> {
    pub(super) row: &'a Row,
    /// Values of the parameters that lead to it.
    pub(super) parameters: BTreeMap<String, Value>,
}

/// `count` rows, or `count` for each parent where there are parents.
pub(super) fn make(ground: &Ground<'_>, count: u64, parents: Option<&[Parent<'_>]>) -> Vec<Row> {
    let mut taken = HashSet::new();
    let mut rows = Vec::new();
    let mut add = |parent: Option<&Parent<'_>>, fixed: Option<&Map<String, Value>>| {
        let number = rows.len() as u64;
        rows.push(unique(ground, number, parent, fixed, &mut taken));
    };
    match parents {
        None => {
            for number in 0..count {
                let fixed = usize::try_from(number).ok().and_then(|index| ground.recipe.fixed.get(index));
                add(None, fixed);
            }
        }
        Some(parents) => {
            for parent in parents {
                for index in 0..count {
                    let fixed = usize::try_from(index).ok().and_then(|index| ground.recipe.fixed.get(index));
                    add(Some(parent), fixed);
                }
            }
        }
    }
    rows
}

/// The row that a request asks for; `None` when it asks for an identity that is taken.
pub(super) fn make_one(
    ground: &Ground<'_>,
    number: u64,
    parent: Option<&Parent<'_>>,
    said: &Said<'_>,
    is_taken: impl Fn(&Row) -> bool,
) -> Option<Row> {
    let is_settled = ground.identity.iter().all(|name| said.given.contains_key(name));
    for attempt in 0..=ATTEMPTS + 1000 {
        let maker = RowMaker::new(ground, number, attempt, parent, Some(said.given));
        let mut row =
            RowMaker { variant: maker.variant.filter(|_| said.makers.is_empty()), said: Some(said), ..maker }.row();
        if attempt >= ATTEMPTS && !is_settled {
            tell_apart(ground, &mut row, (attempt - ATTEMPTS).saturating_add(number));
        }
        if ground.identity.is_empty() || !is_taken(&row) {
            return Some(row);
        }
        if is_settled {
            return None;
        }
    }
    None
}

/// The values of some columns of a row that is there, made anew by `said.makers`.
pub(super) fn remake(ground: &Ground<'_>, row: &Row, said: &Said<'_>) -> Map<String, Value> {
    let maker = RowMaker::new(ground, row.number, 0, None, Some(said.given));
    let mut values = row.values.clone();
    values.retain(|name, _| !said.given.contains_key(name) && !said.makers.contains_key(name));
    let mut maker = RowMaker { variant: None, said: Some(said), values, ..maker };
    said.makers.keys().map(|name| (name.clone(), maker.value(name))).collect()
}

fn unique(
    ground: &Ground<'_>,
    number: u64,
    parent: Option<&Parent<'_>>,
    fixed: Option<&Map<String, Value>>,
    taken: &mut HashSet<String>,
) -> Row {
    let mut attempt = 0;
    loop {
        let mut row = RowMaker::new(ground, number, attempt, parent, fixed).row();
        if attempt >= ATTEMPTS {
            tell_apart(ground, &mut row, (attempt - ATTEMPTS).saturating_add(number));
        }
        let identity: Vec<&Value> = ground.identity.iter().filter_map(|name| row.values.get(name)).collect();
        if identity.is_empty() || taken.insert(identity.into_iter().cloned().collect::<Value>().to_string()) {
            return row;
        }
        attempt += 1;
        // A boolean identity, or one that is fixed, cannot be told apart: two such rows are what the hint asks for.
        if attempt > ATTEMPTS + 1000 {
            return row;
        }
    }
}

/// Adds a number to the last column of the identity that can take one.
fn tell_apart(ground: &Ground<'_>, row: &mut Row, number: u64) {
    for name in ground.identity.iter().rev() {
        let changed = match row.values.get(name) {
            Some(Value::String(text)) => Value::String(format!("{text}-{number}")),
            Some(Value::Number(old)) => {
                Value::from(old.as_i64().unwrap_or(0).saturating_add(i64::try_from(number).unwrap_or(0)))
            }
            _ => continue,
        };
        row.values.insert(name.clone(), changed);
        return;
    }
}

struct RowMaker<'a> {
    ground: &'a Ground<'a>,
    number: u64,
    attempt: u64,
    parent: Option<&'a Parent<'a>>,
    variant: Option<&'a Variant>,
    fixed: Option<&'a Map<String, Value>>,
    said: Option<&'a Said<'a>>,
    values: Map<String, Value>,
    /// Columns that are being made: a template that leads back to itself ends there.
    open: Vec<String>,
}

impl<'a> RowMaker<'a> {
    fn new(
        ground: &'a Ground<'a>,
        number: u64,
        attempt: u64,
        parent: Option<&'a Parent<'a>>,
        fixed: Option<&'a Map<String, Value>>,
    ) -> Self {
        let variants = &ground.recipe.variants;
        let seed = [Part::Number(ground.seed), Part::Text(ground.id), Part::Number(number), Part::Text("variant")];
        let weights: Vec<f64> = variants.iter().map(|variant| variant.weight).collect();
        let variant = variants.get(Chance::new(&seed).weighted(variants.len(), &weights));
        Self { ground, number, attempt, parent, variant, fixed, said: None, values: Map::new(), open: Vec::new() }
    }

    fn row(mut self) -> Row {
        // Times of creation first: times of change are made from them.
        for column in self.ground.columns.iter().filter(|column| words::is_creation_time(&column.name)) {
            self.value(&column.name);
        }
        let helpers = self.ground.recipe.columns.keys();
        for name in self.ground.columns.iter().map(|column| &column.name).chain(helpers) {
            self.value(name);
        }
        keep_order_of_times(&mut self.values);
        let parents = self.parent.map(|parent| parent.parameters.clone()).unwrap_or_default();
        Row { number: self.number, values: self.values, parents }
    }

    fn chance(&self, what: &str) -> Chance {
        Chance::new(&[
            Part::Number(self.ground.seed),
            Part::Text(self.ground.id),
            Part::Number(self.number),
            Part::Text(what),
            Part::Number(self.attempt),
        ])
    }

    /// The value of a column, made now if it is not there yet.
    fn value(&mut self, name: &str) -> Value {
        if let Some(value) = self.values.get(name) {
            return value.clone();
        }
        if self.open.iter().any(|open| open == name) {
            return Value::Null;
        }
        self.open.push(name.to_owned());
        let column = self.ground.columns.iter().find(|column| column.name == name);
        let fixed = self.fixed.and_then(|fixed| fixed.get(name)).cloned();
        let value = fixed.unwrap_or_else(|| {
            let recipe = self
                .said
                .and_then(|said| said.makers.get(name))
                .or_else(|| self.variant.and_then(|variant| variant.columns.get(name)))
                .or_else(|| self.ground.recipe.columns.get(name));
            self.made(name, recipe, column)
        });
        self.open.pop();
        self.values.insert(name.to_owned(), value.clone());
        value
    }

    fn made(&mut self, name: &str, recipe: Option<&ColumnRecipe>, column: Option<&Column>) -> Value {
        let mut chance = self.chance(name);
        let Some(recipe) = recipe else {
            // A column that is called like a parameter on the way to the parent holds the parent.
            let inherited = self.parent.and_then(|parent| {
                let folded = crate::error::fold_name(name);
                parent.parameters.iter().find(|(parameter, _)| crate::error::fold_name(parameter) == folded)
            });
            return match (inherited, column) {
                (Some((_, value)), _) => value.clone(),
                (None, Some(column)) => words::natural(column, self.number, &mut chance, &self.values),
                (None, None) => Value::Null,
            };
        };
        if recipe.nullable > 0.0 && chance.hit(recipe.nullable) {
            return Value::Null;
        }
        let value = match &recipe.maker {
            Maker::Natural => {
                column.map_or(Value::Null, |column| words::natural(column, self.number, &mut chance, &self.values))
            }
            Maker::Value(value) => value.clone(),
            Maker::Choices { values, weights } => {
                values.get(chance.weighted(values.len(), weights)).cloned().unwrap_or(Value::Null)
            }
            Maker::Some { of, least, most } => {
                let count = least + chance.below(most - least + 1);
                let count = usize::try_from(count).unwrap_or(0);
                chance.order(of.len()).into_iter().take(count).filter_map(|index| of.get(index)).cloned().collect()
            }
            Maker::Template(pieces) => Value::String(self.rendered(pieces, &mut chance)),
            Maker::Integers { from, to } => Value::from(chance.within(*from, *to)),
            Maker::Numbers { from, to } => {
                Value::from(((from + (to - from) * chance.fraction()) * 100.0).round() / 100.0)
            }
            Maker::Between { from, to } => {
                Value::String(date::write(chance.within(from.seconds, to.seconds), time_form(from.form, column)))
            }
            Maker::Chance(probability) => Value::Bool(chance.hit(*probability)),
            Maker::Sequence { start, step } => {
                let number = i64::try_from(self.number).unwrap_or(i64::MAX);
                Value::from(start.saturating_add(step.saturating_mul(number)))
            }
            Maker::Ref(of) => self.referred(of),
            Maker::Object(fields) => {
                let made = fields.iter().map(|(field, recipe)| {
                    let place = format!("{name}.{field}");
                    (field.clone(), self.made(&place, Some(recipe), None))
                });
                Value::Object(made.collect())
            }
            Maker::Body(of) => self.said.map_or(Value::Null, |said| of_body(of, said.body)),
            Maker::Uploaded(unit) => Value::from(self.said.map_or(0, |said| said.uploaded).div_ceil((*unit).max(1))),
        };
        // What the hint spells out is written as it stands there: an API may well write its numbers as text.
        let is_spelled_out =
            matches!(recipe.maker, Maker::Value(_) | Maker::Choices { .. } | Maker::Some { .. } | Maker::Ref(_));
        match column {
            Some(column) if matches!(recipe.maker, Maker::Body(_)) => fit_field(value, column, None),
            Some(column) if !is_spelled_out => fit(value, column.ty),
            _ => value,
        }
    }

    /// Columns that refer to one resource take them from one row of it.
    fn referred(&self, of: &ColumnOf) -> Value {
        let rows = self.ground.others.get(&of.resource).map(Vec::as_slice).unwrap_or_default();
        let index = self.chance(&of.resource).index(rows.len());
        rows.get(index).and_then(|row| row.values.get(&of.column)).cloned().unwrap_or(Value::Null)
    }

    fn rendered(&mut self, pieces: &[Piece], chance: &mut Chance) -> String {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Number => out.push_str(&self.number.saturating_add(1).to_string()),
                Piece::Hex(length) => out.push_str(&chance.hex(*length)),
                Piece::Digits(length) => out.push_str(&chance.digits(*length)),
                Piece::Slug => {
                    let known = |name: &&str| {
                        self.ground.columns.iter().any(|column| column.name == **name)
                            || self.ground.recipe.columns.contains_key(*name)
                    };
                    let column = ["slug", "label", "name", "title"]
                        .into_iter()
                        .filter(|name| !self.open.iter().any(|open| open == name))
                        .find(known);
                    let text = column.map(|name| text_of(&self.value(name))).unwrap_or_default();
                    out.push_str(&slug(&text));
                }
                Piece::Column { name, form } => {
                    let text = text_of(&self.value(name));
                    out.push_str(&match form {
                        TextForm::Plain => text,
                        TextForm::Slug => slug(&text),
                        TextForm::Dashed => dashed(&text),
                        TextForm::First => text.split_whitespace().next().unwrap_or_default().to_owned(),
                    });
                }
                Piece::Parent(name) => {
                    let value = self.parent.and_then(|parent| parent.row.values.get(name));
                    out.push_str(&value.map(text_of).unwrap_or_default());
                }
            }
        }
        out
    }
}

/// How a time is written: as in the hint, except that a day becomes a point in time where the column wants one.
fn time_form(hint: date::Form, column: Option<&Column>) -> date::Form {
    let is_day = column.is_none_or(|column| column.format.as_deref() == Some("date"));
    if hint.time || is_day { hint } else { date::Form::INSTANT }
}

fn of_body(of: &OfBody, body: &Map<String, Value>) -> Value {
    let value = body.get(&of.field).cloned().unwrap_or(Value::Null);
    let Some(key) = &of.key else { return value };
    let one = |value: Value| {
        let mut object = of.with.clone();
        object.insert(key.clone(), value);
        Value::Object(object)
    };
    match value {
        Value::Null => Value::Null,
        Value::Array(values) => values.into_iter().map(one).collect(),
        value => one(value),
    }
}

/// The value of a request's field as the column of the same name holds it: a list where that is one, and for the name
/// of an object the object, if the hint has it among its choices.
pub(super) fn fit_field(value: Value, column: &Column, recipe: Option<&ColumnRecipe>) -> Value {
    let is_object = value.is_object() && column.ty != ValueType::Array;
    if value.is_null() || value.is_array() || is_object {
        return value;
    }
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    match column.ty {
        ValueType::Array => match value.as_str().and_then(parsed) {
            Some(list @ Value::Array(_)) => list,
            _ => Value::Array(vec![value]),
        },
        ValueType::Object => {
            let choices = match recipe.map(|recipe| &recipe.maker) {
                Some(Maker::Choices { values, .. }) => values.as_slice(),
                _ => &[],
            };
            let names = |choice: &&Value| choice.as_object().is_some_and(|fields| fields.values().any(|f| *f == value));
            let written = || value.as_str().and_then(parsed).filter(Value::is_object);
            choices.iter().find(names).cloned().or_else(written).unwrap_or(value)
        }
        ty => fit(value, ty),
    }
}

/// A point in time as the column holds it.
pub(super) fn time_of(seconds: i64, column: &Column, recipe: Option<&ColumnRecipe>) -> Value {
    if matches!(column.ty, ValueType::Integer | ValueType::Number) {
        return Value::from(seconds);
    }
    let form = match recipe.map(|recipe| &recipe.maker) {
        Some(Maker::Between { from, .. }) => time_form(from.form, Some(column)),
        _ if column.format.as_deref() == Some("date") => date::Form::DATE,
        _ => date::Form::INSTANT,
    };
    Value::String(date::write(seconds, form))
}

fn keep_order_of_times(values: &mut Map<String, Value>) {
    let Some(created) = values
        .iter()
        .filter(|(name, _)| words::is_creation_time(name))
        .find_map(|(_, value)| value.as_str().and_then(date::parse))
    else {
        return;
    };
    for (_, value) in values.iter_mut().filter(|(name, _)| words::is_update_time(name)) {
        if let Some(updated) = value.as_str().and_then(date::parse)
            && updated.seconds < created.seconds
        {
            *value = Value::String(date::write(created.seconds, updated.form));
        }
    }
}

/// The text of a value: a string as it is, everything else as JSON, nothing for null.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The value as the column's type has it, where that is possible.
fn fit(value: Value, ty: ValueType) -> Value {
    match (&value, ty) {
        (Value::Number(_) | Value::Bool(_), ValueType::Text | ValueType::Timestamp) => Value::String(text_of(&value)),
        (Value::String(text), ValueType::Integer) => text.parse::<i64>().map_or(value, Value::from),
        (Value::String(text), ValueType::Number) => text.parse::<f64>().map_or(value, Value::from),
        (Value::String(text), ValueType::Boolean) => text.parse::<bool>().map_or(value, Value::from),
        _ => value,
    }
}

/// Lower case; a gap between a letter and a digit closes, other gaps become `-`: `Ubuntu 22.04 LTS` → `ubuntu22.04-lts`.
fn slug(text: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for character in text.chars() {
        if !character.is_alphanumeric() && character != '.' {
            gap = !out.is_empty();
            continue;
        }
        let closes = character.is_ascii_digit() && out.ends_with(char::is_alphabetic);
        if gap && !closes {
            out.push('-');
        }
        gap = false;
        out.extend(character.to_lowercase());
    }
    out
}

/// Lower case; everything that is no letter or digit becomes `-`: `Ubuntu 22.04 LTS` → `ubuntu-22-04-lts`.
fn dashed(text: &str) -> String {
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::super::recipe;
    use super::super::testing::column;
    use super::*;
    use serde_json::json;

    fn rows(seed: u64, columns: &[Column], hint: &Value, count: u64, identity: &[&str]) -> Vec<Row> {
        let recipe = recipe::read("p.s.r", Some(hint)).unwrap();
        let identity: Vec<String> = identity.iter().map(|&name| name.to_owned()).collect();
        let others = BTreeMap::new();
        make(&Ground { seed, id: "p.s.r", columns, recipe: &recipe, identity: &identity, others: &others }, count, None)
    }

    #[test]
    fn slugs() {
        for (text, compact, with_dashes) in [
            ("Debian 12", "debian12", "debian-12"),
            ("Ubuntu 22.04 LTS", "ubuntu22.04-lts", "ubuntu-22-04-lts"),
            (" Rocky  Linux 9 ", "rocky-linux9", "rocky-linux-9"),
            ("", "", ""),
        ] {
            assert_eq!(slug(text), compact);
            assert_eq!(dashed(text), with_dashes);
        }
    }

    #[test]
    fn templates_follow_other_columns_and_end_in_circles() {
        let columns = ["id", "label", "vendor", "a", "b"].map(|name| column(name, ValueType::Text));
        let hint = json!({"columns": {
            "id": {"template": "linode/{slug}"},
            "label": {"value": "Debian 12"},
            "vendor": {"template": "{label:first}"},
            "a": {"template": "a{b}"},
            "b": {"template": "b{a}"},
        }});
        let row = &rows(1, &columns, &hint, 1, &["id"])[0];
        assert_eq!(row.values["id"], json!("linode/debian12"));
        assert_eq!(row.values["vendor"], json!("Debian"));
        assert_eq!(row.values["a"], json!("ab"));
    }

    #[test]
    fn identities_are_unique_even_where_the_hint_repeats_them() {
        let columns = [column("id", ValueType::Text), column("label", ValueType::Text)];
        let hint = json!({"columns": {"id": {"template": "linode/{slug}"}, "label": {"choices": ["Debian 12", "Alpine 3.20"]}}});
        let made = rows(1, &columns, &hint, 50, &["id"]);
        let ids: HashSet<String> = made.iter().map(|row| text_of(&row.values["id"])).collect();
        assert_eq!(ids.len(), 50);
        assert!(ids.contains("linode/debian12") && ids.contains("linode/alpine3.20"));
        let numbers = json!({"columns": {"id": {"range": [1, 3]}}});
        let made = rows(1, &[column("id", ValueType::Integer)], &numbers, 40, &["id"]);
        assert_eq!(made.iter().map(|row| text_of(&row.values["id"])).collect::<HashSet<_>>().len(), 40);
    }

    #[test]
    fn a_new_column_leaves_the_others_as_they_were() {
        let few = [column("id", ValueType::Text), column("label", ValueType::Text)];
        let more =
            [column("id", ValueType::Text), column("extra", ValueType::Integer), column("label", ValueType::Text)];
        let before = rows(9, &few, &json!({}), 20, &["id"]);
        let after = rows(9, &more, &json!({}), 20, &["id"]);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.values["label"], after.values["label"]);
            assert_eq!(before.values["id"], after.values["id"]);
        }
        assert_ne!(before[3].values["id"], rows(10, &few, &json!({}), 20, &["id"])[3].values["id"]);
    }

    #[test]
    fn a_change_never_lies_before_the_creation() {
        let columns = [column("updated", ValueType::Timestamp), column("created", ValueType::Timestamp)];
        let times = json!({"between": ["2018-01-01T00:00:00", "2024-01-01T00:00:00"]});
        for hint in [json!({}), json!({"columns": {"created": times, "updated": times}})] {
            for row in rows(3, &columns, &hint, 200, &[]) {
                let seconds = |name: &str| date::parse(row.values[name].as_str().unwrap()).unwrap().seconds;
                assert!(seconds("updated") >= seconds("created"), "{:?}", row.values);
            }
        }
    }

    #[test]
    fn variants_fixed_rows_nulls_and_types() {
        let columns = [
            column("id", ValueType::Text),
            column("size", ValueType::Text),
            column("kind", ValueType::Text),
            column("n", ValueType::Integer),
        ];
        let hint = json!({
            "fixed": [{"id": "linode/debian12"}],
            "columns": {"size": {"range": [1, 9]}, "n": {"template": "{digits:3}", "nullable": 0.5}},
            "variants": [{"weight": 3, "columns": {"kind": {"value": "a"}}}, {"weight": 1, "columns": {"kind": {"value": "b"}}}],
        });
        let made = rows(5, &columns, &hint, 200, &["id"]);
        assert_eq!(made[0].values["id"], json!("linode/debian12"));
        assert_ne!(made[1].values["id"], json!("linode/debian12"));
        assert!(made.iter().all(|row| row.values["size"].is_string()));
        let of_a = made.iter().filter(|row| row.values["kind"] == json!("a")).count();
        assert!((120..180).contains(&of_a), "{of_a}");
        let nulls = made.iter().filter(|row| row.values["n"].is_null()).count();
        assert!((70..130).contains(&nulls), "{nulls}");
        assert!(made.iter().all(|row| row.values["n"].is_null() || row.values["n"].is_i64()));
    }
}
