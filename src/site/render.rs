//! Facts → bytes of pages.

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// What all pages share: name, text.
pub(super) const STYLE_AND_SCRIPT: [(&str, &str); 2] =
    [("site.css", include_str!("pages/site.css")), ("site.js", include_str!("pages/site.js"))];

const PAGES: [(&str, &str); 5] = [
    ("base.html", include_str!("pages/base.html")),
    ("macros.html", include_str!("pages/macros.html")),
    ("provider.html", include_str!("pages/provider.html")),
    ("service.html", include_str!("pages/service.html")),
    ("resource.html", include_str!("pages/resource.html")),
];

/// The pages' templates.
pub(super) struct Renderer(Environment<'static>);

impl Renderer {
    /// # Errors
    /// `Internal` when a template is wrong.
    pub(super) fn new() -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Whatever comes from a document is text.
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        for (name, text) in PAGES {
            environment.add_template(name, text).map_err(|error| failed(name, error))?;
        }
        Ok(Self(environment))
    }

    /// # Errors
    /// `Internal` when a template asks for what is not there.
    pub(super) fn page(&self, name: &str, facts: &impl Serialize) -> Result<Vec<u8>> {
        let page = self.0.get_template(name).and_then(|template| template.render(facts));
        page.map(String::into_bytes).map_err(|error| failed(name, error))
    }
}

fn failed(name: &str, error: minijinja::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("the page `{name}` cannot be made")).caused_by(error)
}

/// A value as JSON.
///
/// # Errors
/// `Internal`, which does not happen for what is made here.
pub(super) fn json(value: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "the search index cannot be made").caused_by(error))
}

/// A script that sets a variable: a page from a file may load a script, but no data.
///
/// # Errors
/// As [`json`].
pub(super) fn script(variable: &str, value: &impl Serialize) -> Result<Vec<u8>> {
    // `<` and the separators of lines, which mean nothing in JSON and something elsewhere.
    let text = json(value)?.to_string();
    let text = text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    Ok(format!("const {variable} = {text};\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_holds_no_markup() {
        let text = String::from_utf8(script("x", &["</script><!--", "a\u{2028}b"]).unwrap()).unwrap();
        assert_eq!(text, "const x = [\"\\u003c/script>\\u003c!--\",\"a\\u2028b\"];\n");
    }
}
