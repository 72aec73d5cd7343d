//! Where the next page is, in forms that no standard has: what can be read is followed, and what cannot is no end.

use super::*;

/// The rows of a list whose first page says `first` of the next one, which is the last, and its verdict with why.
async fn read(
    pagination: &str,
    first: impl Fn(Reply) -> Reply + Send + Sync + 'static,
) -> (usize, String, Vec<String>) {
    let parameters = ["after", "per_page", "cursor"];
    let server = Server::start(move |seen| {
        let begins = seen.query.is_none();
        let body = json!({"items": if begins { widgets(2) } else { widgets(3)[2..].to_vec() }});
        if begins { first(Reply::json(200, body)) } else { Reply::json(200, body) }
    })
    .await;
    let text = widgets_service_with(&server.url(), &parameters, pagination, "$.items");
    let mut db = Db::new(provider_dir("acme", "v1", &[("shop", &text)], "type: null_auth"));
    let answer = db.rows("SELECT id FROM acme.shop.widgets").await;
    let warned = answer.warnings().join("; ");
    let verdict =
        if warned.is_empty() { answer.verdict().to_owned() } else { format!("{}: {warned}", answer.verdict()) };
    let asked = server.requests().iter().filter_map(|seen| seen.query.clone()).collect();
    (answer.rows.len(), verdict, asked)
}

const UNREAD: &str = "unproved: what the API says of the next page cannot be read";

#[tokio::test(flavor = "multi_thread")]
async fn a_link_header_is_followed_or_no_proof_of_the_end() {
    for (header, rows, verdict, asked) in [
        ("</widgets?after=café>; rel=\"next\"", 3, "complete", Some("after=caf%C3%A9")),
        ("</widgets?after=2>; rel='next'", 3, "complete", Some("after=2")),
        ("</widgets?after=1>; rel=\"prev\", </widgets?after=9>; rel=last", 2, "complete", None),
        ("</widgets?after=2", 2, UNREAD, None),
        ("?after=2; rel=next", 2, UNREAD, None),
    ] {
        let read = read("kind: link_header", move |reply| reply.header("link", header)).await;
        let asked: Vec<String> = asked.into_iter().map(str::to_owned).collect();
        assert_eq!(read, (rows, verdict.to_owned(), asked), "{header}");
    }
    // Latin-1 may be anything.
    let (rows, verdict, asked) =
        read("kind: link_header", |reply| reply.header_bytes("link", b"</widgets?after=caf\xe9>; rel=next")).await;
    assert_eq!((rows, verdict.as_str(), asked.len()), (2, UNREAD, 0));
    let (rows, verdict, _) =
        read("kind: link_header", |reply| reply.header_bytes("link", b"</widgets?after=caf\xe9>; rel=prev")).await;
    assert_eq!((rows, verdict.as_str()), (2, "complete"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_header_is_any_text() {
    let pagination = "kind: cursor\ncursor: {key: cursor, location: query, from: {header: X-Next}}";
    let (rows, verdict, asked) = read(pagination, |reply| reply.header("x-next", "café")).await;
    assert_eq!((rows, verdict.as_str(), asked), (3, "complete", vec!["cursor=caf%C3%A9".to_owned()]));
    let (rows, verdict, asked) = read(pagination, |reply| reply.header_bytes("x-next", b"caf\xe9")).await;
    assert_eq!((rows, verdict.as_str(), asked.len()), (2, UNREAD, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_of_any_form_says_that_there_is_more() {
    let pagination = "kind: cursor\ncursor: {key: cursor, location: query, from: {path: $.next}, more: $.has_more}";
    for (flag, verdict) in [
        (json!("true"), "unproved: the API says that there is more, but not where"),
        (json!(1), "unproved: the API says that there is more, but not where"),
        (json!(true), "unproved: the API says that there is more, but not where"),
        (json!("perhaps"), UNREAD),
        (json!("false"), "complete"),
        (json!(0), "complete"),
        (json!(null), "complete"),
    ] {
        let body = json!({"items": widgets(2), "has_more": flag});
        let (rows, said, _) = read(pagination, move |_| Reply::json(200, body.clone())).await;
        assert_eq!((rows, said.as_str()), (2, verdict), "{flag}");
    }
    for flag in [json!("false"), json!(0), json!(false)] {
        let body = json!({"items": widgets(2), "has_more": flag, "next": "stale"});
        let (_, said, asked) = read(pagination, move |_| Reply::json(200, body.clone())).await;
        assert_eq!((said.as_str(), asked.len()), ("complete", 0), "{flag}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_leads_nowhere_new_says_whose_fault_that_is() {
    let document = Paging::Cursor.document();
    let turns = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        Reply::json(200, json!({"items": widgets(2), "next_cursor": format!("t{turn}")}))
    })
    .await;
    let error = Db::new(acme_dir(&server.url(), &document)).error("SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.message(), "the API gives the same rows for every page, so reading them would never end");
    assert_eq!(error.hint_text(), Some("the provider document declares a cursor that the API does not follow"));

    let turns = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        Reply::json(200, json!({"items": [{"id": turn}], "next_cursor": "same"}))
    })
    .await;
    let error = Db::new(acme_dir(&server.url(), &document)).error("SELECT id FROM acme.shop.widgets").await;
    assert!(error.message().starts_with("the API gave the same place in its list twice"), "{error}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("the API does not go on from there")), "{error:?}");
}
