//! VUS-PR: the volume under precision–recall curves over label borders of growing softness.
//!
//! Paparrizos et al., VLDB 2022. For a buffer of ℓ points, labels fall off as √(1 − distance/ℓ) over ℓ/2 points on either
//! side of a segment; recall is paid by soft labels and by the part of the segments that are touched at all;
//! the areas of ℓ = 0..=100 are averaged. Thresholds are scores at equally spaced ranks.
//! Pure: no clock, no I/O, no async.

/// Widest buffer, in points.
const BUFFER: usize = 100;
/// Thresholds.
const THRESHOLDS: usize = 250;

/// First and last points of runs of labels.
pub fn segments(labels: &[bool]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, _) in labels.iter().enumerate().filter(|(_, l)| **l) {
        match found.last_mut() {
            Some(last) if last.1 + 1 == at => last.1 = at,
            _ => found.push((at, at)),
        }
    }
    found
}

/// Scores by the first threshold that they reach.
struct Ranked {
    /// Of each point; the number of thresholds where it reaches none.
    first: Vec<usize>,
    /// Points at or over each threshold.
    predicted: Vec<f64>,
}

impl Ranked {
    fn of(scores: &[f64], thresholds: usize) -> Self {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let last = (sorted.len() - 1) as f64;
        let at = |k: usize| (k as f64 * last / (thresholds - 1) as f64) as usize;
        let levels: Vec<f64> = (0..thresholds).map(|k| sorted[at(k)]).collect();
        let first = scores.iter().map(|s| levels.partition_point(|l| l > s));
        let predicted = levels
            .iter()
            .map(|l| sorted.partition_point(|s| s >= l) as f64);
        Self {
            first: first.collect(),
            predicted: predicted.collect(),
        }
    }
}

/// The volume; none where nothing is labelled.
pub fn vus_pr(labels: &[bool], scores: &[f64]) -> Option<f64> {
    volume(labels, scores, BUFFER, THRESHOLDS)
}

fn volume(labels: &[bool], scores: &[f64], buffer: usize, thresholds: usize) -> Option<f64> {
    let runs = segments(labels);
    if runs.is_empty() || scores.len() != labels.len() {
        return None;
    }
    let ranked = Ranked::of(scores, thresholds);
    let all: f64 = (0..=buffer).map(|b| area(labels, &runs, &ranked, b)).sum();
    Some(all / (buffer + 1) as f64)
}

/// Soft labels of one buffer.
fn soften(labels: &[bool], runs: &[(usize, usize)], buffer: usize) -> Vec<f64> {
    let mut soft: Vec<f64> = labels.iter().map(|l| f64::from(u8::from(*l))).collect();
    let half = buffer / 2;
    let fall = |distance: usize| (1.0 - distance as f64 / buffer as f64).sqrt();
    for (first, last) in runs {
        let to = (last + 1 + half).min(labels.len());
        let after = soft[last + 1..to].iter_mut().enumerate();
        after.for_each(|(n, s)| *s = (*s + fall(n + 1)).min(1.0));
        let before = soft[first.saturating_sub(half)..*first].iter_mut().rev();
        let before = before.enumerate();
        before.for_each(|(n, s)| *s = (*s + fall(n + 1)).min(1.0));
    }
    soft
}

/// Runs widened by half a buffer, those that meet joined.
fn widen(runs: &[(usize, usize)], half: usize, points: usize) -> Vec<(usize, usize)> {
    let mut wide: Vec<(usize, usize)> = Vec::new();
    for (first, last) in runs {
        let (from, to) = (first.saturating_sub(half), (last + half).min(points - 1));
        match wide.last_mut() {
            Some(before) if before.1 >= from => before.1 = to,
            _ => wide.push((from, to)),
        }
    }
    wide
}

fn area(labels: &[bool], runs: &[(usize, usize)], ranked: &Ranked, buffer: usize) -> f64 {
    let soft = soften(labels, runs, buffer);
    let wide = widen(runs, buffer / 2, labels.len());
    let thresholds = ranked.predicted.len();
    let (mut right, mut outside, mut touched) = (
        vec![0.0; thresholds],
        vec![0.0; thresholds],
        vec![0.0; thresholds],
    );
    for (from, to) in &wide {
        let mut earliest = thresholds;
        for at in *from..=*to {
            let first = ranked.first[at];
            earliest = earliest.min(first);
            if first < thresholds {
                right[first] += soft[at];
                outside[first] += if labels[at] { 0.0 } else { soft[at] };
            }
        }
        if earliest < thresholds {
            touched[earliest] += 1.0;
        }
    }
    let labelled = labels.iter().filter(|l| **l).count() as f64;
    let (mut sums, mut last, mut area) = ([0.0; 3], 0.0, 0.0);
    for k in 0..thresholds {
        sums[0] += right[k];
        sums[1] += outside[k];
        sums[2] += touched[k];
        // Positives: the mean of the labelled points and those with what was predicted of their borders.
        let positives = labelled + sums[1] / 2.0;
        let recall = (sums[0] / positives).min(1.0) * sums[2] / wide.len() as f64;
        area += (recall - last) * sums[0] / ranked.predicted[k];
        last = recall;
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(points: usize, runs: &[(usize, usize)]) -> Vec<bool> {
        (0..points)
            .map(|at| runs.iter().any(|(f, l)| (*f..=*l).contains(&at)))
            .collect()
    }

    #[test]
    fn without_a_buffer_it_is_average_precision_times_the_segments_touched() {
        let labels = marked(4, &[(1, 1), (3, 3)]);
        // Ranks: right, wrong, right, wrong. Recall × touched: 1/2·1/2, the same, 1·1, the same.
        let area = volume(&labels, &[0.1, 0.9, 0.8, 0.5], 0, 4).unwrap();
        assert!(
            (area - (0.25 * 1.0 + 0.75 * 2.0 / 3.0)).abs() < 1e-12,
            "{area}"
        );
        assert_eq!(volume(&labels, &[0.0, 1.0, 0.0, 1.0], 0, 4), Some(1.0));
        assert_eq!(vus_pr(&marked(4, &[]), &[0.0; 4]), None);
    }

    #[test]
    fn borders_are_soft_and_meeting_segments_are_one() {
        let labels = marked(9, &[(4, 4)]);
        let soft = soften(&labels, &[(4, 4)], 4);
        let (near, far) = (0.75_f64.sqrt(), 0.5_f64.sqrt());
        let wanted = [0.0, 0.0, far, near, 1.0, near, far, 0.0, 0.0];
        soft.iter()
            .zip(wanted)
            .for_each(|(s, w)| assert!((s - w).abs() < 1e-12));
        assert_eq!(widen(&[(2, 2), (5, 6)], 2, 9), [(0, 8)]);
        assert_eq!(widen(&[(2, 2), (7, 7)], 1, 9), [(1, 3), (6, 8)]);
        // A buffer of 2: the point after the label alone: √½ right of one predicted, positives 1 + √½/2.
        let area = volume(&marked(5, &[(1, 1)]), &[0.0, 0.5, 1.0, 0.0, 0.0], 2, 5).unwrap();
        let half = 0.5_f64.sqrt();
        let first = half / (1.0 + half / 2.0);
        let second: f64 = ((1.0 + half) / (1.0 + half / 2.0)).min(1.0);
        let soft = first * half + (second - first) * (1.0 + half) / 2.0;
        // Buffers 0 and 1 have no border: the label is second of two.
        assert!((area - (0.5 + 0.5 + soft) / 3.0).abs() < 1e-9, "{area}");
    }
}
