//! A limit per second that nobody published: what refusals tell of it.
//!
//! An API that answers 429 and does not say how long to wait has had too many requests lately, and how many it took is
//! known: those that went within a second before the one that it refused. So many may go in each second from then on. Since
//! it may have been a bad moment, the allowance grows while nothing is refused, at first by little: a server that really
//! has that limit refuses one request in some seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The period of the limit that is looked for.
const PERIOD: Duration = Duration::from_secs(1);

/// What is added to the period when requests are paced: they do not all take equally long to the API.
const MARGIN: Duration = Duration::from_millis(20);

/// A refusal is put down to such a limit when this many times the window of requests at once were taken in a period; fewer
/// are as well a limit of requests at once.
const WINDOWS: usize = 4;

/// Requests of the last period, and how many of them there may be.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    /// When the requests went that were not refused, oldest first.
    went: VecDeque<Instant>,
    allowance: Option<Allowance>,
}

#[derive(Debug)]
struct Allowance {
    requests: usize,
    /// By how much it grows next.
    step: usize,
    /// The period at whose end it grows, unless something was refused in it.
    since: Instant,
    /// Whether all of it was wanted in this period.
    used_up: bool,
}

impl Learnt {
    /// A request goes.
    pub(super) fn note(&mut self, now: Instant) {
        self.forget(now);
        self.went.push_back(now);
    }

    /// How long until the next request may go.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.forget(now);
        let Some(allowance) = &mut self.allowance else { return Duration::ZERO };
        if now.saturating_duration_since(allowance.since) >= PERIOD + MARGIN {
            if allowance.used_up {
                allowance.requests += allowance.step;
                allowance.step *= 2;
            }
            (allowance.since, allowance.used_up) = (now, false);
        }
        let last = self.went.len().checked_sub(allowance.requests).and_then(|at| self.went.get(at));
        let wait =
            last.map_or(Duration::ZERO, |went| (PERIOD + MARGIN).saturating_sub(now.saturating_duration_since(*went)));
        allowance.used_up |= !wait.is_zero();
        wait
    }

    /// The request that went then was refused, while so many were let on their way at once; says whether that tells of a
    /// limit per second.
    pub(super) fn refused(&mut self, went: Instant, window: usize, now: Instant) -> bool {
        if let Ok(at) = self.went.binary_search(&went) {
            self.went.remove(at);
        }
        let end = self.went.partition_point(|other| *other <= went);
        let start = self.went.partition_point(|other| went.saturating_duration_since(*other) >= PERIOD);
        let taken = end.saturating_sub(start);
        if taken < WINDOWS * window {
            return false;
        }
        let requests = self.allowance.as_ref().map_or(taken, |known| known.requests.min(taken));
        // A hundredth more at first, and twice as much each time that it goes well.
        let step = (requests / 100).max(1);
        self.allowance = Some(Allowance { requests, step, since: now, used_up: false });
        true
    }

    /// Two periods are enough: a refusal comes some time after its request went.
    fn forget(&mut self, now: Instant) {
        while self.went.front().is_some_and(|went| now.saturating_duration_since(*went) >= 2 * PERIOD) {
            self.went.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    /// What an API took and refused.
    struct Served {
        took: Duration,
        refused: usize,
    }

    /// A thousand requests, so many at once, each answered after 20 ms by an API that takes `limit` in any second. What is
    /// refused comes back after a moment.
    fn serve(limit: usize, at_once: usize) -> Served {
        const LATENCY: Duration = Duration::from_millis(20);
        let start = SystemClock.now();
        let mut learnt = Learnt::default();
        let mut taken: VecDeque<Instant> = VecDeque::new();
        let mut under_way: VecDeque<(Instant, bool)> = VecDeque::new();
        let mut back: VecDeque<Instant> = VecDeque::new();
        let (mut left, mut refused, mut now) = (1000, 0, start);
        while left > 0 || !under_way.is_empty() || !back.is_empty() {
            while under_way.front().is_some_and(|(went, _)| now - *went >= LATENCY) {
                let Some((went, good)) = under_way.pop_front() else { break };
                if !good {
                    refused += 1;
                    learnt.refused(went, at_once, now);
                    back.push_back(now + Duration::from_millis(125));
                }
            }
            while back.front().is_some_and(|then| *then <= now) {
                back.pop_front();
                left += 1;
            }
            while left > 0 && under_way.len() < at_once && learnt.wait(now).is_zero() {
                learnt.note(now);
                while taken.front().is_some_and(|then| now - *then >= PERIOD) {
                    taken.pop_front();
                }
                let good = taken.len() < limit;
                if good {
                    taken.push_back(now);
                }
                under_way.push_back((now, good));
                left -= 1;
            }
            now += Duration::from_millis(1);
        }
        Served { took: now - start, refused }
    }

    #[test]
    fn a_limit_is_used_to_its_end_and_seldom_passed() {
        for (limit, ideal) in [(100, 10.0), (50, 20.0), (200, 5.0)] {
            let Served { took, refused } = serve(limit, 8);
            assert!(took.as_secs_f64() < ideal * 1.15, "{limit}: {took:?}");
            assert!(refused < 50, "{limit}: {refused} of a thousand");
        }
    }

    #[test]
    fn without_refusals_nothing_is_held_back() {
        let Served { took, refused } = serve(100_000, 8);
        assert_eq!(refused, 0);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[test]
    fn a_bad_moment_is_forgotten_in_some_seconds() {
        let start = SystemClock.now();
        let mut learnt = Learnt::default();
        let mut now = start;
        for _ in 0..100 {
            learnt.note(now);
            now += Duration::from_millis(5);
        }
        learnt.note(now);
        assert!(learnt.refused(now, 8, now));
        let mut went = 0;
        while now < start + Duration::from_secs(12) {
            if learnt.wait(now).is_zero() {
                learnt.note(now);
                went += 1;
            }
            now += Duration::from_millis(2);
        }
        assert!(went > 2_000, "{went}");
    }

    #[test]
    fn too_many_at_once_are_no_limit_per_second() {
        let now = SystemClock.now();
        let mut learnt = Learnt::default();
        (0..9).for_each(|_| learnt.note(now));
        assert!(!learnt.refused(now, 8, now));
        assert!(learnt.wait(now).is_zero());
    }
}
