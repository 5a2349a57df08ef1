//! Which combinations of dimension values explain that a total went wrong, and how much of it each explains.
//!
//! * [`cube`]: leaves, cuboids and sums over cells.
//! * [`order`]: one order and one numbering, so that the order of rows changes nothing.
//! * [`search`]: the smallest set of combinations, by evidence.
//! * [`additive`], [`ratio`]: the evidence of amounts, and of parts of a total.
//!
//! Pure: no clock, no I/O, no async.

pub mod additive;
pub mod cube;
pub mod order;
pub mod ratio;
pub mod search;

use additive::Additive;
use cube::{Cube, Element};
use order::{arranged, order};
use ratio::{Counts, Ratio};
use search::{Found, Limits, search};

/// A combination that explains a part of the deviation.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// Its dimensions and values.
    pub element: Element,
    /// Part of the total's deviation, 0 to 1.
    pub share: f64,
    /// 0 to 1: from the evidence beyond what chance among as many combinations gives.
    pub confidence: f64,
    /// The part by which its leaves fell or rose (amounts), or what its ratio was multiplied by.
    pub effect: f64,
}

/// Nats of evidence beyond chance at which a cause is as likely as not.
const HALF_SURE: f64 = 8.0;
/// A narrower part of a cause that strays must be so much better for each dimension.
const LONGER_RATIO: f64 = 0.03;

/// Causes of the difference between observed and expected amounts (both of each leaf, not negative), strongest first.
/// The order of leaves changes nothing.
pub fn of_amounts(cube: &Cube, observed: &[f64], expected: &[f64]) -> Vec<Cause> {
    if let Some(order) = order(cube, &[observed, expected]) {
        let columns = [observed, expected].map(|c| arranged(c, &order));
        return of_amounts(&cube.arranged(&order), &columns[0], &columns[1]);
    }
    let mut evidence = Additive::new(observed, expected, additive::Rules::default());
    let total = evidence.total();
    causes(search(cube, &mut evidence, &Limits::default()), total)
}

/// Causes of a rise of the part that went wrong, strongest first. The order of leaves changes nothing.
pub fn of_ratios(cube: &Cube, counts: &Counts) -> Vec<Cause> {
    if let Some(order) = order(cube, &counts.columns()) {
        return of_ratios(&cube.arranged(&order), &counts.arranged(&order));
    }
    let mut evidence = Ratio::new(cube, counts, ratio::Rules::default());
    let total = evidence.total();
    let limits = Limits {
        longer: LONGER_RATIO,
        ..Limits::default()
    };
    causes(search(cube, &mut evidence, &limits), total)
}

fn causes(found: Vec<Found>, total: f64) -> Vec<Cause> {
    let all: f64 = found.iter().map(|f| f.verdict.amount).sum();
    let cause = |f: Found| Cause {
        share: (f.verdict.amount / total.max(all).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0),
        confidence: f.margin.max(0.0) / (f.margin.max(0.0) + HALF_SURE),
        effect: f.verdict.effect,
        element: f.element,
    };
    found.into_iter().map(cause).collect()
}

#[cfg(test)]
mod tests;
