//! Hints: comments that begin with a plus, `/*+ AWAIT */`, wherever in a statement they stand.

use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::parse::place;
use crate::error::{Error, ErrorKind, Result, did_you_mean};

/// The hints of writes. Those without a meaning here are what other programs of this ecosystem say about their messages.
const AWAIT: &str = "AWAIT";
const WITHOUT_MEANING: [&str; 3] = ["NOSTATUS", "SHOWRESULTS", "REQUIRED"];

/// The words of a hint; nothing for any other token.
pub(super) fn hint(token: &Token) -> Option<&str> {
    match token {
        Token::Whitespace(Whitespace::MultiLineComment(text)) => text.strip_prefix('+'),
        _ => None,
    }
}

/// Whether a write says that it waits for what it starts.
///
/// # Errors
/// `Syntax` with its place for a hint that is not known: it would be an ordinary comment, and do nothing.
pub(super) fn awaits(tokens: &[TokenWithSpan]) -> Result<bool> {
    let mut awaits = false;
    for token in tokens {
        let words = hint(&token.token).unwrap_or_default();
        for word in words.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()) {
            let upper = word.to_uppercase();
            if upper == AWAIT {
                awaits = true;
            } else if !WITHOUT_MEANING.contains(&upper.as_str()) {
                let hint = did_you_mean(&upper, [AWAIT]);
                return Err(Error::new(ErrorKind::Syntax, format!("there is no hint `{word}`"))
                    .at(place(token))
                    .hint(hint.unwrap_or_else(|| "`/*+ AWAIT */` is; without the `+` it is a comment".to_owned())));
            }
        }
    }
    Ok(awaits)
}

/// Refuses hints where they would do nothing.
///
/// # Errors
/// `Unsupported` with its place.
pub(super) fn no_hints(tokens: &[TokenWithSpan], statement: &str) -> Result<()> {
    let Some(token) = tokens.iter().find(|token| hint(&token.token).is_some()) else { return Ok(()) };
    Err(Error::new(ErrorKind::Unsupported, format!("{statement} takes no hint"))
        .at(place(token))
        .hint("a plan of a write with `/*+ AWAIT */` waits; `SET await = true` makes every write wait"))
}
