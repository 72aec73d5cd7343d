//! Text → numbers and points in time, exactly or not at all.

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::string_to_datetime;

use super::reader::number_end;

/// Whether the whole text is a JSON number.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && number_end(text.as_bytes(), 0) == Ok(text.len())
}

/// The integer that a JSON number is, if it is one and fits 64 bits; decided on the digits, without rounding.
pub(super) fn integer(number: &str) -> Option<i64> {
    if let Ok(value) = number.parse() {
        return Some(value);
    }
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut digits = format!("{whole}{fraction}");
    if digits.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
        return Some(0);
    }
    let shift = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    match usize::try_from(shift) {
        // i64 has 19 digits.
        Ok(zeros) if zeros <= 19 => digits.extend(std::iter::repeat_n('0', zeros)),
        Ok(_) => return None,
        Err(_) => {
            let drop = usize::try_from(shift.checked_neg()?).ok()?;
            let keep = digits.len().checked_sub(drop)?;
            if digits.split_off(keep).bytes().any(|byte| byte != b'0') {
                return None;
            }
        }
    }
    digits.parse().ok()
}

/// The nearest 64-bit float of a JSON number; nothing if it is beyond their range.
pub(super) fn float(number: &str) -> Option<f64> {
    number.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Microseconds since 1970 of an RFC 3339 text, or one with a space for `T`, without a zone (UTC), or of a date alone.
pub(super) fn timestamp(text: &str, utc: Tz) -> Option<i64> {
    // The parser cuts by bytes.
    if !text.is_ascii() {
        return None;
    }
    string_to_datetime(&utc, text).ok().map(|time| time.timestamp_micros())
}

/// Microseconds since 1970 of a JSON number of whole Unix seconds.
pub(super) fn unix_seconds(number: &str) -> Option<i64> {
    integer(number)?.checked_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_exact() {
        for (text, value) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-0.0", Some(0)),
            ("0e99", Some(0)),
            ("5.0", Some(5)),
            ("5.000", Some(5)),
            ("-5.0", Some(-5)),
            ("1e3", Some(1000)),
            ("1.5E+3", Some(1500)),
            ("1500e-2", Some(15)),
            ("1500e-3", None),
            ("1.5", None),
            ("1e-1", None),
            ("10e-1", Some(1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775807.0", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("4503599627370497.00000001", None),
            ("1e18", Some(1_000_000_000_000_000_000)),
            ("1e19", None),
            ("1e999999999999", None),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", None),
        ] {
            assert_eq!(integer(text), value, "{text}");
        }
    }

    #[test]
    fn only_json_numbers_are_numbers() {
        for text in ["0", "-1", "1.5", "1e5", "-0.0E-7"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "-", "+1", "01", "1.", ".5", "1e", " 1", "1 ", "0x1", "NaN", "1_000", "inf"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn floats_stay_in_range() {
        assert_eq!(float("1.5e3"), Some(1500.0));
        assert_eq!(float("1e999"), None);
        assert_eq!(float("1e-999"), Some(0.0));
    }

    #[test]
    fn timestamps_are_read_in_every_common_form() {
        const BASE: i64 = 1_599_572_549_000_000;
        let utc: Tz = "+00:00".parse().unwrap();
        for (text, value) in [
            ("2020-09-08T13:42:29Z", Some(BASE)),
            ("2020-09-08t13:42:29z", Some(BASE)),
            ("2020-09-08 13:42:29", Some(BASE)),
            ("2020-09-08T13:42:29", Some(BASE)),
            ("2020-09-08T15:42:29+02:00", Some(BASE)),
            ("2020-09-08T13:42:29.190Z", Some(BASE + 190_000)),
            ("2020-09-08T13:42:29.123456789Z", Some(BASE + 123_456)),
            ("2020-09-08", Some(1_599_523_200_000_000)),
            ("1969-12-31T23:59:59Z", Some(-1_000_000)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000_000)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799_000_000)),
            ("", None),
            ("now", None),
            ("2020-13-08T13:42:29Z", None),
            ("2020-02-30", None),
            ("2020-09-08T25:00:00Z", None),
            ("2020-09-08T13:42", None),
            ("20200908", None),
            ("1599572549", None),
            ("2020-09-08T13:42:29é", None),
            ("2020-09-08T13:42:29 nowhere", None),
        ] {
            assert_eq!(timestamp(text, utc), value, "{text}");
        }
        assert_eq!(unix_seconds("1599572549"), Some(BASE));
        assert_eq!(unix_seconds("-1"), Some(-1_000_000));
        assert_eq!(unix_seconds("1.5"), None);
        assert_eq!(unix_seconds("9223372036854775807"), None);
    }

    proptest! {
        #[test]
        fn a_scaled_integer_is_the_same_integer(value in any::<i64>(), zeros in 0_usize..5) {
            prop_assert_eq!(integer(&value.to_string()), Some(value));
            prop_assert_eq!(integer(&format!("{value}.{}", "0".repeat(zeros + 1))), Some(value));
            prop_assert_eq!(integer(&format!("{value}{}e-{zeros}", "0".repeat(zeros))), Some(value));
        }

        #[test]
        fn no_text_panics(text in any::<String>(), time in "2020-09-08.[0-9:.+zZ -]{0,24}") {
            let utc: Tz = "+00:00".parse().unwrap();
            let _ = timestamp(&text, utc);
            let _ = timestamp(&time, utc);
        }
    }
}
