//! Windows of aggregates judged: what is usual is learned, what falls far below it is raised, with its explanation.
//!
//! Rows are upserts: of two of one series and window the one with more records holds. A window is judged when its rows
//! have come, and again when a correction comes later; it is learned from when it can no longer change, and only
//! where it was as it should be. The same rows give the same anomalies, so a replay overwrites.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use fulmar_proto::wifi::{Aggregate, Anomaly, Cause};
use rustc_hash::FxHashMap;

use crate::attribute::{Candidate, Explanation, attribute};
use crate::baseline::Baseline;
use crate::combine::{Combination, combine};

/// The model's name in anomalies.
pub const MODEL: &str = "median-mad-2";
/// A window can change until one that begins so many lengths later was seen.
const OPEN: i64 = 3;

/// How strict it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Robust standard deviations from which on it is raised; it lasts until half of that.
    pub threshold: f64,
    /// Windows that must be known of a series before.
    pub least: usize,
}

/// One series of one window.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    count: i64,
    sum: i64,
}

impl Cell {
    fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }
}

/// Grouping and entity.
type Name = (String, String);

#[derive(Debug, Default)]
struct Window {
    cells: BTreeMap<Name, Cell>,
    /// Something came since it was judged.
    dirty: bool,
    /// Series that were not as they should be.
    bad: Vec<Name>,
    /// How far below what was expected those that were judged were, in robust standard deviations.
    scores: FxHashMap<Name, f64>,
}

/// A series of a window, what it held, and the value that was expected.
type Compared = (Candidate, Cell, f64);

/// An anomaly that lasts.
#[derive(Clone, Debug)]
struct Incident {
    name: Name,
    first_ms: i64,
    /// Last window that it was seen in.
    last_ms: i64,
}

/// All series of one organisation, metric and window length.
#[derive(Debug, Default)]
struct Group {
    baselines: FxHashMap<Name, Baseline>,
    windows: BTreeMap<i64, Window>,
    newest_ms: Option<i64>,
    incidents: Vec<Incident>,
    /// Windows in a row that were not as they should be.
    bad_runs: FxHashMap<Name, u32>,
}

/// After so many bad windows in a row (half a day of ten minutes) a series is learnt as it is.
const LASTS: u32 = 72;
/// Most causes that an anomaly names.
const MOST_CAUSES: usize = 5;
/// Incidents are remembered for so long after their last window, for corrections.
const DAY_MS: i64 = 86_400_000;

/// Everything of one partition of the log.
#[derive(Debug, Default)]
pub struct Detector {
    /// By organisation, metric and window length in ms.
    groups: BTreeMap<(String, String, i64), Group>,
}

impl Detector {
    /// Takes in a row.
    pub fn add(&mut self, a: &Aggregate) {
        if a.count <= 0 || a.window_ms <= 0 {
            return;
        }
        let key = (a.org.clone(), a.metric.clone(), a.window_ms);
        let group = self.groups.entry(key).or_default();
        let (name, cell) = (
            (a.grouping.clone(), a.entity.clone()),
            Cell {
                count: a.count,
                sum: a.sum,
            },
        );
        if a.history {
            let baseline = group.baselines.entry(name).or_default();
            baseline.train(a.window_start_ms, cell.mean(), cell.count);
            return;
        }
        let newest = group.newest_ms.get_or_insert(a.window_start_ms);
        *newest = (*newest).max(a.window_start_ms);
        if a.window_start_ms < newest.saturating_sub(a.window_ms * OPEN) {
            // It is learned from: what comes for it now changes nothing.
            return;
        }
        let window = group.windows.entry(a.window_start_ms).or_default();
        let held = window
            .cells
            .entry(name)
            .or_insert(Cell { count: 0, sum: 0 });
        if cell.count >= held.count && *held != cell {
            *held = cell;
            window.dirty = true;
        }
    }

    /// Whether anything waits to be judged.
    pub fn is_dirty(&self) -> bool {
        let windows = self.groups.values().flat_map(|g| g.windows.values());
        windows.into_iter().any(|w| w.dirty)
    }

    /// Judges every window that changed, in order of time, and learns from those that can no longer change.
    pub fn judge(&mut self, rules: &Rules) -> Vec<(Anomaly, i64)> {
        let mut found = Vec::new();
        for ((org, metric, length), group) in &mut self.groups {
            let dirty = group.windows.iter().filter(|(_, w)| w.dirty);
            let starts: Vec<i64> = dirty.map(|(start, _)| *start).collect();
            for start in starts {
                // By event time, so that a replay, which judges many at once, learns the same.
                group.learn(start.saturating_sub(length.saturating_mul(OPEN)));
                found.extend(group.judge(org, metric, *length, start, rules));
            }
        }
        found
    }
}

impl Group {
    fn judge(
        &mut self,
        org: &str,
        metric: &str,
        length: i64,
        start: i64,
        rules: &Rules,
    ) -> Option<(Anomaly, i64)> {
        let all = self.compare(metric, start, rules)?;
        let candidates: Vec<Candidate> = all.iter().map(|(c, _, _)| c.clone()).collect();
        let threshold = self.threshold(&candidates, start, length, rules);
        let causes = attribute(&candidates, threshold);
        let shown = all.get(causes.first()?.at)?;
        let combined = combine(org, &candidates);
        let named = |c: &Combination| {
            let mut rows = all.iter();
            let row = rows.find(|(r, _, _)| r.grouping == c.grouping && r.entity == c.entity);
            row.filter(|(r, _, _)| r.score >= threshold)
        };
        // Of a combination that is a grouping of its own the row is shown, else that of the best single field.
        let (best, cell, expected) = combined.first().and_then(named).unwrap_or(shown);
        let name = (best.grouping.clone(), best.entity.clone());
        let first_ms = self.follow(&name, start, length);
        let anomaly = Anomaly {
            id: id(&[org, metric, &name.0, &name.1], first_ms),
            org: org.to_owned(),
            metric: metric.to_owned(),
            grouping: name.0,
            entity: name.1,
            window_start_ms: start,
            window_ms: length,
            value: cell.mean(),
            expected: *expected,
            score: best.score,
            direction: "low".to_owned(),
            causes: told(&candidates, &causes, combined),
            model: MODEL.to_owned(),
        };
        // A fuller window judged again replaces what was written.
        let cells = self.windows.get(&start)?.cells.values();
        let records: i64 = cells.map(|c| c.count).sum();
        let end_us = (start + length).saturating_mul(1_000);
        Some((anomaly, end_us.saturating_add(records)))
    }

    /// Every series of a window against what was expected of it; remembers those that are not as they should be.
    fn compare(&mut self, metric: &str, start: i64, rules: &Rules) -> Option<Vec<Compared>> {
        let window = self.windows.get_mut(&start)?;
        window.dirty = false;
        let mut all = Vec::new();
        for (name, cell) in &window.cells {
            let Some(baseline) = self.baselines.get(name) else {
                continue;
            };
            let expected = baseline.expected(start, cell.count, rules.least, floor(metric));
            let Some(expected) = expected else { continue };
            let below = expected.value - cell.mean();
            let candidate = Candidate {
                grouping: name.0.clone(),
                entity: name.1.clone(),
                missing: below * cell.count as f64,
                expected: expected.value * cell.count as f64,
                score: below / (expected.scale * baseline.limit()),
            };
            all.push((candidate, *cell, expected.value));
        }
        let name = |c: &Candidate| (c.grouping.clone(), c.entity.clone());
        let scores = all.iter().map(|(c, _, _)| (name(c), c.score));
        window.scores = scores.collect();
        let strays = |c: &&Candidate| c.score.abs() >= rules.threshold / 2.0;
        window.bad = all
            .iter()
            .map(|(c, _, _)| c)
            .filter(strays)
            .map(name)
            .collect();
        Some(all)
    }

    /// What lasts is followed down to half of what raised it.
    fn threshold(&self, all: &[Candidate], start: i64, length: i64, rules: &Rules) -> f64 {
        let lasting = |i: &Incident| i.last_ms < start && i.last_ms >= start - length;
        let lasts = self.incidents.iter().filter(|i| lasting(i)).any(|i| {
            let mut series = all.iter();
            let of = series.find(|c| (&c.grouping, &c.entity) == (&i.name.0, &i.name.1));
            of.is_some_and(|c| c.score >= rules.threshold / 2.0)
        });
        if lasts {
            rules.threshold / 2.0
        } else {
            rules.threshold
        }
    }

    /// First window of the incident that this window belongs to.
    fn follow(&mut self, name: &Name, start: i64, length: i64) -> i64 {
        let same = |i: &&mut Incident| {
            i.name == *name && start >= i.first_ms && start <= i.last_ms + length
        };
        if let Some(incident) = self.incidents.iter_mut().find(same) {
            incident.last_ms = incident.last_ms.max(start);
            return incident.first_ms;
        }
        self.incidents.push(Incident {
            name: name.clone(),
            first_ms: start,
            last_ms: start,
        });
        start
    }

    /// Learns from windows that begin before a time.
    fn learn(&mut self, before_ms: i64) {
        while let Some(first) = self.windows.first_entry().filter(|w| *w.key() < before_ms) {
            let (start, window) = first.remove_entry();
            for (name, cell) in window.cells {
                let bad = window.bad.contains(&name);
                let score = window.scores.get(&name).copied();
                let run = self.bad_runs.entry(name.clone()).or_insert(0);
                *run = if bad { *run + 1 } else { 0 };
                // What lasts is no incident any more but how it is now.
                let learn = !bad || *run > LASTS;
                let baseline = self.baselines.entry(name).or_default();
                if let Some(score) = score {
                    baseline.strays(score);
                }
                if learn {
                    baseline.train(start, cell.mean(), cell.count);
                }
            }
            self.incidents.retain(|i| i.last_ms + DAY_MS > start);
        }
    }
}

/// Causes as they are published: combinations first, which say more exactly what single fields say.
fn told(
    candidates: &[Candidate],
    single: &[Explanation],
    combined: Vec<Combination>,
) -> Vec<Cause> {
    let single = single.iter().map(|e| Cause {
        grouping: candidates[e.at].grouping.clone(),
        entity: candidates[e.at].entity.clone(),
        share: e.share,
    });
    let combined = combined.into_iter().map(|c| Cause {
        grouping: c.grouping,
        entity: c.entity,
        share: c.share,
    });
    let mut all: Vec<Cause> = Vec::new();
    for cause in combined.chain(single) {
        if all
            .iter()
            .all(|c| (&c.grouping, &c.entity) != (&cause.grouping, &cause.entity))
        {
            all.push(cause);
        }
    }
    all.truncate(MOST_CAUSES);
    all
}

/// Smallest spread of a metric's means, in its unit: below that nobody notices.
fn floor(metric: &str) -> f64 {
    match metric {
        "throughput" => 500.0,
        "capacity" => 15.0,
        "coverage" => 10.0,
        _ => 1.0,
    }
}

/// FNV-1a, 64 bits, of the names and the first window.
fn id(names: &[&str], first_ms: i64) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for name in names.iter().copied().chain([first_ms.to_string().as_str()]) {
        for byte in name.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests;
