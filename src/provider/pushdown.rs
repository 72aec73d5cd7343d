//! `queryParamPushdown.filter`: conditions that a list takes as one expression.

use super::document::Node;
use super::model::{FilterDialect, ItemShape, Location, Pushdown, ResponseShape, TokenPlace};
use super::pagination::Configured;
use crate::error::Result;

/// What a document says of filters on the rows of a list; the registry's form, with a dialect and a location of our own.
///
/// # Errors
/// `Provider` when it goes into a place that no filter can go into.
pub(super) fn pushdown(found: Configured<'_>, response: &ResponseShape, place: &[&str]) -> Result<Option<Pushdown>> {
    let Some(filter) = found.node.get("filter").filter(|_| response.items == ItemShape::List) else { return Ok(None) };
    let dialect = match filter.text_of("dialect") {
        Some("odata") => FilterDialect::OData,
        Some("x_filter") => FilterDialect::XFilter,
        // Dialects that only another program knows.
        _ => return Ok(None),
    };
    let (usual, usual_location) = match dialect {
        FilterDialect::OData => ("$filter", Location::Query),
        FilterDialect::XFilter => ("X-Filter", Location::Header),
    };
    let location = match filter.text_of("location") {
        Some("query") => Location::Query,
        Some("header") => Location::Header,
        Some(other) => {
            return Err(found.error(format!("a filter cannot go into `{other}`"), "queryParamPushdown", place));
        }
        None => usual_location,
    };
    let key = filter.text_of("paramName").unwrap_or(usual).to_owned();
    let named = filter.get("supportedColumns").map(texts).unwrap_or_default();
    if named.is_empty() {
        // Which fields the API filters by, only the document can know.
        return Ok(None);
    }
    let columns = (!named.iter().any(|name| name == "*")).then_some(named);
    let operators = filter.get("supportedOperators").map(texts);
    Ok(Some(Pushdown { dialect, place: TokenPlace { location, key }, columns, operators }))
}

fn texts(node: &Node) -> Vec<String> {
    node.items().iter().filter_map(Node::text).map(str::to_owned).collect()
}
