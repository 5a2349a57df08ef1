//! Ours beside Storm, Flink and timely, in one run: the same graphs, the same counting in user code, worker processes of a real
//! cluster on our side as on Storm's.

mod group;
mod job;
mod latency;
mod ours;
mod peers;
mod plan;
mod ports;
mod process;
mod readings;
mod recovery;
mod rounds;
mod settings;
mod storm;
mod sweep;
mod throughput;
mod verify;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::engine::{self, Options};
use crate::report::{Figure, Report};
use job::{Job, Side};
use ours::Ours;
use process::{Peer, Process};
use rounds::Pace;
use settings::{Setting, Settings};
use storm::Storm;

/// `--quick` ends within 45 minutes: this much for what is compared with Storm's less important variants too.
const QUICK: Duration = Duration::from_secs(38 * 60);

/// Where the peers' twins are, as xtask built them.
#[derive(clap::Args, Clone, Debug)]
pub struct Twins {
    /// Compare with Apache Storm.
    #[arg(long)]
    pub vs_storm: bool,
    /// Compare with Apache Flink.
    #[arg(long)]
    pub vs_flink: bool,
    /// Compare with timely.
    #[arg(long)]
    pub vs_timely: bool,
    /// Folder of Storm's twin; xtask builds it and says where.
    #[arg(long, hide = true)]
    storm_twin: Option<PathBuf>,
    /// Folder of Flink's twin.
    #[arg(long, hide = true)]
    flink_twin: Option<PathBuf>,
    /// Program of timely's twin.
    #[arg(long, hide = true)]
    timely_twin: Option<PathBuf>,
}

/// Everything that a comparison needs.
struct Bench<'a> {
    options: &'a Options,
    dir: PathBuf,
    text: PathBuf,
    pace: Pace,
    settings: Settings,
    until: Option<Instant>,
    ours: Ours,
    storm: Option<Storm>,
    report: Report,
}

/// Measures everything that is asked for, each figure written as soon as it is known.
///
/// # Errors
/// A peer's twin is not built, a side does not start, or a baseline was refused.
pub fn run(options: &Options) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("fulmar-bench-").tempdir()?;
    let dir = folder.path().to_owned();
    let text = dir.join("text.txt");
    std::fs::write(
        &text,
        fulmar_bench_counting::text::lines().join("\n") + "\n",
    )?;
    let twins = &options.twins;
    let storm = match (twins.vs_storm, &twins.storm_twin) {
        (true, twin) => Some(Storm::start(built(twin, "Storm")?, &dir)?),
        _ => None,
    };
    let mut bench = Bench {
        pace: Pace {
            span: Duration::from_secs(if options.quick { 3 } else { 10 }),
            windows: if options.quick { 2 } else { 3 },
        },
        settings: Settings::read(&Settings::place())?,
        until: options.quick.then(|| Instant::now() + QUICK),
        ours: Ours::start(&dir)?,
        storm,
        report: Report::new(options.json.as_deref())?,
        options,
        dir,
        text,
    };
    bench.all()?;
    bench.report.finish()
}

fn built<'a>(twin: &'a Option<PathBuf>, peer: &str) -> Result<&'a Path> {
    twin.as_deref().ok_or_else(|| {
        anyhow::anyhow!(
            "{peer}'s twin is not built; remedy: run cargo xtask bench engine --vs-{}, which builds it",
            peer.to_lowercase()
        )
    })
}

impl Bench<'_> {
    fn all(&mut self) -> Result<()> {
        let (limits, span) = if self.options.quick {
            (2, Duration::from_millis(500))
        } else {
            (5, Duration::from_secs(2))
        };
        if "limit".contains(&self.options.only) {
            for figure in engine::limits(limits, span)? {
                self.report.add(figure);
            }
        }
        verify::counts(self)?;
        throughput::measure(self)?;
        peers::measure(self)?;
        latency::measure(self)?;
        recovery::measure(self)?;
        if self.wanted("engine/idle/cpu") {
            self.report.add(engine::idle(
                self.pace.windows.max(2),
                Duration::from_secs(2),
                2,
            )?);
        }
        Ok(())
    }

    /// Whether a figure of this name is asked for.
    fn wanted(&self, name: &str) -> bool {
        name.contains(&self.options.only)
    }

    /// Whether time is left for so much.
    fn has(&self, needed: Duration) -> bool {
        self.until.is_none_or(|end| Instant::now() + needed < end)
    }

    /// A job of a workload with this setting.
    fn job(&self, workload: &str, acked: bool, workers: usize, setting: Setting) -> Job {
        Job {
            workload: workload.to_owned(),
            acked,
            workers,
            rate: None,
            verify: false,
            setting,
            dir: self.dir.clone(),
            text: self.text.clone(),
        }
    }

    /// How ours runs: as many executors as the worker has cores.
    fn own_setting(&self, workers: usize) -> Setting {
        let cores = std::thread::available_parallelism().map_or(2, usize::from) / workers;
        Setting {
            spouts: cores.max(1) as u32,
            bolts: cores.max(1) as u32,
            ..Setting::default()
        }
    }

    /// Flink or timely, if it is asked for.
    fn process(&self, peer: &str) -> Result<Option<Process>> {
        let twins = &self.options.twins;
        let peer = match peer {
            "flink" if twins.vs_flink => Peer::Flink(built(&twins.flink_twin, "Flink")?.to_owned()),
            "timely" if twins.vs_timely => {
                Peer::Timely(built(&twins.timely_twin, "timely")?.to_owned())
            }
            _ => return Ok(None),
        };
        Ok(Some(Process::new(peer, &self.dir)))
    }

    fn add(&mut self, figure: Figure) {
        self.report.add(figure);
    }
}

/// What stands in a figure's note: both sides' names, how they were set and warmed up.
fn note(theirs: &dyn Side, setting: &Setting) -> String {
    let conf = serde_json::Value::Object(setting.conf.clone());
    format!(
        "peer: {}, {} spouts, {} bolts, {conf}, {} s of warm-up; A-B-B-A",
        theirs.name(),
        setting.spouts,
        setting.bolts,
        theirs.warm_up().as_secs()
    )
}
