//! The WHERE of a write, placed on the method itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::choose::{Binding, Supplied, bind};
use super::table::{ColumnRole, Table};
use super::tuples::Predicate;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Keys, Location, Method, Parameter};

/// What a WHERE comes to when all of it is placed on one of `methods`: then their calls do what the statement says, and no
/// row need be looked at. `None` when a conjunct is left over or says more than the calls would, or no method fits.
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
) -> Result<Option<Binding>> {
    if conjuncts.is_empty() {
        return Ok(None);
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
            let placed = conjuncts.iter().all(|conjunct| said_by_calls(conjunct, &names_object).is_some());
            Ok(placed.then_some(binding))
        }
        Err(error) if error.kind() == ErrorKind::Budget => Err(error),
        // The same WHERE may still be right for looking at the rows; if not, that says why.
        Err(_) => Ok(None),
    }
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
    let in_path = binding.method.parameters.iter().any(|p| p.name == bound.parameter && p.location == Location::Path);
    match known.role {
        ColumnRole::Parameter => true,
        ColumnRole::Same => is_key || in_path,
        ColumnRole::Field | ColumnRole::Unstated => is_key,
        ColumnRole::Different => bound.through_key && is_key,
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
