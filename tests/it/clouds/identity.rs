//! Objects that there are: which values the parameters of a path can have.
//!
//! Derived from the documents alone: the beginning of a path that ends in a parameter is the path of one object of some
//! resource, whose rows have the parameter's values.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use skyql::provider::{ItemShape, Location, Method, Parameter};
use tokio::sync::Mutex;

use super::cloud::{Cloud, Place, Values, line, name, sql, statement};
use super::values::{body, sample};
use crate::support::query::NULL;

/// Looks for objects, and remembers those that it found.
pub(super) struct Identities<'a> {
    cloud: &'a Cloud,
    /// List, column, and the objects above → the values that rows have.
    known: Mutex<HashMap<String, Vec<Value>>>,
}

/// The list whose rows have the values of a parameter, and the column that has them.
struct Source<'a> {
    place: &'a Place,
    list: &'a Arc<Method>,
    column: &'a str,
    /// The field of the column's object.
    inside: Option<&'a str>,
}

/// The values of the parameters of a path, each with the shape of the path up to it.
type Above = Vec<(String, Value)>;

/// `/domains/{domainId}/records` → `/domains/{}/records`
pub(super) fn shape(path: &str) -> String {
    let blind = |segment: &str| {
        let is_parameter = segment.starts_with('{') && segment.ends_with('}');
        if is_parameter { "{}".to_owned() } else { segment.to_owned() }
    };
    path.split('/').map(blind).collect::<Vec<_>>().join("/")
}

/// The path parameters of a method in their order, each with the shape of the path up to it.
pub(super) fn steps(method: &Method) -> Vec<(&Parameter, String)> {
    let mut found = Vec::new();
    let mut so_far = String::new();
    for segment in method.path.split('/').skip(1) {
        so_far = format!("{so_far}/{segment}");
        for parameter in method.parameters.iter().filter(|parameter| parameter.location == Location::Path) {
            if segment.contains(&format!("{{{}}}", parameter.wire)) {
                found.push((parameter, shape(&so_far)));
            }
        }
    }
    found
}

/// The column of the rows of a resource that holds a key.
fn key<'b>(place: &'b Place, name: &str) -> Option<&'b str> {
    place.resource.keys.as_ref()?.columns.get(name).map(String::as_str)
}

/// Whether a method answers with several rows.
pub(super) fn lists(method: &Method) -> bool {
    matches!(method.response.items, ItemShape::List | ItemShape::Map | ItemShape::Scalar)
}

impl<'a> Identities<'a> {
    pub(super) fn new(cloud: &'a Cloud) -> Self {
        Self { cloud, known: Mutex::default() }
    }

    /// Values for everything that a method needs outside its body, and for what identifies an object within it: of the
    /// n-th object that there is, below the first of those above it.
    pub(super) async fn of(&self, place: &Place, method: &Method, which: usize) -> Result<Values, String> {
        self.below(place, method, which, &Above::new()).await
    }

    fn below<'b>(
        &'b self,
        place: &'b Place,
        method: &'b Method,
        which: usize,
        above: &'b Above,
    ) -> LocalBoxFuture<'b, Result<Values, String>> {
        async move {
            let (mut values, mut above) = (Values::new(), above.clone());
            let steps = steps(method);
            for (parameter, path) in &steps {
                let known = above.iter().find(|(known, _)| known == path).map(|(_, value)| value.clone());
                let value = match known {
                    Some(value) => value,
                    None => {
                        let source = self.at_path(place, parameter, path);
                        let maker = Self::maker(place, parameter, path).filter(|_| source.is_none());
                        let source = source.or_else(|| self.by_name(place, parameter, path));
                        let is_own =
                            source.as_ref().is_some_and(|source| source.place.resource.id == place.resource.id);
                        match maker {
                            Some((insert, column)) => self.made(place, insert, column, &above).await?,
                            None => self.value(source, parameter, if is_own { which } else { 0 }, &above).await?,
                        }
                    }
                };
                above.push((path.clone(), value.clone()));
                values.insert(parameter.name.clone(), value);
            }
            let is_key = |parameter: &Parameter| {
                place.resource.keys.as_ref().is_some_and(|keys| keys.columns.contains_key(&parameter.name))
            };
            let creates = place.resource.verbs.insert.contains(&method.name);
            let left: Vec<&Parameter> = method.needs().filter(|known| !values.contains_key(&known.name)).collect();
            for parameter in left {
                match parameter.location {
                    Location::Path | Location::Server => {}
                    Location::Body if !is_key(parameter) || creates || lists(method) => {}
                    _ => {
                        // A list is not asked for what it takes.
                        let source = Self::own(place, parameter).filter(|_| !lists(method));
                        let value = self.value(source, parameter, which, &above).await?;
                        values.insert(parameter.name.clone(), value);
                    }
                }
            }
            Ok(values)
        }
        .boxed_local()
    }

    /// The method that makes an object of the own resource, where a parameter is its key, and the key's column.
    fn maker<'b>(own: &'b Place, parameter: &Parameter, path: &str) -> Option<(&'b Arc<Method>, &'b str)> {
        let column = own.resource.keys.as_ref()?.columns.get(&parameter.name)?;
        let insert = own.resource.methods_of(&own.resource.verbs.insert).next()?;
        let answers = insert.response.columns.iter().any(|known| known.name == *column);
        let ends_there = own.resource.methods.values().any(|method| shape(&method.path) == path);
        (answers && ends_there).then_some((insert, column.as_str()))
    }

    /// The key of an object that is made.
    async fn made(&self, own: &Place, insert: &Method, column: &str, above: &Above) -> Result<Value, String> {
        let given = self.below(own, insert, 0, above).await?;
        let statement = statement(&self.cloud.id(own), insert, &given, body(insert, 1));
        let answer = self.cloud.db().run(&format!("{statement} RETURNING {}", name(column))).await;
        let answer = answer.map_err(|error| format!("{statement}: {}", line(&error)))?;
        Ok(json!(answer.rows[0][0]))
    }

    async fn value(
        &self,
        source: Option<Source<'_>>,
        parameter: &Parameter,
        which: usize,
        above: &Above,
    ) -> Result<Value, String> {
        let Some(source) = source else {
            // The first of an enumeration, where there is one.
            return Ok(sample(parameter, usize::from(parameter.values.is_empty())));
        };
        let rows = self.rows(&source, above).await?;
        let chosen = rows.get(which).or(rows.first()).cloned();
        chosen.ok_or_else(|| format!("no row of {} for `{}`", self.cloud.id(source.place), parameter.name))
    }

    /// The rows of the resource that has an object at this path, the method's own first.
    fn at_path<'b>(&'b self, own: &'b Place, parameter: &Parameter, path: &str) -> Option<Source<'b>> {
        let column = |place: &'b Place| {
            place.resource.methods.values().find_map(|method| {
                let (last, _) = steps(method).pop().filter(|_| shape(&method.path) == path)?;
                key(place, &last.name)
            })
        };
        let mut all = std::iter::once(own).chain(&self.cloud.places);
        all.find_map(|place| Self::list(place, column(place)?, parameter, path))
    }

    /// The rows of a resource whose key is called like a parameter, or that the document names for the sandbox.
    fn by_name<'b>(&'b self, own: &'b Place, parameter: &Parameter, path: &str) -> Option<Source<'b>> {
        let mut all = std::iter::once(own).chain(&self.cloud.places);
        all.find_map(|place| Self::list(place, key(place, &parameter.name)?, parameter, path))
            .or_else(|| self.hinted(own, parameter))
    }

    /// The own rows, for what is no part of a path: a key, or any other plain column.
    fn own<'b>(own: &'b Place, parameter: &Parameter) -> Option<Source<'b>> {
        let listing = own.resource.methods.values().filter(|method| lists(method));
        let mut columns = listing.flat_map(|method| &method.response.columns);
        let mut same = || columns.find(|column| !column.ty.is_json() && column.name == parameter.name);
        let column = key(own, &parameter.name).or_else(|| same().map(|column| column.name.as_str()));
        let source = column.and_then(|column| Self::list(own, column, parameter, ""));
        source.or_else(|| Self::inside(own, parameter))
    }

    /// The own rows, where a column's object holds what a parameter asks for.
    fn inside<'b>(own: &'b Place, parameter: &Parameter) -> Option<Source<'b>> {
        let filter = own.resource.sandbox.as_ref()?.get("filters")?.get(&parameter.name)?;
        let inside = filter.get("path")?.as_str()?;
        let source = Self::list(own, filter.get("column")?.as_str()?, parameter, "")?;
        Some(Source { inside: Some(inside), ..source })
    }

    /// What a document says for the sandbox of the objects above its rows.
    fn hinted<'b>(&'b self, own: &'b Place, parameter: &Parameter) -> Option<Source<'b>> {
        let of = own.resource.sandbox.as_ref()?.get("parent")?.get(&parameter.name)?.as_str()?;
        let (resource, column) = of.rsplit_once('.')?;
        let is_it = |place: &&Place| format!("{}.{}", place.service, place.resource.name) == resource;
        let place = self.cloud.places.iter().find(is_it)?;
        let known = place.resource.methods.values().flat_map(|method| &method.response.columns);
        let column = known.map(|known| known.name.as_str()).find(|known| *known == column)?;
        Self::list(place, column, parameter, "")
    }

    /// The list of a resource that has a column: its own one, and not that of another way to the rows.
    fn list<'b>(place: &'b Place, column: &'b str, parameter: &Parameter, path: &str) -> Option<Source<'b>> {
        let has_it = |method: &&Arc<Method>| lists(method) && method.response.columns.iter().any(|c| c.name == column);
        // A list that must be told what is looked for does not find it.
        let is_told =
            |method: &Method| steps(method).iter().any(|(known, at)| known.name == parameter.name || at == path);
        let lists = place.resource.methods_of(&place.resource.verbs.select).filter(has_it);
        let lists = lists.filter(|method| !is_told(method));
        let list =
            lists.min_by_key(|list| (Some(shape(&list.path).as_str()) != path.strip_suffix("/{}"), list.path.len()))?;
        Some(Source { place, list, column, inside: None })
    }

    /// The values of the source's column.
    async fn rows(&self, source: &Source<'_>, above: &Above) -> Result<Vec<Value>, String> {
        let Source { place, list, column, inside } = source;
        let given = self.below(place, list, 0, above).await?;
        let id = self.cloud.id(place);
        let conditions: Vec<String> =
            given.iter().map(|(key, value)| format!("{} = {}", name(key), sql(value))).collect();
        let which = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let inside = inside.map(|field| format!(" ->> {}", sql(&json!(field)))).unwrap_or_default();
        let query = format!("SELECT {}{inside} FROM {id}{which} LIMIT 20", name(column));
        if let Some(known) = self.known.lock().await.get(&query) {
            return Ok(known.clone());
        }
        let answer = self.cloud.db().run(&query).await.map_err(|error| format!("{query}: {}", line(&error)))?;
        let found: Vec<Value> =
            answer.column(0).into_iter().filter(|text| *text != NULL).map(|text| json!(text)).collect();
        self.known.lock().await.insert(query, found.clone());
        Ok(found)
    }
}
