//! How much is wanted, and in which instance types: what work needs, put to the choice of pools.
//!
//! Pure: no clock, no I/O, no async.

use serde::Serialize;

use super::model::Pool;
use crate::error::{Error, Result};
use crate::market::Market;
use crate::needs::Demand;
use crate::policy::{self, Rules, choose};

/// What the fleet is to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Wish {
    /// Types on offer, a pool without a zone each.
    pub types: Vec<Pool>,
    /// Wanted capacity as a part of the need: 1 and the reserve; 0 when nothing is needed.
    pub wanted: f64,
    /// The largest part of the need that one pool may hold.
    pub part_most: f64,
    /// US dollars an hour of the plan by which the reserve was found.
    pub usd_per_hour: f64,
    /// The same need on demand, in the cheapest type.
    pub on_demand_usd_per_hour: f64,
}

impl Wish {
    /// The pools in these zones: every type in each of them.
    pub fn pools(&self, zones: &[String]) -> Vec<Pool> {
        let in_zone = |p: &Pool| {
            let p = p.clone();
            zones.iter().map(move |zone| Pool {
                zone: zone.clone(),
                ..p.clone()
            })
        };
        self.types.iter().flat_map(in_zone).collect()
    }
}

/// Types beside those of the plan, so that an order finds others when these have nothing to give.
const SPARE_TYPES: usize = 8;

/// Reckons the wish on the last day of a market.
///
/// # Errors
/// The market is empty, or none of its types is small enough for a pool.
pub fn wish(market: &Market, demand: &Demand, rules: &Rules) -> Result<Wish> {
    let (day, need) = (market.days.saturating_sub(1), demand.need);
    let (_, _, on_demand) = policy::on_demand(market, need)
        .ok_or_else(|| Error::Missing(format!("{} has no offers", market.region)))?;
    let plan = choose(market, day, need, rules, &|_| false, &[]);
    let chosen = plan.pools.iter().map(|(i, _)| *i);
    let mut rest: Vec<usize> = (0..market.offers.len())
        .filter(|i| market.offers[*i].part(need) <= rules.part_most)
        .filter(|i| plan.pools.iter().all(|(p, _)| p != i))
        .collect();
    let score = |i: usize| policy::score(market, i, day, need, rules);
    rest.sort_by(|a, b| score(*a).total_cmp(&score(*b)));
    let types: Vec<Pool> = chosen
        .chain(rest.into_iter().take(SPARE_TYPES))
        .map(|i| {
            let offer = &market.offers[i];
            Pool {
                instance_type: offer.instance_type.clone(),
                zone: String::new(),
                part: offer.part(need),
                on_demand_usd: offer.on_demand,
                score: score(i),
            }
        })
        .collect();
    if types.is_empty() {
        return Err(Error::Missing(format!(
            "every type of {} holds more than {:.0} % of the need ({:.1} cores, {:.1} GiB): name smaller ones in the table of types, or plan for more work",
            market.region,
            100.0 * rules.part_most,
            need.vcpu,
            need.memory_gib
        )));
    }
    Ok(Wish {
        types,
        wanted: plan.part(market, need).max(1.0),
        part_most: rules.part_most,
        usd_per_hour: plan.usd_per_hour(market, day),
        on_demand_usd_per_hour: on_demand,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bands::Band;
    use crate::market::{Need, Offer};
    use crate::needs::Kind;

    fn market(sizes: &[f64]) -> Market {
        let offer = |(i, vcpu): (usize, &f64)| Offer {
            instance_type: format!("m{i}.large"),
            vcpu: *vcpu,
            memory_gib: 4.0 * vcpu,
            arch: "x86_64".to_owned(),
            on_demand: 0.05 * vcpu,
            spot: vec![0.02 * vcpu + 0.001 * i as f64],
            band: Band::WORST,
        };
        Market {
            region: "r".to_owned(),
            first_day: 0,
            days: 1,
            offers: sizes.iter().enumerate().map(offer).collect(),
        }
    }

    fn demand(vcpu: f64) -> Demand {
        Demand {
            need: Need {
                vcpu,
                memory_gib: 2.0 * vcpu,
            },
            network_mbps: 0.0,
            kind: Kind::ComputeHeavy,
        }
    }

    #[test]
    fn the_need_and_its_reserve_over_many_types_in_every_zone() {
        let wish = wish(&market(&[2.0; 12]), &demand(40.0), &Rules::default()).unwrap();
        assert!(wish.wanted >= 1.0 && wish.wanted < 1.3, "{}", wish.wanted);
        assert!(wish.types.len() >= 8);
        assert!(wish.usd_per_hour < wish.on_demand_usd_per_hour);
        let pools = wish.pools(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(pools.len(), 2 * wish.types.len());
        assert!(pools.iter().all(|p| (p.part - 0.05).abs() < 1e-9));
    }

    #[test]
    fn types_that_hold_too_much_are_refused_with_the_remedy() {
        let refused = wish(&market(&[64.0; 9]), &demand(4.0), &Rules::default()).unwrap_err();
        assert!(refused.to_string().contains("smaller"), "{refused}");
    }
}
