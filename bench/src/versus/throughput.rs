//! Rate, CPU and memory of each variant, ours beside Storm's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::job::{Side, key};
use super::plan::{Variant, mistuned, variants};
use super::readings::Window;
use super::rounds::{Both, Pair, abba};
use super::{Bench, note, sweep};
use crate::report::{Against, Figure, median};

/// What a comparison of one variant takes in `--quick`: Storm's start, warm-up and windows, and ours.
const TAKES: Duration = Duration::from_secs(110);

/// Measures all variants that are asked for.
///
/// # Errors
/// A side does not start.
pub fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let mut found = BTreeMap::new();
    for variant in variants() {
        let key = key(variant.workload, variant.acked, variant.workers);
        if !bench.wanted(&format!("engine/{key}")) {
            continue;
        }
        let (both, said) = compare(bench, variant)?;
        for figure in figures(&key, variant, &both, &said) {
            bench.add(figure);
        }
        if !both.theirs.is_empty() {
            found.insert(key, median(both.theirs.iter().map(|w| w.rate)));
        }
    }
    for (mode, why) in refusals(&found) {
        for workload in fulmar_bench::workloads::WORKLOADS {
            let begins = format!("engine/{workload}/{mode}/");
            bench.report.refuse(&begins, &why);
        }
    }
    Ok(())
}

/// Runs one variant; without Storm where it is not asked for or no time is left.
fn compare(bench: &mut Bench<'_>, variant: Variant) -> Result<(Both, String)> {
    let Variant {
        workload,
        acked,
        workers,
    } = variant;
    let key = key(workload, acked, workers);
    eprintln!("bench: {key}");
    let against = bench.storm.is_some() && bench.has(TAKES);
    let mut setting = Default::default();
    if against {
        setting = match bench.options.quick {
            true => bench.settings.of("storm", &key)?,
            false => sweep::best(bench, variant)?,
        };
    }
    let pair = Pair {
        ours: bench.job(workload, acked, workers, bench.own_setting(workers)),
        theirs: bench.job(workload, acked, workers, setting),
    };
    let said = match (&bench.storm, against) {
        (Some(storm), true) => note(storm, &pair.theirs.setting),
        (Some(_), false) => "not beside Storm: no time left of --quick".to_owned(),
        (None, _) => String::new(),
    };
    let theirs = bench.storm.as_mut().filter(|_| against);
    let theirs = theirs.map(|s| s as &mut dyn Side);
    let both = abba(&mut bench.ours, theirs, &pair, bench.pace)?;
    eprintln!("bench: {key}: {}", line(&both));
    Ok((both, said))
}

/// What a reader of the log sees at once.
pub fn line(both: &Both) -> String {
    let rates = |all: &[Window]| {
        let rates = all.iter().map(|w| format!("{:.2}", w.rate / 1e6));
        rates.collect::<Vec<_>>().join(" ")
    };
    let (ours, theirs) = (rates(&both.ours), rates(&both.theirs));
    format!("ours {ours}, theirs {theirs} M/s")
}

/// Modes (`unacked/1w`) in which Storm's null is slower than its id, with the reason; by variant, Storm's rates.
fn refusals(theirs: &BTreeMap<String, f64>) -> BTreeMap<String, String> {
    let mut refused = BTreeMap::new();
    for mode in ["unacked/1w", "acked/1w", "unacked/2w", "acked/2w"] {
        let null = theirs.get(&format!("null/{mode}"));
        let id = theirs.get(&format!("id/{mode}"));
        if let (Some(null), Some(id)) = (null, id)
            && let Some(why) = mistuned(*null, *id)
        {
            refused.insert(mode.to_owned(), why);
        }
    }
    refused
}

/// Rate, CPU and memory.
fn figures(key: &str, variant: Variant, both: &Both, said: &str) -> [Figure; 3] {
    let one = |what: &str, unit, value: fn(&Window) -> f64| Figure {
        name: format!("engine/{key}/{what}"),
        runs: both.ours.iter().map(value).collect(),
        unit,
        against: (!both.theirs.is_empty())
            .then(|| Against::Theirs(median(both.theirs.iter().map(value)))),
        note: said.to_owned(),
    };
    let unit = match variant.workload {
        "wordcount" => "words/s",
        _ => "tuples/s",
    };
    [
        one("rate", unit, |w| w.rate),
        one("cpu", "CPU s/1M", |w| w.cpu),
        one("rss", "MiB", |w| w.rss),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    fn both(theirs: f64) -> Both {
        let window = |rate| Window {
            rate,
            cpu: 0.1,
            rss: 10.0,
            latencies: Default::default(),
        };
        Both {
            ours: vec![window(50e6), window(60e6)],
            theirs: vec![window(theirs); 2],
        }
    }

    #[test]
    fn a_mistuned_baseline_gives_no_ratio_says_why_and_ends_in_an_error() {
        let rates = [("null/unacked/1w", 1.5e6), ("id/unacked/1w", 7.8e6)];
        let refused = refusals(&rates.map(|(key, rate)| (key.to_owned(), rate)).into());
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut report = Report::new(Some(file.path())).unwrap();
        for figure in figures("null/unacked/1w", variants()[0], &both(1.5e6), "") {
            report.add(figure);
        }
        report.refuse("engine/null/unacked/1w/", &refused["unacked/1w"]);
        let error = report.finish().unwrap_err().to_string();
        assert!(error.contains("mistuned"), "{error}");
        let lines = std::fs::read_to_string(file.path()).unwrap();
        let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(line["ratio"], serde_json::Value::Null);
        assert!(
            line["note"].as_str().unwrap().contains("mistuned"),
            "{line}"
        );
    }

    #[test]
    fn a_ratio_is_ours_by_theirs() {
        let [rate, cpu, _] = figures("null/unacked/1w", variants()[0], &both(11e6), "");
        assert_eq!(rate.ratio(), Some(60e6 / 11e6));
        assert_eq!(cpu.ratio(), Some(1.0));
    }
}
