//! The ns-3 rows as the estimator sees them: one moment each, with what the access point knew of its
//! other clients then. Truth is kept apart and never reaches the features.

use std::collections::HashMap;

use fulmar_wifi::air::{Mate, Moment};
use fulmar_wifi::cause::CAUSES;
use fulmar_wifi::physics::Standard;

use crate::table::{Row, Table};

/// One row.
pub struct Sample {
    /// Deployment, client, phase: its name.
    pub name: [String; 3],
    /// What was seen.
    pub moment: Moment,
    /// The access point's other clients.
    pub mates: Vec<Mate>,
    /// `probe`: light while measured, truth once saturated.
    pub probe: bool,
    /// Mbit/s; NaN where there is no truth.
    pub truth: f64,
    /// Class of the cause; none where there is no truth.
    pub cause: Option<usize>,
}

fn moment(row: &Row<'_>) -> Moment {
    let part = |name: &str| row.number(name) / 100.0;
    let whole = |name: &str, least: u32| (row.number(name) as u32).max(least);
    let standard = Standard::of(row.text("proto")).unwrap_or(Standard::N);
    // Of a saturated row these are the answer.
    let open = |v: f64| {
        if row.text("row_kind") == "sat" {
            f64::NAN
        } else {
            v
        }
    };
    let ap_width_mhz = whole("width_mhz", 20);
    let ap_streams = whole("ap_nss", 1);
    Moment {
        standard,
        ap_standard: Standard::of(row.text("ap_proto")).unwrap_or(standard),
        width_mhz: whole("client_width_mhz", 20).min(ap_width_mhz),
        ap_width_mhz,
        streams: whole("nss", 1).min(ap_streams),
        ap_streams,
        ap_power_dbm: row.number("ap_tx_power_dbm"),
        rssi_dbm: row.number("rssi_dbm"),
        snr_db: row.number("snr_db"),
        rate_mbps: row.number("tx_rate_mbps"),
        frames: open(row.number("tx_packets")),
        retries: open(row.number("tx_retries")),
        own_air: open(part("client_airtime_pct")),
        own_mbps: open(mbps(row)),
        sending: part("util_tx"),
        uplink: part("util_rx_in_bss"),
        foreign: part("util_rx_other_bss"),
        non_wifi: part("util_non_wifi"),
        active: row.number("num_active_clients"),
        wired_mbps: row.number("wired_mbps"),
    }
}

/// Payload that was sent to a client: 1,472 of each 1,500 bytes.
fn mbps(row: &Row<'_>) -> f64 {
    row.number("tx_bytes") * 8.0 * (1_472.0 / 1_500.0) / 1e6 / row.number("interval_s")
}

/// All rows in their order. Other clients stand as they were last seen at the time of the row.
pub fn samples(table: &Table) -> Vec<Sample> {
    let rows: Vec<Row<'_>> = table.rows().collect();
    let mut of_ap: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        let key = (row.text("deployment_id"), row.text("ap_id"));
        of_ap.entry(key).or_default().push(i);
    }
    rows.iter()
        .map(|row| {
            let key = (row.text("deployment_id"), row.text("ap_id"));
            let known = of_ap.get(&key).map_or(&[][..], Vec::as_slice);
            let cause = row.text("cause");
            Sample {
                name: ["deployment_id", "client_id", "phase"].map(|n| row.text(n).to_owned()),
                moment: moment(row),
                mates: mates(row, known, &rows),
                probe: !matches!(row.text("row_kind"), "sat" | "context"),
                truth: row.number("throughput_mbps"),
                cause: CAUSES.iter().position(|c| c.label() == cause),
            }
        })
        .collect()
}

fn mates(row: &Row<'_>, known: &[usize], rows: &[Row<'_>]) -> Vec<Mate> {
    let (me, now) = (row.text("client_id"), row.number("timestamp"));
    // In the order of the clients' names, so that sums do not hang on the order of rows.
    let mut last: std::collections::BTreeMap<&str, (f64, usize)> =
        std::collections::BTreeMap::new();
    for i in known {
        let (other, at) = (rows[*i].text("client_id"), rows[*i].number("timestamp"));
        if other != me && at <= now && last.get(other).is_none_or(|l| l.0 <= at) {
            last.insert(other, (at, *i));
        }
    }
    let mate = |i: &usize| Mate {
        air: rows[*i].number("client_airtime_pct") / 100.0,
        mbps: mbps(&rows[*i]),
    };
    let mates = last.values().map(|(_, i)| mate(i));
    mates
        .filter(|m| m.air.is_finite() && m.mbps.is_finite())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "timestamp,deployment_id,ap_id,client_id,row_kind,phase,interval_s,proto,rssi_dbm,tx_packets,tx_bytes,client_airtime_pct";

    fn read(name: &str, text: &str) -> Vec<Sample> {
        let folder = std::env::temp_dir().join(format!("wifi-lab-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.csv"), text).unwrap();
        let table = Table::read(&folder).unwrap().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        samples(&table)
    }

    #[test]
    fn mates_are_as_last_seen_and_nobody_looks_ahead() {
        let rows = "\n1,d,a,x,probe,m1,1,ax,-50,9,1000000,10\n1,d,a,y,context,m1,1,ax,-50,9,1000000,20\n\
                    2,d,a,x,probe,m2,1,ax,-50,9,1000000,30\n3,d,a,y,context,m2,1,ax,-50,9,1000000,40\n3,d,b,z,probe,m2,1,ax,-50,9,1,1\n";
        let all = read("mates", &format!("{HEAD}{rows}"));
        let airs: Vec<Vec<f64>> = all
            .iter()
            .map(|s| s.mates.iter().map(|m| m.air).collect())
            .collect();
        assert_eq!(airs, [vec![0.2], vec![0.1], vec![0.2], vec![0.3], vec![]]);
    }

    #[test]
    fn the_answer_of_a_saturated_row_is_not_seen_and_truth_may_be_missing() {
        let all = read(
            "open",
            &format!("{HEAD}\n1,d,a,x,sat,m1,1,ax,-50,9,1000000,10\n"),
        );
        let m = &all[0].moment;
        assert!([m.frames, m.own_air, m.own_mbps].iter().all(|v| v.is_nan()));
        assert!(all[0].truth.is_nan() && all[0].cause.is_none() && !all[0].probe);
    }
}
