//! Isolation (`isolation.scheduler.machines`): some topologies have a number of nodes to themselves.
//!
//! A node that is reserved takes nothing of others, and what they have there moves away; the topology
//! itself lies nowhere else. What it holds alone already stays reserved, so that asking again changes nothing.
//!
//! Pure: no clock, no I/O, no async.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Who uses a node that takes new work: name of the topology → its executors there.
pub type Use<'n> = BTreeMap<&'n str, usize>;

/// Which topology each reserved node belongs to. `wanted` holds nodes by topology's name, running ones only.
pub fn reserve<'n>(
    wanted: &BTreeMap<&'n str, usize>,
    nodes: &BTreeMap<&'n str, Use<'n>>,
) -> BTreeMap<&'n str, &'n str> {
    let mut reserved: BTreeMap<&str, &str> = BTreeMap::new();
    let mut order: Vec<(&str, usize)> = wanted.iter().map(|(t, n)| (*t, *n)).collect();
    order.sort_by_key(|(t, n)| (Reverse(*n), *t));
    // What each holds already is its own before anybody takes more: nobody is driven out by a newcomer.
    for held in [true, false] {
        for (topology, machines) in &order {
            let has = reserved.values().filter(|t| *t == topology).count();
            let key = |(node, uses): &(&&'n str, &Use<'n>)| {
                let own = uses.get(topology).copied().unwrap_or(0);
                let others = uses.iter().filter(|(t, _)| *t != topology);
                let foreign: usize = others.map(|(_, n)| n).sum();
                (foreign, Reverse(own), **node)
            };
            let mut free: Vec<_> = nodes
                .iter()
                .filter(|(n, uses)| {
                    !reserved.contains_key(*n) && (!held || uses.contains_key(topology))
                })
                .collect();
            free.sort_by_key(key);
            let more = machines.saturating_sub(has);
            for (node, _) in free.into_iter().take(more) {
                reserved.insert(node, topology);
            }
        }
    }
    reserved
}

/// What an isolated topology lacks, in words.
pub fn missing(topology: &str, wanted: usize, reserved: &BTreeMap<&str, &str>) -> Option<String> {
    let has: BTreeSet<_> = reserved.iter().filter(|(_, t)| **t == topology).collect();
    (has.len() < wanted).then(|| {
        format!(
            "isolation.scheduler.machines gives \"{topology}\" {wanted} nodes, {} can be had: start more",
            has.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    const NODES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];

    proptest! {
        #[test]
        fn nobody_gets_more_than_wanted_and_asking_again_changes_nothing(
            wanted in prop::collection::btree_map(0_usize..3, 1_usize..4, 0..3),
            uses in prop::collection::vec(prop::collection::btree_map(0_usize..4, 1_usize..5, 0..3), 0..6),
        ) {
            let wanted: BTreeMap<&str, usize> = wanted.iter().map(|(t, n)| (NAMES[*t], *n)).collect();
            let nodes: BTreeMap<&str, Use<'_>> = uses
                .iter()
                .enumerate()
                .map(|(i, u)| (NODES[i], u.iter().map(|(t, n)| (NAMES[*t], *n)).collect()))
                .collect();
            let first = reserve(&wanted, &nodes);
            let all: usize = wanted.values().sum();
            prop_assert_eq!(first.len(), all.min(nodes.len()));
            for (t, n) in &wanted {
                prop_assert!(first.values().filter(|o| *o == t).count() <= *n);
            }
            // When everybody has moved to where it belongs, the same nodes are reserved.
            let after: BTreeMap<&str, Use<'_>> = nodes
                .keys()
                .map(|n| (*n, first.get(n).map(|t| Use::from([(*t, 1)])).unwrap_or_default()))
                .collect();
            prop_assert_eq!(reserve(&wanted, &after), first);
        }
    }

    #[test]
    fn the_nodes_with_least_of_others_are_taken() {
        let nodes = BTreeMap::from([
            ("n0", Use::from([("x", 3)])),
            ("n1", Use::from([("x", 1)])),
            ("n2", Use::from([("a", 1), ("x", 9)])),
        ]);
        let reserved = reserve(&BTreeMap::from([("a", 2)]), &nodes);
        assert_eq!(reserved, BTreeMap::from([("n1", "a"), ("n2", "a")]));
        assert_eq!(
            reserve(&BTreeMap::from([("a", 1)]), &nodes),
            BTreeMap::from([("n2", "a")])
        );
        let text = missing("a", 4, &reserved).expect("lacks two");
        assert!(text.contains("4 nodes, 2 can be had"), "{text}");
    }
}
