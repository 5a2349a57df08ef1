//! Windows of aggregates judged: what is usual is learned, what falls far below it is raised, with its explanation.
//!
//! Rows are upserts: of two of one series and window the one with more records holds. A series ([`crate::series`]) learns
//! from a window once it can no longer change; one that can is judged by a copy of the series that was led through the
//! windows between. So what is said of a window depends on the rows up to it, not on when it is asked: a correction has it and those
//! after it judged again, a replay says the same, and `cargo xtask evaluate anomaly` says it of the same values.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;
use std::sync::Arc;

use fulmar_proto::wifi::{Aggregate, Anomaly, Cause};
use rustc_hash::FxHashMap;

use crate::attribute::{Candidate, Explanation, attribute};
use crate::combine::{Combination, combine};
use crate::series::{FIRST, Floor, Judged, Series, Settings};

/// The model's name in anomalies.
pub const MODEL: &str = "series-3";
/// A window can change until one that begins so many lengths later was seen.
const OPEN: i64 = 3;
/// Records of a usual window follow the last so many windows.
const USUAL: f64 = 20.0;

/// How strict it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Standard deviations from which on it is raised; it lasts until half of that. See [`Settings::limit`].
    pub threshold: f64,
    /// Windows that must be known of a series before, more than [`FIRST`].
    pub least: usize,
}

impl Default for Rules {
    fn default() -> Self {
        let s = Settings::default();
        Self {
            threshold: s.limit,
            least: FIRST + s.warm_up,
        }
    }
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
}

impl Window {
    fn records(&self) -> i64 {
        self.cells.values().map(|c| c.count).sum()
    }
}

/// The past of a series of windows.
#[derive(Clone, Debug)]
struct Past {
    series: Series,
    /// Start of the last window that it was led through, in ms.
    last_ms: i64,
    /// Records of a usual window: a slow average.
    usual: f64,
    windows: f64,
}

impl Past {
    /// What is said of a window, which is learned from; nothing of one that is not after the last.
    fn step(&mut self, start_ms: i64, cell: &Cell) -> Option<Judged> {
        if start_ms <= self.last_ms {
            return None;
        }
        self.last_ms = start_ms;
        let count = cell.count as f64;
        // A mean of fewer records than usual may stray further.
        let thin = (self.usual / count.max(1.0)).sqrt();
        self.windows = (self.windows + 1.0).min(USUAL);
        self.usual += (count - self.usual) / self.windows;
        Some(self.series.step(start_ms / 1_000, cell.mean(), thin))
    }
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
    series: FxHashMap<Name, Past>,
    windows: BTreeMap<i64, Window>,
    newest_ms: Option<i64>,
    incidents: Vec<Incident>,
    /// Records of the last windows that were learned from.
    learned: BTreeMap<i64, i64>,
}

/// Most causes that an anomaly names.
const MOST_CAUSES: usize = 5;
/// Incidents are remembered for so long after their last window, for corrections.
const DAY_MS: i64 = 86_400_000;

/// Everything of one partition of the log.
#[derive(Debug)]
pub struct Detector {
    settings: Arc<Settings>,
    /// By organisation, metric and window length in ms.
    groups: BTreeMap<(String, String, i64), Group>,
}

impl Detector {
    /// Knows nothing yet.
    pub fn new(rules: Rules) -> Self {
        let settings = Settings {
            limit: rules.threshold,
            warm_up: rules.least.saturating_sub(FIRST),
            ..Settings::default()
        };
        Self {
            settings: Arc::new(settings),
            groups: BTreeMap::new(),
        }
    }

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
            let past = past(
                &mut group.series,
                name,
                &a.metric,
                a.window_ms,
                &self.settings,
            );
            past.step(a.window_start_ms, &cell);
            return;
        }
        let newest = group.newest_ms.get_or_insert(a.window_start_ms);
        *newest = (*newest).max(a.window_start_ms);
        if a.window_start_ms < newest.saturating_sub(a.window_ms.saturating_mul(OPEN)) {
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

    /// Judges every window that changed and those after it, in order of time, and learns from those that can no longer
    /// change.
    pub fn judge(&mut self) -> Vec<(Anomaly, i64)> {
        let mut found = Vec::new();
        for ((org, metric, length), group) in &mut self.groups {
            let changed = group.windows.iter().find(|(_, w)| w.dirty);
            let Some(first) = changed.map(|(start, _)| *start) else {
                continue;
            };
            group.forget_from(first, *length);
            let starts: Vec<i64> = group.windows.range(first..).map(|(s, _)| *s).collect();
            for start in starts {
                let open_ms = length.saturating_mul(OPEN);
                group.learn(
                    metric,
                    *length,
                    start.saturating_sub(open_ms),
                    &self.settings,
                );
                found.extend(group.judge(org, metric, *length, start, self.settings.limit));
            }
        }
        found
    }
}

/// The past of a series, which may begin here.
fn past<'a>(
    all: &'a mut FxHashMap<Name, Past>,
    name: Name,
    metric: &str,
    length_ms: i64,
    settings: &Arc<Settings>,
) -> &'a mut Past {
    all.entry(name).or_insert_with(|| Past {
        series: Series::new(length_ms / 1_000, settings, floor(metric)),
        last_ms: i64::MIN,
        usual: 0.0,
        windows: 0.0,
    })
}

impl Group {
    fn judge(
        &mut self,
        org: &str,
        metric: &str,
        length: i64,
        start: i64,
        limit: f64,
    ) -> Option<(Anomaly, i64)> {
        let all = self.compare(start, limit)?;
        let candidates: Vec<Candidate> = all.iter().map(|(c, _, _)| c.clone()).collect();
        let threshold = self.threshold(&candidates, start, length, limit);
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
        let end_us = start.saturating_add(length).saturating_mul(1_000);
        Some((anomaly, end_us.saturating_add(self.records(start, length))))
    }

    /// Records of a window and of those before it that it may yet be judged again for: what is judged of fuller ones
    /// replaces what was written.
    fn records(&self, start: i64, length: i64) -> i64 {
        let from = start.saturating_sub(length.saturating_mul(OPEN));
        let open = self.windows.range(from..=start).map(|(_, w)| w.records());
        let learned = self
            .learned
            .range(from..=start)
            .map(|(_, records)| *records);
        open.chain(learned).sum()
    }

    /// Every series of a window against what was expected of it.
    fn compare(&mut self, start: i64, limit: f64) -> Option<Vec<Compared>> {
        self.windows.get_mut(&start)?.dirty = false;
        let before: Vec<(&i64, &Window)> = self.windows.range(..start).collect();
        let mut all = Vec::new();
        for (name, cell) in &self.windows.get(&start)?.cells {
            // What was learned from nothing yet cannot know enough either.
            let Some(mut past) = self.series.get(name).cloned() else {
                continue;
            };
            for (earlier, window) in &before {
                if let Some(cell) = window.cells.get(name) {
                    past.step(**earlier, cell);
                }
            }
            let known = past.series.is_warm();
            let Some(judged) = past.step(start, cell).filter(|_| known) else {
                continue;
            };
            let strength = judged.severity * limit;
            let count = cell.count as f64;
            let candidate = Candidate {
                grouping: name.0.clone(),
                entity: name.1.clone(),
                missing: (judged.expected - cell.mean()) * count,
                expected: judged.expected * count,
                score: if judged.above { -strength } else { strength },
            };
            all.push((candidate, *cell, judged.expected));
        }
        Some(all)
    }

    /// What lasts is followed down to half of what raised it.
    fn threshold(&self, all: &[Candidate], start: i64, length: i64, limit: f64) -> f64 {
        let lasting = |i: &Incident| i.last_ms < start && i.last_ms >= start - length;
        let lasts = self.incidents.iter().filter(|i| lasting(i)).any(|i| {
            let mut series = all.iter();
            let of = series.find(|c| (&c.grouping, &c.entity) == (&i.name.0, &i.name.1));
            of.is_some_and(|c| c.score >= limit / 2.0)
        });
        if lasts { limit / 2.0 } else { limit }
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

    /// Incidents as they were before a window: it and those after it are judged again.
    fn forget_from(&mut self, start: i64, length: i64) {
        self.incidents.retain(|i| i.first_ms < start);
        for incident in &mut self.incidents {
            incident.last_ms = incident.last_ms.min(start - length);
        }
    }

    /// Learns from windows that begin before a time.
    fn learn(&mut self, metric: &str, length: i64, before_ms: i64, settings: &Arc<Settings>) {
        while let Some(first) = self.windows.first_entry().filter(|w| *w.key() < before_ms) {
            let (start, window) = first.remove_entry();
            self.learned.insert(start, window.records());
            for (name, cell) in window.cells {
                past(&mut self.series, name, metric, length, settings).step(start, &cell);
            }
            self.incidents.retain(|i| i.last_ms + DAY_MS > start);
        }
        // Windows that can be judged again begin at `before_ms` at the earliest.
        let kept_from = before_ms.saturating_sub(length.saturating_mul(OPEN));
        self.learned = self.learned.split_off(&kept_from);
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

/// Smallest scale of a metric's means, in its unit: below that nobody notices.
fn floor(metric: &str) -> Floor {
    let least = match metric {
        "throughput" => 500.0,
        "capacity" => 15.0,
        "coverage" => 10.0,
        _ => 1.0,
    };
    // Nothing is steadier than that for long.
    Floor { least, part: 0.05 }
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
