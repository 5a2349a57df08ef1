//! The even scheduler: executors on slots, slots on nodes (README.md has the wanted properties).
//!
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet};

use fulmar_api::TaskId;

#[cfg(test)]
mod tests;

/// A contiguous range of task ids: first and last.
pub type Executor = (TaskId, TaskId);

/// A place for a worker: node id and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The node.
    pub node: String,
    /// The port of the worker.
    pub port: u16,
}

/// A node as the scheduler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Ports that no other topology uses, ascending.
    pub ports: Vec<u16>,
    /// Whether anything new may be laid there: alive and not cordoned.
    pub usable: bool,
}

/// What is to be solved.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// Executors of the topology with their component's index.
    pub executors: Vec<(Executor, usize)>,
    /// `topology.workers`.
    pub workers: usize,
    /// Nodes, with the topology's own ports among theirs.
    pub nodes: Vec<Node>,
    /// Where executors are now.
    pub current: BTreeMap<Executor, Slot>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solution {
    /// Where executors shall be; empty when there is no slot at all.
    pub placed: BTreeMap<Executor, Slot>,
    /// What is missing, in words.
    pub missing: Option<String>,
}

/// Solves one topology.
pub fn solve(problem: &Problem) -> Solution {
    let usable: BTreeMap<&str, &Node> = problem
        .nodes
        .iter()
        .filter(|n| n.usable)
        .map(|n| (n.id.as_str(), n))
        .collect();
    let wanted = problem.workers.clamp(1, problem.executors.len().max(1));
    let keeps = |slot: &Slot| {
        usable
            .get(slot.node.as_str())
            .is_some_and(|n| n.ports.contains(&slot.port))
    };
    let mut slots: BTreeSet<Slot> = problem
        .current
        .values()
        .filter(|s| keeps(s))
        .cloned()
        .collect();
    while slots.len() > wanted {
        let least = slots
            .iter()
            .min_by_key(|s| problem.current.values().filter(|c| c == s).count())
            .cloned();
        least.map(|s| slots.remove(&s));
    }
    while slots.len() < wanted {
        match next_slot(&usable, &slots) {
            Some(slot) => slots.insert(slot),
            None => break,
        };
    }
    if slots.is_empty() {
        let text = format!(
            "no free slot for {} executors: {} of {} nodes are usable; start a supervisor or free a slot",
            problem.executors.len(),
            usable.len(),
            problem.nodes.len()
        );
        return Solution {
            placed: BTreeMap::new(),
            missing: Some(text),
        };
    }
    let missing = (slots.len() < wanted).then(|| {
        format!(
            "{} of {wanted} workers have a slot: the topology runs with fewer until there are more",
            slots.len()
        )
    });
    Solution {
        placed: lay(problem, &slots),
        missing,
    }
}

/// A free slot on the usable node that this topology uses least, then on the one with most room.
fn next_slot(usable: &BTreeMap<&str, &Node>, taken: &BTreeSet<Slot>) -> Option<Slot> {
    let free = |n: &Node| {
        n.ports
            .iter()
            .find(|p| {
                !taken.contains(&Slot {
                    node: n.id.clone(),
                    port: **p,
                })
            })
            .copied()
    };
    let used = |n: &Node| taken.iter().filter(|s| s.node == n.id).count();
    let best = usable
        .values()
        .filter(|n| free(n).is_some())
        .min_by_key(|n| {
            let used = used(n);
            (used, usize::MAX - (n.ports.len() - used), n.id.clone())
        })?;
    Some(Slot {
        node: best.id.clone(),
        port: free(best)?,
    })
}

/// Keeps executors on slots that stay, unless a slot is new and empty; lays the others where there
/// are fewest, of their own component first, so that a component spreads.
fn lay(problem: &Problem, slots: &BTreeSet<Slot>) -> BTreeMap<Executor, Slot> {
    let mut placed: BTreeMap<Executor, Slot> = BTreeMap::new();
    let mut load: BTreeMap<&Slot, (usize, BTreeMap<usize, usize>)> =
        slots.iter().map(|s| (s, Default::default())).collect();
    let mut homeless = Vec::new();
    // A slot that holds nothing yet takes its share from those that hold more than theirs.
    let fresh = slots
        .iter()
        .any(|s| !problem.current.values().any(|c| c == s));
    let most = if fresh {
        problem.executors.len().div_ceil(slots.len())
    } else {
        usize::MAX
    };
    for (executor, component) in &problem.executors {
        let room = |s: &&Slot| load.get(*s).is_some_and(|(all, _)| *all < most);
        match problem
            .current
            .get(executor)
            .and_then(|s| load.get_key_value(s).map(|(k, _)| *k))
            .filter(room)
        {
            Some(slot) => {
                placed.insert(*executor, slot.clone());
                count(&mut load, slot, *component);
            }
            None => homeless.push((*executor, *component)),
        }
    }
    for (executor, component) in homeless {
        let best = load
            .iter()
            .min_by_key(|(slot, (all, by))| (*all, by.get(&component).copied().unwrap_or(0), *slot))
            .map(|(slot, _)| *slot);
        if let Some(slot) = best {
            placed.insert(executor, slot.clone());
            count(&mut load, slot, component);
        }
    }
    placed
}

fn count<'s>(
    load: &mut BTreeMap<&'s Slot, (usize, BTreeMap<usize, usize>)>,
    slot: &'s Slot,
    component: usize,
) {
    if let Some((all, by)) = load.get_mut(slot) {
        *all += 1;
        *by.entry(component).or_default() += 1;
    }
}
