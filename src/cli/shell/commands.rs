//! What backslash commands do.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::completion::quoted;
use super::meta_command::MetaCommand;
use super::names::{Names, expanded};
use super::{Next, Ran, Shell, next};
use crate::cli::pager;
use crate::cli::run::Ended;
use crate::cli::script;
use crate::cli::source::{self, Text};
use crate::clock::{Clock, SystemClock};
use crate::engine::metadata_tables;
use crate::error::{Error, ErrorKind, Result, fold_name};
use crate::provider::Registry;

impl Shell<'_> {
    pub(super) fn command(&mut self, command: MetaCommand) -> Next {
        let done = match command {
            MetaCommand::Quit => return Next::Leave(self.leave()),
            MetaCommand::Help => {
                self.help();
                Ok(Next::GoOn)
            }
            MetaCommand::Describe(name) => self.describe(name.as_deref()),
            MetaCommand::Providers(pattern) => Ok(self.show(&format!("SHOW PROVIDERS{}", like(pattern.as_deref())))),
            MetaCommand::Functions(pattern) => Ok(self.show(&format!("SHOW FUNCTIONS{}", like(pattern.as_deref())))),
            MetaCommand::Expanded(on) => {
                let said = self.look.expand(on);
                Ok(self.say(&said))
            }
            MetaCommand::Timing(on) => {
                let said = self.look.time(on);
                Ok(self.say(&said))
            }
            MetaCommand::Pset(None) => {
                for line in self.look.list() {
                    self.runner.messages().note(&line);
                }
                Ok(Next::GoOn)
            }
            MetaCommand::Pset(Some((name, value))) => {
                self.look.set(&name, value.as_deref()).map(|said| self.say(&said))
            }
            MetaCommand::Set(None) => Ok(self.show("SHOW ALL")),
            MetaCommand::Set(Some((name, None))) => Ok(self.show(&format!("SHOW {}", one_word(&name)))),
            MetaCommand::Set(Some((name, Some(value)))) => {
                Ok(self.show(&format!("SET {} = '{}'", one_word(&name), value.replace('\'', "''"))))
            }
            MetaCommand::Output(file) => self.output(file.as_deref()),
            MetaCommand::Include(file) => self.include(&file),
            MetaCommand::Edit(file) => self.edit(file.as_deref()),
            MetaCommand::Watch(every) => self.watch_last(every),
        };
        done.unwrap_or_else(|error| {
            self.runner.messages().error(&error, None);
            Next::GoOn
        })
    }

    fn say(&mut self, text: &str) -> Next {
        self.runner.messages().note(text);
        Next::GoOn
    }

    /// Runs statements that stand for a command.
    fn show(&mut self, statements: &str) -> Next {
        next(self.statements(statements))
    }

    fn describe(&mut self, name: Option<&str>) -> Result<Next> {
        let Some(name) = name else {
            let all = if self.names.own_tables().is_empty() { "SHOW PROVIDERS" } else { "SHOW PROVIDERS; SHOW TABLES" };
            return Ok(self.show(all));
        };
        let typed: Vec<String> = name.split('.').map(|part| unquoted(part).to_owned()).collect();
        if is_local(&typed, &*self.names) {
            return Ok(self.show(&format!("DESCRIBE {}", spelled(&typed))));
        }
        if let Some((pattern, before)) = typed.split_last().filter(|(last, _)| last.contains(['*', '?'])) {
            let used = self.runner.session().used();
            // Alone it is about what a name may be that stands alone.
            let before = if before.is_empty() { used.to_vec() } else { meant(self.engine.registry(), used, before) };
            return Ok(self.show(&matching(&before, pattern)?));
        }
        let parts = meant(self.engine.registry(), self.runner.session().used(), &typed);
        let name = spelled(&parts);
        let statements = match parts.as_slice() {
            [_] => format!("SHOW SERVICES IN {name}"),
            [_, _] => format!("SHOW RESOURCES IN {name}"),
            [provider, service, resource] => {
                let found = self.engine.registry().resource(provider, service, resource)?;
                let methods = format!("SHOW METHODS IN {name}");
                if found.verbs.select.is_empty() { methods } else { format!("DESCRIBE EXTENDED {name}; {methods}") }
            }
            [_, _, _, _] => format!("DESCRIBE METHOD EXTENDED {name}"),
            _ => return Err(too_long(&name)),
        };
        Ok(self.show(&statements))
    }

    /// Rows go to a file, or to the terminal again.
    fn output(&mut self, file: Option<&str>) -> Result<Next> {
        let path = file.map(|file| expanded(file, self.choices.home.as_deref()));
        self.screen.write_to(path.as_deref())?;
        self.runner.begin();
        Ok(match path {
            Some(path) => {
                self.say(&format!("rows go to `{}`, which is there when `\\o` brings them back", path.display()))
            }
            None => self.say("rows are shown here"),
        })
    }

    fn include(&mut self, file: &str) -> Result<Next> {
        let text = source::read_file(&expanded(file, self.choices.home.as_deref())).map_err(|error| {
            if error.hint_text().is_none() { error.hint("Tab completes the names of files") } else { error }
        })?;
        let templates = self.choices.templates.with_text(text);
        let Some(scripts) = script::render(&templates, self.runner.messages()).all() else { return Ok(Next::GoOn) };
        let mut went_on = Next::GoOn;
        for script in &scripts {
            went_on = next(self.script(script));
        }
        Ok(went_on)
    }

    /// What the editor gives stands at the prompt, where Enter runs it.
    fn edit(&mut self, file: Option<&str>) -> Result<Next> {
        let edited = match file {
            Some(file) => {
                let path = expanded(file, self.choices.home.as_deref());
                self.open_editor(&path)?;
                source::read_file(&path)?.text
            }
            None => {
                let broken = |error: std::io::Error| {
                    Error::new(ErrorKind::Internal, "there is no place for the text to edit")
                        .with("reason", error.to_string())
                        .caused_by(error)
                };
                // Only its owner can read it, and it goes when it was read.
                let mut kept = tempfile::Builder::new().prefix("skyql-").suffix(".sql").tempfile().map_err(broken)?;
                kept.write_all(self.last.as_deref().unwrap_or_default().as_bytes()).map_err(broken)?;
                kept.flush().map_err(broken)?;
                self.open_editor(kept.path())?;
                source::read_file(kept.path())?.text
            }
        };
        self.next_input = edited.trim().replace('\r', "");
        Ok(Next::GoOn)
    }

    fn open_editor(&mut self, path: &Path) -> Result<()> {
        let editor = pager::editor(&self.choices.env);
        let status = pager::shell(&editor).arg(path).status();
        let reason = match status {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Err(Error::new(ErrorKind::InvalidArgument, format!("the editor `{editor}` failed"))
            .with("reason", reason)
            .hint("`VISUAL` or `EDITOR` names another"))
    }

    /// Runs the last input again and again, until Ctrl-C or a failure.
    fn watch_last(&mut self, every: Duration) -> Result<Next> {
        let Some(last) = self.last.clone() else {
            return Err(Error::new(ErrorKind::InvalidArgument, "there is no statement to watch yet")
                .hint("run one, then `\\watch`"));
        };
        if self.runner.session().would_change(&last) {
            return Err(Error::new(ErrorKind::Unsupported, "a statement that changes something is not watched")
                .hint("it would be sent again and again"));
        }
        let text = Text { name: "prompt".to_owned(), text: last };
        self.runner.messages().note(&format!("every {} s; Ctrl-C ends it", every.as_secs_f64()));
        let paged = std::mem::replace(&mut self.look.pager, false);
        let went_on = loop {
            match self.text(&text) {
                Ran::Ended(Ended::Well) => {}
                ran => break next(ran),
            }
            let interrupts = &mut self.interrupts;
            let interrupted = self.runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = interrupts.next() => true,
                    () = SystemClock.sleep(every) => false,
                }
            });
            if interrupted {
                self.runner.messages().new_line();
                break Next::GoOn;
            }
        };
        self.look.pager = paged;
        Ok(went_on)
    }
}

/// `*` and `?` stand for any letters and for one, as in psql, `%` and `_` as in SQL; what has neither is a part of the name.
fn like(pattern: Option<&str>) -> String {
    let Some(pattern) = pattern else { return String::new() };
    let sql = pattern.replace('\'', "''").replace('*', "%").replace('?', "_");
    if sql.contains('%') || pattern.contains('?') { format!(" LIKE '{sql}'") } else { format!(" LIKE '%{sql}%'") }
}

/// What lists all names that may stand at the end of a name, and match what stands there.
fn matching(parts: &[String], pattern: &str) -> Result<String> {
    let like = like(Some(pattern));
    let name = spelled(parts);
    Ok(match parts.len() {
        0 => format!("SHOW PROVIDERS{like}"),
        1 => format!("SHOW SERVICES IN {name}{like}"),
        2 => format!("SHOW RESOURCES IN {name}{like}"),
        3 => format!("SHOW METHODS IN {name}{like}"),
        _ => return Err(too_long(&format!("{name}.{pattern}"))),
    })
}

fn too_long(name: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("`{name}` has too many parts"))
        .hint("`\\d provider.service.resource` describes a resource, one more part a method")
}

/// A setting's name as one word, whatever was typed.
fn one_word(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).collect()
}

fn unquoted(part: &str) -> &str {
    part.trim().trim_matches(['"', '`'])
}

/// A name as SQL reads it.
fn spelled(parts: &[String]) -> String {
    parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

/// Whether a name is that of a view or table of the user's own, or of a table of metadata.
fn is_local(parts: &[String], names: &dyn Names) -> bool {
    match parts {
        [one] => names.own_tables().iter().any(|own| own.name.eq_ignore_ascii_case(one)),
        [schema, name] => {
            metadata_tables().any(|(of, known, _)| of.eq_ignore_ascii_case(schema) && known.eq_ignore_ascii_case(name))
        }
        _ => false,
    }
}

/// The whole name that a shorter one stands for after `USE`; as it was typed, where there is no such thing.
fn meant(registry: &Registry, used: &[String], typed: &[String]) -> Vec<String> {
    let wholes = (0..=used.len()).map(|from_use| [&used[..from_use], typed].concat());
    wholes.into_iter().find(|whole| is_there(registry, whole)).unwrap_or_else(|| typed.to_vec())
}

fn is_there(registry: &Registry, parts: &[String]) -> bool {
    match parts {
        [provider] => registry.provider(provider).is_ok(),
        [provider, service] => registry
            .provider(provider)
            .is_ok_and(|provider| provider.services.keys().any(|known| fold_name(known) == fold_name(service))),
        [provider, service, resource] => registry.resource(provider, service, resource).is_ok(),
        [provider, service, resource, method] => {
            registry.resource(provider, service, resource).is_ok_and(|resource| resource.method(method).is_some())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_psql() {
        for (pattern, wanted) in [
            (None, ""),
            (Some("lin"), " LIKE '%lin%'"),
            (Some("lin*"), " LIKE 'lin%'"),
            (Some("lin%"), " LIKE 'lin%'"),
            (Some("l?node"), " LIKE 'l_node'"),
            (Some("json_"), " LIKE '%json_%'"),
            (Some("*it's*"), " LIKE '%it''s%'"),
        ] {
            assert_eq!(like(pattern), wanted);
        }
    }

    #[test]
    fn a_pattern_lists_what_may_stand_there() {
        let parts = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        for (before, wanted) in [
            ("", "SHOW PROVIDERS LIKE 'i%'"),
            ("linode", "SHOW SERVICES IN linode LIKE 'i%'"),
            ("linode images", "SHOW RESOURCES IN linode.images LIKE 'i%'"),
            ("linode images images", "SHOW METHODS IN linode.images.images LIKE 'i%'"),
        ] {
            assert_eq!(matching(&parts(before), "i*").unwrap(), wanted);
        }
        assert_eq!(matching(&parts("a b c d"), "i*").unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
