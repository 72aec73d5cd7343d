//! Statements as text: from `-c`, from files, from stdin.

use std::io::Read;
use std::path::Path;

use crate::cli::meant::{Action, Source};
use crate::error::{Error, ErrorKind, Position, Result};

/// A text of statements and what messages call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) name: String,
    pub(super) text: String,
}

/// All texts that are asked for, or why they cannot be used: `NameNotFound` for a file that cannot be read,
/// `InvalidArgument` for one that is not UTF-8. All are read before the first statement runs: a misspelt file name does not
/// show up half way.
pub(super) fn read_all(action: &Action) -> Vec<Result<Text>> {
    match action {
        Action::Run(sources) | Action::Check(sources) => sources.iter().map(read).collect(),
        Action::Prompt | Action::Sandbox { .. } | Action::Provider(_) => Vec::new(),
    }
}

/// The text of one file.
///
/// # Errors
/// As [`read_all`].
pub(super) fn read_file(path: &Path) -> Result<Text> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    decode(path.display().to_string(), bytes)
}

fn read(source: &Source) -> Result<Text> {
    match source {
        Source::Argument(text) => Ok(Text { name: "-c".to_owned(), text: text.clone() }),
        Source::File(path) => read_file(path).map_err(|error| taken_for_a_file(path, error)),
        Source::Stdin => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| unreadable(Path::new("stdin"), &error))?;
            decode("stdin".to_owned(), bytes)
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("`{}` cannot be read", path.display());
    Error::new(ErrorKind::NameNotFound, message).with("reason", error.to_string())
}

/// `skyql sandbx` looks for a file of that name.
fn taken_for_a_file(path: &Path, error: Error) -> Error {
    if path.extension().is_none() && !path.exists() {
        return error
            .hint("an argument that is no option is the name of a file of statements; `-c SQL` runs a statement");
    }
    error
}

fn decode(name: String, bytes: Vec<u8>) -> Result<Text> {
    let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let line = valid.matches('\n').count() + 1;
        let error = Error::new(ErrorKind::InvalidArgument, format!("`{name}` is not UTF-8 text"))
            .with("line", line.to_string());
        error.hint(if utf16 {
            "it looks like UTF-16; save it as UTF-8"
        } else {
            "a file of statements is text in UTF-8"
        })
    })?;
    if let Some(at) = text.find('\0') {
        let place = Position::of_byte(&text, at);
        return Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` is not text: it holds a NUL"))
            .with("line", place.line.to_string())
            .with("column", place.column.to_string())
            .hint("a file of statements is text in UTF-8"));
    }
    // Editors on Windows put a byte order mark first.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(Text { name, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_dropped_and_other_encodings_are_refused() {
        let text = decode("a.sql".into(), b"\xef\xbb\xbfSELECT 1".to_vec()).unwrap();
        assert_eq!(text, Text { name: "a.sql".into(), text: "SELECT 1".into() });
        let error = decode("a.sql".into(), b"-- one\n-- caf\xe9".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "`a.sql` is not UTF-8 text (line: 2)");
        let error = decode("a.sql".into(), b"\xff\xfeS\0".to_vec()).unwrap_err();
        assert!(error.hint_text().unwrap().contains("UTF-16"));
        let error = decode("a.sql".into(), b"SELECT 1;\nSEL\0".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "`a.sql` is not text: it holds a NUL (line: 2, column: 4)");
    }

    #[test]
    fn a_missing_file_is_named() {
        let action = Action::Run(vec![Source::Argument("SELECT 1".into()), Source::File("no-such-dir/x.sql".into())]);
        let texts = read_all(&action);
        assert!(texts[0].is_ok());
        let error = texts[1].as_ref().unwrap_err();
        assert_eq!(error.message(), "`no-such-dir/x.sql` cannot be read");
        assert_eq!(error.hint_text(), None);
        let texts = read_all(&Action::Run(vec![Source::File("sandbx".into())]));
        assert!(texts[0].as_ref().unwrap_err().hint_text().is_some());
        assert_eq!(read_file(Path::new("sandbx")).unwrap_err().hint_text(), None);
    }
}
