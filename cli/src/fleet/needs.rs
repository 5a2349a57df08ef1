//! What topologies need: what their workers were measured to use, or what they declare, whichever is more.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, VecDeque};

use fulmar_proto::nimbus as pb;
use fulmar_spot_plan::market::Need;
use fulmar_spot_plan::needs::{CPU_BUSY, Demand, Kind, MEMORY_USED};

use crate::verbs::spot::live;

/// The most that was needed within this time is needed: a fleet does not follow every dip.
const REMEMBERED_MS: u64 = 600_000;
/// `topology.worker.max.heap.size.mb` of a topology that says nothing (Storm's default).
const HEAP_MB: f64 = 768.0;

/// Cores and GiB that a topology needs, by its id.
pub type Each = BTreeMap<String, (f64, f64)>;

/// Cores and memory that topologies needed of late. One that has ended needs nothing any more.
#[derive(Debug, Default)]
pub struct Memory {
    past: BTreeMap<String, VecDeque<(u64, f64, f64)>>,
}

impl Memory {
    /// Takes what is needed now and answers the sum of what each topology needed most in the last ten minutes, with
    /// the reserves for what comes in bursts; nothing when nothing is needed.
    pub fn demand(&mut self, each: &Each, now_ms: u64) -> Option<Demand> {
        self.past.retain(|id, _| each.contains_key(id));
        let (mut vcpu, mut memory_gib) = (0.0, 0.0);
        for (id, (cores, gib)) in each {
            let past = self.past.entry(id.clone()).or_default();
            while past.front().is_some_and(|p| p.0 + REMEMBERED_MS <= now_ms) {
                past.pop_front();
            }
            // What is less than a later one is never the most again.
            while past.back().is_some_and(|p| p.1 <= *cores && p.2 <= *gib) {
                past.pop_back();
            }
            past.push_back((now_ms, *cores, *gib));
            let most = |of: fn(&(u64, f64, f64)) -> f64| past.iter().map(of).fold(0.0, f64::max);
            vcpu += most(|p| p.1) / CPU_BUSY;
            memory_gib += most(|p| p.2) / MEMORY_USED;
        }
        (vcpu > 0.0 && memory_gib > 0.0).then(|| Demand {
            need: Need { vcpu, memory_gib },
            network_mbps: 0.0,
            kind: Kind::of(memory_gib / vcpu),
        })
    }
}

/// What these topologies need now.
pub fn needed(topologies: &[pb::TopologyInfo]) -> Each {
    let of = |t: &pb::TopologyInfo| {
        let workers = f64::from(live::workers(t));
        let cores = live::number(t, "topology.worker.cores")
            .unwrap_or(1.0)
            .max(1.0);
        let heap = live::number(t, "topology.worker.max.heap.size.mb").unwrap_or(HEAP_MB);
        let used: f64 = t.workers.iter().map(|w| w.cpu_percent).sum::<f64>() / 100.0;
        let held: f64 = t.workers.iter().map(|w| w.memory_mb).sum();
        (
            (workers * cores).max(used),
            (workers * heap).max(held) / 1024.0,
        )
    };
    let lives = |t: &&pb::TopologyInfo| {
        let summary = t.summary.as_ref();
        summary.is_some_and(|s| s.status() != pb::TopologyStatus::Killed)
    };
    let id = |t: &pb::TopologyInfo| {
        t.summary
            .as_ref()
            .map_or_else(String::new, |s| s.id.clone())
    };
    topologies
        .iter()
        .filter(lives)
        .map(|t| (id(t), of(t)))
        .collect()
}

/// Executors on each node, and those that are about to come to it.
pub fn work(topologies: &[pb::TopologyInfo]) -> BTreeMap<String, u32> {
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    for a in topologies.iter().filter_map(|t| t.assignment.as_ref()) {
        for e in a.executors.iter().chain(&a.standby) {
            if let Some(worker) = a.workers.get(e.worker as usize) {
                *found.entry(worker.node_id.clone()).or_default() += 1;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(conf: &str, workers: &[(f64, f64)]) -> pb::TopologyInfo {
        pb::TopologyInfo {
            json_conf: conf.to_owned(),
            summary: Some(pb::TopologySummary {
                workers: workers.len() as u32,
                ..Default::default()
            }),
            workers: workers
                .iter()
                .map(|(cpu_percent, memory_mb)| pb::WorkerInfo {
                    cpu_percent: *cpu_percent,
                    memory_mb: *memory_mb,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }
    }

    #[test]
    fn declared_or_measured_whichever_is_more() {
        let need = |t: &pb::TopologyInfo| needed(std::slice::from_ref(t)).get("").copied();
        let idle = topology("{}", &[(3.0, 40.0), (2.0, 40.0)]);
        assert_eq!(need(&idle), Some((2.0, 1.5)));
        let busy = topology(r#"{"topology.worker.cores":2}"#, &[(350.0, 9_216.0)]);
        assert_eq!(need(&busy), Some((3.5, 9.0)));
        let mut killed = idle;
        killed
            .summary
            .as_mut()
            .unwrap()
            .set_status(pb::TopologyStatus::Killed);
        assert_eq!(need(&killed), None);
    }

    #[test]
    fn a_dip_is_not_followed_at_once_but_an_end_is() {
        let mut memory = Memory::default();
        let one = |id: &str, cores| Each::from([(id.to_owned(), (cores, 1.0))]);
        let vcpu =
            |d: Option<Demand>| d.map_or(0.0, |d| (d.need.vcpu * CPU_BUSY * 1e6).round() / 1e6);
        assert_eq!(vcpu(memory.demand(&one("a", 7.0), 0)), 7.0);
        assert_eq!(vcpu(memory.demand(&one("a", 2.0), 599_999)), 7.0);
        assert_eq!(vcpu(memory.demand(&one("a", 3.0), 600_000)), 3.0);
        assert_eq!(vcpu(memory.demand(&one("b", 1.0), 600_001)), 1.0);
        assert!(memory.demand(&Each::new(), 600_002).is_none());
    }

    #[test]
    fn work_is_counted_where_it_is_and_where_it_goes() {
        let at = |worker| pb::ExecutorAssignment {
            worker,
            ..Default::default()
        };
        let worker = |node: &str| pb::WorkerRef {
            node_id: node.to_owned(),
            ..Default::default()
        };
        let mut t = topology("{}", &[]);
        t.assignment = Some(pb::Assignment {
            workers: vec![worker("a"), worker("b")],
            executors: vec![at(0), at(0), at(1)],
            standby: vec![at(1), at(9)],
            ..Default::default()
        });
        let found = work(&[t]);
        assert_eq!((found["a"], found["b"]), (2, 2));
    }
}
