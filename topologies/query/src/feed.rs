//! Fills the ring with new estimates from Kafka, on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use fulmar_kafka::Error;
use fulmar_proto::wifi::Estimate;
use prost::Message;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::ring::Ring;

const ASK: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);
/// Records of each partition that are read when the service starts.
const TAIL: i64 = 10_000;

/// Reads until dropped.
pub struct Feed {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Starts to read the topic, from a little before its end.
    ///
    /// # Errors
    /// No broker answers, or the topic is not there.
    pub fn start(servers: &str, topic: &str, ring: Arc<RwLock<Ring>>) -> Result<Self, Error> {
        let broker = |e: rdkafka::error::KafkaError| Error::Broker(e.to_string());
        // Offsets are never committed: the group's name is only what the protocol asks for.
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("group.id", "fulmar-query")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("queued.max.messages.kbytes", "16384")
            .create()
            .map_err(|e| Error::Property(e.to_string()))?;
        let metadata =
            consumer
                .fetch_metadata(Some(topic), ASK)
                .map_err(|e| Error::Unreachable {
                    servers: servers.to_owned(),
                    why: e.to_string(),
                })?;
        let found = metadata
            .topics()
            .iter()
            .find(|t| t.name() == topic && !t.partitions().is_empty());
        let found = found.ok_or_else(|| Error::NoTopic(topic.to_owned()))?;
        let mut list = TopicPartitionList::new();
        for p in found.partitions() {
            let (low, high) = consumer
                .fetch_watermarks(topic, p.id(), ASK)
                .map_err(broker)?;
            let from = Offset::Offset((high - TAIL).max(low));
            list.add_partition_offset(topic, p.id(), from)
                .map_err(broker)?;
        }
        consumer.assign(&list).map_err(broker)?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::Builder::new().name("fulmar-query-feed".to_owned());
        let thread = thread
            .spawn(move || read(&consumer, &ring, &told))
            .map_err(|e| Error::Broker(e.to_string()))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, there is nothing left to end.
            let _ = thread.join();
        }
    }
}

fn read(consumer: &BaseConsumer, ring: &RwLock<Ring>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        match consumer.poll(POLL) {
            Some(Ok(message)) => match Estimate::decode(message.payload().unwrap_or_default()) {
                Ok(estimate) => ring
                    .write()
                    .unwrap_or_else(|e| e.into_inner())
                    .push(estimate),
                Err(error) => tracing::warn!(offset = message.offset(), %error, "not an estimate"),
            },
            Some(Err(error)) => tracing::warn!(%error, "cannot read estimates"),
            None => {}
        }
    }
}
