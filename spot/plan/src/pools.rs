//! Pools, and how a number of nodes is spread over them.
//!
//! Pure: no clock, no I/O, no async.

use serde::{Deserialize, Serialize};

/// Nodes that fall together: one instance type in one zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// For example `m5.large/us-east-1a`.
    pub name: String,
    /// Nodes in it now.
    pub nodes: u32,
}

/// Spreads `total` nodes in the proportion of `weights` by Webster's divisor method, which never takes a node
/// from a pool when the total grows. That is what makes endurance monotone: one node more never harms.
///
/// Answers one number per weight; their sum is `total` unless every weight is 0.
pub fn spread(weights: &[u32], total: u32) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|w| u64::from(*w)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    // The method's own answer for a total that is surely not above the wanted one: each pool's rounding adds at most
    // a half. The last few nodes are then given one at a time.
    let sure = f64::from(total) - weights.len() as f64 / 2.0 - 1.0;
    let mut given: Vec<u32> = weights
        .iter()
        .map(|w| (f64::from(*w) * sure.max(0.0) / sum as f64).round() as u32)
        .collect();
    let mut left = total - given.iter().sum::<u32>();
    while left > 0 {
        let claim = |i: usize| f64::from(weights[i]) / (2.0 * f64::from(given[i]) + 1.0);
        let next = (0..weights.len()).max_by(|a, b| {
            claim(*a)
                .total_cmp(&claim(*b))
                // Among equals the first.
                .then(b.cmp(a))
        });
        if let Some(next) = next {
            given[next] += 1;
        }
        left -= 1;
    }
    given
}

/// Sums of the `k` largest, for k = 0 up to all.
pub fn largest(sizes: &[u32]) -> Vec<u64> {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let mut sums = vec![0u64];
    for size in sorted {
        sums.push(sums[sums.len() - 1] + u64::from(size));
    }
    sums
}
