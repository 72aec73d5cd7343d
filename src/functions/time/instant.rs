//! A point in time, read from what scripts write and moved by modifiers.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, Timelike};
use datafusion::common::{Result, exec_err};

const MILLISECONDS_A_DAY: f64 = 86_400_000.0;
/// The Julian day of the Unix epoch.
const EPOCH_JULIAN_DAY: f64 = 2_440_587.5;
/// The first Julian day after the year 9999.
const LAST_JULIAN_DAY: f64 = 5_373_484.5;

/// A point in time in UTC, in milliseconds since the Unix epoch: the precision of `SQLite`'s functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(i64);

/// A time value on its way through its modifiers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    /// Whether milliseconds are wanted, too.
    pub(super) subsecond: bool,
    /// The number that it was written as, which the first modifier may read otherwise.
    number: Option<f64>,
}

/// There is no such modifier.
struct Unknown;

impl Instant {
    pub(super) fn from_unix_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    fn from_unix_seconds(seconds: f64) -> Option<Self> {
        Self::checked(seconds * 1000.0)
    }

    fn from_julian_day(day: f64) -> Option<Self> {
        (0.0..LAST_JULIAN_DAY).contains(&day).then(|| Self::checked((day - EPOCH_JULIAN_DAY) * MILLISECONDS_A_DAY))?
    }

    #[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
    fn checked(milliseconds: f64) -> Option<Self> {
        let rounded = milliseconds.round();
        if rounded.abs() < 1e15 { Self(rounded as i64).in_range() } else { None }
    }

    /// Itself, where a calendar of four-digit years has it.
    fn in_range(self) -> Option<Self> {
        self.calendar().filter(|at| (-4713..=9999).contains(&at.year())).map(|_| self)
    }

    fn of(calendar: NaiveDateTime) -> Self {
        Self(calendar.and_utc().timestamp_millis())
    }

    /// The date and time of day.
    pub(super) fn calendar(self) -> Option<NaiveDateTime> {
        DateTime::from_timestamp_millis(self.0).map(|at| at.naive_utc())
    }

    pub(super) fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    #[expect(clippy::cast_precision_loss, reason = "a Julian day is a floating-point number, here as in SQLite")]
    pub(super) fn julian_day(self) -> f64 {
        EPOCH_JULIAN_DAY + self.0 as f64 / MILLISECONDS_A_DAY
    }

    pub(super) fn date(self) -> Option<String> {
        self.calendar().map(|at| {
            let year = at.year();
            let sign = if year < 0 { "-" } else { "" };
            format!("{sign}{:04}-{:02}-{:02}", year.unsigned_abs(), at.month(), at.day())
        })
    }

    pub(super) fn time(self, subsecond: bool) -> Option<String> {
        self.calendar().map(|at| at.format(if subsecond { "%H:%M:%S%.3f" } else { "%H:%M:%S" }).to_string())
    }

    /// RFC 3339 with milliseconds.
    pub(super) fn iso(self) -> String {
        self.calendar().map(|at| at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()).unwrap_or_default()
    }

    fn moved(self, milliseconds: f64) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "instants are below 2^53")]
        let sum = self.0 as f64 + milliseconds.round();
        Self::checked(sum)
    }

    /// Months later or earlier. A day that the month does not have runs over into the next.
    fn months(self, months: i64) -> Option<Self> {
        let at = self.calendar()?;
        let all = i64::from(at.year()) * 12 + i64::from(at.month0()) + months;
        let (year, month) = (i32::try_from(all.div_euclid(12)).ok()?, u32::try_from(all.rem_euclid(12)).ok()?);
        let first = NaiveDate::from_ymd_opt(year, month + 1, 1)?;
        let date = first.checked_add_days(Days::new(u64::from(at.day0())))?;
        Self::of(date.and_time(at.time())).in_range()
    }
}

impl Moment {
    /// A date, a time, both, or a number written as text.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(instant) = read(text) {
            return Some(Self { instant, subsecond: false, number: None });
        }
        text.parse().ok().filter(|number: &f64| number.is_finite()).map(Self::of_number)
    }

    /// A Julian day, or a Unix time where the first modifier says so.
    pub(super) fn of_number(number: f64) -> Self {
        let instant = Instant::from_julian_day(number);
        // Beyond the Julian days it is a time only under `unixepoch` and `auto`.
        Self { instant: instant.unwrap_or(Instant(i64::MAX)), subsecond: false, number: Some(number) }
    }

    /// Itself after all modifiers; none where it leaves the calendar.
    ///
    /// # Errors
    /// When a modifier is unknown.
    pub(super) fn modified(mut self, modifiers: &[Cow<'_, str>], function: &str) -> Result<Option<Self>> {
        for (at, modifier) in modifiers.iter().enumerate() {
            let modifier = modifier.trim().to_ascii_lowercase();
            match self.step(&modifier, at == 0) {
                Ok(Some(next)) => self = next,
                Ok(None) => return Ok(None),
                Err(Unknown) if matches!(modifier.as_str(), "localtime" | "utc") => {
                    return exec_err!("`{function}`: all times are UTC, there is no modifier `{modifier}`");
                }
                Err(Unknown) => return exec_err!("`{function}`: there is no modifier `{modifier}`"),
            }
        }
        Ok(self.instant.in_range().map(|_| self))
    }

    /// The moment after a modifier; none where there is no such time.
    fn step(self, modifier: &str, first: bool) -> std::result::Result<Option<Self>, Unknown> {
        let to = |instant: Option<Instant>| instant.map(|instant| Self { instant, number: None, ..self });
        let number = self.number.filter(|_| first);
        Ok(match modifier {
            "subsec" | "subsecond" => Some(Self { subsecond: true, ..self }),
            "unixepoch" => number.and_then(|number| to(Instant::from_unix_seconds(number))),
            "julianday" => number.and_then(|number| to(Instant::from_julian_day(number))),
            "auto" => match number {
                Some(number) if !(0.0..LAST_JULIAN_DAY).contains(&number) => to(Instant::from_unix_seconds(number)),
                _ => Some(self),
            },
            _ => match self.instant.calendar() {
                Some(at) => to(self.instant.at(at, modifier)?),
                None => None,
            },
        })
    }
}

impl Instant {
    /// The instant after a modifier that does not depend on how it was written.
    fn at(self, at: NaiveDateTime, modifier: &str) -> std::result::Result<Option<Self>, Unknown> {
        let midnight = |date: Option<NaiveDate>| date.and_then(|date| date.and_hms_opt(0, 0, 0)).map(Self::of);
        if let Some(unit) = modifier.strip_prefix("start of ") {
            return match unit {
                "day" => Ok(midnight(Some(at.date()))),
                "month" => Ok(midnight(at.date().with_day(1))),
                "year" => Ok(midnight(NaiveDate::from_ymd_opt(at.year(), 1, 1))),
                _ => Err(Unknown),
            };
        }
        if let Some(day) = modifier.strip_prefix("weekday ") {
            let day = day.trim().parse::<u32>().ok().filter(|day| *day < 7).ok_or(Unknown)?;
            let ahead = (day + 7 - at.weekday().num_days_from_sunday()) % 7;
            return Ok(self.moved(f64::from(ahead) * MILLISECONDS_A_DAY));
        }
        self.shifted(modifier)
    }

    /// `±N units`, `±HH:MM[:SS[.SSS]]`, `±YYYY-MM-DD[ HH:MM[:SS]]`.
    fn shifted(self, modifier: &str) -> std::result::Result<Option<Self>, Unknown> {
        let (sign, rest) = match modifier.as_bytes().first() {
            Some(b'-') => (-1.0, &modifier[1..]),
            Some(b'+') => (1.0, &modifier[1..]),
            _ => (1.0, modifier),
        };
        if let Some(([years, months, days], time)) = split_date(rest).filter(|_| modifier.starts_with(['+', '-'])) {
            if months > 11 || days > 30 {
                return Err(Unknown);
            }
            let milliseconds = if time.is_empty() { 0.0 } else { clock(time).ok_or(Unknown)? };
            let months = i64::from(years) * 12 + i64::from(months);
            let moved = self.months(if sign < 0.0 { -months } else { months });
            return Ok(moved.and_then(|at| at.moved(sign * (f64::from(days) * MILLISECONDS_A_DAY + milliseconds))));
        }
        if rest.contains(':') {
            return Ok(self.moved(sign * clock(rest).ok_or(Unknown)?));
        }
        let (amount, unit) = rest.trim().split_once(char::is_whitespace).ok_or(Unknown)?;
        let amount: f64 = amount.parse().ok().filter(|amount: &f64| amount.is_finite()).ok_or(Unknown)?;
        let amount = sign * amount;
        let unit = unit.trim();
        let milliseconds = match unit.strip_suffix('s').unwrap_or(unit) {
            "day" => MILLISECONDS_A_DAY,
            "hour" => 3_600_000.0,
            "minute" => 60_000.0,
            "second" => 1000.0,
            "month" => return Ok(self.calendar_units(amount, 1, 30.0)),
            "year" => return Ok(self.calendar_units(amount, 12, 365.0)),
            _ => return Err(Unknown),
        };
        Ok(self.moved(amount * milliseconds))
    }

    /// So many units of so many months; what is not whole counts by days.
    fn calendar_units(self, amount: f64, months: i64, days: f64) -> Option<Self> {
        let whole = amount.trunc();
        if whole.abs() > 1e6 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below a million")]
        let moved = self.months(whole as i64 * months)?;
        moved.moved((amount - whole) * days * MILLISECONDS_A_DAY)
    }
}

/// The three numbers of `YYYY-MM-DD`, and what comes after it.
fn split_date(text: &str) -> Option<([u32; 3], &str)> {
    let digits = |from: usize, to: usize| {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let is_dash = |at: usize| text.as_bytes().get(at) == Some(&b'-');
    if !is_dash(4) || !is_dash(7) {
        return None;
    }
    let date = [digits(0, 4)?, digits(5, 7)?, digits(8, 10)?];
    let rest = &text[10..];
    let after = rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.trim_start());
    (rest.is_empty() || rest.len() > after.len()).then_some((date, after))
}

/// Milliseconds of `HH:MM[:SS[.SSS]]`.
fn clock(text: &str) -> Option<f64> {
    let mut parts = text.splitn(3, ':');
    let two = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse::<u32>().ok())?
    };
    let hours = two(parts.next()?).filter(|hours| *hours <= 24)?;
    let minutes = two(parts.next()?).filter(|minutes| *minutes < 60)?;
    let seconds = match parts.next() {
        None => 0.0,
        Some(text) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let whole = two(whole).filter(|seconds| *seconds < 60)?;
            // What is below a millisecond is left out, not rounded: 59.9996 s is still this minute.
            let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
            f64::from(whole) + f64::from(thousandths.parse::<u32>().ok()?) / 1000.0
        }
    };
    Some(f64::from(hours * 3600 + minutes * 60) * 1000.0 + seconds * 1000.0)
}

/// `YYYY-MM-DD`, `HH:MM[:SS[.SSS]]` (on 2000-01-01), or both; then perhaps `Z` or `±HH:MM`.
fn read(text: &str) -> Option<Instant> {
    let ([year, month, day], rest) = match split_date(text) {
        Some(date) => date,
        None if text.as_bytes().get(2) == Some(&b':') => ([2000, 1, 1], text),
        None => return None,
    };
    // As SQLite has it, every month may be written with 31 days.
    let first = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, 1)?;
    let date = first.checked_add_days(Days::new(u64::from(day.checked_sub(1).filter(|day| *day < 31)?)))?;
    let midnight = Instant::of(date.and_hms_opt(0, 0, 0)?);
    if rest.is_empty() {
        return Some(midnight);
    }
    let (time, offset) = match rest.strip_suffix(['Z', 'z']) {
        Some(time) => (time.trim_end(), 0.0),
        None => match rest.rfind(['+', '-']) {
            Some(at) => {
                let minutes = clock(&rest[at + 1..]).filter(|_| rest.len() - at == 6)?;
                (rest[..at].trim_end(), if rest.as_bytes()[at] == b'-' { -minutes } else { minutes })
            }
            None => (rest, 0.0),
        },
    };
    midnight.moved(clock(time)? - offset)
}

/// The second of the minute with its milliseconds.
pub(super) fn second_of_minute(at: NaiveDateTime) -> String {
    format!("{:02}.{:03}", at.second(), at.and_utc().timestamp_subsec_millis())
}
