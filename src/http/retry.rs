//! When to send again, and after how long.
//!
//! One request is sent at most `1 + retries` times, and no single wait is longer than `max_wait`, so the waits of
//! one request last at most `retries × max_wait`: that is its deadline. An API that asks for more is not waited for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{DATE, RETRY_AFTER};

use super::ledger::Published;
use super::{HeaderMap, StatusCode};
use crate::error::{Error, ErrorKind};

/// The longest back-off before the first retry.
const BASE: Duration = Duration::from_millis(250);

/// The longest wait that an API can ask for, in seconds: some ten thousand years.
const LONGEST: f64 = 1e12;

/// The longest back-off of all.
const CAP: Duration = Duration::from_secs(8);

/// From here on a reset value is a Unix time and not a number of seconds: it is in 2001, or 31 years away.
const UNIX_TIMES_FROM: f64 = 1e9;

/// From here on a Unix time is in milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

const REMAINING: [&str; 3] = ["ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining"];
const RESET: [&str; 3] = ["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"];

/// Exponential back-off with full jitter after the nth failure (from 1): anything from nothing to the whole step, so
/// that callers that failed together do not come back together.
pub(crate) fn back_off(failures: u32, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (BASE * (1 << doublings)).min(CAP).mul_f64(chance.clamp(0.0, 1.0))
}

/// Whether a read that got this answer is worth sending again.
pub(crate) fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// How long the API asks to wait: `Retry-After` (RFC 9110 §10.2.3), else the reset of a limit that is used up.
pub(crate) fn asked_wait(headers: &HeaderMap, published: &Published, now: SystemTime) -> Option<Duration> {
    retry_after(headers, now).or_else(|| reset_wait(headers, published, now))
}

fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // What no clock can hold is longer than anybody waits.
        return (!seconds.is_nan()).then(|| Duration::from_secs_f64(seconds.clamp(0.0, LONGEST)));
    }
    Some(until(httpdate::parse_http_date(text).ok()?, headers, now))
}

/// The pause that an answer names in `Retry-After`: in seconds, or as a date beside its own.
pub(crate) fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let now = date_of(headers);
    let is_number = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<f64>().is_ok();
    if is_number || now.is_some() { retry_after(headers, now.unwrap_or(UNIX_EPOCH)) } else { None }
}

/// What an answer says is left of a limit, until it is reset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Left {
    /// Requests; less than one is none.
    pub(crate) requests: f64,
    pub(crate) reset: Duration,
}

/// The wait until the limit is reset, where the answer says that nothing is left of it.
pub(crate) fn reset_wait(headers: &HeaderMap, published: &Published, now: SystemTime) -> Option<Duration> {
    left(headers, published, now).filter(|left| left.requests < 1.0).map(|left| left.reset)
}

/// What is left of the limit, by the headers that the document names, else by the usual ones.
pub(crate) fn left(headers: &HeaderMap, published: &Published, now: SystemTime) -> Option<Left> {
    let named = published.remaining_header.is_some() || published.reset_header.is_some();
    if let Some(left) = combined(headers).filter(|_| !named) {
        return Some(left);
    }
    let requests = field(headers, published.remaining_header.as_deref(), &REMAINING)?.parse::<f64>().ok()?;
    let text = field(headers, published.reset_header.as_deref(), &RESET)?;
    let reset = match text.parse::<f64>() {
        Ok(time) if time >= UNIX_TIMES_FROM => {
            let seconds = if time >= MILLISECONDS_FROM { time / 1000.0 } else { time };
            until(UNIX_EPOCH.checked_add(seconds_of(seconds)?)?, headers, now)
        }
        Ok(seconds) => seconds_of(seconds)?,
        Err(_) => until(httpdate::parse_http_date(text).ok()?, headers, now),
    };
    Some(Left { requests, reset })
}

/// The field `RateLimit` of the IETF's drafts: `limit=100, remaining=50, reset=30` up to the seventh, then
/// `"burst";r=50;t=30`, one for each limit, of which the tightest counts.
fn combined(headers: &HeaderMap) -> Option<Left> {
    let (mut requests, mut reset, mut tightest) = (None, None, None::<Left>);
    for part in headers.get("ratelimit")?.to_str().ok()?.split([',', ';']) {
        match part.trim().split_once('=') {
            Some(("r" | "remaining", value)) => requests = value.parse::<f64>().ok(),
            Some(("t" | "reset", value)) => reset = value.parse::<f64>().ok().and_then(seconds_of),
            _ => continue,
        }
        if let (Some(all), Some(until)) = (requests, reset) {
            (requests, reset) = (None, None);
            if tightest.is_none_or(|known| all < known.requests) {
                tightest = Some(Left { requests: all, reset: until });
            }
        }
    }
    tightest
}

fn field<'a>(headers: &'a HeaderMap, named: Option<&str>, usual: &[&str]) -> Option<&'a str> {
    let value = match named {
        Some(name) => headers.get(name),
        None => usual.iter().find_map(|name| headers.get(*name)),
    };
    Some(value?.to_str().ok()?.trim())
}

fn seconds_of(seconds: f64) -> Option<Duration> {
    if seconds.is_nan() { None } else { Duration::try_from_secs_f64(seconds.max(0.0)).ok() }
}

/// The time from the answer to `then`, by the server's own clock where the answer has a `Date`: ours may be wrong.
fn until(then: SystemTime, headers: &HeaderMap, now: SystemTime) -> Duration {
    then.duration_since(date_of(headers).unwrap_or(now)).unwrap_or_default()
}

fn date_of(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// The error of a wait that is longer than allowed.
pub(crate) fn asked_too_long(asked: Duration, host: &str) -> Error {
    let seconds = asked.as_secs() + u64::from(asked.subsec_nanos() > 0);
    Error::new(ErrorKind::RateLimited, format!("the API asks to wait {seconds} s before the next request"))
        .with("host", host)
        .hint(format!("`SET max_wait = '{seconds}s'` waits for it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    const NOW: u64 = 1_700_000_000; // Tue, 14 Nov 2023 22:13:20 GMT

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn back_off_doubles_up_to_its_cap_and_jitter_covers_all_of_it() {
        let milliseconds: Vec<u128> = (1..=8).map(|n| back_off(n, 1.0).as_millis()).collect();
        assert_eq!(milliseconds, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(back_off(3, 0.5), Duration::from_millis(500));
        assert_eq!(back_off(3, 0.0), Duration::ZERO);
        assert_eq!(back_off(u32::MAX, 1.0), Duration::from_secs(8));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (pairs, wanted) in [
            (&[("retry-after", "7")][..], Some(7.0)),
            (&[("retry-after", " 1.5 ")], Some(1.5)),
            (&[("retry-after", "-3")], Some(0.0)),
            (&[("retry-after", "Tue, 14 Nov 2023 22:13:50 GMT")], Some(30.0)),
            (&[("retry-after", "Tue, 14 Nov 2023 22:00:00 GMT")], Some(0.0)),
            (&[("retry-after", "Tue, 14 Nov 2023 22:13:50 GMT"), ("date", "Tue, 14 Nov 2023 22:13:45 GMT")], Some(5.0)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "1e300")], Some(LONGEST)),
            (&[("retry-after", "99999999999999999999")], Some(LONGEST)),
            (&[], None),
        ] {
            let asked = asked_wait(&headers(pairs), &Published::default(), now());
            assert_eq!(asked.map(|asked| asked.as_secs_f64()), wanted, "{pairs:?}");
        }
    }

    #[test]
    fn a_used_up_limit_asks_to_wait_for_its_reset() {
        let named = Published {
            remaining_header: Some("My-Left".to_owned()),
            reset_header: Some("My-Reset".to_owned()),
            ..Published::default()
        };
        let usual = Published::default();
        for (published, pairs, wanted) in [
            (&usual, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "12")][..], Some(12.0)),
            (&usual, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000020")], Some(20.0)),
            (&usual, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000020500")], Some(20.5)),
            (&usual, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1600000000")], Some(0.0)),
            (&usual, &[("ratelimit-remaining", "1"), ("ratelimit-reset", "12")], None),
            (&usual, &[("ratelimit-remaining", "0")], None),
            (&usual, &[("ratelimit-reset", "12")], None),
            (&named, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "12")], None),
            (&named, &[("my-left", "0"), ("my-reset", "3")], Some(3.0)),
            (&usual, &[("ratelimit", "limit=100, remaining=0, reset=7")], Some(7.0)),
            (&usual, &[("ratelimit", "\"hour\";r=50;t=900, \"burst\";r=0;t=2")], Some(2.0)),
            (&usual, &[("ratelimit", "\"burst\";r=1;t=2")], None),
            (&usual, &[("ratelimit", "soon"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "4")], Some(4.0)),
            (&named, &[("ratelimit", "\"burst\";r=0;t=2")], None),
        ] {
            let wait = reset_wait(&headers(pairs), published, now());
            assert_eq!(wait.map(|wait| wait.as_secs_f64()), wanted, "{pairs:?}");
        }
    }

    #[test]
    fn a_wait_that_is_too_long_names_its_seconds() {
        let error = asked_too_long(Duration::from_millis(3_599_200), "api.example");
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.to_string(), "the API asks to wait 3600 s before the next request (host: api.example)");
        assert_eq!(error.hint_text(), Some("`SET max_wait = '3600s'` waits for it"));
    }
}
