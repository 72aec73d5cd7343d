//! Names from outside: found among what exists, never made into a path.

use crate::error::{Error, ErrorKind, Result, nearest};

const SHORTEST_PREFIX: usize = 4;

/// Whether a name has only the characters that our names have.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-'))
}

/// The one of `names` that `wanted` is, or is the beginning of; `what` they are, for messages: "plan".
///
/// # Errors
/// `InvalidArgument` when it cannot be such a name or more than one begins so; `NameNotFound` when none does.
pub(super) fn find(what: &str, wanted: &str, names: &[String]) -> Result<String> {
    let shown = wanted.escape_debug();
    let plain = wanted.trim().to_ascii_lowercase();
    if !is_plain(&plain) {
        let error = Error::new(ErrorKind::InvalidArgument, format!("`{shown}` is not the id of a {what}"));
        return Err(error.hint("ids have digits, small letters and `-`"));
    }
    if names.contains(&plain) {
        return Ok(plain);
    }
    if plain.len() < SHORTEST_PREFIX {
        let error = Error::new(ErrorKind::InvalidArgument, format!("`{shown}` is too short for the id of a {what}"));
        return Err(error.hint(format!("give at least {SHORTEST_PREFIX} characters of it")));
    }
    let found: Vec<&String> = names.iter().filter(|name| name.starts_with(&plain)).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(unknown(what, &plain, names)),
        several => {
            let message = format!("{} {what}s begin with `{shown}`", several.len());
            let shown: Vec<String> = several.iter().take(5).map(|name| format!("`{name}`")).collect();
            let more = if several.len() > 5 { ", …" } else { "" };
            Err(Error::new(ErrorKind::InvalidArgument, message).hint(format!("they are {}{more}", shown.join(", "))))
        }
    }
}

fn unknown(what: &str, wanted: &str, names: &[String]) -> Error {
    let error = Error::new(ErrorKind::NameNotFound, format!("there is no {what} `{wanted}`"));
    let near = nearest(wanted, names.iter().map(String::as_str));
    let (start, listed): (&str, Vec<&str>) = if near.is_empty() {
        ("the newest are", names.iter().take(3).map(String::as_str).collect())
    } else {
        ("near ones are", near)
    };
    if listed.is_empty() {
        return error.hint(format!("no {what} is stored"));
    }
    let listed: Vec<String> = listed.iter().map(|name| format!("`{name}`")).collect();
    error.hint(format!("{start} {}", listed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole_or_by_their_beginning() {
        let names: Vec<String> = ["abcd1234aaaa", "abcd1234bbbb", "ffff00001111"].map(str::to_owned).into();
        let found = |wanted: &str| find("plan", wanted, &names);
        assert_eq!(found("abcd1234aaaa").unwrap(), "abcd1234aaaa");
        assert_eq!(found("ffff").unwrap(), "ffff00001111");
        assert_eq!(found(" FFFF0 ").unwrap(), "ffff00001111");
        let error = found("abcd12").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(error.message(), "2 plans begin with `abcd12`");
        assert_eq!(error.hint_text(), Some("they are `abcd1234aaaa`, `abcd1234bbbb`"));
        let error = found("abcd1243aaaa").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameNotFound);
        assert!(error.hint_text().unwrap().contains("`abcd1234aaaa`"), "{error:?}");
        let error = found("0000").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameNotFound);
        assert_eq!(find("plan", "abcd", &[]).unwrap_err().hint_text(), Some("no plan is stored"));
    }

    #[test]
    fn what_could_be_a_path_is_no_name() {
        let names = vec!["abcd".to_owned()];
        for wanted in ["", "..", "../abcd", "abcd/..", "abcd\0", "abcd.json", "a\\b", "é", "abc", "ab cd", "/etc"] {
            let error = find("plan", wanted, &names).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wanted:?}");
            assert!(!error.message().contains('\0'));
        }
    }
}
