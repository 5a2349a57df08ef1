//! Nodes and pools by number, so that fifty thousand executors are laid without comparing names.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::model::{Executor, Node, Problem, Slot};

/// A slot by its node's number and its port.
pub type Place = (u32, u16);

/// The numbered nodes of a problem.
pub struct Ground<'p> {
    /// The nodes, as the problem has them.
    pub nodes: &'p [Node],
    /// Pool of each node.
    pub pool: Vec<usize>,
    /// Names of the pools, sorted.
    pub pools: Vec<&'p str>,
    index: FxHashMap<&'p str, u32>,
}

impl<'p> Ground<'p> {
    /// Numbers nodes and pools.
    pub fn new(problem: &'p Problem) -> Self {
        let nodes = &problem.nodes;
        let mut pools: Vec<&str> = nodes.iter().map(|n| n.pool.as_str()).collect();
        pools.sort_unstable();
        pools.dedup();
        let number: BTreeMap<&str, usize> = pools.iter().copied().zip(0..).collect();
        Self {
            pool: nodes
                .iter()
                .map(|n| number.get(n.pool.as_str()).copied().unwrap_or(0))
                .collect(),
            pools,
            index: nodes.iter().map(|n| n.id.as_str()).zip(0..).collect(),
            nodes,
        }
    }

    /// The node of a place.
    pub fn node(&self, place: Place) -> &'p Node {
        &self.nodes[place.0 as usize]
    }

    /// The pool of a place.
    pub fn pool_of(&self, place: Place) -> usize {
        self.pool[place.0 as usize]
    }

    /// The slot of a place.
    pub fn slot(&self, place: Place) -> Slot {
        Slot {
            node: self.node(place).id.clone(),
            port: place.1,
        }
    }

    /// Where each executor is now, if it may stay there; in the problem's order.
    pub fn kept(&self, problem: &Problem) -> Vec<Option<Place>> {
        let place = |e: &Executor| {
            let slot = problem.current.get(e)?;
            let node = *self.index.get(slot.node.as_str())?;
            let n = &self.nodes[node as usize];
            let stays = n.keeps && n.ports.binary_search(&slot.port).is_ok();
            stays.then_some((node, slot.port))
        };
        problem.executors.iter().map(|(e, _)| place(e)).collect()
    }

    /// The answer's map.
    pub fn answer(&self, problem: &Problem, places: &[Option<Place>]) -> BTreeMap<Executor, Slot> {
        let pairs = problem.executors.iter().zip(places);
        pairs
            .filter_map(|((e, _), p)| Some((*e, self.slot((*p)?))))
            .collect()
    }
}
