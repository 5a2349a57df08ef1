//! What the demo found, in words and as one JSON object.

use std::collections::BTreeMap;

use serde::Serialize;

/// The incident that was put in, and what became of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct IncidentReport {
    /// Entity that it was put into, and when it began and ended (event time, ms).
    pub injected: String,
    /// Its begin.
    pub from_ms: i64,
    /// Its end.
    pub to_ms: i64,
    /// An anomaly of its organisation and time was raised.
    pub found: bool,
    /// One of those names the entity as its first cause.
    pub attributed: bool,
}

/// The report; its fields are a promise to scripts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Everything held.
    pub ok: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// Seed of the simulated world.
    pub seed: u64,
    /// Seconds for which telemetry was sent.
    pub seconds: f64,
    /// Telemetry records that the source had confirmed.
    pub records_in: u64,
    /// Records found in the topic, those of others included.
    pub records_found: u64,
    /// Records refused, each with its reason, in `wifi.rejected`.
    pub rejected: u64,
    /// Records a second over the run.
    pub records_per_s: f64,
    /// Seconds for which the source was held back by the slowest commit.
    pub held_s: f64,
    /// Distinct estimates of each kind.
    pub estimates_out: BTreeMap<&'static str, u64>,
    /// All estimates in the topic, copies after a replay included.
    pub estimates_written: u64,
    /// Rows that counting the estimates gives, of windows closed by `closed_until_ms`.
    pub aggregates_expected: u64,
    /// Those that the store holds, equal in every field.
    pub aggregates_equal: u64,
    /// Windows that ended by this event time are closed and were compared.
    pub closed_until_ms: i64,
    /// Distinct windows that were compared.
    pub windows_closed: u64,
    /// Records or estimates that are missing.
    pub lost: u64,
    /// Rows that count something twice.
    pub duplicates_visible: u64,
    /// When the termination warning was given (ms since the epoch).
    pub notice_at: Option<i64>,
    /// From then until the node had nothing left.
    pub notice_to_drained_s: Option<f64>,
    /// Largest pause between two estimates of one partition.
    pub dip_s: f64,
    /// Anomalies raised.
    pub anomalies: u64,
    /// The incident.
    pub incident: IncidentReport,
    /// How often each process was started again.
    pub restarts: BTreeMap<String, u32>,
    /// Largest resident memory of each process, in MB.
    pub rss_mb: BTreeMap<String, u64>,
    /// Where Kafka is (still, with `--keep`).
    pub kafka: String,
    /// Where the store is: Cassandra, or the embedded one.
    pub cassandra: String,
    /// The page.
    pub page: String,
}

impl Report {
    /// The report in words.
    pub fn words(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        let mut line = |words: String| {
            // A string takes all.
            let _ = writeln!(text, "  {words}");
        };
        let estimates: Vec<_> = self
            .estimates_out
            .iter()
            .map(|(k, n)| format!("{n} of {k}"))
            .collect();
        line(format!(
            "{} telemetry records in {:.1} s, {:.0} a second; {} refused with their reason",
            self.records_in, self.seconds, self.records_per_s, self.rejected
        ));
        line(format!(
            "estimates: {}; {} lost",
            estimates.join(", "),
            self.lost
        ));
        line(format!(
            "{} of {} rows of {} windows equal a recount; {} count anything twice",
            self.aggregates_equal,
            self.aggregates_expected,
            self.windows_closed,
            self.duplicates_visible
        ));
        if let Some(seconds) = self.notice_to_drained_s {
            line(format!(
                "a termination warning at half time: everything had moved after {seconds:.2} s; the largest pause of a partition was {:.2} s",
                self.dip_s
            ));
        }
        let found = match (self.incident.found, self.incident.attributed) {
            (true, true) => "was found and attributed",
            (true, false) => "was found, and put down to something else",
            _ => "was not found",
        };
        line(format!(
            "the incident at {} {found}; {} anomalies in all",
            self.incident.injected, self.anomalies
        ));
        let restarts: u32 = self.restarts.values().sum();
        let largest = self.rss_mb.iter().max_by_key(|(_, mb)| **mb);
        if let Some((name, mb)) = largest {
            line(format!(
                "{restarts} processes were started again; the largest in memory was {name} with {mb} MB"
            ));
        }
        for reason in &self.reasons {
            line(format!("FAILED: {reason}"));
        }
        text
    }
}
