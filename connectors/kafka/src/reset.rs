//! The committed offsets of a group: read, and set while its topology is stopped.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::error::Error;
use crate::settings::KafkaSpoutConfig;

const ASK: Duration = Duration::from_secs(10);

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The first record that is there.
    Earliest,
    /// Behind the last record.
    Latest,
    /// The first record of this time (ms since the epoch) or later.
    Time(i64),
}

/// Commits the offsets for every partition of the topic and answers them by partition.
///
/// # Errors
/// The brokers do not answer, or the topic is not there.
pub fn reset_offsets(config: &KafkaSpoutConfig, to: To) -> Result<Vec<(i32, i64)>, Error> {
    let broker = |e: rdkafka::error::KafkaError| Error::Broker(e.to_string());
    let consumer: BaseConsumer = config
        .client()
        .create()
        .map_err(|e| Error::Property(e.to_string()))?;
    let metadata = consumer
        .fetch_metadata(Some(&config.topic), ASK)
        .map_err(|e| Error::Unreachable {
            servers: config.bootstrap_servers.clone(),
            why: e.to_string(),
        })?;
    let topic = metadata
        .topics()
        .iter()
        .find(|t| t.name() == config.topic && !t.partitions().is_empty());
    let topic = topic.ok_or_else(|| Error::NoTopic(config.topic.clone()))?;
    let mut list = TopicPartitionList::new();
    let mut found = Vec::new();
    for p in topic.partitions() {
        let (low, high) = consumer
            .fetch_watermarks(&config.topic, p.id(), ASK)
            .map_err(broker)?;
        let offset = match to {
            To::Earliest => low,
            To::Latest => high,
            To::Time(ms) => {
                let mut ask = TopicPartitionList::new();
                ask.add_partition_offset(&config.topic, p.id(), Offset::Offset(ms))
                    .map_err(broker)?;
                let answer = consumer.offsets_for_times(ask, ASK).map_err(broker)?;
                match answer.elements().first().map(|e| e.offset()) {
                    Some(Offset::Offset(n)) => n,
                    // No record is that late.
                    _ => high,
                }
            }
        };
        list.add_partition_offset(&config.topic, p.id(), Offset::Offset(offset))
            .map_err(broker)?;
        found.push((p.id(), offset));
    }
    consumer.commit(&list, CommitMode::Sync).map_err(broker)?;
    Ok(found)
}

/// Each partition with its committed offset (-1: none) and the offset behind its last record.
///
/// # Errors
/// The brokers do not answer.
pub fn committed(config: &KafkaSpoutConfig) -> Result<Vec<(i32, i64, i64)>, Error> {
    let broker = |e: rdkafka::error::KafkaError| Error::Broker(e.to_string());
    let consumer: BaseConsumer = config
        .client()
        .create()
        .map_err(|e| Error::Property(e.to_string()))?;
    let metadata = consumer
        .fetch_metadata(Some(&config.topic), ASK)
        .map_err(|e| Error::Unreachable {
            servers: config.bootstrap_servers.clone(),
            why: e.to_string(),
        })?;
    let topic = metadata.topics().iter().find(|t| t.name() == config.topic);
    let topic = topic.ok_or_else(|| Error::NoTopic(config.topic.clone()))?;
    let mut list = TopicPartitionList::new();
    topic.partitions().iter().for_each(|p| {
        list.add_partition(&config.topic, p.id());
    });
    let list = consumer.committed_offsets(list, ASK).map_err(broker)?;
    let mut found = Vec::new();
    for p in list.elements() {
        let (_, end) = consumer
            .fetch_watermarks(&config.topic, p.partition(), ASK)
            .map_err(broker)?;
        let at = match p.offset() {
            Offset::Offset(n) => n,
            _ => -1,
        };
        found.push((p.partition(), at, end));
    }
    Ok(found)
}
