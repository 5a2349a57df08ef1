//! Pools and life cycles: shares, stable components, losses of a pool and its return.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::solve;
use super::*;

fn sizes(p: &Problem) -> Vec<usize> {
    p.sizes()
}

/// Whether every component's share can be had: enough open pools, of its life cycle.
fn feasible(p: &Problem, component: usize) -> bool {
    let n = sizes(p)[component];
    let stable = p.components[component].stable;
    let pools: BTreeSet<&str> = p
        .nodes
        .iter()
        .filter(|k| k.open && !k.ports.is_empty() && (k.stable || !stable))
        .map(|k| k.pool.as_str())
        .collect();
    n <= pools.len() * p.rules.cap(n).min(n)
}

fn laws(mut p: Problem) -> std::result::Result<(), TestCaseError> {
    // Workers enough for every pool and both life cycles.
    p.workers = p.workers.max(8);
    for n in &mut p.nodes {
        n.ports = (0..8).map(|i| 6700 + i).collect();
        n.room.memory = 1e5;
        n.room.cpu = 1e5;
    }
    p.rules.heap = 1e4;
    for c in &mut p.components {
        (c.per_node, c.apart) = (None, Vec::new());
    }
    let solution = solve(&p);
    let any_stable = p.nodes.iter().any(|n| n.open && n.stable);
    for ((c, pool), n) in by_pool(&p, &solution.placed) {
        let cap = p.rules.cap(sizes(&p)[c]);
        let held = n <= cap || !feasible(&p, c) || p.components[c].stable;
        prop_assert!(
            held,
            "{n} of component {c} in {pool}: {:?}",
            solution.missing
        );
    }
    let stable: BTreeSet<&str> = p
        .nodes
        .iter()
        .filter(|n| n.stable)
        .map(|n| n.id.as_str())
        .collect();
    for (e, c) in &p.executors {
        let on_demand = solution
            .placed
            .get(e)
            .is_none_or(|s| stable.contains(s.node.as_str()));
        let wants = p.components[*c].stable && any_stable && p.executors.len() >= 8;
        // A share that on-demand pools cannot hold comes second.
        prop_assert!(
            on_demand || !wants || !feasible(&p, *c),
            "{:?}",
            solution.missing
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn even_keeps_shares_and_stable_components(p in problem(Kind::Even)) {
        laws(p)?;
    }

    #[test]
    fn resource_keeps_shares_and_stable_components(p in problem(Kind::Resource)) {
        laws(p)?;
    }

    #[test]
    fn at_equal_use_of_nodes_pools_are_used_evenly(per_pool in 2_usize..6, workers in 1_usize..9) {
        let p = Problem {
            executors: (1..=40).map(|i| ((i, i), 0)).collect(),
            workers,
            nodes: (0..3 * per_pool).map(|i| node(i, (4, i / per_pool, false, true))).collect(),
            ..Problem::default()
        };
        let counts = by_pool(&p, &solve(&p).placed);
        let slots: Vec<usize> = (0..3)
            .map(|k| {
                let solution = solve(&p);
                let slots: BTreeSet<_> = solution.placed.values().cloned().collect();
                slots.iter().filter(|s| p.nodes.iter().any(|n| n.id == s.node && n.pool == format!("p{k}"))).count()
            })
            .collect();
        let (least, most) = (slots.iter().min().expect("three"), slots.iter().max().expect("three"));
        prop_assert!(most - least <= 1, "{slots:?} {counts:?}");
    }
}

fn two_pools(kind: Kind) -> Problem {
    Problem {
        executors: (1..=8).map(|i| ((i, i), 0)).collect(),
        components: vec![Component {
            id: "count".into(),
            on_heap: 64.0,
            demand: Resources {
                cpu: 10.0,
                memory: 64.0,
                ..Resources::default()
            },
            ..Component::default()
        }],
        workers: 4,
        nodes: (0..4).map(|i| node(i, (4, i % 2, false, true))).collect(),
        rules: Rules {
            kind,
            share: 0.5,
            ..Rules::default()
        },
        ..Problem::default()
    }
}

#[test]
fn a_lost_pool_is_borne_told_and_mended_when_it_has_settled_again() {
    for kind in [Kind::Even, Kind::Resource] {
        let mut p = two_pools(kind);
        let first = solve(&p);
        assert_eq!((first.placed.len(), &first.missing), (8, &None), "{kind:?}");
        p.current = first.placed;
        lose(&mut p, 0);
        lose(&mut p, 2);
        let lost = solve(&p);
        assert_eq!(lost.placed.len(), 8, "{kind:?}");
        let text = lost.missing.expect("says so");
        assert!(
            text.contains("8 of 8 executors of \"count\" are in pool p1"),
            "{text}"
        );
        assert!(!lost.short);
        p.current = lost.placed.clone();
        for i in [0, 2] {
            (p.nodes[i].keeps, p.nodes[i].open, p.nodes[i].settled) = (true, true, false);
        }
        p.spread = true;
        assert_eq!(solve(&p).placed, lost.placed, "{kind:?}: not settled yet");
        for i in [0, 2] {
            p.nodes[i].settled = true;
        }
        let mended = solve(&p);
        assert_eq!(mended.missing, None, "{kind:?}");
        assert!(by_pool(&p, &mended.placed).values().all(|n| *n == 4));
        p.current = mended.placed.clone();
        assert_eq!(solve(&p), mended);
    }
}

#[test]
fn a_stable_component_without_an_on_demand_node_runs_and_says_so() {
    let mut p = two_pools(Kind::Even);
    p.rules.share = 1.0;
    p.components[0].stable = true;
    let solution = solve(&p);
    assert_eq!(solution.placed.len(), 8);
    let text = solution.missing.expect("says so");
    assert!(text.contains("marked stable"), "{text}");
    p.nodes[3].stable = true;
    p.current = solution.placed;
    p.spread = true;
    let mended = solve(&p);
    assert_eq!(mended.missing, None);
    assert_eq!(nodes_of(&mended.placed), BTreeSet::from(["n3"]));
}

#[test]
fn a_share_needs_workers_in_several_pools() {
    let mut p = two_pools(Kind::Even);
    p.workers = 1;
    let solution = solve(&p);
    assert_eq!(
        (solution.missing, nodes_of(&solution.placed).len()),
        (None, 2)
    );
}
