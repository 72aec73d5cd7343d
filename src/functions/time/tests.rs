//! The wanted values are `sqlite3`'s (3.40), but for modifiers and formats that it does not know, which are NULL there.

use super::instant::Moment;
use super::*;

fn moment(time: &str, modifiers: &[&str]) -> Result<Option<Moment>> {
    let modifiers: Vec<Cow<'_, str>> = modifiers.iter().map(|&modifier| modifier.into()).collect();
    match Moment::of_text(time) {
        Some(moment) => moment.modified(&modifiers, "datetime"),
        None => Ok(None),
    }
}

fn datetime(time: &str, modifiers: &[&str]) -> String {
    let at = moment(time, modifiers).unwrap();
    at.map_or("NULL".to_owned(), |at| {
        format!("{} {}", at.instant.date().unwrap(), at.instant.time(at.subsecond).unwrap())
    })
}

#[test]
fn times_are_read_as_sqlite_reads_them() {
    for (time, wanted) in [
        ("2024-01-01", "2024-01-01 00:00:00"),
        ("2024-01-01 12:34", "2024-01-01 12:34:00"),
        ("2024-01-01 12:34:56.789", "2024-01-01 12:34:56"),
        ("2024-01-01T12:34:56Z", "2024-01-01 12:34:56"),
        ("2020-05-04T22:23:02.123456Z", "2020-05-04 22:23:02"),
        ("2024-01-01 12:00:00+02:00", "2024-01-01 10:00:00"),
        ("2024-01-01 12:00:00 -01:30", "2024-01-01 13:30:00"),
        ("12:34", "2000-01-01 12:34:00"),
        ("2460000.5", "2023-02-25 00:00:00"),
        ("2024-02-30", "2024-03-01 00:00:00"),
        ("nonsense", "NULL"),
        ("", "NULL"),
        ("2024-13-01", "NULL"),
        ("2024-01-32", "NULL"),
        ("2024-01-00", "NULL"),
        ("24-01-01", "NULL"),
        ("2024-01-01 25:00", "NULL"),
        ("2024-01-01 12:60", "NULL"),
        ("2024-01-01 12:34:56.", "NULL"),
        ("2024-01-01 12:34:5x", "NULL"),
        ("2024-01-01x", "NULL"),
        ("-1", "NULL"),
        ("1e300", "NULL"),
        ("NaN", "NULL"),
        ("2024-é1-01", "NULL"),
        ("1é:00", "NULL"),
    ] {
        assert_eq!(datetime(time, &[]), wanted, "{time}");
    }
}

#[test]
fn modifiers_move_as_in_sqlite() {
    for (time, modifiers, wanted) in [
        ("2024-01-31", &["+1 month"][..], "2024-03-02 00:00:00"),
        ("2024-02-29", &["+1 year"], "2025-03-01 00:00:00"),
        ("2024-03-31", &["-1 month"], "2024-03-02 00:00:00"),
        ("2024-01-01", &["+1.5 days"], "2024-01-02 12:00:00"),
        ("2024-01-01", &["+1.5 months"], "2024-02-16 00:00:00"),
        ("2024-01-01", &["-90 minutes"], "2023-12-31 22:30:00"),
        ("2024-01-01", &["+10 seconds", "-1 hours"], "2023-12-31 23:00:10"),
        ("2024-01-01", &["1 day"], "2024-01-02 00:00:00"),
        ("2024-01-01", &["+01:30"], "2024-01-01 01:30:00"),
        ("2024-01-01", &["-01:30:15"], "2023-12-31 22:29:45"),
        ("2024-01-31", &["+0001-01-01 01:00"], "2025-03-04 01:00:00"),
        ("2024-05-15 10:11:12", &["start of day"], "2024-05-15 00:00:00"),
        ("2024-05-15", &["start of month"], "2024-05-01 00:00:00"),
        ("2024-05-15", &["START OF YEAR"], "2024-01-01 00:00:00"),
        ("2024-05-15", &["start of month", "+1 month", "-1 day"], "2024-05-31 00:00:00"),
        ("2024-05-15", &["weekday 0"], "2024-05-19 00:00:00"),
        ("2024-05-15", &["weekday 3"], "2024-05-15 00:00:00"),
        ("1700000000", &["unixepoch"], "2023-11-14 22:13:20"),
        ("1700000000.5", &["unixepoch", "subsec"], "2023-11-14 22:13:20.500"),
        ("1700000000", &["auto"], "2023-11-14 22:13:20"),
        ("2460000.5", &["auto"], "2023-02-25 00:00:00"),
        ("1700000000", &[], "NULL"),
        ("2024-01-01", &["unixepoch"], "NULL"),
        ("9999-12-31", &["+1 day"], "NULL"),
        ("2024-01-01", &["+999999999999 years"], "NULL"),
        ("2024-01-01", &["+1e300 days"], "NULL"),
    ] {
        assert_eq!(datetime(time, modifiers), wanted, "{time} {modifiers:?}");
    }
}

#[test]
fn unknown_modifiers_are_errors() {
    for modifier in ["bogus", "localtime", "utc", "+1", "+1 fortnight", "weekday 7", "start of week", "é", "+", ""] {
        let error = moment("2024-01-01", &[modifier]).unwrap_err().to_string();
        assert!(error.contains("modifier"), "{error}");
    }
}

#[test]
fn formats_are_those_of_sqlite() {
    let at = |time: &str| moment(time, &[]).unwrap().unwrap().instant;
    let late = at("2024-05-15 10:11:12.345");
    for (format, wanted) in [
        ("%Y-%m-%d %H:%M:%S", "2024-05-15 10:11:12"),
        ("%j %w %W %s", "136 3 20 1715767872"),
        ("%f %%", "12.345 %"),
        ("%F %T %R", "2024-05-15 10:11:12 10:11"),
        ("%e|%k|%l|%I|%p|%P", "15|10|10|10|AM|am"),
        ("%G-%V-%u %g %U", "2024-20-3 24 19"),
        ("", ""),
        ("é", "é"),
    ] {
        assert_eq!(write::formatted(format, late).unwrap().unwrap(), wanted, "{format}");
    }
    assert!(write::formatted("%q", late).is_err());
    assert!(write::formatted("%", late).is_err());
    assert_eq!(write::formatted("%f", at("2024-01-01 12:34:59.9996")).unwrap().unwrap(), "59.999");
    assert_eq!(at("2024-01-01 12:00").julian_day().to_string(), "2460311");
    assert_eq!(at("2024-01-01").unix_seconds(), 1_704_067_200);
    assert_eq!(at("1969-12-31 23:59:59.5").unix_seconds(), -1);
}
