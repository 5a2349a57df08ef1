//! Replays: recordings cut into blocks and laid anew over the pools, or years drawn from a stated rate.
//!
//! A block keeps what a recording knows and a rate does not: that losses come in bursts. Each run draws its blocks
//! by seed, so the spread of the runs is what the recording's length leaves open (moving block bootstrap, Künsch 1989,
//! on a circle).
//!
//! Pure: no clock, no I/O, no async.

use std::collections::HashMap;

use crate::chance::Chance;
use crate::losses::{Losses, draw, steps, walk};

/// Blocks of a run: enough for a spread, long enough for a burst.
const BLOCKS: f64 = 20.0;
/// Moments that all runs together look at: bounds the time that a replay takes.
const MOMENTS: f64 = 200_000.0;
const RUNS: (f64, f64) = (40.0, 400.0);
/// A run from a stated rate is a year, or shorter when that would be too many moments.
const YEAR_S: f64 = 365.0 * 86_400.0;

/// What is replayed, again and again alike for the same seed.
pub struct Replay<'a> {
    losses: &'a Losses,
    window_s: f64,
    seed: u64,
    /// Length of a run in seconds.
    pub length_s: f64,
    /// Number of runs.
    pub runs: usize,
    block_s: f64,
}

/// Missing nodes of one pool: from which moment on how many.
type Steps = Vec<(f64, u32)>;

impl<'a> Replay<'a> {
    /// A replay of these losses over this many pools.
    pub fn new(losses: &'a Losses, pools: usize, window_s: f64, seed: u64) -> Self {
        let (length_s, moments) = match losses {
            Losses::Rate { per_s, .. } => {
                let all: f64 = (0..pools).map(|i| per_s[i % per_s.len()]).sum();
                let a_year = all * YEAR_S * 2.0;
                let length = YEAR_S * (MOMENTS / RUNS.0 / a_year.max(1.0)).min(1.0);
                let length = length.max(window_s * 100.0);
                (length, a_year * length / YEAR_S)
            }
            Losses::Tracks(tracks) => {
                let length = tracks.iter().map(|t| t.length_s).fold(0.0, f64::max);
                let of = |i: usize| {
                    let t = &tracks[i % tracks.len()];
                    t.events.len() as f64 * 2.0 * length / t.length_s + BLOCKS
                };
                (length, (0..pools).map(of).sum())
            }
        };
        Self {
            losses,
            window_s,
            seed,
            length_s,
            runs: (MOMENTS / moments.max(1.0)).clamp(RUNS.0, RUNS.1) as usize,
            block_s: (length_s / BLOCKS).max(window_s * 4.0).min(length_s),
        }
    }

    /// One run of this length, as for a year of recordings that are shorter.
    pub fn once(mut self, length_s: f64) -> Self {
        (self.length_s, self.runs) = (length_s, 1);
        self
    }

    /// For each run, the part of the time in which at least `needed` nodes served.
    pub fn served(&self, sizes: &[u32], needed: u32) -> Vec<f64> {
        let Some(slack) = sizes.iter().sum::<u32>().checked_sub(needed) else {
            return vec![0.0; self.runs];
        };
        let mut walks: HashMap<(usize, u32), Steps> = HashMap::new();
        if let Losses::Tracks(tracks) = self.losses {
            for (pool, n) in sizes.iter().enumerate() {
                let kind = pool % tracks.len();
                walks
                    .entry((kind, *n))
                    .or_insert_with(|| walk(&tracks[kind], self.window_s, *n));
            }
        }
        (0..self.runs)
            .map(|run| {
                let mut moments = Vec::new();
                for (pool, n) in sizes.iter().enumerate() {
                    let chance = Chance::of(self.seed, run as u64, pool as u64);
                    let of_pool = self.steps(&walks, pool, *n, chance);
                    moments.extend(of_pool.into_iter().map(|(t, m)| (t, pool, m)));
                }
                1.0 - short(moments, sizes.len(), slack, self.length_s)
            })
            .collect()
    }

    fn steps(
        &self,
        walks: &HashMap<(usize, u32), Steps>,
        pool: usize,
        n: u32,
        mut chance: Chance,
    ) -> Steps {
        match self.losses {
            Losses::Rate { per_s, shares } => {
                let rate = per_s[pool % per_s.len()];
                let events = draw(rate, shares, self.window_s, self.length_s, &mut chance);
                let mut times: Vec<f64> = events
                    .iter()
                    .flat_map(|(t, _)| [*t, *t + self.window_s])
                    .filter(|t| (0.0..self.length_s).contains(t))
                    .chain([0.0])
                    .collect();
                times.sort_unstable_by(f64::total_cmp);
                steps(&events, &times, self.window_s, n)
            }
            Losses::Tracks(tracks) => {
                let kind = pool % tracks.len();
                let turn = tracks[kind].length_s;
                let walk = walks.get(&(kind, n)).map_or(&[][..], Vec::as_slice);
                let (mut laid, mut at) = (Vec::new(), 0.0);
                while at < self.length_s {
                    let long = self.block_s.min(self.length_s - at);
                    cut(walk, turn, chance.unit() * turn, long, at, &mut laid);
                    at += long;
                }
                laid
            }
        }
    }

    /// The interval in which 95 of 100 runs lie. Runs without a shortfall do not prove that there is none: then the
    /// lower end is what as many independent stretches without one still allow (Clopper and Pearson 1934).
    pub fn ci95(&self, served: &[f64]) -> [f64; 2] {
        let mut sorted = served.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let low = sorted[(last as f64 * 0.025).floor() as usize];
        let high = sorted[(last as f64 * 0.975).ceil() as usize];
        let stretch = match self.losses {
            Losses::Rate { .. } => self.window_s,
            Losses::Tracks(_) => self.block_s,
        };
        let allowed = 0.025f64.powf(stretch.max(1e-9) / self.length_s);
        let low = if low >= 1.0 { allowed } else { low };
        // And as much, if no run was ever served.
        [low, if high <= 0.0 { 1.0 - allowed } else { high }]
    }
}

/// Lays `long` seconds of a circular walk, from `from` on, at `at`.
fn cut(walk: &[(f64, u32)], turn: f64, from: f64, long: f64, at: f64, laid: &mut Steps) {
    if walk.is_empty() {
        return;
    }
    let mut i = walk.partition_point(|(t, _)| *t <= from) - 1;
    laid.push((at, walk[i].1));
    let mut turns = 0.0;
    loop {
        i += 1;
        if i == walk.len() {
            (i, turns) = (0, turns + turn);
        }
        let t = walk[i].0 + turns - from;
        if t >= long {
            return;
        }
        laid.push((at + t, walk[i].1));
    }
}

/// The part of the time in which more than `slack` nodes are missing.
fn short(mut moments: Vec<(f64, usize, u32)>, pools: usize, slack: u32, length: f64) -> f64 {
    moments.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut missing, mut total) = (vec![0u32; pools], 0u32);
    let (mut since, mut short) = (0.0, 0.0);
    for (t, pool, now) in moments {
        if total > slack {
            short += t - since;
        }
        since = t;
        total = total + now - missing[pool];
        missing[pool] = now;
    }
    if total > slack {
        short += length - since;
    }
    (short / length).clamp(0.0, 1.0)
}
