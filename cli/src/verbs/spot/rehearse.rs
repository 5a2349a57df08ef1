//! The planner's verdict tried on Nimbus' own scheduler: the worst losses that a topology is said to bear are taken
//! away, everything is laid anew, and one loss more must show.

use std::collections::{BTreeMap, BTreeSet};

use fulmar_nimbus::scheduler::{Node, Problem, Slot, solve};
use fulmar_proto::nimbus as pb;
use fulmar_spot_plan::topologies::Endurance;

use super::live::Cluster;

/// For each topology what the scheduler says of the planner's verdict.
pub fn verdicts(cluster: &Cluster, found: &[Endurance]) -> Vec<String> {
    let nodes = cluster.nodes.len() as u32;
    let one = |(i, e): (usize, &Endurance)| {
        if !e.served {
            return "short already".to_owned();
        }
        let at = e.any_nodes;
        match (
            holds(cluster, i, at),
            at >= nodes || !holds(cluster, i, at + 1),
        ) {
            (true, true) => format!("agrees: {at} may go, {} may not", at + 1),
            (true, false) => format!("bears even {}", at + 1),
            (false, _) => format!("does not lay it after {at}"),
        }
    };
    found.iter().enumerate().map(one).collect()
}

/// Whether topology number `which` has all its workers after the `lost` largest nodes have gone.
fn holds(cluster: &Cluster, which: usize, lost: u32) -> bool {
    let mut left: Vec<&pb::SupervisorSummary> = cluster.nodes.iter().collect();
    left.sort_by(|a, b| {
        b.slots_total
            .cmp(&a.slots_total)
            .then(a.node_id.cmp(&b.node_id))
    });
    let left: BTreeSet<&str> = left
        .iter()
        .skip(lost as usize)
        .map(|n| n.node_id.as_str())
        .collect();
    let mut taken: BTreeSet<Slot> = BTreeSet::new();
    for (i, t) in cluster.topologies.iter().enumerate().take(which + 1) {
        let solution = solve(&problem(cluster, t, &left, &taken));
        if i == which {
            return solution.missing.is_none();
        }
        taken.extend(solution.placed.into_values());
    }
    false
}

fn problem(
    cluster: &Cluster,
    t: &pb::TopologyInfo,
    left: &BTreeSet<&str>,
    taken: &BTreeSet<Slot>,
) -> Problem {
    let executors = t.assignment.iter().flat_map(|a| &a.executors);
    let executors = executors.filter_map(|e| {
        let executor = e.executor.as_ref()?;
        // How components mix on the slots does not change whether there are slots.
        Some(((executor.first_task, executor.last_task), 0))
    });
    let nodes = cluster.nodes.iter().map(|n| {
        let ports = n.slots.iter().filter_map(|s| u16::try_from(s.port).ok());
        let free = |port: &u16| {
            let slot = Slot {
                node: n.node_id.clone(),
                port: *port,
            };
            !taken.contains(&slot)
        };
        Node {
            id: n.node_id.clone(),
            ports: ports.filter(free).collect(),
            usable: left.contains(n.node_id.as_str()),
        }
    });
    Problem {
        workers: super::live::workers(t) as usize,
        nodes: nodes.collect(),
        executors: executors.collect(),
        // Whoever is served first takes what it needs, wherever work is now.
        current: BTreeMap::new(),
    }
}
