use super::*;

fn label(call: Value, part: Value, secrets: &[&str]) -> Label {
    let scrubber = Scrubber::new(secrets.iter().map(|name| (*name).to_owned()));
    Label {
        call,
        part,
        facts: json!({"server": "https://a.example"}),
        name: "`a.b.c` by `list`".into(),
        request: "GET https://a.example/c".into(),
        scrubber,
    }
}

fn answer(status: u16, body: &[u8], headers: &[(&str, &str)]) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: map,
        body: Bytes::copy_from_slice(body),
        attempts: 2,
        latency: Duration::from_secs(1),
        in_doubt: false,
    }
}

#[tokio::test]
async fn what_is_recorded_is_given_back_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.jsonl");
    let tape = Tape::record(&path).unwrap();
    let one = label(json!({"b": 1, "a": [2]}), json!({"page": 1}), &[]);
    let kept = [("content-type", "application/json"), ("set-cookie", "session=hush"), ("link", "<x>"), ("link", "<y>")];
    tape.note(&one, &Ok(answer(200, b"{\"n\": 1.0}", &kept))).await.unwrap();
    tape.note(&one, &Ok(answer(404, b"\xff\x00", &[]))).await.unwrap();
    let broken = Error::new(ErrorKind::Network, "the connection broke").with("state", "unknown").with("method", "x");
    tape.note(&one, &Err(broken)).await.unwrap();
    tape.note(&one, &Err(Error::new(ErrorKind::Budget, "no more"))).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("hush"), "{text}");
    assert_eq!(text.lines().count(), 4);

    let tape = Tape::replay(&path).unwrap();
    assert_eq!(tape.facts(&json!({"a": [2], "b": 1})), Some(&json!({"server": "https://a.example"})));
    let first = tape.answer(&one).unwrap();
    assert_eq!((first.status.as_u16(), &first.body[..], first.attempts), (200, &b"{\"n\": 1.0}"[..], 2));
    assert_eq!(first.headers.get_all("link").iter().count(), 2);
    assert_eq!(&tape.answer(&one).unwrap().body[..], b"\xff\x00");
    let error = tape.answer(&one).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Network, "the connection broke"));
    assert_eq!((error.context_value("state"), error.context_value("method")), (Some("unknown"), None));
    let error = tape.answer(&one).unwrap_err();
    assert!(error.message().contains("3 answers to `a.b.c` by `list`, and they are given"), "{error}");
    let error = tape.answer(&label(json!({}), json!({"page": 2}), &[])).unwrap_err();
    assert!(error.message().ends_with("holds no answer to `a.b.c` by `list`"), "{error}");
    assert_eq!(error.context_value("call"), Some("GET https://a.example/c"));
}

#[test]
fn a_file_that_is_no_record_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    for (text, line) in [
        ("", "1"),
        ("SELECT 1", "1"),
        ("{}", "1"),
        ("{\"skyql_record\": 2}", "1"),
        ("{\"skyql_record\": 1}\n\n{\"call\": 1}", "3"),
        ("{\"skyql_record\": 1}\n{", "2"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Tape::replay(&path).unwrap_err();
        assert_eq!((error.kind(), error.context_value("line")), (ErrorKind::InvalidArgument, Some(line)), "{text}");
    }
    std::fs::write(&path, b"{\"skyql_record\": 1}\n\xff").unwrap();
    assert_eq!(Tape::replay(&path).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(Tape::replay(&dir.path().join("none")).unwrap_err().kind(), ErrorKind::NameNotFound);
    assert_eq!(Tape::record(dir.path()).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn bytes_go_through_digits() {
    assert_eq!(from_hex(&to_hex(&[0, 1, 127, 255])), Some(vec![0, 1, 127, 255]));
    assert_eq!((from_hex("0"), from_hex("zz")), (None, None));
}
