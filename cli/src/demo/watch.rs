//! The check's own eyes: a consumer of every topic that counts, measures the largest pause, and writes the dump.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fulmar_proto::wifi::{Aggregate, Anomaly, Estimate, Telemetry};
use prost::Message;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::json;

use super::dump::Dump;
use super::recount::{KINDS, Recount};
use crate::failure::Failure;
use crate::verbs::broker::TOPICS;

/// Problems that are kept: the first ones say what is wrong.
const PROBLEMS_MOST: usize = 20;
const POLL: Duration = Duration::from_millis(20);

/// What was seen so far.
#[derive(Default)]
pub struct Seen {
    /// The count of estimates.
    pub recount: Recount,
    /// Telemetry records, whoever sent them.
    pub telemetry: u64,
    /// Sources of refused records.
    pub rejected: HashSet<String>,
    /// Rows written, corrections included.
    pub aggregates: u64,
    /// Anomalies by id, the newest of each.
    pub anomalies: std::collections::BTreeMap<String, Anomaly>,
    /// For each topic and partition: messages and their bytes.
    pub sizes: std::collections::HashMap<&'static str, (u64, u64)>,
    /// Next offset of each partition of estimates, telemetry and aggregates.
    pub positions: std::collections::HashMap<(&'static str, i32), i64>,
    /// When each partition's last estimate came.
    last: std::collections::HashMap<i32, Instant>,
    /// Largest pause between two estimates of one partition, while telemetry came.
    pub dip: Duration,
    /// Pauses count only while this is set.
    pub measure: bool,
    /// What the consumer could not do.
    pub problems: BTreeSet<String>,
}

/// Reads until dropped.
pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// Starts at the beginning of every topic.
    ///
    /// # Errors
    /// No broker answers.
    pub fn start(servers: &str, partitions: i32, dump: Arc<Dump>) -> Result<Self, Failure> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            // Nothing is committed: the name is only what the protocol asks for.
            .set("group.id", "fulmar-demo")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "50")
            .set("queued.max.messages.kbytes", "32768")
            .create()
            .map_err(Failure::here)?;
        let mut list = TopicPartitionList::new();
        for topic in TOPICS {
            for partition in 0..partitions {
                list.add_partition_offset(topic, partition, Offset::Offset(0))
                    .map_err(Failure::here)?;
            }
        }
        consumer.assign(&list).map_err(Failure::here)?;
        let (seen, stop) = (
            Arc::new(Mutex::new(Seen::default())),
            Arc::new(AtomicBool::new(false)),
        );
        let (fill, told) = (seen.clone(), stop.clone());
        let thread = std::thread::Builder::new()
            .name("fulmar-demo-watch".to_owned())
            .spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    match consumer.poll(POLL) {
                        Some(Ok(message)) => lock(&fill).take(&message, &dump),
                        Some(Err(error)) => {
                            lock(&fill).problems.insert(error.to_string());
                        }
                        None => {}
                    }
                }
            })
            .map_err(Failure::here)?;
        Ok(Self {
            seen,
            stop,
            thread: Some(thread),
        })
    }

    /// What was seen so far; nothing is read while this is held.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(|e| e.into_inner())
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, the check fails by what is missing.
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn take(&mut self, message: &BorrowedMessage<'_>, dump: &Dump) {
        let Some(topic) = TOPICS.into_iter().find(|t| *t == message.topic()) else {
            return;
        };
        let value = message.payload().unwrap_or_default();
        let (partition, offset) = (message.partition(), message.offset());
        self.positions.insert((topic, partition), offset + 1);
        let size = self.sizes.entry(topic).or_default();
        *size = (
            size.0 + 1,
            size.1 + value.len() as u64 + message.key_len() as u64,
        );
        match topic {
            "wifi.estimates" => self.estimate(partition, offset, value, dump),
            "wifi.telemetry" => {
                self.telemetry += 1;
                if dump.is_on() {
                    write_telemetry(partition, offset, value, dump);
                }
            }
            "wifi.aggregates" => {
                let history = Aggregate::decode(value).is_ok_and(|a| a.history);
                self.aggregates += u64::from(!history);
            }
            "wifi.anomalies" => {
                if let Ok(anomaly) = Anomaly::decode(value) {
                    self.anomalies.insert(anomaly.id.clone(), anomaly);
                }
            }
            _ => {
                let header = |name: &str| {
                    let found = message.headers()?.iter().find(|h| h.key == name)?;
                    Some(String::from_utf8_lossy(found.value?).into_owned())
                };
                let (reason, error, source) = (header("reason"), header("error"), header("source"));
                dump.write(
                    "rejected",
                    &json!({"reason": reason, "error": error, "source": source}),
                );
                self.rejected.extend(source);
            }
        }
    }

    fn estimate(&mut self, partition: i32, offset: i64, value: &[u8], dump: &Dump) {
        let e = match Estimate::decode(value) {
            Ok(e) => e,
            Err(error) => {
                self.problems
                    .insert(format!("wifi.estimates-{partition}-{offset}: {error}"));
                return;
            }
        };
        if let Err(why) = self.recount.add(&e)
            && self.problems.len() < PROBLEMS_MOST
        {
            self.problems
                .insert(format!("wifi.estimates-{partition}-{offset}: {why}"));
        }
        let now = Instant::now();
        if let Some(before) = self.last.insert(partition, now)
            && self.measure
        {
            self.dip = self.dip.max(now - before);
        }
        if dump.is_on() {
            let source = e.source.unwrap_or_default();
            let kind = usize::try_from(e.kind - 1).ok().and_then(|k| KINDS.get(k));
            dump.write(
                "estimates",
                &json!({
                    "partition": partition, "offset": offset,
                    "source": {"topic_id": source.topic_id, "partition": source.partition, "offset": source.offset, "index": source.index},
                    "kind": kind, "time_ms": e.time_ms, "org": e.org, "site": e.site, "ap": e.ap, "band": e.band,
                    "wlan": e.wlan, "client": e.client, "value": e.value, "unit": e.unit, "good_ms": e.good_ms,
                    "bad_ms": e.bad_ms, "classifier": e.classifier,
                }),
            );
        }
    }

    /// Messages of all topics.
    pub fn all(&self) -> u64 {
        self.sizes.values().map(|(messages, _)| messages).sum()
    }

    /// Average bytes of a message of a topic.
    pub fn bytes_of(&self, topic: &str) -> u64 {
        let (messages, bytes) = self.sizes.get(topic).copied().unwrap_or((0, 0));
        bytes.checked_div(messages).unwrap_or(0)
    }
}

/// A record that is no telemetry has a line in `rejected.jsonl` instead.
fn write_telemetry(partition: i32, offset: i64, value: &[u8], dump: &Dump) {
    let telemetry = if value.first() == Some(&b'{') {
        serde_json::from_slice::<Telemetry>(value).ok()
    } else {
        Telemetry::decode(value).ok()
    };
    if let Some(Ok(serde_json::Value::Object(mut line))) = telemetry.map(serde_json::to_value) {
        line.insert("partition".to_owned(), partition.into());
        line.insert("offset".to_owned(), offset.into());
        dump.write("telemetry", &line);
    }
}
