//! The tokens of a text that is still being typed: every text has some, also one with a string left open.
//!
//! What runs is read by sqlparser's tokenizer, which refuses such texts; this one is for colours, brackets and completion.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Space,
    Comment,
    /// A keyword or a name; `@name` too.
    Word,
    /// A name in quotes.
    Quoted,
    /// A string.
    Text,
    Number,
    /// `(`, `[`, `{`
    Open,
    /// `)`, `]`, `}`
    Close,
    /// Any other character, by itself.
    Symbol,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// In bytes.
    pub(super) start: usize,
    pub(super) text: &'a str,
    /// Whether a comment, string or quoted name ends; other tokens always do.
    pub(super) closed: bool,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.kind, Kind::Symbol | Kind::Open | Kind::Close) && self.text == symbol
    }

    /// A keyword or name, without its quotes.
    pub(super) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_owned()),
            Kind::Quoted => {
                let quote = self.text.chars().next()?;
                let inner = &self.text[quote.len_utf8()..];
                let inner = if self.closed { inner.strip_suffix(quote).unwrap_or(inner) } else { inner };
                Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            _ => None,
        }
    }
}

/// All tokens; put together they are the text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        let escapes = tokens.last().is_some_and(|last| last.is_word("E"));
        let (kind, length, closed) = read(rest, first, escapes);
        let length = length.max(first.len_utf8());
        tokens.push(Token { kind, start, text: &rest[..length], closed });
        start += length;
    }
    tokens
}

fn read(rest: &str, first: char, escapes: bool) -> (Kind, usize, bool) {
    let whole = |kind: Kind, length: usize| (kind, length, true);
    match first {
        c if c.is_whitespace() => whole(Kind::Space, while_all(rest, char::is_whitespace)),
        '-' if rest.starts_with("--") => whole(Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => {
            let (length, closed) = block_comment(rest);
            (Kind::Comment, length, closed)
        }
        '\'' => {
            let (length, closed) = quoted(rest, '\'', escapes);
            (Kind::Text, length, closed)
        }
        '"' | '`' => {
            let (length, closed) = quoted(rest, first, false);
            (Kind::Quoted, length, closed)
        }
        '$' => match dollar_tag(rest) {
            Some(tag) => match rest[tag.len()..].find(tag) {
                Some(at) => whole(Kind::Text, at + 2 * tag.len()),
                None => (Kind::Text, rest.len(), false),
            },
            None => whole(Kind::Symbol, 1),
        },
        c if c.is_ascii_digit() => whole(Kind::Number, number(rest)),
        c if c.is_alphabetic() || matches!(c, '_' | '@' | '#') => whole(Kind::Word, while_all(rest, is_name_part)),
        '(' | '[' | '{' => whole(Kind::Open, 1),
        ')' | ']' | '}' => whole(Kind::Close, 1),
        other => whole(Kind::Symbol, other.len_utf8()),
    }
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@' | '#' | '$')
}

fn while_all(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !holds(c)).unwrap_or(text.len())
}

/// `1`, `1.5`, `1e-9`: near enough for a text that is not whole yet.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') && bytes.get(length + 1).is_some_and(u8::is_ascii_digit) {
        length += 1 + digits(length + 1);
    }
    let exponent = length > 0 && matches!(bytes[length - 1], b'e' | b'E');
    if exponent && matches!(bytes.get(length), Some(b'-' | b'+')) {
        length += 1 + digits(length + 1);
    }
    length
}

/// The length up to the closing quote, of which two stand for one.
fn quoted(text: &str, quote: char, escapes: bool) -> (usize, bool) {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = letters.next() {
        if c == '\\' && escapes {
            letters.next();
        } else if c == quote {
            if letters.peek().is_some_and(|(_, next)| *next == quote) {
                letters.next();
            } else {
                return (at + quote.len_utf8(), true);
            }
        }
    }
    (text.len(), false)
}

fn block_comment(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return (at, true);
                }
            }
            _ => at += 1,
        }
    }
    (text.len(), false)
}

/// `$$` or `$tag$` at the start of a text.
fn dollar_tag(text: &str) -> Option<&str> {
    let length = 1 + text[1..].find('$')?;
    let tag = &text[1..length];
    let named = tag.chars().all(|c| c.is_alphanumeric() || c == '_') && !tag.starts_with(|c: char| c.is_ascii_digit());
    named.then(|| &text[..=length])
}

#[cfg(test)]
mod tests {
    use super::*;

    type Said<'a> = (Kind, &'a str, bool);

    fn said(text: &str) -> Vec<Said<'_>> {
        let counting = tokens(text).into_iter().filter(|token| token.kind != Kind::Space);
        counting.map(|token| (token.kind, token.text, token.closed)).collect()
    }

    #[test]
    fn every_text_has_tokens() {
        use Kind::{Close, Comment, Number, Open, Quoted, Symbol, Text, Word};
        let cases: Vec<(&str, Vec<Said<'_>>)> = vec![
            ("a.\"b\"\"c", vec![(Word, "a", true), (Symbol, ".", true), (Quoted, "\"b\"\"c", false)]),
            (
                "x = 'it''s' -- n",
                vec![(Word, "x", true), (Symbol, "=", true), (Text, "'it''s'", true), (Comment, "-- n", true)],
            ),
            ("E'a\\'b' 'c\\'", vec![(Word, "E", true), (Text, "'a\\'b'", true), (Text, "'c\\'", true)]),
            ("/* /* */ x", vec![(Comment, "/* /* */ x", false)]),
            ("$a$ ; $b$ $a$;", vec![(Text, "$a$ ; $b$ $a$", true), (Symbol, ";", true)]),
            (
                "$1 + 1.5e-3",
                vec![(Symbol, "$", true), (Number, "1", true), (Symbol, "+", true), (Number, "1.5e-3", true)],
            ),
            (
                "f(@x, [1)",
                vec![
                    (Word, "f", true),
                    (Open, "(", true),
                    (Word, "@x", true),
                    (Symbol, ",", true),
                    (Open, "[", true),
                    (Number, "1", true),
                    (Close, ")", true),
                ],
            ),
            ("größe '日", vec![(Word, "größe", true), (Text, "'日", false)]),
            ("\u{0}\u{1b}🦀", vec![(Symbol, "\u{0}", true), (Symbol, "\u{1b}", true), (Symbol, "🦀", true)]),
        ];
        for (text, wanted) in cases {
            assert_eq!(said(text), wanted, "{text}");
            let joined: String = tokens(text).iter().map(|token| token.text).collect();
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn names_lose_their_quotes() {
        for (text, name) in [("ab", "ab"), ("\"a\"\"b\"", "a\"b"), ("`a", "a"), ("\"", "")] {
            assert_eq!(tokens(text)[0].name().as_deref(), Some(name), "{text}");
        }
    }
}
