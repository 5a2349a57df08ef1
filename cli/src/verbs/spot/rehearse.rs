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

/// Topologies that lack slots after these nodes have gone and everything was laid anew, in the order in which
/// they are served.
pub fn short_without(cluster: &Cluster, lost: &BTreeSet<&str>) -> Vec<String> {
    let ids = cluster.nodes.iter().map(|n| n.node_id.as_str());
    let left: BTreeSet<&str> = ids.filter(|id| !lost.contains(id)).collect();
    let mut taken: BTreeSet<Slot> = BTreeSet::new();
    let mut short = Vec::new();
    for t in &cluster.topologies {
        let solution = solve(&problem(cluster, t, &left, &taken));
        if solution.missing.is_some() {
            let name = t.summary.as_ref().map(|s| s.name.clone());
            short.push(name.unwrap_or_default());
        }
        taken.extend(solution.placed.into_values());
    }
    short
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
        let usable = left.contains(n.node_id.as_str());
        Node {
            id: n.node_id.clone(),
            host: n.host.clone(),
            ports: ports.filter(free).collect(),
            keeps: usable,
            open: usable,
            settled: true,
            ..Node::default()
        }
    });
    Problem {
        workers: super::live::workers(t) as usize,
        nodes: nodes.collect(),
        executors: executors.collect(),
        // Whoever is served first takes what it needs, wherever work is now.
        current: BTreeMap::new(),
        ..Problem::default()
    }
}

#[cfg(test)]
mod tests {
    use fulmar_spot_plan::chance::Chance;
    use fulmar_spot_plan::losses::Losses;
    use fulmar_spot_plan::topologies::{Wanted, endurance};

    use super::*;
    use crate::verbs::spot::live::topology;

    fn node(id: usize, slots: u32) -> pb::SupervisorSummary {
        let slot = |i| pb::SlotState {
            port: 6_700 + i,
            ..Default::default()
        };
        pb::SupervisorSummary {
            node_id: format!("n{id}"),
            slots_total: slots,
            slots: (0..slots).map(slot).collect(),
            instance_type: format!("t{}", id % 3),
            zone: "z".to_owned(),
            alive: true,
            ..Default::default()
        }
    }

    fn running(id: usize, workers: u32) -> pb::TopologyInfo {
        let executor = |i: i32| pb::ExecutorAssignment {
            executor: Some(pb::Executor {
                first_task: i,
                last_task: i,
            }),
            ..Default::default()
        };
        pb::TopologyInfo {
            summary: Some(pb::TopologySummary {
                name: format!("t{id}"),
                workers,
                ..Default::default()
            }),
            json_conf: format!("{{\"topology.workers\": {workers}}}"),
            assignment: Some(pb::Assignment {
                executors: (0..2 * workers as i32).map(executor).collect(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_loss_of_named_nodes_is_borne_while_there_are_slots() {
        let cluster = Cluster::of(
            vec![node(0, 2), node(1, 2), node(2, 1)],
            vec![running(0, 2), running(1, 1)],
        );
        let short = |lost: &[&str]| short_without(&cluster, &lost.iter().copied().collect());
        assert_eq!(short(&[]), Vec::<String>::new());
        assert_eq!(short(&["n0"]), Vec::<String>::new());
        assert_eq!(short(&["n0", "n2"]), ["t1"]);
        assert_eq!(short(&["n0", "n1"]), ["t0", "t1"]);
        assert_eq!(short(&["nobody"]), Vec::<String>::new());
    }

    #[test]
    fn the_scheduler_agrees_with_the_planner_on_any_cluster() {
        let losses = Losses::Rate {
            per_s: vec![1e-6],
            shares: vec![1.0],
        };
        let wanted = Wanted {
            losses: &losses,
            window_s: 120.0,
            target: 0.999,
            seed: 1,
        };
        for seed in 0..60 {
            let mut chance = Chance::new(seed);
            let nodes = (0..2 + chance.below(7)).map(|i| node(i, chance.below(5) as u32));
            let nodes: Vec<_> = nodes.collect();
            let topologies =
                (0..1 + chance.below(4)).map(|i| running(i, 1 + chance.below(4) as u32));
            let cluster = Cluster::of(nodes, topologies.collect());
            let (pools, nodes) = cluster.pools();
            let topologies: Vec<_> = cluster.topologies.iter().map(topology).collect();
            let found = endurance(&nodes, pools.len(), &topologies, &wanted);
            for (e, said) in found.iter().zip(verdicts(&cluster, &found)) {
                let expected = if e.served { "agrees" } else { "short" };
                assert!(said.starts_with(expected), "seed {seed}: {said}, {e:?}");
            }
        }
    }
}
