//! Points in time as APIs write them: `2024-05-01`, `2024-05-01T10:00:00`, `…Z`, `….000000`.

/// A point in time and how it was written, so that others can be written alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Seconds since 1970, UTC.
    pub(super) seconds: i64,
    pub(super) form: Form,
}

/// How a point in time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether there is a time of day.
    pub(super) time: bool,
    /// Digits after the seconds.
    pub(super) fraction: usize,
    /// Whether a `Z` follows.
    pub(super) zone: bool,
}

impl Form {
    /// RFC 3339 in UTC, whole seconds.
    pub(super) const INSTANT: Self = Self { time: true, fraction: 0, zone: true };
    /// A date alone.
    pub(super) const DATE: Self = Self { time: false, fraction: 0, zone: false };
}

/// Reads one; `None` when the text is not in one of the forms, or no such day exists.
pub(super) fn parse(text: &str) -> Option<Stamp> {
    let (date, time) = text.split_once(['T', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let mut numbers = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    let plausible = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if numbers.next().is_some() || !plausible {
        return None;
    }
    let midnight = days(year, month, day) * 86_400;
    let Some(time) = time else {
        let stamp = Stamp { seconds: midnight, form: Form::DATE };
        return (write(midnight, Form::DATE) == text).then_some(stamp);
    };
    let (time, zone) = time.strip_suffix('Z').map_or((time, false), |time| (time, true));
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.split(':').map(str::parse::<i64>);
    let (hour, minute, second) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let plausible = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    let digits = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !plausible || !digits {
        return None;
    }
    let seconds = midnight + hour * 3600 + minute * 60 + second;
    let day_exists = date == write(midnight, Form::DATE);
    day_exists.then_some(Stamp { seconds, form: Form { time: true, fraction: fraction.len(), zone } })
}

/// Writes one; years beyond 0–9999 are cut to them.
pub(super) fn write(seconds: i64, form: Form) -> String {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let date = format!("{:04}-{month:02}-{day:02}", year.clamp(0, 9999));
    if !form.time {
        return date;
    }
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let fraction = if form.fraction == 0 { String::new() } else { format!(".{}", "0".repeat(form.fraction)) };
    let zone = if form.zone { "Z" } else { "" };
    format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}")
}

/// Days since 1970 of a day of the Gregorian calendar, counted in eras of 400 years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The day of the Gregorian calendar: the inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_alike() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2018-01-02T03:04:05", 1_514_862_245),
            ("2000-02-29", 951_782_400),
            ("2018-12-17T00:23:09.000000", 1_545_006_189),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            let stamp = parse(text).unwrap();
            assert_eq!(stamp.seconds, seconds, "{text}");
            assert_eq!(write(stamp.seconds, stamp.form), text);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "soon",
            "2024-13-01",
            "2023-02-29",
            "2024-01-01T24:00:00Z",
            "2024-01-01T10:00",
            "2024-1-1",
            "é-1-1",
            "2024-01-01Tx:y:z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
