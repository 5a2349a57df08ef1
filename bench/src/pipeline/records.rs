//! The records that both sides aggregate: 40,000 clients, each with one estimate of throughput a minute.
//!
//! `bench/twins/flink/Aggregate.java` makes the same ones by the same sums; both are compared window by window.

use fulmar_proto::wifi::{Estimate, Kind, Source};

/// Clients.
pub const CLIENTS: i64 = 40_000;
/// Of an access point.
const PER_AP: i64 = 20;
/// Access points of a site, sites of an organisation.
const APS: i64 = 20;
const SITES: i64 = 25;
/// A client reports once in so many milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// Start of the first window.
pub const START_MS: i64 = 1_700_000_400_000;
/// What both group by.
pub const GROUPINGS: [&str; 8] = [
    "org",
    "site",
    "ap",
    "band",
    "wlan",
    "site+band",
    "site+wlan",
    "ap+band",
];
/// What the records are.
pub const NOTE: &str = "all cores; 40,000 clients, a record each a minute, 8 groupings, 10-minute windows: count, sum, min, max, good and bad user-time, exact copies dropped";

/// What a client's throughput is in a minute, in kbit/s.
pub fn value(client: i64, minute: i64) -> i64 {
    1_000 + (client * 7_919 + minute * 104_729) % 90_000
}

/// A client's estimates: all but time, value and offset stay as they are.
pub fn client(client: i64, task: i32) -> Estimate {
    let ap = client / PER_AP;
    let site = ap / APS;
    Estimate {
        source: Some(Source {
            topic_id: "telemetry".to_owned(),
            partition: task,
            offset: 0,
            index: 0,
        }),
        kind: Kind::Throughput.into(),
        org: format!("org-{}", site / SITES),
        site: format!("site-{site}"),
        ap: format!("ap-{ap}"),
        band: if client % 2 == 0 { "5" } else { "24" }.to_owned(),
        wlan: format!("wlan-{}", client % 3),
        client: format!("client-{client}"),
        unit: "kbit_s".to_owned(),
        ..Estimate::default()
    }
}
