//! Times as text, in UTC: RFC 3339 in files, a sortable stamp in names.
//!
//! Days are counted as in Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": a year begins in March there,
//! so that the leap day is its last.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_MILLIS: i64 = 86_400_000;
/// From 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_EPOCH: i64 = 719_468;
const DAYS_PER_ERA: i64 = 146_097;
/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z: what four digits of a year can say.
const EARLIEST: i64 = -62_135_596_800_000;
const LATEST: i64 = 253_402_300_799_999;

/// The time as RFC 3339 in UTC, cut to milliseconds: `2026-02-03T04:05:06.789Z`.
///
/// Times before year 1 and after year 9999 become the first and the last that four digits can say.
pub fn time_text(time: SystemTime) -> String {
    let Civil { year, month, day, hour, minute, second, milli } = Civil::of(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The time as part of a file's name: `20260203t040506789`.
pub(super) fn time_stamp(time: SystemTime) -> String {
    let Civil { year, month, day, hour, minute, second, milli } = Civil::of(time);
    format!("{year:04}{month:02}{day:02}t{hour:02}{minute:02}{second:02}{milli:03}")
}

/// The time that [`time_text`] wrote; fractions of a second may have any number of digits, or be absent.
pub fn parse_time(text: &str) -> Option<SystemTime> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let bytes = whole.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() != 19 || marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let year = number(&whole[0..4])?;
    let month = number(&whole[5..7])?;
    let day = number(&whole[8..10])?;
    let (hour, minute, second) = (number(&whole[11..13])?, number(&whole[14..16])?, number(&whole[17..19])?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    if year == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = fraction.map_or(Some(0), nanoseconds)?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let apart = Duration::from_secs(seconds.unsigned_abs());
    let start = if seconds < 0 { UNIX_EPOCH.checked_sub(apart) } else { UNIX_EPOCH.checked_add(apart) }?;
    start.checked_add(Duration::from_nanos(nanos))
}

/// For serde fields: `#[serde(with = "time::text")]`.
pub(super) mod text {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in crate::store) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::time_text(*time))
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_time(&text).ok_or_else(|| de::Error::custom("not a time of RFC 3339 in UTC"))
    }
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    milli: i64,
}

impl Civil {
    fn of(time: SystemTime) -> Self {
        let millis = millis_since_epoch(time).clamp(EARLIEST, LATEST);
        let (days, rest) = (millis.div_euclid(DAY_MILLIS), millis.rem_euclid(DAY_MILLIS));
        let (year, month, day) = civil_from_days(days);
        let second = rest / 1000;
        Self {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            milli: rest % 1000,
        }
    }
}

fn millis_since_epoch(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        // Away from zero, so that cutting goes the same way on both sides: to the earlier millisecond.
        Err(before) => {
            i64::try_from(before.duration().as_nanos().div_ceil(1_000_000)).map_or(i64::MIN, |millis| -millis)
        }
    }
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + DAYS_BEFORE_EPOCH;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_EPOCH
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn number(digits: &str) -> Option<i64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn nanoseconds(fraction: &str) -> Option<u64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    nine.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanos: u64) -> SystemTime {
        let apart = Duration::from_secs(seconds.unsigned_abs());
        let whole = if seconds < 0 { UNIX_EPOCH - apart } else { UNIX_EPOCH + apart };
        whole + Duration::from_nanos(nanos)
    }

    #[test]
    fn known_times_both_ways() {
        // Seconds from `date -u -d … +%s`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_740_787_199, "2025-02-28T23:59:59.000Z"),
            (1_740_787_200, "2025-03-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.000Z"),
            (-2_203_891_200, "1900-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
            (-62_135_596_800, "0001-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(time_text(at(seconds, 0)), text);
            assert_eq!(parse_time(text), Some(at(seconds, 0)), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in -150_000..150_000 {
            let time = at(day * 86_400 + 43_200, 0);
            assert_eq!(parse_time(&time_text(time)), Some(time), "day {day}");
        }
    }

    #[test]
    fn milliseconds_are_kept_and_the_rest_is_cut() {
        assert_eq!(time_text(at(1, 999_999_999)), "1970-01-01T00:00:01.999Z");
        assert_eq!(time_text(at(-1, 999_999_999)), "1969-12-31T23:59:59.999Z");
        assert_eq!(time_stamp(at(1_709_164_800, 7_000_000)), "20240229t000000007");
        assert_eq!(parse_time("1970-01-01T00:00:01.5Z"), Some(at(1, 500_000_000)));
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Some(at(1, 0)));
        assert_eq!(parse_time("1970-01-01T00:00:01.1234567891Z"), Some(at(1, 123_456_789)));
    }

    #[test]
    fn times_beyond_four_digits_are_the_last_that_fit() {
        assert_eq!(time_text(at(300_000_000_000, 0)), "9999-12-31T23:59:59.999Z");
        assert_eq!(time_text(at(-70_000_000_000, 0)), "0001-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "2025-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01T00:00:00",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.xZ",
            "+024-01-01T00:00:00Z",
            "2024-01-01T00:00:00+01:00",
            "0000-01-01T00:00:00Z",
            "２０２４-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
