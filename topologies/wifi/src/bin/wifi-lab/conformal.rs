//! Intervals that hold nine of ten truths of a deployment that was never seen.
//!
//! Rows of one deployment err together, so a deployment is one draw, not its rows (conformal prediction
//! for hierarchical data: Lee, Barber, Willett 2023). Two steps: the shape (how far below and above, by
//! what decides) from pooled rows, and one stretch of it, which is what the truths of deployments need
//! that had no part in their shape, each deployment weighing the same.

use fulmar_wifi::air::{SETTINGS, Setting, Throughput};
use fulmar_wifi::model::Intervals;

use crate::calibrate::folds;

/// Part of the truths that an interval is to hold.
const HOLD: f64 = 0.9;
/// Part beyond each end of the shape; more than the interval's own, since middle quantiles of some
/// dozen rows shake less than those at the edge.
const SHAPE_TAIL: f64 = 0.1;
/// Parts of the deployments for the stretch.
const FOLDS: usize = 10;
/// Least end of an interval, in units of [`Throughput::scale`].
const LEAST: f64 = 0.05;

/// A prediction of a row that had no part in it.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    /// Deployment.
    pub group: &'a str,
    /// What was said.
    pub t: Throughput,
    /// What was true, in Mbit/s.
    pub truth: f64,
}

/// Ends below and above of each setting that leave [`SHAPE_TAIL`] of the rows on each side.
fn shape<'a>(said: impl Iterator<Item = &'a Said<'a>> + Clone) -> Intervals {
    let end = |setting: Setting, sign: f64| {
        let own = said.clone().filter(|s| s.t.setting == setting);
        let mut far: Vec<f64> = own
            .map(|s| sign * (s.truth - s.t.mbps) / s.t.scale())
            .collect();
        far.sort_by(f64::total_cmp);
        let at = ((far.len() + 1) as f64 * (1.0 - SHAPE_TAIL)).ceil() as usize;
        let end = far.get(at.min(far.len()).saturating_sub(1));
        end.map_or(1.0, |v| v.max(LEAST))
    };
    Intervals(SETTINGS.map(|(s, _)| (end(s, -1.0), end(s, 1.0))))
}

/// How much the shape must be stretched to hold this truth.
fn needed(s: &Said<'_>, shape: &Intervals) -> f64 {
    let (low, high) = shape.ends(s.t.setting);
    let end = if s.truth < s.t.mbps { low } else { high };
    (s.truth - s.t.mbps).abs() / (end * s.t.scale())
}

/// The stretch that holds [`HOLD`] of the rows, each deployment weighing the same.
fn stretch(mut needed: Vec<(&str, f64)>) -> f64 {
    let mut rows = std::collections::BTreeMap::<&str, f64>::new();
    for (group, _) in &needed {
        *rows.entry(group).or_default() += 1.0;
    }
    needed.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (mut sum, all) = (0.0, rows.len() as f64);
    for (group, stretch) in &needed {
        sum += 1.0 / rows[group] / all;
        if sum >= HOLD {
            return *stretch;
        }
    }
    needed.last().map_or(1.0, |n| n.1)
}

/// What each row needs of a shape that was made without its deployment.
fn needs<'a>(said: &[Said<'a>], seed: u64) -> Vec<(&'a str, f64)> {
    let fold = folds(said.iter().map(|s| s.group), FOLDS, seed);
    let mut out = Vec::with_capacity(said.len());
    for k in 0..FOLDS {
        let others = shape(said.iter().filter(|s| fold[s.group] != k));
        let own = said.iter().filter(|s| fold[s.group] == k);
        out.extend(own.map(|s| (s.group, needed(s, &others))));
    }
    out
}

/// The intervals of a model whose errors on deployments that it did not see are these.
pub fn intervals(said: &[Said<'_>], seed: u64) -> Intervals {
    let stretch = stretch(needs(said, seed));
    let all = shape(said.iter());
    Intervals(all.0.map(|(low, high)| (low * stretch, high * stretch)))
}

/// How much wider `intervals` must be to hold as many of these, in which something is lacking.
pub fn widening(said: &[Said<'_>], intervals: &Intervals) -> f64 {
    let needed = said.iter().map(|s| (s.group, needed(s, intervals)));
    stretch(needed.collect())
}

#[cfg(test)]
mod tests {
    use fulmar_wifi::grow::Dice;

    use super::*;

    /// Deployments whose rows err together by a draw of their own.
    fn deployments(names: &[String], seed: u64) -> Vec<Said<'_>> {
        let mut dice = Dice(seed);
        let mut part = || (dice.roll() % 1_000_000) as f64 / 1e6 - 0.5;
        let mut out = Vec::new();
        for (i, group) in names.iter().enumerate() {
            let (common, rows) = (part() * 60.0, 1 + i % 9);
            for _ in 0..rows {
                let t = Throughput {
                    mbps: 100.0,
                    air_mbps: 100.0,
                    wire_mbps: 200.0,
                    share: 0.5,
                    setting: SETTINGS[i % 3].0,
                };
                let truth = 100.0 + common + part() * 10.0;
                out.push(Said { group, t, truth });
            }
        }
        out
    }

    #[test]
    fn new_deployments_are_held_as_often_as_promised() {
        let names: Vec<String> = (0..60).map(|i| format!("d{i}")).collect();
        let others: Vec<String> = (0..600).map(|i| format!("n{i}")).collect();
        let (mut held, mut all) = (0, 0);
        for seed in 1..9 {
            let i = intervals(&deployments(&names, seed), 1);
            for s in deployments(&others, seed + 100) {
                let (low, high) = i.around(&s.t, 1.0);
                held += usize::from(low <= s.truth && s.truth <= high);
                all += 1;
            }
        }
        let part = held as f64 / all as f64;
        assert!((0.86..0.95).contains(&part), "{part}");
    }

    #[test]
    fn a_deployment_with_many_rows_weighs_no_more_than_one_with_few() {
        let many = std::iter::repeat_n(("big", 9.0), 900);
        let few = (0..19).map(|i| {
            (
                [
                    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p",
                    "q", "r", "s",
                ][i],
                1.0,
            )
        });
        assert!((stretch(many.chain(few).collect()) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_wider_off_needs_as_much_wider_an_interval() {
        let names: Vec<String> = (0..40).map(|i| format!("d{i}")).collect();
        let said = deployments(&names, 3);
        let of = intervals(&said, 1);
        let off = said.iter().map(|s| Said {
            truth: s.t.mbps + 2.0 * (s.truth - s.t.mbps),
            ..*s
        });
        let off: Vec<_> = off.collect();
        let (once, twice) = (widening(&said, &of), widening(&off, &of));
        assert!((twice / once - 2.0).abs() < 1e-9, "{once} {twice}");
    }
}
