//! Bytes to telemetry, or the reason why not. A value that starts with `{` is JSON, else protobuf.
//! Pure: no clock, no I/O, no async.

use std::ops::RangeInclusive;

use fulmar_proto::wifi::Telemetry;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use crate::physics::Standard;

/// Times further ahead of the clock than this are refused, in ms.
pub const FUTURE_MOST_MS: i64 = 10 * 60 * 1_000;
/// Numbers of the fields of `Telemetry` in proto/wifi.proto.
const FIELDS: [RangeInclusive<u32>; 4] = [1..=8, 10..=17, 20..=30, 40..=48];
/// Longest name, in bytes.
const NAME_MOST: usize = 128;
/// Longest interval, in ms: an hour.
const INTERVAL_MOST_MS: u32 = 3_600_000;

/// Why a record is refused; the reason is one of a few, the error says value and limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// For counting: `malformed`, `missing_field`, `bad_name`, `bad_number`, `far_future`, `bad_time`, `too_late`.
    pub reason: &'static str,
    /// In words.
    pub error: String,
}

fn reject<T>(reason: &'static str, error: String) -> Result<T, Reject> {
    Err(Reject { reason, error })
}

/// Reads one record.
///
/// # Errors
/// It is malformed, lacks a name, holds a number that cannot be, or lies more than ten minutes ahead
/// of `now_ms`.
pub fn decode(bytes: &[u8], now_ms: i64) -> Result<Telemetry, Reject> {
    let t = if bytes.first() == Some(&b'{') {
        serde_json::from_slice(bytes)
            .or_else(|e| reject("malformed", format!("not telemetry in JSON: {e}")))?
    } else {
        let t = Telemetry::decode(bytes)
            .or_else(|e| reject("malformed", format!("not telemetry in protobuf: {e}")))?;
        known(bytes)?;
        t
    };
    names(&t)?;
    numbers(&t)?;
    if t.time_ms <= 0 {
        return reject(
            "bad_time",
            format!("time_ms {} is not after 1970", t.time_ms),
        );
    }
    if t.time_ms > now_ms.saturating_add(FUTURE_MOST_MS) {
        let ahead = (t.time_ms - now_ms) / 1_000;
        return reject(
            "far_future",
            format!(
                "time_ms {} is {ahead} s ahead of the clock; the most is 600 s",
                t.time_ms
            ),
        );
    }
    Ok(t)
}

/// Refuses fields that telemetry does not have, as the reader of JSON does: prost passes over them.
fn known(mut bytes: &[u8]) -> Result<(), Reject> {
    while !bytes.is_empty() {
        let skipped = decode_key(&mut bytes).and_then(|(field, wire)| {
            skip_field(wire, field, &mut bytes, DecodeContext::default()).map(|()| field)
        });
        match skipped {
            Ok(field) if FIELDS.iter().any(|f| f.contains(&field)) => {}
            Ok(field) => {
                return reject(
                    "malformed",
                    format!("not telemetry in protobuf: unknown field {field}"),
                );
            }
            Err(e) => return reject("malformed", format!("not telemetry in protobuf: {e}")),
        }
    }
    Ok(())
}

fn names(t: &Telemetry) -> Result<(), Reject> {
    let names = [
        ("org", &t.org),
        ("site", &t.site),
        ("ap", &t.ap),
        ("client", &t.client),
        ("band", &t.band),
        ("wlan", &t.wlan),
    ];
    for (field, name) in names {
        if name.is_empty() {
            return reject("missing_field", format!("{field} is missing"));
        }
        if name.len() > NAME_MOST {
            return reject(
                "bad_name",
                format!("{field} has {} bytes; the most is {NAME_MOST}", name.len()),
            );
        }
        // Names are joined by "/" to keys.
        if name.contains('/') || name.chars().any(char::is_control) {
            return reject(
                "bad_name",
                format!("{field} {name:?} holds a \"/\" or a control character"),
            );
        }
    }
    if !["24", "5", "6"].contains(&t.band.as_str()) {
        return reject("bad_name", format!("band {:?} is none of 24, 5, 6", t.band));
    }
    for (field, proto) in [("proto", &t.proto), ("ap_proto", &t.ap_proto)] {
        if !proto.is_empty() && Standard::of(proto).is_none() {
            return reject(
                "bad_name",
                format!("{field} {proto:?} is none of a, b, g, n, ac, ax, be"),
            );
        }
    }
    Ok(())
}

fn numbers(t: &Telemetry) -> Result<(), Reject> {
    let numbers = [
        ("rssi_dbm", t.rssi_dbm, -130.0, 20.0),
        ("snr_db", t.snr_db, -50.0, 120.0),
        ("noise_floor_dbm", t.noise_floor_dbm, -130.0, 20.0),
        ("ap_tx_power_dbm", t.ap_tx_power_dbm, -20.0, 40.0),
        ("tx_rate_mbps", t.tx_rate_mbps, 0.0, 50_000.0),
        ("client_airtime_pct", t.client_airtime_pct, 0.0, 100.5),
        ("util_all", t.util_all, 0.0, 100.5),
        ("util_tx", t.util_tx, 0.0, 100.5),
        ("util_rx_in_bss", t.util_rx_in_bss, 0.0, 100.5),
        ("util_rx_other_bss", t.util_rx_other_bss, 0.0, 100.5),
        ("util_non_wifi", t.util_non_wifi, 0.0, 100.5),
        ("wired_mbps", t.wired_mbps, 0.0, 1e6),
    ];
    for (field, value, least, most) in numbers {
        // NaN is in no range.
        if !(least..=most).contains(&value) {
            return reject(
                "bad_number",
                format!("{field} {value} is not between {least} and {most}"),
            );
        }
    }
    if t.interval_ms == 0 || t.interval_ms > INTERVAL_MOST_MS {
        return reject(
            "bad_number",
            format!(
                "interval_ms {} is not between 1 and {INTERVAL_MOST_MS}",
                t.interval_ms
            ),
        );
    }
    let widths = [
        ("width_mhz", t.width_mhz, 320),
        ("client_width_mhz", t.client_width_mhz, 320),
        ("nss", t.nss, 16),
        ("ap_nss", t.ap_nss, 16),
    ];
    for (field, value, most) in widths {
        if value > most {
            return reject("bad_number", format!("{field} {value} is above {most}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_700_000_000_000;

    fn good() -> Telemetry {
        Telemetry {
            time_ms: NOW,
            org: "acme".into(),
            site: "hq".into(),
            ap: "a1".into(),
            client: "c1".into(),
            band: "5".into(),
            wlan: "corp".into(),
            interval_ms: 60_000,
            rssi_dbm: -60.0,
            ..Telemetry::default()
        }
    }

    fn reason(t: Telemetry) -> &'static str {
        decode(&t.encode_to_vec(), NOW).unwrap_err().reason
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(decode(&good().encode_to_vec(), NOW), Ok(good()));
        assert_eq!(
            decode(&serde_json::to_vec(&good()).unwrap(), NOW),
            Ok(good())
        );
    }

    #[test]
    fn a_field_that_telemetry_does_not_have_is_refused_in_both_forms() {
        let mut bytes = good().encode_to_vec();
        prost::encoding::uint32::encode(99, &7, &mut bytes);
        let refused = decode(&bytes, NOW).unwrap_err();
        assert_eq!(refused.reason, "malformed");
        assert!(
            refused.error.contains("unknown field 99"),
            "{}",
            refused.error
        );
        let mut json = serde_json::to_value(good()).unwrap();
        json["colour"] = 1.into();
        assert_eq!(
            decode(json.to_string().as_bytes(), NOW).unwrap_err().reason,
            "malformed"
        );
    }

    #[test]
    fn every_field_of_the_wire_is_known() {
        let proto = include_str!("../../../proto/wifi.proto");
        let (_, rest) = proto.split_once("message Telemetry {").unwrap();
        let (body, _) = rest.split_once("\n}").unwrap();
        let lines = body.lines().filter(|l| !l.trim_start().starts_with("//"));
        let numbers =
            lines.filter_map(|l| l.split_once('=')?.1.trim().split(';').next()?.parse().ok());
        let found: Vec<u32> = numbers.collect();
        let known: Vec<u32> = FIELDS.into_iter().flatten().collect();
        assert_eq!(found, known);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        assert_eq!(
            reason(Telemetry {
                org: String::new(),
                ..good()
            }),
            "missing_field"
        );
        assert_eq!(
            reason(Telemetry {
                site: "a/b".into(),
                ..good()
            }),
            "bad_name"
        );
        assert_eq!(
            reason(Telemetry {
                client: "x".repeat(200),
                ..good()
            }),
            "bad_name"
        );
        assert_eq!(
            reason(Telemetry {
                band: "7".into(),
                ..good()
            }),
            "bad_name"
        );
        assert_eq!(
            reason(Telemetry {
                rssi_dbm: f64::NAN,
                ..good()
            }),
            "bad_number"
        );
        assert_eq!(
            reason(Telemetry {
                util_tx: 250.0,
                ..good()
            }),
            "bad_number"
        );
        assert_eq!(
            reason(Telemetry {
                interval_ms: 0,
                ..good()
            }),
            "bad_number"
        );
        assert_eq!(
            reason(Telemetry {
                time_ms: NOW + 700_000,
                ..good()
            }),
            "far_future"
        );
        assert_eq!(
            reason(Telemetry {
                time_ms: i64::MAX,
                ..good()
            }),
            "far_future"
        );
        assert_eq!(
            reason(Telemetry {
                time_ms: -5,
                ..good()
            }),
            "bad_time"
        );
        assert!(
            decode(br#"{"org":"a","colour":"red"}"#, NOW)
                .unwrap_err()
                .error
                .contains("colour")
        );
        assert_eq!(decode(b"{", NOW).unwrap_err().reason, "malformed");
        assert_eq!(decode(&[0xff; 40], NOW).unwrap_err().reason, "malformed");
        assert!(
            decode(
                &Telemetry {
                    time_ms: NOW + 599_000,
                    ..good()
                }
                .encode_to_vec(),
                NOW
            )
            .is_ok()
        );
    }

    proptest! {
        #[test]
        fn no_bytes_can_hurt(bytes in prop::collection::vec(any::<u8>(), 0..300), json in any::<bool>()) {
            let mut bytes = bytes;
            if json {
                bytes.insert(0, b'{');
            }
            let _ = decode(&bytes, NOW);
        }

        #[test]
        fn a_damaged_record_is_refused_or_plausible(at in any::<prop::sample::Index>(), with in any::<u8>()) {
            let mut bytes = good().encode_to_vec();
            let at = at.index(bytes.len());
            bytes[at] = with;
            if let Ok(t) = decode(&bytes, NOW) {
                for v in [crate::estimate::throughput(&t), crate::estimate::capacity(&t), crate::estimate::coverage(&t)] {
                    prop_assert!(v.value.abs() < 100_000_000);
                }
            }
        }
    }
}
