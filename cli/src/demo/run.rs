//! The demo from its first process to its report.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fulmar_wifi::world::Records;
use serde_json::json;

use super::check;
use super::children::Children;
use super::cluster::{self, Cluster};
use super::dump::Dump;
use super::gauge::{Ends, Gauge, Lag};
use super::history;
use super::memory::{self, Workers};
use super::recount::{KINDS, WINDOW_MS};
use super::report::Report;
use super::source::{self, Sent, Source};
use super::watch::Watch;
use super::world::Scene;
use crate::failure::Failure;

/// Event time runs so many times faster than the clock.
pub const SPEED: i64 = 60;
/// Partitions of every topic.
const PARTITIONS: i32 = 64;
/// How long after the last record everything may take to be there.
const SETTLE: Duration = Duration::from_secs(180);
/// When nothing has come for so long, nothing will: longer than any restart or replay takes.
const STILL: Duration = Duration::from_secs(40);
/// How long the baselines may take to read their past.
const PAST: Duration = Duration::from_secs(120);
/// The past counts as read when its commits are less behind than this, in percent of what the broker keeps.
const READ: i64 = 10;
/// How often processes, commits and memory are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Windows that a run of a minute or more must close.
const WINDOWS: u64 = 4;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long telemetry is sent.
    pub run_for: Duration,
    /// Records a second.
    pub rate: u64,
    /// Of the simulated world, or of the jitter of a recorded one.
    pub seed: u64,
    /// Folder of recorded telemetry to replay.
    pub data: Option<PathBuf>,
    /// No progress line that rewrites itself.
    pub headless: bool,
    /// Leave everything running at the end.
    pub keep: bool,
    /// Folder for others to recount from.
    pub dump: Option<PathBuf>,
    /// Brokers and store to use instead of the embedded ones.
    pub kafka: Option<String>,
    /// The store.
    pub store: Option<String>,
    /// A fault put in, to see that the check finds it.
    pub sabotage: Option<String>,
}

/// The clock, in ms since the epoch.
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |d| d.as_millis() as i64)
}

/// Runs it; the report says whether all was well.
///
/// # Errors
/// Something could not be started, or the store could not be read.
pub fn run(plan: &Plan, stop: &Arc<AtomicBool>) -> Result<Report, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("fulmar-demo-")
        .tempdir()
        .map_err(Failure::here)?;
    let dir = folder.path().to_owned();
    let report = within(plan, &dir, stop);
    // What runs on runs in it, and what failed left its logs there.
    if plan.keep || !report.as_ref().is_ok_and(|r| r.ok) {
        println!("logs are kept in {}/logs", folder.keep().display());
    }
    report
}

/// The run in its folder.
fn within(plan: &Plan, dir: &Path, stop: &Arc<AtomicBool>) -> Result<Report, Failure> {
    // Before anything is started: a folder that cannot be read is told at once.
    let scene = Scene::of(plan)?;
    let dump = Arc::new(Dump::to(plan.dump.clone())?);
    let children = Arc::new(Children::new(&dir.join("logs"), dump.clone(), plan.keep)?);
    let started = Instant::now();
    let cluster = start(plan, dir, &children)?;
    submit(&cluster, plan, scene.start_ms)?;
    let watch = Watch::start(&cluster.kafka, PARTITIONS, dump.clone())?;
    let span = plan.run_for.as_millis() as i64 * SPEED;
    let before = scene.incident.from_ms - span * 30 / 100;
    let world = scene.world.as_ref();
    let rows = history::publish(&cluster.kafka, PARTITIONS, world, before)?;
    let demo = Demo {
        plan,
        dir,
        children: &children,
        cluster: &cluster,
        watch: &watch,
        dump: &dump,
        workers: Workers::default(),
        sent: Arc::new(Sent::new(PARTITIONS)),
        stop,
    };
    let mut report = Report {
        seed: plan.seed,
        kafka: cluster.kafka.clone(),
        cassandra: cluster.store.clone(),
        page: cluster.page.clone(),
        incident: scene.incident.clone(),
        ..Report::default()
    };
    demo.past(&mut report)?;
    let took = started.elapsed().as_secs_f64();
    // What cannot go on is told at once: nothing more would come.
    if report.reasons.is_empty() {
        println!("ready     after {took:.1} s; {rows} rows of history");
        if demo.drive(scene.records(), &mut report)? {
            demo.judge(&scene, &mut report)?;
        } else {
            demo.count(&mut report);
        }
    }
    report.restarts = children.restarts();
    report.reasons.extend(dump.finish());
    report.ok = report.reasons.is_empty();
    drop(watch);
    if plan.keep {
        let dir = dir.display();
        println!("everything is kept running; end it with: pkill -f {dir}");
        // What is not dropped is not stopped.
        std::mem::forget(children);
    }
    Ok(report)
}

/// Starts everything and says where it is.
fn start(plan: &Plan, dir: &Path, children: &Children) -> Result<Cluster, Failure> {
    let (kafka, store) = (plan.kafka.as_deref(), plan.store.as_deref());
    let cluster = cluster::start(children, dir, kafka, store, PARTITIONS)?;
    for (what, address) in [
        ("page", &cluster.page),
        ("nimbus", &cluster.nimbus),
        ("kafka", &cluster.kafka),
        ("store", &cluster.store),
    ] {
        println!("{what:<9} {address}");
    }
    println!("logs      {}/logs", dir.display());
    Ok(cluster)
}

fn submit(cluster: &Cluster, plan: &Plan, start_ms: i64) -> Result<(), Failure> {
    let mut conf = vec![
        format!("kafka.bootstrap.servers={}", cluster.kafka),
        format!("wifi.store={}", cluster.store),
        // A quarter of an hour of event time is fifteen seconds here: more than a failover takes.
        "aggregation.gap.ms=900000".to_owned(),
        "aggregation.idle.ms=15000".to_owned(),
        // Nine hours of history do not tell what belongs to the hour of the day: what a morning moves widens the usual.
        "anomaly.threshold=4.0".to_owned(),
        // What lies in the future is judged by the time that the run has reached.
        format!("demo.clock.event.ms={start_ms}"),
        format!("demo.clock.wall.ms={}", now_ms()),
        format!("demo.clock.speed={SPEED}"),
    ];
    conf.extend(plan.sabotage.iter().map(|s| format!("demo.sabotage={s}")));
    for name in crate::verbs::topology::SHIPPED {
        cluster.submit(name, &conf)?;
    }
    Ok(())
}

struct Demo<'a> {
    plan: &'a Plan,
    dir: &'a Path,
    children: &'a Arc<Children>,
    cluster: &'a Cluster,
    watch: &'a Watch,
    dump: &'a Dump,
    workers: Workers,
    sent: Arc<Sent>,
    stop: &'a Arc<AtomicBool>,
}

impl Demo<'_> {
    /// Waits until the baselines have read their past, so that it costs the run nothing.
    fn past(&self, report: &mut Report) -> Result<(), Failure> {
        let gauge = Gauge::new(&self.cluster.kafka, PARTITIONS)?;
        let end = Instant::now() + PAST;
        loop {
            if let Some(why) = self.children.tend() {
                report.reasons.push(why);
                return Ok(());
            }
            let lag = gauge.look(&self.sent, || Ends::from(&self.watch.seen()));
            if lag.percent < READ || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Failure::Failed(format!(
                    "the topology anomaly did not read its history within {PAST:?}: commits are {} % behind on {}; look at the workers' logs",
                    lag.percent, lag.topic
                )));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Sends telemetry for the time asked for, gives the warning at half time, and looks after everything meanwhile.
    /// Answers whether it can go on to be judged.
    fn drive(&self, world: Records, report: &mut Report) -> Result<bool, Failure> {
        let source = Source {
            servers: self.cluster.kafka.clone(),
            rate: self.plan.rate,
            run_for: self.plan.run_for,
        };
        let gauge = Gauge::new(&self.cluster.kafka, PARTITIONS)?;
        let (sent, begun) = (self.sent.clone(), Instant::now());
        let thread = std::thread::Builder::new()
            .name("fulmar-demo-source".to_owned())
            .spawn(move || source::run(&source, world, &sent))
            .map_err(Failure::here)?;
        let mut lag = Lag::default();
        while !thread.is_finished() {
            if self.stop.load(Ordering::Relaxed) {
                report.reasons.push("it was asked to end early".to_owned());
                self.sent.stop.store(true, Ordering::Relaxed);
            }
            if !self.look(report, &gauge, &mut lag) {
                // Its source would wait for confirmations that never come; it ends with this process.
                return Ok(false);
            }
            self.watch.seen().measure = begun.elapsed() > Duration::from_secs(5);
            if report.notice_at.is_none() && begun.elapsed() >= self.plan.run_for / 2 {
                self.warn(report)?;
            }
            self.progress(begun.elapsed(), &lag, &gauge);
            std::thread::sleep(LOOK);
        }
        self.watch.seen().measure = false;
        let took = thread
            .join()
            .map_err(|_| Failure::Failed("the source panicked".to_owned()))??;
        report.seconds = took.as_secs_f64();
        report.records_in = self.sent.confirmed.load(Ordering::Relaxed);
        report.records_per_s = report.records_in as f64 / report.seconds;
        report.held_s = self.sent.held_ms.load(Ordering::Relaxed) as f64 / 1e3;
        let failed = self.sent.failed.load(Ordering::Relaxed);
        if failed > 0 {
            report.reasons.push(format!(
                "{failed} telemetry records were not confirmed by the broker"
            ));
        }
        Ok(true)
    }

    /// The termination warning: two minutes from now, as EC2 gives it.
    fn warn(&self, report: &mut Report) -> Result<(), Failure> {
        let now = now_ms();
        let notice = json!({"kind": "sentence", "deadline_ms": now + 120_000});
        // Renamed, so that half of it is never read.
        let (file, half) = (&self.cluster.notices[0], self.dir.join("half"));
        std::fs::write(&half, notice.to_string())
            .and_then(|()| std::fs::rename(&half, file))
            .map_err(Failure::here)?;
        report.notice_at = Some(now);
        if !self.plan.headless {
            println!();
        }
        println!("warning   supervisor-1 will be terminated in two minutes");
        Ok(())
    }

    /// Processes, commits, memory; whether the demo can go on.
    fn look(&self, report: &mut Report, gauge: &Gauge, lag: &mut Lag) -> bool {
        if let Some(why) = self.children.tend() {
            println!("\n{why}");
            if !report.reasons.contains(&why) {
                report.reasons.push(why);
            }
            self.sent.stop.store(true, Ordering::Relaxed);
            return false;
        }
        *lag = gauge.look(&self.sent, || Ends::from(&self.watch.seen()));
        let mut note = |name: String, pid: u32| {
            if let Some(mb) = memory::rss_mb(pid) {
                let most = report.rss_mb.entry(name).or_default();
                *most = (*most).max(mb);
            }
        };
        for (name, pid) in self.children.pids() {
            note(name, pid);
        }
        for (pid, topology) in self.workers.look(self.dir, self.dump) {
            note(format!("worker {pid} {topology}"), pid);
        }
        note("demo".to_owned(), std::process::id());
        true
    }

    fn progress(&self, elapsed: Duration, lag: &Lag, gauge: &Gauge) {
        if self.plan.headless && elapsed.as_millis() % 5_000 > LOOK.as_millis() {
            return;
        }
        // What lies in the topic, however far this process has read it.
        let written = gauge.written("wifi.estimates");
        let seen = self.watch.seen();
        let written = written.unwrap_or(seen.recount.all);
        let secs = elapsed.as_secs_f64().max(0.001);
        let line = format!(
            "{secs:5.1} s  {:7.0} records/s  {:7.0} estimates/s  {} rows  {} anomalies  commits {} % behind on {}",
            self.sent.confirmed.load(Ordering::Relaxed) as f64 / secs,
            written as f64 / secs,
            seen.aggregates,
            seen.anomalies.len(),
            lag.percent,
            lag.topic,
        );
        drop(seen);
        self.line(&line);
    }

    /// How far what was written has come after the last record.
    fn catching_up(&self, since: Duration, report: &Report) {
        if self.plan.headless && since.as_millis() % 5_000 > LOOK.as_millis() {
            return;
        }
        let (rows, anomalies) = {
            let seen = self.watch.seen();
            (seen.aggregates, seen.anomalies.len())
        };
        self.line(&format!(
            "{:5.1} s after the last record: {} of {} records read, {} estimates of 3 each, {rows} rows, {anomalies} anomalies",
            since.as_secs_f64(),
            report.records_found,
            report.records_in,
            report.estimates_written,
        ));
    }

    /// A line of progress, or the one that rewrites itself.
    fn line(&self, line: &str) {
        if self.plan.headless {
            println!("{line}");
        } else {
            print!("\r{line}   ");
            // A terminal that is gone sees nothing anyway.
            let _ = std::io::stdout().flush();
        }
    }

    /// Waits until all is there, or the time is over, and writes down what was found.
    fn judge(&self, scene: &Scene, report: &mut Report) -> Result<(), Failure> {
        if !self.plan.headless {
            println!();
        }
        let gauge = Gauge::new(&self.cluster.kafka, PARTITIONS)?;
        let (end, mut lag) = (Instant::now() + SETTLE, Lag::default());
        let mut moved = (0, Instant::now());
        let since = Instant::now();
        let mut wait =
            |report: &mut Report, lag: &mut Lag, done: &mut dyn FnMut(&mut Report) -> bool| {
                while report.reasons.is_empty()
                    && !done(report)
                    && Instant::now() < end
                    && moved.1.elapsed() < STILL
                    && !self.stop.load(Ordering::Relaxed)
                {
                    self.look(report, &gauge, lag);
                    self.catching_up(since.elapsed(), report);
                    let now = self.watch.seen().all();
                    if now != moved.0 {
                        moved = (now, Instant::now());
                    }
                    std::thread::sleep(LOOK);
                }
            };
        wait(report, &mut lag, &mut |report| self.count(report) == 0);
        let missing = self.count(report);
        report.lost = missing;
        if missing > 0 {
            report
                .reasons
                .push(format!("{missing} records or estimates are missing"));
        }
        report.closed_until_ms = self.closed_until();
        let expected = self.watch.seen().recount.rows(report.closed_until_ms);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::here)?;
        let (mut rows, mut difference) = (Default::default(), None);
        let mut asked = Ok(());
        let mut equal = |report: &mut Report| {
            match runtime.block_on(check::stored(&self.cluster.store)) {
                Ok(found) => {
                    rows = found;
                    difference = check::compare(&expected, &rows, report);
                    asked = Ok(());
                }
                Err(error) => asked = Err(error),
            }
            asked.is_ok() && difference.is_none()
        };
        if !equal(report) {
            wait(report, &mut lag, &mut equal);
        }
        asked?;
        report.reasons.extend(difference);
        check::dump(&rows, self.dump);
        self.incident(scene, report, &gauge, &mut lag);
        self.drained(report);
        if self.plan.run_for >= Duration::from_secs(60) && report.windows_closed < WINDOWS {
            report.reasons.push(format!(
                "{} windows were closed, at least {WINDOWS} must be",
                report.windows_closed
            ));
        }
        Ok(())
    }

    /// Fills in what was counted so far; answers how much is missing.
    fn count(&self, report: &mut Report) -> u64 {
        let seen = self.watch.seen();
        report.records_found = seen.telemetry;
        report.rejected = seen.rejected.len() as u64;
        report.estimates_written = seen.recount.all;
        report.dip_s = seen.dip.as_secs_f64();
        report.anomalies = seen.anomalies.len() as u64;
        report.estimates_out = KINDS.into_iter().zip(seen.recount.distinct).collect();
        for problem in &seen.problems {
            let problem = format!("reading Kafka: {problem}");
            if !report.reasons.contains(&problem) {
                report.reasons.push(problem);
            }
        }
        let accepted = report
            .records_found
            .max(report.records_in)
            .saturating_sub(report.rejected);
        let missing = seen
            .recount
            .distinct
            .iter()
            .map(|n| accepted.saturating_sub(*n));
        missing.sum::<u64>() + report.records_in.saturating_sub(report.records_found)
    }

    /// Start of the first window that some partition may not have filled.
    fn closed_until(&self) -> i64 {
        let last = self
            .sent
            .time_of_partition
            .iter()
            .map(|t| t.load(Ordering::Relaxed));
        let slowest = last.filter(|t| *t != i64::MIN).min().unwrap_or(0);
        slowest.div_euclid(WINDOW_MS) * WINDOW_MS
    }

    fn incident(&self, scene: &Scene, report: &mut Report, gauge: &Gauge, lag: &mut Lag) {
        if !crate::verbs::topology::SHIPPED.contains(&"anomaly") {
            return;
        }
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            check::incident(
                &scene.org,
                &mut report.incident,
                self.watch.seen().anomalies.values(),
            );
            report.anomalies = self.watch.seen().anomalies.len() as u64;
            if report.incident.attributed || Instant::now() > end || !report.reasons.is_empty() {
                break;
            }
            self.look(report, gauge, lag);
            std::thread::sleep(LOOK);
        }
        if self.plan.run_for >= Duration::from_secs(60) && !report.incident.attributed {
            let what = if report.incident.found {
                "attributed"
            } else {
                "found"
            };
            report.reasons.push(format!(
                "the incident at {} was not {what}",
                report.incident.injected
            ));
        }
    }

    fn drained(&self, report: &mut Report) {
        let Some(at) = report.notice_at else { return };
        match self.cluster.drained_at().filter(|d| *d >= at) {
            Some(drained) => report.notice_to_drained_s = Some((drained - at) as f64 / 1e3),
            None => report
                .reasons
                .push("the node with the termination warning was not drained".to_owned()),
        }
    }
}
