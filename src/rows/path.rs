//! Item paths: where in an answer the rows, a page token or a total stand.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// The longest path that is read, in steps; no answer nests its rows deeper.
const MAX_STEPS: usize = 64;

/// One step of an [`ItemPath`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathStep {
    /// The member of an object with this name.
    Name(String),
    /// Every element of an array, and every member of an object: `[*]` and `.*` alike.
    Every,
}

/// A path into a JSON answer: the subset of JSONPath (RFC 9535) that provider documents use.
///
/// ```
/// use skyql::rows::ItemPath;
///
/// let path = ItemPath::parse("$.items.*['instances'][*]")?;
/// assert_eq!(path.to_string(), "$.items[*].instances[*]");
/// assert_eq!(ItemPath::parse("@odata.nextLink")?.to_string(), "$['@odata.nextLink']");
/// # Ok::<(), skyql::error::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ItemPath {
    steps: Vec<PathStep>,
}

impl ItemPath {
    /// The path `$`: the whole answer.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads `$`, followed by any of `.name`, `['name']`, `["name"]`, `[*]` and `.*`; or one key without a `$`.
    ///
    /// A text without `$` is *one* key, dots included: documents write `@odata.nextLink` so.
    ///
    /// # Errors
    /// [`ErrorKind::Provider`], with the position, if the text is anything else: an index, a filter, a slice, `..`,
    /// a path into XML.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if !text.starts_with('$') {
            return plain_key(text);
        }
        let mut steps = Vec::new();
        let mut rest = Rest { text, at: 1 };
        while let Some(c) = rest.next() {
            steps.push(match c {
                '.' => rest.dotted()?,
                '[' => rest.bracketed()?,
                _ => return Err(rest.refuse(rest.at - c.len_utf8(), "expected `.` or `[`")),
            });
        }
        if steps.len() > MAX_STEPS {
            return Err(rest.refuse(0, "it has more than 64 steps"));
        }
        Ok(Self { steps })
    }

    /// The steps below `$`.
    pub fn steps(&self) -> &[PathStep] {
        &self.steps
    }

    /// Whether this is `$`.
    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the path can match more than one value.
    pub fn has_wildcard(&self) -> bool {
        self.steps.contains(&PathStep::Every)
    }

    /// Whether each value that it leads to is an element or a member.
    pub fn ends_in_wildcard(&self) -> bool {
        self.steps.last() == Some(&PathStep::Every)
    }
}

impl fmt::Display for ItemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.steps {
            match step {
                PathStep::Every => f.write_str("[*]")?,
                PathStep::Name(name) if is_plain(name) => write!(f, ".{name}")?,
                PathStep::Name(name) => {
                    write!(f, "['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))?;
                }
            }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

fn plain_key(text: &str) -> Result<ItemPath> {
    let whole = Rest { text, at: 0 };
    if text.is_empty() {
        return Err(whole.refuse(0, "it is empty"));
    }
    if text.starts_with('/') {
        return Err(whole.refuse(0, "it is an XPath").hint("write a path into JSON, such as `$.items`"));
    }
    if let Some(at) = text.find(['[', ']', '*', '\'', '"']) {
        return Err(whole.refuse(at, "a path with steps begins with `$`"));
    }
    Ok(ItemPath { steps: vec![PathStep::Name(text.to_owned())] })
}

/// What is left of a path's text.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl Rest<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// After a `.`.
    fn dotted(&mut self) -> Result<PathStep> {
        let start = self.at;
        if self.peek() == Some('*') {
            self.next();
            return Ok(PathStep::Every);
        }
        while let Some(c) = self.peek() {
            if matches!(c, '.' | '[') {
                break;
            }
            if c.is_whitespace() || matches!(c, ']' | '*' | '\'' | '"' | '(' | ')' | '?' | ',' | '$' | '\\') {
                return Err(
                    self.refuse(self.at, "a name with such a character is written in brackets and quotes: `['x y']`")
                );
            }
            self.next();
        }
        match self.text.get(start..self.at) {
            Some(name) if !name.is_empty() => Ok(PathStep::Name(name.to_owned())),
            _ => Err(self.refuse(start, "expected a name or `*`")),
        }
    }

    /// After a `[`.
    fn bracketed(&mut self) -> Result<PathStep> {
        let start = self.at;
        let step = match self.next() {
            Some('*') => PathStep::Every,
            Some(quote @ ('\'' | '"')) => PathStep::Name(self.quoted(quote, start)?),
            _ => return Err(self.refuse(start, "expected `*` or a quoted name")),
        };
        let end = self.at;
        match self.next() {
            Some(']') => Ok(step),
            _ => Err(self.refuse(end, "expected `]`")),
        }
    }

    /// After an opening quote that stands at `start`.
    fn quoted(&mut self, quote: char, start: usize) -> Result<String> {
        let mut name = String::new();
        loop {
            let at = self.at;
            match self.next() {
                None => return Err(self.refuse(start, "the quote is not closed")),
                Some('\\') => name.push(match self.next() {
                    Some(c @ ('\\' | '\'' | '"' | '/')) => c,
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some('b') => '\u{8}',
                    Some('f') => '\u{c}',
                    _ => return Err(self.refuse(at, "this escape is not known")),
                }),
                Some(c) if c == quote => return Ok(name),
                Some(c) => name.push(c),
            }
        }
    }

    /// An error at the byte offset `at`.
    fn refuse(&self, at: usize, why: &str) -> Error {
        let character = self.text.get(..at).map_or(0, |before| before.chars().count()) + 1;
        Error::new(ErrorKind::Provider, format!("`{}` is not an item path: {why}", self.text))
            .with("character", character.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> PathStep {
        PathStep::Name(text.to_owned())
    }

    #[test]
    fn the_forms_documents_use_are_read() {
        for (text, steps, shown) in [
            ("$", vec![], "$"),
            ("  $.images ", vec![name("images")], "$.images"),
            ("images", vec![name("images")], "$.images"),
            ("@odata.nextLink", vec![name("@odata.nextLink")], "$['@odata.nextLink']"),
            ("$.@odata", vec![name("@odata")], "$['@odata']"),
            ("$.links.pages.next", vec![name("links"), name("pages"), name("next")], "$.links.pages.next"),
            ("$['a b']", vec![name("a b")], "$['a b']"),
            ("$[\"it's\"]", vec![name("it's")], "$['it\\'s']"),
            ("$['a\\\\b\\n']", vec![name("a\\b\n")], "$['a\\\\b\n']"),
            ("$['']", vec![name("")], "$['']"),
            ("$[*]", vec![PathStep::Every], "$[*]"),
            ("$.*.x", vec![PathStep::Every, name("x")], "$[*].x"),
            ("$.items.*['x'][*]", vec![name("items"), PathStep::Every, name("x"), PathStep::Every], "$.items[*].x[*]"),
            ("$.1_click-apps", vec![name("1_click-apps")], "$.1_click-apps"),
            ("$.größe", vec![name("größe")], "$.größe"),
        ] {
            let path = ItemPath::parse(text).unwrap();
            assert_eq!(path.steps(), steps, "{text}");
            assert_eq!(path.to_string(), shown, "{text}");
            assert_eq!(ItemPath::parse(shown).unwrap(), path, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_position() {
        for (text, position, why) in [
            ("", 1, "empty"),
            ("/a/b", 1, "XPath"),
            ("a[0]", 2, "begins with `$`"),
            ("$x", 2, "expected `.` or `[`"),
            ("$.", 3, "expected a name"),
            ("$..name", 3, "expected a name"),
            ("$.a[0]", 5, "expected `*` or a quoted name"),
            ("$.a[-1:]", 5, "expected `*` or a quoted name"),
            ("$.a[?(@.x)]", 5, "expected `*` or a quoted name"),
            ("$.ü['b", 5, "not closed"),
            ("$.ü['b'", 8, "expected `]`"),
            ("$.a b", 4, "in brackets"),
            ("$['\\q']", 4, "escape"),
        ] {
            let error = ItemPath::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Provider, "{text}");
            assert_eq!(error.context_value("character"), Some(position.to_string().as_str()), "{text}: {error}");
            assert!(error.message().contains(why), "{text}: {error}");
        }
        assert!(ItemPath::parse(&format!("${}", "[*]".repeat(65))).is_err());
    }

    proptest! {
        #[test]
        fn every_path_survives_its_own_text(
            names in proptest::collection::vec(proptest::option::of(any::<String>()), 0..6),
        ) {
            let steps = names.into_iter().map(|name| name.map_or(PathStep::Every, PathStep::Name)).collect();
            let path = ItemPath { steps };
            prop_assert_eq!(ItemPath::parse(&path.to_string()).unwrap(), path);
        }

        #[test]
        fn no_text_panics(text in any::<String>(), tail in "[$.\\[\\]*'\"a\\\\]{0,12}") {
            let _ = ItemPath::parse(&text);
            let _ = ItemPath::parse(&format!("${tail}"));
        }
    }
}
