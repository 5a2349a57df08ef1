//! Fits the live estimator to the ns-3 rows, and says honestly how good it is: everything that is
//! fitted is fitted again for each part of the deployments that is left out.

use std::collections::BTreeMap;

use fulmar_wifi::air::{Calibration, FITTED, Factors, Throughput};
use fulmar_wifi::cause::{CAUSES, Case, Weights, evidence, fit, likeliest, shares};
use fulmar_wifi::grow::Dice;
use fulmar_wifi::lack::{LACKS, without};
use fulmar_wifi::model::Model;

use crate::conformal::{Said, intervals, widening};
use crate::ns3::Sample;
use crate::score::Pair;

/// Parts of the cross-validation.
const FOLDS: usize = 10;
/// A number moves from its default only for a gain of this much (Mb/s of mean error and the like):
/// defaults are the literature's or round, and some hundred rows tell little.
const STAY: f64 = 0.15;
/// Pull of the causes' weights to the physics' rule.
const CAUSE_PENALTY: f64 = 0.1;
/// An interval gets wider by this at least for each thing that a record lacks.
const DOUBT_LEAST: f64 = 1.1;
/// What a calibration says of a sample.
pub fn say(s: &Sample, c: &Calibration, mates: bool) -> Throughput {
    let mates = mates.then_some(&s.mates[..]);
    Factors::of(&s.moment, mates, c).throughput(c)
}

/// Mean absolute error and what is not explained, with the other clients known and (counting less) not.
fn cost(samples: &[&Sample], values: [f64; FITTED.len()], variance: f64) -> f64 {
    let c = Calibration::of(values);
    let n = samples.len() as f64;
    let of = |mates| {
        let errors = samples.iter().map(|s| say(s, &c, mates).mbps - s.truth);
        let (sum, squares) = errors.fold((0.0, 0.0), |(a, q), e| (a + e.abs(), q + e * e));
        sum / n + 12.0 * squares / n / variance
    };
    of(true) + 0.3 * of(false)
}

/// Tries the values of each number in turn, twice.
pub fn calibrate(samples: &[&Sample]) -> Calibration {
    let n = samples.len().max(1) as f64;
    let mean = samples.iter().map(|s| s.truth).sum::<f64>() / n;
    let variance = samples
        .iter()
        .map(|s| (s.truth - mean).powi(2))
        .sum::<f64>()
        / n;
    let mut values = Calibration::default().values();
    for at in [0..FITTED.len(), 0..FITTED.len()].into_iter().flatten() {
        let mut best = (cost(samples, values, variance) - STAY, values[at]);
        for tried in FITTED[at].2 {
            let mut with = values;
            with[at] = *tried;
            let cost = cost(samples, with, variance);
            if cost < best.0 {
                best = (cost, *tried);
            }
        }
        values[at] = best.1;
    }
    Calibration::of(values)
}

fn case(s: &Sample, c: &Calibration, class: usize) -> Case {
    let f = Factors::of(&s.moment, Some(&s.mates), c);
    (evidence(&f, c), class, 1.0)
}

/// A part of each deployment: the same seed gives the same.
pub fn folds<'a>(
    names: impl Iterator<Item = &'a str>,
    folds: usize,
    seed: u64,
) -> BTreeMap<&'a str, usize> {
    let mut all: Vec<&str> = names.collect();
    all.sort_unstable();
    all.dedup();
    Dice(seed).shuffle(&mut all);
    all.into_iter()
        .enumerate()
        .map(|(i, d)| (d, i % folds))
        .collect()
}

/// What was said of rows whose deployments were left out.
#[derive(Default)]
pub struct LeftOut<'a> {
    /// Throughput with the other clients known.
    pub with_mates: Vec<Pair<'a>>,
    /// Throughput from sums alone.
    pub alone: Vec<Pair<'a>>,
    /// Causes as places in [`CAUSES`].
    pub causes: Vec<Pair<'a>>,
    /// 1 where the interval of the other parts holds the truth.
    pub held: Vec<Pair<'a>>,
    /// The same from sums alone.
    pub held_alone: Vec<Pair<'a>>,
}

/// The probe rows with truth.
pub fn probes<'a>(samples: &[&'a Sample]) -> Vec<&'a Sample> {
    let good = |s: &&Sample| s.probe && s.truth.is_finite();
    samples.iter().copied().filter(good).collect()
}

/// Fits all of it, and answers what it says of what it did not see.
pub fn train<'a>(samples: &[&'a Sample], seed: u64) -> (Model, LeftOut<'a>) {
    let probes = probes(samples);
    let fold = folds(samples.iter().map(|s| s.name[0].as_str()), FOLDS, seed);
    let of = |s: &Sample| fold.get(s.name[0].as_str()).copied().unwrap_or(0);
    let mut out = LeftOut::default();
    let (mut known, mut alone) = (Vec::new(), Vec::new());
    let mut lacking = LACKS.map(|_| Vec::new());
    for k in 0..FOLDS {
        let seen: Vec<&Sample> = probes.iter().copied().filter(|s| of(s) != k).collect();
        let c = calibrate(&seen);
        for s in probes.iter().copied().filter(|s| of(s) == k) {
            known.push(said(s, say(s, &c, true)));
            alone.push(said(s, say(s, &c, false)));
            for (to, (lack, _)) in lacking.iter_mut().zip(LACKS) {
                let less = Factors::of(&without(&s.moment, lack), None, &c);
                to.push(said(s, less.throughput(&c)));
            }
        }
        let (seen, own): (Vec<&Sample>, Vec<&Sample>) = samples.iter().partition(|s| of(s) != k);
        let weights = causes(&seen, &c);
        for s in own.into_iter().filter(|s| s.cause.is_some()) {
            let e = evidence(&Factors::of(&s.moment, Some(&s.mates), &c), &c);
            let said = likeliest(&shares(&weights, &e), false);
            out.causes.push(Pair {
                group: &s.name[0],
                said: CAUSES.iter().position(|c| *c == said).unwrap_or(0) as f64,
                truth: s.cause.unwrap_or(0) as f64,
            });
        }
    }
    let pair = |s: &Said<'a>| Pair {
        group: s.group,
        said: s.t.mbps,
        truth: s.truth,
    };
    out.with_mates = known.iter().map(pair).collect();
    out.alone = alone.iter().map(pair).collect();
    out.held = hold(&known, &fold, seed);
    out.held_alone = hold(&alone, &fold, seed);
    let calibration = calibrate(&probes);
    let sums = intervals(&alone, seed);
    // What is not known never makes surer.
    let wider = |said: &Vec<Said<'_>>| widening(said, &sums).max(DOUBT_LEAST);
    let model = Model {
        calibration,
        with_mates: intervals(&known, seed),
        alone: sums,
        doubts: std::array::from_fn(|i| wider(&lacking[i])),
        weights: causes(samples, &calibration),
    };
    (model, out)
}

fn said(s: &Sample, t: Throughput) -> Said<'_> {
    Said {
        group: &s.name[0],
        t,
        truth: s.truth,
    }
}

/// The weights of the causes, of the samples that have one.
fn causes(samples: &[&Sample], c: &Calibration) -> Weights {
    let cases: Vec<Case> = samples
        .iter()
        .filter_map(|s| Some(case(s, c, s.cause?)))
        .collect();
    fit(&cases, CAUSE_PENALTY)
}

/// What a model of the smaller deployments says of the largest quarter by clients: throughput with the
/// other clients known, and whether its interval holds the truth.
pub fn larger<'a>(samples: &[&'a Sample], seed: u64) -> (Vec<Pair<'a>>, Vec<Pair<'a>>) {
    let mut clients: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
    for s in samples {
        clients.entry(&s.name[0]).or_default().insert(&s.name[1]);
    }
    let mut sizes: Vec<usize> = clients
        .values()
        .map(std::collections::BTreeSet::len)
        .collect();
    sizes.sort_unstable();
    let limit = sizes.get(sizes.len() * 3 / 4).copied().unwrap_or(0);
    let size = |s: &Sample| clients.get(s.name[0].as_str()).map_or(0, |c| c.len());
    let (large, small): (Vec<&Sample>, Vec<&Sample>) =
        samples.iter().copied().partition(|s| size(s) > limit);
    let (model, _) = train(&small, seed);
    let mut out = (Vec::new(), Vec::new());
    for s in probes(&large) {
        let t = say(s, &model.calibration, true);
        let (low, high) = model.with_mates.around(&t, 1.0);
        let held = f64::from(low <= s.truth && s.truth <= high);
        for (to, said, truth) in [(&mut out.0, t.mbps, s.truth), (&mut out.1, held, 1.0)] {
            to.push(Pair {
                group: &s.name[0],
                said,
                truth,
            });
        }
    }
    out
}

/// Whether each truth lies in the interval that is made of the other parts alone.
fn hold<'a>(all: &[Said<'a>], fold: &BTreeMap<&str, usize>, seed: u64) -> Vec<Pair<'a>> {
    let mut out = Vec::new();
    for k in 0..FOLDS {
        let others: Vec<Said<'_>> = all.iter().copied().filter(|s| fold[s.group] != k).collect();
        let of = intervals(&others, seed);
        for s in all.iter().filter(|s| fold[s.group] == k) {
            let (low, high) = of.around(&s.t, 1.0);
            out.push(Pair {
                group: s.group,
                said: f64::from(low <= s.truth && s.truth <= high),
                truth: 1.0,
            });
        }
    }
    out
}
