//! How losses cluster, taken from recordings; how often they come, taken from bands.
//!
//! Recordings are of scarce machines that were asked for again at once: their rates are a thousand times those of
//! common types. So a recording gives the bursts (how many nodes go, in which steps, for how long the pool stays
//! empty, how many other pools go with it), and the band gives the rate at which they come.
//!
//! Pure: no clock, no I/O, no async.

use crate::bands::Band;
use crate::chance::Chance;
use crate::error::{Error, Result};
use crate::trace::Track;

/// Losses closer than this are one burst; those of one pool mostly fall within three minutes.
const GAP_S: f64 = 1_800.0;
/// Bursts of pools that were recorded at the same time are one when they begin within this.
const TOGETHER_S: f64 = 600.0;

/// One burst.
#[derive(Clone, Debug, PartialEq)]
pub struct Burst {
    /// Seconds from its beginning, each with the share that went of what was left.
    pub steps: Vec<(f64, f64)>,
    /// From its beginning until the pool had its nodes again, seconds.
    pub outage_s: f64,
    /// Pools recorded beside this one that a burst hit at the same time.
    pub companions: usize,
}

/// Bursts, all equally likely.
#[derive(Clone, Debug, PartialEq)]
pub struct Bursts {
    all: Vec<Burst>,
    /// Mean part of a pool that a burst takes.
    pub mean_share: f64,
    /// Mean number of companions.
    pub mean_companions: f64,
}

impl Bursts {
    /// The bursts of recordings; tracks in one group were recorded at the same time.
    ///
    /// # Errors
    /// There is no loss in any of them.
    pub fn of(groups: &[Vec<Track>]) -> Result<Self> {
        let mut all = Vec::new();
        for group in groups {
            let starts: Vec<Vec<f64>> = group.iter().map(starts).collect();
            for (i, track) in group.iter().enumerate() {
                for mut burst in of_track(track) {
                    let begun = burst.0;
                    let with = |s: &&Vec<f64>| s.iter().any(|t| (t - begun).abs() <= TOGETHER_S);
                    let others = starts.iter().enumerate().filter(|(j, _)| *j != i);
                    burst.1.companions = others.map(|(_, s)| s).filter(with).count();
                    all.push(burst.1);
                }
            }
        }
        if all.is_empty() {
            return Err(Error::Missing(
                "the recordings hold no loss: there is nothing to learn how losses cluster from"
                    .to_owned(),
            ));
        }
        let taken = |b: &Burst| 1.0 - b.steps.iter().map(|(_, s)| 1.0 - s).product::<f64>();
        let n = all.len() as f64;
        Ok(Self {
            mean_share: all.iter().map(taken).sum::<f64>() / n,
            mean_companions: all.iter().map(|b| b.companions as f64).sum::<f64>() / n,
            all,
        })
    }

    /// How many there are.
    pub fn number(&self) -> usize {
        self.all.len()
    }

    /// How often a pool of this band begins a burst, per second. Companions hit pools too, so that much fewer begin.
    pub fn per_s(&self, band: Band) -> f64 {
        band.events_per_s(self.mean_share) / (1.0 + self.mean_companions)
    }

    /// One of them.
    pub fn draw(&self, chance: &mut Chance) -> &Burst {
        &self.all[chance.below(self.all.len())]
    }
}

fn starts(track: &Track) -> Vec<f64> {
    of_track(track).into_iter().map(|(t, _)| t).collect()
}

/// The bursts of a recording with their beginnings.
fn of_track(track: &Track) -> Vec<(f64, Burst)> {
    let mut found: Vec<(f64, Burst)> = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for ((t, share), outage) in track.events.iter().zip(&track.outages_s) {
        if t - last > GAP_S {
            let burst = Burst {
                steps: Vec::new(),
                outage_s: 0.0,
                companions: 0,
            };
            found.push((*t, burst));
        }
        last = *t;
        if let Some((begun, burst)) = found.last_mut() {
            burst.steps.push((t - *begun, *share));
            burst.outage_s = burst.outage_s.max(t - *begun + outage);
        }
    }
    found
}

/// A moment at which a pool loses a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Seconds from the start.
    pub at_s: f64,
    /// Index of the pool.
    pub pool: usize,
    /// The share of what is left in it.
    pub share: f64,
    /// Until when it gives no nodes.
    pub until_s: f64,
}

/// The hits on pools of these bands over `length_s` seconds, in the order of time.
pub fn hits(bursts: &Bursts, bands: &[Band], length_s: f64, seed: u64) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (pool, band) in bands.iter().enumerate() {
        let mut chance = Chance::of(seed, 1, pool as u64);
        let rate = bursts.per_s(*band);
        let mut t = chance.wait(rate);
        while t < length_s {
            let burst = bursts.draw(&mut chance);
            lay(burst, t, pool, &mut hits);
            for _ in 0..burst.companions.min(bands.len() - 1) {
                let other = (pool + 1 + chance.below(bands.len() - 1)) % bands.len();
                let with = bursts.draw(&mut chance);
                lay(with, t + chance.unit() * TOGETHER_S, other, &mut hits);
            }
            t += chance.wait(rate);
        }
    }
    hits.retain(|h| h.at_s < length_s);
    hits.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    hits
}

fn lay(burst: &Burst, at: f64, pool: usize, hits: &mut Vec<Hit>) {
    hits.extend(burst.steps.iter().map(|(dt, share)| Hit {
        at_s: at + dt,
        pool,
        share: *share,
        until_s: at + burst.outage_s,
    }));
}
