//! Which instance types fit measured needs: each offer with what it would cost, how risky it is, whether it is taken
//! among the pools, and why.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::market::{Market, Offer};
use crate::needs::{Demand, Kind};
use crate::policy::{Rules, choose as pools, nodes, on_demand};

/// Days of history that count.
const HISTORY_DAYS: usize = 90;

/// One offer judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// The type.
    pub instance_type: String,
    /// Nodes that hold the whole need, and that it gets among the pools; 0 where it is not taken.
    pub nodes_alone: u32,
    /// See `nodes_alone`.
    pub nodes: u32,
    /// US dollars an hour of one, on the last day.
    pub usd_per_hour: f64,
    /// US dollars an hour for the whole need in this type.
    pub usd_for_need: f64,
    /// The mean of the last 90 days, and the largest day over the smallest.
    pub mean_usd_per_hour: f64,
    /// See `mean_usd_per_hour`.
    pub swing: f64,
    /// Percent below the same type on demand.
    pub saving_percent: f64,
    /// Part of such instances taken in a month, at most.
    pub taken_of_month: f64,
    /// As the table of bands labels it.
    pub band: &'static str,
    /// What it is ranked by: US dollars an hour for the need, risk and history added.
    pub score: f64,
    /// In words.
    pub reason: String,
}

/// The answer: offers from the best score on, and the sum.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chosen {
    /// The region.
    pub region: String,
    /// What rules the choice.
    pub kind: Kind,
    /// Cores and GiB that are needed, reserves included, and megabits per second between machines.
    pub vcpu: f64,
    /// See `vcpu`.
    pub memory_gib: f64,
    /// See `vcpu`.
    pub network_mbps: f64,
    /// US dollars an hour of the taken pools.
    pub usd_per_hour: f64,
    /// Of the cheapest type on demand.
    pub on_demand_usd_per_hour: f64,
    /// That type.
    pub on_demand_type: String,
    /// Every offer.
    pub offers: Vec<Choice>,
}

/// Judges every offer of a market on its last day.
///
/// # Errors
/// The market is empty.
pub fn choose(market: &Market, demand: &Demand, rules: &Rules) -> Result<Chosen> {
    let (day, need) = (market.days - 1, demand.need);
    let (cheapest, _, usd) = on_demand(market, need)
        .ok_or_else(|| Error::Missing(format!("{} has no offers", market.region)))?;
    let plan = pools(market, day, need, rules, &|_| false, &[]);
    let taken: BTreeMap<usize, u32> = plan.pools.iter().copied().collect();
    let mut judged: Vec<(usize, Choice)> = (0..market.offers.len())
        .map(|i| (i, choice(market, i, demand, rules, taken.get(&i).copied())))
        .collect();
    judged.sort_by(|a, b| a.1.score.total_cmp(&b.1.score));
    let worst = judged
        .iter()
        .filter(|j| j.1.nodes > 0)
        .map(|j| j.1.score)
        .fold(0.0, f64::max);
    let mut of_family: BTreeMap<&str, usize> = BTreeMap::new();
    taken
        .keys()
        .for_each(|i| *of_family.entry(market.offers[*i].family()).or_default() += 1);
    for (i, c) in &mut judged {
        let family = market.offers[*i].family();
        let of = of_family.get(family).copied().unwrap_or(0);
        c.reason = reason(c, &market.offers[*i], demand, rules, of, taken.len(), worst);
    }
    Ok(Chosen {
        region: market.region.clone(),
        kind: demand.kind,
        vcpu: need.vcpu,
        memory_gib: need.memory_gib,
        network_mbps: demand.network_mbps,
        usd_per_hour: plan.usd_per_hour(market, day),
        on_demand_usd_per_hour: usd,
        on_demand_type: market.offers[cheapest].instance_type.clone(),
        offers: judged.into_iter().map(|j| j.1).collect(),
    })
}

fn choice(market: &Market, i: usize, demand: &Demand, rules: &Rules, taken: Option<u32>) -> Choice {
    let o = &market.offers[i];
    let day = market.days - 1;
    let past = &o.spot[market.days.saturating_sub(HISTORY_DAYS)..];
    let mean = past.iter().sum::<f64>() / past.len() as f64;
    let (low, high) = past
        .iter()
        .fold((f64::MAX, 0.0f64), |(l, h), p| (l.min(*p), h.max(*p)));
    Choice {
        instance_type: o.instance_type.clone(),
        nodes_alone: nodes(market, i, demand.need, 1.0),
        nodes: taken.unwrap_or(0),
        usd_per_hour: o.spot[day],
        usd_for_need: o.spot[day] / o.part(demand.need),
        mean_usd_per_hour: mean,
        swing: if low > 0.0 { high / low } else { 1.0 },
        saving_percent: 100.0 * (1.0 - o.spot[day] / o.on_demand),
        taken_of_month: o.band.of_month(),
        band: o.band.label(),
        score: crate::policy::score(market, i, day, demand.need, rules),
        reason: String::new(),
    }
}

fn reason(
    c: &Choice,
    o: &Offer,
    demand: &Demand,
    rules: &Rules,
    of_family: usize,
    pools: usize,
    worst: f64,
) -> String {
    let part = o.part(demand.need);
    let scarce = if o.vcpu / demand.need.vcpu < o.memory_gib / demand.need.memory_gib {
        "cores"
    } else {
        "memory"
    };
    let fit = format!("{scarce} fill first");
    if c.nodes > 0 {
        let network = match demand.network_mbps * part {
            mbps if mbps > 1.0 => format!(", needs {mbps:.0} Mbit/s of each node"),
            _ => String::new(),
        };
        return format!(
            "taken: {:.0} % of the need, {of_family} of {pools} pools are {}; {fit}{network}",
            100.0 * part * f64::from(c.nodes),
            o.family()
        );
    }
    if part >= 1.0 {
        return format!("one node holds the need {part:.0} times over: too large to spread");
    }
    if part > rules.part_most {
        return format!(
            "one node holds {:.0} % of the need, a pool at most {:.0} %",
            100.0 * part,
            100.0 * rules.part_most
        );
    }
    let full = (pools as f64 * rules.family_most).floor() as usize;
    if c.score <= worst && of_family < full {
        return format!(
            "whole nodes of it fit a pool of {:.0} % badly: {:.0} % each",
            100.0 / pools.max(1) as f64,
            100.0 * part
        );
    }
    if c.score <= worst {
        return format!(
            "its family {} holds {of_family} of {pools} pools already, and may fall with them",
            o.family()
        );
    }
    let dearer = 100.0 * (c.score / worst - 1.0);
    let risk = if c.taken_of_month > 0.2 {
        ", often taken"
    } else {
        ""
    };
    format!("{dearer:.0} % dearer than the last pool taken; {fit}{risk}")
}
