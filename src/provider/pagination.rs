//! How the pages of a method follow one another.
//!
//! *Owns*: what documents declare (our keys and those of the public registry), page size, totals.
//! *Does not own*: guessing the way where nothing is declared (`paging_inference`), asking for pages (`call`).
//! *Invariants*: a declaration made for a whole service holds only for methods that can page that way.

use super::document::{Document, Node, whole_number};
use super::item_path::{Step, json_path, steps};
use super::model::{
    ItemShape, Location, PageKind, PageSize, Pagination, Parameter, TokenPlace, TokenSource, Total, ValueType,
};
use super::paging_inference::{infer_incomplete, infer_kind, infer_total};
use super::parameters::location;
use super::response::Response;
use super::schema::{Schema, Schemas};
use crate::error::{Error, Result, fold_name};

/// What is known of a method when its paging is worked out.
pub(super) struct Facts<'a, 'd> {
    pub(super) schemas: &'a Schemas<'d>,
    pub(super) provider: &'a str,
    pub(super) response: &'a Response<'d>,
    pub(super) parameters: &'a [Parameter],
    /// The path of the method in its document.
    pub(super) place: &'a [&'a str],
    /// Whether the method only reads.
    pub(super) reads: bool,
}

impl<'d> Facts<'_, 'd> {
    /// The parameter of that wire name outside path and server.
    pub(super) fn parameter(&self, wire: &str) -> Option<&Parameter> {
        let is_it = |p: &&Parameter| p.location.same_name(&p.wire, wire);
        self.parameters.iter().filter(is_it).find(|p| !matches!(p.location, Location::Path | Location::Server))
    }

    /// The first parameter outside path and server whose folded name is one of `names`, by the order of `names`.
    pub(super) fn parameter_named(&self, names: &[&str]) -> Option<&Parameter> {
        names.iter().find_map(|name| {
            self.parameters
                .iter()
                .find(|p| fold_name(&p.wire) == **name && !matches!(p.location, Location::Path | Location::Server))
        })
    }

    /// The schema of what stands at a path of the answer.
    pub(super) fn schema_at(&self, path: &str) -> Option<Schema<'d>> {
        steps(path)?.into_iter().try_fold(self.response.whole.clone(), |schema, step| match step {
            Step::Key(key) => self.schemas.object(&schema).properties.get(key.as_str()).cloned(),
            Step::Each => Some(self.schemas.items(&schema)).filter(|items| !items.is_empty()),
        })
    }

    /// Whether the answer's schema has a value of this type at a path.
    pub(super) fn has(&self, path: &str, ty: ValueType) -> bool {
        self.schema_at(path).is_some_and(|schema| self.schemas.value_type(&schema) == Some(ty))
    }
}

/// The value of a configuration key, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Configured<'d> {
    pub(super) node: &'d Node,
    pub(super) document: &'d Document,
    /// Whether it stands at the method itself, and not at a level above.
    pub(super) at_method: bool,
}

impl Configured<'_> {
    /// An error about the key: `method` is the path of the method it was read for.
    pub(super) fn error(&self, message: impl Into<String>, key: &str, method: &[&str]) -> Error {
        let at_method: Vec<&str> = method.iter().copied().chain(["config", key]).collect();
        let place = if self.at_method { &at_method[..] } else { &[key] };
        self.document.error(message, place).with("method", method.last().copied().unwrap_or_default())
    }
}

/// Works out the paging of a method from `pagination` and `queryParamPushdown` of its configuration.
///
/// # Errors
/// `Provider` when our own keys are used and say something that is not known.
pub(super) fn pagination<'d>(
    facts: &Facts<'_, 'd>,
    declared: Option<Configured<'d>>,
    pushdown: Option<Configured<'d>>,
) -> Result<Pagination> {
    let at_method = declared.is_some_and(|declared| declared.at_method);
    if !facts.response.many && !at_method {
        return Ok(Pagination { kind: PageKind::Single, ..Pagination::unknown() });
    }
    let node = declared.map(|declared| declared.node);
    let kind = match declared {
        Some(declared) => declared_kind(facts, declared)?,
        None => None,
    };
    let kind = kind.filter(|kind| at_method || is_applicable(facts, kind));
    let is_declared = kind.is_some();
    let total = node.and_then(|node| node.get("total")).map(declared_total);
    let total = match total {
        Some(total) => total,
        None => node.and_then(|node| terminator_total(facts, node)),
    };
    let counted = pushdown.and_then(counted_total);
    let total = merge_totals(total.as_ref(), counted.as_ref());
    let is_said = total.as_ref().and_then(Total::rows_path).is_some();
    let total = merge_totals(total.as_ref(), infer_total(facts).as_ref());
    let total_is_guessed = !is_said && total.as_ref().and_then(Total::rows_path).is_some();
    let incomplete = infer_incomplete(facts);
    // The total of what is not all given says nothing of the pages.
    let of_pages = total.as_ref().filter(|_| incomplete.is_none());
    let kind = kind.or_else(|| infer_kind(facts, of_pages)).unwrap_or(
        if matches!(facts.response.shape.items, ItemShape::List | ItemShape::Map | ItemShape::Scalar) {
            PageKind::Unknown
        } else {
            PageKind::Single
        },
    );
    if kind == PageKind::Single {
        return Ok(Pagination { kind, declared: is_declared, incomplete, ..Pagination::unknown() });
    }
    let size = match declared.filter(|declared| declared.node.get("pageSize").is_some()) {
        Some(declared) => Some(declared_size(facts, declared)?),
        None => {
            pushdown.and_then(|pushdown| pushed_size(facts, &kind, pushdown)).or_else(|| inferred_size(facts, &kind))
        }
    };
    let exact = node.and_then(|node| node.at(&["total", "exact"])).and_then(Node::scalar_text);
    let exact = exact.as_deref() == Some("true");
    Ok(Pagination { kind, size, total, declared: is_declared, exact, total_is_guessed, incomplete })
}

/// The way of paging a document declares; `None` when it declares none.
fn declared_kind(facts: &Facts<'_, '_>, declared: Configured<'_>) -> Result<Option<PageKind>> {
    let node = declared.node;
    let error = |message: String| declared.error(message, "pagination", facts.place);
    let Some(kind) = node.text_of("kind") else { return Ok(registry_kind(facts, node)) };
    let need = |key: &str, found: Option<TokenPlace>| {
        found.ok_or_else(|| error(format!("`pagination.kind` is `{kind}`, but `{key}` names no parameter")))
    };
    let body_path = |found: Option<String>, key: &str| {
        found.ok_or_else(|| error(format!("`pagination.kind` is `{kind}`, but `{key}` is not there")))
    };
    Ok(Some(match kind {
        "none" => PageKind::Single,
        "page" => {
            let first = node.at(&["page", "first"]).and_then(Node::u64).unwrap_or(1);
            PageKind::Page { parameter: need("pagination.page.key", place(node.get("page")))?, first }
        }
        "offset" => PageKind::Offset { parameter: need("pagination.offset.key", place(node.get("offset")))? },
        "cursor" => {
            let from = node.at(&["cursor", "from"]);
            let path = from.and_then(|from| from.text_of("path")).map(|path| TokenSource::Body(json_path(path)));
            let header = from.and_then(|from| from.text_of("header")).map(|name| TokenSource::Header(name.to_owned()));
            let from = path
                .or(header)
                .ok_or_else(|| error("`pagination.cursor.from` needs a `path` or a `header`".to_owned()))?;
            let more = node.at(&["cursor", "more"]).and_then(Node::text).map(json_path);
            PageKind::Cursor { from, parameter: need("pagination.cursor.key", place(node.get("cursor")))?, more }
        }
        "next_url" => {
            let path = node.at(&["next", "path"]).and_then(Node::text).map(json_path);
            PageKind::NextUrl { path: body_path(path, "pagination.next.path")? }
        }
        "link_header" => PageKind::LinkHeader,
        other => {
            return Err(error(format!("`pagination.kind` is `{other}`"))
                .hint("the kinds are `page`, `offset`, `cursor`, `next_url`, `link_header` and `none`"));
        }
    }))
}

/// `{key, location}`; the location is the query unless said otherwise.
fn place(node: Option<&Node>) -> Option<TokenPlace> {
    let node = node?;
    let key = node.text_of("key").filter(|key| !key.is_empty())?;
    let location = match node.text_of("location") {
        Some(word) => location(word).filter(|l| matches!(l, Location::Query | Location::Header | Location::Body))?,
        None => Location::Query,
    };
    // A field of the body may be written as a path.
    let key = key.strip_prefix("$.").unwrap_or(key);
    Some(TokenPlace { location, key: key.to_owned() })
}

/// Whether a part of `queryParamPushdown` is OData's.
pub(super) fn is_odata(pushdown: &Node, part: &Node) -> bool {
    part.text_of("dialect").or(pushdown.text_of("dialect")) == Some("odata")
}

/// Whether the reader says where each page begins.
pub(super) fn is_numbered(kind: &PageKind) -> bool {
    matches!(kind, PageKind::Page { .. } | PageKind::Offset { .. })
}

/// The keys of the public registry: `requestToken`, `responseToken`, `responseTerminator`, `algorithm`.
fn registry_kind(facts: &Facts<'_, '_>, node: &Node) -> Option<PageKind> {
    let algorithm = node.text_of("algorithm").unwrap_or_default();
    let (request, response) = (node.get("requestToken"), node.get("responseToken"));
    let response_key = response.and_then(|token| token.text_of("key")).unwrap_or_default();
    let in_header = response.and_then(|token| token.text_of("location")) == Some("header");
    let is_link = in_header && response_key.eq_ignore_ascii_case("link");
    if algorithm == "odata_next_link" {
        let path = if response_key.is_empty() { "@odata.nextLink" } else { response_key };
        return Some(PageKind::NextUrl { path: json_path(path) });
    }
    if is_link {
        return Some(PageKind::LinkHeader);
    }
    if request.and_then(|token| token.text_of("location")) == Some("request") {
        return (!response_key.is_empty() && !in_header).then(|| PageKind::NextUrl { path: json_path(response_key) });
    }
    let parameter = place(request)?;
    if algorithm == "page_number" {
        let first = facts.parameter(&parameter.key).map_or(1, first_page);
        return Some(PageKind::Page { parameter, first });
    }
    if response_key.is_empty() {
        return None;
    }
    let from = if in_header {
        TokenSource::Header(response_key.to_owned())
    } else {
        TokenSource::Body(json_path(response_key))
    };
    Some(PageKind::Cursor { from, parameter, more: None })
}

/// The number of the first page: the parameter's default, else its minimum, else 1.
pub(super) fn first_page(parameter: &Parameter) -> u64 {
    let default = parameter.default.as_ref().and_then(serde_json::Value::as_u64);
    let first = default.or_else(|| parameter.minimum.and_then(whole_number)).unwrap_or(1);
    first.min(1)
}

/// Whether a way of paging that is declared for a whole service is one of this method.
fn is_applicable(facts: &Facts<'_, '_>, kind: &PageKind) -> bool {
    let takes = |place: &TokenPlace| facts.parameter(&place.key).is_some();
    match kind {
        PageKind::Single | PageKind::Unknown | PageKind::LinkHeader => true,
        // An answer that says how many pages there are has pages, also where the operation does not list the parameter.
        PageKind::Page { parameter, .. } => {
            takes(parameter) || infer_total(facts).is_some_and(|total| total.pages_path().is_some())
        }
        PageKind::Cursor { from: TokenSource::Body(path), parameter, .. } => {
            takes(parameter) || facts.schema_at(path).is_some()
        }
        PageKind::Offset { parameter } | PageKind::Cursor { parameter, .. } => takes(parameter),
        // A list without the link and without any parameter for paging comes whole.
        PageKind::NextUrl { path } => {
            facts.schema_at(path).is_some()
                || facts.parameter_named(&["page", "offset", "cursor", "pagetoken"]).is_none()
        }
    }
}

fn declared_total(node: &Node) -> Option<Total> {
    let path = |key: &str| node.text_of(key).map(json_path);
    total(path("rows"), path("pages"))
}

/// The total of these paths.
pub(super) fn total(rows: Option<String>, pages: Option<String>) -> Option<Total> {
    match (rows, pages) {
        (Some(rows), Some(pages)) => Some(Total::Both { rows, pages }),
        (Some(rows), None) => Some(Total::Rows(rows)),
        (None, Some(pages)) => Some(Total::Pages(pages)),
        (None, None) => None,
    }
}

/// `responseTerminator` of a page-number declaration: the number of pages, when it is a number.
fn terminator_total(facts: &Facts<'_, '_>, node: &Node) -> Option<Total> {
    let terminator = node.get("responseTerminator")?;
    if node.text_of("algorithm") != Some("page_number") || terminator.text_of("location") == Some("header") {
        return None;
    }
    let path = json_path(terminator.text_of("key").filter(|key| !key.is_empty())?);
    facts.has(&path, ValueType::Integer).then_some(Total::Pages(path))
}

/// What is declared, completed by what the schema states.
fn merge_totals(declared: Option<&Total>, stated: Option<&Total>) -> Option<Total> {
    let part =
        |pick: fn(&Total) -> Option<&str>| declared.and_then(pick).or_else(|| stated.and_then(pick)).map(str::to_owned);
    total(part(Total::rows_path), part(Total::pages_path))
}

fn declared_size(facts: &Facts<'_, '_>, declared: Configured<'_>) -> Result<PageSize> {
    let node = declared.node.get("pageSize").unwrap_or(&Node::Null);
    let parameter = place(Some(node))
        .ok_or_else(|| declared.error("`pagination.pageSize.key` names no parameter", "pagination", facts.place))?;
    let known = facts.parameter(&parameter.key).map(|p| size_of(p, parameter.clone()));
    let limit = |key: &str| node.get(key).and_then(Node::u64);
    Ok(PageSize {
        min: limit("min").or(known.as_ref().map(|known| known.min)).unwrap_or(1),
        max: limit("max").or(known.as_ref().and_then(|known| known.max)),
        default: limit("default").or(known.as_ref().and_then(|known| known.default)),
        parameter,
    })
}

/// `queryParamPushdown.count`: where the answer states the total that it is asked for.
fn counted_total(pushdown: Configured<'_>) -> Option<Total> {
    let count = pushdown.node.get("count")?;
    let usual = if is_odata(pushdown.node, count) { Some("@odata.count") } else { None };
    count.text_of("responseKey").or(usual).map(|path| Total::Rows(json_path(path)))
}

/// `queryParamPushdown.top`: the parameter that a LIMIT goes into is the page size. OData's `$top` is that only where
/// the reader says where each page begins: with links to follow, it bounds all pages together.
fn pushed_size(facts: &Facts<'_, '_>, kind: &PageKind, pushdown: Configured<'_>) -> Option<PageSize> {
    let top = pushdown.node.get("top")?;
    let odata = is_odata(pushdown.node, top);
    if odata && !is_numbered(kind) {
        return None;
    }
    let name = top.text_of("paramName").or(if odata { Some("$top") } else { None })?;
    let place = TokenPlace { location: Location::Query, key: name.to_owned() };
    let known = facts.parameter(name);
    if known.is_none() && !pushdown.at_method {
        return None;
    }
    let mut size = known.map_or_else(
        || PageSize { parameter: place.clone(), min: 1, max: None, default: None },
        |known| size_of(known, place.clone()),
    );
    let said = top.get("maxValue").and_then(Node::u64).filter(|max| *max > 0);
    // Said for many methods, it is no more than the parameter of this one takes.
    size.max = match (said, size.max) {
        (Some(said), Some(known)) if !pushdown.at_method => Some(said.min(known)),
        (said, known) => said.or(known),
    };
    Some(size)
}

/// Names of page-size parameters, folded, the most telling first.
const SIZE_NAMES: [&str; 10] = [
    "perpage",
    "pagesize",
    "itemsperpage",
    "maxresults",
    "maxpagesize",
    "maxitems",
    "limit",
    "top",
    "pagelimit",
    "size",
];

fn inferred_size(facts: &Facts<'_, '_>, kind: &PageKind) -> Option<PageSize> {
    if *kind == PageKind::Unknown {
        return None;
    }
    let parameter = facts.parameter_named(&SIZE_NAMES)?;
    if parameter.wire.starts_with('$') && !is_numbered(kind) {
        // OData's `$top` bounds all pages together.
        return None;
    }
    let is_number = matches!(parameter.ty, ValueType::Integer | ValueType::Number);
    let place = TokenPlace { location: parameter.location, key: parameter.wire.clone() };
    is_number.then(|| size_of(parameter, place))
}

/// The limits of a page size, as its parameter's schema says.
fn size_of(parameter: &Parameter, place: TokenPlace) -> PageSize {
    let min = parameter.minimum.and_then(whole_number).unwrap_or(1).max(1);
    let max = parameter.maximum.and_then(whole_number).or_else(|| described_maximum(&parameter.description));
    let default = parameter.default.as_ref().and_then(|default| match default {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64().or_else(|| other.as_f64().and_then(whole_number)),
    });
    PageSize { parameter: place, min, max: max.filter(|max| *max >= min), default }
}

/// `(max 100)` in a description: how GitHub states it, in place of `maximum`.
fn described_maximum(description: &str) -> Option<u64> {
    let (_, after) = description.split_once("(max ")?;
    after.split_once(')')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::response::{Asked, response};

    /// The paging of an operation with these query parameters, this answer and this configuration.
    fn of(provider: &str, query: &str, schema: &str, config: &str, at_method: bool, key: &str) -> Result<Pagination> {
        let parameters: String = query.split_whitespace().fold(String::new(), |all, name| {
            let (name, limits) = name.split_at(name.find('/').unwrap_or(name.len()));
            let ty = if name.to_lowercase().contains("token") || name == "cursor" { "string" } else { "integer" };
            format!(
                "{all}{{name: '{name}', in: query, schema: {{type: {ty}{}}}}}, ",
                limits.replace('/', ", ").replace('=', ": ")
            )
        });
        let text = format!(
            "operation: {{parameters: [{parameters}], responses: {{'200': {{HEADERS content: {{application/json: {{schema: {schema}}}}}}}}}}}\n\
             method: {{objectKey: '{key}'}}\nconfig: {config}\n"
        );
        let headers = if provider == "linked" { "headers: {link: {}}," } else { "" };
        let document = Document::parse(text.replace("HEADERS", headers).as_bytes(), "p.yaml").unwrap();
        let schemas = Schemas::new(&document);
        let operation = document.root.get("operation").unwrap();
        let inputs = crate::provider::parameters::inputs(
            &schemas,
            &crate::provider::parameters::Sources {
                path: "/a",
                verb: "get",
                path_item: &Node::Null,
                operation,
                method: &Node::Null,
                server: None,
                drop_double_underscore: false,
                naive: true,
            },
        )?;
        let asked = Asked { declared: document.root.get("method"), operation, selects: true, is_detail: false };
        let response = response(&schemas, &asked);
        let facts = Facts {
            schemas: &schemas,
            provider,
            response: &response,
            parameters: &inputs.parameters,
            place: &["method"],
            reads: true,
        };
        let at = |key: &str| {
            document.root.at(&["config", key]).map(|node| Configured { node, document: &document, at_method })
        };
        pagination(&facts, at("pagination"), at("queryParamPushdown"))
    }

    fn query(key: &str) -> TokenPlace {
        TokenPlace { location: Location::Query, key: key.to_owned() }
    }

    const ROWS: &str = "data: {type: array, items: {properties: {id: {type: integer}}}}";

    #[test]
    fn our_own_keys() {
        let page = of(
            "p", "page page_size",
            &format!("{{properties: {{{ROWS}}}}}"),
            "{pagination: {kind: page, page: {key: page, first: 0}, pageSize: {key: page_size, min: 25, max: 500, default: 100}, total: {rows: $.results, pages: $.pages}}}",
            false,
            "$.data",
        )
        .unwrap();
        assert_eq!(page.kind, PageKind::Page { parameter: query("page"), first: 0 });
        assert_eq!(
            page.size,
            Some(PageSize { parameter: query("page_size"), min: 25, max: Some(500), default: Some(100) })
        );
        assert_eq!(page.total, Some(Total::Both { rows: "$.results".to_owned(), pages: "$.pages".to_owned() }));
        assert!(page.declared);
        for (config, expected) in [
            ("{kind: none}", PageKind::Single),
            ("{kind: link_header}", PageKind::LinkHeader),
            (
                "{kind: next_url, next: {path: $.links.pages.next}}",
                PageKind::NextUrl { path: "$.links.pages.next".to_owned() },
            ),
            (
                "{kind: offset, offset: {key: start, location: body}}",
                PageKind::Offset { parameter: TokenPlace { location: Location::Body, key: "start".to_owned() } },
            ),
            (
                "{kind: cursor, cursor: {key: after, from: {path: next}, more: $.has_more}}",
                PageKind::Cursor {
                    from: TokenSource::Body("$.next".to_owned()),
                    parameter: query("after"),
                    more: Some("$.has_more".to_owned()),
                },
            ),
            (
                "{kind: cursor, cursor: {key: X-After, location: header, from: {header: X-Next}}}",
                PageKind::Cursor {
                    from: TokenSource::Header("X-Next".to_owned()),
                    parameter: TokenPlace { location: Location::Header, key: "X-After".to_owned() },
                    more: None,
                },
            ),
        ] {
            let schema = format!("{{properties: {{{ROWS}}}}}");
            let found = of("p", "", &schema, &format!("{{pagination: {config}}}"), true, "$.data").unwrap();
            assert_eq!((found.kind, found.declared), (expected, true), "{config}");
        }
        for config in ["{kind: pages}", "{kind: page}", "{kind: cursor, cursor: {key: a}}", "{kind: next_url}"] {
            let schema = format!("{{properties: {{{ROWS}}}}}");
            let error = of("p", "", &schema, &format!("{{pagination: {config}}}"), true, "$.data").unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Provider, "{config}");
        }
    }

    #[test]
    fn keys_of_the_public_registry() {
        let envelope = format!(
            "{{properties: {{{ROWS}, page: {{type: integer}}, pages: {{type: integer}}, results: {{type: integer}}, next: {{type: string}}}}}}"
        );
        let page_number = "{algorithm: page_number, requestToken: {key: page, location: query}, responseToken: {key: $.page, location: body}, responseTerminator: {key: $.pages, location: body}}";
        let cursor = |from: TokenSource, location: Location, key: &str| PageKind::Cursor {
            from,
            parameter: TokenPlace { location, key: key.to_owned() },
            more: None,
        };
        let body = |path: &str| TokenSource::Body(path.to_owned());
        for (config, expected) in [
            (page_number, PageKind::Page { parameter: query("page"), first: 1 }),
            (
                "{requestToken: {key: '', location: request}, responseToken: {key: Link, location: header}}",
                PageKind::LinkHeader,
            ),
            (
                "{requestToken: {key: '', location: request}, responseToken: {key: $.next, location: body}}",
                PageKind::NextUrl { path: "$.next".to_owned() },
            ),
            ("{algorithm: odata_next_link}", PageKind::NextUrl { path: "$['@odata.nextLink']".to_owned() }),
            (
                "{requestToken: {key: after, location: query}, responseToken: {key: $.next, location: body}}",
                cursor(body("$.next"), Location::Query, "after"),
            ),
            (
                "{requestToken: {key: $.NextToken, location: body}, responseToken: {key: NextToken, location: body}}",
                cursor(body("$.NextToken"), Location::Body, "NextToken"),
            ),
            (
                "{requestToken: {key: after, location: query}, responseToken: {key: X-Next, location: header}}",
                cursor(TokenSource::Header("X-Next".to_owned()), Location::Query, "after"),
            ),
        ] {
            let found = of("p", "page", &envelope, &format!("{{pagination: {config}}}"), true, "$.data").unwrap();
            assert_eq!((found.kind, found.declared), (expected, true), "{config}");
            let both = Total::Both { rows: "$.results".to_owned(), pages: "$.pages".to_owned() };
            assert_eq!(found.total, Some(both), "{config}");
        }
        // Declared for the service: a method that has no such parameter does not page that way.
        let found = of(
            "p",
            "",
            &format!("{{properties: {{{ROWS}}}}}"),
            &format!("{{pagination: {page_number}}}"),
            false,
            "$.data",
        )
        .unwrap();
        assert_eq!((found.kind, found.declared), (PageKind::Unknown, false));
        // One object needs no pages.
        let found =
            of("p", "page", "{properties: {id: {}}}", &format!("{{pagination: {page_number}}}"), false, "").unwrap();
        assert_eq!(found.kind, PageKind::Single);
    }

    #[test]
    fn page_sizes() {
        let schema = format!("{{properties: {{{ROWS}, links: {{properties: {{next: {{type: string}}}}}}}}}}");
        let next = "requestToken: {key: '', location: request}, responseToken: {key: $.links.next, location: body}";
        let size = |query: &str, config: &str| of("p", query, &schema, config, false, "$.data").unwrap().size;
        let found = size("page per_page/minimum=1/maximum=100/default=20", &format!("{{pagination: {{{next}}}}}"));
        assert_eq!(found, Some(PageSize { parameter: query("per_page"), min: 1, max: Some(100), default: Some(20) }));
        let pushdown = "queryParamPushdown: {top: {paramName: per_page, maxValue: 200}}";
        let found = size("per_page/default=20", &format!("{{pagination: {{{next}}}, {pushdown}}}"));
        assert_eq!(found, Some(PageSize { parameter: query("per_page"), min: 1, max: Some(200), default: Some(20) }));
        assert_eq!(size("page", &format!("{{pagination: {{{next}}}, {pushdown}}}")), None);
        // Of what is said above the method and what its parameter says, the smaller; at the method it holds.
        for (maximum, at_method, max) in [(50, false, 50), (500, false, 200), (50, true, 200)] {
            let config = format!("{{pagination: {{{next}}}, {pushdown}}}");
            let found = of("p", &format!("per_page/maximum={maximum}"), &schema, &config, at_method, "$.data").unwrap();
            assert_eq!(found.size.unwrap().max, Some(max), "{maximum} {at_method}");
        }
        let declared = "pageSize: {key: per_page, max: 50}";
        let found =
            size("per_page/default=20/minimum=5", &format!("{{pagination: {{{next}, {declared}}}, {pushdown}}}"));
        assert_eq!(found, Some(PageSize { parameter: query("per_page"), min: 5, max: Some(50), default: Some(20) }));
        assert_eq!(described_maximum("The number of results per page (max 100). For more"), Some(100));
        assert_eq!(described_maximum("(max. some)"), None);
    }

    #[test]
    fn inference_is_sure_or_silent() {
        let integer = "{type: integer}";
        let string = "{type: string}";
        let rows = |path: &str| Some(Total::Rows(path.to_owned()));
        let page = || PageKind::Page { parameter: query("page"), first: 1 };
        let linode = format!("{ROWS}, page: {integer}, pages: {integer}, results: {integer}");
        let digitalocean = format!("{ROWS}, links: {{properties: {{pages: {{properties: {{next: {string}}}}}}}}}");
        let cursor = |from: &str, key: &str, more: Option<&str>| PageKind::Cursor {
            from: TokenSource::Body(from.to_owned()),
            parameter: query(key),
            more: more.map(str::to_owned),
        };
        for (provider, parameters, properties, expected, total) in [
            (
                "p",
                "page page_size",
                linode.clone(),
                page(),
                Some(Total::Both { rows: "$.results".to_owned(), pages: "$.pages".to_owned() }),
            ),
            (
                "p",
                "",
                linode.clone(),
                PageKind::Unknown,
                Some(Total::Both { rows: "$.results".to_owned(), pages: "$.pages".to_owned() }),
            ),
            (
                "p",
                "page per_page",
                format!("{digitalocean}, meta: {{properties: {{total: {integer}}}}}"),
                page(),
                rows("$.meta.total"),
            ),
            (
                "p",
                "page per_page",
                digitalocean.clone(),
                PageKind::NextUrl { path: "$.links.pages.next".to_owned() },
                None,
            ),
            (
                "p",
                "page/default=0 size",
                format!("{ROWS}, total: {integer}"),
                PageKind::Page { parameter: query("page"), first: 0 },
                rows("$.total"),
            ),
            (
                "p",
                "pageToken",
                format!("{ROWS}, nextPageToken: {string}"),
                cursor("$.nextPageToken", "pageToken", None),
                None,
            ),
            (
                "p",
                "page_token",
                format!("{ROWS}, next_page_token: {string}"),
                cursor("$.next_page_token", "page_token", None),
                None,
            ),
            (
                "p",
                "cursor",
                format!("{ROWS}, has_more: {{type: boolean}}, meta: {{properties: {{next_cursor: {string}}}}}"),
                cursor("$.meta.next_cursor", "cursor", Some("$.has_more")),
                None,
            ),
            ("p", "", format!("{ROWS}, nextPageToken: {string}"), PageKind::Unknown, None),
            (
                "p",
                "",
                format!("{ROWS}, '@odata.nextLink': {string}"),
                PageKind::NextUrl { path: "$['@odata.nextLink']".to_owned() },
                None,
            ),
            (
                "p",
                "",
                format!("{ROWS}, nextLink: {string}, '@odata.count': {integer}"),
                PageKind::NextUrl { path: "$.nextLink".to_owned() },
                rows("$['@odata.count']"),
            ),
            (
                "p",
                "offset limit",
                format!("{ROWS}, total: {integer}"),
                PageKind::Offset { parameter: query("offset") },
                rows("$.total"),
            ),
            ("p", "offset limit", ROWS.to_owned(), PageKind::Offset { parameter: query("offset") }, None),
            ("p", "offset", ROWS.to_owned(), PageKind::Unknown, None),
            ("p", "page", ROWS.to_owned(), PageKind::Unknown, None),
            ("p", "", format!("{ROWS}, count: {integer}"), PageKind::Unknown, None),
            ("p", "", format!("{ROWS}, total: {string}"), PageKind::Unknown, None),
            ("linked", "", ROWS.to_owned(), PageKind::LinkHeader, None),
            ("github", "per_page page", ROWS.to_owned(), PageKind::LinkHeader, None),
            (
                "github",
                "page",
                format!("{ROWS}, total_count: {integer}, incomplete_results: {{type: boolean}}"),
                PageKind::LinkHeader,
                rows("$.total_count"),
            ),
            // What does not give all has no page for each row of the total.
            (
                "p",
                "page per_page",
                format!("{ROWS}, total_count: {integer}, incomplete_results: {{type: boolean}}"),
                PageKind::Unknown,
                rows("$.total_count"),
            ),
        ] {
            let found =
                of(provider, parameters, &format!("{{properties: {{{properties}}}}}"), "{}", false, "$.data").unwrap();
            assert_eq!((&found.kind, &found.total), (&expected, &total), "{parameters} {properties}");
            let incomplete = properties.contains("incomplete").then_some("$.incomplete_results");
            assert_eq!(found.incomplete.as_deref(), incomplete, "{parameters} {properties}");
            assert!(!found.declared);
            // One page of it need not be all either.
            let one = of(
                provider,
                parameters,
                &format!("{{properties: {{{properties}}}}}"),
                "{pagination: {kind: none}}",
                true,
                "$.data",
            );
            assert_eq!(one.unwrap().incomplete, found.incomplete, "{parameters} {properties}");
            // Only where nothing in the answer confirms it.
            let is_guess = matches!(found.kind, PageKind::Offset { .. }) && total.is_none();
            assert_eq!(found.is_guess(), is_guess, "{parameters} {properties}");
        }
    }
}
