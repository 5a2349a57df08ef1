//! The topology: telemetry from Kafka, three estimates back to Kafka, refused records aside.

use std::sync::Arc;
use std::time::Duration;

use fulmar::prelude::*;
use fulmar_kafka::settings::props;
use fulmar_kafka::{KafkaBolt, KafkaSpout, KafkaSpoutConfig};
use fulmar_proto::wifi::Kind;

use crate::bolts::{Decode, Estimator, REJECTED};
use crate::clock::Clock;
use crate::decode::decode;
use crate::late::Lateness;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct WifiOptions {
    /// `kafka.bootstrap.servers`.
    pub bootstrap_servers: String,
    /// Spout and estimator tasks: `wifi.parallelism`.
    pub parallelism: u32,
    /// Offsets are committed under this name.
    pub group_id: String,
    /// Topics.
    pub telemetry: String,
    /// Topic of estimates.
    pub estimates: String,
    /// Topic of refused records.
    pub rejected: String,
}

impl WifiOptions {
    /// From a topology's configuration; what it does not hold keeps its default.
    ///
    /// # Errors
    /// A value is of another kind.
    pub fn from_conf(conf: &Config) -> Result<Self> {
        Ok(Self {
            bootstrap_servers: conf.str_or("kafka.bootstrap.servers", "localhost:9092")?,
            parallelism: u32::try_from(conf.int_or("wifi.parallelism", 2)?.clamp(1, 1_024))
                .unwrap_or(2),
            group_id: conf.str_or("wifi.group.id", "fulmar-wifi")?,
            telemetry: conf.str_or("wifi.topic.telemetry", "wifi.telemetry")?,
            estimates: conf.str_or("wifi.topic.estimates", "wifi.estimates")?,
            rejected: conf.str_or("wifi.topic.rejected", "wifi.rejected")?,
        })
    }
}

/// Builds it.
///
/// # Errors
/// The configuration has a wrong value.
pub fn topology(conf: &Config) -> Result<Topology> {
    let o = WifiOptions::from_conf(conf)?;
    let (lateness, clock) = (Lateness::from_conf(conf)?, Clock::from_conf(conf)?);
    let mut t = TopologyBuilder::new("wifi");
    t.conf("topology.max.spout.pending", 20_000_i64)
        .conf("topology.workers", 2_i64)
        .conf_all(conf);
    let mut spout = KafkaSpoutConfig::new(&o.bootstrap_servers, &o.telemetry, &o.group_id);
    spout.props = props(conf, "kafka.consumer.")?;
    let producer = props(conf, "kafka.producer.")?;
    let leap = Duration::from_millis(lateness.wait_ms.unsigned_abs());
    spout.watermark_leap = spout.watermark_leap.min(leap);
    // Only a record that is accepted moves the watermark: a hostile one makes nobody late.
    spout.timestamp_extractor =
        Arc::new(move |value, _| decode(value, clock.now_ms()).ok().map(|t| t.time_ms));
    t.spout("telemetry", move || KafkaSpout::new(spout.clone()))
        .parallelism(o.parallelism);
    t.bolt("decode", Decode::default)
        .parallelism(o.parallelism)
        .local_or_shuffle("telemetry");
    let kinds = [
        ("throughput", Kind::Throughput),
        ("capacity", Kind::Capacity),
        ("coverage", Kind::Coverage),
    ];
    for (name, kind) in kinds {
        t.bolt(name, move || Estimator::new(kind))
            .parallelism(o.parallelism)
            .local_or_shuffle("decode");
    }
    let (servers, estimates, kept) = (
        o.bootstrap_servers.clone(),
        o.estimates.clone(),
        producer.clone(),
    );
    t.bolt("estimates", move || {
        KafkaBolt::new(&servers, Some(&estimates)).props(&kept)
    })
    .parallelism(o.parallelism)
    .local_or_shuffle("throughput")
    .local_or_shuffle("capacity")
    .local_or_shuffle("coverage");
    let (servers, rejected, kept) = (o.bootstrap_servers, o.rejected, producer.clone());
    t.bolt("rejected", move || {
        KafkaBolt::new(&servers, Some(&rejected)).props(&kept)
    })
    .grouping("decode", REJECTED, Grouping::Shuffle);
    t.build()
}
