//! The tables of the Wi-Fi pipeline, shared by who writes them (aggregation, anomaly) and who reads them (query).
//!
//! Names and columns are a promise to CQL readers outside (dashboards, checks): add fields at the end, never change
//! one. The number of buckets of each table's time window compaction stays below about 40. Pure: no clock, no I/O, no async.

use crate::row::{Column, Kind, Table, Udt};

const DAY_S: u32 = 86_400;

const fn text(name: &'static str) -> Column {
    Column::new(name, Kind::Text)
}

const fn int(name: &'static str) -> Column {
    Column::new(name, Kind::Int)
}

const fn double(name: &'static str) -> Column {
    Column::new(name, Kind::Double)
}

/// The one cell of an aggregate: absolute values, replaced as a whole.
pub static AGGREGATE: Udt = Udt {
    name: "aggregate",
    fields: &[
        int("count"),
        int("sum"),
        int("min"),
        int("max"),
        int("good_ms"),
        int("bad_ms"),
    ],
};

const AGGREGATES: Table = Table {
    name: "aggregates",
    partition: &[
        text("org"),
        text("metric"),
        text("grouping"),
        text("entity"),
        Column::new("day", Kind::Date),
    ],
    clustering: &[Column::new("window_start", Kind::Timestamp)],
    values: &[Column::new("agg", Kind::Udt(&AGGREGATE))],
    descending: true,
    ttl_s: 0,
    window_h: 24,
};

/// Windows of one minute, kept 3 days.
pub static AGGREGATES_1M: Table = Table {
    name: "aggregates_1m",
    ttl_s: 3 * DAY_S,
    window_h: 3,
    ..AGGREGATES
};

/// Windows of ten minutes, kept 35 days.
pub static AGGREGATES_10M: Table = Table {
    name: "aggregates_10m",
    ttl_s: 35 * DAY_S,
    ..AGGREGATES
};

/// Windows of one hour, kept 400 days.
pub static AGGREGATES_1H: Table = Table {
    name: "aggregates_1h",
    ttl_s: 400 * DAY_S,
    window_h: 10 * 24,
    ..AGGREGATES
};

/// Windows of one day, kept 5 years.
pub static AGGREGATES_1D: Table = Table {
    name: "aggregates_1d",
    ttl_s: 5 * 366 * DAY_S,
    window_h: 50 * 24,
    ..AGGREGATES
};

/// Anomalies of one organisation and day (of the window's start), newest first; `causes` is a JSON list of
/// `{"grouping","entity","share"}`. Kept 400 days.
pub static ANOMALIES: Table = Table {
    name: "anomalies",
    partition: &[text("org"), Column::new("day", Kind::Date)],
    clustering: &[Column::new("window_start", Kind::Timestamp), text("id")],
    values: &[
        text("metric"),
        text("grouping"),
        text("entity"),
        int("window_ms"),
        double("value"),
        double("expected"),
        double("score"),
        text("direction"),
        text("causes"),
        text("model"),
    ],
    descending: true,
    ttl_s: 400 * DAY_S,
    window_h: 10 * 24,
};

/// All of them.
pub static ALL: [&Table; 5] = [
    &AGGREGATES_1M,
    &AGGREGATES_10M,
    &AGGREGATES_1H,
    &AGGREGATES_1D,
    &ANOMALIES,
];

/// The table of windows of this length in milliseconds: one minute, ten, one hour, one day.
pub fn aggregates(window_ms: i64) -> Option<&'static Table> {
    match window_ms {
        60_000 => Some(&AGGREGATES_1M),
        600_000 => Some(&AGGREGATES_10M),
        3_600_000 => Some(&AGGREGATES_1H),
        86_400_000 => Some(&AGGREGATES_1D),
        _ => None,
    }
}

/// The table of that name.
pub fn by_name(name: &str) -> Option<&'static Table> {
    ALL.into_iter().find(|t| t.name == name)
}

/// Day of a time: days since 1970-01-01, UTC; times before are on earlier days.
pub fn day_of(time_ms: i64) -> i32 {
    // Any i64 of milliseconds is within ±1.1e11 days: clamp what a date cannot hold.
    i32::try_from(time_ms.div_euclid(86_400_000)).unwrap_or(if time_ms < 0 {
        i32::MIN
    } else {
        i32::MAX
    })
}
