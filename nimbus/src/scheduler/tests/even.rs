//! The even scheduler's laws.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::solve;
use super::*;

proptest! {
    #[test]
    fn complete_or_says_why_not(p in problem(Kind::Even)) {
        let solution = solve(&p);
        if solution.placed.is_empty() {
            prop_assert!(solution.missing.expect("says why").contains("no free slot"));
        } else {
            prop_assert_eq!(solution.placed.len(), p.executors.len());
        }
    }

    #[test]
    fn solving_twice_changes_nothing(mut p in problem(Kind::Even), spread in any::<bool>()) {
        let first = solve(&p);
        p.current = first.placed.clone();
        p.spread = spread;
        prop_assert_eq!(solve(&p), first);
    }

    #[test]
    fn spreading_twice_changes_nothing(
        mut p in problem(Kind::Even), gone in any::<prop::sample::Index>(), slots in 1_u16..6,
    ) {
        // The cluster was another one when the topology was laid.
        if p.nodes.len() > 1 {
            let gone = gone.index(p.nodes.len());
            let ports = std::mem::take(&mut p.nodes[gone].ports);
            p.current = solve(&p).placed;
            p.nodes[gone].ports = ports;
            p.nodes[gone].ports.extend((0..slots).map(|i| 6800 + i));
        }
        p.spread = true;
        let first = solve(&p);
        p.current = first.placed.clone();
        prop_assert_eq!(solve(&p), first);
    }

    #[test]
    fn only_what_was_lost_moves(mut p in problem(Kind::Even), gone in any::<prop::sample::Index>()) {
        p.current = solve(&p).placed;
        if p.nodes.is_empty() {
            return Ok(());
        }
        let before = p.current.clone();
        let at = gone.index(p.nodes.len());
        let name = lose(&mut p, at);
        let after = solve(&p);
        for (executor, slot) in &before {
            if slot.node != name && !after.placed.is_empty() {
                prop_assert_eq!(&after.placed[executor], slot);
            }
        }
        prop_assert!(after.placed.values().all(|s| s.node != name));
    }

    #[test]
    fn a_fresh_topology_is_even_and_spread(mut p in problem(Kind::Even)) {
        p.rules.share = 1.0;
        p.components.clear();
        let solution = solve(&p);
        let loads = by_slot(&solution.placed);
        if let (Some(least), Some(most)) = (loads.values().min(), loads.values().max()) {
            prop_assert!(most - least <= 1, "{loads:?}");
        }
        let with_room = p.nodes.iter().filter(|n| n.open && !n.ports.is_empty()).count();
        prop_assert_eq!(nodes_of(&solution.placed).len(), loads.len().min(with_room));
    }

    #[test]
    fn a_node_in_quarantine_keeps_and_gets_nothing(
        mut p in problem(Kind::Even), shut in any::<prop::sample::Index>(), gone in any::<prop::sample::Index>(),
    ) {
        p.current = solve(&p).placed;
        if p.nodes.len() < 2 {
            return Ok(());
        }
        let shut = shut.index(p.nodes.len());
        p.nodes[shut].open = false;
        let (name, before) = (p.nodes[shut].id.clone(), p.current.clone());
        let at = gone.index(p.nodes.len());
        let lost = lose(&mut p, at);
        let after = solve(&p);
        let slots = |all: &BTreeMap<Executor, Slot>| -> BTreeSet<Slot> {
            all.values().filter(|s| s.node == name).cloned().collect()
        };
        if lost != name && !after.placed.is_empty() {
            prop_assert_eq!(slots(&after.placed), slots(&before));
        }
    }

    #[test]
    fn a_returned_node_is_used_when_it_has_settled(mut p in problem(Kind::Even), extra in 2_usize..5) {
        p.rules.share = 1.0;
        p.components.clear();
        p.current = solve(&p).placed;
        if p.current.is_empty() {
            return Ok(());
        }
        p.nodes.push(node(99, (extra, 0, false, true)));
        p.nodes.last_mut().expect("was pushed").settled = false;
        p.spread = true;
        let used = |all: &BTreeMap<Executor, Slot>| {
            let mut by: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
            for s in all.values() {
                by.entry(s.node.clone()).or_default().insert(s.port);
            }
            by
        };
        let before = used(&p.current);
        prop_assert!(!nodes_of(&solve(&p).placed).contains("n99"), "it has not settled");
        p.nodes.last_mut().expect("was pushed").settled = true;
        let after = used(&solve(&p).placed);
        let most = after.values().map(BTreeSet::len).max().unwrap_or(0);
        let own = after.get("n99").map_or(0, BTreeSet::len);
        prop_assert!(own == extra || most <= own + 1, "{before:?} {after:?}");
    }
}

#[test]
fn a_topology_short_of_slots_runs_and_says_so() {
    let p = Problem {
        executors: (1..=4).map(|i| ((i, i), 0)).collect(),
        workers: 3,
        nodes: vec![node(0, (1, 0, false, true))],
        ..Problem::default()
    };
    let solution = solve(&p);
    assert_eq!(solution.placed.len(), 4);
    let text = solution.missing.expect("says so");
    assert!(text.starts_with("1 of 3 workers have a slot"), "{text}");
    assert!(solution.short);
}
