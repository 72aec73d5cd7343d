//! From nothing to the first request on the wire, for queries on shipped providers and on other documents.
//!
//! The transport answers at once from memory, so what is measured is ours alone: reading what is known of the provider,
//! planning, binding and building the request. The figure is per statement in a fresh engine.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::{StreamExt, stream};
use skyql::clock::SystemClock;
use skyql::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Transport};
use skyql::{Engine, EngineBuilder, Env, Result};

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

/// With a clock of its own, and so with a ledger of its own: published limits are of no interest here.
fn builder() -> EngineBuilder {
    Engine::builder()
        .transport(Arc::new(AtOnce))
        .clock(Arc::new(SystemClock))
        .env(Env::empty().with("DIGITALOCEAN_TOKEN", "token"))
}

const IMAGES: &str = "SELECT id FROM linode.images.images";
const DROPLETS: &str = "SELECT id FROM digitalocean.compute.droplets WHERE droplet_id = 3";

fn start(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return };
    let mut fresh = |name: &str, sql: &str, builder: &dyn Fn() -> EngineBuilder| {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(async { first_answer(&builder().build()?, sql).await }));
        });
    };
    fresh("fresh engine, SELECT 1", "SELECT 1", &builder);
    fresh("fresh engine to first answer", IMAGES, &builder);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers");
    fresh("fresh engine to first answer, largest shipped service", DROPLETS, &builder);
    fresh("the same from its YAML", DROPLETS, &|| builder().providers_dir(&shipped));
    fresh("fresh engine, all resources", "SELECT count(*) FROM skyql.resources", &builder);
}

/// A service document of about 3 MB, as the largest of the public registry are: many methods that share schemas.
fn large_document() -> String {
    let (mut paths, mut schemas, mut resources) = (String::new(), String::new(), String::new());
    for n in 0..600 {
        let answer = format!("{{schema: {{type: array, items: {{$ref: '#/components/schemas/thing{n}'}}}}}}");
        for (path, id, parameter) in [
            (format!("/things{n}"), format!("list_{n}"), "{name: page, in: query, schema: {type: integer}}"),
            (
                format!("/things{n}/{{id}}"),
                format!("get_{n}"),
                "{name: id, in: path, required: true, schema: {type: string}}",
            ),
        ] {
            let _ = writeln!(
                paths,
                "  {path}:\n    get:\n      operationId: {id}\n      summary: Reads things of kind {n}\n      parameters:\n      \
                 - {parameter}\n      responses:\n        '200':\n          description: the things\n          content:\n            \
                 application/json: {answer}"
            );
        }
        let _ = writeln!(schemas, "    thing{n}:\n      type: object\n      properties:");
        for field in 0..20 {
            let _ = writeln!(
                schemas,
                "        field_{field}:\n          type: string\n          description: What field {field} of a thing of kind {n} \
                 holds, said at the length at which such documents say it, in more words than are needed.\n          example: x{field}"
            );
        }
        let reference =
            |method: &str| format!("[{{$ref: '#/components/x-stackQL-resources/things{n}/methods/{method}'}}]");
        let operation = |path: &str| {
            format!(
                "{{operation: {{$ref: '#/paths/{path}/get'}}, response: {{mediaType: application/json, openAPIDocKey: '200'}}}}"
            )
        };
        let _ = writeln!(
            resources,
            "    things{n}:\n      id: large.all.things{n}\n      name: things{n}\n      methods:\n        list: {}\n        get: {}\n      \
             sqlVerbs:\n        select: {}",
            operation(&format!("~1things{n}")),
            operation(&format!("~1things{n}~1{{id}}")),
            reference("list"),
        );
    }
    format!(
        "openapi: 3.0.0\nservers: [{{url: 'https://large.test'}}]\npaths:\n{paths}components:\n  schemas:\n{schemas}  \
         x-stackQL-resources:\n{resources}"
    )
}

fn documents(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return };
    let Ok(directory) = tempfile::tempdir() else { return };
    let (version, cache) = (directory.path().join("large/v1"), directory.path().join("cache"));
    let provider = "name: large\nproviderServices:\n  all: {name: all, service: {$ref: large/v1/all.yaml}}\n\
        config: {auth: {type: null_auth}}\n";
    let written = std::fs::create_dir_all(&version)
        .and_then(|()| std::fs::write(version.join("provider.yaml"), provider))
        .and_then(|()| std::fs::write(version.join("all.yaml"), large_document()));
    if written.is_err() {
        return;
    }
    let sql = "EXPLAIN SELECT field_1 FROM large.all.things7";
    let mut group = criterion.benchmark_group("a document of 3 MB");
    group.sample_size(10);
    let mut measure = |name: &str, builder: &dyn Fn() -> EngineBuilder| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(async { first_answer(&builder().build()?, sql).await }));
        });
    };
    measure("from its YAML", &|| builder().providers_dir(&version));
    measure("from what the first start kept", &|| builder().providers_dir(&version).cache_dir(&cache));
}

criterion_group!(benches, start, documents);
criterion_main!(benches);
