//! The line editor: what completes, colours, hints and ends what is typed.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use rustyline::completion::{Candidate as Offered, Completer};
use rustyline::config::{Behavior, ColorMode};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::completion::{Candidate, complete};
use super::highlight::highlighted;
use super::is_whole;
use super::lexer::{Kind, tokens};
use super::names::EngineNames;

/// A line editor for statements, in colour or not.
///
/// # Errors
/// Those of taking the terminal.
pub(super) fn editor(color: bool, names: Arc<EngineNames>) -> rustyline::Result<Editor<Assistant, DefaultHistory>> {
    let config = Config::builder()
        // The terminal itself, not stdout: rows may go to a file while statements are typed.
        .behavior(Behavior::PreferTerm)
        .history_ignore_space(true)
        .max_history_size(10_000)?
        .completion_type(CompletionType::List)
        .completion_prompt_limit(200)
        .completion_show_all_if_ambiguous(true)
        .bell_style(rustyline::config::BellStyle::None)
        .color_mode(if color { ColorMode::Enabled } else { ColorMode::Disabled })
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Assistant { names, color, hints: HistoryHinter::new(), is_final: Cell::new(false) }));
    Ok(editor)
}

/// What helps while a statement is typed.
pub(super) struct Assistant {
    names: Arc<EngineNames>,
    color: bool,
    hints: HistoryHinter,
    /// Whether the line is shown for the last time: then no bracket is looked for.
    is_final: Cell<bool>,
}

impl Helper for Assistant {}

impl Offered for Candidate {
    fn display(&self) -> &str {
        &self.display
    }

    fn replacement(&self) -> &str {
        &self.replacement
    }
}

impl Completer for Assistant {
    type Candidate = Candidate;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Self::Candidate>)> {
        let completion = complete(line, cursor, &*self.names);
        Ok((completion.start, completion.candidates))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, cursor: usize, context: &Context<'_>) -> Option<String> {
        self.expect_services(line);
        // Without colour a hint would look like what is typed.
        let hint = if self.color { self.hints.hint(line, cursor, context) } else { None };
        hint.filter(|hint| !hint.contains('\n'))
    }
}

impl Assistant {
    /// Has the documents of services read whose names are there, before anybody asks for what they hold.
    fn expect_services(&self, line: &str) {
        let tokens = tokens(line);
        let is_name = |at: usize| tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Quoted));
        let is_dot = |at: usize| tokens.get(at).is_some_and(|token| token.is_symbol("."));
        for at in 0..tokens.len() {
            let begins = !at.checked_sub(1).is_some_and(is_dot);
            if begins
                && is_name(at)
                && is_dot(at + 1)
                && is_name(at + 2)
                && is_dot(at + 3)
                && let (Some(provider), Some(service)) = (tokens[at].name(), tokens[at + 2].name())
            {
                self.names.expect(&provider, &service);
            }
        }
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, cursor: usize) -> Cow<'l, str> {
        if self.color { highlighted(line, (!self.is_final.get()).then_some(cursor)) } else { Cow::Borrowed(line) }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        if self.color { Cow::Owned(format!("\u{1b}[1;32m{prompt}\u{1b}[0m")) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.color { Cow::Owned(format!("\u{1b}[2m{hint}\u{1b}[0m")) } else { Cow::Borrowed(hint) }
    }

    fn highlight_candidate<'c>(&self, candidate: &'c str, _completion: CompletionType) -> Cow<'c, str> {
        match candidate.rsplit_once(" (") {
            Some((name, "required)")) if self.color => Cow::Owned(format!("\u{1b}[1m{name}\u{1b}[0m (required)")),
            Some((name, "optional)")) if self.color => Cow::Owned(format!("{name}\u{1b}[2m (optional)\u{1b}[0m")),
            _ => Cow::Borrowed(candidate),
        }
    }

    fn highlight_char(&self, _line: &str, _cursor: usize, kind: CmdKind) -> bool {
        self.is_final.set(kind == CmdKind::ForcedRefresh);
        self.color
    }
}

/// Enter ends the input, or begins a new line.
impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_ends_the_input_after_a_semicolon() {
        for (text, whole) in [
            ("select 1;", true),
            ("select 1", false),
            ("select ';", false),
            ("exit", true),
            ("\\x", true),
            ("\\d linode.images", true),
            ("", true),
            // What can never be read is better refused than waited for.
            ("select 1 \u{0};", true),
            ("select 'open;\n", false),
        ] {
            assert_eq!(is_whole(text), whole, "{text}");
        }
    }
}
