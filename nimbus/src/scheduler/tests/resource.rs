//! The resource-aware scheduler's laws: nothing is given twice, constraints hold, what does not fit is told.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::solve;
use super::*;

fn within_limits(p: &Problem, placed: &BTreeMap<Executor, Slot>) -> Result<(), TestCaseError> {
    let mut nodes: BTreeMap<&str, Resources> = BTreeMap::new();
    let mut heaps: BTreeMap<&Slot, f64> = BTreeMap::new();
    let mut inside: BTreeMap<&Slot, BTreeSet<usize>> = BTreeMap::new();
    let mut counts: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for (e, c) in &p.executors {
        let Some(slot) = placed.get(e) else { continue };
        let k = &p.components[*c];
        nodes.entry(&slot.node).or_default().add(&k.demand, 1.0);
        *heaps.entry(slot).or_default() += k.on_heap;
        inside.entry(slot).or_default().insert(*c);
        *counts.entry((&slot.node, *c)).or_default() += 1;
    }
    for n in &p.nodes {
        let used = nodes.remove(n.id.as_str()).unwrap_or_default();
        prop_assert!(
            n.room.holds(&used),
            "{}: {} of {}",
            n.id,
            used.words(),
            n.room.words()
        );
    }
    prop_assert!(heaps.values().all(|h| *h <= p.rules.heap + 1e-6));
    for ((_, c), n) in counts {
        prop_assert!(p.components[c].per_node.is_none_or(|most| n <= most));
    }
    for together in inside.values() {
        for c in together {
            prop_assert!(p.components[*c].apart.iter().all(|a| !together.contains(a)));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn complete_within_limits_or_says_why_not(p in problem(Kind::Resource)) {
        let solution = solve(&p);
        within_limits(&p, &solution.placed)?;
        if solution.placed.len() == p.executors.len() {
            prop_assert!(!solution.short);
        } else {
            prop_assert!(solution.placed.is_empty(), "a new topology is laid wholly or not at all");
            prop_assert!(solution.missing.expect("says why").contains("have no place"));
        }
    }

    #[test]
    fn solving_twice_changes_nothing(mut p in problem(Kind::Resource), spread in any::<bool>()) {
        let first = solve(&p);
        p.current = first.placed.clone();
        p.spread = spread;
        prop_assert_eq!(solve(&p), first);
    }

    #[test]
    fn only_what_was_lost_moves(mut p in problem(Kind::Resource), gone in any::<prop::sample::Index>()) {
        p.current = solve(&p).placed;
        if p.nodes.is_empty() || p.current.is_empty() {
            return Ok(());
        }
        let before = p.current.clone();
        let at = gone.index(p.nodes.len());
        let name = lose(&mut p, at);
        let after = solve(&p);
        within_limits(&p, &after.placed)?;
        for (executor, slot) in before.iter().filter(|(_, s)| s.node != name) {
            if !p.current.is_empty() {
                prop_assert_eq!(after.placed.get(executor), Some(slot));
            }
        }
        prop_assert!(after.placed.values().all(|s| s.node != name));
        prop_assert!(after.placed.len() == p.executors.len() || after.missing.is_some());
    }
}

fn one_node() -> Problem {
    let mut p = Problem {
        executors: (1..=4).map(|i| ((i, i), 0)).collect(),
        components: vec![Component {
            id: "count".into(),
            demand: Resources {
                cpu: 50.0,
                memory: 500.0,
                ..Resources::default()
            },
            on_heap: 500.0,
            ..Component::default()
        }],
        nodes: vec![node(0, (4, 0, false, true))],
        ..Problem::default()
    };
    p.rules.kind = Kind::Resource;
    p
}

#[test]
fn it_packs_by_heap_and_ignores_the_number_of_workers() {
    let mut p = one_node();
    p.workers = 1;
    // 500 MB each, 768 MB a worker: one executor in each of four workers.
    assert_eq!(by_slot(&solve(&p).placed).len(), 4);
    p.rules.heap = 1_000.0;
    assert_eq!(by_slot(&solve(&p).placed).len(), 2);
    p.rules.one_executor = true;
    assert_eq!(by_slot(&solve(&p).placed).len(), 4);
}

#[test]
fn what_is_missing_is_said_with_the_figures() {
    let says = |p: &Problem, words: &str| {
        let text = solve(p).missing.expect("does not fit");
        assert!(text.contains(words), "{text}");
    };
    let mut p = one_node();
    p.nodes[0].room.memory = 1_200.0;
    says(
        &p,
        "2 of 4 executors of \"count\" have no place: each needs 500 MB, 50 % CPU, the node with most memory has 200 MB",
    );
    p.nodes[0].room.memory = 9_000.0;
    p.components[0]
        .demand
        .generic
        .insert("gpu.count".into(), 1.0);
    says(&p, "1 gpu.count");
    p.nodes[0].room.generic.insert("gpu.count".into(), 4.0);
    assert_eq!(solve(&p).missing, None);
    p.components[0].per_node = Some(1);
    says(&p, "constraints");
    p.components[0].on_heap = 900.0;
    says(&p, "raise it");
}

#[test]
fn favored_nodes_come_first_and_unfavored_last() {
    let mut p = one_node();
    p.executors.truncate(1);
    p.nodes = (0..3).map(|i| node(i, (4, 0, false, true))).collect();
    p.rules.unfavored = vec!["n0".into()];
    assert_eq!(nodes_of(&solve(&p).placed), BTreeSet::from(["n1"]));
    p.rules.favored = vec!["h2".into()];
    assert_eq!(nodes_of(&solve(&p).placed), BTreeSet::from(["n2"]));
}
