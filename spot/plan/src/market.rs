//! A region's offers: what an instance type holds, what it costs on demand and as spot day by day, how often it is taken.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use crate::bands::{Band, Bands};
use crate::error::{Error, Result};
use crate::table::Table;

/// An instance type in a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// For example `m5.xlarge`.
    pub instance_type: String,
    /// Virtual cores.
    pub vcpu: f64,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// For example `x86_64`.
    pub arch: String,
    /// US dollars an hour.
    pub on_demand: f64,
    /// US dollars an hour on each day of the market; never empty.
    pub spot: Vec<f64>,
    /// How often it is taken.
    pub band: Band,
}

/// What work needs, all of it together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Need {
    /// Virtual cores, above 0.
    pub vcpu: f64,
    /// Memory in GiB, above 0.
    pub memory_gib: f64,
}

impl Offer {
    /// Which part of the need one instance holds.
    pub fn part(&self, need: Need) -> f64 {
        (self.vcpu / need.vcpu).min(self.memory_gib / need.memory_gib)
    }

    /// `m5` of `m5.xlarge`: types of one family share machines, so they may fall together.
    pub fn family(&self) -> &str {
        self.instance_type.split('.').next().unwrap_or("")
    }
}

/// The offers of a region over the same days.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    /// The region.
    pub region: String,
    /// Number of the first day since 1970-01-01.
    pub first_day: i64,
    /// Number of days.
    pub days: usize,
    /// Ordered by their names.
    pub offers: Vec<Offer>,
}

/// Types by region and name: cores, memory in GiB, architecture, dollars an hour on demand.
pub type Types = BTreeMap<(String, String), (f64, f64, String, f64)>;

/// Reads `region,instance_type,vcpu,memory_mib,arch,on_demand_usd_per_hour`.
///
/// # Errors
/// A row that cannot be read.
pub fn types(name: &str, text: &str) -> Result<Types> {
    let columns = [
        "region",
        "instance_type",
        "vcpu",
        "memory_mib",
        "arch",
        "on_demand_usd_per_hour",
    ];
    let mut types = Types::new();
    for row in Table::new(name, text, &columns)? {
        let key = (row.text(0).to_owned(), row.text(1).to_owned());
        let (vcpu, mib, price) = (row.number(2)?, row.number(3)?, row.number(5)?);
        if vcpu == 0.0 || mib == 0.0 || price == 0.0 {
            return Err(row.wrong("cores, memory and price are above 0"));
        }
        types.insert(key, (vcpu, mib / 1024.0, row.text(4).to_owned(), price));
    }
    Ok(types)
}

/// Prices by the number of their day.
type Series = Vec<(i64, f64)>;

/// Reads `date,region,instance_type,spot_usd_per_hour`, a row a day, in any order; a day without a price has that of
/// the day before. Types that the table of types does not know, or whose prices begin later than the first day, are
/// left out; types without a band have the worst.
///
/// # Errors
/// A row that cannot be read, or no region has an offer.
pub fn markets(name: &str, prices: &str, types: &Types, bands: &Bands) -> Result<Vec<Market>> {
    let mut series: BTreeMap<(&str, &str), Series> = BTreeMap::new();
    for row in Table::new(
        name,
        prices,
        &["date", "region", "instance_type", "spot_usd_per_hour"],
    )? {
        let day = day(row.text(0)).ok_or_else(|| row.wrong("a date is written 2026-01-31"))?;
        series
            .entry((row.text(1), row.text(2)))
            .or_default()
            .push((day, row.number(3)?));
    }
    let mut markets: BTreeMap<&str, Vec<(&str, Series)>> = BTreeMap::new();
    for ((region, kind), mut days) in series {
        days.sort_unstable_by_key(|d| d.0);
        markets.entry(region).or_default().push((kind, days));
    }
    let mut found = Vec::new();
    for (region, kinds) in markets {
        let first_day = kinds
            .iter()
            .filter_map(|k| k.1.first())
            .map(|d| d.0)
            .min()
            .unwrap_or(0);
        let last = kinds
            .iter()
            .filter_map(|k| k.1.last())
            .map(|d| d.0)
            .max()
            .unwrap_or(0);
        let days = (last - first_day + 1) as usize;
        if days > MOST_DAYS {
            return Err(Error::Missing(format!(
                "{name}: the prices of {region} span {days} days, at most {MOST_DAYS} are read; is a date wrong?"
            )));
        }
        let offer = |(kind, series): (&str, Series)| {
            let key = (region.to_owned(), kind.to_owned());
            let (vcpu, memory_gib, arch, on_demand) = types.get(&key)?.clone();
            let starts = series.first().is_some_and(|d| d.0 == first_day);
            starts.then(|| Offer {
                instance_type: kind.to_owned(),
                vcpu,
                memory_gib,
                arch,
                on_demand,
                spot: filled(&series, first_day, days),
                band: bands.get(&key).copied().unwrap_or(Band::WORST),
            })
        };
        let offers: Vec<Offer> = kinds.into_iter().filter_map(offer).collect();
        if !offers.is_empty() {
            found.push(Market {
                region: region.to_owned(),
                first_day,
                days,
                offers,
            });
        }
    }
    if found.is_empty() {
        return Err(Error::Missing(format!(
            "{name} has no price of a type that the table of types knows; do both name the same regions and types?"
        )));
    }
    Ok(found)
}

/// A hundred years.
const MOST_DAYS: usize = 36_525;

fn filled(series: &[(i64, f64)], first: i64, days: usize) -> Vec<f64> {
    let (mut all, mut price, mut rows) = (Vec::with_capacity(days), 0.0, series.iter().peekable());
    for day in first..first + days as i64 {
        while let Some((_, p)) = rows.next_if(|r| r.0 <= day) {
            price = *p;
        }
        all.push(price);
    }
    all
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, by counting years from March on so that the leap day
/// is a year's last.
fn day(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-').map(|p| p.parse::<i64>().ok());
    let (year, month, of_month) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1900..=2200).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&of_month)
    {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap = year / 4 - year / 100 + year / 400;
    Some(year * 365 + leap + (month * 153 + 2) / 5 + of_month - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(
            ["1970-01-01", "1970-03-01", "2024-02-29", "2024-03-01"].map(day),
            [Some(0), Some(59), Some(19_782), Some(19_783)]
        );
        assert_eq!(["2024-13-01", "x", "2024-02", ""].map(day), [None; 4]);
    }

    #[test]
    fn gaps_are_filled_and_strangers_left_out() {
        let kinds = types(
            "t",
            "region,instance_type,vcpu,memory_mib,arch,on_demand_usd_per_hour\nr,a,2,4096,x,0.1\n",
        )
        .unwrap();
        let prices = "date,region,instance_type,spot_usd_per_hour\n2024-03-01,r,a,0.04\n2024-02-28,r,a,0.03\n2024-02-28,r,b,9\n";
        let markets = markets("p", prices, &kinds, &Bands::new()).unwrap();
        assert_eq!(markets[0].offers.len(), 1);
        assert_eq!(markets[0].offers[0].spot, [0.03, 0.03, 0.04]);
        assert_eq!(markets[0].offers[0].band, Band::WORST);
        assert_eq!(
            markets[0].offers[0].part(Need {
                vcpu: 4.0,
                memory_gib: 16.0
            }),
            0.25
        );
    }
}
