//! What the imitated API holds: one table of rows per resource, made when first asked for.
//!
//! The rows of the seed are made from rows of the seed alone and kept apart from what calls make of them (`change`), so
//! that they do not depend on what was asked before. The lock is never held while they are made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::change::Changes;
use super::recipe::{self, ColumnOf, Names, Recipe, Unknown};
use super::route::Template;
use super::rows::{self, Ground, Parent};
use crate::error::{Result, fold_name};
use crate::provider::{Column, Effect, ItemShape, Location, Method, Parameter, Resource, Service};

/// An object of the imitated API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// Its place among all rows that the table ever had, from 0.
    pub(super) number: u64,
    /// Values by column.
    pub(super) values: Map<String, Value>,
    /// Values by parameter: the objects it belongs to.
    pub(super) parents: BTreeMap<String, Value>,
}

/// What is known of one resource.
#[derive(Debug)]
pub(super) struct Table {
    /// `service.resource`
    pub(super) name: String,
    pub(super) resource: Arc<Resource>,
    pub(super) recipe: Recipe,
    /// Every column of every method that reads.
    pub(super) columns: Vec<Column>,
    /// The columns whose values tell rows apart, parents aside.
    pub(super) identity: Vec<String>,
    /// Parameters that lead to an object of another resource.
    pub(super) parents: BTreeMap<String, ColumnOf>,
    /// Whether there is one object only.
    single: bool,
    /// Whether a method lists the rows.
    listed: bool,
    /// Paths of one row, each with the column that its last parameter has the value of.
    rows_at: Vec<(Template, String)>,
}

/// All tables of a provider.
#[derive(Debug)]
pub(super) struct State {
    seed: u64,
    pub(super) tables: BTreeMap<String, Table>,
    /// The rows of the seed, as far as they were asked for.
    seeded: Mutex<BTreeMap<String, Rows>>,
    /// What calls made of them.
    pub(super) changes: Mutex<Changes>,
}

pub(super) type Rows = Arc<Vec<Arc<Row>>>;

impl State {
    pub(super) fn new(services: &[Arc<Service>], seed: u64) -> Result<Self> {
        let mut tables = BTreeMap::new();
        let details = details(services);
        for (name, resource) in named(services) {
            tables.insert(name.clone(), Table::new(name, resource, &details)?);
        }
        // A service that cannot be read is left out, and breaks only itself.
        let wrong = unknown_names(&tables).into_iter().find(|(_, unknown)| !unknown.of_other_service);
        if let Some((table, unknown)) = wrong {
            return Err(recipe::unusable(&table.resource.id, &unknown.place, &unknown.why));
        }
        Ok(Self { seed, tables, seeded: Mutex::default(), changes: Mutex::default() })
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The rows of a resource as they are now.
    pub(super) fn rows(&self, name: &str) -> Rows {
        self.changed_rows(name).unwrap_or_else(|| self.seeded_rows(name))
    }

    /// The rows of a resource as the seed makes them.
    pub(super) fn seeded_rows(&self, name: &str) -> Rows {
        self.rows_within(name, &mut Vec::new())
    }

    /// Whether the parent that a parameter names exists; `None` when the parameter names none.
    pub(super) fn parent_exists(
        &self,
        table: &Table,
        parameter: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Option<bool> {
        let of = table.parents.get(parameter)?;
        self.tables.get(&of.resource)?;
        Some(self.rows(&of.resource).iter().any(|row| row.values.get(&of.column).is_some_and(&wanted)))
    }

    /// Rows are the same whoever makes them, so two threads that make them at once do no harm.
    fn rows_within(&self, name: &str, open: &mut Vec<String>) -> Rows {
        let known = self.seeded.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(rows) = known {
            return rows;
        }
        let Some(table) = self.tables.get(name).filter(|_| !open.iter().any(|open| open == name)) else {
            return Rows::default();
        };
        open.push(name.to_owned());
        let made = Arc::new(self.made(table, open));
        open.pop();
        if !open.is_empty() && self.leads_to(table, open) {
            // Made without a table that is still being made: not the rows that others shall see.
            return made;
        }
        let mut rows = self.seeded.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rows.entry(name.to_owned()).or_insert(made))
    }

    /// Whether making a table asks for one of these.
    fn leads_to(&self, table: &Table, wanted: &[String]) -> bool {
        let mut seen = BTreeSet::new();
        let mut left: Vec<&str> = table.needs().collect();
        while let Some(name) = left.pop() {
            if wanted.iter().any(|wanted| wanted == name) {
                return true;
            }
            if seen.insert(name)
                && let Some(table) = self.tables.get(name)
            {
                left.extend(table.needs());
            }
        }
        false
    }

    fn made(&self, table: &Table, open: &mut Vec<String>) -> Vec<Arc<Row>> {
        let mut others = BTreeMap::new();
        for name in table.needs() {
            if !others.contains_key(name) {
                others.insert(name.to_owned(), self.rows_within(name, open).as_ref().clone());
            }
        }
        let parent_rows = table.direct_parent(&self.tables).map(|name| others.get(name).cloned().unwrap_or_default());
        let parents: Option<Vec<Parent<'_>>> = parent_rows.as_ref().map(|parent_rows| {
            parent_rows.iter().map(|row| Parent { row, parameters: table.parameters_of_parent(row, &others) }).collect()
        });
        let count = match &parents {
            _ if table.single => 1,
            Some(_) if !table.listed => 1,
            Some(_) => table.recipe.rows.unwrap_or(rows::ROWS_PER_PARENT),
            None => table.recipe.rows.unwrap_or(rows::ROWS),
        };
        rows::make(&self.ground(table, &others), count, parents.as_deref()).into_iter().map(Arc::new).collect()
    }
}

impl State {
    pub(super) fn ground<'a>(&self, table: &'a Table, others: &'a BTreeMap<String, Vec<Arc<Row>>>) -> Ground<'a> {
        Ground {
            seed: self.seed,
            id: &table.resource.id,
            columns: &table.columns,
            recipe: &table.recipe,
            identity: &table.identity,
            others,
        }
    }
}

impl Table {
    fn new(name: String, resource: &Arc<Resource>, details: &[Detail]) -> Result<Self> {
        let recipe = recipe::read(&resource.id, resource.sandbox.as_ref())?;
        let reads = || resource.methods.values().filter(|method| method.effect == Effect::Read);
        let mut columns: Vec<Column> = Vec::new();
        for column in reads().flat_map(|method| &method.response.columns) {
            // A map's key is a column of its own and stands beside the row, not in it: it is made like any other.
            if !columns.iter().any(|known| known.name == column.name) {
                columns.push(column.clone());
            }
        }
        let listed = reads().any(|method| lists(method));
        let mut parents = recipe.parents.clone();
        // A path to a parent makes rows belong to it only where there is no other way to list them.
        let mut ways =
            reads().filter(|method| !listed || lists(method)).map(|method| parents_in_path(method, &name, details));
        let first = ways.next().unwrap_or_default();
        let others: Vec<_> = ways.collect();
        for (parameter, parent) in first {
            if others.iter().all(|way| way.contains_key(&parameter)) {
                parents.entry(parameter).or_insert(parent);
            }
        }
        let mut table = Self {
            name,
            resource: Arc::clone(resource),
            recipe,
            columns,
            identity: Vec::new(),
            parents,
            single: !listed
                && !reads().any(|method| method.parameters.iter().any(|p| p.location == Location::Path))
                && resource.keys.is_none(),
            listed,
            rows_at: Vec::new(),
        };
        table.identity = table.identity_columns();
        table.rows_at = table.paths_of_rows();
        Ok(table)
    }

    /// A table of which only columns and keys are known.
    fn of_columns(resource: &Arc<Resource>, columns: &[Column]) -> Self {
        Self {
            name: String::new(),
            resource: Arc::clone(resource),
            recipe: Recipe::default(),
            columns: columns.to_vec(),
            identity: Vec::new(),
            parents: BTreeMap::new(),
            single: false,
            listed: false,
            rows_at: Vec::new(),
        }
    }

    fn paths_of_rows(&self) -> Vec<(Template, String)> {
        let keys = self.resource.keys.as_ref();
        let at = |method: &Method| {
            let path = Template::of(method);
            let wire = path.last_parameter()?;
            let parameter =
                method.parameters.iter().find(|known| known.location == Location::Path && known.wire == wire)?;
            // Where nobody says what identifies a row, the path of a list says nothing of one.
            let names_row = keys.map_or(!lists(method), |keys| keys.columns.contains_key(&parameter.name));
            let column = self.column_of(&parameter.name).filter(|_| names_row)?.to_owned();
            Some((path, column))
        };
        self.resource.methods.values().filter_map(|method| at(method)).collect()
    }

    /// The column of the identity that a parameter of a request gives: as declared, or as the path up to it is that of one
    /// row.
    pub(super) fn column_named(&self, method: &Method, parameter: &Parameter) -> Option<&str> {
        let declared = self.resource.keys.as_ref().and_then(|keys| keys.columns.get(&parameter.name));
        if declared.is_some() {
            return self.column_of(&parameter.name);
        }
        let path = Template::of(method);
        let length = path.length_up_to(&parameter.wire).filter(|_| parameter.location == Location::Path)?;
        let found = self.rows_at.iter().find(|(row, _)| path.begins_like(row, length));
        found.map(|(_, column)| column.as_str())
    }

    /// Whether a method's path is that of one row.
    pub(super) fn is_at_row(&self, method: &Method) -> bool {
        let path = Template::of(method);
        self.rows_at.iter().any(|(row, _)| path == *row)
    }

    /// Whether nobody can know which rows there are: nothing lists them, and nothing makes them. Then there is one of any
    /// name.
    pub(super) fn has_any(&self) -> bool {
        let is_made = !self.resource.verbs.insert.is_empty() && self.resource.keys.is_some();
        !self.listed && !is_made
    }

    /// Whether there is a column of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// Whether a parameter leads to a parent.
    pub(super) fn is_parent(&self, parameter: &str) -> bool {
        self.parents.contains_key(parameter)
    }

    /// The column that a parameter of the identity names: declared, or known by its name.
    pub(super) fn column_of(&self, parameter: &str) -> Option<&str> {
        let known =
            |name: &str| self.columns.iter().find(|column| column.name == name).map(|column| column.name.as_str());
        if let Some(declared) = self.resource.keys.as_ref().and_then(|keys| keys.columns.get(parameter)) {
            return known(declared);
        }
        let folded = fold_name(parameter);
        if let Some(column) = self.columns.iter().find(|column| fold_name(&column.name) == folded) {
            return Some(&column.name);
        }
        ["uuid", "id", "slug", "name", "label", "key"].into_iter().find(|name| folded.ends_with(name)).and_then(known)
    }

    fn identity_columns(&self) -> Vec<String> {
        let known = |name: &&str| self.columns.iter().any(|column| column.name == **name);
        if let Some(keys) = &self.resource.keys {
            let of_keys = keys
                .columns
                .iter()
                .filter(|(parameter, _)| !self.is_parent(parameter))
                .map(|(_, column)| column.as_str());
            let found: Vec<String> = of_keys.filter(known).map(str::to_owned).collect();
            if !found.is_empty() {
                return found;
            }
        }
        let path = self
            .resource
            .methods
            .values()
            .flat_map(|method| &method.parameters)
            .filter(|parameter| parameter.location == Location::Path);
        let from_path = path
            .filter(|parameter| !self.is_parent(&parameter.name))
            .find_map(|parameter| self.column_of(&parameter.name));
        from_path.or_else(|| ["id", "uuid"].into_iter().find(known)).map(str::to_owned).into_iter().collect()
    }

    /// The resources whose rows are wanted to make this one's.
    pub(super) fn needs(&self) -> impl Iterator<Item = &str> {
        use recipe::{ColumnRecipe, Maker};
        fn refs<'a>(recipe: &'a ColumnRecipe, found: &mut Vec<&'a str>) {
            match &recipe.maker {
                Maker::Ref(of) => found.push(&of.resource),
                Maker::Object(fields) => fields.values().for_each(|recipe| refs(recipe, found)),
                _ => {}
            }
        }
        let mut found: Vec<&str> = self.parents.values().map(|of| of.resource.as_str()).collect();
        let variants = self.recipe.variants.iter().flat_map(|variant| variant.columns.values());
        for recipe in self.recipe.columns.values().chain(variants) {
            refs(recipe, &mut found);
        }
        found.into_iter()
    }

    /// The parent whose own parents are the other ones; rows are made for each of its rows.
    pub(super) fn direct_parent<'a>(&'a self, tables: &BTreeMap<String, Table>) -> Option<&'a str> {
        let parents = || {
            self.parents
                .values()
                .map(|of| of.resource.as_str())
                .filter(|name| tables.contains_key(*name) && *name != self.name)
        };
        let has_the_others = |name: &&str| {
            let own = tables.get(*name).map(|table| &table.parents);
            parents().all(|other| other == *name || own.is_some_and(|own| own.values().any(|of| of.resource == other)))
        };
        parents().find(has_the_others).or_else(|| parents().next())
    }

    /// What a request for the children of a parent says.
    pub(super) fn parameters_of_parent(
        &self,
        parent: &Row,
        others: &BTreeMap<String, Vec<Arc<Row>>>,
    ) -> BTreeMap<String, Value> {
        let value = |parameter: &String, of: &ColumnOf| {
            let is_of_parent =
                others.get(&of.resource).is_some_and(|rows| rows.iter().any(|row| std::ptr::eq(row.as_ref(), parent)));
            if is_of_parent { parent.values.get(&of.column) } else { parent.parents.get(parameter) }.cloned()
        };
        self.parents.iter().filter_map(|(parameter, of)| Some((parameter.clone(), value(parameter, of)?))).collect()
    }
}

fn named(services: &[Arc<Service>]) -> impl Iterator<Item = (String, &Arc<Resource>)> {
    services.iter().flat_map(|service| {
        service.resources.values().map(|resource| (format!("{}.{}", service.name, resource.name), resource))
    })
}

/// What hints name and nothing has.
fn unknown_names(tables: &BTreeMap<String, Table>) -> Vec<(&Table, Unknown)> {
    let mut columns: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (name, table) in tables {
        let made = table.recipe.columns.keys().map(String::as_str);
        columns.insert(name.clone(), recipe::shown_columns(&table.resource).into_iter().chain(made).collect());
    }
    let mut unknown = Vec::new();
    for table in tables.values() {
        let names = Names { columns: &columns, parent: table.direct_parent(tables) };
        let found = recipe::unknown(&table.name, &table.resource, &table.recipe, &names);
        unknown.extend(found.into_iter().map(|found| (table, found)));
    }
    unknown
}

/// What is wrong with the `sandbox` hints of a provider's resources: the `service.resource` of each, the key and why.
pub(super) fn wrong_hints(services: &[Arc<Service>]) -> Vec<(String, String, String)> {
    let details = details(services);
    let (mut tables, mut wrong) = (BTreeMap::new(), Vec::new());
    for (name, resource) in named(services) {
        match Table::new(name.clone(), resource, &details) {
            Ok(table) => {
                tables.insert(name, table);
            }
            Err(error) => {
                wrong.push((
                    name,
                    error.context_value("key").unwrap_or_default().to_owned(),
                    error.message().to_owned(),
                ));
            }
        }
    }
    let unknown = unknown_names(&tables).into_iter();
    wrong.extend(
        unknown.map(|(table, unknown)| (table.name.clone(), format!("sandbox.{}", unknown.place), unknown.why)),
    );
    wrong
}

/// Whether a method answers with all rows rather than with one.
pub(super) fn lists(method: &Method) -> bool {
    matches!(method.response.items, ItemShape::List | ItemShape::Map | ItemShape::Scalar)
}

/// A method that answers with one object, its path and the parameter in the last segment.
struct Detail {
    table: String,
    path: Template,
    column: String,
}

fn details(services: &[Arc<Service>]) -> Vec<Detail> {
    let mut found = Vec::new();
    for service in services {
        for resource in service.resources.values() {
            for method in resource.methods.values().filter(|method| method.effect == Effect::Read) {
                let path = Template::of(method);
                let Some(parameter) = path.last_parameter() else { continue };
                let key = resource.keys.as_ref().and_then(|keys| keys.columns.get(parameter));
                let column = match key {
                    // What is told of one row may well be a list.
                    Some(column) if lists(method) => {
                        let has_it =
                            |method: &&Arc<Method>| method.response.columns.iter().any(|known| known.name == *column);
                        resource.methods.values().find(has_it).map(|_| column.clone())
                    }
                    None if lists(method) => None,
                    _ => Table::of_columns(resource, &method.response.columns).column_of(parameter).map(str::to_owned),
                };
                if let Some(column) = column {
                    let table = format!("{}.{}", service.name, resource.name);
                    found.push(Detail { table, path, column });
                }
            }
        }
    }
    found
}

/// Path parameters that lead to objects of other resources: `/domains/{domainId}/records` begins like the path of a
/// domain.
fn parents_in_path(method: &Method, own: &str, details: &[Detail]) -> BTreeMap<String, ColumnOf> {
    let path = Template::of(method);
    let mut found = BTreeMap::new();
    for (length, wire) in path.parameters_by_prefix() {
        let detail = details.iter().find(|detail| detail.table != own && path.begins_like(&detail.path, length));
        let parameter = method.parameters.iter().find(|known| known.location == Location::Path && known.wire == wire);
        if let Some(detail) = detail {
            let name = parameter.map_or(wire, |parameter| parameter.name.as_str());
            found.insert(name.to_owned(), ColumnOf { resource: detail.table.clone(), column: detail.column.clone() });
        }
    }
    found
}
