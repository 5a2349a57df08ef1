//! What topologies cost: each node's price shared by the workers on it, against the same nodes on demand.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, refuse};
use crate::market::Market;

/// A node and who works on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// For example `m5.large`.
    pub instance_type: String,
    /// For example `us-east-1`.
    pub region: String,
    /// `spot` or `on-demand`.
    pub life_cycle: String,
    /// Workers by topology.
    pub workers: BTreeMap<String, u32>,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Messages that spouts brought in, per second, by topology.
    pub messages_per_s: BTreeMap<String, f64>,
}

/// One topology's cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// The topology; `(idle)` for nodes on which nothing works.
    pub topology: String,
    /// US dollars an hour.
    pub usd_per_hour: f64,
    /// The same nodes on demand.
    pub on_demand_usd_per_hour: f64,
    /// Percent saved.
    pub saved_percent: f64,
    /// Messages per second.
    pub messages_per_s: f64,
    /// US dollars for a billion messages; none where there are no messages.
    pub usd_per_billion: Option<f64>,
    /// US dollars over the days of the prices, if it had run on these nodes all the time: spot, and on demand.
    pub usd_of_series: [f64; 2],
}

/// The name of what pays for nodes without work.
pub const IDLE: &str = "(idle)";

/// The cost of each topology at the prices of the markets' last day.
///
/// # Errors
/// A node's type is in none of the markets, a life cycle is unknown, a rate is no number.
pub fn costs(used: &Use, markets: &[Market]) -> Result<Vec<Cost>> {
    let mut costs: BTreeMap<&str, Cost> = BTreeMap::new();
    for node in &used.nodes {
        let market = markets.iter().find(|m| m.region == node.region);
        let offer = market.and_then(|m| {
            m.offers
                .iter()
                .find(|o| o.instance_type == node.instance_type)
        });
        let offer = offer.ok_or_else(|| {
            Error::Missing(format!(
                "no price of {} in {}: give prices and types that know it",
                node.instance_type, node.region
            ))
        })?;
        let hours = offer.spot.len() as f64 * 24.0;
        let (now, series) = match node.life_cycle.as_str() {
            "spot" => (
                offer.spot[offer.spot.len() - 1],
                offer.spot.iter().sum::<f64>() * 24.0,
            ),
            "on-demand" => (offer.on_demand, offer.on_demand * hours),
            other => {
                return refuse(
                    "life_cycle",
                    other,
                    "spot, on-demand",
                    "say how the node is paid",
                );
            }
        };
        let workers: u32 = node.workers.values().sum();
        let idle = (workers == 0).then_some((IDLE, 1.0));
        let shares = node.workers.iter().filter(|w| *w.1 > 0);
        let shares = shares.map(|(t, n)| (t.as_str(), f64::from(*n) / f64::from(workers)));
        for (topology, share) in shares.chain(idle) {
            let cost = costs.entry(topology).or_default();
            cost.usd_per_hour += share * now;
            cost.on_demand_usd_per_hour += share * offer.on_demand;
            cost.usd_of_series[0] += share * series;
            cost.usd_of_series[1] += share * offer.on_demand * hours;
        }
    }
    let finish = |(topology, mut cost): (&str, Cost)| {
        let messages = used.messages_per_s.get(topology).copied().unwrap_or(0.0);
        if !(messages.is_finite() && messages >= 0.0) {
            let what = format!("messages_per_s of {topology}");
            return refuse(&what, messages, "0 or more", "measure it again");
        }
        cost.topology = topology.to_owned();
        cost.saved_percent = 100.0 * (1.0 - cost.usd_per_hour / cost.on_demand_usd_per_hour);
        cost.messages_per_s = messages;
        cost.usd_per_billion =
            (messages > 0.0).then(|| cost.usd_per_hour / (messages * 3_600.0) * 1e9);
        Ok(cost)
    };
    costs.into_iter().map(finish).collect()
}
