//! Cutting a list into pages as the document says, and what the answer states besides the rows.

use http::header::{HeaderName, HeaderValue, LINK};
use serde_json::{Value, json};
use url::Url;

use super::arguments::Arguments;
use super::base64;
use super::refusal::Refusal;
use super::rows::text_of;
use crate::error::fold_name;
use crate::provider::{Location, Method, PageKind, TokenPlace, TokenSource, Total, ValueType};

/// The page size of an API that states none.
const PAGE_SIZE: u64 = 100;
/// Where an answer in the manner of `DigitalOcean` links its neighbours.
const LINKS: &str = "$.links.pages";

/// One page of a list.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Rows before it.
    pub(super) start: usize,
    /// Rows in it and before it.
    pub(super) end: usize,
    /// Values that the answer states, by JSONPath.
    pub(super) stated: Vec<(String, Value)>,
    /// Headers of the answer.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Cuts a list of `total` rows. `cap` lowers page sizes without a word, as some servers do.
///
/// # Errors
/// 400 for numbers and tokens that mean no page, 404 for a page behind the last where the API counts its pages.
pub(super) fn cut(
    method: &Method,
    arguments: &Arguments,
    total: usize,
    url: &Url,
    cap: Option<u64>,
) -> Result<Page, Refusal> {
    let kind = &method.pagination.kind;
    if matches!(kind, PageKind::Single | PageKind::Unknown) {
        let mut page = Page { end: total, ..Page::default() };
        state_totals(method, total, usize::from(total > 0), &mut page);
        return Ok(page);
    }
    let size = page_size(method, arguments, cap)?;
    let pages = total.div_ceil(size);
    let mut page = Page::default();
    match kind {
        PageKind::Page { parameter, first } => {
            let number = number(arguments, parameter)?.unwrap_or(*first);
            page.start = start_of(number, *first, size, &parameter.key)?;
            let counts_pages = method.pagination.total.as_ref().is_some_and(|total| total.pages_path().is_some());
            let index = number - first;
            if counts_pages && index > 0 && index >= pages as u64 {
                return Err(Refusal::not_found());
            }
            if let Some(path) = method.pagination.total.as_ref().and_then(Total::pages_path)
                && let Some(beside) = path.strip_suffix("pages")
            {
                // Linode states the page beside the count of pages.
                page.stated.push((format!("{beside}page"), json!(number)));
            }
            if method.pagination.total.as_ref().and_then(Total::rows_path) == Some("$.meta.total") {
                link_neighbours(&mut page, &Neighbours { url, key: &parameter.key, first: *first, index, pages });
            }
        }
        PageKind::Offset { parameter } => {
            page.start = usize::try_from(number(arguments, parameter)?.unwrap_or(0)).unwrap_or(usize::MAX);
        }
        PageKind::Cursor { from, parameter, more } => {
            page.start = match text(arguments, parameter) {
                Some(token) => start_of_token(&token)
                    .filter(|start| *start < total.max(1))
                    .ok_or_else(|| wrong_page(&parameter.key))?,
                None => 0,
            };
            let next = page.start.saturating_add(size);
            let has_more = next < total;
            if let Some(path) = more {
                page.stated.push((path.clone(), json!(has_more)));
            }
            match from {
                TokenSource::Body(path) if has_more => {
                    page.stated.push((path.clone(), json!(token(next))));
                }
                TokenSource::Header(name) if has_more => {
                    let header = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(&token(next)).ok());
                    page.headers.extend(header);
                }
                TokenSource::Body(_) | TokenSource::Header(_) => {}
            }
        }
        PageKind::NextUrl { .. } | PageKind::LinkHeader => {
            let key = page_parameter(method);
            let place = TokenPlace { location: Location::Query, key: key.to_owned() };
            let number = number(arguments, &place)?.unwrap_or(1);
            page.start = start_of(number, 1, size, key)?;
            let neighbours = Neighbours { url, key, first: 1, index: number - 1, pages };
            match kind {
                PageKind::NextUrl { path } if path.starts_with(LINKS) => {
                    link_neighbours(&mut page, &neighbours);
                }
                PageKind::NextUrl { path } => {
                    page.stated.push((path.clone(), neighbours.url_of("next").map_or(Value::Null, Value::String)));
                }
                _ => page.headers.extend(neighbours.link_header().map(|value| (LINK, value))),
            }
        }
        PageKind::Single | PageKind::Unknown => {}
    }
    page.start = page.start.min(total);
    page.end = page.start.saturating_add(size).min(total);
    state_totals(method, total, pages, &mut page);
    Ok(page)
}

/// The query parameter that holds the page's number in links.
pub(super) fn page_parameter(method: &Method) -> &str {
    let numbers = method
        .parameters
        .iter()
        .filter(|parameter| parameter.location == Location::Query && parameter.ty == ValueType::Integer);
    let found = numbers
        .map(|parameter| parameter.wire.as_str())
        .find(|wire| matches!(fold_name(wire).as_str(), "page" | "pagenumber" | "p"));
    found.unwrap_or("page")
}

fn state_totals(method: &Method, total: usize, pages: usize, page: &mut Page) {
    let Some(places) = &method.pagination.total else { return };
    page.stated.extend(places.rows_path().map(|path| (path.to_owned(), json!(total))));
    page.stated.extend(places.pages_path().map(|path| (path.to_owned(), json!(pages))));
}

fn page_size(method: &Method, arguments: &Arguments, cap: Option<u64>) -> Result<usize, Refusal> {
    let mut wanted = PAGE_SIZE;
    if let Some(size) = &method.pagination.size {
        let key = &size.parameter.key;
        wanted = match number(arguments, &size.parameter)? {
            None => size.default.unwrap_or_else(|| PAGE_SIZE.min(size.max.unwrap_or(PAGE_SIZE)).max(size.min)),
            Some(wanted) if wanted < size.min.max(1) => {
                return Err(Refusal::bad_request(format!("{key} must be at least {}", size.min.max(1))));
            }
            Some(wanted) => match size.max {
                Some(max) if wanted > max => {
                    return Err(Refusal::bad_request(format!("{key} must be at most {max}")));
                }
                _ => wanted,
            },
        };
    }
    let capped = cap.map_or(wanted, |cap| wanted.min(cap)).max(1);
    Ok(usize::try_from(capped).unwrap_or(usize::MAX))
}

fn text(arguments: &Arguments, place: &TokenPlace) -> Option<String> {
    arguments.at(place.location, &place.key).first().map(text_of).filter(|text| !text.is_empty())
}

fn number(arguments: &Arguments, place: &TokenPlace) -> Result<Option<u64>, Refusal> {
    text(arguments, place).map(|text| text.parse().map_err(|_| wrong_page(&place.key))).transpose()
}

fn wrong_page(key: &str) -> Refusal {
    Refusal::bad_request(format!("{key} is not valid"))
}

fn start_of(number: u64, first: u64, size: usize, key: &str) -> Result<usize, Refusal> {
    let index = number.checked_sub(first).ok_or_else(|| wrong_page(key))?;
    Ok(usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(size))
}

/// A token that no caller can make sense of.
fn token(start: usize) -> String {
    base64::encode(format!("rows>{start}?").as_bytes())
}

fn start_of_token(token: &str) -> Option<usize> {
    let bytes = base64::decode(token)?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("rows>")?.strip_suffix('?')?.parse().ok()
}

/// The pages around one page.
struct Neighbours<'a> {
    url: &'a Url,
    key: &'a str,
    first: u64,
    index: u64,
    pages: usize,
}

impl Neighbours<'_> {
    fn url_of(&self, relation: &str) -> Option<String> {
        let last = (self.pages as u64).checked_sub(1)?;
        let index = match relation {
            "first" if self.index > 0 => 0,
            "prev" => self.index.checked_sub(1)?.min(last),
            "next" if self.index < last => self.index + 1,
            "last" if self.index < last => last,
            _ => return None,
        };
        let kept: Vec<(String, String)> =
            self.url.query_pairs().into_owned().filter(|(name, _)| name != self.key).collect();
        let mut url = self.url.clone();
        url.query_pairs_mut().clear().extend_pairs(kept).append_pair(self.key, &(index + self.first).to_string());
        Some(url.into())
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, String)> {
        ["first", "prev", "next", "last"].into_iter().filter_map(|relation| Some((relation, self.url_of(relation)?)))
    }

    fn link_header(&self) -> Option<HeaderValue> {
        let links: Vec<String> = self.all().map(|(relation, url)| format!("<{url}>; rel=\"{relation}\"")).collect();
        HeaderValue::from_str(&links.join(", ")).ok().filter(|_| !links.is_empty())
    }
}

fn link_neighbours(page: &mut Page, neighbours: &Neighbours<'_>) {
    let links: serde_json::Map<String, Value> =
        neighbours.all().map(|(relation, url)| (relation.to_owned(), Value::String(url))).collect();
    // A list of one page has `links` without `pages`.
    if links.is_empty() {
        page.stated.push(("$.links".to_owned(), json!({})));
    } else {
        page.stated.push((LINKS.to_owned(), Value::Object(links)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lead_back_and_others_lead_nowhere() {
        assert_eq!(start_of_token(&token(250)), Some(250));
        for wrong in ["", "250", "cm93cz4=", "%%%"] {
            assert_eq!(start_of_token(wrong), None, "{wrong}");
        }
    }
}
