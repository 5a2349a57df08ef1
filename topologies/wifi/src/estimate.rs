//! The three estimates of a client's interval, each with the reason where it is bad.
//!
//! Throughput is what the client could get now (`air`), with the interval of the fitted model. A bad
//! interval has exactly one classifier (`cause`): Mist's SLE arithmetic, classifiers add up to the
//! metric. Each record is judged by itself, so that a replay says the same again.
//! Pure: no clock, no I/O, no async.

use fulmar_proto::wifi::{Estimate, Kind, Source, Telemetry};

use crate::air::{CLIENT_POWER_DBM, Factors, Moment};
use crate::cause::{evidence, likeliest, shares};
use crate::lack::LACKS;
use crate::model::Model;
use crate::physics::Standard;

/// Version of the estimators, part of every estimate.
pub use crate::model::VERSION as MODEL;

/// Below this a client's throughput is bad, in kbit/s (Mist's default of 10 Mbit/s).
pub const THROUGHPUT_LEAST_KBIT: i64 = 10_000;
/// Below this the airtime left is bad, in per mille (Mist's default of 20 %).
pub const CAPACITY_LEAST_PERMILLE: i64 = 200;
/// Below this the signal is bad, in dBm (Mist's default).
pub const COVERAGE_LEAST_DBM: f64 = -72.0;

/// Active clients from which many share rather than a few use much.
const CROWD_LEAST: u32 = 5;
/// Powers of access point and client that differ by more than this make the two ways unlike, in dB.
const ASYMMETRY_DB: f64 = 8.0;
/// Kbit/s that no estimate exceeds, so that sums over a day of a big organisation fit.
const KBIT_MOST: f64 = 100e6;

/// A value, its unit, and why it is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// In the unit.
    pub value: i64,
    /// Nine of ten truths lie between this and [`Verdict::high`]; what is measured has no interval.
    pub low: i64,
    /// See above.
    pub high: i64,
    /// `kbit_s`, `permille` or `db_tenths`.
    pub unit: &'static str,
    /// Empty when it is good.
    pub classifier: &'static str,
}

/// What a record says, and which of [`LACKS`] it lacks.
fn moment(t: &Telemetry) -> (Moment, [bool; LACKS.len()]) {
    let known = |v: f64| if v == 0.0 { f64::NAN } else { v };
    let part = |percent: f64| (percent / 100.0).clamp(0.0, 1.0);
    let standard = Standard::of(&t.proto).unwrap_or(Standard::N);
    let ap_width_mhz = t.width_mhz.max(20);
    let client_width = if t.client_width_mhz == 0 {
        20
    } else {
        t.client_width_mhz
    };
    let ap_streams = t.ap_nss.max(1);
    let heard = t.rssi_dbm != 0.0;
    let seconds = f64::from(t.interval_ms.max(1)) / 1e3;
    let m = Moment {
        standard,
        ap_standard: Standard::of(&t.ap_proto).unwrap_or(standard),
        width_mhz: client_width.min(ap_width_mhz),
        ap_width_mhz,
        streams: t.nss.clamp(1, ap_streams),
        ap_streams,
        ap_power_dbm: known(t.ap_tx_power_dbm),
        rssi_dbm: known(t.rssi_dbm),
        snr_db: if heard { t.snr_db } else { known(t.snr_db) },
        rate_mbps: known(t.tx_rate_mbps),
        frames: t.tx_packets as f64,
        retries: t.tx_retries as f64,
        own_air: part(t.client_airtime_pct),
        own_mbps: t.tx_bytes as f64 * 8.0 / 1e6 / seconds,
        sending: part(t.util_tx),
        uplink: part(t.util_rx_in_bss),
        foreign: part(t.util_rx_other_bss),
        non_wifi: part(t.util_non_wifi),
        active: f64::from(t.num_active_clients),
        wired_mbps: if t.wired_mbps > 0.0 {
            t.wired_mbps
        } else {
            f64::INFINITY
        },
    };
    let lacks = [
        t.proto.is_empty() || t.nss == 0,
        !heard && t.snr_db == 0.0,
        t.tx_rate_mbps == 0.0,
        t.util_all == 0.0,
    ];
    (m, lacks)
}

/// Throughput: kbit/s that the client could get now.
pub fn throughput(t: &Telemetry) -> Verdict {
    let model = Model::built_in();
    let (moment, lacks) = moment(t);
    let factors = Factors::of(&moment, None, &model.calibration);
    let said = factors.throughput(&model.calibration);
    let (low, high) = model.alone.around(&said, model.doubt(lacks));
    let kbit = |mbps: f64| (mbps * 1_000.0).min(KBIT_MOST).round() as i64;
    let value = kbit(said.mbps);
    let classifier = if value >= THROUGHPUT_LEAST_KBIT {
        ""
    } else {
        let evidence = evidence(&factors, &model.calibration);
        likeliest(&shares(&model.weights, &evidence), true).classifier()
    };
    Verdict {
        value,
        low: kbit(low),
        high: kbit(high),
        unit: "kbit_s",
        classifier,
    }
}

/// Capacity: per mille of airtime left for the client.
pub fn capacity(t: &Telemetry) -> Verdict {
    let share = |percent: f64| (percent / 100.0).clamp(0.0, 1.0);
    let (foreign, non_wifi) = (share(t.util_rx_other_bss), share(t.util_non_wifi));
    let others = share(t.util_tx + t.util_rx_in_bss - t.client_airtime_pct);
    let left = (1.0 - foreign - non_wifi - others).clamp(0.0, 1.0);
    let value = (left * 1_000.0).round() as i64;
    let crowd = if t.num_active_clients >= CROWD_LEAST {
        "client_count"
    } else {
        "client_usage"
    };
    let takers = [
        ("wifi_interference", foreign),
        ("non_wifi_interference", non_wifi),
        (crowd, others),
    ];
    let most = takers.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let bad = value < CAPACITY_LEAST_PERMILLE;
    Verdict {
        value,
        low: value,
        high: value,
        unit: "permille",
        classifier: if bad { most.map_or(crowd, |t| t.0) } else { "" },
    }
}

/// Coverage: tenths of a dB of signal over −72 dBm.
///
/// A weak signal is the uplink's alone where the access point sends so much louder that the client
/// hears it well; it is the downlink's where the client sends louder than the access point.
pub fn coverage(t: &Telemetry) -> Verdict {
    let over_db = t.rssi_dbm - COVERAGE_LEAST_DBM;
    let value = (over_db * 10.0).round() as i64;
    let louder_db = if t.ap_tx_power_dbm == 0.0 {
        0.0
    } else {
        t.ap_tx_power_dbm - CLIENT_POWER_DBM
    };
    let classifier = if value >= 0 {
        ""
    } else if louder_db >= ASYMMETRY_DB && over_db + louder_db >= 0.0 {
        "asymmetry_uplink"
    } else if -louder_db >= ASYMMETRY_DB {
        "asymmetry_downlink"
    } else {
        "weak_signal"
    };
    Verdict {
        value,
        low: value,
        high: value,
        unit: "db_tenths",
        classifier,
    }
}

/// The estimate of one kind, complete.
pub fn estimate(kind: Kind, t: &Telemetry, source: Source, watermark_ms: i64) -> Estimate {
    let verdict = match kind {
        Kind::Capacity => capacity(t),
        Kind::Coverage => coverage(t),
        Kind::Throughput | Kind::Unspecified => throughput(t),
    };
    let (interval, bad) = (i64::from(t.interval_ms), !verdict.classifier.is_empty());
    Estimate {
        source: Some(source),
        kind: kind.into(),
        time_ms: t.time_ms,
        source_watermark_ms: watermark_ms,
        org: t.org.clone(),
        site: t.site.clone(),
        ap: t.ap.clone(),
        band: t.band.clone(),
        wlan: t.wlan.clone(),
        client: t.client.clone(),
        value: verdict.value,
        unit: verdict.unit.to_owned(),
        good_ms: if bad { 0 } else { interval },
        bad_ms: if bad { interval } else { 0 },
        classifier: verdict.classifier.to_owned(),
        model: MODEL.to_owned(),
        low: verdict.low,
        high: verdict.high,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A calm client near its AP.
    fn calm() -> Telemetry {
        Telemetry {
            interval_ms: 60_000,
            width_mhz: 80,
            ap_proto: "ax".into(),
            ap_nss: 2,
            ap_tx_power_dbm: 20.0,
            proto: "ax".into(),
            client_width_mhz: 80,
            nss: 2,
            rssi_dbm: -55.0,
            snr_db: 39.0,
            client_airtime_pct: 2.0,
            util_tx: 10.0,
            util_rx_in_bss: 4.0,
            util_rx_other_bss: 5.0,
            num_clients: 4,
            num_active_clients: 3,
            wired_mbps: 1_000.0,
            ..Telemetry::default()
        }
    }

    #[test]
    fn a_calm_client_is_good_in_every_respect() {
        let t = calm();
        assert!(
            (300_000..900_000).contains(&throughput(&t).value),
            "{:?}",
            throughput(&t)
        );
        assert_eq!(capacity(&t).value, 830);
        assert_eq!(coverage(&t).value, 170);
        for v in [throughput(&t), capacity(&t), coverage(&t)] {
            assert_eq!(v.classifier, "");
        }
    }

    #[test]
    fn each_ailment_has_its_own_name() {
        let weak = Telemetry {
            rssi_dbm: -90.0,
            snr_db: 0.5,
            ap_tx_power_dbm: 15.0,
            client_width_mhz: 20,
            nss: 1,
            ..calm()
        };
        assert_eq!(
            (throughput(&weak).classifier, coverage(&weak).classifier),
            ("coverage", "weak_signal")
        );
        let far = Telemetry {
            rssi_dbm: -75.0,
            ap_tx_power_dbm: 24.0,
            ..calm()
        };
        assert_eq!(coverage(&far).classifier, "asymmetry_uplink");
        let shy = Telemetry {
            rssi_dbm: -75.0,
            ap_tx_power_dbm: 5.0,
            ..calm()
        };
        assert_eq!(coverage(&shy).classifier, "asymmetry_downlink");
        let slow_wire = Telemetry {
            wired_mbps: 4.0,
            ..calm()
        };
        assert_eq!(throughput(&slow_wire).classifier, "network");
        let microwave = Telemetry {
            util_non_wifi: 97.0,
            util_rx_other_bss: 0.0,
            ..calm()
        };
        assert_eq!(capacity(&microwave).classifier, "non_wifi_interference");
        let neighbours = Telemetry {
            util_rx_other_bss: 90.0,
            ..calm()
        };
        assert_eq!(capacity(&neighbours).classifier, "wifi_interference");
        let crowd = Telemetry {
            util_tx: 80.0,
            util_rx_in_bss: 12.0,
            num_active_clients: 30,
            ..calm()
        };
        assert_eq!(capacity(&crowd).classifier, "client_count");
    }

    #[test]
    fn the_less_is_known_the_wider_is_the_interval() {
        let width = |t: &Telemetry| {
            let v = throughput(t);
            assert!(v.low <= v.value && v.value <= v.high, "{v:?}");
            (v.high - v.value) as f64 / v.value as f64
        };
        let measured = Telemetry {
            tx_rate_mbps: 1_000.0,
            tx_packets: 500,
            util_all: 19.0,
            ..calm()
        };
        let silent = Telemetry {
            rssi_dbm: 0.0,
            snr_db: 0.0,
            ..calm()
        };
        let widths = [width(&measured), width(&calm()), width(&silent)];
        assert!(widths.is_sorted_by(|a, b| a < b), "{widths:?}");
        assert!(width(&Telemetry::default()).is_finite());
    }

    #[test]
    fn an_interval_is_either_good_or_bad_as_a_whole() {
        for wired_mbps in [4.0, 1_000.0] {
            let e = estimate(
                Kind::Throughput,
                &Telemetry {
                    wired_mbps,
                    ..calm()
                },
                Source::default(),
                7,
            );
            assert_eq!(e.good_ms + e.bad_ms, 60_000);
            assert_eq!(e.bad_ms > 0, !e.classifier.is_empty());
            assert_eq!(e.source_watermark_ms, 7);
        }
    }
}
