//! Which pools hold the work, and how many nodes each: spread over many, with just the reserve that the promised part
//! of the capacity asks for at the rates of their bands, as cheap as that allows, and not moved for pennies.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::HashMap;

use crate::market::{Market, Need};

/// What a choice keeps to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Fewest pools, where as many are to be had.
    pub pools_least: usize,
    /// Most pools that are tried.
    pub pools_most: usize,
    /// Largest part of the need that one pool may hold.
    pub part_most: f64,
    /// Largest part of the pools that may be of one family, since families share machines.
    pub family_most: f64,
    /// What a month's interruptions cost beside the price: a type of which all are taken in a month counts as dearer
    /// by this part.
    pub risk: f64,
    /// Largest part of the wanted capacity that may be missing on average, by plan. A quarter of what the target
    /// leaves: years differ, and losses of two pools at once are not in the plan's sum.
    pub missing_most: f64,
    /// From a loss until its replacement serves, seconds.
    pub recovery_s: f64,
    /// A choice stays until another is cheaper by this part.
    pub stay: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            pools_least: 8,
            pools_most: 24,
            part_most: 0.2,
            family_most: 0.34,
            risk: 0.2,
            missing_most: (1.0 - 0.9999) / 4.0,
            recovery_s: 300.0,
            stay: 0.05,
        }
    }
}

/// Nodes by offer, and what is bought on demand because no pool gives it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Index of an offer with its nodes.
    pub pools: Vec<(usize, u32)>,
    /// Index of an offer with its nodes at the on-demand price.
    pub on_demand: Option<(usize, u32)>,
}

impl Plan {
    /// US dollars an hour on this day.
    pub fn usd_per_hour(&self, market: &Market, day: usize) -> f64 {
        let spot = |(i, n): &(usize, u32)| market.offers[*i].spot[day] * f64::from(*n);
        let fallback = |(i, n): (usize, u32)| market.offers[i].on_demand * f64::from(n);
        self.pools.iter().map(spot).sum::<f64>() + self.on_demand.map_or(0.0, fallback)
    }

    /// Which part of the need it holds.
    pub fn part(&self, market: &Market, need: Need) -> f64 {
        let of = |(i, n): &(usize, u32)| market.offers[*i].part(need) * f64::from(*n);
        self.pools.iter().chain(self.on_demand.iter()).map(of).sum()
    }
}

/// Days of prices that a score looks back on.
const HISTORY_DAYS: usize = 30;

/// The price of the whole need in this offer, its risk added: what offers are ranked by. US dollars an hour.
///
/// The price is today's or the mean of the last 30 days, whichever is more: a price that has just fallen returns.
pub fn score(market: &Market, offer: usize, day: usize, need: Need, rules: &Rules) -> f64 {
    let o = &market.offers[offer];
    let past = &o.spot[(day + 1).saturating_sub(HISTORY_DAYS)..=day];
    let mean = past.iter().sum::<f64>() / past.len() as f64;
    o.spot[day].max(mean) / o.part(need) * (1.0 + rules.risk * o.band.of_month())
}

/// The cheapest offer on demand: its index, nodes, US dollars an hour.
pub fn on_demand(market: &Market, need: Need) -> Option<(usize, u32, f64)> {
    let of = |i: usize| {
        let nodes = nodes(market, i, need, 1.0);
        (i, nodes, f64::from(nodes) * market.offers[i].on_demand)
    };
    (0..market.offers.len())
        .map(of)
        .min_by(|a, b| a.2.total_cmp(&b.2))
}

/// Nodes of an offer that hold this part of the need.
pub fn nodes(market: &Market, offer: usize, need: Need, part: f64) -> u32 {
    (part / market.offers[offer].part(need) - 1e-9)
        .ceil()
        .max(0.0) as u32
}

/// Chooses the pools for a day. `closed` offers give no nodes now; `current` are the pools in use.
pub fn choose(
    market: &Market,
    day: usize,
    need: Need,
    rules: &Rules,
    closed: &dyn Fn(usize) -> bool,
    current: &[usize],
) -> Plan {
    let open: Vec<(usize, f64)> = (0..market.offers.len())
        .filter(|i| !closed(*i) && market.offers[*i].part(need) <= rules.part_most)
        .map(|i| (i, score(market, i, day, need, rules)))
        .collect();
    let cost = |p: &Plan| p.usd_per_hour(market, day);
    let best = (rules.pools_least..=rules.pools_most)
        .filter_map(|pools| {
            pick(
                market,
                &ranked(market, &open, need, pools, rules),
                pools,
                rules,
            )
        })
        .map(|set| lay(market, day, need, rules, &set))
        .min_by(|a, b| cost(a).total_cmp(&cost(b)));
    let best = best.unwrap_or_else(|| {
        // Fewer than wanted are open: all of them, and on demand what they may not hold.
        let all: Vec<usize> = open.iter().map(|o| o.0).collect();
        lay(market, day, need, rules, &all)
    });
    let stays = current.len() >= rules.pools_least && !current.iter().any(|i| closed(*i));
    if stays {
        let kept = lay(market, day, need, rules, current);
        if cost(&kept) <= cost(&best) * (1.0 + rules.stay) {
            return kept;
        }
    }
    best
}

/// The open offers by what a pool of them costs among so many, whole nodes counted.
/// One whose whole nodes would hold more than a pool may is left out.
fn ranked(
    market: &Market,
    open: &[(usize, f64)],
    need: Need,
    pools: usize,
    rules: &Rules,
) -> Vec<usize> {
    // The most that a pool among so many is ever given.
    let at_most = 1.0 / (pools.max(2) - 1) as f64;
    let fits = |(i, _): &&(usize, f64)| {
        let most = f64::from(nodes(market, *i, need, at_most)) * market.offers[*i].part(need);
        most <= rules.part_most + 1e-9
    };
    let wanted = 1.0 / pools as f64;
    let cost = |(i, score): &(usize, f64)| {
        let part = market.offers[*i].part(need) * f64::from(nodes(market, *i, need, wanted));
        (*i, score * part)
    };
    let mut costs: Vec<(usize, f64)> = open.iter().filter(fits).map(cost).collect();
    costs.sort_by(|a, b| a.1.total_cmp(&b.1));
    costs.into_iter().map(|c| c.0).collect()
}

/// The first so many of the ranked, no family among them more than its part; none when there are not so many.
fn pick(market: &Market, ranked: &[usize], pools: usize, rules: &Rules) -> Option<Vec<usize>> {
    let most = ((pools as f64 * rules.family_most).floor() as usize).max(1);
    let mut of_family: HashMap<&str, usize> = HashMap::new();
    let mut set = Vec::with_capacity(pools);
    for i in ranked {
        let family = of_family.entry(market.offers[*i].family()).or_default();
        if *family < most && set.len() < pools {
            *family += 1;
            set.push(*i);
        }
    }
    (set.len() == pools).then_some(set)
}

/// Nodes for these pools, all holding the same part but for what whole nodes hold too much.
fn lay(market: &Market, day: usize, need: Need, rules: &Rules, set: &[usize]) -> Plan {
    let allowed = each(market, rules, set).min(rules.part_most);
    let of = |i: &usize| {
        // Among few pools whole nodes may be too large: fewer of them, never more than a pool may hold.
        let most = (rules.part_most / market.offers[*i].part(need) + 1e-9).floor() as u32;
        (*i, nodes(market, *i, need, allowed).min(most))
    };
    // Too few pools for their cap: what they may not hold, and a pool's loss besides, is bought on demand.
    let pools: Vec<(usize, u32)> = set.iter().map(of).collect();
    let parts = pools
        .iter()
        .map(|(i, n)| market.offers[*i].part(need) * f64::from(*n));
    let (total, largest) = parts.fold((0.0, 0.0f64), |(t, l), p| (t + p, l.max(p)));
    let short = allowed >= rules.part_most || total < 1.0 - 1e-9;
    let missing = if short { 1.0 - (total - largest) } else { 0.0 };
    let fallback = (missing > 1e-9).then(|| on_demand(market, need)).flatten();
    let mut plan = Plan {
        pools,
        on_demand: fallback.map(|(i, _, _)| (i, nodes(market, i, need, missing))),
    };
    if plan.on_demand.is_none() {
        trim(market, day, need, rules, &mut plan.pools);
    }
    plan
}

/// Takes nodes away, the dearest first, while what is left holds the need and misses no more than it may.
fn trim(market: &Market, day: usize, need: Need, rules: &Rules, pools: &mut [(usize, u32)]) {
    let part = |i: usize| market.offers[i].part(need);
    let mut order: Vec<usize> = (0..pools.len()).collect();
    order.sort_by(|a, b| {
        let price = |p: &usize| market.offers[pools[*p].0].spot[day];
        price(b).total_cmp(&price(a))
    });
    for at in order {
        while pools[at].1 > 1 {
            pools[at].1 -= 1;
            let total: f64 = pools.iter().map(|(i, n)| part(*i) * f64::from(*n)).sum();
            let missing = |(i, n): &(usize, u32)| {
                let gone = (part(*i) * f64::from(*n) - (total - 1.0)).max(0.0);
                gone * market.offers[*i].band.per_s() * rules.recovery_s
            };
            let enough =
                pools.iter().map(missing).sum::<f64>() <= rules.missing_most * (1.0 + 1e-9);
            if total < 1.0 - 1e-9 || !enough {
                pools[at].1 += 1;
                break;
            }
        }
    }
}

/// The part of the need that each of these pools holds.
///
/// With p pools of part e, losing one leaves 1 - (p - 1) e missing, for the recovery time, as often as any is hit.
/// That mean is set to what may be missing; between no reserve, e = 1 / p, and a whole pool, e = 1 / (p - 1).
fn each(market: &Market, rules: &Rules, set: &[usize]) -> f64 {
    let pools = set.len() as f64;
    if set.len() < 2 {
        return 1.0;
    }
    let per_s: f64 = set.iter().map(|i| market.offers[*i].band.per_s()).sum();
    let missing = rules.missing_most / (per_s * rules.recovery_s);
    ((1.0 - missing) / (pools - 1.0)).max(1.0 / pools)
}
