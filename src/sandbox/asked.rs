//! What a request asks of a list beside its parameters: conditions, an order, where to begin, how many, which fields.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::expression::{Term, odata, x_filter};
use super::refusal::Refusal;
use super::rows::text_of;
use super::state::Row;
use crate::provider::{FilterDialect, Method, NullOrder, OrderForm, OrderPushdown, TokenPlace, Total};

/// What a request asks for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    filter: Option<Term>,
    /// Fields, and whether the largest comes first.
    order: Vec<(String, bool)>,
    skip: usize,
    top: Option<usize>,
    fields: Option<Vec<String>>,
    /// Whether the total is stated.
    counts: bool,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// 400 for what cannot be understood, or names a field that the document does not allow there.
    pub(super) fn read(method: &Method, arguments: &Arguments) -> Result<Self, Refusal> {
        let told = &method.pushdown;
        let text = |place: &TokenPlace| arguments.at(place.location, &place.key).first().map(text_of);
        let number = |place: Option<&TokenPlace>| -> Result<Option<usize>, Refusal> {
            let Some((place, text)) = place.and_then(|place| Some((place, text(place)?))) else { return Ok(None) };
            text.parse().map(Some).map_err(|_| Refusal::bad_request(format!("{} is not valid", place.key)))
        };
        let mut asked = Self {
            skip: number(told.skip.as_ref())?.unwrap_or(0),
            top: number(told.top.as_ref().map(|top| &top.place))?,
            counts: told.count.as_ref().is_none_or(|(place, value)| text(place).as_ref() == Some(&text_of(value))),
            ..Self::default()
        };
        if let Some(filter) = &told.filter
            && let Some(text) = text(&filter.place)
        {
            let may_name = |name: &str| filter.columns.as_ref().is_none_or(|columns| columns.iter().any(|c| c == name));
            let term = match filter.dialect {
                FilterDialect::XFilter => x_filter(&text),
                FilterDialect::OData => odata(&text),
            };
            let term = term.ok_or_else(|| Refusal::bad_request(format!("{} is not valid", filter.place.key)))?;
            if let Some(name) = term.fields().into_iter().find(|name| !may_name(name)) {
                return Err(Refusal::bad_request(format!("Cannot filter on {name}")));
            }
            asked.filter = Some(term);
        }
        if let Some(order) = &told.order
            && let Some(said) = text(&order.place)
        {
            let direction = match &order.form {
                OrderForm::Plain { direction: Some(direction), .. } => text(&direction.place),
                _ => None,
            };
            let keys = order_of(order, method, &said, direction.as_deref());
            asked.order = keys.ok_or_else(|| Refusal::bad_request(format!("{} is not valid", order.place.key)))?;
            let may_name = |name: &str| order.columns.as_ref().is_none_or(|columns| columns.iter().any(|c| c == name));
            if let Some((name, _)) = asked.order.iter().find(|(name, _)| !may_name(name)) {
                return Err(Refusal::bad_request(format!("Cannot order by {name}")));
            }
        }
        asked.fields = told.projection.as_ref().and_then(|projection| {
            let names = text(&projection.place).filter(|names| !names.is_empty())?;
            Some(names.split(&projection.delimiter).map(str::to_owned).collect())
        });
        Ok(asked)
    }

    /// The rows that are meant, and how many there would be without a beginning and an end.
    pub(super) fn rows<'r>(&self, method: &Method, mut rows: Vec<&'r Row>) -> (Vec<&'r Row>, usize) {
        if let Some(filter) = &self.filter {
            rows.retain(|row| filter.holds(row));
        }
        if let Some(order) = &method.pushdown.order {
            rows.sort_by(|a, b| {
                let value = |row: &'r Row, name: &str| row.values.get(name).unwrap_or(&Value::Null);
                let each = self.order.iter().map(|(name, down)| compare(order, value(a, name), value(b, name), *down));
                each.fold(Ordering::Equal, Ordering::then)
            });
        }
        let total = rows.len();
        rows.drain(..self.skip.min(total));
        rows.truncate(self.top.unwrap_or(usize::MAX));
        (rows, total)
    }

    /// Puts the total into what an answer states, or takes it out where nobody asked for it.
    pub(super) fn restate(&self, method: &Method, total: usize, stated: &mut Vec<(String, Value)>) {
        let Some(path) = method.pagination.total.as_ref().and_then(Total::rows_path) else { return };
        let told = &method.pushdown;
        if !self.counts {
            stated.retain(|(known, _)| known != path);
        } else if told.skip.is_some() || told.top.is_some() {
            stated.retain(|(known, _)| known != path);
            stated.push((path.to_owned(), json!(total)));
        }
    }

    /// The method with the fields that are wanted; none where all are.
    pub(super) fn narrowed(&self, method: &Method) -> Option<Method> {
        let fields = self.fields.as_ref()?;
        let mut narrowed = method.clone();
        narrowed.response.columns.retain(|column| {
            let top = column.source.as_ref().and_then(|path| path.first()).unwrap_or(&column.name);
            fields.contains(top)
        });
        Some(narrowed)
    }
}

/// The fields of an order as a request writes it.
fn order_of(
    order: &OrderPushdown,
    method: &Method,
    said: &str,
    direction: Option<&str>,
) -> Option<Vec<(String, bool)>> {
    match &order.form {
        OrderForm::XFilter => {
            let whole: Value = serde_json::from_str(said).ok()?;
            let Some(name) = whole.get("+order_by") else { return Some(Vec::new()) };
            let down = match whole.get("+order").map(Value::as_str) {
                None | Some(Some("asc")) => false,
                Some(Some("desc")) => true,
                Some(_) => return None,
            };
            Some(vec![(name.as_str()?.to_owned(), down)])
        }
        OrderForm::OData => said
            .split(',')
            .map(|part| match part.split_whitespace().collect::<Vec<_>>().as_slice() {
                [name] | [name, "asc"] => Some(((*name).to_owned(), false)),
                [name, "desc"] => Some(((*name).to_owned(), true)),
                _ => None,
            })
            .collect(),
        OrderForm::Plain { ascending, descending, direction: place } => {
            let means = |template: &str, name: &str| template.replace("{column}", name) == said;
            let names = || method.response.columns.iter().map(|column| column.name.as_str());
            let found = |template: &str| names().find(|name| means(template, name)).map(str::to_owned);
            if let Some(place) = place {
                let down = match direction {
                    None => false,
                    Some(word) if word == place.ascending => false,
                    Some(word) if word == place.descending => true,
                    Some(_) => return None,
                };
                return Some(vec![(found(ascending)?, down)]);
            }
            found(ascending).map(|name| (name, false)).or_else(|| Some((found(descending)?, true))).map(|key| vec![key])
        }
    }
}

fn compare(order: &OrderPushdown, a: &Value, b: &Value, down: bool) -> Ordering {
    if a.is_null() || b.is_null() {
        let first = order.nulls.first(down).or(NullOrder::Smallest.first(down)).unwrap_or_default();
        let null_last = a.is_null().cmp(&b.is_null());
        return if first { null_last.reverse() } else { null_last };
    }
    let between = match (a, b) {
        // An API that says nothing of its texts compares them without regard to case, as many databases do.
        (Value::String(a), Value::String(b)) if !order.binary => a.to_lowercase().cmp(&b.to_lowercase()),
        _ => super::expression::compare(a, b).unwrap_or(Ordering::Equal),
    };
    if down { between.reverse() } else { between }
}
