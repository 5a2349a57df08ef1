//! The aggregator on all cores, records in memory: partitions fold, parts are merged by series, rows of whole windows come out.
//!
//! One partition of the log a core, as in the topology; a series is merged by the core that its name names, so most parts
//! cross over. What a row says is summed, so that the other side can be held to it.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use fulmar_aggregation::fold::Fold;
use fulmar_aggregation::groupings::parse;
use fulmar_aggregation::merge::Merge;
use fulmar_aggregation::partition::{Head, Part, Partition, Rules};
use fulmar_proto::wifi::{Estimate, Kind};

use super::records::{CLIENTS, GROUPINGS, MINUTE_MS, START_MS, client, value};

/// A run is at least so long.
const LEAST: Duration = Duration::from_secs(5);
/// Windows of warm-up.
const WARM: i64 = 1;
const WINDOW_MS: i64 = 600_000;
/// Minutes of a window.
const MINUTES: i64 = WINDOW_MS / MINUTE_MS;

/// What the rows of a window say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Rows.
    pub rows: i64,
    /// Of the rows' counts, sums and extremes.
    pub count: i64,
    /// See above.
    pub sum: i64,
    /// See above.
    pub min: i64,
    /// See above.
    pub max: i64,
}

impl Sums {
    fn add(&mut self, f: &Fold) {
        self.rows += 1;
        self.count += f.count;
        self.sum += f.sum;
        self.min += f.min;
        self.max += f.max;
    }
}

/// One run.
pub struct Run {
    /// Records a second.
    pub rate: f64,
    /// Rows of the first window.
    pub first: Sums,
}

/// What a core says to another.
enum Told {
    Part(usize, Part),
    Watermark(usize, i64),
}

fn rules() -> Result<Rules> {
    Ok(Rules {
        resolutions: vec![WINDOW_MS],
        groupings: parse(&GROUPINGS).map_err(|e| anyhow!("{e}"))?,
        lateness_ms: MINUTE_MS,
        gap_ms: MINUTE_MS,
    })
}

/// One core: its partition, and the series that it merges.
struct Core {
    at: usize,
    partition: Partition<()>,
    clients: Vec<Estimate>,
    ids: Vec<i64>,
    minute: i64,
    offset: i64,
    begun: bool,
    batches: i64,
    merge: Merge<()>,
    sums: BTreeMap<i64, Sums>,
}

impl Core {
    fn new(at: usize, cores: usize) -> Self {
        let ids: Vec<i64> = (0..CLIENTS).filter(|c| *c as usize % cores == at).collect();
        Self {
            at,
            partition: Partition::default(),
            clients: ids.iter().map(|c| client(*c, at as i32)).collect(),
            ids,
            minute: 0,
            offset: 0,
            begun: false,
            batches: 0,
            merge: Merge::new(MINUTE_MS, 0),
            sums: BTreeMap::new(),
        }
    }

    /// One minute of records folded as one batch; their source's watermark is so far ahead of them.
    fn fold(&mut self, rules: &Rules, ahead_ms: i64) -> Result<()> {
        let time_ms = START_MS + self.minute * MINUTE_MS;
        let head = Head {
            epoch: 0,
            fresh: !self.begun,
            first: self.batches,
            next: self.batches + 1,
            idle: false,
        };
        self.partition.begin(&head).map_err(anyhow::Error::msg)?;
        (self.begun, self.batches) = (true, self.batches + 1);
        let mut end = None;
        for (e, id) in self.clients.iter_mut().zip(&self.ids) {
            (e.time_ms, e.source_watermark_ms) = (time_ms, time_ms + ahead_ms);
            e.value = value(*id, self.minute);
            e.good_ms = MINUTE_MS;
            if let Some(source) = &mut e.source {
                source.offset = self.offset;
            }
            self.offset += 1;
            end = end.max(self.partition.fold(e, rules));
        }
        self.partition.keep((), end);
        self.minute += 1;
        Ok(())
    }

    /// Tells what has ended to the cores that merge it.
    fn tell(&mut self, rules: &Rules, cores: &[Sender<Told>]) -> Result<()> {
        let at = self.at;
        self.partition.tick(rules, |(), part| {
            let mut hasher = rustc_hash::FxHasher::default();
            part.series.hash(&mut hasher);
            let core = &cores[(hasher.finish() >> 32) as usize % cores.len()];
            core.send(Told::Part(at, part))
        })?;
        let watermark = self.partition.watermark(rules).unwrap_or(i64::MIN);
        for core in cores {
            core.send(Told::Watermark(at, watermark))?;
        }
        Ok(())
    }

    /// Merges what was told, and writes the rows of whole windows.
    fn merge(&mut self, cores: usize, told: &Receiver<Told>) -> Result<()> {
        while let Ok(told) = told.try_recv() {
            self.hear(cores, told);
        }
        let sums = &mut self.sums;
        self.merge.tick(|_, row| {
            sums.entry(row.window.start_ms).or_default().add(&row.fold);
            Ok::<_, anyhow::Error>(())
        })?;
        Ok(())
    }

    fn hear(&mut self, cores: usize, told: Told) {
        match told {
            Told::Part(from, p) => {
                self.merge
                    .arrive(from as i64, &p.series, p.window, p.fold, ());
            }
            Told::Watermark(from, ms) => self.merge.hear(from, cores, ms, false),
        }
    }
}

/// Aggregates for some seconds on all cores.
///
/// # Errors
/// A core fails, or a window came out twice or not at all.
pub fn run() -> Result<Run> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rules = rules()?;
    let (to, from): (Vec<_>, Vec<_>) = (0..cores).map(|_| channel()).unzip();
    let done: Vec<Result<(f64, BTreeMap<i64, Sums>)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = from
            .into_iter()
            .enumerate()
            .map(|(at, told)| {
                let (to, rules) = (to.clone(), &rules);
                scope.spawn(move || core(at, rules, &to, &told))
            })
            .collect();
        let joined = threads.into_iter().map(|t| t.join());
        let ended = joined.map(|t| t.map_err(|_| anyhow!("a core panicked")));
        ended.map(|t| t.and_then(|t| t)).collect()
    });
    let (mut rate, mut first) = (0.0, Sums::default());
    for done in done {
        let (one, sums) = done?;
        rate += one;
        let own = sums
            .get(&START_MS)
            .context("a core merged nothing of the first window")?;
        first.rows += own.rows;
        first.count += own.count;
        first.sum += own.sum;
        first.min += own.min;
        first.max += own.max;
    }
    let records = CLIENTS * MINUTES * GROUPINGS.len() as i64;
    ensure!(
        first.count == records,
        "the first window's rows count {}, its records are {records}",
        first.count
    );
    Ok(Run { rate, first })
}

/// One core's records a second, and what it wrote of each window.
fn core(
    at: usize,
    rules: &Rules,
    to: &[Sender<Told>],
    told: &Receiver<Told>,
) -> Result<(f64, BTreeMap<i64, Sums>)> {
    let mut core = Core::new(at, to.len());
    let mut began = None;
    loop {
        for _ in 0..MINUTES {
            core.fold(rules, 0)?;
            core.tell(rules, to)?;
            core.merge(to.len(), told)?;
        }
        match began {
            None if core.minute >= WARM * MINUTES => began = Some((Instant::now(), core.minute)),
            Some((at, minute)) if at.elapsed() >= LEAST => {
                let records = (core.minute - minute) * core.clients.len() as i64;
                let rate = records as f64 / at.elapsed().as_secs_f64();
                // What the others tell still: the first window must be whole.
                while let Ok(told) = told.recv_timeout(Duration::from_secs(2)) {
                    core.hear(to.len(), told);
                    if core.sums.contains_key(&START_MS) {
                        break;
                    }
                }
                core.merge(to.len(), told)?;
                return Ok((rate, core.sums));
            }
            _ => {}
        }
    }
}

/// Windows whose memory is looked at.
const HELD: usize = 8;

/// Bytes that a window which is not final holds for each of its series, in partition and merge, and what was counted.
///
/// # Errors
/// The process's memory is not known.
pub fn bytes_per_series() -> Result<(f64, String)> {
    let rules = rules()?;
    let (to, told) = channel();
    let template = Core::new(0, 1);
    let (mut clients, mut ids) = (template.clients, template.ids);
    let before = resident()?;
    let mut all = Vec::with_capacity(HELD);
    let mut series = 0_i64;
    for _ in 0..HELD {
        let mut one = Core {
            clients,
            ids,
            ..Core::new(0, usize::MAX)
        };
        for _ in 0..MINUTES {
            // Every record of telemetry has an estimate of each kind.
            for kind in [Kind::Throughput, Kind::Capacity, Kind::Coverage] {
                one.clients.iter_mut().for_each(|e| e.kind = kind.into());
                one.fold(&rules, MINUTE_MS)?;
                one.minute -= 1;
                one.offset -= one.clients.len() as i64;
            }
            one.minute += 1;
            one.offset += one.clients.len() as i64;
        }
        one.tell(&rules, std::slice::from_ref(&to))?;
        one.merge(1, &told)?;
        series += one.sums.get(&START_MS).map_or(0, |s| s.rows);
        (clients, ids) = (
            std::mem::take(&mut one.clients),
            std::mem::take(&mut one.ids),
        );
        all.push(one);
    }
    let held = resident()?.saturating_sub(before);
    ensure!(series > 0 && all.len() == HELD, "no window ended");
    let note = format!(
        "{series} series of ten-minute windows in partition and merge, no sketches; resident memory"
    );
    Ok((held as f64 / series as f64, note))
}

/// Resident memory in bytes.
fn resident() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").context("/proc/self/statm")?;
    let pages = text.split(' ').nth(1).and_then(|p| p.parse::<u64>().ok());
    Ok(pages.context("/proc/self/statm holds no resident pages")? * 4_096)
}
