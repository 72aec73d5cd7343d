//! Every way of paging, walked to its end.

use std::collections::BTreeSet;

use http::header::{CONTENT_TYPE, LINK};
use serde_json::json;
use url::Url;

use super::apis::{linode, paged};
use super::{get, get_with_token, ids, sandbox, seeded};
use crate::provider::{PageKind, Pagination, TokenSource, Total};
use crate::sandbox::SandboxOptions;
use crate::sandbox::testing::{at, in_query, page_size};

pub(super) fn pagination(kind: PageKind) -> Pagination {
    Pagination {
        kind,
        size: Some(page_size("limit", 1, Some(50), Some(20))),
        total: None,
        declared: true,
        exact: false,
        total_is_guessed: false,
        incomplete: None,
    }
}

#[tokio::test]
async fn numbered_pages_hold_every_row_once_and_state_the_total() {
    let sandbox = seeded(&linode(), 1);
    let mut all = BTreeSet::new();
    for page in 1..=10 {
        let got = get_with_token(&sandbox, &format!("/images?page={page}&page_size=25")).await;
        assert_eq!(
            (got.status, &got.json["page"], &got.json["pages"], &got.json["results"]),
            (200, &json!(page), &json!(10), &json!(240))
        );
        assert_eq!(got.headers[CONTENT_TYPE], "application/json");
        let rows = ids(&got.json["data"]);
        assert_eq!(rows.len(), if page == 10 { 15 } else { 25 });
        all.extend(rows);
    }
    assert_eq!(all.len(), 240);
    assert_eq!(ids(&get_with_token(&sandbox, "/images").await.json["data"]).len(), 100);
    for (query, status) in [
        ("page=11&page_size=25", 404),
        ("page=0", 400),
        ("page=-1", 400),
        ("page=x", 400),
        ("page_size=24", 400),
        ("page_size=501", 400),
        ("page_size=500", 200),
        ("page=99999999999999999999", 400),
    ] {
        assert_eq!(get_with_token(&sandbox, &format!("/images?{query}")).await.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_cap_makes_pages_shorter_and_loses_no_row() {
    let sandbox = sandbox(&linode(), SandboxOptions { page_cap: Some(50), ..SandboxOptions::default() });
    let first = get_with_token(&sandbox, "/images?page_size=500").await.json;
    assert_eq!((ids(&first["data"]).len(), &first["pages"]), (50, &json!(5)));
    assert_eq!(ids(&get_with_token(&sandbox, "/images?page_size=500&page=5").await.json["data"]).len(), 40);
}

#[tokio::test]
async fn offsets_cursors_and_links_lead_through_every_row() {
    let cursor = |from, more: Option<&str>| PageKind::Cursor {
        from,
        parameter: in_query("after"),
        more: more.map(str::to_owned),
    };
    let kinds = [
        PageKind::Offset { parameter: in_query("skip") },
        cursor(TokenSource::Body("$.meta.next".into()), Some("$.meta.has_more")),
        cursor(TokenSource::Header("x-next".into()), None),
        PageKind::NextUrl { path: "$.next".into() },
        PageKind::NextUrl { path: "$.links.pages.next".into() },
        PageKind::LinkHeader,
    ];
    // One count fills its last page, the other does not.
    for (kind, rows) in kinds.iter().flat_map(|kind| [(kind, 100), (kind, 103)]) {
        let sandbox = seeded(&paged(rows as u64, pagination(kind.clone())), 1);
        let start = Url::parse("https://api.example.com/things?limit=10&q=%26").unwrap();
        let (mut url, mut all, mut pages) = (start.clone(), Vec::new(), 0);
        loop {
            let got = get(&sandbox, url.as_str()).await;
            assert_eq!(got.status, 200, "{url}");
            all.extend(ids(&got.json["things"]));
            pages += 1;
            let with = |key: &str, value: &str| {
                let mut url = start.clone();
                url.query_pairs_mut().append_pair(key, value);
                url
            };
            let next = match kind {
                PageKind::Offset { .. } if got.json["things"].as_array().unwrap().is_empty() => None,
                PageKind::Offset { .. } => Some(with("skip", &all.len().to_string())),
                PageKind::Cursor { from: TokenSource::Body(_), .. } => {
                    let token = at(&got.json, "/meta/next").as_str();
                    assert_eq!(at(&got.json, "/meta/has_more"), &json!(token.is_some()));
                    token.map(|token| with("after", token))
                }
                PageKind::Cursor { .. } => {
                    got.headers.get("x-next").map(|token| with("after", token.to_str().unwrap()))
                }
                PageKind::NextUrl { path } => at(&got.json, &path.trim_start_matches('$').replace('.', "/"))
                    .as_str()
                    .map(|url| Url::parse(url).unwrap()),
                _ => got.headers.get(LINK).and_then(|links| {
                    let next = links.to_str().unwrap().split(", ").find(|link| link.ends_with("rel=\"next\""))?;
                    Url::parse(next.strip_prefix('<')?.split_once('>')?.0).ok()
                }),
            };
            match next {
                Some(next) => url = next,
                None => break,
            }
            assert!(pages < 20, "no end");
        }
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (rows, rows), "{kind:?}");
        let expected = rows.div_ceil(10) + usize::from(matches!(kind, PageKind::Offset { .. }));
        assert_eq!(pages, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn links_of_pages_look_like_digitaloceans() {
    let kind = PageKind::NextUrl { path: "$.links.pages.next".into() };
    let total = Some(Total::Rows("$.meta.total".into()));
    let services = paged(103, Pagination { total, ..pagination(kind) });
    let sandbox = seeded(&services, 1);
    let got = get(&sandbox, "http://127.0.0.1:4011/things?limit=50&page=2").await.json;
    let url = |page: u8| format!("http://127.0.0.1:4011/things?limit=50&page={page}");
    assert_eq!(at(&got, "/links/pages"), &json!({"first": url(1), "prev": url(1), "next": url(3), "last": url(3)}));
    assert_eq!(at(&got, "/meta/total"), &json!(103));
    let last = get(&sandbox, "http://127.0.0.1:4011/things?limit=50&page=3").await.json;
    assert_eq!(at(&last, "/links/pages"), &json!({"first": url(1), "prev": url(2)}));
    let behind = get(&sandbox, "http://127.0.0.1:4011/things?limit=50&page=9").await;
    assert_eq!((behind.status, &behind.json["things"]), (200, &json!([])));
}

#[tokio::test]
async fn wrong_tokens_are_refused() {
    let kind = PageKind::Cursor { from: TokenSource::Body("$.next".into()), parameter: in_query("after"), more: None };
    let sandbox = seeded(&paged(103, pagination(kind)), 1);
    for token in ["x", "cm93cz45OTk/", "%00", "AAAA"] {
        assert_eq!(
            get(&sandbox, &format!("https://api.example.com/things?after={token}")).await.status,
            400,
            "{token}"
        );
    }
}
