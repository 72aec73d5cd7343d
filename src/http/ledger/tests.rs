//! Who may go when, without waiting for any of it.

use super::*;
use crate::clock::SystemClock;
use crate::error::ErrorKind;
use crate::http::testing::{ManualClock, START_OF_TIME, header_map, settle};
use std::future::Future;
use tokio::task::JoinHandle;

const MINUTE: Duration = Duration::from_mins(1);

/// Those who got a permit, in order, and keep it.
type Inside = Arc<Mutex<Vec<(usize, Permit)>>>;

struct Bench {
    ledger: Arc<Ledger>,
    manual: Arc<ManualClock>,
    clock: SharedClock,
    key: LedgerKey,
}

fn bench() -> Bench {
    let manual = ManualClock::moved_by_hand();
    let key = LedgerKey::new(&Url::parse("https://api.example/x").unwrap(), None);
    Bench { ledger: Arc::new(Ledger::new()), clock: Arc::clone(&manual) as SharedClock, manual, key }
}

impl Bench {
    async fn enter(&self) -> Permit {
        self.ledger.enter(&self.key, &Published::default(), MINUTE, &self.clock, 0).await.unwrap()
    }

    fn entering(&self, published: &Published) -> impl Future<Output = Result<Permit>> + Send + 'static {
        self.entering_for(0, published)
    }

    fn entering_for(
        &self,
        statement: u64,
        published: &Published,
    ) -> impl Future<Output = Result<Permit>> + Send + 'static {
        self.entering_within(MINUTE, statement, published)
    }

    fn entering_within(
        &self,
        max_wait: Duration,
        statement: u64,
        published: &Published,
    ) -> impl Future<Output = Result<Permit>> + Send + 'static {
        let (ledger, clock, key, published) =
            (Arc::clone(&self.ledger), Arc::clone(&self.clock), self.key.clone(), published.clone());
        async move { ledger.enter(&key, &published, max_wait, &clock, statement).await }
    }

    /// Tasks that each want a permit, and the list of those that got one, in order; they keep it.
    fn crowd(&self, size: usize, published: &Published) -> (Vec<JoinHandle<()>>, Inside) {
        let inside = Arc::new(Mutex::new(Vec::new()));
        let tasks = (0..size)
            .map(|number| {
                let (entering, inside) = (self.entering(published), Arc::clone(&inside));
                tokio::spawn(async move {
                    let permit = entering.await.unwrap();
                    inside.lock().unwrap().push((number, permit));
                })
            })
            .collect();
        (tasks, inside)
    }
}

fn answered(status: u16, headers: &HeaderMap, latency: Duration) -> Outcome<'_> {
    Outcome::Answered { status: StatusCode::from_u16(status).unwrap(), headers, latency }
}

fn numbers(inside: &Inside) -> Vec<usize> {
    inside.lock().unwrap().iter().map(|(number, _)| *number).collect()
}

/// Answers that keep the window full: `window` permits are out whenever one is asked for.
async fn steady(bench: &Bench, answers: usize, latency: Duration) {
    let mut out = VecDeque::new();
    for _ in 0..answers {
        while out.len() < bench.ledger.window(&bench.key) {
            out.push_back(bench.enter().await);
        }
        let permit: Permit = out.pop_front().unwrap();
        permit.observe(&answered(200, &HeaderMap::new(), latency));
    }
}

#[tokio::test]
async fn eight_go_at_once_and_the_others_in_the_order_they_came() {
    let bench = bench();
    let (_tasks, inside) = bench.crowd(12, &Published::default());
    settle().await;
    assert_eq!(numbers(&inside), (0..8).collect::<Vec<_>>());
    for left in 9..=12 {
        let gone = inside.lock().unwrap().remove(0);
        drop(gone);
        settle().await;
        assert_eq!(numbers(&inside).last(), Some(&(left - 1)));
        assert_eq!(numbers(&inside).len(), 8);
    }
}

#[tokio::test]
async fn statements_take_turns_however_many_requests_each_has() {
    let bench = bench();
    let mut out = Vec::new();
    for _ in 0..8 {
        out.push(bench.enter().await);
    }
    let inside: Inside = Arc::default();
    let mut tasks = Vec::new();
    // Of the statements 1, 2 and 3 one after the other, with six, two and one request.
    for (number, statement) in [1, 1, 1, 1, 1, 1, 2, 2, 3].into_iter().enumerate() {
        let (entering, inside) = (bench.entering_for(statement, &Published::default()), Arc::clone(&inside));
        tasks.push(tokio::spawn(async move {
            let permit = entering.await.unwrap();
            inside.lock().unwrap().push((number, permit));
        }));
        settle().await;
    }
    for _ in 0..8 {
        out.pop();
        settle().await;
    }
    assert_eq!(numbers(&inside), [0, 6, 8, 1, 7, 2, 3, 4]);
}

#[tokio::test]
async fn a_limit_per_second_is_learnt_from_refusals() {
    let bench = bench();
    // A hundred are taken within a quarter of a second, and the next is refused.
    let taken = HeaderMap::new();
    for _ in 0..50 {
        for permit in [bench.enter().await, bench.enter().await] {
            permit.observe(&answered(200, &taken, Duration::from_millis(5)));
        }
        bench.manual.advance(Duration::from_millis(5)).await;
    }
    let window = bench.ledger.window(&bench.key);
    bench.enter().await.observe(&answered(429, &taken, Duration::from_millis(5)));
    assert_eq!(bench.ledger.window(&bench.key), window, "there were not too many at once");
    let (_tasks, inside) = bench.crowd(3, &Published::default());
    settle().await;
    bench.manual.advance(Duration::from_millis(700)).await;
    assert!(numbers(&inside).is_empty(), "a second ago the first ones went");
    bench.manual.advance(Duration::from_millis(100)).await;
    assert_eq!(numbers(&inside), [0, 1, 2]);
}

#[tokio::test]
async fn the_window_grows_by_one_per_full_window_and_only_then() {
    let bench = bench();
    // The first seven left while there was room.
    for (answers, wanted) in [(8, 8), (15, 8), (16, 9)] {
        let bench = self::bench();
        steady(&bench, answers, Duration::from_millis(50)).await;
        assert_eq!(bench.ledger.window(&bench.key), wanted);
    }
    steady(&bench, 5_000, Duration::from_millis(50)).await;
    assert_eq!(bench.ledger.window(&bench.key), CEILING);

    let idle = self::bench();
    for _ in 0..100 {
        idle.enter().await.observe(&answered(200, &HeaderMap::new(), Duration::from_millis(50)));
    }
    assert_eq!(idle.ledger.window(&idle.key), START, "one request at a time proves nothing");
}

#[tokio::test]
async fn refusals_halve_the_window_once_for_all_that_left_together() {
    for status in [429, 503] {
        let bench = bench();
        let mut out = Vec::new();
        for _ in 0..8 {
            out.push(bench.enter().await);
        }
        for permit in &out {
            permit.observe(&answered(status, &HeaderMap::new(), Duration::from_millis(5)));
        }
        assert_eq!(bench.ledger.window(&bench.key), 4);
        out.clear();
        for wanted in [2, 1, 1] {
            bench.enter().await.observe(&answered(status, &HeaderMap::new(), Duration::from_millis(5)));
            assert_eq!(bench.ledger.window(&bench.key), wanted);
        }
        steady(&bench, 2, Duration::from_millis(5)).await;
        assert!(bench.ledger.window(&bench.key) >= 2, "it recovers");
    }
}

#[tokio::test]
async fn answers_twice_as_slow_shrink_the_window_gently() {
    let bench = bench();
    steady(&bench, 16, Duration::from_millis(100)).await;
    let before = bench.ledger.window(&bench.key);
    steady(&bench, before, Duration::from_millis(190)).await;
    assert!(bench.ledger.window(&bench.key) >= before, "less than twice as slow is nothing");
    let before = bench.ledger.window(&bench.key);
    steady(&bench, before, Duration::from_millis(500)).await;
    assert_eq!(bench.ledger.window(&bench.key), before - before / 4);
    steady(&bench, 1_000, Duration::from_millis(500)).await;
    assert!(bench.ledger.window(&bench.key) >= LATENCY_FLOOR);
    assert!(bench.ledger.window(&bench.key) > before, "what stays slow becomes the usual");
}

#[tokio::test]
async fn one_slow_answer_of_many_and_tiny_differences_are_nothing() {
    let bench = bench();
    steady(&bench, 16, Duration::from_millis(2)).await;
    let before = bench.ledger.window(&bench.key);
    steady(&bench, before, Duration::from_millis(15)).await;
    assert!(bench.ledger.window(&bench.key) >= before);
    let before = bench.ledger.window(&bench.key);
    bench.enter().await.observe(&answered(200, &HeaderMap::new(), Duration::from_secs(9)));
    steady(&bench, before, Duration::from_millis(2)).await;
    assert!(bench.ledger.window(&bench.key) >= before);
}

#[tokio::test]
async fn a_refusal_with_retry_after_holds_everyone() {
    let bench = bench();
    let refused = bench.enter().await;
    refused.observe(&answered(429, &header_map(&[("retry-after", "10")]), Duration::ZERO));
    drop(refused);
    let (_tasks, inside) = bench.crowd(2, &Published::default());
    settle().await;
    bench.manual.advance(Duration::from_millis(9_999)).await;
    assert!(numbers(&inside).is_empty());
    bench.manual.advance(Duration::from_millis(1)).await;
    assert_eq!(numbers(&inside), [0, 1]);
    assert_eq!(inside.lock().unwrap()[0].1.waited(), Duration::from_secs(10));
}

#[tokio::test]
async fn a_pause_that_is_too_long_is_an_error_also_for_those_already_waiting() {
    let bench = bench();
    let mut out = Vec::new();
    for _ in 0..8 {
        out.push(bench.enter().await);
    }
    let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(bench.entering(&Published::default()))).collect();
    settle().await;
    out[0].observe(&answered(429, &header_map(&[("retry-after", "3600")]), Duration::ZERO));
    for waiter in waiting {
        let error = waiter.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert!(error.message().contains("3600 s"), "{error}");
    }
    // Later, when what is left of it is short enough, requests wait again.
    out.clear();
    bench.manual.advance(Duration::from_secs(3_550)).await;
    let (_tasks, inside) = bench.crowd(1, &Published::default());
    bench.manual.advance(Duration::from_secs(50)).await;
    assert_eq!(numbers(&inside), [0]);
}

#[tokio::test]
async fn a_used_up_limit_holds_until_its_reset_unless_that_is_too_far() {
    for (reset, held) in
        [("5".to_owned(), true), ((START_OF_TIME + 5).to_string(), true), ((START_OF_TIME + 3_600).to_string(), false)]
    {
        let bench = bench();
        let headers = header_map(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &reset)]);
        bench.enter().await.observe(&answered(200, &headers, Duration::ZERO));
        let (_tasks, inside) = bench.crowd(1, &Published::default());
        settle().await;
        assert_eq!(numbers(&inside).is_empty(), held, "{reset}");
        bench.manual.advance(Duration::from_secs(5)).await;
        assert_eq!(numbers(&inside), [0]);
    }
}

#[tokio::test]
async fn who_waits_for_a_reset_stands_in_nobodys_way_who_does_not() {
    let bench = bench();
    let headers = header_map(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "3000")]);
    bench.enter().await.observe(&answered(200, &headers, Duration::ZERO));
    let patient = tokio::spawn(bench.entering_within(MINUTE * 60, 1, &Published::default()));
    settle().await;
    // It came later, and asks the API rather than wait so long.
    let asking = tokio::spawn(bench.entering_within(MINUTE, 2, &Published::default()));
    settle().await;
    assert!(asking.is_finished() && !patient.is_finished());
    drop(asking.await.unwrap().unwrap());
    bench.manual.advance(Duration::from_mins(50)).await;
    settle().await;
    assert!(patient.await.unwrap().unwrap().waited() >= Duration::from_mins(50));
}

#[tokio::test]
async fn no_more_go_at_once_than_the_newest_answer_says_are_left() {
    let bench = bench();
    let left = |left: &str| header_map(&[("ratelimit-remaining", left), ("ratelimit-reset", "5")]);
    let out = [bench.enter().await, bench.enter().await];
    out[0].observe(&answered(200, &left("3"), Duration::ZERO));
    let (_tasks, inside) = bench.crowd(4, &Published::default());
    settle().await;
    assert_eq!(numbers(&inside), [0], "with the two before it");
    out[1].observe(&answered(200, &left("4"), Duration::ZERO));
    settle().await;
    assert_eq!(numbers(&inside), [0, 1]);
    bench.manual.advance(Duration::from_secs(5)).await;
    assert_eq!(numbers(&inside), [0, 1, 2, 3], "the limit was reset, and nobody had to leave for that");
}

#[tokio::test]
async fn a_published_rate_is_never_passed_and_fully_used() {
    let bench = bench();
    let published =
        Published { rate: Some(Rate { requests: 3, per: Duration::from_secs(10) }), ..Published::default() };
    let (_tasks, inside) = bench.crowd(7, &published);
    settle().await;
    assert_eq!(numbers(&inside), [0, 1, 2]);
    bench.manual.advance(Duration::from_millis(9_999)).await;
    assert_eq!(numbers(&inside).len(), 3);
    bench.manual.advance(Duration::from_millis(1)).await;
    assert_eq!(numbers(&inside), [0, 1, 2, 3, 4, 5]);
    bench.manual.advance(Duration::from_secs(10)).await;
    assert_eq!(numbers(&inside).len(), 7);
}

#[tokio::test]
async fn a_slow_published_rate_does_not_hold_up_other_operations() {
    let bench = bench();
    let slow = Published { rate: Some(Rate { requests: 0, per: MINUTE }), ..Published::default() };
    let (_slow_tasks, slowly) = bench.crowd(3, &slow);
    let (_tasks, inside) = bench.crowd(4, &Published::default());
    settle().await;
    assert_eq!(numbers(&slowly), [0], "no requests per minute counts as one");
    assert_eq!(numbers(&inside).len(), 4);
    bench.manual.advance(MINUTE).await;
    assert_eq!(numbers(&slowly), [0, 1]);
}

#[tokio::test]
async fn published_concurrency_is_a_ceiling() {
    let bench = bench();
    let published = Published { concurrency: Some(2), ..Published::default() };
    let (_tasks, inside) = bench.crowd(4, &published);
    settle().await;
    assert_eq!(numbers(&inside), [0, 1]);
    // A refusal halves what is in use, not what is never reached.
    inside.lock().unwrap()[0].1.observe(&answered(429, &HeaderMap::new(), Duration::ZERO));
    assert_eq!(bench.ledger.window(&bench.key), 1);
}

#[tokio::test]
async fn waiters_that_give_up_leave_no_gap_and_no_permit_is_lost() {
    let bench = bench();
    let mut out = Vec::new();
    for _ in 0..8 {
        out.push(bench.enter().await);
    }
    let (tasks, inside) = bench.crowd(5, &Published::default());
    settle().await;
    // The first in line is woken and dropped before it can act.
    out.pop();
    tasks[0].abort();
    tasks[2].abort();
    settle().await;
    assert_eq!(numbers(&inside), [1]);
    out.clear();
    settle().await;
    assert_eq!(numbers(&inside), [1, 3, 4]);
    inside.lock().unwrap().clear();
    let (_tasks, inside) = bench.crowd(20, &Published::default());
    settle().await;
    assert_eq!(numbers(&inside).len(), 8, "all permits came back");
}

#[tokio::test]
async fn waiters_dropped_while_held_leave_no_gap() {
    let bench = bench();
    bench.enter().await.observe(&answered(429, &header_map(&[("retry-after", "10")]), Duration::ZERO));
    let (tasks, inside) = bench.crowd(6, &Published::default());
    settle().await;
    tasks[0].abort();
    bench.manual.advance(Duration::from_secs(10)).await;
    assert_eq!(numbers(&inside), [1, 2, 3, 4]);
}

#[tokio::test]
async fn accounts_do_not_touch_each_other() {
    let bench = bench();
    bench.enter().await.observe(&answered(429, &header_map(&[("retry-after", "10")]), Duration::ZERO));
    let other = LedgerKey::new(&Url::parse("https://other.example/").unwrap(), None);
    bench.ledger.enter(&other, &Published::default(), MINUTE, &bench.clock, 0).await.unwrap();
    assert_eq!(bench.ledger.window(&other), START);
    assert_eq!(bench.ledger.window(&bench.key), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_among_threads() {
    let bench = Bench { clock: Arc::new(SystemClock), ..bench() };
    let one = Published { concurrency: Some(1), ..Published::default() };
    let free = Published::default();
    let tasks: Vec<_> = (0..2_000)
        .map(|number| {
            let entering = bench.entering(if number % 5 == 0 { &one } else { &free });
            tokio::spawn(async move {
                let permit = entering.await.unwrap();
                tokio::task::yield_now().await;
                let status = if number % 97 == 0 { 503 } else { 200 };
                permit.observe(&answered(status, &HeaderMap::new(), Duration::from_millis(1)));
            })
        })
        .collect();
    for task in tasks.iter().step_by(3) {
        task.abort();
    }
    for task in tasks {
        // Whoever was not aborted gets its turn; a lost wake-up would hang here.
        assert!(task.await.map_or_else(|error| error.is_cancelled(), |()| true));
    }
    assert_eq!(bench.ledger.account(&bench.key).state().on_their_way, 0);
}
