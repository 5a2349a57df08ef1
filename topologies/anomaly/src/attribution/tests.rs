//! Cubes with known causes: falls and rises, overlapping and nested ones, few users, nothing wrong.

use proptest::prelude::*;

use super::*;

/// Noise of about a standard normal that depends on its arguments only.
fn noise(seed: u64, n: u64) -> f64 {
    let uniform = |k: u64| {
        let mut x = (seed << 32 ^ n << 3 ^ k).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..6).map(uniform).sum::<f64>() * 2.0_f64.sqrt() - 3.0 * 2.0_f64.sqrt()
}

fn grid(cardinality: &[usize]) -> Cube {
    let leaves: usize = cardinality.iter().product();
    let mut stride = leaves;
    let codes = cardinality.iter().map(|values| {
        stride /= values;
        (0..leaves).map(|l| (l / stride % values) as u16).collect()
    });
    Cube {
        codes: codes.collect(),
        cardinality: cardinality.to_vec(),
    }
}

fn holds(cube: &Cube, leaf: usize, element: &[(usize, u16)]) -> bool {
    element.iter().all(|(d, v)| cube.codes[*d][leaf] == *v)
}

/// Observed and expected amounts; the elements' leaves lose their part.
fn amounts(cube: &Cube, seed: u64, hit: &[(Element, f64)]) -> (Vec<f64>, Vec<f64>) {
    let leaves = 0..cube.len();
    let pair = |leaf: usize| {
        let expected = (noise(seed, leaf as u64) + 5.0).exp();
        let error = 1.0 + 0.02 * noise(seed + 1, leaf as u64);
        let lost = hit.iter().filter(|(e, _)| holds(cube, leaf, e));
        let left: f64 = lost.map(|(_, part)| 1.0 - part).product();
        (expected * error * left, expected)
    };
    leaves.map(pair).unzip()
}

fn elements(causes: &[Cause]) -> Vec<Element> {
    let mut all: Vec<Element> = causes.iter().map(|c| c.element.clone()).collect();
    all.sort();
    all
}

#[test]
fn causes_of_several_shapes_are_found_exactly_whether_amounts_fall_or_rise() {
    let cube = grid(&[5, 8, 6]);
    for hit in [
        vec![(vec![(0, 2)], 0.3)],
        vec![(vec![(0, 1), (2, 3)], 0.5)],
        vec![(vec![(0, 1), (1, 2), (2, 3)], 0.9)],
        vec![(vec![(0, 1)], 0.6), (vec![(1, 5)], 0.4)],
        vec![(vec![(0, 1), (1, 1)], 0.5), (vec![(0, 1), (1, 3)], 0.5)],
    ] {
        let (low, high) = amounts(&cube, 7, &hit);
        let mut wanted: Vec<Element> = hit.iter().map(|(e, _)| e.clone()).collect();
        wanted.sort();
        let fell = of_amounts(&cube, &low, &high);
        assert_eq!(elements(&fell), wanted, "{fell:?}");
        assert_eq!(elements(&of_amounts(&cube, &high, &low)), wanted);
        let share: f64 = fell.iter().map(|c| c.share).sum();
        assert!(share > 0.7 && share < 1.01, "{fell:?}");
        assert!(fell.iter().all(|c| c.confidence > 0.3), "{fell:?}");
        assert!((fell[0].effect - hit[0].1).abs() < 0.35, "{fell:?}");
    }
}

#[test]
fn where_nothing_is_wrong_the_guess_is_not_confident() {
    let cube = grid(&[5, 8, 6]);
    for seed in 0..20 {
        let (now, expected) = amounts(&cube, seed, &[]);
        let causes = of_amounts(&cube, &now, &expected);
        assert!(causes.len() <= 1, "{causes:?}");
        assert!(causes.iter().all(|c| c.confidence < 0.2), "{causes:?}");
    }
    let empty = grid(&[5, 8, 6]);
    assert_eq!(of_amounts(&empty, &[0.0; 240], &[0.0; 240]), []);
    assert_eq!(of_amounts(&Cube::default(), &[], &[]), []);
}

fn counts(cube: &Cube, seed: u64, users: f64, hit: &[(Element, f64)]) -> Counts {
    let mut counts = Counts::default();
    for leaf in 0..cube.len() {
        let n = leaf as u64;
        let total = (users * noise(seed, n).exp()).round().max(1.0);
        let part = 0.02 * (1.0 + f64::from(cube.codes[1][leaf]) / 4.0);
        let times: f64 = hit
            .iter()
            .filter(|(e, _)| holds(cube, leaf, e))
            .map(|(_, k)| k)
            .product();
        let draw = |mean: f64, k| (mean + mean.sqrt() * noise(seed + k, n)).round().max(0.0);
        counts.total.push(total);
        counts.bad.push(draw(total * part * times, 1).min(total));
        counts.total_before.push(total * 4.0);
        counts.bad_before.push(draw(total * 4.0 * part, 2));
    }
    counts
}

#[test]
fn causes_of_ratios_are_found_and_small_leaves_do_not_mislead() {
    let cube = grid(&[4, 6, 3]);
    for (hit, users) in [
        (vec![(vec![(0, 2)], 4.0)], 30.0),
        (vec![(vec![(0, 1), (1, 3)], 6.0)], 60.0),
        (vec![(vec![(0, 1)], 6.0), (vec![(2, 2)], 4.0)], 60.0),
    ] {
        let causes = of_ratios(&cube, &counts(&cube, 3, users, &hit));
        let wanted: Vec<Element> = hit.iter().map(|(e, _)| e.clone()).collect();
        assert_eq!(elements(&causes), wanted, "{causes:?}");
        assert!(causes[0].confidence > 0.5);
    }
}

/// A permutation of the numbers below `n` that depends on `seed` only.
fn permutation(n: usize, seed: u64) -> Vec<u32> {
    let mut all: Vec<u32> = (0..n as u32).collect();
    all.sort_by(|a, b| noise(seed, u64::from(*a)).total_cmp(&noise(seed, u64::from(*b))));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_order_of_leaves_changes_nothing(seed in 0_u64..1_000, other in 0_u64..1_000, part in 0.3_f64..0.95) {
        let cube = grid(&[5, 8, 6]);
        let (now, expected) = amounts(&cube, seed, &[(vec![(0, 1), (2, 3)], part)]);
        // What goes the other way does not explain a total.
        prop_assume!(expected.iter().sum::<f64>() > now.iter().sum::<f64>() * 1.005);
        let turn = permutation(cube.len(), other);
        let turned = |column: &[f64]| order::arranged(column, &turn);
        let first = of_amounts(&cube, &now, &expected);
        let second = of_amounts(&cube.arranged(&turn), &turned(&now), &turned(&expected));
        prop_assert_eq!(&first, &second);
        prop_assert_eq!(elements(&first), vec![vec![(0, 1), (2, 3)]]);
    }

    #[test]
    fn the_order_of_leaves_changes_nothing_of_ratios(seed in 0_u64..1_000, other in 0_u64..1_000, times in 1.0_f64..8.0) {
        let cube = grid(&[4, 6, 3]);
        let all = counts(&cube, seed, 20.0, &[(vec![(0, 2)], times), (vec![(1, 1), (2, 0)], times / 2.0)]);
        let turn = permutation(cube.len(), other);
        let turned = of_ratios(&cube.arranged(&turn), &all.arranged(&turn));
        prop_assert_eq!(of_ratios(&cube, &all), turned);
    }
}
