//! What an assignment means for one worker.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet};

use fulmar_api::TaskId;
use fulmar_engine::outbox::Placement;
use fulmar_engine::worker::bit_of;
use fulmar_proto::nimbus as pb;

/// The newest assignment, as this worker sees it.
pub struct Placed {
    me: u64,
    version: u64,
    /// Slot → incarnation last heard of.
    known: BTreeMap<(String, u32), u64>,
}

/// What to do.
pub struct Changes {
    /// Task id → incarnation; 0: nobody yet.
    pub owners: Vec<u64>,
    /// The same for outboxes.
    pub placement: Placement,
    /// Workers to be linked with.
    pub peers: Vec<(u64, String)>,
    /// Tasks that this worker runs.
    pub run: BTreeSet<TaskId>,
    /// Tasks that it opens without running them.
    pub standby: BTreeSet<TaskId>,
    /// Spouts emit: the topology is active and every task has an owner.
    pub active: bool,
    /// Incarnations that are lost.
    pub lost: Vec<u64>,
}

impl Placed {
    /// Nothing yet, for the worker of this incarnation.
    pub fn new(me: u64) -> Self {
        Self {
            me,
            version: 0,
            known: BTreeMap::new(),
        }
    }

    /// Takes over an assignment for a topology of `tasks` − 1 tasks; an older one is no news.
    pub fn adopt(&mut self, a: &pb::Assignment, tasks: usize) -> Option<Changes> {
        if a.version < self.version {
            return None;
        }
        let incarnations: Vec<u64> = a.workers.iter().map(|w| self.incarnation(w, a)).collect();
        self.version = a.version;
        let mut owners = vec![0; tasks];
        for (task, worker) in spread(&a.executors) {
            if let (Some(owner), Some(i)) =
                (owners.get_mut(task as usize), incarnations.get(worker))
            {
                *owner = *i;
            }
        }
        let standby = spread(&a.standby).filter(|(_, w)| incarnations.get(*w) == Some(&self.me));
        let run = |t: &TaskId| owners.get(*t as usize) == Some(&self.me);
        let standby: BTreeSet<_> = standby.map(|(t, _)| t).filter(|t| !run(t)).collect();
        let peers = a
            .workers
            .iter()
            .zip(&incarnations)
            .filter(|(_, i)| **i != 0 && **i != self.me);
        Some(Changes {
            placement: Placement {
                bits: owners
                    .iter()
                    .map(|o| if *o == 0 { 0 } else { bit_of(*o) })
                    .collect(),
                local: owners.iter().map(|o| *o == self.me).collect(),
            },
            peers: peers
                .map(|(w, i)| (*i, format!("{}:{}", w.host, w.port)))
                .collect(),
            run: (1..tasks as TaskId).filter(run).collect(),
            standby,
            active: a.status() == pb::TopologyStatus::Active
                && owners.iter().skip(1).all(|o| *o != 0),
            lost: a.lost_incarnations.clone(),
            owners,
        })
    }

    /// Who is in a slot. A Nimbus that was restarted has not heard of everybody yet: who was there
    /// before is there still, unless it is lost.
    fn incarnation(&mut self, worker: &pb::WorkerRef, a: &pb::Assignment) -> u64 {
        let slot = (worker.node_id.clone(), worker.port);
        if worker.incarnation != 0 {
            self.known.insert(slot, worker.incarnation);
            return worker.incarnation;
        }
        let before = self
            .known
            .get(&slot)
            .copied()
            .filter(|_| a.version == self.version);
        before
            .filter(|i| !a.lost_incarnations.contains(i))
            .unwrap_or(0)
    }
}

/// Every task with the index of its worker.
fn spread(executors: &[pb::ExecutorAssignment]) -> impl Iterator<Item = (TaskId, usize)> {
    executors.iter().flat_map(|e| {
        let tasks = e.executor.iter().flat_map(|x| x.first_task..=x.last_task);
        tasks.map(move |task| (task, e.worker as usize))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(port: u32, incarnation: u64) -> pb::WorkerRef {
        pb::WorkerRef {
            node_id: "n".into(),
            host: "h".into(),
            port,
            incarnation,
        }
    }

    fn executor(first: TaskId, last: TaskId, worker: u32) -> pb::ExecutorAssignment {
        let executor = Some(pb::Executor {
            first_task: first,
            last_task: last,
        });
        pb::ExecutorAssignment {
            executor,
            worker,
            epoch: 1,
        }
    }

    fn assignment() -> pb::Assignment {
        let mut a = pb::Assignment {
            version: 3,
            workers: vec![worker(6700, 10), worker(6701, 11)],
            executors: vec![executor(1, 2, 0), executor(3, 3, 1)],
            standby: vec![executor(3, 3, 0)],
            ..Default::default()
        };
        a.set_status(pb::TopologyStatus::Active);
        a
    }

    #[test]
    fn a_worker_runs_what_names_its_incarnation() {
        let changes = Placed::new(10).adopt(&assignment(), 4).unwrap();
        assert_eq!(changes.owners, [0, 10, 10, 11]);
        assert_eq!(changes.run, BTreeSet::from([1, 2]));
        assert_eq!(changes.standby, BTreeSet::from([3]));
        assert_eq!(changes.peers, [(11, "h:6701".to_owned())]);
        assert!(changes.active);
    }

    #[test]
    fn spouts_wait_until_every_task_has_an_owner() {
        let mut a = assignment();
        a.workers[1].incarnation = 0;
        assert!(!Placed::new(10).adopt(&a, 4).unwrap().active);
    }

    #[test]
    fn an_older_version_is_no_news() {
        let mut placed = Placed::new(10);
        placed.adopt(&assignment(), 4).unwrap();
        assert!(
            placed
                .adopt(
                    &pb::Assignment {
                        version: 2,
                        ..assignment()
                    },
                    4
                )
                .is_none()
        );
    }

    #[test]
    fn a_nimbus_that_was_restarted_disturbs_nobody() {
        let mut placed = Placed::new(10);
        placed.adopt(&assignment(), 4).unwrap();
        let mut a = assignment();
        a.workers[1].incarnation = 0;
        assert_eq!(placed.adopt(&a, 4).unwrap().owners, [0, 10, 10, 11]);
        // Who is lost is not believed to live.
        a.lost_incarnations = vec![11];
        assert_eq!(placed.adopt(&a, 4).unwrap().owners, [0, 10, 10, 0]);
        // A newer version says who owns what.
        a.version = 4;
        a.lost_incarnations.clear();
        assert_eq!(placed.adopt(&a, 4).unwrap().owners, [0, 10, 10, 0]);
    }
}
