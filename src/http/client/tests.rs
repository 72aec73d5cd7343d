//! What is sent again, after how long, and what the caller is told.

use super::*;
use crate::clock::Clock;
use crate::http::testing::{ManualClock, Reply, Scripted, answer, broken, settle};
use crate::http::{AuthScheme, Body, KeyLocation, Method, PlacedKey, Secret};
use crate::report::QueryReport;
use futures::future::BoxFuture;
use std::fmt::{Debug, Write};
use std::sync::Mutex;
use tracing::field::{Field, Visit};
use tracing::span;

const SECOND: Duration = Duration::from_secs(1);

fn outgoing(repeat: Repeat) -> Outgoing {
    Outgoing {
        secret_query: Vec::new(),
        request: Request {
            method: if repeat == Repeat::Safe { Method::GET } else { Method::POST },
            url: Url::parse("https://api.example/v4/images?page=1").unwrap(),
            headers: HeaderMap::new(),
            body: Body::empty(),
            timeout: 60 * SECOND,
        },
        authorizer: None,
        signing_path: String::new(),
        repeat,
        published: Published::default(),
        retries: 4,
        max_wait: 60 * SECOND,
        label: None,
    }
}

/// One run of one request against a list of replies, on a clock that sleeping moves.
struct Ran {
    result: Result<Answer>,
    report: QueryReport,
    slept: Vec<Duration>,
    sent: Vec<Request>,
    fresh: Vec<bool>,
}

async fn run(outgoing: &Outgoing, replies: Vec<Reply>) -> Ran {
    run_with(outgoing, replies, u64::MAX).await
}

async fn run_with(outgoing: &Outgoing, replies: Vec<Reply>, max_calls: u64) -> Ran {
    let clock = ManualClock::moved_by_sleep();
    let transport = Scripted::new(replies);
    let client = Client::new(
        Arc::clone(&transport) as Arc<dyn Transport>,
        Arc::new(Ledger::new()),
        Arc::clone(&clock) as SharedClock,
    );
    let report = Report::new(clock.now());
    let result = client.fetch(outgoing, &report, &CallBudget { max_calls }).await;
    let (report, slept) = (report.snapshot(clock.now()), clock.slept());
    Ran { result, report, slept, sent: transport.sent(), fresh: transport.fresh() }
}

fn unreached() -> Error {
    Error::new(ErrorKind::Network, "connection refused").retryable()
}

#[tokio::test]
async fn a_plain_answer_is_given_as_it_is() {
    let chunks = vec![Ok("[1,"), Ok(""), Ok("2"), Ok("]")];
    let ran = run(&outgoing(Repeat::Safe), vec![Reply::Answer(404, vec![("x-id", "7")], chunks)]).await;
    let answer = ran.result.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..], answer.attempts), (404, &b"[1,2]"[..], 1));
    assert_eq!(answer.headers["x-id"], "7");
    assert_eq!((ran.report.calls, ran.report.retries, ran.report.bytes), (1, 0, 5));
    assert_eq!(ran.report.waited, Duration::ZERO);
}

#[tokio::test]
async fn what_may_not_be_lost_and_what_broke_goes_over_connections_that_were_not_used() {
    let closed = || Reply::Fails(Error::new(ErrorKind::Network, "the connection was closed before the answer"));
    let cut = || Reply::Answer(200, Vec::new(), vec![Ok("["), Err(broken())]);
    let fresh = async |repeat, replies| run(&outgoing(repeat), replies).await.fresh;
    assert_eq!(fresh(Repeat::Unsafe, vec![answer(429, &[]), answer(200, &[])]).await, [true, true]);
    for repeat in [Repeat::Safe, Repeat::Keyed] {
        assert_eq!(fresh(repeat, vec![answer(503, &[]), answer(200, &[])]).await, [false, false]);
        assert_eq!(fresh(repeat, vec![closed(), answer(503, &[]), answer(200, &[])]).await, [false, true, true]);
        assert_eq!(fresh(repeat, vec![cut(), answer(200, &[])]).await, [false, true]);
    }
}

#[tokio::test]
async fn a_429_is_waited_for_as_long_as_it_asks() {
    let before = "Tue, 14 Nov 2023 22:00:00 GMT";
    let after = "Tue, 14 Nov 2023 22:13:32 GMT";
    for (headers, wanted) in [
        (vec![("retry-after", "7")], 7 * SECOND),
        (vec![("retry-after", after)], 12 * SECOND),
        (vec![("retry-after", before)], Duration::from_millis(250)),
        (vec![("retry-after", "0")], Duration::from_millis(250)),
        (vec![("ratelimit-remaining", "0"), ("ratelimit-reset", "3")], 3 * SECOND),
        (vec![], Duration::from_millis(250)),
    ] {
        for repeat in [Repeat::Safe, Repeat::Unsafe] {
            let ran = run(&outgoing(repeat), vec![answer(429, &headers), answer(200, &[])]).await;
            let got = ran.result.unwrap();
            assert_eq!((got.status.as_u16(), got.attempts), (200, 2), "{headers:?}");
            assert_eq!(ran.report.waited, wanted, "{headers:?}");
            assert_eq!((ran.report.calls, ran.report.retries), (2, 1));
        }
    }
}

#[tokio::test]
async fn a_429_that_asks_for_too_much_stops_at_once() {
    for retries in [4, 0] {
        let outgoing = Outgoing { retries, ..outgoing(Repeat::Safe) };
        let ran = run(&outgoing, vec![answer(429, &[("retry-after", "3600")])]).await;
        let error = ran.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.message(), "the API asks to wait 3600 s before the next request");
        assert_eq!(error.context_value("host"), Some("api.example"));
        assert!(error.hint_text().unwrap().contains("SET max_wait"));
        assert!(ran.slept.is_empty());
    }
}

#[tokio::test]
async fn a_429_for_ever_is_given_back_when_the_retries_are_used_up() {
    let ran = run(&outgoing(Repeat::Safe), (0..5).map(|_| answer(429, &[])).collect()).await;
    let got = ran.result.unwrap();
    assert_eq!((got.status.as_u16(), got.attempts, &got.body[..]), (429, 5, &b"{}"[..]));
    let milliseconds: Vec<u128> = ran.slept.iter().map(Duration::as_millis).collect();
    assert_eq!(milliseconds, [250, 500, 1000, 2000]);
}

#[tokio::test]
async fn reads_are_repeated_after_passing_failures() {
    for failing in [408, 500, 502, 503, 504] {
        let ran = run(&outgoing(Repeat::Safe), vec![answer(failing, &[]), answer(200, &[])]).await;
        assert_eq!(ran.result.unwrap().attempts, 2, "{failing}");
    }
    for standing in [200, 201, 301, 400, 401, 403, 404, 409, 501] {
        let ran = run(&outgoing(Repeat::Safe), vec![answer(standing, &[])]).await;
        assert_eq!(ran.result.unwrap().status.as_u16(), standing);
    }
    for error in [unreached(), broken(), Error::new(ErrorKind::Network, "timed out waiting for the answer")] {
        let ran = run(&outgoing(Repeat::Safe), vec![Reply::Fails(error), answer(200, &[])]).await;
        assert_eq!(ran.result.unwrap().attempts, 2);
    }
    let cut = Reply::Answer(200, vec![], vec![Ok("[1,"), Err(broken())]);
    let ran = run(&outgoing(Repeat::Safe), vec![cut, Reply::Answer(200, vec![], vec![Ok("[1,2]")])]).await;
    let got = ran.result.unwrap();
    assert_eq!((&got.body[..], got.attempts), (&b"[1,2]"[..], 2));
}

#[tokio::test]
async fn a_503_that_asks_for_too_much_stands() {
    let ran = run(&outgoing(Repeat::Safe), vec![answer(503, &[("retry-after", "3600")])]).await;
    assert_eq!(ran.result.unwrap().status.as_u16(), 503);
}

#[tokio::test]
async fn the_last_error_says_how_often_it_was_tried() {
    let ran = run(&outgoing(Repeat::Safe), (0..5).map(|_| Reply::Fails(unreached())).collect()).await;
    let error = ran.result.unwrap_err();
    assert_eq!(error.to_string(), "connection refused (attempts: 5)");
    assert_eq!(ran.report.calls, 5);
    let never = Error::new(ErrorKind::InvalidArgument, "plain HTTP is for this machine only");
    let ran = run(&outgoing(Repeat::Unsafe), vec![Reply::Fails(never)]).await;
    assert_eq!(ran.result.unwrap_err().to_string(), "plain HTTP is for this machine only");
}

#[tokio::test]
async fn writes_are_repeated_only_when_the_api_did_not_act() {
    let ran = run(&outgoing(Repeat::Unsafe), vec![Reply::Fails(unreached()), answer(201, &[])]).await;
    assert_eq!(ran.result.unwrap().attempts, 2);
    for standing in [408, 500, 502, 503, 504] {
        let ran = run(&outgoing(Repeat::Unsafe), vec![answer(standing, &[("retry-after", "1")])]).await;
        assert_eq!(ran.result.unwrap().status.as_u16(), standing);
    }
    let timed_out = Error::new(ErrorKind::Network, "timed out waiting for the answer");
    for (reply, status) in [
        (Reply::Fails(timed_out), None),
        (Reply::Answer(201, vec![], vec![Ok("{"), Err(broken())]), Some("201")),
        (Reply::Answer(502, vec![], vec![Err(broken().retryable())]), Some("502")),
        (Reply::Answer(408, vec![], vec![Err(broken())]), Some("408")),
    ] {
        let ran = run(&outgoing(Repeat::Unsafe), vec![reply]).await;
        let error = ran.result.unwrap_err();
        assert_eq!(error.context_value("state"), Some("unknown"), "{error}");
        assert_eq!(error.context_value("status"), status);
        assert_eq!(ran.sent.len(), 1);
    }
    let told = Reply::Answer(422, vec![], vec![Err(broken())]);
    let error = run(&outgoing(Repeat::Unsafe), vec![told]).await.result.unwrap_err();
    assert_eq!(error.context_value("state"), None, "a 4xx says that nothing was done");
    let error =
        run(&outgoing(Repeat::Unsafe), (0..5).map(|_| Reply::Fails(unreached())).collect()).await.result.unwrap_err();
    assert_eq!(error.context_value("state"), None, "it was never reached");
}

#[tokio::test]
async fn writes_with_a_key_are_repeated_and_what_stays_open_is_unknown() {
    let keyed = outgoing(Repeat::Keyed);
    let lost = || Reply::Fails(Error::new(ErrorKind::Network, "timed out waiting for the answer"));
    let cut = || Reply::Answer(201, vec![], vec![Ok("{"), Err(broken())]);
    for first in [lost(), cut(), answer(503, &[]), answer(429, &[])] {
        let answered = run(&keyed, vec![first, answer(201, &[])]).await.result.unwrap();
        assert_eq!((answered.attempts, answered.in_doubt), (2, false), "done is done");
    }
    for (last, in_doubt) in [(422, false), (404, false), (409, true), (401, true), (403, true)] {
        let answered = run(&keyed, vec![lost(), answer(last, &[])]).await.result.unwrap();
        assert_eq!((answered.status.as_u16(), answered.in_doubt), (last, in_doubt));
        let alone = run(&keyed, vec![answer(last, &[])]).await.result.unwrap();
        assert!(!alone.in_doubt, "nothing was sent before");
        let told = run(&keyed, vec![Reply::Fails(unreached()), answer(last, &[])]).await.result.unwrap();
        assert!(!told.in_doubt, "the first never arrived");
    }
    // Whatever ends it after that: an unreachable API, a pause that is too long, the statement's budget.
    for (replies, calls) in [
        (std::iter::once(lost()).chain((0..4).map(|_| Reply::Fails(unreached()))).collect(), 9),
        (vec![lost(), answer(429, &[("retry-after", "3600")])], 9),
        (vec![lost()], 1),
    ] {
        let error = run_with(&keyed, replies, calls).await.result.unwrap_err();
        assert_eq!(error.context_value("state"), Some("unknown"), "{error}");
    }
    let error = run(&keyed, (0..5).map(|_| Reply::Fails(unreached())).collect()).await.result.unwrap_err();
    assert_eq!(error.context_value("state"), None, "it was never reached");
}

#[tokio::test]
async fn the_budget_stops_before_the_next_call() {
    let ran = run_with(&outgoing(Repeat::Safe), vec![answer(500, &[]), answer(500, &[])], 2).await;
    let error = ran.result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert_eq!(error.message(), "stopped after 2 calls");
    assert!(error.hint_text().unwrap().contains("SET max_calls"));
    assert_eq!((ran.sent.len(), ran.report.calls), (2, 2));
    let none = run_with(&outgoing(Repeat::Safe), vec![], 0).await;
    assert_eq!(none.result.unwrap_err().kind(), ErrorKind::Budget);
}

#[tokio::test]
async fn the_budget_holds_for_requests_that_wait_side_by_side() {
    let clock = ManualClock::moved_by_hand();
    let shared = Arc::clone(&clock) as SharedClock;
    let transport = Scripted::new([answer(200, &[]), answer(200, &[])]);
    let ledger = Arc::new(Ledger::new());
    let client = Client::new(Arc::clone(&transport) as _, Arc::clone(&ledger), Arc::clone(&shared));
    let report = Report::new(clock.now());
    let published = Published { concurrency: Some(1), ..Published::default() };
    let asked = Outgoing { published, ..outgoing(Repeat::Safe) };
    let key = LedgerKey::new(&asked.request.url, None);
    let closed = ledger.enter(&key, &asked.published, SECOND, &shared, 0).await.unwrap();
    let fetching: Vec<_> = (0..3)
        .map(|_| {
            let (client, asked, report) = (client.clone(), asked.clone(), report.clone());
            let budget = CallBudget { max_calls: 2 };
            tokio::spawn(async move { client.fetch(&asked, &report, &budget).await })
        })
        .collect();
    settle().await;
    drop(closed);
    let mut stopped = 0;
    for fetched in fetching {
        let result = fetched.await.unwrap();
        stopped += usize::from(result.is_err_and(|error| error.kind() == ErrorKind::Budget));
    }
    assert_eq!((stopped, transport.sent().len()), (1, 2));
    assert_eq!(report.calls(), 2, "what was not sent is no call");
}

#[tokio::test]
async fn every_attempt_carries_the_credential_and_none_goes_elsewhere() {
    let scheme = AuthScheme::Bearer { prefix: "Bearer ".to_owned(), token: Secret::new("TOKEN", "t0ken") };
    let authorizer = |origin: &str| Some(Arc::new(Authorizer::new(scheme.clone(), [origin]).unwrap()));
    let with = |origin| Outgoing { authorizer: authorizer(origin), ..outgoing(Repeat::Safe) };
    let ran = run(&with("https://api.example"), vec![answer(500, &[]), answer(200, &[])]).await;
    assert!(ran.sent.iter().all(|request| request.headers["authorization"] == "Bearer t0ken"));
    assert_eq!(ran.sent.len(), 2);
    let ran = run(&with("https://other.example"), vec![]).await;
    let error = ran.result.unwrap_err();
    assert_eq!((error.kind(), ran.sent.len(), ran.report.calls), (ErrorKind::Auth, 0, 0));
    assert!(!format!("{error:?} {:?}", with("https://api.example")).contains("t0ken"));
}

#[tokio::test]
async fn open_streams_and_repeats_only_up_to_the_headers() {
    let clock = ManualClock::moved_by_sleep();
    let cut = Reply::Answer(200, vec![], vec![Ok("abc"), Err(broken())]);
    let transport = Scripted::new([answer(503, &[]), cut]);
    let ledger = Arc::new(Ledger::new());
    let shared = Arc::clone(&clock) as SharedClock;
    let client = Client::new(Arc::clone(&transport) as Arc<dyn Transport>, Arc::clone(&ledger), Arc::clone(&shared));
    let report = Report::new(clock.now());
    let asked =
        Outgoing { published: Published { concurrency: Some(1), ..Published::default() }, ..outgoing(Repeat::Safe) };
    let budget = CallBudget { max_calls: 9 };
    let opening: BoxFuture<'_, Result<Opened>> = Box::pin(client.open(&asked, &report, &budget));
    let Opened { mut response, attempts } = opening.await.unwrap();
    assert_eq!(attempts, 2);
    assert_eq!(response.body.next().await.unwrap().unwrap(), "abc");

    // The body on its way keeps its permit; when it ends, the permit comes back.
    let key = LedgerKey::new(&asked.request.url, None);
    let next = tokio::spawn({
        let (ledger, published) = (Arc::clone(&ledger), asked.published.clone());
        async move { ledger.enter(&key, &published, SECOND, &shared, 0).await.map(drop) }
    });
    settle().await;
    assert!(!next.is_finished());
    assert!(response.body.next().await.unwrap().is_err());
    assert!(response.body.next().await.is_none());
    next.await.unwrap().unwrap();
    let seen = report.snapshot(clock.now());
    assert_eq!((seen.calls, seen.bytes, transport.sent().len()), (2, 3, 2));
}

#[tokio::test]
async fn dropping_a_fetch_gives_its_permit_back() {
    let clock = ManualClock::moved_by_hand();
    let transport = Scripted::new([Reply::Hangs, answer(200, &[])]);
    let client = Client::new(
        Arc::clone(&transport) as Arc<dyn Transport>,
        Arc::new(Ledger::new()),
        Arc::clone(&clock) as SharedClock,
    );
    let asked =
        Outgoing { published: Published { concurrency: Some(1), ..Published::default() }, ..outgoing(Repeat::Safe) };
    let report = Report::new(clock.now());
    let fetching = || {
        let (client, asked, report) = (client.clone(), asked.clone(), report.clone());
        tokio::spawn(async move { client.fetch(&asked, &report, &CallBudget { max_calls: 9 }).await })
    };
    let hanging = fetching();
    settle().await;
    let behind = fetching();
    settle().await;
    assert_eq!(transport.sent().len(), 1);
    hanging.abort();
    assert_eq!(behind.await.unwrap().unwrap().status.as_u16(), 200);
}

/// Writes down events as `field=value` lines.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<String>>);

impl Visit for Written {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0.lock().unwrap(), "{field}={value:?} ").unwrap();
    }
}

impl tracing::Subscriber for Written {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "skyql::http"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
        self.0.lock().unwrap().push('\n');
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn every_attempt_is_logged_without_its_credential() {
    let key = PlacedKey {
        location: KeyLocation::Query,
        name: "api_key".to_owned(),
        prefix: String::new(),
        key: Secret::new("KEY", "t0ken"),
    };
    let authorizer = Authorizer::new(AuthScheme::Keys(vec![key]), ["https://api.example"]).unwrap();
    let mut asked = Outgoing { authorizer: Some(Arc::new(authorizer)), ..outgoing(Repeat::Safe) };
    asked.request.url.set_username("me").unwrap();
    asked.request.url.set_password(Some("hush")).unwrap();
    let replies = || vec![answer(503, &[]), Reply::Fails(unreached()), answer(200, &[])];
    let written = Written::default();
    let guard = tracing::subscriber::set_default(written.clone());
    let mut ran = run(&asked, replies()).await;
    // An event that another test's thread meets first is off for all threads until the subscribers are asked again.
    for _ in 0..100 {
        if written.0.lock().unwrap().lines().count() >= 3 {
            break;
        }
        written.0.lock().unwrap().clear();
        tracing::callsite::rebuild_interest_cache();
        ran = run(&asked, replies()).await;
    }
    drop(guard);
    assert!(ran.sent.iter().all(|request| request.url.query() == Some("page=1&api_key=t0ken")));
    let text = written.0.lock().unwrap().clone();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, wanted) in lines.iter().zip(["status=503", "note=\"connection refused\"", "status=200 bytes=2"]) {
        assert!(
            line.contains("method=GET url=https://api.example/v4/images?page=1 ") && line.contains(wanted),
            "{line}"
        );
    }
    assert!(!text.contains("t0ken") && !text.contains("hush"), "{text}");
}
