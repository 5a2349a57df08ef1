//! Evidence of additive measures: what was observed of each leaf against what was expected.
//!
//! A leaf's deviation is `(expected − observed) / max(expected, observed)`, which lies within −1 and 1 and is the same for
//! all leaves of a cause (the generalised ripple effect: Li et al., Squeeze, ISSRE 2019). Usual leaves scatter
//! around 0 with the forecast's own relative error, which is read off the leaves that deviate least. Leaves of a few
//! units of count say less, since they move in whole units. Pure: no clock, no I/O, no async.

use super::search::{Evidence, Found, Verdict};

/// How sure it must be.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Evidence for or against that one leaf can give, in nats: above it the shape of the noise is not known.
    pub most_of_leaf: f64,
    /// What speaks against a combination weighs so much more than what speaks for it.
    pub against: f64,
    /// Smallest relative error of a forecast.
    pub least_noise: f64,
    /// Smallest effect that counts.
    pub least_effect: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            most_of_leaf: 25.0,
            against: 1.5,
            least_noise: 0.004,
            least_effect: 0.05,
        }
    }
}

/// Bins of a median of deviations.
const BINS: usize = 512;

/// The leaves.
#[derive(Debug)]
pub struct Additive {
    /// Deviation, positive in the direction of the total's.
    x: Vec<f32>,
    /// Larger of expected and observed.
    size: Vec<f32>,
    /// How much a leaf says, 0 to 1; 0 when it is explained.
    says: Vec<f32>,
    noise: f64,
    /// The unit in which amounts are counted.
    unit: f32,
    rules: Rules,
    bins: Vec<[f32; 2]>,
}

impl Additive {
    /// From observed and expected amounts of each leaf, not negative.
    pub fn new(observed: &[f64], expected: &[f64], rules: Rules) -> Self {
        let total: f64 = expected.iter().sum::<f64>() - observed.iter().sum::<f64>();
        let direction = if total < 0.0 { -1.0 } else { 1.0 };
        let pairs = || observed.iter().zip(expected);
        let size: Vec<f32> = pairs().map(|(o, e)| o.max(*e) as f32).collect();
        let deviation = |(o, e): (&f64, &f64)| {
            let size = o.max(*e);
            if size > 0.0 {
                (direction * (e - o) / size).clamp(-1.0, 1.0)
            } else {
                0.0
            }
        };
        let x: Vec<f32> = pairs().map(|p| deviation(p) as f32).collect();
        let unit = unit(&size);
        let says = |s: &f32| {
            if *s > 0.0 {
                s * s / (s * s + unit * unit)
            } else {
                0.0
            }
        };
        Self {
            says: size.iter().map(says).collect(),
            noise: noise(&x, &size).max(rules.least_noise),
            x,
            size,
            unit,
            rules,
            bins: vec![[0.0; 2]; BINS],
        }
    }

    /// The forecast's relative error, as it was found.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// The total's deviation in its direction: what all causes together explain.
    pub fn total(&self) -> f64 {
        self.x
            .iter()
            .zip(&self.size)
            .map(|(x, s)| f64::from(x * s))
            .sum()
    }
}

/// The unit in which amounts are counted: hardly any leaf is smaller.
fn unit(size: &[f32]) -> f32 {
    let mut some: Vec<f32> = size.iter().copied().filter(|s| *s > 0.0).collect();
    if some.is_empty() {
        return 0.0;
    }
    let at = some.len() / 200;
    *some.select_nth_unstable_by(at, f32::total_cmp).1
}

/// Standard deviation of a normal whose lowest third of absolute values is that of the leaves: right even where a good
/// part of them deviates.
fn noise(x: &[f32], size: &[f32]) -> f64 {
    let filled = x.iter().zip(size).filter(|(_, s)| **s > 0.0);
    let mut away: Vec<f32> = filled.map(|(x, _)| x.abs()).collect();
    if away.is_empty() {
        return 0.0;
    }
    let at = away.len() / 3;
    let third = *away.select_nth_unstable_by(at, f32::total_cmp).1;
    // A third of a standard normal lies within ±0.4307.
    f64::from(third) / 0.4307
}

/// The weighted median of pairs of value and weight, the values from 0 to 1: the mean of the bin that holds it.
fn weighted_median(bins: &mut [[f32; 2]], pairs: impl Iterator<Item = (f32, f32)>) -> f32 {
    bins.fill([0.0; 2]);
    let mut all = 0.0;
    for (value, weight) in pairs {
        let bin = &mut bins[(value * (BINS - 1) as f32) as usize];
        *bin = [bin[0] + weight, bin[1] + weight * value];
        all += weight;
    }
    let mut sum = 0.0;
    for [weight, weighted] in bins {
        sum += *weight;
        if sum >= all / 2.0 && *weight > 0.0 {
            return *weighted / *weight;
        }
    }
    0.0
}

impl Evidence for Additive {
    fn amounts(&self, leaf: usize) -> [f32; 3] {
        let (x, w) = (self.x[leaf], self.says[leaf]);
        [w, w * x, w * x * x]
    }

    fn promise(&self, [w, wx, wxx]: &[f32; 3]) -> f32 {
        if *wx <= 0.0 || *w <= 0.0 {
            return 0.0;
        }
        let noise = (self.noise * self.noise) as f32;
        let explained = wx * wx / w;
        // Of what is more than noise, the part that a common effect explains.
        let pure = explained / (wxx - noise * w).max(explained);
        let most = self.rules.most_of_leaf as f32 * w;
        (explained / (2.0 * noise)).min(most) * pure * pure
    }

    fn judge(&mut self, leaves: &[u32]) -> Option<Verdict> {
        let mut bins = std::mem::take(&mut self.bins);
        let leaf = |l: &u32| (self.x[*l as usize], self.says[*l as usize]);
        let says = || leaves.iter().map(leaf).filter(|p| p.1 > 0.0);
        let effect = weighted_median(&mut bins, says().map(|(x, w)| (x.max(0.0), w)));
        let away = says().map(|(x, w)| ((x - effect).abs().min(1.0), w));
        let away = f64::from(weighted_median(&mut bins, away)) * 1.4826;
        self.bins = bins;
        let effect = f64::from(effect);
        if effect < self.rules.least_effect {
            return None;
        }
        let noise = self.noise;
        // A cause whose leaves differ by more than a third of its effect is none.
        let spread = away
            .max(noise.min(effect / 3.0))
            .min(noise.max(effect / 3.0));
        let (most, wider) = (self.rules.most_of_leaf, (spread / noise).ln());
        let (mut evidence, mut amount) = (0.0, 0.0);
        for leaf in leaves {
            let leaf = *leaf as usize;
            let (x, says) = (f64::from(self.x[leaf]), f64::from(self.says[leaf]));
            if says == 0.0 {
                continue;
            }
            let usual = (x * x / (2.0 * noise * noise)).min(most);
            let strays = (x - effect) / spread;
            let hit = (strays * strays / 2.0 + wider).min(most);
            let gain = usual - hit;
            let weight = if gain < 0.0 { self.rules.against } else { 1.0 };
            evidence += says * gain * weight;
            amount += x * f64::from(self.size[leaf]);
        }
        Some(Verdict {
            evidence,
            effect,
            spread,
            amount,
        })
    }

    fn explain(&mut self, leaves: &[u32], verdict: &Verdict, all: bool) -> Vec<u32> {
        let (effect, spread) = (verdict.effect as f32, verdict.spread as f32);
        let usual = 3.0 * self.noise as f32;
        let mut changed = Vec::new();
        for leaf in leaves {
            let at = *leaf as usize;
            let x = self.x[at];
            // What another cause changed as well is left to it.
            let away = (x - effect).abs();
            let own = away <= 4.0 * spread || away * self.size[at] <= self.unit || x.abs() <= usual;
            if self.says[at] > 0.0 && (all || own) {
                self.says[at] = 0.0;
                changed.push(*leaf);
            }
        }
        changed
    }

    fn worth(&self, _: &Verdict, _: &[Found]) -> bool {
        true
    }
}
