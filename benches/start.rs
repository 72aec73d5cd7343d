//! From nothing to the first request on the wire, for a query on a shipped provider.
//!
//! The transport answers at once from memory, so what is measured is ours alone: reading the document, planning, binding
//! and building the request. The figure is per statement in a fresh engine.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::{StreamExt, stream};
use skyql::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Transport};
use skyql::{Engine, Result};

#[derive(Debug)]
struct AtOnce;

#[async_trait]
impl Transport for AtOnce {
    async fn send(&self, _request: Request) -> Result<Response> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let body = Bytes::from_static(br#"{"data": [{"id": "linode/debian12"}], "page": 1, "pages": 1, "results": 1}"#);
        Ok(Response { status: StatusCode::OK, headers, body: stream::iter([Ok(body)]).boxed() })
    }
}

async fn first_answer(engine: &Engine, sql: &str) -> Result<usize> {
    let batches = engine.session().sql(sql).await?.read_all().await?;
    Ok(batches.iter().map(arrow::array::RecordBatch::num_rows).sum())
}

fn start(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return };
    let sql = "SELECT id FROM linode.images.images";
    let engine = || Engine::builder().transport(Arc::new(AtOnce)).build();
    criterion.bench_function("fresh engine to first answer", |bencher| {
        bencher.iter(|| runtime.block_on(async { first_answer(&engine()?, sql).await }));
    });
    criterion.bench_function("warm engine, one statement", |bencher| {
        let Ok(engine) = engine() else { return };
        bencher.iter(|| runtime.block_on(first_answer(&engine, sql)));
    });
    criterion.bench_function("fresh engine, SELECT 1", |bencher| {
        bencher.iter(|| runtime.block_on(async { first_answer(&engine()?, "SELECT 1").await }));
    });
}

criterion_group!(benches, start);
criterion_main!(benches);
