//! A node of the simulation: what a supervisor and its workers do, as far as Nimbus can tell.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fulmar_nimbus::scheduler::Executor;
use fulmar_proto::nimbus as pb;

/// A worker process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// The topology that it was started for.
    pub topology: String,
    /// This life.
    pub incarnation: u64,
    /// The life of Nimbus that it is linked to.
    pub linked: Option<u64>,
    /// A registration is under way.
    pub asking: bool,
    /// The assignment that it runs.
    pub version: u64,
    /// What it runs.
    pub runs: BTreeSet<Executor>,
    /// What it holds open for a move.
    pub ready: BTreeSet<Executor>,
}

/// A node.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// When its supervisor started.
    pub started: u64,
    /// The machine runs.
    pub alive: bool,
    /// It will not come back.
    pub gone: bool,
    /// When it is cut off until.
    pub cut_until: u64,
    /// When it will be terminated.
    pub deadline: Option<u64>,
    /// The life of Nimbus that its supervisor is linked to.
    pub linked: Option<u64>,
    /// A registration is under way.
    pub asking: bool,
    /// What Nimbus wants on its slots.
    pub wanted: BTreeMap<u16, String>,
    /// Its workers.
    pub processes: BTreeMap<u16, Process>,
    /// Ends of workers that Nimbus has not heard of yet.
    pub reports: VecDeque<(u16, u64)>,
}

impl Node {
    /// Ends a worker; Nimbus is to hear of it.
    pub fn end(&mut self, port: u16) {
        if let Some(p) = self.processes.remove(&port) {
            self.reports.push_back((port, p.incarnation));
        }
    }

    /// The machine stops, with everything on it.
    pub fn die(&mut self) {
        (self.alive, self.linked, self.asking) = (false, None, false);
        self.processes.clear();
        self.reports.clear();
        self.wanted.clear();
    }

    /// Takes what Nimbus wants: ends what is not wanted any more.
    pub fn take(&mut self, assignment: &pb::SupervisorAssignment) {
        let slots = assignment.slots.iter();
        self.wanted = slots
            .filter_map(|s| Some((u16::try_from(s.port).ok()?, s.topology_id.clone())))
            .collect();
        let wrong = |(port, p): (&u16, &Process)| {
            (self.wanted.get(port) != Some(&p.topology)).then_some(*port)
        };
        let wrong: Vec<u16> = self.processes.iter().filter_map(wrong).collect();
        wrong.into_iter().for_each(|port| self.end(port));
    }
}

impl Process {
    /// Takes a newer assignment: what it runs and what it opens, with the epochs of what it runs.
    pub fn take(&mut self, a: &pb::Assignment) -> Vec<(Executor, u64)> {
        if a.version <= self.version {
            return Vec::new();
        }
        self.version = a.version;
        let mine = |e: &&pb::ExecutorAssignment| {
            let worker = a.workers.get(e.worker as usize);
            worker.is_some_and(|w| w.incarnation == self.incarnation)
        };
        let executor = |e: &pb::ExecutorAssignment| {
            let x = e.executor.unwrap_or_default();
            ((x.first_task, x.last_task), e.epoch)
        };
        let runs: Vec<_> = a.executors.iter().filter(mine).map(executor).collect();
        self.ready = a
            .standby
            .iter()
            .filter(mine)
            .map(|e| executor(e).0)
            .collect();
        self.runs = runs.iter().map(|(e, _)| *e).collect();
        runs
    }
}
