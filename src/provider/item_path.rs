//! Paths to the rows of an answer, as documents write them: JSONPath, a plain key, or an `XPath`.
//!
//! *Owns*: reading an `objectKey`, writing a JSONPath.
//! *Does not own*: evaluating paths (`rows`).

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The value of a key.
    Key(String),
    /// Every item of an array, or every value of an object; also a single index, which has the same schema.
    Each,
}

/// The JSONPath that a document's key means: `$.a` for `$.a` and for a plain `a`, `$` for an `XPath` and for nothing.
pub(super) fn json_path(written: &str) -> String {
    let written = written.trim();
    if written.starts_with('$') && !is_plain_dollar_key(written) {
        written.to_owned()
    } else if written.is_empty() || written.starts_with('/') {
        "$".to_owned()
    } else {
        join("$", written)
    }
}

/// `$filter` is a key, `$.filter` and `$['filter']` are paths.
fn is_plain_dollar_key(written: &str) -> bool {
    written.chars().nth(1).is_some_and(|second| !matches!(second, '.' | '['))
}

/// `base` and one more key, quoted where RFC 9535 asks for it.
pub(crate) fn join(base: &str, key: &str) -> String {
    let plain = key.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain {
        format!("{base}.{key}")
    } else {
        format!("{base}['{}']", key.replace('\\', "\\\\").replace('\'', "\\'"))
    }
}

/// The steps of a JSONPath; `None` when it has parts that name no single place (`..`, filters, slices of several).
pub(crate) fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            if after.starts_with('[') {
                rest = after;
                continue;
            }
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, left) = after.split_at(end);
            match name {
                "" => return None,
                "*" => steps.push(Step::Each),
                name => steps.push(Step::Key(name.to_owned())),
            }
            rest = left;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (step, left) = bracket(after)?;
            steps.push(step);
            rest = left;
        } else {
            return None;
        }
    }
    Some(steps)
}

fn bracket(after: &str) -> Option<(Step, &str)> {
    if let Some(quote) = after.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let mut name = String::new();
        let mut chars = after.char_indices().skip(1);
        while let Some((index, c)) = chars.next() {
            if c == '\\' {
                name.push(chars.next()?.1);
            } else if c == quote {
                return after.get(index + 1..)?.strip_prefix(']').map(|left| (Step::Key(name), left));
            } else {
                name.push(c);
            }
        }
        return None;
    }
    let (inside, left) = after.split_once(']')?;
    let inside = inside.trim();
    let is_index = inside.strip_prefix('-').unwrap_or(inside).parse::<u32>().is_ok();
    (inside == "*" || inside == "-1:" || is_index).then_some((Step::Each, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_keys_become_json_paths() {
        for (written, expected) in [
            ("$.data", "$.data"),
            ("$", "$"),
            ("", "$"),
            ("/Envelope/Item", "$"),
            ("items", "$.items"),
            ("@odata.nextLink", "$['@odata.nextLink']"),
            ("it's", "$['it\\'s']"),
            ("$skiptoken", "$['$skiptoken']"),
        ] {
            assert_eq!(json_path(written), expected);
        }
    }

    #[test]
    fn paths_have_steps() {
        let key = |name: &str| Step::Key(name.to_owned());
        for (path, expected) in [
            ("$", Some(vec![])),
            ("$.a.b", Some(vec![key("a"), key("b")])),
            ("$.a[*].b[0]", Some(vec![key("a"), Step::Each, key("b"), Step::Each])),
            ("$['a.b']['it\\'s'].*", Some(vec![key("a.b"), key("it's"), Step::Each])),
            ("$.[*].name", Some(vec![Step::Each, key("name")])),
            ("$..a", None),
            ("$.a[?@.b]", None),
            ("$.a['b", None),
            ("a", None),
        ] {
            assert_eq!(steps(path), expected, "{path}");
        }
    }
}
