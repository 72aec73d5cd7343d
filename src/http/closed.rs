//! A transport that sends nothing.

use async_trait::async_trait;

use super::{Request, Response, Transport};
use crate::error::{Error, ErrorKind, Result};

/// Refuses every request, for work that must not reach an API.
#[derive(Debug)]
pub struct Closed {
    why: &'static str,
}

impl Closed {
    /// `why` is the error's message.
    pub fn new(why: &'static str) -> Self {
        Self { why }
    }
}

#[async_trait]
impl Transport for Closed {
    async fn send(&self, request: Request) -> Result<Response> {
        let path = format!("{} {}{}", request.method, request.url.origin().ascii_serialization(), request.url.path());
        // No kind of error that is worth another attempt.
        Err(Error::new(ErrorKind::Cancelled, self.why).with("request", path))
    }
}
