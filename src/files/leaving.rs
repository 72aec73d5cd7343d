//! A file that is sent: looked at first, then read as it goes out, and compared with what was seen.

use std::fs::File;
use std::io::{ErrorKind as Io, Read};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use sha2::{Digest, Sha256};

use super::trouble::{blocking, unreadable};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::LocalFile;

/// How much is read at a time.
const CHUNK: usize = 256 << 10;

/// The file at `path` as it is now. It is read to its end.
///
/// # Errors
/// `NameNotFound` when it is not there; `InvalidArgument` when it is no plain file or cannot be read.
pub async fn look_at(path: &str, field: Option<String>) -> Result<LocalFile> {
    let path = path.to_owned();
    blocking(move || {
        let mut file = open(Path::new(&path))?;
        let (bytes, sha256) = digest(&mut file).map_err(|error| unreadable(Path::new(&path), &error))?;
        Ok(LocalFile { path: absolute(&path), bytes, sha256, field })
    })
    .await?
}

/// Refuses a file that is not as it was.
///
/// # Errors
/// As [`look_at`], and `InvalidArgument` for other content.
pub async fn check_unchanged(file: &LocalFile) -> Result<()> {
    let now = look_at(&file.path, None).await?;
    if (now.bytes, &now.sha256) == (file.bytes, &file.sha256) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` changed since the plan was made", file.path))
        .with("planned", file.to_string())
        .with("now", now.to_string())
        .hint("nothing was sent; make a new plan"))
}

/// The file's bytes, a chunk at a time. The last chunk comes only when all of them are those that were looked at.
///
/// # Errors
/// As [`look_at`], and `InvalidArgument` when its length is another now: before any byte. `Network` within the stream,
/// as whoever is sent the bytes is left without their end.
pub async fn read(file: &LocalFile) -> Result<BoxStream<'static, Result<Bytes>>> {
    let wanted = file.clone();
    let reading = blocking(move || {
        let opened = open(Path::new(&wanted.path))?;
        let length = opened.metadata().map_err(|error| unreadable(Path::new(&wanted.path), &error))?.len();
        if length != wanted.bytes {
            return Err(changed(&wanted, ErrorKind::InvalidArgument).hint("nothing was sent"));
        }
        Ok(Reading { file: opened, left: wanted.bytes, hash: Sha256::new(), wanted })
    })
    .await??;
    let chunks = stream::unfold(Some(reading), |reading| async move {
        let reading = reading.filter(|reading| reading.left > 0)?;
        match blocking(move || reading.next()).await {
            Ok(Ok((chunk, rest))) => Some((Ok(chunk), Some(rest))),
            Ok(Err(error)) | Err(error) => Some((Err(error), None)),
        }
    });
    Ok(chunks.boxed())
}

struct Reading {
    file: File,
    left: u64,
    hash: Sha256,
    wanted: LocalFile,
}

impl Reading {
    fn next(mut self) -> Result<(Bytes, Self)> {
        let size = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = BytesMut::zeroed(size);
        self.file.read_exact(&mut chunk).map_err(|error| match error.kind() {
            Io::UnexpectedEof => changed(&self.wanted, ErrorKind::Network),
            _ => Error::new(ErrorKind::Network, unreadable(Path::new(&self.wanted.path), &error).message()),
        })?;
        self.hash.update(&chunk);
        self.left -= size as u64;
        if self.left == 0 {
            let more = self.file.read(&mut [0]).unwrap_or(1) > 0;
            if more || hex(&self.hash.clone().finalize()) != self.wanted.sha256 {
                return Err(changed(&self.wanted, ErrorKind::Network));
            }
        }
        Ok((chunk.freeze(), self))
    }
}

fn changed(file: &LocalFile, kind: ErrorKind) -> Error {
    Error::new(kind, format!("`{}` changed since it was looked at", file.path)).with("planned", file.to_string())
}

/// Opens a plain file; a pipe or device would give its bytes only once.
fn open(path: &Path) -> Result<File> {
    if path.as_os_str().is_empty() {
        return Err(Error::new(ErrorKind::InvalidArgument, "the name of the file is empty"));
    }
    let found = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !found.is_file() {
        let what = if found.is_dir() { "a directory" } else { "no plain file" };
        return Err(Error::new(ErrorKind::InvalidArgument, format!("`{}` is {what}", path.display())));
    }
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn digest(file: &mut File) -> std::io::Result<(u64, String)> {
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0_u64, vec![0; CHUNK]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, hex(&hash.finalize()))),
            Ok(read) => {
                hash.update(buffer.get(..read).unwrap_or_default());
                bytes += read as u64;
            }
            Err(error) if error.kind() == Io::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The path from the root; as it was written where that cannot be told, or is no text.
pub(super) fn absolute(path: &str) -> String {
    let absolute = std::path::absolute(path).ok();
    absolute.as_deref().and_then(Path::to_str).map_or_else(|| path.to_owned(), str::to_owned)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`: FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn text_file(directory: &tempfile::TempDir, content: &[u8]) -> String {
        let path = directory.path().join("f.img");
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn all(file: &LocalFile) -> Result<Vec<Bytes>> {
        let mut chunks = read(file).await?;
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await {
            all.push(chunk?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_file_is_looked_at_and_read_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = text_file(&directory, b"abc");
        let file = look_at(&path, Some("image".into())).await.unwrap();
        assert_eq!(
            (file.path.as_str(), file.bytes, file.sha256.as_str(), file.name()),
            (path.as_str(), 3, ABC, "f.img")
        );
        assert_eq!(all(&file).await.unwrap(), ["abc"]);
        check_unchanged(&file).await.unwrap();
        assert_eq!(file.to_string(), format!("<f.img: 3 bytes, sha256 {ABC}>"));

        let nothing = look_at(&text_file(&directory, b""), None).await.unwrap();
        assert_eq!((nothing.bytes, all(&nothing).await.unwrap().len()), (0, 0));
        let large = look_at(&text_file(&directory, &vec![7; 2 * CHUNK + 1]), None).await.unwrap();
        let lengths: Vec<usize> = all(&large).await.unwrap().iter().map(Bytes::len).collect();
        assert_eq!(lengths, [CHUNK, CHUNK, 1]);
    }

    #[tokio::test]
    async fn a_file_that_changed_never_goes_out_whole() {
        let directory = tempfile::tempdir().unwrap();
        let looked = look_at(&text_file(&directory, &vec![7; CHUNK + 3]), None).await.unwrap();
        let other = vec![8; CHUNK + 3];
        text_file(&directory, &other);
        let mut chunks = read(&looked).await.unwrap();
        assert_eq!(chunks.next().await.unwrap().unwrap().len(), CHUNK);
        let error = chunks.next().await.unwrap().unwrap_err();
        assert!(error.message().contains("changed") && chunks.next().await.is_none(), "{error}");
        assert!(check_unchanged(&looked).await.unwrap_err().context_value("now").is_some());
        for length in [CHUNK + 2, CHUNK + 4, 0] {
            text_file(&directory, &vec![7; length]);
            let error = all(&looked).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "before any byte: {error}");
        }
        // It shrinks, or grows, while it is read.
        for (length, sent) in [(CHUNK, 1), (CHUNK + 9, 1)] {
            let looked = look_at(&text_file(&directory, &vec![7; CHUNK + 3]), None).await.unwrap();
            let mut chunks = read(&looked).await.unwrap();
            for _ in 0..sent {
                chunks.next().await.unwrap().unwrap();
            }
            std::fs::OpenOptions::new().write(true).open(&looked.path).unwrap().set_len(length as u64).unwrap();
            assert_eq!(chunks.next().await.unwrap().unwrap_err().kind(), ErrorKind::Network);
        }
    }

    #[tokio::test]
    async fn what_is_no_file_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        for (path, kind, said) in [
            (format!("{path}/none"), ErrorKind::NameNotFound, "there is no file"),
            (path.to_owned(), ErrorKind::InvalidArgument, "is a directory"),
            (String::new(), ErrorKind::InvalidArgument, "is empty"),
        ] {
            let error = look_at(&path, None).await.unwrap_err();
            assert!(error.kind() == kind && error.message().contains(said), "{error}");
        }
        if cfg!(unix) {
            assert!(look_at("/dev/null", None).await.unwrap_err().message().contains("no plain file"));
        }
    }
}
