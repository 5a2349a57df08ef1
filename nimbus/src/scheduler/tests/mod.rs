//! The wanted properties of README.md over random clusters: what all of these share.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::model::{Component, Executor, Kind, Node, Problem, Resources, Rules, Slot};

mod even;
mod pools;
mod resource;

/// A node of a random cluster: ports, pool, on-demand, open.
type Draw = (usize, usize, bool, bool);

fn node(i: usize, (ports, pool, stable, open): Draw) -> Node {
    Node {
        id: format!("n{i}"),
        host: format!("h{i}"),
        pool: format!("p{pool}"),
        stable,
        ports: (0..ports as u16).map(|p| 6700 + p).collect(),
        keeps: true,
        open: open || i == 0,
        settled: true,
        room: Resources {
            cpu: 100.0 * ports as f64,
            memory: 512.0 * ports as f64,
            generic: BTreeMap::new(),
        },
    }
}

fn problem(kind: Kind) -> impl Strategy<Value = Problem> {
    let nodes = prop::collection::vec((0_usize..5, 0_usize..3, any::<bool>(), any::<bool>()), 0..8);
    let share = prop_oneof![Just(1.0), Just(0.5), Just(0.34)];
    let stable = prop::collection::btree_set(0_usize..5, 0..3);
    (1_usize..40, 1_usize..8, nodes, share, stable, any::<bool>()).prop_map(
        move |(executors, workers, nodes, share, stable, apart)| Problem {
            executors: (0..executors as i32)
                .map(|i| ((i + 1, i + 1), i as usize * 5 / executors))
                .collect(),
            components: (0..5)
                .map(|i| Component {
                    id: format!("c{i}"),
                    demand: Resources {
                        cpu: 5.0 * (i + 1) as f64,
                        memory: 40.0 * (i + 1) as f64,
                        generic: BTreeMap::new(),
                    },
                    on_heap: 30.0 * (i + 1) as f64,
                    stable: stable.contains(&i),
                    per_node: (apart && i == 1).then_some(2),
                    apart: if apart && i == 2 { vec![3] } else { Vec::new() },
                })
                .collect(),
            workers,
            nodes: nodes
                .into_iter()
                .enumerate()
                .map(|(i, d)| node(i, d))
                .collect(),
            current: BTreeMap::new(),
            rules: Rules {
                kind,
                share,
                heap: 300.0,
                ..Rules::default()
            },
            spread: false,
        },
    )
}

fn by_slot(placed: &BTreeMap<Executor, Slot>) -> BTreeMap<&Slot, usize> {
    placed.values().fold(BTreeMap::new(), |mut all, slot| {
        *all.entry(slot).or_default() += 1;
        all
    })
}

/// Executors by component and pool.
fn by_pool(p: &Problem, placed: &BTreeMap<Executor, Slot>) -> BTreeMap<(usize, String), usize> {
    let pools: BTreeMap<&str, &str> = p
        .nodes
        .iter()
        .map(|n| (n.id.as_str(), n.pool.as_str()))
        .collect();
    let mut all = BTreeMap::new();
    for (e, c) in &p.executors {
        if let Some(slot) = placed.get(e) {
            *all.entry((*c, pools[slot.node.as_str()].to_owned()))
                .or_default() += 1;
        }
    }
    all
}

fn nodes_of(placed: &BTreeMap<Executor, Slot>) -> BTreeSet<&str> {
    placed.values().map(|s| s.node.as_str()).collect()
}

/// Takes a node away.
fn lose(p: &mut Problem, at: usize) -> String {
    (p.nodes[at].keeps, p.nodes[at].open) = (false, false);
    let id = p.nodes[at].id.clone();
    p.current.retain(|_, s| s.node != id);
    id
}
