//! Lists that do what they are asked, each in a manner of its own, and lie where they are told to.
//!
//! *Owns*: reading `X-Filter`, OData and a plain sort parameter, doing what they say, what the document says of it.
//! *Does not own*: how such things are written: nothing of the program is used here.
//! *Invariants*: the same request has the same answer; what is not understood is answered 400.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{edited, pushing};
use crate::support::documents::{EXACT_TOTAL, Paging, list_api, provider_dir, widgets_service_with};
use crate::support::query::Db;
use crate::support::server::{Reply, Seen, Server};

/// How a list is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Pages by number; conditions and order in `X-Filter`; NULL is the largest.
    XFilter,
    /// `$filter`, `$orderby`, `$select`, `$skip`, `$top`, `$count`; the next page is a link; NULL is the smallest.
    OData,
    /// Pages by offset; `sort=-size`, `fields=id,name`; NULL comes last.
    Plain,
}

impl Manner {
    pub(super) const ALL: [Self; 3] = [Self::XFilter, Self::OData, Self::Plain];

    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::XFilter => &["page", "per_page", "color"],
            Self::OData => &["color"],
            Self::Plain => &["offset", "per_page", "color"],
        }
    }

    fn paging(self) -> String {
        match self {
            Self::XFilter => Paging::Page.document() + EXACT_TOTAL,
            Self::Plain => Paging::Offset.document() + EXACT_TOTAL,
            Self::OData => "kind: next_url\nnext: {path: $.next}\n".to_owned(),
        }
    }

    /// What the document says of it under `queryParamPushdown`.
    pub(super) fn pushdown(self) -> &'static str {
        match self {
            Self::XFilter => {
                "{filter: {dialect: x_filter, supportedColumns: [id, name, ok]}, \
                 orderBy: {dialect: x_filter, supportedColumns: [id, size, ok, name, created], nulls: largest}}"
            }
            Self::OData => {
                "{dialect: odata, filter: {supportedColumns: ['*']}, select: {supportedColumns: ['*']}, \
                 orderBy: {supportedColumns: ['*'], collation: binary}, top: {maxValue: 1000}, skip: {}, \
                 count: {responseKey: $.total}}"
            }
            Self::Plain => {
                "{orderBy: {paramName: sort, ascending: '{column}', descending: '-{column}', nulls: last, \
                 supportedColumns: [id, size, created, name], collation: binary}, select: {paramName: fields}}"
            }
        }
    }

    /// The documents of `acme`, with `pushdown` or without.
    pub(super) fn documents(self, url: &str, pushdown: &str) -> TempDir {
        self.edited_documents(url, pushdown, &[])
    }

    fn edited_documents(self, url: &str, pushdown: &str, edits: &[(&str, &str)]) -> TempDir {
        let service = widgets_service_with(url, self.parameters(), &self.paging(), "$.items");
        let service = edited(&pushing(&service, pushdown), edits);
        provider_dir("acme", "v1", &[("shop", &service)], "type: null_auth")
    }

    /// The widgets of `acme`, with `pushdown` or without.
    pub(super) fn db(self, server: &Server, pushdown: &str) -> Db {
        Db::new(self.documents(&server.url(), pushdown))
    }

    /// The same with other words in the service's document.
    pub(super) fn edited_db(self, server: &Server, pushdown: &str, edits: &[(&str, &str)]) -> Db {
        Db::new(self.edited_documents(&server.url(), pushdown, edits))
    }
}

/// What a list does not do as its document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    Nothing,
    /// Rows come in the order that they always come in.
    Unordered,
    /// Numbers are compared as texts.
    AsTexts,
    /// Always from the first row on.
    NotSkipped,
    /// No page holds more rows than this.
    Capped(usize),
    /// All fields, whatever is asked for.
    AllFields,
}

/// Answers as the API of `manner`.
pub(super) fn api(manner: Manner, rows: Vec<Value>, lie: Lie) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| {
        if !seen.path.ends_with("/widgets") {
            return list_api(Paging::Page, rows.clone(), 20, 100, true)(seen);
        }
        let Some(mut left) = asked_for(manner, &rows, lie, seen) else {
            return Reply::json(400, json!({"error": "not understood"}));
        };
        let cap = if let Lie::Capped(cap) = lie { cap } else { 100 };
        let mut seen = seen.clone();
        if lie == Lie::NotSkipped {
            let kept = |pair: &&str| !pair.starts_with("offset=") && !pair.starts_with("page=");
            seen.query = seen.query.map(|query| query.split('&').filter(kept).collect::<Vec<_>>().join("&"));
        }
        match manner {
            Manner::XFilter => list_api(Paging::Page, left, 20, cap, true)(&seen),
            Manner::Plain => {
                project(&mut left, seen.query_value("fields").filter(|_| lie != Lie::AllFields));
                list_api(Paging::Offset, left, 20, cap, true)(&seen)
            }
            Manner::OData => odata_page(left, lie, cap, &seen),
        }
    }
}

/// The rows that a request means, in the order that it means; none where it cannot be understood.
fn asked_for(manner: Manner, rows: &[Value], lie: Lie, seen: &Seen) -> Option<Vec<Value>> {
    let filter: Map<String, Value> = match seen.header("x-filter") {
        Some(text) => serde_json::from_str(text).ok()?,
        None => Map::new(),
    };
    let ordering = |key: &str| filter.get(key).and_then(Value::as_str).map(str::to_owned);
    let keys: Vec<(String, bool)> = match manner {
        Manner::XFilter => ordering("+order_by")
            .map(|name| (name, ordering("+order").as_deref() == Some("desc")))
            .into_iter()
            .collect(),
        Manner::OData => {
            let text = seen.query_value("$orderby").unwrap_or_default();
            let key = |part: &str| match part.split(' ').collect::<Vec<_>>().as_slice() {
                [name] | [name, "asc"] => Some(((*name).to_owned(), false)),
                [name, "desc"] => Some(((*name).to_owned(), true)),
                _ => None,
            };
            text.split(',').filter(|part| !part.is_empty()).map(key).collect::<Option<_>>()?
        }
        Manner::Plain => {
            let key = |text: String| match text.strip_prefix('-') {
                Some(name) => (name.to_owned(), true),
                None => (text, false),
            };
            seen.query_value("sort").map(key).into_iter().collect()
        }
    };
    let odata = seen.query_value("$filter");
    let mut left = Vec::new();
    for row in rows {
        let kept = match &odata {
            Some(text) => odata_passes(text, row)?,
            None => passes(&filter, row)?,
        };
        if kept {
            left.push(row.clone());
        }
    }
    if lie != Lie::Unordered {
        left.sort_by(|a, b| {
            let each = keys.iter().map(|(name, descending)| compare(manner, lie, &a[name], &b[name], *descending));
            each.fold(Ordering::Equal, Ordering::then)
        });
    }
    Some(left)
}

fn compare(manner: Manner, lie: Lie, a: &Value, b: &Value, descending: bool) -> Ordering {
    if a.is_null() || b.is_null() {
        let null_last = a.is_null().cmp(&b.is_null());
        return match (manner, descending) {
            (Manner::Plain, _) | (Manner::XFilter, false) | (Manner::OData, true) => null_last,
            (Manner::XFilter, true) | (Manner::OData, false) => null_last.reverse(),
        };
    }
    let order = match (a, b) {
        (Value::Number(_), Value::Number(_)) if lie == Lie::AsTexts => a.to_string().cmp(&b.to_string()),
        (Value::Number(a), Value::Number(b)) => a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        other => panic!("{other:?}"),
    };
    if descending { order.reverse() } else { order }
}

/// Whether a row passes an `X-Filter`, in an API that compares text without regard to case.
fn passes(filter: &Map<String, Value>, row: &Value) -> Option<bool> {
    let any_of = |parts: &Value| -> Option<Vec<bool>> {
        parts.as_array()?.iter().map(|part| passes(part.as_object()?, row)).collect()
    };
    let text = |value: &Value| value.as_str().map(str::to_lowercase);
    let mut all = true;
    for (key, value) in filter {
        all &= match key.as_str() {
            "+order_by" | "+order" => true,
            "+and" => any_of(value)?.iter().all(|passes| *passes),
            "+or" => any_of(value)?.iter().any(|passes| *passes),
            field => {
                let cell = &row[field];
                match value {
                    Value::Object(operators) => {
                        let mut all = true;
                        for (operator, wanted) in operators {
                            all &= match operator.as_str() {
                                "+contains" => {
                                    let wanted = text(wanted)?;
                                    text(cell).is_some_and(|cell| cell.contains(&wanted))
                                }
                                "+gt" => cell.as_u64() > wanted.as_u64(),
                                "+gte" => cell.as_u64() >= wanted.as_u64(),
                                "+lt" => cell.as_u64() < wanted.as_u64(),
                                "+lte" => cell.as_u64() <= wanted.as_u64(),
                                _ => return None,
                            };
                        }
                        all
                    }
                    Value::String(_) => text(cell) == text(value),
                    other => cell == other,
                }
            }
        };
    }
    Some(all)
}

/// Whether a row passes a `$filter`.
fn odata_passes(text: &str, row: &Value) -> Option<bool> {
    let mut rest = text;
    let passes = odata_any(&mut rest, row)?;
    rest.trim().is_empty().then_some(passes)
}

fn odata_any(rest: &mut &str, row: &Value) -> Option<bool> {
    let mut passes = odata_all(rest, row)?;
    while eat(rest, "or ") {
        passes |= odata_all(rest, row)?;
    }
    Some(passes)
}

fn odata_all(rest: &mut &str, row: &Value) -> Option<bool> {
    let mut passes = odata_one(rest, row)?;
    while eat(rest, "and ") {
        passes &= odata_one(rest, row)?;
    }
    Some(passes)
}

fn odata_one(rest: &mut &str, row: &Value) -> Option<bool> {
    if eat(rest, "(") {
        let passes = odata_any(rest, row)?;
        return eat(rest, ")").then_some(passes);
    }
    if eat(rest, "contains(") {
        let cell = &row[word(rest)?];
        let wanted = eat(rest, ",").then(|| literal(rest))??;
        let holds = cell.as_str().zip(wanted.as_str()).is_some_and(|(cell, wanted)| cell.contains(wanted));
        return eat(rest, ")").then_some(holds);
    }
    let cell = &row[word(rest)?];
    let operator = word(rest)?;
    let wanted = literal(rest)?;
    if cell.is_null() {
        return Some(false);
    }
    let order = compare(Manner::OData, Lie::Nothing, cell, &wanted, false);
    Some(match operator.as_str() {
        "eq" => order.is_eq(),
        "lt" => order.is_lt(),
        "le" => order.is_le(),
        "gt" => order.is_gt(),
        "ge" => order.is_ge(),
        _ => return None,
    })
}

fn eat(rest: &mut &str, token: &str) -> bool {
    let text = rest.trim_start();
    *rest = text.strip_prefix(token).unwrap_or(text);
    text.starts_with(token)
}

fn word(rest: &mut &str) -> Option<String> {
    let text = rest.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    *rest = &text[end..];
    (end > 0).then(|| text[..end].to_owned())
}

fn literal(rest: &mut &str) -> Option<Value> {
    let text = rest.trim_start();
    if let Some(quoted) = text.strip_prefix('\'') {
        let mut value = String::new();
        let mut left = quoted;
        loop {
            let (before, behind) = left.split_once('\'')?;
            value.push_str(before);
            left = behind;
            match left.strip_prefix('\'') {
                Some(more) => {
                    value.push('\'');
                    left = more;
                }
                None => break,
            }
        }
        *rest = left;
        return Some(Value::from(value));
    }
    let end = text.find([' ', ')', ',']).unwrap_or(text.len());
    *rest = &text[end..];
    serde_json::from_str(&text[..end]).ok()
}

fn project(rows: &mut [Value], fields: Option<String>) {
    let Some(fields) = fields else { return };
    let fields: Vec<&str> = fields.split(',').collect();
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        row.retain(|name, _| fields.contains(&name.as_str()));
    }
}

/// One page of what OData asks for; the service decides how long it is.
fn odata_page(mut rows: Vec<Value>, lie: Lie, size: usize, seen: &Seen) -> Reply {
    let number = |name: &str| seen.query_value(name).map(|text| text.parse::<usize>().unwrap());
    let total = rows.len();
    let skip = number("$skip").filter(|_| lie != Lie::NotSkipped).unwrap_or(0).min(total);
    rows.drain(..skip);
    rows.truncate(number("$top").unwrap_or(usize::MAX));
    let start = number("$skiptoken").unwrap_or(0).min(rows.len());
    let end = (start + size).min(rows.len());
    let more = end < rows.len();
    let mut page = rows[start..end].to_vec();
    project(&mut page, seen.query_value("$select").filter(|_| lie != Lie::AllFields));
    let mut body = json!({"items": page});
    if seen.query_value("$count").as_deref() == Some("true") {
        body["total"] = json!(total);
    }
    if more {
        let query = seen.query.clone().unwrap_or_default();
        let kept = query.split('&').filter(|pair| !pair.starts_with("%24skiptoken=") && !pair.is_empty());
        let query: Vec<String> = kept.map(str::to_owned).chain([format!("%24skiptoken={end}")]).collect();
        body["next"] = json!(format!("http://{}{}?{}", seen.header("host").unwrap(), seen.path, query.join("&")));
    }
    Reply::json(200, body)
}
