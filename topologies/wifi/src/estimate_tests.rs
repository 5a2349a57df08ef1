//! Laws of the estimates for any record: bad time adds up by classifier at every level, and a record
//! that says less has a wider interval, never a crash.

use std::collections::BTreeMap;

use fulmar_proto::wifi::{Estimate, Kind, Source, Telemetry};
use proptest::prelude::*;

use crate::estimate::{estimate, throughput};

const KINDS: [Kind; 3] = [Kind::Throughput, Kind::Capacity, Kind::Coverage];

/// Records of two sites with access points, bands and clients of any condition.
fn telemetry() -> impl Strategy<Value = Telemetry> {
    let place = (0..2_u8, 0..3_u8, 0..9_u8, 1..120_000_u32);
    let signal = (-95.0..-35.0, 0.0..50.0, 0.0..1_200.0, 0..2_000_u64);
    let air = (0.0..60.0, 0.0..40.0, 0.0..60.0, 0.0..60.0);
    (place, signal, air, 0..40_u32, 0.0..300.0).prop_map(
        |((site, ap, client, interval_ms), (rssi, snr, rate, frames), air, active, wired)| {
            Telemetry {
                org: "o".into(),
                site: format!("s{site}"),
                ap: format!("s{site}-a{ap}"),
                band: ["5", "24"][usize::from(ap % 2)].into(),
                wlan: "w".into(),
                client: format!("c{client}"),
                interval_ms,
                width_mhz: 40,
                ap_proto: "ax".into(),
                ap_nss: 2,
                ap_tx_power_dbm: 20.0,
                proto: "ac".into(),
                client_width_mhz: 40,
                nss: 1 + u32::from(client % 2),
                rssi_dbm: rssi,
                snr_db: snr,
                tx_rate_mbps: rate,
                tx_packets: frames,
                util_tx: air.0,
                util_rx_in_bss: air.1,
                util_rx_other_bss: air.2,
                util_non_wifi: air.3,
                util_all: (air.0 + air.1 + air.2 + air.3).min(100.0),
                num_active_clients: active,
                wired_mbps: wired,
                ..Telemetry::default()
            }
        },
    )
}

/// Total, bad, and bad by classifier, in ms.
type Sums = (i64, i64, BTreeMap<String, i64>);

fn add(sums: &mut Sums, e: &Estimate) {
    sums.0 += e.good_ms + e.bad_ms;
    sums.1 += e.bad_ms;
    if !e.classifier.is_empty() {
        *sums.2.entry(e.classifier.clone()).or_default() += e.bad_ms;
    }
}

proptest! {
    #[test]
    fn classifiers_add_up_to_the_bad_time_at_every_level(records in prop::collection::vec(telemetry(), 1..80)) {
        for kind in KINDS {
            let mut levels: BTreeMap<(usize, String), Sums> = BTreeMap::new();
            for t in &records {
                let e = estimate(kind, t, Source::default(), 0);
                let entities = [
                    e.org.clone(),
                    e.site.clone(),
                    e.ap.clone(),
                    e.band.clone(),
                    format!("{}/{}", e.ap, e.client),
                ];
                for (level, entity) in entities.into_iter().enumerate() {
                    add(levels.entry((level, entity)).or_default(), &e);
                }
            }
            let time: i64 = records.iter().map(|t| i64::from(t.interval_ms)).sum();
            for level in 0..5 {
                let at = levels.iter().filter(|(k, _)| k.0 == level).map(|(_, s)| s);
                for sums in at.clone() {
                    prop_assert_eq!(sums.2.values().sum::<i64>(), sums.1);
                }
                prop_assert_eq!(at.map(|s| s.0).sum::<i64>(), time);
            }
        }
    }

    #[test]
    fn a_record_that_does_not_say_how_busy_the_channel_is_is_less_sure(t in telemetry()) {
        let silent = Telemetry { tx_rate_mbps: 0.0, tx_packets: 0, tx_retries: 0, ..t };
        let measured = Telemetry { util_all: 1.0, ..silent.clone() };
        let lacking = Telemetry { util_all: 0.0, ..silent };
        let (more, less) = (throughput(&measured), throughput(&lacking));
        prop_assert_eq!(more.value, less.value);
        prop_assert!(less.high - less.low >= more.high - more.low);
        prop_assert!(less.high > more.high, "{:?} {:?}", less, more);
    }
}

#[test]
fn an_empty_record_has_estimates_too() {
    for kind in KINDS {
        let e = estimate(kind, &Telemetry::default(), Source::default(), 0);
        assert!(
            e.low <= e.value && e.value <= e.high,
            "{kind:?}: {} {} {}",
            e.low,
            e.value,
            e.high
        );
        assert_eq!(e.bad_ms, 0, "{kind:?}: no time passed");
    }
}
