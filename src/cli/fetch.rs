//! Getting OpenAPI documents: from files, from stdin, over HTTP.
//!
//! What a document refers to is got the same way as the document itself, so that a URL never reads a file.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Body, HeaderMap, HeaderValue, LiveOptions, LiveTransport, Method, Request, Transport, Url};
use crate::import::Bundle;

/// The largest document that is read. The largest of public APIs have about 10 MB.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Documents that one may refer to.
const MAX_DOCUMENTS: usize = 1_000;

const MAX_REDIRECTS: usize = 5;

/// How long to wait for the next byte.
const SILENCE: Duration = Duration::from_secs(30);

/// A document and all it refers to; `source` is a file, a URL, or `-` for stdin.
///
/// # Errors
/// `NameNotFound` for a file that is not there, `Network` and `Api` for a URL that cannot be had, `Provider` for what is
/// no OpenAPI document.
pub(super) async fn bundle(source: &str) -> Result<Bundle> {
    let url = Url::parse(source).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let (address, bytes) = match &url {
        Some(url) => {
            let (url, bytes) = get(url.clone()).await?;
            (url.to_string(), bytes)
        }
        None if source == "-" => ("stdin".to_owned(), read_stdin()?),
        None => (source.to_owned(), read_file(source)?),
    };
    let mut bundle = Bundle::new(&address, &bytes)?;
    let mut count = 0;
    loop {
        let missing = bundle.missing();
        if missing.is_empty() {
            return Ok(bundle);
        }
        for other in missing {
            count += 1;
            if count > MAX_DOCUMENTS {
                return Err(Error::new(
                    ErrorKind::Provider,
                    format!("the document refers to more than {MAX_DOCUMENTS} others"),
                )
                .with("file", address));
            }
            let found = match (&url, Url::parse(&other)) {
                (Some(_), Ok(other)) => get(other).await.map(|(_, bytes)| bytes),
                _ => read_file(&other),
            };
            match found {
                Ok(bytes) => bundle.add(&other, &bytes)?,
                Err(error) => bundle.cannot_have(&other, error.message()),
            }
        }
    }
}

fn read_stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(|error| unreadable("stdin", error))?;
    small_enough(bytes, "stdin")
}

fn read_file(path: &str) -> Result<Vec<u8>> {
    if !Path::new(path).exists() {
        return Err(Error::new(ErrorKind::NameNotFound, format!("there is no file `{path}`"))
            .hint("give a file, a URL that begins with `https://`, or `-` for stdin"));
    }
    let length = std::fs::metadata(path).map_err(|error| unreadable(path, error))?.len();
    if length > u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) {
        return small_enough(vec![0; MAX_BYTES + 1], path);
    }
    std::fs::read(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Provider, format!("`{path}` cannot be read"))
        .with("reason", error.to_string())
        .caused_by(error)
}

fn small_enough(bytes: Vec<u8>, from: &str) -> Result<Vec<u8>> {
    if bytes.len() <= MAX_BYTES {
        return Ok(bytes);
    }
    Err(Error::new(ErrorKind::Provider, format!("the document has more than {} MB", MAX_BYTES / 1024 / 1024))
        .with("file", from))
}

/// The document at a URL, and the URL it was found at. No credential is sent.
async fn get(mut url: Url) -> Result<(Url, Vec<u8>)> {
    let transport = LiveTransport::new(LiveOptions::default())?;
    for _ in 0..=MAX_REDIRECTS {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("application/yaml, application/json, text/yaml, */*;q=0.5"));
        let request = Request { method: Method::GET, url: url.clone(), headers, body: Body::empty(), timeout: SILENCE };
        let response = transport.send(request).await?;
        if response.status.is_redirection() {
            let to = response.headers.get("location").and_then(|value| value.to_str().ok());
            let next = to.and_then(|to| url.join(to).ok());
            let Some(next) = next.filter(|next| next.scheme() == url.scheme() || next.scheme() == "https") else {
                return Err(
                    Error::new(ErrorKind::Network, "the document's URL leads nowhere").with("url", url.to_string())
                );
            };
            url = next;
            continue;
        }
        if !response.status.is_success() {
            return Err(Error::new(ErrorKind::Api, format!("the document's URL answers {}", response.status.as_u16()))
                .with("url", url.to_string()));
        }
        let mut bytes = Vec::new();
        let mut body = response.body;
        while let Some(part) = body.next().await {
            bytes.extend_from_slice(&part?);
            if bytes.len() > MAX_BYTES {
                return small_enough(bytes, url.as_str()).map(|bytes| (url.clone(), bytes));
            }
        }
        return Ok((url, bytes));
    }
    Err(Error::new(ErrorKind::Network, "the document's URL leads from one to the next without end")
        .with("url", url.to_string()))
}
