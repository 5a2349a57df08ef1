//! Series with a day's shape, steps, gaps and few records: what must be raised and what must not.

use super::*;

/// Noise of about a standard normal that depends on its argument only.
fn noise(n: i64) -> f64 {
    let uniform = |k: i64| {
        let mut x = ((n * 16 + k) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..6).map(uniform).sum::<f64>() * 2.0_f64.sqrt() - 3.0 * 2.0_f64.sqrt()
}

const STEP: i64 = 300;
const DAY: i64 = 288;

/// Plateaus of a working day.
fn usual(n: i64) -> f64 {
    let busy = (96..216).contains(&(n % DAY));
    (if busy { 80.0 } else { 20.0 }) + noise(n)
}

fn judged(points: i64, value: impl Fn(i64) -> f64) -> Vec<Judged> {
    let mut series = Series::new(STEP, &Arc::new(Settings::default()), Floor::default());
    (0..points)
        .map(|n| series.step(n * STEP, value(n), 1.0))
        .collect()
}

#[test]
fn a_days_shape_is_learnt_and_its_absence_is_raised() {
    let quiet_day = 12 * DAY..13 * DAY;
    let all = judged(14 * DAY, |n| {
        if quiet_day.contains(&n) {
            20.0 + noise(n)
        } else {
            usual(n)
        }
    });
    let alarms = |from: i64, to: i64| {
        all[from as usize..to as usize]
            .iter()
            .filter(|j| j.alarm)
            .count()
    };
    assert_eq!(alarms(6 * DAY, 12 * DAY + 96), 0);
    assert!(all[(12 * DAY + 96) as usize].alarm);
    assert!((all[(12 * DAY + 100) as usize].expected - 80.0).abs() < 10.0);
}

#[test]
fn a_lasting_change_is_raised_once_and_becomes_usual() {
    let all = judged(4_000, |n| noise(n) + if n >= 2_000 { 40.0 } else { 0.0 });
    let first = all.iter().position(|j| j.alarm);
    assert_eq!(first, Some(2_000));
    assert!(all[2_000].score > 0.5 && all[2_000].severity > 2.0);
    assert!(all[3_500..].iter().all(|j| !j.alarm));
    assert!((all[3_999].expected - 40.0).abs() < 5.0);
}

#[test]
fn missing_values_and_still_series_raise_nothing() {
    let all = judged(3_000, |n| if n % 3 == 0 { f64::NAN } else { usual(n) });
    assert!(all.iter().step_by(3).all(|j| *j == Judged::default()));
    assert!(
        judged(3_000, |_| 7.0)
            .iter()
            .all(|j| !j.alarm && j.score < 0.1)
    );
    assert!(
        judged(20, |n| (n % 2) as f64 * 1e6)
            .iter()
            .all(|j| !j.alarm)
    );
}

#[test]
fn a_thin_point_may_stray_further() {
    let mut full = Series::new(STEP, &Arc::new(Settings::default()), Floor::default());
    for n in 0..2_000 {
        full.step(n * STEP, noise(n), 1.0);
    }
    let mut thin = full.clone();
    let far = full.step(2_000 * STEP, 12.0, 1.0);
    let near = thin.step(2_000 * STEP, 12.0, 4.0);
    assert!(far.alarm && !near.alarm, "{far:?} {near:?}");
    assert!((far.far / near.far - 4.0).abs() < 1e-9);
}

#[test]
fn the_noise_of_a_series_moves_its_limit() {
    let heavy = |n: i64| (noise(n) * 1.5).exp();
    let share = |all: &[Judged]| all[1_000..].iter().filter(|j| j.alarm).count();
    let raised = share(&judged(20_000, heavy));
    assert!(raised < 400, "{raised}");
    assert_eq!(share(&judged(20_000, noise)), 0);
}
