//! Scripts: texts of statements, rendered where they are templates.

use std::path::Path;

use serde_json::Value;

use crate::cli::meant::{Action, Templates};
use crate::cli::message::{Messages, Place};
use crate::cli::source::{self, Text};
use crate::config::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::template::{self, Rendered, TemplateData};

/// All texts that are asked for, and what their templates mean.
pub(super) struct Unrendered {
    texts: Vec<Text>,
    /// Why others of a check cannot be used.
    unusable: Vec<Error>,
    data: TemplateData,
    /// Every text is a template, whatever it looks like.
    always: bool,
}

impl Unrendered {
    /// # Errors
    /// As [`source::read_all`], unless it is a check, which goes on; `InvalidArgument` for a file of data that cannot be
    /// used.
    pub(super) fn read(action: &Action, templates: &Templates, env: &Env) -> Result<Self> {
        let mut data = TemplateData::new(env.clone());
        for path in &templates.data {
            data.merge(read_data(path)?).map_err(|error| error.with("file", path.display().to_string()))?;
        }
        for (name, value) in &templates.vars {
            data.set(name, value.as_str());
        }
        let always = templates.always || !templates.vars.is_empty() || !templates.data.is_empty();
        let (mut texts, mut unusable) = (Vec::new(), Vec::new());
        for text in source::read_all(action) {
            match text {
                Ok(text) => texts.push(text),
                Err(error) if matches!(action, Action::Check(_)) => unusable.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(Self { texts, unusable, data, always })
    }

    /// A text of its own, with the same data.
    pub(super) fn with_text(&self, text: Text) -> Self {
        Self { texts: vec![text], unusable: Vec::new(), data: self.data.clone(), always: self.always }
    }

    fn is_template(&self, text: &Text) -> bool {
        let extension = Path::new(&text.name).extension().and_then(|extension| extension.to_str());
        self.always || matches!(extension, Some("j2" | "jinja" | "jinja2")) || template::is_template(&text.text)
    }
}

/// A text of statements, as it runs.
pub(super) struct Script {
    /// As it was written.
    written: Text,
    /// What the template gave, where it is one.
    rendered: Option<Rendered>,
}

impl Script {
    pub(super) fn plain(written: Text) -> Self {
        Self { written, rendered: None }
    }

    pub(super) fn text(&self) -> &str {
        self.rendered.as_ref().map_or(&self.written.text, |rendered| &rendered.text)
    }

    /// Whether it is more than what somebody has just typed.
    pub(super) fn is_file(&self) -> bool {
        !matches!(self.written.name.as_str(), "-c" | "prompt")
    }

    /// Says what is wrong, at its place in the text as it was written.
    pub(super) fn tell(&self, error: &Error, messages: &mut Messages) {
        let Text { name, text } = &self.written;
        let Some((rendered, position)) = self.rendered.as_ref().zip(error.position()) else {
            return messages.error(error, Some(Place::whole(name, text)));
        };
        match rendered.map.source_position(&rendered.text, text, position) {
            Some(position) => messages.error(&error.clone().at(position), Some(Place::whole(name, text))),
            None => {
                let name = format!("{name}, rendered");
                messages.error(error, Some(Place::whole(&name, &rendered.text)));
            }
        }
    }
}

/// The scripts that could be rendered, and how many problems the others have: the messages are out.
pub(super) struct Scripts {
    pub(super) rendered: Vec<Script>,
    pub(super) problems: usize,
    /// Texts that are none.
    pub(super) unusable: usize,
}

impl Scripts {
    /// All of them, if nothing is wrong with any.
    pub(super) fn all(self) -> Option<Vec<Script>> {
        (self.problems == 0 && self.unusable == 0).then_some(self.rendered)
    }
}

/// Renders all texts, and tells all that is wrong with those that cannot be.
pub(super) fn render(all: &Unrendered, messages: &mut Messages) -> Scripts {
    for error in &all.unusable {
        messages.error(error, None);
    }
    let rendered = Vec::with_capacity(all.texts.len());
    let mut scripts = Scripts { rendered, problems: 0, unusable: all.unusable.len() };
    for text in &all.texts {
        let mut script = Script::plain(text.clone());
        if all.is_template(text) {
            match template::render_or_all(&text.text, &all.data) {
                Ok(rendered) => script.rendered = Some(rendered),
                Err(errors) => {
                    for error in &errors {
                        script.tell(error, messages);
                    }
                    scripts.problems += errors.len();
                    continue;
                }
            }
        } else if template::has_marks(&text.text) {
            messages.note(&format!("`{{{{` in strings of `{}` stays as it is; `--template` renders it", text.name));
        }
        scripts.rendered.push(script);
    }
    scripts
}

fn read_data(path: &Path) -> Result<Value> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::NameNotFound, format!("the data file `{shown}` cannot be read"))
            .with("reason", error.to_string())
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
    let wrong = |said: String| {
        let said = said.lines().next().unwrap_or_default().to_owned();
        Error::new(ErrorKind::InvalidArgument, format!("the data file `{shown}` is wrong: {said}"))
    };
    match extension.as_str() {
        "json" => serde_json::from_str(text).map_err(|error| wrong(error.to_string())),
        "yaml" | "yml" => serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string())),
        "toml" => toml::from_str(text).map_err(|error| {
            let place = error.span().map(|span| crate::error::Position::of_byte(text, span.start));
            let at = place.map_or(String::new(), |place| format!(" at line {}", place.line));
            wrong(format!("{}{at}", error.message()))
        }),
        "jsonnet" | "libsonnet" => Err(Error::new(ErrorKind::Unsupported, format!("`{shown}` is not evaluated"))
            .hint("give what `jsonnet FILE` prints, as a `.json` file")),
        _ => Err(Error::new(ErrorKind::InvalidArgument, format!("`{shown}` is no file of data"))
            .hint("its name should end with `.json`, `.yaml`, `.yml` or `.toml`")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn unrendered(name: &str, text: &str, vars: &[(&str, &str)]) -> Unrendered {
        let mut data = TemplateData::default();
        for (name, value) in vars {
            data.set(*name, *value);
        }
        let texts = vec![Text { name: name.into(), text: text.into() }];
        Unrendered { texts, unusable: Vec::new(), data, always: !vars.is_empty() }
    }

    #[test]
    fn texts_are_templates_where_that_is_meant() {
        for (name, text, vars, is) in [
            ("a.sql", "SELECT '{{ x }}'", &[][..], false),
            ("a.sql", "SELECT '{{ x }}'", &[("x", "1")][..], true),
            ("a.sql.j2", "SELECT '{{ x }}'", &[], true),
            ("a.jinja", "SELECT 1", &[], true),
            ("-c", "SELECT {{ x }}", &[], true),
            ("stdin", "<<<json {} >>> SELECT 1", &[], true),
        ] {
            let all = unrendered(name, text, vars);
            assert_eq!(all.is_template(&all.texts[0]), is, "{name} {text}");
        }
    }

    #[test]
    fn data_is_read_by_the_name_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let wanted = json!({"a": {"b": [1, "x"]}});
        for (name, text) in [
            ("a.json", "\u{feff}{\"a\": {\"b\": [1, \"x\"]}}"),
            ("a.YAML", "a:\n  b: [1, x]\n"),
            ("a.yml", "a: {b: [1, x]}"),
            ("a.toml", "[a]\nb = [1, \"x\"]\n"),
        ] {
            assert_eq!(read_data(&file(name, text)).unwrap(), wanted, "{name}");
        }
        for (name, text, kind) in [
            ("b.json", "{", ErrorKind::InvalidArgument),
            ("b.yaml", "a: [", ErrorKind::InvalidArgument),
            ("b.toml", "a = ", ErrorKind::InvalidArgument),
            ("b.txt", "a", ErrorKind::InvalidArgument),
            ("b.jsonnet", "{}", ErrorKind::Unsupported),
        ] {
            let error = read_data(&file(name, text)).unwrap_err();
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(error.message().contains(name), "{error:?}");
        }
        assert_eq!(read_data(&dir.path().join("none.json")).unwrap_err().kind(), ErrorKind::NameNotFound);
    }
}
