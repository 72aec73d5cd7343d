//! `<<<json … >>>` at the beginning of a script: data for its template, as StackQL has it.

use serde_json::{Map, Value};

use super::merge_into;
use crate::error::{Error, ErrorKind, Position, Result};

const OPEN: &str = "<<<";
const CLOSE: &str = ">>>";

/// Whether a text begins with a block of data.
pub(super) fn begins(text: &str) -> bool {
    skip_blanks(text, 0).is_some_and(|at| text[at..].starts_with(OPEN))
}

/// The data of the blocks at the beginning, later ones first in rank, and the text with blanks in their place.
pub(super) fn cut(text: &str) -> Result<(Map<String, Value>, String)> {
    let mut data = Map::new();
    let mut rest = text.to_owned();
    let mut from = 0;
    while let Some(start) = skip_blanks(text, from).filter(|at| text[*at..].starts_with(OPEN)) {
        let end = block(text, start, &mut data)?;
        let blank: String = text[start..end]
            .bytes()
            .map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' })
            .collect();
        rest.replace_range(start..end, &blank);
        from = end;
    }
    Ok((data, rest))
}

/// Where the first thing stands that is neither blank nor a comment of one line.
fn skip_blanks(text: &str, mut at: usize) -> Option<usize> {
    loop {
        let rest = text.get(at..)?;
        at += rest.len() - rest.trim_start().len();
        if !text[at..].starts_with("--") {
            return (at < text.len()).then_some(at);
        }
        at += text[at..].find('\n')?;
    }
}

/// Reads the block that begins at `start`; gives where it ends.
fn block(text: &str, start: usize, data: &mut Map<String, Value>) -> Result<usize> {
    let place = |at: usize| Position::of_byte(text, at);
    let after = start + OPEN.len();
    let kind: String = text[after..].chars().take_while(char::is_ascii_alphanumeric).collect();
    match kind.as_str() {
        "json" => {}
        "jsonnet" => {
            return Err(Error::new(ErrorKind::Unsupported, "a `<<<jsonnet` block is not evaluated")
                .at(place(start))
                .hint("write it as `<<<json`, or give what `jsonnet FILE` prints with `--data`"));
        }
        _ => {
            return Err(Error::new(ErrorKind::Syntax, format!("`<<<{kind}` is no block of data"))
                .at(place(start))
                .hint("a block is `<<<json {…} >>>`"));
        }
    }
    let from = after + kind.len();
    let mut values = serde_json::Deserializer::from_str(&text[from..]).into_iter::<Value>();
    let value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) => {
            let inner = Position { line: error.line().max(1) as u64, column: error.column().max(1) as u64 };
            let said = error.to_string();
            let said = said.rsplit_once(" at line").map_or(said.as_str(), |(said, _)| said);
            return Err(Error::new(ErrorKind::Syntax, format!("the `<<<json` block is not JSON: {said}"))
                .at(inner.within(place(from))));
        }
        None => return Err(Error::new(ErrorKind::Syntax, "the `<<<json` block is empty").at(place(start))),
    };
    let Value::Object(members) = value else {
        return Err(Error::new(ErrorKind::Syntax, "the `<<<json` block must hold an object").at(place(start)));
    };
    let ended = from + values.byte_offset();
    let close = ended + (text[ended..].len() - text[ended..].trim_start().len());
    if !text[close..].starts_with(CLOSE) {
        return Err(
            Error::new(ErrorKind::Syntax, "the `<<<json` block has no `>>>` behind its object").at(place(close))
        );
    }
    merge_into(data, members);
    Ok(close + CLOSE.len())
}
