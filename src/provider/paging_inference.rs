//! How pages follow one another where the document does not say: from parameters and the answer's schema.
//!
//! *Owns*: the rules, each of which asks for both halves (what is sent and what comes back).
//! *Does not own*: what documents declare (`pagination`).
//! *Invariants*: sure or silent. A rule that could be wrong is not here, but for an offset without a total, whose rows are
//! never called all there are (`is_guess`); a scan whose end cannot be proved is reported.

use super::item_path::{Step, join, steps};
use super::model::{Location, PageKind, Pagination, Parameter, TokenPlace, TokenSource, Total, ValueType};
use super::pagination::{Facts, first_page, total};
use crate::error::fold_name;

/// Providers that page every list by the `Link` header (RFC 8288), which their documents do not declare.
const LINK_HEADER_PROVIDERS: [&str; 2] = ["github", "okta"];

/// Objects of an envelope that hold what is said of the pages.
const ENVELOPES: [&str; 7] = ["meta", "metadata", "pagination", "paging", "page_info", "pageInfo", "response_metadata"];

/// A token in the answer and the parameter it goes into, both folded.
const TOKENS: [(&str, &str); 6] = [
    ("nextpagetoken", "pagetoken"),
    ("nextcursor", "cursor"),
    ("nexttoken", "nexttoken"),
    ("nextpagetoken", "nextpagetoken"),
    ("nextmarker", "marker"),
    ("continue", "continue"),
];

/// The way of paging, where the rules are sure.
pub(super) fn infer_kind(facts: &Facts<'_, '_>, total: Option<&Total>) -> Option<PageKind> {
    if !facts.reads {
        return None;
    }
    let place = |names: &[&str]| {
        facts.parameter_named(names).map(|parameter| (TokenPlace::of(parameter.location, &parameter.wire), parameter))
    };
    let sizes = ["perpage", "pagesize", "size", "limit"];
    // A page number goes in; the answer says how many rows or pages there are.
    if let (Some((parameter, known)), true) = (place(&["page", "pagenumber"]), total.is_some())
        && (facts.parameter_named(&sizes).is_some() || total.and_then(Total::pages_path).is_some())
        && !is_link_header_provider(facts)
    {
        return Some(PageKind::Page { parameter, first: first_page(known) });
    }
    if let Some(path) = next_url(facts) {
        return Some(PageKind::NextUrl { path });
    }
    if let Some(kind) = cursor(facts) {
        return Some(kind);
    }
    if facts.response.has_link_header || is_link_header_provider(facts) {
        return Some(PageKind::LinkHeader);
    }
    // Rows to skip and rows to give, together. Without a total the way is followed to its end, which stays unproved.
    let is_number = |parameter: &Parameter| matches!(parameter.ty, ValueType::Integer | ValueType::Number);
    let limit = facts.parameter_named(&["limit"]);
    if let (Some((place, offset)), Some(limit)) = (place(&["offset"]), limit)
        && (total.and_then(Total::rows_path).is_some() || is_number(offset) && is_number(limit))
        && offset.location == limit.location
    {
        return Some(PageKind::Offset { parameter: place });
    }
    None
}

impl Pagination {
    /// Whether the way is only what the names of parameters suggest, and nothing in the answer confirms it.
    pub(crate) fn is_guess(&self) -> bool {
        !self.declared && self.total.is_none() && matches!(self.kind, PageKind::Offset { .. })
    }
}

fn is_link_header_provider(facts: &Facts<'_, '_>) -> bool {
    LINK_HEADER_PROVIDERS.contains(&facts.provider)
}

impl TokenPlace {
    fn of(location: Location, key: &str) -> Self {
        Self { location, key: key.to_owned() }
    }
}

/// The path of a field that holds the next page's URL.
fn next_url(facts: &Facts<'_, '_>) -> Option<String> {
    let sure = ["$['@odata.nextLink']", "$.nextLink", "$.links.pages.next"];
    if let Some(path) = sure.iter().find(|path| facts.has(path, ValueType::Text)) {
        return Some((*path).to_owned());
    }
    // A `next` that is not said to be a URL may be a token or a number.
    let next = facts.schema_at("$.next")?;
    let format = facts.schemas.facet(&next, "format").and_then(super::document::Node::text);
    matches!(format, Some("uri" | "url")).then(|| "$.next".to_owned())
}

fn cursor(facts: &Facts<'_, '_>) -> Option<PageKind> {
    for holder in holders(facts) {
        let Some(schema) = facts.schema_at(&holder) else { continue };
        for (name, property) in facts.schemas.object(&schema).properties {
            let folded = fold_name(name);
            let is_text = facts.schemas.value_type(&property) == Some(ValueType::Text);
            let goes_into = TOKENS.iter().filter(|(token, _)| is_text && *token == folded);
            for (_, parameter) in goes_into {
                let Some(parameter) = facts.parameter_named(&[parameter]) else { continue };
                let more = ["has_more", "hasMore"].iter().find_map(|flag| {
                    [holder.as_str(), "$"]
                        .iter()
                        .map(|base| join(base, flag))
                        .find(|path| facts.has(path, ValueType::Boolean))
                });
                return Some(PageKind::Cursor {
                    from: TokenSource::Body(join(&holder, name)),
                    parameter: TokenPlace::of(parameter.location, &parameter.wire),
                    more,
                });
            }
        }
    }
    None
}

/// Where a total that the answer states stands: next to the list, or in an object that describes the pages.
pub(super) fn infer_total(facts: &Facts<'_, '_>) -> Option<Total> {
    let mut rows = None;
    let mut pages = None;
    for holder in holders(facts) {
        let Some(schema) = facts.schema_at(&holder) else { continue };
        let object = facts.schemas.object(&schema);
        let folded: Vec<(String, &str)> = object
            .properties
            .iter()
            .filter(|(_, property)| {
                matches!(facts.schemas.value_type(property), Some(ValueType::Integer | ValueType::Number))
            })
            .map(|(name, _)| (fold_name(name), *name))
            .collect();
        let number = |names: &[&str]| {
            names
                .iter()
                .find_map(|wanted| folded.iter().find(|(name, _)| name == wanted))
                .map(|(_, name)| join(&holder, name))
        };
        let here = number(&["pages", "totalpages", "pagecount"]);
        // `results` and `count` may be what this one page holds, unless their neighbours tell.
        let results = if here.is_some() && number(&["page"]).is_some() { number(&["results"]) } else { None };
        let has = |name: &str| object.properties.contains_key(name);
        let count = if has("next") && has("previous") && has("results") { number(&["count"]) } else { None };
        let total = number(&["total", "totalcount", "totalresults", "totalitems", "totalsize", "odatacount"]);
        rows = rows.or(total).or(results).or(count);
        pages = pages.or(here);
    }
    total(rows, pages)
}

/// Where an answer says that it does not hold all that was found: GitHub's searches give the first thousand of it, and may
/// run out of time before.
pub(super) fn infer_incomplete(facts: &Facts<'_, '_>) -> Option<String> {
    holders(facts).iter().map(|holder| join(holder, "incomplete_results")).find(|path| facts.schema_at(path).is_some())
}

/// The objects of an answer in which things about its pages may stand.
fn holders(facts: &Facts<'_, '_>) -> Vec<String> {
    let mut bases = vec!["$".to_owned()];
    // The object that holds the list, where that is not the whole answer.
    let path = steps(&facts.response.shape.item_path).unwrap_or_default();
    if let [parents @ .., _] = path.as_slice() {
        let mut base = "$".to_owned();
        for step in parents {
            match step {
                Step::Key(key) => base = join(&base, key),
                Step::Each => return with_envelopes(&bases),
            }
        }
        if base != "$" {
            bases.push(base);
        }
    }
    with_envelopes(&bases)
}

fn with_envelopes(bases: &[String]) -> Vec<String> {
    let inner = bases.iter().flat_map(|base| ENVELOPES.iter().map(|name| join(base, name)));
    bases.iter().cloned().chain(inner).collect()
}
