//! SQL in colours, and the bracket that belongs to the one at the cursor.

use std::borrow::Cow;

use super::lexer::{Kind, Token, tokens};
use super::words::is_keyword;

const KEYWORD: &str = "1;34";
const FUNCTION: &str = "36";
const STRING: &str = "32";
const NUMBER: &str = "35";
const COMMENT: &str = "2";
const COMMAND: &str = "1;36";
const PAIR: &str = "1;7";
const ALONE: &str = "1;31";

/// Longer texts, pasted ones, are not coloured: they are looked at again with every key.
const LONGEST: usize = 20_000;

/// `text` as it is shown while it is typed. `cursor`, in bytes, is where a bracket's other half is looked for.
pub(super) fn highlighted(text: &str, cursor: Option<usize>) -> Cow<'_, str> {
    if text.is_empty() || text.len() > LONGEST {
        return Cow::Borrowed(text);
    }
    if text.trim_start().starts_with('\\') {
        let blank = text.len() - text.trim_start().len();
        let end = blank + text[blank..].find(char::is_whitespace).unwrap_or(text.len() - blank);
        return Cow::Owned(format!(
            "{}\u{1b}[{COMMAND}m{}\u{1b}[0m{}",
            &text[..blank],
            &text[blank..end],
            &text[end..]
        ));
    }
    let tokens = tokens(text);
    let marks = cursor.map_or([None, None], |cursor| brackets(&tokens, cursor));
    let mut shown = String::with_capacity(text.len() * 2);
    for (index, token) in tokens.iter().enumerate() {
        let mark = marks.iter().flatten().find(|(at, _)| *at == index).map(|(_, style)| *style);
        match mark.or_else(|| style(token, tokens.get(index + 1))) {
            Some(style) => {
                shown.push_str("\u{1b}[");
                shown.push_str(style);
                shown.push('m');
                shown.push_str(token.text);
                shown.push_str("\u{1b}[0m");
            }
            None => shown.push_str(token.text),
        }
    }
    Cow::Owned(shown)
}

fn style(token: &Token<'_>, next: Option<&Token<'_>>) -> Option<&'static str> {
    match token.kind {
        Kind::Comment => Some(COMMENT),
        Kind::Text => Some(STRING),
        Kind::Number => Some(NUMBER),
        Kind::Word if is_keyword(token.text) => Some(KEYWORD),
        Kind::Word if next.is_some_and(|next| next.text == "(") => Some(FUNCTION),
        _ => None,
    }
}

type Mark = Option<(usize, &'static str)>;

/// The bracket at the cursor or just before it, and the one that belongs to it: tokens and their styles.
fn brackets(tokens: &[Token<'_>], cursor: usize) -> [Mark; 2] {
    let is_bracket = |token: &Token<'_>| matches!(token.kind, Kind::Open | Kind::Close);
    let at = |place: usize| tokens.iter().position(|token| token.start == place && is_bracket(token));
    let Some(here) = at(cursor).or_else(|| cursor.checked_sub(1).and_then(at)) else { return [None, None] };
    match partner(tokens, here) {
        Some(there) => [Some((here, PAIR)), Some((there, PAIR))],
        // One that is opened and not closed yet is no mistake.
        None if tokens[here].kind == Kind::Open => [None, None],
        None => [Some((here, ALONE)), None],
    }
}

/// The other half of the bracket at `here`.
fn partner(tokens: &[Token<'_>], here: usize) -> Option<usize> {
    let forward = tokens[here].kind == Kind::Open;
    let mut open: Vec<&str> = Vec::new();
    let order: Box<dyn Iterator<Item = usize>> =
        if forward { Box::new(here..tokens.len()) } else { Box::new((0..=here).rev()) };
    for index in order {
        let token = &tokens[index];
        match (token.kind, forward) {
            (Kind::Open, true) | (Kind::Close, false) => open.push(token.text),
            (Kind::Close, true) | (Kind::Open, false) => {
                let last = open.pop()?;
                let (left, right) = if forward { (last, token.text) } else { (token.text, last) };
                if !matches!((left, right), ("(", ")") | ("[", "]") | ("{", "}")) {
                    return None;
                }
                if open.is_empty() {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Styles as tags.
    fn shown(text: &str, cursor: Option<usize>) -> String {
        let mut shown = highlighted(text, cursor).into_owned();
        for (style, name) in [
            (KEYWORD, "k"),
            (FUNCTION, "f"),
            (STRING, "s"),
            (NUMBER, "n"),
            (COMMENT, "c"),
            (COMMAND, "m"),
            (PAIR, "pair"),
            (ALONE, "alone"),
            ("0", "/"),
        ] {
            shown = shown.replace(&format!("\u{1b}[{style}m"), &format!("<{name}>"));
        }
        shown
    }

    #[test]
    fn what_is_typed_is_coloured() {
        for (text, wanted) in [
            ("select id from t", "<k>select</> id <k>from</> t"),
            ("SELECT count(*), 'a''b', 1 -- n", "<k>SELECT</> <f>count</>(*), <s>'a''b'</>, <n>1</> <c>-- n</>"),
            ("WHERE \"from\" = 'op", "<k>WHERE</> \"from\" = <s>'op</>"),
            (" \\d linode", " <m>\\d</> linode"),
            ("EXEC a.b.c.d @x = 1", "<k>EXEC</> a.b.c.d @x = <n>1</>"),
            ("", ""),
        ] {
            assert_eq!(shown(text, None), wanted, "{text}");
        }
    }

    #[test]
    fn a_bracket_shows_its_other_half() {
        for (text, cursor, wanted) in [
            ("f(a, (b))", 9, "<f>f</><pair>(</>a, (b)<pair>)</>"),
            ("f(a, (b))", 5, "<f>f</>(a, <pair>(</>b<pair>)</>)"),
            ("(')')", 0, "<pair>(</><s>')'</><pair>)</>"),
            ("a)", 2, "a<alone>)</>"),
            ("(a]", 3, "(a<alone>]</>"),
            ("(a", 0, "(a"),
            ("(a)", 2, "<pair>(</>a<pair>)</>"),
            ("x", 1, "x"),
        ] {
            assert_eq!(shown(text, Some(cursor)), wanted, "{text} at {cursor}");
        }
    }
}
