//! Where the tags of a template stand.

use std::fmt::Write as _;
use std::ops::Range;

use super::source_map::{CLOSE, OPEN};

/// One of `{{ … }}`, `{% … %}`, `{# … #}`, with its braces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    range: Range<usize>,
    /// Whether it puts something in: `{{ … }}`.
    expression: bool,
    /// Whether it eats the blanks behind it.
    trims_behind: bool,
}

/// The tags of a template, as far as they close.
fn tags(template: &str) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    let mut from = 0;
    while let Some(open) = template[from..].find('{').map(|at| from + at) {
        let close = match template.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                from = open + 1;
                continue;
            }
        };
        let Some(end) = end_of_tag(template, open + 2, close) else { break };
        let inner = &template[open + 2..end - 2];
        tags.push(Tag { range: open..end, expression: close == "}}", trims_behind: inner.ends_with('-') });
        from = end;
        let word = inner.trim_matches(['-', '+']).trim();
        if close == "%}" && word == "raw" {
            // What it keeps has no tags; its own end is the next.
            let Some(end) = end_of_raw(template, from) else { break };
            from = end;
        }
    }
    tags
}

/// Behind the closing braces; texts in quotes are skipped, except in comments.
fn end_of_tag(template: &str, from: usize, close: &str) -> Option<usize> {
    let bytes = template.as_bytes();
    let mut quote: Option<u8> = None;
    let mut at = from;
    while at < bytes.len() {
        match quote {
            Some(_) if bytes[at] == b'\\' => at += 1,
            Some(open) if bytes[at] == open => quote = None,
            None if bytes[at..].starts_with(close.as_bytes()) => return Some(at + 2),
            None if close != "#}" && matches!(bytes[at], b'"' | b'\'') => quote = Some(bytes[at]),
            Some(_) | None => {}
        }
        at += 1;
    }
    None
}

/// Where the tag that ends a raw part begins.
fn end_of_raw(template: &str, from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(open) = template[at..].find("{%").map(|found| at + found) {
        let inner = template[open + 2..].trim_start_matches(['-', '+']).trim_start();
        if inner.starts_with("endraw") {
            return Some(open);
        }
        at = open + 2;
    }
    None
}

/// The template with a mark before every part that is copied and before every value; `None` where marks would be
/// taken for text.
pub(super) fn marked(template: &str) -> Option<String> {
    if template.contains([OPEN, CLOSE]) {
        return None;
    }
    let mut marked = String::with_capacity(template.len() * 2);
    let mut from = 0;
    let mut trimmed = false;
    let ends = tags(template).into_iter().map(|tag| (tag.range, tag.trims_behind));
    for (range, trims_behind) in ends.chain([(template.len()..template.len(), false)]) {
        let text = &template[from..range.start];
        // A mark is no blank: behind a tag that eats blanks it stands after them.
        let blank = if trimmed { text.len() - text.trim_start().len() } else { 0 };
        marked.push_str(&text[..blank]);
        let _infallible = write!(marked, "{OPEN}{}{CLOSE}", from + blank);
        marked.push_str(&text[blank..]);
        marked.push_str(&template[range.clone()]);
        (from, trimmed) = (range.end, trims_behind);
    }
    Some(marked)
}

/// The template with `{{ .values.x }}`, as Go has it, written as `{{  values.x }}`. Places stay.
pub(super) fn without_leading_dots(template: &str) -> String {
    let mut text = template.to_owned();
    for tag in tags(template).into_iter().filter(|tag| tag.expression) {
        let inner = tag.range.start + 2;
        let body = template[inner..tag.range.end].trim_start_matches('-').trim_start();
        let dot = tag.range.end - body.len();
        let is_path = body.starts_with('.') && body[1..].starts_with(|c: char| c.is_alphabetic() || c == '_');
        if is_path {
            text.replace_range(dot..=dot, " ");
        }
    }
    text
}

/// The name that an error is about: of a path the error points at the part that has no value, of what a filter was given
/// at the filter.
pub(super) fn whole_name(template: &str, range: Range<usize>) -> Range<usize> {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let start_of = |end: usize| template[..end].trim_end_matches(is_name).len();
    let before = template[..range.start].trim_end();
    if let Some(given) = before.strip_suffix('|') {
        let end = given.trim_end().len();
        return start_of(end)..end;
    }
    if template[range.clone()].starts_with('.') { start_of(range.start)..range.end } else { range }
}

/// What stands between braces, if they are there.
pub(super) fn expression_of(text: &str) -> &str {
    let text = text.strip_prefix("{{").unwrap_or(text);
    let text = text.strip_suffix("}}").unwrap_or(text);
    let text = text.trim_matches('-').trim();
    text.split('|').next().unwrap_or(text).trim()
}
