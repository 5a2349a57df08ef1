//! How many node losses each topology bears now: the real scheduler tries them, on a copy of the state.
//!
//! A topology bears a loss when afterwards every executor has a place and no worker lacks a slot; a pool's
//! share that cannot be kept meanwhile does not count. The nodes lost are the worst ones: those with most
//! room, those that hold most, and the worst of one pool.
//!
//! Pure: no clock, no I/O, no async.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Why;
use crate::limits::{DRY_RUNS, ENDURES_MOST};
use crate::model::{State, Topology};
use crate::place;

/// Losses that each topology bears, by its id; at most [`ENDURES_MOST`], and fewer than there are nodes.
pub fn endures(state: &State, now: u64) -> BTreeMap<String, u32> {
    let mut borne: BTreeMap<String, u32> =
        state.topologies.keys().map(|id| (id.clone(), 0)).collect();
    let mut standing: BTreeSet<String> = state
        .topologies
        .values()
        .filter(|t| whole(state, t, now))
        .map(|t| t.id.clone())
        .collect();
    let orders = orders(state, now);
    let nodes = orders.first().map_or(0, Vec::len);
    let mut runs = 0;
    for k in 1..nodes.min(ENDURES_MOST + 1) {
        let mut tried: BTreeSet<Vec<&String>> = BTreeSet::new();
        for order in &orders {
            let mut lost: Vec<&String> = order.iter().take(k).collect();
            lost.sort();
            if standing.is_empty() || runs == DRY_RUNS {
                return borne;
            }
            if tried.insert(lost.clone()) {
                runs += 1;
                let after = without(state, &lost, now);
                standing.retain(|id| {
                    after
                        .topologies
                        .get(id)
                        .is_some_and(|t| whole(&after, t, now))
                });
            }
        }
        for id in &standing {
            borne.insert(id.clone(), k as u32);
        }
    }
    borne
}

/// Whether every executor has a place on a living node, and no worker lacks a slot.
fn whole(state: &State, t: &Topology, now: u64) -> bool {
    let lives = |p: &crate::model::Placed| {
        let node = p.move_to.as_ref().map_or(&p.node, |(to, _)| to);
        state.alive(node, now)
    };
    !t.short && !t.placed.is_empty() && t.placed.iter().all(lives)
}

/// Orders in which living nodes may be lost, the worst first.
fn orders(state: &State, now: u64) -> Vec<Vec<String>> {
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    for p in state.topologies.values().flat_map(|t| &t.placed) {
        *held.entry(&p.node).or_default() += 1;
    }
    let holds = |id: &str| held.get(id).copied().unwrap_or(0);
    let mut nodes: Vec<_> = state
        .nodes
        .values()
        .filter(|n| state.alive(&n.id, now))
        .collect();
    let size = |n: &crate::model::Node| (n.slots.len(), n.resources.memory as u64);
    let ids =
        |nodes: &[&crate::model::Node]| nodes.iter().map(|n| n.id.clone()).collect::<Vec<_>>();
    let mut orders = Vec::new();
    nodes.sort_by_key(|n| Reverse((holds(&n.id), size(n))));
    orders.push(ids(&nodes));
    nodes.sort_by_key(|n| Reverse((size(n), holds(&n.id))));
    orders.push(ids(&nodes));
    let pools: BTreeSet<String> = nodes.iter().map(|n| n.pool()).collect();
    if pools.len() > 1 && nodes.len() <= 100 {
        for pool in pools {
            nodes.sort_by_key(|n| (n.pool() != pool, Reverse((size(n), holds(&n.id)))));
            orders.push(ids(&nodes));
        }
    }
    orders
}

/// The state after these nodes are gone and everything was laid again.
fn without(state: &State, lost: &[&String], now: u64) -> State {
    let mut after = state.clone();
    after.started = 0;
    for id in lost {
        after.nodes.remove(*id);
        after.heard.remove(*id);
    }
    let ids: Vec<_> = after.topologies.keys().cloned().collect();
    ids.iter().for_each(|id| after.lay_again(id, Why::Need));
    place::place_due(&mut after, now, &mut Vec::new());
    after
}
