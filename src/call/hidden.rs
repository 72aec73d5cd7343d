//! What of an answer no message repeats: the credential, and the secrets of the call.
//!
//! *Invariants*: every error of a page comes through here before anybody sees it; what must not be shown is taken out of a
//! text before that is cut.

use std::error::Error as _;

use crate::error::Error;
use crate::http::Authorizer;
use crate::provider::{Call, Method, WHOLE_BODY, masked, secret_texts, secrets_of};
use crate::rows::{Misfit, NotJson};

/// What must not be shown of a call that is read, and of what its API says of it.
pub(super) struct Hidden<'a> {
    texts: Vec<String>,
    authorizer: Option<&'a Authorizer>,
}

impl<'a> Hidden<'a> {
    pub(super) fn of(method: &Method, call: &Call, authorizer: Option<&'a Authorizer>) -> Self {
        let names = secrets_of(method, call);
        let given = names.iter().flat_map(|name| [call.arguments.get(name), call.body.get(name)]);
        let whole = call.content.as_ref().filter(|_| names.iter().any(|name| name == WHOLE_BODY));
        Self { texts: secret_texts(given.flatten().chain(whole)), authorizer }
    }

    /// A text as it may be shown.
    pub(super) fn text(&self, text: &str) -> String {
        let text = self.authorizer.map_or_else(|| text.to_owned(), |authorizer| authorizer.conceal(text));
        masked(&text, &self.texts)
    }

    /// A value that does not fit its column, and what it is not.
    pub(super) fn example(&self, misfit: &Misfit) -> String {
        misfit.example(|value| self.text(value))
    }

    /// An error as it may be shown. One of a value that does not fit says now which one it was, and one of what is no JSON
    /// how that begins.
    pub(super) fn error(&self, error: Error) -> Error {
        let (misfit, foreign) = (source_of::<Misfit>(&error), source_of::<NotJson>(&error));
        let said = misfit.map(|misfit| format!("{}: {}", error.message(), self.example(misfit)));
        let hint = foreign.map(|foreign| foreign.hint(|text| self.text(text)));
        let message = error.message().to_owned();
        let error = match hint {
            Some(hint) => error.hint(hint),
            None => error,
        };
        let shown = |text: &str| match &said {
            Some(said) if text == message => said.clone(),
            _ => self.text(text),
        };
        let context = error.context().iter().map(|(_, value)| value.as_str());
        let same = context.chain([error.message()]).chain(error.hint_text()).all(|text| shown(text) == text);
        if same { error } else { error.reworded(shown) }
    }
}

fn source_of<T: std::error::Error + 'static>(error: &Error) -> Option<&T> {
    error.source().and_then(|source| source.downcast_ref::<T>())
}
