//! The fleet that is wanted: needs put to the prices and bands that the configuration names.

use std::path::PathBuf;

use fulmar_api::Config;
use fulmar_spot_plan::fleet::{Wish, wish};
use fulmar_spot_plan::market::Market;
use fulmar_spot_plan::needs::Demand;
use fulmar_spot_plan::policy::Rules;

use crate::failure::Failure;
use crate::verbs::spot::{files, refused};

/// A wish stays until cores or memory have moved by this part: pools are not exchanged for pennies.
const MOVED: f64 = 0.1;

/// What wishes are made from, and the last one.
pub struct Wishes {
    market: Market,
    rules: Rules,
    last: Option<(Demand, Wish)>,
}

impl Wishes {
    /// Reads prices, types and bands.
    ///
    /// # Errors
    /// A key is missing or has a wrong value, or a file cannot be read.
    pub fn read(conf: &Config) -> Result<Self, Failure> {
        let region = required(conf, "fleet.ec2.region", "for example us-east-1")?;
        let file = |key| required(conf, key, "see `fulmar spot choose --help`").map(PathBuf::from);
        let advisor = conf.str("fleet.advisor")?.map(PathBuf::from);
        let data = files::Data::of(file("fleet.prices")?, file("fleet.types")?, advisor);
        let mut markets = data.markets()?;
        let regions: Vec<String> = markets.iter().map(|m| m.region.clone()).collect();
        let Some(at) = regions.iter().position(|r| *r == region) else {
            return Err(Failure::Usage(format!(
                "fleet.ec2.region is {region}: fleet.prices has {regions:?}"
            )));
        };
        let percent = conf.float_or("fleet.pool.percent.most", 20.0)?;
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(Failure::Usage(format!(
                "fleet.pool.percent.most is {percent}: above 0, at most 100"
            )));
        }
        let pools = conf.int_or("fleet.pools.least", 8)?;
        if !(2..=24).contains(&pools) {
            return Err(Failure::Usage(format!(
                "fleet.pools.least is {pools}: 2 to 24"
            )));
        }
        let rules = Rules {
            pools_least: pools as usize,
            part_most: percent / 100.0,
            ..Rules::default()
        };
        Ok(Self {
            market: markets.swap_remove(at),
            rules,
            last: None,
        })
    }

    /// The wish for these needs; an empty one when nothing is needed.
    ///
    /// # Errors
    /// No type of the market fits.
    pub fn of(&mut self, demand: Option<Demand>) -> Result<Wish, Failure> {
        let Some(demand) = demand else {
            // What is there is still known by its type, so that it can be let go in the right order.
            let nothing = |(_, w): &(Demand, Wish)| Wish {
                wanted: 0.0,
                ..w.clone()
            };
            return Ok(self.last.as_ref().map(nothing).unwrap_or_default());
        };
        let near = |a: f64, b: f64| (a - b).abs() <= MOVED * b;
        if let Some((last, wish)) = &self.last
            && near(demand.need.vcpu, last.need.vcpu)
            && near(demand.need.memory_gib, last.need.memory_gib)
        {
            return Ok(wish.clone());
        }
        let wish = wish(&self.market, &demand, &self.rules).map_err(refused)?;
        self.last = Some((demand, wish.clone()));
        Ok(wish)
    }
}

/// A key without which there is no fleet.
///
/// # Errors
/// It is missing; the hint says what belongs there.
pub fn required(conf: &Config, key: &str, hint: &str) -> Result<String, Failure> {
    let value = conf.str(key)?.filter(|v| !v.is_empty());
    value.ok_or_else(|| Failure::Usage(format!("{key} is missing: {hint}")))
}
