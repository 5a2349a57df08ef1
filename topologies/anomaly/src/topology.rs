//! The topology: aggregates from Kafka, judged by partition, anomalies to Kafka and to the store.

use std::time::Duration;

use fulmar::prelude::*;
use fulmar_cassandra::{CassandraBolt, tables, wifi};
use fulmar_kafka::settings::props;
use fulmar_kafka::{KafkaBatchSpout, KafkaBolt, KafkaSpoutConfig};
use fulmar_proto::wifi::Anomaly;
use prost::Message;

use crate::bolt::Detect;
use crate::detect::Rules;
use crate::series::FIRST;

/// Partitions are looked at so often.
const TICK: Duration = Duration::from_millis(200);

/// Before its first level is known nothing can be said of a series.
const LEAST: i64 = FIRST as i64 + 1;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct AnomalyOptions {
    /// `kafka.bootstrap.servers`.
    pub bootstrap_servers: String,
    /// Spout and judging tasks: `anomaly.parallelism`.
    pub parallelism: u32,
    /// Offsets are committed under this name, for lag: `anomaly.group.id`.
    pub group_id: String,
    /// Topic of aggregates.
    pub aggregates: String,
    /// Topic of anomalies.
    pub anomalies: String,
    /// Address of the store: `wifi.store`.
    pub store: String,
    /// A partition is judged when no row came for so long: `anomaly.quiet.ms`.
    pub quiet: Duration,
    /// `anomaly.threshold` and `anomaly.windows.min`.
    pub rules: Rules,
}

impl AnomalyOptions {
    /// From a topology's configuration; what it does not hold keeps its default.
    ///
    /// # Errors
    /// A value is of another kind, or out of range.
    pub fn from_conf(conf: &Config) -> Result<Self> {
        let usual = Rules::default();
        let threshold = conf.float_or("anomaly.threshold", usual.threshold)?;
        if !(1.0..=1_000.0).contains(&threshold) {
            return Err(Error::config(
                "anomaly.threshold",
                format!(
                    "{threshold} is not within 1 to 1000; remedy: {}",
                    usual.threshold
                ),
            ));
        }
        let at_least = |key: &str, default: i64, least: i64| -> Result<u64> {
            let found = conf.int_or(key, default)?;
            if found < least {
                return Err(Error::config(
                    key,
                    format!("{found} is below {least}; remedy: {default}"),
                ));
            }
            Ok(found.unsigned_abs())
        };
        Ok(Self {
            bootstrap_servers: conf.str_or("kafka.bootstrap.servers", "localhost:9092")?,
            parallelism: at_least("anomaly.parallelism", 2, 1)?.min(1_024) as u32,
            group_id: conf.str_or("anomaly.group.id", "fulmar-anomaly")?,
            aggregates: conf.str_or("wifi.topic.aggregates", "wifi.aggregates")?,
            anomalies: conf.str_or("wifi.topic.anomalies", "wifi.anomalies")?,
            store: fulmar_cassandra::address::of_conf(conf, "wifi.store")?,
            quiet: Duration::from_millis(at_least("anomaly.quiet.ms", 2_000, 1)?),
            rules: Rules {
                threshold,
                least: at_least("anomaly.windows.min", usual.least as i64, LEAST)? as usize,
            },
        })
    }
}

/// Builds it.
///
/// # Errors
/// The configuration has a wrong value.
pub fn topology(conf: &Config) -> Result<Topology> {
    let o = AnomalyOptions::from_conf(conf)?;
    let mut t = TopologyBuilder::new("anomaly");
    t.conf("topology.workers", 1_i64).conf_all(conf);
    let mut spout = KafkaSpoutConfig::new(&o.bootstrap_servers, &o.aggregates, &o.group_id);
    spout.props = props(conf, "kafka.consumer.")?;
    let producer = props(conf, "kafka.producer.")?;
    spout.batch_linger = Duration::from_millis(100);
    spout.from_start = true;
    t.spout("aggregates", move || KafkaBatchSpout::new(spout.clone()))
        .parallelism(o.parallelism);
    let (rules, quiet) = (o.rules, o.quiet);
    t.bolt("detect", move || Detect::new(rules, quiet))
        .parallelism(o.parallelism)
        .fields("aggregates", ["partition"])
        .tick(TICK);
    let (servers, anomalies, kept) = (o.bootstrap_servers, o.anomalies, producer.clone());
    t.bolt("anomalies", move || {
        KafkaBolt::new(&servers, Some(&anomalies)).props(&kept)
    })
    .local_or_shuffle("detect");
    let store = o.store;
    t.bolt("store", move || {
        CassandraBolt::new(&store, &[&tables::ANOMALIES], |input| {
            let a = Anomaly::decode(input.bytes("value")?).map_err(Error::author)?;
            let row = wifi::anomaly_row(&a, input.int("written_us")?);
            Ok(vec![(&tables::ANOMALIES, row)])
        })
    })
    .local_or_shuffle("detect");
    t.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_described_without_anything_running_and_wrong_options_are_refused() {
        topology(&Config::new()).unwrap();
        for (key, value) in [
            ("anomaly.threshold", Value::Float(0.5)),
            ("anomaly.windows.min", Value::Int(12)),
            ("anomaly.quiet.ms", Value::Int(0)),
        ] {
            let mut conf = Config::new();
            conf.set(key, value);
            let error = AnomalyOptions::from_conf(&conf).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains("remedy"), "{error}");
        }
    }
}
