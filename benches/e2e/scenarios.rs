//! What is asked, and what it should cost.

use std::time::Duration;

use crate::api::{Behaviour, PAGE};

/// A statement, and what is right and ideal for it.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) sql: String,
    pub(crate) rows: usize,
    /// Calls without which the rows cannot be known.
    pub(crate) fewest: u64,
    /// The time that latency and limits alone take; what computes is not in it.
    pub(crate) ideal: Duration,
    pub(crate) behaviour: Behaviour,
}

impl Scenario {
    fn with(self, behaviour: Behaviour) -> Self {
        Self { behaviour, ..self }
    }

    /// So many answers one after the other, each as late as the API is.
    fn steps(self, steps: u32) -> Self {
        Self { ideal: self.behaviour.latency * steps, ..self }
    }

    fn ideal(self, ideal: Duration) -> Self {
        Self { ideal, ..self }
    }
}

fn late(milliseconds: u64, rows: usize) -> Behaviour {
    Behaviour { latency: Duration::from_millis(milliseconds), rows, ..Behaviour::default() }
}

/// All scenarios, in the order of the table.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for rows in [10_000, 100_000] {
        for milliseconds in [0, 20, 50] {
            for kind in ["page", "cursor", "next_url", "link"] {
                let pages = u32::try_from(rows / PAGE).unwrap_or(u32::MAX);
                // Numbered pages travel side by side once the first has told how many there are.
                let steps = if kind == "page" { 2 } else { pages };
                let name = format!("list {rows} by {kind}, {milliseconds} ms");
                let scenario =
                    Scenario::new(name, format!("SELECT id, label FROM bench.api.by_{kind}"), rows, pages.into());
                all.push(scenario.with(late(milliseconds, rows)).steps(steps));
            }
        }
    }
    let far = || late(20, 100_000);
    all.extend([
        Scenario::new("LIMIT 5", "SELECT * FROM bench.api.by_page LIMIT 5", 5, 1).with(far()).steps(1),
        Scenario::new("IN list of 500 keys", in_list(500), 500, 500).with(far()).steps(1),
        Scenario::new("join of 1,000 rows, 100 distinct keys, list of 200 pages", JOIN, 1000, 101).with(far()).steps(3),
        Scenario::new("join of 1,000 rows, 100 distinct keys, list of 2 pages", JOIN, 1000, 3)
            .with(late(20, 1000))
            .steps(3),
        Scenario::new("chain of three tables", CHAIN, 400, 1 + 20 + 100).with(late(20, 20)).steps(3),
        Scenario::new("20 regions of 10 pages", regions(20), 20 * 10 * PAGE, 200).with(late(20, 10 * PAGE)).steps(2),
        Scenario::new("self-join", SELF_JOIN, 10_000, 20).with(late(20, 10_000)).steps(2),
        Scenario::new("ORDER BY and LIMIT", ORDERED, 10, 200).with(far()).steps(2),
        Scenario::new("LIMIT 5 OFFSET 90000", "SELECT id FROM bench.api.by_page LIMIT 5 OFFSET 90000", 5, 2)
            .with(far())
            .steps(2),
        Scenario::new("count(*)", "SELECT count(*) FROM bench.api.by_page", 1, 1).with(far()).steps(1),
        Scenario::new("100 requests a second", "SELECT id FROM bench.api.small_pages", 100_000, 1000)
            .with(Behaviour { per_second: Some(100), ..late(20, 100_000) })
            .ideal(Duration::from_secs(10)),
        Scenario::new("1 % faults", "SELECT id FROM bench.api.by_page", 100_000, 200)
            .with(Behaviour { fault_every: Some(100), ..far() })
            .steps(2),
        Scenario::new("1,000,000 rows, filter and count", MILLION, 1, 5000).with(late(0, 1_000_000)),
        Scenario::new("one answer of 500 MB, filter and count", WHOLE, 1, 1).with(late(0, 6_700_000)),
        Scenario::new("1,000,000 rows, all columns", "SELECT * FROM bench.api.mid_pages", 1_000_000, 5000)
            .with(late(0, 1_000_000)),
    ]);
    all
}

const JOIN: &str = "SELECT l.id, d.label FROM bench.api.links l JOIN bench.api.by_page d ON d.id = l.thing_id";
const CHAIN: &str = "SELECT t.id, c.id, g.id FROM bench.api.by_page t JOIN bench.api.children c ON c.parent_id = t.id \
                     JOIN bench.api.grandchildren g ON g.child_id = c.id";
const SELF_JOIN: &str = "SELECT a.id, b.label FROM bench.api.by_page a JOIN bench.api.by_page b ON a.label = b.label";
const ORDERED: &str = "SELECT id, size FROM bench.api.by_page ORDER BY size DESC, id LIMIT 10";
const WHOLE: &str = "SELECT count(*) FROM bench.api.whole WHERE label LIKE '%9%'";
const MILLION: &str = "SELECT count(*) FROM bench.api.mid_pages WHERE label LIKE '%9%'";

fn in_list(keys: usize) -> String {
    let keys: Vec<String> = (1..=keys).map(|key| (key * 7).to_string()).collect();
    format!("SELECT id, label FROM bench.api.by_page WHERE id IN ({})", keys.join(", "))
}

fn regions(count: usize) -> String {
    let regions: Vec<String> = (0..count).map(|region| format!("'r{region}'")).collect();
    format!("SELECT id, region_id FROM bench.api.regional WHERE region_id IN ({})", regions.join(", "))
}
