//! `engine`: what a worker does on this machine, workload by workload, beside the machine's limits. On a cluster, beside the peers,
//! as [`crate::versus`] does it; or inside this process (`--in-process`), which this file does.
//!
//! The rule of counting is the same for all: executes in the last bolt (un-acked) or acks in the spout
//! (acked), in the topology's own code, each counter on a cache line of its own. Names are those of
//! docs/engine.md.

mod latency;
mod limits;
mod pair;
mod usage;

use std::any::Any;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fulmar::prelude::*;

use fulmar_bench::workloads::{self, Shape, WORKLOADS};
use fulmar_bench_counting::counts::Counts;
use fulmar_bench_counting::text;

use crate::report::{Figure, print};
use crate::versus::{self, Twins};
use usage::Usage;

/// How to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Within 45 minutes: shorter and fewer windows, the peers by their kept settings instead of a sweep.
    #[arg(long)]
    pub quick: bool,
    /// Write one JSON object a line to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Event-loop threads; components have as many executors.
    #[arg(long, default_value_t = 2)]
    cores: usize,
    /// Only figures whose name contains this, for example `null` or `limit`.
    #[arg(long, default_value = "")]
    pub only: String,
    /// Ours alone, inside this process instead of on a cluster: for the engine's own engineers.
    #[arg(long, conflicts_with_all = ["vs_storm", "vs_flink", "vs_timely"])]
    in_process: bool,
    /// Whom to compare with.
    #[command(flatten)]
    pub twins: Twins,
}

/// Measures everything that is asked for.
///
/// # Errors
/// A topology cannot be built or the file cannot be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if !options.in_process {
        return versus::run(options);
    }
    let (runs, span) = if options.quick {
        (2, Duration::from_secs(2))
    } else {
        (5, Duration::from_secs(5))
    };
    let mut figures = Vec::new();
    if "limit".contains(&options.only) {
        figures.extend(limits::measure(runs, span / 4)?);
    }
    let lines = text::lines();
    for (workload, acked, workers) in matrix() {
        let mode = if acked { "acked" } else { "unacked" };
        let name = format!("engine/{workload}/{mode}/{workers}w");
        if !name.contains(&options.only) {
            continue;
        }
        // Two workers have one core each, and as many tasks.
        let cores = if workers == 2 { 1 } else { options.cores };
        let shape = Shape {
            workload: workload.to_owned(),
            acked,
            spouts: cores as u32,
            bolts: cores as u32,
            verify: false,
        };
        let topology = |counts: &Counts| workloads::builder(&shape, counts, &lines).build();
        let measured = (0..runs).map(|_| once(&topology, cores, workers, span));
        let measured = measured.collect::<anyhow::Result<Vec<_>>>()?;
        let words = workload == "wordcount";
        figures.extend(three(&name, &measured, words, cores * workers, span));
    }
    if "engine/latency".contains(&options.only) {
        figures.extend(latency::measure(runs, span, options.cores)?);
    }
    if "engine/idle/cpu".contains(&options.only) {
        figures.push(idle(runs, span, options.cores)?);
    }
    print(&figures, options.json.as_deref())
}

pub use limits::measure as limits;

/// Workload, acked or not, workers. Between workers the end of each workload is what travels.
fn matrix() -> impl Iterator<Item = (&'static str, bool, usize)> {
    let far = ["null", "fresh16", "fresh100", "wordcount"];
    let one = WORKLOADS.into_iter().map(|w| (w, 1));
    let all = one.chain(far.into_iter().map(|w| (w, 2)));
    all.flat_map(|(w, workers)| [false, true].map(|acked| (w, acked, workers)))
}

/// Share of a core that 1,000 idle executors take.
///
/// # Errors
/// The topology cannot be started.
pub fn idle(runs: usize, span: Duration, cores: usize) -> anyhow::Result<Figure> {
    let mut shares = Vec::new();
    for _ in 0..runs {
        let cluster = LocalCluster::submit(workloads::idle()?, cores)?;
        std::thread::sleep(Duration::from_secs(1));
        let (before, started) = (Usage::now(), Instant::now());
        std::thread::sleep(span);
        let took = Usage::now().cpu - before.cpu;
        shares.push(took.as_secs_f64() / started.elapsed().as_secs_f64());
        drop(cluster);
    }
    Ok(Figure {
        name: "engine/idle/cpu".to_owned(),
        runs: shares,
        unit: "cores",
        against: None,
        note: "1,000 idle executors: 10 spouts, 990 bolts".to_owned(),
    })
}

/// Rate, CPU and memory of the runs of one workload.
fn three(name: &str, runs: &[Run], words: bool, cores: usize, span: Duration) -> [Figure; 3] {
    let figure = |what: &str, unit, value: fn(&Run) -> f64| Figure {
        name: format!("{name}/{what}"),
        runs: runs.iter().map(value).collect(),
        unit,
        against: None,
        note: format!(
            "{cores} event-loop threads, {} s a run after 1 s of warm-up",
            span.as_secs()
        ),
    };
    let unit = if words { "words/s" } else { "tuples/s" };
    [
        figure("rate", unit, |r| r.rate),
        figure("cpu", "CPU s/1M", |r| r.cpu),
        figure("rss", "MiB", |r| r.rss),
    ]
}

struct Run {
    rate: f64,
    /// CPU seconds per million counts.
    cpu: f64,
    rss: f64,
}

fn once(
    topology: &dyn Fn(&Counts) -> Result<Topology>,
    cores: usize,
    workers: usize,
    span: Duration,
) -> anyhow::Result<Run> {
    let counts = Counts::default();
    let topology = topology(&counts)?;
    // Dropping it ends it.
    let running: Box<dyn Any> = match workers {
        1 => Box::new(LocalCluster::submit(topology, cores)?),
        _ => Box::new(pair::Pair::submit(topology)?),
    };
    std::thread::sleep(Duration::from_secs(1));
    let (from, before, started) = (counts.sum(), Usage::now(), Instant::now());
    std::thread::sleep(span);
    let (count, after) = ((counts.sum() - from) as f64, Usage::now());
    let rate = count / started.elapsed().as_secs_f64();
    drop(running);
    Ok(Run {
        rate,
        cpu: (after.cpu - before.cpu).as_secs_f64() / (count / 1e6).max(1e-9),
        rss: after.rss_mib,
    })
}
