//! WHERE → binding tuples: sets of values for the same columns, one call each.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// One conjunct of a WHERE clause, as far as binding is concerned. Columns are indexes into `Table::columns`.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// `column = value`, also a bare boolean column (`true`) and its negation (`false`).
    Equals {
        /// The column.
        column: usize,
        /// The literal.
        value: Value,
    },
    /// `column IN (values)`.
    In {
        /// The column.
        column: usize,
        /// The literals, without NULL.
        values: Vec<Value>,
    },
    /// All hold.
    And(Vec<Predicate>),
    /// At least one holds.
    Or(Vec<Predicate>),
    /// Anything else over these columns: it is checked on the rows.
    Other {
        /// The columns it reads.
        columns: Vec<usize>,
        /// Those of them that stand by themselves on a side of a comparison, such as `<>`.
        compared: Vec<usize>,
    },
}

/// Values by column.
pub(super) type Tuple = BTreeMap<usize, Value>;

/// The alternatives under which `predicate` can hold, all binding the same columns; `None` when it binds nothing.
///
/// Dropping a column from an alternative makes it wider, never narrower, so the rows that come back are a superset and
/// the predicate itself, checked on the rows, does the rest.
pub(super) fn alternatives(predicate: &Predicate, can_bind: &dyn Fn(usize) -> bool) -> Option<Vec<Tuple>> {
    match predicate {
        Predicate::Equals { column, value } if can_bind(*column) => {
            Some(vec![BTreeMap::from([(*column, value.clone())])])
        }
        Predicate::In { column, values } if can_bind(*column) => {
            Some(distinct(values.iter().map(|value| BTreeMap::from([(*column, value.clone())])).collect()))
        }
        Predicate::And(all) => {
            let mut product: Option<Vec<Tuple>> = None;
            for part in all {
                let Some(options) = alternatives(part, can_bind) else { continue };
                product = Some(match product {
                    None => options,
                    Some(known) => merge(&known, &options),
                });
            }
            product
        }
        Predicate::Or(any) => {
            let branches: Option<Vec<Vec<Tuple>>> = any.iter().map(|part| alternatives(part, can_bind)).collect();
            let all: Vec<Tuple> = branches?.into_iter().flatten().collect();
            let mut common: Vec<usize> = all.first()?.keys().copied().collect();
            common.retain(|column| all.iter().all(|tuple| tuple.contains_key(column)));
            if common.is_empty() {
                return None;
            }
            let narrowed = all
                .into_iter()
                .map(|tuple| tuple.into_iter().filter(|(column, _)| common.contains(column)).collect())
                .collect();
            Some(distinct(narrowed))
        }
        Predicate::Equals { .. } | Predicate::In { .. } | Predicate::Other { .. } => None,
    }
}

/// Every combination of the two lists that does not contradict itself.
fn merge(left: &[Tuple], right: &[Tuple]) -> Vec<Tuple> {
    let mut merged = Vec::new();
    for a in left {
        for b in right {
            let agree = b.iter().all(|(column, value)| a.get(column).is_none_or(|known| same(known, value)));
            if agree {
                let mut tuple = a.clone();
                tuple.extend(b.iter().map(|(column, value)| (*column, value.clone())));
                merged.push(tuple);
            }
        }
    }
    distinct(merged)
}

/// Whether two literals are one value whatever their SQL type: `5` and `'5'`.
fn same(a: &Value, b: &Value) -> bool {
    a == b || super::coerce::literal_text(a) == super::coerce::literal_text(b)
}

fn distinct(tuples: Vec<Tuple>) -> Vec<Tuple> {
    let mut seen = std::collections::HashSet::new();
    tuples
        .into_iter()
        .filter(|tuple| {
            let key: Vec<(usize, String)> =
                tuple.iter().map(|(column, value)| (*column, super::coerce::literal_text(value))).collect();
            seen.insert(key)
        })
        .collect()
}

/// The tuples of a whole WHERE clause: the product over its conjuncts. One empty tuple when nothing binds; none when the
/// conjuncts contradict each other.
///
/// # Errors
/// `Budget` when there would be so many that they are not worth making, where a statement makes `most` calls.
pub(super) fn product(conjuncts: &[Predicate], can_bind: &dyn Fn(usize) -> bool, most: u64) -> Result<Vec<Tuple>> {
    let mut tuples = vec![Tuple::new()];
    for conjunct in conjuncts {
        let Some(options) = alternatives(conjunct, can_bind) else { continue };
        let size = (tuples.len() as u64).saturating_mul(options.len() as u64);
        if size > most.saturating_mul(4).max(1_000_000) {
            return Err(Error::new(
                ErrorKind::Budget,
                format!("the WHERE clause asks for {size} combinations of parameters"),
            )
            .hint("narrow the IN lists"));
        }
        tuples = merge(&tuples, &options);
    }
    Ok(tuples)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn eq(column: usize, value: Value) -> Predicate {
        Predicate::Equals { column, value }
    }

    fn tuples(conjuncts: &[Predicate]) -> Vec<Vec<(usize, Value)>> {
        product(conjuncts, &|column| column < 10, 1000)
            .unwrap()
            .into_iter()
            .map(|tuple| tuple.into_iter().collect())
            .collect()
    }

    #[test]
    fn two_in_lists_are_four_calls() {
        let a = Predicate::In { column: 0, values: vec![json!(1), json!(2), json!(1)] };
        let b = Predicate::In { column: 1, values: vec![json!(3), json!(4)] };
        assert_eq!(tuples(&[a, b]).len(), 4);
    }

    #[test]
    fn or_of_pairs_is_two_calls() {
        let left = Predicate::And(vec![eq(0, json!(1)), eq(1, json!(2))]);
        let right = Predicate::And(vec![eq(0, json!(3)), eq(1, json!(4))]);
        assert_eq!(
            tuples(&[Predicate::Or(vec![left, right])]),
            [vec![(0, json!(1)), (1, json!(2))], vec![(0, json!(3)), (1, json!(4))]]
        );
    }

    #[test]
    fn or_binds_only_what_every_branch_binds() {
        let left = Predicate::And(vec![eq(0, json!(1)), eq(1, json!(2))]);
        assert_eq!(tuples(&[Predicate::Or(vec![left.clone(), eq(0, json!(1))])]), [vec![(0, json!(1))]]);
        let unbound = Predicate::Other { columns: vec![20], compared: Vec::new() };
        assert_eq!(tuples(&[Predicate::Or(vec![left, unbound])]), [Vec::new()]);
    }

    #[test]
    fn contradictions_need_no_call() {
        assert!(tuples(&[eq(0, json!(1)), eq(0, json!(2))]).is_empty());
        assert_eq!(tuples(&[eq(0, json!(1)), eq(0, json!("1"))]).len(), 1);
    }

    #[test]
    fn combinations_without_end_are_refused() {
        let values: Vec<Value> = (0..1001).map(Value::from).collect();
        let many = |column| Predicate::In { column, values: values.clone() };
        let error = product(&[many(0), many(1)], &|_| true, 1000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Budget);
    }
}
