//! How far the slowest commit of every topic is behind, which holds the source.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::source::Sent;
use super::watch::Seen;
use crate::failure::Failure;

/// Who commits on which topic.
const GROUPS: [(&str, &str); 3] = [
    ("fulmar-wifi", "wifi.telemetry"),
    ("fulmar-aggregation", "wifi.estimates"),
    ("fulmar-anomaly", "wifi.aggregates"),
];
/// Half of the messages that the embedded broker keeps of a partition.
const MOST_MESSAGES: i64 = 50_000;
/// Half of the bytes that it keeps.
const MOST_BYTES: u64 = 5 * 1024 * 1024 / 2;
/// What compression leaves at worst, in percent: batches of few records share little.
const COMPRESSED: u64 = 80;
const ASK: Duration = Duration::from_secs(2);

/// A client for each group.
pub struct Gauge {
    clients: Vec<(BaseConsumer, &'static str)>,
    partitions: i32,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Lag {
    /// Largest share of what may be kept, in percent, of any partition of any topic.
    pub percent: i64,
    /// Its topic.
    pub topic: &'static str,
}

impl Gauge {
    /// Clients of these brokers.
    ///
    /// # Errors
    /// A client cannot be made.
    pub fn new(servers: &str, partitions: i32) -> Result<Self, Failure> {
        let client = |(group, topic): (&str, &'static str)| {
            let consumer: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", servers)
                .set("group.id", group)
                .set("enable.auto.commit", "false")
                .create()
                .map_err(Failure::here)?;
            Ok((consumer, topic))
        };
        // Nobody reads the aggregates where no anomalies are looked for.
        let anomaly = crate::verbs::topology::SHIPPED.contains(&"anomaly");
        let groups = GROUPS
            .into_iter()
            .filter(|(g, _)| anomaly || *g != "fulmar-anomaly");
        let clients: Result<_, Failure> = groups.map(client).collect();
        Ok(Self {
            clients: clients?,
            partitions,
        })
    }

    /// Messages that the topic's partitions have been given so far, by the broker's own count.
    pub fn written(&self, topic: &str) -> Option<u64> {
        let client = &self.clients.first()?.0;
        let mut list = TopicPartitionList::new();
        for p in 0..self.partitions {
            list.add_partition_offset(topic, p, Offset::End).ok()?;
        }
        // Kafka's name of the time behind all messages is that of the offset: -1.
        let ends = client.offsets_for_times(list, ASK).ok()?;
        let ends = ends.elements().into_iter().map(|p| match p.offset() {
            Offset::Offset(end) => u64::try_from(end).ok(),
            _ => None,
        });
        ends.sum()
    }

    /// Looks at all commits and holds or frees the source. A broker that does not answer holds it.
    pub fn look(&self, sent: &Arc<Sent>, seen: impl Fn() -> Ends) -> Lag {
        let mut worst = Lag::default();
        let ends = seen();
        for (client, topic) in &self.clients {
            let mut list = TopicPartitionList::new();
            (0..self.partitions).for_each(|p| {
                list.add_partition(topic, p);
            });
            let Ok(committed) = client.committed_offsets(list, ASK) else {
                sent.held.store(true, Ordering::Relaxed);
                return worst;
            };
            let bytes = (ends.bytes_of(topic) * COMPRESSED / 100).max(1);
            let most = MOST_MESSAGES.min((MOST_BYTES / bytes) as i64).max(1);
            for p in committed.elements() {
                let end = match *topic {
                    "wifi.telemetry" => sent.of_partition[p.partition() as usize]
                        .load(Ordering::Relaxed)
                        .max(ends.of(topic, p.partition())),
                    _ => ends.of(topic, p.partition()),
                };
                let at = match p.offset() {
                    Offset::Offset(at) => at,
                    _ => 0,
                };
                let messages = end - at;
                let percent = messages * 100 / most;
                if percent > worst.percent {
                    worst = Lag { percent, topic };
                }
            }
        }
        sent.held.store(worst.percent >= 100, Ordering::Relaxed);
        worst
    }
}

/// Ends of partitions and sizes of messages, copied out of what the watch has seen.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    positions: std::collections::HashMap<(&'static str, i32), i64>,
    bytes: std::collections::HashMap<&'static str, u64>,
}

impl Ends {
    /// Copies them.
    pub fn from(seen: &Seen) -> Self {
        let bytes = seen.sizes.keys().map(|t| (*t, seen.bytes_of(t)));
        Self {
            positions: seen.positions.clone(),
            bytes: bytes.collect(),
        }
    }

    fn of(&self, topic: &'static str, partition: i32) -> i64 {
        self.positions
            .get(&(topic, partition))
            .copied()
            .unwrap_or(0)
    }

    fn bytes_of(&self, topic: &str) -> u64 {
        self.bytes.get(topic).copied().unwrap_or(0)
    }
}
