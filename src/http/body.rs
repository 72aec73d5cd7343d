//! What a request carries: bytes at hand, or bytes that are read as they are sent.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::error::{Error, ErrorKind, Result};

/// The body of a request. Cheap to clone.
#[derive(Clone)]
pub enum Body {
    /// Bytes at hand; none when the request has no body.
    Whole(Bytes),
    /// Bytes that are read anew each time the request is sent.
    Streamed(Arc<dyn BodySource>),
}

/// Where a streamed body's bytes come from.
#[async_trait]
pub trait BodySource: fmt::Debug + Send + Sync {
    /// How many bytes there are.
    fn length(&self) -> u64;

    /// The bytes from the first one on: exactly as many as [`BodySource::length`] says, or an error before the last of
    /// them.
    ///
    /// # Errors
    /// When they cannot be read; nothing is sent then.
    async fn open(&self) -> Result<BoxStream<'static, Result<Bytes>>>;
}

impl Body {
    /// No body.
    pub const fn empty() -> Self {
        Self::Whole(Bytes::new())
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Streamed(source) => source.length(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// The bytes, where they are at hand.
    pub fn whole(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Streamed(_) => None,
        }
    }

    /// The bytes as they come.
    ///
    /// # Errors
    /// As [`BodySource::open`].
    pub async fn open(&self) -> Result<BoxStream<'static, Result<Bytes>>> {
        match self {
            Self::Whole(bytes) => {
                let bytes = bytes.clone();
                Ok(stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).boxed())
            }
            Self::Streamed(source) => source.open().await,
        }
    }

    /// All bytes at once, for transports that answer from memory.
    ///
    /// # Errors
    /// As the source's; `InvalidArgument` for more than `most` bytes.
    pub async fn read(&self, most: usize) -> Result<Bytes> {
        let most_bytes = most as u64;
        if self.length() > most_bytes {
            let message = format!("a body of {} bytes is more than the {most} that are taken", self.length());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        if let Self::Whole(bytes) = self {
            return Ok(bytes.clone());
        }
        let mut read = BytesMut::new();
        let mut chunks = self.open().await?;
        while let Some(chunk) = chunks.next().await {
            read.extend_from_slice(&chunk?);
        }
        Ok(read.freeze())
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(bytes.into())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Whole(text.into())
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Whole(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for Body {
    /// Its length: what it holds may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Twice(&'static str);

    #[async_trait]
    impl BodySource for Twice {
        fn length(&self) -> u64 {
            2 * self.0.len() as u64
        }

        async fn open(&self) -> Result<BoxStream<'static, Result<Bytes>>> {
            let chunk = Bytes::from_static(self.0.as_bytes());
            Ok(stream::iter([Ok(chunk.clone()), Ok(chunk)]).boxed())
        }
    }

    #[tokio::test]
    async fn both_kinds_are_read_again_and_again() {
        for body in [Body::from("abab"), Body::Streamed(Arc::new(Twice("ab")))] {
            assert_eq!((body.length(), body.is_empty()), (4, false));
            for _ in 0..2 {
                assert_eq!(body.read(4).await.unwrap(), "abab");
            }
            assert_eq!(body.read(3).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
            assert_eq!(format!("{body:?}"), "4 bytes");
        }
        assert!(Body::empty().open().await.unwrap().next().await.is_none());
    }
}
