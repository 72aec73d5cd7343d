//! The WHERE of a write, placed on the method itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::choose::{Binding, ConjunctFate, bind};
use super::table::Table;
use super::tuples::Predicate;
use crate::error::{ErrorKind, Result};
use crate::provider::{Keys, Location, Method, Parameter};

/// What a WHERE comes to when all of it is placed on one of `methods`: then their calls do what the statement says, and no
/// row need be looked at. `None` when a conjunct is left over, or no method fits.
///
/// `table` is one of [`Table::for_writing`]. `taken` are the parameters that SET gives: a predicate on a name among them is
/// about the rows. Body fields hold new values, so predicates reach only those that `keys` name, or any where SET gives
/// none (`deleting`).
///
/// # Errors
/// `Budget` when there would be more than `most` calls.
pub fn bind_direct(
    table: &Table,
    methods: &[Arc<Method>],
    taken: &[&Parameter],
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
            let is_value = parameter.location == Location::Body && !taken.is_empty() && !is_key;
            let is_taken = taken.iter().any(|t| t.name == parameter.name && t.location == parameter.location);
            !is_value && !is_taken
        });
        Arc::new(method)
    });
    let mut resource = (*table.resource).clone();
    resource.keys = keys.cloned();
    let view = Table { methods: narrowed.collect(), resource: Arc::new(resource), ..table.clone() };
    match bind(&view, conjuncts, &[], &BTreeMap::new(), most) {
        Ok(binding) => {
            let placed = binding.fates.iter().all(|fate| !matches!(fate, ConjunctFate::Checked(_)));
            Ok(placed.then_some(binding))
        }
        Err(error) if error.kind() == ErrorKind::Budget => Err(error),
        // The same WHERE may still be right for looking at the rows; if not, that says why.
        Err(_) => Ok(None),
    }
}
