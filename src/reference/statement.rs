//! Statements to fill in, one method each.
//!
//! Each value stands as `{{ name | sql }}`, which `--var name=value` fills in. What is not filled in is no SQL, so that a
//! statement is never sent by mistake.

use std::collections::BTreeSet;

use super::{identifier, input_name, is_needed, limits, listed, shown_default};
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::provider::{BodyMedia, ItemShape, Location, Method, PageKind, Parameter, Resource, ValueType};
use crate::sql::Verb;

/// The longest description that stands beside a value, in characters.
const NOTE: usize = 60;

/// How much of what a method takes a statement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What a call cannot do without.
    Required,
    /// All but optional parts of the server's address, which are left to their defaults.
    All,
}

/// A statement with places for values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// Its text, in order.
    pub parts: Vec<Part>,
}

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// SQL.
    Sql(String),
    /// The place of a value.
    Value {
        /// The variable that fills it in: a name that no other place of the statement has.
        variable: String,
        /// What it takes.
        ty: ValueType,
    },
    /// A comment up to the end of its line, without the dashes.
    Note(String),
}

impl Part {
    /// The piece as it stands in a template.
    pub fn template(&self) -> String {
        match self {
            Self::Sql(sql) => inert(sql),
            Self::Value { variable, .. } => format!("{{{{ {variable} | sql }}}}"),
            Self::Note(note) => format!("-- {}", inert_note(note)),
        }
    }
}

impl Statement {
    /// The statement as a template: `{{ name | sql }}` for each value.
    pub fn template(&self) -> String {
        self.parts.iter().map(Part::template).collect()
    }

    fn sql(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        match self.parts.last_mut() {
            Some(Part::Sql(before)) => before.push_str(text),
            _ => self.parts.push(Part::Sql(text.to_owned())),
        }
    }

    /// The place of an input's value.
    fn value(&mut self, name: &str, ty: ValueType) {
        let plain: String = name.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
        let plain = if plain.starts_with(char::is_numeric) || plain.is_empty() { format!("_{plain}") } else { plain };
        let taken: BTreeSet<&str> = self
            .parts
            .iter()
            .filter_map(|part| if let Part::Value { variable, .. } = part { Some(variable.as_str()) } else { None })
            .collect();
        let further = (2..).map(|n| format!("{plain}_{n}"));
        let variable = std::iter::once(plain.clone()).chain(further).find(|name| !taken.contains(name.as_str()));
        self.parts.push(Part::Value { variable: variable.unwrap_or(plain), ty });
    }

    /// One line per input: what is written before its value, the value, and a note.
    fn lines(&mut self, inputs: &[Input<'_>], between: &str, before: impl Fn(&Input<'_>) -> String) {
        let last = inputs.len().saturating_sub(1);
        for (at, input) in inputs.iter().enumerate() {
            self.sql(format!("  {}", before(input)));
            self.value(&input.name, input.parameter.ty);
            self.sql(if at == last { " " } else { between });
            self.parts.push(Part::Note(note(input.parameter)));
            self.sql("\n");
        }
    }
}

/// SQL that a renderer of templates leaves as it is, whatever names it holds.
fn inert(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let is_mark = from[1..].starts_with(['{', '%', '#']);
        text.push_str(if is_mark { "{{ '{' }}" } else { "{" });
        rest = &from[1..];
    }
    text.push_str(rest);
    text
}

/// A comment need not be exact.
fn inert_note(note: &str) -> String {
    note.replace('{', "(").replace('}', ")")
}

/// A parameter and its name in SQL.
struct Input<'a> {
    parameter: &'a Parameter,
    name: String,
}

/// The inputs of those names.
///
/// # Errors
/// `NameNotFound` with the nearest names.
pub fn chosen_inputs<'a>(id: &str, method: &'a Method, names: &[String]) -> Result<Vec<&'a Parameter>> {
    let known = |name: &String| {
        method.parameter(name).ok_or_else(|| {
            let error = Error::new(ErrorKind::NameNotFound, format!("`{}` of `{id}` takes no `{name}`", method.name));
            match did_you_mean(name, method.parameters.iter().map(|parameter| parameter.name.as_str())) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    };
    names.iter().map(known).collect()
}

/// The inputs that a statement of a verb holds, what is required first.
pub fn inputs_of<'a>(resource: &Resource, method: &'a Method, verb: Verb, extent: Extent) -> Vec<&'a Parameter> {
    let fits = |input: &Parameter| {
        // What says which object it is cannot be SET; a DELETE has no place for fields.
        let is_twin = verb != Verb::Insert && verb != Verb::Exec && is_key_twin(resource, method, input);
        let is_unwanted =
            is_twin || input.location == Location::Server || (verb == Verb::Delete && !is_place(resource, input));
        is_needed(input) || (extent == Extent::All && !is_unwanted)
    };
    // An INSERT has columns and an UPDATE a SET, also where no field is required.
    let is_written = |input: &&Parameter| match verb {
        Verb::Insert => input.location != Location::Server,
        Verb::Update | Verb::Replace => !is_place(resource, input),
        Verb::Delete | Verb::Exec => false,
    };
    let lacks = !method.parameters.iter().any(|input| fits(input) && is_written(&input));
    let mut inputs: Vec<&Parameter> =
        method.parameters.iter().filter(|input| fits(input) || (lacks && is_written(input))).collect();
    inputs.sort_by_key(|input| !is_needed(input));
    inputs
}

/// The SELECT that a method answers; `id` is its resource's, as SQL takes it.
pub fn select(id: &str, resource: &Resource, method: &Method, extent: Extent) -> Statement {
    let mut made = Statement::default();
    let columns: Vec<String> =
        method.response.columns.iter().map(|column| format!("  {}", identifier(&column.name))).collect();
    let columns = if columns.is_empty() { "  *".to_owned() } else { columns.join(",\n") };
    made.sql(format!("SELECT\n{columns}\nFROM {id}"));
    let mut inputs = inputs_of(resource, method, Verb::Exec, extent);
    // Pages are asked for by whoever reads them.
    inputs.retain(|input| is_needed(input) || !asks_for_pages(method, input));
    // A table has no columns of two names for one thing.
    let inputs = plain(inputs);
    if !inputs.is_empty() {
        made.sql("\nWHERE\n");
        made.lines(&inputs, " AND ", |input| format!("{} = ", identifier(&input.name)));
    }
    made.sql(";");
    made
}

fn asks_for_pages(method: &Method, input: &Parameter) -> bool {
    let pagination = &method.pagination;
    let place = match &pagination.kind {
        PageKind::Page { parameter, .. } | PageKind::Offset { parameter } | PageKind::Cursor { parameter, .. } => {
            Some(parameter)
        }
        _ => None,
    };
    let places = place.into_iter().chain(pagination.size.as_ref().map(|size| &size.parameter));
    places.into_iter().any(|place| place.is_at(input.location, &input.wire))
}

/// A write of `verb` by a method, with these inputs. Where the verb has no form for them (an INSERT of nothing, an UPDATE of
/// the one object there is), EXEC.
pub fn statement(id: &str, resource: &Resource, method: &Method, verb: Verb, inputs: Vec<&Parameter>) -> Statement {
    let (places, fields): (Vec<&Parameter>, Vec<&Parameter>) =
        inputs.iter().partition(|input| is_place(resource, input));
    let is_said = !places.is_empty() && places.iter().all(|input| means_the_object(resource, input));
    // WHERE has columns, and those have no prefix.
    let places: Vec<Input<'_>> = match verb {
        Verb::Update | Verb::Replace | Verb::Delete => plain(places),
        Verb::Insert | Verb::Exec => named(method, places),
    };
    let fields = named(method, fields);
    let set = |input: &Input<'_>| format!("{} = ", identifier(&input.name));
    let mut made = Statement::default();
    match verb {
        Verb::Insert if !inputs.is_empty() => {
            let all: Vec<Input<'_>> = places.into_iter().chain(fields).collect();
            let names: Vec<String> = all.iter().map(|input| identifier(&input.name)).collect();
            made.sql(format!("INSERT INTO {id} ({})\nVALUES (\n", names.join(", ")));
            made.lines(&all, ", ", |_| String::new());
            made.sql(");");
        }
        Verb::Update | Verb::Replace if !fields.is_empty() && is_said => {
            made.sql(format!("{} {id} SET\n", verb.name()));
            made.lines(&fields, ", ", set);
            made.conditions(&places);
        }
        Verb::Delete if fields.is_empty() && is_said => {
            made.sql(format!("DELETE FROM {id} "));
            made.conditions(&places);
        }
        _ => made.exec(id, method, &named(method, inputs)),
    }
    made
}

impl Statement {
    /// WHERE, and the end.
    fn conditions(&mut self, places: &[Input<'_>]) {
        self.sql("WHERE\n");
        self.lines(places, " AND ", |input| format!("{} = ", identifier(&input.name)));
        self.sql(";");
    }

    /// `EXEC id.method @name = …`, with the fields of the body as `@data__name`, and files.
    fn exec(&mut self, id: &str, method: &Method, inputs: &[Input<'_>]) {
        let files: &[String] = method.request.as_ref().map_or(&[], |request| &request.files);
        let is_file =
            |input: &Input<'_>| input.parameter.location == Location::Body && files.contains(&input.parameter.name);
        let (sent, told): (Vec<&Input<'_>>, Vec<&Input<'_>>) = inputs.iter().partition(|input| is_file(input));
        self.sql(format!("EXEC {id}.{}", identifier(&method.name)));
        let is_whole =
            method.upload.is_some() || method.request.as_ref().is_some_and(|request| request.media == BodyMedia::Bytes);
        let last = told.len().saturating_sub(1);
        for (at, input) in told.iter().enumerate() {
            self.sql(format!("{}  @{} = ", if at == 0 { "\n" } else { "" }, argument(&input.name)));
            self.value(&input.name, input.parameter.ty);
            self.sql(if at == last { " " } else { ", " });
            self.parts.push(Part::Note(note(input.parameter)));
            self.sql("\n");
        }
        let ahead = if told.is_empty() { "\n" } else { "" };
        let mut clauses = 0;
        let mut clause = |made: &mut Self, word: &str, name: &str, field: &str| {
            made.sql(if clauses == 0 { ahead } else { "\n" });
            clauses += 1;
            made.sql(word);
            made.value(name, ValueType::Text);
            made.sql(field);
        };
        if method.response.items == ItemShape::Binary {
            clause(self, "INTO ", "into_file", "");
        }
        if is_whole && sent.is_empty() {
            clause(self, "FROM ", "from_file", "");
        }
        for (at, input) in sent.iter().enumerate() {
            let word = if at == 0 { "FROM " } else { ", " };
            let field = format!(" AS {}", identifier(&input.parameter.name));
            clause(self, word, &input.parameter.name, &field);
        }
        self.sql(";");
    }
}

/// Whether an input says which object is meant: it stands in WHERE. A key may be a field of the body, too.
fn is_place(resource: &Resource, input: &Parameter) -> bool {
    let keys = resource.keys.as_ref().filter(|keys| keys.declared);
    input.location != Location::Body || keys.is_some_and(|keys| keys.columns.contains_key(&input.name))
}

/// Whether a field has the name of a declared key that a parameter gives.
fn is_key_twin(resource: &Resource, method: &Method, input: &Parameter) -> bool {
    input.location == Location::Body
        && is_place(resource, input)
        && method.parameters.iter().any(|other| other.location != Location::Body && other.name == input.name)
}

/// Whether a condition on an input's name can only mean the call: a row's field of that name could be another thing, unless the
/// document says that it is not.
fn means_the_object(resource: &Resource, input: &Parameter) -> bool {
    let keys = resource.keys.as_ref().filter(|keys| keys.declared);
    let is_key = keys.is_some_and(|keys| keys.columns.get(&input.name) == Some(&input.name));
    let is_same = input.column == Some(true) && input.location == Location::Path;
    let reads = || resource.methods_of(&resource.verbs.select);
    let is_field = || reads().flat_map(|method| &method.response.columns).any(|column| column.name == input.name);
    let mut known = reads().flat_map(|method| &method.parameters).chain([input]);
    let differs = known.any(|known| known.name == input.name && known.column == Some(false));
    !differs && (is_key || is_same || !is_field())
}

fn plain(inputs: Vec<&Parameter>) -> Vec<Input<'_>> {
    inputs.into_iter().map(|parameter| Input { parameter, name: parameter.name.clone() }).collect()
}

/// A name behind `@`, where no word has a meaning of its own.
fn argument(name: &str) -> String {
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { name.to_owned() } else { identifier(name) }
}

fn named<'a>(method: &Method, inputs: Vec<&'a Parameter>) -> Vec<Input<'a>> {
    inputs.into_iter().map(|parameter| Input { parameter, name: input_name(method, parameter) }).collect()
}

/// `integer, required, 10..500: the size`.
fn note(input: &Parameter) -> String {
    let mut said = vec![input.ty.name().to_owned()];
    said.push(if is_needed(input) { "required" } else { "optional" }.to_owned());
    if !input.values.is_empty() {
        said.push(format!("one of {}", listed(&input.values)));
    }
    said.extend(limits(input));
    said.extend(shown_default(input).map(|default| format!("default {default}")));
    let described: String = input.description.chars().take(NOTE).collect();
    let cut = if input.description.chars().count() > NOTE { "…" } else { "" };
    let colon = if described.is_empty() { "" } else { ": " };
    // A comment ends with its line.
    let note = format!("{}{colon}{described}{cut}", said.join(", "));
    note.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_a_variable_of_its_own() {
        let mut made = Statement::default();
        for name in ["a-b", "a b", "a_b", "7", "", "größe"] {
            made.value(name, ValueType::Text);
        }
        let variables: Vec<&str> = made
            .parts
            .iter()
            .map(|part| if let Part::Value { variable, .. } = part { variable.as_str() } else { "" })
            .collect();
        assert_eq!(variables, ["a_b", "a_b_2", "a_b_3", "_7", "_", "größe"]);
    }

    #[test]
    fn what_a_document_says_is_no_place_for_a_value() {
        let mut made = Statement::default();
        made.sql("SELECT \"{{ x }}\", \"{%\", \"{}\" ");
        made.parts.push(Part::Note("{{ password }}".to_owned()));
        assert_eq!(made.template(), "SELECT \"{{ '{' }}{ x }}\", \"{{ '{' }}%\", \"{}\" -- (( password ))");
    }
}
