//! NAB's score: what alarms of a detector are worth to somebody who must act on them (Lavin and Ahmad, ICMLA 2015).
//!
//! Each labelled window counts once, by the earliest alarm in it: almost 1 at its left edge, 0 just behind its right
//! one, and minus the weight of a miss without any. Each alarmed point outside costs the weight of a false alarm, less shortly behind a
//! window. One threshold for all series, the best; 0 is what silence gets and 100 what the earliest alarm in every
//! window and no other gets. The first 15 % of a series, 750 rows at most, are not judged.
//! Pure: no clock, no I/O, no async.

use crate::vus::segments;

/// Part of a series that is not judged.
const PROBATION: f64 = 0.15;
/// Rows of which that part is taken at most.
const PROBATION_OF: usize = 5_000;
/// Part of a series that its windows cover together.
const COVERED: f64 = 0.1;
/// So many widths behind a window an alarm has nothing to do with it.
const FAR: f64 = 3.0;

/// What hits, false alarms and misses weigh.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    hit: f64,
    false_alarm: f64,
    miss: f64,
}

/// NAB's profiles.
pub const PROFILES: [Profile; 3] = [
    profile("standard", 0.11, 1.0),
    profile("low_fp", 0.22, 1.0),
    profile("low_fn", 0.11, 2.0),
];

const fn profile(name: &'static str, false_alarm: f64, miss: f64) -> Profile {
    Profile {
        name,
        hit: 1.0,
        false_alarm,
        miss,
    }
}

/// A judged point: its score, the window it lies in, and what an alarm there is worth before weighing.
#[derive(Clone, Copy, Debug)]
struct Point {
    score: f64,
    window: Option<u32>,
    worth: f64,
}

/// A series ready to be scored.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    points: Vec<Point>,
    windows: usize,
}

/// What the best threshold gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// 0 as silence, 100 as perfect; below 0 cannot be the best.
    pub score: f64,
    /// The threshold.
    pub threshold: f64,
}

/// Worth of an alarm by its place: in widths from a window's right edge, negative within.
fn worth(place: f64) -> f64 {
    if place >= FAR {
        return -1.0;
    }
    2.0 / (1.0 + (5.0 * place).exp()) - 1.0
}

/// Labelled segments widened to NAB's windows: together a tenth of the series, each around its middle; those that
/// meet are one. A segment as wide as that is a window already.
pub fn windows(labels: &[bool]) -> Vec<(usize, usize)> {
    let found = segments(labels);
    let width = (COVERED * labels.len() as f64 / found.len().max(1) as f64) as usize;
    let mut wide: Vec<(usize, usize)> = Vec::new();
    for (first, last) in found {
        let more = width.saturating_sub(last - first + 1);
        let from = first.saturating_sub(more / 2);
        let to = (last + more.div_ceil(2)).min(labels.len() - 1);
        match wide.last_mut() {
            Some(before) if more > 0 && before.1 >= from => before.1 = before.1.max(to),
            _ => wide.push((from, to)),
        }
    }
    wide
}

impl Judgement {
    /// Of scores and the windows (first and last row) of one series.
    pub fn of(scores: &[f64], windows: &[(usize, usize)]) -> Self {
        let judged_from = (PROBATION * scores.len().min(PROBATION_OF) as f64) as usize;
        let mut all = Self::default();
        let (mut next, mut before) = (0, None::<(usize, usize)>);
        for (at, score) in scores.iter().enumerate() {
            let inside = windows.get(next).filter(|w| w.0 <= at).copied();
            let (window, worth) = match (inside, before) {
                (Some((first, last)), _) => {
                    let width = (last - first + 1) as f64;
                    let place = -((last - at + 1) as f64) / width;
                    (Some(next as u32), worth(place) / worth(-1.0))
                }
                (None, Some((first, last))) if last > first => {
                    (None, worth((at - last) as f64 / (last - first) as f64))
                }
                (None, _) => (None, -1.0),
            };
            if at >= judged_from {
                all.points.push(Point {
                    score: *score,
                    window,
                    worth,
                });
            }
            if inside.is_some_and(|w| w.1 == at) {
                before = inside;
                next += 1;
            }
        }
        all.windows = windows.iter().filter(|w| w.1 >= judged_from).count();
        all
    }

    /// What its alarms are worth at a threshold, and what silence and perfection are.
    fn at(&self, threshold: f64, p: &Profile) -> [f64; 3] {
        let mut parts: Vec<Option<f64>> = Vec::new();
        let mut outside = 0.0;
        for point in self.points.iter().filter(|q| q.score >= threshold) {
            match point.window {
                None => outside += point.worth * p.false_alarm,
                Some(window) => {
                    let window = window as usize;
                    parts.resize(parts.len().max(window + 1), None);
                    let best = parts[window].unwrap_or(f64::MIN);
                    parts[window] = Some(best.max(point.worth * p.hit));
                }
            }
        }
        let hit: Vec<f64> = parts.into_iter().flatten().collect();
        let missed = self.windows.saturating_sub(hit.len()) as f64;
        let windows = self.windows as f64;
        let gained = hit.iter().sum::<f64>() - missed * p.miss + outside;
        [gained, -windows * p.miss, windows * p.hit]
    }
}

/// The score of some series at a threshold.
pub fn score<'a>(
    all: impl Iterator<Item = &'a Judgement>,
    threshold: f64,
    profile: &Profile,
) -> f64 {
    let sums = all.fold([0.0; 3], |sum: [f64; 3], j| {
        let of = j.at(threshold, profile);
        std::array::from_fn(|n| sum[n] + of[n])
    });
    let [gained, silent, perfect] = sums;
    100.0 * (gained - silent) / (perfect - silent).max(f64::MIN_POSITIVE)
}

/// The best threshold for all series together.
pub fn best(all: &[Judgement], profile: &Profile) -> Best {
    let numbered = all.iter().enumerate();
    let mut points: Vec<(usize, Point)> = numbered
        .flat_map(|(series, j)| j.points.iter().map(move |p| (series, *p)))
        .collect();
    points.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
    let windows: usize = all.iter().map(|j| j.windows).sum();
    let silent = -(windows as f64) * profile.miss;
    let mut parts = rustc_hash::FxHashMap::<(usize, u32), f64>::default();
    let (mut now, mut best) = (silent, (silent, f64::INFINITY));
    for same in points.chunk_by(|(_, a), (_, b)| a.score == b.score) {
        for (series, point) in same {
            match point.window {
                None => now += point.worth * profile.false_alarm,
                Some(window) => {
                    let part = parts.entry((*series, window)).or_insert(-profile.miss);
                    let more = (point.worth * profile.hit).max(*part);
                    now += more - *part;
                    *part = more;
                }
            }
        }
        if now > best.0 {
            best = (now, same[0].1.score);
        }
    }
    let whole = windows as f64 * profile.hit - silent;
    Best {
        score: 100.0 * (best.0 - silent) / whole.max(f64::MIN_POSITIVE),
        threshold: best.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: Profile = PROFILES[0];

    fn marked(rows: usize, at: &[usize]) -> Vec<f64> {
        (0..rows)
            .map(|row| f64::from(u8::from(at.contains(&row))))
            .collect()
    }

    fn of(at: &[usize]) -> f64 {
        let all = [Judgement::of(&marked(100, at), &[(40, 49), (80, 89)])];
        score(all.iter(), 1.0, &STANDARD)
    }

    #[test]
    fn silence_gets_nothing_and_the_earliest_alarms_everything() {
        assert_eq!(of(&[]), 0.0);
        assert!((of(&[40, 80]) - 100.0).abs() < 1e-9);
        // Alarms of the probation do not count; further ones in a window neither.
        assert!((of(&[3, 40, 45, 80]) - 100.0).abs() < 1e-9);
        let all = [Judgement::of(
            &marked(100, &[40, 80]),
            &[(40, 49), (80, 89)],
        )];
        let found = best(&all, &STANDARD);
        assert!((found.score - 100.0).abs() < 1e-9 && found.threshold == 1.0);
    }

    #[test]
    fn late_alarms_and_false_ones_cost_by_their_place() {
        let sigmoid = |x: f64| 2.0 / (1.0 + (5.0 * x).exp()) - 1.0;
        // Of four points between silence and perfection: one window found at its last row, one missed.
        let late = 1.0 + sigmoid(-0.1) / sigmoid(-1.0);
        assert!((of(&[49]) - 100.0 * late / 4.0).abs() < 1e-9);
        // Before any window a false alarm costs its whole weight, a row behind one hardly anything.
        assert!((of(&[30, 40, 80]) - (100.0 - 100.0 * 0.11 / 4.0)).abs() < 1e-9);
        let near = 0.11 * sigmoid(1.0 / 9.0);
        assert!((of(&[40, 50, 80]) - (100.0 + 100.0 * near / 4.0)).abs() < 1e-9);
        assert!((of(&[40, 77, 80]) - (100.0 - 100.0 * 0.11 / 4.0)).abs() < 1e-9);
    }

    #[test]
    fn one_threshold_is_best_for_all_series_together() {
        let mut scores = marked(100, &[40]);
        scores[20..24].fill(0.6);
        scores[80] = 0.5;
        let all = [Judgement::of(&scores, &[(40, 49), (80, 89)])];
        // Four false alarms cost 0.44, the second window brings 2.
        let low_fp = PROFILES[1];
        assert_eq!(best(&all, &STANDARD).threshold, 0.5);
        assert!((best(&all, &STANDARD).score - 89.0).abs() < 1e-9);
        assert!((best(&all, &low_fp).score - 78.0).abs() < 1e-9);
        assert!((score(all.iter(), 0.5, &STANDARD) - 89.0).abs() < 1e-9);
    }

    #[test]
    fn segments_are_widened_to_a_tenth_of_the_series_together() {
        let labels = |at: &[usize]| marked(200, at).iter().map(|l| *l > 0.0).collect::<Vec<_>>();
        assert_eq!(windows(&labels(&[100])), [(91, 110)]);
        assert_eq!(windows(&labels(&[50, 150])), [(46, 55), (146, 155)]);
        assert_eq!(windows(&labels(&[50, 56])), [(46, 61)]);
        let wide: Vec<usize> = (60..90).collect();
        assert_eq!(windows(&labels(&wide)), [(60, 89)]);
        assert_eq!(windows(&labels(&[])), []);
    }
}
