//! Commands that begin with a backslash: what there is, what is meant, what could follow.

use std::time::Duration;

use super::completion::{Candidate, Completion};
use super::names::Names;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::output::Format;

/// What a backslash command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MetaCommand {
    /// `\d [NAME]`
    Describe(Option<String>),
    /// `\dp [PATTERN]`
    Providers(Option<String>),
    /// `\df [PATTERN]`
    Functions(Option<String>),
    /// `\x [on|off]`; nothing turns it over.
    Expanded(Option<bool>),
    /// `\timing [on|off]`
    Timing(Option<bool>),
    /// `\o [FILE]`; nothing goes back to the terminal.
    Output(Option<String>),
    /// `\i FILE`
    Include(String),
    /// `\e [FILE]`
    Edit(Option<String>),
    /// `\watch [SECONDS]`
    Watch(Duration),
    /// `\set [NAME [VALUE]]`: a setting.
    Set(Option<(String, Option<String>)>),
    /// `\pset [NAME [VALUE]]`: how rows look.
    Pset(Option<(String, Option<String>)>),
    Help,
    Quit,
}

/// Name, arguments, meaning; in the order in which help shows them.
pub(super) const COMMANDS: &[(&str, &str, &str)] = &[
    (
        "d",
        "[NAME]",
        "list providers; of a provider, its services; of a service, its resources; describe a resource or a method",
    ),
    ("dp", "[PATTERN]", "list providers"),
    ("df", "[PATTERN]", "list functions"),
    ("x", "[on|off]", "show each row as a list of names and values"),
    ("timing", "[on|off]", "show how long each input took"),
    ("o", "[FILE]", "write rows to a file; without a name, to the terminal again"),
    ("i", "FILE", "run the statements of a file"),
    ("e", "[FILE]", "edit the last input, or a file, in $VISUAL or $EDITOR"),
    ("watch", "[SECONDS]", "run the last statement again and again, until Ctrl-C"),
    ("set", "[NAME [VALUE]]", "list the settings, show one, or change it"),
    ("pset", "[NAME [VALUE]]", "how rows look: format, null, header, pager, expanded"),
    ("?", "", "this help"),
    ("q", "", "leave; Ctrl-D and `exit` too"),
];

/// What `\pset` changes.
pub(super) const LOOKS: &[&str] = &["format", "null", "header", "pager", "expanded"];

/// How often `\watch` looks when it is not told.
const WATCH_SECONDS: f64 = 2.0;

/// Reads a command, backslash and all.
///
/// # Errors
/// `NameNotFound` for one that there is not, `InvalidArgument` for what it cannot take.
pub(super) fn parse(text: &str) -> Result<MetaCommand> {
    let text = text.trim().trim_start_matches('\\');
    let (name, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let name = name.trim_end_matches(';');
    let whole = rest.trim();
    let rest = whole.trim_end_matches(';').trim_end();
    let optional = (!rest.is_empty()).then(|| rest.to_owned());
    Ok(match name {
        "d" => MetaCommand::Describe(optional),
        "dp" => MetaCommand::Providers(optional),
        "df" => MetaCommand::Functions(optional),
        "x" => MetaCommand::Expanded(switch(name, rest)?),
        "timing" => MetaCommand::Timing(switch(name, rest)?),
        "o" => MetaCommand::Output((!whole.is_empty()).then(|| unquoted(whole))),
        "i" if whole.is_empty() => return Err(misused(name)),
        "i" => MetaCommand::Include(unquoted(whole)),
        "e" => MetaCommand::Edit((!whole.is_empty()).then(|| unquoted(whole))),
        "watch" => MetaCommand::Watch(seconds(rest)?),
        "set" => MetaCommand::Set(pair(rest)),
        "pset" => MetaCommand::Pset(pair(whole)),
        "?" | "h" | "help" => MetaCommand::Help,
        "q" | "quit" => MetaCommand::Quit,
        _ => {
            let error = Error::new(ErrorKind::NameNotFound, format!("there is no command `\\{name}`"));
            let known: Vec<String> = COMMANDS.iter().map(|(name, _, _)| format!("\\{name}")).collect();
            let hint =
                did_you_mean(&format!("\\{name}"), known.iter().map(String::as_str)).filter(|_| !name.is_empty());
            return Err(error.hint(hint.unwrap_or_else(|| "`\\?` lists them".to_owned())));
        }
    })
}

fn misused(name: &str) -> Error {
    let usage = COMMANDS.iter().find(|(known, _, _)| *known == name).map_or("", |(_, usage, _)| usage);
    Error::new(ErrorKind::InvalidArgument, format!("`\\{name}` is written `\\{name} {usage}`"))
        .hint("`\\?` lists all commands")
}

fn switch(name: &str, text: &str) -> Result<Option<bool>> {
    match text.to_lowercase().as_str() {
        "" => Ok(None),
        "on" | "true" | "1" => Ok(Some(true)),
        "off" | "false" | "0" => Ok(Some(false)),
        _ => Err(misused(name)),
    }
}

fn seconds(text: &str) -> Result<Duration> {
    let number = if text.is_empty() { Some(WATCH_SECONDS) } else { text.trim_end_matches('s').parse::<f64>().ok() };
    // A day is longer than anybody watches; a tenth of a second is often enough for any API.
    match number.filter(|seconds| (0.1..=86_400.0).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err(Error::new(ErrorKind::InvalidArgument, format!("`\\watch` cannot wait `{text}` seconds"))
            .hint("it takes 0.1 to 86400")),
    }
}

fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('\'').and_then(|text| text.trim_end_matches(';').strip_suffix('\''));
    inner.map_or_else(|| text.to_owned(), |inner| inner.replace("''", "'"))
}

/// A name and what follows it; `=` between them may be written.
fn pair(text: &str) -> Option<(String, Option<String>)> {
    let (name, value) = text.split_at(text.find([' ', '\t', '=']).unwrap_or(text.len()));
    let value = value.trim_start();
    let value = value.strip_prefix('=').unwrap_or(value).trim();
    (!name.is_empty()).then(|| (name.to_lowercase(), (!value.is_empty()).then(|| unquoted(value))))
}

/// The help of `\?`, one line per command.
pub(super) fn help() -> Vec<String> {
    let usage = |(name, arguments, _): &(&str, &str, &str)| format!("\\{name} {arguments}");
    let width = COMMANDS.iter().map(|command| usage(command).len()).max().unwrap_or(0);
    COMMANDS.iter().map(|command| format!("{:width$}  {}", usage(command), command.2)).collect()
}

/// What could follow in a command, of which `text` is what stands before the cursor.
pub(super) fn complete(text: &str, names: &dyn Names) -> Completion {
    let blank = text.len() - text.trim_start().len();
    let Some(space) = text[blank..].find(char::is_whitespace).map(|at| at + blank) else {
        let begun = &text[blank..];
        let known = COMMANDS.iter().map(|(name, _, _)| format!("\\{name}"));
        let candidates = known.filter(|name| name.starts_with(begun)).map(Candidate::plain).collect();
        return Completion { start: blank, candidates };
    };
    let name = &text[blank + 1..space];
    let start = space + text[space..].len() - text[space..].trim_start().len();
    let written = &text[start..];
    let words: Vec<String> = match name {
        "d" => {
            // The same names, in the same places, as in DESCRIBE METHOD.
            let statement = format!("DESCRIBE METHOD {written}");
            let mut completion = super::completion::complete(&statement, statement.len(), names);
            completion
                .candidates
                .retain(|candidate| candidate.display != "EXTENDED" && candidate.display != "extended");
            completion.start = (completion.start + start).saturating_sub("DESCRIBE METHOD ".len());
            return completion;
        }
        "i" | "o" | "e" => names.files(written),
        "x" | "timing" => vec!["on".to_owned(), "off".to_owned()],
        "set" => match written.split_once(char::is_whitespace) {
            None => names.settings(),
            Some((setting, value)) => return second(text, value, names.setting_values(setting)),
        },
        "pset" => match written.split_once(char::is_whitespace) {
            None => LOOKS.iter().map(|look| (*look).to_owned()).collect(),
            Some(("format", value)) => {
                return second(text, value, Format::NAMES.iter().map(|name| (*name).to_owned()).collect());
            }
            Some(("null", _)) => Vec::new(),
            Some((_, value)) => return second(text, value, vec!["on".to_owned(), "off".to_owned()]),
        },
        _ => Vec::new(),
    };
    let candidates = words.into_iter().filter(|word| word.starts_with(written)).map(Candidate::plain).collect();
    Completion { start, candidates }
}

fn second(text: &str, value: &str, words: Vec<String>) -> Completion {
    let value = value.trim_start();
    let candidates = words.into_iter().filter(|word| word.starts_with(value)).map(Candidate::plain).collect();
    Completion { start: text.len() - value.len(), candidates }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            ("\\d", MetaCommand::Describe(None)),
            (" \\d linode.images ;", MetaCommand::Describe(some("linode.images"))),
            ("\\dp lin", MetaCommand::Providers(some("lin"))),
            ("\\df json", MetaCommand::Functions(some("json"))),
            ("\\x", MetaCommand::Expanded(None)),
            ("\\x ON;", MetaCommand::Expanded(Some(true))),
            ("\\timing off", MetaCommand::Timing(Some(false))),
            ("\\o out file.csv", MetaCommand::Output(some("out file.csv"))),
            ("\\o 'it''s.csv'", MetaCommand::Output(some("it's.csv"))),
            ("\\o", MetaCommand::Output(None)),
            ("\\i ~/a.sql", MetaCommand::Include("~/a.sql".into())),
            ("\\e", MetaCommand::Edit(None)),
            ("\\watch", MetaCommand::Watch(Duration::from_secs(2))),
            ("\\watch 0.5s", MetaCommand::Watch(Duration::from_millis(500))),
            ("\\set max_calls 5", MetaCommand::Set(Some(("max_calls".into(), some("5"))))),
            ("\\set max_calls = '5'", MetaCommand::Set(Some(("max_calls".into(), some("5"))))),
            ("\\set", MetaCommand::Set(None)),
            ("\\pset null (none);", MetaCommand::Pset(Some(("null".into(), some("(none);"))))),
            ("\\pset format", MetaCommand::Pset(Some(("format".into(), None)))),
            ("\\?", MetaCommand::Help),
            ("\\q;", MetaCommand::Quit),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_right() {
        let cases = [
            ("\\tming", "there is no command `\\tming`", "did you mean `\\timing`?"),
            ("\\zzzzzzzz", "there is no command `\\zzzzzzzz`", "`\\?` lists them"),
            ("\\", "there is no command `\\`", "`\\?` lists them"),
            ("\\i", "`\\i` is written `\\i FILE`", "`\\?` lists all commands"),
            ("\\x maybe", "`\\x` is written `\\x [on|off]`", "`\\?` lists all commands"),
            ("\\watch soon", "`\\watch` cannot wait `soon` seconds", "it takes 0.1 to 86400"),
            ("\\watch 0", "`\\watch` cannot wait `0` seconds", "it takes 0.1 to 86400"),
            ("\\watch NaN", "`\\watch` cannot wait `NaN` seconds", "it takes 0.1 to 86400"),
        ];
        for (text, message, hint) in cases {
            let error = parse(text).unwrap_err();
            assert_eq!((error.message(), error.hint_text()), (message, Some(hint)), "{text}");
        }
    }

    #[test]
    fn the_help_names_every_command() {
        let help = help();
        assert_eq!(help.len(), COMMANDS.len());
        for (line, (name, _, _)) in help.iter().zip(COMMANDS) {
            assert!(line.starts_with(&format!("\\{name} ")), "{line}");
            if *name != "i" {
                parse(&format!("\\{name}")).unwrap();
            }
        }
    }
}
