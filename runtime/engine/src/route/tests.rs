//! Each grouping keeps Storm's rule, and what is near is preferred only where nobody starves by it.

use std::sync::Arc;

use super::*;
use fulmar_api::tuple::Source;

const BOUNDS: Bounds = Bounds {
    lower: 0.2,
    higher: 0.8,
    aware: true,
};

fn edge(grouping: Grouping, keys: &[usize], targets: &[TaskId]) -> Edge {
    Edge {
        id: 0,
        source: Arc::new(Source {
            component: "a".into(),
            stream: "default".into(),
            fields: vec!["k".into()],
        }),
        from: 0,
        to: 1,
        grouping,
        keys: keys.to_vec(),
        targets: targets.to_vec(),
        back: false,
    }
}

fn counts(kind: Grouping, keys: &[usize], near: Near) -> Vec<usize> {
    let (mut random, edge) = (Random::new(1), edge(kind, keys, &[3, 4, 5, 6]));
    let mut chooser = Chooser::new(&edge, &near, BOUNDS, &mut random);
    let mut counts = vec![0; edge.targets.len()];
    for i in 0..400_i64 {
        match chooser.choose(&[Value::Int(i % 2)], &edge.targets, 1, Some(5), &mut random) {
            Choice::One(at) => counts[at] += 1,
            Choice::All => counts.iter_mut().for_each(|c| *c += 1),
            Choice::Picked | Choice::Nobody => {}
        }
    }
    counts
}

#[test]
fn each_grouping_keeps_storms_rule() {
    let far = Near::default;
    let worker = Near {
        core: vec![],
        worker: vec![1, 2],
    };
    assert_eq!(counts(Grouping::Shuffle, &[], far()), [100; 4]);
    // Load-aware shuffle begins with the worker's own tasks.
    assert_eq!(
        counts(Grouping::Shuffle, &[], worker.clone()),
        [0, 200, 200, 0]
    );
    assert_eq!(
        counts(Grouping::LocalOrShuffle, &[], worker),
        [0, 200, 200, 0]
    );
    assert_eq!(counts(Grouping::LocalOrShuffle, &[], far()), [100; 4]);
    assert_eq!(counts(Grouping::All, &[], far()), [400; 4]);
    assert_eq!(counts(Grouping::Global, &[], far()), [400, 0, 0, 0]);
    assert_eq!(counts(Grouping::Direct, &[], far()), [0, 0, 400, 0]);
    // Arrays.deepHashCode([0L]) = 31 and ([1L]) = 32; modulo 4 they are 3 and 0.
    assert_eq!(
        counts(Grouping::Fields(vec!["k".into()]), &[0], far()),
        [200, 0, 0, 200]
    );
    let none = counts(Grouping::None, &[], far());
    assert!(none.iter().all(|c| (60..140).contains(c)), "{none:?}");
}

#[test]
fn the_same_core_is_preferred_only_where_every_target_has_an_emitter_beside_it() {
    let edge = edge(Grouping::LocalOrShuffle, &[], &[3, 4]);
    let placement = Placement::all_local(4, 1);
    // Emitters 1 and 2 on cores 0 and 1, targets 3 and 4 likewise.
    let paired = |t: TaskId| Some((t as usize - 1) % 2);
    let near = Near::of(&edge, &[1, 2], 2, &placement, &paired);
    assert_eq!((near.core, near.worker), (vec![1], vec![0, 1]));
    // One emitter for two targets on two cores: both get their share.
    let near = Near::of(&edge, &[1], 1, &placement, &paired);
    assert_eq!((near.core, near.worker), (vec![], vec![0, 1]));
}
