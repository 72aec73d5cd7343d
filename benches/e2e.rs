//! Whole statements against an API in the same program: calls made and fewest possible, time and ideal time, memory.
//!
//! `cargo bench --bench e2e` prints one table in Markdown; `-- join` runs the scenarios whose name holds that word. The
//! API answers on threads of its own, after the latency and within the limits that a scenario sets, so its processor
//! time and memory are in the numbers too. `docs/performance.md` says what bounds each row.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's own time")]

#[path = "e2e/api.rs"]
mod api;
#[path = "e2e/scenarios.rs"]
mod scenarios;

use std::error::Error;
use std::time::{Duration, Instant};

use api::{Api, Behaviour};
use futures::StreamExt;
use scenarios::Scenario;
use skyql::Engine;

fn main() -> Result<(), Box<dyn Error>> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("| scenario | rows | calls / fewest | wall / ideal | first row | peak RSS | 429 |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for scenario in scenarios::all() {
        if wanted.is_empty() || wanted.iter().any(|word| scenario.name.contains(word.as_str())) {
            let api = Api::start(scenario.behaviour)?;
            println!("{}", runtime.block_on(run(&scenario, &api))?);
        }
    }
    Ok(())
}

async fn run(scenario: &Scenario, api: &Api) -> Result<String, Box<dyn Error>> {
    let documents = api.documents()?;
    let engine = Engine::builder().providers_dir(documents.path()).build()?;
    let mut session = engine.session();
    session.settings_mut().set("max_calls", "100000")?;
    reset_peak();
    let started = Instant::now();
    let mut first = None;
    let mut result = session.sql(&scenario.sql).await?;
    let mut rows = 0;
    while let Some(batch) = result.next().await {
        rows += batch?.num_rows();
        first.get_or_insert_with(|| started.elapsed());
    }
    let wall = started.elapsed();
    let report = result.report();
    if rows != scenario.rows {
        return Err(format!("{}: {rows} rows where {} are right", scenario.name, scenario.rows).into());
    }
    let (calls, refused) = api.seen();
    if calls != report.calls {
        return Err(format!("{}: {calls} calls came, {} are reported", scenario.name, report.calls).into());
    }
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let share = 100.0 * refused as f64 / calls.max(1) as f64;
    Ok(format!(
        "| {} | {rows} | {calls} / {} | {} / {} | {} | {} | {share:.1} % |",
        scenario.name,
        scenario.fewest,
        shown(wall),
        shown(scenario.ideal),
        shown(first.unwrap_or(wall)),
        peak().map_or_else(|| "?".to_owned(), |kilobytes| format!("{} MB", kilobytes / 1024)),
    ))
}

fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

/// Lets the peak of this process's memory begin anew, where the system is Linux and allows it.
fn reset_peak() {
    // Without it the peak is that of all scenarios so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The peak of this process's memory, in kilobytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

impl Scenario {
    /// One that has nothing against it.
    pub(crate) fn new(name: impl Into<String>, sql: impl Into<String>, rows: usize, fewest: u64) -> Self {
        let (name, sql) = (name.into(), sql.into());
        Self { name, sql, rows, fewest, ideal: Duration::ZERO, behaviour: Behaviour::default() }
    }
}
