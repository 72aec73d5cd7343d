//! `printf`, also called `format` (<https://sqlite.org/printf.html>).
//!
//! A width counts characters. An argument that is missing is NULL; a letter that is unknown is an error.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use datafusion::common::{Result, exec_err};

use super::column::Value;
use super::scalar::{Output, Scalar, texts};

/// As wide as a field may be.
const WIDEST: usize = 10_000;

pub(super) fn functions() -> Vec<Scalar> {
    ["printf", "format"]
        .into_iter()
        .map(|name| {
            Scalar::new(
                name,
                1..=usize::MAX,
                |_| Output::Text,
                |arguments| {
                    let Some((format, values)) = arguments.columns.split_first() else { return texts(0, |_| Ok(None)) };
                    texts(arguments.rows, |row| {
                        let Some(format) = format.text(row) else { return Ok(None) };
                        let values: Vec<Value<'_>> = values.iter().map(|column| column.value(row)).collect();
                        printf(&format, &values).map(Some)
                    })
                },
            )
        })
        .collect()
}

/// What stands between `%` and the letter.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Field {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    grouped: bool,
    width: usize,
    precision: Option<usize>,
}

fn printf(format: &str, values: &[Value<'_>]) -> Result<String> {
    let mut out = String::with_capacity(format.len());
    let mut values = values.iter().copied();
    let mut letters = format.chars().peekable();
    while let Some(c) = letters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut next = || values.next().unwrap_or(Value::Null);
        let field = field(&mut letters, &mut next)?;
        let Some(letter) = letters.next() else { return exec_err!("`printf`: the format ends after `%`") };
        match letter {
            '%' => out.push('%'),
            'n' => {}
            'd' | 'i' => out.push_str(&field.number(&field.integer(integer(next())))),
            'u' => out.push_str(&field.number(&field.digits(integer(next()).cast_unsigned().to_string()))),
            'x' | 'X' | 'o' | 'p' => out.push_str(&field.number(&field.based(letter, integer(next()).cast_unsigned()))),
            'f' | 'e' | 'E' | 'g' | 'G' => out.push_str(&field.float(letter, float(next()))),
            's' | 'z' => {
                let text = next().text().unwrap_or_default();
                out.push_str(&field.text(&text));
            }
            'c' => {
                let text = next().text().unwrap_or_default();
                let first: String = text.chars().take(1).collect();
                out.push_str(&field.padded(&first.repeat(field.precision.unwrap_or(1).max(1))));
            }
            'q' => out.push_str(&field.text(&quoted(next(), '\'').unwrap_or("(NULL)".into()))),
            'w' => out.push_str(&field.text(&quoted(next(), '"').unwrap_or("(NULL)".into()))),
            'Q' => {
                let text = quoted(next(), '\'').map_or("NULL".to_owned(), |text| format!("'{text}'"));
                out.push_str(&field.text(&text));
            }
            other => return exec_err!("`printf`: there is no `%{other}`"),
        }
    }
    Ok(out)
}

fn field<'v>(letters: &mut Peekable<Chars<'_>>, next: &mut impl FnMut() -> Value<'v>) -> Result<Field> {
    let mut field = Field::default();
    while let Some(c) = letters.peek() {
        match c {
            '-' => field.left = true,
            '+' => field.plus = true,
            ' ' => field.space = true,
            '0' => field.zero = true,
            '#' => field.alternate = true,
            ',' => field.grouped = true,
            '!' => {}
            _ => break,
        }
        letters.next();
    }
    if let Some(width) = count(letters, next) {
        field.left |= width < 0;
        field.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
    }
    if letters.next_if_eq(&'.').is_some() {
        let precision = count(letters, next).unwrap_or(0);
        field.precision = Some(usize::try_from(precision.unsigned_abs()).unwrap_or(usize::MAX));
    }
    while letters.next_if_eq(&'l').is_some() {}
    if field.width > WIDEST || field.precision.is_some_and(|precision| precision > WIDEST) {
        return exec_err!("`printf`: a field is wider than {WIDEST} characters");
    }
    Ok(field)
}

/// Digits, or `*` for the next argument.
fn count<'v>(letters: &mut Peekable<Chars<'_>>, next: &mut impl FnMut() -> Value<'v>) -> Option<i64> {
    if letters.next_if_eq(&'*').is_some() {
        return Some(integer(next()));
    }
    let mut digits = String::new();
    while let Some(digit) = letters.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    (!digits.is_empty()).then(|| digits.parse().unwrap_or(i64::MAX))
}

impl Field {
    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        }
    }

    /// Sign and digits of a whole number.
    fn integer(&self, number: i64) -> (&'static str, String) {
        let (_, digits) = self.digits(number.unsigned_abs().to_string());
        (self.sign(number < 0), digits)
    }

    /// Digits with at least the precision's count of them, in groups where they are asked for.
    fn digits(&self, digits: String) -> (&'static str, String) {
        let missing = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let digits = if missing > 0 { "0".repeat(missing) + &digits } else { digits };
        ("", if self.grouped { grouped(&digits) } else { digits })
    }

    fn based(&self, letter: char, number: u64) -> (&'static str, String) {
        let (prefix, digits) = match letter {
            'o' => ("0", format!("{number:o}")),
            'X' => ("0X", format!("{number:X}")),
            'p' => ("0x", format!("{number:X}")),
            _ => ("0x", format!("{number:x}")),
        };
        let (_, digits) = self.digits(digits);
        (if self.alternate && number != 0 { prefix } else { "" }, digits)
    }

    /// A number in its width: zeros stand between the sign and the digits.
    fn number(&self, (sign, digits): &(&'static str, String)) -> String {
        let length = sign.len() + digits.len();
        if self.zero && !self.left && length < self.width {
            return format!("{sign}{}{digits}", "0".repeat(self.width - length));
        }
        self.padded(&format!("{sign}{digits}"))
    }

    fn float(&self, letter: char, number: f64) -> String {
        let sign = self.sign(number.is_sign_negative() && !number.is_nan() && number != 0.0);
        if !number.is_finite() {
            return self.padded(if number.is_nan() {
                "NaN"
            } else if sign == "-" {
                "-Inf"
            } else {
                "Inf"
            });
        }
        let size = number.abs();
        let precision = self.precision.unwrap_or(6);
        let digits = match letter {
            'f' => format!("{size:.precision$}"),
            'e' | 'E' => exponential(size, precision),
            _ => self.general(size, precision.max(1)),
        };
        let digits = if self.grouped && letter == 'f' {
            let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
            grouped(whole) + rest
        } else {
            digits
        };
        let digits = if letter.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        self.number(&(sign, digits))
    }

    /// `%g`: so many significant digits, in the shorter form.
    fn general(&self, size: f64, precision: usize) -> String {
        let written = exponential(size, precision - 1);
        let exponent: i32 = written.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
        let fixed = i32::try_from(precision).is_ok_and(|precision| (-4..precision).contains(&exponent));
        let written = if fixed {
            let after = usize::try_from(i64::try_from(precision).unwrap_or(0) - 1 - i64::from(exponent)).unwrap_or(0);
            format!("{size:.after$}")
        } else {
            written
        };
        if self.alternate {
            return written;
        }
        let (digits, power) = written.split_at(written.find('e').unwrap_or(written.len()));
        let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
        format!("{digits}{power}")
    }

    /// Text, cut where a precision says so.
    fn text(&self, text: &str) -> String {
        match self.precision {
            Some(precision) => self.padded(&text.chars().take(precision).collect::<String>()),
            None => self.padded(text),
        }
    }

    fn padded(&self, text: &str) -> String {
        let padding = " ".repeat(self.width.saturating_sub(text.chars().count()));
        if self.left { format!("{text}{padding}") } else { format!("{padding}{text}") }
    }
}

/// `3.14e+04`, with at least two digits after the `e`.
fn exponential(size: f64, precision: usize) -> String {
    let written = format!("{size:.precision$e}");
    let Some((digits, power)) = written.split_once('e') else { return written };
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}e{sign}{power:0>2}")
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn quoted(value: Value<'_>, quote: char) -> Option<Cow<'_, str>> {
    let text = value.text()?;
    Some(if text.contains(quote) { Cow::Owned(text.replace(quote, &format!("{quote}{quote}"))) } else { text })
}

/// The whole number that a value begins with; 0 where there is none.
#[expect(clippy::cast_possible_truncation, reason = "as SQLite: the nearest number that fits")]
fn integer(value: Value<'_>) -> i64 {
    match value {
        Value::Null => 0,
        Value::Boolean(truth) => i64::from(truth),
        Value::Integer(number) => number,
        Value::Unsigned(number) => i64::try_from(number).unwrap_or(i64::MAX),
        Value::Float(number) => number as i64,
        Value::Decimal(text) | Value::Text(text) | Value::Json(text) => {
            let text = text.trim_start();
            let digits = text.char_indices().position(|(at, c)| !(c.is_ascii_digit() || at == 0 && "+-".contains(c)));
            let number = &text[..digits.unwrap_or(text.len())];
            // Too many digits for 64 bits: the nearest.
            let nearest = || if number.starts_with('-') { i64::MIN } else { i64::MAX };
            number.parse().unwrap_or_else(|_| if number.len() > 18 { nearest() } else { 0 })
        }
    }
}

/// The number that a value begins with; 0 where there is none.
#[expect(clippy::cast_precision_loss, reason = "a number for `%f`")]
fn float(value: Value<'_>) -> f64 {
    match value {
        Value::Float(number) => number,
        Value::Unsigned(number) => number as f64,
        Value::Decimal(text) | Value::Text(text) | Value::Json(text) => {
            let text = text.trim_start();
            let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(text.len());
            (0..=end).rev().find_map(|end| text.get(..end)?.parse().ok()).unwrap_or(0.0)
        }
        other => integer(other) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wanted texts are `sqlite3`'s (3.40).
    #[test]
    fn fields_are_written_as_sqlite_writes_them() {
        use Value::{Float, Integer, Null, Text, Unsigned};
        let abc = Text("abc");
        for (format, values, wanted) in [
            ("%d|%5d|%-5d|%05d|%+d|% d", vec![Integer(42); 6], "42|   42|42   |00042|+42| 42"),
            (
                "%,d|%,d|%,.2f",
                vec![Integer(1_234_567), Integer(-1_234_567), Float(1234.5)],
                "1,234,567|-1,234,567|1,234.50",
            ),
            ("%f|%.2f|%8.3f", vec![Float(2.54321); 3], "2.543210|2.54|   2.543"),
            ("%e|%+.1e", vec![Float(31415.9), Float(12345.678)], "3.141590e+04|+1.2e+04"),
            (
                "%g|%G|%g|%g|%.10g|%g|%#g",
                vec![
                    Float(0.000_012_34),
                    Float(1e20),
                    Integer(100_000),
                    Integer(1_000_000),
                    Float(0.1),
                    Integer(123_456_789),
                    Float(1.5),
                ],
                "1.234e-05|1E+20|100000|1e+06|0.1|1.23457e+08|1.50000",
            ),
            ("%s|%5s|%-5s|%.2s|%c|%%", vec![abc, abc, abc, abc, Text("xyz")], "abc|  abc|abc  |ab|x|%"),
            (
                "%q|%Q|%w|%Q|%q",
                vec![Text("it's"), Text("it's"), Text("a\"b"), Null, Null],
                "it''s|'it''s'|a\"\"b|NULL|(NULL)",
            ),
            (
                "%x|%X|%o|%#x|%08x",
                vec![Integer(255), Integer(255), Integer(8), Integer(255), Integer(255)],
                "ff|FF|10|0xff|000000ff",
            ),
            ("%s|%d|%f", vec![Null; 3], "|0|0.000000"),
            ("%d|%d|%s|%d", vec![Text("12abc"), Float(3.99), Float(3.0)], "12|3|3.0|0"),
            ("%*d|%.*f", vec![Integer(5), Integer(42), Integer(2), Float(2.54321)], "   42|2.54"),
            ("%5.1f%%", vec![Float(45.678)], " 45.7%"),
            ("%u|%i", vec![Integer(-1), Integer(i64::MAX)], "18446744073709551615|9223372036854775807"),
            (
                "%d|%s",
                vec![Text("123456789012345678901234567890"), Unsigned(u64::MAX)],
                "9223372036854775807|18446744073709551615",
            ),
            ("%5s|%c", vec![Text("é"), Text("日本")], "    é|日"),
            ("%f", vec![Text("1.5e1x")], "15.000000"),
            ("%.3d", vec![Integer(-7)], "-007"),
            ("no fields", vec![abc], "no fields"),
        ] {
            assert_eq!(printf(format, &values).unwrap(), wanted, "{format}");
        }
        for wrong in ["%", "%y", "%10001d", "%.99999999999999999999f"] {
            assert!(printf(wrong, &[Integer(1)]).is_err(), "{wrong}");
        }
    }
}
