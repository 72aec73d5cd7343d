//! Secrets that a stored plan does not hold: from the environment, else asked for without showing what is typed.

use crate::cli::ask;
use crate::config::Env;
use crate::engine::{SecretField, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Secret;

/// Where a script puts them: `SKYQL_SECRET_ROOT_PASS` for `root_pass`.
const PREFIX: &str = "SKYQL_SECRET_";

/// Gives the session the secrets that an `APPLY` or a `RESUME` needs.
///
/// # Errors
/// `MissingParameter` that names the variable when there is none and nobody to ask.
pub(super) async fn supply(session: &mut Session, text: &str, env: &Env, asks: bool) -> Result<()> {
    for field in session.secrets_needed(text).await? {
        let variable = variable_of(&field);
        let value = match env.get(&variable) {
            Some(value) => value,
            None if asks && ask::can_hide(env) => typed(format!("{} (not shown, not kept): ", field.label)).await?,
            None => {
                return Err(Error::new(
                    ErrorKind::MissingParameter,
                    format!("a plan holds no secret, and nothing says what `{}` is", field.label),
                )
                .hint(format!("nothing was sent; give it again as `{variable}` in the environment")));
            }
        };
        session.supply(&field.label, Secret::new(variable, value));
    }
    Ok(())
}

fn variable_of(field: &SecretField) -> String {
    let name = field.label.to_uppercase();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{PREFIX}{name}")
}

async fn typed(question: String) -> Result<String> {
    ask::secret(question)
        .await
        .ok_or_else(|| Error::new(ErrorKind::MissingParameter, "no secret was given").hint("nothing was sent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_a_variable_of_its_name() {
        let field = |label: &str| SecretField { label: label.to_owned(), field: String::new(), calls: Vec::new() };
        assert_eq!(variable_of(&field("root_pass")), "SKYQL_SECRET_ROOT_PASS");
        assert_eq!(variable_of(&field("root.pass#2")), "SKYQL_SECRET_ROOT_PASS_2");
    }
}
