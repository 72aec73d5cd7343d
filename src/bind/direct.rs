//! The WHERE of a write, placed on the method itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::choose::{Binding, BoundColumn, Supplied, bind, collect_columns};
use super::table::{ColumnRole, Table, TableColumn};
use super::tuples::Predicate;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Keys, Location, Method, Parameter, ValueType, is_called_after_parent};

/// What the WHERE of a write comes to.
#[derive(Debug)]
pub enum Direct {
    /// All of it is placed on one method: its calls do what the statement says, and no row need be looked at.
    Calls(Binding),
    /// A conjunct is left over or says more than the calls would, or no method fits: rows have to be looked at.
    Look {
        /// What is wrong with the values that WHERE gives, where that is why.
        because: Option<Error>,
    },
}

/// Places a WHERE on one of `methods`, where all of it can be.
///
/// `table` is one of [`Table::for_writing`]. `taken` are the parameters that SET gives, where there is a SET: a predicate on a
/// name among them is about the rows. Body fields then hold new values, so predicates reach only those that `keys` name.
///
/// # Errors
/// `Budget` when there would be more than `most` calls.
pub fn bind_direct(
    table: &Table,
    methods: &[Arc<Method>],
    taken: Option<&[&Parameter]>,
    conjuncts: &[Predicate],
    most: u64,
) -> Result<Direct> {
    if conjuncts.is_empty() {
        return Ok(Direct::Look { because: None });
    }
    let keys: Option<&Keys> = table.resource.keys.as_ref().filter(|keys| keys.declared);
    let narrowed = methods.iter().map(|method| {
        let mut method = Method::clone(method);
        method.parameters.retain(|parameter| {
            let is_key = keys.is_some_and(|keys| keys.columns.contains_key(&parameter.name));
            let is_value = parameter.location == Location::Body && taken.is_some() && !is_key;
            let is_taken =
                taken.unwrap_or_default().iter().any(|t| t.name == parameter.name && t.location == parameter.location);
            !is_value && !is_taken
        });
        Arc::new(method)
    });
    let mut resource = (*table.resource).clone();
    resource.keys = keys.cloned();
    let view = Table { methods: narrowed.collect(), resource: Arc::new(resource), ..table.clone() };
    match bind(&view, conjuncts, &[], &BTreeMap::new(), most) {
        Ok(binding) => {
            let calls = binding.tuples.len() as u64;
            if calls > most {
                let said = format!("the statement needs {calls} calls or more, and `max_calls` is {most}");
                let hint = format!("`SET max_calls = {calls}` allows it");
                return Err(Error::new(ErrorKind::Budget, said).hint(hint));
            }
            let names_object = |column: usize| names_object(table, keys, &binding, column);
            if conjuncts.iter().all(|conjunct| said_by_calls(conjunct, &names_object).is_some()) {
                return Ok(Direct::Calls(binding));
            }
            // Only where the doubt is all that is in the way: a call that says less than WHERE is no way out.
            let is_taken = |column: usize| names_object(column) || is_unclear(table, &binding, column);
            let said = conjuncts.iter().all(|conjunct| said_by_calls(conjunct, &is_taken).is_some());
            let unclear = binding.bound.iter().find(|bound| !names_object(bound.column));
            Ok(Direct::Look { because: unclear.filter(|_| said).map(|bound| two_readings(table, &binding, bound)) })
        }
        Err(error) if error.kind() == ErrorKind::Budget => Err(error),
        // The same WHERE may still be right for looking at the rows. Of fields alone, nothing is wrong with it.
        Err(error) => {
            let mut named = BTreeSet::new();
            for conjunct in conjuncts {
                collect_columns(conjunct, &mut named);
            }
            let text = |column: &usize| &table.columns[*column].name;
            let is_set = |name: &&String| {
                let mut set = taken.unwrap_or_default().iter().filter(|p| p.location != Location::Body);
                set.any(|p| p.name == **name)
            };
            if let Some(name) = named.iter().map(text).find(is_set) {
                let message = format!("`{name}` is given by SET, so WHERE cannot say where the call goes by it");
                let error =
                    Error::new(ErrorKind::Unsupported, message).hint("nothing was sent; leave out one of the two");
                return Ok(Direct::Look { because: Some(error) });
            }
            let gives_parameter = named.iter().any(|column| table.columns[*column].role != ColumnRole::Field);
            Ok(Direct::Look { because: Some(error).filter(|_| gives_parameter) })
        }
    }
}

/// Whether the method gets the column's value as a parameter, and nobody says whether that is the column.
fn is_unclear(table: &Table, binding: &Binding, column: usize) -> bool {
    table.columns[column].role == ColumnRole::Unstated && binding.bound_column(column).is_some()
}

/// The error for a value that may mean a field or a parameter.
fn two_readings(table: &Table, binding: &Binding, bound: &BoundColumn) -> Error {
    let name = &table.columns[bound.column].name;
    let (id, method) = (table.id(), &binding.method);
    let needed = method.needs().map(|p| p.name.as_str());
    let given = binding.bound.iter().map(|bound| bound.parameter.as_str());
    let mut names: Vec<&str> = Vec::new();
    for name in needed.chain(given) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let values: Vec<String> = names.into_iter().map(|name| format!("@{name} = …")).collect();
    let message = format!(
        "`{name}` is a field of `{id}` and a parameter of `{}` ({} {}), and the document does not say that both mean the same",
        method.name, method.http_method, method.path
    );
    let call = format!("nothing was sent; `EXEC {id}.{} {}` makes that call", method.name, values.join(", "));
    let in_path = method.parameters.iter().any(|p| p.name == bound.parameter && p.location == Location::Path);
    Error::new(ErrorKind::Unsupported, message).hint(if in_path {
        format!("{call}, and `x-skyql-column: true` on the parameter says that they do")
    } else {
        call
    })
}

/// The columns of a predicate that the calls' values say exactly; `None` when they do not. Branches of an OR must bind the
/// same columns: what only one of them says would be lost.
fn said_by_calls(predicate: &Predicate, names_object: &dyn Fn(usize) -> bool) -> Option<BTreeSet<usize>> {
    match predicate {
        Predicate::Equals { column, .. } | Predicate::In { column, .. } => {
            names_object(*column).then(|| BTreeSet::from([*column]))
        }
        Predicate::And(all) => {
            let parts: Option<Vec<BTreeSet<usize>>> =
                all.iter().map(|part| said_by_calls(part, names_object)).collect();
            Some(parts?.into_iter().flatten().collect())
        }
        Predicate::Or(any) => {
            let branches: Option<Vec<BTreeSet<usize>>> =
                any.iter().map(|part| said_by_calls(part, names_object)).collect();
            let mut branches = branches?.into_iter();
            let first = branches.next()?;
            branches.all(|branch| branch == first).then_some(first)
        }
        Predicate::Other { .. } => None,
    }
}

/// Whether the method gets the column's value, and the value means there what it means in WHERE: a parameter that is no
/// field, or what identifies the object.
fn names_object(table: &Table, keys: Option<&Keys>, binding: &Binding, column: usize) -> bool {
    let Some(bound) = binding.bound_column(column).filter(|bound| bound.supplied == Supplied::Constant) else {
        return false;
    };
    let known = &table.columns[column];
    let is_key = keys.is_some_and(|keys| keys.columns.get(&bound.parameter) == Some(&known.name));
    let method = &binding.method;
    let mut parameters = method.parameters.iter().filter(|p| p.name == bound.parameter);
    match known.role {
        ColumnRole::Different => bound.through_key && is_key,
        _ => is_key || parameters.any(|p| means_object(method, p, known)),
    }
}

/// Whether a value for a column of the parameter's name says which object a write is about, where no key says so.
pub fn means_object(method: &Method, parameter: &Parameter, column: &TableColumn) -> bool {
    match column.role {
        ColumnRole::Parameter => true,
        ColumnRole::Same => parameter.location == Location::Path,
        ColumnRole::Unstated => is_address(method, parameter, column),
        ColumnRole::Field | ColumnRole::Different => false,
    }
}

/// Whether the value of a parameter can only say which object a write is about, though a field has its name and nobody says
/// whether both mean the same. It can where the path ends in it. Before that, it could be a parent's name where a row's own
/// is meant (`/projects/{name}/keys`), unless it is called after the parent, and one object is named below, or the field
/// holds no plain value. A server that every call has to name is no field either.
fn is_address(method: &Method, parameter: &Parameter, field: &TableColumn) -> bool {
    match parameter.location {
        Location::Server => method.needs().any(|needed| needed.name == parameter.name),
        Location::Path if matches!(field.ty, ValueType::Object | ValueType::Array) => true,
        Location::Path => method
            .last_in_path()
            .is_some_and(|last| last.name == parameter.name || is_called_after_parent(method, parameter)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn eq(column: usize) -> Predicate {
        Predicate::Equals { column, value: json!(1) }
    }

    #[test]
    fn only_what_the_calls_say_exactly_goes_without_a_look() {
        let said = |predicate: &Predicate| said_by_calls(predicate, &|column| column < 2).is_some();
        assert!(said(&eq(0)));
        assert!(said(&Predicate::In { column: 1, values: vec![json!(1), json!(2)] }));
        assert!(said(&Predicate::Or(vec![eq(0), eq(0)])));
        assert!(said(&Predicate::Or(vec![Predicate::And(vec![eq(0), eq(1)]), Predicate::And(vec![eq(1), eq(0)])])));
        assert!(!said(&eq(2)));
        assert!(!said(&Predicate::Other { columns: vec![0], compared: Vec::new() }));
        assert!(!said(&Predicate::And(vec![eq(0), Predicate::Other { columns: vec![0], compared: Vec::new() }])));
        let partly = Predicate::Or(vec![Predicate::And(vec![eq(0), eq(1)]), eq(0)]);
        assert!(!said(&partly));
        assert!(!said(&Predicate::And(vec![partly, eq(1)])));
        assert!(!said(&Predicate::Or(vec![Predicate::And(vec![eq(0), eq(2)]), eq(0)])));
    }
}
