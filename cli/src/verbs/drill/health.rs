//! What a drill watches: each topology's progress out of the workers' counts, and the nodes.
//!
//! Counts arrive once a second from each worker, ten times while something moves, so a pause is known to about a second.

use std::collections::BTreeMap;

use fulmar_proto::nimbus as pb;
use serde::Serialize;

/// A topology at a moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Look {
    /// Seconds from the first loss or its notice; negative before it.
    pub at_s: f64,
    /// Roots acked so far; of a topology that acks nothing, tuples executed.
    pub done: u64,
    /// Of these a second, since the look before.
    pub rate: f64,
    /// Roots failed so far, timeouts included.
    pub failed: u64,
    /// Roots under way.
    pub pending: u64,
    /// From emit to ack, in milliseconds, mean of the last 10 s.
    pub latency_ms: f64,
    /// `ok`, `degraded` or `waiting`.
    pub health: String,
}

/// The nodes at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Nodes {
    /// Seconds from the first loss or its notice.
    pub at_s: f64,
    /// That live.
    pub alive: usize,
    /// Of these, that get nothing new.
    pub cordoned: usize,
    /// Of these, whose work has moved away.
    pub drained: usize,
}

/// The counts of a topology: done, failed, pending, latency.
pub fn counts(info: &pb::TopologyInfo) -> (u64, u64, u64, f64) {
    let all = info.windows.iter().filter(|w| w.secs == 0);
    let all: Vec<&pb::ComponentStats> = all.filter_map(|w| w.stats.as_ref()).collect();
    let acked: u64 = all.iter().map(|s| s.spout_acked).sum();
    let failed: u64 = all.iter().map(|s| s.spout_failed + s.spout_timed_out).sum();
    let executed = |s: &&&pb::ComponentStats| s.inputs.iter().map(|i| i.executed).sum::<u64>();
    let executed: u64 = all.iter().map(|s| executed(&s)).sum();
    let stats = info.executors.iter().filter_map(|e| e.stats.as_ref());
    let (mut pending, mut weighted, mut weight) = (0, 0.0, 0.0);
    for s in stats.filter(|s| s.spout_acked > 0 || s.pending > 0) {
        pending += s.pending;
        weighted += s.complete_ms * s.spout_acked as f64;
        weight += s.spout_acked as f64;
    }
    let latency = if weight > 0.0 { weighted / weight } else { 0.0 };
    let done = if acked + failed > 0 { acked } else { executed };
    (done, failed, pending, latency)
}

/// What is remembered of every topology.
#[derive(Default)]
pub struct History {
    /// By name.
    pub topologies: BTreeMap<String, Vec<Look>>,
    /// The nodes.
    pub nodes: Vec<Nodes>,
}

impl History {
    /// Takes a look at a topology.
    pub fn take(&mut self, name: &str, at_s: f64, info: &pb::TopologyInfo) {
        let (done, failed, pending, latency_ms) = counts(info);
        let looks = self.topologies.entry(name.to_owned()).or_default();
        let rate = looks.last().map_or(0.0, |l| {
            done.saturating_sub(l.done) as f64 / (at_s - l.at_s).max(1e-3)
        });
        let health = info.summary.as_ref().map(|s| s.health.clone());
        looks.push(Look {
            at_s,
            done,
            rate,
            failed,
            pending,
            latency_ms,
            health: health.unwrap_or_default(),
        });
    }
}

/// What became of a topology in a drill.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The topology.
    pub topology: String,
    /// Usual progress a second, before the first loss.
    pub usual_rate: f64,
    /// Lowest progress a second, over 2 s, from the first loss on.
    pub lowest_rate: f64,
    /// Longest time without any progress, in seconds; 0 where there was none before either.
    pub dip_s: f64,
    /// Roots that failed and were given back to their spouts.
    pub failed: u64,
    /// From the last end of a node until it ran as usual again (90 % of the rate, no worker missing); none: not in time.
    pub recovered_s: Option<f64>,
}

/// Progress is as usual from this part of the usual rate on.
const USUAL: f64 = 0.9;
/// And is in trouble below this one.
const BAD: f64 = 0.5;
/// A rate is taken over so long.
const OVER_S: f64 = 2.0;

/// Sums up a topology. The last node went at `ended_s`, if one went.
pub fn outcome(topology: &str, looks: &[Look], ended_s: f64) -> Outcome {
    let zero = looks
        .partition_point(|l| l.at_s < 0.0)
        .min(looks.len().saturating_sub(1));
    let (Some(first), Some(start), Some(last)) = (looks.first(), looks.get(zero), looks.last())
    else {
        return Outcome {
            topology: topology.to_owned(),
            ..Outcome::default()
        };
    };
    let since = |from: &Look, to: &Look| {
        to.done.saturating_sub(from.done) as f64 / (to.at_s - from.at_s).max(1e-3)
    };
    let usual_rate = since(first, start);
    let after = &looks[zero..];
    let over = |i: usize| {
        let from = after[..i]
            .iter()
            .rev()
            .find(|l| after[i].at_s - l.at_s >= OVER_S);
        from.map(|from| since(from, &after[i]))
    };
    let rates: Vec<Option<f64>> = (0..after.len()).map(over).collect();
    let lowest = rates
        .iter()
        .flatten()
        .copied()
        .fold(f64::INFINITY, f64::min);
    let ended = |i: &usize| after[*i].at_s >= ended_s;
    let whole = |i: &usize| after[*i].health == "ok";
    let at_least = |i: &usize, part: f64| rates[*i].is_some_and(|r| r >= part * usual_rate);
    // At the end itself all may still be well: what counts is from when on it was never bad again.
    let bad = |i: &usize| ended(i) && !(whole(i) && at_least(i, BAD));
    let from = (0..after.len()).rfind(bad).map_or(0, |i| i + 1);
    let fine = |i: &usize| ended(i) && whole(i) && at_least(i, USUAL);
    Outcome {
        topology: topology.to_owned(),
        usual_rate,
        lowest_rate: if lowest.is_finite() {
            lowest
        } else {
            usual_rate
        },
        dip_s: if usual_rate > 0.0 { dip(after) } else { 0.0 },
        failed: last.failed.saturating_sub(start.failed),
        recovered_s: (from..after.len())
            .find(fine)
            .map(|i| (after[i].at_s - ended_s).max(0.0)),
    }
}

/// Longest time between two looks that differ in what was done.
fn dip(looks: &[Look]) -> f64 {
    let mut longest: f64 = 0.0;
    let mut moved = looks.first().map_or(0.0, |l| l.at_s);
    for pair in looks.windows(2) {
        if pair[1].done > pair[0].done {
            moved = pair[1].at_s;
        } else {
            longest = longest.max(pair[1].at_s - moved);
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look every half second; `done` at each.
    fn looks(done: &[u64], bad: std::ops::Range<usize>) -> Vec<Look> {
        let look = |(i, done): (usize, &u64)| Look {
            at_s: i as f64 / 2.0 - 2.0,
            done: *done,
            failed: if i > 6 { 3 } else { 0 },
            health: if bad.contains(&i) { "waiting" } else { "ok" }.to_owned(),
            ..Look::default()
        };
        done.iter().enumerate().map(look).collect()
    }

    #[test]
    fn a_pause_a_dip_and_a_recovery_are_seen() {
        // 100 in each half second, none from 1 s to 3 s, then as before.
        let mut done = Vec::new();
        for i in 0..24u64 {
            done.push(match i {
                0..=6 => 100 * i,
                7..=10 => 600,
                _ => 600 + 100 * (i - 10),
            });
        }
        let o = outcome("t", &looks(&done, 7..11), 1.0);
        assert_eq!(o.usual_rate, 200.0);
        assert_eq!((o.lowest_rate, o.failed), (0.0, 3));
        assert_eq!(o.dip_s, 2.0);
        // The rate over 2 s is as usual at 5 s.
        assert_eq!(o.recovered_s, Some(4.0));
    }

    #[test]
    fn what_never_comes_back_is_not_recovered_and_what_never_ran_has_no_dip() {
        let o = outcome(
            "t",
            &looks(&[0, 100, 200, 300, 400, 400, 400, 400, 400, 400], 0..0),
            0.0,
        );
        assert_eq!(o.recovered_s, None);
        let o = outcome("t", &looks(&[7; 12], 0..0), 0.0);
        assert_eq!(
            (o.dip_s, o.usual_rate, o.recovered_s),
            (0.0, 0.0, Some(2.0))
        );
        assert_eq!(outcome("t", &[], 0.0).recovered_s, None);
    }

    #[test]
    fn a_topology_that_acks_nothing_is_judged_by_what_it_executes() {
        let stats = |acked, executed| pb::WindowStats {
            secs: 0,
            stats: Some(pb::ComponentStats {
                spout_acked: acked,
                inputs: vec![pb::InputCount {
                    executed,
                    ..Default::default()
                }],
                ..Default::default()
            }),
        };
        let mut info = pb::TopologyInfo {
            windows: vec![stats(0, 40), stats(0, 2)],
            ..Default::default()
        };
        assert_eq!(counts(&info).0, 42);
        info.windows.push(stats(7, 0));
        assert_eq!(counts(&info).0, 7);
    }
}
