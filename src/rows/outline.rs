//! What an answer says beside its items, found without reading those.
//!
//! The envelope is read up to the first item, and again behind the last one, which is found from the answer's end. No
//! more is looked at than [`REACH`] bytes at either end, so it costs next to nothing, whatever the answer's length.
//! *Not checked*: the items, and what stands between. Where more stands behind them than is looked at, what is found may
//! belong to another object. Who needs an answer that is right reads all of it.

use serde_json::Value;

use super::decode::START;
use super::layout::Layout;
use super::reader::{Mark, Reader};
use super::walk::{State, Walk};

/// How far from either end of an answer is looked.
const REACH: usize = 4 * 1024;

/// The value at each of the layout's captured paths, as far as it stands beside the items near either end of the answer;
/// none where that cannot be told without reading them.
pub fn outline(body: &[u8], layout: &Layout) -> Option<Vec<Option<Value>>> {
    let head = text_of(body.get(..REACH).unwrap_or(body));
    let mut state = State::new(layout);
    let at = Walk::new(Reader::new(head, Mark::default(), START, true), layout, &mut state).enter_items()?;
    behind(&state, body.get(at.0..)?, layout)
}

/// As [`outline`], where the items are being read and `rest` is all that follows.
pub(super) fn behind(state: &State, rest: &[u8], layout: &Layout) -> Option<Vec<Option<Value>>> {
    let mut state = state.beside_items(layout)?;
    let tail = rest.get(rest.len().saturating_sub(REACH)..)?;
    let end = bracket_at(tail, state.depth()?)?;
    let tail = std::str::from_utf8(tail.get(end..)?).ok()?;
    Walk::new(Reader::new(tail, Mark::default(), START, false), layout, &mut state).run().ok()?;
    Some(state.into_page().captures)
}

/// The text at the beginning of some bytes.
fn text_of(bytes: &[u8]) -> &str {
    let end = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    bytes.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Where the bracket stands that ends a value `depth` places below the root, of those that `tail` ends and does not begin.
///
/// Read backwards, a quote ends a string, whose first quote is the next one without a backslash before it: inside a
/// string an odd number of them stands before each, and none before the string (RFC 8259 §7).
fn bracket_at(tail: &[u8], depth: usize) -> Option<usize> {
    let mut ended = Vec::new();
    let mut at = tail.len();
    'values: while let Some(here) = at.checked_sub(1) {
        at = here;
        match tail.get(here)? {
            b']' | b'}' => ended.push(here),
            b'[' | b'{' => drop(ended.pop()?),
            b'"' => loop {
                let before = tail.get(..at)?;
                // It begins before what is looked at.
                let Some(quote) = before.iter().rposition(|byte| *byte == b'"') else { break 'values };
                at = quote;
                let backslashes = tail.get(..quote)?.iter().rev().take_while(|byte| **byte == b'\\').count();
                if backslashes == quote && backslashes > 0 {
                    break 'values;
                }
                if backslashes % 2 == 0 {
                    break;
                }
            },
            _ => {}
        }
    }
    ended.get(depth).copied()
}
