//! An ORDER BY, written as an API takes it.
//!
//! Only what has one order there and here is told: whole numbers, numbers, booleans and times; texts where the document
//! says that the API compares them byte by byte. Whoever reads such rows looks at their order as they come.

use serde_json::{Map, Value};

use super::filter::Expression;
use super::table::{Table, TableColumn};
use crate::provider::{Method, NullOrder, OrderForm, OrderPushdown, TokenPlace, ValueType};

/// One column of an ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// Index into `Table::columns`.
    pub column: usize,
    /// Whether the largest comes first.
    pub descending: bool,
    /// Whether NULL comes before all values.
    pub nulls_first: bool,
}

/// What NULL stands for in a column of the rows that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// There is none.
    Never,
    /// A row without a value.
    Alone,
    /// Or a value that does not fit the column, which the API puts among the others: a number too large for it.
    OrMisfits,
}

/// An order that an API is told.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldOrder {
    /// How many of the columns of the ORDER BY it holds, from the first on.
    pub keys: usize,
    /// What is sent, and where.
    pub values: Vec<(TokenPlace, Expression)>,
}

/// Tells the API as many of `keys`, from the first on, as it can be told; `nulls` says of a column what NULL
/// stands for in it.
///
/// # Errors
/// Why it cannot be told the first of them, for people.
pub fn told_order(
    table: &Table,
    method: &Method,
    keys: &[SortKey],
    nulls: impl Fn(usize) -> Nulls,
) -> Result<ToldOrder, String> {
    let Some(pushdown) = &method.pushdown.order else {
        return Err(format!("the document declares no order for `{}`", method.name));
    };
    let most = if pushdown.form == OrderForm::OData { keys.len() } else { 1 };
    let mut names: Vec<(&str, bool)> = Vec::new();
    for key in keys.iter().take(most) {
        let column = &table.columns[key.column];
        match name_of(pushdown, method, column, key, nulls(key.column)) {
            Ok(name) => names.push((name, key.descending)),
            Err(why) if names.is_empty() => return Err(why),
            Err(_) => break,
        }
    }
    let Some((name, descending)) = names.first().copied() else { return Err("it has no column".to_owned()) };
    let mut values = Vec::new();
    let expression = match &pushdown.form {
        OrderForm::XFilter => {
            let direction = if descending { "desc" } else { "asc" };
            let pairs = [("+order_by", name), ("+order", direction)];
            Expression::Json(Map::from_iter(pairs.map(|(key, value)| (key.to_owned(), Value::from(value)))))
        }
        OrderForm::OData => {
            let parts =
                names.iter().map(|(name, descending)| format!("{name} {}", if *descending { "desc" } else { "asc" }));
            Expression::Text(parts.collect::<Vec<_>>().join(","))
        }
        OrderForm::Plain { ascending, descending: backwards, direction } => {
            if let Some(direction) = direction {
                let word = if descending { &direction.descending } else { &direction.ascending };
                values.push((direction.place.clone(), Expression::Text(word.clone())));
            }
            let text = if descending { backwards } else { ascending };
            Expression::Text(text.replace("{column}", name))
        }
    };
    values.insert(0, (pushdown.place.clone(), expression));
    Ok(ToldOrder { keys: names.len(), values })
}

/// The name of a field on the wire, where its order is the same there and here.
fn name_of<'t>(
    pushdown: &OrderPushdown,
    method: &Method,
    column: &'t TableColumn,
    key: &SortKey,
    nulls: Nulls,
) -> Result<&'t str, String> {
    let name = &column.name;
    let named = pushdown.columns.as_ref().is_none_or(|columns| columns.contains(name));
    let answered = method.response.columns.iter().any(|known| &known.name == name);
    let Some(wire) = column.on_wire().filter(|_| answered) else {
        return Err(format!("`{name}` is no field that the API can be told of"));
    };
    if !named {
        return Err(format!("the document does not say that the API orders by `{name}`"));
    }
    match column.ty {
        ValueType::Integer | ValueType::Number | ValueType::Boolean | ValueType::Timestamp => {}
        ValueType::Text if pushdown.binary => {}
        ValueType::Text => {
            return Err(format!("`{name}` is text, of which the document does not say how the API compares it"));
        }
        ValueType::Object | ValueType::Array | ValueType::Any => {
            return Err(format!("`{name}` may hold values that have no order"));
        }
    }
    if nulls == Nulls::Never {
        return Ok(wire);
    }
    match pushdown.nulls.first(key.descending) {
        _ if pushdown.nulls == NullOrder::None => {}
        Some(first) if first == key.nulls_first => {}
        Some(first) => {
            let (there, here) = if first { ("first", "LAST") } else { ("last", "FIRST") };
            let other = if first { "FIRST" } else { "LAST" };
            return Err(format!(
                "the API puts NULL {there}, the query NULLS {here}; `NULLS {other}` or `{name} IS NOT NULL` would let it"
            ));
        }
        None => {
            return Err(format!(
                "the document does not say where the API puts NULL; `{name} IS NOT NULL` would let it"
            ));
        }
    }
    if nulls == Nulls::OrMisfits && key.nulls_first && !key.descending {
        return Err(format!(
            "a value too large for `{name}` is NULL, which the query wants first, and the API puts it last; \
             `{name} IS NOT NULL` would let it"
        ));
    }
    Ok(wire)
}
