//! Where credentials go, and where they do not.

use super::*;
use crate::clock::SystemClock;
use crate::http::testing::header_map;
use crate::http::{Body, HeaderMap, Method};
use std::time::Duration;

fn request(url: &str) -> Request {
    Request {
        method: Method::GET,
        url: Url::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: Body::empty(),
        timeout: Duration::from_mins(1),
    }
}

fn bearer(token: &str) -> AuthScheme {
    AuthScheme::Bearer { prefix: "Bearer ".to_owned(), token: Secret::new("LINODE_TOKEN", token) }
}

fn key(location: KeyLocation, name: &str, prefix: &str, value: &str) -> PlacedKey {
    PlacedKey { location, name: name.to_owned(), prefix: prefix.to_owned(), key: Secret::new("SOME_KEY", value) }
}

fn sign(scheme: AuthScheme, request: Request) -> Result<Request> {
    Authorizer::new(scheme, ["https://api.example/v4"]).unwrap().sign(request, &SignTarget { path: "" }, &SystemClock)
}

#[test]
fn each_kind_goes_to_its_place() {
    let basic = |user: &str, password: &str| AuthScheme::Basic {
        prefix: "Basic ".to_owned(),
        credential: BasicCredential::Pair { user: Secret::new("U", user), password: Secret::new("P", password) },
    };
    let encoded = AuthScheme::Basic {
        prefix: "Basic ".to_owned(),
        credential: BasicCredential::Encoded(Secret::new("E", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
    };
    for (scheme, wanted) in [
        (bearer("t0ken"), "Bearer t0ken"),
        (AuthScheme::Bearer { prefix: "token ".to_owned(), token: Secret::new("T", "x") }, "token x"),
        // RFC 7617 §2
        (basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (basic("test", "123\u{a3}"), "Basic dGVzdDoxMjPCow=="),
        (encoded, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
    ] {
        let signed = sign(scheme, request("https://api.example/v4/images")).unwrap();
        assert_eq!(signed.headers["authorization"], wanted);
        assert!(signed.headers["authorization"].is_sensitive());
    }
}

#[test]
fn keys_go_into_headers_and_the_query_and_replace_what_is_there() {
    let scheme = AuthScheme::Keys(vec![
        key(KeyLocation::Header, "X-Api-Key", "k=", "one"),
        key(KeyLocation::Query, "api_key", "", "a b&c"),
    ]);
    let mut asked = request("https://api.example/v4?page=1&api_key=mine&q=x+y");
    asked.headers = header_map(&[("x-api-key", "mine")]);
    let signed = sign(scheme, asked).unwrap();
    assert_eq!(signed.url.query(), Some("page=1&q=x+y&api_key=a+b%26c"));
    assert_eq!(signed.headers.get_all("x-api-key").iter().collect::<Vec<_>>(), ["k=one"]);
}

#[test]
fn a_credential_goes_only_where_it_may() {
    for url in [
        "https://evil.example/v4",
        "https://api.example.evil/",
        "https://api.example:8443/",
        "https://api.example@evil.example/",
        "https://sub.api.example/",
    ] {
        let error = sign(bearer("t0ken"), request(url)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{url}");
        assert!(error.message().contains("the credential in `LINODE_TOKEN` may not go to"), "{error}");
        assert_eq!(error.hint_text(), Some("it may go to `https://api.example`"));
    }
    assert!(sign(bearer("t0ken"), request("https://API.example:443/other")).is_ok());
    let plain = sign(bearer("t0ken"), request("http://api.example/v4")).unwrap_err();
    assert_eq!(plain.message(), "the credential in `LINODE_TOKEN` is sent over TLS only, not to `http://api.example`");
}

#[test]
fn plain_http_is_fine_on_this_machine_even_so_only_where_allowed() {
    let authorizer = Authorizer::new(bearer("t"), ["http://127.0.0.1:4011"]).unwrap();
    let sign = |url: &str| authorizer.sign(request(url), &SignTarget { path: "" }, &SystemClock);
    assert!(sign("http://127.0.0.1:4011/v4").is_ok());
    assert!(sign("http://127.0.0.1:4012/v4").is_err());
    let anywhere = Authorizer::new(bearer("t"), ["http://far.example"]).unwrap();
    assert!(anywhere.check(&Url::parse("http://far.example/").unwrap()).is_err());
    let nowhere = Authorizer::new(bearer("t"), ["data:text/plain,x", "nonsense"]).unwrap();
    assert!(nowhere.allowed_origins().is_empty());
    assert!(nowhere.check(&Url::parse("https://api.example/").unwrap()).is_err());
}

#[test]
fn values_a_header_cannot_hold_are_refused_by_their_variables_name() {
    for token in ["t0ken\n", "t0\rken", "tök"] {
        let error = Authorizer::new(bearer(token), ["https://api.example"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert_eq!(error.message(), "the value of `LINODE_TOKEN` cannot be sent in a header");
        assert!(!format!("{error:?}").contains("t0"), "{error:?}");
    }
    let scheme = AuthScheme::Basic {
        prefix: "Basic ".to_owned(),
        credential: BasicCredential::Pair { user: Secret::new("U", "a:b"), password: Secret::new("P", "c") },
    };
    let error = Authorizer::new(scheme, ["https://api.example"]).unwrap_err();
    assert_eq!(error.message(), "the user name in `U` holds a colon, which basic authentication cannot send");
    let scheme = AuthScheme::Keys(vec![key(KeyLocation::Header, "X Key", "", "v")]);
    assert_eq!(Authorizer::new(scheme, ["https://api.example"]).unwrap_err().kind(), ErrorKind::Provider);
}

#[test]
fn fingerprints_tell_credentials_apart_and_give_nothing_away() {
    let of = |scheme| Authorizer::new(scheme, ["https://api.example"]).unwrap().fingerprint().to_owned();
    let keys = |a: &str, b: &str| {
        AuthScheme::Keys(vec![key(KeyLocation::Header, "a", "", a), key(KeyLocation::Header, "b", "", b)])
    };
    let one = of(bearer("t0ken"));
    assert_eq!(one.len(), 16);
    assert!(one.chars().all(|c| c.is_ascii_hexdigit()));
    assert_eq!(one, of(bearer("t0ken")));
    assert_ne!(one, of(bearer("t0keN")));
    assert_ne!(of(keys("ab", "c")), of(keys("a", "bc")));
    let plain = hex(Sha256::digest(b"t0ken").as_slice());
    assert!(!plain.starts_with(&one));
}

#[test]
fn debug_output_holds_no_secret() {
    let authorizer = Authorizer::new(bearer("t0ken"), ["https://api.example"]).unwrap();
    let signed = authorizer.sign(request("https://api.example/?q=1"), &SignTarget { path: "" }, &SystemClock).unwrap();
    let keys = AuthScheme::Keys(vec![key(KeyLocation::Query, "k", "", "t0ken")]);
    for text in [
        format!("{authorizer:?}"),
        format!("{:?}", bearer("t0ken")),
        format!("{keys:?}"),
        format!("{:?}", signed.headers),
        format!("{signed:?}"),
        format!("{:?}", sign(keys.clone(), request("https://api.example/")).unwrap()),
    ] {
        assert!(!text.contains("t0ken"), "{text}");
    }
}

#[test]
fn what_an_api_repeats_of_a_credential_is_hidden_as_it_was_sent() {
    let of = |scheme| Authorizer::new(scheme, ["https://api.example"]).unwrap();
    let pair = AuthScheme::Basic {
        prefix: "Basic ".to_owned(),
        credential: BasicCredential::Pair { user: Secret::new("U", "me"), password: Secret::new("P", "pa55word") },
    };
    assert_eq!(of(pair).conceal("no: Basic bWU6cGE1NXdvcmQ=, me:pa55word"), "no: Basic …, me:…");
    assert_eq!(of(bearer("t0ken")).conceal("Bearer t0ken is bad"), "Bearer … is bad");
    let keys = AuthScheme::Keys(vec![
        key(KeyLocation::Query, "k", "", "a/b +\"c"),
        key(KeyLocation::Header, "X-Key", "", "plain-key"),
    ]);
    let keys = of(keys);
    let said = r#"a/b +"c, a%2Fb%20%2B%22c, a%2fb+%2b%22c, a\/b +\"c, a/b +&quot;c: plain-key"#;
    assert_eq!(keys.conceal(said), "…, …, …, …, …: …");
    assert_eq!(keys.query_names(), ["k"]);
}
