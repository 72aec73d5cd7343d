//! Values as a terminal shows them: in colour or not, to the left or the right.

use std::borrow::Cow;
use std::fmt::Write;

use crate::output::cell::{Reader, Shape};
use crate::output::text::{display_width, visible};

pub(super) const BOLD: &str = "\u{1b}[1m";
pub(super) const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// A value as it is shown.
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) null: bool,
}

impl Shown {
    pub(super) fn style(&self) -> &'static str {
        if self.null { DIM } else { "" }
    }
}

/// The values of a row; `null` stands for none.
pub(super) fn row_of(readers: &[Reader], row: usize, null: &str) -> Vec<Shown> {
    let shown = |read: &Reader| {
        let mut text = String::new();
        if read(row, &mut text) == Shape::Null {
            return Shown { text: null.to_owned(), null: true };
        }
        if let Cow::Owned(safe) = visible(&text) {
            text = safe;
        }
        Shown { text, null: false }
    };
    readers.iter().map(shown).collect()
}

/// The side on which a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Writes a text into a place of that width.
pub(super) fn put_padded(text: &str, width: usize, side: Side, style: &str, color: bool, out: &mut String) {
    // The one space that `wrap` lets hang over the edge.
    let text = if display_width(text) > width { text.strip_suffix(' ').unwrap_or(text) } else { text };
    let padding = " ".repeat(width.saturating_sub(display_width(text)));
    if side == Side::Right {
        out.push_str(&padding);
    }
    put_styled(text, style, color, out);
    if side == Side::Left {
        out.push_str(&padding);
    }
}

pub(super) fn put_styled(text: &str, style: &str, color: bool, out: &mut String) {
    if color && !style.is_empty() && !text.is_empty() {
        let _infallible = write!(out, "{style}{text}{RESET}");
    } else {
        out.push_str(text);
    }
}
