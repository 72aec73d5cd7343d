//! What could be meant: a function of the text, the cursor and the names there are.

use std::sync::Arc;

use super::lexer::{Kind, Token, tokens};
use super::meta_command;
use super::names::Names;
use super::words::{self, is_reserved};
use crate::engine::metadata_tables;
use crate::provider::Method;

mod documents;
mod place;

use documents::{Need, columns_of, fields, method, parameters, resource, resource_of, serves, service_of, writable};
use place::{Clause, Place, Purpose, Reading, TableName};

/// What could stand in the place of the text between `start` and the cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Completion {
    /// In bytes.
    pub(super) start: usize,
    pub(super) candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) display: String,
    pub(super) replacement: String,
}

impl Candidate {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { display: text.clone(), replacement: text }
    }

    /// What is not kept is only shown: `id (required)`.
    fn noted(name: &str, replacement: String, note: Need) -> Self {
        let display = match note {
            Need::Required => format!("{name} (required)"),
            Need::Optional => format!("{name} (optional)"),
            Need::Field => name.to_owned(),
        };
        Self { display, replacement }
    }
}

/// Nobody reads more, and the line editor counts them in 16 bits.
const MOST: usize = 2_000;

/// The candidates at a cursor, in bytes; a cursor inside a character counts as the end.
pub(super) fn complete(text: &str, cursor: usize, names: &dyn Names) -> Completion {
    let cursor = if text.is_char_boundary(cursor) { cursor.min(text.len()) } else { text.len() };
    let mut completion = if text.trim_start().starts_with('\\') {
        meta_command::complete(&text[..cursor], names)
    } else {
        in_statement(text, cursor, names)
    };
    completion.candidates.truncate(MOST);
    completion
}

/// What is written of the thing under the cursor.
struct Written {
    /// Where its last part begins.
    start: usize,
    /// The parts before its last dot.
    parts: Vec<String>,
    /// The last part, up to the cursor, without its quote.
    prefix: String,
    quote: Option<char>,
}

fn in_statement(text: &str, cursor: usize, names: &dyn Names) -> Completion {
    let all = tokens(text);
    let begin = all.iter().rposition(|token| token.is_symbol(";") && token.end() <= cursor).map_or(0, |at| at + 1);
    let length = all[begin..].iter().position(|token| token.is_symbol(";")).unwrap_or(all.len() - begin);
    let statement = &all[begin..begin + length];
    let at = statement.iter().position(|token| token.start < cursor && cursor <= token.end());
    let inside = at.map(|at| &statement[at]).filter(|token| !token.closed || cursor < token.end());
    match inside.or(at.map(|at| &statement[at])).map(|token| token.kind) {
        Some(Kind::Comment | Kind::Number) => return Completion::default(),
        Some(Kind::Text) => {
            return match (at, inside) {
                (Some(at), Some(_)) => in_text(statement, at, cursor, names),
                _ => Completion::default(),
            };
        }
        _ => {}
    }
    let (written, from) = written(statement, at, cursor);
    let before: Vec<&Token<'_>> = counting(&statement[..from]);
    // Without what is being written, which may be half a name.
    let behind = at.map_or(from, |at| at + 1).max(from);
    let whole: Vec<&Token<'_>> = before.iter().copied().chain(counting(&statement[behind..])).collect();
    let place = Reading::of(&before).place(&before);
    let statement = Reading::of(&whole);
    let lower = is_lower(&written.prefix, &whole);
    let mut found = Found { written: &written, lower, names, statement: &statement, candidates: Vec::new() };
    found.of(&place);
    Completion { start: written.start, candidates: found.candidates }
}

fn counting<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t Token<'a>> {
    tokens.iter().filter(|token| !matches!(token.kind, Kind::Space | Kind::Comment)).collect()
}

/// What is written before the cursor, and the token at which it begins.
fn written(statement: &[Token<'_>], at: Option<usize>, cursor: usize) -> (Written, usize) {
    let nothing = Written { start: cursor, parts: Vec::new(), prefix: String::new(), quote: None };
    let Some(at) = at else { return (nothing, statement.iter().take_while(|token| token.end() <= cursor).count()) };
    let token = &statement[at];
    let (mut written, mut from) = match token.kind {
        Kind::Word => {
            let prefix = token.text[..cursor - token.start].to_owned();
            (Written { start: token.start, prefix, ..nothing }, at)
        }
        Kind::Quoted if !token.closed => {
            let quote = token.text.chars().next();
            let prefix = token.text.get(1..cursor - token.start).unwrap_or_default().to_owned();
            (Written { start: token.start, prefix, quote, ..nothing }, at)
        }
        _ => (nothing, at + 1),
    };
    while let Some([name, dot]) = from.checked_sub(2).map(|two| [&statement[two], &statement[two + 1]])
        && dot.is_symbol(".")
        && let Some(name) = name.name()
    {
        written.parts.insert(0, name);
        from -= 2;
    }
    (written, from)
}

/// Keywords come in the letters in which the user writes them.
fn is_lower(prefix: &str, statement: &[&Token<'_>]) -> bool {
    let is_lower = |text: &str| text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase);
    if prefix.is_empty() { statement.first().is_some_and(|first| is_lower(first.text)) } else { is_lower(prefix) }
}

/// Inside a string: a file behind INTO, FROM and TO, else the values of the column that it is compared with.
fn in_text(statement: &[Token<'_>], at: usize, cursor: usize, names: &dyn Names) -> Completion {
    let token = &statement[at];
    if !token.text.starts_with('\'') {
        return Completion::default();
    }
    let start = token.start + 1;
    let Some(typed) = token.text.get(1..cursor - token.start) else { return Completion::default() };
    let close = if token.closed { "" } else { "'" };
    let before = counting(&statement[..at]);
    let last = before.last().map(|last| last.text.to_uppercase()).unwrap_or_default();
    if matches!(last.as_str(), "INTO" | "FROM" | "TO") {
        let files = names.files(&typed.replace("''", "'")).into_iter().map(|file| {
            let end = if file.ends_with('/') { "" } else { close };
            Candidate { replacement: format!("{}{end}", file.replace('\'', "''")), display: file }
        });
        return Completion { start, candidates: files.collect() };
    }
    let whole = counting(statement);
    let reading = Reading::of(&whole);
    let values = compared(&before).map(|column| values_of(&column, &reading, names)).unwrap_or_default();
    let candidates = values
        .into_iter()
        .filter(|value| starts_with(value, typed))
        .map(|value| Candidate { replacement: format!("{}{close}", value.replace('\'', "''")), display: value });
    Completion { start, candidates: candidates.collect() }
}

/// The column that a value at the end is compared with: `c = `, `c => `, `c IN (…, `.
fn compared(before: &[&Token<'_>]) -> Option<String> {
    let mut at = before.len().checked_sub(1)?;
    if before[at].is_symbol("(") || before[at].is_symbol(",") {
        while !before[at].is_symbol("(") {
            at = at.checked_sub(1)?;
        }
        at = at.checked_sub(1)?;
        if !before[at].is_word("IN") {
            return None;
        }
        at = at.checked_sub(1)?;
        if before[at].is_word("NOT") {
            at = at.checked_sub(1)?;
        }
        return before[at].name();
    }
    while ["=", "<", ">", "!"].iter().any(|sign| before[at].is_symbol(sign)) {
        at = at.checked_sub(1)?;
    }
    if at + 1 == before.len() { None } else { before[at].name() }
}

/// The values that the documents list for a column or parameter of the statement's tables.
fn values_of(column: &str, statement: &Reading, names: &dyn Names) -> Vec<String> {
    let column = column.trim_start_matches('@');
    let column = column.strip_prefix("data__").unwrap_or(column);
    let mut values: Vec<String> = Vec::new();
    let of_tables = statement.tables.iter().filter_map(|table| resource(&table.parts, names));
    let of_exec = statement.exec().and_then(|name| method(name, names)).map(|(resource, _)| resource);
    for resource in of_tables.chain(of_exec) {
        for method in resource.methods.values() {
            let of_columns = method.response.columns.iter().filter(|c| c.name.eq_ignore_ascii_case(column));
            let of_parameters = method.parameters.iter().filter(|p| p.name.eq_ignore_ascii_case(column));
            let listed = of_columns.flat_map(|c| &c.values).chain(of_parameters.flat_map(|p| &p.values));
            for value in listed.filter_map(serde_json::Value::as_str) {
                if !values.iter().any(|known| known == value) {
                    values.push(value.to_owned());
                }
            }
        }
    }
    values
}

/// The candidates, as they are found.
struct Found<'f> {
    written: &'f Written,
    lower: bool,
    names: &'f dyn Names,
    statement: &'f Reading,
    candidates: Vec<Candidate>,
}

impl Found<'_> {
    fn of(&mut self, place: &Place) {
        match place {
            Place::Table(purpose, words) => {
                self.words(words);
                self.tables(*purpose);
            }
            _ if self.written.parts.is_empty() => self.without_dots(place),
            // Behind a dot only a column of what stands before it makes sense.
            Place::Operand | Place::AfterOperand(_) | Place::SetColumn => self.columns(),
            _ => {}
        }
    }

    fn without_dots(&mut self, place: &Place) {
        match place {
            Place::Statement => self.words(words::STATEMENTS),
            Place::Words(listed) => {
                self.words(listed);
                if *listed == words::SHOWN {
                    self.settings();
                }
            }
            Place::Setting => {
                self.settings();
                self.words(&["ALL"]);
            }
            Place::SettingValue(setting) => {
                for value in self.names.setting_values(setting) {
                    self.add(Candidate { replacement: format!("'{value}'"), display: value });
                }
            }
            Place::Arguments(table) => self.arguments(table),
            Place::InsertColumn(table, named) => self.insert_columns(table, named),
            Place::SetColumn => self.set_columns(),
            Place::ExecArgument(method, given) => self.exec_arguments(method, given),
            Place::Operand => {
                self.columns();
                // Hundreds, which would hide the columns.
                if !self.written.prefix.is_empty() || self.candidates.is_empty() {
                    for function in self.names.functions() {
                        self.add(Candidate { replacement: format!("{function}("), display: format!("{function}()") });
                    }
                }
                self.words(words::OPERANDS);
                self.words(&["SELECT"]);
            }
            Place::AfterOperand(clause) => {
                self.words(match clause {
                    Clause::Begin => &["AS", "SELECT", "FROM"],
                    Clause::Select => &["FROM", "AS", "WHERE"],
                    Clause::From => words::AFTER_TABLE,
                    Clause::Condition => words::AFTER_CONDITION,
                    Clause::Order => {
                        &["ASC", "DESC", "NULLS FIRST", "NULLS LAST", "LIMIT", "OFFSET", "HAVING", "ORDER BY"]
                    }
                    Clause::Into => &["VALUES", "SELECT", "SET", "RETURNING"],
                    Clause::Set => &["WHERE", "RETURNING"],
                    Clause::Values => &["RETURNING"],
                    Clause::Other => &[],
                });
                if *clause != Clause::From {
                    self.words(words::OPERATORS);
                }
                // JOIN … ON a = b JOIN …
                if *clause == Clause::Condition {
                    self.words(&["JOIN", "LEFT JOIN", "WHERE"]);
                }
            }
            Place::Table(..) => {}
        }
        // Where the grammar is richer than this table of it, a keyword that is begun is still finished.
        if self.candidates.is_empty() && self.written.prefix.len() > 1 {
            self.words(words::keywords());
        }
    }

    fn add(&mut self, candidate: Candidate) {
        if starts_with(&candidate.display, &self.written.prefix) && !self.candidates.contains(&candidate) {
            self.candidates.push(candidate);
        }
    }

    fn words(&mut self, words: &[&str]) {
        if self.written.quote.is_some() || !self.written.parts.is_empty() {
            return;
        }
        for word in words {
            self.add(Candidate::plain(if self.lower { word.to_lowercase() } else { (*word).to_owned() }));
        }
    }

    fn settings(&mut self) {
        for setting in self.names.settings() {
            self.add(Candidate::plain(setting));
        }
    }

    /// A name as it must be written here.
    fn quoted(&self, name: &str) -> String {
        match self.written.quote {
            Some(quote) => format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}"))),
            None => quoted(name),
        }
    }

    /// The next part of a table's or method's name, which may be shortened by USE.
    fn tables(&mut self, purpose: Purpose) {
        let last = match purpose {
            Purpose::Parts(parts) => parts,
            Purpose::Exec | Purpose::Method => 4,
            Purpose::Own => 0,
            _ => 3,
        };
        let (names, used) = (self.names, self.names.used());
        let mut found: Vec<Candidate> = Vec::new();
        let mut push = |name: &str, is_last: bool| {
            let replacement = format!("{}{}", self.quoted(name), if is_last { "" } else { "." });
            let candidate = Candidate { display: name.to_owned(), replacement };
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        };
        let written = &self.written.parts;
        for from_use in 0..=used.len() {
            let parts = [&used[..from_use], written].concat();
            if parts.len() < last {
                for name in next_parts(&parts, purpose, names) {
                    push(&name, parts.len() + 1 == last);
                }
            }
        }
        if purpose == Purpose::Own && written.is_empty() {
            names.own_tables().iter().for_each(|own| push(&own.name, true));
        }
        if purpose == Purpose::Select || purpose == Purpose::Parts(3) {
            match written.as_slice() {
                [] => {
                    self.statement.named_queries.iter().for_each(|name| push(name, true));
                    names.own_tables().iter().for_each(|own| push(&own.name, true));
                    metadata_tables().for_each(|(schema, _, _)| push(schema, false));
                }
                [schema] => {
                    let its = metadata_tables().filter(|(of, _, _)| of.eq_ignore_ascii_case(schema));
                    its.for_each(|(_, name, _)| push(name, true));
                }
                _ => {}
            }
        }
        let (begun, inside): (Vec<Candidate>, Vec<Candidate>) =
            found.into_iter().partition(|candidate| starts_with(&candidate.display, &self.written.prefix));
        if begun.is_empty() && self.candidates.is_empty() {
            let wanted = self.written.prefix.to_lowercase();
            self.candidates.extend(inside.into_iter().filter(|one| one.display.to_lowercase().contains(&wanted)));
        } else {
            self.candidates.extend(begun);
        }
    }

    /// The columns and parameters of the statement's tables, or of the one whose name or alias stands before the dot.
    fn columns(&mut self) {
        let statement = self.statement;
        let qualifier = self.written.parts.last();
        let mut found: Vec<(Need, String)> = Vec::new();
        for table in &statement.tables {
            let called = table.alias.as_ref().or(table.parts.last());
            let meant = qualifier.is_none_or(|wanted| called.is_some_and(|called| called.eq_ignore_ascii_case(wanted)));
            if meant {
                found.extend(columns_of(table, self.names));
            }
        }
        self.named(found, "");
    }

    /// What must be given comes first.
    fn named(&mut self, mut found: Vec<(Need, String)>, end: &str) {
        found.sort_by_key(|(need, _)| *need);
        for (need, name) in found {
            let replacement = format!("{}{end}", self.quoted(&name));
            self.add(Candidate::noted(&name, replacement, need));
        }
    }

    fn arguments(&mut self, table: &[String]) {
        let Some(resource) = resource(table, self.names) else { return };
        let methods: Vec<&Arc<Method>> = resource.methods_of(&resource.verbs.select).collect();
        self.named(parameters(&methods), " => ");
    }

    fn insert_columns(&mut self, table: &TableName, named: &[String]) {
        let Some(resource) = resource(&table.parts, self.names) else { return };
        let found = writable(&resource, table.purpose, &self.written.prefix);
        let is_named = |name: &String| named.iter().any(|known| known.eq_ignore_ascii_case(name));
        self.named(found.into_iter().filter(|(_, name)| !is_named(name)).collect(), "");
    }

    fn set_columns(&mut self) {
        for table in &self.statement.tables {
            if matches!(table.purpose, Purpose::Update | Purpose::Replace)
                && let Some(resource) = resource(&table.parts, self.names)
            {
                self.named(writable(&resource, table.purpose, &self.written.prefix), " = ");
            }
        }
    }

    fn exec_arguments(&mut self, name: &[String], given: &[String]) {
        let Some((_, method)) = method(name, self.names) else { return };
        let mut found: Vec<(Need, String)> = fields(&[&method], &self.written.prefix);
        found.retain(|(_, name)| !given.contains(&name.to_lowercase()));
        found.sort_by_key(|(need, _)| *need);
        for (need, name) in found {
            self.add(Candidate::noted(&format!("@{name}"), format!("@{name} = "), need));
        }
        if method.request.is_some() && !given.iter().any(|given| given == "json") {
            self.add(Candidate { display: "@@json".to_owned(), replacement: "@@json = '".to_owned() });
        }
        self.words(&["RETURNING"]);
    }
}

/// What may stand behind a whole beginning of a name.
fn next_parts(parts: &[String], purpose: Purpose, names: &dyn Names) -> Vec<String> {
    match parts {
        [] => names.providers(),
        [provider] => names.services(provider),
        [provider, service] => {
            let Some(service) = service_of(provider, service, names) else { return Vec::new() };
            let resources = service.resources.values().filter(|resource| serves(resource, purpose));
            resources.map(|resource| resource.name.clone()).collect()
        }
        [provider, service, resource] => {
            let found = resource_of(provider, service, resource, names);
            found.map(|resource| resource.methods.keys().cloned().collect()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn starts_with(name: &str, prefix: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    prefix.chars().flat_map(char::to_lowercase).all(|c| letters.next() == Some(c))
}

/// A name as SQL reads it: in quotes where it is not a plain word.
pub(super) fn quoted(name: &str) -> String {
    let mut letters = name.chars();
    let plain = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !is_reserved(name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests;
