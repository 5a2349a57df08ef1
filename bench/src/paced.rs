//! A spout that emits by the clock, for latencies from the time at which a tuple was meant to go (no coordinated omission), for gaps
//! between acks and for failed trees. `bench/twins/common/Latency.java` and `storm/Paced.java` are the same for Storm.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fulmar::prelude::*;
use fulmar_bench_counting::counts::{Counter, Counts, every};

use crate::buckets::{BUCKETS, bucket};
use crate::workloads::{DIR, report};

/// Acks that are further apart are told as a gap.
const GAP: Duration = Duration::from_millis(20);

/// Emits `bench.rate` tuples a second; a message's id is its number, which tells when it was meant to go.
pub struct Paced {
    counts: Counts,
    counter: Counter,
    latencies: Arc<[AtomicU64]>,
    events: Option<File>,
    nanos_each: f64,
    started: Option<Instant>,
    last_ack: Option<Instant>,
    next: u64,
}

impl Paced {
    /// One that counts here.
    pub fn new(counts: Counts) -> Self {
        Self {
            counter: counts.one(),
            counts,
            latencies: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            events: None,
            nanos_each: 1e6,
            started: None,
            last_ack: None,
            next: 0,
        }
    }

    fn due(&self, n: u64) -> Instant {
        let since = Duration::from_nanos((n as f64 * self.nanos_each) as u64);
        self.started.unwrap_or_else(Instant::now) + since
    }

    fn event(&mut self, what: &str, took: Duration) -> Result<()> {
        let (Some(file), Some(started)) = (&mut self.events, self.started) else {
            return Ok(());
        };
        let line = format!(
            "{what} {} {}\n",
            started.elapsed().as_nanos(),
            took.as_nanos()
        );
        file.write_all(line.as_bytes()).map_err(Error::author)
    }
}

impl Spout for Paced {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["value"])
    }

    fn open(&mut self, conf: &Config, _: &TaskContext) -> Result<()> {
        report(&self.counts, conf)?;
        self.nanos_each = 1e9 / conf.float_or("bench.rate", 1_000.0)?.clamp(0.01, 1e9);
        let Some(dir) = conf.str(DIR)? else {
            return Ok(());
        };
        let dir = Path::new(&dir);
        let events = dir.join(format!("{}.events", std::process::id()));
        self.events = Some(File::create(events).map_err(Error::author)?);
        let latencies = self.latencies.clone();
        every(dir, "latency", 250, move || {
            let mut line = String::new();
            for (bucket, count) in latencies.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    // Writing into a string cannot fail.
                    let _ = write!(line, "{bucket}:{count} ");
                }
            }
            line
        })
        .map_err(Error::author)
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        let now = Instant::now();
        self.started.get_or_insert(now);
        let due = self.due(self.next);
        if due > now {
            return Ok(Next::IdleUntil(due));
        }
        out.emit_with_id(self.next, ["some data"])?;
        self.next += 1;
        Ok(Next::Emitted)
    }

    fn ack(&mut self, id: MessageId) -> Result<()> {
        self.counter.add(1);
        let now = Instant::now();
        let nanos = now.saturating_duration_since(self.due(id)).as_nanos() as u64;
        let place = &self.latencies[bucket(nanos)];
        // Only this thread writes it.
        place.store(place.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let gap = self.last_ack.map(|last| now - last);
        self.last_ack = Some(now);
        match gap.filter(|gap| *gap > GAP) {
            Some(gap) => self.event("gap", gap),
            None => Ok(()),
        }
    }

    fn fail(&mut self, id: MessageId, _: FailReason) -> Result<()> {
        let age = Instant::now().saturating_duration_since(self.due(id));
        self.event("fail", age)
    }
}
