//! Whether what a hint names is there: a name that nothing has would do nothing, and go unseen.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, ColumnOf, ColumnRecipe, Filter, Maker, Piece, Recipe};
use crate::error::did_you_mean;
use crate::provider::{Location, Resource};

/// Something that a hint names and nothing has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Unknown {
    /// The keys that lead to it.
    pub(in crate::sandbox) place: String,
    pub(in crate::sandbox) why: String,
    /// Whether it is of a service that is not there at all: one that is broken is left out.
    pub(in crate::sandbox) of_other_service: bool,
}

/// What the hint of a resource may name.
#[derive(Debug)]
pub(in crate::sandbox) struct Names<'a> {
    /// The columns of a resource's rows, and those that its hint makes for templates; by `service.resource`.
    pub(in crate::sandbox) columns: &'a BTreeMap<String, BTreeSet<&'a str>>,
    /// The resource whose rows this one's belong to.
    pub(in crate::sandbox) parent: Option<&'a str>,
}

/// What the hint of `resource` names and nothing has; `own` is its `service.resource`.
pub(in crate::sandbox) fn unknown(own: &str, resource: &Resource, recipe: &Recipe, names: &Names<'_>) -> Vec<Unknown> {
    let mut found =
        Finding { names, resource, own: names.columns.get(own).cloned().unwrap_or_default(), unknown: Vec::new() };
    let shown = columns(resource);
    let used = used(recipe);
    for (name, column) in &recipe.columns {
        let place = format!("columns.{name}");
        if !shown.contains(name.as_str()) && !used.contains(name.as_str()) {
            found.add(&place, no("column", name, shown.iter().copied()));
        }
        found.maker(&place, column);
    }
    for (at, variant) in recipe.variants.iter().enumerate() {
        found.makers(&format!("variants.{at}.columns"), &variant.columns);
    }
    for (at, row) in recipe.fixed.iter().enumerate() {
        row.keys().for_each(|name| found.column(&format!("fixed.{at}.{name}"), name));
    }
    recipe.anonymous.keys().for_each(|name| found.column(&format!("anonymous.{name}"), name));
    for (parameter, of) in &recipe.parents {
        let place = format!("parent.{parameter}");
        found.parameter(&place, parameter);
        found.column_of(&place, of);
    }
    for (parameter, filter) in &recipe.filters {
        let place = format!("filters.{parameter}");
        found.parameter(&place, parameter);
        found.filter(&place, filter);
    }
    found.writes(recipe);
    found.unknown
}

/// The columns of all answers of a resource: what only a new row shows is one too.
pub(in crate::sandbox) fn columns(resource: &Resource) -> BTreeSet<&str> {
    let answers = resource.methods.values().flat_map(|method| &method.response.columns);
    answers.map(|column| column.name.as_str()).collect()
}

/// The columns that templates and filters of the hint take values from.
fn used(recipe: &Recipe) -> BTreeSet<&str> {
    fn pieces<'a>(column: &'a ColumnRecipe, used: &mut BTreeSet<&'a str>) {
        match &column.maker {
            Maker::Template(pieces) => used.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Column { name, .. } => Some(name.as_str()),
                _ => None,
            })),
            Maker::Object(fields) => fields.values().for_each(|field| pieces(field, used)),
            _ => {}
        }
    }
    let mut used = BTreeSet::new();
    let actions = recipe.writes.actions.values().flat_map(|action| action.set.values().chain(action.then.values()));
    let variants = recipe.variants.iter().flat_map(|variant| variant.columns.values());
    let makers = recipe.columns.values().chain(variants).chain(recipe.writes.created.values()).chain(actions);
    makers.for_each(|column| pieces(column, &mut used));
    for filter in recipe.filters.values() {
        match filter {
            Filter::Ignored => {}
            Filter::Column { column, .. } => {
                used.insert(column);
            }
            Filter::Map(values) => used.extend(values.values().flat_map(|row| row.keys().map(String::as_str))),
        }
    }
    used.extend(recipe.anonymous.keys().map(String::as_str));
    used
}

fn no<'n>(what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let hint = did_you_mean(name, known).map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("there is no {what} `{name}`{hint}")
}

struct Finding<'a> {
    names: &'a Names<'a>,
    resource: &'a Resource,
    /// The columns of the resource.
    own: BTreeSet<&'a str>,
    unknown: Vec<Unknown>,
}

impl Finding<'_> {
    fn add(&mut self, place: &str, why: String) {
        self.unknown.push(Unknown { place: place.to_owned(), why, of_other_service: false });
    }

    fn column(&mut self, place: &str, name: &str) {
        if !self.own.contains(name) {
            let why = no("column", name, self.own.iter().copied());
            self.add(place, why);
        }
    }

    fn parameter(&mut self, place: &str, name: &str) {
        let parameters = || self.resource.methods.values().flat_map(|method| &method.parameters);
        if !parameters().any(|known| known.name == name || known.wire == name) {
            let why = no("parameter", name, parameters().map(|known| known.name.as_str()));
            self.add(place, why);
        }
    }

    fn field(&mut self, place: &str, name: &str) {
        let parameters = self.resource.methods.values().flat_map(|method| &method.parameters);
        let fields: Vec<&str> =
            parameters.filter(|known| known.location == Location::Body).map(|known| known.wire.as_str()).collect();
        if !fields.contains(&name) {
            let why = no("field of a body", name, fields.iter().copied());
            self.add(place, why);
        }
    }

    fn column_of(&mut self, place: &str, of: &ColumnOf) {
        let columns = self.names.columns;
        match columns.get(&of.resource) {
            Some(known) if known.contains(of.column.as_str()) => {}
            Some(known) => {
                let why = format!("{} of `{}`", no("column", &of.column, known.iter().copied()), of.resource);
                self.add(place, why);
            }
            None => {
                let service = of.resource.split('.').next().unwrap_or_default();
                let of_other_service = !columns.keys().any(|name| name.split('.').next() == Some(service));
                let why = no("resource", &of.resource, columns.keys().map(String::as_str));
                self.unknown.push(Unknown { place: place.to_owned(), why, of_other_service });
            }
        }
    }

    fn makers(&mut self, place: &str, makers: &BTreeMap<String, ColumnRecipe>) {
        for (name, maker) in makers {
            let place = format!("{place}.{name}");
            self.column(&place, name);
            self.maker(&place, maker);
        }
    }

    fn maker(&mut self, place: &str, column: &ColumnRecipe) {
        match &column.maker {
            Maker::Template(pieces) => pieces.iter().for_each(|piece| self.piece(place, piece)),
            Maker::Ref(of) => self.column_of(place, of),
            Maker::Object(fields) => {
                for (name, field) in fields {
                    self.maker(&format!("{place}.{name}"), field);
                }
            }
            Maker::Body(of) => self.field(place, &of.field),
            _ => {}
        }
    }

    fn piece(&mut self, place: &str, piece: &Piece) {
        match piece {
            Piece::Column { name, .. } => self.column(place, name),
            Piece::Parent(name) => match self.names.parent {
                None => self.add(place, format!("`{{parent:{name}}}`: its rows have no parent")),
                Some(parent) => {
                    let of = ColumnOf { resource: parent.to_owned(), column: name.clone() };
                    self.column_of(place, &of);
                }
            },
            _ => {}
        }
    }

    fn filter(&mut self, place: &str, filter: &Filter) {
        match filter {
            Filter::Ignored => {}
            Filter::Column { column, path, .. } => {
                self.column(place, column);
                let columns = || self.resource.methods.values().flat_map(|method| &method.response.columns);
                let is_plain = columns().any(|known| known.name == *column && !known.ty.is_json())
                    && !columns().any(|known| known.name == *column && known.ty.is_json());
                if is_plain && !path.is_empty() {
                    self.add(
                        place,
                        format!(
                            "there is nothing at `{}` of the column `{column}`, which is no object",
                            path.join(".")
                        ),
                    );
                }
            }
            Filter::Map(values) => {
                for (value, columns) in values {
                    columns.keys().for_each(|name| self.column(&format!("{place}.map.{value}"), name));
                }
            }
        }
    }

    fn writes(&mut self, recipe: &Recipe) {
        self.makers("created", &recipe.writes.created);
        if let Some(becoming) = &recipe.writes.becoming {
            self.column("async.column", &becoming.column);
            if let Some(stamp) = &becoming.stamp {
                self.column("async.stamp", stamp);
            }
            if let Some(fails) = &becoming.fails {
                fails.when.keys().for_each(|field| self.field("async.fails.when", field));
                fails.set.keys().for_each(|name| self.column("async.fails.set", name));
            }
        }
        for (method, action) in &recipe.writes.actions {
            let place = format!("actions.{method}");
            if !self.resource.methods.contains_key(method) {
                let why = no("method", method, self.resource.methods.keys().map(String::as_str));
                self.add(&place, why);
            }
            let Action { set, then, .. } = action;
            self.makers(&format!("{place}.set"), set);
            self.makers(&format!("{place}.then"), then);
        }
    }
}
