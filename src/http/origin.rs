//! Where a URL points: its origin, and whether that is this machine.

use url::{Host, Url};

/// `scheme://host:port` of a URL, without the scheme's own port, host in ASCII: what credentials are bound to.
pub fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The origin of a URL given as text; `None` when it is not a URL that has one.
pub fn origin_of_text(text: &str) -> Option<String> {
    let origin = Url::parse(text).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

/// Whether the host is this machine: `127.0.0.0/8`, `::1` or `localhost`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

/// Whether what is sent there cannot be read on the way: TLS, or this machine.
pub(crate) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// The host, with the port where the URL names one.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_what_only_looks_like_it() {
        for (url, wanted) in [
            ("http://127.0.0.1:4011/v4", true),
            ("http://127.9.9.9/", true),
            ("http://2130706433/", true),
            ("http://[::1]:80/", true),
            ("http://LOCALHOST/", true),
            ("http://localhost./", true),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://127.0.0.1@example.com/", false),
            ("http://[::ffff:8.8.8.8]/", false),
            ("http://10.0.0.1/", false),
            ("file:///etc/hosts", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), wanted, "{url}");
        }
    }

    #[test]
    fn origins_leave_out_the_default_port_and_everything_after_the_host() {
        let of = |text: &str| origin_of_text(text);
        assert_eq!(of("https://user:pw@API.Linode.com:443/v4?x=1").as_deref(), Some("https://api.linode.com"));
        assert_eq!(of("http://127.0.0.1:4011/v4").as_deref(), Some("http://127.0.0.1:4011"));
        assert_eq!(of("https://bücher.example/").as_deref(), Some("https://xn--bcher-kva.example"));
        assert_eq!(of("data:text/plain,x"), None);
        assert_eq!(of("not a url"), None);
    }

    #[test]
    fn private_means_tls_or_this_machine() {
        for (url, wanted) in [
            ("https://example.com/", true),
            ("http://localhost/", true),
            ("http://example.com/", false),
            ("ftp://localhost/", false),
        ] {
            assert_eq!(is_private(&Url::parse(url).unwrap()), wanted, "{url}");
        }
    }
}
