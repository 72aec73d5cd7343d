//! From places of a rendered text back to its template.

use crate::error::Position;

/// Around the byte offset that a mark gives; both are private use, and in no text that is mapped.
pub(super) const OPEN: char = '\u{f8fe0}';
pub(super) const CLOSE: char = '\u{f8fe1}';

/// Which part of a template each part of the rendered text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMap {
    /// In order of the rendered text.
    stretches: Vec<Stretch>,
}

/// A part of the rendered text that begins with a copy of a part of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    rendered: usize,
    source: usize,
    /// How much of it is the copy; what follows was put in behind it.
    copied: usize,
}

impl SourceMap {
    /// Nothing is known.
    pub(super) fn unknown() -> Self {
        Self { stretches: Vec::new() }
    }

    /// Reads the marks of `marked`, which is `rendered` beside them.
    pub(super) fn read(marked: &str, rendered: &str, template: &str) -> Option<Self> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut plain = String::with_capacity(rendered.len());
        let mut rest = marked;
        while let Some(open) = rest.find(OPEN) {
            plain.push_str(&rest[..open]);
            let digits = &rest[open + OPEN.len_utf8()..];
            let close = digits.find(CLOSE)?;
            let source = digits[..close].parse().ok()?;
            stretches.push(Stretch { rendered: plain.len(), source, copied: 0 });
            rest = &digits[close + CLOSE.len_utf8()..];
        }
        plain.push_str(rest);
        if plain != rendered {
            return None;
        }
        let ends: Vec<usize> = stretches.iter().skip(1).map(|next| next.rendered).chain([rendered.len()]).collect();
        for (stretch, end) in stretches.iter_mut().zip(ends) {
            let given = rendered.get(stretch.rendered..end)?;
            let source = template.get(stretch.source..)?;
            stretch.copied = given.bytes().zip(source.bytes()).take_while(|(a, b)| a == b).count();
        }
        Some(Self { stretches })
    }

    /// Where in the template a place of the rendered text comes from: the place itself where the text was copied, and
    /// where the template puts something in, that place. `None` when it cannot be told.
    pub fn source_position(&self, rendered: &str, template: &str, at: Position) -> Option<Position> {
        let byte = at.byte_in(rendered);
        let index = self.stretches.partition_point(|stretch| stretch.rendered <= byte).checked_sub(1)?;
        let stretch = self.stretches.get(index)?;
        let source = stretch.source + (byte - stretch.rendered).min(stretch.copied);
        template.is_char_boundary(source).then(|| Position::of_byte(template, source))
    }
}
