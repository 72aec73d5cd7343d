//! What of an answer no message repeats: the credential, and the secrets of the call.

use std::error::Error as _;

use crate::error::Error;
use crate::http::Authorizer;
use crate::provider::{Call, Method, WHOLE_BODY, masked, secret_texts, secrets_of};
use crate::rows::Misfit;

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

    fn text(&self, text: &str) -> String {
        let text = self.authorizer.map_or_else(|| text.to_owned(), |authorizer| authorizer.conceal(text));
        masked(&text, &self.texts)
    }

    /// A value that does not fit its column, and what it is not.
    pub(super) fn example(&self, misfit: &Misfit) -> String {
        misfit.example(|value| self.text(value))
    }

    /// An error of a page as it may be shown; one of a value that does not fit says now which one it was.
    pub(super) fn error(&self, error: Error) -> Error {
        let misfit = error.source().and_then(|source| source.downcast_ref::<Misfit>());
        let said = misfit.map(|misfit| format!("{}: {}", error.message(), self.example(misfit)));
        let message = error.message().to_owned();
        match said {
            Some(said) => error.reworded(|text| if text == message { said.clone() } else { masked(text, &self.texts) }),
            None if self.texts.is_empty() => error,
            None => error.reworded(|text| masked(text, &self.texts)),
        }
    }
}
