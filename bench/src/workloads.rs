//! The workloads: what spouts make, what bolts do, and how they are joined.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fulmar::prelude::*;
use rustc_hash::FxBuildHasher;

use crate::paced::Paced;
use fulmar_bench_counting::counts::{Counter, Counts};
use fulmar_bench_counting::text::{self, PER_LINE};

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

/// Key of the folder into which a worker writes what it counts.
pub const DIR: &str = "bench.dir";

/// From now on this process writes what it counts into the configuration's `bench.dir`; without that key it does nothing.
///
/// # Errors
/// The file cannot be made.
pub fn report(counts: &Counts, conf: &Config) -> Result<()> {
    match conf.str(DIR)? {
        Some(dir) => counts.report_into(dir.as_ref()).map_err(Error::author),
        None => Ok(()),
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
    /// So many and no more.
    limit: u64,
    counts: Counts,
    count: Option<Counter>,
}

impl Spout for Source {
    fn outputs(&self) -> Outputs {
        match self.make {
            Make::Fresh16 => Outputs::fields(["a", "b"]),
            _ => Outputs::fields(["value"]),
        }
    }
    fn open(&mut self, conf: &Config, _: &TaskContext) -> Result<()> {
        self.count = self.acked.then(|| self.counts.one());
        report(&self.counts, conf)
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if self.next == self.limit {
            return Ok(Next::Idle);
        }
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

struct Id(Counts);

impl BasicBolt for Id {
    fn prepare(&mut self, conf: &Config, _: &TaskContext) -> Result<()> {
        report(&self.0, conf)
    }
    fn outputs(&self) -> Outputs {
        Outputs::fields(["value"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        out.emit([input.values()[0].clone()])
    }
}

struct Split(Counts);

impl BasicBolt for Split {
    fn prepare(&mut self, conf: &Config, _: &TaskContext) -> Result<()> {
        report(&self.0, conf)
    }
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        text::words(input.str(0)?).try_for_each(|word| out.emit([word]))
    }
}

/// Counts what comes, if anybody looks at it.
struct Null {
    counts: Counts,
    counts_here: bool,
    count: Option<Counter>,
}

impl Null {
    fn new(counts: &Counts, counts_here: bool) -> Self {
        Self {
            counts: counts.clone(),
            counts_here,
            count: None,
        }
    }
}

impl BasicBolt for Null {
    fn prepare(&mut self, conf: &Config, _: &TaskContext) -> Result<()> {
        self.count = self.counts_here.then(|| self.counts.one());
        report(&self.counts, conf)
    }
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        if let Some(count) = &mut self.count {
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
    t.bolt("null", || Null::new(&Counts::default(), false))
        .parallelism(990)
        .shuffle("nothing");
    t.build()
}

/// Counts words by word; on a tick, which only verification asks for, it writes what it has to a file.
struct Words {
    words: HashMap<Text, u64, FxBuildHasher>,
    null: Null,
    file: Option<PathBuf>,
}

impl Words {
    fn write(&self) -> Result<()> {
        let mut lines = String::new();
        for (word, count) in &self.words {
            // Writing into a string cannot fail.
            let _ = writeln!(lines, "{count} {word}");
        }
        match &self.file {
            Some(file) => std::fs::write(file, lines).map_err(Error::author),
            None => Ok(()),
        }
    }
}

impl BasicBolt for Words {
    fn prepare(&mut self, conf: &Config, context: &TaskContext) -> Result<()> {
        let dir = conf.str(DIR)?;
        self.file = dir.map(|d| PathBuf::from(d).join(format!("{}.words", context.task)));
        self.null.prepare(conf, context)
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        if input.is_tick() {
            return self.write();
        }
        let word = input.text(0)?;
        match self.words.get_mut(word) {
            Some(n) => *n += 1,
            None => {
                self.words.insert(word.clone(), 1);
            }
        }
        self.null.execute(input, out)
    }
}

/// Which topology to build.
pub struct Shape {
    /// One of [`WORKLOADS`], or `latency`.
    pub workload: String,
    /// Whether roots have ids and are acked.
    pub acked: bool,
    /// Executors of the spout, where the workload leaves it open.
    pub spouts: u32,
    /// Executors of each bolt, where the workload leaves it open.
    pub bolts: u32,
    /// Emit each line once, and write the words' counts each second.
    pub verify: bool,
}

/// The topology that `bench-topology` is, by configuration: `bench.workload`, `bench.acked`, `bench.spouts`, `bench.bolts`,
/// `bench.verify`, `bench.text`.
///
/// # Errors
/// A workload that there is not, or a value of a wrong kind.
pub fn topology(conf: &Config) -> Result<Topology> {
    let executors = |key| Ok::<_, Error>(conf.int_or(key, 1)?.clamp(1, 1_000) as u32);
    let shape = Shape {
        workload: conf.str_or("bench.workload", "null")?,
        acked: conf.bool_or("bench.acked", false)?,
        spouts: executors("bench.spouts")?,
        bolts: executors("bench.bolts")?,
        verify: conf.bool_or("bench.verify", false)?,
    };
    let known = shape.workload == "latency" || WORKLOADS.contains(&shape.workload.as_str());
    if !known {
        return Err(Error::msg(format!(
            "bench.workload is {:?}; it can be latency, {}",
            shape.workload,
            WORKLOADS.join(", ")
        )));
    }
    let lines = match conf.str("bench.text")? {
        Some(path) => text::read(&PathBuf::from(path)).map_err(Error::author)?,
        None => text::lines(),
    };
    let mut t = builder(&shape, &Counts::default(), &lines);
    t.conf_all(conf);
    t.build()
}

/// The topology of one workload, not built yet.
pub fn builder(shape: &Shape, counts: &Counts, lines: &Arc<[String]>) -> TopologyBuilder {
    let mut t = TopologyBuilder::new(shape.workload.clone());
    t.conf("topology.acker.executors", i64::from(shape.acked))
        .conf("topology.max.spout.pending", 10_000_i64);
    source(&mut t, shape, counts, lines);
    let (bolts, counts) = (shape.bolts, counts.clone());
    let counts_here = !shape.acked;
    let of_null = counts.clone();
    let null = move || Null::new(&of_null, counts_here);
    let passing = counts.clone();
    match shape.workload.as_str() {
        "id" => {
            t.bolt("id", move || Id(passing.clone()))
                .parallelism(bolts)
                .local_or_shuffle("source");
            t.bolt("null", null)
                .parallelism(bolts)
                .local_or_shuffle("id");
        }
        "wordcount" => {
            t.bolt("split", move || Split(passing.clone()))
                .parallelism(bolts)
                .local_or_shuffle("source");
            let words = move || Words {
                words: HashMap::default(),
                null: Null::new(&counts, counts_here),
                file: None,
            };
            let count = t.bolt("count", words).parallelism(bolts);
            let count = count.fields("split", ["word"]);
            if shape.verify {
                count.tick(Duration::from_secs(1));
            }
        }
        "fanin" => drop(t.bolt("null", null).global("source")),
        "fanout" => drop(t.bolt("null", null).parallelism(4).all("source")),
        "fields" => drop(
            t.bolt("null", null)
                .parallelism(bolts)
                .fields("source", ["value"]),
        ),
        _ => drop(
            t.bolt("null", null)
                .parallelism(bolts)
                .local_or_shuffle("source"),
        ),
    }
    t
}

fn source(t: &mut TopologyBuilder, shape: &Shape, counts: &Counts, lines: &Arc<[String]>) {
    let counts = counts.clone();
    let make = match shape.workload.as_str() {
        "latency" => {
            t.spout("source", move || Paced::new(counts.clone()));
            return;
        }
        "fresh16" => Make::Fresh16,
        "fresh100" => Make::Fresh100,
        "fields" => Make::Key,
        "wordcount" => Make::Line(lines.clone()),
        _ => Make::Constant("some data".into()),
    };
    let spouts = match shape.workload.as_str() {
        "fanin" => 4,
        "fanout" => 1,
        _ => shape.spouts,
    };
    let acked = shape.acked;
    let limit = if shape.verify {
        lines.len() as u64
    } else {
        u64::MAX
    };
    let source = move || Source {
        make: make.clone(),
        acked,
        next: 0,
        limit,
        counts: counts.clone(),
        count: None,
    };
    t.spout("source", source).parallelism(spouts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_is_a_topology_of_the_program() {
        for workload in WORKLOADS.into_iter().chain(["latency"]) {
            let mut conf = Config::new();
            conf.set("bench.workload", workload)
                .set("bench.spouts", 2_i64);
            let topology = topology(&conf).unwrap();
            let spouts = topology.spec.component("source").unwrap().parallelism;
            let expected = match workload {
                "fanin" => 4,
                "fanout" | "latency" => 1,
                _ => 2,
            };
            assert_eq!(spouts, expected, "{workload}");
        }
    }

    #[test]
    fn an_unknown_workload_is_refused_with_those_there_are() {
        let mut conf = Config::new();
        conf.set("bench.workload", "nul");
        let error = topology(&conf).unwrap_err().to_string();
        assert!(
            error.contains("\"nul\"") && error.contains("null"),
            "{error}"
        );
    }
}
