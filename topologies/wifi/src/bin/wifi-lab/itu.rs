//! The ITU PS-013 deployments: nodes as they stand in the file, grouped and parsed.
//! Truth is kept apart and never reaches the features.

use std::collections::HashMap;

use crate::table::{Row, Table};

/// Basic channels of 20 MHz.
pub const CHANNELS: usize = 8;

/// An access point.
pub struct Ap {
    /// Index of its node.
    pub node: i64,
    /// Metres.
    pub at: [f64; 2],
    /// First, last and primary channel.
    pub channels: [usize; 3],
    /// Part of the time in which it occupies each channel.
    pub air: [f64; CHANNELS],
    /// dBm received from each access point of the deployment, in their order; NaN from itself.
    pub hears: Vec<f64>,
}

impl Ap {
    /// Number of its channels.
    pub fn width(&self) -> usize {
        self.channels[1] - self.channels[0] + 1
    }

    /// It may use that channel.
    pub fn covers(&self, channel: usize) -> bool {
        (self.channels[0]..=self.channels[1]).contains(&channel)
    }
}

/// A station.
pub struct Sta {
    /// Index of its node.
    pub node: i64,
    /// Its access point, by place in [`Deployment::aps`].
    pub ap: usize,
    /// Metres.
    pub at: [f64; 2],
    /// Signal from its access point.
    pub rssi_dbm: f64,
    /// Mean signal over interference and noise.
    pub sinr_db: f64,
    /// Mbit/s; NaN where there is no truth.
    pub truth: f64,
}

/// One deployment.
#[derive(Default)]
pub struct Deployment {
    /// For example `sce1a_deployment_000`.
    pub name: String,
    /// For example `sce1a`; of a test deployment the name up to `_deployment`.
    pub scenario: String,
    /// In the order of the file.
    pub aps: Vec<Ap>,
    /// In the order of the file.
    pub stas: Vec<Sta>,
    /// Mbit/s of each access point; NaN where there is no truth.
    pub ap_truth: Vec<f64>,
}

fn channel(row: &Row<'_>, name: &str) -> usize {
    (row.number(name) as usize).min(CHANNELS - 1)
}

fn ap(row: &Row<'_>) -> Ap {
    let first = channel(row, "min_ch");
    let last = channel(row, "max_ch").max(first);
    let air = |c: usize| {
        let percent = row.number(&format!("airtime_ch{c}"));
        if percent.is_nan() {
            0.0
        } else {
            percent / 100.0
        }
    };
    let hears = row.text("ap_interference_dbm").split_ascii_whitespace();
    let dbm = |v: &str| v.parse().ok().filter(|v: &f64| v.is_finite());
    Ap {
        node: row.number("node") as i64,
        at: [row.number("x"), row.number("y")],
        channels: [first, last, channel(row, "primary_ch").clamp(first, last)],
        air: std::array::from_fn(air),
        hears: hears.map(|v| dbm(v).unwrap_or(f64::NAN)).collect(),
    }
}

/// All deployments in the order of their first rows; stations without an access point are left out
/// and counted.
pub fn deployments(table: &Table) -> (Vec<Deployment>, usize) {
    let (mut all, mut place) = (Vec::<Deployment>::new(), HashMap::<&str, usize>::new());
    let mut at = |all: &mut Vec<Deployment>, row: &Row<'_>, name| {
        *place.entry(name).or_insert_with(|| {
            let scenario = match row.text("scenario") {
                "" => row
                    .text("deployment")
                    .split("_deployment")
                    .next()
                    .unwrap_or(""),
                given => given,
            };
            all.push(Deployment {
                name: row.text("deployment").to_owned(),
                scenario: scenario.to_owned(),
                ..Deployment::default()
            });
            all.len() - 1
        })
    };
    for row in table.rows().filter(|r| r.text("type") == "ap") {
        let d = at(&mut all, &row, row.text("deployment"));
        all[d].aps.push(ap(&row));
        all[d].ap_truth.push(row.number("throughput_mbps"));
    }
    let mut lost = 0;
    for row in table.rows().filter(|r| r.text("type") == "sta") {
        let d = at(&mut all, &row, row.text("deployment"));
        let serves = row.number("ap") as i64;
        let Some(ap) = all[d].aps.iter().position(|a| a.node == serves) else {
            lost += 1;
            continue;
        };
        all[d].stas.push(Sta {
            node: row.number("node") as i64,
            ap,
            at: [row.number("x"), row.number("y")],
            rssi_dbm: row.number("rssi_dbm"),
            sinr_db: row.number("sinr_db"),
            truth: row.number("throughput_mbps"),
        });
    }
    (all, lost)
}
