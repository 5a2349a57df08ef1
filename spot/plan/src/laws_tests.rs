//! Laws of endurance: monotone, exact against brute force, repeatable, and the plan inside the replay's interval.

use proptest::prelude::*;

use crate::chance::Chance;
use crate::losses::{Losses, draw, left};
use crate::models::{Model, Odds, binomial, extra};
use crate::pools::{Pool, spread};
use crate::topologies::{Node, Topology, Wanted, endurance};
use crate::trace::{self, Track};
use crate::whatif::{Events, Question};

fn question(
    pools: &[u32],
    needed: u32,
    window_s: f64,
    target: f64,
    per_day: f64,
    shares: &[f64],
) -> Question {
    let pool = |(i, n): (usize, &u32)| Pool {
        name: format!("pool{i}"),
        nodes: *n,
    };
    Question {
        nodes: None,
        pools: pools.iter().enumerate().map(pool).collect(),
        needed,
        window_s,
        target,
        events: Events::Rate {
            per_pool_per_day: per_day,
            shares: shares.to_vec(),
        },
        seed: 7,
    }
}

fn rate(per_day: f64, shares: &[f64]) -> Losses {
    Losses::Rate {
        per_s: vec![per_day / 86_400.0],
        shares: shares.to_vec(),
    }
}

/// The fewest nodes beyond the need by one model.
fn by_model(
    model: Model,
    losses: &Losses,
    window_s: f64,
    pools: &[u32],
    needed: u32,
    target: f64,
) -> Option<u32> {
    let mut odds = Odds::new(losses, window_s);
    extra(pools, needed, target, |s| odds.served(model, s, needed))
}

#[test]
fn the_question_of_the_interface_is_answered() {
    let q = question(&[8; 5], 32, 120.0, 0.9999, 0.2, &[1.0]);
    let a = q.answer(&q.stated().unwrap()).unwrap();
    assert_eq!((a.endures_nodes, a.endures_pools), (8, 1));
    // One pool of five may be out: 25 % more; by single nodes one or two do.
    assert_eq!(a.pool.extra_nodes, Some(8));
    assert!(a.independent.extra_nodes.unwrap() <= 2, "{a:?}");
    assert_eq!(a.k_pools[0].k, 1);
    assert!((a.k_pools[0].lost_percent - 20.0).abs() < 1e-9);
    assert!((a.k_pools[0].extra_percent - 25.0).abs() < 1e-9);
    assert_eq!(a.k_pools.len(), 4);
    assert!(a.why.contains("fall together"), "{}", a.why);
    assert_eq!(a, q.answer(&q.stated().unwrap()).unwrap());
}

#[test]
fn a_question_without_an_answer_is_refused_with_the_remedy() {
    let ok = question(&[8; 5], 32, 120.0, 0.9999, 0.2, &[1.0]);
    let wrong = [
        Question {
            target: 1.0,
            ..ok.clone()
        },
        Question {
            target: f64::NAN,
            ..ok.clone()
        },
        Question {
            window_s: 0.0,
            ..ok.clone()
        },
        Question {
            needed: 0,
            ..ok.clone()
        },
        Question {
            nodes: Some(41),
            ..ok.clone()
        },
        Question {
            pools: vec![],
            ..ok.clone()
        },
        question(&[8], 4, 1.0, 0.9, 0.2, &[1.5]),
        question(&[8], 4, 1.0, 0.9, -0.2, &[1.0]),
        question(&[8], 4, 1.0, 0.9, 0.2, &[]),
    ];
    for q in wrong {
        let refused = q.check().unwrap_err().to_string();
        assert!(
            refused.contains("allowed is") && refused.contains("; "),
            "{refused}"
        );
    }
}

#[test]
fn pools_that_are_too_few_are_not_mended_by_nodes() {
    let q = question(&[8], 8, 3_600.0, 0.9999, 1.0, &[1.0]);
    let a = q.answer(&q.stated().unwrap()).unwrap();
    assert_eq!(a.pool.extra_nodes, None);
    assert!(a.why.contains("more pools"), "{}", a.why);
}

#[test]
fn the_pools_odds_are_the_poisson_sums() {
    // Two pools of one node, whole pool per event: each is out with 1 - exp(-rate * window).
    let (per_day, window) = (3.0, 7_200.0);
    let q = 1.0 - f64::exp(-per_day / 86_400.0 * window);
    let losses = rate(per_day, &[1.0]);
    let mut odds = Odds::new(&losses, window);
    assert!((odds.served(Model::Pool, &[1, 1], 1) - (1.0 - q * q)).abs() < 1e-12);
    assert!((odds.served(Model::Pool, &[1, 1], 2) - (1.0 - q) * (1.0 - q)).abs() < 1e-12);
    // One pool of four, half per event: 4, 2, 1, 0 left after 0, 1, 2, 3 events.
    let losses = rate(per_day, &[0.5]);
    let m = per_day / 86_400.0 * window;
    let mut odds = Odds::new(&losses, window);
    let none = f64::exp(-m);
    for (needed, served) in [
        (3, none),
        (2, none * (1.0 + m)),
        (1, none * (1.0 + m + m * m / 2.0)),
    ] {
        assert!(
            (odds.served(Model::Pool, &[4], needed) - served).abs() < 1e-12,
            "{needed}"
        );
    }
}

#[test]
fn a_binomial_sums_to_one_and_has_its_mean() {
    for (n, p) in [(1, 0.5), (40, 2.8e-4), (1_000, 0.2), (5, 0.0), (5, 1.0)] {
        let odds = binomial(n, p);
        let sum: f64 = odds.iter().map(|o| o.1).sum();
        let mean: f64 = odds.iter().map(|o| f64::from(o.0) * o.1).sum();
        assert!((sum - 1.0).abs() < 1e-9 && (mean - f64::from(n) * p).abs() < 1e-6);
    }
}

/// Every subset of pools out, for whole-pool events: no folding, no sizes shared.
fn brute(sizes: &[u32], needed: u32, out: f64) -> f64 {
    (0u32..1 << sizes.len())
        .map(|set| {
            let is_out = |i: usize| set >> i & 1 == 1;
            let there: u32 = (0..sizes.len())
                .filter(|i| !is_out(*i))
                .map(|i| sizes[i])
                .sum();
            let odds: f64 = (0..sizes.len())
                .map(|i| if is_out(i) { out } else { 1.0 - out })
                .product();
            if there >= needed { odds } else { 0.0 }
        })
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn spreading_gives_all_and_never_takes_back(weights in prop::collection::vec(0u32..200, 1..12), total in 0u32..400) {
        prop_assume!(weights.iter().sum::<u32>() > 0);
        let (less, more) = (spread(&weights, total), spread(&weights, total + 1));
        prop_assert_eq!(less.iter().sum::<u32>(), total);
        prop_assert!(less.iter().zip(&more).all(|(l, m)| l <= m));
        let same = spread(&weights, weights.iter().sum());
        prop_assert_eq!(same, weights);
    }

    #[test]
    fn one_node_more_loses_at_most_one_more(n in 0u32..300, share in 0.001f64..=1.0) {
        let (less, more) = (left(n, share), left(n + 1, share));
        prop_assert!(less <= more && more <= less + 1);
    }

    #[test]
    fn whole_pools_equal_brute_force(sizes in prop::collection::vec(0u32..6, 1..9), needed in 1u32..20, per_day in 0.01f64..20.0) {
        let window = 3_600.0;
        let out = 1.0 - f64::exp(-per_day / 86_400.0 * window);
        let losses = rate(per_day, &[1.0]);
        let served = Odds::new(&losses, window).served(Model::Pool, &sizes, needed);
        prop_assert!((served - brute(&sizes, needed, out)).abs() < 1e-12);
        // And single nodes: pools of one node each.
        let ones = vec![1; sizes.len()];
        let served = Odds::new(&losses, window).served(Model::Independent, &ones, needed);
        prop_assert!((served - brute(&ones, needed, out)).abs() < 1e-12);
    }

    #[test]
    fn more_is_needed_for_a_higher_target_and_a_longer_window(
        pools in prop::collection::vec(1u32..9, 1..7), needed in 1u32..30, per_day in 0.01f64..5.0,
        share in 0.05f64..=1.0, window in 30f64..7_200.0, target in 0.5f64..0.9999,
    ) {
        let losses = rate(per_day, &[share, 1.0]);
        let most = |x: Option<u32>| x.unwrap_or(u32::MAX);
        for model in [Model::Independent, Model::Pool] {
            let here = most(by_model(model, &losses, window, &pools, needed, target));
            let higher = most(by_model(model, &losses, window, &pools, needed, target + (1.0 - target) / 2.0));
            let longer = most(by_model(model, &losses, window * 1.5, &pools, needed, target));
            prop_assert!(here <= higher && here <= longer, "{here} {higher} {longer}");
        }
        // The same, one node after the other: no fewer do.
        let found = by_model(Model::Pool, &losses, window, &pools, needed, target);
        let mut odds = Odds::new(&losses, window);
        let first = (0..=needed * crate::models::MOST_TIMES)
            .find(|x| odds.served(Model::Pool, &spread(&pools, needed + x), needed) >= target);
        prop_assert_eq!(found, first);
    }

    #[test]
    fn topologies_bear_fewer_losses_than_they_may(
        slots in prop::collection::vec((0usize..4, 0u32..5), 1..9), workers in prop::collection::vec(1u32..6, 1..5),
    ) {
        let nodes: Vec<Node> = slots.iter().map(|(pool, slots)| Node { pool: *pool, slots: *slots }).collect();
        let topologies: Vec<Topology> = workers.iter().enumerate()
            .map(|(i, w)| Topology { name: format!("t{i}"), workers: *w }).collect();
        let losses = rate(0.2, &[1.0]);
        let wanted = Wanted { losses: &losses, window_s: 120.0, target: 0.9999, seed: 1 };
        let found = endurance(&nodes, 4, &topologies, &wanted);
        prop_assert_eq!(&found, &endurance(&nodes, 4, &topologies, &wanted));
        let mut before = 0;
        for e in &found {
            before += topologies.iter().find(|t| t.name == e.topology).map_or(0, |t| t.workers);
            // Every set of nodes: the worst of each size.
            let worst = |k: u32| (0u32..1 << nodes.len()).filter(|s| s.count_ones() == k).all(|set| {
                let there: u32 = (0..nodes.len()).filter(|i| set >> i & 1 == 0).map(|i| nodes[i].slots).sum();
                there >= before
            });
            if e.served {
                prop_assert!((0..=e.any_nodes).all(worst));
                prop_assert!(e.any_nodes as usize == nodes.len() || !worst(e.any_nodes + 1));
                prop_assert!(e.random_nodes >= e.any_nodes && e.pool <= 1.0);
            } else {
                prop_assert!(!worst(0));
                prop_assert_eq!((e.any_nodes, e.random_nodes, e.any_pools), (0, 0, 0));
            }
        }
        prop_assert!(found.windows(2).all(|w| w[0].any_nodes >= w[1].any_nodes && w[0].any_pools >= w[1].any_pools));
    }
}

#[test]
fn random_losses_agree_with_all_choices_counted() {
    // Slots 5, 1, 1, 1, 1 and a need of 5: one random loss is borne in 4 of 5 choices.
    let nodes: Vec<Node> = [5, 1, 1, 1, 1]
        .map(|slots| Node { pool: 0, slots })
        .to_vec();
    let topologies = [Topology {
        name: "t".to_owned(),
        workers: 5,
    }];
    let losses = rate(0.2, &[1.0]);
    let bears = |target| {
        let wanted = Wanted {
            losses: &losses,
            window_s: 1.0,
            target,
            seed: 3,
        };
        endurance(&nodes, 1, &topologies, &wanted)[0].random_nodes
    };
    // Borne with odds 1 - k/5 for k up to 4: the large node must stay.
    assert_eq!([0.75, 0.65, 0.55, 0.35, 0.15].map(bears), [1, 1, 2, 3, 4]);
}

#[test]
fn the_plan_lies_in_the_interval_of_its_replay_by_rate() {
    for (pools, needed, window, per_day, shares) in [
        (vec![8; 5], 32, 120.0, 0.2, vec![1.0]),
        (vec![8; 5], 39, 600.0, 2.0, vec![0.25, 0.5, 1.0]),
        (vec![1, 5, 9], 12, 1_800.0, 6.0, vec![0.1, 1.0]),
        (vec![4; 10], 36, 300.0, 10.0, vec![1.0]),
    ] {
        let q = question(&pools, needed, window, 0.999, per_day, &shares);
        let a = q.answer(&q.stated().unwrap()).unwrap();
        let [low, high] = a.replay.ci95;
        assert!((low..=high).contains(&a.pool.availability), "{a:?}");
        let drift = (a.pool.availability - a.replay.extra.availability).abs();
        assert!(drift < 0.005, "{a:?}");
    }
}

#[test]
fn the_plan_lies_in_the_interval_of_a_drawn_recording() {
    for seed in 0..8 {
        // A recording that nobody chose: bursts whose length and size vary with the seed.
        let mut chance = Chance::new(seed);
        let mut events = draw(2.0 / 3_600.0, &[0.1, 0.3, 1.0], 0.0, 80_000.0, &mut chance);
        let more: Vec<(f64, f64)> = events.iter().map(|(t, s)| (t + 90.0, *s)).collect();
        events.extend(more);
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        let outages_s = vec![600.0; events.len()];
        let track = Track {
            pool: "drawn".to_owned(),
            length_s: 80_200.0,
            events,
            outages_s,
        };
        let losses = Losses::Tracks(vec![track]);
        for (pools, needed) in [(vec![10], 7), (vec![6; 4], 18)] {
            let q = Question {
                target: 0.99,
                ..question(&pools, needed, 300.0, 0.99, 0.0, &[1.0])
            };
            let a = q.answer(&losses).unwrap();
            let [low, high] = a.replay.ci95;
            assert!(
                (low..=high).contains(&a.pool.availability),
                "seed {seed}: {a:?}"
            );
        }
    }
}

#[test]
fn a_recording_is_read_and_nonsense_is_refused() {
    let text = "time_s,pool,event,node,count\n0,a,add,,8\n100,a,remove,,2\n100,a,remove,,2\n160,a,add,,4\n200,a,remove,,8\n";
    let tracks = trace::parse("t", text, Some(400.0)).unwrap();
    assert_eq!(tracks[0].events, [(100.0, 0.5), (200.0, 1.0)]);
    assert_eq!(tracks[0].outages_s, [60.0, 200.0]);
    for wrong in [
        "time_s,pool,event,count\n1,a,remove,1\n",
        "time_s,pool,event,count\n1,a,gone,1\n",
        "time_s,pool,event,count\n2,a,add,1\n1,a,add,1\n",
        "time_s,pool,event,count\n2,a,add,-1\n",
        "time_s,pool,count\n2,a,1\n",
        "time_s,pool,event,count\n",
        "",
    ] {
        assert!(trace::parse("t", wrong, None).is_err(), "{wrong}");
    }
}
