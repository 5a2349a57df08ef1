//! Two models in closed form: nodes that fall each by itself, and pools that fall together; and the search for the
//! fewest nodes that meet a target, which the replay shares.
//!
//! Both are exact: the odds of each pool's missing nodes are folded over the pools. They differ only in what one
//! pool's odds are, and that difference is many orders of magnitude.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::HashMap;
use std::rc::Rc;

use crate::losses::Losses;
use crate::pools::spread;

/// More than this many times the need is no answer: another pool is.
pub const MOST_TIMES: u32 = 10;

/// Odds that are too small to be carried on.
const NOTHING: f64 = 1e-18;

/// Which nodes fall together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Model {
    /// Each node by itself, as often as in the other model: the binomial distribution.
    Independent,
    /// The nodes of a pool by the same events: compound events with the shares that they take.
    Pool,
}

/// Odds of missing nodes, remembered by kind and size of pool.
pub struct Odds<'a> {
    losses: &'a Losses,
    window_s: f64,
    known: HashMap<Kind, Rc<Vec<(u32, f64)>>>,
}

/// Which model, which kind of pool, how many nodes.
type Kind = (Model, usize, u32);

impl<'a> Odds<'a> {
    /// For these losses and this time from a loss until its replacement serves.
    pub fn new(losses: &'a Losses, window_s: f64) -> Self {
        Self {
            losses,
            window_s,
            known: HashMap::new(),
        }
    }

    /// How likely each number of missing nodes is in pool number `pool` of `n` nodes.
    fn of(&mut self, model: Model, pool: usize, n: u32) -> Rc<Vec<(u32, f64)>> {
        let key = (model, self.losses.kind(pool), n);
        if let Some(odds) = self.known.get(&key) {
            return odds.clone();
        }
        let odds = match model {
            Model::Pool => self.losses.missing(pool, n, self.window_s),
            Model::Independent => binomial(n, self.losses.node(pool, self.window_s)),
        };
        let odds: Vec<_> = odds.into_iter().filter(|(_, p)| *p > NOTHING).collect();
        let odds = Rc::new(odds);
        self.known.insert(key, odds.clone());
        odds
    }

    /// How likely 0, 1, … up to `most` missing units are, when pool i has `sizes[i]` nodes of `weights[i]` units.
    pub fn missing(
        &mut self,
        model: Model,
        sizes: &[u32],
        weights: &[u32],
        most: usize,
    ) -> Vec<f64> {
        let mut all = vec![0.0; most + 1];
        all[0] = 1.0;
        let mut top = 0;
        for (pool, (n, weight)) in sizes.iter().zip(weights).enumerate() {
            let odds = self.of(model, pool, *n);
            let mut next = vec![0.0; most + 1];
            for (missing, p) in odds.iter() {
                let by = *missing as usize * *weight as usize;
                if by > most {
                    continue;
                }
                let last = top.min(most - by);
                next[by..=by + last]
                    .iter_mut()
                    .zip(&all[..=last])
                    .for_each(|(to, from)| *to += from * p);
            }
            top = (top + *n as usize * *weight as usize).min(most);
            all = next;
        }
        all
    }

    /// How likely at least `needed` nodes serve at a random moment.
    pub fn served(&mut self, model: Model, sizes: &[u32], needed: u32) -> f64 {
        let total: u32 = sizes.iter().sum();
        let Some(slack) = total.checked_sub(needed) else {
            return 0.0;
        };
        let ones = vec![1; sizes.len()];
        let odds = self.missing(model, sizes, &ones, slack as usize);
        odds.iter().sum::<f64>().min(1.0)
    }
}

/// The binomial distribution with `n` nodes of which each is missing with odds `p`.
pub fn binomial(n: u32, p: f64) -> Vec<(u32, f64)> {
    if p <= 0.0 {
        return vec![(0, 1.0)];
    }
    if p >= 1.0 {
        return vec![(n, 1.0)];
    }
    let mut log = f64::from(n) * (-p).ln_1p();
    let step = p.ln() - (-p).ln_1p();
    (0..=n)
        .map(|k| {
            let here = (k, log.exp());
            log += (f64::from(n - k) / f64::from(k + 1)).ln() + step;
            here
        })
        .collect()
}

/// The fewest nodes beyond the need for which `served` reaches the target, spread as the pools are now; none when
/// [`MOST_TIMES`] the need is not enough. `served` must not fall when a node is added, as it never does here.
pub fn extra(
    weights: &[u32],
    needed: u32,
    target: f64,
    mut served: impl FnMut(&[u32]) -> f64,
) -> Option<u32> {
    let mut enough = |extra: u32| served(&spread(weights, needed + extra)) >= target;
    let most = needed.saturating_mul(MOST_TIMES);
    let (mut low, mut high) = (0u32, 0u32);
    while !enough(high) {
        if high >= most {
            return None;
        }
        low = high + 1;
        high = (high * 2 + 1).min(most);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if enough(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}
