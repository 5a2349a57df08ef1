//! Interruption bands: which part of a type's instances the provider took back in a month, and the rate that follows.
//!
//! The table is the one that AWS publishes as its Spot Instance Advisor: whole regions, trailing month, five bands.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::table::Table;

/// Upper ends of the bands. The last is open above; half as much again as its lower end is taken.
const UPPER: [f64; 5] = [0.05, 0.10, 0.15, 0.20, 0.30];
const MONTH_S: f64 = 30.0 * 86_400.0;

/// A band: 0 below 5 %, 1 below 10 %, 2 below 15 %, 3 below 20 %, 4 above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Band(u8);

impl Band {
    /// The worst: what to assume of a type that is in no table.
    pub const WORST: Self = Self(4);

    /// The band with this number, if there is one.
    pub fn new(number: u8) -> Option<Self> {
        (usize::from(number) < UPPER.len()).then_some(Self(number))
    }

    /// Its number, 0 to 4.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The part of the instances that goes in a month, at most (the open band: at a guess).
    pub fn of_month(self) -> f64 {
        UPPER[usize::from(self.0)]
    }

    /// How often an instance is taken, per second: what empties that part in a month.
    pub fn per_s(self) -> f64 {
        -(-self.of_month()).ln_1p() / MONTH_S
    }

    /// How often an event hits a pool, per second, when events take this part of it on average.
    pub fn events_per_s(self, mean_share: f64) -> f64 {
        self.per_s() / mean_share
    }

    /// As the table labels it.
    pub fn label(self) -> &'static str {
        ["<5 %", "5-10 %", "10-15 %", "15-20 %", ">20 %"][usize::from(self.0)]
    }
}

/// Bands by region and type.
pub type Bands = BTreeMap<(String, String), Band>;

/// Reads `region,os,instance_type,band`; the rows of Linux.
///
/// # Errors
/// A row that cannot be read.
pub fn parse(name: &str, text: &str) -> Result<Bands> {
    let mut bands = Bands::new();
    for row in Table::new(name, text, &["region", "os", "instance_type", "band"])? {
        if row.text(1) != "Linux" {
            continue;
        }
        let band = row.text(3).parse().ok().and_then(Band::new);
        let band = band.ok_or_else(|| row.wrong("the band is a number from 0 to 4"))?;
        bands.insert((row.text(0).to_owned(), row.text(2).to_owned()), band);
    }
    Ok(bands)
}
