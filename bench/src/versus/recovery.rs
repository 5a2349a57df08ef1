//! kill -9 of the worker with the bolt at 5,000 tuples a second: for how long the spout hears no ack, and how many trees are left
//! to time out.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Bench;
use super::group::{signal, until};
use super::job::{Job, Side};
use super::readings::{Mark, files, pid};
use super::rounds::{fresh, warm};
use crate::report::{Against, Figure};

/// Storm's `topology.message.timeout.secs`, and ours.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What ours leaves to time out has done so by then: within 1.1 timeouts.
const OURS_SETTLED: Duration = Duration::from_secs(35);
/// Storm takes between one and two timeouts.
const STORM_SETTLED: Duration = Duration::from_secs(65);
/// 5,000 tuples a second ask little of a JIT.
const WARM_UP: Duration = Duration::from_secs(15);
/// What Storm's run takes.
const TAKES: Duration = Duration::from_secs(110);

/// Gap and failed trees of one run.
#[derive(Debug, PartialEq)]
struct Outcome {
    gap_ms: f64,
    timed_out: f64,
    /// Failed before the timeout: told at once.
    failed: f64,
}

/// Measures both sides.
///
/// # Errors
/// A side does not start, or acks do not come back.
pub fn measure(bench: &mut Bench<'_>) -> Result<()> {
    if !bench.wanted("engine/recovery/kill9") {
        return Ok(());
    }
    eprintln!("bench: kill -9 of a worker");
    let job = |setting| Job {
        rate: Some(5_000.0),
        ..bench.job("latency", true, 2, setting)
    };
    let own = job(super::Setting {
        spouts: 1,
        bolts: 1,
        ..super::Setting::default()
    });
    let their = job(bench.settings.of("storm", "latency/acked/2w")?);
    let runs = if bench.options.quick { 1 } else { 3 };
    let mut ours = Vec::new();
    for _ in 0..runs {
        ours.push(outcome(&mut bench.ours, &own, OURS_SETTLED)?);
    }
    let against = bench.has(TAKES);
    let theirs = match bench.storm.as_mut().filter(|_| against) {
        Some(storm) => Some(outcome(storm, &their, STORM_SETTLED)?),
        None => None,
    };
    let one = |what: &str, unit, value: fn(&Outcome) -> f64| Figure {
        name: format!("engine/recovery/kill9/{what}"),
        runs: ours.iter().map(value).collect(),
        unit,
        against: theirs.as_ref().map(|o| Against::Theirs(value(o))),
        note: format!(
            "5,000 tuples/s over two workers, the bolt's killed; trees that failed at once: ours {:.0}, theirs {:.0}",
            ours[0].failed,
            theirs.as_ref().map_or(0.0, |o| o.failed)
        ),
    };
    let all = [
        one("gap_ms", "ms", |o| o.gap_ms),
        one("timed_out", "trees", |o| o.timed_out),
    ];
    all.into_iter().for_each(|figure| bench.add(figure));
    Ok(())
}

fn outcome(side: &mut dyn Side, job: &Job, settled: Duration) -> Result<Outcome> {
    let job = Job {
        dir: fresh(&job.dir)?,
        ..job.clone()
    };
    side.start(&job)?;
    let found = killed(&job, settled);
    side.stop(&job.dir)?;
    found.with_context(|| side.name())
}

fn killed(job: &Job, settled: Duration) -> Result<Outcome> {
    warm(job, WARM_UP)?;
    let spout = files(&job.dir, "latency")?;
    let spout = pid(spout.first().context("no spout has written")?)?;
    let workers = files(&job.dir, "count")?;
    let workers = workers.iter().map(|f| pid(f)).collect::<Result<Vec<_>>>()?;
    let victim = workers.iter().find(|p| **p != spout);
    let victim = victim.context("all tasks are in the spout's worker")?;
    let before = events(&job.dir, spout)?.lines().count();
    signal(&victim.to_string(), "KILL");
    let killed = Instant::now();
    // A gap is told by the ack that ends it.
    until("acks after the kill", Duration::from_secs(90), || {
        let now = events(&job.dir, spout).unwrap_or_default();
        now.lines().skip(before).any(|l| l.starts_with("gap"))
            || killed.elapsed() > Duration::from_secs(5) && flows(&job.dir)
    })?;
    std::thread::sleep(settled.saturating_sub(killed.elapsed()));
    let after = events(&job.dir, spout)?;
    parse(after.lines().skip(before))
}

/// Whether acks come now.
fn flows(dir: &Path) -> bool {
    let sum = || Mark::read(dir).map_or(0, |m| m.sum());
    let before = sum();
    std::thread::sleep(Duration::from_millis(300));
    sum() > before
}

fn events(dir: &Path, spout: u32) -> Result<String> {
    Ok(std::fs::read_to_string(
        dir.join(format!("{spout}.events")),
    )?)
}

/// The largest gap, and the failed trees by age.
fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Outcome> {
    let mut outcome = Outcome {
        gap_ms: 0.0,
        timed_out: 0.0,
        failed: 0.0,
    };
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let nanos: f64 = words.get(2).context("an event without a time")?.parse()?;
        match words[0] {
            "gap" => outcome.gap_ms = outcome.gap_ms.max(nanos / 1e6),
            _ if nanos >= TIMEOUT.as_nanos() as f64 => outcome.timed_out += 1.0,
            _ => outcome.failed += 1.0,
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_gap_and_the_fails_by_age() {
        let lines = "gap 5 21000000\nfail 9 100000\ngap 7 4900000000\nfail 9 30000000000";
        let outcome = parse(lines.lines()).unwrap();
        let expected = Outcome {
            gap_ms: 4900.0,
            timed_out: 1.0,
            failed: 1.0,
        };
        assert_eq!(outcome, expected);
        assert!(parse(["gap 5"].into_iter()).is_err());
    }
}
