//! Scripts as templates: `{{ name }}` and `{% … %}` by minijinja, and `<<<json … >>>` blocks of data.
//!
//! *Owns*: what names mean, filters that quote, `<<<json` blocks, the way back from a place of the rendered text to the
//! template.
//! *Does not own*: reading files and arguments (`cli`), what the rendered text means.
//! *Invariants*: a name without a value is an error; a template that does not end is stopped; the text is rendered whole
//! before anything of it runs.

use minijinja::value::{Object, Value as JinjaValue};
use minijinja::{Environment, ErrorKind as JinjaKind, UndefinedBehavior};
use serde_json::{Map, Value};
use std::io::Write;
use std::sync::Arc;

use super::split::has_template_marks;
use crate::config::Env;
use crate::error::{Error, ErrorKind, Position, Result, did_you_mean};

mod blocks;
mod filters;
mod missing;
mod source_map;
mod tags;

use missing::MissingNames;
pub use source_map::SourceMap;

/// How many steps a template may take: what a loop over a hundred thousand rows needs, and some tenths of a second.
const FUEL: u64 = 10_000_000;

/// How long a rendered text may be.
const LONGEST: usize = 256 << 20;

/// What the names of a template mean.
#[derive(Debug, Clone, Default)]
pub struct TemplateData {
    values: Map<String, Value>,
    env: Env,
}

impl TemplateData {
    /// No names but `env`, whose members are the variables of `env`.
    pub fn new(env: Env) -> Self {
        Self { values: Map::new(), env }
    }

    /// Gives a name a value; the last one given counts.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.values.insert(name.into(), value.into());
    }

    /// Adds the members of `value`. What is an object on both sides is merged; else the new value counts.
    ///
    /// # Errors
    /// `InvalidArgument` when it is no object.
    pub fn merge(&mut self, value: Value) -> Result<()> {
        let Value::Object(members) = value else {
            return Err(Error::new(ErrorKind::InvalidArgument, "the data of a template must be an object"));
        };
        merge_into(&mut self.values, members);
        Ok(())
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

fn merge_into(known: &mut Map<String, Value>, new: Map<String, Value>) {
    for (name, value) in new {
        match (known.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(new)) => merge_into(known, new),
            (_, value) => {
                known.insert(name, value);
            }
        }
    }
}

/// A text without templates in it, and where each part of it comes from.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// The way back to the template.
    pub map: SourceMap,
}

/// Whether a text can only be meant as a template: it begins with a block of data, or has `{{` or `{%` outside strings,
/// quoted names and comments, where no SQL has them.
pub fn is_template(text: &str) -> bool {
    blocks::begins(text) || has_template_marks(text)
}

/// Whether a text has what would be a template's marks anywhere.
pub fn has_marks(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Renders a template. Data in its own blocks stands behind `data`.
///
/// # Errors
/// With places of the template: `NameNotFound` for a name without a value, `Syntax` for a wrong template, `Budget` for one
/// that does not end, `Unsupported` for a `<<<jsonnet` block.
pub fn render(template: &str, data: &TemplateData) -> Result<Rendered> {
    render_whole(template, data).map_err(|refused| refused.error)
}

/// Renders a template as [`render`] does; where it cannot be, all names are told that have no value.
///
/// # Errors
/// As [`render`], at least one.
pub(crate) fn render_or_all(template: &str, data: &TemplateData) -> Result<Rendered, Vec<Error>> {
    render_whole(template, data).map_err(|refused| {
        let Refused { error, text, data } = *refused;
        all_missing(error, &text, &data)
    })
}

/// Why a template was not rendered.
struct Refused {
    error: Error,
    /// The template without blocks of data; places in it are those of the whole.
    text: String,
    /// All that names mean.
    data: TemplateData,
}

fn render_whole(template: &str, data: &TemplateData) -> Result<Rendered, Box<Refused>> {
    let mut all = TemplateData { values: Map::new(), env: data.env.clone() };
    let (block_data, without_blocks) = match blocks::cut(template) {
        Ok(cut) => cut,
        Err(error) => return Err(Box::new(Refused { error, text: String::new(), data: all })),
    };
    all.values = block_data;
    merge_into(&mut all.values, data.values.clone());
    let template = tags::without_leading_dots(&without_blocks);
    let context = context(&all, MissingNames::default());
    let text = match render_text(&template, &context, &all, FUEL) {
        Ok(text) => text,
        Err(error) => return Err(Box::new(Refused { error, text: template, data: all })),
    };
    // The marks of places must not change what a filter, a test or a trimmed blank sees: they count only where the text
    // is the same without them.
    let map = tags::marked(&template)
        .and_then(|marked| render_text(&marked, &context, &all, FUEL).ok())
        .and_then(|marked| SourceMap::read(&marked, &text, &template))
        .unwrap_or_else(SourceMap::unknown);
    Ok(Rendered { text, map })
}

/// The first name without a value, and those behind it.
fn all_missing(first: Error, template: &str, data: &TemplateData) -> Vec<Error> {
    let mut errors = vec![first];
    let mut missing = MissingNames::default();
    while let Some(name) = errors.last().and_then(missing_name) {
        if !missing.add(&name) {
            // The stand-in does not help there; it was told before.
            errors.pop();
            break;
        }
        loop {
            match render_text(template, &context(data, missing.clone()), data, FUEL / 10) {
                Err(error) if error.message().ends_with(NO_VALUE) => {
                    errors.push(error);
                    break;
                }
                // What a stand-in leads to is no failure of the template's own.
                Err(_) if missing.try_another_kind() => {}
                Ok(_) | Err(_) => return errors,
            }
        }
    }
    errors
}

/// The name of which an error says that it has no value.
fn missing_name(error: &Error) -> Option<String> {
    let name = error.message().strip_prefix('`')?.strip_suffix(NO_VALUE)?;
    let is_path = name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'));
    is_path.then(|| name.to_owned())
}

/// How a message about a name ends that has no value.
const NO_VALUE: &str = "` has no value";

fn context(data: &TemplateData, missing: MissingNames) -> JinjaValue {
    let mut values = missing.values(&data.values);
    if !data.values.contains_key("env") {
        values.retain(|(name, _)| name != ENV);
        values.push((ENV.to_owned(), JinjaValue::from_object(Variables { env: data.env.clone(), missing })));
    }
    values.into_iter().collect()
}

/// The name that holds the environment.
const ENV: &str = "env";

/// The environment, asked when a template asks for it.
#[derive(Debug)]
struct Variables {
    env: Env,
    missing: MissingNames,
}

impl Object for Variables {
    fn get_value(self: &Arc<Self>, key: &JinjaValue) -> Option<JinjaValue> {
        let name = key.as_str()?;
        self.env.get(name).map(JinjaValue::from).or_else(|| self.missing.of_member(ENV, name))
    }
}

fn render_text(template: &str, context: &JinjaValue, data: &TemplateData, fuel: u64) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(filters::format);
    environment.set_debug(true);
    environment.set_fuel(Some(fuel));
    filters::add(&mut environment);
    let failed = |error: &minijinja::Error| explained(error, template, data);
    let compiled = environment.template_from_named_str("script", template).map_err(|error| failed(&error))?;
    let mut text = Bounded(Vec::new());
    compiled.render_captured_to(context, &mut text).map_err(|error| failed(&error))?;
    String::from_utf8(text.0)
        .map_err(|error| Error::new(ErrorKind::Internal, "a rendered text is not UTF-8").caused_by(error))
}

/// A text that does not grow for ever.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(std::io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What minijinja found, in our words, at its place.
fn explained(error: &minijinja::Error, template: &str, data: &TemplateData) -> Error {
    let range = error.range().filter(|range| template.get(range.clone()).is_some());
    let range = range.map(|range| match error.kind() {
        JinjaKind::UndefinedError => tags::whole_name(template, range),
        _ => range,
    });
    let subject = range.clone().and_then(|range| template.get(range)).unwrap_or_default();
    let detail = error.detail().map(str::to_owned);
    let ours = match error.kind() {
        JinjaKind::UndefinedError => undefined(subject, data),
        JinjaKind::OutOfFuel => {
            Error::new(ErrorKind::Budget, format!("the template was stopped after {} million steps", FUEL / 1_000_000))
                .hint("does a loop of it never end?")
        }
        JinjaKind::WriteFailure => {
            Error::new(ErrorKind::Budget, format!("the rendered text is longer than {} MB", LONGEST >> 20))
        }
        JinjaKind::UnknownFilter => {
            let known = ["sql", "ident", "json", "default", "join", "upper", "lower", "length", "tojson"];
            let said = detail.unwrap_or_else(|| "there is no such filter".to_owned());
            let name = subject.trim().rsplit('|').next().unwrap_or_default().trim().to_owned();
            let error = Error::new(ErrorKind::NameNotFound, lower_first(&said));
            match did_you_mean(&name, known) {
                Some(hint) => error.hint(hint),
                None => error.hint("`sql`, `ident` and `json` quote a value; minijinja has the others"),
            }
        }
        JinjaKind::SyntaxError => Error::new(
            ErrorKind::Syntax,
            format!("the template is wrong: {}", lower_first(detail.as_deref().unwrap_or("it does not parse"))),
        )
        .hint("`{% raw %}…{% endraw %}` keeps braces as they are"),
        kind => Error::new(
            ErrorKind::InvalidArgument,
            format!("the template failed: {}", lower_first(&detail.unwrap_or_else(|| kind.to_string()))),
        ),
    };
    let place = match (range, error.line()) {
        (Some(range), _) => Some(Position::of_byte(template, range.start)),
        (None, Some(line)) => Some(Position { line: line as u64, column: 1 }),
        (None, None) => None,
    };
    match place {
        Some(place) => ours.at(place),
        None => ours,
    }
}

fn undefined(subject: &str, data: &TemplateData) -> Error {
    let name = tags::expression_of(subject);
    let error = Error::new(
        ErrorKind::NameNotFound,
        match name {
            "" => "a name of the template has no value".to_owned(),
            name => format!("`{name}{NO_VALUE}"),
        },
    );
    if let Some(variable) = name.strip_prefix("env.") {
        return error
            .hint(format!("set the environment variable `{variable}`, or write `env.{variable} | default('…')`"));
    }
    let root = name.split(['.', '[', ' ', '|', '(']).next().unwrap_or(name);
    if data.values.contains_key(root) && root != name {
        return error.hint(format!("the data has `{root}`, but not all of `{name}`"));
    }
    match did_you_mean(root, data.values.keys().map(String::as_str)) {
        Some(hint) => error.hint(hint),
        None => error.hint(format!("`--var {root}=…` or a `--data` file gives it one, `| default('…')` another")),
    }
}

fn lower_first(text: &str) -> String {
    super::split::lower_first(text)
}

#[cfg(test)]
mod tests;
