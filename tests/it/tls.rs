//! TLS: whom the program trusts, and which protocols it offers.
//!
//! *Owns*: real handshakes with a server whose certificate is signed by nobody but itself.
//! *Invariants*: what is trusted is in a file of the test; the machine's certificates play no part.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::Acceptor;
use rustls::{ServerConfig, StreamOwned};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir};
use crate::support::program::{Home, Ran};

const SERVER: &str = include_str!("tls/server.pem");
const SERVER_KEY: &[u8] = include_bytes!("tls/server-key.pem");
const STRANGER: &str = include_str!("tls/stranger.pem");

fn config() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(SERVER.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(SERVER_KEY).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Answers one request with one row. What the client offered to speak, and what it asked.
fn answer_one(listener: &TcpListener) -> io::Result<(Vec<String>, String)> {
    let (mut stream, _) = listener.accept()?;
    let mut acceptor = Acceptor::default();
    let accepted = loop {
        acceptor.read_tls(&mut stream)?;
        if let Some(accepted) = acceptor.accept().map_err(|(error, _)| io::Error::other(error))? {
            break accepted;
        }
    };
    let offered = accepted.client_hello().alpn().into_iter().flatten();
    let offered = offered.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let connection = accepted.into_connection(config()).map_err(|(error, _)| io::Error::other(error))?;
    let mut tls = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let body = r#"{"items": [{"id": 7}], "total": 1}"#;
    write!(tls, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    tls.flush()?;
    let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
    Ok((offered, line))
}

/// The program asks a server once, and trusts one certificate.
fn ask(trusted: &str) -> (Ran, io::Result<(Vec<String>, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let serving = thread::spawn(move || answer_one(&listener));
    let documents = acme_dir(&url, &(Paging::Page.document() + STATED_TOTAL));
    let home = Home::new();
    home.write("trusted.pem", trusted);
    let documents = documents.path().display().to_string();
    let select = "SELECT id FROM acme.shop.widgets";
    let ran = Ran::of(
        home.command(&["--providers", &documents, "-o", "csv", "--quiet", "-c", "SET retries = 0", "-c", select])
            .env("SSL_CERT_FILE", home.path("trusted.pem"))
            .env("ACME_TOKEN", "hush-token"),
    );
    (ran, serving.join().unwrap())
}

#[test]
fn a_server_that_the_system_trusts_is_asked_over_tls_and_offered_http_2() {
    let (ran, served) = ask(SERVER);
    assert_eq!(ran.rows(), "id\n7\n");
    let (offered, line) = served.unwrap();
    assert_eq!(offered, ["h2", "http/1.1"]);
    assert!(line.starts_with("GET /widgets"), "{line}");
}

#[test]
fn a_server_that_nobody_trusts_is_named_and_gets_no_request() {
    let (ran, served) = ask(STRANGER);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.starts_with("error: TLS failure: certificate problem\n"), "{}", ran.err);
    assert!(ran.err.contains("UnknownIssuer"), "{}", ran.err);
    served.unwrap_err();
}
