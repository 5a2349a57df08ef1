//! The ledger against a naive model of Storm's XOR acker: any tree, any order of acks, fails,
//! losses and timeouts.

use std::collections::BTreeMap;

use fulmar_api::spout::FailReason;
use proptest::prelude::*;

use super::{Ledger, Settled};
use crate::batch::Settle;

/// What the model knows of a root: edges under way, and what it must come to.
#[derive(Clone, Debug, Default)]
struct Tree {
    open_edges: Vec<(u64, u64)>,
    touched: u64,
}

fn settle(root: u64, value: u64, touched: u64, ok: bool) -> Settle {
    Settle {
        spout_task: 1,
        root,
        value,
        touched,
        ok,
    }
}

proptest! {
    #[test]
    fn each_root_settles_once_and_never_early(
        steps in prop::collection::vec((0_u8..100, any::<prop::sample::Index>(), any::<u64>()), 1..400)
    ) {
        let mut ledger = Ledger::starting_at(7);
        let mut trees: BTreeMap<u64, Tree> = BTreeMap::new();
        let mut ended: BTreeMap<u64, Option<FailReason>> = BTreeMap::new();
        let mut out: Vec<Settled> = Vec::new();
        let (mut now, mut lost) = (0, 0_u64);
        // Bit → number of the first root that was emitted after its incarnation was found again.
        let mut found = [0_u64; 8];
        for (kind, pick, random) in steps {
            now += 1;
            let edge = random | 1;
            let alive: Vec<u64> = trees.keys().copied().collect();
            match kind {
                0..40 => {
                    let bit = 1 << (random % 8);
                    let number = ledger.next_root();
                    let got = ledger.open(number, edge, bit, now, &mut out);
                    prop_assert_eq!(got, number);
                    trees.insert(number, Tree { open_edges: vec![(edge, bit)], touched: bit });
                }
                // One tuple of a tree is acked, with up to two children.
                40..85 if !alive.is_empty() => {
                    let root = *pick.get(&alive);
                    let tree = trees.get_mut(&root).expect("alive");
                    let (done, _) = tree.open_edges.remove(0);
                    let (mut value, mut touched) = (done, 0);
                    if tree.touched.count_ones() < 6 {
                        for child in 0..random % 3 {
                            let (e, bit) = (edge.rotate_left(child as u32 + 1) ^ child, 1 << ((random >> 8) % 8));
                            value ^= e;
                            touched |= bit;
                            tree.open_edges.push((e, bit));
                        }
                    }
                    tree.touched |= touched;
                    ledger.apply(&settle(root, value, touched, true), &mut out);
                }
                85..92 if !alive.is_empty() => {
                    ledger.apply(&settle(*pick.get(&alive), 0, 0, false), &mut out);
                }
                92..95 => {
                    lost |= 1 << (random % 8);
                    ledger.lose(lost, &mut out);
                }
                95..97 => {
                    let bit = random % 8;
                    if lost & (1 << bit) != 0 {
                        lost &= !(1 << bit);
                        found[bit as usize] = ledger.next_root();
                    }
                    ledger.live(1 << bit);
                }
                _ => ledger.expire(now, 60, &mut out),
            }
            let is_lost = |number: u64, tree: &Tree| {
                let bit = |b: usize| tree.touched & (1 << b) != 0;
                tree.touched & lost != 0 || (0..8).any(|b| bit(b) && number < found[b])
            };
            for s in out.drain(..) {
                prop_assert!(ended.insert(s.id, s.failed).is_none(), "root {} settled twice", s.id);
                let tree = trees.remove(&s.id).expect("known");
                if s.failed.is_none() {
                    prop_assert!(tree.open_edges.is_empty(), "acked with {:?} open", tree.open_edges);
                    prop_assert!(!is_lost(s.id, &tree), "acked though it touched a lost one");
                }
            }
            for (root, tree) in &trees {
                prop_assert!(!tree.open_edges.is_empty(), "root {root} should be acked");
                prop_assert!(!is_lost(*root, tree), "root {} should have failed", root);
            }
            prop_assert_eq!(ledger.pending(), trees.len());
        }
    }
}

#[test]
fn an_ack_for_a_settled_root_is_ignored_and_counted() {
    let (mut ledger, mut out) = (Ledger::default(), Vec::new());
    let root = ledger.open(42, 5, 0, 0, &mut out);
    ledger.apply(&settle(root, 5, 0, true), &mut out);
    ledger.apply(&settle(root, 5, 0, true), &mut out);
    assert_eq!(
        out,
        [Settled {
            id: 42,
            since: 0,
            failed: None
        }]
    );
    assert_eq!(ledger.late, 1);
}

#[test]
fn a_root_without_targets_is_acked_at_once() {
    let (mut ledger, mut out) = (Ledger::default(), Vec::new());
    ledger.open(1, 0, 0, 0, &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(ledger.pending(), 0);
}

#[test]
fn a_reset_gives_a_root_its_time_again() {
    let (mut ledger, mut out) = (Ledger::default(), Vec::new());
    let root = ledger.open(1, 9, 0, 0, &mut out);
    ledger.reset_timeout(root, 50);
    ledger.expire(60, 60, &mut out);
    assert!(out.is_empty());
    ledger.expire(110, 60, &mut out);
    assert_eq!(out[0].failed, Some(FailReason::TimedOut));
}
