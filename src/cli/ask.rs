//! Questions on the terminal, and their answers.
//!
//! The line editor reads them: it takes Ctrl-C as a key, so that no reader is left behind that would swallow what is typed
//! next.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustyline::config::{Behavior, ColorMode};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::history::DefaultHistory;
use rustyline::{Completer, Config, Editor, Helper, Hinter, Validator};

use crate::config::Env;
use crate::output::display_width;

/// Whether the user is being asked something; then nothing else is shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Asking(Arc<AtomicBool>);

impl Asking {
    pub(super) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Until the answer is there, or nobody waits for it any more.
    pub(super) async fn during<T>(&self, answer: impl Future<Output = T>) -> T {
        struct Off<'a>(&'a AtomicBool);
        impl Drop for Off<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Relaxed);
            }
        }
        self.0.store(true, Ordering::Relaxed);
        let _off = Off(&self.0);
        answer.await
    }
}

/// Asks for one line, and gives it in small letters. Ctrl-C and Ctrl-D are an empty one.
pub(super) async fn line(question: impl Into<String>) -> String {
    read(question.into(), false).await.unwrap_or_default().trim().to_lowercase()
}

/// Asks for a secret: a `*` stands for each letter, and no history keeps it. `None` for Ctrl-C and Ctrl-D.
pub(super) async fn secret(question: impl Into<String>) -> Option<String> {
    read(question.into(), true).await
}

/// Whether the terminal can hide what is typed: on those that the line editor does not know it would be seen.
pub(super) fn can_hide(env: &Env) -> bool {
    !env.get("TERM").is_some_and(|term| ["dumb", "cons25", "emacs"].contains(&term.as_str()))
}

async fn read(question: String, hides: bool) -> Option<String> {
    let answer = tokio::task::spawn_blocking(move || {
        // The hiding is a highlighting, which is to be there in every terminal.
        let color = if hides { ColorMode::Forced } else { ColorMode::Disabled };
        let config = Config::builder().behavior(Behavior::PreferTerm).color_mode(color).build();
        let mut editor: Editor<Mask, DefaultHistory> = Editor::with_config(config)?;
        editor.set_helper(hides.then_some(Mask));
        editor.readline(&question)
    });
    answer.await.ok().and_then(rustyline::Result::ok)
}

/// Shows what is typed as so many `*`.
#[derive(Completer, Helper, Hinter, Validator)]
struct Mask;

impl Highlighter for Mask {
    fn highlight<'l>(&self, line: &'l str, _cursor: usize) -> Cow<'l, str> {
        Cow::Owned("*".repeat(display_width(line)))
    }

    fn highlight_char(&self, _line: &str, _cursor: usize, _kind: CmdKind) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_nobody_waits_for_is_over() {
        let asking = Asking::default();
        assert!(!asking.is_on());
        let mut question = Box::pin(asking.during(std::future::pending::<()>()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(question.as_mut().poll(&mut context).is_pending());
        assert!(asking.is_on());
        drop(question);
        assert!(!asking.is_on());
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(Mask.highlight("hush日", 0), "******");
        assert!(!can_hide(&Env::empty().with("TERM", "dumb")) && can_hide(&Env::empty().with("TERM", "xterm")));
    }
}
