//! Flink and timely: the rate of each of their workloads, beside ours of the same workload in the same run.

use anyhow::Result;

use super::job::Side;
use super::rounds::{Pair, abba};
use super::throughput::line;
use super::{Bench, note};
use crate::report::{Against, Figure, median};

/// Peer, its workload, and ours: workload and whether it is acked. Flink's exactly-once is beside our acked run.
const WORKLOADS: [(&str, &str, &str, bool); 6] = [
    ("flink", "null", "null", false),
    ("flink", "id", "id", false),
    ("flink", "wordcount", "wordcount", false),
    ("flink", "wordcount_exactly_once", "wordcount", true),
    ("timely", "null", "null", false),
    ("timely", "wordcount", "wordcount", false),
];

/// Measures those that are asked for.
///
/// # Errors
/// A side does not start.
pub fn measure(bench: &mut Bench<'_>) -> Result<()> {
    for (peer, theirs, ours, acked) in WORKLOADS {
        let name = format!("{peer}/{theirs}/rate");
        let Some(mut side) = bench.process(peer)?.filter(|_| bench.wanted(&name)) else {
            continue;
        };
        eprintln!("bench: {name}");
        let setting = best(bench, &mut side, peer, theirs)?;
        let pair = Pair {
            ours: bench.job(ours, acked, 1, bench.own_setting(1)),
            theirs: bench.job(theirs, acked, 1, setting),
        };
        let both = abba(&mut bench.ours, Some(&mut side), &pair, bench.pace)?;
        eprintln!("bench: {name}: {}", line(&both));
        bench.add(Figure {
            name,
            runs: both.theirs.iter().map(|w| w.rate).collect(),
            unit: if ours == "null" || ours == "id" {
                "tuples/s"
            } else {
                "words/s"
            },
            against: Some(Against::Ours(median(both.ours.iter().map(|w| w.rate)))),
            note: format!(
                "value theirs, ratio ours by theirs; {}",
                note(&side, &pair.theirs.setting)
            ),
        });
    }
    Ok(())
}

/// The kept setting in `--quick`; else the better one of one and two slots.
fn best(
    bench: &mut Bench<'_>,
    side: &mut dyn Side,
    peer: &str,
    workload: &str,
) -> Result<super::Setting> {
    let mut best = bench.settings.of(peer, workload)?;
    if bench.options.quick {
        return Ok(best);
    }
    let mut rate = 0.0;
    let mut tried = Vec::new();
    for slots in [1, 2] {
        let mut setting = best.clone();
        setting.spouts = slots;
        let job = bench.job(workload, false, 1, setting.clone());
        let windows = super::rounds::leg(side, &job, 2, bench.pace.span)?;
        let found = median(windows.iter().map(|w| w.rate));
        tried.push(format!("{slots} slots {:.2}", found / 1e6));
        if found > rate {
            (rate, best) = (found, setting);
        }
    }
    best.found = format!("tried, in M/s: {}", tried.join(", "));
    bench.settings.keep(peer, workload, best.clone());
    bench.settings.write(&super::Settings::place())?;
    Ok(best)
}
