//! A peer's best settings for one variant: from Storm's defaults, one knob after the other, each kept where it helped.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::Bench;
use super::job::key;
use super::plan::Variant;
use super::rounds::leg;
use super::settings::{Setting, Settings};
use crate::report::median;

/// A knob: what it may be, as keys of the configuration.
type Knob = Vec<Value>;

/// Knobs in the order of what they usually do.
fn knobs(variant: Variant) -> Vec<Knob> {
    let batches = [1, 100, 500, 1000].map(|n| json!({"topology.producer.batch.size": n}));
    let pending = [1_000, 2_000, 10_000, 50_000].map(|n| json!({"topology.max.spout.pending": n}));
    let parks = "org.apache.storm.policy.WaitStrategyPark";
    let waits = [
        json!({}),
        json!({"topology.bolt.wait.strategy": parks, "topology.bolt.wait.park.microsec": 0}),
    ];
    let queues = [
        json!({}),
        json!({"topology.executor.receive.buffer.size": 50_000}),
    ];
    let collectors = ["", "-XX:+UseParallelGC", "-XX:+UseZGC"]
        .map(|gc| json!({"topology.worker.childopts": gc}));
    let mut all: Vec<Knob> = vec![batches.to_vec()];
    if variant.acked {
        all.push(pending.to_vec());
    }
    if variant.workers > 1 {
        let transfer = [(1_000, 1), (50_000, 100), (50_000, 1_000)];
        let transfer = transfer.map(|(buffer, batch)| {
            json!({"topology.transfer.buffer.size": buffer, "topology.transfer.batch.size": batch})
        });
        all.push(transfer.to_vec());
    }
    all.extend([queues.to_vec(), waits.to_vec(), collectors.to_vec()]);
    all
}

/// Finds Storm's best setting, writes it to the settings file, and answers it.
///
/// # Errors
/// No setting runs, or the file cannot be written.
pub fn best(bench: &mut Bench<'_>, variant: Variant) -> Result<Setting> {
    let key = key(variant.workload, variant.acked, variant.workers);
    let mut best = Setting {
        spouts: 1,
        bolts: 1,
        ..Setting::default()
    };
    if variant.acked && variant.workers > 1 {
        best.conf
            .insert("topology.acker.executors".to_owned(), 2.into());
    }
    let mut tried = Vec::new();
    let mut rate = 0.0;
    for knob in knobs(variant) {
        let before = best.conf.clone();
        for change in knob {
            let mut setting = best.clone();
            setting.conf = changed(&before, &change);
            if rate > 0.0 && setting.conf == best.conf {
                continue;
            }
            let found = attempt(bench, variant, &setting);
            tried.push(format!("{change} {:.2}", found / 1e6));
            if found > rate {
                (rate, best) = (found, setting);
            }
        }
    }
    let mut wide = best.clone();
    (wide.spouts, wide.bolts) = (2, 2);
    let found = attempt(bench, variant, &wide);
    tried.push(format!("two of each {:.2}", found / 1e6));
    if found > rate {
        (rate, best) = (found, wide);
    }
    anyhow::ensure!(rate > 0.0, "no setting of Storm runs {key}");
    best.found = format!("{:.2} M/s; tried, in M/s: {}", rate / 1e6, tried.join(", "));
    bench.settings.keep("storm", &key, best.clone());
    bench.settings.write(&Settings::place())?;
    Ok(best)
}

/// These keys with a change; an empty value takes the key away.
fn changed(conf: &Map<String, Value>, change: &Value) -> Map<String, Value> {
    let mut conf = conf.clone();
    for (key, value) in change.as_object().into_iter().flatten() {
        match value.as_str() {
            Some("") => conf.remove(key),
            _ => conf.insert(key.clone(), value.clone()),
        };
    }
    conf
}

/// The rate of a setting; 0 where it does not run.
fn attempt(bench: &mut Bench<'_>, variant: Variant, setting: &Setting) -> f64 {
    let (workload, acked, workers) = (variant.workload, variant.acked, variant.workers);
    let job = bench.job(workload, acked, workers, setting.clone());
    let Some(storm) = bench.storm.as_mut() else {
        return 0.0;
    };
    match leg(storm, &job, 2, Duration::from_secs(8)) {
        Ok(windows) => median(windows.iter().map(|w| w.rate)),
        Err(error) => {
            eprintln!("bench: a setting that does not run: {error:#}");
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_adds_replaces_and_takes_away() {
        let conf = changed(&Map::new(), &json!({"a": 1, "b": "x"}));
        let conf = changed(&conf, &json!({"a": 2, "b": ""}));
        assert_eq!(Value::Object(conf), json!({"a": 2}));
    }

    #[test]
    fn only_what_a_variant_has_is_turned() {
        let of = |acked, workers| {
            let variant = Variant {
                workload: "null",
                acked,
                workers,
            };
            serde_json::to_string(&knobs(variant)).unwrap()
        };
        assert!(!of(false, 1).contains("pending") && !of(false, 1).contains("transfer"));
        assert!(of(true, 1).contains("pending") && of(false, 2).contains("transfer"));
    }
}
