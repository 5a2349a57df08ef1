//! The three estimates of a client's interval, each with the reason where it is bad.
//!
//! Throughput is what the client could get now: PHY rate of its signal × frames that arrive × part of
//! the airtime that carries payload × its share of the airtime, at most the wire's rate. A bad interval
//! has exactly one classifier: the factor whose ideal value would raise the estimate most (Mist's SLE
//! arithmetic: classifiers add up to the metric).
//! Pure: no clock, no I/O, no async.

use fulmar_proto::wifi::{Estimate, Kind, Source, Telemetry};

use crate::physics::{self, Standard};

/// Version of the estimators, part of every estimate.
pub const MODEL: &str = "physics-1";

/// Below this a client's throughput is bad, in kbit/s (Mist's default of 10 Mbit/s).
pub const THROUGHPUT_LEAST_KBIT: i64 = 10_000;
/// Below this the airtime left is bad, in per mille (Mist's default of 20 %).
pub const CAPACITY_LEAST_PERMILLE: i64 = 200;
/// Below this the signal is bad, in dBm (Mist's default).
pub const COVERAGE_LEAST_DBM: f64 = -72.0;

/// Frames after which the measured PHY rate is believed more than the signal.
const FRAMES_ENOUGH: u64 = 20;
/// A client's transmit power in dBm where only the AP's is known: the middle of what phones have.
const CLIENT_POWER_DBM: f64 = 15.0;

/// A value, its unit, and why it is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// In the unit.
    pub value: i64,
    /// `kbit_s`, `permille` or `db_tenths`.
    pub unit: &'static str,
    /// Empty when it is good.
    pub classifier: &'static str,
}

/// What throughput depends on; each can be set to its ideal.
#[derive(Clone, Copy, Debug)]
struct Factors {
    phy_mbps: f64,
    best_signal_mbps: f64,
    best_device_mbps: f64,
    loss: f64,
    other_bss: f64,
    non_wifi: f64,
    /// Airtime of the other clients of the BSS.
    others: f64,
    contenders: f64,
    wired_mbps: f64,
}

impl Factors {
    fn of(t: &Telemetry) -> Self {
        let client = Standard::of(&t.proto).unwrap_or(Standard::N);
        let ap = Standard::of(&t.ap_proto).unwrap_or(client);
        let width = t.client_width_mhz.min(t.width_mhz).max(20);
        let streams = t.nss.min(t.ap_nss).max(1);
        // The AP hears the client; the client hears the AP louder by the difference of their powers.
        let down_db = (t.ap_tx_power_dbm - CLIENT_POWER_DBM).clamp(0.0, 10.0);
        let rate = |standard: Standard, width, streams, snr| {
            let mcs = physics::mcs_for(standard, width, streams, snr);
            physics::phy_rate(standard, width, streams, mcs)
        };
        let modelled = rate(client, width, streams, t.snr_db + down_db);
        let measured = t.tx_packets >= FRAMES_ENOUGH && t.tx_rate_mbps > 0.0;
        let phy_mbps = if measured { t.tx_rate_mbps } else { modelled };
        let sent = (t.tx_packets + t.tx_retries).max(1) as f64;
        let share = |percent: f64| (percent / 100.0).clamp(0.0, 1.0);
        Self {
            phy_mbps,
            best_signal_mbps: rate(client, width, streams, 45.0).max(phy_mbps),
            best_device_mbps: rate(ap, t.width_mhz.max(20), t.ap_nss.max(1), t.snr_db + down_db)
                .max(phy_mbps),
            loss: if t.tx_packets >= FRAMES_ENOUGH {
                t.tx_retries as f64 / sent
            } else {
                0.1
            },
            other_bss: share(t.util_rx_other_bss),
            non_wifi: share(t.util_non_wifi),
            others: share(t.util_tx + t.util_rx_in_bss - t.client_airtime_pct),
            contenders: f64::from(t.num_active_clients.max(1)),
            wired_mbps: if t.wired_mbps > 0.0 {
                t.wired_mbps
            } else {
                f64::INFINITY
            },
        }
    }

    /// Mbit/s.
    fn throughput(&self) -> f64 {
        let free = (1.0 - self.other_bss - self.non_wifi).max(0.02);
        // A client that has much to send gets what is left, and at least its fair part.
        let share = (free - self.others).max(free / self.contenders);
        let rate =
            self.phy_mbps * (1.0 - self.loss.min(0.9)) * physics::efficiency(self.phy_mbps) * share;
        rate.min(self.wired_mbps)
    }
}

/// Throughput: kbit/s that the client could get now.
pub fn throughput(t: &Telemetry) -> Verdict {
    let f = Factors::of(t);
    let mbps = f.throughput();
    let value = (mbps * 1_000.0).round() as i64;
    let classifier = if value >= THROUGHPUT_LEAST_KBIT {
        ""
    } else {
        cause(&f, mbps)
    };
    Verdict {
        value,
        unit: "kbit_s",
        classifier,
    }
}

/// The factor whose ideal would raise the throughput most.
fn cause(f: &Factors, now: f64) -> &'static str {
    let crowd = if f.contenders >= 5.0 {
        "capacity_client_count"
    } else {
        "capacity_client_usage"
    };
    let ideals = [
        (
            "coverage",
            Factors {
                phy_mbps: f.best_signal_mbps,
                loss: f.loss.min(0.1),
                ..*f
            },
        ),
        (
            "capacity_wifi_interference",
            Factors {
                other_bss: 0.0,
                ..*f
            },
        ),
        (
            "capacity_non_wifi_interference",
            Factors {
                non_wifi: 0.0,
                loss: f.loss.min(0.1),
                ..*f
            },
        ),
        (
            crowd,
            Factors {
                others: 0.0,
                contenders: 1.0,
                ..*f
            },
        ),
        (
            "device_capability",
            Factors {
                phy_mbps: f.best_device_mbps,
                ..*f
            },
        ),
        (
            "network",
            Factors {
                wired_mbps: f64::INFINITY,
                ..*f
            },
        ),
    ];
    let gains = ideals
        .iter()
        .map(|(name, ideal)| (*name, ideal.throughput() - now));
    gains
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or("coverage", |g| g.0)
}

/// Capacity: per mille of airtime left for the client.
pub fn capacity(t: &Telemetry) -> Verdict {
    let f = Factors::of(t);
    let left = (1.0 - f.other_bss - f.non_wifi - f.others).clamp(0.0, 1.0);
    let value = (left * 1_000.0).round() as i64;
    let crowd = if f.contenders >= 5.0 {
        "client_count"
    } else {
        "client_usage"
    };
    let takers = [
        ("wifi_interference", f.other_bss),
        ("non_wifi_interference", f.non_wifi),
        (crowd, f.others),
    ];
    let most = takers
        .iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(crowd, |t| t.0);
    Verdict {
        value,
        unit: "permille",
        classifier: if value >= CAPACITY_LEAST_PERMILLE {
            ""
        } else {
            most
        },
    }
}

/// Coverage: tenths of a dB of signal over −72 dBm.
pub fn coverage(t: &Telemetry) -> Verdict {
    let value = ((t.rssi_dbm - COVERAGE_LEAST_DBM) * 10.0).round() as i64;
    Verdict {
        value,
        unit: "db_tenths",
        classifier: if value >= 0 { "" } else { "weak_signal" },
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
