//! `Link` headers.

/// The target of `rel="next"` in one `Link` header (RFC 8288 §3).
pub(super) fn next_of_link_header(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some(open) = rest.find('<') {
        let close = rest[open..].find('>')? + open;
        let target = &rest[open + 1..close];
        rest = &rest[close + 1..];
        // Parameters run to the next `, <`; commas inside quotes belong to them.
        let mut quoted = false;
        let end = rest
            .char_indices()
            .find(|(_, c)| {
                if *c == '"' {
                    quoted = !quoted;
                }
                *c == ',' && !quoted
            })
            .map_or(rest.len(), |(at, _)| at);
        let parameters = &rest[..end];
        let is_next = parameters.split(';').any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.to_owned());
        }
        rest = &rest[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_headers_of_all_forms() {
        let cases = [
            (r#"<https://a/?page=2>; rel="next", <https://a/?page=9>; rel="last""#, Some("https://a/?page=2")),
            (r#"<https://a/?page=1>; rel="prev", <https://a/?page=3>; rel=next"#, Some("https://a/?page=3")),
            (r#"<https://a/?x=a,b>; title="one, two"; rel="foo NEXT""#, Some("https://a/?x=a,b")),
            (r#"<https://a/?page=9>; rel="last""#, None),
            ("", None),
            ("<broken", None),
        ];
        for (header, wanted) in cases {
            assert_eq!(next_of_link_header(header).as_deref(), wanted, "{header}");
        }
    }
}
