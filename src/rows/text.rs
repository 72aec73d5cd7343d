//! The text inside JSON: escapes, and whitespace that means nothing.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The first index from `at` whose byte ends a plain run inside a string: `"`, `\` or a control character; or the
/// length.
///
/// Eight bytes at a time: a byte of `x - ONES * n & !x` has its high bit set if that byte of `x` is below `n`, and
/// the lowest such bit is exact (Anderson, "Bit Twiddling Hacks", *Determine if a word has a byte less than n*).
#[inline]
pub(super) fn plain_run_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let found = found & HIGH;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            break;
        }
        at += 1;
    }
    at
}

/// Appends what the inside of a JSON string (escapes already checked) means; `false` if it holds half of a surrogate
/// pair, which no text can hold.
pub(super) fn unescape(inner: &str, out: &mut String) -> bool {
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        let c = match chars.next() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('u') => {
                let Some((c, length)) = code_point(escape) else { return false };
                out.push(c);
                rest = escape.get(length..).unwrap_or_default();
                continue;
            }
            Some(c) => c,
            None => return false,
        };
        out.push(c);
        rest = chars.as_str();
    }
    out.push_str(rest);
    true
}

/// The character of `uXXXX` or `uXXXX\uXXXX` at the start of `escape`, and how many bytes it took.
fn code_point(escape: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u32::from_str_radix(escape.get(at..at + 4)?, 16).ok();
    let first = unit(1)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Some((char::from_u32(first)?, 5));
    }
    if escape.get(5..7) != Some("\\u") {
        return None;
    }
    let second = unit(7).filter(|unit| (0xDC00..0xE000).contains(unit))?;
    Some((char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))?, 11))
}

/// Appends well-formed JSON without the whitespace between its tokens; nothing else changes.
pub(super) fn compact(raw: &str, out: &mut String) {
    let bytes = raw.as_bytes();
    let mut from = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.push_str(raw.get(from..at).unwrap_or_default());
                at += 1;
                while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
                    at += 1;
                }
                from = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(raw.get(from..).unwrap_or_default());
}

/// The index after the string that opens at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        at = plain_run_end(bytes, at);
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') | None => return at + 1,
            Some(_) => at += 1,
        }
    }
}

/// At most `room` characters of `text`; what was cut is shown as `…`.
pub(super) fn shorten(text: &str, room: usize) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().nth(room).is_none() {
        return text.chars().map(printable).collect();
    }
    let mut short: String = text.chars().take(room.saturating_sub(1)).map(printable).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_surrogates_are_no_text() {
        for inner in [r"\ud800", r"\ud800x", r"\ud800\n", r"\ud800\u0041", r"\udc00", r"a\ud83d\ud83d"] {
            assert!(!unescape(inner, &mut String::new()), "{inner}");
        }
        let mut out = String::new();
        assert!(unescape(r#"a\/\"\\\u00e9\uD83D\ude00\u0000z"#, &mut out));
        assert_eq!(out, "a/\"\\é😀\0z");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äö…");
        assert_eq!(shorten("a\nb", 3), "a b");
    }

    proptest! {
        #[test]
        fn unescaping_undoes_what_a_writer_escapes(text in any::<String>()) {
            let written = serde_json::to_string(&text).unwrap();
            let mut out = String::new();
            prop_assert!(unescape(&written[1..written.len() - 1], &mut out));
            prop_assert_eq!(out, text);
        }

        #[test]
        fn escapes_agree_with_serde_json(text in r#"([a-zé]|\\[nrtbf/"\\]|\\u[0-9a-fA-F]{4}|\\ud8[0-3][0-9]\\ude[0-9]{2}){0,8}"#) {
            let theirs: Option<String> = serde_json::from_str(&format!("\"{text}\"")).ok();
            let mut out = String::new();
            let ours = unescape(&text, &mut out).then_some(out);
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn runs_end_where_a_slow_search_says(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), 0x1f..0x24_u8, 0x5a..0x5e_u8, 0x7e..0x82_u8], 0..40), at in 0_usize..20) {
            let slow = (at..bytes.len()).find(|&i| matches!(bytes[i], b'"' | b'\\' | 0..0x20)).unwrap_or(bytes.len().max(at));
            prop_assert_eq!(plain_run_end(&bytes, at), slow);
        }

        #[test]
        fn compacting_keeps_the_value(text in any::<String>(), space in "[ \n\t\r]{0,3}") {
            let quoted = serde_json::to_string(&text).unwrap();
            let raw = format!("{{{space}{quoted}{space}:{space}[{space}1e5{space},{space}{{}}{space}]{space}}}");
            let mut out = String::new();
            compact(&raw, &mut out);
            prop_assert_eq!(out, format!("{{{quoted}:[1e5,{{}}]}}"));
        }
    }
}
