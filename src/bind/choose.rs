//! The choice of the method, and what goes to which of its parameters.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::coerce::{coerce, literal_text};
use super::table::{ColumnRole, Table};
use super::tuples::{Predicate, alternatives, product};
use crate::error::{Error, ErrorKind, Result, did_you_mean, fold_name};
use crate::provider::{Effect, Location, Method, Parameter, ValueType};

/// Where a bound value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supplied {
    /// From the statement's own literals: part of each tuple.
    Constant,
    /// From each row of another table.
    Outer,
}

/// A column whose value goes to a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundColumn {
    /// Index into `Table::columns`.
    pub column: usize,
    /// The parameter's name.
    pub parameter: String,
    /// Whether the value reaches the parameter through the resource's `keys` (`id` → `image_id`).
    pub through_key: bool,
    /// Where the value comes from.
    pub supplied: Supplied,
    /// Whether the bound value stands for the column in predicates.
    pub shadows: bool,
}

/// What becomes of one conjunct of the WHERE clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConjunctFate {
    /// The API gets it, and nothing is left to check.
    Sent,
    /// The API gets it, and the rows are checked as well.
    SentAndChecked,
    /// Only the rows are checked; says why.
    Checked(String),
}

/// A method, what goes to its parameters, and the tuples of constants: one call per tuple (and outer row).
#[derive(Debug, Clone)]
pub struct Binding {
    /// The method.
    pub method: Arc<Method>,
    /// The bound columns.
    pub bound: Vec<BoundColumn>,
    /// Values given as arguments of the table, by parameter name.
    pub fixed: BTreeMap<String, Value>,
    /// Values of the columns in `bound` that are `Constant`, in that order, of their parameters' types.
    pub tuples: Vec<Vec<Value>>,
    /// What becomes of each conjunct, in the order given.
    pub fates: Vec<ConjunctFate>,
    /// Columns with a bound value that other methods would take as a parameter of another meaning, and this one does not:
    /// the value is compared with the field.
    pub fields_only: Vec<usize>,
    /// Columns that are compared as fields, though they are parameters too, of which the document does not say that they mean
    /// the same.
    pub unstated: Vec<usize>,
}

impl Binding {
    /// The bound entry of a column.
    pub fn bound_column(&self, column: usize) -> Option<&BoundColumn> {
        self.bound.iter().find(|bound| bound.column == column)
    }
}

/// How one method would use the bound columns.
struct Candidate<'a> {
    method: &'a Arc<Method>,
    uses: Vec<BoundColumn>,
    missing: Vec<&'a Parameter>,
    refused: Vec<&'a str>,
    ignored: Vec<usize>,
    required: usize,
}

impl Candidate<'_> {
    fn fits(&self) -> bool {
        self.missing.is_empty() && self.refused.is_empty()
    }
}

/// Chooses the method for `conjuncts` (all of them hold), where the columns in `outer` get their values from the rows of
/// another table, `arguments` are parameters given by name (`images(type => 'base')`: no column is meant), and `most` calls
/// may be made.
///
/// # Errors
/// `MissingParameter` when no method fits: the hint lists what each needs and cannot take. `Unsupported` when only one
/// fits whose answers are no rows. `InvalidArgument` when a literal does not fit its parameter, or a parameter is used in
/// a way that cannot be bound. `Budget` when there are far more tuples than `most`.
pub fn bind(
    table: &Table,
    conjuncts: &[Predicate],
    outer: &[usize],
    arguments: &BTreeMap<String, Value>,
    most: u64,
) -> Result<Binding> {
    check_argument_names(table, arguments)?;
    let key_columns: HashSet<usize> = table
        .resource
        .keys
        .iter()
        .flat_map(|keys| keys.columns.values())
        .filter_map(|name| table.columns.iter().position(|column| &column.name == name))
        .collect();
    // A name given as an argument is no column any more: predicates on it are about the rows.
    let taken: HashSet<String> = arguments.keys().map(|name| fold_name(name)).collect();
    let bindable = |column: usize| {
        let known = &table.columns[column];
        (known.role != ColumnRole::Field || key_columns.contains(&column)) && !taken.contains(&fold_name(&known.name))
    };
    let constants: BTreeSet<usize> = conjuncts
        .iter()
        .filter_map(|conjunct| alternatives(conjunct, &bindable))
        .flat_map(|options| options.into_iter().flat_map(BTreeMap::into_keys))
        .collect();
    let outer: Vec<usize> = outer.iter().copied().filter(|column| !constants.contains(column)).collect();

    let candidates: Vec<Candidate<'_>> =
        table.methods.iter().map(|method| consider(table, method, &constants, &outer, arguments)).collect();
    let none_reads = || table.methods.iter().all(|method| check_reads(table, method).is_err());
    if let Some(first) = table.methods.first().filter(|_| none_reads()) {
        check_reads(table, first)?;
    }
    let chosen = candidates
        .iter()
        .filter(|candidate| candidate.fits())
        // Earlier in the document wins a tie, so later ones must be strictly better.
        .reduce(|best, next| {
            let rank = |candidate: &Candidate<'_>| {
                let reads = check_reads(table, candidate.method).is_ok();
                (reads, Reverse(candidate.ignored.len()), candidate.required)
            };
            if rank(next) > rank(best) { next } else { best }
        })
        .ok_or_else(|| nothing_fits(table, &candidates, conjuncts.is_empty() && outer.is_empty()))?;
    check_reads(table, chosen.method)?;
    let mut fixed = BTreeMap::new();
    for (name, value) in arguments {
        if let Some(parameter) = chosen.method.parameter(name) {
            fixed.insert(parameter.name.clone(), placed_value(parameter, value)?);
        }
    }

    check_parameter_uses(table, conjuncts, &chosen.uses, &taken)?;
    let compared = compared_as_fields(table, conjuncts, chosen, &taken)?;
    let used: HashSet<usize> =
        chosen.uses.iter().filter(|bound| bound.supplied == Supplied::Constant).map(|bound| bound.column).collect();
    // Typed first: `5`, `5.0` and `'5'` are one value of a whole-number parameter.
    let typed = conjuncts.iter().map(|conjunct| typed_literals(table, conjunct, chosen)).collect::<Result<Vec<_>>>()?;
    let tuples = product(&typed, &|column| used.contains(&column), most)?
        .into_iter()
        .map(|mut tuple| {
            let constants = chosen.uses.iter().filter(|bound| bound.supplied == Supplied::Constant);
            constants.map(|bound| tuple.remove(&bound.column).unwrap_or(Value::Null)).collect()
        })
        .collect();
    let fates = conjuncts.iter().map(|conjunct| fate(table, chosen, conjunct, &bindable)).collect();
    Ok(Binding {
        method: Arc::clone(chosen.method),
        bound: chosen.uses.clone(),
        fixed,
        tuples,
        fates,
        fields_only: chosen.ignored.iter().copied().chain(compared.fields_only).collect(),
        unstated: compared.unstated,
    })
}

/// Refuses a method that only reads and whose answers are no rows: nothing of it could be given.
fn check_reads(table: &Table, method: &Method) -> Result<()> {
    if method.effect == Effect::Read { method.check_readable(&table.id()) } else { Ok(()) }
}

/// Columns of which a parameter has the name, and that are compared with something that is no value for it.
#[derive(Default)]
struct Compared {
    /// Of another meaning than the parameter, which the method does not take.
    fields_only: Vec<usize>,
    /// Of which nobody says what they mean.
    unstated: Vec<usize>,
}

/// What predicates that bind nothing compare.
///
/// # Errors
/// `InvalidArgument` for a name that is another thing as a field: `=` would be about the parameter, and the opposite of that
/// cannot be asked of the API.
fn compared_as_fields(
    table: &Table,
    conjuncts: &[Predicate],
    chosen: &Candidate<'_>,
    taken: &HashSet<String>,
) -> Result<Compared> {
    let mut columns = BTreeSet::new();
    for conjunct in conjuncts {
        collect_compared(conjunct, &mut columns);
    }
    let mut compared = Compared::default();
    for column in columns {
        let known = &table.columns[column];
        let has_value = chosen.uses.iter().any(|bound| bound.column == column) || chosen.ignored.contains(&column);
        if has_value || taken.contains(&fold_name(&known.name)) {
            continue;
        }
        let is_parameter = chosen.method.parameters.iter().any(|parameter| parameter.name == known.name);
        match known.role {
            ColumnRole::Different if is_parameter => return Err(compared_with_field(table, column)),
            ColumnRole::Different => compared.fields_only.push(column),
            ColumnRole::Unstated if is_parameter => compared.unstated.push(column),
            _ => {}
        }
    }
    Ok(compared)
}

/// The error for a name that is compared with something that its parameter cannot be given, and that is another thing as a
/// field.
pub(crate) fn compared_with_field(table: &Table, column: usize) -> Error {
    let known = &table.columns[column];
    let name = &known.name;
    let field = match known.ty {
        ValueType::Object => format!("{name} ->> '…'"),
        _ => format!("lower({name})"),
    };
    let message = format!("`{name}` is a parameter of `{}`, and the field of that name is another thing", table.id());
    Error::new(ErrorKind::InvalidArgument, message).hint(format!(
        "the parameter takes values by `{name} = …` and `{name} IN (…)` alone; for the field, put it in an expression, as in \
         `{field} <> …`"
    ))
}

fn collect_compared(predicate: &Predicate, into: &mut BTreeSet<usize>) {
    match predicate {
        Predicate::Equals { column, .. } | Predicate::In { column, .. } => {
            into.insert(*column);
        }
        Predicate::And(all) | Predicate::Or(all) => all.iter().for_each(|part| collect_compared(part, into)),
        Predicate::Other { compared, .. } => into.extend(compared),
    }
}

/// The predicate with the literals of bound columns in their parameters' types.
fn typed_literals(table: &Table, predicate: &Predicate, chosen: &Candidate<'_>) -> Result<Predicate> {
    let typed = |column: usize, value: &Value| -> Result<Value> {
        let bound = chosen.uses.iter().find(|bound| bound.column == column && bound.supplied == Supplied::Constant);
        let parameter = bound.and_then(|bound| chosen.method.parameters.iter().find(|p| p.name == bound.parameter));
        let Some(parameter) = parameter else { return Ok(value.clone()) };
        let value = placed_value(parameter, value)?;
        if table.columns[column].role == ColumnRole::Different {
            check_not_the_field(parameter, &value)?;
        }
        Ok(value)
    };
    Ok(match predicate {
        Predicate::Equals { column, value } => Predicate::Equals { column: *column, value: typed(*column, value)? },
        Predicate::In { column, values } => Predicate::In {
            column: *column,
            values: values.iter().map(|value| typed(*column, value)).collect::<Result<_>>()?,
        },
        Predicate::And(all) => {
            Predicate::And(all.iter().map(|p| typed_literals(table, p, chosen)).collect::<Result<_>>()?)
        }
        Predicate::Or(any) => {
            Predicate::Or(any.iter().map(|p| typed_literals(table, p, chosen)).collect::<Result<_>>()?)
        }
        other @ Predicate::Other { .. } => other.clone(),
    })
}

/// A value as its parameter takes it.
///
/// # Errors
/// As [`coerce`]; `InvalidArgument` for a value that a server variable does not list.
pub fn placed_value(parameter: &Parameter, value: &Value) -> Result<Value> {
    let value = coerce(parameter, value)?;
    check_server_value(parameter, &value)?;
    Ok(value)
}

/// A server variable with a list of values takes no other: it decides where requests go.
///
/// # Errors
/// `InvalidArgument` that lists the values.
fn check_server_value(parameter: &Parameter, value: &Value) -> Result<()> {
    if parameter.location != Location::Server || parameter.values.is_empty() || parameter.values.contains(value) {
        return Ok(());
    }
    let shown = literal_text(value);
    Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` cannot be `{shown}`", parameter.name))
        .hint(format!("it takes {}", allowed(parameter))))
}

/// A parameter that is another thing than the field of its name takes none of that field's values: an API that leaves out
/// what it does not know would answer, or let be deleted, everything.
fn check_not_the_field(parameter: &Parameter, value: &Value) -> Result<()> {
    if parameter.values.is_empty() || value.is_null() || parameter.values.contains(value) {
        return Ok(());
    }
    let (name, allowed) = (&parameter.name, allowed(parameter));
    let message =
        format!("`{name}` cannot be `{}`: it is the API's parameter, not the field of that name", literal_text(value));
    Err(Error::new(ErrorKind::InvalidArgument, message)
        .hint(format!("it takes {allowed}; for the field, put it in an expression, as in `lower({name}) = …`")))
}

fn allowed(parameter: &Parameter) -> String {
    let values: Vec<String> = parameter.values.iter().map(|value| format!("`{}`", literal_text(value))).collect();
    values.join(", ")
}

fn check_argument_names(table: &Table, arguments: &BTreeMap<String, Value>) -> Result<()> {
    for name in arguments.keys() {
        if !table.methods.iter().any(|method| method.parameter(name).is_some()) {
            let known = table.methods.iter().flat_map(|m| m.parameters.iter().map(|p| p.name.as_str()));
            let error = Error::new(ErrorKind::NameNotFound, format!("`{}` has no parameter `{name}`", table.id()));
            return Err(match did_you_mean(name, known) {
                Some(hint) => error.hint(hint),
                None => error.hint(format!("`DESCRIBE EXTENDED {}` lists them", table.id())),
            });
        }
    }
    Ok(())
}

fn consider<'a>(
    table: &'a Table,
    method: &'a Arc<Method>,
    constants: &BTreeSet<usize>,
    outer: &[usize],
    arguments: &'a BTreeMap<String, Value>,
) -> Candidate<'a> {
    let mut uses: Vec<BoundColumn> = Vec::new();
    let mut refused = Vec::new();
    let mut ignored = Vec::new();
    let supplied =
        constants.iter().map(|column| (*column, Supplied::Constant)).chain(outer.iter().map(|c| (*c, Supplied::Outer)));
    let all: Vec<(usize, Supplied)> = supplied.collect();
    for &(column, supplied) in &all {
        let known = &table.columns[column];
        if known.role == ColumnRole::Field {
            continue;
        }
        match method.parameters.iter().find(|p| p.name == known.name) {
            Some(parameter) if supplied == Supplied::Outer && forms_host(method, parameter) => {
                refused.push(known.name.as_str());
            }
            Some(parameter) => uses.push(BoundColumn {
                column,
                parameter: parameter.name.clone(),
                through_key: false,
                supplied,
                shadows: known.role.shadows(),
            }),
            None if known.role == ColumnRole::Parameter && supplied == Supplied::Constant => {
                refused.push(known.name.as_str());
            }
            None if known.role.shadows() => ignored.push(column),
            None => {}
        }
    }
    let mut given = HashSet::new();
    for name in arguments.keys() {
        match method.parameter(name) {
            Some(parameter) => {
                given.insert(parameter.name.as_str());
            }
            None => refused.push(name.as_str()),
        }
    }
    let mut missing = Vec::new();
    for needed in method.needs() {
        if given.contains(needed.name.as_str()) {
            continue;
        }
        if uses.iter().any(|bound| bound.parameter == needed.name) {
            continue;
        }
        let through_key = table
            .resource
            .keys
            .as_ref()
            .and_then(|keys| keys.columns.get(&needed.name))
            .and_then(|name| all.iter().find(|(column, _)| &table.columns[*column].name == name));
        match through_key {
            Some(&(column, supplied)) if !uses.iter().any(|bound| bound.column == column) => uses.push(BoundColumn {
                column,
                parameter: needed.name.clone(),
                through_key: true,
                supplied,
                shadows: false,
            }),
            _ => missing.push(needed),
        }
    }
    uses.sort_by_key(|bound| (bound.supplied == Supplied::Outer, bound.column));
    let required = method.needs().count();
    Candidate { method, uses, missing, refused, ignored, required }
}

/// Whether a server variable is part of the URL's host: rows must not choose where a credential goes.
pub fn forms_host(method: &Method, parameter: &Parameter) -> bool {
    let authority = method.server.split_once("://").map_or(method.server.as_str(), |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    parameter.location == Location::Server && authority.contains(&format!("{{{}}}", parameter.wire))
}

fn nothing_fits(table: &Table, candidates: &[Candidate<'_>], no_where: bool) -> Error {
    let mut said = Vec::new();
    for candidate in candidates {
        let mut parts = Vec::new();
        if !candidate.missing.is_empty() {
            let names: Vec<String> =
                candidate.missing.iter().map(|p| format!("`{}` ({})", p.name, p.ty.name())).collect();
            parts.push(format!("needs {}", names.join(", ")));
        }
        if !candidate.refused.is_empty() {
            let names: Vec<String> = candidate.refused.iter().map(|name| format!("`{name}`")).collect();
            parts.push(format!("cannot take {}", names.join(", ")));
        }
        said.push(format!("`{}` {}", candidate.method.name, parts.join(" and ")));
    }
    let message = if no_where {
        format!("`{}` cannot be read without parameters", table.id())
    } else {
        format!("no method of `{}` can be called with these predicates", table.id())
    };
    Error::new(ErrorKind::MissingParameter, message).hint(format!(
        "{}; give parameters as `name = value` in WHERE, or by `=` in a join, IN or EXISTS",
        said.join("; ")
    ))
}

/// A parameter that no value binds has no meaning in a predicate: `page > 3` cannot be asked of the API.
fn check_parameter_uses(
    table: &Table,
    conjuncts: &[Predicate],
    uses: &[BoundColumn],
    given: &HashSet<String>,
) -> Result<()> {
    let mut columns = BTreeSet::new();
    for conjunct in conjuncts {
        collect_columns(conjunct, &mut columns);
    }
    for column in columns {
        let known = &table.columns[column];
        let has_value = uses.iter().any(|bound| bound.column == column) || given.contains(&fold_name(&known.name));
        if known.role == ColumnRole::Parameter && !has_value {
            return Err(unbound_parameter(table, column));
        }
    }
    Ok(())
}

/// The error for a parameter that is used although no value is bound to it.
pub(crate) fn unbound_parameter(table: &Table, column: usize) -> Error {
    let name = &table.columns[column].name;
    Error::new(
        ErrorKind::InvalidArgument,
        format!("`{name}` is a parameter of `{}`, not a field of its answers", table.id()),
    )
    .hint(format!("give it a value with `{name} = …` or `{name} IN (…)`; nothing else can be asked of it"))
}

pub(super) fn collect_columns(predicate: &Predicate, into: &mut BTreeSet<usize>) {
    match predicate {
        Predicate::Equals { column, .. } | Predicate::In { column, .. } => {
            into.insert(*column);
        }
        Predicate::And(all) | Predicate::Or(all) => all.iter().for_each(|part| collect_columns(part, into)),
        Predicate::Other { columns, .. } => into.extend(columns),
    }
}

fn fate(table: &Table, chosen: &Candidate<'_>, conjunct: &Predicate, bindable: &dyn Fn(usize) -> bool) -> ConjunctFate {
    let mut columns = BTreeSet::new();
    collect_columns(conjunct, &mut columns);
    let quoted = |column: &usize| format!("`{}`", table.columns[*column].name);
    let used = |column: &usize| chosen.uses.iter().find(|bound| bound.column == *column);
    let unused: Vec<String> = columns.iter().filter(|column| used(column).is_none()).map(quoted).collect();
    if columns.is_empty() {
        return ConjunctFate::Checked("it names no column".to_owned());
    }
    let bound: BTreeSet<usize> = alternatives(conjunct, bindable)
        .and_then(|options| options.into_iter().next())
        .map(|tuple| tuple.into_keys().filter(|column| used(column).is_some()).collect())
        .unwrap_or_default();
    if bound.is_empty() {
        if unused.is_empty() {
            return ConjunctFate::Checked("only `=`, IN and OR of equalities reach the API".to_owned());
        }
        let verb = if unused.len() == 1 { "is not a parameter" } else { "are not parameters" };
        return ConjunctFate::Checked(format!("{} {verb} of `{}`", unused.join(", "), chosen.method.name));
    }
    let checked = bound != columns
        || !is_exact(conjunct)
        || columns.iter().any(|column| {
            used(column).is_some_and(|bound| bound.through_key || table.columns[*column].role == ColumnRole::Same)
        });
    if checked { ConjunctFate::SentAndChecked } else { ConjunctFate::Sent }
}

/// Whether the binding tuples of a predicate say exactly what it says.
fn is_exact(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Equals { .. } | Predicate::In { .. } => true,
        Predicate::And(all) | Predicate::Or(all) => all.iter().all(is_exact),
        Predicate::Other { .. } => false,
    }
}
