//! What a statement costs before its first request: planning a join of twenty tables, and building requests.
//!
//! The engine is warm: documents and their digests are in memory. Nothing is sent.

use std::fmt::Write as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use skyql::{Engine, Env, Result};
use tokio::runtime::Runtime;

/// `EXPLAIN` of a chain of joins on declared keys, each table asked by the one before.
fn join_of(tables: usize) -> String {
    let mut text = String::from("EXPLAIN SELECT t0.label, count(*) FROM linode.volumes.volumes t0");
    for n in 1..tables {
        let last = n - 1;
        let _ = write!(text, " JOIN linode.volumes.volumes t{n} ON t{n}.id = t{last}.linode_id AND t{n}.size > {n}");
    }
    text.push_str(" WHERE t0.region = 'us-east' GROUP BY t0.label ORDER BY 2 DESC LIMIT 10");
    text
}

fn insert_of(rows: usize) -> String {
    let rows: Vec<String> = (0..rows).map(|n| format!("({n}, 'image-{n}', '[\"a\", \"b\"]')")).collect();
    format!("INSERT INTO linode.images.images (disk_id, label, tags) VALUES {}", rows.join(", "))
}

async fn explained(engine: &Engine, text: &str) -> Result<usize> {
    Ok(engine.session().sql(text).await?.read_all().await?.len())
}

async fn built(engine: &Engine, text: &str) -> Result<usize> {
    Ok(engine.session().plan_write(text).await?.map_or(0, |pending| pending.objects()))
}

fn plan(criterion: &mut Criterion) {
    let Ok(runtime) = Runtime::new() else { return };
    let Ok(engine) = Engine::builder().env(Env::empty().with("LINODE_TOKEN", "token")).no_journal().build() else {
        return;
    };
    let mut group = criterion.benchmark_group("planning");
    for tables in [1, 5, 20] {
        let text = join_of(tables);
        // What cannot be planned would be measured as well.
        assert!(runtime.block_on(explained(&engine, &text)).is_ok(), "the join of {tables} tables is planned");
        group.bench_function(format!("a join of {tables} tables"), |bencher| {
            bencher.iter(|| runtime.block_on(explained(&engine, &text)));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("requests");
    for rows in [1, 1000] {
        let text = insert_of(rows);
        assert!(runtime.block_on(built(&engine, &text)).is_ok_and(|built| built == rows), "{rows} requests are built");
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("an INSERT of {rows}"), |bencher| {
            bencher.iter(|| runtime.block_on(built(&engine, &text)));
        });
    }
    group.finish();
}

criterion_group!(benches, plan);
criterion_main!(benches);
