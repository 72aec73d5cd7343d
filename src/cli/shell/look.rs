//! How rows look, as the user has it now.

use crate::cli::screen;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::output::{Format, Options};

/// What `\x`, `\pset` and `\timing` change.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// As the arguments have it.
    options: Options,
    pub(super) pager: bool,
    pub(super) timing: bool,
    /// Whether colour is wanted where a terminal shows the rows.
    color: bool,
}

impl Look {
    pub(super) fn new(options: Options) -> Self {
        let color = options.color;
        Self { options, pager: true, timing: false, color }
    }

    /// The options of the next rows; `on_terminal` says whether a terminal shows them, which may have been resized.
    pub(super) fn options(&self, on_terminal: bool) -> Options {
        Options {
            width: on_terminal.then(|| screen::size().0),
            color: self.color && on_terminal,
            ..self.options.clone()
        }
    }

    /// Turns expanded rows on or off, or over, and says what it is now.
    pub(super) fn expand(&mut self, on: Option<bool>) -> String {
        let on = on.unwrap_or(!self.is_expanded());
        if on {
            self.options.format = Format::Expanded;
        } else if self.is_expanded() {
            self.options.format = Format::Table;
        }
        format!("expanded is {}", switch(on))
    }

    fn is_expanded(&self) -> bool {
        self.options.format == Format::Expanded
    }

    pub(super) fn time(&mut self, on: Option<bool>) -> String {
        self.timing = on.unwrap_or(!self.timing);
        format!("timing is {}", switch(self.timing))
    }

    /// Changes one of the looks and says what it is now; without a value a switch is turned over, others are shown.
    ///
    /// # Errors
    /// `NameNotFound` for one that there is not, `InvalidArgument` for what it cannot be.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Result<String> {
        match (name, value) {
            ("format", Some(value)) => self.options.format = value.parse()?,
            ("null", Some(value)) => value.clone_into(&mut self.options.null),
            ("header", value) => self.options.header = turned(name, value, self.options.header)?,
            ("pager", value) => self.pager = turned(name, value, self.pager)?,
            ("expanded", value) => {
                let on = turned(name, value, self.is_expanded())?;
                return Ok(self.expand(Some(on)));
            }
            ("format" | "null", None) => {}
            _ => {
                let known = super::meta_command::LOOKS;
                let error = Error::new(ErrorKind::NameNotFound, format!("`\\pset` does not know `{name}`"));
                let hint = did_you_mean(name, known.iter().copied());
                return Err(error.hint(hint.unwrap_or_else(|| format!("it knows {}", known.join(", ")))));
            }
        }
        Ok(self.list().into_iter().find(|line| line.starts_with(name)).unwrap_or_default())
    }

    /// One line per look.
    pub(super) fn list(&self) -> Vec<String> {
        vec![
            format!("format is {}", self.options.format.name()),
            format!("null is `{}`", self.options.null),
            format!("header is {}", switch(self.options.header)),
            format!("pager is {}", switch(self.pager)),
            format!("expanded is {}", switch(self.is_expanded())),
        ]
    }
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn turned(name: &str, value: Option<&str>, now: bool) -> Result<bool> {
    match value.map(str::to_lowercase).as_deref() {
        None => Ok(!now),
        Some("on" | "true" | "1") => Ok(true),
        Some("off" | "false" | "0") => Ok(false),
        Some(other) => {
            Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` cannot be `{other}`"))
                .hint("it is `on` or `off`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_changed_by_name() {
        let mut look = Look::new(Options { color: true, ..Options::default() });
        assert_eq!(look.set("format", Some("CSV")).unwrap(), "format is csv");
        assert_eq!(look.options(true).format, Format::Csv);
        assert_eq!(look.expand(None), "expanded is on");
        assert_eq!(look.options(true).format, Format::Expanded);
        assert_eq!(look.expand(None), "expanded is off");
        assert_eq!(look.options(true).format, Format::Table);
        assert_eq!(look.set("null", Some("∅")).unwrap(), "null is `∅`");
        assert_eq!(look.set("pager", None).unwrap(), "pager is off");
        assert_eq!(look.set("header", Some("off")).unwrap(), "header is off");
        assert_eq!(look.time(Some(true)), "timing is on");
        let options = look.options(false);
        assert_eq!((options.width, options.color, options.header), (None, false, false));
        assert!(look.options(true).color && look.options(true).width.is_some());
    }

    #[test]
    fn what_a_look_cannot_be_is_refused() {
        let mut look = Look::new(Options::default());
        let cases = [
            ("format", "xlm", "there is no output format `xlm`"),
            ("pager", "maybe", "`pager` cannot be `maybe`"),
            ("pagr", "on", "`\\pset` does not know `pagr`"),
        ];
        for (name, value, message) in cases {
            let error = look.set(name, Some(value)).unwrap_err();
            assert_eq!(error.message(), message);
            assert!(error.hint_text().is_some(), "{message}");
        }
    }
}
