//! Prices and losses replayed over a policy: what it cost and what it served, beside simpler ways to buy.
//!
//! Losses are bursts from recordings at the rate of each type's band. A lost node's place is filled, in another pool,
//! when the recovery time is over; a pool that was hit gives nothing until the recording's pool gave again. What a
//! policy moves by itself is started before it is stopped, and so costs no capacity.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeSet;

use crate::bursts::{Bursts, Hit, hits};
use crate::losses::left;
use crate::market::{Market, Need};
use crate::policy::{Plan, Rules, choose, nodes, on_demand};

const DAY_S: f64 = 86_400.0;

/// A way to buy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// The cheapest type that meets the need, never taken.
    OnDemand,
    /// All in the type whose price is lowest each day, elsewhere after a loss.
    LowestPrice,
    /// All in the type that was cheapest on the first day.
    SinglePool,
    /// Many pools with a reserve.
    Spread(Rules),
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// US dollars.
    pub usd: f64,
    /// The same as part of [`Strategy::OnDemand`]'s.
    pub cost_share: f64,
    /// Part of the wanted capacity, over the time, that was there.
    pub served: f64,
    /// Minutes in which anything was missing.
    pub short_minutes: f64,
    /// Nodes taken.
    pub taken: u32,
    /// Largest number of pools in use at a time.
    pub pools: usize,
    /// Largest part of the bought capacity that was in one pool.
    pub largest: f64,
}

/// The state of a replay.
struct Replay<'a> {
    market: &'a Market,
    need: Need,
    strategy: Strategy,
    recovery_s: f64,
    plan: Plan,
    /// Until when each offer gives nothing.
    closed_until: Vec<f64>,
    /// Losses whose replacement does not serve yet: until when, which offer, how many nodes.
    open: Vec<(f64, usize, u32)>,
    first: usize,
    outcome: Outcome,
}

/// Replays the whole time of the market.
pub fn replay(
    market: &Market,
    need: Need,
    strategy: Strategy,
    bursts: &Bursts,
    recovery_s: f64,
    seed: u64,
) -> Outcome {
    let length = market.days as f64 * DAY_S;
    let bands: Vec<_> = market.offers.iter().map(|o| o.band).collect();
    let hits = match strategy {
        Strategy::OnDemand => Vec::new(),
        _ => hits(bursts, &bands, length, seed),
    };
    let cheapest = |i: &usize, j: &usize| {
        let price = |i: usize| market.offers[i].spot[0] * f64::from(nodes(market, i, need, 1.0));
        price(*i).total_cmp(&price(*j))
    };
    let mut replay = Replay {
        market,
        need,
        strategy,
        recovery_s,
        plan: Plan::default(),
        closed_until: vec![0.0; market.offers.len()],
        open: Vec::new(),
        first: (0..market.offers.len()).min_by(cheapest).unwrap_or(0),
        outcome: Outcome::default(),
    };
    replay.run(&hits, length);
    let mut outcome = replay.outcome;
    let all = on_demand(market, need).map_or(0.0, |o| o.2) * length / 3_600.0;
    outcome.cost_share = outcome.usd / all;
    outcome.served = 1.0 - outcome.served / length;
    outcome
}

impl Replay<'_> {
    fn run(&mut self, hits: &[Hit], length: f64) {
        // Moments to think again, in milliseconds: each day, and what losses add.
        let mut moments: BTreeSet<u64> = (0..self.market.days as u64)
            .map(|d| d * 86_400_000)
            .collect();
        let (mut t, mut next) = (0.0, 0);
        loop {
            let hit = hits
                .get(next)
                .filter(|h| moments.first().is_none_or(|m| h.at_s < *m as f64 / 1e3));
            let until = match hit {
                Some(h) => h.at_s,
                None => moments.first().map_or(length, |m| *m as f64 / 1e3),
            };
            self.spend(t, until.min(length));
            if until >= length {
                return;
            }
            t = until;
            match hit {
                Some(hit) => {
                    next += 1;
                    let ready = self.hit(hit);
                    moments.extend(ready.map(|s| (s * 1e3).ceil() as u64));
                }
                None => {
                    moments.pop_first();
                    self.think(t);
                }
            }
        }
    }

    /// Counts money and what is missing over a time in which nothing changes.
    fn spend(&mut self, from: f64, to: f64) {
        if to <= from {
            return;
        }
        let day = ((from / DAY_S) as usize).min(self.market.days - 1);
        self.outcome.usd += self.plan.usd_per_hour(self.market, day) * (to - from) / 3_600.0;
        let gone =
            |(_, i, n): &(f64, usize, u32)| self.market.offers[*i].part(self.need) * f64::from(*n);
        let there =
            self.plan.part(self.market, self.need) - self.open.iter().map(gone).sum::<f64>();
        let missing = (1.0 - there).clamp(0.0, 1.0);
        if missing > 1e-9 {
            // Until the end `served` holds what was not.
            self.outcome.served += missing * (to - from);
            self.outcome.short_minutes += (to - from) / 60.0;
        }
    }

    /// A pool is hit; answers when there is something to think about.
    fn hit(&mut self, hit: &Hit) -> [f64; 2] {
        let until = &mut self.closed_until[hit.pool];
        *until = until.max(hit.until_s);
        let ready = hit.at_s + self.recovery_s;
        let moments = [ready, until.max(ready)];
        let planned = self
            .plan
            .pools
            .iter()
            .find(|p| p.0 == hit.pool)
            .map_or(0, |p| p.1);
        let gone: u32 = self
            .open
            .iter()
            .filter(|o| o.1 == hit.pool)
            .map(|o| o.2)
            .sum();
        let there = planned.saturating_sub(gone);
        let taken = there - left(there, hit.share);
        if taken > 0 {
            self.outcome.taken += taken;
            self.open.push((ready, hit.pool, taken));
        }
        moments
    }

    /// Replacements that are ready serve, and the pools are chosen anew.
    fn think(&mut self, t: f64) {
        // A millisecond, since moments are kept in those.
        self.open.retain(|o| o.0 > t + 1e-3);
        let day = ((t / DAY_S) as usize).min(self.market.days - 1);
        let closed = |i: usize| self.closed_until[i] > t;
        let whole = |i: usize| Plan {
            pools: vec![(i, nodes(self.market, i, self.need, 1.0))],
            on_demand: None,
        };
        self.plan = match self.strategy {
            Strategy::OnDemand => Plan {
                pools: Vec::new(),
                on_demand: on_demand(self.market, self.need).map(|(i, n, _)| (i, n)),
            },
            Strategy::SinglePool if closed(self.first) => Plan::default(),
            Strategy::SinglePool => whole(self.first),
            Strategy::LowestPrice => {
                let price = |i: usize| whole(i).usd_per_hour(self.market, day);
                (0..self.market.offers.len())
                    .filter(|i| !closed(*i))
                    .min_by(|a, b| price(*a).total_cmp(&price(*b)))
                    .map_or_else(Plan::default, whole)
            }
            Strategy::Spread(rules) => {
                let current: Vec<usize> = self.plan.pools.iter().map(|p| p.0).collect();
                choose(self.market, day, self.need, &rules, &closed, &current)
            }
        };
        self.outcome.pools = self.outcome.pools.max(self.plan.pools.len());
        let all = self.plan.part(self.market, self.need);
        for (i, n) in &self.plan.pools {
            let part = self.market.offers[*i].part(self.need) * f64::from(*n) / all;
            self.outcome.largest = self.outcome.largest.max(part);
        }
    }
}
