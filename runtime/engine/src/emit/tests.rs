//! Anchors of one emit: any number of roots, some of them several times.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn entries(roots: &[(u64, TaskId)]) -> Vec<TokenEntry> {
    let entry = |(root, spout_task): &(u64, TaskId)| TokenEntry {
        root: *root,
        spout_task: *spout_task,
        value: 0,
        touched: 0,
    };
    roots.iter().map(entry).collect()
}

/// Checks that the copy's edges are, root by root, what the anchors owe for it, each root once.
fn check_edges(roots: &[(u64, TaskId)]) {
    let mut anchors = entries(roots);
    let mut copy = Vec::new();
    anchors.edges(4, &mut Random::new(7), &mut copy);
    let mut owed: BTreeMap<(TaskId, u64), u64> = BTreeMap::new();
    for e in &anchors {
        *owed.entry((e.spout_task, e.root)).or_default() ^= e.value;
        assert_eq!(e.touched, 4);
    }
    let drawn: BTreeMap<_, _> = copy
        .iter()
        .map(|t| ((t.spout_task, t.root), t.edge))
        .collect();
    assert_eq!((drawn.len(), &drawn), (copy.len(), &owed));
}

/// Checks that what a callee adds to each root comes back to it exactly once.
fn check_lent(roots: &[(u64, TaskId)]) {
    let mut anchors = entries(roots);
    let mut lent = Vec::new();
    anchors.lend(&mut lent);
    let mut added: BTreeMap<(TaskId, u64), u64> = BTreeMap::new();
    for (i, e) in lent.iter_mut().enumerate() {
        (e.value, e.touched) = (1 << (i % 60), 2);
        assert!(added.insert((e.spout_task, e.root), e.value).is_none());
    }
    anchors.fold(&mut lent);
    let mut back: BTreeMap<(TaskId, u64), u64> = BTreeMap::new();
    for e in &anchors {
        *back.entry((e.spout_task, e.root)).or_default() ^= e.value;
    }
    assert_eq!(back, added);
}

proptest! {
    #[test]
    fn several_anchors_of_one_root_become_one(
        roots in prop::collection::vec((0_u64..20, 1_i32..3), 0..60)
    ) {
        check_edges(&roots);
        check_lent(&roots);
    }
}

/// As a window that holds them all does: by comparing each with each this would not end.
#[test]
fn an_emit_may_be_anchored_to_100_000_roots() {
    let roots: Vec<_> = (0..100_000).map(|i| (i ^ 0x5555, 1)).collect();
    check_edges(&roots);
    check_lent(&roots);
}
