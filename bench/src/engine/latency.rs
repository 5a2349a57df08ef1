//! Latency at 1,000 tuples a second: from the time at which a tuple was meant to be emitted to its ack.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fulmar::prelude::*;
use hdrhistogram::Histogram;

use crate::report::Figure;

const RATE: u64 = 1_000;

/// Emits by the clock; a late emit does not hide its lateness.
struct Paced {
    started: Option<Instant>,
    next: u64,
    seen: Arc<Mutex<Histogram<u64>>>,
}

impl Paced {
    fn due(&self, n: u64) -> Option<Instant> {
        let since = Duration::from_nanos(n * 1_000_000_000 / RATE);
        self.started.map(|s| s + since)
    }
}

impl Spout for Paced {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["value"])
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        let now = Instant::now();
        self.started.get_or_insert(now);
        let due = self.due(self.next).unwrap_or(now);
        if due > now {
            return Ok(Next::IdleUntil(due));
        }
        out.emit_with_id(self.next, ["some data"])?;
        self.next += 1;
        Ok(Next::Emitted)
    }
    fn ack(&mut self, id: MessageId) -> Result<()> {
        let took = self
            .due(id)
            .map_or(0, |due| due.elapsed().as_nanos() as u64);
        let mut seen = self.seen.lock().unwrap_or_else(|e| e.into_inner());
        seen.saturating_record(took);
        Ok(())
    }
}

struct End;

impl BasicBolt for End {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        Ok(())
    }
}

/// Percentiles of each run, spout and bolt joined by shuffle.
///
/// # Errors
/// The topology cannot be built.
pub fn measure(runs: usize, span: Duration, cores: usize) -> anyhow::Result<Vec<Figure>> {
    let mut found = [
        ("p50", 0.5, vec![]),
        ("p99", 0.99, vec![]),
        ("p999", 0.999, vec![]),
    ];
    for _ in 0..runs {
        let seen = Arc::new(Mutex::new(Histogram::new_with_max(60_000_000_000, 3)?));
        let shared = seen.clone();
        let mut t = TopologyBuilder::new("latency");
        t.spout("paced", move || Paced {
            started: None,
            next: 0,
            seen: shared.clone(),
        });
        t.bolt("end", || End).shuffle("paced");
        let cluster = LocalCluster::submit(t.build()?, cores)?;
        std::thread::sleep(Duration::from_secs(1));
        seen.lock().unwrap_or_else(|e| e.into_inner()).reset();
        std::thread::sleep(span);
        drop(cluster);
        let seen = seen.lock().unwrap_or_else(|e| e.into_inner());
        for (_, quantile, values) in &mut found {
            values.push(seen.value_at_quantile(*quantile) as f64 / 1e3);
        }
    }
    let figures = found.into_iter().map(|(name, _, runs)| Figure {
        name: format!("engine/latency/1k/1w/{name}"),
        runs,
        unit: "µs",
        against: None,
        note: "from the intended emit to the ack, 1,000 tuples/s".to_owned(),
    });
    Ok(figures.collect())
}
