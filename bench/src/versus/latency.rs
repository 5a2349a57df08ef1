//! Latency from the time at which a tuple was meant to be emitted to its ack: at 1,000 a second, and at parts of Storm's own maximum.

use std::time::Duration;

use anyhow::Result;

use super::job::{Job, Side};
use super::readings::Window;
use super::rounds::{Both, Pair, abba, leg};
use super::{Bench, note};
use crate::report::{Against, Figure, median};

/// What a comparison takes in `--quick`.
const TAKES: Duration = Duration::from_secs(110);

/// Name, and the part of Storm's maximum; none for 1,000 a second.
const LOADS: [(&str, Option<f64>); 5] = [
    ("1k", None),
    ("25", Some(0.25)),
    ("50", Some(0.5)),
    ("75", Some(0.75)),
    ("90", Some(0.9)),
];

/// Measures those that are asked for.
///
/// # Errors
/// A side does not start.
pub fn measure(bench: &mut Bench<'_>) -> Result<()> {
    // 1,000/s and 75 % have targets.
    let order = [0, 3, 1, 2, 4];
    for load in order.map(|i| LOADS[i]) {
        for workers in [1, 2] {
            let name = format!("engine/latency/{}/{workers}w", load.0);
            if bench.wanted(&name) {
                one(bench, &name, load.1, workers)?;
            }
        }
    }
    Ok(())
}

fn one(bench: &mut Bench<'_>, name: &str, part: Option<f64>, workers: usize) -> Result<()> {
    let rate = match part {
        None => Some(1_000.0),
        Some(part) => most(bench, workers)?.map(|most| most * part),
    };
    let Some(rate) = rate else {
        // Without Storm there is no maximum of Storm.
        return Ok(());
    };
    eprintln!("bench: {name} at {rate:.0}/s");
    let mut setting = bench
        .settings
        .of("storm", &format!("latency/acked/{workers}w"))?;
    if part.is_some() {
        // What reaches the rate; at low rates this would only wait for full batches.
        setting = bench
            .settings
            .of("storm", &format!("null/acked/{workers}w"))?;
    }
    let of = |setting| Job {
        rate: Some(rate),
        ..bench.job("latency", true, workers, setting)
    };
    let own = super::Setting {
        spouts: 1,
        bolts: 1,
        ..super::Setting::default()
    };
    let pair = Pair {
        ours: of(own),
        theirs: of(setting),
    };
    let against = bench.has(TAKES);
    let theirs = bench.storm.as_mut().filter(|_| against);
    let said = match &theirs {
        Some(storm) => note(&**storm, &pair.theirs.setting),
        None => "not beside Storm".to_owned(),
    };
    let both = abba(
        &mut bench.ours,
        theirs.map(|s| s as &mut dyn Side),
        &pair,
        bench.pace,
    )?;
    for figure in figures(name, rate, &both, &said) {
        bench.add(figure);
    }
    Ok(())
}

/// Storm's maximum, acked constant → null: as it was measured in this run, else measured now.
fn most(bench: &mut Bench<'_>, workers: usize) -> Result<Option<f64>> {
    let name = format!("engine/null/acked/{workers}w/rate");
    if let Some(Against::Theirs(rate)) = bench.report.against(&name) {
        return Ok(Some(rate));
    }
    let setting = bench
        .settings
        .of("storm", &format!("null/acked/{workers}w"))?;
    let job = bench.job("null", true, workers, setting);
    let Some(storm) = &mut bench.storm else {
        return Ok(None);
    };
    let windows = leg(storm, &job, 1, bench.pace.span)?;
    Ok(Some(median(windows.iter().map(|w| w.rate))))
}

fn figures(name: &str, rate: f64, both: &Both, said: &str) -> [Figure; 3] {
    let kept = |all: &[Window]| median(all.iter().map(|w| w.rate)) / rate;
    let theirs = match both.theirs.is_empty() {
        true => String::new(),
        false => format!(", theirs {:.0} %", 100.0 * kept(&both.theirs)),
    };
    let note = format!(
        "from the intended emit to the ack; {rate:.0} tuples/s wanted, of which ours kept {:.0} %{theirs}; {said}",
        100.0 * kept(&both.ours)
    );
    [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)].map(|(what, part)| {
        let micros = |w: &Window| w.latencies.quantile(part) / 1e3;
        Figure {
            name: format!("{name}/{what}"),
            runs: both.ours.iter().map(micros).collect(),
            unit: "µs",
            against: (!both.theirs.is_empty())
                .then(|| Against::Theirs(median(both.theirs.iter().map(micros)))),
            note: note.clone(),
        }
    })
}
