//! Losses on a running cluster of real processes: with a notice, without one, and half of forty nodes at once.
//!
//! The topology is the `partitions` example: a partition's position is committed in a file and every arrival is
//! written down, so lost, failed and the largest pause are counted, not estimated. Each node is a supervisor process;
//! a node that goes is killed with its workers. Runs the programs beside this one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::report::Figure;
use crate::start::{beside, free, until};

/// Records a second in each partition: the least pause that can be seen is 20 ms.
const RATE: u64 = 50;
/// Steady running before anything happens.
const STEADY: Duration = Duration::from_secs(4);
/// A record that arrives within this time of being due is on time.
const ON_TIME_US: u64 = 500_000;

/// How a run is set up.
struct Set {
    nodes: usize,
    workers: usize,
    partitions: u64,
    /// Seconds for which records come.
    secs: u64,
}

/// What a run found.
#[derive(Default)]
struct Found {
    replaced_ms: f64,
    drained_ms: f64,
    recovered_ms: f64,
    failed: f64,
    lost: f64,
    dip_ms: f64,
}

/// All figures.
///
/// # Errors
/// A program is missing, the cluster does not come up, or nodes do not drain.
pub fn run(quick: bool) -> Result<Vec<Figure>> {
    let runs = if quick { 1 } else { 3 };
    let few = Set {
        nodes: 5,
        workers: 4,
        partitions: 8,
        secs: 40,
    };
    let many = Set {
        nodes: 40,
        workers: 20,
        partitions: 20,
        secs: 90,
    };
    let mut noticed = Vec::new();
    let mut vanished = Vec::new();
    for _ in 0..runs {
        noticed.push(one(&few, 1, true)?);
        vanished.push(one(&few, 1, false)?);
    }
    let mass = [one(&many, 20, true)?];
    Ok(figures(&noticed, &vanished, &mass))
}

/// What is measured on which runs.
type Row<'a> = (
    &'a str,
    &'a [Found],
    fn(&Found) -> f64,
    &'static str,
    &'a str,
);

const NOTICE: &str =
    "5 supervisor processes, 4 workers, 8 partitions, no state; from the notice's file on";
const PLAIN: &str =
    "kill -9 of a supervisor and its workers; until every partition is on time again";
const HALF: &str =
    "40 supervisor processes, 20 workers, 20 nodes noticed at one instant and gone when drained";

/// What the runs with a notice, without one, and of half the nodes say.
fn figures(noticed: &[Found], vanished: &[Found], mass: &[Found]) -> Vec<Figure> {
    let build = if cfg!(debug_assertions) {
        "debug build; "
    } else {
        ""
    };
    let rows: [Row<'_>; 9] = [
        (
            "notice/replaced_ms",
            noticed,
            |f| f.replaced_ms,
            "ms",
            NOTICE,
        ),
        ("notice/drained_ms", noticed, |f| f.drained_ms, "ms", NOTICE),
        (
            "notice/failed",
            noticed,
            |f| f.failed,
            "tuples",
            "failed at their spout and emitted again",
        ),
        (
            "notice/lost",
            noticed,
            |f| f.lost,
            "tuples",
            "never arrived",
        ),
        (
            "notice/dip_ms",
            noticed,
            |f| f.dip_ms,
            "ms",
            "largest pause of a partition, 20 ms between its records",
        ),
        (
            "no_notice/recovered_ms",
            vanished,
            |f| f.recovered_ms,
            "ms",
            PLAIN,
        ),
        (
            "no_notice/lost",
            vanished,
            |f| f.lost,
            "tuples",
            "never arrived",
        ),
        ("mass20of40/lost", mass, |f| f.lost, "tuples", HALF),
        ("mass20of40/drained_ms", mass, |f| f.drained_ms, "ms", HALF),
    ];
    let figure = |(name, of, value, unit, note): Row<'_>| Figure {
        name: format!("spot/{name}"),
        runs: of.iter().map(value).collect(),
        unit,
        note: format!("{build}{note}"),
        against: None,
    };
    rows.into_iter().map(figure).collect()
}

/// One run: so many of the nodes that hold work go, with a notice or without.
fn one(set: &Set, go: usize, notice: bool) -> Result<Found> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start(dir.path(), set.nodes)?;
    let start_ms = now_us() / 1_000 + 2_000;
    cluster.submit(set, start_ms)?;
    let due = |number: u64| start_ms * 1_000 + number * 1_000_000 / RATE;
    until("all partitions on time", || {
        let seen = arrivals(&cluster.records());
        let late = now_us().saturating_sub(ON_TIME_US);
        seen.len() as u64 == set.partitions
            && seen
                .values()
                .all(|p| p.last_key_value().is_some_and(|(n, _)| due(*n) > late))
    })?;
    std::thread::sleep(STEADY);
    let at_us = now_us();
    let gone = cluster.holders(go)?;
    let mut found = Found::default();
    if notice {
        for node in &gone {
            std::fs::write(
                &cluster.nodes[*node].notice,
                r#"{"kind":"sentence","in_secs":60}"#,
            )?;
        }
        cluster.drained(at_us / 1_000, gone.len(), &mut found)?;
    }
    for node in &gone {
        cluster.kill(*node)?;
    }
    let limit = set.secs * RATE;
    let whole = |seen: &Seen| {
        let complete = |p: &BTreeMap<u64, u64>| p.len() as u64 == limit;
        seen.len() as u64 == set.partitions && seen.values().all(complete)
    };
    let end = Instant::now() + Duration::from_secs(set.secs + 60);
    let mut seen = arrivals(&cluster.records());
    while !whole(&seen) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(250));
        seen = arrivals(&cluster.records());
    }
    let all = limit * set.partitions;
    found.lost = (all - seen.values().map(|p| p.len() as u64).sum::<u64>()) as f64;
    found.failed = cluster.failed(at_us) as f64;
    for p in seen.values() {
        found.dip_ms = found.dip_ms.max(pause(p, at_us) as f64 / 1e3);
        let on_time = p
            .iter()
            .filter(|(n, at)| due(**n) >= at_us && **at <= due(**n) + ON_TIME_US);
        let back = on_time.map(|(_, at)| *at).min().unwrap_or(u64::MAX);
        found.recovered_ms = found
            .recovered_ms
            .max(back.saturating_sub(at_us) as f64 / 1e3);
    }
    Ok(found)
}

/// First arrivals, by partition and number, in microseconds since the epoch.
type Seen = BTreeMap<u64, BTreeMap<u64, u64>>;

fn arrivals(dir: &Path) -> Seen {
    let mut seen = Seen::new();
    for text in texts(dir, "arrived-") {
        for line in text.lines() {
            let mut parts = line.split(' ').map_while(|p| p.parse::<u64>().ok());
            // The last line may be half written.
            let (Some(p), Some(n), Some(at)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let first = seen.entry(p).or_default().entry(n).or_insert(at);
            *first = at.min(*first);
        }
    }
    seen
}

fn texts(dir: &Path, prefix: &str) -> Vec<String> {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let ours = files.filter(|f| f.file_name().to_string_lossy().starts_with(prefix));
    ours.filter_map(|f| std::fs::read_to_string(f.path()).ok())
        .collect()
}

/// The largest time from `from_us` on in which nothing new of a partition arrived.
fn pause(p: &BTreeMap<u64, u64>, from_us: u64) -> u64 {
    let mut times: Vec<u64> = p.values().copied().filter(|at| *at >= from_us).collect();
    times.sort_unstable();
    times
        .windows(2)
        .map(|w| w[1] - w[0])
        .max()
        .unwrap_or(u64::MAX / 2)
}

fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |t| t.as_micros() as u64)
}

struct Node {
    child: Child,
    dir: PathBuf,
    notice: PathBuf,
}

/// Nimbus and supervisors, each a process.
struct Cluster {
    dir: PathBuf,
    nimbus: Child,
    port: u16,
    nodes: Vec<Node>,
}

impl Cluster {
    fn start(dir: &Path, nodes: usize) -> Result<Self> {
        let port = free()?;
        let words = [
            format!("--port={port}"),
            format!("--dir={}", dir.join("nimbus").display()),
        ];
        let nimbus = daemon(dir, "nimbus", "nimbus", &words)?;
        let mut cluster = Self {
            dir: dir.to_owned(),
            nimbus,
            port,
            nodes: Vec::new(),
        };
        // A worker's HTTP is 1000 above its slot; each process of this kind has a thousand of its own.
        let first = 22_000 + 2_000 * (std::process::id() % 4) as usize;
        for n in 0..nodes {
            let (own, notice) = (
                dir.join(format!("node-{n}")),
                dir.join(format!("notice-{n}.json")),
            );
            let words = [
                format!("--nimbus=127.0.0.1:{port}"),
                format!("--port={}", free()?),
                format!("--slots={}", first + n),
                format!("--dir={}", own.display()),
                format!("--notice-file={}", notice.display()),
                format!("--pool=pool-{}/zone", n % 8),
            ];
            let child = daemon(dir, &format!("supervisor-{n}"), "supervisor", &words)?;
            cluster.nodes.push(Node {
                child,
                dir: own,
                notice,
            });
        }
        std::fs::create_dir_all(cluster.records())?;
        until("all supervisors", || {
            cluster
                .json(&["events", "--limit", "10000"])
                .is_ok_and(|e| count(&e, "supervisor", 0) >= nodes)
        })?;
        Ok(cluster)
    }

    /// Where the topology writes.
    fn records(&self) -> PathBuf {
        self.dir.join("records")
    }

    fn json(&self, words: &[&str]) -> Result<Value> {
        let out = Command::new(beside("fulmar")?)
            .args(words)
            .args([
                &format!("--nimbus=127.0.0.1:{}", self.port),
                "--output=json",
            ])
            .env("RUST_LOG", "error")
            .output()?;
        if !out.status.success() {
            bail!(
                "fulmar {}: {}",
                words.join(" "),
                String::from_utf8_lossy(&out.stderr)
            );
        }
        serde_json::from_slice(&out.stdout).context("the verb's answer")
    }

    fn submit(&self, set: &Set, start_ms: u64) -> Result<()> {
        let program = beside("partitions")?.display().to_string();
        let conf = [
            format!("partitions.dir={}", self.records().display()),
            format!("partitions.start.ms={start_ms}"),
            format!("partitions.rate={RATE}"),
            format!("partitions.limit={}", set.secs * RATE),
            format!("partitions.count={}", set.partitions),
            format!("partitions.bolts={}", set.partitions),
            format!("topology.workers={}", set.workers),
            "topology.worker.cores=1".to_owned(),
        ];
        let mut words = vec!["submit", &program, "--wait", "60s"];
        conf.iter().for_each(|c| words.extend(["-c", c]));
        self.json(&words).map(drop)
    }

    /// Worker processes of a node.
    fn workers(&self, node: usize) -> Vec<i32> {
        let own = &self.nodes[node].dir;
        let here = |pid: &i32| {
            let env = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let env = String::from_utf8_lossy(&env).into_owned();
            let file = env
                .split('\0')
                .find_map(|v| v.strip_prefix("FULMAR_WORKER="));
            file.is_some_and(|f| Path::new(f).starts_with(own))
        };
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|e| e.file_name().to_str()?.parse().ok());
        pids.filter(here).collect()
    }

    /// The first nodes that hold work.
    fn holders(&self, n: usize) -> Result<Vec<usize>> {
        let holds = (0..self.nodes.len()).filter(|i| !self.workers(*i).is_empty());
        let found: Vec<usize> = holds.take(n).collect();
        ensure!(
            found.len() == n,
            "only {} nodes hold work; {n} are wanted",
            found.len()
        );
        Ok(found)
    }

    /// Waits until so many nodes have drained since this time.
    fn drained(&self, since_ms: u64, nodes: usize, found: &mut Found) -> Result<()> {
        let events = || {
            self.json(&["events", "--limit", "10000"])
                .unwrap_or_default()
        };
        until("all noticed nodes to drain", || {
            count(&events(), "drained", since_ms) >= nodes
        })?;
        let events = events();
        let last = |kind| {
            let of_kind = times(&events, kind).filter(|t| *t >= since_ms);
            of_kind.max().unwrap_or(since_ms).saturating_sub(since_ms) as f64
        };
        (found.replaced_ms, found.drained_ms) = (last("switched"), last("drained"));
        Ok(())
    }

    /// kill -9 of a supervisor and its workers.
    fn kill(&mut self, node: usize) -> Result<()> {
        let workers = self.workers(node);
        self.nodes[node].child.kill()?;
        self.nodes[node].child.wait()?;
        for pid in workers {
            // One that has ended meanwhile needs no signal.
            let _ = Command::new("kill")
                .args(["-9", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
        Ok(())
    }

    /// Failures that spouts were told since this time.
    fn failed(&self, since_us: u64) -> usize {
        let texts = texts(&self.records(), "failed-");
        let after = |line: &str| {
            let at = line.split(' ').nth(1).and_then(|at| at.parse().ok());
            at.is_some_and(|at: u64| at >= since_us)
        };
        texts
            .iter()
            .flat_map(|t| t.lines())
            .filter(|l| after(l))
            .count()
    }
}

fn times<'a>(events: &'a Value, kind: &'a str) -> impl Iterator<Item = u64> + 'a {
    let all = events["events"].as_array().into_iter().flatten();
    all.filter(move |e| e["kind"] == kind)
        .filter_map(|e| e["time_ms"].as_u64())
}

fn count(events: &Value, kind: &str, since_ms: u64) -> usize {
    times(events, kind).filter(|t| *t >= since_ms).count()
}

fn daemon(dir: &Path, name: &str, verb: &str, words: &[String]) -> Result<Child> {
    let log = std::fs::File::create(dir.join(format!("{name}.log")))?;
    let child = Command::new(beside("fulmar")?)
        .arg(verb)
        .args(words)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(child)
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Supervisors first, else they would start the workers again.
        for node in 0..self.nodes.len() {
            let _ = self.kill(node);
        }
        let _ = self.nimbus.kill();
        let _ = self.nimbus.wait();
    }
}
