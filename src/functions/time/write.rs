//! `strftime`'s formats.

use std::fmt::Write;

use chrono::{Datelike, Timelike};
use datafusion::common::{Result, exec_err};

use super::instant::{Instant, second_of_minute};
use crate::functions::column::float_text;

/// The instant in a format; none where the calendar does not have it.
///
/// # Errors
/// When a letter after `%` is unknown.
pub(super) fn formatted(format: &str, instant: Instant) -> Result<Option<String>> {
    let Some(at) = instant.calendar() else { return Ok(None) };
    let mut out = String::with_capacity(format.len() * 2);
    let mut letters = format.chars();
    while let Some(c) = letters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let Some(letter) = letters.next() else { return exec_err!("`strftime`: the format ends after `%`") };
        let written = match letter {
            '%' => {
                out.push('%');
                Ok(())
            }
            'f' => write!(out, "{}", second_of_minute(at)),
            'J' => write!(out, "{}", float_text(instant.julian_day())),
            's' => write!(out, "{}", instant.unix_seconds()),
            'w' => write!(out, "{}", at.weekday().num_days_from_sunday()),
            'u' => write!(out, "{}", at.weekday().number_from_monday()),
            'W' => write!(out, "{:02}", (at.ordinal0() + 7 - at.weekday().num_days_from_monday()) / 7),
            'U' => write!(out, "{:02}", (at.ordinal0() + 7 - at.weekday().num_days_from_sunday()) / 7),
            'Y' => write!(out, "{:04}", at.year()),
            'P' => write!(out, "{}", if at.hour() < 12 { "am" } else { "pm" }),
            // Those that chrono has with the same meaning.
            'd' => write!(out, "{}", at.format("%d")),
            'e' => write!(out, "{}", at.format("%e")),
            'F' => write!(out, "{}", at.format("%Y-%m-%d")),
            'G' => write!(out, "{}", at.format("%G")),
            'g' => write!(out, "{}", at.format("%g")),
            'H' => write!(out, "{}", at.format("%H")),
            'I' => write!(out, "{}", at.format("%I")),
            'j' => write!(out, "{}", at.format("%j")),
            'k' => write!(out, "{}", at.format("%k")),
            'l' => write!(out, "{}", at.format("%l")),
            'm' => write!(out, "{}", at.format("%m")),
            'M' => write!(out, "{}", at.format("%M")),
            'p' => write!(out, "{}", at.format("%p")),
            'R' => write!(out, "{}", at.format("%H:%M")),
            'S' => write!(out, "{}", at.format("%S")),
            'T' => write!(out, "{}", at.format("%H:%M:%S")),
            'V' => write!(out, "{}", at.format("%V")),
            other => return exec_err!("`strftime`: there is no `%{other}`"),
        };
        if written.is_err() {
            return exec_err!("`strftime`: the time cannot be written");
        }
    }
    Ok(Some(out))
}
