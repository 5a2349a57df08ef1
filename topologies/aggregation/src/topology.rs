//! The topology: estimates from Kafka, folded by partition, merged, written to Kafka and to the store.

use std::time::Duration;

use fulmar::prelude::*;
use fulmar_cassandra::{CassandraBolt, tables, wifi};
use fulmar_kafka::settings::props;
use fulmar_kafka::{KafkaBatchSpout, KafkaBolt, KafkaSpoutConfig};
use fulmar_proto::wifi::Aggregate;
use prost::Message;

use crate::error::AggregationError;
use crate::groupings;
use crate::partial::{Partial, WATERMARK};
use crate::partition::Rules;
use crate::rows::Rows;

/// Names and lengths in ms of the windows that have a table.
const RESOLUTIONS: [(&str, i64); 4] = [
    ("1m", 60_000),
    ("10m", 600_000),
    ("1h", 3_600_000),
    ("1d", 86_400_000),
];
/// Windows are looked at so often.
const TICK: Duration = Duration::from_millis(200);
/// A batch waits so long for more records: its ack is kept for a window's length, so few and full ones are better.
const LINGER: Duration = Duration::from_millis(200);
/// Estimates of one partition that may be read before their windows are final: an hour of a thousand a second.
const MOST_KEPT: i64 = 3_600_000;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct AggregationOptions {
    /// `kafka.bootstrap.servers`.
    pub bootstrap_servers: String,
    /// Spout and folding tasks: `aggregation.parallelism`.
    pub parallelism: u32,
    /// Offsets are committed under this name: `aggregation.group.id`.
    pub group_id: String,
    /// Topic of estimates.
    pub estimates: String,
    /// Topic of aggregates; as many partitions as the estimates' one.
    pub aggregates: String,
    /// Address of the store: `wifi.store`.
    pub store: String,
    /// Raised by a backfill, so that its rows win: `aggregation.generation`.
    pub generation: u32,
    /// A partition without news for so long holds nothing back: `aggregation.idle.ms`.
    pub idle: Duration,
    /// `aggregation.resolutions`, `.groupings`, `.lateness.ms` and `.gap.ms`.
    pub rules: Rules,
}

impl AggregationOptions {
    /// From a topology's configuration; what it does not hold keeps its default.
    ///
    /// # Errors
    /// A value is of another kind, or cannot be used.
    pub fn from_conf(conf: &Config) -> Result<Self> {
        let or = |key: &str, default: &[&str]| -> Result<Vec<String>> {
            let found = conf.strings(key)?;
            Ok(if found.is_empty() {
                default.iter().map(|s| (*s).to_owned()).collect()
            } else {
                found
            })
        };
        let names = or("aggregation.resolutions", &["10m"])?;
        let fields = or(
            "aggregation.groupings",
            &["org", "site", "ap", "band", "wlan"],
        )?;
        let whole = |key: &str, default: i64| -> Result<i64> {
            let found = conf.int_or(key, default)?;
            if found < 0 {
                return Err(Error::config(
                    key,
                    format!("{found} is below 0; remedy: leave it out for {default}"),
                ));
            }
            Ok(found)
        };
        let rules = Rules {
            resolutions: resolutions(&names)?,
            groupings: groupings::parse(&fields)?,
            lateness_ms: whole("aggregation.lateness.ms", 60_000)?,
            gap_ms: whole("aggregation.gap.ms", 600_000)?,
        };
        Ok(Self {
            bootstrap_servers: conf.str_or("kafka.bootstrap.servers", "localhost:9092")?,
            parallelism: u32::try_from(conf.int_or("aggregation.parallelism", 2)?.clamp(1, 1_024))
                .unwrap_or(2),
            group_id: conf.str_or("aggregation.group.id", "fulmar-aggregation")?,
            estimates: conf.str_or("wifi.topic.estimates", "wifi.estimates")?,
            aggregates: conf.str_or("wifi.topic.aggregates", "wifi.aggregates")?,
            store: fulmar_cassandra::address::of_conf(conf, "wifi.store")?,
            generation: u32::try_from(whole("aggregation.generation", 0)?).unwrap_or(u32::MAX),
            idle: Duration::from_millis(whole("aggregation.idle.ms", 60_000)?.unsigned_abs()),
            rules,
        })
    }
}

fn resolutions(names: &[String]) -> Result<Vec<i64>, AggregationError> {
    let mut all = Vec::new();
    for name in names {
        let found = RESOLUTIONS.iter().find(|(n, _)| n == name);
        let wrong = || AggregationError::Resolution {
            resolution: format!("\"{name}\""),
        };
        all.push(found.ok_or_else(wrong)?.1);
    }
    all.sort_unstable();
    all.dedup();
    if !all.contains(&600_000) {
        return Err(AggregationError::Resolution {
            resolution: format!("{names:?} without 10m"),
        });
    }
    Ok(all)
}

/// Builds it.
///
/// # Errors
/// The configuration has a wrong value.
pub fn topology(conf: &Config) -> Result<Topology> {
    let o = AggregationOptions::from_conf(conf)?;
    let longest = o.rules.resolutions.last().copied().unwrap_or_default();
    let kept_s = (longest + o.rules.lateness_ms + o.rules.gap_ms) / 1_000;
    let mut t = TopologyBuilder::new("aggregation");
    // A batch is acked when its windows are final: a timeout before that would begin again for nothing.
    t.conf("topology.message.timeout.secs", 2 * kept_s + 600)
        .conf("topology.workers", 2_i64)
        .conf_all(conf);
    let mut spout = KafkaSpoutConfig::new(&o.bootstrap_servers, &o.estimates, &o.group_id);
    spout.props = props(conf, "kafka.consumer.")?;
    let producer = props(conf, "kafka.producer.")?;
    (spout.batch_linger, spout.idle_after) = (LINGER, o.idle);
    spout.max_uncommitted_offsets = MOST_KEPT as usize;
    t.spout("estimates", move || KafkaBatchSpout::new(spout.clone()))
        .parallelism(o.parallelism);
    let (rules, lateness, generation) = (o.rules.clone(), o.rules.lateness_ms, o.generation);
    t.bolt("partial", move || Partial::new(rules.clone()))
        .parallelism(o.parallelism)
        .fields("estimates", ["partition"])
        .tick(TICK);
    t.bolt("rows", move || Rows::new(lateness, generation))
        .parallelism(o.parallelism)
        .fields("partial", ["series"])
        .grouping("partial", WATERMARK, Grouping::All)
        .tick(TICK);
    let (servers, aggregates, kept) = (o.bootstrap_servers, o.aggregates, producer.clone());
    t.bolt("aggregates", move || {
        KafkaBolt::new(&servers, Some(&aggregates)).props(&kept)
    })
    .local_or_shuffle("rows");
    let store = o.store;
    t.bolt("store", move || {
        CassandraBolt::new(&store, &tables::ALL, |input| {
            let a = Aggregate::decode(input.bytes("value")?).map_err(Error::author)?;
            Ok(wifi::aggregate_row(&a).into_iter().collect())
        })
    })
    .local_or_shuffle("rows");
    t.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_described_without_anything_running() {
        topology(&Config::new()).unwrap();
    }

    #[test]
    fn wrong_options_are_refused_with_the_remedy() {
        for (key, value, part) in [
            ("aggregation.resolutions", "5m", "1m, 10m, 1h and 1d"),
            ("aggregation.resolutions", "1h", "without 10m"),
            ("aggregation.groupings", "floor", "\"floor\" is no field"),
        ] {
            let mut conf = Config::new();
            conf.set(key, Value::List([Value::from(value)].into()));
            let error = AggregationOptions::from_conf(&conf)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        }
        let mut conf = Config::new();
        conf.set("aggregation.lateness.ms", -1_i64);
        let error = AggregationOptions::from_conf(&conf)
            .unwrap_err()
            .to_string();
        assert!(error.contains("aggregation.lateness.ms"), "{error}");
    }
}
