//! What comes after a page: what its answer says of the list, and where the next one is.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

use super::{Ask, Current, Kind, Length, Pager, Stage};
use crate::call::link_header::{Next, next_of_link_header};
use crate::call::page::Head;
use crate::call::token::{More, leads_on, says_more};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Authorizer, HeaderMap, HeaderValue, Url};
use crate::provider::{ItemShape, PageKind, TokenPlace, TokenSource};
use crate::report::Verdict;

/// Pages in a row without a new row that end a scan of which the last page is not known.
const STALE_PAGES: u32 = 2;
/// The same where the last page is known: a total may be wrong by any number, and an API that hides rows gives a page
/// without any now and then.
const VAIN_PAGES: u32 = 3;

/// What a page says of the list, now that all of its rows are counted.
pub(super) struct Said {
    pub(super) rows: u64,
    pub(super) head: Head,
    pub(super) fingerprint: Option<u64>,
}

/// The place that an answer gives for the next page.
enum Place {
    /// There is no next page.
    End,
    /// There is one, but not where.
    Unsaid,
    /// There is one, at a place that no request could go to.
    Nowhere,
    /// What is said of it cannot be read.
    Unread,
    /// What the API calls it, which must not come twice, and what asks for it.
    At(String, Ask),
}

impl Pager {
    pub(super) fn totals(&mut self, said: &Said, first: bool) {
        let flag = says_more(said.head.captured(self.plan.captures.incomplete));
        if let (Some(path), More::Yes | More::Unread) = (&self.plan.method.pagination.incomplete, flag) {
            let said = || format!("the API says at `{path}` that it does not give all that it found");
            self.unproved.get_or_insert_with(said);
        }
        let number = |at: Option<usize>| {
            said.head.captured(at).and_then(|value| match value {
                Value::Number(n) => n.as_u64(),
                Value::String(s) => s.parse().ok(),
                _ => None,
            })
        };
        let rows = number(self.plan.captures.rows);
        let pages = number(self.plan.captures.pages);
        if first {
            self.total_rows = rows;
            self.total_pages = pages;
            return;
        }
        if let (Some(known), Some(now)) = (self.total_rows, rows)
            && known != now
        {
            self.moved = Some(format!("the API's total went from {known} to {now} during the scan"));
            self.total_rows = Some(now);
        }
        if let (Some(known), Some(now)) = (self.total_pages, pages)
            && known != now
        {
            self.moved.get_or_insert_with(|| format!("the number of pages went from {known} to {now} during the scan"));
            self.total_pages = Some(now);
        }
    }

    /// What the first answer says of the whole list, for estimates to come.
    pub(super) fn note_length(&self, rows: u64) {
        let whole = match (self.total_rows, self.total_pages) {
            (Some(total), _) if rows > 0 => Length { rows: Some(total), calls: total.div_ceil(rows) },
            (Some(total), _) => Length { rows: Some(total), calls: 1 },
            (None, Some(pages)) => Length { rows: None, calls: pages.max(1) },
            (None, None) => return,
        };
        // How much of what was found will come, a total does not say.
        if self.plan.method.pagination.incomplete.is_some() {
            return;
        }
        // Pages of a LIMIT are short: what they say of the number of calls is not about whole pages.
        if self.plan.limit.is_none() || whole.calls <= 1 {
            self.context.lengths.note(&self.call.call, self.credential(), whole);
        }
    }

    /// Numbered pages without a known last one end with an empty page, which never comes where the API ignores the number;
    /// where the last one is known, it may be far behind the last row.
    pub(super) fn check_progress(&mut self, number: u64, duplicates: u64, said: &Said) -> Result<()> {
        let rows = said.rows;
        let repeats = rows > 0 && said.fingerprint.is_some() && said.fingerprint == self.last_fingerprint;
        self.last_fingerprint = said.fingerprint;
        let last = self.last_page();
        if repeats && last.is_some() && self.plan.fields().is_some() {
            // Rows of few fields may well be alike, a page of them too.
            let reason = format!("page {number} looks like page {}, and nothing tells their rows apart", number - 1);
            self.unproved.get_or_insert(reason);
            return Ok(());
        }
        let vain = repeats || if rows > 0 { duplicates == rows } else { last.is_some() };
        self.stale_pages = if vain { self.stale_pages + 1 } else { 0 };
        let Some(last) = last else {
            // One such page may be rows that moved back by a page's length while it was read.
            if self.stale_pages < STALE_PAGES {
                return Ok(());
            }
            let text = "the API gives the same rows for every page, so reading them would never end";
            let hint = match &self.plan.method.pagination.kind {
                PageKind::Offset { .. } => "the provider document declares an offset that the API does not follow",
                PageKind::Cursor { .. } => "the provider document declares a cursor that the API does not follow",
                PageKind::NextUrl { .. } | PageKind::LinkHeader => {
                    "the API's links lead to nothing new: its fault, or the document's"
                }
                _ => "the provider document declares page numbers that the API does not follow",
            };
            return Err(Error::new(ErrorKind::Api, text)
                .with("method", self.plan.method.name.clone())
                .with("page", number.to_string())
                .hint(hint));
        };
        if repeats {
            self.moved.get_or_insert_with(|| format!("page {number} holds the rows of page {}", number - 1));
        }
        if self.stale_pages >= VAIN_PAGES && number < last {
            let stated = match (self.total_rows, self.total_pages) {
                (Some(total), _) => format!("the API's total is {total}"),
                (None, pages) => format!("the API says that there are {} pages", pages.unwrap_or(last)),
            };
            let from = number + 1 - u64::from(self.stale_pages);
            self.moved = Some(format!("{stated}, but pages {from} to {number} held nothing new"));
            self.stage = Stage::Done;
        }
        Ok(())
    }

    /// The last page's number, by the newest totals.
    pub(super) fn last_page(&self) -> Option<u64> {
        match &self.stage {
            Stage::Numbered { last, .. } => *last,
            _ => None,
        }
    }

    pub(super) fn next_stage(&mut self, number: u64, kind: Kind, said: &Said) -> Result<()> {
        let rows = said.rows;
        if self.own_page {
            self.say(Verdict::Truncated, "the query asks for one page".to_owned());
            self.stage = Stage::Done;
            return Ok(());
        }
        let method = Arc::clone(&self.plan.method);
        match &method.pagination.kind {
            PageKind::Single => self.stage = Stage::Done,
            PageKind::Unknown => {
                self.stage = Stage::Done;
                if self.total_rows.is_none() && !matches!(method.response.items, ItemShape::Object) {
                    self.unproved.get_or_insert_with(|| {
                        format!("`{}` declares no paging, so nothing says whether there is more", method.name)
                    });
                }
            }
            PageKind::Page { .. } | PageKind::Offset { .. } => self.next_numbered(kind, rows),
            PageKind::Cursor { .. } | PageKind::NextUrl { .. } | PageKind::LinkHeader => {
                let place = self.place(&said.head).map_err(|error| {
                    error.with("method", self.plan.method.name.clone()).with("page", number.to_string())
                })?;
                let doubt = match place {
                    Place::At(name, ask) => {
                        self.check_repeat(&name, number)?;
                        self.chain(ask, number);
                        return Ok(());
                    }
                    Place::End => None,
                    Place::Unsaid => Some("the API says that there is more, but not where"),
                    Place::Nowhere => Some("the API says that there is more, in a form that leads nowhere"),
                    Place::Unread => Some("what the API says of the next page cannot be read"),
                };
                self.stage = Stage::Done;
                if let Some(doubt) = doubt {
                    self.unproved = Some(doubt.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Where the next page is, by what an answer says.
    fn place(&self, head: &Head) -> Result<Place> {
        let captured = head.captured(self.plan.captures.token);
        let link = match &self.plan.method.pagination.kind {
            PageKind::Cursor { from, parameter, more } => {
                let more = says_more(more.as_ref().and_then(|_| head.captured(self.plan.captures.more)));
                if more == More::No {
                    return Ok(Place::End);
                }
                let token = match from {
                    TokenSource::Body(_) => captured.cloned(),
                    TokenSource::Header(name) => match head.headers.get(name).map(text_of) {
                        Some(None) => return Ok(Place::Unread),
                        told => told.flatten().map(Value::from),
                    },
                };
                return Ok(match (token.filter(leads_on), more) {
                    (Some(token), _) if token.is_object() => Place::Nowhere,
                    (Some(token), _) => Place::At(crate::bind::literal_text(&token), self.behind(parameter, token)),
                    (None, More::Yes) => Place::Unsaid,
                    (None, More::Unread) => Place::Unread,
                    (None, More::Unsaid | More::No) => Place::End,
                });
            }
            PageKind::NextUrl { .. } => match captured.filter(|link| leads_on(link)) {
                None => return Ok(Place::End),
                Some(Value::String(link)) => Some(link.clone()),
                Some(_) => return Ok(Place::Nowhere),
            },
            PageKind::LinkHeader => match link_in(&head.headers) {
                Next::None => None,
                Next::At(link) => Some(link).filter(|link| !link.is_empty()),
                Next::Unread => return Ok(Place::Unread),
            },
            _ => None,
        };
        let Some(link) = link else { return Ok(Place::End) };
        let url = self.follow(&head.url, &link)?;
        Ok(Place::At(url.as_str().to_owned(), Ask::Url(url)))
    }

    fn next_numbered(&mut self, kind: Kind, rows: u64) {
        let is_offset = matches!(self.plan.method.pagination.kind, PageKind::Offset { .. });
        let (total_rows, total_pages, seen) = (self.total_rows, self.total_pages, self.rows);
        // The answer's own length is what pages really hold: servers cap page sizes without saying so.
        let stated = |per_page: u64| total_rows.map(|total| total.div_ceil(per_page)).or(total_pages);
        match kind {
            Kind::First => {
                let more_pages = total_pages.is_some_and(|pages| pages > 1);
                let last = match stated(rows.max(1)) {
                    Some(_) if rows == 0 && total_rows.is_some() => Some(1),
                    // What a total and a number of pages say of each other is seen on the next page.
                    Some(1) if more_pages => Some(2),
                    last => last.map(|last| last.max(1)),
                };
                if last == Some(1) || last.is_none() && rows == 0 {
                    self.stage = Stage::Done;
                } else {
                    self.stage =
                        Stage::Numbered { next: 2, last, per_page: rows.max(1), in_flight: VecDeque::new(), window: 2 };
                }
            }
            Kind::Numbered | Kind::Chained => {
                if let Stage::Numbered { last, per_page, next, in_flight, .. } = &mut self.stage {
                    if let Some(known) = last {
                        *known = stated(*per_page).unwrap_or(*known);
                        // Pages came shorter than the first: go on while the total says that rows are missing. The
                        // number of pages may say so too.
                        let short = !is_offset && total_rows.is_some_and(|total| seen < total);
                        let more_pages = total_pages.is_some_and(|pages| *next <= pages);
                        if in_flight.is_empty() && *next > *known && rows > 0 && (short || more_pages) {
                            *known = *next;
                        }
                    } else if rows == 0 {
                        self.stage = Stage::Done;
                    }
                }
            }
        }
    }

    fn follow(&self, from: &Url, link: &str) -> Result<Url> {
        let secret = self.authorizer.as_deref().map(Authorizer::query_names).unwrap_or_default();
        self.server.follow(from, link, &secret)
    }

    /// The page behind a token.
    fn behind(&self, parameter: &TokenPlace, token: Value) -> Ask {
        let mut values = self.first_values();
        values.push((parameter.clone(), token));
        Ask::Values(values)
    }

    /// Asks for the next page when it is known where that is, while the rows of this one are on their way. What is wrong
    /// with that place is said at the end of the page. Where the reader may stop early, or what time the list is of is not
    /// known yet, nothing goes ahead.
    pub(super) fn go_ahead(&mut self, head: &Head) {
        let Some(Current { number, kind, .. }) = self.current else { return };
        let leads_on = kind == Kind::Chained || kind == Kind::First && !self.leaps;
        let may_stop = !self.eager || self.plan.end().is_some();
        if may_stop || !leads_on || self.leap.is_some() || self.own_page || self.ahead.is_some() {
            return;
        }
        // Whether there is more may be said at another place.
        if matches!(&self.plan.method.pagination.kind, PageKind::Cursor { more: Some(_), .. })
            && head.captured(self.plan.captures.more).is_none()
        {
            return;
        }
        if let Some(dated) = head.dated {
            self.dated.get_or_insert(dated);
        }
        if self.dated.is_some()
            && let Ok(Place::At(name, ask)) = self.place(head)
            && !self.seen_tokens.contains(&hash_of(&name))
        {
            self.ahead = Some((ask.clone(), self.ask(number + 1, ask)));
        }
    }

    /// Goes on with `ask`. Its request leaves at once, unless the reader has enough; where the reader may stop early, it comes
    /// back for the second page first.
    fn chain(&mut self, ask: Ask, number: u64) {
        let ahead = self.ahead.take().filter(|(known, _)| *known == ask).map(|(_, task)| task);
        // The first page may be leapt from.
        let leads_on = number > 1 || self.eager && !self.leaps;
        let now = leads_on && !self.has_enough();
        let prefetched = ahead.or_else(|| now.then(|| self.ask(number + 1, ask.clone())));
        self.stage = Stage::Chained { ask, number: number + 1, prefetched };
    }

    fn check_repeat(&mut self, token: &str, number: u64) -> Result<()> {
        if self.seen_tokens.insert(hash_of(token)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Api, "the API gave the same place in its list twice, so reading it would never end")
            .with("method", self.plan.method.name.clone())
            .with("page", number.to_string())
            .hint("the API does not go on from there: its fault, or the document sends that place under a wrong name"))
    }
}

fn hash_of(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

/// The text of a header: UTF-8, whatever of it is beyond ASCII.
fn text_of(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// The next page's place in the `Link` headers (RFC 8288 §3).
fn link_in(headers: &HeaderMap) -> Next {
    let mut unread = false;
    for value in headers.get_all("link") {
        let next = match text_of(value) {
            Some(text) => next_of_link_header(text),
            // The rest of it may show that it is none.
            None => match next_of_link_header(&String::from_utf8_lossy(value.as_bytes())) {
                Next::At(_) => Next::Unread,
                other => other,
            },
        };
        match next {
            Next::At(link) => return Next::At(link),
            Next::Unread => unread = true,
            Next::None => {}
        }
    }
    if unread { Next::Unread } else { Next::None }
}
