//! `queryParamPushdown`: what a list takes beside its parameters, so that the API does what SQL asks for.
//!
//! *Owns*: conditions in one expression, an order, the fields wanted, where to begin, how many, asking for the total.
//! *Does not own*: what of a query may be told (`bind`), page sizes (`pagination`).
//! *Invariants*: what a document does not say of an order or a filter is not assumed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::Node;
use super::model::{ItemShape, Location, Pagination, ResponseShape, TokenPlace};
use super::pagination::{Configured, is_numbered, is_odata};
use crate::error::Result;

/// What a list takes beside its parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pushdown {
    /// Conditions on fields, as one expression.
    pub filter: Option<FilterPushdown>,
    /// The order of the rows.
    pub order: Option<OrderPushdown>,
    /// The fields wanted.
    pub projection: Option<ProjectionPushdown>,
    /// Rows to leave out before the first, where pages follow by links or tokens.
    pub skip: Option<TokenPlace>,
    /// Rows wanted of all pages together, where pages follow by links or tokens.
    pub top: Option<TopPushdown>,
    /// What asks for the total that answers then state.
    pub count: Option<(TokenPlace, Value)>,
}

/// Conditions on fields that a list takes as one expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterPushdown {
    /// How it is written.
    pub dialect: FilterDialect,
    /// Where it goes: `Query` or `Header`.
    pub place: TokenPlace,
    /// The fields it may name; `None` for all.
    pub columns: Option<Vec<String>>,
    /// The operators it may use, in the dialect's words; `None` for all.
    pub operators: Option<Vec<String>>,
}

/// How conditions on fields are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterDialect {
    /// A JSON object: `{"+and": [{"label": "x"}, {"size": {"+gt": 5}}]}`.
    XFilter,
    /// `OData` 4: `(label eq 'x') and (size gt 5)`.
    OData,
}

/// An order that a list takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPushdown {
    /// How it is written.
    pub form: OrderForm,
    /// Where it goes: `Query` or `Header`.
    pub place: TokenPlace,
    /// The fields it may name; `None` for all.
    pub columns: Option<Vec<String>>,
    /// Where rows without a value come.
    pub nulls: NullOrder,
    /// Whether texts are compared byte by byte, as SQL compares them here.
    pub binary: bool,
}

/// How an order is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderForm {
    /// Two more keys of an `X-Filter`, for one field: `{"+order_by": "size", "+order": "desc"}`.
    XFilter,
    /// `OData` 4: `size desc,id`.
    OData,
    /// One field in a text of the API's own; `{column}` in it is the field.
    Plain {
        /// The text for the smallest first.
        ascending: String,
        /// The text for the largest first.
        descending: String,
        /// A parameter of its own for the direction.
        direction: Option<Direction>,
    },
}

/// A parameter that says which end of an order comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direction {
    /// The parameter.
    pub place: TokenPlace,
    /// The word for the smallest first.
    pub ascending: String,
    /// The word for the largest first.
    pub descending: String,
}

/// Where rows without a value come in an order of the API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullOrder {
    /// The document does not say.
    Unstated,
    /// The fields always have a value.
    None,
    /// Before all others, either way.
    First,
    /// After all others, either way.
    Last,
    /// As if smaller than any value.
    Smallest,
    /// As if larger than any value.
    Largest,
}

/// The parameter that names the fields wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionPushdown {
    /// Where it goes: `Query` or `Header`.
    pub place: TokenPlace,
    /// What stands between two names.
    pub delimiter: String,
    /// The fields it may name; `None` for all.
    pub columns: Option<Vec<String>>,
}

/// The parameter of the number of rows that are wanted of all pages together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopPushdown {
    /// The parameter.
    pub place: TokenPlace,
    /// The largest number it takes.
    pub max: Option<u64>,
}

impl Pushdown {
    /// Where values go that a call holds under the very name on the wire, which may be no parameter of the document.
    pub fn told_in_call(&self) -> Vec<&TokenPlace> {
        let direction = self.order.as_ref().and_then(|order| match &order.form {
            OrderForm::Plain { direction, .. } => direction.as_ref().map(|direction| &direction.place),
            OrderForm::XFilter | OrderForm::OData => None,
        });
        let filter = self.filter.as_ref().map(|filter| &filter.place);
        let order = self.order.as_ref().map(|order| &order.place);
        let mut places: Vec<&TokenPlace> = Vec::new();
        for place in [filter, order, direction].into_iter().flatten() {
            if !places.iter().any(|known| known.is_at(place.location, &place.key)) {
                places.push(place);
            }
        }
        places
    }
}

impl NullOrder {
    /// Whether rows without a value come first in this direction; none where that is not known or does not matter.
    pub fn first(self, descending: bool) -> Option<bool> {
        match self {
            Self::Unstated | Self::None => None,
            Self::First => Some(true),
            Self::Last => Some(false),
            Self::Smallest => Some(!descending),
            Self::Largest => Some(descending),
        }
    }
}

/// What a document says of what a list takes; the registry's form, with words of our own.
///
/// # Errors
/// `Provider` when a value goes into a place that it cannot go into, or one of our own words is not known.
pub(super) fn pushdown(
    found: Configured<'_>,
    response: &ResponseShape,
    pagination: &Pagination,
    place: &[&str],
) -> Result<Pushdown> {
    let reader = Reader { found, place };
    if response.items != ItemShape::List {
        return Ok(Pushdown::default());
    }
    let numbered = is_numbered(&pagination.kind);
    Ok(Pushdown {
        filter: reader.filter()?,
        order: reader.order()?,
        projection: reader.projection()?,
        skip: reader.place("skip", "$skip")?.filter(|_| !numbered),
        top: reader.top()?.filter(|_| !numbered),
        count: reader.count()?,
    })
}

/// Reads `queryParamPushdown` for one method.
struct Reader<'a> {
    found: Configured<'a>,
    /// The path of the method in its document.
    place: &'a [&'a str],
}

impl Reader<'_> {
    fn part(&self, key: &str) -> Option<(&Node, bool)> {
        let part = self.found.node.get(key)?;
        Some((part, is_odata(self.found.node, part)))
    }

    fn filter(&self) -> Result<Option<FilterPushdown>> {
        let Some((filter, odata)) = self.part("filter") else { return Ok(None) };
        let (dialect, usual, location) = match filter.text_of("dialect") {
            Some("x_filter") => (FilterDialect::XFilter, "X-Filter", Location::Header),
            _ if odata => (FilterDialect::OData, "$filter", Location::Query),
            // Dialects that only another program knows.
            _ => return Ok(None),
        };
        let place = self.goes_into(filter, "filter", usual, location)?;
        // Which fields the API filters by, only the document can know.
        let Some(named) = named(filter) else { return Ok(None) };
        let operators = filter.get("supportedOperators").map(texts);
        Ok(Some(FilterPushdown { dialect, place, columns: all_or(named), operators }))
    }

    fn order(&self) -> Result<Option<OrderPushdown>> {
        let Some((order, odata)) = self.part("orderBy") else { return Ok(None) };
        let parameter = order.text_of("paramName");
        let (form, usual, location) = match order.text_of("dialect") {
            Some("x_filter") => (OrderForm::XFilter, "X-Filter", Location::Header),
            _ if odata => (OrderForm::OData, "$orderby", Location::Query),
            _ => match (parameter, self.plain(order)?) {
                (Some(name), Some(form)) => (form, name, Location::Query),
                _ => return Ok(None),
            },
        };
        let place = self.goes_into(order, "orderBy", usual, location)?;
        let Some(columns) = named(order) else { return Ok(None) };
        let nulls = match order.text_of("nulls") {
            // OData 4.01, URL Conventions, 5.1.2.6: null comes before any value.
            None if form == OrderForm::OData => NullOrder::Smallest,
            None => NullOrder::Unstated,
            Some("none") => NullOrder::None,
            Some("first") => NullOrder::First,
            Some("last") => NullOrder::Last,
            Some("smallest") => NullOrder::Smallest,
            Some("largest") => NullOrder::Largest,
            Some(other) => {
                let words = "the words are `none`, `first`, `last`, `smallest` and `largest`";
                return Err(self.error(format!("`orderBy.nulls` is `{other}`")).hint(words));
            }
        };
        let binary = match order.text_of("collation") {
            None => false,
            Some("binary") => true,
            Some(other) => {
                let why = "only texts that the API compares byte by byte, `binary`, have one order here and there";
                return Err(self.error(format!("`orderBy.collation` is `{other}`")).hint(why));
            }
        };
        Ok(Some(OrderPushdown { form, place, columns: all_or(columns), nulls, binary }))
    }

    /// A text of the API's own for each direction, or a parameter for the direction.
    fn plain(&self, order: &Node) -> Result<Option<OrderForm>> {
        const FIELD: &str = "{column}";
        let text = |key: &str| order.text_of(key).map(str::to_owned);
        if let Some(node) = order.get("direction") {
            let word = |key: &str, usual: &str| node.text_of(key).unwrap_or(usual).to_owned();
            let Some(key) = node.text_of("paramName") else {
                return Err(self.error("`orderBy.direction` names no parameter in `paramName`"));
            };
            let location = self.goes_into(node, "orderBy.direction", key, Location::Query)?;
            let direction = Direction {
                place: location,
                ascending: word("ascending", "asc"),
                descending: word("descending", "desc"),
            };
            let field = text("field").unwrap_or_else(|| FIELD.to_owned());
            return Ok(Some(OrderForm::Plain {
                ascending: field.clone(),
                descending: field,
                direction: Some(direction),
            }));
        }
        let (Some(ascending), Some(descending)) = (text("ascending"), text("descending")) else { return Ok(None) };
        if let Some(wrong) = [&ascending, &descending].into_iter().find(|text| !text.contains(FIELD)) {
            return Err(self.error(format!("`orderBy` says `{wrong}`, which has no `{FIELD}`")));
        }
        Ok(Some(OrderForm::Plain { ascending, descending, direction: None }))
    }

    fn projection(&self) -> Result<Option<ProjectionPushdown>> {
        let Some((select, odata)) = self.part("select") else { return Ok(None) };
        let Some(usual) = select.text_of("paramName").or(odata.then_some("$select")) else { return Ok(None) };
        let place = self.goes_into(select, "select", usual, Location::Query)?;
        let delimiter = select.text_of("delimiter").unwrap_or(",").to_owned();
        // Without a list they are all that there are.
        Ok(Some(ProjectionPushdown { place, delimiter, columns: named(select).and_then(all_or) }))
    }

    fn top(&self) -> Result<Option<TopPushdown>> {
        let Some((top, true)) = self.part("top") else { return Ok(None) };
        let place = self.goes_into(top, "top", "$top", Location::Query)?;
        Ok(Some(TopPushdown { place, max: top.get("maxValue").and_then(Node::u64).filter(|max| *max > 0) }))
    }

    fn count(&self) -> Result<Option<(TokenPlace, Value)>> {
        let Some(place) = self.place("count", "$count")? else { return Ok(None) };
        let value = self.found.node.at(&["count", "paramValue"]).and_then(Node::scalar_text);
        Ok(Some((place, Value::from(value.map_or_else(|| "true".to_owned(), Into::into)))))
    }

    /// The parameter of a part that has nothing else to say.
    fn place(&self, key: &str, usual: &str) -> Result<Option<TokenPlace>> {
        let Some((part, odata)) = self.part(key) else { return Ok(None) };
        let Some(name) = part.text_of("paramName").or(odata.then_some(usual)) else { return Ok(None) };
        self.goes_into(part, key, name, Location::Query).map(Some)
    }

    fn goes_into(&self, part: &Node, what: &str, usual: &str, usual_location: Location) -> Result<TokenPlace> {
        let location = match part.text_of("location") {
            Some("query") => Location::Query,
            Some("header") => Location::Header,
            Some(other) => return Err(self.error(format!("`{what}` cannot go into `{other}`"))),
            None => usual_location,
        };
        Ok(TokenPlace { location, key: part.text_of("paramName").unwrap_or(usual).to_owned() })
    }

    fn error(&self, message: impl Into<String>) -> crate::error::Error {
        self.found.error(message, "queryParamPushdown", self.place)
    }
}

/// The fields that a part may name, `*` for all; nothing where the document does not say.
fn named(part: &Node) -> Option<Vec<String>> {
    part.get("supportedColumns").map(texts).filter(|named| !named.is_empty())
}

/// The same, nothing for all.
fn all_or(named: Vec<String>) -> Option<Vec<String>> {
    (!named.iter().any(|name| name == "*")).then_some(named)
}

fn texts(node: &Node) -> Vec<String> {
    node.items().iter().filter_map(Node::text).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::document::Document;
    use crate::provider::model::PageKind;

    fn read(config: &str, items: ItemShape, kind: PageKind) -> Result<Pushdown> {
        let document = Document::parse(format!("said: {config}").as_bytes(), "p.yaml").unwrap();
        let found = Configured { node: document.root.get("said").unwrap(), document: &document, at_method: true };
        let response = ResponseShape {
            media_type: String::new(),
            item_path: "$".to_owned(),
            items,
            columns: Vec::new(),
            success_status: None,
            may_be_empty: false,
        };
        pushdown(found, &response, &Pagination { kind, ..Pagination::unknown() }, &["methods", "list"])
    }

    fn list(config: &str) -> Pushdown {
        read(config, ItemShape::List, PageKind::LinkHeader).unwrap()
    }

    fn query(key: &str) -> TokenPlace {
        TokenPlace { location: Location::Query, key: key.to_owned() }
    }

    #[test]
    fn odata_has_its_usual_names() {
        let told = "{dialect: odata, filter: {supportedColumns: ['*']}, orderBy: {supportedColumns: [id]}, \
                    select: {}, top: {maxValue: 50}, skip: {}, count: {}}";
        let said = list(told);
        assert_eq!(said.filter.unwrap().place, query("$filter"));
        let order = said.order.unwrap();
        assert_eq!((order.form, order.place, order.nulls), (OrderForm::OData, query("$orderby"), NullOrder::Smallest));
        assert_eq!(said.projection.unwrap().columns, None);
        assert_eq!(said.top, Some(TopPushdown { place: query("$top"), max: Some(50) }));
        assert_eq!((said.skip, said.count), (Some(query("$skip")), Some((query("$count"), Value::from("true")))));
        // Where pages are numbered, their own parameters say where to begin and how many.
        let numbered = read(told, ItemShape::List, PageKind::Offset { parameter: query("$skip") }).unwrap();
        assert_eq!((numbered.skip, numbered.top), (None, None));
        assert_eq!(read(told, ItemShape::Object, PageKind::Single).unwrap(), Pushdown::default());
    }

    #[test]
    fn orders_of_other_dialects() {
        let x = list("{orderBy: {dialect: x_filter, supportedColumns: [id], nulls: none}}").order.unwrap();
        assert_eq!((x.form, x.place.key.as_str(), x.nulls), (OrderForm::XFilter, "X-Filter", NullOrder::None));
        let plain =
            "{orderBy: {paramName: sort, ascending: '{column}', descending: '-{column}', supportedColumns: [id]}}";
        let OrderForm::Plain { ascending, descending, direction: None } = list(plain).order.unwrap().form else {
            panic!("{plain}");
        };
        assert_eq!((ascending.as_str(), descending.as_str()), ("{column}", "-{column}"));
        let two = "{orderBy: {paramName: sort, direction: {paramName: order}, supportedColumns: ['*']}}";
        let order = list(two);
        assert_eq!(order.told_in_call(), [&query("sort"), &query("order")]);
        for silent in [
            "{orderBy: {dialect: odata}}",
            "{orderBy: {paramName: sort, supportedColumns: [id]}}",
            "{orderBy: {dialect: custom, ascending: '{column}', descending: '-{column}', supportedColumns: [id]}}",
            "{select: {dialect: custom}, top: {paramName: limit}, skip: {}}",
        ] {
            assert_eq!(list(silent), Pushdown::default(), "{silent}");
        }
        for (wrong, why) in [
            ("{orderBy: {dialect: odata, supportedColumns: [id], nulls: lowest}}", "`orderBy.nulls` is `lowest`"),
            ("{orderBy: {dialect: odata, supportedColumns: [id], collation: en}}", "`orderBy.collation` is `en`"),
            ("{orderBy: {dialect: odata, supportedColumns: [id], location: body}}", "cannot go into `body`"),
            ("{orderBy: {paramName: sort, ascending: up, descending: down}}", "`orderBy` says `up`"),
            ("{orderBy: {paramName: sort, direction: {}}}", "names no parameter"),
        ] {
            let error = read(wrong, ItemShape::List, PageKind::LinkHeader).unwrap_err();
            assert!(error.message().contains(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn names_of_headers_are_one_in_any_case() {
        for (location, key, other, same) in [
            (Location::Header, "X-Filter", "x-filter", true),
            (Location::Header, "X-Filter", "x_filter", false),
            (Location::Query, "$filter", "$Filter", false),
            (Location::Query, "$filter", "$filter", true),
        ] {
            assert_eq!(TokenPlace { location, key: key.to_owned() }.is_at(location, other), same, "{key} {other}");
        }
        let both = "{filter: {dialect: x_filter, supportedColumns: [id]}, \
                    orderBy: {dialect: x_filter, paramName: x-filter, supportedColumns: [id]}}";
        assert_eq!(list(both).told_in_call().len(), 1);
    }

    #[test]
    fn where_rows_without_a_value_come() {
        for (nulls, ascending, descending) in [
            (NullOrder::First, Some(true), Some(true)),
            (NullOrder::Last, Some(false), Some(false)),
            (NullOrder::Smallest, Some(true), Some(false)),
            (NullOrder::Largest, Some(false), Some(true)),
            (NullOrder::None, None, None),
        ] {
            assert_eq!((nulls.first(false), nulls.first(true)), (ascending, descending), "{nulls:?}");
        }
    }
}
