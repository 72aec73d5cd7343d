//! A resource seen as a table.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, fold_name};
use crate::provider::{Effect, ItemShape, Location, Method, Resource, ValueType};

/// A resource as SQL sees it: the columns of its SELECT methods' answers, then their parameters.
#[derive(Debug, Clone)]
pub struct Table {
    /// The provider's name.
    pub provider: String,
    /// The service's name.
    pub service: String,
    /// The resource.
    pub resource: Arc<Resource>,
    /// The SELECT methods, in the document's order.
    pub methods: Vec<Arc<Method>>,
    /// The columns, in order.
    pub columns: Vec<TableColumn>,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableColumn {
    /// Its name, in the API's spelling.
    pub name: String,
    /// Its type.
    pub ty: ValueType,
    /// What the name stands for.
    pub role: ColumnRole,
    /// Whether `*` leaves it out.
    pub hidden: bool,
    /// Whether its values must never be shown.
    pub secret: bool,
    /// Where a response column's value stands within the item.
    pub source: Vec<String>,
}

impl TableColumn {
    /// The name under which an API can be told something of this field; none for what is no field of that very name.
    pub fn on_wire(&self) -> Option<&str> {
        let plain = self.source.len() == 1 && self.source[0] == self.name;
        (self.role.is_field() && !self.role.shadows() && !self.secret && plain).then_some(self.name.as_str())
    }
}

/// What a column's name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnRole {
    /// A field of the answer.
    Field,
    /// A parameter: it holds the value that was bound.
    Parameter,
    /// Both, and the same thing: the value is sent and rows are checked (`column: true`).
    Same,
    /// Both, but not the same thing: a bound value is only sent (`column: false`).
    Different,
    /// Both, and the document does not say whether they are the same: only sent, and compared for a warning.
    Unstated,
}

impl ColumnRole {
    /// Whether a bound value stands for the column in predicates, in place of the answer's own value.
    pub fn shadows(self) -> bool {
        matches!(self, Self::Different | Self::Unstated)
    }

    /// Whether the answer holds the column.
    pub fn is_field(self) -> bool {
        self != Self::Parameter
    }
}

impl Table {
    /// The table of a resource.
    ///
    /// # Errors
    /// `Unsupported` when the resource has no SELECT method that only reads; the message names what it has, or that it is a
    /// view.
    pub fn new(provider: &str, service: &str, resource: Arc<Resource>) -> Result<Self> {
        let methods = readers(&resource);
        if methods.is_empty() {
            let id = format!("{provider}.{service}.{}", resource.name);
            if resource.view {
                let message = format!("`{id}` is a view in SQL of StackQL's own, which is not run here");
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .hint(format!("`SHOW RESOURCES IN {provider}.{service}` lists what else there is")));
            }
            let names: Vec<String> = resource.methods.keys().map(|name| format!("`{name}`")).collect();
            let has = if names.is_empty() { "no method at all".to_owned() } else { names.join(", ") };
            return Err(Error::new(ErrorKind::Unsupported, format!("`{id}` cannot be selected from"))
                .with("methods", has)
                .hint(format!("`SHOW METHODS IN {id}` lists what it can do")));
        }
        Ok(Self::of(provider, service, resource, methods, &[]))
    }

    /// The table as the WHERE of a write sees it: the parameters of `writes` are columns too. It is for predicates; rows
    /// are never read from it.
    pub fn for_writing(provider: &str, service: &str, resource: Arc<Resource>, writes: &[Arc<Method>]) -> Self {
        let methods = readers(&resource);
        Self::of(provider, service, resource, methods, writes)
    }

    fn of(
        provider: &str,
        service: &str,
        resource: Arc<Resource>,
        methods: Vec<Arc<Method>>,
        writes: &[Arc<Method>],
    ) -> Self {
        let mut columns: Vec<TableColumn> = Vec::new();
        for method in &methods {
            for column in &method.response.columns {
                match columns.iter_mut().find(|known| known.name == column.name) {
                    Some(known) if known.ty != column.ty => known.ty = wider(known.ty, column.ty),
                    Some(_) => {}
                    None => columns.push(TableColumn {
                        name: column.name.clone(),
                        ty: column.ty,
                        role: ColumnRole::Field,
                        hidden: false,
                        secret: column.secret,
                        source: column.source.clone().unwrap_or_else(|| vec![column.name.clone()]),
                    }),
                }
            }
        }
        let fields = columns.len();
        for method in methods.iter().chain(writes) {
            for parameter in &method.parameters {
                let same_name = |known: &TableColumn| known.name == parameter.name;
                match columns.iter().position(same_name) {
                    Some(at) if at < fields => {
                        let role = match parameter.column {
                            Some(true) => ColumnRole::Same,
                            Some(false) => ColumnRole::Different,
                            // A parameter that is known to be the column of its name (`id`) is that column.
                            None if is_identity(&resource, method, &parameter.name) => ColumnRole::Same,
                            None => ColumnRole::Unstated,
                        };
                        // Methods may disagree; the most careful reading wins.
                        columns[at].role = match (columns[at].role, role) {
                            (ColumnRole::Field, role) => role,
                            (ColumnRole::Different, _) | (_, ColumnRole::Different) => ColumnRole::Different,
                            (ColumnRole::Unstated, _) | (_, ColumnRole::Unstated) => ColumnRole::Unstated,
                            (known, _) => known,
                        };
                    }
                    Some(at) => {
                        if columns[at].ty != parameter.ty {
                            columns[at].ty = ValueType::Text;
                        }
                    }
                    None => columns.push(TableColumn {
                        name: parameter.name.clone(),
                        ty: parameter.ty,
                        role: ColumnRole::Parameter,
                        hidden: !methods.iter().all(|m| requires(m, &parameter.name)),
                        secret: parameter.secret,
                        source: Vec::new(),
                    }),
                }
            }
        }
        Self { provider: provider.to_owned(), service: service.to_owned(), resource, methods, columns }
    }

    /// `provider.service.resource`.
    pub fn id(&self) -> String {
        format!("{}.{}.{}", self.provider, self.service, self.resource.name)
    }

    /// The column of that name: exactly, else without regard to case and separators if that is unambiguous.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name).or_else(|| {
            let folded = fold_name(name);
            let mut found = self.columns.iter().enumerate().filter(|(_, c)| fold_name(&c.name) == folded);
            let first = found.next()?;
            if found.next().is_some() { None } else { Some(first.0) }
        })
    }
}

/// The methods that SELECT may call: those of them that change something are left to EXEC, whatever the document lists.
fn readers(resource: &Resource) -> Vec<Arc<Method>> {
    let listed = resource.methods_of(&resource.verbs.select);
    listed.filter(|method| method.effect == Effect::Read).cloned().collect()
}

/// Whether every call of `method` needs the parameter from the user.
fn requires(method: &Method, name: &str) -> bool {
    method.needs().any(|parameter| parameter.name == name)
}

/// Whether `keys` say that a parameter in the path is the column of its name. What was guessed holds of the one object that a
/// path ends in: an answer that holds another says so, while a list would lose the rows that do not repeat their parent's
/// name, or have it in another form.
fn is_identity(resource: &Resource, method: &Method, parameter: &str) -> bool {
    let Some(keys) = resource.keys.as_ref().filter(|keys| keys.columns.get(parameter).is_some_and(|c| c == parameter))
    else {
        return false;
    };
    let in_path = || method.parameters.iter().any(|p| p.name == parameter && p.location == Location::Path);
    let names_object =
        || method.response.items == ItemShape::Object && method.last_in_path().is_some_and(|p| p.name == parameter);
    if keys.declared { in_path() } else { names_object() }
}

/// The type that holds values of both.
fn wider(a: ValueType, b: ValueType) -> ValueType {
    use ValueType::{Any, Array, Integer, Number, Object, Text, Timestamp};
    match (a, b) {
        (a, b) if a == b => a,
        (Integer, Number) | (Number, Integer) => Number,
        (Text, Timestamp) | (Timestamp, Text) => Text,
        // JSON either way, and known to hold more than a text.
        (Object, Array | Any) | (Array | Any, Object) => Object,
        (Array, Any) | (Any, Array) => Array,
        _ => Any,
    }
}
