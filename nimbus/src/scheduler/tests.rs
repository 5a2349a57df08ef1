//! The wanted properties of README.md, each over random clusters.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Node, Problem, Slot, solve};

fn problem() -> impl Strategy<Value = Problem> {
    (
        1_usize..40,
        1_usize..8,
        prop::collection::vec((0_usize..5, any::<bool>()), 0..8),
    )
        .prop_map(|(executors, workers, nodes)| Problem {
            executors: (0..executors as i32)
                .map(|i| ((i + 1, i + 1), i as usize % 5))
                .collect(),
            workers,
            nodes: nodes
                .into_iter()
                .enumerate()
                .map(|(i, (ports, usable))| Node {
                    id: format!("n{i}"),
                    ports: (0..ports as u16).map(|p| 6700 + p).collect(),
                    usable: usable || i == 0,
                })
                .collect(),
            current: BTreeMap::new(),
        })
}

fn loads(placed: &BTreeMap<super::Executor, Slot>) -> BTreeMap<&Slot, usize> {
    placed.values().fold(BTreeMap::new(), |mut all, slot| {
        *all.entry(slot).or_default() += 1;
        all
    })
}

proptest! {
    #[test]
    fn complete_or_says_why_not(p in problem()) {
        let solution = solve(&p);
        if solution.placed.is_empty() {
            prop_assert!(solution.missing.expect("says why").contains("no free slot"));
        } else {
            prop_assert_eq!(solution.placed.len(), p.executors.len());
        }
    }

    #[test]
    fn solving_twice_changes_nothing(mut p in problem()) {
        let first = solve(&p);
        p.current = first.placed.clone();
        prop_assert_eq!(solve(&p), first);
    }

    #[test]
    fn only_what_was_lost_moves(mut p in problem(), gone in any::<prop::sample::Index>()) {
        p.current = solve(&p).placed;
        if p.nodes.is_empty() {
            return Ok(());
        }
        let gone = gone.index(p.nodes.len());
        p.nodes[gone].usable = false;
        let name = p.nodes[gone].id.clone();
        let after = solve(&p);
        for (executor, slot) in &p.current {
            if slot.node != name && !after.placed.is_empty() {
                prop_assert_eq!(&after.placed[executor], slot);
            }
        }
        prop_assert!(after.placed.values().all(|s| s.node != name));
    }

    #[test]
    fn a_fresh_topology_is_even_and_spread(p in problem()) {
        let solution = solve(&p);
        let loads = loads(&solution.placed);
        if let (Some(least), Some(most)) = (loads.values().min(), loads.values().max()) {
            prop_assert!(most - least <= 1, "{loads:?}");
        }
        let nodes: BTreeSet<_> = loads.keys().map(|s| &s.node).collect();
        let with_room = p.nodes.iter().filter(|n| n.usable && !n.ports.is_empty()).count();
        prop_assert_eq!(nodes.len(), loads.len().min(with_room));
    }
}

#[test]
fn a_topology_short_of_slots_runs_and_says_so() {
    let p = Problem {
        executors: (1..=4).map(|i| ((i, i), 0)).collect(),
        workers: 3,
        nodes: vec![Node {
            id: "a".into(),
            ports: vec![6700],
            usable: true,
        }],
        current: BTreeMap::new(),
    };
    let solution = solve(&p);
    assert_eq!(solution.placed.len(), 4);
    assert_eq!(
        solution
            .missing
            .as_deref()
            .map(|m| m.starts_with("1 of 3 workers have a slot")),
        Some(true)
    );
}
