//! Text that is safe to show, and its width.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Whether a character acts on the terminal or on the characters around it where it should be read: C0, DEL and C1
/// (ECMA-48), the bidirectional controls (UAX #9, the "Trojan Source" set), line separators, and characters that
/// take no room. Joiners stay: emoji and several scripts need them.
pub(super) fn is_control(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// `text` with its control characters written out: `\n`, `\t`, `\x1b`, `\u{202e}`. For people; it cannot be reversed,
/// as a backslash in the text stays as it is.
pub fn visible(text: &str) -> Cow<'_, str> {
    // Plain ASCII is the common case and needs no decoding.
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) || !text.chars().any(is_control);
    if plain {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        let _infallible = match c {
            '\n' => write!(shown, "\\n"),
            '\r' => write!(shown, "\\r"),
            '\t' => write!(shown, "\\t"),
            c if !is_control(c) => write!(shown, "{c}"),
            c if u32::from(c) < 0x100 => write!(shown, "\\x{:02x}", u32::from(c)),
            c => write!(shown, "\\u{{{:x}}}", u32::from(c)),
        };
    }
    Cow::Owned(shown)
}

/// How many columns of a terminal `text` takes; it holds no control characters.
pub fn display_width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.graphemes(true).map(UnicodeWidthStr::width).sum() }
}

/// Breaks `text` into lines of at most `width` columns: after a space where there is one in the last part of a line,
/// else between any two characters as a reader sees them. Nothing is dropped: the lines put together are the text.
/// One character that is wider than `width` gets a line of its own; a line may be one space too long.
pub(super) fn wrap(text: &str, width: usize) -> Vec<&str> {
    if display_width(text) <= width {
        return vec![text];
    }
    let mut lines = Vec::new();
    let mut start = 0;
    let mut used = 0;
    // Where the line could end with the least harm, and how wide what follows it is.
    let mut gap: Option<(usize, usize)> = None;
    for (at, grapheme) in text.grapheme_indices(true) {
        let wide = UnicodeWidthStr::width(grapheme);
        // A space that does not fit hangs over the edge, where it is not seen.
        let hangs = grapheme == " " && used <= width;
        if used + wide > width && at > start && !hangs {
            // A word longer than half a line is broken rather than leave the line half empty.
            let (end, rest) = gap.filter(|(_, rest)| *rest <= width / 2).unwrap_or((at, 0));
            lines.push(&text[start..end]);
            start = end;
            used = rest;
            gap = None;
        }
        used += wide;
        if let Some((_, rest)) = &mut gap {
            *rest += wide;
        }
        if grapheme == " " {
            gap = Some((at + 1, 0));
        }
    }
    lines.push(&text[start..]);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        let cases = [
            ("plain", "plain"),
            ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
            ("\u{1b}[31mred\u{7}", "\\x1b[31mred\\x07"),
            ("\u{9b}2J\u{7f}", "\\x9b2J\\x7f"),
            ("a\u{202e}b\u{2066}c\u{feff}", "a\\u{202e}b\\u{2066}c\\u{feff}"),
            ("line\u{2028}", "line\\u{2028}"),
            ("👩‍👩‍👧 日本", "👩‍👩‍👧 日本"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn widths_are_those_of_a_terminal() {
        for (text, width) in [("abc", 3), ("日本", 4), ("é", 1), ("e\u{301}", 1), ("👩‍👩‍👧", 2), ("", 0)]
        {
            assert_eq!(display_width(text), width, "{text}");
        }
    }

    #[test]
    fn wrapping_keeps_every_character_and_the_width() {
        for text in
            ["the quick  brown fox", "aaaaaaaaaaaaaaaaaaaaaaaaa", "日本語のテキスト", "a 👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧 b", "  lead", "x"]
        {
            for width in 2..12 {
                let lines = wrap(text, width);
                assert_eq!(lines.concat(), text);
                for line in &lines {
                    assert!(display_width(line.trim_end()) <= width, "{line:?} in {width}");
                }
            }
        }
        assert_eq!(wrap("the quick brown fox", 10), ["the quick ", "brown fox"]);
        assert_eq!(wrap("日本", 1), ["日", "本"]);
    }
}
