//! Scenarios: organisations of sites, access points, bands and networks, with noise, a history and an incident.

use proptest::prelude::*;

use super::*;

const WINDOW: i64 = 600_000;
/// Windows of the past.
const PAST: i64 = 72;

/// Noise between −1 and 1 that depends on its arguments only.
fn noise(a: i64, b: i64) -> f64 {
    let mut x = (a as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (b as u64).rotate_left(32);
    for shift in [30, 27, 31] {
        x = (x ^ (x >> shift)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Rows of one window of two organisations of 3 sites × 4 access points × 2 bands × 2 networks; what `hit` names
/// falls to a quarter.
fn rows(window: i64, history: bool, hit: impl Fn(&str, &str, &str) -> bool) -> Vec<Aggregate> {
    let mut cells: BTreeMap<(String, Name), (i64, i64)> = BTreeMap::new();
    for (org, site, ap, band, wlan) in (0..2).flat_map(|o| {
        (0..3).flat_map(move |s| {
            (0..4).flat_map(move |a| (0..4).map(move |bw| (o, s, a, bw / 2, bw % 2)))
        })
    }) {
        let (org, site) = (format!("o{org}"), format!("s{site}"));
        let (ap, band, wlan) = (
            format!("{site}a{ap}"),
            format!("{band}"),
            format!("w{wlan}"),
        );
        for client in 0..5 {
            let who = format!("{org}{ap}{band}{wlan}{client}");
            let who = who
                .bytes()
                .fold(7_i64, |h, b| h.wrapping_mul(31) + i64::from(b));
            let usual = 50_000.0 + 20_000.0 * noise(who, 0);
            let now = usual * (1.0 + 0.2 * noise(who, window));
            let value = if hit(&org, &site, &ap) {
                now * 0.25
            } else {
                now
            } as i64;
            for (grouping, entity) in [
                ("org", org.clone()),
                ("site", format!("{org}/{site}")),
                ("ap", format!("{org}/{ap}")),
                ("band", format!("{org}/{band}")),
                ("wlan", format!("{org}/{wlan}")),
            ] {
                let cell = cells
                    .entry((org.clone(), (grouping.into(), entity)))
                    .or_default();
                *cell = (cell.0 + 1, cell.1 + value);
            }
        }
    }
    let rows = cells
        .into_iter()
        .map(|((org, (grouping, entity)), (count, sum))| Aggregate {
            org,
            metric: "throughput".into(),
            grouping,
            entity,
            window_start_ms: window * WINDOW,
            window_ms: WINDOW,
            count,
            sum,
            history,
            ..Aggregate::default()
        });
    rows.collect()
}

fn trained() -> Detector {
    let mut detector = Detector::new(Rules::default());
    for window in 0..PAST {
        rows(window, true, |_, _, _| false)
            .iter()
            .for_each(|a| detector.add(a));
    }
    assert!(!detector.is_dirty());
    detector
}

fn judged(detector: &mut Detector, rows: &[Aggregate]) -> Vec<Anomaly> {
    rows.iter().for_each(|a| detector.add(a));
    detector.judge().into_iter().map(|(a, _)| a).collect()
}

#[test]
fn calm_windows_raise_nothing() {
    let mut detector = trained();
    for window in 72..120 {
        let found = judged(&mut detector, &rows(window, false, |_, _, _| false));
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn an_incident_is_found_at_once_attributed_and_followed_under_one_id() {
    for (hit_ap, entity, grouping) in [(true, "o1/s2a3", "ap"), (false, "o1/s2", "site")] {
        let mut detector = trained();
        judged(&mut detector, &rows(72, false, |_, _, _| false));
        let mut ids = Vec::new();
        for window in 73..76 {
            let hit =
                |o: &str, s: &str, a: &str| o == "o1" && s == "s2" && (!hit_ap || a == "s2a3");
            let found = judged(&mut detector, &rows(window, false, hit));
            assert_eq!(found.len(), 1, "{found:?}");
            let a = &found[0];
            assert_eq!(
                (a.entity.as_str(), a.grouping.as_str(), a.direction.as_str()),
                (entity, grouping, "low")
            );
            assert_eq!(a.causes[0].entity, entity);
            assert!(a.causes[0].share > 0.8 && a.score > 6.5, "{a:?}");
            assert!(a.value < a.expected / 2.0);
            ids.push(a.id.clone());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        assert!(judged(&mut detector, &rows(76, false, |_, _, _| false)).is_empty());
    }
}

#[test]
fn a_correction_is_judged_again_and_a_poorer_copy_is_not() {
    let mut detector = trained();
    let hit = rows(72, false, |o, _, a| o == "o0" && a == "s1a1");
    let first = judged(&mut detector, &hit);
    let mut poorer = hit.clone();
    poorer
        .iter_mut()
        .for_each(|a| (a.count, a.sum) = (a.count - 1, a.sum / 2));
    poorer.iter().for_each(|a| detector.add(a));
    assert!(!detector.is_dirty());
    let mut fuller = hit;
    fuller
        .iter_mut()
        .for_each(|a| (a.count, a.sum) = (a.count * 2, a.sum * 2));
    let again = judged(&mut detector, &fuller);
    assert_eq!(
        (first[0].id.as_str(), again.len()),
        (again[0].id.as_str(), 1)
    );
}

#[test]
fn what_lasts_for_half_a_day_is_learnt_as_it_is() {
    let mut detector = trained();
    let hit = |o: &str, s: &str, _: &str| o == "o1" && s == "s2";
    let raised: Vec<i64> = (72..300)
        .filter(|w| !judged(&mut detector, &rows(*w, false, hit)).is_empty())
        .collect();
    assert_eq!(raised.first(), Some(&72));
    assert!(raised.last() < Some(&220), "{raised:?}");
}

/// Rows of one access point whose mean and count are these.
fn row(window: i64, count: i64, mean: f64) -> Aggregate {
    Aggregate {
        org: "o".into(),
        metric: "throughput".into(),
        grouping: "ap".into(),
        entity: "o/a".into(),
        window_start_ms: window * WINDOW,
        window_ms: WINDOW,
        count,
        sum: (mean * count as f64) as i64,
        ..Aggregate::default()
    }
}

fn single(window: i64) -> Aggregate {
    let low = if (200..203).contains(&window) {
        0.3
    } else {
        1.0
    };
    row(
        window,
        100,
        40_000.0 * low * (1.0 + 0.05 * noise(1, window)),
    )
}

#[test]
fn what_is_raised_is_what_the_evaluated_detector_says_of_the_same_values() {
    let mut detector = Detector::new(Rules::default());
    let mut series = Series::new(
        WINDOW / 1_000,
        &Arc::new(Settings::default()),
        floor("throughput"),
    );
    let mut raised = 0;
    for window in 0..260 {
        let row = single(window);
        let said = series.step(row.window_start_ms / 1_000, row.sum as f64 / 100.0, 1.0);
        let found = judged(&mut detector, &[row]);
        let limit = Settings::default().limit;
        if let [a] = &found[..] {
            assert_eq!(
                (a.score, a.expected),
                (said.severity * limit, said.expected)
            );
            raised += 1;
        }
        if said.alarm && !said.above {
            assert_eq!(found.len(), 1, "window {window}: {said:?}");
        }
    }
    assert!((3..6).contains(&raised), "{raised}");
}

#[test]
fn what_nobody_would_notice_is_not_raised_however_steady_a_series_was() {
    let mut detector = Detector::new(Rules::default());
    for window in 0..200 {
        let row = row(window, 100, 40_000.0 + (window % 2) as f64 * 100.0);
        assert!(judged(&mut detector, &[row]).is_empty());
    }
    assert!(judged(&mut detector, &[row(200, 100, 38_000.0)]).is_empty());
    assert_eq!(judged(&mut detector, &[row(201, 100, 8_000.0)]).len(), 1);
}

#[test]
fn the_past_of_a_series_is_small() {
    let mut detector = Detector::new(Rules::default());
    (0..300).for_each(|window| drop(judged(&mut detector, &[single(window)])));
    let all = detector.groups.values().flat_map(|g| g.series.values());
    let bytes: Vec<usize> = all.map(|p| p.series.bytes() + size_of::<Past>()).collect();
    assert!(bytes.len() == 1 && bytes[0] < 2_500, "{bytes:?}");
}

#[test]
fn without_a_past_nothing_is_raised() {
    let mut detector = Detector::new(Rules::default());
    for window in 0..48 {
        let hit = window == 47;
        assert!(judged(&mut detector, &rows(window, false, |_, _, _| hit)).is_empty());
    }
}

/// By incident and window, with the time of writing.
fn keyed(said: Vec<(Anomaly, i64)>) -> BTreeMap<(String, i64), (Anomaly, i64)> {
    let key = |a: &Anomaly| (a.id.clone(), a.window_start_ms);
    said.into_iter()
        .map(|(a, written)| (key(&a), (a, written)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_order_of_rows_and_a_replay_change_nothing(turn in 0_usize..200, step in 1_usize..50) {
        let mut calm = trained();
        let mut shuffled = trained();
        for window in 72..76 {
            let hit = rows(window, false, |o, s, _| o == "o0" && s == "s0" && window > 73);
            let mut other = hit.clone();
            let turn = turn % other.len();
            other.rotate_left(turn);
            let twice: Vec<_> = other.iter().step_by(step).cloned().collect();
            other.extend(twice);
            prop_assert_eq!(judged(&mut calm, &hit), judged(&mut shuffled, &other));
        }
    }

    #[test]
    fn when_it_is_judged_changes_nothing_of_what_is_said_in_the_end(
        log in prop::collection::vec((0_i64..4, 1_i64..4, prop::bool::weighted(0.2)), 1..120),
    ) {
        let (mut often, mut once) = (Detector::new(Rules::default()), Detector::new(Rules::default()));
        for window in 0..PAST {
            let row = Aggregate { history: true, ..single(window) };
            often.add(&row);
            once.add(&row);
        }
        let mut said = BTreeMap::new();
        for (n, (late, count, low)) in log.into_iter().enumerate() {
            let window = PAST + n as i64 / 2 - late;
            let mean = 40_000.0 * if low { 0.2 } else { 1.0 };
            let row = row(window, count * 50, mean);
            once.add(&row);
            often.add(&row);
            said.extend(keyed(often.judge()));
        }
        for (key, end) in keyed(once.judge()) {
            prop_assert_eq!(said.get(&key), Some(&end));
        }
    }
}
