//! The invariants: owners while the run goes on, and health when all has come to rest.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use fulmar_nimbus::model::State;
use fulmar_nimbus::scheduler::Executor;

use crate::node::Node;

/// Who owned what: (topology, task, version or epoch) → incarnation.
#[derive(Default)]
pub struct Owners {
    versions: BTreeMap<(String, i32, u64), u64>,
    epochs: BTreeMap<(String, i32, u64), u64>,
}

impl Owners {
    /// Notes that a life runs executors under a version. Answers which invariant that breaks.
    pub fn note(
        &mut self,
        topology: &str,
        version: u64,
        incarnation: u64,
        runs: &[(Executor, u64)],
    ) -> Result<(), String> {
        for ((first, last), epoch) in runs {
            for task in *first..=*last {
                let key = (topology.to_owned(), task, version);
                let other = *self.versions.entry(key).or_insert(incarnation);
                if other != incarnation {
                    return Err(format!(
                        "one owner per task and version: task {task} of {topology} at version {version} belongs to {other} and to {incarnation}"
                    ));
                }
                let key = (topology.to_owned(), task, *epoch);
                let other = *self.epochs.entry(key).or_insert(incarnation);
                if other != incarnation {
                    return Err(format!(
                        "one owner per task and epoch: task {task} of {topology} in epoch {epoch} belongs to {other} and to {incarnation}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Whether everything runs that should, and nothing else.
pub fn healed(state: &State, nodes: &[Node]) -> Result<(), String> {
    let by_id: BTreeMap<&str, &Node> = nodes.iter().map(|n| (n.id.as_str(), n)).collect();
    for n in nodes.iter().filter(|n| n.alive) {
        for (port, p) in &n.processes {
            if !state.topologies.contains_key(&p.topology) {
                return Err(format!(
                    "a killed topology ends with no workers: {}:{port} still runs {}",
                    n.id, p.topology
                ));
            }
        }
    }
    for t in state.topologies.values() {
        let sick = |what: String| Err(format!("faults off, all heals: {}: {what}", t.id));
        let executors = t.spec.executors();
        if t.placed.len() != executors.len() {
            return sick(format!(
                "{} of {} executors are laid: {:?}",
                t.placed.len(),
                executors.len(),
                t.missing
            ));
        }
        if let Some(missing) = &t.missing {
            return sick(missing.clone());
        }
        for p in &t.placed {
            let node = by_id.get(p.node.as_str()).filter(|n| n.alive);
            let Some(node) = node else {
                return sick(format!(
                    "{:?} lies on {}, which is dead",
                    p.executor(),
                    p.node
                ));
            };
            if p.move_to.is_some() {
                return sick(format!("{:?} moves for ever", p.executor()));
            }
            let Some(process) = node.processes.get(&p.port) else {
                return sick(format!("nothing runs on {}:{}", p.node, p.port));
            };
            if process.topology != t.id || !process.runs.contains(&p.executor()) {
                return sick(format!(
                    "{}:{} of version {} does not run {:?} of version {}",
                    p.node,
                    p.port,
                    process.version,
                    p.executor(),
                    t.version
                ));
            }
        }
    }
    Ok(())
}
