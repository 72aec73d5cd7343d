//! Signatures: published vectors, templates, the body that is signed and the body that is sent.

use super::*;
use crate::clock::Clock;
use crate::http::testing::{ManualClock, START_OF_TIME};
use crate::http::{AuthScheme, Authorizer, Body, BodySource, HeaderMap, Method, SignTarget, Url};
use std::sync::Arc;
use std::time::Duration;

const SIXTEEN: &str = "0123456789abcdef";

fn request(body: &str) -> Request {
    Request {
        method: Method::POST,
        url: Url::parse("https://dynamic.example/api/image/list/").unwrap(),
        headers: HeaderMap::new(),
        body: body.to_owned().into(),
        timeout: Duration::from_mins(1),
    }
}

fn place(location: PlaceLocation, name: &str, value: &str) -> PlacedValue {
    PlacedValue { location, name: name.to_owned(), value: value.to_owned() }
}

fn lunanode() -> HmacSigning {
    HmacSigning {
        id: Secret::new("LUNANODE_API_ID", "ABCDEFGH12345678"),
        key: Secret::new("LUNANODE_API_KEY", SIXTEEN.repeat(8)),
        hash: SignatureHash::Sha512,
        encoding: SignatureEncoding::Hex,
        message: "{path}|{body}|{timestamp}".to_owned(),
        envelope: BTreeMap::from([
            ("api_partialkey".to_owned(), "{key:0:64}".to_owned()),
            ("api_id".to_owned(), "{id}".to_owned()),
        ]),
        place: vec![
            place(PlaceLocation::Body, "req", "{body}"),
            place(PlaceLocation::Body, "signature", "{signature}"),
            place(PlaceLocation::Body, "nonce", "{timestamp}"),
        ],
    }
}

fn sign(signing: HmacSigning, request: Request) -> Result<Request> {
    let clock = ManualClock::moved_by_hand();
    Authorizer::new(AuthScheme::Hmac(Box::new(signing)), ["https://dynamic.example"])?.sign(
        request,
        &SignTarget { path: "image/list/" },
        &*clock,
    )
}

fn form(request: &Request) -> Vec<(String, String)> {
    form_urlencoded::parse(request.body.whole().unwrap()).into_owned().collect()
}

#[test]
fn lunanode_vector() {
    let signed = sign(lunanode(), request(r#"{"region":"toronto"}"#)).unwrap();
    let req = format!(r#"{{"region":"toronto","api_id":"ABCDEFGH12345678","api_partialkey":"{}"}}"#, SIXTEEN.repeat(4));
    let signature = "ac4c1657f2855250730e5e4c571d8b05b031519245f1b6949117469e90ec0dca\
                     26d67291ce5fe3a0237dc4ad48e0b5e4c4d56649965a1fdd6e37e74bd4b695b3";
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(form(&signed), [pair("req", &req), pair("signature", signature), pair("nonce", "1700000000")]);
    assert_eq!(signed.headers["content-type"], "application/x-www-form-urlencoded");
    let whole = SIXTEEN.repeat(8);
    assert!(!String::from_utf8_lossy(signed.body.whole().unwrap()).contains(&whole), "the whole key must not travel");
}

#[test]
fn the_envelope_keeps_the_users_fields_first_and_as_written() {
    for (body, wanted) in [
        ("", r#"{"api_id":"I","b":"k"}"#),
        ("{}", r#"{"api_id":"I","b":"k"}"#),
        (r#"{"z":1.10,"a":{"y":[1],"x":null}}"#, r#"{"z":1.10,"a":{"y":[1],"x":null},"api_id":"I","b":"k"}"#),
        (r#"{ "z" : 18446744073709551617 }"#, r#"{"z":18446744073709551617,"api_id":"I","b":"k"}"#),
        (r#"{"api_id":"forged","z":"ä\n"}"#, r#"{"z":"ä\n","api_id":"I","b":"k"}"#),
    ] {
        let signing = HmacSigning {
            id: Secret::new("ID", "I"),
            key: Secret::new("KEY", "kk"),
            envelope: BTreeMap::from([
                ("api_id".to_owned(), "{id}".to_owned()),
                ("b".to_owned(), "{key:0:1}".to_owned()),
            ]),
            place: vec![place(PlaceLocation::Header, "X-Signature", "{id}:{signature}")],
            ..lunanode()
        };
        let signed = sign(signing.clone(), request(body)).unwrap();
        assert_eq!(signed.body.whole().unwrap(), wanted);
        assert_eq!(signed.headers["content-type"], "application/json");

        // What is signed is what is sent.
        let again = Signer::new(signing)
            .unwrap()
            .signature(format!("image/list/|{wanted}|{START_OF_TIME}").as_bytes())
            .unwrap();
        assert_eq!(signed.headers["x-signature"], format!("I:{again}").as_str());
    }
}

#[test]
fn bodies_that_are_no_object_cannot_have_an_envelope() {
    for body in ["[1]", "text secret", "{\"a\":"] {
        let error = sign(lunanode(), request(body)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn hashes_and_encodings_follow_rfc_4231() {
    // RFC 4231 §4.3, test case 2.
    let signing = |hash, encoding| HmacSigning {
        id: Secret::new("ID", "I"),
        key: Secret::new("KEY", "Jefe"),
        hash,
        encoding,
        message: "{body}".to_owned(),
        envelope: BTreeMap::new(),
        place: vec![place(PlaceLocation::Query, "s", "{signature}")],
    };
    for (hash, encoding, wanted) in [
        (
            SignatureHash::Sha256,
            SignatureEncoding::Hex,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (SignatureHash::Sha256, SignatureEncoding::Base64, "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="),
        (
            SignatureHash::Sha512,
            SignatureEncoding::Hex,
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ] {
        let signed = sign(signing(hash, encoding), request("what do ya want for nothing?")).unwrap();
        let (_, value) = signed.url.query_pairs().next().unwrap();
        assert_eq!(value, wanted);
        assert_eq!(
            signed.body.whole().unwrap(),
            "what do ya want for nothing?",
            "a body without an envelope is sent as it is"
        );
    }
}

#[test]
fn base64_follows_rfc_4648() {
    for (plain, wanted) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(plain.as_bytes()), wanted);
    }
    assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    assert_eq!(hex(&[0, 0x9f, 0xff]), "009fff");
}

#[test]
fn templates_that_cannot_work_are_refused() {
    let with_message = |message: &str| HmacSigning { message: message.to_owned(), ..lunanode() };
    let with_envelope =
        |value: &str| HmacSigning { envelope: BTreeMap::from([("x".to_owned(), value.to_owned())]), ..lunanode() };
    for (signing, kind) in [
        (with_message("{nonce}"), ErrorKind::Provider),
        (with_message("{path"), ErrorKind::Provider),
        (with_message("{signature}"), ErrorKind::Provider),
        (with_message("{key:3:2}"), ErrorKind::Provider),
        (with_message("{key:a:2}"), ErrorKind::Provider),
        (with_envelope("{body}"), ErrorKind::Provider),
        (with_envelope("{signature}"), ErrorKind::Provider),
        // The slice would be the whole key.
        (with_envelope("{key:0:128}"), ErrorKind::Auth),
        (with_envelope("{key:0:129}"), ErrorKind::Auth),
    ] {
        let error = sign(signing, request("{}")).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!format!("{error:?}").contains(SIXTEEN), "{error:?}");
    }
}

#[test]
fn slices_are_by_characters_and_every_value_is_known() {
    let signing = HmacSigning {
        id: Secret::new("ID", "I"),
        key: Secret::new("KEY", "äöü!"),
        envelope: BTreeMap::new(),
        place: vec![place(PlaceLocation::Query, "v", "{method} {path} {timestamp} {id} {key:1:3}{body}")],
        ..lunanode()
    };
    let signed = sign(signing, request("[]")).unwrap();
    let (_, value) = signed.url.query_pairs().next().unwrap();
    assert_eq!(value, "POST image/list/ 1700000000 I öü[]");
}

#[tokio::test]
async fn every_attempt_is_signed_for_its_own_time() {
    let clock = ManualClock::moved_by_hand();
    let authorizer = Authorizer::new(AuthScheme::Hmac(Box::new(lunanode())), ["https://dynamic.example"]).unwrap();
    let nonce = |clock: &dyn Clock| {
        let signed = authorizer.sign(request("{}"), &SignTarget { path: "image/list/" }, clock).unwrap();
        form(&signed)[2].1.clone()
    };
    assert_eq!(nonce(&*clock), "1700000000");
    clock.advance(Duration::from_secs(5)).await;
    assert_eq!(nonce(&*clock), "1700000005");
}

#[test]
fn a_streamed_body_stands_beside_a_signature_but_not_in_it() {
    let streamed = || Request { body: Body::Streamed(Arc::new(Endless)), ..request("") };
    let beside = HmacSigning {
        envelope: BTreeMap::new(),
        message: "{path}|{timestamp}".to_owned(),
        place: vec![place(PlaceLocation::Header, "X-Signature", "{signature}")],
        ..lunanode()
    };
    let signed = sign(beside.clone(), streamed()).unwrap();
    assert!(signed.headers.contains_key("x-signature") && signed.body.whole().is_none());
    for signing in [lunanode(), HmacSigning { message: "{body}".to_owned(), ..beside }] {
        assert_eq!(sign(signing, streamed()).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

#[derive(Debug)]
struct Endless;

#[async_trait::async_trait]
impl BodySource for Endless {
    fn length(&self) -> u64 {
        u64::MAX
    }

    async fn open(&self) -> Result<futures::stream::BoxStream<'static, Result<Bytes>>> {
        panic!("a body is not read to be signed")
    }
}

#[test]
fn the_part_of_the_key_that_is_sent_is_hidden_too() {
    let authorizer = Authorizer::new(AuthScheme::Hmac(Box::new(lunanode())), ["https://dynamic.example"]).unwrap();
    let (half, whole) = (SIXTEEN.repeat(4), SIXTEEN.repeat(8));
    assert_eq!(authorizer.conceal(&format!("bad key {half}, not {whole}")), "bad key …, not …");
}
