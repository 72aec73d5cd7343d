//! Doubles for tests: a clock that moves when told, a transport that answers from a list.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::watch;

use super::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Transport};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};

/// The clocks' wall-clock time at their start: Tue, 14 Nov 2023 22:13:20 GMT.
pub(crate) const START_OF_TIME: u64 = 1_700_000_000;

/// A clock without real time.
#[derive(Debug)]
pub(crate) struct ManualClock {
    began: Instant,
    passed: watch::Sender<Duration>,
    sleeping: Sleeping,
    slept: Mutex<Vec<Duration>>,
}

/// What sleeping does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleeping {
    /// It moves the clock.
    Moves,
    /// It waits until the test moves the clock.
    Waits,
}

impl ManualClock {
    /// A clock that sleeping moves: nothing ever waits.
    pub(crate) fn moved_by_sleep() -> Arc<Self> {
        Self::new(Sleeping::Moves)
    }

    /// A clock that only [`ManualClock::advance`] moves.
    pub(crate) fn moved_by_hand() -> Arc<Self> {
        Self::new(Sleeping::Waits)
    }

    fn new(sleeping: Sleeping) -> Arc<Self> {
        let passed = watch::Sender::new(Duration::ZERO);
        Arc::new(Self { began: SystemClock.now(), passed, sleeping, slept: Mutex::default() })
    }

    /// Moves the clock, wakes who sleeps, and lets everything run that then can.
    pub(crate) async fn advance(&self, by: Duration) {
        self.passed.send_modify(|passed| *passed += by);
        settle().await;
    }

    /// Every sleep asked for.
    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.began + *self.passed.borrow()
    }

    fn utc(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(START_OF_TIME) + *self.passed.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
        if self.sleeping == Sleeping::Moves {
            self.passed.send_modify(|passed| *passed += duration);
            return;
        }
        let until = *self.passed.borrow() + duration;
        let mut passed = self.passed.subscribe();
        passed.wait_for(|passed| *passed >= until).await.unwrap();
    }

    fn chance(&self) -> f64 {
        1.0
    }
}

/// Lets every task of a single-threaded runtime run until it waits.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// One answer of a [`Scripted`] transport.
pub(crate) enum Reply {
    /// A status, headers, and the body's chunks.
    Answer(u16, Vec<(&'static str, &'static str)>, Vec<Result<&'static str>>),
    /// No answer.
    Fails(Error),
    /// Nothing, ever.
    Hangs,
}

/// A status with headers and a short body.
pub(crate) fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Reply {
    Reply::Answer(status, headers.to_vec(), vec![Ok("{}")])
}

/// A failure as the live client reports it when a connection breaks.
pub(crate) fn broken() -> Error {
    Error::new(ErrorKind::Network, "the connection was closed in the middle of the answer")
}

/// A transport that answers from a list and keeps what it was sent.
#[derive(Default)]
pub(crate) struct Scripted {
    replies: Mutex<VecDeque<Reply>>,
    sent: Mutex<Vec<Request>>,
    fresh: Mutex<Vec<bool>>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        Arc::new(Self { replies: Mutex::new(replies.into_iter().collect()), ..Self::default() })
    }

    /// Which of the requests asked for a connection that was not used.
    pub(crate) fn fresh(&self) -> Vec<bool> {
        self.fresh.lock().unwrap().clone()
    }

    /// The requests as they arrived.
    pub(crate) fn sent(&self) -> Vec<Request> {
        self.sent.lock().unwrap().clone()
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: Request) -> Result<Response> {
        self.fresh.lock().unwrap().push(false);
        self.answer(request).await
    }

    async fn send_fresh(&self, request: Request) -> Result<Response> {
        self.fresh.lock().unwrap().push(true);
        self.answer(request).await
    }
}

impl Scripted {
    async fn answer(&self, request: Request) -> Result<Response> {
        self.sent.lock().unwrap().push(request);
        let reply = self.replies.lock().unwrap().pop_front();
        match reply.expect("a request for which there is no reply") {
            Reply::Answer(status, headers, chunks) => Ok(Response {
                status: StatusCode::from_u16(status).unwrap(),
                headers: header_map(&headers),
                body: stream::iter(chunks.into_iter().map(|chunk| chunk.map(Bytes::from))).boxed(),
            }),
            Reply::Fails(error) => Err(error),
            Reply::Hangs => std::future::pending().await,
        }
    }
}

pub(crate) fn header_map(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}
