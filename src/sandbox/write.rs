//! What a method that writes does to the rows, and what it answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use serde_json::{Map, Value};
use url::Url;

use super::answer::{self, Answer};
use super::arguments::Arguments;
use super::chance::{Chance, Part};
use super::change::{Becomes, Draft, Failure, Upload, millis};
use super::filter::{self, Condition, Conditions};
use super::recipe::{Action, Becoming, ColumnRecipe, Does, Fails, Filter, Maker};
use super::refusal::Refusal;
use super::rows::{self, Said};
use super::state::{Row, State, Table, lists};
use super::upload;
use super::words;
use crate::error::fold_name;
use crate::provider::{Column, Effect, ItemShape, Location, Method, Parameter, ValueType};

/// A write: everything that decides what it does.
pub(super) struct Write<'a> {
    pub(super) state: &'a State,
    pub(super) table: &'a Table,
    pub(super) method: &'a Method,
    pub(super) arguments: &'a Arguments,
    /// For URLs that lead back.
    pub(super) url: &'a Url,
    pub(super) now: SystemTime,
}

/// What a method does to the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Does(Does),
    /// Unnamed fields fall back to what they are when nobody says anything.
    Replace,
}

impl Write<'_> {
    /// Does it.
    ///
    /// # Errors
    /// 404 for an object that is not there, 409 for an identity that is taken, 400 for a delete that names nothing.
    pub(super) fn run(&self) -> Result<Answer, Refusal> {
        let Self { state, table, method, .. } = self;
        let conditions = filter::conditions(state, table, method, self.arguments)?;
        let rows = state.rows(&table.name);
        let found: Vec<&Arc<Row>> = rows.iter().filter(|row| filter::passes(row, &conditions.all)).collect();
        let named = || found.first().copied().ok_or_else(Refusal::not_found);
        let action = table.recipe.writes.actions.get(&method.name);
        match deed(table, method) {
            Deed::Does(Does::Create) if method.http_method == "PUT" && conditions.names_row => match found.first() {
                Some(row) => self.change(row, action, true),
                None => self.create(None, action),
            },
            Deed::Does(Does::Create | Does::Upload) => self.create(None, action),
            Deed::Does(Does::Copy) => self.create(Some(named()?), action),
            Deed::Does(Does::Change) => self.change(named()?, action, false),
            Deed::Replace => self.change(named()?, action, true),
            Deed::Does(Does::Delete) => self.delete(&conditions, &found),
            Deed::Does(Does::Nothing) => {
                let row = found.first().filter(|_| conditions.names_row).map(|row| conditions.dress(row));
                if row.is_none() && conditions.names_row {
                    return Err(Refusal::not_found());
                }
                Ok(self.answer(row.as_ref(), Map::new()))
            }
        }
    }

    fn create(&self, original: Option<&Arc<Row>>, action: Option<&Action>) -> Result<Answer, Refusal> {
        let Self { state, table, method, .. } = self;
        let writes = &table.recipe.writes;
        let waits_for_bytes = action.is_some_and(|action| action.does == Does::Upload);
        let mut makers = writes.created.clone();
        let mut given = match original {
            Some(original) => like(table, original),
            None => self.unsaid(&makers),
        };
        makers.extend(action.map(|action| action.set.clone()).unwrap_or_default());
        given.extend(self.times(table, words::is_creation_time));
        given.extend(self.times(table, words::is_update_time));
        given.extend(self.path_identity());
        given.extend(self.said());
        let becoming = writes.becoming.as_ref().filter(|_| !waits_for_bytes);
        given.extend(becoming.map(|becoming| (becoming.column.clone(), becoming.from.clone())));
        given.extend(becoming.and_then(|becoming| becoming.stamp.clone()).map(|stamp| (stamp, Value::Null)));
        for name in action.into_iter().flat_map(|action| action.set.keys()) {
            given.remove(name);
        }
        let draft = Draft {
            given,
            makers: &makers,
            body: self.arguments.fields(),
            parent: self.parent(original.map(AsRef::as_ref)),
            becoming: becoming.map(|becoming| self.becomes(becoming)),
        };
        let row = state.create(table, &draft).map_err(|failure| self.refusal(failure))?;
        for (child, one) in original.map(|original| state.children(table, original)).unwrap_or_default() {
            let mut given = like(child, &one);
            given.extend(self.times(child, words::is_creation_time));
            given.extend(self.times(child, words::is_update_time));
            let (makers, body) = (&BTreeMap::new(), &Map::new());
            let draft = Draft { given, makers, body, parent: Some(row.number), becoming: None };
            // A child whose identity cannot be made anew stays with the original alone.
            let _ = state.create(child, &draft);
        }
        let mut extra = Map::new();
        if waits_for_bytes {
            let seed =
                [Part::Number(state.seed()), Part::Text(&table.name), Part::Number(row.number), Part::Text("upload")];
            let token = Chance::new(&seed).hex(32);
            let urls = method.response.columns.iter().filter(|column| !table.has(&column.name) && is_url(column));
            extra.extend(urls.map(|column| (column.name.clone(), Value::from(upload::url(self.url, &token)))));
            let upload =
                Upload { table: table.name.clone(), number: row.number, method: method.name.clone(), done: false };
            state.held().uploads.insert(token, upload);
        }
        Ok(self.answer(Some(&row), extra))
    }

    fn change(&self, row: &Arc<Row>, action: Option<&Action>, whole: bool) -> Result<Answer, Refusal> {
        let Self { state, table, .. } = self;
        let mut values = if whole { self.unsaid(&BTreeMap::new()) } else { Map::new() };
        // What a row is found by stays, unless it is said.
        values.retain(|name, _| !table.identity.contains(name));
        values.extend(self.said());
        values.extend(self.times(table, words::is_update_time));
        if let Some(action) = action.filter(|action| !action.set.is_empty()) {
            values.retain(|name, _| !action.set.contains_key(name));
            let others = state.others(table);
            let said = Said { given: &values, makers: &action.set, body: self.arguments.fields(), uploaded: 0 };
            let made = rows::remake(&state.ground(table, &others), row, &said);
            values.extend(made);
        }
        let row = state.set(table, row.number, values).map_err(|failure| self.refusal(failure))?;
        if let Some((action, after)) = action.and_then(|action| action.after.map(|after| (action, after))) {
            let (others, nothing) = (state.others(table), Map::new());
            let said = Said { given: &nothing, makers: &action.then, body: self.arguments.fields(), uploaded: 0 };
            let values = rows::remake(&state.ground(table, &others), &row, &said);
            state.wait(table, row.number, &Becomes { values, due: self.now + after });
        }
        Ok(self.answer(Some(&row), Map::new()))
    }

    /// What a new row becomes: what it was asked for, or what becomes of that when it goes wrong.
    fn becomes(&self, becoming: &Becoming) -> Becomes {
        let body = self.arguments.fields();
        let holds = |(field, text): (&String, &String)| {
            body.get(field).and_then(Value::as_str).is_some_and(|value| value.contains(text.as_str()))
        };
        let goes_wrong = |fails: &&Fails| fails.when.iter().all(holds);
        let due = self.now + becoming.after;
        let mut values = Map::new();
        match becoming.fails.as_ref().filter(goes_wrong) {
            Some(fails) => {
                values.clone_from(&fails.set);
                values.insert(becoming.column.clone(), fails.to.clone());
            }
            None => {
                values.insert(becoming.column.clone(), becoming.to.clone());
            }
        }
        let stamped = |column: &&Column| becoming.stamp.as_ref() == Some(&column.name);
        if let Some(column) = self.table.columns.iter().find(stamped) {
            let seconds = i64::try_from(millis(due) / 1000).unwrap_or(i64::MAX);
            values.insert(column.name.clone(), rows::time_of(seconds, column, self.recipe(&column.name)));
        }
        Becomes { values, due }
    }

    fn delete(&self, conditions: &Conditions<'_>, found: &[&Arc<Row>]) -> Result<Answer, Refusal> {
        let says = |parameter: &Parameter| !matches!(parameter.location, Location::Server | Location::Header);
        let is_of_all = conditions.all.is_empty() && !conditions.names_row;
        if is_of_all && is_collection(self.table, self.method) && self.method.parameters.iter().any(says) {
            return Err(Refusal::bad_request("Nothing says what to delete"));
        }
        if is_of_all && !self.table.resource.methods.values().any(|known| is_same_place(known, self.method)) {
            // It is not about all rows, and no column tells about which.
            return Ok(self.answer(None, Map::new()));
        }
        let mut removed = self.table.has_any();
        for row in found.iter().filter(|_| !self.table.has_any()) {
            removed |= self.state.remove(self.table, row);
        }
        // Removing all that have a tag removes none where none has it.
        let is_named = |condition: &Condition<'_>| !matches!(condition, Condition::Column { contains: true, .. });
        if !removed && conditions.all.iter().any(is_named) {
            return Err(Refusal::not_found());
        }
        Ok(self.answer(found.first().map(AsRef::as_ref), Map::new()))
    }

    fn refusal(&self, failure: Failure) -> Refusal {
        match failure {
            Failure::Gone => Refusal::not_found(),
            Failure::Taken => {
                let names = self.table.identity.join(", ");
                Refusal::new(StatusCode::CONFLICT, format!("There is one with this {names} already"))
            }
        }
    }

    /// Body fields that are columns, each with its column; those that say which row is meant left out.
    fn fields(&self) -> impl Iterator<Item = (&Parameter, &Column)> {
        let keys = self.table.resource.keys.as_ref();
        let is_key = move |field: &Parameter| {
            field.required && keys.is_some_and(|keys| keys.columns.contains_key(&field.name)) && !self.is_insert()
        };
        let fields = self.method.parameters.iter().filter(|field| field.location == Location::Body);
        fields.filter(move |field| !is_key(field)).filter_map(|field| {
            let column = self.table.columns.iter().find(|column| column.name == field.wire)?;
            Some((field, column))
        })
    }

    fn is_insert(&self) -> bool {
        self.table.resource.verbs.insert.contains(&self.method.name)
    }

    /// The columns that the body names.
    fn said(&self) -> Map<String, Value> {
        let mut said = Map::new();
        for (field, column) in self.fields() {
            let Some(value) = self.arguments.fields().get(&field.wire) else { continue };
            let recipe = self.recipe(&column.name);
            let fitted = match (self.table.recipe.filters.get(&column.name), value) {
                // A list that is filtered by a name inside the object shows under which key the name stands.
                (Some(Filter::Column { column: filtered, path, .. }), Value::String(_))
                    if column.ty == ValueType::Object && *filtered == column.name =>
                {
                    match rows::fit_field(value.clone(), column, recipe) {
                        Value::String(text) => nested(path, Value::String(text)),
                        fitted => fitted,
                    }
                }
                _ => rows::fit_field(value.clone(), column, recipe),
            };
            said.insert(column.name.clone(), fitted);
        }
        said
    }

    /// What the columns that the body could name are when it does not: the field's default, what the hint makes of all
    /// rows, or nothing. `makers` are left to make theirs.
    fn unsaid(&self, makers: &BTreeMap<String, ColumnRecipe>) -> Map<String, Value> {
        let value = |field: &Parameter, column: &Column| match (&field.default, self.recipe(&column.name)) {
            (Some(default), _) => default.clone(),
            (None, Some(ColumnRecipe { maker: Maker::Value(value), .. })) => value.clone(),
            (None, _) if column.ty == ValueType::Array => Value::Array(Vec::new()),
            (None, _) => Value::Null,
        };
        let fields = self.fields().filter(|(_, column)| !makers.contains_key(&column.name));
        fields.map(|(field, column)| (column.name.clone(), value(field, column))).collect()
    }

    /// The identity, where the caller chooses it by the path.
    fn path_identity(&self) -> Map<String, Value> {
        let mut given = Map::new();
        let path = self.method.parameters.iter().filter(|parameter| parameter.location == Location::Path);
        for parameter in path.filter(|parameter| !self.table.is_parent(&parameter.name)) {
            let column = self.table.column_named(self.method, parameter).filter(|_| self.method.http_method == "PUT");
            let column = self.table.columns.iter().find(|known| Some(known.name.as_str()) == column);
            if let (Some(column), Some(value)) = (column, self.arguments.of(parameter).into_iter().next()) {
                given.insert(column.name.clone(), rows::fit_field(value, column, None));
            }
        }
        given
    }

    /// Now, for the columns that say when something happened.
    fn times(&self, table: &Table, says: fn(&str) -> bool) -> Map<String, Value> {
        let seconds = i64::try_from(millis(self.now) / 1000).unwrap_or(i64::MAX);
        let columns = table.columns.iter().filter(|column| says(&column.name));
        let time = |column: &Column| rows::time_of(seconds, column, table.recipe.columns.get(&column.name));
        columns.map(|column| (column.name.clone(), time(column))).collect()
    }

    fn recipe(&self, column: &str) -> Option<&ColumnRecipe> {
        self.table.recipe.columns.get(column)
    }

    /// The number of the object that a new row belongs to: the one that the request leads through.
    fn parent(&self, original: Option<&Row>) -> Option<u64> {
        let table = self.table.direct_parent(&self.state.tables)?;
        let said = |name: &String| {
            // Where both the path and a field have that name, the path leads through it.
            let named = self.method.parameters.iter().filter(|parameter| parameter.name == *name);
            let parameter = named.min_by_key(|parameter| parameter.location == Location::Body)?;
            self.arguments.of(parameter).into_iter().next()
        };
        let ways = self.table.parents.iter().filter(|(_, of)| of.resource == table);
        let wanted: Vec<(&str, Value)> = ways
            .filter_map(|(name, of)| {
                let value = said(name).or_else(|| original.and_then(|row| row.parents.get(name)).cloned())?;
                Some((of.column.as_str(), value))
            })
            .collect();
        let is_meant = |row: &&Arc<Row>| {
            wanted
                .iter()
                .all(|(column, wanted)| row.values.get(*column).is_some_and(|value| filter::same(value, wanted)))
        };
        let rows = self.state.rows(table);
        rows.iter().filter(|_| !wanted.is_empty()).find(is_meant).map(|row| row.number)
    }

    /// The answer with a row, as far as the document's schema shows it.
    fn answer(&self, row: Option<&Row>, extra: Map<String, Value>) -> Answer {
        let Self { state, table, method, .. } = self;
        let status = |otherwise| {
            method.response.success_status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(otherwise)
        };
        let shape = &method.response;
        let is_empty = shape.items == ItemShape::Empty && method.success.is_none();
        if is_empty || status(StatusCode::OK) == StatusCode::NO_CONTENT {
            return Answer::empty(status(StatusCode::NO_CONTENT));
        }
        if shape.items == ItemShape::Binary {
            return answer::binary(state.seed(), &table.name, row);
        }
        let mut values = row.map(|row| row.values.clone()).unwrap_or_default();
        let number = row.map_or(0, |row| row.number);
        for column in &shape.columns {
            if !values.contains_key(&column.name) && !extra.contains_key(&column.name) {
                let value = match row.filter(|_| names_the_object(column, table)) {
                    Some(row) => answer::object(&table.columns, row),
                    None => {
                        let seed = [
                            Part::Number(state.seed()),
                            Part::Text(&table.name),
                            Part::Text(&method.name),
                            Part::Number(number),
                            Part::Text(&column.name),
                        ];
                        words::natural(column, number, &mut Chance::new(&seed), &Map::new())
                    }
                };
                values.insert(column.name.clone(), value);
            }
        }
        values.extend(extra);
        let row = Row { number, values, parents: BTreeMap::new() };
        Answer::json(status(StatusCode::OK), &answer::rows(method, &[&row], Vec::new()))
    }
}

/// What a method does: what the hint says, else its verb, else what its HTTP method and path mean everywhere.
fn deed(table: &Table, method: &Method) -> Deed {
    if let Some(action) = table.recipe.writes.actions.get(&method.name) {
        return Deed::Does(action.does);
    }
    let verbs = &table.resource.verbs;
    let serves = |names: &[String]| names.contains(&method.name);
    let is_put = method.http_method == "PUT";
    let ends_in_parameter = method.path.trim_end_matches('/').ends_with('}');
    let change =
        if is_put && !method.partial && !serves(&verbs.update) { Deed::Replace } else { Deed::Does(Does::Change) };
    if serves(&verbs.insert) {
        Deed::Does(Does::Create)
    } else if serves(&verbs.update) || serves(&verbs.replace) {
        change
    } else if method.effect == Effect::Delete {
        // What is removed from within a row leaves the row.
        let is_of_rows = serves(&verbs.delete) || table.is_at_row(method) || is_collection(table, method);
        Deed::Does(if is_of_rows { Does::Delete } else { Does::Nothing })
    } else if ends_in_parameter && (is_put || method.http_method == "PATCH") {
        change
    } else if method.http_method == "POST" && !ends_in_parameter && is_collection(table, method) {
        Deed::Does(Does::Create)
    } else {
        Deed::Does(Does::Nothing)
    }
}

/// What a copy takes from the original: everything but what tells rows apart and when they were made.
fn like(table: &Table, original: &Row) -> Map<String, Value> {
    let own =
        |name: &String| table.identity.contains(name) || words::is_creation_time(name) || words::is_update_time(name);
    original.values.iter().filter(|(name, _)| !own(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether a method reads what another one is about.
fn is_same_place(read: &Method, other: &Method) -> bool {
    read.effect == Effect::Read && read.path == other.path
}

/// Whether a method's path is that of a list.
fn is_collection(table: &Table, method: &Method) -> bool {
    table.resource.methods.values().any(|known| lists(known) && known.path == method.path)
}

/// Whether a column of an answer holds the object itself: `image` of `images`.
fn names_the_object(column: &Column, table: &Table) -> bool {
    let (column_name, resource) = (fold_name(&column.name), fold_name(&table.resource.name));
    let plural = resource.strip_prefix(column_name.as_str());
    column.ty == ValueType::Object && matches!(plural, Some("" | "s" | "es"))
}

fn is_url(column: &Column) -> bool {
    matches!(column.format.as_deref(), Some("uri" | "url"))
}

/// `[a, b]` → `{a: {b: value}}`
fn nested(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |value, key| Value::Object(Map::from_iter([(key.clone(), value)])))
}
