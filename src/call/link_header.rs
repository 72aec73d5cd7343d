//! `Link` headers.

/// What a `Link` header says of the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it is the last one.
    None,
    /// Its place.
    At(String),
    /// Something that may be its place, in no form that is known.
    Unread,
}

/// The target of `rel="next"` in one `Link` header (RFC 8288 §3). Single quotes are read like double ones.
pub(super) fn next_of_link_header(header: &str) -> Next {
    let mut rest = header;
    let mut unread = false;
    while let Some(open) = rest.find('<') {
        unread |= names_next(&rest[..open]);
        let Some(close) = rest[open..].find('>').map(|close| open + close) else { return Next::Unread };
        let target = &rest[open + 1..close];
        rest = &rest[close + 1..];
        let end = end_of_link(rest);
        if rest[..end].split(';').any(is_next) {
            return Next::At(target.to_owned());
        }
        rest = &rest[end..];
    }
    if unread || names_next(rest) { Next::Unread } else { Next::None }
}

/// Where the parameters of a link end: they run to the next `,`, those inside quotes belong to them.
fn end_of_link(parameters: &str) -> usize {
    let mut quoted = false;
    let mut chars = parameters.char_indices();
    let end = chars.find(|(_, c)| {
        quoted ^= *c == '"';
        *c == ',' && !quoted
    });
    end.map_or(parameters.len(), |(at, _)| at)
}

/// Whether a parameter is the relation `next`, perhaps among others.
fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim().trim_matches(['"', '\'']);
    name.trim().eq_ignore_ascii_case("rel") && value.split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
}

/// Whether a text that is no link speaks of a next one.
fn names_next(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_headers_of_all_forms() {
        let at = |target: &str| Next::At(target.to_owned());
        let cases = [
            (r#"<https://a/?page=2>; rel="next", <https://a/?page=9>; rel="last""#, at("https://a/?page=2")),
            (r#"<https://a/?page=1>; rel="prev", <https://a/?page=3>; rel=next"#, at("https://a/?page=3")),
            (r#"<https://a/?x=a,b>; title="one, two"; rel="foo NEXT""#, at("https://a/?x=a,b")),
            ("<?after=2>; rel='next'", at("?after=2")),
            ("<?after=café>; rel=\"next\"", at("?after=café")),
            (r#"<https://a/?page=9>; rel="last""#, Next::None),
            (r#"<?page=1>; rel="prev"; title="the next is none""#, Next::None),
            ("", Next::None),
            ("?page=1; rel=prev", Next::None),
            // What is cut off may have been the next one.
            ("<?after=2", Next::Unread),
            ("<?page=1>; rel=prev, <?after=2", Next::Unread),
            ("?after=2; rel=next", Next::Unread),
            ("?after=2; rel=next, <?page=1>; rel=prev", Next::Unread),
        ];
        for (header, wanted) in cases {
            assert_eq!(next_of_link_header(header), wanted, "{header}");
        }
    }
}
