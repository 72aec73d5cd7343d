//! Large files pass through a small memory: chunks are counted while anybody holds them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use skyql::http::{HeaderMap, Request, Response, StatusCode, Transport};
use skyql::{Env, ErrorKind};
use tempfile::TempDir;

use super::{at, depot_documents, names};
use crate::support::query::Db;

/// Bytes of chunks: held now, held at most, and ever.
#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

/// A chunk's owner: it is counted until nobody holds the chunk.
struct Chunk(Vec<u8>, Arc<Counts>);

impl Chunk {
    fn bytes(counts: &Arc<Counts>, content: Vec<u8>) -> Bytes {
        let now = counts.now.fetch_add(content.len(), Ordering::SeqCst) + content.len();
        counts.most.fetch_max(now, Ordering::SeqCst);
        counts.all.fetch_add(content.len(), Ordering::SeqCst);
        Bytes::from_owner(Self(content, Arc::clone(counts)))
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.1.now.fetch_sub(self.0.len(), Ordering::SeqCst);
    }
}

const MIB: usize = 1 << 20;

/// Answers a GET with 300 MiB, or one byte less than it says; counts the bytes of a PUT as they come.
#[derive(Debug, Default)]
struct Large {
    down: Arc<Counts>,
    up: Arc<Counts>,
    cut: bool,
}

#[async_trait]
impl Transport for Large {
    async fn send(&self, request: Request) -> skyql::Result<Response> {
        const CHUNKS: usize = 300;
        if request.method == "GET" {
            let (counts, cut) = (Arc::clone(&self.down), self.cut);
            let chunks = (0..CHUNKS).map(move |at| {
                let short = usize::from(cut && at + 1 == CHUNKS);
                Ok(Chunk::bytes(&counts, vec![at.to_le_bytes()[0]; MIB - short]))
            });
            let headers = HeaderMap::from_iter([(http::header::CONTENT_LENGTH, (CHUNKS * MIB).into())]);
            return Ok(Response { status: StatusCode::OK, headers, body: stream::iter(chunks).boxed() });
        }
        assert!(request.body.whole().is_none(), "a file is not at hand as a whole");
        let mut chunks = request.body.open().await?;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            self.up.most.fetch_max(chunk.len(), Ordering::SeqCst);
            self.up.all.fetch_add(chunk.len(), Ordering::SeqCst);
        }
        let body = Bytes::from_static(b"{\"id\": \"b1\"}");
        Ok(Response { status: StatusCode::OK, headers: HeaderMap::new(), body: stream::iter([Ok(body)]).boxed() })
    }
}

fn db(transport: Arc<Large>) -> Db {
    let env = Env::empty().with("DEPOT_TOKEN", "the-token");
    Db::with(depot_documents("http://127.0.0.1:1"), |builder| builder.env(env).transport(transport).no_journal())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_megabytes_come_through_a_few() {
    let large = Arc::new(Large::default());
    let dir = TempDir::new().unwrap();
    let path = at(&dir, "a.img");
    let answer = db(Arc::clone(&large)).rows(&format!("EXEC depot.store.blobs.fetch @id = '1' INTO '{path}'")).await;
    assert_eq!(answer.rows[0][0], (300 * MIB).to_string());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 300 * MIB as u64);
    assert_eq!((large.down.all.load(Ordering::SeqCst), large.down.now.load(Ordering::SeqCst)), (300 * MIB, 0));
    let most = large.down.most.load(Ordering::SeqCst);
    assert!(most <= 4 * MIB, "{most} bytes were held at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_byte_less_than_was_said_is_no_file() {
    let large = Arc::new(Large { cut: true, ..Large::default() });
    let dir = TempDir::new().unwrap();
    let text = format!("EXEC depot.store.blobs.fetch @id = '1' INTO '{}'", at(&dir, "a.img"));
    let error = db(large).error(&text).await;
    let said = format!("the answer broke off: {} of {} bytes came", 300 * MIB - 1, 300 * MIB);
    assert_eq!((error.kind(), error.message()), (ErrorKind::Network, said.as_str()));
    assert!(names(dir.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_leaves_in_small_pieces() {
    let large = Arc::new(Large::default());
    let dir = TempDir::new().unwrap();
    let path = at(&dir, "a.png");
    // It has a length, and no content on the disk.
    std::fs::File::create(&path).unwrap().set_len(200 * MIB as u64).unwrap();
    db(Arc::clone(&large)).rows(&format!("EXEC depot.store.blobs.store @id = '1' FROM '{path}'")).await;
    assert_eq!(large.up.all.load(Ordering::SeqCst), 200 * MIB);
    assert!(large.up.most.load(Ordering::SeqCst) <= MIB);
}
