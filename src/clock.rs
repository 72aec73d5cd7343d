//! Time and chance, injected.
//!
//! *Owns*: now, sleep, randomness. *Does not own*: policies that use them.
//! *Invariants*: nothing else in the crate reads a clock, sleeps or rolls dice on its own, so that
//! retry, back-off and expiry are tested without waiting.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;

/// Where time and chance come from.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// A monotonic now, for measuring.
    fn now(&self) -> Instant;

    /// The wall-clock time, for dates, nonces and `Retry-After`.
    fn utc(&self) -> SystemTime;

    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);

    /// A number in `0.0..1.0`, for jitter.
    fn chance(&self) -> f64;
}

/// A shared [`Clock`].
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock and random numbers.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn utc(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn chance(&self) -> f64 {
        fastrand::f64()
    }
}
