//! The correction of the ITU physics: trained on the ratio of truth to physics, so that it stays a
//! correction, and tried on whole scenarios that it did not see.

use fulmar_wifi::grow::{Growth, grow};
use fulmar_wifi::trees::Forest;

use crate::itu::Deployment;
use crate::itu_features::{COLUMNS, seen};
use crate::score::Pair;

/// The largest ratio of truth to physics that is learnt from.
const RATIO_MOST: f64 = 3.0;
/// Physics below this (Mbit/s) is no base of a ratio.
const LEAST_MBPS: f64 = 0.02;

/// How the forest grows.
pub fn growth(seed: u64) -> Growth {
    Growth {
        trees: 600,
        leaves: 31,
        rate: 0.05,
        least_rows: 40,
        ridge: 1.0,
        rows: 0.6,
        columns: 0.5,
        seed,
    }
}

/// Grows the correction over the stations of these deployments that have a truth. An error counts by
/// its square in Mbit/s.
pub fn train<'a>(deployments: impl Iterator<Item = &'a Deployment>, growth: &Growth) -> Forest {
    let (mut rows, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for d in deployments {
        for (sta, seen) in d.stas.iter().zip(seen(d)) {
            if !sta.truth.is_finite() || !seen.physics.is_finite() {
                continue;
            }
            rows.extend(seen.columns);
            let base = seen.physics.max(LEAST_MBPS);
            targets.push((sta.truth / base).min(RATIO_MOST) as f32);
            weights.push((base * base) as f32);
        }
    }
    grow(&rows, COLUMNS, &targets, &weights, growth)
}

/// Throughput of each station and each access point (the sum of its stations), in Mbit/s.
pub fn predict(d: &Deployment, forest: &Forest) -> (Vec<f64>, Vec<f64>) {
    let mut aps = vec![0.0; d.aps.len()];
    let stations = d.stas.iter().zip(seen(d)).map(|(sta, seen)| {
        let ratio = f64::from(forest.predict(&seen.columns)).max(0.0);
        let mbps = if seen.physics.is_finite() {
            seen.physics * ratio
        } else {
            0.0
        };
        aps[sta.ap] += mbps;
        mbps
    });
    (stations.collect(), aps)
}

/// Predictions with their truths: of stations, and of access points.
#[derive(Default)]
pub struct Pairs<'a> {
    /// Stations.
    pub stas: Vec<Pair<'a>>,
    /// Access points.
    pub aps: Vec<Pair<'a>>,
}

impl<'a> Pairs<'a> {
    /// Adds a deployment's where there is truth.
    pub fn add(&mut self, d: &'a Deployment, (stas, aps): &(Vec<f64>, Vec<f64>)) {
        let pair = |said: &f64, truth: f64| Pair {
            group: &d.name,
            said: *said,
            truth,
        };
        let stas = stas
            .iter()
            .zip(&d.stas)
            .map(|(said, s)| pair(said, s.truth));
        self.stas.extend(stas.filter(|p| p.truth.is_finite()));
        let aps = aps
            .iter()
            .zip(&d.ap_truth)
            .map(|(said, truth)| pair(said, *truth));
        self.aps.extend(aps.filter(|p| p.truth.is_finite()));
    }
}
