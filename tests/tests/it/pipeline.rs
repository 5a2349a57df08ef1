//! What tests of the pipeline share: a broker and a store of their own, telemetry, and a reader of topics.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use fulmar_tests::cluster::{Cluster, LONG};
use fulmar_tests::process::{Process, fulmar};
use fulmar_tests::wait::wait_for;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Partitions of every topic.
pub const PARTITIONS: i32 = 8;

/// Reads a topic from its beginning, again and again.
pub struct Reader(BaseConsumer);

impl Reader {
    /// A reader of a whole topic.
    pub fn new(servers: &str, topic: &str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("group.id", "test")
            .create()
            .expect("a consumer");
        let mut list = TopicPartitionList::new();
        for p in 0..PARTITIONS {
            list.add_partition_offset(topic, p, Offset::Beginning)
                .expect("a partition");
        }
        consumer.assign(&list).expect("assigned");
        Self(consumer)
    }

    /// What is there now: partition, value, headers.
    pub fn take(&self) -> Vec<(i32, Vec<u8>, BTreeMap<String, String>)> {
        let mut all = Vec::new();
        while let Some(Ok(m)) = self.0.poll(Duration::from_millis(20)) {
            let headers = m.headers().map(|h| {
                h.iter()
                    .map(|h| {
                        (
                            h.key.to_owned(),
                            String::from_utf8_lossy(h.value.unwrap_or_default()).into_owned(),
                        )
                    })
                    .collect()
            });
            all.push((
                m.partition(),
                m.payload().unwrap_or_default().to_vec(),
                headers.unwrap_or_default(),
            ));
        }
        all
    }
}

/// A broker and its address.
pub fn broker(cluster: &Cluster) -> (Process, String) {
    let mut command = Command::new(fulmar());
    command.args(["broker", "--partitions", &PARTITIONS.to_string()]);
    let broker = Process::start("broker", &mut command, cluster.dir.path());
    let servers = wait_for("the broker's address", LONG, || {
        broker
            .log()
            .lines()
            .find_map(|l| l.strip_prefix("kafka ").map(str::to_owned))
    });
    (broker, servers)
}

/// A store and its address.
pub fn store(cluster: &Cluster) -> (Process, String) {
    let mut command = Command::new(fulmar());
    command.args(["store", "--port", "0", "--dir"]);
    command.arg(cluster.dir.path().join("store"));
    let store = Process::start("store", &mut command, cluster.dir.path());
    let address = wait_for("the store's address", LONG, || {
        store
            .log()
            .lines()
            .find_map(|l| l.strip_prefix("store ").map(str::to_owned))
    });
    (store, address)
}

/// Telemetry at a rate, for so long.
pub fn source(cluster: &Cluster, servers: &str, rate: u32, run_for: &str) -> Process {
    let mut command = Command::new(fulmar());
    command.args(["source", "--bootstrap", servers, "--partitions"]);
    command.arg(PARTITIONS.to_string());
    command.args(["--rate", &rate.to_string(), "--for", run_for]);
    command.args(["--output", "json"]);
    Process::start("source", &mut command, cluster.dir.path())
}

/// What a source that has ended says that it sent and had confirmed.
pub fn confirmed(source: &Process) -> usize {
    let log = source.log();
    let report = &log[log.find('{').expect("a report")..];
    let report: serde_json::Value = serde_json::from_str(report).expect("JSON");
    report["confirmed"].as_u64().expect("a count") as usize
}
