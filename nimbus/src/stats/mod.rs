//! What workers say about themselves, kept while they live: counts over windows, rates, errors, slots.
//!
//! Soft state: nothing decides by it and nothing of it is stored; a Nimbus that starts again hears all of
//! it within a second. Everything is bounded by the graph and by `limits`.
//!
//! Pure: no clock, no I/O, no async.

mod component;
mod executor;
#[cfg(test)]
mod tests;
pub mod window;

use std::collections::{BTreeMap, VecDeque};

use fulmar_api::TopologySpec;
use fulmar_proto::nimbus as pb;

use crate::limits::{ERROR_BYTES, ERRORS_KEPT, STAT_KEYS};
use crate::scheduler::Executor;

use component::{Keys, Names};
use executor::Kept;
use window::Windows;

/// Characters of an error that stand in a topology's health.
const REASON_CHARS: usize = 400;

/// What is kept of one topology.
#[derive(Debug, Default)]
struct Topology {
    keys: BTreeMap<String, Keys>,
    executors: BTreeMap<Executor, Kept>,
    /// Counts of executors that a rebalance has done away with, by component.
    retired: BTreeMap<String, Windows>,
    errors: VecDeque<pb::ComponentError>,
    /// Executors that could not be opened and are not open yet: the last reason of each.
    closed: BTreeMap<Executor, String>,
}

/// What workers and supervisors say about themselves.
#[derive(Debug, Default)]
pub struct Stats {
    topologies: BTreeMap<String, Topology>,
    slots: BTreeMap<String, Vec<pb::SlotState>>,
    /// Heartbeats of workers taken so far.
    pub beats: u64,
    /// Reports left out: of executors that the topology does not have, or beyond a limit.
    pub refused: u64,
}

impl Stats {
    /// Takes what a worker's heartbeat says about its executors, and its errors.
    pub fn take(&mut self, spec: &TopologySpec, beat: &pb::WorkerHeartbeatRequest, now: u64) {
        self.beats += 1;
        let t = self.topologies.entry(beat.topology_id.clone()).or_default();
        let executors = spec.executors();
        t.retire(&executors, spec);
        for stats in &beat.stats {
            let range = stats
                .executor
                .map_or((0, 0), |e| (e.first_task, e.last_task));
            let component = spec.component_of(range.0).map(|c| c.0.id.as_str());
            if !executors.contains(&range) || component != Some(stats.component.as_str()) {
                self.refused += 1;
                continue;
            }
            let keys = t.keys.entry(stats.component.clone()).or_default();
            let (counts, over) = keys.read(stats, STAT_KEYS);
            self.refused += over;
            let kept = t.executors.entry(range).or_default();
            kept.take(beat.incarnation, stats, keys, counts, now);
            t.opening(range, beat);
        }
        for error in &beat.errors {
            t.error(error);
        }
    }

    /// Takes what a supervisor says about its slots.
    pub fn slots(&mut self, node: &str, slots: Vec<pb::SlotState>) {
        self.slots.insert(node.to_owned(), slots);
    }

    /// What a supervisor said last about its slots.
    pub fn slots_of(&self, node: &str) -> Vec<pb::SlotState> {
        self.slots.get(node).cloned().unwrap_or_default()
    }

    /// Forgets a topology that is gone.
    pub fn forget(&mut self, topology: &str) {
        self.topologies.remove(topology);
    }

    /// Keeps only nodes that are known.
    pub fn keep_nodes(&mut self, known: impl Fn(&str) -> bool) {
        self.slots.retain(|node, _| known(node));
    }

    /// Each executor of the topology with its newest numbers, its rates, and its windows if wanted.
    pub fn executors(
        &self,
        id: &str,
        assignment: &pb::Assignment,
        windows: bool,
        now: u64,
    ) -> Vec<pb::ExecutorInfo> {
        let t = self.topologies.get(id);
        let info = |a: &pb::ExecutorAssignment| {
            let executor = a.executor?;
            let range = (executor.first_task, executor.last_task);
            let worker = assignment.workers.get(a.worker as usize).cloned();
            let kept = t.and_then(|t| t.executors.get(&range));
            let keys = kept.and_then(|k| t?.keys.get(k.component()));
            let (Some(kept), Some(keys)) = (kept, keys) else {
                let stats = pb::ExecutorStats {
                    executor: Some(executor),
                    ..Default::default()
                };
                return Some(pb::ExecutorInfo {
                    stats: Some(stats),
                    worker,
                    ..Default::default()
                });
            };
            let mut info = kept.info(now, keys);
            info.worker = worker;
            if windows {
                let sums = kept.windows().sums(now).into_iter();
                let window = |(secs, c)| keys.window(secs, kept.component(), &c);
                info.windows = sums.map(window).collect();
            }
            Some(info)
        };
        assignment.executors.iter().filter_map(info).collect()
    }

    /// Sums of each component over each window.
    pub fn windows(&self, id: &str, now: u64) -> Vec<pb::WindowStats> {
        let Some(t) = self.topologies.get(id) else {
            return Vec::new();
        };
        let mut sums: BTreeMap<&str, Windows> = BTreeMap::new();
        for kept in t.executors.values() {
            let sum = sums.entry(kept.component()).or_default();
            sum.merge(kept.windows());
        }
        for (component, retired) in &t.retired {
            sums.entry(component).or_default().merge(retired);
        }
        let of = |(component, sum): (&str, Windows)| {
            let keys = t.keys.get(component)?;
            let windows = sum.sums(now).into_iter();
            Some(
                windows
                    .map(|(secs, c)| keys.window(secs, component, &c))
                    .collect::<Vec<_>>(),
            )
        };
        sums.into_iter().filter_map(of).flatten().collect()
    }

    /// Tuples per second over each edge of the graph, counted where they arrive.
    pub fn edges(&self, id: &str, spec: &TopologySpec, now: u64) -> Vec<pb::EdgeRate> {
        let mut out = Vec::new();
        for c in &spec.components {
            for input in &c.inputs {
                let name = Names::In(input.component.clone(), input.stream.clone());
                let rate = self.topologies.get(id).map_or(0.0, |t| {
                    let key = t.keys.get(&c.id).and_then(|k| k.find(&name));
                    let of_it = t.executors.values().filter(|e| e.component() == c.id);
                    key.map_or(0.0, |key| {
                        of_it.map(|e| e.rate(now, |c| c.get(key)[0])).sum()
                    })
                });
                out.push(pb::EdgeRate {
                    from: input.component.clone(),
                    stream: input.stream.clone(),
                    to: c.id.clone(),
                    grouping: input.grouping.name().to_owned(),
                    tuples_per_s: rate,
                });
            }
        }
        out
    }

    /// Which component cannot be opened, and why, if one cannot: its executors are tried again and again and do nothing.
    pub fn unopened(&self, id: &str) -> Option<String> {
        let t = self.topologies.get(id)?;
        let (range, why) = t.closed.first_key_value()?;
        let component = t.executors.get(range)?.component();
        let of_it = t.executors.values().filter(|e| e.component() == component);
        let closed = t.closed.keys().filter_map(|r| t.executors.get(r));
        let closed = closed.filter(|e| e.component() == component).count();
        Some(format!(
            "{closed} of {} executors of \"{component}\" do not run, and are tried again: {why}",
            of_it.count()
        ))
    }

    /// The topology's newest errors, oldest first.
    pub fn errors(&self, id: &str) -> Vec<pb::ComponentError> {
        let t = self.topologies.get(id);
        t.map_or_else(Vec::new, |t| t.errors.iter().cloned().collect())
    }
}

impl Topology {
    /// Keeps whether an executor is open, and if it is not, what its worker says of it.
    fn opening(&mut self, range: Executor, beat: &pb::WorkerHeartbeatRequest) {
        let is = |e: &pb::Executor| (e.first_task, e.last_task) == range;
        if beat.running.iter().any(is) {
            self.closed.remove(&range);
            return;
        }
        let own = |e: &&pb::ComponentError| {
            (range.0..=range.1).contains(&e.task)
                && (e.error.starts_with("cannot be opened") || e.error.starts_with("panicked when"))
        };
        if let Some(error) = beat.errors.iter().rfind(own) {
            let why = error.error.chars().take(REASON_CHARS).collect();
            self.closed.insert(range, why);
        }
    }

    /// Executors that are no longer part of the topology leave their counts to their component.
    fn retire(&mut self, executors: &[Executor], spec: &TopologySpec) {
        let gone: Vec<_> = self
            .executors
            .keys()
            .filter(|e| !executors.contains(e))
            .copied()
            .collect();
        self.closed.retain(|range, _| executors.contains(range));
        for range in gone {
            if let Some(kept) = self.executors.remove(&range)
                && spec.component(kept.component()).is_some()
            {
                let retired = self.retired.entry(kept.component().to_owned());
                retired.or_default().merge(kept.windows());
            }
        }
    }

    /// Keeps an error, once: a worker that had no answer tells it again.
    fn error(&mut self, error: &pb::ComponentError) {
        let mut error = error.clone();
        if error.error.len() > ERROR_BYTES {
            let end = (0..=ERROR_BYTES).rfind(|i| error.error.is_char_boundary(*i));
            error.error.truncate(end.unwrap_or(0));
            error.error.push('…');
        }
        if self.errors.contains(&error) {
            return;
        }
        self.errors.push_back(error);
        if self.errors.len() > ERRORS_KEPT {
            self.errors.pop_front();
        }
    }
}
