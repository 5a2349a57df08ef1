//! Workloads inside one worker: constant → null, constant → id → null, word count, each un-acked
//! and acked. A counter in the last bolt (un-acked) or in the spout's `ack` (acked) is what counts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fulmar::prelude::*;

use crate::report::{Figure, print};

/// How to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Two runs of 2 s instead of five of 5 s.
    #[arg(long)]
    quick: bool,
    /// Write one JSON object a line to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Event-loop threads.
    #[arg(long, default_value_t = 2)]
    cores: usize,
}

/// A count on a cache line of its own, so that counting does not slow the neighbour.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicU64);

#[derive(Clone)]
struct Constant {
    text: Value,
    acked: bool,
    next: u64,
    mine: u64,
    count: Arc<Count>,
}

impl Spout for Constant {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["text"])
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if self.acked {
            self.next += 1;
            out.emit_with_id(self.next, [self.text.clone()])?;
        } else {
            out.emit([self.text.clone()])?;
        }
        Ok(Next::Emitted)
    }
    fn ack(&mut self, _: MessageId) -> Result<()> {
        self.mine += 1;
        self.count.0.store(self.mine, Ordering::Relaxed);
        Ok(())
    }
}

struct Id;

impl BasicBolt for Id {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["text"])
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
            .str("text")?
            .split(' ')
            .try_for_each(|word| out.emit([word]))
    }
}

/// Counts what comes, in the open.
struct Null(u64, Arc<Count>);

impl BasicBolt for Null {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        self.0 += 1;
        self.1.0.store(self.0, Ordering::Relaxed);
        Ok(())
    }
}

/// Counts words by word.
struct Words(std::collections::HashMap<String, u64>, u64, Arc<Count>);

impl BasicBolt for Words {
    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let word = input.str("word")?;
        match self.0.get_mut(word) {
            Some(n) => *n += 1,
            None => {
                self.0.insert(word.to_owned(), 1);
            }
        }
        self.1 += 1;
        self.2.0.store(self.1, Ordering::Relaxed);
        Ok(())
    }
}

fn build(workload: &str, acked: bool, count: &Arc<Count>) -> Result<Topology> {
    let mut t = TopologyBuilder::new(workload);
    t.conf("topology.acker.executors", i64::from(acked))
        .conf("topology.max.spout.pending", 10_000_i64);
    let text = if workload == "wordcount" {
        "the quick brown fox jumps over it"
    } else {
        "some data"
    };
    let spout = Constant {
        text: text.into(),
        acked,
        next: 0,
        mine: 0,
        count: if acked { count.clone() } else { Arc::default() },
    };
    t.spout("constant", spout);
    let sink = if acked { Arc::default() } else { count.clone() };
    match workload {
        "null" => {
            t.bolt("null", move || Null(0, sink.clone()))
                .local_or_shuffle("constant");
        }
        "id" => {
            t.bolt("id", || Id).local_or_shuffle("constant");
            t.bolt("null", move || Null(0, sink.clone()))
                .local_or_shuffle("id");
        }
        _ => {
            t.bolt("split", || Split).local_or_shuffle("constant");
            t.bolt("count", move || Words(Default::default(), 0, sink.clone()))
                .fields("split", ["word"]);
        }
    }
    t.build()
}

/// Measures all workloads.
///
/// # Errors
/// A topology cannot be built or the file cannot be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (runs, span) = if options.quick {
        (2, Duration::from_secs(2))
    } else {
        (5, Duration::from_secs(5))
    };
    let mut figures = Vec::new();
    for workload in ["null", "id", "wordcount"] {
        for acked in [false, true] {
            let mode = if acked { "acked" } else { "unacked" };
            let measured = (0..runs).map(|_| once(workload, acked, options.cores, span));
            figures.push(Figure {
                name: format!("engine/{workload}/{mode}/1w/rate"),
                runs: measured.collect::<Result<Vec<_>>>()?,
                unit: if workload == "wordcount" && !acked {
                    "words/s"
                } else {
                    "tuples/s"
                },
                note: format!(
                    "{} event-loop threads, {} s a run after 1 s of warm-up",
                    options.cores,
                    span.as_secs()
                ),
            });
        }
    }
    print(&figures, options.json.as_deref())
}

fn once(workload: &str, acked: bool, cores: usize, span: Duration) -> Result<f64> {
    let count = Arc::new(Count::default());
    let cluster = LocalCluster::submit(build(workload, acked, &count)?, cores)?;
    std::thread::sleep(Duration::from_secs(1));
    let (from, started) = (count.0.load(Ordering::Relaxed), Instant::now());
    std::thread::sleep(span);
    let rate = (count.0.load(Ordering::Relaxed) - from) as f64 / started.elapsed().as_secs_f64();
    drop(cluster);
    Ok(rate)
}
