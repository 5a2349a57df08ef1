//! The workloads: what spouts make, what bolts do, and how they are joined.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fulmar::prelude::*;
use rustc_hash::FxBuildHasher;

use super::text::PER_LINE;

/// Names, as in the figures.
pub const WORKLOADS: [&str; 8] = [
    "null",
    "id",
    "fresh16",
    "fresh100",
    "wordcount",
    "fanin",
    "fanout",
    "fields",
];

/// A count on a cache line of its own, so that counting does not slow the neighbour.
#[derive(Default)]
#[repr(align(128))]
pub struct Count(AtomicU64);

/// The counts of all tasks that count.
#[derive(Clone)]
pub struct Counts(pub Arc<Mutex<Vec<Arc<Count>>>>);

impl Counts {
    /// A counter for one more task.
    fn one(&self) -> Counter {
        let count = Arc::new(Count::default());
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        all.push(count.clone());
        Counter(0, count)
    }

    /// All counts together.
    pub fn sum(&self) -> u64 {
        let all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        all.iter().map(|c| c.0.load(Ordering::Relaxed)).sum()
    }
}

/// One task's counter, in the open.
struct Counter(u64, Arc<Count>);

impl Counter {
    fn add(&mut self, n: u64) {
        self.0 += n;
        self.1.0.store(self.0, Ordering::Relaxed);
    }
}

/// What a spout emits.
#[derive(Clone)]
enum Make {
    /// The same value again and again.
    Constant(Value),
    /// Two integers, made for each tuple.
    Fresh16,
    /// 100 bytes, made for each tuple.
    Fresh100,
    /// One of 10,000 keys.
    Key,
    /// The next line.
    Line(Arc<[String]>),
}

struct Source {
    make: Make,
    acked: bool,
    next: u64,
    count: Option<Counter>,
}

impl Spout for Source {
    fn outputs(&self) -> Outputs {
        match self.make {
            Make::Fresh16 => Outputs::fields(["a", "b"]),
            _ => Outputs::fields(["value"]),
        }
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        self.next += 1;
        let n = self.next;
        match (&self.make, self.acked) {
            (Make::Constant(v), false) => out.emit([v.clone()])?,
            (Make::Constant(v), true) => out.emit_with_id(n, [v.clone()])?,
            (Make::Fresh16, false) => out.emit((n as i64, !n as i64))?,
            (Make::Fresh16, true) => out.emit_with_id(n, (n as i64, !n as i64))?,
            (Make::Fresh100, false) => out.emit([bytes(n)])?,
            (Make::Fresh100, true) => out.emit_with_id(n, [bytes(n)])?,
            (Make::Key, false) => out.emit([key(n)])?,
            (Make::Key, true) => out.emit_with_id(n, [key(n)])?,
            (Make::Line(lines), false) => out.emit([line(lines, n)])?,
            (Make::Line(lines), true) => out.emit_with_id(n, [line(lines, n)])?,
        }
        Ok(Next::Emitted)
    }
    fn ack(&mut self, _: MessageId) -> Result<()> {
        if let Some(count) = &mut self.count {
            count.add(match &self.make {
                Make::Line(_) => PER_LINE as u64,
                _ => 1,
            });
        }
        Ok(())
    }
}

fn bytes(n: u64) -> Value {
    let mut bytes = [0_u8; 100];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    Value::from(&bytes[..])
}

fn key(n: u64) -> i64 {
    // A multiplied odd constant walks through all keys in an order that repeats late.
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as i64 % 10_000
}

fn line(lines: &[String], n: u64) -> &str {
    &lines[n as usize % lines.len()]
}

struct Id;

impl BasicBolt for Id {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["value"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        out.emit([input.values()[0].clone()])
    }
}

struct Split;

impl BasicBolt for Split {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        input
            .str("value")?
            .split(' ')
            .try_for_each(|word| out.emit([word]))
    }
}

/// Counts what comes, if anybody looks at it.
struct Null(Option<Counter>);

impl BasicBolt for Null {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        if let Some(count) = &mut self.0 {
            count.add(1);
        }
        Ok(())
    }
}

/// Has nothing to emit.
struct Nothing;

impl Spout for Nothing {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["value"])
    }
    fn next(&mut self, _: &mut SpoutCollector<'_>) -> Result<Next> {
        Ok(Next::Idle)
    }
}

/// 1,000 executors with nothing to do.
///
/// # Errors
/// Never.
pub fn idle() -> Result<Topology> {
    let mut t = TopologyBuilder::new("idle");
    t.spout("nothing", || Nothing).parallelism(10);
    t.bolt("null", || Null(None))
        .parallelism(990)
        .shuffle("nothing");
    t.build()
}

/// Counts words by word.
struct Words(HashMap<String, u64, FxBuildHasher>, Option<Counter>);

impl BasicBolt for Words {
    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let word = input.str("word")?;
        match self.0.get_mut(word) {
            Some(n) => *n += 1,
            None => {
                self.0.insert(word.to_owned(), 1);
            }
        }
        if let Some(count) = &mut self.1 {
            count.add(1);
        }
        Ok(())
    }
}

/// The topology of one workload on so many cores.
///
/// # Errors
/// Never for the workloads there are.
pub fn build(
    workload: &str,
    acked: bool,
    cores: usize,
    counts: &Counts,
    lines: &Arc<[String]>,
) -> Result<Topology> {
    let mut t = TopologyBuilder::new(workload);
    t.conf("topology.acker.executors", i64::from(acked))
        .conf("topology.max.spout.pending", 10_000_i64);
    let make = match workload {
        "fresh16" => Make::Fresh16,
        "fresh100" => Make::Fresh100,
        "fields" => Make::Key,
        "wordcount" => Make::Line(lines.clone()),
        _ => Make::Constant("some data".into()),
    };
    let (spouts, sinks) = match workload {
        "fanin" => (4, 1),
        "fanout" => (1, 4),
        _ => (cores as u32, cores as u32),
    };
    let of_spout = counts.clone();
    t.spout("source", move || Source {
        make: make.clone(),
        acked,
        next: 0,
        count: acked.then(|| of_spout.one()),
    })
    .parallelism(spouts);
    let counts = counts.clone();
    let null = move || Null((!acked).then(|| counts.one()));
    match workload {
        "id" => {
            t.bolt("id", || Id)
                .parallelism(sinks)
                .local_or_shuffle("source");
            t.bolt("null", null)
                .parallelism(sinks)
                .local_or_shuffle("id");
        }
        "wordcount" => {
            t.bolt("split", || Split)
                .parallelism(sinks)
                .local_or_shuffle("source");
            t.bolt("count", move || Words(HashMap::default(), null().0))
                .parallelism(sinks)
                .fields("split", ["word"]);
        }
        "fanin" => drop(t.bolt("null", null).global("source")),
        "fanout" => drop(t.bolt("null", null).parallelism(sinks).all("source")),
        "fields" => drop(
            t.bolt("null", null)
                .parallelism(sinks)
                .fields("source", ["value"]),
        ),
        _ => drop(
            t.bolt("null", null)
                .parallelism(sinks)
                .local_or_shuffle("source"),
        ),
    }
    t.build()
}
